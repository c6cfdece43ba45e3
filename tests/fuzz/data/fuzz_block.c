/* Blocks from bytes: what is read is written as the same bytes again.
 *
 * byte 0 says how many of the columns below the blocks have; then blocks until one is refused. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/block.h"

enum { N_COLS = 12 };

static const hg_type_t *const *types(void)
{
    static const hg_type_t *t[N_COLS];
    static hg_arena_t *a;
    if (a) return t;
    a = hg_arena_new();
    hg_field_t *f = HG_ANEWN(a, hg_field_t, 2);
    hg_type_t *row = HG_ANEW(a, hg_type_t), *map = HG_ANEW(a, hg_type_t);
    t[0] = hg_type_make(a, HG_T_BIGINT, false, -1, 0);
    t[1] = hg_type_make(a, HG_T_VARCHAR, true, -1, 0);
    t[2] = hg_type_make(a, HG_T_BOOLEAN, true, -1, 0);
    t[3] = hg_type_make(a, HG_T_DECIMAL, true, 38, 2);
    t[4] = hg_type_array(a, t[1], true);
    t[5] = hg_type_make(a, HG_T_NULL, true, -1, 0);
    f[0] = (hg_field_t){ .name = HG_S("x"), .type = t[2] };
    f[1] = (hg_field_t){ .name = HG_S("y"), .type = t[4] };
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 2 };
    t[6] = row;
    *map = (hg_type_t){ .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = t[0], .elem = row };
    t[7] = map;
    t[8] = hg_type_array(a, map, false);
    t[9] = hg_type_make(a, HG_T_TINYINT, true, -1, 0);
    t[10] = hg_type_make(a, HG_T_REAL, false, -1, 0);
    t[11] = hg_type_make(a, HG_T_UUID, true, -1, 0);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    uint32_t n_cols = p[0] % (N_COLS + 1);
    hg_str_t in = { (const char *)p + 1, n - 1 };
    hg_part_t *part;
    hg_err_t err = HG_ERR_INIT;
    for (;;) {
        hg_str_t was = in;
        int rc = hg_block_read(&in, types(), n_cols, &part, &err);
        if (rc < 0) {
            HG_ASSERT(rc == HG_EDAMAGED && err.msg[0] && in.p == was.p && in.n == was.n);
            return 0;
        }
        hg_buf_t out;
        hg_buf_init(&out, HG_BUF_NOMAX);
        HG_ASSERT(hg_block_write(&out, part->batch, types(), NULL, part->n, part->weights, &err) == 0);
        HG_ASSERT(out.len == was.n - in.n && memcmp(out.p, was.p, out.len) == 0);
        hg_buf_release(&out);
        hg_part_drop(part);
    }
}
