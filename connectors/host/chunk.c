/* chunk.c: what was cut becomes a chunk: parsed in parallel, released in the order of the cuts.
 *
 *   the lane's fifo ─► pool: hg_job_parse ─► release (head first) ─► the input's ready list
 *
 * Threads. Parsing runs on the pool, one job at a time per thread, with that thread's scratch. Release runs on
 * whichever pool thread finished the head of the lane's fifo, under in->mu: so chunks of one lane leave in order, and
 * counters have one guard. A chunk that is lost takes all behind it along: the input fails, unless it was a body of its
 * own. A chunk whose format has a question (a schema that it does not know) waits for the answer outside of the pool
 * (input_ask.c) and is parsed again.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/mem.h"
#include <xxhash.h>

hg_job_t *hg_job_new(hg_input_t *in, hg_lane_t *lane)
{
    hg_job_t *j = HG_NEW(hg_job_t);
    hg_list_init(&j->link);
    hg_list_init(&j->park);
    j->pub.in = hg_input_retain(in);
    j->pub.conn = in->conn;
    j->lane = lane;
    j->pub.lane_key = lane ? lane->key : 0;
    j->supersedes = lane && lane->supersedes;
    return j;
}

static void drop_errors(hg_job_t *j)
{
    for (uint64_t i = 0; j->errors && i < HG_MIN(j->n_errors, (uint64_t)(2 * HG_CHUNK_ERRORS)); i++)
        hg_free(j->errors[i]);
    hg_free(j->errors);
    j->errors = NULL;
    j->n_errors = 0;
}

void hg_job_free(hg_job_t *j)
{
    hg_input_t *in = j->pub.in;
    hg_host_buf_put(in->host, j->buf, j->cap);
    hg_change_drop(j->pub.change);
    drop_errors(j);
    hg_errlist_release(&j->told);
    hg_free(j->msgs);
    hg_free((void *)(uintptr_t)j->pub.start.p);
    hg_free((void *)(uintptr_t)j->pub.after.p);
    hg_free(j->fail);
    hg_free(j);
    hg_input_drop(in);
}

void hg_job_drop(hg_job_t *j)
{
    hg_host_t *h = j->pub.in->host;
    uint64_t charge = j->charge;
    hg_job_free(j);
    hg_budget_job_done(h, charge);
}

/* --- parsing: pool threads --- */

static void job_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    hg_job_t *j = out->arg;
    if (!j->errors) j->errors = HG_NEWN(hg_perr_t *, 2 * HG_CHUNK_ERRORS);
    uint64_t i = j->n_errors++;
    if (i >= 2 * HG_CHUNK_ERRORS) i = HG_CHUNK_ERRORS + i % HG_CHUNK_ERRORS;
    char where[320];
    const char *name = j->msgs && j->lane ? j->lane->name : NULL;
    if (name) snprintf(where, sizeof where, "%s@%" PRIu64, name, j->msgs[j->at_msg].pos);
    hg_free(j->errors[i]);
    j->errors[i] = hg_perr_copy(e, e->event ? j->events + e->event : 0, name ? where : NULL);
}

/* soft_delete: the rows stay as what they are. */
static void keep_deleted(hg_changeb_t *b)
{
    b->plain = true;
    for (uint32_t i = 0; i < b->len; i++) {
        if (b->ops[i] == HG_OP_DELETE) b->ops[i] = HG_OP_INSERT;
        b->plain = b->plain && b->ops[i] == HG_OP_INSERT;
    }
}

static int fill_hash(hg_input_t *in, hg_change_t *c)
{
    const hg_schema_t *s = in->table.schema;
    hg_col_t *few[16], **cols = few;
    if (!s->n_key || c->hash) return 0;
    if (s->n_key > HG_COUNT(few)) cols = HG_NEWN(hg_col_t *, s->n_key);
    for (uint32_t i = 0; i < s->n_key; i++) cols[i] = c->rows->cols[s->key[i]];
    c->hash = hg_trynew(sizeof(uint64_t) * c->rows->n_rows);
    if (c->hash) hg_hash_rows(in->table.hashkey, cols, s->n_key, NULL, c->rows->n_rows, c->hash);
    if (cols != few) hg_free(cols);
    return c->hash ? 0 : HG_ENOMEM;
}

