/* edit_int.h: creating, changing, starting and deleting pipelines, whoever asks: the REST API, or git. Each is checked,
 * written, and only then takes effect: what is refused or cannot be written leaves everything as it was. */
#ifndef HG_MANAGER_EDIT_INT_H
#define HG_MANAGER_EDIT_INT_H

#include "manager/manager_int.h"

void hg_edit_defaults(hg_pldef_t *def); /* everything but name and program */
void hg_edit_copy(hg_pldef_t *to, const hg_pldef_t *from);

/* Name and description are legal and the name is nobody else's. self: the pipeline that will have them, NULL = a new
 * one. */
hg_verdict_t hg_edit_check(hg_mg_t *mg, const hg_pldef_t *def, const hg_pl_t *self);

/* def, which has been checked, is taken over, as is git: its mark (git_int.h) or NULL. *ret: borrowed; the caller has
 * it compiled (hg_compile_pipeline). */
hg_verdict_t hg_edit_create(hg_mg_t *mg, hg_pldef_t *def, char *git, hg_pl_t **ret);

typedef enum { HG_PLATFORM_KEEP, HG_PLATFORM_WITH_PROGRAM, HG_PLATFORM_BUMP } hg_platform_t;
/* Puts def in the place of pl's definition: afterwards def is the old one, for the caller to release. HG_NOOP: they are
 * equal. The caller compiles if the program is Pending. */
hg_verdict_t hg_edit_change(hg_mg_t *mg, hg_pl_t *pl, hg_pldef_t *def, hg_platform_t platform);
/* May pl's definition become def while its storage is as it is? */
hg_verdict_t hg_edit_storage_allows(const hg_pl_t *pl, const hg_pldef_t *def);

hg_verdict_t hg_edit_delete(hg_mg_t *mg, hg_pl_t *pl);
/* Records the wish; the caller kicks the runner. HG_NOOP: it has started so already. */
hg_verdict_t hg_edit_start(hg_mg_t *mg, hg_pl_t *pl, const hg_start_args_t *a);

#endif
