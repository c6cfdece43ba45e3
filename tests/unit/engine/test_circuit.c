/* Views: what a step's changes become behind filters, projections and unions, and what an evaluation error leaves
 * behind. */
#include "base/hg.h"
#include "tests/unit/engine/circuit_fixture.h"

static const hg_expr_t *col(prog_t *p, uint32_t c, const hg_type_t *t)
{
    hg_expr_t *e = HG_ANEW(p->a, hg_expr_t);
    *e = (hg_expr_t){ .kind = HG_X_COL, .type = t, .col = c };
    return e;
}
static const hg_expr_t *is_null(prog_t *p, const hg_expr_t *x, bool negated)
{
    hg_expr_t *e = HG_ANEW(p->a, hg_expr_t);
    *e = (hg_expr_t){
        .kind = HG_X_IS_NULL, .type = hg_type_make(p->a, HG_T_BOOLEAN, false, -1, 0), .n_args = 1, .negated = negated
    };
    e->args = HG_ANEWN(p->a, const hg_expr_t *, 1);
    e->args[0] = x;
    return e;
}
static const hg_expr_t *bigint(prog_t *p, int64_t v)
{
    hg_expr_t *e = HG_ANEW(p->a, hg_expr_t);
    hg_colb_t b;
    *e = (hg_expr_t){ .kind = HG_X_CONST, .type = hg_type_make(p->a, HG_T_BIGINT, false, -1, 0) };
    hg_colb_init(&b, e->type);
    hg_colb_i64(&b, v);
    e->lit = hg_colb_seal(&b);
    hg_colb_release(&b);
    hg_arena_cleanup(p->a, (void (*)(void *))hg_col_drop, e->lit);
    return e;
}
static const hg_expr_t *call(prog_t *p, const char *name, const hg_expr_t *x, const hg_expr_t *y, uint32_t line,
                             uint32_t column)
{
    const hg_type_t *types[2] = { x->type, y->type };
    hg_col_t *lits[2] = { x->lit, y->lit };
    hg_func_match_t m;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_func_resolve(p->a, hg_strz(name), types, lits, 2, &m, &err), 0);
    hg_expr_t *e = HG_ANEW(p->a, hg_expr_t);
    *e = (hg_expr_t){
        .kind = HG_X_CALL, .type = m.result, .fn = m.fn, .n_args = 2, .pos = { .line = line, .col = column }
    };
    e->args = HG_ANEWN(p->a, const hg_expr_t *, 2);
    e->args[0] = x;
    e->args[1] = y;
    return e;
}
static hg_node_t *over(prog_t *p, hg_node_kind_t kind, const hg_node_t *in)
{
    hg_node_t *n = HG_ANEW(p->a, hg_node_t);
    *n = (hg_node_t){ .kind = kind, .types = in->types, .n_cols = in->n_cols, .n_in = 1 };
    n->in = HG_ANEWN(p->a, const hg_node_t *, 1);
    n->in[0] = in;
    return n;
}
static hg_node_t *map(prog_t *p, const hg_node_t *in, const hg_expr_t *const *exprs, uint32_t n)
{
    hg_node_t *m = over(p, HG_N_MAP, in);
    const hg_type_t **t = HG_ANEWN(p->a, const hg_type_t *, n);
    m->exprs = HG_ANEWN(p->a, const hg_expr_t *, n);
    for (uint32_t i = 0; i < n; i++) {
        m->exprs[i] = exprs[i];
        t[i] = exprs[i]->type;
    }
    m->n_exprs = m->n_cols = n;
    m->types = t;
    return m;
}
static void view_of(prog_t *p, uint32_t i, const char *name, const hg_node_t *node, bool stored)
{
    prog_view(p, i, name, node, stored);
    hg_field_t *f = HG_ANEWN(p->a, hg_field_t, node->n_cols);
    for (uint32_t c = 0; c < node->n_cols; c++) f[c] = (hg_field_t){ .name = HG_S("c"), .type = node->types[c] };
    p->rels[i].schema.cols = f;
    p->rels[i].schema.n_cols = node->n_cols;
}

