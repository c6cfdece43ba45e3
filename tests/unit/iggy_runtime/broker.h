/* broker.h: producers and consumers of iggy/client, played: one topic of one partition in memory, on the I/O loop. The
 * test says what it refuses, and what it holds back. Takes the place of iggy/client's own by being linked first. */
#ifndef HG_TEST_IGGY_BROKER_H
#define HG_TEST_IGGY_BROKER_H

#include "tests/lib/test.h"

#include "base/mem.h"
#include "iggy/client/consumer.h"
#include "iggy/client/producer.h"
#include <pthread.h>

#define MESSAGES_MAX 20000

typedef struct stored {
    char *payload, *headers;
    size_t n, headers_n;
} stored_t;

struct hg_iggy_producer {
    hg_loop_t *loop;
    const hg_iggy_producer_ops_t *ops;
    void *arg;
    bool dead; /* a topic of dead letters */
    bool over; /* said to be: takes nothing */
    stored_t pending[MESSAGES_MAX];
    uint32_t n;
    uint64_t last_tag;
    bool posted, closing;
    void (*closed)(void *);
    void *closed_arg;
};

struct hg_iggy_consumer {
    hg_loop_t *loop;
    const hg_iggy_consumer_ops_t *ops;
    void *arg;
    uint32_t batch;
    uint64_t next;
    bool paused, posted, revoked;
    void (*closed)(void *);
    void *closed_arg;
};

typedef struct commit {
    hg_iggy_done_fn done;
    void *arg;
    uint32_t code; /* of the refusal */
} commit_t;

