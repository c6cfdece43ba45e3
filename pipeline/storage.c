/* storage.c: see storage.h. */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "pipeline/storage.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define HEAD         "headgate checkpoint 1 "
#define MANIFEST_MAX ((size_t)1 << 30)
#define KEPT         2
#define LOOKS        5

typedef struct {
    uint64_t number;
    hg_arena_t *arena;
    hg_json_t *json;
} manifest_t;

typedef struct pin {
    hg_list_t link; /* s->pins */
    manifest_t m;
    unsigned n;
} pin_t;

struct hg_storage {
    char *dir;
    hg_list_t pins;
    manifest_t kept[KEPT]; /* newest first; json NULL: none */
    uint64_t next;
};

/* "<what>-<digits>.<ext>" */
static bool parse_name(const char *name, const char *what, const char *ext, uint64_t *ret)
{
    size_t n = strlen(what);
    if (strncmp(name, what, n) != 0 || name[n] != '-') return false;
    const char *p = name + n + 1, *dot = strchr(p, '.');
    return dot && strcmp(dot + 1, ext) == 0 && hg_str_u64((hg_str_t){ p, (size_t)(dot - p) }, ret) == 0;
}

char *hg_storage_manifest_path(const hg_storage_t *s, uint64_t number)
{
    return hg_xprintf("%s/checkpoint-%010" PRIu64 ".json", s->dir, number);
}

char *hg_storage_log_path(const hg_storage_t *s, const char *what, uint64_t number)
{
    return hg_xprintf("%s/%s-%010" PRIu64 ".log", s->dir, what, number);
}

static void manifest_drop(manifest_t *m)
{
    hg_arena_free(m->arena);
    *m = (manifest_t){ 0 };
}

/* --- manifests --- */

static int damaged(hg_err_t *err, const char *path, const char *why)
{
    return hg_err_set(err, HG_EDAMAGED, "%s is damaged: %s", path, why);
}

int hg_storage_manifest_text(hg_str_t json, hg_buf_t *out)
{
    int rc = hg_buf_addf(out, HEAD "%016" PRIx64 " %zu\n", (uint64_t)XXH3_64bits(json.p, json.n), json.n);
    return rc == 0 ? hg_buf_addstr(out, json) : rc;
}

int hg_storage_manifest_json(const char *path, hg_str_t text, hg_str_t *ret_json, hg_err_t *err)
{
    char line[128], want[128];
    const char *nl = text.n ? memchr(text.p, '\n', HG_MIN(text.n, sizeof line)) : NULL;
    if (!nl) return damaged(err, path, "it has no first line");
    size_t n = (size_t)(nl - text.p);
    memcpy(line, text.p, n);
    line[n] = 0;
    hg_str_t body = { nl + 1, text.n - n - 1 };
    if (strncmp(line, HEAD, sizeof HEAD - 1) != 0)
        return damaged(err, path, "its first line is not that of a checkpoint of format 1");
    snprintf(want, sizeof want, HEAD "%016" PRIx64 " %zu", (uint64_t)XXH3_64bits(body.p, body.n), body.n);
    if (strcmp(line, want) != 0)
        return damaged(err, path, "its checksum or length differs from what its first line says");
    *ret_json = body;
    return 0;
}

static int parse_manifest(const char *path, hg_str_t text, manifest_t *ret, hg_err_t *err)
{
    hg_str_t body;
    int rc = hg_storage_manifest_json(path, text, &body, err);
    if (rc < 0) return rc;
    ret->arena = hg_arena_new();
    rc = hg_json_parse(ret->arena, body, &ret->json, err);
    if (rc < 0) return hg_err_wrap(err, "%s", path);
    return 0;
}

static int read_manifest(const hg_storage_t *s, uint64_t number, manifest_t *ret, hg_err_t *err)
{
    char *path = hg_storage_manifest_path(s, number);
    hg_buf_t text;
    hg_buf_init(&text, MANIFEST_MAX);
    *ret = (manifest_t){ .number = number };
    int rc = hg_file_read(path, &text, err);
    if (rc == 0) rc = parse_manifest(path, hg_buf_str(&text), ret, err);
    if (rc < 0) manifest_drop(ret);
    hg_buf_release(&text);
    hg_free(path);
    return rc;
}

/* --- the folder --- */

typedef int (*name_fn)(void *arg, const char *name, hg_err_t *err);

static int each_name(const hg_storage_t *s, name_fn fn, void *arg, hg_err_t *err)
{
    DIR *d = opendir(s->dir);
    if (!d) return hg_err_errno(err, errno, "cannot read folder %s", s->dir);
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') rc = fn(arg, e->d_name, err);
    closedir(d);
    return rc;
}

typedef struct {
    uint64_t *v;
    uint32_t n, cap;
    const char *what, *ext;
} numbers_t;

