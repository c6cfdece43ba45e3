/* kafka_output.c: writes batches as messages of one topic.
 *
 * A message belongs to its batch: the batch counts messages that are not acknowledged. Batches are delivered in order:
 * step s is reported once every message of every batch up to s is acknowledged by the broker. A message that the broker
 * did not take (time-out, lost leader, a clock ahead of the broker's) is sent again, before any later one is the last
 * word about its key (`back`). One that it refuses for good fails the connector, whose step is then not delivered: a
 * configuration, of the topic or ours, is to be changed, and nothing is lost where the pipeline keeps what outputs owe.
 * Only a single record that the broker's validation refuses is skipped, counted and named (hg_kout_refusal).
 *
 * When librdkafka's queue is full the message waits in `stuck`, the host is told to stop (HG_EAGAIN), and an
 * acknowledgement makes room. Everything here is on the loop; delivery reports come as events of the client's main
 * queue. A pipeline that wants exactly once gets transactions, one per group of steps: kafka_txn.c.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/kafka_output_int.h"

extern const hg_output_type_t hg_output_kafka;

#define RETRY_BASE 100
#define OP_HEADER  "op" /* what a message does, where its format says it beside the message */
#define RETRY_CAP  5000

static void add_header(rd_kafka_headers_t *hs, const hg_json_t *h)
{
    const hg_json_t *k = hg_json_get(h, "key"), *v = hg_json_get(h, "value");
    if (v && v->kind == HG_J_STRING) {
        rd_kafka_header_add(hs, k->str.p, (ssize_t)k->str.n, v->str.p, (ssize_t)v->str.n);
    } else if (v && v->kind == HG_J_ARRAY) {
        char *bytes = hg_xnew(v->n + 1);
        size_t n = 0;
        for (const hg_json_t *b = v->child; b; b = b->next) {
            uint64_t u = 0;
            hg_json_u64(b, &u);
            bytes[n++] = (char)u;
        }
        rd_kafka_header_add(hs, k->str.p, (ssize_t)k->str.n, bytes, (ssize_t)n);
        hg_free(bytes);
    } else {
        rd_kafka_header_add(hs, k->str.p, (ssize_t)k->str.n, NULL, -1);
    }
}

static int kafka_open(hg_output_t *out, hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    const kout_cfg_t *c = hg_out_cfg(out);
    (void)err;
    hg_list_init(&k->batches);
    hg_list_init(&k->stuck);
    hg_list_init(&k->back);
    if (c->headers && c->headers->kind == HG_J_ARRAY && c->headers->n) {
        k->headers = rd_kafka_headers_new(c->headers->n);
        for (const hg_json_t *h = c->headers->child; h; h = h->next) add_header(k->headers, h);
    }
    return 0;
}

/* --- sending --- */

/* Those of the configuration, then the operation. NULL: none. */
static rd_kafka_headers_t *headers_of(const kout_t *k, const char *op)
{
    bool has_op = op && *op;
    rd_kafka_headers_t *hs = k->headers ? rd_kafka_headers_copy(k->headers) : has_op ? rd_kafka_headers_new(1) : NULL;
    if (has_op) rd_kafka_header_add(hs, OP_HEADER, -1, op, -1);
    return hs;
}

static rd_kafka_resp_err_t put_message(hg_output_t *out, batch_t *b, const char *key, size_t key_len, bool has_key,
                                       const char *p, size_t n, bool has_payload, const char *op)
{
    kout_t *k = hg_out_inst(out);
    rd_kafka_headers_t *hs = headers_of(k, op);
    union {
        const char *in;
        void *out;
    } kp = { key }, pp = { p }; /* librdkafka takes void * and copies */
    rd_kafka_vu_t vus[8];
    size_t nv = 0;
    vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = k->topic };
    vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY };
    vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = b };
    if (has_key) vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { kp.out, key_len } };
    if (has_payload) vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { pp.out, n } };
    if (hs) vus[nv++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = hs };
    rd_kafka_error_t *e = rd_kafka_produceva(k->rk, vus, nv);
    rd_kafka_resp_err_t code = e ? rd_kafka_error_code(e) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (e) {
        rd_kafka_error_destroy(e);
        if (hs) rd_kafka_headers_destroy(hs);
    }
    k->underway += !e;
    return code;
}

