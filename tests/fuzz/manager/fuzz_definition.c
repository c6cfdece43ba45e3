/* What users and git say of a pipeline. By the first byte: 'r' a runtime_config, 'p' a program_config, which are
 * refused with a sentence or become complete objects that are their own complete objects; 'g' the config.json of a
 * folder in git; 't' tags; 'n' a name, of a pipeline and of a key, and a description; 'm' what the store keeps of git
 * and of restarts: what was read is written so that it reads as the same. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/config_int.h"
#include "manager/git_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef int (*normaliser_t)(const hg_json_t *v, char **ret, hg_err_t *err);

static hg_json_t *parse(hg_arena_t *a, const char *text)
{
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *v;
    return hg_json_parse(a, hg_strz(text), &v, &err) == 0 ? v : NULL;
}

static void policies(const hg_json_t *v)
{
    hg_restart_policy_t restart;
    hg_liveness_policy_t liveness;
    hg_err_t err = HG_ERR_INIT;
    if (hg_restart_policy(v, &restart, &err) < 0) HG_ASSERT(err.msg[0]);
    err = HG_ERR_INIT;
    if (hg_liveness_policy(v, &liveness, &err) < 0) HG_ASSERT(err.msg[0]);
}

static void compare(hg_arena_t *a, const char *config)
{
    char *dflt = NULL;
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_runtime_config(NULL, &dflt, &err) == 0);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    HG_ASSERT(hg_runtime_config_restricted(config, config, &w) == 0);
    unsigned n = hg_runtime_config_restricted(dflt, config, &w);
    hg_jw_end_arr(&w);
    const hg_json_t *list = parse(a, b.p);
    HG_ASSERT(list && list->n == n);
    hg_buf_release(&b);
    hg_free(dflt);
}

static void config(hg_arena_t *a, const char *text, normaliser_t normal)
{
    char *once = NULL, *twice = NULL;
    hg_err_t err = HG_ERR_INIT;
    const hg_json_t *v = parse(a, text);
    if (!v) return;
    if (normal(v, &once, &err) < 0) {
        HG_ASSERT(!once && err.code == HG_EINVAL && err.msg[0]);
        return;
    }
    v = parse(a, once);
    HG_ASSERT(v && normal(v, &twice, &err) == 0 && strcmp(once, twice) == 0);
    if (normal == hg_runtime_config) {
        policies(v);
        compare(a, once);
        (void)hg_runtime_config_standby(once);
    }
    hg_free(once);
    hg_free(twice);
}

static void verdict(hg_arena_t *a, hg_verdict_t v)
{
    if (v.answer != HG_REFUSE) return;
    HG_ASSERT(v.status >= 400 && v.code[0] && v.msg[0] && hg_utf8_valid(v.msg, strlen(v.msg)));
    HG_ASSERT(!v.details[0] || parse(a, v.details));
}

static void git(const char *text)
{
    hg_git_want_t w;
    hg_err_t err = HG_ERR_INIT;
    if (hg_git_want_parse("p", "SELECT 1", text, &w, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    HG_ASSERT(strcmp(w.def.name, "p") == 0 && w.def.runtime_config && w.def.program_config && w.def.tags);
    hg_git_want_release(&w);
}

static void kept(hg_arena_t *a, const char *text)
{
    hg_git_mark_t m, again;
    hg_restarts_t r, same;
    hg_buf_t b;
    hg_jw_t w;
    if (hg_git_mark_read(a, text, &m)) {
        char *s = hg_git_mark_text(&m), *description = hg_git_description(&m), *tags = hg_git_tags(&m);
        HG_ASSERT(hg_git_mark_read(a, s, &again) && strcmp(m.source, again.source) == 0 && m.time == again.time);
        HG_ASSERT(hg_utf8_chars(description, strlen(description)) <= HG_DESCRIPTION_MAX && parse(a, tags));
        hg_free(s);
        hg_free(description);
        hg_free(tags);
    }
    hg_restarts_load(text, &r);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_restarts_save(&w, &r);
    hg_restarts_load(b.p, &same);
    HG_ASSERT(same.attempts == r.attempts && same.next_us == r.next_us && !same.last == !r.last);
    hg_buf_release(&b);
    hg_restarts_clear(&r);
    hg_restarts_clear(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    hg_arena_t *a = hg_arena_new();
    const char *text = hg_arena_strndup(a, (const char *)p + 1, n - 1);
    hg_str_t whole = { text, n - 1 };
    const hg_json_t *v;
    switch (p[0]) {
    case 'r':
        config(a, text, hg_runtime_config);
        break;
    case 'p':
        config(a, text, hg_program_config);
        break;
    case 'g':
        git(text);
        break;
    case 't':
        v = parse(a, text);
        if (v && v->kind == HG_J_ARRAY) verdict(a, hg_check_tags(v));
        break;
    case 'm':
        kept(a, text);
        break;
    default:
        if (!hg_utf8_valid(whole.p, whole.n)) break; /* as it comes out of JSON */
        verdict(a, hg_check_name(whole));
        verdict(a, hg_check_key_name(whole));
        verdict(a, hg_check_description(whole));
    }
    hg_arena_free(a);
    return 0;
}
