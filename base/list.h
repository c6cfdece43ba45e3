/* list.h: intrusive doubly linked list. The comment at the link field names every list it may be on, one at a time. */
#ifndef HG_BASE_LIST_H
#define HG_BASE_LIST_H

#include "base/hg.h"

typedef struct hg_list {
    struct hg_list *next, *prev; /* alone: points at itself */
} hg_list_t;

static inline void hg_list_init(hg_list_t *l)
{
    l->next = l->prev = l;
}
static inline bool hg_list_linked(const hg_list_t *n)
{
    return n->next != n;
}
static inline bool hg_list_empty(const hg_list_t *l)
{
    return l->next == l;
}
static inline void hg_list_add_tail(hg_list_t *l, hg_list_t *n)
{
    HG_DASSERT(!hg_list_linked(n));
    n->prev = l->prev;
    n->next = l;
    l->prev->next = n;
    l->prev = n;
}
static inline void hg_list_add_head(hg_list_t *l, hg_list_t *n)
{
    hg_list_add_tail(l->next, n);
}
static inline void hg_list_del(hg_list_t *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    hg_list_init(n);
}
static inline hg_list_t *hg_list_pop(hg_list_t *l)
{
    if (hg_list_empty(l)) return NULL;
    hg_list_t *n = l->next;
    hg_list_del(n);
    return n;
}
#define HG_LIST_EACH(it, head)                                                                                         \
    for (hg_list_t *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
