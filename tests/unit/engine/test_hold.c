/* Rows that wait for a waterline: WATERMARK between a table and its views, emit_final between a view and its readers.
 *
 * A random history of a moving time is held against a model that keeps everything and filters it anew after each step;
 * every so often the circuit is written to disk and another one goes on, and steps fail for want of memory. */
#include "base/hg.h"
#include "tests/unit/engine/state_fixture.h"

enum { T, U, V, F, G, N_RELS }; /* tables; v reads t; f: emit_final over u; g reads f */
enum { MARK = 20, LATE = 15 };

static const hg_expr_t *less(prog_t *p, int64_t by)
{
    hg_expr_t *x = HG_ANEW(p->a, hg_expr_t), *k = HG_ANEW(p->a, hg_expr_t), *e = HG_ANEW(p->a, hg_expr_t);
    const hg_type_t *bigint = p->fields[COL_K].type;
    hg_colb_t b;
    hg_func_match_t m;
    hg_err_t err = HG_ERR_INIT;
    hg_colb_init(&b, bigint);
    hg_colb_i64(&b, by);
    *k = (hg_expr_t){ .kind = HG_X_CONST, .type = bigint, .lit = hg_colb_seal(&b) };
    hg_colb_release(&b);
    hg_arena_cleanup(p->a, (void (*)(void *))hg_col_drop, k->lit);
    *x = (hg_expr_t){ .kind = HG_X_COL, .type = bigint };
    const hg_type_t *types[2] = { bigint, bigint };
    hg_col_t *lits[2] = { NULL, k->lit };
    assert_int_equal(hg_func_resolve(p->a, HG_S("-"), types, lits, 2, &m, &err), 0);
    *e = (hg_expr_t){ .kind = HG_X_CALL, .type = m.result, .fn = m.fn, .n_args = 2 };
    e->args = HG_ANEWN(p->a, const hg_expr_t *, 2);
    e->args[0] = x;
    e->args[1] = k;
    return e;
}

static void program(prog_t *p, bool keyed)
{
    prog_init(p, N_RELS);
    prog_table(p, T, "t", keyed ? "1" : "", keyed);
    prog_table(p, U, "u", "", false);
    prog_view(p, V, "v", prog_scan(p, T), true);
    prog_view(p, F, "f", prog_scan(p, U), true);
    prog_view(p, G, "g", prog_scan(p, F), true);
    hg_wait_t *w = HG_ANEWN(p->a, hg_wait_t, 2);
    hg_line_of_t *line = HG_ANEW(p->a, hg_line_of_t);
    *line = (hg_line_of_t){ .relation = U, .col = COL_K, .expr = less(p, 0) };
    w[0] = (hg_wait_t){ .col = COL_K, .watermark = less(p, MARK) };
    w[1] = (hg_wait_t){ .col = COL_K, .lines = line, .n_lines = 1 };
    p->rels[T].wait = &w[0];
    p->rels[F].wait = &w[1];
    p->rels[U].late = HG_ANEWN(p->a, const hg_expr_t *, N_COLS);
    p->rels[U].late[COL_K] = less(p, LATE);
}

typedef struct {
    row_t *rows; /* of one table, with their times */
    size_t n, cap;
    int64_t most;
} model_t;

static void model_add(model_t *m, row_t r)
{
    if (m->n == m->cap) m->rows = hg_xgrow(m->rows, sizeof *m->rows * (m->cap = m->cap ? m->cap * 2 : 256));
    m->rows[m->n++] = r;
}

static zset_t below(const model_t *m, int64_t line)
{
    zset_t z = { 0 };
    char text[512];
    for (size_t i = 0; i < m->n; i++) {
        if (m->rows[i].k > line) continue;
        row_want(&m->rows[i], text, sizeof text);
        zset_add(&z, text, 1);
    }
    return z;
}

typedef struct {
    prog_t p;
    hg_circuit_t *c;
    model_t m[2];
    zset_t sum[N_RELS];
    int64_t time;
    rnd_t r;
    bool keyed;
    uint32_t failed;
} world_t;

/* A few changes of one table: rows around the time; some rows that are there are deleted. */
static hg_change_t *changes(world_t *w, int table, uint32_t n)
{
    model_t *m = &w->m[table];
    int64_t line = m->most - LATE, most = m->most;
    hg_changeb_t b;
    hg_changeb_init(&b, &w->p.rels[table].schema);
    for (uint32_t i = 0; i < n; i++) {
        bool del = m->n > 0 && rnd_below(&w->r, 4) == 0;
        size_t at = m->n ? rnd(&w->r) % m->n : 0;
        row_t row = del ? m->rows[at] : rnd_row(&w->r, 1, 3);
        if (!del) row.k = w->time + rnd_below(&w->r, 40) - 20;
        if (w->keyed && table == T) row.s = del ? row.s : (int)rnd_below(&w->r, 400);
        put_row(&b, &row);
        hg_changeb_row(&b, del ? HG_OP_DELETE : HG_OP_INSERT, NULL);
        if (table == U && m->most > INT64_MIN / 2 && row.k < line) continue; /* late */
        if (!del && !(w->keyed && table == T)) most = HG_MAX(most, row.k);
        if (w->keyed && table == T && !del)
            for (size_t k = 0; k < m->n; k++)
                if (m->rows[k].s == row.s) m->rows[k--] = m->rows[--m->n];
        if (del)
            m->rows[at] = m->rows[--m->n];
        else
            model_add(m, row);
    }
    for (size_t k = 0; w->keyed && table == T && k < m->n; k++) /* what was replaced in the same step moves nothing */
        most = HG_MAX(most, m->rows[k].k);
    m->most = most;
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return c;
}

