/* git.c: keeps pipelines equal to the programs of a git branch.
 *
 *   look   every interval, or later after failures: a child fetches the branch, and reads it if its commit is new
 *   check  what is new in the commit compiles? All of it, before anything changes: a commit applies whole or not at all
 *   steps  the plan (git_plan.c) is made anew in each round and every step does what can be done at once; a pipeline
 *          that runs is first stopped. Rounds follow one another while steps remain, so nothing that happens in between
 *          (a user's hand, a crash of this daemon) needs a case of its own.
 *
 * A step never waits and never blocks the loop. What is kept over a restart is the mark of each pipeline.
 */
#include "base/hg.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/edit_int.h"
#include "manager/git_int.h"

#define PACE_MS        200
#define BACKOFF_MAX_MS ((uint64_t)600000)

static void look(hg_git_sync_t *g);
static void round_of_steps(hg_git_sync_t *g);

/* --- wants -------------------------------------------------------------------------------------------------------- */

static void wants_release(hg_git_wants_t *w)
{
    for (size_t i = 0; i < w->n; i++) hg_git_want_release(&w->v[i]);
    hg_free(w->v);
    hg_free(w->author);
    hg_free(w->subject);
    hg_free(w->branch);
    *w = (hg_git_wants_t){ .v = NULL };
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const hg_git_want_t *)a)->def.name, ((const hg_git_want_t *)b)->def.name);
}

/* --- what there is ------------------------------------------------------------------------------------------------ */

typedef struct view {
    hg_arena_t *a;
    hg_git_have_t *have;
    hg_git_mark_t *marks;
    hg_git_step_t *steps;
    size_t n_have, n_steps;
} view_t;

static view_t view_of(const hg_git_sync_t *g, const hg_git_wants_t *w)
{
    const hg_mg_t *mg = g->mg;
    view_t v = { .a = hg_arena_new(), .n_have = mg->n_pls };
    v.have = HG_ANEWN(v.a, hg_git_have_t, mg->n_pls + 1);
    v.marks = HG_ANEWN(v.a, hg_git_mark_t, mg->n_pls + 1);
    v.steps = HG_ANEWN(v.a, hg_git_step_t, mg->n_pls + w->n + 1);
    for (size_t i = 0; i < mg->n_pls; i++) {
        const hg_pl_t *pl = mg->pls[i];
        bool marked = hg_git_mark_read(v.a, pl->git, &v.marks[i]);
        v.have[i] = (hg_git_have_t){ &pl->def, marked ? &v.marks[i] : NULL, pl->lc.storage == HG_STORAGE_CLEARED, i };
    }
    v.n_steps = hg_git_plan(g->source, w->v, w->n, v.have, v.n_have, v.steps);
    return v;
}

