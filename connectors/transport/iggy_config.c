/* iggy_config.c: the way to an Iggy server as programs write it. Any thread. */
#include "base/hg.h"
#include "base/access.h"
#include "base/mem.h"
#include "connectors/transport/iggy_int.h"

static bool is_reference(const char *s)
{
    return s && strstr(s, "${");
}

static void put(char **at, const char *value)
{
    if (!value) return;
    hg_free(*at);
    *at = hg_xstrdup(value);
}

int hg_iggy_conn_opts(const hg_iggy_conn_t *c, hg_iggy_opts_t *ret, hg_err_t *err)
{
    const char *where = c->connection_string ? c->connection_string : c->address;
    hg_iggy_opts_init(ret);
    ret->reestablish_ms = 0; /* reconnect_interval is what the user says about it */
    ret->protocol = (hg_iggy_proto_t)c->protocol;
    int rc = where ? hg_iggy_opts_parse(ret, hg_strz(where), err) : 0;
    if (rc == 0) {
        put(&ret->user, c->username);
        put(&ret->password, c->password);
        put(&ret->token, c->token);
        put(&ret->tls_ca_file, c->ca_file);
        put(&ret->tls_domain, c->domain);
        ret->tls |= c->tls;
        ret->tls_insecure |= c->insecure;
        ret->retry_ms = c->reconnect_ms;
        ret->connect_ms = c->connect_ms;
        ret->request_ms = c->request_ms;
        rc = hg_iggy_opts_check(ret, err);
    }
    if (rc == 0) rc = hg_access_host(hg_strz(ret->host), ret->port, err);
    if (rc == 0 && ret->tls_ca_file) rc = hg_access_path(ret->tls_ca_file, err);
    if (rc < 0) hg_iggy_opts_release(ret);
    return rc;
}

static void check_name(const char *value, const char *key, const hg_json_t *obj, hg_diag_t *d)
{
    size_t n = value ? strlen(value) : 1;
    if (is_reference(value) || (n >= 1 && n <= HG_IGGY_MAX_NAME)) return;
    hg_diag(d, false, hg_json_get(obj, key), false, "option '%s': a name has 1 to %d bytes, not %zu", key,
            HG_IGGY_MAX_NAME, n);
}

void hg_iggy_conn_check(const hg_iggy_conn_t *c, const hg_json_t *obj, hg_diag_t *d)
{
    const char *const texts[] = { c->address, c->connection_string, c->username, c->password,
                                  c->token,   c->ca_file,           c->domain };
    static const char *const excluded[] = { "address", "username", "password", "token" };
    unsigned before = d->errors;
    hg_iggy_opts_t o;
    hg_err_t err = HG_ERR_INIT;
    check_name(c->stream, "stream", obj, d);
    check_name(c->topic, "topic", obj, d);
    for (size_t i = 0; c->connection_string && i < HG_COUNT(excluded); i++)
        if (hg_json_get(obj, excluded[i]))
            hg_diag(d, false, hg_json_get(obj, excluded[i]), true, "'%s' and 'connection_string' exclude each other",
                    excluded[i]);
    if (c->token && c->username)
        hg_diag(d, false, hg_json_get(obj, "token"), true, "'token' and 'username' exclude each other");
    if (c->address && strchr(c->address, '@'))
        hg_diag(d, false, hg_json_get(obj, "address"), false,
                "option 'address' is host[:port]; with user and password it is a 'connection_string'");
    if (!c->tls && !c->connection_string && (c->ca_file || c->domain || c->insecure))
        hg_diag(d, false,
                hg_json_get(obj, c->ca_file  ? "tls_ca_file"
                                 : c->domain ? "tls_domain"
                                             : "tls_insecure"),
                true, "this option needs \"tls\": true");
    for (size_t i = 0; i < HG_COUNT(texts); i++)
        if (is_reference(texts[i])) return;
    if (d->errors > before) return;
    if (hg_iggy_conn_opts(c, &o, &err) == 0)
        hg_iggy_opts_release(&o);
    else
        hg_diag(d, false, hg_json_get(obj, c->connection_string ? "connection_string" : "address"), false, "%s",
                err.msg);
}
