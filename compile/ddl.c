/* Names and the small statements: SET, CREATE TYPE, CREATE FUNCTION, CREATE INDEX, DROP, LATENESS. */
#include "base/hg.h"
#include "compile/compile_int.h"

/* --- the name space ------------------------------------------------------------------------------------------------
 */
const hg_sym_t *hg_cc_find(hg_cc_t *c, hg_str_t name)
{
    uint32_t id = hg_strmap_get(&c->prog->names, name);
    return id == HG_STRMAP_NONE || c->prog->syms[id].dead ? NULL : &c->prog->syms[id];
}

hg_crel_t *hg_cc_find_rel(hg_cc_t *c, hg_str_t name)
{
    const hg_sym_t *s = hg_cc_find(c, name);
    return s && (s->kind == HG_SYM_REL || s->kind == HG_SYM_DECLARED) ? c->prog->rels[s->rel] : NULL;
}

bool hg_cc_declare(hg_cc_t *c, hg_sym_t sym)
{
    hg_prog_t *p = c->prog;
    uint32_t id = hg_strmap_put(&p->names, sym.name, p->n_syms);
    if (id == p->n_syms) {
        HG_APUSH(c->a, p->syms, p->n_syms, sym);
        return true;
    }
    hg_sym_t *old = &p->syms[id];
    if (old->dead || (old->kind == HG_SYM_DECLARED && sym.kind == HG_SYM_REL)) {
        *old = sym;
        return true;
    }
    hg_cc_error(c, sym.pos, "Duplicate declaration", "'" HG_SF "' already defined", HG_SA(sym.name));
    hg_cc_error(c, old->pos, "Duplicate declaration", "'" HG_SF "' was first defined here", HG_SA(sym.name));
    return false;
}

const char *hg_nearest_of(hg_cc_t *c, hg_str_t name, const hg_str_t *names, uint32_t n)
{
    if (name.n < 3) return NULL; /* every short name is near every other */
    const char **z = HG_ANEWN(c->a, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) z[i] = hg_arena_strndup(c->a, names[i].p, names[i].n);
    return hg_nearest(name, z);
}

void hg_note_nearest_column(hg_cc_t *c, const hg_schema_t *s, hg_str_t name)
{
    hg_str_t *names = HG_ANEWN(c->a, hg_str_t, s->n_cols + 1);
    for (uint32_t i = 0; i < s->n_cols; i++) names[i] = s->cols[i].name;
    const char *near = hg_nearest_of(c, name, names, s->n_cols);
    if (near) hg_cc_note(c, "did you mean '%s'?", near);
}

const char *hg_nearest_rel(hg_cc_t *c, hg_str_t name)
{
    hg_prog_t *p = c->prog;
    hg_str_t *names = HG_ANEWN(c->a, hg_str_t, p->n_rels + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_rels; i++)
        if (!p->rels[i]->dropped && !p->rels[i]->rel.system && !(c->adhoc && p->rels[i]->rel.local))
            names[n++] = p->rels[i]->rel.schema.name;
    return hg_nearest_of(c, name, names, n);
}

hg_crel_t *hg_cc_add_rel(hg_cc_t *c, const hg_ast_stmt_t *st, hg_rel_kind_t kind)
{
    hg_prog_t *p = c->prog;
    hg_crel_t *r = HG_ANEW(c->a, hg_crel_t);
    r->rel.kind = kind;
    r->st = st;
    r->index = p->n_rels;
    if (st) {
        r->rel.schema.name = st->name.name;
        r->rel.schema.case_sensitive = st->name.quoted;
        r->rel.pos = st->pos;
        r->name_pos = st->name.pos;
    }
    HG_APUSH(c->a, p->rels, p->n_rels, r);
    return r;
}

/* --- checks that several statements share ---------------------------------------------------------------------------
 */
bool hg_cc_plain_create(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (st->or_replace) hg_cc_error(c, st->pos, "Not supported", "OR REPLACE is not supported in CREATE statements");
    if (st->if_not_exists)
        hg_cc_error(c, st->pos, "Not supported", "IF NOT EXISTS is not supported in CREATE statements");
    return !st->or_replace && !st->if_not_exists;
}

static bool is_word(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_' || (s.p[i] >= '0' && s.p[i] <= '9'))) return false;
    return s.n > 0;
}

