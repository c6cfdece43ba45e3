/* kafka_input.c: reads one topic, all or some of its partitions. Consumer groups are not used: partitions are assigned,
 * offsets never committed.
 *
 *   idle ──run──► asking (partitions, start offsets) ──► reading ⇄ held ──► ended | closed
 *   idle ──mark─► asking (end offset of every partition) ──► idle
 *                 reading ──► asking (what is left of a position that the broker refused) ──► failed
 *
 * Threads: librdkafka's own, the client's for questions (kafka_client.c: shared with connectors of equal options), plus
 * this loop. Our queues raise an event on the loop; messages are taken in batches, one lane per partition, or one lane
 * for all in order of their timestamps (kafka_take.c). What was taken and not delivered when the host says stop stays
 * and is delivered by the next run. Between mark and run nothing of a client is held.
 *
 * Where it starts: a restored position, else the mark, else start_from. `latest` is resolved to numbers once, so a
 * later error cannot move it. An offset that the topic no longer holds is fatal (never a silent jump), unless
 * resume_earliest_if_data_expires.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_input_int.h"
#include "connectors/transport/position.h"

extern const hg_input_type_t hg_input_kafka;

#define TURN       8000 /* messages delivered before other connectors of the loop get their turn */
#define RETRY_BASE 250
#define RETRY_CAP  10000
#define LAG_MS     5000              /* between two looks at how much waits for a connector that is held */
#define WAKE_BYTES ((size_t)1 << 20) /* see resume_fetches() */
#define MERGED_KEY UINT64_MAX        /* of the lane of all partitions; otherwise a lane's key is its partition */

/* --- client --- */

static void ask(kafka_t *k, ask_t what);
static void deliver(hg_input_t *in);
static void start_reading(hg_input_t *in);
static void finish_close(hg_input_t *in);
static void tell_progress(hg_input_t *in);

static void on_client_error(void *arg, const hg_err_t *err)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    if (k->closing || k->ended || (!k->running && !err->fatal)) return;
    k->unhealthy |= err->retry;
    hg_in_error(in, "kafka-poll", err);
    if (err->retry && k->use) hg_in_retries_within(in, hg_kafka_reconnect_ms(hg_kafka_use_rk(k->use)));
}

static int open_client(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    const kafka_cfg_t *c = hg_in_cfg(in);
    static const hg_kafka_default_t defaults[] = {
        { "enable.auto.commit", "false" },        { "auto.commit.enable", "false" },
        { "enable.auto.offset.store", "false" },  { "auto.offset.reset", "error" },
        { "queued.max.messages.kbytes", "4096" }, { "fetch.wait.max.ms", "100" }
    };
    if (k->use) return 0;
    /* auto.offset.reset never chooses the start here: a lost offset must be an error (see the head of the file). */
    hg_kvlist_t extra = c->extra;
    extra.v = HG_NEWN(hg_kv_t, extra.n + 1);
    extra.n = 0;
    for (uint32_t i = 0; i < c->extra.n; i++)
        if (strcmp(c->extra.v[i].key, "auto.offset.reset") != 0) extra.v[extra.n++] = c->extra.v[i];
    hg_kafka_want_t want = { .extra = &extra,
                             .defaults = defaults,
                             .n_defaults = HG_COUNT(defaults),
                             .topic = k->topic,
                             .partitions = c->partitions && c->partitions->kind == HG_J_ARRAY ? c->partitions : NULL,
                             .loop = hg_in_loop(in),
                             .failed = on_client_error,
                             .arg = in };
    int rc = hg_kafka_use_open(&want, &k->use, err);
    hg_free(extra.v);
    return rc;
}

static int kafka_open(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    const kafka_cfg_t *c = hg_in_cfg(in);
    (void)err;
    k->topic = hg_kin_topic(c);
    hg_buf_init(&k->meta, HG_BUF_NOMAX);
    k->wants_meta =
        hg_in_wants_metadata(in) && (c->headers || c->include_topic || c->partition || c->offset || c->timestamp);
    if (c->header_filter && c->header_filter->kind != HG_J_NULL) k->filter = hg_kfilter_new(c->header_filter);
    return 0;
}

/* --- loop --- */

static void on_timer(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    kafka_t *k = hg_in_inst(in);
    if (k->running)
        start_reading(in);
    else if (k->assigned && !k->busy && !k->ended)
        ask(k, ASK_LAG);
}

static void set_timer(hg_input_t *in, uint64_t ms)
{
    kafka_t *k = hg_in_inst(in);
    if (!k->timer) {
        k->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), k->timer);
        k->timer->data = in;
    }
    uv_timer_start(k->timer, on_timer, ms, 0);
}

