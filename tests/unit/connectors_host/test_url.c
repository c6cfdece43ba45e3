/* url_input over restarts: the rest of the same resource, or a clear error; the same chunks again in a replay.
 * test-labels: threads */
#include "tests/unit/connectors_host/subject.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

extern const hg_input_type_t hg_input_url;

/* --- a server of one resource --- */

typedef struct {
    const char *body, *etag; /* etag NULL: no validator */
    bool no_ranges, no_length;
    unsigned asked; /* kit->mu */
    long from;      /* kit->mu: of the last Range header; -1 = none */
} resource_t;

static resource_t resource;
static int listener, port;

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) return;
        p += k;
        n -= (size_t)k;
    }
}

static void answer(int fd, const char *request)
{
    hg_buf_t out;
    const char *range = strstr(request, "Range: bytes="), *cond = strstr(request, "If-Range: ");
    size_t n = strlen(resource.body);
    long from = range ? strtol(range + 13, NULL, 10) : -1;
    pthread_mutex_lock(&kit->mu);
    resource.asked++;
    resource.from = from;
    pthread_mutex_unlock(&kit->mu);
    hg_buf_init(&out, HG_BUF_NOMAX);
    if (cond && (!resource.etag || strncmp(cond + 10, resource.etag, strlen(resource.etag)) != 0)) from = -1;
    if (resource.no_ranges) from = -1;
    if (from >= (long)n) {
        hg_buf_addf(&out, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n",
                    n);
    } else if (from >= 0) {
        hg_buf_addf(&out, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %ld-%zu/%zu\r\n", from, n - 1, n);
        hg_buf_addf(&out, "Content-Length: %zu\r\n", n - (size_t)from);
    } else {
        hg_buf_addf(&out, "HTTP/1.1 200 OK\r\n");
        if (!resource.no_length) hg_buf_addf(&out, "Content-Length: %zu\r\n", n);
    }
    if (resource.etag) hg_buf_addf(&out, "ETag: %s\r\n", resource.etag);
    hg_buf_addf(&out, "Connection: close\r\n\r\n");
    if (from < (long)n) hg_buf_addf(&out, "%s", resource.body + (from > 0 ? from : 0));
    send_all(fd, out.p, out.len);
    hg_buf_release(&out);
}

static void *serve(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        char request[4096];
        size_t n = 0;
        request[0] = 0;
        while (n < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
            ssize_t k = read(fd, request + n, sizeof request - 1 - n);
            if (k <= 0) break;
            n += (size_t)k;
            request[n] = 0;
        }
        if (strstr(request, "\r\n\r\n")) answer(fd, request);
        shutdown(fd, SHUT_WR);
    }
    return NULL;
}

/* --- one life of the connector --- */

static char saved[1024];

/* Reads from position (NULL: the beginning) until `rows` rows are taken or the input ends or fails; leaves the position
 * in `saved`. Returns the sum of the rows; -1 and the message in `error`. */
static char error[512];
static int64_t life(const char *position, uint64_t rows)
{
    char url[64];
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_diag_t d = { .fn = kit_complain };
    kit_up((hg_host_opts_t){ 0 });
    void *cfg = hg_arena_alloc(kit->arena, hg_input_url.cfg_size);
    snprintf(url, sizeof url, "{\"path\":\"http://127.0.0.1:%d/x\"}", port);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(url), &v, &err), 0);
    assert_int_equal(hg_opts_parse(hg_input_url.opts, v, v, HG_EXTRA_REFUSE, NULL, kit->arena, cfg, &d), 0);
    hg_conn_spec_t spec = kit_spec(cfg);
    spec.in_type = &hg_input_url;
    spec.max_queued_records = 1; /* small chunks */
    hg_input_t *in = kit_input(&spec, 0);
    if (position) {
        assert_int_equal(hg_json_parse(kit->arena, hg_strz(position), &v, &err), 0);
        assert_int_equal(hg_input_restore(in, v, &err), 0);
    }
    hg_input_open(in);
    hg_input_run(in);
    int64_t sum = 0;
    for (uint64_t n = 0; n < rows;) {
        KIT_WAIT(hg_host_ready(kit->h) || kit->c[0].failed);
        hg_chunk_t *c = kit_take();
        if (!c) {
            sum = -1;
            break;
        }
        bool eoi = c->eoi;
        for (uint64_t i = 0; i < c->records; i++) sum += HG_COL(c->change->rows->cols[0], int64_t)[i];
        n += c->records;
        hg_chunk_done(c);
        if (eoi) break;
    }
    snprintf(error, sizeof error, "%s", kit->c[0].error);
    snprintf(saved, sizeof saved, "%s", kit_save(in));
    kit_close(in, 0);
    kit_down();
    return sum;
}

