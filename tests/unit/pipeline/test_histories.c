/* Any history of a user's start and pause, reruns, ends of input, failures, checkpoints, crashes and resumes ends in
 * the same tables and outputs as a run without any of it.
 *
 * A history is drawn from its number. Each incarnation of the pipeline is a child process that does its part of the
 * history and then dies by SIGKILL, at a named kill point or wherever it is, or stops in one of the two ways; the
 * next one resumes. The last one starts everything that was paused, waits until all is read, and compares. Only the
 * speed of threads is not drawn: HG_HISTORY=n repeats number n, HG_HISTORIES=n sets how many are done. */
#include "tests/unit/pipeline/lives.h"
#include <fcntl.h>

enum { ROWS = 400, LATE = 150, GENERATED = 700, KEYED = 120, FOLLOW_MAX = 600, LIFE_MAX = 4 };

typedef struct {
    char dir[64];
    uint32_t seed;
    bool last, exact; /* exact: exactly_once */
} life_t;

#define FT(model) "{\"fault_tolerance\":{\"model\":\"" model "\",\"checkpoint_interval_secs\":null}}"

static char g_root[48]; /* files that all histories read */

/* --- the program --- */

#define FILE_IN(name, dir, file, more)                                                                                 \
    "{\"name\":\"" name "\",\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"" dir "/" file               \
    "\"}},\"format\":{\"name\":\"csv\"}" more "}"

static const char g_sql[] =
    "CREATE TABLE b (src INT NOT NULL, id BIGINT NOT NULL, pad VARCHAR) WITH ('materialized' = 'true', 'connectors' = "
    "'[" FILE_IN(
        "whole", "@R", "whole",
        ",\"labels\":[\"w\"]") ","
                               "{\"name\":\"tail\",\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"@D/"
                               "tail\",\"follow\":true}},"
                               "\"format\":{\"name\":\"csv\"},\"start_after\":[\"w\"]}," FILE_IN(
                                   "late", "@D", "late",
                                   ",\"labels\":[\"l\"]") ","
                                                          "{\"name\":\"gen\",\"transport\":{\"name\":\"datagen\","
                                                          "\"config\":{\"plan\":[{\"limit\":700,\"fields\":{\"src\":"
                                                          "{\"values\":[3]},\"id\":{\"strategy\":\"increment\"},"
                                                          "\"pad\":{\"values\":[\"p\"]}}}]}},\"start_after\":[\"l\","
                                                          "\"w\"]}"
                                                          "]');"
                                                          "CREATE TABLE k (id BIGINT NOT NULL PRIMARY KEY, v BIGINT) "
                                                          "WITH ('materialized' = 'true', 'connectors' = '[" FILE_IN(
                                                              "hist", "@R", "hist",
                                                              ",\"labels\":[\"h\"]") "," FILE_IN("live", "@R", "live",
                                                                                                 ",\"start_after\":["
                                                                                                 "\"h\"]") "]');"
                                                                                                           "CREATE "
                                                                                                           "VIEW vb "
                                                                                                           "WITH "
                                                                                                           "('"
                                                                                                           "connectors'"
                                                                                                           " = "
                                                                                                           "'[{"
                                                                                                           "\"name\":"
                                                                                                           "\"f\","
                                                                                                           "\"transport"
                                                                                                           "\":{"
                                                                                                           "\"name\":"
                                                                                                           "\"file_"
                                                                                                           "output\","
                                                                                                           "\"config\":"
                                                                                                           "{\"path\":"
                                                                                                           "\"@D/"
                                                                                                           "out\"}},"
                                                                                                           "\"format\":"
                                                                                                           "{\"name\":"
                                                                                                           "\"csv\"}}]'"
                                                                                                           ") AS "
                                                                                                           "SELECT "
                                                                                                           "src, id "
                                                                                                           "FROM b;";

