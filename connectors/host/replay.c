/* replay.c: chunks once more, exactly as the journal has them.
 *
 * The journal's cuts of an input are given before it is opened. A lane looks its next cut up by its key and cuts there
 * and nowhere else; what its parser makes of it must have the hash and the number of records of then. When all cuts of
 * the input are made, the transport is held until the owner says that the replay has ended; what it delivered beyond
 * the last cut stays where it is and is cut as usual afterwards.
 *
 * The circuit takes the chunks in the journal's order, not in the order in which they become ready. So an input may
 * have filled its queue, or the budget, with chunks that come later, while the circuit waits for one that is not read
 * yet: it is then starving, and limits do not stop it until it has cut one chunk more.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/mem.h"

int hg_input_replay(hg_input_t *in, const hg_replay_cut_t *cuts, uint32_t n, hg_err_t *err)
{
    if (hg_input_ft(in->type) != HG_FT_EXACTLY_ONCE)
        return hg_err_set(err, HG_EREPLAY, "connector '%s' cannot read an earlier range again", in->name);
    hg_replay_release(in);
    hg_replay_t *r = in->replay = HG_NEW(hg_replay_t);
    r->cuts = HG_NEWN(hg_replay_cut_t, n + 1);
    r->made = HG_NEWN(bool, n + 1);
    if (n) memcpy(r->cuts, cuts, sizeof *cuts * n);
    r->n = r->left = n;
    return 0;
}

void hg_replay_release(hg_input_t *in)
{
    if (!in->replay) return;
    hg_free(in->replay->cuts);
    hg_free(in->replay->made);
    hg_free(in->replay);
    in->replay = NULL;
}

const hg_replay_cut_t *hg_replay_next(hg_lane_t *l)
{
    const hg_replay_t *r = l->in->replay;
    if (!r || !r->left) return NULL;
    for (; l->cut_at < r->n; l->cut_at++)
        if (!r->made[l->cut_at] && r->cuts[l->cut_at].lane_key == l->key) return &r->cuts[l->cut_at];
    return NULL;
}

void hg_replay_made(hg_lane_t *l, hg_job_t *j, const hg_replay_cut_t *c)
{
    hg_replay_t *r = l->in->replay;
    r->made[c - r->cuts] = true;
    r->left--;
    j->replayed = true;
    j->expect = *c;
}

bool hg_replay_stopped(const hg_input_t *in)
{
    return in->replay && in->replay->left == 0;
}

bool hg_replay_starving(hg_input_t *in)
{
    return atomic_load(&in->starving);
}

static void say(const hg_input_t *in, const hg_replay_cut_t *c, const char *why, hg_err_t *err)
{
    hg_err_set(err, HG_EREPLAY,
               "'%s' cannot be read again as it was: range %" PRIu64 " to %" PRIu64 " (lane %" PRIu64 ", %" PRIu64
               " records): %s",
               in->name, c->begin, c->end, c->lane_key, c->records, why);
    err->fatal = 1;
}

int hg_replay_fail(hg_input_t *in, const hg_replay_cut_t *c, const char *fmt, ...)
{
    hg_err_t err = HG_ERR_INIT;
    char why[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    say(in, c, why, &err);
    hg_input_fail(in, "replay", &err);
    return HG_EREPLAY;
}

void hg_replay_check(hg_job_t *j, hg_err_t *err)
{
    char why[128];
    if (j->pub.records != j->expect.records)
        snprintf(why, sizeof why, "it has %" PRIu64 " records now", j->pub.records);
    else if (j->pub.raw_hash != j->expect.raw_hash)
        snprintf(why, sizeof why, "its content has changed");
    else
        return;
    say(j->pub.in, &j->expect, why, err);
}

static const hg_replay_cut_t *first_left(const hg_replay_t *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->made[i]) return &r->cuts[i];
    return NULL;
}

bool hg_in_replay_reaches(hg_input_t *in, uint64_t key, uint64_t end)
{
    const hg_replay_t *r = in->replay;
    HG_ON_LOOP(in->loop);
    for (uint32_t i = 0; r && i < r->n; i++)
        if (!r->made[i] && r->cuts[i].lane_key == key && r->cuts[i].end > end) {
            (void)hg_replay_fail(in, &r->cuts[i], "the source ends at %" PRIu64 " now", end);
            return false;
        }
    return true;
}

hg_replay_part_t hg_in_replay_part(const hg_input_t *in, uint64_t key)
{
    const hg_replay_t *r = in->replay;
    HG_ON_LOOP(in->loop);
    if (!r || !r->left) return HG_REPLAY_NONE;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->made[i] && r->cuts[i].lane_key == key) return HG_REPLAY_WANTED;
    return HG_REPLAY_OTHER;
}

int hg_replay_eoi(hg_input_t *in)
{
    const hg_replay_cut_t *c = in->replay ? first_left(in->replay) : NULL;
    return c ? hg_replay_fail(in, c, "the source has ended before it") : 0;
}

static void end_on_loop(void *arg)
{
    hg_input_t *in = arg;
    const hg_replay_cut_t *c = in->replay ? first_left(in->replay) : NULL;
    if (c && !atomic_load(&in->dead)) (void)hg_replay_fail(in, c, "the replay has ended before it");
    hg_replay_release(in);
    atomic_store(&in->starving, false);
    hg_input_evaluate_post(in);
    hg_input_drop(in);
}

void hg_input_replay_end(hg_input_t *in)
{
    hg_loop_post(in->loop, end_on_loop, hg_input_retain(in));
}

static int no_payload(const hg_input_t *in, hg_err_t *err)
{
    return hg_err_set(err, HG_EREPLAY, "'%s': what the journal has is not a payload", in->name);
}

static uint32_t get_u32(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) v |= (uint32_t)(unsigned char)p[i] << (8 * i);
    return v;
}

static int replay_messages(hg_input_t *in, hg_str_t raw, hg_err_t *err)
{
    if (raw.n < 4) return no_payload(in, err);
    uint32_t n = get_u32(raw.p + raw.n - 4);
    if (n > (raw.n - 4) / 8) return no_payload(in, err);
    size_t len = raw.n - 4 - 8 * (size_t)n;
    const char *at = raw.p + len;
    hg_msgref_t *msgs = HG_NEWN(hg_msgref_t, n + 1);
    bool sound = true;
    for (uint32_t i = 0; i < n; i++, at += 8) {
        msgs[i] = (hg_msgref_t){ .off = get_u32(at), .len = get_u32(at + 4) };
        sound &= msgs[i].off <= len && msgs[i].len <= len - msgs[i].off;
    }
    int rc = sound ? hg_lane_single(in, raw.p, len, msgs, n, true, err) : no_payload(in, err);
    hg_free(msgs);
    return rc;
}

int hg_push_replay(hg_input_t *in, hg_str_t raw, hg_err_t *err)
{
    char mark = raw.n ? raw.p[raw.n - 1] : 0;
    if (in->type && !in->keep_raw) return hg_err_set(err, HG_EBUG, "the journal keeps no payload of '%s'", in->name);
    if (mark == HG_PAYLOAD_MSGS) return replay_messages(in, (hg_str_t){ raw.p, raw.n - 1 }, err);
    if (mark != HG_PAYLOAD_FIRST && mark != HG_PAYLOAD_LATER) return no_payload(in, err);
    return hg_lane_single(in, raw.p, raw.n - 1, NULL, 0, mark == HG_PAYLOAD_FIRST, err);
}

/* --- the circuit's side --- */

