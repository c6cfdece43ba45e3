/* move.c: see move.h. Control loop. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/move.h"

typedef enum { MOVE_SET, MOVE_RESET, MOVE_RERUN } move_kind_t;
static const char *const g_kinds[] = { "set", "reset", "rerun" };

typedef enum { PHASE_WAITING, PHASE_CLOSING, PHASE_BARRIER, PHASE_CUTTING, PHASE_LOGGING } phase_t;

typedef struct move {
    endpoint_t *ep;
    move_kind_t kind;
    bool wait;      /* rerun: its dependents wait again */
    char *position; /* JSON, "" = as configured */
    phase_t phase;
    uint64_t seq;     /* of the checkpoint that it waits for */
    hg_moved_fn done; /* NULL: answered */
    void *arg;
} move_t;

static bool keeps_state(const hg_pipeline_t *p)
{
    return p->durable && p->cfg.ft != HG_FT_NONE;
}

/* --- the end of a move --- */

static void answer(move_t *m, const hg_err_t *err)
{
    hg_moved_fn done = m->done;
    m->done = NULL;
    if (done) done(m->arg, err);
}

static void move_over(move_t *m, const hg_err_t *err)
{
    hg_pipeline_t *p = m->ep->p;
    m->ep->move = NULL;
    answer(m, err);
    hg_free(m->position);
    hg_free(m);
    p->moves--;
    hg_pipeline_maybe_stopped(p);
}

/* Also while the pipeline drains: its last checkpoint has what was decided by then. */
static void feed(hg_pipeline_t *p, hg_orch_ev_kind_t kind, uint32_t conn, uint64_t n)
{
    hg_orch_cmd_t unused;
    if (p->life == ST_RUNNING) {
        hg_pipeline_feed(p, kind, conn, n);
        return;
    }
    hg_orch_feed(p->orch, (hg_orch_ev_t){ kind, conn, n, hg_now_us() });
    while (hg_orch_next(p->orch, &unused)) {
    }
}

static void abandon(move_t *m, const hg_err_t *why)
{
    hg_err_t err = *why;
    hg_err_wrap(&err, "nothing was changed");
    hg_log(HG_LOG_WARN, "connector", m->ep->name, "position_unchanged", "wanted=%s error=\"%s\"", g_kinds[m->kind],
           err.msg);
    feed(m->ep->p, HG_ORCH_MOVING, m->ep->id, 0);
    move_over(m, &err);
}

static void apply(move_t *m)
{
    endpoint_t *ep = m->ep;
    hg_pipeline_t *p = ep->p;
    hg_err_t ok = HG_ERR_INIT;
    pthread_mutex_lock(&p->lock);
    hg_free(ep->next_position);
    ep->next_position = hg_xstrdup(m->position);
    ep->restored = false;
    ep->change = g_kinds[m->kind];
    ep->change_us = hg_now_us();
    ep->change_records = atomic_load(&ep->processed);
    pthread_mutex_unlock(&p->lock);
    hg_log(HG_LOG_INFO, "connector", ep->name, "position", "change=%s position=%s%s", g_kinds[m->kind],
           *m->position ? m->position : "null", m->kind == MOVE_RERUN && m->wait ? " wait=true" : "");
    feed(p, m->kind == MOVE_RERUN ? HG_ORCH_RERUN : HG_ORCH_MOVED, ep->id, m->wait);
    atomic_store(&ep->paused, hg_orch_paused(p->orch, ep->id));
    move_over(m, &ok);
}

/* --- may it be? --- */

/* What stands in the way of any change. */
static int may_change(const endpoint_t *ep, hg_err_t *err)
{
    const hg_pipeline_t *p = ep->p;
    int rc = hg_position_can(ep->spec, ep->name, err);
    if (rc < 0) return rc;
    if (p->life != ST_RUNNING) return hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    if (hg_orch_marking(p->orch, ep->id))
        return hg_err_set(err, HG_EBUSY, "%s is taking its hand-off mark; try again when it has it", ep->name);
    return 0;
}

/* A position is set where nothing can read on the old one meanwhile, and nothing reads on the new one by surprise. */
static int may_set(const endpoint_t *ep, hg_err_t *err)
{
    const hg_pipeline_t *p = ep->p;
    int rc = may_change(ep, err);
    if (rc < 0 || !hg_pipeline_running(p) || hg_orch_failed(p->orch, ep->id) || hg_orch_paused(p->orch, ep->id))
        return rc;
    if (hg_orch_ended(p->orch, ep->id))
        return hg_err_set(err, HG_EBUSY,
                          "%s has ended, and would read again at once: pause it first, or use rerun to read it from "
                          "its start",
                          ep->name);
    return hg_err_set(err, HG_EBUSY, "%s is running: pause it first", ep->name);
}

