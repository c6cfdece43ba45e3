/* sink_feed.c: the consumer of a lane, on the I/O loop, and the queue between it and the lane's thread. The queue holds
 * two batches, and what came with the second; a full one pauses the consumer. What belongs to partitions that went to
 * another member is dropped, and not stored: it is delivered there.
 *
 * A server that was killed may have lost an offset that it had confirmed, and would give everything again. So what was
 * stored last is remembered here (places.c), and where the server has no offset for its group, reading begins with the
 * message that is remembered: if that is there, or messages behind it are and it is not any more, the topic is the same
 * one and goes on behind it; else the server's word counts, as it does whenever it has an offset, so that offsets can
 * be set by hand. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/sink_int.h"

#define QUEUE 2u
#define MANY  4u /* batches of one poll, where messages are small: a poll costs the server more than what it brings */

void hg_feed_free(hg_item_t *item)
{
    for (hg_piece_t *p = item->pieces, *next; p; p = next) {
        next = p->next;
        if (atomic_fetch_sub(&p->memory->refs, 1) == 1) {
            hg_free(p->memory->p);
            hg_free(p->memory);
        }
        hg_free(p);
    }
    hg_free(item);
}

/* --- I/O loop --- */
static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    hg_lane_t *l = arg;
    (void)server;
    hg_run_tell(l->run, HG_RUN_READY, NULL);
    hg_run_well(l->run);
}

static void on_down(void *arg, const hg_err_t *err)
{
    hg_lane_t *l = arg;
    hg_run_tell(l->run, HG_RUN_TROUBLE, err);
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    hg_lane_t *l = arg;
    pthread_mutex_lock(&l->run->bell.lock);
    l->fatal = true;
    l->fatal_err = *err;
    pthread_cond_broadcast(&l->run->bell.rung);
    pthread_mutex_unlock(&l->run->bell.lock);
}

static void mark(hg_item_t *item, const uint32_t *partitions, uint32_t n)
{
    for (uint32_t i = 0; item && i < n; i++)
        if (item->partition == partitions[i]) item->stale = true;
}

/* --- what is remembered --- */
static hg_check_t **check_of(hg_lane_t *l, uint32_t partition)
{
    hg_check_t **at = &l->checks;
    while (*at && (*at)->partition != partition) at = &(*at)->next;
    return at;
}

static void check_done(hg_check_t **at)
{
    hg_check_t *check = *at;
    *at = check->next;
    hg_free(check);
}

/* The server has nothing stored. */
static hg_iggy_strategy_t on_start(void *arg, uint32_t partition)
{
    hg_lane_t *l = arg;
    hg_place_t place;
    if (!l->places || !hg_places_get(l->places, partition, &place)) return (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 };
    hg_check_t *check = HG_NEW(hg_check_t);
    *check = (hg_check_t){ l->checks, partition, place };
    l->checks = check;
    return (hg_iggy_strategy_t){ HG_IGGY_OFFSET, place.offset };
}

static bool is_same_topic(const hg_place_t *place, const hg_iggy_delivered_t *d)
{
    hg_iggy_messages_t it = d->messages;
    hg_iggy_message_t m;
    if (!hg_iggy_messages_next(&it, &m)) return false;
    return m.offset > place->offset || (m.timestamp == place->timestamp && m.id == place->id);
}

/* The first batch behind on_start, without what is done. false: nothing of it counts. */
static bool checked(hg_lane_t *l, hg_check_t **at, hg_iggy_delivered_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_message_t done;
    hg_place_t place = (*at)->place;
    if (!d->count && d->end > place.offset) return false; /* it is there, but the server does not give it yet */
    check_done(at);
    if (!is_same_topic(&place, d)) {
        hg_log(HG_LOG_WARN, "iggy_sink", l->run->config->key, "offset_of_another_topic",
               "topic=%s partition=%u remembered=%" PRIu64, l->topic, d->partition, place.offset);
        (void)hg_iggy_consumer_seek(l->consumer, d->partition, (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 }, &err);
        return false;
    }
    hg_log(
        HG_LOG_WARN, "iggy_sink", l->run->config->key, "offset_lost",
        "topic=%s partition=%u reason=\"the server has no offset of group '%s' any more; going on behind the one that "
        "it had confirmed\" offset=%" PRIu64,
        l->topic, d->partition, l->stream->consumer_group, place.offset);
    if (d->first == place.offset && hg_iggy_messages_next(&d->messages, &done)) {
        d->count--;
        d->first++;
    }
    (void)hg_iggy_consumer_commit(l->consumer, d->partition, place.offset, NULL, NULL, &err); /* else the next does */
    return d->count > 0;
}

