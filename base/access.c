/* access.c: limits made, handed on and put in force; hosts. Rules and threads: access.h.
 *
 * Addresses are compared as 16 bytes of IPv6, an IPv4 one as ::ffff:a.b.c.d, so there is one kind of network. Networks
 * that carry an IPv4 address inside (NAT64) are judged by that address.
 */
#include "base/hg.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/access_int.h"
#include "base/buf.h"
#include "base/mem.h"

hg_access_t *hg_access_in_force;

/* --- addresses --------------------------------------------------------------------------------------------------- */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool in_net(const uint8_t ip[16], const uint8_t net[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip, net, whole) != 0) return false;
    return rest == 0 || ((ip[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

static bool parse_ip(const char *text, uint8_t ret[16], unsigned *ret_width)
{
    *ret_width = 128;
    if (inet_pton(AF_INET6, text, ret) == 1) return true;
    memcpy(ret, mapped, sizeof mapped);
    *ret_width = 32;
    return inet_pton(AF_INET, text, ret + sizeof mapped) == 1;
}

static bool sockaddr_ip(const struct sockaddr *sa, uint8_t ret[16], unsigned *ret_port)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        memcpy(ret, mapped, sizeof mapped);
        memcpy(ret + sizeof mapped, &in->sin_addr, 4);
        *ret_port = ntohs(in->sin_port);
        return true;
    }
    if (sa->sa_family != AF_INET6) return false;
    const struct sockaddr_in6 *in6 = (const void *)sa;
    memcpy(ret, &in6->sin6_addr, 16);
    *ret_port = ntohs(in6->sin6_port);
    return true;
}

/* What the registries keep for hosts, links, private networks, tests and groups. */
static const char *const not_public[] = {
    "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",  "172.16.0.0/12",
    "192.0.0.0/24",  "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",  "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4",   "240.0.0.0/4",  "::/96",          "64:ff9b:1::/48", "100::/64",        "2001::/32",
    "2001:db8::/32", "2002::/16",    "fc00::/7",       "fe80::/10",      "fec0::/10",       "ff00::/8",
};

static bool parse_net(const char *text, uint8_t ret[16], unsigned *ret_bits)
{
    char ip[INET6_ADDRSTRLEN + 8];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t bits;
    unsigned width;
    if (n >= sizeof ip) return false;
    memcpy(ip, text, n);
    ip[n] = 0;
    if (!parse_ip(ip, ret, &width)) return false;
    bits = width;
    if (slash && (hg_str_u64(hg_strz(slash + 1), &bits) < 0 || bits > width)) return false;
    *ret_bits = (unsigned)bits + 128 - width;
    return true;
}

static bool is_private(const uint8_t ip[16])
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
    uint8_t v4[16], net[16];
    unsigned bits;
    if (memcmp(ip, nat64, sizeof nat64) == 0) {
        memcpy(v4, mapped, sizeof mapped);
        memcpy(v4 + sizeof mapped, ip + sizeof mapped, 4);
        return is_private(v4);
    }
    for (size_t i = 0; i < HG_COUNT(not_public); i++)
        if (parse_net(not_public[i], net, &bits) && in_net(ip, net, bits)) return true;
    return false;
}

static const char *ip_text(const uint8_t ip[16], char out[INET6_ADDRSTRLEN])
{
    bool v4 = memcmp(ip, mapped, sizeof mapped) == 0;
    const char *text = inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + sizeof mapped : ip, out, INET6_ADDRSTRLEN);
    return text ? text : "?";
}

/* --- making limits ----------------------------------------------------------------------------------------------- */

hg_access_t *hg_access_new(void)
{
    hg_access_t *a = HG_NEW(hg_access_t);
    a->arena = hg_arena_new();
    return a;
}

void hg_access_free(hg_access_t *a)
{
    if (!a) return;
    hg_arena_free(a->arena);
    hg_free(a);
}

/* "host", "host:port", "[v6]:port", "v6". False: it is none of them. */
static bool split_port(hg_str_t s, hg_str_t *host, unsigned *port)
{
    const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    uint64_t n = 0;
    *port = 0;
    *host = s;
    if (s.n > 1 && s.p[0] == '[') {
        const char *end = memchr(s.p, ']', s.n);
        if (!end) return false;
        *host = (hg_str_t){ s.p + 1, (size_t)(end - s.p) - 1 };
        if (end + 1 == s.p + s.n) return host->n > 0;
        if (end[1] != ':') return false;
        colon = end + 1;
    } else if (colon && memchr(s.p, ':', (size_t)(colon - s.p))) {
        return true; /* an IPv6 address */
    } else if (colon) {
        host->n = (size_t)(colon - s.p);
    }
    if (!colon) return host->n > 0;
    if (hg_str_u64((hg_str_t){ colon + 1, (size_t)(s.p + s.n - colon - 1) }, &n) < 0 || n == 0 || n > 65535)
        return false;
    *port = (unsigned)n;
    return host->n > 0;
}

static bool is_name(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '-' && c != '_' && c != '.') return false;
    }
    return s.n > 0 && s.p[0] != '.';
}

