/* iggy_input.c: reads one topic of an Iggy server, all or some of its partitions, by their offsets. No consumer group
 * takes part: which partitions are read is ours to say.
 *
 *   idle ──mark─► (a connection of its own) ends of all partitions ──► idle
 *   idle ──run──► connected, held ──asked──► reading ⇄ held ──► ended | closed
 *                    ▲                          │
 *                    └──────── connection lost ─┘
 *
 * The consumer (iggy/client) polls, reconnects and goes on behind what it delivered. It stays paused until the topic
 * was asked about, once per connection: whether it is still the one of the position, and what it holds. Then every
 * partition begins at a number, so that no later error can move it. A lane per partition; its key is the partition.
 *
 * An offset that the topic no longer holds ends the input (never a silent jump), unless
 * resume_earliest_if_data_expires. What came and was not taken when the host says stop is kept as it came, and
 * delivered by the next run: a paused consumer has at most one answer under way. Everything is on the loop. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/iggy_input_int.h"
#include "connectors/transport/position.h"
#include "iggy/client/consumer.h"

extern const hg_input_type_t hg_input_iggy;

#define LAG_MS  5000 /* between two looks at the topic: is it the same, how much waits for a connector that is held */
#define NOBODY  "headgate"
#define NO_PART UINT32_MAX

typedef struct {
    uint32_t id;
    uint64_t start, next; /* where reading begins; the offset behind the last message delivered */
    uint64_t mark, saved; /* HG_IGGY_NONE: none */
    uint64_t end;         /* one behind the newest message, as far as is known */
    uint64_t committed;   /* offset stored at the server; HG_IGGY_NONE: none by us */
    bool eof;
    hg_lane_t *lane;
    uint64_t lane_id; /* also after the lane is gone; 0: no lane yet */
} part_t;

typedef struct {
    hg_iggy_opts_t opts;
    bool opts_ok, running, closing, ended, unhealthy, ready;
    hg_iggy_consumer_t *consumer;
    hg_iggy_t *marker;
    hg_iggy_ask_t *ask;
    bool consumer_open, marker_open;
    bool reads; /* begun: every partition has its lane */
    bool known; /* this connection's topic is the one we read */
    part_t *parts;
    uint32_t n_parts;
    uint64_t created; /* of the topic; 0: not known */
    bool wants_meta;
    hg_buf_t meta;
    uv_timer_t *timer;
    /* a batch that the host has not taken, or not all of it */
    char *memory;
    hg_iggy_messages_t rest;
    uint32_t rest_part; /* index of its partition; NO_PART: none */
} iin_t;

static void go_on(hg_input_t *in);
static void ask_start(hg_input_t *in);

static int iin_open(hg_input_t *in, hg_err_t *err)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    k->rest_part = NO_PART;
    hg_buf_init(&k->meta, HG_BUF_NOMAX);
    const hg_iggy_meta_t *m = &c->meta;
    k->wants_meta =
        hg_in_wants_metadata(in) && (m->headers || m->offset || m->partition || m->stream || m->timestamp || m->topic);
    int rc = hg_iggy_conn_opts(&c->conn, &k->opts, err);
    k->opts_ok = rc == 0;
    return rc;
}

/* --- failures --- */

static void broken(hg_input_t *in, const char *fmt, ...) HG_PRINTF(2, 3);
static void broken(hg_input_t *in, const char *fmt, ...)
{
    hg_err_t err = HG_ERR_INIT;
    char msg[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    hg_err_set(&err, HG_EINVALTRANSPORT, "%s", msg);
    err.fatal = 1;
    hg_in_error(in, "iggy", &err);
}

static void trouble(hg_input_t *in, const hg_err_t *why, bool waits)
{
    iin_t *k = hg_in_inst(in);
    hg_err_t err = *why;
    if (k->closing || k->ended) return;
    err.retry = !err.fatal;
    k->unhealthy |= err.retry;
    hg_in_error(in, "iggy", &err);
    if (err.retry && waits && !k->closing) hg_in_retries_in(in, k->opts.retry_ms);
}

static void is_healthy(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    if (k->unhealthy) hg_in_healthy(in);
    k->unhealthy = false;
}

/* --- the timer: another question, or how much waits --- */

static void got_ends(void *arg, const hg_err_t *err, uint64_t created, const hg_iggy_extent_t *parts, uint32_t n);

static void set_timer(hg_input_t *in, uint64_t ms);

static void on_timer(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    if (!k->ready || k->ask || k->ended) return;
    if (!k->known) {
        ask_start(in);
    } else {
        k->ask = hg_iggy_ask(hg_iggy_consumer_client(k->consumer), &c->conn, hg_iin_only(c), true, HG_IGGY_NONE,
                             got_ends, in);
        if (!k->ask) set_timer(in, LAG_MS);
    }
}

static void set_timer(hg_input_t *in, uint64_t ms)
{
    iin_t *k = hg_in_inst(in);
    if (!k->timer) {
        k->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), k->timer);
        k->timer->data = in;
    }
    uv_timer_start(k->timer, on_timer, ms, 0);
}

