/* CSV in: any bytes, any dialect (first bytes: flags, piece size). The result must not depend on the cuts, and what was
 * accepted can be written. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "connectors/format/csv_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2) return 0;
    hg_field_t fields[HG_COUNT(ff_types)];
    hg_schema_t schema;
    const hg_csv_in_cfg_t cfg = { .headers = p[0] & 1,
                                  .double_quote = !(p[0] & 2),
                                  .quoting = !(p[0] & 4),
                                  .flexible = !(p[0] & 8),
                                  .delimiter = p[0] & 16 ? ";" : ",",
                                  .quote = p[0] & 32 ? "'" : "\"",
                                  .escape = p[0] & 64 ? "\\" : NULL,
                                  .comment = p[0] & 128 ? "#" : NULL,
                                  .trim = p[1] & 128 ? 3 : 0 };
    ff_schema(fields, &schema, false);
    schema.n_cols = 3 + p[1] % 15;
    const hg_format_type_t *f = &hg_format_csv;
    hg_parse_env_t env = { .schema = &schema };
    hg_parser_t *par;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t whole, cut;
    HG_ASSERT(f->parser_new(&cfg, &env, &par, &err) == 0);
    ff_run(f, par, &schema, (const char *)p + 2, n - 2, 0, &whole);
    ff_run(f, par, &schema, (const char *)p + 2, n - 2, 1 + p[1] % 16, &cut);
    ff_same(&whole, &cut);
    f->parser_free(par);
    if (whole.change) {
        hg_buf_t bytes;
        hg_encoder_t *enc;
        hg_encode_env_t eenv = { .schema = &schema };
        const hg_csv_out_cfg_t ocfg = { .delimiter = ",", .buffer_size_records = 5 };
        hg_buf_init(&bytes, HG_BUF_NOMAX);
        HG_ASSERT(f->encoder_new(&ocfg, &eenv, &enc, &err) == 0);
        HG_ASSERT(ff_encode(f, enc, &whole, &bytes));
        f->encoder_free(enc);
        hg_buf_release(&bytes);
    }
    ff_release(&whole);
    ff_release(&cut);
    return 0;
}
