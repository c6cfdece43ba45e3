/* value_int.h: bytes to and from letters, beside the plain text of the other scalars (data/value.h). */
#ifndef HG_CONNECTORS_FORMAT_VALUE_INT_H
#define HG_CONNECTORS_FORMAT_VALUE_INT_H

#include "data/value.h"

/* Binary in letters. HG_EPARSE on a foreign letter or an odd length. base58: at most HG_BASE58_MAX bytes, the work is
 * quadratic. */
#define HG_BASE58_MAX 4096
int hg_hex_read(hg_buf_t *out, hg_str_t text);
int hg_hex_print(hg_buf_t *out, hg_str_t bytes);
int hg_base58_read(hg_buf_t *out, hg_str_t text);
int hg_base58_print(hg_buf_t *out, hg_str_t bytes);

#endif