/* --- lanes --- */

static part_t *part_of(iin_t *k, uint32_t id)
{
    if (id < k->n_parts && k->parts[id].id == id) return &k->parts[id];
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].id == id) return &k->parts[i];
    return NULL;
}

/* "price[3]": errors of records name the message by it and its offset. */
static void open_lane(hg_input_t *in, part_t *p)
{
    const iin_cfg_t *c = hg_in_cfg(in);
    char name[300];
    snprintf(name, sizeof name, "%s[%u]", c->conn.topic, p->id);
    p->lane = hg_lane_open_key(in, p->id, p->start);
    p->lane_id = hg_lane_id(p->lane);
    hg_lane_call(p->lane, name);
}

static void close_lanes(iin_t *k, bool aborted)
{
    for (uint32_t i = 0; i < k->n_parts; i++) {
        if (k->parts[i].lane) (void)hg_lane_close(k->parts[i].lane, aborted);
        k->parts[i].lane = NULL;
    }
}

/* Consumed against what the topic holds: the lag. */
static void tell_progress(hg_input_t *in)
{
    const iin_t *k = hg_in_inst(in);
    uint64_t done = 0, total = 0;
    for (uint32_t i = 0; i < k->n_parts; i++) {
        const part_t *p = &k->parts[i];
        done += p->next - p->start;
        total += HG_MAX(p->end, p->next) - p->start;
    }
    hg_in_progress(in, done, total);
}

/* --- where to begin --- */

/* Never a silent jump: what was not read and is no longer there is told, and a person decides. */
static int gone(hg_input_t *in, const part_t *p, uint64_t at, uint64_t low, uint64_t end)
{
    const iin_cfg_t *c = hg_in_cfg(in);
    if (at < low)
        broken(in,
               "position %" PRIu64 " of %s[%u] is gone, oldest is %" PRIu64
               ": the topic's retention has deleted what lies between; reset the position, or set "
               "resume_earliest_if_data_expires to go on from the oldest",
               at, c->conn.topic, p->id, low);
    else
        broken(in,
               "position %" PRIu64 " of %s[%u] is gone, newest is %" PRIu64
               ": the topic was purged, or its server lost what it had not stored; reset the position",
               at, c->conn.topic, p->id, end);
    return -1;
}

/* The offset where this partition goes on must be there. *at moves where that is allowed; backwards only before
 * anything was read (anew). */
static int check_held(hg_input_t *in, const part_t *p, uint64_t *at, uint64_t low, uint64_t end, bool anew)
{
    const iin_cfg_t *c = hg_in_cfg(in);
    if (*at >= low && *at <= end) return 0;
    if (!c->resume_earliest || (*at > end && !anew)) return gone(in, p, *at, low, end);
    hg_log(HG_LOG_WARN, "iggy", c->conn.topic, "data_expired", "partition=%u wanted=%" PRIu64 " earliest=%" PRIu64,
           p->id, *at, low);
    *at = low;
    return 0;
}

static int resolve(hg_input_t *in, uint32_t i, bool grown, const hg_iggy_extent_t *x)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    part_t *p = &k->parts[i];
    uint64_t us, at = HG_IGGY_NONE;
    iin_from_t from = hg_iin_from(c, &us);
    p->id = x->id;
    p->end = x->end;
    if (p->saved != HG_IGGY_NONE)
        at = p->saved;
    else if (p->mark != HG_IGGY_NONE)
        at = p->mark;
    else if (grown) /* younger than the position, so unread from its beginning */
        at = x->low;
    else if (from == FROM_OFFSETS)
        (void)hg_json_u64(hg_json_at(hg_json_get(c->start_from, "offsets"), i), &at);
    else
        at = from == FROM_EARLIEST ? x->low : from == FROM_TIMESTAMP ? x->from : x->end;
    if (check_held(in, p, &at, x->low, x->end, true) < 0) return -1;
    p->start = p->next = at;
    return 0;
}

