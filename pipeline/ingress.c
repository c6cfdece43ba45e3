/* ingress.c: POST /ingress/{table}: a body becomes input records.
 *
 * Each distinct (table, parser configuration) is one lasting endpoint. A request: validated on its loop → endpoint
 * found or made on the control loop (and held there while the pipeline is paused, unless force) → body streamed into
 * the host on its loop → answered when everything is parsed and queued.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/server_int.h"

#define LISTED_ERRORS 1000

typedef struct ingress {
    struct ingress *next; /* server's waiting list */
    hg_pipeline_server_t *s;
    hg_req_t *req; /* NULL: peer gone */
    hg_loop_t *loop;
    hg_arena_t *arena; /* format configuration; the endpoint takes it when it is made */
    const hg_format_type_t *type;
    const void *cfg;
    uint32_t relation;
    const char *text; /* format and its configuration, in the arena */
    char name[300];   /* endpoint */
    bool force;
    hg_input_t *in;
    hg_err_t err;
    hg_push_body_t *body;
    unsigned refs;    /* while streaming: the body's call-backs and the host's `done` */
    bool body_over;   /* no call-back of the body comes any more */
    atomic_bool left; /* the peer went before the body was asked for */
} ingress_t;

static void ingress_free(ingress_t *g)
{
    hg_pipeline_server_t *s = g->s;
    hg_arena_free(g->arena);
    hg_free(g);
    hg_server_drop(s);
}

static void ingress_drop(ingress_t *g)
{
    if (--g->refs == 0) ingress_free(g);
}

/* --- body: request's loop --- */

static void answer_errors(ingress_t *g, uint64_t n, hg_str_t errors_json)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *list = NULL;
    hg_err_t ignored;
    hg_buf_t msg, details;
    hg_buf_init(&msg, 4u << 20);
    hg_buf_init(&details, 8u << 20);
    if (hg_json_parse(a, errors_json, &list, &ignored) < 0) list = NULL;
    if (n > LISTED_ERRORS)
        hg_buf_addf(&msg,
                    "Errors parsing input data (reporting %u out of %" PRIu64 " total errors):", list ? list->n : 0, n);
    else
        hg_buf_addf(&msg, "Errors parsing input data (%" PRIu64 " errors):", n);
    for (const hg_json_t *e = list ? list->child : NULL; e; e = e->next)
        hg_buf_addf(&msg, "\n    %s", hg_json_str(hg_json_get(e, "description"), ""));
    hg_buf_addf(&details, "{\"num_errors\":%" PRIu64 ",\"errors\":", n);
    hg_buf_addstr(&details, errors_json);
    hg_buf_adds(&details, "}");
    hg_resp_error(g->req, 400, "ParseErrors", msg.p, details.p);
    hg_buf_release(&msg);
    hg_buf_release(&details);
    hg_arena_free(a);
}

static void body_done(void *arg, uint64_t records, uint64_t n_errors, hg_str_t errors_json, uint64_t total_records)
{
    ingress_t *g = arg;
    (void)records, (void)total_records;
    /* Set before the last look at the queues and before they are dropped: what is acknowledged is stepped. */
    if (atomic_load(&g->s->p->closing)) hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping");
    if (g->req && !g->body_over) { /* answered early: the server drops the rest of the body without a word */
        g->body_over = true;
        g->refs--;
    }
    if (g->req && g->err.code) {
        hg_resp_err(g->req, &g->err);
    } else if (g->req && n_errors) {
        answer_errors(g, n_errors, errors_json);
    } else if (g->req) {
        hg_buf_t b;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&b, 65536);
        hg_buf_adds(&b, "{\"token\":\"");
        int rc = hg_pipeline_token(g->s->p, hg_strz(g->name), &b, &err);
        hg_buf_adds(&b, "\"}");
        if (rc < 0)
            hg_resp_err(g->req, &err);
        else
            hg_resp_json(g->req, 200, &b);
        hg_buf_release(&b);
    }
    g->req = NULL;
    ingress_drop(g);
}

static void body_room(void *arg)
{
    ingress_t *g = arg;
    if (g->req) hg_req_resume(g->req);
}

static bool body_data(void *arg, const char *p, size_t n)
{
    ingress_t *g = arg;
    if (!g->body) return true;
    int rc = hg_push_data(g->body, p, n);
    if (rc < 0) {
        hg_push_body_t *b = g->body;
        if (rc == HG_ETOOBIG)
            hg_err_set(&g->err, HG_ETOOBIG, "a record of the body is larger than the limit");
        else if (rc == HG_ECLOSED)
            hg_err_set(&g->err, HG_ETERMINATING, "the endpoint takes no more data");
        else
            hg_err_set(&g->err, HG_ENOMEM, "out of memory taking the body");
        g->body = NULL; /* the rest is dropped; body_done answers */
        hg_push_end(b, true);
        return true;
    }
    return rc == HG_LANE_OK;
}

static void body_end(void *arg)
{
    ingress_t *g = arg;
    hg_push_body_t *b = g->body;
    g->body = NULL;
    g->body_over = true;
    if (b) hg_push_end(b, false);
    ingress_drop(g);
}

