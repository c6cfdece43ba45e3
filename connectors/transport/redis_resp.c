/* redis_resp.c: RESP, versions 2 and 3, as far as a client that writes needs it.
 *
 * Debian's hiredis has no TLS, no RESP3, and allocates an object per element: the answer to a transaction of 100,000
 * commands is that many. Here an aggregate is only counted through, and the first error in it kept. */
#include "base/hg.h"
#include "connectors/transport/redis_int.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)
#define BULK_KEEP      4096u
#define BULK_MAX       ((uint64_t)512 << 20) /* the server's own limit */

void hg_resp_init(hg_resp_t *r, bool (*reply)(void *arg, const hg_resp_reply_t *r), void *arg)
{
    memset(r, 0, sizeof *r);
    r->reply = reply;
    r->arg = arg;
    hg_buf_init(&r->line, HG_BUF_NOMAX);
    hg_buf_init(&r->bulk, BULK_KEEP);
}

void hg_resp_reset(hg_resp_t *r)
{
    hg_buf_clear(&r->line);
    hg_buf_clear(&r->bulk);
    r->bulk_type = 0;
    r->depth = 0;
    r->error[0] = 0;
}

void hg_resp_release(hg_resp_t *r)
{
    hg_buf_release(&r->line);
    hg_buf_release(&r->bulk);
}

static int not_resp(hg_err_t *err, const char *why)
{
    return hg_err_set(err, HG_EPROTO, "the server does not answer as Redis does: %s", why);
}

/* Is told what is whole with it. false: the owner wants no more. */
static bool element(hg_resp_t *r, char type, bool null, hg_str_t text)
{
    if (r->depth == 0) {
        hg_resp_reply_t reply = { .type = type, .null = null, .text = text };
        return r->reply(r->arg, &reply);
    }
    if ((type == '-' || type == '!') && !r->error[0]) snprintf(r->error, sizeof r->error, HG_SF, HG_SA(text));
    while (r->depth) {
        if (--r->left[r->depth - 1]) return true;
        r->depth--;
    }
    hg_resp_reply_t reply = { .type = r->outer, .error = r->error[0] ? r->error : NULL };
    if (r->outer == '>') { /* pushed by the server: asked for by nobody */
        r->error[0] = 0;
        return true;
    }
    bool go_on = r->reply(r->arg, &reply);
    if (go_on) r->error[0] = 0;
    return go_on;
}

static int aggregate(hg_resp_t *r, char type, int64_t n, bool *go_on, hg_err_t *err)
{
    if (n <= 0) {
        *go_on = element(r, type, n < 0, (hg_str_t){ 0 });
        return 0;
    }
    if (r->depth == HG_RESP_DEPTH) return not_resp(err, "arrays are nested too deeply");
    if (n > INT32_MAX) return not_resp(err, "an array is too long");
    if (r->depth == 0) r->outer = type;
    r->left[r->depth++] = (uint64_t)n * (type == '%' ? 2 : 1);
    return 0;
}

/* A whole line, without its end. */
static int take_line(hg_resp_t *r, hg_str_t line, bool *go_on, hg_err_t *err)
{
    if (!line.n) return not_resp(err, "an empty line");
    char type = line.p[0];
    hg_str_t rest = { line.p + 1, line.n - 1 };
    int64_t n = 0;
    switch (type) {
    case '+':
    case '-':
    case ':':
    case ',':
    case '#':
    case '(':
        *go_on = element(r, type, false, rest);
        return 0;
    case '_':
        *go_on = element(r, type, true, rest);
        return 0;
    case '$':
    case '!':
    case '=':
    case '*':
    case '%':
    case '~':
    case '>':
        if (hg_str_i64(rest, &n) < 0) return not_resp(err, "a length is not a number");
        break;
    default:
        return not_resp(err, "an answer of an unknown type");
    }
    if (type != '$' && type != '!' && type != '=') return aggregate(r, type, n, go_on, err);
    if (n < 0) {
        *go_on = element(r, type, true, (hg_str_t){ 0 });
        return 0;
    }
    if ((uint64_t)n > BULK_MAX) return not_resp(err, "a value is too long");
    hg_buf_clear(&r->bulk);
    r->bulk_type = type;
    r->bulk_left = (uint64_t)n + 2;
    return 0;
}

