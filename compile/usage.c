/* Which columns does anything need? Every column of a view that is not LOCAL is output; from there the need is carried
 * down the plans to the tables, views last to first. What no output needs is `unused` in the schema and worth a
 * warning. */
#include "base/hg.h"
#include "compile/compile_int.h"

static void need_expr(const hg_expr_t *e, bool *need)
{
    if (e->kind == HG_X_COL) need[e->col] = true;
    for (uint32_t i = 0; i < e->n_args; i++) need_expr(e->args[i], need);
}

/* need[0..n->n_cols): which output columns of n are wanted. */
static void need_node(hg_cc_t *c, const hg_node_t *n, const bool *need)
{
    if (n->kind == HG_N_SCAN) {
        hg_crel_t *r = c->prog->rels[n->relation];
        for (uint32_t i = 0; i < n->n_cols; i++) r->cols[i].used = r->cols[i].used || need[i];
        return;
    }
    for (uint32_t k = 0; k < n->n_in; k++) {
        bool *below = HG_ANEWN(c->a, bool, n->in[k]->n_cols + 1);
        if (n->kind == HG_N_MAP) {
            for (uint32_t i = 0; i < n->n_exprs; i++)
                if (need[i]) need_expr(n->exprs[i], below);
        } else if (n->kind ==
                   HG_N_UNNEST) { /* how many rows there are depends on the list, even if no element is wanted */
            need_expr(n->exprs[0], below);
            for (uint32_t i = 0; i < n->n_carry; i++)
                below[n->carry[i]] = below[n->carry[i]] || need[n->n_cols - n->n_carry + i];
        } else {
            memcpy(below, need, n->in[k]->n_cols * sizeof *below);
            if (n->kind == HG_N_FILTER) need_expr(n->pred, below);
        }
        need_node(c, n->in[k], below);
    }
}

static bool is_key(const hg_schema_t *s, uint32_t col)
{
    for (uint32_t i = 0; i < s->n_key; i++)
        if (s->key[i] == col) return true;
    return false;
}

static void warn(hg_cc_t *c, const hg_crel_t *r)
{
    const hg_schema_t *s = &r->rel.schema;
    if (!r->read) {
        hg_cc_warn(c, r->name_pos, "Unused", "Table '" HG_SF "' is not used", HG_SA(s->name));
        return;
    }
    for (uint32_t i = 0; i < s->n_cols; i++)
        if (!r->cols[i].used && !is_key(s, i))
            hg_cc_warn(c, r->cols[i].pos, "Unused column", "Column '" HG_SF "' of table '" HG_SF "' is unused",
                       HG_SA(s->cols[i].name), HG_SA(s->name));
}

void hg_cc_usage(hg_cc_t *c)
{
    for (uint32_t i = c->prog->n_rels; i-- > 0;) {
        hg_crel_t *r = c->prog->rels[i];
        if (r->rel.kind != HG_REL_VIEW || r->dropped || r->broken) continue;
        bool *need = HG_ANEWN(c->a, bool, r->rel.schema.n_cols + 1);
        for (uint32_t k = 0; k < r->rel.schema.n_cols; k++) need[k] = !r->rel.local || r->cols[k].used;
        need_node(c, r->rel.node, need);
    }
    for (uint32_t i = 0; i < c->prog->n_rels; i++) {
        const hg_crel_t *r = c->prog->rels[i];
        if (r->rel.kind == HG_REL_TABLE && !r->dropped && !r->broken) warn(c, r);
    }
}
