/* source.c: the loop of a source, on its run's thread: batches from the plugin → payloads → transforms → bytes of the
 * stream → Iggy → state file → the plugin hears that it is done.
 *
 * 1. A plugin that waits for each result has one batch in flight, but for one case: it waited too long (Rust ones: 30
 * s), gives the batch up and sends again. One that works ahead of results (iggy_source_ahead) sends a bounded number:
 * what waits while others are being sent goes together with the next, so that a request, a state file and a result
 * serve several batches.
 * 2. The state file moves only behind batches that the server has confirmed, and the plugin hears of it (ack) only when
 *    the state is on disk. What fails in between is a nack, and the batches come again, each alone then: the ones
 * before the one that fails get through.
 * 3. Told to stop, the batches that are here are brought to their end first.
 * 4. A message that cannot be decoded, transformed or encoded fails its batch, is left out, or goes to the dead letter
 *    topic: errors.on_record.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/source_int.h"

/* A plugin that did not take a nack has given up, or is late: it has so long to show that it lives. */
#define SILENCE_US 30000000
/* Batches that go together: half of what a plugin may send ahead, so that it makes the other half meanwhile. */
#define TOGETHER       (HG_PLUGIN_AHEAD / 2)
#define TOGETHER_BYTES ((size_t)HG_PLUGIN_AHEAD_BYTES / 2)

typedef struct hg_source {
    hg_run_t *run;
    hg_inbox_t inbox; /* under bell.lock */
    /* the run's thread */
    hg_batch_t work[TOGETHER]; /* n_work of them, that came in this turn of the inbox */
    uint32_t n_work;
    uint64_t turn;
    uint32_t alone;     /* so many more are taken one by one */
    hg_rt_out_t **outs; /* one per stream */
    hg_scratch_t *scratch;
    hg_payload_t *payloads; /* of the batches; room for cap */
    hg_pc_produced_t *messages;
    hg_iggy_message_t *sends; /* cap per stream */
    bool *left_out;
    uint32_t cap;
    hg_buf_t base64, headers;
    size_t *headers_at; /* cap + 1 */
    hg_dead_t *dead;
    uint32_t n_dead;
    int64_t last_send_us, silent_until_us; /* 0: nothing is wrong */
    int64_t began_ns, decode_ns, prepare_ns, send_ns, save_ns;
} source_t;

int hg_source_batch(hg_run_t *r, uint64_t batch_id, hg_str_t bytes)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = HG_ECLOSED;
    pthread_mutex_lock(&r->bell.lock);
    source_t *s = r->source;
    if (s && !r->bell.stop) {
        rc = hg_inbox_put(&s->inbox, batch_id, bytes, &err);
        if (rc == 0) pthread_cond_broadcast(&r->bell.rung);
    }
    pthread_mutex_unlock(&r->bell.lock);
    if (rc == HG_EPROTO || rc == HG_ETOOBIG) {
        hg_rt_count_add(r->spec.stats, HG_RT_ERRORS, 1);
        hg_log(HG_LOG_ERROR, "iggy_source", r->config->key, "bad_batch", "reason=\"%s\" at=%" PRIu64, err.msg,
               err.pos.off);
    }
    return rc;
}

/* --- batches that go together --- */
static void free_batch(source_t *s)
{
    hg_free(s->payloads), hg_free(s->messages), hg_free(s->sends), hg_free(s->left_out), hg_free(s->headers_at);
    hg_free(s->dead);
    s->payloads = NULL, s->messages = NULL, s->sends = NULL, s->left_out = NULL, s->headers_at = NULL, s->dead = NULL;
    s->cap = 0;
}

