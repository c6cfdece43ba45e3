/* parquet.h: Parquet files, read and written by the module headgate-parquet.so, which brings Arrow's C++ libraries and
 * is opened when it is first needed. This header is what both sides agree on: plain C, no type of either.
 *
 * A reader has two steps: a `file` is what its footer says (immutable, any threads at once); a scan reads one row
 * group from a source, which needs to have no more of the file than that row group's bytes. Decoded rows come as an
 * ArrowArrayStream (data/arrow_c.h), a struct per batch, one child per field asked for. A writer takes messages of an
 * Arrow IPC stream (data/ipc.h) and gives the file's bytes as they come.
 *
 * Every function of the table answers 0, or -1 with a sentence in why[]. No exception leaves the module.
 */
#ifndef HG_DATA_PARQUET_H
#define HG_DATA_PARQUET_H

#include <stddef.h>
#include <stdint.h>
#include "data/arrow_c.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HG_PARQUET_ABI 1
#define HG_PARQUET_WHY 400 /* bytes of why[] */

/* Where a file's bytes are: [first, first + n) at `bytes`, borrowed until what reads them is gone; else read() is asked
 * (NULL: what is not there cannot be read). size: of the whole file. */
typedef struct hg_parquet_source {
    const char *bytes;
    uint64_t first, n, size;
    int (*read)(void *arg, uint64_t at, void *to, uint64_t n); /* 0: all n bytes are there */
    void *arg;
} hg_parquet_source_t;

typedef struct hg_parquet_group {
    uint64_t begin, end; /* bytes of its columns */
    uint64_t rows;
} hg_parquet_group_t;

typedef struct hg_parquet_file hg_parquet_file_t;
typedef struct hg_parquet_writer hg_parquet_writer_t;

typedef struct hg_parquet_api {
    uint32_t abi;
    const char *version; /* of Arrow */

    int (*open)(const hg_parquet_source_t *src, hg_parquet_file_t **ret, char *why);
    void (*close)(hg_parquet_file_t *f);
    uint32_t (*groups)(const hg_parquet_file_t *f);
    void (*group)(const hg_parquet_file_t *f, uint32_t i, hg_parquet_group_t *ret);
    /* The fields as a struct. The caller releases it. */
    int (*schema)(const hg_parquet_file_t *f, struct ArrowSchema *ret, char *why);
    /* The rows of one group: the fields numbered so (ascending) as children. The source's bytes outlive the stream. */
    int (*scan)(const hg_parquet_file_t *f, const hg_parquet_source_t *src, uint32_t group, const uint32_t *fields,
                uint32_t n_fields, struct ArrowArrayStream *ret, char *why);
    /* After a scan failed: the first of the fields that cannot be read, with the reason in why[]; n_fields: all can. */
    uint32_t (*blame)(const hg_parquet_file_t *f, const hg_parquet_source_t *src, uint32_t group,
                      const uint32_t *fields, uint32_t n_fields, char *why);

    /* schema: the IPC schema message. put: bytes of the file, in order; non-zero breaks off. */
    int (*writer_new)(const char *schema, size_t n, int (*put)(void *arg, const char *p, size_t n), void *arg,
                      hg_parquet_writer_t **ret, char *why);
    int (*write)(hg_parquet_writer_t *w, const char *batch, size_t n, char *why); /* an IPC record batch message */
    int (*finish)(hg_parquet_writer_t *w, char *why);                             /* the footer */
    void (*writer_free)(hg_parquet_writer_t *w);
} hg_parquet_api_t;

/* The module's only symbol: NULL if it cannot serve this ABI. */
const hg_parquet_api_t *hg_parquet_module(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
