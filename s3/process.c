/* process.c: credentials that a command writes (credential_process of a profile).
 *
 * `sh -c COMMAND`, as Amazon's tools run it: in a process group of its own, without our descriptors. It has a minute;
 * who closes the connector ends it. Its standard output is read and never shown; of its standard error a failure
 * quotes the first line. The command stands in a file of whoever runs the daemon. Where programs are limited it is not
 * run all the same: one that may write that file could run anything.
 */
#include "base/hg.h"
#include "base/access.h"
#include "base/log.h"
#include "s3/creds_int.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_US ((int64_t)60 * 1000000)
#define LOOK_MS    200 /* how often it is asked whether somebody gave up */
#define ANSWER_MAX ((size_t)64 << 10)
#define QUOTE_MAX  161

extern char **environ;

static int spawn(const char *command, int out, int errors, pid_t *ret, hg_err_t *err)
{
    char sh[] = "sh", dash_c[] = "-c";
    char *const argv[] = { sh, dash_c, (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &standard);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int rc = posix_spawn(ret, "/bin/sh", &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc ? hg_err_errno(err, rc, "/bin/sh cannot be run") : 0;
}

/* Is there time, and somebody who waits? */
static int goes_on(const hg_s3_ask_t *ask, int64_t end_us, hg_err_t *err)
{
    if (ask->cancelled && ask->cancelled(ask->cancel_arg)) return hg_err_set(err, HG_ECANCELED, "cancelled");
    if (hg_mono_us() < end_us) return 0;
    return hg_err_retry(err, HG_EPERM, "it has not ended within %d s", (int)(PROCESS_US / 1000000));
}

static int read_all(const hg_s3_ask_t *ask, int fd, int64_t end_us, hg_buf_t *out, hg_err_t *err)
{
    char buf[4096];
    int rc = 0;
    while (rc == 0) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int n = poll(&p, 1, LOOK_MS);
        ssize_t got = n > 0 ? read(fd, buf, sizeof buf) : -1;
        if (n > 0 && got == 0) break;
        if (got > 0 && hg_buf_add(out, buf, (size_t)got) < 0)
            rc = hg_err_set(err, HG_EPROTO, "it has written more than %zu bytes", out->max);
        if (rc == 0) rc = goes_on(ask, end_us, err);
    }
    OPENSSL_cleanse(buf, sizeof buf);
    return rc;
}

/* rc < 0: it is ended, and err stays as it is. */
static int reap(const hg_s3_ask_t *ask, pid_t pid, int64_t end_us, int rc, int *status, hg_err_t *err)
{
    for (;;) {
        if (rc < 0) kill(-pid, SIGKILL);
        pid_t r = waitpid(pid, status, rc < 0 ? 0 : WNOHANG);
        if (r == pid) return rc;
        if (r < 0 && errno != EINTR) return rc < 0 ? rc : hg_err_errno(err, errno, "its end was not seen");
        if (rc == 0) {
            poll(NULL, 0, 5);
            rc = goes_on(ask, end_us, err);
        }
    }
}

/* The first line of what it has complained of, without what a terminal could take for a command. */
static void quote(int fd, char text[QUOTE_MAX])
{
    ssize_t n = pread(fd, text, QUOTE_MAX - 1, 0);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\r\n")] = 0;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) *c = '?';
}

static int judge(int status, int errors, hg_err_t *err)
{
    char said[QUOTE_MAX];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    quote(errors, said);
    const char *colon = said[0] ? ": " : "";
    if (WIFSIGNALED(status))
        return hg_err_set(err, HG_EPERM, "it was ended by signal %d%s%s", WTERMSIG(status), colon, said);
    return hg_err_set(err, HG_EPERM, "it ended with status %d%s%s", WEXITSTATUS(status), colon, said);
}

static int run(const hg_s3_ask_t *ask, const char *command, hg_buf_t *out, hg_err_t *err)
{
    int64_t end_us = hg_mono_us() + PROCESS_US;
    int fds[2], status = 0, errors = memfd_create("errors", MFD_CLOEXEC);
    pid_t pid;
    if (errors < 0 || pipe2(fds, O_CLOEXEC) < 0) {
        int rc = hg_err_errno(err, errno, "no pipe");
        if (errors >= 0) close(errors);
        return rc;
    }
    int rc = spawn(command, fds[1], errors, &pid, err);
    close(fds[1]);
    if (rc == 0) {
        rc = read_all(ask, fds[0], end_us, out, err);
        rc = reap(ask, pid, end_us, rc, &status, err);
        if (rc == 0) rc = judge(status, errors, err);
    }
    close(fds[0]);
    close(errors);
    return rc;
}

int hg_s3_from_process(const hg_s3_ask_t *ask, const char *command, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_buf_t out;
    if (hg_access_limited())
        return hg_err_set(err, HG_EPERM, "it is not run where the server limits what programs may reach");
    hg_buf_init(&out, ANSWER_MAX);
    int rc = run(ask, command, &out, err);
    if (rc == 0) rc = hg_s3_process_parse(hg_buf_str(&out), ret, err);
    if (rc == 0 && ret->expires_s && ret->expires_s <= (int64_t)time(NULL)) {
        hg_s3_creds_release(ret);
        rc = hg_err_retry(err, HG_EPERM, "it gave credentials that have expired already");
    }
    ret->from = "a profile's credential_process";
    OPENSSL_cleanse(out.p, out.len);
    hg_buf_release(&out);
    return rc;
}
