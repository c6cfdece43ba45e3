/* What `headgate connectors` is told: the runtime's file, connector files, environment, and the folder's versions. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/durable.h"
#include "base/mem.h"
#include "iggy/config/config.h"
#include "iggy/config/config_int.h"

static char dir[256];
static hg_buf_t said; /* complaints, a line each */

static void on_note(void *arg, const hg_iggy_note_t *n)
{
    (void)arg;
    hg_buf_adds(&said, n->warning ? "W " : "E ");
    hg_iggy_note_text(n, &said);
    hg_buf_addc(&said, '\n');
}

static const hg_iggy_notes_t notes = { .fn = on_note };

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    setenv("HEADGATE_MODULES", HG_TEST_BINARY_DIR, 1);
    snprintf(dir, sizeof dir, "/tmp/hg-iggy-config-XXXXXX");
    assert_non_null(mkdtemp(dir));
    hg_buf_init(&said, HG_BUF_NOMAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hg_buf_release(&said);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *file(const char *name, const char *text)
{
    static char path[600];
    hg_err_t err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(hg_file_replace(path, hg_strz(text), "test", &err), 0);
    return path;
}

static void assert_said(const char *part)
{
    if (!strstr(said.p, part)) fail_msg("nobody said \"%s\" but:\n%s", part, said.p);
}

static hg_iggy_runtime_config_t *load(const char *text, hg_iggy_env_t env)
{
    hg_iggy_runtime_config_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_clear(&said);
    if (hg_iggy_runtime_load(file("config.toml", text), env, notes, &c, &err) < 0) {
        assert_null(c);
        assert_true(err.msg[0]);
    }
    return c;
}

#define ENV(...) ((hg_iggy_env_t)(const char *const[]){ __VA_ARGS__, NULL })
#define NO_ENV   ((hg_iggy_env_t)(const char *const[]){ NULL })
#define LOCAL    "[connectors]\nconfig_dir = \"x\"\n"

/* --- the runtime's file --------------------------------------------------------------------------------------------
 */
static void defaults(void **state)
{
    (void)state;
    hg_iggy_runtime_config_t *c = load(LOCAL, NO_ENV);
    assert_non_null(c);
    assert_string_equal(said.p, "");
    assert_true(c->http.enabled && !c->http.tls && !c->http.metrics && !c->http.cors);
    assert_string_equal(c->http.host, "127.0.0.1");
    assert_int_equal(c->http.port, 8081);
    assert_int_equal(c->http.cors_methods.n, 4);
    assert_string_equal(c->http.cors_origins.v[0], "*");
    assert_int_equal(c->http.cors_exposed.n, 0);
    assert_string_equal(c->iggy.host, "localhost");
    assert_int_equal(c->iggy.port, 8090);
    assert_string_equal(c->iggy.username, "iggy");
    assert_string_equal(c->state_path, "local_state");
    assert_int_equal(c->connectors.timeout_ms, 10000);
    assert_int_equal(c->connectors.retry.max_attempts, 3);
    assert_int_equal(c->connectors.retry.max_backoff_ms, 30000);
    assert_false(c->log_json);
    hg_iggy_runtime_config_free(c);
}

static void everything_is_read(void **state)
{
    (void)state;
    hg_iggy_runtime_config_t *c =
        load("[http]\naddress = \"[::1]:0\"\napi_key = \"k\"\n"
             "[http.cors]\nenabled = true\nallowed_methods = [\"get\"]\nexposed_headers = [\"\", \"x\"]\n"
             "[http.metrics]\nenabled = true\nendpoint = \"/m\"\n"
             "[iggy]\naddress = \"h:1\"\ntoken = \"t\"\n"
             "[connectors]\nconfig_type = \"http\"\nbase_url = \"http://s/\"\ntimeout = \"1m30s\"\n"
             "request_headers = { a = \"b\" }\n"
             "[connectors.response]\ndata_path = \"d.0\"\n"
             "[connectors.retry]\nenabled = true\nmax_attempts = 1\ninitial_backoff = \"1 s\"\n"
             "max_backoff = \"5ms\"\nbackoff_multiplier = 3\n"
             "[logging]\nformat = \"json\"\n[headgate]\nisolation = \"thread\"\n",
             NO_ENV);
    assert_non_null(c);
    assert_string_equal(said.p, "");
    assert_string_equal(c->http.host, "::1");
    assert_string_equal(c->http.cors_methods.v[0], "GET");
    assert_int_equal(c->http.cors_exposed.n, 1);
    assert_true(c->connectors.http && c->log_json && c->http.metrics);
    assert_string_equal(c->connectors.base_url, "http://s");
    assert_int_equal(c->connectors.timeout_ms, 90000);
    assert_string_equal(c->connectors.data_path, "d.0");
    assert_null(c->connectors.error_path);
    assert_int_equal(c->connectors.retry.initial_backoff_ms, 1000);
    assert_int_equal(c->own.isolation, HG_IGGY_ISOLATION_THREAD);

    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_iggy_runtime_config_json(c, &w);
    assert_non_null(strstr(b.p, "\"api_key\":\"***\""));
    assert_non_null(strstr(b.p, "\"token\":\"***\""));
    assert_non_null(strstr(b.p, "\"request_headers\":{\"a\":\"***\"}"));
    assert_non_null(strstr(b.p, "\"retry\":{\"enabled\":true,\"max_attempts\":1"));
    hg_buf_release(&b);
    hg_iggy_runtime_config_free(c);
}

static void complaints_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        { "[http]\nenabled = \n", "config.toml:2:11: " },
        { "x = "
          "\"\xff\"",
          "E " },
        { LOCAL "[http]\nadress = \"a:1\"\n",
          "W %/config.toml:4:1: unknown field \"adress\"; did you mean \"address\"?" },
        { "[htp]\n" LOCAL, "unknown field \"htp\"; did you mean \"http\"?" },
        { LOCAL "[http]\nenabled = 1\n",
          "E %/config.toml:4:11: option 'enabled': expected true or false, found a number" },
        { LOCAL "[http]\naddress = \"8081\"\n",
          "config.toml:4:11: http.address: '8081' is no address; write \"host:port\"" },
        { "http = 3\n" LOCAL, "config.toml:1:8: expected an object with options, found a number" },
        { LOCAL "[http.metrics]\nendpoint = \"m\"\n", "expected a path that begins with /" },
        { LOCAL "[http.cors]\nallowed_methods = [\"FETCH\"]\n",
          "config.toml:4:19: http.cors.allowed_methods: there is a method" },
        { LOCAL "[http.cors]\nenabled = true\nallow_credentials = true\n",
          "config.toml:5:21: http.cors.allow_credentials: browsers refuse" },
        { LOCAL "[iggy]\npassword = \"\"\n", "missing Iggy credentials" },
        { LOCAL "[iggy]\ntoken = \"file:/nowhere/t\"\n", "iggy.token: " },
        { LOCAL "[iggy.tls]\nenabled = true\nca_file = \"\"\n", "ca_file is empty" },
        { "", "config_dir is not set" },
        { "[connectors]\nconfig_type = \"http\"\n", "needs base_url" },
        { "[connectors]\nconfig_type = \"http\"\nbase_url = \"ftp://x\"\n", "connectors.base_url: expected a URL" },
        { "[connectors]\nconfig_type = \"file\"\n", "valid values are: local|http" },
        { "[connectors]\nconfig_dir = \"x\"\nrequest_headers = 3\n", "expected a table of strings" },
        { "[connectors]\nconfig_dir = \"x\"\nurl_templates = { a = 3 }\n",
          "connectors.url_templates.a: expected a string" },
        { "[connectors]\nconfig_dir = \"x\"\ntimeout = \"10\"\n",
          "config.toml:3:11: connectors.timeout: '10' is not a duration" },
        { LOCAL "[telemetry]\nenabled = true\n[telemetry.logs]\nendpoint = \"localhost:4317\"\n",
          "E %/config.toml:6:12: telemetry.logs.endpoint: 'localhost:4317' is no endpoint: it begins with neither" },
        { LOCAL "[http]\naddress = \"0.0.0.0:1\"\n", "asks for no api_key" },
        { "sinks = 3\n" LOCAL, "expected tables [sinks.KEY]" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_iggy_runtime_config_free(load(cases[i].text, NO_ENV));
        const char *want = cases[i].said, *pct = strchr(want, '%');
        char full[600];
        if (pct)
            snprintf(full, sizeof full, "%.*s%s%s", (int)(pct - want), want, dir, pct + 1);
        else
            snprintf(full, sizeof full, "%s", want);
        assert_said(full);
    }
}