static void on_revoked(void *arg, const uint32_t *partitions, uint32_t n)
{
    hg_lane_t *l = arg;
    hg_gather_drop(l, partitions, n);
    for (uint32_t i = 0; i < n; i++) {
        hg_check_t **at = check_of(l, partitions[i]);
        if (*at) check_done(at);
    }
    pthread_mutex_lock(&l->run->bell.lock);
    for (hg_item_t *i = l->first; i; i = i->next) mark(i, partitions, n);
    for (unsigned i = 0; i < HG_PREPS; i++) mark(l->prep[i].item, partitions, n);
    pthread_mutex_unlock(&l->run->bell.lock);
}

static void on_batch(void *arg, const hg_iggy_delivered_t *delivered)
{
    hg_lane_t *l = arg;
    hg_iggy_delivered_t copy = *delivered, *d = &copy;
    hg_check_t **check = check_of(l, d->partition);
    if (*check && !checked(l, check, d)) return;
    if (d->count == 0) return;
    hg_item_t *item = HG_NEW(hg_item_t);
    hg_piece_t *piece = HG_NEW(hg_piece_t);
    hg_memory_t *memory = HG_NEW(hg_memory_t);
    *memory = (hg_memory_t){ 1, hg_iggy_take(d->reply) };
    *piece = (hg_piece_t){ .memory = memory, .messages = d->messages };
    *item = (hg_item_t){
        .partition = d->partition,
        .count = d->count,
        .last = d->last,
        .newest = d->end ? d->end - 1 : d->last,
        .pieces = piece,
        .pieces_end = piece,
        .bytes = (uint64_t)(d->messages.end - d->messages.p),
    };
    if (l->wants.messages || l->wants.bytes) {
        hg_gather_add(l, item);
        return;
    }
    while (item->count > l->stream->batch_length) {
        hg_item_t *rest = hg_item_split(item, l->stream->batch_length);
        hg_feed_push(l, item);
        item = rest;
    }
    hg_feed_push(l, item);
}

void hg_feed_push(hg_lane_t *l, hg_item_t *item)
{
    hg_bell_t *b = &l->run->bell;
    pthread_mutex_lock(&b->lock);
    if (l->last)
        l->last->next = item;
    else
        l->first = item;
    l->last = item;
    bool full = ++l->queued >= QUEUE;
    pthread_cond_broadcast(&b->rung);
    pthread_mutex_unlock(&b->lock);
    if (full && !l->paused) {
        l->paused = true;
        hg_iggy_consumer_pause(l->consumer);
    }
}

static const hg_iggy_consumer_ops_t OPS = {
    .ready = on_ready,
    .down = on_down,
    .fatal = on_fatal,
    .start = on_start,
    .revoked = on_revoked,
    .batch = on_batch,
};

/* A lane that comes back, whatever happened to us or to the server, finds the place it had in its group. */
static void identify(const hg_lane_t *l, hg_iggy_opts_t *conn)
{
    const hg_run_t *r = l->run;
    if (!r->spec.identity || !r->spec.identity[0]) return;
    char *who = hg_xprintf("%s\n%s\n%s\n%s\n%s", r->spec.identity, r->config->key, l->stream->stream, l->topic,
                           l->stream->consumer_group);
    hg_iggy_opts_identify(conn, hg_strz(who));
    hg_free(who);
}

/* Where the server stores the offset with a poll, a poll is what a crash loses: no more than a batch. */
static uint32_t many(const hg_lane_t *l)
{
    uint64_t n = (uint64_t)MANY * l->stream->batch_length;
    return l->run->config->offset_commit == HG_IGGY_AFTER_POLLING || n > UINT32_MAX ? 0 : (uint32_t)n;
}

