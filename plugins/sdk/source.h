/* source.h: a source as a table, run by one thread per instance.
 *
 *   open     options are in i->cfg; state is what the last acknowledged batch carried (n = 0: none; what cannot be read
 *            is logged and ignored). What it makes goes to i->state.
 *   poll     appends what is next to out and says in state what is behind it. Nothing takes effect yet. An empty batch
 *            is not sent. What it says in the end: HGP_POLL_AGAIN (at once, there is more), HGP_POLL_LATER (pause
 *            first), HGP_POLL_END (nothing will ever come again), or a negative code (logged, with a growing pause).
 *   commit   the batch is with the server: cursors move on, rows are marked. A failure is told, and repeated before the
 *            next poll; the server has the batch, so it may come twice after a crash.
 *   drop     it is not: the same has to be polled again.
 *   rewind   instead of both, for a source that is polled ahead of results, as far as the host wants it: each batch
 *            says a state, and from now on poll goes on behind this one (n = 0: from where it begins without any).
 *
 * All but open and close on the instance's thread. Without rewind one batch is in flight. A result that does not come
 * for 30 s counts as a refusal, as it does in Iggy's own plugins; unlike theirs, a source here never gives up on them.
 */
#ifndef HEADGATE_PLUGINS_SDK_SOURCE_H
#define HEADGATE_PLUGINS_SDK_SOURCE_H

#include "plugins/sdk/plugin.h"

enum { HGP_POLL_AGAIN, HGP_POLL_LATER, HGP_POLL_END };

typedef struct hgp_source {
    const char *name;
    const hg_opt_t *options;
    size_t cfg_size;
    int (*open)(hgp_instance_t *i, hg_str_t state, hg_err_t *err);
    int (*poll)(hgp_instance_t *i, hgp_out_t *out, hg_buf_t *state, hg_err_t *err);
    void (*rewind)(hgp_instance_t *i, hg_str_t state); /* NULL: one batch at a time */
    int (*commit)(hgp_instance_t *i, hg_err_t *err);
    void (*drop)(hgp_instance_t *i);         /* NULL: poll kept nothing */
    void (*close)(hgp_instance_t *i);        /* also after a failed open */
    uint64_t (*pause_ms)(hgp_instance_t *i); /* before each poll but those at once */
} hgp_source_t;

int32_t hgp_source_open(const hgp_source_t *s, uint32_t id, hg_str_t config, hg_str_t state, iggy_log_fn log);
int32_t hgp_source_handle(const hgp_source_t *s, uint32_t id, iggy_send_fn send);
int32_t hgp_source_result(const hgp_source_t *s, uint32_t id, uint64_t batch, uint8_t result);
int32_t hgp_source_on_end(uint32_t id, iggy_end_fn ended);
int32_t hgp_source_ahead(uint32_t id, uint32_t batches, uint64_t bytes);
int32_t hgp_source_close(const hgp_source_t *s, uint32_t id);

#define HGP_SOURCE(table)                                                                                              \
    HGP_OPTIONS(table)                                                                                                 \
    int32_t iggy_source_open(uint32_t id, const uint8_t *config, size_t n, const uint8_t *state, size_t ns,            \
                             iggy_log_fn log)                                                                          \
    {                                                                                                                  \
        return hgp_source_open(&(table), id, (hg_str_t){ (const char *)config, n },                                    \
                               (hg_str_t){ (const char *)state, state ? ns : 0 }, log);                                \
    }                                                                                                                  \
    int32_t iggy_source_handle_v2(uint32_t id, iggy_send_fn send)                                                      \
    {                                                                                                                  \
        return hgp_source_handle(&(table), id, send);                                                                  \
    }                                                                                                                  \
    int32_t iggy_source_batch_result(uint32_t id, uint64_t batch, uint8_t result)                                      \
    {                                                                                                                  \
        return hgp_source_result(&(table), id, batch, result);                                                         \
    }                                                                                                                  \
    int32_t iggy_source_on_end(uint32_t id, iggy_end_fn ended)                                                         \
    {                                                                                                                  \
        return hgp_source_on_end(id, ended);                                                                           \
    }                                                                                                                  \
    int32_t iggy_source_ahead(uint32_t id, uint32_t batches, uint64_t bytes)                                           \
    {                                                                                                                  \
        return hgp_source_ahead(id, batches, bytes);                                                                   \
    }                                                                                                                  \
    int32_t iggy_source_close(uint32_t id)                                                                             \
    {                                                                                                                  \
        return hgp_source_close(&(table), id);                                                                         \
    }                                                                                                                  \
    const char *iggy_source_version(void)                                                                              \
    {                                                                                                                  \
        return HGP_VERSION;                                                                                            \
    }

#endif