/* Names of operators and of the engine's own spellings are no functions that a user could call. */
bool hg_is_builtin(hg_cc_t *c, hg_str_t name)
{
    static const char *const operators[] = { "neg", "like", "ilike", "rlike", "extract" };
    char *low = hg_arena_strndup(c->a, name.p, name.n);
    for (size_t i = 0; i < name.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z') low[i] = (char)(low[i] + 32);
    hg_str_t s = { low, name.n };
    for (size_t i = 0; i < HG_COUNT(operators); i++)
        if (hg_str_eqz(s, operators[i])) return false;
    return is_word(s) && (hg_is_agg_name(s) || hg_func_exists(s));
}

bool hg_cc_name_ok(hg_cc_t *c, const hg_name_t *name, const char *what)
{
    static const char *const reserved[] = { "user", "now", "error_view" };
    bool taken = name->name.n >= 7 && hg_str_ieq((hg_str_t){ name->name.p, 7 }, HG_S("feldera"));
    for (size_t i = 0; i < HG_COUNT(reserved); i++) taken = taken || hg_str_eqz(name->name, reserved[i]);
    if (taken) {
        hg_cc_error(c, name->pos, "Reserved name",
                    "The name '" HG_SF "' is reserved for the system; please choose another name for the %s",
                    HG_SA(name->name), what);
        return false;
    }
    if (hg_is_builtin(c, name->name)) {
        hg_cc_error(c, name->pos, "Reserved name",
                    "'" HG_SF "' is the name of a built-in function; please choose another name for the %s",
                    HG_SA(name->name), what);
        return false;
    }
    return true;
}

const hg_expr_t *hg_cc_constant(hg_cc_t *c, const hg_ast_expr_t *e, const char *what, const char *error_type)
{
    hg_scope_t none = { .clause = what, .no_from = true, .deterministic = true };
    uint32_t before = c->n_msgs;
    const hg_expr_t *x = hg_bind_expr(c, &none, e);
    if (!x || hg_expr_is_const(x)) return x;
    hg_col_t *col = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_expr_const(x, &col, &err) < 0) {
        c->n_msgs = before; /* the warning that it fails: here it is an error */
        hg_cc_error(c, e->pos, error_type, "%s must be a constant: %s", what, err.msg);
        return NULL;
    }
    return hg_x_const(c, x->pos, x->type, col);
}

/* --- SET ------------------------------------------------------------------------------------------------------------
 */
static bool truthy(hg_str_t v)
{
    static const char *const falsy[] = { "off", "false", "0", "null", "" };
    for (size_t i = 0; i < HG_COUNT(falsy); i++)
        if (hg_str_ieq(v, hg_strz(falsy[i]))) return false;
    return true;
}

