/* postcard.c: see postcard.h. Rules of the encoding: integers are LEB128, low group first, over-long ones accepted
 * within the width's byte limit; an option is 0, or 1 and the value; a sequence its count and its elements. The
 * headers' bytes go as base64 text because the plugins' SDK makes them so for every serialiser, postcard too. */
#include "base/hg.h"

#include "iggy/plugin/postcard.h"

/* --- writing --- */
void hg_pc_put_varint(hg_pc_out_t *o, uint64_t v)
{
    HG_DASSERT(o->end - o->p >= 10);
    for (; v >= 0x80; v >>= 7) *o->p++ = (uint8_t)(v | 0x80);
    *o->p++ = (uint8_t)v;
}

void hg_pc_put_u128(hg_pc_out_t *o, hg_u128 v)
{
    HG_DASSERT(o->end - o->p >= 19);
    for (; v >= 0x80; v >>= 7) *o->p++ = (uint8_t)((uint8_t)v | 0x80);
    *o->p++ = (uint8_t)v;
}

static void put_byte(hg_pc_out_t *o, unsigned v)
{
    HG_DASSERT(o->p < o->end);
    *o->p++ = (uint8_t)v;
}

void hg_pc_put_bytes(hg_pc_out_t *o, hg_str_t s)
{
    hg_pc_put_varint(o, s.n);
    HG_DASSERT((size_t)(o->end - o->p) >= s.n);
    if (s.n) memcpy(o->p, s.p, s.n);
    o->p += s.n;
}

void hg_pc_put_topic(hg_pc_out_t *o, hg_str_t stream, hg_str_t topic)
{
    hg_pc_put_bytes(o, stream);
    hg_pc_put_bytes(o, topic);
}

void hg_pc_put_meta(hg_pc_out_t *o, const hg_pc_meta_t *m)
{
    hg_pc_put_varint(o, m->partition_id);
    hg_pc_put_varint(o, m->current_offset);
    put_byte(o, m->schema);
}

static void put_field(hg_pc_out_t *o, const hg_pc_field_t *f)
{
    size_t n = HG_BASE64_LEN(f->bytes.n);
    put_byte(o, f->kind);
    hg_pc_put_varint(o, n);
    HG_DASSERT((size_t)(o->end - o->p) >= n);
    o->p = (uint8_t *)hg_base64_put((char *)o->p, f->bytes);
}

size_t hg_pc_headers_bound(const hg_pc_header_t *h, uint32_t n)
{
    size_t all = 10;
    for (uint32_t i = 0; i < n; i++) all += 22 + HG_BASE64_LEN(h[i].key.bytes.n) + HG_BASE64_LEN(h[i].value.bytes.n);
    return all;
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7) n++;
    return n;
}

static size_t field_size(const hg_pc_field_t *f)
{
    size_t n = HG_BASE64_LEN(f->bytes.n);
    return 1 + varint_size(n) + n;
}

size_t hg_pc_headers_size(const hg_pc_header_t *h, uint32_t n)
{
    size_t all = varint_size(n);
    for (uint32_t i = 0; i < n; i++) all += field_size(&h[i].key) + field_size(&h[i].value);
    return all;
}

void hg_pc_put_headers(hg_pc_out_t *o, const hg_pc_header_t *h, uint32_t n)
{
    hg_pc_put_varint(o, n);
    for (uint32_t i = 0; i < n; i++) {
        put_field(o, &h[i].key);
        put_field(o, &h[i].value);
    }
}

void hg_pc_put_raw_begin(hg_pc_out_t *o, hg_pc_schema_t schema, uint64_t n)
{
    put_byte(o, schema);
    hg_pc_put_varint(o, n);
}

void hg_pc_put_raw(hg_pc_out_t *o, const hg_pc_raw_t *m)
{
    hg_pc_put_u128(o, m->id);
    hg_pc_put_varint(o, m->offset);
    hg_pc_put_varint(o, m->checksum);
    hg_pc_put_varint(o, m->timestamp);
    hg_pc_put_varint(o, m->origin_timestamp);
    if (m->n_headers) {
        hg_pc_put_varint(o, hg_pc_headers_size(m->headers, m->n_headers));
        hg_pc_put_headers(o, m->headers, m->n_headers);
    } else {
        put_byte(o, 0);
    }
    hg_pc_put_bytes(o, m->payload);
}

