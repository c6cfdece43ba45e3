/* url_input.c: reads the body of an HTTP(S) GET.
 *
 *   idle ──run──► connecting ─head─► reading ⇄ held ─(pause_timeout)─► dropped ──run──► connecting with Range …
 *                    │  connect failed, cut: again after 1, 2, 4 s, from where it stopped
 *                    └─ 416, end of the body ─► ended
 *
 * `off` counts the bytes of the resource that were delivered; `rest` holds bytes that curl handed over after the host
 * had said stop. A cut body is asked for again with Range and If-Range: a server that answers 200 sends everything
 * again and the known prefix is skipped; a resource that has changed meanwhile (another ETag or Last-Modified) is a
 * fatal error, because its two halves would not belong together. Validator and length are part of the position, so the
 * same holds over a restart. A resource without a validator is known by its length alone, which is said once.
 *
 * A server may send the body compressed without being asked. Then `off` counts decoded bytes, of which its ranges and
 * lengths know nothing: such a resource is always asked for as a whole, and the known prefix is skipped.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/connector.h"
#include "connectors/transport/position.h"
#include "net/client.h"

extern const hg_input_type_t hg_input_url;

#define TRIES      3 /* without one byte of progress in between */
#define RETRY_BASE 1000
#define QUIET_MS   20 /* what has come waits for more no longer than this */

typedef struct {
    const char *path;
    uint32_t pause_timeout;
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
    { .key = NULL },
};

typedef struct {
    hg_client_t *client;
    hg_transfer_t *t;
    hg_lane_t *lane;
    uv_timer_t *timer; /* pause_timeout, retries */
    uv_timer_t *quiet; /* flushes what a slow server has sent so far */
    bool running, ended, closing, at_end, stalled, retrying, warned;
    bool encoded;      /* it comes compressed: no ranges */
    uint64_t off;      /* bytes of the resource delivered to the lane */
    uint64_t start;    /* where the first run began */
    uint64_t skip;     /* bytes of this answer that are known already */
    uint64_t total;    /* size of the resource, 0 = unknown; at first that of the restored position */
    uint64_t tried_at; /* off at the last failure */
    unsigned tries;
    hg_buf_t rest; /* delivered by curl, not yet by us */
    size_t rest_at;
    char etag[256]; /* of the first answer: ETag, else Last-Modified; "" = none */
} url_t;

static void connect_url(hg_input_t *in);
static void pump(hg_input_t *in);

static bool is_reference(const char *v)
{
    return strncmp(v, "${", 2) == 0;
}

static void url_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const url_cfg_t *c = cfg;
    if (c->path && strncmp(c->path, "http://", 7) != 0 && strncmp(c->path, "https://", 8) != 0 &&
        !is_reference(c->path))
        hg_diag(d, false, hg_json_get(obj, "path"), false,
                "option 'path': expected a URL that begins with http:// or https://");
}

