/* state_fixture.h: what tests of checkpoints share: a folder of their own, cuts written and restored. */
#ifndef HG_TEST_STATE_FIXTURE_H
#define HG_TEST_STATE_FIXTURE_H

#include "tests/unit/engine/circuit_fixture.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/state.h"

typedef struct {
    char dir[64];
    uint64_t number;
    hg_buf_t text; /* the last description */
    hg_cut_stats_t stats;
    hg_arena_t *arena;
} disk_t;

static inline void disk_open(disk_t *d)
{
    *d = (disk_t){ .arena = hg_arena_new() };
    snprintf(d->dir, sizeof d->dir, "/tmp/hg-state-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    hg_buf_init(&d->text, HG_BUF_NOMAX);
}
/* fn per file of the folder; returns how many there are */
static inline uint32_t disk_each(const disk_t *d, void (*fn)(void *arg, const char *path), void *arg)
{
    DIR *dir = opendir(d->dir);
    uint32_t n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        char path[400];
        snprintf(path, sizeof path, "%s/%s", d->dir, e->d_name);
        n++;
        if (fn) fn(arg, path);
    }
    closedir(dir);
    return n;
}
static inline void disk_unlink(void *arg, const char *path)
{
    (void)arg;
    unlink(path);
}
static inline void disk_close(disk_t *d)
{
    disk_each(d, disk_unlink, NULL);
    rmdir(d->dir);
    hg_buf_release(&d->text);
    hg_arena_free(d->arena);
}
static inline void disk_size(void *arg, const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    *(uint64_t *)arg += (uint64_t)st.st_size;
}

static inline const hg_json_t *disk_json(disk_t *d)
{
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(d->arena, hg_buf_str(&d->text), &j, &err), 0);
    return j;
}

typedef struct {
    hg_str_t *names;
    uint32_t n;
} names_t;
static inline void names_add(void *arg, hg_str_t name)
{
    names_t *l = arg;
    l->names = hg_xgrow(l->names, sizeof *l->names * (l->n + 1));
    l->names[l->n++] = name;
}
static inline void names_keep(void *arg, const char *path)
{
    const names_t *l = arg;
    const char *base = strrchr(path, '/') + 1;
    for (uint32_t i = 0; i < l->n; i++)
        if (hg_str_eqz(l->names[i], base)) return;
    unlink(path);
}
/* As whoever removes old checkpoints does: files that the last description does not name go. */
static inline uint32_t disk_sweep(disk_t *d)
{
    names_t l = { 0 };
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_state_files(disk_json(d), names_add, &l, &err), 0);
    disk_each(d, names_keep, &l);
    uint32_t n = disk_each(d, NULL, NULL);
    assert_int_equal(n, l.n); /* and each that it names is there */
    hg_free(l.names);
    return n;
}

static inline int write_cut(disk_t *d, hg_cut_t *k, hg_err_t *err)
{
    hg_jw_t w;
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    int rc = hg_cut_write(k, d->dir, ++d->number, NULL, &w, err);
    if (rc == 0) {
        hg_buf_release(&d->text);
        d->text = text;
        hg_cut_get_stats(k, &d->stats);
    } else {
        hg_buf_release(&text);
    }
    return rc;
}
/* A whole checkpoint, and the files of the one before removed. */
static inline void checkpoint(disk_t *d, hg_circuit_t *c)
{
    hg_err_t err = HG_ERR_INIT;
    hg_cut_t *k = hg_circuit_cut(c);
    if (write_cut(d, k, &err) < 0) fail_msg("%s", err.msg);
    hg_cut_done(c, k, true);
    disk_sweep(d);
    uint64_t size = 0;
    disk_each(d, disk_size, &size);
    assert_int_equal(size, d->stats.bytes_total);
}
static inline int restore(disk_t *d, hg_circuit_t *c, const hg_restore_opts_t *more, hg_err_t *err)
{
    hg_restore_opts_t o = more ? *more : (hg_restore_opts_t){ .threads = 3 };
    o.dir = d->dir;
    return hg_circuit_restore(c, disk_json(d), &o, err);
}
static inline zset_t circuit_zset(hg_circuit_t *c, uint32_t relation)
{
    hg_snap_t *s = hg_circuit_snap(c, relation);
    zset_t z = snap_zset(s);
    hg_snap_drop(s);
    return z;
}
static inline void same_contents(hg_circuit_t *a, hg_circuit_t *b, uint32_t relation)
{
    zset_t x = circuit_zset(a, relation), y = circuit_zset(b, relation);
    zset_check(&x, &y);
    zset_release(&x);
    zset_release(&y);
}

#endif
