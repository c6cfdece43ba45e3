/* nats_input.c: reads a JetStream stream of a NATS server, in the order of its sequence numbers.
 *
 *   CLOSED ─run─► OPENING ─INFO─► [TLS] ─► GREETING ─PONG─► STREAM ─► CONSUMER ─► READING
 *      ▲ timer                any: a lost connection, a stream that is not there, no answer in time
 *
 * STREAM asks what the stream holds, CONSUMER makes an ephemeral consumer that begins at `next`; READING pulls. The
 * consumer is thrown away and made again wherever its messages might have a gap: after a reconnect, when the server has
 * forgotten it, when its own numbers jump. So what was read is known by the stream's sequence alone, and nothing is
 * acknowledged. What comes while the input is held waits in `stash`: no more than one pull asked for.
 *
 * A stream that was made anew under the same name, or that no longer has the message that comes next, is an error that
 * ends the input: what is in it now does not go on where we stopped. Everything is on the loop. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/nats_int.h"
#include "connectors/transport/position.h"
#include "net/stream.h"

extern const hg_input_type_t hg_input_nats;

#define PULL_BYTES ((uint64_t)8 << 20) /* a pull brings no more, unless one message has */

typedef enum { SE_CLOSED, SE_OPENING, SE_GREETING, SE_STREAM, SE_CONSUMER, SE_READING } session_t;

typedef struct {
    uint64_t seq;
    int64_t us;
    size_t off, len; /* in stash */
} waiting_t;

typedef struct {
    hg_nats_options_t o;
    hg_arena_t *arena; /* of o's texts */
    session_t session;
    hg_stream_t *stream;
    hg_nats_proto_t proto;
    bool running, closing, conn_open, reopen, unhealthy, ready, tls_on, consumed;
    uv_timer_t *timer;         /* CLOSED: the next attempt; READING: inactivity; else: an answer is waited for */
    uint64_t nonce, asked;     /* names of our inboxes; number of the newest request */
    uint64_t generation, cseq; /* of the consumer; its next number */
    hg_buf_t consumer, out;
    hg_buf_t challenge;            /* the server's nonce, to be signed */
    uint64_t next, start;          /* sequence to ask for, 0 = as configured; where this instance began */
    char created[HG_NATS_CREATED]; /* of the stream; "" = not known */
    uint64_t pulled;               /* messages asked for that have not come */
    uint64_t max_payload;
    bool checking; /* READING: the answer to a question about the stream is waited for */
    hg_lane_t *lane;
    hg_buf_t stash;
    waiting_t *wait;
    uint32_t n_wait, at_wait, cap_wait;
} nats_t;

static void open_session(hg_input_t *in);
static void go_on(hg_input_t *in);
static void ask_stream(hg_input_t *in);

/* --- configuration --- */

static void nats_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    hg_nats_options_t o;
    hg_arena_t *a = hg_arena_new();
    (void)hg_nats_options(cfg, obj, a, &o, d);
    hg_nats_options_release(&o);
    hg_arena_free(a);
}

static bool nats_is_finite(const void *cfg)
{
    (void)cfg;
    return false;
}

static void first_complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    hg_err_t *err = arg;
    (void)node, (void)at_key;
    if (!warning && !err->code) hg_err_set(err, HG_EINVALTRANSPORT, "%s", msg);
}

static int nats_open(hg_input_t *in, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    hg_diag_t d = { .fn = first_complaint, .arg = err };
    k->arena = hg_arena_new();
    hg_buf_init(&k->consumer, HG_BUF_NOMAX);
    hg_buf_init(&k->out, HG_BUF_NOMAX);
    hg_buf_init(&k->challenge, HG_BUF_NOMAX);
    hg_buf_init(&k->stash, HG_BUF_NOMAX);
    hg_random(&k->nonce, sizeof k->nonce);
    return hg_nats_options(hg_in_cfg(in), NULL, k->arena, &k->o, &d) < 0 ? err->code : 0;
}

/* --- ends and failures --- */

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_timer(nats_t *k)
{
    if (k->timer) uv_close((uv_handle_t *)k->timer, free_handle);
    k->timer = NULL;
}

static void arm(hg_input_t *in, uv_timer_cb fn, uint64_t ms)
{
    nats_t *k = hg_in_inst(in);
    if (!k->timer) {
        k->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), k->timer);
        k->timer->data = in;
    }
    uv_timer_start(k->timer, fn, ms, 0);
}

