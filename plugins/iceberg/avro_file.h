/* avro_file.h: Avro's object container files: what stands before the values, and blocks of values. Values are read and
 * written by who knows the schema. No I/O, any thread.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_AVRO_FILE_H
#define HEADGATE_PLUGINS_ICEBERG_AVRO_FILE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct hgi_pair {
    const char *key, *value;
} hgi_pair_t;

/* --- writing: each answers 0 or HG_ENOMEM --- */
int hgi_put_long(hg_buf_t *out, int64_t v);
int hgi_put_bytes(hg_buf_t *out, hg_str_t s); /* also strings */
/* A whole file of one block. meta: beside avro.schema and avro.codec. */
int hgi_avro_file(hg_buf_t *out, const char *schema, const hgi_pair_t *meta, unsigned n_meta, uint64_t n_values,
                  hg_str_t values);

/* --- reading --- */
typedef struct hgi_avro_reader {
    hg_str_t schema;
    hg_str_t codec; /* "null" where the file says nothing */
    const char *at, *end;
    char sync[16];
    hg_buf_t plain; /* of a compressed block */
} hgi_avro_reader_t;

/* HG_EPROTO: no such file. The reader points into it. */
int hgi_avro_open(hgi_avro_reader_t *r, hg_str_t file, hg_err_t *err);
/* The next block, valid until the one after it: how many values, and their bytes. *n 0: the file ends. HG_EPROTO,
 * HG_EUNSUPPORTED: its codec; HG_ENOMEM. */
int hgi_avro_block(hgi_avro_reader_t *r, uint64_t *n, hg_str_t *values, hg_err_t *err);
void hgi_avro_close(hgi_avro_reader_t *r);

#endif
