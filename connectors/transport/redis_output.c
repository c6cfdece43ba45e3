/* redis_output.c: keeps one key of a Redis server per row of a view.
 *
 * The session with the server, one question at a time:
 *
 *   CLOSED → OPENING → [HELLO] → [AUTH] → [SELECT] → INFO → [WATCH → GET → CLAIM → WATCH] → READY
 *      ▲ timer                    any step: a lost connection, a server that is loading, …
 *
 * Rows wait as commands (SET, DEL) in pieces. A transaction is MULTI, the pieces of whole steps, EXEC, sent as fast as
 * the socket takes it; the next one begins when EXEC is answered, so what one step lost is never overtaken by the next.
 * Pieces are kept until then: a lost connection sends them again. The same commands again change nothing.
 *
 * Exactly once: each transaction also sets a key of our own, "headgate:<endpoint>:step", to the number of its last
 * step. A session begins by reading it, and by writing it with a number of its own under WATCH: a transaction of an
 * earlier process that is still on its way was watching the key as well and is thrown away by the server when it
 * arrives. A server that has an older step than it has confirmed has lost data; that is an error. A large step is one
 * transaction then; otherwise it is cut into several.
 *
 * Everything is on the loop. */
#include "base/hg.h"
#include "base/access.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/connector.h"
#include "connectors/transport/redis_int.h"
#include "net/stream.h"

extern const hg_output_type_t hg_output_redis;

#define RETRY_BASE  250
#define RETRY_CAP   30000
#define CONNECT_MS  10000
#define PIECE_BYTES ((size_t)128 << 10)
#define FULL_BYTES  ((size_t)4 << 20)  /* not sent: the host is told to stop */
#define LARGE_BYTES ((size_t)16 << 20) /* in a transaction: it ends where that is allowed */
#define AHEAD_BYTES ((size_t)1 << 20)  /* in the socket's queue */
#define WHAT        "Redis"

typedef struct {
    const char *url, *separator, *ca_file;
} rout_cfg_t;

static const hg_opt_t rout_opts[] = {
    { .key = "connection_string",
      .type = HG_OPT_STR,
      .at = offsetof(rout_cfg_t, url),
      .flags = HG_OPT_REQUIRED | HG_OPT_SECRET,
      .doc =
          "redis://[user][:password]@host[:port][/database][?protocol=resp3]; rediss:// for TLS, with #insecure at the "
          "end to take any certificate. The default port is 6379. Or the path of a unix socket: "
          "unix:///path[?db=n&user=name&pass=password&protocol=resp3] (also as redis+unix://). Neither Redis Cluster "
          "nor "
          "Sentinel: the master is named." },
    { .key = "key_separator",
      .type = HG_OPT_STR,
      .at = offsetof(rout_cfg_t, separator),
      .def = ":",
      .doc = "Between the values of a key of several columns (`key_fields` of the format)." },
    { .key = "tls_ca_file",
      .type = HG_OPT_STR,
      .at = offsetof(rout_cfg_t, ca_file),
      .doc = "PEM file with the certificates that a rediss:// server's is checked against. Default: the system's." },
    { .key = NULL },
};

/* Commands of one step that go to the server together. */
typedef struct {
    hg_list_t link; /* on rout_t.pieces, oldest first */
    uint64_t step;
    bool last; /* its step is whole with it */
    hg_buf_t commands;
    uint32_t n;
} piece_t;

typedef enum {
    SE_CLOSED, /* no connection; a timer may be running */
    SE_OPENING,
    SE_HELLO,  /* RESP3 */
    SE_AUTH,   /* with a password */
    SE_INFO,   /* what is it? */
    SE_SELECT, /* a database but 0 */
    SE_WATCH,  /* exactly once, from here to … */
    SE_GET,
    SE_CLAIM, /* three commands: MULTI, SET, EXEC */
    SE_GUARD, /* … here: WATCH again */
    SE_READY,
} session_t;

