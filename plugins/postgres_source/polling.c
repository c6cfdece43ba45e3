/* polling.c: rows of tables, in the order of a tracking column: each poll asks every table for what is behind its
 * cursor.
 *
 * A batch has rows of all tables. Cursors, deletions and marks take effect with the acknowledgement: what was read is
 * staged beside what holds. Rows that share the last value of the tracking column come with it (FETCH FIRST … WITH
 * TIES), so that a full batch cuts no group in two. A message's id is made from its row, so the same row that is
 * sent again has the same id. State: [last_poll_time, {table: cursor}, processed_rows], as the Rust plugin has it.
 */
#include "base/hg.h"
#include "base/log.h"
#include "plugins/postgres_source/int.h"
#include <xxhash.h>

typedef enum { BYTES, RAW, TEXT, JSON } payload_t;

typedef struct cfg {
    const char *uri, *mode, *tracking, *initial, *query, *payload_column, *payload_format, *processed, *key, *slot;
    hg_strlist_t tables, operations;
    uint64_t interval, retry_delay;
    uint32_t batch_size, max_connections, max_retries;
    bool snake, metadata, remove, verbose;
    const char *backend;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("connection_string", STR, uri, .flags = HG_OPT_REQUIRED | HG_OPT_SECRET,
        .doc = "`postgresql://user:password@host:port/database`."),
    OPT("mode", STR, mode, .flags = HG_OPT_REQUIRED, .doc = "`polling`. (`cdc` is not there yet.)"),
    OPT("tables", STRLIST, tables, .flags = HG_OPT_REQUIRED, .doc = "Tables, `schema.table` or `table`."),
    OPT("poll_interval", DURATION, interval, .def = "10s", .doc = "Pause when no table had a full batch."),
    OPT("batch_size", U32, batch_size, .def = "1000", .min = 1, .max = 1000000, .doc = "Rows of one table and poll."),
    OPT("tracking_column", STR, tracking, .def = "id", .doc = "The cursor: rows are read in its order."),
    OPT("initial_offset", STR, initial, .doc = "Only rows behind this value."),
    OPT("max_connections", U32, max_connections, .flags = HG_OPT_IGNORED, .doc = "One is enough."),
    OPT("custom_query", STR, query,
        .doc =
            "Instead of the one made here; `$table`, `$offset`, `$limit`, `$now`, `$now_unix` are replaced as text."),
    OPT("snake_case_columns", BOOL, snake, .def = "false", .doc = "Names of columns as snake_case."),
    OPT("include_metadata", BOOL, metadata, .def = "true", .doc = "An envelope around the row. False: the row alone."),
    OPT("payload_column", STR, payload_column, .doc = "One column as the whole payload."),
    OPT("payload_format", STR, payload_format,
        .doc = "What it is: `json` (bytes or text that are JSON), `bytea` or `raw`, `text`, `json_direct` or `jsonb`. "
               "Without one: `json`."),
    OPT("delete_after_read", BOOL, remove, .def = "false", .doc = "Rows that were delivered are deleted."),
    OPT("processed_column", STR, processed, .doc = "A boolean column: set when delivered; only rows without are read."),
    OPT("primary_key_column", STR, key, .doc = "How rows are found for that. Without one: the tracking column."),
    OPT("replication_slot", STR, slot, .flags = HG_OPT_IGNORED, .doc = "For `cdc`."),
    OPT("capture_operations", STRLIST, operations, .flags = HG_OPT_IGNORED, .doc = "For `cdc`."),
    OPT("cdc_backend", STR, backend, .flags = HG_OPT_IGNORED, .doc = "For `cdc`."),
    OPT("max_retries", U32, max_retries, .def = "3", .min = 1, .max = 1000, .doc = "Attempts of one query in all."),
    OPT("retry_delay", DURATION, retry_delay, .def = "1s", .doc = "Pause before the second of them."),
    OPT("verbose_logging", BOOL, verbose, .def = "false", .doc = "A line in the log for each batch."),
    { .key = NULL },
};

typedef struct table {
    const char *name;
    const char *quoted;
    hg_buf_t cursor, staged; /* .p[0] of none: no row yet */
    hg_buf_t keys;           /* of the staged rows, as literals with commas */
} table_t;

typedef struct source {
    hgp_pg_t pg;
    table_t *tables;
    uint32_t n;
    uint64_t processed, staged;
    payload_t payload;
    hg_buf_t sql, row;
} source_t;

