/* What iggy/client does against a server that answers, one case after the other: "ok <case>" per case, or why not.
 *
 *   iggy_client ADDRESS all|CASE…             ADDRESS as hg_iggy_opts_parse reads it
 *   iggy_client ADDRESS produce N [durable]   N numbered messages into stream "load", topic "t" of 3 partitions; says
 *                                             "at K" every 10,000 and "done N twice M in T ms"
 *
 *   iggy_client ADDRESS consume N             reads N messages of that topic, from the first; says "done N in T ms",
 * then "idle C us/s", the time it takes when nothing comes
 *
 * The client lives on a loop of its own; a case asks it and waits for the answer. */
#include "base/hg.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "iggy/client/consumer.h"
#include "iggy/client/producer.h"

#define PATIENCE_MS 150000 /* decides nothing: what does not come fails */

static hg_loop_t *loop;
static hg_iggy_opts_t opts;
static const char *at; /* the case */
static bool durable;   /* topics that producers make */

static uv_mutex_t lock;
static uv_cond_t turn; /* something has happened on the loop */

HG_NORETURN static void give_up(const char *what)
{
    printf("not ok %s: %s\n", at, what);
    fflush(stdout);
    _Exit(1);
}

#define CHECK(c)                                                                                                       \
    do {                                                                                                               \
        if (!(c)) {                                                                                                    \
            char where[512];                                                                                           \
            snprintf(where, sizeof where, "%d: %s", __LINE__, #c);                                                     \
            give_up(where);                                                                                            \
        }                                                                                                              \
    } while (0)

static void happened(void)
{
    uv_mutex_lock(&lock);
    uv_cond_broadcast(&turn);
    uv_mutex_unlock(&lock);
}

/* Until cond, which call-backs on the loop make true; they set what it reads before happened(). */
#define WAIT(what, cond)                                                                                               \
    do {                                                                                                               \
        int64_t till = hg_mono_us() + (int64_t)PATIENCE_MS * 1000;                                                     \
        uv_mutex_lock(&lock);                                                                                          \
        while (!(cond)) {                                                                                              \
            if (hg_mono_us() > till) give_up("no " what);                                                              \
            uv_cond_timedwait(&turn, &lock, UINT64_C(50000000));                                                       \
        }                                                                                                              \
        uv_mutex_unlock(&lock);                                                                                        \
    } while (0)

/* --- a connection, asked from outside --- */

typedef struct {
    hg_iggy_t *c;
    const hg_iggy_opts_t *opts;
    _Atomic int state; /* 0 open, 1 ready, 2 fatal */
    _Atomic unsigned downs;
    hg_err_t err;
    /* the question and its answer */
    const hg_iggy_cmd_t *cmd;
    _Atomic bool answered, closed;
    int rc;
    uint32_t code;
    hg_err_t why;
    hg_buf_t body;
    hg_iggy_in_t in;
} peer_t;

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    peer_t *p = arg;
    (void)server;
    p->state = 1;
    happened();
}

static void on_down(void *arg, const hg_err_t *err)
{
    peer_t *p = arg;
    p->err = *err;
    p->downs++;
    happened();
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    peer_t *p = arg;
    p->err = *err;
    p->state = 2;
    happened();
}

static void do_open(void *arg)
{
    static const hg_iggy_ops_t ops = { on_ready, on_down, on_fatal };
    peer_t *p = arg;
    p->c = hg_iggy_open(loop, p->opts, &ops, p);
}

static void dial(peer_t *p, const hg_iggy_opts_t *o)
{
    *p = (peer_t){ .opts = o };
    hg_buf_init(&p->body, HG_BUF_NOMAX);
    hg_loop_call(loop, do_open, p);
    WAIT("connection", p->state || p->downs > 3);
}

/* The one that is needed: it has to come about. */
static void connect_peer(peer_t *p)
{
    dial(p, &opts);
    if (p->state != 1) give_up(p->err.msg);
}

static void on_closed(void *arg)
{
    peer_t *p = arg;
    p->closed = true;
    happened();
}

static void do_close(void *arg)
{
    peer_t *p = arg;
    hg_iggy_close(p->c, on_closed, p);
}

static void hang_up(peer_t *p)
{
    hg_loop_call(loop, do_close, p);
    WAIT("end of the connection", p->closed);
    hg_buf_release(&p->body);
}

