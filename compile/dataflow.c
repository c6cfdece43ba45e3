/* dataflow.c: how tables become views, as Feldera's dataflow graph (rest-api §6.13): per view the relational plan, and
 * one graph of operators over all of them. The operators are those that the engine runs: a scan has none of its own, it
 * is the edge from the relation that it reads. */
#include "base/hg.h"

#include "compile/compile_int.h"

typedef struct flow {
    const hg_program_t *p;
    hg_jw_t *w;
    uint32_t n_nodes;      /* of the graph so far */
    uint32_t *of_relation; /* the node that gives its rows */
    uint32_t n_rels;       /* of the view's plan so far */
} flow_t;

static const char *operation(hg_node_kind_t k, bool plan)
{
    switch (k) {
    case HG_N_SCAN:
        return "LogicalTableScan"; /* a graph has none */
    case HG_N_FILTER:
        return plan ? "LogicalFilter" : "filter";
    case HG_N_MAP:
        return plan ? "LogicalProject" : "map";
    case HG_N_UNION:
        return plan ? "LogicalUnion" : "sum";
    case HG_N_VALUES:
        return plan ? "LogicalValues" : "constant";
    case HG_N_AGG:
        return plan ? "LogicalAggregate" : "aggregate";
    case HG_N_SORT:
        return plan ? "LogicalSort" : "topk";
    case HG_N_DISTINCT:
        return plan ? "LogicalDistinct" : "distinct";
    case HG_N_UNNEST:
        return plan ? "LogicalCorrelate" : "flat_map";
    }
    return "";
}

static hg_str_t name_of(const flow_t *f, uint32_t relation)
{
    return f->p->plan.relations[relation].schema.name;
}

/* --- calcite_plan: node after its inputs; returns its id in the view's list --- */

static uint32_t put_rel(flow_t *f, const hg_node_t *n, const hg_relation_t *view)
{
    hg_jw_t *w = f->w;
    uint32_t *in = HG_ANEWN(f->p->arena, uint32_t, n->n_in + 1);
    for (uint32_t i = 0; i < n->n_in; i++) in[i] = put_rel(f, n->in[i], NULL);
    uint32_t id = f->n_rels++;
    hg_jw_obj(w);
    hg_jw_ku64(w, "id", id);
    hg_jw_kstr(w, "relOp", operation(n->kind, true));
    hg_jw_key(w, "inputs");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n->n_in; i++) hg_jw_u64(w, in[i]);
    hg_jw_end_arr(w);
    if (n->kind == HG_N_SCAN) {
        hg_jw_key(w, "table");
        hg_jw_arr(w);
        hg_jw_str(w, name_of(f, n->relation));
        hg_jw_end_arr(w);
    }
    if (n->kind == HG_N_UNION) hg_jw_kbool(w, "all", true);
    if (n->kind == HG_N_MAP) {
        hg_jw_key(w, "exprs");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < n->n_exprs; i++) {
            hg_jw_obj(w);
            if (n->exprs[i]->kind == HG_X_COL) hg_jw_ku64(w, "input", n->exprs[i]->col);
            hg_jw_end_obj(w);
        }
        hg_jw_end_arr(w);
    }
    if (view) {
        hg_jw_key(w, "fields");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < view->schema.n_cols; i++) hg_jw_str(w, view->schema.cols[i].name);
        hg_jw_end_arr(w);
    }
    hg_jw_end_obj(w);
    return id;
}

/* --- mir --- */

static void begin_node(flow_t *f, uint32_t id, const char *what, const uint32_t *in, uint32_t n_in, hg_pos_t pos)
{
    hg_jw_t *w = f->w;
    char text[24];
    snprintf(text, sizeof text, "s%" PRIu32, id);
    hg_jw_key(w, text);
    hg_jw_obj(w);
    hg_jw_kstr(w, "operation", what);
    hg_jw_key(w, "inputs");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n_in; i++) {
        snprintf(text, sizeof text, "s%" PRIu32, in[i]);
        hg_jw_obj(w);
        hg_jw_kstr(w, "node", text);
        hg_jw_ku64(w, "output", 0);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_key(w, "positions");
    hg_jw_arr(w);
    if (pos.line) hg_pos_json(w, pos);
    hg_jw_end_arr(w);
}

static uint32_t put_node(flow_t *f, const hg_node_t *n)
{
    if (n->kind == HG_N_SCAN) return f->of_relation[n->relation];
    uint32_t *in = HG_ANEWN(f->p->arena, uint32_t, n->n_in + 1);
    for (uint32_t i = 0; i < n->n_in; i++) in[i] = put_node(f, n->in[i]);
    uint32_t id = f->n_nodes++;
    begin_node(f, id, operation(n->kind, false), in, n->n_in, n->pos);
    hg_jw_end_obj(f->w);
    return id;
}

static void put_relation(flow_t *f, uint32_t i)
{
    const hg_relation_t *r = &f->p->plan.relations[i];
    uint32_t from = r->node ? put_node(f, r->node) : 0, id = f->n_nodes++;
    begin_node(f, id, r->node ? "inspect" : "source_multiset", &from, r->node ? 1 : 0, r->pos);
    hg_jw_key(f->w, r->kind == HG_REL_TABLE ? "table" : "view");
    hg_jw_str(f->w, r->schema.name);
    hg_jw_end_obj(f->w);
    f->of_relation[i] = id;
}

void hg_program_dataflow_json(const hg_program_t *p, hg_jw_t *w)
{
    flow_t f = { .p = p, .w = w, .of_relation = HG_ANEWN(p->arena, uint32_t, p->plan.n_relations + 1) };
    hg_jw_obj(w);
    hg_jw_key(w, "calcite_plan");
    hg_jw_obj(w);
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        if (!r->node) continue;
        hg_jw_key(w, r->schema.name.p);
        hg_jw_obj(w);
        hg_jw_key(w, "rels");
        hg_jw_arr(w);
        f.n_rels = 0;
        put_rel(&f, r->node, r);
        hg_jw_end_arr(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
    hg_jw_key(w, "mir");
    hg_jw_obj(w);
    for (uint32_t i = 0; i < p->plan.n_relations; i++) put_relation(&f, i);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}
