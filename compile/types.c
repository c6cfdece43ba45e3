/* Types as written → types: user types resolved, digits checked, defaults filled in (sql §3.1). */
#include "base/hg.h"
#include "compile/compile_int.h"

const char *hg_type_str(hg_cc_t *c, const hg_type_t *t)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_type_text(&b, t);
    const char *s = hg_arena_strndup(c->a, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

bool hg_type_contains(const hg_type_t *t, hg_kind_t k)
{
    if (!t) return false;
    if (t->kind == k || hg_type_contains(t->elem, k) || hg_type_contains(t->key, k)) return true;
    for (uint32_t i = 0; i < t->n_fields; i++)
        if (hg_type_contains(t->fields[i].type, k)) return true;
    return false;
}

bool hg_type_is_interval(const hg_type_t *t)
{
    return t->kind == HG_T_INTERVAL || t->kind == HG_T_INTERVAL_YM;
}

static bool decimal_digits(hg_cc_t *c, const hg_ast_type_t *t, hg_type_t *r)
{
    if (t->precision < 0) {
        hg_cc_warn(c, t->pos, "DECIMAL precision and scale unspecified",
                   "DECIMAL without precision and scale is DECIMAL(38, 0), which holds whole numbers only");
        r->precision = 38;
        r->scale = 0;
        return true;
    }
    r->precision = t->precision;
    r->scale = t->scale < 0 ? 0 : t->scale;
    if (r->precision > 38) {
        hg_cc_error(c, t->pos, "Illegal type", "Maximum precision supported for DECIMAL is 38");
        return false;
    }
    if (r->precision == 0) {
        hg_cc_error(c, t->pos, "Illegal type", "DECIMAL type must have precision >= 1");
        return false;
    }
    if (r->scale > r->precision) {
        hg_cc_error(c, t->pos, "Illegal type", "DECIMAL type must have scale <= precision");
        return false;
    }
    return true;
}

static const hg_type_t *row_type(hg_cc_t *c, const hg_ast_type_t *t, hg_type_t *r)
{
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, t->n_fields);
    for (uint32_t i = 0; i < t->n_fields; i++) {
        f[i].name = t->fields[i].name.name;
        f[i].case_sensitive = t->fields[i].name.quoted;
        f[i].type = hg_bind_type(c, t->fields[i].type, false); /* the odd one out: NOT NULL unless written */
        if (!f[i].type) return NULL;
        for (uint32_t k = 0; k < i; k++)
            if (hg_str_eq(f[k].name, f[i].name)) {
                hg_cc_error(c, t->fields[i].name.pos, "Duplicate name",
                            "Field '" HG_SF "' appears twice in the ROW type", HG_SA(f[i].name));
                return NULL;
            }
    }
    r->fields = f;
    r->n_fields = t->n_fields;
    return r;
}

static const char *nearest_type(hg_cc_t *c, hg_str_t name)
{
    static const char *const sql[] = { "BOOLEAN",  "TINYINT", "SMALLINT", "INT",       "INTEGER",  "BIGINT",
                                       "DECIMAL",  "NUMERIC", "REAL",     "DOUBLE",    "CHAR",     "VARCHAR",
                                       "STRING",   "TEXT",    "BINARY",   "BYTEA",     "DATE",     "TIME",
                                       "DATETIME", "UUID",    "VARIANT",  "TIMESTAMP", "VARBINARY" };
    hg_str_t *names = HG_ANEWN(c->a, hg_str_t, c->prog->n_syms + HG_COUNT(sql));
    uint32_t n = 0;
    for (size_t i = 0; i < HG_COUNT(sql); i++) names[n++] = hg_strz(sql[i]);
    for (uint32_t i = 0; i < c->prog->n_syms; i++)
        if (c->prog->syms[i].kind == HG_SYM_TYPE) names[n++] = c->prog->syms[i].name;
    return hg_nearest_of(c, name, names, n);
}

static const hg_type_t *user_type(hg_cc_t *c, const hg_ast_type_t *t, bool nullable)
{
    const hg_sym_t *s = hg_cc_find(c, t->user.name);
    if (!s || s->kind != HG_SYM_TYPE) {
        hg_cc_sem(c, t->pos, "Unknown identifier '" HG_SF "'", HG_SA(t->user.name));
        const char *near = nearest_type(c, t->user.name);
        if (near) hg_cc_note(c, "did you mean the type %s?", near);
        return NULL;
    }
    if (!s->type) return NULL; /* its own declaration has said why */
    return hg_type_with_null(c->a, s->type, nullable);
}

const hg_type_t *hg_bind_type(hg_cc_t *c, const hg_ast_type_t *t, bool nullable)
{
    if (t->not_null) nullable = false;
    if (t->null_given) nullable = true;
    if (t->bare_float) {
        hg_cc_error(c, t->pos, "Illegal type", "Do not use the FLOAT type, please use REAL or DOUBLE");
        return NULL;
    }
    if (t->kind == HG_T_GEOMETRY) {
        hg_cc_nyi(c, t->pos, "The type GEOMETRY");
        return NULL;
    }
    if (t->kind == HG_T_N) return user_type(c, t, nullable);

    hg_type_t *r = HG_ANEW(c->a, hg_type_t);
    r->kind = t->kind;
    r->nullable = nullable;
    r->precision = -1;
    r->scale = 0;
    r->unit = t->unit;
    switch ((int)t->kind) {
    case HG_T_DECIMAL:
        return decimal_digits(c, t, r) ? r : NULL;
    case HG_T_CHAR:
    case HG_T_BINARY:
        r->precision = t->precision < 0 ? 1 : t->precision;
        break;
    case HG_T_VARCHAR:
    case HG_T_VARBINARY:
        r->precision = t->precision;
        break;
    case HG_T_TIME:
        r->precision = 9;
        if (t->precision >= 0)
            hg_cc_warn(c, t->pos, "TIME precision ignored", "The precision of TIME is ignored; it is always 9");
        return r;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        r->precision = 6;
        if (t->precision >= 0)
            hg_cc_warn(c, t->pos, "TIMESTAMP precision ignored",
                       "The precision of TIMESTAMP is ignored; it is always 6");
        return r;
    case HG_T_INTERVAL:
        r->precision = 2;
        r->scale = 6;
        return r;
    case HG_T_ARRAY:
        r->elem = hg_bind_type(c, t->elem, true);
        if (!r->elem) return NULL;
        r->elem = hg_type_with_null(c->a, r->elem, true);
        return r;
    case HG_T_MAP:
        r->key = hg_bind_type(c, t->key, false);
        r->elem = r->key ? hg_bind_type(c, t->elem, true) : NULL;
        if (!r->elem) return NULL;
        if (r->key->kind == HG_T_MAP) {
            hg_cc_error(c, t->key->pos, "Illegal type", "A MAP cannot be the key of a MAP");
            return NULL;
        }
        r->key = hg_type_with_null(c->a, r->key, false);
        r->elem = hg_type_with_null(c->a, r->elem, true);
        return r;
    case HG_T_ROW:
        return row_type(c, t, r);
    default:
        return r;
    }
    if (r->precision == 0) { /* the four text and bytes types */
        hg_cc_error(c, t->pos, "Illegal type", "%s length must be at least 1", hg_kind_name(t->kind));
        return NULL;
    }
    return r;
}
