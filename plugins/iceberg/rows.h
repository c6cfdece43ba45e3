/* rows.h: messages into rows of a table, and rows into a data file.
 *
 * Members of a JSON object go to the columns of their names (the format `json` of the pipelines reads them); those that
 * no column has are skipped, columns without a member are null. The file is Parquet with the numbers of the fields.
 * One thread at a time per object.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_ROWS_H
#define HEADGATE_PLUGINS_ICEBERG_ROWS_H

#include "base/buf.h"
#include "data/col.h"
#include "plugins/iceberg/table.h"

typedef struct hgi_rows hgi_rows_t;

/* Opens the Parquet module. The table outlives it. HG_EUNSUPPORTED: there is no module, or names of columns that JSON
 * cannot tell apart. */
int hgi_rows_new(const hgi_table_t *t, hgi_rows_t **ret, hg_err_t *err);
void hgi_rows_free(hgi_rows_t *r); /* NULL: nothing */

/* lines: JSON objects, one in each line, with 64 readable bytes behind the last. Those that do not fit are told, by the
 * byte where their line is, and left out. *ret NULL: none fits. HG_ENOMEM, HG_ETOOBIG. */
int hgi_rows_parse(hgi_rows_t *r, hg_str_t lines, void (*bad)(void *arg, uint64_t at, const char *why), void *arg,
                   hg_batch_t **ret, hg_err_t *err);

/* Appends the whole file. */
int hgi_rows_file(hgi_rows_t *r, const hg_batch_t *rows, hg_buf_t *out, hg_err_t *err);

#endif
