/* strmap.h: strings to 32-bit ids. Open addressing, power-of-two table, keys borrowed (they live with what they name).
 * One thread. */
#ifndef HG_BASE_STRMAP_H
#define HG_BASE_STRMAP_H

#include "base/hg.h"

typedef struct hg_strmap {
    struct hg_strmap_slot *slots;
    uint32_t cap, n;
} hg_strmap_t;

#define HG_STRMAP_NONE UINT32_MAX

void hg_strmap_init(hg_strmap_t *m);
void hg_strmap_release(hg_strmap_t *m);
uint32_t hg_strmap_get(const hg_strmap_t *m, hg_str_t key); /* HG_STRMAP_NONE if absent */
uint32_t hg_strmap_put(hg_strmap_t *m, hg_str_t key,
                       uint32_t id); /* returns what stood there (then unchanged), else id */

#endif