static char *program(const char *dir)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (const char *p = g_sql; *p; p++) {
        if (p[0] == '@')
            hg_buf_adds(&b, *++p == 'R' ? g_root : dir);
        else
            hg_buf_add(&b, p, 1);
    }
    return hg_buf_take(&b, NULL);
}

static void write_rows(const char *dir, const char *name, int src, int n, int pad)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < n; i++) fprintf(f, "%d,%d,%0*d\n", src, i, pad, 0);
    assert_int_equal(fclose(f), 0);
}

static void write_keyed(const char *name, int factor)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", g_root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < KEYED; i++) fprintf(f, "%d,%d\n", i, i * factor);
    assert_int_equal(fclose(f), 0);
}

/* --- one incarnation --- */

/* Whole lines in one write: who is killed has written all of them or none. */
static void append(const char *dir, uint32_t n)
{
    char path[128], line[64];
    hg_buf_t b;
    snprintf(path, sizeof path, "%s/tail", dir);
    uint32_t have = (uint32_t)count_lines(dir, "tail");
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = have; i < HG_MIN(have + n, FOLLOW_MAX); i++) {
        snprintf(line, sizeof line, "1,%u,x\n", i);
        hg_buf_adds(&b, line);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    MUST(fd >= 0 && write(fd, b.p ? b.p : "", b.len) == (ssize_t)b.len);
    close(fd);
    hg_buf_release(&b);
}

static void come_late(const char *dir)
{
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/late.tmp", dir);
    snprintf(to, sizeof to, "%s/late", dir);
    if (access(to, F_OK) != 0) MUST(rename(from, to) == 0);
}

/* --- b.gen run again: how often is kept in a file, an intention before and the answer after --- */

