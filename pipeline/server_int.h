/* server_int.h: shared by the files that answer requests. */
#ifndef HG_PIPELINE_SERVER_INT_H
#define HG_PIPELINE_SERVER_INT_H

#include "pipeline/pipeline_int.h"
#include "pipeline/server.h"

typedef struct hg_series hg_series_t;

struct hg_pipeline_server {
    hg_pipeline_t *p;
    hg_pipeline_server_opts_t opts;
    hg_http_server_t *http;
    char deployment_id[64];
    struct ingress *waiting; /* ingress requests of a paused pipeline: control loop */
    hg_series_t *series;     /* control loop; NULL: closing */
    bool closing;            /* control loop */
    _Atomic uint32_t refs;   /* the listener's, and one per question, body, stream and query under way */
    void (*done)(void *);
    void *done_arg;
};

/* Any thread. Whatever may touch the server or its pipeline after its request is gone holds a reference: closing is
 * done when the last one is dropped. */
hg_pipeline_server_t *hg_server_retain(hg_pipeline_server_t *s);
void hg_server_drop(hg_pipeline_server_t *s);

/* A question that is answered on another thread: made on the request's loop, answered there again unless the peer left.
 */
typedef struct call {
    hg_pipeline_server_t *s;
    hg_req_t *req; /* NULL: the peer is gone. The request's loop */
    hg_loop_t *loop;
    char *arg; /* endpoint name, token */
    bool flag;
    int flag2;
    void (*fn)(struct call *c); /* fills the answer */
    hg_err_t err;               /* code != 0: an error answer */
    int status;
    const char *content_type;
    hg_buf_t body;
    hg_buf_t sent; /* what came with the question */
} call_t;

/* The parts, for questions that are answered later than fn ends: made on the request's loop; answered from any thread,
 * once. */
call_t *hg_call_new(hg_pipeline_server_t *s, hg_req_t *r, const char *arg);
void hg_call_answer(call_t *c);

/* Request's loop: run fn on the control loop, or on the pool, then answer. arg is copied (may be NULL). */
void hg_call_control(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *), const char *arg, bool flag, int flag2);
void hg_call_pool(hg_pipeline_server_t *s, hg_req_t *r, void (*fn)(call_t *), const char *arg, bool flag, int flag2);

/* Control loop: is the call about this life of the pipeline (arg: its incarnation, or NULL)? HG_EINCARNATION. */
int hg_call_incarnation(call_t *c);

/* ingress.c, egress.c, query.c: request's loop; they answer. */
void hg_serve_ingress(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t table);
/* push_endpoint.c, control loop: takes the arena over, in which cfg and text ("name {options}") are, when it works. */
int hg_push_endpoint_make(hg_pipeline_t *p, const char *name, uint32_t relation, const hg_format_type_t *type,
                          const void *cfg, const char *text, hg_arena_t *arena, endpoint_t **ret, hg_err_t *err);
void hg_ingress_resume(hg_pipeline_server_t *s); /* control loop: the pipeline runs, or stops */
void hg_serve_egress(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t relation);
/* egress_body.c: the same, where options may come in the body. */
void hg_serve_egress_request(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t relation);
/* The body as query parameters, appended to query. HG_EINVAL. */
int hg_egress_body_query(hg_req_t *r, hg_str_t body, hg_buf_t *query, hg_err_t *err);

/* egress_params.c: what a change stream is asked for. */
typedef struct hg_egress_ask {
    const hg_format_type_t *type;
    const void *cfg;
    const char *text;    /* format and configuration, also where they are refused; NULL: it did not come to that */
    hg_str_t stream;     /* resumes: which one */
    uint64_t after;      /* resumes: the number that it goes on from */
    bool json, snapshot; /* snapshot: only of what is materialized */
    bool backpressure;   /* resumable: true */
    bool resumable, resumes;
} hg_egress_ask_t;
/* From query parameters; relation is what the client calls it. cfg, text and stream are in a, or in the request. */
int hg_egress_ask(hg_req_t *r, hg_arena_t *a, hg_str_t relation, bool materialized, hg_egress_ask_t *ret,
                  hg_err_t *err);

