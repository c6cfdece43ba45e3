/* postgres_input.c: reads the result of a query once, as rows of COPY … TO STDOUT (FORMAT binary).
 *
 *   PLAN    range 0 connects, begins a read-only transaction, has the query described, and plans the SELECT around it
 *           (postgres_input_plan.c); it asks whether the key has a NULL, and with `parallel` for its quantiles, the
 *           bounds of ranges; then it exports its snapshot
 *   IMPORT  the other ranges connect and take that snapshot, while range 0 keeps it
 *   READ    every range copies: a connection and a lane each; a range that is done closes both
 *
 * A range: NEW → OPENING → SESSION → BEGIN → WAITING → COPY → DONE. Everything is on the loop.
 *
 * When a connection is lost in PLAN or IMPORT, everything is begun again. In READ only its range is, in a new
 * transaction: with `key_column` behind the last row given; without, from the beginning where the table has a PRIMARY
 * KEY (the same rows again change nothing), else that is fatal, because rows would come twice.
 *
 * Positions are row numbers of a lane; what a restart needs is the key of the last row taken (postgres_input_pos.c). A
 * query without a key has no order: a restart reads it from the beginning again, and exactly once refuses it.
 *
 * libpq copies each row into memory of its own before we see it; from there it goes into the chunk, once. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/postgres_input_int.h"

extern const hg_input_type_t hg_input_postgres;

#define RETRY_BASE  250
#define RETRY_CAP   10000
#define TICK_MS     100 /* rows that came slowly are passed on after at most this */
#define COPY_HEADER 19  /* "PGCOPY\n\377\r\n\0", flags, length of the extension; before the first row */

static const hg_opt_t pgin_opts[] = {
    HG_PG_OPTS(pgin_cfg_t),
    { .key = "query",
      .type = HG_OPT_STR,
      .at = offsetof(pgin_cfg_t, query),
      .flags = HG_OPT_REQUIRED,
      .doc = "SELECT whose result is read once. Its columns go into the table's columns of the same name; columns that "
             "the table does not have are not fetched. It runs inside a read-only transaction, as a subquery." },
    { .key = "key_column",
      .type = HG_OPT_STR,
      .at = offsetof(pgin_cfg_t, key_column),
      .doc =
          "Column of the query that is unique and never NULL, best with an index; whether it has a NULL is asked "
          "before "
          "the first row. Rows are then read in its order: a lost connection and a restart from a checkpoint go on "
          "behind the last row, and exactly_once is possible as long as rows that were read do not change. Without it "
          "they read everything again." },
    { .key = "parallel",
      .type = HG_OPT_U32,
      .at = offsetof(pgin_cfg_t, parallel),
      .def = "1",
      .min = 1,
      .max = HG_PGIN_RANGES,
      .doc =
          "Ranges of the `key_column` that are read at the same time, each over a connection of its own; all see the "
          "same snapshot. The key is an integer, numeric, text, uuid, date, time or timestamp. However its values "
          "are spread, the ranges have about as many rows: one more query looks at the keys first." },
    { .key = "snapshot",
      .type = HG_OPT_STR,
      .at = offsetof(pgin_cfg_t, snapshot),
      .doc = "Snapshot to read, as another session exported it with pg_export_snapshot(). That session has to stay in "
             "its transaction until the query has begun." },
    { .key = NULL },
};

static void open_range(range_t *r);
static void begin_reading(hg_input_t *in);
static void start_all(hg_input_t *in);

static void pgin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const pgin_cfg_t *c = cfg;
    hg_pg_check(&c->conn, obj, d);
    if (c->parallel > 1 && !c->key_column)
        hg_diag(d, false, hg_json_get(obj, "parallel"), false, "'parallel' needs 'key_column', whose ranges it reads");
}

static int pgin_open(hg_input_t *in, hg_err_t *err)
{
    pgin_t *p = hg_in_inst(in);
    (void)err;
    hg_buf_init(&p->select, HG_BUF_NOMAX);
    hg_pgin_ranges_new(in, ((const pgin_cfg_t *)hg_in_cfg(in))->parallel);
    return 0;
}

