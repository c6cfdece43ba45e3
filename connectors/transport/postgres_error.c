/* postgres_error.c: what the server refuses, told to people: its own message with detail and hint, the SQLSTATE to look
 * up, the place in the user's text; and whether trying again may help.
 *
 * Classes (https://www.postgresql.org/docs/15/errcodes-appendix.html): 08 connection, 53 resources, 57 a server that
 * stops or starts, 40 conflicts, 55P03 a lock: another try may work. Everything else (28 who you are, 3D no such
 * database, 42 the statement, 22 and 23 the data) will be refused again. */
#include "base/hg.h"
#include "connectors/transport/postgres_int.h"

static bool transient(const char *s)
{
    static const char *const prefixes[] = { "08", "53", "57", "40", "55P03", "55006", "25P03", "72000" };
    for (size_t i = 0; i < HG_COUNT(prefixes); i++)
        if (strncmp(s, prefixes[i], strlen(prefixes[i])) == 0) return strcmp(s, "57014") != 0;
    return false;
}

bool hg_pg_state_is(const PGresult *r, const char *prefix)
{
    const char *s = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Line and column of the n-th character of sql, from 1. */
static void place(const char *sql, unsigned long n, unsigned *line, unsigned *col)
{
    *line = *col = 1;
    for (const char *p = sql; *p && n > 1; p++) {
        if (((unsigned char)p[1] & 0xC0) == 0x80) continue; /* inside a character */
        n--;
        if (*p == '\n') {
            ++*line;
            *col = 1;
        } else {
            ++*col;
        }
    }
}

void hg_pg_error(const PGresult *r, const char *what, const char *sql, hg_err_t *err)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE), *msg = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY),
               *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL),
               *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT),
               *pos = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
    char where[64] = "";
    unsigned line, col;
    if (!msg) msg = PQresultErrorMessage(r);
    if (sql && pos) {
        place(sql, strtoul(pos, NULL, 10), &line, &col);
        snprintf(where, sizeof where, " (line %u, column %u)", line, col);
    }
    hg_err_set(err, HG_EINVALTRANSPORT, "%s%s: %s%s%s%s%s [%s]", what, where,
               msg && *msg ? msg : "the connection was lost", detail ? "; " : "", detail ? detail : "",
               hint ? "; " : "", hint ? hint : "", state ? state : "08006");
    err->retry = !state || transient(state);
    err->fatal = !err->retry;
    if (err->retry) err->code = HG_ENET;
}

/* A verbose message is "server at … failed: FATAL:  28P01: what\nLOCATION:  …": the code, NULL if there is none. */
static const char *find_state(const char *msg)
{
    for (const char *p = strstr(msg, ":  "); p; p = strstr(p + 1, ":  ")) {
        size_t n = strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 5 && p[8] == ':') return p + 3;
    }
    return NULL;
}

/* What libpq itself refuses, without a code: the configuration has to change. */
static const char *const permanent[] = {
    "certificate verify failed", "does not match host name", "could not read", "could not load",
    "does not support SSL",      "no password supplied",     "invalid ",       "private key file",
    "root certificate file"
};

void hg_pg_conn_error(const PGconn *c, hg_err_t *err)
{
    const char *msg = c ? PQerrorMessage(c) : "", *state = find_state(msg), *location = strstr(msg, "\nLOCATION:");
    char text[400];
    size_t n = location ? (size_t)(location - msg) : strlen(msg);
    while (n && (msg[n - 1] == '\n' || msg[n - 1] == ' ')) n--;
    snprintf(text, sizeof text, "%.*s", (int)HG_MIN(n, sizeof text - 1), n ? msg : "");
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\t') *p = ' ';
    hg_err_set(err, HG_ENET, "%s", text[0] ? text : "the connection was lost");
    err->retry = !state || transient(state);
    for (size_t i = 0; !state && i < HG_COUNT(permanent); i++)
        if (strstr(msg, permanent[i])) err->retry = 0;
    err->fatal = !err->retry;
}
