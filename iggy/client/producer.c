/* producer.c: open batches, the queue of full ones, and the one that is being sent.
 *
 * 1. The queue is in the order in which batches were closed; its first is the only one that is ever sent. Nothing
 *    overtakes it, whatever happens to it, so messages of a partition stay in order.
 * 2. A batch has its partition from when it is opened (a key, a fixed one) or from its first sending (balanced).
 * 3. What an answer decides: done; lost (again, after the next ready); the topic is not there (look, then again);
 *    never (refused). */
#include "base/hg.h"
#include "base/list.h"
#include "base/mem.h"
#include "iggy/client/producer.h"
#include "iggy/client/topic_int.h"

#define SPARES       4 /* batches kept for the next */
#define MISSING_MOST 3 /* a topic that is there and has not what it has */

typedef struct {
    hg_list_t link; /* producer.queue or .spare; alone while it is open */
    hg_iggy_batch_t b;
    uint32_t partition;
    bool placed, twice;
    unsigned missing;
    uint64_t first_tag;
} batch_t;

struct hg_iggy_producer {
    hg_loop_t *loop;
    hg_iggy_t *conn;
    hg_iggy_producer_opts_t opts;
    hg_iggy_producer_ops_t ops;
    void *arg;
    uint64_t retry_ms;
    iggy_find_t find;
    bool up, was_up, dead, closing, full, adding; /* up: connected and the topic found */
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
    uv_timer_t timer; /* linger, or the next look for the topic */
    uint64_t due_linger, due_find;

    uint32_t partitions, turn;
    batch_t **open; /* one per partition, and [partitions] for those without one */
    uint32_t n_open;
    hg_list_t queue, spare;
    unsigned n_spare;
    batch_t *flight;
    uint64_t messages;
    size_t bytes;
};

static void pump(hg_iggy_producer_t *p);

static uint64_t now(const hg_iggy_producer_t *p)
{
    return uv_now(hg_loop_uv(p->loop)) + 1;
}

/* --- the timer --- */

static void on_timer(uv_timer_t *t);

static void rearm(hg_iggy_producer_t *p)
{
    uint64_t due = p->due_linger, at = now(p);
    if (p->due_find && (!due || p->due_find < due)) due = p->due_find;
    if (p->closing || p->dead || !due)
        uv_timer_stop(&p->timer);
    else
        uv_timer_start(&p->timer, on_timer, due > at ? due - at : 0, 0);
}

/* --- batches --- */

static batch_t *new_batch(hg_iggy_producer_t *p)
{
    batch_t *b;
    if (!hg_list_empty(&p->spare)) {
        b = HG_ENTRY(hg_list_pop(&p->spare), batch_t, link);
        p->n_spare--;
    } else {
        b = HG_NEW(batch_t);
        hg_list_init(&b->link);
        hg_iggy_batch_init(&b->b);
    }
    b->placed = b->twice = false;
    b->missing = 0;
    return b;
}

static void free_batch(batch_t *b)
{
    hg_iggy_batch_release(&b->b);
    hg_free(b);
}

static void retire(hg_iggy_producer_t *p, batch_t *b)
{
    if (p->n_spare >= SPARES || b->b.frames.cap > 4 * p->opts.batch_bytes) {
        free_batch(b);
        return;
    }
    hg_iggy_batch_clear(&b->b);
    hg_list_add_tail(&p->spare, &b->link);
    p->n_spare++;
}

static void close_batch(hg_iggy_producer_t *p, uint32_t slot)
{
    batch_t *b = p->open[slot];
    if (!b) return;
    p->open[slot] = NULL;
    hg_list_add_tail(&p->queue, &b->link);
}

static void close_all(hg_iggy_producer_t *p)
{
    for (uint32_t i = 0; i < p->n_open; i++) close_batch(p, i);
    p->due_linger = 0;
}

/* Their number may have changed: what waits keeps its partition. */
static void set_partitions(hg_iggy_producer_t *p, uint32_t n)
{
    uint32_t slots = p->opts.partitioning == HG_IGGY_BY_KEY ? n + 1 : 1;
    p->partitions = n;
    if (p->open && slots == p->n_open) return;
    close_all(p);
    hg_free(p->open);
    p->open = HG_NEWN(batch_t *, slots);
    p->n_open = slots;
}

