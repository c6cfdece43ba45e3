/* pattern_int.h: patterns of filter_fields, over the names and the values of fields. */
#ifndef HG_IGGY_TRANSFORM_PATTERN_INT_H
#define HG_IGGY_TRANSFORM_PATTERN_INT_H

#include "iggy/codec/regex.h"
#include "iggy/transform/transform_int.h"

typedef enum { HG_KP_ANY, HG_KP_EXACT, HG_KP_STARTS, HG_KP_ENDS, HG_KP_CONTAINS, HG_KP_REGEX } hg_key_pattern_t;

/* X(KIND, word) of value patterns that stand alone */
#define HG_VALUE_WORDS(X)                                                                                              \
    X(IS_NULL, "is_null")                                                                                              \
    X(IS_NOT_NULL, "is_not_null")                                                                                      \
    X(IS_STRING, "is_string")                                                                                          \
    X(IS_NUMBER, "is_number")                                                                                          \
    X(IS_BOOLEAN, "is_boolean")                                                                                        \
    X(IS_OBJECT, "is_object")                                                                                          \
    X(IS_ARRAY, "is_array")
#define X(kind, word) HG_VP_##kind,
typedef enum {
    HG_VP_ANY,
    HG_VP_EQUALS,
    HG_VP_CONTAINS,
    HG_VP_REGEX,
    HG_VP_GREATER,
    HG_VP_LESS,
    HG_VP_BETWEEN,
    HG_VALUE_WORDS(X) HG_VP_N
} hg_value_pattern_t;
#undef X

typedef struct hg_pattern {
    hg_key_pattern_t key;
    hg_str_t key_text;
    hg_regex_t *key_regex;
    hg_value_pattern_t value;
    hg_str_t value_text, value_high; /* a text, a canonical value, or numbers as written */
    hg_regex_t *value_regex;
} hg_pattern_t;

/* One entry of `patterns`. Regular expressions are freed with the arena. */
int hg_pattern_make(hg_tr_make_t *m, const hg_json_t *node, hg_pattern_t *ret);
/* 1, 0, or HG_ENOMEM. */
int hg_pattern_matches(const hg_pattern_t *p, hg_scratch_t *s, const hg_jfield_t *f);

#endif
