/* remote_int.h: what the files of remote.h share. */
#ifndef HG_PIPELINE_REMOTE_INT_H
#define HG_PIPELINE_REMOTE_INT_H

#include "pipeline/remote.h"
#include "pipeline/remote_format.h"
#include "s3/client.h"

/* A bucket, and the folder in it. */
typedef struct hg_remote_place {
    hg_s3_client_t *client;
    char *bucket, *prefix;
} hg_remote_place_t;
/* where: cfg->bucket or cfg->read_bucket. */
int hg_remote_place_open(hg_remote_place_t *p, const hg_remote_cfg_t *cfg, const char *where,
                         bool (*cancelled)(void *arg), void *arg, hg_err_t *err);
void hg_remote_place_close(hg_remote_place_t *p);

/* UUIDs of what is there, ascending: the newest last. */
typedef struct hg_remote_uuids {
    char (*v)[37];
    uint32_t n, cap;
} hg_remote_uuids_t;
int hg_remote_uuids_read(hg_remote_place_t *p, hg_remote_uuids_t *ret, hg_err_t *err);
void hg_remote_uuids_release(hg_remote_uuids_t *u);

/* Errors name the object. */
int hg_remote_desc_read(hg_remote_place_t *p, hg_arena_t *a, const char *uuid, hg_remote_desc_t *ret, hg_err_t *err);

/* --- remote_held.c --- */

/* The folder holds this now. Takes a, in which d's files are. */
void hg_remote_held_set(hg_remote_held_t *h, hg_arena_t *a, const hg_remote_desc_t *d);
/* The file, if it is the same one in dir, becomes one of folder `to`, too (a hard link). False: it has to come. */
bool hg_remote_held_link(const hg_remote_held_t *h, const hg_remote_file_t *f, const char *dir, const char *to);

/* --- remote_push.c: one thread, from push to push --- */

/* What one push learns that spares the next one work. */
typedef struct hg_remote_memory hg_remote_memory_t;
hg_remote_memory_t *hg_remote_memory_new(void);
void hg_remote_memory_free(hg_remote_memory_t *m);

typedef struct hg_remote_push {
    const hg_remote_cfg_t *cfg;
    const char *dir;       /* the storage folder, in which the files stay while this runs */
    hg_remote_desc_t desc; /* of the files only the names */
    bool (*cancelled)(void *arg);
    void *arg;
    /* what came of it */
    uint32_t sent_files, removed;
    uint64_t sent_bytes;
} hg_remote_push_t;
/* Afterwards the checkpoint is in the bucket, whole. What could not be removed of older ones is logged: kill points
 * sync.file (each that was sent), sync.described, sync.forgotten, sync.removed. */
int hg_remote_push(hg_remote_push_t *x, hg_remote_memory_t *m, hg_err_t *err);

#endif
