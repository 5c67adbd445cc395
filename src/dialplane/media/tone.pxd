# Goertzel filter for other kernels. See tone.pyx.

cdef double goertzel(const unsigned char *samples, Py_ssize_t count, double coefficient) noexcept nogil
