/* git_want.c: a folder of the repository as the definition of a pipeline, and marks: what git has to do with one. Pure.
 */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/edit_int.h"
#include "manager/git_int.h"

static int at(hg_err_t *err, hg_str_t text, const hg_json_t *v, const char *msg)
{
    char copy[sizeof err->msg];
    snprintf(copy, sizeof copy, "%s", msg); /* may be err's own */
    hg_err_set(err, HG_EINVAL, "%s", copy);
    hg_text_pos(text, v->off, &err->pos.line, &err->pos.col);
    return HG_EINVAL;
}

static int take_member(const hg_json_t *m, hg_str_t text, hg_git_want_t *w, hg_err_t *err)
{
    static const char *const known[] = { "description", "program_config", "runtime_config", "start", "tags", NULL };
    char msg[256];
    hg_verdict_t v = { .answer = HG_DO_IT };
    char *json = NULL;
    if (hg_str_eqz(m->key, "description")) {
        if (m->kind != HG_J_STRING || memchr(m->str.p, 0, m->str.n))
            return at(err, text, m, "'description' must be a string");
        v = hg_check_description(m->str);
        if (v.answer != HG_REFUSE) hg_set_text(&w->def.description, m->str.p);
    } else if (hg_str_eqz(m->key, "tags")) {
        if (m->kind != HG_J_ARRAY) return at(err, text, m, "'tags' must be an array of strings");
        for (const hg_json_t *t = m->child; t; t = t->next)
            if (t->kind != HG_J_STRING) return at(err, text, t, "'tags' must be an array of strings");
        v = hg_check_tags(m);
        if (v.answer != HG_REFUSE) {
            hg_buf_t b;
            hg_jw_t jw;
            hg_buf_init(&b, HG_BUF_NOMAX);
            hg_jw_init(&jw, &b);
            hg_jw_node(&jw, m);
            hg_take_text(&w->def.tags, hg_buf_take(&b, NULL));
        }
    } else if (hg_str_eqz(m->key, "runtime_config")) {
        if (hg_runtime_config(m, &json, err) < 0) return at(err, text, m, err->msg);
        hg_take_text(&w->def.runtime_config, json);
    } else if (hg_str_eqz(m->key, "program_config")) {
        if (hg_program_config(m, &json, err) < 0) return at(err, text, m, err->msg);
        hg_take_text(&w->def.program_config, json);
    } else if (hg_str_eqz(m->key, "start")) {
        const char *s = hg_json_str(m, "");
        w->start = !strcmp(s, "running") ? HG_RT_RUNNING : !strcmp(s, "paused") ? HG_RT_PAUSED : HG_RT_NONE;
        if (w->start == HG_RT_NONE && strcmp(s, "no") != 0)
            return at(err, text, m, "'start' must be \"running\", \"paused\" or \"no\"");
    } else {
        const char *near = hg_nearest(m->key, known);
        snprintf(msg, sizeof msg, "unknown member '%.60s'%s%s%s", m->key.p, near ? "; did you mean '" : "",
                 near ? near : "", near ? "'?" : "");
        return at(err, text, m, msg);
    }
    return v.answer == HG_REFUSE ? at(err, text, m, v.msg) : 0;
}

int hg_git_want_parse(const char *folder, const char *program, const char *config, hg_git_want_t *ret, hg_err_t *err)
{
    hg_verdict_t v = hg_check_name(hg_strz(folder));
    if (v.answer == HG_REFUSE) return hg_err_set(err, HG_EINVAL, "%s", v.msg);
    hg_git_want_t w = { .start = HG_RT_NONE };
    hg_arena_t *a = hg_arena_new();
    hg_json_t *json = NULL;
    int rc = 0;
    hg_edit_defaults(&w.def);
    hg_set_text(&w.def.name, folder);
    hg_set_text(&w.def.program_code, program);
    hg_str_t text = hg_strz(config);
    if (config) {
        rc = hg_json_parse(a, text, &json, err);
        if (rc == 0 && json->kind != HG_J_OBJECT) rc = at(err, text, json, "it must be a JSON object");
        for (const hg_json_t *m = rc == 0 ? json->child : NULL; m && rc == 0; m = m->next)
            rc = take_member(m, text, &w, err);
    }
    hg_arena_free(a);
    if (rc < 0)
        hg_git_want_release(&w);
    else
        *ret = w;
    return rc;
}

