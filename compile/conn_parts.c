/* Transport and format of one connector, through the registry's option tables. */
#include "base/hg.h"
#include "base/opts.h"
#include "compile/conn_int.h"

/* --- Feldera's transports
 * --------------------------------------------------------------------------------------------- */
static const char *const feldera_inputs[] = { "file_input",         "nats_input",    "kafka_input",
                                              "pub_sub_input",      "url_input",     "s3_input",
                                              "delta_table_input",  "iceberg_input", "postgres_input",
                                              "postgres_cdc_input", "datagen",       "nexmark",
                                              "empty_input" };
static const char *const feldera_outputs[] = { "file_output",     "kafka_output", "delta_table_output",
                                               "dynamodb_output", "redis_output", "postgres_output",
                                               "null_output" };
static const char *const engine_made[] = { "http_input", "http_output", "ad_hoc_input", "clock_input" };

static bool in_list(hg_str_t name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (hg_str_eqz(name, list[i])) return true;
    return false;
}

bool hg_feldera_transport(hg_str_t name, bool *is_input)
{
    *is_input = in_list(name, feldera_inputs, HG_COUNT(feldera_inputs));
    return *is_input || in_list(name, feldera_outputs, HG_COUNT(feldera_outputs));
}

/* --- the {name, config} wrapper
 * ----------------------------------------------------------------------------------------- */
typedef struct wrapper {
    const hg_json_t *name, *config;
} wrapper_t;

static const hg_opt_t wrapper_opts[] = {
    { .key = "name", .type = HG_OPT_JSON, .at = offsetof(wrapper_t, name), .doc = "Which one." },
    { .key = "config", .type = HG_OPT_JSON, .at = offsetof(wrapper_t, config), .doc = "Its options." },
    { .key = NULL },
};

/* Members that people put one level too deep. */
static bool belongs_outside(hg_str_t key)
{
    static const char *const list[] = { "labels", "label", "start_after", "paused", "handoff", "format", "index" };
    return in_list(key, list, HG_COUNT(list));
}

static bool unwrap(hg_conn_ctx_t *x, const hg_json_t *v, const char *what, wrapper_t *w)
{
    if (v->kind != HG_J_OBJECT) {
        hg_conn_error(x, v, false, "\"%s\" must be a JSON object", what);
        return false;
    }
    bool outside = false;
    for (const hg_json_t *m = v->child; m; m = m->next)
        if (belongs_outside(m->key)) {
            hg_conn_warn(x, m, true, "'" HG_SF "' belongs beside \"%s\", not in it; it is ignored here", HG_SA(m->key),
                         what);
            outside = true;
        }
    hg_diag_t d = { .fn = hg_conn_diag, .arg = x };
    if (outside) { /* told above: only the two known members are taken */
        w->name = hg_json_get(v, "name");
        w->config = hg_json_get(v, "config");
    } else {
        hg_opts_parse(wrapper_opts, v, v, HG_EXTRA_WARN, NULL, x->c->a, w, &d);
    }
    if (!w->name) {
        hg_conn_error(x, v, false, "\"%s\" must have a \"name\" field", what);
        return false;
    }
    if (w->name->kind != HG_J_STRING) {
        hg_conn_error(x, w->name, false, "\"%s.name\" must be a string", what);
        return false;
    }
    if (w->config && w->config->kind == HG_J_NULL) w->config = NULL;
    if (w->config && w->config->kind != HG_J_OBJECT) {
        hg_conn_error(x, w->config, false, "\"%s.config\" must be a JSON object", what);
        return false;
    }
    return true;
}

/* --- transport
 * -------------------------------------------------------------------------------------------------------------- */
static const char *nearest_transport(hg_conn_ctx_t *x, hg_str_t name)
{
    uint32_t n_in = 0, n_out = 0, n = 0;
    const hg_input_type_t *const *in = hg_input_types(&n_in);
    const hg_output_type_t *const *out = hg_output_types(&n_out);
    const char **list = HG_ANEWN(x->c->a, const char *, n_in + n_out + 1);
    for (uint32_t i = 0; x->is_input && i < n_in; i++)
        if (!(in[i]->caps & HG_CAP_INTERNAL)) list[n++] = in[i]->name;
    for (uint32_t i = 0; !x->is_input && i < n_out; i++)
        if (!out[i]->internal) list[n++] = out[i]->name;
    return hg_nearest(name, list);
}

