/* hold_int.h: rows that wait for a column's waterline: WATERMARK and emit_final; engine-internal, circuit thread.
 *
 *   WATERMARK e on a table's column: the line is the largest value received, this step's included, less e. A row waits
 *   for views while its value is above the line; the table itself has it at once.
 *   emit_final of a view: the line follows from LATENESS (the lowest of plan.h's lines, this step's rows included). A
 *   row waits for outputs and for queries while its value is not below the line; other views see it at once.
 *
 * NULL never waits. Rows that wait stand in a bag of their own, part of every checkpoint: an insert and a delete of one
 * row that both wait are nothing. What the line passes is found by the least value of each block of 256 rows, so a step
 * looks at blocks with something to give and at nothing else.
 */
#ifndef HG_ENGINE_HOLD_INT_H
#define HG_ENGINE_HOLD_INT_H

#include "engine/table_int.h"

typedef struct hg_hold_seg {
    hg_seg_t *seg;        /* retained */
    uint32_t rows;        /* looked at so far */
    uint32_t *least, cap; /* per block: the row with the least value; HG_NONE: none waits */
} hg_hold_seg_t;

typedef struct hg_hold {
    const hg_relation_t *rel;
    uint32_t col;
    bool final;      /* emit_final: a row equal to the line waits */
    hg_late_t *mark; /* WATERMARK: its line, or NULL */
    hg_store_t *store;
    hg_col_t *line, *next; /* one row; NULL: none so far. next: after this step, NULL: as before */
    hg_hold_seg_t *segs;
    uint32_t n_segs;
    bool staged;
} hg_hold_t;

/* *ret NULL: no rows of the relation wait. */
int hg_hold_new(const hg_relation_t *rel, const hg_type_t *const *types, hg_hashkey_t hashkey, hg_hold_t **ret,
                hg_err_t *err);
void hg_hold_free(hg_hold_t *h);
/* in: the relation's changes of this step. What need not wait, and what has waited long enough, is added to out. c: to
 * read the waterlines of others; net: scratch. HG_ENOMEM, HG_ETOOBIG: discard the step. */
int hg_hold_step(hg_hold_t *h, hg_circuit_t *c, hg_net_t *net, const hg_delta_t *in, hg_delta_t *out, hg_err_t *err);
/* The step was applied, or not: the store's stage too. */
void hg_hold_end(hg_hold_t *h, bool applied);

#endif