void hg_git_want_release(hg_git_want_t *w)
{
    hg_pldef_release(&w->def);
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    size_t at;
} texts[] = {
    { "source", offsetof(hg_git_mark_t, source) },
    { "folder", offsetof(hg_git_mark_t, folder) },
    { "branch", offsetof(hg_git_mark_t, branch) },
    { "commit", offsetof(hg_git_mark_t, commit) },
    { "author", offsetof(hg_git_mark_t, author) },
    { "subject", offsetof(hg_git_mark_t, subject) },
    { "state", offsetof(hg_git_mark_t, state) },
    { "message", offsetof(hg_git_mark_t, message) },
    { "refused", offsetof(hg_git_mark_t, refused) },
    { "resume", offsetof(hg_git_mark_t, resume) },
    { "description", offsetof(hg_git_mark_t, description) },
};

bool hg_git_mark_read(hg_arena_t *a, const char *text, hg_git_mark_t *ret)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    *ret = (hg_git_mark_t){ .source = NULL };
    if (!text || hg_json_parse(a, hg_strz(text), &v, &err) < 0) return false;
    for (size_t i = 0; i < HG_COUNT(texts); i++)
        *(const char **)(void *)((char *)ret + texts[i].at) = hg_json_str(hg_json_get(v, texts[i].key), NULL);
    const hg_json_t *tags = hg_json_get(v, "tags");
    ret->tags = tags ? hg_arena_strndup(a, text + tags->off, tags->len) : "[]";
    if (!hg_json_get(v, "time") || hg_json_i64(hg_json_get(v, "time"), &ret->time) < 0) ret->time = 0;
    return ret->source && ret->folder && ret->commit && ret->description;
}

char *hg_git_mark_text(const hg_git_mark_t *m)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    for (size_t i = 0; i < HG_COUNT(texts); i++)
        hg_jw_kstr(&w, texts[i].key, *(const char *const *)(const void *)((const char *)m + texts[i].at));
    hg_jw_kraw(&w, "tags", m->tags);
    hg_jw_ki64(&w, "time", m->time);
    hg_jw_end_obj(&w);
    return hg_buf_take(&b, NULL);
}

/* --- what people see ---------------------------------------------------------------------------------------------- */

#define SHORT "%.12s" /* of a commit */

/* Cuts text to max characters, ending in "…" if something is missing. */
static void shorten(hg_buf_t *b, size_t max)
{
    size_t chars = 0, cut = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (((unsigned char)b->p[i] & 0xc0) == 0x80) continue;
        if (++chars == max) cut = i; /* the last one that fits */
    }
    if (chars <= max) return;
    b->len = cut;
    hg_buf_adds(b, "\u2026");
}

char *hg_git_description(const hg_git_mark_t *m)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, m->description);
    if (b.len) hg_buf_addc(&b, ' ');
    if (m->refused)
        hg_buf_addf(&b, "[git %s " SHORT " is refused: %s; this is " SHORT ", %s: %s]", m->branch, m->refused,
                    m->message ? m->message : "", m->commit, m->author, m->subject);
    else
        hg_buf_addf(&b, "[git %s " SHORT ", %s: %s]", m->branch, m->commit, m->author, m->subject);
    shorten(&b, HG_DESCRIPTION_MAX);
    return hg_buf_take(&b, NULL);
}

char *hg_git_tags(const hg_git_mark_t *m)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    unsigned n = 0;
    char tag[32];
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    if (hg_json_parse(a, hg_strz(m->tags), &v, &err) == 0)
        for (const hg_json_t *t = v->child; t; t = t->next, n++) hg_jw_node(&w, t);
    snprintf(tag, sizeof tag, "git:" SHORT, m->commit);
    if (n++ < HG_TAGS_MAX) hg_jw_strz(&w, tag);
    if (m->refused && n < HG_TAGS_MAX) hg_jw_strz(&w, "git:refused");
    hg_jw_end_arr(&w);
    hg_arena_free(a);
    return hg_buf_take(&b, NULL);
}
