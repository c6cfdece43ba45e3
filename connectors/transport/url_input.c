/* url_input.c: reads the body of an HTTP(S) GET.
 *
 *   idle ──run──► connecting ─head─► reading ⇄ held ─(pause_timeout)─► dropped ──run──► connecting with Range …
 *                    │  connect failed, cut: again after 1, 2, 4 s, from where it stopped
 *                    └─ 416, end of the body ─► ended
 *
 * A cut body is asked for again with Range and If-Range: a server that answers 200 sends everything again and the known
 * prefix is skipped; a resource that has changed meanwhile (another ETag or Last-Modified) is a fatal error, because
 * its two halves would not belong together. Validator and length are part of the position, so the same holds over a
 * restart. A resource without a validator is known by its length alone, which is said once.
 *
 * A server may send the body compressed without being asked (Content-Encoding). Then `raw` (http_body.h) counts decoded
 * bytes, of which its ranges and lengths know nothing: such a resource is always asked for as a whole, and the known
 * prefix is skipped. With `auto`, the encoding is then taken for that of the name: it is what servers say of a stored
 * .gz.
 *
 * A format that makes an index of a file's end (Parquet) is given the end first, by a request of its own (http_tail.h).
 * What comes then has to be the same resource.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/connector.h"
#include "connectors/transport/http_body.h"
#include "connectors/transport/http_tail.h"
#include "connectors/transport/position.h"

extern const hg_input_type_t hg_input_url;

#define TRIES      3 /* without one byte of progress in between */
#define RETRY_BASE 1000
#define QUIET_MS   20 /* what has come waits for more no longer than this */

typedef struct {
    const char *path;
    uint32_t pause_timeout;
    int compression; /* hg_compression_t */
} url_cfg_t;

static const hg_opt_t url_opts[] = {
    { .key = "path",
      .type = HG_OPT_STR,
      .at = offsetof(url_cfg_t, path),
      .flags = HG_OPT_REQUIRED,
      .doc = "http:// or https:// URL. Redirects are followed; a body that the server sends compressed is decoded." },
    { .key = "pause_timeout",
      .type = HG_OPT_U32,
      .at = offsetof(url_cfg_t, pause_timeout),
      .def = "60",
      .unit = "s",
      .doc = "A paused connection is dropped after this time; reading goes on with a range request." },
    { .key = "compression",
      .type = HG_OPT_ENUM,
      .at = offsetof(url_cfg_t, compression),
      .names = HG_COMPRESSION_NAMES,
      .def = "auto",
      .doc = "What the resource is compressed with; `auto` goes by the end of the URL's path (.gz or .gzip, .zst or "
             ".zstd), unless the server itself says Content-Encoding. Several members one behind the other are one "
             "stream. A resume reads it again from the start, or from the last member (of 256 KiB or more) that began "
             "before; positions count uncompressed bytes." },
    { .key = NULL },
};

typedef struct {
    hg_client_t *client;
    hg_http_body_t body;
    hg_http_tail_t tail; /* its requests are body.t too */
    uv_timer_t *timer;   /* pause_timeout, retries */
    uv_timer_t *quiet;   /* flushes what a slow server has sent so far */
    bool running, ended, closing, close_due, at_end, retrying, warned;
    bool encoded;      /* it comes compressed: no ranges */
    uint64_t start;    /* where the first run began */
    uint64_t total;    /* size of the resource, 0 = unknown; at first that of the restored position */
    uint64_t tried_at; /* bytes that we had at the last failure */
    unsigned tries;
    char etag[256]; /* of the first answer: ETag, else Last-Modified; "" = none */
} url_t;

static void connect_url(hg_input_t *in);
static void pump(hg_input_t *in);
static void close_now(hg_input_t *in);

static bool is_reference(const char *v)
{
    return strncmp(v, "${", 2) == 0;
}

static void url_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const url_cfg_t *c = cfg;
    hg_err_t err = HG_ERR_INIT;
    if (c->path && strncmp(c->path, "http://", 7) != 0 && strncmp(c->path, "https://", 8) != 0 &&
        !is_reference(c->path))
        hg_diag(d, false, hg_json_get(obj, "path"), false,
                "option 'path': expected a URL that begins with http:// or https://");
    else if (c->path && !is_reference(c->path) && hg_url_access(c->path, &err) < 0)
        hg_diag(d, false, hg_json_get(obj, "path"), false, "%s", err.msg);
}

static hg_compression_t compression(const url_cfg_t *c)
{
    return hg_compression_of((hg_compression_t)c->compression, (hg_str_t){ c->path, strcspn(c->path, "?#") });
}

