/* What users write about any transport of the build, from JSON:
 *
 *   {"transport": "kafka_input", "config": {…}, "position": {…}}
 *
 * A configuration is refused with a sentence, against itself or against a table with a column of every kind, or it
 * answers every question about itself; a position that a user gives is refused with a sentence, or taken. Of datagen's
 * plans rows are made. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "base/opts.h"
#include "connectors/connector.h"
#include "connectors/transport/datagen_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Transports call their host, which nothing else here does: the linker has to hear of it. */
void (*const fuzz_host[])(void) = { (void (*)(void))hg_in_error, (void (*)(void))hg_out_error };

#define LONGEST 100 /* of what datagen may make here: longer is allowed, and slow */

static void complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)at_key;
    HG_ASSERT(msg[0] && (node || !warning));
}

/* NULL: refused. */
static void *options(hg_arena_t *a, const hg_opt_t *table, size_t size, hg_extra_t extra, const hg_json_t *config,
                     const hg_json_t *where)
{
    static const hg_opt_t none[] = { { .key = NULL } };
    hg_diag_t d = { .fn = complaint };
    void *cfg = hg_arena_alloc(a, HG_MAX(size, sizeof(hg_kvlist_t)));
    int rc = hg_opts_parse(table ? table : none, config, where, extra, extra == HG_EXTRA_TAKE ? cfg : NULL, a, cfg, &d);
    HG_ASSERT((rc < 0) == (d.errors > 0));
    return rc == 0 ? cfg : NULL;
}

static bool is_short(const dg_field_t *f)
{
    bool counted = f->type->kind == HG_T_ARRAY || f->type->kind == HG_T_MAP || f->type->kind == HG_T_VARCHAR ||
                   f->type->kind == HG_T_CHAR || f->type->kind == HG_T_BINARY || f->type->kind == HG_T_VARBINARY;
    if (counted && f->hi > LONGEST) return false;
    for (uint32_t i = 0; i < f->n_sub; i++)
        if (!is_short(&f->sub[i])) return false;
    return true;
}

static void make_rows(hg_arena_t *a, const hg_json_t *plan, const hg_schema_t *schema)
{
    dg_plan_t *plans;
    uint32_t n = 0;
    hg_err_t err = HG_ERR_INIT;
    if (dg_plans_make(a, plan, schema, &plans, &n, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    for (uint32_t i = 0; i < HG_MIN(n, 2u); i++) {
        bool fine = true;
        for (uint32_t c = 0; c < schema->n_cols; c++) fine &= is_short(&plans[i].fields[c]);
        if (!fine) continue;
        hg_changeb_t b;
        uint64_t bytes = 0;
        hg_changeb_init(&b, schema);
        int rc = dg_rows(&plans[i], 7, UINT64_C(1) << 33, 3, &b, &bytes, &err);
        HG_ASSERT(rc == 0 || err.msg[0]);
        hg_change_t *c = hg_changeb_seal(&b);
        HG_ASSERT(rc < 0 || (c && c->rows->n_rows == 3 && bytes));
        hg_change_drop(c);
        hg_changeb_release(&b);
    }
}

static void input(hg_arena_t *a, const hg_input_type_t *t, const hg_json_t *doc, const hg_schema_t *schema)
{
    const hg_json_t *config = hg_json_get(doc, "config"), *position = hg_json_get(doc, "position");
    hg_diag_t d = { .fn = complaint };
    hg_err_t err = HG_ERR_INIT;
    const void *cfg = options(a, t->opts, t->cfg_size, t->extra, config, doc);
    if (cfg && t->check) t->check(cfg, config ? config : doc, &d);
    if (cfg && !d.errors && t->check_table) t->check_table(cfg, config ? config : doc, schema, &d);
    if (!cfg || d.errors) return;
    if (t->is_finite) (void)t->is_finite(cfg);
    if (t->wants_mark) (void)t->wants_mark(cfg);
    const char *why = t->no_replay ? t->no_replay(cfg) : NULL;
    HG_ASSERT(!why || why[0]);
    why = t->no_mark ? t->no_mark(cfg) : NULL;
    HG_ASSERT(!why || why[0]);
    if (t->check_position && position && position->kind == HG_J_OBJECT && t->check_position(cfg, position, &err) < 0)
        HG_ASSERT(err.msg[0]);
    if (strcmp(t->name, "datagen") == 0) make_rows(a, hg_json_get(config, "plan"), schema);
}

static void output(hg_arena_t *a, const hg_output_type_t *t, const hg_json_t *doc)
{
    const hg_json_t *config = hg_json_get(doc, "config");
    hg_diag_t d = { .fn = complaint };
    const void *cfg = options(a, t->opts, t->cfg_size, t->extra, config, doc);
    if (cfg && t->check) t->check(cfg, config ? config : doc, &d);
    if (!cfg || d.errors) return;
    if (t->max_message) HG_ASSERT(t->max_message(cfg, true) && t->max_message(cfg, false));
    if (t->topic) (void)t->topic(cfg);
    if (t->key_separator) (void)t->key_separator(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_field_t fields[HG_COUNT(ff_types)];
    hg_schema_t schema;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *doc;
    ff_schema(fields, &schema, true);
    if (hg_json_parse(a, (hg_str_t){ (const char *)p, n }, &doc, &err) == 0) {
        const char *name = hg_json_str(hg_json_get(doc, "transport"), "");
        const hg_json_t *config = hg_json_get(doc, "config");
        const hg_input_type_t *in = hg_input_type_find(hg_strz(name));
        const hg_output_type_t *out = hg_output_type_find(hg_strz(name));
        if (!config || config->kind == HG_J_OBJECT) { /* the compiler has seen to that */
            if (in) input(a, in, doc, &schema);
            if (out) output(a, out, doc);
        }
    }
    hg_arena_free(a);
    return 0;
}
