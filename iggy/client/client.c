/* client.c: one connection: finding out the protocol, logging in, finding the leader, requests one by one, and again.
 *
 *   WAITING ─► OPENING ─► [PROBING ─► [PROBING_CLASSIC]] ─► LOGIN ─► LOOKING (who leads?) ─► READY
 *      ▲          │              └─ the other protocol, another node: OPENING again, at once ─┘
 *      └──────────┴──── lost: whatever went wrong, everything open is answered ────┘      DEAD: nothing cures it
 *
 * 1. `queue` holds the calls; its first is `flight` once it was sent. What the connection itself asks (login, cluster,
 *    ping) is queued like the rest, without `done`.
 * 2. Every point in time that something is due at is a field; one timer serves them all.
 * 3. After a lost connection the same id logs in again and numbers its requests on. A server that was killed still has
 *    it in its groups, and keeps partitions for it that nobody else gets: it takes them over. An id that was sent away
 *    (somebody else may have it now), or whose logins fail, is not used again.
 * 4. Call-backs may close: memory goes when the last handle is closed, which is never before the call-back's caller
 *    has returned. After each call-back `closing` and `state` are looked at anew. */
#include "base/hg.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/client/client.h"
#include "iggy/client/nodes.h"
#include "iggy/client/wire_int.h"
#include "net/stream.h"
#include <strings.h>

#define AGAIN_MS        50   /* after "not committed" and "not accepted" */
#define LEADER_MOVED_MS 2000 /* of "not accepted": somebody else may lead by now */
#define LOOK_MS         250  /* while nobody leads */
#define LOOK_FOR_MS     5000
#define REDIRECTS       3
#define LOGINS          3                 /* in a row with one id */
#define TOKEN_AGAIN_MS  250               /* after a token that may be too new was refused */
#define KEEP_BYTES      ((size_t)4 << 20) /* of the buffer for answers */

typedef enum { WAITING, OPENING, PROBING, PROBING_CLASSIC, LOGIN, LOOKING, READY, DEAD } state_t;

typedef struct {
    hg_list_t link; /* hg_iggy.queue */
    hg_iggy_op_t op;
    hg_buf_t head;
    const hg_iggy_batch_t *batch; /* of a VSR send: its frames follow head */
    hg_iggy_done_fn done;         /* NULL: the connection's own */
    void *arg;
    bool sent;
    uint64_t refused_at; /* first "not accepted"; 0: none */
    uint32_t again_code; /* 57 or 58: what the repeat is for */
} request_t;

struct hg_iggy {
    hg_loop_t *loop;
    hg_iggy_opts_t opts;
    hg_iggy_ops_t ops;
    void *arg;
    state_t state;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    hg_stream_t *stream;
    unsigned handles; /* not closed yet */
    uv_timer_t timer;

    hg_iggy_proto_t proto, verdict; /* of this connection; remembered, AUTO: not known */
    bool try_classic;               /* the server has hung up on VSR's greeting */
    uint8_t id[16];
    uint64_t session, next; /* VSR: of the login; the next request's number */
    unsigned logins;        /* with this id, since the last that became ready; LOGINS: it is not used again */

    hg_list_t queue;
    size_t n_queue;
    request_t *flight;
    hg_buf_t in, current; /* what came; the answer that is being told */
    bool telling;

    char *host; /* where we are */
    uint16_t port;
    iggy_nodes_t nodes; /* who led when we last looked, the address that was given, the others */
    unsigned redirects;
    uint64_t failures; /* attempts in a row */
    char version[64];
    hg_iggy_server_t server;

    /* due times by uv_now, 0: not due */
    uint64_t due_open, due_reply, due_again, due_beat, due_look;
    uint64_t look_until, ready_at;
    uint64_t token_refused_at; /* first of the refusals in a row; 0: none */
    bool calling;              /* in hg_iggy_call: what goes wrong is told later, by the timer */
    uint64_t due_late;
    hg_err_t late;
};

static void lost(hg_iggy_t *c, const hg_err_t *err, uint64_t wait_ms);
static void start(hg_iggy_t *c);
static void look(hg_iggy_t *c);
static void log_in(hg_iggy_t *c);

