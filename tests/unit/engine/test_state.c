/* Checkpoints of circuits: random histories, restored and continued; what is written again and what is not; connectors
 * that have other numbers, or are gone; definitions that changed. */
#include "base/hg.h"
#include "tests/unit/engine/state_fixture.h"

enum { KEYED, BAG, VIEW, TEXT_KEY, THROUGH, N_RELS };

static void program(prog_t *p)
{
    prog_init(p, N_RELS);
    prog_table(p, KEYED, "keyed", "0", true);
    prog_table(p, BAG, "bag", "", true);
    prog_view(p, VIEW, "view", prog_union(p, prog_scan(p, KEYED), prog_scan(p, BAG)), true);
    prog_table(p, TEXT_KEY, "Text Key", "01", true);
    prog_table(p, THROUGH, "through", "", false);
}

typedef struct {
    rnd_t r;
    uint32_t keys, values;
} gen_t;

static hg_change_t *rnd_change(const prog_t *p, uint32_t relation, gen_t *g, uint32_t n, bool truncate)
{
    hg_changeb_t b;
    bool keyed = p->rels[relation].schema.n_key > 0;
    hg_changeb_init(&b, &p->rels[relation].schema);
    for (uint32_t i = 0; i < n; i++) {
        row_t row = rnd_row(&g->r, g->keys, g->values);
        uint32_t dice = rnd_below(&g->r, 10);
        hg_op_t op = dice < 3 ? HG_OP_DELETE : dice < 6 && keyed ? HG_OP_UPSERT : HG_OP_INSERT;
        if (truncate && i == n / 2 && rnd_below(&g->r, 16) == 0) op = HG_OP_TRUNCATE;
        put_row(&b, &row);
        assert_int_equal(hg_changeb_row(&b, op, NULL), 0);
    }
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return c;
}

/* The same step on several circuits. */
static void step_all(const prog_t *p, hg_circuit_t *const *c, uint32_t n, gen_t *g, uint32_t rows)
{
    static const uint32_t tables[] = { KEYED, BAG, TEXT_KEY };
    hg_step_input_t in[HG_COUNT(tables)];
    for (uint32_t i = 0; i < HG_COUNT(tables); i++)
        in[i] = (hg_step_input_t){ .relation = tables[i],
                                   .origin = rnd_below(&g->r, 3),
                                   .change = rnd_change(p, tables[i], g, rows, true) };
    for (uint32_t k = 0; k < n; k++) {
        hg_delta_t deltas[N_RELS];
        hg_step_output_t out = { .deltas = deltas };
        hg_err_t err = HG_ERR_INIT;
        if (step_now(c[k], p, in, HG_COUNT(tables), &out, &err) < 0) fail_msg("%s", err.msg);
        for (uint32_t i = 0; i < N_RELS; i++) hg_delta_release(&deltas[i]);
    }
    for (uint32_t i = 0; i < HG_COUNT(tables); i++) hg_change_drop(in[i].change);
}

static void same_circuits(hg_circuit_t *a, hg_circuit_t *b)
{
    for (uint32_t i = 0; i < THROUGH; i++) same_contents(a, b, i);
}

/* `a` is never restarted; `b` is, every few rounds, and takes a checkpoint in between. */
static void history(uint64_t seed, uint32_t keys, uint32_t rows, uint32_t rounds)
{
    prog_t p;
    disk_t d;
    gen_t g = { { seed }, keys, 4 };
    program(&p);
    disk_open(&d);
    hg_circuit_t *c[2] = { prog_circuit(&p), prog_circuit(&p) };
    for (uint32_t i = 0; i < rounds; i++) {
        step_all(&p, c, 2, &g, 1 + rnd_below(&g.r, rows));
        for (uint32_t m = rnd_below(&g.r, 4); m > 0; m--) hg_circuit_merge(c[1], rnd_below(&g.r, 200));
        if (rnd_below(&g.r, 3) == 0) checkpoint(&d, c[1]);
        if (rnd_below(&g.r, 8) == 0) {
            hg_err_t err = HG_ERR_INIT;
            checkpoint(&d, c[1]);
            checkpoint(&d, c[1]); /* may write again what was left in packs that the one before has emptied */
            hg_circuit_free(c[1]);
            c[1] = prog_circuit(&p);
            hg_restore_opts_t o = { .threads = 1 + rnd_below(&g.r, 4) };
            if (restore(&d, c[1], &o, &err) < 0) fail_msg("%s", err.msg);
            same_circuits(c[0], c[1]);
            checkpoint(&d, c[1]); /* nothing has changed since */
            assert_int_equal(d.stats.files_written, 0);
            assert_int_equal(d.stats.bytes_written, 0);
        }
    }
    same_circuits(c[0], c[1]);
    hg_circuit_free(c[0]);
    hg_circuit_free(c[1]);
    disk_close(&d);
    prog_release(&p);
}

static void histories(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) history(seed, 40, 30, 60);
    for (uint64_t seed = 20; seed <= 24; seed++) history(seed, 3000, 1500, 40);
}

static void an_empty_circuit(void **state)
{
    prog_t p;
    disk_t d;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    program(&p);
    disk_open(&d);
    hg_circuit_t *a = prog_circuit(&p), *b = prog_circuit(&p);
    checkpoint(&d, a);
    assert_int_equal(d.stats.files_written, 0);
    assert_int_equal(restore(&d, b, NULL, &err), 0);
    same_circuits(a, b);
    hg_circuit_free(a);
    hg_circuit_free(b);
    disk_close(&d);
    prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_circuit),
        cmocka_unit_test(histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