void hg_pc_put_produced_begin(hg_pc_out_t *o, hg_pc_schema_t schema, uint64_t n)
{
    hg_pc_put_raw_begin(o, schema, n);
}

static void put_option(hg_pc_out_t *o, bool has, uint64_t v)
{
    put_byte(o, has);
    if (has) hg_pc_put_varint(o, v);
}

void hg_pc_put_produced(hg_pc_out_t *o, const hg_pc_produced_t *m)
{
    put_byte(o, m->has_id);
    if (m->has_id) hg_pc_put_u128(o, m->id);
    put_option(o, m->has_checksum, m->checksum);
    put_option(o, m->has_timestamp, m->timestamp);
    put_option(o, m->has_origin, m->origin_timestamp);
    put_byte(o, m->has_headers);
    if (m->has_headers) hg_pc_put_headers(o, m->headers, m->n_headers);
    hg_pc_put_bytes(o, m->payload);
}

void hg_pc_put_produced_end(hg_pc_out_t *o, const hg_str_t *state)
{
    put_byte(o, state != NULL);
    if (state) hg_pc_put_bytes(o, *state);
}

/* --- reading --- */
static int bad(const hg_pc_in_t *in, const uint8_t *at, hg_err_t *err, const char *what)
{
    hg_err_set(err, HG_EPROTO, "%s", what);
    err->pos.off = (uint64_t)(at - in->begin);
    return HG_EPROTO;
}

/* width in bits; the last of its bytes may hold what is left of the width. */
static inline int get_wide(hg_pc_in_t *in, unsigned bits, hg_u128 *ret, hg_err_t *err)
{
    const uint8_t *from = in->at;
    hg_u128 v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (in->at == in->end) return bad(in, from, err, "a number is cut off by the end of the batch");
        uint8_t b = *in->at++;
        unsigned left = bits - shift;
        if (left < 7 && (b & 0x7f) >> left) return bad(in, from, err, "a number is larger than its type");
        v |= (hg_u128)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return 0;
        }
    }
    return bad(in, from, err, "a number has more bytes than its type allows");
}

int hg_pc_get_varint(hg_pc_in_t *in, unsigned bits, uint64_t *ret, hg_err_t *err)
{
    if (in->at < in->end && *in->at < 0x80) { /* nearly always */
        *ret = *in->at++;
        return 0;
    }
    hg_u128 v = 0;
    int rc = get_wide(in, bits, &v, err);
    if (rc == 0) *ret = (uint64_t)v;
    return rc;
}

int hg_pc_get_u128(hg_pc_in_t *in, hg_u128 *ret, hg_err_t *err)
{
    return get_wide(in, 128, ret, err);
}

static int get_byte(hg_pc_in_t *in, unsigned below, unsigned *ret, hg_err_t *err, const char *what)
{
    if (in->at == in->end) return bad(in, in->at, err, "the batch ends where a field should begin");
    if (*in->at >= below) return bad(in, in->at, err, what);
    *ret = *in->at++;
    return 0;
}

static int get_flag(hg_pc_in_t *in, bool *ret, hg_err_t *err)
{
    unsigned v = 0;
    int rc = get_byte(in, 2, &v, err, "an option begins with neither 0 nor 1");
    if (rc == 0) *ret = v != 0;
    return rc;
}

int hg_pc_get_bytes(hg_pc_in_t *in, hg_str_t *ret, hg_err_t *err)
{
    const uint8_t *from = in->at;
    uint64_t n = 0;
    int rc = hg_pc_get_varint(in, 64, &n, err);
    if (rc < 0) return rc;
    if (n > (size_t)(in->end - in->at)) return bad(in, from, err, "a length reaches past the end of the batch");
    *ret = (hg_str_t){ (const char *)in->at, n };
    in->at += n;
    return 0;
}

static int get_text(hg_pc_in_t *in, hg_str_t *ret, hg_err_t *err)
{
    const uint8_t *from = in->at;
    int rc = hg_pc_get_bytes(in, ret, err);
    if (rc == 0 && !hg_utf8_valid(ret->p, ret->n)) rc = bad(in, from, err, "a string is not UTF-8");
    return rc;
}

