/* events.c: the small synced log of what users and the orchestrator decide between two checkpoints: marks, a user's
 * start and pause, positions set by hand. See durable_int.h.
 *
 * One frame is JSON: {"step": steps done when it was written, "orchestrator": facts of the connectors named in it
 * (hg_orch_save_one), "name", "position": value or null for "from the beginning"}. A position in it only counts if the
 * checkpoint that is resumed from is not newer: one taken later already has what came of it. What a user has said about
 * an output is {"step", "output": its name, "paused", "since_us", "config"}. Where a user has set the
 * position there are also "change" ("set", "reset", "rerun"), "wait", "change_us", and "config" and "definition": for
 * which connector on which table that was meant.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/move.h"

#define MAGIC    "hgevents"
#define KIND     1u
#define RETRY_MS 1000

typedef void (*then_fn)(hg_pipeline_t *, uint32_t, uint64_t);

typedef struct event {
    hg_list_t link;
    hg_durable_t *d;
    uint32_t conn;
    hg_buf_t text;
    uint64_t rotate; /* not 0: no record, but a new log with this number */
    then_fn then;
    void (*said)(void *arg, const hg_err_t *err); /* once, also when it cannot be written now */
    void *said_arg;
    uint64_t n;
    bool added; /* in the log's buffer already */
    hg_err_t err;
    int rc;
} event_t;

static void next_event(hg_durable_t *d);

static void say(event_t *e, const hg_err_t *err)
{
    void (*said)(void *, const hg_err_t *) = e->said;
    e->said = NULL;
    if (said) said(e->said_arg, err);
}

static void event_free(event_t *e)
{
    hg_buf_release(&e->text);
    hg_free(e);
}

static int open_log(hg_durable_t *d, uint64_t number, hg_err_t *err)
{
    char *path = hg_storage_log_path(d->storage, "events", number);
    hg_framelog_t *l;
    int rc = hg_framelog_open(path, MAGIC, true, NULL, NULL, &l, err);
    hg_free(path);
    if (rc < 0) return rc;
    hg_framelog_close(d->events);
    d->events = l;
    return 0;
}

/* --- disk thread --- */

static void event_work(void *arg, unsigned worker)
{
    event_t *e = arg;
    hg_durable_t *d = e->d;
    (void)worker;
    e->err = HG_ERR_INIT;
    e->rc = 0;
    if (e->rotate || !d->events) e->rc = open_log(d, e->rotate ? e->rotate : d->log_number, &e->err);
    if (e->rotate || e->rc < 0) return;
    if (!e->added) e->rc = hg_framelog_add(d->events, KIND, hg_buf_str(&e->text), &e->err);
    e->added = e->rc == 0;
    if (e->rc == 0) e->rc = hg_framelog_sync(d->events, "events", &e->err);
}

/* --- control loop --- */

static void retry_due(uv_timer_t *t)
{
    next_event(t->data);
}

static void event_done(void *arg)
{
    event_t *e = arg;
    hg_durable_t *d = e->d;
    hg_pipeline_t *p = d->p;
    d->event_busy = false;
    if (e->rc < 0) { /* it stays first in line; whoever waits for it goes on waiting, and `why` says so */
        if (!d->event_error[0]) hg_log(HG_LOG_ERROR, "storage", p->name, "events", "error=\"%s\"", e->err.msg);
        snprintf(d->event_error, sizeof d->event_error, "%s", e->err.msg);
        hg_moves_trouble(p, &e->err);
        hg_err_t err = e->err;
        HG_LIST_EACH(it, &d->event_queue) say(HG_ENTRY(it, event_t, link), &err);
        if (d->closing)
            next_event(d);
        else
            uv_timer_start(&d->event_timer, retry_due, RETRY_MS, 0);
        return;
    }
    if (d->event_error[0]) hg_log(HG_LOG_INFO, "storage", p->name, "events", "state=\"works again\"");
    d->event_error[0] = 0;
    hg_list_del(&e->link);
    if (e->then && !d->closing) e->then(p, e->conn, e->n);
    say(e, NULL);
    event_free(e);
    next_event(d);
}

static void next_event(hg_durable_t *d)
{
    if (d->event_busy || hg_list_empty(&d->event_queue)) return;
    if (d->closing) { /* nobody waits any more, and what could not be written by now will not be */
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ETERMINATING, "the pipeline is stopping");
        for (hg_list_t *it; (it = hg_list_pop(&d->event_queue)) != NULL;) {
            say(HG_ENTRY(it, event_t, link), &err);
            event_free(HG_ENTRY(it, event_t, link));
        }
        return;
    }
    d->event_busy = true;
    hg_pool_submit(d->disk, event_work, event_done, d->p->control, HG_ENTRY(d->event_queue.next, event_t, link));
}

static event_t *event_new(hg_durable_t *d)
{
    event_t *e = HG_NEW(event_t);
    e->d = d;
    hg_buf_init(&e->text, 4u << 20);
    hg_list_init(&e->link);
    hg_list_add_tail(&d->event_queue, &e->link);
    return e;
}

