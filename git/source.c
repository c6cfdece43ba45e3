/* source.c: where a program lives, as users write it. Refused here: what could mean something else to libgit2, a
 * password in a URL (everybody who lists processes would see it), and paths that lead out of the repository. */
#include "base/hg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "git/git.h"

#define SOURCE_MAX 4096

/* Where a URL's path begins: behind "://host" or "user@host:"; 0 for a path. */
static size_t path_of(hg_str_t url)
{
    const char *scheme = memmem(url.p, url.n, "://", 3);
    if (scheme) {
        size_t at = (size_t)(scheme - url.p) + 3;
        while (at < url.n && url.p[at] != '/') at++;
        return at;
    }
    /* As git decides it: a colon before any slash. */
    for (size_t i = 0; i < url.n && url.p[i] != '/'; i++)
        if (url.p[i] == ':') return i + 1;
    return 0;
}

bool hg_git_is_local(const char *url)
{
    return !strncmp(url, "file://", 7) || (!strstr(url, "://") && path_of(hg_strz(url)) == 0);
}

static int check_url(hg_str_t url, hg_err_t *err)
{
    static const char *const schemes[] = { "https", "http", "ssh", "file" };
    const char *colon = memmem(url.p, url.n, "://", 3);
    if (url.n == 0) return hg_err_set(err, HG_EINVAL, "the repository is missing");
    if (url.p[0] == '-') return hg_err_set(err, HG_EINVAL, "a repository does not begin with '-'");
    size_t behind = colon ? 0 : path_of(url);
    if (behind && behind < url.n && url.p[behind] == ':')
        return hg_err_set(err, HG_EINVAL, "'" HG_SF "' names a helper of git: https, http, ssh, file or a path",
                          HG_SA(url));
    if (colon) {
        bool known = false;
        hg_str_t scheme = { url.p, (size_t)(colon - url.p) };
        for (size_t i = 0; i < HG_COUNT(schemes); i++) known |= hg_str_eqz(scheme, schemes[i]);
        if (!known)
            return hg_err_set(err, HG_EINVAL, "'" HG_SF "' is no scheme of a repository: https, http, ssh or file",
                              HG_SA(scheme));
        const char *host = colon + 3, *end = url.p + path_of(url);
        const char *at = memrchr(host, '@', (size_t)(end - host));
        if (at && memchr(host, ':', (size_t)(at - host)))
            return hg_err_set(err, HG_EINVAL, "the URL of a repository must not hold a password: give it in a file");
        if (host == end && !hg_str_eqz(scheme, "file"))
            return hg_err_set(err, HG_EINVAL, "'" HG_SF "' names no host", HG_SA(url));
    }
    return 0;
}

/* git's rules for the name of a branch (git help check-ref-format). */
static int check_ref(hg_str_t ref, hg_err_t *err)
{
    bool bad = ref.n == 0 || ref.p[0] == '-' || ref.p[0] == '/' || ref.p[ref.n - 1] == '/' || ref.p[ref.n - 1] == '.';
    for (size_t i = 0; i < ref.n && !bad; i++) {
        unsigned char c = (unsigned char)ref.p[i], next = i + 1 < ref.n ? (unsigned char)ref.p[i + 1] : 0;
        bad = c <= ' ' || c == 127 || strchr("~^:?*[\\", c) || (c == '.' && next == '.') || (c == '/' && next == '/') ||
              (c == '@' && next == '{');
    }
    return bad ? hg_err_set(err, HG_EINVAL, "'" HG_SF "' is not the name of a branch", HG_SA(ref)) : 0;
}

/* A relative path of plain components; '/' at the ends is dropped. */
static int check_path(hg_arena_t *a, hg_str_t path, const char **ret, hg_err_t *err)
{
    hg_str_t whole = path;
    if (path.n && path.p[0] == '/')
        return hg_err_set(err, HG_EINVAL, "'" HG_SF "' is not a path within the repository: it begins with '/'",
                          HG_SA(whole));
    while (path.n && path.p[path.n - 1] == '/') path.n--;
    for (size_t i = 0; i < path.n;) {
        size_t n = 0;
        while (i + n < path.n && path.p[i + n] != '/') n++;
        hg_str_t part = { path.p + i, n };
        if (n == 0 || hg_str_eqz(part, ".") || hg_str_eqz(part, "..") || memchr(part.p, '\\', n))
            return hg_err_set(err, HG_EINVAL, "'" HG_SF "' is not a path within the repository: '" HG_SF "'",
                              HG_SA(whole), HG_SA(part));
        i += n + 1;
    }
    *ret = hg_arena_strndup(a, path.p, path.n);
    return 0;
}

