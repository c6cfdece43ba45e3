/* manager_int.h: what the files of the manager share. Everything here runs on the control loop. */
#ifndef HG_MANAGER_MANAGER_INT_H
#define HG_MANAGER_MANAGER_INT_H

#include "base/access.h"
#include "base/list.h"
#include "base/loop.h"
#include "manager/config_int.h"
#include "manager/record_int.h"
#include "manager/store_int.h"
#include "net/client.h"
#include "net/http.h"

#define HG_SOCKET_PATH_MAX 100
#define HG_KEY_HASH        32                 /* SHA-256 of an API key */
#define HG_BODY_MAX        ((size_t)64 << 20) /* JSON request bodies: a program may hold long connector lists */

typedef enum { HG_ROLE_READ, HG_ROLE_WRITE, HG_ROLE_ADMIN } hg_role_t; /* each may do what those before it may */

typedef struct hg_mg {
    hg_loop_t *loop;
    uv_loop_t *uv;
    hg_store_t *store;
    hg_http_server_t *http;
    hg_client_t *client;
    char *dir;        /* absolute */
    char *socket_dir; /* absolute, short */
    char *exe;
    hg_pl_t **pls; /* sorted by id = order of creation; each with a reference */
    size_t n_pls;
    int64_t started_us;
    char cluster_event_id[HG_UUID_CAP];
    hg_list_t asks;    /* hg_ask_t.link: questions under way */
    hg_list_t runs;    /* hg_run_t.link */
    hg_list_t follows; /* hg_follow_t.link: log streams */
    hg_list_t jobs;    /* hg_job_t.link: children running or queued, in order */
    unsigned jobs_running;
    bool closing, http_closed;
    struct hg_git_sync *git;         /* git_int.h; NULL: no repository is followed */
    bool auth;                       /* requests need a key */
    uint8_t admin_hash[HG_KEY_HASH]; /* if auth */
    const char *tls_cert, *tls_key;  /* NULL: plain HTTP */
    const hg_access_t *access;       /* what programs may reach; NULL: everything */
} hg_mg_t;

/* --- manager.c: the list of pipelines ---------------------------------------------------------------------------- */

hg_pl_t *hg_mg_find(hg_mg_t *mg, hg_str_t name); /* borrowed; NULL */
void hg_mg_add(hg_mg_t *mg, hg_pl_t *pl);        /* takes the reference */
void hg_mg_remove(hg_mg_t *mg, hg_pl_t *pl);     /* marks it gone, drops the reference */
void hg_mg_part_closed(hg_mg_t *mg);             /* the last part that closes stops the loop */
/* Writes what changed. A store that cannot be written is logged; memory stays ahead and the next write repairs it. */
void hg_mg_save(hg_mg_t *mg, hg_pl_t *pl, unsigned what);

/* --- reply.c: answers, each with its CORS headers ---------------------------------------------------------------- */

void hg_reply_json(hg_req_t *r, int status, const hg_buf_t *json); /* Cache-Control: no-cache */
void hg_reply_string(hg_req_t *r, int status, const char *text);   /* a JSON string */
void hg_reply_raw(hg_req_t *r, int status, const char *content_type, hg_str_t body);
void hg_reply_empty(hg_req_t *r, int status);
/* details: JSON, NULL = {}. A 503 tells when to come back. */
void hg_reply_error(hg_req_t *r, int status, const char *code, const char *details, const char *fmt, ...)
    HG_PRINTF(5, 6);
/* The same with header lines of its own. */
void hg_reply_error_with(hg_req_t *r, int status, const char *code, const char *details, const char *headers,
                         const char *fmt, ...) HG_PRINTF(6, 7);
void hg_reply_verdict(hg_req_t *r, const hg_verdict_t *v);
void hg_reply_err(hg_req_t *r, const hg_err_t *err);
void hg_reply_preflight(hg_req_t *r);
char *hg_reply_cors(hg_req_t *r, const char *more); /* header lines in the request's arena */

/* --- routes.c ---------------------------------------------------------------------------------------------------- */

#define HG_CAPTURES 4

typedef struct hg_call {
    hg_mg_t *mg;
    hg_req_t *r;
    hg_str_t cap[HG_CAPTURES]; /* {…} of the pattern, decoded, NUL-ended, in the request's arena */
    hg_pl_t *pl;               /* routes of a pipeline: it exists; borrowed for the call */
    const hg_json_t *body;     /* routes that take JSON: NULL if the body was empty */
    const char *arg;           /* of the route */
    hg_role_t role;            /* of whoever asks */
} hg_call_t;

typedef void (*hg_handler_t)(hg_call_t *c);

