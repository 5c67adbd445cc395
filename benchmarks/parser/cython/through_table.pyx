# cython: language_level=3
"""What ../c/dialplane.c does, by the same harness, through the table that dialplane_native gives to Cython."""

from libc.stdint cimport uint8_t, uint32_t

from dialplane_native cimport (
    DP_HEADER_CONTACT, DP_HEADER_FROM, DP_HEADER_MIN_SE, DP_HEADER_P_ASSERTED_IDENTITY, DP_HEADER_RECORD_ROUTE,
    DP_HEADER_ROUTE, DP_HEADER_SESSION_EXPIRES, DP_HEADER_TO, DP_STATUS_OK, dp_address, dp_api, dp_cseq_value,
    dp_field_view, dp_import, dp_message, dp_slice, dp_uri, dp_via,
)


cdef extern from *:
    """
    #define main harness_main
    #include "harness.h"
    #undef main
    """
    enum level:
        INDEX
        TYPICAL
        EVERY
    void keep(const void *pointer) noexcept nogil
    void require(int holds, const char *what) noexcept nogil
    int harness_main(int argc, char **argv) noexcept nogil


cdef const dp_api *sip = dp_import()
cdef dp_message *message = sip.message_new(0)


cdef void address(dp_slice value) noexcept nogil:
    cdef dp_address address
    cdef dp_uri uri
    if sip.address_parse(value, &address) == DP_STATUS_OK and sip.uri_parse(address.uri, &uri) == DP_STATUS_OK:
        keep(&uri)


cdef public void work(const char *octets, size_t length, level much) noexcept nogil:
    cdef dp_uri uri
    cdef dp_via via
    cdef dp_address sender, receiver
    cdef dp_slice call_id, rest, element
    cdef dp_cseq_value cseq
    cdef dp_field_view field
    cdef uint32_t hops, seconds
    cdef size_t number
    require(sip.parse(message, <const uint8_t *>octets, length) == DP_STATUS_OK, "dialplane refuses the message")
    if much >= TYPICAL:
        require(
            not (
                <int>sip.request_uri(message, &uri) | <int>sip.top_via(message, &via) | <int>sip.from_(message, &sender)
                | <int>sip.to(message, &receiver) | <int>sip.call_id(message, &call_id) | <int>sip.cseq(message, &cseq)
                | <int>sip.max_forwards(message, &hops)
            ),
            "a field cannot be read",
        )
        keep(&uri); keep(&via); keep(&sender); keep(&receiver); keep(&call_id); keep(&cseq); keep(&hops)
    if much >= EVERY:
        for number in range(1, sip.field_count(message) + 1):
            if sip.field(message, number, &field) != DP_STATUS_OK:
                break
            rest = field.value
            if field.id == DP_HEADER_FROM or field.id == DP_HEADER_TO:
                address(field.value)
            elif field.id in (DP_HEADER_CONTACT, DP_HEADER_ROUTE, DP_HEADER_RECORD_ROUTE, DP_HEADER_P_ASSERTED_IDENTITY):
                while sip.list_next(&rest, &element) == DP_STATUS_OK:
                    address(element)
            elif field.id == DP_HEADER_SESSION_EXPIRES or field.id == DP_HEADER_MIN_SE:
                sip.seconds(message, field.id, &seconds)
                keep(&seconds)
            elif sip.header_is_list(field.id):
                while sip.list_next(&rest, &element) == DP_STATUS_OK:
                    keep(&element)
            else:
                keep(&field)


def main(list arguments):
    """PROGRAM FILE LEVEL [ROUNDS]."""
    cdef char *argv[4]
    encoded = [argument.encode() for argument in arguments[:4]]
    for i in range(len(encoded)):
        argv[i] = encoded[i]
    cdef int argc = len(encoded)
    with nogil:
        harness_main(argc, argv)
