/* TLS, with a certificate made here. test-labels: threads */
#include "tests/unit/net/net_test.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static char cert_path[64], key_path[64];
static server_t S;

static struct {
    sem_t event;
    atomic_size_t bytes;
    hg_req_t *held;
} P;

static void make_cert(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    X509_sign(x, key, EVP_sha256());
    FILE *f = fopen(cert_path, "w");
    assert_non_null(f);
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key_path, "w");
    assert_non_null(f);
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static bool gate(void *arg, const char *p, size_t n)
{
    (void)p;
    atomic_fetch_add(&P.bytes, n);
    P.held = arg;
    sem_post(&P.event);
    return false;
}

static void gate_end(void *arg)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", atomic_load(&P.bytes));
    hg_resp_send(arg, 200, "text/plain", hg_strz(text), NULL);
    P.held = NULL;
    sem_post(&P.event);
}

static void pour(void *arg)
{
    static char block[30000];
    hg_req_t *r = arg;
    while (atomic_load(&P.bytes) < 8000000) {
        atomic_fetch_add(&P.bytes, sizeof block);
        if (!hg_resp_write(r, block, sizeof block)) return;
    }
    hg_resp_end(r);
}

static void echo(void *arg, hg_ws_t *ws, bool text, hg_str_t data)
{
    (void)arg;
    hg_ws_send(ws, text, data);
    hg_ws_close(ws, 1000, NULL);
}

static void on_request(void *arg, hg_req_t *r)
{
    (void)arg;
    if (hg_str_eqz(hg_req_path(r), "/gate")) {
        hg_body_ops_t ops = { .data = gate, .end = gate_end, .arg = r };
        hg_req_stream(r, &ops);
    } else if (hg_str_eqz(hg_req_path(r), "/pour")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_on_drain(r, pour, r);
        pour(r);
    } else if (hg_req_is_websocket(r)) {
        hg_ws_t *ws;
        hg_err_t err = HG_ERR_INIT;
        hg_ws_ops_t ops = { .message = echo };
        hg_req_websocket(r, &ops, 1000, &ws, &err);
    } else {
        hg_resp_send(r, 200, "text/plain", HG_S("secret"), NULL);
    }
}

static int up(void **state)
{
    (void)state;
    memset(&S, 0, sizeof S);
    sem_init(&P.event, 0, 0);
    atomic_store(&P.bytes, 0);
    snprintf(cert_path, sizeof cert_path, "/tmp/hg-tls-%d.crt", (int)getpid());
    snprintf(key_path, sizeof key_path, "/tmp/hg-tls-%d.key", (int)getpid());
    make_cert();
    S.cert = cert_path;
    S.key = key_path;
    server_up(&S, 2, on_request, NULL);
    return 0;
}

static int down(void **state)
{
    (void)state;
    server_down(&S);
    unlink(cert_path);
    unlink(key_path);
    return 0;
}

static int fetch(const char *path, hg_str_t body, const char *ca, bool insecure, int *ret_status, hg_buf_t *out,
                 hg_err_t *err)
{
    char url[96];
    snprintf(url, sizeof url, "https://localhost:%u%s", S.port, path);
    hg_fetch_t f = { .method = body.n ? "POST" : "GET",
                     .url = url,
                     .body = body,
                     .ca_file = ca,
                     .tls_insecure = insecure,
                     .timeout_ms = WAIT_S * 1000 };
    return hg_fetch(&f, ret_status, out, err);
}

static void tls_serves_who_trusts_it(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    int status = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(fetch("/", HG_S(""), cert_path, false, &status, &b, &err), 0);
    assert_int_equal(status, 200);
    assert_string_equal(b.p, "secret");
    hg_buf_clear(&b);
    assert_int_equal(fetch("/", HG_S(""), NULL, true, &status, &b, &err), 0);
    assert_string_equal(b.p, "secret");
    hg_buf_clear(&b);
    assert_int_equal(fetch("/", HG_S(""), NULL, false, &status, &b, &err), HG_ENET); /* unknown issuer */
    assert_false(err.retry);
    assert_int_equal(b.len, 0);
    hg_buf_release(&b);
}

static void tls_streams_answers_with_marks(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    int status = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(fetch("/pour", HG_S(""), cert_path, false, &status, &b, &err), 0);
    assert_int_equal(b.len, atomic_load(&P.bytes));
    assert_true(b.len >= 8000000);
    hg_buf_release(&b);
}

static void resume(void *arg)
{
    hg_req_resume(arg);
}

static void *open_gate(void *arg)
{
    (void)arg;
    for (wait_sem(&P.event); P.held; wait_sem(&P.event)) hg_loop_post(hg_req_loop(P.held), resume, P.held);
    return NULL;
}

static void tls_upload_survives_holds_after_every_piece(void **state)
{
    (void)state;
    enum { N = 3000000 };
    char *block = calloc(1, N);
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    int status = 0;
    pthread_t t;
    hg_buf_init(&b, HG_BUF_NOMAX);
    pthread_create(&t, NULL, open_gate, NULL);
    assert_int_equal(fetch("/gate", (hg_str_t){ block, N }, cert_path, false, &status, &b, &err), 0);
    pthread_join(t, NULL);
    assert_string_equal(b.p, "3000000");
    hg_buf_release(&b);
    free(block);
}

static bool collect(void *arg, bool text, hg_str_t data)
{
    assert_true(text);
    hg_buf_addstr(arg, data);
    return true;
}

static void tls_carries_websockets(void **state)
{
    (void)state;
    char url[64];
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    uint16_t code = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    snprintf(url, sizeof url, "wss://localhost:%u/ws", S.port);
    int rc = hg_ws_fetch(url, NULL, HG_S("over tls"), cert_path, false, collect, &b, &code, &err);
    if (rc < 0) fail_msg("%s", err.msg);
    assert_string_equal(b.p, "over tls");
    assert_int_equal(code, 1000);
    hg_buf_release(&b);
}

static void tls_port_drops_plain_http_and_lives(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    hg_buf_t b = hear_all(fd);
    assert_null(strstr(b.p, "secret"));
    hg_buf_release(&b);
    close(fd);
    tls_serves_who_trusts_it(state);
}

static void tls_names_the_file_that_is_wrong(void **state)
{
    (void)state;
    hg_tls_ctx_t *ctx;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_tls_ctx_new("/nonexistent.pem", key_path, &ctx, &err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "certificate '/nonexistent.pem'"));
    assert_int_equal(hg_tls_ctx_new(cert_path, cert_path, &ctx, &err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "key '"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tls_serves_who_trusts_it),
        T(tls_streams_answers_with_marks),
        T(tls_upload_survives_holds_after_every_piece),
        T(tls_carries_websockets),
        T(tls_port_drops_plain_http_and_lives),
        T(tls_names_the_file_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
