/* Names, tags, descriptions, runtime_config and program_config: what is accepted, how it is completed, what is refused.
 */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "manager/config_int.h"

static const char all_defaults[] =
    "{\"workers\":8,\"max_rss_mb\":null,\"datafusion_memory_mb\":null,\"hosts\":1,"
    "\"storage\":{\"backend\":{\"name\":\"default\"},\"min_storage_bytes\":null,\"min_step_storage_bytes\":null,"
    "\"compression\":\"default\",\"cache_mib\":null},"
    "\"fault_tolerance\":{\"model\":\"none\",\"checkpoint_interval_secs\":60},\"cpu_profiler\":true,\"tracing\":false,"
    "\"tracing_endpoint_jaeger\":\"127.0.0.1:6831\",\"min_batch_size_records\":0,\"max_buffering_delay_usecs\":0,"
    "\"resources\":{\"cpu_cores_min\":null,\"cpu_cores_max\":null,\"memory_mb_min\":null,\"memory_mb_max\":null,"
    "\"storage_mb_max\":null,\"storage_class\":null,\"service_account_name\":null,\"namespace\":null},"
    "\"clock_resolution_usecs\":1000000,\"clock_timezone_offset\":null,\"pin_cpus\":[],\"provisioning_timeout_secs\":"
    "null,"
    "\"max_parallel_connector_init\":null,\"init_containers\":null,\"checkpoint_during_suspend\":true,\"http_workers\":"
    "null,"
    "\"io_workers\":null,\"env\":{},\"dev_tweaks\":{},\"logging\":null,\"pipeline_template_configmap\":null}";

typedef int (*normaliser_t)(const hg_json_t *v, char **ret, hg_err_t *err);

/* The normalised text, or NULL with the message in err. */
static char *normal(normaliser_t fn, const char *json, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    char *out = NULL;
    *err = HG_ERR_INIT;
    if (json) assert_int_equal(hg_json_parse(a, hg_strz(json), &v, err), 0);
    int rc = fn(v, &out, err);
    assert_true((rc == 0) == (out != NULL));
    hg_arena_free(a);
    return out;
}

static void test_runtime_defaults(void **state)
{
    (void)state;
    static const char *const empty[] = { NULL, "null", "{}", "{\"unknown\":1}" };
    for (size_t i = 0; i < HG_COUNT(empty); i++) {
        hg_err_t err;
        char *out = normal(hg_runtime_config, empty[i], &err);
        assert_string_equal(out, all_defaults);
        hg_free(out);
    }
}

