/* pg.c: see pg.h. Blocking calls on the plugin's own threads; a server that does not answer at all ends in the system's
 * time limits, which are set to half a minute. */
#include "base/hg.h"
#include "plugins/postgres/pg.h"

void hgp_pg_close(hgp_pg_t *p)
{
    if (p->c) PQfinish(p->c);
    p->c = NULL;
}

static void no_notice(void *arg, const PGresult *r)
{
    (void)arg; /* "already exists, skipping": libpq's own would go to stderr */
    (void)r;
}

static int connect_now(hgp_pg_t *p, hg_err_t *err)
{
    const char *const keys[] = { "connect_timeout", "tcp_user_timeout", "fallback_application_name", "dbname", NULL };
    const char *const values[] = { "10", "30000", p->application, p->uri, NULL };
    int rc = hg_pg_load(err);
    if (rc < 0) return rc;
    p->c = PQconnectdbParams(keys, values, 1);
    if (p->c && PQstatus(p->c) == CONNECTION_OK) {
        PQsetNoticeReceiver(p->c, no_notice, NULL);
        return 0;
    }
    hg_pg_conn_error(p->c, err);
    hgp_pg_close(p);
    return err->code;
}

int hgp_pg_run(hgp_pg_t *p, const char *sql, const char *what, PGresult **ret, bool *ret_data, hg_err_t *err)
{
    if (ret_data) *ret_data = false;
    if (!p->c) {
        int rc = connect_now(p, err);
        if (rc < 0) return rc;
    }
    PGresult *r = PQexec(p->c, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
        if (ret)
            *ret = r;
        else
            PQclear(r);
        return 0;
    }
    bool lost = PQstatus(p->c) != CONNECTION_OK;
    if (r && !lost)
        hg_pg_error(r, what, NULL, err);
    else
        hg_pg_conn_error(p->c, err);
    if (lost) err->retry = 1;
    if (ret_data) *ret_data = r && !lost && (hg_pg_state_is(r, "22") || hg_pg_state_is(r, "23"));
    PQclear(r);
    if (lost) hgp_pg_close(p);
    return err->code;
}
