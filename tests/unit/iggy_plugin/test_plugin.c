/* test_plugin.c: instances of a scripted plugin, each case in this process and in one of its own: the same answers, and
 * what only a process of its own can do: die alone.
 * test-labels: threads */
#include "tests/lib/test.h"

#include "base/fault.h"
#include "base/mem.h"
#include "headgate/iggy_plugin.h"
#include "iggy/plugin/plugin.h"
#include "iggy/plugin/postcard.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *g_lib = HG_TEST_PLUGIN;
static hg_plugins_t *g_plugins;
static uint32_t g_id;

/* What came from an instance; the test waits on it. */
typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t batches, last_batch, messages, refuse;
    unsigned ended, died, logs;
    char state[64], how[64], logged[64];
    hg_buf_t copy;
} seen_t;

static seen_t *g_seen; /* of the running test, for the log */

static int on_batch(void *arg, uint64_t batch_id, hg_str_t bytes)
{
    seen_t *s = arg;
    pthread_mutex_lock(&s->lock);
    hg_err_t err = HG_ERR_INIT;
    hg_pc_batch_t b;
    hg_buf_clear(&s->copy);
    int rc = hg_buf_addstr(&s->copy, bytes);
    if (rc == 0) rc = hg_pc_read_produced(s->copy.p, s->copy.len, &b, &err);
    if (rc == 0 && s->refuse) s->refuse--, rc = HG_EBUSY;
    if (rc == 0) {
        s->batches++;
        s->last_batch = batch_id;
        s->messages += b.n;
        snprintf(s->state, sizeof s->state, HG_SF, HG_SA(b.state));
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void on_ended(void *arg)
{
    seen_t *s = arg;
    pthread_mutex_lock(&s->lock);
    s->ended++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_died(void *arg, const char *how)
{
    seen_t *s = arg;
    pthread_mutex_lock(&s->lock);
    s->died++;
    snprintf(s->how, sizeof s->how, "%s", how);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_log(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text)
{
    (void)arg, (void)path;
    seen_t *s = g_seen;
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->logs++;
    snprintf(s->logged, sizeof s->logged, "%u " HG_SF " " HG_SF, level, HG_SA(target), HG_SA(text));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static const hg_plugin_events_t EVENTS = { on_batch, on_ended, on_died };

static void seen_init(seen_t *s)
{
    *s = (seen_t){ .batches = 0 };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    hg_buf_init(&s->copy, HG_BUF_NOMAX);
}

static void seen_release(seen_t *s)
{
    hg_buf_release(&s->copy);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

#define WAIT(s, cond)                                                                                                  \
    do {                                                                                                               \
        pthread_mutex_lock(&(s)->lock);                                                                                \
        while (!(cond)) pthread_cond_wait(&(s)->changed, &(s)->lock);                                                  \
        pthread_mutex_unlock(&(s)->lock);                                                                              \
    } while (0)

static int try_open(hg_plugin_kind_t kind, bool process, const char *config, const char *state, seen_t *s,
                    hg_plugin_t **ret, hg_err_t *err)
{
    hg_plugin_spec_t spec = { .kind = kind,
                              .process = process,
                              .path = g_lib,
                              .id = ++g_id,
                              .config = hg_strz(config),
                              .state = hg_strz(state) };
    return hg_plugin_open(g_plugins, &spec, &EVENTS, s, ret, err);
}

static hg_plugin_t *open_one(hg_plugin_kind_t kind, bool process, const char *config, const char *state, seen_t *s)
{
    hg_plugin_t *p = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (try_open(kind, process, config, state, s, &p, &err) < 0) fail_msg("%s", err.msg);
    return p;
}

static void source_runs(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_plugin_t *p = open_one(HG_PLUGIN_SOURCE, process, "{\"messages\": 7, \"batches\": 4, \"block\": 1}", "7", &s);
    assert_string_equal(hg_plugin_version(p), "1.2.3-scripted");
    assert_int_equal(hg_plugin_result(p, 1, true, &err), HG_EPROTO); /* nothing was sent yet */
    assert_int_equal(hg_plugin_start(p, &err), 0);
    for (uint64_t n = 1; n <= 3; n++) {
        WAIT(&s, s.batches == n);
        assert_int_equal(s.last_batch, n);
        assert_int_equal(hg_plugin_result(p, n + 5, true, &err), HG_EPROTO);
        assert_int_equal(hg_plugin_result(p, n, true, &err), 0);
    }
    WAIT(&s, s.ended == 1);
    assert_string_equal(s.state, "28"); /* 4 batches, the first of which was behind the state it got */
    hg_plugin_close(p, 10000);
    assert_int_equal(s.messages, 21);
    assert_int_equal(s.died, 0);
    seen_release(&s);
}

static void nacks_come_again(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    s.refuse = 2; /* send answers no: that is a nack, too */
    hg_plugin_t *p = open_one(HG_PLUGIN_SOURCE, process, "{\"messages\":2}", "", &s);
    assert_int_equal(hg_plugin_start(p, &err), 0);
    WAIT(&s, s.batches == 1);
    assert_int_equal(s.last_batch, 3);
    assert_int_equal(hg_plugin_result(p, 3, false, &err), 0);
    WAIT(&s, s.batches == 2);
    assert_string_equal(s.state, "2");
    hg_plugin_close(p, 10000); /* while a batch waits for its result */
    seen_release(&s);
}

static void bad_batches_are_refused(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_plugin_t *p = open_one(HG_PLUGIN_SOURCE, process, "{\"bad_at\":1}", "", &s);
    assert_int_equal(hg_plugin_start(p, &err), 0);
    WAIT(&s, s.batches == 1);
    assert_int_equal(s.last_batch, 2);
    hg_plugin_close(p, 10000);
    seen_release(&s);
}

/* A batch of n messages {"n":i} from `from`; its place in the slot. */
static hg_plugin_batch_t write_batch(hg_plugin_lane_t *l, unsigned slot, unsigned from, unsigned n)
{
    hg_err_t err = HG_ERR_INIT;
    uint8_t *room;
    size_t cap = (size_t)n * 160 + 256;
    assert_int_equal(hg_plugin_room(l, slot, cap, &room, &err), 0);
    hg_pc_out_t o = { room, room + cap };
    hg_pc_put_topic(&o, HG_S("s"), HG_S("t"));
    hg_plugin_batch_t b = { .slot = slot, .topic = (size_t)(o.p - room) };
    hg_pc_put_meta(&o, &(hg_pc_meta_t){ 1, from, HG_PC_JSON });
    b.meta = (size_t)(o.p - room) - b.topic;
    hg_pc_put_raw_begin(&o, HG_PC_JSON, n);
    for (unsigned i = 0; i < n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "{\"n\":%u}", from + i);
        hg_pc_put_raw(&o, &(hg_pc_raw_t){ .id = 1, .payload = { text, (size_t)len } });
    }
    b.messages = (size_t)(o.p - room) - b.topic - b.meta;
    return b;
}

static int32_t give(hg_plugin_lane_t *l, unsigned slot, unsigned from, unsigned n)
{
    hg_err_t err = HG_ERR_INIT;
    int32_t rc = -99;
    hg_plugin_batch_t b = write_batch(l, slot, from, n);
    assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
    assert_int_equal(hg_plugin_consumed(l, &rc, &err), 0);
    return rc;
}

static uint64_t lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    uint64_t n = 0;
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;) n += c == '\n';
    fclose(f);
    return n;
}

static void sink_consumes(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    char path[] = "/tmp/hg-sink-XXXXXX", config[256];
    close(mkstemp(path));
    seen_init(&s);
    snprintf(config, sizeof config, "{\"file\":\"%s\",\"fail_every\":3,\"fatal_at\":5}", path);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, process, config, "", &s);
    hg_plugin_lane_t *a, *b;
    assert_int_equal(hg_plugin_lane_open(p, &a, &err), 0);
    assert_int_equal(hg_plugin_lane_open(p, &b, &err), 0);
    assert_int_equal(give(a, 0, 0, 1000), IGGY_OK);
    assert_int_equal(give(b, 1, 1000, 10), IGGY_OK);
    assert_int_equal(give(a, 1, 2000, 10), IGGY_ERR);
    assert_int_equal(give(a, 1, 2000, 10), IGGY_OK);
    assert_int_equal(give(b, 0, 2000, 10), IGGY_INVALID);
    assert_int_equal(lines_of(path), 1020);
    hg_plugin_batch_t bad = write_batch(a, 0, 0, 2);
    int32_t rc;
    bad.messages -= 3; /* cut off */
    assert_int_equal(hg_plugin_consume(a, &bad, &err), 0);
    assert_int_equal(hg_plugin_consumed(a, &rc, &err), 0);
    assert_true(rc != IGGY_OK);
    uint8_t *room;
    assert_int_equal(hg_plugin_room(a, 0, HG_PLUGIN_SLOT_BYTES + 1, &room, &err), HG_ETOOBIG);
    hg_plugin_lane_close(a);
    hg_plugin_lane_close(b);
    hg_plugin_close(p, 10000);
    unlink(path);
    seen_release(&s);
}

/* Places and reasons, one after the other. */
typedef struct told {
    unsigned n;
    uint32_t at[8];
    char why[8][64];
} told_t;

static void on_rejected(void *arg, uint32_t at, hg_str_t reason)
{
    told_t *t = arg;
    assert_true(t->n < HG_COUNT(t->at));
    t->at[t->n] = at;
    snprintf(t->why[t->n++], sizeof t->why[0], HG_SF, HG_SA(reason));
}

static void what_is_left_out(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    char path[] = "/tmp/hg-sink-XXXXXX", config[256];
    close(mkstemp(path));
    seen_init(&s);
    snprintf(config, sizeof config, "{\"file\":\"%s\",\"reject\":4}", path);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, process, config, "", &s);
    hg_plugin_lane_t *l;
    assert_int_equal(hg_plugin_lane_open(p, &l, &err), 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        told_t told = { 0 };
        int32_t rc = -99;
        hg_plugin_batch_t b = write_batch(l, slot, 10, 10);
        b.rejected = on_rejected;
        b.arg = &told;
        assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
        assert_int_equal(hg_plugin_consumed(l, &rc, &err), 0);
        assert_int_equal(rc, IGGY_OK);
        assert_int_equal(told.n, 2);
        assert_int_equal(told.at[0], 2);
        assert_int_equal(told.at[1], 6);
        assert_string_equal(told.why[1], "16 is not wanted");
    }
    assert_int_equal(give(l, 0, 0, 10), IGGY_OK); /* nobody asks */
    assert_int_equal(lines_of(path), 8 + 8 + 7);
    hg_plugin_lane_close(l);
    hg_plugin_close(p, 10000);
    unlink(path);
    seen_release(&s);
}

/* Gated, on l; what the gate then says. */
static int32_t give_gated(hg_plugin_lane_t *l, unsigned slot, unsigned n, bool pass)
{
    hg_err_t err = HG_ERR_INIT;
    int32_t rc = -99;
    hg_plugin_batch_t b = write_batch(l, slot, 10, n);
    b.gated = true;
    assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
    hg_plugin_gate(l, pass);
    assert_int_equal(hg_plugin_consumed(l, &rc, &err), 0);
    return rc;
}

static void test_nothing_leaves_before_the_gate_opens(void **state)
{
    (void)state;
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    char path[] = "/tmp/hg-sink-XXXXXX", config[256];
    close(mkstemp(path));
    seen_init(&s);
    snprintf(config, sizeof config, "{\"file\":\"%s\",\"gate\":1,\"reject\":1000}", path);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, true, config, "", &s);
    hg_plugin_lane_t *a, *b;
    assert_true(hg_plugin_gates(p));
    assert_int_equal(hg_plugin_lane_open(p, &a, &err), 0);
    assert_int_equal(hg_plugin_lane_open(p, &b, &err), 0);
    for (unsigned i = 0; i < 50; i++) assert_int_equal(give_gated(a, i % 2, 10, false), IGGY_ERR);
    assert_int_equal(lines_of(path), 0);
    int32_t rc = -99;
    hg_plugin_batch_t held = write_batch(a, 0, 10, 10); /* a waits, and b goes on */
    held.gated = true;
    assert_int_equal(hg_plugin_consume(a, &held, &err), 0);
    assert_int_equal(give_gated(b, 0, 7, true), IGGY_OK);
    assert_int_equal(give(b, 1, 10, 5), IGGY_OK); /* one without a gate */
    assert_int_equal(lines_of(path), 12);
    hg_plugin_gate(a, true);
    assert_int_equal(hg_plugin_consumed(a, &rc, &err), 0);
    assert_int_equal(rc, IGGY_OK);
    for (unsigned i = 0; i < 50; i++) assert_int_equal(give_gated(a, i % 2, 1, true), IGGY_OK);
    assert_int_equal(lines_of(path), 72);
    assert_int_equal(give_gated(a, 0, 0, true), IGGY_OK); /* nothing to send: it does not ask */
    assert_int_equal(give_gated(a, 0, 0, false), IGGY_OK);
    held = write_batch(a, 0, 10, 10);
    held.gated = true;
    assert_int_equal(hg_plugin_consume(a, &held, &err), 0);
    hg_plugin_kill(p); /* before its gate, or there */
    assert_int_equal(hg_plugin_consumed(a, &rc, &err), HG_ECLOSED);
    hg_plugin_gate(a, true);
    assert_int_equal(lines_of(path), 72);
    hg_plugin_lane_close(a);
    hg_plugin_lane_close(b);
    hg_plugin_close(p, 10000);
    p = open_one(HG_PLUGIN_SINK, false, config, "", &s);
    assert_false(hg_plugin_gates(p)); /* consume does not come back here */
    assert_int_equal(hg_plugin_lane_open(p, &a, &err), 0);
    assert_int_equal(give(a, 0, 10, 5), IGGY_OK);
    hg_plugin_lane_close(a);
    hg_plugin_close(p, 10000);
    p = open_one(HG_PLUGIN_SINK, true, "{}", "", &s);
    assert_false(hg_plugin_gates(p)); /* it says no */
    hg_plugin_close(p, 10000);
    unlink(path);
    seen_release(&s);
}

