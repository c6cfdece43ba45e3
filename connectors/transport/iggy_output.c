/* iggy_output.c: writes batches as messages of one topic of an Iggy server, at least once.
 *
 * The producer (iggy/client) makes requests of messages, keeps them until the server has confirmed them, and sends them
 * again after a lost connection, before anything behind them. A message is tagged with the number of its batch; a step
 * is delivered once every message of every batch up to it is confirmed. When the producer's buffer is full the message
 * waits in `stuck`, the host is told to stop (HG_EAGAIN), and room goes on with it.
 *
 * Not exactly once: a request that was on its way when a process was killed may reach the topic after the next process
 * has looked at the topic's end. Nothing keeps it out, for Iggy has no transactions. So what
 * comes again after a crash is there twice. Everything is on the loop. */
#include "base/hg.h"
#include "base/list.h"
#include "base/mem.h"
#include "connectors/transport/iggy_int.h"
#include "iggy/client/producer.h"

extern const hg_output_type_t hg_output_iggy;

#define OP_HEADER "op" /* what a message does, where its format says it beside the message */
#define MAX_KEY   255

typedef enum { BY_KEY, BALANCED } partitioning_t;

typedef struct {
    hg_iggy_conn_t conn; /* first member */
    const hg_json_t *headers;
    const char *key_header;
    int partitioning;
    uint32_t partition;
    bool has_partition, create;
    uint32_t partitions, batch;
    uint64_t expiry_ms, max_size, linger_ms;
} iout_cfg_t;

typedef struct {
    hg_list_t link; /* on iout_t.batches, oldest first */
    uint64_t step, tag;
    bool ended;
} batch_t;

typedef struct {
    hg_iggy_opts_t opts;
    bool opts_ok, closing, stopping, stopped, unhealthy, told_ready, told_full, is_stuck;
    hg_iggy_producer_t *producer;
    bool producer_open;
    hg_list_t batches;
    uint64_t tag;    /* of the newest batch */
    uint64_t done;   /* every message with a tag below is confirmed */
    hg_buf_t fixed;  /* headers of the configuration, as on the wire */
    hg_buf_t header; /* those, and the operation */
    /* the message that found no room */
    hg_buf_t stuck, stuck_key, stuck_headers;
    uint64_t stuck_tag;
} iout_t;

#define AT(f) .at = offsetof(iout_cfg_t, f)
static const hg_opt_t iout_opts[] = {
    HG_IGGY_CONN_OPTS,
    { .key = "partitioning",
      .type = HG_OPT_ENUM,
      AT(partitioning),
      .names = "key|balanced",
      .def = "key",
      .doc = "key: messages of one key (the view's index) go to one partition, in order; those without a key in turn. "
             "balanced: batches go to the partitions in turn." },
    { .key = "partition",
      .type = HG_OPT_U32,
      AT(partition),
      .set_at = offsetof(iout_cfg_t, has_partition),
      .doc = "Write this partition only; from 0." },
    { .key = "create",
      .type = HG_OPT_BOOL,
      AT(create),
      .def = "false",
      .doc = "Make stream and topic if they are not there." },
    { .key = "create_partitions",
      .type = HG_OPT_U32,
      AT(partitions),
      .def = "1",
      .min = 1,
      .max = 1000,
      .doc = "Partitions of a topic that is made." },
    { .key = "message_expiry",
      .type = HG_OPT_DURATION,
      AT(expiry_ms),
      .def = "0",
      .unit = "ms",
      .doc = "How long a topic that is made keeps messages. 0: as the server has it." },
    { .key = "max_topic_size",
      .type = HG_OPT_U64,
      AT(max_size),
      .def = "0",
      .unit = "bytes",
      .doc = "How large a topic that is made gets before its oldest messages go. 0: as the server has it." },
    { .key = "headers",
      .type = HG_OPT_JSON,
      AT(headers),
      .doc = "Headers of every message: a list of {\"key\": text, \"value\": text}. A format that tells the operation "
             "beside the message adds the header `op`." },
    { .key = "key_header",
      .type = HG_OPT_STR,
      AT(key_header),
      .doc =
          "Header that takes the message's key, up to 255 bytes of any kind. Formats whose deletes are a key without "
          "a value need it. Default: the key decides on the partition only." },
    { .key = "batch_size",
      .type = HG_OPT_U32,
      AT(batch),
      .def = "1000",
      .min = 1,
      .max = 100000,
      .doc = "Messages that are sent together at most." },
    { .key = "linger",
      .type = HG_OPT_DURATION,
      AT(linger_ms),
      .def = "5",
      .unit = "ms",
      .doc = "How long messages wait for more to go with." },
    { .key = NULL },
};

