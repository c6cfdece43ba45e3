/* transaction.h: many steps whose results show at once.
 *
 *   transaction.c          who has one open, what stats and clients are told; any thread
 *   transaction_circuit.c  what the circuit does differently while one is open, and the commit; circuit thread
 *   transaction_journal.c  its marks in the journal, and the same once more in a replay
 *   spill.h                the changes of one output's relation, netted, in memory or in files
 *
 * One transaction at a time: the API and connectors join the one that is open, and it commits when all of them have
 * committed. Steps are evaluated as always; only what they change is kept back from the outputs, readers go on seeing
 * the state before it, nothing of it counts as processed or completed, and no checkpoint is cut. The commit is a step
 * of its own, without input, that hands each output the net change of the whole transaction as one batch.
 *
 *   none ──start──► open ──all have committed──► committing ──merged, pushed──► none
 *                                                     └─ a start meanwhile is noted and follows
 *
 * A transaction that is open when the process dies: where its steps are in the journal (fault tolerance) the replay
 * does them again, and it is open again; without, it never was.
 */
#ifndef HG_PIPELINE_TRANSACTION_H
#define HG_PIPELINE_TRANSACTION_H

#include "pipeline/pipeline_int.h"

typedef struct hg_txn hg_txn_t;

hg_txn_t *hg_txn_new(hg_pipeline_t *p);
void hg_txn_free(hg_txn_t *t); /* the circuit thread is gone; NULL is fine */
/* Before the circuit thread runs: ids up to this one were given by earlier runs. */
void hg_txn_restore(hg_txn_t *t, uint64_t last_id);

/* --- asked by people: control loop --- */

/* HG_ETXNOPEN: the API has one open already. */
int hg_txn_start(hg_pipeline_t *p, uint64_t *ret_id, hg_err_t *err);
/* What inputs have buffered now belongs to it; said(arg) follows on the control loop when that is settled. HG_ENOTXN:
 * none is open; HG_ETXNOPEN: its commit is under way already. */
int hg_txn_commit(hg_pipeline_t *p, void (*said)(void *arg), void *arg, hg_err_t *err);
/* The pipeline stops gracefully: connectors begin no more transactions, and end those that they have begun. False:
 * nothing has to be waited for; else until hg_txn_parts_over. */
bool hg_txn_last(hg_pipeline_t *p);
bool hg_txn_parts_over(hg_pipeline_t *p);
bool hg_txn_stuck(hg_pipeline_t *p, uint32_t *ret_conn); /* one of them does not run, so it will not end it */
/* The pipeline closes: what the circuit holds for it goes back. */
void hg_txn_close(hg_pipeline_t *p);

/* --- any thread --- */

bool hg_txn_active(const hg_pipeline_t *p);     /* one is open or committing */
bool hg_txn_committing(const hg_pipeline_t *p); /* all have committed, the outputs do not have it yet */
uint64_t hg_txn_last_id(const hg_pipeline_t *p);
/* No step behind this one is completed; UINT64_MAX: no transaction. */
uint64_t hg_txn_floor(const hg_pipeline_t *p);
/* What was processed when it began; false: none is open. */
bool hg_txn_before(const hg_pipeline_t *p, uint64_t *records, uint64_t *bytes);
/* The input has a new instance, not opened yet. Where the one before it has a part in the transaction that is open (the
 * replay may have seen that), it goes on with that; where that is committed, it gives nothing until all of it is. */
void hg_txn_renewed(hg_pipeline_t *p, uint32_t conn, hg_input_t *in);
/* Members transaction_status … transaction_initiators of global_metrics. */
void hg_txn_stats(hg_pipeline_t *p, hg_jw_t *w);
/* Why its changes cannot be kept now, for people; false: all is well. */
bool hg_txn_trouble(const hg_pipeline_t *p, char *buf, size_t n);

/* --- circuit thread --- */

/* Before anything else in a turn. HG_TXN_GO: go on with the turn. *wait_us: as of a turn. Negative: an error. */
enum { HG_TXN_GO, HG_TXN_AGAIN, HG_TXN_WAIT };
int hg_txn_turn(hg_pipeline_t *p, uint64_t *wait_us, hg_err_t *err);
bool hg_txn_open(const hg_pipeline_t *p);
bool hg_txn_full(const hg_pipeline_t *p);     /* no further step now; the circuit is woken when it may go on */
bool hg_txn_draining(const hg_pipeline_t *p); /* its commit waits for these: */
uint32_t hg_txn_take(hg_pipeline_t *p, uint64_t max_rows, hg_chunk_t **ret, uint32_t room);
/* Around a step: chunks may begin a transaction, or end their connector's part. */
void hg_txn_before_step(hg_pipeline_t *p, hg_chunk_t *const *chunks, uint32_t n);
void hg_txn_after_step(hg_pipeline_t *p, hg_chunk_t *const *chunks, uint32_t n);
/* Instead of handing p->deltas to the outputs. */
int hg_txn_collect(hg_pipeline_t *p, uint64_t records, hg_err_t *err);
/* What readers see of a relation: the state before an open transaction. A reference; NULL: it is not stored. */
hg_snap_t *hg_txn_snap(hg_pipeline_t *p, uint32_t relation);
/* Replay: the marks of the journal. commit: the turns that follow do it, then the replay goes on. */
void hg_txn_redo_begin(hg_pipeline_t *p, uint64_t id, bool api);
void hg_txn_redo_leave(hg_pipeline_t *p);
int hg_txn_redo_commit(hg_pipeline_t *p, uint64_t id, uint64_t number, hg_err_t *err);

#endif
