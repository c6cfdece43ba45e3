/* postgres_output_txn.c: rows → chunks → transactions.
 *
 *   for each chunk of a transaction:   [BEGIN] SAVEPOINT · COPY hg_rows · EXECUTE delete, update, insert
 *   where it has but inserts:          [BEGIN] SAVEPOINT · COPY the table (if it takes our types as they are)
 *   when a step is whole and nothing waits, or the transaction is old or large:   [step row] COMMIT → delivered
 *
 * A chunk is what max_buffer_size_bytes and max_records_in_buffer allow, and never of two steps: within a step a key
 * occurs once, so the order of its rows does not matter. Everything is kept until it is committed; after a lost
 * connection all of it is written again. Whether a commit that got no answer was made is asked where steps are stored
 * (exactly once); otherwise the same rows again change nothing, but in a change log (`mode` cdc) they stand twice.
 *
 * A statement that the server refuses because of the data costs only the bad rows: back to the savepoint, the slice is
 * cut in halves, and so on down to one row, which is reported and left out.
 *
 * An insert is tried as if its rows were new, which they are unless steps are done again; that costs the server half
 * of what ON CONFLICT costs. If one is there after all, this chunk and some after it go the careful way.
 *
 * A step so large that it should not be kept whole (the content of a view at its start) is committed in pieces, except
 * where exactly once wants it at once. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/postgres_output_int.h"

#define FULL_BYTES  ((size_t)4 << 20)  /* waiting: the host is told to stop */
#define LARGE_BYTES ((size_t)16 << 20) /* in a transaction: commit when that is allowed */
#define GROUP_US    20000              /* steps share a commit for so long */

#define CAREFUL_CHUNKS   64
#define UNIQUE_VIOLATION "23505"

static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"; /* signature, flags, extension: 19 bytes */
static const char copy_end[] = "\377\377";

static void chunk_free(chunk_t *ch)
{
    hg_buf_release(&ch->rows);
    hg_free(ch->ends);
    hg_free(ch->bad);
    hg_free(ch);
}

void hg_pgout_chunks_free(pgout_t *p)
{
    for (hg_list_t *it; (it = hg_list_pop(&p->chunks)) != NULL;) chunk_free(HG_ENTRY(it, chunk_t, link));
}

/* --- what comes from the host --- */

static chunk_t *last_chunk(pgout_t *p)
{
    return hg_list_empty(&p->chunks) ? NULL : HG_ENTRY(p->chunks.prev, chunk_t, link);
}

static chunk_t *chunk_new(pgout_t *p, uint64_t step)
{
    chunk_t *ch = HG_NEW(chunk_t);
    hg_list_init(&ch->link);
    hg_buf_init(&ch->rows, HG_BUF_NOMAX);
    ch->step = step;
    hg_list_add_tail(&p->chunks, &ch->link);
    return ch;
}

int hg_pgout_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n, hg_err_t *err)
{
    pgout_t *p = hg_out_inst(out);
    const pgout_cfg_t *c = hg_out_cfg(out);
    chunk_t *ch = last_chunk(p);
    (void)key, (void)n;
    bool fits = ch && !ch->last && ch != p->at && ch->step == step && ch->rows.len + payload.n <= c->max_bytes &&
                (!c->max_records || ch->n < c->max_records);
    if (ch && !ch->last) ch->step = step; /* several steps of an output buffer are one batch, named by its last */
    if (!fits) ch = chunk_new(p, step);
    if (ch->n == ch->cap) {
        ch->cap = ch->cap ? ch->cap * 2 : 64;
        ch->ends = hg_xgrow(ch->ends, sizeof(size_t) * ch->cap);
    }
    int rc = hg_buf_addstr(&ch->rows, payload);
    if (rc < 0) {
        hg_err_set(err, (hg_code_t)rc, "no memory for rows that wait for the server");
        err->fatal = 1;
        hg_out_error(out, "postgres", err);
        return 0;
    }
    ch->ends[ch->n++] = ch->rows.len;
    p->waiting += payload.n;
    if (!fits) hg_pgout_next(out); /* the chunk before it is full */
    if (p->waiting < FULL_BYTES) return 0;
    hg_pgout_next(out);
    p->told_full = true;
    return HG_EAGAIN;
}

