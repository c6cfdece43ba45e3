/* orch_int.h: the orchestrator's facts, shared by its files. */
#ifndef HG_ORCHESTRATOR_ORCH_INT_H
#define HG_ORCHESTRATOR_ORCH_INT_H

#include "base/buf.h"
#include "base/strmap.h"
#include "orchestrator/orch.h"

typedef enum { WORD_NONE, WORD_START, WORD_PAUSE } word_t; /* what the user said last */

typedef enum {
    MARK_NONE,       /* takes no mark (or gave it up) */
    MARK_WANTED,     /* not asked yet: not open */
    MARK_ASKED,      /* DO_MARK is out */
    MARK_FAILED,     /* the host tries again */
    MARK_PERSISTING, /* taken; DO_PERSIST(token) is out */
    MARK_DONE
} mark_t;

typedef enum { LIFE_NEW, LIFE_OPENING, LIFE_OPEN } life_t;

typedef struct {
    hg_str_t name;
    uint32_t *labels, *after; /* label ids, distinct */
    uint32_t n_labels, n_after;

    /* facts */
    word_t word;
    bool has_after, activated, ended, buffered, failed, moving;
    mark_t mark;
    uint64_t mark_token;
    life_t life;

    /* counters */
    uint32_t unmet; /* labels it waits for that are unfinished */
    uint32_t marks; /* labels it carries that a connector with an unsettled mark waits for: it is not opened before */

    /* derived, as last told */
    bool finished, running;
    hg_orch_reason_t reason;
    int64_t since_us;
} conn_t;

typedef struct {
    hg_str_t name;
    uint32_t *carriers, *dependents;
    uint32_t n_carriers, n_dependents;
    uint32_t unfinished; /* carriers that are not finished */
    uint32_t unsettled;  /* dependents whose mark is neither done nor given up */
    uint32_t seen;       /* last list of names in which it was found */
} label_t;

struct hg_orch {
    hg_arena_t *arena;
    conn_t *conns;
    uint32_t n;
    label_t *labels;
    uint32_t n_labels;
    hg_strmap_t names, label_ids;
    uint32_t lists; /* lists of names interned so far */
    bool pipeline_running, started;
    uint64_t token;
    uint32_t *persisting; /* connectors in MARK_PERSISTING, in order of their token: [head, n) */
    uint32_t persisting_head, n_persisting, cap_persisting;
    hg_orch_cmd_t *cmds; /* queue: [cmd_head, n_cmds) */
    size_t cmd_head, n_cmds, cap_cmds;
    int64_t now_us;
    uint64_t visits; /* connectors looked at */
};

void hg_orch_recount(hg_orch_t *o); /* every counter and reason afresh, from the facts */
bool hg_orch_mark_settled(const conn_t *c);
bool hg_orch_held_for_marks(const conn_t *c);
bool hg_orch_want_running(const hg_orch_t *o, const conn_t *c);
hg_orch_reason_t hg_orch_derive_reason(const hg_orch_t *o, const conn_t *c);

#endif
