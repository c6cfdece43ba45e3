/* A program's text → plan, connectors, schema, messages: the passes, in Feldera's order (sql §1.1).
 *
 *   parse everything · settings · types and functions · tables, views, indexes in order · foreign keys, lateness ·
 * connectors · what nobody reads · relations numbered for the plan
 *
 * Milliseconds, no files, no network, any thread. Errors do not stop a pass: a relation that had one is `broken`, and
 * what reads it is left alone, so that each mistake is told once.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "compile/compile_int.h"

static bool blank(const char *s)
{
    for (; s && *s; s++)
        if (*s != ' ' && *s != '\t' && *s != '\n' && *s != '\r') return false;
    return true;
}

static void statement(hg_cc_t *c, const hg_ast_stmt_t *st)
{
    if (st->explain) {
        hg_cc_error(c, st->pos, "Not supported", "EXPLAIN is for ad-hoc queries, not for programs");
        return;
    }
    switch (st->kind) {
    case HG_ST_TABLE:
        hg_cc_table(c, st);
        break;
    case HG_ST_VIEW:
    case HG_ST_DECLARE_VIEW:
        hg_cc_view(c, st);
        break;
    case HG_ST_INDEX:
        hg_cc_index(c, st);
        break;
    case HG_ST_DROP:
        hg_cc_drop(c, st);
        break;
    case HG_ST_INSERT:
    case HG_ST_REMOVE:
        hg_cc_warn(c, st->pos, "Statement ignored", "%s has no effect in a program; use an ad-hoc query",
                   st->kind == HG_ST_INSERT ? "INSERT" : "REMOVE");
        break;
    case HG_ST_SELECT:
        hg_cc_error(c, st->pos, "Not supported",
                    "Raw 'SELECT' statements are not supported; did you forget to CREATE VIEW?");
        break;
    case HG_ST_TYPE:
    case HG_ST_FUNCTION:
    case HG_ST_AGGREGATE:
    case HG_ST_LATENESS:
    case HG_ST_SET:
        break; /* passes of their own */
    }
}

/* Dropped relations leave the list; scans and connectors learn the new numbers. */
static void number_relations(hg_cc_t *c)
{
    hg_prog_t *p = c->prog;
    hg_relation_t *plan = HG_ANEWN(c->a, hg_relation_t, p->n_rels + 1);
    uint32_t *to = HG_ANEWN(c->a, uint32_t, p->n_rels + 1), n = 0;
    for (uint32_t i = 0; i < p->n_rels; i++) {
        hg_crel_t *r = p->rels[i];
        if (r->dropped) continue;
        to[i] = r->index = n;
        for (uint32_t k = 0; r->lines && k < r->rel.wait->n_lines; k++)
            r->lines[k].relation = to[r->lines[k].relation]; /* of relations before it, or itself */
        plan[n] = r->rel;
        p->rels[n++] = r;
    }
    for (uint32_t i = 0; i < c->n_scans; i++) c->scans[i]->relation = to[c->scans[i]->relation];
    for (uint32_t i = 0; i < p->n_syms; i++)
        if (!p->syms[i].dead && p->syms[i].kind != HG_SYM_TYPE) p->syms[i].rel = to[p->syms[i].rel];
    hg_conn_spec_t *specs = HG_ANEWN(c->a, hg_conn_spec_t, p->pub.n_conns + 1);
    for (uint32_t i = 0; i < p->pub.n_conns; i++) {
        specs[i] = p->pub.conns[i];
        specs[i].relation = to[specs[i].relation];
    }
    p->pub.conns = specs;
    p->n_rels = n;
    p->pub.plan = (hg_plan_t){ .relations = plan, .n_relations = n };
}

static void udf(hg_cc_t *c, const hg_compile_opts_t *o)
{
    if (!blank(o->udf_rust))
        hg_cc_error(c, (hg_pos_t){ 0 }, "Not supported",
                    "The pipeline has Rust code (udf_rust): Rust user-defined functions are not available in headgate");
    if (!blank(o->udf_toml))
        hg_cc_error(
            c, (hg_pos_t){ 0 }, "Not supported",
            "The pipeline has Rust dependencies (udf_toml): Rust user-defined functions are not available in headgate");
}

static void passes(hg_cc_t *c)
{
    hg_cc_error_view(c);
    hg_cc_settings(c);
    hg_cc_declarations(c);
    for (uint32_t i = 0; i < c->n_stmts; i++) {
        c->depth = 0;
        statement(c, &c->stmts[i]);
    }
    hg_cc_foreign_keys(c);
    hg_cc_lateness_check(c);
    hg_cc_final_check(c);
    hg_cc_connectors(c);
    if (c->n_errors == 0) hg_cc_usage(c); /* after an error columns only look unused */
    number_relations(c);
}

static void release_map(void *map)
{
    hg_strmap_release(map);
}

hg_program_t *hg_compile(hg_str_t text, const hg_compile_opts_t *opts)
{
    static const hg_compile_opts_t none = { 0 };
    if (!opts) opts = &none;
    hg_arena_t *a = hg_arena_new();
    hg_prog_t *p = HG_ANEW(a, hg_prog_t);
    hg_cc_t c = { .a = a, .prog = p, .file = opts->file, .strict = opts->strict };
    c.resolve = opts->resolve;
    c.resolve_arg = opts->resolve_arg;
    hg_err_t err = HG_ERR_INIT;
    p->pub.arena = a;
    p->pub.text = c.text = hg_arena_str(a, text);
    hg_strmap_init(&p->names);
    hg_strmap_init(&p->func_names);
    hg_arena_cleanup(a, release_map, &p->names);
    hg_arena_cleanup(a, release_map, &p->func_names);
    udf(&c, opts);
    int rc = hg_sql_parse(a, p->pub.text, &c.stmts, &c.n_stmts, &err);
    if (rc < 0) {
        hg_cc_parse_error(&c, rc, &err, "Error parsing SQL");
    } else {
        passes(&c);
    }
    hg_cc_messages_finish(&c);
    return &p->pub;
}

void hg_program_free(hg_program_t *p)
{
    if (p) hg_arena_free(p->arena);
}