static int take_url(hg_arena_t *a, hg_str_t url, hg_git_source_t *ret, hg_err_t *err)
{
    int rc = check_url(url, err);
    if (rc < 0) return rc;
    ret->url = hg_arena_strndup(a, url.p, url.n);
    if (strstr(ret->url, "://") || !hg_git_is_local(ret->url)) return 0;
    char *whole = realpath(ret->url, NULL); /* the daemon's children may stand elsewhere */
    if (!whole) return hg_err_errno(err, errno, "cannot use the repository '%s'", ret->url);
    ret->url = hg_arena_strndup(a, whole, strlen(whole));
    free(whole);
    return 0;
}

static int check_text(hg_str_t s, hg_err_t *err)
{
    if (s.n > SOURCE_MAX) return hg_err_set(err, HG_EINVAL, "it has more than %d bytes", SOURCE_MAX);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
            return hg_err_set(err, HG_EINVAL, "it holds a control character");
    return 0;
}

int hg_git_source_parse(hg_arena_t *a, const char *text, const char *path, hg_git_source_t *ret, hg_err_t *err)
{
    hg_git_source_t s = { .path = "" };
    hg_str_t url = hg_strz(text);
    const char *hash = strrchr(text, '#');
    int rc = check_text(url, err);
    if (rc == 0 && hash) {
        hg_str_t ref = hg_strz(hash + 1);
        url.n = (size_t)(hash - text);
        rc = check_ref(ref, err);
        s.ref = rc == 0 ? hg_arena_strndup(a, ref.p, ref.n) : NULL;
    }
    if (rc == 0 && path) rc = check_text(hg_strz(path), err);
    if (rc == 0 && path) rc = check_path(a, hg_strz(path), &s.path, err);
    if (rc == 0) rc = take_url(a, url, &s, err);
    if (rc == 0) *ret = s;
    return rc;
}

int hg_git_file_parse(hg_arena_t *a, const char *text, hg_git_source_t *ret, hg_err_t *err)
{
    hg_git_source_t s = { .path = "" };
    hg_str_t all = hg_strz(text);
    int rc = check_text(all, err);
    if (rc < 0) return rc;
    size_t from = path_of(all);
    const char *colon = from < all.n ? memrchr(text + from, ':', all.n - from) : NULL;
    if (!colon || !colon[1])
        return hg_err_set(err, HG_EINVAL, "'%s' names no file: URL[@ref]:path/in/the/repository.sql", text);
    hg_str_t url = { text, (size_t)(colon - text) };
    const char *at = memrchr(text + from, '@', url.n - from);
    if (at) {
        hg_str_t ref = { at + 1, (size_t)(colon - at - 1) };
        url.n = (size_t)(at - text);
        rc = check_ref(ref, err);
        s.ref = rc == 0 ? hg_arena_strndup(a, ref.p, ref.n) : NULL;
    }
    if (rc == 0) rc = check_path(a, hg_strz(colon + 1), &s.path, err);
    if (rc == 0) rc = take_url(a, url, &s, err);
    if (rc == 0) *ret = s;
    return rc;
}

int hg_git_interval_parse(const char *text, uint64_t *ret_ms, hg_err_t *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "", 1000 } };
    size_t digits = strspn(text, "0123456789");
    uint64_t n;
    for (size_t i = 0; i < HG_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].unit) != 0 || hg_str_u64((hg_str_t){ text, digits }, &n) < 0) continue;
        if (n > 86400000 || n * units[i].ms < 100 || n * units[i].ms > 86400000) break;
        *ret_ms = n * units[i].ms;
        return 0;
    }
    return hg_err_set(err, HG_EINVAL, "'%s' is no time from 100ms to 24h: 30s, 500ms, 5m", text);
}

static bool this_machine(hg_str_t host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr ip;
    if (hg_str_ieq(host, HG_S("localhost")) || hg_str_eqz(host, "[::1]")) return true;
    if (host.n >= sizeof text) return false;
    snprintf(text, sizeof text, HG_SF, HG_SA(host));
    return inet_pton(AF_INET, text, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127; /* 127.0.0.1.example is a name */
}

bool hg_git_token_may_go(const char *url)
{
    static const char plain[] = "http://";
    if (strncmp(url, plain, sizeof plain - 1) != 0) return strncmp(url, "https://", 8) == 0;
    const char *host = url + sizeof plain - 1, *end = host + strcspn(host, "/?#");
    const char *at = memrchr(host, '@', (size_t)(end - host));
    if (at) host = at + 1;
    const char *stop = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *colon = memchr(stop ? stop : host, ':', (size_t)(end - (stop ? stop : host)));
    return this_machine((hg_str_t){ host, (size_t)((colon ? colon : end) - host) });
}
