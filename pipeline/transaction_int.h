/* transaction_int.h: a pipeline's transactions inside; shared by transaction*.c. */
#ifndef HG_PIPELINE_TRANSACTION_INT_H
#define HG_PIPELINE_TRANSACTION_INT_H

#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/spill.h"
#include "pipeline/transaction.h"

typedef enum { HG_TXNS_NONE, HG_TXNS_OPEN, HG_TXNS_COMMITTING } hg_txn_state_t;
typedef enum { HG_PART_NONE, HG_PART_STARTED, HG_PART_COMMITTED } hg_txn_part_t;

/* The changes of one relation for outputs with the same index (or none). Circuit thread, and the worker while it has
 * the job. */
typedef struct hg_txn_acc {
    uint32_t relation;
    const uint32_t *key;
    uint32_t n_key;
    hg_spill_t *spill;
    bool finished; /* delta or group (or neither) is the result */
    hg_delta_t delta;
    hg_group_t *group;
} hg_txn_acc_t;

struct hg_txn {
    hg_pipeline_t *p;
    const char *dir; /* for files */
    hg_pool_t *pool; /* one worker; NULL until there is work */
    atomic_bool cancel;
    atomic_bool last, fenced; /* no connector begins another one; the circuit has seen that */
    _Atomic uint64_t floor, before_records, before_bytes;

    pthread_mutex_t mu; /* innermost */
    /* mu */
    hg_txn_state_t state;
    uint64_t last_id, id, next_id; /* next_id: asked for while another one commits */
    hg_txn_part_t api;
    struct {
        uint32_t conn;
        hg_txn_part_t part;
    } * parts; /* connectors */
    uint32_t n_parts;
    int64_t since_us; /* monotonic: begun, or the commit begun */
    uint64_t records;
    uint64_t done_id, done_step; /* the newest commit */
    uint32_t accs_done, accs_total;
    bool working, worked; /* the worker has a job; it has done it */
    hg_err_t job_err;
    char trouble[512];

    /* circuit thread */
    bool open, requested, merging, over; /* over: the pipeline closes */
    uint64_t number;                     /* of the commit's step; 0: the next one */
    hg_chunk_t **chunks;
    uint32_t n_chunks, at_chunk, cap_chunks;
    hg_snap_t **snaps; /* by relation */
    hg_txn_acc_t *accs;
    uint32_t n_accs;
    hg_txn_acc_t *writing; /* by the worker */
    int64_t retry_us;      /* not before; 0: no trouble */
    hg_spill_watch_t watch;
};

/* transaction.c; mu is taken inside */
void hg_txn_set_open(hg_txn_t *t, uint64_t id, hg_txn_part_t api);
bool hg_txn_set_part(hg_txn_t *t, uint32_t conn, hg_txn_part_t part); /* false: it was so already */
void hg_txn_set_api(hg_txn_t *t, hg_txn_part_t part);
bool hg_txn_all_committed(hg_txn_t *t);
void hg_txn_set_committing(hg_txn_t *t);
/* Committed: none is open any more. The id of the one that follows, or 0. */
uint64_t hg_txn_set_done(hg_txn_t *t, uint64_t step);

/* transaction_circuit.c */
void hg_txn_begin(hg_pipeline_t *p);   /* the state is open */
void hg_txn_request(hg_pipeline_t *p); /* all have committed: what is buffered now is the last of it */

/* transaction_journal.c: circuit thread. A mark behind what the circuit did so far; of a commit: the step it is. */
void hg_txn_journal(hg_pipeline_t *p, hg_jmark_kind_t kind, uint64_t step);

#endif