/* --- ends and failures --- */

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_timer(uv_timer_t **t)
{
    if (*t) uv_close((uv_handle_t *)*t, free_handle);
    *t = NULL;
}

static void maybe_closed(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    if (p->closing && p->open_conns == 0) hg_in_closed(in);
}

static void conn_closed(void *arg)
{
    hg_input_t *in = arg;
    pgin_t *p = hg_in_inst(in);
    p->open_conns--;
    maybe_closed(in);
}

static void drop_conn(range_t *r)
{
    if (r->conn) hg_pg_close(r->conn, conn_closed, r->in);
    r->conn = NULL;
    r->header_seen = false;
    if (r->state != RG_DONE) r->state = RG_NEW;
}

static void drop_all(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    for (uint32_t i = 0; i < p->n_ranges; i++) {
        drop_conn(&p->ranges[i]);
        drop_timer(&p->ranges[i].timer);
    }
    hg_free(p->snapshot);
    p->snapshot = NULL;
}

static void fatal(hg_input_t *in, hg_err_t *err)
{
    err->fatal = 1;
    err->retry = 0;
    hg_in_error(in, "postgres", err);
}

static void on_retry(uv_timer_t *t)
{
    range_t *r = t->data;
    const pgin_t *p = hg_in_inst(r->in);
    drop_timer(&r->timer);
    if (p->closing) return;
    if (p->phase == PH_NEW)
        start_all(r->in);
    else
        open_range(r);
}

static void retry_later(range_t *r)
{
    uint64_t ms = hg_backoff_ms(r->attempts++, RETRY_BASE, RETRY_CAP);
    hg_in_retries_in(r->in, ms);
    drop_timer(&r->timer);
    r->timer = HG_NEW(uv_timer_t);
    uv_timer_init(hg_loop_uv(hg_in_loop(r->in)), r->timer);
    r->timer->data = r;
    uv_timer_start(r->timer, on_retry, ms, 0);
}

/* Something of a range went wrong; the connection is of no use any more. */
static void range_failed(range_t *r, hg_err_t *err)
{
    hg_input_t *in = r->in;
    pgin_t *p = hg_in_inst(in);
    if (p->closing || p->phase == PH_ENDED) return;
    bool again = p->phase != PH_READ;
    if (err->retry && !again && !p->key_name && r->next > r->start && hg_in_schema(in)->n_key == 0) {
        hg_err_t lost = *err;
        hg_err_set(err, lost.code,
                   "%s; %" PRIu64 " rows were read by then, and without 'key_column' reading cannot go on behind them",
                   lost.msg, r->next - r->start);
        err->retry = 0;
    }
    if (!err->retry) {
        drop_all(in);
        fatal(in, err);
        return;
    }
    p->unhealthy = true;
    hg_in_error(in, "postgres", err);
    if (p->closing) return;
    if (again) {
        drop_all(in);
        p->phase = PH_NEW;
        retry_later(&p->ranges[0]);
    } else {
        drop_conn(r);
        retry_later(r);
    }
}

static void range_done(range_t *r)
{
    hg_input_t *in = r->in;
    pgin_t *p = hg_in_inst(in);
    r->state = RG_DONE;
    r->ended = true;
    drop_conn(r);
    if (r->lane) (void)hg_lane_close(r->lane, false);
    r->lane = NULL;
    for (uint32_t i = 0; i < p->n_ranges; i++)
        if (p->ranges[i].state != RG_DONE) return;
    p->phase = PH_ENDED;
    p->running = false;
    drop_timer(&p->tick);
    hg_in_eoi(in);
}

/* --- rows --- */

static void tell_progress(hg_input_t *in)
{
    const pgin_t *p = hg_in_inst(in);
    uint64_t done = 0;
    for (uint32_t i = 0; i < p->n_ranges; i++) done += p->ranges[i].next;
    hg_in_progress(in, done, p->estimate ? HG_MAX(done, p->estimate) : 0);
}

