/* Codecs: what each schema reads and writes, and what it refuses. */
#include "tests/unit/iggy_transform/kit.h"
#include "iggy/codec/any.h"

static hg_codec_t *codec_of(const char *schema, const char *options)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node = NULL;
    hg_codec_t *c = NULL;
    if (options) assert_int_equal(hg_json_parse(a, hg_strz(options), &node, &err), 0);
    if (hg_codec_new(hg_strz(schema), node, &c, &err) < 0) fail_msg("%s: %s: %s", schema, err.path, err.msg);
    hg_arena_free(a);
    return c;
}

static void no_codec(const char *schema, const char *options, const char *path, const char *words)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node = NULL;
    hg_codec_t *c = NULL;
    assert_int_equal(hg_json_parse(a, hg_strz(options), &node, &err), 0);
    assert_true(hg_codec_new(hg_strz(schema), node, &c, &err) < 0);
    assert_string_equal(err.path, path);
    if (!strstr(err.msg, words)) fail_msg("%s", err.msg);
    hg_arena_free(a);
}

/* Decodes, and says what came out; or why not. */
static hg_plkind_t decodes(const hg_codec_t *c, const void *bytes, size_t n, const char *want)
{
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p = { 0 };
    hg_str_t out;
    if (hg_codec_decode(c, s, hg_scratch_copy(s, (hg_str_t){ bytes, n }), &p, &err) < 0) {
        if (!strstr(err.msg, want)) fail_msg("%s", err.msg);
        p.kind = HG_PL_N;
    } else {
        assert_int_equal(hg_payload_bytes(&p, s, &out, &err), 0);
        if (!hg_str_eqz(out, want)) fail_msg(HG_SF, HG_SA(out));
    }
    hg_scratch_free(s);
    return p.kind;
}

static void encodes(const hg_codec_t *c, hg_plkind_t kind, const char *text, const void *want, size_t n)
{
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p;
    hg_str_t out;
    if (kind == HG_PL_PROTO)
        p = (hg_payload_t){ .kind = kind, .bytes = hg_scratch_copy(s, hg_strz(text)) };
    else
        assert_int_equal(hg_payload_from(kind, hg_scratch_copy(s, hg_strz(text)), s, &p, &err), 0);
    if (hg_codec_encode(c, s, &p, &out, &err) < 0) fail_msg("%s", err.msg);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, want, n);
    hg_scratch_free(s);
}

static void refuses(const hg_codec_t *c, hg_plkind_t kind, const char *text, const char *words)
{
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p = { .kind = kind, .bytes = hg_scratch_copy(s, hg_strz(text)) };
    hg_str_t out;
    assert_true(hg_codec_encode(c, s, &p, &out, &err) < 0);
    if (!strstr(err.msg, words)) fail_msg("%s", err.msg);
    hg_scratch_free(s);
}

