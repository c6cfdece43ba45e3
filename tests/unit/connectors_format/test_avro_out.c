/* Avro records out: bytes of every type, schemas that are made, messages per update format, what is refused, ids. */
#include "tests/unit/connectors_format/kit.h"
#include "connectors/format/avro_int.h"

static const col_spec_t two[] = { { "id", HG_T_BIGINT, false, 0, 0, NULL }, { "s", HG_T_VARCHAR, true, 0, 0, NULL } };
static const uint32_t first_column[] = { 0 };

static hg_buf_t g_seen; /* messages: "key hex:value hex op\n" */

static int see(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    (void)err;
    assert_int_equal(n, 1);
    hg_hex_print(&g_seen, hg_buf_str(s->key));
    hg_buf_addc(&g_seen, ':');
    hg_hex_print(&g_seen, hg_buf_str(s->buf));
    hg_buf_addf(&g_seen, " %s\n", s->op ? s->op : "-");
    hg_buf_clear(s->key);
    hg_buf_clear(s->buf);
    s->op = NULL;
    return 0;
}

static int start(kit_t *k, const char *cfg, bool index, const char *topic)
{
    hg_encode_env_t env = { .schema = &k->schema,
                            .key = index ? first_column : NULL,
                            .n_key = index,
                            .index = index ? "ix" : NULL,
                            .topic = topic,
                            .want_messages = true,
                            .max_message = 60 };
    char *json = hg_arena_strndup(k->a, cfg, strlen(cfg));
    for (char *c = json; *c; c++)
        if (*c == '\'') *c = '"';
    int rc = k->f->encoder_new(kit_cfg(k, k->f->out_opts, k->f->out_cfg, json), &env, &k->encoder, &k->err);
    if (rc < 0) return rc;
    k->sink = (hg_encode_sink_t){ .buf = &k->bytes, .key = &k->key, .message = see, .arg = k };
    hg_buf_clear(&g_seen);
    hg_buf_adds(&g_seen, "");
    return 0;
}

static void add(kit_t *k, int64_t id, const char *s)
{
    hg_colb_t *cols = k->out.changes.cols;
    assert_int_equal(hg_colb_i64(&cols[0], id), 0);
    assert_int_equal(s ? hg_colb_var(&cols[1], s, strlen(s)) : hg_colb_null(&cols[1]), 0);
    assert_int_equal(hg_changeb_row(&k->out.changes, HG_OP_INSERT, NULL), 0);
}

/* --- messages --- */

static void test_messages(void **state)
{
    /* 1 a → gone, 1 c → there, 2 b → gone, 3 NULL → there */
    static const int64_t weights[] = { -1, 1, -1, 1 };
    static const struct {
        const char *cfg;
        bool index;
        const char *seen;
    } cases[] = {
        { "{}", false,
          ":0000000000020202"
          "61 delete\n:0000000000040202"
          "62 delete\n:0000000000020202"
          "63 insert\n:00000000000600 insert\n" },
        { "{'skip_schema_id':true}", false,
          ":020202"
          "61 delete\n:040202"
          "62 delete\n:020202"
          "63 insert\n:0600 insert\n" },
        { "{'skip_schema_id':true,'update_format':'confluent_jdbc'}", false,
          "02020261: -\n04020262: -\n02020263:02020263 -\n0600:0600 -\n" },
        { "{'skip_schema_id':true,'update_format':'confluent_jdbc'}", true, "04: -\n02:02020263 -\n06:0600 -\n" },
        { "{'skip_schema_id':true}", true, "04:04020262 delete\n02:02020263 update\n06:0600 insert\n" },
        { "{'skip_schema_id':true,'key_mode':'none','cdc_field':'x'}", true,
          ":040202620244 delete\n:020202630255 update\n:06000249 insert\n" },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        kit_t k;
        kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
        assert_int_equal(start(&k, cases[i].cfg, cases[i].index, NULL), 0);
        add(&k, 1, "a");
        add(&k, 1, "c");
        add(&k, 2, "b");
        add(&k, 3, NULL);
        assert_int_equal(kit_encode(&k, weights), 0);
        assert_string_equal(g_seen.p, cases[i].seen);
        kit_free(&k);
    }
}

static void test_errors(void **state)
{
    kit_t k;
    (void)state;
    kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
    assert_int_equal(start(&k, "{}", false, NULL), 0);
    add(&k, 1, "a long text that is beyond what the transport takes as one message");
    add(&k, 2, "b");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_int_equal(k.sink.left_out, 1);
    assert_int_equal(k.sink.records, 1);
    assert_string_equal(k.sink.why.msg,
                        "Avro record exceeds maximum buffer size supported by the output transport: 75 bytes, "
                        "at most 60");
    kit_free(&k);

    kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
    assert_int_equal(start(&k, "{}", true, NULL), 0);
    add(&k, 1, "a");
    add(&k, 1, "b");
    add(&k, 2, "c");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_int_equal(k.sink.left_out, 1);
    assert_int_equal(k.sink.records, 1);
    assert_string_equal(k.sink.why.msg,
                        "the index is no unique key of 't': one key has the updates +1 (1,\"a\"), +1 (1,\"b\")");
    kit_free(&k);
}

/* --- registering --- */

static void asked(kit_t *k, const char *path, const char *body, int status, const char *answer, int rc, const char *msg)
{
    hg_ask_t q;
    hg_err_t err = HG_ERR_INIT;
    assert_true(k->f->encoder_ask(k->encoder, &q));
    assert_string_equal(q.path, path);
    assert_string_equal(q.method, "POST");
    if (body) assert_string_equal(q.body.p, body);
    assert_int_equal(k->f->encoder_answer(k->encoder, status, hg_strz(answer), &err), rc);
    assert_string_equal(err.msg, msg);
}

