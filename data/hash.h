/* hash.h: the 64-bit keyed hash of rows, over canonical bytes (−0 = 0, one NaN, CHAR unpadded, DECIMAL by value).
 * SipHash-1-3 for variable bytes, a keyed multiply-mix for up to 16 fixed bytes; a stranger who does not know the
 * secret cannot aim at a bucket. Source: Aumasson & Bernstein, "SipHash: a fast short-input PRF" (2012). */
#ifndef HG_DATA_HASH_H
#define HG_DATA_HASH_H

#include "data/col.h"

typedef struct hg_hashkey {
    uint64_t k0, k1;
} hg_hashkey_t;

/* Any thread. out[n] = hash of the cells cols[0..n_cols) of rows sel[i] (sel NULL = 0..n-1). */
void hg_hash_rows(hg_hashkey_t key, hg_col_t *const *cols, uint32_t n_cols, const uint32_t *sel, uint32_t n,
                  uint64_t *out);
uint64_t hg_hash_bytes(hg_hashkey_t key, const void *p, size_t n);

#endif
