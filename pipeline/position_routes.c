/* position_routes.c: GET, PUT and DELETE …/position and POST …/rerun of an input. Answers come from the control loop,
 * once a change is durable; a position that is given is checked on the pool before, since its transport may look at the
 * file. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/move.h"
#include "pipeline/server_int.h"

#define POSITION_MAX 65536u /* as much as a transport may save */

static void answered(void *arg, hg_str_t json, const hg_err_t *err)
{
    call_t *c = arg;
    if (err->code) c->err = *err;
    hg_buf_addstr(&c->body, json);
    hg_call_answer(c);
}

static void get_on_control(void *arg)
{
    call_t *c = arg;
    hg_pipeline_position_get(c->s->p, hg_strz(c->arg), answered, c);
}

/* The change is made: the answer is what holds now. */
static void changed(void *arg, const hg_err_t *err)
{
    call_t *c = arg;
    if (err->code)
        answered(c, (hg_str_t){ 0 }, err);
    else
        get_on_control(c);
}

static void set_on_control(void *arg)
{
    call_t *c = arg;
    hg_str_t position = hg_buf_str(&c->sent);
    hg_pipeline_position_set(c->s->p, hg_strz(c->arg), position, changed, c);
}

/* flag: wait */
static void rerun_on_control(void *arg)
{
    call_t *c = arg;
    hg_pipeline_rerun(c->s->p, hg_strz(c->arg), c->flag, changed, c);
}

/* --- a position that is given --- */

typedef struct {
    hg_pipeline_server_t *s;
    const char *name;
} put_t; /* in the request's arena */

static const hg_conn_spec_t *find_spec(hg_pipeline_t *p, const char *name, hg_err_t *err)
{
    pthread_mutex_lock(&p->lock);
    const endpoint_t *ep = hg_pipeline_find(p, hg_strz(name), true);
    const hg_conn_spec_t *spec = ep ? ep->spec : NULL;
    pthread_mutex_unlock(&p->lock);
    if (!ep)
        hg_err_set(err, HG_EUNKNOWNINPUT, "unknown input endpoint name '%s'", name);
    else
        hg_position_can(spec, name, err);
    return err->code ? NULL : spec;
}

static void check_on_pool(void *arg, unsigned worker)
{
    call_t *c = arg;
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v;
    (void)worker;
    const hg_conn_spec_t *spec = find_spec(c->s->p, c->arg, &c->err);
    if (spec) hg_position_check(spec, hg_buf_str(&c->sent), a, &v, &c->err);
    hg_arena_free(a);
}

static void checked(void *arg)
{
    call_t *c = arg;
    if (c->err.code)
        hg_call_answer(c);
    else
        set_on_control(c);
}

static void on_body(void *arg, hg_req_t *r, hg_str_t body)
{
    put_t *x = arg;
    if (hg_str_trim(body).n == 0) {
        hg_resp_error(r, 400, "InvalidParam",
                      "the body is the position, a JSON object; DELETE sets the connector back to its configured start",
                      NULL);
        return;
    }
    call_t *c = hg_call_new(x->s, r, x->name);
    hg_buf_addstr(&c->sent, body);
    hg_pool_submit(hg_host_pool(hg_pipeline_host(x->s->p)), check_on_pool, checked, x->s->opts.control, c);
}

/* --- routes --- */

void hg_serve_position(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t endpoint)
{
    hg_str_t method = hg_req_method(r);
    if (hg_str_eqz(method, "GET")) {
        hg_loop_post(s->opts.control, get_on_control, hg_call_new(s, r, endpoint.p));
    } else if (hg_str_eqz(method, "DELETE")) {
        hg_loop_post(s->opts.control, set_on_control, hg_call_new(s, r, endpoint.p));
    } else if (hg_str_eqz(method, "PUT")) {
        hg_arena_t *a = hg_req_arena(r);
        put_t *x = HG_ANEW(a, put_t);
        *x = (put_t){ s, hg_arena_str(a, endpoint).p };
        hg_req_read_all(r, POSITION_MAX, on_body, x);
    } else {
        hg_resp_error(r, 405, "MethodNotAllowed",
                      "a position is asked for with GET, set with PUT and reset with DELETE", NULL);
    }
}

void hg_serve_rerun(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t endpoint)
{
    hg_err_t err = HG_ERR_INIT;
    bool wait;
    if (hg_req_param_bool(r, "wait", false, &wait, &err) < 0) {
        hg_resp_err(r, &err);
        return;
    }
    call_t *c = hg_call_new(s, r, endpoint.p);
    c->flag = wait;
    hg_loop_post(s->opts.control, rerun_on_control, c);
}