static int grow(source_t *s, uint64_t n, hg_err_t *err)
{
    if (s->cap && n <= s->cap) return 0;
    size_t cap = n + n / 4 + 1; /* there are empty batches */
    free_batch(s);
    s->payloads = hg_trynew(cap * sizeof *s->payloads);
    s->messages = hg_trynew(cap * sizeof *s->messages);
    s->sends = hg_trynew(cap * sizeof *s->sends * s->run->config->n_streams);
    s->left_out = hg_trynew(cap * sizeof *s->left_out);
    s->headers_at = hg_trynew((cap + 1) * sizeof *s->headers_at);
    s->dead = hg_trynew(cap * sizeof *s->dead);
    if (!s->payloads || !s->messages || !s->sends || !s->left_out || !s->headers_at || !s->dead)
        return hg_err_retry(err, HG_ENOMEM, "no memory for a batch of %" PRIu64 " messages", n);
    s->cap = (uint32_t)HG_MIN(cap, UINT32_MAX);
    return 0;
}

/* A message that will not do; entry: of [[streams]], that it was for. Negative: neither will its batch. */
static int record_failed(source_t *s, uint32_t i, uint32_t entry, const char *stage, hg_err_t *err)
{
    hg_run_t *r = s->run;
    hg_rt_count_add(r->spec.stats, HG_RT_ERRORS, 1);
    hg_log(HG_LOG_WARN, "iggy_source", r->config->key, "bad_record", "stage=%s reason=\"%s\"", stage, err->msg);
    if (r->config->errors.on_record == HG_IGGY_RECORD_FAIL) return hg_err_wrap(err, "%s", stage);
    s->left_out[i] = true;
    if (r->config->errors.on_record == HG_IGGY_RECORD_SKIP) {
        hg_rt_count_add(r->spec.stats, HG_RT_SKIPPED, 1);
        return 0;
    }
    hg_str_t reason = hg_scratch_copy(s->scratch, (hg_str_t){ err->msg, strlen(err->msg) + 1 });
    s->dead[s->n_dead++] = (hg_dead_t){
        .stage = stage,
        .reason = reason.p ? reason.p : "",
        .entry = entry,
        .attempts = 1,
        .message = { .payload = s->messages[i].payload,
                     .headers = { s->headers.p + s->headers_at[i], s->headers_at[i + 1] - s->headers_at[i] } },
    };
    return 0;
}

/* The messages of a batch, from place i on. */
static int decode(source_t *s, const hg_pc_batch_t *b, uint32_t i, hg_err_t *err)
{
    hg_pc_in_t in = b->messages;
    int rc = 0;
    for (uint32_t end = i + (uint32_t)b->n; rc == 0 && i < end; i++) {
        hg_pc_produced_t *m = &s->messages[i];
        s->left_out[i] = false;
        rc = hg_pc_get_produced(&in, m, err); /* was read before: cannot fail */
        int one = rc == 0 ? hg_rt_headers_to_wire(m->raw_headers, m->n_headers, &s->base64, &s->headers, err) : 0;
        s->headers_at[i + 1] = s->headers.len;
        if (one == 0 && rc == 0)
            one = hg_payload_from((hg_plkind_t)b->schema, m->payload, s->scratch, &s->payloads[i], err);
        if (one == HG_ENOMEM) rc = one;
        if (rc == 0 && one < 0) rc = record_failed(s, i, 0, "decode", err);
    }
    return rc;
}

static int decode_all(source_t *s, hg_err_t *err)
{
    size_t header_bytes = 0;
    uint32_t at = 0;
    for (uint32_t k = 0; k < s->n_work; k++) header_bytes += s->work[k].b.header_bytes;
    hg_buf_clear(&s->headers);
    if (hg_buf_reserve(&s->headers, header_bytes * 2) < 0) /* slices into it are made as it fills */
        return hg_err_retry(err, HG_ENOMEM, "no memory for headers");
    int rc = 0;
    s->headers_at[0] = 0;
    for (uint32_t k = 0; rc == 0 && k < s->n_work; k++) {
        rc = decode(s, &s->work[k].b, at, err);
        at += (uint32_t)s->work[k].b.n;
    }
    return rc;
}

