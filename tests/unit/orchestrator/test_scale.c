/* Cost without a clock: how many connectors an event looks at, how many commands it gives, how much is written. */
#include "tests/lib/test.h"
#include "base/buf.h"
#include "orchestrator/orch.h"

enum { N = 10000 };

typedef struct {
    hg_arena_t *arena;
    hg_orch_t *o;
    hg_orch_conn_t *conns;
    uint32_t n;
    int64_t now;
    uint64_t visits, commands; /* of the last event */
} big_t;

static void big_begin(big_t *b, uint32_t n)
{
    *b = (big_t){ .arena = hg_arena_new(), .n = n };
    b->conns = HG_ANEWN(b->arena, hg_orch_conn_t, n);
    for (uint32_t i = 0; i < n; i++)
        b->conns[i] = (hg_orch_conn_t){ .name = hg_strz(hg_arena_printf(b->arena, "c%u", i)), .finite = true };
}

static void set_labels(hg_orch_conn_t *c, hg_str_t *label)
{
    c->labels = label;
    c->n_labels = 1;
}

static void set_after(hg_orch_conn_t *c, hg_str_t *label, bool mark)
{
    c->after = label;
    c->n_after = 1;
    c->has_after = true;
    c->wants_mark = mark;
}

static void big_drain(big_t *b)
{
    hg_orch_cmd_t c;
    for (b->commands = 0; hg_orch_next(b->o, &c);) b->commands++;
}

static void big_feed(big_t *b, hg_orch_ev_kind_t kind, uint32_t conn, uint64_t n)
{
    uint64_t before = hg_orch_visits(b->o);
    hg_orch_feed(b->o, (hg_orch_ev_t){ kind, conn, n, ++b->now });
    big_drain(b);
    b->visits = hg_orch_visits(b->o) - before;
}

static void big_start(big_t *b)
{
    b->o = hg_orch_new(b->conns, b->n);
    hg_orch_start(b->o, 0);
    big_drain(b);
    big_feed(b, HG_ORCH_RUN, 0, 0);
}

static void big_end(big_t *b)
{
    hg_orch_check(b->o);
    hg_orch_free(b->o);
    hg_arena_free(b->arena);
}

/* 5,000 pairs: an event of one touches it and the one that waits for it, never the others. */
static void orch_an_event_touches_only_its_dependents(void **state)
{
    (void)state;
    big_t b;
    big_begin(&b, N);
    hg_str_t *labels = HG_ANEWN(b.arena, hg_str_t, N);
    for (uint32_t i = 0; i < N; i += 2) {
        labels[i] = b.conns[i].name;
        set_labels(&b.conns[i], &labels[i]);
        set_after(&b.conns[i + 1], &labels[i], i % 4 == 0);
    }
    big_start(&b);
    static const hg_orch_ev_kind_t kinds[] = { HG_ORCH_OPENED,   HG_ORCH_MARKED,     HG_ORCH_USER_PAUSE,
                                               HG_ORCH_FAILED,   HG_ORCH_USER_START, HG_ORCH_OPENED,
                                               HG_ORCH_BUFFERED, HG_ORCH_ENDED,      HG_ORCH_RERUN,
                                               HG_ORCH_OPENED,   HG_ORCH_ENDED,      HG_ORCH_MARK_FAILED };
    for (uint32_t i = 0; i < N; i++)
        for (size_t k = 0; k < HG_COUNT(kinds); k++) {
            big_feed(&b, kinds[k], N - 1 - i, kinds[k] == HG_ORCH_RERUN);
            assert_true(b.visits <= 5 && b.commands <= 8);
            if (kinds[k] != HG_ORCH_MARKED || !b.commands) continue;
            big_feed(&b, HG_ORCH_DURABLE, 0, UINT64_MAX);
            assert_true(b.visits == 2 && b.commands >= 1);
        }
    big_end(&b);
}