/* The first answer of this instance: every partition gets its number and its lane. */
static int begin(hg_input_t *in, const hg_iggy_extent_t *x, uint32_t n)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    const hg_json_t *offsets = hg_json_get(c->start_from, "offsets");
    uint32_t had = k->n_parts;
    if (had > n) {
        broken(in, "topic '%s' has %u partitions, fewer than the %u of the saved position: it was made anew",
               c->conn.topic, n, had);
        return -1;
    }
    if (!had && offsets && offsets->n != n) {
        broken(in, "topic '%s' has %u partitions, but 'start_from' gives %u offsets", c->conn.topic, n, offsets->n);
        return -1;
    }
    k->parts = hg_xgrow(k->parts, sizeof *k->parts * n);
    for (uint32_t i = had; i < n; i++)
        k->parts[i] = (part_t){ .mark = HG_IGGY_NONE, .saved = HG_IGGY_NONE, .committed = HG_IGGY_NONE };
    k->n_parts = n;
    for (uint32_t i = 0; i < n; i++)
        if (resolve(in, i, had > 0, &x[i]) < 0) return -1;
    for (uint32_t i = 0; i < n; i++)
        if (!hg_in_replay_reaches(in, k->parts[i].id, k->parts[i].end)) return -1;
    for (uint32_t i = 0; i < n; i++) open_lane(in, &k->parts[i]);
    k->reads = true;
    return 0;
}

/* Another connection: what comes next must still be what we stopped before. */
static int go_on_there(hg_input_t *in, const hg_iggy_extent_t *x, uint32_t n)
{
    iin_t *k = hg_in_inst(in);
    for (uint32_t i = 0; i < n; i++) {
        part_t *p = part_of(k, x[i].id);
        if (!p) continue;
        p->end = x[i].end;
        if (check_held(in, p, &p->next, x[i].low, x[i].end, false) < 0) return -1;
    }
    return 0;
}

static bool made_anew(hg_input_t *in, uint64_t created)
{
    const iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    if (!k->created || !created || k->created == created) return false;
    broken(in, "topic '%s' was made anew since it was read: set the connector's position to read the new one",
           c->conn.topic);
    return true;
}

static void got_start(void *arg, const hg_err_t *err, uint64_t created, const hg_iggy_extent_t *x, uint32_t n)
{
    hg_input_t *in = arg;
    iin_t *k = hg_in_inst(in);
    hg_err_t ignored = HG_ERR_INIT;
    const hg_iggy_t *client = hg_iggy_consumer_client(k->consumer);
    k->ask = NULL;
    if (!client || !hg_iggy_is_ready(client)) return; /* the consumer tells */
    if (err) {
        trouble(in, err, true);
        if (!err->fatal && !k->closing) set_timer(in, k->opts.retry_ms);
        return;
    }
    if (made_anew(in, created)) return;
    k->created = created;
    if ((k->reads ? go_on_there(in, x, n) : begin(in, x, n)) < 0) return;
    for (uint32_t i = 0; i < k->n_parts; i++) /* one that was not assigned yet asks by iin_where */
        (void)hg_iggy_consumer_seek(k->consumer, k->parts[i].id,
                                    (hg_iggy_strategy_t){ HG_IGGY_OFFSET, k->parts[i].next }, &ignored);
    k->known = true;
    set_timer(in, LAG_MS);
    is_healthy(in);
    tell_progress(in);
    go_on(in);
}

static void ask_start(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    uint64_t us;
    (void)hg_iin_from(c, &us);
    hg_iggy_ask_drop(k->ask);
    k->ask = hg_iggy_ask(hg_iggy_consumer_client(k->consumer), &c->conn, hg_iin_only(c), false,
                         k->reads ? HG_IGGY_NONE : us, got_start, in);
}

