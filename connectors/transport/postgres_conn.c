/* postgres_conn.c: one connection to a PostgreSQL server, driven by the endpoint's loop.
 *
 *   STARTING (libuv's pool: reads files, resolves names) ─► CONNECTING (poll) ─► IDLE ⇄ BUSY ─► COPY_OUT | COPY_IN ─►
 * BUSY └────────────────────────┴───────────── any ──────────────────► BROKEN (failed was told)
 *
 * libpq's non-blocking interface: nothing here waits. What libpq can only do blocking, resolving names, is done by
 * libuv's own threads, so a slow name server holds up neither a loop nor the pool. A host list is resolved by libpq
 * when its turn comes, on the loop: give addresses there.
 *
 * Call-backs run on the loop and may close the connection: after each of them `closing` is looked at before anything
 * else. The memory goes when the last handle and the last call of another thread are done. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/postgres_int.h"

typedef enum { ST_STARTING, ST_CONNECTING, ST_IDLE, ST_BUSY, ST_COPY_OUT, ST_COPY_IN, ST_BROKEN } state_t;

struct hg_pgconn {
    hg_loop_t *loop;
    hg_pg_ops_t ops;
    void *arg;
    const hg_pg_cfg_t *cfg;
    char *application;
    state_t state;
    PGconn *pg;
    hg_pg_params_t params;
    uv_work_t work;
    uv_poll_t *poll; /* heap: its close call-back frees it */
    int fd;
    uv_timer_t *timer; /* time-out of connecting */
    unsigned posted;   /* posts to the loop and work under way */
    bool want_write, reading, closing, finished, resume_posted;
    hg_err_t err; /* of the other thread, or to be told later */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_poll(uv_poll_t *h, int status, int events);
static void process(hg_pgconn_t *c);

static void maybe_finished(hg_pgconn_t *c)
{
    if (!c->closing || c->posted || c->finished) return;
    c->finished = true;
    if (c->pg) PQfinish(c->pg);
    hg_pg_params_release(&c->params);
    if (c->closed) c->closed(c->closed_arg);
    hg_free(c->application);
    hg_free(c);
}

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_poll(hg_pgconn_t *c)
{
    if (c->poll) uv_close((uv_handle_t *)c->poll, free_handle);
    c->poll = NULL;
}

static void drop_timer(hg_pgconn_t *c)
{
    if (c->timer) uv_close((uv_handle_t *)c->timer, free_handle);
    c->timer = NULL;
}

static void fail(hg_pgconn_t *c, const hg_err_t *err)
{
    if (c->closing || c->state == ST_BROKEN) return;
    c->state = ST_BROKEN;
    drop_poll(c);
    drop_timer(c);
    c->ops.failed(c->arg, err);
}

static void fail_posted(void *arg)
{
    hg_pgconn_t *c = arg;
    hg_err_t err = c->err;
    c->posted--;
    fail(c, &err);
    maybe_finished(c);
}

static void lost(hg_pgconn_t *c)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pg_conn_error(c->pg, &err);
    fail(c, &err);
}

/* Not from inside the owner's own call. */
static void lost_later(hg_pgconn_t *c)
{
    if (c->state == ST_BROKEN || c->closing) return;
    hg_pg_conn_error(c->pg, &c->err);
    c->posted++;
    hg_loop_post(c->loop, fail_posted, c);
}

/* The socket may change from one host of a list to the next. */
static void watch(hg_pgconn_t *c, int events)
{
    int fd = PQsocket(c->pg);
    if (c->poll && fd != c->fd) drop_poll(c);
    if (fd < 0) return;
    if (!c->poll) {
        c->poll = HG_NEW(uv_poll_t);
        c->fd = fd;
        uv_poll_init(hg_loop_uv(c->loop), c->poll, fd);
        c->poll->data = c;
    }
    if (events)
        uv_poll_start(c->poll, events, on_poll);
    else
        uv_poll_stop(c->poll);
}

