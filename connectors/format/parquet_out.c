/* parquet_out.c: deltas into Parquet files.
 *
 * Rows go as Arrow IPC messages to the module, which gives back the bytes of a file; it ends with the step, or
 * as a message after buffer_size_records rows. A step comes in pieces: the file stays open between them, and what is
 * ready of it goes on at once, of a message when all of it is. Rows with a negative weight cannot be said:
 * they are left out and told. One thread at a time.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format/encode_int.h"
#include "connectors/format/parquet_int.h"
#include "data/ipc.h"
#include "data/parquet_lib.h"

#define BATCH 8192 /* rows that are handed over at once */

typedef struct {
    hg_encoder_t base;
    const hg_schema_t *schema;
    const hg_parquet_api_t *api;
    uint32_t per_file;
    size_t max_message; /* 0 = no limit */
    hg_buf_t schema_message, message;
    hg_parquet_writer_t *file; /* NULL: none is open */
    uint32_t rows;             /* in it */
    hg_buf_t *to;              /* while the encoder is called: where its bytes go */
    hg_buf_t payload;          /* of a message */
} encoder_t;

static int refused(const char *why, hg_err_t *err)
{
    return hg_err_set(err, HG_EINVALENCODER, "rows cannot be written as Parquet: %s", why);
}

static int put(void *arg, const char *p, size_t n)
{
    encoder_t *e = arg;
    return hg_buf_add(e->to, p, n);
}

static void file_close(encoder_t *e)
{
    if (e->file) e->api->writer_free(e->file);
    e->file = NULL;
    e->rows = 0;
    hg_buf_clear(&e->payload);
}

static int file_open(encoder_t *e, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    if (e->file) return 0;
    if (e->api->writer_new(e->schema_message.p, e->schema_message.len, put, e, &e->file, why) == 0) return 0;
    return refused(why, err);
}

void hg_parquet_encoder_free(hg_encoder_t *base)
{
    encoder_t *e = (encoder_t *)(void *)base;
    file_close(e);
    hg_buf_release(&e->schema_message);
    hg_buf_release(&e->message);
    hg_buf_release(&e->payload);
    hg_free(e);
}

/* A file without rows tells at compile time whether the types can be written. */
static int try_types(encoder_t *e, hg_err_t *err)
{
    e->to = &e->payload;
    int rc = file_open(e, err);
    file_close(e);
    return rc;
}

int hg_parquet_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    const hg_parquet_api_t *api = NULL;
    if (env->key)
        return hg_err_option(err, HG_EINVALENCODER, "index", "Parquet encoder cannot be attached to an index");
    int rc = hg_parquet_load(&api, err);
    if (rc < 0) return rc;
    encoder_t *e = HG_NEW(encoder_t);
    e->schema = env->schema;
    e->api = api;
    e->per_file = env->want_messages ? ((const hg_parquet_out_cfg_t *)cfg)->buffer_size_records : UINT32_MAX;
    e->max_message = env->want_messages ? env->max_message : 0;
    hg_buf_init(&e->schema_message, HG_BUF_NOMAX);
    hg_buf_init(&e->message, HG_BUF_NOMAX);
    hg_buf_init(&e->payload, HG_BUF_NOMAX);
    rc = hg_ipc_schema(&e->schema_message, e->schema, err);
    if (rc == 0) rc = try_types(e, err);
    if (rc == 0)
        *ret = &e->base;
    else
        hg_parquet_encoder_free(&e->base);
    return rc;
}

static int send_message(encoder_t *e, hg_encode_sink_t *s, uint32_t rows, hg_err_t *err)
{
    if (e->max_message && e->payload.len > e->max_message)
        return hg_err_set(
            err, HG_ETOOBIG,
            "a Parquet file of %u records has %zu bytes, more than the %zu of a message: choose a smaller "
            "'buffer_size_records'",
            rows, e->payload.len, e->max_message);
    if (hg_buf_addstr(s->buf, hg_buf_str(&e->payload)) < 0)
        return hg_err_set(err, HG_ENOMEM, "out of memory while encoding Parquet");
    return s->message(s, rows, err);
}

static void set_sink(encoder_t *e, hg_encode_sink_t *s)
{
    e->to = s->message ? &e->payload : s->buf;
}

static int finish_file(encoder_t *e, hg_encode_sink_t *s, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    if (!e->file) return 0;
    s->records += e->rows; /* before the end a file has nothing that counts */
    int rc = e->api->finish(e->file, why) == 0 ? 0 : refused(why, err);
    if (rc == 0 && s->message) rc = send_message(e, s, e->rows, err);
    file_close(e);
    return rc;
}

/* Rows of a batch, in files of at most per_file. */
static int write_rows(encoder_t *e, hg_encode_sink_t *s, hg_batch_t *b, const uint32_t *sel, uint32_t n, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    int rc = 0;
    for (uint32_t at = 0; at < n && rc == 0;) {
        hg_batch_t *piece = NULL;
        uint32_t k = HG_MIN(n - at, e->per_file - e->rows);
        rc = file_open(e, err);
        if (rc == 0) rc = hg_batch_gather(b, sel + at, k, &piece, err);
        hg_buf_clear(&e->message);
        if (rc == 0) rc = hg_ipc_batch(&e->message, e->schema, piece, err);
        if (rc == 0 && e->api->write(e->file, e->message.p, e->message.len, why) != 0) rc = refused(why, err);
        hg_batch_drop(piece);
        at += k;
        e->rows += k;
        if (rc == 0 && e->rows == e->per_file) rc = finish_file(e, s, err);
    }
    return rc;
}

typedef struct {
    encoder_t *e;
    hg_batch_t *batch; /* that the rows collected are of */
    uint32_t sel[BATCH], n;
} collect_t;

static int flush(collect_t *c, hg_encode_sink_t *s, hg_err_t *err)
{
    int rc = c->n ? write_rows(c->e, s, c->batch, c->sel, c->n, err) : 0;
    c->n = 0;
    return rc;
}

static int record(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, int64_t weight, hg_err_t *err)
{
    collect_t *c = arg;
    if (weight < 0) {
        if (s->left_out++ == 0)
            hg_err_set(&s->why, HG_EINVALENCODER, "deletes are not supported by the parquet format");
        return 0;
    }
    int rc = c->n == BATCH || c->batch != b ? flush(c, s, err) : 0;
    err->fatal |= rc < 0; /* of the rows before, and of the file they are in */
    c->batch = (hg_batch_t *)(uintptr_t)b;
    c->sel[c->n++] = row;
    return rc;
}

int hg_parquet_encode(hg_encoder_t *base, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err)
{
    encoder_t *e = (encoder_t *)(void *)base;
    collect_t c = { .e = e };
    set_sink(e, sink);
    int rc = hg_encode_each(delta, true, record, &c, sink, err);
    if (rc == 0) rc = flush(&c, sink, err);
    if (rc < 0) file_close(e);
    return rc;
}

int hg_parquet_encode_end(hg_encoder_t *base, hg_encode_sink_t *sink, hg_err_t *err)
{
    encoder_t *e = (encoder_t *)(void *)base;
    if (!sink) {
        file_close(e);
        return 0;
    }
    set_sink(e, sink);
    return finish_file(e, sink, err);
}
