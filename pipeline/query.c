/* query.c: ad-hoc SQL over HTTP and WebSocket (rest-api §6.3, §6.4).
 *
 * A query has a thread of its own (at most MAX_QUERIES): it binds its statements, asks the circuit for snapshots of
 * what they read (one consistent moment), runs them, and writes the result of the last into a buffer. Full buffers go
 * to the request's loop one at a time; the thread waits until the peer took the last one, so a slow reader holds
 * neither the circuit nor the pool. A peer that takes nothing for SEND_TIMEOUT_S, or that left, cancels the query; so
 * does the end of the pipeline.
 *
 * A piece belongs to the loop from its post until on_piece has run (`posted`), whatever the peer does meanwhile; only
 * the wait for room behind it (`full`) is given up when the query is cancelled. The thread counts in pipeline.queries
 * while it may still need the circuit; the query object lives until the request has ended, too.
 */
#include "base/hg.h"
#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/server_int.h"
#include "pipeline/transaction.h"
#include <time.h>

#define MAX_QUERIES    32
#define PIECE          ((size_t)64 * 1024)
#define MESSAGE        ((size_t)1 << 20) /* of a WebSocket, at most */
#define SEND_TIMEOUT_S 60
#define MAX_SQL        ((size_t)1 << 20)

typedef struct {
    hg_list_t link; /* on pipeline.query_list, under its lock */
    hg_pipeline_server_t *s;
    hg_loop_t *loop;
    hg_req_t *req; /* request's loop; NULL: upgraded, gone or ended */
    hg_ws_t *ws;   /* request's loop */
    bool ended;
    bool read_only; /* asked for by somebody who may not change anything */
    bool uncut;     /* text with cells in full length: how fda shows what it asked for as Arrow */
    char *sql, *format_name;
    result_format_t format;
    atomic_bool cancel;
    _Atomic int refs; /* the thread, the request */

    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool posted; /* a piece is on its way to the loop: guarded by lock */
    bool full;   /* the peer has not taken the last piece: guarded by lock */
    bool began;  /* first piece went out: request's loop */

    /* query thread */
    hg_arena_t *arena;
    hg_query_t *q;     /* the statement that runs */
    hg_snap_t **snaps; /* by relation; of those that a statement of the request reads, as they were at its beginning */
    result_writer_t *writer;
    hg_buf_t out;

    /* what travels to the loop: set before the post, read there */
    hg_buf_t piece;
    bool last;
    hg_err_t err; /* last piece: how it ended */
} query_t;

static void query_drop(query_t *q)
{
    if (atomic_fetch_sub(&q->refs, 1) != 1) return;
    hg_pipeline_server_t *s = q->s;
    hg_pipeline_t *p = s->p;
    pthread_mutex_lock(&p->lock);
    hg_list_del(&q->link);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->cond);
    hg_buf_release(&q->piece);
    hg_free(q->sql);
    hg_free(q->format_name);
    hg_free(q);
    hg_server_drop(s); /* last: server and pipeline may be freed from here on */
}

void hg_queries_cancel(hg_pipeline_t *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->no_queries, true);
    HG_LIST_EACH(it, &p->query_list)
    {
        query_t *q = HG_ENTRY(it, query_t, link);
        pthread_mutex_lock(&q->lock);
        atomic_store(&q->cancel, true);
        pthread_cond_signal(&q->cond);
        pthread_mutex_unlock(&q->lock);
    }
    pthread_mutex_unlock(&p->lock);
    hg_circuit_wake(p); /* an INSERT may wait there for an output */
}

/* --- request's loop --- */

static void has_room(query_t *q)
{
    pthread_mutex_lock(&q->lock);
    q->full = false;
    pthread_cond_signal(&q->cond);
    pthread_mutex_unlock(&q->lock);
}

static void on_drain(void *arg)
{
    has_room(arg);
}
static void on_ws_drain(void *arg, hg_ws_t *ws)
{
    (void)ws;
    has_room(arg);
}

static const char *content_type(const query_t *q)
{
    if (hg_result_binary(q->format)) return "application/octet-stream";
    return q->format == RESULT_JSON ? "application/json" : "text/plain";
}

/* A name for the file of a Parquet result; NULL: the others are none. */
static const char *disposition(const query_t *q, char room[128])
{
    struct tm tm;
    char stamp[32];
    time_t now = time(NULL);
    if (q->format != RESULT_PARQUET) return NULL;
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", gmtime_r(&now, &tm));
    snprintf(room, 128, "Content-Disposition: attachment; filename=\"results_%s.parquet\"\r\n", stamp);
    return room;
}

