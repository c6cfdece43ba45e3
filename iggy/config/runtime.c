/* runtime.c: the runtime's own file: [http], [iggy], [state], [connectors], [telemetry], [logging], and headgate's
 * [headgate]. Each section is an option table; its variables are named by the section's path. */
#include "base/hg.h"
#include <unistd.h>
#include "base/durable.h"
#include "iggy/config/config_int.h"
#include "telemetry/otlp.h"

/* What is parsed into: durations are texts until they are taken apart. c comes first: it is what is given away. */
typedef struct raw {
    hg_iggy_runtime_config_t c;
    const char *timeout, *initial_backoff, *max_backoff, *stop_timeout;
    const hg_json_t *ignored;
} raw_t;

#define AT(f) offsetof(raw_t, f)
#define END                                                                                                            \
    {                                                                                                                  \
        .key = NULL                                                                                                    \
    }
#define SECTION(name)                                                                                                  \
    {                                                                                                                  \
        .key = name, .type = HG_OPT_JSON, .at = AT(ignored), .doc = "A table, below"                                   \
    }

static const hg_opt_t TOP[] = {
    SECTION("http"),    SECTION("iggy"),     SECTION("state"), SECTION("connectors"), SECTION("telemetry"),
    SECTION("logging"), SECTION("headgate"), SECTION("sinks"), SECTION("sources"),    END,
};
static const hg_opt_t HTTP[] = {
    { .key = "enabled", .type = HG_OPT_BOOL, .at = AT(c.http.enabled), .def = "true", .doc = "Serve the HTTP API" },
    { .key = "address",
      .type = HG_OPT_STR,
      .at = AT(c.http.address),
      .def = "127.0.0.1:8081",
      .doc = "Address and port to listen on; port 0 picks a free one" },
    { .key = "api_key",
      .type = HG_OPT_STR,
      .at = AT(c.http.api_key),
      .flags = HG_OPT_SECRET,
      .def = "",
      .doc = "What requests carry in the header `api-key`; empty = nothing is asked for." },
    SECTION("cors"),
    SECTION("metrics"),
    SECTION("tls"),
    END,
};
static const hg_opt_t CORS[] = {
    { .key = "enabled", .type = HG_OPT_BOOL, .at = AT(c.http.cors), .doc = "Answer with CORS headers" },
    { .key = "allowed_methods",
      .type = HG_OPT_STRLIST,
      .at = AT(c.http.cors_methods),
      .doc = "GET, POST, PUT and DELETE if not given" },
    { .key = "allowed_origins",
      .type = HG_OPT_STRLIST,
      .at = AT(c.http.cors_origins),
      .doc = "`*` alone = any, as if not given" },
    { .key = "allowed_headers",
      .type = HG_OPT_STRLIST,
      .at = AT(c.http.cors_headers),
      .doc = "`content-type` if not given" },
    { .key = "exposed_headers", .type = HG_OPT_STRLIST, .at = AT(c.http.cors_exposed), .doc = "None if not given" },
    { .key = "allow_credentials",
      .type = HG_OPT_BOOL,
      .at = AT(c.http.cors_credentials),
      .doc = "Not together with any origin" },
    { .key = "allow_private_network",
      .type = HG_OPT_BOOL,
      .at = AT(c.http.cors_private_network),
      .doc = "Answer preflights of private network access" },
    END,
};
static const hg_opt_t METRICS[] = {
    { .key = "enabled", .type = HG_OPT_BOOL, .at = AT(c.http.metrics), .doc = "Serve metrics" },
    { .key = "endpoint",
      .type = HG_OPT_STR,
      .at = AT(c.http.metrics_endpoint),
      .def = "/metrics",
      .doc = "The path of the metrics" },
    END,
};
static const hg_opt_t HTTP_TLS[] = {
    { .key = "enabled", .type = HG_OPT_BOOL, .at = AT(c.http.tls), .doc = "Serve HTTPS" },
    { .key = "cert_file",
      .type = HG_OPT_STR,
      .at = AT(c.http.tls_cert_file),
      .def = "core/certs/iggy_cert.pem",
      .doc = "Certificate chain, PEM" },
    { .key = "key_file",
      .type = HG_OPT_STR,
      .at = AT(c.http.tls_key_file),
      .def = "core/certs/iggy_key.pem",
      .doc = "Its key, PEM" },
    END,
};
static const hg_opt_t IGGY[] = {
    { .key = "address",
      .type = HG_OPT_STR,
      .at = AT(c.iggy.address),
      .def = "localhost:8090",
      .doc = "The Iggy server, TCP" },
    { .key = "username", .type = HG_OPT_STR, .at = AT(c.iggy.username), .def = "iggy", .doc = "The user" },
    { .key = "password",
      .type = HG_OPT_STR,
      .at = AT(c.iggy.password),
      .flags = HG_OPT_SECRET,
      .def = "iggy",
      .doc = "The user's password." },
    { .key = "token",
      .type = HG_OPT_STR,
      .at = AT(c.iggy.token),
      .flags = HG_OPT_SECRET,
      .def = "",
      .doc = "A personal access token instead of user and password; `file:PATH` reads it from a file." },
    SECTION("tls"),
    END,
};
static const hg_opt_t IGGY_TLS[] = {
    { .key = "enabled", .type = HG_OPT_BOOL, .at = AT(c.iggy.tls), .doc = "Connect with TLS" },
    { .key = "ca_file",
      .type = HG_OPT_STR,
      .at = AT(c.iggy.tls_ca_file),
      .def = "core/certs/iggy_ca_cert.pem",
      .doc = "Whom to trust, PEM" },
    { .key = "domain",
      .type = HG_OPT_STR,
      .at = AT(c.iggy.tls_domain),
      .def = "",
      .doc = "The name in the server's certificate; that of the address if empty" },
    END,
};
static const hg_opt_t STATE[] = {
    { .key = "path",
      .type = HG_OPT_STR,
      .at = AT(c.state_path),
      .def = "local_state",
      .doc = "The folder with the sources' state" },
    END,
};
static const hg_opt_t CONNECTORS[] = {
    { .key = "config_type",
      .type = HG_OPT_ENUM,
      .at = AT(c.connectors.kind),
      .names = "local|http",
      .def = "local",
      .doc = "Who keeps connector configurations" },
    { .key = "config_dir",
      .type = HG_OPT_STR,
      .at = AT(c.connectors.config_dir),
      .def = "",
      .doc = "local: the folder with connector files" },
    { .key = "base_url", .type = HG_OPT_STR, .at = AT(c.connectors.base_url), .doc = "http: the service" },
    { .key = "timeout", .type = HG_OPT_STR, .at = AT(timeout), .def = "10s", .doc = "http: of a request" },
    { .key = "request_headers",
      .type = HG_OPT_JSON,
      .at = AT(c.connectors.request_headers),
      .doc = "http: a table of headers that go with every request" },
    { .key = "url_templates",
      .type = HG_OPT_JSON,
      .at = AT(c.connectors.url_templates),
      .doc = "http: a table of paths by the template's name" },
    SECTION("response"),
    SECTION("retry"),
    END,
};
static const hg_opt_t RESPONSE[] = {
    { .key = "data_path", .type = HG_OPT_STR, .at = AT(c.connectors.data_path), .doc = "Where the answer's value is" },
    { .key = "error_path", .type = HG_OPT_STR, .at = AT(c.connectors.error_path), .doc = "Where its error is" },
    END,
};
static const hg_opt_t RETRY[] = {
    { .key = "enabled",
      .type = HG_OPT_BOOL,
      .at = AT(c.connectors.retry.enabled),
      .def = "true",
      .doc = "Repeat requests that failed" },
    { .key = "max_attempts",
      .type = HG_OPT_U32,
      .at = AT(c.connectors.retry.max_attempts),
      .def = "3",
      .max = 1000,
      .doc = "How often one is repeated" },
    { .key = "initial_backoff", .type = HG_OPT_STR, .at = AT(initial_backoff), .def = "1s", .doc = "The first pause" },
    { .key = "max_backoff", .type = HG_OPT_STR, .at = AT(max_backoff), .def = "30s", .doc = "The longest pause" },
    { .key = "backoff_multiplier",
      .type = HG_OPT_U32,
      .at = AT(c.connectors.retry.multiplier),
      .def = "2",
      .min = 1,
      .max = 1000,
      .doc = "From one pause to the next" },
    END,
};
static const hg_opt_t TELEMETRY[] = {
    { .key = "enabled",
      .type = HG_OPT_BOOL,
      .at = AT(c.telemetry.enabled),
      .doc = "Send log lines to a collector (OTLP)" },
    { .key = "service_name",
      .type = HG_OPT_STR,
      .at = AT(c.telemetry.service_name),
      .def = "iggy-connectors",
      .doc = "The resource's `service.name`" },
    SECTION("logs"),
    SECTION("traces"),
    END,
};
static const hg_opt_t LOGS[] = {
    { .key = "transport",
      .type = HG_OPT_ENUM,
      .at = AT(c.telemetry.logs_transport),
      .names = "grpc|http",
      .def = "grpc",
      .doc = "OTLP over gRPC, or Protobuf over HTTP." },
    { .key = "endpoint",
      .type = HG_OPT_STR,
      .at = AT(c.telemetry.logs_endpoint),
      .def = "http://localhost:4317",
      .doc = "The collector: `http://` or `https://`. With `http` it is the whole URL, path and all "
             "(`http://localhost:4318/v1/logs`)" },
    END,
};
static const hg_opt_t TRACES[] = {
    { .key = "transport",
      .type = HG_OPT_ENUM,
      .at = AT(c.telemetry.traces_transport),
      .names = "grpc|http",
      .def = "grpc",
      .doc = "Read, and not used: the runtime makes no spans." },
    { .key = "endpoint",
      .type = HG_OPT_STR,
      .at = AT(c.telemetry.traces_endpoint),
      .def = "http://localhost:4317",
      .doc = "The same" },
    END,
};
static const hg_opt_t LOGGING[] = {
    { .key = "format",
      .type = HG_OPT_ENUM,
      .at = AT(c.log_format),
      .names = "text|json",
      .def = "text",
      .doc = "How log lines are written" },
    END,
};
static const hg_opt_t OWN[] = {
    { .key = "isolation",
      .type = HG_OPT_ENUM,
      .at = AT(c.own.isolation),
      .names = "process|thread",
      .def = "process",
      .doc = "Where plugins run: each library in a process of its own, or in the runtime's" },
    { .key = "offset_commit",
      .type = HG_OPT_ENUM,
      .at = AT(c.own.offset_commit),
      .names = "after_consuming|after_polling",
      .def = "after_consuming",
      .doc = "When a sink's offsets are stored: behind the plugin's success, or with the poll" },
    { .key = "apply_on_activation",
      .type = HG_OPT_BOOL,
      .at = AT(c.own.apply_on_activation),
      .doc = "Activating a version restarts a running connector with it" },
    { .key = "stop_timeout",
      .type = HG_OPT_STR,
      .at = AT(stop_timeout),
      .def = "10s",
      .doc = "How long a connector may take to stop; then its plugin's process is killed, or, with isolation `thread`, "
             "the runtime stops without it" },
    END,
};

