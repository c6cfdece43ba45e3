/* otlp_answer.c: what a collector's answer means: the records were taken (all, or not all), are to be sent again, or
 * are not wanted.
 *
 * OTLP: HTTP answers 429, 502, 503 and 504 may be tried again, no others; of gRPC's codes CANCELLED, DEADLINE_EXCEEDED,
 * ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and RESOURCE_EXHAUSTED where the server says when (RetryInfo). A
 * successful answer is an ExportLogsServiceResponse, whose partial_success says how many records were left out; one
 * that cannot be read is a success all the same. A failure's body is a google.rpc.Status.
 *
 * Nothing in an answer is believed further than its bytes go.
 */
#include "base/hg.h"
#include "telemetry/otlp_int.h"

/* --- Protobuf, as far as answers need it -------------------------------------------------------------------------- */
typedef struct field {
    unsigned number, type;
    uint64_t v;     /* VARINT */
    hg_str_t bytes; /* BYTES */
} field_t;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool take_varint(hg_str_t *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && s->n; shift += 7) {
        unsigned char c = (unsigned char)*s->p;
        s->p++, s->n--;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_bytes(hg_str_t *s, uint64_t n, hg_str_t *ret)
{
    if (n > s->n) return false;
    *ret = (hg_str_t){ s->p, (size_t)n };
    s->p += n, s->n -= (size_t)n;
    return true;
}

/* One field off the message; false: it is broken. */
static bool take_field(hg_str_t *s, field_t *f)
{
    uint64_t tag, n;
    *f = (field_t){ .number = 0 };
    if (!take_varint(s, &tag) || tag > UINT32_MAX || !(tag >> 3)) return false;
    f->number = (unsigned)(tag >> 3), f->type = (unsigned)(tag & 7);
    switch (f->type) {
    case VARINT:
        return take_varint(s, &f->v);
    case FIXED64:
        return take_bytes(s, 8, &f->bytes);
    case FIXED32:
        return take_bytes(s, 4, &f->bytes);
    case BYTES:
        return take_varint(s, &n) && take_bytes(s, n, &f->bytes);
    default:
        return false;
    }
}

static bool is_bytes(const field_t *f, unsigned number)
{
    return f->number == number && f->type == BYTES;
}
static bool is_number(const field_t *f, unsigned number)
{
    return f->number == number && f->type == VARINT;
}

/* ExportLogsPartialSuccess { int64 rejected_log_records = 1; string error_message = 2; } */
static bool read_partial(hg_str_t s, uint64_t *ret_rejected, hg_str_t *ret_message)
{
    for (field_t f; s.n;) {
        if (!take_field(&s, &f)) return false;
        if (is_number(&f, 1)) *ret_rejected = (int64_t)f.v > 0 ? f.v : 0;
        if (is_bytes(&f, 2)) *ret_message = f.bytes;
    }
    return true;
}

/* ExportLogsServiceResponse { ExportLogsPartialSuccess partial_success = 1; } */
static bool read_response(hg_str_t s, uint64_t *ret_rejected, hg_str_t *ret_message)
{
    for (field_t f; s.n;) {
        if (!take_field(&s, &f)) return false;
        if (is_bytes(&f, 1) && !read_partial(f.bytes, ret_rejected, ret_message)) return false;
    }
    return true;
}

/* google.protobuf.Duration { int64 seconds = 1; int32 nanos = 2; }, in milliseconds, rounded up. */
static bool read_duration(hg_str_t s, uint64_t *ret_ms)
{
    uint64_t seconds = 0, nanos = 0;
    for (field_t f; s.n;) {
        if (!take_field(&s, &f)) return false;
        if (is_number(&f, 1)) seconds = (int64_t)f.v > 0 ? HG_MIN(f.v, (uint64_t)UINT32_MAX) : 0;
        if (is_number(&f, 2)) nanos = (int64_t)f.v > 0 ? HG_MIN(f.v, (uint64_t)999999999) : 0;
    }
    *ret_ms = seconds * 1000 + (nanos + 999999) / 1000000;
    return true;
}

/* google.protobuf.Any { string type_url = 1; bytes value = 2; }, of which RetryInfo { Duration retry_delay = 1; }
 * counts.
 */
static bool read_detail(hg_str_t s, bool *ret_found, uint64_t *ret_ms)
{
    static const hg_str_t name = { "google.rpc.RetryInfo", 20 };
    hg_str_t url = { NULL, 0 }, value = { NULL, 0 };
    for (field_t f; s.n;) {
        if (!take_field(&s, &f)) return false;
        if (is_bytes(&f, 1)) url = f.bytes;
        if (is_bytes(&f, 2)) value = f.bytes;
    }
    if (url.n < name.n || memcmp(url.p + url.n - name.n, name.p, name.n) != 0) return true;
    *ret_found = true;
    for (field_t f; value.n;) {
        if (!take_field(&value, &f)) return false;
        if (is_bytes(&f, 1) && !read_duration(f.bytes, ret_ms)) return false;
    }
    return true;
}

/* google.rpc.Status { int32 code = 1; string message = 2; repeated Any details = 3; } */
static bool read_status(hg_str_t s, hg_str_t *ret_message, bool *ret_retry, uint64_t *ret_ms)
{
    for (field_t f; s.n;) {
        if (!take_field(&s, &f)) return false;
        if (is_bytes(&f, 2)) *ret_message = f.bytes;
        if (is_bytes(&f, 3) && !read_detail(f.bytes, ret_retry, ret_ms)) return false;
    }
    return true;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */
/* What somebody else says, as it may stand in our log: a piece of it, printable. */
static const char *words(hg_str_t s, char *out, size_t cap)
{
    size_t n = HG_MIN(s.n, cap - 1);
    for (size_t i = 0; i < n; i++) out[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
    while (n && !hg_utf8_valid(out, n)) n--;
    out[n] = 0;
    return out;
}

/* What happened, and what the collector says to it, if anything. */
static void HG_PRINTF(4, 5) because(otlp_answer_t *a, hg_code_t code, hg_str_t said, const char *fmt, ...)
{
    char what[96], text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    words(said, text, sizeof text);
    hg_err_set(&a->why, code, "%s%s%s", what, text[0] ? ": " : "", text);
}

/* base64, with or without padding; what is behind a character that is none does not count. */
static void unbase64(hg_str_t s, hg_buf_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *d = s.p[i] ? strchr(digits, s.p[i]) : NULL;
        if (!d) return;
        bits = bits << 6 | (uint32_t)(d - digits), n += 6;
        if (n < 8) continue;
        n -= 8;
        (void)hg_buf_addc(out, (char)(bits >> n & 0xff));
    }
}

/* --- verdicts ----------------------------------------------------------------------------------------------------- */
static void taken(hg_str_t response, otlp_answer_t *a)
{
    hg_str_t message = { NULL, 0 };
    if (!read_response(response, &a->rejected, &message)) {
        a->rejected = 0;
        hg_err_set(&a->why, HG_EPROTO, "the records were taken, but the answer is no ExportLogsServiceResponse");
    } else if (a->rejected) {
        because(a, HG_EINVAL, message, "the collector left out %" PRIu64, a->rejected);
    } else if (message.n) {
        because(a, HG_EINVAL, message, "the records were taken");
    }
}

static bool is_protobuf(hg_str_t type)
{
    return hg_str_starts(type, HG_S("application/x-protobuf"));
}

static bool again_http(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void judge_http(const otlp_reply_t *r, otlp_answer_t *a)
{
    hg_str_t message = r->body, said = { NULL, 0 };
    bool retry = false;
    uint64_t ms = 0;
    if (r->status / 100 == 2) {
        if (is_protobuf(r->content_type)) taken(r->body, a);
        return;
    }
    if (is_protobuf(r->content_type)) message = read_status(r->body, &said, &retry, &ms) ? said : (hg_str_t){ NULL, 0 };
    a->verdict = again_http(r->status) ? OTLP_AGAIN : OTLP_REFUSED;
    a->wait_ms = r->retry_after_ms;
    because(a, HG_ENET, message, "the collector answered %d", r->status);
}

/* gRPC's codes, by number. */
static const struct {
    const char *name;
    bool again;
} codes[] = {
    { "OK", false },
    { "CANCELLED", true },
    { "UNKNOWN", false },
    { "INVALID_ARGUMENT", false },
    { "DEADLINE_EXCEEDED", true },
    { "NOT_FOUND", false },
    { "ALREADY_EXISTS", false },
    { "PERMISSION_DENIED", false },
    { "RESOURCE_EXHAUSTED", false },
    { "FAILED_PRECONDITION", false },
    { "ABORTED", true },
    { "OUT_OF_RANGE", true },
    { "UNIMPLEMENTED", false },
    { "INTERNAL", false },
    { "UNAVAILABLE", true },
    { "DATA_LOSS", true },
    { "UNAUTHENTICATED", false },
};
enum { EXHAUSTED = 8 };

static void failed_grpc(const otlp_reply_t *r, uint64_t code, otlp_answer_t *a)
{
    hg_str_t ignored = { NULL, 0 };
    hg_buf_t message, details;
    bool retry = false;
    uint64_t ms = 0;
    hg_buf_init(&message, HG_BUF_NOMAX), hg_buf_init(&details, HG_BUF_NOMAX);
    if (hg_pct_decode(&message, r->grpc_message, false) < 0) (void)hg_buf_addstr(&message, r->grpc_message);
    unbase64(r->grpc_details, &details);
    if (!read_status(hg_buf_str(&details), &ignored, &retry, &ms)) retry = false, ms = 0;
    a->verdict =
        (code < HG_COUNT(codes) && codes[code].again) || (code == EXHAUSTED && retry) ? OTLP_AGAIN : OTLP_REFUSED;
    a->wait_ms = ms ? ms : r->retry_after_ms;
    because(a, HG_ENET, hg_buf_str(&message), "the collector answered %s",
            code < HG_COUNT(codes) ? codes[code].name : "UNKNOWN");
    hg_buf_release(&message), hg_buf_release(&details);
}

/* The message of an answer that has one: behind a byte (compressed or not) and its length. */
static void frame_grpc(hg_str_t body, otlp_answer_t *a)
{
    uint32_t n = 0;
    for (size_t i = 1; i < 5 && body.n >= 5; i++) n = n << 8 | (unsigned char)body.p[i];
    if (body.n < 5 || n != body.n - 5)
        hg_err_set(&a->why, HG_EPROTO, "the records were taken, but the answer is not one message of gRPC");
    else if (body.p[0])
        hg_err_set(&a->why, HG_EPROTO, "the records were taken, but the answer is compressed, for which nobody asked");
    else
        taken((hg_str_t){ body.p + 5, n }, a);
}

static void judge_grpc(const otlp_reply_t *r, otlp_answer_t *a)
{
    uint64_t code;
    char text[128];
    if (r->grpc_status.p && hg_str_u64(r->grpc_status, &code) == 0) {
        if (code == 0)
            frame_grpc(r->body, a);
        else
            failed_grpc(r, code, a);
        return;
    }
    a->verdict = again_http(r->status) ? OTLP_AGAIN : OTLP_REFUSED;
    a->wait_ms = r->retry_after_ms;
    hg_err_set(&a->why, HG_EPROTO, "what answered %d with content type '%s' does not speak gRPC", r->status,
               words(r->content_type, text, sizeof text));
}

void otlp_judge(hg_otlp_transport_t transport, const otlp_reply_t *reply, otlp_answer_t *ret)
{
    *ret = (otlp_answer_t){ .verdict = OTLP_TAKEN, .why = HG_ERR_INIT };
    if (transport == HG_OTLP_GRPC)
        judge_grpc(reply, ret);
    else
        judge_http(reply, ret);
}
