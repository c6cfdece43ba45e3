/* batch.c: see batch.h. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/json_scan.h"
#include "plugins/sdk/batch.h"

#define SCAN_PAD ((size_t)64) /* the scanner looks that far past the end */

const char *hgp_schema_name(hg_pc_schema_t s)
{
    static const char *const names[HG_PC_SCHEMA_N] = { "json", "raw", "text", "proto", "flat_buffer", "avro" };
    return names[s];
}

int hgp_batch_read(hgp_batch_t *b, hg_str_t topic, hg_str_t meta, hg_str_t messages, hg_err_t *err)
{
    hg_pc_in_t t = hg_pc_in(topic.p, topic.n), m = hg_pc_in(meta.p, meta.n), in = hg_pc_in(messages.p, messages.n);
    hg_pc_meta_t d = { .partition_id = 0 };
    hg_pc_schema_t unused;
    uint64_t n = 0;
    int rc = hg_pc_get_topic(&t, &b->stream, &b->topic, err);
    if (rc == 0) rc = hg_pc_get_meta(&m, &d, err);
    if (rc == 0) rc = hg_pc_get_raw_begin(&in, &unused, &n, err);
    if (rc < 0) return rc;
    if (n > UINT32_MAX) return hg_err_set(err, HG_EPROTO, "%" PRIu64 " messages in one batch", n);
    b->partition = d.partition_id;
    b->current_offset = d.current_offset;
    b->schema = d.schema;
    b->n = 0;
    if (n > b->cap) {
        hg_pc_raw_view_t *v = hg_trygrow(b->v, (size_t)n * sizeof *v);
        if (!v) return hg_err_retry(err, HG_ENOMEM, "no memory for a batch of %" PRIu64 " messages", n);
        b->v = v;
        b->cap = (uint32_t)n;
    }
    for (uint32_t i = 0; rc == 0 && i < n; i++) rc = hg_pc_get_raw(&in, &b->v[i], err);
    if (rc == 0) b->n = (uint32_t)n;
    return rc;
}

void hgp_batch_release(hgp_batch_t *b)
{
    hg_free(b->v);
    memset(b, 0, sizeof *b);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* Headers' kinds as postcard numbers them. */
enum { RAW, STRING, BOOL, INT8, INT16, INT32, INT64, INT128, UINT8, UINT16, UINT32, UINT64, UINT128, FLOAT32, FLOAT64 };

static uint64_t little(hg_str_t v)
{
    uint64_t u = 0;
    for (size_t i = 0; i < v.n && i < 8; i++) u |= (uint64_t)(uint8_t)v.p[i] << (8 * i);
    return u;
}

int hgp_id_decimal(hg_buf_t *out, hg_u128 u)
{
    char digits[40];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u);
    return hg_buf_add(out, digits + at, sizeof digits - at);
}

int hgp_id_hex(hg_buf_t *out, hg_u128 id)
{
    static const char hex[] = "0123456789abcdef";
    char t[32];
    for (unsigned i = 0; i < 32; i++) t[i] = hex[(unsigned)(id >> (124 - 4 * i)) & 15];
    return hg_buf_add(out, t, sizeof t);
}

/* Bytes of each kind; 0: any number. */
static const uint8_t sizes[HG_PC_HEADER_KINDS] = { 0, 0, 1, 1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 4, 8 };

