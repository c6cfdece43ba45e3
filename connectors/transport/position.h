/* position.h: checks of positions, which users may write by hand. */
#ifndef HG_CONNECTORS_TRANSPORT_POSITION_H
#define HG_CONNECTORS_TRANSPORT_POSITION_H

#include "base/err.h"
#include "base/json.h"

/* An object with no other members than these (NULL-ended). what: "a file position". */
static inline int hg_position_members(const hg_json_t *v, const char *what, const char *const *names, hg_err_t *err)
{
    if (!v || v->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EPARSE, "%s is a JSON object, this is %s", what,
                          v ? hg_json_kind_name(v->kind) : "nothing");
    for (const hg_json_t *m = v->child; m; m = m->next) {
        size_t i = 0;
        while (names[i] && !hg_str_eqz(m->key, names[i])) i++;
        if (!names[i]) return hg_err_set(err, HG_EPARSE, "%s has no member '" HG_SF "'", what, HG_SA(m->key));
    }
    return 0;
}

/* A member that is a whole number, 0 or more. required false: *ret stays as it is when the member is not there. */
static inline int hg_position_u64(const hg_json_t *v, const char *what, const char *name, bool required, uint64_t *ret,
                                  hg_err_t *err)
{
    const hg_json_t *m = hg_json_get(v, name);
    if (!m && !required) return 0;
    if (!m) return hg_err_set(err, HG_EPARSE, "%s needs '%s'", what, name);
    if (hg_json_u64(m, ret) < 0)
        return hg_err_set(err, HG_EPARSE, "%s: '%s' is not a whole number, 0 or more", what, name);
    return 0;
}

#endif
