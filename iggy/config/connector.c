/* connector.c: one version of one connector: its option tables, what they do not check, and its form in answers.
 *
 * A configuration owns its tree (one arena) and is counted. A wrong one is a configuration too: .error says what is
 * wrong, so that the connector is shown beside the others instead of ending the start.
 */
#include "base/hg.h"
#include "iggy/config/config_int.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .key = NULL                                                                                                    \
    }

/* What the tables fill; the configuration comes first. */
typedef struct raw {
    hg_iggy_connector_config_t c;
    const char *type, *key;
    uint64_t version;
    const char *format;
    const hg_json_t *streams, *plugin_config, *transforms, *errors, *restart, *by_hand;
    igc_tree_t *tree;
    atomic_uint refs;
} raw_t;

#define AT(f) offsetof(raw_t, f)

static const hg_opt_t CONNECTOR[] = {
    { .key = "type", .type = HG_OPT_JSON, .at = AT(by_hand), .doc = "`sink` or `source`" },
    { .key = "key", .type = HG_OPT_STR, .at = AT(key), .doc = "Its name in the API, unique among sinks or sources" },
    { .key = "enabled",
      .type = HG_OPT_BOOL,
      .at = AT(c.enabled),
      .flags = HG_OPT_REQUIRED,
      .doc = "true or false: whether it is started" },
    { .key = "version",
      .type = HG_OPT_U64,
      .at = AT(version),
      .flags = HG_OPT_REQUIRED,
      .doc = "a number; the highest is active where no other was chosen" },
    { .key = "name", .type = HG_OPT_STR, .at = AT(c.name), .flags = HG_OPT_REQUIRED, .doc = "a text for people" },
    { .key = "path",
      .type = HG_OPT_STR,
      .at = AT(c.path),
      .flags = HG_OPT_REQUIRED,
      .doc = "the plugin's library, with or without .so" },
    { .key = "plugin_config_format",
      .type = HG_OPT_JSON,
      .at = AT(by_hand),
      .doc = "How the API renders plugin_config: json, yaml, toml or text" },
    { .key = "verbose", .type = HG_OPT_BOOL, .at = AT(c.verbose), .doc = "Batches are logged at level info" },
    { .key = "benchmark", .type = HG_OPT_BOOL, .at = AT(c.benchmark), .doc = "A log line of times per batch" },
    { .key = "streams",
      .type = HG_OPT_JSON,
      .at = AT(streams),
      .flags = HG_OPT_REQUIRED,
      .doc = "an array of tables: what it reads or writes" },
    { .key = "plugin_config", .type = HG_OPT_JSON, .at = AT(plugin_config), .doc = "Options of the plugin" },
    { .key = "transforms",
      .type = HG_OPT_JSON,
      .at = AT(transforms),
      .doc = "Tables `[transforms.TYPE]`, each with `enabled`; they run in the order of the file" },
    { .key = "labels", .type = HG_OPT_STRLIST, .at = AT(c.labels), .doc = "headgate: what others may wait for" },
    { .key = "start_after",
      .type = HG_OPT_STRLIST,
      .at = AT(c.start_after),
      .set_at = AT(c.has_start_after),
      .flags = HG_OPT_ONE_OR_MANY,
      .doc = "headgate: labels; all who carry them have ended before this one runs" },
    { .key = "paused", .type = HG_OPT_BOOL, .at = AT(c.paused), .doc = "headgate: it waits for `POST …/start`" },
    { .key = "isolation",
      .type = HG_OPT_ENUM,
      .at = AT(c.isolation),
      .names = "process|thread",
      .doc = "headgate: the plugin runs in a process of its own or in the runtime's; as `[headgate]` of the runtime's "
             "file says if not given" },
    { .key = "offset_commit",
      .type = HG_OPT_ENUM,
      .at = AT(c.offset_commit),
      .names = "after_consuming|after_polling",
      .doc = "headgate: when a sink's offsets are stored: behind the plugin's success, or with the poll; as "
             "`[headgate]` says if not given" },
    { .key = "errors", .type = HG_OPT_JSON, .at = AT(errors), .doc = "headgate: a table, below" },
    { .key = "restart", .type = HG_OPT_JSON, .at = AT(restart), .doc = "headgate: a table, below" },
    END,
};

