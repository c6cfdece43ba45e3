/* The format conversions: every pair, by schema and without. */
#include "tests/unit/iggy_transform/kit.h"

static void gives(const char *transforms, hg_plkind_t tag, const char *in, hg_plkind_t kind, const char *out)
{
    result_t r = through(transforms, tag, in, strlen(in));
    if (r.rc < 0) fail_msg("%s", r.text);
    assert_string_equal(r.text, out);
    assert_int_equal(r.kind, kind);
}

static void fails(const char *transforms, hg_plkind_t tag, const char *in, const char *words)
{
    result_t r = through(transforms, tag, in, strlen(in));
    assert_true(r.rc < 0);
    if (!strstr(r.text, words)) fail_msg("%s", r.text);
}

#define PROTO(from, to, more)                                                                                          \
    "[{\"type\":\"proto_convert\",\"source_format\":\"" from "\",\"target_format\":\"" to "\"" more "}]"
#define MAP ",\"field_mappings\":{\"a\":\"b\"}"

static void proto_without_a_schema(void **state)
{
    (void)state;
    /* Bytes that are no Any come as raw, text as proto by the step before. */
    gives(PROTO("proto", "json", ""), HG_PL_RAW, "\x0a\x01t\x12\x01x", HG_PL_JSON,
          "{\"type_url\":\"t\",\"value\":\"eA==\"}");
    gives(PROTO("proto", "json", ",\"conversion_options\":{\"include_metadata\":true}"), HG_PL_RAW,
          "\x0a\x01t\x12\x01x", HG_PL_JSON,
          "{\"data\":{\"type_url\":\"t\",\"value\":\"eA==\"},\"metadata\":{\"converted_from\":\"protobuf_any\","
          "\"timestamp\":1795219818570}}");
    gives(PROTO("proto", "json", ""), HG_PL_RAW, "\xff", HG_PL_JSON,
          "{\"binary_data\":\"/w==\",\"format\":\"raw_binary\"}");
    gives(PROTO("proto", "text", ""), HG_PL_RAW, "\xff", HG_PL_TEXT, "# Protobuf\nbinary_data: \"/w==\"");
    gives(PROTO("proto", "text", ""), HG_PL_RAW, "\x0a\x01t\x12\x01x", HG_PL_TEXT,
          "# google.protobuf.Any\ntype_url: \"t\"\nvalue: \"eA==\"");
    gives(PROTO("proto", "raw", ""), HG_PL_RAW, "\xff", HG_PL_RAW, "\xff");
    gives(PROTO("proto", "avro", ""), HG_PL_RAW, "\xff", HG_PL_AVRO, "\xff");
    gives(PROTO("proto", "flat_buffer", ""), HG_PL_RAW, "\xff", HG_PL_FLAT_BUFFER, "\xff");
    gives(PROTO("proto", "json", ""), HG_PL_JSON, "{\"a\":1}", HG_PL_JSON, "{\"a\":1}"); /* a codec has done it */
    fails(PROTO("proto", "json", ""), HG_PL_TEXT, "x", "proto_convert: it converts proto messages, this one is text");
    gives(PROTO("json", "proto", MAP), HG_PL_JSON, "{\"a\":1}", HG_PL_PROTO, "{\"b\":1}");
    gives(PROTO("text", "proto", ""), HG_PL_TEXT, "x: 1", HG_PL_PROTO, "x: 1");
    gives(PROTO("raw", "proto", ""), HG_PL_RAW, "x: 1", HG_PL_PROTO, "x: 1");
    gives(PROTO("raw", "proto", ""), HG_PL_RAW, "\xff", HG_PL_PROTO, "binary_data: \"/w==\"");
    gives(PROTO("avro", "proto", ""), HG_PL_AVRO, "\xff", HG_PL_PROTO, "binary_data: \"/w==\"");
    gives(PROTO("json", "text", ",\"conversion_options\":{\"pretty_json\":true}"), HG_PL_JSON,
          "{\"a\":[1,{}],\"b\":\"x:,\\\"{\"}", HG_PL_TEXT,
          "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x:,\\\"{\"\n}");
    gives(PROTO("json", "raw", ""), HG_PL_JSON, "{\"a\": 1}", HG_PL_RAW, "{\"a\":1}");
    gives(PROTO("text", "json", ""), HG_PL_TEXT, "{\"a\": 1}", HG_PL_JSON, "{\"a\":1}");
    fails(PROTO("raw", "json", ""), HG_PL_RAW, "{\"a\"", "proto_convert: not JSON");
    gives(PROTO("json", "json", MAP), HG_PL_JSON, "{\"b\":2,\"a\":1}", HG_PL_JSON, "{\"b\":1}");
    /* proto text: JSON, or described */
    gives("[{\"type\":\"proto_convert\",\"source_format\":\"text\",\"target_format\":\"proto\"},"
          "{\"type\":\"proto_convert\",\"source_format\":\"proto\",\"target_format\":\"json\"}]",
          HG_PL_TEXT, "x: \"1\"", HG_PL_JSON, "{\"proto_text\":\"x: \\\"1\\\"\",\"format\":\"text\"}");
    gives("[{\"type\":\"proto_convert\",\"source_format\":\"json\",\"target_format\":\"proto\"},"
          "{\"type\":\"proto_convert\",\"source_format\":\"proto\",\"target_format\":\"json\","
          "\"conversion_options\":{\"include_metadata\":true},\"message_type\":\"m.T\"}]",
          HG_PL_JSON, "{\"a\":1}", HG_PL_JSON,
          "{\"data\":{\"a\":1},\"metadata\":{\"converted_from\":\"protobuf\",\"timestamp\":1795219818570,\"message_"
          "type\":\"m.T\"}}");
    refused(PROTO("text", "avro", ""), "transforms[0].target_format", "text does not become avro here");
    refused(PROTO("xml", "json", ""), "transforms[0].source_format", "schema 'xml' is unknown");
    refused(PROTO("json", "proto", ",\"field_mappings\":[]"), "transforms[0].field_mappings", "an object of names");
    refused(PROTO("json", "proto", ",\"conversion_options\":7"), "transforms[0].conversion_options",
            "an object with options");
    refused("[{\"type\":\"proto_convert\",\"target_format\":\"json\"}]", "transforms[0]", "`source_format`");
}

