/* postgres_in.c: rows of PostgreSQL's binary COPY → change batches, one row per message. The fields stand in the order
 * of the table's columns, so a row is read without looking anything up. Pool thread; the parser is shared and
 * read-only. */
#include "base/hg.h"
#include "connectors/format/postgres_int.h"

#define BYTES_MAX 4096u /* of a refused row that are shown */

typedef struct {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_col_t *const *defaults;
    hg_pgcell_t *cells;
} pg_parser_t;

static const pg_parser_t *self(const hg_parser_t *p)
{
    return (const pg_parser_t *)(const void *)p;
}

void hg_pg_parser_free(hg_parser_t *base)
{
    pg_parser_t *p = (pg_parser_t *)(void *)base;
    for (uint32_t i = 0; i < p->schema->n_cols; i++) hg_pgcell_release(&p->cells[i]);
    hg_free(p->cells);
    hg_free(p);
}

int hg_pg_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    pg_parser_t *p = HG_NEW(pg_parser_t);
    (void)cfg;
    p->schema = env->schema;
    p->defaults = env->defaults;
    p->cells = HG_NEWN(hg_pgcell_t, HG_MAX(env->schema->n_cols, 1u));
    for (uint32_t i = 0; i < p->schema->n_cols; i++) {
        if (hg_pgcell_init(&p->cells[i], p->schema->cols[i].type, err) == 0) continue;
        hg_pg_parser_free(&p->base);
        return hg_err_wrap(err, "column '" HG_SF "'", HG_SA(env->schema->cols[i].name));
    }
    *ret = &p->base;
    return 0;
}

/* A message is a row: there is nothing to split. */
size_t hg_pg_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    (void)p, (void)st, (void)buf, (void)from, (void)eof;
    return n;
}

void *hg_pg_scratch_new(const hg_parser_t *p)
{
    hg_pgscan_t *s = HG_NEW(hg_pgscan_t);
    (void)p;
    hg_jscan_init(&s->json);
    return s;
}

void hg_pg_scratch_free(void *scratch)
{
    hg_pgscan_t *s = scratch;
    if (!s) return;
    hg_jscan_release(&s->json);
    hg_free(s);
}

static int say(hg_pgscan_t *s, int code, const char *msg)
{
    snprintf(s->msg, sizeof s->msg, "%s", msg);
    return code;
}

static int take_field(hg_pgscan_t *s, const char **at, const char *end, hg_str_t *ret)
{
    if (end - *at < 4) return say(s, HG_EPARSE, "the row ends early");
    uint32_t n = hg_pg_u32(*at);
    *at += 4;
    *ret = (hg_str_t){ NULL, 0 };
    if (n == UINT32_MAX) return 0;
    if (n > (size_t)(end - *at)) return say(s, HG_EPARSE, "a field ends behind its row");
    *ret = (hg_str_t){ *at, n };
    *at += n;
    return 0;
}

static int fill_missing(const pg_parser_t *p, hg_pgscan_t *s, uint32_t col, hg_colb_t *b)
{
    if (p->defaults && p->defaults[col]) return hg_colb_copy(b, p->defaults[col], 0);
    if (p->schema->cols[col].type->nullable) return hg_colb_null(b);
    return say(s, HG_EPARSE, "missing field");
}

static int null_field(const pg_parser_t *p, hg_pgscan_t *s, uint32_t col, hg_colb_t *b)
{
    if (p->schema->cols[col].type->nullable) return hg_colb_null(b);
    return say(s, HG_EPARSE, "NULL in a column that is NOT NULL");
}

/* Every cell of one row. *col is the column that failed. */
static int row(const pg_parser_t *p, hg_pgscan_t *s, const char *at, const char *end, hg_colb_t *cols, uint32_t *col)
{
    hg_str_t mask, v;
    *col = 0;
    int rc = take_field(s, &at, end, &mask);
    if (rc == 0 && mask.p && mask.n != (p->schema->n_cols + 7u) / 8)
        rc = say(s, HG_EPARSE, "a mask that is not one of this table");
    for (uint32_t i = 0; i < p->schema->n_cols && rc == 0; i++) {
        *col = i;
        rc = take_field(s, &at, end, &v);
        if (rc < 0) break;
        if (HG_UNLIKELY(mask.p && hg_bit_get((const uint8_t *)mask.p, i)))
            rc = fill_missing(p, s, i, &cols[i]);
        else
            rc = v.p ? p->cells[i].read(s, v, &p->cells[i], &cols[i]) : null_field(p, s, i, &cols[i]);
    }
    return rc == 0 && at != end ? say(s, HG_EPARSE, "the row is longer than its fields") : rc;
}

int hg_pg_parse(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                hg_err_t *err)
{
    const pg_parser_t *p = self(pp);
    hg_pgscan_t *s = scratch;
    char msg[480];
    uint32_t col;
    (void)first;
    out->events++;
    int rc = row(p, s, buf, buf + n, out->changes.cols, &col);
    if (rc == 0) {
        out->bytes += n;
        rc = hg_changeb_row(&out->changes, HG_OP_INSERT, NULL);
        if (rc == 0) return 0;
    }
    hg_changeb_undo(&out->changes);
    if (rc != HG_EPARSE && rc != HG_ERANGE)
        return hg_err_set(err, (hg_code_t)rc,
                          rc == HG_ETOOBIG ? "a column of one chunk would hold more than 2 GiB"
                                           : "out of memory while reading rows of PostgreSQL");
    hg_str_t name = p->schema->cols[col].name;
    snprintf(msg, sizeof msg, "column '%.*s': %s", (int)HG_MIN(name.n, (size_t)128), name.p, s->msg);
    hg_parse_error_t e = { .tag = "bin_event_err",
                           .event = out->events,
                           .field = name,
                           .text = { buf, HG_MIN(n, (size_t)BYTES_MAX) },
                           .description = msg };
    out->error(out, &e);
    return 0;
}
