# G.711 for other kernels. See g711.pyx.

cdef unsigned char ulaw_code(int sample) noexcept nogil
cdef unsigned char alaw_code(int sample) noexcept nogil
cdef short ulaw_sample(unsigned char code) noexcept nogil
cdef short alaw_sample(unsigned char code) noexcept nogil
