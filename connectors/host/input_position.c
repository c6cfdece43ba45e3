/* input_position.c: how far an input is: what the circuit has taken and stepped, and the transport's own account of it.
 *
 * The circuit says which chunks are done (any order of lanes, in order within one); their ranges collect per lane. A
 * position is what the transport makes of these ranges, on its loop; the answer comes on the control loop. What was
 * saved is given back before the instance opens, and committed once it is durable.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"
#include "base/mem.h"

/* --- what the circuit has done --- */

/* A lane that was opened when its predecessor of the same key was closed goes on where that one ended: so there are no
 * more ranges than keys, however often lanes come and go. */
static void forget_earlier(hg_ranges_t *s, uint64_t key, uint64_t lane)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->key[i] == key && s->v[i].lane < lane) continue;
        s->v[n] = s->v[i];
        s->key[n++] = s->key[i];
    }
    s->n = n;
}

void hg_ranges_grow(hg_ranges_t *s, const hg_job_t *j, const hg_range_t *r)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].lane != r->lane) continue;
        s->v[i].end = r->end;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4;
        s->v = hg_xgrow(s->v, sizeof(hg_range_t) * s->cap);
        s->key = hg_xgrow(s->key, sizeof(uint64_t) * s->cap);
    }
    if (j->supersedes) forget_earlier(s, j->pub.lane_key, r->lane);
    s->key[s->n] = j->pub.lane_key;
    s->v[s->n++] = *r;
}

void hg_ranges_release(hg_ranges_t *s)
{
    hg_free(s->v);
    hg_free(s->key);
}

static bool fold(hg_ranges_t *s, uint64_t lane, uint64_t end)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].lane != lane) continue;
        if (s->v[i].end != end) return false;
        s->n--; /* the others keep their order */
        memmove(&s->v[i], &s->v[i + 1], sizeof s->v[0] * (s->n - i));
        memmove(&s->key[i], &s->key[i + 1], sizeof s->key[0] * (s->n - i));
        return true;
    }
    return false;
}

bool hg_in_fold(hg_input_t *in, uint64_t lane, uint64_t end)
{
    HG_ON_LOOP(in->loop);
    pthread_mutex_lock(&in->mu);
    bool done = in->n_saving == 0 && fold(&in->consumed, lane, end);
    pthread_mutex_unlock(&in->mu);
    if (done) (void)fold(&in->cut, lane, end);
    return done;
}

uint64_t hg_lane_taken(const hg_lane_t *l)
{
    hg_input_t *in = l->in;
    uint64_t taken = 0;
    pthread_mutex_lock(&in->mu);
    for (uint32_t i = 0; i < in->consumed.n; i++)
        if (in->consumed.v[i].lane == l->id) taken = in->consumed.v[i].end;
    pthread_mutex_unlock(&in->mu);
    return taken;
}

void hg_chunk_done(hg_chunk_t *c)
{
    hg_job_t *j = HG_ENTRY(c, hg_job_t, pub);
    hg_input_t *in = hg_input_retain(c->in);
    int64_t took = hg_now_us() - c->ingested_us;
    atomic_fetch_sub(&in->host->buffered_records, c->records);
    pthread_mutex_lock(&in->mu);
    in->buffered_records -= c->records;
    in->buffered_bytes -= c->bytes;
    in->processed_records += c->records;
    in->processed_bytes += c->bytes;
    in->barrier = c->barrier;
    hg_errlist_append(&in->consumed_errors, &j->told);
    if (in->type) in->consumed_events += j->events;
    if (c->records) hg_latency_add(&in->latency, took > 0 ? (uint64_t)took : 0);
    for (uint32_t i = 0; in->type && i < c->n_ranges; i++) hg_ranges_grow(&in->consumed, j, &c->ranges[i]);
    if (--in->n_buffered == 0) hg_input_notify(in);
    hg_queue_release(in);
    pthread_mutex_unlock(&in->mu);
    hg_job_drop(j);
    hg_input_drop(in);
}