static void plain_schemas(void **state)
{
    (void)state;
    hg_codec_t *json = codec_of("json", NULL), *raw = codec_of("raw", NULL), *text = codec_of("text", "{\"x\":1}");
    assert_int_equal(decodes(json, " {\"a\" : 1.50,\"b\":[ 1 ]}", 23, "{\"a\":1.50,\"b\":[1]}"), HG_PL_JSON);
    assert_int_equal(decodes(json, "[ 1 ]", 5, "[1]"), HG_PL_JSON);
    decodes(json, "{\"a\":1", 6, "unexpected end of input");
    decodes(json, "{\"a\" 1}", 7, "expected ':' (byte 5)");
    decodes(json, "{a:1}", 5, "expected a member name (byte 1)");
    decodes(json, "{\"a\":1;", 7, "expected ',' or '}' (byte 6)");
    decodes(json, "{\"a\":\"\xff\"}", 9, "invalid UTF-8");
    decodes(json, "1 2", 3, "something follows the value (byte 2)");
    decodes(json, "", 0, "unexpected end");
    assert_int_equal(decodes(raw, "\1\2", 2, "\1\2"), HG_PL_RAW);
    assert_int_equal(decodes(text, "a b", 3, "a b"), HG_PL_TEXT);
    decodes(text, "\xff", 1, "not UTF-8");
    encodes(json, HG_PL_JSON, "{\"a\": 1}", "{\"a\":1}", 7);
    encodes(json, HG_PL_TEXT, "a\"b", "\"a\\\"b\"", 6);
    refuses(json, HG_PL_RAW, "x", "schema 'json' takes json and text messages, this one is raw");
    encodes(raw, HG_PL_RAW, "x", "x", 1);
    refuses(raw, HG_PL_JSON, "1", "schema 'raw' takes raw messages, this one is json");
    encodes(text, HG_PL_JSON, "[ 1]", "[1]", 3);
    refuses(text, HG_PL_AVRO, "x", "this one is avro");
    refuses(raw, HG_PL_RAW, "", "an empty message");
    no_codec("jason", "{}", "schema", "did you mean 'json'");
    assert_int_equal(hg_codec_kind(json), HG_PL_JSON);
    hg_codec_free(json);
    hg_codec_free(raw);
    hg_codec_free(text);
    hg_codec_t *f = codec_of("flatbuffer", NULL);
    assert_int_equal(hg_codec_kind(f), HG_PL_FLAT_BUFFER);
    hg_codec_free(f);
    assert_true(hg_codec_knows(HG_S("avro_schema_path")));
    assert_false(hg_codec_knows(HG_S("batch_length")));
}

static void tags_of_plugins(void **state)
{
    (void)state;
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p;
    hg_str_t any = hg_scratch_copy(s, HG_S("\x0a\x03t/x\x12\x02hi"));
    assert_int_equal(hg_payload_from(HG_PL_PROTO, any, s, &p, &err), 0);
    assert_int_equal(p.kind, HG_PL_JSON);
    assert_true(hg_str_eqz(p.bytes, "{\"type_url\":\"t/x\",\"value\":\"aGk=\"}"));
    assert_int_equal(hg_payload_from(HG_PL_PROTO, hg_scratch_copy(s, HG_S("\x0b")), s, &p, &err), 0);
    assert_int_equal(p.kind, HG_PL_RAW);
    assert_int_equal(hg_payload_from(HG_PL_AVRO, hg_scratch_copy(s, HG_S("\x0b")), s, &p, &err), 0);
    assert_int_equal(p.kind, HG_PL_AVRO);
    assert_int_equal(hg_payload_from(HG_PL_JSON, hg_scratch_copy(s, HG_S("{")), s, &p, &err), HG_EPARSE);
    assert_int_equal(hg_payload_from(HG_PL_TEXT, hg_scratch_copy(s, HG_S("\xff")), s, &p, &err), HG_EPARSE);
    hg_scratch_free(s);
}

static void anys(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool is;
    } rows[] = {
        { "", 0, false },
        { "\x0a\x01t", 3, true },
        { "\x12\x00", 2, true },
        { "\x18\x05\x0a\x01t", 5, true }, /* an unknown varint */
        { "\x19"
          "12345678"
          "\x25"
          "1234",
          14, true },                                                  /* unknown fixed64 and fixed32 */
        { "\x08\x05", 2, false },                                      /* type_url as a varint */
        { "\x0a\x05t", 3, false },                                     /* longer than what is left */
        { "\x0a\x01\xff", 3, false },                                  /* not UTF-8 */
        { "\x1b", 1, false },                                          /* a group */
        { "\x00", 1, false },                                          /* field 0 */
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false }, /* more than 64 bits */
        { "\x18", 1, false },
    };
    hg_any_t any;
    for (size_t i = 0; i < HG_COUNT(rows); i++)
        assert_int_equal(hg_any_read((hg_str_t){ rows[i].bytes, rows[i].n }, &any), rows[i].is);
    hg_buf_t b;
    hg_buf_init(&b, 4096);
    char big[300];
    memset(big, 'x', sizeof big);
    any = (hg_any_t){ HG_S("t"), { big, sizeof big } };
    assert_int_equal(hg_any_write(&b, &any), 0);
    assert_memory_equal(b.p, "\x0a\x01t\x12\xac\x02xxx", 9);
    assert_true(hg_any_read(hg_buf_str(&b), &any));
    assert_int_equal(any.value.n, sizeof big);
    hg_buf_clear(&b);
    static const char *const text[] = { "", "f", "fo", "foo", "foob" };
    static const char *const want[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==" };
    for (size_t i = 0; i < HG_COUNT(text); i++) {
        hg_buf_clear(&b);
        assert_int_equal(hg_base64(&b, hg_strz(text[i])), 0);
        assert_string_equal(b.p, want[i]);
    }
    hg_buf_release(&b);
}

