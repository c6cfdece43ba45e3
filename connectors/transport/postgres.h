/* postgres.h: what is below every use of PostgreSQL, the transports' and the plugins': libpq, loaded late
 * (postgres_lib.c), errors (postgres_error.c), SQL text (postgres_sql.c). Any thread, on its own data.
 */
#ifndef HG_CONNECTORS_TRANSPORT_POSTGRES_H
#define HG_CONNECTORS_TRANSPORT_POSTGRES_H

#include "base/buf.h"
#include "base/err.h"
#include <libpq-fe.h>

/* Any thread. Opens libpq at its first use. HG_EIO: it is not installed. */
int hg_pg_load(hg_err_t *err);

/* Fills err from a refused statement: its message, detail and hint, SQLSTATE, and the position in `sql` if that is what
 * was sent; err->retry where trying again may work, else err->fatal. what: "'query'". */
void hg_pg_error(const PGresult *r, const char *what, const char *sql, hg_err_t *err);
/* The same from a connection's message: "server \"db:5432\": …" */
void hg_pg_conn_error(const PGconn *c, hg_err_t *err);
bool hg_pg_state_is(const PGresult *r, const char *sqlstate_prefix);

int hg_pg_ident(hg_buf_t *out, hg_str_t name);    /* "na""me" */
int hg_pg_literal(hg_buf_t *out, hg_str_t value); /* E'val\\ue' */
/* schema.table as users write it: parts are folded unless quoted. HG_EPARSE: not one. */
int hg_pg_table(hg_str_t text, hg_buf_t *schema, hg_buf_t *table, hg_err_t *err);

#endif
