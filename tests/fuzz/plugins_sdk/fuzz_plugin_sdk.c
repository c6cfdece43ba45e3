/* What plugins read: the state of a source in MessagePack (first byte even) and a batch for a sink (odd; the next two
 * bytes cut the rest in topic, metadata and messages), with headers and payloads as text. Refused, or read within its
 * bytes. */
#include "base/hg.h"

#include "base/mem.h"
#include "plugins/sdk/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int write_again(hg_buf_t *out, const hgp_mp_value_t *v)
{
    switch (v->kind) {
    case HGP_MP_NIL:
        return hgp_mp_nil(out);
    case HGP_MP_UINT:
        return hgp_mp_u64(out, v->u);
    case HGP_MP_STR:
        return hgp_mp_str(out, v->s);
    case HGP_MP_ARRAY:
        return hgp_mp_array(out, (uint32_t)v->u);
    case HGP_MP_MAP:
        return hgp_mp_map(out, (uint32_t)v->u);
    case HGP_MP_BOOL: /* plugins of ours do not write these */
    case HGP_MP_INT:
    case HGP_MP_FLOAT:
    case HGP_MP_BIN:
        break;
    }
    return HG_ENOTFOUND;
}

static void state(hg_str_t in)
{
    hgp_mp_value_t v, again;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    for (hg_str_t left = in, before; before = left, hgp_mp_next(&left, &v) == 0;) {
        HG_ASSERT(left.n < before.n && left.p + left.n == in.p + in.n);
        HG_ASSERT(!v.s.n || (v.s.p >= before.p && v.s.p + v.s.n == left.p));
        hg_buf_clear(&out);
        if (write_again(&out, &v) < 0) continue;
        hg_str_t w = hg_buf_str(&out);
        HG_ASSERT(hgp_mp_next(&w, &again) == 0 && w.n == 0);
        HG_ASSERT(again.kind == v.kind && again.u == v.u && hg_str_eq(again.s, v.s));
    }
    hgp_mp_value_t want;
    for (int kind = HGP_MP_NIL; kind <= HGP_MP_MAP; kind++) { /* one kind takes it, and none reads past its end */
        hg_str_t left = in;
        int rc = hgp_mp_take(&left, (hgp_mp_t)kind, &want);
        HG_ASSERT(rc == 0 || rc == HG_EPARSE);
    }
    hg_buf_release(&out);
}

static void sink(const uint8_t *p, size_t n)
{
    if (n < 2) return;
    size_t topic = HG_MIN((size_t)p[0], n - 2), meta = HG_MIN((size_t)p[1], n - 2 - topic);
    const char *at = (const char *)p + 2;
    hg_str_t t = { at, topic }, m = { at + topic, meta }, rest = { at + topic + meta, n - 2 - topic - meta };
    hgp_batch_t b = { .n = 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out, scratch;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    int rc = hgp_batch_read(&b, t, m, rest, &err);
    HG_ASSERT(rc == 0 || ((rc == HG_EPROTO || rc == HG_ENOMEM) && err.msg[0]));
    for (uint32_t i = 0; rc == 0 && i < b.n; i++) {
        hg_buf_clear(&out);
        if (hgp_headers_json(&out, &b.v[i], &scratch) == 0) HG_ASSERT(out.len >= 2);
        size_t before = out.len;
        if (hgp_json_line(&out, b.v[i].m.payload) < 0)
            HG_ASSERT(out.len == before);
        else
            HG_ASSERT(!memchr(out.p + before, '\n', out.len - before));
    }
    HG_ASSERT(hgp_schema_name(b.schema)[0]);
    hgp_batch_release(&b);
    hg_buf_release(&out);
    hg_buf_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    if (p[0] % 2 == 0) state((hg_str_t){ (const char *)p + 1, n - 1 });
    if (p[0] % 2 == 1) sink(p + 1, n - 1);
    return 0;
}
