/* egress.c: POST /egress/{relation}: the change stream of a table or view, one chunk object per line.
 *
 * The stream is an output endpoint (a tap) that exists as long as the request. Lines are written on the request's loop;
 * an empty chunk goes out at once and after 3 s of silence, because clients wait for the first line before they go on.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/server_int.h"

#define KEEPALIVE_MS 3000

typedef struct {
    hg_pipeline_server_t *s;
    hg_req_t *req; /* NULL: gone or ended. Request's loop */
    hg_loop_t *loop;
    hg_arena_t *arena;
    const hg_format_type_t *type;
    const void *cfg;
    uint32_t relation;
    bool backpressure, snapshot, json;
    char name[300];
    hg_str_t subject; /* what a refusal is about */
    hg_err_t err;
    endpoint_t *ep;   /* control loop, until begin_stream */
    hg_output_t *out; /* the same */
    uint64_t sequence, dropped;
    uv_timer_t timer;
    bool begun; /* begin_stream has run: nothing of the beginning is under way any more */
    bool timer_open, tap_closed, wants_more, quiet;
    hg_buf_t line;
} egress_t;

/* The object goes when its beginning is over, the tap has said closed and the timer is closed. Request's loop. */
static void maybe_free(egress_t *g)
{
    hg_pipeline_server_t *s = g->s;
    if (!g->begun || !g->tap_closed || g->timer_open) return;
    hg_buf_release(&g->line);
    hg_free(g);
    hg_server_drop(s);
}

static void timer_closed(uv_handle_t *h)
{
    egress_t *g = h->data;
    g->timer_open = false;
    maybe_free(g);
}

static bool put_line(egress_t *g, bool snapshot, hg_str_t data)
{
    hg_buf_clear(&g->line);
    hg_buf_addf(&g->line, "{\"sequence_number\":%" PRIu64 ",\"snapshot\":%s", g->sequence++,
                snapshot ? "true" : "false");
    if (data.n && g->json) {
        hg_buf_adds(&g->line, ",\"json_data\":");
        hg_buf_addstr(&g->line, data);
    } else if (data.n) {
        hg_buf_adds(&g->line, ",\"text_data\":");
        hg_json_quote(&g->line, data);
    }
    hg_buf_adds(&g->line, "}\r\n");
    g->quiet = false;
    return hg_resp_write(g->req, g->line.p, g->line.len);
}

static bool on_chunk(void *arg, uint64_t step, hg_str_t bytes, uint64_t records, bool snapshot)
{
    egress_t *g = arg;
    (void)step, (void)records;
    if (!g->req || bytes.n == 0) return true;
    if (g->json) bytes = hg_str_trim(bytes);            /* an array; lines of text keep their ends */
    g->sequence += hg_tap_dropped(g->out) - g->dropped; /* a gap for what the client was too slow for */
    g->dropped = hg_tap_dropped(g->out);
    g->wants_more = !put_line(g, snapshot, bytes);
    return !g->wants_more;
}

static void on_drain(void *arg)
{
    egress_t *g = arg;
    if (g->wants_more && g->out) {
        g->wants_more = false;
        hg_tap_more(g->out);
    }
}

static void on_timer(uv_timer_t *t)
{
    egress_t *g = t->data;
    if (g->req && g->quiet) put_line(g, false, (hg_str_t){ 0 });
    g->quiet = true;
}

static void stop_on_control(void *arg);

/* By our own wish, because the pipeline stops, or because the tap has failed: then it must still be stopped. */
static void on_tap_closed(void *arg)
{
    egress_t *g = arg;
    hg_req_t *r = g->req;
    g->tap_closed = true;
    hg_loop_post(g->s->opts.control, stop_on_control, g->ep);
    if (!g->begun) return; /* begin_stream answers */
    g->req = NULL;
    if (r) hg_resp_end(r);
    if (g->timer_open && !uv_is_closing((uv_handle_t *)&g->timer)) uv_close((uv_handle_t *)&g->timer, timer_closed);
    maybe_free(g);
}

/* --- control loop --- */

/* Posted on the request's loop before `closed` of the tap is, so the endpoint is still the same one. */
static void stop_on_control(void *arg)
{
    endpoint_t *ep = arg;
    ep->closing = true; /* it does not count any more, however busy pool and circuit are */
    if (ep->out && !ep->closed) hg_output_stop(ep->out, true);
}

static void peer_left(void *arg)
{
    egress_t *g = arg;
    g->req = NULL;
    if (g->begun) hg_loop_post(g->s->opts.control, stop_on_control, g->ep); /* else begin_stream sees it */
}

static void begin_stream(void *arg);

