/* remote_pull.c: a start from a checkpoint in the bucket.
 *
 *   dir         the storage folder
 *   dir.pull    a checkpoint on its way here; whole as soon as remote.json is in it
 *   dir.before  what dir was until a checkpoint took its place
 *
 *   everything into dir.pull, synced ─► remote.json ─► dir becomes dir.before ─► dir.pull becomes dir
 *
 * So dir is always a whole state: the old one, the new one, or, between the two renames, it is not there; then the next
 * start ends what was begun. No bucket is needed for that.
 *
 * Which state counts:
 *   latest   the newer of the newest checkpoint here and the newest one there; here, if they are the same, because the
 *            journal and the log of events go on behind it
 *   a UUID   that one, once: a folder that began with it, or whose newest checkpoint it is, goes on where it is
 *
 * The journal is not in the bucket. Steps behind the checkpoint are done anew, with other content than they had, so
 * what sinks have stored about steps of the old life must not be taken for steps of this one: outputs get a new life
 * (hg_output_life).
 */
#include "base/hg.h"
#include "base/durable.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/remote_int.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK         "remote.json" /* in the folder: where it began */
#define MARK_MAX     ((size_t)1 << 16)
#define MANIFEST_MAX ((size_t)1 << 30)
#define LATEST       "latest"

typedef struct {
    const hg_remote_pull_t *o;
    const hg_remote_cfg_t *cfg;
    const char *name, *dir, *want; /* want: which checkpoint */
    char *pull, *before;
} pull_t;

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* --- folders --- */

static int move(const char *from, const char *to, hg_err_t *err)
{
    if (hg_fault(HG_FAULT_RENAME) ? (errno = EIO, -1) : rename(from, to))
        return hg_err_errno(err, errno, "cannot rename %s to %s", from, to);
    return 0;
}

static int sync_parent(const char *dir, hg_err_t *err)
{
    const char *slash = strrchr(dir, '/');
    char *parent = slash ? hg_xstrndup(dir, (size_t)(slash - dir)) : hg_xstrdup(".");
    int rc = hg_dir_sync(parent[0] ? parent : "/", err);
    hg_free(parent);
    return rc;
}

static char *mark_of(const char *dir)
{
    return hg_xprintf("%s/" MARK, dir);
}

/* dir.pull is whole: it takes dir's place. */
static int swap(const pull_t *x, hg_err_t *err)
{
    int rc = 0;
    if (is_there(x->dir)) {
        rc = hg_tree_remove(x->before, NULL, err);
        if (rc == 0) rc = move(x->dir, x->before, err);
        if (rc == 0) hg_kill_point("pull.aside");
    }
    if (rc == 0) rc = move(x->pull, x->dir, err);
    if (rc == 0) hg_kill_point("pull.renamed");
    return rc == 0 ? sync_parent(x->dir, err) : rc;
}

/* Between the two renames there is no dir. A dir.pull beside a dir was not whole, or nobody knows any more whether it
 * counts: it is pulled again. */
static int end_interrupted(const pull_t *x, hg_err_t *err)
{
    char *mark = mark_of(x->pull);
    int rc = 0;
    if (!is_there(x->dir) && is_there(mark)) {
        hg_log(HG_LOG_INFO, "storage", x->name, "pull_ended",
               "\"a start was interrupted: its checkpoint is taken now\"");
        rc = swap(x, err);
    } else {
        rc = hg_tree_remove(x->pull, NULL, err);
    }
    hg_free(mark);
    return rc;
}

/* --- what is here --- */

typedef struct {
    char newest[37]; /* uuid; "" = no checkpoint */
    char began[37];  /* the checkpoint from a bucket with which the folder began; "" = none */
} here_t;

static void take_uuid(const hg_json_t *v, char ret[37])
{
    const char *uuid = hg_json_str(hg_json_get(v, "uuid"), "");
    ret[0] = 0;
    if (hg_remote_is_uuid(hg_strz(uuid))) memcpy(ret, uuid, 37);
}

static void read_mark(const pull_t *x, here_t *h)
{
    char *path = mark_of(x->dir);
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_buf_t text;
    hg_err_t no = HG_ERR_INIT;
    hg_buf_init(&text, MARK_MAX);
    if (hg_file_read(path, &text, &no) == 0 && hg_json_parse(a, hg_buf_str(&text), &v, &no) == 0)
        take_uuid(v, h->began);
    hg_buf_release(&text);
    hg_arena_free(a);
    hg_free(path);
}

