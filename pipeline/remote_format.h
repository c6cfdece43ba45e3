/* remote_format.h: what stands in a bucket about a checkpoint, and which names things have there. No I/O; any thread.
 *
 * A description is the line "headgate remote 1 <SHA-256 of the rest> <bytes of the rest>", then a JSON object:
 *
 *   {"format": 1, "uuid", "number", "step", "taken_us", "bytes", "pipeline",
 *    "files": [{"name": "seg-7-1.hgs", "size": 10490144, "sha256": "…"}, …, {"name": "checkpoint-0000000007.json", …}]}
 *
 * The last file is the manifest, as it was on the disk. Names are those of the storage folder (storage.h) and of no
 * other kind, so nothing in a bucket can name a file elsewhere.
 */
#ifndef HG_PIPELINE_REMOTE_FORMAT_H
#define HG_PIPELINE_REMOTE_FORMAT_H

#include "base/json.h"

#define HG_REMOTE_FORMAT    1
#define HG_REMOTE_DESC_MAX  ((size_t)64 << 20)
#define HG_REMOTE_FILES_MAX 1000000u

typedef struct hg_remote_file {
    const char *name;
    uint64_t size;
    char sha256[65];
} hg_remote_file_t;

typedef struct hg_remote_desc {
    char uuid[37];
    uint64_t number, step, bytes;
    int64_t taken_us;
    const char *pipeline;
    hg_remote_file_t *files; /* the last one is the manifest */
    uint32_t n_files;
} hg_remote_desc_t;

/* The whole text of an object. */
int hg_remote_desc_write(const hg_remote_desc_t *d, hg_buf_t *out);
/* What it points to lives in the arena. uuid: of which checkpoint it must be. HG_EDAMAGED. */
int hg_remote_desc_parse(hg_arena_t *a, hg_str_t text, const char *uuid, hg_remote_desc_t *ret, hg_err_t *err);

bool hg_remote_is_uuid(hg_str_t s); /* 36 characters, small hexadecimal digits */
/* When a UUID of version 7 was made, µs since 1970; 0: it is of another version. */
int64_t hg_remote_uuid_us(const char *uuid);

/* "name/a/b" → bucket "name" and prefix "a/b/" ("" without a folder); hg_free both. */
void hg_remote_place(const char *where, char **ret_bucket, char **ret_prefix);
char *hg_remote_desc_key(const char *prefix, const char *uuid); /* hg_free */
char *hg_remote_file_key(const char *prefix, const char *sha256);
/* Keys of the two kinds, as a listing has them: the uuid, or the hash. False: something else. */
bool hg_remote_key_uuid(const char *prefix, const char *key, char ret[37]);
bool hg_remote_key_sha256(const char *prefix, const char *key, char ret[65]);

/* How many of these checkpoints, oldest first, are to be removed: those that are not among the keep_count newest and
 * are older than keep_days. The newest stays in any case. */
uint32_t hg_remote_expired(const char (*uuids)[37], uint32_t n, uint32_t keep_count, uint32_t keep_days,
                           int64_t now_us);

#endif
