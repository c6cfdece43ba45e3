/* cmd_serve.c: `headgate serve`: options in, hg_manager_run() out. */
#include "base/hg.h"

#include "base/access.h"
#include "base/buf.h"
#include "base/log.h"
#include "git/git.h"
#include "headgate/cmd.h"
#include "manager/manager.h"

#define LIMITS 256 /* options of one kind */

static int bad_option(const char *option, const hg_err_t *err)
{
    fprintf(stderr, "headgate serve: --%s: %s\n", option, err->msg);
    return 2;
}

static bool is_loopback(const char *address)
{
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strcmp(address, "localhost");
}

/* What programs may reach. NULL after a complaint. */
static hg_access_t *read_access(const fda_args_t *a)
{
    const char *given[LIMITS];
    hg_access_t *access = hg_access_new();
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    uint32_t n = fda_options(a, "allow-path", given, HG_COUNT(given));
    for (uint32_t i = 0; i < n && rc == 0; i++) rc = hg_access_add_path(access, given[i], &err);
    if (rc < 0) bad_option("allow-path", &err);
    n = rc == 0 ? fda_options(a, "allow-host", given, HG_COUNT(given)) : 0;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if ((rc = hg_access_add_host(access, given[i], &err)) < 0) bad_option("allow-host", &err);
    if (fda_flag(a, "deny-private-hosts")) hg_access_deny_private(access);
    if (rc == 0) return access;
    hg_access_free(access);
    return NULL;
}

/* The repository to follow; ret->src.url stays NULL without --git. 0, or the exit code after a complaint. */
static int read_git(const fda_args_t *a, hg_arena_t *arena, hg_git_follow_t *ret)
{
    static const char *const with[] = { "git-path", "git-interval", "git-ssh-key", "git-token" };
    const char *source = fda_option(a, "git"), *interval = fda_option(a, "git-interval");
    hg_err_t err = HG_ERR_INIT;
    for (size_t i = 0; i < HG_COUNT(with) && !source; i++) {
        if (!fda_option(a, with[i])) continue;
        fprintf(stderr, "headgate serve: --%s says nothing without --git\n", with[i]);
        return 2;
    }
    if (!source) return 0;
    ret->auth = (hg_git_auth_t){ fda_option(a, "git-ssh-key"), fda_option(a, "git-token") };
    if (hg_git_source_parse(arena, source, fda_option(a, "git-path"), &ret->src, &err) < 0)
        return bad_option("git", &err);
    if (hg_git_interval_parse(interval ? interval : "30s", &ret->interval_ms, &err) < 0)
        return bad_option("git-interval", &err);
    return 0;
}

int hg_cmd_serve(const fda_args_t *a)
{
    const char *bind = fda_option(a, "bind"), *port = fda_option(a, "port"), *auth = fda_option(a, "auth"),
               *format = fda_option(a, "log-format");
    hg_log_opts_t log = { .fd = 2, .level = HG_LOG_WARN }; /* what an operator must know */
    hg_manager_opts_t opts = { .data_dir = fda_option(a, "data-dir"),
                               .bind = bind ? bind : "127.0.0.1",
                               .port = 8080,
                               .auth = auth && !strcmp(auth, "keys"),
                               .tls_cert = fda_option(a, "tls-cert"),
                               .tls_key = fda_option(a, "tls-key") };
    uint64_t number;
    log.json = format && !strcmp(format, "json");
    if (port && (hg_str_u64(hg_strz(port), &number) < 0 || number > 65535)) {
        fprintf(stderr, "headgate serve: --port must be a number from 0 to 65535, not '%s'\n", port);
        return 2;
    }
    if (port) opts.port = (unsigned)number;
    if (!opts.tls_cert != !opts.tls_key) {
        fprintf(stderr, "headgate serve: --tls-%s is missing: a certificate and its key go together\n",
                opts.tls_cert ? "key" : "cert");
        return 2;
    }
    hg_arena_t *arena = hg_arena_new();
    hg_git_follow_t git = { .interval_ms = 0 };
    int bad = read_git(a, arena, &git);
    opts.access = bad ? NULL : read_access(a);
    if (!opts.access) {
        hg_arena_free(arena);
        return 2;
    }
    if (git.src.url) opts.git = &git;
    hg_log_init(log);
    if (!opts.auth && !is_loopback(opts.bind))
        fprintf(stderr, "headgate serve: warning: whoever reaches %s can run programs as this user: see --auth keys\n",
                opts.bind);
    if (opts.auth && !opts.tls_cert)
        fputs("headgate serve: warning: without TLS everybody on the way can read the API keys, and fda sends none\n",
              stderr);
    int rc = hg_manager_run(&opts);
    hg_access_free(opts.access);
    hg_arena_free(arena);
    return rc;
}
