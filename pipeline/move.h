/* move.h: positions in the user's hands: asked for, set, and a finished connector run again. Pipeline-internal.
 *
 * How a position is set, so that every moment before and after is consistent on disk:
 *
 *   closing   the instance is closed (the orchestrator opens nothing meanwhile), and the circuit holds no chunk of it
 *   cutting   a checkpoint: from here on the tables on disk have all that the connector brought, and nothing is added
 *   logging   the word goes to the synced log of events, behind that checkpoint; no other checkpoint begins meanwhile
 *   done      the next instance begins there; the checkpoints to come have that position
 *
 * A failure before the log is synced leaves everything as it was. Without fault tolerance there is nothing on disk to
 * agree with: the last step follows the first. The rows that are in the table stay.
 */
#ifndef HG_PIPELINE_MOVE_H
#define HG_PIPELINE_MOVE_H

#include "pipeline/pipeline_int.h"

/* Any thread. Would the connector's transport take this position? ret: its members, in the arena. HG_EPARSE, HG_ERANGE,
 * HG_EUNSUPPORTED: this connector has none. May look at the file that is read: not on a loop. */
int hg_position_check(const hg_conn_spec_t *spec, hg_str_t text, hg_arena_t *a, const hg_json_t **ret, hg_err_t *err);
/* Can this connector's position be set or asked for at all? */
int hg_position_can(const hg_conn_spec_t *spec, const char *name, hg_err_t *err);

/* "set", "reset", "rerun" as a static text; NULL: no such change. */
const char *hg_position_change(const char *text);

/* What an answer about a position says. */
typedef struct hg_position_say {
    const char *name;
    const hg_conn_spec_t *spec;
    hg_str_t position;    /* JSON; empty: as configured */
    const char *origin;   /* "running", "checkpoint", "user", "configuration" */
    const char *obstacle; /* why it cannot be set now; NULL: it can */
    uint64_t checkpoint;  /* 0 = there is none */
    bool durable;         /* it outlives a crash */
    const char *change;
    int64_t change_us;
} hg_position_say_t;
/* {"change", "at"} or null */
void hg_position_put_change(const char *change, int64_t at_us, hg_jw_t *w);
void hg_position_json(const hg_position_say_t *s, hg_jw_t *w);

/* Control loop. An instance of an input that is to be moved is there, or could not be made. */
void hg_move_opened(endpoint_t *ep);
/* Control loop. The host says closed of an input that is being moved. */
void hg_move_closed(endpoint_t *ep);
/* Control loop. A checkpoint that began at this request or later is durable, or not (err). */
void hg_moves_checkpoint(hg_pipeline_t *p, uint64_t seq, const hg_err_t *err);
/* Control loop. The log of events cannot be written: whoever waits is told; it is tried on. */
void hg_moves_trouble(hg_pipeline_t *p, const hg_err_t *err);
/* Control loop. The pipeline closes: whoever waits is told. */
void hg_moves_stop(hg_pipeline_t *p);

#endif
