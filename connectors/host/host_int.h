/* host_int.h: what the files of the host share. Nobody else includes it.
 *
 * Locks, always taken in this order: in->mu (or out->mu), then host->mu. Call-backs of the owner and of transports run
 * without any lock. Each field says who may touch it:
 *   [L]  the thread of the endpoint's (lane's) loop      [C] the control loop      [m] under the endpoint's mu
 *   [h]  under host->mu                                   [k] constant after creation
 */
#ifndef HG_CONNECTORS_HOST_INT_H
#define HG_CONNECTORS_HOST_INT_H

#include "connectors/host/shape_int.h"
#include "connectors/host/host.h"
#include "base/list.h"
#include "connectors/host/ask.h"
#include <pthread.h>

/* A chunk aims at HG_CHUNK_BYTES; it is cut once HG_CHUNK_CUT bytes are in, so that reads of up to 64 KiB always fit.
 */
#define HG_CHUNK_BYTES   ((size_t)256 << 10)
#define HG_CHUNK_CUT     ((size_t)192 << 10)
#define HG_CHUNK_SMALL   ((size_t)4 << 10)  /* first buffer of a push body: a thousand clients must be cheap */
#define HG_SMALL_MAX     ((size_t)32 << 10) /* above it, it gets a whole chunk's */
#define HG_TAKE_BYTES    ((size_t)2 << 20)  /* of a step: the outputs' queues pass their mark by no more */
#define HG_PAYLOAD_FIRST 'F'                /* behind the kept payload of a chunk: it begins its body */
#define HG_PAYLOAD_LATER 'L'
#define HG_PAYLOAD_MSGS                                                                                                \
    'M' /* before it the messages: (offset, length) each and their number, 4 bytes little endian                       \
         */
#define HG_MAX_RECORD   ((uint64_t)128 << 20)
#define HG_SPARE_CHUNKS 4
#define HG_CHUNK_ERRORS 1000 /* refused records kept per chunk: the first so many, and the last so many */
#define HG_BODY_ERRORS  1000 /* refused records reported to the sender of a body */

typedef struct hg_job hg_job_t;
typedef struct hg_waiter hg_waiter_t;

/* --- waiting for room (pressure.c) ---
 * A producer that got HG_LANE_FULL stands in one queue: its endpoint's (records, bytes, chunks in flight) or the host's
 * (byte budget). Only its loop's thread puts it there; anyone may take it out, under that queue's lock, and then wakes
 * it. */
enum { HG_WAIT_NONE, HG_WAIT_QUEUE, HG_WAIT_BUDGET };
struct hg_waiter {
    hg_list_t link; /* on in->waiters [m] or host->waiters [h] */
    atomic_int where;
    bool exempt;                  /* [k] not stopped by a held push endpoint (force=true) */
    bool token;                   /* [h] may go on above the budget until its next cut: nobody else can free memory */
    bool unfinished;              /* [h] while it waits for the budget: it holds the beginning of a record */
    void (*wake)(hg_waiter_t *w); /* any thread, no lock held but the host's or the endpoint's: posts and returns */
};

struct hg_host {
    hg_host_events_t ev;
    hg_loop_t *control;
    hg_loop_t **io;
    unsigned n_io;
    hg_pool_t *pool;
    uint64_t in_limit, out_limit, max_record;
    char *durable_name;
    bool exactly_once, journal, keep_payload, keep_owed;
    _Atomic uint64_t durable; /* steps that are in the journal */
    atomic_uint next_loop;
    _Atomic uint64_t next_lane;
    _Atomic uint64_t in_bytes, out_bytes; /* held by inputs (chunk buffers, parsed rows), by output queues */
    _Atomic uint64_t buffered_records;
    atomic_uint endpoints;
    pthread_mutex_t mu;
    hg_list_t ready;              /* [h] inputs with chunks to take, in turn */
    atomic_uint n_ready;          /* written under mu */
    uint64_t take_no;             /* [h] */
    uint64_t txn_no;              /* [h] transactions so far, and one */
    bool txn_begun, txn_last;     /* [h] a chunk that begins one was taken; no more are */
    hg_list_t waiters;            /* [h] for the byte budget, first come first served */
    hg_list_t outputs;            /* [h] with a journal: all of them */
    hg_input_t **inputs;          /* [h] by conn: the newest instance, or NULL */
    uint32_t n_inputs;            /* [h] */
    hg_waiter_t *token;           /* [h] who holds the overdraft */
    int64_t token_us;             /* [h] when it last grew, monotonic */
    bool stall_armed;             /* [h] */
    uv_timer_t *stall;            /* loop io[0]: looks for a holder that has stopped sending; heap */
    uint64_t jobs;                /* [h] chunks cut and not yet done: as long as there is one, memory will come back */
    void *spare[HG_SPARE_CHUNKS]; /* [h] chunk buffers of HG_CHUNK_BYTES */
    unsigned n_spare;
};