#define SCHEMA(s) "{\"avro_schema_json\":\"" s "\"}"
#define EVENT                                                                                                          \
    SCHEMA("{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"E\\\",\\\"fields\\\":["                                      \
           "{\\\"name\\\":\\\"id\\\",\\\"type\\\":\\\"long\\\"},"                                                      \
           "{\\\"name\\\":\\\"s\\\",\\\"type\\\":[\\\"null\\\",\\\"string\\\"]},"                                      \
           "{\\\"name\\\":\\\"b\\\",\\\"type\\\":\\\"bytes\\\"},"                                                      \
           "{\\\"name\\\":\\\"l\\\",\\\"type\\\":{\\\"type\\\":\\\"array\\\",\\\"items\\\":\\\"int\\\"}},"             \
           "{\\\"name\\\":\\\"m\\\",\\\"type\\\":{\\\"type\\\":\\\"map\\\",\\\"values\\\":\\\"boolean\\\"}},"          \
           "{\\\"name\\\":\\\"e\\\",\\\"type\\\":{\\\"type\\\":\\\"enum\\\",\\\"name\\\":\\\"X\\\",\\\"symbols\\\":["  \
           "\\\"A\\\",\\\"B\\\"]}},"                                                                                   \
           "{\\\"name\\\":\\\"f\\\",\\\"type\\\":{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"F\\\",\\\"size\\\":2}}," \
           "{\\\"name\\\":\\\"d\\\",\\\"type\\\":\\\"double\\\"}]}")

static void avro_both_ways(void **state)
{
    (void)state;
    hg_codec_t *c = codec_of("avro", EVENT);
    static const char datum[] = "\x03\x02\x02x\x04\x01\xff\x02\x0e\x00\x02\x02k\x01\x00\x02\x07\x08\0\0\0\0\0\0\xf8?";
    const char *json =
        "{\"id\":-2,\"s\":\"x\",\"b\":[1,255],\"l\":[7],\"m\":{\"k\":true},\"e\":\"B\",\"f\":[7,8],\"d\":1.5}";
    size_t n = sizeof datum - 1;
    assert_int_equal(decodes(c, datum, n, json), HG_PL_JSON);
    encodes(c, HG_PL_JSON, json, datum, n);
    encodes(c, HG_PL_TEXT, json, datum, n);
    encodes(c, HG_PL_RAW, "xx", "xx", 2);
    for (size_t i = 1; i < n; i++) assert_int_equal(decodes(c, datum, i, "not of the Avro schema"), HG_PL_N);
    decodes(c, "", 0, "an empty message");
    char more[64];
    memcpy(more, datum, n);
    more[n] = 0;
    decodes(c, more, n + 1, "1 bytes follow the value");
    refuses(c, HG_PL_JSON, "{\"id\":9223372036854775808}", "field 'id': the Avro schema wants long, found integer");
    refuses(c, HG_PL_JSON, "{\"s\":\"x\"}", "field 'id': the Avro schema wants long, found null");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"s\":7}", "field 's': the Avro schema wants [null, string]");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":[256]}", "field 'b': the Avro schema wants bytes, found integer `256`");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":\"\",\"l\":7}", "wants array");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":\"\",\"l\":[],\"m\":[]}", "wants map");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":\"\",\"l\":[],\"m\":{},\"e\":\"C\"}", "wants enum");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":\"\",\"l\":[],\"m\":{},\"e\":\"A\",\"f\":[1]}", "wants fixed");
    refuses(c, HG_PL_JSON, "{\"id\":1,\"b\":\"\",\"l\":[],\"m\":{},\"e\":\"A\",\"f\":\"ab\",\"d\":\"x\"}",
            "wants double");
    refuses(c, HG_PL_JSON, "[]", "the Avro schema wants record");
    refuses(c, HG_PL_TEXT, "nonsense", "not JSON");
    refuses(c, HG_PL_PROTO, "x", "this one is proto");
    hg_codec_free(c);
    c = codec_of("avro", NULL);
    decodes(c, "x", 1, "no Avro schema is known");
    refuses(c, HG_PL_JSON, "1", "no Avro schema is known");
    hg_codec_free(c);
    no_codec("avro", SCHEMA("nonsense"), "avro_schema_json", "the Avro schema");
    no_codec("avro", "{\"avro_schema_path\":\"/nowhere.avsc\"}", "avro_schema_path", "cannot read '/nowhere.avsc'");
    no_codec("avro", "{\"avro_schema_path\":\"/\"}", "avro_schema_path", "'/' is no file");
    no_codec("avro", "{\"avro_schema_path\":7}", "avro_schema_path", "expected a string");
}

