/* postgres.h: what the PostgreSQL transports (connectors/transport/postgres_*.c) and their rows' encoding
 * (connectors/format/postgres_*.c) agree on. It is the server's binary COPY form of a row, one row per message, so that
 * rows are parsed and encoded on the pool like those of any format; users cannot name it.
 *
 * A row that comes in:  mask, then a field per column of the table.
 * A row that goes out:  int16 number of fields, the operation, then a field per column of the view.
 *   field  int32 length, bytes; length -1: NULL. All integers are big-endian.
 *   mask   NULL, or a bitmap (LSB first) of the columns that the query does not have: they get their default.
 *   operation  one byte: 'i', 'u' or 'd'; 'd' has the row as it was.
 * Which bytes a field has follows from the SQL type of its column alone; the transport's SELECT casts where the
 * server's type differs (hg_pg_type). */
#ifndef HG_CONNECTORS_POSTGRES_H
#define HG_CONNECTORS_POSTGRES_H

#include "connectors/format.h"

extern const hg_format_type_t hg_format_postgres;

/* Any thread. The server's type whose binary form the encoder writes for a column: "int8", "numeric", "text[]", "json"
 * (nested types and VARIANT). NULL: the type cannot be written. */
const char *hg_pg_type(const hg_type_t *t);

#define HG_PG_OP_AT 6 /* where the operation stands in a row that goes out */

#endif