enum {
    HG_R_PIPELINE = 1 << 0, /* cap[0] names a pipeline: 404 if there is none */
    HG_R_BODY = 1 << 1,     /* read a JSON body first */
    HG_R_LIVE = 1 << 2,     /* the pipeline must be deployed: 503 if not */
    HG_R_OPEN = 1 << 3,     /* needs no key */
    HG_R_ADMIN = 1 << 4,    /* needs the role admin; else a GET needs read, anything that changes something write */
};

typedef struct hg_route {
    const char *method, *pattern; /* "v0/pipelines/{p}/start" */
    unsigned flags;
    hg_handler_t fn;
    const char *arg; /* free for the handler */
    const char *doc; /* one line of docs/api.md; NULL: not offered */
} hg_route_t;

void hg_routes_on_request(void *mg, hg_req_t *r);

/* routes.c: every table, in the order in which they are searched; ends with NULL. */
extern const hg_route_t *const hg_route_tables[];
extern const hg_route_t hg_pipeline_routes[]; /* pipelines_api.c */
extern const hg_route_t hg_lifecycle_routes[];
extern const hg_route_t hg_event_routes[];
extern const hg_route_t hg_position_routes[]; /* before proxy_routes.c, whose {action} takes any word */
extern const hg_route_t hg_bundle_routes[];
extern const hg_route_t hg_proxy_routes[];
extern const hg_route_t hg_program_routes[];
extern const hg_route_t hg_platform_routes[];
extern const hg_route_t hg_access_routes[];
extern const hg_route_t hg_git_routes[];

/* Parameter `name` as an index in names: absent = dflt; a value that is no name answers 400 and returns -1. */
int hg_call_enum(hg_call_t *c, const char *name, const char *const *names, int n, int dflt);
/* False after an answer of 400. */
bool hg_call_bool(hg_call_t *c, const char *name, bool dflt, bool *ret);

/* --- proxy_routes.c ---------------------------------------------------------------------------------------------- */

void hg_proxy_forward(hg_call_t *c);               /* to the process, which answers; the target is the route's arg */
const char *hg_proxy_endpoint(const hg_call_t *c); /* "<relation>.<connector>" of the path, in the request's arena */

/* --- *_api.c: what a support bundle takes from them --------------------------------------------------------------- */

void hg_config_json(hg_jw_t *w); /* as GET /v0/config */
/* Elements of an array: event_id NULL = all, newest first. all: with details. How many, or a code. */
int hg_events_json(hg_mg_t *mg, const hg_pl_t *pl, const char *event_id, bool all, hg_jw_t *w, hg_err_t *err);

/* --- ask.c: questions to a pipeline process ---------------------------------------------------------------------- */

typedef struct hg_ask hg_ask_t;
/* err->code 0: answered with status and body. Called once, unless cancelled. */
typedef void (*hg_ask_fn)(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err);

/* socket: path. NULL when it could not even begin; fn is not called then. */
hg_ask_t *hg_ask(hg_mg_t *mg, const char *socket, const char *method, const char *target, uint64_t timeout_ms,
                 hg_ask_fn fn, void *arg);
void hg_ask_cancel(hg_ask_t *ask);
void hg_ask_cancel_all(hg_mg_t *mg);

/* --- child.c: `headgate COMMAND [DIR]`, JSON in and out -------------------------------------------------------------
 */

typedef struct hg_job hg_job_t;
/* why NULL: the child ended well with this answer; borrowed for the call. */
typedef void (*hg_child_fn)(void *arg, hg_str_t answer, const char *why);
/* Queues it; takes the input over. what: a static text, "the compiler". begun (or NULL) is called when it leaves the
 * queue. */
hg_job_t *hg_child_run(hg_mg_t *mg, const char *what, const char *command, const char *dir, hg_buf_t *input,
                       void (*begun)(void *arg), hg_child_fn done, void *arg);
/* One that waits for a network: it begins at once, takes no place from others, and has ten minutes. */
hg_job_t *hg_child_run_aside(hg_mg_t *mg, const char *what, const char *command, hg_buf_t *input, hg_child_fn done,
                             void *arg);
void *hg_child_forget(hg_job_t *job); /* the call-backs will not come, the process is ended; returns their arg */
void hg_child_close(hg_mg_t *mg);     /* all of them end; done says so */

/* --- compile_client.c -------------------------------------------------------------------------------------------- */

typedef struct hg_compiled {
    const char *system_error; /* the compiler gave no answer: why; the rest is then unset */
    bool ok;
    const char *messages;     /* JSON: {"exit_code", "messages"} */
    const char *program_info; /* JSON, NULL if the program has errors */
    const char *dataflow;     /* hg_manager_dataflow: JSON, if the program has no errors */
    const char *diff;         /* hg_manager_diff: JSON; NULL: diff_error says why */
    const char *diff_error;
} hg_compiled_t;

typedef void (*hg_compiled_fn)(void *arg, const hg_compiled_t *res); /* res is borrowed for the call */

