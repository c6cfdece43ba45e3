/* config.h: what `headgate connectors --config FILE` was told: the runtime's file, connector files, the environment,
 * and who keeps versions of connector configurations (a folder, or an HTTP service).
 *
 * Text of every origin becomes one tree (base/json.h), in the order of the text: TOML by iggy/config/toml.c, JSON by
 * base/json.c. The environment is merged into the tree, then option tables (base/opts.h) turn it into the structs
 * below. A node of the tree knows the file, line and column it came from, so every complaint names its place.
 *
 * Threads: a loaded configuration never changes; any thread reads it. Provider functions block (files, HTTP) and may be
 * called by any thread but a loop's; they take turns.
 */
#ifndef HG_IGGY_CONFIG_CONFIG_H
#define HG_IGGY_CONFIG_CONFIG_H

#include "base/json.h"
#include "base/opts.h"

typedef enum { HG_IGGY_SINK, HG_IGGY_SOURCE } hg_iggy_kind_t;
const char *hg_iggy_kind_name(hg_iggy_kind_t k); /* "sink", "source" */

/* Numbers are those of the plugin ABI's Schema. */
typedef enum {
    HG_IGGY_JSON,
    HG_IGGY_RAW,
    HG_IGGY_TEXT,
    HG_IGGY_PROTO,
    HG_IGGY_FLAT_BUFFER,
    HG_IGGY_AVRO,
    HG_IGGY_N_SCHEMA
} hg_iggy_schema_t;
const char *hg_iggy_schema_name(hg_iggy_schema_t s);            /* as configured: "flat_buffer" */
bool hg_iggy_schema_find(hg_str_t name, hg_iggy_schema_t *ret); /* "flatbuffer" too */

/* --- complaints -------------------------------------------------------------------------------------------------
 * One sentence about one place. file: a path, a URL, or the name of an environment variable (then line is 0). */
typedef struct hg_iggy_note {
    bool warning;
    const char *file;
    uint32_t line, col; /* from 1; 0: the file as a whole */
    const char *msg;
} hg_iggy_note_t;
/* Where they go; what is given is borrowed for the call. fn NULL: nobody listens. */
typedef struct hg_iggy_notes {
    void (*fn)(void *arg, const hg_iggy_note_t *note);
    void *arg;
} hg_iggy_notes_t;
/* "path/file.toml:3:7: message" */
void hg_iggy_note_text(const hg_iggy_note_t *note, hg_buf_t *out);

/* --- the environment --------------------------------------------------------------------------------------------
 * "NAME=value" strings, NULL-ended, borrowed while they are used (the process's `environ`, after hg_iggy_env_file). */
typedef const char *const *hg_iggy_env_t;

/* Puts the variables of IGGY_CONNECTORS_ENV_PATH, or of the first .env in the working directory and its parents, into
 * the process's environment; what is set already stays. Before threads start. A file that is named but cannot be read,
 * and lines that make no sense, are warnings. */
void hg_iggy_env_file(hg_iggy_notes_t notes);

/* --- the runtime's file ----------------------------------------------------------------------------------------- */
typedef enum { HG_IGGY_ISOLATION_PROCESS, HG_IGGY_ISOLATION_THREAD } hg_iggy_isolation_t;
typedef enum { HG_IGGY_AFTER_CONSUMING, HG_IGGY_AFTER_POLLING } hg_iggy_commit_t;

typedef struct hg_iggy_http_config {
    bool enabled;
    const char *address; /* "host:port" as given, and taken apart: */
    const char *host;
    uint32_t port;
    const char *api_key; /* "" = none */
    bool cors;
    hg_strlist_t cors_methods, cors_origins, cors_headers, cors_exposed; /* no empty strings */
    bool cors_credentials, cors_private_network;
    bool metrics;
    const char *metrics_endpoint;
    bool tls;
    const char *tls_cert_file, *tls_key_file;
} hg_iggy_http_config_t;

