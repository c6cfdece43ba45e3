/* remote.c: who asked that which checkpoint goes to the bucket, and how it went (remote.h). Control loop.
 *
 *   asked ─► pinned (disk thread: its files stay) ─► pushed (a thread of its own, one at a time) ─► unpinned
 *
 * Steps, checkpoints and outputs go on meanwhile. A stop gives up what is under way: the next push finds what was sent.
 */
#include "base/hg.h"
#include "base/hide.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/remote_int.h"

#define LIST_MAX ((size_t)64 << 20)

typedef struct job {
    hg_list_t link; /* r->jobs */
    hg_remote_t *r;
    uint64_t number;
    bool manual, periodic; /* who asked */
    bool pinned, pushing;
    int64_t began_us;
    hg_arena_t *arena;
    hg_remote_push_t push;
    uint32_t cap_files;
    hg_err_t err;
} job_t;

struct hg_remote {
    hg_durable_t *d;
    const hg_remote_cfg_t *cfg;
    hg_pool_t *pool;            /* one thread pushes, one lists */
    hg_remote_memory_t *memory; /* the push's */
    uv_timer_t timer;
    bool closing, timer_open;
    atomic_bool cancel;
    hg_list_t jobs;                             /* in the order of their requests; the first one is pushed */
    unsigned lists;                             /* under way */
    char success[37], periodic[37], failed[37]; /* "" = none */
    char failure[480];
};

static void next_job(hg_remote_t *r);
static void ask(hg_remote_t *r, bool manual);

static bool is_cancelled(void *arg)
{
    return atomic_load(&((hg_remote_t *)arg)->cancel);
}

/* --- pins: disk thread --- */

static void add_file(void *arg, hg_str_t name)
{
    job_t *j = arg;
    hg_remote_desc_t *d = &j->push.desc;
    if (d->n_files == j->cap_files) {
        j->cap_files = j->cap_files ? j->cap_files * 2 : 64;
        hg_remote_file_t *v = HG_ANEWN(j->arena, hg_remote_file_t, j->cap_files);
        if (d->n_files) memcpy(v, d->files, sizeof *v * d->n_files);
        d->files = v;
    }
    d->files[d->n_files++].name = hg_arena_str(j->arena, name).p;
}

static void get_u64(const hg_json_t *m, const char *key, uint64_t *ret)
{
    (void)hg_json_u64(hg_json_get(m, key), ret);
}

static void pin_work(void *arg, unsigned worker)
{
    job_t *j = arg;
    hg_remote_desc_t *d = &j->push.desc;
    const hg_json_t *m;
    (void)worker;
    if (hg_storage_pin(j->r->d->storage, j->number, &m, &j->err) < 0) return;
    j->pinned = true;
    d->number = j->number;
    get_u64(m, "step", &d->step);
    get_u64(m, "bytes", &d->bytes);
    (void)hg_json_i64(hg_json_get(m, "taken_us"), &d->taken_us);
    char *path = hg_storage_manifest_path(j->r->d->storage, j->number);
    if (hg_checkpoint_files(NULL, m, add_file, j, &j->err) == 0) add_file(j, hg_strz(strrchr(path, '/') + 1));
    hg_free(path);
}

static void unpin_work(void *arg, unsigned worker)
{
    job_t *j = arg;
    (void)worker;
    if (j->pinned) hg_storage_unpin(j->r->d->storage, j->number);
    hg_arena_free(j->arena);
    hg_free(j);
}

/* --- pushing --- */

static void push_work(void *arg, unsigned worker)
{
    job_t *j = arg;
    (void)worker;
    (void)hg_remote_push(&j->push, j->r->memory, &j->err);
}

