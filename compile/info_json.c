/* program_info: schema and connectors as the API publishes them (rest-api §2.5, §2.6).
 *
 * Clients parse connector objects strictly, so only members that Feldera knows are written, normalised: labels an
 * array, start_after an array or absent, librdkafka options strings, no config at all for the two transports that have
 * none. A transport of headgate's own is published as Kafka with its real name in a dotted key. Secret references stay
 * references.
 */
#include "base/hg.h"
#include "base/opts.h"
#include "compile/conn_int.h"

static bool is_option(const hg_opt_t *opts, hg_str_t key)
{
    for (; opts && opts->key; opts++)
        if (hg_str_eqz(key, opts->key)) return true;
    return false;
}

/* What clients insist on, where the user gave its parts; without the password. */
static void missing_uri(hg_jw_t *w, const hg_opt_t *opts, const hg_json_t *cfg)
{
    const hg_json_t *port = hg_json_get(cfg, "port");
    const char *user = hg_json_str(hg_json_get(cfg, "user"), ""), *host = hg_json_str(hg_json_get(cfg, "host"), "");
    hg_buf_t b;
    if (!is_option(opts, HG_S("uri")) || !is_option(opts, HG_S("host")) || hg_json_get(cfg, "uri")) return;
    hg_buf_init(&b, 4096);
    (void)hg_buf_addf(&b, "postgresql://%s%s%s", user, *user ? "@" : "", host);
    if (port) (void)hg_buf_addf(&b, ":" HG_SF, HG_SA(port->str));
    (void)hg_buf_addf(&b, "/%s", hg_json_str(hg_json_get(cfg, "database"), ""));
    hg_jw_kstr(w, "uri", b.p);
    hg_buf_release(&b);
}

static void config(hg_jw_t *w, const hg_conn_spec_t *s, const hg_json_t *cfg, const char *own_name)
{
    const hg_opt_t *opts = s->is_input ? s->in_type->opts : s->out_type->opts;
    hg_extra_t extra = s->is_input ? s->in_type->extra : s->out_type->extra;
    hg_jw_key(w, "config");
    hg_jw_obj(w);
    if (own_name) {
        const hg_json_t *topic = hg_json_get(cfg, "topic");
        hg_jw_kstr(w, "topic", hg_json_str(topic, own_name));
        hg_jw_kstr(w, "headgate.transport", own_name);
        hg_jw_end_obj(w);
        return;
    }
    missing_uri(w, opts, cfg);
    for (const hg_json_t *m = cfg ? cfg->child : NULL; m; m = m->next) {
        if (hg_json_get(cfg, m->key.p) != m) continue; /* written twice: the last one counts */
        hg_jw_key(w, m->key.p);
        if (extra == HG_EXTRA_TAKE && !is_option(opts, m->key) && m->kind != HG_J_OBJECT && m->kind != HG_J_ARRAY) {
            if (m->kind == HG_J_TRUE || m->kind == HG_J_FALSE)
                hg_jw_strz(w, m->kind == HG_J_TRUE ? "true" : "false");
            else
                hg_jw_str(w, m->str);
        } else {
            hg_jw_node(w, m);
        }
    }
    hg_jw_end_obj(w);
}

static void transport(hg_jw_t *w, const hg_conn_spec_t *s)
{
    const char *name = s->is_input ? s->in_type->name : s->out_type->name;
    bool is_input = false, known = hg_feldera_transport(hg_strz(name), &is_input);
    const hg_json_t *cfg = hg_json_get(hg_json_get(s->json, "transport"), "config");
    bool bare = strcmp(name, "null_output") == 0 || strcmp(name, "empty_input") == 0;
    hg_jw_key(w, "transport");
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", known ? name : s->is_input ? "kafka_input" : "kafka_output");
    if (!bare) config(w, s, cfg, known ? NULL : name);
    hg_jw_end_obj(w);
}

static void format(hg_jw_t *w, const hg_conn_spec_t *s)
{
    const hg_json_t *f = hg_json_get(s->json, "format");
    if (!f || f->kind != HG_J_OBJECT) return;
    const hg_json_t *cfg = hg_json_get(f, "config");
    hg_jw_key(w, "format");
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", hg_json_str(hg_json_get(f, "name"), ""));
    hg_jw_key(w, "config");
    if (cfg && cfg->kind == HG_J_OBJECT) {
        hg_jw_node(w, cfg);
    } else {
        hg_jw_obj(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

static void strings(hg_jw_t *w, const char *key, const hg_str_t *v, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_str(w, v[i]);
    hg_jw_end_arr(w);
}

static void connector(hg_jw_t *w, const hg_conn_spec_t *s)
{
    hg_jw_obj(w);
    hg_jw_key(w, "stream");
    hg_jw_str(w, s->stream);
    transport(w, s);
    format(w, s);
    if (!s->is_input) {
        const hg_json_t *index = hg_json_get(s->json, "index");
        if (index && index->kind == HG_J_STRING) hg_jw_kstr(w, "index", index->str.p);
        hg_jw_kbool(w, "enable_output_buffer", s->enable_output_buffer);
        if (s->max_output_buffer_time_millis != UINT64_MAX)
            hg_jw_ku64(w, "max_output_buffer_time_millis", s->max_output_buffer_time_millis);
        hg_jw_ku64(w, "max_output_buffer_size_records", s->max_output_buffer_size_records);
        if (s->send_snapshot) hg_jw_kbool(w, "send_snapshot", true);
    } else {
        if (s->max_batch_size) hg_jw_ku64(w, "max_batch_size", s->max_batch_size);
        if (s->soft_delete) hg_jw_kbool(w, "soft_delete", true);
    }
    hg_jw_ku64(w, "max_queued_records", s->max_queued_records);
    if (s->is_input && hg_json_get(s->json, "max_queued_bytes")) hg_jw_ku64(w, "max_queued_bytes", s->max_queued_bytes);
    hg_jw_kbool(w, "paused", s->paused);
    strings(w, "labels", s->labels, s->n_labels);
    if (s->has_after) strings(w, "start_after", s->after, s->n_after);
    hg_jw_end_obj(w);
}

void hg_program_info_json(const hg_program_t *p, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_key(w, "schema");
    hg_program_schema_json(p, w);
    hg_jw_kstr(w, "udf_stubs", "");
    for (int outputs = 0; outputs < 2; outputs++) {
        hg_jw_key(w, outputs ? "output_connectors" : "input_connectors");
        hg_jw_obj(w);
        for (uint32_t i = outputs ? p->n_inputs : 0; i < (outputs ? p->n_conns : p->n_inputs); i++) {
            if (!p->conns[i].in_type && !p->conns[i].out_type) continue; /* of a program with errors */
            hg_jw_key(w, p->conns[i].endpoint.p);
            connector(w, &p->conns[i]);
        }
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}
