/* test_postcard.c: every worked example of the layouts, written and read; and what must be refused, with its place. */
#include "tests/lib/test.h"

#include "base/mem.h"
#include "iggy/plugin/postcard.h"

/* "0e 65 ff*18 (x)": bytes in hex; ff*18 repeats. */
static size_t hex(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (const char *p = text; *p;) {
        if (*p == ' ') {
            p++;
            continue;
        }
        char two[3] = { p[0], p[1], 0 };
        long times = 1;
        p += 2;
        if (*p == '*') {
            char *end;
            times = strtol(p + 1, &end, 10);
            p = end;
        }
        while (times--) out[n++] = (uint8_t)strtol(two, NULL, 16);
    }
    return n;
}

#define OUT(name, room)                                                                                                \
    uint8_t name##_bytes[room];                                                                                        \
    hg_pc_out_t name = { name##_bytes, name##_bytes + sizeof name##_bytes }

static void expect_hex(const uint8_t *from, const hg_pc_out_t *o, const char *text)
{
    uint8_t want[512];
    size_t n = hex(text, want);
    assert_int_equal(o->p - from, n);
    assert_memory_equal(from, want, n);
}

static hg_pc_in_t in_hex(const char *text)
{
    static uint8_t bytes[512];
    return hg_pc_in(bytes, hex(text, bytes));
}

#define ONE_HEADER "01  01 04 61 77 3d 3d  0a 08 42 77 41 41 41 41 3d 3d"
static const hg_pc_header_t SEVEN[] = { { { 1, { "k", 1 } }, { 10, { "\7\0\0\0", 4 } } } };

static void test_topic_and_metadata(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    static const char topic[] =
        "0e 65 78 61 6d 70 6c 65 5f 73 74 72 65 61 6d  0d 65 78 61 6d 70 6c 65 5f 74 6f 70 69 63";
    OUT(o, 64);
    hg_pc_put_topic(&o, HG_S("example_stream"), HG_S("example_topic"));
    expect_hex(o_bytes, &o, topic);
    hg_pc_in_t in = in_hex(topic);
    hg_str_t a, b;
    assert_int_equal(hg_pc_get_topic(&in, &a, &b, &err), 0);
    assert_true(hg_str_eqz(a, "example_stream") && hg_str_eqz(b, "example_topic") && in.at == in.end);

    OUT(m, 64);
    hg_pc_put_meta(&m, &(hg_pc_meta_t){ 1, 300, HG_PC_JSON });
    expect_hex(m_bytes, &m, "01 ac 02 00");
    in = in_hex("01 ac 02 05");
    hg_pc_meta_t meta;
    assert_int_equal(hg_pc_get_meta(&in, &meta, &err), 0);
    assert_true(meta.partition_id == 1 && meta.current_offset == 300 && meta.schema == HG_PC_AVRO);
}

static void test_headers(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    static const hg_pc_header_t two[] = {
        { { 1, { "retry", 5 } }, { 10, { "\7\0\0\0", 4 } } },
        { { 1, { "trace", 5 } }, { 1, { "abc", 3 } } },
    };
    static const char two_hex[] = "02  01 08 63 6d 56 30 63 6e 6b 3d  0a 08 42 77 41 41 41 41 3d 3d"
                                  "  01 08 64 48 4a 68 59 32 55 3d  01 04 59 57 4a 6a";
    OUT(o, 64);
    hg_pc_put_headers(&o, SEVEN, 1);
    expect_hex(o_bytes, &o, ONE_HEADER);
    assert_int_equal(hg_pc_headers_size(SEVEN, 1), 17);
    OUT(t, 128);
    hg_pc_put_headers(&t, two, 2);
    expect_hex(t_bytes, &t, two_hex);
    assert_int_equal(hg_pc_headers_size(two, 2), t.p - t_bytes);

    hg_pc_in_t in = in_hex(two_hex);
    hg_buf_t scratch;
    hg_buf_init(&scratch, 4096);
    assert_int_equal(hg_buf_reserve(&scratch, 512), 0);
    uint64_t n;
    assert_int_equal(hg_pc_get_varint(&in, 64, &n, &err), 0);
    for (uint64_t i = 0; i < n; i++) {
        hg_pc_header_t h;
        assert_int_equal(hg_pc_get_header(&in, &scratch, &h, &err), 0);
        assert_int_equal(h.key.kind, two[i].key.kind);
        assert_int_equal(h.value.kind, two[i].value.kind);
        assert_true(hg_str_eq(h.key.bytes, two[i].key.bytes) && hg_str_eq(h.value.bytes, two[i].value.bytes));
    }
    hg_buf_release(&scratch);
}

#define RAW_JSON "00 01  01  ac 02  00  80 d0 c9 e7 b7 e9 84 03  80 d0 c9 e7 b7 e9 84 03  00  07 7b 22 61 22 3a 31 7d"
#define RAW_TEXT "02 01  ff*18 03  00  ff*9 01  00  00  11 01 01 04 61 77 3d 3d 0a 08 42 77 41 41 41 41 3d 3d  01 78"

static void test_raw_messages(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    OUT(o, 256);
    hg_pc_put_raw_begin(&o, HG_PC_JSON, 1);
    hg_pc_put_raw(&o, &(hg_pc_raw_t){ .id = 1,
                                      .offset = 300,
                                      .timestamp = 1710064800000000,
                                      .origin_timestamp = 1710064800000000,
                                      .payload = HG_S("{\"a\":1}") });
    expect_hex(o_bytes, &o, RAW_JSON);
    const hg_pc_raw_t largest = {
        .id = ~(hg_u128)0, .checksum = UINT64_MAX, .headers = SEVEN, .n_headers = 1, .payload = HG_S("x")
    };
    OUT(t, 256);
    hg_pc_put_raw_begin(&t, HG_PC_TEXT, 1);
    hg_pc_put_raw(&t, &largest);
    expect_hex(t_bytes, &t, RAW_TEXT);
    assert_true((size_t)(t.p - t_bytes) <= HG_PC_BATCH_MAX + hg_pc_raw_bound(&largest));

    hg_pc_in_t in = in_hex(RAW_TEXT);
    hg_pc_schema_t schema;
    uint64_t n;
    hg_pc_raw_view_t v;
    assert_int_equal(hg_pc_get_raw_begin(&in, &schema, &n, &err), 0);
    assert_true(schema == HG_PC_TEXT && n == 1);
    assert_int_equal(hg_pc_get_raw(&in, &v, &err), 0);
    assert_true(v.m.id == ~(hg_u128)0 && v.m.checksum == UINT64_MAX && v.m.n_headers == 1 && in.at == in.end);
    assert_true(hg_str_eqz(v.m.payload, "x"));
}

#define PRODUCED_RAW                                                                                                   \
    "01 01  01 ac 02  01 01  01 02  01 03  01 01 01 04 61 77 3d 3d 0a 08 42 77 41 41 41 41 3d 3d  02 68 69  00"

static void test_produced_messages(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    OUT(o, 256);
    hg_pc_put_produced_begin(&o, HG_PC_JSON, 1);
    hg_pc_put_produced(&o, &(hg_pc_produced_t){ .payload = HG_S("{\"a\":1}") });
    hg_pc_put_produced_end(&o, &(hg_str_t){ "\x91\x2a", 2 });
    expect_hex(o_bytes, &o, "00 01  00 00 00 00 00  07 7b 22 61 22 3a 31 7d  01 02 91 2a");
    hg_pc_batch_t b;
    assert_int_equal(hg_pc_read_produced(o_bytes, (size_t)(o.p - o_bytes), &b, &err), 0);
    assert_true(b.n == 1 && b.has_state && b.state.n == 2 && b.payload_bytes == 7 && b.schema == HG_PC_JSON);

    OUT(r, 256);
    hg_pc_put_produced_begin(&r, HG_PC_RAW, 1);
    hg_pc_put_produced(&r, &(hg_pc_produced_t){ .has_id = true,
                                                .id = 300,
                                                .has_checksum = true,
                                                .checksum = 1,
                                                .has_timestamp = true,
                                                .timestamp = 2,
                                                .has_origin = true,
                                                .origin_timestamp = 3,
                                                .has_headers = true,
                                                .headers = SEVEN,
                                                .n_headers = 1,
                                                .payload = HG_S("hi") });
    hg_pc_put_produced_end(&r, NULL);
    expect_hex(r_bytes, &r, PRODUCED_RAW);
    hg_pc_produced_t m;
    assert_int_equal(hg_pc_read_produced(r_bytes, (size_t)(r.p - r_bytes), &b, &err), 0);
    assert_int_equal(hg_pc_get_produced(&b.messages, &m, &err), 0);
    assert_true(m.has_id && m.id == 300 && m.has_checksum && m.checksum == 1 && m.has_timestamp && m.timestamp == 2);
    assert_true(m.has_origin && m.origin_timestamp == 3 && m.has_headers && m.n_headers == 1 && !b.has_state);
    assert_true(hg_str_eqz(m.payload, "hi"));

    OUT(e, 64);
    hg_pc_put_produced_begin(&e, HG_PC_JSON, 0);
    hg_pc_put_produced_end(&e, NULL);
    expect_hex(e_bytes, &e, "00 00 00");
    assert_int_equal(hg_pc_read_produced("\0\0\0", 3, &b, &err), 0);
    assert_true(b.n == 0 && !b.has_state);
    assert_int_equal(hg_pc_read_produced("\0\0\0left over", 12, &b, &err), 0);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        unsigned bits;
        uint64_t want; /* 0 with refused */
        bool refused;
    } cases[] = {
        { "00", 64, 0, false },
        { "80 00", 64, 0, false }, /* longer than it has to be */
        { "80 80 80 80 80 80 80 80 80 00", 64, 0, false },
        { "ff ff 03", 16, 65535, false },
        { "ff ff 04", 16, 0, true },
        { "ff ff ff ff 0f", 32, UINT32_MAX, false },
        { "ff ff ff ff 10", 32, 0, true },
        { "ff*9 01", 64, UINT64_MAX, false },
        { "ff*9 02", 64, 0, true },
        { "ff*10", 64, 0, true },
        { "80*3", 16, 0, true },
        { "80", 64, 0, true },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_pc_in_t in = in_hex(cases[i].bytes);
        hg_err_t err = HG_ERR_INIT;
        uint64_t v = 0;
        int rc = hg_pc_get_varint(&in, cases[i].bits, &v, &err);
        if (rc != (cases[i].refused ? HG_EPROTO : 0) || v != cases[i].want) fail_msg("%s", cases[i].bytes);
    }
    OUT(o, 32);
    hg_pc_put_u128(&o, ~(hg_u128)0);
    expect_hex(o_bytes, &o, "ff*18 03");
    hg_pc_in_t in = in_hex("ff*18 04");
    hg_err_t err = HG_ERR_INIT;
    hg_u128 v;
    assert_int_equal(hg_pc_get_u128(&in, &v, &err), HG_EPROTO);
}

