/* test_run.c: runs of sources and sinks on scripted plugins and a played broker: what is stored when, and what becomes
 * of what fails.
 * test-labels: threads */
#include "tests/unit/iggy_runtime/broker.h"

#include "base/durable.h"
#include "base/fault.h"
#include "base/log.h"
#include "iggy/runtime/sink_int.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_dir[] = "/tmp/hg-run-XXXXXX";
static hg_loop_t *g_io;
static hg_plugins_t *g_plugins;
static uint32_t g_id;

/* A connector of the test's, and what its run told. */
typedef struct subject {
    hg_iggy_runtime_config_t *runtime;
    hg_iggy_provider_t *provider;
    hg_iggy_connector_config_t *config;
    hg_rt_stats_t stats;
    hg_run_t *run;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned opened, ready, trouble, well, exited;
    hg_run_how_t how;
    char last[sizeof((hg_err_t *)0)->msg];
} subject_t;

static void on_event(void *arg, hg_run_event_t *e)
{
    subject_t *s = arg;
    pthread_mutex_lock(&s->lock);
    s->opened += e->kind == HG_RUN_OPENED;
    s->ready += e->kind == HG_RUN_READY;
    s->trouble += e->kind == HG_RUN_TROUBLE;
    s->well += e->kind == HG_RUN_WELL;
    s->exited += e->kind == HG_RUN_EXITED;
    s->how = e->how;
    if (e->err.code) snprintf(s->last, sizeof s->last, "%s", e->err.msg);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

#define WAIT(s, cond)                                                                                                  \
    do {                                                                                                               \
        pthread_mutex_lock(&(s)->lock);                                                                                \
        while (!(cond)) pthread_cond_wait(&(s)->changed, &(s)->lock);                                                  \
        pthread_mutex_unlock(&(s)->lock);                                                                              \
    } while (0)

static char *at(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void on_note(void *arg, const hg_iggy_note_t *note)
{
    (void)arg;
    if (!note->warning) fail_msg("%s:%u: %s", note->file, note->line, note->msg);
}

static hg_run_spec_t spec_of(subject_t *s)
{
    return (hg_run_spec_t){ .io = g_io,
                            .plugins = g_plugins,
                            .runtime = s->runtime,
                            .config = s->config,
                            .stats = &s->stats,
                            .path = HG_TEST_PLUGIN,
                            .id = ++g_id,
                            .event = on_event,
                            .arg = s };
}

static const char *g_isolation = "thread";
static hg_run_t *g_stopped;

/* more: TOML behind the streams; plugin: what stands in [plugin_config]. */
static void start(subject_t *s, hg_iggy_kind_t kind, const char *more, const char *plugin)
{
    static const char *const no_env[] = { NULL };
    hg_iggy_notes_t notes = { .fn = on_note };
    hg_err_t err = HG_ERR_INIT;
    char text[2048];
    *s = (subject_t){ .exited = 0 };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    snprintf(text, sizeof text,
             "type = \"%s\"\nkey = \"it\"\nenabled = true\nversion = 0\nname = \"it\"\npath = \"x\"\nisolation = "
             "\"%s\"\n[[streams]]\nstream = \"s\"\n%s\nschema = \"json\"\nbatch_length = 10\n%s\n[plugin_config]\n%s\n",
             hg_iggy_kind_name(kind), g_isolation,
             kind == HG_IGGY_SINK ? "topics = [\"t\"]" : "topic = \"t\"\nlinger_time = \"0\"", more, plugin);
    mkdir(at("conf"), 0700);
    put("conf/it.toml", text);
    snprintf(text, sizeof text,
             "[connectors]\nconfig_type = \"local\"\nconfig_dir = \"%s/conf\"\n[state]\npath = \"%s\"\n", g_dir, g_dir);
    put("config.toml", text);
    assert_int_equal(hg_iggy_runtime_load(at("config.toml"), no_env, notes, &s->runtime, &err), 0);
    assert_int_equal(hg_iggy_provider_new(s->runtime, notes, &s->provider, &err), 0);
    assert_int_equal(hg_iggy_provider_active_one(s->provider, kind, "it", &s->config, &err), 0);
    if (s->config->error) fail_msg("%s", s->config->error);
    hg_run_spec_t spec = spec_of(s);
    s->run = hg_run_start(&spec);
}

static void end(subject_t *s)
{
    WAIT(s, s->exited);
    hg_run_free(s->run);
    hg_iggy_connector_unref(s->config);
    hg_iggy_provider_free(s->provider);
    hg_iggy_runtime_config_free(s->runtime);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

static uint64_t counted(subject_t *s, hg_rt_counter_t c)
{
    return atomic_load(&s->stats.counter[c]);
}

static void expect_file(const char *name, const char *text)
{
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, 1 << 20);
    assert_int_equal(hg_file_read(at(name), &b, &err), 0);
    assert_string_equal(b.p, text);
    hg_buf_release(&b);
}

static void expect_topic(uint32_t n)
{
    assert_int_equal(g_b.n, n);
    for (uint32_t i = 0; i < n; i++) {
        char want[32];
        snprintf(want, sizeof want, "{\"n\":%u}", i);
        assert_string_equal(g_b.topic[i].payload, want);
    }
}

/* --- sources --- */
static void test_source_to_its_end(void **state)
{
    (void)state;
    subject_t s;
    start(&s, HG_IGGY_SOURCE, "", "messages = 250\nbatches = 4\nempty = 2");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_ENDED);
    assert_int_equal(s.trouble, 0);
    expect_topic(1000);
    expect_file("source_it.state", "1000");
    assert_int_equal(counted(&s, HG_RT_TAKEN), 1000);
    assert_int_equal(counted(&s, HG_RT_DELIVERED), 1000);
    end(&s);
    start(&s, HG_IGGY_SOURCE, "", "messages = 250\nbatches = 6"); /* from its state */
    end(&s);
    expect_topic(1500);
}

static void test_source_is_refused(void **state)
{
    (void)state;
    subject_t s;
    g_b.refuse = 2;
    start(&s, HG_IGGY_SOURCE, "", "messages = 50\nbatches = 3");
    WAIT(&s, s.exited);
    expect_topic(150); /* nothing of what was refused, nothing twice */
    assert_int_equal(s.trouble, 2);
    assert_int_equal(s.well, 1);
    assert_string_equal(s.last, "the test refuses");
    expect_file("source_it.state", "150");
    end(&s);
}

/* A state that is not on disk is no ack: the batch comes again. */
static void test_source_state_fails(void **state)
{
    (void)state;
    subject_t s;
    hg_fault_arm(HG_FAULT_FSYNC, 1);
    start(&s, HG_IGGY_SOURCE, "", "messages = 50\nbatches = 2");
    WAIT(&s, s.exited);
    hg_fault_arm(HG_FAULT_FSYNC, 0);
    assert_int_equal(s.trouble, 1);
    assert_int_equal(g_b.n, 150);
    expect_file("source_it.state", "100");
    end(&s);
}

/* Told to stop, a batch that is under way is brought to its end. */
static void test_source_stops_behind_its_batch(void **state)
{
    (void)state;
    subject_t s;
    g_b.hold = true;
    start(&s, HG_IGGY_SOURCE, "", "messages = 50");
    BROKER_WAIT(g_b.held == 50);
    hg_run_stop(s.run);
    hg_loop_call(g_io, producer_release, NULL);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_int_equal(g_b.n, 50);
    expect_file("source_it.state", "50");
    end(&s);
}

/* Ahead of results: each number is there, those behind a refusal again. */
static void expect_all(uint32_t n)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < g_b.n; i++) {
        uint32_t v = (uint32_t)strtoul(g_b.topic[i].payload + strlen("{\"n\":"), NULL, 10);
        assert_true(v < n);
        next += v == next; /* the first one of each, in order */
    }
    assert_int_equal(next, n);
}

