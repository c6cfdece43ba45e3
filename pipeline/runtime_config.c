/* runtime_config.c: the members of Feldera's runtime_config that steer something here. */
#include "base/hg.h"
#include "base/log.h"
#include "pipeline/pipeline.h"

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
    { .key = NULL },
};

static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    hg_err_t *err = arg;
    (void)node, (void)at_key;
    if (!warning && err->code == HG_OK) hg_err_set(err, HG_EINVAL, "runtime_config: %s", msg);
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
    *ret = cfg;
    return 0;
}
