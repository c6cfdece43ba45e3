/* Tables against a naive model: random histories of inserts, upserts, updates, deletes and truncates, several per key
 * and step. After each step the deltas sum up to the model, views over the table too, and snapshots still show the
 * state of their moment. */
#include "base/hg.h"
#include "tests/unit/engine/circuit_fixture.h"

enum { KEYS = 220, ORIGINS = 3, SNAPS = 6 };

typedef struct {
    bool present;
    row_t row;
    uint32_t origin;
} cell_t;

typedef struct {
    hg_snap_t *snap;
    zset_t want;
} kept_t;

static void check_snaps(kept_t *kept, rnd_t *r, hg_circuit_t *c, uint32_t relation, const zset_t *now)
{
    uint32_t i = rnd_below(r, SNAPS);
    if (kept[i].snap) {
        zset_t got = snap_zset(kept[i].snap);
        zset_check(&kept[i].want, &got);
        zset_release(&got);
        zset_release(&kept[i].want);
        hg_snap_drop(kept[i].snap);
    }
    kept[i].snap = hg_circuit_snap(c, relation);
    kept[i].want = zset_copy(now);
    assert_int_equal(hg_snap_rows(kept[i].snap), now->n);
}

static void drop_snaps(kept_t *kept)
{
    for (int i = 0; i < SNAPS; i++) {
        if (!kept[i].snap) continue;
        zset_t got = snap_zset(kept[i].snap);
        zset_check(&kept[i].want, &got);
        zset_release(&got);
        zset_release(&kept[i].want);
        hg_snap_drop(kept[i].snap);
    }
}

static void at_most_one_of_each(const hg_delta_t *d)
{
    /* per key one − and one +, and never the same row twice */
    int8_t minus[KEYS] = { 0 }, plus[KEYS] = { 0 };
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < d->parts[i]->n; k++) {
            const hg_part_t *p = d->parts[i];
            int64_t key = HG_COL(p->batch->cols[COL_K], int64_t)[p->sel ? p->sel[k] : k] + 3;
            int64_t w = p->weights ? p->weights[k] : 1;
            assert_true(w == 1 || w == -1);
            int8_t *n = w > 0 ? plus : minus;
            assert_int_equal(n[key]++, 0);
        }
}

/* --- keyed --- */

static void merge_row(row_t *to, const row_t *from, uint64_t present)
{
    if (present & 1u << COL_S) to->s = from->s;
    if (present & 1u << COL_D) to->d = from->d;
    if (present & 1u << COL_N) to->n = from->n;
    if (present & 1u << COL_L) to->l = from->l;
}

