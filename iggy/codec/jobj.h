/* jobj.h: the top-level fields of a JSON object, as places in its text.
 *
 * An index of (key, value) spans in the order of the text; values are never looked into, and never become numbers.
 * Fields that are put in have their texts in the scratch. Of equal keys the last value counts, at the place of the
 * first, as everywhere in Iggy. Nothing is written before hg_jobj_text(), which copies the untouched runs whole.
 *
 * An index belongs to one message: it is gone with the next one of its scratch.
 */
#ifndef HG_IGGY_CODEC_JOBJ_H
#define HG_IGGY_CODEC_JOBJ_H

#include "iggy/codec/payload.h"

typedef struct hg_jfield {
    hg_str_t key;   /* decoded */
    hg_str_t name;  /* as it is written, with its quotes */
    hg_str_t value; /* JSON text without white space around tokens */
} hg_jfield_t;

struct hg_jobj {
    hg_jfield_t *v; /* n of them, in order */
    uint32_t n, cap;
    hg_str_t text; /* what they were read from */
    bool edited;   /* text does not say it any more */
    uint64_t seen; /* a bit for each key's shape: most keys that are not there are known by it */
    uint32_t *map; /* of many fields: places by hash, 0 = free, else place + 1 */
    uint32_t mask;
};

/* One JSON value, nothing around it but white space. An object: *ret is its index. Another value: *ret NULL. *text is
 * the value without white space around it (inside it only if *ret, see hg_jobj_text). HG_EPARSE, HG_ENOMEM. */
int hg_jobj_read(hg_scratch_t *s, hg_str_t json, hg_str_t *text, hg_jobj_t **ret, hg_err_t *err);
/* Compact text of any valid JSON: borrowed if it is so already. */
int hg_json_compact(hg_scratch_t *s, hg_str_t json, hg_str_t *ret, hg_err_t *err);

/* The text of a JSON string, until the next one is decoded; false: the value is none. */
bool hg_json_string(hg_scratch_t *s, hg_str_t value, hg_str_t *ret);
/* Is the value the one with this canonical form (data/variant.h)? HG_ENOMEM. */
int hg_json_same(hg_scratch_t *s, hg_str_t value, hg_str_t canonical);
/* The canonical form, until the next one. HG_ENOMEM, HG_EPARSE. */
int hg_json_canonical(hg_scratch_t *s, hg_str_t value, hg_str_t *ret);

hg_jfield_t *hg_jobj_find(const hg_jobj_t *o, hg_str_t key);
/* value is borrowed for the message's time, as are key and name. A new one goes to the end. HG_ENOMEM. */
int hg_jobj_set(hg_jobj_t *o, hg_scratch_t *s, hg_str_t key, hg_str_t name, hg_str_t value);
/* Keep the fields of which keep() says so; the others keep their order. keep may fail (< 0): the answer. */
int hg_jobj_filter(hg_jobj_t *o, int (*keep)(void *arg, const hg_jfield_t *f), void *arg);
/* Another key at the same place; a field that has it already goes. */
int hg_jobj_rename(hg_jobj_t *o, hg_str_t from, hg_str_t key, hg_str_t name);

/* The object as compact text: the original if nothing has changed, else in the scratch's batch. HG_ENOMEM. */
int hg_jobj_text(hg_jobj_t *o, hg_scratch_t *s, hg_str_t *ret);

/* 1: *ret is the index of a JSON object, made if it is not there. 0: the payload is none (p is as it was).
 * Negative: HG_ENOMEM, HG_EPARSE. */
int hg_payload_object(hg_payload_t *p, hg_scratch_t *s, hg_jobj_t **ret, hg_err_t *err);

#endif
