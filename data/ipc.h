/* ipc.h: batches as an Arrow IPC stream: a schema message, record batches, an end mark
 * (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc).
 *
 * The types are those of Feldera: text is Utf8, UUID and VARIANT are text too; BINARY LargeBinary; ARRAY LargeList;
 * DECIMAL Decimal128; TIME nanoseconds; TIMESTAMP microseconds without a zone, with UTC for the type that has one; the
 * two families of INTERVAL are months, and days and milliseconds; MAP Map and ROW Struct. No dictionaries, no
 * compression.
 *
 * Any thread; what is written is appended to a buffer that the caller owns. On failure it ends somewhere inside the
 * message: cut it back.
 */
#ifndef HG_DATA_IPC_H
#define HG_DATA_IPC_H

#include "data/col.h"

/* HG_ENOMEM, HG_ETOOBIG: the buffer is full. */
int hg_ipc_schema(hg_buf_t *out, const hg_schema_t *s, hg_err_t *err);
/* Columns of the schema, in its order. As above, and HG_EEVAL: a value that Arrow's type cannot hold (an INTERVAL finer
 * than a millisecond), with the column's name. */
int hg_ipc_batch(hg_buf_t *out, const hg_schema_t *s, const hg_batch_t *b, hg_err_t *err);
int hg_ipc_end(hg_buf_t *out, hg_err_t *err);

/* The same for files of table formats (Iceberg): fields are known by number, TIME is in microseconds, a UUID is its 16
 * bytes. ids: of each field, list element, map key and map value, a field before what is inside of it; NULL is
 * hg_ipc_schema. */
int hg_ipc_lake_schema(hg_buf_t *out, const hg_schema_t *s, const int32_t *ids, hg_err_t *err);
int hg_ipc_lake_batch(hg_buf_t *out, const hg_schema_t *s, const hg_batch_t *b, hg_err_t *err);

#endif