static void put_facts(hg_pipeline_t *p, uint32_t conn, hg_jw_t *w)
{
    hg_jw_ku64(w, "step", atomic_load(&p->steps));
    hg_jw_key(w, "orchestrator");
    hg_orch_save_one(p->orch, conn, w);
}

static void put_position(hg_jw_t *w, const endpoint_t *ep, hg_str_t position)
{
    hg_jw_kstr(w, "name", ep->name);
    hg_jw_key(w, "position");
    hg_jw_raw(w, position);
}

/* A record that is cut short must never become durable: it could not be read again. Without memory for it the process
 * ends here, as without memory for any other small thing, and is resumed. */
static void complete(const hg_jw_t *w)
{
    HG_ASSERT(w->rc == 0);
}

static event_t *facts_event(hg_pipeline_t *p, uint32_t conn, hg_str_t position)
{
    event_t *e = event_new(p->durable);
    hg_jw_t w;
    e->conn = conn;
    hg_jw_init(&w, &e->text);
    hg_jw_obj(&w);
    put_facts(p, conn, &w);
    if (position.n) put_position(&w, p->inputs[conn], position);
    hg_jw_end_obj(&w);
    complete(&w);
    return e;
}

void hg_event_log(hg_pipeline_t *p, uint32_t conn, hg_str_t position, then_fn then, uint64_t n)
{
    if (!p->durable || p->cfg.ft == HG_FT_NONE) {
        if (then) then(p, conn, n);
        return;
    }
    event_t *e = facts_event(p, conn, position);
    e->then = then;
    e->n = n;
    next_event(p->durable);
}

static void log_word(hg_pipeline_t *p, event_t *e, void (*said)(void *arg, const hg_err_t *err), void *arg)
{
    e->said = said;
    e->said_arg = arg;
    next_event(p->durable);
}

void hg_event_facts(hg_pipeline_t *p, uint32_t conn, void (*said)(void *arg, const hg_err_t *err), void *arg)
{
    if (!p->durable || p->cfg.ft == HG_FT_NONE) {
        said(arg, NULL);
        return;
    }
    log_word(p, facts_event(p, conn, (hg_str_t){ 0 }), said, arg);
}

void hg_event_output(hg_pipeline_t *p, uint32_t out, uint64_t step, void (*said)(void *arg, const hg_err_t *err),
                     void *arg)
{
    const endpoint_t *ep = p->outputs[out];
    hg_jw_t w;
    if (!p->durable || p->cfg.ft == HG_FT_NONE) {
        said(arg, NULL);
        return;
    }
    event_t *e = event_new(p->durable);
    hg_jw_init(&w, &e->text);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "step", HG_MAX(step, p->durable->step)); /* nothing pushed yet: from the checkpoint on */
    hg_jw_kstr(&w, "output", ep->name);
    hg_jw_kbool(&w, "paused", atomic_load(&ep->paused));
    hg_jw_ki64(&w, "since_us", ep->since_us);
    hg_jw_khex(&w, "config", hg_connector_hash(ep->spec));
    hg_jw_end_obj(&w);
    complete(&w);
    log_word(p, e, said, arg);
}

void hg_event_word_text(hg_pipeline_t *p, uint32_t conn, const char *change, hg_str_t position, bool wait, hg_jw_t *w)
{
    const endpoint_t *ep = p->inputs[conn];
    hg_jw_obj(w);
    put_facts(p, conn, w);
    put_position(w, ep, position.n ? position : HG_S("null"));
    hg_jw_kstr(w, "change", change);
    hg_jw_kbool(w, "wait", wait);
    hg_jw_ki64(w, "change_us", hg_now_us());
    hg_jw_khex(w, "config", hg_connector_hash(ep->spec));
    hg_jw_khex(w, "definition", p->durable->definitions[ep->relation]);
    hg_jw_end_obj(w);
}

void hg_event_word(hg_pipeline_t *p, uint32_t conn, const char *change, hg_str_t position, bool wait, then_fn then)
{
    event_t *e = event_new(p->durable);
    hg_jw_t w;
    e->conn = conn;
    e->then = then;
    hg_jw_init(&w, &e->text);
    hg_event_word_text(p, conn, change, position, wait, &w);
    complete(&w);
    next_event(p->durable);
}

void hg_events_rotate(hg_durable_t *d, uint64_t number)
{
    if (d->p->cfg.ft == HG_FT_NONE) return;
    event_t *e = event_new(d);
    e->rotate = number;
    next_event(d);
}

void hg_events_release(hg_durable_t *d)
{
    hg_framelog_close(d->events);
    d->events = NULL;
    for (hg_list_t *it; (it = hg_list_pop(&d->event_queue)) != NULL;) event_free(HG_ENTRY(it, event_t, link));
}

/* --- reading --- */

typedef struct {
    hg_pipeline_t *p;
    const char *path;
} reader_t;