/* --- open -----------------------------------------------------------------------------------------------------------
 */

static int payload_format(const cfg_t *c, payload_t *ret, hg_err_t *err)
{
    static const struct {
        const char *name;
        payload_t is;
    } names[] = { { "bytea", RAW },        { "raw", RAW },    { "text", TEXT },        { "json", BYTES },
                  { "json_direct", JSON }, { "jsonb", JSON }, { "jsonb_direct", JSON } };
    *ret = BYTES;
    if (!c->payload_format) return 0;
    for (size_t k = 0; k < HG_COUNT(names); k++) {
        if (!hg_str_ieq(hg_strz(names[k].name), hg_strz(c->payload_format))) continue;
        *ret = names[k].is;
        return 0;
    }
    return hg_err_set(
        err, HG_EINVAL,
        "option 'payload_format': '%s' is none of json, bytea, raw, text, json_direct, jsonb, jsonb_direct",
        c->payload_format);
}

static void read_state(source_t *s, hg_str_t in)
{
    hgp_mp_value_t v, name, cursor;
    bool fine = hgp_mp_take(&in, HGP_MP_ARRAY, &v) == 0 && v.u == 3 && hgp_mp_take(&in, HGP_MP_STR, &v) == 0 &&
                hgp_mp_take(&in, HGP_MP_MAP, &v) == 0;
    for (uint64_t left = fine ? v.u : 0; fine && left; left--) {
        fine = hgp_mp_take(&in, HGP_MP_STR, &name) == 0 && hgp_mp_take(&in, HGP_MP_STR, &cursor) == 0;
        for (uint32_t t = 0; fine && t < s->n; t++) {
            if (!hg_str_eqz(name.s, s->tables[t].name)) continue;
            hg_buf_clear(&s->tables[t].cursor);
            hg_buf_addstr(&s->tables[t].cursor, cursor.s);
        }
    }
    if (fine && hgp_mp_take(&in, HGP_MP_UINT, &v) == 0) s->processed = v.u;
    if (!fine) hgp_log(IGGY_LOG_WARN, "the state cannot be read: from the begin");
}

static int write_state(source_t *s, hg_buf_t *out)
{
    char now[28];
    uint32_t known = 0;
    for (uint32_t t = 0; t < s->n; t++) known += s->tables[t].staged.len > 0;
    hg_time_rfc3339(now, hg_now_us());
    int rc = hgp_mp_array(out, 3);
    if (rc == 0) rc = hgp_mp_str(out, hg_strz(now));
    if (rc == 0) rc = hgp_mp_map(out, known);
    for (uint32_t t = 0; rc == 0 && t < s->n; t++) {
        if (!s->tables[t].staged.len) continue;
        rc = hgp_mp_str(out, hg_strz(s->tables[t].name));
        if (rc == 0) rc = hgp_mp_str(out, hg_buf_str(&s->tables[t].staged));
    }
    return rc < 0 ? rc : hgp_mp_u64(out, s->staged);
}

static int quote_table(hgp_instance_t *i, table_t *t, hg_err_t *err)
{
    hg_buf_t schema, name, out;
    hg_buf_init(&schema, 1024);
    hg_buf_init(&name, 1024);
    hg_buf_init(&out, 4096);
    const char *dot = strchr(t->name, '.');
    if (dot && dot > t->name && dot[1]) { /* as they are written, as the Rust plugin has it: not folded */
        hg_buf_add(&schema, t->name, (size_t)(dot - t->name));
        hg_buf_adds(&name, dot + 1);
        hg_pg_ident(&out, hg_buf_str(&schema));
        hg_buf_addc(&out, '.');
    } else {
        hg_buf_adds(&name, t->name);
    }
    int rc = name.len ? hg_pg_ident(&out, hg_buf_str(&name))
                      : hg_err_set(err, HG_EINVAL, "option 'tables': a name is empty");
    t->quoted = hg_arena_strndup(i->arena, out.p, out.len);
    hg_buf_release(&schema);
    hg_buf_release(&name);
    hg_buf_release(&out);
    return rc;
}

/* Runs s->sql; a new connection is told how to write times. */
static int ask(hgp_instance_t *i, source_t *s, const char *what, PGresult **ret, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    hgp_patience_t p = hgp_doubling(c->max_retries, c->retry_delay);
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        int rc = s->pg.c ? 0
                         : hgp_pg_run(&s->pg,
                                      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = "
                                      "'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1",
                                      what, NULL, NULL, err);
        if (rc == 0) rc = hgp_pg_run(&s->pg, s->sql.p, what, ret, NULL, err);
        if (rc == 0 || !hgp_try_again(i, &p, attempt, 0, err)) return rc;
    }
}

