/* mapping.c: see mapping.h. */
#include "base/hg.h"
#include "iggy/codec/jobj.h"
#include "iggy/codec/mapping.h"

static hg_str_t quoted(hg_arena_t *a, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_json_quote(&b, s);
    s = hg_arena_str(a, hg_buf_str(&b));
    hg_buf_release(&b);
    return s;
}

int hg_mapping_init(hg_mapping_t *m, hg_arena_t *a, const char *option, const hg_json_t *node, hg_err_t *err)
{
    *m = (hg_mapping_t){ 0 };
    if (!node || node->kind == HG_J_NULL) return 0;
    if (node->kind != HG_J_OBJECT)
        return hg_err_option(err, HG_EINVAL, option, "expected an object of names, found %s",
                             hg_json_kind_name(node->kind));
    for (const hg_json_t *f = node->child; f; f = f->next) {
        if (f->kind != HG_J_STRING)
            return hg_err_option(err, HG_EINVAL, option, "'%s': expected the new name of the field, found %s", f->key.p,
                                 hg_json_kind_name(f->kind));
        struct hg_mapping_row row = { hg_arena_str(a, f->key), hg_arena_str(a, f->str), quoted(a, f->key),
                                      quoted(a, f->str) };
        HG_APUSH(a, m->v, m->n, row);
    }
    return 0;
}

int hg_mapping_apply(const hg_mapping_t *m, bool back, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_jobj_t *o;
    if (m->n == 0) return 0;
    int rc = hg_payload_object(p, s, &o, err);
    if (rc <= 0) return rc;
    rc = 0;
    for (uint32_t i = 0; i < m->n && rc == 0; i++) {
        const struct hg_mapping_row *r = &m->v[back ? m->n - 1 - i : i];
        rc = back ? hg_jobj_rename(o, r->to, r->from, r->from_name) : hg_jobj_rename(o, r->from, r->to, r->to_name);
    }
    return rc;
}
