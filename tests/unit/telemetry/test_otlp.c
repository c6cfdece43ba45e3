/* Lines as records of OTLP byte by byte, the queue's bounds and batches, what answers mean, endpoints and variables.
 * What real collectors make of it: tests/e2e/test_telemetry.py.
 * test-labels: threads */
#include "tests/lib/test.h"

#include "base/mem.h"
#include "telemetry/otlp_int.h"
#include <unistd.h>

static hg_log_line_t line(const char *event, hg_str_t fields)
{
    return (hg_log_line_t){ HG_LOG_WARN, 1000000, "sub", "-", event, fields, 0 };
}

static void assert_bytes(const hg_buf_t *got, hg_str_t want)
{
    assert_int_equal(got->len, want.n);
    assert_memory_equal(got->p, want.p, want.n);
}

/* --- encoding --- */
static void a_record(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_log_line_t l = line("ev", HG_S("k=1"));
    l.object = "o";
    l.repeated = 300;
    assert_int_equal(otlp_put_record(&b, &l), 0);
    assert_bytes(&b, HG_S("\x12\x67"
                          "\x09\x00\xca\x9a\x3b\x00\x00\x00\x00" /* 1 s */
                          "\x10\x0d\x1a\x04WARN"
                          "\x2a\x08\x0a\x06"
                          "ev k=1"
                          "\x32\x12\x0a\x09subsystem\x12\x05\x0a\x03sub"
                          "\x32\x0d\x0a\x06object\x12\x03\x0a\x01o"
                          "\x32\x0d\x0a\x05"
                          "event\x12\x04\x0a\x02"
                          "ev"
                          "\x32\x0f\x0a\x08repeated\x12\x03\x18\xac\x02"
                          "\x59\x00\xca\x9a\x3b\x00\x00\x00\x00"));
    hg_buf_release(&b);
}

static void assert_body(const char *event, hg_str_t fields, const char *body)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_log_line_t l = line(event, fields);
    assert_int_equal(otlp_put_record(&b, &l), 0);
    const char *at = memmem(b.p, b.len, "WARN\x2a", 5);
    assert_non_null(at);
    assert_int_equal(at[6], '\x0a');
    assert_int_equal((unsigned char)at[7], strlen(body));
    assert_memory_equal(at + 8, body, strlen(body));
    hg_buf_release(&b);
}

static void bodies(void **state)
{
    (void)state;
    assert_body("ev", HG_S(""), "ev");
    assert_body("target", HG_S("message=\"said \\\"so\\\"\\n\""), "said \"so\"\n");
    assert_body("ev", HG_S("message=\"a\" more=1"), "ev message=\"a\" more=1"); /* not one text */
    assert_body("ev", HG_S("message=5"), "ev message=5");
    assert_body("ev", HG_S("a\xff\xc3\xa4\xe2\x82"), "ev a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
}

static void a_body_has_an_end(void **state)
{
    (void)state;
    hg_buf_t fields, b;
    hg_buf_init(&fields, HG_BUF_NOMAX), hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < OTLP_BODY_MAX + 1; i++) hg_buf_addc(&fields, 'x');
    hg_log_line_t l = line("ev", hg_buf_str(&fields));
    assert_int_equal(otlp_put_record(&b, &l), 0);
    assert_in_range(b.len, OTLP_BODY_MAX, OTLP_BODY_MAX + 200);
    assert_non_null(memmem(b.p, b.len, "truncated\x12\x02\x10\x01", 13));
    hg_buf_release(&fields), hg_buf_release(&b);
}

