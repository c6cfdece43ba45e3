/* config_int.h: checks on what users write: names, tags, and the two configuration objects, which are stored with every
 * default filled in, in one fixed order, so that "did it change" is a comparison of texts. Pure functions. */
#ifndef HG_MANAGER_CONFIG_INT_H
#define HG_MANAGER_CONFIG_INT_H

#include "base/err.h"
#include "base/json.h"
#include "manager/lifecycle_int.h"

#define HG_NAME_MAX        63
#define HG_KEY_NAME_MAX    100
#define HG_TAG_MAX         50
#define HG_TAGS_MAX        50
#define HG_DESCRIPTION_MAX 300

/* v NULL or null stands for {}. *ret_json is the complete object; caller frees. HG_EINVAL: the message names the
 * member. */
int hg_runtime_config(const hg_json_t *v, char **ret_json, hg_err_t *err);
int hg_program_config(const hg_json_t *v, char **ret_json, hg_err_t *err);

/* Members that may not change while storage holds data, as a JSON array of "`runtime_config.x`"; 0 if none differs.
 * Both texts are normalised. Returns how many were appended to the array that w is in. */
unsigned hg_runtime_config_restricted(const char *before, const char *after, hg_jw_t *w);
bool hg_runtime_config_standby(const char *json); /* may a pipeline start in Standby? */

/* A whole number from min to max, member of the object at path. HG_EINVAL: the message names it and what it is. */
int hg_config_number(const char *path, const hg_json_t *v, uint64_t min, uint64_t max, uint64_t *ret, hg_err_t *err);

/* HG_DO_IT or a refusal. */
hg_verdict_t hg_check_name(hg_str_t name);
hg_verdict_t hg_check_key_name(hg_str_t name);
hg_verdict_t hg_check_description(hg_str_t text);
hg_verdict_t hg_check_tags(const hg_json_t *tags); /* an array of strings */

#endif
