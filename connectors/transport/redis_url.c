/* redis_url.c: the connection string of Redis. */
#include "base/hg.h"
#include "connectors/transport/redis_int.h"
#include <sys/un.h>

#define PORT        6379
#define SOCKET_PATH ((int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static int part(hg_buf_t *out, hg_str_t s, const char *what, hg_err_t *err)
{
    hg_buf_clear(out); /* the last of several counts */
    int rc = hg_pct_decode(out, s, false);
    return rc < 0 ? hg_err_set(err, HG_EINVALTRANSPORT, "its %s has a bad %%-escape or is too long", what) : 0;
}

/* What is before the first c; *s moves behind it. Without one: all, and *s is empty. */
static hg_str_t before(hg_str_t *s, char c)
{
    const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
    hg_str_t head = { s->p, at ? (size_t)(at - s->p) : s->n };
    *s = at ? (hg_str_t){ at + 1, s->n - head.n - 1 } : (hg_str_t){ s->p + s->n, 0 };
    return head;
}

static int host_and_port(hg_str_t s, hg_redis_url_t *u, hg_err_t *err)
{
    uint64_t port = PORT;
    hg_str_t host, rest = { s.p, 0 };
    if (s.n && s.p[0] == '[') {
        if (!memchr(s.p, ']', s.n)) return hg_err_set(err, HG_EINVALTRANSPORT, "its host has no ']'");
        host = before(&s, ']');
        host = (hg_str_t){ host.p + 1, host.n - 1 };
        rest = s;
        if (rest.n && rest.p[0] != ':') return hg_err_set(err, HG_EINVALTRANSPORT, "behind its address comes no port");
    } else {
        host = before(&s, ':');
        if (host.p + host.n != s.p) rest = (hg_str_t){ s.p - 1, s.n + 1 };
    }
    if (rest.n && (hg_str_u64((hg_str_t){ rest.p + 1, rest.n - 1 }, &port) < 0 || port < 1 || port > 65535))
        return hg_err_set(err, HG_EINVALTRANSPORT, "its port is not a number from 1 to 65535");
    if (!host.n) return hg_err_set(err, HG_EINVALTRANSPORT, "it names no host");
    u->port = (uint16_t)port;
    return part(&u->host, host, "host", err);
}

static int protocol(hg_str_t value, hg_redis_url_t *u, hg_err_t *err)
{
    u->resp3 = hg_str_eqz(value, "resp3");
    return u->resp3 || hg_str_eqz(value, "resp2")
               ? 0
               : hg_err_set(err, HG_EINVALTRANSPORT, "its protocol is neither 'resp2' nor 'resp3'");
}

static int database(hg_str_t value, const char *what, hg_redis_url_t *u, hg_err_t *err)
{
    uint64_t db = 0;
    if (hg_str_u64(value, &db) < 0 || db > INT32_MAX)
        return hg_err_set(err, HG_EINVALTRANSPORT, "its %s is not the number of a database", what);
    u->db = (uint32_t)db;
    return 0;
}

/* Behind [redis+]unix:// */
static int parse_socket(hg_str_t s, hg_redis_url_t *u, hg_err_t *err)
{
    hg_str_t query = s, path = before(&query, '?');
    u->is_unix = true;
    int rc = part(&u->host, path, "path", err);
    if (rc < 0) return rc;
    if (!u->host.len || u->host.p[0] != '/' || memchr(u->host.p, 0, u->host.len))
        return hg_err_set(err, HG_EINVALTRANSPORT, "behind unix:// comes no absolute path of a socket");
    if (u->host.len > (size_t)SOCKET_PATH)
        return hg_err_set(err, HG_EINVALTRANSPORT, "its path has more than %d bytes", SOCKET_PATH);
    while (rc == 0 && query.n) {
        hg_str_t value = before(&query, '&'), key = before(&value, '=');
        if (hg_str_eqz(key, "db"))
            rc = database(value, "'db'", u, err);
        else if (hg_str_eqz(key, "user"))
            rc = part(&u->user, value, "user", err);
        else if (hg_str_eqz(key, "pass"))
            rc = part(&u->password, value, "password", err);
        else if (hg_str_eqz(key, "protocol"))
            rc = protocol(value, u, err);
        else
            rc = hg_err_set(err, HG_EINVALTRANSPORT,
                            "behind '?' of a socket only 'db', 'user', 'pass' and 'protocol' are known");
    }
    return rc;
}

