/* arena.c: see arena.h. Blocks double from 4 KiB to 256 KiB; a large request gets a block of its own. */
#include "base/hg.h"
#include "base/arena.h"
#include "base/mem.h"

typedef struct block {
    struct block *next;
    size_t used, cap;
    char pad[8]; /* data begins 16-byte aligned */
    char data[];
} block_t;

typedef struct cleanup {
    struct cleanup *next;
    void (*fn)(void *);
    void *arg;
} cleanup_t;

struct hg_arena {
    block_t *head;
    cleanup_t *cleanups;
    size_t bytes;
};

static void add_block(hg_arena_t *a, size_t want)
{
    size_t cap = a->head ? HG_MIN(a->head->cap * 2, (size_t)256 * 1024) : 4064;
    if (cap < want) cap = want;
    block_t *b = hg_xzero(sizeof *b + cap);
    b->cap = cap;
    b->next = a->head;
    a->head = b;
    a->bytes += sizeof *b + cap;
}

hg_arena_t *hg_arena_new(void)
{
    hg_arena_t *a = HG_NEW(hg_arena_t);
    add_block(a, 0);
    return a;
}

void hg_arena_free(hg_arena_t *a)
{
    if (!a) return;
    for (cleanup_t *c = a->cleanups; c; c = c->next) c->fn(c->arg);
    for (block_t *b = a->head, *next; b; b = next) {
        next = b->next;
        hg_free(b);
    }
    hg_free(a);
}

void *hg_arena_alloc(hg_arena_t *a, size_t n)
{
    HG_ASSERT(n < SIZE_MAX / 2);
    n = (n + 15) & ~(size_t)15;
    if (a->head->cap - a->head->used < n) add_block(a, n);
    void *p = a->head->data + a->head->used;
    a->head->used += n;
    return p;
}

char *hg_arena_strndup(hg_arena_t *a, const char *s, size_t n)
{
    char *p = hg_arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

hg_str_t hg_arena_str(hg_arena_t *a, hg_str_t s)
{
    return (hg_str_t){ hg_arena_strndup(a, s.p, s.n), s.n };
}

char *hg_arena_printf(hg_arena_t *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    HG_ASSERT(n >= 0);
    char *p = hg_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void hg_arena_cleanup(hg_arena_t *a, void (*fn)(void *), void *arg)
{
    cleanup_t *c = HG_ANEW(a, cleanup_t);
    *c = (cleanup_t){ a->cleanups, fn, arg };
    a->cleanups = c;
}

size_t hg_arena_bytes(const hg_arena_t *a)
{
    return a->bytes;
}

void *hg_arena_grow(hg_arena_t *a, void *arr, size_t n, size_t size)
{
    if (n != 0 && (n & (n - 1)) != 0) return arr; /* room is left: capacities are powers of two */
    void *p = hg_arena_alloc(a, (n ? n * 2 : 1) * size);
    if (n) memcpy(p, arr, n * size);
    return p;
}
