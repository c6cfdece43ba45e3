/* The runtime's HTTP API in front of a runtime that the test plays: every route of Apache Iggy's, answers, errors, who
 * may ask, CORS, metrics. The provider is the real one, on a folder. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/durable.h"
#include "base/mem.h"
#include "iggy/runtime/api_int.h"
#include "net/client.h"

/* --- the runtime that is played ------------------------------------------------------------------------------------
 */
struct hg_rt {
    hg_loop_t *loop;
    hg_pool_t *pool;
    hg_iggy_runtime_config_t *cfg;
    hg_iggy_provider_t *provider;
    hg_iggy_configs_t all;
    hg_rt_command_t last;
    uint32_t last_conn, commands;
    int fails; /* code that the next command ends with */
    void (*done)(void *arg, const hg_err_t *err);
    void *done_arg;
};
static struct hg_rt rt;

hg_loop_t *hg_rt_loop(const hg_rt_t *r)
{
    return r->loop;
}
hg_pool_t *hg_rt_pool(const hg_rt_t *r)
{
    return r->pool;
}
const hg_iggy_runtime_config_t *hg_rt_config(const hg_rt_t *r)
{
    return r->cfg;
}
hg_iggy_provider_t *hg_rt_provider(const hg_rt_t *r)
{
    return r->provider;
}
int64_t hg_rt_started_us(const hg_rt_t *r)
{
    (void)r;
    return 1762000000000000;
}
void hg_rt_plugin_memory(const hg_rt_t *r, unsigned *ret_n, uint64_t *ret_bytes)
{
    (void)r;
    *ret_n = 2;
    *ret_bytes = 4096;
}
const char *hg_rt_status_name(hg_rt_status_t s)
{
    static const char *const names[] = {
#define X(c, name) name,
        HG_RT_STATUSES(X)
#undef X
    };
    return names[s];
}
const char *hg_rt_stage_name(hg_rt_stage_t s)
{
    static const char *const names[] = {
#define X(c, name) name,
        HG_RT_STAGES(X)
#undef X
    };
    return names[s];
}
bool hg_rt_stage_applies(hg_rt_stage_t s, hg_iggy_kind_t kind)
{
    return kind == HG_IGGY_SINK ? s <= HG_RT_STAGE_FFI : s != HG_RT_STAGE_FFI;
}
const uint32_t hg_rt_bucket_us[HG_RT_BUCKETS - 1] = { 50,    100,    250,    500,    1000,    5000,   10000,
                                                      50000, 100000, 250000, 500000, 1000000, 5000000 };
uint64_t hg_rt_counter(const hg_rt_t *r, uint32_t conn, hg_rt_counter_t c)
{
    (void)r;
    return conn * 100 + c;
}
void hg_rt_histogram(const hg_rt_t *r, uint32_t conn, hg_rt_stage_t s, hg_rt_histogram_t *ret)
{
    (void)r, (void)conn;
    *ret = (hg_rt_histogram_t){ 0 };
    if (s == HG_RT_STAGE_FFI)
        *ret = (hg_rt_histogram_t){ .n = { [0] = 17, [12] = 1, [13] = 2 }, .count = 20, .sum_ns = 1500000000 };
}
uint32_t hg_rt_count(const hg_rt_t *r)
{
    return r->all.n;
}
uint32_t hg_rt_find(const hg_rt_t *r, hg_iggy_kind_t kind, hg_str_t key)
{
    for (uint32_t i = 0; i < r->all.n; i++)
        if (r->all.v[i]->kind == kind && hg_str_eqz(key, r->all.v[i]->key)) return i;
    return UINT32_MAX;
}
void hg_rt_info(const hg_rt_t *r, uint32_t conn, hg_rt_info_t *ret)
{
    hg_iggy_connector_config_t *c = r->all.v[conn];
    *ret = (hg_rt_info_t){ .id = conn + 1,
                           .kind = c->kind,
                           .key = c->key,
                           .path = "/lib/p.so",
                           .version = "1.2.3-x",
                           .status = c->enabled ? HG_RT_RUNNING : HG_RT_STOPPED,
                           .config = c };
    if (!c->enabled) ret->why = "disabled", ret->version = NULL, ret->last_error = "it broke", ret->last_error_us = 5;
}
static void finish(void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    (void)arg;
    if (rt.fails) hg_err_set(&err, (hg_code_t)rt.fails, "no");
    rt.done(rt.done_arg, rt.fails ? &err : NULL);
}
void hg_rt_command(hg_rt_t *r, uint32_t conn, hg_rt_command_t cmd, void (*done)(void *arg, const hg_err_t *err),
                   void *arg)
{
    r->last = cmd;
    r->last_conn = conn;
    r->commands++;
    r->done = done;
    r->done_arg = arg;
    hg_loop_post(r->loop, finish, NULL);
}
void hg_rt_orchestration(const hg_rt_t *r, hg_jw_t *w)
{
    (void)r;
    hg_jw_obj(w);
    hg_jw_end_obj(w);
}

