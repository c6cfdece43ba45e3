/* sink.c: the lanes of a sink: one per stream entry and topic, each a consumer on the I/O loop (sink_feed.c) and a
 * thread: polled batch → payloads → transforms → the plugin → offset stored.
 *
 * 1. A batch is what a poll gave of one partition, batch_length messages at most. Its offset is stored when the plugin
 *    has said yes to all of it, or what it did not take has gone where errors.* sends it; and nothing of the next batch
 *    leaves the plugin before the server has stored that: it is given later, or, to a plugin that stops at a gate, at
 *    once and gated. So a crash repeats one batch at most.
 * 2. While the plugin has a batch the next one is prepared in the lane's other slot; while a gated one waits, the one
 *    behind it, in the slot of the one that is being stored.
 * 3. Messages whose payloads turned out to be of different kinds go to the plugin in runs of one kind, as a batch has
 *    one tag.
 * 4. A message that the plugin left out of a batch it took counts as one that cannot be decoded: errors.on_record.
 * 5. Told to stop, the batch that the plugin has is brought to its end; one that is being repeated is not: it is not
 *    stored and comes again.
 */
#include "base/hg.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "iggy/runtime/sink_int.h"

/* --- preparing --- */
static int grow(hg_prep_t *p, uint32_t n, hg_err_t *err)
{
    if (n <= p->cap) return 0;
    uint32_t cap = n + n / 4;
    hg_free(p->v);
    hg_free(p->dead);
    p->cap = 0;
    p->v = hg_trynew(cap * sizeof *p->v);
    p->dead = hg_trynew(cap * sizeof *p->dead);
    if (!p->v || !p->dead) return hg_err_retry(err, HG_ENOMEM, "no memory for a batch of %u messages", n);
    p->cap = cap;
    return 0;
}

static void dead_letter(hg_lane_t *l, hg_prep_t *p, const hg_iggy_message_t *m, const char *stage, const char *why,
                        uint32_t attempts)
{
    hg_str_t reason = hg_scratch_copy(p->scratch, (hg_str_t){ why, strlen(why) + 1 });
    p->dead[p->n_dead++] = (hg_dead_t){
        .stage = stage,
        .reason = reason.p ? reason.p : "",
        .stream = l->stream->stream,
        .topic = l->topic,
        .entry = (uint32_t)(l->stream - l->run->config->streams),
        .partition = p->item->partition,
        .offset = m->offset,
        .attempts = attempts,
        .message = *m,
    };
}

static int record_failed(hg_lane_t *l, hg_prep_t *p, const hg_iggy_message_t *m, const char *stage, hg_err_t *err)
{
    hg_run_t *r = l->run;
    const hg_iggy_errors_config_t *policy = &r->config->errors;
    hg_rt_count_add(r->spec.stats, HG_RT_ERRORS, 1);
    hg_log(HG_LOG_WARN, "iggy_sink", r->config->key, "bad_record",
           "topic=%s partition=%u offset=%" PRIu64 " stage=%s reason=\"%s\"", l->topic, p->item->partition, m->offset,
           stage, err->msg);
    if (policy->on_record == HG_IGGY_RECORD_FAIL) {
        l->how = HG_RUN_FATAL;
        return hg_err_wrap(err, "%s of offset %" PRIu64 ", partition %u", stage, m->offset, p->item->partition);
    }
    if (policy->on_record == HG_IGGY_RECORD_DEAD_LETTER)
        dead_letter(l, p, m, stage, err->msg, 1);
    else
        hg_rt_count_add(r->spec.stats, HG_RT_SKIPPED, 1);
    return 0;
}

/* Scanners read past the end of a payload: the last ones of a batch are copied to where they may. */
static hg_str_t readable(hg_prep_t *p, const hg_iggy_messages_t *all, hg_str_t s)
{
    if ((const uint8_t *)s.p + s.n + HG_PAYLOAD_PAD <= all->end) return s;
    return hg_scratch_copy(p->scratch, s);
}