static uint64_t now(const hg_iggy_t *c)
{
    return uv_now(hg_loop_uv(c->loop)) + 1; /* never 0 */
}

/* --- the timer --- */

static void on_timer(uv_timer_t *t);

static void rearm(hg_iggy_t *c)
{
    const uint64_t due[] = { c->due_open, c->due_reply, c->due_again, c->due_beat, c->due_look, c->due_late };
    uint64_t first = 0, at = now(c);
    if (c->closing) return;
    for (size_t i = 0; i < HG_COUNT(due); i++)
        if (due[i] && (!first || due[i] < first)) first = due[i];
    if (first)
        uv_timer_start(&c->timer, on_timer, first > at ? first - at : 0, 0);
    else
        uv_timer_stop(&c->timer);
}

static bool passed(hg_iggy_t *c, uint64_t *due)
{
    if (!*due || *due > now(c)) return false;
    *due = 0;
    return true;
}

/* --- memory --- */

static void maybe_free(hg_iggy_t *c)
{
    if (!c->closing || c->handles) return;
    if (c->closed) c->closed(c->closed_arg);
    hg_buf_release(&c->in);
    hg_buf_release(&c->current);
    hg_iggy_opts_release(&c->opts);
    hg_free(c->host);
    iggy_nodes_clear(&c->nodes);
    hg_free(c);
}

static void stream_gone(void *arg)
{
    hg_iggy_t *c = arg;
    c->handles--;
    maybe_free(c);
}

static void timer_gone(uv_handle_t *h)
{
    hg_iggy_t *c = h->data;
    c->handles--;
    maybe_free(c);
}

static void drop_stream(hg_iggy_t *c)
{
    if (c->stream) hg_stream_close(c->stream, stream_gone, c);
    c->stream = NULL;
    hg_buf_clear(&c->in);
    c->due_open = c->due_reply = c->due_again = c->due_beat = c->due_look = c->due_late = 0;
}

static void free_request(request_t *r)
{
    hg_buf_release(&r->head);
    hg_free(r);
}

/* --- who we are --- */

static void new_id(hg_iggy_t *c)
{
    hg_random(c->id, sizeof c->id);
    c->id[0] |= 1; /* 0 is nobody */
    c->next = 1;
    c->logins = 0;
}

/* The server may remember requests of an id that was ours in another life: numbers that are the time are above them. */
static void first_id(hg_iggy_t *c)
{
    static const uint8_t nobody[sizeof c->id];
    if (memcmp(c->opts.id, nobody, sizeof nobody) == 0) {
        new_id(c);
        return;
    }
    memcpy(c->id, c->opts.id, sizeof c->id);
    c->next = (uint64_t)hg_now_us();
}

/* --- answering --- */

static void answer(hg_iggy_t *c, request_t *r, hg_iggy_reply_t *reply)
{
    if (c->flight == r) c->flight = NULL;
    c->due_reply = c->due_again = 0;
    hg_list_del(&r->link);
    c->n_queue--;
    reply->client = c;
    if (r->done) r->done(r->arg, reply);
    free_request(r);
}

/* What was sent and changes something may have been done. */
static void answer_all(hg_iggy_t *c, const hg_err_t *err)
{
    while (!hg_list_empty(&c->queue)) {
        request_t *r = HG_ENTRY(c->queue.next, request_t, link);
        bool unsure = r->sent && iggy_cmds[r->op].bits & HG_IGGY_W && r->again_code != HG_IGGY_E_NOT_ACCEPTED;
        answer(c, r, &(hg_iggy_reply_t){ .err = err, .doubt = unsure });
    }
}

static void drop_own(hg_iggy_t *c)
{
    while (!hg_list_empty(&c->queue)) answer(c, HG_ENTRY(c->queue.next, request_t, link), &(hg_iggy_reply_t){ 0 });
}

