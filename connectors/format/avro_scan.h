/* avro_scan.h: Avro's encoding below what a value becomes: varints, lengths, blocks, branches, and skipping.
 *
 * Whoever reads bytes of Avro keeps one of these states per record; see avro_scan.c for how little a few bytes can ask.
 */
#ifndef HG_CONNECTORS_FORMAT_AVRO_SCAN_H
#define HG_CONNECTORS_FORMAT_AVRO_SCAN_H

#include "base/buf.h"
#include "base/err.h"
#include "connectors/format/avro_schema.h"

#define HG_AVRO_DEPTH 128u /* values inside values */

typedef struct hg_ascan {
    const char *p, *end;
    uint32_t depth; /* values that the one being skipped is inside of */
    uint32_t empty; /* elements of no bytes in this record: the only thing that a few bytes can have many of */
    hg_str_t field; /* the column that failed, or the field of the writer's record */
    struct hg_variant *variant; /* parses VARIANTs; NULL until the first */
    hg_buf_t tmp;
    char msg[320]; /* why the record was refused */
} hg_ascan_t;

/* All answer 0 or a negative code: HG_EPARSE and HG_ERANGE refuse the record (s->msg), others are memory. */
int hg_as_refuse(hg_ascan_t *s, int code, const char *fmt, ...) HG_PRINTF(3, 4);
int hg_as_long_slow(hg_ascan_t *s, int64_t *ret);
int hg_as_int(hg_ascan_t *s, int32_t *ret);
int hg_as_ends_early(hg_ascan_t *s); /* these three say what is wrong */
int hg_as_too_long(hg_ascan_t *s, int64_t n);
int hg_as_no_branch(hg_ascan_t *s, uint32_t n, int64_t at);
/* The next block of an array or a map: *n elements, 0 = that was all. bytes: how long it is if that is known, else 0.
 * min: bytes that an element has at least. */
int hg_as_block(hg_ascan_t *s, uint32_t min, uint64_t *n, uint64_t *bytes);
int hg_as_skip(hg_ascan_t *s, const hg_avro_t *t);

static inline int hg_as_long(hg_ascan_t *s, int64_t *ret)
{
    if (HG_LIKELY(s->p < s->end && (uint8_t)*s->p < 128)) {
        uint8_t c = (uint8_t)*s->p++;
        *ret = (int64_t)(c >> 1) ^ -(int64_t)(c & 1);
        return 0;
    }
    return hg_as_long_slow(s, ret);
}

static inline int hg_as_take(hg_ascan_t *s, size_t n, hg_str_t *ret)
{
    if (HG_UNLIKELY(n > (size_t)(s->end - s->p))) {
        hg_as_ends_early(s);
        return HG_EPARSE;
    }
    *ret = (hg_str_t){ s->p, n };
    s->p += n;
    return 0;
}

/* A length, then bytes. */
static inline int hg_as_bytes(hg_ascan_t *s, hg_str_t *ret)
{
    int64_t n;
    int rc = hg_as_long(s, &n);
    if (HG_UNLIKELY(rc < 0)) return rc;
    if (HG_UNLIKELY(n < 0 || n > s->end - s->p)) {
        hg_as_too_long(s, n);
        return HG_EPARSE;
    }
    *ret = (hg_str_t){ s->p, (size_t)n };
    s->p += n;
    return 0;
}

/* Which of a union's n types. */
static inline int hg_as_branch(hg_ascan_t *s, uint32_t n, uint32_t *ret)
{
    int64_t at;
    int rc = hg_as_long(s, &at);
    if (HG_UNLIKELY(rc < 0)) return rc;
    if (HG_UNLIKELY(at < 0 || at >= n)) {
        hg_as_no_branch(s, n, at);
        return HG_EPARSE;
    }
    *ret = (uint32_t)at;
    return 0;
}

#endif
