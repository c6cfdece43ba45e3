/* postgres_options.c: how to connect: options → libpq's parameters.
 *
 * Later ones win: our defaults, the uri, host, port …, TLS. libpq wants files for certificates and keys; texts are put
 * into anonymous files in memory (memfd) and named by their descriptor, so that no key is ever on a disk. */
#include "base/hg.h"
#include "base/access.h"
#include "base/mem.h"
#include "connectors/transport/postgres_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX ((size_t)1 << 20)

static const char *own(const hg_pg_params_t *p, const char *s)
{
    return hg_arena_strndup(p->arena, s, strlen(s));
}

/* A value that stands for an earlier one of the same key. */
static void set(hg_pg_params_t *p, const char *key, const char *value)
{
    if (!value) return;
    for (unsigned i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], key) == 0) {
            p->values[i] = value;
            return;
        }
    if (HG_NEVER(p->n + 1 >= HG_COUNT(p->keys))) return;
    p->keys[p->n] = key;
    p->values[p->n++] = value;
}

void hg_pg_set_param(hg_pg_params_t *p, const char *key, const char *value)
{
    set(p, key, own(p, value));
}

static int from_uri(hg_pg_params_t *p, const char *uri, hg_err_t *err)
{
    char *msg = NULL;
    PQconninfoOption *all = PQconninfoParse(uri, &msg);
    if (!all) {
        PQfreemem(msg);
        return hg_err_set(err, HG_EINVALTRANSPORT, "'uri' cannot be read");
    }
    for (const PQconninfoOption *o = all; o->keyword; o++)
        if (o->val) set(p, own(p, o->keyword), own(p, o->val));
    PQconninfoFree(all);
    return 0;
}

static int add_file(int fd, const char *path, const char *option, hg_err_t *err)
{
    char buf[16384];
    size_t all = 0;
    int in = hg_access_open(path, O_RDONLY, 0);
    if (in < 0) return hg_err_errno(err, errno, "'%s': cannot open '%s'", option, path);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0 && all < PEM_MAX; all += (size_t)n)
        if (write(fd, buf, (size_t)n) != n) break;
    close(in);
    return 0;
}

/* One file that holds the text, or the file at path, and then the file at more. */
static int as_file(hg_pg_params_t *p, const char *key, const char *text, const char *path, const char *option,
                   const char *more, hg_err_t *err)
{
    char name[32];
    if (!text && !path) return 0;
    if (!text && !more) {
        set(p, key, path);
        return 0;
    }
    int rc = 0, fd = memfd_create("pem", MFD_CLOEXEC);
    if (fd < 0) return hg_err_errno(err, errno, "no memory file for '%s'", option);
    p->fds[p->n_fds++] = fd;
    (void)fchmod(fd, 0600); /* libpq refuses keys that others may read */
    if (text && write(fd, text, strlen(text)) < 0) rc = hg_err_errno(err, errno, "no memory file for '%s'", option);
    if (!text) rc = add_file(fd, path, option, err);
    if (rc == 0 && more && write(fd, "\n", 1) == 1) rc = add_file(fd, more, "ssl_certificate_chain_location", err);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    set(p, key, own(p, name));
    return rc;
}

static int tls(hg_pg_params_t *p, const hg_pg_cfg_t *c, hg_err_t *err)
{
    int rc = as_file(p, "sslrootcert", c->ca_pem, c->ca_file, "ssl_ca_pem", NULL, err);
    if (rc == 0) rc = as_file(p, "sslcert", c->cert_pem, c->cert_file, "ssl_client_location", c->chain_file, err);
    if (rc == 0) rc = as_file(p, "sslkey", c->key_pem, c->key_file, "ssl_client_key", NULL, err);
    if (c->ca_pem || c->ca_file) set(p, "sslmode", c->verify_hostname ? "verify-full" : "verify-ca");
    return rc;
}

const char *hg_pg_param(const hg_pg_params_t *p, const char *key)
{
    for (unsigned i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], key) == 0) return p->values[i];
    return NULL;
}

