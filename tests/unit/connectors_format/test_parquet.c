/* Parquet there and back through the module, and files that are broken in every way: a byte turned, an end cut off.
 * What other writers make of the format is in tests/e2e/test_parquet.py. */
#include "tests/unit/connectors_format/kit.h"
#include "data/parquet_lib.h"
#include <unistd.h>

static const hg_type_t t_text = { .kind = HG_T_VARCHAR, .nullable = true, .precision = -1 };
static const hg_type_t t_list = { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_text };
static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t t_key = { .kind = HG_T_VARCHAR, .precision = -1 };
static const hg_type_t t_map = { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &t_key, .elem = &t_int };
static const hg_field_t fields[] = { { .name = { "x", 1 }, .type = &t_int }, { .name = { "y", 1 }, .type = &t_list } };
static const hg_type_t t_row = { .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = fields, .n_fields = 2 };

static const col_spec_t cols[] = {
    { .name = "id", .kind = HG_T_BIGINT },
    { .name = "flag", .kind = HG_T_BOOLEAN, .nullable = true },
    { .name = "d", .kind = HG_T_DECIMAL, .nullable = true, .p = 38, .s = 10 },
    { .name = "list", .type = &t_list },
    { .name = "map", .type = &t_map },
    { .name = "row", .type = &t_row },
    { .name = "id2", .kind = HG_T_UUID, .nullable = true },
};

/* The build's folder has the module, tests/ in it the test. */
static int find_module(void **state)
{
    char exe[4096], *slash;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const hg_parquet_api_t *api;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_true(n > 0);
    exe[n] = 0;
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(exe, '/')) != NULL) *slash = 0;
    setenv("HEADGATE_MODULES", exe, 1);
    if (hg_parquet_load(&api, &err) == 0) return 0;
    print_message("%s\n", err.msg);
    const char *require = getenv("HG_REQUIRE");
    return require && strcmp(require, "all") == 0 ? -1 : 1;
}

static bool have_module(void)
{
    const hg_parquet_api_t *api;
    hg_err_t err = HG_ERR_INIT;
    return hg_parquet_load(&api, &err) == 0;
}

static void put_row(hg_colb_t *b, uint32_t i)
{
    uint8_t id[16] = { (uint8_t)i };
    assert_int_equal(hg_colb_i64(&b[0], i), 0);
    if (i % 5 == 4) {
        for (uint32_t c = 1; c < HG_COUNT(cols); c++) assert_int_equal(hg_colb_null(&b[c]), 0);
        return;
    }
    assert_int_equal(hg_colb_bool(&b[1], i % 2), 0);
    assert_int_equal(hg_colb_i128(&b[2], ((hg_i128)i << 90) * (i % 2 ? 1 : -1)), 0);
    for (uint32_t k = 0; k < i % 4; k++)
        assert_int_equal(k == 1 ? hg_colb_null(&b[3].child[0]) : hg_colb_var(&b[3].child[0], "element", k * 3), 0);
    assert_int_equal(hg_colb_close_list(&b[3]), 0);
    for (uint32_t k = 0; k < i % 3; k++) {
        assert_int_equal(hg_colb_var(&b[4].child[0], k ? "b" : "a", 1), 0);
        assert_int_equal(k ? hg_colb_null(&b[4].child[1]) : hg_colb_i32(&b[4].child[1], -1), 0);
    }
    assert_int_equal(hg_colb_close_map(&b[4]), 0);
    assert_int_equal(hg_colb_i32(&b[5].child[0], (int32_t)i), 0);
    assert_int_equal(hg_colb_var(&b[5].child[1].child[0], "z", 1), 0);
    assert_int_equal(hg_colb_close_list(&b[5].child[1]), 0);
    assert_int_equal(hg_colb_close_struct(&b[5]), 0);
    assert_int_equal(hg_colb_fixed(&b[6], id), 0);
}