void hg_host_wake(hg_host_t *h);
void *hg_host_buf_get(hg_host_t *h, size_t cap); /* NULL when memory is out; charges in_bytes */
void hg_host_buf_put(hg_host_t *h, void *p, size_t cap);

/* pressure.c */
void hg_budget_charge(hg_host_t *h, uint64_t n);
void hg_budget_refund(hg_host_t *h, uint64_t n);
/* true: w waits. false: there is room, or w may go on all the same. unfinished: it holds the beginning of a record. */
bool hg_budget_wait(hg_host_t *h, hg_waiter_t *w, bool unfinished);
void hg_budget_cut(hg_host_t *h, hg_waiter_t *w); /* a chunk of w was cut: one job more, the overdraft comes back */
void hg_budget_job_done(hg_host_t *h, uint64_t refund); /* one job less */
void hg_budget_close(hg_host_t *h);                     /* control loop, before io[0] stops */
void hg_waiter_cancel(hg_input_t *in, hg_waiter_t *w);  /* w's loop */
bool hg_queue_wait(hg_input_t *in, hg_waiter_t *w);     /* true: w waits for the endpoint's queue */
void hg_queue_release(hg_input_t *in);                  /* [m] after anything got smaller: wakes who fits */

/* --- error lists (errlist.c), health (health.c) --- */
typedef struct hg_errtag hg_errtag_t;
typedef struct hg_errlist {
    hg_errtag_t *tags;
    uint32_t n_tags;
    uint64_t index; /* running number of the newest */
} hg_errlist_t;
void hg_errlist_add(hg_errlist_t *l, const char *tag, hg_str_t msg);
/* n errors of which this one tells. */
void hg_errlist_add_many(hg_errlist_t *l, const char *tag, hg_str_t msg, uint64_t n);
void hg_errlist_append(hg_errlist_t *l, const hg_errlist_t *from); /* behind those of l, as if they came now */
void hg_errlist_json(const hg_errlist_t *l, hg_jw_t *w);
void hg_errlist_release(hg_errlist_t *l);
/* The errors up to that index as an object: how many, and the newest ones. And back; HG_EPARSE leaves l as it is. */
void hg_errlist_save(const hg_errlist_t *l, uint64_t upto, hg_jw_t *w);
int hg_errlist_restore(hg_errlist_t *l, const hg_json_t *saved, hg_err_t *err);

/* Kept as facts, told as text when asked: "next in" runs. */
typedef struct hg_health {
    char msg[256];
    bool unhealthy;
    int64_t since_us, good_us; /* µs since 1970; 0 = never */
    int64_t next_us;           /* monotonic: the next attempt; 0 = not known */
    uint64_t within_ms;        /* the client library tries by itself, after at most this; 0 = it does not */
    uint64_t attempts;
} hg_health_t;
void hg_health_bad(hg_health_t *h, const char *msg);
void hg_health_next(hg_health_t *h, uint64_t ms);
void hg_health_within(hg_health_t *h, uint64_t ms);
void hg_health_text(const hg_health_t *h, char *out, size_t cap); /* "" = nothing to tell */
void hg_health_good(hg_health_t *h);