/* N carriers of one label and N that wait for it, with marks: all events together cost a few visits per connector. */
static void orch_one_label_for_all_is_linear(void **state)
{
    (void)state;
    big_t b;
    uint64_t total = 0;
    hg_str_t x = hg_strz("x");
    big_begin(&b, 2 * N);
    for (uint32_t i = 0; i < N; i++) {
        set_labels(&b.conns[i], &x);
        set_after(&b.conns[N + i], &x, true);
    }
    big_start(&b);
    for (uint32_t i = N; i < 2 * N; i++) {
        big_feed(&b, HG_ORCH_OPENED, i, 0);
        total += b.visits;
        big_feed(&b, HG_ORCH_MARKED, i, 0);
        total += b.visits;
    }
    for (uint32_t i = 0; i < N; i++) { /* one by one: the last lets every carrier open */
        big_feed(&b, HG_ORCH_DURABLE, 0, i + 1);
        total += b.visits;
        assert_int_equal(b.commands, i + 1 == N ? 2 * N : 0); /* open, reason */
    }
    for (uint32_t i = 0; i < N; i++) {
        big_feed(&b, HG_ORCH_OPENED, i, 0);
        big_feed(&b, HG_ORCH_ENDED, i, 0);
        total += b.visits;
        assert_int_equal(b.commands, i + 1 == N ? 1 + 3 * N : 1); /* activated, run, reason */
    }
    assert_true(total < 10 * 2 * N);
    big_end(&b);
}

/* The answer about everything stays linear in size; what was left out is counted. */
static void orch_json_of_everything_is_linear(void **state)
{
    (void)state;
    big_t b;
    hg_buf_t out;
    hg_jw_t w;
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    uint64_t more = 0;
    hg_str_t x = hg_strz("x");
    big_begin(&b, 2 * N);
    for (uint32_t i = 0; i < N; i++) {
        set_labels(&b.conns[i], &x);
        set_after(&b.conns[N + i], &x, false);
    }
    big_start(&b);
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_jw_init(&w, &out);
    hg_orch_json(b.o, &w, NULL, NULL);
    assert_true(out.len < (size_t)2 * N * 1600 + HG_ORCH_JSON_EDGES * 64);
    assert_int_equal(hg_json_parse(b.arena, hg_buf_str(&out), &j, &err), 0);
    assert_int_equal(hg_json_get(j, "connectors")->n, 2 * N);
    assert_int_equal(hg_json_get(j, "edges")->n, HG_ORCH_JSON_EDGES);
    assert_int_equal(hg_json_u64(hg_json_get(j, "edges_more"), &more), 0);
    assert_int_equal(more, (uint64_t)N * N - HG_ORCH_JSON_EDGES);
    const hg_json_t *waits = hg_json_at(hg_json_get(j, "connectors"), N);
    assert_int_equal(hg_json_get(waits, "waiting_for")->n, HG_ORCH_JSON_BLOCKERS);
    assert_int_equal(hg_json_u64(hg_json_get(waits, "waiting_for_more"), &more), 0);
    assert_int_equal(more, N - HG_ORCH_JSON_BLOCKERS);
    hg_buf_release(&out);
    big_end(&b);
}

/* One connector with very many labels, each twice. */
static void orch_many_labels_of_one_connector(void **state)
{
    (void)state;
    big_t b;
    big_begin(&b, 2);
    hg_str_t *labels = HG_ANEWN(b.arena, hg_str_t, 2 * 5 * N);
    for (uint32_t i = 0; i < 2 * 5 * N; i++) labels[i] = hg_strz(hg_arena_printf(b.arena, "l%u", i % (5 * N)));
    set_labels(&b.conns[0], labels);
    b.conns[0].n_labels = 2 * 5 * N;
    set_after(&b.conns[1], labels, false);
    b.conns[1].n_after = 2 * 5 * N;
    big_start(&b);
    big_feed(&b, HG_ORCH_OPENED, 0, 0);
    big_feed(&b, HG_ORCH_ENDED, 0, 0);
    assert_int_equal(b.visits, 1 + 5 * N + 1); /* itself, the dependent once per label, and its settling */
    assert_int_equal(hg_orch_reason(b.o, 1), HG_REASON_RUNNING);
    big_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orch_an_event_touches_only_its_dependents),
        cmocka_unit_test(orch_one_label_for_all_is_linear),
        cmocka_unit_test(orch_json_of_everything_is_linear),
        cmocka_unit_test(orch_many_labels_of_one_connector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
