"""RTP packets: RFC 3550 §5.1, read and written. Twin in ``reference``."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy


def parse(const unsigned char[::1] packet not None):
    """Payload type, marker, sequence number, timestamp, SSRC and payload; None for what is no RTP packet."""
    cdef Py_ssize_t size = packet.shape[0]
    cdef Py_ssize_t start, end = size
    if size < 12 or packet[0] >> 6 != 2:
        return None
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        if start + 4 > size:
            return None
        start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
    if packet[0] & 0x20:
        end -= packet[size - 1]
        if packet[size - 1] == 0:
            return None
    if start > end:
        return None
    return (
        packet[1] & 0x7F,
        packet[1] >> 7 == 1,
        packet[2] << 8 | packet[3],
        _number(&packet[4]),
        _number(&packet[8]),
        PyBytes_FromStringAndSize(<const char *>&packet[0] + start, end - start),
    )


def build(int payload_type, bint marker, unsigned int sequence, unsigned long timestamp, unsigned long ssrc, bytes payload not None, /):
    """A packet without contributing sources, extension and padding."""
    cdef Py_ssize_t size = len(payload)
    cdef bytes packet = PyBytes_FromStringAndSize(NULL, 12 + size)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(packet)
    out[0] = 0x80
    out[1] = (marker << 7) | (payload_type & 0x7F)
    out[2] = sequence >> 8 & 0xFF
    out[3] = sequence & 0xFF
    _put(out + 4, timestamp)
    _put(out + 8, ssrc)
    memcpy(out + 12, PyBytes_AS_STRING(payload), size)
    return packet


cdef inline unsigned long _number(const unsigned char *octets) noexcept nogil:
    return <unsigned long>octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]


cdef inline void _put(unsigned char *out, unsigned long value) noexcept nogil:
    out[0] = value >> 24 & 0xFF
    out[1] = value >> 16 & 0xFF
    out[2] = value >> 8 & 0xFF
    out[3] = value & 0xFF
