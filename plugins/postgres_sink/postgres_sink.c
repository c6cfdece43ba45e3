/* postgres_sink.c: messages as rows of a table.
 *
 * A batch is one transaction of INSERTs with batch_size rows each, ON CONFLICT DO NOTHING: a batch that comes again
 * adds nothing, where the table knows its rows by their id, as the one made here does. When the server refuses the rows
 * themselves, they are halved until those stand alone that it means: they are left out and told, the others are
 * written.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/postgres/pg.h"
#include "plugins/sdk/sink.h"

typedef enum { BYTEA, JSON_PAYLOAD, JSONB_PAYLOAD, TEXT_PAYLOAD } format_t;

typedef struct cfg {
    const char *uri, *table, *format;
    uint32_t batch_size, max_connections, max_retries;
    uint64_t retry_delay;
    bool create, metadata, checksum, origin, verbose;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("connection_string", STR, uri, .flags = HG_OPT_REQUIRED | HG_OPT_SECRET,
        .doc = "`postgresql://user:password@host:port/database`."),
    OPT("target_table", STR, table, .flags = HG_OPT_REQUIRED, .doc = "The table's name, without a schema."),
    OPT("batch_size", U32, batch_size, .def = "100", .min = 1, .max = 100000, .doc = "Rows of one INSERT."),
    OPT("max_connections", U32, max_connections, .def = "10", .min = 1, .max = 1000, .doc = "Connections at once."),
    OPT("auto_create_table", BOOL, create, .def = "false", .doc = "The table is made where it is missing."),
    OPT("include_metadata", BOOL, metadata, .def = "true",
        .doc = "Columns `iggy_offset`, `iggy_timestamp`, `iggy_stream`, `iggy_topic`, `iggy_partition_id`."),
    OPT("include_checksum", BOOL, checksum, .def = "true", .doc = "Column `iggy_checksum`."),
    OPT("include_origin_timestamp", BOOL, origin, .def = "true", .doc = "Column `iggy_origin_timestamp`."),
    OPT("payload_format", STR, format, .def = "bytea", .doc = "What `payload` is: `bytea`, `json`, `jsonb` or `text`."),
    OPT("max_retries", U32, max_retries, .def = "3", .min = 1, .max = 1000, .doc = "Attempts in all."),
    OPT("retry_delay", DURATION, retry_delay, .def = "1s", .doc = "Pause before the second of them."),
    OPT("verbose_logging", BOOL, verbose, .def = "false", .doc = "A line in the log for each batch."),
    { .key = NULL },
};

typedef struct state {
    format_t format;
    const char *insert; /* "INSERT INTO … (…) VALUES " */
} state_t;

typedef struct worker {
    hgp_pg_t pg;
    hg_buf_t sql;
    uint32_t *rows; /* of the batch, those that can be written; room for `cap` */
    uint32_t n, cap;
} worker_t;

static void *worker_new(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    worker_t *w = HG_NEW(worker_t);
    w->pg = (hgp_pg_t){ .uri = c->uri, .application = HGP_PG_APPLICATION };
    hg_buf_init(&w->sql, (size_t)1 << 30);
    return w;
}

static void worker_free(hgp_instance_t *i, void *arg)
{
    worker_t *w = arg;
    (void)i;
    hgp_pg_close(&w->pg);
    hg_buf_release(&w->sql);
    hg_free(w->rows);
    hg_free(w);
}

static const char *column_type(format_t f)
{
    static const char *const types[] = { "BYTEA", "JSON", "JSONB", "TEXT" };
    return types[f];
}

static void create_table(const cfg_t *c, const state_t *s, hg_buf_t *out)
{
    hg_buf_adds(out, "CREATE TABLE IF NOT EXISTS ");
    hg_pg_ident(out, hg_strz(c->table));
    hg_buf_adds(out, " (id DECIMAL(39, 0) PRIMARY KEY");
    if (c->metadata)
        hg_buf_adds(out, ", iggy_offset BIGINT, iggy_timestamp TIMESTAMPTZ, iggy_stream TEXT, iggy_topic TEXT, "
                         "iggy_partition_id INTEGER");
    if (c->checksum) hg_buf_adds(out, ", iggy_checksum BIGINT");
    if (c->origin) hg_buf_adds(out, ", iggy_origin_timestamp TIMESTAMPTZ");
    hg_buf_addf(out, ", payload %s, created_at TIMESTAMPTZ DEFAULT NOW())", column_type(s->format));
}