int hg_access_add_host(hg_access_t *a, const char *pattern, hg_err_t *err)
{
    hg_access_pattern_t p = { .kind = HG_AP_NAME };
    hg_str_t host;
    bool good = split_port(hg_strz(pattern), &host, &p.port);
    p.text = hg_arena_strndup(a->arena, pattern, strlen(pattern));
    if (good) p.name = hg_arena_str(a->arena, host);
    if (good && hg_str_eqz(host, "*")) {
        p.kind = HG_AP_ANY;
    } else if (good && hg_str_starts(host, HG_S("*."))) {
        p.kind = HG_AP_BELOW;
        p.name = (hg_str_t){ p.name.p + 1, p.name.n - 1 };
        good = is_name((hg_str_t){ host.p + 2, host.n - 2 });
    } else if (good && parse_net(p.name.p, p.net, &p.bits)) {
        p.kind = HG_AP_NET;
    } else if (good) {
        good = is_name(host);
    }
    if (!good)
        return hg_err_set(err, HG_EINVAL,
                          "'%s' is no host: expected NAME, *.DOMAIN, ADDRESS or NETWORK/BITS, with or without :PORT",
                          pattern);
    HG_APUSH(a->arena, a->hosts, a->n_hosts, p);
    return 0;
}

void hg_access_deny_private(hg_access_t *a)
{
    a->deny_private = true;
}

bool hg_access_limits(const hg_access_t *a)
{
    return a && (a->n_paths || a->n_hosts || a->deny_private);
}

static void write_list(hg_jw_t *w, const char *key, const char *const *v, size_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (size_t i = 0; i < n; i++) hg_jw_strz(w, v[i]);
    hg_jw_end_arr(w);
}

void hg_access_write(const hg_access_t *a, hg_jw_t *w)
{
    if (!hg_access_limits(a)) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    write_list(w, "paths", a->paths, a->n_paths);
    write_list(w, "denied", a->denied, a->n_denied);
    hg_jw_key(w, "hosts");
    hg_jw_arr(w);
    for (size_t i = 0; i < a->n_hosts; i++) hg_jw_strz(w, a->hosts[i].text);
    hg_jw_end_arr(w);
    hg_jw_kbool(w, "deny_private", a->deny_private);
    hg_jw_end_obj(w);
}

static int read_list(hg_access_t *a, const hg_json_t *v, const char *key, const char ***to, size_t *n, hg_err_t *err)
{
    const hg_json_t *list = hg_json_get(v, key);
    bool good = list && list->kind == HG_J_ARRAY;
    for (const hg_json_t *m = good ? list->child : NULL; m && good; m = m->next) {
        good = m->kind == HG_J_STRING;
        if (good && to) HG_APUSH(a->arena, *to, *n, hg_arena_strndup(a->arena, m->str.p, m->str.n));
        if (good && !to && hg_access_add_host(a, m->str.p, err) < 0) return err->code;
    }
    return good ? 0 : hg_err_set(err, HG_EPARSE, "access limits: '%s' is not a list of texts", key);
}

int hg_access_enter(const hg_json_t *v, hg_err_t *err)
{
    HG_ASSERT(!hg_access_in_force);
    if (!v || v->kind == HG_J_NULL) return 0;
    hg_access_t *a = hg_access_new();
    int rc = read_list(a, v, "paths", &a->paths, &a->n_paths, err);
    if (rc == 0) rc = read_list(a, v, "denied", &a->denied, &a->n_denied, err);
    if (rc == 0) rc = read_list(a, v, "hosts", NULL, NULL, err);
    a->deny_private = hg_json_bool(hg_json_get(v, "deny_private"), false);
    if (rc < 0) {
        hg_access_free(a);
        return rc;
    }
    hg_access_in_force = a;
    return 0;
}

void hg_access_leave(void)
{
    hg_access_free(hg_access_in_force);
    hg_access_in_force = NULL;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

bool hg_access_limited(void)
{
    return hg_access_in_force != NULL;
}

bool hg_access_hosts_limited(void)
{
    const hg_access_t *a = hg_access_in_force;
    return a && (a->n_hosts || a->deny_private);
}

static bool port_fits(const hg_access_pattern_t *p, unsigned port)
{
    return !p->port || !port || p->port == port;
}

static bool by_number(const hg_access_t *a, const uint8_t ip[16], unsigned port)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (a->hosts[i].kind == HG_AP_NET && port_fits(&a->hosts[i], port) &&
            in_net(ip, a->hosts[i].net, a->hosts[i].bits))
            return true;
    return false;
}

static hg_str_t bare(hg_str_t host)
{
    if (host.n && host.p[host.n - 1] == '.') host.n--; /* the root that every name ends with */
    return host;
}