static void a_key_of_many_parts(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (int i = 0; i < 100; i++) hg_buf_adds(&b, i % 2 ? "a." : "\"x.y\".");
    hg_buf_adds(&b, "z = 1\n");
    assert_null(load(b.p, NO_ENV));
    assert_said("a key has more than 64 parts");
    hg_buf_clear(&b); /* dots of texts, comments and numbers are no parts */
    hg_buf_adds(&b, LOCAL "[x]\na = '''");
    for (int i = 0; i < 100; i++) hg_buf_adds(&b, ". ");
    hg_buf_adds(&b, "\n'' ' '''\nb = \"\\\" . ");
    for (int i = 0; i < 100; i++) hg_buf_adds(&b, ".");
    hg_buf_adds(&b, "\" # ");
    for (int i = 0; i < 100; i++) hg_buf_adds(&b, ".");
    hg_buf_adds(&b, "\nc = [");
    for (int i = 0; i < 100; i++) hg_buf_adds(&b, "1.0,");
    hg_buf_adds(&b, "]\n");
    hg_iggy_runtime_config_t *c = load(b.p, NO_ENV);
    assert_non_null(c);
    hg_iggy_runtime_config_free(c);
    hg_buf_release(&b);
}

static void environment_of_the_runtime(void **state)
{
    (void)state;
    hg_iggy_runtime_config_t *c = load(
        LOCAL "[iggy]\npassword = \"x\"\n",
        ENV("IGGY_CONNECTORS_IGGY_PASSWORD=123456", "IGGY_CONNECTORS_HTTP_CORS_ALLOWED_ORIGINS=[\"a\", b]",
            "IGGY_CONNECTORS_HTTP_METRICS_ENABLED=TRUE", "IGGY_CONNECTORS_STATE_PATH=", "IGGY_CONNECTORS_CONFIG_PATH=z",
            "IGGY_CONNECTORS_CONNECTORS_RETRY_MAX_ATTEMPTS=7", "IGGY_CONNECTORS_SINK_X_ENABLED=true",
            "IGGY_CONNECTORS_HTTP_ADRESS=a:1", "IGGY_CONNECTORS_QQQQQQQQQQ=1"));
    assert_non_null(c);
    assert_string_equal(c->iggy.password, "123456"); /* a text, although it looks like a number */
    assert_int_equal(c->http.cors_origins.n, 2);
    assert_string_equal(c->http.cors_origins.v[1], "b");
    assert_true(c->http.metrics);
    assert_string_equal(c->state_path, "local_state");
    assert_int_equal(c->connectors.retry.max_attempts, 7);
    assert_string_equal(
        said.p,
        "W IGGY_CONNECTORS_HTTP_ADRESS: no option has this variable; did you mean IGGY_CONNECTORS_HTTP_ADDRESS?\n"
        "W IGGY_CONNECTORS_QQQQQQQQQQ: no option has this variable\n");
    hg_iggy_runtime_config_free(c);
    assert_null(load(LOCAL, ENV("IGGY_CONNECTORS_HTTP_ENABLED=maybe")));
    assert_said("E IGGY_CONNECTORS_HTTP_ENABLED: option 'enabled': expected true or false, found a string");
    assert_null(load("http = 3\n" LOCAL, ENV("IGGY_CONNECTORS_HTTP_ENABLED=true")));
    assert_null(load("connectors = 3", ENV("IGGY_CONNECTORS_CONNECTORS_TIMEOUT=1s")));
    assert_said("IGGY_CONNECTORS_CONNECTORS_TIMEOUT cannot be set: 'connectors' is no table");
}

