/* output_int.h: what output.c (life, queue), encode.c (pool side) and write.c (loop side) share.
 *
 *   hg_output_push ─► queue ─► encode_task: one at a time per output, on the pool ─► blocks ─► write: on the loop ─►
 * acks
 *
 * Flat memory: the encoder stops when HG_OUT_PENDING bytes of blocks wait to be written, also in the middle of a step;
 * the queue of steps is bounded by hg_output_full. Marks as in host_int.h; [e] belongs to the encode task while
 * out->encoding is set.
 */
#ifndef HG_CONNECTORS_OUTPUT_INT_H
#define HG_CONNECTORS_OUTPUT_INT_H

#include "connectors/host/host_int.h"

#define HG_OUT_PENDING    ((size_t)1 << 20)
#define HG_OUT_BLOCK      ((size_t)256 << 10)
#define HG_OUT_SLICE_ROWS 8192u
#define HG_TAP_CHUNKS     100

/* A step in the queue. No delta: it only moves the progress on. */
typedef struct hg_outitem {
    hg_list_t link;          /* on out->queue [m] */
    uint64_t first, step;    /* the output buffer merges steps: from first to step */
    uint64_t first_seq, seq; /* numbers of the pushes */
    uint64_t records, mem, processed, steps;
    uint64_t charge;         /* bytes charged to the budget, unless `kept` is */
    struct hg_outkept *kept; /* [m] until the sink confirms: the same delta */
    hg_delta_t delta;        /* with a group: its current piece [e] */
    hg_group_t *group;
    uint64_t group_at;   /* [e] */
    bool group_over;     /* [e] */
    bool snapshot, more; /* more: its batch goes on with the next one */
    uint64_t dropped;    /* taps: batches dropped before this one */
} hg_outitem_t;

static inline bool hg_outitem_has_rows(const hg_outitem_t *it)
{
    return it->delta.n || it->group;
}

typedef struct hg_outmsg {
    size_t key_off, key_len, off, len;
    uint32_t records;
    bool has_key;
    const char *op; /* hg_encode_sink_t.op */
} hg_outmsg_t;

/* Encoded data of one step, or the mark that a step is complete. */
typedef struct hg_outblock {
    hg_list_t link; /* on out->blocks [m] */
    hg_buf_t data;
    hg_outmsg_t *msgs; /* NULL: one write of all data */
    uint32_t n_msgs, cap_msgs;
    uint32_t next; /* [L] messages written so far */
    uint64_t first, step, seq, records;
    bool end, wrote; /* end: the step is complete; wrote: it had data, so the sink must confirm it */
    bool snapshot;
    uint64_t processed, steps, dropped;
    uint64_t encode_errors; /* end: so far, those of this step included */
} hg_outblock_t;

/* Which rows of a delta the next slice takes: first those with negative weight, then the others. */
typedef struct hg_slicer {
    const hg_delta_t *delta;
    int pass, end_pass; /* 0: negative, 1: positive, 2: everything at once */
    uint32_t part, row;
} hg_slicer_t;
void hg_slicer_init(hg_slicer_t *s, const hg_delta_t *d, bool whole);
bool hg_slicer_more(const hg_slicer_t *s);
int hg_slicer_next(hg_slicer_t *s, uint32_t max_rows, hg_delta_t *ret, hg_err_t *err);

/* How far a sink is: after a batch that it must confirm, or has confirmed. */
typedef struct hg_outpos {
    uint64_t first, step;      /* steps of the batch: the sink confirms `step` */
    uint64_t through;          /* then all steps up to here are delivered; what is between had no data */
    uint64_t seq;              /* and all pushes up to this one */
    uint64_t position;         /* the transport's */
    uint64_t records, bytes;   /* sent so far, this batch included */
    uint64_t processed, steps; /* total; of this batch */
    uint64_t total_steps;      /* of confirmed ones: so far */
    uint64_t encode_errors;    /* so far, this batch included */
} hg_outpos_t;

/* A delta that is owed: kept until the sink has confirmed it (hg_host_opts_t.keep_owed). */
typedef struct hg_outkept {
    hg_list_t link; /* on out->kept [m], in the order of pushes */
    uint64_t seq, step, charge;
    hg_delta_t delta;
    hg_group_t *group;
} hg_outkept_t;

#define HG_OUT_HISTORY 1024u /* confirmed batches whose position is remembered */

typedef struct hg_outsave {
    void (*done)(void *arg, hg_str_t state); /* NULL: none is asked for */
    void *arg;
    uint64_t step, seq;
} hg_outsave_t;

typedef struct hg_outword {
    uint64_t step;
    bool paused;
} hg_outword_t;

#define HG_OUT_TIMES 128u
typedef struct hg_outtime {
    uint64_t step; /* everything up to it */
    int64_t at_us; /* wall clock */
} hg_outtime_t;

struct hg_output {
    hg_host_t *host; /* [k] down to backpressure */
    hg_loop_t *loop;
    const hg_output_type_t *type; /* NULL: tap */
    const void *cfg;
    char *name, *durable_id;
    uint64_t life; /* constant once it is started */
    uint32_t id;
    bool keeps; /* keeps deltas until they are delivered, and the history */
    const hg_schema_t *schema;
    const uint32_t *key; /* columns of the index */
    uint32_t n_key;
    const hg_type_t **types; /* of the columns, for consolidation */
    const hg_format_type_t *format;
    hg_encoder_t *encoder;
    hg_shaper_t *shaper;   /* [e] transforms of its records, behind the encoder; NULL: none */
    bool whole;            /* indexed: a step is encoded in one piece */
    const uint32_t *index; /* its columns, of the spec */
    uint32_t n_index;
    uint64_t max_queued_records, buffer_ms, buffer_records;
    bool buffering;
    hg_tap_ops_t tap;
    bool backpressure;
    atomic_uint refs;
    _Atomic uint64_t delivered;
    hg_outtime_t
        *times;       /* [m] when the newest deliveries were confirmed: a ring of HG_OUT_TIMES; NULL before the first */
    uint64_t n_times; /* [m] ever; the newest is at (n_times - 1) % HG_OUT_TIMES */
    atomic_bool waits_durable; /* the writer stopped before a step that the journal does not have yet */
    hg_list_t host_link;       /* [h] on host->outputs, if the host works exactly once */

