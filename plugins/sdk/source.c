/* source.c: see source.h. The thread and the host meet in `run`: which batch is in flight, and what became of it. The
 * id is set before send is called, because the answer may be here before send has returned. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/source.h"
#include <errno.h>

#define RESULT_MS   30000u
#define BACKOFF_MS  100u
#define BACKOFF_MAX 5000u

typedef enum { WAITING, ACKED, NACKED } result_t;

typedef struct run {
    hgp_instance_t *i;
    const hgp_source_t *source;
    iggy_send_fn send;
    pthread_t thread;
    bool started;
    uint64_t pending; /* batch in flight; 0 = none. Under i->mutex, as result */
    result_t result;
    iggy_end_fn ended; /* NULL: nobody wants to know */
} run_t;

static hgp_instances_t g_instances = HGP_INSTANCES(g_instances);

int32_t hgp_source_open(const hgp_source_t *s, uint32_t id, hg_str_t config, hg_str_t state, iggy_log_fn log)
{
    hg_err_t err = HG_ERR_INIT;
    hgp_log_to(log, s->name);
    hgp_instance_t *i = hgp_instance_new(&g_instances, id, config, s->options, s->cfg_size);
    if (!i) return IGGY_INVALID;
    if (s->open && s->open(i, state, &err) < 0) {
        hgp_log(IGGY_LOG_ERROR, "open: %s", err.msg);
        if (s->close) s->close(i);
        hgp_instance_opened(&g_instances, i, false);
        return IGGY_ERR;
    }
    run_t *r = HG_NEW(run_t);
    r->i = i;
    r->source = s;
    i->side = r;
    hgp_instance_opened(&g_instances, i, true);
    return IGGY_OK;
}

/* Until there is a result, the time is over (a refusal), or the instance is being closed (the same). */
static result_t await(run_t *r)
{
    hgp_instance_t *i = r->i;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RESULT_MS / 1000;
    pthread_mutex_lock(&i->mutex);
    int rc = 0;
    while (r->result == WAITING && !atomic_load(&i->closing) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&i->changed, &i->mutex, &until);
    result_t result = r->result;
    r->pending = 0;
    pthread_mutex_unlock(&i->mutex);
    if (result == WAITING && rc == ETIMEDOUT)
        hgp_log(IGGY_LOG_ERROR, "no result for a batch within %u s: it is produced again", RESULT_MS / 1000);
    return result == ACKED ? ACKED : NACKED;
}

/* One batch to the host and back. */
static result_t deliver(run_t *r, uint64_t batch, hg_str_t bytes)
{
    hgp_instance_t *i = r->i;
    pthread_mutex_lock(&i->mutex);
    r->pending = batch;
    r->result = WAITING;
    pthread_mutex_unlock(&i->mutex);
    if (r->send(i->id, batch, (const uint8_t *)bytes.p, bytes.n) == 0) return await(r);
    pthread_mutex_lock(&i->mutex);
    r->pending = 0;
    pthread_mutex_unlock(&i->mutex);
    return NACKED;
}

static uint64_t backoff(unsigned failures)
{
    return HG_MIN((uint64_t)BACKOFF_MS << HG_MIN(failures - 1, 10u), (uint64_t)BACKOFF_MAX);
}

static void *loop(void *arg)
{
    run_t *r = arg;
    hgp_instance_t *i = r->i;
    const hgp_source_t *s = r->source;
    hgp_out_t out;
    hg_buf_t state;
    uint64_t batch = 0;
    unsigned failures = 0;
    bool owes_commit = false;
    int next = HGP_POLL_LATER;
    hgp_out_init(&out, HG_PC_JSON);
    hg_buf_init(&state, HG_BUF_NOMAX);
    while (next != HGP_POLL_END && hgp_sleep(i, failures                                ? backoff(failures)
                                                : next == HGP_POLL_LATER && s->pause_ms ? s->pause_ms(i)
                                                                                        : 0)) {
        hg_err_t err = HG_ERR_INIT;
        if (owes_commit && s->commit(i, &err) < 0) {
            hgp_log(IGGY_LOG_ERROR, "after a batch was delivered: %s", err.msg);
            failures++;
            continue;
        }
        owes_commit = false;
        hgp_out_clear(&out);
        hg_buf_clear(&state);
        int rc = s->poll(i, &out, &state, &err);
        if (rc < 0) {
            hgp_log(IGGY_LOG_ERROR, "poll: %s", err.msg);
            if (s->drop) s->drop(i);
            failures++;
            continue;
        }
        if (out.n) {
            hg_str_t bytes, st = hg_buf_str(&state);
            if (hgp_out_finish(&out, state.len ? &st : NULL, &bytes) < 0 || deliver(r, ++batch, bytes) != ACKED) {
                if (s->drop) s->drop(i);
                failures++;
                continue;
            }
            owes_commit = s->commit != NULL;
            if (owes_commit && s->commit(i, &err) == 0) owes_commit = false;
            if (owes_commit) {
                hgp_log(IGGY_LOG_ERROR, "after a batch was delivered: %s", err.msg);
                failures++;
                next = HGP_POLL_AGAIN;
                continue;
            }
        }
        failures = 0;
        next = rc;
    }
    if (next == HGP_POLL_END) {
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
    bool ours = r->pending && r->pending == batch && r->result == WAITING;
    if (ours) {
        r->result = result == IGGY_ACK ? ACKED : NACKED;
        pthread_cond_broadcast(&i->changed);
    }
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

int32_t hgp_source_close(const hgp_source_t *s, uint32_t id)
{
    hgp_instance_t *i = hgp_instance_close(&g_instances, id);
    if (!i) return IGGY_INVALID;
    bool ready = i->ready;
    if (ready) {
        run_t *r = i->side;
        if (r->started) pthread_join(r->thread, NULL);
        hg_free(r);
        if (s->close) s->close(i);
    }
    hgp_instance_free(i);
    return ready ? IGGY_OK : IGGY_INVALID;
}
