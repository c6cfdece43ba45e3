/* Any bytes as the answer of a service that keeps configurations. First line: a digit for the shape that was asked for,
 * then data_path and error_path, each behind a blank ("-": unset); the rest is the answer. Each configuration has a
 * key; a wrong one says where. 'c' instead of the digit: the rest is what the API is given as a new configuration,
 * which is refused, or is in the folder afterwards and read from there as it was given. */
#include "base/hg.h"
#include "iggy/config/config_int.h"
#include "tests/fuzz/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *word(hg_arena_t *a, hg_str_t *line)
{
    const char *blank = line->n ? memchr(line->p, ' ', line->n) : NULL;
    size_t n = blank ? (size_t)(blank - line->p) : line->n;
    const char *w = hg_arena_strndup(a, line->p, n);
    n += blank != NULL;
    *line = (hg_str_t){ line->p + n, line->n - n };
    return strcmp(w, "-") == 0 || !*w ? NULL : w;
}

static void create(hg_arena_t *a, hg_str_t body)
{
    static const hg_iggy_kind_t kinds[] = { HG_IGGY_SOURCE, HG_IGGY_SINK };
    setenv("HEADGATE_MODULES", HG_TEST_BINARY_DIR, 1);
    const hg_iggy_runtime_config_t cfg = { .connectors = { .config_dir = fuzz_folder("provider") } };
    hg_iggy_provider_t *p;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *given;
    HG_ASSERT(hg_iggy_provider_new(&cfg, (hg_iggy_notes_t){ 0 }, &p, &err) == 0);
    for (size_t i = 0; i < HG_COUNT(kinds); i++) {
        hg_iggy_connector_config_t *c = NULL, *read = NULL;
        if (hg_iggy_provider_create(p, kinds[i], "k", body, &c, &err) < 0) {
            HG_ASSERT(!c && err.msg[0]);
            continue;
        }
        HG_ASSERT(hg_json_parse(a, body, &given, &err) == 0 && !c->error);
        HG_ASSERT(strcmp(c->name, hg_json_str(hg_json_get(given, "name"), "")) == 0);
        HG_ASSERT(hg_iggy_provider_get(p, kinds[i], "k", c->version, &read, &err) == 0 && read->kind == kinds[i]);
        hg_iggy_connector_unref(read);
        hg_iggy_connector_unref(c);
    }
    hg_iggy_provider_free(p);
    fuzz_folder_empty();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_str_t text = hg_arena_str(a, (hg_str_t){ (const char *)p, n });
    const char *nl = n ? memchr(text.p, '\n', text.n) : NULL;
    size_t head = nl ? (size_t)(nl - text.p) : text.n;
    hg_str_t line = { text.p, head };
    const char *shape = word(a, &line);
    hg_iggy_runtime_config_t cfg = { .connectors = { .http = true } };
    cfg.connectors.data_path = word(a, &line);
    cfg.connectors.error_path = word(a, &line);
    head += nl != NULL;
    if (shape && shape[0] == 'c') {
        create(a, (hg_str_t){ text.p + head, text.n - head });
        hg_arena_free(a);
        return 0;
    }
    int what = shape ? shape[0] % 3 : 0;
    igc_asked_t asked = { .cfg = &cfg, .url = "http://service", .key = shape && shape[0] > '2' ? NULL : "k" };
    hg_iggy_configs_t all = { 0 };
    hg_err_t err = HG_ERR_INIT;
    if (igc_http_answer(&asked, (igc_answer_t)what, (hg_str_t){ text.p + head, text.n - head }, &all, &err) < 0)
        HG_ASSERT(all.n == 0 && err.code == HG_EPROTO && strstr(err.msg, "HTTP request failed: ") == err.msg);
    for (uint32_t i = 0; i < all.n; i++) {
        HG_ASSERT(all.v[i]->key);
        if (all.v[i]->error) HG_ASSERT(strstr(all.v[i]->error, "http://service:") == all.v[i]->error);
    }
    hg_iggy_configs_release(&all);
    hg_arena_free(a);
    return 0;
}