static void not_transformed(void *arg, hg_str_t record, const hg_err_t *err)
{
    hg_parse_out_t *out = arg;
    const hg_parse_error_t e = { .tag = "transform_err",
                                 .text = { record.p, HG_MIN(record.n, (size_t)4096) },
                                 .description = err->msg };
    out->error(out, &e);
}

/* What the parser gets of these bytes. */
static int shape(hg_job_t *j, hg_shaper_t *shaper, hg_str_t *text, hg_parse_out_t *out, hg_err_t *err)
{
    if (!shaper || hg_shape(shaper, *text, not_transformed, out, text) == 0) return 0;
    return hg_err_set(err, HG_ENOMEM, "no memory for the transforms of '%s'", j->pub.in->name);
}

static int parse_bytes(hg_job_t *j, void *scratch, hg_shaper_t *shaper, hg_parse_out_t *out, hg_err_t *err)
{
    hg_input_t *in = j->pub.in;
    if (!j->msgs) {
        hg_str_t text = { j->buf, j->len };
        int rc = shape(j, shaper, &text, out, err);
        if (rc == 0) rc = in->format->parse(in->parser, scratch, text.p, text.n, j->first, out, err);
        j->events += out->events;
        return rc;
    }
    hg_metadata_t *meta = NULL;
    int rc = hg_metadata_new(j, out->changes.cols, &meta, err);
    for (uint32_t i = 0; i < j->n_msgs && rc >= 0; i++) { /* each message is a document of its own */
        out->events = 0;
        j->at_msg = i;
        hg_metadata_at(meta, i);
        hg_str_t text = { j->buf + j->msgs[i].off, j->msgs[i].len };
        rc = shape(j, shaper, &text, out, err);
        if (rc == 0) rc = in->format->parse(in->parser, scratch, text.p, text.n, true, out, err);
        j->events += out->events;
    }
    hg_metadata_free(meta, out->changes.cols);
    return rc < 0 ? rc : 0;
}

static void set_fail(hg_job_t *j, int rc, const char *msg)
{
    j->rc = rc;
    j->fail = hg_xstrdup(msg);
}

static void put_u32(char *p, uint64_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (8 * i) & 0xff);
}

/* hg_chunk_t.raw: behind the bytes a mark; before it, of messages, where they are (hg_push_replay reads it). */
static int keep_raw(hg_job_t *j)
{
    hg_host_t *h = j->pub.in->host;
    size_t table = j->msgs ? 8 * (size_t)j->n_msgs + 4 : 0, need = j->len + table + 1;
    if (j->cap < need) {
        char *p = hg_host_buf_get(h, need);
        if (!p) return HG_ENOMEM;
        memcpy(p, j->buf, j->len);
        hg_host_buf_put(h, j->buf, j->cap);
        j->buf = p;
        j->cap = need;
    }
    char *at = j->buf + j->len;
    for (uint32_t i = 0; i < j->n_msgs; i++, at += 8) {
        put_u32(at, j->msgs[i].off);
        put_u32(at + 4, j->msgs[i].len);
    }
    if (j->msgs) put_u32(at, j->n_msgs);
    j->buf[need - 1] = j->msgs ? HG_PAYLOAD_MSGS : j->first ? HG_PAYLOAD_FIRST : HG_PAYLOAD_LATER;
    j->pub.raw = (hg_str_t){ j->buf, need };
    return 0;
}