static void columns(const cfg_t *c, hg_buf_t *out)
{
    hg_buf_adds(out, "id");
    if (c->metadata) hg_buf_adds(out, ", iggy_offset, iggy_timestamp, iggy_stream, iggy_topic, iggy_partition_id");
    if (c->checksum) hg_buf_adds(out, ", iggy_checksum");
    if (c->origin) hg_buf_adds(out, ", iggy_origin_timestamp");
    hg_buf_adds(out, ", payload");
}

static format_t format_of(const char *name)
{
    static const char *const names[] = { "bytea", "json", "jsonb", "text" };
    return (format_t)hgp_choice("payload_format", name, names, HG_COUNT(names));
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    hgp_patience_t p = hgp_doubling(c->max_retries, c->retry_delay);
    worker_t *w = worker_new(i);
    hg_buf_t *sql = &w->sql;
    int rc;
    i->state = s;
    s->format = format_of(c->format);
    hg_buf_adds(sql, "INSERT INTO ");
    hg_pg_ident(sql, hg_strz(c->table));
    hg_buf_adds(sql, " (");
    columns(c, sql);
    hg_buf_adds(sql, ") VALUES ");
    s->insert = hg_arena_strndup(i->arena, sql->p, sql->len);
    hg_buf_clear(sql);
    if (c->create) create_table(c, s, sql);
    hg_buf_adds(sql, c->create ? "; SELECT " : "SELECT ");
    columns(c, sql);
    hg_buf_adds(sql, " FROM ");
    hg_pg_ident(sql, hg_strz(c->table));
    hg_buf_adds(sql, " LIMIT 0");
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        rc = hgp_pg_run(&w->pg, sql->p, "target_table", NULL, NULL, err);
        if (rc == 0 || !hgp_try_again(i, &p, attempt, 0, err)) break;
    }
    worker_free(i, w);
    return rc;
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static int add_time(hg_buf_t *o, uint64_t us)
{
    int rc = hg_buf_adds(o, ",'");
    if (rc == 0) rc = hgp_time(o, us);
    return rc < 0 ? rc : hg_buf_addc(o, '\'');
}

static int add_bytes(hg_buf_t *o, hg_str_t p)
{
    static const char hex[] = "0123456789abcdef";
    int rc = hg_buf_reserve(o, 2 * p.n + 8);
    if (rc == 0) rc = hg_buf_adds(o, "'\\x"); /* no escape: standard_conforming_strings is on */
    for (size_t k = 0; rc == 0 && k < p.n; k++) {
        o->p[o->len++] = hex[(uint8_t)p.p[k] >> 4];
        o->p[o->len++] = hex[(uint8_t)p.p[k] & 15];
    }
    return rc < 0 ? rc : hg_buf_addc(o, '\'');
}

static int add_row(const cfg_t *c, const state_t *s, hg_buf_t *o, const hgp_batch_t *b, uint32_t k)
{
    const hg_pc_raw_t *m = &b->v[k].m;
    int rc = hg_buf_addc(o, '(');
    if (rc == 0) rc = hgp_id_decimal(o, m->id);
    if (rc == 0 && c->metadata) {
        rc = hg_buf_addf(o, ",%" PRIi64, (int64_t)m->offset);
        if (rc == 0) rc = add_time(o, m->timestamp);
        if (rc == 0) rc = hg_buf_addc(o, ',');
        if (rc == 0) rc = hg_pg_literal(o, b->stream);
        if (rc == 0) rc = hg_buf_addc(o, ',');
        if (rc == 0) rc = hg_pg_literal(o, b->topic);
        if (rc == 0) rc = hg_buf_addf(o, ",%" PRIi32, (int32_t)b->partition);
    }
    if (rc == 0 && c->checksum) rc = hg_buf_addf(o, ",%" PRIi64, (int64_t)m->checksum);
    if (rc == 0 && c->origin) rc = add_time(o, m->origin_timestamp);
    if (rc == 0) rc = hg_buf_addc(o, ',');
    if (rc == 0) rc = s->format == BYTEA ? add_bytes(o, m->payload) : hg_pg_literal(o, m->payload);
    return rc < 0 ? rc : hg_buf_addc(o, ')');
}

