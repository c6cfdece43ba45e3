/* check.c: is this set of connectors one that can start? Runs at compile time, and again when a pipeline starts.
 *
 * Finds, in connector order: empty start_after lists, labels that nobody carries, labels carried by a connector that
 * never ends (warning), and the first cycle. Cycle search and text follow Feldera's: a graph over labels with an edge l
 * → s for each connector that carries l and waits for s, searched depth first from labels in byte order.
 */
#include "base/hg.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "orchestrator/orch.h"

typedef struct {
    uint32_t to;   /* label */
    uint32_t conn; /* whose labels and start_after make the edge */
} edge_t;

typedef struct {
    hg_str_t name;
    edge_t *edges;
    uint32_t n_edges;
    uint32_t n_carriers, last_carrier;
    uint32_t n_endless, endless; /* carriers that never end: how many, and the first */
    uint8_t seen;                /* 0 new, 1 on the stack, 2 done */
    uint32_t next;               /* edge to follow next while on the stack */
    uint32_t via;                /* connector of the edge by which the next label on the stack was reached */
} label_t;

typedef struct {
    hg_arena_t *a;
    const hg_orch_conn_t *conns;
    uint32_t n;
    label_t *labels;
    uint32_t n_labels;
    hg_strmap_t map;
    const char **carried; /* names of the labels that are carried, NULL-ended; made when needed */
    uint32_t n_suggestions;
    hg_orch_issue_t *issues;
    uint32_t n_issues;
} check_t;

static void report(check_t *k, hg_orch_issue_t issue)
{
    HG_APUSH(k->a, k->issues, k->n_issues, issue);
}

static uint32_t intern(check_t *k, hg_str_t name)
{
    uint32_t id = hg_strmap_put(&k->map, name, k->n_labels);
    if (id == k->n_labels) {
        label_t l = { .name = name };
        HG_APUSH(k->a, k->labels, k->n_labels, l);
    }
    return id;
}

static void build(check_t *k)
{
    for (uint32_t c = 0; c < k->n; c++)
        for (uint32_t i = 0; i < k->conns[c].n_labels; i++) {
            uint32_t id = intern(k, k->conns[c].labels[i]); /* may move k->labels */
            label_t *l = &k->labels[id];
            if (l->n_carriers > 0 && l->last_carrier == c) continue;
            l->n_carriers++;
            l->last_carrier = c;
            if (!k->conns[c].finite && l->n_endless++ == 0) l->endless = c;
        }
    for (uint32_t c = 0; c < k->n; c++)
        for (uint32_t s = 0; s < k->conns[c].n_after; s++) {
            uint32_t to = intern(k, k->conns[c].after[s]);
            for (uint32_t i = 0; i < k->conns[c].n_labels; i++) {
                label_t *from = &k->labels[hg_strmap_get(&k->map, k->conns[c].labels[i])];
                edge_t e = { to, c };
                HG_APUSH(k->a, from->edges, from->n_edges, e);
            }
        }
}

/* Looking at every label for every mistake would be quadratic: the first few mistakes get a suggestion. */
static const char *nearest_label(check_t *k, hg_str_t name)
{
    if (k->n_suggestions++ >= HG_ORCH_SUGGESTIONS) return NULL;
    if (!k->carried) {
        uint32_t n = 0;
        k->carried = HG_ANEWN(k->a, const char *, k->n_labels + 1);
        for (uint32_t i = 0; i < k->n_labels; i++)
            if (k->labels[i].n_carriers)
                k->carried[n++] = hg_arena_strndup(k->a, k->labels[i].name.p, k->labels[i].name.n);
    }
    return hg_nearest(name, k->carried);
}

static void report_unknown(check_t *k, uint32_t c, hg_str_t label, bool warns)
{
    const char *near = nearest_label(k, label);
    report(k,
           (hg_orch_issue_t){ .warning = warns,
                              .code = HG_EUNKNOWNLABEL,
                              .conn = c,
                              .pos = k->conns[c].after_pos,
                              .suggestion = near,
                              .msg = hg_arena_printf(
                                  k->a, "start_after label '" HG_SF "' is carried by no connector%s%s%s", HG_SA(label),
                                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "") });
}

static void report_endless(check_t *k, uint32_t c, const label_t *l)
{
    const hg_orch_conn_t *conn = &k->conns[c];
    const char *more =
        l->n_endless == 1 ? "" : hg_arena_printf(k->a, " (and %" PRIu32 " more like it)", l->n_endless - 1);
    report(k, (hg_orch_issue_t){ .warning = true,
                                 .conn = c,
                                 .pos = conn->after_pos,
                                 .msg = hg_arena_printf(k->a,
                                                        "start_after label '" HG_SF "' is carried by '" HG_SF
                                                        "'%s, which never reaches its end of input: '" HG_SF
                                                        "' will wait until it is started by hand",
                                                        HG_SA(l->name), HG_SA(k->conns[l->endless].name), more,
                                                        HG_SA(conn->name)) });
}