static int url_open(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    (void)err;
    hg_http_body_init(&u->body, &u->running);
    hg_http_body_from(&u->body, compression(hg_in_cfg(in)), (hg_member_t){ 0 }, 0);
    hg_http_tail_init(&u->tail, in, u->body.packed);
    return 0;
}

/* --- ending badly --- */

static void fatal(hg_input_t *in, const char *tag, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    u->running = false;
    err->fatal = 1;
    err->retry = 0;
    hg_in_error(in, tag, err);
}

static void on_timer(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    url_t *u = hg_in_inst(in);
    if (!u->running)
        hg_http_body_drop(&u->body); /* pause_timeout */
    else if (!u->body.t && !u->ended)
        connect_url(in);
}

static void start_timer(hg_input_t *in, uv_timer_t **t, uv_timer_cb fn, uint64_t ms)
{
    if (!*t) {
        *t = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), *t);
        (*t)->data = in;
    }
    uv_timer_start(*t, fn, ms, 0);
}

static void arm(hg_input_t *in, uint64_t ms)
{
    url_t *u = hg_in_inst(in);
    start_timer(in, &u->timer, on_timer, ms);
}

static void on_quiet(uv_timer_t *t)
{
    url_t *u = hg_in_inst(t->data);
    if (u->running && u->body.lane && hg_lane_flush(u->body.lane) != HG_LANE_OK) u->running = false;
}

/* The connection broke. Try again from where we are, unless TRIES attempts brought nothing. */
static void broke(hg_input_t *in, const hg_err_t *why)
{
    url_t *u = hg_in_inst(in);
    hg_err_t err = *why;
    if (hg_http_body_have(&u->body) != u->tried_at) u->tries = 0;
    u->tried_at = hg_http_body_have(&u->body);
    if (u->tries >= TRIES) {
        fatal(in, "http", &err);
        return;
    }
    err.retry = 1;
    err.fatal = 0;
    u->retrying = true;
    hg_in_error(in, "http", &err);
    if (u->closing) return;
    uint64_t ms = (uint64_t)RETRY_BASE << u->tries++;
    hg_in_retries_in(in, ms);
    arm(in, ms);
}

/* --- the answer's head --- */

