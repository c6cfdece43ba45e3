/* variant.h: the values of VARIANT columns.
 *
 * A VARIANT is held as JSON text in one canonical form, so that equal values are equal bytes and every store, hash and
 * comparison works on it as on text: no white space; the shortest spelling of strings; members sorted by the bytes of
 * their names as spelled, of equal names only the last; numbers without superfluous zeros, in plain digits where the
 * point lies within 38 digits, else as d.ddde±n, never rounded. 1, 1.0 and 1e0 are one value. JSON's null is a value,
 * other than a NULL of the column.
 *
 * SQL values are members of it as the default JSON flavor spells them: DATE, TIME, TIMESTAMP and UUID as strings,
 * BINARY as an array of bytes, ROW and MAP as objects, NaN and the infinities as null.
 *
 * The functions with a hg_variant_t use its scratch memory: one thread at a time, no allocation once it has grown.
 * Those that say "compact" or "variant" believe their text; hg_variant_parse and hg_js_variant do not. */
#ifndef HG_DATA_VARIANT_H
#define HG_DATA_VARIANT_H

#include "data/col.h"
#include "data/json_scan.h"

typedef struct hg_variant hg_variant_t;
hg_variant_t *hg_variant_new(void);
void hg_variant_free(hg_variant_t *v); /* NULL is fine */

/* Appends the canonical form of one JSON value. HG_EPARSE: not JSON; HG_ENOMEM. json: 64 bytes behind it are readable,
 * as behind every column's. */
int hg_variant_parse(hg_variant_t *v, hg_str_t json, hg_buf_t *out);
/* The same inside a document that is being scanned: returns the position behind the value, NULL with the error in s. */
const char *hg_js_variant(hg_jscan_t *s, const char *p, hg_buf_t *out);

/* Appends the cell as a VARIANT; a NULL cell is JSON's null. HG_ENOMEM. */
int hg_variant_print(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out);
/* Appends to b the value that the variant has in b's type; NULL where it has none, as CAST wants it (a fraction is cut,
 * a text is cut to the length of its type, the members of a ROW are found by their exact names). HG_ENOMEM, HG_ETOOBIG.
 */
int hg_variant_read(hg_variant_t *v, hg_str_t variant, hg_colb_t *b);

/* The member of an object, name spelled as JSON with its quotes; the element of an array, from 1. False: no such. */
bool hg_variant_member(hg_str_t variant, hg_str_t name, hg_str_t *ret);
bool hg_variant_element(hg_str_t variant, int64_t at, hg_str_t *ret);
/* "MAP", "ARRAY", "VARCHAR", "BOOLEAN", "BIGINT UNSIGNED", "BIGINT", "DECIMAL", "DOUBLE" (a number beyond those),
 * "VARIANT" (null). */
const char *hg_variant_type(hg_str_t variant);

#endif