static int decode(hg_lane_t *l, hg_prep_t *p, const hg_piece_t *piece, hg_err_t *err)
{
    hg_iggy_messages_t it = piece->messages;
    hg_iggy_message_t m;
    int rc = 0;
    while (rc == 0 && hg_iggy_messages_next(&it, &m)) {
        hg_entry_t *e = &p->v[p->n];
        p->item->place = (hg_place_t){ m.offset, m.timestamp, m.id };
        *e = (hg_entry_t){ .m = m, .headers_at = p->headers.n };
        hg_str_t bytes = readable(p, &piece->messages, m.payload);
        int one = bytes.p || !m.payload.n ? hg_rt_headers_from_wire(&p->headers, m.headers, &e->n_headers, err)
                                          : hg_err_retry(err, HG_ENOMEM, "no memory for a message");
        if (one == 0) one = hg_codec_decode(l->codec, p->scratch, bytes, &e->payload, err);
        if (one == HG_ENOMEM) return one;
        if (one < 0)
            rc = record_failed(l, p, &m, "decode", err);
        else
            p->n++;
    }
    return rc;
}

static int convert(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        hg_entry_t *e = &p->v[i];
        int one = hg_chain_apply(l->run->chain, p->scratch, &e->payload, err);
        if (one == HG_TR_DROP) {
            hg_rt_count_add(l->run->spec.stats, HG_RT_FILTERED, 1);
            continue;
        }
        if (one == 0) one = hg_payload_bytes(&e->payload, p->scratch, &e->out, err);
        if (one == HG_ENOMEM) return one;
        if (one < 0) {
            int rc = record_failed(l, p, &e->m, "transform", err);
            if (rc < 0) return rc;
            continue;
        }
        p->v[out++] = *e;
    }
    p->n = out;
    return 0;
}

/* The plugin leaves out a message of the run that it has. A thread of the plugin's; the lane's does not look at p. */
static void on_rejected(void *arg, uint32_t at, hg_str_t reason)
{
    hg_prep_t *p = arg;
    if (at >= p->run_end - p->at || p->v[p->at + at].rejected) return;
    hg_entry_t *e = &p->v[p->at + at];
    e->rejected = true;
    e->why = p->reasons.len;
    p->n_rejected++;
    if (hg_buf_reserve(&p->reasons, reason.n + 1) < 0) {
        e->why = SIZE_MAX;
        return;
    }
    hg_buf_addstr(&p->reasons, reason);
    hg_buf_addc(&p->reasons, 0);
}

/* Writes the run of one kind that begins at p->at into the slot. */
static int encode(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    hg_pc_schema_t kind = p->at < p->n ? (hg_pc_schema_t)p->v[p->at].payload.kind : (hg_pc_schema_t)l->stream->schema;
    hg_str_t stream = hg_strz(l->stream->stream), topic = hg_strz(l->topic);
    size_t room = hg_pc_topic_bound(stream, topic) + 2 * HG_PC_BATCH_MAX;
    p->run_end = p->at;
    while (p->run_end < p->n && (hg_pc_schema_t)p->v[p->run_end].payload.kind == kind) {
        const hg_entry_t *e = &p->v[p->run_end];
        size_t more = HG_PC_MESSAGE_MAX + e->out.n;
        if (e->n_headers) more += hg_pc_headers_bound(&p->headers.v[e->headers_at], e->n_headers);
        if (p->run_end > p->at && room + more > HG_PLUGIN_SLOT_BYTES) break;
        room += more;
        p->run_end++;
    }
    uint8_t *at;
    int rc = hg_plugin_room(l->lane, p->slot, room, &at, err);
    if (rc < 0) return rc;
    hg_pc_out_t o = { at, at + room };
    hg_pc_put_topic(&o, stream, topic);
    p->call = (hg_plugin_batch_t){ .slot = p->slot, .topic = (size_t)(o.p - at), .rejected = on_rejected, .arg = p };
    hg_pc_put_meta(&o, &(hg_pc_meta_t){ p->item->partition, p->item->newest, kind });
    p->call.meta = (size_t)(o.p - at) - p->call.topic;
    hg_pc_put_raw_begin(&o, kind, p->run_end - p->at);
    for (uint32_t i = p->at; i < p->run_end; i++) {
        const hg_entry_t *e = &p->v[i];
        hg_pc_put_raw(&o, &(hg_pc_raw_t){ .id = e->m.id,
                                          .offset = e->m.offset,
                                          .timestamp = e->m.timestamp,
                                          .origin_timestamp = e->m.origin_timestamp,
                                          .headers = p->headers.v + e->headers_at,
                                          .n_headers = e->n_headers,
                                          .payload = e->out });
    }
    p->call.messages = (size_t)(o.p - at) - p->call.topic - p->call.meta;
    return 0;
}