static void test_refusals_have_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *says;
        uint64_t off;
    } cases[] = {
        { "06 00 00", "no such schema", 0 },
        { "00 05 00", "a count is larger", 1 },
        { "00 00", "ends where a field", 2 },
        { "00 00 02", "neither 0 nor 1", 2 },
        { "00 00 01 05 61", "past the end", 3 },
        { "00 01  02 00 00 00 00 01 78 00", "neither 0 nor 1", 2 },
        { "00 01  00 00 00 00 00 09 78 00", "past the end", 7 },
        { "00 01  00 00 00 00 01 01 0f 00 01 00 00 00", "no such kind", 8 },
        { "00 01  00 00 00 00 01 01 01 04 61 2a 3d 3d 01 00 00 00", "not base64", 9 },
        { "00 01  00 00 00 00 01 01 01 03 61 77 3d 01 00 00 00", "not base64", 9 },
        { "00 01  00 00 00 00 01 01 01 04 61 78 3d 3d 01 00 00 00", "not base64", 9 }, /* bits left over */
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_pc_in_t in = in_hex(cases[i].bytes);
        hg_err_t err = HG_ERR_INIT;
        hg_pc_batch_t b;
        assert_int_equal(hg_pc_read_produced(in.at, (size_t)(in.end - in.at), &b, &err), HG_EPROTO);
        if (!strstr(err.msg, cases[i].says) || err.pos.off != cases[i].off)
            fail_msg("%s: %s at %" PRIu64, cases[i].bytes, err.msg, err.pos.off);
    }
    hg_err_t err = HG_ERR_INIT;
    hg_str_t a, b;
    hg_pc_in_t in = in_hex("01 ff 00");
    assert_int_equal(hg_pc_get_topic(&in, &a, &b, &err), HG_EPROTO);
    assert_non_null(strstr(err.msg, "not UTF-8"));
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    uint8_t bytes[512];
    size_t n = hex(PRODUCED_RAW, bytes);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a read past the end is seen */
        hg_err_t err = HG_ERR_INIT;
        hg_pc_batch_t b;
        memcpy(exact, bytes, cut);
        assert_int_equal(hg_pc_read_produced(exact, cut, &b, &err), HG_EPROTO);
        free(exact);
    }
}

static void test_reading_allocates_nothing(void **state)
{
    (void)state;
    enum { N = 1000 };
    hg_err_t err = HG_ERR_INIT;
    uint8_t *bytes = malloc(N * 256);
    hg_pc_out_t o = { bytes, bytes + (size_t)N * 256 };
    uint64_t before = hg_mem_allocs();
    hg_pc_put_produced_begin(&o, HG_PC_RAW, N);
    for (unsigned i = 0; i < N; i++)
        hg_pc_put_produced(
            &o, &(hg_pc_produced_t){ .has_headers = true, .headers = SEVEN, .n_headers = 1, .payload = HG_S("p") });
    hg_pc_put_produced_end(&o, NULL);
    hg_pc_batch_t b;
    assert_int_equal(hg_pc_read_produced(bytes, (size_t)(o.p - bytes), &b, &err), 0);
    assert_int_equal(b.n, N);
    assert_int_equal(hg_mem_allocs(), before);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_and_metadata),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_raw_messages),
        cmocka_unit_test(test_produced_messages),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_refusals_have_a_place),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_reading_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
