/* otlp_env.c: what the environment says to every exporter of OTLP (OpenTelemetry's SDK specification): a variable for
 * logs wins over the one for all signals, one that is empty counts as none. Lists are "key=value,key2=value2" with
 * %-escapes, as in the header Baggage. */
#include "base/hg.h"
#include "telemetry/otlp_int.h"

#define TIMEOUT_MS 10000

static const char *value_of(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=' && (*env)[n + 1]) return *env + n + 1;
    return NULL;
}

/* *ret_name: the variable that was there. */
static const char *of_logs(const char *const *env, const char *logs, const char *all, const char **ret_name)
{
    const char *v = value_of(env, *ret_name = logs);
    return v ? v : value_of(env, *ret_name = all);
}

/* The next "key=value"; 1: there is one, 0: there is none, negative: it is none. */
static int next_pair(const char **at, hg_arena_t *a, otlp_pair_t *ret)
{
    hg_str_t one = { NULL, 0 };
    for (; !one.n && **at; *at += **at == ',') {
        size_t n = strcspn(*at, ",");
        one = hg_str_trim((hg_str_t){ *at, n });
        *at += n;
    }
    if (!one.n) return 0;
    const char *eq = memchr(one.p, '=', one.n);
    hg_buf_t value;
    if (!eq || eq == one.p) return HG_EPARSE;
    hg_str_t key = hg_str_trim((hg_str_t){ one.p, (size_t)(eq - one.p) });
    hg_buf_init(&value, HG_BUF_NOMAX);
    int rc = hg_pct_decode(&value, hg_str_trim((hg_str_t){ eq + 1, one.n - (size_t)(eq - one.p) - 1 }), false);
    *ret = (otlp_pair_t){ hg_arena_str(a, key), hg_arena_str(a, hg_buf_str(&value)) };
    hg_buf_release(&value);
    return rc < 0 ? HG_EPARSE : 1;
}

/* A name or a value with a line's end in it would begin another header. */
static bool is_header(const otlp_pair_t *p)
{
    for (size_t i = 0; i < p->key.n; i++)
        if ((unsigned char)p->key.p[i] <= ' ' || p->key.p[i] == ':') return false;
    for (size_t i = 0; i < p->value.n; i++)
        if ((unsigned char)p->value.p[i] < ' ') return false;
    return true;
}

static int bad_list(hg_err_t *err, const char *name)
{
    return hg_err_set(err, HG_EINVAL, "the variable %s is no list; write \"key=value,key2=value2\", with %%-escapes",
                      name);
}

static int read_headers(const char *const *env, hg_arena_t *a, otlp_env_t *e, hg_err_t *err)
{
    const char *name;
    const char *at = of_logs(env, "OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", &name);
    otlp_pair_t p;
    uint32_t n = 0;
    for (int rc; at && (rc = next_pair(&at, a, &p)) != 0;) {
        if (rc < 0 || !is_header(&p)) return bad_list(err, name);
        HG_APUSH(a, e->headers, n, hg_arena_printf(a, HG_SF ": " HG_SF, HG_SA(p.key), HG_SA(p.value)));
    }
    HG_APUSH(a, e->headers, n, NULL);
    return 0;
}

static int read_resource(const char *const *env, hg_arena_t *a, otlp_env_t *e, hg_err_t *err)
{
    const char *name = "OTEL_RESOURCE_ATTRIBUTES", *at = value_of(env, name);
    otlp_pair_t p;
    for (int rc; at && (rc = next_pair(&at, a, &p)) != 0;) {
        if (rc < 0) return bad_list(err, name);
        HG_APUSH(a, e->resource, e->n_resource, p);
    }
    return 0;
}

int otlp_env_read(const char *const *env, hg_arena_t *a, otlp_env_t *ret, hg_err_t *err)
{
    const char *name;
    *ret = (otlp_env_t){ .timeout_ms = TIMEOUT_MS };
    const char *v = of_logs(env, "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", &name);
    if (v && (hg_str_u64(hg_strz(v), &ret->timeout_ms) < 0 || !ret->timeout_ms || ret->timeout_ms > INT32_MAX))
        return hg_err_set(err, HG_EINVAL, "the variable %s is '%s', which is no number of milliseconds above 0", name,
                          v);
    v = of_logs(env, "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", &name);
    if (v) ret->ca_file = hg_arena_strndup(a, v, strlen(v));
    int rc = read_headers(env, a, ret, err);
    return rc < 0 ? rc : read_resource(env, a, ret, err);
}