static void on_answer(void *arg, const hg_iggy_reply_t *r)
{
    peer_t *p = arg;
    hg_buf_clear(&p->body);
    hg_buf_add(&p->body, r->in.p, (size_t)(r->in.end - r->in.p));
    p->code = r->code;
    p->rc = r->err ? (int)r->err->code : 0;
    if (r->err) p->why = *r->err;
    p->in = (hg_iggy_in_t){ (uint8_t *)p->body.p, (uint8_t *)p->body.p + p->body.len, r->in.proto };
    p->answered = true;
    happened();
}

static void do_call(void *arg)
{
    peer_t *p = arg;
    p->rc = hg_iggy_call(p->c, p->cmd, on_answer, p, &p->why);
    if (p->rc < 0) p->answered = true;
}

/* 0 or what went wrong; the payload is then in p->in. */
static int ask(peer_t *p, hg_iggy_cmd_t cmd)
{
    p->cmd = &cmd;
    p->answered = false;
    p->code = 0;
    hg_loop_call(loop, do_call, p);
    WAIT("answer", p->answered);
    return p->rc;
}

static bool vsr(const peer_t *p)
{
    return hg_iggy_server(p->c)->proto == HG_IGGY_VSR;
}

static void need(peer_t *p, hg_iggy_cmd_t cmd)
{
    if (ask(p, cmd) < 0) give_up(p->why.msg);
}

/* --- cases --- */

static hg_iggy_id_t S, T;

static void make_topic(peer_t *p, uint32_t partitions)
{
    (void)ask(p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    need(p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = S.name });
    need(p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC, .stream = S, .name = T.name, .count = partitions });
}

static void catalog(void)
{
    peer_t p;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_stream_t s;
    hg_iggy_topic_t t;
    hg_iggy_partition_t part;
    connect_peer(&p);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_PING });
    make_topic(&p, 3);
    CHECK(ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = S.name }) == HG_EEXIST);
    CHECK(p.code == HG_IGGY_E_STREAM_EXISTS);
    CHECK(ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC, .stream = S, .name = T.name, .count = 1 }) == HG_EEXIST);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = S });
    CHECK(hg_iggy_read_stream(&p.in, &s, &err) == 1 && hg_str_eq(s.name, S.name) && s.topics == 1);
    bool found = false;
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAMS });
    while (hg_iggy_read_stream(&p.in, &s, &err) > 0) found |= hg_str_eq(s.name, S.name);
    CHECK(found && p.in.p == p.in.end);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = S, .topic = T });
    CHECK(hg_iggy_read_topic(&p.in, &t, &err) == 1 && t.partitions == 3 && hg_str_eq(t.name, T.name));
    for (uint32_t i = 0; i < 3; i++) CHECK(hg_iggy_read_partition(&p.in, &part, &err) == 1 && part.id == i);
    CHECK(hg_iggy_read_partition(&p.in, &part, &err) == 0);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPICS, .stream = S });
    CHECK(hg_iggy_read_topic(&p.in, &t, &err) == 1 && t.id == 0);
    CHECK(hg_iggy_read_topic(&p.in, &t, &err) == 0);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = hg_iggy_named(HG_S("not there")) });
    CHECK(hg_iggy_read_stream(&p.in, &s, &err) == 0);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_PARTITIONS, .stream = S, .topic = T, .count = 2 });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_PARTITIONS, .stream = S, .topic = T, .count = 1 });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_UPDATE_TOPIC,
                              .stream = S,
                              .topic = T,
                              .name = T.name,
                              .topic_opts = { .expiry = UINT64_C(3600000000) } });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = S, .topic = T });
    CHECK(hg_iggy_read_topic(&p.in, &t, &err) == 1 && t.partitions == 4 && t.opts.expiry == UINT64_C(3600000000));
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC,
                              .stream = S,
                              .name = HG_S("limited"),
                              .count = 1,
                              .topic_opts = { .compression = HG_IGGY_GZIP,
                                              .expiry = UINT64_C(3600000000),
                                              .max_size = UINT64_C(5000000000) } });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = S, .topic = hg_iggy_named(HG_S("limited")) });
    CHECK(hg_iggy_read_topic(&p.in, &t, &err) == 1 && t.opts.compression == HG_IGGY_GZIP);
    CHECK(t.opts.expiry == UINT64_C(3600000000) && t.opts.max_size == UINT64_C(5000000000));
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_TOPIC, .stream = S, .topic = hg_iggy_named(HG_S("limited")) });
    CHECK(
        ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_TOPIC, .stream = S, .topic = hg_iggy_named(HG_S("limited")) }) ==
        HG_ENOTFOUND);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_PURGE_TOPIC, .stream = S, .topic = T });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_PURGE_STREAM, .stream = S });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_UPDATE_STREAM, .stream = S, .name = HG_S("hg-renamed") });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = hg_iggy_named(HG_S("hg-renamed")) });
    hang_up(&p);
}