static void a_missing_file(void **state)
{
    (void)state;
    hg_iggy_runtime_config_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    char var[400];
    snprintf(var, sizeof var, "IGGY_CONNECTORS_CONFIG_PATH=%s/none.toml", dir);
    hg_buf_clear(&said);
    assert_int_equal(hg_iggy_runtime_load(NULL, ENV(var, "IGGY_CONNECTORS_CONNECTORS_CONFIG_DIR=d"), notes, &c, &err),
                     0);
    assert_said("there is no such file; defaults are used");
    assert_null(c->file);
    assert_string_equal(c->connectors.config_dir, "d");
    hg_iggy_runtime_config_free(c);
    assert_int_equal(hg_iggy_runtime_load("/nowhere/c.toml", NO_ENV, notes, &c, &err), HG_ENOTFOUND);
}

static void a_token_file(void **state)
{
    (void)state;
    char text[700];
    snprintf(text, sizeof text, LOCAL "[iggy]\ntoken = \"file:%s\"\n", file("pat", "  abc\n"));
    hg_iggy_runtime_config_t *c = load(text, NO_ENV);
    assert_string_equal(c->iggy.token, "abc");
    hg_iggy_runtime_config_free(c);
    file("pat", " \n");
    assert_null(load(text, NO_ENV));
    assert_said("iggy.token: the file is empty");
}

static void env_file(void **state)
{
    (void)state;
    setenv("HG_T_SET", "old", 1);
    setenv("IGGY_CONNECTORS_ENV_PATH",
           file("env", "# c\n\nHG_T_SET=new\nexport HG_T_A = plain # c\nHG_T_B='a # $b'\nHG_T_C=\"x\\n\\\"y\"\nbad "
                       "line\nHG_T_D=\"open\n"),
           1);
    hg_buf_clear(&said);
    hg_iggy_env_file(notes);
    assert_string_equal(getenv("HG_T_SET"), "old");
    assert_string_equal(getenv("HG_T_A"), "plain");
    assert_string_equal(getenv("HG_T_B"), "a # $b");
    assert_string_equal(getenv("HG_T_C"), "x\n\"y");
    assert_null(getenv("HG_T_D"));
    assert_said("/env:7:1: expected NAME=value; the line is ignored");
    assert_said("/env:8:1: ");
    setenv("IGGY_CONNECTORS_ENV_PATH", "/nowhere/env", 1);
    hg_iggy_env_file(notes);
    assert_said("W IGGY_CONNECTORS_ENV_PATH: ");
    unsetenv("IGGY_CONNECTORS_ENV_PATH");
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(mkdir("sub", 0777), 0);
    assert_int_equal(chdir("sub"), 0);
    file(".env", "HG_T_E=up\n");
    hg_iggy_env_file(notes);
    assert_string_equal(getenv("HG_T_E"), "up");
    assert_int_equal(chdir("/"), 0);
}

