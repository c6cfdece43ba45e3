/* Steps of the journal from bytes, and what begins with a brace as a transaction's mark: refused with a reason, or what
 * was read is written and read again the same. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int again(hg_str_t in, hg_buf_t *out, hg_err_t *err)
{
    hg_jstep_t s;
    int rc = hg_jstep_read_head(&in, &s, err);
    if (rc < 0) return rc;
    HG_ASSERT(hg_jstep_write_head(out, &s) == 0);
    for (uint64_t i = 0; i < s.n; i++) {
        hg_jentry_t e;
        rc = hg_jstep_read_entry(&in, &e, err);
        if (rc < 0) return rc;
        HG_ASSERT(e.end >= e.begin && e.kind < HG_JE_N);
        HG_ASSERT(hg_jstep_write_entry(out, &e) == 0);
    }
    return 0;
}

static void mark(hg_str_t in)
{
    hg_jmark_t m, back;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    if (hg_jmark_read(in, &m, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    HG_ASSERT(hg_jmark_write(&b, &m) == 0 && hg_jmark_read(hg_buf_str(&b), &back, &err) == 0);
    HG_ASSERT(back.kind == m.kind && back.id == m.id && back.step == m.step && back.api == m.api);
    hg_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n && p[0] == '{') {
        mark((hg_str_t){ (const char *)p, n });
        return 0;
    }
    hg_buf_t once, twice;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&once, HG_BUF_NOMAX);
    hg_buf_init(&twice, HG_BUF_NOMAX);
    if (again((hg_str_t){ (const char *)p, n }, &once, &err) < 0) {
        HG_ASSERT(err.code == HG_EDAMAGED && err.msg[0]);
    } else {
        HG_ASSERT(again(hg_buf_str(&once), &twice, &err) == 0);
        HG_ASSERT(hg_str_eq(hg_buf_str(&once), hg_buf_str(&twice)));
    }
    hg_buf_release(&once);
    hg_buf_release(&twice);
    return 0;
}
