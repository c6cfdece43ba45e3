/* Positions set by hand: a disk that fails, changes at the same time, a stop in the middle: afterwards it is the old
 * one or the new one, and what was answered with success is on disk. test-labels: threads */
#include "tests/unit/pipeline/kit.h"
#include "pipeline/process.h"
#include <sys/wait.h>

enum { ROWS = 50, LINE = 4 };

static const char DURABLE[] = "{\"fault_tolerance\":{\"model\":\"at_least_once\",\"checkpoint_interval_secs\":null}}";
static const char EXACT[] = "{\"fault_tolerance\":{\"model\":\"exactly_once\",\"checkpoint_interval_secs\":null}}";
static char g_sql[512], g_storage[96];

static void begin(rig_t *r, const char *config)
{
    rig_init(r);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (int i = 0; i < ROWS; i++) hg_buf_addf(&b, "%d\n", 100 + i);
    put_file(r->dir, "in", b.p);
    hg_buf_release(&b);
    snprintf(g_sql, sizeof g_sql,
             "CREATE TABLE t (id BIGINT) WITH ('materialized' = 'true', 'connectors' = '[{\"name\":\"src\",\"labels\":"
             "[\"l\"],\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"%s/in\"}},\"format\":{\"name\":"
             "\"csv\"}}]');",
             r->dir);
    snprintf(g_storage, sizeof g_storage, "%s/storage", r->dir);
    r->storage = g_storage;
    r->config = config;
}

static void up(rig_t *r, bool running)
{
    rig_up(r, g_sql, running);
    if (!running) return;
    wait_processed(r, ROWS);
    assert_int_equal(http(r, "POST", "input_endpoints/t.src/pause", NULL, NULL), 200);
}

#define POSITION "input_endpoints/t.src/position"

/* Lines before it; UINT64_MAX: as configured. */
static uint64_t line_of(const hg_json_t *v, const char **origin)
{
    static char text[32];
    uint64_t offset = UINT64_MAX;
    const hg_json_t *p = hg_json_get(v, "position");
    snprintf(text, sizeof text, "%s", hg_json_str(hg_json_get(v, "origin"), ""));
    *origin = text;
    if (p && p->kind == HG_J_OBJECT) {
        assert_int_equal(hg_json_u64(hg_json_get(p, "offset"), &offset), 0);
        offset = (offset + LINE - 1) / LINE;
    }
    return offset;
}

static uint64_t position(rig_t *r, const char **origin)
{
    hg_arena_t *a = hg_arena_new();
    hg_buf_t b;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(http(r, "GET", POSITION, NULL, &b), 200);
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    uint64_t line = line_of(v, origin);
    hg_buf_release(&b);
    hg_arena_free(a);
    return line;
}

static int set(rig_t *r, uint64_t line, hg_buf_t *answer)
{
    char body[64];
    snprintf(body, sizeof body, "{\"offset\":%" PRIu64 "}", line * LINE);
    return http(r, "PUT", POSITION, body, answer);
}

/* --- a pipeline that is stopped: a process asks --- */

static int ask(const rig_t *r, const char *question, hg_buf_t *answer)
{
    int fds[2], status;
    char t[4096];
    ssize_t n;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hg_buf_t out;
        hg_buf_init(&out, HG_BUF_NOMAX);
        int rc = hg_position_process(r->dir, hg_strz(question), &out);
        _exit(rc == 0 && write(fds[1], out.p, out.len) == (ssize_t)out.len ? 0 : 1);
    }
    close(fds[1]);
    while ((n = read(fds[0], t, sizeof t)) > 0) hg_buf_add(answer, t, (size_t)n);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The HTTP status of the answer; message: part of the refusal that is expected, or NULL. */
static int stopped(const rig_t *r, const char *endpoint, const char *change, const char *message, uint64_t *ret_line)
{
    hg_arena_t *a = hg_arena_new();
    hg_buf_t q, b;
    hg_jw_t w;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    uint64_t status;
    const char *origin;
    hg_buf_init(&q, HG_BUF_NOMAX);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &q);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "name", "rig");
    hg_jw_kstr(&w, "program", g_sql);
    hg_jw_key(&w, "runtime_config");
    hg_jw_raw(&w, hg_strz(r->config));
    hg_jw_kstr(&w, "endpoint", endpoint);
    if (change) hg_jw_raw(&w, hg_strz(change));
    hg_jw_end_obj(&w);
    assert_int_equal(ask(r, q.p, &b), 0);
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    assert_int_equal(hg_json_u64(hg_json_get(v, "status"), &status), 0);
    const char *said = hg_json_str(hg_json_get(hg_json_get(v, "body"), "message"), "");
    if (message && !strstr(said, message)) fail_msg("%s: %s", message, said);
    if (ret_line) *ret_line = status == 200 ? line_of(hg_json_get(v, "body"), &origin) : 0;
    hg_buf_release(&q);
    hg_buf_release(&b);
    hg_arena_free(a);
    return (int)status;
}

