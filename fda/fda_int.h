/* fda_int.h: what the files of the command line client share.
 *
 * One process runs one command: memory comes from one arena and goes with the process. Every command returns the exit
 * code: 0 done, 1 refused or failed (one sentence is on stderr), 2 wrong usage.
 */
#ifndef HG_FDA_FDA_INT_H
#define HG_FDA_FDA_INT_H

#include "base/json.h"
#include "fda/cli.h"

typedef enum { FDA_TEXT, FDA_JSON, FDA_ARROW_IPC, FDA_PARQUET, FDA_PROMETHEUS, FDA_HASH } fda_format_t;

struct fda {
    hg_arena_t *arena;
    const char *host; /* without a final slash */
    const char *tls_cert;
    const char *const *headers; /* of every request; NULL-ended */
    uint64_t timeout_ms;        /* 0 = none */
    uint32_t retries;
    fda_format_t format;
    bool insecure;
};

/* --- http.c: requests --- */
enum {
    FDA_ONCE = HG_BIT(0),     /* not safe to repeat once it may have arrived */
    FDA_NO_RETRY = HG_BIT(1), /* the caller asks again by itself */
    FDA_QUIET = HG_BIT(2),    /* say nothing when the server refuses: status and message are in fda_answer_t */
};

typedef struct fda_answer {
    int status;
    hg_str_t text;
    const hg_json_t *json; /* NULL: no body, or no JSON */
    const char *message;   /* of a refusal: the server's sentence */
    const char *code;      /* of a refusal: error_code; "" if none */
} fda_answer_t;

/* "/v0/pipelines/%s/…" with every %s percent-encoded. */
const char *fda_path(fda_t *f, const char *fmt, ...) HG_PRINTF(2, 3);

/* 0 for a 2xx answer; 1 after "what: why" went to stderr. `what` = "Failed to list pipelines". body.p NULL = none.
 * fda_get expects JSON in the answer and complains when there is none. */
int fda_call(fda_t *f, const char *what, const char *method, const char *path, hg_str_t body, unsigned flags,
             fda_answer_t *ret);
int fda_get(fda_t *f, const char *what, const char *path, unsigned flags, const hg_json_t **ret);
int fda_post(fda_t *f, const char *what, const char *path); /* without body; safe to repeat */

/* Copies a streamed answer to stdout. first_ms/idle_ms > 0: done when nothing has come for that long, before and after
 * the first byte. */
int fda_stream(fda_t *f, const char *what, const char *path, uint64_t first_ms, uint64_t idle_ms);

/* "what: msg" on stderr, with a hint when the server cannot be reached. Returns 1. */
int fda_fail(fda_t *f, const char *what, const hg_err_t *err);
int fda_error(const char *fmt, ...) HG_PRINTF(1, 2); /* one sentence on stderr. Returns 1 */

/* --- print.c: JSON and tables --- */
/* As the real one prints: two blanks, members sorted, members that are null left out. Inside `runtime_config` (and in
 * the whole value if `verbatim`) order and nulls stay. */
void fda_print_json(const hg_json_t *v, bool verbatim);

/* Nested tables. ALIGNED: keys of one object share a column, plain text. SPREAD: every row fills the width by itself,
 * text in quotes, members that are null left out. */
typedef enum { FDA_ALIGNED, FDA_SPREAD } fda_table_t;
void fda_print_nested(const hg_json_t *v, fda_table_t kind);

/* text[row * cols + col], row 0 is the header. */
void fda_print_box(const char *const *text, size_t rows, size_t cols);

/* --- rows.c: which members of an object, under which heading; a table of columns ends with .head == NULL --- */
typedef enum {
    FDA_COL_TEXT,     /* as it is; empty if it is not there */
    FDA_COL_OPTIONAL, /* "(none)" if it is not there */
    FDA_COL_TIME,     /* RFC 3339, and how long ago */
    FDA_COL_YES_NO,
} fda_col_kind_t;
typedef struct fda_col {
    const char *head, *path;
    fda_col_kind_t kind;
} fda_col_t;
void fda_print_rows(fda_t *f, const hg_json_t *const *rows, size_t n, const fda_col_t *cols);
/* A list as a table, an object as a table of fields; as JSON if that is wanted. Returns the exit code. */
int fda_print_list(fda_t *f, const hg_json_t *list, const fda_col_t *cols);
int fda_print_fields(fda_t *f, const hg_json_t *v, const fda_col_t *cols);

/* Members as a table (FDA_TEXT) or as JSON (FDA_JSON); any other format is refused. Returns the exit code. */
int fda_print_value(fda_t *f, const hg_json_t *v, fda_table_t kind, bool verbatim);
int fda_unsupported(fda_t *f);
const char *fda_format_name(fda_format_t f);