static void setting(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    static const char *const known[] = { "enforce_positive_inputs", "feldera_avoid_star_joins",
                                         "feldera_flat_variant" };
    static const hg_str_t ignore = { "feldera_ignore_warning_", 23 };
    hg_str_t name = st->name.name;
    char *low = hg_arena_strndup(c->a, name.p, name.n);
    for (size_t i = 0; i < name.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z') low[i] = (char)(low[i] + 32);
    name.p = low;
    if (hg_str_starts(name, ignore)) {
        hg_str_t type = { name.p + ignore.n, name.n - ignore.n };
        uint32_t i = 0;
        while (i < c->n_ignored && !hg_str_eq(c->ignored[i], type)) i++;
        if (truthy(st->set_value) && i == c->n_ignored) HG_APUSH(c->a, c->ignored, c->n_ignored, type);
        if (!truthy(st->set_value) && i < c->n_ignored)
            c->ignored[i] = c->ignored[--c->n_ignored]; /* the last SET wins */
        return;
    }
    if (hg_str_eqz(name, "feldera_warnings_are_errors")) {
        c->warnings_are_errors = truthy(st->set_value);
        return;
    }
    if (hg_str_eqz(name, "headgate_unknown_label")) {
        if (hg_str_ieq(st->set_value, HG_S("warn")))
            c->prog->pub.unknown_label_warns = true;
        else if (hg_str_ieq(st->set_value, HG_S("error")))
            c->prog->pub.unknown_label_warns = false;
        else
            hg_cc_error(c, st->value_pos, "Compilation error", "HEADGATE_UNKNOWN_LABEL must be 'error' or 'warn'");
        return;
    }
    for (size_t i = 0; i < HG_COUNT(known); i++)
        if (hg_str_eqz(name, known[i])) return;
    hg_cc_warn(c, st->name.pos, "Unknown setting", "Unknown setting '" HG_SF "' is ignored", HG_SA(st->name.name));
    static const char *const all[] = { "enforce_positive_inputs", "feldera_avoid_star_joins",
                                       "feldera_flat_variant",    "feldera_warnings_are_errors",
                                       "headgate_unknown_label",  NULL };
    const char *near = hg_nearest(name, all);
    if (near) hg_cc_note(c, "did you mean '%s'?", near);
}

void hg_cc_settings(hg_cc_t *c)
{
    hg_strmap_t seen;
    hg_strmap_init(&seen);
    for (uint32_t i = 0; i < c->n_stmts; i++) {
        const hg_ast_stmt_t *st = &c->stmts[i];
        if (st->kind != HG_ST_SET) continue;
        if (hg_strmap_put(&seen, st->name.name, i) != i)
            hg_cc_warn(c, st->pos, "Overwriting value", "'" HG_SF "' was set before; this value replaces it",
                       HG_SA(st->name.name));
        setting(c, st);
    }
    hg_strmap_release(&seen);
}

/* --- CREATE TYPE, FUNCTION, AGGREGATE: the second pass
 * ----------------------------------------------------------------- */
static const hg_type_t *struct_type(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    hg_type_t *t = HG_ANEW(c->a, hg_type_t);
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, st->n_cols);
    bool ok = true;
    t->kind = HG_T_ROW;
    t->nullable = true;
    t->precision = -1;
    t->fields = f;
    t->n_fields = st->n_cols;
    for (uint32_t i = 0; i < st->n_cols; i++) {
        f[i].name = st->cols[i].name.name;
        f[i].case_sensitive = st->cols[i].name.quoted;
        f[i].type = st->cols[i].type ? hg_bind_type(c, st->cols[i].type, true) : NULL;
        ok = ok && f[i].type;
        for (uint32_t k = 0; k < i; k++)
            if (hg_str_eq(f[k].name, f[i].name)) {
                hg_cc_error(c, st->cols[i].name.pos, "Duplicate name", "Field '" HG_SF "' is declared twice",
                            HG_SA(f[i].name));
                ok = false;
                break;
            }
    }
    return ok ? t : NULL;
}

static void create_type(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (!hg_cc_plain_create(c, st) || !hg_cc_name_ok(c, &st->name, "type")) return;
    const hg_type_t *t = st->type ? hg_bind_type(c, st->type, true) : struct_type(c, st);
    hg_cc_declare(c, (hg_sym_t){ .kind = HG_SYM_TYPE, .name = st->name.name, .pos = st->name.pos, .type = t });
}

/* jsonstring_as_T(x VARCHAR) RETURNS T has no body: the text is read as JSON, and that as the type. */
static bool jsonstring(hg_cc_t *c, const hg_ast_stmt_t *st, const hg_type_t *const *params, const hg_type_t *result)
{
    hg_str_t name = st->name.name, type = { name.p + 14, name.n - 14 };
    const hg_sym_t *sym = hg_cc_find(c, type);
    const char *why = !sym || sym->kind != HG_SYM_TYPE                     ? "there is no such type"
                      : st->n_cols != 1 || params[0]->kind != HG_T_VARCHAR ? "it takes one argument, a VARCHAR"
                      : st->type->user.name.n == 0 || !hg_str_eq(st->type->user.name, type) ? "its result is that type"
                      : !result->nullable ? "what is no JSON is NULL, so its result may not be NOT NULL"
                                          : NULL;
    if (why)
        hg_cc_error(c, st->name.pos, "Compilation error", "Function '" HG_SF "' reads JSON as '" HG_SF "': %s",
                    HG_SA(name), HG_SA(type), why);
    return why == NULL;
}

