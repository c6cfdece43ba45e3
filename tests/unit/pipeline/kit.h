/* kit.h: a whole pipeline in this process, with its HTTP endpoints on a unix socket, and clients for it.
 *
 * A rig owns a control loop with a thread of its own, the pipeline and its server, and ends as the real process does:
 * stop → on_stopped → server closed → pipeline freed. Waiting is for a state and has no limit of its own: what hangs is
 * ended by the runner's.
 */
#ifndef HG_TEST_PIPELINE_KIT_H
#define HG_TEST_PIPELINE_KIT_H

#include "base/hg.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "net/client.h"
#include "pipeline/pipeline.h"
#include "pipeline/server.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct rig {
    char dir[64], sock[96];
    hg_loop_t *control;
    hg_pipeline_t *p;
    hg_pipeline_server_t *s;
    hg_program_t *program;
    bool running;
    const char *config;  /* runtime_config as JSON; NULL: defaults */
    const char *storage; /* folder of checkpoints; NULL: none */
    void (*before_new)(void *arg);
    void *arg;
    int rc;
    hg_err_t err, ended; /* of making; of the end */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over; /* everything is freed: under lock */
} rig_t;

static inline void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

static inline void rig_over(void *arg)
{
    rig_t *r = arg;
    hg_pipeline_free(r->p);
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static inline void rig_server_closed(void *arg)
{
    rig_t *r = arg;
    hg_pipeline_server_free(r->s);
    hg_loop_post(r->control, rig_over, r);
}

static inline void rig_stopped(void *arg, const hg_err_t *err)
{
    rig_t *r = arg;
    r->ended = *err;
    if (r->s)
        hg_pipeline_server_close(r->s, rig_server_closed, r);
    else
        hg_loop_post(r->control, rig_over, r);
}

static inline void rig_on_stop(void *arg, bool drain)
{
    hg_pipeline_stop(((rig_t *)arg)->p, drain);
}

static inline void rig_make(void *arg)
{
    rig_t *r = arg;
    hg_arena_t *a = hg_arena_new();
    hg_pipeline_opts_t o = { .name = "rig",
                             .program = r->program,
                             .control = r->control,
                             .running = r->running,
                             .storage_dir = r->storage,
                             .on_stopped = rig_stopped,
                             .arg = r };
    hg_json_t *config = NULL;
    if (r->config) assert_int_equal(hg_json_parse(a, hg_strz(r->config), &config, &r->err), 0);
    assert_int_equal(hg_runtime_config_parse(config, a, &o.config, &r->err), 0);
    o.config.io_loops = 2;
    o.config.workers = 2;
    hg_arena_free(a);
    if (r->before_new) r->before_new(r->arg);
    r->rc = hg_pipeline_new(&o, &r->p, &r->err);
    if (r->rc < 0) return;
    hg_pipeline_server_opts_t so = { r->p, r->control, "00000000-0000-0000-0000-000000000000", rig_on_stop, r };
    r->rc = hg_pipeline_server_new(&so, r->sock, &r->s, &r->err);
}

/* In a folder of the caller's, which has to be short. */
static inline void rig_init_at(rig_t *r, const char *dir)
{
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "%s", dir);
    snprintf(r->sock, sizeof r->sock, "%s/s", r->dir);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->cond, NULL);
    bool talk = getenv("HG_TEST_TALK") != NULL;
    hg_log_init((hg_log_opts_t){ .fd = talk ? 2 : -1, .level = talk ? HG_LOG_DEBUG : HG_LOG_ERROR });
}

static inline void rig_init(rig_t *r)
{
    char dir[] = "/tmp/hgpipe.XXXXXX";
    assert_non_null(mkdtemp(dir));
    rig_init_at(r, dir);
}

