/* The floor: a relay that only receives and sends. No SIP.
 *
 * What a server cannot go below on this machine, with this kernel and these system calls: batches of 64 with recvmmsg
 * and sendmmsg on one blocking socket, nothing looked at, nothing copied by us (a batch is sent from the buffers it
 * was received in). One mode for each shape of traffic:
 *
 *   relay forward LISTEN DESTINATION   each datagram goes to DESTINATION                      (1 in, 1 out)
 *   relay pair    LISTEN DESTINATION   as forward; what comes from DESTINATION goes back to
 *                                      the last other sender                                  (2 in, 2 out)
 *   relay call    LISTEN DESTINATION   as pair; an INVITE also sends its first octets back,
 *                                      in the place of a 100                                  (6 in, 7 out)
 *   relay reply   LISTEN SIZE          back to its sender, cut or filled to SIZE octets       (1 in, 1 out)
 *
 * Addresses are IPv4 HOST:PORT. Options before the mode: -w N worker processes, each with a socket of its own that a
 * classic BPF program picks at random, so that a single sender loads all; -b OCTETS receive buffer (default 4 MiB).
 * Prints "ready" when the sockets are open. Ends by a signal.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

enum { BATCH = 64, ROOM = 4096, WORKERS = 64, TRYING = 400 };
enum mode { FORWARD, PAIR, CALL, REPLY };

static unsigned char room[BATCH][ROOM];

static void fail(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address(const char *text)
{
    struct sockaddr_in out = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host) {
        fprintf(stderr, "relay: not HOST:PORT: %s\n", text);
        exit(2);
    }
    memcpy(host, text, colon - text);
    host[colon - text] = 0;
    out.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &out.sin_addr) != 1) {
        fprintf(stderr, "relay: not an IPv4 address: %s\n", host);
        exit(2);
    }
    return out;
}

static int open_socket(const struct sockaddr_in *listen, int shared, int buffer)
{
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        fail("socket");
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one))
        fail("SO_REUSEPORT");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (bind(fd, (const struct sockaddr *)listen, sizeof *listen))
        fail("bind");
    return fd;
}

/* Random choice among the sockets of the group, per datagram. */
static void spread(int fd, int workers)
{
    struct sock_filter code[] = {
        { BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)(SKF_AD_OFF + SKF_AD_RANDOM) },
        { BPF_ALU | BPF_MOD | BPF_K, 0, 0, (unsigned)workers },
        { BPF_RET | BPF_A, 0, 0, 0 },
    };
    struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program))
        fail("SO_ATTACH_REUSEPORT_CBPF");
}

static int same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void serve(int fd, enum mode mode, struct sockaddr_in destination, unsigned size)
{
    struct mmsghdr messages[BATCH * 2];
    struct iovec vectors[BATCH * 2];
    struct sockaddr_in names[BATCH * 2], upstream = { 0 };

    memset(messages, 0, sizeof messages);
    memset(room, 'x', sizeof room);
    for (int i = 0; i < BATCH * 2; i++) {
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &names[i];
        messages[i].msg_hdr.msg_namelen = sizeof names[i];
    }
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i].iov_base = room[i];
            vectors[i].iov_len = ROOM;
            messages[i].msg_hdr.msg_namelen = sizeof names[i];
        }
        int received = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (received < 0) {
            if (errno == EINTR || errno == ECONNREFUSED)
                continue;
            fail("recvmmsg");
        }
        int total = received;
        for (int i = 0; i < received; i++) {
            vectors[i].iov_len = mode == REPLY ? size : messages[i].msg_len;
            if (mode == FORWARD) {
                names[i] = destination;
            } else if (mode == PAIR || mode == CALL) {
                if (same(&names[i], &destination)) {
                    names[i] = upstream;
                } else {
                    upstream = names[i];
                    names[i] = destination;
                    if (mode == CALL && room[i][0] == 'I') {
                        names[total] = upstream;
                        vectors[total].iov_base = room[i];
                        vectors[total++].iov_len = messages[i].msg_len < TRYING ? messages[i].msg_len : TRYING;
                    }
                }
            }
        }
        for (int sent = 0; sent < total;) {
            int done = sendmmsg(fd, messages + sent, (unsigned)(total - sent), 0);
            if (done > 0)
                sent += done;
            else if (errno != EINTR && errno != ECONNREFUSED)
                fail("sendmmsg");
        }
    }
}

int main(int argc, char **argv)
{
    int workers = 1, buffer = 4 << 20, option;
    while ((option = getopt(argc, argv, "+w:b:")) != -1) {
        if (option == 'w')
            workers = atoi(optarg);
        else if (option == 'b')
            buffer = atoi(optarg);
        else
            return 2;
    }
    argc -= optind;
    argv += optind;
    if (argc != 3 || workers < 1 || workers > WORKERS) {
        fprintf(stderr, "usage: relay [-w WORKERS] [-b OCTETS] forward|pair|call LISTEN DESTINATION | reply LISTEN SIZE\n");
        return 2;
    }
    enum mode mode = !strcmp(argv[0], "forward") ? FORWARD
                     : !strcmp(argv[0], "pair")  ? PAIR
                     : !strcmp(argv[0], "call")  ? CALL
                                                 : REPLY;
    struct sockaddr_in listen = address(argv[1]), destination = { 0 };
    unsigned size = 0;
    if (mode == REPLY) {
        size = (unsigned)atoi(argv[2]);
        if (strcmp(argv[0], "reply") || size < 1 || size > ROOM) {
            fprintf(stderr, "relay: unknown mode or size: %s %s\n", argv[0], argv[2]);
            return 2;
        }
    } else {
        destination = address(argv[2]);
    }
    if ((mode == PAIR || mode == CALL) && workers > 1) {
        fprintf(stderr, "relay: pair and call keep their sender in one process: no -w\n");
        return 2;
    }

    int sockets[WORKERS];
    for (int i = 0; i < workers; i++)
        sockets[i] = open_socket(&listen, workers > 1, buffer);
    if (workers > 1)
        spread(sockets[0], workers);
    for (int i = 1; i < workers; i++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            serve(sockets[i], mode, destination, size);
        }
    }
    puts("ready");
    fflush(stdout);
    serve(sockets[0], mode, destination, size);
    return 0;
}