static int bad_head(hg_err_t *err, const char *fmt, ...) HG_PRINTF(2, 3);
static int bad_head(hg_err_t *err, const char *fmt, ...)
{
    char msg[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return hg_err_set(err, HG_ENET, "%s", msg);
}

static void validator(hg_transfer_t *t, char *out, size_t cap)
{
    hg_str_t v = hg_transfer_header(t, "ETag");
    if (!v.p || hg_str_starts(v, HG_S("W/"))) v = hg_transfer_header(t, "Last-Modified");
    snprintf(out, cap, HG_SF, v.p ? (int)v.n : 0, v.p ? v.p : "");
}

/* want: bytes that we have of it; total: its size now, 0 = unknown. */
static int check_same(hg_input_t *in, uint64_t want, uint64_t total, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    char now[sizeof u->etag];
    bool known = want || u->tail.known;
    validator(u->body.t, now, sizeof now);
    if (known && u->etag[0] && now[0] && strcmp(now, u->etag) != 0)
        return bad_head(err, "the resource has changed since %" PRIu64 " bytes of it were read (%s is now %s)", want,
                        u->etag, now);
    if (known && u->total && total && total != u->total)
        return bad_head(err,
                        "the resource has changed since %" PRIu64 " bytes of it were read (it had %" PRIu64
                        " bytes and has %" PRIu64 " now)",
                        want, u->total, total);
    if (known && !(u->etag[0] && now[0]) && !u->warned) {
        u->warned = true;
        hg_log(
            HG_LOG_WARN, "input", hg_in_name(in), "unverified",
            "message=\"the server sends neither ETag nor Last-Modified: whether the resource is the one that was read "
            "before is judged by its length%s\"",
            u->total && total ? "" : ", and that is not known either");
    }
    if (!u->etag[0] || !known) snprintf(u->etag, sizeof u->etag, "%s", now);
    return 0;
}

static bool comes_encoded(hg_transfer_t *t)
{
    hg_str_t v = hg_transfer_header(t, "Content-Encoding");
    return v.n && !hg_str_ieq(v, HG_S("identity"));
}

static int take_head(hg_input_t *in, int status, uint64_t length, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    uint64_t want = hg_http_body_have(&u->body), start = 0, total = length == UINT64_MAX ? 0 : length;
    if (u->encoded) u->total = total = 0;
    if (status == 206) {
        if (want == 0) return bad_head(err, "the server answered 206 to a request without a range");
        int rc = hg_http_content_range(u->body.t, &start, &total, err);
        if (rc < 0) return rc;
        if (start > want)
            return bad_head(err, "the server answered with bytes from %" PRIu64 ", %" PRIu64 " were asked for", start,
                            want);
    } else if (hg_transfer_header(u->body.t, "Content-Range").p) {
        return bad_head(err, "the server sent a Content-Range with status %d", status);
    }
    int rc = check_same(in, want, total, err);
    if (rc < 0) return rc;
    u->body.skip = want - start;
    if (total) u->total = total;
    return 0;
}

/* 416, perhaps with "bytes * / size": is our offset the end, or beyond it? */
static int check_end(hg_input_t *in, hg_err_t *err)
{
    const url_t *u = hg_in_inst(in);
    uint64_t got = hg_http_body_have(&u->body), total;
    hg_str_t v = hg_transfer_header(u->body.t, "Content-Range");
    char text[64];
    snprintf(text, sizeof text, HG_SF, HG_SA(v));
    if (sscanf(text, "bytes */%" SCNu64, &total) != 1 || total == got) return 0;
    return bad_head(err, "the resource has changed: it has %" PRIu64 " bytes now, %" PRIu64 " were read before", total,
                    got);
}

/* A status that is no success; true: it was one. */
static bool refused(hg_input_t *in, int status)
{
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (status >= 200 && status <= 299) return false;
    const char *why = hg_http_status_text(status);
    hg_err_set(&err, HG_ENET, "HTTP status code of response (%d%s%s) is not success (2xx)", status, why[0] ? " " : "",
               why);
    hg_http_body_drop(&u->body);
    if (hg_http_is_transient(status))
        broke(in, &err);
    else
        fatal(in, "http", &err);
    return true;
}

static void works(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    if (!u->retrying) return;
    u->retrying = false;
    hg_in_healthy(in);
}

static void on_head(void *arg, int status, uint64_t length)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    u->body.skip = 0;
    u->at_end = status == 416; /* nothing behind our offset */
    if (u->at_end && check_end(in, &err) < 0) {
        hg_http_body_drop(&u->body);
        fatal(in, "http", &err);
    }
    if (u->at_end) return;
    if (refused(in, status)) return;
    bool known = u->encoded;
    u->encoded = comes_encoded(u->body.t);
    if (u->encoded && !known && status == 206) { /* a range of the compressed bytes: of no use */
        hg_http_body_drop(&u->body);
        arm(in, 0);
        return;
    }
    if (u->encoded && u->body.unpack && hg_http_body_have(&u->body) == 0 && u->body.off == 0 &&
        ((const url_cfg_t *)hg_in_cfg(in))->compression == HG_COMPRESSION_AUTO) {
        hg_http_body_from(&u->body, HG_COMPRESSION_NONE, (hg_member_t){ 0 }, 0);
    }
    if (take_head(in, status, length, &err) < 0) {
        hg_http_body_drop(&u->body);
        fatal(in, "http", &err);
        return;
    }
    works(in);
}

/* --- the end of it, before the rest --- */

static void tail_head(void *arg, int status, uint64_t length)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    (void)length;
    if (status != 416 && refused(in, status)) return;
    int rc = hg_http_tail_head(&u->tail, u->body.t, status, &err);
    if (rc > 0) rc = check_same(in, hg_http_body_have(&u->body), u->tail.size, &err) < 0 ? -1 : 1;
    if (rc <= 0) hg_http_body_drop(&u->body);
    if (rc < 0) {
        fatal(in, "http", &err);
    } else if (rc == 0) {
        arm(in, 0); /* as a whole, then */
    } else {
        u->tail.known = true;
        u->total = u->tail.size;
        works(in);
    }
}

static bool tail_data(void *arg, const char *p, size_t n)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    if (hg_http_tail_data(&u->tail, p, n)) return true;
    hg_http_body_drop(&u->body);
    arm(in, 0);
    return false;
}

static void tail_made(void *arg)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    if (u->close_due)
        close_now(in);
    else if (u->tail.err.code && !u->closing)
        fatal(in, "http", &u->tail.err);
    else
        pump(in);
}

static void tail_done(void *arg, const hg_err_t *why)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    hg_err_t err = *why;
    u->body.t = NULL;
    if (u->closing) return;
    if (!why->code)
        hg_http_tail_make(&u->tail, tail_made, in);
    else if (why->retry)
        broke(in, why);
    else
        fatal(in, "http", &err);
}

/* --- the body --- */

