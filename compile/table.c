/* CREATE TABLE: columns and their attributes, keys, properties, foreign keys (sql §2.3, §2.4). */
#include "base/hg.h"
#include "compile/compile_int.h"

/* --- properties, of tables and views ---------------------------------------------------------------------------------
 */
static bool as_bool(hg_cc_t *c, const hg_cprop_t *p, bool *ret)
{
    *ret = hg_str_ieq(p->value->text, HG_S("true"));
    if (*ret || hg_str_ieq(p->value->text, HG_S("false"))) return true;
    hg_cc_error(c, p->key->pos, "Compilation error", "Expected a boolean value for property '" HG_SF "'",
                HG_SA(p->key->text));
    return false;
}

static bool table_property(hg_cc_t *c, hg_crel_t *r, const hg_cprop_t *p)
{
    static const char *const known[] = { "materialized",  "append_only", "skip_unused_columns",
                                         "expected_size", "connectors",  NULL };
    hg_str_t k = p->key->text;
    int64_t size = 0;
    if (hg_str_eqz(k, "connectors")) {
        r->conns = p->value;
        return true;
    }
    if (hg_str_eqz(k, "materialized")) return as_bool(c, p, &r->rel.materialized);
    if (hg_str_eqz(k, "append_only")) return as_bool(c, p, &r->rel.append_only);
    if (hg_str_eqz(k, "skip_unused_columns")) return as_bool(c, p, &r->rel.skip_unused);
    if (hg_str_eqz(k, "expected_size")) {
        if (hg_str_i64(p->value->text, &size) == 0) return true;
        hg_cc_error(c, p->key->pos, "Compilation error", "Expected a numeric value for property '" HG_SF "'", HG_SA(k));
        return false;
    }
    hg_cc_error(c, p->key->pos, "Compilation error", "Unknown table property '" HG_SF "'", HG_SA(k));
    const char *near = hg_nearest(k, known);
    if (near) hg_cc_note(c, "did you mean '%s'?", near);
    return false;
}

/* emit_final names a column or gives its number. Whether it has a waterline is looked at once all LATENESS is known. */
static bool emit_final(hg_cc_t *c, hg_crel_t *r, const hg_cprop_t *p)
{
    const hg_schema_t *s = &r->rel.schema;
    uint64_t n = 0;
    hg_str_t v = p->value->text;
    if (hg_str_u64(v, &n) == 0) {
        if (n >= s->n_cols) {
            hg_cc_error(c, p->value->pos, "Illegal column number",
                        "View '" HG_SF "' has %u columns, there is no column number %" PRIu64, HG_SA(s->name),
                        s->n_cols, n);
            return false;
        }
    } else {
        while (n < s->n_cols && !hg_str_ieq(s->cols[n].name, v)) n++;
        if (n == s->n_cols) {
            hg_cc_error(c, p->value->pos, "Illegal column name", "View '" HG_SF "' has no column '" HG_SF "'",
                        HG_SA(s->name), HG_SA(v));
            hg_note_nearest_column(c, s, v);
            return false;
        }
    }
    if (r->rel.local) {
        hg_cc_error(c, p->key->pos, "Not supported",
                    "View '" HG_SF "' is LOCAL and has no output, so 'emit_final' cannot hold rows back",
                    HG_SA(s->name));
        return false;
    }
    r->final = true;
    r->final_col = (uint32_t)n;
    r->final_pos = p->value->pos;
    return true;
}

static bool view_property(hg_cc_t *c, hg_crel_t *r, const hg_cprop_t *p)
{
    static const char *const known[] = { "connectors", "emit_final", NULL };
    hg_str_t k = p->key->text;
    if (hg_str_eqz(k, "connectors")) {
        r->conns = p->value;
        return true;
    }
    if (hg_str_eqz(k, "rust")) return true;
    if (hg_str_eqz(k, "emit_final")) return emit_final(c, r, p);
    if (hg_str_eqz(k, "materialized"))
        hg_cc_warn(c, p->key->pos, "Materialized property not used",
                   "The property 'materialized' has no effect on views; use CREATE MATERIALIZED VIEW instead");
    hg_cc_error(c, p->key->pos, "Compilation error", "Unknown view property '" HG_SF "'", HG_SA(k));
    const char *near = hg_nearest(k, known);
    if (near) hg_cc_note(c, "did you mean '%s'?", near);
    return false;
}