/* --- connectors ----------------------------------------------------------------------------------------------------
 */
#define SINK(version)                                                                                                  \
    "type = \"sink\"\nkey = \"audit\"\nenabled = true\nversion = " version "\nname = \"Audit\"\npath = \"lib\"\n"      \
    "[[streams]]\nstream = \"orders\"\ntopics = [\"a\", \"b\"]\nschema = \"flatbuffer\"\n"
#define SOURCE                                                                                                         \
    "type = \"source\"\nkey = \"rand\"\nenabled = true\nversion = 0\nname = \"R\"\npath = \"lib\"\n"                   \
    "[[streams]]\nstream = \"s\"\ntopic = \"t\"\nschema = \"json\"\nlinger_time = \"1s\"\n"

static hg_iggy_runtime_config_t *cfg;
static hg_iggy_provider_t *provider;

static void open_folder(hg_iggy_env_t env)
{
    char text[400];
    hg_err_t err = HG_ERR_INIT;
    snprintf(text, sizeof text, "[connectors]\nconfig_dir = \"%s/c/d\"\n", dir);
    cfg = load(text, env);
    assert_non_null(cfg);
    assert_int_equal(hg_iggy_provider_new(cfg, notes, &provider, &err), 0);
}

static void close_folder(void)
{
    hg_iggy_provider_free(provider);
    hg_iggy_runtime_config_free(cfg);
}

static void folders(void)
{
    char path[400];
    snprintf(path, sizeof path, "%s/c", dir);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/c/d", dir);
    mkdir(path, 0777);
}

static void connector_file(void **state)
{
    (void)state;
    folders();
    file("c/d/a.toml",
         SINK("3") "poll_interval = \"0\"\nbatch_length = 7\n"
                   "[transforms.zeta]\nenabled = true\n[transforms.alpha]\nenabled = false\nx = 1\n"
                   "[plugin_config]\nz = 1.0\na = [1, {b = 2024-01-02}]\npassword = \"p\"\n"
                   "url = \"pg://u:secret@h/d\"\n"
                   "[errors]\non_record = \"dead_letter\"\ndead_letter_topic = \"dlq\"\nretries = 3\nbackoff = \"2s\"\n"
                   "[restart]\nmax_attempts = 5\n");
    file("c/d/b.toml", "labels = [\"l\"]\nstart_after = \"m\"\npaused = true\nisolation = \"thread\"\n" SOURCE);
    open_folder(NO_ENV);
    assert_string_equal(said.p, "");
    hg_iggy_configs_t all = { 0 };
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_iggy_provider_active(provider, &all, &err), 0);
    assert_int_equal(all.n, 2);
    const hg_iggy_connector_config_t *src = all.v[0], *snk = all.v[1];
    assert_int_equal(src->kind, HG_IGGY_SOURCE);
    assert_int_equal(src->streams[0].linger_us, 1000000);
    assert_string_equal(src->streams[0].topics.v[0], "t");
    assert_string_equal(src->plugin_config, "null");
    assert_int_equal(src->errors.on_record, HG_IGGY_RECORD_FAIL);
    assert_int_equal(src->errors.retries, UINT32_MAX);
    assert_int_equal(src->isolation, HG_IGGY_ISOLATION_THREAD);
    assert_true(src->paused && src->has_start_after);
    assert_string_equal(src->start_after.v[0], "m");
    assert_string_equal(src->labels.v[0], "l");

    assert_int_equal(snk->version, 3);
    assert_int_equal(snk->streams[0].schema, HG_IGGY_FLAT_BUFFER);
    assert_int_equal(snk->streams[0].poll_interval_us, 0);
    assert_int_equal(snk->streams[0].batch_length, 7);
    assert_string_equal(snk->streams[0].consumer_group, "iggy-connect-sink-audit");
    assert_string_equal(
        snk->plugin_config,
        "{\"z\":1.0,\"a\":[1,{\"b\":\"2024-01-02\"}],\"password\":\"p\",\"url\":\"pg://u:secret@h/d\"}");
    assert_int_equal(snk->n_transforms, 2);
    assert_string_equal(snk->transforms[0].name, "zeta");
    assert_string_equal(snk->transforms[1].name, "alpha");
    assert_true(snk->transforms[0].enabled && !snk->transforms[1].enabled);
    assert_int_equal(snk->errors.on_record, HG_IGGY_RECORD_DEAD_LETTER);
    assert_string_equal(snk->errors.dead_letter_topic, "dlq");
    assert_int_equal(snk->errors.backoff_us, 2000000);
    assert_int_equal(snk->restart.max_attempts, 5);
    assert_int_equal(hg_iggy_connector_where(snk, snk->transforms[1].node).line, 15);

    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_iggy_connector_members(snk, &w);
    hg_jw_end_obj(&w);
    assert_null(strstr(b.p, "secret"));
    assert_non_null(strstr(b.p, "\"password\":\"***\",\"url\":\"pg://u:***@h/d\""));
    assert_non_null(strstr(b.p, "\"avro_schema_json\":null"));
    assert_non_null(strstr(b.p, "\"plugin_config_format\":null"));
    hg_buf_clear(&b);
    assert_int_equal(hg_iggy_plugin_config_render(snk, HG_IGGY_FMT_TOML, &b, &err), 0);
    assert_string_equal(b.p,
                        "z = 1.0\na = [1, { b = \"2024-01-02\" }]\npassword = \"***\"\nurl = \"pg://u:***@h/d\"\n");
    hg_buf_clear(&b);
    assert_int_equal(hg_iggy_plugin_config_render(snk, HG_IGGY_FMT_YAML, &b, &err), 0);
    assert_string_equal(b.p, "z: 1.0\na:\n  - 1\n  - b: \"2024-01-02\"\npassword: \"***\"\nurl: \"pg://u:***@h/d\"\n");
    assert_int_equal(hg_iggy_plugin_config_render(src, HG_IGGY_FMT_JSON, &b, &err), HG_ENOTFOUND);
    hg_buf_release(&b);
    hg_iggy_configs_release(&all);
    close_folder();
}

