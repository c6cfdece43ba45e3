/* otlp_url.c: endpoints. As opentelemetry-rust 0.32 does: over HTTP the configured endpoint is the URL, path and all
 * (nothing is appended); over gRPC the path is the method's, and what the endpoint has behind its host does not count.
 */
#include "base/hg.h"
#include "base/url_secret.h"
#include "telemetry/otlp_int.h"

#define METHOD "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

static const char *const DEFAULTS[] = {
    [HG_OTLP_GRPC] = "http://localhost:4317",
    [HG_OTLP_HTTP] = "http://localhost:4318/v1/logs",
};

/* What is wrong with the part between "//" and the path; NULL: nothing. */
static const char *bad_host(hg_str_t s)
{
    uint64_t port;
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '@') {
            s = (hg_str_t){ s.p + i, s.n - i };
            break;
        }
    const char *bracket = s.n && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    if (s.n && s.p[0] == '[' && !bracket) return "a bracket is not closed";
    const char *rest = bracket ? bracket + 1 : s.p, *end = s.p + s.n;
    const char *colon = memchr(rest, ':', (size_t)(end - rest));
    if ((colon ? colon : end) == s.p) return "there is no host";
    if (bracket && rest != (colon ? colon : end)) return "something stands between the host and its port";
    if (colon && (hg_str_u64((hg_str_t){ colon + 1, (size_t)(end - colon - 1) }, &port) < 0 || !port || port > 65535))
        return "the port is no number from 1 to 65535";
    return NULL;
}

static const char *bad_url(hg_str_t s, size_t scheme, size_t host)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f) return "there is a blank in it";
    if (!scheme) return "it begins with neither http:// nor https://";
    return bad_host((hg_str_t){ s.p + scheme, host });
}

int hg_otlp_url(hg_otlp_transport_t transport, const char *endpoint, hg_buf_t *out, hg_err_t *err)
{
    hg_str_t s = hg_strz(endpoint[0] ? endpoint : DEFAULTS[transport]);
    size_t scheme = hg_str_starts(s, HG_S("http://")) ? 7 : hg_str_starts(s, HG_S("https://")) ? 8 : 0;
    size_t host = 0;
    while (scheme + host < s.n && !strchr("/?#", s.p[scheme + host])) host++;
    const char *why = bad_url(s, scheme, host);
    if (why) {
        hg_err_set(err, HG_EINVAL, "'%s' is no endpoint: %s; write \"%s\"", s.p, why, DEFAULTS[transport]);
        *err = hg_url_hide_err(err);
        return err->code;
    }
    int rc = hg_buf_add(out, s.p, transport == HG_OTLP_GRPC ? scheme + host : s.n);
    if (rc == 0 && transport == HG_OTLP_GRPC) rc = hg_buf_adds(out, METHOD);
    return rc < 0 ? hg_err_set(err, (hg_code_t)rc, "no memory for the endpoint's URL") : 0;
}