static bool by_name(const hg_access_t *a, hg_str_t host, unsigned port)
{
    host = bare(host);
    for (size_t i = 0; i < a->n_hosts; i++) {
        const hg_access_pattern_t *p = &a->hosts[i];
        if (!port_fits(p, port)) continue;
        if (p->kind == HG_AP_ANY || (p->kind == HG_AP_NAME && hg_str_ieq(bare(p->name), host))) return true;
        if (p->kind == HG_AP_BELOW && host.n > p->name.n &&
            hg_str_ieq((hg_str_t){ host.p + host.n - p->name.n, p->name.n }, p->name))
            return true;
    }
    return false;
}

static int refuse(const hg_access_t *a, hg_str_t host, unsigned port, hg_err_t *err)
{
    char list[240], at[16] = "";
    size_t n = 0;
    list[0] = 0;
    if (port) snprintf(at, sizeof at, ":%u", port);
    for (size_t i = 0; i < a->n_hosts && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", a->hosts[i].text);
    return hg_err_set(err, HG_EPERM,
                      "'" HG_SF "%s' is no host that this server lets programs reach (--allow-host: %s%s)", HG_SA(host),
                      at, list, n >= sizeof list ? "…" : "");
}

static int judge(const hg_access_t *a, const uint8_t ip[16], unsigned port, const char *host, hg_err_t *err)
{
    char text[INET6_ADDRSTRLEN];
    bool number = by_number(a, ip, port);
    if (a->deny_private && !number && is_private(ip)) {
        if (host)
            return hg_err_set(
                err, HG_EPERM,
                "'%s' has the address %s, which is not public: this server does not let programs reach it "
                "(--deny-private-hosts)",
                host, ip_text(ip, text));
        return hg_err_set(err, HG_EPERM,
                          "%s is not a public address: this server does not let programs reach it "
                          "(--deny-private-hosts)",
                          ip_text(ip, text));
    }
    hg_str_t name = hg_strz(host ? host : ip_text(ip, text));
    if (!a->n_hosts || number || by_name(a, name, port)) return 0;
    return refuse(a, name, port, err);
}

int hg_access_host(hg_str_t host, unsigned port, hg_err_t *err)
{
    const hg_access_t *a = hg_access_in_force;
    char text[INET6_ADDRSTRLEN];
    uint8_t ip[16];
    unsigned width;
    if (!hg_access_hosts_limited()) return 0;
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') host = (hg_str_t){ host.p + 1, host.n - 2 };
    snprintf(text, sizeof text, HG_SF, HG_SA(host));
    if (host.n < sizeof text && parse_ip(text, ip, &width)) return judge(a, ip, port, NULL, err);
    if (hg_str_ieq(bare(host), HG_S("localhost")) && a->deny_private && parse_ip("127.0.0.1", ip, &width))
        return judge(a, ip, port, "localhost", err);
    if (!a->n_hosts || by_name(a, host, port)) return 0;
    for (size_t i = 0; i < a->n_hosts; i++)
        if (a->hosts[i].kind == HG_AP_NET && port_fits(&a->hosts[i], port)) return 0; /* its address will tell */
    return refuse(a, host, port, err);
}

int hg_access_server(hg_str_t server, hg_err_t *err)
{
    hg_str_t host;
    unsigned port;
    if (!hg_access_hosts_limited()) return 0;
    if (!split_port(server, &host, &port))
        return hg_err_set(err, HG_EPERM, "'" HG_SF "' is no host and port that could be judged", HG_SA(server));
    return hg_access_host(host, port, err);
}

int hg_access_addr(const struct sockaddr *sa, const char *host, hg_err_t *err)
{
    uint8_t ip[16];
    unsigned port;
    if (!hg_access_hosts_limited()) return 0;
    if (sockaddr_ip(sa, ip, &port)) return judge(hg_access_in_force, ip, port, host, err);
    return hg_err_set(err, HG_EPERM, "'%s' has an address that is neither IPv4 nor IPv6", host ? host : "?");
}

int hg_access_socket(const char *unix_path, hg_err_t *err)
{
    if (hg_access_paths_limited()) return hg_access_path(unix_path, err);
    if (!hg_access_hosts_limited()) return 0;
    return hg_err_set(err, HG_EPERM,
                      "'%s' is a unix socket: where hosts are limited it needs --allow-path of the server", unix_path);
}

int hg_access_resolve(const char *host, unsigned port, struct sockaddr_storage *ret, unsigned max, hg_err_t *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *all = NULL;
    char service[16];
    unsigned n = 0;
    hg_err_t why = HG_ERR_INIT;
    int rc = hg_access_host(hg_strz(host), port, err); /* who may not be asked is not looked up either */
    if (rc < 0) return rc;
    snprintf(service, sizeof service, "%u", port);
    int e = getaddrinfo(host, service, &hints, &all);
    if (e) return hg_err_retry(err, HG_ENET, "'%s' cannot be looked up: %s", host, gai_strerror(e));
    for (const struct addrinfo *i = all; i && n < max; i = i->ai_next)
        if (hg_access_addr(i->ai_addr, host, &why) == 0) memcpy(&ret[n++], i->ai_addr, i->ai_addrlen);
    freeaddrinfo(all);
    if (n) return (int)n;
    *err = why;
    return why.code ? why.code : hg_err_retry(err, HG_ENET, "'%s' has no address", host);
}
