/* fill.h: views of a changed program are computed over rows that are stored already; begin.c has the whole story.
 *
 *   alone        nothing else steps: the contents of every relation that the views read, part by part
 *   concurrent   steps go on meanwhile. The views that are computed are muted: they see nothing of those steps, whose
 *                changes of what the views read wait in `behind`. Behind the contents these go through the views in
 *                their order, while new ones come; when what comes has become little, steps wait until nothing is left
 *                (HG_PHASE_CUTOVER), and the views see every step from there on
 */
#ifndef HG_PIPELINE_FILL_H
#define HG_PIPELINE_FILL_H

#include "pipeline/pipeline_int.h"

typedef struct hg_filling hg_filling_t;

typedef struct hg_fill_progress {
    uint64_t rows, total;           /* sent through the views; to be sent, as far as it is known */
    uint32_t relations, read, open; /* whose contents are read; of them: wholly, partly */
} hg_fill_progress_t;

/* Control loop; p->durable->diff says what. Nothing of it goes to outputs if silent. */
hg_filling_t *hg_filling_new(const hg_pipeline_t *p, bool silent, bool concurrent);
void hg_filling_free(hg_filling_t *f); /* the circuit thread is gone */
/* Control loop: the circuit thread begins, and calls hg_pipeline_filled on the control loop when all is done. */
void hg_fill_start(hg_pipeline_t *p);

/* Any thread. */
void hg_fill_progress(const hg_filling_t *f, hg_fill_progress_t *ret);
/* Is the view being computed beside the steps, so that its contents are not what they should be? */
bool hg_fill_computes(const hg_pipeline_t *p, uint32_t relation);

/* --- circuit thread --- */
bool hg_filling(const hg_pipeline_t *p);
/* The following only while filling. Beside steps? And may another one be done now? */
bool hg_fill_concurrent(const hg_pipeline_t *p);
bool hg_fill_lets_steps(const hg_pipeline_t *p);
/* Beside steps: is it filling alone that sends rows of this relation to outputs? */
bool hg_fill_feeds(const hg_pipeline_t *p, uint32_t relation);
/* 1: something was done, 0: there is nothing to do until a step was; or an error. */
int hg_fill_step(hg_pipeline_t *p, hg_err_t *err);
/* After a step: p->deltas are as it has made them. */
int hg_fill_follow(hg_pipeline_t *p, hg_err_t *err);
/* hg_circuit_wants: what filling needs to see of steps, is set in p->want. */
void hg_fill_wants(const hg_pipeline_t *p);

/* begin.c, control loop */
void hg_pipeline_filled(hg_pipeline_t *p);

#endif