static int open_source(hgp_instance_t *i, hg_str_t state, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    source_t *s = HG_ANEW(i->arena, source_t);
    i->state = s;
    s->pg = (hgp_pg_t){ .uri = c->uri, .application = HGP_PG_APPLICATION };
    hg_buf_init(&s->sql, HG_BUF_NOMAX);
    hg_buf_init(&s->row, HG_BUF_NOMAX);
    s->n = c->tables.n;
    s->tables = HG_ANEWN(i->arena, table_t, s->n + 1);
    for (uint32_t t = 0; t < s->n; t++) {
        s->tables[t].name = c->tables.v[t];
        hg_buf_init(&s->tables[t].cursor, HG_BUF_NOMAX);
        hg_buf_init(&s->tables[t].staged, HG_BUF_NOMAX);
        hg_buf_init(&s->tables[t].keys, HG_BUF_NOMAX);
        if (c->initial) hg_buf_adds(&s->tables[t].cursor, c->initial);
    }
    if (strcmp(c->mode, "polling") != 0)
        return hg_err_set(err, HG_EUNSUPPORTED, "option 'mode': '%s' is not supported, 'polling' is", c->mode);
    if (!s->n) return hg_err_set(err, HG_EINVAL, "option 'tables': expected at least one table");
    int rc = payload_format(c, &s->payload, err);
    for (uint32_t t = 0; rc == 0 && t < s->n; t++) rc = quote_table(i, &s->tables[t], err);
    if (rc < 0) return rc;
    if (state.n) read_state(s, state);
    hg_buf_adds(&s->sql, "SELECT 1");
    return ask(i, s, "connection_string", NULL, err);
}

static void close_source(hgp_instance_t *i)
{
    source_t *s = i->state;
    hgp_pg_close(&s->pg);
    hg_buf_release(&s->sql);
    hg_buf_release(&s->row);
    for (uint32_t t = 0; t < s->n; t++) {
        hg_buf_release(&s->tables[t].cursor);
        hg_buf_release(&s->tables[t].staged);
        hg_buf_release(&s->tables[t].keys);
    }
}

/* --- poll -----------------------------------------------------------------------------------------------------------
 */

static int replace(const cfg_t *c, const table_t *t, hg_buf_t *out)
{
    char now[28], unix_now[24], limit[16];
    int64_t us = hg_now_us();
    hg_time_rfc3339(now, us);
    snprintf(unix_now, sizeof unix_now, "%" PRIi64, us / 1000000);
    snprintf(limit, sizeof limit, "%" PRIu32, c->batch_size);
    const char *const with[][2] = { { "$now_unix", unix_now }, /* before its prefix */
                                    { "$now", now },
                                    { "$table", t->name },
                                    { "$offset", t->cursor.len ? t->cursor.p : "0" },
                                    { "$limit", limit } };
    int rc = 0;
    for (const char *p = c->query; rc == 0 && *p;) {
        size_t k = 0;
        while (k < HG_COUNT(with) && strncmp(p, with[k][0], strlen(with[k][0])) != 0) k++;
        rc = k < HG_COUNT(with) ? hg_buf_adds(out, with[k][1]) : hg_buf_addc(out, *p);
        p += k < HG_COUNT(with) ? strlen(with[k][0]) : 1;
    }
    return rc;
}

static bool is_number(hg_str_t t)
{
    size_t k = t.n && t.p[0] == '-', digits = 0, dots = 0;
    for (; k < t.n; k++) {
        if (t.p[k] == '.')
            dots++;
        else if (t.p[k] >= '0' && t.p[k] <= '9')
            digits++;
        else
            return false;
    }
    return digits && dots <= 1;
}