static void maybe_closed(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    if (!k->closing || k->conn_open) return;
    hg_nats_options_release(&k->o);
    hg_nats_proto_release(&k->proto);
    hg_buf_release(&k->consumer);
    hg_buf_release(&k->out);
    hg_buf_release(&k->challenge);
    hg_buf_release(&k->stash);
    hg_free(k->wait);
    k->wait = NULL;
    hg_arena_free(k->arena);
    hg_in_closed(in);
}

static void conn_closed(void *arg)
{
    nats_t *k = hg_in_inst(arg);
    k->conn_open = false;
    if (k->reopen && !k->closing)
        open_session(arg);
    else
        maybe_closed(arg);
}

/* What waits in the stash was read and stays. */
static void drop_conn(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    if (k->stream) hg_stream_close(k->stream, conn_closed, in);
    k->stream = NULL;
    k->session = SE_CLOSED;
    k->pulled = 0;
    k->checking = false;
    k->generation++;
}

static void on_retry(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    nats_t *k = hg_in_inst(in);
    drop_timer(k);
    if (!k->running) return; /* the next run opens */
    k->reopen = k->conn_open;
    if (!k->conn_open) open_session(in);
}

static void failed(hg_input_t *in, const hg_err_t *why)
{
    nats_t *k = hg_in_inst(in);
    const hg_nats_cfg_t *c = hg_in_cfg(in);
    hg_err_t err = *why;
    if (k->closing || k->session == SE_CLOSED) return;
    drop_conn(in);
    drop_timer(k);
    err.fatal = !err.retry;
    k->unhealthy = true;
    if (err.fatal) k->running = false;
    hg_in_error(in, "nats", &err);
    if (err.fatal || k->closing) return;
    hg_in_retries_in(in, c->retry * 1000);
    arm(in, on_retry, c->retry * 1000);
}

static void on_failed(void *arg, const hg_err_t *why)
{
    failed(arg, why);
}

static void on_silence(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    const nats_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ETIMEOUT, "%s:%u does not answer", k->o.server.host.p, (unsigned)k->o.server.port);
    failed(in, &err);
}

/* Nothing has come for long: is the stream still there? */
static void on_inactivity(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    nats_t *k = hg_in_inst(in);
    k->checking = true;
    ask_stream(in);
}

static void read_on(hg_input_t *in)
{
    const hg_nats_cfg_t *c = hg_in_cfg(in);
    arm(in, on_inactivity, c->inactivity * 1000);
}

/* --- sending --- */

static void send_out(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    int rc = k->stream ? hg_stream_write(k->stream, k->out.p, k->out.len, &err) : 0;
    hg_buf_clear(&k->out);
    if (rc < 0) failed(in, &err);
}

/* kind: 'r' for an answer, 'm' for messages. */
static void publish(hg_input_t *in, hg_str_t subject, char kind, uint64_t number, hg_str_t body)
{
    nats_t *k = hg_in_inst(in);
    (void)hg_buf_addf(&k->out, "PUB " HG_SF " _INBOX.%016" PRIx64 ".%c.%" PRIu64 " %zu\r\n", HG_SA(subject), k->nonce,
                      kind, number, body.n);
    (void)hg_buf_addstr(&k->out, body);
    (void)hg_buf_adds(&k->out, "\r\n");
    send_out(in);
}

/* consumer: a part of the subject behind the stream's, or NULL. */
static void request(hg_input_t *in, const char *what, const char *consumer, hg_str_t body)
{
    nats_t *k = hg_in_inst(in);
    hg_buf_t subject;
    hg_buf_init(&subject, HG_BUF_NOMAX);
    (void)hg_buf_addf(&subject, "$JS.API.%s.%s", what, ((const hg_nats_cfg_t *)hg_in_cfg(in))->stream);
    if (consumer) (void)hg_buf_addf(&subject, ".%s", consumer);
    arm(in, on_silence, k->o.request_s * 1000);
    publish(in, hg_buf_str(&subject), 'r', ++k->asked, body);
    hg_buf_release(&subject);
}