static void attach(hg_pipeline_t *p, void *arg)
{
    egress_t *g = arg;
    hg_circuit_attach(p, g->relation, g->out);
    if (g->snapshot) hg_sink_snapshot_begin(p, g->out, g->backpressure);
    pthread_mutex_lock(&p->lock);
    g->ep->attached = true;
    g->ep->since_step = atomic_load(&p->steps);
    pthread_mutex_unlock(&p->lock);
    hg_loop_post(g->loop, begin_stream, g);
}

static void make_endpoint(void *arg)
{
    egress_t *g = arg;
    hg_pipeline_t *p = g->s->p;
    hg_tap_ops_t ops = { .chunk = on_chunk, .closed = on_tap_closed, .arg = g };
    if (p->life != ST_RUNNING)
        hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping");
    else if (hg_api_endpoint_room(p, &g->err) == 0)
        hg_tap_new(p->host, g->name, hg_pipeline_tap_slot(p), &p->prog->plan.relations[g->relation].schema, g->type,
                   g->cfg, g->arena, g->backpressure, g->loop, &ops, &g->out, &g->err);
    if (g->err.code) {
        hg_loop_post(g->loop, begin_stream, g);
        return;
    }
    g->ep = hg_pipeline_add_tap(p, g->name, g->relation);
    pthread_mutex_lock(&p->lock);
    g->ep->backpressure = g->backpressure;
    g->ep->arena = g->arena;
    g->ep->out = g->out;
    pthread_mutex_unlock(&p->lock);
    g->arena = NULL;
    p->open_outputs++;
    hg_circuit_post(p, attach, g);
}

/* --- request's loop --- */

static void begin_stream(void *arg)
{
    egress_t *g = arg;
    g->begun = true;
    if (g->tap_closed) hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping");
    if (g->err.code) {
        if (g->req) hg_refuse(g->req, &g->err, g->name, g->subject);
        hg_arena_free(g->arena);
        g->tap_closed = true;
        maybe_free(g);
        return;
    }
    if (!g->req) { /* the peer left meanwhile */
        hg_loop_post(g->s->opts.control, stop_on_control, g->ep);
        return;
    }
    hg_resp_begin(g->req, 200, g->json ? "application/json" : "text/plain", NULL);
    hg_resp_on_drain(g->req, on_drain, g);
    put_line(g, false, (hg_str_t){ 0 });
    uv_timer_init(hg_loop_uv(g->loop), &g->timer);
    g->timer.data = g;
    g->timer_open = true;
    uv_timer_start(&g->timer, on_timer, KEEPALIVE_MS, KEEPALIVE_MS);
    hg_output_start(g->out); /* not before: rows may be encoded already, and need an answer that has begun */
}

/* The stream's own options, whatever the client says: an array per chunk. */
static const char *forced(hg_str_t format)
{
    return hg_str_eqz(format, "json") ? "{\"array\":true}" : NULL;
}

static int parse(egress_t *g, hg_str_t relation)
{
    const char *text = "";
    hg_str_t format = hg_req_param(g->req, "format");
    int rel = hg_pipeline_relation(g->s->p, relation);
    g->subject = relation;
    if (rel < 0) return hg_err_set(&g->err, HG_EUNKNOWNVIEW, "unknown table or view '" HG_SF "'", HG_SA(relation));
    g->relation = (uint32_t)rel;
    g->json = hg_str_eqz(format, "json");
    int rc = hg_req_param_bool(g->req, "backpressure", false, &g->backpressure, &g->err);
    if (rc == 0) rc = hg_req_param_bool(g->req, "send_snapshot", false, &g->snapshot, &g->err);
    if (rc == 0 && g->snapshot && !g->s->p->prog->plan.relations[rel].materialized)
        rc = hg_err_set(&g->err, HG_EINVALTRANSPORT,
                        "'send_snapshot' needs a materialized table or view: '" HG_SF "' keeps no contents",
                        HG_SA(relation));
    if (rc == 0) {
        rc = hg_request_format(g->req, g->arena, false, "csv", forced(format), &g->type, &g->cfg, &text, &g->err);
        g->subject = hg_strz(text);
    }
    return rc;
}

void hg_serve_egress(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t relation)
{
    egress_t *g = HG_NEW(egress_t);
    char id[37];
    *g = (egress_t){ .s = hg_server_retain(s), .req = r, .loop = hg_req_loop(r), .arena = hg_arena_new() };
    hg_buf_init(&g->line, HG_BUF_NOMAX);
    int rc = parse(g, relation);
    if (rc == 0) relation = s->p->prog->plan.relations[g->relation].schema.name;
    hg_uuid_v7(id);
    snprintf(g->name, sizeof g->name, HG_SF ".api-%s", HG_SA(relation), id);
    if (rc < 0) {
        begin_stream(g);
        return;
    }
    hg_req_on_abort(r, peer_left, g);
    hg_loop_post(s->opts.control, make_endpoint, g);
}