    /* [L] */
    void *inst;
    bool open_called, start_called, ready, eagain, writing, stop_called, close_called, closed;
    const char *op;     /* of the message being written */
    hg_outblock_t *cur; /* being written: not in blocks any more, still in pending */
    hg_asker_t *asker;  /* the encoder's questions */
    hg_outpos_t *acks;
    uint32_t n_acks, cap_acks;
    bool ending, confirmed; /* inside end_batch; the sink answered from inside it, for confirmed_step */
    uint64_t confirmed_step;
    bool restored; /* [C] before start */
    uint64_t restore_position;
    uint64_t tap_dropped;
    uv_timer_t *timer; /* the output buffer's age; heap */

    pthread_mutex_t mu;
    /* [m] */
    hg_list_t queue, blocks;
    uint64_t pushed;     /* the last step */
    hg_outword_t *words; /* hg_output_pause_after, oldest first */
    uint32_t n_words, next_word;
    bool muted; /* as paused, but what is queued is delivered: the last of the words */
    bool encoding, write_posted, paused, stopping, now, failed, flush_due, full_told;
    bool closed_sent; /* nothing is encoded any more: the loop may go */
    size_t pending;
    uint64_t queued_records, queued_batches, buffered_records, buffered_batches, transmitted_records, transmitted_bytes;
    uint64_t n_encode_errors, n_transport_errors, processed_input, processed_steps, dropped, buffer_mem;
    uint64_t seq;    /* pushes so far */
    uint64_t resume; /* steps up to here are with the sink already */
    bool asking;     /* nothing is encoded before the encoder's questions are answered */
    bool gated;      /* nothing is encoded before the sink has said where it resumes */
    hg_list_t kept;
    hg_outpos_t at;       /* the last one confirmed */
    hg_outpos_t *history; /* ring: confirmed ones, at[n - 1] is the last */
    uint32_t n_history, history_at;
    hg_outsave_t save;
    bool holds;            /* failed, but what it owes is kept for the instance that the user starts */
    bool gone;             /* closed: what is asked now gets no answer */
    bool snapshot_open;    /* parts of a snapshot were pushed, its end not yet */
    uint64_t snapshot_seq; /* push that ended it; 0 = there was none */
    uint64_t flush_at;     /* the output buffer is flushed when it has this step: a checkpoint wants its position */
    char fatal[512];
    hg_health_t health;
    hg_errlist_t transport_errors, encode_errors;

    /* [e] */
    hg_outitem_t *item; /* being encoded */
    hg_slicer_t slicer;
    uint32_t slice_rows;
    bool wrote, goes_on; /* goes_on: the batch of the item before was not ended */
    hg_outblock_t *fill; /* messages collect here */
    hg_buf_t out_buf, key_buf;
    hg_outitem_t *buffer; /* output buffer: merged steps, or NULL */
    uint64_t consolidate_at;
};

hg_output_t *hg_output_retain(hg_output_t *out);
void hg_output_drop(hg_output_t *out);
void hg_output_pump(hg_output_t *out);         /* any thread, no lock: starts the encode task if there is work */
void hg_output_write_post(hg_output_t *out);   /* any thread, no lock */
void hg_output_write_notify(hg_output_t *out); /* [m] the same */
/* Delivered, in order. data: batches that the sink has confirmed, not only steps without any. */
void hg_output_advance(hg_output_t *out, const hg_outpos_t *to, uint32_t n, bool data);
void hg_output_fail(hg_output_t *out, const char *tag, const hg_err_t *err);
void hg_output_arm_timer(hg_output_t *out); /* any thread: the buffer got its first rows */
void hg_outitem_free(hg_outitem_t *it);
void hg_outblock_free(hg_outblock_t *b);
void hg_output_cmd_start(void *out); /* write.c, loop */
void hg_output_cmd_stop(void *out);
void hg_output_uncharge(hg_output_t *out, hg_outitem_t *it); /* leaves the queue */

/* owed.c */
void hg_output_keep(hg_output_t *out, hg_outitem_t *it);                /* [m] it has rows and a charge */
void hg_output_unkeep(hg_output_t *out, uint64_t first, uint64_t last); /* [m] pushes thrown away, by number */
void hg_output_kept_buffered(hg_output_t *out, hg_outitem_t *it);       /* no lock: not the queue's any more */
/* [m] One batch more; what is owed no longer goes to `gone`, for hg_outkept_free without the lock. */
void hg_output_confirmed(hg_output_t *out, const hg_outpos_t *to, bool data, hg_list_t *gone);
void hg_outkept_free(hg_output_t *out, hg_list_t *gone);
void hg_output_give_up(hg_output_t *out); /* no lock: failed or closed; nothing is owed unless it holds, nobody waits */
void hg_output_let_go(hg_output_t *out);  /* [m] of what it holds: it is as one that keeps nothing */
void hg_output_count_kept(hg_output_t *out);          /* [m] what is kept is all that is queued */
bool hg_output_owes_snapshot(const hg_output_t *out); /* [m] */
void hg_output_owed_release(hg_output_t *out);
bool hg_output_may_end(hg_output_t *out, uint64_t step); /* [L] false: not durable yet, a write will be posted */

#endif