static hg_batch_t *rows(const kit_t *k, uint32_t n)
{
    hg_colb_t b[HG_COUNT(cols)];
    for (uint32_t c = 0; c < HG_COUNT(cols); c++) hg_colb_init(&b[c], k->schema.cols[c].type);
    for (uint32_t i = 0; i < n; i++) put_row(b, i);
    hg_batch_t *batch = hg_batch_new(n, HG_COUNT(cols));
    for (uint32_t c = 0; c < HG_COUNT(cols); c++) {
        batch->cols[c] = hg_colb_seal(&b[c]);
        hg_colb_release(&b[c]);
    }
    return batch;
}

/* Writes n rows, as one step in two pieces, into k->bytes. */
static hg_batch_t *write_file(kit_t *k, uint32_t n)
{
    hg_batch_t *batch = rows(k, n);
    hg_delta_t d = { 0 };
    assert_int_equal(hg_delta_add(&d, hg_part_new(hg_batch_retain(batch), NULL, n, NULL)), 0);
    assert_int_equal(k->f->encode(k->encoder, &d, &k->sink, &k->err), 0);
    hg_delta_release(&d);
    assert_int_equal(k->f->encode_end(k->encoder, &k->sink, &k->err), 0);
    return batch;
}

static void init(kit_t *k)
{
    if (!have_module()) skip();
    kit_init(k, &hg_format_parquet, cols, HG_COUNT(cols), NULL, 0);
    assert_int_equal(kit_parser(k, "{}"), 0);
    assert_int_equal(kit_encoder(k, "{}", false, 0), 0);
}

static void rows_come_back(void **state)
{
    kit_t k;
    (void)state;
    init(&k);
    for (uint32_t n = 1; n < 20000; n = n * 3 + 1) {
        hg_buf_clear(&k.bytes);
        k.sink.records = 0;
        hg_batch_t *want = write_file(&k, n);
        assert_int_equal(k.sink.records, n);
        assert_int_equal(k.f->parse(k.parser, NULL, k.bytes.p, k.bytes.len, true, &k.out, &k.err), 0);
        assert_string_equal(k.errors.p, "");
        hg_change_t *got = hg_changeb_seal(&k.out.changes);
        hg_changeb_release(&k.out.changes);
        hg_changeb_init(&k.out.changes, &k.schema);
        assert_int_equal(got->rows->n_rows, n);
        for (uint32_t c = 0; c < HG_COUNT(cols); c++)
            for (uint32_t i = 0; i < n; i++) assert_int_equal(hg_cell_cmp(want->cols[c], i, got->rows->cols[c], i), 0);
        hg_batch_drop(want);
        hg_change_drop(got);
    }
    kit_free(&k);
}

/* Deletes are left out and told; weights repeat; a step that was given up leaves nothing for the next one. */
static void weights(void **state)
{
    kit_t k;
    (void)state;
    init(&k);
    hg_batch_t *batch = rows(&k, 3);
    int64_t *w = hg_xnew(3 * sizeof *w);
    memcpy(w, (int64_t[]){ -1, 2, 1 }, 3 * sizeof *w);
    hg_delta_t d = { 0 };
    assert_int_equal(hg_delta_add(&d, hg_part_new(batch, NULL, 3, w)), 0);
    assert_int_equal(k.f->encode(k.encoder, &d, &k.sink, &k.err), 0);
    assert_int_equal(k.f->encode_end(k.encoder, NULL, &k.err), 0);
    hg_buf_clear(&k.bytes);
    k.sink.left_out = 0;
    assert_int_equal(k.f->encode(k.encoder, &d, &k.sink, &k.err), 0);
    assert_int_equal(k.f->encode_end(k.encoder, &k.sink, &k.err), 0);
    hg_delta_release(&d);
    assert_int_equal(k.sink.left_out, 1);
    assert_string_equal(k.sink.why.msg, "deletes are not supported by the parquet format");
    assert_int_equal(k.f->parse(k.parser, NULL, k.bytes.p, k.bytes.len, true, &k.out, &k.err), 0);
    assert_int_equal(k.out.changes.len, 3);
    const int64_t *id = k.out.changes.cols[0].data;
    assert_true(id[0] == 1 && id[1] == 1 && id[2] == 2);
    kit_free(&k);
}

