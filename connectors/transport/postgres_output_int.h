/* postgres_output_int.h: the PostgreSQL output's configuration and state, shared by postgres_output.c (life, session),
 * postgres_output_txn.c (rows, transactions) and postgres_output_sql.c (statements). */
#ifndef HG_CONNECTORS_TRANSPORT_POSTGRES_OUTPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_POSTGRES_OUTPUT_INT_H

#include "base/list.h"
#include "connectors/transport/postgres_int.h"

enum { PGOUT_MATERIALIZED, PGOUT_CDC };

typedef struct {
    hg_pg_cfg_t conn;
    const char *table, *op_column, *ts_column;
    int mode;
    uint64_t max_records, max_bytes;
    bool do_nothing;
    uint32_t threads;
    hg_strlist_t extra_columns;
} pgout_cfg_t;

/* Rows of one step that go to the server together. */
typedef struct {
    hg_list_t link; /* on pgout_t.chunks, oldest first */
    uint64_t step;
    bool last;     /* its step is whole with it */
    hg_buf_t rows; /* one behind the other, as connectors/postgres.h says */
    size_t *ends;  /* of each row, in rows */
    uint8_t *bad;  /* per row: the server refused it; NULL: none */
    uint32_t n, cap;
} chunk_t;

typedef struct {
    uint32_t from, to;
} slice_t;

typedef enum {
    SE_CLOSED,  /* no connection; a timer may be running */
    SE_OPENING, /* connecting */
    SE_SESSION, /* settings */
    SE_LOCK,    /* exactly once: nobody else writes as us */
    SE_TABLE,   /* what the table looks like */
    SE_PREPARE, /* our temporary table, statements */
    SE_CREATE,  /* exactly once: the table of steps */
    SE_STEP,    /* exactly once: our row in it */
    SE_READY,   /* the rest is tx_state_t's */
} session_t;

typedef enum {
    TX_IDLE,   /* nothing is sent */
    TX_COPY,   /* rows go into the temporary table, or straight into the user's */
    TX_APPLY,  /* and from there into the user's */
    TX_UNDO,   /* back to before the slice that was refused */
    TX_COMMIT, /* with the step */
} tx_state_t;

typedef struct {
    session_t session;
    tx_state_t tx;
    hg_pgconn_t *conn;
    bool closing, stopping, told_ready, told_full, unhealthy, in_tx, conn_open, reopen;
    hg_err_t err;      /* of a refused statement, until its results are through */
    char err_state[6]; /* its SQLSTATE */
    bool locked;       /* the answer of SE_LOCK */
    unsigned attempts;
    uv_timer_t *timer;

    hg_list_t chunks;   /* not committed */
    chunk_t *at;        /* the one being written; NULL: the next transaction begins with the first */
    size_t waiting;     /* bytes of chunks that were not applied yet */
    size_t applied;     /* bytes of those that were, in this transaction */
    slice_t slices[64]; /* of `at`, what is still to be done: the last one first */
    uint32_t n_slices;
    slice_t slice;       /* the one that is sent */
    int64_t tx_began_us; /* monotonic */
    uint64_t commit_step;
    bool commit_any; /* the commit has a whole step */

    hg_buf_t prepare, del, upd, ins, ins_new, create, read, write; /* SQL; ins_new: no row is there yet */
    hg_buf_t copy;    /* SQL: new rows straight into the user's table; empty: types differ, or it is no plain table */
    bool straight;    /* the slice that is sent goes so */
    bool staged;      /* this transaction's hg_rows has rows */
    uint32_t careful; /* chunks to be written by `ins`: rows were there */
    bool cdc;
} pgout_t;

/* postgres_output_sql.c. r: names and types of the table's columns. */
void hg_pgout_ask_table(const char *table, hg_buf_t *out, hg_err_t *err);
int hg_pgout_statements(hg_output_t *out, const PGresult *r, hg_err_t *err);
void hg_pgout_step_sql(hg_output_t *out);

/* postgres_output_txn.c: loop */
void hg_pgout_next(hg_output_t *out); /* the connection is free: what now? */
void hg_pgout_tx_result(hg_output_t *out, const PGresult *r);
void hg_pgout_tx_done(hg_output_t *out);
void hg_pgout_rewind(pgout_t *p);                         /* the connection is gone: everything not committed again */
void hg_pgout_committed(hg_output_t *out, uint64_t step); /* the server has all steps up to this one */
int hg_pgout_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n, hg_err_t *err);
int hg_pgout_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err);
void hg_pgout_chunks_free(pgout_t *p);

/* postgres_output.c: the connection is of no use any more; err says what follows. */
void hg_pgout_failed(hg_output_t *out, hg_err_t *err);
void hg_pgout_healthy(hg_output_t *out);

#endif