typedef struct raw_stream {
    hg_iggy_stream_config_t s;
    const char *schema, *topic, *interval;
} raw_stream_t;

#undef AT
#define AT(f) offsetof(raw_stream_t, f)
#define STREAM_COMMON                                                                                                  \
    { .key = "stream",                                                                                                 \
      .type = HG_OPT_STR,                                                                                              \
      .at = AT(s.stream),                                                                                              \
      .flags = HG_OPT_REQUIRED,                                                                                        \
      .doc = "the stream's name or number" },                                                                          \
        { .key = "schema",                                                                                             \
          .type = HG_OPT_STR,                                                                                          \
          .at = AT(schema),                                                                                            \
          .flags = HG_OPT_REQUIRED,                                                                                    \
          .doc = "json, raw, text, proto, flat_buffer or avro" },                                                      \
        { .key = "avro_schema_json", .type = HG_OPT_STR, .at = AT(s.avro_schema_json), .doc = "The schema itself" },   \
        { .key = "avro_schema_path", .type = HG_OPT_STR, .at = AT(s.avro_schema_path), .doc = "A file with it" },      \
        { .key = "batch_length",                                                                                       \
          .type = HG_OPT_U32,                                                                                          \
          .at = AT(s.batch_length),                                                                                    \
          .def = "1000",                                                                                               \
          .min = 1,                                                                                                    \
          .max = 1000000,                                                                                              \
          .doc = "Messages of a batch" },                                                                              \
    {                                                                                                                  \
        .key = "codec", .type = HG_OPT_JSON, .at = AT(s.codec),                                                        \
        .doc = "headgate: a table with options of the schema's codec"                                                  \
    }

static const hg_opt_t SINK_STREAM[] = {
    STREAM_COMMON,
    { .key = "topics",
      .type = HG_OPT_STRLIST,
      .at = AT(s.topics),
      .flags = HG_OPT_REQUIRED,
      .doc = "an array of names or numbers" },
    { .key = "poll_interval",
      .type = HG_OPT_STR,
      .at = AT(interval),
      .def = "5ms",
      .doc = "Between two polls, the first of which found nothing; longer while nothing comes, up to 0.2 s" },
    { .key = "consumer_group", .type = HG_OPT_STR, .at = AT(s.consumer_group), .doc = "Made if it is not there" },
    END,
};
static const hg_opt_t SOURCE_STREAM[] = {
    STREAM_COMMON,
    { .key = "topic",
      .type = HG_OPT_STR,
      .at = AT(topic),
      .flags = HG_OPT_REQUIRED,
      .doc = "the topic's name or number" },
    { .key = "linger_time", .type = HG_OPT_STR, .at = AT(interval), .def = "5ms", .doc = "Between two sends" },
    END,
};

typedef struct raw_errors {
    int on_record, on_exhausted, on_fatal;
    bool record_set, retries_set;
    uint32_t retries;
    const char *backoff, *max_backoff, *stream, *topic;
} raw_errors_t;

