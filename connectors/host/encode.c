/* encode.c: the pool's side of an output: takes steps from the queue in order, merges them in the output buffer where
 * that is on, encodes them piece by piece into blocks.
 *
 * At most one encode task per output is under way (out->encoding, under out->mu), which is what keeps steps in order
 * and makes the [e] fields private to it. The task ends when there is nothing to do or HG_OUT_PENDING bytes wait to be
 * written; the writer starts it again.
 */
#include "base/hg.h"
#include "connectors/host/output_int.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/json_scan.h"

/* [m] */
static bool must_flush(const hg_output_t *out)
{
    if (!out->buffer) return false;
    if (out->flush_due || out->stopping) return true;
    if (hg_list_empty(&out->queue)) return out->buffer->step == out->flush_at;
    const hg_outitem_t *next = HG_ENTRY(out->queue.next, hg_outitem_t, link);
    return next->snapshot || next->group || (out->buffer->step <= out->flush_at && next->step > out->flush_at);
}

/* [m] The next step has nothing to encode: it needs no answer, and who waits for its delivery none either. */
static bool only_progress(const hg_output_t *out)
{
    return !hg_list_empty(&out->queue) && !hg_outitem_has_rows(HG_ENTRY(out->queue.next, hg_outitem_t, link));
}

/* [m] */
static bool has_work(const hg_output_t *out)
{
    if (out->failed || out->now) return out->item || out->buffer;
    if (out->gated) return false;
    if (out->asking && !only_progress(out)) return false;
    return out->pending < HG_OUT_PENDING && (out->item || !hg_list_empty(&out->queue) || must_flush(out));
}

static void append_block(hg_output_t *out, hg_outblock_t *b)
{
    size_t n = b->data.len;
    atomic_fetch_add(&out->host->out_bytes, n);
    pthread_mutex_lock(&out->mu);
    out->pending += n;
    hg_list_add_tail(&out->blocks, &b->link);
    pthread_mutex_unlock(&out->mu);
}

static hg_outblock_t *block_new(hg_output_t *out)
{
    hg_outblock_t *b = HG_NEW(hg_outblock_t);
    hg_list_init(&b->link);
    hg_buf_init(&b->data, HG_BUF_NOMAX);
    b->step = out->item->step;
    b->snapshot = out->item->snapshot;
    b->dropped = out->item->dropped;
    return b;
}

static void seal_messages(hg_output_t *out)
{
    hg_outblock_t *b = out->fill;
    out->fill = NULL;
    if (b) append_block(out, b);
}

/* n records were left out, or (n = 1) all that was left of a step. */
static void encode_error(hg_output_t *out, const hg_err_t *err, uint64_t n)
{
    pthread_mutex_lock(&out->mu);
    out->n_encode_errors += n;
    hg_errlist_add_many(&out->encode_errors, "encode", hg_strz(err->msg), n);
    pthread_mutex_unlock(&out->mu);
    hg_log(HG_LOG_WARN, "output", out->name, "encode_error", "step=%" PRIu64 " records=%" PRIu64 " message=\"%s\"",
           out->item->step, n, err->msg);
}

static void not_transformed(void *arg, hg_str_t record, const hg_err_t *err)
{
    (void)record;
    encode_error(arg, err, 1);
}

/* What the transforms make of the encoder's bytes takes their place. */
static int shape(hg_output_t *out, hg_buf_t *bytes, hg_err_t *err)
{
    hg_str_t text;
    if (!out->shaper || bytes->len == 0) return 0;
    int rc = hg_js_pad(bytes);
    if (rc == 0) rc = hg_shape(out->shaper, hg_buf_str(bytes), not_transformed, out, &text);
    hg_buf_clear(bytes);
    if (rc == 0) rc = hg_buf_addstr(bytes, text);
    return rc < 0 ? hg_err_set(err, (hg_code_t)rc, "no memory for the transforms of '%s'", out->name) : 0;
}

