/* manifest.h: the Avro files between a snapshot and its data: manifests, which list data files, and manifest lists,
 * which list manifests (table format, version 2). Written with the field ids and the metadata that the format asks for,
 * without compression; read whoever wrote them.
 *
 * No I/O, any thread.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_MANIFEST_H
#define HEADGATE_PLUGINS_ICEBERG_MANIFEST_H

#include "data/col.h"
#include "plugins/iceberg/table.h"

/* What is known of a column of a file. Bounds are Iceberg's bytes of one value; NULL: not told. */
typedef struct hgi_column_stats {
    int32_t id;
    uint64_t values, nulls;
    hg_str_t lower, upper;
} hgi_column_stats_t;

/* Of the rows: one for each column. Texts of bounds live in the arena. */
hgi_column_stats_t *hgi_stats(hg_arena_t *a, const hgi_table_t *t, const hg_batch_t *rows);

typedef struct hgi_data_file {
    const char *path;
    uint64_t rows, bytes;
    const hgi_column_stats_t *stats;
    uint32_t n_stats;
} hgi_data_file_t;

/* A manifest that adds one file in the snapshot. 0 or HG_ENOMEM. */
int hgi_manifest(hg_buf_t *out, const hgi_table_t *t, int64_t snapshot_id, const hgi_data_file_t *f);

/* The entries of a list as they stand in the lists that we write. */
typedef struct hgi_entries {
    hg_buf_t bytes;
    uint64_t n;
} hgi_entries_t;
void hgi_entries_init(hgi_entries_t *e);
void hgi_entries_clear(hgi_entries_t *e);
void hgi_entries_release(hgi_entries_t *e);

/* Reads a list into *e, which is cleared. HG_EPROTO: it is none, or is damaged; HG_EUNSUPPORTED: compressed in a way
 * that we do not read; HG_ENOMEM. */
int hgi_entries_read(hgi_entries_t *e, hg_str_t file, hg_err_t *err);

/* What a list says of the manifest above. */
typedef struct hgi_manifest {
    const char *path;
    uint64_t bytes, rows;
    int32_t spec_id;
    int64_t sequence, snapshot_id;
} hgi_manifest_t;
int hgi_entries_add(hgi_entries_t *e, const hgi_manifest_t *m); /* 0 or HG_ENOMEM */

/* The list of a snapshot with these entries. parent -1: none. 0 or HG_ENOMEM. */
int hgi_manifest_list(hg_buf_t *out, const hgi_entries_t *e, int64_t snapshot_id, int64_t parent, int64_t sequence);

#endif
