/* output.c: the life of an output, its queue, and what the circuit sees of it.
 *
 * The circuit pushes one delta per step and never blocks here; it asks hg_output_full() before a step. Encoding is in
 * encode.c (pool), writing in write.c (the output's loop). A tap is an output whose encoded chunks go to call-backs.
 *
 * Progress: `delivered` is the last step up to which everything is with the sink. Steps without rows, steps thrown away
 * while the user has paused the output, and steps whose encoding failed move it on as well, but never past an earlier
 * step that the sink has not confirmed yet. A failed output holds nobody up: its progress is UINT64_MAX - 1; but where
 * the pipeline is durable nothing that it owes may be lost, so there it is like one whose sink is away (`holds`), until
 * the user starts it again (hg_output_hand_over) or pauses it.
 */
#include "base/hg.h"
#include "connectors/host/output_int.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_MESSAGE ((size_t)1000000 - 64)
#define ITEM_COST   512 /* bytes that an item costs beside its rows */

hg_output_t *hg_output_retain(hg_output_t *out)
{
    atomic_fetch_add(&out->refs, 1);
    return out;
}

void hg_outitem_free(hg_outitem_t *it)
{
    if (!it) return;
    hg_delta_release(&it->delta);
    hg_group_drop(it->group);
    hg_free(it);
}

void hg_outblock_free(hg_outblock_t *b)
{
    if (!b) return;
    hg_buf_release(&b->data);
    hg_free(b->msgs);
    hg_free(b);
}

void hg_output_drop(hg_output_t *out)
{
    if (atomic_fetch_sub(&out->refs, 1) != 1) return;
    hg_host_t *h = out->host;
    pthread_mutex_lock(&h->mu);
    if (hg_list_linked(&out->host_link)) hg_list_del(&out->host_link);
    pthread_mutex_unlock(&h->mu);
    for (hg_list_t *it; (it = hg_list_pop(&out->queue)) != NULL;) {
        hg_outitem_t *item = HG_ENTRY(it, hg_outitem_t, link);
        hg_output_uncharge(out, item);
        hg_outitem_free(item);
    }
    atomic_fetch_sub(&h->out_bytes, out->pending);
    for (hg_list_t *it; (it = hg_list_pop(&out->blocks)) != NULL;) hg_outblock_free(HG_ENTRY(it, hg_outblock_t, link));
    hg_outblock_free(out->cur);
    hg_outitem_free(out->item);
    hg_outitem_free(out->buffer);
    hg_outblock_free(out->fill);
    hg_output_owed_release(out);
    if (out->encoder) out->format->encoder_free(out->encoder);
    hg_shaper_free(out->shaper);
    hg_buf_release(&out->out_buf);
    hg_buf_release(&out->key_buf);
    hg_errlist_release(&out->transport_errors);
    hg_errlist_release(&out->encode_errors);
    pthread_mutex_destroy(&out->mu);
    hg_free(out->types);
    hg_free(out->words);
    hg_free(out->acks);
    hg_free(out->times);
    hg_free(out->inst);
    hg_free(out->name);
    hg_free(out->durable_id);
    hg_free(out);
    atomic_fetch_sub(&h->endpoints, 1);
}

static char *durable_id(const hg_host_t *h, const char *endpoint)
{
    size_t n = sizeof "headgate.." + strlen(h->durable_name) + strlen(endpoint);
    char *id = hg_xnew(n);
    snprintf(id, n, "headgate.%s.%s", h->durable_name, endpoint);
    return id;
}