static void server(void)
{
    peer_t p;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_client_info_t me;
    hg_iggy_stats_t stats;
    hg_iggy_node_t node;
    hg_iggy_option_info_t option;
    connect_peer(&p);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_ME });
    CHECK(hg_iggy_read_client(&p.in, &me, &err) == 1 && me.transport == 1 && me.address.n);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_CLIENTS });
    CHECK(hg_iggy_read_client(&p.in, &me, &err) == 1);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_CLIENT, .count = me.id });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_STATS });
    CHECK(hg_iggy_read_stats(&p.in, &stats, &err) == 1 && stats.clients >= 1 && stats.server_version.n);
    if (vsr(&p)) {
        need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_CLUSTER });
        CHECK(hg_iggy_read_node(&p.in, &node, &err) == 1 && node.leader && node.healthy);
        need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_OPTIONS, .count = 1 });
        unsigned n = 0;
        while (hg_iggy_read_option(&p.in, &option, &err) > 0) n += hg_str_eqz(option.key, "message_expiry");
        CHECK(n == 1);
    }
    hang_up(&p);
}

static void tokens(void)
{
    peer_t p, q;
    hg_err_t err = HG_ERR_INIT;
    hg_str_t token;
    hg_iggy_token_info_t info;
    hg_iggy_opts_t with;
    connect_peer(&p);
    (void)ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_TOKEN, .name = HG_S("hg-token") });
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOKEN, .name = HG_S("hg-token"), .expiry = UINT64_C(3600000000) });
    CHECK(hg_iggy_read_token(&p.in, &token, &err) == 1 && token.n);
    hg_iggy_opts_copy(&with, &opts);
    with.token = hg_xstrndup(token.p, token.n);
    dial(&q, &with);
    CHECK(q.state == 1);
    hang_up(&q);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOKENS });
    CHECK(hg_iggy_read_token_info(&p.in, &info, &err) == 1 && hg_str_eqz(info.name, "hg-token") && info.expires_at);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_TOKEN, .name = HG_S("hg-token") });
    dial(&q, &with); /* refused, and asked again for a while: it may be too new for this server */
    WAIT("the last word on a token that is gone", q.state);
    CHECK(q.state == 2 && !q.err.retry);
    hang_up(&q);
    hg_iggy_opts_release(&with);
    hang_up(&p);
}

static void credentials(void)
{
    peer_t p;
    hg_iggy_opts_t bad;
    hg_iggy_opts_copy(&bad, &opts);
    hg_free(bad.password);
    bad.password = hg_xstrdup("not this one");
    dial(&p, &bad);
    CHECK(p.state == 2 && strstr(p.err.msg, "InvalidCredentials"));
    hang_up(&p);
    hg_iggy_opts_release(&bad);
}

static void send_some(peer_t *p, uint32_t partition, unsigned from, unsigned n)
{
    hg_iggy_batch_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t h;
    char text[32];
    hg_iggy_sent_t sent;
    hg_buf_init(&h, HG_BUF_NOMAX);
    hg_iggy_header_add(&h, &(hg_iggy_header_t){ HG_IGGY_H_STRING, HG_IGGY_H_STRING, HG_S("k1"), HG_S("v1") }, &err);
    hg_iggy_batch_init(&b);
    for (unsigned i = from; i < from + n; i++) {
        int len = snprintf(text, sizeof text, "m%u", i);
        hg_iggy_message_t m = { .payload = { text, (size_t)len } };
        if (i % 2) m.headers = hg_buf_str(&h);
        CHECK(hg_iggy_batch_add(&b, &m, &err) == 0);
    }
    need(p, (hg_iggy_cmd_t){ .op = HG_IGGY_SEND, .stream = S, .topic = T, .partition = partition, .batch = &b });
    if (vsr(p)) CHECK(hg_iggy_read_sent(&p->in, &sent, &err) == 1 && sent.base_offset == from);
    hg_iggy_batch_release(&b);
    hg_buf_release(&h);
}