/* What a large batch took is given back, and the slot works on. */
static void large_batches(bool process)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, process, "{}", "", &s);
    hg_plugin_lane_t *a;
    assert_int_equal(hg_plugin_lane_open(p, &a, &err), 0);
    assert_int_equal(give(a, 0, 0, 100000), IGGY_OK);
    assert_int_equal(give(a, 0, 0, 10), IGGY_OK);
    hg_plugin_lane_rest(a);
    if (process) {
        uint8_t *room;
        assert_int_equal(hg_plugin_room(a, 0, 10, &room, &err), 0);
        assert_int_equal(room[0], 0); /* its pages are gone */
    }
    assert_int_equal(give(a, 0, 0, 10), IGGY_OK);
    assert_int_equal(give(a, 1, 10, 10), IGGY_OK);
    hg_plugin_lane_close(a);
    hg_plugin_close(p, 10000);
    seen_init(&s);
    p = open_one(HG_PLUGIN_SOURCE, process, "{\"messages\":10,\"payload\":2000000}", "", &s);
    assert_int_equal(hg_plugin_start(p, &err), 0);
    for (uint64_t n = 1; n <= 2; n++) {
        WAIT(&s, s.batches == n);
        assert_true(s.copy.len > 20000000);
        assert_int_equal(hg_plugin_result(p, n, true, &err), 0);
    }
    hg_plugin_close(p, 10000);
    seen_release(&s);
}

