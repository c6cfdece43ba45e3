/* source.c: see source.h. The thread and the host meet in `run`: which batches are without a result, and what became of
 * them. An id is noted before send is called, because the result may be here before send has returned. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugins/sdk/source.h"
#include <errno.h>

#define RESULT_MS   30000u
#define BACKOFF_MS  100u
#define BACKOFF_MAX 5000u

typedef struct sent { /* a batch without a result */
    size_t bytes;
    hg_buf_t state; /* behind it */
} sent_t;

typedef struct run {
    hgp_instance_t *i;
    const hgp_source_t *source;
    iggy_send_fn send;
    pthread_t thread;
    bool started;
    iggy_end_fn ended;    /* NULL: nobody wants to know */
    uint32_t ahead;       /* batches without a result at most */
    uint64_t ahead_bytes; /* and their bytes, unless it is one */
    /* under i->mutex */
    uint64_t first, next; /* ids without a result: from first to before next; the first one is 1 */
    uint64_t bytes;       /* theirs */
    sent_t *sent;         /* of id: at id % ahead */
    bool refused;         /* the host has said no to one of them */
    int64_t since_us;     /* the last result, or the first send of all */
    hg_buf_t acked;       /* the state behind the last batch that is with the server */
} run_t;

static hgp_instances_t g_instances = HGP_INSTANCES(g_instances);

static void set_ahead(run_t *r, uint32_t batches, uint64_t bytes)
{
    hg_free(r->sent);
    r->sent = HG_NEWN(sent_t, batches);
    for (uint32_t k = 0; k < batches; k++) hg_buf_init(&r->sent[k].state, HG_BUF_NOMAX);
    r->ahead = batches;
    r->ahead_bytes = bytes;
}

static run_t *run_new(hgp_instance_t *i, const hgp_source_t *s)
{
    run_t *r = HG_NEW(run_t);
    r->i = i;
    r->source = s;
    r->first = r->next = 1;
    hg_buf_init(&r->acked, HG_BUF_NOMAX);
    set_ahead(r, 1, 0);
    return r;
}

static void run_free(run_t *r)
{
    for (uint32_t k = 0; k < r->ahead; k++) hg_buf_release(&r->sent[k].state);
    hg_free(r->sent);
    hg_buf_release(&r->acked);
    hg_free(r);
}

int32_t hgp_source_open(const hgp_source_t *s, uint32_t id, hg_str_t config, hg_str_t state, iggy_log_fn log)
{
    hg_err_t err = HG_ERR_INIT;
    hgp_log_to(log, s->name);
    hgp_instance_t *i = hgp_instance_new(&g_instances, id, config, s->options, s->cfg_size);
    if (!i) return IGGY_INVALID;
    run_t *r = run_new(i, s);
    int rc = hg_buf_addstr(&r->acked, state);
    if (rc < 0) hg_err_retry(&err, rc, "no memory for the state");
    if (rc == 0 && s->open) rc = s->open(i, state, &err);
    if (rc < 0) {
        hgp_log(IGGY_LOG_ERROR, "open: %s", err.msg);
        if (s->close) s->close(i);
        run_free(r);
        hgp_instance_opened(&g_instances, i, false);
        return IGGY_ERR;
    }
    i->side = r;
    hgp_instance_opened(&g_instances, i, true);
    return IGGY_OK;
}

/* Under i->mutex: room for one more that has `most` or fewer before it. */
static bool has_room(const run_t *r, uint32_t most)
{
    uint64_t n = r->next - r->first;
    return n == 0 || (n <= most && r->bytes < r->ahead_bytes);
}

/* Until so many batches are without a result, or fewer. false: one was refused, or took too long, or the instance is
 * being closed; then none is waited for any more. */
static bool await(run_t *r, uint32_t most)
{
    hgp_instance_t *i = r->i;
    pthread_mutex_lock(&i->mutex);
    bool late = false;
    while (!has_room(r, most) && !r->refused && !late && !atomic_load(&i->closing)) {
        int64_t until_us = r->since_us + (int64_t)RESULT_MS * 1000;
        struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };
        late = pthread_cond_timedwait(&i->changed, &i->mutex, &until) == ETIMEDOUT && hg_mono_us() >= until_us;
    }
    bool well = has_room(r, most) && !r->refused;
    if (!well) {
        if (r->ahead > 1) r->next++; /* the gap by which the host knows */
        r->first = r->next;
        r->bytes = 0;
        r->refused = false;
    }
    pthread_mutex_unlock(&i->mutex);
    if (late && !well)
        hgp_log(IGGY_LOG_ERROR, "no result for a batch within %u s: it is produced again", RESULT_MS / 1000);
    return well;
}

/* One batch to the host; false: it did not take it. There is room. */
static bool post(run_t *r, hg_str_t bytes, const hg_buf_t *state)
{
    hgp_instance_t *i = r->i;
    pthread_mutex_lock(&i->mutex);
    uint64_t id = r->next;
    sent_t *s = &r->sent[id % r->ahead];
    hg_buf_clear(&s->state);
    bool noted = hg_buf_addstr(&s->state, hg_buf_str(state)) == 0;
    if (noted) {
        if (r->first == r->next) r->since_us = hg_mono_us();
        s->bytes = bytes.n;
        r->bytes += bytes.n;
        r->next++;
    }
    pthread_mutex_unlock(&i->mutex);
    if (!noted) return false;
    if (r->send(i->id, id, (const uint8_t *)bytes.p, bytes.n) == 0) return true;
    pthread_mutex_lock(&i->mutex);
    if (r->first <= id) { /* no result will come */
        r->next = id;
        r->bytes -= bytes.n;
    }
    pthread_mutex_unlock(&i->mutex);
    return false;
}

