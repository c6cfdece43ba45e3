/* keyed_int.h: one step's delta → one operation per key of the output's index.
 *
 * Rows of the same key are brought together by their hash; equal rows cancel out. What is left is an insert (one row
 * came), a delete (one went) or an update (both). Two rows of one key that come, or go, mean that the index is no key:
 * an error that names the rows. Deletes go first, then updates, then inserts, as everywhere;
 * among them in the order in which their rows came: what is sorted at the source reaches a sink's index so. */
#ifndef HG_CONNECTORS_FORMAT_KEYED_INT_H
#define HG_CONNECTORS_FORMAT_KEYED_INT_H

#include "connectors/format.h"

enum { HG_KEYED_DELETE = 'd', HG_KEYED_UPDATE = 'u', HG_KEYED_INSERT = 'i' };

typedef struct hg_keyref {
    uint64_t hash;
    const hg_batch_t *batch;
    uint32_t row;
    uint32_t came;  /* its number among the step's rows */
    int64_t weight; /* once it is decided: the operation */
} hg_keyref_t;

typedef struct hg_keyed {
    const hg_schema_t *schema;
    uint32_t *order; /* columns: those of the key, then the others */
    uint32_t n_key;
    hg_keyref_t *refs;
    uint64_t *hashes;
    uint32_t *place; /* where in refs the row is that came so */
    size_t cap, cap_place, n;
    uint32_t cap_hashes;
} hg_keyed_t;

/* The row that came, or (a delete) the one that went. An error leaves buf and key as they were. */
typedef int (*hg_keyed_fn)(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, char op, hg_err_t *err);

void hg_keyed_init(hg_keyed_t *k, const hg_encode_env_t *env); /* env->key: the index */
void hg_keyed_release(hg_keyed_t *k);
/* What fn refuses, and keys that several rows have, are left out (sink->left_out). HG_ENOMEM, or a fatal error of fn.
 */
int hg_keyed_each(hg_keyed_t *k, const hg_delta_t *delta, hg_keyed_fn fn, void *arg, hg_encode_sink_t *sink,
                  hg_err_t *err);

#endif