/* --- what became of a batch --- */

static uint64_t done_below(const hg_iggy_producer_t *p)
{
    uint64_t first = UINT64_MAX;
    if (!hg_list_empty(&p->queue)) first = HG_ENTRY(p->queue.next, batch_t, link)->first_tag;
    HG_LIST_EACH(it, &p->queue) first = HG_MIN(first, HG_ENTRY(it, batch_t, link)->first_tag);
    for (uint32_t i = 0; i < p->n_open; i++)
        if (p->open[i]) first = HG_MIN(first, p->open[i]->first_tag);
    return first;
}

static hg_iggy_delivery_t take_off(hg_iggy_producer_t *p, batch_t *b)
{
    hg_list_del(&b->link);
    p->messages -= b->b.count;
    p->bytes -= hg_iggy_batch_bytes(&b->b);
    return (
        hg_iggy_delivery_t){ .partition = b->partition, .count = b->b.count, .twice = b->twice, .done = done_below(p) };
}

static void die(hg_iggy_producer_t *p, const hg_err_t *err)
{
    if (p->closing || p->dead) return;
    p->dead = true;
    p->up = false;
    rearm(p);
    p->ops.fatal(p->arg, err);
}

static void room_again(hg_iggy_producer_t *p)
{
    if (p->closing || p->dead || !p->full || p->bytes > p->opts.buffer_bytes / 2) return;
    p->full = false;
    p->ops.room(p->arg);
}

static void refuse(hg_iggy_producer_t *p, batch_t *b, const hg_err_t *why)
{
    hg_err_t err = *why;
    hg_iggy_delivery_t d = take_off(p, b);
    retire(p, b);
    bool go_on = p->ops.refused(p->arg, &d, &err);
    if (!go_on) die(p, &err);
    room_again(p);
}

static void deliver(hg_iggy_producer_t *p, batch_t *b, const hg_iggy_reply_t *r)
{
    hg_iggy_sent_t sent;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_in_t in = r->in;
    hg_iggy_delivery_t d = take_off(p, b);
    if (hg_iggy_read_sent(&in, &sent, &err) > 0) {
        d.has_offset = true;
        d.base_offset = sent.base_offset;
    }
    retire(p, b);
    p->ops.delivered(p->arg, &d);
    room_again(p);
}

static void look_for_topic(hg_iggy_producer_t *p)
{
    p->up = false;
    p->due_find = 0;
    iggy_find(&p->find);
}

static bool is_absent(uint32_t code)
{
    return code == HG_IGGY_E_RESOURCE_NOT_FOUND || code == HG_IGGY_E_STREAM_NOT_FOUND ||
           code == HG_IGGY_E_TOPIC_NOT_FOUND || code == HG_IGGY_E_PARTITION_NOT_FOUND;
}

static void on_sent(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_producer_t *p = arg;
    batch_t *b = p->flight;
    p->flight = NULL;
    if (p->closing || p->dead) return;
    if (!r->err) {
        deliver(p, b, r);
    } else if (is_absent(r->code) && ++b->missing < MISSING_MOST) {
        look_for_topic(p);
        return;
    } else if (r->code && !r->err->retry) {
        refuse(p, b, r->err);
    } else {
        b->twice |= r->doubt;
        if (r->code != HG_IGGY_E_NOT_COMMITTED && r->code != HG_IGGY_E_NOT_ACCEPTED) return; /* down follows */
    }
    pump(p);
}

static void pump(hg_iggy_producer_t *p)
{
    hg_err_t err = HG_ERR_INIT;
    while (p->up && !p->closing && !p->dead && !p->flight && !hg_list_empty(&p->queue)) {
        batch_t *b = HG_ENTRY(p->queue.next, batch_t, link);
        if (!b->placed && p->opts.partitioning != HG_IGGY_FIXED && p->partitions) {
            b->partition = p->turn++ % p->partitions;
            b->placed = true;
        }
        p->flight = b;
        int rc = hg_iggy_call(p->conn,
                              &(hg_iggy_cmd_t){ .op = HG_IGGY_SEND,
                                                .stream = p->opts.stream,
                                                .topic = p->opts.topic,
                                                .partition = b->partition,
                                                .batch = &b->b },
                              on_sent, p, &err);
        if (rc == 0) return;
        p->flight = NULL;
        if (rc == HG_EAGAIN) return; /* down follows, then ready */
        if (p->adding) {             /* told by the timer: never from within add */
            p->due_linger = now(p);
            rearm(p);
            return;
        }
        refuse(p, b, &err);
    }
}

