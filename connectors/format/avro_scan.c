/* avro_scan.c: Avro's encoding below the schema: varints, lengths, blocks, and values that nobody wants.
 *
 * A few bytes cannot make it work for long: a block has no more elements than bytes are left, those without any bytes
 * are counted (hg_ascan_t.empty), and what is nested in itself is followed to HG_AVRO_DEPTH. Pool thread, no memory of
 * its own. */
#include "base/hg.h"
#include "connectors/format/avro_int.h"

#define EMPTY_MAX 4096u

int hg_as_refuse(hg_ascan_t *s, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->msg, sizeof s->msg, fmt, ap);
    va_end(ap);
    return code;
}

int hg_as_ends_early(hg_ascan_t *s)
{
    return hg_as_refuse(s, HG_EPARSE, "the record ends in the middle of a value");
}

int hg_as_long_slow(hg_ascan_t *s, int64_t *ret)
{
    const char *p = s->p;
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (p >= s->end) return hg_as_ends_early(s);
        uint8_t c = (uint8_t)*p++;
        if (shift == 63 && c > 1) break;
        v |= (uint64_t)(c & 127) << shift;
        if (c >= 128) continue;
        s->p = p;
        *ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
        return 0;
    }
    return hg_as_refuse(s, HG_EPARSE, "a number of more than 64 bits");
}

int hg_as_int(hg_ascan_t *s, int32_t *ret)
{
    int64_t v;
    int rc = hg_as_long(s, &v);
    if (rc < 0) return rc;
    if (v < INT32_MIN || v > INT32_MAX) return hg_as_refuse(s, HG_ERANGE, "%" PRId64 " is no int of 32 bits", v);
    *ret = (int32_t)v;
    return 0;
}

int hg_as_too_long(hg_ascan_t *s, int64_t n)
{
    if (n < 0) return hg_as_refuse(s, HG_EPARSE, "a length of %" PRId64, n);
    return hg_as_refuse(s, HG_EPARSE, "a length of %" PRId64 " where %zu bytes are left", n, (size_t)(s->end - s->p));
}

int hg_as_block(hg_ascan_t *s, uint32_t min, uint64_t *ret_n, uint64_t *ret_bytes)
{
    int64_t n, bytes = 0;
    int rc = hg_as_long(s, &n);
    if (rc < 0) return rc;
    if (n < 0) {
        rc = hg_as_long(s, &bytes);
        if (rc < 0) return rc;
        if (n == INT64_MIN || bytes < 0 || bytes > s->end - s->p)
            return hg_as_refuse(s, HG_EPARSE, "a block of %" PRId64 " bytes where %zu are left", bytes,
                                (size_t)(s->end - s->p));
        n = -n;
    }
    size_t left = (size_t)(s->end - s->p);
    if (min ? (uint64_t)n > left || (uint64_t)n * min > left : (uint64_t)n > EMPTY_MAX - s->empty)
        return hg_as_refuse(s, HG_EPARSE, "a block of %" PRId64 " elements where %zu bytes are left", n, left);
    if (!min) s->empty += (uint32_t)n;
    *ret_n = (uint64_t)n;
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

int hg_as_no_branch(hg_ascan_t *s, uint32_t n, int64_t at)
{
    return hg_as_refuse(s, HG_EPARSE, "branch %" PRId64 " of a union of %u", at, n);
}

static int skip_blocks(hg_ascan_t *s, const hg_avro_t *t)
{
    const hg_avro_t *of = t->of[0];
    uint32_t min = of->min + (t->kind == HG_AV_MAP);
    uint64_t n, bytes;
    hg_str_t key;
    for (;;) {
        int rc = hg_as_block(s, min, &n, &bytes);
        if (rc < 0 || n == 0) return rc;
        if (bytes) {
            s->p += bytes;
            continue;
        }
        for (; n > 0 && rc == 0; n--) {
            if (t->kind == HG_AV_MAP) rc = hg_as_bytes(s, &key);
            if (rc == 0) rc = hg_as_skip(s, of);
        }
        if (rc < 0) return rc;
    }
}

static int skip_nested(hg_ascan_t *s, const hg_avro_t *t)
{
    uint32_t at = 0;
    int rc = 0;
    if (t->kind == HG_AV_UNION) {
        rc = hg_as_branch(s, t->n, &at);
        return rc < 0 ? rc : hg_as_skip(s, t->of[at]);
    }
    if (t->kind != HG_AV_RECORD) return skip_blocks(s, t);
    for (uint32_t i = 0; i < t->n && rc == 0; i++) rc = hg_as_skip(s, t->fields[i].type);
    return rc;
}

int hg_as_skip(hg_ascan_t *s, const hg_avro_t *t)
{
    hg_str_t bytes;
    int64_t v;
    switch (t->kind) {
    case HG_AV_NULL:
        return 0;
    case HG_AV_BOOLEAN:
        return hg_as_take(s, 1, &bytes);
    case HG_AV_INT:
    case HG_AV_LONG:
    case HG_AV_ENUM:
        return hg_as_long(s, &v);
    case HG_AV_FLOAT:
        return hg_as_take(s, 4, &bytes);
    case HG_AV_DOUBLE:
        return hg_as_take(s, 8, &bytes);
    case HG_AV_BYTES:
    case HG_AV_STRING:
        return hg_as_bytes(s, &bytes);
    case HG_AV_FIXED:
        return hg_as_take(s, t->size, &bytes);
    case HG_AV_ARRAY:
    case HG_AV_MAP:
    case HG_AV_RECORD:
    case HG_AV_UNION:
    case HG_AV_N:
        break;
    }
    if (s->depth >= HG_AVRO_DEPTH) return hg_as_refuse(s, HG_EPARSE, "values nested deeper than %u", HG_AVRO_DEPTH);
    s->depth++;
    int rc = skip_nested(s, t);
    s->depth--;
    return rc;
}
