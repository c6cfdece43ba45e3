/* journal.h: what the circuit did between two checkpoints, in files of frames: "journal-<number>.log" holds the steps
 * after checkpoint <number> (docs/storage-format.md).
 *
 * Every step is recorded: its number, its moment, and in the order in which they were taken the chunks, so that a
 * replay does the same steps again: with exactly_once or not at all, with at_least_once as far as the sources can; from
 * there on they are read again (HG_JF_REREAD).
 *
 * This header is the format and the writer; reading and replaying is in replay.h.
 */
#ifndef HG_PIPELINE_JOURNAL_H
#define HG_PIPELINE_JOURNAL_H

#include "base/durable.h"
#include "pipeline/pipeline_int.h"
#include "pipeline/storage.h"

#define HG_JOURNAL_MAGIC "hgjournl"

/* Kinds of frames. */
enum {
    HG_JF_BEGIN = 1, /* JSON: which program and pipeline wrote what follows; the first frame after each opening */
    HG_JF_ENDPOINT,  /* JSON: what an endpoint's number in the steps that follow means */
    HG_JF_STEP,      /* hg_jstep_write */
    HG_JF_REREAD,    /* JSON: "step", "entry": the cuts before this frame from there on count no more: their connectors
                        go on behind what comes before them, and what they give follows this frame (at_least_once) */
    HG_JF_MARK,      /* JSON: where a transaction begins, is left by the API, or is committed; hg_jmark_write */
};

/* Kinds of entries of a step. */
typedef enum {
    HG_JE_CUT,     /* a range that its connector can read again */
    HG_JE_PAYLOAD, /* a chunk of a push endpoint, with its bytes */
    HG_JE_INSERT,  /* rows of an INSERT */
    HG_JE_FILL,    /* a part of a stored relation, while the views of a changed program are computed (begin.c) */
    HG_JE_RAW,     /* a chunk of a connector whose payload is kept, with its bytes */
    HG_JE_N
} hg_jentry_kind_t;

typedef struct hg_jentry {
    hg_jentry_kind_t kind;
    uint32_t endpoint; /* INSERT, FILL: the relation */
    uint64_t lane_key, begin, end, records, hash;
    bool has_start; /* CUT: the first chunk of an instance: data is the position before it (JSON) */
    hg_str_t data;  /* PAYLOAD, RAW: hg_chunk_t.raw; INSERT: a block (data/block.h) */
    hg_str_t after; /* RAW, the connector's last one of a step: its position behind it (JSON) */
} hg_jentry_t;

typedef struct hg_jstep {
    uint64_t number;
    int64_t now_us;
    uint64_t n; /* entries */
} hg_jstep_t;

typedef enum { HG_JMARK_BEGIN, HG_JMARK_LEAVE, HG_JMARK_COMMIT, HG_JMARK_N } hg_jmark_kind_t;
typedef struct hg_jmark {
    hg_jmark_kind_t kind;
    bool api;          /* begin: the API has it open */
    uint64_t id, step; /* behind this step; commit: it is this step */
} hg_jmark_t;
int hg_jmark_write(hg_buf_t *out, const hg_jmark_t *m);
int hg_jmark_read(hg_str_t payload, hg_jmark_t *ret, hg_err_t *err);

/* One step into bytes: the head, then each entry. Any thread. HG_ENOMEM. */
int hg_jstep_write_head(hg_buf_t *out, const hg_jstep_t *s);
int hg_jstep_write_entry(hg_buf_t *out, const hg_jentry_t *e);
/* Reads from the front of *in and moves it on. HG_EDAMAGED says what does not fit. data is borrowed from *in. */
int hg_jstep_read_head(hg_str_t *in, hg_jstep_t *ret, hg_err_t *err);
int hg_jstep_read_entry(hg_str_t *in, hg_jentry_t *ret, hg_err_t *err);

/* --- the writer --- */

typedef struct hg_journal hg_journal_t;

/* Control loop, before the circuit thread runs. Frames go behind what the log `number` holds already. */
hg_journal_t *hg_journal_new(hg_pipeline_t *p, const hg_storage_t *storage, uint64_t number);
void hg_journal_free(hg_journal_t *j); /* after hg_journal_closed */

/* Circuit thread: step `s` has been done with these chunks, or with the rows of an INSERT (change not NULL). To be
 * called before anyone can see that the step is done. */
void hg_journal_step(hg_journal_t *j, const hg_step_t *s, hg_chunk_t *const *chunks, uint32_t n, uint32_t relation,
                     const hg_change_t *change);
/* Circuit thread, instead: a step with these chunks has been done and is not recorded, nor is any before it; a later
 * one can be, behind a checkpoint that has them. */
void hg_journal_pass_by(hg_chunk_t *const *chunks, uint32_t n);
/* Circuit thread, instead: a step that has sent so many stored rows of the relation through the views. */
void hg_journal_fill(hg_journal_t *j, const hg_step_t *s, uint32_t relation, uint32_t rows);
/* Control loop, before an input is opened: HG_JF_REREAD. */
void hg_journal_reread(hg_journal_t *j, uint64_t step, uint32_t entry);
/* Circuit thread: a mark behind the steps so far, with any fault tolerance; a commit counts as the step it is. */
void hg_journal_mark(hg_journal_t *j, const hg_jmark_t *m);
/* Circuit thread, at the cut of a checkpoint: what follows goes to a log of its own. */
void hg_journal_rotate(hg_journal_t *j, uint64_t number);
/* Circuit thread: from here on, until the release, what is appended waits in memory (hg_journal_full holds the steps
 * up then). A journal that is closed meanwhile drops it: a part of it would not make sense without the checkpoint that
 * it is behind. */
void hg_journal_hold(hg_journal_t *j);
void hg_journal_release(hg_journal_t *j);
/* Any thread. Every step up to this one is durable. */
uint64_t hg_journal_durable(hg_journal_t *j);
/* Any thread. Too much waits to be written: no further step now (the circuit is woken when it may go on). */
bool hg_journal_full(hg_journal_t *j);
/* Not on a loop: until step is durable. HG_ECANCELED: the pipeline closes, or *cancel was set. */
int hg_journal_wait(hg_journal_t *j, uint64_t step, const atomic_bool *cancel, hg_err_t *err);
/* Any thread: why it cannot be written now; false: all is well. */
bool hg_journal_trouble(hg_journal_t *j, char *buf, size_t n);
/* Control loop: no more tries after a failure; closed once what was appended is written, or cannot be. */
void hg_journal_close(hg_journal_t *j);
bool hg_journal_closed(hg_journal_t *j);

#endif