typedef struct {
    session_t session;
    hg_stream_t *stream;
    hg_resp_t resp;
    hg_redis_url_t url;
    bool url_ok, closing, stopping, told_ready, told_full, unhealthy, conn_open, reopen, no_memory;
    unsigned attempts;
    uv_timer_t *timer;
    hg_buf_t step_key, out;
    uint64_t nonce;
    unsigned claim_left; /* answers of SE_CLAIM still to come */
    bool claim_null;

    hg_list_t pieces; /* not confirmed */
    piece_t *at;      /* the last one that was sent; NULL: none of this transaction */
    size_t waiting;   /* bytes of pieces that were not sent */
    bool in_tx, exec_sent;
    size_t tx_bytes;
    uint64_t commands, answers; /* of this transaction: sent, answered */
    uint64_t tx_step;           /* of exec_sent: the last whole step in it; 0: none */
    uint64_t stored;            /* step */
    hg_err_t err;               /* of a command in this transaction */
} rout_t;

static void open_session(hg_output_t *out);
static void send_more(hg_output_t *out);

/* --- configuration --- */

static void rout_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const rout_cfg_t *c = cfg;
    hg_redis_url_t u;
    hg_err_t err = HG_ERR_INIT;
    if (!c->url || strstr(c->url, "${")) return;
    if (hg_redis_url_parse(hg_strz(c->url), &u, &err) < 0) {
        hg_diag(d, false, hg_json_get(obj, "connection_string"), false, "%s", err.msg);
        return;
    }
    if (c->ca_file && !u.tls)
        hg_diag(d, false, hg_json_get(obj, "tls_ca_file"), false, "'tls_ca_file' is for rediss:// only");
    if ((u.is_unix ? hg_access_socket(u.host.p, &err) : hg_access_host(hg_buf_str(&u.host), u.port, &err)) < 0)
        hg_diag(d, false, hg_json_get(obj, "connection_string"), false, "%s", err.msg);
    if (c->ca_file && !strstr(c->ca_file, "${") && hg_access_path(c->ca_file, &err) < 0)
        hg_diag(d, false, hg_json_get(obj, "tls_ca_file"), false, "%s", err.msg);
    hg_redis_url_release(&u);
}

static const char *rout_separator(const void *cfg)
{
    const rout_cfg_t *c = cfg;
    return c->separator ? c->separator : ":";
}

static int rout_open(hg_output_t *out, hg_err_t *err)
{
    rout_t *r = hg_out_inst(out);
    const rout_cfg_t *c = hg_out_cfg(out);
    hg_list_init(&r->pieces);
    hg_buf_init(&r->step_key, HG_BUF_NOMAX);
    hg_buf_init(&r->out, HG_BUF_NOMAX);
    (void)hg_buf_addf(&r->step_key, "headgate:%s:step", hg_out_durable_id(out));
    hg_random(&r->nonce, sizeof r->nonce);
    if (c->ca_file && hg_access_path(c->ca_file, err) < 0) return err->code;
    int rc = hg_redis_url_parse(hg_strz(c->url), &r->url, err);
    r->url_ok = rc == 0;
    return rc;
}

/* --- pieces --- */

static void piece_free(piece_t *p)
{
    hg_buf_release(&p->commands);
    hg_free(p);
}

static piece_t *after(rout_t *r, const piece_t *p)
{
    hg_list_t *next = p ? p->link.next : r->pieces.next;
    return next == &r->pieces ? NULL : HG_ENTRY(next, piece_t, link);
}

static piece_t *last_piece(rout_t *r)
{
    return hg_list_empty(&r->pieces) ? NULL : HG_ENTRY(r->pieces.prev, piece_t, link);
}

static piece_t *piece_new(rout_t *r, uint64_t step)
{
    piece_t *p = HG_NEW(piece_t);
    hg_list_init(&p->link);
    hg_buf_init(&p->commands, HG_BUF_NOMAX);
    p->step = step;
    hg_list_add_tail(&r->pieces, &p->link);
    return p;
}

