/* kafka_input.c: reads one topic, all or some of its partitions. Consumer groups are not used: partitions are assigned,
 * offsets never committed.
 *
 *   idle ──run──► resolving (pool: partitions, start offsets) ──► reading ⇄ held ──► ended | closed
 *   idle ──mark─► marking (pool: end offset of every partition)
 *
 * Threads: librdkafka's own, plus this loop. Its consumer queue raises an event on the loop; messages are taken in
 * batches, one lane per partition. What was taken and not delivered when the host says stop stays in `batch` and is
 * delivered by the next run.
 *
 * Where it starts: a restored position, else the mark, else start_from. `latest` is resolved to numbers once, so a
 * later error cannot move it. An offset that the topic no longer holds is fatal (never a silent jump), unless
 * resume_earliest_if_data_expires.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_input_int.h"

extern const hg_input_type_t hg_input_kafka;

#define TURN       8000 /* messages delivered before other connectors of the loop get their turn */
#define RETRY_BASE 250
#define RETRY_CAP  10000

/* --- client --- */

/* Runs inside a call of the client: only remember, deliver() tells. A fatal error is not covered by a later one. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    kafka_t *k = hg_in_inst(opaque);
    char fatal[512];
    if (k->client_failed && k->client_err.fatal) return;
    k->client_failed = true;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        hg_err_set(&k->client_err, HG_ENET, "%s", fatal);
        k->client_err.fatal = 1;
    } else {
        hg_err_retry(&k->client_err, HG_ENET, "%s", reason);
    }
}

static void set_callbacks(rd_kafka_conf_t *conf, void *opaque)
{
    (void)opaque;
    rd_kafka_conf_set_error_cb(conf, on_error);
}

/* Call-backs of this client are served by the consumer queue, on the loop: questions on the pool never run them. */
static int make_client(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    const kafka_cfg_t *c = hg_in_cfg(in);
    char group[37];
    static const hg_kafka_default_t fixed[] = { { "enable.auto.commit", "false" },
                                                { "enable.auto.offset.store", "false" },
                                                { "auto.offset.reset", "error" },
                                                { "queued.max.messages.kbytes", "4096" },
                                                { "fetch.wait.max.ms", "100" } };
    hg_kafka_default_t defaults[HG_COUNT(fixed) + 1];
    if (k->rk) return 0;
    memcpy(defaults, fixed, sizeof fixed);
    hg_uuid_v7(group);
    defaults[HG_COUNT(fixed)] = (hg_kafka_default_t){ "group.id", group };
    /* auto.offset.reset never chooses the start here: a lost offset must be an error (see the head of the file). */
    hg_kvlist_t extra = c->extra;
    extra.v = HG_NEWN(hg_kv_t, extra.n + 1);
    extra.n = 0;
    for (uint32_t i = 0; i < c->extra.n; i++)
        if (strcmp(c->extra.v[i].key, "auto.offset.reset") != 0) extra.v[extra.n++] = c->extra.v[i];
    int rc = hg_kafka_client(RD_KAFKA_CONSUMER, &extra, defaults, HG_COUNT(defaults), set_callbacks, in, &k->rk, err);
    hg_free(extra.v);
    if (rc < 0) return rc;
    rd_kafka_poll_set_consumer(k->rk);
    k->queue = rd_kafka_queue_get_consumer(k->rk);
    return 0;
}

static int kafka_open(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    (void)err;
    k->topic = hg_kin_topic(hg_in_cfg(in));
    return 0;
}

/* --- loop --- */

static void deliver(hg_input_t *in);
static void start_reading(hg_input_t *in);
static void finish_close(hg_input_t *in);

static void on_timer(uv_timer_t *t)
{
    start_reading(t->data);
}

static void retry_later(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (!k->timer) {
        k->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), k->timer);
        k->timer->data = in;
    }
    uv_timer_start(k->timer, on_timer, hg_backoff_ms(k->attempts++, RETRY_BASE, RETRY_CAP), 0);
}

static void take_answer(kafka_t *k)
{
    hg_free(k->parts);
    k->parts = k->answer;
    k->n_parts = k->n_answer;
    k->answer = NULL;
}