/* While the connector is held nothing is polled, so the ends have to be asked for; while it reads, whether the topic is
 * still the same. */
static void got_ends(void *arg, const hg_err_t *err, uint64_t created, const hg_iggy_extent_t *x, uint32_t n)
{
    hg_input_t *in = arg;
    iin_t *k = hg_in_inst(in);
    k->ask = NULL;
    if (!err && made_anew(in, created)) return;
    for (uint32_t i = 0; i < n && !err; i++) {
        part_t *p = part_of(k, x[i].id);
        if (p) p->end = HG_MAX(x[i].end, p->next);
    }
    tell_progress(in);
    if (!k->closing) set_timer(in, LAG_MS);
}

/* --- the consumer --- */

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    iin_t *k = hg_in_inst(arg);
    (void)server;
    k->ready = true;
    k->known = false;
    ask_start(arg);
}

static void on_down(void *arg, const hg_err_t *err)
{
    iin_t *k = hg_in_inst(arg);
    k->ready = k->known = false;
    hg_iggy_ask_drop(k->ask);
    k->ask = NULL;
    if (k->consumer) hg_iggy_consumer_pause(k->consumer);
    trouble(arg, err, true);
}

static void on_fatal(void *arg, const hg_err_t *why)
{
    hg_err_t err = *why;
    err.fatal = 1;
    err.retry = 0;
    trouble(arg, &err, false);
}

/* Partitions that are added while we read are read from their beginning. */
static void on_assigned(void *arg, const uint32_t *partitions, uint32_t n)
{
    hg_input_t *in = arg;
    iin_t *k = hg_in_inst(in);
    for (uint32_t i = 0; i < n && k->reads && !k->ended; i++) {
        if (part_of(k, partitions[i])) continue;
        k->parts = hg_xgrow(k->parts, sizeof *k->parts * (k->n_parts + 1));
        part_t *p = &k->parts[k->n_parts++];
        *p = (part_t){ .id = partitions[i], .mark = HG_IGGY_NONE, .saved = HG_IGGY_NONE, .committed = HG_IGGY_NONE };
        open_lane(in, p);
    }
}

static hg_iggy_strategy_t on_start(void *arg, uint32_t partition)
{
    const part_t *p = part_of(hg_in_inst(arg), partition);
    return (hg_iggy_strategy_t){ HG_IGGY_OFFSET, p ? p->next : 0 };
}

static void drop_rest(iin_t *k)
{
    hg_free(k->memory);
    k->memory = NULL;
    k->rest_part = NO_PART;
}

/* Gives the messages of `it` that the host wants; false: it wants no more. */
static bool give(hg_input_t *in, part_t *p, hg_iggy_messages_t *it)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    hg_iggy_message_t m;
    while (!k->closing && hg_iggy_messages_next(it, &m)) {
        if (m.offset < p->next) continue; /* delivered before */
        p->next = m.offset + 1;
        if (k->wants_meta && hg_iggy_meta(&c->meta, &c->conn, p->id, &m, &k->meta) < 0) {
            broken(in, "no memory for the metadata of a message");
            return false;
        }
        hg_message_t msg = { .payload = m.payload,
                             .pos = m.offset,
                             .timestamp_us = (int64_t)HG_MIN(m.timestamp, (uint64_t)INT64_MAX),
                             .partition = (int32_t)p->id,
                             .metadata = hg_buf_str(&k->meta) };
        if (!msg.payload.p) msg.payload.p = "";
        if (hg_lane_message(p->lane, &msg) != HG_LANE_OK) return false;
    }
    return !k->closing;
}

static void flush(hg_input_t *in, const part_t *p)
{
    iin_t *k = hg_in_inst(in);
    if (p->lane && hg_lane_flush(p->lane) != HG_LANE_OK) k->running = false;
}

static void maybe_ended(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    if (!c->until_end || !k->running || !k->known || k->rest_part != NO_PART) return;
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (!k->parts[i].eof) return;
    k->ended = true;
    k->running = false;
    hg_iggy_consumer_pause(k->consumer);
    close_lanes(k, false);
    hg_in_eoi(in);
}

