/* Views filled from stores that were restored (hg_circuit_fill): whatever the history, they hold what they would hold
 * had they been there all along; and a step that fails leaves nothing. */
#include "base/hg.h"
#include "tests/unit/engine/state_fixture.h"

enum { KEYED, BAG, KEPT, THROUGH, BOTH, OTHER, N_RELS };

/* kept: a stored view; through: one that keeps nothing; both reads everything there is. */
static void make(prog_t *p)
{
    prog_init(p, N_RELS);
    prog_table(p, KEYED, "keyed", "0", true);
    prog_table(p, BAG, "bag", "", true);
    prog_view(p, KEPT, "kept", prog_scan(p, BAG), true);
    prog_view(p, THROUGH, "through", prog_union(p, prog_scan(p, KEYED), prog_scan(p, KEPT)), false);
    prog_view(p, BOTH, "both", prog_union(p, prog_scan(p, THROUGH), prog_scan(p, BAG)), true);
    prog_view(p, OTHER, "other", prog_scan(p, KEYED), true);
}

/* deltas: released by the caller. */
static void step_into(hg_circuit_t *c, const prog_t *p, rnd_t *r, uint32_t rows, hg_delta_t deltas[N_RELS])
{
    hg_change_t *change[2];
    hg_step_input_t in[2];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    for (uint32_t t = 0; t < 2; t++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &p->rels[t].schema);
        for (uint32_t i = 0; i < rows; i++) {
            row_t row = rnd_row(r, 60, 2);
            bool gone = rnd_below(r, 3) == 0;
            put_row(&b, &row);
            assert_int_equal(hg_changeb_row(&b,
                                            gone         ? HG_OP_DELETE
                                            : t == KEYED ? HG_OP_UPSERT
                                                         : HG_OP_INSERT,
                                            NULL),
                             0);
        }
        change[t] = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        in[t] = (hg_step_input_t){ .relation = t, .change = change[t] };
    }
    if (step_now(c, p, in, 2, &out, &err) < 0) fail_msg("%s", err.msg);
    hg_change_drop(change[0]);
    hg_change_drop(change[1]);
}

static void step(hg_circuit_t *c, const prog_t *p, rnd_t *r, uint32_t rows)
{
    hg_delta_t deltas[N_RELS];
    step_into(c, p, r, rows, deltas);
    for (uint32_t t = 0; t < N_RELS; t++) hg_delta_release(&deltas[t]);
}

static bool only_sources(void *arg, uint32_t relation)
{
    return ((const bool *)arg)[relation];
}

static uint32_t same_origin(void *arg, uint32_t old)
{
    (void)arg;
    return old;
}

/* Rows of relation rel through the views, taken over; what leaves goes to sent. */
static void fill_with(hg_circuit_t *c, uint32_t rel, hg_delta_t *rows, const bool *views, const bool *want,
                      zset_t *sent)
{
    static uint64_t number;
    hg_delta_t deltas[N_RELS] = { 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_step_t st = { .number = ++number, .now_us = 1, .mode = HG_MODE_INCREMENTAL };
    hg_step_output_t out = { .deltas = deltas };
    if (hg_circuit_fill(c, &st, rel, rows, views, want, &out, &err) < 0) fail_msg("%s", err.msg);
    for (uint32_t i = 0; i < N_RELS; i++) {
        assert_true(deltas[i].n == 0 || want[i]);
        zset_add_delta(sent, &deltas[i]);
        hg_delta_release(&deltas[i]);
    }
}

/* The next part of what is stored; false: there is none. */
static bool fill_part(hg_circuit_t *c, uint32_t rel, hg_snap_t *s, uint64_t *cursor, const bool *views,
                      const bool *want, zset_t *sent)
{
    hg_err_t err = HG_ERR_INIT;
    hg_part_t *part;
    hg_delta_t rows = { 0 };
    assert_int_equal(hg_snap_scan(s, cursor, NULL, 0, &part, &err), 0);
    if (!part) return false;
    assert_int_equal(hg_delta_add(&rows, part), 0);
    fill_with(c, rel, &rows, views, want, sent);
    return true;
}

/* The rows of every source through the views. */
static void fill(hg_circuit_t *c, const bool *source, const bool *views, const bool *want, zset_t *sent)
{
    for (uint32_t r = 0; r < N_RELS; r++) {
        if (!source[r]) continue;
        hg_snap_t *s = hg_circuit_snap(c, r);
        uint64_t cursor = 0;
        while (fill_part(c, r, s, &cursor, views, want, sent)) {
        }
        hg_snap_drop(s);
    }
}

/* Where BOTH is new: what is read for it, what is evaluated, what leaves. */
static const bool source[N_RELS] = { [KEYED] = true, [BAG] = true, [KEPT] = true },
                  views[N_RELS] = { [THROUGH] = true, [BOTH] = true }, want[N_RELS] = { [BOTH] = true };

/* a has a history, b begins with what a has on disk, but for BOTH. */
static void twins_open(prog_t *p, disk_t *d, rnd_t *r, hg_circuit_t **a, hg_circuit_t **b)
{
    bool restored[N_RELS] = { true, true, true, [OTHER] = true };
    hg_restore_opts_t o = { .threads = 1, .use = only_sources, .origin = same_origin, .arg = restored };
    hg_err_t err = HG_ERR_INIT;
    make(p);
    disk_open(d);
    *a = prog_circuit(p);
    *b = prog_circuit(p);
    for (int i = 0; i < 20; i++) step(*a, p, r, 40);
    checkpoint(d, *a);
    if (restore(d, *b, &o, &err) < 0) fail_msg("%s", err.msg);
}

static void twins_close(prog_t *p, disk_t *d, hg_circuit_t *a, hg_circuit_t *b)
{
    hg_circuit_free(a);
    hg_circuit_free(b);
    disk_close(d);
    prog_release(p);
}

static void a_filled_view_is_as_if_it_had_always_been_there(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        prog_t p;
        disk_t d;
        rnd_t r = { seed };
        hg_circuit_t *a, *b;
        twins_open(&p, &d, &r, &a, &b);
        zset_t sent = { 0 };
        fill(b, source, views, want, &sent);
        same_contents(a, b, BOTH);
        zset_t got = circuit_zset(b, BOTH);
        zset_check(&got, &sent); /* all of it went out, too */
        zset_release(&got);
        zset_release(&sent);
        same_contents(a, b, KEPT); /* the others have seen nothing twice */
        same_contents(a, b, OTHER);
        rnd_t twin = r; /* and it goes on as the other does */
        step(a, &p, &r, 40);
        step(b, &p, &twin, 40);
        for (uint32_t i = 0; i < N_RELS; i++)
            if (p.rels[i].stored) same_contents(a, b, i);
        twins_close(&p, &d, a, b);
    }
}