/* The connection cannot go on. Its owner hears of it when everything open is answered. wait_ms: before the next. */
static void lost(hg_iggy_t *c, const hg_err_t *cause, uint64_t wait_ms)
{
    hg_err_t err = *cause;
    if (c->closing || c->state == DEAD || c->state == WAITING) return;
    if (c->calling) {
        c->late = err;
        c->due_late = now(c);
        return;
    }
    if (c->state == LOGIN && c->opts.protocol == HG_IGGY_AUTO) c->verdict = HG_IGGY_AUTO;
    drop_stream(c);
    c->failures++;
    c->redirects = 0;
    bool last = err.retry && c->failures > c->opts.retries;
    if (last) (void)hg_err_wrap(&err, "given up after %" PRIu64 " attempts", c->failures);
    if (last) err.retry = false;
    c->state = err.retry ? WAITING : DEAD;
    if (c->state == WAITING) {
        uint64_t after = c->ready_at ? c->ready_at + c->opts.reestablish_ms : 0;
        c->due_open = wait_ms ? HG_MAX(now(c) + wait_ms, after) : now(c);
        c->ready_at = 0;
    }
    answer_all(c, &err);
    rearm(c);
    if (c->closing) return;
    if (c->state == DEAD)
        c->ops.fatal(c->arg, &err);
    else
        c->ops.down(c->arg, &err);
}

static void lost_by(hg_iggy_t *c, hg_code_t code, const char *what, uint64_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, code, "%s:%u: ", c->host, (unsigned)c->port);
    size_t at = strlen(err.msg);
    if (n)
        snprintf(err.msg + at, sizeof err.msg - at, "%s within %" PRIu64 " ms", what, n);
    else
        snprintf(err.msg + at, sizeof err.msg - at, "%s", what);
    lost(c, &err, c->opts.retry_ms);
}

/* An error that was made without a place: of bytes that came. */
static void lost_at(hg_iggy_t *c, hg_err_t *err)
{
    (void)hg_err_wrap(err, "%s:%u", c->host, (unsigned)c->port);
    err->retry = true;
    lost(c, err, c->opts.retry_ms);
}

/* --- sending --- */

static void transmit(hg_iggy_t *c, request_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    hg_str_t parts[2] = { { r->head.p, r->head.len }, { NULL, 0 } };
    if (r->batch) parts[1] = (hg_str_t){ r->batch->frames.p, r->batch->frames.len };
    r->sent = true;
    r->again_code = 0;
    c->due_beat = 0;
    if (hg_stream_writev(c->stream, parts, r->batch ? 2 : 1, &err) < 0) lost_at(c, &err);
}

static void pump(hg_iggy_t *c)
{
    if (c->flight || hg_list_empty(&c->queue) || !c->stream) return;
    request_t *r = HG_ENTRY(c->queue.next, request_t, link);
    c->flight = r;
    if (c->proto == HG_IGGY_VSR) {
        uint8_t operation = iggy_cmds[r->op].operation;
        bool numbered = operation != IGGY_NONREP && operation != 1;
        iggy_stamp(r->head.p, c->id, operation == 1 ? 0 : c->session, operation == 1 ? 0 : c->next);
        if (numbered) c->next++;
    }
    c->due_reply = now(c) + c->opts.request_ms;
    transmit(c, r);
}

static int enqueue(hg_iggy_t *c, const hg_iggy_cmd_t *cmd, hg_iggy_done_fn done, void *arg, hg_err_t *err)
{
    request_t *r = HG_NEW(request_t);
    hg_buf_init(&r->head, HG_IGGY_MAX_FRAME + 1);
    int rc = iggy_encode(c->proto, cmd, &r->head, err);
    if (rc < 0) {
        free_request(r);
        return rc;
    }
    r->op = cmd->op;
    r->batch = c->proto == HG_IGGY_VSR && cmd->op == HG_IGGY_SEND ? cmd->batch : NULL;
    r->done = done;
    r->arg = arg;
    hg_list_init(&r->link);
    hg_list_add_tail(&c->queue, &r->link);
    c->n_queue++;
    pump(c);
    return 0;
}

