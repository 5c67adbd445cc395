/* Calls every function over each file named, and checks what must hold whatever the octets are. */
#include <assert.h>
#include <dialplane.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *octets;
static size_t length;

/* A slice lies within the octets, or is absent. */
static void within(dp_slice slice) {
    assert(slice.data == NULL || slice.length == 0 ||
           (slice.data >= octets && slice.data + slice.length <= octets + length));
}

static int is(dp_slice slice, const char *text) {
    return slice.data != NULL && slice.length == strlen(text) && memcmp(slice.data, text, slice.length) == 0;
}

static void params(dp_slice rest) {
    dp_slice all = rest, name, value, found;
    while (dp_param_next(&rest, &name, &value) == DP_STATUS_OK) {
        within(name), within(value);
        assert(dp_param(all, name.data, name.length, &found) == DP_STATUS_OK);
    }
}

static void uri(dp_slice text) {
    dp_uri uri;
    if (dp_uri_parse(text, &uri) != DP_STATUS_OK)
        return;
    within(uri.user), within(uri.password), within(uri.host.name), within(uri.params), within(uri.headers);
    params(uri.params);
    assert(uri.scheme != DP_SCHEME_SIP || uri.host.kind != DP_HOST_KIND_ABSENT);
    dp_uri_equal(text, text);
}

static void value(uint32_t id, dp_slice value) {
    dp_address address;
    dp_via via;
    if (id == DP_HEADER_VIA && dp_via_parse(value, &via) == DP_STATUS_OK) {
        within(via.transport), within(via.branch), within(via.received), within(via.sent_by), params(via.params);
    } else if (dp_address_parse(value, &address) == DP_STATUS_OK) {
        within(address.display), within(address.tag), params(address.params), uri(address.uri);
    }
}

static void fields(const dp_message *message) {
    dp_field_view field;
    size_t count = dp_field_count(message);
    for (size_t number = 1; number <= count; number++) {
        assert(dp_field(message, number, &field) == DP_STATUS_OK && field.number == number);
        within(field.name), within(field.value);
        if (field.name.length > 0)
            assert(dp_header_id(field.name.data, field.name.length) == field.id);
        dp_slice rest = field.value, element;
        if (!dp_header_is_list(field.id))
            value(field.id, field.value);
        else
            while (dp_list_next(&rest, &element) == DP_STATUS_OK)
                within(element), value(field.id, element);
        dp_field_view found;
        size_t after = 0, seen = 0;
        while (dp_field_of(message, field.id, after, &found) == DP_STATUS_OK) {
            assert(found.number > after);
            after = found.number;
            seen += found.number == number;
        }
        assert(seen == 1);
    }
    assert(dp_field(message, 0, &field) == DP_STATUS_MISSING);
    assert(dp_field(message, count + 1, &field) == DP_STATUS_MISSING);
}

