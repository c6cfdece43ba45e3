/* reopen.c: the instances of an input: opened, closed, replaced by the next one. Control loop.
 *
 * A connector that failed and is tried again, one whose position was set and one that is run again get a new instance.
 * The old one stays until it is closed and until the circuit cannot hold a chunk of it: one way through the circuit's
 * commands. The new one begins where the old one was, as far as the circuit has taken it (a mark is such a position
 * too), or where the user said (`next_position`). Its counters go on.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/move.h"
#include "pipeline/pipeline_int.h"
#include "pipeline/transaction.h"

typedef struct {
    endpoint_t *ep;
    hg_input_t *old;
} retire_t;

static int restore_position(hg_input_t *in, hg_str_t position, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    int rc = 0;
    if (hg_position_lost(position))
        rc = hg_err_set(err, HG_ENOMEM, "its position is too large, or there is no memory for it");
    if (position.n && rc == 0) rc = hg_json_parse(a, position, &v, err);
    if (position.n && rc == 0) rc = hg_input_restore(in, v, err);
    hg_arena_free(a);
    return rc;
}

int hg_endpoint_restore(endpoint_t *ep, hg_str_t position, hg_err_t *err)
{
    return restore_position(ep->in, position, err);
}

int hg_endpoint_renew(endpoint_t *ep, hg_str_t position, hg_err_t *err)
{
    hg_pipeline_t *p = ep->p;
    hg_input_t *in = NULL, *old = ep->in;
    hg_table_env_t env;
    hg_pipeline_table_env(p, ep->relation, &env);
    int rc = hg_input_new(p->host, ep->spec, ep->id, &env, &in, err);
    if (rc == 0) rc = restore_position(in, position, err);
    if (rc < 0) {
        if (in) hg_input_free(in);
        return rc;
    }
    if (old) { /* what it has counted beyond its position was dropped and will be read again */
        hg_input_counters_t *c = hg_input_counters(old);
        hg_input_go_on(in, c);
        hg_input_counters_free(c);
    }
    hg_txn_renewed(p, ep->id, in);
    pthread_mutex_lock(&p->lock);
    ep->in = in;
    hg_free(ep->next_position);
    ep->next_position = NULL;
    pthread_mutex_unlock(&p->lock);
    hg_input_free(old);
    ep->closed = ep->closing = false;
    p->open_inputs++;
    return 0;
}

static void reopen_at(void *arg, hg_str_t position)
{
    retire_t *r = arg;
    endpoint_t *ep = r->ep;
    hg_pipeline_t *p = ep->p;
    hg_err_t err = HG_ERR_INIT;
    int rc = p->life == ST_RUNNING ? hg_endpoint_renew(ep, position, &err) : 0;
    ep->retiring = false;
    if (rc < 0)
        hg_pipeline_input_failed(p, ep->id, &err);
    else if (p->life == ST_RUNNING)
        hg_input_open(ep->in);
    hg_free(r);
    p->retiring--;
    if (ep->move) hg_move_opened(ep);
    hg_pipeline_maybe_stopped(p);
}

static void retire_on_control(void *arg)
{
    retire_t *r = arg;
    const char *next = r->ep->next_position;
    r->ep->p->retiring++;
    if (r->old && !next)
        hg_input_save(r->old, reopen_at, r);
    else
        reopen_at(r, hg_strz(next ? next : ""));
}

static void retire_on_circuit(hg_pipeline_t *p, void *arg)
{
    hg_loop_post(p->control, retire_on_control, arg);
}

static void reopen(endpoint_t *ep)
{
    if (!ep->closed) {
        ep->reopen = true; /* hg_endpoint_closed goes on */
        return;
    }
    ep->reopen = false;
    ep->retiring = true;
    retire_t *r = HG_NEW(retire_t);
    *r = (retire_t){ ep, ep->in };
    hg_circuit_post(ep->p, retire_on_circuit, r);
}

void hg_endpoint_open(endpoint_t *ep)
{
    hg_pipeline_t *p = ep->p;
    if (ep->next_position && !ep->restored && ep->in && !ep->closing) hg_endpoint_close(ep); /* it was never opened */
    if (ep->closing || !ep->in) {
        reopen(ep);
        return;
    }
    hg_input_open(ep->in); /* what is asked of it now comes behind this */
    pthread_mutex_lock(&p->lock);
    hg_free(ep->next_position);
    ep->next_position = NULL;
    ep->restored = false;
    pthread_mutex_unlock(&p->lock);
}

void hg_endpoint_close(endpoint_t *ep)
{
    ep->closing = true;
    ep->reopen = false;
    hg_input_close(ep->in);
}

void hg_endpoint_closed(endpoint_t *ep)
{
    ep->closed = true;
    if (ep->reopen) reopen(ep);
    if (ep->move) hg_move_closed(ep);
}
