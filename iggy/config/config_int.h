/* config_int.h: between the files of iggy/config/. */
#ifndef HG_IGGY_CONFIG_CONFIG_INT_H
#define HG_IGGY_CONFIG_CONFIG_INT_H

#include "iggy/config/config.h"

#define IGC_MAX_FILE ((size_t)1 << 20)
#define IGC_RUNTIME  "IGGY_CONNECTORS_"

/* --- tree.c: one text as a tree, and where its nodes came from --- */
typedef struct igc_origin { /* a node that the environment put there */
    const hg_json_t *node;
    const char *var;
} igc_origin_t;

typedef struct igc_tree {
    hg_arena_t *a;    /* of everything in it */
    const char *file; /* path or URL */
    hg_str_t text;
    uint32_t line, col; /* where the text begins in the file, from 1; 0: at its beginning */
    hg_json_t *root;
    igc_origin_t *origins;
    uint32_t n_origins;
} igc_tree_t;

/* Empty, in an arena of its own; file and text are copied. */
igc_tree_t *igc_tree_new(const char *file, hg_str_t text);
hg_pos_t igc_where(const igc_tree_t *t, const hg_json_t *node, bool at_key);

hg_json_t *igc_node(hg_arena_t *a, hg_jkind_t kind);
hg_json_t *igc_string(hg_arena_t *a, hg_str_t s);
/* The member, appended if it is not there (a copy of key). */
void igc_set(hg_arena_t *a, hg_json_t *obj, const char *key, hg_json_t *value);
void igc_append(hg_json_t *parent, hg_json_t *child);
hg_json_t *igc_member(hg_json_t *obj, const char *key); /* hg_json_get, to write to */
/* obj.key, made an object if it is absent; NULL: it is something else. */
hg_json_t *igc_object(hg_arena_t *a, hg_json_t *obj, const char *key);
void igc_remove(hg_json_t *obj, const char *key);

/* Complaints of option tables about a tree, on their way to notes; the first error is kept. */
typedef struct igc_diag {
    hg_diag_t d; /* for hg_opts_parse and hg_diag */
    const igc_tree_t *tree;
    hg_iggy_notes_t notes;
    hg_err_t *err;
    char first[600]; /* "file:3:7: message" of the first error */
} igc_diag_t;
void igc_diag_init(igc_diag_t *d, const igc_tree_t *tree, hg_iggy_notes_t notes, hg_err_t *err);
/* An error or warning that belongs to no node. */
void igc_note(hg_iggy_notes_t notes, bool warning, hg_pos_t pos, const char *fmt, ...) HG_PRINTF(4, 5);

/* --- toml.c --- */
/* Parses t->text into t->root. On failure err->pos is set. */
int igc_toml(igc_tree_t *t, hg_err_t *err);

/* --- render.c --- */
/* A copy whose secrets are "***": text below a member with a secret's name, and passwords in URLs. */
hg_json_t *igc_redact(hg_arena_t *a, const hg_json_t *v);
/* An object as a TOML document, in its order. HG_EUNSUPPORTED: null, or a document that is no object. */
int igc_toml_write(const hg_json_t *doc, hg_buf_t *out, hg_err_t *err);
void igc_yaml_write(const hg_json_t *doc, hg_buf_t *out);

/* --- env.c --- */
typedef struct igc_env {
    hg_iggy_env_t env;
    char *used; /* per variable: something took it */
    uint32_t n;
} igc_env_t;
const char *igc_env_get(hg_iggy_env_t env, const char *name); /* NULL: unset */
void igc_env_init(igc_env_t *e, hg_arena_t *a, hg_iggy_env_t env);
/* The options of table from PREFIX + NAME, each converted to its declared type (HG_OPT_JSON ones are not looked up,
 * empty values count as unset), into the object at path ("http.cors", "" = obj), which is made when it is needed. */
void igc_env_apply(igc_env_t *e, igc_tree_t *t, const char *prefix, const hg_opt_t *table, hg_json_t *obj,
                   const char *path, igc_diag_t *d);
/* PREFIX<i>_NAME into the array obj.member, merged by index; an index behind its end adds entries. */
void igc_env_apply_array(igc_env_t *e, igc_tree_t *t, const char *prefix, const hg_opt_t *table, hg_json_t *obj,
                         const char *member, igc_diag_t *d);
