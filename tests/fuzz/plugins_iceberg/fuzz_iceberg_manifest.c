/* Any bytes as a manifest list: they are refused with a sentence, or their entries are written as ours, which reads as
 * the same again. */
#include "base/hg.h"

#include "plugins/iceberg/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hgi_entries_t e, again;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out;
    hgi_entries_init(&e);
    hgi_entries_init(&again);
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = hgi_entries_read(&e, (hg_str_t){ (const char *)p, n }, &err);
    HG_ASSERT(rc == 0 || (err.code == rc && err.msg[0]));
    if (rc == 0 && e.n) {
        HG_ASSERT(hgi_manifest_list(&out, &e, 7, -1, 3) == 0);
        HG_ASSERT(hgi_entries_read(&again, hg_buf_str(&out), &err) == 0);
        HG_ASSERT(again.n == e.n && hg_str_eq(hg_buf_str(&again.bytes), hg_buf_str(&e.bytes)));
    }
    hgi_entries_release(&e);
    hgi_entries_release(&again);
    hg_buf_release(&out);
    return 0;
}
