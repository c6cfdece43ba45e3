/* plan_int.h: a plan's nodes as running operators; engine-internal.
 *
 * The operators of one view or query stand in post-order, so that running them from the first to the last (scans are
 * fed, then each is flushed) sees every operator's inputs complete. One thread at a time.
 */
#ifndef HG_ENGINE_PLAN_INT_H
#define HG_ENGINE_PLAN_INT_H

#include "base/mem.h"
#include "engine/op.h"

/* A push or emit answers 1 when no more rows are wanted (LIMIT reached). */
#define HG_ENOUGH 1

typedef struct hg_graph hg_graph_t;

typedef struct hg_edge { /* where an operator's output goes */
    hg_graph_t *graph;
    uint32_t to; /* operator, or HG_GRAPH_SINK */
    uint32_t port;
} hg_edge_t;
#define HG_GRAPH_SINK UINT32_MAX

struct hg_graph {
    hg_op_inst_t *ops;
    hg_edge_t *edges;
    uint32_t n, n_open;
    hg_emit_fn sink; /* takes the part */
    void *sink_arg;
    const hg_step_t *step; /* while it runs */
};

/* plan_graph.c */
int hg_graph_open(hg_graph_t *g, const hg_node_t *root, hg_emit_fn sink, void *sink_arg, size_t mem_limit,
                  hg_err_t *err);
void hg_graph_close(hg_graph_t *g);
/* Rows for operator i (a scan or values): as if pushed to its port 0. Takes the part. */
int hg_graph_feed(hg_graph_t *g, uint32_t i, hg_part_t *part, hg_err_t *err);
/* All of operator i's input has come. */
int hg_graph_flush(hg_graph_t *g, uint32_t i, hg_err_t *err);
void hg_graph_apply(hg_graph_t *g);
void hg_graph_discard(hg_graph_t *g);

/* Columns cols[0..n) of a part, shared. */
int hg_part_project(const hg_part_t *p, const uint32_t *cols, uint32_t n, hg_part_t **ret, hg_err_t *err);
/* A part of other columns over the rows of p: batch has p's n rows and is taken; weights are copied. */
int hg_part_over(const hg_part_t *p, hg_batch_t *batch, hg_part_t **ret, hg_err_t *err);
/* Emit rows of batch in parts of at most HG_PART_ROWS. Takes the batch. */
int hg_emit_batch(hg_op_inst_t *op, hg_batch_t *batch, hg_err_t *err);

extern const hg_op_type_t hg_op_scan, hg_op_filter, hg_op_map, hg_op_union, hg_op_agg, hg_op_sort, hg_op_distinct,
    hg_op_unnest;

/* --- grouping (op_group.c): numbers groups of equal key rows 0, 1, 2, … in the order they come ---------------------
 */
typedef struct hg_groups hg_groups_t;
int hg_groups_new(const hg_type_t *const *types, uint32_t n_cols, hg_groups_t **ret, hg_err_t *err);
void hg_groups_free(hg_groups_t *g);
/* ids[r] = group of row r of keys (n rows). */
int hg_groups_add(hg_groups_t *g, hg_batch_t *keys, uint32_t *ids, hg_err_t *err);
uint32_t hg_groups_count(const hg_groups_t *g);
size_t hg_groups_mem(const hg_groups_t *g);
/* Key column c of all groups. */
int hg_groups_col(const hg_groups_t *g, uint32_t c, hg_col_t **ret, hg_err_t *err);

int hg_over_limit(const hg_op_inst_t *op, size_t used, const char *what, hg_err_t *err); /* 0 or HG_ENOMEM */

#endif
