/* handover: what an event costs the orchestrator, with few and with many connectors.
 *
 * bench_handover [PAIRS...]: for each number of pairs (a backfill, and a stream that waits for it), all of them go
 * through a whole life: mark, durable, open, run, buffered, ended, drained, handed over. Prints nanoseconds per event
 * and, as the measure that does not depend on the machine, connectors looked at per event. Both must not grow with the
 * number of pairs. Then the same for one label that half of the connectors carry and the other half waits for. */
#include "base/hg.h"
#include "base/mem.h"
#include "orchestrator/orch.h"

typedef struct {
    hg_orch_t *o;
    uint64_t events, commands, now;
} bench_t;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void drain(bench_t *b)
{
    hg_orch_cmd_t c;
    while (hg_orch_next(b->o, &c)) b->commands++;
}

static void feed(bench_t *b, hg_orch_ev_kind_t kind, uint32_t conn, uint64_t n)
{
    hg_orch_feed(b->o, (hg_orch_ev_t){ kind, conn, n, (int64_t)++b->now });
    b->events++;
    drain(b);
}

/* Connectors 0..n-1 are the backfills, n..2n-1 the streams. */
static void live(bench_t *b, uint32_t n)
{
    for (uint32_t i = n; i < 2 * n; i++) {
        feed(b, HG_ORCH_OPENED, i, 0);
        feed(b, HG_ORCH_MARKED, i, 0);
        feed(b, HG_ORCH_DURABLE, 0, i - n + 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        feed(b, HG_ORCH_OPENED, i, 0);
        feed(b, HG_ORCH_BUFFERED, i, 1);
        feed(b, HG_ORCH_ENDED, i, 0);
        feed(b, HG_ORCH_BUFFERED, i, 0);
    }
}

static int measure(uint32_t n, bool one_label)
{
    hg_arena_t *a = hg_arena_new();
    hg_orch_conn_t *conns = HG_ANEWN(a, hg_orch_conn_t, 2 * (size_t)n);
    hg_str_t *labels = HG_ANEWN(a, hg_str_t, n);
    for (uint32_t i = 0; i < n; i++) {
        labels[i] = hg_strz(hg_arena_printf(a, "hist%u", i));
        const hg_str_t *label = one_label ? &labels[0] : &labels[i];
        conns[i] = (hg_orch_conn_t){ .name = labels[i], .labels = label, .n_labels = 1, .finite = true };
        conns[n + i] = (hg_orch_conn_t){ .name = hg_strz(hg_arena_printf(a, "live%u", i)),
                                         .after = label,
                                         .n_after = 1,
                                         .has_after = true,
                                         .wants_mark = true };
    }
    const hg_orch_issue_t *issues;
    uint64_t t0 = now_ns();
    uint32_t n_issues = hg_orch_check_config(a, conns, 2 * n, false, &issues);
    uint64_t t1 = now_ns();
    bench_t b = { .o = hg_orch_new(conns, 2 * n) };
    hg_orch_start(b.o, 0);
    feed(&b, HG_ORCH_RUN, 0, 0);
    uint64_t t2 = now_ns(), visits = hg_orch_visits(b.o);
    b.events = 0;
    live(&b, n);
    uint64_t t3 = now_ns();
    bool ok = n_issues == 0;
    for (uint32_t i = n; i < 2 * n; i++) ok = ok && hg_orch_reading(b.o, i);
    printf("%8u connectors, %s: check %6.2f ms, start %6.2f ms, %6.1f ns and %.2f visits per event, %.2f commands\n",
           2 * n, one_label ? "one label " : "own labels", (double)(t1 - t0) / 1e6, (double)(t2 - t1) / 1e6,
           (double)(t3 - t2) / (double)b.events, (double)(hg_orch_visits(b.o) - visits) / (double)b.events,
           (double)b.commands / (double)b.events);
    if (!ok) fputs("not every stream was handed over\n", stderr);
    hg_orch_free(b.o);
    hg_arena_free(a);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const uint32_t usual[] = { 500, 5000, 50000 };
    int rc = 0;
    for (int label = 0; label < 2; label++) {
        for (size_t i = 0; argc == 1 && i < HG_COUNT(usual); i++) rc |= measure(usual[i], label);
        for (int i = 1; i < argc; i++) rc |= measure((uint32_t)strtoul(argv[i], NULL, 10), label);
    }
    return rc;
}
