/* remote_push.c: a checkpoint goes to the bucket; those that are too old go from it.
 *
 *   list files/ ─► hash and send what is not there ─► put checkpoints/<uuid>.json ─► remove what is too old
 *
 * What is there is looked for each time: what somebody else has removed is sent again. Removing begins with the
 * description, so what is half removed is not seen any more; then every listed file goes that no description names.
 * That also takes what an interrupted push has left. It relies on one pipeline per folder.
 */
#include "base/hg.h"
#include "base/durable.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "pipeline/remote_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_ROOM ((size_t)1 << 20)
#define DEAD_MAX  65536u /* hashes of removed files that are remembered for nothing */

/* Strings that are owned, with a number each. */
typedef struct {
    hg_arena_t *arena;
    hg_strmap_t map;
} names_t;

struct hg_remote_memory {
    names_t hashes; /* name of a file → its place in `known` */
    hg_remote_file_t *known;
    uint32_t n_known;

    names_t refs; /* SHA-256 → place in counts: how many descriptions that were read name it */
    uint32_t *counts;
    uint32_t n_counts, cap_counts, n_dead;
    names_t read; /* uuid: its files are counted */
};

static void names_init(names_t *n)
{
    n->arena = hg_arena_new();
    hg_strmap_init(&n->map);
}

static void names_release(names_t *n)
{
    hg_strmap_release(&n->map);
    hg_arena_free(n->arena);
}

static uint32_t names_get(const names_t *n, const char *name)
{
    return hg_strmap_get(&n->map, hg_strz(name));
}

static void names_put(names_t *n, const char *name, uint32_t id)
{
    hg_strmap_put(&n->map, hg_arena_str(n->arena, hg_strz(name)), id);
}

hg_remote_memory_t *hg_remote_memory_new(void)
{
    hg_remote_memory_t *m = HG_NEW(hg_remote_memory_t);
    names_init(&m->hashes);
    names_init(&m->refs);
    names_init(&m->read);
    return m;
}

void hg_remote_memory_free(hg_remote_memory_t *m)
{
    if (!m) return;
    names_release(&m->hashes);
    names_release(&m->refs);
    names_release(&m->read);
    hg_free(m->known);
    hg_free(m->counts);
    hg_free(m);
}

/* --- hashes: a file of a checkpoint never changes --- */

static int hash_file(const hg_remote_push_t *x, const char *path, hg_remote_file_t *f, hg_err_t *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    char *room = hg_xnew(HASH_ROOM);
    hg_s3_sha_t *sha = hg_s3_sha_new();
    for (f->size = 0;;) {
        ssize_t n = hg_fault(HG_FAULT_READ) ? (errno = EIO, -1) : read(fd, room, HASH_ROOM);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = hg_err_errno(err, errno, "cannot read %s", path);
        if (n > 0 && x->cancelled(x->arg)) rc = hg_err_set(err, HG_ECANCELED, "given up");
        if (n <= 0 || rc < 0) break;
        hg_s3_sha_add(sha, room, (size_t)n);
        f->size += (uint64_t)n;
    }
    hg_s3_sha_end(sha, f->sha256);
    hg_free(room);
    close(fd);
    return rc;
}

static int describe(hg_remote_push_t *x, const hg_remote_memory_t *m, hg_remote_file_t *f, hg_err_t *err)
{
    uint32_t i = names_get(&m->hashes, f->name);
    if (i != HG_STRMAP_NONE) {
        f->size = m->known[i].size;
        memcpy(f->sha256, m->known[i].sha256, sizeof f->sha256);
        return 0;
    }
    char *path = hg_xprintf("%s/%s", x->dir, f->name);
    int rc = hash_file(x, path, f, err);
    hg_free(path);
    return rc;
}

/* The files of this checkpoint, instead of those of the last one. */
static void remember(hg_remote_memory_t *m, const hg_remote_desc_t *d)
{
    names_release(&m->hashes);
    names_init(&m->hashes);
    hg_free(m->known);
    m->known = HG_NEWN(hg_remote_file_t, d->n_files);
    m->n_known = d->n_files;
    memcpy(m->known, d->files, sizeof *m->known * d->n_files);
    for (uint32_t i = 0; i < d->n_files; i++) names_put(&m->hashes, d->files[i].name, i);
}

