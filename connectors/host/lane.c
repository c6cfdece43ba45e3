/* lane.c: lanes: bytes and messages in, chunks out, cut at record boundaries.
 *
 *   reserve/fill ─► cur ──cut at a record boundary──► fifo ─► pool, and on: chunk.c
 *
 * Everything here runs on the lane's loop.
 *
 * Invariants: cur is never in the fifo; a lane is freed by the release of its last chunk, or by its close when it has
 * none; in->inflight is the sum of the lanes' inflight; each job in a fifo is counted once in host->jobs.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"
#include "base/mem.h"

hg_lane_t *hg_lane_make(hg_input_t *in, hg_loop_t *loop, hg_push_body_t *body, uint64_t origin)
{
    hg_lane_t *l = HG_NEW(hg_lane_t);
    l->in = in;
    l->loop = loop;
    l->body = body;
    l->id = atomic_fetch_add(&in->host->next_lane, 1) + 1;
    l->pos = origin;
    l->first = origin == 0;
    hg_list_init(&l->link);
    hg_list_init(&l->fifo);
    return l;
}

void hg_lane_free(hg_lane_t *l)
{
    if (l->index) l->index->free(l->index);
    hg_free(l->name);
    hg_free(l);
}

bool hg_in_wants_index(const hg_input_t *in)
{
    return in->format && in->format->index_new;
}

int hg_in_index(const hg_input_t *in, const hg_file_reader_t *file, hg_file_index_t **ret, hg_err_t *err)
{
    return in->format->index_new(in->parser, file, ret, err);
}

void hg_lane_index(hg_lane_t *l, hg_file_index_t *x)
{
    HG_ASSERT(!l->index && !l->cur);
    l->index = x;
    l->split.index = x;
}

hg_lane_t *hg_lane_open_key(hg_input_t *in, uint64_t key, uint64_t origin)
{
    HG_ON_LOOP(in->loop);
    hg_lane_t *l = hg_lane_make(in, in->loop, NULL, origin);
    l->key = key;
    l->supersedes = true;
    HG_LIST_EACH(it, &in->lanes)
    {
        if (HG_ENTRY(it, hg_lane_t, link)->key == key) l->supersedes = false;
    }
    hg_list_add_tail(&in->lanes, &l->link);
    return l;
}

hg_lane_t *hg_lane_open(hg_input_t *in, uint64_t origin)
{
    return hg_lane_open_key(in, 0, origin);
}

void hg_lane_call(hg_lane_t *l, const char *name)
{
    HG_ON_LOOP(l->loop);
    hg_free(l->name);
    l->name = hg_xstrdup(name);
}

uint64_t hg_lane_id(const hg_lane_t *l)
{
    return l->id;
}
void hg_lane_user(hg_lane_t *l, void *user)
{
    l->user = user;
}
void *hg_lane_get_user(const hg_lane_t *l)
{
    return l->user;
}

bool hg_lane_idle(hg_lane_t *l)
{
    pthread_mutex_lock(&l->in->mu);
    bool idle = l->inflight == 0;
    pthread_mutex_unlock(&l->in->mu);
    return idle;
}

/* Chunks of endpoints with small limits are smaller, so that one chunk cannot overshoot the limit by far. */
static size_t cut_target(const hg_input_t *in)
{
    uint64_t limit = in->max_queued_records;
    if (in->max_batch && in->max_batch < limit) limit = in->max_batch;
    if (limit >= HG_CHUNK_CUT) return HG_CHUNK_CUT; /* a record has at least a byte */
    uint32_t avg = atomic_load_explicit(&in->avg_record, memory_order_relaxed);
    uint64_t want = avg ? limit * avg : limit * 16;
    return (size_t)HG_MAX(HG_MIN(want, (uint64_t)HG_CHUNK_CUT), (uint64_t)1);
}

static int too_big(hg_lane_t *l)
{
    hg_err_t err = HG_ERR_INIT;
    hg_err_set(&err, HG_ETOOBIG,
               "a record at position %" PRIu64 " is longer than %" PRIu64 " bytes, the most that is accepted "
               "(are the record delimiters those of the configured format?)",
               l->pos, l->in->host->max_record);
    if (!l->body) hg_input_fail(l->in, "record_too_big", &err);
    return HG_ETOOBIG;
}

