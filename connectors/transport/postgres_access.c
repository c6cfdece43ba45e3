/* postgres_access.c: connections to PostgreSQL and what programs may reach (base/access.h).
 *
 * libpq looks names up and connects by itself, without asking. So where hosts are limited its list of hosts is spelled
 * out before: each name is looked up here and comes once for each of its addresses that is allowed, as `hostaddr`;
 * libpq then looks nothing up. The name stays beside it for the server's certificate. A `hostaddr` that the program
 * gives is judged by its number alone: nothing says that it belongs to the name.
 */
#include "base/hg.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/access.h"
#include "base/mem.h"
#include "connectors/transport/postgres_int.h"

#define ADDRESSES 8u

typedef struct {
    hg_buf_t hosts, addresses, ports;
} lists_t;

static const char *const files[] = { "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile" };
/* They read other parameters from the server's surroundings. */
static const char *const refused[] = { "service", "servicefile", "krbsrvname", "gsslib" };

/* Element i of a list with commas; a list of one holds for all. */
static hg_str_t element(const char *list, unsigned i)
{
    const char *p = list ? list : "";
    if (!strchr(p, ',')) i = 0;
    for (; i; i--) p = strchr(p, ',') ? strchr(p, ',') + 1 : "";
    return (hg_str_t){ p, strcspn(p, ",") };
}

static unsigned count(const char *list)
{
    unsigned n = list && *list;
    for (const char *p = list; p && (p = strchr(p, ',')) != NULL; p++) n++;
    return n;
}

static void add(lists_t *l, hg_str_t host, hg_str_t address, unsigned port)
{
    const char *comma = l->ports.len ? "," : "";
    hg_buf_addf(&l->hosts, "%s" HG_SF, comma, HG_SA(host));
    hg_buf_addf(&l->addresses, "%s" HG_SF, comma, HG_SA(address));
    hg_buf_addf(&l->ports, "%s%u", comma, port);
}

static int spell_out(lists_t *l, hg_str_t host, hg_str_t address, unsigned port, hg_err_t *err)
{
    struct sockaddr_storage all[ADDRESSES];
    char text[INET6_ADDRSTRLEN];
    int rc = 0, found = 0;
    if (address.n) {
        rc = hg_access_host(address, port, err);
        if (rc == 0) add(l, host, address, port);
        return rc;
    }
    if (!host.n)
        return hg_err_set(err, HG_EPERM, "'host' is missing: where the server limits hosts it has to be given");
    char *name = hg_xstrndup(host.p, host.n);
    if (name[0] == '/' || name[0] == '@') {
        rc = hg_access_socket(name, err);
        if (rc == 0) add(l, host, HG_S(""), port);
    } else {
        rc = found = hg_access_resolve(name, port, all, ADDRESSES, err);
    }
    hg_free(name);
    for (int i = 0; i < found; i++) {
        const void *in = all[i].ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)&all[i])->sin_addr
                                                     : (const void *)&((const struct sockaddr_in6 *)&all[i])->sin6_addr;
        if (inet_ntop(all[i].ss_family, in, text, sizeof text)) add(l, host, hg_strz(text), port);
    }
    return HG_MIN(rc, 0);
}

static unsigned port_of(hg_str_t text)
{
    uint64_t n;
    return text.n && hg_str_u64(text, &n) == 0 && n <= 65535 ? (unsigned)n : 5432;
}

/* What stands in the parameters, before anything is looked up. */
static int judge_files(const hg_pg_cfg_t *c, const hg_pg_params_t *p, hg_err_t *err)
{
    const char *const given[] = { c->ca_file, c->cert_file, c->key_file, c->chain_file };
    int rc = 0;
    for (size_t i = 0; i < HG_COUNT(given) && rc == 0; i++)
        if (given[i]) rc = hg_access_path(given[i], err);
    for (size_t i = 0; i < HG_COUNT(refused) && rc == 0; i++)
        if (hg_pg_param(p, refused[i]))
            rc = hg_err_set(err, HG_EPERM, "'%s' is not available where the server limits what programs may reach",
                            refused[i]);
    for (size_t i = 0; i < HG_COUNT(files) && rc == 0; i++) {
        const char *path = hg_pg_param(p, files[i]);
        if (path && strcmp(path, "system") != 0) rc = hg_access_path(path, err);
    }
    return rc;
}

int hg_pg_access_check(const hg_pg_cfg_t *c, const hg_pg_params_t *p, hg_err_t *err)
{
    const char *hosts = hg_pg_param(p, "host"), *addresses = hg_pg_param(p, "hostaddr"),
               *ports = hg_pg_param(p, "port");
    int rc = hg_access_limited() ? judge_files(c, p, err) : 0;
    for (unsigned i = 0; i < HG_MAX(count(hosts), count(addresses)) && rc == 0 && hg_access_limited(); i++) {
        hg_str_t host = element(hosts, i), address = element(addresses, i);
        char *path = host.n && host.p[0] == '/' ? hg_xstrndup(host.p, host.n) : NULL;
        rc = path && !address.n ? hg_access_socket(path, err)
                                : hg_access_host(address.n ? address : host, port_of(element(ports, i)), err);
        hg_free(path);
    }
    return rc;
}

int hg_pg_access_resolve(hg_pg_params_t *p, hg_err_t *err)
{
    const char *hosts = hg_pg_param(p, "host"), *addresses = hg_pg_param(p, "hostaddr"),
               *ports = hg_pg_param(p, "port");
    lists_t l;
    int rc = 0;
    if (!hg_access_hosts_limited()) return 0;
    hg_buf_init(&l.hosts, HG_BUF_NOMAX);
    hg_buf_init(&l.addresses, HG_BUF_NOMAX);
    hg_buf_init(&l.ports, HG_BUF_NOMAX);
    unsigned n = HG_MAX(count(hosts), count(addresses));
    for (unsigned i = 0; i < HG_MAX(n, 1u) && rc == 0; i++)
        rc = spell_out(&l, element(hosts, i), element(addresses, i), port_of(element(ports, i)), err);
    if (rc == 0) {
        hg_pg_set_param(p, "host", l.hosts.p);
        hg_pg_set_param(p, "hostaddr", l.addresses.p);
        hg_pg_set_param(p, "port", l.ports.p);
    }
    hg_buf_release(&l.hosts);
    hg_buf_release(&l.addresses);
    hg_buf_release(&l.ports);
    return rc;
}