static int url_open(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    (void)err;
    hg_buf_init(&u->rest, HG_BUF_NOMAX);
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

static void drop_transfer(url_t *u)
{
    if (u->t) hg_transfer_cancel(u->t);
    u->t = NULL;
    u->stalled = false;
}

static void on_timer(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    url_t *u = hg_in_inst(in);
    if (!u->running)
        drop_transfer(u); /* pause_timeout */
    else if (!u->t && !u->ended)
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
    if (u->running && u->lane && hg_lane_flush(u->lane) != HG_LANE_OK) u->running = false;
}

/* The connection broke. Try again from where we are, unless TRIES attempts brought nothing. */
static void broke(hg_input_t *in, const hg_err_t *why)
{
    url_t *u = hg_in_inst(in);
    uint64_t have = u->off + (u->rest.len - u->rest_at);
    hg_err_t err = *why;
    if (have != u->tried_at) u->tries = 0;
    u->tried_at = have;
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

/* Content-Range: bytes s-e/total. */
static int content_range(hg_transfer_t *t, uint64_t *start, uint64_t *total, hg_err_t *err)
{
    hg_str_t v = hg_transfer_header(t, "Content-Range");
    char text[128], tail[32] = "";
    uint64_t s, e;
    snprintf(text, sizeof text, HG_SF, HG_SA(v));
    if (!v.p || sscanf(text, "bytes %" SCNu64 "-%" SCNu64 "/%31s", &s, &e, tail) != 3 || e < s)
        return bad_head(err, "the server answered a range request with 206 but without a valid Content-Range ('%s')",
                        text);
    *start = s;
    *total = strcmp(tail, "*") == 0 ? 0 : strtoull(tail, NULL, 10);
    return 0;
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
    validator(u->t, now, sizeof now);
    if (want && u->etag[0] && now[0] && strcmp(now, u->etag) != 0)
        return bad_head(err, "the resource has changed since %" PRIu64 " bytes of it were read (%s is now %s)", want,
                        u->etag, now);
    if (want && u->total && total && total != u->total)
        return bad_head(err,
                        "the resource has changed since %" PRIu64 " bytes of it were read (it had %" PRIu64
                        " bytes and has %" PRIu64 " now)",
                        want, u->total, total);
    if (want && !(u->etag[0] && now[0]) && !u->warned) {
        u->warned = true;
        hg_log(
            HG_LOG_WARN, "input", hg_in_name(in), "unverified",
            "message=\"the server sends neither ETag nor Last-Modified: whether the resource is the one that was read "
            "before is judged by its length%s\"",
            u->total && total ? "" : ", and that is not known either");
    }
    if (!u->etag[0] || !want) snprintf(u->etag, sizeof u->etag, "%s", now);
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
    uint64_t want = u->off + (u->rest.len - u->rest_at), start = 0, total = length == UINT64_MAX ? 0 : length;
    if (u->encoded) u->total = total = 0;
    if (status == 206) {
        if (want == 0) return bad_head(err, "the server answered 206 to a request without a range");
        int rc = content_range(u->t, &start, &total, err);
        if (rc < 0) return rc;
        if (start > want)
            return bad_head(err, "the server answered with bytes from %" PRIu64 ", %" PRIu64 " were asked for", start,
                            want);
    } else if (hg_transfer_header(u->t, "Content-Range").p) {
        return bad_head(err, "the server sent a Content-Range with status %d", status);
    }
    int rc = check_same(in, want, total, err);
    if (rc < 0) return rc;
    u->skip = want - start;
    if (total) u->total = total;
    return 0;
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = { { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 410, "Gone" },
                  { 429, "Too Many Requests" },
                  { 500, "Internal Server Error" },
                  { 502, "Bad Gateway" },
                  { 503, "Service Unavailable" },
                  { 504, "Gateway Timeout" } };
    for (size_t i = 0; i < HG_COUNT(known); i++)
        if (known[i].status == status) return known[i].text;
    return "";
}

/* 416, perhaps with "bytes * / size": is our offset the end, or beyond it? */
static int check_end(hg_input_t *in, hg_err_t *err)
{
    const url_t *u = hg_in_inst(in);
    uint64_t have = u->off + (u->rest.len - u->rest_at), total;
    hg_str_t v = hg_transfer_header(u->t, "Content-Range");
    char text[64];
    snprintf(text, sizeof text, HG_SF, HG_SA(v));
    if (sscanf(text, "bytes */%" SCNu64, &total) != 1 || total == have) return 0;
    return bad_head(err, "the resource has changed: it has %" PRIu64 " bytes now, %" PRIu64 " were read before", total,
                    have);
}

static void on_head(void *arg, int status, uint64_t length)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    u->skip = 0;
    u->at_end = status == 416; /* nothing behind our offset */
    if (u->at_end && check_end(in, &err) < 0) {
        drop_transfer(u);
        fatal(in, "http", &err);
    }
    if (u->at_end) return;
    if (status < 200 || status > 299) {
        const char *why = reason_phrase(status);
        hg_err_set(&err, HG_ENET, "HTTP status code of response (%d%s%s) is not success (2xx)", status,
                   why[0] ? " " : "", why);
        drop_transfer(u);
        if (status == 502 || status == 503 || status == 504 || status == 429)
            broke(in, &err);
        else
            fatal(in, "http", &err);
        return;
    }
    bool known = u->encoded;
    u->encoded = comes_encoded(u->t);
    if (u->encoded && !known && status == 206) { /* a range of the compressed bytes: of no use */
        drop_transfer(u);
        arm(in, 0);
        return;
    }
    if (take_head(in, status, length, &err) < 0) {
        drop_transfer(u);
        fatal(in, "http", &err);
        return;
    }
    if (u->retrying) {
        u->retrying = false;
        hg_in_healthy(in);
    }
}

/* --- the body --- */

/* Deliver n bytes to the lane. Returns how many went in: fewer when the host wants no more. */
static size_t deliver(hg_input_t *in, const char *p, size_t n)
{
    url_t *u = hg_in_inst(in);
    size_t done = 0;
    while (done < n && u->running) {
        size_t room;
        char *to = hg_lane_reserve(u->lane, n - done, &room);
        if (!to) {
            u->running = false;
            break;
        }
        size_t k = HG_MIN(room, n - done);
        memcpy(to, p + done, k);
        done += k;
        u->off += k;
        if (hg_lane_fill(u->lane, k) != HG_LANE_OK) u->running = false;
    }
    hg_in_progress(in, u->off, u->total);
    if (u->running && !(u->quiet && uv_is_active((uv_handle_t *)u->quiet)))
        start_timer(in, &u->quiet, on_quiet, QUIET_MS);
    return done;
}

static bool on_data(void *arg, const char *p, size_t n)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    if (u->at_end) return true;
    size_t known = (size_t)HG_MIN(u->skip, (uint64_t)n);
    u->skip -= known;
    p += known;
    n -= known;
    size_t done = u->rest.len > u->rest_at ? 0 : deliver(in, p, n);
    if (u->closing) return false;
    if (done < n && hg_buf_add(&u->rest, p + done, n - done) < 0) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENOMEM, "out of memory reading the answer");
        fatal(in, "http", &err);
        return false;
    }
    u->stalled = !u->running;
    return u->running;
}