/* What the connection asks for itself. */
static void ask(hg_iggy_t *c, const hg_iggy_cmd_t *cmd)
{
    hg_err_t err = HG_ERR_INIT;
    if (enqueue(c, cmd, NULL, NULL, &err) < 0) {
        err.retry = false; /* credentials that no server takes */
        lost(c, &err, 0);
    }
}

/* --- becoming ready --- */

static void ready(hg_iggy_t *c, uint32_t nodes)
{
    c->state = READY;
    c->logins = 0;
    c->failures = 0;
    c->redirects = 0;
    c->token_refused_at = 0;
    c->ready_at = now(c);
    c->server = (hg_iggy_server_t){ c->proto, c->version, c->host, c->port, nodes };
    c->due_beat = c->opts.heartbeat_ms ? now(c) + c->opts.heartbeat_ms : 0;
    c->ops.ready(c->arg, &c->server);
}

static void open_at(hg_iggy_t *c, const char *host, uint16_t port)
{
    char *copy = hg_xstrdup(host);
    hg_free(c->host);
    c->host = copy;
    c->port = port;
    start(c);
}

static void redirect(hg_iggy_t *c, const iggy_place_t *leader)
{
    c->redirects++;
    c->logins = 0;
    drop_stream(c);
    open_at(c, leader->host, leader->port);
}

/* The next attempts, should this connection be lost: whoever leads, where we were sent at first, everybody else. */
static void remember(hg_iggy_t *c, hg_iggy_in_t in, const hg_iggy_node_t *leader)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_node_t n;
    iggy_nodes_clear(&c->nodes);
    if (leader) iggy_nodes_add(&c->nodes, leader->host, leader->tcp);
    iggy_nodes_add(&c->nodes, hg_strz(c->opts.host), c->opts.port);
    while (hg_iggy_read_node(&in, &n, &err) > 0)
        if (n.tcp) iggy_nodes_add(&c->nodes, n.host, n.tcp);
}

/* Who leads. An error means that there is no cluster. */
static void looked(hg_iggy_t *c, const hg_iggy_reply_t *reply)
{
    hg_iggy_in_t in = reply->in;
    hg_iggy_node_t n, leader = { 0 };
    hg_err_t err = HG_ERR_INIT;
    uint32_t nodes = 0;
    bool found = false;
    while (!reply->err && hg_iggy_read_node(&in, &n, &err) > 0) {
        nodes++;
        if (!n.leader || !n.healthy || !n.tcp || found) continue;
        found = true;
        leader = n;
    }
    if (nodes > 1) remember(c, reply->in, found ? &leader : NULL);
    bool here = found && iggy_same_place(c->host, c->port, leader.host, leader.tcp);
    if (nodes < 2 || here || (found && c->redirects >= REDIRECTS) || (!found && now(c) >= c->look_until)) {
        ready(c, nodes ? nodes : 1);
        return;
    }
    if (found)
        redirect(c, &c->nodes.at[0]);
    else
        c->due_look = now(c) + LOOK_MS;
}

static void look(hg_iggy_t *c)
{
    ask(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_GET_CLUSTER });
}

static void logged_in(hg_iggy_t *c, hg_iggy_reply_t *reply)
{
    iggy_login_t l;
    hg_err_t err = HG_ERR_INIT;
    if (iggy_read_login(&reply->in, &l, &err) < 0) {
        lost_at(c, &err);
        return;
    }
    c->session = l.session;
    snprintf(c->version, sizeof c->version, HG_SF, HG_SA(l.server));
    c->verdict = c->proto;
    c->state = LOOKING;
    c->look_until = now(c) + LOOK_FOR_MS;
    look(c);
}

static void log_in(hg_iggy_t *c)
{
    const hg_iggy_opts_t *o = &c->opts;
    c->state = LOGIN;
    c->logins++;
    if (o->token)
        ask(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_LOGIN_TOKEN, .secret = hg_strz(o->token) });
    else
        ask(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_LOGIN, .name = hg_strz(o->user), .secret = hg_strz(o->password) });
}

/* --- answers --- */

