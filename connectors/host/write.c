/* write.c: the loop's side of an output: open, start, write blocks, confirm steps, stop, close.
 *
 *   start ─► type->open, type->start ─► hg_out_ready ─► (write … end_batch → hg_out_delivered)* ─► type->stop ─► close
 *
 * Everything here runs on the output's loop. A step's end block becomes an ack: once the sink has confirmed the step,
 * all steps up to `through` are delivered; steps without data join the ack before them.
 */
#include "base/hg.h"
#include "connectors/host/output_int.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/mem.h"

static void check_stop(hg_output_t *out);
static void write_some(hg_output_t *out);

static void run_write(void *arg)
{
    hg_output_t *out = arg;
    pthread_mutex_lock(&out->mu);
    out->write_posted = false;
    pthread_mutex_unlock(&out->mu);
    write_some(out);
    check_stop(out);
    hg_output_drop(out);
}

void hg_output_write_notify(hg_output_t *out)
{
    if (out->write_posted) return;
    out->write_posted = true;
    hg_loop_post(out->loop, run_write, hg_output_retain(out));
}

void hg_output_write_post(hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    hg_output_write_notify(out);
    pthread_mutex_unlock(&out->mu);
}

static void count_sent(hg_output_t *out, uint64_t records, uint64_t bytes)
{
    pthread_mutex_lock(&out->mu);
    out->transmitted_records += records;
    out->transmitted_bytes += bytes;
    pthread_mutex_unlock(&out->mu);
}

/* One write. Returns false if no more can be taken now. */
static bool write_one(hg_output_t *out, hg_outblock_t *b, hg_str_t key, hg_str_t payload, uint32_t records)
{
    hg_err_t err = HG_ERR_INIT;
    if (!out->type) {
        out->tap_dropped = b->dropped;
        count_sent(out, records, payload.n);
        return out->tap.chunk(out->tap.arg, b->step, payload, records, b->snapshot);
    }
    int rc = out->type->write(out, b->step, key, payload, records, &err);
    if (rc == 0 || rc == HG_EAGAIN) {
        count_sent(out, records, key.n + payload.n);
        return rc == 0;
    }
    hg_out_error(out, "write", &err); /* not counted as sent; the next one may pass */
    return true;
}

static bool write_block(hg_output_t *out, hg_outblock_t *b)
{
    if (!b->msgs) {
        b->next = 1;
        return write_one(out, b, (hg_str_t){ NULL, 0 }, hg_buf_str(&b->data), (uint32_t)b->records);
    }
    while (b->next < b->n_msgs) {
        const hg_outmsg_t *m = &b->msgs[b->next++];
        hg_str_t key = { m->has_key ? b->data.p + m->key_off : NULL, m->key_len };
        hg_str_t payload = { m->len || !m->has_key ? b->data.p + m->off : NULL, m->len };
        out->op = m->op;
        bool more = write_one(out, b, key, payload, m->records);
        out->op = NULL;
        if (!more) return false;
    }
    return true;
}

static void push_ack(hg_output_t *out, const hg_outblock_t *b)
{
    if (out->n_acks == out->cap_acks) {
        out->cap_acks = out->cap_acks ? out->cap_acks * 2 : 16;
        out->acks = hg_xgrow(out->acks, sizeof(hg_outpos_t) * out->cap_acks);
    }
    hg_outpos_t *ack = &out->acks[out->n_acks++];
    *ack = (hg_outpos_t){ .first = b->first,
                          .step = b->step,
                          .through = b->step,
                          .seq = b->seq,
                          .processed = b->processed,
                          .steps = b->steps,
                          .encode_errors = b->encode_errors };
    pthread_mutex_lock(&out->mu);
    ack->records = out->transmitted_records;
    ack->bytes = out->transmitted_bytes;
    pthread_mutex_unlock(&out->mu);
}

