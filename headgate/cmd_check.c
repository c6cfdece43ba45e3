/* headgate check program.sql: compile only. Messages, schema and connector graph; nothing is started.
 *
 * Exit code: 0 fine, 1 errors (or warnings with --strict), 2 wrong usage. Messages go to stderr, what was asked for to
 * stdout.
 */
#include "base/hg.h"
#include <unistd.h>
#include "base/mem.h"
#include "compile/compile.h"
#include "headgate/cmd.h"

static int read_all(const char *path, hg_buf_t *b)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char chunk[65536];
    size_t n;
    if (!f) return -1;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) hg_buf_add(b, chunk, n);
    int bad = ferror(f);
    if (f != stdin) fclose(f);
    return bad ? -1 : 0;
}

static void put(FILE *f, const hg_buf_t *b)
{
    fwrite(b->p, 1, b->len, f);
}

static void print_json(const hg_program_t *p, hg_buf_t *b)
{
    hg_jw_t w;
    hg_jw_init(&w, b);
    hg_jw_obj(&w);
    hg_jw_key(&w, "sql_compilation");
    hg_program_messages_json(p, &w);
    hg_jw_key(&w, "program_info");
    if (p->ok)
        hg_program_info_json(p, &w);
    else
        hg_jw_null(&w);
    hg_jw_end_obj(&w);
    hg_buf_addc(b, '\n');
}

static void print_schema(const hg_program_t *p, hg_buf_t *b)
{
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        if (r->system) continue;
        hg_buf_addf(b, "%s%s " HG_SF "\n",
                    r->local          ? "local "
                    : r->materialized ? "materialized "
                                      : "",
                    r->kind == HG_REL_TABLE ? "table" : "view", HG_SA(r->schema.name));
        for (uint32_t k = 0; k < r->schema.n_cols; k++) {
            const hg_field_t *f = &r->schema.cols[k];
            bool key = false;
            for (uint32_t j = 0; j < r->schema.n_key; j++) key = key || r->schema.key[j] == k;
            hg_buf_addf(b, "   %-24.*s ", HG_SA(f->name));
            hg_type_text(b, f->type);
            hg_buf_adds(b, f->type->nullable ? "" : " NOT NULL");
            hg_buf_adds(b, key ? " PRIMARY KEY\n" : "\n");
        }
    }
}

static void plural(hg_buf_t *b, uint32_t n, const char *what)
{
    hg_buf_addf(b, "%u %s%s", n, what, n == 1 ? "" : "s");
}

static void summary(const hg_program_t *p, hg_buf_t *b)
{
    if (p->n_errors) plural(b, p->n_errors, "error");
    if (p->n_errors && p->n_warnings) hg_buf_adds(b, ", ");
    if (p->n_warnings) plural(b, p->n_warnings, "warning");
    hg_buf_adds(b, ".\n");
}

static int report(const hg_program_t *p, const char *file, bool json, const char *graph)
{
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (json) {
        print_json(p, &b);
        put(stdout, &b);
    } else {
        bool color = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
        hg_program_messages_text(p, file, color, &b);
        if (p->n_msgs) summary(p, &b);
        put(stderr, &b);
        hg_buf_clear(&b);
        if (p->ok && !graph) print_schema(p, &b);
        put(stdout, &b);
    }
    if (graph) {
        hg_buf_clear(&b);
        rc = hg_program_graph(p, graph, &b, &err);
        if (rc < 0)
            fprintf(stderr, "headgate check: %s\n", err.msg);
        else
            put(stdout, &b);
    } else if (!json && p->ok && p->n_conns) {
        hg_buf_clear(&b);
        hg_program_graph(p, "text", &b, &err);
        fputs("connectors\n", stdout);
        put(stdout, &b);
    }
    hg_buf_release(&b);
    return rc;
}

int hg_cmd_check(const fda_args_t *a)
{
    const char *graph = fda_option(a, "graph"), *path = fda_arg(a, "PROGRAM_PATH");
    bool json = fda_flag(a, "json"), strict = fda_flag(a, "strict");
    hg_buf_t text;
    hg_buf_init(&text, (size_t)64 << 20);
    if (read_all(path, &text) < 0) {
        fprintf(stderr, "headgate check: cannot read %s\n", path);
        hg_buf_release(&text);
        return 1;
    }
    const char *file = strcmp(path, "-") == 0 ? "stdin" : strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    hg_compile_opts_t o = { .file = file, .strict = strict };
    hg_program_t *p = hg_compile(hg_buf_str(&text), &o);
    int rc = report(p, file, json, graph);
    bool failed = p->n_errors || (strict && p->n_warnings) || rc < 0;
    hg_program_free(p);
    hg_buf_release(&text);
    return failed ? 1 : 0;
}
