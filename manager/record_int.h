/* record_int.h: what the manager knows about one pipeline.
 *
 * The records in memory are the truth while the manager runs; the store holds the same and is written with every
 * change. Control loop only. All text is owned by the record (hg_free), JSON members hold one compact JSON value.
 */
#ifndef HG_MANAGER_RECORD_INT_H
#define HG_MANAGER_RECORD_INT_H

#include "base/buf.h"
#include "base/json.h"
#include "manager/lifecycle_int.h"
#include "manager/liveness_int.h"
#include "manager/restart_int.h"

#define HG_UUID_CAP 37 /* text and the final 0 */

typedef struct hg_pldef { /* what a user writes */
    char *name, *description, *tags /* JSON */;
    char *program_code, *udf_rust, *udf_toml;
    char *runtime_config, *program_config; /* JSON, normalised: config_int.h */
} hg_pldef_t;

typedef struct hg_run hg_run_t; /* runner_int.h */

typedef struct hg_pl {
    char id[HG_UUID_CAP];
    hg_pldef_t def;
    char *platform_version;
    int64_t created_us;
    int64_t version, program_version, refresh_version;

    char *program_info;                                      /* JSON or NULL */
    char *sql_compilation, *rust_compilation, *system_error; /* JSON, JSON, text; or NULL */

    hg_lc_t lc;
    int64_t prog_since, res_since, res_desired_since, rt_since, rt_desired_since; /* µs since 1970 */
    char *deployment_error;                                                       /* JSON or NULL; lc.has_error */
    char *storage_details;                                                        /* JSON or NULL */
    char deployment_id[HG_UUID_CAP];                                              /* "" = none */
    hg_restarts_t restarts;                                                       /* of this deployment */
    char *git; /* JSON: what git has to do with it (git_int.h); NULL: nothing */

    /* Not stored. */
    bool has_num_errors;           /* the process has told */
    uint64_t num_errors;           /* transport, parse and encode errors of all connectors */
    char *rt_details;              /* members of deployment_runtime_status_details that it has told, or NULL */
    hg_run_t *run;                 /* the process; NULL = none */
    unsigned refs;                 /* the manager's list, and every call-back that is still to come */
    bool gone;                     /* deleted: a late call-back must not touch the store */
    bool compiling;                /* has a place in the compile queue */
    bool clearing;                 /* a worker removes its files, or will once nobody is `asked` */
    unsigned asked;                /* children that look into its storage while it is stopped: position_api.c */
    bool remove_all, remove_state; /* wait for them */
} hg_pl_t;

typedef enum {
    HG_SEL_ALL,
    HG_SEL_STATUS,
    HG_SEL_STATUS_CONNECTORS,
    HG_SEL_INFO /* answers of POST, PUT, PATCH */
} hg_sel_t;

hg_pl_t *hg_pl_new(void);
hg_pl_t *hg_pl_retain(hg_pl_t *pl);
void hg_pl_drop(hg_pl_t *pl);

void hg_pldef_release(hg_pldef_t *def);
void hg_set_text(char **slot, const char *text); /* replaces by a copy; text NULL clears */
void hg_take_text(char **slot, char *text);      /* replaces, takes text over */

/* Each stamps its own time; the caller saves. */
void hg_pl_set_prog(hg_pl_t *pl, hg_prog_t prog);
void hg_pl_set_res(hg_pl_t *pl, hg_res_t res);
void hg_pl_set_res_desired(hg_pl_t *pl, hg_res_t res);
void hg_pl_set_rt(hg_pl_t *pl, hg_rt_t rt);
void hg_pl_set_rt_desired(hg_pl_t *pl, hg_rt_t rt);
void hg_pl_set_error(hg_pl_t *pl, const char *error_json /* NULL = none */);
void hg_pl_forget_deployment(hg_pl_t *pl); /* id, initial, policy, runtime states */

/* The record as Feldera's JSON (rest-api §2.1, §2.2). */
void hg_pl_json(hg_jw_t *w, const hg_pl_t *pl, hg_sel_t sel);
void hg_pl_runtime_details(hg_jw_t *w, const hg_pl_t *pl);
void hg_pl_resources_details(hg_jw_t *w, const hg_pl_t *pl); /* deaths and restarts, git; or null */
void hg_pl_restart_policy(const hg_pl_t *pl, hg_restart_policy_t *ret);
void hg_pl_liveness_policy(const hg_pl_t *pl, hg_liveness_policy_t *ret);
void hg_jw_kraw(hg_jw_t *w, const char *key, const char *json /* NULL writes null */);
void hg_jw_ktime(hg_jw_t *w, const char *key, int64_t us /* 0 writes null */);

/* {"message", "error_code", "details"}; caller frees. details_json NULL = {}. */
char *hg_error_json(const char *code, const char *message, const char *details_json);

#endif