/* The server has all steps up to this one. */
static void confirmed(hg_output_t *out, uint64_t step)
{
    rout_t *r = hg_out_inst(out);
    bool whole = false;
    for (piece_t *p; (p = after(r, NULL)) != NULL && p->step <= step;) {
        if (p == last_piece(r) && !p->last) break; /* of a step that goes on */
        whole |= p->last;
        hg_list_del(&p->link);
        piece_free(p);
    }
    if (whole) hg_out_delivered(out, step);
}

/* The connection is gone: everything that was not confirmed again. */
static void rewind_pieces(rout_t *r)
{
    r->in_tx = r->exec_sent = false;
    r->at = NULL;
    r->tx_bytes = r->waiting = 0;
    r->commands = r->answers = 0;
    r->err = HG_ERR_INIT;
    for (piece_t *p = after(r, NULL); p; p = after(r, p)) r->waiting += p->commands.len;
}

static int rout_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n, hg_err_t *err)
{
    rout_t *r = hg_out_inst(out);
    piece_t *p = last_piece(r);
    hg_str_t set[] = { HG_S("SET"), key, payload }, del[] = { HG_S("DEL"), key };
    (void)n;
    bool fits = p && !p->last && p != r->at && p->step == step && p->commands.len < PIECE_BYTES;
    if (p && !p->last) p->step = step; /* several steps of an output buffer are one batch, named by its last */
    if (!fits) p = piece_new(r, step);
    size_t was = p->commands.len;
    int rc = payload.n ? hg_resp_command(&p->commands, set, 3) : hg_resp_command(&p->commands, del, 2);
    if (rc < 0) {
        hg_err_set(err, (hg_code_t)rc, "no memory for rows that wait for the server");
        err->fatal = 1;
        hg_out_error(out, "redis", err);
        return 0;
    }
    p->n++;
    r->waiting += p->commands.len - was;
    if (!fits) send_more(out); /* the piece before it is full */
    if (r->waiting < FULL_BYTES) return 0;
    send_more(out);
    if (r->waiting < FULL_BYTES) return 0;
    r->told_full = true;
    return HG_EAGAIN;
}

static int rout_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    rout_t *r = hg_out_inst(out);
    piece_t *p = last_piece(r);
    (void)err;
    if (!p || p->last || p == r->at) p = piece_new(r, step);
    p->step = step;
    p->last = true;
    send_more(out);
    return 0;
}

/* --- ends and failures --- */

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_timer(rout_t *r)
{
    if (r->timer) uv_close((uv_handle_t *)r->timer, free_handle);
    r->timer = NULL;
}

static void maybe_closed(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    if (!r->closing || r->conn_open) return;
    for (hg_list_t *it; (it = hg_list_pop(&r->pieces)) != NULL;) piece_free(HG_ENTRY(it, piece_t, link));
    if (r->url_ok) hg_redis_url_release(&r->url);
    hg_resp_release(&r->resp);
    hg_buf_release(&r->step_key);
    hg_buf_release(&r->out);
    hg_out_closed(out);
}

static void on_timer(uv_timer_t *t)
{
    hg_output_t *out = t->data;
    rout_t *r = hg_out_inst(out);
    drop_timer(r);
    r->reopen = r->conn_open; /* the old one is still closing */
    if (!r->closing && !r->conn_open) open_session(out);
}

static void conn_closed(void *arg)
{
    rout_t *r = hg_out_inst(arg);
    r->conn_open = false;
    if (r->stopping && !r->closing)
        hg_out_stopped(arg);
    else if (r->reopen && !r->closing)
        open_session(arg);
    else
        maybe_closed(arg);
}