static void test_source_ahead(void **state)
{
    (void)state;
    subject_t s;
    start(&s, HG_IGGY_SOURCE, "", "messages = 25\nbatches = 40\nahead = 1");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_ENDED);
    assert_int_equal(s.trouble, 0);
    expect_topic(1000);
    expect_file("source_it.state", "1000");
    assert_int_equal(counted(&s, HG_RT_DELIVERED), 1000);
    end(&s);
    start(&s, HG_IGGY_SOURCE, "", "messages = 25\nbatches = 60\nahead = 1"); /* from its state */
    end(&s);
    expect_topic(1500);
}

static void test_source_ahead_is_refused(void **state)
{
    (void)state;
    subject_t s;
    g_b.refuse = 5;
    start(&s, HG_IGGY_SOURCE, "", "messages = 50\nbatches = 30\nahead = 1");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_ENDED);
    assert_true(s.trouble >= 1 && s.well >= 1);
    expect_all(1500);
    expect_file("source_it.state", "1500");
    end(&s);
}

static void test_source_ahead_state_fails(void **state)
{
    (void)state;
    subject_t s;
    hg_fault_arm(HG_FAULT_FSYNC, 1);
    start(&s, HG_IGGY_SOURCE, "", "messages = 50\nbatches = 20\nahead = 1");
    WAIT(&s, s.exited);
    hg_fault_arm(HG_FAULT_FSYNC, 0);
    assert_int_equal(s.trouble, 1);
    expect_all(1000);
    assert_true(g_b.n >= 1050); /* what it was for is there twice */
    expect_file("source_it.state", "1000");
    end(&s);
}