/* --- tests --- */

/* A folder stands where a file of the storage is to be. */
static void in_the_way(const char *name, bool there)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", g_storage, name);
    assert_int_equal(there ? mkdir(path, 0700) : rmdir(path), 0);
}

/* Refused with these words. */
static void refused(rig_t *r, uint64_t line, int status, const char *words)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(set(r, line, &b), status);
    if (!strstr(b.p, words)) fail_msg("%s", b.p);
    hg_buf_release(&b);
}

static void a_disk_that_fails_leaves_the_old_or_the_new_position(void **state)
{
    (void)state;
    static const char *const models[] = { DURABLE, EXACT };
    for (size_t m = 0; m < HG_COUNT(models); m++) {
        rig_t r;
        const char *origin;
        begin(&r, models[m]);
        up(&r, true);
        assert_int_equal(position(&r, &origin), ROWS);
        assert_int_equal(set(&r, 7, NULL), 200); /* its checkpoint is number 1 */
        in_the_way("checkpoint-0000000002.json", true);
        refused(&r, 8, 500, "nothing was changed: a checkpoint comes first: ");
        assert_int_equal(position(&r, &origin), 7);
        in_the_way("checkpoint-0000000002.json", false);
        in_the_way("events-0000000003.log", true);
        refused(&r, 9, 500, "not done yet, and tried again until it works: ");
        assert_int_equal(position(&r, &origin), 7);
        refused(&r, 10, 409, "is being changed already");
        in_the_way("events-0000000003.log", false);
        while (position(&r, &origin) != 9) nap();
        assert_int_equal(set(&r, 10, NULL), 200);
        assert_int_equal(position(&r, &origin), 10);
        rig_down(&r, m == 0);
    }
}

typedef struct {
    rig_t *r;
    uint64_t first, last; /* lines: each once */
    uint64_t taken;       /* the last one that was answered with success */
    unsigned others;      /* answers that were not: 409, 410, none */
    pthread_t thread;
} setter_t;

static void *setter(void *arg)
{
    setter_t *s = arg;
    for (uint64_t i = s->first; i < s->last; i++) {
        int status = set(s->r, i, NULL);
        if (status == 200)
            s->taken = i;
        else if (status == 409)
            s->others++;
        else
            break; /* it stops */
    }
    return NULL;
}

static void changes_at_the_same_time_are_refused_or_done(void **state)
{
    (void)state;
    rig_t r;
    setter_t s[3];
    const char *origin;
    begin(&r, DURABLE);
    up(&r, true);
    for (unsigned i = 0; i < 3; i++) {
        s[i] = (setter_t){ .r = &r, .first = 10 * i, .last = 10 * i + 10, .taken = UINT64_MAX };
        assert_int_equal(pthread_create(&s[i].thread, NULL, setter, &s[i]), 0);
    }
    for (int i = 0; i < 20; i++) assert_int_equal(http(&r, "POST", "checkpoint", NULL, NULL), 200);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(pthread_join(s[i].thread, NULL), 0);
    uint64_t now = position(&r, &origin);
    assert_true(now == s[0].taken || now == s[1].taken || now == s[2].taken);
    assert_int_equal(set(&r, 3, NULL), 200);
    rig_down(&r, true);
}

/* Soft stops take a checkpoint of their own, hard ones none. */
static void what_was_answered_before_a_stop_is_there_after_it(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 12; round++) {
        rig_t r;
        setter_t s;
        uint64_t line;
        begin(&r, DURABLE);
        up(&r, true);
        s = (setter_t){ .r = &r, .last = ROWS, .taken = ROWS };
        assert_int_equal(pthread_create(&s.thread, NULL, setter, &s), 0);
        for (uint32_t k = dice(&seed, 40); k; k--) http(&r, "GET", "status", NULL, NULL); /* some way into it */
        hg_loop_post(r.control, round % 2 ? rig_stop_soft : rig_stop_hard, &r);
        pthread_mutex_lock(&r.lock);
        while (!r.over) pthread_cond_wait(&r.cond, &r.lock);
        pthread_mutex_unlock(&r.lock);
        assert_int_equal(pthread_join(s.thread, NULL), 0);
        assert_int_equal(r.ended.code, 0);
        if (s.taken < ROWS || round % 2) {
            assert_int_equal(stopped(&r, "t.src", NULL, NULL, &line), 200);
            uint64_t next = s.taken == ROWS ? 0 : s.taken + 1; /* the answer to this one may have been lost */
            if (line != s.taken && line != next)
                fail_msg("round %d: line %" PRIu64 ", answered was %" PRIu64, round, line, s.taken);
        }
        rig_join(&r);
    }
}

