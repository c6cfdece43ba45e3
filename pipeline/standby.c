/* standby.c: see standby.h. The bucket is asked on a thread of a pool of one, everything else is here. */
#include "base/hg.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http.h"
#include "pipeline/standby.h"

#define CLOSE_GRACE_MS 500 /* for answers under way */

struct hg_standby {
    hg_standby_opts_t o;
    hg_http_server_t *http;
    hg_pool_t *pool;
    uv_timer_t timer;
    int64_t start_us;
    bool pulling, last; /* last: this pull is that of the activation */
    bool activated, running, told, closing, timer_open, http_open;
    _Atomic bool cancelled;
    hg_remote_held_t held; /* the pull's, while one is under way */
    hg_err_t pulled;       /* how it ended */
    char *reason;          /* for people: what is here, or why nothing comes */
    void (*done)(void *arg);
    void *done_arg;
};

static void next(hg_standby_t *s);

/* --- pulling --- */

static bool is_cancelled(void *arg)
{
    return atomic_load(&((hg_standby_t *)arg)->cancelled);
}

static void pull_on_pool(void *arg, unsigned worker)
{
    hg_standby_t *s = arg;
    const hg_remote_pull_t x = { .cfg = s->o.sync,
                                 .name = s->o.name,
                                 .dir = s->o.storage_dir,
                                 .held = &s->held,
                                 .takes_over = s->last,
                                 .cancelled = is_cancelled,
                                 .arg = s };
    (void)worker;
    s->pulled = HG_ERR_INIT;
    hg_remote_pull(&x, &s->pulled);
}

/* Takes text. True: it was another one. */
static bool tell(hg_standby_t *s, char *text)
{
    bool other = !s->reason || strcmp(s->reason, text) != 0;
    hg_free(s->reason);
    s->reason = text;
    return other;
}

/* A bucket that is away for hours is logged once. */
static void judge(hg_standby_t *s)
{
    const char *bucket = s->o.sync->bucket;
    if (s->pulled.code) {
        hg_err_t told = hg_hide_err(&s->pulled);
        if (tell(s, hg_xprintf("in standby: %s", told.msg)))
            hg_log(HG_LOG_WARN, "storage", s->o.name, "standby", "error=\"%s\"", told.msg);
    } else if (s->held.uuid[0]) {
        tell(s, hg_xprintf("in standby: checkpoint %s (step %" PRIu64 ") of s3://%s is here", s->held.uuid,
                           s->held.step, bucket));
    } else {
        tell(s, hg_xprintf("in standby: there is nothing newer in s3://%s than what is here", bucket));
    }
}

static void pulled(void *arg)
{
    hg_standby_t *s = arg;
    s->pulling = false;
    if (!s->closing && s->last) {
        s->told = true;
        s->o.on_activate(s->o.arg, s->running, &s->pulled);
        return;
    }
    if (!s->closing) judge(s);
    next(s);
}

static void pull(hg_standby_t *s)
{
    s->pulling = true;
    s->last = s->activated;
    hg_pool_submit(s->pool, pull_on_pool, pulled, s->o.control, s);
}

static void on_timer(uv_timer_t *t)
{
    pull(t->data);
}

/* --- the end --- */

static void timer_closed(uv_handle_t *h)
{
    hg_standby_t *s = h->data;
    s->timer_open = false;
    next(s);
}

static void http_closed(void *arg)
{
    hg_standby_t *s = arg;
    s->http_open = false;
    next(s);
}

static void done_on_loop(void *arg)
{
    hg_standby_t *s = arg;
    s->done(s->done_arg);
}

void hg_standby_close(hg_standby_t *s, void (*done)(void *arg), void *arg)
{
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    atomic_store(&s->cancelled, true);
    uv_close((uv_handle_t *)&s->timer, timer_closed);
    hg_http_server_close(s->http, CLOSE_GRACE_MS, http_closed, s);
}

void hg_standby_free(hg_standby_t *s)
{
    hg_pool_free(s->pool);
    hg_http_server_free(s->http);
    hg_remote_held_release(&s->held);
    hg_free(s->reason);
    hg_free(s);
}

