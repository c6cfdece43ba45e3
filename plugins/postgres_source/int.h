/* int.h: what the files of postgres_source share: the loop (polling.c) and rows as JSON (row.c). */
#ifndef HEADGATE_PLUGINS_POSTGRES_SOURCE_INT_H
#define HEADGATE_PLUGINS_POSTGRES_SOURCE_INT_H

#include "plugins/postgres/pg.h"
#include "plugins/postgres/text.h"
#include "plugins/sdk/source.h"

/* Row k of r as an object. */
int hgp_pg_row(hg_buf_t *out, const PGresult *r, int k, bool snake_case);

#endif