/* A wrong file is a connector with an error; those beside it are untouched. */
static void wrong_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        { SINK("0") "[errors]\non_fatal = \"dead_letter\"\n", ":11:1: missing field `dead_letter_topic`" },
        { SINK("0") "poll_interval = \"5\"\n", ":11:17: option 'poll_interval': '5' is not a duration" },
        { SINK("0") "poll_interval = \"99999999999999999999s\"\n", "is not a duration" },
        { SINK("0") "[streams.codec]\nx = 1\n[transforms.a]\n", ":13:1: transform 'a': missing field `enabled`" },
        { SINK("0") "codec = 3\n", "option 'codec': expected a table" },
        { "labels = 3\n" SINK("0"), ":1:10: option 'labels': expected an array of strings" },
        { "transforms = []\n" SINK("0"), "option 'transforms': expected tables [transforms.TYPE], found an array" },
        { "plugin_config_format = \"xml\"\n" SINK("0"), "valid values are: json, yaml, toml, text" },
        { "type = \"sink\"\nkey = \"a\"\n", "missing field `streams`" },
        { "type = \"sink\"\nkey = \"a\"\nstreams = 3\n", "option 'streams': expected an array of tables" },
        { "type = \"source\"\nkey = \"a\"\nstreams = []\n", "a source needs at least one" },
        { "type = \"sink\"\nkey = \"../a\"\n", "cannot be part of a file's name" },
        { "type = \"sink\"\nkey = \"a\"\n[[streams]]\nstream = \"s\"\ntopics = []\nschema = \"jsn\"\n",
          ":6:10: option 'schema': invalid value 'jsn'; valid values are: json, raw" },
        { "type = \"sink\"\nkey = \"a\"\n[[streams]]\nstream = \"s\"\ntopics = []\nschema = \"json\"\n",
          "at least one topic is needed" },
    };
    folders();
    file("c/d/good.toml", SOURCE);
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_iggy_configs_t all = { 0 };
        hg_err_t err = HG_ERR_INIT;
        file("c/d/bad.toml", cases[i].text);
        open_folder(NO_ENV);
        assert_said(cases[i].said);
        assert_int_equal(hg_iggy_provider_active(provider, &all, &err), 0);
        assert_int_equal(all.n, 2);
        int bad = strcmp(all.v[0]->key, "rand") == 0;
        assert_null(all.v[!bad]->error);
        assert_non_null(all.v[bad]->error);
        assert_non_null(strstr(all.v[bad]->error, "bad.toml"));
        hg_iggy_configs_release(&all);
        close_folder();
    }
    static const struct {
        const char *text, *said;
    } lost[] = {
        { "type = \"sink\"\n", "key is missing; the file is not used" },
        { "key = \"x\"\n", "type = \"sink\" or \"source\" is missing" },
        { "type = \"sinc\"\n", "bad.toml:1:8: type = " },
        { "a = = 1\n", "bad.toml:1:5: " },
    };
    for (size_t i = 0; i < HG_COUNT(lost); i++) {
        file("c/d/bad.toml", lost[i].text);
        open_folder(NO_ENV);
        assert_said(lost[i].said);
        close_folder();
    }
    file("c/d/bad.toml", SINK("0") "topic = \"x\"\n");
    open_folder(NO_ENV);
    assert_said("W ");
    assert_said("unknown field \"topic\"; did you mean \"topics\"?");
    close_folder();
}