static int collect_number(void *arg, const char *name, hg_err_t *err)
{
    numbers_t *x = arg;
    uint64_t v;
    (void)err;
    if (!parse_name(name, x->what, x->ext, &v)) return 0;
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 16;
        x->v = hg_xgrow(x->v, x->cap * sizeof *x->v);
    }
    x->v[x->n++] = v;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int numbers_of(const hg_storage_t *s, const char *what, const char *ext, numbers_t *ret, hg_err_t *err)
{
    *ret = (numbers_t){ .what = what, .ext = ext };
    int rc = each_name(s, collect_number, ret, err);
    if (ret->n) qsort(ret->v, ret->n, sizeof *ret->v, ascending);
    return rc;
}

static void raise_next(hg_storage_t *s, const numbers_t *x)
{
    if (x->n) s->next = HG_MAX(s->next, x->v[x->n - 1] + 1);
}

int hg_storage_logs(const hg_storage_t *s, const char *what, uint64_t from,
                    int (*fn)(void *, const char *, uint64_t, hg_err_t *), void *arg, hg_err_t *err)
{
    numbers_t x;
    int rc = numbers_of(s, what, "log", &x, err);
    for (uint32_t i = 0; i < x.n && rc == 0; i++) {
        if (x.v[i] < from) continue;
        char *path = hg_storage_log_path(s, what, x.v[i]);
        rc = fn(arg, path, x.v[i], err);
        hg_free(path);
    }
    hg_free(x.v);
    return rc;
}

/* The newest sound manifests. A damaged one is passed over, and says so; if all are, that is an error: to begin anew
 * would lose what the user believes to be safe. One that could only not be read now (no descriptor, no memory, an error
 * of the disk) may be sound: going on from an older one would remove the files that it needs. */
static int load_manifests(hg_storage_t *s, uint64_t below, hg_err_t *err)
{
    numbers_t x;
    hg_err_t first = HG_ERR_INIT;
    uint32_t n = 0;
    int rc = numbers_of(s, "checkpoint", "json", &x, err);
    for (uint32_t i = x.n; rc == 0 && i-- > 0 && n < KEPT;) {
        hg_err_t e = HG_ERR_INIT;
        if (x.v[i] >= below) continue;
        if (read_manifest(s, x.v[i], &s->kept[n], &e) == 0) {
            n++;
            continue;
        }
        if (e.code != HG_EDAMAGED && e.code != HG_EPARSE) {
            *err = e;
            rc = e.code;
            break;
        }
        hg_log(HG_LOG_ERROR, "storage", s->dir, "checkpoint_damaged", "number=%" PRIu64 " error=\"%s\"", x.v[i], e.msg);
        if (first.code == HG_OK) first = e;
    }
    if (rc == 0 && n == 0 && x.n) {
        if (first.code == HG_OK) hg_err_set(&first, HG_EDAMAGED, "%s has no checkpoint before %" PRIu64, s->dir, below);
        *err = first;
        rc = err->code;
    }
    raise_next(s, &x);
    hg_free(x.v);
    return rc;
}

static int open_folder(const char *dir, uint64_t below, hg_storage_t **ret, hg_err_t *err)
{
    static const char *const logs[] = { "events", "journal" };
    hg_storage_t *s = HG_NEW(hg_storage_t);
    s->dir = hg_xstrdup(dir);
    hg_list_init(&s->pins);
    s->next = 1;
    int rc = load_manifests(s, below, err);
    for (size_t i = 0; rc == 0 && i < HG_COUNT(logs); i++) {
        numbers_t x;
        rc = numbers_of(s, logs[i], "log", &x, err);
        raise_next(s, &x);
        hg_free(x.v);
    }
    if (rc < 0) {
        hg_storage_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int hg_storage_open(const char *dir, uint64_t below, hg_storage_t **ret, hg_err_t *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) return hg_err_errno(err, errno, "cannot make folder %s", dir);
    return open_folder(dir, below, ret, err);
}

int hg_storage_look(const char *dir, hg_storage_t **ret, hg_err_t *err)
{
    int rc = 0;
    *ret = NULL;
    for (int i = 0; i < LOOKS && access(dir, F_OK) == 0; i++) {
        err->code = HG_OK;
        rc = open_folder(dir, UINT64_MAX, ret, err);
        if (rc == 0) return 0;
    }
    return access(dir, F_OK) == 0 ? rc : 0;
}

/* --- pins --- */

static void pin_free(pin_t *p)
{
    hg_list_del(&p->link);
    manifest_drop(&p->m);
    hg_free(p);
}

static pin_t *pin_of(const hg_storage_t *s, uint64_t number)
{
    HG_LIST_EACH(it, &s->pins)
    {
        pin_t *p = HG_ENTRY(it, pin_t, link);
        if (p->m.number == number) return p;
    }
    return NULL;
}

int hg_storage_pin(hg_storage_t *s, uint64_t number, const hg_json_t **ret, hg_err_t *err)
{
    pin_t *p = pin_of(s, number);
    if (!p) {
        p = HG_NEW(pin_t);
        hg_list_init(&p->link);
        int rc = read_manifest(s, number, &p->m, err);
        if (rc < 0) {
            hg_free(p);
            return rc;
        }
        hg_list_add_tail(&s->pins, &p->link);
    }
    p->n++;
    *ret = p->m.json;
    return 0;
}

void hg_storage_unpin(hg_storage_t *s, uint64_t number)
{
    pin_t *p = pin_of(s, number);
    if (p && --p->n == 0) pin_free(p);
}

void hg_storage_close(hg_storage_t *s)
{
    if (!s) return;
    while (!hg_list_empty(&s->pins)) pin_free(HG_ENTRY(s->pins.next, pin_t, link));
    for (uint32_t i = 0; i < KEPT; i++) manifest_drop(&s->kept[i]);
    hg_free(s->dir);
    hg_free(s);
}

const char *hg_storage_dir(const hg_storage_t *s)
{
    return s->dir;
}
const hg_json_t *hg_storage_manifest(const hg_storage_t *s)
{
    return s->kept[0].json;
}
const hg_json_t *hg_storage_kept(const hg_storage_t *s, unsigned i)
{
    return i < KEPT ? s->kept[i].json : NULL;
}
uint64_t hg_storage_number(const hg_storage_t *s)
{
    return s->kept[0].number;
}
uint64_t hg_storage_next(const hg_storage_t *s)
{
    return s->next;
}

/* --- what nobody needs --- */

typedef struct {
    hg_storage_t *s;
    hg_strmap_t keep;
    hg_arena_t *names;
    uint64_t oldest; /* number of the oldest checkpoint that is kept */
} sweep_t;

static void keep_name(void *arg, hg_str_t name)
{
    sweep_t *x = arg;
    if (hg_strmap_get(&x->keep, name) != HG_STRMAP_NONE) return;
    hg_strmap_put(&x->keep, (hg_str_t){ hg_arena_strndup(x->names, name.p, name.n), name.n }, 1);
}

static bool is_data(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".hgs") == 0 || strcmp(dot, ".hgp") == 0 || strcmp(dot, ".hgo") == 0);
}