/* Latency in microseconds: geometric buckets, four per power of two; old samples fade. */
typedef struct hg_latency {
    uint32_t n[160];
    uint32_t total;
    uint32_t used;         /* buckets from here on are empty */
    hg_latency_sum_t ever; /* what never fades */
} hg_latency_t;
void hg_latency_add(hg_latency_t *l, uint64_t us);
uint64_t hg_latency_p99(const hg_latency_t *l);

/* A refused record, copied out of the parser's call: one block (parse_error.c). */
typedef struct hg_perr {
    const char *tag, *description, *suggestion, *where;
    uint64_t event;
    hg_str_t field, text;
} hg_perr_t;
/* where: which record, or NULL. NULL when memory is out. */
hg_perr_t *hg_perr_copy(const hg_parse_error_t *e, uint64_t event, const char *where);
void hg_perr_text(const hg_perr_t *e, uint64_t event, hg_buf_t *out); /* as people read it */
void hg_perr_json(const hg_perr_t *e, uint64_t event, hg_jw_t *w);    /* connectors D1.2 */

/* --- a chunk on its way: filled [L of its lane] → cut → parsed [pool] → released in lane order → taken → done --- */
typedef struct hg_msgref {
    size_t off, len;
    uint64_t pos;    /* the transport's */
    size_t meta_len; /* of its metadata: JSON, one byte behind the message */
} hg_msgref_t;

struct hg_job {
    hg_chunk_t pub;
    hg_list_t link;  /* on lane->fifo [m], then in->ready [h], then a local list: one at a time */
    hg_list_t park;  /* on in->parked [m]: its format has a question */
    hg_lane_t *lane; /* until it is released */
    char *buf;
    size_t cap, len;
    hg_msgref_t *msgs;
    uint32_t n_msgs, cap_msgs;
    uint32_t at_msg;    /* being parsed */
    uint64_t charge;    /* bytes of parsed rows charged to the budget */
    uint64_t cut_bytes; /* what in->inflight_bytes counts */
    bool first, parsed;
    bool supersedes; /* its lane took the place of earlier ones with the same key */
    bool replayed;   /* it has to be as expected */
    hg_replay_cut_t expect;
    int rc;
    char *fail; /* message when rc < 0 */
    uint64_t events, n_errors;
    hg_perr_t **errors; /* up to 2 * HG_CHUNK_ERRORS: the first ones, then a ring of the last ones */
    hg_errlist_t told;  /* once it is released: the same as texts, until the circuit has consumed it */
};

/* chunk.c */
hg_job_t *hg_job_new(hg_input_t *in, hg_lane_t *lane);
void hg_job_parse(void *job, unsigned worker); /* pool: parses it, and releases what is at the head of its lane */
void hg_job_free(hg_job_t *j);                 /* not charged any more by then */
/* input_ask.c: the job is parsed again once the format's questions are answered, or the input is over. */
void hg_job_park(hg_job_t *j);        /* pool */
void hg_input_unpark(hg_input_t *in); /* [L] no more questions: dead, or closing */
void hg_job_drop(hg_job_t *j);        /* a cut job that nobody will take: counters, budget, memory */

/* Per lane what was cut, or taken. */
typedef struct hg_ranges {
    hg_range_t *v;
    uint64_t *key;
    uint32_t n, cap;
} hg_ranges_t;
/* input_position.c. A range more of its lane: they come in order. */
void hg_ranges_grow(hg_ranges_t *s, const hg_job_t *j, const hg_range_t *r);
void hg_ranges_release(hg_ranges_t *s);