static int prepare(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    int64_t began = hg_rt_clock_ns();
    hg_scratch_reset(p->scratch);
    p->n = p->n_dead = p->at = 0;
    p->headers.n = 0;
    p->ffi_ns = 0;
    hg_rt_count_add(l->run->spec.stats, HG_RT_TAKEN, p->item->count);
    int rc = grow(p, p->item->count, err);
    for (const hg_piece_t *piece = p->item->pieces; rc == 0 && piece; piece = piece->next)
        rc = decode(l, p, piece, err);
    int64_t decoded = hg_rt_clock_ns();
    if (rc == 0) rc = convert(l, p, err);
    if (rc == 0) rc = encode(l, p, err);
    p->began_ns = began;
    p->decode_ns = decoded - began;
    p->prepare_ns = hg_rt_clock_ns() - decoded;
    return rc;
}

/* --- giving it to the plugin --- */
static int begin(hg_lane_t *l, hg_prep_t *p, bool gated, hg_err_t *err)
{
    for (uint32_t i = p->at; p->n_rejected && i < p->run_end; i++) p->v[i].rejected = false; /* by an attempt before */
    p->n_rejected = 0;
    hg_buf_clear(&p->reasons);
    p->given_ns = hg_rt_clock_ns();
    p->call.gated = gated;
    return hg_plugin_consume(l->lane, &p->call, err);
}

/* What is to be done with the messages of this run that the plugin does not take. Negative: the lane ends. */
static int give_up(hg_lane_t *l, hg_prep_t *p, hg_iggy_on_batch_t policy, const char *why, uint32_t attempts,
                   hg_err_t *err)
{
    hg_run_t *r = l->run;
    uint32_t n = p->run_end - p->at;
    if (policy == HG_IGGY_BATCH_STOP) {
        l->how = HG_RUN_FATAL;
        return hg_err_set(err, HG_EIO, "%s; stopped before offset %" PRIu64 " of partition %u of topic '%s'", why,
                          n ? p->v[p->at].m.offset : p->item->last, p->item->partition, l->topic);
    }
    if (policy == HG_IGGY_BATCH_SKIP) hg_rt_count_add(r->spec.stats, HG_RT_SKIPPED, n);
    if (policy == HG_IGGY_BATCH_DEAD_LETTER)
        for (uint32_t i = p->at; i < p->run_end; i++) dead_letter(l, p, &p->v[i].m, "consume", why, attempts);
    hg_log(HG_LOG_ERROR, "iggy_sink", r->config->key, policy == HG_IGGY_BATCH_SKIP ? "skipped" : "dead_lettered",
           "topic=%s partition=%u messages=%u reason=\"%s\"", l->topic, p->item->partition, n, why);
    return 0;
}

/* What the plugin left out of the run that it took. */
static int left_out(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = p->at; rc == 0 && p->n_rejected && i < p->run_end; i++) {
        const hg_entry_t *e = &p->v[i];
        if (!e->rejected) continue;
        hg_err_set(err, HG_EIO, "%s", e->why == SIZE_MAX ? "the plugin left it out" : p->reasons.p + e->why);
        rc = record_failed(l, p, &e->m, "consume", err);
    }
    return rc;
}