static void end_step(hg_output_t *out, const hg_outblock_t *b)
{
    if (b->wrote && out->type) {
        hg_err_t err = HG_ERR_INIT;
        push_ack(out, b);
        out->ending = true; /* a sink that confirms at once is heard when its position is known */
        int rc = out->type->end_batch(out, b->step, &err);
        out->ending = false;
        if (out->type->position) out->acks[out->n_acks - 1].position = out->type->position(out);
        bool confirmed = out->confirmed || rc < 0;
        uint64_t upto = rc < 0 ? b->step : out->confirmed_step;
        out->confirmed = false;
        if (rc < 0) hg_out_error(out, "end_batch", &err);
        if (confirmed)
            hg_out_delivered(out, upto); /* after an error: it will not confirm; the error tells of the loss */
    } else if (out->n_acks) {
        hg_outpos_t *last = &out->acks[out->n_acks - 1];
        last->through = b->step;
        last->seq = b->seq;
        last->processed = b->processed;
        last->steps += b->steps;
        last->encode_errors = b->encode_errors;
    } else {
        hg_outpos_t to = { .first = b->first,
                           .through = b->step,
                           .seq = b->seq,
                           .processed = b->processed,
                           .steps = b->steps,
                           .encode_errors = b->encode_errors };
        hg_output_advance(out, &to, 1, false);
        if (!out->type && out->tap.step_done) out->tap.step_done(out->tap.arg, b->step, b->snapshot);
    }
}

static bool block_done(const hg_outblock_t *b)
{
    return b->end || (b->msgs ? b->next == b->n_msgs : b->next == 1);
}

static void cur_done(hg_output_t *out)
{
    hg_outblock_t *b = out->cur;
    out->cur = NULL;
    pthread_mutex_lock(&out->mu);
    out->pending -= b->data.len;
    pthread_mutex_unlock(&out->mu);
    atomic_fetch_sub(&out->host->out_bytes, b->data.len);
    hg_outblock_free(b);
    hg_output_pump(out);
}

/* What cannot be taken back waits until the journal has the step: all of a change stream; of a sink with transactions
 * the end of one; of one without them the data, unless it is cut back at a restart. */
static bool may_finish(hg_output_t *out, const hg_outblock_t *b)
{
    bool by_end = out->type && (out->host->exactly_once || out->type->restore);
    bool final = by_end ? b->end && b->wrote : !b->end || out->tap.step_done;
    return !final || hg_output_may_end(out, b->step);
}

static void write_some(hg_output_t *out)
{
    if (out->writing) return;
    out->writing = true;
    while (out->ready && !out->eagain && !out->close_called && !out->stop_called) {
        pthread_mutex_lock(&out->mu);
        bool over = out->failed || out->now;
        if (!over && !out->cur && !hg_list_empty(&out->blocks))
            out->cur = HG_ENTRY(hg_list_pop(&out->blocks), hg_outblock_t, link);
        pthread_mutex_unlock(&out->mu);
        if (over || !out->cur) break;
        if (!may_finish(out, out->cur)) break;
        if (out->cur->end)
            end_step(out, out->cur);
        else if (!write_block(out, out->cur))
            out->eagain = true;
        if (block_done(out->cur)) cur_done(out);
    }
    out->writing = false;
}

