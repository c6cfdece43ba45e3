/* bundle_api.c: GET …/support_bundle: what somebody who is not there needs to see of a pipeline, as one zip; and
 * GET …/circuit_profile, a zip with one file.
 *
 * The manager gathers what it knows and what the process answers, whatever the state of the pipeline; a child
 * (headgate/cmd_bundle.c) adds the log, leaves out secrets, and packs. What could not be had is named with its reason
 * in metadata.json. Everything of one request lives in the request's arena; when the client leaves, the questions are
 * taken back.
 */
#include "base/hg.h"

#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/access_int.h"

#define ASK_TIMEOUT_MS 10000

typedef enum {
    PART_PROFILE,
    PART_HEAP,
    PART_METRICS,
    PART_LOGS,
    PART_STATS,
    PART_PIPELINE_CONFIG,
    PART_SYSTEM_CONFIG,
    PART_DATAFLOW,
    PART_EVENTS,
    PARTS,
} part_t;

static const struct {
    const char *param, *file;
    const char *target; /* asked of the process; NULL: known here */
    bool binary;        /* no text */
} parts[PARTS] = {
    [PART_PROFILE] = { "circuit_profile", "circuit_profile.json", "/circuit_json_profile", false },
    [PART_HEAP] = { "heap_profile", "heap_profile.pb.gz", "/heap_profile", true },
    [PART_METRICS] = { "metrics", "metrics.txt", "/metrics?format=prometheus", false },
    [PART_LOGS] = { "logs", "logs.txt", NULL, false },
    [PART_STATS] = { "stats", "stats.json", "/stats?include_connector_errors=true", false },
    [PART_PIPELINE_CONFIG] = { "pipeline_config", "pipeline_config.json", NULL, false },
    [PART_SYSTEM_CONFIG] = { "system_config", "system_config.json", NULL, false },
    [PART_DATAFLOW] = { "dataflow_graph", "dataflow_graph.json", NULL, false },
    [PART_EVENTS] = { "pipeline_events", "pipeline_events.json", NULL, false },
};

typedef struct bundle bundle_t;

typedef struct question {
    bundle_t *of;
    part_t part;
    hg_ask_t *ask; /* NULL: answered, or not asked */
} question_t;

struct bundle {
    hg_call_t call;
    hg_arena_t *a;
    bool wanted[PARTS], collect, zip_only; /* zip_only: circuit_profile */
    const char *text[PARTS];               /* in the arena; NULL: missing */
    size_t len[PARTS];
    const char *missing[PARTS]; /* why */
    question_t questions[PARTS];
    unsigned open; /* answers that are still to come, and one for who asks */
    hg_job_t *job;
    int64_t requested_us;
};

static void bundle_less(bundle_t *b);

static void on_abort(void *arg)
{
    bundle_t *b = arg;
    for (size_t i = 0; i < PARTS; i++)
        if (b->questions[i].ask) hg_ask_cancel(b->questions[i].ask);
    if (b->job) hg_child_forget(b->job);
}

static bool take_part(bundle_t *b, part_t i, hg_str_t text)
{
    b->text[i] = hg_arena_strndup(b->a, text.p, text.n);
    b->len[i] = text.n;
    return true;
}

/* --- the process ------------------------------------------------------------------------------------------------- */

static void answered(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    question_t *q = arg;
    bundle_t *b = q->of;
    (void)content_type;
    q->ask = NULL;
    if (err->code)
        b->missing[q->part] = hg_arena_printf(b->a, "the pipeline's process does not answer: %s", err->msg);
    else if (status != 200)
        b->missing[q->part] = hg_arena_printf(b->a, "the pipeline's process answered %d: %.*s", status,
                                              (int)HG_MIN(body.n, (size_t)300), body.n ? body.p : "");
    else
        take_part(b, q->part, body);
    bundle_less(b);
}

static void ask_process(bundle_t *b)
{
    const hg_pl_t *pl = b->call.pl;
    const char *socket = hg_runner_socket(pl), *silence = hg_runner_silence(pl);
    for (int i = 0; i < PARTS; i++) {
        if (!b->wanted[i] || !parts[i].target) continue;
        question_t *q = &b->questions[i];
        *q = (question_t){ .of = b, .part = (part_t)i };
        b->missing[i] = silence ? silence : hg_arena_printf(b->a, "the pipeline is %s", hg_lc_status(&pl->lc));
        if (!socket || silence) continue;
        q->ask = hg_ask(b->call.mg, socket, "GET", parts[i].target, ASK_TIMEOUT_MS, answered, q);
        if (q->ask) b->open++;
    }
}

/* --- the manager ------------------------------------------------------------------------------------------------- */

static void write_pipeline_config(const hg_call_t *c, hg_jw_t *w)
{
    hg_pl_json(w, c->pl, HG_SEL_ALL);
}

