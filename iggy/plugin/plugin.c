/* plugin.c: the calls of plugin.h, for instances of either isolation. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/plugin/plugin_int.h"

hg_plugins_t *hg_plugins_new(const char *program, hg_plugin_log_fn log, void *arg)
{
    hg_plugins_t *ps = HG_NEW(hg_plugins_t);
    ps->program = hg_xstrdup(program ? program : "/proc/self/exe");
    ps->log = log;
    ps->log_arg = arg;
    pthread_mutex_init(&ps->lock, NULL);
    hg_list_init(&ps->procs);
    return ps;
}

void hg_plugins_free(hg_plugins_t *ps)
{
    if (!ps) return;
    HG_ASSERT(hg_list_empty(&ps->procs));
    pthread_mutex_destroy(&ps->lock);
    hg_free(ps->program);
    hg_free(ps);
}

void hg_plugins_kill(hg_plugins_t *ps)
{
    hg_plugin_procs_kill(ps);
}

void hg_plugins_memory(hg_plugins_t *ps, unsigned *ret_n, uint64_t *ret_bytes)
{
    hg_plugin_procs_memory(ps, ret_n, ret_bytes);
}

int hg_plugin_open(hg_plugins_t *ps, const hg_plugin_spec_t *spec, const hg_plugin_events_t *events, void *arg,
                   hg_plugin_t **ret, hg_err_t *err)
{
    return spec->process ? hg_plugin_remote_open(ps, spec, events, arg, ret, err)
                         : hg_plugin_local_open(spec, ps->log, ps->log_arg, events, arg, ret, err);
}

const char *hg_plugin_version(const hg_plugin_t *p)
{
    return p->version;
}

void hg_plugin_close(hg_plugin_t *p, uint64_t grace_ms)
{
    p->class->close(p, grace_ms);
}

void hg_plugin_kill(hg_plugin_t *p)
{
    p->class->kill(p);
}

int hg_plugin_start(hg_plugin_t *p, hg_err_t *err)
{
    return p->class->start(p, err);
}

int hg_plugin_result(hg_plugin_t *p, uint64_t batch_id, bool ack, hg_err_t *err)
{
    return p->class->result(p, batch_id, ack, err);
}

bool hg_plugin_ahead(const hg_plugin_t *p)
{
    return p->ahead;
}

bool hg_plugin_gates(const hg_plugin_t *p)
{
    return p->gates && p->class->gate;
}

iggy_sink_wants_t hg_plugin_wants(const hg_plugin_t *p)
{
    return p->wants;
}

int hg_plugin_lane_open(hg_plugin_t *p, hg_plugin_lane_t **ret, hg_err_t *err)
{
    return p->class->lane_open(p, ret, err);
}

void hg_plugin_lane_close(hg_plugin_lane_t *l)
{
    l->plugin->class->lane_close(l);
}

void hg_plugin_lane_rest(hg_plugin_lane_t *l)
{
    l->plugin->class->lane_rest(l);
}

int hg_plugin_room(hg_plugin_lane_t *l, unsigned slot, size_t n, uint8_t **ret, hg_err_t *err)
{
    if (n > HG_PLUGIN_SLOT_BYTES) return hg_err_set(err, HG_ETOOBIG, "a batch of %zu bytes is too large", n);
    return l->plugin->class->room(l, slot, n, ret, err);
}

int hg_plugin_consume(hg_plugin_lane_t *l, const hg_plugin_batch_t *b, hg_err_t *err)
{
    return l->plugin->class->consume(l, b, err);
}

void hg_plugin_gate(hg_plugin_lane_t *l, bool pass)
{
    l->plugin->class->gate(l, pass);
}

int hg_plugin_consumed(hg_plugin_lane_t *l, int32_t *ret_rc, hg_err_t *err)
{
    return l->plugin->class->consumed(l, ret_rc, err);
}
