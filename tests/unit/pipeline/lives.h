/* lives.h: pipelines that die and are resumed. Each incarnation is a process of its own, so that it can end by SIGKILL;
 * what is checked in one is checked with MUST, and ends it with a line on standard error.
 */
#ifndef HG_TEST_PIPELINE_LIVES_H
#define HG_TEST_PIPELINE_LIVES_H

#include "tests/unit/pipeline/kit.h"
#include "base/fault.h"
#include <signal.h>
#include <sys/wait.h>

#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                    \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

typedef struct {
    rig_t *r;
    const char *name;
    bool start;
    int rc;
} word_t;

/* A kill may come before a restart would know of the word. */
static inline void word_said(void *arg, const hg_err_t *err)
{
    (void)arg;
    (void)err;
}

static inline void say_word(void *arg)
{
    word_t *w = arg;
    hg_err_t err = HG_ERR_INIT;
    w->rc = hg_pipeline_connector(w->r->p, hg_strz(w->name), true, w->start, word_said, NULL, &err);
}

static inline void word(rig_t *r, const char *name, bool start)
{
    word_t w = { r, name, start, HG_EREPLAY };
    for (int i = 0; w.rc == HG_EREPLAY; i++) { /* the journal comes first */
        MUST(i < 200000);
        hg_loop_call(r->control, say_word, &w);
        if (w.rc == HG_EREPLAY) nap();
    }
    MUST(w.rc == 0);
}

static inline void run_on_loop(void *arg)
{
    word_t *w = arg;
    hg_pipeline_run(w->r->p, w->start);
}

static inline void run_or_pause(rig_t *r, bool run)
{
    word_t w = { .r = r, .start = run };
    hg_loop_call(r->control, run_on_loop, &w);
}

static inline void ask_checkpoint(void *arg)
{
    uint64_t number;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_pipeline_checkpoint(((rig_t *)arg)->p, &number, &err);
    MUST(rc == 0 || rc == HG_EREPLAY);
}

/* A pipeline on what is in dir: its socket, and dir/storage. */
static inline void life_up(rig_t *r, const char *dir, const char *sql, const char *config)
{
    static char storage[128];
    rig_init_at(r, dir);
    unlink(r->sock);
    snprintf(storage, sizeof storage, "%s/storage", dir);
    r->storage = storage;
    r->config = config;
    r->running = true;
    r->program = hg_compile(hg_strz(sql), &(hg_compile_opts_t){ 0 });
    for (uint32_t i = 0; i < r->program->n_msgs; i++) {
        if (!r->program->msgs[i].warning) fprintf(stderr, "%s\n", r->program->msgs[i].message);
        MUST(r->program->msgs[i].warning);
    }
    r->control = hg_loop_new("control");
    hg_loop_start(r->control);
    hg_loop_call(r->control, rig_make, r);
    if (r->rc < 0) fprintf(stderr, "%s\n", r->err.msg);
    MUST(r->rc == 0);
}

/* A graceful end. */
static inline void life_stop(rig_t *r, bool drain)
{
    hg_loop_post(r->control, drain ? rig_stop_soft : rig_stop_hard, r);
    rig_end(r);
    MUST(r->ended.code == 0);
}

static inline uint64_t processed(rig_t *r)
{
    hg_pipeline_totals_t t;
    hg_pipeline_totals(r->p, &t);
    return t.processed_records;
}

static inline void query(rig_t *r, const char *sql, const char *want)
{
    char path[512];
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    snprintf(path, sizeof path, "query?format=json&sql=%s", sql);
    int status = http(r, "GET", path, NULL, &b);
    if (status != 200 || strcmp(b.p, want) != 0) fprintf(stderr, "%s: %d, %s, want %s", sql, status, b.p, want);
    MUST(status == 200 && strcmp(b.p, want) == 0);
    hg_buf_release(&b);
}

/* 0: fn came to its end, or died by SIGKILL as it was meant to. The caller must have no threads. */
static inline int in_a_process(void (*fn)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE,
                                       SIGILL }; /* cmocka makes a failed test of them */
        for (size_t i = 0; i < HG_COUNT(signals); i++) signal(signals[i], SIG_DFL);
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) == SIGKILL ? 0 : 128 + WTERMSIG(status);
}

#endif
