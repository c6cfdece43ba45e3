/* kit.h: a host with a control loop, an owner that records its events, and fakes of a format, a source and a sink.
 *
 * Nothing here sleeps: whoever changes something signals, whoever waits waits for a condition (and fails after two
 * minutes). The source does nothing by itself: a test runs code on its loop with src_do(). The format's lines are
 * numbers; a line may also be an order to the parser ("!" refuse it, "oom", "gate" wait until the gate is open).
 */
#ifndef HG_TESTS_CONNECTORS_HOST_KIT_H
#define HG_TESTS_CONNECTORS_HOST_KIT_H

#include "tests/lib/test.h"
#include "connectors/host/host.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/text.h"
#include <pthread.h>

#define KIT_CONNS 8

typedef struct {
    bool opened, ended, failed, marked, closed, out_closed, some;
    unsigned edges, n_failed, n_mark_failed;
    bool ended_before_data; /* `ended` came while the owner believed in an empty queue and chunks were still to come */
    char error[512], mark[256];
} kit_conn_t;

typedef struct {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    hg_loop_t *control;
    hg_host_t *h;
    kit_conn_t c[KIT_CONNS];
    hg_arena_t *arena;
    hg_schema_t schema;
    bool gate_open; /* format: "gate" lines wait for it */
    unsigned at_gate;
    uint64_t tmp;
} kit_t;

static kit_t *kit; /* one per test: fakes signal it */