static bool is_session_over(uint32_t code)
{
    static const uint32_t codes[] = { 8, 9, 30, 31, 40, HG_IGGY_E_ALREADY_APPLIED, 61, 206, 304, 14001 };
    for (size_t i = 0; i < HG_COUNT(codes); i++)
        if (codes[i] == code) return true;
    return false;
}

/* A token that was made a moment ago is not known to every node of a cluster yet, so a refusal is final once it has
 * gone on for a while. Returns how long to wait before the next attempt. */
static uint64_t maybe_too_new(hg_iggy_t *c, uint32_t code, hg_err_t *err)
{
    if (code != HG_IGGY_E_INVALID_TOKEN || c->state != LOGIN || !c->opts.token) return c->opts.retry_ms;
    if (!c->token_refused_at) c->token_refused_at = now(c);
    err->retry = now(c) - c->token_refused_at < c->opts.token_ms;
    return HG_MIN(c->opts.retry_ms, (uint64_t)TOKEN_AGAIN_MS);
}

static void refused(hg_iggy_t *c, request_t *r, uint32_t code)
{
    hg_err_t err = HG_ERR_INIT;
    bool transient = code == HG_IGGY_E_NOT_COMMITTED || code == HG_IGGY_E_NOT_ACCEPTED, own = !r->done;
    hg_iggy_op_t op = r->op;
    if (code == HG_IGGY_E_NOT_ACCEPTED && !r->refused_at) r->refused_at = now(c);
    bool moved = code == HG_IGGY_E_NOT_ACCEPTED && c->state == READY && c->server.nodes > 1 &&
                 now(c) - r->refused_at >= LEADER_MOVED_MS;
    if (transient && !moved && now(c) + AGAIN_MS < c->due_reply) {
        r->again_code = code;
        c->due_again = now(c) + AGAIN_MS;
        return;
    }
    hg_iggy_code_err(code, iggy_cmds[op].name, &err);
    if (own && op == HG_IGGY_GET_CLUSTER && !is_session_over(code)) {
        answer(c, r, &(hg_iggy_reply_t){ 0 });
        looked(c, &(hg_iggy_reply_t){ .err = &err });
        return;
    }
    bool doubt = code == HG_IGGY_E_NOT_COMMITTED || code == HG_IGGY_E_ALREADY_APPLIED;
    if (is_session_over(code)) c->logins = LOGINS;
    answer(c, r, &(hg_iggy_reply_t){ .err = &err, .code = code, .doubt = doubt });
    if (is_session_over(code) || moved || (own && op != HG_IGGY_PING)) {
        uint64_t wait_ms = maybe_too_new(c, code, &err);
        bool again = err.retry;
        (void)hg_err_wrap(&err, "%s:%u", c->host, (unsigned)c->port);
        err.retry = again;
        lost(c, &err, moved ? 0 : wait_ms);
    }
}

static void version_text(char ret[32], uint32_t v)
{
    snprintf(ret, 32, "%u.%u.%u", v >> 20, v >> 10 & 1023, v & 1023);
}

static void evicted(hg_iggy_t *c, const iggy_head_t *h)
{
    hg_err_t err = HG_ERR_INIT;
    char what[96];
    snprintf(what, sizeof what, "%s:%u ends the session", c->host, (unsigned)c->port);
    hg_iggy_code_err(h->status, what, &err);
    if (h->status == 14003) {
        char newest[32], oldest[32];
        version_text(newest, h->newest);
        version_text(oldest, h->oldest);
        bool one = h->newest == h->oldest;
        (void)hg_err_set(&err, HG_EUNSUPPORTED,
                         "%s:%u speaks version%s %s%s%s of Iggy's protocol; this client speaks " IGGY_VERSION_TEXT
                         ", as servers 0.9 do",
                         c->host, (unsigned)c->port, one ? "" : "s", oldest, one ? "" : " to ", one ? "" : newest);
    }
    uint64_t wait_ms = maybe_too_new(c, h->status, &err);
    if (c->state != LOGIN) err.retry = true; /* a new session may be had */
    c->logins = LOGINS;
    lost(c, &err, wait_ms);
}