static void on_batch(void *arg, const hg_iggy_delivered_t *d)
{
    hg_input_t *in = arg;
    iin_t *k = hg_in_inst(in);
    part_t *p = part_of(k, d->partition);
    hg_iggy_messages_t it = d->messages;
    if (!p || !p->lane || k->closing || k->ended || !k->known) return;
    /* an empty partition and one whose only message was read look the same */
    bool cut = !d->count && d->end < p->next && p->next > 1;
    uint64_t low = d->count ? d->first : d->end;
    if ((low > p->next || cut) && check_held(in, p, &p->next, low, d->end, false) < 0) return;
    p->end = HG_MAX(p->end, d->end);
    p->eof = !d->count;
    bool all = k->running && k->rest_part == NO_PART && give(in, p, &it);
    if (k->closing) return;
    if (!all && it.left) {
        k->running = false;
        hg_iggy_consumer_pause(k->consumer);
        k->memory = hg_iggy_take(d->reply);
        k->rest = it;
        k->rest_part = (uint32_t)(p - k->parts);
    }
    if (!all) k->running = false;
    if (p->next >= p->end) flush(in, p);
    tell_progress(in);
    if (!k->running)
        hg_iggy_consumer_pause(k->consumer);
    else
        maybe_ended(in);
}

/* Gives what waits, then asks for more. */
static void go_on(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    if (!k->running || !k->known) return;
    if (k->rest_part != NO_PART) {
        part_t *p = &k->parts[k->rest_part];
        if (!give(in, p, &k->rest)) k->running = false;
        if (k->closing) return;
        if (!k->rest.left) drop_rest(k);
        flush(in, p);
        tell_progress(in);
        if (!k->running) return;
    }
    maybe_ended(in);
    if (k->running) hg_iggy_consumer_resume(k->consumer);
}

static void open_consumer(hg_input_t *in)
{
    static const hg_iggy_consumer_ops_t ops = { .ready = on_ready,
                                                .down = on_down,
                                                .fatal = on_fatal,
                                                .assigned = on_assigned,
                                                .start = on_start,
                                                .batch = on_batch };
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    const hg_json_t *list = hg_iin_only(c);
    uint32_t *ids = HG_NEWN(uint32_t, list ? list->n + 1 : 1), n = 0;
    for (const hg_json_t *o = list ? list->child : NULL; o; o = o->next) {
        uint64_t id = 0;
        (void)hg_json_u64(o, &id);
        ids[n++] = (uint32_t)id;
    }
    hg_iggy_consumer_opts_t o = { .stream = hg_iggy_conn_stream(&c->conn),
                                  .topic = hg_iggy_conn_topic(&c->conn),
                                  .consumer.id = hg_iggy_named(hg_strz(c->consumer ? c->consumer : NOBODY)),
                                  .partitions = ids,
                                  .n_partitions = n,
                                  .start = { HG_IGGY_OFFSET, 0 },
                                  .batch_count = c->batch,
                                  .poll_ms = c->poll_ms,
                                  .wait_topic = true };
    k->consumer = hg_iggy_consumer_open(hg_in_loop(in), &k->opts, &o, &ops, in);
    k->consumer_open = true;
    hg_iggy_consumer_pause(k->consumer);
    hg_free(ids);
}

/* --- marks: a connection for one question, so that who waits for its turn holds none --- */

static void maybe_closed(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    if (!k->closing || k->consumer_open || k->marker_open) return;
    drop_rest(k);
    hg_buf_release(&k->meta);
    if (k->opts_ok) hg_iggy_opts_release(&k->opts);
    k->opts_ok = false;
    hg_in_closed(in); /* parts stay for save() until fini */
}

static void marker_closed(void *arg)
{
    ((iin_t *)hg_in_inst(arg))->marker_open = false;
    maybe_closed(arg);
}

static void close_marker(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    hg_iggy_t *m = k->marker;
    k->marker = NULL;
    if (m) hg_iggy_close(m, marker_closed, in);
}

static void mark_failed(void *arg, const hg_err_t *why)
{
    iin_t *k = hg_in_inst(arg);
    hg_err_t err = *why;
    if (!k->marker || k->closing) return;
    hg_iggy_ask_drop(k->ask);
    k->ask = NULL;
    close_marker(arg);
    err.retry = 1;
    err.fatal = 0;
    hg_in_mark_failed(arg, &err);
}

