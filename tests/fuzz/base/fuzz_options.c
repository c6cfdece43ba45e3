/* Any bytes as the JSON of a connector's options: a document is refused with a place, or it goes through a table with
 * an option of every type, in each way to treat what the table does not name. Every complaint has a sentence, and a
 * secret never shows. */
#include "base/hg.h"
#include "base/mem.h"
#include "base/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef struct cfg {
    hg_kvlist_t extra;
    const char *str, *secret, *old;
    bool flag;
    uint32_t u32;
    uint64_t u64, wait;
    int64_t i64;
    double f64;
    int mode;
    hg_strlist_t list, many, no_lists;
    uint32_t no_number;
    bool no_flag;
    const hg_json_t *json;
} cfg_t;

#define AT(f) .at = offsetof(cfg_t, f)
static const hg_opt_t table[] = {
    { .key = "path", .type = HG_OPT_STR, AT(str), .flags = HG_OPT_REQUIRED, .doc = "A path." },
    { .key = "password", .type = HG_OPT_STR, AT(secret), .flags = HG_OPT_SECRET, .doc = "A secret." },
    { .key = "old_path", .type = HG_OPT_STR, AT(old), .flags = HG_OPT_DEPRECATED, .doc = "Use `path`." },
    { .key = "follow", .type = HG_OPT_BOOL, AT(flag), .def = "true", .doc = "A switch." },
    { .key = "small", .type = HG_OPT_U32, AT(u32), .min = 1, .max = 100, .def = "7", .doc = "A small number." },
    { .key = "large", .type = HG_OPT_U64, AT(u64), .doc = "A large number." },
    { .key = "signed", .type = HG_OPT_I64, AT(i64), .doc = "A number with a sign." },
    { .key = "rate", .type = HG_OPT_F64, AT(f64), .doc = "A number." },
    { .key = "mode", .type = HG_OPT_ENUM, AT(mode), .names = "one|two", .def = "two", .doc = "A word." },
    { .key = "names", .type = HG_OPT_STRLIST, AT(list), .doc = "Names." },
    { .key = "topics", .type = HG_OPT_STRLIST, AT(many), .flags = HG_OPT_ONE_OR_MANY, .doc = "One or many." },
    { .key = "plan", .type = HG_OPT_JSON, AT(json), .doc = "Anything." },
    { .key = "wait", .type = HG_OPT_DURATION, AT(wait), .def = "5s", .min = 1, .max = 3600000, .doc = "A time." },
    { .key = "threads", .type = HG_OPT_U32, AT(no_number), .def = "1", .flags = HG_OPT_IGNORED, .doc = "None." },
    { .key = "fast", .type = HG_OPT_BOOL, AT(no_flag), .flags = HG_OPT_IGNORED, .doc = "None." },
    { .key = "more", .type = HG_OPT_STRLIST, AT(no_lists), .flags = HG_OPT_IGNORED, .doc = "None." },
    { .key = NULL },
};

static void complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)at_key;
    HG_ASSERT(msg[0] && (node || !warning));
}

static void parse(const hg_json_t *doc, hg_arena_t *a, hg_extra_t mode)
{
    cfg_t cfg = { 0 };
    hg_diag_t d = { .fn = complaint };
    int rc = hg_opts_parse(table, doc, doc, mode, &cfg.extra, a, &cfg, &d);
    HG_ASSERT((rc < 0) == (d.errors > 0));
    if (rc == 0) HG_ASSERT(cfg.str && cfg.u32 >= 1 && cfg.u32 <= 100 && cfg.wait >= 1 && cfg.mode <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *doc = NULL;
    if (hg_json_parse(a, (hg_str_t){ (const char *)p, n }, &doc, &err) == 0) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        parse(doc, a, HG_EXTRA_WARN);
        parse(doc, a, HG_EXTRA_REFUSE);
        parse(doc, a, HG_EXTRA_TAKE);
        parse(NULL, a, HG_EXTRA_REFUSE);
        hg_opts_redact(table, doc, &b);
        hg_buf_release(&b);
    } else {
        HG_ASSERT(err.code == HG_EPARSE && err.msg[0] && err.pos.line > 0 && err.pos.col > 0);
    }
    hg_arena_free(a);
    return 0;
}