static bool needed(const sweep_t *x, const char *name)
{
    uint64_t v;
    if (parse_name(name, "checkpoint", "json", &v)) {
        for (uint32_t i = 0; i < KEPT; i++)
            if (x->s->kept[i].json && x->s->kept[i].number == v) return true;
        if (pin_of(x->s, v)) return true;
        return v > x->s->kept[0].number; /* damaged, and newer than all we have: evidence */
    }
    if (parse_name(name, "events", "log", &v) || parse_name(name, "journal", "log", &v)) return v >= x->oldest;
    if (is_data(name)) return hg_strmap_get(&x->keep, hg_strz(name)) != HG_STRMAP_NONE;
    size_t n = strlen(name);
    return n < 4 || strcmp(name + n - 4, ".tmp") != 0; /* not ours: left alone */
}

static int sweep_name(void *arg, const char *name, hg_err_t *err)
{
    const sweep_t *x = arg;
    if (needed(x, name)) return 0;
    char *path = hg_xprintf("%s/%s", x->s->dir, name);
    int rc = unlink(path) < 0 && errno != ENOENT ? hg_err_errno(err, errno, "cannot remove %s", path) : 0;
    hg_free(path);
    return rc;
}

void hg_storage_sweep(hg_storage_t *s, hg_storage_files_fn files, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    sweep_t x = { .s = s, .names = hg_arena_new() };
    int rc = 0;
    hg_strmap_init(&x.keep);
    for (uint32_t i = 0; rc == 0 && i < KEPT; i++) {
        if (!s->kept[i].json) continue;
        x.oldest = s->kept[i].number;
        rc = files(arg, s->kept[i].json, keep_name, &x, &err);
    }
    HG_LIST_EACH(it, &s->pins)
    {
        if (rc == 0) rc = files(arg, HG_ENTRY(it, pin_t, link)->m.json, keep_name, &x, &err);
    }
    if (rc == 0) rc = each_name(s, sweep_name, &x, &err);
    if (rc < 0) hg_log(HG_LOG_WARN, "storage", s->dir, "sweep", "error=\"%s\"", err.msg);
    hg_strmap_release(&x.keep);
    hg_arena_free(x.names);
}

int hg_storage_commit(hg_storage_t *s, uint64_t number, hg_str_t manifest, hg_storage_files_fn files, void *arg,
                      hg_err_t *err)
{
    hg_buf_t text;
    manifest_t m = { 0 };
    char *path = hg_storage_manifest_path(s, number);
    hg_buf_init(&text, MANIFEST_MAX);
    int rc = hg_storage_manifest_text(manifest, &text);
    if (rc < 0) hg_err_set(err, rc, "checkpoint %" PRIu64 ": a manifest of %zu bytes is too large", number, manifest.n);
    if (rc == 0) rc = parse_manifest(path, hg_buf_str(&text), &m, err); /* what we write, we can read */
    if (rc == 0) rc = hg_file_replace(path, hg_buf_str(&text), "manifest", err);
    hg_buf_release(&text);
    hg_free(path);
    if (rc < 0) {
        manifest_drop(&m);
        return rc;
    }
    m.number = number;
    manifest_drop(&s->kept[KEPT - 1]);
    memmove(s->kept + 1, s->kept, sizeof *s->kept * (KEPT - 1));
    s->kept[0] = m;
    s->next = HG_MAX(s->next, number + 1);
    hg_storage_sweep(s, files, arg);
    return 0;
}