#define TYPED ",\"schema_path\":\"tests/unit/iggy_codec/event.proto\",\"message_type\":\"shop.Event\""

static void proto_with_a_schema(void **state)
{
    (void)state;
    if (!module_here("headgate-protobuf.so")) skip();
    gives(PROTO("json", "proto", TYPED MAP), HG_PL_JSON, "{\"name\":\"x\",\"id\":7,\"a\":1}", HG_PL_RAW,
          "\x08\x07\x12\x01x");
    gives(PROTO("text", "proto", TYPED), HG_PL_TEXT, "{\"id\":\"7\"}", HG_PL_RAW, "\x08\x07");
    fails(PROTO("text", "proto", TYPED), HG_PL_TEXT, "x", "the text is no JSON");
    gives(PROTO("proto", "json", TYPED), HG_PL_RAW, "\x08\x07\x12\x01x", HG_PL_JSON, "{\"id\":7,\"name\":\"x\"}");
    fails(PROTO("proto", "json", TYPED), HG_PL_RAW, "\x08", "no message of type shop.Event");
    fails(PROTO("json", "proto", TYPED ",\"conversion_options\":{\"strict_mode\":true}"), HG_PL_JSON, "{\"x\":1}",
          "cannot hold it");
    refused(PROTO("json", "proto", ",\"schema_path\":\"/nowhere.proto\""), "transforms[0].schema_path", "nowhere");
}

#define AVRO(from, to, more)                                                                                           \
    "[{\"type\":\"avro_convert\",\"source_format\":\"" from "\",\"target_format\":\"" to "\"" more "}]"
#define SCHEMA                                                                                                         \
    ",\"schema_json\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"R\\\",\\\"fields\\\":[{\\\"name\\\":\\\"b\\\","  \
    "\\\"type\\\":\\\"int\\\"}]}\""

static void avro(void **state)
{
    (void)state;
    gives(AVRO("json", "avro", SCHEMA MAP), HG_PL_JSON, "{\"a\":7}", HG_PL_AVRO, "\x0e");
    gives(AVRO("text", "avro", SCHEMA MAP), HG_PL_TEXT, "{\"a\":7}", HG_PL_AVRO, "\x0e");
    gives(AVRO("avro", "json", SCHEMA ",\"field_mappings\":{\"b\":\"a\"}"), HG_PL_AVRO, "\x0e", HG_PL_JSON,
          "{\"a\":7}");
    gives(AVRO("avro", "json", SCHEMA), HG_PL_JSON, "{\"b\":7}", HG_PL_JSON, "{\"b\":7}");
    gives(AVRO("avro", "text", ""), HG_PL_AVRO, "\x0e", HG_PL_TEXT, "Dg==");
    gives(AVRO("avro", "raw", ""), HG_PL_AVRO, "\x0e", HG_PL_RAW, "\x0e");
    gives(AVRO("raw", "avro", ""), HG_PL_RAW, "\x0e", HG_PL_AVRO, "\x0e");
    gives(AVRO("json", "text", MAP), HG_PL_JSON, "{\"a\":7}", HG_PL_JSON, "{\"b\":7}"); /* a pair that does nothing */
    fails(AVRO("json", "avro", SCHEMA), HG_PL_JSON, "{\"b\":\"x\"}",
          "avro_convert: field 'b': the Avro schema wants int");
    fails(AVRO("text", "avro", SCHEMA), HG_PL_TEXT, "x", "not JSON");
    fails(AVRO("avro", "json", SCHEMA), HG_PL_AVRO, "\x0e\x0e", "follow the value");
    fails(AVRO("avro", "json", SCHEMA), HG_PL_AVRO, "", "an empty message");
    fails(AVRO("avro", "json", SCHEMA), HG_PL_TEXT, "x", "it converts avro messages, this one is text");
    refused(AVRO("json", "avro", ""), "transforms[0]", "an Avro schema is needed");
    refused(AVRO("json", "avro", ",\"schema_json\":\"x\""), "transforms[0].schema_json", "the Avro schema");
    refused(AVRO("json", "avro", ",\"schema_path\":\"/nowhere\""), "transforms[0].schema_path", "cannot read");
}