static void a_request(void **state)
{
    (void)state;
    hg_buf_t resource, scope, b;
    hg_buf_init(&resource, HG_BUF_NOMAX), hg_buf_init(&scope, HG_BUF_NOMAX), hg_buf_init(&b, HG_BUF_NOMAX);
    otlp_pair_t attr = { HG_S("k"), HG_S("v") };
    assert_int_equal(otlp_put_resource(&resource, &attr, 1), 0);
    assert_bytes(&resource, HG_S("\x0a\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v"));
    assert_int_equal(otlp_put_scope(&scope, HG_S("s"), HG_S("1")), 0);
    assert_bytes(&scope, HG_S("\x0a\x06\x0a\x01s\x12\x01"
                              "1"));
    assert_int_equal(otlp_put_request(&b, true, HG_S("\x0a\x00"), HG_S("\x0a\x00"), HG_S("\x12\x00")), 0);
    assert_bytes(&b, HG_S("\x00\x00\x00\x00\x0a\x0a\x08\x0a\x00\x12\x04\x0a\x00\x12\x00"));
    hg_buf_clear(&b);
    assert_int_equal(otlp_put_request(&b, false, HG_S("\x0a\x00"), HG_S("\x0a\x00"), HG_S("\x12\x00")), 0);
    assert_bytes(&b, HG_S("\x0a\x08\x0a\x00\x12\x04\x0a\x00\x12\x00"));
    hg_buf_clear(&b);
    hg_buf_t many; /* lengths of more than one byte */
    hg_buf_init(&many, HG_BUF_NOMAX);
    for (int i = 0; i < 70000; i++) hg_buf_addc(&many, 'x');
    assert_int_equal(otlp_put_request(&b, true, HG_S(""), HG_S(""), hg_buf_str(&many)), 0);
    assert_memory_equal(b.p, "\x00\x00\x01\x11\x78\x0a\xf4\xa2\x04\x12\xf0\xa2\x04xx", 15);
    assert_int_equal(b.len, 5 + 70008);
    hg_buf_release(&resource), hg_buf_release(&scope), hg_buf_release(&b), hg_buf_release(&many);
}

/* --- the queue --- */
static void batches_and_bounds(void **state)
{
    (void)state;
    otlp_queue_t q;
    otlp_batch_t *b[3];
    const uint32_t max = 2 * OTLP_BATCH_RECORDS + 10;
    otlp_queue_init(&q, max, SIZE_MAX);
    hg_log_line_t l = line("ev", HG_S(""));
    for (uint32_t i = 0; i < max + 5; i++) otlp_queue_put(&q, &l);
    assert_int_equal(otlp_queue_dropped(&q), 5);
    b[0] = otlp_queue_take(&q);
    b[1] = otlp_queue_take(&q);
    assert_int_equal(b[0]->n, OTLP_BATCH_RECORDS);
    assert_int_equal(b[1]->n, OTLP_BATCH_RECORDS);
    otlp_queue_put(&q, &l); /* what is under way has its room still */
    assert_int_equal(otlp_queue_dropped(&q), 6);
    b[2] = otlp_queue_take(&q); /* not full: it waits until it is old enough */
    assert_int_equal(b[2]->n, 10);
    assert_true(hg_mono_us() >= b[2]->since_us + OTLP_BATCH_WAIT_US);
    for (int i = 0; i < 3; i++) otlp_queue_done(&q, b[i]);
    assert_int_equal(q.records, 0);
    assert_int_equal(q.bytes, 0);
    otlp_queue_put(&q, &l);
    otlp_queue_end(&q, hg_mono_us() + 60000000);
    b[0] = otlp_queue_take(&q); /* at once */
    assert_int_equal(b[0]->n, 1);
    otlp_queue_done(&q, b[0]);
    assert_null(otlp_queue_take(&q));
    otlp_queue_release(&q);
}

static void bytes_are_bounded_too(void **state)
{
    (void)state;
    otlp_queue_t q;
    hg_buf_t fields;
    hg_buf_init(&fields, HG_BUF_NOMAX);
    for (int i = 0; i < 200000; i++) hg_buf_addc(&fields, 'x');
    otlp_queue_init(&q, UINT32_MAX, 3 * OTLP_BATCH_BYTES);
    hg_log_line_t l = line("ev", hg_buf_str(&fields));
    for (int i = 0; i < 20; i++) otlp_queue_put(&q, &l);
    assert_int_equal(otlp_queue_dropped(&q), 5);
    otlp_batch_t *b = otlp_queue_take(&q); /* full by its bytes */
    assert_int_equal(b->n, 6);
    otlp_queue_drop(&q); /* all but the one that is under way */
    assert_int_equal(otlp_queue_dropped(&q), 5 + 9);
    assert_int_equal(q.records, 6);
    otlp_queue_done(&q, b);
    assert_int_equal(q.bytes, 0);
    otlp_queue_release(&q);
    hg_buf_release(&fields);
}