static void retry_later(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    uint64_t ms = hg_backoff_ms(k->attempts++, RETRY_BASE, RETRY_CAP);
    hg_in_retries_in(in, ms);
    set_timer(in, ms);
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

static bool merging(hg_input_t *in)
{
    const kafka_t *k = hg_in_inst(in);
    return ((const kafka_cfg_t *)hg_in_cfg(in))->synchronize && k->n_parts > 1;
}

/* "price[3]": errors of records name the message by it and its offset. */
static void name_lane(hg_input_t *in, const part_t *p)
{
    char name[280];
    snprintf(name, sizeof name, "%s[%d]", hg_kin_topic(hg_in_cfg(in)), p->id);
    hg_lane_call(p->lane, name);
}

static void open_lanes(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (merging(in)) {
        k->merge.lane = hg_lane_open_key(in, MERGED_KEY, k->merge.next);
        k->merge.lane_id = hg_lane_id(k->merge.lane);
        for (uint32_t i = 0; i < k->n_parts; i++) k->parts[i].lane = k->merge.lane;
        return;
    }
    for (uint32_t i = 0; i < k->n_parts; i++) {
        part_t *p = &k->parts[i];
        p->lane = hg_lane_open_key(in, (uint64_t)p->id, (uint64_t)p->start);
        p->lane_id = hg_lane_id(p->lane);
        name_lane(in, p);
    }
}

/* aborted: what is unfinished goes unread. */
static void close_lanes(kafka_t *k, bool aborted)
{
    for (uint32_t i = 0; i < k->n_parts; i++) {
        if (k->parts[i].lane && !k->merge.lane) (void)hg_lane_close(k->parts[i].lane, aborted);
        k->parts[i].lane = NULL;
    }
    if (k->merge.lane) (void)hg_lane_close(k->merge.lane, aborted);
    k->merge.lane = NULL;
}

static void assign(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_kafka_wake_open(&k->wake, hg_in_loop(in), on_wake, in, &err);
    if (rc < 0) {
        err.fatal = 1;
        hg_in_error(in, "kafka-assign", &err);
        return;
    }
    k->wake_open = true;
    k->assigned = true;
    k->rkt = rd_kafka_topic_new(hg_kafka_use_rk(k->use), k->topic, NULL);
    hg_kin_take_open(k, merging(in));
    open_lanes(in);
    for (uint32_t i = 0; i < k->n_src; i++) hg_kafka_wake_on(&k->wake, k->src[i].queue);
    for (uint32_t i = 0; i < k->n_parts; i++) {
        const part_t *p = &k->parts[i];
        rd_kafka_queue_t *q = k->src[k->n_src > 1 ? i : 0].queue;
        if (k->rkt && rd_kafka_consume_start_queue(k->rkt, p->id, p->start, q) == 0) continue;
        hg_kin_broken(&err, "cannot read %s[%d]: %s", k->topic, p->id, rd_kafka_err2str(rd_kafka_last_error()));
        hg_in_error(in, "kafka-assign", &err);
        return;
    }
    deliver(in);
}

static void released(void *arg)
{
    kafka_t *k = hg_in_inst(arg);
    k->busy = false;
    if (k->closing)
        finish_close(arg);
    else
        start_reading(arg);
}

/* Whoever waits for its turn costs no thread and no connection. */
static void release_client(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_kafka_use_t *use = k->use;
    k->use = NULL;
    k->busy = true;
    hg_kafka_use_close(use, NULL, released);
}

static void drop_answer(kafka_t *k)
{
    hg_free(k->answer);
    k->answer = NULL;
}

static void answered_start(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (k->err.code == HG_OK) {
        take_answer(k);
        for (uint32_t i = 0; i < k->n_parts; i++)
            if (!hg_in_replay_reaches(in, (uint64_t)k->parts[i].id, (uint64_t)k->parts[i].high)) return;
        if (k->attempts || k->unhealthy) hg_in_healthy(in);
        k->attempts = 0;
        k->unhealthy = false;
        assign(in);
        return;
    }
    drop_answer(k);
    hg_in_error(in, "kafka-open", &k->err);
    if (k->err.retry && k->running) retry_later(in);
}

static void answered_mark(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (k->err.code == HG_OK) {
        take_answer(k);
        tell_mark(in);
    } else {
        drop_answer(k);
        k->err.retry = 1;
        k->err.fatal = 0;
        hg_in_mark_failed(in, &k->err);
    }
    if (k->running)
        start_reading(in);
    else if (!k->closing)
        release_client(in);
}

static void answered_lost(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    drop_answer(k);
    hg_in_error(in, "kafka-msg", &k->err);
    if (k->err.retry && k->running) retry_later(in);
}

/* While the connector is held nothing is fetched, so the topic's end has to be asked for. A broker that is gone is told
 * of by the client. */
static void answered_lag(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    for (uint32_t i = 0; i < k->n_answer && k->err.code == HG_OK; i++) {
        part_t *p = hg_kin_part(k, k->answer[i].id);
        if (p) p->high = k->answer[i].high;
    }
    drop_answer(k);
    tell_progress(in);
    if (!k->running)
        set_timer(in, LAG_MS);
    else if (k->lost) /* it runs again, and has met an offset that is gone while this was asked */
        start_reading(in);
}

static void answered(void *arg)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    k->busy = false;
    if (k->closing) {
        drop_answer(k);
        finish_close(in);
    } else if (k->ask == ASK_START) {
        answered_start(in);
    } else if (k->ask == ASK_MARK) {
        answered_mark(in);
    } else if (k->ask == ASK_LAG) {
        answered_lag(in);
    } else {
        answered_lost(in);
    }
}

