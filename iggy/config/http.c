/* http.c: a service that keeps configurations, asked over HTTP; its answers are read in http_answer.c. Calls
 * block their thread: between repetitions they wait on a condition that cancel signals. No state but that.
 */
#include "base/hg.h"
#include <uv.h>
#include "base/log.h"
#include "base/mem.h"
#include "iggy/config/config_int.h"
#include "net/client.h"

#define MAX_ANSWER ((size_t)64 << 20)

typedef struct http {
    const hg_iggy_runtime_config_t *cfg;
    hg_iggy_notes_t notes;
    hg_arena_t *a;
    const char **headers; /* "Name: value", NULL-ended */
    uv_mutex_t lock;
    uv_cond_t woken;
    bool canceled;
} http_t;

/* --- templates -----------------------------------------------------------------------------------------------------
 */
typedef enum {
    CREATE,
    ACTIVE_CONFIGS,
    ACTIVE_VERSIONS,
    SET_ACTIVE,
    CONFIGS,
    CONFIG,
    ACTIVE_CONFIG,
    DELETE_CONFIG,
    N_TEMPLATES
} template_t;

static const struct {
    const char *names[2]; /* by hg_iggy_kind_t */
    const char *method, *paths[2];
    bool absent_is_none; /* 404 is an answer, not a failure */
} templates[N_TEMPLATES] = {
    [CREATE] = { { "create_sink", "create_source" },
                 "POST",
                 { "/sinks/{key}/configs", "/sources/{key}/configs" },
                 false },
    [ACTIVE_CONFIGS] = { { "get_active_configs", "get_active_configs" },
                         "GET",
                         { "/configs/active", "/configs/active" },
                         false },
    [ACTIVE_VERSIONS] = { { "get_active_versions", "get_active_versions" },
                          "GET",
                          { "/configs/active/versions", "/configs/active/versions" },
                          false },
    [SET_ACTIVE] = { { "set_active_sink", "set_active_source" },
                     "PUT",
                     { "/sinks/{key}/configs/active", "/sources/{key}/configs/active" },
                     false },
    [CONFIGS] = { { "get_sink_configs", "get_source_configs" },
                  "GET",
                  { "/sinks/{key}/configs", "/sources/{key}/configs" },
                  false },
    [CONFIG] = { { "get_sink_config", "get_source_config" },
                 "GET",
                 { "/sinks/{key}/configs/{version}", "/sources/{key}/configs/{version}" },
                 true },
    [ACTIVE_CONFIG] = { { "get_active_sink_config", "get_active_source_config" },
                        "GET",
                        { "/sinks/{key}/configs/active", "/sources/{key}/configs/active" },
                        true },
    [DELETE_CONFIG] = { { "delete_sink_config", "delete_source_config" },
                        "DELETE",
                        { "/sinks/{key}/configs", "/sources/{key}/configs" },
                        false },
};

typedef struct call {
    template_t what;
    hg_iggy_kind_t kind;
    const char *key; /* NULL: none */
    const uint64_t *version;
    hg_str_t body;
} call_t;

static void put_url(const http_t *h, const call_t *c, hg_buf_t *url)
{
    const char *name = templates[c->what].names[c->kind], *p = templates[c->what].paths[c->kind];
    p = hg_json_str(hg_json_get(h->cfg->connectors.url_templates, name), p);
    hg_buf_adds(url, h->cfg->connectors.base_url);
    while (*p) {
        if (c->key && strncmp(p, "{key}", 5) == 0) {
            hg_pct_encode(url, hg_strz(c->key));
            p += 5;
        } else if (c->version && strncmp(p, "{version}", 9) == 0) {
            hg_buf_addu64(url, *c->version);
            p += 9;
        } else {
            hg_buf_addc(url, *p++);
        }
    }
    if (c->what == DELETE_CONFIG && c->version)
        hg_buf_addf(url, "%cversion=%" PRIu64, strchr(url->p, '?') ? '&' : '?', *c->version);
}

/* --- requests ------------------------------------------------------------------------------------------------------
 */
