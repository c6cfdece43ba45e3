/* postgres_output.c: keeps a table of a PostgreSQL server equal to a view (or writes its changes as a log).
 *
 * This file: options, and the session with the server:
 *
 *   CLOSED → OPENING → SESSION → [LOCK] → TABLE → PREPARE → [CREATE → STEP] → READY
 *      ▲ timer                         any step: a lost connection, a server that stops
 *
 * In brackets: exactly once. LOCK is an advisory lock in the name of the endpoint: the session of a pipeline that was
 * killed may still be at work for a moment, and what it commits must be known before we ask for the step. STEP reads it
 * from table headgate_progress, which every commit writes; the host leaves out what is there already. Everything is on
 * the loop. What is written, and when it is committed: postgres_output_txn.c. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/postgres_output_int.h"

extern const hg_output_type_t hg_output_postgres;

#define RETRY_BASE 250
#define RETRY_CAP  60000
#define OP_COLUMN  "__feldera_op"
#define TS_COLUMN  "__feldera_ts"

static const hg_opt_t pgout_opts[] = {
    HG_PG_OPTS(pgout_cfg_t),
    { .key = "table",
      .type = HG_OPT_STR,
      .at = offsetof(pgout_cfg_t, table),
      .flags = HG_OPT_REQUIRED,
      .doc =
          "Table to write: `table`, `schema.table`, quoted as in SQL. It has a column for each of the view's; other "
          "columns get their default. The connector needs `index`: the key that its rows are found by, for which the "
          "table has a unique index." },
    { .key = "mode",
      .type = HG_OPT_ENUM,
      .at = offsetof(pgout_cfg_t, mode),
      .names = "materialized|cdc",
      .def = "materialized",
      .doc = "`materialized`: the table is kept equal to the view. `cdc`: every change is added as a row, with its "
             "operation (`i`, `u`, `d`; `d` has the row as it was) and the time." },
    { .key = "cdc_op_column",
      .type = HG_OPT_STR,
      .at = offsetof(pgout_cfg_t, op_column),
      .def = OP_COLUMN,
      .doc = "With `cdc`: column for the operation." },
    { .key = "cdc_ts_column",
      .type = HG_OPT_STR,
      .at = offsetof(pgout_cfg_t, ts_column),
      .def = TS_COLUMN,
      .doc = "With `cdc`: column for the time: microseconds since 1970 in a BIGINT, or a timestamp." },
    { .key = "max_records_in_buffer",
      .type = HG_OPT_U64,
      .at = offsetof(pgout_cfg_t, max_records),
      .unit = "records",
      .doc = "Rows sent to the server together at most. Without it only `max_buffer_size_bytes` counts." },
    { .key = "max_buffer_size_bytes",
      .type = HG_OPT_U64,
      .at = offsetof(pgout_cfg_t, max_bytes),
      .def = "1048576",
      .min = 1,
      .max = (uint64_t)1 << 29,
      .unit = "bytes",
      .doc = "Bytes of rows sent together; a larger row goes alone." },
    { .key = "on_conflict_do_nothing",
      .type = HG_OPT_BOOL,
      .at = offsetof(pgout_cfg_t, do_nothing),
      .def = "false",
      .doc =
          "Leave a row alone that is in the table when an insert for its key comes; without it the row is replaced." },
    { .key = "threads",
      .type = HG_OPT_U32,
      .at = offsetof(pgout_cfg_t, threads),
      .def = "1",
      .min = 1,
      .flags = HG_OPT_IGNORED,
      .doc = "One connection is used, whatever it says: rows go by COPY, which leaves the server the bottleneck." },
    { .key = "extra_columns",
      .type = HG_OPT_STRLIST,
      .at = offsetof(pgout_cfg_t, extra_columns),
      .flags = HG_OPT_IGNORED,
      .doc = "Columns of the table that the view does not have get their DEFAULT; values set by command are not "
             "available." },
    { .key = NULL },
};

static void pgout_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const pgout_cfg_t *c = cfg;
    hg_buf_t schema, table;
    hg_err_t err = HG_ERR_INIT;
    hg_pg_check(&c->conn, obj, d);
    hg_buf_init(&schema, 1024);
    hg_buf_init(&table, 1024);
    if (c->table && strncmp(c->table, "${", 2) != 0 && hg_pg_table(hg_strz(c->table), &schema, &table, &err) < 0)
        hg_diag(d, false, hg_json_get(obj, "table"), false, "'table': %s", err.msg);
    hg_buf_release(&schema);
    hg_buf_release(&table);
    if (c->mode == PGOUT_CDC && c->do_nothing)
        hg_diag(d, false, hg_json_get(obj, "on_conflict_do_nothing"), false,
                "'on_conflict_do_nothing' cannot be used with \"mode\": \"cdc\", which replaces nothing");
    if (c->mode != PGOUT_CDC && c->op_column && strcmp(c->op_column, OP_COLUMN) != 0)
        hg_diag(d, false, hg_json_get(obj, "cdc_op_column"), false, "'cdc_op_column' needs \"mode\": \"cdc\"");
    if (c->mode != PGOUT_CDC && c->ts_column && strcmp(c->ts_column, TS_COLUMN) != 0)
        hg_diag(d, false, hg_json_get(obj, "cdc_ts_column"), false, "'cdc_ts_column' needs \"mode\": \"cdc\"");
}

static int pgout_open(hg_output_t *out, hg_err_t *err)
{
    pgout_t *p = hg_out_inst(out);
    hg_buf_t *const all[] = { &p->prepare, &p->del,    &p->upd,  &p->ins,  &p->ins_new,
                              &p->copy,    &p->create, &p->read, &p->write };
    (void)err;
    hg_list_init(&p->chunks);
    for (size_t i = 0; i < HG_COUNT(all); i++) hg_buf_init(all[i], HG_BUF_NOMAX);
    p->cdc = ((const pgout_cfg_t *)hg_out_cfg(out))->mode == PGOUT_CDC;
    if (hg_out_exactly_once(out)) hg_pgout_step_sql(out);
    return 0;
}

/* --- ends and failures --- */

