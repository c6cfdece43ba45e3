/* row.c: a row of PostgreSQL's as JSON: names here, values in plugins/postgres/text.c. */
#include "base/hg.h"
#include "plugins/postgres_source/int.h"

/* As the Rust plugin has it: "createdAt" → "created_at", "userID" → "user_id", "HTTPCode" → "httpcode". */
static int snake(hg_buf_t *out, const char *name)
{
    int rc = 0;
    for (const char *p = name; rc == 0 && *p; p++) {
        bool upper = *p >= 'A' && *p <= 'Z';
        bool after_upper = p > name && p[-1] >= 'A' && p[-1] <= 'Z';
        if (upper && p > name && !after_upper) rc = hg_buf_addc(out, '_');
        if (rc == 0) rc = hg_buf_addc(out, upper ? (char)(*p + 32) : *p);
    }
    return rc;
}

static int column_name(hg_buf_t *out, const char *name, bool snake_case)
{
    hg_buf_t t;
    if (!snake_case) return hg_json_quote(out, hg_strz(name));
    hg_buf_init(&t, HG_BUF_NOMAX);
    int rc = snake(&t, name);
    if (rc == 0) rc = hg_json_quote(out, hg_buf_str(&t));
    hg_buf_release(&t);
    return rc;
}

int hgp_pg_row(hg_buf_t *out, const PGresult *r, int k, bool snake_case)
{
    int rc = hg_buf_addc(out, '{');
    for (int col = 0; rc == 0 && col < PQnfields(r); col++) {
        hg_str_t t = hg_strz(PQgetvalue(r, k, col));
        if (col) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = column_name(out, PQfname(r, col), snake_case);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc < 0) break;
        rc = PQgetisnull(r, k, col) ? hg_buf_adds(out, "null") : hgp_pg_json(out, PQftype(r, col), t);
    }
    return rc < 0 ? rc : hg_buf_addc(out, '}');
}