static void without_fault_tolerance_nothing_is_written(void **state)
{
    (void)state;
    rig_t r;
    char log[160];
    const char *origin;
    begin(&r, "{}");
    up(&r, true);
    assert_int_equal(set(&r, 49, NULL), 200);
    snprintf(log, sizeof log, "%s/events-0000000000.log", g_storage);
    assert_int_equal(access(log, F_OK), -1);
    assert_int_equal(position(&r, &origin), 49);
    assert_string_equal(origin, "user");
    assert_int_equal(http(&r, "POST", "input_endpoints/t.src/start", NULL, NULL), 200);
    wait_processed(&r, ROWS + 1);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.src/rerun?wait=maybe", NULL, NULL), 400);
    while (http(&r, "POST", "input_endpoints/t.src/rerun", NULL, NULL) != 200) nap(); /* until it is drained */
    wait_processed(&r, 2 * ROWS + 1);
    assert_int_equal(http(&r, "PATCH", POSITION, "{}", NULL), 405);
    assert_int_equal(http(&r, "PUT", POSITION, "", NULL), 400);
    assert_int_equal(http(&r, "PUT", POSITION, "[]", NULL), 400);
    assert_int_equal(http(&r, "PUT", "input_endpoints/t.nobody/position", "{\"offset\":0}", NULL), 404);
    assert_int_equal(http(&r, "DELETE", "input_endpoints/t.nobody/position", NULL, NULL), 404);
    assert_int_equal(http(&r, "POST", "ingress/t?format=csv", "5\n", NULL), 200);
    wait_processed(&r, 2 * ROWS + 2);
    rig_down(&r, false);
}

static void endpoints_of_requests_have_none(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    begin(&r, "{}");
    up(&r, true);
    assert_int_equal(http(&r, "POST", "ingress/t?format=csv", "5\n", NULL), 200);
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(http(&r, "GET", "orchestration", NULL, &b), 200);
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    const char *name = hg_json_str(hg_json_get(hg_json_get(v, "connectors")->child->next, "name"), NULL);
    assert_non_null(name);
    const char *path = hg_arena_printf(a, "input_endpoints/%s/position", name);
    assert_int_equal(http(&r, "GET", path, NULL, NULL), 501);
    assert_int_equal(http(&r, "PUT", path, "{}", NULL), 501);
    hg_buf_release(&b);
    hg_arena_free(a);
    rig_down(&r, false);
}

static void questions_about_a_stopped_pipeline(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    uint64_t line;
    begin(&r, DURABLE);
    assert_int_equal(stopped(&r, "t.src", NULL, NULL, &line), 200); /* nothing is there, and nothing is made */
    assert_true(line == UINT64_MAX);
    assert_int_equal(access(g_storage, F_OK), -1);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"reset\"", "has no checkpoint", NULL), 400);
    up(&r, true);
    hg_loop_post(r.control, rig_stop_soft, &r);
    pthread_mutex_lock(&r.lock);
    while (!r.over) pthread_cond_wait(&r.cond, &r.lock);
    pthread_mutex_unlock(&r.lock);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"set\",\"position\":{\"offset\":8}", NULL, &line), 200);
    assert_int_equal(line, 2);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"set\",\"position\":{\"offset\":8000}", "behind the end", NULL),
                     400);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"set\"", "is a JSON object, this is null", NULL), 400);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"shift\"", "there is no change 'shift'", NULL), 400);
    assert_int_equal(stopped(&r, "t.src", "\"change\":\"rerun\"", "has not reached its end", NULL), 409);
    assert_int_equal(stopped(&r, "t.nobody", NULL, "unknown input endpoint name 't.nobody'", NULL), 404);
    assert_int_equal(stopped(&r, "t.src", NULL, NULL, &line), 200);
    assert_int_equal(line, 2);
    snprintf(g_sql, sizeof g_sql, "CREATE TABLE t (id NOTHING);");
    assert_int_equal(stopped(&r, "t.src", NULL, "the program does not compile", NULL), 400);
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(ask(&r, "{", &b), 0);
    assert_non_null(strstr(b.p, "\"status\":400"));
    hg_buf_release(&b);
    rig_join(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_about_a_stopped_pipeline),
        cmocka_unit_test(without_fault_tolerance_nothing_is_written),
        cmocka_unit_test(endpoints_of_requests_have_none),
        cmocka_unit_test(a_disk_that_fails_leaves_the_old_or_the_new_position),
        cmocka_unit_test(changes_at_the_same_time_are_refused_or_done),
        cmocka_unit_test(what_was_answered_before_a_stop_is_there_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