static int output_make(hg_host_t *h, const char *endpoint, uint32_t id, const hg_schema_t *schema,
                       const hg_format_type_t *format, const void *format_cfg, const hg_encode_env_t *env,
                       hg_output_t **ret, hg_err_t *err)
{
    hg_encoder_t *enc = NULL;
    if (format) {
        int rc = format->encoder_new(format_cfg, env, &enc, err);
        if (rc < 0) return rc;
    }
    hg_output_t *out = HG_NEW(hg_output_t);
    atomic_fetch_add(&h->endpoints, 1);
    out->host = h;
    out->name = hg_xstrdup(endpoint);
    out->durable_id = durable_id(h, endpoint);
    out->id = id;
    out->schema = schema;
    out->format = format;
    out->encoder = enc;
    out->whole = env->n_key > 0;
    out->key = env->key;
    out->n_key = env->n_key;
    out->types = HG_NEWN(const hg_type_t *, schema->n_cols + 1);
    for (uint32_t i = 0; i < schema->n_cols; i++) out->types[i] = schema->cols[i].type;
    out->max_queued_records = 1000000;
    atomic_store(&out->refs, 1);
    pthread_mutex_init(&out->mu, NULL);
    hg_list_init(&out->queue);
    hg_list_init(&out->blocks);
    hg_list_init(&out->kept);
    hg_list_init(&out->host_link);
    if (h->journal) {
        pthread_mutex_lock(&h->mu);
        hg_list_add_tail(&h->outputs, &out->host_link);
        pthread_mutex_unlock(&h->mu);
    }
    hg_buf_init(&out->out_buf, HG_BUF_NOMAX);
    hg_buf_init(&out->key_buf, HG_BUF_NOMAX);
    *ret = out;
    return 0;
}

int hg_output_new(hg_host_t *h, const hg_conn_spec_t *spec, uint32_t id, const hg_schema_t *schema, hg_output_t **ret,
                  hg_err_t *err)
{
    char name[512];
    hg_output_t *out;
    hg_encode_env_t env = { .schema = schema,
                            .key = spec->index_key,
                            .n_key = spec->n_index_key,
                            .want_messages = spec->out_type->messages || spec->out_type->no_format,
                            .max_message = MAX_MESSAGE,
                            .index = spec->index_name,
                            .topic = spec->out_type->topic ? spec->out_type->topic(spec->transport_cfg) : NULL };
    if (spec->out_type->abi != HG_CONNECTOR_ABI)
        return hg_err_set(err, HG_EUNSUPPORTED, "connector '%s' was built for another version of the contract",
                          spec->out_type->name);
    if (!spec->format && !spec->out_type->no_format)
        return hg_err_set(err, HG_EINVAL, "connector '%s' needs a format", spec->out_type->name);
    snprintf(name, sizeof name, HG_SF, HG_SA(spec->endpoint));
    if (spec->out_type->max_message)
        env.max_message = spec->out_type->max_message(spec->transport_cfg, h->exactly_once);
    if (spec->out_type->key_separator) env.key_separator = spec->out_type->key_separator(spec->transport_cfg);
    if (spec->transforms) env.max_message /= 2; /* room for what they put in */
    int rc = output_make(h, name, id, schema, spec->format, spec->format_cfg, &env, &out, err);
    if (rc < 0) return rc;
    if (spec->transforms) out->shaper = hg_shaper_new(spec->transforms, false);
    out->type = spec->out_type;
    out->cfg = spec->transport_cfg;
    out->index = spec->index_key;
    out->n_index = spec->n_index_key;
    out->loop = hg_host_io_loop(h, atomic_fetch_add(&h->next_loop, 1));
    if (spec->max_queued_records) out->max_queued_records = spec->max_queued_records;
    out->buffering = spec->enable_output_buffer;
    out->buffer_ms = spec->max_output_buffer_time_millis ? spec->max_output_buffer_time_millis : UINT64_MAX;
    out->buffer_records = spec->max_output_buffer_size_records ? spec->max_output_buffer_size_records : 10000000;
    out->inst = hg_xzero(out->type->inst_size);
    out->asking = out->format && out->format->encoder_ask;
    out->keeps = h->keep_owed;
    out->gated = h->exactly_once && (out->type->caps & HG_OUT_STORES_STEP);
    *ret = out;
    return 0;
}

int hg_tap_new(hg_host_t *h, const char *endpoint, uint32_t id, const hg_schema_t *schema,
               const hg_format_type_t *format, const void *format_cfg, hg_arena_t *cfg_arena, bool backpressure,
               hg_loop_t *on, const hg_tap_ops_t *ops, hg_output_t **ret, hg_err_t *err)
{
    hg_output_t *out;
    hg_encode_env_t env = { .schema = schema, .want_messages = format->messages, .max_message = HG_OUT_BLOCK };
    (void)cfg_arena; /* the caller keeps it as long as the tap */
    int rc = output_make(h, endpoint, id, schema, format, format_cfg, &env, &out, err);
    if (rc < 0) return rc;
    out->loop = on;
    out->tap = *ops;
    out->backpressure = backpressure;
    out->max_queued_records = 100000;
    *ret = out;
    return 0;
}