/* --- set-up --------------------------------------------------------------------------------------------------------
 */
static char dir[256];
static hg_rt_api_t *api;
static hg_buf_t body; /* of the last answer */

static void put_file(const char *name, const char *text)
{
    char path[600];
    hg_err_t err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(hg_file_replace(path, hg_strz(text), "test", &err), 0);
}

static void do_open(void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_rt_api_open(&rt, &api, &err) < 0) fail_msg("%s", err.msg);
    (void)arg;
}
static void on_closed(void *arg)
{
    hg_loop_stop(rt.loop);
    (void)arg;
}
static void do_close(void *arg)
{
    hg_rt_api_close(api, on_closed, NULL);
    (void)arg;
}

static void start(const char *more)
{
    char text[1200], path[400];
    hg_err_t err = HG_ERR_INIT;
    snprintf(text, sizeof text, "%s\n[connectors]\nconfig_dir = \"%s/d\"\n", more, dir);
    put_file("config.toml", text);
    snprintf(path, sizeof path, "%s/config.toml", dir);
    assert_int_equal(hg_iggy_runtime_load(path, NULL, (hg_iggy_notes_t){ 0 }, &rt.cfg, &err), 0);
    assert_int_equal(hg_iggy_provider_new(rt.cfg, (hg_iggy_notes_t){ 0 }, &rt.provider, &err), 0);
    assert_int_equal(hg_iggy_provider_active(rt.provider, &rt.all, &err), 0);
    rt.loop = hg_loop_new("control");
    rt.pool = hg_pool_new(2);
    hg_loop_start(rt.loop);
    hg_loop_call(rt.loop, do_open, NULL);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static int setup(void **state)
{
    char path[400];
    (void)state;
    memset(&rt, 0, sizeof rt);
    setenv("HEADGATE_MODULES", HG_TEST_BINARY_DIR, 1);
    hg_buf_init(&body, HG_BUF_NOMAX);
    snprintf(dir, sizeof dir, "/tmp/hg-iggy-api-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/d", dir);
    mkdir(path, 0777);
    put_file("d/a.toml", "type = \"sink\"\nkey = \"out\"\nenabled = true\nversion = 1\nname = \"Out\"\npath = \"lib\"\n"
                         "plugin_config_format = \"json\"\n"
                         "[[streams]]\nstream = \"s\"\ntopics = [\"t\"]\nschema = \"json\"\nbatch_length = 100\n"
                         "[plugin_config]\npassword = \"geheim\"\nn = 1\n"
                         "[transforms.z]\nenabled = true\n[transforms.a]\nenabled = false\n");
    put_file("d/b.toml",
             "type = \"source\"\nkey = \"in\"\nenabled = false\nversion = 0\nname = \"In\"\npath = \"lib\"\n"
             "[[streams]]\nstream = \"s\"\ntopic = \"t\"\nschema = \"json\"\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hg_loop_post(rt.loop, do_close, NULL);
    hg_loop_free(rt.loop); /* when it has closed the API: until then requests bring work to the pool */
    hg_pool_free(rt.pool);
    hg_iggy_configs_release(&rt.all);
    hg_iggy_provider_free(rt.provider);
    hg_iggy_runtime_config_free(rt.cfg);
    hg_buf_release(&body);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "PUT /path", header or NULL, body or NULL */
static int ask(const char *line, const char *header, const char *sent)
{
    char method[16], url[300];
    const char *path = strchr(line, ' ') + 1, *headers[] = { header, NULL };
    int status = 0;
    hg_err_t err = HG_ERR_INIT;
    snprintf(method, sizeof method, "%.*s", (int)(path - line) - 1, line);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", api->port, path);
    hg_buf_clear(&body);
    hg_fetch_t f = { .method = method, .url = url, .headers = headers, .body = hg_strz(sent), .timeout_ms = 150000 };
    if (hg_fetch(&f, &status, &body, &err) < 0) fail_msg("%s: %s", line, err.msg);
    return status;
}

#define JSON "content-type: application/json"

static void expect(const char *line, const char *header, const char *sent, int status, const char *answer)
{
    int got = ask(line, header, sent);
    if (got != status || (answer && strcmp(body.p, answer) != 0))
        fail_msg("%s: %d %s\nexpected: %d %s", line, got, body.p, status, answer ? answer : "");
}

static void has(const char *part)
{
    if (!strstr(body.p, part)) fail_msg("not there: %s\nin: %s", part, body.p);
}

/* --- tests ---------------------------------------------------------------------------------------------------------
 */
static void what_is_read(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"");
    expect("GET /", NULL, NULL, 200, "Connector Runtime API");
    expect("GET /health", NULL, NULL, 200, "{\"status\":\"healthy\"}");
    expect("GET /orchestration", NULL, NULL, 200, "{}");
    expect("GET /sinks", NULL, NULL, 200,
           "[{\"id\":2,\"key\":\"out\",\"name\":\"Out\",\"path\":\"/lib/p.so\",\"enabled\":true,\"status\":\"running\","
           "\"plugin_config_format\":\"json\"}]");
    expect("GET /sources", NULL, NULL, 200,
           "[{\"id\":1,\"key\":\"in\",\"name\":\"In\",\"path\":\"/lib/p.so\",\"enabled\":false,\"status\":\"stopped\","
           "\"why\":\"disabled\",\"last_error\":{\"message\":\"it broke\",\"timestamp\":5}}]");
    expect("GET /sinks/out", NULL, NULL, 200, NULL);
    has("\"status\":\"running\"");
    has("\"streams\":[{\"stream\":\"s\",\"topics\":[\"t\"],\"schema\":\"json\",\"avro_schema_json\":null,"
        "\"avro_schema_path\":null,\"batch_length\":100,\"poll_interval\":null,\"consumer_group\":null}]");
    expect("GET /sinks/in", NULL, NULL, 404,
           "{\"code\":\"sink_not_found\",\"reason\":\"Sink not found with key: in\"}");
    expect("GET /sources/x%20y", NULL, NULL, 404,
           "{\"code\":\"source_not_found\",\"reason\":\"Source not found with key: x y\"}");
    expect("GET /sinks/out/transforms", NULL, NULL, 200,
           "[{\"type\":\"z\",\"config\":{\"enabled\":true}},{\"type\":\"a\",\"config\":{\"enabled\":false}}]");
    expect("GET /sources/in/transforms", NULL, NULL, 200, "[]");
    expect("GET /sinks/x/transforms", NULL, NULL, 404, NULL);
    expect("GET /sinks/out/configs/plugin", NULL, NULL, 200, "{\"password\":\"***\",\"n\":1}");
    expect("GET /sinks/out/configs/plugin?format=toml", NULL, NULL, 200, "password = \"***\"\nn = 1\n");
    expect("GET /sinks/out/configs/plugin?format=yaml", NULL, NULL, 200, "password: \"***\"\n\"n\": 1\n");
    expect("GET /sinks/out/configs/plugin?format=text", NULL, NULL, 200, "{\"password\":\"***\",\"n\":1}");
    expect("GET /sinks/out/configs/plugin?format=xml", NULL, NULL, 400, NULL);
    expect("GET /sources/in/configs/plugin", NULL, NULL, 404, "");
    expect("GET /sinks/x/configs/plugin", NULL, NULL, 404, NULL);
    expect("GET /stats", NULL, NULL, 200, NULL);
    has("\"start_time\":1762000000000000");
    has("\"sources_total\":1,\"sources_running\":0,\"sinks_total\":1,\"sinks_running\":1");
    has("\"version\":\"unknown\",\"status\":\"stopped\"");
    has("\"version\":\"1.2.3-x\",\"version_semver\":1002003,\"status\":\"running\",\"enabled\":true,"
        "\"messages_consumed\":100,\"messages_processed\":101,\"messages_filtered\":102,\"errors\":103");
    has("\"cpu_usage\":0,");
    expect("GET /stats", NULL, NULL, 200, NULL);
    expect("GET /metrics", NULL, NULL, 404, "");
    expect("GET /nothing", NULL, NULL, 404, "");
    expect("GET /sinks/", NULL, NULL, 404, "");
    expect("GET /sinks/out/configs/1/more", NULL, NULL, 404, "");
    expect("DELETE /sinks", NULL, NULL, 405, "");
    expect("POST /stats", NULL, "{}", 405, "");
    expect("HEAD /health", NULL, NULL, 200, NULL);
    expect("GET /sinks/%ff", NULL, NULL, 400, NULL);
}

static const char created[] =
    "{\"enabled\": true, \"name\": \"Two\", \"path\": \"p\", \"plugin_config\": {\"api_key\": \"k\"},"
    " \"streams\": [{\"stream\": \"s\", \"topics\": [\"t\"], \"schema\": \"raw\"}]}";

static void versions(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"");
    expect("GET /sinks/out/configs/active", NULL, NULL, 200,
           "{\"key\":\"out\",\"enabled\":true,\"version\":1,\"name\":\"Out\",\"path\":\"lib\","
           "\"transforms\":{\"z\":{\"enabled\":true},\"a\":{\"enabled\":false}},"
           "\"streams\":[{\"stream\":\"s\",\"topics\":[\"t\"],\"schema\":\"json\",\"avro_schema_json\":null,"
           "\"avro_schema_path\":null,\"batch_length\":100,\"poll_interval\":null,\"consumer_group\":null}],"
           "\"plugin_config_format\":\"json\",\"plugin_config\":{\"password\":\"***\",\"n\":1},\"verbose\":false,"
           "\"benchmark\":false,\"active\":true}");
    expect("GET /sinks/x/configs/active", NULL, NULL, 404, NULL);
    expect("POST /sinks/out/configs", JSON "; charset=utf-8", created, 200, NULL);
    has("\"version\":2");
    has("\"plugin_config\":{\"api_key\":\"***\"}");
    has("\"active\":false");
    expect("GET /sinks/out/configs", NULL, NULL, 200, NULL);
    has("\"version\":1,\"name\":\"Out\"");
    has("\"version\":2,\"name\":\"Two\"");
    has("\"active\":true},{\"key\":\"out\"");
    expect("GET /sinks/out/configs/2", NULL, NULL, 200, NULL);
    has("\"active\":false");
    expect("GET /sinks/out/configs/9", NULL, NULL, 404,
           "{\"code\":\"sink_config_not_found\",\"reason\":\"Sink config not found with key: out, version: 9\"}");
    expect("GET /sinks/out/configs/nine", NULL, NULL, 400, "'nine' is no version's number");
    expect("GET /sinks/x/configs/1", NULL, NULL, 404, NULL);
    expect("GET /sinks/x/configs", NULL, NULL, 404, NULL);
    expect("POST /sources/neu/configs", JSON,
           "{\"enabled\": true, \"name\": \"N\", \"path\": \"p\", \"streams\": "
           "[{\"stream\": \"s\", \"topic\": \"t\", \"schema\": \"raw\"}]}",
           200, NULL);
    has("\"key\":\"neu\",\"enabled\":true,\"version\":0");
    expect("POST /sinks/out/configs", NULL, "{}", 415, NULL);
    expect("POST /sinks/out/configs", "content-type: text/json", "{}", 415, NULL);
    expect("POST /sinks/out/configs", JSON, "{\"enabled\"", 400, NULL);
    expect("POST /sinks/out/configs", JSON, "{}", 422, NULL);
    has("missing field `enabled`");
    expect("POST /sinks/.a/configs", JSON, created, 400, NULL);
    has("{\"code\":\"invalid_configuration\",\"reason\":\"Invalid configuration: a key has");
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": 2}", 204, "");
    assert_int_equal(rt.commands, 0); /* recorded, not applied */
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": 9}", 404, NULL);
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": \"2\"}", 422, NULL);
    expect("PUT /sinks/out/configs/active", JSON, "{", 400, NULL);
    expect("PUT /sinks/out/configs/active", "content-type: x", "{}", 415, NULL);
    expect("DELETE /sinks/out/configs?version=x", NULL, NULL, 400, NULL);
    expect("DELETE /sinks/out/configs?version=1", NULL, NULL, 204, "");
    expect("DELETE /sinks/out/configs", NULL, NULL, 204, "");
    expect("DELETE /sinks/out/configs", NULL, NULL, 404, NULL);

    hg_buf_t big;
    hg_buf_init(&big, HG_BUF_NOMAX);
    for (int i = 0; i < 300000; i++) hg_buf_adds(&big, "         ");
    expect("POST /sinks/out/configs", JSON, big.p, 413, NULL);
    hg_buf_release(&big);
}