static void write_system_config(const hg_call_t *c, hg_jw_t *w)
{
    const hg_mg_t *mg = c->mg;
    hg_jw_obj(w);
    hg_jw_key(w, "config");
    hg_config_json(w);
    hg_jw_key(w, "manager");
    hg_jw_obj(w);
    hg_jw_ktime(w, "started_at", mg->started_us);
    hg_jw_ku64(w, "pipelines", mg->n_pls);
    hg_jw_ku64(w, "rss_bytes", hg_rss_bytes());
    hg_jw_kbool(w, "authentication", mg->auth);
    hg_jw_kbool(w, "tls", mg->tls_cert != NULL);
    hg_jw_kstr(w, "data_dir", mg->dir);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

static void write_events(const hg_call_t *c, hg_jw_t *w)
{
    hg_err_t err = HG_ERR_INIT;
    hg_jw_arr(w);
    hg_events_json(c->mg, c->pl, NULL, true, w, &err);
    hg_jw_end_arr(w);
}

static void know(bundle_t *b, part_t i, void (*fn)(const hg_call_t *c, hg_jw_t *w))
{
    hg_buf_t text;
    hg_jw_t w;
    if (!b->wanted[i]) return;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    fn(&b->call, &w);
    take_part(b, i, hg_buf_str(&text));
    hg_buf_release(&text);
}

/* --- to the child ------------------------------------------------------------------------------------------------ */

static void put_metadata(const bundle_t *b, const char *dir, hg_jw_t *w)
{
    const hg_pl_t *pl = b->call.pl;
    hg_jw_obj(w);
    hg_jw_ku64(w, "metadata_version", 1);
    hg_jw_ktime(w, "requested_at", b->requested_us);
    hg_jw_key(w, "pipeline");
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", pl->def.name);
    hg_jw_kstr(w, "status", hg_lc_status(&pl->lc));
    hg_jw_ktime(w, "status_since", HG_MAX(pl->res_since, pl->rt_since));
    hg_jw_kstr(w, "desired_status", hg_lc_desired_status(&pl->lc));
    hg_jw_end_obj(w);
    hg_jw_key(w, "collections");
    hg_jw_arr(w);
    if (b->collect) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "directory", dir);
        hg_jw_ktime(w, "time", b->requested_us);
        hg_jw_ku64(w, "data_version", 1);
        hg_jw_key(w, "missing");
        hg_jw_arr(w);
        for (size_t i = 0; i < PARTS; i++) {
            if (b->text[i] || !b->missing[i]) continue;
            hg_jw_obj(w);
            hg_jw_kstr(w, "file", parts[i].file);
            hg_jw_kstr(w, "reason", b->missing[i]);
            hg_jw_end_obj(w);
        }
        hg_jw_end_arr(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

static void put_hex(hg_jw_t *w, hg_str_t bytes)
{
    static const char digit[] = "0123456789abcdef";
    hg_buf_t hex;
    hg_buf_init(&hex, HG_BUF_NOMAX);
    for (size_t i = 0; i < bytes.n; i++) {
        hg_buf_addc(&hex, digit[(unsigned char)bytes.p[i] >> 4]);
        hg_buf_addc(&hex, digit[bytes.p[i] & 15]);
    }
    hg_jw_str(w, hg_buf_str(&hex));
    hg_buf_release(&hex);
}

static void put_file(hg_jw_t *w, const char *name, bool binary, hg_str_t content)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", name);
    hg_jw_key(w, binary ? "hex" : "text");
    if (binary)
        put_hex(w, content);
    else
        hg_jw_str(w, content);
    hg_jw_end_obj(w);
}

/* What its process has beside our environment. */
static void put_env(const hg_call_t *c, hg_jw_t *w)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    const hg_json_t *env = NULL;
    if (hg_json_parse(hg_req_arena(c->r), hg_strz(c->pl->def.runtime_config), &v, &err) == 0)
        env = hg_json_get(v, "env");
    hg_jw_key(w, "env");
    if (env)
        hg_jw_node(w, env);
    else
        hg_jw_null(w);
}

static void packed(void *arg, hg_str_t zip, const char *why)
{
    bundle_t *b = arg;
    hg_req_t *r = b->call.r;
    b->job = NULL;
    hg_req_on_abort(r, NULL, NULL);
    if (why) {
        hg_reply_error(r, 500, "UnableToCreateSupportBundle", NULL, "The archive cannot be made: %s", why);
        return;
    }
    const char *name = hg_arena_printf(b->a, "Content-Disposition: attachment; filename=\"%s-%s.zip\"\r\n",
                                       b->call.cap[0].p, b->zip_only ? "circuit-profile" : "support-bundle");
    /* Clients that stream it want chunks. */
    hg_resp_begin(r, 200, "application/zip", hg_reply_cors(r, name));
    hg_resp_write(r, zip.p, zip.n);
    hg_resp_end(r);
}

