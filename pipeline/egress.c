/* egress.c: POST /egress/{relation}: the change stream of a table or view, one chunk object per line.
 *
 * The stream is an output endpoint (a tap) that exists as long as the request. Lines are written on the request's loop;
 * an empty chunk goes out after 3 s of silence.
 *
 * A plain stream is Feldera's: its chunks are counted from 0, and the first line, which clients wait for, comes at
 * once. A resumable one (headgate's addition) has the numbers of history.h: a line's number says "you have everything
 * up to here". So the last chunk of a step is held back until the step is known to be over, and its number is that of
 * the end of the step; lines of a snapshot say snapshot=true, and the number counts with the first line that does not.
 *
 *   request ─► parse ─► make_endpoint (control) ─► attach (circuit) ─► begin_stream (request's loop) ─► lines
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/history.h"
#include "pipeline/server_int.h"
#include "pipeline/transaction.h"

#define KEEPALIVE_MS 3000
#define PROGRESS_MS  500 /* a resumable stream in which nothing changes says how far it is */

typedef struct {
    hg_pipeline_server_t *s;
    hg_req_t *req; /* NULL: gone or ended. Request's loop */
    hg_loop_t *loop;
    hg_arena_t *arena;
    hg_egress_ask_t ask;
    uint32_t relation;
    char name[300];
    hg_str_t subject; /* what a refusal is about */
    hg_err_t err;
    endpoint_t *ep;   /* control loop, until begin_stream */
    hg_output_t *out; /* the same */
    uint64_t sequence, dropped;
    uv_timer_t timer;
    bool begun; /* begin_stream has run: nothing of the beginning is under way any more */
    bool timer_open, tap_closed, wants_more, quiet;
    atomic_bool over; /* tap_closed, for the circuit thread */
    hg_buf_t line;

    /* resumable */
    char stream[17];
    uint64_t stands;        /* where it began: circuit thread, until begin_stream */
    uint64_t oldest;        /* with HG_ESEQGONE; the same */
    uint64_t step, count;   /* of the newest chunk: its step, changes of it so far */
    hg_buf_t held;          /* that chunk's data member; empty: there is none */
    uint64_t said, reached; /* number of the last line that counts; of the newest step that is over */
    bool told;              /* there was a line that counts */
    bool full;              /* the connection wants no more since the last line */
    unsigned silent_ms;
} egress_t;

/* The object goes when its beginning is over, the tap has said closed and the timer is closed. Request's loop. */
static void maybe_free(egress_t *g)
{
    hg_pipeline_server_t *s = g->s;
    if (!g->begun || !g->tap_closed || g->timer_open) return;
    hg_buf_release(&g->line);
    hg_buf_release(&g->held);
    hg_free(g);
    hg_server_drop(s);
}

static void timer_closed(uv_handle_t *h)
{
    egress_t *g = h->data;
    g->timer_open = false;
    maybe_free(g);
}

/* --- lines --- */

/* member: what follows the fixed members, with its comma, or nothing. */
static bool put_line(egress_t *g, uint64_t number, bool snapshot, hg_str_t member)
{
    hg_buf_clear(&g->line);
    hg_buf_addf(&g->line, "{\"sequence_number\":%" PRIu64 ",\"snapshot\":%s", number, snapshot ? "true" : "false");
    if (g->ask.resumable) hg_buf_addf(&g->line, ",\"stream\":\"%s\"", g->stream);
    hg_buf_addstr(&g->line, member);
    hg_buf_adds(&g->line, "}\r\n");
    g->quiet = false;
    g->silent_ms = 0;
    return hg_resp_write(g->req, g->line.p, g->line.len);
}

static void data_member(const egress_t *g, hg_str_t data, hg_buf_t *b)
{
    hg_buf_clear(b);
    hg_buf_adds(b, g->ask.json ? ",\"json_data\":" : ",\"text_data\":");
    if (g->ask.json)
        hg_buf_addstr(b, hg_str_trim(data)); /* an array; lines of text keep their ends */
    else
        hg_json_quote(b, data);
}

static void counting_line(egress_t *g, uint64_t number, hg_str_t member)
{
    g->told = true;
    g->said = number;
    g->full = !put_line(g, number, false, member);
}

static bool plain_chunk(egress_t *g, hg_str_t bytes, bool snapshot)
{
    g->sequence += hg_tap_dropped(g->out) - g->dropped; /* a gap for what the client was too slow for */
    g->dropped = hg_tap_dropped(g->out);
    data_member(g, bytes, &g->held);
    return put_line(g, g->sequence++, snapshot, hg_buf_str(&g->held));
}