/* What is here when it is told to stop is brought to its end, and nothing comes behind it. */
static void test_source_ahead_stops_behind_its_batches(void **state)
{
    (void)state;
    subject_t s;
    char text[16];
    g_b.hold = true;
    start(&s, HG_IGGY_SOURCE, "", "messages = 20\nahead = 1");
    BROKER_WAIT(g_b.held >= 20);
    hg_run_stop(s.run);
    hg_loop_call(g_io, producer_release, NULL);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_true(g_b.n >= 20 && g_b.n <= HG_PLUGIN_AHEAD * 20);
    expect_topic(g_b.n);
    snprintf(text, sizeof text, "%u", g_b.n);
    expect_file("source_it.state", text);
    end(&s);
}

static void test_source_with_a_bad_record(void **state)
{
    (void)state;
    subject_t s;
    start(&s, HG_IGGY_SOURCE, "[errors]\non_record = \"dead_letter\"\ndead_letter_topic = \"dead\"",
          "messages = 3\nbatches = 1\nschema = 5"); /* Avro's bytes are no JSON to encode */
    WAIT(&s, s.exited);
    assert_int_equal(g_b.n, 0);
    assert_int_equal(g_b.n_dead, 3);
    assert_string_equal(g_b.dead[2].payload, "{\"n\":2}");
    assert_int_equal(counted(&s, HG_RT_DEAD_LETTERS), 3);
    end(&s);
}

static void producer_die(void *arg)
{
    hg_err_t err;
    (void)arg;
    hg_err_set(&err, HG_EPERM, "the password is wrong");
    g_b.producer->ops->fatal(g_b.producer->arg, &err);
}

static void test_source_whose_connection_is_over(void **state)
{
    (void)state;
    subject_t s;
    g_b.hold = true;
    start(&s, HG_IGGY_SOURCE, "", "messages = 50");
    BROKER_WAIT(g_b.held == 50);
    hg_loop_call(g_io, producer_die, NULL);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_string_equal(s.last, "the password is wrong");
    end(&s);
}

/* It was over before there was a batch: the reason is told all the same. */
static void test_source_whose_password_is_wrong(void **state)
{
    (void)state;
    subject_t s;
    g_b.wrong_password = true;
    start(&s, HG_IGGY_SOURCE, "", "messages = 50");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_string_equal(s.last, "the password is wrong");
    end(&s);
}

static void test_source_that_does_not_open(void **state)
{
    (void)state;
    subject_t s;
    start(&s, HG_IGGY_SOURCE, "", "messages = 3\nschema = 5\nopen = 1");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_non_null(strstr(s.last, "Invalid configuration: Plugin initialization failed (ID: "));
    end(&s);
}

/* What the disk does not give now it may give later. */
static void test_source_whose_state_cannot_be_read(void **state)
{
    (void)state;
    subject_t s;
    assert_int_equal(mkdir(at("source_it.state"), 0700), 0);
    start(&s, HG_IGGY_SOURCE, "", "messages = 3");
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_non_null(strstr(s.last, "Failed to load source state: "));
    end(&s);
    rmdir(at("source_it.state"));
}

