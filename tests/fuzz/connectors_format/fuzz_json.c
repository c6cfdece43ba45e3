/* JSON in: any bytes, any configuration. First bytes: update format and flags, flavor, piece size. The result must not
 * depend on the cuts, and what was accepted must survive the way out and in again. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "connectors/format/json_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 3) return 0;
    hg_field_t fields[HG_COUNT(ff_types)];
    hg_schema_t schema;
    const hg_json_in_cfg_t cfg = {
        .update = p[0] % 3, .array = p[0] & 4, .lines = (p[0] >> 3) & 1, .flavor = p[1] % 11
    };
    ff_schema(fields, &schema, p[0] & 16);
    const hg_format_type_t *f = &hg_format_json;
    hg_parse_env_t env = { .schema = &schema };
    hg_parser_t *par;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t whole, cut, again;
    HG_ASSERT(f->parser_new(&cfg, &env, &par, &err) == 0);
    ff_run(f, par, &schema, (const char *)p + 3, n - 3, 0, &whole);
    ff_run(f, par, &schema, (const char *)p + 3, n - 3, 1 + p[2] % 32, &cut);
    ff_same(&whole, &cut);
    f->parser_free(par);
    if (whole.change) {
        /* without a key every row is whole, so insert_delete in the same flavor reads back what it wrote */
        hg_buf_t bytes;
        hg_encoder_t *enc;
        hg_encode_env_t eenv = { .schema = &schema };
        const hg_json_out_cfg_t ocfg = {
            .flavor = cfg.flavor, .flavor_set = true, .array = cfg.array, .buffer_size_records = 3
        };
        const hg_json_in_cfg_t icfg = { .array = cfg.array, .flavor = cfg.flavor };
        hg_buf_init(&bytes, HG_BUF_NOMAX);
        HG_ASSERT(f->encoder_new(&ocfg, &eenv, &enc, &err) == 0);
        if (ff_encode(f, enc, &whole, &bytes) && !schema.n_key) {
            HG_ASSERT(f->parser_new(&icfg, &env, &par, &err) == 0);
            ff_run(f, par, &schema, bytes.p, bytes.len, 0, &again);
            f->parser_free(par);
            HG_ASSERT(again.change && again.errors.len == 0 &&
                      again.change->rows->n_rows == whole.change->rows->n_rows);
            /* milliseconds and microseconds lose digits; all else is exact */
            for (uint32_t c = 0; c < schema.n_cols; c++) {
                if (c == 9 || c == 10 || c == 11) continue;
                for (uint32_t i = 0; i < again.change->rows->n_rows; i++)
                    HG_ASSERT(hg_cell_cmp(again.change->rows->cols[c], i, whole.change->rows->cols[c], i) == 0);
            }
            ff_release(&again);
        }
        f->encoder_free(enc);
        hg_buf_release(&bytes);
    }
    ff_release(&whole);
    ff_release(&cut);
    return 0;
}
