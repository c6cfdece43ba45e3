/* result.c: rows of an ad-hoc query as text (a box table) or as JSON lines, as Feldera prints them (rest-api §6.3), or
 * as one hash of all of them, whatever their order. Formats of columns are in result_columns.c. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/parquet_lib.h"
#include "data/text.h"
#include "pipeline/server_int.h"
#include <math.h>
#include <openssl/evp.h>

#define CELL_MAX 64 /* bytes of a text cell before it is cut */
#define TEXT_MAX ((size_t)256 << 20)

struct result_writer {
    result_format_t format;
    const hg_schema_t *schema;
    hg_buf_t *out;
    hg_buf_t cells; /* text: all cells one after the other */
    uint32_t *ends; /* text: end of each cell in `cells` */
    size_t n_ends, cap_ends;
    size_t *widths;           /* text: characters */
    column_writer_t *columns; /* binary formats */
    bool uncut;               /* text: cells of any length */
    uint64_t sum[4]; /* hash: of the rows' SHA-256, as 256-bit numbers; the same in any order, and counts repeats */
};

int hg_result_format(hg_str_t name, result_format_t *ret, hg_err_t *err)
{
    if (!name.p || name.n == 0 || hg_str_eqz(name, "text"))
        *ret = RESULT_TEXT;
    else if (hg_str_eqz(name, "json"))
        *ret = RESULT_JSON;
    else if (hg_str_eqz(name, "hash"))
        *ret = RESULT_HASH;
    else if (hg_str_eqz(name, "arrow_ipc"))
        *ret = RESULT_ARROW;
    else if (hg_str_eqz(name, "parquet"))
        *ret = RESULT_PARQUET;
    else
        return hg_err_set(err, HG_EINVAL,
                          "unknown result format '" HG_SF "'; known: text, json, arrow_ipc, parquet, hash",
                          HG_SA(name));
    const hg_parquet_api_t *api;
    if (*ret != RESULT_PARQUET || hg_parquet_load(&api, err) == 0) return 0;
    err->code = HG_EADHOC; /* of the query, not of the server */
    return HG_EADHOC;
}

/* --- one value --- */

static int put_hex(hg_buf_t *b, hg_str_t v)
{
    static const char digits[] = "0123456789abcdef";
    int rc = hg_buf_reserve(b, v.n * 2);
    for (size_t i = 0; rc == 0 && i < v.n; i++) {
        char t[2] = { digits[(unsigned char)v.p[i] >> 4], digits[(unsigned char)v.p[i] & 15] };
        rc = hg_buf_add(b, t, 2);
    }
    return rc;
}

static int put_float(hg_buf_t *b, double v, bool single, bool json)
{
    char t[HG_F64_TEXT];
    if (!isfinite(v)) return hg_buf_adds(b, json ? "null" : isnan(v) ? "NaN" : v > 0 ? "inf" : "-inf");
    return hg_buf_add(b, t, single ? hg_f32_print(t, (float)v) : hg_f64_print(t, v));
}

static int put_quoted(hg_buf_t *b, hg_str_t s, bool quoted)
{
    return quoted ? hg_json_quote(b, s) : hg_buf_addstr(b, s);
}

static int put_value(hg_buf_t *b, const hg_col_t *c, uint32_t i, bool json);

static int put_array(hg_buf_t *b, const hg_col_t *c, uint32_t i, bool json)
{
    int rc = hg_buf_addc(b, '[');
    for (int32_t k = c->offs[i]; rc == 0 && k < c->offs[i + 1]; k++) {
        if (k > c->offs[i]) rc = hg_buf_adds(b, json ? "," : ", ");
        if (rc == 0) rc = put_value(b, c->child[0], (uint32_t)k, json);
    }
    return rc < 0 ? rc : hg_buf_addc(b, ']');
}

static int put_name(hg_buf_t *b, hg_str_t name, bool json)
{
    int rc = put_quoted(b, name, json);
    return rc < 0 ? rc : hg_buf_adds(b, json ? ":" : ": ");
}

/* A member's name is a text: keys that are none are written as they print. */
static int put_key(hg_buf_t *b, const hg_col_t *keys, uint32_t i, bool json)
{
    size_t from = b->len;
    int rc = put_value(b, keys, i, json);
    if (rc < 0 || !json || b->p[from] == '"') return rc < 0 ? rc : hg_buf_adds(b, json ? ":" : ": ");
    hg_buf_t name;
    hg_buf_init(&name, HG_BUF_NOMAX);
    rc = hg_buf_add(&name, b->p + from, b->len - from);
    b->len = from;
    if (rc == 0) rc = put_name(b, hg_buf_str(&name), json);
    hg_buf_release(&name);
    return rc;
}

