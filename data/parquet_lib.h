/* parquet_lib.h: finds and opens the module headgate-parquet.so. */
#ifndef HG_DATA_PARQUET_LIB_H
#define HG_DATA_PARQUET_LIB_H

#include "base/err.h"
#include "data/parquet.h"

/* Any thread; the first call loads it: some 10 ms and 20 MiB. HG_EUNSUPPORTED: it is not there, is one for another
 * version, or its libraries are not; the message says where it was looked for. */
int hg_parquet_load(const hg_parquet_api_t **ret, hg_err_t *err);

#endif