static void replied(hg_iggy_t *c, const iggy_head_t *h, hg_iggy_in_t in)
{
    hg_err_t err = HG_ERR_INIT;
    request_t *r = c->flight;
    uint32_t code = h->status;
    bool vsr = c->proto == HG_IGGY_VSR;
    /* the operation is no echo: create topic is answered as what it becomes inside the server */
    if (!r || r->again_code || (vsr && h->request != iggy_get64((uint8_t *)r->head.p + 168))) {
        lost_by(c, HG_EPROTO, "the server answers what nobody has asked", 0);
        return;
    }
    if ((!code && vsr && iggy_result(r->op, &in, &code, &err) < 0) ||
        (!code && iggy_read_count(&in, r->op, &err) < 0)) {
        lost_at(c, &err);
        return;
    }
    if (code) {
        refused(c, r, code);
        return;
    }
    hg_iggy_reply_t reply = { .in = in };
    hg_iggy_op_t op = r->op;
    bool own = !r->done;
    answer(c, r, &reply);
    if (own && (op == HG_IGGY_LOGIN || op == HG_IGGY_LOGIN_TOKEN)) logged_in(c, &reply);
    if (own && op == HG_IGGY_GET_CLUSTER) looked(c, &reply);
}

/* --- finding out the protocol --- */

/* Longer with each attempt in a row: a server that is very busy answers in the end. */
static uint64_t greeting_ms(const hg_iggy_t *c)
{
    uint64_t most = HG_MAX(c->opts.request_ms, c->opts.detect_ms);
    return HG_MIN(c->opts.detect_ms * (HG_MIN(c->failures, (uint64_t)UINT16_MAX) + 1), most);
}

static void probe(hg_iggy_t *c)
{
    hg_iggy_proto_t known = c->opts.protocol != HG_IGGY_AUTO ? c->opts.protocol : c->verdict;
    c->proto = known != HG_IGGY_AUTO ? known : c->try_classic ? HG_IGGY_CLASSIC : HG_IGGY_VSR;
    if (known != HG_IGGY_AUTO) {
        log_in(c);
        return;
    }
    c->state = c->try_classic ? PROBING_CLASSIC : PROBING;
    ask(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_PING });
    c->due_reply = now(c) + greeting_ms(c);
}

static void not_iggy(hg_iggy_t *c)
{
    lost_by(c, HG_EPROTO, "this is not an Iggy server; or it wants TLS, or it is older than 0.7", 0);
}

/* true: on with the frame as one of c->proto. */
static bool probed(hg_iggy_t *c)
{
    static const uint8_t refusal[8] = { 3 }, pong[8];
    if (c->state == PROBING && c->in.len >= 8 && memcmp(c->in.p, refusal, 8) == 0) {
        c->verdict = HG_IGGY_CLASSIC; /* it has read a header as a command that it does not know */
        drop_stream(c);
        drop_own(c);
        start(c);
        return false;
    }
    if (c->in.len >= 8 && memcmp(c->in.p, pong, 8) != 0) {
        not_iggy(c);
        return false;
    }
    return true;
}

/* --- the stream --- */

/* A frame is told out of a buffer of its own: its receiver may take it, and may make this connection read others. */
static void tell(hg_iggy_t *c, const iggy_head_t *h)
{
    hg_buf_t t = c->current;
    c->current = c->in;
    c->in = t;
    hg_buf_clear(&c->in);
    size_t more = c->current.len - h->size;
    if (more && hg_buf_add(&c->in, c->current.p + h->size, more) < 0) {
        lost_by(c, HG_ENOMEM, "out of memory for what the server sends", 0);
        return;
    }
    const uint8_t *p = (const uint8_t *)c->current.p;
    state_t was = c->state;
    c->telling = true;
    if (h->kind == IGGY_EVICTION) {
        evicted(c, h);
    } else {
        replied(c, h, (hg_iggy_in_t){ p + h->head, p + h->size, c->proto });
        if ((was == PROBING || was == PROBING_CLASSIC) && c->state == was && c->stream && !c->closing) log_in(c);
    }
    c->telling = false;
    hg_buf_clear(&c->current);
    if (c->current.cap > KEEP_BYTES) hg_buf_release(&c->current);
}

