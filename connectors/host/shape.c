/* shape.c: see shape_int.h. Pool threads; one shaper per thread (inputs) or per output, whose encoding is one task
 * at a time.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/host/shape_int.h"
#include "data/json_scan.h"

#define RESET_AT ((size_t)128 << 10) /* bytes of records after which their scratch is emptied */

struct hg_shaper {
    const hg_chain_t *chain;
    hg_plkind_t from;
    bool by_line;
    hg_scratch_t *scratch;
    hg_buf_t out;
    size_t since_reset;
};

hg_shaper_t *hg_shaper_new(const hg_chain_t *chain, bool by_line)
{
    hg_shaper_t *s = HG_NEW(hg_shaper_t);
    s->chain = chain;
    s->by_line = by_line;
    s->from = hg_chain_reads(chain);
    s->scratch = hg_scratch_new();
    hg_buf_init(&s->out, HG_BUF_NOMAX);
    return s;
}

void hg_shaper_free(hg_shaper_t *s)
{
    if (!s) return;
    hg_scratch_free(s->scratch);
    hg_buf_release(&s->out);
    hg_free(s);
}

/* Appends what becomes of the record; 1: nothing is left of it. */
static int record(hg_shaper_t *s, hg_str_t in, hg_shape_failed_fn failed, void *arg)
{
    hg_payload_t p;
    hg_str_t out;
    hg_err_t err = HG_ERR_INIT;
    if ((s->since_reset += in.n) > RESET_AT) {
        hg_scratch_reset(s->scratch);
        s->since_reset = 0;
    }
    hg_scratch_next(s->scratch);
    int rc = hg_payload_from(s->from, in, s->scratch, &p, &err);
    if (rc == HG_EPARSE && s->from == HG_PL_JSON) return hg_buf_addstr(&s->out, in);
    if (rc == 0) rc = hg_chain_apply(s->chain, s->scratch, &p, &err);
    if (rc == 0) rc = hg_payload_bytes(&p, s->scratch, &out, &err);
    if (rc == 0) return hg_buf_addstr(&s->out, out);
    if (rc == HG_ENOMEM) return rc;
    if (rc < 0) failed(arg, in, &err);
    return 1;
}

static const char *blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* Where the value that begins at v ends. */
static const char *value_end(const hg_shaper_t *s, const char *v, const char *end)
{
    hg_jnest_t nest = { 0 };
    const char *p = s->by_line ? memchr(v, '\n', (size_t)(end - v)) : hg_js_nest(&nest, v, end);
    return p ? p : end;
}

static int records(hg_shaper_t *s, hg_str_t text, hg_shape_failed_fn failed, void *arg)
{
    const char *end = text.p + text.n;
    for (const char *p = text.p; p < end;) {
        const char *v = blanks(p, end);
        int rc = hg_buf_add(&s->out, p, (size_t)(v - p));
        if (rc < 0 || v == end) return rc;
        p = value_end(s, v, end);
        rc = record(s, (hg_str_t){ v, (size_t)(p - v) }, failed, arg);
        if (rc < 0) return rc;
        if (rc == 1 && p < end && *p == '\n') p++; /* its line goes with it */
    }
    return 0;
}

int hg_shape(hg_shaper_t *s, hg_str_t text, hg_shape_failed_fn failed, void *arg, hg_str_t *ret)
{
    hg_buf_clear(&s->out);
    int rc = s->from == HG_PL_JSON ? records(s, text, failed, arg) : record(s, text, failed, arg);
    if (rc >= 0) rc = hg_js_pad(&s->out);
    if (rc < 0) return HG_ENOMEM;
    *ret = hg_buf_str(&s->out);
    return 0;
}