/* --- what is there --- */

typedef struct {
    const char *prefix;
    names_t index; /* SHA-256 → place in sizes */
    char (*sha)[65];
    uint64_t *sizes;
    uint32_t n, cap;
} there_t;

static int take_file(void *arg, const hg_s3_entry_t *e, hg_err_t *err)
{
    there_t *t = arg;
    char sha[65];
    (void)err;
    if (!hg_remote_key_sha256(t->prefix, e->key, sha)) return 0;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->sizes = hg_xgrow(t->sizes, t->cap * sizeof *t->sizes);
        t->sha = hg_xgrow(t->sha, t->cap * sizeof *t->sha);
    }
    memcpy(t->sha[t->n], sha, sizeof sha);
    t->sizes[t->n] = e->size;
    names_put(&t->index, sha, t->n++);
    return 0;
}

static int list_files(hg_remote_place_t *p, there_t *t, hg_err_t *err)
{
    char *folder = hg_remote_file_key(p->prefix, "");
    *t = (there_t){ .prefix = p->prefix };
    names_init(&t->index);
    int rc = hg_s3_client_list(p->client, folder, take_file, t, err);
    hg_free(folder);
    return rc;
}

static void there_release(there_t *t)
{
    names_release(&t->index);
    hg_free(t->sha);
    hg_free(t->sizes);
}

/* --- sending --- */

static int send_file(hg_remote_push_t *x, hg_remote_place_t *p, there_t *t, const hg_remote_file_t *f, hg_err_t *err)
{
    uint32_t i = names_get(&t->index, f->sha256);
    if (i != HG_STRMAP_NONE && t->sizes[i] == f->size) return 0;
    char *key = hg_remote_file_key(p->prefix, f->sha256), *path = hg_xprintf("%s/%s", x->dir, f->name);
    int rc = hg_s3_client_upload(p->client, key, path, f->size, err);
    hg_free(key);
    hg_free(path);
    if (rc < 0) return rc;
    hg_kill_point("sync.file");
    x->sent_files++;
    x->sent_bytes += f->size;
    if (i == HG_STRMAP_NONE) { /* two files of the same content are one object */
        const hg_s3_entry_t e = { .key = hg_remote_file_key(p->prefix, f->sha256), .size = f->size };
        rc = take_file(t, &e, err);
        hg_free(e.key);
    }
    return rc;
}

static int send_desc(const hg_remote_push_t *x, hg_remote_place_t *p, hg_err_t *err)
{
    hg_buf_t text;
    char *key = hg_remote_desc_key(p->prefix, x->desc.uuid);
    hg_buf_init(&text, HG_REMOTE_DESC_MAX);
    int rc = hg_remote_desc_write(&x->desc, &text);
    if (rc < 0) hg_err_set(err, rc, "the description of checkpoint %s is too large", x->desc.uuid);
    if (rc == 0) rc = hg_s3_client_put(p->client, key, hg_buf_str(&text), err);
    hg_buf_release(&text);
    hg_free(key);
    return rc;
}

/* --- removing --- */

static void count(hg_remote_memory_t *m, const hg_remote_desc_t *d)
{
    for (uint32_t i = 0; i < d->n_files; i++) {
        uint32_t at = names_get(&m->refs, d->files[i].sha256);
        if (at == HG_STRMAP_NONE) {
            at = m->n_counts++;
            if (at >= m->cap_counts) {
                m->cap_counts = m->cap_counts ? m->cap_counts * 2 : 256;
                m->counts = hg_xgrow(m->counts, m->cap_counts * sizeof *m->counts);
            }
            m->counts[at] = 0;
            names_put(&m->refs, d->files[i].sha256, at);
        }
        m->counts[at]++;
    }
    names_put(&m->read, d->uuid, 1);
}

static void uncount(hg_remote_memory_t *m, const hg_remote_desc_t *d)
{
    if (names_get(&m->read, d->uuid) == HG_STRMAP_NONE) return;
    for (uint32_t i = 0; i < d->n_files; i++) {
        uint32_t at = names_get(&m->refs, d->files[i].sha256);
        if (at != HG_STRMAP_NONE && m->counts[at] && --m->counts[at] == 0) m->n_dead++;
    }
}