static void environment_of_connectors(void **state)
{
    (void)state;
    folders();
    file("c/d/a.toml", SINK("0") "[plugin_config]\nlevel = 1\n");
    open_folder(
        ENV("IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_SCHEMA=json", "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_BATCH_LENGTH=5",
            "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_2_STREAM=two", "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_2_TOPICS=[x]",
            "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_2_SCHEMA=raw", "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_1_STREAM=7",
            "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_1_TOPICS=y", "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_1_SCHEMA=text",
            "IGGY_CONNECTORS_SINK_AUDIT_NAME=42", "IGGY_CONNECTORS_SINK_AUDIT_ERRORS_RETRIES=2",
            "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_LEVEL=3", "iggy_connectors_sink_audit_plugin_config_F=1e3",
            "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_L=[1, \"a,b\", TRUE, x]",
            "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_E=", "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_N=inf",
            "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_M=-5", "IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_FORMAT=yaml",
            "IGGY_CONNECTORS_SINK_AUDIT_ENABLD=1"));
    hg_iggy_connector_config_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), 0);
    assert_null(c->error);
    assert_int_equal(c->n_streams, 3);
    assert_int_equal(c->streams[0].schema, HG_IGGY_JSON); /* the rest of this entry is the file's */
    assert_string_equal(c->streams[0].stream, "orders");
    assert_int_equal(c->streams[0].batch_length, 5);
    assert_string_equal(c->streams[1].stream, "7");
    assert_string_equal(c->streams[2].topics.v[0], "x");
    assert_string_equal(c->name, "42");
    assert_int_equal(c->errors.retries, 2);
    assert_int_equal(c->format, HG_IGGY_FMT_YAML);
    assert_string_equal(c->plugin_config,
                        "{\"level\":3,\"f\":1000.0,\"l\":[1,\"a,b\",true,\"x\"],\"e\":\"\",\"n\":\"inf\",\"m\":-5}");
    assert_said("W IGGY_CONNECTORS_SINK_AUDIT_ENABLD: no option has this variable; did you mean "
                "IGGY_CONNECTORS_SINK_AUDIT_ENABLED?");
    hg_iggy_connector_unref(c);
    close_folder();
    open_folder(ENV("IGGY_CONNECTORS_SINK_AUDIT_PLUGIN_CONFIG_FORMAT=parquet",
                    "IGGY_CONNECTORS_SINK_AUDIT_ENABLED=perhaps", "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_300_STREAM=x"));
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), 0);
    assert_string_equal(c->plugin_config, "{\"level\":1,\"format\":\"parquet\"}");
    assert_string_equal(c->error,
                        "IGGY_CONNECTORS_SINK_AUDIT_ENABLED: option 'enabled': expected true or false, found a string");
    hg_iggy_connector_unref(c);
    close_folder();
    file("c/d/a.toml", "type = \"sink\"\nkey = \"audit\"\nstreams = 3\n");
    open_folder(ENV("IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_STREAM=x"));
    assert_said("STREAMS_0_STREAM cannot be set: 'streams' is no array of tables");
    close_folder();
}

