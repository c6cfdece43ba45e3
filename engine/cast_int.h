/* cast_int.h: between the files of CAST; engine-internal. */
#ifndef HG_ENGINE_CAST_INT_H
#define HG_ENGINE_CAST_INT_H

#include "engine/eval_int.h"

typedef struct hg_cast {
    hg_call_t *c;
    const hg_vec_t *in;
    const hg_type_t *from, *to;
    bool safe;
} hg_cast_t;

/* Row cannot be converted: HG_EEVAL that shows the value and why; safe: its valid bit is cleared and the answer is 0.
 */
int hg_cast_fail(const hg_cast_t *k, uint32_t row, const char *why);

/* cast_text.c: anything to CHAR and VARCHAR, and to BINARY and VARBINARY. */
int hg_cast_to_text(const hg_cast_t *k, hg_colb_t *out);
int hg_cast_to_bytes(const hg_cast_t *k, hg_colb_t *out);

/* cast_nested.c: arrays and maps, rows, anything to VARIANT, and back: what has no such value is NULL, so c->valid is
 * there. */
int hg_cast_list(const hg_cast_t *k, hg_colb_t *out);
int hg_cast_row(const hg_cast_t *k, hg_colb_t *out);
int hg_cast_to_variant(const hg_cast_t *k, hg_colb_t *out);
int hg_cast_from_variant(const hg_cast_t *k, hg_colb_t *out);

#endif
