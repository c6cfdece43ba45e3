/* pg.h: a plugin's connection to PostgreSQL: opened when it is needed, opened again when it is lost. One thread at a
 * time. libpq, errors and quoting are those of the transports (connectors/transport/postgres.h).
 */
#ifndef HEADGATE_PLUGINS_POSTGRES_PG_H
#define HEADGATE_PLUGINS_POSTGRES_PG_H

#include "connectors/transport/postgres.h"
#include "plugins/sdk/plugin.h"

typedef struct hgp_pg {
    const char *uri, *application;
    PGconn *c; /* NULL: not now */
} hgp_pg_t;

void hgp_pg_close(hgp_pg_t *p);

/* Runs one or several statements. 0: *ret is the last one's result, to be PQclear()ed (NULL ret: nobody wants it). Else
 * err; err->retry: another attempt may work. *ret_data (may be NULL): the rows themselves were refused (SQLSTATE 22,
 * 23). A connection that was lost is closed; the next call opens another. what: for messages, "INSERT into 't'". */
int hgp_pg_run(hgp_pg_t *p, const char *sql, const char *what, PGresult **ret, bool *ret_data, hg_err_t *err);

#define HGP_PG_APPLICATION "headgate"

#endif
