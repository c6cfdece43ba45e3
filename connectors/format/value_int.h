/* value_int.h: scalar values to and from plain text: CSV fields, member names of maps, raw bytes of binary columns. */
#ifndef HG_CONNECTORS_FORMAT_VALUE_INT_H
#define HG_CONNECTORS_FORMAT_VALUE_INT_H

#include "data/col.h"

/* Appends the value that text spells (default flavor). 0; HG_EPARSE or HG_ERANGE: not such a value, message in err;
 * HG_EUNSUPPORTED: no scalar type; HG_ENOMEM, HG_ETOOBIG. */
int hg_value_read(hg_colb_t *b, hg_str_t text, hg_err_t *err);

/* Appends the text of a cell that is not NULL. HG_EUNSUPPORTED for types that are no scalars. */
int hg_value_print(hg_buf_t *out, const hg_col_t *c, uint32_t i);

/* Binary in letters. HG_EPARSE on a foreign letter or an odd length. base58: at most HG_BASE58_MAX bytes, the work is
 * quadratic. */
#define HG_BASE58_MAX 4096
int hg_hex_read(hg_buf_t *out, hg_str_t text);
int hg_hex_print(hg_buf_t *out, hg_str_t bytes);
int hg_base58_read(hg_buf_t *out, hg_str_t text);
int hg_base58_print(hg_buf_t *out, hg_str_t bytes);

/* Integer of the column's type from a sign and magnitude; false = out of range. HG_ENOMEM through *rc. */
bool hg_value_put_int(hg_colb_t *b, bool neg, uint64_t magnitude, int *rc);

#endif