static void no_null(const pgin_cfg_t *c, hg_err_t *err)
{
    hg_err_set(err, HG_EINVALTRANSPORT, "'key_column': '%s' is NULL in a row; a key has to be NOT NULL", c->key_column);
}

/* The key in front of a row; false: the row cannot be given. */
static bool take_key(range_t *r, const char **at, const char *end)
{
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    hg_err_t err = HG_ERR_INIT;
    uint32_t be = 0;
    if (end - *at >= 4) memcpy(&be, *at, 4);
    uint32_t n = be32toh(be);
    if (end - *at < 4 || (n != UINT32_MAX && n > (size_t)(end - *at - 4)))
        hg_err_set(&err, HG_EPROTO, "the server sent a row without its key");
    else if (n == UINT32_MAX)
        no_null(c, &err);
    else if (r->has_key && hg_str_eq(hg_buf_str(&r->key), (hg_str_t){ *at + 4, n }))
        hg_err_set(&err, HG_EINVALTRANSPORT, "'key_column': '%s' is no unique key, two rows have '%.*s'", c->key_column,
                   (int)HG_MIN(n, 80u), *at + 4);
    if (err.code) {
        range_failed(r, &err);
        return false;
    }
    hg_buf_clear(&r->key);
    int rc = hg_buf_add(&r->key, *at + 4, n);
    if (rc == 0) rc = hg_pgin_key_add(&r->keys, r->next, hg_buf_str(&r->key));
    r->has_key = true;
    *at += 4 + n;
    if (rc == 0) return true;
    hg_err_set(&err, (hg_code_t)rc, "no memory for the keys of rows that wait");
    range_failed(r, &err);
    return false;
}

/* Returns false when no more is wanted. */
static bool give(range_t *r, const char *at, size_t n)
{
    const pgin_t *p = hg_in_inst(r->in);
    const char *end = at + n;
    if (!r->header_seen && n >= COPY_HEADER) at += COPY_HEADER;
    r->header_seen = true;
    if (end - at < 2 || ((uint8_t)at[0] == 0xff && (uint8_t)at[1] == 0xff)) return true; /* the end mark */
    at += 2; /* the number of fields: the SELECT says it */
    if (p->key_name && !take_key(r, &at, end)) return false;
    hg_message_t m = { .payload = { at, (size_t)(end - at) }, .pos = r->next };
    int rc = hg_lane_message(r->lane, &m);
    if (rc < 0) return false;
    r->next++;
    r->dirty = true;
    return rc == HG_LANE_OK;
}

static void read_all(hg_input_t *in, bool on)
{
    pgin_t *p = hg_in_inst(in);
    for (uint32_t i = 0; i < p->n_ranges; i++)
        if (p->ranges[i].conn && p->ranges[i].state == RG_COPY) hg_pg_read(p->ranges[i].conn, on);
}

static void on_rows(void *arg)
{
    range_t *r = arg;
    pgin_t *p = hg_in_inst(r->in);
    char *row = NULL;
    int n;
    while (p->running && r->conn && (n = hg_pg_row(r->conn, &row)) != 0) {
        if (n < 0) break; /* the result says how it ended */
        bool more = give(r, row, (size_t)n);
        PQfreemem(row);
        if (more) continue;
        p->running = false; /* full, or failed: a run will come, or the close */
        read_all(r->in, false);
    }
    if (r->next > r->start) tell_progress(r->in);
}

static void on_tick(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    pgin_t *p = hg_in_inst(in);
    for (uint32_t i = 0; i < p->n_ranges && !p->closing; i++) {
        range_t *r = &p->ranges[i];
        if (!r->lane) continue;
        hg_pgin_keys_drop(&r->keys, r->keys.seen);
        r->keys.seen = hg_lane_taken(r->lane);
        if (!r->dirty || !p->running) continue;
        r->dirty = false;
        if (hg_lane_flush(r->lane) == HG_LANE_OK) continue;
        p->running = false;
        read_all(in, false);
    }
}

