/* server.c: routes of the pipeline process. See base/deployment.h for the list. */
#include "base/hg.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/server_int.h"
#include "pipeline/transaction.h"

#define MAX_API_ENDPOINTS 100 /* as Feldera */

/* --- calls: there and back --- */

static void call_free(call_t *c)
{
    hg_pipeline_server_t *s = c->s;
    hg_buf_release(&c->body);
    hg_buf_release(&c->sent);
    hg_free(c->arg);
    hg_free(c);
    hg_server_drop(s);
}

static void call_aborted(void *arg)
{
    ((call_t *)arg)->req = NULL;
}

static void call_answer(void *arg)
{
    call_t *c = arg;
    if (c->req && c->err.code)
        hg_refuse(c->req, &c->err, c->arg, hg_strz(c->arg));
    else if (c->req)
        hg_resp_send(c->req, c->status, c->content_type, hg_buf_str(&c->body), NULL);
    call_free(c);
}

void hg_call_answer(call_t *c)
{
    hg_loop_post(c->loop, call_answer, c);
}

static void call_on_control(void *arg)
{
    call_t *c = arg;
    c->fn(c);
    hg_call_answer(c);
}

static void call_on_pool(void *arg, unsigned worker)
{
    call_t *c = arg;
    (void)worker;
    c->fn(c);
}

call_t *hg_call_new(hg_pipeline_server_t *s, hg_req_t *r, const char *arg)
{
    call_t *c = HG_NEW(call_t);
    *c = (call_t){
        .s = hg_server_retain(s), .req = r, .loop = hg_req_loop(r), .status = 200, .content_type = "application/json"
    };
    if (arg) c->arg = hg_xstrdup(arg);
    hg_buf_init(&c->body, HG_BUF_NOMAX);
    hg_buf_init(&c->sent, HG_BUF_NOMAX);
    hg_req_on_abort(r, call_aborted, c);
    return c;
}

static call_t *call_new(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *), const char *arg, bool flag,
                        int flag2)
{
    call_t *c = hg_call_new(s, r, arg);
    c->fn = fn;
    c->flag = flag;
    c->flag2 = flag2;
    return c;
}

void hg_call_control(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *), const char *arg, bool flag, int flag2)
{
    hg_loop_post(s->opts.control, call_on_control, call_new(s, r, fn, arg, flag, flag2));
}

void hg_call_pool(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *), const char *arg, bool flag, int flag2)
{
    call_t *c = call_new(s, r, fn, arg, flag, flag2);
    hg_pool_submit_urgent(hg_host_pool(hg_pipeline_host(s->p)), call_on_pool, call_answer, c->loop, c);
}

/* --- answers --- */

static void status_on_control(void *arg)
{
    call_t *c = arg;
    hg_hang_point("control.status");
    hg_pool_submit_urgent(hg_host_pool(hg_pipeline_host(c->s->p)), call_on_pool, call_answer, c->loop, c);
}

/* The manager takes a process that does not answer this for hung: so it goes through all that must be alive. */
static void serve_status(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *))
{
    hg_loop_post(s->opts.control, status_on_control, call_new(s, r, fn, NULL, false, 0));
}

static void do_status(call_t *c)
{
    hg_pipeline_t *p = c->s->p;
    hg_pipeline_totals_t t;
    hg_jw_t w;
    hg_pipeline_totals(p, &t);
    hg_jw_init(&w, &c->body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "status", hg_pipeline_status(p));
    hg_jw_kstr(&w, "deployment_id", c->s->deployment_id);
    hg_jw_ki64(&w, "since_us", p->start_us);
    hg_jw_ku64(&w, "num_errors", t.errors);
    hg_jw_ku64(&w, "checkpoint", hg_pipeline_checkpoint_number(p));
    hg_jw_key(&w, "details");
    hg_pipeline_details_json(p, &w);
    hg_jw_knull(&w, "error");
    hg_jw_end_obj(&w);
}

/* flag: silent; flag2: concurrent */
static void do_approve(call_t *c)
{
    if (hg_pipeline_approve(c->s->p, c->flag, c->flag2 == 1, &c->err) == 0) hg_buf_adds(&c->body, "{}");
}

static void do_run(call_t *c)
{
    hg_pipeline_run(c->s->p, c->flag);
    if (c->flag) hg_ingress_resume(c->s);
    hg_buf_adds(&c->body, "{}");
}

static void do_stop(call_t *c)
{
    c->s->opts.on_stop(c->s->opts.arg, !c->flag);
    hg_buf_adds(&c->body, "{}");
}