int hgp_header_text(const hg_pc_field_t *f, hg_buf_t *out)
{
    hg_str_t v = f->bytes;
    if (sizes[f->kind] && v.n != sizes[f->kind]) return hg_base64(out, v); /* not what its kind says */
    uint64_t u = little(v);
    unsigned unused = 64u - 8u * HG_MIN(sizes[f->kind], (uint8_t)8);
    switch (f->kind) {
    case STRING:
        return hg_buf_addstr(out, v);
    case BOOL:
        return hg_buf_adds(out, u ? "true" : "false");
    case INT8:
    case INT16:
    case INT32:
    case INT64:
        return hg_buf_addi64(out, (int64_t)(u << unused) >> unused);
    case UINT8:
    case UINT16:
    case UINT32:
    case UINT64:
        return hg_buf_addu64(out, u);
    case INT128:
    case UINT128: {
        hg_u128 w = (hg_u128)little((hg_str_t){ v.p + 8, 8 }) << 64 | u;
        bool negative = f->kind == INT128 && (w >> 127);
        int rc = negative ? hg_buf_addc(out, '-') : 0;
        return rc < 0 ? rc : hgp_id_decimal(out, negative ? ~w + 1 : w);
    }
    case FLOAT32: {
        float x;
        uint32_t bits = (uint32_t)u;
        memcpy(&x, &bits, sizeof x);
        return hg_buf_addf(out, "%.9g", (double)x);
    }
    case FLOAT64: {
        double x;
        memcpy(&x, &u, sizeof x);
        return hg_buf_addf(out, "%.17g", x);
    }
    default:
        return hg_base64(out, v);
    }
}

typedef enum { TEXTS, TYPED } header_style_t;

/* Is its text also JSON? A float's may be nan or inf. */
static bool is_literal(const hg_pc_field_t *f, hg_str_t text)
{
    static const unsigned kinds = 1u << BOOL | 1u << INT8 | 1u << INT16 | 1u << INT32 | 1u << INT64 | 1u << UINT8 |
                                  1u << UINT16 | 1u << UINT32 | 1u << UINT64 | 1u << FLOAT32 | 1u << FLOAT64;
    if (!(kinds >> f->kind & 1u) || !text.n) return false;
    if (f->kind == BOOL) return f->bytes.n == 1;
    return text.p[text.n - 1] >= '0' && text.p[text.n - 1] <= '9' && f->bytes.n == sizes[f->kind];
}

static int header_value(hg_buf_t *out, const hg_pc_field_t *f, header_style_t style, hg_buf_t *scratch)
{
    if (f->kind == RAW && style == TEXTS) {
        int rc = hg_buf_adds(out, "{\"data\":\"");
        if (rc == 0) rc = hg_base64(out, f->bytes);
        return rc < 0 ? rc : hg_buf_adds(out, "\",\"iggy_header_encoding\":\"base64\"}");
    }
    size_t at = scratch->len;
    int rc = hgp_header_text(f, scratch);
    hg_str_t text = { scratch->p + at, scratch->len - at };
    if (rc < 0) return rc;
    return style == TYPED && is_literal(f, text) ? hg_buf_addstr(out, text) : hg_json_quote(out, text);
}

static int headers(hg_buf_t *out, const hg_pc_raw_view_t *m, header_style_t style, hg_buf_t *scratch)
{
    hg_pc_in_t in = hg_pc_in(m->raw_headers.p, m->raw_headers.n);
    int rc = hg_buf_addc(out, '{');
    for (uint32_t i = 0; rc == 0 && i < m->m.n_headers; i++) {
        hg_pc_header_t h;
        hg_err_t err;
        hg_buf_clear(scratch);
        rc = hg_buf_reserve(scratch,
                            3 * (size_t)(in.end - in.at) + 512); /* what it holds must not move under its text */
        if (rc == 0) rc = hg_pc_get_header(&in, scratch, &h, &err);
        if (rc == 0 && i) rc = hg_buf_addc(out, ',');
        if (rc == 0) {
            size_t at = scratch->len;
            rc = hgp_header_text(&h.key, scratch);
            if (rc == 0) rc = hg_json_quote(out, (hg_str_t){ scratch->p + at, scratch->len - at });
        }
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = header_value(out, &h.value, style, scratch);
    }
    return rc < 0 ? rc : hg_buf_addc(out, '}');
}

int hgp_headers_json(hg_buf_t *out, const hg_pc_raw_view_t *m, hg_buf_t *scratch)
{
    return headers(out, m, TEXTS, scratch);
}