int hg_pc_get_topic(hg_pc_in_t *in, hg_str_t *ret_stream, hg_str_t *ret_topic, hg_err_t *err)
{
    int rc = get_text(in, ret_stream, err);
    return rc < 0 ? rc : get_text(in, ret_topic, err);
}

/* A variant's index: a number as wide as u32, though the ones there are fit in a byte. */
static int get_variant(hg_pc_in_t *in, unsigned below, unsigned *ret, hg_err_t *err, const char *what)
{
    const uint8_t *from = in->at;
    uint64_t v = 0;
    int rc = hg_pc_get_varint(in, 32, &v, err);
    if (rc < 0) return rc;
    if (v >= below) return bad(in, from, err, what);
    *ret = (unsigned)v;
    return 0;
}

static int get_schema(hg_pc_in_t *in, hg_pc_schema_t *ret, hg_err_t *err)
{
    unsigned v = 0;
    int rc = get_variant(in, HG_PC_SCHEMA_N, &v, err, "there is no such schema");
    if (rc == 0) *ret = (hg_pc_schema_t)v;
    return rc;
}

int hg_pc_get_meta(hg_pc_in_t *in, hg_pc_meta_t *ret, hg_err_t *err)
{
    uint64_t partition;
    int rc = hg_pc_get_varint(in, 32, &partition, err);
    if (rc == 0) rc = hg_pc_get_varint(in, 64, &ret->current_offset, err);
    if (rc == 0) rc = get_schema(in, &ret->schema, err);
    if (rc == 0) ret->partition_id = (uint32_t)partition;
    return rc;
}

/* A count of things of at least `least` bytes each. */
static int get_count(hg_pc_in_t *in, size_t least, uint64_t *ret, hg_err_t *err)
{
    const uint8_t *from = in->at;
    int rc = hg_pc_get_varint(in, 64, ret, err);
    if (rc == 0 && *ret > (size_t)(in->end - in->at) / least)
        rc = bad(in, from, err, "a count is larger than what follows can hold");
    return rc;
}

