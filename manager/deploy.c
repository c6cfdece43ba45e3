/* deploy.c: the files that a pipeline and the manager share (base/deployment.h), and where its socket lives.
 *
 *   DATA/pipelines/<id>/      one directory per pipeline
 *   DATA/s/<deployment id>    its socket, if that path is short enough; else under the user's runtime directory or /tmp
 *
 * deployment.json appears whole or not at all: temporary file, fsync, rename, fsync of the directory.
 */
#include "base/hg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/deployment.h"
#include "base/durable.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

#define SOCKET_NAME_MAX 32 /* a UUID without its hyphens */
#define EXIT_FILE_MAX   ((size_t)1 << 20)
#define LIST_FILE_MAX   ((size_t)1 << 20)
#define LOG_ROTATE      ((off_t)16 << 20) /* a deployment begins a new log when the old one is larger */

char *hg_deploy_dir(const hg_mg_t *mg, const hg_pl_t *pl)
{
    return hg_xprintf("%s/pipelines/%s", mg->dir, pl->id);
}

char *hg_deploy_file(const hg_mg_t *mg, const hg_pl_t *pl, const char *name)
{
    return hg_xprintf("%s/pipelines/%s/%s", mg->dir, pl->id, name);
}

int hg_deploy_mkdir(const char *path, hg_err_t *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return 0;
    return hg_err_errno(err, errno, "cannot create the directory '%s'", path);
}

/* --- sockets ----------------------------------------------------------------------------------------------------- */

void hg_deploy_socket(const hg_mg_t *mg, const char *deployment_id, char out[HG_SOCKET_PATH_MAX + 1])
{
    char hex[SOCKET_NAME_MAX + 1];
    size_t n = 0;
    for (const char *p = deployment_id; *p && n < SOCKET_NAME_MAX; p++)
        if (*p != '-') hex[n++] = *p;
    hex[n] = 0;
    snprintf(out, HG_SOCKET_PATH_MAX + 1, "%s/%s", mg->socket_dir, hex);
}