/* Nothing of what is queued or encoded will be written any more. */
static void drop_blocks(hg_output_t *out)
{
    hg_list_t blocks, items;
    size_t n = 0;
    hg_list_init(&blocks);
    hg_list_init(&items);
    if (out->cur) cur_done(out);
    pthread_mutex_lock(&out->mu);
    for (hg_list_t *it; (it = hg_list_pop(&out->blocks)) != NULL;) {
        n += HG_ENTRY(it, hg_outblock_t, link)->data.len;
        hg_list_add_tail(&blocks, it);
    }
    for (hg_list_t *it; (it = hg_list_pop(&out->queue)) != NULL;) hg_list_add_tail(&items, it);
    out->pending -= n;
    hg_output_count_kept(out);
    pthread_mutex_unlock(&out->mu);
    atomic_fetch_sub(&out->host->out_bytes, n);
    for (hg_list_t *it; (it = hg_list_pop(&blocks)) != NULL;) hg_outblock_free(HG_ENTRY(it, hg_outblock_t, link));
    for (hg_list_t *it; (it = hg_list_pop(&items)) != NULL;) {
        hg_outitem_t *item = HG_ENTRY(it, hg_outitem_t, link);
        hg_output_uncharge(out, item);
        hg_outitem_free(item);
    }
    hg_output_give_up(out);
    hg_output_pump(out); /* the encode task drops what it holds */
    hg_host_wake(out->host);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void close_instance(hg_output_t *out)
{
    if (out->close_called) return;
    out->close_called = true;
    hg_asker_free(out->asker);
    out->asker = NULL;
    if (out->timer) {
        uv_close((uv_handle_t *)out->timer, free_timer);
        out->timer = NULL;
    }
    if (out->type && out->open_called)
        out->type->close(out);
    else
        hg_out_closed(out);
}

static void run_closed(void *arg)
{
    hg_output_t *out = arg;
    const hg_host_events_t *ev = &out->host->ev;
    uint32_t id = out->id;
    hg_output_drop(out);
    if (ev->output_closed) ev->output_closed(ev->arg, id);
}

void hg_out_closed(hg_output_t *out)
{
    HG_ON_LOOP(out->loop);
    if (HG_NEVER(out->closed)) return;
    out->closed = true;
    hg_output_give_up(out);
    if (!out->type && out->tap.closed) out->tap.closed(out->tap.arg);
    check_stop(out);
}

/* [L] */
static void check_stop(hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    bool stopping = out->stopping, over = out->failed || out->now, gone = out->closed;
    bool idle = !out->encoding && !out->item && !out->buffer && !out->cur && hg_list_empty(&out->queue) &&
                hg_list_empty(&out->blocks);
    /* the encode task still posts to this loop: its post brings us back; and none begins any more from here on */
    bool tell = stopping && gone && !out->closed_sent && !out->encoding;
    if (tell) out->closed_sent = true;
    pthread_mutex_unlock(&out->mu);
    if (tell) hg_loop_post(out->host->control, run_closed, hg_output_retain(out));
    if (!stopping || gone) return; /* who was told may have freed it */
    /* also behind a stop that drains: a sink that is down would make it wait for ever */
    if (over) {
        if (!out->stop_called || !out->close_called) drop_blocks(out);
        out->stop_called = true;
        close_instance(out);
        return;
    }
    if (out->stop_called || !idle || out->n_acks) return;
    out->stop_called = true;
    if (out->type && out->start_called && !out->close_called)
        out->type->stop(out);
    else
        close_instance(out);
}

void hg_out_stopped(hg_output_t *out)
{
    HG_ON_LOOP(out->loop);
    close_instance(out);
}

static void fail_on_loop(void *arg)
{
    hg_output_t *out = arg;
    drop_blocks(out);
    close_instance(out);
    hg_output_drop(out);
}

typedef struct {
    hg_output_t *out;
    hg_err_t err;
} failed_t;

static void run_failed(void *arg)
{
    failed_t *f = arg;
    const hg_host_events_t *ev = &f->out->host->ev;
    if (ev->output_failed) ev->output_failed(ev->arg, f->out->id, &f->err);
    hg_output_drop(f->out);
    hg_free(f);
}

static void tell_failed(hg_output_t *out, const hg_err_t *err)
{
    failed_t *f = HG_NEW(failed_t);
    *f = (failed_t){ hg_output_retain(out), *err };
    hg_loop_post(out->host->control, run_failed, f);
}

void hg_output_fail(hg_output_t *out, const char *tag, const hg_err_t *whole)
{
    const hg_err_t told = hg_hide_err(whole), *err = &told;
    pthread_mutex_lock(&out->mu);
    bool first = !out->failed;
    out->failed = true;
    if (first) out->holds = out->keeps && !out->muted && !out->stopping && !out->now && !hg_output_owes_snapshot(out);
    if (out->holds) hg_output_count_kept(out); /* what it owes, from now on: the queue goes only on the loop */
    out->n_transport_errors++;
    hg_errlist_add(&out->transport_errors, tag, hg_strz(err->msg));
    if (first) snprintf(out->fatal, sizeof out->fatal, "%s", err->msg);
    if (!out->holds) atomic_store(&out->delivered, UINT64_MAX - 1);
    pthread_mutex_unlock(&out->mu);
    hg_log(HG_LOG_ERROR, "output", out->name, "failed", "tag=%s message=\"%s\"", tag, err->msg);
    /* not from inside the transport's own call */
    if (first) hg_loop_post(out->loop, fail_on_loop, hg_output_retain(out));
    if (first && out->type) tell_failed(out, err);
}

/* --- the encoder's questions --- */

static void ask_quiet(void *arg)
{
    hg_output_t *out = arg;
    pthread_mutex_lock(&out->mu);
    out->asking = false;
    pthread_mutex_unlock(&out->mu);
    hg_output_pump(out);
}

static void ask_trouble(void *arg, const hg_err_t *err, uint64_t ms)
{
    hg_out_error(arg, "schema_registry", err);
    hg_out_retries_in(arg, ms);
}

static void ask_failed(void *arg, const hg_err_t *err)
{
    hg_output_fail(arg, "schema_registry", err);
}

static void ask_healthy(void *arg)
{
    hg_out_healthy(arg);
}

static void ask(hg_output_t *out)
{
    const hg_asker_ops_t ops = { .ask = out->format->encoder_ask,
                                 .answer = out->format->encoder_answer,
                                 .obj = out->encoder,
                                 .quiet = ask_quiet,
                                 .trouble = ask_trouble,
                                 .failed = ask_failed,
                                 .healthy = ask_healthy,
                                 .arg = out };
    out->asker = hg_asker_new(out->loop, &ops);
    hg_asker_pump(out->asker);
}

/* --- commands --- */

void hg_output_cmd_start(void *arg)
{
    hg_output_t *out = arg;
    hg_err_t err = HG_ERR_INIT;
    if (out->start_called || out->close_called || out->stop_called) {
        hg_output_drop(out);
        return;
    }
    if (!out->type) {
        out->start_called = true;
        hg_out_ready(out);
        hg_output_drop(out);
        return;
    }
    out->open_called = true;
    int rc = out->type->open(out, &err);
    if (rc < 0) {
        hg_output_fail(out, "open", &err);
    } else {
        out->start_called = true;
        if (out->restored && out->type->restore && out->type->restore(out, out->restore_position, &err) < 0) {
            hg_output_fail(out, "restore", &err);
            hg_output_drop(out);
            return;
        }
        rc = out->type->start(out, &err);
        if (rc < 0) hg_output_fail(out, "start", &err);
        if (rc >= 0 && out->asking) ask(out);
    }
    hg_output_drop(out);
}

void hg_output_cmd_stop(void *arg)
{
    hg_output_t *out = arg;
    write_some(out);
    check_stop(out);
    hg_output_drop(out);
}

static void on_timer(uv_timer_t *t)
{
    hg_output_t *out = t->data;
    pthread_mutex_lock(&out->mu);
    out->flush_due = true;
    pthread_mutex_unlock(&out->mu);
    hg_output_pump(out);
}

static void arm_on_loop(void *arg)
{
    hg_output_t *out = arg;
    if (!out->close_called) {
        if (!out->timer) {
            out->timer = HG_NEW(uv_timer_t);
            uv_timer_init(hg_loop_uv(out->loop), out->timer);
            out->timer->data = out;
        }
        uv_timer_start(out->timer, on_timer, out->buffer_ms, 0);
    }
    hg_output_drop(out);
}

void hg_output_arm_timer(hg_output_t *out)
{
    hg_loop_post(out->loop, arm_on_loop, hg_output_retain(out));
}

/* --- services to the transport --- */

const void *hg_out_cfg(const hg_output_t *out)
{
    return out->cfg;
}
void *hg_out_inst(hg_output_t *out)
{
    return out->inst;
}
hg_loop_t *hg_out_loop(const hg_output_t *out)
{
    return out->loop;
}
const char *hg_out_op(const hg_output_t *out)
{
    return out->op;
}
const char *hg_out_name(const hg_output_t *out)
{
    return out->name;
}
const hg_schema_t *hg_out_schema(const hg_output_t *out)
{
    return out->schema;
}
const uint32_t *hg_out_key(const hg_output_t *out, uint32_t *ret_n)
{
    *ret_n = out->n_key;
    return out->key;
}
const char *hg_out_durable_id(const hg_output_t *out)
{
    return out->durable_id;
}
uint64_t hg_out_life(const hg_output_t *out)
{
    return out->life;
}
bool hg_out_keeps(const hg_output_t *out)
{
    return out->keeps;
}
bool hg_out_exactly_once(const hg_output_t *out)
{
    return out->host->exactly_once;
}

void hg_out_resume(hg_output_t *out, uint64_t step)
{
    HG_ON_LOOP(out->loop);
    pthread_mutex_lock(&out->mu);
    if (step > out->resume) out->resume = step;
    pthread_mutex_unlock(&out->mu);
}

void hg_out_ready(hg_output_t *out)
{
    HG_ON_LOOP(out->loop);
    out->ready = true;
    pthread_mutex_lock(&out->mu);
    out->gated = false;
    pthread_mutex_unlock(&out->mu);
    hg_out_healthy(out);
    hg_output_pump(out);
    hg_output_write_post(out); /* not from inside the transport's call */
}

void hg_out_drained(hg_output_t *out)
{
    HG_ON_LOOP(out->loop);
    out->eagain = false;
    hg_output_write_post(out);
}

void hg_tap_more(hg_output_t *out)
{
    hg_out_drained(out);
}

void hg_out_delivered(hg_output_t *out, uint64_t step)
{
    HG_ON_LOOP(out->loop);
    uint32_t n = 0;
    if (out->ending) {
        out->confirmed = true;
        out->confirmed_step = step;
        return;
    }
    while (n < out->n_acks && out->acks[n].step <= step) n++;
    if (!n) return;
    hg_output_advance(out, out->acks, n, true);
    out->n_acks -= n;
    memmove(out->acks, out->acks + n, sizeof(hg_outpos_t) * out->n_acks);
    if (!out->n_acks) hg_output_write_post(out); /* a stop may wait for this */
}

void hg_out_error(hg_output_t *out, const char *tag, const hg_err_t *whole)
{
    const hg_err_t told = hg_hide_err(whole), *err = &told;
    HG_ON_LOOP(out->loop);
    if (err->fatal) {
        hg_output_fail(out, tag, err);
        return;
    }
    pthread_mutex_lock(&out->mu);
    out->n_transport_errors++;
    hg_errlist_add(&out->transport_errors, tag, hg_strz(err->msg));
    if (err->retry) hg_health_bad(&out->health, err->msg);
    pthread_mutex_unlock(&out->mu);
    hg_log(HG_LOG_WARN, "output", out->name, tag, "message=\"%s\"", err->msg);
}

void hg_out_retries_in(hg_output_t *out, uint64_t ms)
{
    pthread_mutex_lock(&out->mu);
    hg_health_next(&out->health, ms);
    pthread_mutex_unlock(&out->mu);
}

void hg_out_retries_within(hg_output_t *out, uint64_t ms)
{
    pthread_mutex_lock(&out->mu);
    hg_health_within(&out->health, ms);
    pthread_mutex_unlock(&out->mu);
}

void hg_out_healthy(hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    hg_health_good(&out->health);
    pthread_mutex_unlock(&out->mu);
}

void hg_out_work(hg_output_t *out, void (*work)(void *arg, unsigned worker), void (*done)(void *arg), void *arg)
{
    hg_pool_submit(out->host->pool, work, done, out->loop, arg);
}
