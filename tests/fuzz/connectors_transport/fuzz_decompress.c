/* Any bytes as gzip and zstd: whatever the pieces in which they come and go, the result is the same, nothing is given
 * beyond the room, and what is given before a place that was restored is what is missing. First byte: which of the two,
 * and the sizes of the pieces. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/mem.h"
#include "connectors/transport/decompress.h"

#define MOST (1 << 20) /* of output: a bomb is not gone through */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int unpack(hg_decompress_t *d, hg_str_t in, size_t step, size_t room, hg_buf_t *ret, hg_err_t *err)
{
    char *to = hg_xnew(room);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < in.n && ret->len < MOST;) {
        size_t n = HG_MIN(step, in.n - at), done = 0;
        for (bool more = true; rc == 0 && more && ret->len < MOST;) {
            size_t used = 0, made = 0;
            rc = hg_decompress(d, in.p + at + done, n - done, &used, to, room, &made, err);
            HG_ASSERT(used <= n - done && made <= room);
            if (rc == 0) HG_ASSERT(hg_buf_add(ret, to, made) == 0);
            done += used;
            more = done < n || made == room;
            HG_ASSERT(rc < 0 || used || made || !more || ret->len >= MOST);
        }
        at += n;
    }
    if (rc == 0 && ret->len < MOST) rc = hg_decompress_end(d, err);
    HG_ASSERT(rc == 0 || (rc == HG_EIO && err->msg[0]));
    hg_free(to);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    hg_str_t in = { (const char *)data + 1, size - 1 };
    hg_compression_t kind = data[0] & 1 ? HG_COMPRESSION_GZIP : HG_COMPRESSION_ZSTD;
    size_t step = 1 + (data[0] >> 1 & 7) * 5, room = 1 + (data[0] >> 4) * 37;
    hg_buf_t whole, parts;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&whole, HG_BUF_NOMAX);
    hg_buf_init(&parts, HG_BUF_NOMAX);
    hg_decompress_t *d = hg_decompress_new(kind);
    int rc = unpack(d, in, in.n, 65536, &whole, &err);
    hg_member_t last = hg_decompress_member(d);
    hg_decompress_from(d, (hg_member_t){ 0, 0 }, 0);
    int rc2 = unpack(d, in, step, room, &parts, &err);
    if (whole.len < MOST && parts.len < MOST) {
        /* a frame that ends with an empty block: libzstd compares its size with what its head says only if it has
         * all of the frame at once */
        HG_ASSERT((rc == 0) == (rc2 == 0) || (kind == HG_COMPRESSION_ZSTD && rc2 == 0));
        HG_ASSERT(rc < 0 || whole.len == parts.len);
        HG_ASSERT(memcmp(whole.p, parts.p, HG_MIN(whole.len, parts.len)) == 0);
    }
    if (rc == 0 && whole.len && whole.len < MOST && last.packed < in.n) {
        uint64_t off = last.plain + (whole.len - last.plain) / 2;
        hg_buf_clear(&parts);
        hg_decompress_from(d, last, off);
        hg_str_t rest = { in.p + last.packed, in.n - last.packed };
        HG_ASSERT(unpack(d, rest, step, room, &parts, &err) == 0);
        HG_ASSERT(parts.len == whole.len - off && memcmp(parts.p, whole.p + off, parts.len) == 0);
    }
    hg_decompress_free(d);
    hg_buf_release(&whole);
    hg_buf_release(&parts);
    return 0;
}