static void greet(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    k->session = SE_GREETING;
    (void)hg_buf_adds(&k->out, "CONNECT ");
    hg_jw_init(&w, &k->out);
    hg_jw_obj(&w);
    hg_jw_kbool(&w, "verbose", false);
    hg_jw_kbool(&w, "pedantic", false);
    hg_jw_kbool(&w, "tls_required", k->o.server.tls);
    hg_jw_kstr(&w, "name", hg_in_name(in));
    hg_jw_kstr(&w, "lang", "c");
    hg_jw_kstr(&w, "version", HG_VERSION);
    hg_jw_ku64(&w, "protocol", 1);
    hg_jw_kbool(&w, "headers", true);
    hg_jw_kbool(&w, "no_responders", true);
    int rc = hg_nats_login(&k->o.server, hg_buf_str(&k->challenge), &w, &err);
    hg_jw_end_obj(&w);
    if (rc < 0) {
        hg_buf_clear(&k->out);
        failed(in, &err);
        return;
    }
    (void)hg_buf_addf(&k->out, "\r\nSUB _INBOX.%016" PRIx64 ".r.* 1\r\nPING\r\n", k->nonce);
    arm(in, on_silence, k->o.request_s * 1000);
    send_out(in);
}

static void ask_stream(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    if (!k->checking) k->session = SE_STREAM;
    request(in, "STREAM.INFO", NULL, (hg_str_t){ 0 });
}

static void make_consumer(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    hg_buf_t body;
    hg_jw_t w;
    k->session = SE_CONSUMER;
    if (k->generation) (void)hg_buf_addf(&k->out, "UNSUB %" PRIu64 "\r\n", 1 + k->generation);
    k->generation++;
    k->cseq = 1;
    (void)hg_buf_addf(&k->out, "SUB _INBOX.%016" PRIx64 ".m.%" PRIu64 " %" PRIu64 "\r\n", k->nonce, k->generation,
                      1 + k->generation);
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    /* each has a name of its own: the one before it may still be there */
    char *name = k->o.name ? hg_xprintf("%s_%016" PRIx64 "_%" PRIu64, k->o.name, k->nonce, k->generation) : NULL;
    hg_nats_consumer(&k->o, ((const hg_nats_cfg_t *)hg_in_cfg(in))->stream, name, k->next, &w);
    request(in, "CONSUMER.CREATE", name, hg_buf_str(&body));
    hg_free(name);
    hg_buf_release(&body);
}

static void pull(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    hg_buf_t subject, body;
    hg_buf_init(&subject, HG_BUF_NOMAX);
    hg_buf_init(&body, HG_BUF_NOMAX);
    k->pulled = k->o.max_batch;
    (void)hg_buf_addf(&subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", ((const hg_nats_cfg_t *)hg_in_cfg(in))->stream,
                      k->consumer.p);
    (void)hg_buf_addf(&body, "{\"batch\":%" PRIu64 ",\"expires\":%" PRIu64 ",\"max_bytes\":%" PRIu64 "}", k->pulled,
                      k->o.expires_ns, k->o.max_bytes ? k->o.max_bytes : HG_MAX(PULL_BYTES, 2 * k->max_payload));
    publish(in, hg_buf_str(&subject), 'm', k->generation, hg_buf_str(&body));
    hg_buf_release(&subject);
    hg_buf_release(&body);
}

/* --- records --- */

static void give(hg_input_t *in, uint64_t seq, int64_t us, hg_str_t payload)
{
    nats_t *k = hg_in_inst(in);
    hg_message_t m = { .payload = payload, .pos = seq, .timestamp_us = us };
    if (!m.payload.p) m.payload.p = "";
    if (!k->lane) k->lane = hg_lane_open(in, k->start);
    k->consumed = true;
    if (hg_lane_message(k->lane, &m) != HG_LANE_OK) k->running = false;
}

static void stash(hg_input_t *in, uint64_t seq, int64_t us, hg_str_t payload)
{
    nats_t *k = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (k->n_wait == k->cap_wait) {
        k->cap_wait = k->cap_wait ? k->cap_wait * 2 : 64;
        k->wait = hg_xgrow(k->wait, sizeof *k->wait * k->cap_wait);
    }
    k->wait[k->n_wait] = (waiting_t){ .seq = seq, .us = us, .off = k->stash.len, .len = payload.n };
    if (hg_buf_addstr(&k->stash, payload) < 0) {
        hg_err_set(&err, HG_ENOMEM, "out of memory for messages that wait");
        failed(in, &err);
        return;
    }
    k->n_wait++;
}

