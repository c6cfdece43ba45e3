/* api_int.h: between the files of the runtime's HTTP API. All of it on the control loop. */
#ifndef HG_IGGY_RUNTIME_API_INT_H
#define HG_IGGY_RUNTIME_API_INT_H

#include "iggy/runtime/runtime.h"
#include "net/http.h"

struct hg_rt_api {
    hg_rt_t *rt;
    const hg_iggy_http_config_t *cfg;
    hg_http_server_t *server;
    unsigned port;
    bool server_closed;
    uint32_t jobs; /* at the provider, or commands that have not been answered */
    void (*closed)(void *arg);
    void *closed_arg;
    /* What the CPU figures of /stats are counted from; 0: nobody has asked yet. */
    uint64_t cpu_ns, wall_ns, busy_ticks, all_ticks;
};

/* One request on its way through the API. Lives in the request's arena. */
typedef struct rt_call {
    hg_rt_api_t *api;
    hg_req_t *r;
    hg_iggy_kind_t kind;
    const char *key; /* NULL: the route has none */
    hg_str_t last;   /* the last segment, a version's number in some routes */
} rt_call_t;

/* --- api.c: answers, with the headers of CORS --- */
void rt_reply(hg_rt_api_t *api, hg_req_t *r, int status, const char *content_type, hg_str_t body);
void rt_reply_empty(hg_rt_api_t *api, hg_req_t *r, int status);
void rt_reply_text(hg_rt_api_t *api, hg_req_t *r, int status, const char *fmt, ...) HG_PRINTF(4, 5);
void rt_reply_error(hg_rt_api_t *api, hg_req_t *r, int status, const char *code, const char *reason);
/* What a provider or a command failed with, as code and status. */
void rt_reply_err(hg_rt_api_t *api, hg_req_t *r, hg_iggy_kind_t kind, const hg_err_t *err);
void rt_reply_unknown(rt_call_t *c); /* 404: there is no such connector */
/* A job or command has ended: the API may be waiting for it. */
void rt_api_job_done(hg_rt_api_t *api);

/* JSON answers: begin, write, send. */
typedef struct rt_json {
    hg_buf_t b;
    hg_jw_t w;
} rt_json_t;
void rt_json_init(rt_json_t *j);
void rt_json_send(rt_json_t *j, rt_call_t *c); /* 200 */

/* --- handlers --- */
typedef void (*rt_handler_t)(rt_call_t *c);
void rt_get_all(rt_call_t *c), rt_get_one(rt_call_t *c), rt_get_transforms(rt_call_t *c); /* api_connectors.c */
void rt_post_restart(rt_call_t *c), rt_post_pause(rt_call_t *c), rt_post_start(rt_call_t *c),
    rt_post_stop(rt_call_t *c);
void rt_command(rt_call_t *c, hg_rt_command_t cmd);                                              /* 204 once it is so */
void rt_get_configs(rt_call_t *c), rt_post_config(rt_call_t *c), rt_delete_config(rt_call_t *c); /* api_configs.c */
void rt_get_config(rt_call_t *c), rt_get_active(rt_call_t *c), rt_put_active(rt_call_t *c), rt_get_plugin(rt_call_t *c);
void rt_get_stats(rt_call_t *c); /* api_stats.c */
typedef struct rt_totals {       /* by hg_iggy_kind_t; switched-off ones are counted */
    uint32_t total[2], running[2];
} rt_totals_t;
void rt_totals(const hg_rt_t *rt, rt_totals_t *ret);
void rt_metrics_text(const hg_rt_t *rt, hg_buf_t *out); /* metrics.c: OpenMetrics */

#endif