/* The peer left. Whole records before the cut count (connectors B4). */
static void peer_left(void *arg)
{
    ingress_t *g = arg;
    hg_push_body_t *b = g->body;
    g->req = NULL;
    g->body = NULL;
    g->body_over = true;
    if (b) hg_push_end(b, true);
    ingress_drop(g);
}

/* Behind peer_left, or after the whole body came: `done` is still to come and holds g. */
static void left_unanswered(void *arg)
{
    ((ingress_t *)arg)->req = NULL;
}

static void begin_body(void *arg)
{
    ingress_t *g = arg;
    if (!g->req || g->err.code) {
        if (g->req) hg_refuse(g->req, &g->err, g->name, hg_strz(g->text));
        ingress_free(g);
        return;
    }
    hg_push_ops_t push = { .room = body_room, .done = body_done, .arg = g, .force = g->force };
    hg_body_ops_t ops = { .data = body_data, .end = body_end, .abort = peer_left, .arg = g };
    hg_req_on_abort(g->req, left_unanswered, g);
    g->refs = 2;
    g->body = hg_push_begin(g->in, g->loop, &push);
    hg_req_stream(g->req, &ops);
}

/* --- endpoint: control loop --- */

static int make_endpoint(ingress_t *g)
{
    hg_pipeline_t *p = g->s->p;
    endpoint_t *ep;
    int rc = hg_api_endpoint_room(p, &g->err);
    if (rc == 0) rc = hg_push_endpoint_make(p, g->name, g->relation, g->type, g->cfg, g->text, g->arena, &ep, &g->err);
    if (rc < 0) return rc;
    g->in = ep->in;
    g->arena = NULL;
    return 0;
}

/* Those whose peer went need not wait for the pipeline to run: clients give up and come again. */
static void forget_left(hg_pipeline_server_t *s)
{
    for (ingress_t **at = &s->waiting; *at;) {
        ingress_t *g = *at;
        if (!atomic_load(&g->left)) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        hg_loop_post(g->loop, begin_body, g);
    }
}

/* Until the pipeline runs. */
static bool must_wait(const ingress_t *g)
{
    const hg_pipeline_t *p = g->s->p;
    return atomic_load(&p->replaying) || (!g->force && !hg_pipeline_running(p));
}

static void find_endpoint(void *arg)
{
    ingress_t *g = arg;
    hg_pipeline_t *p = g->s->p;
    int rc = p->life != ST_RUNNING || g->s->closing ? hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping")
                                                    : hg_pipeline_takes(p, &g->err);
    if (rc == 0 && must_wait(g)) {
        forget_left(g->s);
        g->next = g->s->waiting;
        g->s->waiting = g;
        return;
    }
    if (rc == 0) {
        pthread_mutex_lock(&p->lock);
        endpoint_t *ep = hg_pipeline_find(p, hg_strz(g->name), true);
        if (ep) g->in = ep->in;
        pthread_mutex_unlock(&p->lock);
        if (!g->in) make_endpoint(g);
    }
    hg_loop_post(g->loop, begin_body, g);
}

void hg_ingress_resume(hg_pipeline_server_t *s)
{
    ingress_t *g = s->waiting;
    s->waiting = NULL;
    while (g) {
        ingress_t *next = g->next;
        find_endpoint(g);
        g = next;
    }
}

/* --- the request --- */

static void aborted_early(void *arg)
{
    ingress_t *g = arg;
    g->req = NULL;
    atomic_store(&g->left, true);
}

/* Equal table and configuration, equal endpoint. */
static void set_name(ingress_t *g, hg_str_t table)
{
    uint64_t h = hg_hash_bytes((hg_hashkey_t){ 0, 0 }, g->text, strlen(g->text));
    snprintf(g->name, sizeof g->name, HG_SF ".api-ingress-%016" PRIx64, HG_SA(table), h);
}

void hg_serve_ingress(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t table)
{
    hg_err_t err = HG_ERR_INIT;
    bool force = false;
    int rel = hg_pipeline_relation(s->p, table);
    ingress_t *g = HG_NEW(ingress_t);
    *g = (ingress_t){ .s = hg_server_retain(s), .req = r, .loop = hg_req_loop(r), .arena = hg_arena_new() };
    g->text = "";
    hg_str_t subject = table;
    int rc = 0;
    if (rel < 0 || s->p->prog->plan.relations[rel].kind != HG_REL_TABLE)
        rc = hg_err_set(&err, HG_EUNKNOWNTABLE, "unknown input table '" HG_SF "'", HG_SA(table));
    else
        table = s->p->prog->plan.relations[rel].schema.name;
    if (rc == 0) rc = hg_req_param_bool(r, "force", false, &force, &err);
    if (rc == 0) {
        rc = hg_request_format(r, g->arena, true, "csv", NULL, &g->type, &g->cfg, &g->text, &err);
        subject = hg_strz(g->text);
    }
    set_name(g, table);
    if (rc < 0) {
        hg_refuse(r, &err, g->name, subject);
        ingress_free(g);
        return;
    }
    g->relation = (uint32_t)rel;
    g->force = force;
    hg_req_on_abort(r, aborted_early, g);
    hg_loop_post(s->opts.control, find_endpoint, g);
}