static int put_map(hg_buf_t *b, const hg_col_t *c, uint32_t i, bool json)
{
    int rc = hg_buf_addc(b, '{');
    for (int32_t k = c->offs[i]; rc == 0 && k < c->offs[i + 1]; k++) {
        if (k > c->offs[i]) rc = hg_buf_adds(b, json ? "," : ", ");
        if (rc == 0) rc = put_key(b, c->child[0], (uint32_t)k, json);
        if (rc == 0) rc = put_value(b, c->child[1], (uint32_t)k, json);
    }
    return rc < 0 ? rc : hg_buf_addc(b, '}');
}

static int put_row(hg_buf_t *b, const hg_col_t *c, uint32_t i, bool json)
{
    int rc = hg_buf_addc(b, '{');
    for (uint32_t k = 0; rc == 0 && k < c->n_child; k++) {
        if (k) rc = hg_buf_adds(b, json ? "," : ", ");
        if (rc == 0) rc = put_name(b, c->type->fields[k].name, json);
        if (rc == 0) rc = put_value(b, c->child[k], i, json);
    }
    return rc < 0 ? rc : hg_buf_addc(b, '}');
}

/* Text of kinds whose JSON is a quoted string. Returns the length, 0 if the kind is another. */
static size_t text_kind(const hg_col_t *c, uint32_t i, char *t)
{
    switch ((int)c->type->kind) { /* the few kinds that are text */
    case HG_T_DATE:
        return hg_date_print(t, HG_COL(c, int32_t)[i]);
    case HG_T_TIME:
        return hg_time_print(t, HG_COL(c, int64_t)[i]);
    case HG_T_TIMESTAMP:
        return hg_ts_print(t, HG_COL(c, int64_t)[i], 'T', "");
    case HG_T_TIMESTAMP_TZ:
        return hg_ts_print(t, HG_COL(c, int64_t)[i], 'T', "Z");
    case HG_T_INTERVAL:
        return hg_interval_print(t, HG_COL(c, int64_t)[i], c->type->unit);
    case HG_T_INTERVAL_YM:
        return hg_interval_print(t, HG_COL(c, int32_t)[i], c->type->unit);
    case HG_T_UUID:
        return hg_uuid_print(t, HG_COL(c, uint8_t) + 16 * (size_t)i);
    default:
        return 0;
    }
}

static int put_value(hg_buf_t *b, const hg_col_t *c, uint32_t i, bool json)
{
    char t[128];
    if (hg_col_null(c, i) || c->type->kind == HG_T_NULL) return json ? hg_buf_adds(b, "null") : 0;
    size_t n = text_kind(c, i, t);
    if (n) return put_quoted(b, (hg_str_t){ t, n }, json);
    switch (hg_type_phys(c->type)) {
    case HG_PHYS_BIT:
        return hg_buf_adds(b, hg_bit_get(c->data, i) ? "true" : "false");
    case HG_PHYS_I8:
        return hg_buf_addi64(b, HG_COL(c, int8_t)[i]);
    case HG_PHYS_I16:
        return hg_buf_addi64(b, HG_COL(c, int16_t)[i]);
    case HG_PHYS_I32:
        return hg_buf_addi64(b, HG_COL(c, int32_t)[i]);
    case HG_PHYS_I64:
        return hg_buf_addi64(b, HG_COL(c, int64_t)[i]);
    case HG_PHYS_U8:
        return hg_buf_addu64(b, HG_COL(c, uint8_t)[i]);
    case HG_PHYS_U16:
        return hg_buf_addu64(b, HG_COL(c, uint16_t)[i]);
    case HG_PHYS_U32:
        return hg_buf_addu64(b, HG_COL(c, uint32_t)[i]);
    case HG_PHYS_U64:
        return hg_buf_addu64(b, HG_COL(c, uint64_t)[i]);
    case HG_PHYS_I128:
        return hg_buf_add(b, t, hg_dec_print(t, HG_COL(c, hg_i128)[i], c->type->scale, false));
    case HG_PHYS_F32:
        return put_float(b, (double)HG_COL(c, float)[i], true, json);
    case HG_PHYS_F64:
        return put_float(b, HG_COL(c, double)[i], false, json);
    case HG_PHYS_VAR:
        if (!hg_kind_is_bytes(c->type->kind)) return put_quoted(b, hg_col_var(c, i), json);
        if (json) hg_buf_addc(b, '"');
        if (put_hex(b, hg_col_var(c, i)) < 0) return HG_ENOMEM;
        return json ? hg_buf_addc(b, '"') : 0;
    case HG_PHYS_LIST:
        return put_array(b, c, i, json);
    case HG_PHYS_MAP:
        return put_map(b, c, i, json);
    case HG_PHYS_STRUCT:
        return put_row(b, c, i, json);
    case HG_PHYS_NULL:
    case HG_PHYS_FIX16:
    default:
        return HG_EUNSUPPORTED;
    }
}

