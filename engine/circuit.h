/* circuit.h: tables and views of one pipeline, stepped by one thread.
 *
 * A step has two phases (engine.md §1). eval: every table nets its change batches into a delta (at most one − and one +
 * per key, nothing if equal), every operator sees state as of the step's start, writes are staged. apply: staged writes
 * go in; it cannot fail, memory was reserved in eval. A failed step changes nothing.
 *
 * Snapshots are O(1), taken on the circuit thread between steps, read and dropped on any thread while the circuit goes
 * on.
 */
#ifndef HG_ENGINE_CIRCUIT_H
#define HG_ENGINE_CIRCUIT_H

#include "data/hash.h"
#include "engine/plan.h"

typedef struct hg_circuit hg_circuit_t;
typedef struct hg_pool hg_pool_t; /* base/loop.h */
typedef struct hg_snap hg_snap_t;

typedef struct hg_circuit_opts {
    hg_hashkey_t hashkey; /* the one that parsers fill change batches' hashes with */
} hg_circuit_opts_t;

/* plan is borrowed for the circuit's life. */
int hg_circuit_new(const hg_plan_t *plan, const hg_circuit_opts_t *opts, hg_circuit_t **ret, hg_err_t *err);
void hg_circuit_free(hg_circuit_t *c); /* snapshots may outlive it */
/* Before the first step. From now on large segments are made ahead on a pool thread, so that no step waits for the
 * kernel to zero them. wake(arg): any thread, when a merge that waited for one can go on: call hg_circuit_merge. The
 * pool may go before the circuit, once there are no more steps. */
void hg_circuit_pool(hg_circuit_t *c, hg_pool_t *pool, void (*wake)(void *arg), void *arg);

typedef enum { HG_MODE_INCREMENTAL, HG_MODE_ONCE } hg_mode_t;
typedef struct hg_step {
    uint64_t number;
    int64_t now_us; /* fixed for the step, monotone over steps */
    hg_mode_t mode;
    const atomic_bool *cancel; /* or NULL */
} hg_step_t;

typedef struct hg_step_input {
    uint32_t relation;   /* a table */
    uint32_t origin;     /* connector that wrote it (TRUNCATE removes the rows of one origin) */
    hg_change_t *change; /* borrowed for the call; inputs count in the order given */
} hg_step_input_t;

/* Net changes of every relation in `want` (by relation index; NULL = nothing). */
typedef struct hg_step_output {
    hg_delta_t *deltas; /* one per relation of the plan; empty where not wanted or unchanged. Caller releases each */
    uint64_t rows_in;
    uint64_t deletes_missing; /* deletes of rows that were not there */
    uint64_t late;            /* rows dropped because of LATENESS */
} hg_step_output_t;

/* Circuit thread. HG_EEVAL: an evaluation error (message names view and operation, pos is its place in the program):
 * fatal for the pipeline, nothing was applied. HG_ENOMEM: nothing was applied. out->deltas: caller's array of
 * n_relations, zeroed. */
int hg_circuit_step(hg_circuit_t *c, const hg_step_t *step, const hg_step_input_t *in, uint32_t n_in, const bool *want,
                    hg_step_output_t *out, hg_err_t *err);

/* Circuit thread. One step that sends rows which `relation` has already through views that have not seen them: rows
 * (their parts are taken over, also when it fails) is a piece of its contents, or of its changes since; only views[]
 * are evaluated, in order, the others see nothing. Filling a view takes the contents of every stored relation that it
 * reads, directly or through views that keep nothing, and behind those, in their order, the changes that it did not see
 * because it was muted. The operators of views are linear, so the sum of the pieces is the view. Errors as of
 * hg_circuit_step. want: relations of views[] whose net changes go to out. */
int hg_circuit_fill(hg_circuit_t *c, const hg_step_t *step, uint32_t relation, hg_delta_t *rows, const bool *views,
                    const bool *want, hg_step_output_t *out, hg_err_t *err);
/* Circuit thread, between steps: from now on steps pass these views by (per relation; borrowed). NULL: none. No view
 * that is not muted may read one that is. */
void hg_circuit_mute(hg_circuit_t *c, const bool *views);

/* Between steps, circuit thread: background merge work up to about budget_us. Returns true if more can be done now. */
bool hg_circuit_merge(hg_circuit_t *c, uint64_t budget_us);

/* Circuit thread; O(1). NULL if the relation is not stored. */
hg_snap_t *hg_circuit_snap(hg_circuit_t *c, uint32_t relation);
/* Any thread. */
hg_snap_t *hg_snap_retain(hg_snap_t *s);
void hg_snap_drop(hg_snap_t *s);
uint64_t hg_snap_rows(const hg_snap_t *s); /* distinct rows */
/* Next part (<= 64 Ki rows) of the columns cols[0..n) (NULL = all); *cursor starts at 0. *ret NULL: the end. The rows
 * are gathered copies or shared sealed columns, never pointers into mutable state; weights are set for bags. */
int hg_snap_scan(hg_snap_t *s, uint64_t *cursor, const uint32_t *cols, uint32_t n, hg_part_t **ret, hg_err_t *err);

typedef struct hg_store_stats {
    uint64_t rows, dead_rows, segments, bytes, index_bytes;
    uint64_t waiting; /* rows that WATERMARK or emit_final holds back; the others count their memory too */
} hg_store_stats_t;
void hg_circuit_stats(const hg_circuit_t *c, uint32_t relation, hg_store_stats_t *ret); /* any thread, relaxed */

/* Since the circuit was made; filling of views (hg_circuit_fill) does not count. */
typedef struct hg_rel_profile {
    uint64_t steps; /* in which something reached the relation */
    uint64_t rows;  /* changes that it passed on to views and outputs */
    uint64_t usecs; /* of the circuit thread: netting and staging of a table, the operators of a view */
} hg_rel_profile_t;
void hg_circuit_profile(const hg_circuit_t *c, uint32_t relation, hg_rel_profile_t *ret); /* any thread, relaxed */

/* --- expressions over batches, shared by operators, queries and the compiler's constant folding --- */

/* Evaluate e over the rows sel[0..n) of batch (sel NULL = all): a column of n rows. Any thread. HG_EEVAL with position.
 */
int hg_eval(const hg_expr_t *e, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, int64_t now_us,
            hg_col_t **ret, hg_err_t *err);
/* Rows where e is true: writes their row numbers (of batch) to out_sel (room for n), returns the count in *ret_n. */
int hg_eval_filter(const hg_expr_t *e, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, int64_t now_us,
                   uint32_t *out_sel, uint32_t *ret_n, hg_err_t *err);

/* --- ad-hoc queries: a plan run once over snapshots, on the calling (pool) thread ---
 * snap(arg, relation) gives the snapshot to read (borrowed). Batches go to sink in order; a negative return of sink
 * ends the query with that code. Sort and group refuse (HG_ENOMEM) beyond mem_limit bytes. */
typedef int (*hg_query_sink)(void *arg, hg_batch_t *batch, hg_err_t *err); /* batch borrowed */
int hg_query_run(const hg_node_t *root, hg_snap_t *(*snap)(void *arg, uint32_t relation), void *snap_arg,
                 hg_query_sink sink, void *sink_arg, const atomic_bool *cancel, size_t mem_limit, int64_t now_us,
                 hg_err_t *err);

#endif