/* Polls and checks that messages from..from+n-1 came. */
static void polls(peer_t *p, hg_iggy_strategy_t strategy, uint32_t count, unsigned from, unsigned n)
{
    hg_iggy_polled_t polled;
    hg_iggy_message_t m;
    hg_err_t err = HG_ERR_INIT;
    char text[32];
    need(p, (hg_iggy_cmd_t){ .op = HG_IGGY_POLL,
                             .stream = S,
                             .topic = T,
                             .consumer = { false, hg_iggy_named(HG_S("hg-one")) },
                             .partition = 1,
                             .strategy = strategy,
                             .count = count });
    if (hg_iggy_read_polled(&p->in, &polled, &err) < 0) give_up(err.msg);
    CHECK(polled.partition == 1 && polled.count == n);
    for (unsigned i = from; i < from + n; i++) {
        snprintf(text, sizeof text, "m%u", i);
        CHECK(hg_iggy_messages_next(&polled.messages, &m));
        CHECK(m.offset == i && hg_str_eqz(m.payload, text) && m.id && m.timestamp && m.origin_timestamp);
        CHECK((m.headers.n > 0) == (i % 2 == 1));
    }
}

static void messages(void)
{
    peer_t p;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_offset_t offset;
    connect_peer(&p);
    make_topic(&p, 2);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 }, 10, 0, 0);
    send_some(&p, 1, 0, 10);
    send_some(&p, 1, 10, 15);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_FIRST, 0 }, 4, 0, 4);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 7 }, 6, 7, 6); /* over two batches */
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_LAST, 0 }, 3, 22, 3);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_TIMESTAMP, 1 }, 100, 0, 25);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 }, 5, 0, 5);
    hg_iggy_cmd_t c = {
        .stream = S, .topic = T, .partition = 1, .offset = 20, .consumer = { false, hg_iggy_named(HG_S("hg-one")) }
    };
    c.op = HG_IGGY_GET_OFFSET;
    need(&p, c);
    CHECK(hg_iggy_read_offset(&p.in, &offset, &err) == 0);
    c.op = HG_IGGY_STORE_OFFSET;
    need(&p, c);
    c.op = HG_IGGY_GET_OFFSET;
    need(&p, c);
    CHECK(hg_iggy_read_offset(&p.in, &offset, &err) == 1 && offset.stored == 20 && offset.newest == 24);
    polls(&p, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 }, 100, 21, 4);
    c.op = HG_IGGY_STORE_OFFSET;
    c.offset = 1000;
    CHECK(ask(&p, c) < 0 && p.code == HG_IGGY_E_INVALID_OFFSET);
    c.op = HG_IGGY_DELETE_OFFSET;
    need(&p, c);
    CHECK(ask(&p, c) < 0 && p.code == HG_IGGY_E_OFFSET_NOT_FOUND);
    c.op = HG_IGGY_POLL;
    c.partition = 9;
    c.count = 1;
    c.strategy.from = HG_IGGY_FIRST;
    CHECK(ask(&p, c) == HG_ENOTFOUND);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    hang_up(&p);
}

static void groups(void)
{
    peer_t p;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_group_t g;
    hg_iggy_assignment_t as;
    connect_peer(&p);
    make_topic(&p, 2);
    hg_iggy_cmd_t c = { .op = HG_IGGY_JOIN_GROUP,
                        .stream = S,
                        .topic = T,
                        .group = hg_iggy_named(HG_S("hg-group")),
                        .name = HG_S("hg-group") };
    CHECK(ask(&p, c) == HG_ENOTFOUND && p.code == HG_IGGY_E_GROUP_NOT_FOUND);
    c.op = HG_IGGY_CREATE_GROUP;
    need(&p, c);
    CHECK(ask(&p, c) == HG_EEXIST);
    c.op = HG_IGGY_JOIN_GROUP;
    need(&p, c);
    c.op = HG_IGGY_GET_GROUP;
    need(&p, c);
    CHECK(hg_iggy_read_group(&p.in, &g, &err) == 1 && g.members == 1 && g.partitions == 2);
    c.op = HG_IGGY_GET_GROUPS;
    need(&p, c);
    CHECK(hg_iggy_read_group(&p.in, &g, &err) == 1 && hg_str_eqz(g.name, "hg-group"));
    if (vsr(&p)) {
        c.op = HG_IGGY_SYNC_GROUP;
        need(&p, c);
        CHECK(hg_iggy_read_assignment(&p.in, &as, &err) == 1 && as.n == 2);
    }
    c.op = HG_IGGY_LEAVE_GROUP;
    need(&p, c);
    c.op = HG_IGGY_DELETE_GROUP;
    need(&p, c);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    hang_up(&p);
}

