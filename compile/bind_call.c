/* Function calls: aggregates, SQL-bodied functions (written out where they are called), functions that take a unit of
 * time, and the few that are expression kinds of their own. The rest goes to the engine's list. */
#include "base/hg.h"
#include "compile/compile_int.h"

/* --- units of time --- */
static const char *const units[] = { "millennium",  "century",     "decade",     "year",   "quarter",
                                     "month",       "week",        "doy",        "dow",    "isodow",
                                     "isoyear",     "day",         "hour",       "minute", "second",
                                     "millisecond", "microsecond", "nanosecond", "epoch" };

/* The unit's name in the engine's spelling, or an empty slice. Plurals and SQL_TSI_ forms count. */
static hg_str_t unit_name(hg_cc_t *c, hg_str_t s)
{
    char *low = hg_arena_strndup(c->a, s.p, s.n);
    for (size_t i = 0; i < s.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z') low[i] = (char)(low[i] + 32);
    hg_str_t t = { low, s.n };
    if (hg_str_starts(t, HG_S("sql_tsi_"))) t = (hg_str_t){ t.p + 8, t.n - 8 };
    if (hg_str_eqz(t, "frac_second")) t = HG_S("microsecond");
    if (hg_str_eqz(t, "dayofyear")) t = HG_S("doy");
    if (hg_str_eqz(t, "dayofweek")) t = HG_S("dow");
    for (int plural = 0; plural < 2; plural++) {
        for (size_t i = 0; i < HG_COUNT(units); i++)
            if (hg_str_eqz(t, units[i])) return t;
        if (t.n < 2 || t.p[t.n - 1] != 's') break;
        t.n--;
    }
    return (hg_str_t){ NULL, 0 };
}

/* Functions that take a unit, and at which argument. */
static const struct {
    const char *name;
    uint32_t at, n_args;
} unit_calls[] = {
    { "timestamp_trunc", 1, 2 }, { "date_trunc", 1, 2 },   { "time_trunc", 1, 2 }, { "timestampdiff", 0, 3 },
    { "datediff", 0, 3 },        { "timestampadd", 0, 3 }, { "dateadd", 0, 3 },
};

static const hg_expr_t *with_unit(hg_cc_t *c, hg_pos_t pos, const char *fn, hg_str_t unit, const hg_expr_t **args,
                                  uint32_t n)
{
    hg_str_t name = hg_strz(hg_arena_printf(c->a, "%s:" HG_SF, fn, HG_SA(unit)));
    return hg_x_call(c, pos, name, hg_strz(fn), args, n);
}

static bool as_unit(hg_cc_t *c, const hg_ast_expr_t *e, hg_str_t *ret)
{
    hg_str_t s = e->kind == HG_E_COLUMN && e->n_names == 1 ? e->names[0].name
                 : e->kind == HG_E_STRING                  ? e->text
                                                           : (hg_str_t){ NULL, 0 };
    *ret = unit_name(c, s);
    return ret->n > 0;
}

static const hg_expr_t *unit_call(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, uint32_t row)
{
    const char *fn = unit_calls[row].name;
    uint32_t at = unit_calls[row].at;
    hg_str_t unit;
    if (e->n_args != unit_calls[row].n_args) {
        hg_cc_sem(c, e->pos, "Invalid number of arguments to function '%s'. Was expecting %u arguments", fn,
                  unit_calls[row].n_args);
        return NULL;
    }
    /* DATE_TRUNC('minute', ts), as PostgreSQL orders it, is taken too */
    if (!as_unit(c, e->args[at], &unit) &&
        (at == 0 || e->args[0]->kind != HG_E_STRING || !as_unit(c, e->args[at = 0], &unit))) {
        hg_cc_sem(c, e->args[unit_calls[row].at]->pos, "'" HG_SF "' is not a valid time frame",
                  HG_SA(hg_expr_text(c, e->args[unit_calls[row].at])));
        return NULL;
    }
    const hg_expr_t *args[2];
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (i == at) continue;
        args[n] = hg_bind_expr(c, s, e->args[i]);
        if (!args[n++]) return NULL;
    }
    return with_unit(c, e->pos, hg_str_eqz(hg_strz(fn), "dateadd") ? "timestampadd" : fn, unit, args, n);
}

