"""G.711 µ-law and A-law over whole buffers. ITU-T G.711 (11/88), Tables 1a to 2b; RFC 3551 §4.5.14 (PCMU, PCMA).

Samples are signed 16-bit integers in the byte order of this machine. The twin of every function is in ``reference``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

cdef enum:
    BIAS = 132
    CLIP = 32635


def encode_ulaw(const unsigned char[::1] samples not None, /):
    """Codes of ``samples``, one octet each."""
    return _encode(samples, ulaw_code)


def encode_alaw(const unsigned char[::1] samples not None, /):
    """Codes of ``samples``, one octet each."""
    return _encode(samples, alaw_code)


def decode_ulaw(const unsigned char[::1] codes not None, /):
    """Samples of ``codes``, two octets each."""
    return _decode(codes, ulaw_sample)


def decode_alaw(const unsigned char[::1] codes not None, /):
    """Samples of ``codes``, two octets each."""
    return _decode(codes, alaw_sample)


ctypedef unsigned char (*to_code)(int) noexcept nogil
ctypedef short (*to_sample)(unsigned char) noexcept nogil


cdef bytes _encode(const unsigned char[::1] samples, to_code code):
    if samples.shape[0] % 2:
        raise ValueError("samples are two octets each: an odd number of octets was given")
    cdef Py_ssize_t count = samples.shape[0] // 2
    cdef bytes result = PyBytes_FromStringAndSize(NULL, count)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(result)
    cdef Py_ssize_t i
    cdef short sample
    with nogil:
        for i in range(count):
            # The buffer may begin at an odd address (a slice of a datagram): no cast to short *.
            memcpy(&sample, &samples[2 * i], 2)
            out[i] = code(sample)
    return result


cdef bytes _decode(const unsigned char[::1] codes, to_sample decode):
    cdef Py_ssize_t count = codes.shape[0]
    cdef bytes result = PyBytes_FromStringAndSize(NULL, 2 * count)
    cdef char *out = PyBytes_AS_STRING(result)
    cdef Py_ssize_t i
    cdef short sample
    with nogil:
        for i in range(count):
            sample = decode(codes[i])
            memcpy(out + 2 * i, &sample, 2)
    return result


cdef int _segment(int magnitude) noexcept nogil:
    # Index of the highest bit set above bit 7; magnitude is 128 or more.
    cdef int segment = 0
    magnitude >>= 8
    while magnitude:
        magnitude >>= 1
        segment += 1
    return segment


cdef unsigned char ulaw_code(int sample) noexcept nogil:
    cdef int sign = 0
    if sample < 0:
        sign = 0x80
        sample = -sample
    if sample > CLIP:
        sample = CLIP
    sample += BIAS
    cdef int segment = _segment(sample)
    return ~(sign | segment << 4 | (sample >> (segment + 3)) & 0x0F) & 0xFF


cdef unsigned char alaw_code(int sample) noexcept nogil:
    cdef int mask = 0xD5
    if sample < 0:
        mask = 0x55
        # The negative half mirrors the positive one without a zero of its own: -1 is coded as 0 is.
        sample = -sample - 1
    if sample < 256:
        return (sample >> 4) ^ mask
    cdef int segment = _segment(sample)
    return (segment << 4 | (sample >> (segment + 3)) & 0x0F) ^ mask


cdef short ulaw_sample(unsigned char code) noexcept nogil:
    cdef int bits = ~code & 0xFF
    cdef int magnitude = (((bits & 0x0F) << 3) + BIAS << (bits >> 4 & 7)) - BIAS
    return -magnitude if bits & 0x80 else magnitude


cdef short alaw_sample(unsigned char code) noexcept nogil:
    cdef int bits = code ^ 0x55
    cdef int segment = bits >> 4 & 7
    cdef int magnitude = ((bits & 0x0F) << 4) + 8
    if segment:
        magnitude = (magnitude + 256) << (segment - 1)
    return magnitude if bits & 0x80 else -magnitude
