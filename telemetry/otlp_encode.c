/* otlp_encode.c: lines as records of OTLP, in the wire format of Protobuf (opentelemetry-proto 1.x).
 *
 * The few messages that are written here need no schema and no library: a field is a tag and a value, a message inside
 * of another one has its length before it. That is known when the message is complete, so it is put there then, and
 * what stands behind it moves.
 *
 * Texts must be UTF-8, or a collector refuses the whole request: bytes that are none become U+FFFD.
 */
#include "base/hg.h"
#include "base/json.h"
#include "telemetry/otlp_int.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2 }; /* wire types */

/* Fields, by message. */
enum { REQUEST_RESOURCE_LOGS = 1 };
enum { RESOURCE_LOGS_RESOURCE = 1, RESOURCE_LOGS_SCOPE_LOGS = 2 };
enum { SCOPE_LOGS_SCOPE = 1, SCOPE_LOGS_RECORDS = 2 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum { RECORD_TIME = 1, RECORD_NUMBER = 2, RECORD_TEXT = 3, RECORD_BODY = 5, RECORD_ATTRIBUTES = 6, RECORD_SEEN = 11 };
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };
enum { VALUE_STRING = 1, VALUE_BOOL = 2, VALUE_INT = 3 };

/* The first failure stays, the rest is ignored. */
typedef struct writer {
    hg_buf_t *b;
    int rc;
} writer_t;

static void add(writer_t *w, const void *p, size_t n)
{
    if (w->rc == 0) w->rc = hg_buf_add(w->b, p, n);
}

static size_t varint(uint64_t v, unsigned char out[10])
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

static void add_varint(writer_t *w, uint64_t v)
{
    unsigned char bytes[10];
    add(w, bytes, varint(v, bytes));
}

static void add_tag(writer_t *w, unsigned field, unsigned type)
{
    add_varint(w, field << 3 | type);
}

static void put_u64(writer_t *w, unsigned field, uint64_t v)
{
    add_tag(w, field, VARINT);
    add_varint(w, v);
}

static void put_fixed64(writer_t *w, unsigned field, uint64_t v)
{
    unsigned char le[8];
    for (int i = 0; i < 8; i++) le[i] = (unsigned char)(v >> 8 * i);
    add_tag(w, field, FIXED64);
    add(w, le, sizeof le);
}

/* A message or a text is written between these two. */
static size_t begin(writer_t *w, unsigned field)
{
    add_tag(w, field, BYTES);
    return w->b->len;
}

static void end(writer_t *w, size_t from)
{
    unsigned char bytes[10];
    size_t len = w->b->len - from, n = varint(len, bytes);
    add(w, bytes, n); /* room */
    if (w->rc < 0) return;
    memmove(w->b->p + from + n, w->b->p + from, len);
    memcpy(w->b->p + from, bytes, n);
}

/* The bytes of a whole character at the beginning; 0: there is none. */
static size_t character(const char *p, size_t n)
{
    for (size_t k = 1; k <= 4 && k <= n; k++)
        if (hg_utf8_valid(p, k)) return k;
    return 0;
}

static void add_text(writer_t *w, hg_str_t s)
{
    if (hg_utf8_valid(s.p, s.n)) {
        add(w, s.p, s.n);
        return;
    }
    for (size_t i = 0; i < s.n && w->rc == 0;) {
        size_t n = character(s.p + i, s.n - i);
        if (n)
            add(w, s.p + i, n);
        else
            add(w, "\xef\xbf\xbd", 3);
        i += n ? n : 1;
    }
}

static void put_text(writer_t *w, unsigned field, hg_str_t s)
{
    size_t at = begin(w, field);
    add_text(w, s);
    end(w, at);
}

/* An attribute: its key, then a value of one kind. */
static size_t begin_pair(writer_t *w, unsigned field, hg_str_t key, size_t *ret_value)
{
    size_t at = begin(w, field);
    put_text(w, PAIR_KEY, key);
    *ret_value = begin(w, PAIR_VALUE);
    return at;
}

static void end_pair(writer_t *w, size_t at, size_t value)
{
    end(w, value);
    end(w, at);
}

static void put_pair(writer_t *w, unsigned field, hg_str_t key, hg_str_t text)
{
    size_t value, at = begin_pair(w, field, key, &value);
    put_text(w, VALUE_STRING, text);
    end_pair(w, at, value);
}

static void put_number(writer_t *w, hg_str_t key, unsigned kind, uint64_t v)
{
    size_t value, at = begin_pair(w, RECORD_ATTRIBUTES, key, &value);
    put_u64(w, kind, v);
    end_pair(w, at, value);
}

