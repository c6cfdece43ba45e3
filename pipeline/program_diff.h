/* program_diff.h: what has changed between the program whose state a checkpoint holds and the one that is about to go
 * on with it, and what follows from that.
 *
 * Relations are compared by what they mean (compile/definition.c), so that comments and white space change nothing and
 * a change upstream changes everything behind it. Connectors are compared by name within their relation and by their
 * configuration, without `paused` and the members that only steer the flow. Pure: no I/O; any thread.
 */
#ifndef HG_PIPELINE_PROGRAM_DIFF_H
#define HG_PIPELINE_PROGRAM_DIFF_H

#include "base/json.h"
#include "compile/compile.h"

typedef enum { HG_DIFF_TABLES, HG_DIFF_VIEWS, HG_DIFF_INPUTS, HG_DIFF_OUTPUTS, HG_DIFF_KINDS } hg_diff_kind_t;
typedef enum { HG_DIFF_ADDED, HG_DIFF_REMOVED, HG_DIFF_MODIFIED, HG_DIFF_HOWS } hg_diff_how_t;

typedef struct hg_diff_names {
    hg_str_t *v;
    size_t n;
} hg_diff_names_t;

/* Per relation of the new program: unchanged: its rows are taken over. compute: a view that has to be evaluated over
 * what was taken over, for itself or for one behind it. source: a relation whose stored rows that evaluation reads.
 * follow: those, and the tables that begin empty, which it reads if rows come in while it is under way. */
typedef struct hg_program_diff {
    hg_diff_names_t names[HG_DIFF_KINDS][HG_DIFF_HOWS];
    bool any;
    bool *unchanged, *compute, *source, *follow;
    const char *refusal; /* why the changed program cannot go on with the state; NULL: it can */
} hg_program_diff_t;

/* definitions: of hg_program_definitions(p). saved: an object with the members that hg_program_shape_json writes. All
 * of *ret lives in the arena; names are borrowed from p and saved. */
void hg_program_diff(const hg_program_t *p, const uint64_t *definitions, const hg_json_t *saved, hg_arena_t *a,
                     hg_program_diff_t *ret);
/* Feldera's PipelineDiff (sql §8). */
void hg_program_diff_json(const hg_program_diff_t *d, hg_jw_t *w);
/* "modified tables: t; added views: v, w" */
void hg_program_diff_text(const hg_program_diff_t *d, hg_buf_t *out);

/* The member "relations" of the manifest. */
void hg_program_relations_json(const hg_program_t *p, const uint64_t *definitions, hg_jw_t *w);
/* The members "relations", "inputs" and "outputs", as far as they are compared; inside an object. */
void hg_program_shape_json(const hg_program_t *p, const uint64_t *definitions, hg_jw_t *w);
/* A number for all of that: equal where there is no difference. */
uint64_t hg_program_hash(const hg_program_t *p, const uint64_t *definitions);
/* A number that changes with the connector's configuration: the order of members, `paused` and the members of flow
 * control do not count. */
uint64_t hg_connector_hash(const hg_conn_spec_t *spec);

/* A number as 16 hexadecimal digits under this key. */
void hg_jw_khex(hg_jw_t *w, const char *key, uint64_t v);
bool hg_json_get_hex(const hg_json_t *obj, const char *key, uint64_t *ret);
/* The element of an array of objects with this "name", or NULL. */
const hg_json_t *hg_json_named(const hg_json_t *list, hg_str_t name);

/* What `headgate compile` answers about a program that may go on with the state in `storage` (a folder; not there, or
 * without a checkpoint: compared with `baseline`, a program's text). Writes one JSON value: Feldera's PipelineDiff.
 * Reads files, and may do so while a pipeline writes there. */
int hg_program_diff_ask(const hg_program_t *p, const char *storage, hg_str_t baseline, hg_jw_t *w, hg_err_t *err);

#endif
