/* run.c: one connector from open to close: its plugin, codecs and transforms, then the loop of its kind, then all of it
 * backwards. A run has a thread that does this and may block anywhere; it tells the control loop what happens and is
 * told one thing: to stop. What failed and may work another time is started again from there, as a new run.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "iggy/runtime/runtime_int.h"

/* --- the bell --- */
void hg_bell_init(hg_bell_t *b)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    *b = (hg_bell_t){ .stop = false };
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->rung, &attr);
    pthread_condattr_destroy(&attr);
}

void hg_bell_release(hg_bell_t *b)
{
    pthread_cond_destroy(&b->rung);
    pthread_mutex_destroy(&b->lock);
}

bool hg_bell_wait_until(hg_bell_t *b, int64_t mono_us)
{
    if (mono_us == INT64_MAX) return pthread_cond_wait(&b->rung, &b->lock), true;
    struct timespec t = { .tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000 };
    return pthread_cond_timedwait(&b->rung, &b->lock, &t) == 0;
}

bool hg_bell_pause(hg_bell_t *b, uint64_t us)
{
    int64_t until = hg_mono_us() + (int64_t)HG_MIN(us, (uint64_t)INT32_MAX * 1000);
    pthread_mutex_lock(&b->lock);
    while (!b->stop && hg_mono_us() < until) hg_bell_wait_until(b, until);
    bool stop = b->stop;
    pthread_mutex_unlock(&b->lock);
    return !stop;
}

bool hg_bell_stopped(hg_bell_t *b)
{
    pthread_mutex_lock(&b->lock);
    bool stop = b->stop;
    pthread_mutex_unlock(&b->lock);
    return stop;
}

/* --- what is told --- */
void hg_run_tell(hg_run_t *r, hg_run_event_kind_t kind, const hg_err_t *err)
{
    hg_run_event_t e = { .kind = kind, .err = err ? *err : HG_ERR_INIT };
    if (kind == HG_RUN_TROUBLE) atomic_store(&r->troubled, true);
    r->spec.event(r->spec.arg, &e);
}

void hg_run_well(hg_run_t *r)
{
    if (atomic_exchange(&r->troubled, false)) hg_run_tell(r, HG_RUN_WELL, NULL);
}

/* --- what the plugin tells --- */
static int on_batch(void *arg, uint64_t batch_id, hg_str_t bytes)
{
    return hg_source_batch(arg, batch_id, bytes);
}

static void on_ended(void *arg)
{
    hg_run_t *r = arg;
    pthread_mutex_lock(&r->bell.lock);
    r->ended = true;
    pthread_cond_broadcast(&r->bell.rung);
    pthread_mutex_unlock(&r->bell.lock);
}

static void on_died(void *arg, const char *how)
{
    hg_run_t *r = arg;
    pthread_mutex_lock(&r->bell.lock);
    r->died = true;
    snprintf(r->died_how, sizeof r->died_how, "%s", how);
    pthread_cond_broadcast(&r->bell.rung);
    pthread_mutex_unlock(&r->bell.lock);
}

static const hg_plugin_events_t EVENTS = { on_batch, on_ended, on_died };

/* --- setting up --- */
static void connection(const hg_iggy_server_config_t *c, hg_iggy_opts_t *o)
{
    hg_iggy_opts_init(o);
    hg_free(o->host);
    o->host = hg_xstrdup(c->host);
    o->port = (uint16_t)c->port;
    o->retries = UINT64_MAX;
    o->tls = c->tls;
    if (c->token && c->token[0]) {
        hg_free(o->token);
        o->token = hg_xstrdup(c->token);
    } else {
        hg_free(o->user);
        hg_free(o->password);
        o->user = hg_xstrdup(c->username);
        o->password = hg_xstrdup(c->password);
    }
    if (c->tls && c->tls_domain && c->tls_domain[0]) o->tls_domain = hg_xstrdup(c->tls_domain);
    if (c->tls && c->tls_ca_file && c->tls_ca_file[0]) o->tls_ca_file = hg_xstrdup(c->tls_ca_file);
}

static int open_codecs(hg_run_t *r, hg_err_t *err)
{
    const hg_iggy_connector_config_t *c = r->config;
    r->codecs = HG_NEWN(hg_codec_t *, c->n_streams + 1);
    for (uint32_t i = 0; i < c->n_streams; i++) {
        const hg_iggy_stream_config_t *s = &c->streams[i];
        bool avro = s->avro_schema_json || s->avro_schema_path; /* keys of the entry itself */
        int rc = hg_codec_new(hg_strz(hg_iggy_schema_name(s->schema)), avro || !s->codec ? s->node : s->codec,
                              &r->codecs[i], err);
        if (rc < 0) return hg_err_wrap(err, "stream '%s'", s->stream);
    }
    int rc = hg_chain_new(hg_json_get(c->node, "transforms"), &r->chain, err);
    return rc < 0 ? hg_err_wrap(err, "Failed to load transforms") : 0;
}

/* It stays so, however often it is tried; all else may be the other system's fault, or this one's. */
static bool no_library(const hg_err_t *err)
{
    return (err->code == HG_EIO || err->code == HG_EUNSUPPORTED) && !err->retry;
}