static void note(job_t *j)
{
    hg_remote_t *r = j->r;
    const hg_remote_push_t *x = &j->push;
    const char *name = r->d->p->name;
    if (j->err.code == HG_OK) {
        if (j->manual) memcpy(r->success, x->desc.uuid, sizeof r->success);
        if (j->periodic) memcpy(r->periodic, x->desc.uuid, sizeof r->periodic);
        if (strcmp(r->failed, x->desc.uuid) == 0) r->failed[0] = 0;
        hg_log(HG_LOG_INFO, "storage", name, "checkpoint_sent",
               "uuid=%s number=%" PRIu64 " files=%u sent_files=%u sent_bytes=%" PRIu64 " removed=%u took_ms=%" PRId64,
               x->desc.uuid, j->number, x->desc.n_files, x->sent_files, x->sent_bytes, x->removed,
               (hg_mono_us() - j->began_us) / 1000);
        return;
    }
    hg_err_t told = hg_hide_err(&j->err);
    memcpy(r->failed, x->desc.uuid, sizeof r->failed);
    snprintf(r->failure, sizeof r->failure, "%s", told.msg);
    hg_log(HG_LOG_ERROR, "storage", name, "checkpoint_not_sent", "uuid=%s number=%" PRIu64 " error=\"%s\"",
           x->desc.uuid, j->number, told.msg);
}

static void end_job(job_t *j)
{
    hg_remote_t *r = j->r;
    note(j);
    hg_list_del(&j->link);
    hg_pool_submit(r->d->disk, unpin_work, NULL, NULL, j);
    next_job(r);
}

static void push_done(void *arg)
{
    end_job(arg);
}

static void next_job(hg_remote_t *r)
{
    if (hg_list_empty(&r->jobs)) return;
    job_t *j = HG_ENTRY(r->jobs.next, job_t, link);
    if (j->pushing || !j->began_us) return; /* it is on its way, or not pinned yet */
    j->pushing = true;
    if (is_cancelled(r)) hg_err_set(&j->err, HG_ECANCELED, "the pipeline stops");
    if (j->err.code) {
        end_job(j);
        return;
    }
    hg_pool_submit(r->pool, push_work, push_done, r->d->p->control, j);
}

static void pin_done(void *arg)
{
    job_t *j = arg;
    j->began_us = hg_mono_us();
    next_job(j->r);
}

static void ask(hg_remote_t *r, bool manual)
{
    hg_durable_t *d = r->d;
    job_t *j = NULL;
    HG_LIST_EACH(it, &r->jobs)
    {
        job_t *x = HG_ENTRY(it, job_t, link);
        if (strcmp(x->push.desc.uuid, d->uuid) == 0) j = x;
    }
    bool fresh = !j;
    if (fresh) {
        j = HG_NEW(job_t);
        hg_list_init(&j->link);
        j->r = r;
        j->number = atomic_load(&d->number);
        j->arena = hg_arena_new();
        j->push = (hg_remote_push_t){ .cfg = r->cfg,
                                      .dir = hg_storage_dir(d->storage),
                                      .desc = { .pipeline = d->p->name },
                                      .cancelled = is_cancelled,
                                      .arg = r };
        memcpy(j->push.desc.uuid, d->uuid, sizeof d->uuid);
        hg_list_add_tail(&r->jobs, &j->link);
    }
    j->manual |= manual;
    j->periodic |= !manual;
    if (fresh) hg_pool_submit(d->disk, pin_work, pin_done, d->p->control, j);
}

/* --- the clock --- */

static void interval_due(uv_timer_t *t)
{
    hg_remote_t *r = t->data;
    const char *newest = r->d->uuid;
    if (r->closing || !newest[0] || !hg_list_empty(&r->jobs)) return;
    if (strcmp(newest, r->success) != 0 && strcmp(newest, r->periodic) != 0) ask(r, false);
}

/* --- life --- */

hg_remote_t *hg_remote_new(hg_durable_t *d, const hg_remote_cfg_t *c)
{
    hg_remote_t *r = HG_NEW(hg_remote_t);
    r->d = d;
    r->cfg = c;
    r->pool = hg_pool_new(2);
    r->memory = hg_remote_memory_new();
    hg_list_init(&r->jobs);
    uv_timer_init(hg_loop_uv(d->p->control), &r->timer);
    r->timer.data = r;
    r->timer_open = true;
    uint64_t ms = c->push_interval_secs * 1000;
    if (ms) uv_timer_start(&r->timer, interval_due, ms, ms);
    return r;
}

static void timer_closed(uv_handle_t *h)
{
    ((hg_remote_t *)h->data)->timer_open = false;
}