static void a_full_queue_is_told_once(void **state)
{
    (void)state;
    otlp_queue_t q;
    bool ends = false;
    otlp_queue_init(&q, 1, SIZE_MAX);
    hg_log_line_t l = line("ev", HG_S(""));
    for (int i = 0; i < 3; i++) otlp_queue_put(&q, &l);
    assert_true(otlp_queue_pause(&q, INT64_MAX, &ends));
    assert_false(otlp_queue_pause(&q, hg_mono_us() + 1000, &ends));
    assert_false(ends);
    otlp_queue_end(&q, INT64_MAX - 1);
    assert_false(otlp_queue_pause(&q, INT64_MAX - 2, &ends)); /* woken */
    assert_true(ends);
    int64_t until = hg_mono_us() + 2000;
    assert_false(otlp_queue_pause(&q, until, &ends)); /* not twice */
    assert_true(hg_mono_us() >= until);
    otlp_queue_release(&q); /* with a record in it */
}

#define WRITERS 4
#define EACH    2000
static void *write_lines(void *arg)
{
    hg_log_line_t l = line("ev", HG_S("message=\"a line\""));
    for (int i = 0; i < EACH; i++) otlp_queue_put(arg, &l);
    return NULL;
}

static void many_write_and_one_takes(void **state)
{
    (void)state;
    otlp_queue_t q;
    pthread_t t[WRITERS];
    uint64_t n = 0;
    otlp_queue_init(&q, UINT32_MAX, SIZE_MAX);
    for (int i = 0; i < WRITERS; i++) assert_int_equal(pthread_create(&t[i], NULL, write_lines, &q), 0);
    while (n < WRITERS * EACH) {
        otlp_batch_t *b = otlp_queue_take(&q);
        n += b->n;
        otlp_queue_done(&q, b);
    }
    for (int i = 0; i < WRITERS; i++) pthread_join(t[i], NULL);
    assert_int_equal(n, WRITERS * EACH);
    assert_int_equal(otlp_queue_dropped(&q), 0);
    otlp_queue_release(&q);
}

/* --- answers --- */
static otlp_answer_t judged(hg_otlp_transport_t transport, otlp_reply_t r)
{
    otlp_answer_t a;
    otlp_judge(transport, &r, &a);
    return a;
}

static void verdicts_http(void **state)
{
    (void)state;
    const hg_str_t pb = HG_S("application/x-protobuf");
    static const struct {
        int status;
        otlp_verdict_t verdict;
    } cases[] = {
        { 200, OTLP_TAKEN },   { 204, OTLP_TAKEN },   { 302, OTLP_REFUSED }, { 400, OTLP_REFUSED },
        { 401, OTLP_REFUSED }, { 404, OTLP_REFUSED }, { 408, OTLP_REFUSED }, { 429, OTLP_AGAIN },
        { 500, OTLP_REFUSED }, { 501, OTLP_REFUSED }, { 502, OTLP_AGAIN },   { 503, OTLP_AGAIN },
        { 504, OTLP_AGAIN },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        otlp_answer_t a = judged(HG_OTLP_HTTP, (otlp_reply_t){ .status = cases[i].status, .retry_after_ms = 7000 });
        assert_int_equal(a.verdict, cases[i].verdict);
        if (a.verdict != OTLP_TAKEN) assert_int_equal(a.wait_ms, 7000);
    }
    otlp_answer_t bare = judged(HG_OTLP_HTTP, (otlp_reply_t){ .status = 401 });
    assert_string_equal(bare.why.msg, "the collector answered 401");
    otlp_answer_t a =
        judged(HG_OTLP_HTTP,
               (otlp_reply_t){ .status = 200, .content_type = pb, .body = HG_S("\x0a\x0b\x08\x05\x12\x07too old") });
    assert_int_equal(a.verdict, OTLP_TAKEN);
    assert_int_equal(a.rejected, 5);
    assert_string_equal(a.why.msg, "the collector left out 5: too old");
    a = judged(HG_OTLP_HTTP, (otlp_reply_t){ .status = 400,
                                             .content_type = pb,
                                             .body = HG_S("\x08\x03\x12\x06"
                                                          "broken") });
    assert_string_equal(a.why.msg, "the collector answered 400: broken");
    a = judged(HG_OTLP_HTTP,
               (otlp_reply_t){ .status = 200, .content_type = HG_S("application/json"), .body = HG_S("{}") });
    assert_int_equal(a.why.code, 0);
}