static int each(void **state);

/* --- sinks --- */
static uint64_t lines(void)
{
    FILE *f = fopen(at("out"), "r");
    uint64_t n = 0;
    if (!f) return 0;
    for (int c; (c = fgetc(f)) != EOF;) n += c == '\n';
    fclose(f);
    return n;
}

/* What is stored is with the plugin, and it has been given nothing beyond. */
static void exactly_so_far(uint64_t offset)
{
    assert_int_equal(lines(), offset + 1);
}

static const char *to_file(const char *more)
{
    static char text[256];
    snprintf(text, sizeof text, "file = \"%s/out\"\n%s", g_dir, more);
    return text;
}

static void fill(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%u}", i);
        broker_put(text);
    }
}

/* A plugin in its process, which stops at gates; a poll brings four batches. */
static void start_gated(subject_t *s, const char *plugin)
{
    g_isolation = "process";
    g_b.many = true;
    start(s, HG_IGGY_SINK, "[errors]\nbackoff = \"1ms\"", to_file(plugin));
}

static void stores_behind_the_plugin(bool gated)
{
    subject_t s;
    fill(995);
    g_b.on_commit = exactly_so_far;
    if (gated)
        start_gated(&s, "gate = 1\nfail_every = 3");
    else
        start(&s, HG_IGGY_SINK, "[errors]\nbackoff = \"1ms\"", to_file("fail_every = 3"));
    BROKER_WAIT(g_b.stored_offset == 995);
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_int_equal(lines(), 995);
    assert_int_equal(g_b.commits, 100);
    assert_int_equal(counted(&s, HG_RT_DELIVERED), 995);
    assert_true(counted(&s, HG_RT_RETRIES) >= 33);
    end(&s);
}

static void test_sink_stores_behind_the_plugin(void **state)
{
    (void)state;
    stores_behind_the_plugin(false);
}

static void test_sink_gated(void **state)
{
    (void)state;
    stores_behind_the_plugin(true);
}

/* The gate of the batch behind one that is stored, where the first is not wanted any more: told to stop, revoked, or
 * the server says with the answer that the partition is another member's. */
static void stop_now(uint64_t offset)
{
    if (offset == 29) hg_run_stop(g_stopped);
}

static void revoke_at_29(uint64_t offset)
{
    if (offset == 29) hg_loop_post(g_io, consumer_revoke, NULL);
}

static void test_sink_gate_is_refused(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        subject_t s;
        each(NULL);
        fill(100);
        if (how == 1) g_b.on_commit = revoke_at_29;
        if (how == 2) g_b.refuse_code = HG_IGGY_E_PARTITION_NOT_OWNED;
        pthread_mutex_lock(&g_b.lock); /* until the run is known to stop_now */
        if (how == 0) g_b.on_commit = stop_now;
        start_gated(&s, "gate = 1");
        g_stopped = s.run;
        pthread_mutex_unlock(&g_b.lock);
        if (how == 0) WAIT(&s, s.exited);
        BROKER_WAIT(how == 2 ? g_b.refused == 1 : g_b.stored_offset >= 30);
        if (how > 0) hg_loop_call(g_io, consumer_revoke, NULL); /* it has run by then, if not, it runs once more */
        hg_run_stop(s.run);
        WAIT(&s, s.exited);
        assert_int_equal(s.how, HG_RUN_STOPPED);
        assert_int_equal(g_b.stored_offset, how == 2 ? 20 : 30);
        assert_int_equal(lines(), 30); /* nothing of what the plugin had beyond */
        end(&s);
    }
}

static void test_sink_stops_on_a_fatal_answer(void **state)
{
    (void)state;
    subject_t s;
    fill(100);
    start(&s, HG_IGGY_SINK, "", to_file("fatal_at = 4"));
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FATAL);
    assert_non_null(strstr(s.last, "refused a batch (-1) in attempt 1; stopped before offset 30 of partition 0"));
    assert_int_equal(g_b.stored_offset, 30);
    assert_int_equal(lines(), 30);
    end(&s);
}

