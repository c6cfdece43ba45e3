/* position_process.c: `headgate position DIR`: positions of a pipeline that is stopped.
 *
 * The folder belongs to whoever holds DIR's lock: this process, while it runs, so that no pipeline starts in between.
 * The question has the program and the configuration that the next start will have. A change is one record of the log
 * of events, behind the newest checkpoint and the steps in the journal: it is there or not, and the next start reads
 * it.
 */
#include "base/hg.h"
#include "base/access.h"
#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/move.h"
#include "pipeline/process.h"
#include "pipeline/replay.h"
#include <sys/stat.h>

typedef struct {
    const char *dir;
    char *storage;
    hg_arena_t *arena;
    const hg_json_t *question;
    const char *endpoint, *change; /* change NULL: only asked */
    bool wait;
    hg_program_t *program;
    hg_runtime_config_t cfg;
    hg_pipeline_t *p;
    const endpoint_t *ep;
    hg_err_t err;
} look_t;

static bool there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* --- the question --- */

static int read_question(look_t *x, hg_str_t text)
{
    hg_json_t *v;
    int rc = hg_json_parse(x->arena, text, &v, &x->err);
    if (rc < 0) return hg_err_wrap(&x->err, "the question");
    const char *change = hg_json_str(hg_json_get(v, "change"), NULL);
    x->question = v;
    x->endpoint = hg_json_str(hg_json_get(v, "endpoint"), "");
    x->change = change ? hg_position_change(change) : NULL;
    x->wait = hg_json_bool(hg_json_get(v, "wait"), false);
    if (change && !x->change) return hg_err_set(&x->err, HG_EINVAL, "the question: there is no change '%s'", change);
    if (hg_access_enter(hg_json_get(v, "access"), &x->err) < 0) return x->err.code;
    return hg_runtime_config_parse(hg_json_get(v, "runtime_config"), x->arena, &x->cfg, &x->err);
}

static int compile(look_t *x)
{
    const hg_json_t *text = hg_json_get(x->question, "program");
    hg_program_t *p = hg_compile(text && text->kind == HG_J_STRING ? text->str : HG_S(""), &(hg_compile_opts_t){ 0 });
    for (uint32_t i = 0; !p->ok && i < p->n_msgs && x->err.code == HG_OK; i++)
        if (!p->msgs[i].warning)
            hg_err_set(&x->err, HG_ECOMPILE, "the program does not compile: %u:%u: %s", p->msgs[i].pos.line,
                       p->msgs[i].pos.col, p->msgs[i].message);
    if (p->ok)
        x->program = p;
    else
        hg_program_free(p);
    return x->err.code;
}

/* --- the folder --- */

static int look(look_t *x)
{
    hg_pipeline_opts_t o = { .name = hg_json_str(hg_json_get(x->question, "name"), ""),
                             .program = x->program,
                             .config = x->cfg };
    if (there(x->storage)) o.storage_dir = x->storage; /* looking makes no folder */
    int rc = hg_pipeline_look(&o, &x->p, &x->err);
    if (rc < 0) return rc;
    x->program = NULL; /* the pipeline's */
    x->ep = hg_pipeline_find(x->p, hg_strz(x->endpoint), true);
    if (!x->ep) return hg_err_set(&x->err, HG_EUNKNOWNINPUT, "unknown input endpoint name '%s'", x->endpoint);
    return hg_position_can(x->ep->spec, x->ep->name, &x->err);
}

static uint64_t checkpoint(const look_t *x)
{
    return x->p->durable ? x->p->durable->number : 0;
}

/* Is there something that a change comes behind? Without it the tables begin empty, and a connector that began in the
 * middle would leave a hole in them. What is in the journal is done again first (replay.c: settle_word). */
static bool has_state(const look_t *x)
{
    const hg_durable_t *d = x->p->durable;
    return checkpoint(x) || (d && d->replay && hg_jreplay_wanted(d->replay));
}

static int may_change(const look_t *x, hg_err_t *err)
{
    const hg_pipeline_t *p = x->p;
    if (!has_state(x))
        return hg_err_set(err, HG_ENOSTORAGE,
                          "the pipeline has no checkpoint (fault_tolerance %s): its next start begins as configured; "
                          "start it paused and set the position then",
                          hg_ft_name(p->cfg.ft));
    if (hg_orch_marking(p->orch, x->ep->id))
        return hg_err_set(err, HG_EBUSY, "%s takes its hand-off mark at the next start; set its position after that",
                          x->ep->name);
    return 0;
}

