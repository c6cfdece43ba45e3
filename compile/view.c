/* CREATE VIEW, and the system's own error_view. */
#include "base/hg.h"
#include "compile/compile_int.h"

/* Rows dropped for lateness arrive here: the circuit writes to it (engine/circuit.c). Its own query, a union of no
 * inputs, never emits. */
void hg_cc_error_view(hg_cc_t *c)
{
    static const char *const names[] = { "table_or_view_name", "message", "metadata" };
    hg_crel_t *r = hg_cc_add_rel(c, NULL, HG_REL_VIEW);
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, HG_COUNT(names));
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, HG_COUNT(names));
    for (uint32_t i = 0; i < HG_COUNT(names); i++) {
        types[i] = hg_type_make(c->a, HG_T_VARCHAR, false, -1, 0);
        f[i] = (hg_field_t){ .name = hg_strz(names[i]), .type = types[i] };
    }
    hg_node_t *n = hg_node_new(c, HG_N_UNION, (hg_pos_t){ 0 }, NULL);
    n->types = types;
    n->n_cols = HG_COUNT(names);
    r->rel.system = true;
    r->rel.schema = (hg_schema_t){ .name = HG_S("error_view"), .cols = f, .n_cols = HG_COUNT(names) };
    r->rel.node = n;
    r->cols = HG_ANEWN(c->a, hg_ccol_t, HG_COUNT(names));
    hg_cc_declare(c, (hg_sym_t){ .kind = HG_SYM_REL, .name = r->rel.schema.name, .rel = r->index });
}

static bool view_columns(hg_cc_t *c, hg_crel_t *r, const hg_bq_t *b)
{
    const hg_ast_stmt_t *st = r->st;
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, b->n + 1);
    hg_strmap_t seen;
    bool ok = true;
    if (st->n_view_cols && st->n_view_cols != b->n) {
        hg_cc_error(c, st->view_cols[0].pos, "Column count mismatch",
                    "View '" HG_SF "' specifies %u columns but its query produces %u", HG_SA(st->name.name),
                    st->n_view_cols, b->n);
        return false;
    }
    hg_strmap_init(&seen);
    r->cols = HG_ANEWN(c->a, hg_ccol_t, b->n + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        const hg_name_t *given = st->n_view_cols ? &st->view_cols[i] : NULL;
        f[i].name = given ? given->name : b->cols[i].name;
        f[i].case_sensitive = given ? given->quoted : b->cols[i].case_sensitive;
        f[i].type = b->cols[i].type;
        r->cols[i].pos = given ? given->pos : b->cols[i].pos;
        if (hg_strmap_put(&seen, f[i].name, i) != i) {
            hg_cc_error(c, r->cols[i].pos, given ? "Duplicate name" : "Duplicate column",
                        given ? "Column '" HG_SF "' is listed twice" : "The view yields two columns named '" HG_SF "'",
                        HG_SA(f[i].name));
            ok = false;
        }
        bool interval = hg_type_is_interval(f[i].type) && !st->local;
        if (f[i].type->kind == HG_T_NULL || interval) {
            hg_cc_error(c, b->cols[i].pos, "Unsupported column type",
                        "Column '" HG_SF "' has type %s, which is not allowed in a view; please use a CAST",
                        HG_SA(f[i].name), hg_type_str(c, f[i].type));
            ok = false;
        }
    }
    hg_strmap_release(&seen);
    r->rel.schema.cols = f;
    r->rel.schema.n_cols = b->n;
    return ok;
}

static void recursive_view(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    hg_crel_t *r = hg_cc_add_rel(c, st, HG_REL_VIEW);
    r->broken = true;
    hg_cc_declare(c,
                  (hg_sym_t){ .kind = HG_SYM_DECLARED, .name = st->name.name, .pos = st->name.pos, .rel = r->index });
    hg_cc_nyi(c, st->pos, "DECLARE RECURSIVE VIEW");
}

void hg_cc_view(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (!hg_cc_plain_create(c, st) || !hg_cc_name_ok(c, &st->name, "view")) return;
    if (st->kind == HG_ST_DECLARE_VIEW) {
        recursive_view(c, st);
        return;
    }
    const hg_bq_t *b = hg_bind_query(c, NULL, st->query); /* before its name is known: it cannot read itself */
    hg_crel_t *r = hg_cc_add_rel(c, st, HG_REL_VIEW);
    if (!hg_cc_declare(c,
                       (hg_sym_t){ .kind = HG_SYM_REL, .name = st->name.name, .pos = st->name.pos, .rel = r->index })) {
        r->dropped = true;
        return;
    }
    r->rel.local = st->local;
    r->rel.materialized = st->materialized;
    r->rel.stored = st->materialized;
    r->rel.queryable = st->materialized && !st->local;
    r->broken = !b || !view_columns(c, r, b);
    if (!r->broken) r->rel.node = b->node;
    hg_cc_props(c, r, true);
}
