/* git_int.h: programs from git (docs/git.md).
 *
 * A folder with a program.sql in the followed branch is wanted as a pipeline of that name. git_want.c reads folders
 * into definitions, git_plan.c compares them with the pipelines there are; both are pure. git.c asks a child for the
 * newest commit, has its programs compiled, and then takes the steps of the plan until there are none; git_api.c tells
 * how it stands. What git has to do with a pipeline, its mark, is stored with the pipeline. Control loop.
 */
#ifndef HG_MANAGER_GIT_INT_H
#define HG_MANAGER_GIT_INT_H

#include "git/git.h"
#include "manager/manager_int.h"

/* --- git_want.c --------------------------------------------------------------------------------------------------- */

typedef struct hg_git_want {
    hg_pldef_t def; /* complete; description and tags as config.json has them */
    hg_rt_t start;  /* once it is created: HG_RT_RUNNING, HG_RT_PAUSED or HG_RT_NONE */
} hg_git_want_t;

/* folder: the name. config: text of config.json or NULL. HG_EINVAL: err->msg says what, err->pos.line and col where in
 * config.json, line 0: it is the name. */
int hg_git_want_parse(const char *folder, const char *program, const char *config, hg_git_want_t *ret, hg_err_t *err);
void hg_git_want_release(hg_git_want_t *w);

/* --- marks -------------------------------------------------------------------------------------------------------- */

/* Of a pipeline that git made. Texts are borrowed. */
typedef struct hg_git_mark {
    const char *source; /* "URL#branch:path" */
    const char *folder; /* the pipeline's name as git gave it: one that was renamed since is a user's */
    const char *branch, *commit, *author, *subject; /* of the last change that was applied */
    int64_t time;                                   /* of the commit, seconds since 1970 */
    const char *description;                        /* of config.json */
    const char *tags;                               /* JSON, of config.json */
    const char *state;                              /* "applied", "stopping", "blocked", "refused" */
    const char *message;                            /* why; NULL */
    const char *refused;                            /* commit that is refused for this pipeline; NULL */
    const char *resume; /* "running" or "paused": after the change it is stopped for; NULL */
} hg_git_mark_t;

/* text: hg_pl_t.git. False: NULL, or nothing that can be read. */
bool hg_git_mark_read(hg_arena_t *a, const char *text, hg_git_mark_t *ret);
char *hg_git_mark_text(const hg_git_mark_t *m); /* caller frees */

/* What people see of it on the pipeline: its description with the commit behind it, at most HG_DESCRIPTION_MAX
 * characters; its tags with "git:<commit>". Caller frees. */
char *hg_git_description(const hg_git_mark_t *m);
char *hg_git_tags(const hg_git_mark_t *m);

/* --- git_plan.c --------------------------------------------------------------------------------------------------- */

typedef struct hg_git_have {
    const hg_pldef_t *def;
    const hg_git_mark_t *mark; /* NULL: not made by git */
    bool cleared;              /* its storage is empty */
    size_t tag;                /* the caller's */
} hg_git_have_t;

typedef enum {
    HG_GIT_CREATE,
    HG_GIT_CHANGE,   /* program or configuration: it has to be stopped */
    HG_GIT_DESCRIBE, /* description, tags, or the mark alone */
    HG_GIT_DELETE,   /* git made it, from this source, and it is gone from there */
    HG_GIT_TAKEN,    /* somebody else's pipeline has the name: nothing is done */
    HG_GIT_BLOCKED,  /* as HG_GIT_CHANGE, but what changes may not while its storage is in use */
} hg_git_do_t;

typedef struct hg_git_step {
    hg_git_do_t what;
    const hg_git_want_t *want; /* NULL: HG_GIT_DELETE */
    const hg_git_have_t *have; /* NULL: HG_GIT_CREATE */
    bool program;              /* its program is new or another one: compile it first */
} hg_git_step_t;

/* What makes the pipelines equal to the wanted ones; pipelines that are so already have no step. want: by name,
 * ascending, no name twice. out: room for n_want + n_have. Returns how many. */
size_t hg_git_plan(const char *source, const hg_git_want_t *want, size_t n_want, const hg_git_have_t *have,
                   size_t n_have, hg_git_step_t *out);

/* --- git.c -------------------------------------------------------------------------------------------------------- */

typedef struct hg_git_wants {
    hg_git_want_t *v;
    size_t n;
    char commit[HG_GIT_ID];
    char *author, *subject, *branch;
    int64_t time;
} hg_git_wants_t;

typedef struct hg_git_sync {
    hg_mg_t *mg;
    hg_arena_t *a; /* of what is configured */
    hg_git_source_t src;
    char *source; /* "URL#branch:path" */
    hg_git_auth_t auth;
    uint64_t interval_ms;
    char *mirror; /* folder */

    uv_timer_t timer, pace; /* the next look; the next round of steps */
    hg_job_t *look, *check;
    hg_git_wants_t now;  /* what pipelines are kept equal to; n and commit empty: nothing yet */
    hg_git_wants_t next; /* being checked */
    size_t checking;     /* index in next */
    char seen[HG_GIT_ID];
    const char *state; /* "starting", "checking", "applying", "ok", "refused", "unreachable" */
    unsigned failures; /* looks in a row */
    int64_t looked_us, next_us;
    char *error;                                                       /* of the last look; NULL */
    char refused[HG_GIT_ID];                                           /* commit; "" = none */
    char *refused_author, *refused_subject, *refused_at, *refused_why; /* at: "orders/program.sql:3:5" */
    char **taken; /* names that somebody else's pipelines have: told once */
    size_t n_taken;
} hg_git_sync_t;

/* From here on it works by itself. HG_EINVAL, HG_EIO: the source or a file cannot be used as it is written. */
int hg_git_sync_start(hg_mg_t *mg, const hg_git_follow_t *f, hg_err_t *err);
void hg_git_sync_close(hg_mg_t *mg); /* no more looks; its handles close */
void hg_git_sync_free(hg_mg_t *mg);  /* after the loop */

#endif
