/* arena.h: memory for things that die together (a parsed program, one request, one config check).
 * One thread at a time. Blocks never move. Not for queues or anything with a lifetime of its own. */
#ifndef HG_BASE_ARENA_H
#define HG_BASE_ARENA_H

#include "base/hg.h"

typedef struct hg_arena hg_arena_t;

hg_arena_t *hg_arena_new(void);
void hg_arena_free(hg_arena_t *a); /* runs cleanups, last first; NULL is fine */

void *hg_arena_alloc(hg_arena_t *a, size_t n);                  /* 16-byte aligned, zeroed; aborts when memory is out */
char *hg_arena_strndup(hg_arena_t *a, const char *s, size_t n); /* NUL-ended */
char *hg_arena_printf(hg_arena_t *a, const char *fmt, ...) HG_PRINTF(2, 3);
hg_str_t hg_arena_str(hg_arena_t *a, hg_str_t s); /* copy, also NUL-ended */
void hg_arena_cleanup(hg_arena_t *a, void (*fn)(void *), void *arg);
size_t hg_arena_bytes(const hg_arena_t *a);

#define HG_ANEW(a, type)     ((type *)hg_arena_alloc((a), sizeof(type)))
#define HG_ANEWN(a, type, n) ((type *)hg_arena_alloc((a), sizeof(type) * (size_t)(n)))

/* Append to a growing array that lives in the arena: *arr holds *n items, capacity doubles at powers of two. */
#define HG_APUSH(a, arr, n, item)                                                                                      \
    do {                                                                                                               \
        (arr) = hg_arena_grow((a), (arr), (n), sizeof(*(arr)));                                                        \
        (arr)[(n)++] = (item);                                                                                         \
    } while (0)
void *hg_arena_grow(hg_arena_t *a, void *arr, size_t n, size_t size);

#endif