/* 1,204,331 */
const char *fda_thousands(fda_t *f, const char *digits);
const char *fda_duration(fda_t *f, uint64_t msecs); /* "2 s", "3 min", "1 h 5 min" */

/* Colour on a terminal without NO_COLOR; s padded to `width` either way. */
typedef enum { FDA_PLAIN, FDA_GREEN, FDA_YELLOW, FDA_RED, FDA_DIM } fda_paint_t;
const char *fda_paint(fda_t *f, fda_paint_t paint, const char *s, size_t width);
size_t fda_width(const char *s); /* columns on the screen */

/* --- state.c: connectors as GET …/orchestration shows them --- */
int fda_orchestration(fda_t *f, const char *pipeline, unsigned flags, const hg_json_t **ret);
const hg_json_t *fda_orch_find(const hg_json_t *orch, const char *connector);        /* NULL if there is none */
const char *fda_orch_state(fda_t *f, const hg_json_t *node, fda_paint_t *ret_paint); /* "waiting for price.hist" */
const char *fda_orch_progress(fda_t *f, const hg_json_t *node); /* "78 %, 2 s left"; "" if the size is not known */
const char *fda_clock(fda_t *f, const char *rfc3339);           /* local "09:14:02", with the date if it is not today */

/* --- cmd_change.c: the pipeline waits in AwaitingApproval: why, and what to do --- */
int fda_tell_approval(fda_t *f, const hg_json_t *pipeline);

/* --- cmd_pipeline.c --- */
int fda_clear_pipeline(fda_t *f, const char *name); /* and waits until it is; says so */

/* --- cmd_connector.c: the connector that the command is about --- */
int fda_find_connector(fda_t *f, const fda_args_t *a, bool *ret_input); /* 1 after a complaint */
const char *fda_connector_path(fda_t *f, const fda_args_t *a, bool input, const char *action);

/* --- common.c: what several commands do --- */
const hg_json_t *fda_member(const hg_json_t *v, const char *path); /* "a.b.c"; NULL if absent or null */
const char *fda_text(const hg_json_t *v, const char *path, const char *dflt);
const char *fda_digits(const hg_json_t *v, const char *path, const char *dflt); /* a number as written */
int fda_pipeline(fda_t *f, const char *what, const char *name, bool all, const hg_json_t **ret);

/* A relation as the pipeline names it, from what the user typed ("Big" with or without its quotes), and as a segment of
 * a path, where a name that is not all lower case needs them. */
const char *fda_relation(fda_t *f, const char *word);
const char *fda_relation_segment(fda_t *f, const char *relation);

int fda_read_file(const char *path, hg_buf_t *text);                        /* "-" = stdin. 1 after a complaint */
int fda_read_program(const fda_args_t *a, hg_buf_t *text, bool *ret_given); /* PROGRAM_PATH or --stdin */
int fda_read_git(fda_t *f, const fda_args_t *a, hg_buf_t *text); /* the file that --git names; an exit code */
int fda_put_file(hg_jw_t *w, const char *key, const char *path); /* nothing if path is NULL */

/* ask(f, arg) with an arena of its own that is freed after it: for questions that are asked again and again. */
int fda_once(fda_t *f, int (*ask)(fda_t *f, void *arg), void *arg);
void fda_pause_ms(uint64_t ms);
uint64_t fda_now_ms(void); /* monotonic */

extern const fda_opt_t fda_global_opts[];

extern const fda_cmd_t fda_apikey_cmds[], fda_tenant_cmds[], fda_member_cmds[],
    fda_trust_cmds[]; /* commands_access.c */

