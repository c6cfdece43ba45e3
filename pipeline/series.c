/* series.c: the last minute in samples of one second (rest-api §6.11): GET /time_series, and as a stream that goes on.
 *
 * The ring, the timer and the list of streams belong to the control loop; a stream's request belongs to its own loop.
 * Control → loop: a line, then (once) free. Loop → control: leave, when the peer went. A stream that the end of the
 * server has taken off the list is freed by `end`, unless its leave is under way: then by the answer to that.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/server_int.h"

#define SAMPLES    60
#define PERIOD_MS  1000
#define QUEUED_MAX ((size_t)64 * 1024) /* a peer that reads nothing misses samples */

typedef struct {
    int64_t at_us;
    uint64_t processed, memory, storage;
} sample_t;

typedef struct stream {
    hg_list_t link; /* control loop; empty: off the list */
    hg_pipeline_server_t *s;
    hg_req_t *req; /* its loop; NULL: gone */
    hg_loop_t *loop;
    bool left; /* its loop: leave has been posted */
} stream_t;

struct hg_series {
    hg_pipeline_server_t *s;
    uv_timer_t timer;
    sample_t ring[SAMPLES];
    uint64_t n; /* samples ever taken */
    hg_list_t streams;
};

static void put_sample(hg_jw_t *w, const sample_t *x)
{
    hg_jw_obj(w);
    hg_jw_ki64(w, "t", x->at_us / 1000);
    hg_jw_ku64(w, "r", x->processed);
    hg_jw_ku64(w, "m", x->memory);
    hg_jw_ku64(w, "s", x->storage);
    hg_jw_end_obj(w);
}

/* --- streams: their loops --- */

typedef struct {
    stream_t *st;
    hg_buf_t text;
} line_t;

static void stream_free(void *arg)
{
    stream_t *st = arg;
    hg_pipeline_server_t *s = st->s;
    hg_free(st);
    hg_server_drop(s);
}

static void stream_write(void *arg)
{
    line_t *l = arg;
    hg_req_t *r = l->st->req;
    if (r && hg_resp_queued(r) < QUEUED_MAX) hg_resp_write(r, l->text.p, l->text.len);
    hg_buf_release(&l->text);
    hg_free(l);
}

static void stream_end(void *arg)
{
    stream_t *st = arg;
    if (st->left) return; /* its leave is answered by stream_free */
    hg_resp_end(st->req);
    stream_free(st);
}

static void stream_leave(void *arg);

static void stream_aborted(void *arg)
{
    stream_t *st = arg;
    st->req = NULL;
    st->left = true;
    hg_loop_post(st->s->opts.control, stream_leave, st);
}

/* --- control loop --- */

static void stream_leave(void *arg)
{
    stream_t *st = arg;
    hg_list_del(&st->link);
    hg_loop_post(st->loop, stream_free, st); /* behind the lines that are on their way */
}

static void send_samples(stream_t *st, const hg_series_t *x, uint64_t from)
{
    line_t *l = HG_NEW(line_t);
    l->st = st;
    hg_buf_init(&l->text, HG_BUF_NOMAX);
    for (uint64_t i = from; i < x->n; i++) {
        hg_jw_t w;
        hg_jw_init(&w, &l->text);
        put_sample(&w, &x->ring[i % SAMPLES]);
        hg_buf_addc(&l->text, '\n');
    }
    hg_loop_post(st->loop, stream_write, l);
}

static uint64_t oldest(const hg_series_t *x)
{
    return x->n > SAMPLES ? x->n - SAMPLES : 0;
}

static void on_second(uv_timer_t *t)
{
    hg_series_t *x = t->data;
    x->ring[x->n++ % SAMPLES] = (sample_t){ .at_us = hg_now_us(),
                                            .processed = atomic_load(&x->s->p->processed_records),
                                            .memory = hg_rss_bytes() };
    HG_LIST_EACH(it, &x->streams) send_samples(HG_ENTRY(it, stream_t, link), x, x->n - 1);
}

static void stream_join(void *arg)
{
    stream_t *st = arg;
    hg_series_t *x = st->s->series;
    if (!x) { /* closing */
        hg_loop_post(st->loop, stream_end, st);
        return;
    }
    hg_list_add_tail(&x->streams, &st->link);
    send_samples(st, x, oldest(x));
}

hg_series_t *hg_series_new(hg_pipeline_server_t *s)
{
    hg_series_t *x = HG_NEW(hg_series_t);
    x->s = hg_server_retain(s);
    hg_list_init(&x->streams);
    uv_timer_init(hg_loop_uv(s->opts.control), &x->timer);
    x->timer.data = x;
    uv_timer_start(&x->timer, on_second, 0, PERIOD_MS);
    return x;
}

static void timer_closed(uv_handle_t *h)
{
    hg_series_t *x = h->data;
    hg_pipeline_server_t *s = x->s;
    hg_free(x);
    hg_server_drop(s);
}

void hg_series_close(hg_series_t *x)
{
    for (hg_list_t *it; (it = hg_list_pop(&x->streams)) != NULL;) {
        stream_t *st = HG_ENTRY(it, stream_t, link);
        hg_loop_post(st->loop, stream_end, st);
    }
    uv_close((uv_handle_t *)&x->timer, timer_closed);
}

void hg_series_json(const hg_series_t *x, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ki64(w, "now", hg_now_us() / 1000);
    hg_jw_key(w, "samples");
    hg_jw_arr(w);
    for (uint64_t i = x ? oldest(x) : 0; x && i < x->n; i++) put_sample(w, &x->ring[i % SAMPLES]);
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

/* --- the request --- */

void hg_serve_series_stream(hg_pipeline_server_t *s, hg_req_t *r)
{
    stream_t *st = HG_NEW(stream_t);
    *st = (stream_t){ .s = hg_server_retain(s), .req = r, .loop = hg_req_loop(r) };
    hg_list_init(&st->link);
    hg_req_on_abort(r, stream_aborted, st);
    hg_resp_begin(r, 200, "application/x-ndjson", NULL);
    hg_loop_post(s->opts.control, stream_join, st);
}
