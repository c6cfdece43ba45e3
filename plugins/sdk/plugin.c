/* plugin.c: log, instances, patience. See plugin.h.
 *
 * An instance is held (users) by every call that works on it; close takes it off the list first, so that no later call
 * finds it, and then waits for those that did. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugins/sdk/plugin.h"
#include <errno.h>

#define GRACE_US ((int64_t)5000000) /* that a call under way has after close began */

/* --- log ---------------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex;
    _Atomic(iggy_log_fn) fn;
    const char *name;
    int level;
} g_log = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* "warn", "info,hyper=debug": the word that stands alone counts. */
static int level_of(const char *spec)
{
    static const char *const names[] = { "trace", "debug", "info", "warn", "error", "off" };
    for (const char *p = spec; p && *p; p += strcspn(p, ","), p += *p == ',') {
        hg_str_t word = hg_str_trim((hg_str_t){ p, strcspn(p, ",") });
        for (int i = 0; i < (int)HG_COUNT(names); i++)
            if (hg_str_ieq(word, hg_strz(names[i]))) return i;
    }
    return IGGY_LOG_INFO;
}

void hgp_log_to(iggy_log_fn fn, const char *name)
{
    pthread_mutex_lock(&g_log.mutex);
    if (!atomic_load(&g_log.fn)) {
        g_log.name = name;
        g_log.level = level_of(getenv("RUST_LOG"));
        atomic_store(&g_log.fn, fn);
    }
    pthread_mutex_unlock(&g_log.mutex);
}

void hgp_log(int level, const char *fmt, ...)
{
    iggy_log_fn fn = atomic_load(&g_log.fn);
    if (!fn || level < g_log.level) return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    size_t len = HG_MIN((size_t)n, sizeof text - 1);
    while (len && len == sizeof text - 1 && !hg_utf8_valid(text, len)) len--; /* cut between characters */
    fn((uint8_t)level, (const uint8_t *)g_log.name, strlen(g_log.name), (const uint8_t *)text, len);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static void complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg;
    (void)node;
    (void)at_key;
    hgp_log(warning ? IGGY_LOG_WARN : IGGY_LOG_ERROR, "plugin_config: %s", msg);
}

static int read_options(hgp_instance_t *i, hg_str_t config, const hg_opt_t *options)
{
    hg_json_t *root;
    hg_err_t err = HG_ERR_INIT;
    hg_diag_t d = { .fn = complain };
    if (hg_json_parse(i->arena, config, &root, &err) < 0) {
        hgp_log(IGGY_LOG_ERROR, "plugin_config is not JSON: %s at byte %" PRIu64, err.msg, err.pos.off);
        return HG_EPARSE;
    }
    if (root->kind != HG_J_OBJECT && root->kind != HG_J_NULL) {
        hgp_log(IGGY_LOG_ERROR, "plugin_config is %s: expected an object", hg_json_kind_name(root->kind));
        return HG_EINVAL;
    }
    return hg_opts_parse(options, root->kind == HG_J_OBJECT ? root : NULL, root, HG_EXTRA_WARN, NULL, i->arena, i->cfg,
                         &d);
}

const char *hgp_options_page(const hg_opt_t *options)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static char *page;
    pthread_mutex_lock(&mutex);
    if (!page) {
        hg_buf_t b;
        size_t n;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_opts_doc(options, &b);
        page = hg_buf_take(&b, &n);
    }
    pthread_mutex_unlock(&mutex);
    return page;
}

/* --- instances ---------------------------------------------------------------------------------------------------- */

static hgp_instance_t *find(hgp_instances_t *is, uint32_t id)
{
    HG_LIST_EACH(l, &is->all)
    if (HG_ENTRY(l, hgp_instance_t, link)->id == id) return HG_ENTRY(l, hgp_instance_t, link);
    return NULL;
}

hgp_instance_t *hgp_instance_new(hgp_instances_t *is, uint32_t id, hg_str_t config, const hg_opt_t *options,
                                 size_t cfg_size)
{
    pthread_condattr_t mono;
    pthread_mutex_lock(&is->mutex);
    if (find(is, id)) {
        pthread_mutex_unlock(&is->mutex);
        hgp_log(IGGY_LOG_ERROR, "there is an instance %u already", id);
        return NULL;
    }
    hgp_instance_t *i = HG_NEW(hgp_instance_t);
    i->id = id;
    i->arena = hg_arena_new();
    i->cfg = hg_arena_alloc(i->arena, cfg_size);
    pthread_mutex_init(&i->mutex, NULL);
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&i->changed, &mono);
    pthread_condattr_destroy(&mono);
    hg_list_init(&i->link);
    hg_list_add_tail(&is->all, &i->link);
    pthread_mutex_unlock(&is->mutex);
    if (read_options(i, config, options) == 0) return i;
    hgp_instance_opened(is, i, false);
    return NULL;
}