/* What a pull, the user, or the end of something makes possible. */
static void next(hg_standby_t *s)
{
    if (s->pulling) return;
    if (s->closing) {
        if (!s->timer_open && !s->http_open) hg_loop_post(s->o.control, done_on_loop, s);
    } else if (s->told) {
        return; /* the pipeline is made now */
    } else if (s->activated) {
        uv_timer_stop(&s->timer);
        pull(s);
    } else {
        uv_timer_start(&s->timer, on_timer, s->o.sync->pull_interval_secs * 1000, 0);
    }
}

/* --- answers --- */

static void serve_status(hg_standby_t *s, hg_req_t *r)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "status", s->activated ? "Initializing" : "Standby");
    hg_jw_kstr(&w, "deployment_id", s->o.deployment_id);
    hg_jw_ki64(&w, "since_us", s->start_us);
    hg_jw_ku64(&w, "num_errors", 0);
    hg_jw_ku64(&w, "checkpoint", 0);
    hg_jw_key(&w, "details");
    hg_jw_obj(&w);
    if (s->reason) hg_jw_kstr(&w, "reason", s->reason);
    hg_jw_end_obj(&w);
    hg_jw_knull(&w, "error");
    hg_jw_end_obj(&w);
    hg_resp_json(r, 200, &b);
    hg_buf_release(&b);
}

static void serve_activate(hg_standby_t *s, hg_req_t *r)
{
    hg_str_t initial = hg_req_param(r, "initial");
    bool paused = initial.p && hg_str_eqz(initial, "paused");
    if (initial.p && !paused && !hg_str_eqz(initial, "running")) {
        hg_resp_error(r, 400, "InvalidActivateStatus", "parameter 'initial' must be 'running' or 'paused'", NULL);
        return;
    }
    hg_resp_send(r, 200, "application/json", HG_S("{}"), NULL);
    if (s->activated) return; /* asked twice */
    s->activated = true;
    s->running = !paused;
    hg_log(HG_LOG_INFO, "pipeline", s->o.name, "activated", "initial=%s", paused ? "paused" : "running");
    next(s);
}

static void serve_stop(hg_standby_t *s, hg_req_t *r, bool drain)
{
    hg_resp_send(r, 200, "application/json", HG_S("{}"), NULL);
    s->o.on_stop(s->o.arg, drain);
}

static void on_request(void *arg, hg_req_t *r)
{
    hg_standby_t *s = arg;
    const hg_str_t *seg;
    uint32_t n;
    hg_err_t err = HG_ERR_INIT;
    bool get = hg_str_eqz(hg_req_method(r), "GET"), post = hg_str_eqz(hg_req_method(r), "POST"), force = false;
    if (hg_req_segments(r, &seg, &n, &err) < 0 || hg_req_param_bool(r, "force", false, &force, &err) < 0)
        hg_resp_err(r, &err);
    else if (get && n == 1 && hg_str_eqz(seg[0], "status"))
        serve_status(s, r);
    else if (post && n == 1 && hg_str_eqz(seg[0], "activate"))
        serve_activate(s, r);
    else if (post && n == 1 && (hg_str_eqz(seg[0], "stop") || hg_str_eqz(seg[0], "suspend")))
        serve_stop(s, r, !force);
    else {
        hg_err_set(&err, HG_EINITIALIZING, "%s",
                   s->activated ? "the pipeline takes over: it is being set up"
                                : "the pipeline is in standby: activate it first");
        hg_resp_err(r, &err);
    }
}

int hg_standby_new(const hg_standby_opts_t *opts, const char *path, hg_standby_t **ret, hg_err_t *err)
{
    hg_standby_t *s = HG_NEW(hg_standby_t);
    hg_loop_t *loops[] = { opts->control };
    const hg_http_opts_t h = {
        .loops = loops, .n_loops = 1, .on_request = on_request, .arg = s, .server_name = "headgate"
    };
    *s = (hg_standby_t){ .o = *opts, .start_us = hg_now_us(), .timer_open = true, .http_open = true };
    uv_timer_init(hg_loop_uv(opts->control), &s->timer);
    s->timer.data = s;
    s->pool = hg_pool_new(1);
    HG_ASSERT(hg_http_server_new(&h, &s->http, err) == 0);
    *ret = s; /* closed by the caller, also where it does not listen */
    int rc = hg_http_listen_unix(s->http, path, err);
    hg_log(HG_LOG_INFO, "pipeline", opts->name, "standby", "bucket=\"%s\" every_secs=%" PRIu64, opts->sync->bucket,
           opts->sync->pull_interval_secs);
    if (rc == 0) pull(s);
    return rc;
}