static void finish(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    u->ended = true;
    u->running = false;
    hg_lane_t *l = u->lane;
    u->lane = NULL;
    (void)hg_lane_close(l, false);
    hg_in_eoi(in);
}

static void on_done(void *arg, const hg_err_t *why)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    u->t = NULL;
    u->stalled = false;
    if (u->closing || u->ended) return;
    if (why->code && !u->at_end) {
        hg_err_t err = *why;
        if (why->retry)
            broke(in, why);
        else
            fatal(in, "http", &err);
        return;
    }
    if (u->skip) { /* all of it was sent again, and that was less than we have read before */
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENET,
                   "the resource has changed while it was read: it ends %" PRIu64 " bytes before the place reached",
                   u->skip);
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
    if (u->rest.len > u->rest_at) u->rest_at += deliver(in, u->rest.p + u->rest_at, u->rest.len - u->rest_at);
    if (!u->running || u->closing) return;
    hg_buf_clear(&u->rest);
    u->rest_at = 0;
    if (!u->t && u->at_end) {
        finish(in);
    } else if (!u->t && !(u->timer && uv_is_active((uv_handle_t *)u->timer))) {
        connect_url(in);
    } else if (u->t && u->stalled) {
        u->stalled = false;
        hg_transfer_resume(u->t);
    }
}

static void connect_url(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    const url_cfg_t *c = hg_in_cfg(in);
    hg_err_t err = HG_ERR_INIT;
    hg_transfer_opts_t o = { .url = c->path,
                             .range_from = u->encoded ? 0 : u->off + (u->rest.len - u->rest_at),
                             .connect_timeout_ms = 10000,
                             .low_speed_timeout_ms = 60000,
                             .follow_redirects = true,
                             .decode = true };
    hg_transfer_ops_t ops = { on_head, on_data, on_done, in };
    if (o.range_from && u->etag[0]) o.if_range = u->etag;
    u->at_end = u->stalled = false;
    if (!u->client) u->client = hg_client_new(hg_in_loop(in));
    if (!u->lane) u->lane = hg_lane_open(in, u->off);
    if (o.range_from &&
        o.range_from == u->total) { /* a restart found it complete: what the URL has now is another one */
        u->at_end = true;
        finish(in);
        return;
    }
    if (hg_transfer_start(u->client, &o, &ops, &u->t, &err) < 0) {
        u->t = NULL;
        fatal(in, "http", &err);
    }
}