/* "price[0]": 10112 for each partition */
static void tell_mark(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_buf_t b;
    hg_jw_t w;
    char key[300];
    hg_buf_init(&b, 65536);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    for (uint32_t i = 0; i < k->n_parts; i++) {
        snprintf(key, sizeof key, "%s[%d]", k->topic, k->parts[i].id);
        hg_jw_ki64(&w, key, k->parts[i].mark);
    }
    hg_jw_end_obj(&w);
    hg_in_marked(in, b.p);
    hg_buf_release(&b);
}

static void on_wake(void *arg)
{
    deliver(arg);
}

static void assign(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)k->n_parts);
    for (uint32_t i = 0; i < k->n_parts; i++) {
        rd_kafka_topic_partition_list_add(l, k->topic, k->parts[i].id)->offset = k->parts[i].start;
        k->parts[i].lane = hg_lane_open(in, (uint64_t)k->parts[i].start);
        k->parts[i].lane_id = hg_lane_id(k->parts[i].lane);
    }
    rd_kafka_resp_err_t e = rd_kafka_assign(k->rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    k->assigned = true;
    if (e) {
        hg_kin_refused(&err, "cannot assign partitions", e);
        err.fatal = 1;
        hg_in_error(in, "kafka-assign", &err);
    } else if (hg_kafka_wake_open(&k->wake, hg_in_loop(in), k->queue, on_wake, in, &err) < 0) {
        err.fatal = 1;
        hg_in_error(in, "kafka-assign", &err);
    } else {
        k->wake_open = true;
        deliver(in);
    }
}

static void answered_start(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (k->err.code == HG_OK) {
        take_answer(k);
        if (k->attempts) hg_in_healthy(in);
        k->attempts = 0;
        assign(in);
        return;
    }
    hg_free(k->answer);
    k->answer = NULL;
    hg_in_error(in, "kafka-open", &k->err);
    if (k->err.retry && k->running) retry_later(in);
}

static void answered(void *arg)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    k->busy = false;
    if (k->closing) {
        hg_free(k->answer);
        finish_close(in);
        return;
    }
    if (k->ask == ASK_START) {
        answered_start(in);
        return;
    }
    k->marking = false;
    if (k->err.code == HG_OK) {
        take_answer(k);
        tell_mark(in);
    } else {
        hg_free(k->answer);
        k->answer = NULL;
        k->err.retry = 1;
        k->err.fatal = 0;
        hg_in_mark_failed(in, &k->err);
    }
    if (k->running) start_reading(in);
}

static void start_reading(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (!k->running || k->busy || k->closing || k->ended) return;
    if (k->assigned) {
        deliver(in);
        return;
    }
    if (make_client(in, &err) < 0) {
        hg_in_error(in, "kafka-open", &err);
        return;
    }
    k->ask = ASK_START;
    k->busy = true;
    hg_in_work(in, hg_kin_ask, answered, in);
}

static part_t *part_of(kafka_t *k, int32_t id)
{
    if (id >= 0 && (uint32_t)id < k->n_parts && k->parts[id].id == id) return &k->parts[id];
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].id == id) return &k->parts[i];
    return NULL;
}

static void maybe_ended(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (!k->parts[i].eof) return;
    k->ended = true;
    k->running = false;
    for (uint32_t i = 0; i < k->n_parts; i++) {
        (void)hg_lane_close(k->parts[i].lane, false);
        k->parts[i].lane = NULL;
    }
    hg_in_eoi(in);
}

static void on_bad_message(hg_input_t *in, const rd_kafka_message_t *m)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    part_t *p = part_of(k, m->partition);
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (p && hg_kin_wants_eof(hg_in_cfg(in))) p->eof = true;
        return;
    }
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        hg_kin_broken(&err,
                      "partition %d of topic '%s' no longer holds offset %" PRId64 ": its retention has deleted it",
                      m->partition, k->topic, p ? p->next : m->offset);
    else if (hg_kafka_transient(m->err) || m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
             m->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        hg_err_retry(&err, HG_ENET, "%s", rd_kafka_message_errstr(m));
    else
        hg_err_set(&err, HG_ENET, "%s", rd_kafka_message_errstr(m));
    if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) err.fatal = 1;
    k->unhealthy |= err.retry;
    hg_in_error(in, "kafka-msg", &err);
}

