/* Counts the SIP messages of a pcap file by method and by status code: pcap_statistics FILE. UDP over IPv4 on Ethernet. */
#include <dialplane.h>
#include <stdio.h>
#include <string.h>

static uint32_t number(const uint8_t *at, int octets, int swapped) {
    uint32_t value = 0;
    for (int i = 0; i < octets; i++)
        value = value << 8 | at[swapped ? octets - 1 - i : i];
    return value;
}

/* The UDP payload of a frame; NULL when it holds none. */
static const uint8_t *payload(const uint8_t *frame, size_t length, size_t *rest) {
    if (length < 42 || number(frame + 12, 2, 0) != 0x0800 || frame[14] >> 4 != 4 || frame[23] != 17)
        return NULL;
    size_t header = 14 + (size_t)(frame[14] & 15) * 4 + 8;
    if (header > length)
        return NULL;
    size_t udp = number(frame + header - 4, 2, 0);
    *rest = udp >= 8 && udp - 8 <= length - header ? udp - 8 : length - header;
    return frame + header;
}

int main(int argc, char **argv) {
    static uint8_t frame[65536 + 64];
    static char names[16][16];
    unsigned long methods[16] = {0}, codes[700] = {0}, others = 0;
    uint8_t head[24];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(head, 1, 24, file) != 24 || dp_abi_version() != DP_ABI_VERSION)
        return fputs("usage: pcap_statistics FILE.pcap\n", stderr), 2;
    int swapped = head[3] == 0xa1; /* little-endian */
    if (number(head, 2, 0) != 0xa1b2 && number(head + 2, 2, 1) != 0xa1b2)
        return fputs("this is no pcap file\n", stderr), 2;
    dp_message *message = dp_message_new(0);
    while (fread(head, 1, 16, file) == 16) {
        size_t length = number(head + 8, 4, swapped), rest;
        if (length > sizeof frame || fread(frame, 1, length, file) != length)
            break;
        const uint8_t *octets = payload(frame, length, &rest);
        if (!octets || dp_parse(message, octets, rest) != DP_STATUS_OK) {
            others++;
        } else if (dp_is_request(message)) {
            dp_slice name = dp_method_name(message);
            methods[dp_method(message)]++;
            snprintf(names[dp_method(message)], 16, "%.*s", (int)name.length, (const char *)name.data);
        } else {
            codes[dp_status_code(message)]++;
        }
    }
    for (int i = 1; i < 16; i++)
        if (methods[i])
            printf("%s %lu\n", names[i], methods[i]);
    for (int i = 100; i < 700; i++)
        if (codes[i])
            printf("%d %lu\n", i, codes[i]);
    printf("other methods %lu, not SIP %lu\n", methods[DP_METHOD_ID_OTHER], others + codes[0]);
    dp_message_free(message);
    fclose(file);
    return 0;
}