static void keyed_history(uint64_t seed, int steps, uint32_t keys, int max_rows)
{
    prog_t p;
    prog_init(&p, 3);
    prog_table(&p, 0, "t", "0", true);
    prog_view(&p, 1, "v", prog_scan(&p, 0), true);
    prog_view(&p, 2, "w", prog_union(&p, prog_scan(&p, 1), prog_scan(&p, 0)), true);
    hg_circuit_t *c = prog_circuit(&p);
    rnd_t r = { seed };
    cell_t *model = HG_NEWN(cell_t, keys);
    zset_t now = { 0 }, sum[3] = { { 0 } };
    kept_t kept[SNAPS] = { { 0 } };
    char text[512];

    for (int s = 0; s < steps; s++) {
        hg_step_input_t in[3];
        uint32_t n_in = 1 + rnd_below(&r, 3);
        uint64_t missing = 0, rows = 0;
        for (uint32_t k = 0; k < n_in; k++) {
            hg_changeb_t b;
            hg_changeb_init(&b, &p.rels[0].schema);
            in[k].relation = 0;
            in[k].origin = rnd_below(&r, ORIGINS);
            uint32_t n = 1 + rnd_below(&r, (uint32_t)max_rows);
            bool plain = rnd_below(&r, 4) == 0;
            for (uint32_t i = 0; i < n; i++) {
                row_t row = rnd_row(&r, keys, 4);
                cell_t *m = &model[row.k + 3];
                uint32_t dice = plain ? 0 : rnd_below(&r, 300);
                uint64_t present = rnd(&r) | 1;
                hg_op_t op = dice < 120   ? HG_OP_INSERT
                             : dice < 170 ? HG_OP_UPSERT
                             : dice < 230 ? HG_OP_DELETE
                             : dice < 299 ? HG_OP_UPDATE
                                          : HG_OP_TRUNCATE;
                put_row(&b, &row);
                assert_int_equal(hg_changeb_row(&b, op, op == HG_OP_UPDATE ? &present : NULL), 0);
                rows++;
                switch (op) {
                case HG_OP_INSERT:
                case HG_OP_UPSERT:
                    *m = (cell_t){ true, row, in[k].origin };
                    break;
                case HG_OP_DELETE:
                    missing += !m->present;
                    m->present = false;
                    break;
                case HG_OP_UPDATE:
                    if (!m->present) break;
                    merge_row(&m->row, &row, present);
                    m->origin = in[k].origin;
                    break;
                case HG_OP_TRUNCATE:
                    for (uint32_t j = 0; j < keys; j++)
                        if (model[j].origin == in[k].origin) model[j].present = false;
                    break;
                }
            }
            in[k].change = hg_changeb_seal(&b);
            hg_changeb_release(&b);
        }
        zset_release(&now);
        for (uint32_t j = 0; j < keys; j++) {
            if (!model[j].present) continue;
            row_want(&model[j].row, text, sizeof text);
            zset_add(&now, text, 1);
        }

        hg_delta_t deltas[3];
        hg_step_output_t out = { .deltas = deltas };
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(step_now(c, &p, in, n_in, &out, &err), 0);
        assert_int_equal(out.rows_in, rows);
        assert_int_equal(out.deletes_missing, missing);
        if (keys <= KEYS) at_most_one_of_each(&deltas[0]);
        for (int i = 0; i < 3; i++) {
            zset_add_delta(&sum[i], &deltas[i]);
            hg_delta_release(&deltas[i]);
        }
        for (uint32_t k = 0; k < n_in; k++) hg_change_drop(in[k].change);
        zset_check(&now, &sum[0]);
        zset_check(&now, &sum[1]);
        assert_int_equal(sum[2].n, now.n);
        if (rnd_below(&r, 3) == 0) check_snaps(kept, &r, c, 0, &now);
        if (s % 16 == 0) {
            hg_snap_t *w = hg_circuit_snap(c, 2);
            zset_t got = snap_zset(w);
            zset_check(&sum[2], &got);
            for (size_t i = 0; i < got.n; i++) assert_int_equal(got.v[i].w, 2);
            zset_release(&got);
            hg_snap_drop(w);
        }
        for (uint32_t k = rnd_below(&r, 4); k > 0; k--) hg_circuit_merge(c, 0);
    }
    hg_store_stats_t st;
    hg_circuit_stats(c, 0, &st);
    assert_int_equal(st.rows, now.n);
    assert_true(st.bytes > 0 && st.index_bytes > 0);
    hg_circuit_free(c);
    drop_snaps(kept); /* snapshots outlive the circuit */
    for (int i = 0; i < 3; i++) zset_release(&sum[i]);
    zset_release(&now);
    hg_free(model);
    prog_release(&p);
}

static void keyed_table_follows_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) keyed_history(seed, 400, KEYS, 40);
}

static void keyed_table_of_few_keys_follows_the_model(void **state)
{
    (void)state;
    keyed_history(99, 600, 5, 12);
}

/* --- bag --- */