bool hg_cc_props(hg_cc_t *c, hg_crel_t *r, bool view)
{
    const hg_ast_stmt_t *st = r->st;
    bool ok = true;
    r->props = HG_ANEWN(c->a, hg_cprop_t, st->n_props + 1);
    for (uint32_t i = 0; i < st->n_props; i++) {
        hg_cprop_t p = { st->props[i].key, st->props[i].value };
        const hg_cprop_t *before = NULL;
        for (uint32_t k = 0; k < r->n_props && !before; k++)
            if (hg_str_eq(r->props[k].key->text, p.key->text)) before = &r->props[k];
        if (before) {
            hg_cc_error(c, p.key->pos, "Duplicate key", "property '" HG_SF "' already declared", HG_SA(p.key->text));
            hg_cc_error(c, before->key->pos, "Duplicate key", "property '" HG_SF "' was first declared here",
                        HG_SA(p.key->text));
            ok = false;
            continue;
        }
        r->props[r->n_props++] = p;
        ok = (view ? view_property(c, r, &p) : table_property(c, r, &p)) && ok;
    }
    return ok;
}

/* --- columns
 * -------------------------------------------------------------------------------------------------------------- */
static bool column_type(hg_cc_t *c, const hg_ast_column_t *col, const hg_type_t **ret)
{
    *ret = hg_bind_type(c, col->type, true);
    if (!*ret) return false;
    if (hg_type_contains(*ret, HG_T_INTERVAL) || hg_type_contains(*ret, HG_T_INTERVAL_YM)) {
        hg_cc_error(c, col->type->pos, "Unsupported column type",
                    "Column '" HG_SF "' has type %s, which is not allowed in a table", HG_SA(col->name.name),
                    hg_type_str(c, *ret));
        return false;
    }
    return true;
}

/* The value where CONNECTOR_METADATA() is this. */
static bool value_of(hg_cc_t *c, const hg_ast_column_t *col, const hg_type_t *t, const hg_expr_t *metadata,
                     hg_col_t **ret)
{
    c->metadata = metadata;
    const hg_expr_t *x = hg_cc_constant(c, col->dflt, "DEFAULT", "Illegal value");
    c->metadata = NULL;
    if (!x) return false;
    if (!hg_assignable(x, t)) {
        hg_cc_error(c, col->dflt->pos, "Illegal value",
                    "The default value of column '" HG_SF "' has type %s, which cannot be converted to %s",
                    HG_SA(col->name.name), hg_type_str(c, x->type), hg_type_str(c, t));
        return false;
    }
    if (hg_expr_is_null(x) && !t->nullable) {
        hg_cc_error(c, col->dflt->pos, "Illegal value", "The default value of the NOT NULL column '" HG_SF "' is NULL",
                    HG_SA(col->name.name));
        return false;
    }
    uint32_t before = c->n_msgs;
    const hg_expr_t *v = hg_coerce(c, x, t);
    if (!hg_expr_is_const(v)) {
        c->n_msgs = before; /* the warning about the failing constant: here it is an error */
        hg_col_t *col_out = NULL;
        hg_err_t err = HG_ERR_INIT;
        hg_expr_const(v, &col_out, &err);
        hg_cc_error(c, col->dflt->pos, "Illegal value", "The default value of column '" HG_SF "' does not fit %s: %s",
                    HG_SA(col->name.name), hg_type_str(c, t), err.msg);
        return false;
    }
    *ret = v->lit;
    return true;
}