static inline void kit_signal(void)
{
    pthread_mutex_lock(&kit->mu);
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

static inline void kit_open_gate(void)
{
    pthread_mutex_lock(&kit->mu);
    kit->gate_open = true;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

#define KIT_GET(x)                                                                                                     \
    (pthread_mutex_lock(&kit->mu), kit->tmp = (uint64_t)(x), pthread_mutex_unlock(&kit->mu),                           \
     kit->tmp) /* test thread only */

/* cond is evaluated under kit->mu, again after every signal (and now and then, for what has no signal) */
#define KIT_WAIT(cond)                                                                                                 \
    do {                                                                                                               \
        int64_t kit_end = hg_mono_us() + 120000000;                                                                    \
        pthread_mutex_lock(&kit->mu);                                                                                  \
        while (!(cond)) {                                                                                              \
            struct timespec ts;                                                                                        \
            clock_gettime(CLOCK_REALTIME, &ts);                                                                        \
            ts.tv_nsec += 50000000;                                                                                    \
            ts.tv_sec += ts.tv_nsec / 1000000000;                                                                      \
            ts.tv_nsec %= 1000000000;                                                                                  \
            pthread_cond_timedwait(&kit->cv, &kit->mu, &ts);                                                           \
            if (hg_mono_us() > kit_end) fail_msg("waited in vain for: %s", #cond);                                     \
        }                                                                                                              \
        pthread_mutex_unlock(&kit->mu);                                                                                \
    } while (0)

#define KIT_EVENT(name, body)                                                                                          \
    static void kit_##name                                                                                             \
    {                                                                                                                  \
        (void)arg;                                                                                                     \
        pthread_mutex_lock(&kit->mu);                                                                                  \
        body;                                                                                                          \
        pthread_cond_broadcast(&kit->cv);                                                                              \
        pthread_mutex_unlock(&kit->mu);                                                                                \
    }
KIT_EVENT(opened(void *arg, uint32_t c), kit->c[c].opened = true)
KIT_EVENT(ended(void *arg, uint32_t c), kit->c[c].ended = true)
KIT_EVENT(buffered(void *arg, uint32_t c, bool some), {
    assert_true(some != kit->c[c].some); /* edges only */
    kit->c[c].some = some;
    kit->c[c].edges++;
    if (some && kit->c[c].ended) kit->c[c].ended_before_data = true;
})
KIT_EVENT(failed(void *arg, uint32_t c, const hg_err_t *err), {
    kit->c[c].failed = true;
    kit->c[c].n_failed++;
    snprintf(kit->c[c].error, sizeof kit->c[c].error, "%s", err->msg);
})
KIT_EVENT(marked(void *arg, uint32_t c, const char *mark), {
    kit->c[c].marked = true;
    snprintf(kit->c[c].mark, sizeof kit->c[c].mark, "%s", mark);
})
KIT_EVENT(mark_failed(void *arg, uint32_t c, const hg_err_t *err), {
    (void)err;
    kit->c[c].n_mark_failed++;
})
KIT_EVENT(closed(void *arg, uint32_t c), kit->c[c].closed = true)
KIT_EVENT(output_closed(void *arg, uint32_t c), kit->c[c].out_closed = true)
KIT_EVENT(wake(void *arg), (void)0)

static inline void kit_up(hg_host_opts_t opts)
{
    static const hg_host_events_t ev = { .opened = kit_opened,
                                         .ended = kit_ended,
                                         .buffered = kit_buffered,
                                         .failed = kit_failed,
                                         .marked = kit_marked,
                                         .mark_failed = kit_mark_failed,
                                         .closed = kit_closed,
                                         .output_closed = kit_output_closed,
                                         .wake = kit_wake };
    kit = HG_NEW(kit_t);
    pthread_mutex_init(&kit->mu, NULL);
    pthread_cond_init(&kit->cv, NULL);
    kit->arena = hg_arena_new();
    hg_field_t *col = HG_ANEW(kit->arena, hg_field_t);
    *col = (hg_field_t){ .name = HG_S("n"), .type = hg_type_make(kit->arena, HG_T_BIGINT, true, -1, -1) };
    kit->schema = (hg_schema_t){ .name = HG_S("t"), .cols = col, .n_cols = 1 };
    kit->control = hg_loop_new("control");
    hg_loop_start(kit->control);
    opts.control = kit->control;
    if (!opts.io_loops) opts.io_loops = 2;
    if (!opts.pool_threads) opts.pool_threads = 3;
    kit->h = hg_host_new(&opts, &ev);
}

static inline void kit_down(void)
{
    hg_host_free(kit->h);
    hg_loop_stop(kit->control);
    hg_loop_free(kit->control);
    hg_arena_free(kit->arena);
    pthread_mutex_destroy(&kit->mu);
    pthread_cond_destroy(&kit->cv);
    hg_free(kit);
    kit = NULL;
}

/* --- format: one number per line --- */

static inline int lines_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    (void)cfg;
    (void)env;
    (void)err;
    *ret = HG_NEW(hg_parser_t);
    return 0;
}
static inline void lines_parser_free(hg_parser_t *p)
{
    hg_free(p);
}
static inline size_t lines_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n,
                                 bool eof)
{
    (void)p;
    (void)st;
    if (eof) return n;
    const char *nl = n > from ? memrchr(buf + from, '\n', n - from) : NULL;
    return nl ? (size_t)(nl - buf) + 1 : 0;
}
static inline void lines_gate(void)
{
    pthread_mutex_lock(&kit->mu);
    kit->at_gate++;
    pthread_cond_broadcast(&kit->cv);
    while (!kit->gate_open) pthread_cond_wait(&kit->cv, &kit->mu);
    pthread_mutex_unlock(&kit->mu);
}
static inline int lines_parse(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first,
                              hg_parse_out_t *out, hg_err_t *err)
{
    (void)p;
    (void)first;
    assert_non_null(scratch);
    for (size_t at = 0; at < n;) {
        const char *nl = memchr(buf + at, '\n', n - at);
        hg_str_t line = { buf + at, nl ? (size_t)(nl - buf) - at : n - at };
        int64_t v;
        at += line.n + 1;
        if (line.n == 0) continue;
        out->events++;
        if (hg_str_eqz(line, "gate")) {
            lines_gate();
        } else if (hg_str_eqz(line, "oom")) {
            return hg_err_set(err, HG_ENOMEM, "no memory for this line");
        } else if (line.p[0] != '!' && (hg_str_i64(line, &v) == 0 || line.n > 30)) {
            assert_int_equal(hg_colb_i64(&out->changes.cols[0], line.n > 30 ? (int64_t)line.n : v), 0);
            assert_int_equal(hg_changeb_row(&out->changes, HG_OP_INSERT, NULL), 0);
            out->bytes += line.n + 1;
        } else {
            out->error(
                out, &(hg_parse_error_t){
                         .tag = "text_event_err", .event = out->events, .text = line, .description = "not a number" });
        }
    }
    return 0;
}
static inline void *lines_scratch_new(const hg_parser_t *p)
{
    (void)p;
    return hg_xnew(1);
}
static inline int lines_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    (void)cfg;
    (void)env;
    (void)err;
    *ret = HG_NEW(hg_encoder_t);
    return 0;
}
static inline void lines_encoder_free(hg_encoder_t *e)
{
    hg_free(e);
}