static void test_sink_gives_up_by_policy(void **state)
{
    (void)state;
    subject_t s;
    fill(30);
    start(&s, HG_IGGY_SINK,
          "[errors]\nretries = 2\nbackoff = \"1ms\"\non_exhausted = \"dead_letter\"\ndead_letter_topic = \"dead\"",
          to_file("fail_every = 1"));
    BROKER_WAIT(g_b.stored_offset == 30);
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(g_b.n_dead, 30);
    assert_int_equal(lines(), 0);
    assert_int_equal(counted(&s, HG_RT_RETRIES), 6);
    assert_string_equal(g_b.dead[29].payload, "{\"n\":29}");
    hg_str_t headers = { g_b.dead[29].headers, g_b.dead[29].headers_n };
    hg_iggy_header_t h;
    hg_err_t err = HG_ERR_INIT;
    unsigned known = 0;
    while (hg_iggy_header_next(&headers, &h, &err) > 0) {
        if (hg_str_eqz(h.key, "headgate-error"))
            known += hg_str_eqz(h.value, "the plugin refused a batch (1) in attempt 3");
        if (hg_str_eqz(h.key, "headgate-offset")) known += h.value.n == 8 && h.value.p[0] == 29;
        if (hg_str_eqz(h.key, "headgate-topic")) known += hg_str_eqz(h.value, "t");
    }
    assert_int_equal(known, 3);
    end(&s);
}

static void test_sink_bad_records(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        hg_run_how_t how;
        uint64_t lines, stored, dead;
    } cases[] = {
        { "skip", HG_RUN_STOPPED, 2, 3, 0 },
        { "dead_letter\"\ndead_letter_topic = \"dead", HG_RUN_STOPPED, 2, 3, 1 },
        { "fail", HG_RUN_FATAL, 0, 0, 0 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        subject_t s;
        char more[128];
        broker_clear();
        unlink(at("out"));
        broker_put("{\"n\":0}");
        broker_put("{\"n\":");
        broker_put("{\"n\":1}");
        snprintf(more, sizeof more, "[errors]\non_record = \"%s\"", cases[i].policy);
        start(&s, HG_IGGY_SINK, more, to_file(""));
        if (cases[i].how == HG_RUN_STOPPED) {
            BROKER_WAIT(g_b.stored_offset == 3);
            hg_run_stop(s.run);
        }
        WAIT(&s, s.exited);
        assert_int_equal(s.how, cases[i].how);
        assert_int_equal(lines(), cases[i].lines);
        assert_int_equal(g_b.stored_offset, cases[i].stored);
        assert_int_equal(g_b.n_dead, cases[i].dead);
        end(&s);
    }
}

/* What the plugin leaves out of batches that it takes is as bad as what cannot be decoded. */
static void test_sink_left_out_by_the_plugin(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        hg_run_how_t how;
        uint64_t lines, stored, dead, skipped;
    } cases[] = {
        { "skip", HG_RUN_STOPPED, 27, 30, 0, 3 },
        { "dead_letter\"\ndead_letter_topic = \"dead", HG_RUN_STOPPED, 27, 30, 3, 0 },
        { "fail", HG_RUN_FATAL, 9, 0, 0, 0 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        subject_t s;
        char more[128];
        broker_clear();
        unlink(at("out"));
        fill(30);
        /* Every second call fails, and what it left out is not left out by that. */
        snprintf(more, sizeof more, "[errors]\nbackoff = \"1ms\"\non_record = \"%s\"", cases[i].policy);
        start(&s, HG_IGGY_SINK, more, to_file("fail_every = 2\nreject = 10"));
        if (cases[i].how == HG_RUN_STOPPED) {
            BROKER_WAIT(g_b.stored_offset == 30);
            hg_run_stop(s.run);
        }
        WAIT(&s, s.exited);
        assert_int_equal(s.how, cases[i].how);
        assert_int_equal(lines(), cases[i].lines);
        assert_int_equal(g_b.stored_offset, cases[i].stored);
        assert_int_equal(g_b.n_dead, cases[i].dead);
        assert_int_equal(counted(&s, HG_RT_SKIPPED), cases[i].skipped);
        assert_int_equal(counted(&s, HG_RT_DEAD_LETTERS), cases[i].dead);
        if (cases[i].how == HG_RUN_FATAL)
            assert_string_equal(s.last, "consume of offset 0, partition 0: 0 is not wanted");
        if (cases[i].dead) assert_string_equal(g_b.dead[2].payload, "{\"n\":20}");
        end(&s);
    }
}

