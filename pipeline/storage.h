/* storage.h: the folder in which a pipeline keeps its state: which checkpoints there are, and which files they need.
 *
 *   checkpoint-<number>.json   a manifest: one line "headgate checkpoint 1 <XXH3, 16 hex digits> <bytes>", then JSON
 *   events-<number>.log        what users and the orchestrator decided after checkpoint <number> (0: the beginning)
 *   journal-<number>.log       steps after checkpoint <number>
 *   seg-*.hgs, pack-*.hgp      rows (engine/state.h); owed-*.hgo: output batches not delivered yet
 *
 * The newest sound checkpoint counts; the one before it is kept until the next comes, so that damage costs one
 * interval. Everything older, and every file that neither needs, is removed after the new manifest is durable.
 * docs/storage-format.md describes the contents. Any thread but a loop's: everything blocks; one caller at a time.
 */
#ifndef HG_PIPELINE_STORAGE_H
#define HG_PIPELINE_STORAGE_H

#include "base/arena.h"
#include "base/durable.h"
#include "base/json.h"

#define HG_STORAGE_FORMAT 1

typedef struct hg_storage hg_storage_t;

/* Makes the folder if it is not there (its parent must be) and looks at what is in it. Manifests that are damaged are
 * named in the log, and passed over if an older one is sound: HG_EDAMAGED only if there are manifests and none is.
 * below: checkpoints from this number on do not count, because of what they need; UINT64_MAX: all do. */
int hg_storage_open(const char *dir, uint64_t below, hg_storage_t **ret, hg_err_t *err);
/* For a reader beside the process that owns the folder: nothing is made; *ret is NULL if there is no folder. What went
 * away between a look at the folder and one at a file is looked for again. */
int hg_storage_look(const char *dir, hg_storage_t **ret, hg_err_t *err);
void hg_storage_close(hg_storage_t *s);
const char *hg_storage_dir(const hg_storage_t *s);

/* The manifest to go on from, or NULL; lives as long as s or until the next commit. Its number, 0 if there is none. */
const hg_json_t *hg_storage_manifest(const hg_storage_t *s);
uint64_t hg_storage_number(const hg_storage_t *s);
/* The i-th newest manifest that is kept, or NULL; as long as hg_storage_manifest. */
const hg_json_t *hg_storage_kept(const hg_storage_t *s, unsigned i);
/* The files of checkpoint `number`, which is still kept, stay until it is unpinned as often as it was pinned. *ret: its
 * manifest, which lives until then. HG_ENOTFOUND: it is not there any more. */
int hg_storage_pin(hg_storage_t *s, uint64_t number, const hg_json_t **ret, hg_err_t *err);
void hg_storage_unpin(hg_storage_t *s, uint64_t number);
char *hg_storage_manifest_path(const hg_storage_t *s, uint64_t number); /* hg_free */
/* A manifest's file as text: its first line, then these bytes of JSON. And back: the JSON that is in it, checked;
 * path: for messages. */
int hg_storage_manifest_text(hg_str_t json, hg_buf_t *out);
int hg_storage_manifest_json(const char *path, hg_str_t text, hg_str_t *ret_json, hg_err_t *err);
/* The number a next checkpoint takes: above every one that ever had files here. */
uint64_t hg_storage_next(const hg_storage_t *s);
/* Logs ("events", "journal") with numbers >= from, ascending: fn(arg, path, number). A negative return ends it. */
int hg_storage_logs(const hg_storage_t *s, const char *what, uint64_t from,
                    int (*fn)(void *arg, const char *path, uint64_t number, hg_err_t *err), void *arg, hg_err_t *err);
char *hg_storage_log_path(const hg_storage_t *s, const char *what, uint64_t number); /* hg_free */

/* Makes manifest `number` durable (kill points manifest.written, .synced, .renamed, .done), then removes what nobody
 * needs: files(arg, manifest, keep, keep_arg) tells the files that a manifest refers to. */
typedef int (*hg_storage_files_fn)(void *arg, const hg_json_t *manifest, void (*keep)(void *keep_arg, hg_str_t name),
                                   void *keep_arg, hg_err_t *err);
int hg_storage_commit(hg_storage_t *s, uint64_t number, hg_str_t manifest, hg_storage_files_fn files, void *arg,
                      hg_err_t *err);
/* Also when nothing was committed: what a crash left behind goes. Failures are logged. */
void hg_storage_sweep(hg_storage_t *s, hg_storage_files_fn files, void *arg);

#endif