static void create_function(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    hg_str_t name = st->name.name;
    if (!hg_cc_plain_create(c, st)) return;
    if (hg_is_builtin(c, name)) {
        hg_cc_error(c, st->name.pos, "Compilation error", "A function named '" HG_SF "' is already predefined",
                    HG_SA(name));
        return;
    }
    bool generated = !st->expr && hg_str_starts(name, HG_S("jsonstring_as_"));
    if (!st->expr && !generated) {
        hg_cc_error(c, st->name.pos, "Not supported",
                    "Function '" HG_SF "' has no SQL body: Rust user-defined functions are not available in headgate",
                    HG_SA(name));
        return;
    }
    hg_cfunc_t f = { .st = st, .result = hg_bind_type(c, st->type, true) };
    const hg_type_t **params = HG_ANEWN(c->a, const hg_type_t *, st->n_cols + 1);
    hg_scope_t s = { .clause = "function body", .n_cols = st->n_cols };
    s.cols = HG_ANEWN(c->a, hg_scol_t, st->n_cols + 1);
    bool ok = f.result != NULL;
    for (uint32_t i = 0; i < st->n_cols; i++) {
        params[i] = st->cols[i].type ? hg_bind_type(c, st->cols[i].type, true) : NULL;
        s.cols[i] = (hg_scol_t){ .name = st->cols[i].name.name, .type = params[i], .slot = i };
        ok = ok && params[i];
    }
    f.params = params;
    if (!ok || (generated && !jsonstring(c, st, params, f.result))) return;
    const hg_expr_t *body = generated ? hg_x_null(c, f.result, st->pos) : hg_bind_expr(c, &s, st->expr);
    if (!body) return;
    if (!hg_assignable(body, f.result)) {
        hg_cc_sem(c, st->expr->pos,
                  "The body of function '" HG_SF "' has type %s, which cannot be converted to its result type %s",
                  HG_SA(name), hg_type_str(c, body->type), hg_type_str(c, f.result));
        return;
    }
    hg_prog_t *p = c->prog;
    if (hg_strmap_put(&p->func_names, name, p->n_funcs) != p->n_funcs) {
        hg_cc_error(c, st->name.pos, "Duplicate declaration", "Function '" HG_SF "' already defined", HG_SA(name));
        return;
    }
    HG_APUSH(c->a, p->funcs, p->n_funcs, f);
}

void hg_cc_declarations(hg_cc_t *c)
{
    for (uint32_t i = 0; i < c->n_stmts; i++) {
        const hg_ast_stmt_t *st = &c->stmts[i];
        if (st->kind == HG_ST_TYPE)
            create_type(c, st);
        else if (st->kind == HG_ST_FUNCTION)
            create_function(c, st);
        else if (st->kind == HG_ST_AGGREGATE)
            hg_cc_error(c, st->name.pos, "Not supported",
                        "Aggregate '" HG_SF "': Rust user-defined aggregates are not available in headgate",
                        HG_SA(st->name.name));
    }
}

/* --- CREATE INDEX
 * ------------------------------------------------------------------------------------------------------- */
void hg_cc_index(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (!hg_cc_plain_create(c, st)) return;
    hg_crel_t *r = hg_cc_find_rel(c, st->object.name);
    if (!r) {
        hg_cc_error(c, st->object.pos, "Indexed object not found",
                    "Object '" HG_SF "' used in CREATE INDEX does not exist", HG_SA(st->object.name));
        return;
    }
    if (!hg_cc_declare(
            c, (hg_sym_t){ .kind = HG_SYM_INDEX, .name = st->name.name, .pos = st->name.pos, .rel = r->index }) ||
        r->broken)
        return;
    uint32_t *cols = HG_ANEWN(c->a, uint32_t, st->n_view_cols);
    for (uint32_t i = 0; i < st->n_view_cols; i++) {
        const hg_name_t *n = &st->view_cols[i];
        int at = hg_schema_find(&r->rel.schema, n->name, true);
        if (at < 0) {
            hg_cc_error(c, n->pos, "Column not found", "Column '" HG_SF "' not found in '" HG_SF "'", HG_SA(n->name),
                        HG_SA(st->object.name));
            hg_note_nearest_column(c, &r->rel.schema, n->name);
            return;
        }
        cols[i] = (uint32_t)at;
        for (uint32_t k = 0; k < i; k++)
            if (cols[k] == cols[i]) {
                hg_cc_error(c, n->pos, "Duplicated name", "Column '" HG_SF "' is listed twice in the index",
                            HG_SA(n->name));
                return;
            }
        const hg_type_t *t = r->rel.schema.cols[at].type;
        if (t->kind == HG_T_ARRAY || t->kind == HG_T_MAP || t->kind == HG_T_ROW || t->kind == HG_T_VARIANT) {
            hg_cc_error(c, n->pos, "Illegal type in INDEX", "Column '" HG_SF "' has type %s, which cannot be indexed",
                        HG_SA(n->name), hg_type_str(c, t));
            return;
        }
    }
    if (r->rel.kind == HG_REL_TABLE) {
        hg_cc_warn(c, st->object.pos, "Indexed table",
                   "INDEX '" HG_SF "' on a table has no effect; indexes name keys of views", HG_SA(st->name.name));
        return;
    }
    hg_cindex_t ix = { .name = st->name.name, .cols = cols, .n = st->n_view_cols };
    HG_APUSH(c->a, r->indexes, r->n_indexes, ix);
}