static struct broker {
    pthread_mutex_t lock; /* guards all: the test looks, too */
    pthread_cond_t changed;
    stored_t topic[MESSAGES_MAX], dead[MESSAGES_MAX];
    uint32_t n, n_dead;
    uint64_t stored_offset;             /* one behind it */
    unsigned commits, refuse;           /* refuse: so many batches */
    bool hold;                          /* batches wait */
    bool many;                          /* polls bring as many as the consumer may ask for */
    unsigned refused;                   /* commits */
    uint32_t refuse_code;               /* of the commit of offset 29; 0: it works */
    bool wrong_password;                /* producers are over before they are asked for anything */
    uint32_t held;                      /* messages of the one that does */
    void (*on_commit)(uint64_t offset); /* the test looks before it is answered */
    uint64_t lose_commit;               /* of this offset: the connection is lost over it, once; 0: none */
    void (*on_lost)(void *arg);         /* between its answer and the end of the connection: arg of the commit */
    hg_iggy_consumer_t *consumer;
    hg_iggy_producer_t *producer;
} g_b = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static char *copy(hg_str_t s)
{
    char *p = hg_xnew(s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

static void drop(stored_t *s)
{
    hg_free(s->payload);
    hg_free(s->headers);
}

static void broker_clear(void)
{
    for (uint32_t i = 0; i < g_b.n; i++) drop(&g_b.topic[i]);
    for (uint32_t i = 0; i < g_b.n_dead; i++) drop(&g_b.dead[i]);
    g_b.n = g_b.n_dead = 0;
    g_b.stored_offset = 0;
    g_b.commits = g_b.refuse = 0;
    g_b.hold = g_b.wrong_password = g_b.many = false;
    g_b.refuse_code = g_b.refused = 0;
    g_b.held = 0;
    g_b.on_commit = NULL;
    g_b.lose_commit = 0;
    g_b.on_lost = NULL;
    g_b.consumer = NULL;
}

static void broker_put(const char *payload)
{
    g_b.topic[g_b.n++] = (stored_t){ copy(hg_strz(payload)), copy(HG_S("")), strlen(payload), 0 };
}

/* Test thread. */
#define BROKER_WAIT(cond)                                                                                              \
    do {                                                                                                               \
        pthread_mutex_lock(&g_b.lock);                                                                                 \
        while (!(cond)) pthread_cond_wait(&g_b.changed, &g_b.lock);                                                    \
        pthread_mutex_unlock(&g_b.lock);                                                                               \
    } while (0)

/* --- producer --- */
static void producer_ready(void *arg)
{
    hg_iggy_producer_t *p = arg;
    static const hg_iggy_server_t server = { .version = "played", .host = "here" };
    p->ops->ready(p->arg, &server);
}

hg_iggy_producer_t *hg_iggy_producer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_producer_opts_t *opts, const hg_iggy_producer_ops_t *ops,
                                          void *arg)
{
    (void)conn;
    hg_iggy_producer_t *p = HG_NEW(hg_iggy_producer_t);
    p->loop = loop;
    p->ops = ops;
    p->arg = arg;
    p->dead = hg_str_eqz(opts->topic.name, "dead");
    pthread_mutex_lock(&g_b.lock);
    if (!p->dead) g_b.producer = p;
    pthread_mutex_unlock(&g_b.lock);
    if (g_b.wrong_password) {
        hg_err_t err;
        hg_err_set(&err, HG_EPERM, "the password is wrong");
        p->over = true;
        ops->fatal(arg, &err);
    } else {
        hg_loop_post(loop, producer_ready, p);
    }
    return p;
}

static void producer_turn(void *arg);

int hg_iggy_producer_add(hg_iggy_producer_t *p, const hg_iggy_message_t *m, hg_str_t key, uint64_t tag, hg_err_t *err)
{
    (void)key;
    if (p->over) return hg_err_set(err, HG_ECLOSED, "the producer has stopped");
    if (p->n == 100) { /* so that jobs take several turns */
        hg_iggy_producer_flush(p);
        return hg_err_set(err, HG_EAGAIN, "full");
    }
    p->pending[p->n++] = (stored_t){ copy(m->payload), copy(m->headers), m->payload.n, m->headers.n };
    p->last_tag = tag;
    return 0;
}

void hg_iggy_producer_flush(hg_iggy_producer_t *p)
{
    if (p->posted || !p->n) return;
    p->posted = true;
    hg_loop_post(p->loop, producer_turn, p);
}

static void producer_turn(void *arg)
{
    hg_iggy_producer_t *p = arg;
    pthread_mutex_lock(&g_b.lock);
    p->posted = false;
    bool refused = g_b.refuse && !p->dead;
    if (p->closing || g_b.hold) {
        g_b.held = p->n;
        pthread_cond_broadcast(&g_b.changed);
        pthread_mutex_unlock(&g_b.lock);
        return;
    }
    if (refused) g_b.refuse--;
    for (uint32_t i = 0; i < p->n; i++) {
        if (refused)
            drop(&p->pending[i]);
        else if (p->dead)
            g_b.dead[g_b.n_dead++] = p->pending[i];
        else
            g_b.topic[g_b.n++] = p->pending[i];
    }
    pthread_cond_broadcast(&g_b.changed);
    pthread_mutex_unlock(&g_b.lock);
    hg_iggy_delivery_t d = { .count = p->n, .done = p->last_tag + 1 };
    p->n = 0;
    hg_err_t err;
    hg_err_set(&err, HG_EIO, "the test refuses");
    if (refused)
        assert_true(p->ops->refused(p->arg, &d, &err));
    else
        p->ops->delivered(p->arg, &d);
    p->ops->room(p->arg);
}

uint64_t hg_iggy_producer_open_messages(const hg_iggy_producer_t *p)
{
    return p->n;
}

static void producer_gone(void *arg)
{
    hg_iggy_producer_t *p = arg;
    void (*closed)(void *) = p->closed;
    void *closed_arg = p->closed_arg;
    for (uint32_t i = 0; i < p->n; i++) drop(&p->pending[i]);
    pthread_mutex_lock(&g_b.lock);
    if (g_b.producer == p) g_b.producer = NULL;
    pthread_mutex_unlock(&g_b.lock);
    hg_free(p);
    closed(closed_arg);
}

void hg_iggy_producer_close(hg_iggy_producer_t *p, void (*closed)(void *arg), void *arg)
{
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    hg_loop_post(p->loop, producer_gone, p);
}

static void producer_release(void *arg)
{
    (void)arg;
    g_b.hold = false;
    hg_iggy_producer_flush(g_b.producer);
}

/* --- consumer --- */
static void consumer_turn(void *arg);

static void consumer_poll(hg_iggy_consumer_t *c)
{
    if (c->posted) return;
    c->posted = true;
    hg_loop_post(c->loop, consumer_turn, c);
}

static void le(char *to, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) to[i] = (char)(v >> 8 * i);
}