static void ask(kafka_t *k, ask_t what)
{
    k->ask = what;
    k->busy = true;
    hg_kafka_use_ask(k->use, hg_kin_ask, answered);
}

static void start_reading(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (!k->running || k->closing || k->ended) return;
    if (k->assigned && !k->lost)
        deliver(in);
    else if (k->busy)
        return;
    else if (k->lost)
        ask(k, ASK_LOST);
    else if (open_client(in, &err) < 0)
        hg_in_error(in, "kafka-open", &err);
    else
        ask(k, ASK_START);
}

static void maybe_ended(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (!k->parts[i].eof) return;
    k->ended = true;
    k->running = false;
    close_lanes(k, false);
    hg_in_eoi(in);
}

static void on_bad_message(hg_input_t *in, const rd_kafka_message_t *m)
{
    kafka_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    part_t *p = hg_kin_part(k, m->partition);
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (p && hg_kin_wants_eof(hg_in_cfg(in))) p->eof = true;
        return;
    }
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        k->lost = true;
        k->lost_id = m->partition;
        return;
    }
    if (hg_kin_may_pass(m->err))
        hg_err_retry(&err, HG_ENET, "%s", rd_kafka_message_errstr(m));
    else
        hg_err_set(&err, HG_ENET, "%s", rd_kafka_message_errstr(m));
    if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) err.fatal = 1;
    k->unhealthy |= err.retry;
    hg_in_error(in, "kafka-msg", &err);
}

static bool passes(const kafka_t *k, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    if (!k->filter) return true;
    (void)rd_kafka_message_headers(m, &headers); /* none: NULL */
    return hg_kfilter_match(k->filter, headers);
}

/* Returns false when the host wants no more. */
static bool give(hg_input_t *in, const rd_kafka_message_t *m)
{
    kafka_t *k = hg_in_inst(in);
    part_t *p = hg_kin_part(k, m->partition);
    rd_kafka_timestamp_type_t tt;
    if (!p || !p->lane || m->offset < p->next) return true; /* out of order: delivered before */
    p->eof = false;
    p->next = m->offset + 1;
    if (!passes(k, m)) return true;
    if (k->wants_meta && hg_kmeta(hg_in_cfg(in), k->topic, m, &k->meta) < 0) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENOMEM, "no memory for the metadata of a message");
        hg_in_error(in, "kafka-msg", &err);
        return false;
    }
    int64_t ts = rd_kafka_message_timestamp(m, &tt);
    hg_message_t msg = { .key = { m->key, m->key_len },
                         .payload = { m->payload, m->len },
                         .pos = k->merge.lane ? k->merge.next : (uint64_t)m->offset,
                         .timestamp_us = ts > 0 ? ts * 1000 : 0,
                         .partition = m->partition,
                         .metadata = hg_buf_str(&k->meta) };
    if (k->merge.lane) hg_kin_merge_add(k, (uint32_t)(p - k->parts));
    return hg_lane_message(p->lane, &msg) == HG_LANE_OK;
}

static void flush_lanes(kafka_t *k, bool *full)
{
    if (k->merge.lane) {
        hg_kin_merge_prune(k, hg_lane_taken(k->merge.lane));
        if (hg_lane_flush(k->merge.lane) != HG_LANE_OK) *full = true;
        return;
    }
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].lane && hg_lane_flush(k->parts[i].lane) != HG_LANE_OK) *full = true;
}

/* Consumed against what the topic holds: the lag. Watermarks are librdkafka's cached ones, or what was asked for last:
 * no question to the broker. */
