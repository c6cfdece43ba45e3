/* store_int.h: the control store: SQLite in WAL mode, one writer (this process), schema by numbered migrations.
 *
 * Control loop only. Calls are small: single rows. Definitions that a user wrote are on the disk when the call returns;
 * changes of state may lose their last moments in a power cut, never in a crash of the process.
 */
#ifndef HG_MANAGER_STORE_INT_H
#define HG_MANAGER_STORE_INT_H

#include "base/err.h"
#include "manager/record_int.h"

typedef struct hg_store hg_store_t;

#define HG_EVENTS_KEPT 720 /* per pipeline */

typedef enum {
    HG_SAVE_DEF = 1 << 0,     /* definition and versions; waits for the disk */
    HG_SAVE_PROGRAM = 1 << 1, /* what the compiler said */
    HG_SAVE_STATE = 1 << 2,   /* statuses, error, storage, refresh_version */
    HG_SAVE_EVENT = 1 << 3,   /* record the state as an event too */
} hg_save_t;

typedef struct hg_event { /* text is borrowed for the call */
    const char *id;
    int64_t recorded_us;
    const char *res, *res_desired, *rt, *rt_desired, *prog, *storage;
    const char *rt_details, *error, *storage_details, *res_details; /* JSON or NULL */
} hg_event_t;

typedef struct hg_apikey {
    const char *id, *name, *role;
} hg_apikey_t;

/* Opens or creates; runs migrations. HG_EUNSUPPORTED for a store of a newer headgate or a file that is none: untouched
 * then. */
int hg_store_open(const char *path, hg_store_t **ret, hg_err_t *err);
void hg_store_close(hg_store_t *st);

/* All pipelines by id; each record is handed over to fn. */
int hg_store_load(hg_store_t *st, void (*fn)(void *arg, hg_pl_t *pl), void *arg, hg_err_t *err);
int hg_store_insert(hg_store_t *st, const hg_pl_t *pl, hg_err_t *err); /* with its first event */
int hg_store_save(hg_store_t *st, const hg_pl_t *pl, unsigned what, hg_err_t *err);
int hg_store_delete(hg_store_t *st, const char *id, hg_err_t *err); /* with its events */

/* Newest first. event_id NULL = all of them, "latest" = the newest. Returns how many fn saw, or a code. */
int hg_store_events(hg_store_t *st, const char *pipeline_id, const char *event_id,
                    void (*fn)(void *arg, const hg_event_t *ev), void *arg, hg_err_t *err);

/* HG_EEXIST / HG_ENOTFOUND. hash: of the secret; the secret itself is never stored. */
int hg_store_apikey_add(hg_store_t *st, const hg_apikey_t *key, const void *hash, size_t hash_len, hg_err_t *err);
int hg_store_apikey_delete(hg_store_t *st, const char *name, hg_err_t *err);
/* The key with this hash. Returns 1 after fn saw it, 0 if there is none, or a code. */
int hg_store_apikey_find(hg_store_t *st, const void *hash, size_t hash_len,
                         void (*fn)(void *arg, const hg_apikey_t *key), void *arg, hg_err_t *err);
/* name NULL = all, by name. Returns how many fn saw, or a code. */
int hg_store_apikeys(hg_store_t *st, const char *name, void (*fn)(void *arg, const hg_apikey_t *key), void *arg,
                     hg_err_t *err);

/* The schema version this program writes, and its migrations (migration i leads from version i to i + 1). */
extern const char *const hg_migrations[];
extern const int hg_schema_version;

#endif
