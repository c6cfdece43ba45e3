/* nats_config.c: options of nats_input. Two of them are objects with tables of their own. */
#include "base/hg.h"
#include "base/access.h"
#include "connectors/transport/nats_int.h"
#include "data/text.h"

#define PORT        4222
#define INACTIVE_NS 300000000000 /* the server forgets a consumer that nobody asks */

const hg_opt_t hg_nats_opts[] = {
    { .key = "connection_config",
      .type = HG_OPT_JSON,
      .at = offsetof(hg_nats_cfg_t, connection),
      .flags = HG_OPT_REQUIRED | HG_OPT_SECRET,
      .doc =
          "Object: `server_url` (required; `nats://host[:4222]`, `tls://` for TLS), `auth` (one of `{\"credentials\": "
          "{\"FromFile\": path}}`, a file as `nsc` makes it, read anew for each session; `{\"credentials\": "
          "{\"FromString\": text}}`, what such a file holds; `{\"nkey\": seed}`; `{\"jwt\": …, \"nkey\": seed}`, "
          "without the seed for a bearer's JWT; `{\"user_and_password\": {\"user\": …, \"password\": …}}`; "
          "`{\"token\": …}`), `connection_timeout_secs` (10), `request_timeout_secs` (10), `tls_ca_file` (PEM; "
          "default: the system's)." },
    { .key = "stream_name",
      .type = HG_OPT_STR,
      .at = offsetof(hg_nats_cfg_t, stream),
      .flags = HG_OPT_REQUIRED,
      .doc = "JetStream stream to read." },
    { .key = "inactivity_timeout_secs",
      .type = HG_OPT_U64,
      .at = offsetof(hg_nats_cfg_t, inactivity),
      .def = "60",
      .min = 1,
      .max = 1000000,
      .unit = "s",
      .doc = "After so long without a message server and stream are asked whether they are there." },
    { .key = "retry_interval_secs",
      .type = HG_OPT_U64,
      .at = offsetof(hg_nats_cfg_t, retry),
      .def = "5",
      .min = 1,
      .max = 1000000,
      .unit = "s",
      .doc = "Pause before another attempt, after a lost connection or while the stream is not there." },
    { .key = "consumer_config",
      .type = HG_OPT_JSON,
      .at = offsetof(hg_nats_cfg_t, consumer),
      .flags = HG_OPT_REQUIRED,
      .doc =
          "Object: `deliver_policy` (required: `All`, `Last`, `New`, `LastPerSubject`, `{\"ByStartSequence\": "
          "{\"start_sequence\": n}}` or `{\"ByStartTime\": {\"start_time\": \"2024-01-01T00:00:00Z\"}}`), "
          "`filter_subjects` (all), `replay_policy` (`Instant` or `Original`), `name` (the consumer's name begins with "
          "it), `description`, `metadata`, `max_batch` (500: messages asked for at a time), `max_bytes`, "
          "`max_expires` (`{\"secs\": 30, \"nanos\": 0}`), `max_waiting`. `rate_limit` is for push consumers only." },
    { .key = NULL },
};

#define AT(f) offsetof(hg_nats_options_t, f)
static const hg_opt_t connection_opts[] = {
    { .key = "server_url", .type = HG_OPT_STR, .at = AT(url), .flags = HG_OPT_REQUIRED },
    { .key = "auth", .type = HG_OPT_JSON, .at = AT(auth) },
    { .key = "connection_timeout_secs", .type = HG_OPT_U64, .at = AT(connect_s), .def = "10", .min = 1, .max = 86400 },
    { .key = "request_timeout_secs", .type = HG_OPT_U64, .at = AT(request_s), .def = "10", .min = 1, .max = 86400 },
    { .key = "tls_ca_file", .type = HG_OPT_STR, .at = AT(ca_file) },
    { .key = NULL },
};
static const hg_opt_t consumer_opts[] = {
    { .key = "deliver_policy", .type = HG_OPT_JSON, .at = AT(deliver), .flags = HG_OPT_REQUIRED },
    { .key = "name", .type = HG_OPT_STR, .at = AT(name) },
    { .key = "description", .type = HG_OPT_STR, .at = AT(description) },
    { .key = "filter_subjects", .type = HG_OPT_STRLIST, .at = AT(subjects) },
    { .key = "replay_policy", .type = HG_OPT_ENUM, .at = AT(replay), .names = "Instant|Original", .def = "Instant" },
    { .key = "rate_limit", .type = HG_OPT_U64, .at = AT(rate_limit) },
    { .key = "max_waiting", .type = HG_OPT_U64, .at = AT(max_waiting) },
    { .key = "metadata", .type = HG_OPT_JSON, .at = AT(metadata) },
    { .key = "max_batch", .type = HG_OPT_U64, .at = AT(max_batch), .def = "500", .min = 1, .max = 100000 },
    { .key = "max_bytes", .type = HG_OPT_U64, .at = AT(max_bytes) },
    { .key = "max_expires", .type = HG_OPT_JSON, .at = AT(max_expires) },
    { .key = NULL },
};