static void refusals(bool process)
{
    seen_t s;
    hg_plugin_t *p = NULL;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    g_seen = &s;
    assert_int_equal(try_open(HG_PLUGIN_SINK, process, "{\"open\":1,\"log\":1}", "", &s, &p, &err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "Plugin initialization failed (ID: "));
    WAIT(&s, s.logs == 1);
    assert_string_equal(s.logged, "2 scripted opened by script");
    g_lib = HG_TEST_SOURCE_DIR "/README.md";
    assert_int_equal(try_open(HG_PLUGIN_SINK, process, "{}", "", &s, &p, &err), HG_EIO);
    assert_non_null(strstr(err.msg, "README.md"));
    g_lib = HG_TEST_PLUGIN;
    g_seen = NULL;
    seen_release(&s);
}

#define BOTH(name)                                                                                                     \
    static void name##_here(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        name(false);                                                                                                   \
    }                                                                                                                  \
    static void name##_apart(void **state)                                                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        name(true);                                                                                                    \
    }
BOTH(source_runs)
BOTH(nacks_come_again)
BOTH(bad_batches_are_refused)
BOTH(sink_consumes)
BOTH(what_is_left_out)
BOTH(large_batches)
BOTH(refusals)

static void test_a_crash_is_the_plugins_alone(void **state)
{
    (void)state;
    seen_t s, other;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    seen_init(&other);
    hg_plugin_t *p = open_one(HG_PLUGIN_SOURCE, true, "{\"crash_at\":2}", "", &s);
    hg_plugin_t *q = open_one(HG_PLUGIN_SINK, true, "{}", "", &other);
    hg_plugin_lane_t *l;
    assert_int_equal(hg_plugin_lane_open(q, &l, &err), 0);
    assert_int_equal(hg_plugin_start(p, &err), 0);
    WAIT(&s, s.batches == 1);
    int told = hg_plugin_result(p, 1, true, &err); /* it may die of the next batch before it has answered */
    assert_true(told == 0 || told == HG_ECLOSED);
    WAIT(&s, s.died == 1);
    WAIT(&other, other.died == 1); /* the library's process was theirs together */
    assert_string_equal(s.how, "killed by signal 6");
    hg_plugin_batch_t b = write_batch(l, 0, 0, 1);
    int32_t rc;
    told = hg_plugin_consume(l, &b, &err); /* may have heard of it already */
    if (told == 0) told = hg_plugin_consumed(l, &rc, &err);
    assert_int_equal(told, HG_ECLOSED);
    assert_true(err.retry);
    hg_plugin_lane_close(l);
    hg_plugin_close(q, 10000);
    hg_plugin_t *again = open_one(HG_PLUGIN_SOURCE, true, "{}", s.state, &other); /* a new process, p is not closed */
    assert_int_equal(hg_plugin_result(p, 2, true, &err), HG_ECLOSED);
    hg_plugin_close(p, 10000);
    assert_int_equal(hg_plugin_start(again, &err), 0);
    WAIT(&other, other.batches == 1);
    assert_string_equal(other.state, "20");
    hg_plugin_close(again, 10000);
    seen_release(&s);
    seen_release(&other);
}