/* The connection is lost over a commit: the lane goes on when it knows what that means, and gives the plugin nothing
 * that comes again but for the batch that was not stored. */
static void not_told_yet(void *arg)
{
    hg_lane_t *l = arg;
    pthread_mutex_lock(&l->run->bell.lock);
    bool told = l->committed;
    pthread_mutex_unlock(&l->run->bell.lock);
    assert_false(told);
}

static void test_sink_whose_commit_is_lost(void **state)
{
    (void)state;
    subject_t s;
    fill(100);
    g_b.lose_commit = 29;
    g_b.on_lost = not_told_yet;
    start(&s, HG_IGGY_SINK, "", to_file(""));
    BROKER_WAIT(g_b.stored_offset == 100);
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_int_equal(lines(), 110);
    assert_int_equal(counted(&s, HG_RT_DELIVERED), 110);
    assert_int_equal(g_b.commits, 10);
    end(&s);
}

/* A partition that went to another member: what is queued is not given, what is done is not stored. */
static void revoke_now(uint64_t offset)
{
    if (offset == 29) hg_loop_post(g_io, consumer_revoke, NULL);
}

static void test_sink_loses_its_partition(void **state)
{
    (void)state;
    subject_t s;
    fill(100);
    g_b.on_commit = revoke_now;
    start(&s, HG_IGGY_SINK, "", to_file(""));
    BROKER_WAIT(g_b.stored_offset == 30);
    hg_loop_call(g_io, consumer_revoke, NULL); /* it has run by then, if not, it runs once more */
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_int_equal(g_b.stored_offset, 30);
    assert_true(lines() <= 40); /* at most one batch was with the plugin already */
    end(&s);
}

static void test_sink_whose_connection_is_over(void **state)
{
    (void)state;
    subject_t s;
    fill(20);
    start(&s, HG_IGGY_SINK, "", to_file(""));
    BROKER_WAIT(g_b.stored_offset == 20);
    hg_loop_call(g_io, consumer_die, NULL);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_string_equal(s.last, "the password is wrong");
    end(&s);
}

/* A lane that is over before anybody looks after it. */
static void over_before(void *what)
{
    hg_sink_t *sink = what;
    BROKER_WAIT(g_b.consumer != NULL);
    hg_loop_call(g_io, consumer_die, NULL);
    pthread_mutex_lock(&sink->run->bell.lock);
    while (!sink->lanes[0].over) hg_bell_wait_until(&sink->run->bell, INT64_MAX);
    pthread_mutex_unlock(&sink->run->bell.lock);
}

static void test_sink_whose_lane_is_over_early(void **state)
{
    (void)state;
    subject_t s;
    hg_point_arm("sink_lanes", over_before);
    start(&s, HG_IGGY_SINK, "", to_file(""));
    WAIT(&s, s.exited);
    hg_point_arm("sink_lanes", NULL);
    assert_int_equal(s.how, HG_RUN_FAILED);
    assert_string_equal(s.last, "the password is wrong");
    end(&s);
}

/* The connector's own thread, then a sink's lanes, the second one too: a failure like any other, tried again by the
 * runtime. */
