/* source_inbox.c: see source_int.h. A plugin that waits for each result sends a second batch only when it has given up
 * the first, which then goes; one that works ahead says so by leaving out an id. */
#include "base/hg.h"

#include "iggy/runtime/source_int.h"

void hg_inbox_init(hg_inbox_t *in, bool ahead)
{
    *in = (hg_inbox_t){ .ahead = ahead };
    for (uint32_t i = 0; i < HG_COUNT(in->slot); i++) hg_buf_init(&in->slot[i].bytes, HG_BUF_NOMAX);
}

static void drop(hg_inbox_t *in)
{
    in->n = 0;
    in->bytes = 0;
}

void hg_inbox_release(hg_inbox_t *in)
{
    drop(in);
    for (uint32_t i = 0; i < HG_COUNT(in->slot); i++) hg_buf_release(&in->slot[i].bytes);
}

int hg_inbox_put(hg_inbox_t *in, uint64_t id, hg_str_t bytes, hg_err_t *err)
{
    if (!in->ahead || id != in->last_id + 1) {
        drop(in);
        in->refusing = false;
        in->turn++;
    }
    if (in->refusing) return hg_err_set(err, HG_ECANCELED, "a batch before it was refused");
    if (in->n == HG_COUNT(in->slot) || in->bytes >= HG_PLUGIN_AHEAD_BYTES)
        return hg_err_set(err, HG_ETOOBIG,
                          "the plugin sends too far ahead: %u batches of %zu bytes are without a result", in->n,
                          in->bytes);
    hg_batch_t *to = &in->slot[(in->first + in->n) % HG_COUNT(in->slot)];
    hg_buf_clear(&to->bytes);
    int rc = hg_buf_addstr(&to->bytes, bytes);
    if (rc == 0) rc = hg_buf_reserve(&to->bytes, HG_PAYLOAD_PAD);
    if (rc < 0) return hg_err_retry(err, rc, "no memory for a batch of %zu bytes", bytes.n);
    rc = hg_pc_read_produced(to->bytes.p, to->bytes.len, &to->b, err);
    if (rc < 0) return rc;
    to->id = in->last_id = id;
    in->bytes += bytes.n;
    in->n++;
    return 0;
}

uint32_t hg_inbox_take(hg_inbox_t *in, hg_batch_t *to, uint32_t most, size_t bytes)
{
    uint32_t k = 0;
    size_t taken = 0;
    for (; k < most && in->n; k++) {
        hg_batch_t *from = &in->slot[in->first];
        if (k && taken + from->bytes.len > bytes) break;
        taken += from->bytes.len;
        hg_buf_t swap = to[k].bytes;
        to[k] = *from;
        from->bytes = swap;
        in->first = (in->first + 1) % HG_COUNT(in->slot);
        in->n--;
    }
    in->bytes -= taken;
    return k;
}

bool hg_inbox_refuse(hg_inbox_t *in, uint64_t turn)
{
    if (in->turn != turn) return false;
    if (!in->ahead) return true; /* what waits is what the plugin has begun again with */
    drop(in);
    in->refusing = true;
    return true;
}