/* Was it meant for this connector as it is configured now, on this table? */
static bool meant(const endpoint_t *ep, const hg_json_t *v)
{
    uint64_t config, definition;
    return hg_json_get_hex(v, "config", &config) && config == hg_connector_hash(ep->spec) &&
           hg_json_get_hex(v, "definition", &definition) && definition == ep->p->durable->definitions[ep->relation];
}

static void take_position(endpoint_t *ep, const hg_json_t *v, uint64_t step)
{
    const hg_json_t *position = hg_json_get(v, "position");
    const char *change = hg_position_change(hg_json_str(hg_json_get(v, "change"), ""));
    hg_pipeline_t *p = ep->p;
    hg_orch_cmd_t unused;
    if (!position || (change ? !meant(ep, v) : ep->fresh)) return;
    if (!ep->by_user) ep->base_position = ep->saved_position;
    ep->saved_position = position->kind == HG_J_NULL ? NULL : position;
    ep->by_user = change != NULL;
    ep->word_step = step;
    if (!change) return;
    ep->change = change;
    ep->change_records = atomic_load(&ep->processed);
    (void)hg_json_i64(hg_json_get(v, "change_us"), &ep->change_us);
    bool wait = hg_json_bool(hg_json_get(v, "wait"), false);
    hg_orch_ev_kind_t kind = strcmp(change, "rerun") == 0 ? HG_ORCH_RERUN : HG_ORCH_MOVED;
    hg_orch_feed(p->orch, (hg_orch_ev_t){ kind, ep->id, wait, ep->change_us });
    while (hg_orch_next(p->orch, &unused)) { /* nothing is open yet */
    }
}

/* The checkpoint has what was said before it. */
static void take_output(hg_pipeline_t *p, hg_str_t name, uint64_t step, const hg_json_t *v)
{
    uint32_t id = hg_strmap_get(&p->output_names, name);
    uint64_t config;
    if (id == HG_STRMAP_NONE || step < p->durable->step) return;
    endpoint_t *ep = p->outputs[id];
    if (!hg_json_get_hex(v, "config", &config) || config != hg_connector_hash(ep->spec)) return;
    bool paused = hg_json_bool(hg_json_get(v, "paused"), false);
    hg_output_pause_after(ep->out, step, paused);
    atomic_store(&ep->paused, paused);
    (void)hg_json_i64(hg_json_get(v, "since_us"), &ep->since_us);
}

static int take_record(hg_pipeline_t *p, hg_str_t text, hg_err_t *err)
{
    hg_json_t *v;
    uint64_t step = 0;
    int rc = hg_json_parse(p->durable->arena, text, &v, err);
    const hg_json_t *output = rc == 0 ? hg_json_get(v, "output") : NULL;
    if (rc == 0 && !output) rc = hg_orch_load(p->orch, hg_json_get(v, "orchestrator"), hg_durable_is_fresh, p, err);
    if (rc == 0 && hg_json_u64(hg_json_get(v, "step"), &step) < 0)
        rc = hg_err_set(err, HG_EPARSE, "the member \"step\" is missing");
    if (rc < 0) return rc;
    if (output) {
        take_output(p, output->str, step, v);
        return 0;
    }
    const hg_json_t *name = hg_json_get(v, "name");
    uint32_t id = name && step >= p->durable->step ? hg_strmap_get(&p->input_names, name->str) : HG_STRMAP_NONE;
    if (id != HG_STRMAP_NONE) take_position(p->inputs[id], v, step);
    return 0;
}

static int read_event(void *arg, uint32_t kind, hg_str_t payload, uint64_t offset, hg_err_t *err)
{
    reader_t *r = arg;
    if (kind != KIND)
        return hg_err_set(err, HG_EDAMAGED, "%s: record of unknown kind %u at byte %" PRIu64, r->path, kind, offset);
    if (take_record(r->p, payload, err) == 0) return 0;
    err->code = HG_EDAMAGED;
    return hg_err_wrap(err, "%s, record at byte %" PRIu64, r->path, offset);
}

int hg_events_read(hg_pipeline_t *p, const char *path, hg_err_t *err)
{
    reader_t r = { p, path };
    hg_framelog_t *l = NULL;
    int rc = hg_framelog_open(path, MAGIC, false, read_event, &r, &l, err);
    hg_framelog_close(l);
    return rc;
}

/* --- without a pipeline that runs --- */

int hg_event_append(hg_pipeline_t *p, hg_str_t text, hg_err_t *err)
{
    hg_framelog_t *l = NULL;
    char *path = hg_storage_log_path(p->durable->storage, "events", p->durable->log_number);
    int rc = hg_framelog_open(path, MAGIC, true, NULL, NULL, &l, err);
    if (rc == 0) rc = hg_framelog_add(l, KIND, text, err);
    if (rc == 0) rc = hg_framelog_sync(l, "events", err);
    hg_framelog_close(l);
    hg_free(path);
    return rc == 0 ? take_record(p, text, err) : rc;
}
