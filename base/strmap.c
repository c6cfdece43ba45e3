/* strmap.c: see strmap.h. FNV-1a is enough: keys are names from the user's own program. */
#include "base/hg.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/buf.h"

struct hg_strmap_slot {
    hg_str_t key;
    uint32_t id; /* HG_STRMAP_NONE = free */
};

static uint64_t hash(hg_str_t s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

void hg_strmap_init(hg_strmap_t *m)
{
    *m = (hg_strmap_t){ 0 };
}

void hg_strmap_release(hg_strmap_t *m)
{
    hg_free(m->slots);
    hg_strmap_init(m);
}

static struct hg_strmap_slot *slot(const hg_strmap_t *m, hg_str_t key)
{
    uint32_t i = (uint32_t)hash(key) & (m->cap - 1);
    while (m->slots[i].id != HG_STRMAP_NONE && !hg_str_eq(m->slots[i].key, key)) i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

uint32_t hg_strmap_get(const hg_strmap_t *m, hg_str_t key)
{
    return m->cap ? slot(m, key)->id : HG_STRMAP_NONE;
}

static void grow(hg_strmap_t *m)
{
    hg_strmap_t old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = HG_NEWN(struct hg_strmap_slot, m->cap);
    for (uint32_t i = 0; i < m->cap; i++) m->slots[i].id = HG_STRMAP_NONE;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].id != HG_STRMAP_NONE) *slot(m, old.slots[i].key) = old.slots[i];
    hg_free(old.slots);
}

uint32_t hg_strmap_put(hg_strmap_t *m, hg_str_t key, uint32_t id)
{
    HG_ASSERT(id != HG_STRMAP_NONE);
    if ((m->n + 1) * 4 > m->cap * 3) grow(m);
    struct hg_strmap_slot *s = slot(m, key);
    if (s->id != HG_STRMAP_NONE) return s->id;
    *s = (struct hg_strmap_slot){ key, id };
    m->n++;
    return id;
}
