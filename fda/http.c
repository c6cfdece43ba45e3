/* http.c: requests to the daemon.
 *
 * Every request runs on a loop of its own that ends with it. A request that failed for a passing reason (no connection,
 * or 408, 429, 502, 503, 504) is repeated after Retry-After seconds, or 2, 4, 8; one that is not safe to repeat only if
 * the daemon says that the pipeline never saw it.
 */
#include "base/hg.h"
#include <unistd.h>
#include "base/mem.h"
#include "fda/fda_int.h"
#include "net/client.h"

#define RETRY_AFTER_MAX 60u
#define ANSWER_MAX      ((size_t)1 << 30)

const char *fda_path(fda_t *f, const char *fmt, ...)
{
    hg_buf_t b;
    va_list ap;
    hg_buf_init(&b, HG_BUF_NOMAX);
    va_start(ap, fmt);
    for (const char *p = fmt; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            hg_pct_encode(&b, hg_strz(va_arg(ap, const char *)));
            p++;
        } else {
            hg_buf_addc(&b, *p);
        }
    }
    va_end(ap);
    const char *s = hg_arena_strndup(f->arena, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

int fda_error(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return 1;
}

int fda_fail(fda_t *f, const char *what, const hg_err_t *err)
{
    fda_error("%s: %s", what, err->msg);
    if (err->code == HG_ENET)
        fda_error("Is the daemon running at %s? `headgate serve` starts one; --host or FELDERA_HOST names another.",
                  f->host);
    return 1;
}

/* --- one transfer --- */

typedef struct call {
    hg_loop_t *loop;
    hg_client_t *client;
    hg_transfer_t *transfer;
    uv_timer_t idle;
    uint64_t idle_ms; /* 0: until the end */
    int status;
    unsigned retry_after; /* seconds; 0 = not said */
    hg_buf_t body;
    bool to_stdout, full;
    hg_err_t *err;
} call_t;

static void end_call(call_t *c)
{
    c->transfer = NULL;
    uv_timer_stop(&c->idle);
    hg_loop_stop(c->loop);
}

static void on_idle(uv_timer_t *t)
{
    call_t *c = t->data;
    hg_transfer_cancel(c->transfer);
    end_call(c);
}

static void on_head(void *arg, int status, uint64_t length)
{
    call_t *c = arg;
    uint64_t s;
    (void)length;
    c->status = status;
    if (hg_str_u64(hg_transfer_header(c->transfer, "Retry-After"), &s) == 0)
        c->retry_after = (unsigned)HG_MIN(s, RETRY_AFTER_MAX);
}

static bool on_data(void *arg, const char *p, size_t n)
{
    call_t *c = arg;
    if (c->idle_ms) uv_timer_start(&c->idle, on_idle, c->idle_ms, 0);
    if (c->to_stdout && c->status < 300) {
        fwrite(p, 1, n, stdout);
        if (fflush(stdout) == 0) return true;
        hg_transfer_cancel(c->transfer); /* nobody reads on */
        end_call(c);
        return true;
    }
    if (hg_buf_add(&c->body, p, n) < 0) c->full = true;
    return true;
}

static void on_done(void *arg, const hg_err_t *err)
{
    call_t *c = arg;
    if (err->code) *c->err = *err;
    end_call(c);
}

/* 0 when there was an answer, whatever its status. c->body is to be released either way. */
static int transfer(fda_t *f, call_t *c, const char *method, const char *path, hg_str_t body, uint64_t first_ms,
                    hg_err_t *err)
{
    const char *headers[16];
    unsigned n = 0;
    for (const char *const *h = f->headers; *h; h++) headers[n++] = *h;
    if (body.p) headers[n++] = "Content-Type: application/json";
    headers[n] = NULL;
    const hg_transfer_opts_t opts = {
        .method = method,
        .url = hg_arena_printf(f->arena, "%s%s", f->host, path),
        .headers = headers,
        .body = body,
        .timeout_ms = f->timeout_ms,
        .low_speed_timeout_ms = INT32_MAX, /* a log may be silent for long; --timeout is the limit */
        .tls_insecure = f->insecure,
        .ca_file = f->tls_cert,
    };
    const hg_transfer_ops_t ops = { on_head, on_data, on_done, c };
    *err = HG_ERR_INIT;
    c->err = err;
    hg_buf_init(&c->body, ANSWER_MAX);
    c->loop = hg_loop_new("fda");
    c->client = hg_client_new(c->loop);
    uv_timer_init(hg_loop_uv(c->loop), &c->idle);
    c->idle.data = c;
    if (first_ms) uv_timer_start(&c->idle, on_idle, first_ms, 0);
    int rc = hg_transfer_start(c->client, &opts, &ops, &c->transfer, err);
    if (rc == 0) hg_loop_run(c->loop);
    hg_client_free(c->client);
    hg_loop_free(c->loop);
    if (c->full) return hg_err_set(err, HG_ETOOBIG, "the answer is larger than %zu bytes", ANSWER_MAX);
    return rc < 0 ? rc : (int)err->code;
}

/* --- answers --- */

static bool passing(int status)
{
    return status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
}

static void read_answer(fda_t *f, call_t *c, fda_answer_t *ret)
{
    hg_json_t *v = NULL;
    hg_err_t err;
    *ret = (fda_answer_t){ .status = c->status, .text = hg_arena_str(f->arena, hg_buf_str(&c->body)), .code = "" };
    if (ret->text.n && hg_json_parse(f->arena, ret->text, &v, &err) == 0) ret->json = v;
    if (c->status < 300) return;
    ret->code = hg_json_str(hg_json_get(v, "error_code"), "");
    ret->message = hg_json_str(hg_json_get(v, "message"), NULL);
    if (!ret->message)
        ret->message =
            hg_arena_printf(f->arena, "%s answered %d%s%.*s", f->host, c->status, ret->text.n ? ": " : "",
                            (int)strcspn(ret->text.p ? ret->text.p : "", "\r\n"), ret->text.p ? ret->text.p : "");
}

/* A pipeline that is stopped and is to stay so will not come up while we wait. */
static bool stays_down(const fda_answer_t *ans)
{
    return strcmp(ans->code, "PipelineInteractionNotDeployed") == 0 &&
           strcmp(fda_text(ans->json, "details.desired_status", ""), "Stopped") == 0;
}

static bool may_repeat(const fda_answer_t *ans, bool arrived, unsigned flags)
{
    if (flags & FDA_NO_RETRY) return false;
    if (!(flags & FDA_ONCE)) return !arrived || (passing(ans->status) && !stays_down(ans));
    return arrived && ans->status == 503 && strcmp(ans->code, "PipelineInteractionUnreachable") == 0 &&
           strstr(ans->message, "Failed to connect to host");
}

int fda_call(fda_t *f, const char *what, const char *method, const char *path, hg_str_t body, unsigned flags,
             fda_answer_t *ret)
{
    hg_err_t err;
    for (uint32_t tried = 0;; tried++) {
        call_t c = { 0 };
        fda_answer_t ans = { 0 };
        int rc = transfer(f, &c, method, path, body, 0, &err);
        bool arrived = rc == 0;
        if (arrived) read_answer(f, &c, &ans);
        hg_buf_release(&c.body);
        if (arrived && ans.status < 300) {
            if (ret) *ret = ans;
            return 0;
        }
        bool retry = tried < f->retries && (arrived || err.retry) && may_repeat(&ans, arrived, flags);
        if (retry) {
            unsigned s = c.retry_after ? c.retry_after : 2u << HG_MIN(tried, 4u);
            if (isatty(STDERR_FILENO)) fda_error("%s; trying again in %u s", arrived ? ans.message : err.msg, s);
            sleep(s);
            continue;
        }
        if (ret) *ret = ans;
        if (!arrived) return fda_fail(f, what, &err);
        return flags & FDA_QUIET ? 1 : fda_error("%s", ans.message);
    }
}

int fda_get(fda_t *f, const char *what, const char *path, unsigned flags, const hg_json_t **ret)
{
    fda_answer_t ans;
    int rc = fda_call(f, what, "GET", path, (hg_str_t){ 0 }, flags, &ans);
    if (rc) return rc;
    if (!ans.json) return fda_error("%s: the answer of %s%s is no JSON", what, f->host, path);
    *ret = ans.json;
    return 0;
}

int fda_post(fda_t *f, const char *what, const char *path)
{
    return fda_call(f, what, "POST", path, (hg_str_t){ 0 }, 0, NULL);
}

int fda_stream(fda_t *f, const char *what, const char *path, uint64_t first_ms, uint64_t idle_ms)
{
    hg_err_t err;
    call_t c = { .to_stdout = true, .idle_ms = idle_ms };
    int rc = transfer(f, &c, "GET", path, (hg_str_t){ 0 }, first_ms, &err);
    if (rc < 0) {
        hg_buf_release(&c.body);
        return fda_fail(f, what, &err);
    }
    if (c.status >= 300) {
        fda_answer_t ans;
        read_answer(f, &c, &ans);
        rc = fda_error("%s: %s", what, ans.message);
    }
    hg_buf_release(&c.body);
    return rc;
}