static otlp_answer_t grpc_said(const char *status, hg_str_t body)
{
    return judged(HG_OTLP_GRPC, (otlp_reply_t){ .status = 200,
                                                .grpc_status = hg_strz(status),
                                                .grpc_message = HG_S("50%25 are%0Amine"),
                                                .body = body });
}

static void verdicts_grpc(void **state)
{
    (void)state;
    for (int code = 1; code < 20; code++) {
        char text[16];
        snprintf(text, sizeof text, "%d", code);
        bool again = code == 1 || code == 4 || code == 10 || code == 11 || code == 14 || code == 15;
        assert_int_equal(grpc_said(text, HG_S("")).verdict, again ? OTLP_AGAIN : OTLP_REFUSED);
    }
    assert_string_equal(grpc_said("14", HG_S("")).why.msg, "the collector answered UNAVAILABLE: 50% are mine");
    assert_int_equal(grpc_said("0", HG_S("\0\0\0\0\0")).why.code, 0);
    assert_int_equal(grpc_said("0", HG_S("\0\0\0\0\x04\x0a\x02\x08\x05")).rejected, 5);
    static const hg_str_t odd[] = { { "", 0 }, { "\0\0\0\0\1", 5 }, { "\1\0\0\0\0", 5 }, { "\0\0\0\0\1\xff", 6 } };
    for (size_t i = 0; i < HG_COUNT(odd); i++) { /* a success all the same */
        otlp_answer_t a = grpc_said("0", odd[i]);
        assert_int_equal(a.verdict, OTLP_TAKEN);
        assert_int_equal(a.why.code, HG_EPROTO);
    }
    /* RetryInfo of 1.5 s: Status { details: Any { type_url, Duration { 1, 500000000 } } } */
    otlp_reply_t r = { .status = 200,
                       .grpc_status = HG_S("8"),
                       .grpc_details =
                           HG_S("GjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAEQgMq17gE=") };
    otlp_answer_t a = judged(HG_OTLP_GRPC, r);
    assert_int_equal(a.verdict, OTLP_AGAIN);
    assert_int_equal(a.wait_ms, 1500);
    r.grpc_status = HG_S("14");
    assert_int_equal(judged(HG_OTLP_GRPC, r).wait_ms, 1500);
    /* what is no gRPC at all */
    a = judged(HG_OTLP_GRPC, (otlp_reply_t){ .status = 503, .content_type = HG_S("text/html") });
    assert_int_equal(a.verdict, OTLP_AGAIN);
    a = judged(HG_OTLP_GRPC, (otlp_reply_t){ .status = 200, .content_type = HG_S("text/html") });
    assert_int_equal(a.verdict, OTLP_REFUSED);
    assert_string_equal(a.why.msg, "what answered 200 with content type 'text/html' does not speak gRPC");
}