const hg_expr_t *hg_bind_unit_call(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    hg_str_t unit = unit_name(c, e->text);
    if (unit.n == 0) {
        hg_cc_sem(c, e->pos, "'" HG_SF "' is not a valid time frame", HG_SA(e->text));
        return NULL;
    }
    const char *fn = "extract";
    if (e->kind == HG_E_DIFF) fn = "-";
    if (e->kind == HG_E_FLOOR_TO) fn = hg_str_starts(e->names[0].name, HG_S("ceil")) ? "ceil" : "floor";
    return with_unit(c, e->pos, fn, unit, x, e->n_args);
}

/* --- SQL functions --- */
static const hg_expr_t *user_call(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, const hg_cfunc_t *f)
{
    if (e->n_args != f->st->n_cols) {
        hg_cc_sem(c, e->pos, "Invalid number of arguments to function '" HG_SF "'. Was expecting %u arguments",
                  HG_SA(e->text), f->st->n_cols);
        return NULL;
    }
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    hg_scope_t inner = { .clause = "function body" };
    inner.cols = HG_ANEWN(c->a, hg_scol_t, e->n_args + 1);
    inner.n_cols = e->n_args;
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (!hg_assignable(x[i], f->params[i])) {
            hg_cc_sem(c, e->args[i]->pos, "Cannot apply '" HG_SF "' to arguments of type '" HG_SF "(%s)'",
                      HG_SA(e->text), HG_SA(e->text), hg_families(c, x, e->n_args));
            return NULL;
        }
        if (x[i]->type->nullable && !f->params[i]->nullable) {
            hg_cc_sem(c, e->args[i]->pos,
                      "Parameter '" HG_SF "' of function '" HG_SF "' is NOT NULL, but the argument may be NULL",
                      HG_SA(f->st->cols[i].name.name), HG_SA(e->text));
            return NULL;
        }
        inner.cols[i] = (hg_scol_t){ .name = f->st->cols[i].name.name,
                                     .type = f->params[i],
                                     .expr = hg_coerce(c, x[i], f->params[i]) };
    }
    const hg_expr_t *body = f->st->expr
                                ? hg_bind_expr(c, &inner, f->st->expr)
                                : hg_x_call(c, e->pos, HG_S("parse_json"), HG_S("parse_json"), /* jsonstring_as_ */
                                            (const hg_expr_t *[]){ inner.cols[0].expr }, 1);
    return body ? hg_coerce(c, body, f->result) : NULL;
}

/* --- what Feldera has and headgate does not --- */
static bool listed(hg_str_t name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (hg_str_eqz(name, list[i])) return true;
    return false;
}

static bool is_other_aggregate(hg_str_t name)
{
    static const char *const list[] = { "array_agg", "stddev",   "stddev_pop", "stddev_samp", "variance",    "var_pop",
                                        "var_samp",  "every",    "some",       "bit_and",     "bit_or",      "bit_xor",
                                        "arg_max",   "arg_min",  "any_value",  "logical_or",  "logical_and", "countif",
                                        "mode",      "corr",     "covar_pop",  "covar_samp",  "string_agg",  "bool_and",
                                        "bool_or",   "grouping", "regr_count" };
    return listed(name, list, HG_COUNT(list));
}

/* Functions of Feldera's language that are not here yet, so that a program that calls one is told so and not that the
 * function does not exist. A name leaves this list when it enters engine/func_list.c (a test compares the two). */
