/* remote.h: checkpoints in a bucket (storage.backend.config.sync): sent there, listed, and taken from there at a start.
 *
 *   <prefix>checkpoints/<uuid>.json   describes one checkpoint: its files, their sizes and hashes (remote_format.h)
 *   <prefix>files/<sha-256>           a file of checkpoints: segments, packs, what outputs owe, the manifest
 *
 * A file is named by its content, so what an earlier checkpoint has sent is not sent again, and what comes back is
 * known to be what was sent. The description goes last: a checkpoint in the bucket is whole, or nobody sees it.
 *
 *   remote_config.c   the options
 *   remote_format.c   descriptions, names, what is too old: no I/O
 *   remote_push.c     one checkpoint goes to the bucket, old ones are removed; a thread of its own
 *   remote_pull.c     one comes from the bucket, before the pipeline is made
 *   remote_held.c     what a standby has already, which need not come again
 *   standby.c         a pipeline that waits: it follows what comes into the bucket (standby.h)
 *   remote.c          who asked for what, and how it went: control loop
 */
#ifndef HG_PIPELINE_REMOTE_H
#define HG_PIPELINE_REMOTE_H

#include "base/json.h"
#include "pipeline/pipeline.h"

typedef struct hg_remote_cfg {
    const char *bucket, *read_bucket; /* as written: "name" or "name/folder/folder"; read_bucket NULL: none */
    const char *endpoint;             /* NULL: Amazon's */
    const char *region, *id, *secret; /* id, secret NULL: those of the surroundings */
    const char *start_from;           /* "latest", a UUID, or NULL: only from what is here */
    bool fail_if_none, standby;       /* standby: refused */
    uint64_t push_interval_secs;      /* 0 = only when asked */
    uint64_t pull_interval_secs;      /* in standby; at least 1 */
    uint32_t keep_count, keep_days;   /* removed: what is neither among so many newest, nor younger */
} hg_remote_cfg_t;

/* storage: runtime_config.storage, or NULL. *ret is NULL where no sync is configured; lives in the arena. What has no
 * effect here is logged. HG_EINVAL. */
int hg_remote_config(const hg_json_t *storage, hg_arena_t *a, const hg_remote_cfg_t **ret, hg_err_t *err);
/* Puts what its references stand for in their place; both keys are hidden from now on (base/hide.h). env: as
 * hg_secret_resolve has it. HG_EREFERENCE. */
int hg_remote_config_resolve(const hg_remote_cfg_t *c, const hg_json_t *env, hg_arena_t *a, const hg_remote_cfg_t **ret,
                             hg_err_t *err);

/* What a standby's folder holds by its own pulls. {0} to begin with. */
typedef struct hg_remote_held {
    struct hg_remote_files *files; /* remote_held.c; NULL: nothing is known */
    char uuid[37];                 /* of the checkpoint; "" = none came */
    uint64_t number, step;
} hg_remote_held_t;
void hg_remote_held_release(hg_remote_held_t *h);

typedef struct hg_remote_pull {
    const hg_remote_cfg_t *cfg; /* may be NULL */
    const char *name, *dir;     /* dir: the storage folder, which need not be there */
    /* For a standby, which asks again and again: where there is nothing newer, that is neither told nor an error. A
     * checkpoint in read_bucket counts like one in bucket. NULL: for a start. */
    hg_remote_held_t *held;
    /* The last time: told again. Where a bucket does not answer, or what it has is damaged, a checkpoint that is here
     * will do: its positions are older, and nothing is lost by that. */
    bool takes_over;
    bool (*cancelled)(void *arg); /* as in s3/client.h; NULL: never */
    void *arg;
} hg_remote_pull_t;

/* Before the pipeline is made; blocks. Ends what an interrupted start has left, then takes the checkpoint that cfg
 * says, if it counts more than what is here: all of it comes into a folder beside dir, which then takes dir's place;
 * what was there is kept as dir.before, until the next time.
 * HG_ENOTFOUND: it is not in the bucket; HG_EDAMAGED, with the object. */
int hg_remote_pull(const hg_remote_pull_t *x, hg_err_t *err);

/* Any thread; blocks: what is in the bucket, newest first: [{"uuid"}]. cancelled as in s3/client.h. */
int hg_remote_list_json(const hg_remote_cfg_t *c, bool (*cancelled)(void *arg), void *arg, hg_jw_t *w, hg_err_t *err);

/* --- a running pipeline: control loop --- */
struct hg_durable;
typedef struct hg_remote hg_remote_t;

/* Begins the clock of push_interval. */
hg_remote_t *hg_remote_new(struct hg_durable *d, const hg_remote_cfg_t *c);
/* Gives up what is under way. */
void hg_remote_close(hg_remote_t *r);
bool hg_remote_closed(const hg_remote_t *r);
void hg_remote_free(hg_remote_t *r); /* closed, or never begun; NULL: nothing */

/* The newest checkpoint is to be sent; its uuid. HG_EINVAL: no sync is configured, or there is no checkpoint. */
int hg_pipeline_sync(hg_pipeline_t *p, const char **ret_uuid, hg_err_t *err);
/* Feldera's CheckpointSyncStatus. */
void hg_pipeline_sync_status(const hg_pipeline_t *p, hg_jw_t *w);
/* Answers from the control loop, maybe before it returns: the list as hg_remote_list_json has it, or why there is none.
 */
void hg_pipeline_remote_list(hg_pipeline_t *p, void (*done)(void *arg, hg_str_t json, const hg_err_t *err), void *arg);

#endif