static void avro_that_nests_in_itself(void **state)
{
    (void)state;
    hg_codec_t *c = codec_of("avro", SCHEMA("{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"N\\\",\\\"fields\\\":[{"
                                            "\\\"name\\\":\\\"n\\\",\\\"type\\\":[\\\"null\\\",\\\"N\\\"]}]}"));
    encodes(c, HG_PL_JSON, "{\"n\":{\"n\":{}}}", "\x02\x02\x00", 3);
    decodes(c, "\x02\x02\x00", 3, "{\"n\":{\"n\":{\"n\":null}}}");
    char deep[200];
    memset(deep, 2, sizeof deep);
    decodes(c, deep, sizeof deep, "nested deeper than");
    hg_codec_free(c);
}

static void proto_without_a_schema(void **state)
{
    (void)state;
    hg_codec_t *c = codec_of("proto", NULL);
    decodes(c, "\x0a\x01t\x12\x01x", 6, "{\"type_url\":\"t\",\"value\":\"eA==\"}");
    decodes(c, "\xff", 1, "no schema is known");
    decodes(c, "", 0, "an empty message");
    static const char wrapped[] = "\x0a\x2ftype.googleapis.com/google.protobuf.StringValue\x12\x07{\"a\":1}";
    encodes(c, HG_PL_JSON, "{\"a\": 1}", wrapped, sizeof wrapped - 1);
    static const char bytes[] = "\x0a\x2etype.googleapis.com/google.protobuf.BytesValue\x12\x02hi";
    encodes(c, HG_PL_RAW, "hi", bytes, sizeof bytes - 1);
    hg_codec_free(c);
    c = codec_of("proto", "{\"use_any_wrapper\":false}");
    assert_int_equal(decodes(c, "hi", 2, "hi"), HG_PL_RAW);
    encodes(c, HG_PL_JSON, "{\"a\": 1}", "{\"a\":1}", 7);
    hg_codec_free(c);
    c = codec_of("proto", "{\"field_mappings\":{\"value\":\"v\"},\"format_options\":{\"type_url_prefix\":\"p\"}}");
    decodes(c, "\x0a\x01t\x12\x01x", 6, "{\"type_url\":\"t\",\"v\":\"eA==\"}");
    static const char back[] = "\x0a\x1dp/google.protobuf.StringValue\x12\x0b{\"value\":1}";
    encodes(c, HG_PL_JSON, "{\"v\":1}", back, sizeof back - 1);
    hg_codec_free(c);
    no_codec("proto", "{\"field_mappings\":7}", "field_mappings", "an object of names");
    no_codec("proto", "{\"field_mappings\":{\"a\":7}}", "field_mappings", "the new name");
}

static const char proto_file[] = "tests/unit/iggy_codec/event.proto";