typedef struct hg_iggy_server_config {
    const char *address; /* "host:port" as given, and taken apart: */
    const char *host;
    uint32_t port;
    const char *username, *password;
    const char *token; /* a personal access token; "" = user and password. "file:" was read already */
    bool tls;
    const char *tls_ca_file, *tls_domain;
} hg_iggy_server_config_t;

typedef struct hg_iggy_retry_config { /* of the HTTP provider */
    bool enabled;
    uint32_t max_attempts; /* repetitions: at most max_attempts + 1 requests */
    uint64_t initial_backoff_ms, max_backoff_ms;
    uint32_t multiplier;
} hg_iggy_retry_config_t;

typedef struct hg_iggy_provider_config {
    int kind; /* 0 local, 1 http */
    bool http;
    const char *config_dir;
    const char *base_url;
    uint64_t timeout_ms;
    const hg_json_t *request_headers, *url_templates; /* objects of strings, or NULL */
    const char *data_path, *error_path;               /* NULL: unset */
    hg_iggy_retry_config_t retry;
} hg_iggy_provider_config_t;

typedef struct hg_iggy_telemetry_config { /* of traces nothing is sent: there are none */
    bool enabled;
    const char *service_name;
    int logs_transport, traces_transport; /* 0 grpc, 1 http */
    const char *logs_endpoint, *traces_endpoint;
} hg_iggy_telemetry_config_t;

/* [headgate] of the runtime's file: what Iggy's runtime does not know (and ignores). The first two are for connectors
 * that say nothing themselves. */
typedef struct hg_iggy_own_config {
    hg_iggy_isolation_t isolation;
    hg_iggy_commit_t offset_commit;
    bool apply_on_activation; /* activating a version restarts a running connector with it */
    uint64_t stop_timeout_ms; /* of a connector, before its plugin's process is killed */
} hg_iggy_own_config_t;

typedef struct hg_iggy_connector_config hg_iggy_connector_config_t;

typedef struct hg_iggy_runtime_config {
    const char *file; /* that was read; NULL: defaults and environment alone */
    hg_iggy_http_config_t http;
    hg_iggy_server_config_t iggy;
    const char *state_path;
    hg_iggy_provider_config_t connectors;
    hg_iggy_telemetry_config_t telemetry;
    int log_format; /* 0 text, 1 JSON */
    bool log_json;
    hg_iggy_own_config_t own;
    /* [sinks.x] and [sources.x] of the older layout; the provider serves them beside its own, read-only. */
    hg_iggy_connector_config_t **older;
    uint32_t n_older;
    hg_iggy_env_t env;    /* borrowed */
    const char *env_used; /* per variable: not 0 = this file's options or its connectors took it */
    hg_arena_t *arena;
} hg_iggy_runtime_config_t;

/* path NULL: IGGY_CONNECTORS_CONFIG_PATH, else "config.toml" in the working directory. A file that is not there is a
 * warning and defaults are used, unless `path` named it. Anything that does not fit is an error: all complaints go to
 * notes, the first one to err (with its place). Free with hg_iggy_runtime_config_free. */
int hg_iggy_runtime_load(const char *path, hg_iggy_env_t env, hg_iggy_notes_t notes, hg_iggy_runtime_config_t **ret,
                         hg_err_t *err);
void hg_iggy_runtime_config_free(hg_iggy_runtime_config_t *c); /* NULL is fine */
/* All of it as one JSON object, names as in the file; secrets are "***". */
void hg_iggy_runtime_config_json(const hg_iggy_runtime_config_t *c, hg_jw_t *w);

/* --- one version of one connector ------------------------------------------------------------------------------- */
typedef struct hg_iggy_stream_config {
    const char *stream;
    hg_strlist_t topics; /* a source: exactly one. Names, or numbers where the text is one */
    hg_iggy_schema_t schema;
    const char *avro_schema_json, *avro_schema_path; /* NULL: unset; the first wins */
    const hg_json_t *codec;    /* headgate's own [streams.codec]: options of the schema's codec (iggy/codec), or NULL */
    uint32_t batch_length;     /* messages */
    uint64_t poll_interval_us; /* sink */
    const char *consumer_group; /* sink; never NULL: iggy-connect-sink-<key> if not given */
    uint64_t linger_us;         /* source: least time between two sends */
    const hg_json_t *node;
} hg_iggy_stream_config_t;