/* A section's parent stands before it. */
static const struct {
    const char *path;
    const hg_opt_t *table;
} sections[] = {
    { "", TOP },
    { "http", HTTP },
    { "http.cors", CORS },
    { "http.metrics", METRICS },
    { "http.tls", HTTP_TLS },
    { "iggy", IGGY },
    { "iggy.tls", IGGY_TLS },
    { "state", STATE },
    { "connectors", CONNECTORS },
    { "connectors.response", RESPONSE },
    { "connectors.retry", RETRY },
    { "telemetry", TELEMETRY },
    { "telemetry.logs", LOGS },
    { "telemetry.traces", TRACES },
    { "logging", LOGGING },
    { "headgate", OWN },
};

static const hg_json_t *at_path(const hg_json_t *root, const char *path)
{
    char part[64];
    while (root && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        root = hg_json_get(root, part);
        path += n + (path[n] == '.');
    }
    return root;
}

/* IGGY_CONNECTORS_HTTP_TLS_ */
static void variable_prefix(const char *path, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s%s%s", IGC_RUNTIME, path, *path ? "_" : "");
    for (int i = 0; i < n && (size_t)i < cap; i++)
        out[i] = (char)(out[i] == '.' ? '_' : out[i] >= 'a' && out[i] <= 'z' ? out[i] - 32 : out[i]);
}