/* "2026-03-04T05-06-07.123Z": a name for every file system. */
static const char *folder_name(bundle_t *b)
{
    char text[32];
    hg_time_rfc3339(text, b->requested_us - b->requested_us % 1000);
    char *dot = strchr(text, '.');
    if (dot) dot[4] = 0;
    for (char *p = text; *p; p++)
        if (*p == ':') *p = '-';
    return hg_arena_printf(b->a, "%sZ", text);
}

static void pack(bundle_t *b)
{
    const hg_call_t *c = &b->call;
    const char *dir = folder_name(b);
    hg_buf_t text;
    hg_jw_t w;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "program", c->pl->def.program_code);
    put_env(c, &w);
    hg_jw_kstr(&w, "directory", dir);
    hg_jw_key(&w, "files");
    hg_jw_arr(&w);
    for (size_t i = 0; i < PARTS; i++)
        if (b->text[i])
            put_file(&w, b->zip_only ? parts[i].file : hg_arena_printf(b->a, "%s/%s", dir, parts[i].file),
                     parts[i].binary, (hg_str_t){ b->text[i], b->len[i] });
    hg_jw_end_arr(&w);
    if (b->wanted[PART_LOGS]) {
        char *log = hg_deploy_file(c->mg, c->pl, HG_FILE_LOG);
        hg_jw_key(&w, "log");
        hg_jw_arr(&w);
        hg_jw_strz(&w, hg_arena_printf(b->a, "%s.1", log));
        hg_jw_strz(&w, log);
        hg_jw_end_arr(&w);
        hg_free(log);
    }
    if (b->wanted[PART_DATAFLOW]) hg_jw_kbool(&w, "dataflow", true);
    if (!b->zip_only) {
        hg_jw_key(&w, "metadata");
        put_metadata(b, dir, &w);
    }
    hg_jw_end_obj(&w);
    b->job = hg_child_run(c->mg, "headgate bundle", "bundle", NULL, &text, NULL, packed, b);
}

static void bundle_less(bundle_t *b)
{
    if (--b->open) return;
    /* The answers took a while; the pipeline may be gone. */
    b->call.pl = hg_mg_find(b->call.mg, b->call.cap[0]);
    if (!b->call.pl) {
        hg_req_on_abort(b->call.r, NULL, NULL);
        hg_reply_error(b->call.r, 404, "UnknownPipelineName", NULL, "The pipeline was deleted meanwhile");
        return;
    }
    if (b->zip_only && !b->text[PART_PROFILE]) {
        hg_req_on_abort(b->call.r, NULL, NULL);
        hg_reply_error(b->call.r, 503, "PipelineInteractionUnreachable", NULL, "There is no circuit profile: %s",
                       b->missing[PART_PROFILE]);
        return;
    }
    pack(b);
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static bundle_t *begin(hg_call_t *c)
{
    bundle_t *b = HG_ANEW(hg_req_arena(c->r), bundle_t);
    b->call = *c;
    b->a = hg_req_arena(c->r);
    b->requested_us = hg_now_us();
    b->open = 1;
    hg_req_on_abort(c->r, on_abort, b);
    return b;
}

static void support_bundle(hg_call_t *c)
{
    bool collect, wanted[PARTS];
    hg_err_t err = HG_ERR_INIT;
    uint64_t limit;
    if (!hg_call_bool(c, "collect", true, &collect)) return;
    for (size_t i = 0; i < PARTS; i++)
        if (!hg_call_bool(c, parts[i].param, true, &wanted[i])) return;
    if (hg_req_param_u64(c->r, "limit", 1, &limit, &err) < 0) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "%s", err.msg);
        return;
    }
    if (limit == 0) {
        hg_reply_error(c->r, 400, "InvalidSupportBundleParameter", "{\"reason\":\"limit must be greater than 0\"}",
                       "Query parameter 'limit': it must be greater than 0");
        return;
    }
    bundle_t *b = begin(c);
    bool any = false;
    for (size_t i = 0; i < PARTS; i++) {
        b->wanted[i] = wanted[i] && collect;
        any |= b->wanted[i];
    }
    b->collect = any; /* nothing is collected beforehand: without a part there is no folder */
    know(b, PART_PIPELINE_CONFIG, write_pipeline_config);
    know(b, PART_SYSTEM_CONFIG, write_system_config);
    know(b, PART_EVENTS, write_events);
    ask_process(b);
    bundle_less(b);
}

static void circuit_profile(hg_call_t *c)
{
    bundle_t *b = begin(c);
    b->zip_only = true;
    b->wanted[PART_PROFILE] = true;
    ask_process(b);
    bundle_less(b);
}

const hg_route_t hg_bundle_routes[] = {
    { "GET", "v0/pipelines/{p}/support_bundle", HG_R_PIPELINE, support_bundle, NULL,
      "ZIP with what helps to find out what is wrong; each part can be left out (`logs=false` …)" },
    { "GET", "v0/pipelines/{p}/circuit_profile", HG_R_PIPELINE | HG_R_LIVE, circuit_profile, NULL,
      "ZIP with the counters of each operator" },
    { .method = NULL },
};
