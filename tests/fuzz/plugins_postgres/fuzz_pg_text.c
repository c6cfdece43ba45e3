/* A value as PostgreSQL writes it, of a type by the first byte: read to its end, or refused. A text has no zero
 * byte. */
#include "base/hg.h"

#include "base/mem.h"
#include "plugins/postgres/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const Oid types[] = { 16, 23, 1007, 3802, 3807, 17, 1001, 1184, 1185, 25, 1009 };
    if (n < 1) return 0;
    char *text = hg_xstrndup((const char *)p + 1, n - 1);
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = hgp_pg_json(&out, types[p[0] % HG_COUNT(types)], hg_strz(text));
    HG_ASSERT(rc == 0 || rc == HG_EPARSE);
    hg_buf_release(&out);
    hg_free(text);
    return 0;
}