static int no_memory(hg_lane_t *l, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_err_set(&err, HG_ENOMEM, "no memory for a buffer of %zu bytes", n);
    if (!l->body) hg_input_fail(l->in, "memory", &err);
    return HG_ENOMEM;
}

/* A body that is still small has a small buffer. The next size is that of a whole chunk: one of the host's spare ones,
 * and no byte is copied again and again while it grows. */
static size_t first_cap(const hg_lane_t *l, size_t need)
{
    if (!l->body || need > HG_SMALL_MAX) return HG_MAX(need, HG_CHUNK_BYTES);
    return HG_MAX((need + HG_CHUNK_SMALL - 1) / HG_CHUNK_SMALL * HG_CHUNK_SMALL, HG_CHUNK_SMALL);
}

/* Room for need bytes in cur. */
static int make_room(hg_lane_t *l, size_t need)
{
    hg_job_t *j = l->cur;
    need += l->body ? 1 : 0; /* for the mark behind the payload */
    if (!j) {
        j = l->cur = hg_job_new(l->in, l);
        j->pub.ingested_us = hg_now_us();
        j->first = l->first;
        l->seen = 0;
    }
    if (j->cap >= need) return 0;
    if (need - 1 > l->in->host->max_record + HG_CHUNK_BYTES) return too_big(l);
    /* doubling must not make room for a record that is too long: one large read could then complete it unseen */
    size_t most = l->in->host->max_record + HG_CHUNK_BYTES + 1;
    size_t cap = j->cap < HG_CHUNK_BYTES ? first_cap(l, need) : HG_MAX(need, HG_MIN(j->cap * 2, most));
    char *p = hg_host_buf_get(l->in->host, cap);
    if (!p) return no_memory(l, cap);
    if (j->len) memcpy(p, j->buf, j->len);
    hg_host_buf_put(l->in->host, j->buf, j->cap);
    j->buf = p;
    j->cap = cap;
    l->grew = true;
    return 0;
}

static hg_str_t position_text(hg_input_t *in, const hg_ranges_t *consumed)
{
    hg_buf_t text;
    hg_jw_t w;
    hg_buf_init(&text, 1 << 20);
    hg_jw_init(&w, &text);
    in->type->save(in, consumed ? consumed->v : NULL, consumed ? consumed->n : 0, &w);
    if (w.rc < 0) hg_buf_clear(&text);
    size_t n = text.len;
    return (hg_str_t){ hg_buf_take(&text, NULL), n };
}

/* What the journal has to know of a connector's place: where its instance began, or where each one ends. Without
 * that it would read again what is in the journal. */
static void tell_place(hg_input_t *in, hg_job_t *j)
{
    hg_err_t err = HG_ERR_INIT;
    if (!in->keep_raw && !in->told_start) {
        hg_str_t start = position_text(in, NULL);
        in->told_start = true;
        pthread_mutex_lock(&in->mu);
        in->start = start;
        pthread_mutex_unlock(&in->mu);
    }
    if (!in->keep_raw) return;
    for (uint32_t i = 0; i < j->pub.n_ranges; i++) hg_ranges_grow(&in->cut, j, &j->pub.ranges[i]);
    j->pub.after = position_text(in, &in->cut);
    if (j->pub.after.n) return;
    hg_err_set(&err, HG_ENOMEM, "its position is too large for the journal, or there is no memory for it");
    hg_input_fail(in, "journal", &err);
}

static void submit(hg_lane_t *l, hg_job_t *j)
{
    hg_input_t *in = l->in;
    j->cut_bytes = j->len;
    if (in->host->journal && in->type && in->opened && in->type->save) tell_place(in, j);
    atomic_store(&in->starving, false);
    pthread_mutex_lock(&in->mu);
    hg_list_add_tail(in->keep_raw ? &in->fifo : &l->fifo, &j->link);
    l->inflight++;
    in->inflight++;
    in->inflight_bytes += j->cut_bytes;
    pthread_mutex_unlock(&in->mu);
    hg_budget_cut(in->host, hg_lane_waiter(l));
    hg_pool_submit(in->host->pool, hg_job_parse, NULL, NULL, j);
}

