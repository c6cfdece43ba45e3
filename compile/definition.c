/* definition.c: what a relation means, as one number: equal after edits that change nothing (white space, comments, the
 * spelling of keywords, the connectors, the order of statements), different otherwise, also when something upstream
 * changed.
 *
 * Tables: name, columns, key, materialized, append_only, skip_unused_columns, whether there is LATENESS. Views: the
 * bound plan, where a table or view that is read counts by its own definition. Positions and arena addresses do not
 * count.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/mem.h"
#include "compile/compile.h"
#include "data/hash.h"
#include <xxhash.h>

typedef struct {
    XXH3_state_t *h;
    const hg_program_t *p;
    const uint64_t *done; /* definitions of the relations before this one */
} def_t;

static void add_u64(def_t *d, uint64_t v)
{
    XXH3_64bits_update(d->h, &v, sizeof v);
}

static void add_str(def_t *d, hg_str_t s)
{
    add_u64(d, s.n);
    XXH3_64bits_update(d->h, s.p, s.n);
}

static void add_type(def_t *d, const hg_type_t *t)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_type_json(&w, t);
    HG_ASSERT(w.rc == 0); /* half of it would be another definition */
    add_str(d, hg_buf_str(&b));
    hg_buf_release(&b);
}

static void add_const(def_t *d, const hg_col_t *c)
{
    hg_col_t *col = (hg_col_t *)(uintptr_t)c; /* only read */
    for (uint32_t i = 0; i < c->len; i++) {
        uint64_t h;
        hg_hash_rows((hg_hashkey_t){ 1, 2 }, &col, 1, &i, 1, &h);
        add_u64(d, h);
    }
}

static void add_expr(def_t *d, const hg_expr_t *e)
{
    if (!e) {
        add_u64(d, UINT64_MAX);
        return;
    }
    add_u64(d, (uint64_t)e->kind | (uint64_t)e->negated << 32 | (uint64_t)e->safe << 33 | (uint64_t)e->truth << 34);
    add_type(d, e->type);
    if (e->kind == HG_X_COL) add_u64(d, e->col);
    if (e->lit) add_const(d, e->lit);
    if (e->fn) add_str(d, hg_strz(hg_func_name(e->fn)));
    if (e->fn && hg_func_unit(e->fn)) add_str(d, hg_strz(hg_func_unit(e->fn)));
    add_u64(d, e->n_args);
    for (uint32_t i = 0; i < e->n_args; i++) add_expr(d, e->args[i]);
}

static void add_node(def_t *d, const hg_node_t *n)
{
    add_u64(d, n->kind);
    add_u64(d, n->n_cols);
    for (uint32_t i = 0; i < n->n_cols; i++) add_type(d, n->types[i]);
    if (n->kind == HG_N_SCAN) {
        add_u64(d, d->done[n->relation]);
        for (uint32_t i = 0; n->scan_cols && i < n->n_cols; i++) add_u64(d, n->scan_cols[i]);
    }
    if (n->kind == HG_N_FILTER) add_expr(d, n->pred);
    for (uint32_t i = 0; i < n->n_exprs; i++) add_expr(d, n->exprs[i]);
    for (uint32_t i = 0; i < n->n_aggs; i++) {
        add_u64(d, (uint64_t)n->aggs[i].fn | (uint64_t)n->aggs[i].distinct << 32);
        add_expr(d, n->aggs[i].arg);
        add_expr(d, n->aggs[i].filter);
    }
    for (uint32_t i = 0; i < n->n_keys; i++)
        add_u64(d, (uint64_t)n->keys[i].col | (uint64_t)n->keys[i].desc << 32 | (uint64_t)n->keys[i].nulls_last << 33);
    if (n->kind == HG_N_UNNEST) {
        add_u64(d, n->ordinality);
        for (uint32_t i = 0; i < n->n_carry; i++) add_u64(d, n->carry[i]);
    }
    if (n->kind == HG_N_SORT) add_u64(d, n->limit), add_u64(d, n->offset);
    for (uint32_t i = 0; n->values && i < n->n_cols; i++) add_const(d, n->values->cols[i]);
    add_u64(d, n->n_in);
    for (uint32_t i = 0; i < n->n_in; i++) add_node(d, n->in[i]);
}

static void add_relation(def_t *d, const hg_relation_t *r)
{
    const hg_schema_t *s = &r->schema;
    add_u64(d, (uint64_t)r->kind | (uint64_t)r->materialized << 8 | (uint64_t)r->append_only << 9 |
                   (uint64_t)r->skip_unused << 10 | (uint64_t)r->lateness << 11);
    add_str(d, s->name);
    add_u64(d, s->n_cols);
    for (uint32_t i = 0; i < s->n_cols; i++) {
        add_str(d, s->cols[i].name);
        add_type(d, s->cols[i].type);
        if (r->defaults && r->defaults[i]) add_const(d, r->defaults[i]);
        if (r->deleted && r->deleted[i]) add_const(d, r->deleted[i]);
    }
    for (uint32_t i = 0; r->from_metadata && i < s->n_cols; i++) add_expr(d, r->from_metadata[i]);
    for (uint32_t i = 0; r->late && i < s->n_cols; i++) add_expr(d, r->late[i]);
    if (r->wait) {
        add_u64(d, r->wait->col);
        add_expr(d, r->wait->watermark);
        for (uint32_t i = 0; i < r->wait->n_lines; i++) {
            add_u64(d, r->wait->lines[i].col);
            add_expr(d, r->wait->lines[i].expr);
        }
    }
    add_u64(d, s->n_key);
    for (uint32_t i = 0; i < s->n_key; i++) add_u64(d, s->key[i]);
    if (r->node) add_node(d, r->node);
}

void hg_program_definitions(const hg_program_t *p, uint64_t *ret)
{
    XXH3_state_t *h = XXH3_createState();
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        XXH3_64bits_reset(h);
        add_relation(&(def_t){ h, p, ret }, &p->plan.relations[i]);
        ret[i] = XXH3_64bits_digest(h);
    }
    XXH3_freeState(h);
}