/* false: canceled. Full jitter below the pause keeps several runtimes apart. */
static bool pause_before(http_t *h, uint32_t attempt)
{
    const hg_iggy_retry_config_t *r = &h->cfg->connectors.retry;
    uint64_t ms = r->initial_backoff_ms;
    uint32_t dice;
    for (uint32_t i = 0; i < attempt && ms < r->max_backoff_ms; i++) ms *= r->multiplier;
    ms = HG_MIN(ms, r->max_backoff_ms);
    hg_random(&dice, sizeof dice);
    ms = ms / 2 + (ms / 2) * dice / UINT32_MAX;
    uint64_t until = uv_hrtime() + ms * 1000000;
    uv_mutex_lock(&h->lock);
    while (!h->canceled && uv_hrtime() < until) uv_cond_timedwait(&h->woken, &h->lock, until - uv_hrtime());
    bool go_on = !h->canceled;
    uv_mutex_unlock(&h->lock);
    return go_on;
}

static bool canceled(http_t *h)
{
    uv_mutex_lock(&h->lock);
    bool yes = h->canceled;
    uv_mutex_unlock(&h->lock);
    return yes;
}

static int request(http_t *h, const call_t *c, const char *url, int *ret_status, hg_buf_t *answer, hg_err_t *err)
{
    const hg_iggy_provider_config_t *p = &h->cfg->connectors;
    hg_fetch_t f = { .method = templates[c->what].method,
                     .url = url,
                     .headers = h->headers,
                     .body = c->body,
                     .timeout_ms = p->timeout_ms };
    for (uint32_t attempt = 0;; attempt++) {
        if (canceled(h)) return hg_err_set(err, HG_ECANCELED, "the runtime is shutting down");
        hg_buf_clear(answer);
        int rc = hg_fetch(&f, ret_status, answer, err);
        bool again = rc < 0 || *ret_status == 408 || *ret_status == 429 || *ret_status >= 500;
        if (!again || !p->retry.enabled || attempt >= p->retry.max_attempts)
            return rc < 0 ? hg_err_wrap(err, "HTTP request failed") : 0;
        hg_log(HG_LOG_WARN, "iggy", "config", "provider_retry", "url=\"%s\" attempt=%u status=%d", url, attempt + 1,
               rc < 0 ? 0 : *ret_status);
        if (!pause_before(h, attempt)) return hg_err_set(err, HG_ECANCELED, "the runtime is shutting down");
    }
}

/* HG_ENOTFOUND: a 404 that means none. ret NULL: the body is not looked at. */
static int ask(http_t *h, const call_t *c, igc_answer_t shape, hg_iggy_configs_t *ret, hg_err_t *err)
{
    hg_buf_t url, answer;
    int status = 0;
    hg_buf_init(&url, 1 << 16);
    hg_buf_init(&answer, MAX_ANSWER);
    put_url(h, c, &url);
    int rc = request(h, c, url.p, &status, &answer, err);
    if (rc == 0 && status == 404 && templates[c->what].absent_is_none)
        rc = igc_no_version(err, c->kind, c->key, c->version);
    else if (rc == 0 && (status < 200 || status > 299))
        rc = hg_err_set(err, HG_EPROTO, "HTTP request failed: HTTP %d - %.300s", status, answer.p);
    igc_asked_t asked = { .cfg = h->cfg, .notes = h->notes, .url = url.p, .kind = c->kind, .key = c->key };
    if (rc == 0 && ret) rc = igc_http_answer(&asked, shape, hg_buf_str(&answer), ret, err);
    if (rc == 0 && ret && shape == IGC_ONE && !ret->n) rc = igc_no_version(err, c->kind, c->key, c->version);
    hg_buf_release(&url);
    hg_buf_release(&answer);
    return rc;
}

static int ask_one(http_t *h, const call_t *c, hg_iggy_connector_config_t **ret, hg_err_t *err)
{
    hg_iggy_configs_t one = { 0 };
    int rc = ask(h, c, IGC_ONE, &one, err);
    if (rc == 0) *ret = hg_iggy_connector_ref(one.v[0]);
    hg_iggy_configs_release(&one);
    return rc;
}

static int http_active(void *self, hg_iggy_configs_t *ret, hg_err_t *err)
{
    return ask(self, &(call_t){ .what = ACTIVE_CONFIGS }, IGC_ACTIVE, ret, err);
}

static int http_versions(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_configs_t *ret, hg_err_t *err)
{
    return ask(self, &(call_t){ .what = CONFIGS, .kind = k, .key = key }, IGC_LIST, ret, err);
}

static int http_active_one(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_connector_config_t **ret,
                           hg_err_t *err)
{
    return ask_one(self, &(call_t){ .what = ACTIVE_CONFIG, .kind = k, .key = key }, ret, err);
}