static void check_after(check_t *k, uint32_t c, bool unknown_warns)
{
    const hg_orch_conn_t *conn = &k->conns[c];
    if (conn->has_after && conn->n_after == 0)
        report(k, (hg_orch_issue_t){ .code = HG_EEMPTYAFTER,
                                     .conn = c,
                                     .pos = conn->after_pos,
                                     .msg = hg_arena_printf(k->a,
                                                            "empty 'start_after' field for input endpoint '" HG_SF "'",
                                                            HG_SA(conn->name)) });
    for (uint32_t s = 0; s < conn->n_after; s++) {
        const label_t *l = &k->labels[hg_strmap_get(&k->map, conn->after[s])];
        if (l->n_carriers == 0) report_unknown(k, c, l->name, unknown_warns);
        if (l->n_endless > 0) report_endless(k, c, l);
    }
}

/* labels[stack[from..n)] is the cycle. */
static void report_cycle(check_t *k, const uint32_t *stack, uint32_t from, uint32_t n)
{
    uint32_t len = n - from;
    uint32_t *loop_conn = HG_ANEWN(k->a, uint32_t, len);
    hg_str_t *loop_label = HG_ANEWN(k->a, hg_str_t, len);
    for (uint32_t i = 0; i < len; i++) {
        loop_conn[i] = k->labels[stack[from + i]].via;
        loop_label[i] = k->labels[stack[from + i]].name;
    }
    hg_buf_t b;
    hg_buf_init(&b, 1u << 20);
    hg_buf_adds(&b, "cyclic 'start_after' dependency detected:");
    for (uint32_t i = 0; i <= len; i++) {
        const char *join = i == 0 ? " " : i == 1 ? " waits for " : ", which waits for ";
        hg_buf_addf(&b, "%sendpoint '" HG_SF "' with label '" HG_SF "'", join, HG_SA(k->conns[loop_conn[i % len]].name),
                    HG_SA(loop_label[i % len]));
    }
    const hg_orch_conn_t *first = &k->conns[loop_conn[0]];
    report(k, (hg_orch_issue_t){ .code = HG_ECYCLE,
                                 .conn = loop_conn[0],
                                 .pos = first->after_pos,
                                 .msg = hg_arena_strndup(k->a, b.p, b.len),
                                 .loop_conn = loop_conn,
                                 .loop_label = loop_label,
                                 .n_loop = len });
    hg_buf_release(&b);
}

/* Depth-first from label `root`, without recursion. True: a cycle was reported. */
static bool search(check_t *k, uint32_t root, uint32_t *stack)
{
    uint32_t n = 0;
    stack[n++] = root;
    k->labels[root].seen = 1;
    while (n) {
        label_t *l = &k->labels[stack[n - 1]];
        if (l->next == l->n_edges) {
            l->seen = 2;
            n--;
            continue;
        }
        edge_t e = l->edges[l->next++];
        label_t *to = &k->labels[e.to];
        l->via = e.conn;
        if (to->seen == 1) {
            uint32_t from = n - 1;
            while (stack[from] != e.to) from--;
            report_cycle(k, stack, from, n);
            return true;
        }
        if (to->seen == 0) {
            to->seen = 1;
            stack[n++] = e.to;
        }
    }
    return false;
}

static int by_name(const void *x, const void *y, void *arg)
{
    const check_t *k = arg;
    return hg_str_cmp(k->labels[*(const uint32_t *)x].name, k->labels[*(const uint32_t *)y].name);
}

static void find_cycle(check_t *k)
{
    uint32_t *order = HG_ANEWN(k->a, uint32_t, k->n_labels + 1), *stack = HG_ANEWN(k->a, uint32_t, k->n_labels + 1);
    for (uint32_t i = 0; i < k->n_labels; i++) order[i] = i;
    qsort_r(order, k->n_labels, sizeof *order, by_name, k);
    for (uint32_t i = 0; i < k->n_labels; i++)
        if (k->labels[order[i]].seen == 0 && search(k, order[i], stack)) return;
}

uint32_t hg_orch_check_config(hg_arena_t *a, const hg_orch_conn_t *conns, uint32_t n, bool unknown_label_warns,
                              const hg_orch_issue_t **ret)
{
    check_t k = { .a = a, .conns = conns, .n = n };
    hg_strmap_init(&k.map);
    build(&k);
    for (uint32_t c = 0; c < n; c++) check_after(&k, c, unknown_label_warns);
    find_cycle(&k);
    hg_strmap_release(&k.map);
    *ret = k.issues;
    return k.n_issues;
}