static void commands(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        hg_rt_command_t cmd;
    } cases[] = { { "POST /sinks/out/restart", HG_RT_DO_RESTART },
                  { "POST /sinks/out/pause", HG_RT_DO_PAUSE },
                  { "POST /sinks/out/start", HG_RT_DO_START },
                  { "POST /sinks/out/stop", HG_RT_DO_STOP } };
    start("[http]\naddress = \"127.0.0.1:0\"\n[headgate]\napply_on_activation = true");
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        expect(cases[i].line, NULL, NULL, 204, "");
        assert_int_equal(rt.last, cases[i].cmd);
        assert_int_equal(rt.last_conn, 1);
    }
    expect("POST /sources/x/restart", NULL, NULL, 404, NULL);
    rt.fails = HG_EINVAL;
    expect("POST /sinks/out/restart", NULL, NULL, 400,
           "{\"code\":\"invalid_configuration\",\"reason\":\"Invalid configuration: no\"}");
    rt.fails = HG_ENET;
    expect("POST /sinks/out/restart", NULL, NULL, 500, "{\"code\":\"http_request_failed\",\"reason\":\"no\"}");
    rt.fails = HG_EIO;
    expect("POST /sources/in/start", NULL, NULL, 500, "{\"code\":\"error\",\"reason\":\"no\"}");
    rt.fails = 0;
    expect("POST /sinks/out/configs", JSON, created, 200, NULL);
    uint32_t before = rt.commands;
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": 1}", 204, ""); /* it runs with that one */
    assert_int_equal(rt.commands, before);
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": 2}", 204, "");
    assert_int_equal(rt.commands, before + 1);
    assert_int_equal(rt.last, HG_RT_DO_RESTART);
    rt.fails = HG_EINVAL;
    expect("PUT /sinks/out/configs/active", JSON, "{\"version\": 2}", 400, NULL);
}

