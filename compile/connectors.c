/* The connectors property: JSON inside a SQL string inside a program. Every complaint points at its line and column in
 * the program.
 *
 * Checks follow Feldera's order (sql §2.6, orchestration §1.1) as far as they exist there; what Feldera finds only when
 * a pipeline starts (missing formats, unknown labels, unusable options) is found here. Unknown members are warnings
 * that name the nearest known one, errors with --strict.
 */
#include "base/hg.h"
#include "base/opts.h"
#include "compile/conn_int.h"

/* --- places and complaints ------------------------------------------------------------------------------------------
 */
const char *hg_conn_subject(const hg_conn_ctx_t *x)
{
    hg_str_t rel = x->rel->rel.schema.name;
    return hg_arena_printf(x->c->a, "relation '" HG_SF "': connector '" HG_SF "'", HG_SA(rel), HG_SA(x->shown));
}

void hg_conn_error(hg_conn_ctx_t *x, const hg_json_t *node, bool at_key, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hg_cc_error(x->c, hg_conn_pos(x, node, at_key), "ConnectorGenerationError", "%s: %s", hg_conn_subject(x), text);
    x->ok = false;
}

void hg_conn_warn(hg_conn_ctx_t *x, const hg_json_t *node, bool at_key, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hg_pos_t pos = hg_conn_pos(x, node, at_key);
    if (x->c->strict) {
        hg_cc_error(x->c, pos, "Invalid configuration", "%s: %s", hg_conn_subject(x), text);
        x->ok = false;
    } else {
        hg_cc_warn(x->c, pos, "Invalid configuration", "%s: %s", hg_conn_subject(x), text);
    }
}

void hg_conn_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    hg_conn_ctx_t *x = arg;
    if (!node) node = x->node;
    const hg_str_t *reference = hg_conn_referrer(x, node);
    if (reference && !at_key)
        msg = hg_arena_printf(x->c->a, "what '" HG_SF "' stands for cannot be used here", HG_SA(*reference));
    if (warning)
        hg_conn_warn(x, node, at_key, "%s", msg);
    else
        hg_conn_error(x, node, at_key, "%s", msg);
}

/* --- members of a connector
 * ------------------------------------------------------------------------------------------- */
typedef struct conn_cfg {
    const hg_json_t *name, *transport, *format, *labels, *label, *start_after, *handoff, *preprocessor, *postprocessor,
        *transforms;
    const char *index;
    bool paused, send_snapshot, soft_delete, enable_output_buffer, bytes_set;
    int journal;
    uint64_t max_batch_size, max_worker_batch_size, max_queued_records, max_queued_bytes;
    uint64_t max_output_buffer_time_millis, max_output_buffer_size_records;
} conn_cfg_t;

