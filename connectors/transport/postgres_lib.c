/* postgres_lib.c: libpq, loaded when it is first needed.
 *
 * libpq brings some twenty libraries (Kerberos, LDAP, SASL …) that no pipeline without PostgreSQL shall map. As
 * net/curl_lib.c does for libcurl: the functions below carry libpq's names and forward to the library that hg_pg_load
 * opened. A function that is missing here does not link.
 *
 * hg_pg_load: any thread; everything else as libpq says.
 */
#include "base/hg.h"
#include "base/library.h"
#include "connectors/transport/postgres_int.h"

#define SONAME "libpq.so.5" /* the ABI of libpq-fe.h since 2005 */

#define FUNCTIONS(F)                                                                                                   \
    F(PQconnectStartParams)                                                                                            \
    F(PQconnectdbParams)                                                                                               \
    F(PQexec)                                                                                                          \
    F(PQserverVersion)                                                                                                 \
    F(PQconnectPoll)                                                                                                   \
    F(PQfinish)                                                                                                        \
    F(PQstatus)                                                                                                        \
    F(PQsocket)                                                                                                        \
    F(PQerrorMessage)                                                                                                  \
    F(PQsetErrorVerbosity)                                                                                             \
    F(PQsetNoticeReceiver)                                                                                             \
    F(PQsetnonblocking)                                                                                                \
    F(PQconninfoParse)                                                                                                 \
    F(PQconninfoFree)                                                                                                  \
    F(PQfreemem)                                                                                                       \
    F(PQconsumeInput)                                                                                                  \
    F(PQisBusy)                                                                                                        \
    F(PQflush)                                                                                                         \
    F(PQsendQuery)                                                                                                     \
    F(PQsendPrepare)                                                                                                   \
    F(PQsendDescribePrepared)                                                                                          \
    F(PQgetResult)                                                                                                     \
    F(PQresultStatus)                                                                                                  \
    F(PQresultErrorMessage)                                                                                            \
    F(PQresultErrorField)                                                                                              \
    F(PQclear)                                                                                                         \
    F(PQnfields)                                                                                                       \
    F(PQntuples)                                                                                                       \
    F(PQfname)                                                                                                         \
    F(PQftype)                                                                                                         \
    F(PQgetvalue)                                                                                                      \
    F(PQgetisnull)                                                                                                     \
    F(PQgetCopyData)                                                                                                   \
    F(PQputCopyData)                                                                                                   \
    F(PQputCopyEnd)

static struct {
    FUNCTIONS(HG_LIB_POINTER)
} lib;
static const hg_lib_fn_t g_functions[] = { FUNCTIONS(HG_LIB_ROW) };

static char load_error[256]; /* empty: libpq is there */
static uv_once_t load_once = UV_ONCE_INIT;

static void load(void)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_lib_load("libpq", SONAME, g_functions, HG_COUNT(g_functions), &err) < 0)
        snprintf(load_error, sizeof load_error, "%.255s", err.msg);
}

int hg_pg_load(hg_err_t *err)
{
    uv_once(&load_once, load);
    return load_error[0] ? hg_err_set(err, HG_EIO, "%s", load_error) : 0;
}

/* --- libpq's names --- */

PGconn *PQconnectStartParams(const char *const *keys, const char *const *values, int expand)
{
    return lib.PQconnectStartParams_(keys, values, expand);
}
PGconn *PQconnectdbParams(const char *const *keys, const char *const *values, int expand)
{
    return lib.PQconnectdbParams_(keys, values, expand);
}
PGresult *PQexec(PGconn *c, const char *sql)
{
    return lib.PQexec_(c, sql);
}
int PQserverVersion(const PGconn *c)
{
    return lib.PQserverVersion_(c);
}
PostgresPollingStatusType PQconnectPoll(PGconn *c)
{
    return lib.PQconnectPoll_(c);
}
void PQfinish(PGconn *c)
{
    lib.PQfinish_(c);
}
ConnStatusType PQstatus(const PGconn *c)
{
    return lib.PQstatus_(c);
}
int PQsocket(const PGconn *c)
{
    return lib.PQsocket_(c);
}
char *PQerrorMessage(const PGconn *c)
{
    return lib.PQerrorMessage_(c);
}
PGVerbosity PQsetErrorVerbosity(PGconn *c, PGVerbosity v)
{
    return lib.PQsetErrorVerbosity_(c, v);
}
PQnoticeReceiver PQsetNoticeReceiver(PGconn *c, PQnoticeReceiver f, void *arg)
{
    return lib.PQsetNoticeReceiver_(c, f, arg);
}
int PQsetnonblocking(PGconn *c, int on)
{
    return lib.PQsetnonblocking_(c, on);
}
PQconninfoOption *PQconninfoParse(const char *text, char **err)
{
    return lib.PQconninfoParse_(text, err);
}
void PQconninfoFree(PQconninfoOption *o)
{
    lib.PQconninfoFree_(o);
}
void PQfreemem(void *p)
{
    lib.PQfreemem_(p);
}
int PQconsumeInput(PGconn *c)
{
    return lib.PQconsumeInput_(c);
}
int PQisBusy(PGconn *c)
{
    return lib.PQisBusy_(c);
}
int PQflush(PGconn *c)
{
    return lib.PQflush_(c);
}
int PQsendQuery(PGconn *c, const char *sql)
{
    return lib.PQsendQuery_(c, sql);
}
int PQsendPrepare(PGconn *c, const char *name, const char *sql, int n, const Oid *types)
{
    return lib.PQsendPrepare_(c, name, sql, n, types);
}
int PQsendDescribePrepared(PGconn *c, const char *name)
{
    return lib.PQsendDescribePrepared_(c, name);
}
PGresult *PQgetResult(PGconn *c)
{
    return lib.PQgetResult_(c);
}
ExecStatusType PQresultStatus(const PGresult *r)
{
    return lib.PQresultStatus_(r);
}
char *PQresultErrorMessage(const PGresult *r)
{
    return lib.PQresultErrorMessage_(r);
}
char *PQresultErrorField(const PGresult *r, int field)
{
    return lib.PQresultErrorField_(r, field);
}
void PQclear(PGresult *r)
{
    lib.PQclear_(r);
}
int PQnfields(const PGresult *r)
{
    return lib.PQnfields_(r);
}
int PQntuples(const PGresult *r)
{
    return lib.PQntuples_(r);
}
char *PQfname(const PGresult *r, int i)
{
    return lib.PQfname_(r, i);
}
Oid PQftype(const PGresult *r, int i)
{
    return lib.PQftype_(r, i);
}
char *PQgetvalue(const PGresult *r, int row, int i)
{
    return lib.PQgetvalue_(r, row, i);
}
int PQgetisnull(const PGresult *r, int row, int i)
{
    return lib.PQgetisnull_(r, row, i);
}
int PQgetCopyData(PGconn *c, char **ret, int async)
{
    return lib.PQgetCopyData_(c, ret, async);
}
int PQputCopyData(PGconn *c, const char *p, int n)
{
    return lib.PQputCopyData_(c, p, n);
}
int PQputCopyEnd(PGconn *c, const char *error)
{
    return lib.PQputCopyEnd_(c, error);
}