static int question(const cfg_t *c, const source_t *s, const table_t *t, hg_buf_t *out)
{
    hg_str_t column = hg_strz(c->tracking), cursor = hg_buf_str(&t->cursor);
    hg_buf_clear(out);
    if (c->query) return replace(c, t, out);
    int rc = hg_buf_addf(out, "SELECT * FROM %s WHERE ", t->quoted);
    if (rc == 0) rc = hg_pg_ident(out, column);
    if (rc == 0) rc = hg_buf_adds(out, cursor.n ? " > " : " IS NOT NULL");
    if (rc == 0 && cursor.n) rc = is_number(cursor) ? hg_buf_addstr(out, cursor) : hg_pg_literal(out, cursor);
    if (rc == 0 && c->processed) {
        rc = hg_buf_adds(out, " AND ");
        if (rc == 0) rc = hg_pg_ident(out, hg_strz(c->processed));
        if (rc == 0) rc = hg_buf_adds(out, " = FALSE");
    }
    if (rc == 0) rc = hg_buf_adds(out, " ORDER BY ");
    if (rc == 0) rc = hg_pg_ident(out, column);
    bool ties = s->pg.c && PQserverVersion(s->pg.c) >= 130000;
    return rc < 0 ? rc
                  : hg_buf_addf(out, ties ? " ASC FETCH FIRST %" PRIu32 " ROWS WITH TIES" : " ASC LIMIT %" PRIu32,
                                c->batch_size);
}

static int row_id(source_t *s, const table_t *t, const PGresult *r, int k, hg_u128 *ret)
{
    hg_buf_clear(&s->sql);
    int rc = hg_buf_add(&s->sql, t->name, strlen(t->name) + 1);
    for (int col = 0; rc == 0 && col < PQnfields(r); col++) {
        const char *v = PQgetisnull(r, k, col) ? "" : PQgetvalue(r, k, col);
        rc = hg_buf_add(&s->sql, v, strlen(v) + 1);
    }
    XXH128_hash_t h = XXH3_128bits(s->sql.p, s->sql.len);
    *ret = (hg_u128)h.high64 << 64 | h.low64 | 1; /* 0 would be none */
    return rc;
}

static int envelope(const cfg_t *c, source_t *s, const table_t *t, const PGresult *r, int k)
{
    char now[28];
    int rc = 0;
    hg_buf_clear(&s->row);
    if (!c->metadata) return hgp_pg_row(&s->row, r, k, c->snake);
    hg_time_rfc3339(now, hg_now_us());
    rc = hg_buf_adds(&s->row, "{\"table_name\":");
    if (rc == 0) rc = hg_json_quote(&s->row, hg_strz(t->name));
    if (rc == 0) rc = hg_buf_addf(&s->row, ",\"operation_type\":\"SELECT\",\"timestamp\":\"%s\",\"data\":", now);
    if (rc == 0) rc = hgp_pg_row(&s->row, r, k, c->snake);
    return rc < 0 ? rc : hg_buf_adds(&s->row, ",\"old_data\":null}");
}

/* The value of payload_column; HG_EINVAL: it is empty or unfit, the row is passed over. */
static int single(const cfg_t *c, source_t *s, const PGresult *r, int k, int col)
{
    hg_str_t t = hg_strz(PQgetvalue(r, k, col));
    (void)c;
    hg_buf_clear(&s->row);
    if (PQgetisnull(r, k, col) || !t.n) return HG_EINVAL;
    if (s->payload == JSON) return hgp_json_line(&s->row, t) < 0 ? HG_EINVAL : 0;
    int rc = PQftype(r, col) == 17 && s->payload != TEXT ? hgp_pg_bytea(&s->row, t) : hg_buf_addstr(&s->row, t);
    return rc == 0 && !s->row.len ? HG_EINVAL : rc;
}

static int find_column(const PGresult *r, const char *name)
{
    for (int col = 0; col < PQnfields(r); col++)
        if (strcmp(PQfname(r, col), name) == 0) return col;
    return -1;
}

static int no_column(hg_err_t *err, const char *option, const char *name, const table_t *t)
{
    return hg_err_set(err, HG_EINVAL, "option '%s': table '%s' has no column '%s'", option, t->name, name);
}

static int stage_key(table_t *t, const PGresult *r, int k, int col)
{
    int rc = t->keys.len ? hg_buf_addc(&t->keys, ',') : 0;
    return rc < 0 ? rc : hg_pg_literal(&t->keys, hg_strz(PQgetvalue(r, k, col)));
}