#undef AT
#define AT(f) offsetof(raw_errors_t, f)
static const hg_opt_t ERRORS[] = {
    { .key = "on_record",
      .type = HG_OPT_ENUM,
      .at = AT(on_record),
      .set_at = AT(record_set),
      .names = "skip|fail|dead_letter",
      .doc = "What becomes of a message that cannot be decoded, transformed or encoded, or that a sink's plugin leaves "
             "out: `skip` leaves it out (default of sinks), `fail` fails its batch (default of sources)" },
    { .key = "retries",
      .type = HG_OPT_U32,
      .at = AT(retries),
      .set_at = AT(retries_set),
      .doc = "How often a batch that failed is given again; without limit if not given" },
    { .key = "backoff",
      .type = HG_OPT_STR,
      .at = AT(backoff),
      .def = "100ms",
      .doc = "The first pause; the next ones are doubled" },
    { .key = "max_backoff", .type = HG_OPT_STR, .at = AT(max_backoff), .def = "30s", .doc = "The longest pause" },
    { .key = "on_exhausted",
      .type = HG_OPT_ENUM,
      .at = AT(on_exhausted),
      .names = "stop|dead_letter|skip",
      .doc = "What becomes of a batch whose retries are used up: `stop` leaves the connector in status error, its "
             "offset where it was" },
    { .key = "on_fatal",
      .type = HG_OPT_ENUM,
      .at = AT(on_fatal),
      .names = "stop|dead_letter|skip",
      .doc = "The same for a batch that the plugin refuses for good (it answered -1)" },
    { .key = "dead_letter_stream",
      .type = HG_OPT_STR,
      .at = AT(stream),
      .doc = "The stream of the message if not given" },
    { .key = "dead_letter_topic",
      .type = HG_OPT_STR,
      .at = AT(topic),
      .doc = "Where dead letters go; needed where one of the above is `dead_letter`" },
    END,
};

typedef struct raw_restart {
    uint32_t max_attempts;
    bool attempts_set;
    const char *backoff, *max_backoff;
} raw_restart_t;

#undef AT
#define AT(f) offsetof(raw_restart_t, f)
static const hg_opt_t RESTART[] = {
    { .key = "max_attempts",
      .type = HG_OPT_U32,
      .at = AT(max_attempts),
      .set_at = AT(attempts_set),
      .doc = "Restarts in a row, without a batch that went through; without limit if not given" },
    { .key = "backoff",
      .type = HG_OPT_STR,
      .at = AT(backoff),
      .def = "1s",
      .doc = "The first pause; the next ones are doubled" },
    { .key = "max_backoff", .type = HG_OPT_STR, .at = AT(max_backoff), .def = "1m", .doc = "The longest pause" },
    END,
};
#undef AT

/* --- parts ---------------------------------------------------------------------------------------------------------
 */
static void duration(igc_diag_t *d, const hg_json_t *table, const char *key, const char *text, uint64_t *ret_us)
{
    if (hg_iggy_duration(hg_strz(text), ret_us) == 0) return;
    const hg_json_t *v = hg_json_get(table, key);
    hg_diag(&d->d, false, v ? v : table, false,
            "option '%s': '%s' is not a duration; write \"500ms\", \"30s\", \"1m30s\" or \"0\"", key, text);
}

static void take_stream(raw_t *r, const hg_json_t *v, hg_iggy_stream_config_t *to, igc_diag_t *d)
{
    bool sink = r->c.kind == HG_IGGY_SINK;
    hg_arena_t *a = r->tree->a;
    raw_stream_t s = { 0 };
    if (hg_opts_parse(sink ? SINK_STREAM : SOURCE_STREAM, v, v, HG_EXTRA_WARN, NULL, a, &s, &d->d) < 0) return;
    if (!hg_iggy_schema_find(hg_strz(s.schema), &s.s.schema))
        hg_diag(&d->d, false, hg_json_get(v, "schema"), false,
                "option 'schema': invalid value '%s'; valid values are: json, raw, text, proto, flat_buffer, avro",
                s.schema);
    if (s.s.codec && s.s.codec->kind == HG_J_NULL) s.s.codec = NULL;
    if (s.s.codec && s.s.codec->kind != HG_J_OBJECT)
        hg_diag(&d->d, false, s.s.codec, false, "option 'codec': expected a table");
    duration(d, v, sink ? "poll_interval" : "linger_time", s.interval, sink ? &s.s.poll_interval_us : &s.s.linger_us);
    if (!sink) HG_APUSH(a, s.s.topics.v, s.s.topics.n, s.topic);
    if (sink && !s.s.topics.n)
        hg_diag(&d->d, false, hg_json_get(v, "topics"), false, "option 'topics': at least one topic is needed");
    if (sink && (!s.s.consumer_group || !s.s.consumer_group[0]))
        s.s.consumer_group = hg_arena_printf(a, "iggy-connect-sink-%s", r->c.key);
    s.s.node = v;
    *to = s.s;
}

