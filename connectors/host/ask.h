/* ask.h: sends what a format asks (hg_ask_t) until it has its answer. All on one loop. */
#ifndef HG_CONNECTORS_HOST_ASK_H
#define HG_CONNECTORS_HOST_ASK_H

#include "base/loop.h"
#include "connectors/format.h"

typedef struct hg_asker hg_asker_t;
typedef struct hg_asker_ops {
    bool (*ask)(void *obj, hg_ask_t *ret); /* of the format */
    int (*answer)(void *obj, int status, hg_str_t body, hg_err_t *err);
    void *obj;
    /* Call-backs; the asker may be freed in none of them but `failed` and `trouble`, by a post. */
    void (*quiet)(void *arg);                                     /* no question is open */
    void (*trouble)(void *arg, const hg_err_t *err, uint64_t ms); /* no server helps; the next round in ms */
    void (*failed)(void *arg, const hg_err_t *err);               /* nothing will help */
    void (*healthy)(void *arg);                                   /* there was an answer again */
    void *arg;
} hg_asker_ops_t;

hg_asker_t *hg_asker_new(hg_loop_t *loop, const hg_asker_ops_t *ops);
void hg_asker_pump(hg_asker_t *a); /* there may be a question: asks until none is open, then `quiet` */
void hg_asker_free(hg_asker_t *a); /* no further call-back. NULL is fine */

#endif
