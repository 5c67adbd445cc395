/* The C library of dialplane, linked statically. */
#include "harness.h"

#include <dialplane.h>

static void address(dp_slice value) {
    dp_address address;
    dp_uri uri;
    if (dp_address_parse(value, &address) == DP_STATUS_OK && dp_uri_parse(address.uri, &uri) == DP_STATUS_OK)
        keep(&uri);
}

void work(const char *bytes, size_t length, enum level level) {
    static dp_message *message;
    if (!message)
        message = dp_message_new(0);
    require(dp_parse(message, (const uint8_t *)bytes, length) == DP_STATUS_OK, "dialplane refuses the message");
    if (level >= TYPICAL) {
        dp_uri uri;
        dp_via via;
        dp_address from, to;
        dp_slice call_id;
        dp_cseq_value cseq;
        uint32_t hops;
        int failed = dp_request_uri(message, &uri) | dp_top_via(message, &via) | dp_from(message, &from) | dp_to(message, &to) |
                     dp_call_id(message, &call_id) | dp_cseq(message, &cseq) | dp_max_forwards(message, &hops);
        require(!failed, "a field cannot be read");
        keep(&uri), keep(&via), keep(&from), keep(&to), keep(&call_id), keep(&cseq), keep(&hops);
    }
    if (level >= EVERY) {
        size_t count = dp_field_count(message);
        dp_field_view field;
        for (size_t number = 1; number <= count && dp_field(message, number, &field) == DP_STATUS_OK; number++) {
            dp_slice rest = field.value, element;
            uint32_t seconds;
            switch (field.id) {
            case DP_HEADER_FROM:
            case DP_HEADER_TO:
                address(field.value);
                break;
            case DP_HEADER_CONTACT:
            case DP_HEADER_ROUTE:
            case DP_HEADER_RECORD_ROUTE:
            case DP_HEADER_P_ASSERTED_IDENTITY:
                while (dp_list_next(&rest, &element) == DP_STATUS_OK)
                    address(element);
                break;
            case DP_HEADER_SESSION_EXPIRES:
            case DP_HEADER_MIN_SE:
                dp_seconds(message, field.id, &seconds);
                keep(&seconds);
                break;
            default:
                if (dp_header_is_list(field.id))
                    while (dp_list_next(&rest, &element) == DP_STATUS_OK)
                        keep(&element);
                else
                    keep(&field);
            }
        }
    }
}
