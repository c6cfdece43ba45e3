/* cmd_unbundle.c: `debug unbundle`: pipelines made anew from what a support bundle says about them.
 *
 * Each collection of a bundle is a folder with a pipeline_config.json: the pipeline as GET …/pipelines/P shows it. From
 * each comes a pipeline P_unbundled_FOLDER, the newest first; one that differs from a newer one by its name or version
 * only is left out. Nothing is started. */
#include "base/hg.h"
#include "base/zip_lib.h"
#include "fda/fda_int.h"

#define CONFIG_FILE "/pipeline_config.json"
#define CONFIG_MAX  ((size_t)64 << 20)

typedef struct {
    const char *folder, *name;
    const hg_json_t *config;
    hg_str_t content; /* what makes it another pipeline */
} found_t;

typedef struct {
    fda_t *f;
    found_t *v;
    uint32_t n;
} bundle_t;

static hg_str_t content_of(fda_t *f, const hg_json_t *config)
{
    static const char *const members[] = { "program_code", "udf_rust", "udf_toml", "runtime_config" };
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    for (size_t i = 0; i < HG_COUNT(members); i++) {
        const hg_json_t *m = fda_member(config, members[i]);
        if (m)
            hg_jw_node(&w, m);
        else
            hg_jw_null(&w);
    }
    hg_jw_end_arr(&w);
    hg_str_t s = hg_arena_str(f->arena, hg_buf_str(&b));
    hg_buf_release(&b);
    return s;
}

static int take(void *arg, const char *path, hg_str_t bytes, hg_err_t *err)
{
    bundle_t *b = arg;
    fda_t *f = b->f;
    found_t x = { .folder = hg_arena_strndup(f->arena, path, strlen(path) - strlen(CONFIG_FILE)) };
    hg_json_t *v;
    int rc = hg_json_parse(f->arena, hg_arena_str(f->arena, bytes), &v, err);
    if (rc < 0) return hg_err_wrap(err, "%s", path);
    x.config = v;
    const char *name = fda_text(v, "name", NULL);
    if (!name) return hg_err_set(err, HG_EPARSE, "Pipeline name not found in config");
    if (!fda_text(v, "program_code", NULL)) return hg_err_set(err, HG_EPARSE, "Program code not found in config");
    char *made = hg_arena_printf(f->arena, "%s_unbundled_%s", name, x.folder);
    for (char *c = made + strlen(name); *c; c++)
        if (*c == '.') *c = '-'; /* no part of a pipeline's name */
    x.name = made;
    x.content = content_of(f, v);
    HG_APUSH(f->arena, b->v, b->n, x);
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(((const found_t *)b)->folder, ((const found_t *)a)->folder);
}

static bool seen(const bundle_t *b, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (hg_str_eq(b->v[k].content, b->v[i].content)) return true;
    return false;
}

/* NULL: the bundle does not say it. */
static const char *version_of(fda_t *f, const found_t *x)
{
    const char *v = fda_text(x->config, "platform_version", NULL);
    return v ? hg_arena_printf(f->arena, "v%s", v) : NULL;
}

static void show(fda_t *f, const found_t *x)
{
    const char *version = version_of(f, x), *code = fda_text(x->config, "program_code", "");
    const char *rust = fda_text(x->config, "udf_rust", ""), *toml = fda_text(x->config, "udf_toml", "");
    printf("[DRY RUN] Create: %s\n", x->name);
    if (version) printf("  Runtime version: %s\n", version);
    puts("  SQL code:");
    while (*code) {
        size_t n = strcspn(code, "\n");
        printf("    %.*s\n", (int)n, code);
        code += n + (code[n] == '\n');
    }
    if (*rust) printf("  UDF code: %zu characters\n", hg_utf8_chars(rust, strlen(rust)));
    if (*toml) printf("  UDF config: %zu characters\n", hg_utf8_chars(toml, strlen(toml)));
}

/* May a pipeline be made for a version of its own? */
static bool chooses_version(fda_t *f)
{
    const hg_json_t *config;
    if (fda_get(f, "Failed to get the configuration of the server", "/v0/config", 0, &config)) return false;
    if (strstr(fda_text(config, "unstable_features", ""), "runtime_version")) return true;
    fda_error("warning: %s makes pipelines of its own version only, not of the bundle's", f->host);
    return false;
}

static int create(fda_t *f, const found_t *x, bool versions)
{
    static const char *const members[] = { "description", "program_code", "runtime_config", "udf_rust", "udf_toml" };
    const char *version = versions ? version_of(f, x) : NULL;
    const hg_json_t *cache = fda_member(x->config, "program_config.cache");
    hg_buf_t body;
    hg_jw_t w;
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "name", x->name);
    for (size_t i = 0; i < HG_COUNT(members); i++) {
        const hg_json_t *m = fda_member(x->config, members[i]);
        if (!m) continue;
        hg_jw_key(&w, members[i]);
        hg_jw_node(&w, m);
    }
    hg_jw_key(&w, "program_config");
    hg_jw_obj(&w);
    hg_jw_kbool(&w, "cache", hg_json_bool(cache, true));
    hg_jw_kstr(&w, "profile", fda_text(x->config, "program_config.profile", "optimized"));
    if (version) hg_jw_kstr(&w, "runtime_version", version);
    hg_jw_end_obj(&w);
    hg_jw_end_obj(&w);
    int rc = fda_call(f, "Failed to create pipeline", "POST", "/v0/pipelines", hg_buf_str(&body), FDA_ONCE, NULL);
    hg_buf_release(&body);
    return rc;
}

/* One of that name, if there is one: cleared and deleted. */
static int remove_old(fda_t *f, const char *name)
{
    fda_answer_t ans;
    const char *status = fda_path(f, "/v0/pipelines/%s?selector=status", name);
    if (fda_call(f, "Failed to get pipeline", "GET", status, (hg_str_t){ 0 }, FDA_QUIET, &ans))
        return ans.status == 404 ? 0 : fda_error("%s", ans.message ? ans.message : "no answer");
    int rc = fda_clear_pipeline(f, name);
    if (rc == 0)
        rc = fda_call(f, "Failed to delete the pipeline", "DELETE", fda_path(f, "/v0/pipelines/%s", name),
                      (hg_str_t){ 0 }, 0, NULL);
    if (rc == 0) puts("Pipeline deleted successfully.");
    return rc;
}

int fda_cmd_unbundle(fda_t *f, const fda_args_t *a)
{
    bundle_t b = { .f = f };
    hg_err_t err = HG_ERR_INIT;
    bool dry = fda_flag(a, "dry-run");
    const char *path = fda_arg(a, "PATH");
    if (hg_zip_each(path, CONFIG_FILE, CONFIG_MAX, take, &b, &err) < 0)
        return fda_error("Failed to unbundle support bundle %s: %s", path, err.msg);
    if (b.n == 0) fda_error("warning: No pipeline config files found in the support bundle.");
    if (b.n) qsort(b.v, b.n, sizeof *b.v, newest_first);
    bool versions = !dry && chooses_version(f);
    for (uint32_t i = 0; i < b.n; i++) {
        if (seen(&b, i)) continue;
        int rc = 0;
        if (dry)
            show(f, &b.v[i]);
        else if (fda_flag(a, "force"))
            rc = remove_old(f, b.v[i].name);
        if (rc == 0 && !dry) rc = create(f, &b.v[i], versions);
        if (rc) return rc;
    }
    if (dry) puts("\nNo pipelines were created.\nRemove --dry-run flag to actually create the pipelines.");
    return 0;
}
