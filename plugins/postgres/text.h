/* text.h: values as PostgreSQL writes them, as JSON. Any thread. */
#ifndef HEADGATE_PLUGINS_POSTGRES_TEXT_H
#define HEADGATE_PLUGINS_POSTGRES_TEXT_H

#include "base/buf.h"
#include "connectors/transport/postgres.h"

/* Appends a value of this type: numbers, booleans and JSON as they are, bytea in base64, times as RFC 3339, arrays as
 * arrays, everything else as text. The session's TimeZone is UTC, its DateStyle ISO. HG_EPARSE: a value of type json or
 * bytea is none. */
int hgp_pg_json(hg_buf_t *out, Oid type, hg_str_t text);
/* "\x0102" as bytes. HG_EPARSE. */
int hgp_pg_bytea(hg_buf_t *out, hg_str_t text);

#endif