#define AT(f) offsetof(conn_cfg_t, f)
static const hg_opt_t conn_opts[] = {
    { .key = "name", .type = HG_OPT_JSON, .at = AT(name), .doc = "Name, unique within the relation." },
    { .key = "transport",
      .type = HG_OPT_JSON,
      .at = AT(transport),
      .doc = "Where records come from or go to: {name, config}." },
    { .key = "format", .type = HG_OPT_JSON, .at = AT(format), .doc = "How records are encoded: {name, config}." },
    { .key = "labels", .type = HG_OPT_JSON, .at = AT(labels), .doc = "Labels that other connectors may wait for." },
    { .key = "label", .type = HG_OPT_JSON, .at = AT(label), .doc = "Old spelling of labels." },
    { .key = "start_after", .type = HG_OPT_JSON, .at = AT(start_after), .doc = "Labels to wait for." },
    { .key = "handoff", .type = HG_OPT_JSON, .at = AT(handoff), .doc = "gapless or overlap: take over without a gap." },
    { .key = "paused", .type = HG_OPT_BOOL, .at = AT(paused), .doc = "Created paused." },
    { .key = "index", .type = HG_OPT_STR, .at = AT(index), .doc = "CREATE INDEX whose key folds updates." },
    { .key = "send_snapshot", .type = HG_OPT_BOOL, .at = AT(send_snapshot), .doc = "Begin with the whole view." },
    { .key = "soft_delete", .type = HG_OPT_BOOL, .at = AT(soft_delete), .doc = "Keep deleted records, marked." },
    { .key = "preprocessor", .type = HG_OPT_JSON, .at = AT(preprocessor), .doc = "Rust plug-in before the parser." },
    { .key = "postprocessor", .type = HG_OPT_JSON, .at = AT(postprocessor), .doc = "Rust plug-in behind the encoder." },
    { .key = "transforms",
      .type = HG_OPT_JSON,
      .at = AT(transforms),
      .doc = "Changes to each JSON record, in this order (docs/transforms.md)." },
    { .key = "journal",
      .type = HG_OPT_ENUM,
      .at = AT(journal),
      .names = "ranges|payload",
      .def = "ranges",
      .doc = "With fault tolerance: what the journal keeps of what was read: where it was, or all of it." },
    { .key = "max_batch_size",
      .type = HG_OPT_U64,
      .at = AT(max_batch_size),
      .unit = "records",
      .doc = "Records per step at most." },
    { .key = "max_worker_batch_size",
      .type = HG_OPT_U64,
      .at = AT(max_worker_batch_size),
      .unit = "records",
      .flags = HG_OPT_IGNORED,
      .doc = "A step has no workers to divide its records among." },
    { .key = "max_queued_records",
      .type = HG_OPT_U64,
      .at = AT(max_queued_records),
      .def = "1000000",
      .min = 1,
      .unit = "records",
      .doc = "Read no further while so many wait." },
    { .key = "max_queued_bytes",
      .type = HG_OPT_U64,
      .at = AT(max_queued_bytes),
      .set_at = AT(bytes_set),
      .min = 1,
      .unit = "bytes",
      .doc = "Read no further while so much waits; 1000 × max_queued_records." },
    { .key = "enable_output_buffer",
      .type = HG_OPT_BOOL,
      .at = AT(enable_output_buffer),
      .doc = "Collect changes before writing." },
    { .key = "max_output_buffer_time_millis",
      .type = HG_OPT_U64,
      .at = AT(max_output_buffer_time_millis),
      .def = "18446744073709551615",
      .unit = "ms",
      .doc = "Write at the latest after this time." },
    { .key = "max_output_buffer_size_records",
      .type = HG_OPT_U64,
      .at = AT(max_output_buffer_size_records),
      .def = "10000000",
      .unit = "records",
      .doc = "Write at the latest when so many are collected." },
    { .key = NULL },
};

static const char *const input_only[] = { "labels",           "label",  "start_after", "max_batch_size",
                                          "max_queued_bytes", "journal" };
static const char *const output_only[] = { "index", "send_snapshot", "enable_output_buffer",
                                           "max_output_buffer_time_millis", "max_output_buffer_size_records" };

static void warn_misplaced(hg_conn_ctx_t *x, const hg_json_t *obj)
{
    const char *const *list = x->is_input ? output_only : input_only;
    size_t n = x->is_input ? HG_COUNT(output_only) : HG_COUNT(input_only);
    for (size_t i = 0; i < n; i++) {
        const hg_json_t *m = hg_json_get(obj, list[i]);
        if (m && m->kind != HG_J_NULL && m->kind != HG_J_FALSE)
            hg_conn_warn(x, m, true, "'%s' has no effect on an %s connector", list[i],
                         x->is_input ? "input" : "output");
    }
}

static bool name_ok(hg_str_t s)
{
    if (s.n < 1 || s.n > 100) return false;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
              ch == '-'))
            return false;
    }
    return true;
}

/* The connector's name, checked against its relation's others. false: refused. */
static bool connector_name(hg_conn_ctx_t *x, const hg_json_t *v, uint32_t nr, hg_strmap_t *seen, hg_str_t *ret)
{
    const char *what = x->is_input ? "table" : "view";
    hg_str_t rel = x->rel->rel.schema.name;
    if (!v) {
        *ret = hg_strz(hg_arena_printf(x->c->a, "unnamed-%u", nr));
        hg_cc_warn(x->c, hg_conn_pos(x, x->node, false), "Unnamed connector",
                   "Connector nr. %u for %s '" HG_SF
                   "' does not have a name. Please give every connector a name: it is what its state is kept under",
                   nr + 1, what, HG_SA(rel));
        return true;
    }
    if (v->kind != HG_J_STRING) {
        hg_cc_error(x->c, hg_conn_pos(x, v, false), "Compilation error",
                    "Expected a string value for the connector \"name\" property");
        return false;
    }
    *ret = v->str;
    if (hg_strmap_put(seen, v->str, nr) != nr) {
        hg_cc_error(x->c, hg_conn_pos(x, v, false), "Compilation error",
                    "Two connectors for the same %s '" HG_SF "' cannot have the same name: '" HG_SF "'", what,
                    HG_SA(rel), HG_SA(v->str));
        return false;
    }
    if (!name_ok(v->str)) {
        hg_cc_error(x->c, hg_conn_pos(x, v, false), "ConnectorGenerationError",
                    "relation '" HG_SF "': connector name '" HG_SF
                    "' is not valid: it must have 1 to 100 characters, each one of A-Z a-z 0-9 _ -",
                    HG_SA(rel), HG_SA(v->str));
        return false;
    }
    return true;
}

