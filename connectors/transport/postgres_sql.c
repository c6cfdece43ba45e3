/* postgres_sql.c: pieces of SQL text, quoted. */
#include "base/hg.h"
#include "connectors/transport/postgres_int.h"

int hg_pg_ident(hg_buf_t *out, hg_str_t name)
{
    int rc = hg_buf_addc(out, '"');
    for (size_t i = 0; i < name.n && rc == 0; i++)
        rc = name.p[i] == '"' ? hg_buf_add(out, "\"\"", 2) : hg_buf_addc(out, name.p[i]);
    return rc == 0 ? hg_buf_addc(out, '"') : rc;
}

/* E'…' means the same whatever standard_conforming_strings is. */
int hg_pg_literal(hg_buf_t *out, hg_str_t v)
{
    int rc = hg_buf_add(out, "E'", 2);
    for (size_t i = 0; i < v.n && rc == 0; i++) {
        if (v.p[i] == '\'' || v.p[i] == '\\') rc = hg_buf_addc(out, v.p[i]);
        if (rc == 0) rc = hg_buf_addc(out, v.p[i]);
    }
    return rc == 0 ? hg_buf_addc(out, '\'') : rc;
}

/* One name at p, unquoted or quoted; NULL: none. */
static const char *one_name(const char *p, const char *end, hg_buf_t *out)
{
    const char *first = p;
    if (p < end && *p == '"') {
        for (p++; p < end; p++) {
            if (*p == '"' && (p + 1 == end || p[1] != '"')) return out->len ? p + 1 : NULL;
            if (*p == '"') p++;
            if (hg_buf_addc(out, *p) < 0) return NULL;
        }
        return NULL;
    }
    for (; p < end && *p != '.'; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        bool letter = (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80);
        if (!letter && (p == first || !((c >= '0' && c <= '9') || c == '$'))) return NULL;
        if (hg_buf_addc(out, c) < 0) return NULL;
    }
    return p > first ? p : NULL;
}

int hg_pg_table(hg_str_t text, hg_buf_t *schema, hg_buf_t *table, hg_err_t *err)
{
    const char *end = text.p + text.n, *p = one_name(text.p, end, table);
    hg_buf_clear(schema);
    if (p && p < end && *p == '.') {
        (void)hg_buf_addstr(schema, hg_buf_str(table));
        hg_buf_clear(table);
        p = one_name(p + 1, end, table);
    }
    if (p == end) return 0;
    return hg_err_set(err, HG_EPARSE, "'" HG_SF "' is no table: expected table, schema.table or \"Quoted Name\"",
                      HG_SA(text));
}