static void drop_conn(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    if (r->stream) hg_stream_close(r->stream, conn_closed, out);
    r->stream = NULL;
    r->session = SE_CLOSED;
    rewind_pieces(r);
}

static void failed(hg_output_t *out, const hg_err_t *why)
{
    rout_t *r = hg_out_inst(out);
    hg_err_t err = *why;
    if (r->closing || r->stopping || r->session == SE_CLOSED) return;
    drop_conn(out);
    err.fatal = !err.retry;
    r->unhealthy = true;
    hg_out_error(out, "redis", &err);
    if (!err.retry || r->closing) return;
    uint64_t ms = hg_backoff_ms(r->attempts++, RETRY_BASE, RETRY_CAP);
    hg_out_retries_in(out, ms);
    drop_timer(r);
    r->timer = HG_NEW(uv_timer_t);
    uv_timer_init(hg_loop_uv(hg_out_loop(out)), r->timer);
    r->timer->data = out;
    uv_timer_start(r->timer, on_timer, ms, 0);
}

static void on_failed(void *arg, const hg_err_t *why)
{
    failed(arg, why);
}

static void healthy(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    r->attempts = 0;
    if (r->unhealthy) hg_out_healthy(out);
    r->unhealthy = false;
}

/* --- the session --- */

static void put(hg_output_t *out, const hg_str_t *args, unsigned n)
{
    rout_t *r = hg_out_inst(out);
    if (hg_resp_command(&r->out, args, n) < 0) r->no_memory = true;
}

static void flush(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    int rc = r->no_memory ? hg_err_set(&err, HG_ENOMEM, "out of memory for a command")
             : r->stream  ? hg_stream_write(r->stream, r->out.p, r->out.len, &err)
                          : 0;
    hg_buf_clear(&r->out);
    if (rc < 0) failed(out, &err);
}

static void put_step(hg_output_t *out, uint64_t step)
{
    rout_t *r = hg_out_inst(out);
    char value[96];
    int n = snprintf(value, sizeof value, "%" PRIu64 " %" PRIu64 " %016" PRIx64, hg_out_life(out), step, r->nonce);
    hg_str_t set[] = { HG_S("SET"), hg_buf_str(&r->step_key), { value, (size_t)n } };
    put(out, set, 3);
}

static void put_watch(hg_output_t *out)
{
    const rout_t *r = hg_out_inst(out);
    hg_str_t watch[] = { HG_S("WATCH"), hg_buf_str(&r->step_key) };
    put(out, watch, 2);
}

static void ready(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    r->session = SE_READY;
    if (!r->told_ready) {
        r->told_ready = true;
        r->attempts = 0;
        r->unhealthy = false;
        hg_out_ready(out);
    } else if (hg_list_empty(&r->pieces)) {
        healthy(out);
    }
    send_more(out);
}