/* --- rows --- */

bool hg_result_binary(result_format_t f)
{
    return f == RESULT_ARROW || f == RESULT_PARQUET;
}

void hg_result_uncut(result_writer_t *w)
{
    w->uncut = true;
}

result_writer_t *hg_result_new(result_format_t f, const hg_schema_t *schema, hg_buf_t *out)
{
    result_writer_t *w = HG_NEW(result_writer_t);
    *w = (result_writer_t){ .format = f, .schema = schema, .out = out };
    if (hg_result_binary(f)) w->columns = hg_columns_new(f == RESULT_PARQUET, schema, out);
    hg_buf_init(&w->cells, TEXT_MAX);
    w->widths = HG_NEWN(size_t, schema->n_cols + 1);
    for (uint32_t c = 0; c < schema->n_cols; c++)
        w->widths[c] = hg_utf8_chars(schema->cols[c].name.p, schema->cols[c].name.n);
    return w;
}

void hg_result_free(result_writer_t *w)
{
    if (!w) return;
    hg_columns_free(w->columns);
    hg_buf_release(&w->cells);
    hg_free(w->ends);
    hg_free(w->widths);
    hg_free(w);
}

static int fail(int rc, hg_err_t *err)
{
    if (rc == HG_EUNSUPPORTED)
        return hg_err_set(err, HG_EADHOC, "a column of the result has a type that cannot be printed yet");
    return hg_err_set(err, (hg_code_t)rc,
                      rc == HG_ETOOBIG ? "the result is too large for the text format; use json"
                                       : "out of memory writing the result");
}

static int json_row(result_writer_t *w, const hg_batch_t *b, uint32_t i, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '{');
    for (uint32_t c = 0; rc == 0 && c < b->n_cols; c++) {
        if (c) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_json_quote(out, w->schema->cols[c].name);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = put_value(out, b->cols[c], i, true);
    }
    return rc < 0 ? rc : hg_buf_adds(out, "}\n");
}

static void sha256(const void *p, size_t n, unsigned char ret[32])
{
    unsigned len = 32;
    HG_ASSERT(EVP_Digest(p, n, ret, &len, EVP_sha256(), NULL) == 1);
}

static int hash_row(result_writer_t *w, const hg_batch_t *b, uint32_t i)
{
    unsigned char digest[32];
    uint64_t carry = 0;
    hg_buf_clear(&w->cells);
    int rc = json_row(w, b, i, &w->cells);
    if (rc < 0) return rc;
    sha256(w->cells.p, w->cells.len, digest);
    for (int k = 0; k < 4; k++) {
        uint64_t v = 0;
        for (int j = 7; j >= 0; j--) v = v << 8 | digest[8 * k + j];
        w->sum[k] += carry;
        carry = w->sum[k] < carry;
        w->sum[k] += v;
        carry += w->sum[k] < v;
    }
    return 0;
}

/* Upper-case digits of the hash of the sum and the columns' names, without a line end. */
static int hash_end(result_writer_t *w)
{
    unsigned char digest[32];
    int rc = 0;
    hg_buf_clear(&w->cells);
    for (uint32_t c = 0; rc == 0 && c < w->schema->n_cols; c++) rc = hg_json_quote(&w->cells, w->schema->cols[c].name);
    for (int k = 0; rc == 0 && k < 4; k++) rc = hg_buf_addf(&w->cells, " %016" PRIx64, w->sum[k]);
    if (rc < 0) return rc;
    sha256(w->cells.p, w->cells.len, digest);
    for (int k = 0; rc == 0 && k < 32; k++) rc = hg_buf_addf(w->out, "%02X", digest[k]);
    return rc;
}