/* {"message": "Error during query processing: …", "error_code": "AdHocQueryError", "details": {"error": "…"}} */
static void answer_error(query_t *q)
{
    hg_buf_t msg, details;
    hg_buf_init(&msg, 1u << 16);
    hg_buf_init(&details, 1u << 16);
    hg_buf_addf(&msg, "Error during query processing: %s.", q->err.msg);
    hg_buf_adds(&details, "{\"error\":");
    hg_json_quote(&details, hg_strz(q->err.msg));
    hg_buf_adds(&details, "}");
    if (q->err.code == HG_EINVAL || q->err.code == HG_EBOOTSTRAP)
        hg_resp_err(q->req, &q->err);
    else
        hg_resp_error(q->req, 400, "AdHocQueryError", msg.p, details.p);
    hg_buf_release(&msg);
    hg_buf_release(&details);
}

static void put_error_json(hg_buf_t *b, const hg_err_t *err)
{
    hg_buf_adds(b, "{\"error\":");
    hg_json_quote(b, hg_strz(err->msg));
    hg_buf_adds(b, "}");
}

/* A query that fails after its first bytes says so in the body, where the format can. */
static void append_error(query_t *q)
{
    if (q->format != RESULT_JSON)
        hg_buf_addf(&q->piece, "ERROR: %s", q->err.msg);
    else
        put_error_json(&q->piece, &q->err);
}

/* Returns whether the peer takes more at once. */
static bool send_http(query_t *q)
{
    bool failed = q->last && q->err.code, binary = hg_result_binary(q->format);
    if (failed && !q->began && (binary || q->err.code != HG_EEVAL)) {
        answer_error(q);
        q->req = NULL;
        return true;
    }
    if (failed && (binary || q->err.code == HG_ETIMEOUT)) { /* nobody would read an error as such */
        hg_resp_cut(q->req);
        q->req = NULL;
        return true;
    }
    if (!q->began) {
        char headers[128];
        hg_resp_begin(q->req, 200, content_type(q), disposition(q, headers));
        hg_resp_on_drain(q->req, on_drain, q);
        q->began = true;
    }
    if (failed) append_error(q);
    bool more = hg_resp_write(q->req, q->piece.p, q->piece.len);
    if (q->last) {
        hg_resp_end(q->req);
        q->req = NULL;
    }
    return more;
}

/* The piece as messages that Feldera's client takes: at most 2 MiB, none ends inside a character. */
static bool send_messages(query_t *q)
{
    bool text = !hg_result_binary(q->format), more = true;
    for (hg_str_t left = hg_buf_str(&q->piece); left.n;) {
        size_t n = HG_MIN(left.n, MESSAGE);
        while (text && n < left.n && n > MESSAGE - 4 && ((unsigned char)left.p[n] & 0xC0) == 0x80) n--;
        more = hg_ws_send(q->ws, text, (hg_str_t){ left.p, n });
        left = (hg_str_t){ left.p + n, left.n - n };
    }
    return more;
}

static bool send_ws(query_t *q)
{
    bool failed = q->last && q->err.code;
    bool more = failed && hg_result_binary(q->format) ? true : send_messages(q); /* half a message is of no use */
    q->began = true;
    if (failed) {
        hg_buf_clear(&q->piece);
        put_error_json(&q->piece, &q->err);
        hg_ws_send(q->ws, true, hg_buf_str(&q->piece));
    }
    if (q->last) hg_ws_close(q->ws, q->err.code ? 1011 : 1000, "");
    return more;
}

static void on_piece(void *arg)
{
    query_t *q = arg;
    bool last = q->last, more = true; /* the peer is gone: the thread sees `cancel` */
    if (q->req)
        more = send_http(q);
    else if (q->ws)
        more = send_ws(q);
    pthread_mutex_lock(&q->lock);
    q->posted = false;
    q->full = !more;
    pthread_cond_signal(&q->cond);
    pthread_mutex_unlock(&q->lock);
    if (last) q->ended = true;
    if (last && !q->ws) query_drop(q); /* a WebSocket's share goes with its closing */
}

static void http_gone(void *arg)
{
    query_t *q = arg;
    q->req = NULL;
    atomic_store(&q->cancel, true);
    has_room(q);
}

/* --- query thread --- */