int hgp_headers_typed(hg_buf_t *out, const hg_pc_raw_view_t *m, hg_buf_t *scratch)
{
    return headers(out, m, TYPED, scratch);
}

int hgp_json_line(hg_buf_t *out, hg_str_t payload)
{
    hg_jscan_t s;
    size_t before = out->len;
    int rc = hg_buf_reserve(out, payload.n + SCAN_PAD);
    if (rc == 0) rc = hg_buf_addstr(out, payload);
    if (rc < 0) return rc;
    memset(out->p + out->len, 0, SCAN_PAD);
    hg_jscan_init(&s);
    s.end = out->p + out->len;
    const char *end = hg_js_skip(&s, hg_js_ws(&s, out->p + before));
    if (end) end = hg_js_ws(&s, end);
    if (!end || end != s.end) {
        rc = s.e == HG_JE_FATAL ? s.rc : HG_EPARSE;
        out->len = before;
        out->p[before] = 0;
    }
    hg_jscan_release(&s);
    if (rc < 0) return rc;
    /* Inside of strings there are none, so these are blanks. */
    for (char *nl = out->p + before; (nl = memchr(nl, '\n', (size_t)(out->p + out->len - nl)));) *nl = ' ';
    for (char *cr = out->p + before; (cr = memchr(cr, '\r', (size_t)(out->p + out->len - cr)));) *cr = ' ';
    return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void hgp_out_init(hgp_out_t *o, hg_pc_schema_t s)
{
    memset(o, 0, sizeof *o);
    o->schema = s;
    hg_buf_init(&o->b, HG_BUF_NOMAX);
}

void hgp_out_release(hgp_out_t *o)
{
    hg_buf_release(&o->b);
}

void hgp_out_clear(hgp_out_t *o)
{
    hg_buf_clear(&o->b);
    o->n = 0;
}

static int room(hgp_out_t *o, size_t n, hg_pc_out_t *ret)
{
    int rc = hg_buf_reserve(&o->b, HG_PC_BATCH_MAX + n);
    if (rc < 0) return rc;
    if (!o->b.len) o->b.len = HG_PC_BATCH_MAX; /* filled by hgp_out_finish */
    *ret = (hg_pc_out_t){ (uint8_t *)o->b.p + o->b.len, (uint8_t *)o->b.p + o->b.len + n };
    return 0;
}

int hgp_out_message(hgp_out_t *o, hg_u128 id, const hg_pc_header_t *headers, uint32_t n_headers, hg_str_t payload)
{
    hg_pc_produced_t m = { .has_id = id != 0,
                           .id = id,
                           .has_headers = n_headers > 0,
                           .n_headers = n_headers,
                           .headers = headers,
                           .payload = payload };
    hg_pc_out_t out;
    if (!payload.n) return HG_EINVAL;
    int rc = room(o, HG_PC_MESSAGE_MAX + payload.n + (n_headers ? hg_pc_headers_bound(headers, n_headers) : 0), &out);
    if (rc < 0) return rc;
    hg_pc_put_produced(&out, &m);
    o->b.len = (size_t)((char *)out.p - o->b.p);
    o->n++;
    return 0;
}

int hgp_out_finish(hgp_out_t *o, const hg_str_t *state, hg_str_t *ret)
{
    uint8_t front[HG_PC_BATCH_MAX];
    hg_pc_out_t out, f = { front, front + sizeof front };
    int rc = room(o, HG_PC_BATCH_MAX + (state ? state->n : 0), &out);
    if (rc < 0) return rc;
    hg_pc_put_produced_end(&out, state);
    o->b.len = (size_t)((char *)out.p - o->b.p);
    hg_pc_put_produced_begin(&f, o->schema, o->n);
    size_t n = (size_t)(f.p - front);
    memcpy(o->b.p + HG_PC_BATCH_MAX - n, front, n);
    *ret = (hg_str_t){ o->b.p + HG_PC_BATCH_MAX - n, o->b.len - HG_PC_BATCH_MAX + n };
    return 0;
}
