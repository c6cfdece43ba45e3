/* Rows of PostgreSQL's binary COPY. First byte: the type of column v; second: flags; then rows, each behind its length
 * in one byte, of a table (k INT, v …). What is accepted is written, and reads as the same again. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "connectors/postgres.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { NOT_NULL = 1, NO_INDEX = 2, DEFAULT = 4 };

#define PLAIN(k)                                                                                                       \
    {                                                                                                                  \
        .kind = HG_T_##k, .precision = -1                                                                              \
    }
static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t t_text = { .kind = HG_T_VARCHAR, .precision = -1 };
static const hg_type_t t_texts = { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_text };
static const hg_type_t t_interval = { .kind = HG_T_INTERVAL, .precision = -1 };
static const hg_field_t row_fields[] = { { .name = { "f", 1 }, .type = &t_int },
                                         { .name = { "g", 1 }, .type = &t_texts } };
static const hg_type_t types[] = {
    PLAIN(BOOLEAN),
    PLAIN(TINYINT),
    PLAIN(SMALLINT),
    PLAIN(INTEGER),
    PLAIN(BIGINT),
    PLAIN(UTINYINT),
    PLAIN(USMALLINT),
    PLAIN(UINTEGER),
    PLAIN(UBIGINT),
    { .kind = HG_T_DECIMAL, .precision = 10, .scale = 3 },
    { .kind = HG_T_DECIMAL, .precision = 38, .scale = 38 },
    { .kind = HG_T_DECIMAL, .precision = 38 },
    PLAIN(REAL),
    PLAIN(DOUBLE),
    PLAIN(CHAR),
    PLAIN(VARCHAR),
    PLAIN(BINARY),
    PLAIN(DATE),
    PLAIN(TIME),
    PLAIN(TIMESTAMP),
    PLAIN(TIMESTAMP_TZ),
    { .kind = HG_T_INTERVAL, .precision = -1, .unit = HG_IV_DAY_SECOND },
    { .kind = HG_T_INTERVAL_YM, .precision = -1, .unit = HG_IV_YEAR_MONTH },
    PLAIN(UUID),
    PLAIN(VARIANT),
    { .kind = HG_T_ARRAY, .precision = -1, .elem = &t_int },
    { .kind = HG_T_ARRAY, .precision = -1, .elem = &t_texts },
    { .kind = HG_T_ARRAY, .precision = -1, .elem = &t_interval },
    { .kind = HG_T_MAP, .precision = -1, .key = &t_text, .elem = &t_int },
    { .kind = HG_T_ROW, .precision = -1, .fields = row_fields, .n_fields = 2 },
    PLAIN(GEOMETRY),
};

static hg_buf_t g_row; /* the one that was encoded last */

static int message(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    (void)n, (void)err;
    HG_ASSERT(s->buf->len > HG_PG_OP_AT && strchr("iud", s->buf->p[HG_PG_OP_AT]));
    hg_buf_clear(&g_row);
    hg_buf_add(&g_row, "\377\377\377\377", 4); /* no mask, instead of the number of fields and the operation */
    hg_buf_add(&g_row, s->buf->p + HG_PG_OP_AT + 1, s->buf->len - HG_PG_OP_AT - 1);
    hg_buf_clear(s->buf);
    return 0;
}

/* Row i alone, or all of them. */
static int encode(hg_encoder_t *e, const hg_batch_t *rows, int64_t i, hg_err_t *err)
{
    hg_delta_t d = { 0 };
    hg_buf_t buf, key;
    uint32_t *sel = i < 0 ? NULL : hg_xnew(sizeof *sel);
    hg_buf_init(&buf, HG_BUF_NOMAX);
    hg_buf_init(&key, HG_BUF_NOMAX);
    if (sel) *sel = (uint32_t)i;
    hg_part_t *p = hg_part_new(hg_batch_retain((hg_batch_t *)(uintptr_t)rows), sel, sel ? 1 : rows->n_rows, NULL);
    HG_ASSERT(hg_delta_add(&d, p) == 0);
    hg_encode_sink_t sink = { .buf = &buf, .key = &key, .message = message };
    int rc = hg_format_postgres.encode(e, &d, &sink, err);
    hg_delta_release(&d);
    hg_buf_release(&buf);
    hg_buf_release(&key);
    return rc;
}

static void round_trip(const hg_parser_t *par, hg_encoder_t *e, const hg_schema_t *schema, const hg_batch_t *rows)
{
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        hg_err_t err = HG_ERR_INIT;
        ff_result_t r;
        HG_ASSERT(encode(e, rows, i, &err) == 0);
        ff_run(&hg_format_postgres, par, schema, g_row.p, g_row.len, 0, &r);
        HG_ASSERT(r.change && r.errors.len == 0);
        for (uint32_t c = 0; c < rows->n_cols; c++)
            HG_ASSERT(hg_cell_cmp(rows->cols[c], i, r.change->rows->cols[c], 0) == 0);
        ff_release(&r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint32_t key[] = { 0 };
    if (n < 2) return 0;
    hg_buf_init(&g_row, HG_BUF_NOMAX);
    hg_type_t type = types[p[0] % HG_COUNT(types)];
    const unsigned flags = p[1];
    type.nullable = !(flags & NOT_NULL);
    const hg_field_t fields[] = { { .name = HG_S("k"), .type = &t_int }, { .name = HG_S("v"), .type = &type } };
    const hg_schema_t schema = { .name = HG_S("t"), .cols = fields, .n_cols = 2 };
    hg_colb_t cb;
    hg_colb_init(&cb, &t_int);
    HG_ASSERT(hg_colb_i32(&cb, 7) == 0);
    hg_col_t *defaults[] = { hg_colb_seal(&cb), NULL };
    hg_parse_env_t env = { .schema = &schema, .defaults = flags & DEFAULT ? defaults : NULL };
    hg_encode_env_t eenv = { .schema = &schema, .key = key, .n_key = flags & NO_INDEX ? 0 : 1, .want_messages = true };
    hg_parser_t *par = NULL;
    hg_encoder_t *enc = NULL;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t r = { 0 };
    hg_parse_out_t out = { .error = ff_error, .arg = &r };
    if (hg_format_postgres.parser_new(NULL, &env, &par, &err) < 0) HG_ASSERT(err.msg[0]);
    if (hg_format_postgres.encoder_new(NULL, &eenv, &enc, &err) < 0) HG_ASSERT(err.msg[0]);
    hg_buf_init(&r.errors, HG_BUF_NOMAX);
    hg_changeb_init(&out.changes, &schema);
    void *w = par ? hg_format_postgres.scratch_new(par) : NULL;
    for (size_t at = 2; par && at < n;) {
        size_t len = HG_MIN((size_t)p[at], n - at - 1);
        ff_parse(&hg_format_postgres, par, w, (const char *)p + at + 1, len, true, &out);
        at += 1 + len;
    }
    r.change = hg_changeb_seal(&out.changes);
    if (r.change && enc) {
        round_trip(par, enc, &schema, r.change->rows);
        if (encode(enc, r.change->rows, -1, &err) < 0) HG_ASSERT(err.msg[0]);
    }
    hg_changeb_release(&out.changes);
    ff_release(&r);
    if (w) hg_format_postgres.scratch_free(w);
    if (par) hg_format_postgres.parser_free(par);
    if (enc) hg_format_postgres.encoder_free(enc);
    hg_col_drop(defaults[0]);
    hg_buf_release(&g_row);
    return 0;
}