static void on_data(void *arg, const char *p, size_t n)
{
    hg_iggy_t *c = arg;
    hg_err_t err = HG_ERR_INIT;
    iggy_head_t h;
    if (hg_buf_add(&c->in, p, n) < 0) {
        lost_by(c, HG_ETOOBIG, "the server sends more than was asked for", 0);
        return;
    }
    const hg_stream_t *from = c->stream;
    while (!c->closing && c->stream && c->stream == from) {
        if ((c->state == PROBING || c->state == PROBING_CLASSIC) && !probed(c)) break;
        int rc = iggy_head_parse(c->proto, (const uint8_t *)c->in.p, c->in.len, c->opts.max_frame, &h, &err);
        if (rc < 0) {
            lost_at(c, &err);
            break;
        }
        if (rc == 0) break;
        if (c->in.len < h.size) {
            if (hg_buf_reserve(&c->in, h.size - c->in.len) < 0)
                lost_by(c, HG_ENOMEM, "out of memory for what the server sends", 0);
            break;
        }
        tell(c, &h);
    }
    if (c->state == READY && !c->flight && !c->due_beat && c->opts.heartbeat_ms)
        c->due_beat = now(c) + c->opts.heartbeat_ms;
    if (!c->closing) pump(c);
    rearm(c);
}

static void on_opened(void *arg)
{
    hg_iggy_t *c = arg;
    if (c->logins >= LOGINS) new_id(c);
    c->session = 0;
    probe(c);
    rearm(c);
}

static void on_drained(void *arg)
{
    (void)arg;
}

/* Are we where we were told to go, or where the leader is said to be? What is wrong for good elsewhere (an address that
 * may not be reached, a certificate) leaves those. */
static bool must_be_here(const hg_iggy_t *c)
{
    const iggy_place_t *leader = c->nodes.n ? &c->nodes.at[0] : NULL;
    return iggy_same_place(c->host, c->port, hg_strz(c->opts.host), c->opts.port) ||
           (leader && iggy_same_place(c->host, c->port, hg_strz(leader->host), leader->port));
}

static void on_failed(void *arg, const hg_err_t *cause)
{
    hg_iggy_t *c = arg;
    hg_err_t err = *cause;
    err.retry |= !must_be_here(c);
    if (c->state == PROBING && c->in.len == 0) { /* classic servers before 0.8 hang up on what they do not know */
        drop_stream(c);
        drop_own(c);
        c->try_classic = true;
        start(c);
    } else if (c->state == PROBING_CLASSIC) {
        not_iggy(c);
    } else {
        lost(c, &err, c->opts.retry_ms);
    }
    rearm(c);
}

static void start(hg_iggy_t *c)
{
    static const hg_stream_ops_t ops = { on_opened, on_data, on_drained, on_failed };
    const hg_iggy_opts_t *o = &c->opts;
    c->state = OPENING;
    c->handles++;
    c->stream = hg_stream_open(c->loop,
                               &(hg_stream_opts_t){ .host = c->host,
                                                    .port = c->port,
                                                    .timeout_ms = o->connect_ms,
                                                    .tls = o->tls,
                                                    .tls_insecure = o->tls_insecure,
                                                    .tls_name = o->tls_domain,
                                                    .ca_file = o->tls_ca_file,
                                                    .delay = !o->no_delay },
                               &ops, c);
}

static void try_next(hg_iggy_t *c)
{
    if (!c->nodes.n) iggy_nodes_add(&c->nodes, hg_strz(c->opts.host), c->opts.port);
    const iggy_place_t *next = iggy_nodes_turn(&c->nodes, HG_MAX(c->failures, (uint64_t)1));
    c->try_classic = false;
    open_at(c, next->host, next->port);
}

