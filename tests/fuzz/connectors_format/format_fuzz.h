/* format_fuzz.h: a table with a column of every kind; parse a stream whole and in pieces, compare. */
#ifndef TESTS_FORMAT_FUZZ_H
#define TESTS_FORMAT_FUZZ_H

#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format.h"

static const hg_type_t ff_i32 = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t ff_text = { .kind = HG_T_VARCHAR, .nullable = false, .precision = -1 };
static const hg_type_t ff_types[] = {
    { .kind = HG_T_BIGINT, .precision = -1 },
    { .kind = HG_T_VARCHAR, .nullable = true, .precision = -1 },
    { .kind = HG_T_BOOLEAN, .nullable = true, .precision = -1 },
    { .kind = HG_T_UBIGINT, .nullable = true, .precision = -1 },
    { .kind = HG_T_TINYINT, .nullable = true, .precision = -1 },
    { .kind = HG_T_DECIMAL, .nullable = true, .precision = 38, .scale = 4 },
    { .kind = HG_T_DOUBLE, .nullable = true, .precision = -1 },
    { .kind = HG_T_REAL, .nullable = true, .precision = -1 },
    { .kind = HG_T_DATE, .nullable = true, .precision = -1 },
    { .kind = HG_T_TIME, .nullable = true, .precision = -1 },
    { .kind = HG_T_TIMESTAMP, .nullable = true, .precision = -1 },
    { .kind = HG_T_TIMESTAMP_TZ, .nullable = true, .precision = -1 },
    { .kind = HG_T_UUID, .nullable = true, .precision = -1 },
    { .kind = HG_T_VARBINARY, .nullable = true, .precision = -1 },
    { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &ff_i32 },
    { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &ff_text, .elem = &ff_i32 },
    { .kind = HG_T_VARIANT, .nullable = true, .precision = -1 },
};
static const char *const ff_names[] = { "id", "s",  "b",  "u",  "t",   "d",   "f",   "r",  "da",
                                        "ti", "ts", "tz", "uu", "bin", "arr", "map", "var" };

typedef struct ff_result {
    hg_change_t *change;
    hg_buf_t errors; /* tag and text of each */
    uint64_t events, bytes;
} ff_result_t;

static void ff_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    ff_result_t *r = out->arg;
    HG_ASSERT(e->description[0] && e->tag);
    hg_buf_addf(&r->errors, "%s %s\n", e->tag, e->description);
    hg_buf_addstr(&r->errors, e->text);
}

/* Give the parser a copy that ends where it must, with hostile padding. */
HG_UNUSED static void ff_parse(const hg_format_type_t *f, const hg_parser_t *p, void *w, const char *buf, size_t n,
                               bool first, hg_parse_out_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    char *copy = hg_xnew(n + 64);
    memcpy(copy, buf, n);
    for (size_t i = 0; i < 64; i++) copy[n + i] = "1\"}],\n"[i % 6];
    HG_ASSERT(f->parse(p, w, copy, n, first, out, &err) == 0);
    hg_free(copy);
}

/* Parse the stream; with pieces > 0 it arrives `pieces` bytes at a time and is cut wherever the splitter allows. */
HG_UNUSED static void ff_run(const hg_format_type_t *f, const hg_parser_t *p, const hg_schema_t *schema,
                             const char *buf, size_t n, size_t pieces, ff_result_t *r)
{
    hg_parse_out_t out = { .error = ff_error, .arg = r };
    hg_split_state_t st = { 0 };
    void *w = f->scratch_new ? f->scratch_new(p) : NULL;
    size_t begin = 0, seen = 0;
    hg_changeb_init(&out.changes, schema);
    hg_buf_init(&r->errors, HG_BUF_NOMAX);
    if (pieces == 0) ff_parse(f, p, w, buf, n, true, &out);
    while (pieces && begin < n) {
        size_t to = HG_MIN(seen + pieces, n);
        bool eof = seen == n;
        st.at = begin;
        size_t b = f->split(p, &st, buf + begin, seen - begin, to - begin, eof);
        HG_ASSERT(b <= to - begin);
        if (b) ff_parse(f, p, w, buf + begin, b, begin == 0, &out);
        begin += b;
        seen = to;
    }
    r->events = out.events;
    r->bytes = out.bytes;
    r->change = hg_changeb_seal(&out.changes);
    hg_changeb_release(&out.changes);
    if (w) f->scratch_free(w);
}

HG_UNUSED static void ff_same(const ff_result_t *a, const ff_result_t *b)
{
    HG_ASSERT(a->events == b->events && a->bytes == b->bytes &&
              hg_str_eq(hg_buf_str(&a->errors), hg_buf_str(&b->errors)));
    HG_ASSERT(!a->change == !b->change);
    if (!a->change) return;
    const hg_batch_t *x = a->change->rows, *y = b->change->rows;
    HG_ASSERT(x->n_rows == y->n_rows);
    for (uint32_t c = 0; c < x->n_cols; c++)
        for (uint32_t i = 0; i < x->n_rows; i++) HG_ASSERT(hg_cell_cmp(x->cols[c], i, y->cols[c], i) == 0);
}

HG_UNUSED static void ff_release(ff_result_t *r)
{
    hg_change_drop(r->change);
    hg_buf_release(&r->errors);
}

/* Encode what was parsed; returns the bytes in `to`. False: an encoder's refusal. */
static inline bool ff_encode(const hg_format_type_t *f, hg_encoder_t *e, const ff_result_t *r, hg_buf_t *to)
{
    hg_err_t err = HG_ERR_INIT;
    hg_delta_t d = { 0 };
    hg_encode_sink_t sink = { .buf = to };
    HG_ASSERT(hg_delta_add(&d, hg_part_new(hg_batch_retain(r->change->rows), NULL, r->change->rows->n_rows, NULL)) ==
              0);
    int rc = f->encode(e, &d, &sink, &err);
    HG_ASSERT(rc == 0 ? sink.records == r->change->rows->n_rows : err.msg[0]);
    hg_delta_release(&d);
    return rc == 0;
}

static inline void ff_schema(hg_field_t fields[HG_COUNT(ff_types)], hg_schema_t *s, bool keyed)
{
    static const uint32_t key[] = { 0 };
    for (size_t i = 0; i < HG_COUNT(ff_types); i++)
        fields[i] = (hg_field_t){ .name = hg_strz(ff_names[i]), .type = &ff_types[i] };
    *s = (hg_schema_t){
        .name = HG_S("t"), .cols = fields, .n_cols = HG_COUNT(ff_types), .key = keyed ? key : NULL, .n_key = keyed
    };
}

#endif
