/* headers.c: a message's headers between Iggy's wire and postcard. The same fields, but kinds count from 1 there and
 * from 0 here. Any thread. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"

static bool known(uint8_t wire_kind)
{
    return wire_kind >= 1 && wire_kind <= HG_PC_HEADER_KINDS;
}

int hg_rt_headers_from_wire(hg_rt_headers_t *to, hg_str_t wire, uint32_t *ret_n, hg_err_t *err)
{
    hg_iggy_header_t h;
    uint32_t from = to->n;
    int rc;
    while ((rc = hg_iggy_header_next(&wire, &h, err)) > 0) {
        if (!known(h.key_kind) || !known(h.kind)) continue;
        if (to->n == to->cap) {
            to->cap = to->cap ? to->cap * 2 : 64;
            to->v = hg_xgrow(to->v, to->cap * sizeof *to->v);
        }
        to->v[to->n++] = (hg_pc_header_t){ { (uint8_t)(h.key_kind - 1), h.key }, { (uint8_t)(h.kind - 1), h.value } };
    }
    *ret_n = to->n - from;
    return rc;
}

int hg_rt_headers_to_wire(hg_str_t raw, uint32_t n, hg_buf_t *scratch, hg_buf_t *out, hg_err_t *err)
{
    hg_pc_in_t in = hg_pc_in(raw.p, raw.n);
    size_t from = out->len;
    for (uint32_t i = 0; i < n; i++) {
        hg_pc_header_t h;
        hg_buf_clear(scratch);
        if (hg_buf_reserve(scratch, raw.n) < 0) return hg_err_set(err, HG_ENOMEM, "no memory for headers");
        int rc = hg_pc_get_header(&in, scratch, &h, err);
        if (rc < 0) return rc;
        hg_iggy_header_t w = { (uint8_t)(h.key.kind + 1), (uint8_t)(h.value.kind + 1), h.key.bytes, h.value.bytes };
        rc = hg_iggy_header_add(out, &w, err);
        if (rc < 0) return rc;
    }
    if (out->len - from > HG_IGGY_MAX_HEADERS) /* the client would say so when others of the batch are on their way */
        return hg_err_set(err, HG_ETOOBIG, "headers of %zu bytes; Iggy takes %d", out->len - from, HG_IGGY_MAX_HEADERS);
    return 0;
}
