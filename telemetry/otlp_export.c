/* otlp_export.c: the exporter's thread: takes a batch, asks the collector until it has an answer that stands, takes the
 * next.
 *
 * A batch that cannot be delivered now is tried again for as long as the exporter lives, with pauses that double (half
 * of each is random) or are as long as the collector asks for; what comes meanwhile waits in the queue. One that is
 * refused is gone, and counted. The local log hears when the way of things changes, not about each request.
 */
#include "base/hg.h"
#include "base/hide.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/client.h"
#include "telemetry/otlp_int.h"

#define FIRST_PAUSE_MS 500u
#define MAX_PAUSE_MS   16000u
#define MAX_ASKED_MS   300000u /* the longest pause a collector may ask for */
#define ANSWER_MAX     ((size_t)1 << 20)

/* How it goes: told when it becomes another. */
typedef enum { WELL, PARTLY, REFUSED, WAITING } mood_t;

struct hg_otlp {
    hg_arena_t *arena;
    hg_otlp_transport_t transport;
    const char *url;
    const char *shown; /* the same without secrets */
    otlp_env_t env;
    const char **headers; /* NULL-ended */
    hg_buf_t resource, scope;
    hg_session_t *session;
    otlp_queue_t queue;
    pthread_t thread;
    /* the exporter's */
    mood_t mood;
    uint64_t told_dropped;
    hg_buf_t request, body, content_type, status, message, details;
    hg_otlp_counts_t counts;
};

/* --- one request --- */
static void on_header(void *arg, hg_str_t name, hg_str_t value)
{
    hg_otlp_t *o = arg;
    const struct {
        const char *name;
        hg_buf_t *to;
    } kept[] = {
        { "content-type", &o->content_type },
        { "grpc-status", &o->status },
        { "grpc-message", &o->message },
        { "grpc-status-details-bin", &o->details },
    };
    for (size_t i = 0; i < HG_COUNT(kept); i++) {
        if (!hg_str_ieq(name, hg_strz(kept[i].name))) continue;
        hg_buf_clear(kept[i].to);
        (void)hg_buf_addstr(kept[i].to, value);
    }
}

static bool is_late(void *arg)
{
    hg_otlp_t *o = arg;
    return hg_mono_us() >= otlp_queue_end_us(&o->queue);
}