/* --- producer --- */

typedef struct {
    hg_iggy_producer_t *p;
    hg_iggy_producer_opts_t o;
    uint64_t first, n, added, delivered, twice, told; /* numbers from first on */
    bool ready, closed;
    hg_err_t err;
    _Atomic int state; /* 1 all delivered, 2 fatal, 3 closed */
} load_t;

static void feed(load_t *l)
{
    hg_err_t err = HG_ERR_INIT;
    char text[160], key[16];
    memset(text, '.', sizeof text);
    while (l->added < l->n) {
        int len = snprintf(text, sizeof text, "%" PRIu64 " ", l->first + l->added), k;
        text[len] = '.';
        k = snprintf(key, sizeof key, "key-%" PRIu64, (l->first + l->added) % 10);
        hg_iggy_message_t m = { .payload = { text, 150 } };
        int rc = hg_iggy_producer_add(l->p, &m, (hg_str_t){ key, (size_t)k }, l->added, &err);
        if (rc == HG_EAGAIN) return;
        CHECK(rc == 0);
        l->added++;
    }
    hg_iggy_producer_flush(l->p);
}

static void l_ready(void *arg, const hg_iggy_server_t *s)
{
    (void)s;
    feed(arg);
}

static void l_down(void *arg, const hg_err_t *err)
{
    (void)arg;
    fprintf(stderr, "down: %s\n", err->msg);
}

static void l_fatal(void *arg, const hg_err_t *err)
{
    load_t *l = arg;
    l->err = *err;
    l->state = 2;
    happened();
}

static void l_delivered(void *arg, const hg_iggy_delivery_t *d)
{
    load_t *l = arg;
    l->delivered += d->count;
    if (d->twice) l->twice += d->count;
    for (; l->told + 10000 <= l->delivered; l->told += 10000) {
        printf("at %" PRIu64 "\n", l->told + 10000);
        fflush(stdout);
    }
    if (l->delivered < l->n) return;
    CHECK(d->done == UINT64_MAX && hg_iggy_producer_open_messages(l->p) == 0 && hg_iggy_producer_open_bytes(l->p) == 0);
    l->state = 1;
    happened();
}

static bool l_refused(void *arg, const hg_iggy_delivery_t *d, const hg_err_t *err)
{
    (void)arg;
    (void)d;
    (void)err;
    return false;
}

static void do_load(void *arg)
{
    static const hg_iggy_producer_ops_t ops = {
        l_ready, l_down, l_fatal, l_delivered, l_refused, (void (*)(void *))feed
    };
    load_t *l = arg;
    l->p = hg_iggy_producer_open(loop, &opts, &l->o, &ops, l);
}

static void l_closed(void *arg)
{
    load_t *l = arg;
    l->state = 3;
    happened();
}

static void do_unload(void *arg)
{
    load_t *l = arg;
    hg_iggy_producer_close(l->p, l_closed, l);
}

static void produce(load_t *l, uint64_t n)
{
    static uint64_t first;
    *l = (load_t){ .first = first,
                   .n = n,
                   .o = { .stream = S,
                          .topic = T,
                          .partitioning = HG_IGGY_BY_KEY,
                          .create = true,
                          .durable = durable,
                          .partitions = 3,
                          .linger_ms = 5,
                          .buffer_bytes = (size_t)4 << 20 } };
    first += n;
    hg_loop_call(loop, do_load, l);
    while (!l->state) {
        uv_mutex_lock(&lock);
        uv_cond_timedwait(&turn, &lock, UINT64_C(50000000));
        uv_mutex_unlock(&lock);
    }
    if (l->state == 2) give_up(l->err.msg);
    hg_loop_call(loop, do_unload, l);
    WAIT("end of the producer", l->state == 3);
}

/* --- consumer --- */

#define PARTS 3
typedef struct {
    hg_iggy_consumer_t *c;
    hg_iggy_consumer_opts_t o;
    uint64_t next[PARTS];                    /* offsets */
    uint64_t last_of_key[10];                /* number + 1 */
    _Atomic uint64_t seen, owned, committed; /* owned: bits */
    _Atomic int state;                       /* 1 ready, 2 fatal, 3 closed */
    _Atomic unsigned ends;                   /* partitions with nothing more */
    bool commit;
    hg_err_t err;
} eater_t;