static void delivered(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    hg_in_progress(in, u->body.raw, u->total);
    if (u->running && !(u->quiet && uv_is_active((uv_handle_t *)u->quiet)))
        start_timer(in, &u->quiet, on_quiet, QUIET_MS);
}

static bool on_data(void *arg, const char *p, size_t n)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (u->at_end) return true;
    int rc = hg_http_body_data(&u->body, p, n, &err);
    delivered(in);
    if (rc < 0 && !u->closing) fatal(in, err.code == HG_ENOMEM ? "http" : "decompress", &err);
    return rc > 0;
}

static void finish(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    if (hg_http_body_end(&u->body, &err) < 0) {
        fatal(in, "decompress", &err);
        return;
    }
    u->ended = true;
    u->running = false;
    hg_lane_t *l = u->body.lane;
    u->body.lane = NULL;
    (void)hg_lane_close(l, false);
    hg_in_eoi(in);
}

static void on_done(void *arg, const hg_err_t *why)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    u->body.t = NULL;
    u->body.stalled = false;
    if (u->closing || u->ended) return;
    if (why->code && !u->at_end) {
        hg_err_t err = *why;
        if (why->retry)
            broke(in, why);
        else
            fatal(in, "http", &err);
        return;
    }
    if (u->body.skip) { /* all of it was sent again, and that was less than we have read before */
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENET,
                   "the resource has changed while it was read: it ends %" PRIu64 " bytes before the place reached",
                   u->body.skip);
        fatal(in, "http", &err);
        return;
    }
    u->at_end = true;
    pump(in);
}

/* Deliver what is left over, then let curl go on or end. */
static void pump(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    if (!u->running || u->closing || u->ended) return;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_http_body_pump(&u->body, &err);
    delivered(in);
    if (rc < 0 && !u->closing) fatal(in, err.code == HG_ENOMEM ? "http" : "decompress", &err);
    if (rc <= 0 || u->closing || u->body.t) return;
    if (u->at_end)
        finish(in);
    else if (!(u->timer && uv_is_active((uv_handle_t *)u->timer)))
        connect_url(in);
}

static void connect_url(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    const url_cfg_t *c = hg_in_cfg(in);
    hg_err_t err = HG_ERR_INIT;
    hg_transfer_opts_t o = { .url = c->path,
                             .range_from = u->encoded ? 0 : hg_http_body_have(&u->body),
                             .connect_timeout_ms = 10000,
                             .low_speed_timeout_ms = 60000,
                             .follow_redirects = true,
                             .decode = true };
    const hg_transfer_ops_t body = { on_head, on_data, on_done, in }, tail = { tail_head, tail_data, tail_done, in };
    bool complete = o.range_from && o.range_from == u->total, wants_tail = u->tail.state == HG_TAIL_WANTED && !complete;
    if (u->tail.state == HG_TAIL_MAKING) return;
    if (wants_tail) hg_http_tail_ask(&u->tail, &o);
    if ((o.range_from || wants_tail) && u->etag[0]) o.if_range = u->etag;
    u->at_end = u->body.stalled = false;
    if (!u->client) u->client = hg_client_new(hg_in_loop(in));
    if (!u->body.lane && !wants_tail) u->body.lane = hg_http_tail_lane(&u->tail, 0, u->body.off);
    if (complete) { /* a restart found it so: what the URL has now is another one */
        u->at_end = true;
        finish(in);
        return;
    }
    if (hg_transfer_start(u->client, &o, wants_tail ? &tail : &body, &u->body.t, &err) < 0) {
        u->body.t = NULL;
        fatal(in, "http", &err);
    }
}

/* --- the contract --- */

static int url_run(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    (void)err;
    u->running = true;
    if (u->timer && u->body.t)
        uv_timer_stop(u->timer); /* the pause is over before its time-out; a retry's timer goes on */
    pump(in);
    return 0;
}