static void message(hg_input_t *in, const hg_nats_frame_t *f)
{
    nats_t *k = hg_in_inst(in);
    uint64_t seq, cseq;
    int64_t ns;
    hg_str_t text;
    hg_err_t err = HG_ERR_INIT;
    unsigned status = hg_nats_status(f->headers, &text);
    if (status && !f->payload.n) {
        k->pulled = status == 100 ? k->pulled : 0;
        if (status == 100 || status == 404 || status == 408) return;                     /* a pull that has run out */
        if (status == 503 || (status == 409 && hg_str_starts(text, HG_S("Consumer")))) { /* it was forgotten */
            ask_stream(in);
        } else if (status == 409 && hg_str_starts(text, HG_S("Message Size"))) {
            hg_err_set(&err, HG_ETOOBIG, "a message is larger than 'max_bytes' (%" PRIu64 ")", k->o.max_bytes);
            failed(in, &err);
        } else {
            hg_err_retry(&err, HG_ENET, "the server refuses to give messages: %u " HG_SF, status, HG_SA(text));
            failed(in, &err);
        }
        return;
    }
    if (!hg_nats_sequences(f->reply, &seq, &cseq, &ns)) return; /* not from a stream */
    if (k->pulled) k->pulled--;
    if (cseq != k->cseq) { /* something is missing: from what we know */
        ask_stream(in);
        return;
    }
    k->cseq++;
    k->next = seq + 1;
    if (k->running && k->at_wait == k->n_wait)
        give(in, seq, ns / 1000, f->payload);
    else
        stash(in, seq, ns / 1000, f->payload);
}

/* --- answers --- */

/* Where to begin, and whether what comes next is still there. */
static int take_stream(hg_input_t *in, const hg_json_t *v, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    const char *stream = ((const hg_nats_cfg_t *)hg_in_cfg(in))->stream;
    hg_nats_state_t s;
    int rc = hg_nats_stream_state(v, stream, &s, err);
    if (rc < 0) return rc;
    if (k->consumed && k->created[0] && strcmp(s.created, k->created) != 0)
        return hg_err_set(err, HG_EIO,
                          "stream '%s' was made anew (at %s) since it was read up to message %" PRIu64
                          "; set the connector's position to read the new one",
                          stream, s.created, k->next - 1);
    snprintf(k->created, sizeof k->created, "%s", s.created);
    if (k->consumed && (k->next > s.last + 1 || k->next < s.first))
        return hg_err_set(err, HG_EIO,
                          "message %" PRIu64 " of stream '%s', which comes next, is not there: it has %" PRIu64
                          " to %" PRIu64,
                          k->next, stream, s.first, s.last);
    if (!k->next && strcmp(k->o.policy, "all") == 0) k->next = HG_MAX(s.first, (uint64_t)1);
    if (!k->next && strcmp(k->o.policy, "new") == 0) k->next = s.last + 1;
    if (!k->next && k->o.start_sequence) k->next = k->o.start_sequence;
    if (!k->start) k->start = k->next;
    if (!hg_in_replay_reaches(in, 0, s.last + 1)) {
        k->running = false;
        return HG_ECLOSED;
    }
    return 0;
}

static int take_consumer(hg_input_t *in, const hg_json_t *v, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    const char *name;
    int rc = hg_nats_consumer_name(v, &name, err);
    if (rc < 0) return rc;
    hg_buf_clear(&k->consumer);
    (void)hg_buf_adds(&k->consumer, name);
    k->session = SE_READING;
    k->pulled = 0;
    if (k->unhealthy) hg_in_healthy(in);
    k->unhealthy = false;
    read_on(in);
    return 0;
}

static void answer(hg_input_t *in, const hg_nats_frame_t *f)
{
    nats_t *k = hg_in_inst(in);
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v = NULL;
    hg_str_t text;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    if (hg_nats_status(f->headers, &text) == 503)
        rc = hg_err_retry(&err, HG_ENET, "the server has no JetStream for this account");
    else
        rc = hg_nats_answer(a, f->payload, k->session == SE_CONSUMER ? "the consumer" : "the stream", &v, &err);
    if (rc == 0 && k->checking) {
        k->checking = false;
        read_on(in);
    } else if (rc == 0 && k->session == SE_STREAM) {
        rc = take_stream(in, v, &err);
        if (rc == 0) make_consumer(in);
    } else if (rc == 0 && k->session == SE_CONSUMER) {
        rc = take_consumer(in, v, &err);
    }
    hg_arena_free(a);
    if (rc < 0 && err.code) failed(in, &err);
}