/* r->dir is there already: programs may name files in it. */
static inline void rig_up(rig_t *r, const char *sql, bool running)
{
    r->running = running;
    r->program = hg_compile(hg_strz(sql), &(hg_compile_opts_t){ 0 });
    for (uint32_t i = 0; i < r->program->n_msgs; i++)
        if (!r->program->msgs[i].warning) fail_msg("%s", r->program->msgs[i].message);
    r->control = hg_loop_new("control");
    hg_loop_start(r->control);
    hg_loop_call(r->control, rig_make, r);
    if (r->rc < 0) fail_msg("%s", r->err.msg);
}

static inline void rig_stop_soft(void *arg)
{
    hg_pipeline_stop(((rig_t *)arg)->p, true);
}
static inline void rig_stop_hard(void *arg)
{
    hg_pipeline_stop(((rig_t *)arg)->p, false);
}

/* Wait for the end that somebody has asked for. Its folder stays. */
static inline void rig_end(rig_t *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->over) pthread_cond_wait(&r->cond, &r->lock);
    pthread_mutex_unlock(&r->lock);
    hg_loop_stop(r->control);
    hg_loop_free(r->control);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->cond);
}

/* The same, and forget the rig. */
static inline void rig_join(rig_t *r)
{
    char cmd[128];
    rig_end(r);
    snprintf(cmd, sizeof cmd, "rm -rf %s", r->dir);
    assert_int_equal(system(cmd), 0);
}

static inline void rig_down(rig_t *r, bool drain)
{
    hg_loop_post(r->control, drain ? rig_stop_soft : rig_stop_hard, r);
    rig_join(r);
}

/* --- clients --- */

/* Returns the status, or the negative code if there was no answer. out may be NULL. */
static inline int http(rig_t *r, const char *method, const char *path, const char *body, hg_buf_t *out)
{
    char url[4096];
    int status = 0;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t mine;
    hg_buf_init(&mine, HG_BUF_NOMAX);
    snprintf(url, sizeof url, "http://localhost/%s", path);
    hg_fetch_t f = { .method = method, .url = url, .unix_socket = r->sock, .body = hg_strz(body ? body : "") };
    int rc = hg_fetch(&f, &status, out ? out : &mine, &err);
    if (rc == 0 && status >= 300 && out == NULL && getenv("HG_TEST_TALK")) print_message("%s: %s\n", path, mine.p);
    hg_buf_release(&mine);
    return rc < 0 ? rc : status;
}

/* A raw connection with what is said so far. -1: nobody listens any more. */
static inline int dial(rig_t *r, const char *fmt, ...) HG_PRINTF(2, 3);
static inline int dial(rig_t *r, const char *fmt, ...)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    memcpy(sa.sun_path, r->sock, strlen(r->sock));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        close(fd);
        return -1;
    }
    char head[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool say(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Reads until the text has come (true) or the connection has ended (false). */
static inline bool hear(int fd, hg_buf_t *b, const char *text)
{
    char t[16384];
    while (!(b->len && memmem(b->p, b->len, text, strlen(text)))) {
        ssize_t k = recv(fd, t, sizeof t, 0);
        if (k <= 0) return false;
        hg_buf_add(b, t, (size_t)k);
    }
    return true;
}

static inline hg_pipeline_totals_t totals(rig_t *r)
{
    hg_pipeline_totals_t t;
    hg_pipeline_totals(r->p, &t);
    assert_true(t.completed_records <= t.processed_records && t.processed_records <= t.input_records);
    return t;
}

static inline void wait_complete(rig_t *r)
{
    while (!totals(r).complete) nap();
}

static inline void wait_processed(rig_t *r, uint64_t n)
{
    while (totals(r).processed_records < n) nap();
}

/* Is "complete" the status of this token? */
static inline bool token_complete(rig_t *r, hg_str_t token)
{
    bool complete = false;
    uint64_t step = 0;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_pipeline_token_status(r->p, token, &complete, &step, &err), 0);
    return complete;
}

static inline void put_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline uint64_t count_lines(const char *dir, const char *name)
{
    char path[256];
    uint64_t n = 0;
    int c;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    while ((c = fgetc(f)) != EOF) n += c == '\n';
    fclose(f);
    return n;
}

static inline uint32_t dice(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

#endif