/* {"is_delete":true}: what comes with the deletes of a connector with soft_delete. Others give nothing: NULL. */
static const hg_expr_t *is_delete(hg_cc_t *c, hg_pos_t pos)
{
    static const char text[] = "{\"is_delete\":true}";
    hg_colb_t b;
    hg_colb_init(&b, hg_type_make(c->a, HG_T_VARIANT, true, -1, 0));
    HG_ASSERT(hg_colb_var(&b, text, sizeof text - 1) == 0);
    hg_col_t *col = hg_colb_seal(&b);
    hg_colb_release(&b);
    return hg_x_const(c, pos, col->type, col);
}

/* The DEFAULT over a batch of the metadata alone. */
static bool from_metadata(hg_cc_t *c, hg_crel_t *r, const hg_ast_column_t *col, uint32_t i, const hg_type_t *t)
{
    hg_scope_t none = { .clause = "DEFAULT", .no_from = true, .deterministic = true };
    c->metadata = hg_x_col(c, 0, hg_type_make(c->a, HG_T_VARIANT, true, -1, 0), col->dflt->pos);
    const hg_expr_t *x = hg_bind_expr(c, &none, col->dflt);
    c->metadata = NULL;
    if (!x) return false;
    if (x->type->nullable && !t->nullable) {
        hg_cc_error(c, col->dflt->pos, "Illegal value",
                    "The default value of the NOT NULL column '" HG_SF
                    "' may be NULL, where a record has no such metadata; please use COALESCE",
                    HG_SA(col->name.name));
        return false;
    }
    if (!r->rel.from_metadata) r->rel.from_metadata = HG_ANEWN(c->a, const hg_expr_t *, r->st->n_cols + 1);
    r->rel.from_metadata[i] = hg_coerce(c, x, t);
    return true;
}

static bool default_value(hg_cc_t *c, hg_crel_t *r, const hg_ast_column_t *col, uint32_t i, const hg_type_t *t,
                          hg_col_t **ret, hg_col_t **ret_deleted)
{
    hg_pos_t pos = col->dflt->pos;
    c->metadata_read = false;
    if (!value_of(c, col, t, hg_x_null(c, hg_type_make(c->a, HG_T_VARIANT, true, -1, 0), pos), ret)) return false;
    *ret_deleted = *ret;
    if (!c->metadata_read) return true;
    r->metadata = true;
    return value_of(c, col, t, is_delete(c, pos), ret_deleted) && from_metadata(c, r, col, i, t);
}

/* LATENESS and WATERMARK: column - e must make sense; it is the result, over a batch of the column alone. */
const hg_expr_t *hg_cc_late(hg_cc_t *c, hg_str_t column, const hg_type_t *t, const hg_ast_expr_t *e, const char *what)
{
    const hg_expr_t *x = hg_cc_constant(c, e, what, "Illegal expression");
    if (!x) return NULL;
    const hg_type_t *types[2] = { t, x->type };
    hg_col_t *lits[2] = { NULL, x->lit };
    hg_func_match_t m = { 0 };
    hg_err_t err = HG_ERR_INIT;
    if (hg_func_resolve(c->a, HG_S("-"), types, lits, 2, &m, &err) < 0 || hg_type_is_interval(m.result) ||
        !hg_cast_explicit(m.result, t)) {
        hg_cc_error(c, e->pos, "Compilation error", "Cannot subtract %s value %s from column '" HG_SF "' of type %s",
                    what, hg_type_str(c, x->type), HG_SA(column), hg_type_str(c, t));
        return NULL;
    }
    hg_expr_t *less = hg_x_new(c, HG_X_CALL, m.result, e->pos, 2);
    less->fn = m.fn;
    less->args[0] = hg_coerce(c, hg_x_col(c, 0, t, e->pos), m.arg_types[0]);
    less->args[1] = hg_coerce(c, x, m.arg_types[1]);
    return hg_coerce(c, less, t);
}

bool hg_cc_set_late(hg_cc_t *c, hg_crel_t *r, uint32_t i, uint32_t n_cols, const hg_type_t *t, hg_str_t column,
                    const hg_ast_expr_t *e)
{
    r->rel.lateness = true;
    const hg_expr_t *less = hg_cc_late(c, column, t, e, "LATENESS");
    if (!less) return false;
    if (!r->rel.late) r->rel.late = HG_ANEWN(c->a, const hg_expr_t *, n_cols + 1);
    r->rel.late[i] = less;
    return true;
}