/* --- the environment -----------------------------------------------------------------------------------------------
 */
void igc_env_unknown(hg_iggy_notes_t notes, hg_str_t var, const char *const *names)
{
    char name[256];
    snprintf(name, sizeof name, HG_SF, HG_SA(var));
    const char *near = hg_nearest(hg_strz(name), names);
    hg_pos_t pos = { .file = name };
    if (near)
        igc_note(notes, true, pos, "no option has this variable; did you mean %s?", near);
    else
        igc_note(notes, true, pos, "no option has this variable");
}

static void warn_variables(const igc_env_t *e, hg_arena_t *a, hg_iggy_notes_t notes)
{
    const char **names = NULL;
    uint32_t n = 0;
    char prefix[96];
    for (size_t s = 0; s < HG_COUNT(sections); s++) {
        variable_prefix(sections[s].path, prefix, sizeof prefix);
        for (const hg_opt_t *o = sections[s].table; o->key; o++) {
            if (o->type == HG_OPT_JSON) continue;
            char *name = hg_arena_printf(a, "%s%s", prefix, o->key);
            for (char *c = name; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
            HG_APUSH(a, names, n, name);
        }
    }
    HG_APUSH(a, names, n, NULL);
    for (uint32_t i = 0; i < e->n; i++) {
        hg_str_t var = { e->env[i], strcspn(e->env[i], "=") };
        bool ours = hg_str_starts(var, HG_S(IGC_RUNTIME)) && !hg_str_starts(var, HG_S(IGC_RUNTIME "SINK_")) &&
                    !hg_str_starts(var, HG_S(IGC_RUNTIME "SOURCE_")) && !hg_str_eqz(var, IGC_RUNTIME "CONFIG_PATH") &&
                    !hg_str_eqz(var, IGC_RUNTIME "ENV_PATH");
        if (ours && !e->used[i]) igc_env_unknown(notes, var, names);
    }
}

/* --- checks that tables do not make --------------------------------------------------------------------------------
 */
typedef struct loader {
    igc_tree_t *t;
    igc_diag_t d;
    raw_t *raw;
} loader_t;

static void complain(loader_t *l, const char *path, const char *msg)
{
    hg_diag(&l->d.d, false, at_path(l->t->root, path), false, "%s: %s", path, msg);
}

static void take_duration(loader_t *l, const char *path, const char *text, uint64_t *ret_ms)
{
    uint64_t us;
    if (hg_iggy_duration(hg_strz(text), &us) < 0)
        hg_diag(&l->d.d, false, at_path(l->t->root, path), false,
                "%s: '%s' is not a duration; write \"500ms\", \"30s\", \"1m30s\" or \"0\"", path, text);
    else
        *ret_ms = (us + 999) / 1000;
}

/* "host:port", "[::1]:port". */
static void take_address(loader_t *l, const char *path, const char *text, const char **host, uint32_t *port)
{
    const char *colon = strrchr(text, ':');
    uint64_t p;
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (!n || hg_str_u64(hg_strz(colon + 1), &p) < 0 || p > 65535) {
        hg_diag(&l->d.d, false, at_path(l->t->root, path), false, "%s: '%s' is no address; write \"host:port\"", path,
                text);
        return;
    }
    bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
    *host = hg_arena_strndup(l->t->a, text + brackets, n - 2 * (size_t)brackets);
    *port = (uint32_t)p;
}

/* Lists come without empty strings; one that was not given gets `def`. */
static void take_list(loader_t *l, const char *path, hg_strlist_t *list, const char *const *def)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++)
        if (list->v[i][0]) list->v[n++] = list->v[i];
    list->n = n;
    if (at_path(l->t->root, path)) return;
    for (; def && *def; def++) HG_APUSH(l->t->a, list->v, list->n, *def);
}