/* A folder whose checkpoints are all damaged has none: that is what those in the bucket are for. */
static int look(const pull_t *x, here_t *h, hg_err_t *err)
{
    hg_storage_t *s = NULL;
    *h = (here_t){ .newest = "" };
    int rc = hg_storage_look(x->dir, &s, err);
    if (rc == HG_EDAMAGED || rc == HG_EPARSE) {
        hg_log(HG_LOG_ERROR, "storage", x->name, "checkpoint_damaged", "error=\"%s\"", err->msg);
        *err = HG_ERR_INIT;
        return 0;
    }
    if (rc < 0 || !s) return rc;
    take_uuid(hg_storage_manifest(s), h->newest);
    read_mark(x, h);
    hg_storage_close(s);
    return 0;
}

/* --- which one --- */

/* By when they were made: UUIDs of version 7 rise with the time. */
static bool is_newer(const char *there, const char *here)
{
    return memcmp(there, here, 36) > 0;
}

/* *ret_found: it is there. "latest": the newest of all. */
static int find_in(hg_remote_place_t *p, const char *want, char uuid[37], bool *ret_found, hg_err_t *err)
{
    hg_remote_uuids_t u;
    int rc = hg_remote_uuids_read(p, &u, err);
    if (rc < 0) return rc;
    *ret_found = false;
    for (uint32_t i = u.n; i-- > 0 && !*ret_found;) {
        *ret_found = strcmp(want, LATEST) == 0 || strcmp(want, u.v[i]) == 0;
        if (*ret_found) memcpy(uuid, u.v[i], 37);
    }
    hg_remote_uuids_release(&u);
    return 0;
}

/* In one bucket. *ret_found: place is open then. */
static int find_at(const pull_t *x, const char *where, hg_remote_place_t *place, char uuid[37], bool *ret_found,
                   hg_err_t *err)
{
    int rc = hg_remote_place_open(place, x->cfg, where, x->o->cancelled, x->o->arg, err);
    if (rc < 0) return rc;
    rc = find_in(place, x->want, uuid, ret_found, err);
    if (rc < 0 || !*ret_found) hg_remote_place_close(place);
    return rc;
}

/* In the bucket, or in read_bucket, if nothing is here either. A standby has something here soon: it takes the newer of
 * both. *ret_found: place is open then. */
static int find(const pull_t *x, const here_t *h, hg_remote_place_t *place, char uuid[37], bool *ret_found,
                hg_err_t *err)
{
    hg_remote_place_t second;
    char other[37];
    bool too = false, follows = x->o->held;
    int rc = find_at(x, x->cfg->bucket, place, uuid, ret_found, err);
    if (rc < 0 || !x->cfg->read_bucket || (!follows && (*ret_found || h->newest[0]))) return rc;
    rc = find_at(x, x->cfg->read_bucket, &second, other, &too, err);
    if (rc == 0 && too && (!*ret_found || is_newer(other, uuid))) {
        if (*ret_found) hg_remote_place_close(place);
        *place = second;
        memcpy(uuid, other, sizeof other);
        *ret_found = true;
    } else if (rc == 0 && too) {
        hg_remote_place_close(&second);
    } else if (rc < 0 && *ret_found) {
        hg_remote_place_close(place);
    }
    return rc;
}

/* --- it comes --- */

typedef struct {
    const char *path;
    hg_dfile_t *file; /* NULL: into text */
    hg_buf_t text;
    hg_s3_sha_t *sha;
    uint64_t n, size;
} coming_t;

static void drop(coming_t *c)
{
    char unused[65];
    hg_dfile_abort(c->file);
    if (c->sha) hg_s3_sha_end(c->sha, unused);
    c->file = NULL;
    c->sha = NULL;
}

static int begin(void *arg, hg_err_t *err)
{
    coming_t *c = arg;
    drop(c);
    hg_buf_clear(&c->text);
    c->n = 0;
    c->sha = hg_s3_sha_new();
    return c->path ? hg_dfile_new(c->path, &c->file, err) : 0;
}

static int take(void *arg, const char *p, size_t n, hg_err_t *err)
{
    coming_t *c = arg;
    c->n += n;
    if (c->n > c->size) return 0; /* it is another one: that is told when it has come */
    hg_s3_sha_add(c->sha, p, n);
    if (c->path) return hg_dfile_write(c->file, p, n, err);
    int rc = hg_buf_add(&c->text, p, n);
    return rc < 0 ? hg_err_set(err, rc, "a manifest of %" PRIu64 " bytes is too large", c->size) : 0;
}

