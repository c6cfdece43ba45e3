/* table_int.h: from a step's change batches to a delta and staged writes; engine-internal, circuit thread.
 *
 * Netting groups the rows of a step by identity (store_int.h) without an allocation per row: groups stand in one array,
 * found through an open table of indices.
 */
#ifndef HG_ENGINE_TABLE_INT_H
#define HG_ENGINE_TABLE_INT_H

#include "engine/late_int.h"
#include "engine/store_int.h"

/* Rows that come in: those of a change batch (ops), or of a delta's part (sel, weights). */
typedef struct hg_src {
    hg_batch_t *batch;
    const uint32_t *sel; /* NULL = all rows */
    uint32_t n;
    const int64_t *weights;
    const hg_change_t *change; /* NULL: a part */
    uint32_t origin;
    uint32_t base; /* number of the first row among all rows of the step: rows are "events" */
} hg_src_t;

typedef struct hg_group {
    uint64_t hash;
    hg_ref_t ref;      /* the row in the store, or 0 */
    int64_t w, oldw;   /* bag: net weight of the step; weight in the store */
    uint32_t src, row; /* a row with this identity: row of srcs[src].batch; src HG_NONE: only the one behind ref */
    uint32_t last;     /* event that made the present state; HG_NONE: the store did */
    uint32_t origin;
    uint32_t at;  /* keyed: place among the old rows gathered */
    bool present; /* keyed: is there a row now? */
} hg_group_t;

typedef struct hg_net {
    hg_store_t *st;
    const hg_src_t *srcs;
    uint32_t n_srcs;
    hg_group_t *groups;
    uint32_t n, cap;
    uint32_t *slots; /* index of a group + 1 */
    uint32_t mask, cap_slots;
    uint32_t *rows, *grp; /* scratch for one run of rows */
    uint64_t *hash;
    hg_ref_t *refs;
    uint32_t cap_run;
} hg_net_t;

void hg_net_release(hg_net_t *net);
/* Start a step's netting into st. srcs is borrowed until the next begin; bases are filled. HG_ENOMEM. */
int hg_net_begin(hg_net_t *net, hg_store_t *st, hg_src_t *srcs, uint32_t n_srcs, hg_err_t *err);
/* Find or make the groups of rows [a, b) of srcs[k]: net->grp[i - a], new ones looked up in the store. hash: of all
 * rows of the source, or NULL to compute it. HG_ENOMEM. */
int hg_net_run(hg_net_t *net, uint32_t k, uint32_t a, uint32_t b, const uint64_t *hash, hg_err_t *err);
/* The group of one row under another origin (bags), or of a row in the store; made if need be. */
int hg_net_other(hg_net_t *net, uint32_t src, uint32_t row, uint32_t origin, hg_group_t **ret, hg_err_t *err);
int hg_net_ref(hg_net_t *net, hg_ref_t ref, uint32_t origin, hg_group_t **ret, bool *ret_new, hg_err_t *err);
uint32_t hg_net_src_of(const hg_net_t *net, uint32_t event);
static inline uint32_t hg_src_row(const hg_src_t *s, uint32_t i)
{
    return s->sel ? s->sel[i] : i;
}
static inline hg_op_t hg_src_op(const hg_src_t *s, uint32_t i)
{
    return s->change && s->change->ops ? (hg_op_t)s->change->ops[i] : HG_OP_INSERT;
}
/* End of the run of rows from a on that holds no TRUNCATE. */
uint32_t hg_src_run(const hg_src_t *s, uint32_t a);

/* Add rows as parts of at most HG_PART_ROWS; sel and weights are copied, the batch is shared. sel NULL: all rows. */
int hg_delta_rows_add(hg_delta_t *d, hg_batch_t *batch, const uint32_t *sel, uint32_t n, const int64_t *weights,
                      hg_err_t *err);

typedef struct hg_table_in {
    const char *name; /* for messages */
    hg_src_t *srcs;
    uint32_t n;
    hg_delta_t *delta; /* net changes are added here; NULL: nobody wants them */
    uint64_t *missing; /* deletes of rows that are not there; or NULL */
    hg_late_t *late;   /* keyed: an old row that is late stays, whatever the step does to it; or NULL */
    hg_reports_t *reports;
} hg_table_in_t;

/* Net and stage. On failure the caller discards the store's stage. */
int hg_table_keyed(hg_net_t *net, hg_store_t *st, const hg_table_in_t *in, hg_err_t *err);
int hg_table_bag(hg_net_t *net, hg_store_t *st, const hg_table_in_t *in, hg_err_t *err);
/* A table that stores nothing: rows go through. */
int hg_table_through(const hg_table_in_t *in, hg_err_t *err);

#endif
