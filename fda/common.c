/* common.c: start-up, and what several commands do. */
#include "base/hg.h"
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "fda/fda.h"
#include "fda/fda_int.h"

#define DEFAULT_HOST "http://127.0.0.1:8080"
#define MAX_FILE     ((size_t)256 * 1024 * 1024)

/* --- reading answers --- */

const hg_json_t *fda_member(const hg_json_t *v, const char *path)
{
    char key[64];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        HG_ASSERT(n < sizeof key);
        memcpy(key, path, n);
        key[n] = 0;
        v = hg_json_get(v, key);
        path += n + (path[n] == '.');
    }
    return v && v->kind != HG_J_NULL ? v : NULL;
}

const char *fda_text(const hg_json_t *v, const char *path, const char *dflt)
{
    return hg_json_str(fda_member(v, path), dflt);
}

const char *fda_digits(const hg_json_t *v, const char *path, const char *dflt)
{
    const hg_json_t *m = fda_member(v, path);
    return m && m->kind == HG_J_NUMBER ? m->str.p : dflt;
}

int fda_pipeline(fda_t *f, const char *what, const char *name, bool all, const hg_json_t **ret)
{
    const char *path =
        all ? fda_path(f, "/v0/pipelines/%s", name) : fda_path(f, "/v0/pipelines/%s?selector=status", name);
    return fda_get(f, what, path, 0, ret);
}

/* --- names --- */

const char *fda_relation(fda_t *f, const char *word)
{
    size_t n = strlen(word);
    return n > 2 && word[0] == '"' && word[n - 1] == '"' ? hg_arena_strndup(f->arena, word + 1, n - 2) : word;
}

const char *fda_relation_segment(fda_t *f, const char *relation)
{
    for (const char *p = relation; *p; p++)
        if (*p >= 'A' && *p <= 'Z') return hg_arena_printf(f->arena, "\"%s\"", relation);
    return relation;
}

/* --- files --- */