static void e_ready(void *arg, const hg_iggy_server_t *s)
{
    eater_t *e = arg;
    (void)s;
    e->state = 1;
    happened();
}

static void e_fatal(void *arg, const hg_err_t *err)
{
    eater_t *e = arg;
    e->err = *err;
    e->state = 2;
    happened();
}

static void e_assigned(void *arg, const uint32_t *parts, uint32_t n)
{
    eater_t *e = arg;
    for (uint32_t i = 0; i < n; i++) {
        CHECK(parts[i] < PARTS && !(e->owned & HG_BIT(parts[i])));
        e->owned |= HG_BIT(parts[i]);
        e->next[parts[i]] = UINT64_MAX;
    }
    happened();
}

static void e_revoked(void *arg, const uint32_t *parts, uint32_t n)
{
    eater_t *e = arg;
    for (uint32_t i = 0; i < n; i++) {
        CHECK(e->owned & HG_BIT(parts[i]));
        e->owned &= ~(uint64_t)HG_BIT(parts[i]);
    }
    happened();
}

static void e_stored(void *arg, const hg_iggy_reply_t *r)
{
    eater_t *e = arg;
    if (!r->err) e->committed++;
    happened();
}

static void e_batch(void *arg, const hg_iggy_delivered_t *d)
{
    eater_t *e = arg;
    hg_iggy_messages_t it = d->messages;
    hg_iggy_message_t m;
    hg_err_t err = HG_ERR_INIT;
    CHECK(e->owned & HG_BIT(d->partition));
    if (!d->count) {
        e->ends++;
        happened();
        return;
    }
    CHECK(e->next[d->partition] == UINT64_MAX || d->first == e->next[d->partition]);
    uint64_t offset = d->first;
    while (hg_iggy_messages_next(&it, &m)) {
        uint64_t number = strtoull(m.payload.p, NULL, 10);
        CHECK(m.offset == offset++);
        CHECK(hg_iggy_key_partition((hg_str_t){ (char[]){ 'k', 'e', 'y', '-', (char)('0' + number % 10) }, 5 },
                                    PARTS) == d->partition);
        CHECK(number >= e->last_of_key[number % 10]); /* in order */
        e->last_of_key[number % 10] = number + 1;
        e->seen++;
    }
    CHECK(offset == d->last + 1 && d->end >= offset);
    e->next[d->partition] = offset;
    if (e->commit) CHECK(hg_iggy_consumer_commit(e->c, d->partition, d->last, e_stored, e, &err) == 0);
    happened();
}

static void do_eat(void *arg)
{
    static const hg_iggy_consumer_ops_t ops = { e_ready, l_down, e_fatal, e_assigned, e_revoked, NULL, e_batch };
    eater_t *e = arg;
    e->c = hg_iggy_consumer_open(loop, &opts, &e->o, &ops, e);
}

static void eat(eater_t *e, const char *name, bool group, hg_iggy_strategy_t start)
{
    *e = (eater_t){
        .commit = group,
        .o = { .stream = S, .topic = T, .consumer = { group, hg_iggy_named(hg_strz(name)) }, .start = start }
    };
    hg_loop_call(loop, do_eat, e);
    WAIT("consumer", e->state);
    if (e->state == 2) give_up(e->err.msg);
}

static void e_closed(void *arg)
{
    eater_t *e = arg;
    e->state = 3;
    happened();
}

static void do_stop(void *arg)
{
    eater_t *e = arg;
    hg_iggy_consumer_close(e->c, e_closed, e);
}

static void stop_eating(eater_t *e)
{
    hg_loop_call(loop, do_stop, e);
    WAIT("end of the consumer", e->state == 3);
}

static void alone(void)
{
    peer_t p;
    load_t l;
    eater_t e;
    connect_peer(&p);
    (void)ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    produce(&l, 20000);
    eat(&e, "hg-alone", false, (hg_iggy_strategy_t){ HG_IGGY_FIRST, 0 });
    WAIT("message", e.seen == 20000 && e.ends >= PARTS);
    CHECK(e.owned == 7);
    stop_eating(&e);
    eat(&e, "hg-late", false, (hg_iggy_strategy_t){ HG_IGGY_END, 0 }); /* nothing of what was there */
    WAIT("end", e.ends == PARTS);
    CHECK(e.seen == 0);
    produce(&l, 30);
    WAIT("new message", e.seen == 30);
    stop_eating(&e);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    hang_up(&p);
}

