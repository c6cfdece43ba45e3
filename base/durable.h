/* durable.h: files that are whole or not there, and logs whose end may be torn but whose middle may not.
 *
 * Every durable action goes through here: it can be made to fail (HG_FAULT=read|write|fsync|rename|open:N) and each
 * call names a kill point (HG_FAULT=kill:NAME), so that a test walks all of them. Any thread; blocking: never on a
 * loop.
 */
#ifndef HG_BASE_DURABLE_H
#define HG_BASE_DURABLE_H

#include "base/buf.h"
#include "base/err.h"

/* --- a file written once ---
 * Bytes go through a buffer to PATH itself; the file counts only once something durable refers to it (a manifest). */
typedef struct hg_dfile hg_dfile_t;
/* HG_EEXIST if PATH is there. The directory must exist. */
int hg_dfile_new(const char *path, hg_dfile_t **ret, hg_err_t *err);
/* After a failure of write only abort may follow. */
int hg_dfile_write(hg_dfile_t *f, const void *p, size_t n, hg_err_t *err);
uint64_t hg_dfile_size(const hg_dfile_t *f);
/* Flush, fsync, close. Frees f in any case; on failure the file is removed. kill points: <point>.written,
 * <point>.synced */
int hg_dfile_finish(hg_dfile_t *f, const char *point, hg_err_t *err);
void hg_dfile_abort(hg_dfile_t *f); /* close and remove; NULL is fine */

/* --- a file replaced whole: PATH.tmp, fsync, rename, fsync of the folder --- kill points: <point>.written, .synced,
 * .renamed, .done. Afterwards PATH has the old or the new content, never a mixture; PATH.tmp may stay behind. */
int hg_file_replace(const char *path, hg_str_t content, const char *point, hg_err_t *err);
int hg_dir_sync(const char *dir, hg_err_t *err);
/* Removes path and everything below; keep (or NULL) names one entry directly in path that stays, and path with it. What
 * is not there is no error. */
int hg_tree_remove(const char *path, const char *keep, hg_err_t *err);
/* Appends the file to out. HG_ENOTFOUND if it is not there; HG_ETOOBIG past out's limit. */
int hg_file_read(const char *path, hg_buf_t *out, hg_err_t *err);

/* --- a log of frames ---
 * File: 8 bytes magic, u32 version, u32 reserved; then frames: u32 length of the payload, u32 kind, u64 checksum (XXH3
 * over kind, offset and payload), payload; all little endian. A frame that ends past the end of the file, or a wrong
 * one with nothing valid behind it, is the torn tail of a crash: cut off. anything else that is wrong is damage:
 * HG_EDAMAGED with the offset. */
#define HG_FRAME_MAX ((uint32_t)256 << 20)

typedef struct hg_framelog hg_framelog_t;
/* kind of file: eight characters. Reads what is there (fn per frame, payload borrowed; a negative return ends it with
 * that code), cuts a torn tail off, and stays open for appending. create: also make it if it is not there. */
typedef int (*hg_frame_fn)(void *arg, uint32_t kind, hg_str_t payload, uint64_t offset, hg_err_t *err);
int hg_framelog_open(const char *path, const char magic[8], bool create, hg_frame_fn fn, void *arg, hg_framelog_t **ret,
                     hg_err_t *err);
/* Appends to a buffer only; one thread at a time. */
int hg_framelog_add(hg_framelog_t *l, uint32_t kind, hg_str_t payload, hg_err_t *err);
/* Writes what was added and fsyncs. After a failure the log is cut back to its last synced end where that is possible;
 * it stays usable, and what was added is kept for the next try. kill points: <point>.written, <point>.synced */
int hg_framelog_sync(hg_framelog_t *l, const char *point, hg_err_t *err);
uint64_t hg_framelog_size(const hg_framelog_t *l);    /* synced bytes */
uint64_t hg_framelog_pending(const hg_framelog_t *l); /* added, not yet synced */
void hg_framelog_close(hg_framelog_t *l);             /* without sync; NULL is fine */

#endif