/* Waits until the loop is done with the piece before and the peer has taken it; a cancelled query waits for no peer.
 * HG_ETIMEOUT cancels it and posts nothing. */
static int send_piece(query_t *q, bool last, hg_err_t *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SEND_TIMEOUT_S;
    pthread_mutex_lock(&q->lock);
    bool stuck = false;
    while (q->posted || (q->full && !atomic_load(&q->cancel) && !stuck))
        if (q->posted)
            pthread_cond_wait(&q->cond, &q->lock);
        else
            stuck = pthread_cond_timedwait(&q->cond, &q->lock, &until) != 0;
    stuck = stuck && q->full && !atomic_load(&q->cancel);
    if (!stuck) q->posted = true;
    pthread_mutex_unlock(&q->lock);
    if (stuck) {
        atomic_store(&q->cancel, true);
        return hg_err_set(err, HG_ETIMEOUT, "the client took no result for %d s", SEND_TIMEOUT_S);
    }
    hg_buf_t t = q->piece;
    q->piece = q->out;
    q->out = t;
    hg_buf_clear(&q->out);
    q->last = last;
    hg_loop_post(q->loop, on_piece, q);
    if (last || !atomic_load(&q->cancel)) return 0;
    return hg_err_set(err, HG_ECANCELED, "the client is gone or the pipeline is stopping");
}

static int on_batch(void *arg, hg_batch_t *b, hg_err_t *err)
{
    query_t *q = arg;
    int rc = hg_result_batch(q->writer, b, err);
    if (rc == 0 && q->out.len >= PIECE) rc = send_piece(q, false, err);
    return rc;
}

static hg_snap_t *snap_of(void *arg, uint32_t relation)
{
    query_t *q = arg;
    return q->snaps[relation];
}

/* What the circuit thread does for a query, and how it wakes it. */
typedef struct {
    query_t *q;
    hg_change_t *insert; /* NULL: take the snapshots of all statements from q->q on */
    uint64_t step;       /* INSERT: that did it */
    hg_err_t err;
    int rc;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t cond;
} visit_t;

static void visit_circuit(hg_pipeline_t *p, void *arg)
{
    visit_t *v = arg;
    query_t *q = v->q;
    if (v->insert && !atomic_load(&p->no_queries) && (atomic_load(&p->replaying) || hg_circuit_full(p))) {
        hg_circuit_later(p, visit_circuit, v); /* as any step, it waits for the slowest sink */
        return;
    }
    if (v->insert && atomic_load(&p->no_queries))
        v->rc = hg_err_set(&v->err, HG_ETERMINATING, "the pipeline is stopping");
    else if (v->insert)
        v->rc = hg_circuit_insert(p, q->q->table, v->insert, &v->err);
    v->step = atomic_load(&p->steps);
    for (const hg_query_t *st = v->insert ? NULL : q->q; st; st = st->next)
        for (uint32_t i = 0; i < st->n_relations && v->rc == 0; i++) {
            uint32_t r = st->relations[i];
            v->rc = hg_pipeline_readable(p, r, &v->err);
            if (v->rc == 0 && !q->snaps[r]) q->snaps[r] = hg_txn_snap(p, r);
        }
    pthread_mutex_lock(&v->lock);
    v->done = true;
    pthread_cond_signal(&v->cond);
    pthread_mutex_unlock(&v->lock);
}

