/* encode.c: what the encoders share: the walk over a delta (first every row with a negative weight, then the others),
 * and packing records into buffers that a transport takes. */
#include "base/hg.h"
#include "connectors/format/encode_int.h"

static int copies(int64_t weight, bool unit, hg_err_t *err)
{
    int64_t n = weight < 0 ? -weight : weight;
    if (n > HG_ENCODE_MAX_WEIGHT || n < 0)
        return hg_err_set(err, HG_ERANGE,
                          "a row of the view has %" PRId64 " copies, more than the %d that an output writes; "
                          "consider SELECT DISTINCT",
                          weight, HG_ENCODE_MAX_WEIGHT);
    return unit ? (int)n : 1;
}

int hg_encode_leave_out(hg_encode_sink_t *s, int rc, hg_err_t *err)
{
    if (rc == HG_ENOMEM || err->fatal) return rc;
    if (s->left_out++ == 0) s->why = *err;
    *err = HG_ERR_INIT;
    return 0;
}

static int one_pass(const hg_part_t *p, bool deletes, bool unit, hg_encode_row_fn fn, void *arg, hg_encode_sink_t *sink,
                    hg_err_t *err)
{
    for (uint32_t i = 0; i < p->n; i++) {
        int64_t w = p->weights ? p->weights[i] : 1;
        if ((w < 0) != deletes) continue;
        int n = copies(w, unit, err), rc = HG_MIN(n, 0);
        if (unit) w = w < 0 ? -1 : 1;
        for (; n > 0 && rc == 0; n--) rc = fn(arg, sink, p->batch, p->sel ? p->sel[i] : i, w, err);
        if (rc < 0) rc = hg_encode_leave_out(sink, rc, err);
        if (rc < 0) return rc;
    }
    return 0;
}

int hg_encode_each(const hg_delta_t *delta, bool unit, hg_encode_row_fn fn, void *arg, hg_encode_sink_t *sink,
                   hg_err_t *err)
{
    for (int deletes = 1; deletes >= 0; deletes--)
        for (uint32_t i = 0; i < delta->n; i++) {
            if (deletes && !delta->parts[i]->weights) continue;
            int rc = one_pass(delta->parts[i], deletes, unit, fn, arg, sink, err);
            if (rc < 0) return rc;
        }
    return 0;
}

/* --- packing --- */

void hg_packer_init(hg_packer_t *p, const char *what, const hg_encode_env_t *env, uint32_t per_buffer, bool array)
{
    memset(p, 0, sizeof *p);
    p->what = what;
    p->array = array;
    p->per_buffer = per_buffer ? per_buffer : 1;
    p->max_message = env->want_messages ? env->max_message : 0;
    hg_buf_init(&p->spare, HG_BUF_NOMAX);
}

void hg_packer_release(hg_packer_t *p)
{
    hg_buf_release(&p->spare);
}

void hg_pack_reset(hg_packer_t *p)
{
    p->count = 0;
}

int hg_pack_open(hg_packer_t *p, hg_encode_sink_t *s)
{
    p->open = s->buf->len;
    int rc = p->array ? hg_buf_addc(s->buf, p->count ? ',' : '[') : 0;
    p->at = s->buf->len;
    return rc;
}

static int no_memory(const hg_packer_t *p, int rc, hg_err_t *err)
{
    return hg_err_set(err, rc, "out of memory while encoding %s", p->what);
}

static void cut(hg_buf_t *b, size_t len)
{
    b->len = len;
    b->p[len] = 0;
}

int hg_pack_flush(hg_packer_t *p, hg_encode_sink_t *s, bool last, hg_err_t *err)
{
    if (p->count == 0) return 0;
    int rc = p->array ? hg_buf_adds(s->buf, last ? "]\n" : "]") : 0;
    if (rc < 0) return no_memory(p, rc, err);
    uint32_t n = p->count;
    p->count = 0;
    return s->message ? s->message(s, n, err) : 0;
}

/* The record made the buffer too large: the ones before it go out first. */
static int move_on(hg_packer_t *p, hg_encode_sink_t *s, hg_err_t *err)
{
    size_t n = s->buf->len - p->at;
    if (n + (p->array ? 3 : 0) > p->max_message) {
        cut(s->buf, p->open);
        hg_buf_clear(s->key);
        p->count--;
        return hg_err_set(
            err, HG_ETOOBIG,
            "%s record exceeds maximum buffer size supported by the output transport: %zu bytes, at most %zu", p->what,
            n, p->max_message);
    }
    if (p->count == 1) return 0;
    hg_buf_clear(&p->spare);
    int rc = hg_buf_add(&p->spare, s->buf->p + p->at, n);
    if (rc < 0) return no_memory(p, rc, err);
    cut(s->buf, p->open);
    p->count--;
    rc = hg_pack_flush(p, s, false, err);
    if (rc < 0) return rc;
    p->count = 1;
    rc = p->array ? hg_buf_addc(s->buf, '[') : 0;
    if (rc == 0) rc = hg_buf_addstr(s->buf, hg_buf_str(&p->spare));
    return rc < 0 ? no_memory(p, rc, err) : 0;
}

int hg_pack_close(hg_packer_t *p, hg_encode_sink_t *s, int rc, hg_err_t *err)
{
    if (HG_UNLIKELY(rc < 0)) {
        cut(s->buf, p->open);
        hg_buf_clear(s->key);
        return rc == HG_ENOMEM || rc == HG_ETOOBIG ? no_memory(p, HG_ENOMEM, err) : rc;
    }
    p->count++;
    if (HG_UNLIKELY(p->max_message && s->buf->len + (p->array ? 2 : 0) > p->max_message)) {
        rc = move_on(p, s, err);
        if (rc < 0) return rc;
    }
    s->records++;
    return p->count >= p->per_buffer ? hg_pack_flush(p, s, false, err) : 0;
}