/* --- the conversation --- */

static void say_healthy(range_t *r)
{
    pgin_t *p = hg_in_inst(r->in);
    r->attempts = 0;
    if (p->unhealthy) hg_in_healthy(r->in);
    p->unhealthy = false;
}

static void begin_transaction(range_t *r)
{
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    const pgin_t *p = hg_in_inst(r->in);
    const char *snapshot = r->nr && p->phase == PH_IMPORT ? p->snapshot : c->snapshot;
    hg_buf_t sql;
    hg_buf_init(&sql, HG_BUF_NOMAX);
    (void)hg_buf_adds(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (snapshot) {
        (void)hg_buf_adds(&sql, "; SET TRANSACTION SNAPSHOT ");
        (void)hg_pg_literal(&sql, hg_strz(snapshot));
    }
    r->state = RG_BEGIN;
    hg_pg_query(r->conn, sql.p);
    hg_buf_release(&sql);
}

static void copy(range_t *r)
{
    pgin_t *p = hg_in_inst(r->in);
    hg_buf_t sql;
    if (!r->lane) {
        r->lane = hg_lane_open_key(r->in, r->nr, r->next);
        r->lane_id = hg_lane_id(r->lane);
    }
    hg_buf_init(&sql, HG_BUF_NOMAX);
    hg_pgin_copy(p, r, &sql);
    r->state = RG_COPY;
    hg_pg_query(r->conn, sql.p);
    hg_buf_release(&sql);
    if (!p->running) hg_pg_read(r->conn, false);
}

/* What range 0 asks next in PLAN. */
static void plan_next(range_t *r)
{
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    pgin_t *p = hg_in_inst(r->in);
    hg_buf_t sql;
    hg_buf_init(&sql, HG_BUF_NOMAX);
    if (p->ask == ASK_KEY && !p->key_name) {
        p->bounded = true;
        p->ask = ASK_EXPORT;
    }
    if (p->ask == ASK_EXPORT && p->n_ranges == 1) p->ask = ASK_NONE;
    switch (p->ask) {
    case ASK_PREPARE:
        hg_pg_prepare(r->conn, c->query);
        break;
    case ASK_DESCRIBE:
        hg_pg_describe(r->conn);
        break;
    case ASK_ESTIMATE:
        (void)hg_buf_addf(&sql, "EXPLAIN (FORMAT JSON) %s", p->select.p);
        hg_pg_query(r->conn, sql.p);
        break;
    case ASK_KEY:
        hg_pgin_ask_key(p, &sql);
        hg_pg_query(r->conn, sql.p);
        break;
    case ASK_EXPORT:
        hg_pg_query(r->conn, "SELECT pg_export_snapshot()");
        break;
    case ASK_NONE:
        begin_reading(r->in);
        break;
    }
    hg_buf_release(&sql);
}

/* Rows behind a key and between two of them are asked for by comparison, which a NULL passes nowhere: it would be left
 * out without a word, so it is looked for first. */
static void take_key_facts(range_t *r, const PGresult *res)
{
    pgin_t *p = hg_in_inst(r->in);
    const char *at[HG_PGIN_RANGES];
    uint32_t n = 0;
    if (PQntuples(res) > 0 && PQgetvalue(res, 0, 0)[0] == 't') {
        no_null(hg_in_cfg(r->in), &r->err);
        return;
    }
    if (p->bounded) return;
    for (int i = 0; i < PQntuples(res) && n < HG_COUNT(at); i++)
        if (!PQgetisnull(res, i, 1)) at[n++] = PQgetvalue(res, i, 1);
    hg_pgin_split(p, at, n);
}

static void take_estimate(pgin_t *p, const PGresult *r)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *v;
    if (PQntuples(r) == 1 && hg_json_parse(a, hg_strz(PQgetvalue(r, 0, 0)), &v, &err) == 0)
        (void)hg_json_u64(hg_json_get(hg_json_get(hg_json_at(v, 0), "Plan"), "Plan Rows"), &p->estimate);
    hg_arena_free(a);
}

