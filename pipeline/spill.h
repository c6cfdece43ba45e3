/* spill.h: the changes of one relation over a whole transaction, netted: in memory as long as they are few, else in
 * sorted runs in files, which are merged at the end.
 *
 * Rows are sorted by their values, column by column; where an output has an index, by the index's columns first, so
 * that the rows of one key stand together. Equal rows become one with the sum of their weights; those that come to
 * zero are gone. The result is either a delta in memory or a group (connectors/host/host.h) that reads from a file.
 *
 * Threads: one at a time calls what is not marked; `add` and `take` may run while another thread is in `write`.
 */
#ifndef HG_PIPELINE_SPILL_H
#define HG_PIPELINE_SPILL_H

#include "connectors/host/host.h"

typedef struct hg_spill hg_spill_t;

typedef struct hg_spill_watch {
    _Atomic uint64_t done, total; /* rows of runs read by merges, and to be read */
    const atomic_bool *cancel;
    void (*lost)(void *arg, const hg_err_t *err); /* any thread: a group cannot be read any more */
    void *arg;                                    /* lives as long as the groups */
} hg_spill_watch_t;

/* key: columns of an index, or none. schema and dir are borrowed; dir "": the folder for temporary files. */
hg_spill_t *hg_spill_new(const char *dir, const hg_schema_t *schema, const uint32_t *key, uint32_t n_key);
void hg_spill_free(hg_spill_t *s);
/* Shares the parts. HG_ENOMEM. */
int hg_spill_add(hg_spill_t *s, const hg_delta_t *d, hg_err_t *err);
size_t hg_spill_mem(const hg_spill_t *s); /* bytes that the parts hold, with what sorting them takes */
/* What is in memory is set aside for hg_spill_write; nothing may be set aside already. */
void hg_spill_take(hg_spill_t *s);
/* Sorts what was set aside and writes it as a run. Blocking. On failure it stays set aside: try again. */
int hg_spill_write(hg_spill_t *s, hg_err_t *err);
uint32_t hg_spill_runs(const hg_spill_t *s);
/* Everything was added, nothing is set aside. Blocking. On failure nothing is lost: try again. One of the two results
 * is set, or neither (all changes cancelled out). watch may be NULL. HG_ECANCELED. */
int hg_spill_finish(hg_spill_t *s, hg_spill_watch_t *watch, hg_delta_t *ret, hg_group_t **ret_group, hg_err_t *err);

/* Pieces that have been netted already, in a file, to be read in the same order. */
typedef struct hg_spill_copy hg_spill_copy_t;
int hg_spill_copy_new(const char *dir, const hg_schema_t *schema, hg_spill_copy_t **ret, hg_err_t *err);
void hg_spill_copy_free(hg_spill_copy_t *c); /* NULL is fine */
int hg_spill_copy_add(hg_spill_copy_t *c, const hg_delta_t *piece, hg_err_t *err);
/* Nothing more is added. lost as in hg_spill_watch_t. */
hg_group_t *hg_spill_copy_group(hg_spill_copy_t *c, void (*lost)(void *arg, const hg_err_t *err), void *arg);

#endif
