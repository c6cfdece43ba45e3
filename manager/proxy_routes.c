/* proxy_routes.c: calls that the pipeline process answers. Bodies stream through; the manager only rewrites the path.
 *
 * `arg` of a route is the target with the query left as it came; {e} in it stands for the endpoint
 * `<relation>.<connector>`, {1} for the second capture. What this version of headgate does not offer answers 501 here,
 * with its own sentence.
 */
#include "base/hg.h"

#include "base/deployment.h"
#include "base/mem.h"
#include "manager/manager_int.h"

#define RELAY_TIMEOUT_MS 30000

static void add_lower(hg_buf_t *b, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        hg_buf_addc(b, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] - 'A' + 'a') : s.p[i]);
}

/* "T" and T name table `T` and `t`. */
static void add_relation(hg_buf_t *b, hg_str_t s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        hg_buf_add(b, s.p + 1, s.n - 2);
    else
        add_lower(b, s);
}

const char *hg_proxy_endpoint(const hg_call_t *c)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    add_relation(&b, c->cap[1]);
    hg_buf_addc(&b, '.');
    hg_buf_addstr(&b, c->cap[2]);
    const char *name = hg_arena_strndup(hg_req_arena(c->r), b.p, b.len);
    hg_buf_release(&b);
    return name;
}

/* The path to ask the process for, with the query of the request; in the request's arena. */
static const char *make_target(hg_call_t *c, const char *form)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (const char *p = form; *p; p++) {
        if (!strncmp(p, "{e}", 3)) {
            hg_pct_encode(&b, hg_strz(hg_proxy_endpoint(c)));
            p += 2;
        } else if (!strncmp(p, "{1}", 3)) {
            hg_pct_encode(&b, c->cap[1]);
            p += 2;
        } else {
            hg_buf_addc(&b, *p);
        }
    }
    hg_str_t query = hg_req_query(c->r);
    if (query.n) {
        hg_buf_addc(&b, '?');
        hg_buf_addstr(&b, query);
    }
    /* An INSERT is sent with GET as well; of equal parameters the last one counts. */
    if (c->role < HG_ROLE_WRITE) hg_buf_addf(&b, "%c" HG_PARAM_READ_ONLY "=true", query.n ? '&' : '?');
    const char *target = hg_arena_strndup(hg_req_arena(c->r), b.p, b.len);
    hg_buf_release(&b);
    return target;
}

static void reply_unreachable(hg_req_t *r, const char *name, const char *target, const char *why)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "pipeline_name", name);
    hg_jw_kstr(&w, "request", target);
    hg_jw_kstr(&w, "error", why);
    hg_jw_end_obj(&w);
    /* fda repeats a call that changes something only if it reads these words: nothing was sent. */
    hg_reply_error(r, 503, "PipelineInteractionUnreachable", b.p,
                   "Failed to connect to host: the process of pipeline '%s' does not answer: %s", name, why);
    hg_buf_release(&b);
}

typedef struct forward {
    const char *name, *target;
} forward_t;

static void on_unreachable(void *arg, hg_req_t *r, const hg_err_t *err)
{
    forward_t *f = arg;
    reply_unreachable(r, f->name, f->target, err->msg);
}

void hg_proxy_forward(hg_call_t *c)
{
    hg_arena_t *a = hg_req_arena(c->r);
    forward_t *f = HG_ANEW(a, forward_t);
    const char *socket = hg_runner_socket(c->pl);
    f->name = hg_arena_printf(a, "%s", c->pl->def.name);
    f->target = make_target(c, c->arg);
    if (!socket) {
        reply_unreachable(c->r, f->name, f->target, "there is no process");
        return;
    }
    const char *silence = hg_runner_silence(c->pl);
    if (silence) {
        reply_unreachable(c->r, f->name, f->target, silence);
        return;
    }
    hg_proxy_opts_t opts = {
        .socket_path = hg_arena_printf(a, "%s", socket),
        .target = f->target,
        .headers = hg_reply_cors(c->r, NULL),
        .unreachable = on_unreachable,
        .arg = f,
    };
    hg_proxy(c->r, &opts);
}

/* --- connector actions: POST outside, GET at the process ---------------------------------------------------------- */

typedef struct relay {
    hg_req_t *r;
    hg_ask_t *ask;
    const char *name, *target;
} relay_t; /* in the request's arena */