static void check_cors(loader_t *l)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", NULL }, *const any[] = { "*", NULL },
                             *const types[] = { "content-type", NULL };
    static const char *const known[] = {
        "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE"
    };
    hg_iggy_http_config_t *h = &l->raw->c.http;
    take_list(l, "http.cors.allowed_methods", &h->cors_methods, methods);
    take_list(l, "http.cors.allowed_origins", &h->cors_origins, any);
    take_list(l, "http.cors.allowed_headers", &h->cors_headers, types);
    take_list(l, "http.cors.exposed_headers", &h->cors_exposed, NULL);
    for (uint32_t i = 0; i < h->cors_methods.n; i++) {
        char *m = hg_arena_strndup(l->t->a, h->cors_methods.v[i], strlen(h->cors_methods.v[i]));
        bool found = false;
        for (char *c = m; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        for (size_t k = 0; k < HG_COUNT(known); k++) found = found || strcmp(m, known[k]) == 0;
        h->cors_methods.v[i] = m;
        if (!found) complain(l, "http.cors.allowed_methods", "there is a method that HTTP does not know");
    }
    if (h->cors && h->cors_credentials && h->cors_origins.n && strcmp(h->cors_origins.v[0], "*") == 0)
        complain(l, "http.cors.allow_credentials",
                 "browsers refuse credentials together with any origin; name the origins in allowed_origins");
}