/* HG_EAGAIN: not parsed, the format has a question first. */
static int parse_raw(hg_job_t *j, unsigned worker)
{
    hg_input_t *in = j->pub.in;
    hg_host_t *h = in->host;
    hg_err_t err = HG_ERR_INIT;
    hg_parse_out_t out = { .error = job_error, .arg = j, .index = j->lane->index, .at = j->pub.ranges[0].begin };
    if (!in->scratch[worker] && in->format->scratch_new) in->scratch[worker] = in->format->scratch_new(in->parser);
    if (in->transforms && !in->shapers[worker])
        in->shapers[worker] = hg_shaper_new(in->transforms, in->transforms_by_line);
    hg_changeb_init(&out.changes, in->table.schema);
    uint32_t hint = atomic_load_explicit(&in->row_hint, memory_order_relaxed);
    int rc = 0;
    for (uint32_t i = 0; hint && rc == 0 && i < in->table.schema->n_cols; i++)
        rc = hg_colb_reserve(&out.changes.cols[i], hint, 0);
    if (rc == 0)
        rc = parse_bytes(j, in->scratch[worker], in->transforms ? in->shapers[worker] : NULL, &out, &err);
    else
        hg_err_set(&err, rc, "no memory for the columns of a chunk");
    if (rc < 0) {
        hg_changeb_release(&out.changes);
        if (rc == HG_EAGAIN) {
            j->events = 0;
            drop_errors(j);
        } else {
            set_fail(j, rc, err.msg[0] ? err.msg : "no memory to parse a chunk");
        }
        return rc;
    }
    if (h->journal) j->pub.raw_hash = XXH3_64bits(j->buf, j->len);
    j->pub.bytes = out.bytes;
    if (in->soft_delete && !out.changes.plain) keep_deleted(&out.changes);
    j->pub.change = hg_changeb_seal(&out.changes);
    hg_changeb_release(&out.changes);
    if (j->events)
        atomic_store_explicit(&in->avg_record, (uint32_t)HG_MIN(j->len / j->events + 1, (size_t)UINT32_MAX),
                              memory_order_relaxed);
    if (h->keep_payload && (in->keep_raw || !in->type)) {
        if (keep_raw(j) < 0) set_fail(j, HG_ENOMEM, "no memory for what the journal keeps of a chunk");
    } else {
        hg_host_buf_put(h, j->buf, j->cap);
        j->buf = NULL;
    }
    if (!j->pub.change) return 0;
    atomic_store_explicit(&in->row_hint, HG_MIN(j->pub.change->rows->n_rows, 1u << 16), memory_order_relaxed);
    j->charge = hg_batch_mem(j->pub.change->rows);
    hg_budget_charge(h, j->charge);
    return 0;
}

static void release(hg_job_t *j);

/* Of a batch that came as rows: its cells, its operations and which cells were present. */
static int hash_change(hg_job_t *j)
{
    const hg_change_t *c = j->pub.change;
    uint32_t n = c->rows->n_rows, n_cols = c->rows->n_cols;
    uint64_t *rows = hg_trynew(sizeof *rows * HG_MAX(n, 1u));
    if (!rows) return HG_ENOMEM;
    hg_hash_rows((hg_hashkey_t){ 0 }, c->rows->cols, n_cols, NULL, n, rows);
    uint64_t h = XXH3_64bits(rows, sizeof *rows * n);
    if (c->ops) h = XXH3_64bits_withSeed(c->ops, n, h);
    for (uint32_t i = 0; c->present && i < n_cols; i++) {
        for (uint32_t k = 0; k < n; k++) rows[k] = hg_bit_get(c->present[i], k);
        h = XXH3_64bits_withSeed(rows, sizeof *rows * n, h);
    }
    hg_free(rows);
    j->pub.raw_hash = h;
    return 0;
}

void hg_job_parse(void *arg, unsigned worker)
{
    hg_job_t *j = arg;
    hg_input_t *in = j->pub.in;
    if (!atomic_load(&in->dead)) {
        bool given = !j->buf && j->pub.change; /* came as rows */
        hg_err_t err = HG_ERR_INIT;
        if (j->buf && parse_raw(j, worker) == HG_EAGAIN) {
            hg_job_park(j);
            return;
        }
        if (given && in->host->journal && hash_change(j) < 0) set_fail(j, HG_ENOMEM, "no memory for a hash");
        if (j->rc == 0 && j->pub.change && fill_hash(in, j->pub.change) < 0)
            set_fail(j, HG_ENOMEM, "no memory for key hashes");
        if (j->pub.change) j->pub.records = j->pub.change->rows->n_rows;
        if (j->rc == 0 && j->replayed) hg_replay_check(j, &err);
        if (err.code) set_fail(j, err.code, err.msg);
    }
    release(j);
}

/* --- release: in the order of the cuts --- */