/* --- labels ---------------------------------------------------------------------------------------------------------
 */

/* A string or an array of strings. One position per string. */
static bool strings(hg_conn_ctx_t *x, const hg_json_t *v, hg_str_t **list, hg_pos_t **pos, uint32_t *n,
                    const char *complaint)
{
    if (!v || v->kind == HG_J_NULL) return true;
    const hg_json_t *first = v->kind == HG_J_ARRAY ? v->child : v;
    for (const hg_json_t *s = first; s; s = v->kind == HG_J_ARRAY ? s->next : NULL) {
        if (s->kind != HG_J_STRING) {
            hg_conn_error(x, s, false, "%s", complaint);
            *n = 0;
            return false;
        }
        uint32_t k = *n;
        HG_APUSH(x->c->a, *pos, k, hg_conn_pos(x, s, false));
        HG_APUSH(x->c->a, *list, *n, s->str);
    }
    return true;
}

static void labels(hg_conn_ctx_t *x, const conn_cfg_t *cfg, hg_conn_spec_t *s)
{
    static const char *const bad = "invalid 'labels' property: expected a string, an array of strings, or null";
    hg_str_t *list = NULL;
    hg_pos_t *pos = NULL;
    if (cfg->label) hg_conn_warn(x, cfg->label, true, "'label' is an old spelling; please write 'labels'");
    if (!strings(x, cfg->labels, &list, &pos, &s->n_labels, bad)) return;
    if (!strings(x, cfg->label, &list, &pos, &s->n_labels, bad)) return;
    s->labels = list;
}

static void start_after(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s)
{
    hg_str_t *list = NULL;
    hg_pos_t *pos = NULL;
    if (!v || v->kind == HG_J_NULL) return;
    s->after_pos = hg_conn_pos(x, v, false);
    if (!strings(x, v, &list, &pos, &s->n_after,
                 "invalid 'start_after' property: expected a string, an array of strings, or null"))
        return;
    s->after = list;
    s->has_after = true;
    x->after_label_pos = pos;
}

/* --- one connector
 * ----------------------------------------------------------------------------------------------------- */
static void plug_ins(hg_conn_ctx_t *x, const conn_cfg_t *cfg)
{
    const hg_json_t *p = cfg->preprocessor, *q = cfg->postprocessor;
    if (p && p->kind != HG_J_NULL)
        hg_cc_error(x->c, hg_conn_pos(x, p, true), "Not supported",
                    "%s: a preprocessor is a Rust plug-in, which headgate cannot run", hg_conn_subject(x));
    if (q && q->kind != HG_J_NULL)
        hg_cc_error(x->c, hg_conn_pos(x, q, true), "Not supported",
                    "%s: a postprocessor is a Rust plug-in, which headgate cannot run", hg_conn_subject(x));
    if ((p && p->kind != HG_J_NULL) || (q && q->kind != HG_J_NULL)) x->ok = false;
}

static void soft_delete(hg_conn_ctx_t *x, const conn_cfg_t *cfg, hg_conn_spec_t *s)
{
    if (!cfg->soft_delete) return;
    const hg_json_t *m = hg_json_get(x->node, "soft_delete");
    if (!x->is_input) {
        hg_conn_error(x, m, true, "'soft_delete' is not allowed on a view");
    } else if (x->rel->rel.schema.n_key) {
        hg_conn_error(x, m, true, "'soft_delete' is not allowed on a table with a PRIMARY KEY");
    } else {
        s->soft_delete = true;
    }
}

enum { JOURNAL_PAYLOAD = 1 };