static void test_no_thread(void **state)
{
    (void)state;
    static const struct {
        hg_iggy_kind_t kind;
        const char *more, *last;
        uint64_t fails;
    } cases[] = {
        { HG_IGGY_SINK, "", "no thread for a connector: ", 1 },
        { HG_IGGY_SINK, "", "no thread for a sink's topic: ", 2 },
        { HG_IGGY_SINK, "[[streams]]\nstream = \"s\"\ntopics = [\"u\"]\nschema = \"json\"",
          "no thread for a sink's topic: ", 3 },
        { HG_IGGY_SOURCE, "", "no thread for the plugin: ", 2 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        subject_t s;
        hg_fault_arm(HG_FAULT_THREAD, cases[i].fails);
        start(&s, cases[i].kind, cases[i].more, cases[i].kind == HG_IGGY_SINK ? to_file("") : "");
        WAIT(&s, s.exited);
        hg_fault_arm(HG_FAULT_THREAD, 0);
        assert_int_equal(s.how, HG_RUN_FAILED);
        assert_non_null(strstr(s.last, cases[i].last));
        end(&s);
    }
}

/* What is left of a poll that was split counts with its bytes: five large messages are a batch of their own. */
static void test_sink_gathers_by_bytes_behind_a_split(void **state)
{
    (void)state;
    subject_t s;
    char large[1200];
    fill(25);
    memset(large, ' ', sizeof large - 1);
    large[sizeof large - 1] = 0;
    for (unsigned i = 25; i < 30; i++) {
        int n = snprintf(large, sizeof large, "{\"n\":%u}", i);
        large[n] = ' ';
        broker_put(large);
    }
    start(&s, HG_IGGY_SINK, "", to_file("want_messages = 25\nwant_bytes = 5000"));
    BROKER_WAIT(g_b.stored_offset == 30);
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(g_b.commits, 2);
    assert_int_equal(lines(), 30);
    end(&s);
}

/* Told to stop while a batch is repeated: it is not stored, and the run ends at once. */
static void test_sink_stops_between_attempts(void **state)
{
    (void)state;
    subject_t s;
    fill(20);
    start(&s, HG_IGGY_SINK, "[errors]\nbackoff = \"1h\"\nmax_backoff = \"1h\"", to_file("fail_every = 2"));
    BROKER_WAIT(g_b.stored_offset == 10);
    hg_run_stop(s.run);
    WAIT(&s, s.exited);
    assert_int_equal(s.how, HG_RUN_STOPPED);
    assert_int_equal(g_b.stored_offset, 10);
    assert_int_equal(lines(), 10);
    end(&s);
}

/* --- headers --- */
static void test_headers_there_and_back(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t wire, scratch, back;
    hg_rt_headers_t h = { .n = 0 };
    uint32_t n = 0;
    hg_buf_init(&wire, 1 << 16), hg_buf_init(&scratch, 1 << 16), hg_buf_init(&back, 1 << 16);
    for (uint8_t kind = 1; kind <= 17; kind++) { /* two that postcard does not know */
        char value[] = { 'v', (char)kind };
        hg_iggy_header_t one = { HG_IGGY_H_STRING, kind, HG_S("key"), { value, 2 } };
        assert_int_equal(hg_iggy_header_add(&wire, &one, &err), 0);
    }
    assert_int_equal(hg_rt_headers_from_wire(&h, hg_buf_str(&wire), &n, &err), 0);
    assert_int_equal(n, 15);
    uint8_t map[2048];
    hg_pc_out_t o = { map, map + sizeof map };
    hg_pc_put_headers(&o, h.v, n);
    assert_int_equal(
        hg_rt_headers_to_wire((hg_str_t){ (const char *)map + 1, (size_t)(o.p - map) - 1 }, n, &scratch, &back, &err),
        0);
    assert_true(back.len < wire.len && memcmp(back.p, wire.p, back.len) == 0);
    hg_free(h.v);
    hg_buf_release(&wire), hg_buf_release(&scratch), hg_buf_release(&back);
}

/* More than a message may have: the message's failure, before anything of its batch is sent. */
static void test_too_many_headers(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t scratch, out;
    static char text[255];
    static hg_pc_header_t h[400];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < HG_COUNT(h); i++)
        h[i] = (hg_pc_header_t){ { 1, HG_S("key") }, { 1, { text, sizeof text } } };
    hg_buf_init(&scratch, HG_BUF_NOMAX), hg_buf_init(&out, HG_BUF_NOMAX);
    for (uint32_t n = 370; n <= 400; n += 30) {
        size_t cap = hg_pc_headers_bound(h, n);
        uint8_t *map = hg_xnew(cap);
        hg_pc_out_t o = { map, map + cap };
        hg_pc_put_headers(&o, h, n);
        hg_str_t raw = { (const char *)map + 2, (size_t)(o.p - map) - 2 };
        hg_buf_clear(&out);
        assert_int_equal(hg_rt_headers_to_wire(raw, n, &scratch, &out, &err), n == 370 ? 0 : HG_ETOOBIG);
        hg_free(map);
    }
    hg_buf_release(&scratch), hg_buf_release(&out);
}