/* Queues a compilation. begun (or NULL) is called when it leaves the queue. */
hg_job_t *hg_manager_compile(hg_mg_t *mg, const char *program, const char *udf_rust, const char *udf_toml,
                             void (*begun)(void *arg), hg_compiled_fn done, void *arg);
/* As hg_manager_compile, with the graph of its operators. */
hg_job_t *hg_manager_dataflow(hg_mg_t *mg, const char *program, hg_compiled_fn done, void *arg);
/* As hg_manager_compile, with what a start of pl with this program would find changed: against its stored state, or
 * against its own program where there is none. */
hg_job_t *hg_manager_diff(hg_mg_t *mg, const hg_pl_t *pl, const char *program, hg_compiled_fn done, void *arg);
void hg_compile_forget(hg_job_t *job);              /* the call-backs will not come; the process is ended */
void hg_compile_pipeline(hg_mg_t *mg, hg_pl_t *pl); /* walks program_status; then kicks the runner */

/* --- deploy.c: files of a pipeline ------------------------------------------------------------------------------- */

char *hg_deploy_dir(const hg_mg_t *mg, const hg_pl_t *pl);                    /* caller frees */
char *hg_deploy_file(const hg_mg_t *mg, const hg_pl_t *pl, const char *name); /* caller frees */
void hg_deploy_socket(const hg_mg_t *mg, const char *deployment_id, char out[HG_SOCKET_PATH_MAX + 1]);
int hg_deploy_socket_dir(const char *data_dir, char **ret, hg_err_t *err);
int hg_deploy_mkdir(const char *path, hg_err_t *err);         /* fine if it exists */
int hg_deploy_write(hg_mg_t *mg, hg_pl_t *pl, hg_err_t *err); /* deployment.json; removes an old exit.json */

typedef struct hg_exit {
    bool found; /* exit.json of this deployment */
    bool retry; /* a new start may not meet this error */
    char reason[16];
    char message[480]; /* of the error */
    char *error;       /* JSON or NULL; caller frees */
} hg_exit_t;
void hg_deploy_read_exit(const hg_mg_t *mg, const hg_pl_t *pl, hg_exit_t *ret);
/* Who holds DIR/lock: 0 nobody, else the pid that stands in the file (-1 if none can be read). */
long hg_deploy_lock_holder(const hg_mg_t *mg, const hg_pl_t *pl);
/* {"checkpoints": […]} as the pipeline has left it on disk, or NULL if there is no list. Caller frees. */
char *hg_deploy_checkpoints(const hg_mg_t *mg, const hg_pl_t *pl);
/* A line of the manager's own in the pipeline's log. */
void hg_deploy_log(const hg_mg_t *mg, const hg_pl_t *pl, const char *fmt, ...) HG_PRINTF(3, 4);
/* The last lines that the pipeline itself has logged, oldest first, each with its line feed; "" if there are none.
 * Caller frees. */
char *hg_deploy_log_tail(const hg_mg_t *mg, const hg_pl_t *pl, unsigned lines);

/* --- runner.c: supervision; removal.c: files
 * --------------------------------------------------------------------------------------- */

void hg_runner_kick(hg_mg_t *mg, hg_pl_t *pl);                /* start what should run */
void hg_runner_stop(hg_mg_t *mg, hg_pl_t *pl, hg_stop_t how); /* how: of hg_lc_stop(); records the states */
void hg_runner_adopt(hg_mg_t *mg, hg_pl_t *pl);               /* after a restart: continue what the store says */
/* Asks the process for its status now; then fn(arg), also when it does not answer. fn may be NULL. */
void hg_runner_refresh(hg_mg_t *mg, hg_pl_t *pl, void (*fn)(void *arg), void *arg);
const char *hg_runner_socket(const hg_pl_t *pl); /* NULL without a process */
/* Why it makes no sense to ask the process anything now, or NULL. */
const char *hg_runner_silence(const hg_pl_t *pl);
bool hg_runner_waiting(const hg_pl_t *pl); /* it died and will be started again: wishes stand until then */
void hg_runner_look_at_storage(hg_mg_t *mg, hg_pl_t *pl); /* brings storage_details up to date */
void hg_runner_close(hg_mg_t *mg);                        /* let go of all processes; they go on */

/* --- files.c ------------------------------------------------------------------------------------------------------ */

void hg_files_clear(hg_mg_t *mg, hg_pl_t *pl);  /* storage: Clearing, later Cleared */
void hg_files_remove(hg_mg_t *mg, hg_pl_t *pl); /* of a deleted pipeline */
/* Nobody looks into its folder any more (pl->asked is 0): what was to be removed meanwhile goes. */
void hg_files_unblocked(hg_mg_t *mg, hg_pl_t *pl);

/* --- logs.c ------------------------------------------------------------------------------------------------------ */

void hg_logs_handler(hg_call_t *c);
void hg_logs_close(hg_mg_t *mg);

#endif