/* The first `upto` bytes of cur become a chunk, the rest begins the next. */
static int cut(hg_lane_t *l, size_t upto)
{
    hg_job_t *j = l->cur, *next = NULL;
    size_t rest = j->len - upto;
    if (rest) {
        next = hg_job_new(l->in, l);
        next->cap = first_cap(l, rest + (l->body ? 1 : 0));
        next->buf = hg_host_buf_get(l->in->host, next->cap);
        if (!next->buf) {
            size_t cap = next->cap;
            next->cap = 0;
            hg_job_free(next);
            return no_memory(l, cap);
        }
        next->pub.ingested_us = hg_now_us();
        memcpy(next->buf, j->buf + upto, rest);
        next->len = rest;
    }
    j->len = upto;
    j->pub.ranges[0] = (hg_range_t){ l->id, l->pos, l->pos + upto };
    j->pub.n_ranges = 1;
    l->pos += upto;
    l->seen = rest;
    l->first = false;
    l->cur = next;
    submit(l, j);
    return 0;
}

/* Replay: cuts where the journal says. The splitter sees the bytes all the same, for what comes behind the last cut. */
static int cut_forced(hg_lane_t *l)
{
    const hg_replay_cut_t *c;
    int did = 0;
    while (l->cur && (c = hg_replay_next(l)) != NULL) {
        if (c->begin != l->pos || c->end < c->begin)
            return hg_replay_fail(l->in, c, "the source goes on at %" PRIu64, l->pos);
        if (l->cur->len < c->end - c->begin) break;
        size_t upto = (size_t)(c->end - c->begin);
        l->split.at = l->pos;
        (void)l->in->format->split(l->in->parser, &l->split, l->cur->buf, l->seen, upto, false);
        hg_replay_made(l, l->cur, c);
        int rc = cut(l, upto);
        if (rc < 0) return rc;
        l->seen = 0;
        did = 1;
    }
    return did;
}

/* Cut what is complete. 0 = nothing was, 1 = a chunk left. */
static int cut_complete(hg_lane_t *l, bool eof)
{
    hg_job_t *j = l->cur;
    const hg_replay_cut_t *c = hg_replay_next(l);
    if (c) return eof ? hg_replay_fail(l->in, c, "the source has ended before it") : 0;
    if (!j || !j->len) return 0;
    if (j->msgs) {
        l->cur = NULL;
        submit(l, j);
        return 1;
    }
    size_t upto = j->len;
    if (!eof) {
        if (l->seen == j->len) return 0;
        l->split.at = l->pos;
        upto = l->in->format->split(l->in->parser, &l->split, j->buf, l->seen, j->len, false);
        l->seen = j->len;
        if (HG_NEVER(upto > j->len)) upto = j->len;
    }
    if (upto == 0) return 0;
    int rc = cut(l, upto);
    return rc < 0 ? rc : 1;
}

/* After a cut or a growth: does the producer have to wait? */
static int pressure(hg_lane_t *l, bool did_cut)
{
    hg_input_t *in = l->in;
    hg_waiter_t *w = hg_lane_waiter(l);
    if (hg_replay_stopped(in)) {
        in->full_seen = true;
        hg_input_evaluate_post(in);
        return HG_LANE_FULL;
    }
    if (hg_replay_starving(in)) return HG_LANE_OK;
    if (atomic_load(&w->where) != HG_WAIT_NONE) return HG_LANE_FULL;
    if (!did_cut && !l->grew) return HG_LANE_OK;
    l->grew = false;
    bool full = did_cut && hg_queue_wait(in, w);
    if (!full && atomic_load(&in->host->in_bytes) >= in->host->in_limit) {
        int rc = cut_complete(l, false); /* whoever waits holds no whole record */
        if (rc < 0) return rc;
        full = hg_budget_wait(in->host, w, l->cur && l->cur->len > 0);
    }
    if (!full) return HG_LANE_OK;
    if (!l->body && !in->full_seen) {
        in->full_seen = true;
        hg_input_evaluate_post(in);
    }
    return HG_LANE_FULL;
}

char *hg_lane_reserve(hg_lane_t *l, size_t want, size_t *room)
{
    HG_ON_LOOP(l->loop);
    size_t len = l->cur ? l->cur->len : 0;
    *room = 0;
    if (make_room(l, len + HG_MAX(want, (size_t)1)) < 0) return NULL;
    *room = l->cur->cap - len;
    size_t target = cut_target(l->in);
    if (target < HG_CHUNK_CUT) *room = HG_MIN(*room, HG_MAX(want, target)); /* small limits: small reads */
    return l->cur->buf + len;
}

