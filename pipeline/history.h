/* history.h: the newest changes of relations, for change streams that go on where an earlier connection ended.
 *
 * A sequence number is a place between two changes of one relation: step << 20 | changes of that step before it,
 * counted as the stream's format writes them. "Everything up to step s" is (s + 1) << 20. Steps are the same in a
 * replay, so with exactly_once a number means the same before and after a crash; otherwise it does as long as the
 * process lives. What a number belongs to is the stream's id: who brings one of another life is told so.
 *
 * Kept are the deltas themselves (their batches are shared with the queues), of relations that a resumable stream
 * reads, or has read within change_stream_secs, or had read when the checkpoint was taken that this process went on
 * from; while a crash is being repaired (replay) of all. The oldest go first when change_stream_mib are full.
 *
 * Circuit thread, except where something else is said.
 */
#ifndef HG_PIPELINE_HISTORY_H
#define HG_PIPELINE_HISTORY_H

#include "pipeline/pipeline_int.h"

#define HG_SEQ_BITS  20
#define HG_SEQ_COUNT ((UINT64_C(1) << HG_SEQ_BITS) - 1) /* changes of one step that have places of their own */

static inline uint64_t hg_seq_behind(uint64_t step)
{
    return (step + 1) << HG_SEQ_BITS;
}
static inline uint64_t hg_seq_inside(uint64_t step, uint64_t count)
{
    return step << HG_SEQ_BITS | HG_MIN(count, HG_SEQ_COUNT);
}

typedef struct hg_history hg_history_t;

hg_history_t *hg_history_new(hg_pipeline_t *p); /* control loop, with p->cfg */
void hg_history_free(hg_history_t *h);          /* the circuit thread is gone; NULL is fine */
/* Control loop, before the circuit thread runs: what the checkpoint says, and what a replay is to keep. */
void hg_history_resume(hg_pipeline_t *p);
/* The relations of a checkpoint that is being cut: what hg_history_resume reads. */
void hg_history_save(const hg_history_t *h, hg_jw_t *w);

bool hg_history_keeps(const hg_history_t *h, uint32_t relation);
/* A resumable stream comes (after hg_history_push, if it brought a number), and leaves. hg_circuit_wants follows. */
void hg_history_enter(hg_history_t *h, uint32_t relation);
void hg_history_leave(hg_history_t *h, uint32_t relation);
void hg_history_add(hg_history_t *h, uint32_t relation, uint64_t step, const hg_delta_t *d);
/* The same where the step's changes cannot be kept: nothing before its end is left. */
void hg_history_lose(hg_history_t *h, uint32_t relation, uint64_t step);
/* Behind each step. True: a relation was given up, hg_circuit_wants has to follow. */
bool hg_history_expire(hg_history_t *h);

/* Everything behind the place `after` goes to out. copies: the format writes a row of weight 3 three times.
 * HG_ESEQGONE: not all of it is there any more, *ret_oldest is; HG_EINVAL: there is no such place yet; HG_ENOMEM. */
int hg_history_push(hg_history_t *h, uint32_t relation, uint64_t after, bool copies, hg_output_t *out,
                    uint64_t *ret_oldest, hg_err_t *err);

/* Any thread. The id of a relation's stream, 16 hex digits, into ret. */
void hg_history_stream_id(const hg_pipeline_t *p, uint32_t relation, bool copies, char ret[17]);

#endif