/* path NULL: its bytes go to text. */
static int pull_file(hg_remote_place_t *p, const hg_remote_desc_t *d, const hg_remote_file_t *f, const char *path,
                     hg_buf_t *text, hg_err_t *err)
{
    coming_t c = { .path = path, .size = f->size };
    char *key = hg_remote_file_key(p->prefix, f->sha256), sha[65] = "";
    const hg_s3_taker_t t = { begin, take, &c, f->size };
    hg_buf_init(&c.text, MANIFEST_MAX);
    int rc = hg_s3_client_get(p->client, key, &t, err);
    if (c.sha) hg_s3_sha_end(c.sha, sha);
    c.sha = NULL;
    if (rc == 0 && c.n != f->size)
        rc = hg_err_set(err, HG_EDAMAGED, "s3://%s/%s is damaged: it has %" PRIu64 " bytes, not %" PRIu64, p->bucket,
                        key, c.n, f->size);
    if (rc == 0 && strcmp(sha, f->sha256) != 0)
        rc = hg_err_set(err, HG_EDAMAGED, "s3://%s/%s is damaged: the SHA-256 of what it holds is %s", p->bucket, key,
                        sha);
    if (rc == 0 && path) {
        rc = hg_dfile_finish(c.file, "pull.file", err);
        c.file = NULL;
    }
    drop(&c);
    if (rc == 0 && text)
        *text = c.text;
    else
        hg_buf_release(&c.text);
    hg_free(key);
    return rc < 0 ? hg_err_wrap(err, "file %s of checkpoint %s", f->name, d->uuid) : 0;
}

static hg_json_t *member(hg_json_t *v, const char *key)
{
    for (hg_json_t *m = v ? v->child : NULL; m; m = m->next)
        if (hg_str_eqz(m->key, key)) return m;
    return NULL;
}

static void new_lives(hg_json_t *manifest, hg_arena_t *a)
{
    hg_json_t *outputs = member(manifest, "outputs");
    for (hg_json_t *o = outputs ? outputs->child : NULL; o; o = o->next) {
        hg_json_t *life = member(o, "life");
        char uuid[37];
        hg_uuid_v7(uuid);
        if (life && life->kind == HG_J_STRING) /* its random half */
            life->str = hg_strz(hg_arena_printf(a, "%.4s%.12s", uuid + 19, uuid + 24));
    }
}

/* The manifest with other lives of its outputs. */
static int write_manifest(const pull_t *x, const hg_remote_desc_t *d, hg_str_t text, hg_err_t *err)
{
    const char *name = d->files[d->n_files - 1].name;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_str_t json;
    hg_buf_t body, out;
    hg_jw_t w;
    char uuid[37];
    hg_buf_init(&body, MANIFEST_MAX);
    hg_buf_init(&out, MANIFEST_MAX);
    int rc = hg_storage_manifest_json(name, text, &json, err);
    if (rc == 0) rc = hg_json_parse(a, json, &v, err);
    take_uuid(v, uuid);
    if (rc == 0 && strcmp(uuid, d->uuid) != 0)
        rc = hg_err_set(err, HG_EDAMAGED, "%s is the manifest of another checkpoint", name);
    if (rc == 0) {
        hg_jw_init(&w, &body);
        new_lives(v, a);
        hg_jw_node(&w, v);
        rc = w.rc ? w.rc : hg_storage_manifest_text(hg_buf_str(&body), &out);
        if (rc < 0) hg_err_set(err, rc, "%s is too large", name);
    }
    char *path = hg_xprintf("%s/%s", x->pull, name);
    if (rc == 0) rc = hg_file_replace(path, hg_buf_str(&out), "pull.manifest", err);
    hg_free(path);
    hg_buf_release(&body);
    hg_buf_release(&out);
    hg_arena_free(a);
    return rc;
}

static int write_mark(const pull_t *x, const hg_remote_place_t *p, const hg_remote_desc_t *d, hg_err_t *err)
{
    hg_buf_t text;
    hg_jw_t w;
    char *path = mark_of(x->pull);
    hg_buf_init(&text, MARK_MAX);
    hg_jw_init(&w, &text);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "uuid", d->uuid);
    hg_jw_kstr(&w, "bucket", p->bucket);
    hg_jw_kstr(&w, "folder", p->prefix);
    hg_jw_ki64(&w, "pulled_us", hg_now_us());
    hg_jw_end_obj(&w);
    int rc = hg_file_replace(path, hg_buf_str(&text), "pull.mark", err);
    hg_buf_release(&text);
    hg_free(path);
    return rc;
}

