/* git_plan.c: wanted definitions against the pipelines there are. Pure: the same arguments give the same steps. */
#include "base/hg.h"

#include "base/mem.h"
#include "base/strmap.h"
#include "manager/git_int.h"

static bool owned(const hg_git_have_t *h)
{
    return h->mark && !strcmp(h->mark->folder, h->def->name);
}

static const hg_git_want_t *wanted(const hg_git_want_t *want, size_t n, const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(want[mid].def.name, name);
        if (c == 0) return &want[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool other_program(const hg_pldef_t *a, const hg_pldef_t *b)
{
    return strcmp(a->program_code, b->program_code) != 0 || strcmp(a->udf_rust, b->udf_rust) != 0 ||
           strcmp(a->udf_toml, b->udf_toml) != 0 || strcmp(a->program_config, b->program_config) != 0;
}

static bool restricted(const char *before, const char *after)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    unsigned n = hg_runtime_config_restricted(before, after, &w);
    hg_buf_release(&b);
    return n > 0;
}

/* Description, tags and mark say what they should. */
static bool described(const char *source, const hg_git_want_t *w, const hg_git_have_t *h)
{
    const hg_git_mark_t *m = h->mark;
    if (strcmp(m->source, source) != 0 || strcmp(m->description, w->def.description) != 0 ||
        strcmp(m->tags, w->def.tags) != 0 || m->refused || !m->state || strcmp(m->state, "applied") != 0)
        return false;
    char *description = hg_git_description(m), *tags = hg_git_tags(m);
    bool same = !strcmp(description, h->def->description) && !strcmp(tags, h->def->tags);
    hg_free(description);
    hg_free(tags);
    return same;
}

size_t hg_git_plan(const char *source, const hg_git_want_t *want, size_t n_want, const hg_git_have_t *have,
                   size_t n_have, hg_git_step_t *out)
{
    size_t n = 0;
    hg_strmap_t names; /* index in have */
    hg_strmap_init(&names);
    for (size_t i = 0; i < n_have; i++) hg_strmap_put(&names, hg_strz(have[i].def->name), (uint32_t)i);
    for (size_t i = 0; i < n_want; i++) {
        const hg_git_want_t *w = &want[i];
        uint32_t at = hg_strmap_get(&names, hg_strz(w->def.name));
        const hg_git_have_t *h = at == HG_STRMAP_NONE ? NULL : &have[at];
        hg_git_step_t s = { .want = w, .have = h };
        if (!h) {
            s.what = HG_GIT_CREATE;
            s.program = true;
        } else if (!owned(h)) {
            s.what = HG_GIT_TAKEN;
        } else if (other_program(h->def, &w->def) || strcmp(h->def->runtime_config, w->def.runtime_config) != 0) {
            s.program = other_program(h->def, &w->def);
            s.what = !h->cleared && restricted(h->def->runtime_config, w->def.runtime_config) ? HG_GIT_BLOCKED
                                                                                              : HG_GIT_CHANGE;
        } else if (!described(source, w, h)) {
            s.what = HG_GIT_DESCRIBE;
        } else {
            continue;
        }
        out[n++] = s;
    }
    for (size_t i = 0; i < n_have; i++)
        if (owned(&have[i]) && !strcmp(have[i].mark->source, source) && !wanted(want, n_want, have[i].def->name))
            out[n++] = (hg_git_step_t){ .what = HG_GIT_DELETE, .have = &have[i] };
    hg_strmap_release(&names);
    return n;
}