/* The run that the plugin was given, until it has taken it or nobody tries any more. */
static int see_through(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    hg_run_t *r = l->run;
    const hg_iggy_errors_config_t *policy = &r->config->errors;
    uint64_t pause = policy->backoff_us;
    for (uint32_t attempts = 1;; attempts++) {
        int32_t answer;
        int rc = hg_plugin_consumed(l->lane, &answer, err);
        p->ffi_ns += hg_rt_clock_ns() - p->given_ns;
        if (rc < 0) return rc;
        if (answer == 0) {
            hg_rt_count_add(r->spec.stats, HG_RT_DELIVERED, p->run_end - p->at);
            return left_out(l, p, err);
        }
        hg_rt_count_add(r->spec.stats, HG_RT_ERRORS, 1);
        char why[96];
        snprintf(why, sizeof why, "the plugin refused a batch (%d) in attempt %u", answer, attempts);
        if (answer < 0) return give_up(l, p, policy->on_fatal, why, attempts, err);
        if (attempts > policy->retries) return give_up(l, p, policy->on_exhausted, why, attempts, err);
        hg_err_t trouble;
        hg_err_set(&trouble, HG_EIO, "%s; it is tried again", why);
        if (attempts > 1) /* a single failure is no state */
            hg_run_tell(r, HG_RUN_TROUBLE, &trouble);
        hg_rt_count_add(r->spec.stats, HG_RT_RETRIES, 1);
        if (!hg_bell_pause(&r->bell, pause)) return hg_err_retry(err, HG_ECANCELED, "stopped");
        pause = HG_MIN(pause * 2, policy->max_backoff_us);
        rc = begin(l, p, false, err);
        if (rc < 0) return rc;
    }
}

static void account(hg_lane_t *l, hg_prep_t *p)
{
    const hg_iggy_connector_config_t *c = l->run->config;
    hg_rt_stats_t *st = l->run->spec.stats;
    int64_t total = p->decode_ns + p->prepare_ns + p->ffi_ns;
    hg_rt_observe(st, HG_RT_STAGE_DECODE, p->decode_ns);
    hg_rt_observe(st, HG_RT_STAGE_PREPARE, p->prepare_ns);
    hg_rt_observe(st, HG_RT_STAGE_FFI, p->ffi_ns);
    hg_rt_observe(st, HG_RT_STAGE_TOTAL, total);
    atomic_store(&st->last_batch_us, hg_now_us());
    hg_log(c->verbose ? HG_LOG_INFO : HG_LOG_DEBUG, "iggy_sink", c->key, "consumed",
           "topic=%s partition=%u messages=%u", l->topic, p->item->partition, p->item->count);
    if (c->benchmark)
        hg_log(HG_LOG_INFO, "iggy_connectors::benchmark", c->key, "benchmark",
               "connector_type=sink stream=%s topic=%s partition_id=%u current_offset=%" PRIu64
               " batch_size=%u processed_count=%u decode_us=%" PRId64 " prepare_us=%" PRId64 " ffi_us=%" PRId64
               " total_us=%" PRId64,
               l->stream->stream, l->topic, p->item->partition, p->item->newest, p->item->count, p->n,
               p->decode_ns / 1000, p->prepare_ns / 1000, p->ffi_ns / 1000, total / 1000);
}

/* The batch whose first run the plugin has, until it or errors.* has all of it. */
static int finish(hg_lane_t *l, hg_prep_t *p, hg_err_t *err)
{
    int rc = see_through(l, p, err);
    while (rc == 0 && p->run_end < p->n) {
        p->at = p->run_end;
        rc = encode(l, p, err);
        if (rc == 0) rc = begin(l, p, false, err);
        if (rc == 0) rc = see_through(l, p, err);
    }
    if (rc == 0 && p->n_dead) rc = hg_rt_dead_send(l->run, p->dead, p->n_dead, err);
    if (rc < 0) return rc;
    account(l, p);
    hg_run_well(l->run);
    return 0;
}