/* --- commands: control loop --- */

void hg_output_life(hg_output_t *out, uint64_t owner, uint64_t life)
{
    char *id = hg_xprintf("%s.%016" PRIx64, out->durable_id, owner);
    hg_free(out->durable_id);
    out->durable_id = id;
    out->life = life;
}

const uint32_t *hg_output_index(const hg_output_t *out, uint32_t *ret_n)
{
    *ret_n = out->n_index;
    return out->index;
}

void hg_output_start(hg_output_t *out)
{
    hg_loop_post(out->loop, hg_output_cmd_start, hg_output_retain(out));
}

void hg_output_stop(hg_output_t *out, bool now)
{
    pthread_mutex_lock(&out->mu);
    out->stopping = true;
    out->now |= now;
    out->holds = false;
    pthread_mutex_unlock(&out->mu);
    hg_output_pump(out); /* flushes the output buffer */
    hg_loop_post(out->loop, hg_output_cmd_stop, hg_output_retain(out));
}

void hg_output_free(hg_output_t *out)
{
    if (out) hg_output_drop(out);
}

void hg_output_uncharge(hg_output_t *out, hg_outitem_t *it)
{
    atomic_fetch_sub(&out->host->out_bytes, it->charge);
    it->charge = 0;
}

/* [m] Rows thrown away; the item stays in line for the progress. */
static void discard(hg_output_t *out, hg_outitem_t *it)
{
    out->queued_records -= it->records;
    if (hg_outitem_has_rows(it)) out->queued_batches--;
    it->records = 0;
    it->kept = NULL;
    it->more = false; /* what was taken of the batch is all there will be */
    hg_delta_release(&it->delta);
    hg_group_drop(it->group);
    it->group = NULL;
    hg_output_uncharge(out, it);
}

uint64_t hg_output_pause(hg_output_t *out, bool paused)
{
    pthread_mutex_lock(&out->mu);
    out->paused = paused;
    out->muted = false;
    out->next_word = out->n_words;
    uint64_t step = out->pushed;
    if (paused && out->holds) hg_output_let_go(out); /* the way out for a user who does not want what it owes */
    if (paused && !hg_list_empty(&out->queue)) {
        hg_output_unkeep(out, HG_ENTRY(out->queue.next, hg_outitem_t, link)->first_seq, UINT64_MAX);
        HG_LIST_EACH(n, &out->queue) discard(out, HG_ENTRY(n, hg_outitem_t, link));
    }
    pthread_mutex_unlock(&out->mu);
    hg_output_pump(out);
    hg_host_wake(out->host);
    return step;
}

bool hg_output_paused(const hg_output_t *cout)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    pthread_mutex_lock(&out->mu);
    bool paused = out->next_word < out->n_words ? out->words[out->n_words - 1].paused : out->paused || out->muted;
    pthread_mutex_unlock(&out->mu);
    return paused;
}

void hg_output_pause_after(hg_output_t *out, uint64_t step, bool paused)
{
    pthread_mutex_lock(&out->mu);
    out->words = hg_xgrow(out->words, (out->n_words + 1) * sizeof *out->words);
    out->words[out->n_words++] = (hg_outword_t){ step, paused };
    pthread_mutex_unlock(&out->mu);
}

void hg_output_pause_as(hg_output_t *next, hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    bool paused = out->paused, muted = out->muted;
    hg_outword_t *words = out->words;
    uint32_t n = out->n_words, at = out->next_word;
    out->words = NULL;
    out->n_words = out->next_word = 0;
    pthread_mutex_unlock(&out->mu);
    hg_output_pause(next, paused);
    pthread_mutex_lock(&next->mu);
    hg_free(next->words);
    next->words = words;
    next->n_words = n;
    next->next_word = at;
    next->muted = muted;
    pthread_mutex_unlock(&next->mu);
}

/* --- the circuit's side --- */

/* [m] What the user had said by this step. */
static void heed(hg_output_t *out, uint64_t step)
{
    while (out->next_word < out->n_words && out->words[out->next_word].step < step) {
        bool paused = out->words[out->next_word++].paused;
        out->muted = paused;
        if (!paused) out->paused = false;
        if (paused && out->holds) hg_output_let_go(out);
    }
}