static void test_runtime_members(void **state)
{
    (void)state;
    static const struct {
        const char *in, *expect;
    } t[] = {
        { "{\"workers\":65535}", "\"workers\":65535," },
        { "{\"max_rss_mb\":18446744073709551615}", "\"max_rss_mb\":18446744073709551615," },
        { "{\"storage\":true}", "\"storage\":{\"backend\":{\"name\":\"default\"}," },
        { "{\"storage\":false}", "\"storage\":null," },
        { "{\"storage\":null}", "\"storage\":null," },
        { "{\"storage\":{\"bloom_false_positive_rate\":0.001}}",
          "\"cache_mib\":null,\"bloom_false_positive_rate\":0.001}" },
        { "{\"storage\":{\"backend\":{\"name\":\"file\",\"config\":{}}}}",
          "{\"name\":\"file\",\"config\":{\"async_threads\":null,\"ioop_delay\":null,\"sync\":null}}" },
        { "{\"storage\":{\"backend\":{\"name\":\"object\",\"config\":{\"url\":\"s3://b\",\"x\":\"y\"}}}}",
          "{\"name\":\"object\",\"config\":{\"url\":\"s3://b\",\"x\":\"y\"}}" },
        { "{\"fault_tolerance\":null}", "\"fault_tolerance\":{\"model\":\"none\",\"checkpoint_interval_secs\":60}" },
        { "{\"fault_tolerance\":{}}", "{\"model\":\"exactly_once\",\"checkpoint_interval_secs\":60}" },
        { "{\"fault_tolerance\":\"latest_checkpoint\"}",
          "{\"model\":\"exactly_once\",\"checkpoint_interval_secs\":60}" },
        { "{\"fault_tolerance\":{\"model\":\"at_least_once\",\"checkpoint_interval_secs\":5}}",
          "{\"model\":\"at_least_once\",\"checkpoint_interval_secs\":5}" },
        { "{\"clock_resolution_usecs\":null}", "\"clock_resolution_usecs\":null" },
        { "{\"clock_timezone_offset\":\"+05:30\"}", "\"clock_timezone_offset\":\"+05:30\"" },
        { "{\"resources\":{\"cpu_cores_max\":0.5}}", "\"cpu_cores_max\":0.5" },
        { "{\"env\":{\"A\":\"b\"}}", "\"env\":{\"A\":\"b\"}" },
        { "{\"dev_tweaks\":{\"headgate\":{\"queue_mib\":4}}}", "\"dev_tweaks\":{\"headgate\":{\"queue_mib\":4}}" },
        { "{\"pipeline_template_configmap\":{\"name\":\"n\"}}", "{\"name\":\"n\",\"key\":\"pipelineTemplate\"}" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_err_t err;
        char *out = normal(hg_runtime_config, t[i].in, &err);
        assert_non_null(out);
        if (!strstr(out, t[i].expect)) fail_msg("%s gave %s", t[i].in, out);
        /* Normalising is a fixed point. */
        char *again = normal(hg_runtime_config, out, &err);
        assert_string_equal(again, out);
        hg_free(again);
        hg_free(out);
    }
}

static void test_runtime_refused(void **state)
{
    (void)state;
    static const struct {
        const char *in, *says;
    } t[] = {
        { "[]", "runtime_config: expected an object" },
        { "{\"workers\":\"8\"}", "workers: expected a whole number, found a string" },
        { "{\"workers\":65536}", "workers: expected a whole number from 0 to 65535" },
        { "{\"workers\":1.5}", "workers: expected a whole number" },
        { "{\"workers\":null}", "workers: expected a value" },
        { "{\"cpu_profiler\":1}", "cpu_profiler: expected a boolean" },
        { "{\"storage\":\"yes\"}", "storage: expected an object" },
        { "{\"storage\":{\"compression\":\"zip\"}}", "storage.compression: unknown variant 'zip'" },
        { "{\"storage\":{\"compression\":\"none|snappy\"}}", "unknown variant 'none|snappy'" },
        { "{\"storage\":{\"compression\":\"none\\u0000\"}}", "unknown variant 'none" },
        { "{\"storage\":{\"backend\":{}}}", "storage.backend: missing field 'name'" },
        { "{\"storage\":{\"backend\":{\"name\":\"tape\",\"config\":{}}}}", "unknown variant 'tape'" },
        { "{\"storage\":{\"backend\":{\"name\":\"file\"}}}", "missing field 'config'" },
        { "{\"storage\":{\"backend\":{\"name\":\"file\",\"config\":{\"sync\":{}}}}}", "missing field 'bucket'" },
        { "{\"storage\":{\"backend\":{\"name\":\"object\",\"config\":{}}}}", "missing field 'url'" },
        { "{\"fault_tolerance\":\"always\"}", "fault_tolerance: unknown variant 'always'" },
        { "{\"fault_tolerance\":{\"model\":\"twice\"}}", "fault_tolerance.model: unknown variant 'twice'" },
        { "{\"resources\":{\"memory_mb_max\":-1}}", "resources.memory_mb_max" },
        { "{\"clock_timezone_offset\":\"5h\"}", "expected an offset like '+05:30'" },
        { "{\"pin_cpus\":[\"a\"]}", "pin_cpus: expected whole numbers" },
        { "{\"env\":null}", "env: expected an object" },
        { "{\"env\":{\"A\":1}}", "env: expected values that are strings" },
        { "{\"env\":{\"A=B\":\"\"}}", "cannot be the name" },
        { "{\"env\":{\"RUST_LOG\":\"x\"}}", "'RUST_LOG' is reserved" },
        { "{\"env\":{\"FELDERA_X\":\"x\"}}", "'FELDERA_X' is reserved" },
        { "{\"env\":{\"KUBERNETES_X\":\"x\"}}", "reserved" },
        { "{\"env\":{\"TOKIO_X\":\"x\"}}", "reserved" },
        { "{\"env\":{\"HOSTNAME\":\"x\"}}", "reserved" },
        { "{\"dev_tweaks\":null}", "dev_tweaks: expected an object" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_err_t err;
        char *out = normal(hg_runtime_config, t[i].in, &err);
        if (out) fail_msg("%s was accepted: %s", t[i].in, out);
        if (!strstr(err.msg, t[i].says)) fail_msg("%s: %s", t[i].in, err.msg);
    }
}

static void test_program_config(void **state)
{
    (void)state;
    hg_err_t err;
    char *out = normal(hg_program_config, "null", &err);
    assert_string_equal(out,
                        "{\"profile\":null,\"cache\":true,\"runtime_version\":null,\"use_platform_compiler\":false}");
    hg_free(out);
    out = normal(hg_program_config, "{\"profile\":\"dev\",\"cache\":false}", &err);
    assert_string_equal(
        out, "{\"profile\":\"dev\",\"cache\":false,\"runtime_version\":null,\"use_platform_compiler\":false}");
    hg_free(out);
    assert_null(normal(hg_program_config, "{\"profile\":\"fast\"}", &err));
    assert_non_null(strstr(err.msg, "dev|unoptimized|optimized"));
}

static unsigned restricted(const char *before, const char *after, char *out, size_t cap)
{
    hg_err_t err;
    hg_buf_t b;
    hg_jw_t w;
    char *x = normal(hg_runtime_config, before, &err), *y = normal(hg_runtime_config, after, &err);
    hg_buf_init(&b, 4096);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    unsigned n = hg_runtime_config_restricted(x, y, &w);
    hg_jw_end_arr(&w);
    snprintf(out, cap, "%s", b.p);
    hg_buf_release(&b);
    hg_free(x);
    hg_free(y);
    return n;
}

static void test_restricted(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(restricted("{}", "{\"tracing\":true,\"clock_timezone_offset\":null}", text, sizeof text), 0);
    assert_int_equal(restricted("{}", "{\"workers\":4}", text, sizeof text), 1);
    assert_string_equal(text, "[\"`runtime_config.workers`\"]");
    assert_int_equal(
        restricted("{}",
                   "{\"hosts\":2,\"fault_tolerance\":{},\"resources\":{\"storage_mb_max\":1,\"namespace\":\"n\","
                   "\"storage_class\":\"c\"},\"clock_timezone_offset\":\"+01:00\"}",
                   text, sizeof text),
        6);
    assert_non_null(strstr(text, "`runtime_config.resources.storage_class`"));
}

static void test_standby(void **state)
{
    (void)state;
    assert_false(hg_runtime_config_standby(all_defaults));
    assert_true(hg_runtime_config_standby(
        "{\"storage\":{\"backend\":{\"name\":\"file\",\"config\":{\"sync\":{\"bucket\":\"b\"}}}}}"));
}

static void expect(hg_verdict_t v, const char *code)
{
    if (!code)
        assert_int_equal(v.answer, HG_DO_IT);
    else {
        assert_int_equal(v.answer, HG_REFUSE);
        assert_int_equal(v.status, 400);
        assert_string_equal(v.code, code);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *pipeline, *key;
    } t[] = {
        { "", "EmptyName", "EmptyName" },
        { "a", NULL, NULL },
        { "a-b_C9", NULL, NULL },
        { "-a", "NameDoesNotMatchPattern", NULL },
        { "a-", "NameDoesNotMatchPattern", NULL },
        { "_", "NameDoesNotMatchPattern", NULL },
        { "a b", "NameDoesNotMatchPattern", "NameDoesNotMatchPattern" },
        { "\xc3\xa4", "NameDoesNotMatchPattern", "NameDoesNotMatchPattern" },
        { "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123", NULL, NULL },
        { "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234", "TooLongName", NULL },
        { "----------aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiii!",
          "TooLongName", "TooLongName" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        expect(hg_check_name(hg_strz(t[i].name)), t[i].pipeline);
        expect(hg_check_key_name(hg_strz(t[i].name)), t[i].key);
    }
    char umlauts[301]; /* a message ends no name in the middle of a character */
    umlauts[0] = 'a';
    for (size_t i = 1; i < 299; i += 2) memcpy(umlauts + i, "\xc3\xa4", 2);
    umlauts[299] = '\0';
    hg_verdict_t v = hg_check_name(hg_strz(umlauts));
    expect(v, "TooLongName");
    assert_true(hg_utf8_valid(v.msg, strlen(v.msg)));
}

static void test_tags(void **state)
{
    (void)state;
    char umlauts[256] = "[\"a"; /* 100 bytes of the tag are shown, which end within a character */
    for (size_t i = 3; i < 203; i += 2) memcpy(umlauts + i, "\xc3\xa4", 3);
    memcpy(umlauts + 203, "\"]", 3);
    hg_arena_t *mem = hg_arena_new();
    hg_json_t *list = NULL;
    hg_err_t why = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(mem, hg_strz(umlauts), &list, &why), 0);
    hg_verdict_t long_tag = hg_check_tags(list);
    expect(long_tag, "InvalidTag");
    assert_true(hg_utf8_valid(long_tag.msg, strlen(long_tag.msg)));
    hg_arena_free(mem);
    static const struct {
        const char *json, *code;
    } t[] = {
        { "[]", NULL },
        { "[\"a b.c_d/e|f\\\\g:h=i-j\",\"prod|FFaa00\"]", NULL },
        { "[\"\"]", "InvalidTag" },
        { "[\"a,b\"]", "InvalidTag" },
        { "[\"12345678901234567890123456789012345678901234567890\"]", NULL },
        { "[\"123456789012345678901234567890123456789012345678901\"]", "InvalidTag" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_json_parse(a, hg_strz(t[i].json), &v, &err), 0);
        expect(hg_check_tags(v), t[i].code);
        hg_arena_free(a);
    }
    hg_buf_t b;
    hg_buf_init(&b, 4096);
    for (int i = 0; i < 51; i++) hg_buf_adds(&b, i ? ",\"t\"" : "[\"t\"");
    hg_buf_addc(&b, ']');
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    hg_verdict_t verdict = hg_check_tags(v);
    expect(verdict, "TooManyTags");
    assert_string_equal(verdict.details, "{\"count\":51,\"maximum\":50}");
    hg_arena_free(a);
    hg_buf_release(&b);
}

static void test_description(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, 4096);
    for (int i = 0; i < 300; i++) hg_buf_adds(&b, "\xc3\xa4"); /* two bytes, one character */
    expect(hg_check_description(hg_buf_str(&b)), NULL);
    hg_buf_addc(&b, '.');
    hg_verdict_t v = hg_check_description(hg_buf_str(&b));
    expect(v, "TooLongDescription");
    assert_string_equal(v.details, "{\"length\":301,\"maximum\":300}");
    hg_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runtime_defaults),
        cmocka_unit_test(test_runtime_members),
        cmocka_unit_test(test_runtime_refused),
        cmocka_unit_test(test_program_config),
        cmocka_unit_test(test_restricted),
        cmocka_unit_test(test_standby),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
