/* convert.c: see convert_int.h. */
#include "base/hg.h"
#include "iggy/codec/any.h"
#include "iggy/transform/convert_int.h"

static int format(hg_tr_make_t *m, const char *option, const char *name, hg_plkind_t *ret)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_plkind_find(hg_strz(name), ret, &err) == 0) return 0;
    return hg_tr_wrong(m, hg_json_get(m->node, option), "%s", err.msg);
}

int hg_convert_make(hg_tr_make_t *m, const hg_convert_cfg_t *cfg, const char *known, hg_convert_t *ret)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = format(m, "source_format", cfg->source, &ret->from);
    if (format(m, "target_format", cfg->target, &ret->to) < 0) rc = HG_EINVAL;
    if (hg_mapping_init(&ret->names, m->arena, "field_mappings", cfg->field_mappings, &err) < 0)
        rc = hg_tr_wrong_err(m, &err);
    const hg_json_t *o = cfg->options;
    if (!o || o->kind == HG_J_NULL) return rc;
    if (o->kind != HG_J_OBJECT)
        return hg_tr_wrong(m, o, "expected an object with options, found %s", hg_json_kind_name(o->kind));
    hg_tr_known(m, o, known);
    ret->pretty = hg_json_bool(hg_json_get(o, "pretty_json"), false);
    ret->metadata = hg_json_bool(hg_json_get(o, "include_metadata"), false);
    ret->strict =
        hg_json_bool(hg_json_get(o, "strict_mode"), false) || hg_json_bool(hg_json_get(o, "validate_messages"), false);
    return rc;
}

int hg_convert_misfit(const hg_convert_t *c, const hg_payload_t *p, hg_err_t *err)
{
    return hg_err_set(err, HG_EINVAL, "it converts %s messages, this one is %s", hg_plkind_name(c->from),
                      hg_plkind_name(p->kind));
}

int hg_convert_nomem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while converting a message");
}

static int line(hg_buf_t *out, unsigned depth)
{
    int rc = hg_buf_addc(out, '\n');
    for (unsigned i = 0; i < depth && rc == 0; i++) rc = hg_buf_adds(out, "  ");
    return rc;
}

/* Behind a string that begins at i. */
static size_t string_end(hg_str_t json, size_t i)
{
    for (i++; i < json.n && json.p[i] != '"'; i++)
        if (json.p[i] == '\\') i++;
    return HG_MIN(i + 1, json.n);
}

/* Compact JSON in lines: two blanks per level, empty containers in one piece. */
static int pretty(hg_str_t json, hg_buf_t *out)
{
    unsigned depth = 0;
    int rc = 0;
    for (size_t i = 0; i < json.n && rc == 0;) {
        char c = json.p[i];
        size_t n = 1;
        if (c == '"') n = string_end(json, i) - i;
        if ((c == '{' || c == '[') && i + 1 < json.n && (json.p[i + 1] == '}' || json.p[i + 1] == ']')) n = 2;
        bool opens = n == 1 && (c == '{' || c == '['), closes = c == '}' || c == ']';
        if (closes) rc = line(out, --depth);
        if (rc == 0) rc = hg_buf_add(out, json.p + i, n);
        if (rc == 0 && opens) rc = line(out, ++depth);
        if (rc == 0 && c == ',') rc = line(out, depth);
        if (rc == 0 && c == ':') rc = hg_buf_addc(out, ' ');
        i += n;
    }
    return rc;
}

int hg_convert_json_text(const hg_convert_t *c, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    int rc = hg_payload_bytes(p, s, ret, err);
    if (rc < 0 || !c->pretty) return rc;
    return pretty(*ret, hg_scratch_out(s)) < 0 || hg_scratch_keep(s, ret) < 0 ? hg_convert_nomem(err) : 0;
}

int hg_convert_base64(hg_scratch_t *s, hg_payload_t *p, hg_str_t bytes, hg_err_t *err)
{
    *p = (hg_payload_t){ .kind = HG_PL_TEXT };
    return hg_base64(hg_scratch_out(s), bytes) < 0 || hg_scratch_keep(s, &p->bytes) < 0 ? hg_convert_nomem(err) : 0;
}