static bool set_watermark(hg_cc_t *c, hg_crel_t *r, uint32_t i, const hg_type_t *t, const hg_ast_column_t *col)
{
    const hg_expr_t *less = hg_cc_late(c, col->name.name, t, col->watermark, "WATERMARK");
    if (!less) return false;
    hg_wait_t *w = HG_ANEW(c->a, hg_wait_t);
    *w = (hg_wait_t){ .col = i, .watermark = less };
    r->rel.wait = w;
    r->rel.lateness = true;
    return true;
}

static bool columns(hg_cc_t *c, hg_crel_t *r)
{
    const hg_ast_stmt_t *st = r->st;
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, st->n_cols + 1);
    hg_col_t **defaults = HG_ANEWN(c->a, hg_col_t *, st->n_cols + 1);
    hg_col_t **deleted = HG_ANEWN(c->a, hg_col_t *, st->n_cols + 1);
    hg_strmap_t seen;
    bool ok = true, any_default = false, watermark = false;
    hg_strmap_init(&seen);
    r->cols = HG_ANEWN(c->a, hg_ccol_t, st->n_cols + 1);
    for (uint32_t i = 0; i < st->n_cols; i++) {
        const hg_ast_column_t *col = &st->cols[i];
        const hg_type_t *t = NULL;
        f[i].name = col->name.name;
        f[i].case_sensitive = col->name.quoted;
        r->cols[i].pos = col->name.pos;
        if (hg_strmap_put(&seen, col->name.name, i) != i) {
            hg_cc_error(c, col->name.pos, "Duplicate name", "Column with name '" HG_SF "' already defined",
                        HG_SA(col->name.name));
            ok = false;
        }
        if (!column_type(c, col, &t)) {
            ok = false;
            continue;
        }
        f[i].type = t;
        if (col->dflt) {
            r->cols[i].dflt = hg_expr_text(c, col->dflt);
            any_default = true;
            ok = default_value(c, r, col, i, t, &defaults[i], &deleted[i]) && ok;
        }
        if (col->lateness) {
            r->cols[i].lateness = hg_expr_text(c, col->lateness);
            ok = hg_cc_set_late(c, r, i, st->n_cols, t, col->name.name, col->lateness) && ok;
        }
        if (col->watermark) {
            if (watermark)
                hg_cc_error(c, col->watermark->pos, "Not supported", "A table can have at most one WATERMARK");
            r->cols[i].watermark = hg_expr_text(c, col->watermark);
            ok = !watermark && set_watermark(c, r, i, t, col) && ok;
            watermark = true;
        }
        if (col->interned && !hg_kind_is_string(t->kind))
            hg_cc_warn(c, col->pos, "Illegal type interned", "INTERNED has no effect on column '" HG_SF "' of type %s",
                       HG_SA(col->name.name), hg_type_str(c, t));
        r->cols[i].interned = col->interned && hg_kind_is_string(t->kind);
    }
    hg_strmap_release(&seen);
    r->rel.schema.cols = f;
    r->rel.schema.n_cols = st->n_cols;
    r->rel.defaults = any_default ? defaults : NULL;
    r->rel.deleted = r->metadata ? deleted : NULL;
    return ok;
}

/* --- PRIMARY KEY
 * --------------------------------------------------------------------------------------------------------- */