static void who_may_ask(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"\napi_key = \"k\"\n[http.metrics]\nenabled = true\nendpoint = \"/m/x\"");
    expect("GET /", NULL, NULL, 200, NULL);
    expect("GET /health", NULL, NULL, 200, NULL);
    expect("GET /sinks", NULL, NULL, 401, "");
    expect("GET /nothing", NULL, NULL, 401, "");
    expect("GET /m/x", "api-key: kk", NULL, 401, "");
    expect("GET /m/x", "api-key: ", NULL, 401, "");
    expect("GET /sinks", "api-key: k", NULL, 200, NULL);
    expect("POST /m/x", "api-key: k", "", 405, "");
    expect("GET /m/x", "api-key: k", NULL, 200, NULL);
    has("# HELP iggy_connectors_sources_total Total configured source connectors.\n# TYPE "
        "iggy_connectors_sources_total gauge\n"
        "iggy_connectors_sources_total 1\n");
    has("# TYPE iggy_connector_messages_consumed counter\n"
        "iggy_connector_messages_consumed_total{connector_key=\"out\",connector_type=\"sink\"} 100\n");
    has("iggy_connector_stage_duration_seconds_sum{connector_key=\"out\",connector_type=\"sink\",stage=\"ffi\"} 1.5\n"
        "iggy_connector_stage_duration_seconds_count{connector_key=\"out\",connector_type=\"sink\",stage=\"ffi\"} 20\n"
        "iggy_connector_stage_duration_seconds_bucket{le=\"0.00005\",connector_key=\"out\",connector_type=\"sink\","
        "stage=\"ffi\"} 17\n");
    has("_bucket{le=\"1.0\",connector_key=\"out\",connector_type=\"sink\",stage=\"ffi\"} 17\n");
    has("_bucket{le=\"5.0\",connector_key=\"out\",connector_type=\"sink\",stage=\"ffi\"} 18\n");
    has("_bucket{le=\"+Inf\",connector_key=\"out\",connector_type=\"sink\",stage=\"ffi\"} 20\n# EOF\n");
}