void hg_kout_delivered(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (!hg_ktxn_check(out)) return;
    while (!hg_list_empty(&k->batches)) {
        batch_t *b = HG_ENTRY(k->batches.next, batch_t, link);
        if (b->open || !b->ended) break;
        uint64_t step = b->step;
        hg_list_del(&b->link);
        hg_free(b);
        hg_out_delivered(out, step);
    }
    if (k->stopping && !k->stopped && hg_list_empty(&k->batches) && hg_list_empty(&k->stuck)) {
        k->stopped = true;
        hg_out_stopped(out);
    }
}

static void report(hg_output_t *out, const char *tag, rd_kafka_resp_err_t e)
{
    kout_t *k = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "%s", rd_kafka_err2str(e));
    k->unhealthy = true;
    hg_out_error(out, tag, &err);
    hg_out_retries_within(out, hg_kafka_reconnect_ms(k->rk));
}

/* The client will never send again, whatever it is asked for. */
static void client_failed(const kout_t *k, hg_err_t *err)
{
    char why[sizeof err->msg];
    rd_kafka_fatal_error(k->rk, why, sizeof why);
    hg_err_set(err, HG_ENET, "%s", why);
    err->fatal = 1;
    hg_ktxn_judge(k, k->txn.state == TXN_OFF, err); /* the next idempotent producer begins anew */
}

/* The broker, or the client, does not take this message. Before the client tells of its own end, or of that of its
 * transaction, a message may meet it. */
static void refusal(hg_output_t *out, rd_kafka_resp_err_t e, hg_str_t key, size_t len, hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    const kout_cfg_t *c = hg_out_cfg(out);
    if (e == RD_KAFKA_RESP_ERR__FATAL)
        client_failed(k, err);
    else if (e == RD_KAFKA_RESP_ERR__STATE)
        hg_ktxn_why(k, err);
    else
        hg_kout_refusal(e, c->topic, key, len, k->txn.state == TXN_OFF, err);
}

/* Returns false if the connector has failed by it. */
static bool refused(hg_output_t *out, batch_t *b, const char *tag, rd_kafka_resp_err_t e, const char *key,
                    size_t key_len, bool has_key, size_t len)
{
    hg_err_t err = HG_ERR_INIT;
    refusal(out, e, (hg_str_t){ has_key ? key : NULL, key_len }, len, &err);
    if (!err.fatal) b->open--;
    hg_out_error(out, tag, &err);
    return !err.fatal;
}

static void hold_message(hg_list_t *list, batch_t *b, const char *key, size_t key_len, bool has_key, const char *p,
                         size_t n, bool has_payload, hg_str_t op)
{
    stuck_t *s = hg_xnew(sizeof *s + key_len + n);
    *s = (stuck_t){ .batch = b, .key_len = key_len, .len = n, .has_key = has_key, .has_payload = has_payload };
    if (op.n && op.n < sizeof s->op) memcpy(s->op, op.p, op.n);
    hg_list_init(&s->link);
    if (key_len) memcpy(s->data, key, key_len);
    if (n) memcpy(s->data + key_len, p, n);
    hg_list_add_tail(list, &s->link);
}

static void on_timer(uv_timer_t *t)
{
    ((kout_t *)hg_out_inst(t->data))->refused = false;
    hg_kout_retry(t->data);
}

static void retry_later(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (!k->timer) {
        k->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_out_loop(out)), k->timer);
        k->timer->data = out;
    }
    if (!uv_is_active((uv_handle_t *)k->timer))
        uv_timer_start(k->timer, on_timer, hg_backoff_ms(k->attempts++, RETRY_BASE, RETRY_CAP), 0);
}