/* The first question at or behind `what` that there is to ask. */
static void ask(hg_output_t *out, session_t what)
{
    rout_t *r = hg_out_inst(out);
    char db[16];
    if (what == SE_HELLO && !r->url.resp3) what = SE_AUTH;
    if (what == SE_AUTH && !r->url.password.len) what = SE_INFO;
    if (what == SE_SELECT && !r->url.db) what = SE_WATCH;
    if (what == SE_WATCH && !hg_out_exactly_once(out)) what = SE_READY;
    r->session = what;
    switch (what) {
    case SE_HELLO: {
        hg_str_t user = r->url.user.len ? hg_buf_str(&r->url.user) : HG_S("default");
        hg_str_t hello[] = { HG_S("HELLO"), HG_S("3"), HG_S("AUTH"), user, hg_buf_str(&r->url.password) };
        put(out, hello, r->url.password.len ? 5 : 2);
        break;
    }
    case SE_AUTH: {
        hg_str_t all[] = { HG_S("AUTH"), hg_buf_str(&r->url.user), hg_buf_str(&r->url.password) };
        hg_str_t old[] = { all[0], all[2] };
        if (r->url.user.len)
            put(out, all, 3);
        else
            put(out, old, 2);
        break;
    }
    case SE_SELECT: {
        int n = snprintf(db, sizeof db, "%u", r->url.db);
        hg_str_t select[] = { HG_S("SELECT"), { db, (size_t)n } };
        put(out, select, 2);
        break;
    }
    case SE_INFO: {
        hg_str_t info[] = { HG_S("INFO"), HG_S("server") };
        put(out, info, 2);
        break;
    }
    case SE_WATCH:
    case SE_GUARD:
        put_watch(out);
        break;
    case SE_GET: {
        hg_str_t get[] = { HG_S("GET"), hg_buf_str(&r->step_key) };
        put(out, get, 2);
        break;
    }
    case SE_CLAIM: {
        hg_str_t multi[] = { HG_S("MULTI") }, exec[] = { HG_S("EXEC") };
        put(out, multi, 1);
        put_step(out, r->stored);
        put(out, exec, 1);
        r->claim_left = 3;
        r->claim_null = false;
        break;
    }
    case SE_READY:
        ready(out);
        return;
    case SE_CLOSED:
    case SE_OPENING:
        return;
    }
    flush(out);
}

/* "<life> <step> <nonce>". What another life has written says nothing about the steps of this one. */
static int take_step(hg_output_t *out, hg_str_t value, hg_err_t *err)
{
    rout_t *r = hg_out_inst(out);
    char text[96];
    uint64_t life = 0, step = 0;
    snprintf(text, sizeof text, HG_SF, HG_SA(value));
    if (value.n && sscanf(text, "%" SCNu64 " %" SCNu64, &life, &step) != 2)
        return hg_err_set(err, HG_ENET, "key '%s', where the steps of exactly_once are kept, holds something else",
                          r->step_key.p);
    if (life != hg_out_life(out)) step = 0;
    if (step < r->stored)
        return hg_err_set(err, HG_ENET,
                          "the server has confirmed step %" PRIu64 " and now holds step %" PRIu64
                          ": it has lost data. Start the pipeline from a clean state, or restore the server",
                          r->stored, step);
    if (!r->told_ready) {
        if (step) hg_out_resume(out, step);
    } else if (step > r->stored) {
        confirmed(out, step); /* by an EXEC whose answer was lost */
    }
    r->stored = step;
    return 0;
}

/* By "redis_mode:…" (Valkey: "server_mode:…"). */
static void judge_server(const rout_t *r, hg_str_t info, hg_err_t *err)
{
    static const char cluster[] = "_mode:cluster", sentinel[] = "_mode:sentinel";
    if (info.n && memmem(info.p, info.n, cluster, sizeof cluster - 1))
        hg_err_set(err, HG_EUNSUPPORTED,
                   "%s is a node of a Redis Cluster, which is not supported; name a server without cluster mode",
                   r->url.host.p);
    if (info.n && memmem(info.p, info.n, sentinel, sizeof sentinel - 1))
        hg_err_set(err, HG_EUNSUPPORTED,
                   "%s is a Redis Sentinel, which is not asked for its master; name the master itself, or an address "
                   "that follows it",
                   r->url.host.p);
}

static void answer(hg_output_t *out, const hg_resp_reply_t *a)
{
    rout_t *r = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    char text[256];
    bool bad = a->type == '-' || a->type == '!';
    snprintf(text, sizeof text, HG_SF, HG_SA(a->text));
    if (r->session == SE_INFO) { /* who may not ask is not told */
        if (bad && (strncmp(text, "NOAUTH", 6) == 0 || strncmp(text, "LOADING", 7) == 0))
            (void)hg_redis_error(text, WHAT, &err);
        else if (!bad)
            judge_server(r, a->text, &err);
    } else if (bad) {
        (void)hg_redis_error(text, WHAT, &err);
    } else if (r->session == SE_GET) {
        (void)take_step(out, a->text, &err);
    } else if (r->session == SE_CLAIM) {
        r->claim_null |= a->null;
        if (--r->claim_left) return;
        if (a->error)
            (void)hg_redis_error(a->error, WHAT, &err);
        else if (r->claim_null)
            hg_err_retry(&err, HG_EBUSY, "another process writes as this output");
    }
    if (r->closing || r->stopping) return;
    if (err.code)
        failed(out, &err);
    else
        ask(out, r->session + 1);
}

