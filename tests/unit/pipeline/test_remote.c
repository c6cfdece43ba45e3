/* Names and ages of checkpoints in a bucket; what their descriptions may say is in tests/fuzz/pipeline/fuzz_remote.c.
 */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "pipeline/remote.h"
#include "pipeline/remote_format.h"

#define DAY_US ((int64_t)24 * 3600 * 1000000)

static void expect_place(const char *where, const char *bucket, const char *prefix)
{
    char *b, *p;
    hg_remote_place(where, &b, &p);
    assert_string_equal(b, bucket);
    assert_string_equal(p, prefix);
    hg_free(b);
    hg_free(p);
}

static void a_bucket_may_have_a_folder(void **st)
{
    (void)st;
    expect_place("bucket", "bucket", "");
    expect_place("bucket/", "bucket", "");
    expect_place("bucket/a", "bucket", "a/");
    expect_place("bucket//a/b c//", "bucket", "a/b c/");
}

static void keys_lead_back(void **st)
{
    (void)st;
    const char *uuid = "0190b5a6-1111-7222-8333-444455556666";
    char back[37], *key = hg_remote_desc_key("x/y/", uuid);
    assert_string_equal(key, "x/y/checkpoints/0190b5a6-1111-7222-8333-444455556666.json");
    assert_true(hg_remote_key_uuid("x/y/", key, back));
    assert_string_equal(back, uuid);
    assert_false(hg_remote_key_uuid("x/", key, back));
    assert_false(hg_remote_key_uuid("x/y/", "x/y/checkpoints/0190B5A6-1111-7222-8333-444455556666.json", back));
    assert_int_equal(hg_remote_uuid_us(uuid), (int64_t)0x0190b5a61111 * 1000);
    hg_free(key);
}

static void uuid_at(int64_t us, char out[37])
{
    uint64_t ms = (uint64_t)us / 1000;
    snprintf(out, 37, "%08x-%04x-7000-8000-000000000000", (uint32_t)(ms >> 16), (uint16_t)ms);
}

/* Five, one a day. */
static void what_is_old_and_many_goes(void **st)
{
    (void)st;
    char u[5][37];
    const int64_t now = 1000 * DAY_US;
    for (int i = 0; i < 5; i++) uuid_at(now - (5 - i) * DAY_US, u[i]);
    const char(*v)[37] = (const char(*)[37])u;
    assert_int_equal(hg_remote_expired(v, 5, 2, 0, now), 3);
    assert_int_equal(hg_remote_expired(v, 5, 2, 4, now), 2);  /* of five and of four days */
    assert_int_equal(hg_remote_expired(v, 5, 2, 30, now), 0); /* all are young */
    assert_int_equal(hg_remote_expired(v, 5, 10, 0, now), 0); /* so many may stay */
    assert_int_equal(hg_remote_expired(v, 5, 0, 0, now), 4);  /* the newest stays */
    assert_int_equal(hg_remote_expired(v, 0, 2, 0, now), 0);
    u[0][14] = '4';
    assert_int_equal(hg_remote_expired(v, 5, 2, 0, now), 0); /* nobody knows how old it is */
}

static void expect_config(const char *sync, int want, const char *words)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    const hg_remote_cfg_t *c = NULL;
    char *text = hg_xprintf("{\"backend\": {\"name\": \"file\", \"config\": {\"sync\": %s}}}", sync);
    assert_int_equal(hg_json_parse(a, hg_strz(text), &v, &err), 0);
    assert_int_equal(hg_remote_config(v, a, &c, &err), want);
    if (want < 0 && !strstr(err.msg, words)) fail_msg("%s", err.msg);
    assert_true(want < 0 || (c != NULL) == (strcmp(sync, "null") != 0));
    hg_free(text);
    hg_arena_free(a);
}

static void configurations(void **st)
{
    (void)st;
    expect_config("null", 0, "");
    expect_config("{\"bucket\": \"bucket/a\"}", 0, "");
    expect_config(
        "{\"bucket\": \"bucket\", \"access_key\": \"${env:A}\", \"secret_key\": \"${env:B}\", \"endpoint\": null}", 0,
        "");
    expect_config("{}", HG_EINVAL, "bucket");
    expect_config("{\"bucket\": \"bucket\", \"standby\": true}", HG_EINVAL, "sync.standby");
    expect_config("{\"bucket\": \"bucket\", \"pull_interval\": 0}", HG_EINVAL, "option 'pull_interval'");
    expect_config("{\"bucket\": \"bucket\", \"access_key\": \"a\"}", HG_EINVAL, "sync.access_key");
    expect_config("{\"bucket\": \"bucket\", \"read_bucket\": \"bucket\"}", HG_EINVAL, "sync.read_bucket");
    expect_config("{\"bucket\": \"bucket\", \"start_from_checkpoint\": \"x\"}", HG_EINVAL,
                  "sync.start_from_checkpoint");
    expect_config("{\"bucket\": \"s3://bucket\"}", HG_EINVAL, "sync.bucket");
    expect_config("{\"bucket\": \"bucket\", \"endpoint\": \"ftp://x\"}", HG_EINVAL, "http://");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_may_have_a_folder),
        cmocka_unit_test(keys_lead_back),
        cmocka_unit_test(what_is_old_and_many_goes),
        cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