static int url_hold(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    const url_cfg_t *c = hg_in_cfg(in);
    (void)err;
    u->running = false;
    if (u->body.lane) (void)hg_lane_flush(u->body.lane); /* whole records that were read are delivered */
    if (u->body.t)
        arm(in, (uint64_t)c->pause_timeout * 1000);
    else if (u->timer)
        uv_timer_stop(u->timer); /* a retry waits for the next run */
    return 0;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void close_now(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    hg_http_body_release(&u->body);
    hg_http_tail_release(&u->tail);
    if (u->client) hg_client_free(u->client);
    u->client = NULL;
    hg_in_closed(in);
}

/* The transfer may be the one whose call-back led here: it is cancelled from the loop's next turn. */
static void close_later(void *arg)
{
    url_t *u = hg_in_inst(arg);
    u->close_due = u->tail.state == HG_TAIL_MAKING;
    if (!u->close_due) close_now(arg);
}

static void url_close(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    u->closing = true;
    u->running = false;
    if (u->timer) uv_close((uv_handle_t *)u->timer, free_timer);
    if (u->quiet) uv_close((uv_handle_t *)u->quiet, free_timer);
    u->timer = u->quiet = NULL;
    if (u->body.lane) (void)hg_lane_close(u->body.lane, true);
    u->body.lane = NULL;
    hg_loop_post(hg_in_loop(in), close_later, in);
}

/* The ranges tell what was taken; u->body.off is what was delivered and says nothing about that. */
static void url_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    url_t *u = hg_in_inst(in);
    uint64_t at = n ? consumed[0].end : u->start;
    hg_jw_obj(w);
    hg_jw_ku64(w, "offset", at);
    if (u->body.packed) hg_member_save(hg_members_at(&u->body.members, at), w);
    if (at && u->etag[0]) hg_jw_kstr(w, "validator", u->etag);
    if (at && u->total) hg_jw_ku64(w, "length", u->total);
    if (at && u->encoded) hg_jw_kbool(w, "encoded", true);
    hg_jw_end_obj(w);
}

typedef struct {
    uint64_t offset, length;
    hg_member_t from;
    const char *validator; /* borrowed from the JSON */
    bool encoded, packed;
} position_t;

static int read_position(const url_cfg_t *cfg, const hg_json_t *v, position_t *p, hg_err_t *err)
{
    static const char *const names[] = { "offset", "validator", "length", "encoded", HG_MEMBER_NAMES, NULL };
    static const char what[] = "a position of url_input";
    *p = (position_t){ 0 };
    int rc = hg_position_members(v, what, names, err);
    if (rc == 0) rc = hg_position_u64(v, what, "offset", true, &p->offset, err);
    if (rc == 0) rc = hg_position_u64(v, what, "length", false, &p->length, err);
    if (rc == 0) rc = hg_member_read(v, what, p->offset, &p->from, err);
    if (rc < 0) return rc;
    const hg_json_t *text = hg_json_get(v, "validator");
    p->validator = hg_json_str(text, "");
    if (text && (text->kind != HG_J_STRING || strlen(p->validator) >= sizeof((url_t *)0)->etag))
        return hg_err_set(err, HG_EPARSE, "%s: 'validator' is not a text of less than %zu bytes", what,
                          sizeof((url_t *)0)->etag);
    p->encoded = hg_json_bool(hg_json_get(v, "encoded"), false);
    p->packed = compression(cfg) != HG_COMPRESSION_NONE && !(p->encoded && cfg->compression == HG_COMPRESSION_AUTO);
    if (p->from.packed && !p->packed)
        return hg_err_set(err, HG_EPARSE, "%s: 'member_at' is for compressed resources, this is none", what);
    if (p->length && p->length < (p->packed ? p->from.packed : p->offset))
        return hg_err_set(err, HG_EPARSE, "%s: '%s' is behind the end ('length')", what,
                          p->packed ? "member_at" : "offset");
    return 0;
}

static int url_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    position_t p;
    return read_position(cfg, position, &p, err);
}

static int url_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    position_t p;
    int rc = read_position(hg_in_cfg(in), position, &p, err);
    if (rc < 0) return rc;
    u->start = p.offset;
    u->total = p.length;
    u->encoded = p.encoded;
    hg_http_body_from(&u->body, p.packed ? compression(hg_in_cfg(in)) : HG_COMPRESSION_NONE, p.from, p.offset);
    if (p.encoded) u->tail.state = HG_TAIL_DONE;
    snprintf(u->etag, sizeof u->etag, "%s", p.validator);
    return 0;
}

const hg_input_type_t hg_input_url = {
    .abi = HG_CONNECTOR_ABI,
    .name = "url_input",
    .summary = "reads what an HTTP or HTTPS URL answers",
    .opts = url_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(url_cfg_t),
    .inst_size = sizeof(url_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_RESUME,
    .check = url_check,
    .open = url_open,
    .run = url_run,
    .hold = url_hold,
    .close = url_close,
    .save = url_save,
    .restore = url_restore,
    .check_position = url_check_position,
    .position_doc = "`{\"offset\": n}`: the next byte to read. Saved ones also have `validator` (ETag or "
                    "Last-Modified), `length` and, if the server compresses it, `encoded`; of a compressed resource "
                    "`offset` counts uncompressed bytes, and `member_at` and `member_offset` tell where reading begins "
                    "(compressed and uncompressed): "
                    "a resource that has changed is an error, never a mixture.",
};
