"""Power of one tone in a run of samples, by the Goertzel filter. Samples as in ``g711``; twin in ``reference``."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport M_PI, cos, sin
from libc.string cimport memcpy


def power(const unsigned char[::1] samples not None, double frequency, double rate=8000.0):
    """Mean square of the component at ``frequency`` Hz of ``samples`` taken at ``rate`` Hz.

    A sine of amplitude A that fills the buffer gives A² / 2; silence and an empty buffer give 0.
    """
    cdef Py_ssize_t count = _count(samples, frequency, rate)
    if count == 0:
        return 0.0
    cdef double squared
    with nogil:
        squared = goertzel(&samples[0], count, 2.0 * cos(2.0 * M_PI * frequency / rate))
    return 2.0 * squared / (<double>count * count)


def share(const unsigned char[::1] samples not None, double frequency, double rate=8000.0):
    """Part of the energy of ``samples`` that lies at ``frequency``: 1 for a pure tone, near 0 for anything else."""
    cdef Py_ssize_t count = _count(samples, frequency, rate)
    cdef double energy = 0.0
    cdef Py_ssize_t i
    cdef short sample
    with nogil:
        for i in range(count):
            memcpy(&sample, &samples[2 * i], 2)
            energy += <double>sample * sample
    if energy == 0.0:
        return 0.0
    return min(1.0, power(samples, frequency, rate) * count / energy)


cdef Py_ssize_t _count(const unsigned char[::1] samples, double frequency, double rate) except -1:
    if samples.shape[0] % 2:
        raise ValueError("samples are two octets each: an odd number of octets was given")
    if not 0.0 < frequency < rate / 2.0:
        raise ValueError("the frequency lies between 0 and half the rate, both excluded")
    return samples.shape[0] // 2


cdef double goertzel(const unsigned char *samples, Py_ssize_t count, double coefficient) noexcept nogil:
    # |X|² of the samples at the frequency of which coefficient is 2 cos ω.
    cdef double s0, s1 = 0.0, s2 = 0.0
    cdef Py_ssize_t i
    cdef short sample
    for i in range(count):
        memcpy(&sample, samples + 2 * i, 2)
        s0 = sample + coefficient * s1 - s2
        s2 = s1
        s1 = s0
    return s1 * s1 + s2 * s2 - coefficient * s1 * s2


def sine(frequencies, double amplitude, double rate, long start, Py_ssize_t count):
    """Sines at the same time, ``amplitude`` each: the samples from number ``start``."""
    cdef Py_ssize_t lines = len(frequencies)
    if count < 0 or rate <= 0:
        raise ValueError("a tone has a rate and no fewer than no samples")
    if amplitude * lines > 32767:
        raise ValueError("the tones together are louder than 16 bits can hold")
    cdef bytes result = PyBytes_FromStringAndSize(NULL, 2 * count)
    cdef char *out = PyBytes_AS_STRING(result)
    # sin(x + w) = 2 cos(w) sin(x) - sin(x - w): two sines for each line and piece, not one for each sample.
    cdef double factor[8]
    cdef double last[8]
    cdef double before[8]
    cdef double turn
    if lines > 8:
        raise ValueError("up to eight tones at the same time")
    cdef Py_ssize_t i, line
    for line in range(lines):
        turn = 2.0 * M_PI * frequencies[line] / rate
        factor[line] = 2.0 * cos(turn)
        last[line] = sin(turn * (start - 1))
        before[line] = sin(turn * (start - 2))
    cdef double value
    cdef short sample
    with nogil:
        for i in range(count):
            value = 0.0
            for line in range(lines):
                turn = factor[line] * last[line] - before[line]
                before[line] = last[line]
                last[line] = turn
                value += turn
            value *= amplitude
            sample = <short>(value + 0.5 if value >= 0 else value - 0.5)
            memcpy(out + 2 * i, &sample, 2)
    return result


cdef double *ROWS = [697.0, 770.0, 852.0, 941.0]
cdef double *COLUMNS = [1209.0, 1336.0, 1477.0, 1633.0]


def pair(const unsigned char[::1] samples not None, double rate=8000.0):
    """Number of the DTMF digit (ITU-T Q.23) in these samples, row by row from 0, or -1: two tones and nearly nothing else."""
    cdef Py_ssize_t count = _count(samples, 1000.0, rate)
    cdef double energy = 0.0, value, row = 0.0, column = 0.0
    cdef int best_row = 0, best_column = 0, i
    cdef Py_ssize_t n
    cdef short sample
    if count == 0:
        return -1
    with nogil:
        for n in range(count):
            memcpy(&sample, &samples[2 * n], 2)
            energy += <double>sample * sample
        for i in range(4):
            value = goertzel(&samples[0], count, 2.0 * cos(2.0 * M_PI * ROWS[i] / rate))
            if value > row:
                row, best_row = value, i
            value = goertzel(&samples[0], count, 2.0 * cos(2.0 * M_PI * COLUMNS[i] / rate))
            if value > column:
                column, best_column = value, i
    # Mean squares of the two tones beside that of everything. Q.24: down to about -40 dBm; twist of 8 dB either way.
    row = 2.0 * row / (<double>count * count)
    column = 2.0 * column / (<double>count * count)
    energy /= count
    if energy < 5000.0 or row + column < 0.7 * energy or row > 6.3 * column or column > 6.3 * row:
        return -1
    return 4 * best_row + best_column