static void watch_ready(hg_pgconn_t *c)
{
    watch(c, (c->reading ? UV_READABLE : 0) | (c->want_write ? UV_WRITABLE : 0));
}

/* --- connecting --- */

static void connect_some(hg_pgconn_t *c)
{
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_OK:
        drop_timer(c);
        hg_pg_params_release(&c->params);
        PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
        PQsetnonblocking(c->pg, 1);
        c->state = ST_IDLE;
        c->reading = true;
        watch_ready(c);
        c->ops.opened(c->arg);
        return;
    case PGRES_POLLING_READING:
        watch(c, UV_READABLE);
        return;
    case PGRES_POLLING_WRITING:
        watch(c, UV_WRITABLE);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        lost(c);
        return;
    }
}

static void on_timeout(uv_timer_t *t)
{
    hg_pgconn_t *c = t->data;
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ETIMEOUT, "the server did not answer within %u s", c->params.timeout_ms / 1000);
    fail(c, &err);
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r; /* e.g. that a table exists already */
}

static void start_work(uv_work_t *w)
{
    hg_pgconn_t *c = w->data;
    if (hg_pg_load(&c->err) < 0 || hg_pg_params(c->cfg, c->application, &c->params, &c->err) < 0) {
        c->err.fatal = 1;
        return;
    }
    if (hg_pg_access_resolve(&c->params, &c->err) < 0) {
        c->err.fatal = !c->err.retry;
        return;
    }
    c->pg = PQconnectStartParams(c->params.keys, c->params.values, 0);
    if (!c->pg) hg_err_set(&c->err, HG_ENOMEM, "no memory for a connection");
}

static void started(uv_work_t *w, int status)
{
    hg_pgconn_t *c = w->data;
    (void)status;
    c->posted--;
    if (c->closing) {
        maybe_finished(c);
        return;
    }
    if (c->err.code) {
        hg_err_t err = c->err;
        fail(c, &err);
        return;
    }
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        lost(c);
        return;
    }
    PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE); /* with the SQLSTATE: hg_pg_conn_error */
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    c->state = ST_CONNECTING;
    c->timer = HG_NEW(uv_timer_t);
    uv_timer_init(hg_loop_uv(c->loop), c->timer);
    c->timer->data = c;
    uv_timer_start(c->timer, on_timeout, c->params.timeout_ms, 0);
    watch(c, UV_WRITABLE);
}

hg_pgconn_t *hg_pg_open(hg_loop_t *loop, const hg_pg_cfg_t *cfg, const char *application, const hg_pg_ops_t *ops,
                        void *arg)
{
    hg_pgconn_t *c = HG_NEW(hg_pgconn_t);
    c->loop = loop;
    c->cfg = cfg;
    c->ops = *ops;
    c->arg = arg;
    c->application = hg_xstrdup(application);
    c->fd = -1;
    c->work.data = c;
    c->posted++;
    uv_queue_work(hg_loop_uv(loop), &c->work, start_work, started);
    return c;
}

static void finish_posted(void *arg)
{
    hg_pgconn_t *c = arg;
    c->posted--;
    maybe_finished(c);
}

void hg_pg_close(hg_pgconn_t *c, void (*closed)(void *arg), void *arg)
{
    if (HG_NEVER(c->closing)) return;
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    drop_poll(c);
    drop_timer(c);
    if (c->state == ST_STARTING) (void)uv_cancel((uv_req_t *)&c->work);
    c->posted++; /* whoever called us may still look at it */
    hg_loop_post(c->loop, finish_posted, c);
}

/* --- talking --- */

/* One result of what was sent. Returns false if there is nothing more to do now. */
static bool take_result(hg_pgconn_t *c)
{
    if (PQisBusy(c->pg)) return false;
    PGresult *r = PQgetResult(c->pg);
    if (!r) {
        c->state = ST_IDLE;
        c->ops.done(c->arg);
        return !c->closing && c->state == ST_BUSY;
    }
    ExecStatusType st = PQresultStatus(r);
    if (st == PGRES_COPY_OUT) c->state = ST_COPY_OUT;
    if (st == PGRES_COPY_IN) c->state = ST_COPY_IN;
    c->ops.result(c->arg, r);
    PQclear(r);
    return !c->closing && (c->state == ST_BUSY || c->state == ST_COPY_OUT);
}

