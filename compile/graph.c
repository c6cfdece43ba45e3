/* The connector graph for people: a tree in text, Graphviz, Mermaid. An edge goes from a connector through a label it
 * carries to one that waits for that label. */
#include "base/hg.h"
#include "base/mem.h"
#include "compile/compile_int.h"

static const char *transport_name(const hg_conn_spec_t *s)
{
    return s->in_type ? s->in_type->name : s->out_type ? s->out_type->name : "?";
}

/* "url_input" → "url" */
static hg_str_t short_name(const hg_conn_spec_t *s)
{
    hg_str_t n = hg_strz(transport_name(s));
    size_t cut = s->is_input ? 6 : 7;
    if (n.n > cut && hg_str_eqz((hg_str_t){ n.p + n.n - cut, cut }, s->is_input ? "_input" : "_output")) n.n -= cut;
    return n;
}

static bool has(const hg_str_t *list, uint32_t n, hg_str_t s)
{
    for (uint32_t i = 0; i < n; i++)
        if (hg_str_eq(list[i], s)) return true;
    return false;
}

/* --- text --- */
typedef struct tree {
    const hg_program_t *p;
    hg_buf_t *out;
    bool *shown;
    uint32_t width;
} tree_t;

static uint32_t waiting_for(const tree_t *t, hg_str_t label)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->p->n_inputs; i++) n += has(t->p->conns[i].after, t->p->conns[i].n_after, label);
    return n;
}

static void about(tree_t *t, uint32_t i, uint32_t indent)
{
    const hg_conn_spec_t *s = &t->p->conns[i];
    uint32_t used = indent + (uint32_t)s->endpoint.n;
    hg_buf_addstr(t->out, s->endpoint);
    for (uint32_t k = used; k < t->width; k++) hg_buf_addc(t->out, ' ');
    hg_buf_addf(t->out, "  " HG_SF, HG_SA(short_name(s)));
    if (s->handoff != HG_HANDOFF_NONE)
        hg_buf_addf(t->out, "   hand-over from its mark, %s", s->handoff == HG_HANDOFF_GAPLESS ? "gapless" : "overlap");
    if (s->paused && !s->has_after) hg_buf_adds(t->out, "   created paused");
    if (!s->is_input) hg_buf_adds(t->out, "   output");
}

static void subtree(tree_t *t, uint32_t i, const char *prefix, uint32_t indent);

static void label_tree(tree_t *t, hg_str_t label, const char *prefix, bool last, uint32_t indent)
{
    uint32_t left = waiting_for(t, label);
    char *below = hg_xprintf("%s%s", prefix, last ? "   " : "│  ");
    hg_buf_addf(t->out, "%s%s " HG_SF "\n", prefix, last ? "└─" : "├─", HG_SA(label));
    for (uint32_t i = 0; i < t->p->n_inputs; i++) {
        if (!has(t->p->conns[i].after, t->p->conns[i].n_after, label)) continue;
        bool end = --left == 0, again = t->shown[i];
        hg_buf_addf(t->out, "%s%s ", below, end ? "└─" : "├─");
        about(t, i, indent + 6);
        hg_buf_adds(t->out, again ? "   (see above)\n" : "\n");
        if (again) continue;
        char *next = hg_xprintf("%s%s", below, end ? "   " : "│  ");
        subtree(t, i, next, indent + 6);
        hg_free(next);
    }
    hg_free(below);
}

static void subtree(tree_t *t, uint32_t i, const char *prefix, uint32_t indent)
{
    const hg_conn_spec_t *s = &t->p->conns[i];
    uint32_t n = 0, k = 0;
    t->shown[i] = true;
    for (uint32_t l = 0; l < s->n_labels; l++)
        n += !has(s->labels, l, s->labels[l]) && waiting_for(t, s->labels[l]) > 0;
    for (uint32_t l = 0; l < s->n_labels; l++) {
        if (has(s->labels, l, s->labels[l]) || waiting_for(t, s->labels[l]) == 0) continue;
        label_tree(t, s->labels[l], prefix, ++k == n, indent);
    }
}