/* All but TLS. */
static int parameters(const hg_pg_cfg_t *c, const char *application, hg_pg_params_t *ret, hg_err_t *err)
{
    char port[16];
    memset(ret, 0, sizeof *ret);
    ret->arena = hg_arena_new();
    set(ret, "fallback_application_name", own(ret, application));
    set(ret, "keepalives_idle", "30"); /* a peer that is gone without a word is noticed */
    set(ret, "keepalives_interval", "10");
    set(ret, "keepalives_count", "3");
    int rc = c->uri ? from_uri(ret, c->uri, err) : 0;
    set(ret, "host", c->host);
    snprintf(port, sizeof port, "%u", c->port);
    if (c->port) set(ret, "port", own(ret, port));
    set(ret, "dbname", c->database);
    set(ret, "user", c->user);
    set(ret, "password", c->password);
    set(ret, "client_encoding", "UTF8");
    return rc;
}

/* libpq has a look at the home folder of who runs us: passwords by host name (~/.pgpass), a certificate to log in with.
 * A program that is limited is nobody who may act with them: files are named that cannot be. */
static void no_home(hg_pg_params_t *p)
{
    static const char *const own_files[] = { "passfile", "sslcert", "sslkey" };
    for (size_t i = 0; i < HG_COUNT(own_files) && hg_access_limited(); i++)
        if (!hg_pg_param(p, own_files[i])) set(p, own_files[i], "/dev/null/none");
}

int hg_pg_params(const hg_pg_cfg_t *c, const char *application, hg_pg_params_t *ret, hg_err_t *err)
{
    uint64_t seconds = 0;
    int rc = parameters(c, application, ret, err);
    if (rc == 0) rc = hg_pg_access_check(c, ret, err);
    if (rc == 0) rc = tls(ret, c, err);
    if (rc == 0) no_home(ret);
    const char *timeout = hg_pg_param(ret, "connect_timeout");
    ret->timeout_ms = 10000;
    if (timeout && hg_str_u64(hg_strz(timeout), &seconds) == 0 && seconds && seconds < 86400)
        ret->timeout_ms = (uint32_t)seconds * 1000;
    if (rc < 0) hg_pg_params_release(ret);
    return rc;
}

static bool is_reference(const char *v)
{
    return v && strncmp(v, "${", 2) == 0;
}

/* What references stand for is judged where it is known: hg_pg_params. */
static void check_access(const hg_pg_cfg_t *c, const hg_json_t *obj, hg_diag_t *d)
{
    const char *const all[] = { c->uri, c->host, c->ca_file, c->cert_file, c->key_file, c->chain_file };
    hg_pg_params_t p;
    hg_err_t err = HG_ERR_INIT;
    for (size_t i = 0; i < HG_COUNT(all); i++)
        if (is_reference(all[i])) return;
    int rc = hg_access_limited() ? parameters(c, "", &p, &err) : 0;
    if (rc == 0 && hg_access_limited()) rc = hg_pg_access_check(c, &p, &err);
    if (rc < 0) hg_diag(d, false, hg_json_get(obj, c->uri ? "uri" : "host"), false, "%s", err.msg);
    if (hg_access_limited()) hg_pg_params_release(&p);
}

void hg_pg_check(const hg_pg_cfg_t *c, const hg_json_t *obj, hg_diag_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    char *msg = NULL;
    if (!c->uri && !c->host) {
        hg_diag(d, false, obj, false, "missing field 'uri' (or 'host', with 'port', 'database', 'user', 'password')");
        return;
    }
    if ((c->cert_pem || c->cert_file) != (c->key_pem || c->key_file))
        hg_diag(d, false, obj, false,
                "'ssl_client_pem' (or 'ssl_client_location') and 'ssl_client_key' (or "
                "'ssl_client_key_location') belong together");
    if (c->chain_file && !c->cert_pem && !c->cert_file)
        hg_diag(d, false, obj, false,
                "'ssl_certificate_chain_location' needs 'ssl_client_pem' or 'ssl_client_location'");
    if (is_reference(c->uri) || hg_pg_load(&err) < 0) return;
    PQconninfoOption *o = c->uri ? PQconninfoParse(c->uri, &msg) : NULL;
    PQconninfoFree(o);
    if (o || !c->uri) {
        check_access(c, obj, d);
        return;
    }
    /* libpq quotes the text, which may hold a password */
    hg_diag(d, false, hg_json_get(obj, "uri"), false,
            "'uri' is neither postgresql://user:password@host:port/database nor key=value text of libpq");
    PQfreemem(msg);
}

void hg_pg_params_release(hg_pg_params_t *p)
{
    for (unsigned i = 0; i < p->n_fds; i++) close(p->fds[i]);
    if (p->arena) hg_arena_free(p->arena);
    memset(p, 0, sizeof *p);
}
