/* Batches as plugins see them: the layouts' worked examples, headers and payloads as JSON, state in MessagePack. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "plugins/sdk/plugin.h"

static hg_str_t hex(const char *text, char *room)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == ' ') continue;
        char two[3] = { p[0], p[1], 0 };
        room[n++] = (char)strtoul(two, NULL, 16);
        p++;
    }
    return (hg_str_t){ room, n };
}

static void test_read(void **state)
{
    (void)state;
    char t[256], m[64], r[256];
    hg_err_t err = HG_ERR_INIT;
    hgp_batch_t b = { .n = 0 };
    hg_str_t topic = hex("0e6578616d706c655f73747265616d 0d6578616d706c655f746f706963", t), meta = hex("01 ac02 00", m);
    assert_int_equal(hgp_batch_read(&b, topic, meta,
                                    hex("00 01 01 ac02 00 80d0c9e7b7e98403 80d0c9e7b7e98403 00 07 7b2261223a317d", r),
                                    &err),
                     0);
    assert_true(hg_str_eqz(b.stream, "example_stream") && hg_str_eqz(b.topic, "example_topic"));
    assert_true(b.partition == 1 && b.current_offset == 300 && b.schema == HG_PC_JSON && b.n == 1);
    assert_true(b.v[0].m.id == 1 && b.v[0].m.offset == 300 && b.v[0].m.timestamp == 1710064800000000);
    assert_true(hg_str_eqz(b.v[0].m.payload, "{\"a\":1}") && b.v[0].m.n_headers == 0);

    hg_buf_t out, scratch;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    assert_int_equal(hgp_batch_read(&b, topic, meta,
                                    hex("02 01 ffffffffffffffffffffffffffffffffffff03 00 ffffffffffffffffff01 00 00 "
                                        "11 01 01 04 61773d3d 0a 08 427741414141 3d3d 01 78",
                                        r),
                                    &err),
                     0);
    assert_true(b.schema == HG_PC_JSON && b.v[0].m.id == ~(hg_u128)0 && b.v[0].m.checksum == UINT64_MAX);
    assert_int_equal(hgp_headers_json(&out, &b.v[0], &scratch), 0);
    assert_string_equal(out.p, "{\"k\":\"7\"}");
    hg_buf_clear(&out);
    hgp_id_decimal(&out, b.v[0].m.id);
    assert_string_equal(out.p, "340282366920938463463374607431768211455");
    hg_buf_clear(&out);
    hgp_id_hex(&out, (hg_u128)0xabc << 64 | 1);
    assert_string_equal(out.p, "0000000000000abc0000000000000001");
    hg_buf_release(&out);
    hg_buf_release(&scratch);
    hgp_batch_release(&b);
}

static void expect_text(uint8_t kind, const char *bytes, size_t n, const char *want)
{
    hg_pc_field_t f = { kind, { bytes, n } };
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(hgp_header_text(&f, &out), 0);
    assert_string_equal(out.p, want);
    hg_buf_release(&out);
}

static void test_header_values(void **state)
{
    (void)state;
    static const char ff[16] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", zero[16] = "";
    expect_text(0, "\xff", 1, "/w==");
    expect_text(1, "text", 4, "text");
    expect_text(2, "\1", 1, "true");
    expect_text(3, ff, 1, "-1");
    expect_text(4, "\0\x80", 2, "-32768");
    expect_text(5, ff, 4, "-1");
    expect_text(6, "\0\0\0\0\0\0\0\x80", 8, "-9223372036854775808");
    expect_text(7, ff, 16, "-1");
    expect_text(8, ff, 1, "255");
    expect_text(9, ff, 2, "65535");
    expect_text(10, ff, 4, "4294967295");
    expect_text(11, ff, 8, "18446744073709551615");
    expect_text(12, ff, 16, "340282366920938463463374607431768211455");
    expect_text(13, "\0\0\xc0\x3f", 4, "1.5");
    expect_text(14, zero, 8, "0");
    expect_text(6, ff, 3, "////"); /* not as long as its kind says */
}

static void test_write(void **state)
{
    (void)state;
    char room[256];
    hgp_out_t o;
    hg_str_t got, none = { NULL, 0 }, st = HG_S("\x91\x2a");
    hgp_out_init(&o, HG_PC_JSON);
    assert_int_equal(hgp_out_finish(&o, NULL, &got), 0);
    assert_true(hg_str_eq(got, hex("000000", room)));
    hgp_out_clear(&o);
    assert_int_equal(hgp_out_message(&o, 0, NULL, 0, none), HG_EINVAL);
    assert_int_equal(hgp_out_message(&o, 0, NULL, 0, HG_S("{\"a\":1}")), 0);
    assert_int_equal(hgp_out_finish(&o, &st, &got), 0);
    assert_true(hg_str_eq(got, hex("00 01 0000000000 07 7b2261223a317d 01 02 912a", room)));
    hgp_out_clear(&o);
    o.schema = HG_PC_RAW;
    hg_pc_header_t h = { { 1, HG_S("k") }, { 10, { "\7\0\0\0", 4 } } };
    assert_int_equal(hgp_out_message(&o, 300, &h, 1, HG_S("hi")), 0);
    assert_int_equal(hgp_out_finish(&o, NULL, &got), 0);
    assert_true(
        hg_str_eq(got, hex("01 01 01 ac02 00 00 00 01 01 01 04 61773d3d 0a 08 4277414141413d3d 02 6869 00", room)));
    hgp_out_clear(&o);
    for (int i = 0; i < 300; i++) assert_int_equal(hgp_out_message(&o, 0, NULL, 0, HG_S("x")), 0);
    assert_int_equal(hgp_out_finish(&o, NULL, &got), 0);
    assert_memory_equal(got.p, "\1\xac\2", 3);
    hgp_out_release(&o);
}