/* --- the thread --- */
static void drop(hg_lane_t *l, hg_prep_t *p)
{
    hg_item_t *item = p->item;
    pthread_mutex_lock(&l->run->bell.lock);
    p->item = NULL;
    pthread_mutex_unlock(&l->run->bell.lock);
    hg_feed_free(item);
}

static void prep_rest(hg_prep_t *p)
{
    hg_scratch_free(p->scratch);
    hg_free(p->v);
    hg_free(p->dead);
    hg_free(p->headers.v);
    hg_buf_release(&p->reasons);
    p->scratch = NULL, p->v = NULL, p->dead = NULL;
    p->headers = (hg_rt_headers_t){ 0 };
    p->cap = 0;
}

void hg_lane_rest(hg_lane_t *l)
{
    for (unsigned i = 0; i < HG_PREPS; i++) {
        prep_rest(&l->prep[i]);
        l->prep[i].scratch = hg_scratch_new();
    }
    hg_plugin_lane_rest(l->lane);
    hg_mem_trim();
}

/* The next batch, made ready; NULL: there is none now, or it is over. */
static hg_prep_t *fetch(hg_lane_t *l, bool wait)
{
    hg_prep_t *p = l->prep;
    while (p->item) p++;
    if (!hg_feed_take(l, p, wait)) return NULL;
    p->slot = l->slot = !l->slot;
    p->err = HG_ERR_INIT;
    p->rc = prepare(l, p, &p->err);
    return p;
}

/* Told to stop, or the partition went to another: it comes again, here or there. */
static bool is_wanted(hg_lane_t *l, const hg_prep_t *p)
{
    return !hg_feed_is_stale(l, p->item) && !hg_bell_stopped(&l->run->bell);
}

/* Stores what is done up to p. Meanwhile the plugin may have begun with *next (NULL: there is none): 1, the gate is
 * open, and *behind is the batch after it, if there is one; 0: it has not. */
static int store(hg_lane_t *l, hg_prep_t *p, hg_prep_t *next, hg_prep_t **behind, hg_err_t *err)
{
    bool gated = next && next->rc == 0 && hg_plugin_gates(l->run->plugin) && is_wanted(l, next) &&
                 l->run->config->offset_commit != HG_IGGY_AFTER_POLLING;
    int rc = gated ? begin(l, next, true, err) : 0;
    gated = gated && rc == 0;
    hg_feed_store(l, p->item, gated ? next->item : NULL);
    if (gated) *behind = fetch(l, false);
    bool passed = hg_feed_stored(l);
    if (rc < 0 || !gated) return rc;
    next->given_ns = hg_rt_clock_ns(); /* what it waited for is not the plugin's time */
    if (passed) return 1;
    int32_t answer;
    return hg_plugin_consumed(l->lane, &answer, err);
}

/* Batch after batch: `busy` is with the plugin, `next` is ready, `behind` the one after that. */
static int work(hg_lane_t *l, hg_err_t *err)
{
    hg_prep_t *busy = NULL, *next = NULL, *behind = NULL;
    for (int rc = 0;;) {
        if (!next) next = fetch(l, busy == NULL);
        if (busy) {
            rc = finish(l, busy, err);
            if (rc == 0) rc = store(l, busy, next, &behind, err);
            drop(l, busy);
            busy = NULL;
        }
        if (!next && rc == 0) {
            if (hg_feed_is_over(l)) return 0;
            continue;
        }
        bool begun = rc > 0, wanted = begun || (rc == 0 && is_wanted(l, next));
        if (rc == 0 && next->rc < 0) *err = next->err, rc = next->rc;
        if (rc == 0 && wanted) rc = begin(l, next, false, err);
        if (rc >= 0 && wanted)
            busy = next;
        else if (next)
            drop(l, next);
        next = behind;
        behind = NULL;
        if (rc < 0) {
            if (next) drop(l, next);
            return rc;
        }
        rc = 0;
    }
}

