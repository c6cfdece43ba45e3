/* A folder of state from bytes: a pipeline resumes from it, or refuses, naming the file or the checkpoint.
 *
 * The first byte says what the rest is: 0 a manifest's JSON under a sound first line, 1 a manifest with its first line,
 * 2 records of the log of events, one per line, in sound frames, 3 such a log as it is, 4 a file of owed batches
 * that the manifest describes rightly, 5 frames of the journal (a kind, a length of two bytes, the payload) in a sound
 * log, 6 such a log as it is. */
#include "tests/unit/pipeline/kit.h"
#include "tests/fuzz/folder.h"
#define XXH_INLINE_ALL
#include "base/durable.h"
#include "pipeline/journal.h"
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { A_MANIFEST, A_MANIFEST_FILE, EVENTS, AN_EVENTS_FILE, OWED, JOURNAL, A_JOURNAL_FILE, KINDS };

static const char g_sql[] =
    "CREATE TABLE t (id BIGINT NOT NULL, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '["
    "{\"name\":\"c\",\"transport\":{\"name\":\"datagen\",\"config\":{\"plan\":[{\"limit\":3}]}}}]');"
    "CREATE VIEW v WITH ('connectors' = '[{\"name\":\"o\",\"transport\":{\"name\":\"null_output\"}}]')"
    " AS SELECT id, s FROM t;";

static const char *g_dir;
static char g_storage[128];

static void folder(void)
{
    if (!g_dir) hg_log_init((hg_log_opts_t){ .fd = -1, .level = HG_LOG_ERROR });
    g_dir = fuzz_folder("resume");
    fuzz_folder_empty();
    snprintf(g_storage, sizeof g_storage, "%s/storage", g_dir);
    HG_ASSERT(mkdir(g_storage, 0777) == 0);
}

static void write_file(const char *name, const void *p, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", g_storage, name);
    FILE *f = fopen(path, "wb");
    HG_ASSERT(f && (n == 0 || fwrite(p, 1, n, f) == n));
    fclose(f);
}

static void write_manifest(const char *p, size_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addf(&b, "headgate checkpoint 1 %016" PRIx64 " %zu\n", (uint64_t)XXH3_64bits(p, n), n);
    hg_buf_add(&b, p, n);
    write_file("checkpoint-0000000001.json", b.p, b.len);
    hg_buf_release(&b);
}

static void write_events(const char *p, size_t n)
{
    hg_framelog_t *l;
    hg_err_t err = HG_ERR_INIT;
    char path[200];
    snprintf(path, sizeof path, "%s/events-0000000000.log", g_storage);
    HG_ASSERT(hg_framelog_open(path, "hgevents", true, NULL, NULL, &l, &err) == 0);
    for (const char *end = p + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
        HG_ASSERT(hg_framelog_add(l, 1, (hg_str_t){ p, len }, &err) == 0);
        p += len + 1;
    }
    HG_ASSERT(hg_framelog_sync(l, "fuzz", &err) == 0);
    hg_framelog_close(l);
}

static void write_journal(const char *p, size_t n)
{
    hg_framelog_t *l;
    hg_err_t err = HG_ERR_INIT;
    char path[200];
    snprintf(path, sizeof path, "%s/journal-0000000000.log", g_storage);
    HG_ASSERT(hg_framelog_open(path, HG_JOURNAL_MAGIC, true, NULL, NULL, &l, &err) == 0);
    while (n >= 3) {
        size_t len = HG_MIN((size_t)(uint8_t)p[1] | (size_t)(uint8_t)p[2] << 8, n - 3);
        HG_ASSERT(hg_framelog_add(l, (uint8_t)p[0], (hg_str_t){ p + 3, len }, &err) == 0);
        p += 3 + len;
        n -= 3 + len;
    }
    HG_ASSERT(hg_framelog_sync(l, "fuzz", &err) == 0);
    hg_framelog_close(l);
}

/* The manifest of a pipeline with these relations and connectors, taken from one that runs; `owed` in it is ours. */
static hg_buf_t g_manifest;

static void write_owed(const char *p, size_t n)
{
    static const char none[] = "\"owed\":null";
    hg_buf_t b;
    const char *at = strstr(g_manifest.p, none);
    HG_ASSERT(at);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_add(&b, g_manifest.p, (size_t)(at - g_manifest.p));
    hg_buf_addf(&b, "\"owed\":{\"file\":\"owed-1-0.hgo\",\"bytes\":%zu,\"xxh3\":\"%016" PRIx64 "\"}", n,
                (uint64_t)XXH3_64bits(p, n));
    hg_buf_adds(&b, at + sizeof none - 1);
    write_manifest(b.p, b.len);
    write_file("owed-1-0.hgo", p, n);
    hg_buf_release(&b);
}

static void make(rig_t *r)
{
    rig_init_at(r, g_dir);
    unlink(r->sock);
    r->storage = g_storage;
    r->config = "{\"fault_tolerance\":{\"model\":\"at_least_once\",\"checkpoint_interval_secs\":null}}";
    r->program = hg_compile(hg_strz(g_sql), &(hg_compile_opts_t){ 0 });
    r->control = hg_loop_new("control");
    hg_loop_start(r->control);
    hg_loop_call(r->control, rig_make, r);
}

static void end(rig_t *r, bool drain)
{
    hg_loop_post(r->control, drain ? rig_stop_soft : rig_stop_hard, r);
    rig_end(r);
}

/* A graceful stop leaves a checkpoint: its JSON is the manifest to change. */
static void learn(void)
{
    rig_t r;
    char path[200];
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    if (g_manifest.len) return;
    make(&r);
    HG_ASSERT(r.rc == 0);
    end(&r, true);
    HG_ASSERT(r.ended.code == 0);
    snprintf(path, sizeof path, "%s/checkpoint-0000000001.json", g_storage);
    hg_buf_init(&b, HG_BUF_NOMAX);
    HG_ASSERT(hg_file_read(path, &b, &err) == 0);
    hg_buf_init(&g_manifest, HG_BUF_NOMAX);
    hg_buf_adds(&g_manifest, strchr(b.p, '\n') + 1);
    hg_buf_release(&b);
    if (getenv("FUZZ_RESUME_SHOW")) printf("%s\n", g_manifest.p);
    folder();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    rig_t r;
    if (n == 0 || p[0] >= KINDS) return 0;
    const char *q = (const char *)p + 1;
    folder();
    learn();
    switch (p[0]) {
    case A_MANIFEST:
        write_manifest(q, n - 1);
        break;
    case A_MANIFEST_FILE:
        write_file("checkpoint-0000000001.json", q, n - 1);
        break;
    case EVENTS:
        write_events(q, n - 1);
        break;
    case JOURNAL:
        write_journal(q, n - 1);
        break;
    case A_JOURNAL_FILE:
        write_file("journal-0000000000.log", q, n - 1);
        break;
    case AN_EVENTS_FILE:
        write_file("events-0000000000.log", q, n - 1);
        break;
    default:
        write_owed(q, n - 1);
    }
    make(&r);
    if (r.rc == 0) {
        end(&r, false);
        return 0;
    }
    bool named = strstr(r.err.msg, g_storage) || strstr(r.err.msg, "checkpoint 1") || r.rc == HG_EREPLAY;
    if (!named) fprintf(stderr, "%d: %s\n", r.rc, r.err.msg);
    HG_ASSERT(named);
    hg_program_free(r.program);
    hg_loop_stop(r.control);
    hg_loop_free(r.control);
    return 0;
}