struct hg_lane {
    hg_input_t *in;          /* [k] */
    hg_loop_t *loop;         /* [k] */
    hg_push_body_t *body;    /* [k] NULL for transports */
    uint64_t id, key;        /* [k] */
    char *name;              /* [k] before the first cut; NULL: it has none */
    bool supersedes;         /* [k] no other lane with this key was open */
    uint32_t cut_at;         /* [L] replay: where to look for its next cut */
    void *user;              /* [L] */
    bool txn_begin, txn_end; /* [L] of the next batch */
    hg_list_t link;          /* [L] on in->lanes; transports only */
    hg_job_t *cur;           /* [L] being filled */
    size_t seen;             /* [L] bytes of cur that the splitter has seen */
    uint64_t pos;            /* [L] position of cur's first byte */
    hg_split_state_t split;
    hg_file_index_t *index; /* [k] from the first byte on; NULL: none */
    bool first, grew;
    hg_list_t fifo;    /* [m] cut, in order */
    uint32_t inflight; /* [m] */
    bool closed;       /* [m] freed with its last job */
    uint64_t events;   /* [m] push bodies number their own */
};

/* metadata.c, pool thread: DEFAULTs of a chunk's messages. *ret NULL: none depends on the message. */
typedef struct hg_metadata hg_metadata_t;
int hg_metadata_new(const hg_job_t *j, hg_colb_t *cols, hg_metadata_t **ret, hg_err_t *err);
void hg_metadata_at(hg_metadata_t *m, uint32_t msg);
void hg_metadata_free(hg_metadata_t *m, hg_colb_t *cols);

void hg_lane_free(hg_lane_t *l);
hg_lane_t *hg_lane_make(hg_input_t *in, hg_loop_t *loop, hg_push_body_t *body, uint64_t origin);
int hg_lane_append(hg_lane_t *l, const char *p, size_t n); /* reserve + copy + fill, in pieces */
/* One chunk of its own, whole: a lane that is opened and closed for it. Any thread. */
int hg_lane_single(hg_input_t *in, const char *p, size_t n, const hg_msgref_t *msgs, uint32_t n_msgs, bool first,
                   hg_err_t *err);
void hg_lane_abandon(hg_lane_t *l); /* [L] close without a last chunk, whatever state it is in */
bool hg_lane_idle(hg_lane_t *l);    /* nothing of it is being parsed */
hg_waiter_t *hg_lane_waiter(hg_lane_t *l);

/* --- replay.c --- */
typedef struct hg_replay {
    hg_replay_cut_t *cuts;
    bool *made;
    uint32_t n, left;
} hg_replay_t;
/* [L] The cut that comes next on this lane; NULL: none is left, or no replay. */
const hg_replay_cut_t *hg_replay_next(hg_lane_t *l);
/* [L] j is that cut. */
void hg_replay_made(hg_lane_t *l, hg_job_t *j, const hg_replay_cut_t *c);
/* [L] The source cannot give the cut: the input fails. Returns HG_EREPLAY. */
int hg_replay_fail(hg_input_t *in, const hg_replay_cut_t *c, const char *fmt, ...) HG_PRINTF(3, 4);
bool hg_replay_stopped(const hg_input_t *in);     /* [L] all is cut: nothing more before hg_input_replay_end */
bool hg_replay_starving(hg_input_t *in);          /* any thread: the circuit waits for this input, limits or not */
void hg_replay_check(hg_job_t *j, hg_err_t *err); /* pool: sets err when j is not what it was */
int hg_replay_eoi(hg_input_t *in);                /* [L] the source has ended: HG_EREPLAY if cuts are left */
void hg_replay_release(hg_input_t *in);

struct hg_input {
    hg_host_t *host; /* [k] down to `limits` */
    hg_loop_t *loop;
    const hg_input_type_t *type; /* NULL: push endpoint */
    const void *cfg;
    char *name;
    uint32_t conn;
    hg_table_env_t table;
    const hg_format_type_t *format;
    bool soft_delete; /* what is deleted is a row like any other */
    hg_parser_t *parser;
    const hg_chain_t *transforms; /* of its records, before the parser; NULL: none */
    bool transforms_by_line;
    hg_shaper_t **shapers; /* per worker, made on first use */
    uint64_t max_batch, max_queued_records, max_queued_bytes;
    uint32_t max_inflight;
    bool keep_raw; /* chunks keep their raw bytes for the journal, and are released in the order of the cuts */
    atomic_uint refs;
    _Atomic uint32_t row_hint;   /* rows of the last chunk: the next builder starts with that room */
    _Atomic uint32_t avg_record; /* bytes per record seen, 0 = unknown */
    atomic_bool dead;            /* failed or closing: what is in flight is dropped */
    atomic_bool starving;        /* replay: the circuit waits for a chunk that is not there */