static void do_stats(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_pipeline_stats_json(c->s->p, c->flag, &w);
}

static void do_metrics(call_t *c)
{
    hg_pipeline_metrics(c->s->p, c->flag, &c->body);
    if (!c->flag) c->content_type = "text/plain";
}

static void do_profile(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_pipeline_profile_json(c->s->p, &w);
}

static void do_endpoint_stats(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_pipeline_endpoint_json(c->s->p, hg_strz(c->arg), c->flag, &w, &c->err);
}

static void do_token(call_t *c)
{
    hg_buf_adds(&c->body, "{\"token\":\"");
    hg_pipeline_token(c->s->p, hg_strz(c->arg), &c->body, &c->err);
    hg_buf_adds(&c->body, "\"}");
}

static void do_token_status(call_t *c)
{
    bool complete = false;
    uint64_t step = 0;
    hg_jw_t w;
    if (hg_pipeline_token_status(c->s->p, hg_strz(c->arg), &complete, &step, &c->err) < 0) return;
    hg_jw_init(&w, &c->body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "status", complete ? "complete" : "inprogress");
    if (step)
        hg_jw_ku64(&w, "step", step);
    else
        hg_jw_knull(&w, "step");
    hg_jw_end_obj(&w);
}

/* flag: input; flag2: 1 = start */
static void connector_said(void *arg, const hg_err_t *err)
{
    call_t *c = arg;
    if (err) {
        c->err = *err;
        hg_err_wrap(&c->err, "the connector is %s, but a restart would not know it yet",
                    c->flag2 == 1 ? "started" : "paused");
    }
    hg_call_answer(c);
}

static void connector_on_control(void *arg)
{
    call_t *c = arg;
    c->content_type = NULL;
    if (hg_pipeline_connector(c->s->p, hg_strz(c->arg), c->flag, c->flag2 == 1, connector_said, c, &c->err) < 0)
        hg_call_answer(c);
}

/* The answer comes when a restart would know of it. */
static void serve_word(hg_pipeline_server_t *s, hg_req_t *r, const char *name, bool input, bool start)
{
    call_t *c = hg_call_new(s, r, name);
    c->flag = input;
    c->flag2 = start;
    hg_loop_post(s->opts.control, connector_on_control, c);
}

/* flag: input */
static void do_why(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    (c->flag ? hg_pipeline_why_json : hg_pipeline_why_output_json)(c->s->p, hg_strz(c->arg), &w, &c->err);
}

static void do_orchestration(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_pipeline_orchestration_json(c->s->p, &w);
}

static void do_series(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_series_json(c->s->series, &w);
}

int hg_api_endpoint_room(const hg_pipeline_t *p, hg_err_t *err)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_inputs; i++) n += p->inputs[i]->push;
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        const endpoint_t *ep = p->outputs[i];
        n += ep->tap && !ep->closing && !ep->gone;
    }
    if (n < MAX_API_ENDPOINTS) return 0;
    return hg_err_set(err, HG_ETOOMANY,
                      "the pipeline has %u ingress endpoints and change streams, which is the limit; an ingress "
                      "endpoint serves any number of clients that send with the same parameters",
                      n);
}

static void do_checkpoint(call_t *c)
{
    uint64_t number;
    hg_jw_t w;
    if (hg_pipeline_checkpoint(c->s->p, &number, &c->err) < 0) return;
    hg_jw_init(&w, &c->body);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "checkpoint_sequence_number", number);
    hg_jw_kstr(&w, "incarnation_uuid", hg_pipeline_incarnation(c->s->p));
    hg_jw_end_obj(&w);
}

/* A second one finds the first under way: that is no error. */
static void do_suspend(call_t *c)
{
    hg_pipeline_t *p = c->s->p;
    if (p->life == ST_RUNNING && hg_pipeline_can_suspend(p, &c->err) < 0) {
        hg_code_t code = c->err.code;
        hg_err_wrap(&c->err, "the pipeline cannot be suspended");
        if (code != HG_ETERMINATING) c->err.code = HG_ESUSPEND;
        return;
    }
    c->s->opts.on_stop(c->s->opts.arg, true);
    c->status = 202;
    hg_buf_adds(&c->body, "\"Pipeline is suspending\"");
}

static void do_suspendable(call_t *c)
{
    hg_jw_t w;
    hg_jw_init(&w, &c->body);
    hg_pipeline_suspendable_json(c->s->p, &w);
}