/* Sends what waits, oldest first, until the client's queue is full again. */
void hg_kout_retry(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (k->refused || !hg_list_empty(&k->back)) return;
    while (!k->closing && !hg_list_empty(&k->stuck)) {
        hg_err_t err = HG_ERR_INIT;
        if (!hg_ktxn_open(out, &err)) {
            if (err.code) hg_out_error(out, "kafka-transaction", &err);
            return;
        }
        stuck_t *s = HG_ENTRY(k->stuck.next, stuck_t, link);
        rd_kafka_resp_err_t e = put_message(out, s->batch, s->data, s->key_len, s->has_key, s->data + s->key_len,
                                            s->len, s->has_payload, s->op);
        if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            retry_later(out);
            return;
        }
        if (e && !refused(out, s->batch, "kafka-send", e, s->data, s->key_len, s->has_key, s->len)) return;
        if (k->closing) return;
        hg_list_del(&s->link);
        hg_free(s);
    }
    if (k->closing) return;
    if (k->told_full) {
        k->told_full = false;
        hg_out_drained(out);
    }
    hg_kout_delivered(out);
}

/* --- delivery reports --- */

/* librdkafka aborts a transaction that has lost a message: nothing that is sent into it again would be taken. */
static void transaction_failed(hg_output_t *out, const rd_kafka_message_t *m)
{
    kout_t *k = hg_out_inst(out);
    const kout_cfg_t *c = hg_out_cfg(out);
    hg_err_t err = HG_ERR_INIT;
    if (k->txn.failed) return;
    k->txn.failed = true;
    if (m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
        hg_ktxn_why(k, &err); /* it had failed before */
    } else {
        if (hg_kafka_transient(m->err))
            hg_err_set(&err, HG_ENET, "%s", rd_kafka_err2str(m->err));
        else
            hg_kout_refusal(m->err, c->topic, (hg_str_t){ m->key, m->key_len }, m->len, false, &err);
        hg_err_wrap(&err, "the transaction cannot be committed");
        err.fatal = 1;
        /* a broker that was away for too long: a new producer may go on with it, unless somebody else has the id */
        hg_ktxn_judge(k, hg_kafka_transient(m->err) && !rd_kafka_fatal_error(k->rk, NULL, 0), &err);
    }
    hg_out_error(out, "kafka-transaction", &err);
}

static void is_healthy(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (!k->unhealthy) return;
    k->unhealthy = false;
    k->attempts = 0;
    hg_out_healthy(out);
}

/* Without transactions. What came back goes out again before everything that has not been sent yet, and behind it once
 * more what was sent after it and has arrived: the last word about a key stays the last. */
static void send_back(kout_t *k)
{
    for (hg_list_t *it; !hg_list_empty(&k->back);) {
        it = k->back.prev;
        hg_list_del(it);
        hg_list_add_head(&k->stuck, it);
    }
}

/* The operation behind the headers of the configuration, if it has one. */
static hg_str_t sent_op(const kout_t *k, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *hs = NULL;
    const void *op = NULL;
    size_t n = 0;
    if (rd_kafka_message_headers(m, &hs)) return (hg_str_t){ NULL, 0 };
    if (k->headers && rd_kafka_header_cnt(hs) == rd_kafka_header_cnt(k->headers)) return (hg_str_t){ NULL, 0 };
    if (rd_kafka_header_get_last(hs, OP_HEADER, &op, &n)) n = 0;
    return (hg_str_t){ op, n };
}

static void on_delivery(hg_output_t *out, const rd_kafka_message_t *m)
{
    kout_t *k = hg_out_inst(out);
    batch_t *b = m->_private;
    if (k->closing) return;
    k->underway--;
    if (m->err && k->txn.state != TXN_OFF) {
        transaction_failed(out, m);
        return;
    }
    bool wrong_clock = m->err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP; /* ours or the broker's, until somebody sets it */
    bool again = wrong_clock || hg_kafka_transient(m->err);
    if (again) report(out, "kafka_nonft_delivery", m->err);
    if (wrong_clock) {
        k->refused = true;
        retry_later(out);
    }
    if (again || (!m->err && !hg_list_empty(&k->back))) {
        hold_message(&k->back, b, m->key, m->key_len, m->key != NULL, m->payload, m->len, m->payload != NULL,
                     sent_op(k, m));
    } else if (m->err) {
        refused(out, b, "kafka_nonft_delivery", m->err, m->key, m->key_len, m->key != NULL, m->len);
    } else {
        b->open--;
        is_healthy(out);
    }
    if (k->underway == 0) send_back(k);
}

