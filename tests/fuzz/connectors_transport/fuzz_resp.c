/* Any bytes as what a Redis server sends: in pieces and whole the same replies come out. First byte: size of the
 * pieces; with 0 the rest is a connection string. */
#include "base/hg.h"
#include "base/buf.h"
#include "connectors/transport/redis_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *arg, const hg_resp_reply_t *r)
{
    hg_buf_t *out = arg;
    HG_ASSERT(r->type && (r->text.n == 0 || r->text.p));
    return hg_buf_addf(out, "%c%d" HG_SF "%s\n", r->type, r->null, HG_SA(r->text), r->error ? r->error : "") == 0;
}

static int feed(const char *p, size_t n, size_t step, hg_buf_t *out)
{
    hg_resp_t r;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    hg_resp_init(&r, note, out);
    for (size_t at = 0; at < n && rc == 0; at += step) rc = hg_resp_feed(&r, p + at, HG_MIN(step, n - at), &err);
    HG_ASSERT(rc == 0 || (rc == HG_EPROTO && err.msg[0]));
    hg_resp_release(&r);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const char *p = (const char *)data + 1;
    if (data[0] == 0) {
        hg_redis_url_t u;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_redis_url_parse((hg_str_t){ p, size - 1 }, &u, &err);
        HG_ASSERT(rc == 0 || rc == HG_EINVALTRANSPORT);
        if (rc == 0) {
            HG_ASSERT(u.host.len && (u.is_unix ? u.host.p[0] == '/' : u.port != 0));
            hg_redis_url_release(&u);
        }
        return 0;
    }
    hg_buf_t whole, parts;
    hg_buf_init(&whole, HG_BUF_NOMAX);
    hg_buf_init(&parts, HG_BUF_NOMAX);
    int rc = feed(p, size - 1, size, &whole), rc2 = feed(p, size - 1, data[0], &parts);
    HG_ASSERT(rc == rc2 && whole.len == parts.len);
    HG_ASSERT(memcmp(whole.p, parts.p, whole.len) == 0);
    hg_buf_release(&whole);
    hg_buf_release(&parts);
    return 0;
}