static void server_info(hg_input_t *in, hg_str_t text)
{
    nats_t *k = hg_in_inst(in);
    hg_arena_t *a = hg_arena_new();
    hg_nats_info_t s;
    hg_err_t err = HG_ERR_INIT;
    if (hg_nats_info(a, text, &s, &err) == 0) {
        k->max_payload = s.max_payload;
        hg_buf_clear(&k->challenge);
        (void)hg_buf_adds(&k->challenge, s.nonce);
        if (s.tls_required && !k->o.server.tls)
            hg_err_set(&err, HG_ENET, "the server wants TLS: begin 'server_url' with tls://");
        else if (k->o.subjects.n > 1 && (s.major < 2 || (s.major == 2 && s.minor < 10)))
            hg_err_set(&err, HG_EUNSUPPORTED,
                       "several 'filter_subjects' need a server of version 2.10; this one is %u.%u", s.major, s.minor);
    }
    hg_arena_free(a);
    if (err.code)
        failed(in, &err);
    else if (k->o.server.tls)
        hg_stream_start_tls(k->stream);
    else
        greet(in);
}

static void complaint(hg_input_t *in, hg_str_t text)
{
    hg_err_t err = HG_ERR_INIT;
    hg_nats_complaint(text, &err);
    failed(in, &err);
}

static bool on_frame(void *arg, const hg_nats_frame_t *f)
{
    hg_input_t *in = arg;
    nats_t *k = hg_in_inst(in);
    const hg_stream_t *stream = k->stream;
    const char *dot;
    uint64_t number = 0;
    switch (f->op) {
    case HG_NATS_INFO:
        if (k->session == SE_OPENING) server_info(in, f->text);
        break;
    case HG_NATS_PING:
        (void)hg_buf_adds(&k->out, "PONG\r\n");
        send_out(in);
        break;
    case HG_NATS_PONG:
        if (k->session == SE_GREETING) ask_stream(in);
        break;
    case HG_NATS_OK:
        break;
    case HG_NATS_ERR:
        complaint(in, f->text);
        break;
    case HG_NATS_MSG: /* a stream's messages keep their subject: the subscription tells what they are */
        if (f->sid == 1 + k->generation && k->session == SE_READING)
            message(in, f);
        else if (f->sid == 1 && (dot = memrchr(f->subject.p, '.', f->subject.n)) != NULL &&
                 hg_str_u64((hg_str_t){ dot + 1, (size_t)(f->subject.p + f->subject.n - dot - 1) }, &number) == 0 &&
                 number == k->asked)
            answer(in, f);
        break;
    }
    return k->stream && k->stream == stream && !k->closing;
}

static void on_data(void *arg, const char *p, size_t n)
{
    nats_t *k = hg_in_inst(arg);
    hg_err_t err = HG_ERR_INIT;
    if (!k->stream) return;
    if (hg_nats_feed(&k->proto, p, n, &err) < 0) {
        failed(arg, &err);
        return;
    }
    if (k->closing) return;
    if (k->session == SE_READING && !k->checking) read_on(arg);
    go_on(arg);
}

static void on_opened(void *arg)
{
    nats_t *k = hg_in_inst(arg);
    if (!k->tls_on) { /* first INFO, in plain */
        k->tls_on = true;
        arm(arg, on_silence, k->o.request_s * 1000);
    } else {
        greet(arg);
    }
}

static void on_drained(void *arg)
{
    (void)arg;
}

static void open_session(hg_input_t *in)
{
    static const hg_stream_ops_t ops = {
        .opened = on_opened, .data = on_data, .drained = on_drained, .failed = on_failed
    };
    nats_t *k = hg_in_inst(in);
    hg_stream_opts_t o = { .host = k->o.server.host.p,
                           .port = k->o.server.port,
                           .timeout_ms = k->o.connect_s * 1000,
                           .tls = k->o.server.tls,
                           .tls_later = k->o.server.tls,
                           .ca_file = k->o.ca_file };
    hg_err_t err = HG_ERR_INIT;
    k->session = SE_OPENING;
    k->reopen = k->tls_on = false;
    if (k->o.server.creds_file && hg_nats_creds_file(k->o.server.creds_file, &k->o.server.identity, &err) < 0) {
        failed(in, &err);
        return;
    }
    k->conn_open = true;
    if (k->proto.frame)
        hg_nats_proto_reset(&k->proto);
    else
        hg_nats_proto_init(&k->proto, on_frame, in, (size_t)128 << 20);
    hg_buf_clear(&k->out);
    k->stream = hg_stream_open(hg_in_loop(in), &o, &ops, in);
}