/* What a plugin says is one text: message="…", in JSON's quotes. Then the record's body is that text; a is for it. */
static bool said(hg_str_t fields, hg_arena_t **a, hg_str_t *ret)
{
    static const hg_str_t key = { "message=", 8 };
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *v;
    if (!hg_str_starts(fields, key)) return false;
    *a = hg_arena_new();
    if (hg_json_parse(*a, (hg_str_t){ fields.p + key.n, fields.n - key.n }, &v, &err) < 0 || v->kind != HG_J_STRING)
        return false;
    *ret = v->str;
    return true;
}

static hg_str_t head(hg_str_t s, bool *ret_cut)
{
    if (s.n > OTLP_BODY_MAX) s.n = OTLP_BODY_MAX, *ret_cut = true;
    return s;
}

/* True: its end is missing. */
static bool put_body(writer_t *w, const hg_log_line_t *l)
{
    hg_arena_t *a = NULL;
    hg_str_t text;
    bool cut = false;
    size_t body = begin(w, RECORD_BODY), at = begin(w, VALUE_STRING);
    if (said(l->fields, &a, &text)) {
        add_text(w, head(text, &cut));
    } else {
        add_text(w, hg_strz(l->event));
        if (l->fields.n) add(w, " ", 1);
        add_text(w, head(l->fields, &cut));
    }
    end(w, at);
    end(w, body);
    hg_arena_free(a);
    return cut;
}

int otlp_put_record(hg_buf_t *out, const hg_log_line_t *l)
{
    static const struct {
        unsigned number; /* logs.proto, SeverityNumber */
        hg_str_t text;
    } levels[] = {
        [HG_LOG_ERROR] = { 17, { "ERROR", 5 } },
        [HG_LOG_WARN] = { 13, { "WARN", 4 } },
        [HG_LOG_INFO] = { 9, { "INFO", 4 } },
        [HG_LOG_DEBUG] = { 5, { "DEBUG", 5 } },
    };
    writer_t w = { out, 0 };
    size_t before = out->len, at = begin(&w, SCOPE_LOGS_RECORDS);
    put_fixed64(&w, RECORD_TIME, (uint64_t)l->us * 1000);
    put_u64(&w, RECORD_NUMBER, levels[l->level].number);
    put_text(&w, RECORD_TEXT, levels[l->level].text);
    bool cut = put_body(&w, l);
    put_pair(&w, RECORD_ATTRIBUTES, HG_S("subsystem"), hg_strz(l->sub));
    if (strcmp(l->object, "-") != 0) put_pair(&w, RECORD_ATTRIBUTES, HG_S("object"), hg_strz(l->object));
    put_pair(&w, RECORD_ATTRIBUTES, HG_S("event"), hg_strz(l->event));
    if (l->repeated) put_number(&w, HG_S("repeated"), VALUE_INT, l->repeated);
    if (cut) put_number(&w, HG_S("truncated"), VALUE_BOOL, 1);
    put_fixed64(&w, RECORD_SEEN, (uint64_t)l->us * 1000);
    end(&w, at);
    if (w.rc < 0) out->len = before, out->p[before] = 0;
    return w.rc;
}

int otlp_put_resource(hg_buf_t *out, const otlp_pair_t *attrs, uint32_t n)
{
    writer_t w = { out, 0 };
    size_t at = begin(&w, RESOURCE_LOGS_RESOURCE);
    for (uint32_t i = 0; i < n; i++) put_pair(&w, RESOURCE_ATTRIBUTES, attrs[i].key, attrs[i].value);
    end(&w, at);
    return w.rc;
}

int otlp_put_scope(hg_buf_t *out, hg_str_t name, hg_str_t version)
{
    writer_t w = { out, 0 };
    size_t at = begin(&w, SCOPE_LOGS_SCOPE);
    put_text(&w, SCOPE_NAME, name);
    put_text(&w, SCOPE_VERSION, version);
    end(&w, at);
    return w.rc;
}

int otlp_put_request(hg_buf_t *out, bool grpc, hg_str_t resource, hg_str_t scope, hg_str_t records)
{
    writer_t w = { out, 0 };
    if (grpc) add(&w, "\0\0\0\0", 5); /* not compressed; the length follows */
    size_t from = out->len, resource_logs = begin(&w, REQUEST_RESOURCE_LOGS);
    add(&w, resource.p, resource.n);
    size_t scope_logs = begin(&w, RESOURCE_LOGS_SCOPE_LOGS);
    add(&w, scope.p, scope.n);
    add(&w, records.p, records.n);
    end(&w, scope_logs);
    end(&w, resource_logs);
    if (!grpc || w.rc < 0) return w.rc;
    for (size_t i = 0, n = out->len - from; i < 4; i++) out->p[from - 1 - i] = (char)(n >> 8 * i & 0xff);
    return 0;
}