static void reopened(world_t *w, disk_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    checkpoint(d, w->c);
    hg_circuit_free(w->c);
    w->c = prog_circuit(&w->p);
    if (restore(d, w->c, NULL, &err) < 0) fail_msg("%s", err.msg);
}

static void one_step(world_t *w, uint32_t n, bool faulty)
{
    hg_change_t *ch[2] = { changes(w, T, n), changes(w, U, n) };
    hg_step_input_t in[2] = { { .relation = T, .change = ch[0] }, { .relation = U, .change = ch[1] } };
    hg_delta_t deltas[N_RELS];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    if (faulty) hg_fault_arm(HG_FAULT_ALLOC, 1 + rnd_below(&w->r, 60));
    int rc = step_now(w->c, &w->p, in, 2, &out, &err);
    hg_fault_arm(HG_FAULT_ALLOC, 0);
    if (rc < 0) {
        assert_true(faulty && rc == HG_ENOMEM);
        w->failed++;
        rc = step_now(w->c, &w->p, in, 2, &out, &err);
    }
    if (rc < 0) fail_msg("%s", err.msg);
    for (int i = 0; i < N_RELS; i++) {
        zset_add_delta(&w->sum[i], &deltas[i]);
        hg_delta_release(&deltas[i]);
    }
    hg_change_drop(ch[0]);
    hg_change_drop(ch[1]);
}

static void check(world_t *w, int view, zset_t want)
{
    zset_t got = circuit_zset(w->c, (uint32_t)view);
    zset_check(&want, &got);
    zset_check(&want, &w->sum[view]);
    zset_release(&want);
    zset_release(&got);
}

static void history(bool keyed, bool faulty, uint64_t seed)
{
    world_t w = { .keyed = keyed, .r = { seed }, .time = 1000 };
    disk_t d;
    hg_store_stats_t s;
    disk_open(&d);
    program(&w.p, keyed);
    w.c = prog_circuit(&w.p);
    w.m[T].most = w.m[U].most = INT64_MIN / 2;
    for (int i = 0; i < 150; i++) {
        uint32_t n = 1 + rnd_below(&w.r, rnd_below(&w.r, 20) == 0 ? 400 : 12);
        one_step(&w, n, faulty);
        w.time += rnd_below(&w.r, 3) == 0 ? rnd_below(&w.r, 6) : 0;
        check(&w, V, below(&w.m[T], w.m[T].most - MARK));
        check(&w, F, below(&w.m[U], w.m[U].most - LATE - 1));
        check(&w, G, below(&w.m[U], INT64_MAX));
        hg_circuit_merge(w.c, 50);
        if (i % 37 == 36) reopened(&w, &d);
    }
    hg_circuit_stats(w.c, T, &s);
    assert_true(s.waiting > 0);
    if (!keyed) assert_int_equal(s.rows, 0); /* the table itself is not kept */
    if (faulty) assert_true(w.failed > 10);
    for (int i = 0; i < N_RELS; i++) zset_release(&w.sum[i]);
    hg_free(w.m[T].rows);
    hg_free(w.m[U].rows);
    hg_circuit_free(w.c);
    prog_release(&w.p);
    disk_close(&d);
}

static void bags_follow_the_model(void **state)
{
    (void)state;
    history(false, false, 11);
}

static void keyed_tables_follow_the_model(void **state)
{
    (void)state;
    history(true, false, 12);
}

static void a_step_that_fails_releases_nothing(void **state)
{
    (void)state;
    history(false, true, 13);
}

/* What has left is gone: forty steps of 4,000 rows, of which only the last few wait. */
static void what_left_is_gone(void **state)
{
    (void)state;
    world_t w = { .r = { 5 }, .time = 0 };
    hg_store_stats_t s;
    program(&w.p, false);
    w.c = prog_circuit(&w.p);
    w.m[T].most = w.m[U].most = INT64_MIN / 2;
    for (int i = 0; i < 40; i++) {
        one_step(&w, 4000, false);
        w.m[T].n = w.m[U].n = 0; /* no deletes, no model */
        w.time += MARK / 4;
    }
    hg_circuit_stats(w.c, T, &s);
    assert_in_range(s.waiting, 1, 40000); /* about the last four of forty steps: the others left */
    for (int i = 0; i < N_RELS; i++) zset_release(&w.sum[i]);
    hg_free(w.m[T].rows);
    hg_free(w.m[U].rows);
    hg_circuit_free(w.c);
    prog_release(&w.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bags_follow_the_model),
                                        cmocka_unit_test(keyed_tables_follow_the_model),
                                        cmocka_unit_test(a_step_that_fails_releases_nothing),
                                        cmocka_unit_test(what_left_is_gone) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
