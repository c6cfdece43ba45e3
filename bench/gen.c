/* gen.c: the record of the figures: id, name, price, ts, tags. `bench_gen json|csv ROWS` writes to stdout.
 * NDJSON lines are 104 bytes with their line end; CSV has the same fields but for the list. Same arguments, same bytes.
 */
#include "base/hg.h"
#include <stdlib.h>

#define RECORD 104

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int main(int argc, char **argv)
{
    static const char *const colours[] = { "red", "blue", "green", "black" };
    if (argc != 3) {
        fprintf(stderr, "usage: bench_gen json|csv ROWS\n");
        return 2;
    }
    bool json = strcmp(argv[1], "json") == 0;
    uint64_t n = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = mix((i + 1) * UINT64_C(0x9E3779B97F4A7C15));
        char rest[80], name[80];
        unsigned cents = (unsigned)(r >> 8) % 100000, s = (unsigned)(i % 86400);
        int at = snprintf(rest, sizeof rest,
                          json ? "\",\"price\":%u.%02u,\"ts\":\"2024-01-%02u %02u:%02u:%02u\""
                               : ",%u.%02u,2024-01-%02u %02u:%02u:%02u",
                          cents / 100, cents % 100, (unsigned)(i / 86400 % 31) + 1, s / 3600, s / 60 % 60, s % 60);
        if (json)
            at += snprintf(rest + at, sizeof rest - (size_t)at, ",\"tags\":[\"%s\",\"%s\"]}", colours[r & 3],
                           colours[r >> 2 & 3]);
        int head =
            snprintf(name, sizeof name, json ? "{\"id\":%" PRIu64 ",\"name\":\"part %06u" : "%" PRIu64 ",part %06u", i,
                     (unsigned)(r >> 40) % 1000000);
        if (json)
            while (head + at + 1 < RECORD) name[head] = (char)('a' + (head + 1) % 26), head++;
        fwrite(name, 1, (size_t)head, stdout);
        fwrite(rest, 1, (size_t)at, stdout);
        putchar('\n');
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
