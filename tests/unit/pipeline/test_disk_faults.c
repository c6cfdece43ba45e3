/* The Nth write, fsync, rename, open, read or allocation fails, for each N: while a whole pipeline takes a checkpoint,
 * logs a decision, stores what an output owes, resumes. What failed is told, the pipeline goes on, and whoever resumes
 * from the disk as it then is finds every row once.
 * test-labels: long */
#include "tests/unit/pipeline/lives.h"
#include "connectors/host/output_int.h"
#include "pipeline/server_int.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { FIRST = 300, SECOND = 200, THIRD = 50 };

typedef struct {
    char dir[64];
    hg_fault_t kind;
    uint64_t nth;
    bool go_on; /* after the failure a second try and more rows, else the end comes at once */
    bool exact; /* exactly_once */
    bool dead;  /* the sink takes nothing: the checkpoint owes */
    uint32_t rows;
    /* answers */
    bool fired, failed, died;
    int rc;
} try_t;

static const hg_fault_t g_kinds[] = { HG_FAULT_WRITE, HG_FAULT_FSYNC, HG_FAULT_RENAME,
                                      HG_FAULT_OPEN,  HG_FAULT_READ,  HG_FAULT_ALLOC };
static const char *const g_kind_names[] = { "write", "fsync", "rename", "open", "read", "alloc" };

#define FT(model) "{\"fault_tolerance\":{\"model\":\"" model "\",\"checkpoint_interval_secs\":null}}"

static const char *config(const try_t *t)
{
    return t->exact ? FT("exactly_once") : FT("at_least_once");
}

static char *program(const char *dir)
{
    return hg_xprintf(
        "CREATE TABLE t (id BIGINT NOT NULL, pad VARCHAR) WITH ('materialized' = 'true', 'connectors' = '["
        "{\"name\":\"tail\",\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"%s/"
        "in\",\"follow\":true}},\"format\":{\"name\":\"csv\"}}]');"
        "CREATE VIEW v WITH ('connectors' = '[{\"name\":\"f\",\"transport\":{\"name\":\"file_output\","
        "\"config\":{\"path\":\"%s/out\"}},\"format\":{\"name\":\"csv\"}}]') AS SELECT id FROM t;",
        dir, dir);
}

static void up(rig_t *r, const try_t *t)
{
    char *sql = program(t->dir);
    life_up(r, t->dir, sql, config(t));
    hg_free(sql);
}

static void append(try_t *t, uint32_t n)
{
    char path[96], line[64];
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = t->rows; i < t->rows + n; i++) {
        snprintf(line, sizeof line, "%u,abcdefghijklmnopqrstuvwxyz\n", i);
        hg_buf_adds(&b, line);
    }
    snprintf(path, sizeof path, "%s/in", t->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    MUST(fd >= 0 && write(fd, b.p, b.len) == (ssize_t)b.len);
    close(fd);
    hg_buf_release(&b);
    t->rows += n;
}

/* All rows are in the table, and written where the sink takes them: nothing moves any more. */
static void settle(rig_t *r, const try_t *t)
{
    hg_pipeline_totals_t n;
    do {
        nap();
        hg_pipeline_totals(r->p, &n);
        if (n.processed_records > t->rows)
            fprintf(stderr, "%" PRIu64 " records, but there are %u\n", n.processed_records, t->rows);
        MUST(n.processed_records <= t->rows);
    } while (n.processed_records < t->rows || (!t->dead && n.completed_records < t->rows));
}

/* All rows are with a sink that takes nothing, and nothing is to be encoded any more: what fails there costs a batch.
 */
static bool encoded(rig_t *r, const try_t *t)
{
    uint64_t kept = 0;
    pthread_mutex_lock(&r->p->lock);
    hg_output_t *out = r->p->outputs[0]->out;
    pthread_mutex_unlock(&r->p->lock);
    pthread_mutex_lock(&out->mu);
    HG_LIST_EACH(it, &out->kept)
    kept += hg_delta_rows(&HG_ENTRY(it, hg_outkept_t, link)->delta);
    bool idle = !out->encoding && hg_list_empty(&out->queue);
    pthread_mutex_unlock(&out->mu);
    return kept == t->rows && idle;
}

/* --- a checkpoint and how it ends --- */

typedef struct {
    rig_t *r;
    uint64_t number;
    int state; /* 0 under way, 1 success, -1 failure */
    char error[512];
} ckpt_t;

static void ask(void *arg)
{
    ckpt_t *c = arg;
    hg_err_t err = HG_ERR_INIT;
    MUST(hg_pipeline_checkpoint(c->r->p, &c->number, &err) == 0);
}

