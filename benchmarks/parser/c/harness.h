/* What the programs of this folder have in common: PROGRAM FILE LEVEL [ROUNDS].
 *
 * Without ROUNDS it prints nanoseconds per message, the least of many batches; with ROUNDS it only does the work so often, for
 * valgrind to count its instructions.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* index: all that the library needs before a header can be asked for.
 * typical: and Request-URI, top Via, From, To, Call-ID, CSeq, Max-Forwards as typed values.
 * every: and every other field, element by element, URIs of the addresses parsed. */
enum level { INDEX, TYPICAL, EVERY };

/* Does the work once; stops the program when the message cannot be read. */
void work(const char *bytes, size_t length, enum level level);

/* Makes the compiler believe that what lies at the pointer is used. */
static inline void keep(const void *pointer) { __asm__ volatile("" : : "r"(pointer) : "memory"); }

static inline void require(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static double nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    static char bytes[65536];
    require(argc >= 3, "usage: PROGRAM FILE index|typical|every [ROUNDS]");
    FILE *file = fopen(argv[1], "rb");
    require(file != NULL, "the message cannot be opened");
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    enum level level = strcmp(argv[2], "index") == 0 ? INDEX : strcmp(argv[2], "typical") == 0 ? TYPICAL : EVERY;
    if (argc > 3) {
        for (long left = atol(argv[3]); left > 0; left--)
            work(bytes, length, level);
        return 0;
    }
    const int batch = 200;
    double least = 1e18, end = nanoseconds() + 0.6e9;
    while (nanoseconds() < end) {
        double start = nanoseconds();
        for (int i = 0; i < batch; i++)
            work(bytes, length, level);
        double taken = (nanoseconds() - start) / batch;
        if (taken < least)
            least = taken;
    }
    printf("%.1f\n", least);
    return 0;
}

#endif
