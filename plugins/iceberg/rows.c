/* rows.c: see rows.h. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format.h"
#include "data/ipc.h"
#include "data/parquet_lib.h"
#include "plugins/iceberg/rows.h"

struct hgi_rows {
    const hgi_table_t *table;
    const hg_parquet_api_t *parquet;
    hg_arena_t *arena;
    hg_parser_t *parser;
    void *scratch;
    hg_buf_t schema, message; /* of Arrow's stream */
};

/* Rows as they are; times and dates as text, timestamps with or without an offset from UTC. */
static int make_parser(hgi_rows_t *r, hg_err_t *err)
{
    static const hg_diag_t quiet = { .fn = NULL };
    const hg_parse_env_t env = { .schema = &r->table->schema };
    hg_diag_t d = quiet;
    hg_json_t *options;
    void *cfg = hg_arena_alloc(r->arena, hg_format_json.in_cfg);
    int rc =
        hg_json_parse(r->arena, HG_S("{\"update_format\":\"raw\",\"json_flavor\":\"snowflake\",\"lines\":\"single\"}"),
                      &options, err);
    if (rc == 0) rc = hg_opts_parse(hg_format_json.in_opts, options, options, HG_EXTRA_REFUSE, NULL, r->arena, cfg, &d);
    if (rc == 0) rc = hg_format_json.parser_new(cfg, &env, &r->parser, err);
    if (rc == 0) r->scratch = hg_format_json.scratch_new(r->parser);
    return rc;
}

int hgi_rows_new(const hgi_table_t *t, hgi_rows_t **ret, hg_err_t *err)
{
    hgi_rows_t *r = HG_NEW(hgi_rows_t);
    r->table = t;
    r->arena = hg_arena_new();
    hg_buf_init(&r->schema, HG_BUF_NOMAX);
    hg_buf_init(&r->message, HG_BUF_NOMAX);
    int rc = hg_parquet_load(&r->parquet, err);
    if (rc == 0) rc = make_parser(r, err);
    if (rc == 0) rc = hg_ipc_lake_schema(&r->schema, &t->schema, t->ids, err);
    if (rc < 0)
        hgi_rows_free(r);
    else
        *ret = r;
    return rc;
}

void hgi_rows_free(hgi_rows_t *r)
{
    if (!r) return;
    if (r->scratch) hg_format_json.scratch_free(r->scratch);
    if (r->parser) hg_format_json.parser_free(r->parser);
    hg_buf_release(&r->schema);
    hg_buf_release(&r->message);
    hg_arena_free(r->arena);
    hg_free(r);
}

typedef struct report {
    void (*bad)(void *arg, uint64_t at, const char *why);
    void *arg;
} report_t;

static void on_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    const report_t *to = out->arg;
    to->bad(to->arg, e->off, e->description);
}

int hgi_rows_parse(hgi_rows_t *r, hg_str_t lines, void (*bad)(void *arg, uint64_t at, const char *why), void *arg,
                   hg_batch_t **ret, hg_err_t *err)
{
    report_t to = { bad, arg };
    hg_parse_out_t out = { .error = on_error, .arg = &to };
    *ret = NULL;
    hg_changeb_init(&out.changes, &r->table->schema);
    int rc = hg_format_json.parse(r->parser, r->scratch, lines.p, lines.n, true, &out, err);
    hg_change_t *c = rc == 0 ? hg_changeb_seal(&out.changes) : NULL;
    hg_changeb_release(&out.changes);
    if (!c) return rc;
    *ret = hg_batch_retain(c->rows);
    hg_change_drop(c);
    return 0;
}

static int put(void *arg, const char *p, size_t n)
{
    return hg_buf_add(arg, p, n);
}

int hgi_rows_file(hgi_rows_t *r, const hg_batch_t *rows, hg_buf_t *out, hg_err_t *err)
{
    char why[HG_PARQUET_WHY] = "";
    hg_parquet_writer_t *w = NULL;
    hg_buf_clear(&r->message);
    int rc = hg_ipc_lake_batch(&r->message, &r->table->schema, rows, err);
    if (rc < 0) return rc;
    if (r->parquet->writer_new(r->schema.p, r->schema.len, put, out, &w, why) != 0 ||
        r->parquet->write(w, r->message.p, r->message.len, why) != 0 || r->parquet->finish(w, why) != 0)
        rc = hg_err_set(err, HG_EINVALENCODER, "rows cannot be written as Parquet: %s", why);
    if (w) r->parquet->writer_free(w);
    return rc;
}
