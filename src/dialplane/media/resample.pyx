"""Sampling rates: 8, 16, 48 kHz and whatever a file has. Windowed sinc, one filter per phase. Twin in ``reference``."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport M_PI, cos, sin
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from math import gcd

cdef enum:
    HALF = 12
    LIMIT = 768000


cdef class Resampler:
    """Samples of one rate to samples of another, piece by piece; the delay of the filter is taken out."""

    cdef Py_ssize_t up, down, taps, half
    cdef double *filters
    cdef short *held
    cdef Py_ssize_t held_count, room
    cdef Py_ssize_t phase, skip

    def __cinit__(self, int rate, int to_rate):
        if not (0 < rate <= LIMIT and 0 < to_rate <= LIMIT):
            raise ValueError("a sampling rate is between 1 and 768000 Hz")
        cdef Py_ssize_t common = gcd(rate, to_rate)
        self.up = to_rate // common
        self.down = rate // common
        # The filter passes what both rates can hold; it grows with what has to be cut off.
        cdef double cut = 0.94 * min(1.0, <double>to_rate / rate)
        self.half = <Py_ssize_t>(HALF / min(1.0, <double>to_rate / rate)) + 1
        self.taps = 2 * self.half
        if self.up * self.taps > 1 << 24:
            raise ValueError("these two rates have too little in common")
        self.filters = <double *>malloc(self.up * self.taps * sizeof(double))
        self.room = self.taps
        self.held = <short *>malloc(self.room * sizeof(short))
        if self.filters == NULL or self.held == NULL:
            raise MemoryError
        cdef Py_ssize_t phase, tap
        cdef double x, w, total
        for phase in range(self.up):
            total = 0.0
            for tap in range(self.taps):
                x = tap - self.half + 1 - <double>phase / self.up
                w = 0.42 + 0.5 * cos(M_PI * x / self.half) + 0.08 * cos(2 * M_PI * x / self.half)
                if x < -self.half or x > self.half:
                    w = 0.0
                self.filters[phase * self.taps + tap] = w * (cut if x == 0 else sin(M_PI * cut * x) / (M_PI * x))
                total += self.filters[phase * self.taps + tap]
            for tap in range(self.taps):
                self.filters[phase * self.taps + tap] /= total
        self.held_count = self.half - 1
        for tap in range(self.held_count):
            self.held[tap] = 0

    def __dealloc__(self):
        free(self.filters)
        free(self.held)

    def convert(self, const unsigned char[::1] samples not None):
        """What can be made of these samples and of those before."""
        if samples.shape[0] % 2:
            raise ValueError("samples are two octets each: an odd number of octets was given")
        cdef Py_ssize_t count = samples.shape[0] // 2
        cdef Py_ssize_t total = self.held_count + count
        cdef short *all = <short *>malloc((total + 1) * sizeof(short))
        if all == NULL:
            raise MemoryError
        memcpy(all, self.held, self.held_count * sizeof(short))
        if count:
            memcpy(all + self.held_count, &samples[0], count * sizeof(short))
        cdef bytes result = PyBytes_FromStringAndSize(NULL, 2 * ((total + 2) * self.up // self.down + 2))
        cdef short *out = <short *>PyBytes_AS_STRING(result)
        cdef Py_ssize_t place = self.skip, made = 0, tap, phase = self.phase
        cdef double value
        cdef const double *filter
        with nogil:
            while place + self.taps <= total:
                filter = self.filters + phase * self.taps
                value = 0.0
                for tap in range(self.taps):
                    value += filter[tap] * all[place + tap]
                out[made] = <short>(32767 if value > 32767 else -32768 if value < -32768 else value + (0.5 if value >= 0 else -0.5))
                made += 1
                phase += self.down
                place += phase // self.up
                phase = phase % self.up
        self.phase = phase
        cdef Py_ssize_t keep = total - place if place < total else 0
        self.skip = place - total if place > total else 0
        if keep > self.room:
            self.room = keep
            free(self.held)
            self.held = <short *>malloc(self.room * sizeof(short))
            if self.held == NULL:
                raise MemoryError
        if keep:
            memcpy(self.held, all + place, keep * sizeof(short))
        self.held_count = keep
        free(all)
        return result[: 2 * made]

    def flush(self):
        """The rest: as if silence followed."""
        return self.convert(bytes(2 * self.half))