/* The pipeline's mark becomes m, and with it what people see. False: it cannot be stored. */
static bool put_mark(hg_git_sync_t *g, hg_pl_t *pl, const hg_git_mark_t *m)
{
    hg_pldef_t def;
    char *before = pl->git;
    pl->git = hg_git_mark_text(m);
    hg_edit_copy(&def, &pl->def);
    hg_take_text(&def.description, hg_git_description(m));
    hg_take_text(&def.tags, hg_git_tags(m));
    hg_verdict_t v = hg_edit_change(g->mg, pl, &def, HG_PLATFORM_KEEP);
    hg_pldef_release(&def);
    if (v.answer == HG_REFUSE) {
        hg_take_text(&pl->git, before);
        return false;
    }
    if (v.answer == HG_NOOP) hg_mg_save(g->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    hg_free(before);
    return true;
}

/* The same with another state and message; nothing if it has them. */
static void put_state(hg_git_sync_t *g, hg_pl_t *pl, const hg_git_mark_t *m, const char *state, const char *message)
{
    hg_git_mark_t next = *m;
    bool same =
        m->state && !strcmp(m->state, state) && (m->message ? message && !strcmp(m->message, message) : !message);
    if (same) return;
    next.state = state;
    next.message = message;
    put_mark(g, pl, &next);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static hg_git_mark_t new_mark(const hg_git_sync_t *g, const hg_git_want_t *w)
{
    return (hg_git_mark_t){ .source = g->source,
                            .folder = w->def.name,
                            .branch = g->now.branch,
                            .commit = g->now.commit,
                            .author = g->now.author,
                            .subject = g->now.subject,
                            .time = g->now.time,
                            .description = w->def.description,
                            .tags = w->def.tags,
                            .state = "applied" };
}

static void start(hg_git_sync_t *g, hg_pl_t *pl, hg_rt_t initial)
{
    /* Who pushed the commit has approved it. */
    const hg_start_args_t a = { .initial = initial, .policy = HG_POLICY_ALLOW, .dismiss_error = true };
    hg_verdict_t v = hg_edit_start(g->mg, pl, &a);
    if (v.answer == HG_REFUSE)
        hg_log(HG_LOG_WARN, "git", pl->def.name, "not_started", "why=\"%s\"", v.msg);
    else
        hg_runner_kick(g->mg, pl);
}

static void tell(const hg_git_sync_t *g, const hg_pl_t *pl, const char *what)
{
    hg_log(HG_LOG_INFO, "git", pl->def.name, what, "commit=%.12s author=\"%s\" subject=\"%s\"", g->now.commit,
           g->now.author, g->now.subject);
    hg_deploy_log(g->mg, pl, "git: %s by commit %.12s of %s: %.200s", what, g->now.commit, g->now.author,
                  g->now.subject);
}

static hg_pldef_t definition(const hg_git_want_t *w, const hg_git_mark_t *m)
{
    hg_pldef_t def;
    hg_edit_copy(&def, &w->def);
    hg_take_text(&def.description, hg_git_description(m));
    hg_take_text(&def.tags, hg_git_tags(m));
    return def;
}

static bool create(hg_git_sync_t *g, const hg_git_want_t *w)
{
    hg_git_mark_t m = new_mark(g, w);
    hg_pldef_t def = definition(w, &m);
    hg_pl_t *pl = NULL;
    hg_verdict_t v = hg_edit_create(g->mg, &def, hg_git_mark_text(&m), &pl);
    hg_pldef_release(&def);
    if (v.answer == HG_REFUSE) {
        hg_log(HG_LOG_ERROR, "git", w->def.name, "not_created", "why=\"%s\"", v.msg);
        return false;
    }
    tell(g, pl, "created");
    hg_compile_pipeline(g->mg, pl);
    if (w->start != HG_RT_NONE) start(g, pl, w->start);
    return true;
}

/* It runs: stop it, and remember how it ran. */
static void stop_for_change(hg_git_sync_t *g, hg_pl_t *pl, const hg_git_mark_t *m)
{
    hg_stop_t how = hg_lc_stop(&pl->lc, false);
    if (how == HG_STOP_NOTHING) return; /* it is stopping already */
    hg_git_mark_t next = *m;
    bool paused = (pl->lc.rt_desired == HG_RT_NONE ? pl->lc.initial : pl->lc.rt_desired) == HG_RT_PAUSED;
    next.resume = paused ? "paused" : "running";
    next.state = "stopping";
    next.message = "it is stopped to be changed";
    if (!put_mark(g, pl, &next)) return;
    hg_deploy_log(g->mg, pl, "git: stopping for commit %.12s", g->now.commit);
    hg_runner_stop(g->mg, pl, how);
}

static bool change(hg_git_sync_t *g, hg_pl_t *pl, const hg_git_want_t *w, const hg_git_mark_t *old)
{
    if (!hg_lc_fully_stopped(&pl->lc) || pl->run) {
        stop_for_change(g, pl, old);
        return true;
    }
    hg_git_mark_t m = new_mark(g, w);
    hg_pldef_t def = definition(w, &m);
    char *before = pl->git;
    pl->git = hg_git_mark_text(&m);
    hg_rt_t resume = !old->resume ? HG_RT_NONE : !strcmp(old->resume, "paused") ? HG_RT_PAUSED : HG_RT_RUNNING;
    hg_verdict_t v = hg_edit_change(g->mg, pl, &def, HG_PLATFORM_WITH_PROGRAM);
    hg_pldef_release(&def);
    if (v.answer == HG_REFUSE) {
        hg_take_text(&pl->git, before);
        hg_log(HG_LOG_ERROR, "git", w->def.name, "not_changed", "why=\"%s\"", v.msg);
        return false;
    }
    tell(g, pl, "changed");
    if (pl->lc.prog == HG_PROG_PENDING) hg_compile_pipeline(g->mg, pl);
    if (resume != HG_RT_NONE) start(g, pl, resume); /* `old` is a copy of what `before` says */
    hg_free(before);
    return true;
}

/* True: it has to come to its stop first. */
static bool describe(hg_git_sync_t *g, hg_pl_t *pl, const hg_git_want_t *w, const hg_git_mark_t *old)
{
    bool stopped = hg_lc_fully_stopped(&pl->lc) && !pl->run;
    if (old->resume && !stopped && hg_lc_stop(&pl->lc, false) == HG_STOP_NOTHING) return true;
    hg_git_mark_t m = *old;
    bool other = strcmp(old->source, g->source) != 0;
    if (other) m = new_mark(g, w);
    m.description = w->def.description;
    m.tags = w->def.tags;
    m.state = "applied";
    m.message = m.refused = m.resume = NULL;
    bool stored = put_mark(g, pl, &m);
    /* The change that it was stopped for is not wanted any more. */
    if (stored && old->resume && stopped) start(g, pl, !strcmp(old->resume, "paused") ? HG_RT_PAUSED : HG_RT_RUNNING);
    return false;
}

static bool delete (hg_git_sync_t *g, hg_pl_t *pl)
{
    if (!hg_lc_fully_stopped(&pl->lc) || pl->run) {
        hg_stop_t how = hg_lc_stop(&pl->lc, true);
        if (how != HG_STOP_NOTHING) hg_runner_stop(g->mg, pl, how);
        return true;
    }
    hg_verdict_t v = hg_lc_clear(&pl->lc);
    if (v.answer == HG_DO_IT) hg_files_clear(g->mg, pl);
    if (pl->lc.storage != HG_STORAGE_CLEARED) return true;
    hg_log(HG_LOG_INFO, "git", pl->def.name, "deleted", "commit=%.12s author=\"%s\"", g->now.commit, g->now.author);
    v = hg_edit_delete(g->mg, pl);
    if (v.answer == HG_REFUSE) hg_log(HG_LOG_ERROR, "git", pl->def.name, "not_deleted", "why=\"%s\"", v.msg);
    return v.answer != HG_REFUSE;
}

static void taken(hg_git_sync_t *g, const char *name)
{
    for (size_t i = 0; i < g->n_taken; i++)
        if (!strcmp(g->taken[i], name)) return;
    g->taken = hg_xgrow(g->taken, (g->n_taken + 1) * sizeof *g->taken);
    g->taken[g->n_taken++] = hg_xstrdup(name);
    hg_log(HG_LOG_WARN, "git", name, "name_taken",
           "why=\"a pipeline of this name exists that git did not make; it is left as it is\" folder=\"%s%s%s\"",
           g->src.path, *g->src.path ? "/" : "", name);
}

/* True: something remains to be done soon. */
static bool take_step(hg_git_sync_t *g, const hg_git_step_t *s, hg_pl_t *pl)
{
    switch (s->what) {
    case HG_GIT_CREATE:
        return create(g, s->want) && false;
    case HG_GIT_CHANGE:
        return change(g, pl, s->want, s->have->mark);
    case HG_GIT_DESCRIBE:
        if (s->have->mark->refused && !strcmp(s->have->mark->refused, g->refused)) return false; /* it still is */
        return describe(g, pl, s->want, s->have->mark);
    case HG_GIT_DELETE:
        return delete (g, pl) && !pl->gone;
    case HG_GIT_TAKEN:
        taken(g, s->want->def.name);
        return false;
    case HG_GIT_BLOCKED:
        put_state(g, pl, s->have->mark, "blocked",
                  "the new runtime_config needs an empty storage: stop and clear the pipeline, it is changed then");
        return false;
    }
    return false;
}

static void on_pace(uv_timer_t *t)
{
    round_of_steps(t->data);
}

static void round_of_steps(hg_git_sync_t *g)
{
    if (!g->now.commit[0] || g->mg->closing) return;
    view_t v = view_of(g, &g->now);
    hg_pl_t **pls = HG_ANEWN(v.a, hg_pl_t *, v.n_have + 1);
    for (size_t i = 0; i < v.n_have; i++) pls[i] = hg_pl_retain(g->mg->pls[i]);
    bool more = false;
    for (size_t i = 0; i < v.n_steps; i++)
        more |= take_step(g, &v.steps[i], v.steps[i].have ? pls[v.steps[i].have->tag] : NULL);
    for (size_t i = 0; i < v.n_have; i++) hg_pl_drop(pls[i]);
    hg_arena_free(v.a);
    if (!strcmp(g->state, "applying") || !strcmp(g->state, "ok")) g->state = more ? "applying" : "ok";
    if (more) uv_timer_start(&g->pace, on_pace, PACE_MS, 0);
}

/* --- check -------------------------------------------------------------------------------------------------------- */

/* The commit of `next` is not applied. folder: the pipeline it is about, NULL = none; at: path, with line and column.
 */
static void refuse(hg_git_sync_t *g, const char *folder, const char *at, const char *why)
{
    hg_git_wants_t *n = &g->next;
    memcpy(g->refused, n->commit, sizeof g->refused);
    hg_set_text(&g->refused_author, n->author);
    hg_set_text(&g->refused_subject, n->subject);
    hg_set_text(&g->refused_at, at);
    hg_set_text(&g->refused_why, why);
    g->state = "refused";
    hg_log(HG_LOG_WARN, "git", folder, "commit_refused", "commit=%.12s author=\"%s\" at=%s why=\"%s\"", n->commit,
           n->author, at, why);
    hg_pl_t *pl = folder ? hg_mg_find(g->mg, hg_strz(folder)) : NULL;
    hg_arena_t *a = hg_arena_new();
    hg_git_mark_t m;
    if (pl && hg_git_mark_read(a, pl->git, &m) && !strcmp(m.folder, pl->def.name)) {
        m.state = "refused";
        m.refused = g->refused;
        m.message = hg_arena_printf(a, "%s: %s", at, why);
        put_mark(g, pl, &m);
        hg_deploy_log(g->mg, pl, "git: commit %.12s of %s is refused: %.300s", g->refused, n->author, m.message);
    }
    hg_arena_free(a);
    wants_release(n);
}

static void adopt(hg_git_sync_t *g)
{
    wants_release(&g->now);
    g->now = g->next;
    g->next = (hg_git_wants_t){ .v = NULL };
    g->refused[0] = 0;
    g->state = "applying";
    for (size_t i = 0; i < g->n_taken; i++) hg_free(g->taken[i]);
    g->n_taken = 0;
    round_of_steps(g);
}

static const char *prefix(const hg_git_sync_t *g)
{
    return *g->src.path ? g->src.path : "";
}

static char *place(const hg_git_sync_t *g, const char *folder, const char *file, uint64_t line, uint64_t col)
{
    const char *slash = *prefix(g) ? "/" : "", *s = *file ? "/" : "";
    if (!line) return hg_xprintf("%s%s%s%s%s", prefix(g), slash, folder, s, file);
    return hg_xprintf("%s%s%s%s%s:%" PRIu64 ":%" PRIu64, prefix(g), slash, folder, s, file, line, col);
}

static void check_on(hg_git_sync_t *g);

/* The place stands before it already. */
static const char *without_place(const char *message)
{
    bool placed = !strncmp(message, "At line ", 8) || !strncmp(message, "From line ", 10);
    const char *colon = placed ? strstr(message, ": ") : NULL;
    return colon ? colon + 2 : message;
}

static void checked(void *arg, const hg_compiled_t *res)
{
    hg_git_sync_t *g = arg;
    g->check = NULL;
    if (g->mg->closing) return;
    if (res->ok) {
        g->checking++;
        check_on(g);
        return;
    }
    hg_arena_t *a = hg_arena_new();
    const char *folder = hg_arena_printf(a, "%s", g->next.v[g->checking].def.name), *why = res->system_error;
    uint64_t line = 0, col = 0;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (!why && hg_json_parse(a, hg_strz(res->messages), &v, &err) == 0) {
        const hg_json_t *list = hg_json_get(v, "messages");
        for (const hg_json_t *m = list ? list->child : NULL; m && !why; m = m->next) {
            if (hg_json_bool(hg_json_get(m, "warning"), false)) continue;
            why = hg_json_str(hg_json_get(m, "message"), NULL);
            if (!hg_json_get(m, "start_line_number") || hg_json_u64(hg_json_get(m, "start_line_number"), &line) < 0 ||
                !hg_json_get(m, "start_column") || hg_json_u64(hg_json_get(m, "start_column"), &col) < 0)
                line = 0;
        }
    }
    if (res->system_error) {
        /* Not the commit's fault: it is read again at the next look. */
        g->seen[0] = 0;
        g->state = "ok";
        hg_set_text(&g->error, why);
        hg_log(HG_LOG_ERROR, "git", folder, "not_compiled", "why=\"%s\"", why);
        wants_release(&g->next);
    } else {
        char *at = place(g, folder, "program.sql", line, col);
        refuse(g, folder, at, why ? without_place(why) : "the program does not compile");
        hg_free(at);
    }
    hg_arena_free(a);
}

/* Compiles what is not known to compile, one program after the other. */
static void check_on(hg_git_sync_t *g)
{
    view_t v = view_of(g, &g->next);
    bool found = false;
    for (; g->checking < g->next.n && !found; g->checking += !found)
        for (size_t i = 0; i < v.n_steps && !found; i++)
            found = v.steps[i].want == &g->next.v[g->checking] && v.steps[i].program;
    hg_arena_free(v.a);
    if (found) {
        const hg_pldef_t *def = &g->next.v[g->checking].def;
        g->check = hg_manager_compile(g->mg, def->program_code, def->udf_rust, def->udf_toml, NULL, checked, g);
    } else {
        adopt(g);
    }
}

/* --- look --------------------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

static void look_later(hg_git_sync_t *g)
{
    uint64_t wait = g->interval_ms;
    for (unsigned i = 1; i < g->failures && wait < BACKOFF_MAX_MS; i++) wait *= 2;
    if (g->failures) wait = HG_MIN(wait, HG_MAX(BACKOFF_MAX_MS, g->interval_ms));
    g->next_us = hg_now_us() + (int64_t)wait * 1000;
    uv_timer_start(&g->timer, on_timer, wait, 0);
}

static void look_failed(hg_git_sync_t *g, const char *why)
{
    bool told = g->error && !strcmp(g->error, why);
    g->failures++;
    hg_set_text(&g->error, why);
    if (strcmp(g->state, "refused") != 0) g->state = "unreachable";
    look_later(g);
    if (!told)
        hg_log(HG_LOG_WARN, "git", NULL, "not_read", "source=\"%s\" why=\"%s\" next_in_s=%" PRIu64, g->source, why,
               (uint64_t)(g->next_us - hg_now_us()) / 1000000);
}

/* A file or folder that makes the commit unfit: whose pipeline is it? */
static void unfit(hg_git_sync_t *g, const hg_json_t *p)
{
    const char *path = hg_json_str(hg_json_get(p, "path"), "");
    size_t skip = strlen(prefix(g));
    const char *folder = path + skip + (skip ? 1 : 0);
    char *name = hg_xstrndup(folder, strcspn(folder, "/"));
    refuse(g, name, path, hg_json_str(hg_json_get(p, "message"), ""));
    hg_free(name);
}

static void take_commit(hg_git_sync_t *g, const hg_json_t *v)
{
    const hg_json_t *list = hg_json_get(v, "pipelines"), *problems = hg_json_get(v, "problems"),
                    *notes = hg_json_get(v, "notes"), *c = hg_json_get(v, "commit");
    hg_git_wants_t *n = &g->next;
    hg_err_t err = HG_ERR_INIT;
    snprintf(n->commit, sizeof n->commit, "%s", hg_json_str(hg_json_get(c, "id"), ""));
    memcpy(g->seen, n->commit, sizeof g->seen);
    n->author = hg_xstrdup(hg_json_str(hg_json_get(c, "author"), ""));
    n->subject = hg_xstrdup(hg_json_str(hg_json_get(c, "subject"), ""));
    n->branch = hg_xstrdup(hg_json_str(hg_json_get(v, "branch"), ""));
    if (hg_json_get(c, "time")) hg_json_i64(hg_json_get(c, "time"), &n->time);
    for (const hg_json_t *p = notes ? notes->child : NULL; p; p = p->next)
        hg_log(HG_LOG_WARN, "git", NULL, "passed_over", "path=\"%s\" why=\"%s\"",
               hg_json_str(hg_json_get(p, "path"), ""), hg_json_str(hg_json_get(p, "message"), ""));
    if (problems && problems->child) {
        unfit(g, problems->child);
        return;
    }
    n->v = HG_NEWN(hg_git_want_t, (list ? list->n : 0) + 1);
    for (const hg_json_t *p = list ? list->child : NULL; p; p = p->next) {
        const char *folder = hg_json_str(hg_json_get(p, "name"), "");
        if (hg_git_want_parse(folder, hg_json_str(hg_json_get(p, "program"), ""),
                              hg_json_str(hg_json_get(p, "config"), NULL), &n->v[n->n], &err) == 0) {
            n->n++;
            continue;
        }
        char *name = hg_xstrdup(folder);
        char *at = place(g, folder, err.pos.line ? "config.json" : "", err.pos.line, err.pos.col);
        refuse(g, name, at, err.msg);
        hg_free(at);
        hg_free(name);
        return;
    }
    qsort(n->v, n->n, sizeof *n->v, by_name);
    g->checking = 0;
    g->state = "checking";
    check_on(g);
}

static void looked(void *arg, hg_str_t answer, const char *why)
{
    hg_git_sync_t *g = arg;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    g->look = NULL;
    g->looked_us = hg_now_us();
    if (g->mg->closing) {
        hg_arena_free(a);
        return;
    }
    if (!why && hg_json_parse(a, answer, &v, &err) < 0) why = "headgate git gave no answer that can be read";
    if (!why) why = hg_json_str(hg_json_get(v, "error"), NULL);
    if (why) {
        look_failed(g, why);
    } else {
        if (g->failures) hg_log(HG_LOG_WARN, "git", NULL, "read_again", "source=\"%s\"", g->source);
        g->failures = 0;
        hg_set_text(&g->error, NULL);
        if (!strcmp(g->state, "unreachable") || !strcmp(g->state, "starting")) g->state = "ok";
        look_later(g);
        if (hg_json_get(v, "pipelines"))
            take_commit(g, v);
        else if (!g->check)
            round_of_steps(g); /* pipelines may have changed under other hands */
    }
    hg_arena_free(a);
}

static void look(hg_git_sync_t *g)
{
    hg_buf_t b;
    hg_jw_t w;
    if (g->look || g->check) { /* a check that takes so long comes first */
        look_later(g);
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "dir", g->mirror);
    hg_jw_kstr(&w, "url", g->src.url);
    hg_jw_kstr(&w, "ref", g->src.ref);
    hg_jw_kstr(&w, "path", g->src.path);
    hg_jw_kstr(&w, "known", g->seen);
    hg_jw_kstr(&w, "ssh_key", g->auth.ssh_key);
    hg_jw_kstr(&w, "token_file", g->auth.token_file);
    hg_jw_end_obj(&w);
    g->look = hg_child_run_aside(g->mg, "headgate git", "git", &b, looked, g);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static const char *kept(hg_git_sync_t *g, const char *text)
{
    return text ? hg_arena_strndup(g->a, text, strlen(text)) : NULL;
}

int hg_git_sync_start(hg_mg_t *mg, const hg_git_follow_t *f, hg_err_t *err)
{
    const char *files[] = { f->auth.ssh_key, f->auth.token_file };
    for (size_t i = 0; i < HG_COUNT(files); i++)
        if (files[i] && access(files[i], R_OK) < 0) return hg_err_errno(err, errno, "cannot read '%s'", files[i]);
    hg_git_sync_t *g = HG_NEW(hg_git_sync_t);
    g->mg = mg;
    g->a = hg_arena_new();
    g->src = (hg_git_source_t){ kept(g, f->src.url), kept(g, f->src.ref), kept(g, f->src.path) };
    g->auth = (hg_git_auth_t){ kept(g, f->auth.ssh_key), kept(g, f->auth.token_file) };
    g->source = hg_xprintf("%s%s%s%s%s", g->src.url, g->src.ref ? "#" : "", g->src.ref ? g->src.ref : "",
                           *g->src.path ? ":" : "", g->src.path);
    g->interval_ms = f->interval_ms;
    g->mirror = hg_xprintf("%s/git", mg->dir);
    g->state = "starting";
    uv_timer_init(mg->uv, &g->timer);
    uv_timer_init(mg->uv, &g->pace);
    g->timer.data = g->pace.data = g;
    mg->git = g;
    look(g);
    return 0;
}

void hg_git_sync_close(hg_mg_t *mg)
{
    if (!mg->git) return;
    uv_close((uv_handle_t *)&mg->git->timer, NULL);
    uv_close((uv_handle_t *)&mg->git->pace, NULL);
}

void hg_git_sync_free(hg_mg_t *mg)
{
    hg_git_sync_t *g = mg->git;
    if (!g) return;
    char *texts[] = { g->source,          g->mirror,     g->error,      g->refused_author,
                      g->refused_subject, g->refused_at, g->refused_why };
    wants_release(&g->now);
    wants_release(&g->next);
    for (size_t i = 0; i < g->n_taken; i++) hg_free(g->taken[i]);
    hg_free(g->taken);
    for (size_t i = 0; i < HG_COUNT(texts); i++) hg_free(texts[i]);
    hg_arena_free(g->a);
    hg_free(g);
    mg->git = NULL;
}
