/* process.c: a process that is the runtime: configuration, log and its export, until SIGINT or SIGTERM. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/runtime.h"
#include "telemetry/otlp.h"
#include <signal.h>
#include <unistd.h>

#define LAST_WORDS_MS 5000 /* as OpenTelemetry's SDKs wait for a collector when they shut down */

static void on_note(void *arg, const hg_iggy_note_t *note)
{
    hg_buf_t text;
    (void)arg;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_iggy_note_text(note, &text);
    fprintf(stderr, "%s: %s\n", note->warning ? "warning" : "error", text.p);
    hg_log_unwritten(note->warning ? HG_LOG_WARN : HG_LOG_ERROR, "iggy", NULL, "configuration", hg_buf_str(&text));
    hg_buf_release(&text);
}

static int begin_export(const hg_iggy_telemetry_config_t *t, hg_otlp_t **ret, hg_err_t *err)
{
    hg_otlp_opts_t opts = {
        .transport = t->logs_transport == 1 ? HG_OTLP_HTTP : HG_OTLP_GRPC,
        .endpoint = t->logs_endpoint,
        .service_name = t->service_name,
        .service_version = HG_VERSION,
        .environ = (const char *const *)environ,
    };
    if (!t->enabled) return 0;
    int rc = hg_otlp_start(&opts, ret, err);
    if (rc < 0) return hg_err_wrap(err, "telemetry");
    hg_log_also(hg_otlp_take, *ret);
    return 0;
}

static void end_export(void *arg)
{
    hg_otlp_t **otlp = arg, *o = *otlp;
    if (!o) return;
    hg_log_also(NULL, NULL);
    *otlp = NULL;
    hg_otlp_end(o, LAST_WORDS_MS, NULL);
}

/* RUST_LOG is for plugins, which understand all of it; of its directives those that are plain words count here, too. */
static hg_log_level_t level_of(const char *rust_log)
{
    static const struct {
        const char *word;
        hg_log_level_t level;
    } words[] = {
        { "off", HG_LOG_ERROR }, { "error", HG_LOG_ERROR }, { "warn", HG_LOG_WARN },
        { "info", HG_LOG_INFO }, { "debug", HG_LOG_DEBUG }, { "trace", HG_LOG_DEBUG },
    };
    hg_log_level_t level = HG_LOG_INFO;
    while (rust_log && *rust_log) {
        size_t n = strcspn(rust_log, ",");
        hg_str_t one = hg_str_trim((hg_str_t){ rust_log, n });
        for (size_t i = 0; i < HG_COUNT(words); i++)
            if (hg_str_ieq(one, hg_strz(words[i].word))) level = words[i].level;
        rust_log += n + (rust_log[n] == ',');
    }
    return level;
}

int hg_rt_process(const char *config)
{
    hg_otlp_t *otlp = NULL;
    hg_iggy_notes_t notes = { .fn = on_note };
    hg_iggy_runtime_config_t *cfg = NULL;
    hg_err_t err = HG_ERR_INIT;
    signal(SIGPIPE, SIG_IGN);
    hg_mem_arenas(2); /* threads wait for each other more than they work at once */
    hg_iggy_env_file(notes);
    if (hg_iggy_runtime_load(config, (hg_iggy_env_t)environ, notes, &cfg, &err) < 0) return 1; /* notes told why */
    hg_log_init((hg_log_opts_t){ .fd = STDERR_FILENO, .level = level_of(getenv("RUST_LOG")), .json = cfg->log_json });
    hg_rt_opts_t opts = { .config = cfg, .notes = notes, .leaves = end_export, .leaves_arg = &otlp };
    int rc = begin_export(&cfg->telemetry, &otlp, &err);
    if (rc == 0) rc = hg_rt_run(&opts, &err);
    if (rc < 0) {
        fprintf(stderr, "headgate: %s\n", err.msg);
        hg_log_unwritten(HG_LOG_ERROR, "iggy", NULL, "failed", hg_strz(err.msg));
    }
    end_export(&otlp);
    hg_iggy_runtime_config_free(cfg);
    return rc < 0 ? 1 : 0;
}