/* Random history behind: v = rows whose n is true; w = (s, d IS NULL) of v; x = columns swapped, of w. */
static void views_follow_their_definition(void **state)
{
    (void)state;
    prog_t p;
    prog_init(&p, 4);
    prog_table(&p, 0, "t", "0", true);
    hg_node_t *f = over(&p, HG_N_FILTER, prog_scan(&p, 0));
    f->pred = col(&p, COL_N, p.fields[COL_N].type);
    view_of(&p, 1, "v", f, false);
    hg_node_t *s1 = prog_scan(&p, 1);
    const hg_expr_t *e1[] = { col(&p, COL_S, p.fields[COL_S].type),
                              is_null(&p, col(&p, COL_D, p.fields[COL_D].type), false) };
    view_of(&p, 2, "w", map(&p, s1, e1, 2), true);
    hg_node_t *s2 = prog_scan(&p, 2);
    uint32_t swapped[] = { 1, 0 };
    const hg_type_t *t2[] = { e1[1]->type, e1[0]->type };
    s2->types = t2;
    s2->n_cols = 2;
    s2->scan_cols = swapped;
    view_of(&p, 3, "x", s2, false);
    hg_circuit_t *c = prog_circuit(&p);

    enum { KEYS = 80 };
    row_t model[KEYS];
    bool present[KEYS] = { false };
    zset_t sum[4] = { { 0 } };
    rnd_t r = { 4 };
    int consolidated = 0;
    for (int s = 0; s < 300; s++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &p.rels[0].schema);
        for (uint32_t i = 1 + rnd_below(&r, 20); i > 0; i--) {
            row_t row = rnd_row(&r, KEYS, 3);
            bool del = rnd_below(&r, 4) == 0;
            put_row(&b, &row);
            hg_changeb_row(&b, del ? HG_OP_DELETE : HG_OP_INSERT, NULL);
            present[row.k + 3] = !del;
            model[row.k + 3] = row;
        }
        hg_step_input_t in = { .change = hg_changeb_seal(&b) };
        hg_delta_t deltas[4];
        hg_step_output_t out = { .deltas = deltas };
        hg_err_t err = HG_ERR_INIT;
        hg_changeb_release(&b);
        assert_int_equal(step_now(c, &p, &in, 1, &out, &err), 0);
        hg_change_drop(in.change);
        for (int i = 0; i < 4; i++) {
            zset_t one = { 0 };
            bool minus = false;
            for (uint32_t k = 0; k < deltas[i].n; k++)
                for (uint32_t j = 0; deltas[i].parts[k]->weights && j < deltas[i].parts[k]->n; j++)
                    minus = minus || deltas[i].parts[k]->weights[j] < 0;
            zset_add_delta(&one, &deltas[i]);
            if (minus)
                assert_int_equal(one.n, hg_delta_rows(&deltas[i])); /* consolidated: no row twice, none for nothing */
            consolidated += minus && i == 2;
            zset_release(&one);
            zset_add_delta(&sum[i], &deltas[i]);
            hg_delta_release(&deltas[i]);
        }
        zset_t want[4] = { { 0 } };
        for (int k = 0; k < KEYS; k++) {
            char text[512], cut[512], *bar;
            if (!present[k] || model[k].n < 0 || !(model[k].n & 1)) continue;
            row_want(&model[k], text, sizeof text);
            zset_add(&want[1], text, 1);
            bar = strchr(text, '|') + 1;
            snprintf(cut, sizeof cut, "%.*s|%d", (int)(strchr(bar, '|') - bar), bar, model[k].d < 0);
            zset_add(&want[2], cut, 1);
            snprintf(cut, sizeof cut, "%d|%.*s", model[k].d < 0, (int)(strchr(bar, '|') - bar), bar);
            zset_add(&want[3], cut, 1);
        }
        for (int i = 1; i < 4; i++) {
            zset_check(&want[i], &sum[i]);
            zset_release(&want[i]);
        }
    }
    assert_true(consolidated > 50);
    hg_snap_t *snap = hg_circuit_snap(c, 2);
    zset_t got = snap_zset(snap);
    zset_check(&sum[2], &got);
    zset_release(&got);
    hg_snap_drop(snap);
    for (int i = 0; i < 4; i++) zset_release(&sum[i]);
    hg_circuit_free(c);
    prog_release(&p);
}

static int step_key(hg_circuit_t *c, prog_t *p, int64_t k, hg_step_output_t *out, hg_err_t *err)
{
    hg_changeb_t b;
    hg_changeb_init(&b, &p->rels[0].schema);
    put_row(&b, &(row_t){ .k = k });
    hg_changeb_row(&b, HG_OP_INSERT, NULL);
    hg_step_input_t in = { .change = hg_changeb_seal(&b) };
    hg_changeb_release(&b);
    int rc = step_now(c, p, &in, 1, out, err);
    hg_change_drop(in.change);
    return rc;
}