typedef struct hg_iggy_transform_config {
    const char *name;      /* "add_fields" */
    const hg_json_t *node; /* its table, `enabled` included: checked by iggy/transform */
    bool enabled;          /* false: skipped, the rest of the table is not looked at */
} hg_iggy_transform_config_t;

/* [errors]: what happens to what cannot be delivered. Three classes: an invalid record (it cannot be decoded,
 * transformed or encoded, or the sink leaves it out), a retryable failure (the sink answered > 0, the server did not
 * take a batch), a fatal one (the sink answered -1: trying again cannot help). */
typedef enum { HG_IGGY_RECORD_SKIP, HG_IGGY_RECORD_FAIL, HG_IGGY_RECORD_DEAD_LETTER } hg_iggy_on_record_t;
typedef enum { HG_IGGY_BATCH_STOP, HG_IGGY_BATCH_DEAD_LETTER, HG_IGGY_BATCH_SKIP } hg_iggy_on_batch_t;

typedef struct hg_iggy_errors_config {
    hg_iggy_on_record_t on_record; /* skip: counted and left out. fail: its batch fails (a source is nacked, a sink
                                      stops). Default: sinks skip, sources fail, as in Iggy's runtime */
    uint32_t retries;              /* of a batch; UINT32_MAX (default) = without limit */
    uint64_t backoff_us, max_backoff_us; /* first pause, doubled up to the last: 100 ms, 30 s */
    hg_iggy_on_batch_t on_exhausted;     /* retries used up: stop (status error, offset stays), dead_letter or skip */
    hg_iggy_on_batch_t on_fatal;         /* the same for a fatal failure */
    const char *dead_letter_stream;      /* NULL: the stream the message came from (a source: goes to) */
    const char *dead_letter_topic;       /* never NULL where a policy above says dead_letter */
} hg_iggy_errors_config_t;

/* [restart]: a plugin's host process that ended, or a connector in status error. */
typedef struct hg_iggy_restart_config {
    uint32_t max_attempts; /* in a row, without a batch that went through; UINT32_MAX (default) = without limit */
    uint64_t backoff_us, max_backoff_us; /* 1 s, 1 min */
} hg_iggy_restart_config_t;

struct hg_iggy_connector_config {
    hg_iggy_kind_t kind;
    const char *key;
    uint64_t version;
    /* Not NULL: this configuration cannot be used, with the place ("file:3:7: …"). Of the members below, name, path,
     * enabled and node may hold what could be read; the connector is shown with status error. */
    const char *error;

    bool enabled;
    const char *name, *path;
    int format;                /* plugin_config_format: hg_iggy_format_t, -1 = not given */
    const char *plugin_config; /* JSON text in the order of the file; "null" when there is none */
    bool verbose, benchmark;
    hg_iggy_stream_config_t *streams;
    uint32_t n_streams;
    hg_iggy_transform_config_t *transforms; /* in the order of the file, switched-off ones too */
    uint32_t n_transforms;

    /* headgate's own keys */
    hg_strlist_t labels, start_after;
    bool has_start_after;
    bool paused;
    hg_iggy_isolation_t isolation;
    hg_iggy_commit_t offset_commit; /* sinks */
    hg_iggy_errors_config_t errors;
    hg_iggy_restart_config_t restart;

    const char *file;      /* where it came from: a path or a URL */
    bool read_only;        /* of the older layout: the provider cannot change it */
    const hg_json_t *node; /* the whole of it after the environment, members as in the file */
};

/* The place of a node below c->node; its file lives with c. */
hg_pos_t hg_iggy_connector_where(const hg_iggy_connector_config_t *c, const hg_json_t *node);

/* Configurations are counted: each pointer that is kept has a reference. Any thread. */
hg_iggy_connector_config_t *hg_iggy_connector_ref(hg_iggy_connector_config_t *c);
void hg_iggy_connector_unref(hg_iggy_connector_config_t *c); /* NULL is fine */

