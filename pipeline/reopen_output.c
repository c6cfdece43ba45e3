/* reopen_output.c: a configured output that failed and is started again, by the user or because its trouble may pass.
 * Control loop, but for the swap.
 *
 *   make the new one ─► between two steps: it gets the place of the old one, and what that owes   circuit thread
 *                    ─► the old one closes ─► the new one is started
 *
 * The old one must be closed before the new one connects: both have one file, one transactional id. What was pushed
 * since the failure is not lost where the pipeline keeps it (fault tolerance); without, the sink goes on with what
 * comes from now on. An output whose first content (send_snapshot) was not whole begins with it again.
 *
 * A checkpoint must see either the one or the other: a swap waits for the checkpoint that is being taken, and the next
 * one for the swap.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"

#define RENEWALS 10

typedef struct {
    endpoint_t *ep;
    hg_output_t *next;
    hg_err_t err;
} swap_t;

static void put_in_place(endpoint_t *ep, hg_output_t *next)
{
    hg_pipeline_t *p = ep->p;
    pthread_mutex_lock(&p->lock);
    ep->retired = ep->out;
    ep->out = next;
    pthread_mutex_unlock(&p->lock);
    hg_log(HG_LOG_INFO, "connector", ep->name, "started_again", "%s", "");
    hg_output_pause_as(next, ep->retired);
    hg_output_stop(ep->retired, true); /* → hg_endpoint_output_closed */
}

static void swapped(void *arg)
{
    swap_t *x = arg;
    endpoint_t *ep = x->ep;
    hg_pipeline_t *p = ep->p;
    if (x->err.code) {
        hg_log(HG_LOG_ERROR, "connector", ep->name, "not_started", "error=\"%s\"", x->err.msg);
        hg_output_free(x->next);
        p->open_outputs--;
    } else {
        put_in_place(ep, x->next);
    }
    p->swapping--;
    if (p->durable) hg_checkpoint_release(p->durable);
    hg_free(x);
}

static void swap(hg_pipeline_t *p, void *arg)
{
    swap_t *x = arg;
    endpoint_t *ep = x->ep;
    bool afresh = hg_sink_snapshot_owed(p, ep->out);
    int rc = hg_output_hand_over(ep->out, x->next, afresh, atomic_load(&p->steps), atomic_load(&p->processed_records),
                                 &x->err);
    if (rc == 0) hg_sink_replace(p, ep->out, x->next);
    if (rc == 0 && afresh && ep->spec->send_snapshot) hg_sink_snapshot_ask(p, x->next);
    hg_loop_post(p->control, swapped, x);
}

static bool may_be_replaced(const endpoint_t *ep)
{
    hg_output_stats_t s;
    if (!ep->spec || ep->retired || ep->closed || ep->p->life != ST_RUNNING) return false;
    hg_output_get_stats(ep->out, &s);
    return s.failed;
}

int hg_endpoint_output_again(endpoint_t *ep, hg_err_t *err)
{
    hg_pipeline_t *p = ep->p;
    hg_output_t *next;
    ep->again = false;
    if (!may_be_replaced(ep)) return 0;
    if (p->swapping || (p->durable && p->durable->ck)) {
        ep->again = true; /* → hg_outputs_again */
        return 0;
    }
    int rc = hg_output_new(p->host, ep->spec, ep->id, &p->prog->plan.relations[ep->relation].schema, &next, err);
    if (rc < 0) return rc;
    hg_output_life(next, p->owner, ep->life);
    swap_t *x = HG_NEW(swap_t);
    *x = (swap_t){ .ep = ep, .next = next };
    p->open_outputs++;
    p->swapping++;
    if (p->durable) hg_checkpoint_hold(p->durable);
    hg_circuit_post(p, swap, x);
    return 0;
}

void hg_outputs_again(hg_pipeline_t *p)
{
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        hg_err_t err = HG_ERR_INIT;
        if (p->outputs[i]->again && hg_endpoint_output_again(p->outputs[i], &err) < 0)
            hg_log(HG_LOG_ERROR, "connector", p->outputs[i]->name, "not_started", "error=\"%s\"", err.msg);
    }
}

/* Where nothing is lost by it, an output whose trouble may pass is started again without being asked: as often as it
 * gets on, and RENEWALS times in vain. */
void hg_endpoint_output_failed(endpoint_t *ep, const hg_err_t *cause)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t delivered = hg_output_delivered_step(ep->out);
    if (!cause->retry || ep->p->cfg.ft == HG_FT_NONE || ep->retired) return;
    if (delivered > ep->renewed_at) ep->renewals = 0;
    if (ep->renewals++ == RENEWALS) return;
    ep->renewed_at = delivered;
    if (hg_endpoint_output_again(ep, &err) < 0)
        hg_log(HG_LOG_ERROR, "connector", ep->name, "not_started", "error=\"%s\"", err.msg);
}

bool hg_endpoint_output_closed(endpoint_t *ep)
{
    hg_pipeline_t *p = ep->p;
    if (!ep->retired) return false;
    hg_output_free(ep->retired);
    ep->retired = NULL;
    hg_output_start(ep->out);
    hg_outputs_again(p);
    return true;
}