static void an_error_names_its_view_and_changes_nothing(void **state)
{
    (void)state;
    for (int where = 0; where < 2; where++) { /* in the SELECT list, in WHERE */
        prog_t p;
        prog_init(&p, 2);
        prog_table(&p, 0, "t", "0", true);
        const hg_expr_t *plus = call(&p, "+", col(&p, COL_K, p.fields[COL_K].type), bigint(&p, 10), 7, 23);
        hg_node_t *n;
        if (where == 0) {
            const hg_expr_t *list[] = { col(&p, COL_K, p.fields[COL_K].type), plus };
            n = map(&p, prog_scan(&p, 0), list, 2);
        } else {
            n = over(&p, HG_N_FILTER, prog_scan(&p, 0));
            n->pred = call(&p, ">", plus, bigint(&p, 0), 7, 30);
        }
        view_of(&p, 1, "sums", n, true);
        hg_circuit_t *c = prog_circuit(&p);
        hg_delta_t deltas[2];
        hg_step_output_t out = { .deltas = deltas };
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(step_key(c, &p, 1, &out, &err), 0);
        for (int i = 0; i < 2; i++) hg_delta_release(&deltas[i]);

        assert_int_equal(step_key(c, &p, INT64_MAX, &out, &err), HG_EEVAL);
        assert_int_equal(err.pos.line, 7);
        assert_int_equal(err.pos.col, 23);
        assert_non_null(strstr(err.msg, "view 'sums'"));
        assert_non_null(strstr(err.msg, where == 0 ? "item 2 of the SELECT list" : "WHERE"));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(deltas[i].n, 0);
            hg_snap_t *s = hg_circuit_snap(c, (uint32_t)i);
            assert_int_equal(hg_snap_rows(s), 1);
            hg_snap_drop(s);
        }
        assert_int_equal(step_key(c, &p, 2, &out, &err), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(hg_delta_rows(&deltas[i]), 1);
            hg_delta_release(&deltas[i]);
        }
        hg_circuit_free(c);
        prog_release(&p);
    }
}

static void wrong_inputs_are_refused(void **state)
{
    (void)state;
    prog_t p;
    prog_init(&p, 2);
    prog_table(&p, 0, "t", "0", true);
    prog_view(&p, 1, "v", prog_scan(&p, 0), false);
    hg_circuit_t *c = prog_circuit(&p);
    hg_delta_t deltas[2];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    hg_changeb_t b;
    hg_changeb_init(&b, &p.rels[0].schema);
    put_row(&b, &(row_t){ .k = 1 });
    hg_changeb_row(&b, HG_OP_INSERT, NULL);
    hg_step_input_t in = { .relation = 1, .change = hg_changeb_seal(&b) };
    hg_changeb_release(&b);
    assert_int_equal(step_now(c, &p, &in, 1, &out, &err), HG_EBUG);
    in.relation = 9;
    assert_int_equal(step_now(c, &p, &in, 1, &out, &err), HG_EBUG);
    atomic_bool cancel = true;
    hg_step_t step = { .number = 1, .now_us = 1, .cancel = &cancel };
    in.relation = 0;
    assert_int_equal(hg_circuit_step(c, &step, &in, 1, NULL, &out, &err), HG_ECANCELED);
    assert_int_equal(step_now(c, &p, NULL, 0, &out, &err), 0); /* an empty step is a step */
    assert_int_equal(out.rows_in, 0);
    hg_snap_t *s = hg_circuit_snap(c, 0);
    assert_int_equal(hg_snap_rows(s), 0);
    hg_snap_drop(s);
    assert_null(hg_circuit_snap(c, 1));
    hg_change_drop(in.change);
    hg_circuit_free(c);
    prog_release(&p);
}

static void plans_that_views_cannot_run_are_refused(void **state)
{
    (void)state;
    prog_t p;
    prog_init(&p, 2);
    prog_table(&p, 0, "t", "0", true);
    hg_node_t *n = over(&p, HG_N_DISTINCT, prog_scan(&p, 0));
    n->pos.line = 3;
    prog_view(&p, 1, "v", n, false);
    hg_circuit_opts_t o = { .hashkey = { 1, 2 } };
    hg_circuit_t *c;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_circuit_new(&p.plan, &o, &c, &err), HG_EUNSUPPORTED);
    assert_int_equal(err.pos.line, 3);
    assert_non_null(strstr(err.msg, "distinct"));
    prog_view(&p, 1, "v", prog_scan(&p, 1), false);
    assert_int_equal(hg_circuit_new(&p.plan, &o, &c, &err), HG_EBUG);
    prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_follow_their_definition),
        cmocka_unit_test(an_error_names_its_view_and_changes_nothing),
        cmocka_unit_test(wrong_inputs_are_refused),
        cmocka_unit_test(plans_that_views_cannot_run_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
