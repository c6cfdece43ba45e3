/* runtime_config.c: the members of Feldera's runtime_config that steer something here. */
#include "base/hg.h"
#include "base/log.h"
#include "pipeline/remote.h"

static const hg_opt_t g_tweaks[] = {
    { .key = "queue_mib",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, queue_mib),
      .def = "8",
      .min = 1,
      .max = 65536,
      .unit = "MiB",
      .doc = "Byte budget of all queues of the pipeline together." },
    { .key = "io_loops",
      .type = HG_OPT_U32,
      .at = offsetof(hg_runtime_config_t, io_loops),
      .max = 256,
      .doc = "Threads for connectors' input and output; 0 = one per core." },
    { .key = "query_mem_mib",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, query_mem_mib),
      .def = "256",
      .min = 1,
      .max = 1u << 20,
      .unit = "MiB",
      .doc = "Memory that sorting and grouping may take in one ad-hoc query." },
    { .key = "change_stream_mib",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, change_stream_mib),
      .def = "16",
      .max = 65536,
      .unit = "MiB",
      .doc = "Memory for changes that resumable change streams can still ask for: docs/change-streams.md." },
    { .key = "change_stream_secs",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, change_stream_secs),
      .def = "600",
      .max = 7 * 24 * 3600,
      .unit = "s",
      .doc = "How long they are kept for a relation that no resumable change stream reads." },
    { .key = "restart",
      .type = HG_OPT_JSON,
      .at = offsetof(hg_runtime_config_t, restart),
      .doc = "When the manager starts the pipeline's process again: docs/supervision.md." },
    { .key = "liveness",
      .type = HG_OPT_JSON,
      .at = offsetof(hg_runtime_config_t, liveness),
      .doc = "When the manager takes the pipeline's process for hung: docs/supervision.md." },
    { .key = NULL },
};

static const hg_opt_t g_opts[] = {
    { .key = "workers",
      .type = HG_OPT_U32,
      .at = offsetof(hg_runtime_config_t, workers),
      .def = "8",
      .min = 1,
      .max = 1024,
      .doc = "Pool threads, at most one per core." },
    { .key = "min_batch_size_records",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, min_batch_size_records),
      .doc = "A step waits until more than this many records are buffered, or the delay is over." },
    { .key = "max_buffering_delay_usecs",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, max_buffering_delay_usecs),
      .unit = "µs",
      .doc = "How long buffered records may wait for min_batch_size_records." },
    { .key = "max_rss_mb",
      .type = HG_OPT_U64,
      .at = offsetof(hg_runtime_config_t, max_rss_mb),
      .unit = "MB",
      .doc = "Told in the metrics; a quarter of it, or 64 MiB, may wait in a concurrent bootstrap. Queues are bounded "
             "by queue_mib." },
    { .key = "checkpoint_during_suspend",
      .type = HG_OPT_BOOL,
      .at = offsetof(hg_runtime_config_t, checkpoint_during_suspend),
      .def = "true",
      .doc = "A graceful stop takes a checkpoint." },
    { .key = NULL },
};

static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    hg_err_t *err = arg;
    (void)node, (void)at_key;
    if (!warning && err->code == HG_OK) hg_err_set(err, HG_EINVAL, "runtime_config: %s", msg);
}

static int parse_interval(const hg_json_t *secs, uint64_t *ret, hg_err_t *err)
{
    uint64_t n;
    if (!secs) return 0;
    if (secs->kind == HG_J_NULL) {
        *ret = 0;
        return 0;
    }
    if (secs->kind != HG_J_NUMBER || hg_json_u64(secs, &n) < 0)
        return hg_err_set(err, HG_EINVAL,
                          "runtime_config: fault_tolerance.checkpoint_interval_secs must be a number of seconds, or "
                          "null for none");
    *ret = HG_MIN(HG_MAX(n, 1u), 3600u);
    return 0;
}

static int parse_model(const char *name, hg_ft_t *ret, hg_err_t *err)
{
    static const char *const names[] = { "none", "at_least_once", "exactly_once" };
    size_t i = 0;
    while (i < HG_COUNT(names) && !hg_str_ieq(hg_strz(name), hg_strz(names[i]))) i++;
    if (i == HG_COUNT(names))
        return hg_err_set(err, HG_EINVAL,
                          "runtime_config: fault_tolerance.model is '%.40s', not none, at_least_once or exactly_once",
                          name);
    *ret = (hg_ft_t)i;
    return 0;
}

/* orchestration §13.4. An object without a model asks for the most; so do the two words of earlier versions. */
static int parse_ft(const hg_json_t *v, hg_runtime_config_t *cfg, hg_err_t *err)
{
    cfg->ft = HG_FT_NONE;
    cfg->checkpoint_interval_secs = 60;
    if (!v || v->kind == HG_J_NULL) return 0;
    bool word = v->kind == HG_J_STRING &&
                (hg_str_eq(v->str, HG_S("initial_state")) || hg_str_eq(v->str, HG_S("latest_checkpoint")));
    const hg_json_t *model = hg_json_get(v, "model");
    if ((!word && v->kind != HG_J_OBJECT) || (model && model->kind != HG_J_STRING))
        return hg_err_set(err, HG_EINVAL,
                          "runtime_config: fault_tolerance must be an object with a text \"model\", or null");
    int rc = parse_model(hg_json_str(model, "exactly_once"), &cfg->ft, err);
    return rc == 0 ? parse_interval(hg_json_get(v, "checkpoint_interval_secs"), &cfg->checkpoint_interval_secs, err)
                   : rc;
}

/* Members that Feldera knows and that steer nothing here are many: they are skipped without a word. */
int hg_runtime_config_parse(const hg_json_t *obj, hg_arena_t *a, hg_runtime_config_t *ret, hg_err_t *err)
{
    hg_err_t first = HG_ERR_INIT;
    hg_diag_t d = { .fn = on_diag, .arg = &first };
    hg_kvlist_t extra = { 0 };
    hg_runtime_config_t cfg = { 0 };
    const hg_json_t *tweaks = hg_json_get(hg_json_get(obj, "dev_tweaks"), "headgate");
    hg_opts_parse(g_opts, obj, obj, HG_EXTRA_WARN, &extra, a, &cfg, &d);
    hg_opts_parse(g_tweaks, tweaks, tweaks, HG_EXTRA_REFUSE, &extra, a, &cfg, &d);
    if (first.code != HG_OK) {
        *err = first;
        return err->code;
    }
    const hg_json_t *storage = hg_json_get(obj, "storage");
    cfg.storage = !storage || (storage->kind != HG_J_FALSE && storage->kind != HG_J_NULL);
    int rc = parse_ft(hg_json_get(obj, "fault_tolerance"), &cfg, err);
    if (rc == 0 && cfg.storage) rc = hg_remote_config(storage, a, &cfg.sync, err);
    if (rc < 0) return rc;
    *ret = cfg;
    return 0;
}