int hg_pc_get_raw_begin(hg_pc_in_t *in, hg_pc_schema_t *ret_schema, uint64_t *ret_n, hg_err_t *err)
{
    int rc = get_schema(in, ret_schema, err);
    return rc < 0 ? rc : get_count(in, 7, ret_n, err);
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Standard alphabet, padded, no bits left over. Appends to out, or only checks if that is NULL. */
static bool base64_decode(hg_str_t s, hg_buf_t *out)
{
    if (s.n % 4) return false;
    size_t pad = s.n && s.p[s.n - 1] == '=' ? 1 + (s.p[s.n - 2] == '=') : 0;
    for (size_t i = 0; i < s.n; i += 4) {
        uint32_t v = 0;
        size_t skip = i + 4 == s.n ? pad : 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k >= 4 - skip ? 0 : base64_digit((uint8_t)s.p[i + k]);
            if (d < 0) return false;
            v = v << 6 | (uint32_t)d;
        }
        if (v & ((1u << 8 * skip) - 1)) return false;
        const uint8_t bytes[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
        if (out && hg_buf_add(out, bytes, 3 - skip) < 0) return false;
    }
    return true;
}

static int get_field(hg_pc_in_t *in, hg_buf_t *scratch, hg_pc_field_t *ret, hg_err_t *err)
{
    unsigned kind = 0;
    hg_str_t text;
    int rc = get_variant(in, HG_PC_HEADER_KINDS, &kind, err, "there is no such kind of header");
    const uint8_t *from = in->at;
    if (rc == 0) rc = hg_pc_get_bytes(in, &text, err);
    if (rc < 0) return rc;
    size_t at = scratch ? scratch->len : 0;
    if (!base64_decode(text, scratch)) return bad(in, from, err, "a header's bytes are not base64");
    if (scratch) *ret = (hg_pc_field_t){ (uint8_t)kind, { scratch->p + at, scratch->len - at } };
    return 0;
}

int hg_pc_get_header(hg_pc_in_t *in, hg_buf_t *scratch, hg_pc_header_t *ret, hg_err_t *err)
{
    int rc = get_field(in, scratch, &ret->key, err);
    return rc < 0 ? rc : get_field(in, scratch, &ret->value, err);
}

/* Passes over a header map, which must be sound. */
static int get_headers(hg_pc_in_t *in, uint32_t *ret_n, hg_str_t *ret, hg_err_t *err)
{
    uint64_t n = 0;
    hg_pc_header_t h;
    int rc = get_count(in, 4, &n, err);
    const uint8_t *from = in->at;
    for (uint64_t i = 0; rc == 0 && i < n; i++) rc = hg_pc_get_header(in, NULL, &h, err);
    if (rc < 0) return rc;
    *ret_n = (uint32_t)HG_MIN(n, UINT32_MAX);
    *ret = (hg_str_t){ (const char *)from, (size_t)(in->at - from) };
    return 0;
}

int hg_pc_get_raw(hg_pc_in_t *in, hg_pc_raw_view_t *ret, hg_err_t *err)
{
    hg_str_t headers;
    uint64_t *const numbers[] = { &ret->m.offset, &ret->m.checksum, &ret->m.timestamp, &ret->m.origin_timestamp };
    *ret = (hg_pc_raw_view_t){ .raw_headers.n = 0 };
    int rc = hg_pc_get_u128(in, &ret->m.id, err);
    for (size_t i = 0; rc == 0 && i < HG_COUNT(numbers); i++) rc = hg_pc_get_varint(in, 64, numbers[i], err);
    if (rc == 0) rc = hg_pc_get_bytes(in, &headers, err);
    if (rc == 0 && headers.n) {
        hg_pc_in_t map = hg_pc_in(headers.p, headers.n);
        map.begin = in->begin;
        rc = get_headers(&map, &ret->m.n_headers, &ret->raw_headers, err);
    }
    return rc < 0 ? rc : hg_pc_get_bytes(in, &ret->m.payload, err);
}

int hg_pc_get_produced_begin(hg_pc_in_t *in, hg_pc_schema_t *ret_schema, uint64_t *ret_n, hg_err_t *err)
{
    int rc = get_schema(in, ret_schema, err);
    return rc < 0 ? rc : get_count(in, 6, ret_n, err);
}

static int get_option(hg_pc_in_t *in, bool *ret_has, uint64_t *ret, hg_err_t *err)
{
    int rc = get_flag(in, ret_has, err);
    return rc < 0 || !*ret_has ? rc : hg_pc_get_varint(in, 64, ret, err);
}

int hg_pc_get_produced(hg_pc_in_t *in, hg_pc_produced_t *ret, hg_err_t *err)
{
    *ret = (hg_pc_produced_t){ .has_id = false };
    int rc = get_flag(in, &ret->has_id, err);
    if (rc == 0 && ret->has_id) rc = hg_pc_get_u128(in, &ret->id, err);
    if (rc == 0) rc = get_option(in, &ret->has_checksum, &ret->checksum, err);
    if (rc == 0) rc = get_option(in, &ret->has_timestamp, &ret->timestamp, err);
    if (rc == 0) rc = get_option(in, &ret->has_origin, &ret->origin_timestamp, err);
    if (rc == 0) rc = get_flag(in, &ret->has_headers, err);
    if (rc == 0 && ret->has_headers) rc = get_headers(in, &ret->n_headers, &ret->raw_headers, err);
    return rc < 0 ? rc : hg_pc_get_bytes(in, &ret->payload, err);
}

int hg_pc_get_produced_end(hg_pc_in_t *in, bool *ret_has_state, hg_str_t *ret_state, hg_err_t *err)
{
    *ret_state = (hg_str_t){ NULL, 0 };
    int rc = get_flag(in, ret_has_state, err);
    return rc < 0 || !*ret_has_state ? rc : hg_pc_get_bytes(in, ret_state, err);
}

int hg_pc_read_produced(const void *p, size_t n, hg_pc_batch_t *ret, hg_err_t *err)
{
    hg_pc_in_t in = hg_pc_in(p, n);
    *ret = (hg_pc_batch_t){ .n = 0 };
    int rc = hg_pc_get_produced_begin(&in, &ret->schema, &ret->n, err);
    ret->messages = in;
    for (uint64_t i = 0; rc == 0 && i < ret->n; i++) {
        hg_pc_produced_t m;
        rc = hg_pc_get_produced(&in, &m, err);
        ret->payload_bytes += m.payload.n;
        ret->header_bytes += m.raw_headers.n;
    }
    return rc < 0 ? rc : hg_pc_get_produced_end(&in, &ret->has_state, &ret->state, err);
}
