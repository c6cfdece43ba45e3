/* Any bytes as configuration: variables, a line each, up to a line "---"; then a TOML text. It is read as the runtime's
 * file and as a connector's, with the variables. Every complaint has a sentence; what is written as TOML again reads as
 * the same; a configuration that was taken can be shown in every form. */
#include "base/hg.h"
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"
#include "iggy/config/config_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void on_note(void *arg, const hg_iggy_note_t *note)
{
    hg_buf_t b;
    (void)arg;
    hg_buf_init(&b, HG_BUF_NOMAX);
    HG_ASSERT(note->msg[0] && (note->line > 0) == (note->col > 0));
    hg_iggy_note_text(note, &b);
    HG_ASSERT(b.len >= strlen(note->msg));
    hg_buf_release(&b);
}
static const hg_iggy_notes_t notes = { .fn = on_note };

static void as_runtime(const char *path, hg_iggy_env_t env)
{
    hg_iggy_runtime_config_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    if (hg_iggy_runtime_load(path, env, notes, &c, &err) < 0) {
        HG_ASSERT(!c && err.msg[0]);
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_iggy_runtime_config_json(c, &w);
    HG_ASSERT(b.p[0] == '{' && b.p[b.len - 1] == '}');
    hg_buf_release(&b);
    hg_iggy_runtime_config_free(c);
}

static void round_trip(const hg_json_t *doc)
{
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (igc_toml_write(doc, &b, &err) == 0) {
        igc_tree_t *again = igc_tree_new("again", hg_buf_str(&b));
        if (b.len <= IGC_MAX_FILE) HG_ASSERT(igc_toml(again, &err) == 0 && hg_json_equal(doc, again->root));
        hg_arena_free(again->a);
    }
    hg_buf_release(&b);
}

static void show(hg_iggy_connector_config_t *c)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_iggy_connector_members(c, &w);
    hg_jw_end_obj(&w);
    if (w.rc == 0) HG_ASSERT(hg_json_parse(a, hg_buf_str(&b), &v, &err) == 0);
    for (int f = HG_IGGY_FMT_JSON; f <= HG_IGGY_FMT_TEXT; f++) {
        hg_buf_clear(&b);
        hg_iggy_plugin_config_render(c, (hg_iggy_format_t)f, &b, &err);
    }
    if (!c->error) {
        HG_ASSERT(c->name && c->path && c->n_streams >= (c->kind == HG_IGGY_SOURCE));
        HG_ASSERT(hg_json_parse(a, hg_strz(c->plugin_config), &v, &err) == 0);
        for (uint32_t i = 0; i < c->n_streams; i++) HG_ASSERT(c->streams[i].stream && c->streams[i].topics.n);
    }
    hg_arena_free(a);
    hg_buf_release(&b);
}

static void as_connector(hg_str_t text, hg_iggy_env_t env, hg_iggy_kind_t kind)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_own_config_t own = { 0 };
    igc_env_t e;
    igc_tree_t *t = igc_tree_new("fuzz.toml", text);
    if (igc_toml(t, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        hg_arena_free(t->a);
        return;
    }
    round_trip(t->root);
    igc_env_init(&e, t->a, env);
    hg_iggy_connector_config_t *c = igc_connector_new(t, kind, "k", &own, &e, notes);
    show(c);
    hg_iggy_connector_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    const char **env = NULL;
    uint32_t n_env = 0;
    char path[64];
    setenv("HEADGATE_MODULES", HG_TEST_BINARY_DIR, 1);
    hg_str_t text = hg_arena_str(a, (hg_str_t){ (const char *)p, n });
    const char *sep = memmem(text.p, text.n, "---\n", 4);
    size_t head = sep ? (size_t)(sep - text.p) : 0;
    for (size_t i = 0; i < head;) {
        const char *nl = memchr(text.p + i, '\n', head - i);
        size_t len = nl ? (size_t)(nl - text.p) - i : head - i;
        HG_APUSH(a, env, n_env, hg_arena_strndup(a, text.p + i, len));
        i += len + 1;
    }
    HG_APUSH(a, env, n_env, NULL);
    if (sep) text = (hg_str_t){ sep + 4, text.n - head - 4 };
    int fd = memfd_create("config", MFD_CLOEXEC);
    HG_ASSERT(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    as_runtime(path, env);
    close(fd);
    hg_json_t *json;
    hg_buf_t toml;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&toml, HG_BUF_NOMAX); /* what the API is given to write to a file */
    if (hg_json_parse(a, text, &json, &err) == 0 && igc_toml_write(json, &toml, &err) < 0) HG_ASSERT(err.msg[0]);
    hg_buf_release(&toml);
    as_connector(text, env, HG_IGGY_SINK);
    as_connector(text, env, HG_IGGY_SOURCE);
    hg_arena_free(a);
    return 0;
}