static void do_open(void *arg)
{
    hg_lane_t *l = arg;
    hg_iggy_opts_t conn = l->run->conn; /* its texts are the run's */
    identify(l, &conn);
    hg_iggy_consumer_opts_t o = {
        .stream = hg_iggy_id_of(hg_strz(l->stream->stream)),
        .topic = hg_iggy_id_of(hg_strz(l->topic)),
        .consumer = { .group = true, .id = hg_iggy_id_of(hg_strz(l->stream->consumer_group)) },
        .start = { HG_IGGY_NEXT, 0 },
        .batch_count = l->stream->batch_length,
        .many_count = many(l),
        .apart = true,
        .poll_ms = HG_MAX(l->stream->poll_interval_us / 1000, (uint64_t)1),
        .wait_topic = true,
        .auto_commit = l->run->config->offset_commit == HG_IGGY_AFTER_POLLING,
    };
    hg_gather_open(l);
    l->consumer = hg_iggy_consumer_open(l->run->spec.io, &conn, &o, &OPS, l);
}

static void do_resume(void *arg)
{
    hg_lane_t *l = arg;
    pthread_mutex_lock(&l->run->bell.lock);
    bool full = l->queued >= QUEUE;
    pthread_mutex_unlock(&l->run->bell.lock);
    if (!l->paused || full) return;
    l->paused = false;
    hg_iggy_consumer_resume(l->consumer);
}

static void do_rest(void *arg)
{
    hg_lane_t *l = arg;
    hg_iggy_consumer_rest(l->consumer);
    hg_mem_trim();
}

/* The gate is opened from here, as each turn between threads costs as much as a request does. */
static void committed(void *arg)
{
    hg_lane_t *l = arg;
    pthread_mutex_lock(&l->run->bell.lock);
    bool gated = l->gated != NULL, pass = gated && !l->gated->stale && !l->run->bell.stop;
    pthread_mutex_unlock(&l->run->bell.lock);
    if (gated) hg_plugin_gate(l->lane, pass);
    pthread_mutex_lock(&l->run->bell.lock);
    l->passed = pass;
    l->committed = true;
    pthread_cond_broadcast(&l->run->bell.rung);
    pthread_mutex_unlock(&l->run->bell.lock);
}

/* The lane goes on in a later turn of the loop: where the connection is what failed, its end is told behind the answers
 * of its calls, and the next batch, which will come again with this one, is stale before the plugin can have it. */
static void not_committed(hg_lane_t *l, const hg_err_t *err)
{
    hg_log(HG_LOG_WARN, "iggy_sink", l->run->config->key, "offset_not_stored", "topic=%s reason=\"%s\"", l->topic,
           err->msg);
    hg_loop_post(l->run->spec.io, committed, l);
}

/* Another member has the partition: nothing of it that leaves from now on is ours. */
static void lost(hg_lane_t *l, uint32_t partition)
{
    on_revoked(l, &partition, 1);
    hg_iggy_consumer_sync(l->consumer);
}

static void on_commit(void *arg, const hg_iggy_reply_t *reply)
{
    hg_lane_t *l = arg;
    if (reply->code == HG_IGGY_E_PARTITION_NOT_OWNED || reply->code == HG_IGGY_E_NOT_A_MEMBER)
        lost(l, l->committing->partition);
    if (reply->err) {
        not_committed(l, reply->err);
        return;
    }
    l->stored = true; /* read behind `committed` */
    committed(l);
}

static void do_commit(void *arg)
{
    hg_lane_t *l = arg;
    hg_err_t err = HG_ERR_INIT;
    const hg_item_t *item = l->committing;
    pthread_mutex_lock(&l->run->bell.lock);
    bool stale = item->stale;
    pthread_mutex_unlock(&l->run->bell.lock);
    int rc = stale ? hg_err_set(&err, HG_EAGAIN, "partition %u is not ours any more", item->partition)
                   : hg_iggy_consumer_commit(l->consumer, item->partition, item->last, on_commit, l, &err);
    if (rc < 0) not_committed(l, &err);
    pthread_mutex_lock(&l->run->bell.lock);
    l->asked = true;
    pthread_cond_broadcast(&l->run->bell.rung);
    pthread_mutex_unlock(&l->run->bell.lock);
}

