/* Parquet files, whole and damaged, through the module: as one chunk, and by row groups with the footer as index. A
 * file is read or refused with a sentence, the same both ways; what was read is written, and reads as the same again.
 */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "data/parquet_lib.h"
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define N_COLS (HG_COUNT(ff_types) + 1)

static const hg_type_t t_int = { .kind = HG_T_INTEGER, .precision = -1 };
static const hg_field_t row_fields[] = { { .name = { "a", 1 }, .type = &t_int },
                                         { .name = { "b", 1 }, .type = &ff_types[1] } };
static const hg_type_t t_row = {
    .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = row_fields, .n_fields = 2
};

static const hg_parquet_api_t *api;

/* The build's folder has the module, tests/ in it the target. */
static void find_module(void)
{
    char exe[4096], *slash;
    hg_err_t err = HG_ERR_INIT;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    HG_ASSERT(n > 0);
    exe[n] = 0;
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(exe, '/')) != NULL) *slash = 0;
    setenv("HEADGATE_MODULES", exe, 0);
    if (hg_parquet_load(&api, &err) == 0) return;
    fprintf(stderr, "%s\n", err.msg);
    exit(1);
}

typedef struct {
    const char *p;
    size_t n;
} file_t;

static int read_bytes(void *arg, uint64_t at, void *to, uint64_t n)
{
    const file_t *f = arg;
    if (at > f->n || n > f->n - at) return -1;
    memcpy(to, f->p + at, n);
    return 0;
}

/* An exact copy, with padding that would be noticed if it were read. */
static int parse(const hg_parser_t *par, const char *p, size_t n, bool first, hg_parse_out_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    char *copy = hg_xnew(n + 64);
    memcpy(copy, p, n);
    memset(copy + n, 'P', 64);
    int rc = hg_format_parquet.parse(par, NULL, copy, n, first, out, &err);
    HG_ASSERT(rc == 0 || err.msg[0]);
    hg_free(copy);
    return rc;
}

/* A chunk that begins anywhere, as after a position that was set by hand. */
static void read_from(const hg_parser_t *par, const hg_schema_t *schema, file_t f, size_t at, const hg_file_index_t *x)
{
    ff_result_t r = { 0 };
    hg_parse_out_t out = { .error = ff_error, .arg = &r, .index = x, .at = at };
    hg_buf_init(&r.errors, HG_BUF_NOMAX);
    hg_changeb_init(&out.changes, schema);
    (void)parse(par, f.p + at, f.n - at, false, &out);
    hg_changeb_release(&out.changes);
    hg_buf_release(&r.errors);
}

/* x: cut behind its row groups, in pieces of some size; NULL: whole. */
static int read_file(const hg_parser_t *par, const hg_schema_t *schema, file_t f, const hg_file_index_t *x,
                     ff_result_t *r)
{
    hg_parse_out_t out = { .error = ff_error, .arg = r, .index = x };
    hg_split_state_t st = { .index = x };
    int rc = 0;
    hg_changeb_init(&out.changes, schema);
    hg_buf_init(&r->errors, HG_BUF_NOMAX);
    if (!x) rc = parse(par, f.p, f.n, true, &out);
    for (size_t at = 0, seen = 0, have = 0; x && at < f.n && rc == 0;) {
        have = HG_MIN(have + f.n / 3 + 1, f.n);
        bool eof = seen == f.n - at;
        st.at = at;
        size_t cut = hg_format_parquet.split(par, &st, f.p + at, seen, have - at, eof);
        HG_ASSERT(cut <= have - at);
        seen = have - at - cut;
        out.at = at;
        if (cut) rc = parse(par, f.p + at, cut, at == 0, &out);
        at += cut;
    }
    r->change = hg_changeb_seal(&out.changes);
    hg_changeb_release(&out.changes);
    return rc;
}

static void write_again(const hg_parser_t *par, const hg_schema_t *schema, const ff_result_t *r)
{
    hg_encode_env_t env = { .schema = schema };
    hg_encoder_t *enc = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t bytes;
    ff_result_t again = { 0 };
    HG_ASSERT(hg_format_parquet.encoder_new(NULL, &env, &enc, &err) == 0);
    hg_buf_init(&bytes, HG_BUF_NOMAX);
    hg_delta_t d = { 0 };
    hg_encode_sink_t sink = { .buf = &bytes };
    HG_ASSERT(hg_delta_add(&d, hg_part_new(hg_batch_retain(r->change->rows), NULL, r->change->rows->n_rows, NULL)) ==
              0);
    HG_ASSERT(hg_format_parquet.encode(enc, &d, &sink, &err) == 0);
    HG_ASSERT(hg_format_parquet.encode_end(enc, &sink, &err) == 0);
    hg_delta_release(&d);
    HG_ASSERT(read_file(par, schema, (file_t){ bytes.p, bytes.len }, NULL, &again) == 0);
    HG_ASSERT(again.errors.len == 0 && again.change);
    const ff_result_t want = { .change = r->change, .errors = again.errors };
    ff_same(&want, &again);
    ff_release(&again);
    hg_buf_release(&bytes);
    hg_format_parquet.encoder_free(enc);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    find_module();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (!api) find_module(); /* a replay has no Initialize */
    hg_field_t fields[N_COLS];
    hg_schema_t schema;
    ff_schema(fields, &schema, false);
    fields[schema.n_cols++] = (hg_field_t){ .name = HG_S("row"), .type = &t_row };
    for (uint32_t i = 0; i < schema.n_cols; i++)
        if (hg_str_eqz(fields[i].name, "bin")) fields[i].case_sensitive = true;
    file_t f = { (const char *)p, n };
    hg_parse_env_t env = { .schema = &schema };
    const hg_file_reader_t file = { .size = n, .read = read_bytes, .arg = &f };
    hg_parser_t *par = NULL;
    hg_file_index_t *x = NULL;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t whole = { 0 }, parts = { 0 };
    HG_ASSERT(hg_format_parquet.parser_new(NULL, &env, &par, &err) == 0);
    int rc = read_file(par, &schema, f, NULL, &whole);
    if (hg_format_parquet.index_new(par, &file, &x, &err) < 0) HG_ASSERT(err.msg[0] && whole.errors.len);
    if (x) {
        int rc2 = read_file(par, &schema, f, x, &parts);
        HG_ASSERT(rc == rc2);
        if (rc == 0) ff_same(&whole, &parts);
        ff_release(&parts);
        read_from(par, &schema, f, n / 3, x);
        x->free(x);
    }
    if (rc == 0 && whole.change) write_again(par, &schema, &whole);
    ff_release(&whole);
    hg_format_parquet.parser_free(par);
    return 0;
}