void hg_serve_query(hg_pipeline_server_t *s, hg_req_t *r);

/* position_routes.c: request's loop; they answer. */
void hg_serve_position(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t endpoint);
void hg_serve_rerun(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t endpoint);

/* process_profile.c: request's loop; they answer. */
void hg_serve_heap_profile(hg_pipeline_server_t *s, hg_req_t *r);
void hg_serve_cpu_profile_start(hg_req_t *r);
void hg_serve_cpu_profile(hg_req_t *r);

/* remote_routes.c: request's loop. False: there is no such route, nothing is answered. */
bool hg_serve_remote(hg_pipeline_server_t *s, hg_req_t *r, bool get, hg_str_t what, hg_str_t part);

/* series.c: control loop, but for the request of a stream. */
hg_series_t *hg_series_new(hg_pipeline_server_t *s); /* holds a reference until it is closed */
void hg_series_close(hg_series_t *x);                /* ends the streams; x is gone */
void hg_series_json(const hg_series_t *x, hg_jw_t *w);
void hg_serve_series_stream(hg_pipeline_server_t *s, hg_req_t *r);

/* Control loop: is there room for one more endpoint of a request? Feldera's limit. */
int hg_api_endpoint_room(const hg_pipeline_t *p, hg_err_t *err);

/* refusal.c: answers an error with Feldera's details. endpoint: the one that was to be made (may be NULL where none
 * is). subject: what its code is about: a stream, a format, a configuration, an endpoint. */
void hg_refuse(hg_req_t *r, const hg_err_t *err, const char *endpoint, hg_str_t subject);

/* request_format.c: a format and its configuration from query parameters. cfg lives in the arena. extra options:
 * `force` is a JSON object text that overrides (or NULL). *ret_text: the format's name and its canonical configuration
 * ("json {…}"), or the name alone when it is unknown; in the arena, also on failure. */
/* A format's options, a JSON object, into its configuration in a. */
int hg_format_config(const hg_format_type_t *type, hg_arena_t *a, bool input, hg_str_t options, const void **ret_cfg,
                     hg_err_t *err);
int hg_request_format(hg_req_t *r, hg_arena_t *a, bool input, const char *dflt, const char *force,
                      const hg_format_type_t **ret_type, const void **ret_cfg, const char **ret_text, hg_err_t *err);

/* result.c: query results. */
typedef enum { RESULT_TEXT, RESULT_JSON, RESULT_HASH, RESULT_ARROW, RESULT_PARQUET } result_format_t;
typedef struct result_writer result_writer_t;
bool hg_result_binary(result_format_t f); /* an error cannot be told inside it */
/* Parquet: the module is loaded, or HG_EADHOC. */
int hg_result_format(hg_str_t name, result_format_t *ret, hg_err_t *err);
/* Rows are written into out as they come (JSON, Arrow), or at the end (text needs all widths; a hash is one of all
 * rows). */
result_writer_t *hg_result_new(result_format_t f, const hg_schema_t *schema, hg_buf_t *out);
void hg_result_uncut(result_writer_t *w); /* text: cells in full length */
int hg_result_batch(result_writer_t *w, const hg_batch_t *b, hg_err_t *err);
int hg_result_end(result_writer_t *w, hg_err_t *err);
void hg_result_free(result_writer_t *w);

/* result_columns.c: the same for Arrow IPC and Parquet. */
typedef struct column_writer column_writer_t;
column_writer_t *hg_columns_new(bool parquet, const hg_schema_t *schema, hg_buf_t *out);
int hg_columns_batch(column_writer_t *w, const hg_batch_t *b, hg_err_t *err);
int hg_columns_end(column_writer_t *w, hg_err_t *err);
void hg_columns_free(column_writer_t *w);

#endif
