/* json_row.c: an object or an array in column order → one cell per column.
 *
 * Members are expected in column order, which costs one comparison each; any other order works through a hash of the
 * lower-cased name. A column that has its cell is one row longer than the row being built: that is also how a duplicate
 * member (the last wins) and a missing one are seen, so nothing is kept per record. */
#include "base/hg.h"
#include "connectors/format/json_int.h"

static uint32_t name_hash(hg_str_t s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c + 32);
        h = (h ^ c) * 16777619u;
    }
    return h ^ h >> 15;
}

static uint32_t *slot_of(const hg_jrow_t *r, hg_str_t name)
{
    uint32_t i = name_hash(name) & r->mask;
    while (r->slots[i] && !hg_str_ieq(r->fields[r->slots[i] - 1].name, name)) i = (i + 1) & r->mask;
    return &r->slots[i];
}

static hg_str_t quote_name(hg_str_t name)
{
    char *q = hg_xnew(name.n + 3);
    q[0] = '"';
    memcpy(q + 1, name.p, name.n);
    q[name.n + 1] = '"';
    return (hg_str_t){ q, name.n + 2 };
}

int hg_jrow_init(hg_jrow_t *r, const hg_field_t *fields, uint32_t n, const hg_json_flavor_t *flavor, hg_err_t *err)
{
    uint32_t size = 4;
    while (size < n * 2) size *= 2;
    r->fields = fields;
    r->n = n;
    r->mask = size - 1;
    r->slots = HG_NEWN(uint32_t, size);
    r->cells = HG_NEWN(hg_jcell_t, HG_MAX(n, 1u));
    r->quoted = HG_NEWN(hg_str_t, HG_MAX(n, 1u));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *slot = slot_of(r, fields[i].name);
        if (*slot)
            return hg_err_set(err, HG_EINVALPARSER,
                              "columns '" HG_SF "' and '" HG_SF
                              "' differ only in case: JSON members cannot tell them apart",
                              HG_SA(fields[*slot - 1].name), HG_SA(fields[i].name));
        *slot = i + 1;
        r->quoted[i] = quote_name(fields[i].name);
        int rc = hg_jcell_init(&r->cells[i], fields[i].type, flavor, err);
        if (rc < 0) return hg_err_wrap(err, "column '" HG_SF "'", HG_SA(fields[i].name));
    }
    return 0;
}

void hg_jrow_release(hg_jrow_t *r)
{
    for (uint32_t i = 0; i < r->n && r->cells; i++) {
        hg_jcell_release(&r->cells[i]);
        hg_free((void *)(uintptr_t)r->quoted[i].p);
    }
    hg_free(r->cells);
    hg_free(r->quoted);
    hg_free(r->slots);
    hg_free(r->key_bits);
}

static inline bool is_key(const hg_jrow_t *r, uint32_t i)
{
    return r->key_bits && (r->key_bits[i >> 6] >> (i & 63) & 1);
}

/* A member name that was not the expected one: *ret = column or -1. */
static const char *find_member(hg_jscan_t *s, const char *p, const hg_jrow_t *r, int64_t *ret)
{
    hg_str_t name;
    if (p >= s->end) return hg_js_trunc(s, p);
    if (*p != '"') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected a member name");
    const char *q = hg_js_string(s, p + 1, &s->key, &name);
    if (!q) return NULL;
    uint32_t slot = *slot_of(r, name);
    *ret = (int64_t)slot - 1;
    if (slot && r->fields[slot - 1].case_sensitive && !hg_str_eq(r->fields[slot - 1].name, name)) {
        s->e_field = name;
        return hg_js_fail(s, HG_JE_DATA, p, "incorrect case-sensitive field name: expected: " HG_SF ", found: " HG_SF,
                          HG_SA(r->fields[slot - 1].name), HG_SA(name));
    }
    return q;
}

/* The cell of a column that the record does not have. */
static bool fill_missing(hg_jscan_t *s, const char *at, const hg_jrow_t *r, hg_jrow_mode_t mode, uint32_t i,
                         hg_colb_t *b)
{
    int rc;
    if (mode == HG_JROW_FULL && r->defaults && r->defaults[i]) {
        rc = hg_colb_default(b, r->defaults[i]);
    } else if (mode == HG_JROW_FULL ? r->fields[i].type->nullable : !is_key(r, i)) {
        rc = mode == HG_JROW_FULL ? hg_colb_null(b) : hg_colb_zero(b);
    } else {
        hg_js_fail(s, HG_JE_DATA, at, "missing field `" HG_SF "`", HG_SA(r->fields[i].name));
        return false;
    }
    if (rc < 0) hg_js_memory(s, rc);
    return rc == 0;
}

/* A value failed: say which member it was, as the input spells it (decoded anew: nested members share the buffer). */
static const char *in_field(hg_jscan_t *s, const char *member)
{
    hg_str_t name;
    if (s->e == HG_JE_DATA && !s->e_field.p && hg_js_string(s, member + 1, &s->key, &name)) s->e_field = name;
    return NULL;
}