/* --- transactions --- */

/* May it be sent? The last one may still grow. */
static bool is_ready(const rout_t *r, const piece_t *p)
{
    return p && (p->last || p->link.next != &r->pieces || r->waiting >= FULL_BYTES);
}

static void begin(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    hg_str_t multi[] = { HG_S("MULTI") };
    r->in_tx = true;
    r->commands = 1;
    r->answers = 0;
    r->tx_bytes = 0;
    r->tx_step = 0;
    put(out, multi, 1);
    flush(out);
}

static void send_piece(hg_output_t *out, piece_t *p)
{
    rout_t *r = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    r->at = p;
    r->commands += p->n;
    r->tx_bytes += p->commands.len;
    r->waiting -= HG_MIN(p->commands.len, r->waiting);
    if (p->last) r->tx_step = p->step;
    if (hg_stream_write(r->stream, p->commands.p, p->commands.len, &err) < 0) failed(out, &err);
}

static void send_exec(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    hg_str_t exec[] = { HG_S("EXEC") };
    if (hg_out_exactly_once(out)) {
        put_step(out, r->tx_step);
        r->commands++;
    }
    put(out, exec, 1);
    r->commands++;
    r->exec_sent = true;
    if (hg_out_exactly_once(out)) put_watch(out); /* guards the next one */
    flush(out);
}

/* All that was sent is whole, or as much as one transaction should have. */
static bool exec_due(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    if (!r->in_tx || !r->at) return false;
    if (!r->at->last) return !hg_out_exactly_once(out) && r->tx_bytes >= LARGE_BYTES;
    return !is_ready(r, after(r, r->at)) || r->tx_bytes >= LARGE_BYTES;
}

static void send_more(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    while (!r->closing && r->session == SE_READY && !r->exec_sent && hg_stream_queued(r->stream) < AHEAD_BYTES) {
        if (exec_due(out)) {
            send_exec(out);
            break;
        }
        piece_t *next = after(r, r->at);
        if (!is_ready(r, next)) break;
        if (!r->in_tx && !next->n && next->last) { /* only the end of a step */
            confirmed(out, next->step);
            continue;
        }
        if (!r->in_tx) begin(out);
        if (r->session == SE_READY) send_piece(out, next);
    }
    if (r->told_full && r->waiting < FULL_BYTES / 2 && !r->closing) {
        r->told_full = false;
        hg_out_drained(out);
    }
}

static void tx_done(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    const piece_t *upto = r->at;
    uint64_t step = r->tx_step;
    r->in_tx = r->exec_sent = false;
    r->at = NULL;
    for (piece_t *p; (p = after(r, NULL)) != NULL;) {
        bool end = p == upto;
        hg_list_del(&p->link);
        piece_free(p);
        if (end) break;
    }
    healthy(out);
    if (step) {
        r->stored = step;
        hg_out_delivered(out, step);
    }
    send_more(out);
}

