/* plain.c: the schemas that need no description: json, raw and text. */
#include "base/hg.h"
#include "iggy/codec/codec_int.h"

static int json_decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    (void)made;
    return hg_payload_json(bytes, s, ret, err);
}

static int json_encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    (void)made;
    if (p->kind == HG_PL_JSON) return hg_payload_bytes(p, s, ret, err);
    if (p->kind != HG_PL_TEXT) return hg_codec_refuse(HG_PL_JSON, "json and text", p, err);
    /* text becomes a string */
    if (hg_json_quote(hg_scratch_out(s), p->bytes) < 0 || hg_scratch_keep(s, ret) < 0) return hg_codec_nomem(err);
    return 0;
}

const hg_codec_type_t hg_codec_json = { .kind = HG_PL_JSON, .decode = json_decode, .encode = json_encode };

static int raw_decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    (void)made, (void)s, (void)err;
    *ret = (hg_payload_t){ .kind = HG_PL_RAW, .bytes = bytes };
    return 0;
}

static int raw_encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    (void)made;
    if (p->kind != HG_PL_RAW) return hg_codec_refuse(HG_PL_RAW, "raw", p, err);
    return hg_payload_bytes(p, s, ret, err);
}

const hg_codec_type_t hg_codec_raw = { .kind = HG_PL_RAW, .decode = raw_decode, .encode = raw_encode };

static int text_decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    (void)made, (void)s;
    return hg_payload_text(bytes, ret, err);
}

static int text_encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    (void)made;
    if (p->kind != HG_PL_TEXT && p->kind != HG_PL_JSON) return hg_codec_refuse(HG_PL_TEXT, "text and json", p, err);
    return hg_payload_bytes(p, s, ret, err);
}

const hg_codec_type_t hg_codec_text = { .kind = HG_PL_TEXT, .decode = text_decode, .encode = text_encode };
