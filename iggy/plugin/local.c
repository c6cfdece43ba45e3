/* local.c: an instance of a plugin in this process: in the runtime's with isolation = "thread", else in a host process.
 *
 * A plugin's call-backs name instances by number, so there is a table of those that are open. A call-back that is under
 * way holds its instance; close takes it out of the table after the plugin's own close, and waits for the rest.
 *
 * Threads: handle_v2 may block until close, so it has one of its own. log names neither instance nor library
 * and comes from anywhere: there is one for the process.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "iggy/plugin/plugin_int.h"

#define REASON_MAX 480u /* bytes of why a message is left out */

typedef struct local {
    hg_plugin_t base;
    struct local *next; /* in g_open */
    hg_plugin_lib_t *lib;
    unsigned inside; /* call-backs under way; under g_lock */
    pthread_t handle;
    bool started;
} local_t;

typedef struct local_lane {
    hg_plugin_lane_t base;
    uint8_t *slot[HG_PLUGIN_SLOTS];
    size_t cap[HG_PLUGIN_SLOTS];
    int32_t rc;
} local_lane_t;

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER; /* guards all of these */
static pthread_cond_t g_left = PTHREAD_COND_INITIALIZER;
static local_t *g_open;
static hg_plugin_log_fn g_log;
static void *g_log_arg;

static _Thread_local struct { /* what this thread is inside of consume with */
    const hg_plugin_batch_t *batch;
    bool (*gate)(void *arg);
} t_consuming;

/* --- the plugin's call-backs --- */
static local_t *enter(uint32_t id)
{
    pthread_mutex_lock(&g_lock);
    local_t *l = g_open;
    while (l && l->base.id != id) l = l->next;
    if (l) l->inside++;
    pthread_mutex_unlock(&g_lock);
    return l;
}

static void leave(local_t *l)
{
    pthread_mutex_lock(&g_lock);
    if (--l->inside == 0) pthread_cond_broadcast(&g_left);
    pthread_mutex_unlock(&g_lock);
}

static int32_t on_send(uint32_t id, uint64_t batch_id, const uint8_t *batch, size_t n)
{
    local_t *l = enter(id);
    if (!l) return IGGY_INVALID;
    int rc = l->base.events->batch(l->base.arg, batch_id, (hg_str_t){ (const char *)batch, n });
    leave(l);
    return rc == 0 ? IGGY_OK : IGGY_INVALID;
}

static void on_end(uint32_t id)
{
    local_t *l = enter(id);
    if (!l) return;
    l->base.events->ended(l->base.arg);
    leave(l);
}

static void on_reject(uint32_t id, uint32_t at, const uint8_t *reason, size_t n)
{
    (void)id; /* whose it is says the thread */
    const hg_plugin_batch_t *b = t_consuming.batch;
    hg_str_t why = { (const char *)reason, n };
    if (!hg_utf8_valid(why.p, why.n)) why = HG_S("<invalid utf8>");
    why.n = HG_MIN(why.n, (size_t)REASON_MAX);
    while (why.n < n && why.n && ((uint8_t)why.p[why.n] & 0xc0) == 0x80) why.n--; /* between characters */
    if (b && b->rejected) b->rejected(b->arg, at, why);
}

static int32_t on_gate(uint32_t id)
{
    (void)id; /* likewise */
    const hg_plugin_batch_t *b = t_consuming.batch;
    return !b || !b->gated || t_consuming.gate(b->arg) ? IGGY_OK : IGGY_ERR;
}

static void on_log(uint8_t level, const uint8_t *target, size_t target_n, const uint8_t *text, size_t text_n)
{
    pthread_mutex_lock(&g_lock);
    hg_plugin_log_fn log = g_log;
    void *arg = g_log_arg;
    pthread_mutex_unlock(&g_lock);
    hg_str_t t = { (const char *)target, target_n }, m = { (const char *)text, text_n };
    if (!hg_utf8_valid(t.p, t.n)) t = HG_S("connector");
    if (!hg_utf8_valid(m.p, m.n)) m = HG_S("<invalid utf8>");
    if (log) log(arg, NULL, HG_MIN(level, (uint8_t)IGGY_LOG_ERROR), t, m);
}

/* --- calls --- */
int32_t hg_plugin_local_result(hg_plugin_t *p, uint64_t batch_id, bool ack)
{
    const local_t *l = HG_ENTRY(p, local_t, base);
    return l->lib->source_batch_result(p->id, batch_id, ack ? IGGY_ACK : IGGY_NACK);
}