/* "5\n" per insert, "-5\n" per delete; 13 cannot be encoded, and for -666 there is no memory. */
static inline int lines_encode(hg_encoder_t *e, const hg_delta_t *d, hg_encode_sink_t *sink, hg_err_t *err)
{
    (void)e;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < d->n; i++)
            for (uint32_t k = 0; k < d->parts[i]->n; k++) {
                const hg_part_t *p = d->parts[i];
                int64_t w = p->weights ? p->weights[k] : 1,
                        v = HG_COL(p->batch->cols[0], int64_t)[p->sel ? p->sel[k] : k];
                if ((w < 0) != (pass == 0)) continue;
                if (v == 13) return hg_err_set(err, HG_EINVAL, "13 brings bad luck");
                if (v == -666) return HG_ENOMEM; /* as where a buffer does not grow */
                if (hg_buf_addf(sink->buf, "%s%" PRId64 "\n", w < 0 ? "-" : "", v) < 0) return HG_ENOMEM;
                sink->records++;
            }
    return 0;
}
static const hg_format_type_t lines_format = { .abi = HG_FORMAT_ABI,
                                               .name = "lines",
                                               .parser_new = lines_parser_new,
                                               .parser_free = lines_parser_free,
                                               .split = lines_split,
                                               .parse = lines_parse,
                                               .scratch_new = lines_scratch_new,
                                               .scratch_free = hg_free,
                                               .encoder_new = lines_encoder_new,
                                               .encoder_free = lines_encoder_free,
                                               .encode = lines_encode };

/* --- source --- */

typedef struct {
    hg_input_t *in;
    hg_lane_t *lane;
    unsigned runs, holds, marks, fail_marks, commits;
    bool running, open_fails, closed, restored_at_set;
    uint64_t restored_at;
    void (*fn)(void *);
} src_t;