static bool is_later_function(hg_str_t name)
{
    static const char *const list[] = {
        "acosh",
        "any",
        "array_exists",
        "asinh",
        "atanh",
        "bin2utf8",
        "blackbox",
        "cot",
        "coth",
        "csc",
        "csch",
        "date_from_unix_date",
        "format_date",
        "format_time",
        "format_timestamp",
        "gunzip",
        "hop",
        "hop_end",
        "hop_start",
        "initcap_spaces",
        "md5",
        "parse_date",
        "parse_time",
        "parse_timestamp",
        "regexp_replace",
        "sec",
        "sech",
        "session",
        "split",
        "st_distance",
        "st_point",
        "timestamp_micros",
        "timestamp_millis",
        "timestamp_seconds",
        "to_hex",
        "to_int",
        "transform",
        "tumble",
        "tumble_end",
        "tumble_start",
        "unix_date",
        "unix_micros",
        "unix_millis",
        "unix_seconds",
        "xxhash",
    };
    return listed(name, list, HG_COUNT(list));
}

static bool is_time_of_step(hg_str_t name)
{
    static const char *const list[] = { "now", "current_timestamp", "current_date", "current_time", "localtimestamp" };
    return listed(name, list, HG_COUNT(list));
}

const hg_expr_t *hg_bind_call(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    hg_str_t name = e->text;
    if (hg_is_agg_name(name)) return hg_bind_agg(c, s, e);
    if (is_other_aggregate(name)) {
        hg_cc_nyi(c, e->pos, "The aggregate function %s", hg_upper(c, name));
        return NULL;
    }
    if (e->star || e->distinct || e->filter) {
        hg_cc_sem(c, e->pos, "'" HG_SF "' is not an aggregate function: *, DISTINCT and FILTER cannot be used with it",
                  HG_SA(name));
        return NULL;
    }
    if (is_time_of_step(name) && s->deterministic) {
        hg_cc_error(c, e->pos, "Non-deterministic initializer",
                    "%s must be a constant; NOW() changes from step to step", s->clause);
        return NULL;
    }
    if (is_time_of_step(name) && !(c->adhoc && hg_func_exists(name))) {
        hg_cc_nyi(c, e->pos, c->adhoc ? "%s" : "%s in a view", hg_upper(c, name));
        return NULL;
    }
    if (hg_str_eqz(name, "connector_metadata")) {
        if (!c->metadata || e->n_args)
            hg_cc_sem(c, e->pos, "CONNECTOR_METADATA() takes no arguments and stands only in the DEFAULT of a column");
        c->metadata_read = true;
        return e->n_args ? NULL : c->metadata;
    }
    uint32_t id = hg_strmap_get(&c->prog->func_names, name);
    if (id != HG_STRMAP_NONE) return user_call(c, s, e, &c->prog->funcs[id]);
    for (uint32_t i = 0; i < HG_COUNT(unit_calls); i++)
        if (hg_str_eqz(name, unit_calls[i].name)) return unit_call(c, s, e, i);

    const hg_sym_t *type = hg_cc_find(c, name);
    if (type && type->kind == HG_SYM_TYPE) {
        return type->type ? hg_bind_constructor(c, s, e, type->type) : NULL; /* its declaration has said why */
    }
    if (hg_str_eqz(name, "map")) return hg_bind_map_of(c, s, e);
    if (is_later_function(name)) {
        hg_cc_nyi(c, e->pos, "The function %s", hg_upper(c, name));
        return NULL;
    }
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    if (e->n_args && (hg_str_eqz(name, "coalesce") || (e->n_args == 2 && hg_str_eqz(name, "ifnull"))))
        return hg_x_coalesce(c, e->pos, x, e->n_args);
    if (hg_str_eqz(name, "if") && e->n_args == 3) {
        if (x[0]->type->kind != HG_T_BOOLEAN) {
            hg_cc_sem(c, e->args[0]->pos, "Expected a boolean type");
            return NULL;
        }
        return hg_x_case(c, e->pos, x, 3);
    }
    if (hg_str_eqz(name, "nullif") && e->n_args == 2 && !hg_adopt_literals(c, x, 2)) return NULL;
    if ((hg_str_eqz(name, "greatest") || hg_str_eqz(name, "least")) && !hg_adopt_literals(c, x, e->n_args)) return NULL;
    return hg_x_call(c, e->pos, name, name, x, e->n_args);
}