static void test_a_crash_in_consume(void **state)
{
    (void)state;
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, true, "{\"crash_at\":2}", "", &s);
    hg_plugin_lane_t *l;
    assert_int_equal(hg_plugin_lane_open(p, &l, &err), 0);
    assert_int_equal(give(l, 0, 0, 3), IGGY_OK);
    hg_plugin_batch_t b = write_batch(l, 1, 0, 1);
    int32_t rc;
    assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
    assert_int_equal(hg_plugin_consumed(l, &rc, &err), HG_ECLOSED);
    assert_non_null(strstr(err.msg, "killed by signal 6"));
    hg_plugin_lane_close(l);
    hg_plugin_close(p, 10000);
    seen_release(&s);
}

static void test_what_hangs_is_killed(void **state)
{
    (void)state;
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_plugin_t *p = open_one(HG_PLUGIN_SINK, true, "{\"slow_ms\":100000}", "", &s);
    hg_plugin_lane_t *l;
    assert_int_equal(hg_plugin_lane_open(p, &l, &err), 0);
    hg_plugin_batch_t b = write_batch(l, 0, 0, 1);
    int32_t rc;
    assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
    hg_plugin_kill(p);
    assert_int_equal(hg_plugin_consumed(l, &rc, &err), HG_ECLOSED);
    hg_plugin_lane_close(l);
    hg_plugin_close(p, 10000);

    p = open_one(HG_PLUGIN_SINK, true, "{\"slow_ms\":100000}", "", &s);
    assert_int_equal(hg_plugin_lane_open(p, &l, &err), 0);
    b = write_batch(l, 0, 0, 1);
    assert_int_equal(hg_plugin_consume(l, &b, &err), 0);
    hg_plugins_kill(g_plugins);
    assert_int_equal(hg_plugin_consumed(l, &rc, &err), HG_ECLOSED);
    hg_plugin_lane_close(l);
    hg_plugin_close(p, 10000);
    seen_release(&s);
}

