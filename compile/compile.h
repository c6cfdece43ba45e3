/* compile.h: program text → plan, connectors, schema, messages. Milliseconds, no files, no network, any thread.
 *
 * Names, types, connector options (through the registry), labels and hand-off are all checked here; what a pipeline can
 * still refuse at start is only what the surroundings decide.
 */
#ifndef HG_COMPILE_COMPILE_H
#define HG_COMPILE_COMPILE_H

#include "connectors/spec.h"
#include "engine/plan.h"

/* One message, in Feldera's shape (sql §4). */
typedef struct hg_msg {
    bool warning;
    hg_pos_t pos; /* start and inclusive end; line 0 = unknown */
    const char *error_type;
    const char *message;
    /* Further places for people, not in Feldera's JSON ("'x' is carried by price.hist (6:9)"). */
    const char *note;
} hg_msg_t;

typedef struct hg_program {
    hg_arena_t *arena; /* everything below lives in it, the program text included */
    hg_str_t text;
    bool ok;         /* no errors: plan and connectors are complete */
    bool unresolved; /* a reference stands for nothing */
    const hg_msg_t *msgs;
    uint32_t n_msgs, n_errors, n_warnings;
    hg_plan_t plan;
    const hg_conn_spec_t *conns; /* inputs first, each in declaration order */
    uint32_t n_conns, n_inputs;
    const hg_orch_conn_t *orch; /* of the inputs, same order */
    bool unknown_label_warns;
} hg_program_t;

/* References to what is not in the program, whole strings: ${env:NAME}, ${secret:kubernetes:<name>/<key>}. */
typedef enum {
    HG_REF_NONE,
    HG_REF_ENV,    /* name */
    HG_REF_SECRET, /* name, key */
    HG_REF_BAD_ENV,
    HG_REF_BAD_PROVIDER,
    HG_REF_BAD_SECRET,
} hg_ref_kind_t;
hg_ref_kind_t hg_reference(hg_str_t s, hg_str_t *ret_name, hg_str_t *ret_key); /* any thread; borrows s */
/* The value, in the arena. A failure's message names the reference and what is missing, never a value. */
typedef int (*hg_resolve_fn)(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err);

typedef struct hg_compile_opts {
    const char *file;                /* for people: "price.sql"; NULL in the API */
    bool strict;                     /* warnings of connector options become errors */
    const char *udf_rust, *udf_toml; /* non-blank: refused */
    hg_resolve_fn resolve;           /* NULL: references are checked and stay as they are */
    void *resolve_arg;
} hg_compile_opts_t;

/* Never fails: errors are messages. Free with hg_program_free. */
hg_program_t *hg_compile(hg_str_t text, const hg_compile_opts_t *opts);
void hg_program_free(hg_program_t *p);

/* {"schema": {inputs, outputs}, "input_connectors": {…}, "output_connectors": {…}, …} as rest-api §2.5; only if ok. */
void hg_program_info_json(const hg_program_t *p, hg_jw_t *w);
/* {"inputs": […], "outputs": […]} */
void hg_program_schema_json(const hg_program_t *p, hg_jw_t *w);
/* {"calcite_plan": {view: {"rels": […]}}, "mir": {id: node}} as rest-api §6.13; only if ok. Allocates in p's arena. */
void hg_program_dataflow_json(const hg_program_t *p, hg_jw_t *w);
/* {"exit_code": 0|1, "messages": […]} as sql §4.1, snippets included. */
void hg_program_messages_json(const hg_program_t *p, hg_jw_t *w);
/* For people, as ux.md shows: file:line:col: error: …, excerpt, carets, notes. color: ANSI. */
void hg_program_messages_text(const hg_program_t *p, const char *file, bool color, hg_buf_t *out);
/* One number per relation of the plan: what it means, whatever the text looks like; a change upstream changes it too
 * (definition.c). Checkpoints compare them. ret: n_relations of them. */
void hg_program_definitions(const hg_program_t *p, uint64_t *ret);
/* Connector graph: "text", "dot", "mermaid". HG_EINVAL for another word. */
int hg_program_graph(const hg_program_t *p, const char *how, hg_buf_t *out, hg_err_t *err);

/* An ad-hoc statement against the program's relations; several stand in line. */
typedef enum { HG_QUERY_SELECT, HG_QUERY_INSERT } hg_query_kind_t;
typedef struct hg_query {
    hg_query_kind_t kind;
    const hg_node_t *root;     /* SELECT: the plan. INSERT: gives the rows in table column order */
    hg_schema_t schema;        /* result columns */
    uint32_t table;            /* INSERT */
    const uint32_t *relations; /* that it reads: take their snapshots first */
    uint32_t n_relations;
    struct hg_query *next; /* the statement after this INSERT; only the last one has a result */
} hg_query_t;
/* In the arena; borrows p. HG_EADHOC with Feldera's wording ("SQL error: …", non-materialized source) and position. */
int hg_compile_query(const hg_program_t *p, hg_arena_t *a, hg_str_t sql, hg_query_t **ret, hg_err_t *err);

#endif