static void check_strings(loader_t *l, const char *path, const hg_json_t *table)
{
    if (!table || table->kind == HG_J_NULL) return;
    if (table->kind != HG_J_OBJECT) complain(l, path, "expected a table of strings");
    for (const hg_json_t *m = table->kind == HG_J_OBJECT ? table->child : NULL; m; m = m->next)
        if (m->kind != HG_J_STRING)
            hg_diag(&l->d.d, false, m, false, "%s.%s: expected a string, found %s", path, m->key.p,
                    hg_json_kind_name(m->kind));
}

/* token = "file:~/pat": what the file says. */
static void read_token(loader_t *l)
{
    const char *given = l->raw->c.iggy.token, *path = given + 5, *home = getenv("HOME");
    if (strncmp(given, "file:", 5) != 0) return;
    if (path[0] == '~' && (!path[1] || path[1] == '/') && home) path = hg_arena_printf(l->t->a, "%s%s", home, path + 1);
    hg_buf_t b;
    hg_err_t e = HG_ERR_INIT;
    hg_buf_init(&b, 1 << 16);
    if (hg_file_read(path, &b, &e) < 0) {
        complain(l, "iggy.token", e.msg);
    } else {
        hg_str_t token = hg_str_trim(hg_buf_str(&b));
        if (!token.n) complain(l, "iggy.token", "the file is empty");
        l->raw->c.iggy.token = hg_arena_strndup(l->t->a, token.p, token.n);
    }
    hg_buf_release(&b);
}

static void check_server(loader_t *l)
{
    hg_iggy_server_config_t *s = &l->raw->c.iggy;
    take_address(l, "iggy.address", s->address, &s->host, &s->port);
    read_token(l);
    if (!s->token[0] && (!s->username[0] || !s->password[0]))
        complain(l, "iggy", "missing Iggy credentials: username and password, or a token");
    if (s->tls && !s->tls_ca_file[0]) complain(l, "iggy.tls", "ca_file is empty: TLS needs to know whom to trust");
}

