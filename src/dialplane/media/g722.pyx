"""G.722 at 64 kbit/s: ITU-T G.722 (09/2012), RFC 3551 §4.5.2. Samples as in ``g711``, 16,000 a second; twin in ``reference_g722``.

Names are those of the Recommendation: two bands, split by a quadrature mirror filter, each coded as the difference from what
an adaptive predictor of two poles and six zeros expects.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy, memmove, memset

cdef int *QMF = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11]
cdef int *WL = [-60, -30, 58, 172, 334, 538, 1198, 3042]
cdef int *RL42 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]
cdef int *ILB = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
]
cdef int *WH = [0, -214, 798]
cdef int *RH2 = [2, 1, 2, 1]
cdef int *QM2 = [-7408, -1616, 7408, 1616]
cdef int *QM4 = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
]
cdef int *QM6 = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
    -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
    24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
]
cdef int *Q6 = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
    786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
]

cdef struct Band:
    int s, sp, sz, nb, det
    int r[3]
    int a[3]
    int p[3]
    int d[7]
    int b[7]


cdef inline int clip(int value) noexcept nogil:
    return 32767 if value > 32767 else -32768 if value < -32768 else value


cdef inline int within(int value, int low, int high) noexcept nogil:
    return high if value > high else low if value < low else value


cdef void predict(Band *band, int d) noexcept nogil:
    # Blocks 4L and 4H: reconstruct, adapt poles and zeros, predict the next.
    cdef int i, limit, next_a1, next_a2, step, value
    cdef int r = clip(band.s + d)
    cdef int p = clip(band.sz + d)
    value = clip(band.a[1] << 2)
    if (p >> 15) == (band.p[1] >> 15):
        value = -value
    if value > 32767:
        value = 32767
    next_a2 = (128 if (p >> 15) == (band.p[2] >> 15) else -128) + (value >> 7) + ((band.a[2] * 32512) >> 15)
    next_a2 = within(next_a2, -12288, 12288)
    next_a1 = clip((192 if (p >> 15) == (band.p[1] >> 15) else -192) + ((band.a[1] * 32640) >> 15))
    limit = clip(15360 - next_a2)
    next_a1 = within(next_a1, -limit, limit)
    step = 0 if d == 0 else 128
    for i in range(1, 7):
        band.b[i] = clip((step if (band.d[i] >> 15) == (d >> 15) else -step) + ((band.b[i] * 32640) >> 15))
    for i in range(6, 1, -1):
        band.d[i] = band.d[i - 1]
    band.d[1] = d
    band.r[2] = band.r[1]
    band.r[1] = r
    band.p[2] = band.p[1]
    band.p[1] = p
    band.a[1] = next_a1
    band.a[2] = next_a2
    band.sp = clip(((next_a1 * clip(band.r[1] + band.r[1])) >> 15) + ((next_a2 * clip(band.r[2] + band.r[2])) >> 15))
    value = 0
    for i in range(6, 0, -1):
        value += (band.b[i] * clip(band.d[i] + band.d[i])) >> 15
    band.sz = clip(value)
    band.s = clip(band.sp + band.sz)


cdef inline void scale(Band *band, int weight, int most, int shift) noexcept nogil:
    # Blocks 3L and 3H: the logarithmic scale factor, and the quantizer's step from it.
    band.nb = within(((band.nb * 127) >> 7) + weight, 0, most)
    cdef int value = ILB[band.nb >> 6 & 31]
    shift -= band.nb >> 11
    band.det = (value << -shift if shift < 0 else value >> shift) << 2


cdef inline void adapt_low(Band *band, int code) noexcept nogil:
    cdef int d = (band.det * QM4[code >> 2]) >> 15
    scale(band, WL[RL42[code >> 2]], 18432, 8)
    predict(band, d)


cdef inline void adapt_high(Band *band, int code, int d) noexcept nogil:
    scale(band, WH[RH2[code]], 22528, 10)
    predict(band, d)


cdef void reset(Band *low, Band *high) noexcept nogil:
    memset(low, 0, sizeof(Band))
    memset(high, 0, sizeof(Band))
    low.det = 32
    high.det = 8


cdef class Encoder:
    """One stream of samples."""

    cdef Band low, high
    cdef int x[24]

    def __cinit__(self):
        reset(&self.low, &self.high)
        memset(self.x, 0, sizeof(self.x))

    def encode(self, const unsigned char[::1] samples not None, /):
        """Codes, one octet for two samples."""
        if samples.shape[0] % 4:
            raise ValueError("G.722 codes pairs of samples: the number of octets is no multiple of four")
        cdef Py_ssize_t count = samples.shape[0] // 4, i
        cdef bytes result = PyBytes_FromStringAndSize(NULL, count)
        cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(result)
        cdef short pair[2]
        with nogil:
            for i in range(count):
                memcpy(pair, &samples[4 * i], 4)
                out[i] = self.code(pair[0], pair[1])
        return result

    cdef unsigned char code(self, int first, int second) noexcept nogil:
        cdef int i, odd = 0, even = 0, low, high, e, wd, mih
        memmove(self.x, self.x + 2, 22 * sizeof(int))
        self.x[22] = first
        self.x[23] = second
        for i in range(12):
            odd += self.x[2 * i] * QMF[i]
            even += self.x[2 * i + 1] * QMF[11 - i]
        e = clip(((even + odd) >> 14) - self.low.s)
        wd = e if e >= 0 else -(e + 1)
        i = 1
        while i < 30 and wd >= (Q6[i] * self.low.det) >> 12:
            i += 1
        if e < 0:
            low = 64 - i if i < 3 else 34 - i
        else:
            low = 62 - i
        adapt_low(&self.low, low)
        e = clip(((even - odd) >> 14) - self.high.s)
        wd = e if e >= 0 else -(e + 1)
        mih = 2 if wd >= (564 * self.high.det) >> 12 else 1
        high = (2 - mih) if e < 0 else (4 - mih)
        adapt_high(&self.high, high, (self.high.det * QM2[high]) >> 15)
        return high << 6 | low


cdef class Decoder:
    """One stream of codes."""

    cdef Band low, high
    cdef int x[24]

    def __cinit__(self):
        reset(&self.low, &self.high)
        memset(self.x, 0, sizeof(self.x))

    def decode(self, const unsigned char[::1] codes not None, /):
        """Two samples for each octet."""
        cdef Py_ssize_t count = codes.shape[0], i
        cdef bytes result = PyBytes_FromStringAndSize(NULL, 4 * count)
        cdef char *out = PyBytes_AS_STRING(result)
        cdef short pair[2]
        with nogil:
            for i in range(count):
                self.samples(codes[i], pair)
                memcpy(out + 4 * i, pair, 4)
        return result

    cdef void samples(self, int code, short *pair) noexcept nogil:
        cdef int i, one = 0, other = 0, low, high, d
        low = within(self.low.s + ((self.low.det * QM6[code & 63]) >> 15), -16384, 16383)
        adapt_low(&self.low, code & 63)
        d = (self.high.det * QM2[code >> 6]) >> 15
        high = within(self.high.s + d, -16384, 16383)
        adapt_high(&self.high, code >> 6, d)
        memmove(self.x, self.x + 2, 22 * sizeof(int))
        self.x[22] = low + high
        self.x[23] = low - high
        for i in range(12):
            one += self.x[2 * i + 1] * QMF[11 - i]
            other += self.x[2 * i] * QMF[i]
        pair[0] = clip(one >> 11)
        pair[1] = clip(other >> 11)
