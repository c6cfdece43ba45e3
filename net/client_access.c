/* client_access.c: transfers and what programs may reach (base/access.h).
 *
 * The host of a URL is judged when a transfer starts. What a redirect leads to, and what a name stands for, shows only
 * when a connection is opened: libcurl asks here for each socket, and the host is then the one of the URL that it is
 * at. A connection that is used again was asked for under the same host. Proxies are left out where hosts are limited:
 * behind one nobody could tell where a request goes.
 */
#include "base/hg.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/access.h"
#include "base/url_secret.h"
#include "net/client.h"
#include "net/net_int.h"
#include <curl/curl.h>

/* Host (without brackets) and port of a URL as libcurl reads it. Caller: curl_free(*ret_host). */
static CURLUcode url_host(const char *url, char **ret_host, unsigned *ret_port)
{
    CURLU *u = curl_url();
    char *port = NULL;
    uint64_t n = 0;
    HG_ASSERT(u);
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, 0);
    if (rc == CURLUE_OK) rc = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (rc == CURLUE_OK) rc = curl_url_get(u, CURLUPART_HOST, ret_host, 0);
    if (rc == CURLUE_OK && hg_str_u64(hg_strz(port), &n) < 0) n = 0;
    *ret_port = (unsigned)n;
    curl_free(port);
    curl_url_cleanup(u);
    return rc;
}

int hg_url_access(const char *url, hg_err_t *err)
{
    char *host = NULL;
    unsigned port;
    if (!hg_access_hosts_limited()) return 0;
    int rc = hg_curl_load(err);
    if (rc < 0) return rc;
    CURLUcode bad = url_host(url, &host, &port);
    if (bad != CURLUE_OK) {
        hg_err_set(err, HG_EINVAL, "'%s' is no URL: %s", url, curl_url_strerror(bad));
        *err = hg_url_hide_err(err); /* it may stand in messages of the compiler, which hide nothing */
        return err->code;
    }
    rc = hg_access_host(hg_strz(host), port, err);
    curl_free(host);
    return rc;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    hg_reach_t *r = arg;
    const char *url = NULL;
    char *host = NULL;
    unsigned port;
    (void)purpose;
    int rc = 0;
    curl_easy_getinfo(r->easy, CURLINFO_EFFECTIVE_URL, (char **)(void *)&url);
    if (!url || url_host(url, &host, &port) != CURLUE_OK)
        rc = hg_err_set(&r->err, HG_EPERM, "'%s' is no URL whose host could be judged", url ? url : "");
    if (rc == 0) rc = hg_access_host(hg_strz(host), port, &r->err);
    if (rc == 0) rc = hg_access_addr(&addr->addr, host, &r->err);
    curl_free(host);
    if (rc < 0) {
        errno = EACCES;
        return CURL_SOCKET_BAD;
    }
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

void hg_reach_guard(hg_reach_t *r, void *easy)
{
    r->easy = easy;
    if (!hg_access_hosts_limited()) return;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
}