static void look(void *arg)
{
    ckpt_t *c = arg;
    hg_buf_t b;
    hg_jw_t w;
    hg_json_t *v;
    uint64_t n;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_pipeline_checkpoint_status(c->r->p, &w);
    if (w.rc < 0 || hg_json_parse(a, hg_buf_str(&b), &v, &err) < 0) { /* the fault hit this: look again */
        MUST(c->state == 0 && hg_fault_fired());
        hg_arena_free(a);
        hg_buf_release(&b);
        return;
    }
    const hg_json_t *failure = hg_json_get(v, "failure");
    if (hg_json_u64(hg_json_get(v, "success"), &n) == 0 && n >= c->number) c->state = 1;
    if (hg_json_u64(hg_json_get(failure, "sequence_number"), &n) == 0 && n >= c->number) {
        c->state = -1;
        snprintf(c->error, sizeof c->error, "%s", hg_json_str(hg_json_get(failure, "error"), ""));
    }
    hg_arena_free(a);
    hg_buf_release(&b);
}

static ckpt_t checkpoint(rig_t *r)
{
    ckpt_t c = { .r = r };
    hg_loop_call(r->control, ask, &c);
    do {
        nap();
        hg_loop_call(r->control, look, &c);
    } while (!c.state);
    return c;
}

/* --- the life in which it happens --- */

static void life_of_faults(void *arg)
{
    try_t *t = arg;
    rig_t r;
    append(t, FIRST);
    up(&r, t);
    settle(&r, t);
    if (!t->dead) MUST(checkpoint(&r).state == 1);
    append(t, SECOND);
    settle(&r, t);
    while (t->dead && !encoded(&r, t)) nap();
    hg_fault_arm(t->kind, t->nth);
    ckpt_t c = checkpoint(&r);
    t->fired = hg_fault_fired();
    hg_fault_arm(t->kind, 0);
    t->failed = c.state < 0;
    if (t->failed) MUST(t->fired && c.error[0]); /* told, with a reason */
    if (t->go_on) {
        append(t, THIRD);
        settle(&r, t);
        MUST(checkpoint(&r).state == 1);
    }
    kill(getpid(), SIGKILL);
}

typedef struct {
    rig_t *r;
    bool refused;
    atomic_bool done;
} pause_t;

static void said(void *arg, const hg_err_t *err)
{
    pause_t *w = arg;
    w->refused = err && err->code != HG_OK;
    if (w->refused) MUST(err->msg[0]);
    atomic_store(&w->done, true);
}

static void say_pause(void *arg)
{
    pause_t *w = arg;
    hg_err_t err = HG_ERR_INIT;
    MUST(hg_pipeline_connector(w->r->p, HG_S("t.tail"), true, false, said, w, &err) == 0);
}

/* A user's word is answered once it is durable, or with the reason why it is not yet. */
static void life_of_words(void *arg)
{
    try_t *t = arg;
    rig_t r;
    append(t, FIRST);
    up(&r, t);
    settle(&r, t);
    pause_t w = { .r = &r };
    hg_fault_arm(t->kind, t->nth);
    hg_loop_call(r.control, say_pause, &w);
    while (!atomic_load(&w.done)) nap();
    t->fired = hg_fault_fired();
    t->failed = w.refused;
    if (w.refused) MUST(t->fired);
    kill(getpid(), SIGKILL);
}

static void life_after_words(void *arg)
{
    try_t *t = arg;
    rig_t r;
    hg_buf_t b;
    up(&r, t);
    hg_buf_init(&b, HG_BUF_NOMAX);
    MUST(http(&r, "GET", "orchestration", NULL, &b) == 200 &&
         (t->failed || t->died || strstr(b.p, "\"reason\":\"user\"")));
    hg_buf_release(&b);
    life_stop(&r, false);
}

/* A sound checkpoint, then a resume that fails once. */
static void life_before_resume(void *arg)
{
    try_t *t = arg;
    rig_t r;
    append(t, FIRST);
    up(&r, t);
    settle(&r, t);
    MUST(checkpoint(&r).state == 1);
    append(t, SECOND);
    settle(&r, t);
    MUST(checkpoint(&r).state == 1);
    kill(getpid(), SIGKILL);
}

static void arm(void *arg)
{
    const try_t *t = arg;
    hg_fault_arm(t->kind, t->nth);
}

static void life_of_resume(void *arg)
{
    try_t *t = arg;
    rig_t r;
    char storage[128];
    char *sql = program(t->dir);
    snprintf(storage, sizeof storage, "%s/storage", t->dir);
    rig_init_at(&r, t->dir);
    unlink(r.sock);
    r.storage = storage;
    r.config = config(t);
    r.running = true;
    r.program = hg_compile(hg_strz(sql), &(hg_compile_opts_t){ 0 });
    r.control = hg_loop_new("control");
    hg_loop_start(r.control);
    r.before_new = arm;
    r.arg = t;
    hg_loop_call(r.control, rig_make, &r);
    t->fired = hg_fault_fired();
    t->failed = r.rc < 0;
    if (t->failed) MUST(t->fired && r.err.msg[0]);
    kill(getpid(), SIGKILL);
}