static void take_streams(raw_t *r, igc_diag_t *d)
{
    const hg_json_t *v = r->streams;
    if (!v || v->kind == HG_J_NULL) return; /* complained about */
    if (v->kind != HG_J_ARRAY) {
        hg_diag(&d->d, false, v, false, "option 'streams': expected an array of tables, found %s",
                hg_json_kind_name(v->kind));
        return;
    }
    if (!v->n && r->c.kind == HG_IGGY_SOURCE)
        hg_diag(&d->d, false, v, false, "option 'streams': a source needs at least one");
    r->c.streams = HG_ANEWN(r->tree->a, hg_iggy_stream_config_t, v->n + 1);
    for (const hg_json_t *s = v->child; s; s = s->next) take_stream(r, s, &r->c.streams[r->c.n_streams++], d);
}

/* Which there are and what they take is iggy/transform's to say. */
static void take_transforms(raw_t *r, igc_diag_t *d)
{
    const hg_json_t *v = r->transforms;
    if (!v || v->kind == HG_J_NULL) return;
    if (v->kind != HG_J_OBJECT) {
        hg_diag(&d->d, false, v, false, "option 'transforms': expected tables [transforms.TYPE], found %s",
                hg_json_kind_name(v->kind));
        return;
    }
    for (const hg_json_t *m = v->child; m; m = m->next) {
        const hg_json_t *on = hg_json_get(m, "enabled");
        hg_iggy_transform_config_t t = { .name = m->key.p, .node = m, .enabled = hg_json_bool(on, false) };
        if (m->kind != HG_J_NULL && (!on || (on->kind != HG_J_TRUE && on->kind != HG_J_FALSE)))
            hg_diag(&d->d, false, m, false, "transform '%s': missing field `enabled`: true or false", m->key.p);
        HG_APUSH(r->tree->a, r->c.transforms, r->c.n_transforms, t);
    }
}

static void take_errors(raw_t *r, igc_diag_t *d)
{
    raw_errors_t e = { 0 };
    hg_iggy_errors_config_t *to = &r->c.errors;
    if (hg_opts_parse(ERRORS, r->errors, r->errors, HG_EXTRA_WARN, NULL, r->tree->a, &e, &d->d) < 0) return;
    if (!e.record_set) e.on_record = r->c.kind == HG_IGGY_SINK ? HG_IGGY_RECORD_SKIP : HG_IGGY_RECORD_FAIL;
    *to = (hg_iggy_errors_config_t){ .on_record = (hg_iggy_on_record_t)e.on_record,
                                     .retries = e.retries_set ? e.retries : UINT32_MAX,
                                     .on_exhausted = (hg_iggy_on_batch_t)e.on_exhausted,
                                     .on_fatal = (hg_iggy_on_batch_t)e.on_fatal,
                                     .dead_letter_stream = e.stream,
                                     .dead_letter_topic = e.topic };
    duration(d, r->errors, "backoff", e.backoff, &to->backoff_us);
    duration(d, r->errors, "max_backoff", e.max_backoff, &to->max_backoff_us);
    bool letters = to->on_record == HG_IGGY_RECORD_DEAD_LETTER || to->on_exhausted == HG_IGGY_BATCH_DEAD_LETTER ||
                   to->on_fatal == HG_IGGY_BATCH_DEAD_LETTER;
    if (letters && (!e.topic || !e.topic[0]))
        hg_diag(&d->d, false, r->errors, false,
                "missing field `dead_letter_topic`: 'dead_letter' needs to know where they go");
}

