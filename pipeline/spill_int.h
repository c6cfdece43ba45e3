/* spill_int.h: what spill.c and spill_merge.c share. */
#ifndef HG_PIPELINE_SPILL_INT_H
#define HG_PIPELINE_SPILL_INT_H

#include "pipeline/spill.h"
#include "pipeline/spill_file.h"

typedef struct hg_run {
    hg_spillfile_t *file;
    uint64_t rows;
} hg_run_t;

struct hg_spill {
    char *dir;
    uint32_t n_cols, n_key;
    uint32_t *order;                /* column of a run → column of the schema; the first n_key are the index's */
    const hg_type_t **types;        /* of a run's columns */
    const hg_type_t **schema_types; /* of the schema's */
    hg_delta_t mem;                 /* added, in the schema's order of columns */
    size_t mem_bytes;
    hg_delta_t aside;
    hg_run_t *runs; /* sorted, netted */
    uint32_t n_runs;
};

/* ordered: columns as in a run, sorted so; else as in the schema. */
int hg_spill_net(const hg_spill_t *s, const hg_delta_t *d, bool ordered, hg_delta_t *ret, hg_err_t *err);
void hg_spill_add_run(hg_spill_t *s, hg_spillfile_t *f, uint64_t rows); /* takes f */
/* All runs become one group (NULL: nothing is left of them). The runs stay until it has worked. */
int hg_spill_merge(hg_spill_t *s, hg_spill_watch_t *watch, hg_group_t **ret, hg_err_t *err);

/* spill_group.c: takes the files (the second may be NULL); read one behind the other. */
hg_group_t *hg_spill_group(hg_spillfile_t *const files[2], const hg_type_t *const *types, uint32_t n_cols,
                           uint64_t rows, void (*lost)(void *arg, const hg_err_t *err), void *lost_arg);

#endif
