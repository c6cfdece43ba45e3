/* remote_held.c: what the folder of a standby holds. Nobody else writes there, and segments never change, so a file
 * that an earlier pull has brought, and that the next checkpoint has with the same hash, is linked instead of pulled
 * again.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/remote_int.h"
#include <unistd.h>

struct hg_remote_files {
    hg_arena_t *a;
    hg_remote_file_t *v; /* by name */
    uint32_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const hg_remote_file_t *)a)->name, ((const hg_remote_file_t *)b)->name);
}

void hg_remote_held_release(hg_remote_held_t *h)
{
    if (h->files) hg_arena_free(h->files->a);
    hg_free(h->files);
    *h = (hg_remote_held_t){ .uuid = "" };
}

void hg_remote_held_set(hg_remote_held_t *h, hg_arena_t *a, const hg_remote_desc_t *d)
{
    hg_remote_held_release(h);
    h->files = HG_NEW(struct hg_remote_files);
    *h->files = (struct hg_remote_files){ a, d->files, d->n_files };
    qsort(h->files->v, h->files->n, sizeof *h->files->v, by_name);
    memcpy(h->uuid, d->uuid, sizeof h->uuid);
    h->number = d->number;
    h->step = d->step;
}

bool hg_remote_held_link(const hg_remote_held_t *h, const hg_remote_file_t *f, const char *dir, const char *to)
{
    const hg_remote_file_t *had =
        h && h->files ? bsearch(f, h->files->v, h->files->n, sizeof *h->files->v, by_name) : NULL;
    if (!had || had->size != f->size || strcmp(had->sha256, f->sha256) != 0) return false;
    char *from = hg_xprintf("%s/%s", dir, f->name), *path = hg_xprintf("%s/%s", to, f->name);
    bool linked = link(from, path) == 0;
    hg_free(from);
    hg_free(path);
    return linked;
}