static int check_change(look_t *x, hg_str_t *ret_position)
{
    const hg_json_t *v = hg_json_get(x->question, "position"), *checked;
    hg_buf_t text;
    hg_jw_t w;
    int rc = may_change(x, &x->err);
    *ret_position = (hg_str_t){ 0 };
    if (rc == 0 && strcmp(x->change, "rerun") == 0 && !hg_orch_finished(x->p->orch, x->ep->id))
        rc = hg_err_set(&x->err, HG_EBUSY, "%s has not reached its end of input: only what has finished runs again",
                        x->ep->name);
    if (rc < 0 || strcmp(x->change, "set") != 0) return rc;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    if (v)
        hg_jw_node(&w, v);
    else
        hg_jw_null(&w);
    rc = hg_position_check(x->ep->spec, hg_buf_str(&text), x->arena, &checked, &x->err);
    *ret_position = hg_arena_str(x->arena, hg_buf_str(&text));
    hg_buf_release(&text);
    return rc;
}

static int change(look_t *x)
{
    hg_str_t position;
    hg_buf_t text;
    hg_jw_t w;
    int rc = check_change(x, &position);
    if (rc < 0) return rc;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_event_word_text(x->p, x->ep->id, x->change, position, x->wait, &w);
    rc = hg_event_append(x->p, hg_buf_str(&text), &x->err);
    hg_buf_release(&text);
    if (rc == 0)
        hg_log(HG_LOG_INFO, "connector", x->ep->name, "position", "change=%s position=" HG_SF "%s", x->change,
               HG_SA(position.n ? position : HG_S("null")), x->wait ? " wait=true" : "");
    return rc;
}

/* --- the answer --- */

static void say(look_t *x, hg_jw_t *w)
{
    const endpoint_t *ep = x->ep;
    const hg_json_t *v = ep->saved_position;
    hg_err_t no = HG_ERR_INIT;
    hg_buf_t text;
    hg_jw_t pw;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&pw, &text);
    if (v && v->kind == HG_J_OBJECT) hg_jw_node(&pw, v);
    hg_position_say_t s = { .name = ep->name,
                            .spec = ep->spec,
                            .position = hg_buf_str(&text),
                            .origin = !text.len     ? "configuration"
                                      : ep->by_user ? "user"
                                                    : "checkpoint",
                            .obstacle = may_change(x, &no) < 0 ? no.msg : NULL,
                            .checkpoint = checkpoint(x),
                            .durable = has_state(x),
                            .change = ep->change,
                            .change_us = ep->change_us };
    hg_position_json(&s, w);
    hg_buf_release(&text);
}

static void put_answer(look_t *x, int rc, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "status", rc == 0 ? 200 : (uint64_t)hg_code_http(x->err.code));
    hg_jw_key(w, "body");
    if (rc == 0) {
        say(x, w);
    } else {
        hg_jw_obj(w);
        hg_jw_kstr(w, "message", x->err.msg);
        hg_jw_kstr(w, "error_code", hg_code_name(x->err.code));
        hg_jw_key(w, "details");
        hg_jw_obj(w);
        hg_jw_end_obj(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

int hg_position_process(const char *dir, hg_str_t question, hg_buf_t *answer)
{
    look_t x = { .dir = dir, .arena = hg_arena_new(), .err = HG_ERR_INIT };
    hg_jw_t w;
    x.storage = hg_xprintf("%s/" HG_DIR_STORAGE, dir);
    int rc = read_question(&x, question);
    if (rc == 0) rc = compile(&x);
    if (rc == 0 && there(dir)) {
        rc = hg_pipeline_lock(dir, &x.err);
        if (rc == 0) rc = hg_pipeline_open_log(dir, &x.err);
    }
    if (rc == 0) rc = look(&x);
    if (rc == 0 && x.change) rc = change(&x);
    hg_jw_init(&w, answer);
    put_answer(&x, rc, &w);
    hg_pipeline_look_free(x.p);
    if (x.program) hg_program_free(x.program);
    hg_arena_free(x.arena);
    hg_free(x.storage);
    return w.rc < 0 ? 1 : 0;
}