static void the_rest_is_asked_for(void **st)
{
    (void)st;
    resource = (resource_t){ .body = "10\n20\n30\n40\n", .etag = "\"v1\"" };
    int64_t first = life(NULL, 1);
    assert_non_null(strstr(saved, "\"validator\":\"\\\"v1\\\"\",\"length\":12}"));
    assert_int_equal(life(saved, 99) + first, 100);
    assert_true(resource.from > 0 || first == 100);
    resource.from = 77;
    assert_int_equal(life(saved, 99), 0); /* at the end, as is known: it is not asked for */
    assert_int_equal(resource.from, 77);
    assert_int_equal(life("{\"offset\":12}", 99), 0); /* nothing more, and no error */
    assert_int_equal(resource.from, 12);
    resource.no_ranges = true; /* everything again: what is known is skipped */
    assert_int_equal(life("{\"offset\":6,\"validator\":\"\\\"v1\\\"\",\"length\":12}", 99), 70);
    assert_int_equal(life("{\"offset\":3}", 99), 90); /* by hand: no check is asked for */
}

static void a_resource_that_has_changed_is_never_mixed(void **st)
{
    (void)st;
    static const char at6[] = "{\"offset\":6,\"validator\":\"\\\"v1\\\"\",\"length\":12}";
    for (int ranges = 0; ranges < 2; ranges++) {
        resource = (resource_t){ .body = "11\n21\n31\n41\n", .etag = "\"v2\"", .no_ranges = !ranges };
        assert_int_equal(life(at6, 99), -1);
        assert_non_null(strstr(error, "the resource has changed since 6 bytes of it were read (\"v1\" is now \"v2\")"));
        resource = (resource_t){ .body = "11\n21\n31\n41\n51\n", .no_ranges = !ranges }; /* by its length */
        assert_int_equal(life("{\"offset\":6,\"length\":12}", 99), -1);
        assert_non_null(strstr(error, "(it had 12 bytes and has 15 now)"));
        resource = (resource_t){ .body = "10\n20\n30\n41\n",
                                 .no_ranges = !ranges }; /* nothing tells: goes on, and is logged */
        assert_int_equal(life("{\"offset\":6,\"length\":12}", 99), 71);
        resource = (resource_t){ .body = "10\n", .no_ranges = !ranges, .no_length = true };
        assert_int_equal(life("{\"offset\":6}", 99), -1);
        assert_non_null(strstr(error, "has changed"));
    }
}

/* --- replay --- */

enum { LINES = 20000 };

static subject_t *reader(char *json, size_t cap)
{
    subject_t *s = HG_NEW(subject_t);
    snprintf(json, cap, "{\"path\":\"http://127.0.0.1:%d/x\"}", port);
    s->type = &hg_input_url;
    s->json = json;
    return s;
}

static char *lines_body(int64_t factor)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (int64_t i = 0; i < LINES; i++) hg_buf_addf(&b, "%" PRId64 "\n", 100000 + i * factor);
    return hg_buf_take(&b, NULL);
}

static void down(hg_input_t *in)
{
    kit_close(in, 0);
    KIT_WAIT(hg_host_input_bytes(kit->h) == 0);
    kit_down();
}

