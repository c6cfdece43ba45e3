/* cmd_upkeep.c: what keeps a pipeline in order and shows its inside: `update-runtime`, `start-compaction`, `rebalance`,
 * `clock-advance`, `support-bundle`, `circuit-profile`, `heap-profile`. */
#include "base/hg.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fda/fda_int.h"

static int post(fda_t *f, const fda_args_t *a, const char *what, const char *action, const char *sentence)
{
    const char *name = fda_arg(a, "NAME");
    int rc = fda_post(f, what, fda_path(f, "/v0/pipelines/%s/%s", name, action));
    if (rc == 0) puts(sentence);
    return rc;
}

int fda_cmd_update_runtime(fda_t *f, const fda_args_t *a)
{
    return post(f, a, "Failed to update pipeline runtime", "update_runtime", "Pipeline runtime updated successfully.");
}

int fda_cmd_compaction(fda_t *f, const fda_args_t *a)
{
    return post(f, a, "Failed to initiate compaction", "start_compaction",
                hg_arena_printf(f->arena, "Initiated compaction for pipeline %s.", fda_arg(a, "NAME")));
}

int fda_cmd_rebalance(fda_t *f, const fda_args_t *a)
{
    return post(f, a, "Failed to initiate rebalancing", "rebalance",
                hg_arena_printf(f->arena, "Initiated rebalancing for pipeline %s.", fda_arg(a, "NAME")));
}

int fda_cmd_clock(fda_t *f, const fda_args_t *a)
{
    const char *delta = fda_option(a, "delta-ms");
    uint64_t ms;
    fda_answer_t ans;
    if (delta && hg_str_u64(hg_strz(delta), &ms) < 0)
        return fda_usage(a, "invalid value '%s' for '--delta-ms <DELTA_MS>': expected a whole number", delta);
    const char *body = delta ? hg_arena_printf(f->arena, "{\"delta_ms\":%" PRIu64 "}", ms) : "{}";
    int rc = fda_call(f, "Failed to advance clock", "POST",
                      fda_path(f, "/v0/pipelines/%s/clock/advance", fda_arg(a, "NAME")), hg_strz(body), FDA_ONCE, &ans);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, ans.json, FDA_ALIGNED, false);
    printf("NOW() = %s (%s ms)\n", fda_text(ans.json, "now", ""), fda_digits(ans.json, "now_ms", ""));
    return 0;
}

/* --- a file to take away --- */

#define NAMES_TRIED 1000

/* A file that was not there before: P-WHAT.zip, P-WHAT_1.zip, … -1 after a complaint. */
static int new_file(fda_t *f, const char *pipeline, const char *what, const char **ret)
{
    for (unsigned i = 0; i < NAMES_TRIED; i++) {
        *ret = i == 0 ? hg_arena_printf(f->arena, "%s-%s.zip", pipeline, what)
                      : hg_arena_printf(f->arena, "%s-%s_%u.zip", pipeline, what, i);
        int fd =
            open(*ret, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* it may hold what is nobody else's business */
        if (fd >= 0) return fd;
        if (errno != EEXIST) break;
    }
    fda_error("Failed to create %s: %s", *ret, strerror(errno));
    return -1;
}

/* Writes the bytes and closes fd. */
static int put_all(int fd, hg_str_t bytes, const char *name)
{
    size_t done = 0;
    while (done < bytes.n) {
        ssize_t k = write(fd, bytes.p + done, bytes.n - done);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) break;
        done += (size_t)k;
    }
    int why = errno;
    if (close(fd) < 0 && done == bytes.n) why = errno, done = 0;
    return done == bytes.n ? 0 : fda_error("Failed to write %s: %s", name, strerror(why));
}

static int save(fda_t *f, const fda_args_t *a, const char *what, hg_str_t bytes, const char **ret)
{
    const char *output = fda_option(a, "output");
    *ret = output;
    int fd = output ? open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                    : new_file(f, fda_arg(a, "NAME"), what, ret);
    if (fd < 0) return output ? fda_error("Failed to write %s: %s", output, strerror(errno)) : 1;
    return put_all(fd, bytes, *ret);
}

int fda_cmd_bundle(fda_t *f, const fda_args_t *a)
{
    static const char *const parts[][2] = {
        { "no-collect", "collect" },
        { "no-circuit-profile", "circuit_profile" },
        { "no-heap-profile", "heap_profile" },
        { "no-metrics", "metrics" },
        { "no-logs", "logs" },
        { "no-stats", "stats" },
        { "no-pipeline-config", "pipeline_config" },
        { "no-system-config", "system_config" },
        { "no-dataflow-graph", "dataflow_graph" },
        { "no-pipeline-events", "pipeline_events" },
    };
    hg_buf_t path;
    hg_buf_init(&path, HG_BUF_NOMAX);
    hg_buf_adds(&path, fda_path(f, "/v0/pipelines/%s/support_bundle", fda_arg(a, "NAME")));
    char sep = '?';
    for (size_t i = 0; i < HG_COUNT(parts); i++) {
        if (!fda_flag(a, parts[i][0])) continue;
        hg_buf_addf(&path, "%c%s=false", sep, parts[i][1]);
        sep = '&';
    }
    const char *limit = fda_option(a, "limit");
    if (limit) hg_buf_addf(&path, "%climit=%s", sep, limit);
    fda_answer_t ans;
    const char *file = NULL;
    int rc = fda_call(f, "Failed to obtain support bundle", "GET", path.p, (hg_str_t){ 0 }, 0, &ans);
    if (rc == 0) rc = save(f, a, "support-bundle", ans.text, &file);
    if (rc == 0) printf("Support bundle written to %s\n", file);
    hg_buf_release(&path);
    return rc;
}

int fda_cmd_circuit_profile(fda_t *f, const fda_args_t *a)
{
    fda_answer_t ans;
    const char *file = NULL;
    int rc = fda_call(f, "Failed to obtain circuit profile", "GET",
                      fda_path(f, "/v0/pipelines/%s/circuit_profile", fda_arg(a, "NAME")), (hg_str_t){ 0 }, 0, &ans);
    if (rc == 0) rc = save(f, a, "circuit-profile", ans.text, &file);
    if (rc == 0) printf("Circuit profile written to %s\n", file);
    return rc;
}

/* --- heap profile --- */

/* `pprof` takes its arguments as a shell splits them, and then the file. */
static int show_profile(const char *pprof, const char *file)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        char script[] = "eval \"$0\" '\"$1\"'";
        execl("/bin/sh", "sh", "-c", script, pprof, file, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) return fda_error("Failed to run `%s`: %s", pprof, strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    return fda_error("`%s %s` failed; get pprof from https://github.com/google/pprof, or use --output", pprof, file);
}

int fda_cmd_heap_profile(fda_t *f, const fda_args_t *a)
{
    fda_answer_t ans;
    const char *file = NULL, *pprof = fda_option(a, "pprof");
    int rc = fda_call(f, "Failed to obtain heap profile", "GET",
                      fda_path(f, "/v0/pipelines/%s/heap_profile", fda_arg(a, "NAME")), (hg_str_t){ 0 }, 0, &ans);
    if (rc) return rc;
    if (fda_option(a, "output")) return save(f, a, "heap-profile", ans.text, &file); /* in silence, as Feldera's */
    char name[] = "/tmp/heap-profile-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0) return fda_error("Failed to create %s: %s", name, strerror(errno));
    rc = put_all(fd, ans.text, name);
    if (rc == 0) rc = show_profile(pprof ? pprof : "pprof -http :", name);
    unlink(name);
    return rc;
}