static void forget_counts(hg_remote_memory_t *m)
{
    names_release(&m->refs);
    names_release(&m->read);
    names_init(&m->refs);
    names_init(&m->read);
    m->n_counts = m->n_dead = 0;
}

/* What those need that stay has to be known, of all of them, before anything goes. */
static int count_kept(hg_remote_place_t *p, hg_remote_memory_t *m, const hg_remote_uuids_t *u, uint32_t from,
                      hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = from; rc == 0 && i < u->n; i++) {
        if (names_get(&m->read, u->v[i]) != HG_STRMAP_NONE) continue;
        hg_arena_t *a = hg_arena_new();
        hg_remote_desc_t d;
        rc = hg_remote_desc_read(p, a, u->v[i], &d, err);
        if (rc == 0) count(m, &d);
        hg_arena_free(a);
    }
    return rc;
}

/* One that is damaged goes as well: it is of no use to anybody. What it counted for is counted anew by the next
 * process. */
static int remove_desc(hg_remote_place_t *p, hg_remote_memory_t *m, const char *uuid, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_remote_desc_t d = { .n_files = 0 };
    char *key = hg_remote_desc_key(p->prefix, uuid);
    int rc = hg_remote_desc_read(p, a, uuid, &d, err);
    if (rc == HG_EDAMAGED || rc == HG_ENOTFOUND) *err = HG_ERR_INIT, rc = 0;
    if (rc == 0) rc = hg_s3_client_delete(p->client, key, err);
    if (rc == 0) uncount(m, &d);
    hg_free(key);
    hg_arena_free(a);
    return rc;
}

static int remove_files(hg_remote_place_t *p, const hg_remote_memory_t *m, const there_t *t, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < t->n; i++) {
        uint32_t at = names_get(&m->refs, t->sha[i]);
        if (at != HG_STRMAP_NONE && m->counts[at]) continue;
        char *key = hg_remote_file_key(p->prefix, t->sha[i]);
        rc = hg_s3_client_delete(p->client, key, err);
        hg_free(key);
        hg_kill_point("sync.removed");
    }
    return rc;
}

static int remove_old(hg_remote_push_t *x, hg_remote_place_t *p, hg_remote_memory_t *m, const there_t *t, hg_err_t *err)
{
    hg_remote_uuids_t u;
    int rc = hg_remote_uuids_read(p, &u, err);
    if (rc < 0) return rc;
    uint32_t n = hg_remote_expired((const char(*)[37])u.v, u.n, x->cfg->keep_count, x->cfg->keep_days, hg_now_us());
    if (n && m->n_dead > DEAD_MAX) forget_counts(m);
    if (n) rc = count_kept(p, m, &u, n, err);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = remove_desc(p, m, u.v[i], err);
        hg_kill_point("sync.forgotten");
        x->removed += rc == 0;
    }
    if (rc == 0 && n) rc = remove_files(p, m, t, err);
    hg_remote_uuids_release(&u);
    return rc;
}

/* --- all of it --- */

int hg_remote_push(hg_remote_push_t *x, hg_remote_memory_t *m, hg_err_t *err)
{
    hg_remote_place_t p;
    there_t t;
    int rc = hg_remote_place_open(&p, x->cfg, x->cfg->bucket, x->cancelled, x->arg, err);
    if (rc < 0) return rc;
    rc = list_files(&p, &t, err);
    for (uint32_t i = 0; rc == 0 && i < x->desc.n_files; i++) {
        rc = describe(x, m, &x->desc.files[i], err);
        if (rc == 0) rc = send_file(x, &p, &t, &x->desc.files[i], err);
    }
    if (rc == 0) {
        remember(m, &x->desc);
        rc = send_desc(x, &p, err);
    }
    if (rc == 0) {
        hg_err_t late = HG_ERR_INIT;
        hg_kill_point("sync.described");
        if (remove_old(x, &p, m, &t, &late) < 0 && late.code != HG_ECANCELED)
            hg_log(HG_LOG_WARN, "storage", x->desc.pipeline, "sync_retention", "error=\"%s\"", late.msg);
    }
    there_release(&t);
    hg_remote_place_close(&p);
    return rc;
}