static void text(const hg_program_t *p, hg_buf_t *out)
{
    tree_t t = { .p = p, .out = out, .shown = HG_NEWN(bool, p->n_conns + 1) };
    for (uint32_t i = 0; i < p->n_conns; i++)
        t.width = HG_MAX(t.width, (uint32_t)p->conns[i].endpoint.n + (p->conns[i].has_after ? 6 : 0));
    for (int pass = 0; pass < 2;
         pass++) /* those that wait for nothing first; then what only a faulty graph leaves over */
        for (uint32_t i = 0; i < p->n_conns; i++) {
            if (t.shown[i] || (pass == 0 && p->conns[i].n_after)) continue;
            about(&t, i, 0);
            hg_buf_addc(out, '\n');
            subtree(&t, i, "", 0);
        }
    hg_free(t.shown);
}

/* --- dot, mermaid --- */

/* Text inside double quotes. Mermaid knows no backslash: entities there. */
static void quoted(hg_buf_t *out, hg_str_t s, bool dot)
{
    hg_buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (ch == '"')
            hg_buf_adds(out, dot ? "\\\"" : "#quot;");
        else if (ch == '\\' && dot)
            hg_buf_adds(out, "\\\\");
        else if (ch == '\n' || ch == '\r')
            hg_buf_addc(out, ' ');
        else
            hg_buf_addc(out, ch);
    }
    hg_buf_addc(out, '"');
}

static void edges(const hg_program_t *p, hg_buf_t *out, bool dot)
{
    for (uint32_t i = 0; i < p->n_inputs; i++)
        for (uint32_t k = 0; k < p->conns[i].n_after; k++)
            for (uint32_t j = 0; j < p->n_inputs; j++) {
                if (!has(p->conns[j].labels, p->conns[j].n_labels, p->conns[i].after[k])) continue;
                hg_buf_addf(out, dot ? "  c%u -> c%u [label=" : "  c%u -- ", j, i);
                quoted(out, p->conns[i].after[k], dot);
                if (dot)
                    hg_buf_adds(out, "];\n");
                else
                    hg_buf_addf(out, " --> c%u\n", i);
            }
}

static void relations(const hg_program_t *p, hg_buf_t *out, bool dot)
{
    for (uint32_t i = 0; i < p->n_conns; i++) {
        const hg_conn_spec_t *s = &p->conns[i];
        if (s->is_input)
            hg_buf_addf(out, dot ? "  c%u -> r%u [style=dashed];\n" : "  c%u -.-> r%u\n", i, s->relation);
        else
            hg_buf_addf(out, dot ? "  r%u -> c%u [style=dashed];\n" : "  r%u -.-> c%u\n", s->relation, i);
    }
}

static void drawing(const hg_program_t *p, hg_buf_t *out, bool dot)
{
    bool *used = HG_NEWN(bool, p->plan.n_relations + 1);
    hg_buf_adds(out, dot ? "digraph connectors {\n  rankdir=LR;\n" : "graph LR\n");
    for (uint32_t i = 0; i < p->n_conns; i++) {
        const hg_conn_spec_t *s = &p->conns[i];
        hg_buf_t name;
        hg_buf_init(&name, HG_BUF_NOMAX);
        hg_buf_addf(&name, HG_SF " (" HG_SF ")", HG_SA(s->endpoint), HG_SA(short_name(s)));
        hg_buf_addf(out, dot ? "  c%u [shape=box, label=" : "  c%u[", i);
        quoted(out, hg_buf_str(&name), dot);
        hg_buf_adds(out, dot ? "];\n" : "]\n");
        hg_buf_release(&name);
        used[s->relation] = true;
    }
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        if (!used[i]) continue;
        hg_buf_addf(out, dot ? "  r%u [shape=ellipse, label=" : "  r%u([", i);
        quoted(out, p->plan.relations[i].schema.name, dot);
        hg_buf_adds(out, dot ? "];\n" : "])\n");
    }
    relations(p, out, dot);
    edges(p, out, dot);
    if (dot) hg_buf_adds(out, "}\n");
    hg_free(used);
}

int hg_program_graph(const hg_program_t *p, const char *how, hg_buf_t *out, hg_err_t *err)
{
    if (strcmp(how, "text") == 0)
        text(p, out);
    else if (strcmp(how, "dot") == 0)
        drawing(p, out, true);
    else if (strcmp(how, "mermaid") == 0)
        drawing(p, out, false);
    else
        return hg_err_set(err, HG_EINVAL, "unknown graph '%s': expected text, dot or mermaid", how);
    return 0;
}