/* --- the contract --- */

static int url_run(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    (void)err;
    u->running = true;
    if (u->timer && u->t) uv_timer_stop(u->timer); /* the pause is over before its time-out; a retry's timer goes on */
    pump(in);
    return 0;
}

static int url_hold(hg_input_t *in, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    const url_cfg_t *c = hg_in_cfg(in);
    (void)err;
    u->running = false;
    if (u->lane) (void)hg_lane_flush(u->lane); /* whole records that were read are delivered */
    if (u->t)
        arm(in, (uint64_t)c->pause_timeout * 1000);
    else if (u->timer)
        uv_timer_stop(u->timer); /* a retry waits for the next run */
    return 0;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

/* The transfer may be the one whose call-back led here: it is cancelled from the loop's next turn. */
static void close_later(void *arg)
{
    hg_input_t *in = arg;
    url_t *u = hg_in_inst(in);
    drop_transfer(u);
    if (u->client) hg_client_free(u->client);
    u->client = NULL;
    hg_buf_release(&u->rest);
    hg_in_closed(in);
}

static void url_close(hg_input_t *in)
{
    url_t *u = hg_in_inst(in);
    u->closing = true;
    u->running = false;
    if (u->timer) uv_close((uv_handle_t *)u->timer, free_timer);
    if (u->quiet) uv_close((uv_handle_t *)u->quiet, free_timer);
    u->timer = u->quiet = NULL;
    if (u->lane) (void)hg_lane_close(u->lane, true);
    u->lane = NULL;
    hg_loop_post(hg_in_loop(in), close_later, in);
}

/* The ranges tell what was taken; u->off is what was delivered and says nothing about that. */
static void url_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const url_t *u = hg_in_inst(in);
    uint64_t at = n ? consumed[0].end : u->start;
    hg_jw_obj(w);
    hg_jw_ku64(w, "offset", at);
    if (at && u->etag[0]) hg_jw_kstr(w, "validator", u->etag);
    if (at && u->total) hg_jw_ku64(w, "length", u->total);
    if (at && u->encoded) hg_jw_kbool(w, "encoded", true);
    hg_jw_end_obj(w);
}

static int read_position(const hg_json_t *v, uint64_t *offset, const char **validator_ret, uint64_t *length,
                         bool *encoded, hg_err_t *err)
{
    static const char *const names[] = { "offset", "validator", "length", "encoded", NULL };
    static const char what[] = "a position of url_input";
    *length = 0;
    int rc = hg_position_members(v, what, names, err);
    if (rc == 0) rc = hg_position_u64(v, what, "offset", true, offset, err);
    if (rc == 0) rc = hg_position_u64(v, what, "length", false, length, err);
    if (rc < 0) return rc;
    const hg_json_t *text = hg_json_get(v, "validator");
    *validator_ret = hg_json_str(text, "");
    if (text && (text->kind != HG_J_STRING || strlen(*validator_ret) >= sizeof((url_t *)0)->etag))
        return hg_err_set(err, HG_EPARSE, "%s: 'validator' is not a text of less than %zu bytes", what,
                          sizeof((url_t *)0)->etag);
    *encoded = hg_json_bool(hg_json_get(v, "encoded"), false);
    if (*length && *length < *offset)
        return hg_err_set(err, HG_EPARSE, "%s: 'offset' is behind the end ('length')", what);
    return 0;
}

static int url_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    uint64_t offset, length;
    const char *etag;
    bool encoded;
    (void)cfg;
    return read_position(position, &offset, &etag, &length, &encoded, err);
}

static int url_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    url_t *u = hg_in_inst(in);
    const char *etag;
    int rc = read_position(position, &u->off, &etag, &u->total, &u->encoded, err);
    if (rc < 0) return rc;
    u->start = u->off;
    snprintf(u->etag, sizeof u->etag, "%s", etag);
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
                    "Last-Modified), `length` and, if the server compresses it, `encoded`: "
                    "a resource that has changed is an error, never a mixture.",
};