/* *ret_hopeless: trying again cannot help. */
static int open_plugin(hg_run_t *r, bool *ret_hopeless, hg_err_t *err)
{
    hg_buf_t state;
    hg_plugin_t *p = NULL;
    hg_buf_init(&state, HG_BUF_NOMAX);
    int rc = 0;
    if (r->config->kind == HG_IGGY_SOURCE) {
        rc = hg_rt_state_read(r->spec.runtime->state_path, r->config->key, &state, err);
        if (rc < 0) hg_err_wrap(err, "Failed to load source state");
    }
    if (rc == 0) {
        hg_plugin_spec_t spec = {
            .kind = r->config->kind == HG_IGGY_SOURCE ? HG_PLUGIN_SOURCE : HG_PLUGIN_SINK,
            .process = r->config->isolation == HG_IGGY_ISOLATION_PROCESS,
            .path = r->spec.path,
            .id = r->spec.id,
            .config = hg_strz(r->config->plugin_config),
            .state = hg_buf_str(&state),
        };
        rc = hg_plugin_open(r->spec.plugins, &spec, &EVENTS, r, &p, err);
        *ret_hopeless = rc < 0 && no_library(err);
        if (*ret_hopeless)
            hg_err_wrap(err, "Failed to load %s container from %s", hg_iggy_kind_name(r->config->kind), r->spec.path);
        if (rc == HG_EINVAL) hg_err_wrap(err, "Invalid configuration");
    }
    hg_buf_release(&state);
    if (rc < 0) return rc;
    pthread_mutex_lock(&r->bell.lock);
    r->plugin = p;
    pthread_mutex_unlock(&r->bell.lock);
    hg_run_event_t e = { .kind = HG_RUN_OPENED };
    snprintf(e.version, sizeof e.version, "%s", hg_plugin_version(p));
    r->spec.event(r->spec.arg, &e);
    return 0;
}

static void close_plugin(hg_run_t *r)
{
    pthread_mutex_lock(&r->bell.lock);
    hg_plugin_t *p = r->plugin;
    r->plugin = NULL;
    pthread_mutex_unlock(&r->bell.lock);
    if (p) hg_plugin_close(p, r->spec.runtime->own.stop_timeout_ms);
}

static hg_run_how_t work(hg_run_t *r, hg_err_t *err)
{
    if (open_codecs(r, err) < 0) return HG_RUN_FATAL;
    bool hopeless = false;
    if (open_plugin(r, &hopeless, err) < 0) return hopeless ? HG_RUN_FATAL : HG_RUN_FAILED;
    hg_run_how_t how = r->config->kind == HG_IGGY_SOURCE ? hg_source_loop(r, err) : hg_sink_loop(r, err);
    close_plugin(r);
    return how;
}

static void *run_main(void *arg)
{
    hg_run_t *r = arg;
    hg_run_event_t e = { .kind = HG_RUN_EXITED, .err = HG_ERR_INIT };
    pthread_setname_np(pthread_self(), r->config->kind == HG_IGGY_SOURCE ? "hg-source" : "hg-sink");
    e.how = work(r, &e.err);
    if (e.how == HG_RUN_STOPPED || e.how == HG_RUN_ENDED) e.err = HG_ERR_INIT; /* of something that was dealt with */
    hg_rt_dead_close(r);
    for (uint32_t i = 0; r->codecs && i < r->config->n_streams; i++) hg_codec_free(r->codecs[i]);
    hg_free(r->codecs);
    hg_chain_free(r->chain);
    r->spec.event(r->spec.arg, &e);
    return NULL;
}

hg_run_t *hg_run_start(const hg_run_spec_t *spec)
{
    hg_run_t *r = HG_NEW(hg_run_t);
    r->spec = *spec;
    r->spec.config = hg_iggy_connector_ref(spec->config);
    r->spec.path = r->path = hg_xstrdup(spec->path);
    r->config = r->spec.config;
    hg_bell_init(&r->bell);
    pthread_mutex_init(&r->dead_lock, NULL);
    connection(&spec->runtime->iggy, &r->conn);
    hg_run_event_t e = { .kind = HG_RUN_EXITED, .how = HG_RUN_FAILED, .err = HG_ERR_INIT };
    r->has_thread = hg_thread_start(&r->thread, run_main, r, "a connector", &e.err) == 0;
    if (!r->has_thread) r->spec.event(r->spec.arg, &e);
    return r;
}

void hg_run_stop(hg_run_t *r)
{
    pthread_mutex_lock(&r->bell.lock);
    if (!r->bell.stop) r->bell.stop_us = hg_mono_us();
    r->bell.stop = true;
    pthread_cond_broadcast(&r->bell.rung);
    pthread_mutex_unlock(&r->bell.lock);
}

void hg_run_kill(hg_run_t *r)
{
    pthread_mutex_lock(&r->bell.lock);
    if (r->plugin) hg_plugin_kill(r->plugin);
    pthread_mutex_unlock(&r->bell.lock);
}

void hg_run_free(hg_run_t *r)
{
    if (r->has_thread) pthread_join(r->thread, NULL);
    hg_iggy_opts_release(&r->conn);
    hg_iggy_connector_unref(r->spec.config);
    pthread_mutex_destroy(&r->dead_lock);
    hg_bell_release(&r->bell);
    hg_free(r->path);
    hg_free(r);
}