/* What was polled behind the last batch that is with the server has to be polled again. */
static void back(run_t *r)
{
    hgp_instance_t *i = r->i;
    const hgp_source_t *s = r->source;
    (void)await(r, 0);
    if (s->rewind) s->rewind(i, hg_buf_str(&r->acked)); /* no result comes now: nobody else is in acked */
    if (s->drop) s->drop(i);
}

static uint64_t backoff(unsigned failures)
{
    return HG_MIN((uint64_t)BACKOFF_MS << HG_MIN(failures - 1, 10u), (uint64_t)BACKOFF_MAX);
}

static uint64_t pause_ms(const run_t *r, unsigned failures, int next)
{
    if (failures) return backoff(failures);
    return next == HGP_POLL_LATER && r->source->pause_ms ? r->source->pause_ms(r->i) : 0;
}

/* Polls, and sends what there is. The poll's answer; negative: it has to be polled again. */
static int produce(run_t *r, hgp_out_t *out, hg_buf_t *state)
{
    hg_err_t err = HG_ERR_INIT;
    hg_str_t bytes, st;
    hgp_out_clear(out);
    hg_buf_clear(state);
    int next = r->source->poll(r->i, out, state, &err);
    if (next < 0) {
        hgp_log(IGGY_LOG_ERROR, "poll: %s", err.msg);
        return next;
    }
    if (out->n == 0) return next;
    st = hg_buf_str(state);
    if (hgp_out_finish(out, st.n ? &st : NULL, &bytes) < 0 || !post(r, bytes, state)) return HG_EAGAIN;
    return next;
}

static void *loop(void *arg)
{
    run_t *r = arg;
    hgp_instance_t *i = r->i;
    const hgp_source_t *s = r->source;
    hgp_out_t out;
    hg_buf_t state;
    unsigned failures = 0;
    bool owes_commit = false;
    int next = HGP_POLL_LATER;
    hgp_out_init(&out, HG_PC_JSON);
    hg_buf_init(&state, HG_BUF_NOMAX);
    while ((next != HGP_POLL_END || owes_commit) && hgp_sleep(i, pause_ms(r, failures, next))) {
        hg_err_t err = HG_ERR_INIT;
        if (!owes_commit) {
            next = produce(r, &out, &state);
            if (next < 0 || !await(r, next == HGP_POLL_END ? 0 : r->ahead - 1)) {
                back(r);
                failures++;
                next = HGP_POLL_LATER;
                continue;
            }
            owes_commit = s->commit && out.n;
        }
        if (owes_commit && s->commit(i, &err) < 0) {
            hgp_log(IGGY_LOG_ERROR, "after a batch was delivered: %s", err.msg);
            failures++;
            continue;
        }
        owes_commit = false;
        failures = 0;
    }
    if (next == HGP_POLL_END && !owes_commit) {
        hgp_log(IGGY_LOG_INFO, "end of input");
        if (r->ended) r->ended(i->id);
    }
    hg_buf_release(&state);
    hgp_out_release(&out);
    return NULL;
}

int32_t hgp_source_handle(const hgp_source_t *s, uint32_t id, iggy_send_fn send)
{
    (void)s;
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    run_t *r = i->side;
    int32_t answer = IGGY_INVALID;
    pthread_mutex_lock(&i->mutex);
    if (!r->started) {
        r->send = send;
        r->started = pthread_create(&r->thread, NULL, loop, r) == 0;
        answer = r->started ? IGGY_OK : IGGY_ERR;
    }
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return answer;
}

int32_t hgp_source_result(const hgp_source_t *s, uint32_t id, uint64_t batch, uint8_t result)
{
    (void)s;
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    run_t *r = i->side;
    pthread_mutex_lock(&i->mutex);
    bool ours = batch >= r->first && batch < r->next && !r->refused;
    if (ours && result == IGGY_ACK) {
        sent_t *last = &r->sent[batch % r->ahead];
        hg_buf_t swap = r->acked;
        r->acked = last->state;
        last->state = swap;
        for (; r->first <= batch; r->first++) r->bytes -= r->sent[r->first % r->ahead].bytes;
        r->since_us = hg_mono_us();
    }
    if (ours && result != IGGY_ACK) r->refused = true;
    if (ours) pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return ours && result <= IGGY_NACK ? IGGY_OK : IGGY_INVALID;
}

int32_t hgp_source_on_end(uint32_t id, iggy_end_fn ended)
{
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    run_t *r = i->side;
    pthread_mutex_lock(&i->mutex);
    int32_t answer = r->started ? IGGY_INVALID : IGGY_OK;
    if (!r->started) r->ended = ended;
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return answer;
}

int32_t hgp_source_ahead(uint32_t id, uint32_t batches, uint64_t bytes)
{
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    run_t *r = i->side;
    pthread_mutex_lock(&i->mutex);
    bool can = r->source->rewind && !r->started && batches > 0;
    if (can) set_ahead(r, batches, bytes);
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return can ? IGGY_OK : IGGY_ERR;
}

int32_t hgp_source_close(const hgp_source_t *s, uint32_t id)
{
    hgp_instance_t *i = hgp_instance_close(&g_instances, id);
    if (!i) return IGGY_INVALID;
    bool ready = i->ready;
    if (ready) {
        run_t *r = i->side;
        if (r->started) pthread_join(r->thread, NULL);
        run_free(r);
        if (s->close) s->close(i);
    }
    hgp_instance_free(i);
    return ready ? IGGY_OK : IGGY_INVALID;
}