/* PREFIX<FIELD> for any field but `skip` (or NULL): obj.member.<field in lower case>, typed by its look, as Iggy's
 * runtime does. */
void igc_env_apply_free(igc_env_t *e, igc_tree_t *t, const char *prefix, hg_json_t *obj, const char *member,
                        const char *skip);
/* One text by its name; false: unset. */
bool igc_env_apply_one(igc_env_t *e, igc_tree_t *t, const char *name, hg_json_t *obj, const char *member);

/* --- connector.c --- */
/* Takes t over (its arena dies with the configuration). kind and key are known; version and the rest are read. With
 * errors it answers a configuration with .error. env NULL: no overrides. */
hg_iggy_connector_config_t *igc_connector_new(igc_tree_t *t, hg_iggy_kind_t kind, const char *key,
                                              const hg_iggy_own_config_t *own, igc_env_t *env, hg_iggy_notes_t notes);
void igc_connector_doc(hg_buf_t *out);
/* May it be part of a file's name and of a path of the API? */
bool igc_key_valid(hg_str_t key);
/* The text of a file with this configuration; members that are null are taken out of it. */
int igc_connector_toml(hg_json_t *root, hg_buf_t *out, hg_err_t *err);

/* --- runtime.c --- */
/* A warning about the variable that nothing took, with the nearest of `names` (NULL-ended). */
void igc_env_unknown(hg_iggy_notes_t notes, hg_str_t var, const char *const *names);

/* --- providers: provider.c speaks to one of two --- */
typedef struct igc_provider_ops {
    int (*open)(const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes, void **ret, hg_err_t *err);
    int (*active)(void *self, hg_iggy_configs_t *ret, hg_err_t *err);
    int (*active_one)(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_connector_config_t **ret, hg_err_t *err);
    int (*versions)(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_configs_t *ret, hg_err_t *err);
    int (*get)(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_iggy_connector_config_t **ret,
               hg_err_t *err);
    int (*activate)(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_err_t *err);
    int (*create)(void *self, hg_iggy_kind_t k, const char *key, hg_str_t body, hg_iggy_connector_config_t **ret,
                  hg_err_t *err);
    int (*remove)(void *self, hg_iggy_kind_t k, const char *key, const uint64_t *version, hg_err_t *err);
    void (*cancel)(void *self); /* or NULL: nothing waits */
    void (*free)(void *self);
} igc_provider_ops_t;
extern const igc_provider_ops_t igc_local_ops, igc_http_ops;

/* --- http_answer.c --- */
typedef enum {
    IGC_ACTIVE, /* {"sinks": {KEY: …}, "sources": {KEY: …}} */
    IGC_LIST,   /* of one connector */
    IGC_ONE     /* null: none */
} igc_answer_t;
typedef struct igc_asked {
    const hg_iggy_runtime_config_t *cfg;
    hg_iggy_notes_t notes;
    const char *url;
    hg_iggy_kind_t kind;
    const char *key; /* NULL: each configuration says its own */
} igc_asked_t;
int igc_http_answer(const igc_asked_t *q, igc_answer_t shape, hg_str_t text, hg_iggy_configs_t *ret, hg_err_t *err);

/* The body by which the API is given a version, with type, key and version added: checked, and its tree, which lives
 * with *ret. HG_EPARSE, HG_ETYPE: it is none. */
int igc_connector_body(hg_iggy_kind_t kind, const char *key, uint64_t version, hg_str_t body,
                       const hg_iggy_own_config_t *own, igc_tree_t **ret_tree, hg_iggy_connector_config_t **ret,
                       hg_err_t *err);
/* Members that may be absent, as null: what Iggy's runtime sends to a service. */
void igc_connector_nulls(igc_tree_t *t, hg_iggy_kind_t kind);

void igc_configs_add(hg_iggy_configs_t *l, hg_iggy_connector_config_t *c); /* takes a reference of its own */
void igc_configs_sort(hg_iggy_configs_t *l);
int igc_no_version(hg_err_t *err, hg_iggy_kind_t k, const char *key, const uint64_t *version);

#endif
