/* git_api.c: GET /v0/git: which repository is followed, and how it stands. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/git_int.h"

static void put_commit(hg_jw_t *w, const char *key, const char *id, const char *author, const char *subject)
{
    hg_jw_key(w, key);
    if (!*id) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    hg_jw_kstr(w, "id", id);
    hg_jw_kstr(w, "author", author);
    hg_jw_kstr(w, "subject", subject);
    hg_jw_end_obj(w);
}

static void put_pipeline(hg_jw_t *w, const hg_pl_t *pl, const hg_git_mark_t *m)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", pl->def.name);
    hg_jw_kstr(w, "state", m->state);
    put_commit(w, "commit", m->commit, m->author, m->subject);
    hg_jw_kstr(w, "message", m->message);
    hg_jw_end_obj(w);
}

static void put_pipelines(const hg_mg_t *mg, const hg_git_sync_t *g, hg_jw_t *w)
{
    hg_jw_key(w, "pipelines");
    hg_jw_arr(w);
    for (size_t i = 0; i < mg->n_pls; i++) {
        hg_arena_t *a = hg_arena_new();
        hg_git_mark_t m;
        if (hg_git_mark_read(a, mg->pls[i]->git, &m) && !strcmp(m.folder, mg->pls[i]->def.name))
            put_pipeline(w, mg->pls[i], &m);
        hg_arena_free(a);
    }
    for (size_t i = 0; i < g->n_taken; i++) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "name", g->taken[i]);
        hg_jw_kstr(w, "state", "taken");
        hg_jw_knull(w, "commit");
        hg_jw_kstr(w, "message", "a pipeline of this name exists that git did not make; it is left as it is");
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static void get(hg_call_t *c)
{
    const hg_git_sync_t *g = c->mg->git;
    hg_buf_t b;
    hg_jw_t w;
    if (!g) {
        hg_reply_error(c->r, 404, "NotFound", NULL, "This daemon follows no repository: headgate serve --git URL");
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "source", g->source);
    hg_jw_ku64(&w, "interval_msecs", g->interval_ms);
    hg_jw_kstr(&w, "state", g->state);
    put_commit(&w, "commit", g->now.commit, g->now.author, g->now.subject);
    hg_jw_ktime(&w, "looked_at", g->looked_us);
    hg_jw_ktime(&w, "next_look_at", g->next_us);
    hg_jw_ku64(&w, "failures", g->failures);
    hg_jw_kstr(&w, "error", g->error);
    hg_jw_key(&w, "refused");
    if (g->refused[0]) {
        hg_jw_obj(&w);
        put_commit(&w, "commit", g->refused, g->refused_author, g->refused_subject);
        hg_jw_kstr(&w, "at", g->refused_at);
        hg_jw_kstr(&w, "message", g->refused_why);
        hg_jw_end_obj(&w);
    } else {
        hg_jw_null(&w);
    }
    put_pipelines(c->mg, g, &w);
    hg_jw_end_obj(&w);
    hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

const hg_route_t hg_git_routes[] = {
    { "GET", "v0/git", 0, get, NULL, "The branch that pipelines follow: its commit, what was refused, its pipelines" },
    { .method = NULL },
};