static void feed_on_loop(void *arg)
{
    hg_input_t *in = arg;
    hg_waiter_cancel(in, &in->waiter);
    hg_input_evaluate_post(in);
    hg_input_drop(in);
}

static bool is_wanted(const hg_input_t *in, const hg_chunk_t *c, uint64_t lane_key, uint64_t begin, uint64_t end)
{
    if (c->eoi) return false;
    if (!in->type || in->keep_raw) return true; /* one after the other */
    return c->n_ranges == 1 && c->lane_key == lane_key && c->ranges[0].begin == begin && c->ranges[0].end == end;
}

/* host->mu */
static hg_job_t *take_from(hg_input_t *in, uint64_t lane_key, uint64_t begin, uint64_t end)
{
    HG_LIST_EACH(it, &in->ready)
    {
        hg_job_t *j = HG_ENTRY(it, hg_job_t, link);
        if (!is_wanted(in, &j->pub, lane_key, begin, end)) continue;
        hg_list_del(it);
        if (hg_list_empty(&in->ready)) {
            hg_list_del(&in->ready_link);
            atomic_fetch_sub(&in->host->n_ready, 1);
        }
        return j;
    }
    return NULL;
}

/* host->mu. NULL also when its last reference is going. */
static hg_input_t *find_retain(hg_host_t *h, uint32_t conn)
{
    hg_input_t *in = conn < h->n_inputs ? h->inputs[conn] : NULL;
    if (!in || atomic_load(&in->dead)) return NULL;
    unsigned n = atomic_load(&in->refs);
    while (n)
        if (atomic_compare_exchange_weak(&in->refs, &n, n + 1)) return in;
    return NULL;
}

/* Nothing is being parsed that could be it. */
static bool is_idle(hg_input_t *in)
{
    pthread_mutex_lock(&in->mu);
    bool idle = in->inflight == 0;
    pthread_mutex_unlock(&in->mu);
    return idle;
}

bool hg_host_take_exact(hg_host_t *h, uint32_t conn, uint64_t lane_key, uint64_t begin, uint64_t end, hg_chunk_t **ret)
{
    pthread_mutex_lock(&h->mu);
    hg_input_t *in = find_retain(h, conn);
    hg_job_t *j = in ? take_from(in, lane_key, begin, end) : NULL;
    pthread_mutex_unlock(&h->mu);
    if (!in) return false;
    if (j) {
        atomic_store(&in->starving, false);
        *ret = &j->pub;
    } else if (in->type && !in->keep_raw && is_idle(in) && !atomic_exchange(&in->starving, true)) {
        hg_loop_post(in->loop, feed_on_loop, hg_input_retain(in));
    }
    hg_input_drop(in);
    return j != NULL;
}