static void check_provider(loader_t *l)
{
    hg_iggy_provider_config_t *p = &l->raw->c.connectors;
    p->http = p->kind == 1;
    take_duration(l, "connectors.timeout", l->raw->timeout, &p->timeout_ms);
    take_duration(l, "connectors.retry.initial_backoff", l->raw->initial_backoff, &p->retry.initial_backoff_ms);
    take_duration(l, "connectors.retry.max_backoff", l->raw->max_backoff, &p->retry.max_backoff_ms);
    check_strings(l, "connectors.request_headers", p->request_headers);
    check_strings(l, "connectors.url_templates", p->url_templates);
    if (!p->http) {
        if (!p->config_dir[0] && !l->raw->c.n_older)
            complain(l, "connectors", "config_dir is not set: it names the folder with connector files");
        return;
    }
    if (!p->base_url || !p->base_url[0]) {
        complain(l, "connectors", "config_type \"http\" needs base_url");
        return;
    }
    size_t n = strlen(p->base_url);
    while (n && p->base_url[n - 1] == '/') n--;
    p->base_url = hg_arena_strndup(l->t->a, p->base_url, n);
    if (strncmp(p->base_url, "http://", 7) != 0 && strncmp(p->base_url, "https://", 8) != 0)
        complain(l, "connectors.base_url", "expected a URL that begins with http:// or https://");
}

static void check_telemetry(loader_t *l)
{
    const hg_iggy_telemetry_config_t *t = &l->raw->c.telemetry;
    hg_err_t e = HG_ERR_INIT;
    hg_buf_t url;
    hg_buf_init(&url, HG_BUF_NOMAX);
    hg_otlp_transport_t transport = t->logs_transport == 1 ? HG_OTLP_HTTP : HG_OTLP_GRPC;
    if (t->enabled && hg_otlp_url(transport, t->logs_endpoint, &url, &e) < 0)
        complain(l, "telemetry.logs.endpoint", e.msg);
    hg_buf_release(&url);
}

static void check_http(loader_t *l)
{
    hg_iggy_http_config_t *h = &l->raw->c.http;
    take_address(l, "http.address", h->address, &h->host, &h->port);
    if (h->metrics_endpoint[0] != '/') complain(l, "http.metrics.endpoint", "expected a path that begins with /");
    check_cors(l);
}

/* --- the older layout ----------------------------------------------------------------------------------------------
 */
static void rename_member(hg_json_t *obj, const char *from, const char *to)
{
    hg_json_t *m = igc_member(obj, from);
    if (m && !igc_member(obj, to)) m->key = hg_strz(to);
}

/* Each has a tree of its own, so that it lives as long as it is used. */
static void take_older(loader_t *l, hg_iggy_kind_t kind, const char *key, igc_env_t *env)
{
    hg_err_t e = HG_ERR_INIT;
    igc_tree_t *t = igc_tree_new(l->t->file, l->t->text);
    HG_ASSERT(igc_toml(t, &e) == 0); /* the same text has just been read */
    hg_json_t *root = igc_member(igc_member(t->root, kind == HG_IGGY_SINK ? "sinks" : "sources"), key);
    t->root = root;
    if (root->kind == HG_J_OBJECT) {
        rename_member(root, "config", "plugin_config");
        rename_member(root, "config_format", "plugin_config_format");
        hg_json_t *streams = igc_member(root, "streams");
        for (hg_json_t *s = streams ? streams->child : NULL; s; s = s->next) {
            rename_member(s, "batch_size", "batch_length");
            rename_member(s, "send_interval", "linger_time");
        }
        hg_json_t *zero = igc_node(t->a, HG_J_NUMBER);
        zero->str = HG_S("0");
        if (!igc_member(root, "version")) igc_set(t->a, root, "version", zero);
    }
    hg_iggy_runtime_config_t *c = &l->raw->c;
    hg_iggy_connector_config_t *conn = igc_connector_new(t, kind, key, &c->own, env, l->d.notes);
    conn->read_only = true;
    HG_APUSH(c->arena, c->older, c->n_older, conn);
}

static void older_layout(loader_t *l, igc_env_t *env)
{
    static const char *const names[] = { [HG_IGGY_SINK] = "sinks", [HG_IGGY_SOURCE] = "sources" };
    for (int k = HG_IGGY_SINK; k <= HG_IGGY_SOURCE; k++) {
        const hg_json_t *all = hg_json_get(l->t->root, names[k]);
        if (!all) continue;
        if (all->kind != HG_J_OBJECT) {
            complain(l, names[k], "expected tables [sinks.KEY] or [sources.KEY]");
            continue;
        }
        hg_diag(&l->d.d, true, all, true,
                "[%s.KEY] is the older layout: a file per connector in connectors.config_dir takes its place",
                names[k]);
        for (const hg_json_t *m = all->child; m; m = m->next) take_older(l, (hg_iggy_kind_t)k, m->key.p, env);
    }
}

