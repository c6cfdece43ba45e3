/* A batch from a plugin, which may be anything: refused with a place inside it, or read whole, and then what is written
 * from the reading is read as the same. First byte: which of the types. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/plugin/postcard.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void refused(const hg_err_t *err, size_t n)
{
    HG_ASSERT(err->code == HG_EPROTO && err->msg[0] && err->pos.off <= n);
}

/* All headers of a message, decoded; the caller frees. */
static hg_pc_header_t *headers(hg_str_t raw, uint32_t n, hg_buf_t *scratch)
{
    hg_pc_in_t in = hg_pc_in(raw.p, raw.n);
    hg_err_t err = HG_ERR_INIT;
    hg_pc_header_t *h = HG_NEWN(hg_pc_header_t, n + 1);
    hg_buf_clear(scratch);
    HG_ASSERT(hg_buf_reserve(scratch, raw.n) == 0);
    for (uint32_t i = 0; i < n; i++) HG_ASSERT(hg_pc_get_header(&in, scratch, &h[i], &err) == 0);
    HG_ASSERT(in.at == in.end);
    return h;
}

static void produced(const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_batch_t b, again;
    if (hg_pc_read_produced(p, n, &b, &err) < 0) {
        refused(&err, n);
        return;
    }
    size_t room = HG_PC_BATCH_MAX + b.state.n + b.payload_bytes + 8 * b.header_bytes + HG_PC_MESSAGE_MAX * b.n;
    uint8_t *out = hg_xnew(room);
    hg_pc_out_t o = { out, out + room };
    hg_pc_put_produced_begin(&o, b.schema, b.n);
    hg_buf_t scratch;
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    hg_pc_in_t in = b.messages;
    for (uint64_t i = 0; i < b.n; i++) {
        hg_pc_produced_t m;
        HG_ASSERT(hg_pc_get_produced(&in, &m, &err) == 0);
        hg_pc_header_t *h = headers(m.raw_headers, m.n_headers, &scratch);
        HG_ASSERT(hg_pc_headers_size(h, m.n_headers) <= hg_pc_headers_bound(h, m.n_headers));
        m.headers = h;
        hg_pc_put_produced(&o, &m);
        hg_free(h);
    }
    hg_pc_put_produced_end(&o, b.has_state ? &b.state : NULL);
    HG_ASSERT(o.p <= o.end);
    HG_ASSERT(hg_pc_read_produced(out, (size_t)(o.p - out), &again, &err) == 0);
    HG_ASSERT(again.n == b.n && again.schema == b.schema && again.payload_bytes == b.payload_bytes &&
              again.has_state == b.has_state && hg_str_eq(again.state, b.state));
    hg_buf_release(&scratch);
    hg_free(out);
}

static void raw(const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_in_t in = hg_pc_in(p, n);
    hg_pc_schema_t schema;
    uint64_t count;
    int rc = hg_pc_get_raw_begin(&in, &schema, &count, &err);
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        hg_pc_raw_view_t v;
        rc = hg_pc_get_raw(&in, &v, &err);
        HG_ASSERT(rc < 0 || (const uint8_t *)v.m.payload.p + v.m.payload.n <= p + n);
    }
    if (rc < 0) refused(&err, n);
}

static void small(const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_in_t in = hg_pc_in(p, n);
    hg_str_t stream, topic;
    hg_pc_meta_t meta;
    int rc = hg_pc_get_topic(&in, &stream, &topic, &err);
    if (rc == 0) rc = hg_pc_get_meta(&in, &meta, &err);
    if (rc < 0) refused(&err, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    if (p[0] % 3 == 0) produced(p + 1, n - 1);
    if (p[0] % 3 == 1) raw(p + 1, n - 1);
    if (p[0] % 3 == 2) small(p + 1, n - 1);
    return 0;
}
