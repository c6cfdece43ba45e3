/* Programs from git: folders as definitions, what the plan says about them, and what people see of a mark. */
#include "base/hg.h"
#include "tests/lib/test.h"

#include "base/mem.h"
#include "manager/edit_int.h"
#include "manager/git_int.h"

#define HERE "https://h/x#main"

/* --- config.json -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *folder, *config;
    const char *says; /* NULL: fine */
    unsigned line, col;
} configs[] = {
    { "a", NULL, NULL, 0, 0 },
    { "a", "{}", NULL, 0, 0 },
    { "a",
      "{\"description\": \"x\", \"tags\": [\"y\"], \"start\": \"paused\", \"runtime_config\": {\"workers\": 2}, "
      "\"program_config\": {\"cache\": false}}",
      NULL, 0, 0 },
    { "a/b", NULL, "not allowed", 0, 0 },
    { "", NULL, "empty", 0, 0 },
    { "a", "[]", "a JSON object", 1, 1 },
    { "a", "{\n\"tags\": {}}", "an array of strings", 2, 9 },
    { "a", "{\"tags\": [1]}", "an array of strings", 1, 11 },
    { "a", "{\"tags\": [\"\\u00e9\"]}", "ag", 1, 10 },
    { "a", "{\"description\": 1}", "must be a string", 1, 17 },
    { "a", "{\"start\": true}", "running", 1, 11 },
    { "a", "{\"program_config\": 7}", "", 1, 20 },
    { "a", "{\"runtime_config\": {\"workers\": -1}}", "workers", 1, 20 },
    { "a", "{\"runtime\": {}}", "unknown member 'runtime'", 1, 13 },
    { "a", "{", "", 1, 2 },
};

static void test_configs(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(configs); i++) {
        hg_git_want_t w;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_git_want_parse(configs[i].folder, "SELECT", configs[i].config, &w, &err);
        if (!configs[i].says) {
            if (rc < 0) fail_msg("%zu: %s", i, err.msg);
            assert_string_equal(w.def.name, "a");
            hg_git_want_release(&w);
            continue;
        }
        if (rc == 0 || !strstr(err.msg, configs[i].says) || err.pos.line != configs[i].line ||
            err.pos.col != configs[i].col)
            fail_msg("%zu: %d:%d %s", i, (int)err.pos.line, (int)err.pos.col, rc < 0 ? err.msg : "taken");
    }
}

static void test_a_whole_config(void **state)
{
    hg_git_want_t w;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_git_want_parse("a", "x", configs[2].config, &w, &err), 0);
    assert_string_equal(w.def.description, "x");
    assert_string_equal(w.def.tags, "[\"y\"]");
    assert_int_equal(w.start, HG_RT_PAUSED);
    assert_non_null(strstr(w.def.runtime_config, "\"workers\":2"));
    assert_non_null(strstr(w.def.program_config, "\"cache\":false"));
    hg_git_want_release(&w);
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

/* A pipeline as it is: program text, workers, and the mark's source; NULL: not made by git. */
typedef struct there {
    const char *name, *program, *source, *folder;
    unsigned workers;
    bool in_use;
    const char *refused;
} there_t;

typedef struct wanted {
    const char *name, *program;
    unsigned workers;
} wanted_t;