struct reply_memory {
    hg_iggy_reply_t reply; /* first */
    char *memory;
};

char *hg_iggy_take(const hg_iggy_reply_t *reply)
{
    const struct reply_memory *m = (const struct reply_memory *)(const void *)reply;
    return m->memory;
}

static void consumer_turn(void *arg)
{
    hg_iggy_consumer_t *c = arg;
    pthread_mutex_lock(&g_b.lock);
    c->posted = false;
    uint32_t n =
        c->paused || c->closed || c->revoked || c->next >= g_b.n ? 0 : (uint32_t)HG_MIN(c->batch, g_b.n - c->next);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < n; i++) { /* as the classic protocol has them */
        const stored_t *s = &g_b.topic[c->next + i];
        char head[64] = { 0 };
        le(head + 8, c->next + i + 1, 8);
        le(head + 24, c->next + i, 8);
        le(head + 48, s->headers_n, 4);
        le(head + 52, s->n, 4);
        hg_buf_add(&b, head, sizeof head);
        hg_buf_add(&b, s->payload, s->n);
        hg_buf_add(&b, s->headers, s->headers_n);
    }
    uint64_t end = g_b.n;
    pthread_mutex_unlock(&g_b.lock);
    if (n == 0) return;
    struct reply_memory m = { .reply = { .err = NULL } };
    size_t len = b.len;
    m.memory = hg_buf_take(&b, NULL);
    const uint8_t *p = (const uint8_t *)m.memory;
    hg_iggy_delivered_t d = { .count = n, .first = c->next, .last = c->next + n - 1, .end = end, .reply = &m.reply };
    d.messages = (hg_iggy_messages_t){ .p = p, .end = p + len, .left = n, .proto = HG_IGGY_CLASSIC };
    c->next += n;
    c->ops->batch(c->arg, &d);
    consumer_poll(c);
}

static void consumer_ready(void *arg)
{
    hg_iggy_consumer_t *c = arg;
    static const hg_iggy_server_t server = { .version = "played", .host = "here" };
    c->ops->ready(c->arg, &server);
    consumer_poll(c);
}

hg_iggy_consumer_t *hg_iggy_consumer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_consumer_opts_t *opts, const hg_iggy_consumer_ops_t *ops,
                                          void *arg)
{
    (void)conn;
    hg_iggy_consumer_t *c = HG_NEW(hg_iggy_consumer_t);
    c->loop = loop;
    c->ops = ops;
    c->arg = arg;
    c->batch = g_b.many ? opts->many_count : opts->batch_count;
    pthread_mutex_lock(&g_b.lock);
    c->next = g_b.stored_offset;
    g_b.consumer = c;
    pthread_cond_broadcast(&g_b.changed);
    pthread_mutex_unlock(&g_b.lock);
    hg_loop_post(loop, consumer_ready, c);
    return c;
}

void hg_iggy_consumer_pause(hg_iggy_consumer_t *c)
{
    c->paused = true;
}

void hg_iggy_consumer_resume(hg_iggy_consumer_t *c)
{
    c->paused = false;
    consumer_poll(c);
}

static void consumer_revoke(void *arg);

void hg_iggy_consumer_sync(hg_iggy_consumer_t *c)
{
    hg_loop_post(c->loop, consumer_revoke, NULL);
}

void hg_iggy_consumer_rest(hg_iggy_consumer_t *c)
{
    (void)c;
}

