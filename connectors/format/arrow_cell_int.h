/* arrow_cell_int.h: values of Arrow arrays (data/arrow_c.h) into column builders, wherever nothing is lost.
 *
 * A conversion is compiled once per file and column, is immutable then, and lives in an arena. What a thread needs
 * beside it is in a context of its own.
 */
#ifndef HG_CONNECTORS_FORMAT_ARROW_CELL_INT_H
#define HG_CONNECTORS_FORMAT_ARROW_CELL_INT_H

#include "data/arrow_c.h"
#include "data/col.h"

typedef struct hg_acell hg_acell_t;

typedef struct hg_acell_ctx {
    struct hg_variant *variant; /* made when it is first needed */
    hg_buf_t aux;
} hg_acell_ctx_t;
void hg_acell_ctx_init(hg_acell_ctx_t *x);
void hg_acell_ctx_release(hg_acell_ctx_t *x);

/* HG_EUNSUPPORTED: values of this Arrow type do not become the column's; the message names both. */
int hg_acell_new(const struct ArrowSchema *s, const hg_type_t *t, hg_arena_t *a, const hg_acell_t **ret, hg_err_t *err);

/* Appends cells [from, from + n) of the array; *done of them were. HG_EPARSE, HG_ERANGE, HG_EINVAL: the next one is no
 * value of the column, and nothing of it is in b. HG_ENOMEM, HG_ETOOBIG: as builders. */
int hg_acell_read(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t from, int64_t n,
                  hg_colb_t *b, int64_t *done, hg_err_t *err);

#endif