static void on_error(hg_output_t *out, const rd_kafka_event_t *ev)
{
    kout_t *k = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    if (rd_kafka_event_error_is_fatal((rd_kafka_event_t *)(uintptr_t)ev))
        client_failed(k, &err);
    else
        hg_err_retry(&err, HG_ENET, "%s", rd_kafka_event_error_string((rd_kafka_event_t *)(uintptr_t)ev));
    k->unhealthy |= !err.fatal;
    hg_out_error(out, "kafka-poll", &err);
    if (err.retry) hg_out_retries_within(out, hg_kafka_reconnect_ms(k->rk));
}

static void serve(void *arg)
{
    hg_output_t *out = arg;
    kout_t *k = hg_out_inst(out);
    for (rd_kafka_event_t *ev; !k->closing && (ev = rd_kafka_queue_poll(k->queue, 0)) != NULL;) {
        if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DR) {
            for (const rd_kafka_message_t *m; (m = rd_kafka_event_message_next(ev)) != NULL;) on_delivery(out, m);
        } else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR) {
            on_error(out, ev);
        }
        rd_kafka_event_destroy(ev);
    }
    if (!k->closing) hg_kout_delivered(out); /* also while the next group waits for this one */
    if (!k->closing) hg_kout_retry(out);
}

/* Events, not call-backs: those would run on whichever thread waits for a commit. */
static void setup(rd_kafka_conf_t *conf, void *opaque)
{
    (void)opaque;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
}

/* --- the contract --- */

/* Has the user set what an idempotent producer has its own values for? */
static bool has_own_order(const kout_cfg_t *c)
{
    static const char *const names[] = { "enable.idempotence",
                                         "acks",
                                         "request.required.acks",
                                         "retries",
                                         "message.send.max.retries",
                                         "max.in.flight",
                                         "max.in.flight.requests.per.connection",
                                         "queuing.strategy" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_kafka_option(&c->extra, names[i])) return true;
    return false;
}

static int kafka_start(hg_output_t *out, hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    const kout_cfg_t *c = hg_out_cfg(out);
    bool once = hg_out_exactly_once(out);
    hg_kafka_default_t defaults[4] = { { "linger.ms", "5" }, { "queue.buffering.max.kbytes", "8192" } };
    size_t n = 2;
    if (once) {
        k->txn.state = TXN_STARTING;
        k->txn.id = hg_out_durable_id(out);
        k->txn.group = hg_xprintf("%s.%016" PRIx64, k->txn.id, hg_out_life(out));
        defaults[n++] = (hg_kafka_default_t){ "transactional.id", k->txn.id };
        /* a broker may be away for so long without failing the connector; message.timeout.ms follows it */
        defaults[n++] = (hg_kafka_default_t){ "transaction.timeout.ms", "300000" };
    }
    if (!once && hg_out_keeps(out) && !has_own_order(c)) /* its retries keep the order */
        defaults[n++] = (hg_kafka_default_t){ "enable.idempotence", "true" };
    hg_arena_t *a = hg_arena_new();
    hg_kvlist_t options = hg_kout_options(c, once, a);
    int rc = hg_kafka_client(RD_KAFKA_PRODUCER, &options, defaults, n, setup, out, &k->rk, err);
    hg_arena_free(a);
    if (rc < 0) return rc;
    k->txn.timeout_us = (int64_t)hg_kafka_option_ms(k->rk, "transaction.timeout.ms") * 1000;
    k->topic = rd_kafka_topic_new(k->rk, c->topic, NULL);
    if (!k->topic)
        return hg_err_set(err, HG_EINVALTRANSPORT, "topic '%s': %s", c->topic, rd_kafka_err2str(rd_kafka_last_error()));
    k->queue = rd_kafka_queue_get_main(k->rk);
    rc = hg_kafka_wake_open(&k->wake, hg_out_loop(out), serve, out, err);
    if (rc < 0) return rc;
    k->wake_open = true;
    hg_kafka_wake_on(&k->wake, k->queue);
    if (once)
        hg_ktxn_start(out);
    else
        hg_out_ready(out);
    return 0;
}