int hg_pgout_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    pgout_t *p = hg_out_inst(out);
    chunk_t *ch = last_chunk(p);
    (void)err;
    if (!ch || ch->last || ch == p->at) ch = chunk_new(p, step);
    ch->step = step;
    ch->last = true;
    hg_pgout_next(out);
    return 0;
}

/* --- what goes to the server --- */

static chunk_t *after(pgout_t *p, const chunk_t *ch)
{
    hg_list_t *next = ch ? ch->link.next : p->chunks.next;
    return next == &p->chunks ? NULL : HG_ENTRY(next, chunk_t, link);
}

/* May it be sent? The last one may still grow. */
static bool is_ready(const pgout_t *p, const chunk_t *ch)
{
    return ch && (ch->last || ch->link.next != &p->chunks || p->waiting >= FULL_BYTES);
}

static size_t row_begin(const chunk_t *ch, uint32_t i)
{
    return i ? ch->ends[i - 1] : 0;
}

static bool has_op(const chunk_t *ch, slice_t s, char op)
{
    for (uint32_t i = s.from; i < s.to; i++)
        if (ch->rows.p[row_begin(ch, i) + HG_PG_OP_AT] == op) return true;
    return false;
}

static void send_copy(pgout_t *p)
{
    hg_buf_t sql;
    p->slice = p->slices[--p->n_slices];
    p->straight = p->copy.len && !p->careful && !has_op(p->at, p->slice, 'd') && !has_op(p->at, p->slice, 'u');
    hg_buf_init(&sql, 1024);
    if (!p->in_tx) {
        p->tx_began_us = hg_mono_us();
        (void)hg_buf_adds(&sql, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; ");
    } else {
        (void)hg_buf_adds(&sql, p->staged ? "RELEASE SAVEPOINT hg; DELETE FROM hg_rows; " : "RELEASE SAVEPOINT hg; ");
        p->staged = false;
    }
    p->in_tx = true;
    (void)hg_buf_adds(&sql, "SAVEPOINT hg; ");
    if (p->straight) {
        (void)hg_buf_addstr(&sql, hg_buf_str(&p->copy));
    } else {
        (void)hg_buf_adds(&sql, "COPY hg_rows FROM STDIN (FORMAT binary)");
        p->staged = true;
    }
    p->tx = TX_COPY;
    hg_pg_query(p->conn, sql.p);
    hg_buf_release(&sql);
}

/* Without their operation, which is the first field. */
static int send_straight(pgout_t *p)
{
    const chunk_t *ch = p->at;
    hg_buf_t rows;
    hg_buf_init(&rows, HG_BUF_NOMAX);
    int rc = 0;
    for (uint32_t i = p->slice.from; i < p->slice.to && rc == 0; i++) {
        const char *row = ch->rows.p + row_begin(ch, i);
        size_t skip = HG_PG_OP_AT + 1, n = ch->ends[i] - row_begin(ch, i);
        if (ch->bad && ch->bad[i]) continue;
        uint32_t fields = ((uint32_t)(uint8_t)row[0] << 8 | (uint8_t)row[1]) - 1;
        const char head[2] = { (char)(fields >> 8), (char)fields };
        rc = hg_buf_add(&rows, head, sizeof head);
        if (rc == 0) rc = hg_buf_add(&rows, row + skip, n - skip);
    }
    if (rc == 0 && rows.len) hg_pg_put(p->conn, rows.p, rows.len);
    hg_buf_release(&rows);
    return rc;
}

static void send_rows(pgout_t *p)
{
    const chunk_t *ch = p->at;
    hg_pg_put(p->conn, copy_header, 19);
    if (p->straight) {
        if (send_straight(p) < 0) {
            hg_pg_put_end(p->conn, "no memory for its rows");
            return;
        }
    } else if (!ch->bad) {
        size_t from = row_begin(ch, p->slice.from), to = row_begin(ch, p->slice.to);
        if (to > from) hg_pg_put(p->conn, ch->rows.p + from, to - from);
    } else {
        for (uint32_t i = p->slice.from; i < p->slice.to; i++)
            if (!ch->bad[i]) hg_pg_put(p->conn, ch->rows.p + row_begin(ch, i), ch->ends[i] - row_begin(ch, i));
    }
    hg_pg_put(p->conn, copy_end, 2);
    hg_pg_put_end(p->conn, NULL);
}

static void send_apply(pgout_t *p)
{
    const chunk_t *ch = p->at;
    hg_buf_t sql;
    hg_buf_init(&sql, 1024);
    if (p->cdc) {
        (void)hg_buf_addf(&sql, "EXECUTE hg_c (%" PRId64 ")", hg_now_us());
    } else {
        if (has_op(ch, p->slice, 'd')) (void)hg_buf_addstr(&sql, hg_buf_str(&p->del));
        if (has_op(ch, p->slice, 'u')) (void)hg_buf_addstr(&sql, hg_buf_str(&p->upd));
        if (has_op(ch, p->slice, 'i')) (void)hg_buf_addstr(&sql, hg_buf_str(p->careful ? &p->ins : &p->ins_new));
    }
    p->tx = TX_APPLY;
    hg_pg_query(p->conn, sql.p);
    hg_buf_release(&sql);
}

static void send_commit(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    hg_buf_t sql;
    hg_buf_init(&sql, HG_BUF_NOMAX);
    p->commit_any = false;
    for (chunk_t *ch = after(p, NULL); ch; ch = after(p, ch)) {
        if (ch->last) {
            p->commit_any = true;
            p->commit_step = ch->step;
        }
        if (ch == p->at) break;
    }
    if (hg_out_exactly_once(out) && p->commit_any) {
        (void)hg_buf_addstr(&sql, hg_buf_str(&p->write));
        (void)hg_buf_addf(&sql,
                          "%" PRIu64 ", now()) ON CONFLICT (endpoint) DO UPDATE SET life = EXCLUDED.life, step = "
                          "EXCLUDED.step, written = EXCLUDED.written; ",
                          p->commit_step);
    }
    (void)hg_buf_adds(&sql, "COMMIT");
    p->tx = TX_COMMIT;
    hg_pg_query(p->conn, sql.p);
    hg_buf_release(&sql);
}

/* All of `at` is done: is it time to commit? */
static bool commit_due(hg_output_t *out)
{
    const pgout_t *p = hg_out_inst(out);
    if (!p->in_tx || !p->at) return false;
    if (!p->at->last) return !hg_out_exactly_once(out) && p->applied >= LARGE_BYTES;
    return !is_ready(p, after(hg_out_inst(out), p->at)) || p->applied >= LARGE_BYTES ||
           hg_mono_us() - p->tx_began_us >= GROUP_US;
}

void hg_pgout_next(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    if (p->closing || p->session != SE_READY || p->tx != TX_IDLE) return;
    for (;;) {
        if (p->n_slices) {
            send_copy(p);
            return;
        }
        if (commit_due(out)) {
            send_commit(out);
            return;
        }
        chunk_t *next = after(p, p->at);
        if (!is_ready(p, next)) return;
        p->at = next;
        if (p->careful) p->careful--;
        if (next->n) p->slices[p->n_slices++] = (slice_t){ 0, next->n };
        if (!next->n && !p->in_tx) { /* only the end of a step */
            hg_pgout_committed(out, next->step);
            p->at = NULL;
        }
    }
}

/* --- what the server answers --- */

void hg_pgout_committed(hg_output_t *out, uint64_t step)
{
    pgout_t *p = hg_out_inst(out);
    bool whole = false;
    for (chunk_t *ch; (ch = after(p, NULL)) != NULL && ch->step <= step;) {
        if (ch == last_chunk(p) && !ch->last) break; /* of a step that goes on */
        whole |= ch->last;
        hg_list_del(&ch->link);
        chunk_free(ch);
    }
    if (whole) hg_out_delivered(out, step);
}

void hg_pgout_rewind(pgout_t *p)
{
    p->tx = TX_IDLE;
    p->in_tx = p->staged = false;
    p->at = NULL;
    p->n_slices = 0;
    p->applied = 0;
    p->waiting = 0;
    for (chunk_t *ch = after(p, NULL); ch; ch = after(p, ch)) p->waiting += ch->rows.len;
}

static void slice_done(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    size_t n = row_begin(p->at, p->slice.to) - row_begin(p->at, p->slice.from);
    p->waiting -= HG_MIN(n, p->waiting);
    p->applied += n;
    p->tx = TX_IDLE;
    if (p->told_full && p->waiting < FULL_BYTES / 2) {
        p->told_full = false;
        hg_out_drained(out);
    }
    hg_pgout_next(out);
}

static void commit_done(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    const chunk_t *upto = p->at;
    bool any = p->commit_any;
    uint64_t step = p->commit_step;
    p->in_tx = p->staged = false;
    p->applied = 0;
    p->at = NULL;
    p->tx = TX_IDLE;
    for (chunk_t *ch; (ch = after(p, NULL)) != NULL;) {
        bool end = ch == upto;
        hg_list_del(&ch->link);
        chunk_free(ch);
        if (end) break;
    }
    hg_pgout_healthy(out);
    if (any) hg_out_delivered(out, step);
    hg_pgout_next(out);
}

/* Errors of the data, not of the statement or the server. */
static bool is_data_error(const char *state)
{
    static const char *const classes[] = { "21", "22", "23", "27", "44", "P0", "0A" };
    for (size_t i = 0; i < HG_COUNT(classes); i++)
        if (strncmp(state, classes[i], 2) == 0) return true;
    return false;
}

static void refuse_row(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    chunk_t *ch = p->at;
    hg_err_t err = p->err;
    p->err = HG_ERR_INIT;
    err.retry = err.fatal = 0;
    (void)hg_err_wrap(&err, "a row of step %" PRIu64 " was refused and is left out", ch->step);
    if (!ch->bad) ch->bad = HG_NEWN(uint8_t, ch->n);
    ch->bad[p->slice.from] = 1;
    hg_out_error(out, "postgres", &err);
}

static void slice_failed(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    slice_t s = p->slice;
    bool there = !p->cdc && !p->careful && strcmp(p->err_state, UNIQUE_VIOLATION) == 0;
    uint32_t mid = s.from + (s.to - s.from) / 2;
    if (there) {
        p->careful = CAREFUL_CHUNKS;
        p->slices[p->n_slices++] = s;
    } else if (s.to - s.from <= 1) {
        refuse_row(out);
        p->waiting -= HG_MIN(p->at->ends[s.from] - row_begin(p->at, s.from), p->waiting);
    } else { /* at most one slice more per halving: 32 of them for 2^32 rows */
        p->slices[p->n_slices++] = (slice_t){ mid, s.to };
        p->slices[p->n_slices++] = (slice_t){ s.from, mid };
    }
    p->err = HG_ERR_INIT;
    p->tx = TX_UNDO;
    hg_pg_query(p->conn, "ROLLBACK TO SAVEPOINT hg");
}

void hg_pgout_tx_result(hg_output_t *out, const PGresult *r)
{
    pgout_t *p = hg_out_inst(out);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    ExecStatusType st = PQresultStatus(r);
    if (st == PGRES_COPY_IN) {
        send_rows(p);
    } else if ((st == PGRES_FATAL_ERROR || st == PGRES_BAD_RESPONSE) && !p->err.code) {
        hg_pg_error(r, "'table'", NULL, &p->err);
        snprintf(p->err_state, sizeof p->err_state, "%s", state ? state : "");
    }
}

void hg_pgout_tx_done(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    if (p->err.code) {
        hg_err_t err = p->err;
        if ((p->tx == TX_COPY || p->tx == TX_APPLY) && is_data_error(p->err_state)) {
            slice_failed(out);
            return;
        }
        p->err = HG_ERR_INIT;
        hg_pgout_failed(out, &err);
        return;
    }
    switch (p->tx) {
    case TX_COPY:
        if (p->straight)
            slice_done(out);
        else
            send_apply(p);
        break;
    case TX_APPLY:
        slice_done(out);
        break;
    case TX_UNDO:
        p->tx = TX_IDLE;
        hg_pgout_next(out);
        break;
    case TX_COMMIT:
        commit_done(out);
        break;
    case TX_IDLE:
        break;
    }
}