/* Whatever the bytes are: rows or errors, and the parser goes on working. */
static void broken_files(void **state)
{
    kit_t k;
    (void)state;
    init(&k);
    hg_batch_drop(write_file(&k, 50));
    size_t n = k.bytes.len, step = HG_MAX(n / 400, (size_t)1);
    char *copy = hg_xnew(n + 64);
    unsigned refused = 0;
    for (size_t at = 0; at < n; at += step) {
        for (int way = 0; way < 3; way++) {
            memcpy(copy, k.bytes.p, n);
            memset(copy + n, 'x', 64);
            if (way < 2) copy[at] = (char)(copy[at] ^ (way ? 0x80 : 0x01));
            k.n_errors = 0;
            hg_err_t err = HG_ERR_INIT;
            int rc = k.f->parse(k.parser, NULL, copy, way == 2 ? at : n, true, &k.out, &err);
            assert_true(rc == 0 || rc == HG_ENOMEM || rc == HG_ETOOBIG);
            refused += k.n_errors > 0;
            assert_true(k.out.changes.len + k.n_errors > 0 || rc < 0 || way < 2);
            hg_changeb_truncate(&k.out.changes, 0);
            hg_buf_clear(&k.errors);
        }
    }
    assert_true(refused > 400); /* every cut file among them */
    assert_int_equal(k.f->parse(k.parser, NULL, k.bytes.p, n, true, &k.out, &k.err), 0);
    assert_int_equal(k.out.changes.len, 50);
    hg_free(copy);
    kit_free(&k);
}

/* --- with an index --- */

static int read_bytes(void *arg, uint64_t at, void *to, uint64_t n)
{
    const hg_buf_t *b = arg;
    if (at > b->len || n > b->len - at) return -1;
    memcpy(to, b->p + at, n);
    return 0;
}

/* Cut behind each row group, parsed piece by piece, whatever pieces the bytes come in; a piece that begins inside a row
 * group says so. */
static void row_groups_are_chunks(void **state)
{
    kit_t k;
    (void)state;
    init(&k);
    const uint32_t n = 300000; /* three row groups */
    hg_batch_drop(write_file(&k, n));
    const hg_file_reader_t file = { .size = k.bytes.len, .read = read_bytes, .arg = &k.bytes };
    hg_file_index_t *x = NULL;
    assert_int_equal(k.f->index_new(k.parser, &file, &x, &k.err), 0);
    assert_non_null(x);
    k.out.index = x;
    unsigned chunks = 0;
    size_t first_end = 0;
    hg_split_state_t st = { .index = x };
    for (size_t at = 0, seen = 0, have = 0; at < k.bytes.len;) {
        have = HG_MIN(have + 100000, k.bytes.len);
        bool eof = have == k.bytes.len && seen == have - at;
        st.at = at;
        size_t cut = k.f->split(k.parser, &st, k.bytes.p + at, seen, have - at, eof);
        seen = have - at;
        if (!cut) continue;
        uint32_t before = k.out.changes.len;
        k.out.at = at;
        char *chunk = hg_xnew(cut + 64);
        memcpy(chunk, k.bytes.p + at, cut);
        assert_int_equal(k.f->parse(k.parser, NULL, chunk, cut, at == 0, &k.out, &k.err), 0);
        hg_free(chunk);
        assert_true(eof || k.out.changes.len > before);
        chunks += !eof;
        at += cut;
        seen -= cut;
        if (!first_end) first_end = at;
    }
    assert_int_equal(chunks, 3);
    assert_int_equal(k.out.changes.len, n);
    assert_string_equal(k.errors.p, "");

    k.out.at = 1000;
    assert_int_equal(k.f->parse(k.parser, NULL, k.bytes.p + 1000, first_end - 1000, false, &k.out, &k.err), 0);
    assert_int_equal(k.out.changes.len, n);
    assert_non_null(strstr(k.errors.p, "(row group 0): the position 1000 is inside of it, at 4 to "));
    x->free(x);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(weights),
        cmocka_unit_test(broken_files),
        cmocka_unit_test(row_groups_are_chunks),
    };
    void *none = NULL;
    int found = find_module(&none);
    return found < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