int hg_lane_fill(hg_lane_t *l, size_t n)
{
    HG_ON_LOOP(l->loop);
    hg_job_t *j = l->cur;
    int rc = 0;
    if (!n || !j) return HG_LANE_OK;
    HG_ASSERT(n <= j->cap - j->len);
    if (atomic_load(&l->in->dead)) return HG_ECLOSED;
    j->len += n;
    if (hg_replay_next(l)) {
        rc = cut_forced(l);
        return rc < 0 ? rc : pressure(l, rc > 0);
    }
    if (j->len >= cut_target(l->in)) {
        rc = cut_complete(l, false);
        if (rc == 0 && l->cur->len > l->in->host->max_record) rc = too_big(l);
    }
    return rc < 0 ? rc : pressure(l, rc > 0);
}

int hg_lane_append(hg_lane_t *l, const char *p, size_t n)
{
    int full = HG_LANE_OK;
    while (n) {
        size_t room, step = HG_MIN(n, HG_CHUNK_BYTES - HG_CHUNK_CUT);
        char *to = hg_lane_reserve(l, step, &room);
        if (!to) return l->cur && l->cur->len > l->in->host->max_record ? HG_ETOOBIG : HG_ENOMEM;
        memcpy(to, p, step);
        int rc = hg_lane_fill(l, step);
        if (rc < 0) return rc;
        full |= rc;
        p += step;
        n -= step;
    }
    return full;
}

int hg_lane_message(hg_lane_t *l, const hg_message_t *m)
{
    HG_ON_LOOP(l->loop);
    if (atomic_load(&l->in->dead)) return HG_ECLOSED;
    const hg_replay_cut_t *c = hg_replay_next(l);
    if (c && (m->pos < c->begin || m->pos >= c->end))
        return hg_replay_fail(l->in, c, "the source goes on at %" PRIu64, m->pos);
    if (m->payload.n > l->in->host->max_record) return too_big(l);
    size_t len = l->cur ? l->cur->len : 0;
    size_t meta = m->metadata.n ? m->metadata.n + 1 : 0;
    int rc = make_room(l, len + m->payload.n + 1 + meta);
    if (rc < 0) return rc;
    hg_job_t *j = l->cur;
    if (j->n_msgs == j->cap_msgs) {
        j->cap_msgs = j->cap_msgs ? j->cap_msgs * 2 : 64;
        j->msgs = hg_xgrow(j->msgs, sizeof(hg_msgref_t) * j->cap_msgs);
    }
    if (!j->pub.n_ranges) {
        j->pub.ranges[0] = (hg_range_t){ l->id, m->pos, m->pos };
        j->pub.n_ranges = 1;
    }
    j->pub.ranges[0].end = m->pos + 1;
    if (m->payload.n) memcpy(j->buf + j->len, m->payload.p, m->payload.n);
    j->buf[j->len + m->payload.n] = '\n'; /* keeps the bytes between two messages defined */
    if (m->payload.p) j->msgs[j->n_msgs++] = (hg_msgref_t){ j->len, m->payload.n, m->pos, m->metadata.n };
    j->len += m->payload.n + 1;
    if (meta) {
        memcpy(j->buf + j->len, m->metadata.p, m->metadata.n);
        j->buf[j->len + m->metadata.n] = '\n';
        j->len += meta;
    }
    bool did_cut = c ? m->pos + 1 == c->end : j->len >= cut_target(l->in);
    if (did_cut && c) hg_replay_made(l, j, c);
    if (did_cut) {
        l->cur = NULL;
        submit(l, j);
    }
    return pressure(l, did_cut);
}

int hg_lane_flush(hg_lane_t *l)
{
    HG_ON_LOOP(l->loop);
    if (atomic_load(&l->in->dead)) return HG_ECLOSED;
    int rc = cut_complete(l, false);
    return rc < 0 ? rc : pressure(l, rc > 0);
}

