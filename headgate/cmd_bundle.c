/* cmd_bundle.c: `headgate bundle`, the manager's hand for archives: one JSON document in on standard input, a zip out.
 *   "files"     [{"name", "text"}, or {"name", "hex"} of what is no text], in their order
 *   "log"       [paths]: the tails of these files, in this order, become <directory>/logs.txt
 *   "program"   the pipeline's: its secrets are left out of all texts, and
 *   "dataflow"  true: <directory>/dataflow_graph.json is made of it
 *   "env"       {…} that its process has beside ours
 *   "directory" where what is made here goes
 *   "metadata"  {…}: becomes metadata.json with what is made here and what is missing; metadata.txt says it for people
 * It is a process of its own: libzip, the connectors' option tables and a long log stay out of the daemon's memory. */
#include "base/hg.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/zip_lib.h"
#include "compile/redact.h"
#include "headgate/cmd.h"
#include "pipeline/secrets.h"

#define LOG_TAIL ((off_t)8 << 20) /* of each file */

typedef struct bundle {
    const hg_json_t *ask;
    hg_arena_t *a;
    hg_redact_t *redact;
    hg_zip_t *zip;
    size_t n_redacted;
} bundle_t;

static hg_str_t text_of(const hg_json_t *v)
{
    return v && v->kind == HG_J_STRING ? v->str : HG_S("");
}

static void learn(bundle_t *b)
{
    const hg_json_t *env = hg_json_get(b->ask, "env"), *files = hg_json_get(b->ask, "files");
    hg_redact_learn(b->redact, text_of(hg_json_get(b->ask, "program")), hg_secret_resolve, &env);
    hg_redact_learn_members(b->redact, env);
    for (const hg_json_t *f = files ? files->child : NULL; f; f = f->next)
        hg_redact_learn(b->redact, text_of(hg_json_get(f, "text")), NULL, NULL);
}

