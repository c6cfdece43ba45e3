/* iggy_meta.c: what CONNECTOR_METADATA() is of an Iggy message: a JSON object of what the options ask for. */
#include "base/hg.h"
#include "connectors/transport/iggy_int.h"
#include "data/text.h"

/* Texts and whole numbers as such, all else as its bytes. */
static void put_value(hg_jw_t *w, const hg_iggy_header_t *h)
{
    const unsigned char *b = (const unsigned char *)h->value.p;
    uint64_t u = 0;
    for (size_t i = 0; i < h->value.n && i < 8; i++) u |= (uint64_t)b[i] << (8 * i);
    if (h->kind == HG_IGGY_H_STRING && hg_utf8_valid(h->value.p, h->value.n)) {
        hg_jw_str(w, h->value);
    } else if (h->kind >= HG_IGGY_H_UINT8 && h->kind <= HG_IGGY_H_UINT64 && h->value.n <= 8) {
        hg_jw_u64(w, u);
    } else if (h->kind >= HG_IGGY_H_INT8 && h->kind <= HG_IGGY_H_INT64 && h->value.n <= 8) {
        unsigned shift = 64 - 8 * (unsigned)h->value.n;
        hg_jw_i64(w, (int64_t)(u << shift) >> shift);
    } else {
        hg_jw_arr(w);
        for (size_t i = 0; i < h->value.n; i++) hg_jw_u64(w, b[i]);
        hg_jw_end_arr(w);
    }
}

/* A name that is no text has no place in a VARCHAR. */
static void put_headers(hg_jw_t *w, hg_str_t rest)
{
    hg_iggy_header_t h;
    hg_err_t ignored = HG_ERR_INIT;
    char name[HG_IGGY_MAX_NAME + 1];
    hg_jw_key(w, "iggy_headers");
    hg_jw_obj(w);
    while (hg_iggy_header_next(&rest, &h, &ignored) > 0) {
        if (h.key.n > HG_IGGY_MAX_NAME || memchr(h.key.p, 0, h.key.n) || !hg_utf8_valid(h.key.p, h.key.n)) continue;
        memcpy(name, h.key.p, h.key.n);
        name[h.key.n] = 0;
        hg_jw_key(w, name);
        put_value(w, &h);
    }
    hg_jw_end_obj(w);
}

int hg_iggy_meta(const hg_iggy_meta_t *want, const hg_iggy_conn_t *c, uint32_t partition, const hg_iggy_message_t *m,
                 hg_buf_t *buf)
{
    hg_jw_t w;
    hg_buf_clear(buf);
    hg_jw_init(&w, buf);
    hg_jw_obj(&w);
    if (want->headers) put_headers(&w, m->headers);
    if (want->offset) hg_jw_ku64(&w, "iggy_offset", m->offset);
    if (want->partition) hg_jw_ku64(&w, "iggy_partition", partition);
    if (want->stream) hg_jw_kstr(&w, "iggy_stream", c->stream);
    if (want->timestamp && m->timestamp <= INT64_MAX) {
        char text[HG_TIME_TEXT + 1];
        text[hg_ts_print(text, (int64_t)m->timestamp, ' ', "")] = 0;
        hg_jw_kstr(&w, "iggy_timestamp", text);
    }
    if (want->topic) hg_jw_kstr(&w, "iggy_topic", c->topic);
    hg_jw_end_obj(&w);
    return w.rc;
}
