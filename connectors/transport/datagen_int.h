/* datagen_int.h: the generator of made-up rows, in parts: datagen_plan.c reads the configuration against a schema,
 * datagen_gen.c makes cells, datagen_text.c makes words, datagen.c is the transport.
 *
 * Content is a function of (seed, row number, plan, schema): row i draws all its cells, in schema order, from a small
 * generator seeded with seed + i. So batches may be made on any thread, in any size and order.
 */
#ifndef HG_CONNECTORS_TRANSPORT_DATAGEN_INT_H
#define HG_CONNECTORS_TRANSPORT_DATAGEN_INT_H

#include "base/opts.h"
#include "data/col.h"

/* splitmix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
typedef struct dg_rng {
    uint64_t s;
} dg_rng_t;

static inline uint64_t dg_next(dg_rng_t *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* [0, n), n > 0: by multiplication; the bias is below n / 2^64. */
static inline uint64_t dg_below(dg_rng_t *r, uint64_t n)
{
    return (uint64_t)(((hg_u128)dg_next(r) * n) >> 64);
}
static inline double dg_unit(dg_rng_t *r)
{
    return (double)(dg_next(r) >> 11) * 0x1p-53;
} /* [0, 1) */

/* X(enum, name): the first three serve every type, the others make texts. */
/* clang-format off */
#define DG_STRATEGIES(X)                                                                                               \
    X(INCREMENT, "increment") X(UNIFORM, "uniform") X(ZIPF, "zipf") X(WORD, "word") X(WORDS, "words")                  \
    X(SENTENCE, "sentence") X(SENTENCES, "sentences") X(PARAGRAPH, "paragraph") X(PARAGRAPHS, "paragraphs")            \
    X(FIRST_NAME, "first_name") X(LAST_NAME, "last_name") X(TITLE, "title") X(SUFFIX, "suffix") X(NAME, "name")        \
    X(NAME_WITH_TITLE, "name_with_title") X(DOMAIN_SUFFIX, "domain_suffix") X(EMAIL, "email") X(USERNAME, "username")  \
    X(PASSWORD, "password") X(FIELD, "field") X(POSITION, "position") X(SENIORITY, "seniority")                        \
    X(JOB_TITLE, "job_title") X(IPV4, "ipv4") X(IPV6, "ipv6") X(IP, "ip") X(MAC_ADDRESS, "mac_address")                \
    X(USER_AGENT, "user_agent") X(RFC_STATUS_CODE, "rfc_status_code") X(VALID_STATUS_CODE, "valid_status_code")        \
    X(COMPANY_SUFFIX, "company_suffix") X(COMPANY_NAME, "company_name") X(BUZZWORD, "buzzword")                        \
    X(BUZZWORD_MIDDLE, "buzzword_middle") X(BUZZWORD_TAIL, "buzzword_tail") X(CATCH_PHRASE, "catch_phrase")            \
    X(BS_VERB, "bs_verb") X(BS_ADJ, "bs_adj") X(BS_NOUN, "bs_noun") X(BS, "bs") X(PROFESSION, "profession")            \
    X(INDUSTRY, "industry") X(CURRENCY_CODE, "currency_code") X(CURRENCY_NAME, "currency_name")                        \
    X(CURRENCY_SYMBOL, "currency_symbol") X(CREDIT_CARD_NUMBER, "credit_card_number") X(CITY_PREFIX, "city_prefix")    \
    X(CITY_SUFFIX, "city_suffix") X(CITY_NAME, "city_name") X(COUNTRY_NAME, "country_name")                            \
    X(COUNTRY_CODE, "country_code") X(STREET_SUFFIX, "street_suffix") X(STREET_NAME, "street_name")                    \
    X(TIME_ZONE, "time_zone") X(STATE_NAME, "state_name") X(STATE_ABBR, "state_abbr")                                  \
    X(SECONDARY_ADDRESS_TYPE, "secondary_address_type") X(SECONDARY_ADDRESS, "secondary_address")                      \
    X(ZIP_CODE, "zip_code") X(POST_CODE, "post_code") X(BUILDING_NUMBER, "building_number") X(LATITUDE, "latitude")    \
    X(LONGITUDE, "longitude") X(ISBN, "isbn") X(ISBN13, "isbn13") X(ISBN10, "isbn10") X(PHONE_NUMBER, "phone_number")  \
    X(CELL_NUMBER, "cell_number") X(FILE_PATH, "file_path") X(FILE_NAME, "file_name")                                  \
    X(FILE_EXTENSION, "file_extension") X(DIR_PATH, "dir_path")
/* clang-format on */
#define X(e, s) DG_##e,
typedef enum { DG_STRATEGIES(X) DG_STRATEGY_N } dg_strategy_t;
#undef X

/* A configured value, in the column's terms. */
typedef struct dg_value dg_value_t;
struct dg_value {
    bool null;
    hg_i128 i; /* integers, DECIMAL unscaled, temporals in the column's unit, BOOLEAN, UUID as a number */
    double d;
    hg_str_t s;
    dg_value_t *list; /* ARRAY, BINARY */
    uint32_t n;
};

typedef struct dg_field dg_field_t;
struct dg_field {
    const hg_type_t *type;
    const char *name; /* for messages */
    dg_strategy_t strategy;
    bool has_range, always_null;
    hg_i128 lo, hi; /* half-open; lengths for texts, arrays, binaries */
    hg_u128 span;   /* hi - lo */
    double dlo, dhi;
    int64_t scale, e;
    uint32_t null_percentage;
    dg_value_t *values;
    uint32_t n_values;
    bool has_values;
    dg_field_t *sub; /* ARRAY, BINARY: [0] element; MAP: [0] key, [1] value; ROW: members */
    uint32_t n_sub;
};

typedef struct dg_plan {
    uint64_t limit;     /* UINT64_MAX = none */
    uint64_t rate;      /* rows per second, 0 = unlimited */
    uint64_t chunk;     /* rows per batch at most */
    dg_field_t *fields; /* one per column */
    size_t overhead;    /* bytes of a row's JSON object beside the values */
} dg_plan_t;

/* Any thread. Reads the `plan` option (NULL = [{}]). Everything lives in the arena. */
int dg_plans_make(hg_arena_t *a, const hg_json_t *plan, const hg_schema_t *schema, dg_plan_t **ret, uint32_t *ret_n,
                  hg_err_t *err);
/* Any thread, without a schema: shape and member names. */
void dg_plans_check(const hg_json_t *plan, hg_diag_t *d);
/* Any thread: what dg_plans_make would say, at the field it is about. */
void dg_plans_check_table(const hg_json_t *plan, const hg_schema_t *schema, hg_diag_t *d);

/* Any thread. Appends rows [first, first + n) to b; *bytes grows by the length of their JSON texts. */
int dg_rows(const dg_plan_t *p, uint64_t seed, uint64_t first, uint32_t n, hg_changeb_t *b, uint64_t *bytes,
            hg_err_t *err);

/* Zipf-distributed 1..n with exponent e >= 0. */
uint64_t dg_zipf(dg_rng_t *r, uint64_t n, int64_t e);

/* Text of one of the text strategies (>= DG_WORD). [lo, hi) is the count where the strategy has one. */
void dg_text(dg_rng_t *r, dg_strategy_t s, uint64_t lo, uint64_t hi, hg_buf_t *out);

#endif