static void take_restart(raw_t *r, igc_diag_t *d)
{
    raw_restart_t s = { 0 };
    if (hg_opts_parse(RESTART, r->restart, r->restart, HG_EXTRA_WARN, NULL, r->tree->a, &s, &d->d) < 0) return;
    r->c.restart.max_attempts = s.attempts_set ? s.max_attempts : UINT32_MAX;
    duration(d, r->restart, "backoff", s.backoff, &r->c.restart.backoff_us);
    duration(d, r->restart, "max_backoff", s.max_backoff, &r->c.restart.max_backoff_us);
}

static const char *json_text(hg_arena_t *a, const hg_json_t *v)
{
    if (!v) return "null";
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, v);
    const char *text = hg_arena_strndup(a, b.p, b.len);
    hg_buf_release(&b);
    return text;
}

static void take_format(raw_t *r, igc_diag_t *d)
{
    const hg_json_t *v = hg_json_get(r->tree->root, "plugin_config_format");
    hg_iggy_format_t f;
    r->c.format = -1;
    if (!v || v->kind == HG_J_NULL) return;
    if (v->kind == HG_J_STRING && hg_iggy_format_find(v->str, &f))
        r->c.format = (int)f;
    else
        hg_diag(&d->d, false, v, false, "option 'plugin_config_format': valid values are: json, yaml, toml, text");
}

/* --- the environment -----------------------------------------------------------------------------------------------
 */