static void tell_progress(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    uint64_t done = 0, total = 0;
    for (uint32_t i = 0; i < k->n_parts; i++) {
        int64_t low, high;
        done += (uint64_t)(k->parts[i].next - k->parts[i].start);
        if (rd_kafka_get_watermark_offsets(hg_kafka_use_rk(k->use), k->topic, k->parts[i].id, &low, &high) ||
            high < k->parts[i].high)
            high = k->parts[i].high;
        high = HG_MAX(high, k->parts[i].next);
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

/* A full queue stops the fetches of its partitions, and librdkafka 2.0 looks again only when something else wakes the
 * broker's thread, or after a second. So once a queue that may have been full is empty, and the topic has more, a
 * question that nobody waits for goes to the partitions' leaders. */
static void resume_fetches(kafka_t *k)
{
    int64_t low, high;
    if (k->given_bytes < WAKE_BYTES) return;
    k->given_bytes = 0;
    rd_kafka_t *rk = hg_kafka_use_rk(k->use);
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)k->n_parts);
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (rd_kafka_get_watermark_offsets(rk, k->topic, k->parts[i].id, &low, &high) == 0 && high > k->parts[i].next)
            rd_kafka_topic_partition_list_add(l, k->topic, k->parts[i].id)->offset = RD_KAFKA_OFFSET_END;
    if (l->cnt) (void)rd_kafka_offsets_for_times(rk, l, 0);
    rd_kafka_topic_partition_list_destroy(l);
}

static void deliver(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    bool full = false, more = false;
    uint32_t given = 0;
    if (!k->running || !k->assigned || k->closing || k->ended || k->posted || k->lost) return;
    while (!full && !k->lost && !k->closing) {
        rd_kafka_message_t *m = hg_kin_take(k, given < TURN);
        if (!m) {
            more = given >= TURN;
            if (!more) resume_fetches(k);
            break;
        }
        if (k->unhealthy) {
            k->unhealthy = false;
            hg_in_healthy(in);
        }
        if (m->err)
            on_bad_message(in, m);
        else
            full = !give(in, m);
        k->given_bytes += m->len;
        rd_kafka_message_destroy(m);
        given++;
    }
    if (k->closing) return;
    flush_lanes(k, &full);
    tell_progress(in);
    if (k->lost) {
        start_reading(in);
        return;
    }
    if (full)
        k->running = false; /* a run will come */
    else if (hg_kin_wants_eof(hg_in_cfg(in)) && hg_kin_take_idle(k))
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
    if (k->assigned)
        set_timer(in, LAG_MS);
    else if (k->timer)
        uv_timer_stop(k->timer);
    return 0;
}

static int kafka_mark(hg_input_t *in, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    if (k->busy) return hg_err_retry(err, HG_EBUSY, "the connector is being opened");
    int rc = open_client(in, err);
    if (rc < 0) return rc;
    ask(k, ASK_MARK);
    return 0;
}

/* --- closing: what was taken, the wake-up, then queues and client on the client's thread, then closed --- */

static void stop_reading(void *arg)
{
    kafka_t *k = hg_in_inst(arg);
    for (uint32_t i = 0; k->rkt && i < k->n_parts; i++) (void)rd_kafka_consume_stop(k->rkt, k->parts[i].id);
    for (uint32_t i = 0; i < k->n_src; i++) rd_kafka_queue_destroy(k->src[i].queue);
    if (k->rkt) rd_kafka_topic_destroy(k->rkt);
}

static void client_closed(void *arg)
{
    kafka_t *k = hg_in_inst(arg);
    for (uint32_t i = 0; i < k->n_src; i++) hg_free(k->src[i].batch);
    hg_free(k->src);
    hg_kfilter_free(k->filter);
    hg_buf_release(&k->meta);
    hg_in_closed(arg); /* parts and merged order stay for save() until fini */
}

static void wake_closed(void *arg)
{
    kafka_t *k = hg_in_inst(arg);
    if (k->use)
        hg_kafka_use_close(k->use, stop_reading, client_closed);
    else
        client_closed(arg);
}

static void finish_close(hg_input_t *in)
{
    kafka_t *k = hg_in_inst(in);
    if (k->busy || k->posted) return;
    hg_kin_take_drop(k);
    for (uint32_t i = 0; i < k->n_src; i++) hg_kafka_wake_off(k->src[i].queue);
    if (k->wake_open)
        hg_kafka_wake_close(&k->wake, wake_closed);
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
    close_lanes(k, true);
    finish_close(in);
}