static void versions(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_connector_config_t *c = NULL;
    hg_iggy_configs_t all = { 0 };
    uint64_t v = 1;
    folders();
    file("c/d/a0.toml", SINK("0"));
    file("c/d/a1.toml", SINK("1"));
    file("c/d/a1-too.toml", SINK("1"));
    file("c/d/.hidden.toml", "x = = 1");
    file("c/d/Cargo.toml", "x = = 1");
    file("c/d/.active_versions.toml", "[sinks]\naudit = 0\nother = \"x\"\n");
    open_folder(NO_ENV);
    assert_said("version 1 is in ");
    assert_said(".active_versions.toml:3:9: expected a version's number; the line is ignored");
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), 0);
    assert_int_equal(c->version, 0);
    hg_iggy_connector_unref(c);
    assert_int_equal(hg_iggy_provider_activate(provider, HG_IGGY_SINK, "audit", 1, &err), 0);
    assert_int_equal(hg_iggy_provider_activate(provider, HG_IGGY_SINK, "audit", 9, &err), HG_ENOTFOUND);
    assert_string_equal(err.msg, "Sink config not found with key: audit, version: 9");
    static const char body[] =
        "{\"enabled\": true, \"name\": \"N\", \"path\": \"p\", \"plugin_config_format\": null,"
        " \"streams\": [{\"stream\": \"s\", \"topics\": [\"t\"], \"schema\": \"json\", \"avro_schema_json\": null}],"
        " \"transforms\": {\"b\": {\"enabled\": true}, \"a\": {\"enabled\": true}},"
        " \"plugin_config\": {\"x y\": [{\"a\": 1}, {\"b\": \"q\\u0007\\\"\"}], \"t\": {\"u\": {}}}}";
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SINK, "audit", hg_strz(body), &c, &err), 0);
    assert_int_equal(c->version, 2);
    assert_string_equal(c->transforms[0].name, "b");
    hg_iggy_connector_unref(c);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SOURCE, "neu", HG_S("{\"enabled\": }"), &c, &err),
                     HG_EPARSE);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SOURCE, "neu", HG_S("[]"), &c, &err), HG_ETYPE);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SOURCE, "neu", HG_S("{}"), &c, &err), HG_ETYPE);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SOURCE, "a/b", HG_S("{}"), &c, &err), HG_EINVAL);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SINK, "n",
                                             HG_S("{\"enabled\":true,\"name\":\"\",\"path\":\"\",\"streams\":[],"
                                                  "\"plugin_config\":{\"a\":{\"b\":null}}}"),
                                             &c, &err),
                     HG_EUNSUPPORTED);
    assert_string_equal(err.msg, "'plugin_config.a.b' cannot be written as TOML: it is null");
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SINK, "n",
                                             HG_S("{\"enabled\":true,\"name\":\"\",\"path\":\"\",\"streams\":[],"
                                                  "\"plugin_config\":{\"a\":18446744073709551615}}"),
                                             &c, &err),
                     HG_EUNSUPPORTED);
    static const char *const unwritten[] = { "-9223372036854775809", "123456789012345678901234567890", "1e999",
                                             "1,\"a\":2" };
    for (size_t i = 0; i < HG_COUNT(unwritten); i++) { /* what a file could not hold is refused, not written */
        char text[200];
        snprintf(text, sizeof text,
                 "{\"enabled\":true,\"name\":\"\",\"path\":\"\",\"streams\":[],\"plugin_config\":{\"a\":%s}}",
                 unwritten[i]);
        assert_true(hg_iggy_provider_create(provider, HG_IGGY_SINK, "n", hg_strz(text), &c, &err) < 0);
        assert_non_null(strstr(err.msg, "cannot be written as TOML"));
    }
    close_folder();

    open_folder(NO_ENV); /* what was written is read again: the record too */
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), 0);
    assert_int_equal(c->version, 1);
    hg_iggy_connector_unref(c);
    assert_int_equal(hg_iggy_provider_versions(provider, HG_IGGY_SINK, "audit", &all, &err), 0);
    assert_int_equal(all.n, 3);
    assert_string_equal(all.v[2]->plugin_config, "{\"x y\":[{\"a\":1},{\"b\":\"q\\u0007\\\"\"}],\"t\":{\"u\":{}}}");
    hg_iggy_configs_release(&all);
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "audit", NULL, &err), 0); /* the recorded one */
    assert_int_equal(hg_iggy_provider_get(provider, HG_IGGY_SINK, "audit", 1, &c, &err), HG_ENOTFOUND);
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), 0);
    assert_int_equal(c->version, 2);
    hg_iggy_connector_unref(c);
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "audit", &v, &err), HG_ENOTFOUND);
    v = 0;
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "audit", &v, &err), 0);
    v = 2;
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "audit", &v, &err), 0);
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "audit", NULL, &err), HG_ENOTFOUND);
    assert_int_equal(hg_iggy_provider_active_one(provider, HG_IGGY_SINK, "audit", &c, &err), HG_ENOTFOUND);
    close_folder();

    file("c/d/a0.toml", SINK("0"));
    file("c/d/.active_versions.toml", "[sinks]\naudit = 5\n");
    open_folder(NO_ENV);
    assert_int_equal(hg_iggy_provider_active(provider, &all, &err), 0);
    assert_int_equal(all.n, 1);
    assert_said("has no version 5; version 1 is used");
    hg_iggy_configs_release(&all);
    close_folder();
    file("c/d/.active_versions.toml", "= 1");
    open_folder(NO_ENV);
    assert_said("the highest versions are active");
    close_folder();
}

/* A folder that is not there is made by the first configuration. */
static void no_folder(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_connector_config_t *c = NULL;
    open_folder(NO_ENV);
    assert_said("/c/d' is not there (seen from the working directory): there are no connectors");
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SINK, "a",
                                             HG_S("{\"enabled\":true,\"name\":\"\",\"path\":\"\",\"streams\":[]}"), &c,
                                             &err),
                     0);
    hg_iggy_connector_unref(c);
    close_folder();
    open_folder(NO_ENV);
    assert_string_equal(said.p, "");
    close_folder();
}