/* One INSERT of the rows [from, to). */
static int insert(hgp_instance_t *i, worker_t *w, const hgp_batch_t *b, uint32_t from, uint32_t to, bool *ret_data,
                  hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hg_buf_clear(&w->sql);
    int rc = hg_buf_adds(&w->sql, s->insert);
    for (uint32_t k = from; rc == 0 && k < to; k++) {
        if (k > from) rc = hg_buf_addc(&w->sql, ',');
        if (rc == 0) rc = add_row(c, s, &w->sql, b, w->rows[k]);
    }
    if (rc == 0) rc = hg_buf_adds(&w->sql, " ON CONFLICT DO NOTHING");
    if (rc == HG_ETOOBIG && to - from == 1) *ret_data = true;
    if (rc < 0) return hg_err_retry(err, rc, "no room for %u rows in one statement", to - from);
    return hgp_pg_run(&w->pg, w->sql.p, c->table, NULL, ret_data, err);
}

/* All rows in one transaction. */
static int whole(hgp_instance_t *i, worker_t *w, const hgp_batch_t *b, bool *ret_data, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    hg_err_t unused;
    bool single = w->n <= c->batch_size;
    int rc = single ? 0 : hgp_pg_run(&w->pg, "BEGIN", c->table, NULL, ret_data, err);
    for (uint32_t k = 0; rc == 0 && k < w->n; k += c->batch_size)
        rc = insert(i, w, b, k, HG_MIN(k + c->batch_size, w->n), ret_data, err);
    if (single) return rc;
    if (rc == 0) return hgp_pg_run(&w->pg, "COMMIT", c->table, NULL, ret_data, err);
    if (w->pg.c && hgp_pg_run(&w->pg, "ROLLBACK", c->table, NULL, NULL, &unused) < 0) hgp_pg_close(&w->pg);
    return rc;
}

/* The rows [from, to) without those that the server refuses. Two at most are on the stack per halving. */
static int halves(hgp_instance_t *i, worker_t *w, const hgp_batch_t *b, uint32_t from, uint32_t to, uint32_t *rejected,
                  hg_err_t *err)
{
    bool data = false;
    *err = HG_ERR_INIT;
    int rc = insert(i, w, b, from, to, &data, err);
    if (rc == 0 || !data) return rc;
    if (to - from == 1) {
        hgp_reject(b, w->rows[from], rejected, "%s", err->msg);
        *err = HG_ERR_INIT;
        return 0;
    }
    uint32_t middle = from + (to - from) / 2;
    rc = halves(i, w, b, from, middle, rejected, err);
    return rc < 0 ? rc : halves(i, w, b, middle, to, rejected, err);
}

/* NULL, or why the payload cannot be one of the column's. */
static const char *unfit(format_t f, hg_str_t p, hg_buf_t *scratch)
{
    if (f == BYTEA) return NULL;
    if (!hg_utf8_valid(p.p, p.n)) return "it is not UTF-8";
    if (memchr(p.p, 0, p.n)) return "it has a zero byte, which PostgreSQL's texts cannot have";
    hg_buf_clear(scratch);
    return f == TEXT_PAYLOAD || hgp_json_line(scratch, p) == 0 ? NULL : "it is not JSON";
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_doubling(c->max_retries, c->retry_delay);
    worker_t *w = worker;
    uint32_t rejected = 0;
    if (b->n > w->cap) {
        uint32_t *rows = hg_trygrow(w->rows, b->n * sizeof *rows);
        if (!rows) return hg_err_retry(err, HG_ENOMEM, "no memory for a batch");
        w->rows = rows;
        w->cap = b->n;
    }
    w->n = 0;
    for (uint32_t k = 0; k < b->n; k++) {
        const char *why = unfit(s->format, b->v[k].m.payload, &w->sql);
        if (why)
            hgp_reject(b, k, &rejected, "%s", why);
        else
            w->rows[w->n++] = k;
    }
    for (uint32_t attempt = 1; w->n; attempt++) {
        bool data = false;
        *err = HG_ERR_INIT;
        int rc = whole(i, w, b, &data, err);
        if (data) rc = halves(i, w, b, 0, w->n, &rejected, err);
        if (rc == 0) break;
        if (!hgp_try_again(i, &p, attempt, 0, err)) return rc;
    }
    if (c->verbose) hgp_log(IGGY_LOG_INFO, "%u rows from offset %" PRIu64, w->n, b->v[0].m.offset);
    return 0;
}

static uint32_t workers(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->max_connections;
}

static const hgp_sink_t sink = {
    .name = "postgres_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .write = write_batch,
    .workers = workers,
};
HGP_SINK(sink)