static void on_timer(uv_timer_t *t)
{
    hg_iggy_producer_t *p = t->data;
    if (p->due_linger && p->due_linger <= now(p)) close_all(p);
    if (p->due_find && p->due_find <= now(p)) look_for_topic(p);
    pump(p);
    rearm(p);
}

/* --- the connection --- */

static void on_found(void *arg, uint32_t n, const hg_err_t *err)
{
    hg_iggy_producer_t *p = arg;
    if (p->closing || p->dead) return;
    if (err && err->retry) {
        p->due_find = now(p) + p->retry_ms;
        rearm(p);
        return;
    }
    hg_err_t e = HG_ERR_INIT;
    if (!err && p->opts.partitioning == HG_IGGY_FIXED && p->opts.partition >= n) {
        hg_err_set(&e, HG_ENOTFOUND, "the topic has %" PRIu32 " partitions, there is no partition %" PRIu32, n,
                   p->opts.partition);
        err = &e;
    } else if (!err && !n) {
        hg_err_set(&e, HG_ENOTFOUND, "the topic has no partitions: add some");
        err = &e;
    }
    if (err) {
        die(p, err);
        return;
    }
    set_partitions(p, n);
    if (p->opts.partitioning == HG_IGGY_BALANCED) HG_LIST_EACH(it, &p->queue)
        {
            batch_t *b = HG_ENTRY(it, batch_t, link);
            b->placed &= b->partition < n;
        }
    p->up = true;
    p->was_up = true;
    p->ops.ready(p->arg, hg_iggy_server(p->conn));
    pump(p);
    rearm(p);
}

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    hg_iggy_producer_t *p = arg;
    (void)server;
    if (!p->dead) look_for_topic(p);
}

static void on_down(void *arg, const hg_err_t *err)
{
    hg_iggy_producer_t *p = arg;
    p->up = false;
    p->due_find = 0;
    rearm(p);
    if (!p->dead) p->ops.down(p->arg, err);
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    die(arg, err);
}

/* --- the owner's side --- */

hg_iggy_producer_t *hg_iggy_producer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_producer_opts_t *opts, const hg_iggy_producer_ops_t *ops,
                                          void *arg)
{
    static const hg_iggy_ops_t conn_ops = { on_ready, on_down, on_fatal };
    hg_iggy_producer_t *p = HG_NEW(hg_iggy_producer_t);
    p->loop = loop;
    p->opts = *opts;
    p->opts.stream = iggy_id_copy(opts->stream);
    p->opts.topic = iggy_id_copy(opts->topic);
    if (!p->opts.batch_count) p->opts.batch_count = 1000;
    if (!p->opts.batch_bytes) p->opts.batch_bytes = (size_t)1 << 20;
    if (!p->opts.buffer_bytes) p->opts.buffer_bytes = (size_t)32 << 20;
    p->ops = *ops;
    p->arg = arg;
    p->retry_ms = conn->retry_ms;
    hg_list_init(&p->queue);
    hg_list_init(&p->spare);
    uv_timer_init(hg_loop_uv(loop), &p->timer);
    p->timer.data = p;
    p->handles = 2;
    p->conn = hg_iggy_open(loop, conn, &conn_ops, p);
    p->find = (iggy_find_t){ .stream = p->opts.stream,
                             .topic = p->opts.topic,
                             .create = opts->create,
                             .durable = opts->durable,
                             .partitions = opts->partitions,
                             .opts = opts->topic_opts,
                             .found = on_found,
                             .arg = p,
                             .conn = p->conn };
    return p;
}

static uint32_t slot_of(const hg_iggy_producer_t *p, hg_str_t key)
{
    if (p->opts.partitioning != HG_IGGY_BY_KEY) return 0;
    return key.n ? hg_iggy_key_partition(key, p->partitions) : p->partitions;
}

