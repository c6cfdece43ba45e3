/* A message's headers, from the wire (first byte even) or from a plugin (odd; the second byte: how many): what is read
 * is written the other way and read back as the same. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool same(const hg_pc_field_t *a, const hg_pc_field_t *b)
{
    return a->kind == b->kind && hg_str_eq(a->bytes, b->bytes);
}

static void from_wire(hg_str_t wire)
{
    hg_rt_headers_t h = { 0 }, again = { 0 };
    hg_err_t err = HG_ERR_INIT;
    uint32_t n = 0, m = 0;
    if (hg_rt_headers_from_wire(&h, wire, &n, &err) == 0 && n) {
        size_t room = hg_pc_headers_bound(h.v, n) + HG_PC_MESSAGE_MAX;
        hg_buf_t scratch, out;
        hg_buf_init(&scratch, HG_BUF_NOMAX);
        hg_buf_init(&out, HG_BUF_NOMAX);
        uint8_t *raw = hg_xnew(room);
        hg_pc_out_t o = { raw, raw + room };
        hg_pc_put_headers(&o, h.v, n);
        hg_pc_in_t in = hg_pc_in(raw, (size_t)(o.p - raw));
        uint64_t count;
        HG_ASSERT(hg_pc_get_varint(&in, 64, &count, &err) == 0 && count == n);
        hg_str_t written = { (const char *)in.at, (size_t)(in.end - in.at) };
        HG_ASSERT(hg_rt_headers_to_wire(written, n, &scratch, &out, &err) == 0);
        HG_ASSERT(hg_rt_headers_from_wire(&again, hg_buf_str(&out), &m, &err) == 0 && m == n);
        for (uint32_t i = 0; i < n; i++)
            HG_ASSERT(same(&h.v[i].key, &again.v[i].key) && same(&h.v[i].value, &again.v[i].value));
        hg_free(raw);
        hg_buf_release(&scratch);
        hg_buf_release(&out);
    }
    hg_free(h.v);
    hg_free(again.v);
}

static void from_plugin(hg_str_t raw, uint32_t n)
{
    hg_rt_headers_t h = { 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t scratch, out;
    uint32_t m = 0;
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = hg_rt_headers_to_wire(raw, n, &scratch, &out, &err);
    HG_ASSERT(rc == 0 || err.msg[0]);
    if (rc == 0) HG_ASSERT(hg_rt_headers_from_wire(&h, hg_buf_str(&out), &m, &err) == 0 && m == n);
    hg_buf_release(&scratch);
    hg_buf_release(&out);
    hg_free(h.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2) return 0;
    if (p[0] % 2 == 0) from_wire((hg_str_t){ (const char *)p + 1, n - 1 });
    if (p[0] % 2 == 1) from_plugin((hg_str_t){ (const char *)p + 2, n - 2 }, p[1]);
    return 0;
}