static int may_rerun(const endpoint_t *ep, hg_err_t *err)
{
    const hg_orch_t *o = ep->p->orch;
    int rc = may_change(ep, err);
    if (rc < 0 || hg_orch_finished(o, ep->id)) return rc;
    if (hg_orch_ended(o, ep->id))
        return hg_err_set(err, HG_EBUSY, "%s has ended, but its last records are still being processed", ep->name);
    return hg_err_set(err, HG_EBUSY,
                      "%s has not reached its end of input (it is %s): only what has finished runs again", ep->name,
                      hg_orch_reason_name(hg_orch_reason(o, ep->id)));
}

/* --- its way --- */

static void logged(hg_pipeline_t *p, uint32_t conn, uint64_t n)
{
    (void)n;
    apply(p->inputs[conn]->move);
    hg_checkpoint_release(p->durable);
}

void hg_moves_checkpoint(hg_pipeline_t *p, uint64_t seq, const hg_err_t *err)
{
    for (uint32_t i = 0; p->moves && i < p->n_inputs; i++) {
        move_t *m = p->inputs[i]->move;
        if (!m || m->phase != PHASE_CUTTING || m->seq > seq) continue;
        hg_err_t why = *err;
        if (why.code) {
            hg_err_wrap(&why, "a checkpoint comes first");
        } else if (p->life != ST_RUNNING) {
            hg_err_set(&why, HG_ETERMINATING, "the pipeline is stopping");
        } else {
            m->phase = PHASE_LOGGING;
            hg_checkpoint_hold(p->durable);
            hg_event_word(p, m->ep->id, g_kinds[m->kind], hg_strz(m->position), m->wait, logged);
            continue;
        }
        abandon(m, &why);
    }
}

void hg_moves_trouble(hg_pipeline_t *p, const hg_err_t *err)
{
    for (uint32_t i = 0; p->moves && i < p->n_inputs; i++) {
        move_t *m = p->inputs[i]->move;
        if (!m || m->phase != PHASE_LOGGING) continue;
        hg_err_t why = *err;
        hg_err_wrap(&why, "not done yet, and tried again until it works");
        answer(m, &why);
    }
}

void hg_moves_stop(hg_pipeline_t *p)
{
    hg_err_t err;
    for (uint32_t i = 0; p->moves && i < p->n_inputs; i++) {
        move_t *m = p->inputs[i]->move;
        if (!m || m->phase < PHASE_CUTTING) continue; /* ends when its instance is there, or at the barrier */
        hg_err_set(&err, HG_ETERMINATING,
                   m->phase == PHASE_CUTTING ? "nothing was changed: the pipeline is stopping"
                                             : "the pipeline is stopping; whether this was done the position tells");
        move_over(m, &err);
    }
}

static void barrier_passed(void *arg)
{
    move_t *m = arg;
    hg_pipeline_t *p = m->ep->p;
    hg_err_t err = HG_ERR_INIT;
    if (p->life != ST_RUNNING) {
        hg_err_set(&err, HG_ETERMINATING, "the pipeline is stopping");
        abandon(m, &err);
    } else if (!keeps_state(p)) {
        apply(m);
    } else {
        m->phase = PHASE_CUTTING;
        m->seq = hg_checkpoint_ask(p->durable);
    }
}

static void barrier_on_circuit(hg_pipeline_t *p, void *arg)
{
    hg_loop_post(p->control, barrier_passed, arg);
}

void hg_move_closed(endpoint_t *ep)
{
    if (ep->move->phase != PHASE_CLOSING) return;
    ep->move->phase = PHASE_BARRIER;
    hg_circuit_post(ep->p, barrier_on_circuit, ep->move);
}

static int may(const endpoint_t *ep, move_kind_t kind, hg_err_t *err)
{
    return kind == MOVE_RERUN ? may_rerun(ep, err) : may_set(ep, err);
}

/* An instance that is on its way is waited for: it can be closed once it is there. */
static void proceed(move_t *m)
{
    endpoint_t *ep = m->ep;
    if (ep->reopen || ep->retiring) return; /* hg_move_opened goes on */
    m->phase = PHASE_CLOSING;
    feed(ep->p, HG_ORCH_MOVING, ep->id, 1);
    if (!ep->closing || ep->closed) hg_move_closed(ep); /* never opened, or gone already */
}

