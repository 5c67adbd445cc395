# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The parser of dialplane-native from Cython: no Python object is made for a message, and its work needs no lock."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from dialplane_native cimport (
    DP_METHOD_ID_OTHER, DP_STATUS_OK, dp_address, dp_api, dp_cseq_value, dp_import, dp_message, dp_slice,
    dp_uri, dp_via,
)

# Once for the module. What does not fit is an ImportError here.
cdef const dp_api *sip = dp_import()

cdef enum:
    METHODS = 15  # ids of methods that are counted one by one


cdef object text(dp_slice octets):
    """What is absent is None."""
    return None if octets.data == NULL else octets.data[:octets.length].decode("utf-8", "replace")


def count(const uint8_t[::1] octets not None, const uint64_t[::1] ends not None):
    """How many messages there are of each method, in a buffer that holds one after the other; responses count as "response"."""
    cdef uint64_t[METHODS] counts
    cdef dp_slice[METHODS] names
    cdef uint64_t start = 0, end, responses = 0, refused = 0
    cdef int method
    cdef Py_ssize_t number
    cdef bint is_outside = False
    cdef dp_message *message = sip.message_new(0)
    if message == NULL:
        raise MemoryError
    memset(counts, 0, sizeof(counts))
    with nogil:
        for number in range(ends.shape[0]):
            end = ends[number]
            if end < start or end > <uint64_t>octets.shape[0]:
                is_outside = True
                break
            if sip.parse(message, &octets[start], end - start) != DP_STATUS_OK:
                refused += 1
            elif not sip.is_request(message):
                responses += 1
            else:
                method = sip.method(message)
                # A later version of the parser may know more of them.
                if method >= METHODS:
                    method = DP_METHOD_ID_OTHER
                counts[method] += 1
                names[method] = sip.method_name(message)
            start = end
        sip.message_free(message)
    if is_outside:
        raise ValueError(f"end {number} lies outside of the buffer or before the one before it")
    found = {text(names[i]) if i != DP_METHOD_ID_OTHER else "other": counts[i] for i in range(METHODS) if counts[i]}
    found.update({name: much for name, much in [("response", responses), ("refused", refused)] if much})
    return found


cdef struct Typical:
    dp_uri uri
    dp_via via
    dp_address sender
    dp_address receiver
    dp_slice call_id
    dp_cseq_value cseq
    uint32_t hops
    # Which of them could be read.
    bint[7] has


cdef void read(const dp_message *message, Typical *typical) noexcept nogil:
    """Fields are read when they are asked for, and each says for itself whether it can be."""
    typical.has[0] = sip.request_uri(message, &typical.uri) == DP_STATUS_OK
    typical.has[1] = sip.top_via(message, &typical.via) == DP_STATUS_OK
    typical.has[2] = sip.from_(message, &typical.sender) == DP_STATUS_OK
    typical.has[3] = sip.to(message, &typical.receiver) == DP_STATUS_OK
    typical.has[4] = sip.call_id(message, &typical.call_id) == DP_STATUS_OK
    typical.has[5] = sip.cseq(message, &typical.cseq) == DP_STATUS_OK
    typical.has[6] = sip.max_forwards(message, &typical.hops) == DP_STATUS_OK


def typical(const uint8_t[::1] octets not None):
    """What is usually asked of a message; what cannot be read is None. ValueError for what is no SIP."""
    cdef Typical fields
    cdef int status
    cdef dp_message *message = sip.message_new(0)
    if message == NULL:
        raise MemoryError
    with nogil:
        status = sip.parse(message, &octets[0], octets.shape[0])
        if status == DP_STATUS_OK:
            read(message, &fields)
        # What was read lies in the octets and not in the message.
        sip.message_free(message)
    if status != DP_STATUS_OK:
        raise ValueError(sip.status_text(status).decode())
    return {
        "user": text(fields.uri.user) if fields.has[0] else None,
        "branch": text(fields.via.branch) if fields.has[1] else None,
        "from": text(fields.sender.uri) if fields.has[2] else None,
        "from_tag": text(fields.sender.tag) if fields.has[2] else None,
        "to": text(fields.receiver.uri) if fields.has[3] else None,
        "to_tag": text(fields.receiver.tag) if fields.has[3] else None,
        "call_id": text(fields.call_id) if fields.has[4] else None,
        "cseq": fields.cseq.number if fields.has[5] else None,
        "max_forwards": fields.hops if fields.has[6] else None,
    }