static void overdue(hg_iggy_t *c)
{
    request_t *r = c->flight;
    if (c->state == PROBING || c->state == PROBING_CLASSIC) {
        lost_by(c, HG_ETIMEOUT, "the server is too busy, or is not an Iggy server: no answer to the greeting",
                greeting_ms(c));
    } else if (r && r->again_code) { /* the time for repeats is over */
        refused(c, r, r->again_code);
        pump(c);
    } else if (r) {
        char what[96];
        snprintf(what, sizeof what, "no answer to %s", iggy_cmds[r->op].name);
        lost_by(c, HG_ETIMEOUT, what, c->opts.request_ms);
    }
}

static void on_timer(uv_timer_t *t)
{
    hg_iggy_t *c = t->data;
    if (passed(c, &c->due_late)) {
        hg_err_t err = c->late;
        lost(c, &err, c->opts.retry_ms);
    } else if (passed(c, &c->due_open)) {
        try_next(c);
    } else if (passed(c, &c->due_again)) {
        transmit(c, c->flight);
    } else if (passed(c, &c->due_reply)) {
        overdue(c);
    } else if (passed(c, &c->due_look)) {
        look(c);
    } else if (passed(c, &c->due_beat)) {
        ask(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_PING });
    }
    rearm(c);
}

/* --- the owner's side --- */

hg_iggy_t *hg_iggy_open(hg_loop_t *loop, const hg_iggy_opts_t *opts, const hg_iggy_ops_t *ops, void *arg)
{
    HG_ON_LOOP(loop);
    hg_iggy_t *c = HG_NEW(hg_iggy_t);
    c->loop = loop;
    hg_iggy_opts_copy(&c->opts, opts);
    c->ops = *ops;
    c->arg = arg;
    c->verdict = HG_IGGY_AUTO;
    first_id(c);
    hg_list_init(&c->queue);
    hg_buf_init(&c->in, opts->max_frame + ((size_t)1 << 20));
    hg_buf_init(&c->current, opts->max_frame + ((size_t)1 << 20));
    uv_timer_init(hg_loop_uv(loop), &c->timer);
    c->timer.data = c;
    c->handles = 1;
    open_at(c, c->opts.host, c->opts.port);
    return c;
}

void hg_iggy_close(hg_iggy_t *c, void (*closed)(void *arg), void *arg)
{
    HG_ON_LOOP(c->loop);
    HG_ASSERT(!c->closing);
    hg_err_t err = HG_ERR_INIT;
    hg_err_set(&err, HG_ECLOSED, "%s:%u: the connection is being closed", c->host, (unsigned)c->port);
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    drop_stream(c);
    answer_all(c, &err);
    uv_close((uv_handle_t *)&c->timer, timer_gone);
}

bool hg_iggy_is_ready(const hg_iggy_t *c)
{
    return c->state == READY && !c->closing;
}

const hg_iggy_server_t *hg_iggy_server(const hg_iggy_t *c)
{
    return &c->server;
}

void hg_iggy_reconnect(hg_iggy_t *c, const char *why)
{
    HG_ON_LOOP(c->loop);
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "%s:%u: %s", c->host, (unsigned)c->port, why);
    lost(c, &err, 0);
}

int hg_iggy_call(hg_iggy_t *c, const hg_iggy_cmd_t *cmd, hg_iggy_done_fn done, void *arg, hg_err_t *err)
{
    HG_ON_LOOP(c->loop);
    HG_ASSERT(done && !(iggy_cmds[cmd->op].bits & HG_IGGY_L));
    if (!hg_iggy_is_ready(c)) return hg_err_retry(err, HG_EAGAIN, "%s:%u: not connected", c->host, (unsigned)c->port);
    c->calling = true;
    int rc = enqueue(c, cmd, done, arg, err);
    c->calling = false;
    rearm(c);
    return rc;
}

size_t hg_iggy_pending(const hg_iggy_t *c)
{
    return c->n_queue;
}

void hg_iggy_rest(hg_iggy_t *c)
{
    HG_ON_LOOP(c->loop);
    if (c->telling || c->in.len) return;
    hg_buf_release(&c->in);
    hg_buf_release(&c->current);
}

char *hg_iggy_take(const hg_iggy_reply_t *reply)
{
    hg_iggy_t *c = reply->client;
    size_t n;
    HG_ASSERT(c->telling);
    return hg_buf_take(&c->current, &n);
}
