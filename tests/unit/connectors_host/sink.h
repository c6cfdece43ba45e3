/* sink.h: a fake output that keeps what it is given, and says so when the test wants it to. */
#ifndef HG_TESTS_CONNECTORS_HOST_SINK_H
#define HG_TESTS_CONNECTORS_HOST_SINK_H

#include "tests/unit/connectors_host/kit.h"

typedef struct {
    hg_output_t *out;
    hg_buf_t got; /* kit->mu */
    uint64_t last_end;
    unsigned writes, ends, stops;
    bool started, block, hold_acks, start_fails, fail_write, blocked, no_ready, stores_step;
    uint64_t resume;                 /* said before ready; 0 = nothing */
    uint64_t restored_at, ended_len; /* UINT64_MAX: was not restored; bytes of whole steps */
} sink_t;

static inline sink_t *sink_of(hg_output_t *out)
{
    return *(sink_t *const *)hg_out_cfg(out);
}
static inline int sink_open(hg_output_t *out, hg_err_t *err)
{
    (void)err;
    sink_of(out)->out = out;
    return 0;
}
static inline int sink_start(hg_output_t *out, hg_err_t *err)
{
    sink_t *s = sink_of(out);
    if (s->start_fails) return hg_err_set(err, HG_ENET, "no such sink");
    pthread_mutex_lock(&kit->mu);
    s->started = true;
    pthread_mutex_unlock(&kit->mu);
    if (s->resume) hg_out_resume(out, s->resume);
    if (!s->no_ready) hg_out_ready(out);
    return 0;
}
static inline int sink_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n, hg_err_t *err)
{
    sink_t *s = sink_of(out);
    (void)step;
    (void)key;
    (void)n;
    if (s->fail_write) {
        hg_err_set(err, HG_EIO, "the sink is gone");
        err->fatal = 1;
        return HG_EIO;
    }
    pthread_mutex_lock(&kit->mu);
    hg_buf_addstr(&s->got, payload);
    s->writes++;
    bool block = s->blocked = s->block;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    return block ? HG_EAGAIN : 0;
}
static inline int sink_end(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    sink_t *s = sink_of(out);
    (void)err;
    pthread_mutex_lock(&kit->mu);
    s->ends++;
    s->last_end = step;
    s->ended_len = s->got.len;
    bool ack = !s->hold_acks;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    if (ack) hg_out_delivered(out, step);
    return 0;
}
static inline uint64_t sink_position(hg_output_t *out)
{
    return sink_of(out)->ended_len;
}
static inline int sink_restore(hg_output_t *out, uint64_t position, hg_err_t *err)
{
    sink_t *s = sink_of(out);
    if (position > s->got.len) return hg_err_set(err, HG_EIO, "the sink is shorter than that");
    s->got.len = position;
    s->restored_at = position;
    return 0;
}
static inline void sink_stop(hg_output_t *out)
{
    sink_of(out)->stops++;
    hg_out_stopped(out);
}
static inline void sink_close(hg_output_t *out)
{
    hg_out_closed(out);
}
static const hg_output_type_t sink_type = { .abi = HG_CONNECTOR_ABI,
                                            .name = "fake_output",
                                            .opts = kit_no_opts,
                                            .cfg_size = sizeof(sink_t *),
                                            .inst_size = 1,
                                            .open = sink_open,
                                            .start = sink_start,
                                            .write = sink_write,
                                            .end_batch = sink_end,
                                            .stop = sink_stop,
                                            .close = sink_close,
                                            .position = sink_position,
                                            .restore = sink_restore,
                                            .caps = HG_OUT_EXACT };

static inline void sink_drained(void *arg)
{
    sink_t *s = arg;
    hg_out_drained(s->out);
}
static inline void sink_ready(void *arg)
{
    hg_out_ready(((sink_t *)arg)->out);
}
static inline void sink_ack(void *arg)
{
    sink_t *s = arg;
    hg_out_delivered(s->out, s->last_end);
}

static inline hg_output_t *sink_make(sink_t **h, hg_conn_spec_t spec)
{
    hg_output_t *out;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&(*h)->got, HG_BUF_NOMAX);
    spec.is_input = false;
    static hg_output_type_t storing;
    storing = sink_type;
    storing.caps |= HG_OUT_STORES_STEP;
    spec.out_type = (*h)->stores_step ? &storing : &sink_type;
    spec.transport_cfg = h;
    assert_int_equal(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err), 0);
    return out;
}

/* A pipeline that keeps what its outputs owe. */
static inline hg_host_opts_t durable(void)
{
    return (hg_host_opts_t){ .keep_owed = true, .durable_name = "shop" };
}

static inline void step_of(hg_output_t *out, uint64_t step, int64_t first, uint32_t n)
{
    hg_delta_t d = n ? delta(first, n, 1) : (hg_delta_t){ 0 };
    hg_output_push(out, step, &d, step * 10);
    assert_int_equal(d.n, 0); /* taken over */
}

static inline hg_output_stats_t out_stats(const hg_output_t *out)
{
    hg_output_stats_t s;
    hg_output_get_stats(out, &s);
    return s;
}

static inline void out_down(hg_output_t *out, sink_t *s, bool now)
{
    hg_output_stop(out, now);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    if (s) hg_buf_release(&s->got);
    KIT_WAIT(hg_host_output_bytes(kit->h) == 0); /* a post under way may hold the last reference */
    kit_down();
}

#endif