void hg_remote_close(hg_remote_t *r)
{
    if (r->closing) return;
    r->closing = true;
    atomic_store(&r->cancel, true);
    uv_close((uv_handle_t *)&r->timer, timer_closed);
}

bool hg_remote_closed(const hg_remote_t *r)
{
    return r->closing && !r->timer_open && !r->lists && hg_list_empty(&r->jobs);
}

void hg_remote_free(hg_remote_t *r)
{
    if (!r) return;
    hg_pool_free(r->pool);
    hg_remote_memory_free(r->memory);
    hg_free(r);
}

/* --- asked by people --- */

static hg_remote_t *remote_of(const hg_pipeline_t *p)
{
    return p->durable ? p->durable->remote : NULL;
}

static const char g_not_configured[] =
    "checkpoints are not sent anywhere: runtime_config.storage.backend.config.sync is not set";

int hg_pipeline_sync(hg_pipeline_t *p, const char **ret_uuid, hg_err_t *err)
{
    hg_remote_t *r = remote_of(p);
    int rc = hg_pipeline_ready(p, err);
    if (rc < 0) return rc;
    if (!r) return hg_err_set(err, HG_EINVAL, "%s", g_not_configured);
    if (r->closing || p->life != ST_RUNNING) return hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    if (!r->d->uuid[0])
        return hg_err_set(err, HG_EINVAL, "there is no checkpoint yet: take one first (POST …/checkpoint)");
    *ret_uuid = r->d->uuid;
    ask(r, true);
    return 0;
}

static void put_uuid(hg_jw_t *w, const char *key, const char *uuid)
{
    hg_jw_kstr(w, key, uuid && uuid[0] ? uuid : NULL);
}

void hg_pipeline_sync_status(const hg_pipeline_t *p, hg_jw_t *w)
{
    const hg_remote_t *r = remote_of(p);
    hg_jw_obj(w);
    put_uuid(w, "success", r ? r->success : NULL);
    hg_jw_key(w, "failure");
    if (r && r->failed[0]) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "uuid", r->failed);
        hg_jw_kstr(w, "error", r->failure);
        hg_jw_end_obj(w);
    } else {
        hg_jw_null(w);
    }
    put_uuid(w, "periodic", r ? r->periodic : NULL);
    hg_jw_key(w, "running");
    hg_jw_arr(w);
    if (r) {
        HG_LIST_EACH(it, &r->jobs)
        {
            hg_jw_strz(w, HG_ENTRY(it, job_t, link)->push.desc.uuid);
        }
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

typedef struct {
    hg_remote_t *r;
    hg_buf_t json;
    hg_err_t err;
    void (*done)(void *arg, hg_str_t json, const hg_err_t *err);
    void *arg;
} list_t;

static void list_work(void *arg, unsigned worker)
{
    list_t *l = arg;
    hg_jw_t w;
    (void)worker;
    hg_jw_init(&w, &l->json);
    int rc = hg_remote_list_json(l->r->cfg, is_cancelled, l->r, &w, &l->err);
    if (rc == 0 && w.rc < 0) hg_err_set(&l->err, w.rc, "the list of checkpoints is too large");
}

static void list_done(void *arg)
{
    list_t *l = arg;
    l->r->lists--;
    l->done(l->arg, hg_buf_str(&l->json), &l->err);
    hg_buf_release(&l->json);
    hg_free(l);
}

void hg_pipeline_remote_list(hg_pipeline_t *p, void (*done)(void *arg, hg_str_t json, const hg_err_t *err), void *arg)
{
    hg_remote_t *r = remote_of(p);
    hg_err_t err = HG_ERR_INIT;
    if (!r || r->closing) {
        hg_err_set(&err, r ? HG_ETERMINATING : HG_EINVAL, "%s", r ? "the pipeline is stopping" : g_not_configured);
        done(arg, HG_S(""), &err);
        return;
    }
    list_t *l = HG_NEW(list_t);
    *l = (list_t){ .r = r, .err = HG_ERR_INIT, .done = done, .arg = arg };
    hg_buf_init(&l->json, LIST_MAX);
    r->lists++;
    hg_pool_submit(r->pool, list_work, list_done, p->control, l);
}