static void proto_with_a_schema(void **state)
{
    (void)state;
    if (!module_here("headgate-protobuf.so")) skip();
    hg_buf_t o;
    hg_buf_init(&o, 4096);
    hg_buf_addf(&o, "{\"schema_path\":\"%s\",\"message_type\":\"shop.Event\"}", proto_file);
    hg_codec_t *c = codec_of("proto", o.p);
    static const char wire[] = "\x08\x07\x12\x02hi\x18\x03\x22\x02\x01\x02\x2a\x02\x08\x05\x39\0\0\0\0\0\0\xf8?";
    const char *json = "{\"id\":7,\"name\":\"hi\",\"delta\":-2,\"sizes\":[1,2],\"inner\":{\"n\":5},\"price\":1.5}";
    decodes(c, wire, sizeof wire - 1, json);
    encodes(c, HG_PL_JSON, json, wire, sizeof wire - 1);
    encodes(c, HG_PL_JSON, "{\"price\":1.5,\"inner\":{\"n\":5},\"sizes\":[1,2],\"delta\":-2,\"name\":\"hi\",\"id\":7}",
            wire, sizeof wire - 1);
    encodes(c, HG_PL_JSON, "{\"id\":7,\"unknown\":1}", "\x08\x07", 2);
    refuses(c, HG_PL_JSON, "{\"id\":\"x\"}", "type shop.Event cannot hold it");
    refuses(c, HG_PL_AVRO, "x", "takes json, text, proto and raw");
    decodes(c, "\x08", 1, "no message of type shop.Event");
    /* an Any that says what is in it */
    static const char any[] = "\x0a\x0ct/shop.Event\x12\x02\x08\x09";
    decodes(c, any, sizeof any - 1, "{\"id\":9}");
    hg_codec_free(c);
    hg_buf_clear(&o);
    hg_buf_addf(
        &o, "{\"schema_path\":\"%s\",\"message_type\":\"shop.Event\",\"format_options\":{\"validate_message\":true}}",
        proto_file);
    c = codec_of("proto", o.p);
    refuses(c, HG_PL_JSON, "{\"id\":7,\"unknown\":1}", "unknown");
    hg_codec_free(c);
    hg_buf_clear(&o);
    hg_buf_addf(&o, "{\"schema_path\":\"%s\",\"message_type\":\"shop.Evnt\"}", proto_file);
    no_codec("proto", o.p, "schema_path", "the file has shop.Event, shop.Inner");
    hg_buf_clear(&o);
    hg_buf_addf(&o, "{\"schema_path\":\"%s\"}", proto_file);
    no_codec("proto", o.p, "schema_path", "message_type has to say which");
    no_codec("proto", "{\"schema_path\":\"/nowhere.proto\"}", "schema_path", "nowhere.proto");
    no_codec("proto", "{\"descriptor_set\":[1,300]}", "descriptor_set", "element 1");
    no_codec("proto", "{\"descriptor_set\":7}", "descriptor_set", "an array of bytes");
    no_codec("proto", "{\"descriptor_set\":[255]}", "descriptor_set", "no serialised FileDescriptorSet");
    hg_buf_release(&o);
}

static void flat_buffers_without_a_schema(void **state)
{
    (void)state;
    hg_codec_t *c = codec_of("flat_buffer", NULL);
    decodes(c, "abcd", 4, "{\"buffer_size\":4,\"has_root_table\":true,\"raw_data_base64\":\"YWJjZA==\"}");
    decodes(c, "abc", 3, "3 bytes are too few");
    encodes(c, HG_PL_FLAT_BUFFER, "abcd", "abcd", 4);
    refuses(c, HG_PL_JSON, "{}", "no FlatBuffers schema is known");
    refuses(c, HG_PL_RAW, "abcd", "this one is raw");
    refuses(c, HG_PL_AVRO, "abcd", "this one is avro");
    hg_codec_free(c);
    c = codec_of("flat_buffer", "{\"extract_as_json\":false,\"root_table_name\":\"T\"}");
    assert_int_equal(decodes(c, "abcd", 4, "abcd"), HG_PL_FLAT_BUFFER);
    hg_codec_free(c);
    c = codec_of("flat_buffer", "{\"root_table_name\":\"T\",\"field_mappings\":{\"buffer_size\":\"n\"}}");
    decodes(c, "abcd", 4,
            "{\"n\":4,\"has_root_table\":true,\"root_table_type\":\"T\",\"raw_data_base64\":\"YWJjZA==\"}");
    hg_codec_free(c);
    no_codec("flat_buffer", "{\"schema_path\":\"/nowhere.fbs\"}", "schema_path", "cannot read");
}