    /* [L] */
    void *inst;
    bool open_called, opened, running, want_run, full_seen, closing, inst_closing, inst_closed, marking;
    bool eoi_called;
    unsigned mark_attempts;
    bool told_start;     /* `start` was made */
    hg_replay_t *replay; /* until hg_input_replay_end; set before open */
    uv_timer_t *timer;   /* retry of mark; heap, freed by its close call-back */
    char *restore;       /* position to restore after open, or NULL */
    hg_asker_t *asker;   /* made with the first question */
    hg_list_t lanes;
    hg_waiter_t waiter;
    hg_ranges_t cut; /* keep_raw */

    pthread_mutex_t mu;
    /* [m] */
    hg_str_t start; /* the position at which the instance began, until a chunk has it; owned */
    uint64_t total_bytes, total_records, buffered_records, buffered_bytes, processed_records, processed_bytes;
    uint64_t n_transport_errors, n_parse_errors, events;
    hg_list_t fifo;                /* keep_raw: instead of the lanes' */
    uint32_t inflight, n_buffered; /* chunks being parsed; chunks released and not done */
    uint64_t inflight_bytes;
    hg_list_t waiters;
    hg_list_t parked; /* jobs whose format has a question */
    bool push_held, eoi_wanted, end_of_input, failed, close_wanted, closed_sent, ev_posted, barrier, inst_gone;
    uint64_t done, total;
    char fatal[512], mark[256];
    hg_health_t health;
    hg_latency_t latency;
    hg_errlist_t transport_errors, parse_errors;
    hg_errlist_t consumed_errors; /* parse errors of the chunks that are done: what a checkpoint has */
    uint64_t consumed_events;     /* events of those chunks; not of bodies, which number their own */
    hg_ranges_t consumed;         /* what the circuit has taken and stepped */
    uint32_t n_saving;            /* copies of it that save() has not seen yet: nothing is folded meanwhile */
    void **scratch;               /* one slot per pool thread, touched by that thread only */

    /* [h] */
    hg_list_t ready;      /* jobs to take */
    hg_list_t ready_link; /* on host->ready */
    uint64_t take_no, taken_rows;
    uint64_t txn_over; /* host->txn_no of the transaction whose part it has ended */
    bool txn_part;     /* it is in the middle of its part: a chunk that begins one goes on with that */

    /* [C] */
    bool ev_some, ev_ended;
};

hg_input_t *hg_input_retain(hg_input_t *in);
void hg_input_drop(hg_input_t *in);
void hg_input_fail(hg_input_t *in, const char *tag, const hg_err_t *err); /* any thread, no lock */
void hg_input_notify(hg_input_t *in);                                     /* [m] buffered or end_of_input changed */
void hg_input_drop_ready(hg_input_t *in);    /* any thread, no lock: chunks that were released and not taken */
void hg_input_settle(hg_input_t *in);        /* any thread, no lock: after a job left or the instance closed */
void hg_input_evaluate_post(hg_input_t *in); /* any thread: run / hold edges are decided anew on the loop */
void hg_input_ready_push(hg_input_t *in, hg_job_t *j); /* [m] takes host->mu */
/* The common part of connectors and push endpoints. */
int hg_input_make(hg_host_t *h, const char *endpoint, uint32_t conn, const hg_table_env_t *env,
                  const hg_format_type_t *format, const void *format_cfg, hg_input_t **ret, hg_err_t *err);
void hg_push_wake_all(hg_input_t *in); /* [m] held → run, or closing */
/* A body's last job has been released. [m]: returns true if `done` is to be posted by hg_push_done_post (no lock). */
void hg_push_job_released(hg_push_body_t *b, const hg_job_t *j); /* [m] */
void hg_push_drained(hg_push_body_t *b);                         /* no lock; the lane is gone */

#endif