static inline src_t *src_of(hg_input_t *in)
{
    return *(src_t *const *)hg_in_cfg(in);
}
static inline int src_open(hg_input_t *in, hg_err_t *err)
{
    src_t *s = src_of(in);
    s->in = in;
    return s->open_fails ? hg_err_set(err, HG_EINVAL, "cannot open this") : 0;
}
static inline int src_mark(hg_input_t *in, hg_err_t *err)
{
    src_t *s = src_of(in);
    if (s->marks++ < s->fail_marks) return hg_err_retry(err, HG_ENET, "nobody there");
    hg_in_marked(in, "{\"at\":7}");
    return 0;
}
static inline int src_run(hg_input_t *in, hg_err_t *err)
{
    src_t *s = src_of(in);
    (void)err;
    assert_false(s->running); /* never two runs without a hold */
    pthread_mutex_lock(&kit->mu);
    s->running = true;
    s->runs++;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    if (!s->lane) s->lane = hg_lane_open(in, s->restored_at);
    return 0;
}
static inline int src_hold(hg_input_t *in, hg_err_t *err)
{
    src_t *s = src_of(in);
    (void)err;
    assert_true(s->running);
    pthread_mutex_lock(&kit->mu);
    s->running = false;
    s->holds++;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    return 0;
}
static inline int src_commit(hg_input_t *in, const hg_json_t *pos, hg_err_t *err)
{
    (void)pos;
    (void)err;
    pthread_mutex_lock(&kit->mu);
    src_of(in)->commits++;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    return 0;
}
static inline void src_close(hg_input_t *in)
{
    pthread_mutex_lock(&kit->mu);
    src_of(in)->closed = true;
    src_of(in)->lane = NULL; /* the host drops the lanes that are open */
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    hg_in_closed(in);
}
static inline void src_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    (void)in;
    hg_jw_obj(w);
    hg_jw_ku64(w, "at", n ? consumed[0].end : 0);
    hg_jw_end_obj(w);
}
static inline int src_restore(hg_input_t *in, const hg_json_t *pos, hg_err_t *err)
{
    (void)err;
    src_of(in)->restored_at_set = true;
    return hg_json_u64(hg_json_get(pos, "at"), &src_of(in)->restored_at);
}
static const hg_opt_t kit_no_opts[] = { { .key = NULL } };
static const hg_input_type_t src_type = { .abi = HG_CONNECTOR_ABI,
                                          .name = "fake_input",
                                          .opts = kit_no_opts,
                                          .cfg_size = sizeof(src_t *),
                                          .inst_size = 1,
                                          .caps = HG_CAP_MARK | HG_CAP_FINITE | HG_CAP_REPLAY,
                                          .open = src_open,
                                          .mark = src_mark,
                                          .run = src_run,
                                          .hold = src_hold,
                                          .commit = src_commit,
                                          .close = src_close,
                                          .save = src_save,
                                          .restore = src_restore };

static inline hg_conn_spec_t kit_spec(const void *type_cfg)
{
    return (hg_conn_spec_t){ .is_input = true,
                             .name = HG_S("c"),
                             .endpoint = HG_S("t.c"),
                             .stream = HG_S("t"),
                             .transport_cfg = type_cfg,
                             .format = &lines_format };
}
static inline hg_table_env_t kit_env(void)
{
    return (hg_table_env_t){ .schema = &kit->schema, .hashkey = { 1, 2 } };
}

static inline hg_input_t *kit_input(const hg_conn_spec_t *spec, uint32_t conn)
{
    hg_input_t *in;
    hg_err_t err = HG_ERR_INIT;
    hg_table_env_t env = kit_env();
    int rc = hg_input_new(kit->h, spec, conn, &env, &in, &err);
    if (rc < 0) fail_msg("%s", err.msg);
    return in;
}

static inline hg_input_t *src_make(src_t **handle, hg_conn_spec_t spec, uint32_t conn)
{
    spec.in_type = &src_type;
    spec.transport_cfg = handle;
    hg_input_t *in = kit_input(&spec, conn);
    hg_input_open(in);
    return in;
}

typedef struct {
    src_t *s;
    const char *text;
    size_t n;
    int rc;
} give_t;

static inline void give_on_loop(void *arg)
{
    give_t *g = arg;
    size_t room;
    g->rc = HG_ECLOSED;
    if (!g->s->lane) return; /* closed meanwhile */
    char *to = hg_lane_reserve(g->s->lane, g->n, &room);
    if (!to) return;
    assert_true(room >= g->n);
    memcpy(to, g->text, g->n);
    g->rc = hg_lane_fill(g->s->lane, g->n);
    if (g->rc == HG_LANE_OK) g->rc = hg_lane_flush(g->s->lane);
}
/* Test thread: gives text as one buffer, then asks for a cut. */
static inline int src_give(src_t *s, const char *text)
{
    give_t g = { s, text, strlen(text), 0 };
    hg_loop_call(hg_in_loop(s->in), give_on_loop, &g);
    return g.rc;
}
static inline void flush_on_loop(void *arg)
{
    src_t *s = arg;
    (void)hg_lane_flush(s->lane);
}
/* What a transport does before it waits for data. */
static inline void src_flush(src_t *s)
{
    hg_loop_call(hg_in_loop(s->in), flush_on_loop, s);
}
static inline void end_on_loop(void *arg)
{
    src_t *s = arg;
    (void)hg_lane_close(s->lane, false);
    s->lane = NULL;
    hg_in_eoi(s->in);
}
static inline void src_end(src_t *s)
{
    hg_loop_call(hg_in_loop(s->in), end_on_loop, s);
}

