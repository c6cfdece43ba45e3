/* The exporter from start to end where no collector answers: nothing of it waits for one, and what was not sent is
 * counted. With real collectors: tests/e2e/test_telemetry.py.
 * test-labels: threads */
#include "tests/lib/test.h"

#include "telemetry/otlp.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

/* A port at which nobody listens, for as long as the socket is open. */
static int closed_port(char *url, size_t cap)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(url, cap, "http://127.0.0.1:%u/v1/logs", ntohs(at.sin_port));
    return fd;
}

#define WRITERS 4
#define EACH    700
static void *write_lines(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) hg_log_each(HG_LOG_INFO, "test", NULL, "line", hg_strz("message=\"a line\""));
    return NULL;
}

static void nobody_answers(void **state)
{
    (void)state;
    for (int t = HG_OTLP_GRPC; t <= HG_OTLP_HTTP; t++) {
        char url[64];
        int fd = closed_port(url, sizeof url);
        hg_otlp_opts_t opts = {
            .transport = (hg_otlp_transport_t)t, .endpoint = url, .service_name = "s", .service_version = "1"
        };
        hg_err_t err = HG_ERR_INIT;
        hg_otlp_t *o;
        hg_otlp_counts_t c;
        pthread_t w[WRITERS];
        assert_int_equal(hg_otlp_start(&opts, &o, &err), 0);
        hg_log_also(hg_otlp_take, o);
        for (int i = 0; i < WRITERS; i++) assert_int_equal(pthread_create(&w[i], NULL, write_lines, NULL), 0);
        for (int i = 0; i < WRITERS; i++) pthread_join(w[i], NULL);
        hg_log_also(NULL, NULL);
        hg_otlp_end(o, 50, &c);
        assert_int_equal(c.sent, 0);
        assert_int_equal(c.refused, 0);
        assert_int_equal(c.dropped, WRITERS * EACH); /* its own lines are not among them */
        close(fd);
    }
}

static void nothing_to_send(void **state)
{
    (void)state;
    hg_otlp_opts_t opts = { .endpoint = "", .service_name = "s", .service_version = "1" };
    hg_err_t err = HG_ERR_INIT;
    hg_otlp_t *o;
    hg_otlp_counts_t c;
    assert_int_equal(hg_otlp_start(&opts, &o, &err), 0);
    hg_otlp_end(o, 600000, &c); /* nobody is asked, so nobody is waited for */
    assert_int_equal(c.sent + c.refused + c.dropped, 0);
}

static void what_cannot_start(void **state)
{
    (void)state;
    static const char *const env[] = { "OTEL_EXPORTER_OTLP_TIMEOUT=soon", NULL };
    hg_otlp_opts_t opts = { .endpoint = "ftp://h", .service_name = "s", .service_version = "1" };
    hg_err_t err = HG_ERR_INIT;
    hg_otlp_t *o;
    assert_int_equal(hg_otlp_start(&opts, &o, &err), HG_EINVAL);
    opts.endpoint = "http://h";
    opts.environ = env;
    assert_int_equal(hg_otlp_start(&opts, &o, &err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "OTEL_EXPORTER_OTLP_TIMEOUT"));
}

static int quiet(void **state)
{
    (void)state;
    hg_log_init((hg_log_opts_t){ .fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .level = HG_LOG_INFO });
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(nothing_to_send),
        cmocka_unit_test(what_cannot_start),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
