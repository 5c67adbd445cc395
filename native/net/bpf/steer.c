/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Picks the worker for a datagram by its Call-ID, and drops datagrams of banned sources. RFC 3261 §8.1.1.4, §20.8.
 *
 * An sk_reuseport program (BPF_PROG_TYPE_SK_REUSEPORT): the kernel runs it for each datagram that comes to a group of
 * SO_REUSEPORT sockets. The instructions in steer.hex are made of this file by make.py; a test compares the two.
 *
 * The hash is that of native/core/src/spread.rs, which decides; what is found wrong here is handed over there.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct sk_reuseport_md {
    u64 data, data_end;
    u32 len, eth_protocol, ip_protocol, bind_inany, hash;
};

enum { SK_DROP, SK_PASS };
enum { ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86DD };
enum { BPF_HDR_START_NET = 1 };

static void *(*const lookup)(const void *map, const void *key) = (void *)1;
static u64 (*const now_ns)(void) = (void *)5;
static long (*const load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static long (*const load_bytes_relative)(const void *skb, u32 offset, void *to, u32 len, u32 start) = (void *)68;
static long (*const select_socket)(void *md, const void *map, void *key, u64 flags) = (void *)82;

/* What user space and the program share: native/net/src/steer/mod.rs writes and reads the same. */
struct settings {
    u32 workers;
    u32 has_bans;
};

enum { LARGEST = 2048, UDP_HEADER = 8, HASHED = 30 };

/* The octets of one datagram, and some behind them so that words may be read at its end. */
struct buffer {
    u8 octets[LARGEST + 64];
    volatile u32 place;
};

/* The loader puts the maps in the places of these, by the order in which they stand here. */
struct map { u32 number; };
struct map settings __attribute__((section("maps"))) = {0};
struct map bans __attribute__((section("maps"))) = {1};
struct map sockets __attribute__((section("maps"))) = {2};
struct map buffers __attribute__((section("maps"))) = {3};
struct map dropped __attribute__((section("maps"))) = {4};

/* "call-id" as a word. */
#define CALL_ID 0x64692d6c6c6163ULL
#define ALL(octet) (0x0101010101010101ULL * (octet))

static inline __attribute__((always_inline)) u64 word_at(const struct buffer *buffer, u32 place) {
    return *(const u64 *)(buffer->octets + place);
}

/* Number of the lowest octet of which the highest bit is set. */
static inline __attribute__((always_inline)) u32 lowest(u64 bits) {
    return ((bits & -bits) >> 7) * 0x0001020304050607ULL >> 56 & 7;
}

/* Where the name ends if the line at a place begins with the name of the field, long or compact; else 0. */
static inline __attribute__((always_inline)) u32 begins(const struct buffer *buffer, u32 place) {
    const u64 behind = 1ULL << ':' | 1ULL << ' ' | 1ULL << '\t';
    u64 name = word_at(buffer, place);
    if (((name | ALL(0x20)) << 8) == CALL_ID << 8 && behind >> (name >> 56 & 63) & 1)
        return place + 7;
    if ((name & 0xdf) == 'I' && behind >> (name >> 8 & 63) & 1)
        return place + 1;
    return 0;
}

/* The source as one word: native/core/src/guard/source.rs. */
static inline __attribute__((always_inline)) int is_banned(const struct sk_reuseport_md *md) {
    u64 source, *until;
    if (md->eth_protocol == __builtin_bswap16(ETH_P_IP)) {
        u32 v4;
        if (load_bytes_relative(md, 12, &v4, sizeof(v4), BPF_HDR_START_NET))
            return 0;
        source = 0xffffULL << 32 | __builtin_bswap32(v4);
    } else {
        u64 prefix;
        if (load_bytes_relative(md, 8, &prefix, sizeof(prefix), BPF_HDR_START_NET))
            return 0;
        source = __builtin_bswap64(prefix);
        if (!source)
            source = ~0ULL;
    }
    until = lookup(&bans, &source);
    return until && *until > now_ns();
}

__attribute__((section("sk_reuseport"))) int steer(struct sk_reuseport_md *md) {
    u32 zero = 0;
    struct settings *shared = lookup(&settings, &zero);
    struct buffer *buffer = lookup(&buffers, &zero);
    if (!shared || !buffer)
        return SK_PASS;
    if (shared->has_bans && is_banned(md)) {
        u64 *count = lookup(&dropped, &zero);
        if (count)
            __sync_fetch_and_add(count, 1);
        return SK_DROP;
    }
    if (shared->workers < 2 || md->len <= UDP_HEADER + 16)
        return SK_PASS;
    u32 len = md->len - UDP_HEADER;
    if (len > LARGEST)
        len = LARGEST;
    if (load_bytes(md, UDP_HEADER, buffer->octets, len))
        return SK_PASS;
    /* No word of the datagram before may be found behind this one. */
    *(u64 *)(buffer->octets + len) = 0;

    /* Eight octets at a time; where a line ends in them, the first ones of the next line. */
    u32 place = 0;
    for (u32 at = 0; at < LARGEST; at += 8) {
        if (at >= len)
            return SK_PASS;
        u64 word = word_at(buffer, at) ^ ALL('\n');
        u64 ends = (word - ALL(1)) & ~word & ALL(0x80);
        if (!ends)
            continue;
        place = begins(buffer, at + lowest(ends) + 1);
        if (place)
            goto value;
        /* A line may be as short as "l:0". */
        ends &= ends - 1;
        if (!ends)
            continue;
        place = begins(buffer, at + lowest(ends) + 1);
        if (place)
            goto value;
    }
    return SK_PASS;

value:
    /* The place may be any from here on: what follows is checked once. */
    buffer->place = place;
    place = buffer->place & (LARGEST - 1);
    u32 colons = 0;
    for (u32 n = 0; n < 32; n++) {
        u8 octet = buffer->octets[place & (LARGEST - 1)];
        if (octet == ':' && !colons)
            colons = 1;
        else if (octet != ' ' && octet != '\t' && (octet != '\r' && octet != '\n' || !colons))
            break;
        place++;
    }
    if (!colons)
        return SK_PASS;
    buffer->place = place;
    place = buffer->place & (LARGEST - 1);
    u32 hash = 0x811c9dc5;
    for (u32 n = 0; n < HASHED; n++) {
        u8 octet = buffer->octets[place + n];
        if (octet <= ' ')
            break;
        hash = (hash ^ octet) * 0x01000193;
    }
    u32 worker = (hash ^ hash >> 15) % shared->workers;
    select_socket(md, &sockets, &worker, 0);
    return SK_PASS;
}

