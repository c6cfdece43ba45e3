/* payload.c: see payload.h. */
#include "base/hg.h"
#include "iggy/codec/any.h"
#include "iggy/codec/jobj.h"
#include "iggy/codec/scratch_int.h"

#define X(kind, name, log) { name, log },
static const struct {
    const char *name, *log;
} kinds[] = { HG_PAYLOAD_KINDS(X) };
#undef X

const char *hg_plkind_name(hg_plkind_t k)
{
    return k < HG_PL_N ? kinds[k].name : "unknown";
}

int hg_plkind_find(hg_str_t name, hg_plkind_t *ret, hg_err_t *err)
{
    const char *names[HG_PL_N + 1] = { 0 };
    for (uint32_t i = 0; i < HG_PL_N; i++) {
        names[i] = kinds[i].name;
        if (!hg_str_eqz(name, kinds[i].name) && !hg_str_eqz(name, kinds[i].log)) continue;
        *ret = (hg_plkind_t)i;
        return 0;
    }
    const char *near = hg_nearest(name, names);
    return hg_err_set(err, HG_EINVAL,
                      "schema '" HG_SF "' is unknown%s%s%s: it is one of json, raw, text, proto, flat_buffer, avro",
                      HG_SA(name), near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int hg_payload_json(hg_str_t bytes, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err)
{
    hg_payload_t p = { .kind = HG_PL_JSON };
    int rc = hg_jobj_read(s, bytes, &p.bytes, &p.obj, err);
    if (rc == 0 && !p.obj) rc = hg_json_compact(s, p.bytes, &p.bytes, err);
    if (rc == 0) *ret = p;
    return rc;
}

int hg_payload_text(hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    if (!hg_utf8_valid(bytes.p, bytes.n)) return hg_err_set(err, HG_EPARSE, "not text: the bytes are not UTF-8");
    *ret = (hg_payload_t){ .kind = HG_PL_TEXT, .bytes = bytes };
    return 0;
}

int hg_payload_from(hg_plkind_t tag, hg_str_t bytes, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err)
{
    hg_any_t any;
    switch (tag) {
    case HG_PL_JSON:
        return hg_payload_json(bytes, s, ret, err);
    case HG_PL_TEXT:
        return hg_payload_text(bytes, ret, err);
    case HG_PL_PROTO:
        if (hg_any_read(bytes, &any)) return hg_any_json(&any, s, ret, err);
        *ret = (hg_payload_t){ .kind = HG_PL_RAW, .bytes = bytes };
        return 0;
    case HG_PL_RAW:
    case HG_PL_FLAT_BUFFER:
    case HG_PL_AVRO:
    case HG_PL_N:
    default:
        *ret = (hg_payload_t){ .kind = tag, .bytes = bytes };
        return 0;
    }
}

int hg_payload_bytes(hg_payload_t *p, hg_scratch_t *s, hg_str_t *ret, hg_err_t *err)
{
    if (p->obj) {
        if (hg_jobj_text(p->obj, s, &p->bytes) < 0)
            return hg_err_set(err, HG_ENOMEM, "out of memory while writing a message");
        p->obj = NULL;
    }
    *ret = p->bytes;
    return 0;
}

int hg_payload_object(hg_payload_t *p, hg_scratch_t *s, hg_jobj_t **ret, hg_err_t *err)
{
    if (p->kind != HG_PL_JSON) return 0;
    if (!p->obj && p->bytes.n && p->bytes.p[0] == '{') {
        int rc = hg_jobj_read(s, p->bytes, &p->bytes, &p->obj, err);
        if (rc < 0) return rc;
    }
    *ret = p->obj;
    return p->obj != NULL;
}