static bool is_reference(const char *s)
{
    return strstr(s, "${") != NULL;
}

/* Part of a subject. */
static bool is_name(const char *s)
{
    return is_reference(s) || (s[0] && !strpbrk(s, " .*>\t\r\n/\\"));
}

/* [nats|tls]://[user:password@|token@]host[:port] */
static const char *read_url(hg_str_t s, hg_nats_server_t *r)
{
    uint64_t port = PORT;
    r->tls = hg_str_starts(s, HG_S("tls://"));
    size_t skip = r->tls ? 6 : hg_str_starts(s, HG_S("nats://")) ? 7 : 0;
    if (!skip) return "it does not begin with nats:// or tls://";
    s = (hg_str_t){ s.p + skip, s.n - skip };
    if (s.n && s.p[s.n - 1] == '/') s.n--;
    if (s.n && memchr(s.p, ',', s.n)) return "it names several servers; name one";
    const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
    if (at) {
        hg_str_t who = { s.p, (size_t)(at - s.p) };
        const char *colon = memchr(who.p, ':', who.n);
        int rc = colon ? hg_pct_decode(&r->user, (hg_str_t){ who.p, (size_t)(colon - who.p) }, false)
                       : hg_pct_decode(&r->token, who, false);
        if (rc == 0 && colon)
            rc = hg_pct_decode(&r->password, (hg_str_t){ colon + 1, who.n - (size_t)(colon - who.p) - 1 }, false);
        if (rc < 0) return "it has a bad %-escape";
        s = (hg_str_t){ at + 1, s.n - who.n - 1 };
    }
    const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    const char *end = s.n && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    if (s.n && s.p[0] == '[' && !end) return "its host has no ']'";
    if (colon && colon > (end ? end : s.p - 1)) {
        hg_str_t digits = { colon + 1, s.n - (size_t)(colon - s.p) - 1 };
        if (hg_str_u64(digits, &port) < 0 || port < 1 || port > 65535)
            return "its port is not a number from 1 to 65535";
        s.n = (size_t)(colon - s.p);
    }
    if (end) s = (hg_str_t){ s.p + 1, (size_t)(end - s.p) - 1 };
    if (!s.n) return "it names no host";
    r->port = (uint16_t)port;
    (void)hg_buf_addstr(&r->host, s);
    return NULL;
}

/* --- auth --- */

static void take(hg_buf_t *to, hg_str_t text)
{
    hg_buf_clear(to);
    (void)hg_buf_addstr(to, text);
}

static void complain(hg_diag_t *d, const hg_json_t *at, const char *what, int rc, const hg_err_t *err)
{
    if (rc < 0) hg_diag(d, false, at, false, "option '%s': %s", what, err->msg);
}

static void read_user(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d)
{
    const hg_json_t *u = hg_json_get(v, "user"), *p = hg_json_get(v, "password");
    if (!u || !p || u->kind != HG_J_STRING || p->kind != HG_J_STRING) {
        hg_diag(d, false, v, false, "option 'user_and_password': expected {\"user\": …, \"password\": …}");
        return;
    }
    take(&s->user, u->str);
    take(&s->password, p->str);
}

static void read_credentials(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d)
{
    const hg_json_t *text = hg_json_get(v, "FromString"), *file = hg_json_get(v, "FromFile"), *one = text ? text : file;
    hg_err_t err = HG_ERR_INIT;
    if ((text && file) || !one || one->kind != HG_J_STRING || !one->str.n) {
        hg_diag(d, false, v, false, "option 'credentials': expected {\"FromFile\": path} or {\"FromString\": text}");
        return;
    }
    if (is_reference(one->str.p)) return;
    if (text) {
        complain(d, text, "FromString", hg_nats_creds(text->str, &s->identity, &err), &err);
        return;
    }
    s->creds_file = file->str.p;
    complain(d, file, "FromFile", hg_access_path(file->str.p, &err), &err);
}

static void read_nkey(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    if (is_reference(v->str.p)) return;
    int rc = hg_nats_seed(v->str, s->identity.seed, &err);
    s->identity.signs = rc == 0;
    complain(d, v, "nkey", rc, &err);
}

static void read_jwt(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    if (!is_reference(v->str.p)) complain(d, v, "jwt", hg_nats_jwt(v->str, &s->identity, &err), &err);
}