/* JSON to a buffer and back. */
static void there_and_back(const hg_codec_t *c, const char *json, const char *want)
{
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p;
    hg_str_t out;
    assert_int_equal(hg_payload_from(HG_PL_JSON, hg_scratch_copy(s, hg_strz(json)), s, &p, &err), 0);
    if (hg_codec_encode(c, s, &p, &out, &err) < 0) fail_msg("%s", err.msg);
    decodes(c, out.p, out.n, want ? want : json);
    for (size_t i = 0; i < out.n; i++) { /* cut short: refused, never followed out of its bounds */
        hg_payload_t cut;
        hg_str_t part = hg_scratch_copy(s, (hg_str_t){ out.p, i });
        if (hg_codec_decode(c, s, part, &cut, &err) == 0) assert_int_equal(cut.kind, HG_PL_JSON);
    }
    hg_scratch_free(s);
}

static void flat_buffers_with_a_schema(void **state)
{
    (void)state;
    if (!module_here("headgate-flatbuffers.so")) skip();
    hg_codec_t *c = codec_of("flat_buffer", "{\"schema_path\":\"tests/unit/iggy_codec/event.fbs\"}");
    const char *json =
        "{\"id\":18446744073709551615,\"name\":\"a\\\"b\\u000a\",\"color\":\"Green\",\"at\":{\"x\":0.5,\"y\":0.1},"
        "\"sizes\":[-1,2],\"parts\":[{\"n\":1},{}],\"points\":[{\"x\":1,\"y\":2}],\"tags\":[\"x\",\"\"],"
        "\"any_type\":\"Inner\",\"any\":{\"n\":7},\"flag\":true,\"price\":0.30000000000000004}";
    there_and_back(c, json, NULL);
    there_and_back(c, "{}", NULL);
    there_and_back(c, "{\"any_type\":\"Point\",\"any\":{\"x\":1,\"y\":2}}", NULL);
    there_and_back(c, "{\"nope\":[{}],\"id\":5}", "{\"id\":5}");
    refuses(c, HG_PL_JSON, "{\"id\":\"x\"}", "table shop.Event cannot hold it");
    refuses(c, HG_PL_TEXT, "x", "not JSON");
    refuses(c, HG_PL_RAW, "abcdefgh", "no FlatBuffer of table shop.Event");
    decodes(c, "abcdefgh", 8, "no FlatBuffer of table shop.Event");
    hg_codec_free(c);
    c = codec_of("flat_buffer", "{\"schema_path\":\"tests/unit/iggy_codec/event.fbs\",\"strict_mode\":true,"
                                "\"root_table_name\":\"shop.Inner\"}");
    there_and_back(c, "{\"n\":3}", NULL);
    refuses(c, HG_PL_JSON, "{\"x\":3}", "unknown field: x");
    hg_codec_free(c);
    no_codec("flat_buffer", "{\"schema_path\":\"tests/unit/iggy_codec/event.fbs\",\"root_table_name\":\"shop.Point\"}",
             "schema_path", "there is no table 'shop.Point'; the schema has");
    no_codec("flat_buffer", "{\"schema_path\":\"tests/unit/iggy_codec/event.proto\"}", "schema_path", "event.proto");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_schemas),
        cmocka_unit_test(tags_of_plugins),
        cmocka_unit_test(anys),
        cmocka_unit_test(avro_both_ways),
        cmocka_unit_test(avro_that_nests_in_itself),
        cmocka_unit_test(proto_without_a_schema),
        cmocka_unit_test(proto_with_a_schema),
        cmocka_unit_test(flat_buffers_without_a_schema),
        cmocka_unit_test(flat_buffers_with_a_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