/* --- endpoints and variables --- */
static void endpoints(void **state)
{
    (void)state;
    static const struct {
        hg_otlp_transport_t transport;
        const char *endpoint, *want; /* "!…": in the complaint */
    } cases[] = {
        { HG_OTLP_GRPC, "http://h:4317", "http://h:4317/opentelemetry.proto.collector.logs.v1.LogsService/Export" },
        { HG_OTLP_GRPC, "https://[::1]:1/p?q",
          "https://[::1]:1/opentelemetry.proto.collector.logs.v1.LogsService/Export" },
        { HG_OTLP_GRPC, "", "http://localhost:4317/opentelemetry.proto.collector.logs.v1.LogsService/Export" },
        { HG_OTLP_HTTP, "", "http://localhost:4318/v1/logs" },
        { HG_OTLP_HTTP, "http://h:4318", "http://h:4318" },
        { HG_OTLP_HTTP, "https://u:p@h/a/b?c=d", "https://u:p@h/a/b?c=d" },
        { HG_OTLP_HTTP, "h:4318/v1/logs", "!neither http:// nor https://; write \"http://localhost:4318/v1/logs\"" },
        { HG_OTLP_HTTP, "http://", "!there is no host" },
        { HG_OTLP_HTTP, "http:///p", "!there is no host" },
        { HG_OTLP_HTTP, "http://:80/", "!there is no host" },
        { HG_OTLP_HTTP, "http://u@", "!there is no host" },
        { HG_OTLP_HTTP, "http://[::1", "!a bracket is not closed" },
        { HG_OTLP_HTTP, "http://[::1]1:80", "!something stands between the host and its port" },
        { HG_OTLP_HTTP, "http://h:", "!the port is no number" },
        { HG_OTLP_HTTP, "http://h:0", "!the port is no number" },
        { HG_OTLP_HTTP, "http://h:65536", "!the port is no number" },
        { HG_OTLP_HTTP, "http://h /", "!there is a blank in it" },
        { HG_OTLP_HTTP, "http://u:geheim@h:x/", "!'http://u:***@h:x/' is no endpoint" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_buf_t b;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&b, HG_BUF_NOMAX);
        int rc = hg_otlp_url(cases[i].transport, cases[i].endpoint, &b, &err);
        assert_int_equal(rc, cases[i].want[0] == '!' ? HG_EINVAL : 0);
        if (rc == 0)
            assert_string_equal(b.p, cases[i].want);
        else if (!strstr(err.msg, cases[i].want + 1))
            fail_msg("%s: %s", cases[i].endpoint, err.msg);
        hg_buf_release(&b);
    }
}

static void variables(void **state)
{
    (void)state;
    static const char *const env[] = { "OTEL_EXPORTER_OTLP_HEADERS=not=these",
                                       "OTEL_EXPORTER_OTLP_LOGS_HEADERS= a=b%20c , ,d = e=f,",
                                       "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=",
                                       "OTEL_EXPORTER_OTLP_TIMEOUT=250",
                                       "OTEL_RESOURCE_ATTRIBUTES=k=v%2Cw,service.x=y",
                                       "OTEL_EXPORTER_OTLP_CERTIFICATE=/ca.pem",
                                       "OTEL_EXPORTER_OTLP_HEADERSX=no=no",
                                       NULL };
    static const char *const none[] = { NULL };
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    otlp_env_t e;
    assert_int_equal(otlp_env_read(env, a, &e, &err), 0);
    assert_string_equal(e.headers[0], "a: b c");
    assert_string_equal(e.headers[1], "d: e=f");
    assert_null(e.headers[2]);
    assert_int_equal(e.timeout_ms, 250);
    assert_int_equal(e.n_resource, 2);
    assert_true(hg_str_eqz(e.resource[0].value, "v,w"));
    assert_string_equal(e.ca_file, "/ca.pem");
    assert_int_equal(otlp_env_read(none, a, &e, &err), 0);
    assert_int_equal(e.timeout_ms, 10000);
    assert_null(e.headers[0]);
    static const char *const bad[] = {
        "OTEL_EXPORTER_OTLP_HEADERS=geheim",     "OTEL_EXPORTER_OTLP_HEADERS=a=geheim%0d%0ab:c",
        "OTEL_EXPORTER_OTLP_HEADERS=a=geheim%",  "OTEL_EXPORTER_OTLP_HEADERS==geheim",
        "OTEL_EXPORTER_OTLP_HEADERS=a b=geheim", "OTEL_RESOURCE_ATTRIBUTES=geheim",
        "OTEL_EXPORTER_OTLP_TIMEOUT=0",          "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=10s",
    };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        const char *const one[] = { bad[i], NULL };
        char name[64];
        snprintf(name, sizeof name, "the variable %.*s is", (int)strcspn(bad[i], "="), bad[i]);
        assert_int_equal(otlp_env_read(one, a, &e, &err), HG_EINVAL);
        assert_non_null(strstr(err.msg, name));
        assert_null(strstr(err.msg, "geheim"));
    }
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record),
        cmocka_unit_test(bodies),
        cmocka_unit_test(a_body_has_an_end),
        cmocka_unit_test(a_request),
        cmocka_unit_test(batches_and_bounds),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(a_full_queue_is_told_once),
        cmocka_unit_test(many_write_and_one_takes),
        cmocka_unit_test(verdicts_http),
        cmocka_unit_test(verdicts_grpc),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