static void relay_aborted(void *arg)
{
    relay_t *x = arg;
    if (x->ask) hg_ask_cancel(x->ask);
}

static void relay_done(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    relay_t *x = arg;
    x->ask = NULL;
    if (err->code)
        reply_unreachable(x->r, x->name, x->target, err->msg);
    else if (status == 200)
        hg_reply_empty(x->r, 200);
    else
        hg_reply_raw(x->r, status, *content_type ? content_type : "application/json", body);
}

static void connector_action(hg_call_t *c)
{
    hg_str_t action = c->cap[3];
    if (!hg_str_eqz(action, "start") && !hg_str_eqz(action, "pause")) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_buf_adds(&b, "{\"action\":");
        hg_json_quote(&b, action);
        hg_buf_addc(&b, '}');
        hg_reply_error(c->r, 400, "InvalidConnectorAction", b.p,
                       "Unknown connector action '" HG_SF "': it must be 'start' or 'pause'", HG_SA(action));
        hg_buf_release(&b);
        return;
    }
    hg_verdict_t v = hg_lc_interact(&c->pl->lc, c->pl->def.name);
    if (v.answer == HG_REFUSE) {
        hg_reply_verdict(c->r, &v);
        return;
    }
    hg_arena_t *a = hg_req_arena(c->r);
    relay_t *x = HG_ANEW(a, relay_t);
    const char *socket = hg_runner_socket(c->pl);
    x->r = c->r;
    x->name = hg_arena_printf(a, "%s", c->pl->def.name);
    x->target = make_target(c, hg_arena_printf(a, "%s/%s", c->arg, action.p));
    x->ask = socket ? hg_ask(c->mg, socket, "GET", x->target, RELAY_TIMEOUT_MS, relay_done, x) : NULL;
    if (x->ask)
        hg_req_on_abort(c->r, relay_aborted, x);
    else
        reply_unreachable(c->r, x->name, x->target, "there is no process");
}

/* --- not offered ---------------------------------------------------------------------------------------------------
 */

static void not_offered(hg_call_t *c)
{
    hg_reply_error(c->r, 501, "NotSupported", NULL, "%s is not offered by this version of headgate", c->arg);
}

/* As Feldera answers for a program that does not look at the clock: here no view does. */
static void clock_advance(hg_call_t *c)
{
    hg_reply_error(
        c->r, 400, "InvalidParam", NULL,
        "The clock of pipeline '%s' cannot be advanced: its program does not use NOW() (headgate takes NOW() "
        "in ad-hoc queries, not yet in views)",
        c->pl->def.name);
}