/* The encoder has one message ready: it goes behind the others of the block, so messages cost no allocation each. */
static int on_message(hg_encode_sink_t *sink, uint32_t n_records, hg_err_t *err)
{
    hg_output_t *out = sink->arg;
    bool some = sink->buf->len > 0;
    int rc = shape(out, sink->buf, err);
    if (rc < 0) return rc;
    if (some && sink->buf->len == 0) { /* all of it was left out */
        hg_buf_clear(sink->key);
        sink->op = NULL;
        return 0;
    }
    if (!out->fill) out->fill = block_new(out);
    hg_outblock_t *b = out->fill;
    if (b->n_msgs == b->cap_msgs) {
        b->cap_msgs = b->cap_msgs ? b->cap_msgs * 2 : 64;
        b->msgs = hg_xgrow(b->msgs, sizeof(hg_outmsg_t) * b->cap_msgs);
    }
    hg_outmsg_t m = { .key_off = b->data.len,
                      .key_len = sink->key->len,
                      .records = n_records,
                      .has_key = sink->key->len > 0,
                      .op = sink->op };
    sink->op = NULL;
    m.off = m.key_off + m.key_len;
    m.len = sink->buf->len;
    rc = hg_buf_addstr(&b->data, hg_buf_str(sink->key));
    if (rc == 0) rc = hg_buf_addstr(&b->data, hg_buf_str(sink->buf));
    hg_buf_clear(sink->key);
    hg_buf_clear(sink->buf);
    if (rc < 0) return hg_err_set(err, (hg_code_t)rc, "no memory for an encoded message of %zu bytes", m.len);
    b->msgs[b->n_msgs++] = m;
    b->records += n_records;
    out->wrote = true;
    if (b->data.len >= HG_OUT_BLOCK) seal_messages(out);
    return 0;
}

/* Calls encode with the next piece of the step, or encode_end (`over`), and makes a block of the bytes. */
static int encode_part(hg_output_t *out, const hg_delta_t *piece, bool over, hg_err_t *err)
{
    bool messages = out->format->messages && (!out->type || out->type->messages);
    hg_encode_sink_t sink = {
        .buf = &out->out_buf, .key = &out->key_buf, .message = messages ? on_message : NULL, .arg = out
    };
    hg_buf_clear(&out->out_buf);
    hg_buf_clear(&out->key_buf);
    int rc =
        over ? out->format->encode_end(out->encoder, &sink, err) : out->format->encode(out->encoder, piece, &sink, err);
    if (sink.left_out) encode_error(out, &sink.why, sink.left_out);
    if (rc == 0) rc = shape(out, &out->out_buf, err);
    if (rc < 0 || out->out_buf.len == 0) return rc;
    hg_outblock_t *b = block_new(out);
    b->records = sink.records;
    b->data = out->out_buf;
    hg_buf_init(&out->out_buf, HG_BUF_NOMAX);
    out->wrote = true;
    append_block(out, b);
    return 0;
}

static int encode_piece(hg_output_t *out, hg_err_t *err)
{
    hg_delta_t piece;
    int rc = hg_slicer_next(&out->slicer, out->slice_rows, &piece, err);
    if (rc < 0) return rc;
    if (piece.n) rc = encode_part(out, &piece, false, err);
    hg_delta_release(&piece);
    return rc;
}

static void append_end(hg_output_t *out, const hg_outitem_t *it)
{
    hg_outblock_t *b = block_new(out);
    b->end = true;
    b->wrote = out->wrote;
    b->first = it->first;
    b->seq = it->seq;
    b->processed = it->processed;
    b->steps = it->steps;
    pthread_mutex_lock(&out->mu);
    b->encode_errors = out->n_encode_errors;
    pthread_mutex_unlock(&out->mu);
    out->wrote = false;
    append_block(out, b);
}

/* What cannot be encoded is left out. What there was no memory for is another matter: the output fails, and owes it. */
static void not_encoded(hg_output_t *out, int rc, hg_err_t *err)
{
    if (!err->code) hg_err_set(err, (hg_code_t)rc, rc == HG_ENOMEM ? "no memory to encode a batch" : "not encoded");
    if (rc == HG_ENOMEM)
        hg_output_fail(out, "encode", err);
    else
        encode_error(out, err, 1);
}

