/* push.c: HTTP push endpoints: bodies are lanes, on whatever loop serves the connection.
 *
 * A body has no transport: the server hands it bytes, and gets HG_LANE_FULL, `room` and `done` back. Small bodies must
 * be quick and large ones must make large chunks, without a timer: a body's complete records are cut at once as long as
 * nothing of it is being parsed; while a chunk of it is under way, bytes collect, up to the usual size of a chunk.
 *
 * A body lives until its `done` has run on its loop: references are held by the server (until hg_push_end), by its
 * lane, and by every post under way.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/mem.h"

struct hg_push_body {
    atomic_uint refs;
    hg_input_t *in;
    hg_loop_t *loop;
    hg_push_ops_t ops;
    hg_lane_t *lane; /* [L] NULL after the end */
    hg_waiter_t waiter;
    bool flush_posted; /* in->mu */
    bool told_full;    /* [L] */
    /* in->mu */
    uint64_t records, n_errors, listed;
    bool failed;     /* memory ran out in the parser */
    hg_buf_t errors; /* JSON array without its end */
    hg_jw_t w;
};

static void body_drop(hg_push_body_t *b)
{
    if (atomic_fetch_sub(&b->refs, 1) != 1) return;
    hg_input_drop(b->in);
    hg_buf_release(&b->errors);
    hg_free(b);
}

static hg_push_body_t *body_retain(hg_push_body_t *b)
{
    atomic_fetch_add(&b->refs, 1);
    return b;
}

hg_waiter_t *hg_lane_waiter(hg_lane_t *l)
{
    return l->body ? &l->body->waiter : &l->in->waiter;
}

static void run_room(void *arg)
{
    hg_push_body_t *b = arg;
    if (b->lane && b->told_full && atomic_load(&b->waiter.where) == HG_WAIT_NONE) {
        b->told_full = false;
        if (b->ops.room) b->ops.room(b->ops.arg);
    }
    body_drop(b);
}

static void body_wake(hg_waiter_t *w)
{
    hg_push_body_t *b = HG_ENTRY(w, hg_push_body_t, waiter);
    hg_loop_post(b->loop, run_room, body_retain(b));
}

int hg_push_new(hg_host_t *h, const char *endpoint, uint32_t conn, const hg_table_env_t *env,
                const hg_format_type_t *format, const void *format_cfg, hg_arena_t *cfg_arena, hg_input_t **ret,
                hg_err_t *err)
{
    (void)cfg_arena; /* the caller keeps it as long as the endpoint */
    hg_table_env_t table = *env;
    table.deleted = NULL; /* what is pushed belongs to no connector that could ask for soft_delete */
    int rc = hg_input_make(h, endpoint, conn, &table, format, format_cfg, ret, err);
    if (rc < 0) return rc;
    (*ret)->max_queued_records = 100000;
    (*ret)->max_queued_bytes = 1000 * (*ret)->max_queued_records;
    return 0;
}

hg_push_body_t *hg_push_begin(hg_input_t *in, hg_loop_t *on, const hg_push_ops_t *ops)
{
    hg_push_body_t *b = HG_NEW(hg_push_body_t);
    atomic_store(&b->refs, 2); /* the server's, the lane's */
    b->in = hg_input_retain(in);
    b->loop = on;
    b->ops = *ops;
    b->waiter.wake = body_wake;
    b->waiter.exempt = ops->force;
    hg_list_init(&b->waiter.link);
    hg_buf_init(&b->errors, HG_BUF_NOMAX);
    hg_jw_init(&b->w, &b->errors);
    hg_jw_arr(&b->w);
    b->lane = hg_lane_make(in, on, b, 0);
    return b;
}

int hg_push_data(hg_push_body_t *b, const char *p, size_t n)
{
    HG_ON_LOOP(b->loop);
    if (HG_NEVER(!b->lane)) return HG_EBUG;
    int rc = hg_lane_append(b->lane, p, n);
    if (rc >= 0 && hg_lane_idle(b->lane)) {
        int more = hg_lane_flush(b->lane);
        rc = more < 0 ? more : rc | more;
    }
    if (rc == HG_LANE_OK && hg_queue_wait(b->in, &b->waiter))
        rc = HG_LANE_FULL; /* a held endpoint stops bodies that cut nothing, too */
    if (rc == HG_LANE_FULL) {
        b->told_full = true;
        /* the wake-up may have come between the wait and this line: then its post is behind us and finds told_full */
    }
    return rc;
}

void hg_push_end(hg_push_body_t *b, bool aborted)
{
    HG_ON_LOOP(b->loop);
    hg_lane_t *l = b->lane;
    if (HG_NEVER(!l)) return;
    b->lane = NULL;
    b->told_full = false;
    (void)hg_lane_close(l, aborted); /* a failure is seen in `done`: the rest was not counted */
    hg_waiter_cancel(b->in, &b->waiter);
    body_drop(b);
}

static void run_flush(void *arg)
{
    hg_push_body_t *b = arg;
    pthread_mutex_lock(&b->in->mu);
    b->flush_posted = false;
    pthread_mutex_unlock(&b->in->mu);
    if (b->lane && hg_lane_flush(b->lane) == HG_LANE_FULL) b->told_full = true;
    body_drop(b);
}

/* [m] A chunk of the body was released (or lost): count, keep its first errors, and let the loop cut what has
 * collected. */
void hg_push_job_released(hg_push_body_t *b, const hg_job_t *j)
{
    if (j->rc < 0) {
        b->failed = true;
        hg_parse_error_t e = { .tag = "text_envelope_err", .description = j->fail };
        hg_perr_t *p = hg_perr_copy(&e, 0, NULL);
        b->n_errors++;
        if (p && b->listed++ < HG_BODY_ERRORS) hg_perr_json(p, 0, &b->w);
        hg_free(p);
    }
    b->records += j->pub.records;
    b->n_errors += j->n_errors;
    for (uint64_t i = 0; i < HG_MIN(j->n_errors, (uint64_t)HG_CHUNK_ERRORS) && b->listed < HG_BODY_ERRORS; i++) {
        const hg_perr_t *e = j->errors[i];
        if (!e) continue;
        hg_perr_json(e, e->event ? j->lane->events + e->event : 0, &b->w);
        b->listed++;
    }
    if (j->lane->inflight == 0 && !j->lane->closed && !b->flush_posted) {
        b->flush_posted = true;
        hg_loop_post(b->loop, run_flush, body_retain(b));
    }
}

static void run_done(void *arg)
{
    hg_push_body_t *b = arg;
    hg_input_t *in = b->in;
    pthread_mutex_lock(&in->mu);
    uint64_t records = b->records, n_errors = b->n_errors, total = in->total_records;
    pthread_mutex_unlock(&in->mu);
    hg_jw_end_arr(&b->w);
    if (b->ops.done) b->ops.done(b->ops.arg, records, n_errors, hg_buf_str(&b->errors), total);
    body_drop(b);
}

/* The lane is gone; its reference goes with `done`. */
void hg_push_drained(hg_push_body_t *b)
{
    hg_loop_post(b->loop, run_done, b);
}
