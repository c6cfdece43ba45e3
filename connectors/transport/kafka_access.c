/* kafka_access.c: Kafka clients and what programs may reach (base/access.h).
 *
 * librdkafka looks names up and connects by itself, to the servers of the options and to whatever brokers these name.
 * It asks us for both, so each broker is judged by its name before it is looked up and by its address before a
 * connection is tried. What is refused there looks to librdkafka like a broker that cannot be reached: it goes on
 * trying, and the log says why. Files in the options are judged when the program is compiled, in the pipeline's process
 * too; librdkafka opens them.
 */
#include "base/hg.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/access.h"
#include "base/log.h"
#include "connectors/transport/kafka_int.h"

typedef enum {
    IS_SERVERS, /* judged as hosts */
    IS_FILE,    /* judged as a path */
    GOES_ROUND, /* refused under any limit: commands, code, third parties */
} meaning_t;

static const struct {
    const char *key; /* all that begin with it if it ends with a dot */
    meaning_t meaning;
} g_options[] = {
    { "bootstrap.servers", IS_SERVERS },
    { "metadata.broker.list", IS_SERVERS },
    { "ssl.ca.location", IS_FILE },
    { "ssl.certificate.location", IS_FILE },
    { "ssl.crl.location", IS_FILE },
    { "ssl.key.location", IS_FILE },
    { "ssl.keystore.location", IS_FILE },
    { "offset.store.path", IS_FILE },
    { "plugin.library.paths", GOES_ROUND },
    { "ssl.engine.location", GOES_ROUND },
    { "ssl.engine.id", GOES_ROUND },
    { "sasl.kerberos.", GOES_ROUND },
    { "sasl.oauthbearer.token.endpoint.url", GOES_ROUND },
};

static bool is_option(const char *key, const char *name)
{
    size_t n = strlen(name);
    return name[n - 1] == '.' ? strncmp(key, name, n) == 0 : strcmp(key, name) == 0;
}

static int servers(const char *list, hg_err_t *err)
{
    int rc = 0;
    for (const char *p = list; *p && rc == 0;) {
        size_t n = strcspn(p, ",");
        hg_str_t server = hg_str_trim((hg_str_t){ p, n });
        const char *scheme = server.n ? memmem(server.p, server.n, "://", 3) : NULL;
        if (scheme) server = (hg_str_t){ scheme + 3, server.n - (size_t)(scheme + 3 - server.p) };
        if (server.n) rc = hg_access_server(server, err);
        p += n + (p[n] == ',');
    }
    return rc;
}

static int judge(const hg_kv_t *kv, hg_err_t *err)
{
    for (size_t i = 0; i < HG_COUNT(g_options); i++) {
        if (!is_option(kv->key, g_options[i].key)) continue;
        if (g_options[i].meaning == IS_SERVERS) return servers(kv->value, err);
        if (g_options[i].meaning == IS_FILE) return hg_access_path(kv->value, err);
        return hg_err_set(err, HG_EPERM, "it is not available where the server limits what programs may reach");
    }
    return 0;
}

bool hg_kafka_access(const hg_kv_t *kv, hg_diag_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    if (!hg_access_limited() || judge(kv, &err) == 0) return true;
    hg_diag(d, false, kv->node, false, "option '%s': %s", kv->key, err.msg);
    return false;
}

static void log_refusal(const hg_err_t *err)
{
    hg_log(HG_LOG_WARN, "kafka", NULL, "refused", "message=\"%s\"", err->msg);
}

/* getaddrinfo for librdkafka's threads; with all NULL it frees. */
static int resolve(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res,
                   void *opaque)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t port = 0;
    (void)opaque;
    if (!node && !service && !hints) {
        freeaddrinfo(*res);
        return 0;
    }
    if (service && hg_str_u64(hg_strz(service), &port) < 0) port = 0;
    if (node && hg_access_host(hg_strz(node), (unsigned)port, &err) < 0) {
        log_refusal(&err);
        return EAI_FAIL;
    }
    return getaddrinfo(node, service, hints, res);
}

/* name: "host:port" of the broker, as the options or another broker gave it. */
static int connect_to(int fd, const struct sockaddr *addr, int len, const char *name, void *opaque)
{
    hg_err_t err = HG_ERR_INIT;
    char host[256];
    const char *colon = strrchr(name, ':');
    (void)opaque;
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - name) : (int)strlen(name), name);
    if (hg_access_addr(addr, host, &err) < 0) {
        log_refusal(&err);
        return EACCES;
    }
    return connect(fd, addr, (socklen_t)len) < 0 && errno != EINPROGRESS ? errno : 0;
}

void hg_kafka_access_guard(rd_kafka_conf_t *conf)
{
    if (!hg_access_hosts_limited()) return;
    rd_kafka_conf_set_resolve_cb(conf, resolve);
    rd_kafka_conf_set_connect_cb(conf, connect_to);
}