#define ROOM 4
static const struct {
    const char *what;
    wanted_t want[ROOM];
    there_t have[ROOM];
    const char *plan; /* "create a, change b" */
} plans[] = {
    { "nothing at all", { { 0 } }, { { 0 } }, "" },
    { "new", { { "a", "x", 1 }, { "b", "x", 1 } }, { { 0 } }, "create+ a, create+ b" },
    { "equal", { { "a", "x", 1 } }, { { "a", "x", HERE, "a", 1, false, NULL } }, "" },
    { "another program", { { "a", "y", 1 } }, { { "a", "x", HERE, "a", 1, true, NULL } }, "change+ a" },
    { "another configuration", { { "a", "x", 2 } }, { { "a", "x", HERE, "a", 1, false, NULL } }, "change a" },
    { "which storage forbids", { { "a", "x", 2 } }, { { "a", "x", HERE, "a", 1, true, NULL } }, "blocked a" },
    { "both, and it forbids", { { "a", "y", 2 } }, { { "a", "x", HERE, "a", 1, true, NULL } }, "blocked+ a" },
    { "gone", { { 0 } }, { { "a", "x", HERE, "a", 1, true, NULL } }, "delete a" },
    { "gone, but made elsewhere", { { 0 } }, { { "a", "x", "https://h/y", "a", 1, true, NULL } }, "" },
    { "gone, but renamed by a user", { { 0 } }, { { "b", "x", HERE, "a", 1, true, NULL } }, "" },
    { "gone, but never git's", { { 0 } }, { { "a", "x", NULL, NULL, 1, false, NULL } }, "" },
    { "a user's", { { "a", "y", 1 } }, { { "a", "x", NULL, NULL, 1, false, NULL } }, "taken a" },
    { "a user's, and equal", { { "a", "x", 1 } }, { { "a", "x", NULL, NULL, 1, false, NULL } }, "taken a" },
    { "renamed to a wanted name", { { "a", "x", 1 } }, { { "a", "x", HERE, "b", 1, false, NULL } }, "taken a" },
    { "made by another source", { { "a", "x", 1 } }, { { "a", "x", "file:///y", "a", 1, false, NULL } }, "describe a" },
    { "refused before", { { "a", "x", 1 } }, { { "a", "x", HERE, "a", 1, false, "feed" } }, "describe a" },
    { "all at once",
      { { "a", "y", 1 }, { "b", "x", 1 }, { "d", "x", 1 } },
      { { "d", "x", NULL, NULL, 1, false, NULL },
        { "c", "x", HERE, "c", 1, false, NULL },
        { "a", "x", HERE, "a", 1, true, NULL } },
      "change+ a, create+ b, taken d, delete c" },
};

static const char *config_of(hg_arena_t *a, unsigned workers)
{
    return hg_arena_printf(a, "{\"runtime_config\": {\"workers\": %u}}", workers);
}

static hg_git_mark_t mark_of(const there_t *t)
{
    return (hg_git_mark_t){ .source = t->source,
                            .folder = t->folder,
                            .branch = "main",
                            .commit = "0123456789abcdef",
                            .author = "Ann",
                            .subject = "s",
                            .description = "",
                            .tags = "[]",
                            .state = "applied",
                            .refused = t->refused };
}