static void test_json_line(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "before ");
    static const char *const bad[] = { "", " ", "{", "{} {}", "{\"a\":}", "nul", "\"a\nb\"", "[1,]", "\xff" };
    for (size_t k = 0; k < HG_COUNT(bad); k++) {
        assert_int_equal(hgp_json_line(&b, hg_strz(bad[k])), HG_EPARSE);
        assert_string_equal(b.p, "before ");
    }
    assert_int_equal(hgp_json_line(&b, HG_S("{\n\"a\":\r\n[1, \"\\n\"]}\n")), 0);
    assert_string_equal(b.p, "before { \"a\":  [1, \"\\n\"]} ");
    hg_buf_release(&b);
}

static void test_message_pack(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        0, 42, 127, 128, 255, 256, 300, 65535, 65536, UINT32_MAX, 1ull << 32, UINT64_MAX
    };
    static const size_t lengths[] = { 0, 31, 32, 255, 256, 65535, 65536 };
    hg_buf_t b;
    hgp_mp_value_t v;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t k = 0; k < HG_COUNT(numbers); k++) hgp_mp_u64(&b, numbers[k]);
    hg_str_t in = hg_buf_str(&b);
    for (size_t k = 0; k < HG_COUNT(numbers); k++) {
        assert_int_equal(hgp_mp_take(&in, HGP_MP_UINT, &v), 0);
        assert_true(v.u == numbers[k]);
    }
    assert_true(in.n == 0 && hgp_mp_next(&in, &v) == HG_EPARSE);
    char *text = calloc(1, 65536);
    for (size_t k = 0; k < HG_COUNT(lengths); k++) {
        hg_buf_clear(&b);
        hgp_mp_str(&b, (hg_str_t){ text, lengths[k] });
        in = hg_buf_str(&b);
        assert_int_equal(hgp_mp_take(&in, HGP_MP_STR, &v), 0);
        assert_true(v.s.n == lengths[k] && in.n == 0);
        in = (hg_str_t){ b.p, b.len - 1 };
        assert_int_equal(hgp_mp_next(&in, &v), HG_EPARSE);
    }
    free(text);
    static const uint32_t counts[] = { 0, 15, 16, 65535, 65536 };
    for (size_t k = 0; k < HG_COUNT(counts); k++) {
        hg_buf_clear(&b);
        hgp_mp_array(&b, counts[k]);
        hgp_mp_map(&b, counts[k]);
        in = hg_buf_str(&b);
        assert_int_equal(hgp_mp_take(&in, HGP_MP_ARRAY, &v), 0);
        assert_true(v.u == counts[k] && hgp_mp_take(&in, HGP_MP_MAP, &v) == 0 && v.u == counts[k]);
    }
    char room[64];
    in = hex("c0 c2 c3 ff d0ff d1fffe cb3ff8000000000000 c403010203", room);
    static const hgp_mp_t kinds[] = { HGP_MP_NIL, HGP_MP_BOOL, HGP_MP_BOOL,  HGP_MP_INT,
                                      HGP_MP_INT, HGP_MP_INT,  HGP_MP_FLOAT, HGP_MP_BIN };
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        assert_int_equal(hgp_mp_next(&in, &v), 0);
        assert_int_equal(v.kind, kinds[k]);
    }
    in = hex("c1", room);
    assert_int_equal(hgp_mp_next(&in, &v), HG_EPARSE);
    in = hex("01", room);
    assert_int_equal(hgp_mp_take(&in, HGP_MP_STR, &v), HG_EPARSE);
    in = hex("c0", room);
    assert_true(hgp_mp_take(&in, HGP_MP_STR, &v) == 0 && v.s.n == 0);
    hg_buf_release(&b);
}

static void test_time(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hgp_time(&b, 1710064800000000);
    hg_buf_addc(&b, ' ');
    hgp_time(&b, 1710064800120000);
    hg_buf_addc(&b, ' ');
    hgp_time(&b, 1);
    assert_string_equal(b.p, "2024-03-10T10:00:00Z 2024-03-10T10:00:00.12Z 1970-01-01T00:00:00.000001Z");
    hg_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_header_values), cmocka_unit_test(test_write),
        cmocka_unit_test(test_json_line), cmocka_unit_test(test_message_pack),  cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