static void take_answer(range_t *r, const PGresult *res)
{
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    pgin_t *p = hg_in_inst(r->in);
    switch (p->ask) {
    case ASK_DESCRIBE:
        if (PQnfields(res) == 0)
            hg_err_set(&r->err, HG_EINVALTRANSPORT, "'query' gives no columns: it has to be a SELECT");
        else
            (void)hg_pgin_plan(c, hg_in_schema(r->in), res, p, &r->err);
        break;
    case ASK_ESTIMATE:
        take_estimate(p, res);
        break;
    case ASK_KEY:
        take_key_facts(r, res);
        break;
    case ASK_EXPORT:
        if (PQntuples(res) == 1) p->snapshot = hg_xstrdup(PQgetvalue(res, 0, 0));
        break;
    case ASK_PREPARE:
    case ASK_NONE:
        break;
    }
}

static void on_result(void *arg, const PGresult *res)
{
    range_t *r = arg;
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    const pgin_t *p = hg_in_inst(r->in);
    ExecStatusType st = PQresultStatus(res);
    if (st == PGRES_FATAL_ERROR || st == PGRES_BAD_RESPONSE) {
        bool users = p->phase == PH_PLAN && p->ask == ASK_PREPARE && r->state == RG_WAITING;
        bool snapshot = r->state == RG_BEGIN && c->snapshot;
        if (!r->err.code)
            hg_pg_error(res,
                        snapshot                 ? "'snapshot'"
                        : r->state == RG_SESSION ? "session"
                                                 : "'query'",
                        users ? c->query : NULL, &r->err);
        return;
    }
    if (p->phase == PH_PLAN && r->state == RG_WAITING && !r->err.code) take_answer(r, res);
}

/* All ranges that are not done have the snapshot: they begin. */
static void maybe_read(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    for (uint32_t i = 0; i < p->n_ranges; i++)
        if (p->ranges[i].state != RG_WAITING && p->ranges[i].state != RG_DONE) return;
    p->phase = PH_READ;
    say_healthy(&p->ranges[0]);
    if (!p->tick) {
        p->tick = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), p->tick);
        p->tick->data = in;
        uv_timer_start(p->tick, on_tick, TICK_MS, TICK_MS);
    }
    for (uint32_t i = 0; i < p->n_ranges && p->phase == PH_READ; i++) {
        range_t *r = &p->ranges[i];
        if (r->state == RG_WAITING && r->ended) /* range 0 of a restored position: it was only asked */
            range_done(r);
        else if (r->state == RG_WAITING)
            copy(r);
    }
}

static void begin_reading(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    p->phase = PH_IMPORT;
    for (uint32_t i = 1; i < p->n_ranges; i++)
        if (p->ranges[i].state == RG_NEW) open_range(&p->ranges[i]);
    maybe_read(in);
}

static void on_done(void *arg)
{
    range_t *r = arg;
    pgin_t *p = hg_in_inst(r->in);
    if (p->closing) return;
    if (r->err.code) {
        hg_err_t err = r->err;
        r->err = HG_ERR_INIT;
        range_failed(r, &err);
        return;
    }
    switch (r->state) {
    case RG_SESSION:
        begin_transaction(r);
        break;
    case RG_BEGIN:
        r->state = RG_WAITING;
        if (p->phase == PH_PLAN)
            plan_next(r);
        else if (p->phase == PH_IMPORT)
            maybe_read(r->in);
        else {
            say_healthy(r);
            copy(r);
        }
        break;
    case RG_WAITING:
        if (p->phase != PH_PLAN) break;
        p->ask++;
        plan_next(r);
        break;
    case RG_COPY:
        range_done(r);
        break;
    case RG_NEW:
    case RG_OPENING:
    case RG_DONE:
        break;
    }
}