/* The mutex also hands what open wrote to the thread that closes. */
void hgp_instance_opened(hgp_instances_t *is, hgp_instance_t *i, bool ready)
{
    pthread_mutex_lock(&is->mutex);
    i->ready = ready;
    pthread_mutex_unlock(&is->mutex);
}

hgp_instance_t *hgp_instance_get(hgp_instances_t *is, uint32_t id)
{
    pthread_mutex_lock(&is->mutex);
    hgp_instance_t *i = find(is, id);
    if (i && i->ready)
        i->users++;
    else
        i = NULL;
    pthread_mutex_unlock(&is->mutex);
    return i;
}

void hgp_instance_put(hgp_instances_t *is, hgp_instance_t *i)
{
    pthread_mutex_lock(&is->mutex);
    if (--i->users == 0) pthread_cond_broadcast(&is->idle);
    pthread_mutex_unlock(&is->mutex);
}

hgp_instance_t *hgp_instance_close(hgp_instances_t *is, uint32_t id)
{
    pthread_mutex_lock(&is->mutex);
    hgp_instance_t *i = find(is, id);
    if (i) {
        hg_list_del(&i->link);
        pthread_mutex_lock(&i->mutex);
        atomic_store(&i->closing_since, hg_mono_us());
        atomic_store(&i->closing, true);
        pthread_cond_broadcast(&i->changed);
        pthread_mutex_unlock(&i->mutex);
        while (i->users) pthread_cond_wait(&is->idle, &is->mutex);
    }
    pthread_mutex_unlock(&is->mutex);
    return i;
}

void hgp_instance_free(hgp_instance_t *i)
{
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->mutex);
    hg_arena_free(i->arena);
    hg_free(i);
}

bool hgp_sleep(hgp_instance_t *i, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&i->mutex);
    int rc = 0;
    while (!atomic_load(&i->closing) && rc != ETIMEDOUT) rc = pthread_cond_timedwait(&i->changed, &i->mutex, &until);
    pthread_mutex_unlock(&i->mutex);
    return !atomic_load(&i->closing);
}

bool hgp_cancelled(void *arg)
{
    hgp_instance_t *i = arg;
    int64_t since = atomic_load(&i->closing_since);
    return since && hg_mono_us() - since > GRACE_US;
}

/* --- patience ----------------------------------------------------------------------------------------------------- */

bool hgp_try_again(hgp_instance_t *i, const hgp_patience_t *p, uint32_t attempt, uint64_t asked_ms, const hg_err_t *err)
{
    if (!err->retry || attempt >= p->max_attempts) return false;
    double pause = (double)p->delay_ms;
    uint32_t dice;
    for (uint32_t k = 1; k < attempt && pause < (double)p->max_delay_ms; k++) pause *= p->multiplier;
    hg_random(&dice, sizeof dice);
    pause *= 0.8 + 0.4 * ((double)dice / (double)UINT32_MAX); /* so that many do not come back at once */
    uint64_t ms = HG_MIN(HG_MAX((uint64_t)pause, asked_ms), p->max_delay_ms);
    hgp_log(IGGY_LOG_WARN, "attempt %u of %u failed, the next one in %" PRIu64 " ms: %s", attempt, p->max_attempts, ms,
            err->msg);
    return hgp_sleep(i, ms);
}

hgp_patience_t hgp_doubling(uint32_t max_attempts, uint64_t delay_ms)
{
    return (hgp_patience_t){ max_attempts, delay_ms, HG_MAX(delay_ms, (uint64_t)60000), 2 };
}

unsigned hgp_choice(const char *option, const char *said, const char *const *names, unsigned n)
{
    hg_buf_t all;
    for (unsigned k = 0; k < n; k++)
        if (hg_str_ieq(hg_strz(said), hg_strz(names[k]))) return k;
    hg_buf_init(&all, HG_BUF_NOMAX);
    for (unsigned k = 0; k < n; k++) hg_buf_addf(&all, "%s%s", k ? ", " : "", names[k]);
    hgp_log(IGGY_LOG_WARN, "option '%s': '%s' is none of %s: %s is taken", option, said, all.p, names[0]);
    hg_buf_release(&all);
    return 0;
}

int hgp_time(hg_buf_t *out, uint64_t us)
{
    char t[40], digits[8];
    struct tm tm;
    time_t s = (time_t)(us / 1000000);
    gmtime_r(&s, &tm);
    size_t n = strftime(t, sizeof t, "%Y-%m-%dT%H:%M:%S", &tm);
    int rc = hg_buf_add(out, t, n);
    int k = snprintf(digits, sizeof digits, ".%06u", (unsigned)(us % 1000000));
    while (k > 1 && digits[k - 1] == '0') k--;
    if (rc == 0 && k > 1) rc = hg_buf_add(out, digits, (size_t)k);
    return rc < 0 ? rc : hg_buf_addc(out, 'Z');
}