int hg_call_incarnation(call_t *c)
{
    const char *now = hg_pipeline_incarnation(c->s->p);
    if (!c->arg || strcmp(c->arg, now) == 0) return 0;
    return hg_err_set(&c->err, HG_EINCARNATION, "the checkpoint was asked of incarnation %.40s, this is %s", c->arg,
                      now);
}

static void do_checkpoint_status(call_t *c)
{
    hg_jw_t w;
    if (hg_call_incarnation(c) < 0) return;
    hg_jw_init(&w, &c->body);
    hg_pipeline_checkpoint_status(c->s->p, &w);
}

static void do_start_transaction(call_t *c)
{
    uint64_t id;
    if (hg_txn_start(c->s->p, &id, &c->err) < 0) return;
    hg_buf_addf(&c->body, "{\"transaction_id\":%" PRIu64 "}", id);
}

static void commit_said(void *arg)
{
    hg_call_answer(arg);
}

/* The answer comes when it is settled what belongs to the transaction. */
static void commit_on_control(void *arg)
{
    call_t *c = arg;
    hg_buf_adds(&c->body, "\"Transaction commit initiated\"");
    if (hg_txn_commit(c->s->p, commit_said, c, &c->err) < 0) hg_call_answer(c);
}

/* --- routes --- */

static void not_found(hg_req_t *r)
{
    hg_resp_error(r, 404, "NotFound", "the pipeline has no such endpoint", NULL);
}

static void serve_connector(hg_pipeline_server_t *s, hg_req_t *r, bool input, hg_str_t name, hg_str_t action)
{
    if (hg_str_eqz(action, "stats"))
        hg_call_pool(s, r, do_endpoint_stats, name.p, input, 0);
    else if (hg_str_eqz(action, "start"))
        serve_word(s, r, name.p, input, true);
    else if (hg_str_eqz(action, "pause"))
        serve_word(s, r, name.p, input, false);
    else if (input && hg_str_eqz(action, "completion_token"))
        hg_call_pool(s, r, do_token, name.p, false, 0);
    else if (hg_str_eqz(action, "why"))
        hg_call_control(s, r, do_why, name.p, input, 0);
    else if (input && hg_str_eqz(action, "position"))
        hg_serve_position(s, r, name);
    else if (input && hg_str_eqz(action, "rerun"))
        hg_serve_rerun(s, r, name);
    else
        not_found(r);
}

static void serve_stats(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    bool errors;
    if (hg_req_param_bool(r, "include_connector_errors", false, &errors, &err) < 0)
        hg_resp_err(r, &err);
    else
        hg_call_pool(s, r, do_stats, NULL, errors, 0);
}

static void serve_metrics(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_str_t f = hg_req_param(r, "format");
    if (!f.p || hg_str_eqz(f, "prometheus"))
        hg_call_pool(s, r, do_metrics, NULL, false, 0);
    else if (hg_str_eqz(f, "json"))
        hg_call_pool(s, r, do_metrics, NULL, true, 0);
    else
        hg_resp_error(r, 400, "InvalidParam", "parameter 'format' must be 'prometheus' or 'json'", NULL);
}

static void serve_stop(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    bool force;
    if (hg_req_param_bool(r, "force", false, &force, &err) < 0)
        hg_resp_err(r, &err);
    else
        hg_call_control(s, r, do_stop, NULL, force, 0);
}

static void serve_approve(hg_pipeline_server_t *s, hg_req_t *r)
{
    bool silent, concurrent;
    hg_err_t err = HG_ERR_INIT;
    if (hg_req_param_bool(r, "silent_bootstrap", false, &silent, &err) < 0 ||
        hg_req_param_bool(r, "concurrent_bootstrap", false, &concurrent, &err) < 0)
        hg_resp_err(r, &err);
    else
        hg_call_control(s, r, do_approve, NULL, silent, concurrent);
}

/* While the program waits for an approval only its fate is answered for; while views are computed, everything but data.
 */
static bool served(const hg_pipeline_server_t *s, bool get, const hg_str_t *seg, uint32_t n, hg_err_t *err)
{
    static const char *const always[] = { "status", "start", "resume", "pause", "stop", "suspend", "approve" };
    bool profile = n == 1 && hg_str_eqz(seg[0], "samply_profile"); /* touches nothing, POST or not */
    bool fate = false, touches = (!get && !profile) || (n == 1 && hg_str_eqz(seg[0], "query")) ||
                                 (n == 3 && (hg_str_eqz(seg[2], "start") || hg_str_eqz(seg[2], "pause")));
    if (hg_pipeline_flows(s->p, err) == 0) return true;
    for (size_t i = 0; n == 1 && i < HG_COUNT(always); i++) fate |= hg_str_eqz(seg[0], always[i]);
    return fate || (err->code == HG_EBOOTSTRAP && !touches);
}