/* --- configuration --- */

static int add_header(hg_buf_t *b, hg_str_t key, hg_str_t value, hg_err_t *err)
{
    return hg_iggy_header_add(
        b, &(hg_iggy_header_t){ .key_kind = HG_IGGY_H_STRING, .kind = HG_IGGY_H_STRING, .key = key, .value = value },
        err);
}

static void check_headers(const iout_cfg_t *c, hg_diag_t *d)
{
    const hg_json_t *list = c->headers;
    if (!list || list->kind == HG_J_NULL) return;
    if (list->kind != HG_J_ARRAY) {
        hg_diag(d, false, list, false, "option 'headers': expected a list");
        return;
    }
    for (const hg_json_t *h = list->child; h; h = h->next) {
        const char *k = hg_json_str(hg_json_get(h, "key"), ""), *v = hg_json_str(hg_json_get(h, "value"), "");
        if (!*k || !*v || strlen(k) > MAX_KEY || strlen(v) > MAX_KEY)
            hg_diag(d, false, h, false, "a header is {\"key\": text, \"value\": text} with 1 to %d bytes each",
                    MAX_KEY);
    }
}

static void iout_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    static const char *const needs_create[] = { "create_partitions", "message_expiry", "max_topic_size" };
    const iout_cfg_t *c = cfg;
    hg_iggy_conn_check(&c->conn, obj, d);
    check_headers(c, d);
    for (size_t i = 0; i < HG_COUNT(needs_create) && !c->create; i++)
        if (hg_json_get(obj, needs_create[i]))
            hg_diag(d, true, hg_json_get(obj, needs_create[i]), true,
                    "option '%s' is for topics that are made: it has no effect without \"create\": true",
                    needs_create[i]);
    if (c->key_header && (!c->key_header[0] || strlen(c->key_header) > MAX_KEY))
        hg_diag(d, false, hg_json_get(obj, "key_header"), false, "option 'key_header': a name has 1 to %d bytes",
                MAX_KEY);
    if (c->has_partition && hg_json_get(obj, "partitioning"))
        hg_diag(d, false, hg_json_get(obj, "partitioning"), true, "'partition' and 'partitioning' exclude each other");
}

static size_t iout_max_message(const void *cfg, bool exactly_once)
{
    (void)cfg, (void)exactly_once;
    return HG_IGGY_MAX_PAYLOAD;
}

static const char *iout_topic(const void *cfg)
{
    return ((const iout_cfg_t *)cfg)->conn.topic;
}

static int iout_open(hg_output_t *out, hg_err_t *err)
{
    iout_t *k = hg_out_inst(out);
    const iout_cfg_t *c = hg_out_cfg(out);
    hg_list_init(&k->batches);
    hg_buf_t *const bufs[] = { &k->fixed, &k->header, &k->stuck, &k->stuck_key, &k->stuck_headers };
    for (size_t i = 0; i < HG_COUNT(bufs); i++) hg_buf_init(bufs[i], HG_BUF_NOMAX);
    int rc = 0;
    const hg_json_t *h = c->headers && c->headers->kind == HG_J_ARRAY ? c->headers->child : NULL;
    for (; h && rc == 0; h = h->next)
        rc = add_header(&k->fixed, hg_strz(hg_json_str(hg_json_get(h, "key"), "")),
                        hg_strz(hg_json_str(hg_json_get(h, "value"), "")), err);
    if (rc == 0) rc = hg_iggy_conn_opts(&c->conn, &k->opts, err);
    k->opts_ok = rc == 0;
    return rc;
}

/* --- what is confirmed --- */

/* The producer has nothing: then every batch that has ended is there. */
static void settle(iout_t *k)
{
    if (k->is_stuck || !k->producer || hg_iggy_producer_open_messages(k->producer)) return;
    const batch_t *last = hg_list_empty(&k->batches) ? NULL : HG_ENTRY(k->batches.prev, batch_t, link);
    k->done = k->tag + (!last || last->ended);
}

static void deliver(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    settle(k);
    while (!k->closing && !hg_list_empty(&k->batches)) {
        batch_t *b = HG_ENTRY(k->batches.next, batch_t, link);
        if (!b->ended || b->tag >= k->done) break;
        uint64_t step = b->step;
        hg_list_del(&b->link);
        hg_free(b);
        hg_out_delivered(out, step);
    }
    if (k->stopping && !k->stopped && !k->closing && hg_list_empty(&k->batches)) {
        k->stopped = true;
        hg_out_stopped(out);
    }
}