static int take(hgp_instance_t *i, source_t *s, table_t *t, const PGresult *r, hgp_out_t *out, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const char *key_name = c->key ? c->key : c->tracking;
    int cursor = find_column(r, c->tracking), key = find_column(r, key_name), rc = 0;
    int payload = c->payload_column ? find_column(r, c->payload_column) : -1;
    bool marks = c->remove || c->processed;
    hg_u128 id;
    if (cursor < 0) return no_column(err, "tracking_column", c->tracking, t);
    if (marks && key < 0) return no_column(err, "primary_key_column", key_name, t);
    if (c->payload_column && payload < 0) return no_column(err, "payload_column", c->payload_column, t);
    for (int k = 0; rc == 0 && k < PQntuples(r); k++) {
        rc = payload >= 0 ? single(c, s, r, k, payload) : envelope(c, s, t, r, k);
        if (rc == HG_EINVAL)
            hgp_log(IGGY_LOG_ERROR, "table '%s', %s %s: its %s is empty or not what payload_format says: left out",
                    t->name, c->tracking, PQgetvalue(r, k, cursor), c->payload_column);
        if (rc == 0) rc = row_id(s, t, r, k, &id);
        if (rc == 0) rc = hgp_out_message(out, id, NULL, 0, hg_buf_str(&s->row));
        if (rc == HG_EINVAL) rc = 0;
        if (rc == 0 && marks) rc = stage_key(t, r, k, key);
        s->staged++;
    }
    int last = PQntuples(r) - 1;
    if (rc == 0 && last >= 0 && !PQgetisnull(r, last, cursor)) {
        hg_buf_clear(&t->staged);
        rc = hg_buf_adds(&t->staged, PQgetvalue(r, last, cursor));
    }
    return rc < 0 ? hg_err_retry(err, rc, "no memory for a batch") : 0;
}

static int poll(hgp_instance_t *i, hgp_out_t *out, hg_buf_t *state, hg_err_t *err)
{
    static const hg_pc_schema_t schemas[] = { HG_PC_JSON, HG_PC_RAW, HG_PC_TEXT, HG_PC_JSON };
    const cfg_t *c = i->cfg;
    source_t *s = i->state;
    bool more = false;
    int rc = 0;
    out->schema = c->payload_column ? schemas[s->payload] : HG_PC_JSON;
    s->staged = s->processed;
    for (uint32_t k = 0; rc == 0 && k < s->n; k++) {
        table_t *t = &s->tables[k];
        PGresult *r = NULL;
        hg_buf_clear(&t->keys);
        hg_buf_clear(&t->staged);
        hg_buf_addstr(&t->staged, hg_buf_str(&t->cursor));
        rc = question(c, s, t, &s->sql);
        if (rc == 0) rc = ask(i, s, t->name, &r, err);
        if (rc < 0) return rc;
        rc = take(i, s, t, r, out, err);
        more = more || PQntuples(r) >= (int)c->batch_size;
        PQclear(r);
    }
    if (rc < 0) return rc;
    if (write_state(s, state) < 0) return hg_err_retry(err, HG_ENOMEM, "no memory for the state");
    if (c->verbose && out->n) hgp_log(IGGY_LOG_INFO, "%u rows", out->n);
    return more ? HGP_POLL_AGAIN : HGP_POLL_LATER;
}

/* Deletes or marks what was delivered, then the cursors move. */
static int commit(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    source_t *s = i->state;
    const char *key = c->key ? c->key : c->tracking;
    for (uint32_t k = 0; k < s->n; k++) {
        table_t *t = &s->tables[k];
        if (t->keys.len) {
            hg_buf_clear(&s->sql);
            int rc = hg_buf_addf(&s->sql, c->remove ? "DELETE FROM %s" : "UPDATE %s SET ", t->quoted);
            if (rc == 0 && !c->remove) rc = hg_pg_ident(&s->sql, hg_strz(c->processed));
            if (rc == 0) rc = hg_buf_adds(&s->sql, c->remove ? " WHERE " : " = TRUE WHERE ");
            if (rc == 0) rc = hg_pg_ident(&s->sql, hg_strz(key));
            if (rc == 0) rc = hg_buf_addf(&s->sql, " IN (%s)", t->keys.p);
            if (rc == 0) rc = ask(i, s, t->name, NULL, err);
            if (rc < 0) return rc;
            hg_buf_clear(&t->keys);
        }
        hg_buf_clear(&t->cursor);
        hg_buf_addstr(&t->cursor, hg_buf_str(&t->staged));
    }
    s->processed = s->staged;
    return 0;
}

static uint64_t pause_ms(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->interval;
}

static const hgp_source_t source = {
    .name = "postgres_source",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_source,
    .poll = poll,
    .commit = commit,
    .close = close_source,
    .pause_ms = pause_ms,
};
HGP_SOURCE(source)