static void serve_token_status(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_str_t t = hg_req_param(r, "token");
    if (!t.p)
        hg_resp_error(r, 400, "InvalidParam", "parameter 'token' is missing", NULL);
    else
        hg_call_pool(s, r, do_token_status, t.p, false, 0);
}

static void serve_get(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t what)
{
    if (hg_str_eqz(what, "status"))
        serve_status(s, r, do_status);
    else if (hg_str_eqz(what, "stats"))
        serve_stats(s, r);
    else if (hg_str_eqz(what, "metrics"))
        serve_metrics(s, r);
    else if (hg_str_eqz(what, "circuit_json_profile"))
        hg_call_pool(s, r, do_profile, NULL, false, 0);
    else if (hg_str_eqz(what, "heap_profile"))
        hg_serve_heap_profile(s, r);
    else if (hg_str_eqz(what, "samply_profile"))
        hg_serve_cpu_profile(r);
    else if (hg_str_eqz(what, "time_series"))
        hg_call_control(s, r, do_series, NULL, false, 0);
    else if (hg_str_eqz(what, "time_series_stream"))
        hg_serve_series_stream(s, r);
    else if (hg_str_eqz(what, "orchestration"))
        hg_call_control(s, r, do_orchestration, NULL, false, 0);
    else if (hg_str_eqz(what, "checkpoint_status"))
        hg_call_control(s, r, do_checkpoint_status, hg_req_param(r, "incarnation_uuid").p, false, 0);
    else if (hg_str_eqz(what, "suspendable"))
        hg_call_pool(s, r, do_suspendable, NULL, false, 0);
    else if (hg_str_eqz(what, "completion_status"))
        serve_token_status(s, r);
    else if (hg_str_eqz(what, "query"))
        hg_serve_query(s, r);
    else
        not_found(r);
}

static void serve_post(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t what)
{
    if (hg_str_eqz(what, "checkpoint"))
        hg_call_control(s, r, do_checkpoint, NULL, false, 0);
    else if (hg_str_eqz(what, "start") || hg_str_eqz(what, "resume"))
        hg_call_control(s, r, do_run, NULL, true, 0);
    else if (hg_str_eqz(what, "pause"))
        hg_call_control(s, r, do_run, NULL, false, 0);
    else if (hg_str_eqz(what, "stop"))
        serve_stop(s, r);
    else if (hg_str_eqz(what, "suspend"))
        hg_call_control(s, r, do_suspend, NULL, false, 0);
    else if (hg_str_eqz(what, "approve"))
        serve_approve(s, r);
    else if (hg_str_eqz(what, "start_compaction")) {
        hg_circuit_wake(s->p); /* it merges until there is nothing left to merge */
        hg_resp_send(r, 200, NULL, HG_S(""), NULL);
    } else if (hg_str_eqz(what, "rebalance")) /* one worker has all rows: they cannot be spread better */
        hg_resp_send(r, 200, NULL, HG_S(""), NULL);
    else if (hg_str_eqz(what, "samply_profile"))
        hg_serve_cpu_profile_start(r);
    else if (hg_str_eqz(what, "start_transaction"))
        hg_call_control(s, r, do_start_transaction, NULL, false, 0);
    else if (hg_str_eqz(what, "commit_transaction"))
        hg_loop_post(s->opts.control, commit_on_control, hg_call_new(s, r, NULL));
    else
        not_found(r);
}

static void on_request(void *arg, hg_req_t *r)
{
    hg_pipeline_server_t *s = arg;
    const hg_str_t *seg;
    uint32_t n;
    hg_err_t err = HG_ERR_INIT;
    bool get = hg_str_eqz(hg_req_method(r), "GET"), post = hg_str_eqz(hg_req_method(r), "POST");
    if (hg_req_segments(r, &seg, &n, &err) < 0) {
        hg_resp_err(r, &err);
        return;
    }
    if (!served(s, get, seg, n, &err)) {
        hg_resp_err(r, &err);
        return;
    }
    bool input = n == 3 && hg_str_eqz(seg[0], "input_endpoints");
    if (input || (n == 3 && hg_str_eqz(seg[0], "output_endpoints")))
        serve_connector(s, r, input, seg[1], seg[2]);
    else if (post && n == 2 && hg_str_eqz(seg[0], "ingress"))
        hg_serve_ingress(s, r, seg[1]);
    else if (post && n == 2 && hg_str_eqz(seg[0], "egress"))
        hg_serve_egress_request(s, r, seg[1]);
    else if (get && n == 1)
        serve_get(s, r, seg[0]);
    else if (post && n == 1)
        serve_post(s, r, seg[0]);
    else if (!((get || post) && n == 2 && hg_serve_remote(s, r, get, seg[0], seg[1])))
        not_found(r);
}