/* One table of commands per file; commands.c joins them. */
int fda_cmd_shell(fda_t *f, const fda_args_t *a);
int fda_cmd_bench(fda_t *f, const fda_args_t *a);
int fda_cmd_completion(fda_t *f, const fda_args_t *a);
int fda_cmd_pipelines(fda_t *f, const fda_args_t *a);
int fda_cmd_create(fda_t *f, const fda_args_t *a);
int fda_cmd_copy(fda_t *f, const fda_args_t *a);
int fda_cmd_start(fda_t *f, const fda_args_t *a);
int fda_cmd_pause(fda_t *f, const fda_args_t *a);
int fda_cmd_resume(fda_t *f, const fda_args_t *a);
int fda_cmd_stop(fda_t *f, const fda_args_t *a);
int fda_cmd_restart(fda_t *f, const fda_args_t *a);
int fda_cmd_checkpoint(fda_t *f, const fda_args_t *a);
int fda_cmd_checkpoints(fda_t *f, const fda_args_t *a);
int fda_cmd_start_transaction(fda_t *f, const fda_args_t *a);
int fda_cmd_commit_transaction(fda_t *f, const fda_args_t *a);
int fda_cmd_diff(fda_t *f, const fda_args_t *a);
int fda_cmd_validate(fda_t *f, const fda_args_t *a);
int fda_cmd_activate(fda_t *f, const fda_args_t *a);
int fda_cmd_approve(fda_t *f, const fda_args_t *a);
int fda_cmd_clear(fda_t *f, const fda_args_t *a);
int fda_cmd_delete(fda_t *f, const fda_args_t *a);
int fda_cmd_dismiss(fda_t *f, const fda_args_t *a);
int fda_cmd_status(fda_t *f, const fda_args_t *a);
int fda_cmd_tags(fda_t *f, const fda_args_t *a);
int fda_cmd_set_tags(fda_t *f, const fda_args_t *a);
int fda_cmd_program_get(fda_t *f, const fda_args_t *a);
int fda_cmd_program_set(fda_t *f, const fda_args_t *a);
int fda_cmd_program_config(fda_t *f, const fda_args_t *a);
int fda_cmd_program_set_config(fda_t *f, const fda_args_t *a);
int fda_cmd_program_status(fda_t *f, const fda_args_t *a);
int fda_cmd_program_errors(fda_t *f, const fda_args_t *a);
int fda_cmd_program_info(fda_t *f, const fda_args_t *a);
int fda_cmd_config(fda_t *f, const fda_args_t *a);
int fda_cmd_set_config(fda_t *f, const fda_args_t *a);
int fda_cmd_stats(fda_t *f, const fda_args_t *a);
int fda_cmd_metrics(fda_t *f, const fda_args_t *a);
int fda_cmd_logs(fda_t *f, const fda_args_t *a);
int fda_cmd_query(fda_t *f, const fda_args_t *a);
int fda_cmd_token(fda_t *f, const fda_args_t *a);
int fda_cmd_token_status(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_start(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_pause(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_stats(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_why(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_position(fda_t *f, const fda_args_t *a);
int fda_cmd_connector_rerun(fda_t *f, const fda_args_t *a);
int fda_cmd_apikey_list(fda_t *f, const fda_args_t *a);
int fda_cmd_apikey_create(fda_t *f, const fda_args_t *a);
int fda_cmd_apikey_delete(fda_t *f, const fda_args_t *a);
int fda_cmd_tenant_list(fda_t *f, const fda_args_t *a);
int fda_cmd_tenant_get(fda_t *f, const fda_args_t *a);
int fda_cmd_tenant_create(fda_t *f, const fda_args_t *a);
int fda_cmd_tenant_rename(fda_t *f, const fda_args_t *a);
int fda_cmd_tenant_delete(fda_t *f, const fda_args_t *a);
int fda_cmd_member_list(fda_t *f, const fda_args_t *a);
int fda_cmd_member_add(fda_t *f, const fda_args_t *a);
int fda_cmd_member_set_role(fda_t *f, const fda_args_t *a);
int fda_cmd_member_remove(fda_t *f, const fda_args_t *a);
int fda_cmd_trust_list(fda_t *f, const fda_args_t *a);
int fda_cmd_trust_create(fda_t *f, const fda_args_t *a);
int fda_cmd_trust_delete(fda_t *f, const fda_args_t *a);
int fda_cmd_events(fda_t *f, const fda_args_t *a);
int fda_cmd_event(fda_t *f, const fda_args_t *a);
int fda_cmd_cluster_events(fda_t *f, const fda_args_t *a);
int fda_cmd_cluster_event(fda_t *f, const fda_args_t *a);
int fda_cmd_cluster_health(fda_t *f, const fda_args_t *a);
int fda_cmd_git(fda_t *f, const fda_args_t *a);
int fda_cmd_cluster_config(fda_t *f, const fda_args_t *a);
int fda_cmd_update_runtime(fda_t *f, const fda_args_t *a);
int fda_cmd_compaction(fda_t *f, const fda_args_t *a);
int fda_cmd_rebalance(fda_t *f, const fda_args_t *a);
int fda_cmd_unbundle(fda_t *f, const fda_args_t *a);
int fda_cmd_clock(fda_t *f, const fda_args_t *a);
int fda_cmd_bundle(fda_t *f, const fda_args_t *a);
int fda_cmd_circuit_profile(fda_t *f, const fda_args_t *a);
int fda_cmd_heap_profile(fda_t *f, const fda_args_t *a);
int fda_cmd_msgp_cat(fda_t *f, const fda_args_t *a);
int fda_cmd_debug_metrics(fda_t *f, const fda_args_t *a);
int fda_cmd_graph(fda_t *f, const fda_args_t *a);
int fda_cmd_wait(fda_t *f, const fda_args_t *a);
int fda_cmd_top(fda_t *f, const fda_args_t *a);

#endif