static bool resumable_chunk(egress_t *g, uint64_t step, hg_str_t bytes, uint64_t records, bool snapshot)
{
    if (snapshot) {
        data_member(g, bytes, &g->held);
        g->stands = hg_seq_behind(step);
        bool room = put_line(g, g->stands, true, hg_buf_str(&g->held));
        hg_buf_clear(&g->held);
        return room;
    }
    if (g->held.len) counting_line(g, hg_seq_inside(g->step, g->count), hg_buf_str(&g->held));
    if (step != g->step) {
        g->step = step;
        g->count = g->ask.resumes && step == g->ask.after >> HG_SEQ_BITS ? g->ask.after & HG_SEQ_COUNT : 0;
    }
    g->count += records;
    data_member(g, bytes, &g->held);
    return !g->full; /* the line may have been one at the end of a step */
}

static bool on_chunk(void *arg, uint64_t step, hg_str_t bytes, uint64_t records, bool snapshot)
{
    egress_t *g = arg;
    if (!g->req || bytes.n == 0) return true;
    g->wants_more =
        !(g->ask.resumable ? resumable_chunk(g, step, bytes, records, snapshot) : plain_chunk(g, bytes, snapshot));
    return !g->wants_more;
}

static void on_step_done(void *arg, uint64_t step, bool snapshot)
{
    egress_t *g = arg;
    if (!g->req || snapshot) return;
    uint64_t number = hg_seq_behind(step);
    if (g->ask.resumes && number < g->ask.after) return;
    g->reached = number;
    if (g->held.len || !g->told) counting_line(g, number, hg_buf_str(&g->held));
    hg_buf_clear(&g->held);
}

static void on_drain(void *arg)
{
    egress_t *g = arg;
    g->full = false;
    if (g->wants_more && g->out) {
        g->wants_more = false;
        hg_tap_more(g->out);
    }
}

static void on_keepalive(uv_timer_t *t)
{
    egress_t *g = t->data;
    if (g->req && g->quiet) put_line(g, g->sequence++, false, (hg_str_t){ 0 });
    g->quiet = true;
}

static void on_progress(uv_timer_t *t)
{
    egress_t *g = t->data;
    if (!g->req) return;
    g->silent_ms += PROGRESS_MS;
    bool alive = g->silent_ms >= KEEPALIVE_MS;
    if (!g->told && alive)
        put_line(g, g->stands, true, (hg_str_t){ 0 });
    else if (g->told && !g->held.len && (alive || g->reached > g->said))
        counting_line(g, HG_MAX(g->reached, g->said), (hg_str_t){ 0 });
}

static void stop_on_control(void *arg);