#define FLAT(from, to, more)                                                                                           \
    "[{\"type\":\"flat_buffer_convert\",\"source_format\":\"" from "\",\"target_format\":\"" to "\"" more "}]"
#define TABLE ",\"schema_path\":\"tests/unit/iggy_codec/event.fbs\",\"root_table_name\":\"shop.Inner\""

static void flat_buffers(void **state)
{
    (void)state;
    gives(FLAT("flat_buffer", "json", MAP), HG_PL_FLAT_BUFFER, "abcd", HG_PL_JSON,
          "{\"buffer_size\":4,\"has_root_table\":true,\"raw_data_base64\":\"YWJjZA==\"}");
    gives(FLAT("flatbuffer", "text", ""), HG_PL_FLAT_BUFFER, "abcd", HG_PL_TEXT, "YWJjZA==");
    gives(FLAT("flat_buffer", "raw", ""), HG_PL_FLAT_BUFFER, "abcd", HG_PL_RAW, "abcd");
    gives(FLAT("json", "json", MAP), HG_PL_JSON, "{\"a\":1}", HG_PL_JSON, "{\"b\":1}");
    gives(FLAT("flat_buffer", "json", ""), HG_PL_JSON, "{\"a\":1}", HG_PL_JSON, "{\"a\":1}");
    fails(FLAT("flat_buffer", "json", ""), HG_PL_FLAT_BUFFER, "abc", "too few");
    fails(FLAT("flat_buffer", "json", ""), HG_PL_TEXT, "abc", "it converts flat_buffer messages");
    refused(FLAT("text", "flat_buffer", ""), "transforms[0].target_format", "text does not become flat_buffer");
    refused(FLAT("json", "flat_buffer", ""), "transforms[0]", "give schema_path");
    refused(FLAT("json", "flat_buffer", ",\"schema_path\":\"/nowhere.fbs\""), "transforms[0].schema_path",
            "cannot read");
    if (!module_here("headgate-flatbuffers.so")) skip();
    gives("[{\"type\":\"flat_buffer_convert\",\"source_format\":\"json\",\"target_format\":\"flat_buffer\"" TABLE MAP
          "},"
          "{\"type\":\"flat_buffer_convert\",\"source_format\":\"flat_buffer\",\"target_format\":\"json\"" TABLE "}]",
          HG_PL_JSON, "{\"n\":5,\"a\":1}", HG_PL_JSON, "{\"n\":5}");
    fails(FLAT("json", "flat_buffer", TABLE), HG_PL_JSON, "{\"n\":[]}", "table shop.Inner cannot hold it");
}

static void kinds_are_known_beforehand(void **state)
{
    (void)state;
    static const struct {
        const char *chain;
        hg_plkind_t in, out;
    } rows[] = {
        { PROTO("proto", "json", ""), HG_PL_RAW, HG_PL_JSON },
        { PROTO("proto", "json", ""), HG_PL_TEXT, HG_PL_TEXT },
        { PROTO("json", "text", ""), HG_PL_JSON, HG_PL_TEXT },
        { AVRO("avro", "raw", ""), HG_PL_AVRO, HG_PL_RAW },
        { AVRO("json", "text", ""), HG_PL_JSON, HG_PL_JSON },
        { AVRO("raw", "avro", ""), HG_PL_RAW, HG_PL_AVRO },
        { FLAT("flat_buffer", "raw", ""), HG_PL_FLAT_BUFFER, HG_PL_RAW },
        { "[]", HG_PL_PROTO, HG_PL_PROTO },
    };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_chain_t *c = chain_of(rows[i].chain);
        assert_int_equal(hg_chain_kind(c, rows[i].in), rows[i].out);
        assert_null(hg_chain_varies(c));
        hg_chain_free(c);
    }
    hg_chain_t *c = chain_of(PROTO("proto", "json", ",\"conversion_options\":{\"include_metadata\":true}"));
    assert_string_equal(hg_chain_varies(c), "proto_convert");
    hg_chain_free(c);
}

static void policies(void **state)
{
    (void)state;
    hg_on_failure_t f;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_on_failure_find(HG_S("dead_letter"), &f, &err), 0);
    assert_string_equal(hg_on_failure_name(f), "dead_letter");
    assert_int_equal(hg_on_failure_find(HG_S("drop"), &f, &err), HG_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proto_without_a_schema),
        cmocka_unit_test(proto_with_a_schema),
        cmocka_unit_test(avro),
        cmocka_unit_test(flat_buffers),
        cmocka_unit_test(kinds_are_known_beforehand),
        cmocka_unit_test(policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