static int prepare(source_t *s, uint32_t n, hg_err_t *err)
{
    const hg_run_t *r = s->run;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (s->left_out[i]) continue;
        int one = hg_chain_apply(r->chain, s->scratch, &s->payloads[i], err);
        const char *stage = "transform";
        uint32_t entry = 0;
        if (one == HG_TR_DROP) {
            hg_rt_count_add(r->spec.stats, HG_RT_FILTERED, 1);
            s->left_out[i] = true;
            continue;
        }
        for (uint32_t k = 0; one == 0 && k < r->config->n_streams; k++) {
            hg_iggy_message_t *m = &s->sends[(size_t)k * s->cap + i];
            *m = (hg_iggy_message_t){
                .id = s->messages[i].has_id ? s->messages[i].id : 0,
                .headers = { s->headers.p + s->headers_at[i], s->headers_at[i + 1] - s->headers_at[i] },
            };
            stage = "encode";
            entry = k;
            one = hg_codec_encode(r->codecs[k], s->scratch, &s->payloads[i], &m->payload, err);
        }
        if (one == HG_ENOMEM) rc = one;
        if (rc == 0 && one < 0) rc = record_failed(s, i, entry, stage, err);
    }
    return rc;
}

/* What is left in, to each stream. */
static int send_all(source_t *s, uint32_t n, uint32_t *ret_sent, hg_err_t *err)
{
    const hg_run_t *r = s->run;
    int rc = s->n_dead ? hg_rt_dead_send(s->run, s->dead, s->n_dead, err) : 0;
    for (uint32_t k = 0; rc == 0 && k < r->config->n_streams; k++) {
        hg_iggy_message_t *m = &s->sends[(size_t)k * s->cap];
        uint32_t out = 0;
        for (uint32_t i = 0; i < n; i++)
            if (!s->left_out[i]) m[out++] = m[i];
        uint64_t linger = r->config->streams[k].linger_us;
        int64_t wait = s->last_send_us + (int64_t)HG_MIN(linger, (uint64_t)INT32_MAX * 1000) - hg_mono_us();
        if (k == 0 && wait > 0) (void)hg_bell_pause(&s->run->bell, (uint64_t)wait);
        s->last_send_us = hg_mono_us();
        rc = hg_rt_out_send(s->outs[k], m, out, err);
        *ret_sent = out;
    }
    return rc;
}

/* The state behind the last of the batches that has one; NULL: none has. */
static const hg_str_t *state_of(const source_t *s)
{
    for (uint32_t k = s->n_work; k-- > 0;)
        if (s->work[k].b.has_state) return &s->work[k].b.state;
    return NULL;
}

static int deliver(source_t *s, uint64_t n, uint32_t *ret_sent, hg_err_t *err)
{
    const hg_run_t *r = s->run;
    const hg_str_t *state = state_of(s);
    hg_scratch_reset(s->scratch);
    s->n_dead = 0;
    s->began_ns = hg_rt_clock_ns();
    int rc = grow(s, n, err);
    if (rc == 0) rc = decode_all(s, err);
    int64_t decoded = hg_rt_clock_ns();
    if (rc == 0) rc = prepare(s, (uint32_t)n, err);
    int64_t prepared = hg_rt_clock_ns();
    if (rc == 0) rc = send_all(s, (uint32_t)n, ret_sent, err);
    int64_t sent = hg_rt_clock_ns();
    if (rc == 0 && state) rc = hg_rt_state_write(r->spec.runtime->state_path, r->config->key, *state, err);
    int64_t saved = hg_rt_clock_ns();
    s->decode_ns = decoded - s->began_ns;
    s->prepare_ns = prepared - decoded;
    s->send_ns = sent - prepared;
    s->save_ns = saved - sent;
    return rc;
}