/* Returns false when the host wants no more. */
static bool give(hg_input_t *in, const rd_kafka_message_t *m)
{
    kafka_t *k = hg_in_inst(in);
    part_t *p = part_of(k, m->partition);
    rd_kafka_timestamp_type_t tt;
    if (!p || !p->lane || m->offset < p->next) return true; /* out of order: delivered before */
    int64_t ts = rd_kafka_message_timestamp(m, &tt);
    hg_message_t msg = { .key = { m->key, m->key_len },
                         .payload = { m->payload, m->len },
                         .pos = (uint64_t)m->offset,
                         .timestamp_us = ts > 0 ? ts * 1000 : 0,
                         .partition = m->partition };
    int rc = hg_lane_message(p->lane, &msg);
    p->next = m->offset + 1;
    return rc == HG_LANE_OK;
}

static void flush_lanes(kafka_t *k, bool *full)
{
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].lane && hg_lane_flush(k->parts[i].lane) != HG_LANE_OK) *full = true;
}

/* Consumed against what the topic holds: the lag. Watermarks are librdkafka's cached ones: no question to the broker.
 */
static void tell_progress(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    uint64_t done = 0, total = 0;
    for (uint32_t i = 0; i < k->n_parts; i++) {
        int64_t low, high;
        done += (uint64_t)(k->parts[i].next - k->parts[i].start);
        if (rd_kafka_get_watermark_offsets(k->rk, k->topic, k->parts[i].id, &low, &high) || high < k->parts[i].next)
            high = k->parts[i].next;
        total += (uint64_t)(high - k->parts[i].start);
    }
    hg_in_progress(in, done, total);
}

static void again(void *arg)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    k->posted = false;
    if (k->closing)
        finish_close(in);
    else
        deliver(in);
}

static void tell_client_error(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (!k->client_failed) return;
    k->client_failed = false;
    k->unhealthy |= k->client_err.retry;
    hg_in_error(in, "kafka-poll", &k->client_err);
}

static void deliver(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    bool full = false, more = false;
    uint32_t given = 0;
    if (!k->running || !k->assigned || k->closing || k->ended || k->posted) return;
    while (!full && !k->closing && k->running) {
        if (k->batch_i == k->batch_n) {
            ssize_t n = given >= TURN ? 0 : rd_kafka_consume_batch_queue(k->queue, 0, k->batch, BATCH);
            more = given >= TURN;
            k->batch_i = 0;
            k->batch_n = n > 0 ? (uint32_t)n : 0;
            tell_client_error(in);
            if (k->closing || k->batch_n == 0) break;
            if (k->unhealthy) {
                k->unhealthy = false;
                hg_in_healthy(in);
            }
        }
        rd_kafka_message_t *m = k->batch[k->batch_i++];
        if (m->err)
            on_bad_message(in, m);
        else
            full = !give(in, m);
        rd_kafka_message_destroy(m);
        given++;
    }
    if (k->closing) return;
    flush_lanes(k, &full);
    tell_progress(in);
    if (full)
        k->running = false; /* a run will come */
    else if (hg_kin_wants_eof(hg_in_cfg(in)) && k->batch_i == k->batch_n)
        maybe_ended(in);
    if (more && k->running && !k->ended) {
        k->posted = true;
        hg_loop_post(hg_in_loop(in), again, in);
    }
}

static int kafka_run(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    (void)err;
    k->running = true;
    start_reading(in);
    return 0;
}

static int kafka_hold(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    (void)err;
    k->running = false;
    if (k->timer) uv_timer_stop(k->timer);
    return 0;
}

static int kafka_mark(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    if (k->busy) return hg_err_retry(err, HG_EBUSY, "the connector is being opened");
    int rc = make_client(in, err);
    if (rc < 0) return rc;
    k->ask = ASK_MARK;
    k->busy = k->marking = true;
    hg_in_work(in, hg_kin_ask, answered, in);
    return 0;
}

