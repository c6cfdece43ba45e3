/* regex.c: see regex.h. */
#include "base/hg.h"
#include "iggy/codec/module_int.h"
#include "iggy/codec/regex.h"

static hg_codec_module_t module =
    HG_CODEC_MODULE("A regular expression", "headgate-regex.so", "hg_regex_module", HG_REGEX_ABI);
static const hg_regex_api_t *_Atomic api; /* set once; what made a regex has seen it */

int hg_regex_new(hg_str_t pattern, hg_regex_t **ret, hg_err_t *err)
{
    const void *found = NULL;
    char why[HG_REGEX_WHY];
    int rc = hg_codec_module_load(&module, &found, err);
    if (rc < 0) return rc;
    const hg_regex_api_t *a = found;
    api = a;
    if (a->make(pattern.p, pattern.n, ret, why) == 0) return 0;
    return hg_err_set(err, HG_EINVAL, "the regular expression '" HG_SF "': %s", HG_SA(pattern), why);
}

void hg_regex_free(hg_regex_t *r)
{
    if (r) api->free(r);
}

bool hg_regex_search(const hg_regex_t *r, hg_str_t text)
{
    return atomic_load_explicit(&api, memory_order_relaxed)->search(r, text.p, text.n) == 1;
}
