/* csv_out.c: deltas → CSV lines: the columns, then the weight. Deletes first; one line carries the weight of all
 * copies. Fields are quoted only where they must be; NULL is an empty field. Types without a plain text form are JSON
 * in a field. One encoder serves one output, whose steps come in order. */
#include "base/hg.h"
#include "connectors/format/csv_int.h"
#include "connectors/format/encode_int.h"
#include "connectors/format/json_int.h"
#include "connectors/format/value_int.h"

const hg_opt_t hg_csv_out_opts[] = {
    { .key = "delimiter",
      .type = HG_OPT_STR,
      .at = offsetof(hg_csv_out_cfg_t, delimiter),
      .def = ",",
      .doc = "Separates fields: one ASCII character." },
    { .key = "buffer_size_records",
      .type = HG_OPT_U32,
      .at = offsetof(hg_csv_out_cfg_t, buffer_size_records),
      .def = "10000",
      .min = 1,
      .unit = "records",
      .doc = "Records per message." },
    { .key = NULL },
};

typedef struct csv_encoder {
    hg_encoder_t base;
    const hg_schema_t *schema;
    char delimiter;
    hg_packer_t pack;
    hg_buf_t field;
} csv_encoder_t;

void hg_csv_encoder_free(hg_encoder_t *base)
{
    csv_encoder_t *e = (csv_encoder_t *)(void *)base;
    hg_packer_release(&e->pack);
    hg_buf_release(&e->field);
    hg_free(e);
}

int hg_csv_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    const hg_csv_out_cfg_t *c = cfg;
    int delimiter;
    int rc = hg_csv_char("delimiter", c->delimiter, true, HG_EINVALENCODER, &delimiter, err);
    if (rc < 0) return rc;
    if (delimiter == '"')
        return hg_err_option(err, HG_EINVALENCODER, "delimiter", "'delimiter' must differ from the quote");
    if (env->key) return hg_err_option(err, HG_EINVALENCODER, "index", "CSV encoder cannot be attached to an index");
    rc = hg_json_writable(env->schema, "CSV", err);
    if (rc < 0) return rc;
    csv_encoder_t *e = HG_NEW(csv_encoder_t);
    e->schema = env->schema;
    e->delimiter = (char)delimiter;
    hg_packer_init(&e->pack, "CSV", env, c->buffer_size_records, false);
    hg_buf_init(&e->field, HG_BUF_NOMAX);
    *ret = &e->base;
    return 0;
}

static bool needs_quotes(const csv_encoder_t *e, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == e->delimiter || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r') return true;
    return false;
}

static int add_field(const csv_encoder_t *e, hg_buf_t *out, hg_str_t s)
{
    if (!needs_quotes(e, s)) return hg_buf_addstr(out, s);
    int rc = hg_buf_addc(out, '"');
    while (s.n && rc == 0) {
        const char *q = memchr(s.p, '"', s.n);
        size_t n = q ? (size_t)(q - s.p) + 1 : s.n;
        rc = hg_buf_add(out, s.p, n);
        if (rc == 0 && q) rc = hg_buf_addc(out, '"');
        s = (hg_str_t){ s.p + n, s.n - n };
    }
    return rc == 0 ? hg_buf_addc(out, '"') : rc;
}

static int add_cell(csv_encoder_t *e, hg_buf_t *out, const hg_col_t *c, uint32_t row)
{
    if (hg_col_null(c, row)) return 0;
    if (hg_kind_is_string(c->type->kind)) return add_field(e, out, hg_col_var(c, row));
    hg_buf_clear(&e->field);
    int rc = hg_value_print(&e->field, c, row);
    if (rc == HG_EUNSUPPORTED) rc = hg_json_cell_print(&e->field, c, row, &hg_json_flavors[HG_JF_DEFAULT]);
    return rc == 0 ? add_field(e, out, hg_buf_str(&e->field)) : rc;
}

static int record(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, int64_t weight, hg_err_t *err)
{
    csv_encoder_t *e = arg;
    int rc = hg_pack_open(&e->pack, s);
    for (uint32_t i = 0; i < e->schema->n_cols && rc == 0; i++) {
        rc = add_cell(e, s->buf, b->cols[i], row);
        if (rc == 0) rc = hg_buf_addc(s->buf, e->delimiter);
    }
    if (rc == 0) rc = hg_buf_addi64(s->buf, weight);
    if (rc == 0) rc = hg_buf_addc(s->buf, '\n');
    return hg_pack_close(&e->pack, s, rc, err);
}

int hg_csv_encode(hg_encoder_t *base, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err)
{
    csv_encoder_t *e = (csv_encoder_t *)(void *)base;
    hg_pack_reset(&e->pack);
    int rc = hg_encode_each(delta, false, record, e, sink, err);
    return rc < 0 ? rc : hg_pack_flush(&e->pack, sink, true, err);
}