static int local_result(hg_plugin_t *p, uint64_t batch_id, bool ack, hg_err_t *err)
{
    int32_t rc = hg_plugin_local_result(p, batch_id, ack);
    if (rc == IGGY_OK) return 0;
    return hg_err_set(err, HG_EPROTO, "the plugin does not take the result of batch %" PRIu64 " (%d)", batch_id, rc);
}

static void *handle_main(void *arg)
{
    local_t *l = arg;
    pthread_setname_np(pthread_self(), "hg-plugin");
    int32_t rc = l->lib->source_handle_v2(l->base.id, on_send);
    if (rc != IGGY_OK) hg_log(HG_LOG_WARN, "plugin", l->lib->path, "handle_failed", "rc=%d", rc);
    return NULL;
}

static int local_start(hg_plugin_t *p, hg_err_t *err)
{
    local_t *l = HG_ENTRY(p, local_t, base);
    int rc = hg_thread_start(&l->handle, handle_main, l, "the plugin", err);
    l->started = rc == 0;
    return rc;
}

int32_t hg_plugin_local_consume(hg_plugin_t *p, const uint8_t *at, const hg_plugin_batch_t *b, bool (*gate)(void *arg))
{
    const local_t *l = HG_ENTRY(p, local_t, base);
    t_consuming.batch = b;
    t_consuming.gate = gate;
    int32_t rc =
        l->lib->sink_consume(p->id, at, b->topic, at + b->topic, b->meta, at + b->topic + b->meta, b->messages);
    t_consuming.batch = NULL;
    return rc;
}

static int local_lane_open(hg_plugin_t *p, hg_plugin_lane_t **ret, hg_err_t *err)
{
    (void)err;
    local_lane_t *lane = HG_NEW(local_lane_t);
    lane->base.plugin = p;
    *ret = &lane->base;
    return 0;
}

static void local_lane_rest(hg_plugin_lane_t *l)
{
    local_lane_t *lane = HG_ENTRY(l, local_lane_t, base);
    for (unsigned i = 0; i < HG_PLUGIN_SLOTS; i++) {
        hg_free(lane->slot[i]);
        lane->slot[i] = NULL;
        lane->cap[i] = 0;
    }
}

static void local_lane_close(hg_plugin_lane_t *l)
{
    local_lane_rest(l);
    hg_free(HG_ENTRY(l, local_lane_t, base));
}

static int local_room(hg_plugin_lane_t *l, unsigned slot, size_t n, uint8_t **ret, hg_err_t *err)
{
    local_lane_t *lane = HG_ENTRY(l, local_lane_t, base);
    if (n > lane->cap[slot] || (lane->cap[slot] > (size_t)8 << 20 && n < (size_t)1 << 20)) {
        size_t cap = n + n / 4;
        hg_free(lane->slot[slot]);
        lane->cap[slot] = 0;
        lane->slot[slot] = hg_trynew(cap);
        if (!lane->slot[slot]) return hg_err_retry(err, HG_ENOMEM, "no memory for a batch of %zu bytes", n);
        lane->cap[slot] = cap;
    }
    *ret = lane->slot[slot];
    return 0;
}

static int local_consume(hg_plugin_lane_t *l, const hg_plugin_batch_t *b, hg_err_t *err)
{
    (void)err;
    local_lane_t *lane = HG_ENTRY(l, local_lane_t, base);
    lane->rc = hg_plugin_local_consume(l->plugin, lane->slot[b->slot], b, NULL);
    return 0;
}

static int local_consumed(hg_plugin_lane_t *l, int32_t *ret_rc, hg_err_t *err)
{
    (void)err;
    *ret_rc = HG_ENTRY(l, local_lane_t, base)->rc;
    return 0;
}

static void local_kill(hg_plugin_t *p)
{
    (void)p; /* one process with everybody */
}

/* --- open and close --- */
static void take_out(local_t *l)
{
    pthread_mutex_lock(&g_lock);
    local_t **at = &g_open;
    while (*at && *at != l) at = &(*at)->next;
    if (*at) *at = l->next;
    while (l->inside) pthread_cond_wait(&g_left, &g_lock);
    pthread_mutex_unlock(&g_lock);
}

static void plugin_close(local_t *l)
{
    int32_t rc = l->base.kind == HG_PLUGIN_SOURCE ? l->lib->source_close(l->base.id) : l->lib->sink_close(l->base.id);
    if (rc != IGGY_OK) hg_log(HG_LOG_DEBUG, "plugin", l->lib->path, "close_failed", "rc=%d", rc);
}