static void process(hg_pgconn_t *c)
{
    while (!c->closing) {
        if (c->state == ST_COPY_OUT) {
            if (!c->reading) return;
            c->ops.rows(c->arg);
            if (c->closing || c->state != ST_BUSY) return;
        }
        if (c->state != ST_BUSY || !take_result(c)) return;
    }
}

static void flush_some(hg_pgconn_t *c)
{
    int rc = PQflush(c->pg);
    if (rc < 0) {
        lost_later(c);
        return;
    }
    c->want_write = rc > 0;
    watch_ready(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    hg_pgconn_t *c = h->data;
    if (c->closing) return;
    if (c->state == ST_CONNECTING) {
        connect_some(c);
        return;
    }
    if (events & UV_WRITABLE) flush_some(c);
    if (c->closing || c->state == ST_BROKEN || !((events & UV_READABLE) || status < 0)) return;
    if (!PQconsumeInput(c->pg)) {
        process(c); /* what the server said before it went */
        if (!c->closing) lost(c);
        return;
    }
    process(c); /* nothing when it is IDLE: only a server that goes away talks unasked */
    if (c->closing || c->state == ST_BROKEN) return;
    if (PQstatus(c->pg) == CONNECTION_BAD)
        lost(c);
    else if (status < 0) /* libuv has stopped watching, but there was something to read: the error comes next */
        watch_ready(c);
}

static void sent(hg_pgconn_t *c, int ok)
{
    if (!ok) {
        lost_later(c);
        return;
    }
    c->state = ST_BUSY;
    flush_some(c);
}

void hg_pg_query(hg_pgconn_t *c, const char *sql)
{
    if (c->state != ST_BROKEN) sent(c, PQsendQuery(c->pg, sql));
}

void hg_pg_prepare(hg_pgconn_t *c, const char *sql)
{
    if (c->state != ST_BROKEN) sent(c, PQsendPrepare(c->pg, "", sql, 0, NULL));
}

void hg_pg_describe(hg_pgconn_t *c)
{
    if (c->state != ST_BROKEN) sent(c, PQsendDescribePrepared(c->pg, ""));
}

void hg_pg_put(hg_pgconn_t *c, const void *p, size_t n)
{
    if (c->state == ST_BROKEN) return;
    if (PQputCopyData(c->pg, p, (int)n) < 0)
        lost_later(c);
    else if (!c->want_write)
        flush_some(c);
}

void hg_pg_put_end(hg_pgconn_t *c, const char *abort)
{
    if (c->state == ST_BROKEN) return;
    sent(c, PQputCopyEnd(c->pg, abort) > 0);
}

int hg_pg_row(hg_pgconn_t *c, char **ret)
{
    if (c->state != ST_COPY_OUT) return 0;
    int n = PQgetCopyData(c->pg, ret, 1);
    if (n >= 0) return n;
    c->state = ST_BUSY; /* at its end, or broken off: the result tells */
    return -1;
}

static void resume_posted(void *arg)
{
    hg_pgconn_t *c = arg;
    c->posted--;
    c->resume_posted = false;
    if (!c->closing && c->reading && c->state == ST_COPY_OUT) process(c);
    maybe_finished(c);
}

void hg_pg_read(hg_pgconn_t *c, bool on)
{
    if (c->state < ST_IDLE || c->state == ST_BROKEN || c->reading == on) return;
    c->reading = on;
    watch_ready(c);
    if (!on || c->resume_posted) return;
    c->resume_posted = true; /* libpq may hold rows already */
    c->posted++;
    hg_loop_post(c->loop, resume_posted, c);
}