/* --- loading -------------------------------------------------------------------------------------------------------
 */
static int read_file(const char *path, hg_iggy_env_t env, hg_iggy_notes_t notes, igc_tree_t *t, hg_err_t *err)
{
    bool named = path != NULL;
    if (!path) path = igc_env_get(env, IGC_RUNTIME "CONFIG_PATH");
    if (!path || !*path) path = "config.toml";
    hg_buf_t b;
    hg_buf_init(&b, IGC_MAX_FILE);
    int rc = hg_file_read(path, &b, err);
    t->file = hg_arena_strndup(t->a, path, strlen(path));
    if (rc == HG_ENOTFOUND && !named) {
        igc_note(notes, true, (hg_pos_t){ .file = path }, "there is no such file; defaults are used");
        t->file = NULL;
        t->root = igc_node(t->a, HG_J_OBJECT);
        rc = 0;
    } else if (rc == 0) {
        t->text = hg_arena_str(t->a, hg_buf_str(&b));
        rc = igc_toml(t, err);
    }
    hg_buf_release(&b);
    return rc;
}

static int load(loader_t *l, hg_iggy_env_t env)
{
    hg_iggy_runtime_config_t *c = &l->raw->c;
    igc_env_t e;
    char prefix[96];
    igc_env_init(&e, l->t->a, env);
    for (size_t i = 1; i < HG_COUNT(sections); i++) {
        variable_prefix(sections[i].path, prefix, sizeof prefix);
        igc_env_apply(&e, l->t, prefix, sections[i].table, l->t->root, sections[i].path, &l->d);
    }
    for (size_t i = 0; i < HG_COUNT(sections); i++)
        hg_opts_parse(sections[i].table, at_path(l->t->root, sections[i].path), l->t->root, HG_EXTRA_WARN, NULL,
                      l->t->a, l->raw, &l->d.d);
    warn_variables(&e, l->t->a, l->d.notes);
    older_layout(l, &e);
    c->env_used = e.used;
    if (l->d.d.errors == 0) {
        check_http(l);
        check_server(l);
        check_provider(l);
        check_telemetry(l);
        take_duration(l, "headgate.stop_timeout", l->raw->stop_timeout, &c->own.stop_timeout_ms);
        if (!c->own.stop_timeout_ms) complain(l, "headgate.stop_timeout", "expected a time above 0");
        c->log_json = c->log_format == 1;
    }
    if (c->http.enabled && !c->http.api_key[0] && c->http.host && strncmp(c->http.host, "127.", 4) != 0 &&
        strcmp(c->http.host, "localhost") != 0 && strcmp(c->http.host, "::1") != 0)
        hg_diag(&l->d.d, true, at_path(l->t->root, "http.address"), false,
                "the API listens on %s and asks for no api_key", c->http.address);
    return l->d.d.errors ? HG_EINVAL : 0;
}