static void local_close(hg_plugin_t *p, uint64_t grace_ms)
{
    local_t *l = HG_ENTRY(p, local_t, base);
    plugin_close(l);
    if (l->started) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)(grace_ms / 1000 + 1);
        if (pthread_timedjoin_np(l->handle, NULL, &until) != 0) {
            /* It goes on in there for ever: what it uses may not be freed. */
            hg_log(HG_LOG_ERROR, "plugin", l->lib->path, "handle_hangs", "id=%u", p->id);
            pthread_detach(l->handle);
            take_out(l);
            return;
        }
    }
    take_out(l);
    hg_free(l);
}

static const hg_plugin_class_t LOCAL = {
    .start = local_start,
    .result = local_result,
    .close = local_close,
    .kill = local_kill,
    .lane_open = local_lane_open,
    .lane_close = local_lane_close,
    .lane_rest = local_lane_rest,
    .room = local_room,
    .consume = local_consume,
    .consumed = local_consumed,
};

static int32_t plugin_open(local_t *l, const hg_plugin_spec_t *spec)
{
    const uint8_t *config = (const uint8_t *)spec->config.p;
    const uint8_t *state = spec->state.n ? (const uint8_t *)spec->state.p : NULL;
    if (spec->kind == HG_PLUGIN_SINK) return l->lib->sink_open(spec->id, config, spec->config.n, on_log);
    return l->lib->source_open(spec->id, config, spec->config.n, state, spec->state.n, on_log);
}

int hg_plugin_local_open(const hg_plugin_spec_t *spec, hg_plugin_log_fn log, void *log_arg,
                         const hg_plugin_events_t *events, void *arg, hg_plugin_t **ret, hg_err_t *err)
{
    hg_plugin_lib_t *lib;
    int rc = hg_plugin_lib_load(spec->path, &lib, err);
    if (rc < 0) return rc;
    if (lib->missing[spec->kind])
        return hg_err_set(err, HG_EUNSUPPORTED, "it is no %s plugin: it has no '%s'",
                          spec->kind == HG_PLUGIN_SOURCE ? "source" : "sink", lib->missing[spec->kind]);
    local_t *l = HG_NEW(local_t);
    l->base = (hg_plugin_t){
        .class = &LOCAL, .events = events, .arg = arg, .kind = spec->kind, .id = spec->id, .version = ""
    };
    l->lib = lib;
    const char *version = spec->kind == HG_PLUGIN_SOURCE ? lib->source_version() : lib->sink_version();
    snprintf(l->base.version, sizeof l->base.version, "%s", version ? version : "unknown");
    pthread_mutex_lock(&g_lock);
    g_log = log;
    g_log_arg = log_arg;
    l->next = g_open;
    g_open = l;
    pthread_mutex_unlock(&g_lock);
    int32_t opened = plugin_open(l, spec);
    if (opened == IGGY_OK && spec->kind == HG_PLUGIN_SOURCE && lib->source_on_end)
        opened = lib->source_on_end(spec->id, on_end);
    if (opened == IGGY_OK && spec->kind == HG_PLUGIN_SOURCE && lib->source_ahead)
        l->base.ahead = lib->source_ahead(spec->id, HG_PLUGIN_AHEAD, HG_PLUGIN_AHEAD_BYTES) == IGGY_OK;
    if (opened == IGGY_OK && spec->kind == HG_PLUGIN_SINK && lib->sink_on_reject)
        opened = lib->sink_on_reject(spec->id, on_reject);
    if (opened == IGGY_OK && spec->kind == HG_PLUGIN_SINK && lib->sink_on_gate)
        l->base.gates = lib->sink_on_gate(spec->id, on_gate) == IGGY_OK;
    if (opened == IGGY_OK && spec->kind == HG_PLUGIN_SINK && lib->sink_wants)
        opened = lib->sink_wants(spec->id, &l->base.wants);
    if (opened == IGGY_OK) {
        *ret = &l->base;
        return 0;
    }
    plugin_close(l); /* a failed open keeps the number taken */
    take_out(l);
    hg_free(l);
    return hg_err_set(err, HG_EINVAL, "Plugin initialization failed (ID: %u): %s", spec->id,
                      opened == IGGY_ERR ? "the plugin's own open failed, its log says why"
                                         : "the plugin does not take this configuration");
}