/* The verdict on o->request. */
static void ask(hg_otlp_t *o, otlp_answer_t *ret)
{
    bool grpc = o->transport == HG_OTLP_GRPC;
    hg_buf_t *texts[] = { &o->body, &o->content_type, &o->status, &o->message, &o->details };
    for (size_t i = 0; i < HG_COUNT(texts); i++) hg_buf_clear(texts[i]);
    otlp_reply_t r = { .status = 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_fetch_t f = {
        .method = "POST",
        .url = o->url,
        .headers = o->headers,
        .body = hg_buf_str(&o->request),
        .timeout_ms = o->env.timeout_ms,
        .ca_file = o->env.ca_file,
        .on_header = on_header,
        .header_arg = o,
        .http2 = grpc,
        .no_proxy = grpc,
        .cancelled = is_late,
        .cancel_arg = o,
    };
    int rc = hg_session_fetch(o->session, &f, &r.status, &r.retry_after_ms, &o->body, &err);
    if (rc < 0) {
        *ret = (otlp_answer_t){ .verdict = rc == HG_ETOOBIG ? OTLP_REFUSED : OTLP_AGAIN, .why = err };
        return;
    }
    r.content_type = hg_buf_str(&o->content_type);
    r.body = hg_buf_str(&o->body);
    r.grpc_status = o->status.len ? hg_buf_str(&o->status) : (hg_str_t){ NULL, 0 };
    r.grpc_message = hg_buf_str(&o->message);
    r.grpc_details = hg_buf_str(&o->details);
    otlp_judge(o->transport, &r, ret);
}

/* --- what is told here --- */
/* Each line counts: none is folded into another one. */
static void HG_PRINTF(3, 4) say(hg_log_level_t level, const char *event, const char *fmt, ...)
{
    char fields[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fields, sizeof fields, fmt, ap);
    va_end(ap);
    hg_log_each(level, "telemetry", NULL, event, hg_strz(fields));
}

static void tell(hg_otlp_t *o, mood_t mood, uint32_t records, const hg_err_t *why)
{
    static const char *const events[] = { [PARTLY] = "partly_taken", [REFUSED] = "refused", [WAITING] = "waiting" };
    if (mood == o->mood) return;
    hg_err_t shown = hg_hide_err(why);
    if (mood == WELL)
        say(HG_LOG_INFO, "well_again", "endpoint=\"%s\"", o->shown);
    else
        say(HG_LOG_WARN, events[mood], "endpoint=\"%s\" records=%u reason=\"%s\"", o->shown, records, shown.msg);
    o->mood = mood;
}

/* Behind a time in which the queue was full. */
static void tell_dropped(hg_otlp_t *o)
{
    uint64_t n = otlp_queue_dropped(&o->queue);
    if (n != o->told_dropped)
        say(HG_LOG_WARN, "dropped", "records=%" PRIu64 " reason=\"the queue was full\"", n - o->told_dropped);
    o->told_dropped = n;
}

/* --- one batch --- */
static void wait_for(hg_otlp_t *o, uint64_t ms, bool *ends)
{
    int64_t until = hg_mono_us() + (int64_t)ms * 1000;
    while (otlp_queue_pause(&o->queue, until, ends))
        say(HG_LOG_WARN, "queue_full", "records=%u bytes=%zu reason=\"%s\"", (unsigned)OTLP_QUEUE_RECORDS,
            OTLP_QUEUE_BYTES, "what comes now is not exported, until the collector has taken some");
}

static uint64_t pause_ms(unsigned tries, uint64_t asked_ms)
{
    uint16_t dice;
    if (asked_ms) return HG_MIN(asked_ms, (uint64_t)MAX_ASKED_MS);
    uint64_t ms = HG_MIN((uint64_t)FIRST_PAUSE_MS << HG_MIN(tries, 10u), (uint64_t)MAX_PAUSE_MS);
    hg_random(&dice, sizeof dice);
    return ms / 2 + (ms / 2 * dice >> 16);
}

static void settle(hg_otlp_t *o, uint32_t records, const otlp_answer_t *a)
{
    uint64_t out = a->verdict == OTLP_REFUSED ? records : HG_MIN(a->rejected, (uint64_t)records);
    o->counts.refused += out;
    o->counts.sent += records - out;
    tell(o, a->verdict == OTLP_REFUSED ? REFUSED : a->why.code ? PARTLY : WELL, records, &a->why);
    tell_dropped(o);
}

/* False: time was up. */
static bool deliver(hg_otlp_t *o, const otlp_batch_t *b)
{
    bool ends = false;
    otlp_answer_t a = { .verdict = OTLP_REFUSED };
    hg_buf_clear(&o->request);
    int rc = otlp_put_request(&o->request, o->transport == HG_OTLP_GRPC, hg_buf_str(&o->resource),
                              hg_buf_str(&o->scope), hg_buf_str(&b->records));
    if (rc < 0) {
        hg_err_set(&a.why, (hg_code_t)rc, "no memory for a request");
        settle(o, b->n, &a);
        return true;
    }
    for (unsigned tries = 0;; tries++) {
        ask(o, &a);
        if (a.verdict != OTLP_AGAIN) break;
        if (is_late(o)) return false;
        tell(o, WAITING, b->n, &a.why);
        wait_for(o, pause_ms(tries, a.wait_ms), &ends);
        if (is_late(o)) return false;
    }
    settle(o, b->n, &a);
    return true;
}

static void *export_main(void *arg)
{
    hg_otlp_t *o = arg;
    pthread_setname_np(pthread_self(), "hg-otlp");
    for (otlp_batch_t *b; (b = otlp_queue_take(&o->queue)) != NULL;) {
        bool delivered = deliver(o, b);
        if (!delivered) o->counts.dropped += b->n;
        otlp_queue_done(&o->queue, b);
        hg_buf_release(&o->request); /* what a burst needed does not stay */
        if (!delivered) break;
    }
    otlp_queue_drop(&o->queue);
    return NULL;
}

/* --- life --- */
static int set_resource(hg_otlp_t *o, const hg_otlp_opts_t *opts)
{
    const otlp_pair_t own[] = {
        { HG_S("service.name"), hg_strz(opts->service_name) },
        { HG_S("service.version"), hg_strz(opts->service_version) },
        { HG_S("telemetry.sdk.name"), HG_S("headgate") },
        { HG_S("telemetry.sdk.language"), HG_S("c") },
        { HG_S("telemetry.sdk.version"), HG_S(HG_VERSION) },
    };
    otlp_pair_t *all = NULL;
    uint32_t n = 0;
    for (size_t i = 0; i < HG_COUNT(own); i++) HG_APUSH(o->arena, all, n, own[i]);
    for (uint32_t i = 0; i < o->env.n_resource; i++) { /* what is configured here wins */
        bool known = false;
        for (uint32_t k = 0; k < n; k++) known = known || hg_str_eq(all[k].key, o->env.resource[i].key);
        if (!known) HG_APUSH(o->arena, all, n, o->env.resource[i]);
    }
    int rc = otlp_put_resource(&o->resource, all, n);
    return rc < 0 ? rc : otlp_put_scope(&o->scope, HG_S("headgate"), HG_S(HG_VERSION));
}

static void set_headers(hg_otlp_t *o)
{
    static const char *const of[][3] = {
        [HG_OTLP_GRPC] = { "content-type: application/grpc", "te: trailers", "user-agent: headgate/" HG_VERSION },
        [HG_OTLP_HTTP] = { "content-type: application/x-protobuf", "user-agent: headgate/" HG_VERSION },
    };
    uint32_t n = 0;
    for (size_t i = 0; i < HG_COUNT(of[0]) && of[o->transport][i]; i++)
        HG_APUSH(o->arena, o->headers, n, of[o->transport][i]);
    for (const char **h = o->env.headers; *h; h++) HG_APUSH(o->arena, o->headers, n, *h);
    HG_APUSH(o->arena, o->headers, n, NULL);
}

static int set_url(hg_otlp_t *o, const char *endpoint, hg_err_t *err)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    int rc = hg_otlp_url(o->transport, endpoint, &b, err);
    if (rc == 0) {
        hg_err_t shown = HG_ERR_INIT;
        hg_err_set(&shown, HG_EINVAL, "%s", b.p);
        o->url = hg_arena_str(o->arena, hg_buf_str(&b)).p;
        o->shown = hg_arena_strndup(o->arena, hg_hide_err(&shown).msg, strlen(hg_hide_err(&shown).msg));
    }
    hg_buf_release(&b);
    return rc;
}