static int try_socket_dir(const char *path, char **ret, hg_err_t *err)
{
    if (strlen(path) + 1 + SOCKET_NAME_MAX > HG_SOCKET_PATH_MAX)
        return hg_err_set(err, HG_ETOOBIG, "'%s' is too long for a socket path", path);
    int rc = hg_deploy_mkdir(path, err);
    if (rc < 0) return rc;
    /* Outside the data directory somebody else may have been there first. */
    struct stat st;
    if (lstat(path, &st) < 0) return hg_err_errno(err, errno, "cannot use '%s'", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
        return hg_err_set(err, HG_EPERM, "'%s' is not a directory of this user alone", path);
    hg_set_text(ret, path);
    return 0;
}

int hg_deploy_socket_dir(const char *data_dir, char **ret, hg_err_t *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *paths[3] = { hg_xprintf("%s/s", data_dir),
                       runtime && *runtime == '/' ? hg_xprintf("%s/headgate", runtime) : NULL,
                       hg_xprintf("/tmp/headgate-%u", (unsigned)geteuid()) };
    int rc = 0;
    for (size_t i = 0; i < HG_COUNT(paths); i++) {
        if (!paths[i]) continue;
        rc = try_socket_dir(paths[i], ret, err);
        if (rc == 0) break;
    }
    for (size_t i = 0; i < HG_COUNT(paths); i++) hg_free(paths[i]);
    return rc;
}

/* --- deployment.json --------------------------------------------------------------------------------------------- */

static void rotate_log(const char *dir)
{
    struct stat st;
    char *path = hg_xprintf("%s/" HG_FILE_LOG, dir);
    char *old = hg_xprintf("%s/" HG_FILE_LOG ".1", dir);
    if (stat(path, &st) == 0 && st.st_size > LOG_ROTATE) (void)rename(path, old); /* else it just grows on */
    hg_free(path);
    hg_free(old);
}

int hg_deploy_write(hg_mg_t *mg, hg_pl_t *pl, hg_err_t *err)
{
    /* A process that is started again comes up as the user wants it now. */
    hg_rt_t want = pl->lc.rt_desired == HG_RT_NONE ? pl->lc.initial : pl->lc.rt_desired;
    static const char *const initial[HG_RT_N] = {
        [HG_RT_RUNNING] = "running", [HG_RT_PAUSED] = "paused", [HG_RT_STANDBY] = "standby"
    };
    char *dir = hg_deploy_dir(mg, pl);
    int rc = hg_deploy_mkdir(dir, err);
    if (rc == 0) {
        char socket[HG_SOCKET_PATH_MAX + 1];
        hg_buf_t b;
        hg_jw_t w;
        rotate_log(dir);
        char *old = hg_xprintf("%s/" HG_FILE_EXIT, dir);
        unlink(old);
        hg_free(old);
        hg_deploy_socket(mg, pl->deployment_id, socket);
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "name", pl->def.name);
        hg_jw_kstr(&w, "id", pl->id);
        hg_jw_kstr(&w, "deployment_id", pl->deployment_id);
        hg_jw_kstr(&w, "initial", initial[want] ? initial[want] : "running");
        const hg_restarts_t *r = &pl->restarts; /* who has approved the program is not asked again */
        hg_jw_kstr(&w, "bootstrap_policy", hg_policy_names[r->approved ? HG_POLICY_ALLOW : pl->lc.policy]);
        hg_jw_kbool(&w, "silent_bootstrap", r->approved ? r->silent : pl->lc.silent);
        hg_jw_kbool(&w, "concurrent_bootstrap", r->approved ? r->concurrent : pl->lc.concurrent);
        hg_jw_kstr(&w, "program", pl->def.program_code);
        hg_jw_kraw(&w, "runtime_config", pl->def.runtime_config);
        hg_jw_kstr(&w, "socket", socket);
        hg_jw_ki64(&w, "manager_pid", (int64_t)getpid());
        hg_jw_key(&w, "access");
        hg_access_write(mg->access, &w);
        hg_jw_end_obj(&w);
        char *path = hg_xprintf("%s/%s", dir, HG_FILE_DEPLOYMENT);
        rc = hg_file_replace(path, hg_buf_str(&b), "deployment", err);
        hg_free(path);
        hg_buf_release(&b);
    }
    hg_free(dir);
    return rc;
}

/* --- exit.json and the lock --------------------------------------------------------------------------------------- */

/* Whole small file; p NULL if it is not there or not readable. */
static int read_file(const char *path, size_t max, hg_buf_t *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    hg_buf_init(out, max);
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (hg_buf_add(out, chunk, (size_t)n) < 0) break;
    close(fd);
    if (n == 0) return 0;
    hg_buf_release(out);
    return -1;
}

void hg_deploy_read_exit(const hg_mg_t *mg, const hg_pl_t *pl, hg_exit_t *ret)
{
    char *path = hg_deploy_file(mg, pl, HG_FILE_EXIT);
    hg_buf_t b;
    *ret = (hg_exit_t){ .found = false };
    if (read_file(path, EXIT_FILE_MAX, &b) == 0) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err = HG_ERR_INIT;
        if (hg_json_parse(a, hg_buf_str(&b), &v, &err) == 0 &&
            !strcmp(hg_json_str(hg_json_get(v, "deployment_id"), ""), pl->deployment_id)) {
            const hg_json_t *e = hg_json_get(v, "error");
            ret->found = true;
            snprintf(ret->reason, sizeof ret->reason, "%s", hg_json_str(hg_json_get(v, "reason"), "stopped"));
            if (e && e->kind == HG_J_OBJECT) {
                const hg_json_t *d = hg_json_get(e, "details");
                char *details = d && d->kind != HG_J_NULL ? hg_xstrndup(b.p + d->off, d->len) : NULL;
                const char *message = hg_json_str(hg_json_get(e, "message"), "the pipeline failed");
                ret->error = hg_error_json(hg_json_str(hg_json_get(e, "error_code"), "RuntimeError"), message, details);
                ret->retry = hg_json_bool(hg_json_get(e, "retry"), false);
                snprintf(ret->message, sizeof ret->message, "%s", message);
                hg_free(details);
            }
        }
        hg_arena_free(a);
        hg_buf_release(&b);
    }
    hg_free(path);
}

