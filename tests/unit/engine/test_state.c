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
    for (uint64_t seed = 1; seed <= 8; seed++) history(seed, 40, 30, 60);
    for (uint64_t seed = 20; seed <= 21; seed++) history(seed, 3000, 1500, 40);
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

/* --- connectors --- */

static hg_change_t *one_row(const prog_t *p, uint32_t relation, hg_op_t op, int64_t k)
{
    hg_changeb_t b;
    row_t row = { .k = k, .s = 1 };
    hg_changeb_init(&b, &p->rels[relation].schema);
    put_row(&b, &row);
    assert_int_equal(hg_changeb_row(&b, op, NULL), 0);
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return c;
}

static void put_one(hg_circuit_t *c, const prog_t *p, uint32_t relation, hg_op_t op, int64_t k, uint32_t origin)
{
    hg_change_t *change = one_row(p, relation, op, k);
    hg_step_input_t in = { .relation = relation, .origin = origin, .change = change };
    hg_delta_t deltas[N_RELS];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    if (step_now(c, p, &in, 1, &out, &err) < 0) fail_msg("%s", err.msg);
    for (uint32_t i = 0; i < N_RELS; i++) hg_delta_release(&deltas[i]);
    hg_change_drop(change);
}

static int64_t copies(hg_circuit_t *c, uint32_t relation)
{
    zset_t z = circuit_zset(c, relation);
    int64_t n = 0;
    for (size_t i = 0; i < z.n; i++) n += z.v[i].w;
    zset_release(&z);
    return n;
}

static uint32_t moved(void *arg, uint32_t old)
{
    return ((const uint32_t *)arg)[old];
}

static hg_circuit_t *restarted(disk_t *d, hg_circuit_t *c, prog_t *p, uint32_t *map)
{
    hg_err_t err = HG_ERR_INIT;
    hg_restore_opts_t o = { .threads = 2, .origin = moved, .arg = map };
    checkpoint(d, c);
    hg_circuit_free(c);
    c = prog_circuit(p);
    if (restore(d, c, &o, &err) < 0) fail_msg("%s", err.msg);
    return c;
}

/* TRUNCATE removes what a connector wrote, whatever its number is today; rows of connectors that are gone stay, also
 * when two of them wrote the same one; deletes take them too. */
static void connectors_with_other_numbers(void **state)
{
    prog_t p;
    disk_t d;
    (void)state;
    program(&p);
    disk_open(&d);
    hg_circuit_t *c = prog_circuit(&p);
    for (uint32_t origin = 0; origin < 4; origin++) {
        put_one(c, &p, BAG, HG_OP_INSERT, 1, origin); /* the same row by each of them */
        put_one(c, &p, KEYED, HG_OP_UPSERT, origin, origin);
    }
    c = restarted(&d, c, &p,
                  (uint32_t[]){ 3, UINT32_MAX, UINT32_MAX, 0 }); /* 0 and 3 change places; 1 and 2 are gone */
    assert_int_equal(copies(c, BAG), 4);
    put_one(c, &p, BAG, HG_OP_TRUNCATE, 0, 3); /* what was 0 */
    put_one(c, &p, KEYED, HG_OP_TRUNCATE, 0, 3);
    assert_int_equal(copies(c, BAG), 3);
    zset_t z = circuit_zset(c, KEYED);
    assert_int_equal(z.n, 3);
    for (size_t i = 0; i < z.n; i++) assert_true(z.v[i].row[0] != '0');
    zset_release(&z);

    /* pieces written under the old numbers are not written again, and still mean what they meant */
    c = restarted(&d, c, &p, (uint32_t[]){ 1, 2, 0, 3 });
    assert_int_equal(copies(c, BAG), 3);
    put_one(c, &p, BAG, HG_OP_TRUNCATE, 0, 1); /* what was 3, then 0 */
    assert_int_equal(copies(c, BAG), 2);
    put_one(c, &p, BAG, HG_OP_TRUNCATE, 0, 0);
    put_one(c, &p, BAG, HG_OP_TRUNCATE, 0, 2);
    assert_int_equal(copies(c, BAG), 2);
    put_one(c, &p, BAG, HG_OP_DELETE, 1, 0);
    put_one(c, &p, BAG, HG_OP_DELETE, 1, 0);
    assert_int_equal(copies(c, BAG), 0);
    hg_circuit_free(c);

    hg_err_t err = HG_ERR_INIT;
    hg_restore_opts_t o = { .threads = 1, .origin = moved, .arg = (uint32_t[]){ 5, 5, 5, 5 } };
    c = prog_circuit(&p);
    assert_int_equal(restore(&d, c, &o, &err), HG_EINVAL);
    hg_circuit_free(c);
    disk_close(&d);
    prog_release(&p);
}

/* --- programs that changed --- */

static bool all_but_the_bag(void *arg, uint32_t relation)
{
    (void)arg;
    return relation != BAG;
}