/* Steps go on while a view is filled: it sees nothing of them until it is given their changes, in their order, and
 * holds then what it would hold had it been there all along. Nothing that it sends takes away what it has not sent. */
static void a_muted_view_is_filled_beside_steps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        prog_t p;
        disk_t d;
        rnd_t r = { seed };
        hg_circuit_t *a, *b;
        twins_open(&p, &d, &r, &a, &b);
        enum { STEPS = 12 };
        hg_snap_t *snaps[N_RELS] = { 0 };
        hg_delta_t behind[STEPS][N_RELS];
        uint64_t cursor[N_RELS] = { 0 };
        zset_t sent = { 0 };
        for (uint32_t i = 0; i < N_RELS; i++)
            if (source[i]) snaps[i] = hg_circuit_snap(b, i);
        hg_circuit_mute(b, want);
        for (uint32_t i = 0, at = 0; i < STEPS; i++) { /* contents and steps take turns */
            rnd_t twin = r;
            step(a, &p, &r, 40);
            step_into(b, &p, &twin, 40, behind[i]);
            assert_true(behind[i][BOTH].n == 0);
            while (at < N_RELS && (!snaps[at] || !fill_part(b, at, snaps[at], &cursor[at], views, want, &sent))) at++;
        }
        same_contents(a, b, OTHER); /* who is not muted follows */
        same_contents(a, b, KEPT);
        for (uint32_t i = 0; i < STEPS; i++) {
            for (uint32_t k = 0; k < N_RELS; k++) {
                if (source[k] && behind[i][k].n) fill_with(b, k, &behind[i][k], views, want, &sent);
                hg_delta_release(&behind[i][k]);
            }
            zset_t got = circuit_zset(b, BOTH);
            zset_check(&got, &sent);
            zset_release(&got);
        }
        hg_circuit_mute(b, NULL);
        same_contents(a, b, BOTH);
        rnd_t twin = r;
        step(a, &p, &r, 40);
        step(b, &p, &twin, 40);
        for (uint32_t i = 0; i < N_RELS; i++) {
            if (p.rels[i].stored) same_contents(a, b, i);
            hg_snap_drop(snaps[i]);
        }
        zset_release(&sent);
        twins_close(&p, &d, a, b);
    }
}

static void a_fill_that_runs_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    prog_t p;
    rnd_t r = { 5 };
    make(&p);
    hg_circuit_t *c = prog_circuit(&p);
    step(c, &p, &r, 40);
    zset_t before = circuit_zset(c, BOTH);
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        hg_delta_t deltas[N_RELS] = { 0 };
        hg_err_t err = HG_ERR_INIT;
        hg_snap_t *s = hg_circuit_snap(c, BAG);
        uint64_t cursor = 0;
        hg_part_t *part;
        assert_int_equal(hg_snap_scan(s, &cursor, NULL, 0, &part, &err), 0);
        hg_snap_drop(s);
        hg_step_t st = { .number = n, .now_us = 1, .mode = HG_MODE_INCREMENTAL };
        hg_step_output_t out = { .deltas = deltas };
        hg_delta_t rows = { 0 };
        assert_int_equal(hg_delta_add(&rows, part), 0);
        hg_fault_arm(HG_FAULT_ALLOC, n);
        int rc = hg_circuit_fill(c, &st, BAG, &rows, want, want, &out, &err);
        bool fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        for (uint32_t i = 0; i < N_RELS; i++) {
            if (rc < 0) assert_int_equal(deltas[i].n, 0);
            hg_delta_release(&deltas[i]);
        }
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc == 0) break; /* the fault hit something that can do without */
        assert_int_equal(rc, HG_ENOMEM);
        zset_t now = circuit_zset(c, BOTH);
        zset_check(&before, &now);
        zset_release(&now);
        failures++;
    }
    assert_true(failures > 3);
    zset_release(&before);
    hg_circuit_free(c);
    prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filled_view_is_as_if_it_had_always_been_there),
        cmocka_unit_test(a_muted_view_is_filled_beside_steps),
        cmocka_unit_test(a_fill_that_runs_out_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
