/* append.h: a batch's rows into one table: a data file, a manifest, a manifest list, a commit.
 *
 * Nothing comes twice. A commit says which snapshot it follows, so of two commits with the same rows one at most is
 * taken; and its snapshot says up to which message of the topic the table is (hgi_mark_t), so that a batch that comes
 * again, after a crash or because nobody answered, leaves out what is there. Batches of a partition come one after the
 * other in their order, as both runtimes bring them; those of several partitions may come at once.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_SINK_APPEND_H
#define HEADGATE_PLUGINS_ICEBERG_SINK_APPEND_H

#include "plugins/iceberg/manifest.h"
#include "plugins/iceberg/rows.h"
#include "plugins/iceberg_sink/catalog.h"
#include "plugins/iceberg_sink/store.h"

/* A table that is written to. Everything behind the mutex belongs to who holds it. */
typedef struct target {
    struct target *next;
    hg_arena_t *arena; /* of the name */
    table_name_t name;
    pthread_mutex_t mutex;
    hgi_table_t *table; /* as it was when we last heard of it; NULL: not loaded */
    hgi_rows_t *rows;   /* of table */
    bool stale;         /* load it before it is used */
    store_t store;
    char *endpoint, *region; /* of it */
    bool lent;               /* its credentials are the catalog's */
    int64_t renew_s;         /* when they have to be had anew, seconds since 1970; 0 = never */
    hgi_entries_t entries;   /* of the manifest list `entries_of` */
    char *entries_of;
} target_t;

/* What all targets of an instance have in common. */
typedef struct lake {
    catalog_t catalog;
    store_t store;
    const char *endpoint, *region; /* the user's; NULL: as the catalog says */
    const char *writer;
} lake_t;

/* What a thread needs for itself. */
typedef struct hand {
    hgp_http_t http;
    hg_buf_t lines;  /* JSON objects, one for each message that is one */
    uint32_t *ends;  /* of the lines; room for `cap` */
    uint32_t *whose; /* their messages */
    uint32_t *route; /* their tables, with dynamic_routing */
    uint32_t n, cap;
    hg_buf_t chunk; /* those for one table */
    uint32_t *chunk_ends, *chunk_whose;
    uint32_t n_chunk;
    hg_buf_t file, text;
    uint32_t rejected; /* messages of the batch */
} hand_t;

target_t *target_new(hg_arena_t *a, const table_name_t *name); /* takes the arena that the name is in */
void target_free(target_t *t);
/* Loads the table if need be. HG_ENOTFOUND: there is none. Any thread. */
int target_load(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, hg_err_t *err);

/* Appends the lines of this route (all, where h->route is not used: UINT32_MAX). */
int target_append(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, const hgp_batch_t *b, uint32_t route,
                  hg_err_t *err);

#endif