static int add(bundle_t *b, const char *name, hg_str_t text, hg_err_t *err)
{
    hg_buf_t clean;
    hg_buf_init(&clean, HG_BUF_NOMAX);
    b->n_redacted += hg_redact_copy(b->redact, text, &clean);
    int rc = hg_zip_add(b->zip, name, hg_buf_str(&clean), err);
    hg_buf_release(&clean);
    return rc;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As it is: what is no text has no secrets that could be found in it. */
static int add_hex(bundle_t *b, const char *name, hg_str_t hex, hg_err_t *err)
{
    hg_buf_t bytes;
    hg_buf_init(&bytes, HG_BUF_NOMAX);
    int rc = hex.n % 2 ? HG_EPARSE : 0;
    for (size_t i = 0; rc == 0 && i < hex.n; i += 2) {
        int high = nibble(hex.p[i]), low = nibble(hex.p[i + 1]);
        rc = high < 0 || low < 0 ? HG_EPARSE : hg_buf_addc(&bytes, (char)(high << 4 | low));
    }
    if (rc < 0)
        hg_err_set(err, (hg_code_t)rc, "%s: its \"hex\" is not pairs of hexadecimal digits", name);
    else
        rc = hg_zip_add(b->zip, name, hg_buf_str(&bytes), err);
    hg_buf_release(&bytes);
    return rc;
}

/* The end of a file, whole lines; nothing if it is not there. */
static void read_tail(const char *path, hg_buf_t *out)
{
    struct stat st;
    char chunk[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    off_t at = fstat(fd, &st) == 0 && st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
    bool skip = at > 0;
    ssize_t n;
    while ((n = pread(fd, chunk, sizeof chunk, at)) > 0) {
        const char *p = chunk, *end = chunk + n, *nl = skip ? memchr(p, '\n', (size_t)n) : p;
        at += n;
        if (!nl) continue;
        if (skip) p = nl + 1;
        skip = false;
        hg_buf_add(out, p, (size_t)(end - p));
    }
    close(fd);
}

static int add_made(bundle_t *b, const char *dir, hg_err_t *err)
{
    const hg_json_t *log = hg_json_get(b->ask, "log");
    int rc = 0;
    if (log) {
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        for (const hg_json_t *p = log->child; p; p = p->next) read_tail(p->str.p, &text);
        rc = add(b, hg_arena_printf(b->a, "%s/logs.txt", dir), hg_buf_str(&text), err);
        hg_buf_release(&text);
    }
    if (rc == 0 && hg_json_bool(hg_json_get(b->ask, "dataflow"), false)) {
        hg_program_t *p = hg_compile(text_of(hg_json_get(b->ask, "program")), &(hg_compile_opts_t){ .file = NULL });
        hg_buf_t text;
        hg_jw_t w;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_jw_init(&w, &text);
        if (p->ok)
            hg_program_dataflow_json(p, &w);
        else
            hg_program_messages_json(p, &w); /* why there is none */
        rc = add(b, hg_arena_printf(b->a, "%s/dataflow_graph.json", dir), hg_buf_str(&text), err);
        hg_buf_release(&text);
        hg_program_free(p);
    }
    return rc;
}

static int add_metadata(bundle_t *b, hg_err_t *err)
{
    const hg_json_t *meta = hg_json_get(b->ask, "metadata");
    if (!meta) return 0;
    hg_buf_t json, text;
    hg_jw_t w;
    hg_buf_init(&json, HG_BUF_NOMAX);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &json);
    hg_jw_obj(&w);
    for (const hg_json_t *m = meta->child; m; m = m->next) {
        hg_jw_key(&w, m->key.p);
        hg_jw_node(&w, m);
    }
    hg_jw_ku64(&w, "secrets_left_out", b->n_redacted);
    hg_jw_end_obj(&w);
    const hg_json_t *pl = hg_json_get(meta, "pipeline"), *all = hg_json_get(meta, "collections");
    hg_buf_addf(&text, "Support bundle of pipeline '%s', asked for at %s. Status: %s.\n",
                hg_json_str(hg_json_get(pl, "name"), ""), hg_json_str(hg_json_get(meta, "requested_at"), ""),
                hg_json_str(hg_json_get(pl, "status"), ""));
    hg_buf_addf(&text, "%zu secret%s left out (***).\n", b->n_redacted, b->n_redacted == 1 ? " was" : "s were");
    for (const hg_json_t *c = all ? all->child : NULL; c; c = c->next) {
        const hg_json_t *missing = hg_json_get(c, "missing");
        hg_buf_addf(&text, "\nFolder %s", hg_json_str(hg_json_get(c, "directory"), ""));
        for (const hg_json_t *m = missing ? missing->child : NULL; m; m = m->next)
            hg_buf_addf(&text, "%s\n  %s: %s", m == missing->child ? ", without" : "",
                        hg_json_str(hg_json_get(m, "file"), ""), hg_json_str(hg_json_get(m, "reason"), ""));
        hg_buf_addc(&text, '\n');
    }
    int rc = add(b, "metadata.json", hg_buf_str(&json), err);
    if (rc == 0) rc = add(b, "metadata.txt", hg_buf_str(&text), err);
    hg_buf_release(&json);
    hg_buf_release(&text);
    return rc;
}

static int make(bundle_t *b, hg_buf_t *out, hg_err_t *err)
{
    const hg_json_t *files = hg_json_get(b->ask, "files");
    int rc = hg_zip_new(&b->zip, err);
    if (rc < 0) return rc;
    learn(b);
    for (const hg_json_t *f = files ? files->child : NULL; f && rc == 0; f = f->next) {
        const hg_json_t *hex = hg_json_get(f, "hex");
        const char *name = hg_json_str(hg_json_get(f, "name"), "");
        rc = hex ? add_hex(b, name, text_of(hex), err) : add(b, name, text_of(hg_json_get(f, "text")), err);
    }
    if (rc == 0) rc = add_made(b, hg_json_str(hg_json_get(b->ask, "directory"), "."), err);
    if (rc == 0) rc = add_metadata(b, err);
    hg_err_t end = HG_ERR_INIT;
    int ended = hg_zip_end(b->zip, rc == 0 ? out : NULL, &end);
    if (rc < 0) return rc;
    if (ended < 0) *err = end;
    return ended;
}

int hg_cmd_bundle(int argc, char **argv)
{
    hg_buf_t in, out;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    (void)argv;
    if (argc != 1) {
        fprintf(stderr, "usage: headgate bundle < contents.json\n");
        return 2;
    }
    hg_buf_init(&in, 512u << 20);
    hg_buf_init(&out, HG_BUF_NOMAX);
    bundle_t b = { .a = hg_arena_new(), .redact = hg_redact_new() };
    int rc = 1;
    if (!hg_cmd_read_stdin(&in) || hg_json_parse(b.a, hg_buf_str(&in), &v, &err) < 0) {
        fprintf(stderr, "headgate bundle: standard input: %s\n", err.code ? err.msg : "cannot be read");
    } else {
        b.ask = v;
        if (make(&b, &out, &err) < 0)
            fprintf(stderr, "headgate bundle: %s\n", err.msg);
        else
            rc = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
    }
    hg_buf_release(&in);
    hg_buf_release(&out);
    hg_redact_free(b.redact);
    hg_arena_free(b.a);
    return rc;
}
