/* opts.c: where an Iggy server is and how it is talked to: defaults, addresses, connection strings. */
#define XXH_INLINE_ALL
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/client/client.h"
#include "iggy/client/wire_int.h"
#include <xxhash.h>

void hg_iggy_opts_init(hg_iggy_opts_t *o)
{
    *o = (hg_iggy_opts_t){
        .host = hg_xstrdup("127.0.0.1"),
        .port = HG_IGGY_PORT,
        .no_delay = true,
        .connect_ms = 10000,
        .detect_ms = 2000,
        .token_ms = 3000,
        .request_ms = 30000,
        .retry_ms = 1000,
        .reestablish_ms = 5000,
        .heartbeat_ms = 5000,
        .retries = UINT64_MAX,
        .max_frame = HG_IGGY_MAX_FRAME,
    };
}

void hg_iggy_opts_release(hg_iggy_opts_t *o)
{
    hg_free(o->host);
    hg_free(o->user);
    hg_free(o->password);
    hg_free(o->token);
    hg_free(o->tls_domain);
    hg_free(o->tls_ca_file);
    *o = (hg_iggy_opts_t){ 0 };
}

static char *copy(const char *s)
{
    return s ? hg_xstrdup(s) : NULL;
}

void hg_iggy_opts_copy(hg_iggy_opts_t *ret, const hg_iggy_opts_t *from)
{
    *ret = *from;
    ret->host = copy(from->host);
    ret->user = copy(from->user);
    ret->password = copy(from->password);
    ret->token = copy(from->token);
    ret->tls_domain = copy(from->tls_domain);
    ret->tls_ca_file = copy(from->tls_ca_file);
}

void hg_iggy_opts_identify(hg_iggy_opts_t *o, hg_str_t who)
{
    XXH128_canonical_t h;
    XXH128_canonicalFromHash(&h, XXH3_128bits(who.p, who.n));
    memcpy(o->id, h.digest, sizeof o->id);
    o->id[0] |= 1; /* 0 is nobody */
}

static void set(char **to, hg_str_t s)
{
    hg_free(*to);
    *to = s.n ? hg_xstrndup(s.p, s.n) : NULL;
}

/* --- values --- */

static int parse_bool(const char *key, hg_str_t v, bool *ret, hg_err_t *err)
{
    bool yes = hg_str_eqz(v, "true"), no = hg_str_eqz(v, "false");
    if (!yes && !no)
        return hg_err_option(err, HG_EINVAL, key, "'%s' of the address is 'true' or 'false', not '" HG_SF "'", key,
                             HG_SA(v));
    *ret = yes;
    return 0;
}

/* "500ms", "5s", "2m", "1h". */
static int parse_ms(const char *key, hg_str_t v, uint64_t *ret, hg_err_t *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    size_t digits = 0;
    while (digits < v.n && v.p[digits] >= '0' && v.p[digits] <= '9') digits++;
    hg_str_t unit = hg_str_trim((hg_str_t){ v.p + digits, v.n - digits });
    uint64_t n;
    if (hg_str_u64((hg_str_t){ v.p, digits }, &n) == 0 && n <= UINT32_MAX)
        for (size_t i = 0; i < HG_COUNT(units); i++)
            if (hg_str_eqz(unit, units[i].unit)) {
                *ret = n * units[i].ms;
                return 0;
            }
    return hg_err_option(err, HG_EINVAL, key, "'%s' of the address is a time such as '5s' or '500ms', not '" HG_SF "'",
                         key, HG_SA(v));
}

static int parse_retries(const char *key, hg_str_t v, uint64_t *ret, hg_err_t *err)
{
    if (hg_str_eqz(v, "unlimited")) {
        *ret = UINT64_MAX;
        return 0;
    }
    if (hg_str_u64(v, ret) == 0) return 0;
    return hg_err_option(err, HG_EINVAL, key, "'%s' of the address is a number or 'unlimited', not '" HG_SF "'", key,
                         HG_SA(v));
}

static int parse_protocol(const char *key, hg_str_t v, hg_iggy_proto_t *ret, hg_err_t *err)
{
    static const char *const names[] = { "auto", "vsr", "classic" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_eqz(v, names[i])) {
            *ret = (hg_iggy_proto_t)i;
            return 0;
        }
    return hg_err_option(err, HG_EINVAL, key, "'%s' of the address is 'auto', 'vsr' or 'classic', not '" HG_SF "'", key,
                         HG_SA(v));
}

