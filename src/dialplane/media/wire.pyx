"""Datagrams in and out by the batch, and the timer of the clock: the three system calls that media is made of.

A ``Port`` reads all that has come with one ``recvmmsg``, with the time at which the kernel received each (SO_TIMESTAMPNS): so
a session may look at its socket once per packet time and still measure jitter to the microsecond. ``Outbox`` collects what
many sessions have to send and hands it to the kernel in one go without the GIL. UDP over IPv4 and IPv6, Linux.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset



cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/socket.h>
    #include <sys/timerfd.h>
    #include <netinet/in.h>
    #include <arpa/inet.h>
    #include <time.h>
    #include <unistd.h>
    """
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct in_addr:
        unsigned int s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct timespec:
        long tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value
    int AF_INET, AF_INET6, MSG_DONTWAIT, MSG_TRUNC, SOL_SOCKET, SO_TIMESTAMPNS
    int CLOCK_MONOTONIC, CLOCK_REALTIME, TFD_NONBLOCK, TFD_CLOEXEC
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, timespec *timeout) nogil
    ssize_t sendto(int fd, const void *data, size_t size, int flags, const sockaddr *to, socklen_t length) nogil
    int setsockopt(int fd, int level, int name, const void *value, socklen_t length) nogil
    const char *inet_ntop(int family, const void *source, char *out, socklen_t size) nogil
    uint16_t ntohs(uint16_t value) nogil
    uint16_t htons(uint16_t value) nogil
    int inet_pton(int family, const char *source, void *out) nogil
    cmsghdr *CMSG_FIRSTHDR(msghdr *header) nogil
    unsigned char *CMSG_DATA(cmsghdr *header) nogil
    int clock_gettime(int clock, timespec *out) nogil
    int timerfd_create(int clock, int flags) nogil
    int timerfd_settime(int fd, int flags, const itimerspec *value, itimerspec *old) nogil
    ssize_t read(int fd, void *out, size_t size) nogil
    int close(int fd) nogil

cdef enum:
    BATCH = 16
    ROOM = 1600
    ADDRESS = 28
    CONTROL = 64

# One set of buffers for all ports: a port is read from start to end under the GIL's owner.
cdef char *_octets = <char *>malloc(BATCH * ROOM)
cdef char *_control = <char *>malloc(BATCH * CONTROL)
cdef unsigned char *_names = <unsigned char *>malloc(BATCH * ADDRESS)
cdef mmsghdr *_messages = <mmsghdr *>calloc(BATCH, sizeof(mmsghdr))
cdef iovec *_vectors = <iovec *>calloc(BATCH, sizeof(iovec))


cdef double _seconds(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


def now():
    """Seconds of the monotonic clock, which all times here are counted in."""
    return _seconds(CLOCK_MONOTONIC)


cdef tuple _address(const unsigned char *name):
    cdef char text[64]
    cdef sockaddr_in *four = <sockaddr_in *>name
    cdef sockaddr_in6 *six = <sockaddr_in6 *>name
    if (<sockaddr *>name).sa_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, 64)
        return (text.decode(), ntohs(four.sin_port))
    inet_ntop(AF_INET6, &six.sin6_addr, text, 64)
    return (text.decode(), ntohs(six.sin6_port))


