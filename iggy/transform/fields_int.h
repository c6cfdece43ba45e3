/* fields_int.h: lists of fields with values: what add_fields and update_fields have in common.
 *
 * A value is a constant, whose JSON text is made once, or computed when it is put in.
 */
#ifndef HG_IGGY_TRANSFORM_FIELDS_INT_H
#define HG_IGGY_TRANSFORM_FIELDS_INT_H

#include "iggy/transform/transform_int.h"

/* X(KIND, name) */
#define HG_COMPUTED(X)                                                                                                 \
    X(DATE_TIME, "date_time")                                                                                          \
    X(TS_NANOS, "timestamp_nanos")                                                                                     \
    X(TS_MICROS, "timestamp_micros")                                                                                   \
    X(TS_MILLIS, "timestamp_millis")                                                                                   \
    X(TS_SECONDS, "timestamp_seconds")                                                                                 \
    X(UUID_V4, "uuid_v4")                                                                                              \
    X(UUID_V7, "uuid_v7")
#define X(kind, name) HG_CV_##kind,
typedef enum { HG_CV_STATIC, HG_COMPUTED(X) HG_CV_N } hg_computed_t;
#undef X

#define HG_CONDITIONS(X) X(ALWAYS, "always") X(EXISTS, "key_exists") X(NOT_EXISTS, "key_not_exists")
#define X(kind, name)    HG_CD_##kind,
typedef enum { HG_CONDITIONS(X) HG_CD_N } hg_condition_t;
#undef X

typedef struct hg_put_field {
    hg_str_t key, name; /* name: as a JSON string */
    hg_computed_t computed;
    hg_str_t value; /* static: JSON text */
    hg_condition_t when;
} hg_put_field_t;

typedef struct hg_put_fields {
    hg_put_field_t *v;
    uint32_t n;
} hg_put_fields_t;

/* conditions: may entries have one? Complaints go to m. */
int hg_put_fields_make(hg_tr_make_t *m, const hg_json_t *list, bool conditions, hg_put_fields_t *ret);
int hg_put_fields_apply(const hg_put_fields_t *f, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err);
bool hg_put_fields_vary(const hg_put_fields_t *f);

/* computed.c: the JSON text of a computed value, until the next message. .p NULL: no memory. */
hg_str_t hg_computed_text(hg_computed_t kind, hg_scratch_t *s);

#endif