static void test_identity(void **state)
{
    (void)state;
    char first[HG_RT_IDENTITY + 1], again[HG_RT_IDENTITY + 1];
    hg_err_t err = HG_ERR_INIT;
    unlink(at("identity"));
    assert_int_equal(hg_rt_identity(g_dir, first, &err), 0);
    assert_int_equal(strlen(first), HG_RT_IDENTITY);
    assert_int_equal(hg_rt_identity(g_dir, again, &err), 0);
    assert_string_equal(first, again);
    static const char *const none[] = { "", "short",
                                        "much longer than an identity is, so that it cannot be one at all" };
    for (size_t i = 0; i < HG_COUNT(none); i++) {
        put("identity", none[i]);
        assert_int_equal(hg_rt_identity(g_dir, again, &err), 0);
        assert_true(strlen(again) == HG_RT_IDENTITY && strcmp(first, again) != 0);
        assert_int_equal(hg_rt_identity(g_dir, first, &err), 0);
        assert_string_equal(first, again);
    }
    assert_true(hg_rt_identity("/nowhere/at/all", again, &err) < 0 && again[0] == 0);
}

static void test_state_names(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(hg_rt_state_read(g_dir, "new", &b, &err), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(hg_rt_state_read("/nowhere", "new", &b, &err), HG_ENOTFOUND);
    assert_int_equal(hg_rt_state_write(g_dir, "a/b", HG_S("x"), &err), HG_EINVAL);
    hg_buf_release(&b);
}

static void no_log(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text)
{
    (void)arg, (void)path, (void)level, (void)target, (void)text;
}

static int each(void **state)
{
    (void)state;
    broker_clear();
    unlink(at("out"));
    unlink(at("source_it.state"));
    g_isolation = "thread";
    return 0;
}

static int begin(void **state)
{
    (void)state;
    setenv("HEADGATE_MODULES", HG_TEST_BINARY_DIR, 1);
    assert_non_null(mkdtemp(g_dir));
    hg_log_init((hg_log_opts_t){ .fd = open("/dev/null", O_WRONLY | O_CLOEXEC) });
    g_io = hg_loop_new("hg-io");
    hg_loop_start(g_io);
    g_plugins = hg_plugins_new(NULL, no_log, NULL);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    static const char *const files[] = { "out", "source_it.state", "identity", "conf/it.toml", "config.toml" };
    each(NULL);
    hg_loop_stop(g_io);
    hg_loop_free(g_io);
    hg_plugins_free(g_plugins);
    for (size_t i = 0; i < HG_COUNT(files); i++) unlink(at(files[i]));
    rmdir(at("conf"));
    rmdir(g_dir);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "iggy-plugin") == 0) return hg_plugin_host_main(argc - 1, argv + 1);
#define T(name) cmocka_unit_test_setup(name, each)
    const struct CMUnitTest tests[] = {
        T(test_source_to_its_end),
        T(test_source_is_refused),
        T(test_source_state_fails),
        T(test_source_stops_behind_its_batch),
        T(test_source_ahead),
        T(test_source_ahead_is_refused),
        T(test_source_ahead_state_fails),
        T(test_source_ahead_stops_behind_its_batches),
        T(test_source_with_a_bad_record),
        T(test_source_whose_connection_is_over),
        T(test_source_whose_password_is_wrong),
        T(test_source_that_does_not_open),
        T(test_source_whose_state_cannot_be_read),
        T(test_sink_stores_behind_the_plugin),
        T(test_sink_gated),
        T(test_sink_gate_is_refused),
        T(test_sink_stops_on_a_fatal_answer),
        T(test_sink_gives_up_by_policy),
        T(test_sink_bad_records),
        T(test_sink_left_out_by_the_plugin),
        T(test_sink_whose_commit_is_lost),
        T(test_sink_loses_its_partition),
        T(test_sink_whose_connection_is_over),
        T(test_sink_stops_between_attempts),
        T(test_sink_whose_lane_is_over_early),
        T(test_no_thread),
        T(test_sink_gathers_by_bytes_behind_a_split),
        T(test_headers_there_and_back),
        T(test_too_many_headers),
        T(test_identity),
        T(test_state_names),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