/* Headers of the answer: hg_fetch gives the body alone. */
typedef struct seen {
    hg_transfer_t *t;
    hg_client_t *client;
    int status;
    char origin[64], methods[64], headers[64], exposed[64], net[16], credentials[16];
    uv_sem_t over;
    const char *line;
} seen_t;

static void keep(seen_t *s, const char *name, char *to, size_t cap)
{
    hg_str_t v = hg_transfer_header(s->t, name);
    snprintf(to, cap, HG_SF, HG_SA(v));
}
static void on_head(void *arg, int status, uint64_t length)
{
    seen_t *s = arg;
    (void)length;
    s->status = status;
    keep(s, "access-control-allow-origin", s->origin, sizeof s->origin);
    keep(s, "access-control-allow-methods", s->methods, sizeof s->methods);
    keep(s, "access-control-allow-headers", s->headers, sizeof s->headers);
    keep(s, "access-control-expose-headers", s->exposed, sizeof s->exposed);
    keep(s, "access-control-allow-private-network", s->net, sizeof s->net);
    keep(s, "access-control-allow-credentials", s->credentials, sizeof s->credentials);
}
static bool on_data(void *arg, const char *p, size_t n)
{
    (void)arg, (void)p, (void)n;
    return true;
}
static void free_client(void *arg)
{
    seen_t *s = arg;
    hg_client_free(s->client);
    uv_sem_post(&s->over);
}
static void on_over(void *arg, const hg_err_t *err)
{
    seen_t *s = arg;
    (void)err;
    hg_loop_post(rt.loop, free_client, s);
}
static void begin(void *arg)
{
    seen_t *s = arg;
    char method[16], url[200];
    hg_err_t err = HG_ERR_INIT;
    static const char *const headers[] = { "origin: http://b", "access-control-request-private-network: true", NULL };
    const char *path = strchr(s->line, ' ') + 1;
    snprintf(method, sizeof method, "%.*s", (int)(path - s->line) - 1, s->line);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", api->port, path);
    s->client = hg_client_new(rt.loop);
    hg_transfer_opts_t o = { .method = method, .url = url, .headers = headers };
    hg_transfer_ops_t ops = { .head = on_head, .data = on_data, .done = on_over, .arg = s };
    assert_int_equal(hg_transfer_start(s->client, &o, &ops, &s->t, &err), 0);
}
static seen_t look(const char *line)
{
    seen_t s = { .line = line };
    uv_sem_init(&s.over, 0);
    hg_loop_post(rt.loop, begin, &s);
    uv_sem_wait(&s.over);
    uv_sem_destroy(&s.over);
    return s;
}

