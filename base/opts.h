/* opts.h: option tables. One table per connector, format or runtime section: it parses and checks a JSON object into a
 * plain struct, names the nearest option for a typo, redacts secrets, and prints the documentation.
 *
 * The struct that is filled must start zeroed; strings and lists live in the arena.
 */
#ifndef HG_BASE_OPTS_H
#define HG_BASE_OPTS_H

#include "base/json.h"

typedef enum {
    HG_OPT_STR,      /* const char * */
    HG_OPT_BOOL,     /* bool */
    HG_OPT_U32,      /* uint32_t, .min/.max */
    HG_OPT_U64,      /* uint64_t, .min/.max (max 0 = none) */
    HG_OPT_I64,      /* int64_t */
    HG_OPT_F64,      /* double */
    HG_OPT_ENUM,     /* int: index in .names ("earliest|latest") */
    HG_OPT_STRLIST,  /* hg_strlist_t; a single string is a list of one if HG_OPT_ONE_OR_MANY */
    HG_OPT_JSON,     /* const hg_json_t *: checked by the owner */
    HG_OPT_DURATION, /* uint64_t milliseconds, from a number of milliseconds or "500ms", "30s", "5m" */
} hg_opt_type_t;

enum {
    HG_OPT_REQUIRED = 1 << 0,
    HG_OPT_SECRET = 1 << 1,     /* never printed: stats, logs, errors show "***" */
    HG_OPT_DEPRECATED = 1 << 2, /* accepted with a warning; .doc says what to use */
    HG_OPT_ONE_OR_MANY = 1 << 3,
    HG_OPT_PROGRAM_ONLY = 1 << 5, /* an HTTP request that brings its own options may not give it */
    HG_OPT_IGNORED = 1 << 4,  /* known to Feldera, without effect here: a warning where it is given; .doc says why */
    HG_OPT_METADATA = 1 << 6, /* asks for a member of CONNECTOR_METADATA() */
};

typedef struct hg_strlist {
    const char **v;
    uint32_t n;
} hg_strlist_t;

typedef struct hg_opt {
    const char *key;
    hg_opt_type_t type;
    size_t at;     /* offsetof in the struct */
    size_t set_at; /* offsetof of a bool that tells whether the option was given; 0 = not wanted */
    unsigned flags;
    const char *names; /* HG_OPT_ENUM */
    const char *def;   /* default as JSON text without quotes for strings; NULL = zero */
    uint64_t min, max;
    const char *unit; /* "bytes", "ms", … for the documentation */
    const char *doc;  /* one or two sentences */
} hg_opt_t;           /* the table ends with .key == NULL */

/* What to do with members that the table does not name. */
typedef enum {
    HG_EXTRA_WARN,   /* a warning that names the nearest option */
    HG_EXTRA_REFUSE, /* an error */
    HG_EXTRA_TAKE,   /* collected into *extra (flattened options, e.g. librdkafka's): values must be strings, numbers or
                        booleans */
} hg_extra_t;

typedef struct hg_kv {
    const char *key, *value;
    const hg_json_t *node;
} hg_kv_t;
typedef struct hg_kvlist {
    hg_kv_t *v;
    uint32_t n;
} hg_kvlist_t;

/* Collects complaints with their node, so that the caller can point into the text that held it. */
typedef struct hg_diag hg_diag_t;
typedef void (*hg_diag_fn)(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg);
struct hg_diag {
    hg_diag_fn fn;
    void *arg;
    unsigned errors, warnings;
};
void hg_diag(hg_diag_t *d, bool warning, const hg_json_t *node, bool at_key, const char *fmt, ...) HG_PRINTF(5, 6);

/* obj may be NULL (= {}): required options are then reported at `where`. All complaints go to d; returns 0 if there
 * was no error among them, else HG_EINVAL. */
int hg_opts_parse(const hg_opt_t *table, const hg_json_t *obj, const hg_json_t *where, hg_extra_t extra_mode,
                  hg_kvlist_t *extra, hg_arena_t *a, void *cfg, hg_diag_t *d);

/* The object as text with secret members shown as "***" (members that the table does not know are judged by name:
 * password, secret, token, key material). */
void hg_opts_redact(const hg_opt_t *table, const hg_json_t *obj, hg_buf_t *out);
bool hg_secret_name(hg_str_t key);

/* Markdown table of the options. */
void hg_opts_doc(const hg_opt_t *table, hg_buf_t *out);

#endif