static batch_t *open_batch(hg_iggy_producer_t *p, uint32_t slot, uint64_t tag)
{
    batch_t *b = new_batch(p);
    b->first_tag = tag;
    if (p->opts.partitioning == HG_IGGY_FIXED || (p->opts.partitioning == HG_IGGY_BY_KEY && slot < p->partitions)) {
        b->partition = p->opts.partitioning == HG_IGGY_FIXED ? p->opts.partition : slot;
        b->placed = true;
    }
    p->open[slot] = b;
    if (!p->due_linger) {
        p->due_linger = now(p) + p->opts.linger_ms;
        rearm(p);
    }
    return b;
}

/* The owner calls: what goes wrong now is told later. */
static void pump_later(hg_iggy_producer_t *p)
{
    p->adding = true;
    pump(p);
    p->adding = false;
}

int hg_iggy_producer_add(hg_iggy_producer_t *p, const hg_iggy_message_t *m, hg_str_t key, uint64_t tag, hg_err_t *err)
{
    HG_ON_LOOP(p->loop);
    size_t size = m->payload.n + m->headers.n + 48;
    if (p->dead) return hg_err_set(err, HG_ECLOSED, "the producer has stopped");
    if (!p->was_up) return hg_err_retry(err, HG_EAGAIN, "the producer is not connected yet");
    if (key.n > HG_IGGY_MAX_NAME)
        return hg_err_set(err, HG_EINVAL, "a message key has %zu bytes; Iggy takes %d", key.n, HG_IGGY_MAX_NAME);
    if (p->messages && p->bytes + size > p->opts.buffer_bytes) {
        p->full = true;
        close_all(p); /* or nothing would ever make room */
        pump_later(p);
        return hg_err_retry(err, HG_EAGAIN, "the producer's buffer is full");
    }
    uint32_t slot = slot_of(p, key);
    batch_t *b = p->open[slot];
    if (b && hg_iggy_batch_bytes(&b->b) + size > p->opts.batch_bytes) {
        close_batch(p, slot);
        b = NULL;
    }
    bool fresh = !b;
    if (fresh) b = open_batch(p, slot, tag);
    int rc = hg_iggy_batch_add(&b->b, m, err);
    if (rc == HG_EAGAIN && !fresh) { /* too far apart in time */
        close_batch(p, slot);
        b = open_batch(p, slot, tag);
        fresh = true;
        rc = hg_iggy_batch_add(&b->b, m, err);
    }
    if (rc < 0) {
        if (fresh) {
            p->open[slot] = NULL;
            retire(p, b);
        }
        return rc;
    }
    p->messages++;
    p->bytes += size;
    if (b->b.count >= p->opts.batch_count || hg_iggy_batch_bytes(&b->b) >= p->opts.batch_bytes) close_batch(p, slot);
    pump_later(p);
    return 0;
}

void hg_iggy_producer_flush(hg_iggy_producer_t *p)
{
    HG_ON_LOOP(p->loop);
    close_all(p);
    pump_later(p);
    rearm(p);
}

uint64_t hg_iggy_producer_open_messages(const hg_iggy_producer_t *p)
{
    return p->messages;
}

size_t hg_iggy_producer_open_bytes(const hg_iggy_producer_t *p)
{
    return p->bytes;
}

uint32_t hg_iggy_producer_partitions(const hg_iggy_producer_t *p)
{
    return p->partitions;
}

static void maybe_free(hg_iggy_producer_t *p)
{
    if (--p->handles) return;
    if (p->closed) p->closed(p->closed_arg);
    HG_LIST_EACH(it, &p->queue) free_batch(HG_ENTRY(it, batch_t, link));
    HG_LIST_EACH(it, &p->spare) free_batch(HG_ENTRY(it, batch_t, link));
    for (uint32_t i = 0; i < p->n_open; i++)
        if (p->open[i]) free_batch(p->open[i]);
    hg_free(p->open);
    iggy_id_release(&p->opts.stream);
    iggy_id_release(&p->opts.topic);
    hg_free(p);
}

static void conn_closed(void *arg)
{
    maybe_free(arg);
}

static void timer_closed(uv_handle_t *h)
{
    maybe_free(h->data);
}

void hg_iggy_producer_close(hg_iggy_producer_t *p, void (*closed)(void *arg), void *arg)
{
    HG_ON_LOOP(p->loop);
    HG_ASSERT(!p->closing);
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    uv_close((uv_handle_t *)&p->timer, timer_closed);
    hg_iggy_close(p->conn, conn_closed, p);
}