static inline hg_input_stats_t in_stats(const hg_input_t *in)
{
    hg_input_stats_t st;
    hg_input_get_stats(in, &st);
    return st;
}

static inline void kit_close(hg_input_t *in, uint32_t conn)
{
    hg_input_close(in);
    KIT_WAIT(kit->c[conn].closed);
    hg_input_free(in);
}

/* The circuit: takes one chunk; NULL if there is none. */
static inline hg_chunk_t *kit_take(void)
{
    hg_chunk_t *c;
    return hg_host_take(kit->h, 1, &c, 1) ? c : NULL;
}
static inline hg_chunk_t *kit_take_wait(void)
{
    KIT_WAIT(hg_host_ready(kit->h));
    hg_chunk_t *c = kit_take();
    assert_non_null(c);
    return c;
}
static inline int64_t chunk_first(const hg_chunk_t *c)
{
    return HG_COL(c->change->rows->cols[0], int64_t)[0];
}

/* --- what several tests ask --- */

/* hg_diag_t: an error fails the test. */
static inline void kit_complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)node, (void)at_key;
    if (!warning) fail_msg("%s", msg);
}

/* splitmix64 */
static inline uint64_t kit_dice(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The answer of hg_input_save and hg_output_save. */
typedef struct {
    bool answered; /* kit->mu */
    char *state;   /* NULL: empty; the test's to free */
} kit_saved_t;

static inline void kit_on_saved(void *arg, hg_str_t state)
{
    kit_saved_t *s = arg;
    pthread_mutex_lock(&kit->mu);
    s->answered = true;
    s->state = state.n ? hg_xstrndup(state.p, state.n) : NULL;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

/* The position of an input; valid until the next question. */
static inline const char *kit_save(hg_input_t *in)
{
    static char text[1024];
    kit_saved_t s = { 0 };
    hg_input_save(in, kit_on_saved, &s);
    KIT_WAIT(s.answered);
    snprintf(text, sizeof text, "%s", s.state ? s.state : "");
    hg_free(s.state);
    return text;
}

static inline char *kit_save_output(hg_output_t *out, uint64_t step)
{
    kit_saved_t s = { 0 };
    hg_output_save(out, step, kit_on_saved, &s);
    KIT_WAIT(s.answered);
    return s.state;
}

/* A delta of n rows from `first`, all with weight w. */
static inline hg_delta_t delta(int64_t first, uint32_t n, int64_t w)
{
    hg_colb_t b;
    hg_delta_t d = { 0 };
    hg_colb_init(&b, kit->schema.cols[0].type);
    for (uint32_t i = 0; i < n; i++) assert_int_equal(hg_colb_i64(&b, first + i), 0);
    hg_batch_t *batch = hg_batch_new(n, 1);
    batch->cols[0] = hg_colb_seal(&b);
    hg_colb_release(&b);
    int64_t *weights = NULL;
    if (w != 1) {
        weights = hg_trynew(sizeof *weights * n);
        for (uint32_t i = 0; i < n; i++) weights[i] = w;
    }
    assert_int_equal(hg_delta_add(&d, hg_part_new(batch, NULL, n, weights)), 0);
    return d;
}

#endif
