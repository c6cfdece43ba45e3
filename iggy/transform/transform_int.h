/* transform_int.h: the contract of one transform: a const type and what it makes of its settings.
 *
 * make() runs once, when the chain is made; apply() for every message, on any thread. What apply() needs memory for is
 * the scratch's, and none of it is the allocator's.
 */
#ifndef HG_IGGY_TRANSFORM_TRANSFORM_INT_H
#define HG_IGGY_TRANSFORM_TRANSFORM_INT_H

#include "iggy/codec/jobj.h"
#include "iggy/codec/mapping.h"
#include "iggy/transform/transform.h"

/* While a transform is made. */
typedef struct hg_tr_make {
    hg_arena_t *arena;     /* of the chain */
    const hg_json_t *node; /* the transform's settings */
    hg_diag_t *d;
} hg_tr_make_t;

/* An error at a node (NULL: at the transform). Always HG_EINVAL. */
int hg_tr_wrong(hg_tr_make_t *m, const hg_json_t *node, const char *fmt, ...) HG_PRINTF(3, 4);
/* The same with the words of an error that came from below; err->path names a member of the settings. */
int hg_tr_wrong_err(hg_tr_make_t *m, const hg_err_t *err);
/* A warning for each member of obj that is not among the names ("a|b|c"). */
void hg_tr_known(hg_tr_make_t *m, const hg_json_t *obj, const char *names);

typedef struct hg_transform_type {
    const char *name, *summary;
    const hg_opt_t *opts; /* of its table, without `enabled` and `type` */
    size_t cfg_size;
    /* cfg is filled from opts and lives as long as the chain, as does *ret. HG_EINVAL: m->d has it. */
    int (*make)(hg_tr_make_t *m, const void *cfg, const void **ret);
    /* HG_TR_PASS, HG_TR_DROP, or an error. */
    int (*apply)(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err);
    bool (*varies)(const void *made);                      /* NULL: the message alone decides */
    hg_plkind_t (*kind)(const void *made, hg_plkind_t in); /* NULL: kinds stay */
    hg_plkind_t (*reads)(const void *made);                /* NULL: any kind */
} hg_transform_type_t;

/* The name as the text of a JSON string, in the arena. */
hg_str_t hg_tr_quote(hg_arena_t *a, hg_str_t s);
/* Compact JSON text of a configuration's value, in the arena. */
hg_str_t hg_tr_json(hg_arena_t *a, const hg_json_t *v);

#endif