static int pull(const pull_t *x, hg_remote_place_t *p, const char *uuid, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_remote_desc_t d = { .n_files = 0 };
    int64_t began_us = hg_mono_us();
    hg_buf_t manifest;
    hg_buf_init(&manifest, 0);
    int rc = hg_remote_desc_read(p, a, uuid, &d, err);
    if (rc == 0 && mkdir(x->pull, 0700) < 0) rc = hg_err_errno(err, errno, "cannot make folder %s", x->pull);
    for (uint32_t i = 0; rc == 0 && i + 1 < d.n_files; i++) {
        if (hg_remote_held_link(x->o->held, &d.files[i], x->dir, x->pull)) continue;
        char *path = hg_xprintf("%s/%s", x->pull, d.files[i].name);
        rc = pull_file(p, &d, &d.files[i], path, NULL, err);
        hg_free(path);
    }
    if (rc == 0) rc = pull_file(p, &d, &d.files[d.n_files - 1], NULL, &manifest, err);
    if (rc == 0) rc = write_manifest(x, &d, hg_buf_str(&manifest), err);
    if (rc == 0) rc = write_mark(x, p, &d, err);
    if (rc == 0) rc = swap(x, err);
    if (rc == 0)
        hg_log(HG_LOG_INFO, "storage", x->name, "checkpoint_pulled",
               "uuid=%s number=%" PRIu64 " step=%" PRIu64 " bytes=%" PRIu64 " pipeline=\"%s\" took_ms=%" PRId64, uuid,
               d.number, d.step, d.bytes, d.pipeline, (hg_mono_us() - began_us) / 1000);
    hg_buf_release(&manifest);
    if (rc == 0 && x->o->held)
        hg_remote_held_set(x->o->held, a, &d);
    else
        hg_arena_free(a);
    return rc;
}

static bool tells(const pull_t *x)
{
    return !x->o->held || x->o->takes_over;
}

/* What is here goes on, if that is wanted: Feldera's rule. A bucket that does not answer is never taken for an empty
 * one. */
static int none_there(const pull_t *x, const here_t *h, hg_err_t *err)
{
    const char *want = x->want;
    bool any = strcmp(want, LATEST) == 0;
    if (!tells(x)) return 0;
    if (x->cfg->fail_if_none && (!any || !h->newest[0]))
        return hg_err_set(err, HG_ENOTFOUND, "start_from_checkpoint: there is no checkpoint%s%s in s3://%s",
                          any ? "" : " ", any ? "" : want, x->cfg->bucket);
    hg_log(HG_LOG_WARN, "storage", x->name, "pull", "\"there is no checkpoint%s%s in s3://%s: %s\"", any ? "" : " ",
           any ? "" : want, x->cfg->bucket, h->newest[0] ? "what is here goes on" : "nothing is known");
    return 0;
}

/* Is it what this folder holds, or has gone on from? */
static bool has_it(const here_t *h, const char *uuid)
{
    return strcmp(h->newest, uuid) == 0 || strcmp(h->began, uuid) == 0;
}

static int choose(const pull_t *x, hg_err_t *err)
{
    here_t h;
    hg_remote_place_t place;
    char uuid[37] = "";
    bool found = false, any = strcmp(x->want, LATEST) == 0;
    int rc = look(x, &h, err);
    if (rc < 0 || (!any && has_it(&h, x->want))) return rc;
    rc = find(x, &h, &place, uuid, &found, err);
    if (rc < 0) return hg_err_wrap(err, "start_from_checkpoint");
    if (!found) return none_there(x, &h, err);
    if (!any || !h.newest[0] || is_newer(uuid, h.newest))
        rc = pull(x, &place, uuid, err);
    else if (tells(x))
        hg_log(HG_LOG_INFO, "storage", x->name, "pull", "\"the checkpoint here is as new as that in the bucket\"");
    hg_remote_place_close(&place);
    return rc;
}

/* Nothing new can come. Is what is here enough to take over with? */
static bool will_do(const pull_t *x, const hg_err_t *why)
{
    here_t h = { .newest = "" };
    hg_err_t no = HG_ERR_INIT;
    if (!x->o->takes_over || why->code == HG_ECANCELED || strcmp(x->want, LATEST) != 0) return false;
    if (look(x, &h, &no) < 0 || !h.newest[0]) return false;
    hg_log(HG_LOG_ERROR, "storage", x->name, "pull", "\"checkpoint %s, which is here, takes over\" error=\"%s\"",
           h.newest, why->msg);
    return true;
}

int hg_remote_pull(const hg_remote_pull_t *o, hg_err_t *err)
{
    const char *want = o->cfg ? o->cfg->start_from : NULL;
    pull_t x = { .o = o, .cfg = o->cfg, .name = o->name, .dir = o->dir, .want = want || !o->held ? want : LATEST };
    x.pull = hg_xprintf("%s.pull", x.dir);
    x.before = hg_xprintf("%s.before", x.dir);
    int rc = end_interrupted(&x, err);
    if (rc == 0 && x.want) rc = choose(&x, err);
    if (rc < 0 && will_do(&x, err)) {
        *err = HG_ERR_INIT;
        rc = 0;
    }
    hg_free(x.pull);
    hg_free(x.before);
    return rc;
}