int fda_read_file(const char *path, hg_buf_t *text)
{
    bool in = strcmp(path, "-") == 0;
    FILE *file = in ? stdin : fopen(path, "rb");
    char chunk[65536];
    size_t n;
    int rc = 0;
    if (!file) return fda_error("Failed to read '%s': %s", path, strerror(errno));
    while (rc == 0 && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (hg_buf_add(text, chunk, n) < 0) rc = fda_error("'%s' is larger than %zu bytes", path, MAX_FILE);
    if (rc == 0 && ferror(file))
        rc = fda_error("Failed to read '%s': %s", in ? "standard input" : path, strerror(errno));
    if (!in) fclose(file);
    return rc;
}

int fda_put_file(hg_jw_t *w, const char *key, const char *path)
{
    hg_buf_t text;
    if (!path) return 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    int rc = fda_read_file(path, &text);
    hg_jw_key(w, key);
    hg_jw_str(w, hg_buf_str(&text));
    hg_buf_release(&text);
    return rc;
}

int fda_read_program(const fda_args_t *a, hg_buf_t *text, bool *ret_given)
{
    const char *path = fda_arg(a, "PROGRAM_PATH");
    hg_buf_init(text, MAX_FILE);
    *ret_given = path || fda_flag(a, "stdin");
    if (path && fda_flag(a, "stdin"))
        return fda_usage(a, "the argument '--stdin' cannot be used with '[PROGRAM_PATH]'");
    return *ret_given ? fda_read_file(path ? path : "-", text) : 0;
}

/* --- repeated questions --- */

int fda_once(fda_t *f, int (*ask)(fda_t *f, void *arg), void *arg)
{
    hg_arena_t *whole = f->arena;
    f->arena = hg_arena_new();
    int rc = ask(f, arg);
    hg_arena_free(f->arena);
    f->arena = whole;
    return rc;
}

/* --- time --- */

uint64_t fda_now_ms(void)
{
    return (uint64_t)hg_mono_us() / 1000;
}

void fda_pause_ms(uint64_t ms)
{
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

/* --- start-up --- */

static int read_token(fda_t *f, const char *path, const char **ret)
{
    hg_buf_t b;
    hg_buf_init(&b, 1 << 20);
    int rc = fda_read_file(path, &b);
    hg_str_t token = hg_str_trim(hg_buf_str(&b));
    if (rc == 0) *ret = hg_arena_strndup(f->arena, token.p, token.n);
    hg_buf_release(&b);
    return rc;
}

static int set_headers(fda_t *f, const fda_args_t *a)
{
    const char **h = HG_ANEWN(f->arena, const char *, 6);
    unsigned n = 0;
    const char *auth = fda_option(a, "auth"), *file = fda_option(a, "oidc-token-file"),
               *tenant = fda_option(a, "tenant");
    h[n++] = "Accept: application/json";
    h[n++] = "api-version: " HG_FELDERA_VERSION;
    if (auth && file) return fda_usage(a, "the argument '--auth <AUTH>' cannot be used with '--oidc-token-file'");
    if (file && read_token(f, file, &auth)) return 1;
    if (auth && strncmp(f->host, "https://", 8) != 0)
        fda_error("warning: The provided credentials are not added to the request because %s does not use `https`.",
                  f->host);
    else if (auth)
        h[n++] = hg_arena_printf(f->arena, "Authorization: Bearer %s", auth);
    if (tenant) h[n++] = hg_arena_printf(f->arena, "Feldera-Tenant: %s", tenant);
    f->headers = h;
    return 0;
}

/* A certificate that cannot be used is told before the first connection, also where the host is not asked over TLS. */
static int check_certificate(fda_t *f, const fda_args_t *a)
{
    hg_buf_t b;
    if (!f->tls_cert) return 0;
    if (f->insecure) return fda_usage(a, "the argument '--tls-cert <TLS_CERT>' cannot be used with '--insecure'");
    hg_buf_init(&b, 16 << 20);
    int rc = fda_read_file(f->tls_cert, &b);
    if (rc == 0 && !(b.len && strstr(b.p, "-----BEGIN ")))
        rc = fda_error("'%s' has no certificates: --tls-cert wants a file in PEM", f->tls_cert);
    hg_buf_release(&b);
    return rc;
}

static int number(const fda_args_t *a, const char *name, uint64_t max, uint64_t *ret)
{
    const char *s = fda_option(a, name);
    if (!s || (hg_str_u64(hg_strz(s), ret) == 0 && *ret <= max)) return 0;
    return fda_usage(a, "invalid value '%s' for '--%s': expected a number from 0 to %" PRIu64, s, name, max);
}

static int configure(fda_t *f, const fda_args_t *a)
{
    const char *host = fda_option(a, "host"), *format = fda_option(a, "format");
    uint64_t timeout = 0, retries = 3;
    if (!host) host = DEFAULT_HOST;
    if (strncmp(host, "http://", 7) != 0 && strncmp(host, "https://", 8) != 0)
        return fda_error("The host '%s' is no URL: it starts with http:// or https://, such as " DEFAULT_HOST, host);
    size_t n = strlen(host);
    while (n && host[n - 1] == '/') n--;
    f->host = hg_arena_strndup(f->arena, host, n);
    f->insecure = fda_flag(a, "insecure");
    f->tls_cert = fda_option(a, "tls-cert");
    int i = FDA_TEXT;
    while (format && i <= FDA_HASH && strcmp(format, fda_format_name((fda_format_t)i)) != 0) i++;
    if (i > FDA_HASH) return fda_usage(a, "invalid value '%s' for '--format <FORMAT>'", format);
    f->format = (fda_format_t)i;
    int rc = number(a, "timeout", INT32_MAX / 1000, &timeout);
    if (rc == 0) rc = number(a, "retries", 1000, &retries);
    f->timeout_ms = timeout * 1000;
    f->retries = (uint32_t)retries;
    if (rc == 0) rc = check_certificate(f, a);
    return rc ? rc : set_headers(f, a);
}

int hg_fda_main(int argc, char **argv)
{
    fda_t f = { .arena = hg_arena_new() };
    const fda_args_t *a = NULL;
    int rc = 0;
    signal(SIGPIPE, SIG_IGN);
    if (fda_args_parse(f.arena, &fda_root, argc, argv, &a, &rc) == 0) {
        rc = configure(&f, a);
        if (rc == 0) rc = fda_args_cmd(a)->run(&f, a);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            fda_error("cannot write the output: %s", strerror(errno)); /* `fda … | head` is no complaint */
        rc = 1;
    }
    hg_arena_free(f.arena);
    return rc;
}