static void *lane_main(void *arg)
{
    hg_lane_t *l = arg;
    hg_run_t *r = l->run;
    hg_err_t err = HG_ERR_INIT;
    pthread_setname_np(pthread_self(), "hg-sink-lane");
    for (unsigned i = 0; i < HG_PREPS; i++) {
        l->prep[i].scratch = hg_scratch_new();
        hg_buf_init(&l->prep[i].reasons, HG_BUF_NOMAX);
    }
    l->how = HG_RUN_FAILED;
    l->wants = hg_plugin_wants(r->plugin);
    int rc = hg_plugin_lane_open(r->plugin, &l->lane, &err);
    if (rc == 0) {
        hg_feed_open(l);
        rc = work(l, &err);
        hg_feed_close(l);
        hg_plugin_lane_close(l->lane);
    }
    for (unsigned i = 0; i < HG_PREPS; i++) prep_rest(&l->prep[i]);
    pthread_mutex_lock(&r->bell.lock);
    bool stopped = r->bell.stop;
    if (l->fatal) { /* the connection's */
        l->err = l->fatal_err;
    } else if (rc < 0 && rc != HG_ECANCELED) {
        l->err = err;
    } else if (stopped) {
        l->how = HG_RUN_STOPPED;
    }
    l->over = true;
    pthread_cond_broadcast(&r->bell.rung);
    pthread_mutex_unlock(&r->bell.lock);
    return NULL;
}

/* --- the run's thread --- */
static uint32_t count_lanes(const hg_iggy_connector_config_t *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_streams; i++) n += c->streams[i].topics.n;
    return n;
}

hg_run_how_t hg_sink_loop(hg_run_t *r, hg_err_t *err)
{
    const hg_iggy_connector_config_t *c = r->config;
    hg_sink_t sink = { .run = r, .n = count_lanes(c) };
    sink.lanes = HG_NEWN(hg_lane_t, sink.n + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->n_streams; i++)
        for (uint32_t t = 0; t < c->streams[i].topics.n; t++, k++) {
            hg_lane_t *l = &sink.lanes[k];
            l->sink = &sink;
            l->run = r;
            l->stream = &c->streams[i];
            l->topic = c->streams[i].topics.v[t];
            l->codec = r->codecs[i];
        }
    bool over = false;
    for (k = 0; k < sink.n && !over; k++)
        over = hg_thread_start(&sink.lanes[k].thread, lane_main, &sink.lanes[k], "a sink's topic", err) < 0;
    if (over) sink.n = k - 1;
    if (sink.n == 0 && !over) hg_run_tell(r, HG_RUN_READY, NULL); /* nothing to wait for */
    hg_point("sink_lanes", &sink);
    pthread_mutex_lock(&r->bell.lock);
    for (;;) { /* a lane may be over before this thread looks for the first time */
        for (k = 0; k < sink.n; k++) over = over || sink.lanes[k].over;
        if (over || r->bell.stop || r->died) break;
        hg_bell_wait_until(&r->bell, INT64_MAX);
    }
    bool told = r->bell.stop, died = r->died;
    pthread_mutex_unlock(&r->bell.lock);
    hg_run_stop(r); /* one that failed takes the others along */
    hg_run_how_t how = told ? HG_RUN_STOPPED : HG_RUN_FAILED;
    if (died) hg_err_retry(err, HG_ECLOSED, "the plugin's process ended: %s", r->died_how);
    for (k = 0; k < sink.n; k++) {
        const hg_lane_t *l = &sink.lanes[k];
        pthread_join(l->thread, NULL);
        if (l->how == HG_RUN_STOPPED || (how == HG_RUN_FATAL && !told)) continue;
        if (told && l->how == HG_RUN_FAILED) continue;
        how = l->how;
        *err = l->err;
    }
    hg_free(sink.lanes);
    return how;
}
