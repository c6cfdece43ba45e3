/* postgres_int.h: what the PostgreSQL transports share: connection options (postgres_options.c), a connection driven by
 * the endpoint's loop (postgres_conn.c). */
#ifndef HG_CONNECTORS_TRANSPORT_POSTGRES_INT_H
#define HG_CONNECTORS_TRANSPORT_POSTGRES_INT_H

#include "connectors/connector.h"
#include "connectors/postgres.h"
#include "connectors/transport/postgres.h"

/* --- options --- */

typedef struct {
    const char *uri, *host, *database, *user, *password;
    uint32_t port;
    const char *ca_pem, *ca_file, *cert_pem, *cert_file, *key_pem, *key_file, *chain_file;
    bool verify_hostname;
} hg_pg_cfg_t;

#define HG_PG_OPT(cfg, key_, type_, member, ...)                                                                       \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg, conn.member), __VA_ARGS__                             \
    }
/* Rows for an option table; cfg has a member `hg_pg_cfg_t conn`. */
#define HG_PG_OPTS(cfg)                                                                                                  \
    HG_PG_OPT(cfg, "uri", STR, uri, .flags = HG_OPT_SECRET,                                                              \
              .doc = "`postgresql://user:password@host:port/database?option=value`, or libpq's `key=value` text. "       \
                     "Either this or `host` is needed; the options beside it override its parts."),                      \
        HG_PG_OPT(cfg, "host", STR, host, .doc = "Server's name or address, or the folder of its unix socket."),         \
        HG_PG_OPT(cfg, "port", U32, port, .max = 65535, .doc = "Server's port. Without one: 5432."),                     \
        HG_PG_OPT(cfg, "database", STR, database, .doc = "Database. Without one: named as the user."),                   \
        HG_PG_OPT(cfg, "user", STR, user, .doc = "Role to connect as."),                                                 \
        HG_PG_OPT(cfg, "password", STR, password, .flags = HG_OPT_SECRET, .doc = "Its password."),                       \
        HG_PG_OPT(cfg, "ssl_ca_pem", STR, ca_pem,                                                                        \
                  .doc = "Certificates (PEM) that may have signed the server's. Switches TLS on."),                      \
        HG_PG_OPT(cfg, "ssl_ca_location", STR, ca_file, .doc = "The same, as a file. `ssl_ca_pem` comes first."),        \
        HG_PG_OPT(cfg, "ssl_client_pem", STR, cert_pem, .doc = "Our certificate (PEM)."),                                \
        HG_PG_OPT(cfg, "ssl_client_location", STR, cert_file, .doc = "The same, as a file."),                            \
        HG_PG_OPT(cfg, "ssl_client_key", STR, key_pem, .flags = HG_OPT_SECRET, .doc = "Its private key (PEM)."),         \
        HG_PG_OPT(cfg, "ssl_client_key_location", STR, key_file, .doc = "The same, as a file."),                         \
        HG_PG_OPT(cfg, "ssl_certificate_chain_location", STR, chain_file,                                                \
                  .doc = "File with the certificates between ours and its root."),                                       \
        HG_PG_OPT(cfg, "verify_hostname", BOOL, verify_hostname, .def = "true",                                          \
                  .doc = "With `ssl_ca_…`: the server's certificate must be for its host name. False: only its chain " \
                         "is checked.")

/* Any thread, compile time: what contradicts itself, a uri that cannot be read. */
void hg_pg_check(const hg_pg_cfg_t *c, const hg_json_t *obj, hg_diag_t *d);

/* What PQconnectStartParams wants; files that stand for texts are open as long as it lives. */
typedef struct {
    const char *keys[64], *values[64]; /* NULL-ended */
    int fds[4];
    unsigned n, n_fds;
    hg_arena_t *arena;
    uint32_t timeout_ms;
} hg_pg_params_t;
/* Any thread; reads files. */
int hg_pg_params(const hg_pg_cfg_t *c, const char *application, hg_pg_params_t *ret, hg_err_t *err);
void hg_pg_params_release(hg_pg_params_t *p);
const char *hg_pg_param(const hg_pg_params_t *p, const char *key); /* NULL: not given */
/* value is copied and stands for an earlier one of the same key. */
void hg_pg_set_param(hg_pg_params_t *p, const char *key, const char *value);

/* postgres_access.c: what programs may reach (base/access.h). Any thread. By what options and
 * parameters (before TLS) say: */
int hg_pg_access_check(const hg_pg_cfg_t *c, const hg_pg_params_t *p, hg_err_t *err);
/* Names become the addresses that may be connected to; it blocks. HG_EPERM, or retryable where a name has no address.
 */
int hg_pg_access_resolve(hg_pg_params_t *p, hg_err_t *err);

/* --- a connection; everything on the loop that opened it --- */

typedef struct hg_pgconn hg_pgconn_t;
typedef struct {
    void (*opened)(void *arg);
    void (*result)(void *arg, const PGresult *r);   /* of what was sent, in order; errors too. Borrowed */
    void (*done)(void *arg);                        /* no more results: something else may be sent */
    void (*rows)(void *arg);                        /* COPY OUT: hg_pg_row may have some. Not while reading is off */
    void (*failed)(void *arg, const hg_err_t *err); /* connecting failed, or the connection is lost */
} hg_pg_ops_t;

/* After `failed` only hg_pg_close may be called; it may be called from inside any call-back. cfg is borrowed. */
hg_pgconn_t *hg_pg_open(hg_loop_t *loop, const hg_pg_cfg_t *cfg, const char *application, const hg_pg_ops_t *ops,
                        void *arg);
void hg_pg_close(hg_pgconn_t *c, void (*closed)(void *arg), void *arg); /* closed may be NULL */
/* Troubles are told by `failed`, later. One at a time, except hg_pg_put. */
void hg_pg_query(hg_pgconn_t *c, const char *sql); /* several statements: a result each */
void hg_pg_prepare(hg_pgconn_t *c, const char *sql);
void hg_pg_describe(hg_pgconn_t *c); /* what hg_pg_prepare prepared */
void hg_pg_put(hg_pgconn_t *c, const void *p, size_t n);
void hg_pg_put_end(hg_pgconn_t *c, const char *abort); /* NULL: the end; else why not */
/* > 0: bytes of one row in *ret, to be given to PQfreemem. 0: none now. -1: that was the last. */
int hg_pg_row(hg_pgconn_t *c, char **ret);
void hg_pg_read(hg_pgconn_t *c, bool on); /* stop and go on reading; goes on with `rows`, soon */

#endif