static void life_after(void *arg)
{
    try_t *t = arg;
    rig_t r;
    char want[96];
    append(t, THIRD);
    up(&r, t);
    settle(&r, t);
    snprintf(want, sizeof want, "{\"n\":%u,\"d\":%u}\n", t->rows, t->rows);
    query(&r, "SELECT%20count(*)%20AS%20n,count(DISTINCT%20id)%20AS%20d%20FROM%20t", want);
    life_stop(&r, true);
    MUST(count_lines(t->dir, "out") == t->rows);
}

/* --- the loop: many tries at once, since most of them wait --- */

enum { BATCH = 32, MOST = 96 };

typedef struct {
    const char *name;
    void (*before)(void *), (*hit)(void *), (*after)(void *);
    bool dead, exact;
} plan_t;

/* Whoever has no memory for what it must not forget dies, and is resumed as after any death. */
static bool died_of_memory(const try_t *t, int rc)
{
    return t->kind == HG_FAULT_ALLOC && rc == 128 + SIGABRT;
}

static int one_try(const plan_t *p, try_t *t)
{
    char cmd[160], out[96];
    const char *ram = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(t->dir, sizeof t->dir, "%s/hgfault.XXXXXX", ram);
    if (!mkdtemp(t->dir)) return 1;
    snprintf(out, sizeof out, "%s/out", t->dir);
    t->dead = p->dead;
    if (t->dead && symlink("/dev/full", out) < 0) return 1;
    int rc = p->before ? in_a_process(p->before, t) : 0;
    if (rc != 0) return rc;
    rc = in_a_process(p->hit, t);
    if (died_of_memory(t, rc)) {
        t->fired = t->died = true;
        rc = 0;
    }
    if (rc != 0) return rc;
    if (t->dead) unlink(out);
    t->dead = false;
    rc = in_a_process(p->after, t);
    if (rc != 0) return rc;
    snprintf(cmd, sizeof cmd, "rm -rf %s", t->dir);
    return system(cmd) == 0 ? 0 : 1;
}

/* Tries n .. n + BATCH - 1. */
static void batch(const plan_t *p, try_t *t, size_t kind, uint64_t n)
{
    pid_t pids[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        t[i] = (try_t){ .kind = g_kinds[kind], .nth = n + i, .go_on = (n + i) & 1, .exact = p->exact };
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) _exit(one_try(p, &t[i]));
    }
    for (uint32_t i = 0; i < BATCH; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        t[i].rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

static void each_fault(const plan_t *p)
{
    try_t *t = mmap(NULL, BATCH * sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t != MAP_FAILED);
    for (size_t k = 0; k < HG_COUNT(g_kinds); k++) {
        uint32_t hits = 0, told = 0, died = 0;
        bool more = true;
        for (uint64_t n = 1; more; n += BATCH) {
            batch(p, t, k, n);
            for (uint32_t i = 0; i < BATCH; i++) {
                if (t[i].rc != 0)
                    fail_msg("%s: %s %" PRIu64 "%s: %d; see %s", p->name, g_kind_names[k], t[i].nth,
                             t[i].go_on ? ", went on" : "", t[i].rc, t[i].dir);
                hits += t[i].fired;
                told += t[i].failed;
                died += t[i].died;
                more &= t[i].fired;
            }
            more &= n + BATCH <= MOST; /* a sink that is tried again and again allocates without end */
        }
        print_message("%s, %s: %u failed, %u told as failures, %u deaths\n", p->name, g_kind_names[k], hits, told,
                      died);
    }
    munmap(t, BATCH * sizeof *t);
}

static void test_checkpoint(void **state)
{
    (void)state;
    each_fault(&(plan_t){ "checkpoint", NULL, life_of_faults, life_after, false, false });
    each_fault(&(plan_t){ "checkpoint, exactly_once", NULL, life_of_faults, life_after, false, true });
}

static void test_owed(void **state)
{
    (void)state;
    each_fault(&(plan_t){ "owed", NULL, life_of_faults, life_after, true, false });
}

static void test_words(void **state)
{
    (void)state;
    each_fault(&(plan_t){ "words", NULL, life_of_words, life_after_words, false, true });
}

static void test_resume(void **state)
{
    (void)state;
    each_fault(&(plan_t){ "resume", life_before_resume, life_of_resume, life_after, false, false });
    each_fault(&(plan_t){ "resume, exactly_once", life_before_resume, life_of_resume, life_after, false, true });
}

int main(void)
{
    cmocka_set_test_filter(getenv("HG_ONLY"));
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_owed),
                                        cmocka_unit_test(test_words), cmocka_unit_test(test_resume) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