static int http_get(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_iggy_connector_config_t **ret,
                    hg_err_t *err)
{
    return ask_one(self, &(call_t){ .what = CONFIG, .kind = k, .key = key, .version = &version }, ret, err);
}

static int http_activate(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_err_t *err)
{
    char body[48];
    snprintf(body, sizeof body, "{\"version\":%" PRIu64 "}", version);
    return ask(self, &(call_t){ .what = SET_ACTIVE, .kind = k, .key = key, .body = hg_strz(body) }, IGC_ONE, NULL, err);
}

static int http_create(void *self, hg_iggy_kind_t k, const char *key, hg_str_t body, hg_iggy_connector_config_t **ret,
                       hg_err_t *err)
{
    const http_t *h = self;
    igc_tree_t *t;
    hg_iggy_connector_config_t *c;
    hg_buf_t text;
    hg_jw_t w;
    int rc = igc_connector_body(k, key, 0, body, &h->cfg->own, &t, &c, err);
    if (rc < 0) return rc;
    static const char *const added[] = { "type", "key", "version" };
    for (size_t i = 0; i < HG_COUNT(added); i++) igc_remove(t->root, added[i]);
    igc_connector_nulls(t, k);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_node(&w, t->root);
    rc = ask_one(self, &(call_t){ .what = CREATE, .kind = k, .key = key, .body = hg_buf_str(&text) }, ret, err);
    hg_buf_release(&text);
    hg_iggy_connector_unref(c);
    return rc;
}

static int http_remove(void *self, hg_iggy_kind_t k, const char *key, const uint64_t *version, hg_err_t *err)
{
    return ask(self, &(call_t){ .what = DELETE_CONFIG, .kind = k, .key = key, .version = version }, IGC_ONE, NULL, err);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */
static void http_cancel(void *self)
{
    http_t *h = self;
    uv_mutex_lock(&h->lock);
    h->canceled = true;
    uv_cond_broadcast(&h->woken);
    uv_mutex_unlock(&h->lock);
}

static void http_free(void *self)
{
    http_t *h = self;
    uv_cond_destroy(&h->woken);
    uv_mutex_destroy(&h->lock);
    hg_arena_free(h->a);
    hg_free(h);
}

/* A template with another name is a mistake that would go unseen. */
static void warn_templates(const http_t *h)
{
    const char *names[2 * N_TEMPLATES + 1];
    size_t n = 0;
    for (int i = 0; i < N_TEMPLATES; i++)
        for (int k = 0; k < 2; k++) names[n++] = templates[i].names[k];
    names[n] = NULL;
    const hg_json_t *given = h->cfg->connectors.url_templates;
    for (const hg_json_t *m = given ? given->child : NULL; m; m = m->next) {
        bool known = false;
        for (size_t i = 0; i < n; i++) known = known || hg_str_eqz(m->key, names[i]);
        const char *near = hg_nearest(m->key, names);
        if (!known)
            igc_note(h->notes, true, (hg_pos_t){ .file = h->cfg->file },
                     "connectors.url_templates: no template is called \"%s\"%s%s%s", m->key.p,
                     near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
}

static int http_open(const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes, void **ret, hg_err_t *err)
{
    http_t *h = hg_xzero(sizeof *h);
    uint32_t n = 0;
    (void)err;
    h->cfg = cfg;
    h->notes = notes;
    h->a = hg_arena_new();
    HG_ASSERT(uv_mutex_init(&h->lock) == 0);
    HG_ASSERT(uv_cond_init(&h->woken) == 0);
    const hg_json_t *given = cfg->connectors.request_headers;
    for (const hg_json_t *m = given ? given->child : NULL; m; m = m->next)
        HG_APUSH(h->a, h->headers, n, hg_arena_printf(h->a, "%s: %s", m->key.p, m->str.p));
    HG_APUSH(h->a, h->headers, n, "Content-Type: application/json");
    HG_APUSH(h->a, h->headers, n, NULL);
    warn_templates(h);
    *ret = h;
    return 0;
}

const igc_provider_ops_t igc_http_ops = {
    .open = http_open,
    .active = http_active,
    .active_one = http_active_one,
    .versions = http_versions,
    .get = http_get,
    .activate = http_activate,
    .create = http_create,
    .remove = http_remove,
    .cancel = http_cancel,
    .free = http_free,
};