/* memcmp(a, b, n) == 0 without a call for names of usual length: two words that overlap. n >= 2: names are quoted. */
static inline bool same_name(const char *a, const char *b, size_t n)
{
    uint64_t a8, b8, a8_end, b8_end;
    uint32_t a4, b4, a4_end, b4_end;
    if (n >= 4 && n <= 8) {
        memcpy(&a4, a, 4), memcpy(&b4, b, 4);
        memcpy(&a4_end, a + n - 4, 4), memcpy(&b4_end, b + n - 4, 4);
        return ((a4 ^ b4) | (a4_end ^ b4_end)) == 0;
    }
    if (n > 8 && n <= 16) {
        memcpy(&a8, a, 8), memcpy(&b8, b, 8);
        memcpy(&a8_end, a + n - 8, 8), memcpy(&b8_end, b + n - 8, 8);
        return ((a8 ^ b8) | (a8_end ^ b8_end)) == 0;
    }
    return memcmp(a, b, n) == 0;
}

static const char *read_object(hg_jscan_t *s, const char *p, const hg_jrow_t *r, hg_jrow_mode_t mode, hg_colb_t *cols,
                               uint32_t at, uint64_t *present)
{
    const char *start = p;
    uint32_t next = 0, seen = 0;
    p = hg_js_ws(s, p + 1);
    if (*p == '}' && p < s->end) goto close;
    for (;;) {
        const char *member = p;
        int64_t col = next;
        if (HG_LIKELY(next < r->n && (size_t)(s->end - p) > r->quoted[next].n &&
                      same_name(p, r->quoted[next].p, r->quoted[next].n))) {
            p += r->quoted[next].n;
        } else {
            p = find_member(s, p, r, &col);
            if (!p) return NULL;
        }
        p = hg_js_ws(s, p);
        if (HG_UNLIKELY(p >= s->end || *p != ':'))
            return p >= s->end ? hg_js_trunc(s, p) : hg_js_fail(s, HG_JE_SYNTAX, p, "expected ':'");
        p = hg_js_ws(s, p + 1);
        if (HG_UNLIKELY(p >= s->end)) return hg_js_trunc(s, p);
        if (HG_UNLIKELY(col < 0 || (mode == HG_JROW_KEY && !is_key(r, (uint32_t)col)))) {
            p = hg_js_skip(s, p);
            if (!p) return NULL;
        } else {
            uint32_t i = (uint32_t)col;
            if (HG_UNLIKELY(cols[i].len > at))
                hg_colb_truncate(&cols[i], at);
            else
                seen++;
            if (HG_UNLIKELY(present != NULL)) present[i >> 6] |= UINT64_C(1) << (i & 63);
            p = hg_jcell_read(s, p, &r->cells[i], &cols[i]);
            if (HG_UNLIKELY(!p)) return in_field(s, member);
            next = i + 1;
        }
        p = hg_js_ws(s, p);
        if (HG_UNLIKELY(p >= s->end)) return hg_js_trunc(s, p);
        if (*p == '}') break;
        if (HG_UNLIKELY(*p != ',')) return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or '}'");
        p = hg_js_ws(s, p + 1);
    }
close:
    if (seen < r->n)
        for (uint32_t i = 0; i < r->n; i++)
            if (cols[i].len == at && !fill_missing(s, start, r, mode, i, &cols[i])) return NULL;
    return p + 1;
}

static const char *read_positional(hg_jscan_t *s, const char *p, const hg_jrow_t *r, hg_jrow_mode_t mode,
                                   hg_colb_t *cols, uint64_t *present)
{
    const char *start = p;
    uint32_t i = 0;
    p = hg_js_ws(s, p + 1);
    if (*p == ']' && p < s->end) goto close;
    for (;; i++) {
        if (p >= s->end) return hg_js_trunc(s, p);
        bool skip = i >= r->n || (mode == HG_JROW_KEY && !is_key(r, i));
        p = skip ? hg_js_skip(s, p) : hg_jcell_read(s, p, &r->cells[i], &cols[i]);
        if (!p) {
            if (s->e == HG_JE_DATA && !s->e_field.p && i < r->n) s->e_field = r->fields[i].name;
            return NULL;
        }
        if (skip && i < r->n && hg_colb_zero(&cols[i]) < 0) return hg_js_memory(s, HG_ENOMEM);
        if (present && i < r->n) present[i >> 6] |= UINT64_C(1) << (i & 63);
        p = hg_js_ws(s, p);
        if (p >= s->end) return hg_js_trunc(s, p);
        if (*p == ']') break;
        if (*p != ',') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or ']'");
        p = hg_js_ws(s, p + 1);
    }
    i++;
close:
    if (i < r->n) return hg_js_fail(s, HG_JE_DATA, start, "invalid length %u, expected %u columns", i, r->n);
    return p + 1;
}

const char *hg_jrow_read(hg_jscan_t *s, const char *p, const hg_jrow_t *r, hg_jrow_mode_t mode, hg_colb_t *cols,
                         uint32_t at, uint64_t *present)
{
    char what[64];
    if (p >= s->end) return hg_js_trunc(s, p);
    if (HG_LIKELY(*p == '{')) return read_object(s, p, r, mode, cols, at, present);
    if (*p == '[') return read_positional(s, p, r, mode, cols, present);
    return hg_js_fail(s, HG_JE_DATA, p, "invalid type: %s, expected a map or an array", hg_js_what(s, p, what));
}