static int parse(hg_str_t text, hg_redis_url_t *u, hg_err_t *err)
{
    hg_str_t s = text;
    size_t socket = hg_str_starts(s, HG_S("unix://")) ? 7 : hg_str_starts(s, HG_S("redis+unix://")) ? 13 : 0;
    if (socket) return parse_socket((hg_str_t){ s.p + socket, s.n - socket }, u, err);
    static const char *const sentinels[] = { "redis+sentinel://", "rediss+sentinel://", "redis-sentinel://",
                                             "rediss-sentinel://", "sentinel://" };
    for (size_t i = 0; i < HG_COUNT(sentinels); i++)
        if (hg_str_starts(s, hg_strz(sentinels[i])))
            return hg_err_set(err, HG_EINVALTRANSPORT,
                              "Redis Sentinel is not supported; name the master itself, or an address that follows it");
    u->tls = hg_str_starts(s, HG_S("rediss://"));
    if (!u->tls && !hg_str_starts(s, HG_S("redis://")))
        return hg_err_set(err, HG_EINVALTRANSPORT, "it does not begin with redis:// or rediss:// (TLS) or unix://");
    s = (hg_str_t){ s.p + (u->tls ? 9 : 8), s.n - (u->tls ? 9 : 8) };
    hg_str_t fragment = s;
    s = before(&fragment, '#');
    if (fragment.n && !(u->tls && hg_str_eqz(fragment, "insecure")))
        return hg_err_set(err, HG_EINVALTRANSPORT, "behind '#' only 'insecure' is known, and that with rediss://");
    u->insecure = fragment.n > 0;
    hg_str_t query = s;
    s = before(&query, '?');
    if (hg_str_eqz(query, "protocol=resp3"))
        u->resp3 = true;
    else if (query.n && !hg_str_eqz(query, "protocol=resp2"))
        return hg_err_set(err, HG_EINVALTRANSPORT, "behind '?' only 'protocol=resp2' and 'protocol=resp3' are known");
    hg_str_t path = s;
    s = before(&path, '/');
    int rc = path.n ? database(path, "path", u, err) : 0;
    if (rc < 0) return rc;
    const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
    if (!at) return host_and_port(s, u, err);
    hg_str_t password = { s.p, (size_t)(at - s.p) }, user = before(&password, ':');
    rc = part(&u->user, user, "user", err);
    if (rc == 0) rc = part(&u->password, password, "password", err);
    return rc == 0 ? host_and_port((hg_str_t){ at + 1, s.n - (size_t)(at + 1 - s.p) }, u, err) : rc;
}

int hg_redis_url_parse(hg_str_t text, hg_redis_url_t *ret, hg_err_t *err)
{
    memset(ret, 0, sizeof *ret);
    hg_buf_init(&ret->user, 4096);
    hg_buf_init(&ret->password, 4096);
    hg_buf_init(&ret->host, 4096);
    int rc = parse(text, ret, err);
    if (rc == 0) return 0;
    hg_redis_url_release(ret);
    return hg_err_wrap(err,
                       "'connection_string' is not redis://[user][:password]@host[:port][/database] or unix:///path");
}

void hg_redis_url_release(hg_redis_url_t *u)
{
    hg_buf_release(&u->user);
    hg_buf_release(&u->password);
    hg_buf_release(&u->host);
}