static void note(const char *dir, char c)
{
    char path[128];
    snprintf(path, sizeof path, "%s/reruns", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    MUST(fd >= 0 && write(fd, &c, 1) == 1);
    close(fd);
}

/* Answered with success; and intended, but who was killed before the answer does not know. */
static void noted(const char *dir, uint32_t *sure, uint32_t *perhaps)
{
    char path[128];
    int c;
    snprintf(path, sizeof path, "%s/reruns", dir);
    *sure = *perhaps = 0;
    FILE *f = fopen(path, "r");
    while (f && (c = fgetc(f)) != EOF) {
        if (c == '?') ++*perhaps;
        if (c != '?') --*perhaps;
        if (c == '!') ++*sure;
    }
    if (f) fclose(f);
}

typedef struct {
    rig_t *r;
    _Atomic int rc; /* 1: no answer yet */
} rerun_t;

static void rerun_done(void *arg, const hg_err_t *err)
{
    atomic_store(&((rerun_t *)arg)->rc, err->code);
}

static void rerun_on_loop(void *arg)
{
    hg_pipeline_rerun(((rerun_t *)arg)->r->p, HG_S("b.gen"), false, rerun_done, arg);
}

static void rerun(rig_t *r, const char *dir)
{
    rerun_t x = { r, 1 };
    note(dir, '?');
    hg_loop_call(r->control, rerun_on_loop, &x);
    while (atomic_load(&x.rc) == 1) nap();
    MUST(x.rc == 0 || x.rc == HG_EBUSY || x.rc == HG_EREPLAY); /* it has not ended */
    note(dir, x.rc == 0 ? '!' : 'x');
}

static void act(rig_t *r, const char *dir, uint32_t *seed)
{
    static const char *const free_to_move[] = { "b.whole", "b.tail", "b.late", "b.gen", "k.hist" };
    switch (dice(seed, 11)) {
    case 0:
    case 1:
    case 2:
        word(r, free_to_move[dice(seed, HG_COUNT(free_to_move))], dice(seed, 2));
        break;
    case 3:
        run_or_pause(r, dice(seed, 3) > 0);
        break;
    case 4:
    case 5:
        hg_loop_call(r->control, ask_checkpoint, r);
        break;
    case 6:
        append(dir, dice(seed, 60));
        break;
    case 7:
        come_late(dir);
        break;
    case 8:
        rerun(r, dir);
        break;
    default: /* where in the work the next one hits: nothing that is checked depends on it */
        for (uint32_t n = dice(seed, 12); n; n--) nap();
    }
}

static void up(rig_t *r, const life_t *l)
{
    char *sql = program(l->dir);
    life_up(r, l->dir, sql, l->exact ? FT("exactly_once") : FT("at_least_once"));
    hg_free(sql);
}

static void live(const life_t *l)
{
    static const char *const points[] = { "events.written",    "events.synced",    "state.pack.written",
                                          "state.pack.synced", "manifest.written", "manifest.synced",
                                          "manifest.renamed",  "manifest.done",    "owed.written" };
    rig_t r;
    uint32_t seed = l->seed, end = dice(&seed, 8);
    if (end < 3) hg_kill_arm(points[dice(&seed, HG_COUNT(points))]);
    up(&r, l);
    for (uint32_t n = 1 + dice(&seed, 9); n; n--) act(&r, l->dir, &seed);
    if (end < 6) kill(getpid(), SIGKILL);
    life_stop(&r, end == 6);
}

/* --- the last incarnation --- */

/* again: how often b.gen ran again. */
static void check_output(const char *dir, uint32_t tail, uint32_t again)
{
    const uint32_t want[4] = { ROWS, tail, LATE, GENERATED };
    static unsigned char seen[4][1024];
    char path[128];
    int src, id;
    uint32_t n = 0;
    snprintf(path, sizeof path, "%s/out", dir);
    FILE *f = fopen(path, "r");
    MUST(f);
    while (fscanf(f, "%d,%d,%*d\n", &src, &id) == 2) {
        MUST(src >= 0 && src < 4 && id >= 0 && (uint32_t)id < want[src]);
        uint32_t times = src == 3 ? 1 + again : 1;
        if (++seen[src][id] > times) fprintf(stderr, "row %d of source %d was written too often\n", id, src);
        MUST(seen[src][id] <= times);
        n++;
    }
    fclose(f);
    uint32_t all = ROWS + tail + LATE + GENERATED * (1 + again);
    if (n != all) fprintf(stderr, "%u rows in the file, want %u\n", n, all);
    MUST(n == all);
}

/* b.gen has come to its end, and none of its records is on its way any more. */
static bool gen_drained(rig_t *r)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    MUST(http(r, "GET", "input_endpoints/b.gen/why", NULL, &b) == 200);
    bool drained = strstr(b.p, "\"reason\":\"ended\"") != NULL;
    hg_buf_clear(&b);
    MUST(http(r, "GET", "input_endpoints/b.gen/stats", NULL, &b) == 200);
    drained = drained && strstr(b.p, "\"buffered_records\":0,") != NULL;
    hg_buf_release(&b);
    return drained;
}

static uint64_t gen_rows(rig_t *r)
{
    hg_buf_t b;
    uint64_t n = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    MUST(http(r, "GET", "query?format=json&sql=SELECT%20count(*)%20AS%20n%20FROM%20b%20WHERE%20src%3D3", NULL, &b) ==
         200);
    MUST(sscanf(b.p, "{\"n\":%" SCNu64 "}", &n) == 1);
    hg_buf_release(&b);
    return n;
}

/* One turn of a wait. The file of b.late came after this incarnation had looked for it, and the words to start it may
 * have been before its failure. */
static void turn(rig_t *r, uint32_t *turns)
{
    char why[256];
    if (++*turns == 200000) fprintf(stderr, "waited in vain at %" PRIu64 " records\n", processed(r));
    MUST(*turns < 200000);
    if (hg_pipeline_failed(r->p, why, sizeof why)) word(r, "b.late", true);
    nap();
}