void hg_output_heed(hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    heed(out, UINT64_MAX);
    pthread_mutex_unlock(&out->mu);
}

static void push(hg_output_t *out, uint64_t step, hg_delta_t *delta, hg_group_t *group, uint64_t processed,
                 bool snapshot)
{
    uint64_t rows = group ? group->rows : delta ? hg_delta_rows(delta) : 0;
    bool lossy = !out->type && !out->backpressure && !snapshot; /* changes without their beginning say nothing */
    hg_delta_t taken = { 0 };
    if (delta) {
        taken = *delta;
        *delta = (hg_delta_t){ 0 };
    }
    pthread_mutex_lock(&out->mu);
    heed(out, step);
    out->pushed = step;
    bool hold = out->holds && !snapshot;
    bool drop = out->paused || out->muted || (out->failed && !hold) || out->now;
    if (lossy && rows && (out->queued_records >= out->max_queued_records || out->queued_batches >= HG_TAP_CHUNKS)) {
        out->dropped++;
        drop = true;
    }
    if (drop || rows == 0) {
        hg_delta_release(&taken);
        rows = 0;
    }
    uint64_t seq = ++out->seq;
    if (snapshot) out->snapshot_open = true;
    hg_outitem_t *last = hg_list_empty(&out->queue) ? NULL : HG_ENTRY(out->queue.prev, hg_outitem_t, link);
    if (hold && rows == 0) {
        pthread_mutex_unlock(&out->mu);
        return;
    }
    if (rows == 0 && last && !hg_outitem_has_rows(last)) { /* progress only: one item for any number of steps */
        last->step = step;
        last->seq = seq;
        last->processed = processed;
        last->steps++;
    } else {
        hg_outitem_t *it = HG_NEW(hg_outitem_t);
        it->first = it->step = step;
        it->first_seq = it->seq = seq;
        it->processed = processed;
        it->steps = 1;
        it->records = rows;
        it->delta = taken;
        it->group = rows && group ? hg_group_retain(group) : NULL;
        it->snapshot = snapshot;
        it->more = snapshot && rows && out->type;
        it->dropped = out->dropped;
        if (rows) {
            it->mem = hg_delta_mem(&it->delta) + ITEM_COST;
            it->charge = it->mem;
            atomic_fetch_add(&out->host->out_bytes, it->charge);
            if (out->keeps && !snapshot) hg_output_keep(out, it);
            out->queued_records += rows;
            out->queued_batches++;
        }
        hg_list_init(&it->link);
        if (hold)
            hg_outitem_free(it); /* its rows are kept */
        else
            hg_list_add_tail(&out->queue, &it->link);
    }
    bool failed = out->failed;
    pthread_mutex_unlock(&out->mu);
    if (lossy && !failed) atomic_store(&out->delivered, step); /* nobody waits for a reader that may lose batches */
    hg_output_pump(out);
}

void hg_output_push(hg_output_t *out, uint64_t step, hg_delta_t *delta, uint64_t total_processed_input_records)
{
    push(out, step, delta, NULL, total_processed_input_records, false);
}

hg_group_t *hg_group_retain(hg_group_t *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void hg_group_drop(hg_group_t *g)
{
    if (g && atomic_fetch_sub(&g->refs, 1) == 1) g->free(g);
}

void hg_output_push_group(hg_output_t *out, uint64_t step, hg_group_t *g, uint64_t total_processed_input_records)
{
    push(out, step, NULL, g, total_processed_input_records, false);
}

void hg_output_push_snapshot(hg_output_t *out, uint64_t step, hg_delta_t *delta, uint64_t total_processed_input_records)
{
    push(out, step, delta, NULL, total_processed_input_records, true);
}

void hg_output_end_snapshot(hg_output_t *out, uint64_t step, uint64_t total_processed_input_records)
{
    if (out->type) { /* of a tap's snapshot each part was whole */
        pthread_mutex_lock(&out->mu);
        out->snapshot_seq = out->seq + 1;
        out->snapshot_open = false;
        pthread_mutex_unlock(&out->mu);
    }
    push(out, step, NULL, NULL, total_processed_input_records, false);
}

bool hg_output_owes_snapshot(const hg_output_t *out)
{
    return out->snapshot_open || out->at.seq < out->snapshot_seq;
}

bool hg_output_snapshot_owed(const hg_output_t *cout)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    pthread_mutex_lock(&out->mu);
    bool owed = hg_output_owes_snapshot(out);
    pthread_mutex_unlock(&out->mu);
    return owed;
}