static batch_t *current(kout_t *k, uint64_t step)
{
    if (!hg_list_empty(&k->batches)) {
        batch_t *last = HG_ENTRY(k->batches.prev, batch_t, link);
        if (!last->ended) return last;
    }
    batch_t *b = HG_NEW(batch_t);
    b->step = step;
    hg_list_init(&b->link);
    hg_list_add_tail(&k->batches, &b->link);
    return b;
}

static int kafka_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n_records,
                       hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    batch_t *b = current(k, step);
    (void)n_records;
    rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR__QUEUE_FULL; /* or a transaction that takes no more */
    if (hg_list_empty(&k->stuck) && hg_list_empty(&k->back) && hg_ktxn_open(out, err))
        e = put_message(out, b, key.p, key.n, key.p != NULL, payload.p, payload.n, payload.p != NULL, hg_out_op(out));
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        b->open++;
        return 0;
    }
    if (err->code) return err->code;
    if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        refusal(out, e, key, payload.n, err);
        return err->code;
    }
    b->open++;
    hold_message(&k->stuck, b, key.p, key.n, key.p != NULL, payload.p, payload.n, payload.p != NULL,
                 hg_strz(hg_out_op(out)));
    k->told_full = true;
    if (k->txn.state < TXN_SEALED) retry_later(out); /* else the commit goes on with it */
    return HG_EAGAIN;
}

static int kafka_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    batch_t *b = current(k, step);
    (void)err;
    b->step = step;
    b->ended = true;
    hg_kout_delivered(out);
    return 0;
}

static void kafka_stop(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    k->stopping = true;
    hg_kout_delivered(out);
}

static void destroy_client(void *arg)
{
    kout_t *k = hg_out_inst(arg);
    if (k->queue) rd_kafka_queue_destroy(k->queue);
    if (k->topic) rd_kafka_topic_destroy(k->topic);
    if (!k->rk) return;
    if (k->txn.state > TXN_IDLE) {
        /* so that readers need not wait for its time-out; whether this succeeds changes nothing */
        rd_kafka_error_t *e = rd_kafka_abort_transaction(k->rk, 1000);
        if (e) rd_kafka_error_destroy(e);
    }
    rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(k->rk);
}

static void client_destroyed(void *arg)
{
    kout_t *k = hg_out_inst(arg);
    hg_list_t *n;
    if (k->headers) rd_kafka_headers_destroy(k->headers);
    hg_free(k->txn.group);
    while ((n = hg_list_pop(&k->stuck)) != NULL) hg_free(HG_ENTRY(n, stuck_t, link));
    while ((n = hg_list_pop(&k->back)) != NULL) hg_free(HG_ENTRY(n, stuck_t, link));
    while ((n = hg_list_pop(&k->batches)) != NULL) hg_free(HG_ENTRY(n, batch_t, link));
    hg_out_closed(arg);
}

static void wake_closed(void *arg)
{
    hg_kafka_block(hg_out_loop(arg), destroy_client, client_destroyed, arg);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

void hg_kout_finish_close(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (k->txn.busy) return;
    if (k->queue) hg_kafka_wake_off(k->queue);
    if (k->wake_open)
        hg_kafka_wake_close(&k->wake, wake_closed);
    else
        wake_closed(out);
}

static void kafka_close(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    k->closing = true;
    if (k->timer) uv_close((uv_handle_t *)k->timer, free_timer);
    k->timer = NULL;
    hg_ktxn_close(out);
    hg_kout_finish_close(out);
}

static const char *kafka_topic(const void *cfg)
{
    return ((const kout_cfg_t *)cfg)->topic;
}

const hg_output_type_t hg_output_kafka = {
    .abi = HG_CONNECTOR_ABI,
    .name = "kafka_output",
    .summary = "writes a Kafka topic",
    .opts = hg_kout_opts,
    .extra = HG_EXTRA_TAKE,
    .cfg_size = sizeof(kout_cfg_t),
    .inst_size = sizeof(kout_t),
    .messages = true,
    .max_message = hg_kout_max_message,
    .topic = kafka_topic,
    .caps = HG_OUT_EXACT | HG_OUT_STORES_STEP,
    .check = hg_kout_check,
    .open = kafka_open,
    .start = kafka_start,
    .write = kafka_write,
    .end_batch = kafka_end_batch,
    .stop = kafka_stop,
    .close = kafka_close,
};