char *hg_deploy_checkpoints(const hg_mg_t *mg, const hg_pl_t *pl)
{
    char *path = hg_deploy_file(mg, pl, HG_DIR_STORAGE "/" HG_NAME_CHECKPOINTS);
    char *ret = NULL;
    hg_buf_t b;
    if (read_file(path, LIST_FILE_MAX, &b) == 0) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err = HG_ERR_INIT;
        if (hg_json_parse(a, hg_buf_str(&b), &v, &err) == 0 && v->kind == HG_J_ARRAY)
            ret = hg_xprintf("{\"checkpoints\":%.*s}", (int)b.len, b.p);
        hg_arena_free(a);
        hg_buf_release(&b);
    }
    hg_free(path);
    return ret;
}

long hg_deploy_lock_holder(const hg_mg_t *mg, const hg_pl_t *pl)
{
    char *path = hg_deploy_file(mg, pl, HG_FILE_LOCK);
    long pid = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        /* A shared lock that is given back at once: the holder of the exclusive one is what we ask for. */
        if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
            flock(fd, LOCK_UN);
        } else {
            char text[32];
            ssize_t n = pread(fd, text, sizeof text - 1, 0);
            text[n > 0 ? n : 0] = 0;
            pid = strtol(text, NULL, 10);
            if (pid <= 0) pid = -1;
        }
        close(fd);
    }
    hg_free(path);
    return pid;
}

/* --- log --------------------------------------------------------------------------------------------------------- */

void hg_deploy_log(const hg_mg_t *mg, const hg_pl_t *pl, const char *fmt, ...)
{
    char *path = hg_deploy_file(mg, pl, HG_FILE_LOG);
    char now[32], text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hg_time_rfc3339(now, hg_now_us());
    char *line = hg_xprintf("[manager] %s INFO %s: %s\n", now, pl->def.name, text);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!write(fd, line, strlen(line)); /* a log line is not worth failing for */
        close(fd);
    }
    hg_free(line);
    hg_free(path);
}

#define TAIL_MAX 16384

static bool says_manager(const char *line)
{
    return !strncmp(line, "[manager]", 9);
}

char *hg_deploy_log_tail(const hg_mg_t *mg, const hg_pl_t *pl, unsigned lines)
{
    char *path = hg_deploy_file(mg, pl, HG_FILE_LOG);
    char text[TAIL_MAX + 1];
    hg_buf_t out;
    struct stat st;
    ssize_t n = 0;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_adds(&out, "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        off_t from = fstat(fd, &st) == 0 && st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
        n = pread(fd, text, TAIL_MAX, from);
        close(fd);
    }
    text[n > 0 ? n : 0] = 0;
    /* From behind to the first of the lines; ours do not count. */
    char *begin = text + HG_MAX(n, 0), *end = begin;
    while (begin > text && lines) {
        char *p = begin - 1;
        while (p > text && p[-1] != '\n') p--;
        if (!says_manager(p)) lines--;
        begin = p;
    }
    for (char *p = begin; p < end;) {
        char *nl = memchr(p, '\n', (size_t)(end - p)), *next = nl ? nl + 1 : end;
        if (!says_manager(p)) {
            hg_buf_add(&out, p, (size_t)(next - p));
            if (!nl) hg_buf_addc(&out, '\n'); /* it died in the middle of a line */
        }
        p = next;
    }
    hg_free(path);
    return hg_buf_take(&out, NULL);
}