static void finish(const life_t *l)
{
    static const char *const all[] = { "b.whole", "b.tail", "b.late", "b.gen", "k.hist" };
    rig_t r;
    char want[128];
    up(&r, l);
    come_late(l->dir);
    append(l->dir, 20);
    run_or_pause(&r, true);
    for (size_t i = 0; i < HG_COUNT(all); i++) word(&r, all[i], true);
    uint32_t tail = (uint32_t)count_lines(l->dir, "tail");
    uint32_t sure, perhaps, turns = 0;
    noted(l->dir, &sure, &perhaps);
    while (!gen_drained(&r)) turn(&r, &turns);
    uint64_t generated = gen_rows(&r), rows = (uint64_t)ROWS + tail + LATE + generated;
    if (generated % GENERATED || generated < GENERATED * (1 + (uint64_t)sure) ||
        generated > GENERATED * (1 + (uint64_t)sure + perhaps))
        fprintf(stderr, "%" PRIu64 " rows of b.gen, which ran again %u times, perhaps %u more\n", generated, sure,
                perhaps);
    MUST(generated % GENERATED == 0 && generated >= GENERATED * (1 + (uint64_t)sure) &&
         generated <= GENERATED * (1 + (uint64_t)sure + perhaps));
    uint32_t again = (uint32_t)(generated / GENERATED) - 1;
    while (processed(&r) < rows + 2 * KEYED) turn(&r, &turns);
    snprintf(want, sizeof want, "{\"n\":%" PRIu64 ",\"s\":%u}\n", rows, tail + 2 * LATE + 3 * GENERATED * (1 + again));
    query(&r, "SELECT%20count(*)%20AS%20n,sum(src)%20AS%20s%20FROM%20b", want);
    snprintf(want, sizeof want, "{\"n\":%d,\"s\":%d}\n", KEYED, 7 * KEYED * (KEYED - 1) / 2);
    query(&r, "SELECT%20count(*)%20AS%20n,sum(v)%20AS%20s%20FROM%20k", want);
    MUST(processed(&r) == rows + 2 * KEYED);
    life_stop(&r, true);
    check_output(l->dir, tail, again);
}

/* --- histories: the parent has no threads --- */

static void go(void *arg)
{
    const life_t *l = arg;
    if (l->last)
        finish(l);
    else
        live(l);
}

static void one_history(uint32_t number)
{
    uint32_t seed = number * 2654435761u + 17;
    life_t l = { 0 };
    char cmd[160];
    snprintf(l.dir, sizeof l.dir, "%s/%u", g_root, number);
    assert_int_equal(mkdir(l.dir, 0700), 0);
    write_rows(l.dir, "late.tmp", 2, LATE, 1);
    append(l.dir, dice(&seed, 100));
    l.exact = number % 2;
    for (uint32_t lives = dice(&seed, LIFE_MAX) + 1; lives; lives--) {
        l.seed = seed ^ (lives << 24);
        l.last = lives == 1;
        dice(&seed, 2);
        int rc = in_a_process(go, &l);
        if (rc != 0)
            fail_msg("history %u (HG_HISTORY=%u), %u lives to come: ended with %d", number, number, lives - 1, rc);
    }
    snprintf(cmd, sizeof cmd, "rm -rf %s", l.dir);
    assert_int_equal(system(cmd), 0);
}

static void test_histories(void **state)
{
    (void)state;
    char cmd[128];
    const char *only = getenv("HG_HISTORY"), *many = getenv("HG_HISTORIES");
    uint32_t n = many ? (uint32_t)strtoul(many, NULL, 10) : 150;
    bool ram = access("/dev/shm", W_OK) == 0; /* thousands of syncs */
    snprintf(g_root, sizeof g_root, "%s/hghist.XXXXXX", ram ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(g_root));
    write_rows(g_root, "whole", 0, ROWS, 1500); /* more than one chunk */
    write_keyed("hist", 1);
    write_keyed("live", 7);
    if (only)
        one_history((uint32_t)strtoul(only, NULL, 10));
    else
        for (uint32_t i = 0; i < n; i++) one_history(i);
    snprintf(cmd, sizeof cmd, "rm -rf %s", g_root);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_histories) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