static void bag_history(uint64_t seed, int steps)
{
    prog_t p;
    prog_init(&p, 3);
    prog_table(&p, 0, "t", "", true);
    prog_table(&p, 1, "u", "", false);
    prog_view(&p, 2, "v", prog_union(&p, prog_scan(&p, 0), prog_scan(&p, 1)), true);
    hg_circuit_t *c = prog_circuit(&p);
    rnd_t r = { seed };
    zset_t now = { 0 }, through = { 0 }, sum[3] = { { 0 } };
    kept_t kept[SNAPS] = { { 0 } };
    char text[512];
    for (int s = 0; s < steps; s++) {
        hg_step_input_t in[3];
        uint32_t n_in = 1 + rnd_below(&r, 3);
        for (uint32_t k = 0; k < n_in; k++) {
            hg_changeb_t b;
            hg_changeb_init(&b, &p.rels[0].schema);
            in[k].relation = rnd_below(&r, 4) == 0;
            in[k].origin = 7;
            uint32_t n = 1 + rnd_below(&r, 30);
            bool plain = rnd_below(&r, 3) == 0;
            for (uint32_t i = 0; i < n; i++) {
                row_t row = rnd_row(&r, 60, 1);
                uint32_t dice = plain ? 0 : rnd_below(&r, 400);
                hg_op_t op = dice < 220 ? HG_OP_INSERT : dice < 399 || in[k].relation ? HG_OP_DELETE : HG_OP_TRUNCATE;
                row.d = row.n = row.l = 0;
                put_row(&b, &row);
                assert_int_equal(hg_changeb_row(&b, op, NULL), 0);
                row_want(&row, text, sizeof text);
                if (op == HG_OP_TRUNCATE)
                    zset_release(&now);
                else
                    zset_add(in[k].relation ? &through : &now, text, op == HG_OP_INSERT ? 1 : -1);
            }
            in[k].change = hg_changeb_seal(&b);
            hg_changeb_release(&b);
        }
        hg_delta_t deltas[3];
        hg_step_output_t out = { .deltas = deltas };
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(step_now(c, &p, in, n_in, &out, &err), 0);
        for (int i = 0; i < 3; i++) {
            zset_add_delta(&sum[i], &deltas[i]);
            hg_delta_release(&deltas[i]);
        }
        for (uint32_t k = 0; k < n_in; k++) hg_change_drop(in[k].change);
        zset_check(&now, &sum[0]);
        zset_check(&through, &sum[1]);
        if (rnd_below(&r, 3) == 0) check_snaps(kept, &r, c, 0, &now);
        if (s % 8 == 0) {
            zset_t both = zset_copy(&now), got;
            hg_snap_t *v = hg_circuit_snap(c, 2);
            for (size_t i = 0; i < through.n; i++) zset_add(&both, through.v[i].row, through.v[i].w);
            got = snap_zset(v);
            zset_check(&both, &got);
            zset_release(&got);
            zset_release(&both);
            hg_snap_drop(v);
        }
        for (uint32_t k = rnd_below(&r, 4); k > 0; k--) hg_circuit_merge(c, 0);
    }
    assert_null(hg_circuit_snap(c, 1));
    hg_circuit_free(c);
    drop_snaps(kept);
    for (int i = 0; i < 3; i++) zset_release(&sum[i]);
    zset_release(&now);
    zset_release(&through);
    prog_release(&p);
}

static void bag_follows_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) bag_history(seed, 400);
}

/* --- single steps --- */

typedef struct {
    prog_t p;
    hg_circuit_t *c;
    hg_delta_t deltas[2];
    hg_step_output_t out;
    hg_err_t err;
} one_t;

static void one_open(one_t *o, const char *key, bool stored)
{
    *o = (one_t){ 0 };
    prog_init(&o->p, 1);
    prog_table(&o->p, 0, "t", key, stored);
    o->c = prog_circuit(&o->p);
    o->out.deltas = o->deltas;
}
static void one_close(one_t *o)
{
    hg_circuit_free(o->c);
    prog_release(&o->p);
}
/* ops: a letter per row (i insert, d delete, u update, t truncate); rows: their keys; value: s of all rows */
static int one_step(one_t *o, const char *ops, const int64_t *keys, int value, uint32_t origin, zset_t *got)
{
    hg_changeb_t b;
    hg_changeb_init(&b, &o->p.rels[0].schema);
    for (uint32_t i = 0; ops[i]; i++) {
        row_t row = { .k = keys[i], .s = value };
        uint64_t present = 1u << COL_K | 1u << COL_S;
        hg_op_t op = ops[i] == 'i'   ? HG_OP_INSERT
                     : ops[i] == 'd' ? HG_OP_DELETE
                     : ops[i] == 'u' ? HG_OP_UPDATE
                                     : HG_OP_TRUNCATE;
        put_row(&b, &row);
        hg_changeb_row(&b, op, op == HG_OP_UPDATE ? &present : NULL);
    }
    hg_step_input_t in = { .relation = 0, .origin = origin, .change = hg_changeb_seal(&b) };
    hg_changeb_release(&b);
    int rc = step_now(o->c, &o->p, &in, 1, &o->out, &o->err);
    if (rc == 0) {
        zset_add_delta(got, &o->deltas[0]);
        hg_delta_release(&o->deltas[0]);
    }
    hg_change_drop(in.change);
    return rc;
}
static int64_t one_rows(one_t *o)
{
    hg_snap_t *s = hg_circuit_snap(o->c, 0);
    zset_t z = snap_zset(s);
    int64_t n = 0;
    for (size_t i = 0; i < z.n; i++) n += z.v[i].w;
    zset_release(&z);
    hg_snap_drop(s);
    return n;
}