static void a_resource_is_read_once_whatever_crashes(void **st)
{
    (void)st;
    char json[128], *body = lines_body(7);
    for (uint64_t seed = 0; seed < 9; seed++) {
        uint64_t r = seed;
        subject_t *s = reader(json, sizeof json);
        resource = (resource_t){ .body = body, .etag = seed % 3 ? "\"v1\"" : NULL, .no_ranges = seed % 3 == 2 };
        for (bool ended = false; !ended;) {
            kit_up((hg_host_opts_t){ .exactly_once = true });
            hg_input_t *in = subject_open(s, 1 + kit_dice(&r) % 2000);
            subject_replay(s, in);
            for (uint64_t n = 3 + kit_dice(&r) % 12; n > 0 && !ended; n--) {
                ended = subject_step(s);
                if (kit_dice(&r) % 5 == 0) subject_checkpoint(s, in);
            }
            if (!ended && s->n_cuts) { /* the crash: the journal has all steps or fewer */
                s->n_cuts -= (uint32_t)(kit_dice(&r) % HG_MIN(s->n_cuts, 3u));
                s->values.n = s->upto[s->n_cuts - 1];
            }
            down(in);
        }
        assert_int_equal(s->values.n, LINES);
        for (int64_t i = 0; i < LINES; i++) assert_int_equal(s->values.v[i], 100000 + i * 7);
        subject_release(s);
    }
    hg_free(body);
}

static void expect(subject_t *s, const char *text)
{
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_input_t *in = subject_open(s, 1000000);
    KIT_WAIT(kit->c[0].failed);
    if (!strstr(kit->c[0].error, text)) fail_msg("%s", kit->c[0].error);
    down(in);
}

/* Of several ranges that have changed the one is named whose parser comes first. */
static void expect_a_range(subject_t *s)
{
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_input_t *in = subject_open(s, 1000000);
    KIT_WAIT(kit->c[0].failed);
    bool named = false;
    for (uint32_t i = 0; i < s->n_cuts && !named; i++) {
        const hg_replay_cut_t *c = &s->cuts[i];
        char text[160];
        snprintf(text, sizeof text,
                 "'t.c' cannot be read again as it was: range %" PRIu64 " to %" PRIu64 " (lane 0, %" PRIu64
                 " records): its content has changed",
                 (uint64_t)c->begin, (uint64_t)c->end, (uint64_t)c->records);
        named = strstr(kit->c[0].error, text) != NULL;
    }
    if (!named) fail_msg("%s", kit->c[0].error);
    down(in);
}

static void a_resource_that_has_changed_is_not_replayed(void **st)
{
    (void)st;
    char json[128], *body = lines_body(7), *other = lines_body(3);
    for (int etag = 0; etag < 2; etag++) {
        subject_t *s = reader(json, sizeof json);
        resource = (resource_t){ .body = body, .etag = etag ? "\"v1\"" : NULL };
        kit_up((hg_host_opts_t){ .exactly_once = true });
        hg_input_t *in = subject_open(s, 500);
        for (int i = 0; i < 5; i++) {
            assert_false(subject_step(s));
            if (i == 1 && etag) subject_checkpoint(s, in); /* else the journal goes back to the beginning */
        }
        down(in);
        resource = (resource_t){ .body = other, .etag = etag ? "\"v2\"" : NULL };
        if (etag)
            expect(s, "the resource has changed");
        else
            expect_a_range(s);
        if (!etag) { /* as long as before: only the content tells */
            assert_int_equal(strlen(other), strlen(body));
            expect(s, "its content has changed");
            hg_free(s->position); /* a server that says nothing */
            s->position = hg_xstrdup("{\"offset\":0}");
            resource = (resource_t){ .body = "100000\n", .no_length = true };
            expect(s, "the source has ended before it");
        }
        subject_release(s);
    }
    hg_free(body);
    hg_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_is_asked_for),
        cmocka_unit_test(a_resource_that_has_changed_is_never_mixed),
        cmocka_unit_test(a_resource_is_read_once_whatever_crashes),
        cmocka_unit_test(a_resource_that_has_changed_is_not_replayed),
    };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    pthread_t server;
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 16) < 0) return 1;
    if (getsockname(listener, (struct sockaddr *)&a, &len) < 0) return 1;
    port = ntohs(a.sin_port);
    if (pthread_create(&server, NULL, serve, NULL) != 0) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
    return rc;
}