/* By our own wish, because the pipeline stops, or because the tap has failed: then it must still be stopped. */
static void on_tap_closed(void *arg)
{
    egress_t *g = arg;
    hg_req_t *r = g->req;
    g->tap_closed = true;
    atomic_store(&g->over, true);
    hg_loop_post(g->s->opts.control, stop_on_control, g->ep);
    if (!g->begun) return; /* begin_stream answers */
    if (r && g->told && !g->held.len && g->reached > g->said) counting_line(g, g->reached, (hg_str_t){ 0 });
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

/* --- circuit thread --- */

/* The history first, if it goes on; an empty push tells where it stands, behind a snapshot the end of that does. */
static int attach_resumable(hg_pipeline_t *p, egress_t *g)
{
    hg_delta_t none = { 0 };
    uint64_t step = atomic_load(&p->steps);
    if (g->ask.resumes &&
        hg_history_push(p->history, g->relation, g->ask.after, g->ask.json, g->out, &g->oldest, &g->err) < 0)
        return g->err.code;
    g->stands = hg_seq_behind(step);
    g->ep->resumable = true;
    hg_history_enter(p->history, g->relation);
    if (!g->ask.snapshot) hg_output_push(g->out, step, &none, atomic_load(&p->processed_records));
    return 0;
}

static void attach(hg_pipeline_t *p, void *arg)
{
    egress_t *g = arg;
    if (atomic_load(&g->over)) { /* while it waited; the endpoint may be gone */
        hg_loop_post(g->loop, begin_stream, g);
        return;
    }
    bool ahead = g->ask.resumes && atomic_load(&p->replaying) && g->ask.after > hg_seq_behind(atomic_load(&p->steps));
    if (ahead || (g->ask.resumable && hg_txn_open(p))) { /* its changes have no place before the commit */
        hg_circuit_later(p, attach, g);
        return;
    }
    if (!g->ask.resumable || attach_resumable(p, g) == 0) {
        hg_circuit_attach(p, g->relation, g->out);
        if (g->ask.snapshot) hg_sink_snapshot_begin(p, g->out, g->ask.backpressure);
        pthread_mutex_lock(&p->lock);
        g->ep->attached = true;
        g->ep->since_step = atomic_load(&p->steps);
        pthread_mutex_unlock(&p->lock);
    }
    hg_loop_post(g->loop, begin_stream, g);
}

/* --- control loop --- */

static void make_endpoint(void *arg)
{
    egress_t *g = arg;
    hg_pipeline_t *p = g->s->p;
    hg_tap_ops_t ops = {
        .chunk = on_chunk, .step_done = g->ask.resumable ? on_step_done : NULL, .closed = on_tap_closed, .arg = g
    };
    if (p->life != ST_RUNNING)
        hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping");
    else if (hg_api_endpoint_room(p, &g->err) == 0)
        hg_tap_new(p->host, g->name, hg_pipeline_tap_slot(p), &p->prog->plan.relations[g->relation].schema, g->ask.type,
                   g->ask.cfg, g->arena, g->ask.backpressure, g->loop, &ops, &g->out, &g->err);
    if (g->err.code) {
        hg_loop_post(g->loop, begin_stream, g);
        return;
    }
    g->ep = hg_pipeline_add_tap(p, g->name, g->relation);
    pthread_mutex_lock(&p->lock);
    g->ep->backpressure = g->ask.backpressure;
    g->ep->arena = g->arena;
    g->ep->out = g->out;
    pthread_mutex_unlock(&p->lock);
    g->arena = NULL;
    p->open_outputs++;
    hg_circuit_post(p, attach, g);
}

/* --- request's loop --- */

static void refuse(egress_t *g)
{
    hg_buf_t b;
    hg_jw_t w;
    if (g->err.code != HG_ESEQGONE) {
        hg_refuse(g->req, &g->err, g->name, g->subject);
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    if (g->oldest) hg_jw_ku64(&w, "oldest_sequence_number", g->oldest);
    hg_jw_kstr(&w, "stream", g->stream);
    hg_jw_end_obj(&w);
    hg_resp_error(g->req, hg_code_http(g->err.code), hg_code_name(g->err.code), g->err.msg, b.p);
    hg_buf_release(&b);
}

static void refused(egress_t *g)
{
    if (g->req) refuse(g);
    g->req = NULL;
    hg_arena_free(g->arena);
    if (g->ep && !g->tap_closed) {
        hg_loop_post(g->s->opts.control, stop_on_control, g->ep);
        return;
    }
    g->tap_closed = true;
    maybe_free(g);
}

static void begin_stream(void *arg)
{
    egress_t *g = arg;
    g->begun = true;
    if (g->tap_closed) hg_err_set(&g->err, HG_ETERMINATING, "the pipeline is stopping");
    if (g->err.code) {
        refused(g);
        return;
    }
    if (!g->req) { /* the peer left meanwhile */
        hg_loop_post(g->s->opts.control, stop_on_control, g->ep);
        return;
    }
    hg_resp_begin(g->req, 200, g->ask.json ? "application/json" : "text/plain", NULL);
    hg_resp_on_drain(g->req, on_drain, g);
    if (!g->ask.resumable)
        put_line(g, g->sequence++, false, (hg_str_t){ 0 });
    else if (g->ask.resumes)
        counting_line(g, g->ask.after, (hg_str_t){ 0 });
    uint64_t ms = g->ask.resumable ? PROGRESS_MS : KEEPALIVE_MS;
    uv_timer_init(hg_loop_uv(g->loop), &g->timer);
    g->timer.data = g;
    g->timer_open = true;
    uv_timer_start(&g->timer, g->ask.resumable ? on_progress : on_keepalive, ms, ms);
    hg_output_start(g->out); /* not before: rows may be encoded already, and need an answer that has begun */
}

/* A resumable stream goes on only from what it was itself. */
static int check_stream(egress_t *g)
{
    if (!g->ask.resumable) return 0;
    hg_history_stream_id(g->s->p, g->relation, g->ask.json, g->stream);
    if (!g->ask.resumes || hg_str_eqz(g->ask.stream, g->stream)) return 0;
    return hg_err_set(&g->err, HG_ESEQGONE,
                      "sequence number %" PRIu64 " is of stream '%.*s', and this is '%s': the pipeline was started "
                      "again without exactly_once, or cleared, or the relation or the format is another one; begin "
                      "again with send_snapshot=true",
                      g->ask.after, (int)HG_MIN(g->ask.stream.n, (size_t)40), g->ask.stream.p, g->stream);
}

static int parse(egress_t *g, hg_str_t relation)
{
    int rel = hg_pipeline_relation(g->s->p, relation);
    g->subject = relation;
    if (rel < 0) return hg_err_set(&g->err, HG_EUNKNOWNVIEW, "unknown table or view '" HG_SF "'", HG_SA(relation));
    g->relation = (uint32_t)rel;
    bool materialized = g->s->p->prog->plan.relations[rel].materialized;
    int rc = hg_egress_ask(g->req, g->arena, relation, materialized, &g->ask, &g->err);
    if (g->ask.text) g->subject = hg_strz(g->ask.text);
    return rc == 0 ? check_stream(g) : rc;
}

void hg_serve_egress(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t relation)
{
    egress_t *g = HG_NEW(egress_t);
    char id[37];
    *g = (egress_t){ .s = hg_server_retain(s), .req = r, .loop = hg_req_loop(r), .arena = hg_arena_new() };
    hg_buf_init(&g->line, HG_BUF_NOMAX);
    hg_buf_init(&g->held, HG_BUF_NOMAX);
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