/* "price[0]": 10112 for each partition */
static void got_mark(void *arg, const hg_err_t *err, uint64_t created, const hg_iggy_extent_t *x, uint32_t n)
{
    hg_input_t *in = arg;
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    hg_buf_t b;
    hg_jw_t w;
    char key[300];
    k->ask = NULL;
    if (err) {
        mark_failed(in, err);
        return;
    }
    hg_free(k->parts);
    k->parts = HG_NEWN(part_t, n);
    k->n_parts = n;
    k->created = created;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    for (uint32_t i = 0; i < n; i++) {
        k->parts[i] = (part_t){ .id = x[i].id, .mark = x[i].end, .saved = HG_IGGY_NONE, .committed = HG_IGGY_NONE };
        snprintf(key, sizeof key, "%s[%u]", c->conn.topic, x[i].id);
        hg_jw_ku64(&w, key, x[i].end);
    }
    hg_jw_end_obj(&w);
    close_marker(in);
    hg_in_marked(in, b.p);
    hg_buf_release(&b);
}

static void mark_ready(void *arg, const hg_iggy_server_t *server)
{
    iin_t *k = hg_in_inst(arg);
    const iin_cfg_t *c = hg_in_cfg(arg);
    (void)server;
    hg_iggy_ask_drop(k->ask);
    k->ask = hg_iggy_ask(k->marker, &c->conn, hg_iin_only(c), true, HG_IGGY_NONE, got_mark, arg);
}

static int iin_mark(hg_input_t *in, hg_err_t *err)
{
    static const hg_iggy_ops_t ops = { .ready = mark_ready, .down = mark_failed, .fatal = mark_failed };
    iin_t *k = hg_in_inst(in);
    if (k->marker_open || k->consumer) return hg_err_retry(err, HG_EBUSY, "the connector is being opened");
    k->marker = hg_iggy_open(hg_in_loop(in), &k->opts, &ops, in);
    k->marker_open = true;
    return 0;
}

/* --- the contract --- */

static int iin_run(hg_input_t *in, hg_err_t *err)
{
    iin_t *k = hg_in_inst(in);
    (void)err;
    if (k->ended) return 0;
    k->running = true;
    if (!k->consumer)
        open_consumer(in);
    else
        go_on(in);
    return 0;
}

static int iin_hold(hg_input_t *in, hg_err_t *err)
{
    iin_t *k = hg_in_inst(in);
    (void)err;
    k->running = false;
    if (!k->consumer) return 0;
    hg_iggy_consumer_pause(k->consumer);
    for (uint32_t i = 0; i < k->n_parts; i++) flush(in, &k->parts[i]);
    set_timer(in, LAG_MS);
    return 0;
}

static void consumer_closed(void *arg)
{
    ((iin_t *)hg_in_inst(arg))->consumer_open = false;
    maybe_closed(arg);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void iin_close(hg_input_t *in)
{
    iin_t *k = hg_in_inst(in);
    hg_iggy_consumer_t *consumer = k->consumer;
    k->closing = true;
    k->running = k->ready = false;
    if (k->timer) uv_close((uv_handle_t *)k->timer, free_timer);
    k->timer = NULL;
    close_lanes(k, true);
    hg_iggy_ask_drop(k->ask);
    k->ask = NULL;
    k->consumer = NULL;
    if (consumer) hg_iggy_consumer_close(consumer, consumer_closed, in);
    close_marker(in);
    maybe_closed(in);
}

/* --- positions: {"offsets":[{"start":a,"end":b},…]}, one per partition in order, and "topic_created", by which a
 * topic that was made anew is noticed --- */

static void iin_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const iin_t *k = hg_in_inst(in);
    hg_jw_obj(w);
    hg_jw_key(w, "offsets");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < k->n_parts; i++) {
        const part_t *p = &k->parts[i];
        uint64_t begin = p->lane_id ? p->start : p->saved != HG_IGGY_NONE ? p->saved : p->mark, end = begin;
        for (uint32_t r = 0; r < n; r++)
            if (p->lane_id && consumed[r].lane == p->lane_id) {
                begin = consumed[r].begin;
                end = consumed[r].end;
            }
        hg_jw_obj(w);
        hg_jw_ku64(w, "start", begin);
        hg_jw_ku64(w, "end", end);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    if (k->created) hg_jw_ku64(w, "topic_created", k->created);
    hg_jw_end_obj(w);
}