static int visit(query_t *q, hg_change_t *insert, hg_err_t *err)
{
    visit_t v = { .q = q, .insert = insert, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    hg_circuit_post(q->s->p, visit_circuit, &v);
    pthread_mutex_lock(&v.lock);
    while (!v.done) pthread_cond_wait(&v.cond, &v.lock);
    pthread_mutex_unlock(&v.lock);
    pthread_mutex_destroy(&v.lock);
    pthread_cond_destroy(&v.cond);
    struct hg_journal *journal = insert && q->s->p->durable ? q->s->p->durable->journal : NULL;
    if (v.rc == 0 && journal) v.rc = hg_journal_wait(journal, v.step, &q->cancel, &v.err);
    if (v.rc < 0) *err = v.err;
    return v.rc;
}

static int run_select(query_t *q, hg_err_t *err)
{
    q->writer = hg_result_new(q->format, &q->q->schema, &q->out);
    if (q->uncut) hg_result_uncut(q->writer);
    int rc = hg_query_run(q->q->root, snap_of, q, on_batch, q, &q->cancel, (size_t)q->s->p->cfg.query_mem_mib << 20,
                          hg_now_us(), err);
    return rc < 0 ? rc : hg_result_end(q->writer, err);
}

/* --- INSERT: rows are collected, then go in as one step --- */

typedef struct {
    hg_changeb_t b;
    bool keyed;
} insert_t;

static int on_insert_batch(void *arg, hg_batch_t *batch, hg_err_t *err)
{
    insert_t *in = arg;
    int rc = 0;
    for (uint32_t i = 0; i < batch->n_rows && rc == 0; i++) {
        for (uint32_t c = 0; c < batch->n_cols && rc == 0; c++) rc = hg_colb_copy(&in->b.cols[c], batch->cols[c], i);
        if (rc == 0) rc = hg_changeb_row(&in->b, in->keyed ? HG_OP_UPSERT : HG_OP_INSERT, NULL);
    }
    return rc < 0 ? hg_err_set(err, (hg_code_t)rc, "out of memory inserting rows") : 0;
}

static int put_count(query_t *q, uint64_t n, hg_err_t *err)
{
    static const hg_type_t bigint = { .kind = HG_T_UBIGINT, .precision = -1 };
    static const hg_field_t field = { { "count", 5 }, false, &bigint };
    static const hg_schema_t schema = { .cols = &field, .n_cols = 1 };
    hg_colb_t b;
    hg_colb_init(&b, &bigint);
    int rc = hg_colb_u64(&b, n);
    hg_batch_t *batch = hg_batch_new(1, 1);
    batch->cols[0] = hg_colb_seal(&b);
    hg_colb_release(&b);
    q->writer = hg_result_new(q->format, &schema, &q->out);
    if (rc == 0) rc = hg_result_batch(q->writer, batch, err);
    if (rc == 0) rc = hg_result_end(q->writer, err);
    hg_batch_drop(batch);
    return rc;
}

static int fill_hash(const hg_pipeline_t *p, const hg_schema_t *s, hg_change_t *c, hg_err_t *err)
{
    if (!s->key) return 0;
    hg_col_t **keys = HG_NEWN(hg_col_t *, s->n_key);
    for (uint32_t k = 0; k < s->n_key; k++) keys[k] = c->rows->cols[s->key[k]];
    c->hash = hg_trynew(sizeof *c->hash * c->rows->n_rows);
    if (c->hash) hg_hash_rows(p->hashkey, keys, s->n_key, NULL, c->rows->n_rows, c->hash);
    hg_free(keys);
    return c->hash ? 0 : hg_err_set(err, HG_ENOMEM, "out of memory inserting rows");
}

hg_change_t *hg_insert_change(const hg_pipeline_t *p, const hg_schema_t *s, hg_batch_t *rows, hg_err_t *err)
{
    hg_change_t *c = hg_change_new(rows);
    int rc = fill_hash(p, s, c, err);
    if (rc == 0 && s->key) {
        c->ops = hg_trynew(HG_MAX(rows->n_rows, 1u));
        if (c->ops)
            memset(c->ops, HG_OP_UPSERT, rows->n_rows);
        else
            rc = hg_err_set(err, HG_ENOMEM, "out of memory inserting rows");
    }
    if (rc == 0) return c;
    hg_change_drop(c);
    return NULL;
}

static int run_insert(query_t *q, hg_err_t *err)
{
    hg_pipeline_t *p = q->s->p;
    const hg_schema_t *s = &p->prog->plan.relations[q->q->table].schema;
    insert_t in = { .keyed = s->key != NULL };
    hg_changeb_init(&in.b, s);
    int rc = hg_pipeline_takes(p, err);
    if (rc == 0)
        rc = hg_query_run(q->q->root, snap_of, q, on_insert_batch, &in, &q->cancel, (size_t)p->cfg.query_mem_mib << 20,
                          hg_now_us(), err);
    uint64_t n = in.b.len;
    hg_change_t *c = rc == 0 ? hg_changeb_seal(&in.b) : NULL;
    hg_changeb_release(&in.b);
    if (rc == 0 && !c) rc = hg_err_set(err, HG_ENOMEM, "out of memory inserting rows");
    if (c) rc = fill_hash(p, s, c, err);
    if (c && rc == 0) rc = visit(q, c, err);
    if (c) hg_change_drop(c);
    return rc < 0 || q->q->next ? rc : put_count(q, n, err); /* only the last statement has a result */
}

/* One moment for all statements: the last one does not see what those before it insert. */
static int take_snapshots(query_t *q, hg_err_t *err)
{
    bool reads = false;
    q->snaps = HG_NEWN(hg_snap_t *, q->s->p->prog->plan.n_relations + 1);
    for (const hg_query_t *st = q->q; st; st = st->next) reads |= st->n_relations > 0;
    int rc = reads ? visit(q, NULL, err) : 0;
    for (const hg_query_t *st = q->q; st && rc == 0; st = st->next)
        for (uint32_t i = 0; i < st->n_relations && rc == 0; i++)
            if (!q->snaps[st->relations[i]])
                rc = hg_err_set(err, HG_EADHOC, "relation %u keeps no contents", st->relations[i]);
    return rc;
}

static void drop_snapshots(query_t *q)
{
    for (uint32_t i = 0; q->snaps && i < q->s->p->prog->plan.n_relations; i++) hg_snap_drop(q->snaps[i]);
    hg_free(q->snaps);
}

/* Binding happens on the pool: libpg_query keeps a thread-specific key for every thread it has ever run on, and keys
 * are few. */
typedef struct {
    query_t *q;
    hg_err_t *err;
    int rc;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t cond;
} bind_t;

static void bind_on_pool(void *arg, unsigned worker)
{
    bind_t *b = arg;
    (void)worker;
    b->rc = hg_compile_query(b->q->s->p->prog, b->q->arena, hg_strz(b->q->sql), &b->q->q, b->err);
    pthread_mutex_lock(&b->lock);
    b->done = true;
    pthread_cond_signal(&b->cond);
    pthread_mutex_unlock(&b->lock);
}

static int bind_statement(query_t *q, hg_err_t *err)
{
    bind_t b = { .q = q, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    hg_pool_submit(hg_host_pool(q->s->p->host), bind_on_pool, NULL, NULL, &b);
    pthread_mutex_lock(&b.lock);
    while (!b.done) pthread_cond_wait(&b.cond, &b.lock);
    pthread_mutex_unlock(&b.lock);
    pthread_mutex_destroy(&b.lock);
    pthread_cond_destroy(&b.cond);
    return b.rc;
}

static int refuse_writes(const query_t *q, hg_err_t *err)
{
    for (const hg_query_t *st = q->q; st; st = st->next)
        if (st->kind == HG_QUERY_INSERT)
            return hg_err_set(err, HG_EADHOC, "INSERT needs an API key with the role 'write'; this one has 'read'");
    return 0;
}

static void *query_main(void *arg)
{
    query_t *q = arg;
    hg_pipeline_t *p = q->s->p;
    hg_err_t err = HG_ERR_INIT, late = HG_ERR_INIT;
    pthread_setname_np(pthread_self(), "hg-query");
    q->arena = hg_arena_new();
    hg_buf_init(&q->out, HG_BUF_NOMAX);
    int rc = hg_result_format(hg_strz(q->format_name), &q->format, &err);
    if (rc == 0) rc = bind_statement(q, &err);
    if (rc == 0 && q->read_only) rc = refuse_writes(q, &err);
    if (rc == 0) rc = take_snapshots(q, &err);
    for (; rc == 0 && q->q; q->q = q->q->next)
        rc = q->q->kind == HG_QUERY_INSERT ? run_insert(q, &err) : run_select(q, &err);
    drop_snapshots(q);
    if (rc < 0 && err.code == HG_OK) hg_err_set(&err, HG_EBUG, "the query failed");
    hg_result_free(q->writer);
    hg_arena_free(q->arena);

    /* The last piece carries the outcome; it goes out even if the peer is stuck or gone, because it ends the request.
     */
    q->err = err;
    if (send_piece(q, true, &late) == HG_ETIMEOUT) {
        q->err = late;
        send_piece(q, true, &late); /* cancelled by now: it waits for no peer */
    }
    hg_buf_release(&q->out);
    atomic_fetch_sub(&p->queries, 1); /* the circuit is not needed any more */
    query_drop(q);
    return NULL;
}

/* --- beginning --- */

/* A place among the queries that run. After hg_queries_cancel there is none, so the circuit is there for all of them.
 */
static int take_place(hg_pipeline_t *p, hg_err_t *err)
{
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    if (atomic_load(&p->no_queries))
        rc = hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    else if (atomic_load(&p->queries) >= MAX_QUERIES)
        rc = hg_err_set(err, HG_EBUSY, "too many queries at once: %d run", MAX_QUERIES);
    else
        atomic_fetch_add(&p->queries, 1);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* On failure q stays with the caller, who holds the only reference. */
static int start(query_t *q, hg_err_t *err)
{
    pthread_t t;
    pthread_attr_t attr;
    int rc = take_place(q->s->p, err);
    if (rc < 0) return rc;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_store(&q->refs, 2);
    rc = pthread_create(&t, &attr, query_main, q);
    pthread_attr_destroy(&attr);
    if (rc == 0) return 0;
    atomic_store(&q->refs, 1);
    atomic_fetch_sub(&q->s->p->queries, 1);
    return hg_err_errno(err, rc, "cannot start a query");
}

static query_t *query_new(hg_pipeline_server_t *s, hg_req_t *r)
{
    query_t *q = HG_NEW(query_t);
    pthread_condattr_t attr;
    q->s = hg_server_retain(s);
    q->loop = hg_req_loop(r);
    q->read_only = hg_str_eqz(hg_req_param(r, HG_PARAM_READ_ONLY), "true");
    atomic_init(&q->refs, 1);
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->cond, &attr);
    pthread_condattr_destroy(&attr);
    hg_buf_init(&q->piece, HG_BUF_NOMAX);
    hg_list_init(&q->link);
    pthread_mutex_lock(&s->p->lock);
    hg_list_add_tail(&s->p->query_list, &q->link);
    atomic_init(&q->cancel, atomic_load(&s->p->no_queries));
    pthread_mutex_unlock(&s->p->lock);
    return q;
}

static int set_statement(query_t *q, hg_str_t sql, hg_str_t format, hg_err_t *err)
{
    if (sql.n && memchr(sql.p, 0, sql.n)) return hg_err_set(err, HG_EINVAL, "the statement contains a NUL character");
    q->sql = hg_xstrndup(sql.p, sql.n);
    q->format_name = hg_xstrndup(format.p ? format.p : "", format.n);
    return 0;
}

static void on_ws_message(void *arg, hg_ws_t *ws, bool text, hg_str_t data)
{
    query_t *q = arg;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    (void)text;
    if (q->sql || q->ended) { /* one statement per connection: what follows is ignored */
        hg_arena_free(a);
        return;
    }
    int rc = hg_json_parse(a, data, &v, &err);
    if (rc == 0) {
        rc = set_statement(q, hg_strz(hg_json_str(hg_json_get(v, "sql"), "")),
                           hg_strz(hg_json_str(hg_json_get(v, "format"), "")), &err);
        q->uncut = hg_json_bool(hg_json_get(v, "uncut"), false);
        if (rc == 0) rc = start(q, &err);
    }
    hg_arena_free(a);
    if (rc == 0) return;
    hg_buf_t b;
    hg_buf_init(&b, 65536);
    put_error_json(&b, &err);
    hg_ws_send(ws, true, hg_buf_str(&b));
    hg_buf_release(&b);
    q->ended = true;
    hg_ws_close(ws, 1011, "");
}

static void on_ws_closed(void *arg)
{
    query_t *q = arg;
    q->ws = NULL;
    atomic_store(&q->cancel, true);
    has_room(q);
    /* Before the statement came, or after the last piece, the request's share is still held. */
    if (!q->sql || q->ended) query_drop(q);
}

static void serve_websocket(hg_pipeline_server_t *s, hg_req_t *r)
{
    query_t *q = query_new(s, r);
    hg_err_t err = HG_ERR_INIT;
    hg_ws_ops_t ops = { on_ws_message, on_ws_drain, on_ws_closed, q };
    if (hg_req_websocket(r, &ops, MAX_SQL, &q->ws, &err) < 0) query_drop(q);
}

void hg_serve_query(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_req_is_websocket(r)) {
        serve_websocket(s, r);
        return;
    }
    hg_str_t sql = hg_req_param(r, "sql"), format = hg_req_param(r, "format");
    if (!sql.p) {
        hg_resp_error(r, 400, "InvalidParam", "parameter 'sql' is missing", NULL);
        return;
    }
    query_t *q = query_new(s, r);
    q->req = r;
    int rc = set_statement(q, sql, format, &err);
    if (rc == 0) rc = start(q, &err);
    if (rc == 0) {
        hg_req_on_abort(r, http_gone, q);
        return;
    }
    if (rc == HG_EBUSY)
        hg_resp_error(r, 429, "ApiConnectionLimit", err.msg, NULL);
    else
        hg_resp_err(r, &err);
    query_drop(q);
}
