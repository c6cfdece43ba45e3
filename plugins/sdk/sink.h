/* sink.h: a sink as a table.
 *
 *   open     once per instance: options are in i->cfg, what it makes goes to i->state. It may ask the outside system.
 *   worker   what one thread of consume needs for itself: a connection, buffers. Made when one more call comes at once
 *            than ever before, up to `workers`; further calls wait.
 *   write    the batch. 0: all of it is with the outside system, but for records reported with hgp_reject. Negative:
 *            err->retry says whether the host should bring it again; what it wrote already is then written twice unless
 *            the system can tell (each sink says how).
 *   close    nobody is in write any more; workers are gone.
 *
 * A sink that `gates` calls hgp_gate in write before anything of the batch leaves, and goes back at once where that
 * refuses: so a request is made while the host still writes down that the batch before is done.
 */
#ifndef HEADGATE_PLUGINS_SDK_SINK_H
#define HEADGATE_PLUGINS_SDK_SINK_H

#include "plugins/sdk/plugin.h"

typedef struct hgp_sink {
    const char *name; /* "http_sink" */
    const hg_opt_t *options;
    size_t cfg_size;
    int (*open)(hgp_instance_t *i, hg_err_t *err);
    void *(*worker_new)(hgp_instance_t *i);
    void (*worker_free)(hgp_instance_t *i, void *worker);
    int (*write)(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err);
    void (*close)(hgp_instance_t *i);       /* also after a failed open; state may be NULL */
    uint32_t (*workers)(hgp_instance_t *i); /* NULL: 16 */
    /* How much it wants at once, where the host gathers (headgate's does); *w is zeroed. NULL: as it comes. */
    void (*wants)(hgp_instance_t *i, iggy_sink_wants_t *w);
    bool gates;
} hgp_sink_t;

/* 0: bytes of the batch may leave. HG_ECANCELED: the host takes it back. From inside of write, on its thread; the calls
 * of http.h do it for a worker whose `batch` is set. */
int hgp_gate(const hgp_batch_t *b, hg_err_t *err);

/* One record that the outside system will never take: left out, and not an error of the batch. The host hears of it,
 * and does with it what its configuration says, where it asked to (iggy_sink_on_reject); else it is told in the log.
 * From inside of write, on its thread. n counts them per batch and begins with 0: the log has lines for the first five.
 */
void hgp_reject(const hgp_batch_t *b, uint32_t at, uint32_t *n, const char *fmt, ...) HG_PRINTF(4, 5);

int32_t hgp_sink_open(const hgp_sink_t *s, uint32_t id, hg_str_t config, iggy_log_fn log);
int32_t hgp_sink_on_reject(uint32_t id, iggy_reject_fn reject);
int32_t hgp_sink_consume(const hgp_sink_t *s, uint32_t id, hg_str_t topic, hg_str_t meta, hg_str_t messages);
int32_t hgp_sink_close(const hgp_sink_t *s, uint32_t id);
int32_t hgp_sink_wants(const hgp_sink_t *s, uint32_t id, iggy_sink_wants_t *w);
int32_t hgp_sink_on_gate(const hgp_sink_t *s, uint32_t id, iggy_gate_fn gate);

#define HGP_SINK(table)                                                                                                \
    HGP_OPTIONS(table)                                                                                                 \
    int32_t iggy_sink_open(uint32_t id, const uint8_t *config, size_t n, iggy_log_fn log)                              \
    {                                                                                                                  \
        return hgp_sink_open(&(table), id, (hg_str_t){ (const char *)config, n }, log);                                \
    }                                                                                                                  \
    int32_t iggy_sink_consume(uint32_t id, const uint8_t *topic, size_t nt, const uint8_t *meta, size_t nm,            \
                              const uint8_t *messages, size_t n)                                                       \
    {                                                                                                                  \
        return hgp_sink_consume(&(table), id, (hg_str_t){ (const char *)topic, nt },                                   \
                                (hg_str_t){ (const char *)meta, nm }, (hg_str_t){ (const char *)messages, n });        \
    }                                                                                                                  \
    int32_t iggy_sink_on_reject(uint32_t id, iggy_reject_fn asked)                                                     \
    {                                                                                                                  \
        return hgp_sink_on_reject(id, asked);                                                                          \
    }                                                                                                                  \
    int32_t iggy_sink_wants(uint32_t id, iggy_sink_wants_t *w)                                                         \
    {                                                                                                                  \
        return hgp_sink_wants(&(table), id, w);                                                                        \
    }                                                                                                                  \
    int32_t iggy_sink_on_gate(uint32_t id, iggy_gate_fn gate)                                                          \
    {                                                                                                                  \
        return hgp_sink_on_gate(&(table), id, gate);                                                                   \
    }                                                                                                                  \
    int32_t iggy_sink_close(uint32_t id)                                                                               \
    {                                                                                                                  \
        return hgp_sink_close(&(table), id);                                                                           \
    }                                                                                                                  \
    const char *iggy_sink_version(void)                                                                                \
    {                                                                                                                  \
        return HGP_VERSION;                                                                                            \
    }

#endif
