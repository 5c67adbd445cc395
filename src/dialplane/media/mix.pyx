"""Sums of samples: conferences, and gain. Twin in ``reference``."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


cdef inline short _clipped(long value) noexcept nogil:
    return <short>(32767 if value > 32767 else -32768 if value < -32768 else value)


def others(list pieces not None, Py_ssize_t count):
    """For each of the pieces the sum of all the others, ``count`` samples long; a short piece ends in silence."""
    cdef long *total = <long *>calloc(count + 1, sizeof(long))
    if total == NULL:
        raise MemoryError
    cdef bytes piece, result
    cdef const char *data
    cdef char *out
    cdef Py_ssize_t i, size
    cdef short sample
    cdef list found = []
    try:
        for piece in pieces:
            data = PyBytes_AS_STRING(piece)
            size = min(count, len(piece) // 2)
            for i in range(size):
                memcpy(&sample, data + 2 * i, 2)
                total[i] += sample
        for piece in pieces:
            data = PyBytes_AS_STRING(piece)
            size = min(count, len(piece) // 2)
            result = PyBytes_FromStringAndSize(NULL, 2 * count)
            out = PyBytes_AS_STRING(result)
            for i in range(count):
                sample = 0
                if i < size:
                    memcpy(&sample, data + 2 * i, 2)
                sample = _clipped(total[i] - sample)
                memcpy(out + 2 * i, &sample, 2)
            found.append(result)
    finally:
        free(total)
    return found


def scale(const unsigned char[::1] samples not None, double gain):
    """The samples, louder or quieter."""
    if samples.shape[0] % 2:
        raise ValueError("samples are two octets each: an odd number of octets was given")
    cdef bytes result = PyBytes_FromStringAndSize(NULL, samples.shape[0])
    cdef char *out = PyBytes_AS_STRING(result)
    cdef Py_ssize_t i
    cdef short sample
    cdef double value
    with nogil:
        for i in range(samples.shape[0] // 2):
            memcpy(&sample, &samples[2 * i], 2)
            value = sample * gain
            sample = _clipped(<long>(value + 0.5 if value >= 0 else value - 0.5))
            memcpy(out + 2 * i, &sample, 2)
    return result