/* --- positions: {"offsets":[{"start":a,"end":b},…]}, one per partition in order of assignment. Merged: also
 * "sequence", the count of messages of the lane. --- */

static void save_range(hg_jw_t *w, int64_t start, int64_t end)
{
    hg_jw_obj(w);
    hg_jw_ki64(w, "start", start);
    hg_jw_ki64(w, "end", end);
    hg_jw_end_obj(w);
}

static void save_merged(const kafka_t *k, uint64_t taken, hg_jw_t *w)
{
    int64_t *offsets = HG_NEWN(int64_t, k->n_parts);
    hg_kin_merge_offsets(k, taken, offsets);
    hg_jw_key(w, "offsets");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < k->n_parts; i++) save_range(w, HG_MIN(k->parts[i].start, offsets[i]), offsets[i]);
    hg_jw_end_arr(w);
    hg_jw_ku64(w, "sequence", taken);
    hg_free(offsets);
}

static void kafka_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const kafka_t *k = hg_in_inst(in);
    hg_jw_obj(w);
    if (k->merge.lane_id) {
        uint64_t taken = k->merge.first;
        for (uint32_t r = 0; r < n; r++)
            if (consumed[r].lane == k->merge.lane_id) taken = consumed[r].end;
        save_merged(k, taken, w);
        hg_jw_end_obj(w);
        return;
    }
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
        save_range(w, start, end);
    }
    hg_jw_end_arr(w);
    if (k->merge.next) hg_jw_ku64(w, "sequence", k->merge.next); /* restored, not read on yet */
    hg_jw_end_obj(w);
}

/* Any thread: does this position have the right shape? */
static int kafka_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    static const char *const names[] = { "offsets", "sequence", NULL }, *const ranges[] = { "start", "end", NULL };
    const kafka_cfg_t *c = cfg;
    const hg_json_t *list = hg_json_get(position, "offsets"), *sequence = hg_json_get(position, "sequence");
    uint64_t u;
    uint32_t n = 0;
    int rc = hg_position_members(position, "a Kafka position", names, err);
    if (rc < 0) return rc;
    if (!list || list->kind != HG_J_ARRAY)
        return hg_err_set(err, HG_EPARSE, "a Kafka position needs 'offsets', a list with one element per partition");
    for (const hg_json_t *o = list->child; o; o = o->next, n++) {
        rc = hg_position_members(o, "an element of 'offsets'", ranges, err);
        if (rc < 0) return rc;
        if (hg_json_u64(hg_json_get(o, "end"), &u) < 0 || u > INT64_MAX)
            return hg_err_set(err, HG_EPARSE, "element %u of a Kafka position needs a number 'end'", n);
    }
    if (c->partitions && c->partitions->kind == HG_J_ARRAY && n > c->partitions->n)
        return hg_err_set(err, HG_EPARSE, "the position has %u offsets, but the connector reads %u partitions", n,
                          c->partitions->n);
    if (sequence && hg_json_u64(sequence, &u) < 0)
        return hg_err_set(err, HG_EPARSE, "'sequence' of a Kafka position must be a number");
    return 0;
}

static int kafka_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    kafka_t *k = hg_in_inst(in);
    int rc = kafka_check_position(hg_in_cfg(in), position, err);
    if (rc < 0) return rc;
    const hg_json_t *list = hg_json_get(position, "offsets"), *sequence = hg_json_get(position, "sequence");
    uint32_t n = 0;
    hg_free(k->parts);
    k->parts = HG_NEWN(part_t, list->n + 1);
    for (const hg_json_t *o = list->child; o; o = o->next, n++) {
        uint64_t end = 0;
        hg_json_u64(hg_json_get(o, "end"), &end);
        k->parts[n] = (part_t){ .id = (int32_t)n, .start = -1, .mark = -1, .saved = (int64_t)end };
    }
    k->n_parts = n;
    if (sequence) hg_json_u64(sequence, &k->merge.next);
    k->merge.first = k->merge.next;
    return 0;
}

static void kafka_fini(void *inst)
{
    hg_free(((kafka_t *)inst)->parts);
    hg_free(((kafka_t *)inst)->merge.ring);
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
    .no_replay = hg_kin_no_replay,
    .open = kafka_open,
    .mark = kafka_mark,
    .run = kafka_run,
    .hold = kafka_hold,
    .close = kafka_close,
    .save = kafka_save,
    .restore = kafka_restore,
    .check_position = kafka_check_position,
    .position_doc =
        "`{\"offsets\": [{\"end\": n}, …]}`: per partition that is read, in order, the offset of the next message. "
        "Saved ones also have `start`, and `sequence` where the partitions are merged.",
    .fini = kafka_fini,
};
