/* position.c: what a position is for people: checked by the transport that will go on from it, and told. Any thread. */
#include "base/hg.h"
#include "base/log.h"
#include "pipeline/move.h"

const char *hg_position_change(const char *text)
{
    static const char *const all[] = { "set", "reset", "rerun" };
    for (size_t i = 0; i < HG_COUNT(all); i++)
        if (strcmp(all[i], text) == 0) return all[i];
    return NULL;
}

int hg_position_can(const hg_conn_spec_t *spec, const char *name, hg_err_t *err)
{
    if (!spec) return hg_err_set(err, HG_EUNSUPPORTED, "%s was made by a request: it has no position", name);
    if (spec->in_type->save && spec->in_type->restore) return 0;
    return hg_err_set(err, HG_EUNSUPPORTED, "%s cannot go on from a position: its transport '%s' keeps none", name,
                      spec->in_type->name);
}

int hg_position_check(const hg_conn_spec_t *spec, hg_str_t text, hg_arena_t *a, const hg_json_t **ret, hg_err_t *err)
{
    hg_json_t *v;
    int rc = hg_position_can(spec, spec->endpoint.p, err);
    if (rc == 0) rc = hg_json_parse(a, text, &v, err);
    if (rc < 0) return rc;
    if (v->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EPARSE, "a position is a JSON object, this is %s", hg_json_kind_name(v->kind));
    rc = spec->in_type->check_position ? spec->in_type->check_position(spec->transport_cfg, v, err) : 0;
    if (rc < 0) return rc;
    *ret = v;
    return 0;
}

void hg_position_put_change(const char *change, int64_t at_us, hg_jw_t *w)
{
    char at[40];
    if (!change) {
        hg_jw_null(w);
        return;
    }
    hg_time_rfc3339(at, at_us);
    hg_jw_obj(w);
    hg_jw_kstr(w, "change", change);
    hg_jw_kstr(w, "at", at);
    hg_jw_end_obj(w);
}

void hg_position_json(const hg_position_say_t *s, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "endpoint_name", s->name);
    hg_jw_kstr(w, "transport", s->spec->in_type->name);
    hg_jw_key(w, "position");
    if (s->position.n)
        hg_jw_raw(w, s->position);
    else
        hg_jw_null(w);
    hg_jw_kstr(w, "origin", s->origin);
    hg_jw_kbool(w, "settable", !s->obstacle);
    hg_jw_kstr(w, "obstacle", s->obstacle);
    hg_jw_kbool(w, "durable", s->durable);
    hg_jw_key(w, "checkpoint");
    if (s->checkpoint)
        hg_jw_u64(w, s->checkpoint);
    else
        hg_jw_null(w);
    hg_jw_key(w, "last_change");
    hg_position_put_change(s->change, s->change_us, w);
    hg_jw_kstr(w, "members", s->spec->in_type->position_doc);
    hg_jw_end_obj(w);
}