static void on_opened(void *arg)
{
    range_t *r = arg;
    r->state = RG_SESSION;
    /* what casts to text look like */
    hg_pg_query(r->conn, "SET datestyle TO 'ISO'; SET intervalstyle TO 'postgres'; SET timezone TO 'UTC'; "
                         "SET extra_float_digits TO 1; SET bytea_output TO 'hex'");
}

static void on_failed(void *arg, const hg_err_t *e)
{
    hg_err_t err = *e;
    range_failed(arg, &err);
}

static void open_range(range_t *r)
{
    static const hg_pg_ops_t ops = {
        .opened = on_opened, .result = on_result, .done = on_done, .rows = on_rows, .failed = on_failed
    };
    const pgin_cfg_t *c = hg_in_cfg(r->in);
    pgin_t *p = hg_in_inst(r->in);
    char *name = hg_xprintf("headgate %s", hg_in_name(r->in));
    r->state = RG_OPENING;
    r->err = HG_ERR_INIT;
    p->open_conns++;
    r->conn = hg_pg_open(hg_in_loop(r->in), &c->conn, name, &ops, r);
    hg_free(name);
}

static void start_all(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    p->phase = PH_PLAN;
    p->ask = ASK_PREPARE;
    open_range(&p->ranges[0]);
}

/* --- the contract --- */

static int pgin_run(hg_input_t *in, hg_err_t *err)
{
    pgin_t *p = hg_in_inst(in);
    int rc = hg_pg_load(err);
    if (rc < 0) return rc;
    p->running = true;
    if (p->phase == PH_NEW && !p->ranges[0].timer) {
        bool all = true;
        for (uint32_t i = 0; i < p->n_ranges; i++) all = all && p->ranges[i].ended;
        if (all) {
            p->phase = PH_ENDED;
            hg_in_eoi(in);
        } else {
            start_all(in);
        }
        return 0;
    }
    read_all(in, true);
    return 0;
}

static int pgin_hold(hg_input_t *in, hg_err_t *err)
{
    pgin_t *p = hg_in_inst(in);
    (void)err;
    p->running = false;
    read_all(in, false);
    return 0;
}

static void pgin_close(hg_input_t *in)
{
    pgin_t *p = hg_in_inst(in);
    p->closing = true;
    p->running = false;
    drop_all(in);
    drop_timer(&p->tick);
    maybe_closed(in);
}

static void pgin_fini(void *inst)
{
    pgin_t *p = inst;
    hg_pgin_ranges_free(p);
    hg_buf_release(&p->select);
    hg_free(p->key_name);
    hg_free(p->snapshot);
}

static const char *pgin_no_replay(const void *cfg)
{
    return ((const pgin_cfg_t *)cfg)->key_column ? NULL : "key_column";
}

const hg_input_type_t hg_input_postgres = {
    .abi = HG_CONNECTOR_ABI,
    .name = "postgres_input",
    .summary = "reads the result of a PostgreSQL query",
    .opts = pgin_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(pgin_cfg_t),
    .inst_size = sizeof(pgin_t),
    .caps = HG_CAP_FINITE | HG_CAP_MESSAGES | HG_CAP_REPLAY | HG_CAP_RESUME,
    .built_in = &hg_format_postgres,
    .check = pgin_check,
    .open = pgin_open,
    .run = pgin_run,
    .hold = pgin_hold,
    .close = pgin_close,
    .save = hg_pgin_save,
    .restore = hg_pgin_restore,
    .fini = pgin_fini,
    .check_position = hg_pgin_check_position,
    .no_replay = pgin_no_replay,
    .position_doc =
        "`{\"ranges\": [{\"key\": \"…\", \"rows\": n}]}`: with `key_column`, the next row is the first one whose key "
        "is "
        "greater; `from` and `to` bound a range of `parallel`. `\"done\": true`: it was read to its end. Without "
        "`key_column` a position only says whether the query was read to its end.",
};