static void tx_answer(hg_output_t *out, const hg_resp_reply_t *a)
{
    rout_t *r = hg_out_inst(out);
    char text[256];
    bool bad = a->type == '-' || a->type == '!';
    uint64_t guard = hg_out_exactly_once(out) ? 1 : 0; /* the WATCH behind EXEC */
    r->answers++;
    bool exec = r->exec_sent && r->answers == r->commands;
    if (bad && !r->err.code) {
        snprintf(text, sizeof text, HG_SF, HG_SA(a->text));
        (void)hg_redis_error(text, WHAT, &r->err);
    } else if (exec && a->error && !r->err.code) {
        (void)hg_redis_error(a->error, WHAT, &r->err);
        r->err.retry = 0; /* the rest of it was done, and the step with it */
    } else if (exec && a->null && !r->err.code) {
        hg_err_retry(&r->err, HG_EBUSY, "another process writes as this output");
    }
    if (r->err.code && exec) {
        hg_err_t err = r->err;
        (void)hg_err_wrap(&err, "error committing Redis transaction");
        err.retry = r->err.retry;
        failed(out, &err);
    } else if (r->exec_sent && r->answers == r->commands + guard) {
        if (r->err.code) {
            hg_err_t err = r->err;
            failed(out, &err);
        } else {
            tx_done(out);
        }
    }
}

static bool on_reply(void *arg, const hg_resp_reply_t *a)
{
    hg_output_t *out = arg;
    rout_t *r = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    const hg_stream_t *stream = r->stream;
    if (r->session == SE_READY && r->in_tx) {
        tx_answer(out, a);
    } else if (r->session == SE_READY) {
        hg_err_set(&err, HG_EPROTO, "the server answers what was not asked");
        failed(out, &err);
    } else {
        answer(out, a);
    }
    return r->stream && r->stream == stream && !r->closing;
}

static void on_data(void *arg, const char *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    rout_t *r = hg_out_inst(arg);
    if (r->stream && hg_resp_feed(&r->resp, p, n, &err) < 0) failed(arg, &err);
}

static void on_opened(void *arg)
{
    ask(arg, SE_HELLO);
}

static void on_drained(void *arg)
{
    send_more(arg);
}

static void open_session(hg_output_t *out)
{
    static const hg_stream_ops_t ops = {
        .opened = on_opened, .data = on_data, .drained = on_drained, .failed = on_failed
    };
    rout_t *r = hg_out_inst(out);
    hg_stream_opts_t o = { .host = r->url.host.p,
                           .port = r->url.port,
                           .unix_socket = r->url.is_unix ? r->url.host.p : NULL,
                           .timeout_ms = CONNECT_MS,
                           .tls = r->url.tls,
                           .tls_insecure = r->url.insecure,
                           .ca_file = ((const rout_cfg_t *)hg_out_cfg(out))->ca_file };
    r->session = SE_OPENING;
    r->conn_open = true;
    r->reopen = false;
    hg_resp_reset(&r->resp);
    hg_buf_clear(&r->out);
    r->stream = hg_stream_open(hg_out_loop(out), &o, &ops, out);
}

/* --- the contract --- */

static int rout_start(hg_output_t *out, hg_err_t *err)
{
    rout_t *r = hg_out_inst(out);
    (void)err;
    hg_resp_init(&r->resp, on_reply, out);
    open_session(out);
    return 0;
}

static void rout_stop(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    r->stopping = true;
    drop_timer(r);
    if (r->stream)
        drop_conn(out);
    else if (!r->conn_open)
        hg_out_stopped(out);
}

static void rout_close(hg_output_t *out)
{
    rout_t *r = hg_out_inst(out);
    r->closing = true;
    drop_timer(r);
    if (r->stream) drop_conn(out);
    maybe_closed(out);
}

const hg_output_type_t hg_output_redis = {
    .abi = HG_CONNECTOR_ABI,
    .name = "redis_output",
    .summary = "keeps a key of a Redis server per row of a view",
    .opts = rout_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(rout_cfg_t),
    .inst_size = sizeof(rout_t),
    .messages = true,
    .key_separator = rout_separator,
    .caps = HG_OUT_EXACT | HG_OUT_STORES_STEP,
    .check = rout_check,
    .open = rout_open,
    .start = rout_start,
    .write = rout_write,
    .end_batch = rout_end_batch,
    .stop = rout_stop,
    .close = rout_close,
};