/* The keys of Iggy's own connection strings, and `protocol`. */
static int set_key(hg_iggy_opts_t *o, hg_str_t key, hg_str_t v, hg_err_t *err)
{
    static const char *const keys[] = { "tls",
                                        "tls_domain",
                                        "tls_ca_file",
                                        "tls_validate_certificate",
                                        "reconnection_retries",
                                        "reconnection_interval",
                                        "reestablish_after",
                                        "heartbeat_interval",
                                        "nodelay",
                                        "protocol",
                                        NULL };
    size_t i = 0;
    bool valid = true;
    int rc;
    while (keys[i] && !hg_str_eqz(key, keys[i])) i++;
    switch (i) {
    case 0:
        return parse_bool(keys[i], v, &o->tls, err);
    case 1:
        set(&o->tls_domain, v);
        return 0;
    case 2:
        set(&o->tls_ca_file, v);
        return 0;
    case 3:
        rc = parse_bool(keys[i], v, &valid, err);
        o->tls_insecure = !valid;
        return rc;
    case 4:
        return parse_retries(keys[i], v, &o->retries, err);
    case 5:
        return parse_ms(keys[i], v, &o->retry_ms, err);
    case 6:
        return parse_ms(keys[i], v, &o->reestablish_ms, err);
    case 7:
        return parse_ms(keys[i], v, &o->heartbeat_ms, err);
    case 8:
        return parse_bool(keys[i], v, &o->no_delay, err);
    case 9:
        return parse_protocol(keys[i], v, &o->protocol, err);
    default:
        break;
    }
    const char *near = hg_nearest(key, keys);
    return hg_err_set(err, HG_EUNKNOWNOPT, "the address has an unknown key '" HG_SF "'%s%s%s", HG_SA(key),
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* --- addresses --- */

static size_t find(hg_str_t s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

static hg_str_t from(hg_str_t s, size_t n)
{
    return (hg_str_t){ s.p + HG_MIN(n, s.n), s.n - HG_MIN(n, s.n) };
}

static int parse_host(hg_iggy_opts_t *o, hg_str_t s, hg_err_t *err)
{
    hg_str_t host = s, port = { NULL, 0 };
    uint64_t n = HG_IGGY_PORT;
    bool v6 = s.n && s.p[0] == '[', has_port = false;
    if (v6) {
        size_t close = find(s, ']');
        host = (hg_str_t){ s.p + 1, close - 1 };
        port = from(s, close + 1);
        if (close == s.n || (port.n && port.p[0] != ':'))
            return hg_err_set(err, HG_EINVAL, "'" HG_SF "' is not an address: write [::1]:8090", HG_SA(s));
        has_port = port.n > 0;
        port = from(port, 1);
    } else if (find(s, ':') < s.n) {
        host.n = find(s, ':');
        port = from(s, host.n + 1);
        has_port = true;
    }
    if (!host.n) return hg_err_set(err, HG_EINVAL, "the address has no host: write localhost:8090");
    if (memchr(host.p, 0, host.n)) return hg_err_set(err, HG_EINVAL, "the host of the address has a zero byte in it");
    if (has_port && (hg_str_u64(port, &n) < 0 || n < 1 || n > UINT16_MAX))
        return hg_err_set(err, HG_EINVAL, "the port of the address is a number from 1 to 65535, not '" HG_SF "'",
                          HG_SA(port));
    set(&o->host, host);
    o->port = (uint16_t)n;
    return 0;
}

static int parse_query(hg_iggy_opts_t *o, hg_str_t query, hg_err_t *err)
{
    while (query.n) {
        hg_str_t pair = { query.p, find(query, '&') };
        query = from(query, pair.n + 1);
        size_t eq = find(pair, '=');
        if (eq == pair.n)
            return hg_err_set(err, HG_EINVAL, "the address has '" HG_SF "' where key=value should be", HG_SA(pair));
        int rc = set_key(o, (hg_str_t){ pair.p, eq }, from(pair, eq + 1), err);
        if (rc < 0) return rc;
    }
    return 0;
}

/* "user:password@host:port?query" or "token@…"; what stands before the last @ is taken as it is. */
static int parse_url(hg_iggy_opts_t *o, hg_str_t s, hg_err_t *err)
{
    size_t at = s.n;
    hg_str_t query = from(s, find(s, '?') + 1);
    s.n = find(s, '?');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '@') at = i;
    if (at >= s.n)
        return hg_err_set(err, HG_EINVAL, "the address has no credentials: write iggy://user:password@host:8090");
    hg_str_t who = { s.p, at }, host = from(s, at + 1);
    if (host.n && host.p[host.n - 1] == '/') host.n--;
    size_t colon = find(who, ':');
    if (colon < who.n) {
        set(&o->user, (hg_str_t){ who.p, colon });
        set(&o->password, from(who, colon + 1));
        set(&o->token, HG_S(""));
    } else {
        set(&o->token, who);
    }
    int rc = parse_host(o, host, err);
    return rc < 0 ? rc : parse_query(o, query, err);
}

int hg_iggy_opts_parse(hg_iggy_opts_t *o, hg_str_t address, hg_err_t *err)
{
    static const char *const schemes[] = { "iggy://", "iggy+tcp://" };
    hg_iggy_opts_t t;
    int rc = -1;
    size_t scheme = 0;
    address = hg_str_trim(address);
    hg_iggy_opts_copy(&t, o);
    while (scheme < HG_COUNT(schemes) && !hg_str_starts(address, hg_strz(schemes[scheme]))) scheme++;
    if (scheme < HG_COUNT(schemes)) {
        rc = parse_url(&t, from(address, strlen(schemes[scheme])), err);
    } else if (address.n >= 3 && memmem(address.p, address.n, "://", 3)) {
        rc = hg_err_set(err, HG_EINVAL,
                        "the address begins with iggy:// or iggy+tcp://; other transports are not supported");
    } else {
        rc = parse_host(&t, address, err);
    }
    if (rc == 0) {
        hg_iggy_opts_release(o);
        *o = t;
    } else {
        hg_iggy_opts_release(&t);
    }
    return rc;
}

static int check_secret(const char *option, const char *s, size_t min, size_t max, hg_err_t *err)
{
    size_t n = s ? strlen(s) : 0;
    if (n >= min && n <= max) return 0;
    if (!n)
        return hg_err_option(err, HG_EMISSINGOPT, option,
                             "no '%s' is given for the Iggy server: it wants a user with a "
                             "password, or a token",
                             option);
    return hg_err_option(err, HG_EINVAL, option, "'%s' for the Iggy server has %zu bytes; Iggy takes %zu to %zu",
                         option, n, min, max);
}

int hg_iggy_opts_check(const hg_iggy_opts_t *o, hg_err_t *err)
{
    if (o->token) return check_secret("token", o->token, 1, HG_IGGY_MAX_NAME, err);
    int rc = check_secret("username", o->user, 3, 50, err);
    return rc < 0 ? rc : check_secret("password", o->password, 3, 100, err);
}