static void trouble(hg_output_t *out, const hg_err_t *why)
{
    iout_t *k = hg_out_inst(out);
    hg_err_t err = *why;
    if (k->closing) return;
    err.retry = !err.fatal;
    k->unhealthy |= err.retry;
    hg_out_error(out, "iggy", &err);
    if (err.retry && !k->closing) hg_out_retries_in(out, k->opts.retry_ms);
}

static void is_healthy(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    if (k->unhealthy) hg_out_healthy(out);
    k->unhealthy = false;
}

/* --- the producer --- */

/* HG_EAGAIN: no room. */
static int put(iout_t *k, hg_str_t key, hg_str_t payload, hg_str_t headers, uint64_t tag, hg_err_t *err)
{
    hg_iggy_message_t m = { .payload = payload, .headers = headers };
    if (!m.payload.p) m.payload.p = "";
    return hg_iggy_producer_add(k->producer, &m, key, tag, err);
}

static void go_on(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    if (k->closing) return;
    if (k->is_stuck) {
        int rc =
            put(k, hg_buf_str(&k->stuck_key), hg_buf_str(&k->stuck), hg_buf_str(&k->stuck_headers), k->stuck_tag, &err);
        if (rc == HG_EAGAIN) return;
        k->is_stuck = false;
        if (rc < 0) hg_out_error(out, "iggy", &err); /* this message alone, which is left out */
        deliver(out);
        if (k->closing) return;
    }
    if (k->told_full) {
        k->told_full = false;
        hg_out_drained(out);
    }
}

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    iout_t *k = hg_out_inst(arg);
    (void)server;
    is_healthy(arg);
    if (!k->told_ready) {
        k->told_ready = true;
        hg_out_ready(arg);
    }
    go_on(arg);
}

static void on_down(void *arg, const hg_err_t *err)
{
    trouble(arg, err);
}

static void on_fatal(void *arg, const hg_err_t *why)
{
    hg_err_t err = *why;
    err.fatal = 1;
    trouble(arg, &err);
}

static void on_delivered(void *arg, const hg_iggy_delivery_t *d)
{
    iout_t *k = hg_out_inst(arg);
    if (d->done != UINT64_MAX) k->done = d->done; /* else see settle() */
    is_healthy(arg);
    deliver(arg);
}

/* A configuration, of the topic or ours, is to be changed; nothing is lost where the pipeline keeps what outputs owe.
 */
static bool on_refused(void *arg, const hg_iggy_delivery_t *d, const hg_err_t *err)
{
    (void)arg, (void)d, (void)err;
    return false;
}

static void on_room(void *arg)
{
    go_on(arg);
}

/* --- the contract --- */

static int iout_start(hg_output_t *out, hg_err_t *err)
{
    static const hg_iggy_producer_ops_t ops = { .ready = on_ready,
                                                .down = on_down,
                                                .fatal = on_fatal,
                                                .delivered = on_delivered,
                                                .refused = on_refused,
                                                .room = on_room };
    iout_t *k = hg_out_inst(out);
    const iout_cfg_t *c = hg_out_cfg(out);
    (void)err;
    hg_iggy_producer_opts_t o = { .stream = hg_iggy_conn_stream(&c->conn),
                                  .topic = hg_iggy_conn_topic(&c->conn),
                                  .partitioning = c->has_partition              ? HG_IGGY_FIXED
                                                  : c->partitioning == BALANCED ? HG_IGGY_BALANCED
                                                                                : HG_IGGY_BY_KEY,
                                  .partition = c->partition,
                                  .batch_count = c->batch,
                                  .linger_ms = c->linger_ms,
                                  .create = c->create,
                                  .partitions = c->partitions,
                                  .topic_opts = { .expiry = c->expiry_ms * 1000, .max_size = c->max_size } };
    k->producer = hg_iggy_producer_open(hg_out_loop(out), &k->opts, &o, &ops, out);
    k->producer_open = true;
    return 0;
}

static batch_t *current(iout_t *k, uint64_t step)
{
    if (!hg_list_empty(&k->batches)) {
        batch_t *last = HG_ENTRY(k->batches.prev, batch_t, link);
        if (!last->ended) return last;
    }
    batch_t *b = HG_NEW(batch_t);
    b->step = step;
    b->tag = ++k->tag;
    hg_list_init(&b->link);
    hg_list_add_tail(&k->batches, &b->link);
    return b;
}