static size_t take_bulk(hg_resp_t *r, const char *p, size_t n, bool *go_on)
{
    size_t k = (size_t)HG_MIN((uint64_t)n, r->bulk_left);
    size_t value = r->bulk_left > 2 ? (size_t)HG_MIN((uint64_t)k, r->bulk_left - 2) : 0;
    size_t keep = HG_MIN(value, (size_t)BULK_KEEP - 1 - r->bulk.len);
    if (keep) (void)hg_buf_add(&r->bulk, p, keep);
    r->bulk_left -= k;
    if (r->bulk_left == 0) {
        char type = r->bulk_type;
        r->bulk_type = 0;
        *go_on = element(r, type, false, hg_buf_str(&r->bulk));
    }
    return k;
}

int hg_resp_feed(hg_resp_t *r, const char *p, size_t n, hg_err_t *err)
{
    bool go_on = true;
    while (n) {
        if (r->bulk_type) {
            size_t k = take_bulk(r, p, n, &go_on);
            if (!go_on) return 0;
            p += k;
            n -= k;
            continue;
        }
        const char *nl = memchr(p, '\n', n);
        size_t k = nl ? (size_t)(nl - p) + 1 : n;
        if (r->line.len + k > LINE_MAX_BYTES) return not_resp(err, "a line is too long");
        hg_str_t line = { p, k };
        if (!nl || r->line.len) {
            if (hg_buf_add(&r->line, p, k) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for an answer");
            line = hg_buf_str(&r->line);
        }
        p += k;
        n -= k;
        if (!nl) return 0;
        if (line.n < 2 || line.p[line.n - 2] != '\r') return not_resp(err, "a line does not end in CR LF");
        line.n -= 2;
        int rc = take_line(r, line, &go_on, err);
        if (rc < 0 || !go_on) return rc;
        hg_buf_clear(&r->line);
    }
    return 0;
}

int hg_resp_command(hg_buf_t *out, const hg_str_t *args, unsigned n)
{
    int rc = hg_buf_addf(out, "*%u\r\n", n);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        char head[32];
        int k = snprintf(head, sizeof head, "$%zu\r\n", args[i].n);
        rc = hg_buf_add(out, head, (size_t)k);
        if (rc == 0) rc = hg_buf_addstr(out, args[i]);
        if (rc == 0) rc = hg_buf_add(out, "\r\n", 2);
    }
    return rc;
}

int hg_redis_error(const char *message, const char *what, hg_err_t *err)
{
    /* by the first word of the message; all others are for ever */
    static const char *const passing[] = { "LOADING", "BUSY",       "READONLY", "MASTERDOWN", "OOM",
                                           "MISCONF", "NOREPLICAS", "TRYAGAIN", "CLUSTERDOWN" };
    static const char *const cluster[] = { "MOVED", "ASK", "CROSSSLOT" };
    size_t n = strcspn(message, " ");
    for (size_t i = 0; i < HG_COUNT(cluster); i++)
        if (strlen(cluster[i]) == n && memcmp(cluster[i], message, n) == 0)
            return hg_err_set(err, HG_EUNSUPPORTED, "%s: Redis Cluster is not supported: %s", what, message);
    for (size_t i = 0; i < HG_COUNT(passing); i++)
        if (strlen(passing[i]) == n && memcmp(passing[i], message, n) == 0)
            return hg_err_retry(err, HG_ENET, "%s: %s", what, message);
    return hg_err_set(err, HG_ENET, "%s: %s", what, message);
}
