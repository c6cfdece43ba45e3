/* headgate connectors --config FILE: the runtime for connectors of Apache Iggy.
 *
 * --check prints what was understood as one JSON object on standard output: the runtime's file with defaults and
 * environment, the active version of each connector, and what is wrong. Complaints go to standard error as well. Exit
 * code: 0 fine, 1 something is wrong.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "headgate/cmd.h"
#include "iggy/config/config.h"
#include "iggy/runtime/runtime.h"
#include <unistd.h>

typedef struct notes {
    hg_buf_t text;
    hg_jw_t json;
    unsigned errors;
} notes_t;

static void on_note(void *arg, const hg_iggy_note_t *note)
{
    notes_t *n = arg;
    hg_buf_clear(&n->text);
    hg_iggy_note_text(note, &n->text);
    fprintf(stderr, "%s: %s\n", note->warning ? "warning" : "error", n->text.p);
    n->errors += !note->warning;
    hg_jw_obj(&n->json);
    hg_jw_kstr(&n->json, "level", note->warning ? "warning" : "error");
    hg_jw_kstr(&n->json, "file", note->file);
    if (note->line) {
        hg_jw_ku64(&n->json, "line", note->line);
        hg_jw_ku64(&n->json, "column", note->col);
    }
    hg_jw_kstr(&n->json, "message", note->msg);
    hg_jw_end_obj(&n->json);
}

static void connectors_json(const hg_iggy_configs_t *all, hg_iggy_kind_t kind, hg_jw_t *w)
{
    hg_jw_key(w, kind == HG_IGGY_SINK ? "sinks" : "sources");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < all->n; i++) {
        if (all->v[i]->kind != kind) continue;
        hg_jw_obj(w);
        hg_iggy_connector_members(all->v[i], w);
        hg_jw_kstr(w, "file", all->v[i]->file);
        if (all->v[i]->error) hg_jw_kstr(w, "error", all->v[i]->error);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

/* The runtime's file and the active connectors; what could be understood is shown even if the rest is wrong. */
static int load(const char *path, notes_t *n, hg_iggy_runtime_config_t **ret_cfg, hg_iggy_provider_t **ret_provider,
                hg_iggy_configs_t *ret)
{
    hg_iggy_notes_t to = { .fn = on_note, .arg = n };
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_env_file(to);
    int rc = hg_iggy_runtime_load(path, (hg_iggy_env_t)environ, to, ret_cfg, &err);
    if (rc < 0) return rc;
    rc = hg_iggy_provider_new(*ret_cfg, to, ret_provider, &err);
    if (rc == 0) rc = hg_iggy_provider_active(*ret_provider, ret, &err);
    if (rc < 0) on_note(n, &(hg_iggy_note_t){ .file = (*ret_cfg)->file, .msg = err.msg });
    return rc;
}

static int check(const char *path)
{
    hg_iggy_runtime_config_t *cfg = NULL;
    hg_iggy_provider_t *provider = NULL;
    hg_iggy_configs_t active = { 0 };
    hg_buf_t out, complaints;
    notes_t n = { 0 };
    hg_jw_t w;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&complaints, HG_BUF_NOMAX);
    hg_buf_init(&n.text, HG_BUF_NOMAX);
    hg_jw_init(&n.json, &complaints);
    hg_jw_init(&w, &out);
    load(path, &n, &cfg, &provider, &active);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "file", cfg && cfg->file ? cfg->file : path);
    hg_jw_kbool(&w, "ok", n.errors == 0);
    hg_jw_key(&w, "messages");
    hg_buf_addc(&out, '[');
    hg_buf_add(&out, complaints.p, complaints.len);
    hg_buf_addc(&out, ']');
    w.comma = true;
    hg_jw_key(&w, "runtime");
    if (cfg)
        hg_iggy_runtime_config_json(cfg, &w);
    else
        hg_jw_null(&w);
    connectors_json(&active, HG_IGGY_SOURCE, &w);
    connectors_json(&active, HG_IGGY_SINK, &w);
    hg_jw_end_obj(&w);
    hg_buf_addc(&out, '\n');
    fwrite(out.p, 1, out.len, stdout);
    hg_iggy_configs_release(&active);
    hg_iggy_provider_free(provider);
    hg_iggy_runtime_config_free(cfg);
    hg_buf_release(&out);
    hg_buf_release(&complaints);
    hg_buf_release(&n.text);
    return n.errors ? 1 : 0;
}

/* headgate-iggy is the same without what pipelines need, and smaller. Where it is not installed, this is it. */
static int run(char *config)
{
    static const char *const places[] = { "", "../lib/headgate/" };
    char name[] = "headgate-iggy", command[] = "connectors", dir[PATH_MAX], path[PATH_MAX + 64];
    char *const argv[] = { name, command, config, NULL };
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    for (size_t i = 0; slash && i < HG_COUNT(places); i++) {
        slash[1] = 0;
        snprintf(path, sizeof path, "%s%s%s", dir, places[i], name);
        execv(path, argv);
    }
    return hg_rt_process(config);
}

int hg_cmd_connectors_runtime(const char *config, bool only_check)
{
    if (only_check) return check(config);
    char *copy = config ? hg_xstrdup(config) : NULL;
    int rc = run(copy);
    hg_free(copy);
    return rc;
}