/* [m] Errors get their event numbers now that all chunks before are known. */
static void take_errors(hg_input_t *in, hg_job_t *j, uint64_t base)
{
    uint64_t kept = HG_MIN(j->n_errors, (uint64_t)(2 * HG_CHUNK_ERRORS));
    if (j->lane->body) hg_push_job_released(j->lane->body, j);
    for (uint64_t i = 0; i < kept; i++) { /* the ring's oldest first */
        uint64_t at = i < HG_CHUNK_ERRORS || j->n_errors <= 2 * HG_CHUNK_ERRORS
                          ? i
                          : HG_CHUNK_ERRORS + (j->n_errors + i) % HG_CHUNK_ERRORS;
        hg_perr_t *e = j->errors[at];
        if (!e) continue;
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_perr_text(e, e->event ? base + e->event : 0, &text);
        hg_errlist_add(&j->told, e->tag, hg_buf_str(&text));
        hg_buf_release(&text);
    }
    /* the list keeps the newest, its index counts all */
    j->told.index = j->n_errors;
    hg_errlist_append(&in->parse_errors, &j->told);
    in->n_parse_errors += j->n_errors;
}

/* [m] true: the job went to the ready list; false: nobody wants it. */
static bool release_one(hg_input_t *in, hg_job_t *j)
{
    hg_lane_t *l = j->lane;
    uint64_t *events = l->body ? &l->events : &in->events;
    l->inflight--;
    in->inflight--;
    in->inflight_bytes -= j->cut_bytes;
    if (j->rc < 0 || atomic_load(&in->dead)) return false;
    take_errors(in, j, *events);
    *events += j->events;
    j->lane = NULL;
    in->total_records += j->pub.records;
    in->total_bytes += j->pub.bytes;
    in->buffered_records += j->pub.records;
    in->buffered_bytes += j->pub.bytes;
    atomic_fetch_add(&in->host->buffered_records, j->pub.records);
    if (in->n_buffered++ == 0) hg_input_notify(in);
    hg_input_ready_push(in, j);
    return true;
}

static void release(hg_job_t *done)
{
    hg_input_t *in = hg_input_retain(done->pub.in);
    hg_lane_t *l = done->lane;
    hg_list_t *fifo = in->keep_raw ? &in->fifo : &l->fifo;
    hg_push_body_t *body = l->body;
    hg_list_t dropped;
    hg_err_t err = HG_ERR_INIT;
    bool ready = false;
    hg_list_init(&dropped);
    pthread_mutex_lock(&in->mu);
    done->parsed = true;
    while (!hg_list_empty(fifo)) {
        hg_job_t *j = HG_ENTRY(fifo->next, hg_job_t, link);
        hg_lane_t *of = j->lane;
        if (!j->parsed) break;
        hg_list_del(&j->link);
        bool taken = release_one(in, j);
        if (of != l && of->closed && of->inflight == 0) hg_lane_free(of);
        if (taken) {
            ready = true;
            continue;
        }
        if (j->rc < 0 && !err.code) {
            hg_err_set(&err, (hg_code_t)j->rc, "%s", j->fail);
            if (body)
                hg_push_job_released(body, j);
            else
                atomic_store(&in->dead, true); /* a chunk is lost: nothing after it may pass */
        }
        hg_list_add_tail(&dropped, &j->link);
    }
    bool gone = l->closed && l->inflight == 0; /* with one fifo for all lanes some of it may still be there */
    if (gone) hg_lane_free(l);
    hg_queue_release(in);
    bool fails = err.code && !body;
    if (fails) in->inflight++; /* until it is told: without a chunk in flight the input, and its loop, may be gone */
    pthread_mutex_unlock(&in->mu);

    for (hg_list_t *it; (it = hg_list_pop(&dropped)) != NULL;) hg_job_drop(HG_ENTRY(it, hg_job_t, link));
    if (fails) {
        hg_input_fail(in, err.code == HG_EREPLAY ? "replay" : "parser", &err);
        pthread_mutex_lock(&in->mu);
        in->inflight--;
        pthread_mutex_unlock(&in->mu);
    }
    if (gone && body) hg_push_drained(body);
    hg_input_settle(in);
    if (ready) hg_host_wake(in->host);
    hg_input_drop(in);
}