static void release(hg_otlp_t *o)
{
    hg_buf_t *all[] = { &o->resource,     &o->scope,  &o->request, &o->body,
                        &o->content_type, &o->status, &o->message, &o->details };
    for (size_t i = 0; i < HG_COUNT(all); i++) hg_buf_release(all[i]);
    otlp_queue_release(&o->queue);
    hg_session_free(o->session);
    hg_arena_free(o->arena);
    hg_free(o);
}

int hg_otlp_start(const hg_otlp_opts_t *opts, hg_otlp_t **ret, hg_err_t *err)
{
    hg_otlp_t *o = HG_NEW(hg_otlp_t);
    hg_buf_t *small[] = { &o->resource, &o->scope, &o->content_type, &o->status, &o->message, &o->details };
    o->transport = opts->transport;
    o->arena = hg_arena_new();
    for (size_t i = 0; i < HG_COUNT(small); i++) hg_buf_init(small[i], HG_BUF_NOMAX);
    hg_buf_init(&o->request, HG_BUF_NOMAX);
    hg_buf_init(&o->body, ANSWER_MAX);
    otlp_queue_init(&o->queue, OTLP_QUEUE_RECORDS, OTLP_QUEUE_BYTES);
    int rc = set_url(o, opts->endpoint, err);
    if (rc == 0) rc = otlp_env_read(opts->environ, o->arena, &o->env, err);
    if (rc == 0 && (rc = set_resource(o, opts)) < 0) hg_err_set(err, (hg_code_t)rc, "no memory for the resource");
    if (rc == 0) set_headers(o);
    if (rc == 0) rc = hg_session_new(&o->session, err);
    if (rc == 0) rc = hg_thread_start(&o->thread, export_main, o, "the export of logs", err);
    if (rc < 0) {
        release(o);
        return rc;
    }
    say(HG_LOG_INFO, "exporting", "endpoint=\"%s\" service=\"%s\"", o->shown, opts->service_name);
    *ret = o;
    return 0;
}

void hg_otlp_take(void *arg, const hg_log_line_t *line)
{
    hg_otlp_t *o = arg;
    if (strcmp(line->sub, "telemetry") != 0) otlp_queue_put(&o->queue, line); /* what it says itself would never end */
}

void hg_otlp_end(hg_otlp_t *o, uint64_t limit_ms, hg_otlp_counts_t *ret_counts)
{
    otlp_queue_end(&o->queue, hg_mono_us() + (int64_t)limit_ms * 1000);
    pthread_join(o->thread, NULL);
    hg_otlp_counts_t c = o->counts;
    c.dropped += otlp_queue_dropped(&o->queue);
    bool all = !c.refused && !c.dropped;
    say(all ? HG_LOG_INFO : HG_LOG_WARN, "ended", "sent=%" PRIu64 " refused=%" PRIu64 " dropped=%" PRIu64, c.sent,
        c.refused, c.dropped);
    if (ret_counts) *ret_counts = c;
    release(o);
}
