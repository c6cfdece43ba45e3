/* table.h: what an Iceberg table is, read from the JSON of its metadata (table format, version 2): columns, where files
 * go, which snapshot is current, and what of a topic is in it already.
 *
 * A table is immutable: one is made of every answer of the catalog. It lives in an arena of its own. Any thread.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_TABLE_H
#define HEADGATE_PLUGINS_ICEBERG_TABLE_H

#include "base/json.h"
#include "data/type.h"

/* Up to where a partition of a topic is in a table. Written into the summary of each snapshot, read back from those
 * that the current one descends from. An offset alone would not do: a topic that was deleted and made again begins with
 * 0, but its messages are younger. */
typedef struct hgi_mark {
    hg_str_t writer, stream, topic;
    uint32_t partition;
    uint64_t offset;    /* of the last message */
    uint64_t timestamp; /* microseconds; none was younger up to there, whatever the server's clock did */
} hgi_mark_t;

typedef struct hgi_snapshot {
    int64_t id, parent; /* parent -1: none */
    const hg_json_t *node;
} hgi_snapshot_t;

typedef struct hgi_table {
    hg_arena_t *arena;
    const char *uuid;
    const char *data_dir, *metadata_dir; /* without a slash at the end */
    int64_t last_sequence, last_updated_ms;

    hg_schema_t schema; /* columns that can be written */
    int32_t *ids;       /* as hg_ipc_lake_schema wants them */
    int32_t *col_ids;   /* per column */
    int32_t schema_id, spec_id;
    const char *schema_json, *spec_json; /* as manifests want them */
    const char *left_out;                /* optional columns of types that cannot be written; NULL: none */

    hgi_snapshot_t *snapshots; /* by id */
    uint32_t n_snapshots;
    const hgi_snapshot_t *current; /* of the branch main; NULL: the table is empty */
    const char *manifest_list;     /* of current */

    const hg_json_t *config; /* what the catalog says beside the metadata; NULL: nothing */
} hgi_table_t;

/* text: the catalog's answer to a load or a commit. HG_EPROTO: it is not one; HG_EUNSUPPORTED: a table that cannot be
 * written (format version, partitions, a required column's type), and err says what would do. */
int hgi_table_read(hg_str_t text, hgi_table_t **ret, hg_err_t *err);
void hgi_table_free(hgi_table_t *t); /* NULL: nothing */

/* Is the snapshot the current one or one that it descends from? */
bool hgi_table_has(const hgi_table_t *t, int64_t snapshot_id);
/* Fills offset and timestamp of *m, whose other members say whose they are. False: nothing of that is in the table. */
bool hgi_table_mark(const hgi_table_t *t, hgi_mark_t *m);
/* A number of the current snapshot's summary ("total-records"), 0 of an empty table. False: it does not say. */
bool hgi_table_total(const hgi_table_t *t, const char *key, uint64_t *ret);
/* A member of `config`, or NULL. */
const char *hgi_table_config(const hgi_table_t *t, const char *key);

#endif