int hg_lane_change(hg_lane_t *l, hg_change_t *c, uint64_t begin, uint64_t end, uint64_t bytes)
{
    HG_ON_LOOP(l->loop);
    if (atomic_load(&l->in->dead)) {
        hg_change_drop(c);
        return HG_ECLOSED;
    }
    const hg_replay_cut_t *forced = hg_replay_next(l);
    if (forced && (forced->begin != begin || forced->end != end)) {
        hg_change_drop(c);
        return hg_replay_fail(l->in, forced, "the source gives %" PRIu64 " to %" PRIu64, begin, end);
    }
    hg_job_t *j = hg_job_new(l->in, l);
    if (forced) hg_replay_made(l, j, forced);
    j->pub.ingested_us = hg_now_us();
    j->pub.change = c;
    j->pub.bytes = bytes;
    j->pub.ranges[0] = (hg_range_t){ l->id, begin, end };
    j->pub.n_ranges = 1;
    j->pub.txn_begin = l->txn_begin;
    j->pub.txn_end = l->txn_end;
    l->txn_begin = l->txn_end = false;
    j->charge = c ? hg_batch_mem(c->rows) : 0;
    hg_budget_charge(l->in->host, j->charge);
    submit(l, j);
    return pressure(l, true);
}

void hg_lane_transaction(hg_lane_t *l, bool begin, bool end)
{
    HG_ON_LOOP(l->loop);
    l->txn_begin = begin;
    l->txn_end = end;
}

uint64_t hg_lane_batch_end(const hg_lane_t *cl, uint64_t begin)
{
    hg_lane_t *l = (hg_lane_t *)(uintptr_t)cl; /* only remembers where it looked */
    HG_ON_LOOP(l->loop);
    for (uint32_t i = l->cut_at; l->in->replay && i < l->in->replay->n; i++) {
        const hg_replay_cut_t *c = &l->in->replay->cuts[i];
        if (c->lane_key == l->key && c->begin == begin) return c->end;
    }
    return UINT64_MAX;
}

/* Nothing more comes: the lane goes with its last chunk. */
static void finish(hg_lane_t *l)
{
    hg_input_t *in = l->in;
    hg_push_body_t *body = l->body;
    if (l->cur) {
        hg_job_free(l->cur);
        l->cur = NULL;
    }
    if (hg_list_linked(&l->link)) hg_list_del(&l->link);
    hg_input_retain(in);
    pthread_mutex_lock(&in->mu);
    l->closed = true;
    bool gone = l->inflight == 0;
    pthread_mutex_unlock(&in->mu);
    if (gone) {
        hg_lane_free(l);
        if (body) hg_push_drained(body);
    }
    hg_input_drop(in);
}

int hg_lane_close(hg_lane_t *l, bool aborted)
{
    HG_ON_LOOP(l->loop);
    int rc = 0;
    if (!atomic_load(&l->in->dead)) rc = cut_complete(l, !aborted);
    int full = rc > 0 ? pressure(l, true) : HG_LANE_OK;
    finish(l);
    return rc < 0 ? rc : full;
}

int hg_lane_single(hg_input_t *in, const char *p, size_t n, const hg_msgref_t *msgs, uint32_t n_msgs, bool first,
                   hg_err_t *err)
{
    hg_lane_t *l = hg_lane_make(in, in->loop, NULL, 0);
    hg_job_t *j = hg_job_new(in, l);
    j->cap = HG_MAX(n + 1, HG_CHUNK_SMALL);
    j->buf = hg_host_buf_get(in->host, j->cap);
    if (!j->buf) {
        size_t cap = j->cap;
        j->cap = 0;
        hg_job_free(j);
        hg_lane_free(l);
        return hg_err_set(err, HG_ENOMEM, "no memory for a buffer of %zu bytes", cap);
    }
    if (n) memcpy(j->buf, p, n);
    j->len = n;
    j->first = first;
    if (n_msgs) {
        j->msgs = hg_xnew(n_msgs * sizeof *msgs);
        memcpy(j->msgs, msgs, n_msgs * sizeof *msgs);
        j->n_msgs = j->cap_msgs = n_msgs;
    }
    j->pub.ingested_us = hg_now_us();
    j->pub.ranges[0] = (hg_range_t){ l->id, 0, n };
    j->pub.n_ranges = 1;
    submit(l, j);
    finish(l);
    return 0;
}

void hg_lane_abandon(hg_lane_t *l)
{
    finish(l);
}
