/* Reads a message from standard input and writes it as a proxy would forward it: with a Via on top and one hop less. */
#include <dialplane.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    static uint8_t octets[65536], out[65536 + 256];
    const char via[] = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKexample\r\n";
    size_t length = fread(octets, 1, sizeof octets, stdin);
    dp_message *message = dp_message_new(0);
    dp_edits *edits = dp_edits_new();
    dp_essentials essentials;
    dp_rejection rejection;
    dp_field_view forwards;
    char number[16];
    int result = 1;

    dp_status status = dp_parse(message, octets, length);
    if (status != DP_STATUS_OK) {
        fprintf(stderr, "%s\n", dp_status_text(status));
    } else if (dp_check(message, &essentials, &rejection) != DP_STATUS_OK) {
        fprintf(stderr, "%u %.*s\n", rejection.status, (int)rejection.reason.length, (const char *)rejection.reason.data);
    } else if (essentials.max_forwards <= 0) {
        fputs("483 Too Many Hops\n", stderr);
    } else {
        dp_field_of(message, DP_HEADER_MAX_FORWARDS, 0, &forwards);
        snprintf(number, sizeof number, "%d", essentials.max_forwards - 1);
        dp_edits_insert_first(edits, message, (const uint8_t *)via, sizeof via - 1);
        dp_edits_replace(edits, message, forwards.value, (const uint8_t *)number, strlen(number));
        if (dp_edits_apply(edits, message, out, sizeof out, &length) == DP_STATUS_OK)
            result = fwrite(out, 1, length, stdout) != length;
    }
    dp_edits_free(edits);
    dp_message_free(message);
    return result;
}