/* Gives what waits, then asks for more. */
static void go_on(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    while (k->running && k->at_wait < k->n_wait) {
        const waiting_t *w = &k->wait[k->at_wait++];
        give(in, w->seq, w->us, (hg_str_t){ k->stash.p + w->off, w->len });
    }
    if (k->at_wait == k->n_wait) {
        k->at_wait = k->n_wait = 0;
        hg_buf_clear(&k->stash);
    }
    if (k->running && k->lane && hg_lane_flush(k->lane) != HG_LANE_OK) k->running = false;
    if (k->running && k->session == SE_READING && !k->pulled) pull(in);
}

/* --- the contract --- */

static int nats_run(hg_input_t *in, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    (void)err;
    k->running = true;
    go_on(in);
    if (k->session == SE_CLOSED && !k->timer) {
        k->reopen = k->conn_open;
        if (!k->conn_open) open_session(in);
    }
    return 0;
}

static int nats_hold(hg_input_t *in, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    (void)err;
    k->running = false;
    if (k->lane) (void)hg_lane_flush(k->lane);
    return 0;
}

static void nats_close(hg_input_t *in)
{
    nats_t *k = hg_in_inst(in);
    k->closing = true;
    k->running = false;
    drop_timer(k);
    if (k->lane) (void)hg_lane_close(k->lane, true);
    k->lane = NULL;
    if (k->stream) drop_conn(in);
    maybe_closed(in);
}

static void nats_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const nats_t *k = hg_in_inst(in);
    uint64_t at = n ? consumed[0].end : k->start;
    hg_jw_obj(w);
    if (at) hg_jw_ku64(w, "sequence", at);
    if (at && k->created[0]) hg_jw_kstr(w, "stream_created", k->created);
    hg_jw_end_obj(w);
}

static int read_position(const hg_json_t *v, uint64_t *seq, const char **created, hg_err_t *err)
{
    static const char *const names[] = { "sequence", "stream_created", NULL };
    static const char what[] = "a position of nats_input";
    *seq = 0;
    int rc = hg_position_members(v, what, names, err);
    if (rc == 0) rc = hg_position_u64(v, what, "sequence", false, seq, err);
    if (rc < 0) return rc;
    *created = hg_json_str(hg_json_get(v, "stream_created"), "");
    if (strlen(*created) >= HG_NATS_CREATED)
        return hg_err_set(err, HG_EPARSE, "%s: 'stream_created' is not a time", what);
    return 0;
}

static int nats_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    uint64_t seq;
    const char *created;
    (void)cfg;
    return read_position(position, &seq, &created, err);
}

static int nats_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    nats_t *k = hg_in_inst(in);
    const char *created;
    uint64_t seq;
    int rc = read_position(position, &seq, &created, err);
    if (rc < 0) return rc;
    k->next = k->start = seq;
    k->consumed = seq > 0;
    snprintf(k->created, sizeof k->created, "%s", created);
    return 0;
}

const hg_input_type_t hg_input_nats = {
    .abi = HG_CONNECTOR_ABI,
    .name = "nats_input",
    .summary = "reads a JetStream stream of a NATS server",
    .opts = hg_nats_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(hg_nats_cfg_t),
    .inst_size = sizeof(nats_t),
    .caps = HG_CAP_REPLAY | HG_CAP_MESSAGES | HG_CAP_RESUME,
    .is_finite = nats_is_finite,
    .check = nats_check,
    .open = nats_open,
    .run = nats_run,
    .hold = nats_hold,
    .close = nats_close,
    .save = nats_save,
    .restore = nats_restore,
    .check_position = nats_check_position,
    .position_doc = "`{\"sequence\": n}`: the number of the next message of the stream. Saved ones also have "
                    "`stream_created`, by which a stream that was made anew is noticed.",
};