static void message(dp_message *message, dp_edits *edits) {
    dp_slice call_id;
    dp_cseq_value cseq;
    dp_via via;
    dp_address address;
    dp_uri uri;
    dp_essentials essentials;
    dp_rejection rejection;
    uint32_t number;
    size_t used, needed;
    if (dp_parse_stream(message, octets, length, &used) == DP_STATUS_OK)
        assert(used <= length && dp_octets(message).length <= used);
    if (dp_parse(message, octets, length) != DP_STATUS_OK) {
        assert(dp_from(message, &address) == DP_STATUS_ARGUMENT && dp_body(message).data == NULL);
        return;
    }
    within(dp_octets(message)), within(dp_body(message)), within(dp_uri_text(message)), within(dp_reason(message));
    assert(dp_is_request(message) == (dp_method_name(message).data != NULL));
    assert(dp_is_request(message) == (dp_status_code(message) == 0 && dp_reason(message).data == NULL));
    fields(message);
    dp_request_uri(message, &uri), dp_top_via(message, &via), dp_from(message, &address), dp_to(message, &address);
    dp_call_id(message, &call_id), dp_cseq(message, &cseq), dp_max_forwards(message, &number);
    dp_seconds(message, DP_HEADER_EXPIRES, &number);
    if (dp_check(message, &essentials, &rejection) == DP_STATUS_OK) {
        assert(dp_fault(message) == DP_STATUS_OK);
        assert(dp_call_id(message, &call_id) == DP_STATUS_OK && call_id.data == essentials.call_id.data);
    } else {
        assert(rejection.status >= 400 && rejection.status < 600 && rejection.reason.length > 0);
    }
    /* Taking nothing out gives the same octets; taking the first field out makes it shorter. */
    uint8_t *out = malloc(length + 1);
    dp_edits_clear(edits);
    assert(dp_edits_apply(edits, message, out, length + 1, &needed) == DP_STATUS_OK);
    assert(needed == dp_octets(message).length && memcmp(out, octets, needed) == 0);
    if (dp_field_count(message) > 0) {
        assert(dp_edits_remove_field(edits, message, 1) == DP_STATUS_OK);
        assert(dp_edits_apply(edits, message, out, length, &used) == DP_STATUS_OK && used < needed);
        assert(dp_edits_apply(edits, message, out, used - 1, &needed) == DP_STATUS_NO_ROOM && needed == used);
    }
    free(out);
}

/* A null pointer is a status, never a fault. */
static void nothing(dp_message *message, dp_edits *edits) {
    dp_slice slice = {NULL, 0}, name;
    dp_field_view field;
    size_t size;
    assert(dp_parse(NULL, (const uint8_t *)"x", 1) == DP_STATUS_ARGUMENT);
    assert(dp_parse(message, NULL, 5) == DP_STATUS_ARGUMENT && dp_parse(message, (const uint8_t *)"x", SIZE_MAX) != DP_STATUS_OK);
    assert(dp_from(message, NULL) == DP_STATUS_ARGUMENT && dp_field(NULL, 1, &field) == DP_STATUS_ARGUMENT);
    assert(dp_list_next(&slice, &name) == DP_STATUS_MISSING && dp_list_next(NULL, &name) == DP_STATUS_ARGUMENT);
    assert(dp_edits_apply(edits, message, NULL, 0, &size) == DP_STATUS_ARGUMENT && !dp_uri_equal(slice, slice));
    assert(dp_method(NULL) == DP_METHOD_ID_OTHER && dp_field_count(NULL) == 0 && !dp_is_request(NULL));
    dp_message_free(NULL), dp_edits_free(NULL);
    for (int status = -1; status < 64; status++)
        assert(strlen(dp_status_text(status)) > 0);
    assert(is(dp_header_name(DP_HEADER_VIA), "Via") && dp_header_name(DP_HEADER_OTHER).data == NULL);
    assert(dp_header_id((const uint8_t *)"i", 1) == DP_HEADER_CALL_ID);
}

int main(int argc, char **argv) {
    dp_message *handle = dp_message_new(0);
    dp_edits *edits = dp_edits_new();
    dp_limits limits;
    assert(dp_abi_version() == DP_ABI_VERSION && strlen(dp_version()) >= 5);
    assert(dp_limits_default(&limits) == DP_STATUS_OK && limits.message == 65536);
    assert(dp_message_limits(handle, &limits) == DP_STATUS_OK);
    nothing(handle, edits);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        assert(file != NULL);
        /* Exactly as large as the message, so that a read behind it is found. */
        fseek(file, 0, SEEK_END);
        length = (size_t)ftell(file);
        rewind(file);
        uint8_t *buffer = malloc(length ? length : 1);
        assert(fread(buffer, 1, length, file) == length);
        fclose(file);
        octets = buffer;
        message(handle, edits);
        free(buffer);
    }
    dp_edits_free(edits);
    dp_message_free(handle);
    return 0;
}
