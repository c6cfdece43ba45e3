/* diff_ask.c: the difference that a start would find, for somebody who only asks: `headgate compile` (for POST …/diff).
 * The folder of the state is only read; a pipeline may be writing there, so a manifest may be gone between the look
 * into the folder and the look into the file: then once more.
 */
#include "base/hg.h"
#include "pipeline/program_diff.h"
#include "pipeline/storage.h"

static void shape_of(hg_arena_t *a, hg_str_t text, const hg_json_t **ret)
{
    hg_program_t *old = hg_compile(text, &(hg_compile_opts_t){ 0 });
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    if (old->ok) {
        uint64_t *definitions = HG_ANEWN(a, uint64_t, old->plan.n_relations + 1);
        hg_program_definitions(old, definitions);
        hg_program_shape_json(old, definitions, &w);
    }
    hg_jw_end_obj(&w);
    HG_ASSERT(hg_json_parse(a, hg_buf_str(&b), &v, &err) == 0);
    *ret = v;
    hg_buf_release(&b);
    hg_program_free(old);
}

int hg_program_diff_ask(const hg_program_t *p, const char *storage, hg_str_t baseline, hg_jw_t *w, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_program_diff_t d;
    hg_storage_t *s;
    uint64_t *definitions = HG_ANEWN(a, uint64_t, p->plan.n_relations + 1);
    int rc = hg_storage_look(storage, &s, err);
    if (rc == 0) {
        const hg_json_t *saved = s ? hg_storage_manifest(s) : NULL;
        bool state = saved != NULL;
        if (!state) shape_of(a, baseline, &saved);
        hg_program_definitions(p, definitions);
        hg_program_diff(p, definitions, saved, a, &d);
        if (!state) d.refusal = NULL; /* nothing has to go on with anything */
        hg_program_diff_json(&d, w);
        hg_storage_close(s);
    }
    hg_arena_free(a);
    return rc;
}
