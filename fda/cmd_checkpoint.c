/* cmd_checkpoint.c: `checkpoint`, and `checkpoints`, which is ours: which ones there are. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define POLL_FIRST_MS 10
#define POLL_LAST_MS  500

typedef struct {
    const char *what, *path;
    uint64_t number;
} taken_t;

static int is_taken(fda_t *f, void *arg)
{
    const taken_t *t = arg;
    const hg_json_t *s;
    uint64_t done;
    if (fda_get(f, t->what, t->path, 0, &s)) return -1;
    if (hg_json_u64(hg_json_get(s, "success"), &done) == 0 && done >= t->number) return 1;
    if (hg_json_u64(fda_member(s, "failure.sequence_number"), &done) == 0 && done >= t->number) {
        fda_error("%s: %s", t->what, fda_text(s, "failure.error", "the pipeline does not say why"));
        return -1;
    }
    return 0;
}

int fda_cmd_checkpoint(fda_t *f, const fda_args_t *a)
{
    static const char what[] = "Failed to checkpoint pipeline";
    const char *name = fda_arg(a, "NAME");
    fda_answer_t ans;
    taken_t t = { .what = what };
    int rc =
        fda_call(f, what, "POST", fda_path(f, "/v0/pipelines/%s/checkpoint", name), (hg_str_t){ 0 }, FDA_ONCE, &ans);
    if (rc || fda_flag(a, "no-wait")) return rc;
    if (hg_json_u64(hg_json_get(ans.json, "checkpoint_sequence_number"), &t.number) < 0)
        return fda_error("%s: the answer has no checkpoint_sequence_number", what);
    t.path = fda_path(f, "/v0/pipelines/%s/checkpoint_status?incarnation_uuid=%s", name,
                      fda_text(ans.json, "incarnation_uuid", ""));
    for (uint64_t ms = POLL_FIRST_MS; (rc = fda_once(f, is_taken, &t)) == 0;
         ms = HG_MIN(ms * 2, (uint64_t)POLL_LAST_MS))
        fda_pause_ms(ms);
    if (rc < 0) return 1;
    printf("Pipeline checkpoint (#%" PRIu64 ") taken successfully.\n", t.number);
    return 0;
}

int fda_cmd_checkpoints(fda_t *f, const fda_args_t *a)
{
    static const char *const heads[] = { "sequence", "created", "records", "bytes", "uuid" };
    const hg_json_t *list;
    int rc = fda_get(f, "Failed to list the checkpoints of the pipeline",
                     fda_path(f, "/v0/pipelines/%s/checkpoints", fda_arg(a, "NAME")), 0, &list);
    if (rc) return rc;
    if (f->format == FDA_JSON) {
        fda_print_json(list, true);
        return 0;
    }
    if (f->format != FDA_TEXT) return fda_unsupported(f);
    const char **text = hg_arena_alloc(f->arena, (list->n + 1) * HG_COUNT(heads) * sizeof *text), **cell = text;
    for (size_t i = 0; i < HG_COUNT(heads); i++) *cell++ = heads[i];
    for (const hg_json_t *c = list->child; c; c = c->next) {
        *cell++ = fda_digits(c, "sequence", "");
        *cell++ = fda_clock(f, fda_text(c, "created_at", ""));
        *cell++ = fda_thousands(f, fda_digits(c, "processed_records", "0"));
        *cell++ = fda_thousands(f, fda_digits(c, "size", "0"));
        *cell++ = fda_text(c, "uuid", "");
    }
    fda_print_box(text, list->n + 1, HG_COUNT(heads));
    return 0;
}