static void account(source_t *s, uint64_t n, uint32_t sent)
{
    bool has_state = state_of(s) != NULL;
    hg_rt_stats_t *st = s->run->spec.stats;
    const hg_iggy_connector_config_t *c = s->run->config;
    int64_t total = hg_rt_clock_ns() - s->began_ns;
    hg_rt_count_add(st, HG_RT_DELIVERED, sent);
    hg_rt_observe(st, HG_RT_STAGE_DECODE, s->decode_ns);
    hg_rt_observe(st, HG_RT_STAGE_PREPARE, s->prepare_ns);
    hg_rt_observe(st, HG_RT_STAGE_IGGY_SEND, s->send_ns);
    if (has_state) hg_rt_observe(st, HG_RT_STAGE_STATE_SAVE, s->save_ns);
    hg_rt_observe(st, HG_RT_STAGE_TOTAL, total);
    atomic_store(&st->last_batch_us, hg_now_us());
    hg_log(c->verbose ? HG_LOG_INFO : HG_LOG_DEBUG, "iggy_source", c->key, "sent", "messages=%u", sent);
    if (c->benchmark)
        hg_log(HG_LOG_INFO, "iggy_connectors::benchmark", c->key, "benchmark",
               "connector_type=source stream=%s topic=%s batch_size=%" PRIu64 " sent_count=%u decode_us=%" PRId64
               " prepare_us=%" PRId64 " iggy_send_us=%" PRId64 " state_saved=%s state_save_us=%" PRId64
               " total_us=%" PRId64,
               c->streams[0].stream, c->streams[0].topics.v[0], n, sent, s->decode_ns / 1000, s->prepare_ns / 1000,
               s->send_ns / 1000, has_state ? "true" : "false", s->save_ns / 1000, total / 1000);
}

/* A failure of several does not say whose it is. false: the plugin has begun again without being told. */
static bool refuse(source_t *s)
{
    pthread_mutex_lock(&s->run->bell.lock);
    bool first = hg_inbox_refuse(&s->inbox, s->turn);
    pthread_mutex_unlock(&s->run->bell.lock);
    s->alone = HG_MAX(s->alone, s->n_work);
    return first;
}

/* The batches in s->work, from here to the plugin's having its answer. Negative: the run is over. */
static int process(source_t *s, hg_err_t *err)
{
    hg_run_t *r = s->run;
    hg_err_t why = HG_ERR_INIT;
    uint64_t n = 0;
    uint32_t sent = 0;
    bool waits = false; /* for the nack */
    for (uint32_t k = 0; k < s->n_work; k++) n += s->work[k].b.n;
    hg_rt_count_add(r->spec.stats, HG_RT_TAKEN, n);
    int rc = deliver(s, n, &sent, &why);
    if (rc == 0) {
        s->alone -= s->alone > 0;
        account(s, n, sent);
        hg_run_well(r);
    } else {
        waits = refuse(s);
        hg_rt_count_add(r->spec.stats, HG_RT_ERRORS, 1);
        hg_rt_count_add(r->spec.stats, HG_RT_RETRIES, 1);
        hg_run_tell(r, HG_RUN_TROUBLE, &why);
    }
    uint64_t id = s->work[rc == 0 ? s->n_work - 1 : 0].id; /* and what is before it, or behind it */
    int told = hg_plugin_result(r->plugin, id, rc == 0, err);
    if (told == HG_ECLOSED) return told;
    for (uint32_t k = 0; rc < 0 && k < r->config->n_streams; k++)
        if (hg_rt_out_is_dead(s->outs[k])) return *err = why, rc;
    if (told < 0 && waits) s->silent_until_us = hg_mono_us() + SILENCE_US;
    if (told < 0)
        hg_log(HG_LOG_WARN, "iggy_source", r->config->key, "late", "batch=%" PRIu64 " result=%s", id,
               rc == 0 ? "ack" : "nack");
    return 0;
}

/* --- the loop --- */
static void release_buffers(source_t *s)
{
    hg_inbox_release(&s->inbox);
    for (uint32_t k = 0; k < HG_COUNT(s->work); k++) hg_buf_release(&s->work[k].bytes);
    hg_buf_release(&s->base64), hg_buf_release(&s->headers);
    free_batch(s);
}