static void unknown_transport(hg_conn_ctx_t *x, const hg_json_t *name)
{
    hg_str_t s = name->str, rel = x->rel->rel.schema.name;
    bool is_input = false;
    bool known = hg_feldera_transport(s, &is_input);
    if (!known && hg_input_type_find(s)) is_input = known = true;
    if (!known && hg_output_type_find(s)) known = true;
    if (in_list(s, engine_made, HG_COUNT(engine_made))) {
        hg_conn_error(x, name, false, "transport '" HG_SF "' is made by the engine and cannot be used in SQL",
                      HG_SA(s));
    } else if (known && is_input != x->is_input) {
        hg_cc_error(x->c, hg_conn_pos(x, name, false), "ConnectorGenerationError",
                    x->is_input ? "relation '" HG_SF
                                  "': expected an input variant but got an output variant for connector '" HG_SF "'"
                                : "relation '" HG_SF
                                  "': expected an output variant but got an input variant for connector '" HG_SF "'",
                    HG_SA(rel), HG_SA(x->shown));
        hg_cc_note(x->c, "'" HG_SF "' is an %s transport; %s take %s connectors", HG_SA(s),
                   is_input ? "input" : "output", x->is_input ? "tables" : "views", x->is_input ? "input" : "output");
        x->ok = false;
    } else if (known) {
        hg_conn_error(x, name, false, "transport '" HG_SF "' is not available in this version of headgate", HG_SA(s));
    } else {
        const char *near = nearest_transport(x, s);
        hg_conn_error(x, name, false,
                      near ? "unknown transport '" HG_SF "'; did you mean '%s'?" : "unknown transport '" HG_SF "'",
                      HG_SA(s), near);
    }
}

static const void *parse_cfg(hg_conn_ctx_t *x, const hg_opt_t *opts, size_t size, hg_extra_t extra, const wrapper_t *w,
                             const hg_json_t *where, bool *ok)
{
    static const hg_opt_t none[] = { { .key = NULL } };
    hg_diag_t d = { .fn = hg_conn_diag, .arg = x };
    void *cfg = hg_arena_alloc(x->c->a, size ? size : 1);
    *ok = hg_opts_parse(opts ? opts : none, w->config, where, extra, extra == HG_EXTRA_TAKE ? cfg : NULL, x->c->a, cfg,
                        &d) == 0;
    return cfg;
}

/* Names that Feldera's documentation uses beside the tag. */
static const hg_json_t *usual_name(hg_conn_ctx_t *x, const hg_json_t *name)
{
    if (!hg_str_eqz(name->str, "pubsub_input")) return name;
    hg_json_t *usual = HG_ANEW(x->c->a, hg_json_t);
    *usual = *name;
    usual->str = HG_S("pub_sub_input");
    return usual;
}

void hg_conn_transport(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s)
{
    wrapper_t w = { 0 };
    if (!v) {
        hg_conn_error(x, x->node, false, "missing field `transport`");
        return;
    }
    if (!unwrap(x, v, "transport", &w)) return;
    w.config = hg_conn_references(x, w.config);
    w.name = usual_name(x, w.name);
    const hg_input_type_t *in = x->is_input ? hg_input_type_find(w.name->str) : NULL;
    const hg_output_type_t *out = x->is_input ? NULL : hg_output_type_find(w.name->str);
    if ((!in && !out) || (in && (in->caps & HG_CAP_INTERNAL)) || (out && out->internal)) {
        unknown_transport(x, w.name);
        return;
    }
    hg_diag_t d = { .fn = hg_conn_diag, .arg = x };
    bool ok = false;
    const hg_json_t *at = w.config ? w.config : v;
    if (in) {
        s->transport_cfg = parse_cfg(x, in->opts, in->cfg_size, in->extra, &w, at, &ok);
        if (ok && in->check) in->check(s->transport_cfg, at, &d);
        if (ok && !d.errors && in->check_table && !x->rel->broken)
            in->check_table(s->transport_cfg, at, &x->rel->rel.schema, &d);
        s->in_type = in;
        s->finite = in->is_finite && ok ? in->is_finite(s->transport_cfg) : (in->caps & HG_CAP_FINITE) != 0;
    } else {
        s->transport_cfg = parse_cfg(x, out->opts, out->cfg_size, out->extra, &w, at, &ok);
        if (ok && out->check) out->check(s->transport_cfg, at, &d);
        s->out_type = out;
    }
}

/* --- format
 * -------------------------------------------------------------------------------------------------------------------
 */

/* May this connector have a format, must it? A transport without any option (empty_input, null_output) has no need of
 * one, but Feldera's rule asks for it, so programs have it. */
typedef enum { FORMAT_NEEDED, FORMAT_OPTIONAL, FORMAT_FORBIDDEN } format_use_t;

static const hg_format_type_t *built_in_format(const hg_conn_spec_t *s)
{
    return s->in_type ? s->in_type->built_in : s->out_type->built_in;
}

static format_use_t format_use(const hg_conn_spec_t *s)
{
    bool built_in =
        built_in_format(s) || (s->in_type ? (s->in_type->caps & HG_CAP_BATCHES) != 0 : s->out_type->no_format);
    const hg_opt_t *opts = s->in_type ? s->in_type->opts : s->out_type->opts;
    if (!opts || !opts[0].key) return FORMAT_OPTIONAL;
    return built_in ? FORMAT_FORBIDDEN : FORMAT_NEEDED;
}

