/* progress.h: how `headgate run` shows a pipeline: a live table on a terminal, one line per change of state elsewhere
 * (ux.md). Control loop. */
#ifndef HG_PIPELINE_PROGRESS_H
#define HG_PIPELINE_PROGRESS_H

#include "pipeline/pipeline.h"

typedef struct hg_progress hg_progress_t;

/* live: redraw a table on stdout in place; else lines with a time. fatal: the command ends when a connector fails and
 * says why itself, so the reason is not told here. */
hg_progress_t *hg_progress_new(hg_pipeline_t *p, const char *name, bool live, bool fatal);
void hg_progress_free(hg_progress_t *g);
/* A connector's state or reason changed (pipeline's on_change). */
void hg_progress_changed(hg_progress_t *g, uint32_t input, hg_orch_reason_t reason);
/* Every 200 ms or so: rates, the table, first bad records. */
void hg_progress_tick(hg_progress_t *g);
/* The last lines: one per connector and the total. how: "complete", "stopped", "failed". */
void hg_progress_end(hg_progress_t *g, const char *how);

#endif