static void test_registering(void **state)
{
    static const char *const strategies[][3] = {
        { "topic_name", "/subjects/top%2Fic-key/versions", "/subjects/top%2Fic-value/versions" },
        { "record_name", "/subjects/a.ix/versions", "/subjects/a.t/versions" },
        { "topic_record_name", "/subjects/top%2Fic-a.ix-key/versions", "/subjects/top%2Fic-a.t-value/versions" },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(strategies); i++) {
        kit_t k;
        hg_ask_t q;
        char cfg[160];
        snprintf(cfg, sizeof cfg, "{'registry_urls':['http://r'],'namespace':'a','subject_name_strategy':'%s'}",
                 strategies[i][0]);
        kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
        assert_int_equal(start(&k, cfg, true, "top/ic"), 0);
        asked(&k, strategies[i][1],
              "{\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"ix\\\",\\\"namespace\\\":\\\"a\\\","
              "\\\"fields\\\":["
              "{\\\"name\\\":\\\"id\\\",\\\"type\\\":\\\"long\\\"}]}\"}",
              200, "{\"id\":258}", 0, "");
        asked(&k, strategies[i][2], NULL, 200, "{\"id\":3}", 0, "");
        assert_false(k.f->encoder_ask(k.encoder, &q));
        add(&k, 1, NULL);
        assert_int_equal(kit_encode(&k, NULL), 0);
        assert_string_equal(g_seen.p, "000000010202:00000000030200 insert\n");
        kit_free(&k);
    }
}

static void test_refusals_of_the_registry(void **state)
{
    kit_t k;
    hg_ask_t q;
    (void)state;
    kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
    assert_int_equal(start(&k, "{'registry_urls':['http://r']}", false, NULL), 0);
    asked(&k, "/subjects/t/versions", NULL, 503, "", HG_EAGAIN,
          "schema of subject 't': the schema registry answers 503");
    asked(&k, "/subjects/t/versions", NULL, 409, "{\"message\":\"no\"}", HG_ENOTFOUND,
          "schema of subject 't': the schema registry answers 409: no");
    asked(&k, "/subjects/t/versions", NULL, 403, "", HG_EPERM,
          "schema of subject 't': the schema registry answers 403");
    asked(&k, "/subjects/t/versions", NULL, 200, "{}", HG_EPROTO,
          "schema of subject 't': the answer of the schema registry has no \"id\"");
    asked(&k, "/subjects/t/versions", NULL, 200, "{\"id\":4294967295}", 0, "");
    assert_false(k.f->encoder_ask(k.encoder, &q));
    add(&k, 1, NULL);
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(g_seen.p, ":00ffffffff0200 insert\n");
    kit_free(&k);
}

/* --- configuration --- */

static void test_config(void **state)
{
    static const struct {
        const char *cfg;
        bool index;
        const char *option, *msg;
    } bad[] = {
        { "{'update_format':'debezium'}", false, "update_format",
          "'debezium' update format is not supported for output Avro streams" },
        { "{'key_mode':'none','update_format':'confluent_jdbc'}", true, "key_mode",
          "'key_mode' is only for the update format 'raw'" },
        { "{'key_mode':'key_fields'}", false, "key_mode",
          "key mode 'key_fields' needs the connector's 'index': \"index\": \"i\" beside CREATE INDEX i ON t(…)" },
        { "{'cdc_field':'op'}", false, "cdc_field",
          "'cdc_field' needs the update format 'raw' and the connector's 'index'" },
        { "{'cdc_field':'S'}", true, "cdc_field", "the view has a column 'S' already" },
        { "{'cdc_field':'1'}", true, "cdc_field", "'1' is no name in Avro: letters, digits and _, no digit first" },
        { "{'registry_urls':['http://r'],'subject_name_strategy':'topic_name'}", false, "subject_name_strategy",
          "this output transport has no topic to name a subject after: use 'record_name'" },
        { "{'schema':'{'}", false, "schema",
          "error validating Avro schema: expected a member name in quotes at line 1 column 2" },
        { "{'schema':'\\\"int\\\"'}", false, "schema",
          "error validating Avro schema: the schema is 'int': expected a record" },
        { "{'namespace':'a','schema':'{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"r\\\",\\\"fields\\\":[]}'}", false,
          "schema", "error validating Avro schema: column 'id' has no field in the schema" },
        { "{'schema':'{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"r\\\",\\\"fields\\\":[{\\\"name\\\":\\\"x\\\","
          "\\\"type\\\":\\\"int\\\"}]}'}",
          false, "schema", "error validating Avro schema: field 'x' of the schema is no column of the view" },
        { "{'schema':'{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"r\\\",\\\"fields\\\":[{\\\"name\\\":\\\"ID\\\","
          "\\\"type\\\":\\\"int\\\"}]}'}",
          false, "schema", "error validating Avro schema: column 'id': BIGINT cannot be written as Avro type 'int'" },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        kit_t k;
        kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
        assert_int_equal(start(&k, bad[i].cfg, bad[i].index, NULL), HG_EINVALENCODER);
        assert_string_equal(k.err.msg, bad[i].msg);
        assert_string_equal(k.err.path, bad[i].option);
        kit_free(&k);
    }
}

static int g_setup(void **state)
{
    (void)state;
    hg_buf_init(&g_seen, HG_BUF_NOMAX);
    return 0;
}

static int g_teardown(void **state)
{
    (void)state;
    hg_buf_release(&g_seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_registering), cmocka_unit_test(test_refusals_of_the_registry),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, g_setup, g_teardown);
}