static void cors(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"\napi_key = \"k\"\n[http.cors]\nenabled = true\nallowed_origins = "
          "[\"http://a\", "
          "\"http://b\"]\nallowed_methods = [\"GET\", \"PUT\"]\nexposed_headers = [\"x-a\"]\nallow_credentials = true\n"
          "allow_private_network = true");
    seen_t s = look("OPTIONS /sinks");
    assert_int_equal(s.status, 200);
    assert_string_equal(s.origin, "http://b");
    assert_string_equal(s.methods, "GET,PUT");
    assert_string_equal(s.headers, "content-type");
    assert_string_equal(s.exposed, "");
    assert_string_equal(s.net, "true");
    assert_string_equal(s.credentials, "true");
    s = look("GET /sinks");
    assert_int_equal(s.status, 401);
    assert_string_equal(s.origin, "http://b");
    assert_string_equal(s.exposed, "x-a");
    assert_string_equal(s.methods, "");
}

static void cors_for_any(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"\n[http.cors]\nenabled = true");
    assert_string_equal(look("GET /health").origin, "*");
}

static void no_cors(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"");
    seen_t s = look("OPTIONS /sinks");
    assert_int_equal(s.status, 405);
    assert_string_equal(s.origin, "");
}

/* Whoever asked left before the answer; closing waits for what is under way. */
static void nobody_waits(void **state)
{
    (void)state;
    start("[http]\naddress = \"127.0.0.1:0\"");
    for (int i = 0; i < 20; i++) {
        char url[200];
        hg_err_t err = HG_ERR_INIT;
        int status;
        snprintf(url, sizeof url, "http://127.0.0.1:%u/sinks/out/configs", api->port);
        hg_fetch_t f = { .url = url, .timeout_ms = 1 };
        hg_fetch(&f, &status, &body, &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(versions, setup, teardown),
        cmocka_unit_test_setup_teardown(commands, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(cors, setup, teardown),
        cmocka_unit_test_setup_teardown(cors_for_any, setup, teardown),
        cmocka_unit_test_setup_teardown(no_cors, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_waits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