void hg_move_opened(endpoint_t *ep)
{
    move_t *m = ep->move;
    hg_err_t err = HG_ERR_INIT;
    if (m->phase != PHASE_WAITING) return;
    if (may(ep, m->kind, &err) < 0)
        move_over(m, &err);
    else
        proceed(m);
}

static void move_begin(endpoint_t *ep, move_kind_t kind, hg_str_t position, bool wait, hg_moved_fn done, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    if (ep->move) hg_err_set(&err, HG_EBUSY, "the position of %s is being changed already", ep->name);
    if (ep->move || may(ep, kind, &err) < 0) {
        done(arg, &err);
        return;
    }
    move_t *m = HG_NEW(move_t);
    *m = (move_t){ .ep = ep,
                   .kind = kind,
                   .wait = wait,
                   .position = hg_xstrndup(position.n ? position.p : "", position.n),
                   .done = done,
                   .arg = arg };
    ep->move = m;
    ep->p->moves++;
    proceed(m);
}

/* --- asked by people --- */

static endpoint_t *find(hg_pipeline_t *p, hg_str_t name, hg_err_t *err)
{
    if (hg_pipeline_ready(p, err) < 0) return NULL;
    if (atomic_load(&p->replaying)) {
        hg_err_set(err, HG_EREPLAY, "the journal is being replayed: ask again when the pipeline runs");
        return NULL;
    }
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, name, true);
    pthread_mutex_unlock(&p->lock);
    if (!ep) hg_err_set(err, HG_EUNKNOWNINPUT, "unknown input endpoint name '" HG_SF "'", HG_SA(name));
    return ep;
}

void hg_pipeline_position_set(hg_pipeline_t *p, hg_str_t endpoint, hg_str_t position, hg_moved_fn done, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    endpoint_t *ep = find(p, endpoint, &err);
    if (!ep)
        done(arg, &err);
    else
        move_begin(ep, position.n ? MOVE_SET : MOVE_RESET, position, false, done, arg);
}

void hg_pipeline_rerun(hg_pipeline_t *p, hg_str_t endpoint, bool wait, hg_moved_fn done, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    endpoint_t *ep = find(p, endpoint, &err);
    if (!ep)
        done(arg, &err);
    else
        move_begin(ep, MOVE_RERUN, (hg_str_t){ 0 }, wait, done, arg);
}

typedef struct {
    endpoint_t *ep;
    void (*done)(void *, hg_str_t, const hg_err_t *);
    void *arg;
} ask_t;

static void say(void *arg, hg_str_t position)
{
    ask_t *a = arg;
    endpoint_t *ep = a->ep;
    const hg_pipeline_t *p = ep->p;
    hg_err_t err = HG_ERR_INIT, no = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    if (hg_position_lost(position)) {
        hg_err_set(&err, HG_ENOMEM, "the position of %s is too large, or there is no memory for it", ep->name);
        a->done(a->arg, (hg_str_t){ 0 }, &err);
        hg_free(a);
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    bool unread = ep->change && atomic_load(&ep->processed) == ep->change_records;
    hg_position_say_t s = { .name = ep->name,
                            .spec = ep->spec,
                            .position = position,
                            .origin = !position.n ? "configuration"
                                      : unread    ? "user"
                                                  : "running",
                            .obstacle = may_set(ep, &no) < 0 ? no.msg : NULL,
                            .checkpoint = p->durable ? p->durable->number : 0,
                            .durable = keeps_state(p),
                            .change = ep->change,
                            .change_us = ep->change_us };
    hg_position_json(&s, &w);
    a->done(a->arg, hg_buf_str(&b), &err);
    hg_buf_release(&b);
    hg_free(a);
}

void hg_pipeline_position_get(hg_pipeline_t *p, hg_str_t endpoint, void (*done)(void *, hg_str_t, const hg_err_t *),
                              void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    endpoint_t *ep = find(p, endpoint, &err);
    if (!ep || hg_position_can(ep->spec, ep->name, &err) < 0) {
        done(arg, (hg_str_t){ 0 }, &err);
        return;
    }
    ask_t *a = HG_NEW(ask_t);
    *a = (ask_t){ ep, done, arg };
    if (ep->next_position)
        say(a, hg_strz(ep->next_position));
    else
        hg_input_save(ep->in, say, a);
}