static void group(void)
{
    peer_t p;
    load_t l;
    eater_t a, b;
    connect_peer(&p);
    (void)ask(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    produce(&l, 10000);
    eat(&a, "hg-group", true, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 });
    WAIT("message", a.seen == 10000);
    stop_eating(&a); /* commits that are under way are not lost */
    CHECK(a.committed > 0);
    produce(&l, 100);
    eat(&a, "hg-group", true, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 });
    WAIT("message that is new", a.seen == 100);
    if (vsr(&p)) {
        CHECK(a.owned == 7);
        eat(&b, "hg-group", true, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 });
        WAIT("rebalance", (a.owned ^ b.owned) == 7 && (a.owned & b.owned) == 0 && b.owned);
        produce(&l, 1000);
        WAIT("message of two members", a.seen + b.seen == 1100 && b.seen > 0);
        stop_eating(&b);
        WAIT("partition of the one that left", a.owned == 7);
        produce(&l, 1000);
        WAIT("message after it left", a.seen + b.seen == 2100);
    }
    stop_eating(&a);
    need(&p, (hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = S });
    hang_up(&p);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = { { "catalog", catalog },   { "server", server }, { "tokens", tokens }, { "credentials", credentials },
              { "messages", messages }, { "groups", groups }, { "alone", alone },   { "group", group } };

int main(int argc, char **argv)
{
    hg_err_t err = HG_ERR_INIT;
    if (argc < 3) {
        fprintf(stderr, "usage: %s ADDRESS all|CASE…|produce N [durable]|consume N\n", argv[0]);
        return 2;
    }
    uv_mutex_init(&lock);
    uv_cond_init(&turn);
    hg_iggy_opts_init(&opts);
    opts.retry_ms = 100;
    opts.reestablish_ms = 0;
    opts.heartbeat_ms = 500;
    if (hg_iggy_opts_parse(&opts, hg_strz(argv[1]), &err) < 0 || hg_iggy_opts_check(&opts, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 2;
    }
    S = hg_iggy_named(HG_S("hg-client"));
    T = hg_iggy_named(HG_S("t"));
    loop = hg_loop_new("iggy");
    hg_loop_start(loop);
    if (strcmp(argv[2], "produce") == 0 && argc >= 4) {
        load_t l;
        at = "produce";
        durable = argc == 5 && strcmp(argv[4], "durable") == 0;
        S = hg_iggy_named(HG_S("load"));
        int64_t from = hg_mono_us();
        produce(&l, strtoull(argv[3], NULL, 10));
        printf("done %" PRIu64 " twice %" PRIu64 " in %" PRIi64 " ms\n", l.delivered, l.twice,
               (hg_mono_us() - from) / 1000);
    } else if (strcmp(argv[2], "consume") == 0 && argc == 4) {
        eater_t e;
        at = "consume";
        S = hg_iggy_named(HG_S("load"));
        int64_t from = hg_mono_us();
        uint64_t n = strtoull(argv[3], NULL, 10);
        eat(&e, "hg-load", false, (hg_iggy_strategy_t){ HG_IGGY_FIRST, 0 });
        WAIT("message", e.seen >= n && e.ends >= PARTS);
        printf("done %" PRIu64 " in %" PRIi64 " ms\n", (uint64_t)e.seen, (hg_mono_us() - from) / 1000);
        uint64_t cpu = hg_cpu_msecs();
        uv_sleep(5000);
        printf("idle %" PRIu64 " us/s\n", (hg_cpu_msecs() - cpu) * 1000 / 5);
        stop_eating(&e);
    } else {
        for (size_t i = 0; i < HG_COUNT(cases); i++) {
            bool wanted = strcmp(argv[2], "all") == 0;
            for (int k = 2; k < argc; k++) wanted |= strcmp(argv[k], cases[i].name) == 0;
            if (!wanted) continue;
            at = cases[i].name;
            cases[i].run();
            printf("ok %s\n", at);
            fflush(stdout);
        }
    }
    hg_loop_stop(loop);
    hg_loop_free(loop);
    hg_iggy_opts_release(&opts);
    return 0;
}