bool hg_output_full(const hg_output_t *cout)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    bool full = false;
    if (!out->type && !out->backpressure) return false;
    pthread_mutex_lock(&out->mu);
    if ((!out->failed || out->holds) && !out->paused && !out->now &&
        (out->queued_batches || !hg_list_empty(&out->kept)))
        full = out->queued_records >= out->max_queued_records ||
               atomic_load(&out->host->out_bytes) >= out->host->out_limit;
    if (full) out->full_told = true;
    pthread_mutex_unlock(&out->mu);
    return full;
}

uint64_t hg_output_delivered_step(const hg_output_t *out)
{
    return atomic_load(&out->delivered);
}
uint64_t hg_tap_dropped(const hg_output_t *out)
{
    return out->tap_dropped;
}

/* [m] */
static void note_time(hg_output_t *out, uint64_t step)
{
    if (!out->times) out->times = HG_NEWN(hg_outtime_t, HG_OUT_TIMES);
    out->times[out->n_times++ % HG_OUT_TIMES] = (hg_outtime_t){ step, hg_now_us() };
}

int64_t hg_output_delivered_us(const hg_output_t *cout, uint64_t step)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    int64_t at = 0;
    pthread_mutex_lock(&out->mu);
    uint64_t lo = out->n_times - HG_MIN(out->n_times, (uint64_t)HG_OUT_TIMES), hi = out->n_times;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        const hg_outtime_t *t = &out->times[mid % HG_OUT_TIMES];
        if (t->step < step) {
            lo = mid + 1;
        } else {
            at = t->at_us;
            hi = mid;
        }
    }
    pthread_mutex_unlock(&out->mu);
    return at;
}

void hg_output_advance(hg_output_t *out, const hg_outpos_t *to, uint32_t n, bool data)
{
    hg_list_t gone;
    hg_list_init(&gone);
    pthread_mutex_lock(&out->mu);
    for (uint32_t i = 0; i < n; i++) {
        out->processed_input = to[i].processed;
        out->processed_steps += to[i].steps;
        if (out->failed) continue;
        hg_output_confirmed(out, &to[i], data, &gone);
        if (to[i].through > atomic_load(&out->delivered)) atomic_store(&out->delivered, to[i].through);
    }
    if (n && !out->failed) note_time(out, to[n - 1].through);
    pthread_mutex_unlock(&out->mu);
    hg_outkept_free(out, &gone);
    hg_host_wake(out->host);
}

/* --- stats: any thread --- */

void hg_output_get_stats(const hg_output_t *cout, hg_output_stats_t *ret)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    pthread_mutex_lock(&out->mu);
    *ret = (hg_output_stats_t){
        .transmitted_records = out->transmitted_records,
        .transmitted_bytes = out->transmitted_bytes,
        .queued_records = out->queued_records,
        .queued_batches = out->queued_batches,
        .buffered_records = out->buffered_records,
        .buffered_batches = out->buffered_batches,
        .num_encode_errors = out->n_encode_errors,
        .num_transport_errors = out->n_transport_errors,
        .total_processed_input_records = out->processed_input,
        .total_processed_steps = out->processed_steps,
        .memory = out->pending + out->buffer_mem,
        .unhealthy = out->health.unhealthy,
        .failed = out->failed,
    };
    memcpy(ret->fatal, out->fatal, sizeof ret->fatal);
    hg_health_text(&out->health, ret->health, sizeof ret->health);
    pthread_mutex_unlock(&out->mu);
}

void hg_output_errors_json(const hg_output_t *cout, int which, hg_jw_t *w)
{
    hg_output_t *out = (hg_output_t *)(uintptr_t)cout;
    pthread_mutex_lock(&out->mu);
    hg_errlist_json(which ? &out->encode_errors : &out->transport_errors, w);
    pthread_mutex_unlock(&out->mu);
}