void hg_chunk_claim_start(hg_chunk_t *c)
{
    hg_input_t *in = c->in;
    pthread_mutex_lock(&in->mu);
    c->start = in->start;
    in->start = (hg_str_t){ 0 };
    pthread_mutex_unlock(&in->mu);
}

/* --- restore, save, commit --- */

int hg_input_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    hg_buf_t text;
    hg_jw_t w;
    if (!in->type || !in->type->restore)
        return hg_err_set(err, HG_EUNSUPPORTED, "'%s' cannot go on from a saved position", in->name);
    hg_buf_init(&text, 1 << 20);
    hg_jw_init(&w, &text);
    hg_jw_node(&w, position);
    if (w.rc < 0) {
        hg_buf_release(&text);
        return hg_err_set(err, (hg_code_t)w.rc, "the saved position of '%s' is too large", in->name);
    }
    hg_free(in->restore);
    in->restore = hg_buf_take(&text, NULL);
    return 0;
}

typedef struct {
    hg_input_t *in;
    void (*done)(void *arg, hg_str_t position);
    void *arg;
    hg_range_t *ranges;
    uint32_t n;
    bool lost;
    hg_buf_t text;
} save_t;

static void save_done(void *arg)
{
    save_t *s = arg;
    hg_input_drop(s->in); /* first, as in run_event */
    s->done(s->arg, s->lost ? HG_POSITION_LOST : hg_buf_str(&s->text));
    hg_buf_release(&s->text);
    hg_free(s->ranges);
    hg_free(s);
}

static void save_on_loop(void *arg)
{
    save_t *s = arg;
    bool keeps = !s->in->inst_closing || (s->in->type->caps & HG_CAP_RESUME);
    if (s->in->opened && keeps && s->in->type->save) {
        hg_jw_t w;
        hg_jw_init(&w, &s->text);
        s->in->type->save(s->in, s->ranges, s->n, &w);
        s->lost = w.rc < 0;
    }
    pthread_mutex_lock(&s->in->mu);
    s->in->n_saving--;
    pthread_mutex_unlock(&s->in->mu);
    hg_loop_post(s->in->host->control, save_done, s);
}

void hg_input_save(hg_input_t *in, void (*done)(void *arg, hg_str_t position), void *arg)
{
    save_t *s = HG_NEW(save_t);
    s->in = hg_input_retain(in);
    s->done = done;
    s->arg = arg;
    hg_buf_init(&s->text, 1 << 20);
    pthread_mutex_lock(&in->mu);
    s->n = in->consumed.n;
    s->ranges = HG_NEWN(hg_range_t, s->n + 1);
    if (s->n) memcpy(s->ranges, in->consumed.v, sizeof(hg_range_t) * s->n);
    if (in->type) in->n_saving++;
    pthread_mutex_unlock(&in->mu);
    if (in->type)
        hg_loop_post(in->loop, save_on_loop, s);
    else
        hg_loop_post(in->host->control, save_done, s);
}

typedef struct {
    hg_input_t *in;
    char *position;
} commit_t;

static void commit_on_loop(void *arg)
{
    commit_t *c = arg;
    hg_input_t *in = c->in;
    if (in->opened && !in->inst_closing && in->type->commit) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *pos;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_json_parse(a, hg_strz(c->position), &pos, &err);
        if (rc == 0) rc = in->type->commit(in, pos, &err);
        if (rc < 0) hg_in_error(in, "commit", &err);
        hg_arena_free(a);
    }
    hg_free(c->position);
    hg_free(c);
    hg_input_drop(in);
}

void hg_input_commit(hg_input_t *in, hg_str_t position)
{
    if (!in->type || !in->type->commit) return;
    commit_t *c = HG_NEW(commit_t);
    *c = (commit_t){ hg_input_retain(in), hg_xstrndup(position.p, position.n) };
    hg_loop_post(in->loop, commit_on_loop, c);
}