static const hg_format_type_t *find_format(hg_conn_ctx_t *x, const hg_json_t *name)
{
    const hg_format_type_t *f = hg_format_find(name->str);
    if (f && (x->is_input ? f->in_opts : f->out_opts)) return f;
    uint32_t n = 0, k = 0;
    const hg_format_type_t *const *all = hg_formats(&n);
    const char **list = HG_ANEWN(x->c->a, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (x->is_input ? all[i]->in_opts : all[i]->out_opts) list[k++] = all[i]->name;
    const char *near = f ? NULL : hg_nearest(name->str, list);
    const char *way = x->is_input ? "input" : "output";
    hg_pos_t pos = hg_conn_pos(x, name, false);
    if (f)
        hg_cc_error(x->c, pos, "Unknown format", "%s: '" HG_SF "' is not an %s format", hg_conn_subject(x),
                    HG_SA(name->str), way);
    else if (near)
        hg_cc_error(x->c, pos, "Unknown format", "%s: unknown %s format '" HG_SF "'; did you mean '%s'?",
                    hg_conn_subject(x), way, HG_SA(name->str), near);
    else
        hg_cc_error(x->c, pos, "Unknown format", "%s: unknown %s format '" HG_SF "'", hg_conn_subject(x), way,
                    HG_SA(name->str));
    x->ok = false;
    return NULL;
}

/* Let the format see its relation: a raw format for five columns, a debezium output without a key … is refused here.
 * hides: its configuration has values that references stand for. */
static void try_format(hg_conn_ctx_t *x, const hg_format_type_t *f, const hg_json_t *at, const hg_conn_spec_t *s,
                       bool hides)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    if (x->is_input) {
        hg_parse_env_t env = { .schema = &x->rel->rel.schema,
                               .defaults = x->rel->rel.defaults,
                               .deleted = s->soft_delete ? x->rel->rel.deleted : NULL };
        hg_parser_t *p = NULL;
        rc = f->parser_new(s->format_cfg, &env, &p, &err);
        if (rc == 0) f->parser_free(p);
    } else {
        hg_encode_env_t env = { .schema = &x->rel->rel.schema,
                                .key = s->index_key,
                                .n_key = s->n_index_key,
                                .want_messages = s->out_type->messages || s->out_type->no_format,
                                .max_message = 1 << 20,
                                .index = s->index_name,
                                .topic = s->out_type->topic && s->transport_cfg ? s->out_type->topic(s->transport_cfg)
                                                                                : NULL };
        if (s->out_type->key_separator) env.key_separator = s->out_type->key_separator(s->transport_cfg);
        hg_encoder_t *e = NULL;
        rc = f->encoder_new(s->format_cfg, &env, &e, &err);
        if (rc == 0) f->encoder_free(e);
    }
    if (rc == 0) return;
    if (hides) { /* the message may quote what no one is to read */
        hg_conn_error(x, at, false, "a value that a reference stands for cannot be used here");
        return;
    }
    const hg_json_t *option = err.path[0] ? hg_json_get(at, err.path) : NULL;
    if (!option && err.path[0]) option = hg_json_get(x->node, err.path); /* one of the connector's own: index */
    hg_conn_error(x, option ? option : at, false, "%s", err.msg);
}

void hg_conn_format(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s)
{
    format_use_t use = format_use(s);
    const char *transport = s->in_type ? s->in_type->name : s->out_type->name;
    if (v && v->kind == HG_J_NULL) v = NULL;
    if (!v) {
        if (use == FORMAT_NEEDED) {
            hg_cc_error(x->c, s->pos, "ConnectorGenerationError",
                        "Data format is not specified for %s endpoint '" HG_SF
                        "' (set the 'format' field inside connector configuration)",
                        x->is_input ? "input" : "output", HG_SA(s->endpoint));
            x->ok = false;
        }
        s->format = built_in_format(s);
        if (s->format && x->ok && !x->rel->broken) try_format(x, s->format, x->node, s, false);
        return;
    }
    if (use == FORMAT_FORBIDDEN) {
        hg_conn_error(x, v, true, "%s transport does not allow 'format' specification", transport);
        return;
    }
    wrapper_t w = { 0 };
    if (!unwrap(x, v, "format", &w)) return;
    uint32_t before = x->n_standins;
    w.config = hg_conn_references(x, w.config);
    const hg_format_type_t *f = find_format(x, w.name);
    if (!f) return;
    if (s->out_type && s->out_type->key_separator && strcmp(f->name, "json") != 0) {
        hg_conn_error(x, v, false, "'%s' format not yet supported with transport %s; use 'json'", f->name, transport);
        return;
    }
    bool ok = false;
    const hg_json_t *at = w.config ? w.config : v;
    s->format_cfg = parse_cfg(x, x->is_input ? f->in_opts : f->out_opts, x->is_input ? f->in_cfg : f->out_cfg, f->extra,
                              &w, at, &ok);
    s->format = f;
    if (ok && !x->rel->broken) try_format(x, f, at, s, x->n_standins > before);
}
