/* cmd_query.c: an ad-hoc statement over a WebSocket: rows to standard output as they come, a binary result to a file.
 */
#include "base/hg.h"
#include <sys/time.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include "fda/fda_int.h"
#include "net/client.h"

/* The last message is held back: with close code 1011 it is the error. */
typedef struct result {
    hg_buf_t held;
    FILE *file; /* of a binary result */
    char name[32];
    int why; /* errno of a file that cannot be written */
    bool to_file, binary;
} result_t;

/* result.parquet, or the first of result_1.parquet, … that is not there. */
static void open_file(result_t *r)
{
    for (unsigned i = 0; !r->file && i < 10000; i++) {
        i ? snprintf(r->name, sizeof r->name, "result_%u.parquet", i)
          : snprintf(r->name, sizeof r->name, "result.parquet");
        r->file = fopen(r->name, "wbx");
        if (!r->file && errno != EEXIST) break;
    }
    if (!r->file) r->why = errno;
}

static bool on_message(void *arg, bool text, hg_str_t data)
{
    result_t *r = arg;
    if (!text && r->to_file) {
        if (!r->file) open_file(r);
        if (r->file && fwrite(data.p, 1, data.n, r->file) < data.n) r->why = errno;
        return r->why == 0;
    }
    fwrite(r->held.p, 1, r->held.len, stdout);
    hg_buf_clear(&r->held);
    if (text)
        hg_buf_addstr(&r->held, data);
    else
        r->binary = true;
    return !r->binary;
}

/* good: the whole result came. */
static int close_file(result_t *r, bool good)
{
    if (r->file && fclose(r->file) != 0 && r->why == 0) r->why = errno;
    if (r->file && (!good || r->why)) unlink(r->name);
    if (r->why) return fda_error("Failed to write %s: %s", r->name, strerror(r->why));
    if (good && r->file) printf("Query result saved to '%s'\n", r->name);
    if (good && !r->file) return fda_error("The server sent no result");
    return good ? 0 : 1;
}

static int read_sql(fda_t *f, const fda_args_t *a, hg_str_t *ret)
{
    const char *sql = fda_arg(a, "SQL");
    hg_buf_t text;
    if (sql && fda_flag(a, "stdin")) return fda_usage(a, "the argument '--stdin' cannot be used with '[SQL]'");
    if (sql) {
        *ret = hg_strz(sql);
        return 0;
    }
    if (!fda_flag(a, "stdin") && isatty(STDIN_FILENO))
        return fda_error("`query` command expects a SQL query or a pipe from stdin. For example, "
                         "`fda query p1 'select * from foo'` or `echo 'select * from foo' | fda query p1`");
    hg_buf_init(&text, HG_BUF_NOMAX);
    int rc = fda_read_file("-", &text);
    *ret = hg_arena_str(f->arena, hg_buf_str(&text));
    hg_buf_release(&text);
    if (rc == 0 && hg_str_trim(*ret).n == 0) rc = fda_error("The SQL query is empty");
    return rc;
}

/* The refusal of an upgrade has no body: ask the pipeline why. */
static int explain(fda_t *f, const char *name, const hg_err_t *err)
{
    const hg_json_t *p;
    if (err->code == HG_ENET) return fda_fail(f, "Failed to connect to pipeline", err);
    if (fda_pipeline(f, "Failed to connect to pipeline", name, false, &p)) return 1;
    const char *status = fda_text(p, "deployment_status", "");
    if (strcmp(status, "Stopped") == 0)
        return fda_error("Pipeline '%s' is not running (status: '%s'): start it with `fda start %s`", name, status,
                         name);
    return fda_error("Failed to connect to pipeline: %s (pipeline status: '%s')", err->msg, status);
}

static void on_alarm(int sig)
{
    static const char text[] = "The query took longer than --timeout allows\n";
    (void)sig;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(1);
    _exit(1);
}

static int tell_query_error(fda_t *f, hg_str_t message)
{
    hg_json_t *v = NULL;
    hg_err_t err;
    if (f->format == FDA_JSON) { /* machines read it where the rows would be */
        fwrite(message.p, 1, message.n, stdout);
        return 1;
    }
    if (hg_json_parse(f->arena, message, &v, &err) == 0 && fda_member(v, "error"))
        return fda_error("ERROR: %s", fda_text(v, "error", ""));
    return fda_error("" HG_SF, HG_SA(message));
}

int fda_cmd_query(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME"), *headers[8];
    unsigned n = 0;
    hg_str_t sql = { 0 };
    hg_buf_t message;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    uint16_t code = 0;
    result_t r = { .binary = false };
    if (f->format == FDA_PROMETHEUS)
        return fda_error(
            "Unsupported output format: %s; a query's result comes as text, json, arrow_ipc, parquet or hash",
            fda_format_name(f->format));
    bool arrow = f->format == FDA_ARROW_IPC; /* shown as a table whose cells are not cut */
    r.to_file = f->format == FDA_PARQUET;
    int rc = read_sql(f, a, &sql);
    if (rc) return rc;
    for (const char *const *h = f->headers; *h; h++)
        if (strncmp(*h, "Accept:", 7) != 0) headers[n++] = *h;
    headers[n] = NULL;
    hg_buf_init(&message, HG_BUF_NOMAX);
    hg_buf_init(&r.held, HG_BUF_NOMAX);
    hg_jw_init(&w, &message);
    hg_jw_obj(&w);
    hg_jw_key(&w, "sql");
    hg_jw_str(&w, sql);
    hg_jw_kstr(&w, "format", fda_format_name(arrow ? FDA_TEXT : f->format));
    if (arrow) hg_jw_kbool(&w, "uncut", true);
    hg_jw_end_obj(&w);
    if (f->timeout_ms) {
        struct itimerval t = { .it_value = { .tv_sec = (time_t)(f->timeout_ms / 1000),
                                             .tv_usec = (suseconds_t)(f->timeout_ms % 1000 * 1000) } };
        signal(SIGALRM, on_alarm);
        setitimer(ITIMER_REAL, &t, NULL);
    }
    rc = hg_ws_fetch(hg_arena_printf(f->arena, "%s%s", f->host, fda_path(f, "/v0/pipelines/%s/query", name)), headers,
                     hg_buf_str(&message), f->tls_cert, f->insecure, on_message, &r, &code, &err);
    if (r.to_file && (r.why || (rc >= 0 && code != 1011))) {
        rc = close_file(&r, code == 1000 || code == 1005);
    } else if (rc < 0) {
        fwrite(r.held.p, 1, r.held.len, stdout);
        rc = explain(f, name, &err);
    } else if (code == 1011) {
        rc = tell_query_error(f, hg_buf_str(&r.held));
        if (r.file) (void)close_file(&r, false);
    } else {
        fwrite(r.held.p, 1, r.held.len, stdout);
        putchar('\n');
        if (r.binary) rc = fda_error("The server sent a binary result, which was not asked for");
        if (code != 1000 && code != 1005) rc = fda_error("The query was unexpectedly closed (code %u)", code);
    }
    hg_buf_release(&message);
    hg_buf_release(&r.held);
    return rc;
}