/* Under bell.lock; nothing has come for a while. */
static void rest(source_t *s)
{
    release_buffers(s);
    hg_scratch_free(s->scratch);
    s->scratch = hg_scratch_new();
    hg_mem_trim();
}

/* The next batches are in s->work. false: none will come, *how says why. */
static bool next(source_t *s, hg_run_how_t *how, hg_err_t *err)
{
    hg_run_t *r = s->run;
    hg_bell_t *b = &r->bell;
    bool silent = false;
    int64_t rest_at = hg_mono_us() + HG_RT_REST_US;
    pthread_mutex_lock(&b->lock);
    while (!s->inbox.n && !b->stop && !r->ended && !r->died && !silent) {
        if (hg_bell_wait_until(b, s->silent_until_us ? s->silent_until_us : rest_at)) continue;
        silent = s->silent_until_us != 0;
        if (!silent) rest(s);
        rest_at = INT64_MAX;
    }
    s->n_work = hg_inbox_take(&s->inbox, s->work, s->alone ? 1 : TOGETHER, TOGETHER_BYTES);
    s->turn = s->inbox.turn;
    bool got = s->n_work > 0;
    if (got) s->silent_until_us = 0;
    *how = b->stop ? HG_RUN_STOPPED : r->ended ? HG_RUN_ENDED : HG_RUN_FAILED;
    if (!got && *how == HG_RUN_FAILED && r->died)
        hg_err_retry(err, HG_ECLOSED, "the plugin's process ended: %s", r->died_how);
    if (!got && *how == HG_RUN_FAILED && !r->died)
        hg_err_retry(err, HG_ETIMEOUT, "the plugin stopped producing after its batches had been refused");
    pthread_mutex_unlock(&b->lock);
    return got;
}

static void publish(hg_run_t *r, source_t *s)
{
    pthread_mutex_lock(&r->bell.lock);
    r->source = s;
    pthread_mutex_unlock(&r->bell.lock);
}

static void release(source_t *s)
{
    for (uint32_t i = 0; i < s->run->config->n_streams; i++) hg_rt_out_close(s->outs[i]);
    hg_free(s->outs);
    hg_scratch_free(s->scratch);
    release_buffers(s);
}

/* Messages of a request. Where the configuration does not say, batches that go together share requests (whose bytes the
 * producer bounds). */
static uint32_t request_length(const hg_run_t *r, const hg_iggy_stream_config_t *c)
{
    const hg_json_t *given = hg_json_get(c->node, "batch_length");
    bool told = given && given->kind != HG_J_NULL;
    return told || !hg_plugin_ahead(r->plugin) ? c->batch_length : c->batch_length * TOGETHER;
}

hg_run_how_t hg_source_loop(hg_run_t *r, hg_err_t *err)
{
    source_t s = { .run = r, .scratch = hg_scratch_new(), .outs = HG_NEWN(hg_rt_out_t *, r->config->n_streams) };
    hg_inbox_init(&s.inbox, hg_plugin_ahead(r->plugin));
    for (size_t i = 0; i < HG_COUNT(s.work); i++) hg_buf_init(&s.work[i].bytes, HG_BUF_NOMAX);
    hg_buf_init(&s.base64, HG_BUF_NOMAX);
    hg_buf_init(&s.headers, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < r->config->n_streams; i++) {
        const hg_iggy_stream_config_t *c = &r->config->streams[i];
        s.outs[i] = hg_rt_out_open(r, c->stream, c->topics.v[0], request_length(r, c));
    }
    publish(r, &s);
    hg_run_how_t how = HG_RUN_FAILED;
    int rc = hg_plugin_start(r->plugin, err);
    while (rc == 0 && next(&s, &how, err)) {
        rc = process(&s, err);
        if (rc < 0) how = HG_RUN_FAILED;
    }
    publish(r, NULL);
    release(&s);
    return how;
}