static bool key_column(hg_cc_t *c, hg_crel_t *r, uint32_t i)
{
    const hg_field_t *f = &r->rel.schema.cols[i];
    const hg_ast_column_t *col = &r->st->cols[i];
    if (!f->type) return false;
    if (f->type->nullable) {
        hg_cc_error(c, col->type->pos, "PRIMARY KEY cannot be nullable",
                    "PRIMARY KEY column '" HG_SF "' has type %s, which is nullable", HG_SA(f->name),
                    hg_type_str(c, f->type));
        return false;
    }
    if (f->type->kind == HG_T_ARRAY || f->type->kind == HG_T_MAP || f->type->kind == HG_T_ROW ||
        f->type->kind == HG_T_VARIANT) {
        hg_cc_error(c, col->type->pos, "Illegal PRIMARY KEY type",
                    "PRIMARY KEY column '" HG_SF "' has type %s, which cannot be a key", HG_SA(f->name),
                    hg_type_str(c, f->type));
        return false;
    }
    return true;
}

static bool primary_key(hg_cc_t *c, hg_crel_t *r)
{
    const hg_ast_stmt_t *st = r->st;
    bool *in = HG_ANEWN(c->a, bool, st->n_cols + 1);
    bool ok = true;
    const hg_pos_t *first = NULL;
    for (uint32_t i = 0; i < st->n_cols; i++)
        if (st->cols[i].primary_key) {
            in[i] = true;
            if (!first) first = &st->cols[i].pk_pos;
        }
    if (st->n_pk_clauses > 1 || (st->n_pk_clauses == 1 && first)) {
        hg_cc_error(c, st->pk_pos, "Duplicate key", "PRIMARY KEY of table '" HG_SF "' is declared twice",
                    HG_SA(st->name.name));
        return false;
    }
    for (uint32_t i = 0; i < st->n_pk; i++) {
        int at = hg_schema_find(&r->rel.schema, st->pk[i].name, true);
        if (at < 0) {
            hg_cc_error(c, st->pk[i].pos, "No such column",
                        "PRIMARY KEY names column '" HG_SF "', which table '" HG_SF "' does not have",
                        HG_SA(st->pk[i].name), HG_SA(st->name.name));
            hg_note_nearest_column(c, &r->rel.schema, st->pk[i].name);
            ok = false;
        } else if (in[at]) {
            hg_cc_error(c, st->pk[i].pos, "Duplicate key column",
                        "Column '" HG_SF "' is listed twice in the PRIMARY KEY", HG_SA(st->pk[i].name));
            ok = false;
        } else {
            in[at] = true;
        }
    }
    uint32_t *key = HG_ANEWN(c->a, uint32_t, st->n_cols + 1), n = 0;
    for (uint32_t i = 0; i < st->n_cols; i++) {
        if (!in[i]) continue;
        ok = key_column(c, r, i) && ok;
        if (st->cols[i].lateness) r->key_lateness = true;
        key[n++] = i;
    }
    r->rel.schema.key = n ? key : NULL;
    r->rel.schema.n_key = n;
    return ok;
}

/* --- FOREIGN KEY: checked when all tables are known
 * ------------------------------------------------------------------------ */
static void collect_foreign_keys(hg_cc_t *c, hg_crel_t *r)
{
    const hg_ast_stmt_t *st = r->st;
    hg_ast_fk_t *fks = HG_ANEWN(c->a, hg_ast_fk_t, st->n_fks + st->n_cols + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < st->n_cols; i++) {
        const hg_ast_column_t *col = &st->cols[i];
        if (!col->has_fk) continue;
        fks[n++] = (hg_ast_fk_t){ .cols = &col->name,
                                  .n_cols = 1,
                                  .ref_cols = &col->fk_column,
                                  .n_ref = 1,
                                  .table = col->fk_table,
                                  .pos = col->fk_table.pos };
    }
    for (uint32_t i = 0; i < st->n_fks; i++) fks[n++] = st->fks[i];
    r->fks = fks;
    r->n_fks = n;
}

static bool is_key_column(const hg_schema_t *s, uint32_t col)
{
    for (uint32_t i = 0; i < s->n_key; i++)
        if (s->key[i] == col) return true;
    return false;
}

