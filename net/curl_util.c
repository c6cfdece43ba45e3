/* curl_util.c: libcurl's results as our errors. Bad surroundings are marked retryable, bad configuration is not. */
#include "base/hg.h"
#include "net/net_int.h"
#include <curl/curl.h>

int hg_curl_err(hg_err_t *err, int curl_code, const char *detail, const char *url)
{
    const char *what = detail && detail[0] ? detail : curl_easy_strerror((CURLcode)curl_code);
    switch (curl_code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return hg_err_set(err, HG_EINVAL, "'%s' is no URL that can be fetched: %s", url, what);
    case CURLE_OUT_OF_MEMORY:
        return hg_err_retry(err, HG_ENOMEM, "'%s': %s", url, what);
    case CURLE_OPERATION_TIMEDOUT:
        return hg_err_retry(err, HG_ETIMEOUT, "'%s': %s", url, what);
    case CURLE_TOO_MANY_REDIRECTS:
        return hg_err_set(err, HG_EPROTO, "'%s': more than 10 redirects", url);
    case CURLE_WEIRD_SERVER_REPLY:
        return hg_err_set(err, HG_EPROTO, "'%s': %s", url, what);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return hg_err_set(err, HG_ENET, "'%s': %s", url, what);
    default:
        return hg_err_retry(err, HG_ENET, "'%s': %s", url, what);
    }
}