/* --- life --- */

typedef struct {
    hg_pipeline_server_t *s;
    const char *path;
    hg_err_t *err;
    int rc;
    bool closed; /* after a failure: nothing is left behind. Guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t cond;
} open_t;

static void closed_on_control(void *arg)
{
    hg_pipeline_server_t *s = arg;
    s->done(s->done_arg);
}

hg_pipeline_server_t *hg_server_retain(hg_pipeline_server_t *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void hg_server_drop(hg_pipeline_server_t *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1) hg_loop_post(s->opts.control, closed_on_control, s);
}

static void half_open_closed(void *arg)
{
    open_t *o = arg;
    hg_http_server_free(o->s->http);
    pthread_mutex_lock(&o->lock);
    o->closed = true;
    pthread_cond_signal(&o->cond);
    pthread_mutex_unlock(&o->lock);
}

static void open_on_loop(void *arg)
{
    open_t *o = arg;
    hg_host_t *h = hg_pipeline_host(o->s->p);
    unsigned n = hg_host_io_loops(h);
    hg_loop_t **loops = HG_NEWN(hg_loop_t *, n);
    hg_http_opts_t opts = {
        .loops = loops, .n_loops = n, .on_request = on_request, .arg = o->s, .server_name = "headgate"
    };
    for (unsigned i = 0; i < n; i++) loops[i] = hg_host_io_loop(h, i);
    o->rc = hg_http_server_new(&opts, &o->s->http, o->err);
    if (o->rc < 0) {
        o->closed = true;
    } else {
        o->rc = hg_http_listen_unix(o->s->http, o->path, o->err);
        if (o->rc < 0) hg_http_server_close(o->s->http, 0, half_open_closed, o);
    }
    hg_free(loops);
}

static void replayed(void *arg)
{
    hg_ingress_resume(arg);
}

int hg_pipeline_server_new(const hg_pipeline_server_opts_t *opts, const char *path, hg_pipeline_server_t **ret,
                           hg_err_t *err)
{
    hg_pipeline_server_t *s = HG_NEW(hg_pipeline_server_t);
    s->opts = *opts;
    s->p = opts->pipeline;
    snprintf(s->deployment_id, sizeof s->deployment_id, "%s", opts->deployment_id);
    atomic_init(&s->refs, 1);
    open_t o = {
        .s = s, .path = path, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER
    };
    hg_loop_call(hg_host_io_loop(hg_pipeline_host(s->p), 0), open_on_loop, &o);
    if (o.rc < 0) {
        pthread_mutex_lock(&o.lock);
        while (!o.closed) pthread_cond_wait(&o.cond, &o.lock);
        pthread_mutex_unlock(&o.lock);
        hg_free(s);
        return o.rc;
    }
    s->series = hg_series_new(s);
    s->p->on_replayed = replayed;
    s->p->on_replayed_arg = s;
    *ret = s;
    return 0;
}

static void closed_on_loop(void *arg)
{
    hg_server_drop(arg);
}

static void close_on_loop(void *arg)
{
    hg_pipeline_server_t *s = arg;
    hg_http_server_close(s->http, 500, closed_on_loop, s);
}

void hg_pipeline_server_close(hg_pipeline_server_t *s, void (*done)(void *), void *arg)
{
    s->done = done;
    s->done_arg = arg;
    s->closing = true;
    hg_series_close(s->series);
    s->series = NULL;
    s->p->on_replayed = NULL;
    hg_ingress_resume(s);
    hg_loop_post(hg_host_io_loop(hg_pipeline_host(s->p), 0), close_on_loop, s);
}

static void free_on_loop(void *arg)
{
    hg_http_server_free(arg);
}

void hg_pipeline_server_free(hg_pipeline_server_t *s)
{
    hg_loop_call(hg_host_io_loop(hg_pipeline_host(s->p), 0), free_on_loop, s->http);
    hg_free(s);
}
