/* replay.h: the steps of the journal once more, after a restart, before anything else flows.
 *
 *   replay_read.c  journals → steps and entries; decides whether they belong to this program
 *   replay.c       opens the inputs that have cuts, feeds the circuit, puts everything back as a start finds it
 *
 * While it goes on p->replaying is set: the orchestrator has not begun, no INSERT and no checkpoint is taken, bodies of
 * HTTP pushes wait, the pipeline's status is Replaying.
 *
 * With at_least_once a source that cannot give the same again fails nothing: there is a hole in the replay. From it on
 * no cut is replayed (what was pushed is, and of that step what is kept), and the connectors go on behind what was. A
 * hole is noted in the journal (HG_JF_REREAD) before anything is read again, so that the next replay has the same one.
 */
#ifndef HG_PIPELINE_REPLAY_H
#define HG_PIPELINE_REPLAY_H

#include "pipeline/durable_int.h"
#include "pipeline/journal.h"

/* An entry in memory: what is large stays in the file. */
typedef struct hg_rentry {
    hg_jentry_kind_t kind;
    uint32_t name, log; /* indexes */
    uint64_t lane_key, begin, end, records, hash;
    hg_str_t start; /* CUT: the position that the instance began at; empty: it had begun before */
    uint64_t off;   /* PAYLOAD, RAW, INSERT: its data in the log */
    uint32_t len;
    uint32_t after_len; /* RAW: of the position behind the data; 0: none */
    bool reread;        /* CUT, RAW: behind a hole */
} hg_rentry_t;

/* A step that computed views of a changed program. */
typedef struct hg_rfill {
    uint64_t number;
    int64_t now_us;
    uint64_t rows;
} hg_rfill_t;

typedef struct hg_rstep {
    uint64_t number;
    int64_t now_us;
    uint32_t first, n; /* entries */
    bool is_mark;      /* not a step, but this mark; of a commit: the step it is */
    hg_jmark_t mark;
} hg_rstep_t;

/* What the logs call by a number: an endpoint, or (endpoint "") a table that INSERTs went to. */
typedef struct hg_rname {
    hg_str_t endpoint, relation, format;
    endpoint_t *ep;       /* resolved; NULL: table of INSERTs, or dropped */
    uint32_t relation_id; /* UINT32_MAX: its rows are dropped, as the table is emptied or gone */
    hg_replay_cut_t *cuts;
    uint32_t n_cuts;
    struct hg_rsegment *segs; /* one per instance that the connector had */
    uint32_t n_segs;
    _Atomic uint32_t at;            /* segment whose instance is open, + 1 */
    hg_str_t position;              /* control loop: reached; JSON, in the arena */
    uint32_t wanted;                /* control loop: the one being opened, + 1 */
    uint32_t done;                  /* circuit thread: segments begun */
    uint32_t taken;                 /* circuit thread, then control loop: cuts and kept chunks */
    uint64_t first_step, last_step; /* of its cuts */
    uint64_t lost_step;             /* of its first cut behind a hole; 0: none */
    bool to_word;                   /* behind the replay it goes on where a user said: at `position` */
    bool used;                      /* something of it is replayed */
    uint32_t n_raw;                 /* chunks whose payload is kept: no instance of it is opened */
    hg_str_t kept;                  /* when all is replayed: its position behind them */
    const hg_rentry_t *after;       /* circuit thread: the last one with a position that was taken; or NULL */
} hg_rname_t;

typedef struct hg_rsegment {
    uint32_t first, n; /* cuts */
    hg_str_t start;    /* empty: goes on where the checkpoint says */
} hg_rsegment_t;

typedef struct hg_jreplay {
    hg_pipeline_t *p;
    hg_arena_t *arena;
    char **logs; /* paths */
    uint32_t n_logs;
    hg_rname_t *names;
    uint32_t n_names, cap_names;
    hg_strmap_t by_name; /* "endpoint\0relation" */
    uint32_t *of_input;  /* id of an input that has cuts → name + 1 */
    uint32_t n_of_input;
    hg_rstep_t *steps;
    uint32_t n_steps, cap_steps;
    hg_rentry_t *entries;
    uint32_t n_entries, cap_entries;
    uint64_t last;     /* number of the newest step, of whatever program */
    hg_rfill_t *fills; /* of this program, behind all others */
    uint32_t n_fills, cap_fills;
    bool foreign; /* something was pushed or inserted while another program ran (at_least_once) */
    bool hole;    /* at_least_once; found while reading, or where the circuit came to it */
    uint64_t hole_step;
    uint32_t hole_entry;
    atomic_bool given_up; /* control loop: the circuit is to make the hole where it is, for this reason: */
    const char *who;
    char why[512];
    bool has_hash_key;
    hg_hashkey_t hash_key;

    /* replay.c: circuit thread */
    uint32_t step, entry;
    hg_chunk_t **chunks;
    uint32_t n_chunks;
    bool fed, over;
    int fd;
    uint32_t fd_log;
    /* control loop */
    uint32_t closing;
    bool finishing;
} hg_jreplay_t;

/* replay_read.c, control loop, from hg_durable_open. n_steps 0: there is nothing to replay. */
int hg_jreplay_load(hg_pipeline_t *p, hg_jreplay_t **ret, hg_err_t *err);
void hg_jreplay_free(hg_jreplay_t *r);
/* How many entries have to be replayed. */
uint32_t hg_jreplay_wanted(const hg_jreplay_t *r);
/* The cuts from this entry of this step on are read again instead. Control loop, or the circuit thread in a replay. */
void hg_jreplay_hole(hg_jreplay_t *r, uint32_t step, uint32_t entry);
/* Any thread but a loop's. The bytes of an entry, or its position; hg_free. */
char *hg_jreplay_data(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err);
char *hg_jreplay_after(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err);

/* replay.c. Control loop, before the circuit thread runs, after endpoints were made, before they are restored: finds
 * the endpoints that the journal names, and says of an input whose position was set by hand since then where it is to
 * be restored (saved_position). */
int hg_jreplay_resolve(hg_jreplay_t *r, hg_err_t *err);
/* When the circuit thread has ended: lets go of what it held. */
void hg_jreplay_stop(hg_jreplay_t *r);
/* Control loop, when the circuit runs: begins. The pipeline goes on in hg_pipeline_replayed. */
void hg_jreplay_start(hg_jreplay_t *r);
/* Circuit thread, instead of a turn: 1: at once again, 0: when woken, negative: it cannot be replayed. */
int hg_jreplay_turn(hg_jreplay_t *r, hg_err_t *err);
/* Control loop: what the host says of an endpoint while p->replaying. */
void hg_jreplay_opened(hg_jreplay_t *r, uint32_t conn);
void hg_jreplay_failed(hg_jreplay_t *r, uint32_t conn, const hg_err_t *err);
void hg_jreplay_closed(hg_jreplay_t *r, uint32_t conn);

#endif
