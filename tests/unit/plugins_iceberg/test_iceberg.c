/* Tables from a catalog's answer, and the files between a snapshot and its data. What other implementations make of
 * them: tests/e2e/test_iceberg.py. */
#include "base/hg.h"

#include "base/buf.h"
#include "connectors/format/avro_scan.h"
#include "data/ipc.h"
#include "plugins/iceberg/avro_file.h"
#include "plugins/iceberg/manifest.h"
#include <setjmp.h>
#include <cmocka.h>

#define METADATA                                                                                                       \
    "{\"config\":{\"s3.region\":\"x\"},\"metadata\":{\"format-version\":2,\"table-uuid\":\"u\",\"location\":\"s3://b/" \
    "t/\","                                                                                                            \
    "\"last-sequence-number\":3,\"last-updated-ms\":17,\"current-schema-id\":1,\"schemas\":[{\"schema-id\":0,"         \
    "\"fields\":[]},{\"schema-id\":1,\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"n\",\"required\":true,"      \
    "\"type\":\"long\"},{\"id\":2,\"name\":\"x\",\"type\":\"fixed[4]\"},{\"id\":3,\"name\":\"m\",\"type\":{\"type\":"  \
    "\"map\",\"key-id\":5,\"key\":\"string\",\"value-id\":6,\"value\":{\"type\":\"list\",\"element-id\":7,"            \
    "\"element\":\"decimal(9, 2)\"}}}]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"   \
    "\"properties\":{\"write.data.path\":\"s3://b/d/\"},"

static hgi_table_t *table(const char *snapshots)
{
    hgi_table_t *t = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, METADATA);
    hg_buf_adds(&b, snapshots);
    hg_buf_adds(&b, "}}");
    if (hgi_table_read(hg_buf_str(&b), &t, &err) < 0) fail_msg("%s", err.msg);
    hg_buf_release(&b);
    return t;
}

static void columns_and_places(void **state)
{
    static const int32_t ids[] = { 1, 3, 5, 6, 7 };
    (void)state;
    hgi_table_t *t = table("\"current-snapshot-id\":-1");
    assert_null(t->current);
    assert_int_equal(t->schema.n_cols, 2);
    assert_true(hg_str_eqz(t->schema.cols[1].name, "m") && !t->schema.cols[0].type->nullable);
    assert_memory_equal(t->ids, ids, sizeof ids);
    assert_int_equal(t->col_ids[1], 3);
    assert_string_equal(t->left_out, "x");
    assert_string_equal(t->data_dir, "s3://b/d");
    assert_string_equal(t->metadata_dir, "s3://b/t/metadata");
    assert_string_equal(hgi_table_config(t, "s3.region"), "x");
    hgi_table_free(t);
}

/* The table above with one text in the place of another. */
static void refused(const char *text, const char *other, const char *want)
{
    hgi_table_t *t;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    const char *at = strstr(METADATA, text);
    assert_non_null(at);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_add(&b, METADATA, (size_t)(at - METADATA));
    hg_buf_adds(&b, other);
    hg_buf_adds(&b, at + strlen(text));
    hg_buf_adds(&b, "\"current-snapshot-id\":-1}}");
    assert_int_equal(hgi_table_read(hg_buf_str(&b), &t, &err), HG_EUNSUPPORTED);
    if (!strstr(err.msg, want)) fail_msg("%s", err.msg);
    hg_buf_release(&b);
}

static void tables_that_cannot_be_written(void **state)
{
    (void)state;
    refused("\"format-version\":2", "\"format-version\":3", "format-version 3, and only version 2 can be written");
    refused("\"format-version\":2", "\"format-version\":1", "(its property 'format-version' = '2' makes it one)");
    refused("\"spec-id\":0,\"fields\":[]",
            "\"spec-id\":0,\"fields\":[{\"name\":\"n_day\",\"transform\":\"day\",\"source-id\":1,\"field-id\":1000}]",
            "partitioned by 'n_day', and only tables without partitions can be written");
    refused("\"name\":\"x\",", "\"name\":\"x\",\"required\":true,", "'x' is required, and its type fixed[4] is none");
}

#define SNAPSHOT(id, parent, partition, offset)                                                                        \
    "{\"snapshot-id\":" #id ",\"parent-snapshot-id\":" #parent ",\"manifest-list\":\"s3://b/l\",\"summary\":{"         \
    "\"headgate.writer\":\"w\",\"headgate.stream\":\"s\",\"headgate.topic\":\"t\",\"headgate.partition\":"             \
    "\"" #partition "\",\"headgate.offset\":\"" #offset "\",\"headgate.timestamp\":\"9\",\"total-records\":\"12\"}}"