cdef class Port:
    """One UDP socket: where it sends, and what has come."""

    cdef int fd
    cdef readonly object socket
    cdef readonly object remote
    cdef unsigned char to[ADDRESS]
    cdef socklen_t to_length
    cdef readonly unsigned long truncated
    cdef readonly unsigned long failed

    def __init__(self, socket):
        cdef int on = 1
        self.socket = socket
        self.fd = socket.fileno()
        self.to_length = 0
        setsockopt(self.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on))

    def direct(self, remote):
        """From now on datagrams go to this host (an address) and port; to nobody, for None."""
        cdef sockaddr_in *four = <sockaddr_in *>self.to
        cdef sockaddr_in6 *six = <sockaddr_in6 *>self.to
        memset(self.to, 0, ADDRESS)
        self.to_length = 0
        self.remote = remote
        if remote is None:
            return
        host, port = remote
        cdef bytes text = host.encode()
        if inet_pton(AF_INET, text, &four.sin_addr) == 1:
            four.sin_family = AF_INET
            four.sin_port = htons(port)
            self.to_length = sizeof(sockaddr_in)
        elif inet_pton(AF_INET6, text, &six.sin6_addr) == 1:
            six.sin6_family = AF_INET6
            six.sin6_port = htons(port)
            self.to_length = sizeof(sockaddr_in6)
        else:
            self.remote = None
            raise ValueError(f"{host!r} is no IP address")

    def close(self):
        """Gives the socket back; what is still in an outbox goes nowhere."""
        self.direct(None)
        self.fd = -1
        self.socket.close()

    def receive(self):
        """All that has come: octets, monotonic time of arrival, and the source, None for who we send to."""
        cdef int count, i
        cdef list found = []
        cdef double offset
        cdef cmsghdr *header
        cdef timespec stamp
        cdef double arrival
        cdef object source
        while True:
            for i in range(BATCH):
                _vectors[i].iov_base = _octets + i * ROOM
                _vectors[i].iov_len = ROOM
                _messages[i].msg_hdr.msg_name = _names + i * ADDRESS
                _messages[i].msg_hdr.msg_namelen = ADDRESS
                _messages[i].msg_hdr.msg_iov = &_vectors[i]
                _messages[i].msg_hdr.msg_iovlen = 1
                _messages[i].msg_hdr.msg_control = _control + i * CONTROL
                _messages[i].msg_hdr.msg_controllen = CONTROL
                _messages[i].msg_hdr.msg_flags = 0
            count = recvmmsg(self.fd, _messages, BATCH, MSG_DONTWAIT, NULL)
            if count < 0:
                # An ICMP refusal of what we sent comes up here once: the port may open later, so it is no end.
                if errno == EAGAIN or errno == EINTR:
                    return found
                self.failed += 1
                return found
            if count == 0:
                return found
            offset = _seconds(CLOCK_MONOTONIC) - _seconds(CLOCK_REALTIME)
            for i in range(count):
                if _messages[i].msg_hdr.msg_flags & MSG_TRUNC:
                    self.truncated += 1
                    continue
                arrival = 0.0
                header = CMSG_FIRSTHDR(&_messages[i].msg_hdr)
                if header != NULL and header.cmsg_level == SOL_SOCKET and header.cmsg_type == SO_TIMESTAMPNS:
                    memcpy(&stamp, CMSG_DATA(header), sizeof(stamp))
                    arrival = stamp.tv_sec + stamp.tv_nsec * 1e-9 + offset
                else:
                    arrival = _seconds(CLOCK_MONOTONIC)
                source = None
                if not self._is_remote(_names + i * ADDRESS):
                    source = _address(_names + i * ADDRESS)
                found.append(
                    (PyBytes_FromStringAndSize(_octets + i * ROOM, _messages[i].msg_len), arrival, source)
                )
            if count < BATCH:
                return found

    cdef bint _is_remote(self, const unsigned char *name) noexcept:
        cdef sockaddr_in *ours = <sockaddr_in *>self.to
        cdef sockaddr_in *theirs = <sockaddr_in *>name
        cdef sockaddr_in6 *ours6 = <sockaddr_in6 *>self.to
        cdef sockaddr_in6 *theirs6 = <sockaddr_in6 *>name
        if self.to_length == 0 or ours.sin_family != theirs.sin_family or ours.sin_port != theirs.sin_port:
            return False
        if ours.sin_family == AF_INET:
            return ours.sin_addr.s_addr == theirs.sin_addr.s_addr
        return memcmp(ours6.sin6_addr.s6_addr, theirs6.sin6_addr.s6_addr, 16) == 0


cdef class Outbox:
    """Datagrams of many ports, sent together."""

    cdef list ports
    cdef list datagrams

    def __cinit__(self):
        self.ports = []
        self.datagrams = []

    def put(self, Port port not None, bytes datagram not None):
        """To be sent at the next ``flush``; nothing happens if the port is directed to nobody."""
        if port.to_length:
            self.ports.append(port)
            self.datagrams.append(datagram)

    def flush(self):
        """Sends all; gives how many the kernel took. A datagram that it does not take is lost, as on the way."""
        cdef Py_ssize_t count = len(self.datagrams)
        cdef Py_ssize_t i, sent = 0
        cdef Port port
        cdef bytes datagram
        cdef int *fds
        cdef void **data
        cdef size_t *sizes
        cdef unsigned char **names
        cdef socklen_t *lengths
        cdef char *taken
        if count == 0:
            return 0
        cdef char *block = <char *>malloc(count * (sizeof(int) + 2 * sizeof(void *) + sizeof(size_t) + sizeof(socklen_t) + 1))
        if block == NULL:
            raise MemoryError
        data = <void **>block
        names = <unsigned char **>(data + count)
        sizes = <size_t *>(names + count)
        fds = <int *>(sizes + count)
        lengths = <socklen_t *>(fds + count)
        taken = <char *>(lengths + count)
        for i in range(count):
            port = <Port>self.ports[i]
            datagram = <bytes>self.datagrams[i]
            data[i] = PyBytes_AS_STRING(datagram)
            sizes[i] = len(datagram)
            names[i] = port.to
            lengths[i] = port.to_length
            fds[i] = port.fd
        with nogil:
            for i in range(count):
                taken[i] = sendto(fds[i], data[i], sizes[i], MSG_DONTWAIT, <sockaddr *>names[i], lengths[i]) >= 0
                sent += taken[i]
        if sent < count:
            for i in range(count):
                if not taken[i]:
                    (<Port>self.ports[i]).failed += 1
        free(block)
        self.ports.clear()
        self.datagrams.clear()
        return sent


cdef class Ticker:
    """A timer that the event loop can watch: readable each ``interval`` seconds."""

    cdef int fd

    def __init__(self, double interval):
        cdef itimerspec value
        if interval <= 0:
            raise ValueError("the interval is more than nothing")
        self.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, "timerfd_create")
        value.it_interval.tv_sec = <long>interval
        value.it_interval.tv_nsec = <long>((interval - <long>interval) * 1e9)
        value.it_value = value.it_interval
        timerfd_settime(self.fd, 0, &value, NULL)

    def fileno(self):
        """The descriptor."""
        return self.fd

    def ticks(self):
        """How many intervals have passed since the last call."""
        cdef uint64_t count = 0
        if read(self.fd, &count, 8) != 8:
            return 0
        return count

    def close(self):
        """Gives the descriptor back."""
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def __dealloc__(self):
        if self.fd >= 0:
            close(self.fd)