static void end_item(hg_output_t *out)
{
    hg_outitem_t *it = out->item;
    hg_err_t err = HG_ERR_INIT;
    bool keeps = out->format && out->format->encode_end && !it->more;
    int rc = keeps ? encode_part(out, NULL, true, &err) : 0;
    if (rc < 0) not_encoded(out, rc, &err);
    if (rc == HG_ENOMEM) return; /* before the batch is ended */
    seal_messages(out);
    out->goes_on = it->more;
    if (!it->more) append_end(out, it);
    out->item = NULL;
    out->slicer.delta = NULL;
    hg_output_uncharge(out, it);
    hg_outitem_free(it);
}

static void begin_item(hg_output_t *out, hg_outitem_t *it)
{
    uint64_t row = it->records ? it->mem / it->records + 1 : 1;
    out->item = it;
    if (!out->goes_on) out->wrote = false;
    out->goes_on = false;
    out->slice_rows = (uint32_t)HG_MAX(HG_MIN(HG_OUT_BLOCK / row, (uint64_t)HG_OUT_SLICE_ROWS), (uint64_t)1);
    if (!hg_outitem_has_rows(it)) return;
    if (!out->format) { /* takes deltas for nothing: only counted */
        hg_outblock_t *b = block_new(out);
        b->records = it->records;
        out->wrote = true;
        append_block(out, b);
        hg_delta_release(&it->delta);
        it->group_over = true;
        return;
    }
    if (!it->group) hg_slicer_init(&out->slicer, &it->delta, out->whole);
}

/* The next piece of a group becomes the item's delta. What it cannot give would be missing in the middle of a batch:
 * the output fails before the batch is ended. */
static void next_piece(hg_output_t *out)
{
    hg_outitem_t *it = out->item;
    hg_err_t err = HG_ERR_INIT;
    hg_delta_release(&it->delta);
    out->slicer.delta = NULL;
    if (it->group->next(it->group, &it->group_at, &it->delta, &err) < 0) {
        it->group->lost(it->group, &err);
        hg_output_fail(out, "transaction", &err);
        return;
    }
    it->group_over = it->delta.n == 0;
    if (!it->group_over) hg_slicer_init(&out->slicer, &it->delta, out->whole);
}

/* --- the output buffer --- */

static void set_buffered(hg_output_t *out)
{
    hg_outitem_t *b = out->buffer;
    pthread_mutex_lock(&out->mu);
    out->buffered_records = b ? b->records : 0;
    out->buffered_batches = b && b->records ? 1 : 0;
    out->buffer_mem = b ? b->mem : 0;
    pthread_mutex_unlock(&out->mu);
}

static void consolidate(hg_output_t *out)
{
    hg_outitem_t *b = out->buffer;
    hg_delta_t net = { 0 };
    hg_err_t err = HG_ERR_INIT;
    if (hg_delta_consolidate(&b->delta, out->types, out->schema->n_cols, &net, &err) < 0) {
        /* correct as it is, only longer: goes out unconsolidated */
        hg_log(HG_LOG_WARN, "output", out->name, "consolidate", "message=\"%s\"", err.msg);
        return;
    }
    hg_delta_release(&b->delta);
    b->delta = net;
    b->records = hg_delta_rows(&net);
    b->mem = 0;
    for (uint32_t i = 0; i < net.n; i++) b->mem += hg_batch_mem(net.parts[i]->batch);
}

/* Takes it. Returns true if the buffer is to be flushed now. */
static bool merge(hg_output_t *out, hg_outitem_t *it)
{
    hg_outitem_t *b = out->buffer;
    uint64_t mem = it->mem;
    hg_output_uncharge(out, it);
    hg_output_kept_buffered(out, it);
    if (!b) {
        b = out->buffer = HG_NEW(hg_outitem_t);
        hg_list_init(&b->link);
        b->first = it->first;
        b->first_seq = it->first_seq;
        out->consolidate_at = out->buffer_records;
        if (out->buffer_ms != UINT64_MAX) hg_output_arm_timer(out);
    }
    b->step = it->step;
    b->seq = it->seq;
    b->processed = it->processed;
    b->steps += it->steps;
    b->records += it->records;
    b->mem += mem;
    for (uint32_t i = 0; i < it->delta.n; i++) (void)hg_delta_add(&b->delta, hg_part_retain(it->delta.parts[i]));
    hg_outitem_free(it);
    if (b->records >= out->consolidate_at) {
        consolidate(out);
        out->consolidate_at = HG_MAX(out->buffer_records, b->records * 2);
        set_buffered(out);
        return b->records >= out->buffer_records;
    }
    set_buffered(out);
    return false;
}