static void older_layout(void **state)
{
    (void)state;
    char text[1500];
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_configs_t all = { 0 };
    folders();
    file("c/d/a.toml", SINK("0"));
    snprintf(text, sizeof text,
             "[connectors]\nconfig_dir = \"%s/c/d\"\n"
             "[sinks.old]\nenabled = true\nname = \"O\"\npath = \"p\"\nconfig_format = \"json\"\n"
             "[[sinks.old.streams]]\nstream = \"s\"\ntopics = [\"t\"]\nschema = \"json\"\nbatch_size = 500\n"
             "[sinks.old.config]\nlevel = 2\n"
             "[sources.src]\nenabled = true\nname = \"S\"\npath = \"p\"\n"
             "[[sources.src.streams]]\nstream = \"s\"\ntopic = \"t\"\nschema = \"json\"\nsend_interval = \"9ms\"\n"
             "[sources.bad]\nenabled = 3\n"
             "[sinks.audit]\nenabled = true\n",
             dir);
    cfg = load(text, ENV("IGGY_CONNECTORS_SINK_OLD_NAME=Env"));
    assert_non_null(cfg);
    assert_int_equal(hg_iggy_provider_new(cfg, notes, &provider, &err), 0);
    assert_said("W ");
    assert_said("[sinks.KEY] is the older layout");
    assert_said("sink 'audit' is configured by ");
    assert_int_equal(hg_iggy_provider_active(provider, &all, &err), 0);
    assert_int_equal(all.n, 4);
    assert_non_null(all.v[0]->error);
    assert_non_null(strstr(all.v[0]->error, "config.toml:25:11: option 'enabled'"));
    assert_int_equal(all.v[1]->streams[0].linger_us, 9000);
    assert_string_equal(all.v[3]->name, "Env");
    assert_int_equal(all.v[3]->streams[0].batch_length, 500);
    assert_int_equal(all.v[3]->format, HG_IGGY_FMT_JSON);
    assert_string_equal(all.v[3]->plugin_config, "{\"level\":2}");
    assert_true(all.v[3]->read_only);
    hg_iggy_configs_release(&all);
    assert_int_equal(hg_iggy_provider_activate(provider, HG_IGGY_SINK, "old", 0, &err), HG_EINVAL);
    assert_int_equal(hg_iggy_provider_delete(provider, HG_IGGY_SINK, "old", NULL, &err), HG_EINVAL);
    assert_int_equal(hg_iggy_provider_create(provider, HG_IGGY_SINK, "old", HG_S("{}"), NULL, &err), HG_EINVAL);
    assert_int_equal(hg_iggy_provider_versions(provider, HG_IGGY_SINK, "old", &all, &err), 0);
    assert_int_equal(all.n, 1);
    hg_iggy_configs_release(&all);
    hg_iggy_connector_config_t *c;
    assert_int_equal(hg_iggy_provider_get(provider, HG_IGGY_SINK, "old", 0, &c, &err), 0);
    hg_iggy_connector_unref(c);
    assert_int_equal(hg_iggy_provider_get(provider, HG_IGGY_SINK, "old", 1, &c, &err), HG_ENOTFOUND);
    close_folder();
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t us;
    } cases[] = {
        { "5ms", 0, 5000 },
        { "1 s", 0, 1000000 },
        { "1m30s", 0, 90000000 },
        { "2H", 0, 7200000000 },
        { "0", 0, 0 },
        { "None", 0, 0 },
        { "unlimited", 0, 0 },
        { "disabled", 0, 0 },
        { "1500ns", 0, 1 },
        { "3us 2ms", 0, 2003 },
        { "1day", 0, 86400000000 },
        { "5", HG_EPARSE, 0 },
        { "", HG_EPARSE, 0 },
        { "ms", HG_EPARSE, 0 },
        { "5 parsecs", HG_EPARSE, 0 },
        { "1.5s", HG_EPARSE, 0 },
        { "-1s", HG_EPARSE, 0 },
        { "99999999999999999999s", HG_ERANGE, 0 },
        { "900000d", HG_ERANGE, 0 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        uint64_t us = 0;
        assert_int_equal(hg_iggy_duration(hg_strz(cases[i].text), &us), cases[i].rc);
        assert_int_equal(us, cases[i].us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(complaints_name_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_of_many_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(environment_of_the_runtime, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_file, setup, teardown),
        cmocka_unit_test_setup_teardown(env_file, setup, teardown),
        cmocka_unit_test_setup_teardown(connector_file, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_files, setup, teardown),
        cmocka_unit_test_setup_teardown(environment_of_connectors, setup, teardown),
        cmocka_unit_test_setup_teardown(versions, setup, teardown),
        cmocka_unit_test_setup_teardown(no_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(older_layout, setup, teardown),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
