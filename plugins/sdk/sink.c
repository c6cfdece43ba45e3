/* sink.c: see sink.h. Workers of an instance are kept on a stack between calls: what is used last is warm. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/sink.h"

#define WORKERS 16u

typedef struct worker {
    struct worker *next;
    hgp_batch_t batch;
    hgp_gate_t gate; /* batch's */
    void *own;       /* the plugin's */
} worker_t;

/* Beside an instance of a sink. */
typedef struct pool {
    hgp_instance_t *i;
    worker_t *idle;
    uint32_t made;
    iggy_reject_fn reject; /* NULL: the host does not ask */
    iggy_gate_fn gate;     /* NULL: it has none */
} pool_t;

static hgp_instances_t g_instances = HGP_INSTANCES(g_instances);

int32_t hgp_sink_open(const hgp_sink_t *s, uint32_t id, hg_str_t config, iggy_log_fn log)
{
    hg_err_t err = HG_ERR_INIT;
    hgp_log_to(log, s->name);
    hgp_instance_t *i = hgp_instance_new(&g_instances, id, config, s->options, s->cfg_size);
    if (!i) return IGGY_INVALID;
    if (s->open && s->open(i, &err) < 0) {
        hgp_log(IGGY_LOG_ERROR, "open: %s", err.msg);
        if (s->close) s->close(i);
        hgp_instance_opened(&g_instances, i, false);
        return IGGY_ERR;
    }
    pool_t *p = HG_NEW(pool_t);
    p->i = i;
    i->side = p;
    hgp_instance_opened(&g_instances, i, true);
    return IGGY_OK;
}

static worker_t *take(const hgp_sink_t *s, pool_t *p)
{
    hgp_instance_t *i = p->i;
    uint32_t most = s->workers ? s->workers(i) : WORKERS;
    pthread_mutex_lock(&i->mutex);
    while (!p->idle && p->made >= most) pthread_cond_wait(&i->changed, &i->mutex);
    worker_t *w = p->idle;
    if (w)
        p->idle = w->next;
    else
        p->made++;
    iggy_reject_fn reject = p->reject;
    iggy_gate_fn gate = p->gate;
    pthread_mutex_unlock(&i->mutex);
    if (!w) {
        w = HG_NEW(worker_t);
        if (s->worker_new) w->own = s->worker_new(i);
    }
    w->batch.reject = reject;
    w->batch.plugin_id = i->id;
    w->gate = (hgp_gate_t){ .ask = gate };
    w->batch.gate = gate ? &w->gate : NULL;
    return w;
}

static void give_back(pool_t *p, worker_t *w)
{
    pthread_mutex_lock(&p->i->mutex);
    w->next = p->idle;
    p->idle = w;
    pthread_cond_broadcast(&p->i->changed);
    pthread_mutex_unlock(&p->i->mutex);
}

int32_t hgp_sink_on_reject(uint32_t id, iggy_reject_fn reject)
{
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    pool_t *p = i->side;
    pthread_mutex_lock(&i->mutex);
    p->reject = reject;
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return IGGY_OK;
}

int32_t hgp_sink_on_gate(const hgp_sink_t *s, uint32_t id, iggy_gate_fn gate)
{
    hgp_instance_t *i = s->gates ? hgp_instance_get(&g_instances, id) : NULL;
    if (!i) return IGGY_INVALID;
    pool_t *p = i->side;
    pthread_mutex_lock(&i->mutex);
    p->gate = gate;
    pthread_mutex_unlock(&i->mutex);
    hgp_instance_put(&g_instances, i);
    return IGGY_OK;
}

int hgp_gate(const hgp_batch_t *b, hg_err_t *err)
{
    hgp_gate_t *g = b->gate;
    if (!g || g->passed) return 0;
    g->passed = !g->refused && g->ask(b->plugin_id) == IGGY_OK;
    g->refused = !g->passed;
    return g->passed ? 0 : hg_err_set(err, HG_ECANCELED, "the host takes the batch back");
}

int32_t hgp_sink_consume(const hgp_sink_t *s, uint32_t id, hg_str_t topic, hg_str_t meta, hg_str_t messages)
{
    hg_err_t err = HG_ERR_INIT;
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    pool_t *p = i->side;
    worker_t *w = take(s, p);
    int32_t answer = IGGY_OK;
    if (hgp_batch_read(&w->batch, topic, meta, messages, &err) < 0) {
        hgp_log(IGGY_LOG_ERROR, "a batch cannot be read: %s at byte %" PRIu64, err.msg, err.pos.off);
        answer = err.retry ? IGGY_ERR : IGGY_INVALID;
    } else if (w->batch.n && s->write(i, w->own, &w->batch, &err) < 0 && !w->gate.refused) {
        hgp_log(IGGY_LOG_ERROR, "%u messages from offset %" PRIu64 " of " HG_SF "/" HG_SF ", partition %u: %s",
                w->batch.n, w->batch.v[0].m.offset, HG_SA(w->batch.stream), HG_SA(w->batch.topic), w->batch.partition,
                err.msg);
        answer = err.retry ? IGGY_ERR : IGGY_INVALID;
    }
    if (w->gate.refused) answer = IGGY_ERR;
    give_back(p, w);
    hgp_instance_put(&g_instances, i);
    return answer;
}

int32_t hgp_sink_wants(const hgp_sink_t *s, uint32_t id, iggy_sink_wants_t *w)
{
    hgp_instance_t *i = hgp_instance_get(&g_instances, id);
    if (!i) return IGGY_INVALID;
    *w = (iggy_sink_wants_t){ .messages = 0 };
    if (s->wants) s->wants(i, w);
    hgp_instance_put(&g_instances, i);
    return IGGY_OK;
}

int32_t hgp_sink_close(const hgp_sink_t *s, uint32_t id)
{
    hgp_instance_t *i = hgp_instance_close(&g_instances, id);
    if (!i) return IGGY_INVALID;
    bool ready = i->ready;
    if (ready) {
        pool_t *p = i->side;
        for (worker_t *w = p->idle, *next; w; w = next) {
            next = w->next;
            if (s->worker_free) s->worker_free(i, w->own);
            hgp_batch_release(&w->batch);
            hg_free(w);
        }
        hg_free(p);
        if (s->close) s->close(i);
    }
    hgp_instance_free(i);
    return ready ? IGGY_OK : IGGY_INVALID;
}

void hgp_reject(const hgp_batch_t *b, uint32_t at, uint32_t *n, const char *fmt, ...)
{
    char why[480];
    va_list ap;
    if (++*n > 5 && !b->reject) return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (b->reject) {
        size_t len = strlen(why);
        while (len && !hg_utf8_valid(why, len)) len--; /* cut between characters */
        b->reject(b->plugin_id, at, (const uint8_t *)why, len);
        return;
    }
    hgp_log(IGGY_LOG_ERROR, "the message at offset %" PRIu64 " of " HG_SF "/" HG_SF ", partition %u, is left out: %s",
            b->v[at].m.offset, HG_SA(b->stream), HG_SA(b->topic), b->partition, why);
    if (*n == 5) hgp_log(IGGY_LOG_ERROR, "further ones of this batch are left out without a line each");
}