/* Cut after CELL_MAX bytes, not inside a character; line breaks would break the box. */
static int text_cell(result_writer_t *w, const hg_col_t *col, uint32_t i, uint32_t c)
{
    size_t start = w->cells.len;
    int rc = put_value(&w->cells, col, i, false);
    if (rc < 0) return rc;
    if (!w->uncut && w->cells.len - start > CELL_MAX) {
        size_t end = start + CELL_MAX;
        while (end > start && ((unsigned char)w->cells.p[end] & 0xC0) == 0x80) end--;
        w->cells.len = end;
        rc = hg_buf_adds(&w->cells, "...");
        if (rc < 0) return rc;
    }
    for (size_t k = start; k < w->cells.len; k++)
        if ((unsigned char)w->cells.p[k] < 0x20) w->cells.p[k] = ' ';
    if (w->n_ends == w->cap_ends) {
        size_t cap = w->cap_ends ? w->cap_ends * 2 : 256;
        void *p = hg_trygrow(w->ends, cap * sizeof *w->ends);
        if (!p) return HG_ENOMEM;
        w->ends = p;
        w->cap_ends = cap;
    }
    w->ends[w->n_ends++] = (uint32_t)w->cells.len;
    size_t chars = hg_utf8_chars(w->cells.p + start, w->cells.len - start);
    w->widths[c] = HG_MAX(w->widths[c], chars);
    return 0;
}

int hg_result_batch(result_writer_t *w, const hg_batch_t *b, hg_err_t *err)
{
    int rc = 0;
    if (w->columns) return hg_columns_batch(w->columns, b, err);
    for (uint32_t i = 0; rc == 0 && i < b->n_rows; i++) {
        if (w->format == RESULT_JSON) rc = json_row(w, b, i, w->out);
        if (w->format == RESULT_HASH) rc = hash_row(w, b, i);
        for (uint32_t c = 0; w->format == RESULT_TEXT && rc == 0 && c < b->n_cols; c++)
            rc = text_cell(w, b->cols[c], i, c);
    }
    return rc < 0 ? fail(rc, err) : 0;
}

static int rule(result_writer_t *w)
{
    int rc = 0;
    for (uint32_t c = 0; rc == 0 && c < w->schema->n_cols; c++) {
        rc = hg_buf_addc(w->out, '+');
        for (size_t k = 0; rc == 0 && k < w->widths[c] + 2; k++) rc = hg_buf_addc(w->out, '-');
    }
    return rc < 0 ? rc : hg_buf_adds(w->out, "+");
}

static int cell(result_writer_t *w, uint32_t c, hg_str_t s)
{
    int rc = hg_buf_adds(w->out, "| ");
    size_t chars = hg_utf8_chars(s.p, s.n);
    if (rc == 0) rc = hg_buf_addstr(w->out, s);
    for (size_t k = chars; rc == 0 && k < w->widths[c] + 1; k++) rc = hg_buf_addc(w->out, ' ');
    return rc;
}

int hg_result_end(result_writer_t *w, hg_err_t *err)
{
    if (w->format == RESULT_JSON) return 0;
    if (w->format == RESULT_HASH) return hash_end(w) < 0 ? fail(HG_ENOMEM, err) : 0;
    if (w->columns) return hg_columns_end(w->columns, err);
    uint32_t n = w->schema->n_cols;
    int rc = rule(w);
    if (rc == 0) rc = hg_buf_addc(w->out, '\n');
    for (uint32_t c = 0; rc == 0 && c < n; c++) rc = cell(w, c, w->schema->cols[c].name);
    if (rc == 0) rc = hg_buf_adds(w->out, "|\n");
    if (rc == 0) rc = rule(w);
    size_t start = 0;
    for (size_t k = 0; rc == 0 && k < w->n_ends; k++) {
        if (k % n == 0) rc = hg_buf_addc(w->out, '\n');
        if (rc == 0) rc = cell(w, (uint32_t)(k % n), (hg_str_t){ w->cells.p + start, w->ends[k] - start });
        if (rc == 0 && k % n == n - 1) rc = hg_buf_addc(w->out, '|');
        start = w->ends[k];
    }
    if (rc == 0) rc = hg_buf_addc(w->out, '\n');
    if (rc == 0) rc = rule(w);
    return rc < 0 ? fail(rc, err) : 0;
}
