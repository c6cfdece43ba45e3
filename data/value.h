/* value.h: scalar values to and from plain text: CSV fields, member names of maps, texts inside a VARIANT. Any thread,
 * no state. */
#ifndef HG_DATA_VALUE_H
#define HG_DATA_VALUE_H

#include "data/col.h"

/* Appends the value that text spells (default flavor). 0; HG_EPARSE or HG_ERANGE: not such a value, message in err;
 * HG_EUNSUPPORTED: no scalar type; HG_ENOMEM, HG_ETOOBIG. */
int hg_value_read(hg_colb_t *b, hg_str_t text, hg_err_t *err);

/* Appends the text of a cell that is not NULL. HG_EUNSUPPORTED for types that are no scalars. */
int hg_value_print(hg_buf_t *out, const hg_col_t *c, uint32_t i);

/* Integer of the column's type from a sign and magnitude; false = out of range. HG_ENOMEM through *rc. */
bool hg_value_put_int(hg_colb_t *b, bool neg, uint64_t magnitude, int *rc);

#endif