/* However it dies, its host's end is heard of: also of one that closed what it talks through, or left a child behind
 * that has the same socket. */
static void test_ways_to_die(void **state)
{
    (void)state;
    static const char *const ways[][2] = { { "segv", "killed by signal 11" },
                                           { "exit", "exit code 7" },
                                           { "close", NULL },
                                           { "fork", "killed by signal 6" } };
    char fifo[] = "/tmp/hg-hold-XXXXXX", config[256];
    const char *options = getenv("TSAN_OPTIONS"); /* a plugin that calls exit() leaves the host's threads behind */
    char *without = hg_xprintf("%s report_thread_leaks=0", options ? options : "");
    char *before = options ? hg_xstrdup(options) : NULL;
    setenv("TSAN_OPTIONS", without, 1);
    close(mkstemp(fifo));
    unlink(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int hold = open(fifo, O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < HG_COUNT(ways); i++) {
        seen_t s;
        hg_err_t err = HG_ERR_INIT;
        seen_init(&s);
        snprintf(config, sizeof config, "{\"crash_at\":1,\"crash\":\"%s\",\"hold\":\"%s\"}", ways[i][0], fifo);
        hg_plugin_t *p = open_one(HG_PLUGIN_SOURCE, true, config, "", &s);
        int told = hg_plugin_start(p, &err); /* it may have died before it has answered */
        assert_true(told == 0 || told == HG_ECLOSED);
        WAIT(&s, s.died == 1);
        if (ways[i][1]) assert_string_equal(s.how, ways[i][1]);
        hg_plugin_close(p, 10000);
        seen_release(&s);
    }
    if (before)
        setenv("TSAN_OPTIONS", before, 1);
    else
        unsetenv("TSAN_OPTIONS");
    hg_free(before);
    hg_free(without);
    close(hold);
    unlink(fifo);
}

/* What the system lacks now it may have later: no call ends the process, none waits for ever. */
static void test_no_thread(void **state)
{
    (void)state;
    seen_t s;
    hg_plugin_t *p = NULL;
    hg_err_t err = HG_ERR_INIT;
    seen_init(&s);
    hg_fault_arm(HG_FAULT_THREAD, 1); /* the owner's, who hears the host */
    assert_true(try_open(HG_PLUGIN_SINK, true, "{}", "", &s, &p, &err) < 0);
    assert_non_null(strstr(err.msg, "no thread for a plugin's process: "));
    assert_true(err.retry);
    hg_fault_arm(HG_FAULT_THREAD, 0);
    setenv("HG_FAULT", "thread:1", 1); /* the host's, for the first call */
    assert_int_equal(try_open(HG_PLUGIN_SINK, true, "{}", "", &s, &p, &err), HG_ECLOSED);
    unsetenv("HG_FAULT");
    assert_non_null(strstr(err.msg, "exit code 4"));
    assert_true(err.retry);
    p = open_one(HG_PLUGIN_SOURCE, false, "{}", "", &s);
    hg_fault_arm(HG_FAULT_THREAD, 1); /* handle_v2's */
    assert_true(hg_plugin_start(p, &err) < 0 && err.retry);
    hg_fault_arm(HG_FAULT_THREAD, 0);
    hg_plugin_close(p, 10000);
    seen_release(&s);
}

static void touch(const char *dir, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void test_paths(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out;
    char dir[] = "/tmp/hg-plugin-XXXXXX", given[300], want[300], cwd[PATH_MAX];
    hg_buf_init(&out, PATH_MAX);
    assert_non_null(mkdtemp(dir));
    touch(dir, "name.so");
    touch(dir, "name.v2.so");
    snprintf(want, sizeof want, "%s/name.so", dir);
    snprintf(given, sizeof given, "%s/name", dir);
    assert_int_equal(hg_plugin_resolve(given, &out, &err), 0);
    assert_string_equal(out.p, want);
    assert_int_equal(hg_plugin_resolve(want, &out, &err), 0);
    assert_string_equal(out.p, want);
    snprintf(given, sizeof given, "%s/name.v2", dir);
    assert_int_equal(hg_plugin_resolve(given, &out, &err), 0);
    assert_non_null(strstr(out.p, "name.v2.so"));
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(hg_plugin_resolve("target/release/name", &out, &err), 0); /* by its file name */
    assert_string_equal(out.p, "./name.so");
    assert_int_equal(hg_plugin_resolve("name", &out, &err), 0);
    assert_string_equal(out.p, "name.so");
    assert_int_equal(hg_plugin_resolve("lib/absent", &out, &err), HG_ENOTFOUND);
    assert_non_null(strstr(err.msg, "'lib/absent.so'"));
    assert_non_null(strstr(err.msg, "/usr/local/lib64"));
    assert_int_equal(hg_plugin_resolve("/absent", &out, &err), HG_ENOTFOUND);
    assert_string_equal(err.msg, "there is no plugin '/absent.so'");
    assert_int_equal(chdir(cwd), 0);
    unlink(want);
    snprintf(want, sizeof want, "%s/name.v2.so", dir);
    unlink(want);
    rmdir(dir);
    hg_buf_release(&out);
}

static int begin(void **state)
{
    (void)state;
    hg_fault_arm(HG_FAULT_THREAD, 0); /* HG_FAULT is for hosts from here on: this process has read it */
    g_plugins = hg_plugins_new(NULL, on_log, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hg_plugins_free(g_plugins);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "iggy-plugin") == 0) return hg_plugin_host_main(argc - 1, argv + 1);
#define PAIR(name) cmocka_unit_test(name##_here), cmocka_unit_test(name##_apart)
    const struct CMUnitTest tests[] = {
        PAIR(source_runs),
        PAIR(nacks_come_again),
        PAIR(bad_batches_are_refused),
        PAIR(sink_consumes),
        PAIR(what_is_left_out),
        PAIR(large_batches),
        PAIR(refusals),
        cmocka_unit_test(test_nothing_leaves_before_the_gate_opens),
        cmocka_unit_test(test_a_crash_is_the_plugins_alone),
        cmocka_unit_test(test_a_crash_in_consume),
        cmocka_unit_test(test_what_hangs_is_killed),
        cmocka_unit_test(test_ways_to_die),
        cmocka_unit_test(test_no_thread),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