static void relations_that_changed(void **state)
{
    prog_t p, q;
    disk_t d;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    program(&p);
    disk_open(&d);
    hg_circuit_t *c = prog_circuit(&p);
    put_one(c, &p, KEYED, HG_OP_UPSERT, 1, 0);
    put_one(c, &p, BAG, HG_OP_INSERT, 1, 0);
    checkpoint(&d, c);

    hg_restore_opts_t o = { .threads = 1, .use = all_but_the_bag };
    hg_circuit_t *b = prog_circuit(&p);
    assert_int_equal(restore(&d, b, &o, &err), 0);
    same_contents(c, b, KEYED);
    assert_int_equal(copies(b, BAG), 0);
    hg_circuit_free(b);

    prog_init(&q, 2); /* the same table under its name, and another one */
    prog_table(&q, 0, "new", "0", true);
    prog_table(&q, 1, "keyed", "0", true);
    b = prog_circuit(&q);
    assert_int_equal(restore(&d, b, NULL, &err), 0);
    assert_int_equal(copies(b, 0), 0);
    assert_int_equal(copies(b, 1), 1);
    hg_circuit_free(b);

    prog_table(&q, 1, "keyed", "01", true);
    b = prog_circuit(&q);
    assert_int_equal(restore(&d, b, NULL, &err), HG_EDAMAGED);
    assert_non_null(strstr(err.msg, "'keyed'"));
    hg_circuit_free(b);
    prog_release(&q);

    hg_circuit_free(c);
    disk_close(&d);
    prog_release(&p);
}

static void fingerprints(void **state)
{
    prog_t p;
    (void)state;
    program(&p);
    hg_relation_t r = p.rels[KEYED];
    uint64_t was = hg_relation_fingerprint(&r);
    r.schema.name = HG_S("other");
    r.materialized = !r.materialized;
    assert_int_equal(hg_relation_fingerprint(&r), was);
    r.schema.n_cols--;
    assert_int_not_equal(hg_relation_fingerprint(&r), was);
    r = p.rels[KEYED];
    r.schema.n_key = 0;
    assert_int_not_equal(hg_relation_fingerprint(&r), was);
    hg_field_t f[N_COLS];
    memcpy(f, r.schema.cols, sizeof f);
    r = p.rels[KEYED];
    r.schema.cols = f;
    assert_int_equal(hg_relation_fingerprint(&r), was);
    f[COL_N].type = hg_type_with_null(p.a, f[COL_N].type, false);
    assert_int_not_equal(hg_relation_fingerprint(&r), was);
    memcpy(f, p.fields, sizeof f);
    f[COL_L].type = hg_type_array(p.a, hg_type_make(p.a, HG_T_VARCHAR, false, -1, 0), true);
    assert_int_not_equal(hg_relation_fingerprint(&r), was);
    prog_release(&p);
}

/* --- what is written --- */

/* A tail that grows by one row per checkpoint: pieces, files and bytes stay few. */
static void many_small_checkpoints(void **state)
{
    prog_t p;
    disk_t d;
    uint64_t bytes = 0;
    (void)state;
    program(&p);
    disk_open(&d);
    hg_circuit_t *c = prog_circuit(&p);
    for (uint32_t i = 0; i < 1000; i++) {
        put_one(c, &p, KEYED, HG_OP_UPSERT, i, 0);
        checkpoint(&d, c);
        bytes += d.stats.bytes_written;
        assert_true(disk_each(&d, NULL, NULL) <= 33);
    }
    assert_true(bytes < UINT64_C(12) * 1000 * 100); /* about log2(1000) times what the rows take */
    hg_circuit_free(c);
    disk_close(&d);
    prog_release(&p);
}

static void only_what_is_new(void **state)
{
    prog_t p;
    disk_t d;
    gen_t g = { { 5 }, 1000000, 4 };
    hg_circuit_t *c;
    (void)state;
    program(&p);
    disk_open(&d);
    c = prog_circuit(&p);
    for (uint32_t i = 0; i < 10; i++) step_all(&p, &c, 1, &g, 4000);
    checkpoint(&d, c);
    uint64_t all = d.stats.bytes_written;
    assert_int_equal(d.stats.bytes_written, d.stats.bytes_total);
    checkpoint(&d, c);
    assert_int_equal(d.stats.bytes_written, 0);
    put_one(c, &p, BAG, HG_OP_INSERT, 1, 0);
    checkpoint(&d, c);
    assert_int_equal(d.stats.files_written, 1);
    assert_true(d.stats.bytes_written < all / 10);
    hg_circuit_free(c);
    disk_close(&d);
    prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_circuit),
        cmocka_unit_test(histories),
        cmocka_unit_test(connectors_with_other_numbers),
        cmocka_unit_test(relations_that_changed),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(many_small_checkpoints),
        cmocka_unit_test(only_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
