/* Any bytes as what a NATS server sends: in pieces and whole the same frames come out. First byte: size of the pieces.
 */
#include "base/hg.h"
#include "base/buf.h"
#include "connectors/transport/nats_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *arg, const hg_nats_frame_t *f)
{
    hg_str_t text;
    uint64_t seq = 0, cseq = 0;
    int64_t ns = 0;
    unsigned status = hg_nats_status(f->headers, &text);
    bool is = hg_nats_sequences(f->reply, &seq, &cseq, &ns);
    return hg_buf_addf(arg, "%d " HG_SF " " HG_SF " " HG_SF " %u " HG_SF " %d %" PRIu64 "\n", (int)f->op,
                       HG_SA(f->text), HG_SA(f->subject), HG_SA(f->payload), status, HG_SA(text), is,
                       is ? seq : 0) == 0;
}

static int feed(const char *p, size_t n, size_t step, hg_buf_t *out)
{
    hg_nats_proto_t proto;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    hg_nats_proto_init(&proto, note, out, 1 << 16);
    for (size_t at = 0; at < n && rc == 0; at += step) rc = hg_nats_feed(&proto, p + at, HG_MIN(step, n - at), &err);
    HG_ASSERT(rc == 0 || (rc == HG_EPROTO && err.msg[0]));
    hg_nats_proto_release(&proto);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const char *p = (const char *)data + 1;
    hg_buf_t whole, parts;
    hg_buf_init(&whole, HG_BUF_NOMAX);
    hg_buf_init(&parts, HG_BUF_NOMAX);
    int rc = feed(p, size - 1, size, &whole), rc2 = feed(p, size - 1, 1u + data[0], &parts);
    HG_ASSERT(rc == rc2 && whole.len == parts.len);
    HG_ASSERT(memcmp(whole.p, parts.p, whole.len) == 0);
    hg_buf_release(&whole);
    hg_buf_release(&parts);
    return 0;
}