static void test_plans(void **state)
{
    static const char *const words[] = {
        [HG_GIT_CREATE] = "create", [HG_GIT_CHANGE] = "change", [HG_GIT_DESCRIBE] = "describe",
        [HG_GIT_DELETE] = "delete", [HG_GIT_TAKEN] = "taken",   [HG_GIT_BLOCKED] = "blocked"
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(plans); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_git_want_t want[ROOM], have[ROOM];
        hg_git_mark_t marks[ROOM];
        hg_git_have_t view[ROOM];
        hg_git_step_t steps[2 * ROOM];
        hg_err_t err = HG_ERR_INIT;
        size_t n_want = 0, n_have = 0;
        for (; n_want < ROOM && plans[i].want[n_want].name; n_want++) {
            const wanted_t *w = &plans[i].want[n_want];
            assert_int_equal(hg_git_want_parse(w->name, w->program, config_of(a, w->workers), &want[n_want], &err), 0);
        }
        for (; n_have < ROOM && plans[i].have[n_have].name; n_have++) {
            const there_t *t = &plans[i].have[n_have];
            hg_git_want_t *h = &have[n_have];
            assert_int_equal(hg_git_want_parse(t->name, t->program, config_of(a, t->workers), h, &err), 0);
            marks[n_have] = mark_of(t);
            if (t->source) {
                hg_take_text(&h->def.description, hg_git_description(&marks[n_have]));
                hg_take_text(&h->def.tags, hg_git_tags(&marks[n_have]));
            }
            view[n_have] = (hg_git_have_t){ &h->def, t->source ? &marks[n_have] : NULL, !t->in_use, n_have };
        }
        size_t n = hg_git_plan(HERE, want, n_want, view, n_have, steps);
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_buf_adds(&text, "");
        for (size_t k = 0; k < n; k++)
            hg_buf_addf(&text, "%s%s%s %s", k ? ", " : "", words[steps[k].what], steps[k].program ? "+" : "",
                        steps[k].want ? steps[k].want->def.name : steps[k].have->def->name);
        if (strcmp(text.p, plans[i].plan) != 0) fail_msg("%s: '%s', not '%s'", plans[i].what, text.p, plans[i].plan);
        hg_buf_release(&text);
        for (size_t k = 0; k < n_want; k++) hg_git_want_release(&want[k]);
        for (size_t k = 0; k < n_have; k++) hg_git_want_release(&have[k]);
        hg_arena_free(a);
    }
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static void test_marks(void **state)
{
    hg_arena_t *a = hg_arena_new();
    hg_git_mark_t m = mark_of(&(there_t){ "a", "x", HERE, "a", 1, false, NULL }), r;
    (void)state;
    m.tags = "[\"x\",\"y\"]";
    m.message = "quote \" and \xc3\xa9";
    m.resume = "paused";
    m.time = -5;
    char *text = hg_git_mark_text(&m);
    assert_true(hg_git_mark_read(a, text, &r));
    char *again = hg_git_mark_text(&r);
    assert_string_equal(text, again);
    assert_string_equal(r.resume, "paused");
    assert_null(r.refused);
    assert_true(r.time == -5);
    hg_free(text);
    hg_free(again);
    static const char *const none[] = { NULL, "", "{", "[]", "{}", "{\"source\":\"x\"}" };
    for (size_t i = 0; i < HG_COUNT(none); i++) assert_false(hg_git_mark_read(a, none[i], &r));
    hg_arena_free(a);
}

static void test_what_people_see(void **state)
{
    hg_git_mark_t m = mark_of(&(there_t){ "a", "x", HERE, "a", 1, false, NULL });
    char subject[700];
    hg_buf_t tags;
    (void)state;
    char *d = hg_git_description(&m), *t = hg_git_tags(&m);
    assert_string_equal(d, "[git main 0123456789ab, Ann: s]");
    assert_string_equal(t, "[\"git:0123456789ab\"]");
    hg_free(d);
    hg_free(t);
    m.description = "Orders";
    m.tags = "[\"prod\"]";
    m.refused = "fedcba9876543210";
    m.message = "a/program.sql:1:1: no";
    d = hg_git_description(&m), t = hg_git_tags(&m);
    assert_string_equal(
        d, "Orders [git main fedcba987654 is refused: a/program.sql:1:1: no; this is 0123456789ab, Ann: s]");
    assert_string_equal(t, "[\"prod\",\"git:0123456789ab\",\"git:refused\"]");
    hg_free(d);
    hg_free(t);
    /* Never more than a description may have, and whole characters. */
    m.refused = NULL;
    for (size_t i = 0; i + 2 < sizeof subject; i += 2) memcpy(subject + i, "\xc3\xa9", 3);
    m.subject = subject;
    d = hg_git_description(&m);
    assert_int_equal(hg_utf8_chars(d, strlen(d)), HG_DESCRIPTION_MAX);
    assert_true(hg_utf8_valid(d, strlen(d)));
    assert_true(hg_check_description(hg_strz(d)).answer != HG_REFUSE);
    hg_free(d);
    /* Somebody who has used up all tags keeps them. */
    hg_buf_init(&tags, HG_BUF_NOMAX);
    for (int i = 0; i < HG_TAGS_MAX; i++) hg_buf_addf(&tags, "%s\"t%d\"", i ? "," : "[", i);
    hg_buf_addc(&tags, ']');
    m.tags = tags.p;
    t = hg_git_tags(&m);
    assert_string_equal(t, tags.p);
    hg_free(t);
    hg_buf_release(&tags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs), cmocka_unit_test(test_a_whole_config),  cmocka_unit_test(test_plans),
        cmocka_unit_test(test_marks),   cmocka_unit_test(test_what_people_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
