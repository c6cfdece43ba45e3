/* What the client is given from outside. By the first byte: 'j' the JSON of a server's answer, shown in each way there
 * is; 'o' its connectors (GET …/orchestration); 'z' a support bundle, whose pipelines are listed. All of it goes to a
 * place that keeps nothing. */
#include "base/hg.h"
#include <sys/mman.h>
#include <unistd.h>
#include "fda/fda_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const fda_col_t columns[] = {
    { "Name", "name", FDA_COL_TEXT },         { "Inside", "a.b", FDA_COL_OPTIONAL }, { "Since", "since", FDA_COL_TIME },
    { "Enabled", "enabled", FDA_COL_YES_NO }, { NULL, NULL, FDA_COL_TEXT },
};

static void show(fda_t *f, const hg_json_t *v)
{
    fda_print_json(v, false);
    fda_print_json(v, true);
    fda_print_nested(v, FDA_ALIGNED);
    fda_print_nested(v, FDA_SPREAD);
    f->format = FDA_TEXT;
    fda_print_fields(f, v, columns);
    if (v->kind == HG_J_ARRAY) fda_print_list(f, v, columns);
    (void)fda_clock(f, hg_json_str(v, ""));
    (void)fda_thousands(f, fda_digits(v, "n", "0"));
    HG_ASSERT(fda_width(hg_json_str(v, "")) <= strlen(hg_json_str(v, "")) * 2);
}

static void connectors(fda_t *f, const hg_json_t *v)
{
    fda_paint_t paint = FDA_PLAIN;
    (void)fda_orch_find(v, "c");
    const hg_json_t *all = fda_member(v, "connectors");
    for (const hg_json_t *c = all ? all->child : NULL; c; c = c->next) {
        const char *state = fda_orch_state(f, c, &paint);
        (void)fda_paint(f, paint, state, 20);
        const char *progress = fda_orch_progress(f, c);
        HG_ASSERT(!*progress || strtol(progress, NULL, 10) <= 100);
    }
}

static void bundle(fda_t *f, hg_str_t zip)
{
    char path[64];
    char *words[] = { (char[]){ "fda" }, (char[]){ "debug" }, (char[]){ "unbundle" }, (char[]){ "--dry-run" }, path };
    const fda_args_t *args = NULL;
    int code = 0, fd = memfd_create("bundle", MFD_CLOEXEC);
    HG_ASSERT(fd >= 0 && write(fd, zip.p, zip.n) == (ssize_t)zip.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    HG_ASSERT(fda_args_parse(f->arena, &fda_root, HG_COUNT(words), words, &args, &code) == 0);
    (void)fda_cmd_unbundle(f, args);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static bool quiet;
    if (!quiet) { /* complaints too: libFuzzer keeps a descriptor of its own */
        setenv("NO_COLOR", "1", 1);
        quiet = freopen("/dev/null", "w", stdout) != NULL;
    }
    if (n == 0) return 0;
    fda_t f = { .arena = hg_arena_new(), .host = "http://127.0.0.1:1" };
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *v;
    hg_str_t rest = { (const char *)p + 1, n - 1 };
    if (p[0] == 'z')
        bundle(&f, rest);
    else if (hg_json_parse(f.arena, rest, &v, &err) == 0 && p[0] == 'o')
        connectors(&f, v);
    else if (err.code == HG_OK)
        show(&f, v);
    hg_arena_free(f.arena);
    return 0;
}