static void read_token(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d)
{
    (void)d;
    take(&s->token, v->str);
}

/* One way to log in. `jwt` and `nkey` are one: the seed signs for the JWT. */
static void read_auth(hg_nats_options_t *o, hg_diag_t *d)
{
    static const struct {
        const char *name;
        unsigned way;
        bool object;
        void (*read)(hg_nats_server_t *s, const hg_json_t *v, hg_diag_t *d);
    } rows[] = { { "user_and_password", 0, true, read_user },
                 { "token", 1, false, read_token },
                 { "credentials", 2, true, read_credentials },
                 { "jwt", 3, false, read_jwt },
                 { "nkey", 3, false, read_nkey } };
    static const char *const names[] = { "user_and_password", "token", "credentials", "jwt", "nkey", NULL };
    const char *first = NULL;
    unsigned way = 0;
    if (!o->auth || o->auth->kind == HG_J_NULL) return;
    if (o->auth->kind != HG_J_OBJECT) {
        hg_diag(d, false, o->auth, false, "option 'auth': expected an object");
        return;
    }
    for (const hg_json_t *m = o->auth->child; m; m = m->next) {
        size_t i = 0;
        while (i < HG_COUNT(rows) && !hg_str_eqz(m->key, rows[i].name)) i++;
        if (i == HG_COUNT(rows)) {
            const char *near = hg_nearest(m->key, names);
            hg_diag(d, false, m, true, "option 'auth': '" HG_SF "' is not known%s%s%s", HG_SA(m->key),
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
            continue;
        }
        if (m->kind == HG_J_NULL) continue;
        if (first && way != rows[i].way) {
            hg_diag(d, false, m, true, "option 'auth': '%s' and '%s' are two ways to log in; give one", first,
                    rows[i].name);
            continue;
        }
        first = rows[i].name;
        way = rows[i].way;
        if (m->kind != (rows[i].object ? HG_J_OBJECT : HG_J_STRING)) {
            hg_diag(d, false, m, false, "option '%s': expected %s", rows[i].name,
                    rows[i].object ? "an object" : "text");
            continue;
        }
        if (rows[i].read != read_user) { /* what server_url says is about another way */
            hg_buf_clear(&o->server.user);
            hg_buf_clear(&o->server.password);
        }
        hg_buf_clear(&o->server.token);
        rows[i].read(&o->server, m, d);
    }
}

static void read_policy(hg_nats_options_t *o, hg_diag_t *d)
{
    static const struct {
        const char *name, *wire;
    } plain[] = { { "All", "all" }, { "Last", "last" }, { "New", "new" }, { "LastPerSubject", "last_per_subject" } };
    const hg_json_t *v = o->deliver;
    if (!v) return;
    for (size_t i = 0; i < HG_COUNT(plain) && v->kind == HG_J_STRING; i++)
        if (hg_str_eqz(v->str, plain[i].name)) o->policy = plain[i].wire;
    const hg_json_t *by = hg_json_get(hg_json_get(v, "ByStartSequence"), "start_sequence");
    if (by && hg_json_u64(by, &o->start_sequence) == 0 && o->start_sequence) o->policy = "by_start_sequence";
    const hg_json_t *when = hg_json_get(hg_json_get(v, "ByStartTime"), "start_time");
    int64_t us;
    bool zone = false;
    if (when && when->kind == HG_J_STRING &&
        (hg_str_starts(when->str, HG_S("${")) || (hg_ts_parse(when->str, false, &us, &zone) == 0 && zone))) {
        o->policy = "by_start_time";
        o->start_time = when->str.p;
    }
    if (!o->policy)
        hg_diag(
            d, false, v, false,
            "option 'deliver_policy': expected \"All\", \"Last\", \"New\", \"LastPerSubject\", {\"ByStartSequence\": "
            "{\"start_sequence\": 1}} or {\"ByStartTime\": {\"start_time\": \"2024-01-01T00:00:00Z\"}}");
}

static void read_expires(hg_nats_options_t *o, hg_diag_t *d)
{
    uint64_t s = 30, ns = 0;
    if (o->max_expires && o->max_expires->kind != HG_J_NULL &&
        (hg_json_u64(hg_json_get(o->max_expires, "secs"), &s) < 0 ||
         hg_json_u64(hg_json_get(o->max_expires, "nanos"), &ns) < 0 || s > 86400 || ns > 999999999 || !(s + ns)))
        hg_diag(d, false, o->max_expires, false, "option 'max_expires': expected {\"secs\": 30, \"nanos\": 0}");
    o->expires_ns = s * 1000000000 + ns;
}

int hg_nats_options(const hg_nats_cfg_t *cfg, const hg_json_t *obj, hg_arena_t *a, hg_nats_options_t *o, hg_diag_t *d)
{
    unsigned before = d->errors;
    hg_err_t err = HG_ERR_INIT;
    memset(o, 0, sizeof *o);
    hg_buf_init(&o->server.host, 4096);
    hg_buf_init(&o->server.user, HG_BUF_NOMAX);
    hg_buf_init(&o->server.password, HG_BUF_NOMAX);
    hg_buf_init(&o->server.token, HG_BUF_NOMAX);
    hg_buf_init(&o->server.identity.jwt, HG_BUF_NOMAX);
    (void)hg_opts_parse(connection_opts, cfg->connection, obj, HG_EXTRA_WARN, NULL, a, o, d);
    (void)hg_opts_parse(consumer_opts, cfg->consumer, obj, HG_EXTRA_WARN, NULL, a, o, d);
    if (d->errors > before) return HG_EINVALTRANSPORT;
    const hg_json_t *at = hg_json_get(cfg->connection, "server_url");
    if (!is_reference(o->url)) {
        const char *why = read_url(hg_strz(o->url), &o->server);
        if (why)
            hg_diag(d, false, at, false, "option 'server_url' is not nats://host[:port]: %s", why);
        else if (hg_access_host(hg_buf_str(&o->server.host), o->server.port, &err) < 0)
            hg_diag(d, false, at, false, "%s", err.msg);
        if (o->ca_file && !o->server.tls && !why)
            hg_diag(d, false, hg_json_get(cfg->connection, "tls_ca_file"), false, "'tls_ca_file' is for tls:// only");
    }
    if (o->ca_file && !is_reference(o->ca_file) && hg_access_path(o->ca_file, &err) < 0)
        hg_diag(d, false, hg_json_get(cfg->connection, "tls_ca_file"), false, "%s", err.msg);
    if (o->rate_limit)
        hg_diag(d, false, hg_json_get(cfg->consumer, "rate_limit"), false,
                "option 'rate_limit' is for push consumers; this connector pulls");
    if (cfg->stream && !is_name(cfg->stream))
        hg_diag(d, false, hg_json_get(obj, "stream_name"), false,
                "option 'stream_name': a stream's name has no blanks and none of . * > / \\");
    if (o->name && !is_name(o->name))
        hg_diag(d, false, hg_json_get(cfg->consumer, "name"), false,
                "option 'name': a consumer's name has no blanks and none of . * > / \\");
    read_auth(o, d);
    read_policy(o, d);
    read_expires(o, d);
    return d->errors > before ? HG_EINVALTRANSPORT : 0;
}

void hg_nats_options_release(hg_nats_options_t *o)
{
    hg_buf_release(&o->server.host);
    hg_buf_release(&o->server.user);
    hg_buf_release(&o->server.password);
    hg_buf_release(&o->server.token);
    hg_nats_identity_release(&o->server.identity);
}

void hg_nats_consumer(const hg_nats_options_t *o, const char *stream, const char *name, uint64_t next, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "stream_name", stream);
    hg_jw_key(w, "config");
    hg_jw_obj(w);
    if (name) hg_jw_kstr(w, "name", name);
    hg_jw_kstr(w, "deliver_policy", next ? "by_start_sequence" : o->policy);
    if (next)
        hg_jw_ku64(w, "opt_start_seq", next);
    else if (o->start_time)
        hg_jw_kstr(w, "opt_start_time", o->start_time);
    hg_jw_kstr(w, "ack_policy", "none");
    hg_jw_kstr(w, "replay_policy", o->replay ? "original" : "instant");
    hg_jw_ku64(w, "inactive_threshold", INACTIVE_NS);
    hg_jw_ku64(w, "num_replicas", 1);
    hg_jw_kbool(w, "mem_storage", true);
    if (o->description) hg_jw_kstr(w, "description", o->description);
    if (o->max_waiting) hg_jw_ku64(w, "max_waiting", o->max_waiting);
    if (o->metadata) {
        hg_jw_key(w, "metadata");
        hg_jw_node(w, o->metadata);
    }
    if (o->subjects.n == 1) {
        hg_jw_kstr(w, "filter_subject", o->subjects.v[0]);
    } else if (o->subjects.n) {
        hg_jw_key(w, "filter_subjects");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < o->subjects.n; i++) hg_jw_strz(w, o->subjects.v[i]);
        hg_jw_end_arr(w);
    } else if (!next && strcmp(o->policy, "last_per_subject") == 0) {
        hg_jw_kstr(w, "filter_subject", ">");
    }
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}
