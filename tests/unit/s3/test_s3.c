/* What s3_input is made of: signatures against those that AWS publishes, addresses, XML answers, credentials. */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include <unistd.h>

/* --- signatures: the examples of AWS's "Signature Calculations for the Authorization Header" (S3) --- */

static const hg_s3_creds_t g_example = { .id = (char *)(uintptr_t) "AKIAIOSFODNN7EXAMPLE",
                                         .secret = (char *)(uintptr_t) "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

static void expect_signature(const char *path, const char *query, const hg_s3_header_t *h, unsigned n, const char *want)
{
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_s3_sign(&g_example, "us-east-1", "s3", "GET", hg_strz(path), hg_strz(query), h, n, &out);
    assert_string_equal(out.p, want);
    hg_buf_release(&out);
}

#define SCOPE  "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
#define SIGNED "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="

static void signatures_are_those_that_aws_publishes(void **st)
{
    (void)st;
    const hg_s3_header_t h[] = { { "host", "examplebucket.s3.amazonaws.com" },
                                 { "range", "bytes=0-9" },
                                 { "x-amz-content-sha256", hg_s3_empty_sha256 },
                                 { "x-amz-date", "20130524T000000Z" } };
    const hg_s3_header_t no_range[] = { h[0], h[2], h[3] };
    expect_signature("/test.txt", "", h, 4,
                     SCOPE "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
                           "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    expect_signature("/", "lifecycle=", no_range, 3,
                     SCOPE SIGNED "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    expect_signature("/", "max-keys=2&prefix=J", no_range, 3,
                     SCOPE SIGNED "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static const char *find_header(const hg_s3_get_t *g, const char *name)
{
    size_t n = strlen(name);
    for (unsigned i = 0; g->headers[i]; i++)
        if (strncmp(g->headers[i], name, n) == 0 && g->headers[i][n] == ':') return g->headers[i] + n + 2;
    return NULL;
}

static void a_request_has_what_its_signature_says(void **st)
{
    (void)st;
    const char *params[2][2] = { { "prefix", "J" }, { "max-keys", "2" } };
    hg_s3_creds_t temporary = { .id = g_example.id,
                                .secret = g_example.secret,
                                .token = (char *)(uintptr_t) "a-token" };
    hg_s3_bucket_t b;
    hg_s3_get_t g;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_s3_bucket_init(&b, "examplebucket", "us-east-1", NULL, &err), 0);
    assert_string_equal(b.host, "examplebucket.s3.us-east-1.amazonaws.com");
    hg_free(b.host); /* as it was called when the example was written */
    b.host = hg_xstrdup("examplebucket.s3.amazonaws.com");
    hg_s3_get_init(&g, &b, &g_example, (hg_str_t){ NULL, 0 }, (const char *const(*)[2])params, 2, NULL, 1369353600);
    assert_string_equal(g.url.p, "https://examplebucket.s3.us-east-1.amazonaws.com/?max-keys=2&prefix=J");
    assert_string_equal(find_header(&g, "x-amz-date"), "20130524T000000Z");
    assert_string_equal(find_header(&g, "x-amz-content-sha256"), hg_s3_empty_sha256);
    assert_string_equal(find_header(&g, "Authorization"),
                        SCOPE SIGNED "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    assert_null(find_header(&g, "x-amz-security-token"));
    assert_null(find_header(&g, "If-Match"));
    hg_s3_get_release(&g);

    hg_s3_get_init(&g, &b, &temporary, HG_S("k"), NULL, 0, "\"e\"", 1369353600);
    assert_string_equal(find_header(&g, "x-amz-security-token"), "a-token");
    assert_string_equal(find_header(&g, "If-Match"), "\"e\"");
    assert_non_null(strstr(find_header(&g, "Authorization"), ";x-amz-date;x-amz-security-token,"));
    hg_s3_get_release(&g);

    hg_s3_get_init(&g, &b, NULL, HG_S("k"), NULL, 0, NULL, 1369353600);
    assert_null(g.headers[0]);
    hg_s3_get_release(&g);
    hg_s3_bucket_release(&b);
}

/* --- addresses --- */

static void expect_url(const char *bucket, const char *region, const char *endpoint, const char *key, const char *host,
                       const char *url)
{
    hg_s3_bucket_t b;
    hg_s3_get_t g;
    hg_err_t err = HG_ERR_INIT;
    if (hg_s3_bucket_init(&b, bucket, region, endpoint, &err) < 0) fail_msg("%s", err.msg);
    assert_string_equal(b.host, host);
    hg_s3_get_init(&g, &b, NULL, hg_strz(key), NULL, 0, NULL, 0);
    assert_string_equal(g.url.p, url);
    hg_s3_get_release(&g);
    hg_s3_bucket_release(&b);
}

static void urls_are_canonical(void **st)
{
    (void)st;
    expect_url("bucket", "eu-west-1", NULL, "a/b.json", "bucket.s3.eu-west-1.amazonaws.com",
               "https://bucket.s3.eu-west-1.amazonaws.com/a/b.json");
    expect_url("bucket", "cn-north-1", NULL, "a", "bucket.s3.cn-north-1.amazonaws.com.cn",
               "https://bucket.s3.cn-north-1.amazonaws.com.cn/a");
    expect_url("with.dots", "eu-west-1", NULL, "a", "s3.eu-west-1.amazonaws.com",
               "https://s3.eu-west-1.amazonaws.com/with.dots/a");
    expect_url("Old_Name", "us-east-1", NULL, "a", "s3.us-east-1.amazonaws.com",
               "https://s3.us-east-1.amazonaws.com/Old_Name/a");
    expect_url("bbb", "x", "http://127.0.0.1:9000", "a", "127.0.0.1:9000", "http://127.0.0.1:9000/bbb/a");
    expect_url("bbb", "x", "http://LocalHost:80/", "a", "localhost", "http://LocalHost/bbb/a");
    expect_url("bbb", "x", "https://h:443", "a", "h", "https://h/bbb/a");
    expect_url("bbb", "x", "https://h:80", "a", "h:80", "https://h:80/bbb/a");
    expect_url("bbb", "x", "https://h/behind/proxy//", "a", "h", "https://h/behind/proxy/bbb/a");
    expect_url("bbb", "x", "http://h", "year=2024/a b+c%d/\xc3\xa4~-._.json", "h",
               "http://h/bbb/year%3D2024/a%20b%2Bc%25d/%C3%A4~-._.json");
    expect_url("bbb", "x", "http://h", "/../a//./b/", "h", "http://h/bbb//../a//./b/");
    expect_url("bbb", "x", "http://h", "?#&\n", "h", "http://h/bbb/%3F%23%26%0A");
}

static void endpoints_that_are_none_are_refused(void **st)
{
    (void)st;
    static const char *const bad[] = { "127.0.0.1:9000", "ftp://h",     "http://",
                                       "http://u:p@h",   "http://h/?x", "http://h#f" };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        hg_s3_bucket_t b;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_s3_bucket_init(&b, "bbb", "x", bad[i], &err), HG_EINVALTRANSPORT);
        assert_non_null(strstr(err.msg, "option 'endpoint_url': expected "));
        assert_string_equal(err.path, "endpoint_url");
    }
    assert_null(hg_s3_bucket_name_bad("a.b-c_D9"));
    assert_non_null(hg_s3_bucket_name_bad("ab"));
    assert_non_null(strstr(hg_s3_bucket_name_bad("s3://bucket/x"), "no s3://"));
    assert_non_null(strstr(hg_s3_bucket_name_bad("arn:aws:s3:x"), "access points"));
}

/* --- XML --- */

/* In pieces of `step` bytes. */
static int parse(const char *text, size_t step, hg_s3_answer_t *a, hg_err_t *err)
{
    hg_s3_xml_t *x = hg_s3_xml_new();
    int rc = 0;
    for (size_t i = 0, n = strlen(text); i < n && rc == 0; i += step)
        rc = hg_s3_xml_feed(x, text + i, HG_MIN(step, n - i), err);
    if (rc == 0) rc = hg_s3_xml_end(x, a, err);
    hg_s3_xml_free(x);
    return rc;
}

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define LIST "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"

static void a_page_in_any_pieces(void **st)
{
    (void)st;
    static const char page[] = HEAD LIST
        "<Name>b</Name><Prefix>p</Prefix><Contents><Key>a+b%2Bc%25/%C3%A4</Key><LastModified>2024</LastModified>"
        "<ETag>&quot;e1&quot;</ETag><Owner><Key>no</Key></Owner><Size>18446744073709551615</Size></Contents>\n"
        "<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes><Contents><Size> 0 </Size><Key>z</Key></Contents>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;=</NextContinuationToken>"
        "<EncodingType>url</EncodingType></ListBucketResult>";
    for (size_t step = 1; step < 60; step += 7) {
        hg_s3_answer_t a = { 0 };
        hg_err_t err = HG_ERR_INIT;
        if (parse(page, step, &a, &err) < 0) fail_msg("%s", err.msg);
        assert_false(a.is_error);
        assert_int_equal(a.n, 2);
        assert_string_equal(a.entries[0].key, "a b+c%/\xc3\xa4");
        assert_string_equal(a.entries[0].etag, "\"e1\"");
        assert_true(a.entries[0].size == UINT64_MAX);
        assert_string_equal(a.entries[1].key, "z");
        assert_string_equal(a.entries[1].etag, "");
        assert_true(a.entries[1].size == 0);
        assert_true(a.truncated);
        assert_string_equal(a.next_token, "t&=");
        hg_s3_answer_release(&a);
    }
}

static void keys_are_as_written_where_no_encoding_is_named(void **st)
{
    (void)st;
    hg_s3_answer_t a = { 0 };
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(
        parse(LIST "<Contents><Key>a+b%2B &lt;</Key><Size>1</Size></Contents></ListBucketResult>", 9, &a, &err), 0);
    assert_string_equal(a.entries[0].key, "a+b%2B <");
    assert_false(a.truncated);
    hg_s3_answer_release(&a);
}

static void an_error_is_code_and_message(void **st)
{
    (void)st;
    hg_s3_answer_t a = { 0 };
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(parse(HEAD "<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message><Region>r</Region>"
                                "<StringToSign>x</StringToSign></Error>",
                           5, &a, &err),
                     0);
    assert_true(a.is_error);
    assert_string_equal(a.code, "PermanentRedirect");
    assert_string_equal(a.message, "Elsewhere");
    assert_string_equal(a.region, "r");
    hg_s3_answer_release(&a);
}

static void what_is_no_answer_is_refused(void **st)
{
    (void)st;
    static const char *const cases[][2] = {
        { "", "not well-formed XML: no element found" },
        { "<html></html>", "expected <ListBucketResult> or <Error>, found <html>" },
        { "<!DOCTYPE x [<!ENTITY a \"b\">]>" LIST "</ListBucketResult>", "a document type is not accepted" },
        { LIST "<Contents>", "not well-formed XML" },
        { LIST "<Contents><Key>a</Key></Contents></ListBucketResult>", "<Contents> without <Key> and <Size>" },
        { LIST "<Contents><Size>1</Size></Contents></ListBucketResult>", "<Contents> without <Key> and <Size>" },
        { LIST "<Contents><Key></Key><Size>1</Size></Contents></ListBucketResult>", "<Contents> without <Key>" },
        { LIST "<Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>", "<Size> is '-1'" },
        { LIST "<IsTruncated>maybe</IsTruncated></ListBucketResult>", "<IsTruncated> is 'maybe'" },
        { LIST "<EncodingType>base64</EncodingType></ListBucketResult>", "<EncodingType> is 'base64'" },
        { LIST "<IsTruncated>true</IsTruncated></ListBucketResult>", "no <NextContinuationToken>" },
        { LIST "<EncodingType>url</EncodingType><Contents><Key>%4</Key><Size>1</Size></Contents></ListBucketResult>",
          "key '%4' in the answer is not percent-encoded" },
        { LIST "<EncodingType>url</EncodingType><Contents><Key>a%00b</Key><Size>1</Size></Contents></ListBucketResult>",
          "has 3 bytes or a NUL" },
        { "<Error><a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q>", "nested more than 16" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_s3_answer_t a = { 0 };
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(parse(cases[i][0], 3, &a, &err), HG_EPROTO);
        if (!strstr(err.msg, cases[i][1])) fail_msg("%s: %s", cases[i][1], err.msg);
    }
}

/* --- credentials --- */

static int profile(const char *text, const char *name, bool in_config, hg_s3_profile_t *p, hg_err_t *err)
{
    *err = HG_ERR_INIT;
    return hg_s3_profile_parse(hg_strz(text), name, in_config, p, err);
}

static void expect_keys(const char *text, const char *name, bool in_config, const char *id, const char *secret,
                        const char *token)
{
    hg_s3_profile_t p = { 0 };
    hg_err_t err;
    assert_int_equal(profile(text, name, in_config, &p, &err), 0);
    const char *const want[] = { id, secret, token };
    for (int i = HG_S3P_ID; i <= HG_S3P_TOKEN; i++) {
        if (want[i])
            assert_string_equal(p.v[i], want[i]);
        else
            assert_null(p.v[i]);
    }
    assert_true(p.keys_in_config == (in_config && id));
    hg_s3_profile_release(&p);
}

static void profiles_of_shared_files(void **st)
{
    (void)st;
    static const char file[] = "# comment\n[default]\naws_access_key_id = D\r\naws_secret_access_key=s=1\n; x\n\n"
                               "[ other ]\nAWS_ACCESS_KEY_ID=O\naws_secret_access_key = o o\naws_session_token = t\n"
                               "[empty]\nregion = r\ns3 =\n  aws_access_key_id = nested\n";
    static const char config[] = "[default]\naws_access_key_id=D\naws_secret_access_key=d\n[profile  p]\n"
                                 "aws_access_key_id=P\naws_secret_access_key=p\n[q]\naws_access_key_id=Q\n";
    static const struct {
        const char *text, *error;
    } bad[] = { { "[x\n", "line 1: expected ']' at the end of a section's name" },
                { "[x]\n\nword\n", "line 3: expected NAME = VALUE or [SECTION]" },
                { "[x]\naws_access_key_id=a\n",
                  "profile 'x' has only one of aws_access_key_id and aws_secret_access_key" } };
    expect_keys(file, "default", false, "D", "s=1", NULL);
    expect_keys(file, "other", false, "O", "o o", "t");
    expect_keys(file, "empty", false, NULL, NULL, NULL);
    expect_keys(file, "missing", false, NULL, NULL, NULL);
    expect_keys(config, "p", true, "P", "p", NULL);
    expect_keys(config, "q", true, NULL, NULL, NULL);
    expect_keys(config, "default", true, "D", "d", NULL);
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        hg_s3_profile_t p = { 0 };
        hg_err_t err;
        assert_int_equal(profile(bad[i].text, "x", false, &p, &err), HG_EPARSE);
        assert_string_equal(err.msg, bad[i].error);
        hg_s3_profile_release(&p);
    }
}

/* What the credentials file says counts; keys come from one file only. */
static void two_files_are_one_profile(void **st)
{
    (void)st;
    hg_s3_profile_t p = { 0 };
    hg_err_t err;
    assert_int_equal(profile("[x]\naws_access_key_id=A\naws_secret_access_key=a\nregion=one\n", "x", false, &p, &err),
                     0);
    assert_int_equal(profile("[profile x]\naws_access_key_id=B\naws_secret_access_key=b\naws_session_token=b\n"
                             "region=two\nROLE_ARN = r\nsource_profile = y\nsso_start_url = u\n",
                             "x", true, &p, &err),
                     0);
    assert_string_equal(p.v[HG_S3P_ID], "A");
    assert_null(p.v[HG_S3P_TOKEN]);
    assert_false(p.keys_in_config);
    assert_string_equal(p.v[HG_S3P_REGION], "one");
    assert_string_equal(p.v[HG_S3P_ROLE], "r");
    assert_string_equal(p.v[HG_S3P_SOURCE_PROFILE], "y");
    assert_string_equal(p.v[HG_S3P_SSO], "u");
    hg_s3_profile_release(&p);
}

static char *write_file(const char *dir, const char *name, const char *text)
{
    char *path = hg_xprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static const hg_s3_ask_t g_ask = { .region = "eu-west-1" };

static void expect_found(const char *id, const char *from)
{
    hg_s3_creds_t c;
    hg_err_t err = HG_ERR_INIT;
    if (hg_s3_creds_find(&g_ask, &c, &err) < 0) fail_msg("%s", err.msg);
    assert_string_equal(c.id, id);
    assert_string_equal(c.from, from);
    hg_s3_creds_release(&c);
}

static void the_environment_comes_before_the_files(void **st)
{
    (void)st;
    char dir[] = "/tmp/hgs3XXXXXX";
    hg_s3_creds_t c;
    hg_err_t err = HG_ERR_INIT;
    assert_non_null(mkdtemp(dir));
    char *shared = write_file(dir, "credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=f\n");
    char *config = write_file(dir, "config", "[profile p]\naws_access_key_id=C\naws_secret_access_key=c\n");
    setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", shared, 1);
    setenv("AWS_CONFIG_FILE", config, 1);
    setenv("AWS_ACCESS_KEY_ID", "E", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
    expect_found("E", "the environment");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    expect_found("F", "the shared credentials file");
    setenv("AWS_PROFILE", "p", 1);
    expect_found("C", "the shared configuration file");
    setenv("AWS_PROFILE", "q", 1);
    assert_int_equal(hg_s3_creds_find(&g_ask, &c, &err), HG_EPERM);
    assert_non_null(strstr(err.msg,
                           "environment (AWS_SECRET_ACCESS_KEY not set), web identity "
                           "(AWS_WEB_IDENTITY_TOKEN_FILE not set), shared files (no keys for profile 'q' in "));
    assert_non_null(strstr(err.msg, "EC2 metadata (AWS_EC2_METADATA_DISABLED set)"));
    setenv("AWS_ROLE_ARN", "arn", 1);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent", 1);
    assert_int_not_equal(hg_s3_creds_find(&g_ask, &c, &err), 0);
    assert_non_null(strstr(err.msg, "AWS credentials by web identity: cannot read '/nonexistent'"));
    unsetenv("AWS_ROLE_ARN");
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/", 1);
    assert_int_not_equal(hg_s3_creds_find(&g_ask, &c, &err), 0);
    assert_non_null(strstr(err.msg, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'"));
    unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    hg_free(write_file(dir, "credentials", "[q\n"));
    assert_int_equal(hg_s3_creds_find(&g_ask, &c, &err), HG_EPARSE);
    assert_non_null(strstr(err.msg, "/credentials': line 1: expected ']'"));
    unlink(shared);
    unlink(config);
    rmdir(dir);
    hg_free(shared);
    hg_free(config);
}

static void answers_of_services(void **st)
{
    (void)st;
    static const struct {
        const char *json, *error; /* error NULL: taken */
        int64_t expires;
    } cases[] = {
        { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s/+=\"}", NULL, 0 },
        { "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"t\","
          "\"Expiration\":\"1970-01-02T00:00:00Z\"}",
          NULL, 86400 },
        { "{\"Code\":\"Failed\",\"Message\":\"m\"}", "Failed: m", 0 },
        { "{\"AccessKeyId\":\"A\"}", "expected an answer with AccessKeyId", 0 },
        { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":5}", "expected an answer with AccessKeyId", 0 },
        { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"geheim\",\"Token\":\"a\\r\\nb\"}", "expected an answer with",
          0 },
        { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"geheim\",\"Expiration\":\"geheim\"}",
          "Expiration in the answer", 0 },
        { "geheim", "JSON object", 0 },
        { "[\"geheim\"]", "JSON object", 0 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_s3_creds_t c;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_s3_role_parse(hg_strz(cases[i].json), &c, &err);
        if (!cases[i].error) {
            assert_int_equal(rc, 0);
            assert_string_equal(c.secret, "s/+=");
            assert_int_equal(c.expires_s, cases[i].expires);
            hg_s3_creds_release(&c);
            continue;
        }
        assert_int_equal(rc, HG_EPROTO);
        if (!strstr(err.msg, cases[i].error)) fail_msg("%s: %s", cases[i].json, err.msg);
        assert_null(strstr(err.msg, "geheim"));
    }
}

static void what_a_process_writes(void **st)
{
    (void)st;
    static const struct {
        const char *json, *error; /* error NULL: taken */
    } cases[] = {
        { "{\"Version\": 1, \"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\","
          "\"Expiration\":\"1970-01-02T00:00:00Z\"}\n",
          NULL },
        { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"geheim\"}", "expected \"Version\": 1" },
        { "{\"Version\": 2, \"AccessKeyId\":\"A\",\"SecretAccessKey\":\"geheim\"}", "expected \"Version\": 1" },
        { "{\"Version\": 1, \"AccessKeyId\":\"A\"}", "expected an answer with AccessKeyId" },
        { "geheim", "JSON object on its standard output" },
        { "", "JSON object on its standard output" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_s3_creds_t c;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_s3_process_parse(hg_strz(cases[i].json), &c, &err);
        if (!cases[i].error) {
            assert_int_equal(rc, 0);
            assert_string_equal(c.token, "t");
            assert_int_equal(c.expires_s, 86400);
            hg_s3_creds_release(&c);
            continue;
        }
        assert_int_equal(rc, HG_EPROTO);
        if (!strstr(err.msg, cases[i].error)) fail_msg("%s: %s", cases[i].json, err.msg);
        assert_null(strstr(err.msg, "geheim"));
    }
}

static void where_a_container_may_be_asked(void **st)
{
    (void)st;
    static const char *const good[] = { "https://example.com/x",  "http://127.9.9.9:80/x", "http://localhost",
                                        "http://169.254.170.2/x", "http://169.254.170.23", "http://[fd00:ec2::23]/v1",
                                        "http://[::1]:8080?x",    "http://LOCALHOST/" };
    static const char *const bad[] = { "http://example.com",
                                       "http://169.254.169.254/",
                                       "http://127.0.0.1@evil/",
                                       "http://127.0.0.1.evil.com",
                                       "http://[::1",
                                       "http://[::1]evil",
                                       "http://",
                                       "ftp://127.0.0.1",
                                       "127.0.0.1" };
    for (size_t i = 0; i < HG_COUNT(good); i++) assert_null(hg_s3_container_bad(good[i]));
    for (size_t i = 0; i < HG_COUNT(bad); i++)
        if (!hg_s3_container_bad(bad[i])) fail_msg("%s", bad[i]);
}

/* Early, but never so early that credentials of a short life are asked for all the time. */
static void when_credentials_are_renewed(void **st)
{
    (void)st;
    static const struct {
        int64_t expires, at;
    } cases[] = {
        { 0, 0 }, { 1000 + 3600, 1000 + 3300 }, { 1000 + 400, 1000 + 300 }, { 1000 + 3, 1000 + 3 }, { 900, 900 }
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        const hg_s3_creds_t c = { .expires_s = cases[i].expires };
        assert_int_equal(hg_s3_creds_renew_at(&c, 1000), cases[i].at);
    }
}

static void the_answer_of_sts(void **st)
{
    (void)st;
    static const char text[] =
        "<AssumeRoleWithWebIdentityResponse xmlns=\"x\"><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>A</AccessKeyId><SecretAccessKey>s&amp;1</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>e</Expiration></Credentials><AccessKeyId>no</AccessKeyId></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>";
    hg_s3_answer_t a = { 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_s3_xml_t *x = hg_s3_xml_new_sts();
    assert_int_equal(hg_s3_xml_feed(x, text, strlen(text), &err), 0);
    assert_int_equal(hg_s3_xml_end(x, &a, &err), 0);
    assert_string_equal(a.id, "A");
    assert_string_equal(a.secret, "s&1");
    assert_string_equal(a.token, "t");
    assert_string_equal(a.expires, "e");
    hg_s3_answer_release(&a);
    hg_s3_xml_free(x);
    static const char role[] = "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>no</Arn></AssumedRoleUser>"
                               "<Credentials><AccessKeyId>B</AccessKeyId></Credentials></AssumeRoleResult>"
                               "</AssumeRoleResponse>";
    x = hg_s3_xml_new_sts();
    assert_int_equal(hg_s3_xml_feed(x, role, strlen(role), &err), 0);
    assert_int_equal(hg_s3_xml_end(x, &a, &err), 0);
    assert_string_equal(a.id, "B");
    hg_s3_answer_release(&a);
    hg_s3_xml_free(x);
    x = hg_s3_xml_new_sts();
    assert_int_equal(hg_s3_xml_feed(x, LIST, strlen(LIST), &err), HG_EPROTO);
    assert_non_null(strstr(err.msg, "or <ErrorResponse>, found <ListBucketResult>"));
    hg_s3_xml_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_that_aws_publishes),
        cmocka_unit_test(a_request_has_what_its_signature_says),
        cmocka_unit_test(urls_are_canonical),
        cmocka_unit_test(endpoints_that_are_none_are_refused),
        cmocka_unit_test(a_page_in_any_pieces),
        cmocka_unit_test(keys_are_as_written_where_no_encoding_is_named),
        cmocka_unit_test(an_error_is_code_and_message),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(profiles_of_shared_files),
        cmocka_unit_test(two_files_are_one_profile),
        cmocka_unit_test(the_environment_comes_before_the_files),
        cmocka_unit_test(answers_of_services),
        cmocka_unit_test(what_a_process_writes),
        cmocka_unit_test(where_a_container_may_be_asked),
        cmocka_unit_test(when_credentials_are_renewed),
        cmocka_unit_test(the_answer_of_sts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