/* The journal keeps the bytes of messages, not what the table's DEFAULTs read beside them. */
static void metadata(hg_conn_ctx_t *x, const conn_cfg_t *c, const hg_conn_spec_t *s)
{
    const hg_json_t *transport = hg_json_get(x->node, "transport"), *cfg = hg_json_get(transport, "config");
    if (!s->in_type || !x->rel->metadata || c->journal != JOURNAL_PAYLOAD) return;
    for (const hg_opt_t *o = s->in_type->opts; o && o->key; o++) {
        const hg_json_t *m = o->flags & HG_OPT_METADATA ? hg_json_get(cfg, o->key) : NULL;
        if (!m || m->kind != HG_J_TRUE) continue;
        hg_conn_error(x, m, true, "'%s' is not offered together with 'journal': 'payload'", o->key);
    }
}

/* Rows that the transport makes itself have no payload; who keeps no position reads again what is in the journal. */
static void journal(hg_conn_ctx_t *x, const conn_cfg_t *cfg, hg_conn_spec_t *s)
{
    const hg_json_t *m = hg_json_get(x->node, "journal");
    if (cfg->journal != JOURNAL_PAYLOAD || !s->in_type) return;
    if ((s->in_type->caps & HG_CAP_BATCHES) || !s->in_type->save || !s->in_type->restore)
        hg_conn_error(x, m, false,
                      "'journal': 'payload' is not offered for '%s': it has no bytes that the journal could keep",
                      s->in_type->name);
    else
        s->journal_payload = true;
}

static void output_members(hg_conn_ctx_t *x, const conn_cfg_t *cfg, hg_conn_spec_t *s)
{
    if (cfg->index) {
        const hg_crel_t *r = x->rel;
        uint32_t i = 0;
        while (i < r->n_indexes && !hg_str_eqz(r->indexes[i].name, cfg->index)) i++;
        if (i == r->n_indexes) {
            hg_conn_error(x, hg_json_get(x->node, "index"), false,
                          "view '" HG_SF "' has no index named '%s' (CREATE INDEX)", HG_SA(r->rel.schema.name),
                          cfg->index);
        } else {
            s->index_key = r->indexes[i].cols;
            s->n_index_key = r->indexes[i].n;
            s->index_name = cfg->index;
        }
    }
    if (cfg->send_snapshot && !x->rel->rel.materialized)
        hg_conn_error(x, hg_json_get(x->node, "send_snapshot"), true,
                      "'send_snapshot: true' requires a materialized output view");
    s->send_snapshot = cfg->send_snapshot;
    s->enable_output_buffer = cfg->enable_output_buffer;
    s->max_output_buffer_time_millis = cfg->max_output_buffer_time_millis;
    s->max_output_buffer_size_records = cfg->max_output_buffer_size_records;
}

static bool connector(hg_conn_ctx_t *x, uint32_t nr, hg_strmap_t *names, hg_conn_spec_t *s)
{
    hg_str_t rel = x->rel->rel.schema.name;
    hg_cc_t *c = x->c;
    x->shown = HG_S("<unnamed>");
    if (x->node->kind != HG_J_OBJECT) {
        hg_cc_error(c, hg_conn_pos(x, x->node, false), "ConnectorGenerationError",
                    "relation '" HG_SF "': connector nr. %u must be a JSON object, not %s", HG_SA(rel), nr + 1,
                    hg_json_kind_name(x->node->kind));
        return false;
    }
    const hg_json_t *name = hg_json_get(x->node, "name");
    if (!connector_name(x, name, nr, names, &s->name)) return false;
    if (name) x->shown = s->name;

    conn_cfg_t cfg = { 0 };
    hg_diag_t d = { .fn = hg_conn_diag, .arg = x };
    hg_opts_parse(conn_opts, x->node, x->node, HG_EXTRA_WARN, NULL, c->a, &cfg, &d);
    warn_misplaced(x, x->node);

    s->is_input = x->is_input;
    s->relation = x->rel->index;
    s->stream = hg_ident_text(c->a, rel, x->rel->rel.schema.case_sensitive);
    s->endpoint = hg_strz(hg_arena_printf(c->a, HG_SF "." HG_SF, HG_SA(rel), HG_SA(s->name)));
    s->pos = hg_conn_pos(x, name ? name : x->node, false);
    s->json = x->node;
    s->paused = cfg.paused;
    s->max_batch_size = cfg.max_batch_size;
    s->max_queued_records = cfg.max_queued_records;
    s->max_queued_bytes = cfg.max_queued_bytes;
    if (!cfg.bytes_set)
        s->max_queued_bytes = cfg.max_queued_records > UINT64_MAX / 1000 ? UINT64_MAX : cfg.max_queued_records * 1000;
    plug_ins(x, &cfg);
    soft_delete(x, &cfg, s);
    if (!x->is_input) output_members(x, &cfg, s); /* the index is what the format is tried with */
    hg_conn_transport(x, cfg.transport, s);
    metadata(x, &cfg, s);
    if (s->in_type || s->out_type) hg_conn_format(x, cfg.format, s);
    hg_conn_transforms(x, cfg.transforms, s);
    if (x->is_input) {
        labels(x, &cfg, s);
        start_after(x, cfg.start_after, s);
        journal(x, &cfg, s);
    }
    hg_conn_handoff(x, cfg.handoff, s);
    return true;
}