/* --- closing: wake-up, then the client on the pool (it joins its threads), then closed --- */

static void destroy_client(void *arg, unsigned worker)
{
    kafka_t *k = hg_in_inst(arg);
    (void)worker;
    if (k->queue) rd_kafka_queue_destroy(k->queue);
    if (k->rk) rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void client_destroyed(void *arg)
{
    hg_in_closed(arg); /* parts stay for save() until fini */
}

static void wake_closed(void *arg)
{
    kafka_t *k = hg_in_inst(arg);
    k->wake_open = false;
    hg_in_work(arg, destroy_client, client_destroyed, arg);
}

static void finish_close(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (k->busy || k->posted) return;
    while (k->batch_i < k->batch_n) rd_kafka_message_destroy(k->batch[k->batch_i++]);
    if (k->wake_open)
        hg_kafka_wake_close(&k->wake, k->queue, wake_closed);
    else
        wake_closed(in);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void kafka_close(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    k->closing = true;
    k->running = false;
    atomic_store(&k->leaving, true);
    if (k->timer) uv_close((uv_handle_t *)k->timer, free_timer);
    k->timer = NULL;
    for (uint32_t i = 0; i < k->n_parts; i++) {
        if (k->parts[i].lane) (void)hg_lane_close(k->parts[i].lane, true);
        k->parts[i].lane = NULL;
    }
    finish_close(in);
}

/* --- positions: {"offsets":[{"start":a,"end":b},…]}, one per partition in order of assignment --- */

static void kafka_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const kafka_t *k = hg_in_inst(in);
    hg_jw_obj(w);
    hg_jw_key(w, "offsets");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < k->n_parts; i++) {
        const part_t *p = &k->parts[i];
        int64_t start = p->start >= 0 ? p->start : p->saved >= 0 ? p->saved : p->mark, end = start;
        for (uint32_t r = 0; r < n; r++)
            if (p->lane_id && consumed[r].lane == p->lane_id) {
                start = (int64_t)consumed[r].begin;
                end = (int64_t)consumed[r].end;
            }
        hg_jw_obj(w);
        hg_jw_ki64(w, "start", start);
        hg_jw_ki64(w, "end", end);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

static int kafka_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    const hg_json_t *list = hg_json_get(position, "offsets");
    if (!list || list->kind != HG_J_ARRAY)
        return hg_err_set(err, HG_EPARSE, "a Kafka position needs 'offsets', a list with one element per partition");
    part_t *parts = HG_NEWN(part_t, list->n + 1);
    uint32_t n = 0;
    for (const hg_json_t *o = list->child; o; o = o->next, n++) {
        uint64_t end;
        if (hg_json_u64(hg_json_get(o, "end"), &end) < 0 || end > INT64_MAX) {
            hg_free(parts);
            return hg_err_set(err, HG_EPARSE, "element %u of a Kafka position needs a number 'end'", n);
        }
        parts[n] = (part_t){ .id = (int32_t)n, .start = -1, .mark = -1, .saved = (int64_t)end };
    }
    hg_free(k->parts);
    k->parts = parts;
    k->n_parts = n;
    return 0;
}

static void kafka_fini(void *inst)
{
    hg_free(((kafka_t *)inst)->parts);
}

const hg_input_type_t hg_input_kafka = {
    .abi = HG_CONNECTOR_ABI,
    .name = "kafka_input",
    .summary = "reads a Kafka topic",
    .opts = hg_kin_opts,
    .extra = HG_EXTRA_TAKE,
    .cfg_size = sizeof(kafka_cfg_t),
    .inst_size = sizeof(kafka_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_MARK | HG_CAP_MESSAGES | HG_CAP_RESUME,
    .check = hg_kin_check,
    .is_finite = hg_kin_is_finite,
    .wants_mark = hg_kin_wants_mark,
    .open = kafka_open,
    .mark = kafka_mark,
    .run = kafka_run,
    .hold = kafka_hold,
    .close = kafka_close,
    .save = kafka_save,
    .restore = kafka_restore,
    .fini = kafka_fini,
};
