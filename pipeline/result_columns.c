/* result_columns.c: results that keep their columns: an Arrow IPC stream (data/ipc.h), or a Parquet file, which the
 * module headgate-parquet.so makes of that stream's messages (data/parquet.h). The query's thread. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/ipc.h"
#include "data/parquet_lib.h"
#include "pipeline/server_int.h"

struct column_writer {
    const hg_schema_t *schema;
    hg_buf_t *out;
    bool parquet, began;
    const hg_parquet_api_t *api;
    hg_parquet_writer_t *file;
    hg_buf_t message; /* Parquet: what the module is given */
};

column_writer_t *hg_columns_new(bool parquet, const hg_schema_t *schema, hg_buf_t *out)
{
    column_writer_t *w = HG_NEW(column_writer_t);
    *w = (column_writer_t){ .schema = schema, .out = out, .parquet = parquet };
    hg_buf_init(&w->message, HG_BUF_NOMAX);
    return w;
}

void hg_columns_free(column_writer_t *w)
{
    if (!w) return;
    if (w->file) w->api->writer_free(w->file);
    hg_buf_release(&w->message);
    hg_free(w);
}

static int put(void *arg, const char *p, size_t n)
{
    column_writer_t *w = arg;
    return hg_buf_add(w->out, p, n);
}

static int refused(const char *why, hg_err_t *err)
{
    return hg_err_set(err, HG_EEVAL, "the result cannot be written as Parquet: %s", why);
}

static int begin(column_writer_t *w, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    if (w->began) return 0;
    w->began = true;
    int rc = hg_ipc_schema(w->parquet ? &w->message : w->out, w->schema, err);
    if (rc < 0 || !w->parquet) return rc;
    rc = hg_parquet_load(&w->api, err);
    if (rc == 0 && w->api->writer_new(w->message.p, w->message.len, put, w, &w->file, why) != 0) rc = refused(why, err);
    return rc;
}

int hg_columns_batch(column_writer_t *w, const hg_batch_t *b, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    hg_buf_t *to = w->parquet ? &w->message : w->out;
    int rc = begin(w, err);
    if (w->parquet) hg_buf_clear(to);
    if (rc == 0 && b->n_rows) rc = hg_ipc_batch(to, w->schema, b, err);
    if (rc == 0 && w->parquet && b->n_rows && w->api->write(w->file, to->p, to->len, why) != 0) rc = refused(why, err);
    return rc;
}

int hg_columns_end(column_writer_t *w, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    int rc = begin(w, err);
    if (rc < 0 || !w->parquet) return rc < 0 ? rc : hg_ipc_end(w->out, err);
    return w->api->finish(w->file, why) == 0 ? 0 : refused(why, err);
}
