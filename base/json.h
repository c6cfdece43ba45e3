/* json.h: JSON of the control plane (configs, requests, stats). Records on the data path never come here.
 *
 * Reading: a small tree whose nodes remember their byte range in the text, so that every later complaint can point at
 * its place, and whose numbers keep their digits, so that 2^64-1 survives. (cJSON keeps numbers as double and has no
 * positions; it is used where responses are built and where a client reads an answer.)
 * Writing: a streaming writer into hg_buf_t.
 */
#ifndef HG_BASE_JSON_H
#define HG_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum { HG_J_NULL, HG_J_FALSE, HG_J_TRUE, HG_J_NUMBER, HG_J_STRING, HG_J_ARRAY, HG_J_OBJECT } hg_jkind_t;

typedef struct hg_json hg_json_t;
struct hg_json {
    hg_jkind_t kind;
    uint32_t off, len;         /* byte range of the value in the parsed text */
    uint32_t key_off, key_len; /* byte range of the member's key with its quotes; 0,0 outside objects */
    hg_str_t key;              /* decoded; in an object */
    hg_str_t str;              /* HG_J_STRING: decoded text. HG_J_NUMBER: the digits as written. NUL-ended */
    uint32_t n;                /* children of an array or object */
    hg_json_t *child, *next;   /* first child; next sibling */
    hg_json_t *parent;
};

#define HG_JSON_MAX_DEPTH 128

/* Parse exactly one value (white space around it is fine). Nodes live in the arena; text need not outlive the call.
 * On failure err->pos.off is the byte offset, err->pos.line/col the place in text (col in UTF-16 units), and the
 * message says what was expected. Duplicate keys are kept; hg_json_get() finds the last. */
int hg_json_parse(hg_arena_t *a, hg_str_t text, hg_json_t **ret, hg_err_t *err);

const hg_json_t *hg_json_get(const hg_json_t *obj, const char *key); /* NULL if absent or obj is not an object */
const hg_json_t *hg_json_at(const hg_json_t *arr, uint32_t i);

/* Exact: HG_ETYPE if the node is no number, HG_ERANGE if it has a fraction or does not fit. */
int hg_json_u64(const hg_json_t *v, uint64_t *ret);
int hg_json_i64(const hg_json_t *v, int64_t *ret);
int hg_json_f64(const hg_json_t *v, double *ret);
bool hg_json_bool(const hg_json_t *v, bool dflt);              /* dflt if NULL or no boolean */
const char *hg_json_str(const hg_json_t *v, const char *dflt); /* dflt if NULL or no string */
const char *hg_json_kind_name(hg_jkind_t k);                   /* "a string", "an object" */

/* "transport.config.topics[2]" for the node, counted from `root` (or the top). Writes at most cap bytes with the 0. */
void hg_json_path(const hg_json_t *v, const hg_json_t *root, char *out, size_t cap);

/* Line and column (1-based, UTF-16 units, as editors count) of byte `off` in text. */
void hg_text_pos(hg_str_t text, size_t off, uint32_t *ret_line, uint32_t *ret_col);

/* Structural equality; object members in any order, numbers by their digits. */
bool hg_json_equal(const hg_json_t *a, const hg_json_t *b);

/* --- writing ----------------------------------------------------------------------------------------------------
 * Commas come by themselves. A failed append (memory, ceiling) is remembered in rc and the rest is ignored. */
typedef struct hg_jw {
    hg_buf_t *b;
    int rc;
    bool comma;
} hg_jw_t;

void hg_jw_init(hg_jw_t *w, hg_buf_t *b);
void hg_jw_obj(hg_jw_t *w);
void hg_jw_end_obj(hg_jw_t *w);
void hg_jw_arr(hg_jw_t *w);
void hg_jw_end_arr(hg_jw_t *w);
void hg_jw_key(hg_jw_t *w, const char *key);
void hg_jw_str(hg_jw_t *w, hg_str_t s);     /* escapes; bytes that are not UTF-8 become U+FFFD */
void hg_jw_strz(hg_jw_t *w, const char *s); /* NULL writes null */
void hg_jw_u64(hg_jw_t *w, uint64_t v);
void hg_jw_i64(hg_jw_t *w, int64_t v);
void hg_jw_f64(hg_jw_t *w, double v); /* shortest form that reads back the same; null if not finite */
void hg_jw_bool(hg_jw_t *w, bool v);
void hg_jw_null(hg_jw_t *w);
void hg_jw_raw(hg_jw_t *w, hg_str_t json);       /* one value, already JSON */
void hg_jw_node(hg_jw_t *w, const hg_json_t *v); /* copy of a parsed value, compact */

/* key + value in one call */
void hg_jw_kstr(hg_jw_t *w, const char *key, const char *s);
void hg_jw_ku64(hg_jw_t *w, const char *key, uint64_t v);
void hg_jw_ki64(hg_jw_t *w, const char *key, int64_t v);
void hg_jw_kbool(hg_jw_t *w, const char *key, bool v);
void hg_jw_knull(hg_jw_t *w, const char *key);

/* Append a JSON string literal with quotes. Used by encoders as well: one pass, no allocation beyond b. */
int hg_json_quote(hg_buf_t *b, hg_str_t s);

#endif