int hg_iggy_consumer_seek(hg_iggy_consumer_t *c, uint32_t partition, hg_iggy_strategy_t to, hg_err_t *err)
{
    (void)err;
    assert_int_equal(partition, 0);
    c->next = to.from == HG_IGGY_OFFSET ? to.value : g_b.stored_offset;
    return 0;
}

static void commit_done(void *arg)
{
    commit_t *k = arg;
    k->done(k->arg, &(hg_iggy_reply_t){ .err = NULL });
    hg_free(k);
}

static void consumer_again(void *arg)
{
    hg_iggy_consumer_t *c = arg;
    c->revoked = false;
    pthread_mutex_lock(&g_b.lock);
    c->next = g_b.stored_offset;
    pthread_mutex_unlock(&g_b.lock);
    consumer_poll(c);
}

static void commit_refused(void *arg)
{
    commit_t *k = arg;
    hg_err_t err;
    hg_err_set(&err, HG_EPROTO, "refused");
    k->done(k->arg, &(hg_iggy_reply_t){ .err = &err, .code = k->code });
    hg_free(k);
}

/* As the client does it: calls that were open are answered first, then everything is revoked. */
static void commit_lost(void *arg)
{
    static const uint32_t all[] = { 0 };
    commit_t *k = arg;
    hg_iggy_consumer_t *c = g_b.consumer;
    hg_err_t err;
    hg_err_set(&err, HG_ECLOSED, "the connection is lost");
    c->revoked = true;
    k->done(k->arg, &(hg_iggy_reply_t){ .err = &err });
    if (g_b.on_lost) g_b.on_lost(k->arg);
    c->ops->revoked(c->arg, all, 1);
    hg_loop_post(c->loop, consumer_again, c);
    hg_free(k);
}

int hg_iggy_consumer_commit(hg_iggy_consumer_t *c, uint32_t partition, uint64_t offset, hg_iggy_done_fn done, void *arg,
                            hg_err_t *err)
{
    (void)err;
    assert_int_equal(partition, 0);
    assert_false(c->revoked);
    pthread_mutex_lock(&g_b.lock);
    assert_true(offset + 1 > g_b.stored_offset); /* never backwards */
    bool lost = offset && offset == g_b.lose_commit;
    uint32_t code = g_b.refuse_code && offset == 29 ? g_b.refuse_code : 0;
    if (lost) {
        g_b.lose_commit = 0;
    } else if (code) {
        g_b.refused++;
    } else {
        g_b.stored_offset = offset + 1;
        g_b.commits++;
        if (g_b.on_commit) g_b.on_commit(offset);
    }
    pthread_cond_broadcast(&g_b.changed);
    pthread_mutex_unlock(&g_b.lock);
    commit_t *k = HG_NEW(commit_t);
    *k = (commit_t){ done, arg, code };
    hg_loop_post(c->loop, lost ? commit_lost : code ? commit_refused : commit_done, k);
    return 0;
}

static void consumer_gone(void *arg)
{
    hg_iggy_consumer_t *c = arg;
    void (*closed)(void *) = c->closed;
    void *closed_arg = c->closed_arg;
    hg_free(c);
    closed(closed_arg);
}

static void consumer_last_turn(void *arg) /* behind a poll that was posted */
{
    hg_iggy_consumer_t *c = arg;
    hg_loop_post(c->loop, consumer_gone, c);
}

void hg_iggy_consumer_close(hg_iggy_consumer_t *c, void (*closed)(void *arg), void *arg)
{
    c->closed = closed;
    c->closed_arg = arg;
    hg_loop_post(c->loop, consumer_last_turn, c);
}

static void consumer_revoke(void *arg)
{
    static const uint32_t all[] = { 0 };
    hg_iggy_consumer_t *c = g_b.consumer;
    (void)arg;
    c->revoked = true;
    c->ops->revoked(c->arg, all, 1);
}

static void consumer_die(void *arg)
{
    hg_iggy_consumer_t *c = g_b.consumer;
    hg_err_t err;
    (void)arg;
    hg_err_set(&err, HG_EPERM, "the password is wrong");
    c->ops->fatal(c->arg, &err);
}

#endif