static void marks_are_those_of_the_line(void **state)
{
    hgi_mark_t m = { .writer = HG_S("w"), .stream = HG_S("s"), .topic = HG_S("t"), .partition = 1 };
    uint64_t total;
    (void)state;
    /* 4 was taken back: it is none of the line 5 → 3 → 2 */
    hgi_table_t *t = table("\"refs\":{\"main\":{\"snapshot-id\":5}},\"snapshots\":[" SNAPSHOT(2, 1, 1, 10) "," SNAPSHOT(
        3, 2, 1, 20) "," SNAPSHOT(4, 3, 1, 30) "," SNAPSHOT(5, 3, 2, 40) "]");
    assert_true(hgi_table_mark(t, &m));
    assert_int_equal(m.offset, 20);
    assert_int_equal(m.timestamp, 9);
    m.partition = 3;
    assert_false(hgi_table_mark(t, &m));
    m.partition = 2;
    m.topic = HG_S("other");
    assert_false(hgi_table_mark(t, &m));
    assert_true(hgi_table_has(t, 2) && !hgi_table_has(t, 4) && !hgi_table_has(t, 1));
    assert_true(hgi_table_total(t, "total-records", &total) && total == 12);
    assert_false(hgi_table_total(t, "total-data-files", &total));
    hgi_table_free(t);
    t = table("\"current-snapshot-id\":5,\"snapshots\":[" SNAPSHOT(5, 6, 1, 1) "," SNAPSHOT(6, 5, 1, 1) "]");
    m.partition = 9;
    assert_false(hgi_table_mark(t, &m)); /* a ring ends */
    hgi_table_free(t);
}

static void lists_keep_what_was_there(void **state)
{
    const hgi_manifest_t first = { .path = "s3://b/m0", .bytes = 5, .rows = 7, .sequence = 1, .snapshot_id = 11 };
    const hgi_manifest_t second = { .path = "s3://b/m1", .bytes = 6, .rows = 8, .sequence = 2, .snapshot_id = 12 };
    hgi_entries_t e, again;
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    hgi_entries_init(&e);
    hgi_entries_init(&again);
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(hgi_entries_add(&e, &first), 0);
    assert_int_equal(hgi_entries_add(&e, &second), 0);
    assert_int_equal(hgi_manifest_list(&out, &e, 12, 11, 2), 0);
    assert_int_equal(hgi_entries_read(&again, hg_buf_str(&out), &err), 0);
    assert_int_equal(again.n, 2);
    assert_true(hg_str_eq(hg_buf_str(&e.bytes), hg_buf_str(&again.bytes)));
    for (size_t n = 0; n < out.len; n++) /* cut anywhere it is refused, or is whole up to there */
        if (hgi_entries_read(&again, (hg_str_t){ out.p, n }, &err) == 0) assert_int_equal(again.n, 0);
    out.p[out.len - 1] ^= 1;
    assert_int_equal(hgi_entries_read(&again, hg_buf_str(&out), &err), HG_EPROTO);
    hgi_entries_release(&e);
    hgi_entries_release(&again);
    hg_buf_release(&out);
}

static void numbers_are_varints(void **state)
{
    static const int64_t values[] = { 0, -1, 1, 63, -64, 64, INT64_MAX, INT64_MIN };
    hg_buf_t b;
    (void)state;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < HG_COUNT(values); i++) assert_int_equal(hgi_put_long(&b, values[i]), 0);
    hg_ascan_t s = { .p = b.p, .end = b.p + b.len };
    for (size_t i = 0; i < HG_COUNT(values); i++) {
        int64_t v;
        assert_int_equal(hg_as_long(&s, &v), 0);
        assert_true(v == values[i]);
    }
    assert_ptr_equal(s.p, s.end);
    hg_buf_release(&b);
}

static void bounds(void **state)
{
    static const int64_t n[] = { 5, -3, 7 };
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hgi_table_t t = { .col_ids = (int32_t[]){ 4, 9 } };
    const hg_type_t *types[] = { hg_type_make(a, HG_T_BIGINT, true, -1, 0),
                                 hg_type_make(a, HG_T_VARCHAR, true, -1, 0) };
    hg_colb_t b[2];
    (void)state, (void)err;
    for (int k = 0; k < 2; k++) hg_colb_init(&b[k], types[k]);
    for (int k = 0; k < 3; k++) assert_int_equal(hg_colb_i64(&b[0], n[k]), 0);
    assert_int_equal(hg_colb_null(&b[0]), 0);
    assert_int_equal(hg_colb_var(&b[1], "b", 1), 0);
    assert_int_equal(hg_colb_var(&b[1], "ééééééééééééééééé", 34), 0); /* 17 characters */
    assert_int_equal(hg_colb_null(&b[1]), 0);
    assert_int_equal(hg_colb_var(&b[1], "é1234567890123456", 18), 0);
    hg_batch_t *rows = hg_batch_new(4, 2);
    for (int k = 0; k < 2; k++) rows->cols[k] = hg_colb_seal(&b[k]);
    const hgi_column_stats_t *s = hgi_stats(a, &t, rows);
    assert_int_equal(s[0].id, 4);
    assert_true(s[0].values == 4 && s[0].nulls == 1 && s[1].nulls == 1);
    assert_true(s[0].lower.n == 8 && memcmp(s[0].lower.p, "\xfd\xff\xff\xff\xff\xff\xff\xff", 8) == 0);
    assert_true(s[0].upper.n == 8 && s[0].upper.p[0] == 7);
    assert_true(hg_str_eqz(s[1].lower, "b"));
    assert_null(s[1].upper.p); /* the longest beginning would be below it */
    hg_batch_drop(rows);
    for (int k = 0; k < 2; k++) hg_colb_release(&b[k]);
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_and_places),          cmocka_unit_test(tables_that_cannot_be_written),
        cmocka_unit_test(marks_are_those_of_the_line), cmocka_unit_test(lists_keep_what_was_there),
        cmocka_unit_test(numbers_are_varints),         cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