/* Those of the configuration, then the operation, then the key. */
static int headers_of(hg_output_t *out, hg_str_t key, bool tombstone, hg_str_t *ret, hg_err_t *err)
{
    iout_t *k = hg_out_inst(out);
    const iout_cfg_t *c = hg_out_cfg(out);
    const char *op = hg_out_op(out);
    bool has_op = op && *op, has_key = c->key_header && key.n;
    int rc = 0;
    if (tombstone && !has_key)
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "a delete of this format is a key without a value, which Iggy has not: set 'key_header'");
    if (has_key && key.n > MAX_KEY)
        return hg_err_set(err, HG_ETOOBIG, "the key has %zu bytes; 'key_header' takes up to %d", key.n, MAX_KEY);
    *ret = hg_buf_str(&k->fixed);
    if (!has_op && !has_key) return 0;
    hg_buf_clear(&k->header);
    (void)hg_buf_addstr(&k->header, *ret);
    if (has_op) rc = add_header(&k->header, HG_S(OP_HEADER), hg_strz(op), err);
    if (rc == 0 && has_key)
        rc = hg_iggy_header_add(
            &k->header,
            &(hg_iggy_header_t){
                .key_kind = HG_IGGY_H_STRING, .kind = HG_IGGY_H_RAW, .key = hg_strz(c->key_header), .value = key },
            err);
    *ret = hg_buf_str(&k->header);
    return rc;
}

static int iout_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n_records,
                      hg_err_t *err)
{
    iout_t *k = hg_out_inst(out);
    const iout_cfg_t *c = hg_out_cfg(out);
    const batch_t *b = current(k, step);
    (void)n_records;
    hg_str_t headers;
    int rc = headers_of(out, key, !payload.p, &headers, err);
    if (rc < 0) return rc;
    if (c->has_partition || c->partitioning == BALANCED) key = (hg_str_t){ 0 };
    if (key.n > MAX_KEY) key = (hg_str_t){ key.p + key.n - MAX_KEY, MAX_KEY }; /* its last values tell keys apart */
    if (!k->is_stuck) {
        rc = put(k, key, payload, headers, b->tag, err);
        if (rc != HG_EAGAIN) return rc;
    }
    HG_ASSERT(!k->is_stuck); /* the host stops at the first HG_EAGAIN */
    k->is_stuck = k->told_full = true;
    hg_buf_clear(&k->stuck);
    hg_buf_clear(&k->stuck_key);
    hg_buf_clear(&k->stuck_headers);
    k->stuck_tag = b->tag;
    (void)hg_buf_addstr(&k->stuck, payload);
    (void)hg_buf_addstr(&k->stuck_key, key);
    (void)hg_buf_addstr(&k->stuck_headers, headers);
    return HG_EAGAIN;
}

static int iout_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    iout_t *k = hg_out_inst(out);
    batch_t *b = current(k, step);
    (void)err;
    b->step = step;
    b->ended = true;
    deliver(out);
    return 0;
}

static void iout_stop(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    k->stopping = true;
    if (k->producer) hg_iggy_producer_flush(k->producer);
    deliver(out);
}

static void maybe_closed(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    hg_list_t *n;
    hg_buf_t *const bufs[] = { &k->fixed, &k->header, &k->stuck, &k->stuck_key, &k->stuck_headers };
    if (k->producer_open) return;
    while ((n = hg_list_pop(&k->batches)) != NULL) hg_free(HG_ENTRY(n, batch_t, link));
    for (size_t i = 0; i < HG_COUNT(bufs); i++) hg_buf_release(bufs[i]);
    if (k->opts_ok) hg_iggy_opts_release(&k->opts);
    hg_out_closed(out);
}

static void producer_closed(void *arg)
{
    ((iout_t *)hg_out_inst(arg))->producer_open = false;
    maybe_closed(arg);
}

static void iout_close(hg_output_t *out)
{
    iout_t *k = hg_out_inst(out);
    hg_iggy_producer_t *p = k->producer;
    k->closing = true;
    k->producer = NULL;
    if (p)
        hg_iggy_producer_close(p, producer_closed, out);
    else
        maybe_closed(out);
}

const hg_output_type_t hg_output_iggy = {
    .abi = HG_CONNECTOR_ABI,
    .name = "iggy_output",
    .summary = "writes a topic of an Apache Iggy server",
    .opts = iout_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(iout_cfg_t),
    .inst_size = sizeof(iout_t),
    .messages = true,
    .max_message = iout_max_message,
    .topic = iout_topic,
    .check = iout_check,
    .open = iout_open,
    .start = iout_start,
    .write = iout_write,
    .end_batch = iout_end_batch,
    .stop = iout_stop,
    .close = iout_close,
};