static void foreign_key(hg_cc_t *c, const hg_crel_t *r, const hg_ast_fk_t *fk)
{
    const hg_schema_t *s = &r->rel.schema;
    const hg_crel_t *to = hg_cc_find_rel(c, fk->table.name);
    if (!to || to->rel.kind != HG_REL_TABLE) {
        hg_cc_warn(c, fk->table.pos, "Table not found",
                   "Table '" HG_SF "', referred to in FOREIGN KEY constraint of table '" HG_SF "', does not exist",
                   HG_SA(fk->table.name), HG_SA(s->name));
        return;
    }
    if (to->broken || r->broken) return;
    if (fk->n_cols != fk->n_ref) {
        hg_cc_error(c, fk->pos, "Size mismatch",
                    "FOREIGN KEY section of table '" HG_SF
                    "' contains %u columns, which does not match the size of the REFERENCES, which is %u",
                    HG_SA(s->name), fk->n_cols, fk->n_ref);
        return;
    }
    const hg_schema_t *t = &to->rel.schema;
    for (uint32_t i = 0; i < fk->n_cols; i++) {
        int from = hg_schema_find(s, fk->cols[i].name, true), at = hg_schema_find(t, fk->ref_cols[i].name, true);
        if (from < 0 || at < 0) {
            const hg_name_t *n = from < 0 ? &fk->cols[i] : &fk->ref_cols[i];
            hg_cc_error(c, n->pos, "Column not found", "Table '" HG_SF "' does not have a column named '" HG_SF "'",
                        HG_SA(from < 0 ? s->name : t->name), HG_SA(n->name));
            hg_note_nearest_column(c, from < 0 ? s : t, n->name);
            return;
        }
        if (!is_key_column(t, (uint32_t)at)) {
            hg_cc_error(c, fk->ref_cols[i].pos, "FOREIGN KEY points to non-key column",
                        "Column '" HG_SF "' of table '" HG_SF "' is not part of its PRIMARY KEY",
                        HG_SA(fk->ref_cols[i].name), HG_SA(t->name));
            return;
        }
        const hg_type_t *a = s->cols[from].type, *b = t->cols[at].type;
        if (!hg_type_same(a, b)) {
            hg_cc_error(c, fk->cols[i].pos, "Mismatched FOREIGN KEY column types",
                        "Column '" HG_SF "' has type %s, but the column '" HG_SF "." HG_SF
                        "' that it refers to has type %s",
                        HG_SA(fk->cols[i].name), hg_type_str(c, a), HG_SA(t->name), HG_SA(fk->ref_cols[i].name),
                        hg_type_str(c, b));
            return;
        }
    }
    if (fk->n_ref != t->n_key)
        hg_cc_error(c, fk->pos, "PRIMARY KEY does not match",
                    "The PRIMARY KEY of table '" HG_SF "' has %u columns, the FOREIGN KEY refers to %u", HG_SA(t->name),
                    t->n_key, fk->n_ref);
}

void hg_cc_foreign_keys(hg_cc_t *c)
{
    for (uint32_t i = 0; i < c->prog->n_rels; i++) {
        const hg_crel_t *r = c->prog->rels[i];
        if (r->dropped) continue;
        for (uint32_t k = 0; k < r->n_fks; k++) foreign_key(c, r, &r->fks[k]);
    }
}

/* --- CREATE TABLE
 * ------------------------------------------------------------------------------------------------------------ */
void hg_cc_table(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (!hg_cc_plain_create(c, st)) return;
    if (!hg_cc_name_ok(c, &st->name, "table")) return;
    hg_crel_t *r = hg_cc_add_rel(c, st, HG_REL_TABLE);
    if (!hg_cc_declare(c,
                       (hg_sym_t){ .kind = HG_SYM_REL, .name = st->name.name, .pos = st->name.pos, .rel = r->index })) {
        r->dropped = true;
        return;
    }
    bool ok = columns(c, r);
    ok = primary_key(c, r) && ok;
    collect_foreign_keys(c, r);
    r->broken = !ok;
    hg_cc_props(c, r, false);
    bool keyed = r->rel.schema.n_key > 0;
    r->rel.stored = r->rel.materialized || keyed;
    r->rel.queryable = r->rel.materialized || (keyed && !r->key_lateness);
}