int hg_iggy_runtime_load(const char *path, hg_iggy_env_t env, hg_iggy_notes_t notes, hg_iggy_runtime_config_t **ret,
                         hg_err_t *err)
{
    igc_tree_t *t = igc_tree_new(NULL, (hg_str_t){ 0 });
    loader_t l = { .t = t, .raw = HG_ANEW(t->a, raw_t) };
    hg_iggy_runtime_config_t *c = &l.raw->c;
    c->arena = t->a;
    c->env = env;
    int rc = read_file(path, env, notes, t, err);
    if (rc < 0) {
        igc_note(notes, false, err->pos, "%s", err->msg);
    } else {
        c->file = t->file;
        igc_diag_init(&l.d, t, notes, err);
        rc = load(&l, env); /* the first complaint is in err */
    }
    if (rc < 0) {
        hg_iggy_runtime_config_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void hg_iggy_runtime_config_free(hg_iggy_runtime_config_t *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->n_older; i++) hg_iggy_connector_unref(c->older[i]);
    hg_arena_free(c->arena);
}

void hg_iggy_options_page(hg_buf_t *out)
{
    hg_buf_adds(out, "# Options of the connectors runtime\n"
                     "Generated by `./dev docs` from the option tables in `iggy/config/`. How they are used: "
                     "[connectors-runtime.md](connectors-runtime.md). Durations are texts: `5ms`, `1m30s`, `0`.\n"
                     "\n## The runtime's file\n");
    for (size_t i = 1; i < HG_COUNT(sections); i++) {
        hg_buf_addf(out, "\n### `[%s]`\n\n", sections[i].path);
        hg_opts_doc(sections[i].table, out);
    }
    igc_connector_doc(out);
}

/* --- showing -------------------------------------------------------------------------------------------------------
 */
static void option_json(const hg_opt_t *o, const void *cfg, hg_jw_t *w)
{
    const char *at = (const char *)cfg + o->at, *s;
    const hg_strlist_t *list;
    int i;
    uint32_t u;
    switch (o->type) {
    case HG_OPT_STR:
        memcpy(&s, at, sizeof s);
        hg_jw_strz(w, s && *s && (o->flags & HG_OPT_SECRET) ? "***" : s);
        break;
    case HG_OPT_BOOL:
        hg_jw_bool(w, *(const bool *)at);
        break;
    case HG_OPT_U32:
        memcpy(&u, at, sizeof u);
        hg_jw_u64(w, u);
        break;
    case HG_OPT_ENUM: {
        memcpy(&i, at, sizeof i);
        const char *p = o->names;
        while (i-- > 0) p = strchr(p, '|') + 1;
        hg_jw_str(w, (hg_str_t){ p, strcspn(p, "|") });
        break;
    }
    case HG_OPT_STRLIST:
        list = (const void *)at;
        hg_jw_arr(w);
        for (uint32_t k = 0; k < list->n; k++) hg_jw_strz(w, list->v[k]);
        hg_jw_end_arr(w);
        break;
    case HG_OPT_U64:
    case HG_OPT_I64:
    case HG_OPT_F64:
    case HG_OPT_JSON:
    case HG_OPT_DURATION:
    default:
        hg_panic(__FILE__, __LINE__, "option type");
    }
}

/* Tables that the user filled: headers carry secrets under any name. */
static void table_json(const char *key, const hg_json_t *table, bool secret, hg_jw_t *w)
{
    hg_jw_key(w, key);
    hg_jw_obj(w);
    for (const hg_json_t *m = table && table->kind == HG_J_OBJECT ? table->child : NULL; m; m = m->next)
        hg_jw_kstr(w, m->key.p, secret ? "***" : m->str.p);
    hg_jw_end_obj(w);
}

static void section_json(const raw_t *raw, size_t s, hg_jw_t *w)
{
    const char *path = sections[s].path;
    size_t n = strlen(path);
    for (const hg_opt_t *o = sections[s].table; o->key; o++) {
        if (o->type == HG_OPT_JSON) continue;
        hg_jw_key(w, o->key);
        option_json(o, raw, w);
    }
    if (sections[s].table == CONNECTORS) {
        table_json("request_headers", raw->c.connectors.request_headers, true, w);
        table_json("url_templates", raw->c.connectors.url_templates, false, w);
    }
    for (size_t i = s + 1; i < HG_COUNT(sections); i++) {
        const char *child = sections[i].path;
        if (n && (strncmp(child, path, n) != 0 || child[n] != '.')) continue;
        child += n + (n > 0);
        if (strchr(child, '.')) continue;
        hg_jw_key(w, child);
        hg_jw_obj(w);
        section_json(raw, i, w);
        hg_jw_end_obj(w);
    }
}

void hg_iggy_runtime_config_json(const hg_iggy_runtime_config_t *c, hg_jw_t *w)
{
    hg_jw_obj(w);
    section_json((const raw_t *)(const void *)c, 0, w);
    hg_jw_end_obj(w);
}