static void open_session(hg_output_t *out);

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_timer(pgout_t *p)
{
    if (p->timer) uv_close((uv_handle_t *)p->timer, free_handle);
    p->timer = NULL;
}

static void release(pgout_t *p)
{
    hg_buf_t *const all[] = { &p->prepare, &p->del,    &p->upd,  &p->ins,  &p->ins_new,
                              &p->copy,    &p->create, &p->read, &p->write };
    hg_pgout_chunks_free(p);
    for (size_t i = 0; i < HG_COUNT(all); i++) hg_buf_release(all[i]);
}

static void maybe_closed(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    if (!p->closing || p->conn_open) return;
    release(p);
    hg_out_closed(out);
}

static void on_timer(uv_timer_t *t)
{
    hg_output_t *out = t->data;
    pgout_t *p = hg_out_inst(out);
    drop_timer(p);
    p->reopen = p->conn_open; /* the old one is still closing */
    if (!p->closing && !p->conn_open) open_session(out);
}

static void retry_later(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    uint64_t ms = hg_backoff_ms(p->attempts++, RETRY_BASE, RETRY_CAP);
    hg_out_retries_in(out, ms);
    drop_timer(p);
    p->timer = HG_NEW(uv_timer_t);
    uv_timer_init(hg_loop_uv(hg_out_loop(out)), p->timer);
    p->timer->data = out;
    uv_timer_start(p->timer, on_timer, ms, 0);
}

static void conn_closed(void *arg)
{
    pgout_t *p = hg_out_inst(arg);
    p->conn_open = false;
    if (p->stopping && !p->closing)
        hg_out_stopped(arg);
    else if (p->reopen && !p->closing)
        open_session(arg);
    else
        maybe_closed(arg);
}

static void drop_conn(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    if (p->conn) hg_pg_close(p->conn, conn_closed, out);
    p->conn = NULL;
    p->session = SE_CLOSED;
    p->err = HG_ERR_INIT;
    hg_pgout_rewind(p);
}

void hg_pgout_failed(hg_output_t *out, hg_err_t *err)
{
    pgout_t *p = hg_out_inst(out);
    if (p->closing || p->stopping) return;
    drop_conn(out);
    if (!err->retry) err->fatal = 1;
    p->unhealthy = true;
    hg_out_error(out, "postgres", err);
    if (err->retry && !p->closing) retry_later(out);
}

void hg_pgout_healthy(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    p->attempts = 0;
    if (p->unhealthy) hg_out_healthy(out);
    p->unhealthy = false;
}

/* --- the session --- */

static void ready(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    p->session = SE_READY;
    if (!p->told_ready) {
        p->told_ready = true;
        p->attempts = 0;
        p->unhealthy = false;
        hg_out_ready(out);
    } else if (hg_list_empty(&p->chunks)) {
        hg_pgout_healthy(out);
    }
    hg_pgout_next(out);
}

static void ask(hg_output_t *out, session_t what)
{
    pgout_t *p = hg_out_inst(out);
    const pgout_cfg_t *c = hg_out_cfg(out);
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t sql;
    hg_buf_init(&sql, HG_BUF_NOMAX);
    bool once = hg_out_exactly_once(out);
    if (what == SE_LOCK && !once) what = SE_TABLE;
    if (what == SE_CREATE && !once) what = SE_READY;
    p->session = what;
    switch (what) {
    case SE_SESSION:
        (void)hg_buf_adds(&sql, "SET intervalstyle TO 'postgres'; SET timezone TO 'UTC'; SET client_min_messages TO "
                                "'error'");
        break;
    case SE_LOCK:
        (void)hg_buf_adds(&sql, "SELECT pg_try_advisory_lock(hashtextextended(");
        (void)hg_pg_literal(&sql, hg_strz(hg_out_durable_id(out)));
        (void)hg_buf_adds(&sql, ", 0))");
        break;
    case SE_TABLE:
        hg_pgout_ask_table(c->table, &sql, &err);
        break;
    case SE_PREPARE:
        (void)hg_buf_addstr(&sql, hg_buf_str(&p->prepare));
        break;
    case SE_CREATE:
        (void)hg_buf_addstr(&sql, hg_buf_str(&p->create));
        break;
    case SE_STEP:
        (void)hg_buf_addstr(&sql, hg_buf_str(&p->read));
        break;
    case SE_READY:
        ready(out);
        break;
    case SE_CLOSED:
    case SE_OPENING:
        break;
    }
    if (sql.len) hg_pg_query(p->conn, sql.p);
    hg_buf_release(&sql);
}