static void on_gather_closed(uv_handle_t *h)
{
    hg_lane_t *l = h->data;
    pthread_mutex_lock(&l->run->bell.lock);
    l->closed = true;
    pthread_cond_broadcast(&l->run->bell.rung);
    pthread_mutex_unlock(&l->run->bell.lock);
}

static void on_closed(void *arg)
{
    hg_gather_close(arg, on_gather_closed);
}

static void do_close(void *arg)
{
    hg_lane_t *l = arg;
    while (l->checks) check_done(&l->checks);
    hg_iggy_consumer_close(l->consumer, on_closed, l);
}

/* --- the lane's thread --- */
void hg_feed_open(hg_lane_t *l)
{
    const hg_run_t *r = l->run;
    if (r->config->offset_commit != HG_IGGY_AFTER_POLLING)
        l->places = hg_places_open(r->spec.runtime->state_path, r->config->key, l->stream->stream, l->topic,
                                   l->stream->consumer_group);
    hg_loop_call(r->spec.io, do_open, l);
}

void hg_feed_close(hg_lane_t *l)
{
    hg_bell_t *b = &l->run->bell;
    hg_loop_post(l->run->spec.io, do_close, l);
    pthread_mutex_lock(&b->lock);
    while (!l->closed) hg_bell_wait_until(b, INT64_MAX);
    hg_item_t *item = l->first;
    l->first = l->last = NULL;
    pthread_mutex_unlock(&b->lock);
    while (item) {
        hg_item_t *next = item->next;
        hg_feed_free(item);
        item = next;
    }
    hg_places_close(l->places);
}

bool hg_feed_take(hg_lane_t *l, hg_prep_t *p, bool wait)
{
    hg_bell_t *b = &l->run->bell;
    int64_t rest_at = wait ? hg_mono_us() + HG_RT_REST_US : 0;
    pthread_mutex_lock(&b->lock);
    while (wait && !l->first && !b->stop && !l->fatal) {
        if (hg_bell_wait_until(b, rest_at)) continue;
        pthread_mutex_unlock(&b->lock);
        hg_lane_rest(l);
        hg_loop_post(l->run->spec.io, do_rest, l);
        rest_at = INT64_MAX;
        pthread_mutex_lock(&b->lock);
    }
    hg_item_t *item = b->stop ? NULL : l->first;
    if (item) {
        l->first = item->next;
        if (!l->first) l->last = NULL;
        item->next = NULL;
        l->queued--;
    }
    p->item = item;
    pthread_mutex_unlock(&b->lock);
    if (item) hg_loop_post(l->run->spec.io, do_resume, l);
    return item != NULL;
}

bool hg_feed_is_over(hg_lane_t *l)
{
    pthread_mutex_lock(&l->run->bell.lock);
    bool over = l->run->bell.stop || (l->fatal && !l->first);
    pthread_mutex_unlock(&l->run->bell.lock);
    return over;
}

bool hg_feed_is_stale(hg_lane_t *l, const hg_item_t *item)
{
    pthread_mutex_lock(&l->run->bell.lock);
    bool stale = item->stale;
    pthread_mutex_unlock(&l->run->bell.lock);
    return stale;
}

void hg_feed_store(hg_lane_t *l, hg_item_t *item, const hg_item_t *gated)
{
    l->committing = NULL;
    if (l->run->config->offset_commit == HG_IGGY_AFTER_POLLING) return;
    l->committing = item;
    l->committed = l->stored = l->asked = false;
    l->gated = gated;
    hg_loop_post(l->run->spec.io, do_commit, l);
    hg_bell_t *b = &l->run->bell;
    pthread_mutex_lock(&b->lock);
    while (!l->asked) hg_bell_wait_until(b, INT64_MAX);
    pthread_mutex_unlock(&b->lock);
}

bool hg_feed_stored(hg_lane_t *l)
{
    hg_bell_t *b = &l->run->bell;
    const hg_item_t *item = l->committing;
    if (!item) return false;
    pthread_mutex_lock(&b->lock);
    while (!l->committed) hg_bell_wait_until(b, INT64_MAX);
    bool stored = l->stored, passed = l->passed;
    pthread_mutex_unlock(&b->lock);
    if (stored) hg_places_put(l->places, item->partition, &item->place);
    return passed;
}
