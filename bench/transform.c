/* transform.c: `bench_transform [MESSAGES]`: JSON messages of 150 bytes, 1000 to a batch: decode → add_fields (a
 * constant and a time) → encode, on one thread, without I/O. Prints messages per second of CPU time, the best of five
 * rounds.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/transform/transform.h"
#include <stdlib.h>
#include <time.h>

#define BATCH 1000

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char settings[] = "{\"add_fields\":{\"enabled\":true,\"fields\":["
                               "{\"key\":\"source\",\"value\":{\"static\":\"bench\"}},"
                               "{\"key\":\"at\",\"value\":{\"computed\":\"timestamp_millis\"}}]}}";

static void make(const char *what, int rc, const hg_err_t *err)
{
    if (rc == 0) return;
    fprintf(stderr, "%s: %s\n", what, err->msg);
    exit(1);
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000, bytes = 0, allocs = 0;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node;
    hg_chain_t *chain;
    hg_codec_t *codec;
    make("settings", hg_json_parse(a, hg_strz(settings), &node, &err), &err);
    make("chain", hg_chain_new(node, &chain, &err), &err);
    make("codec", hg_codec_new(HG_S("json"), NULL, &codec, &err), &err);
    hg_str_t in[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        in[i].p =
            hg_arena_printf(a,
                            "{\"id\":%u,\"user_id\":\"u-%08u\",\"title\":\"a message of some length\",\"amount\":%u.25,"
                            "\"currency\":\"EUR\",\"active\":true,\"text\":\"0123456789 0123456789 012\"}%64s",
                            100000 + i, i * 7919, 1000 + i, "");
        in[i].n = strlen(in[i].p) - 64;
    }
    hg_scratch_t *s = hg_scratch_new();
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        uint64_t before = hg_mem_allocs();
        double t0 = cpu();
        for (uint64_t done = 0; done < n; done += BATCH) {
            hg_scratch_reset(s);
            for (uint32_t i = 0; i < BATCH; i++) {
                hg_payload_t p;
                hg_str_t out;
                make("message", hg_convert_sink(codec, chain, s, in[i], &p, &out, &err), &err);
                bytes += out.n;
            }
        }
        best = HG_MIN(best, cpu() - t0);
        allocs = hg_mem_allocs() - before;
    }
    printf("%zu bytes in, %" PRIu64 " out: %.2f M messages per CPU-second, %" PRIu64 " allocations in the last round\n",
           in[0].n, bytes / 5 / n, (double)n / best / 1e6, allocs);
    hg_scratch_free(s);
    hg_codec_free(codec);
    hg_chain_free(chain);
    hg_arena_free(a);
    return 0;
}