static void checkpoints(hg_call_t *c)
{
    /* storage_status_details is {"checkpoints": […]} while there is storage. */
    hg_runner_look_at_storage(c->mg, c->pl);
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    const hg_json_t *list = NULL;
    if (c->pl->storage_details && hg_json_parse(hg_req_arena(c->r), hg_strz(c->pl->storage_details), &v, &err) == 0)
        list = hg_json_get(v, "checkpoints");
    if (list)
        hg_jw_node(&w, list);
    else
        hg_jw_raw(&w, HG_S("[]"));
    hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

#define P    "v0/pipelines/{p}/"
#define LIVE (HG_R_PIPELINE | HG_R_LIVE)
#define T    P "tables/{t}/connectors/{c}/"
#define V    P "views/{v}/connectors/{c}/"

const hg_route_t hg_proxy_routes[] = {
    { "GET", P "logs", HG_R_PIPELINE, hg_logs_handler, NULL,
      "The log, and then what is added to it, as a stream of text" },
    { "GET", P "stats", LIVE, hg_proxy_forward, "/stats", "Counters of the pipeline and of each connector" },
    { "GET", P "metrics", LIVE, hg_proxy_forward, "/metrics", "`format=prometheus|json`" },
    { "GET", P "time_series", LIVE, hg_proxy_forward, "/time_series", "One sample a second, of the last minute" },
    { "GET", P "time_series_stream", LIVE, hg_proxy_forward, "/time_series_stream",
      "The same, and then each second one line of NDJSON" },
    { "POST", P "ingress/{t}", LIVE, hg_proxy_forward, "/ingress/{1}",
      "The body's records go into a table: `format=json|csv|raw` and the format's options. A completion token" },
    { "POST", P "egress/{t}", LIVE, hg_proxy_forward, "/egress/{1}",
      "Changes of a relation as a stream; [change-streams.md](change-streams.md)" },
    { "GET", P "query", LIVE, hg_proxy_forward, "/query",
      "An ad-hoc query: `sql`, `format=text|json|arrow_ipc|parquet|hash`. Also as WebSocket" },
    { "GET", P "completion_status", LIVE, hg_proxy_forward, "/completion_status",
      "Are the inputs of this `token` processed? `complete` or `inprogress`" },
    { "POST", P "start_transaction", LIVE, hg_proxy_forward, "/start_transaction",
      "Begins a transaction; [transactions.md](transactions.md)" },
    { "POST", P "commit_transaction", LIVE, hg_proxy_forward, "/commit_transaction", "Commits it" },
    { "GET", P "orchestration", LIVE, hg_proxy_forward, "/orchestration",
      "Every input connector: state, reason, labels, what it waits for; edges of the label graph" },
    { "GET", T "stats", LIVE, hg_proxy_forward, "/input_endpoints/{e}/stats", "Counters and errors of one input" },
    { "GET", T "completion_token", LIVE, hg_proxy_forward, "/input_endpoints/{e}/completion_token",
      "A token for what it has read until now" },
    { "GET", T "why", LIVE, hg_proxy_forward, "/input_endpoints/{e}/why",
      "Why it runs or does not, in words and as JSON" },
    { "POST", T "{action}", HG_R_PIPELINE, connector_action, "/input_endpoints/{e}", "`start` or `pause`" },
    { "GET", V "stats", LIVE, hg_proxy_forward, "/output_endpoints/{e}/stats", "Counters and errors of one output" },
    { "GET", V "why", LIVE, hg_proxy_forward, "/output_endpoints/{e}/why", "As for an input" },
    { "POST", V "command", LIVE, not_offered, "A connector command", NULL },
    { "POST", V "{action}", HG_R_PIPELINE, connector_action, "/output_endpoints/{e}", "`start` or `pause`" },
    { "GET", P "checkpoints", HG_R_PIPELINE, checkpoints, NULL, "The checkpoints on the disk" },
    { "POST", P "checkpoint", LIVE, hg_proxy_forward, "/checkpoint", "Takes one; its number" },
    { "GET", P "suspendable", LIVE, hg_proxy_forward, "/suspendable", "Can it be checkpointed, and if not, why" },
    { "GET", P "checkpoint_status", LIVE, hg_proxy_forward, "/checkpoint_status",
      "The last one that was taken, and the last that failed" },
    { "GET", P "checkpoints/remote", LIVE, hg_proxy_forward, "/checkpoints/remote",
      "The checkpoints in the bucket; [checkpoint-sync.md](checkpoint-sync.md)" },
    { "POST", P "checkpoint/sync", LIVE, hg_proxy_forward, "/checkpoint/sync",
      "Sends the newest checkpoint to the bucket; its uuid. 202" },
    { "GET", P "checkpoint/sync_status", LIVE, hg_proxy_forward, "/checkpoint/sync_status",
      "Which ones were sent, which is on its way, which failed" },
    { "POST", P "clock/advance", LIVE, clock_advance, NULL,
      "Moves the clock of a pipeline whose time is driven from outside" },
    { "POST", P "rebalance", LIVE, hg_proxy_forward, "/rebalance",
      "As Feldera's without `adaptive_joins`: there is nothing to spread anew, one worker has all rows" },
    { "POST", P "start_compaction", LIVE, hg_proxy_forward, "/start_compaction", "Merges what can be merged now" },
    { "GET", P "circuit_json_profile", LIVE, hg_proxy_forward, "/circuit_json_profile",
      "The counters of each operator as JSON" },
    { "GET", P "heap_profile", LIVE, hg_proxy_forward, "/heap_profile",
      "What its memory is for, as pprof reads it; [profiles.md](profiles.md)" },
    { "GET", P "samply_profile", LIVE, hg_proxy_forward, "/samply_profile",
      "The last CPU profile, gzipped, as samply and Firefox's profiler read it; `latest=true`: 204 while one is "
      "taken" },
    { "POST", P "samply_profile", LIVE, hg_proxy_forward, "/samply_profile",
      "Takes a CPU profile: `duration_secs` (30, at most 600); [profiles.md](profiles.md)" },
    { .method = NULL },
};