static void flush(hg_output_t *out)
{
    consolidate(out);
    hg_outitem_t *b = out->buffer;
    out->buffer = NULL;
    pthread_mutex_lock(&out->mu);
    out->flush_due = false;
    if (out->paused) {
        hg_output_unkeep(out, b->first_seq, b->seq);
        hg_delta_release(&b->delta);
        b->records = 0;
    }
    pthread_mutex_unlock(&out->mu);
    set_buffered(out);
    begin_item(out, b);
}

/* --- the task --- */

/* [m] The next step, or NULL. Accounts for it as dequeued. */
static hg_outitem_t *dequeue(hg_output_t *out, bool *wake)
{
    hg_list_t *n = hg_list_pop(&out->queue);
    if (!n) return NULL;
    hg_outitem_t *it = HG_ENTRY(n, hg_outitem_t, link);
    out->queued_records -= it->records;
    if (hg_outitem_has_rows(it)) out->queued_batches--;
    if (it->step <= out->resume) { /* the sink has it from an earlier run */
        hg_output_uncharge(out, it);
        hg_delta_release(&it->delta);
        hg_group_drop(it->group);
        it->group = NULL;
        it->records = 0;
    }
    *wake = out->full_told;
    out->full_told = false;
    return it;
}

static void start_next(hg_output_t *out, hg_outitem_t *it)
{
    if (out->buffering && !it->snapshot && !it->group && (it->delta.n || out->buffer)) {
        if (merge(out, it)) flush(out);
        return;
    }
    begin_item(out, it);
}

static void drop_all(hg_output_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    if (out->format && out->format->encode_end) (void)out->format->encode_end(out->encoder, NULL, &err);
    if (out->item) hg_output_uncharge(out, out->item);
    hg_outitem_free(out->item);
    hg_outitem_free(out->buffer);
    hg_outblock_free(out->fill);
    out->item = out->buffer = NULL;
    out->fill = NULL;
    out->slicer.delta = NULL;
}

static void encode_task(void *arg, unsigned worker)
{
    hg_output_t *out = arg;
    (void)worker;
    for (;;) {
        hg_outitem_t *it = NULL;
        bool wake = false, flushing = false;
        pthread_mutex_lock(&out->mu);
        if (out->failed || out->now) drop_all(out);
        if (!has_work(out)) {
            out->encoding = false;
            hg_output_write_notify(out); /* inside the lock: without `encoding` the loop may be gone at any time */
            pthread_mutex_unlock(&out->mu);
            break;
        }
        if (!out->item) {
            flushing = must_flush(out);
            if (!flushing) it = dequeue(out, &wake);
        }
        pthread_mutex_unlock(&out->mu);
        if (wake) hg_host_wake(out->host);
        if (flushing) flush(out);
        if (it) start_next(out, it);
        if (!out->item) continue;
        hg_err_t err = HG_ERR_INIT;
        it = out->item;
        if (it->group && !it->group_over && !hg_slicer_more(&out->slicer)) {
            next_piece(out);
            continue;
        }
        int rc = hg_slicer_more(&out->slicer) ? encode_piece(out, &err) : 0;
        if (rc < 0) not_encoded(out, rc, &err);
        if (rc == HG_ENOMEM) continue;
        if (rc < 0) {
            out->slicer.delta = NULL; /* the rest of this batch is dropped */
            it->group_over = true;
        }
        if (!hg_slicer_more(&out->slicer) && (!it->group || it->group_over)) end_item(out);
    }
    hg_output_drop(out);
}

void hg_output_pump(hg_output_t *out)
{
    pthread_mutex_lock(&out->mu);
    bool start = !out->encoding && !out->closed_sent && has_work(out);
    if (start) out->encoding = true;
    pthread_mutex_unlock(&out->mu);
    if (start) hg_pool_submit(out->host->pool, encode_task, NULL, NULL, hg_output_retain(out));
}
