/* shape_int.h: the transforms of a connector, over the records of a chunk or of what an encoder wrote. */
#ifndef HG_CONNECTORS_HOST_SHAPE_INT_H
#define HG_CONNECTORS_HOST_SHAPE_INT_H

#include "iggy/transform/transform.h"

/* One thread's: scratch and result. */
typedef struct hg_shaper hg_shaper_t;
/* by_line: a newline ends a record, whatever it is inside of. */
hg_shaper_t *hg_shaper_new(const hg_chain_t *chain, bool by_line);
void hg_shaper_free(hg_shaper_t *s); /* NULL is fine */

/* A record that could not be transformed; it is left out. Borrowed for the call. */
typedef void (*hg_shape_failed_fn)(void *arg, hg_str_t record, const hg_err_t *err);

/* Every record of the text: JSON values with white space between them, or (the chain begins with another kind) one
 * message. 64 bytes behind it are readable, as behind the result, which is the shaper's until the next call. What is no
 * JSON comes out as it is, for the parser to complain of. HG_ENOMEM. */
int hg_shape(hg_shaper_t *s, hg_str_t text, hg_shape_failed_fn failed, void *arg, hg_str_t *ret);

#endif
