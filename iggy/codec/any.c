/* any.c: see any.h. */
#include "base/hg.h"
#include "base/json.h"
#include "iggy/codec/any.h"

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t c = *(*p)++;
        if (shift == 63 && c > 1) return false;
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* The value of a field of this wire type, passed over; *ret of a length-delimited one. Groups are not in use. */
static bool field(const uint8_t **p, const uint8_t *end, unsigned wire, hg_str_t *ret)
{
    uint64_t n;
    switch (wire) {
    case 0:
        return varint(p, end, &n);
    case 1:
        n = 8;
        break;
    case 2:
        if (!varint(p, end, &n)) return false;
        break;
    case 5:
        n = 4;
        break;
    default:
        return false;
    }
    if (n > (size_t)(end - *p)) return false;
    *ret = (hg_str_t){ (const char *)*p, (size_t)n };
    *p += n;
    return true;
}

bool hg_any_read(hg_str_t bytes, hg_any_t *ret)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    hg_any_t any = { { "", 0 }, { "", 0 } };
    if (bytes.n == 0) return false;
    while (p < end) {
        uint64_t tag;
        hg_str_t v = { "", 0 };
        if (!varint(&p, end, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911) return false;
        if (!field(&p, end, tag & 7, &v)) return false;
        if (tag >> 3 > 2) continue;
        if ((tag & 7) != 2) return false;
        *(tag >> 3 == 1 ? &any.type_url : &any.value) = v;
    }
    if (!hg_utf8_valid(any.type_url.p, any.type_url.n)) return false;
    *ret = any;
    return true;
}

static int put_field(hg_buf_t *out, char tag, hg_str_t v)
{
    char head[11];
    size_t n = 0;
    if (v.n == 0) return 0;
    head[n++] = tag;
    for (size_t left = v.n;;) {
        head[n++] = (char)(left > 127 ? (left & 127) | 128 : left);
        if (!(left >>= 7)) break;
    }
    int rc = hg_buf_add(out, head, n);
    return rc < 0 ? rc : hg_buf_addstr(out, v);
}

int hg_any_write(hg_buf_t *out, const hg_any_t *any)
{
    int rc = put_field(out, 0x0a, any->type_url);
    return rc < 0 ? rc : put_field(out, 0x12, any->value);
}

int hg_any_json(const hg_any_t *any, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err)
{
    hg_buf_t *out = hg_scratch_out(s);
    hg_str_t kept;
    if (hg_buf_adds(out, "{\"type_url\":") < 0 || hg_json_quote(out, any->type_url) < 0 ||
        hg_buf_adds(out, ",\"value\":\"") < 0 || hg_base64(out, any->value) < 0 || hg_buf_adds(out, "\"}") < 0 ||
        hg_scratch_keep(s, &kept) < 0)
        return hg_err_set(err, HG_ENOMEM, "out of memory while writing a message");
    *ret = (hg_payload_t){ .kind = HG_PL_JSON, .bytes = kept };
    return 0;
}