/* --- all of them
 * --------------------------------------------------------------------------------------------------------- */
typedef struct list {
    hg_conn_spec_t *v;
    const hg_pos_t **after_pos;
    uint32_t n;
} list_t;

static void relation(hg_cc_t *c, hg_crel_t *r, hg_strmap_t *endpoints, list_t *out)
{
    hg_conn_ctx_t x = { .c = c, .rel = r, .tok = r->conns, .is_input = r->rel.kind == HG_REL_TABLE };
    hg_json_t *root = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_conn_pos_init(&x);
    if (hg_json_parse(c->a, r->conns->text, &root, &err) < 0) {
        uint32_t at = (uint32_t)err.pos.off;
        if (at >= r->conns->text.n && at) at = (uint32_t)r->conns->text.n - 1;
        char *inner =
            strstr(err.msg, " at line "); /* counted inside the string; the place in the program is known better */
        if (inner) *inner = 0;
        hg_cc_error(c, r->conns->text.n ? hg_tok_string_pos(c->text, r->conns, at, 1) : r->conns->pos,
                    "Compilation error", "'connectors' is not legal JSON: %s", err.msg);
        return;
    }
    if (root->kind != HG_J_ARRAY) {
        x.shown = HG_S("<unnamed>");
        hg_cc_error(c, hg_conn_pos(&x, root, false), "Compilation error", "Expected an array value for 'connectors'");
        return;
    }
    if (r->rel.local && root->n)
        hg_cc_warn(c, r->conns->pos, "Invalid connector",
                   "Connectors on the LOCAL view '" HG_SF "' have no effect: it has no output",
                   HG_SA(r->rel.schema.name));
    hg_strmap_t names;
    hg_strmap_init(&names);
    uint32_t nr = 0;
    for (const hg_json_t *v = root->child; v; v = v->next, nr++) {
        hg_conn_spec_t s = { 0 };
        x.node = v;
        x.ok = true;
        x.standins = NULL;
        x.referrers = NULL;
        x.n_standins = 0;
        hg_conn_pos_base(&x, v->off);
        x.after_label_pos = NULL;
        if (!connector(&x, nr, &names, &s) || r->rel.local) continue;
        uint32_t k = out->n;
        if (hg_strmap_put(endpoints, s.endpoint, k) != k) {
            hg_cc_error(c, s.pos, "ConnectorGenerationError",
                        "relation '" HG_SF
                        "': encountered collision when using {relation}.{connector_name} as unique name: '" HG_SF
                        "' is not unique",
                        HG_SA(r->rel.schema.name), HG_SA(s.endpoint));
            continue;
        }
        HG_APUSH(c->a, out->after_pos, k, (const hg_pos_t *)x.after_label_pos);
        HG_APUSH(c->a, out->v, out->n, s);
    }
    hg_strmap_release(&names);
}

void hg_cc_connectors(hg_cc_t *c)
{
    hg_program_t *p = &c->prog->pub;
    hg_strmap_t endpoints;
    list_t list = { 0 };
    hg_strmap_init(&endpoints);
    for (int outputs = 0; outputs < 2; outputs++) {
        for (uint32_t i = 0; i < c->prog->n_rels; i++) {
            hg_crel_t *r = c->prog->rels[i];
            if (!r->conns || r->dropped || (r->rel.kind == HG_REL_VIEW) != (outputs == 1)) continue;
            relation(c, r, &endpoints, &list);
        }
        if (!outputs) p->n_inputs = list.n;
    }
    hg_strmap_release(&endpoints);
    p->conns = list.v;
    p->n_conns = list.n;
    hg_cc_labels(c, list.v, p->n_inputs, list.after_pos);
}
