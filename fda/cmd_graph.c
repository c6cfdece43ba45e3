/* cmd_graph.c: `fda graph P`: the connectors as a tree. Below a connector stand its labels that others wait for, below
 * a label the connectors that wait for it. A label or connector that hangs below several is drawn out once. */
#include "base/hg.h"
#include "fda/fda_int.h"

typedef struct row {
    const char *branch;    /* "├─ " and what stands before it */
    const char *name;      /* connector or label */
    const hg_json_t *node; /* NULL for a label */
} row_t;

typedef struct graph {
    fda_t *f;
    const hg_json_t *connectors, *edges;
    row_t *rows;
    uint32_t n_rows;
    const char **drawn; /* labels and connectors whose lower part stands already */
    uint32_t n_drawn;
} graph_t;

static bool draws_again(graph_t *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_drawn; i++)
        if (strcmp(g->drawn[i], name) == 0) return true;
    HG_APUSH(g->f->arena, g->drawn, g->n_drawn, name);
    return false;
}

static const hg_json_t *next_edge(const hg_json_t *e, const char *key, const char *value, const char *label)
{
    for (; e; e = e->next)
        if (strcmp(fda_text(e, key, ""), value) == 0 && (!label || strcmp(fda_text(e, "label", ""), label) == 0))
            return e;
    return NULL;
}

static void add_row(graph_t *g, const char *branch, const char *name, const hg_json_t *node)
{
    row_t r = { branch, name, node };
    HG_APUSH(g->f->arena, g->rows, g->n_rows, r);
}

static const char *deeper(graph_t *g, const char *indent, bool last)
{
    return hg_arena_printf(g->f->arena, "%s%s", indent, last ? "   " : "│  ");
}

static const char *twig(graph_t *g, const char *indent, bool last)
{
    return hg_arena_printf(g->f->arena, "%s%s", indent, last ? "└─ " : "├─ ");
}

static void add_connector(graph_t *g, const char *branch, const char *indent, const hg_json_t *node);

/* The connectors that wait for the label because `from` carries it. */
static void add_dependents(graph_t *g, const char *indent, const char *from, const char *label)
{
    const hg_json_t *e = next_edge(g->edges->child, "from", from, label);
    while (e) {
        const hg_json_t *next = next_edge(e->next, "from", from, label);
        const hg_json_t *all = g->connectors->child;
        while (all && strcmp(fda_text(all, "name", ""), fda_text(e, "to", "")) != 0) all = all->next;
        if (all) add_connector(g, twig(g, indent, !next), deeper(g, indent, !next), all);
        e = next;
    }
}

static void add_connector(graph_t *g, const char *branch, const char *indent, const hg_json_t *node)
{
    const char *name = fda_text(node, "name", "");
    const hg_json_t *labels = fda_member(node, "labels");
    const hg_json_t *l = labels ? labels->child : NULL;
    add_row(g, branch, name, node);
    if (draws_again(g, name)) return;
    while (l && !next_edge(g->edges->child, "from", name, l->str.p)) l = l->next;
    while (l) {
        const hg_json_t *next = l->next;
        while (next && !next_edge(g->edges->child, "from", name, next->str.p)) next = next->next;
        bool again = draws_again(g, hg_arena_printf(g->f->arena, "'%s", l->str.p)); /* a ' keeps labels apart */
        add_row(g, twig(g, indent, !next), again ? hg_arena_printf(g->f->arena, "%s (see above)", l->str.p) : l->str.p,
                NULL);
        if (!again) add_dependents(g, deeper(g, indent, !next), name, l->str.p);
        l = next;
    }
}

static const char *detail(fda_t *f, const hg_json_t *n)
{
    const char *reason = fda_text(n, "reason", ""), *progress = fda_orch_progress(f, n);
    const char *records = fda_thousands(f, fda_digits(n, "records", "0"));
    if (strcmp(reason, "failed") == 0) return fda_text(n, "error", "");
    if (strcmp(reason, "user") == 0)
        return hg_arena_printf(f->arena, "since %s", fda_clock(f, fda_text(n, "since", "")));
    if (strcmp(reason, "running") == 0 && *progress) return hg_arena_printf(f->arena, "%s, %s", records, progress);
    return strcmp(reason, "running") == 0 || strcmp(reason, "ended") == 0 ? records : "";
}

static void print_rows(graph_t *g)
{
    fda_t *f = g->f;
    size_t w_name = 0, w_transport = 0, w_state = 0;
    fda_paint_t paint;
    for (uint32_t i = 0; i < g->n_rows; i++) {
        const row_t *r = &g->rows[i];
        if (!r->node) continue;
        w_name = HG_MAX(w_name, fda_width(r->branch) + fda_width(r->name));
        w_transport = HG_MAX(w_transport, fda_width(fda_text(r->node, "transport", "")));
        w_state = HG_MAX(w_state, fda_width(fda_orch_state(f, r->node, &paint)));
    }
    for (uint32_t i = 0; i < g->n_rows; i++) {
        const row_t *r = &g->rows[i];
        if (!r->node) {
            printf("%s%s\n", r->branch, r->name);
            continue;
        }
        const char *state = fda_orch_state(f, r->node, &paint), *more = detail(f, r->node);
        printf("%s%s  %s  %s%s%s\n", r->branch, fda_paint(f, FDA_PLAIN, r->name, w_name - fda_width(r->branch)),
               fda_paint(f, FDA_PLAIN, fda_text(r->node, "transport", ""), w_transport),
               fda_paint(f, paint, state, *more ? w_state : 0), *more ? "  " : "", more);
    }
}

int fda_cmd_graph(fda_t *f, const fda_args_t *a)
{
    static const hg_json_t empty = { .kind = HG_J_ARRAY };
    const hg_json_t *orch;
    int rc = fda_orchestration(f, fda_arg(a, "NAME"), 0, &orch);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, orch, FDA_ALIGNED, true);
    graph_t g = { .f = f, .connectors = fda_member(orch, "connectors"), .edges = fda_member(orch, "edges") };
    if (!g.edges) g.edges = &empty;
    if (!g.connectors || g.connectors->n == 0) {
        printf("Pipeline %s has no input connectors.\n", fda_arg(a, "NAME"));
        return 0;
    }
    for (const hg_json_t *n = g.connectors->child; n; n = n->next)
        if (!next_edge(g.edges->child, "to", fda_text(n, "name", ""), NULL)) add_connector(&g, "", "", n);
    print_rows(&g);
    return 0;
}