static int iin_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    static const char *const names[] = { "offsets", "topic_created", NULL }, *const ranges[] = { "start", "end", NULL };
    static const char what[] = "a position of iggy_input";
    const iin_cfg_t *c = cfg;
    const hg_json_t *list = hg_json_get(position, "offsets");
    uint64_t u;
    uint32_t n = 0;
    int rc = hg_position_members(position, what, names, err);
    if (rc == 0) rc = hg_position_u64(position, what, "topic_created", false, &u, err);
    if (rc < 0) return rc;
    if (!list || list->kind != HG_J_ARRAY)
        return hg_err_set(err, HG_EPARSE, "%s needs 'offsets', a list with one element per partition", what);
    for (const hg_json_t *o = list->child; o; o = o->next, n++) {
        rc = hg_position_members(o, "an element of 'offsets'", ranges, err);
        if (rc == 0) rc = hg_position_u64(o, "an element of 'offsets'", "end", true, &u, err);
        if (rc < 0) return rc;
    }
    if (hg_iin_only(c) && n > hg_iin_only(c)->n)
        return hg_err_set(err, HG_EPARSE, "the position has %u offsets, but the connector reads %u partitions", n,
                          hg_iin_only(c)->n);
    return 0;
}

static int iin_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    int rc = iin_check_position(c, position, err);
    if (rc < 0) return rc;
    const hg_json_t *list = hg_json_get(position, "offsets");
    uint32_t n = 0;
    hg_free(k->parts);
    k->parts = HG_NEWN(part_t, list->n + 1);
    for (const hg_json_t *o = list->child; o; o = o->next, n++) {
        uint64_t end = 0, id = n;
        (void)hg_json_u64(hg_json_get(o, "end"), &end);
        if (hg_iin_only(c)) (void)hg_json_u64(hg_json_at(hg_iin_only(c), n), &id);
        k->parts[n] = (part_t){ .id = (uint32_t)id, .saved = end, .mark = HG_IGGY_NONE, .committed = HG_IGGY_NONE };
    }
    k->n_parts = n;
    (void)hg_json_u64(hg_json_get(position, "topic_created"), &k->created);
    return 0;
}

/* What is durable here, for tools that look at the server. A store that is lost is made up for by the next. */
static int iin_commit(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    iin_t *k = hg_in_inst(in);
    const iin_cfg_t *c = hg_in_cfg(in);
    const hg_json_t *o = hg_json_get(position, "offsets");
    (void)err;
    if (!c->consumer || !k->known) return 0;
    o = o ? o->child : NULL;
    for (uint32_t i = 0; i < k->n_parts && o; i++, o = o->next) {
        part_t *p = &k->parts[i];
        uint64_t end = 0;
        hg_err_t ignored = HG_ERR_INIT;
        if (hg_json_u64(hg_json_get(o, "end"), &end) < 0 || end == 0 || end - 1 == p->committed || end > p->end)
            continue;
        if (hg_iggy_consumer_commit(k->consumer, p->id, end - 1, NULL, NULL, &ignored) == 0) p->committed = end - 1;
    }
    return 0;
}

static void iin_fini(void *inst)
{
    hg_free(((iin_t *)inst)->parts);
}

const hg_input_type_t hg_input_iggy = {
    .abi = HG_CONNECTOR_ABI,
    .name = "iggy_input",
    .summary = "reads a topic of an Apache Iggy server",
    .opts = hg_iin_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(iin_cfg_t),
    .inst_size = sizeof(iin_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_MARK | HG_CAP_MESSAGES | HG_CAP_RESUME,
    .check = hg_iin_check,
    .is_finite = hg_iin_is_finite,
    .wants_mark = hg_iin_wants_mark,
    .no_replay = hg_iin_no_replay,
    .open = iin_open,
    .mark = iin_mark,
    .run = iin_run,
    .hold = iin_hold,
    .commit = iin_commit,
    .close = iin_close,
    .save = iin_save,
    .restore = iin_restore,
    .check_position = iin_check_position,
    .position_doc = "`{\"offsets\": [{\"end\": n}, …]}`: per partition that is read, in order, the offset of the next "
                    "message. Saved ones also have `start`, and `topic_created`, by which a topic that was made anew "
                    "is noticed.",
    .fini = iin_fini,
};