static void on_opened(void *arg)
{
    ask(arg, SE_SESSION);
}

static const char *subject(const pgout_t *p)
{
    return p->session == SE_CREATE || p->session == SE_STEP ? "headgate_progress (the steps of exactly_once)"
                                                            : "'table'";
}

static void take_step(hg_output_t *out, const PGresult *r)
{
    pgout_t *p = hg_out_inst(out);
    uint64_t step;
    if (PQntuples(r) != 1 || hg_str_u64(hg_strz(PQgetvalue(r, 0, 0)), &step) < 0) return;
    if (p->told_ready)
        hg_pgout_committed(out, step); /* by a commit whose answer was lost */
    else
        hg_out_resume(out, step);
}

static void on_result(void *arg, const PGresult *r)
{
    hg_output_t *out = arg;
    pgout_t *p = hg_out_inst(out);
    ExecStatusType st = PQresultStatus(r);
    if (p->session == SE_READY) {
        hg_pgout_tx_result(out, r);
        return;
    }
    if (st == PGRES_FATAL_ERROR || st == PGRES_BAD_RESPONSE) {
        if (p->err.code) return;
        hg_pg_error(r, subject(p), NULL, &p->err);
        if (p->session == SE_CREATE && (hg_pg_state_is(r, "23505") || hg_pg_state_is(r, "42P07")))
            p->err.retry = 1; /* two outputs make it at the same time */
        p->err.fatal = !p->err.retry;
    } else if (p->session == SE_TABLE && st == PGRES_TUPLES_OK) {
        (void)hg_pgout_statements(out, r, &p->err);
    } else if (p->session == SE_STEP && st == PGRES_TUPLES_OK) {
        take_step(out, r);
    } else if (p->session == SE_LOCK && st == PGRES_TUPLES_OK && PQgetvalue(r, 0, 0)[0] != 't') {
        hg_err_retry(&p->err, HG_EBUSY, "an earlier session that writes as '%s' is still open on the server",
                     hg_out_durable_id(out));
    }
}

static void on_done(void *arg)
{
    hg_output_t *out = arg;
    pgout_t *p = hg_out_inst(out);
    if (p->closing || p->stopping) return;
    if (p->session == SE_READY) {
        hg_pgout_tx_done(out);
    } else if (p->err.code) {
        hg_err_t err = p->err;
        hg_pgout_failed(out, &err);
    } else {
        ask(out, p->session + 1);
    }
}

static void on_failed(void *arg, const hg_err_t *e)
{
    hg_err_t err = *e;
    hg_pgout_failed(arg, &err);
}

static void open_session(hg_output_t *out)
{
    static const hg_pg_ops_t ops = { .opened = on_opened, .result = on_result, .done = on_done, .failed = on_failed };
    pgout_t *p = hg_out_inst(out);
    const pgout_cfg_t *c = hg_out_cfg(out);
    char *name = hg_xprintf("headgate %s", hg_out_name(out));
    p->session = SE_OPENING;
    p->conn_open = true;
    p->reopen = false;
    p->conn = hg_pg_open(hg_out_loop(out), &c->conn, name, &ops, out);
    hg_free(name);
}

/* --- the contract --- */

static int pgout_start(hg_output_t *out, hg_err_t *err)
{
    int rc = hg_pg_load(err);
    if (rc == 0) open_session(out);
    return rc;
}

static void pgout_stop(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    p->stopping = true;
    drop_timer(p);
    if (p->conn)
        drop_conn(out);
    else if (!p->conn_open)
        hg_out_stopped(out);
}

static void pgout_close(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    p->closing = true;
    drop_timer(p);
    if (p->conn) drop_conn(out);
    maybe_closed(out);
}

const hg_output_type_t hg_output_postgres = {
    .abi = HG_CONNECTOR_ABI,
    .name = "postgres_output",
    .summary = "keeps a table of a PostgreSQL server equal to a view",
    .opts = pgout_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(pgout_cfg_t),
    .inst_size = sizeof(pgout_t),
    .messages = true,
    .built_in = &hg_format_postgres,
    .caps = HG_OUT_EXACT | HG_OUT_STORES_STEP,
    .check = pgout_check,
    .open = pgout_open,
    .start = pgout_start,
    .write = hg_pgout_write,
    .end_batch = hg_pgout_end_batch,
    .stop = pgout_stop,
    .close = pgout_close,
};