static char *variable_prefix(hg_arena_t *a, hg_iggy_kind_t kind, const char *key)
{
    char *p = hg_arena_printf(a, IGC_RUNTIME "%s_%s_", kind == HG_IGGY_SINK ? "SINK" : "SOURCE", key);
    for (char *c = p; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    return p;
}

/* PLUGIN_CONFIG_FORMAT is the option where it names one of the formats, else the plugin's own `format`. */
static void apply_env(raw_t *r, igc_env_t *env, igc_diag_t *d)
{
    igc_tree_t *t = r->tree;
    hg_iggy_format_t f;
    const char *prefix = variable_prefix(t->a, r->c.kind, r->c.key);
#define PART(name) hg_arena_printf(t->a, "%s" name, prefix)
    const char *format = igc_env_get(env->env, PART("PLUGIN_CONFIG_FORMAT"));
    bool option = format && hg_iggy_format_find(hg_strz(format), &f);
    igc_env_apply_free(env, t, PART("PLUGIN_CONFIG_"), t->root, "plugin_config", option ? "FORMAT" : NULL);
    if (option) igc_env_apply_one(env, t, PART("PLUGIN_CONFIG_FORMAT"), t->root, "plugin_config_format");
    igc_env_apply(env, t, prefix, CONNECTOR, t->root, "", d);
    igc_env_apply(env, t, PART("ERRORS_"), ERRORS, t->root, "errors", d);
    igc_env_apply(env, t, PART("RESTART_"), RESTART, t->root, "restart", d);
    igc_env_apply_array(env, t, PART("STREAMS_"), r->c.kind == HG_IGGY_SINK ? SINK_STREAM : SOURCE_STREAM, t->root,
                        "streams", d);
#undef PART
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */
bool igc_key_valid(hg_str_t key)
{
    if (!key.n || key.n > 200 || key.p[0] == '.' || !hg_utf8_valid(key.p, key.n)) return false;
    for (size_t i = 0; i < key.n; i++)
        if ((unsigned char)key.p[i] < 0x20 || key.p[i] == '/' || key.p[i] == 0x7F) return false;
    return true;
}

hg_iggy_connector_config_t *igc_connector_new(igc_tree_t *t, hg_iggy_kind_t kind, const char *key,
                                              const hg_iggy_own_config_t *own, igc_env_t *env, hg_iggy_notes_t notes)
{
    raw_t *r = HG_ANEW(t->a, raw_t);
    hg_iggy_connector_config_t *c = &r->c;
    igc_diag_t d;
    atomic_init(&r->refs, 1);
    r->tree = t;
    c->kind = kind;
    c->key = hg_arena_strndup(t->a, key, strlen(key));
    c->file = t->file;
    c->isolation = own->isolation;
    c->offset_commit = own->offset_commit;
    igc_diag_init(&d, t, notes, NULL);
    if (env && t->root->kind == HG_J_OBJECT) apply_env(r, env, &d);
    c->node = t->root;
    hg_opts_parse(CONNECTOR, t->root, t->root, HG_EXTRA_WARN, NULL, t->a, r, &d.d);
    if (r->key && r->key[0]) c->key = r->key;
    if (!igc_key_valid(hg_strz(c->key)))
        hg_diag(
            &d.d, false, hg_json_get(t->root, "key"), false,
            "option 'key': '%s' cannot be part of a file's name: up to 200 characters without /, not beginning with .",
            c->key);
    c->version = r->version;
    if (!c->name) c->name = c->key;
    if (!c->path) c->path = "";
    take_format(r, &d);
    take_streams(r, &d);
    take_transforms(r, &d);
    take_errors(r, &d);
    take_restart(r, &d);
    c->plugin_config = json_text(t->a, r->plugin_config);
    if (d.d.errors) c->error = hg_arena_strndup(t->a, d.first, strlen(d.first));
    return c;
}

static raw_t *of(const hg_iggy_connector_config_t *c)
{
    return (raw_t *)(uintptr_t)c; /* its first member; the count changes behind a constant too */
}

hg_iggy_connector_config_t *hg_iggy_connector_ref(hg_iggy_connector_config_t *c)
{
    atomic_fetch_add(&of(c)->refs, 1);
    return c;
}

void hg_iggy_connector_unref(hg_iggy_connector_config_t *c)
{
    if (c && atomic_fetch_sub(&of(c)->refs, 1) == 1) hg_arena_free(of(c)->tree->a);
}

hg_pos_t hg_iggy_connector_where(const hg_iggy_connector_config_t *c, const hg_json_t *node)
{
    return igc_where(of(c)->tree, node, false);
}

void igc_connector_doc(hg_buf_t *out)
{
    hg_buf_adds(out, "\n## A connector's file\n\n");
    hg_opts_doc(CONNECTOR, out);
    hg_buf_adds(out, "\n### `[[streams]]` of a sink\n\n");
    hg_opts_doc(SINK_STREAM, out);
    hg_buf_adds(out, "\n### `[[streams]]` of a source\n\n");
    hg_opts_doc(SOURCE_STREAM, out);
    hg_buf_adds(out, "\n### `[errors]`\n\nheadgate's.\n\n");
    hg_opts_doc(ERRORS, out);
    hg_buf_adds(out, "\n### `[restart]`\n\nheadgate's: after a plugin's process has ended, or a failure.\n\n");
    hg_opts_doc(RESTART, out);
}

/* --- in answers and files ------------------------------------------------------------------------------------------
 */
static void member(hg_jw_t *w, const char *key, const hg_json_t *v)
{
    hg_jw_key(w, key);
    if (v)
        hg_jw_node(w, v);
    else
        hg_jw_null(w);
}

static void streams_json(const hg_iggy_connector_config_t *c, const hg_json_t *streams, hg_jw_t *w)
{
    const hg_opt_t *table = c->kind == HG_IGGY_SINK ? SINK_STREAM : SOURCE_STREAM;
    static const char *const order[] = { "stream",           "topics",           "topic",        "schema",
                                         "avro_schema_json", "avro_schema_path", "batch_length", "poll_interval",
                                         "consumer_group",   "linger_time" };
    hg_jw_key(w, "streams");
    hg_jw_arr(w);
    for (const hg_json_t *s = streams && streams->kind == HG_J_ARRAY ? streams->child : NULL; s; s = s->next) {
        hg_jw_obj(w);
        for (size_t i = 0; i < HG_COUNT(order); i++)
            for (const hg_opt_t *o = table; o->key; o++)
                if (strcmp(o->key, order[i]) == 0) member(w, order[i], hg_json_get(s, order[i]));
        if (hg_json_get(s, "codec")) member(w, "codec", hg_json_get(s, "codec"));
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

void hg_iggy_connector_streams(const hg_iggy_connector_config_t *c, hg_jw_t *w)
{
    streams_json(c, hg_json_get(c->node, "streams"), w);
}

void hg_iggy_connector_members(const hg_iggy_connector_config_t *c, hg_jw_t *w)
{
    static const char *const own[] = { "labels",        "start_after", "paused", "isolation",
                                       "offset_commit", "errors",      "restart" };
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v = igc_redact(a, c->node);
    hg_jw_kstr(w, "key", c->key);
    hg_jw_kbool(w, "enabled", c->enabled);
    hg_jw_ku64(w, "version", c->version);
    hg_jw_kstr(w, "name", c->name);
    hg_jw_kstr(w, "path", c->path);
    member(w, "transforms", hg_json_get(v, "transforms"));
    streams_json(c, hg_json_get(v, "streams"), w);
    hg_jw_kstr(w, "plugin_config_format", c->format < 0 ? NULL : hg_iggy_format_name((hg_iggy_format_t)c->format));
    member(w, "plugin_config", hg_json_get(v, "plugin_config"));
    hg_jw_kbool(w, "verbose", c->verbose);
    hg_jw_kbool(w, "benchmark", c->benchmark);
    for (size_t i = 0; i < HG_COUNT(own); i++)
        if (hg_json_get(v, own[i])) member(w, own[i], hg_json_get(v, own[i]));
    hg_arena_free(a);
}

void hg_iggy_connector_transforms(const hg_iggy_connector_config_t *c, hg_jw_t *w)
{
    hg_arena_t *a = hg_arena_new();
    hg_jw_arr(w);
    for (uint32_t i = 0; i < c->n_transforms; i++) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "type", c->transforms[i].name);
        member(w, "config", igc_redact(a, c->transforms[i].node));
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_arena_free(a);
}

int hg_iggy_plugin_config_render(const hg_iggy_connector_config_t *c, hg_iggy_format_t f, hg_buf_t *out, hg_err_t *err)
{
    const hg_json_t *v = hg_json_get(c->node, "plugin_config");
    if (!v) return hg_err_set(err, HG_ENOTFOUND, "%s '%s' has no plugin_config", hg_iggy_kind_name(c->kind), c->key);
    hg_arena_t *a = hg_arena_new();
    hg_jw_t w;
    int rc = 0;
    v = igc_redact(a, v);
    hg_jw_init(&w, out);
    if (f == HG_IGGY_FMT_TOML)
        rc = igc_toml_write(v, out, err);
    else if (f == HG_IGGY_FMT_YAML)
        igc_yaml_write(v, out);
    else
        hg_jw_node(&w, v);
    hg_arena_free(a);
    return rc;
}

/* null = not given, but for the plugin's own options, where it means something. */
static void drop_nulls(hg_json_t *obj)
{
    for (hg_json_t *m = obj->child, *next; m; m = next) {
        next = m->next;
        if (m->kind == HG_J_NULL)
            igc_remove(obj, m->key.p);
        else if (hg_str_eqz(m->key, "streams") && m->kind == HG_J_ARRAY)
            for (hg_json_t *s = m->child; s; s = s->next) drop_nulls(s);
    }
}

int igc_connector_toml(hg_json_t *root, hg_buf_t *out, hg_err_t *err)
{
    drop_nulls(root);
    return igc_toml_write(root, out, err);
}