/* The members of a config object in answers (no braces), plugin_config with secrets as "***". */
void hg_iggy_connector_members(const hg_iggy_connector_config_t *c, hg_jw_t *w);

void hg_iggy_connector_streams(const hg_iggy_connector_config_t *c, hg_jw_t *w); /* the member "streams" alone */
/* [{"type": …, "config": {…}}, …] in the order of the file, switched-off ones too. */
void hg_iggy_connector_transforms(const hg_iggy_connector_config_t *c, hg_jw_t *w);

typedef enum { HG_IGGY_FMT_JSON, HG_IGGY_FMT_YAML, HG_IGGY_FMT_TOML, HG_IGGY_FMT_TEXT } hg_iggy_format_t;
const char *hg_iggy_format_name(hg_iggy_format_t f);
bool hg_iggy_format_find(hg_str_t name, hg_iggy_format_t *ret);
/* plugin_config, secrets as "***". HG_EUNSUPPORTED: it has no form in that format (a TOML document is a table, without
 * null); HG_ENOTFOUND: there is none. */
int hg_iggy_plugin_config_render(const hg_iggy_connector_config_t *c, hg_iggy_format_t f, hg_buf_t *out, hg_err_t *err);

/* --- who keeps configurations ----------------------------------------------------------------------------------- */
typedef struct hg_iggy_provider hg_iggy_provider_t;
typedef struct hg_iggy_configs { /* each with a reference; sorted by kind (sources first), key, version */
    hg_iggy_connector_config_t **v;
    uint32_t n;
} hg_iggy_configs_t;
void hg_iggy_configs_release(hg_iggy_configs_t *l);

/* Local: reads the folder's files, once (no folder: a warning); a file that is wrong becomes a configuration with
 * .error (or, where not even type and key can be read, only a complaint). HTTP: asks nothing yet. cfg outlives it. */
int hg_iggy_provider_new(const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes, hg_iggy_provider_t **ret,
                         hg_err_t *err);
void hg_iggy_provider_free(hg_iggy_provider_t *p); /* no call under way */
/* Any thread: a call that waits (HTTP, between repetitions) ends with HG_ECANCELED, and so do later ones. */
void hg_iggy_provider_cancel(hg_iggy_provider_t *p);

/* The active version of each connector: what starts. */
int hg_iggy_provider_active(hg_iggy_provider_t *p, hg_iggy_configs_t *ret, hg_err_t *err);
/* Of one connector. HG_ENOTFOUND: there is none. */
int hg_iggy_provider_active_one(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key,
                                hg_iggy_connector_config_t **ret, hg_err_t *err);
int hg_iggy_provider_versions(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, hg_iggy_configs_t *ret,
                              hg_err_t *err);
int hg_iggy_provider_get(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, uint64_t version,
                         hg_iggy_connector_config_t **ret, hg_err_t *err);
/* Recorded durably; HG_ENOTFOUND: no such version. Nothing restarts by itself. */
int hg_iggy_provider_activate(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, uint64_t version,
                              hg_err_t *err);
/* body: the JSON of 3.5 (a connector's members without type, key and version). A body that is no configuration is
 * HG_EPARSE or HG_ETYPE. The answer has the new version; it is not active by that (unless it is the first). */
int hg_iggy_provider_create(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, hg_str_t body,
                            hg_iggy_connector_config_t **ret, hg_err_t *err);
/* version NULL: the active one. HG_ENOTFOUND: no such version. */
int hg_iggy_provider_delete(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, const uint64_t *version,
                            hg_err_t *err);
/* HG_ENET, HG_ETIMEOUT and HG_EPROTO are the HTTP service's failures: "HTTP request failed: HTTP 503 - busy". */

/* --- documentation: docs/connectors-options.md ---------------------------------------------------------------- */
void hg_iggy_options_page(hg_buf_t *out);

/* --- durations -------------------------------------------------------------------------------------------------- */
/* "5ms", "1 s", "1m30s", "0", "none", "disabled", "unlimited". HG_EPARSE, HG_ERANGE. */
int hg_iggy_duration(hg_str_t text, uint64_t *ret_us);

#endif