/* --- DROP
 * -------------------------------------------------------------------------------------------------------------- */
void hg_cc_drop(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    const char *what = st->drop_view ? "view" : "table";
    uint32_t id = hg_strmap_get(&c->prog->names, st->name.name);
    hg_crel_t *r = hg_cc_find_rel(c, st->name.name);
    if (!r || r->rel.system) {
        if (!st->if_exists || r) hg_cc_sem(c, st->name.pos, "Object '" HG_SF "' not found", HG_SA(st->name.name));
        return;
    }
    if ((r->rel.kind == HG_REL_VIEW) != st->drop_view) {
        hg_cc_error(c, st->name.pos, "Compilation error", "'" HG_SF "' is not a %s", HG_SA(st->name.name), what);
        return;
    }
    if (r->read) {
        hg_cc_error(c, st->name.pos, "Compilation error", "Cannot drop %s '" HG_SF "': a view reads it", what,
                    HG_SA(st->name.name));
        return;
    }
    r->dropped = true;
    c->prog->syms[id].dead = true;
    for (uint32_t i = 0; i < c->prog->n_syms; i++) /* its indexes go with it */
        if (c->prog->syms[i].kind == HG_SYM_INDEX && c->prog->syms[i].rel == r->index) c->prog->syms[i].dead = true;
}

/* --- LATENESS view.column: may stand before the view, so it is checked when all views are known
 * ---------------------------- */
void hg_cc_lateness_check(hg_cc_t *c)
{
    hg_strmap_t seen;
    hg_strmap_init(&seen);
    for (uint32_t i = 0; i < c->n_stmts; i++) {
        const hg_ast_stmt_t *st = &c->stmts[i];
        if (st->kind != HG_ST_LATENESS) continue;
        hg_str_t id = hg_strz(hg_arena_printf(c->a, HG_SF "\n" HG_SF, HG_SA(st->object.name), HG_SA(st->column.name)));
        if (hg_strmap_put(&seen, id, i) != i) {
            hg_cc_error(c, st->pos, "Duplicate", "LATENESS of '" HG_SF "." HG_SF "' is declared twice",
                        HG_SA(st->object.name), HG_SA(st->column.name));
            continue;
        }
        hg_crel_t *r = hg_cc_find_rel(c, st->object.name);
        if (!r || r->rel.kind != HG_REL_VIEW) {
            hg_cc_warn(c, st->object.pos, "No such view", "LATENESS names a view '" HG_SF "' that is never declared",
                       HG_SA(st->object.name));
            continue;
        }
        if (r->broken) continue;
        int at = hg_schema_find(&r->rel.schema, st->column.name, true);
        if (at < 0) {
            hg_cc_error(c, st->column.pos, "Column not found", "Column '" HG_SF "' not found in view '" HG_SF "'",
                        HG_SA(st->column.name), HG_SA(st->object.name));
            hg_note_nearest_column(c, &r->rel.schema, st->column.name);
            continue;
        }
        hg_cc_set_late(c, r, (uint32_t)at, r->rel.schema.n_cols, r->rel.schema.cols[at].type, st->column.name,
                       st->expr);
    }
    hg_strmap_release(&seen);
}