static void equal_upsert_changes_nothing(void **state)
{
    (void)state;
    one_t o;
    zset_t got = { 0 };
    one_open(&o, "0", true);
    assert_int_equal(one_step(&o, "ii", (int64_t[]){ 1, 2 }, 5, 0, &got), 0);
    zset_release(&got);
    assert_int_equal(one_step(&o, "idi", (int64_t[]){ 1, 2, 2 }, 5, 0, &got), 0);
    assert_int_equal(got.n, 0);
    hg_store_stats_t st;
    hg_circuit_stats(o.c, 0, &st);
    assert_int_equal(st.dead_rows, 0);
    one_close(&o);
}

static void bag_delete_takes_copies_of_other_origins_last(void **state)
{
    (void)state;
    one_t o;
    zset_t got = { 0 };
    one_open(&o, "", true);
    assert_int_equal(one_step(&o, "ii", (int64_t[]){ 1, 1 }, 5, 1, &got), 0);
    assert_int_equal(one_step(&o, "i", (int64_t[]){ 1 }, 5, 2, &got), 0);
    assert_int_equal(one_step(&o, "dd", (int64_t[]){ 1, 1 }, 5, 2, &got), 0); /* its own, and one of origin 1 */
    assert_int_equal(o.out.deletes_missing, 0);
    assert_int_equal(one_rows(&o), 1);
    assert_int_equal(one_step(&o, "t", (int64_t[]){ 0 }, 0, 2, &got), 0); /* nothing of origin 2 is left */
    assert_int_equal(one_rows(&o), 1);
    assert_int_equal(one_step(&o, "t", (int64_t[]){ 0 }, 0, 1, &got), 0);
    assert_int_equal(one_rows(&o), 0);
    assert_int_equal(got.n, 0);
    assert_int_equal(one_step(&o, "d", (int64_t[]){ 1 }, 5, 1, &got), 0);
    assert_int_equal(o.out.deletes_missing, 1);
    assert_int_equal(one_rows(&o), -1);
    assert_int_equal(one_step(&o, "i", (int64_t[]){ 1 }, 5, 1, &got), 0);
    assert_int_equal(one_rows(&o), 0);
    zset_release(&got);
    one_close(&o);
}

static void update_without_a_key_is_refused(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        one_t o;
        zset_t got = { 0 };
        one_open(&o, "", stored);
        assert_int_equal(one_step(&o, "iu", (int64_t[]){ 1, 1 }, 5, 1, &got), HG_EINVAL);
        assert_non_null(strstr(o.err.msg, "'t'"));
        if (stored) assert_int_equal(one_rows(&o), 0);
        one_close(&o);
    }
}

static void truncate_of_a_table_without_rows_is_refused(void **state)
{
    (void)state;
    one_t o;
    zset_t got = { 0 };
    one_open(&o, "", false);
    assert_int_equal(one_step(&o, "it", (int64_t[]){ 1, 1 }, 5, 1, &got), HG_EINVAL);
    assert_non_null(strstr(o.err.msg, "materialized"));
    one_close(&o);
}

static void text_key_of_several_columns(void **state)
{
    (void)state;
    one_t o;
    zset_t got = { 0 };
    one_open(&o, "01", true);
    assert_int_equal(one_step(&o, "iii", (int64_t[]){ 1, 2, 1 }, 5, 0, &got), 0);
    assert_int_equal(one_step(&o, "i", (int64_t[]){ 1 }, 6, 0, &got), 0);
    assert_int_equal(one_rows(&o), 3);
    assert_int_equal(one_step(&o, "d", (int64_t[]){ 1 }, 5, 0, &got), 0);
    assert_int_equal(one_rows(&o), 2);
    assert_int_equal(got.n, 2);
    zset_release(&got);
    one_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyed_table_follows_the_model),
        cmocka_unit_test(keyed_table_of_few_keys_follows_the_model),
        cmocka_unit_test(bag_follows_the_model),
        cmocka_unit_test(equal_upsert_changes_nothing),
        cmocka_unit_test(bag_delete_takes_copies_of_other_origins_last),
        cmocka_unit_test(update_without_a_key_is_refused),
        cmocka_unit_test(truncate_of_a_table_without_rows_is_refused),
        cmocka_unit_test(text_key_of_several_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
