/* connector.h: the contract between transports and their host.
 *
 * A transport is a const type plus instances. The host (connectors/host) owns the instance, parses its options, calls
 * it, and is called back. All calls to and from one instance happen on the one I/O loop it was given for life, except
 * where "any thread" stands. No call blocks: what can only block runs in hg_in_work() / hg_out_work() on the pool.
 *
 * INPUT, legal order (host → transport):
 *
 *            ┌───────────── mark* ────────────┐
 *   open ────┤                                ├── run ⇄ hold ── close
 *            └────────────────────────────────┘
 *   open    checks the configuration and holds nothing: no connection, no thread, no file.
 *   mark    connects (briefly where it can) and answers hg_in_marked() or hg_in_mark_failed(). May come before the
 * first run. run     connects if it must and reads until hold. First run: from the restored position, else the mark,
 * else as configured. A run after a hold goes on where it stopped. Never two runs without a hold between. hold    stop
 * reading within 100 ms; nothing is pushed after it returns, except bytes of one buffer already being delivered.
 * Connections may stay open a while (option pause_timeout). close   last call, also after an open that failed; answer
 * hg_in_closed() (may be at once, may be later). No other call-back after it.
 *
 * Transport → host, between run and hold (or for the buffer in flight): lanes and data, hg_in_eoi() once when the
 * source has nothing more, hg_in_error() (retryable ones are counted and shown as health while the transport retries;
 * fatal ones end the instance: the host calls close). After eoi: no data, no errors.
 *
 * Back-pressure: hg_lane_* return HG_LANE_FULL when the host wants no more now; the data of that call was taken. The
 * host has called or will call hold; a transport that gets FULL stops at once and waits for run.
 *
 * OUTPUT, legal order:
 *   open ── start ── (write … write end_batch)* ── stop ── close
 *   open       checks the configuration and holds nothing.
 *   start      connects; asynchronous: answers hg_out_ready(). Bad surroundings are retried with backoff and shown as
 * health. write      bytes or a message of batch `step`; the data is borrowed for the call. HG_EAGAIN: taken, but no
 * more until hg_out_drained(). end_batch  the batch is complete; answers hg_out_delivered(step) when it is durably with
 * the sink, in order. stop       drain and disconnect; answers hg_out_stopped(). close      last call; answers
 * hg_out_closed().
 */
#ifndef HG_CONNECTORS_CONNECTOR_H
#define HG_CONNECTORS_CONNECTOR_H

#include "base/opts.h"
#include "base/loop.h"
#include "data/col.h"

#define HG_CONNECTOR_ABI 1

typedef struct hg_input hg_input_t; /* host's side of an instance: opaque, connectors/host/host_int.h */
typedef struct hg_output hg_output_t;
typedef struct hg_lane hg_lane_t;
struct hg_file_index; /* connectors/format.h */
struct hg_file_reader;

enum {                           /* input capabilities */
       HG_CAP_FINITE = 1 << 0,   /* can end by itself (may depend on options: see is_finite) */
       HG_CAP_REPLAY = 1 << 1,   /* can read any earlier range again */
       HG_CAP_MARK = 1 << 2,     /* can mark a hand-off position */
       HG_CAP_MESSAGES = 1 << 3, /* delivers whole messages, not a byte stream */
       HG_CAP_BATCHES = 1 << 4,  /* delivers change batches itself: a format is forbidden (datagen) or built in */
       HG_CAP_RESUME = 1 << 6, /* save() may also come after close, until fini(): what failed can go on where it was */
       HG_CAP_INTERNAL = 1 << 5, /* made by the engine (HTTP push): refused in SQL */
};

/* A position inside a lane. Meaning belongs to the transport (byte offset, Kafka offset, row number). [begin, end). */
typedef struct hg_range {
    uint64_t lane; /* id given by hg_lane_open; never reused */
    uint64_t begin, end;
} hg_range_t;

struct hg_input_type {
    uint32_t abi;
    const char *name, *summary; /* name as users write it: "kafka_input" */
    const hg_opt_t *opts;
    hg_extra_t extra; /* what to do with other options; TAKE: cfg starts with hg_kvlist_t */
    size_t cfg_size;  /* struct filled from opts */
    size_t inst_size; /* instance state, zeroed; hg_in_inst() */
    unsigned caps;
    /* What its bytes or messages are, where users have no choice (a `format` in the program is refused). NULL: theirs.
     */
    const struct hg_format_type *built_in;

    /* Any thread, compile time. Cross-option checks; complaints go to d at the node they are about. May be NULL. */
    void (*check)(const void *cfg, const hg_json_t *obj, hg_diag_t *d);
    /* Any thread, compile time, after check found nothing: against the table. Complaints as above. May be NULL. */
    void (*check_table)(const void *cfg, const hg_json_t *obj, const hg_schema_t *schema, hg_diag_t *d);
    /* Any thread. Can it end with this configuration? NULL: FINITE decides. */
    bool (*is_finite)(const void *cfg);
    /* Any thread. Does it need a mark when it waits (Kafka start_from latest)? NULL: no. */
    bool (*wants_mark)(const void *cfg);

    int (*open)(hg_input_t *in, hg_err_t *err);
    int (*mark)(hg_input_t *in, hg_err_t *err); /* NULL unless HG_CAP_MARK */
    int (*run)(hg_input_t *in, hg_err_t *err);
    int (*hold)(hg_input_t *in, hg_err_t *err);
    /* The circuit has consumed (and, where durable, checkpointed) everything up to the saved position. May be NULL. */
    int (*commit)(hg_input_t *in, const hg_json_t *position, hg_err_t *err);
    void (*close)(hg_input_t *in);

    /* The cursor (<= 64 KiB of JSON, one object): where a new instance goes on once everything in `consumed` ranges has
     * been taken by the circuit. restore comes after open, before mark and run. */
    void (*save)(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w);
    int (*restore)(hg_input_t *in, const hg_json_t *position, hg_err_t *err);

    /* Any thread, after close: the instance's memory goes now. Frees what save() still needed. May be NULL. */
    void (*fini)(void *inst);

    /* Any thread. Is a position that a user gives one that restore would take? Complaints name the member. NULL: only
     * its JSON shape (an object) is checked and restore has the last word. */
    int (*check_position)(const void *cfg, const hg_json_t *position, hg_err_t *err);
    /* Any thread. With this configuration the same range may not come again as it was: the option that is the reason
     * (as it is given, or because it is not), or NULL. NULL itself: HG_CAP_REPLAY holds whatever is configured. */
    const char *(*no_replay)(const void *cfg);
    /* Any thread, of a HG_CAP_MARK type. With this configuration it cannot mark: the option that is the reason, or
     * NULL. NULL itself: it always can. */
    const char *(*no_mark)(const void *cfg);
    const char *position_doc; /* for people: what the members of a position mean; NULL: it has none */
};
typedef struct hg_input_type hg_input_type_t;

/* Replay (exactly once). HG_CAP_REPLAY promises: after restore(position) an instance opens lanes with the same keys and
 * gives the same bytes (messages, batches) at the same positions as an earlier instance did from there. The host cuts
 * them where the journal says, and compares hashes; a source that changed meanwhile is found by that at the latest. */

struct hg_output_type {
    uint32_t abi;
    const char *name, *summary;
    const hg_opt_t *opts;
    hg_extra_t extra;
    size_t cfg_size, inst_size;
    bool messages;                         /* wants messages, else a byte stream */
    bool internal;                         /* made by the engine (egress) */
    bool no_format;                        /* takes deltas for nothing (null) or encodes itself */
    const struct hg_format_type *built_in; /* as in hg_input_type; it is not told the output's options */

    void (*check)(const void *cfg, const hg_json_t *obj, hg_diag_t *d);
    int (*open)(hg_output_t *out, hg_err_t *err);
    int (*start)(hg_output_t *out, hg_err_t *err);
    int (*write)(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n_records, hg_err_t *err);
    int (*end_batch)(hg_output_t *out, uint64_t step, hg_err_t *err);
    void (*stop)(hg_output_t *out);
    void (*close)(hg_output_t *out);

    /* --- durable progress; all may be NULL ---
     * How far the sink is after the end_batch just called (a file: bytes in it once all taken so far is written). The
     * host keeps it per step, stores it in checkpoints, and gives it back: restore(progress) comes after open, before
     * start, and cuts the sink back to it, so that what comes again after that step is there once (HG_OUT_EXACT). */
    uint64_t (*position)(hg_output_t *out);
    int (*restore)(hg_output_t *out, uint64_t position, hg_err_t *err);
    unsigned caps; /* HG_OUT_… */

    /* Any thread; may be NULL. Bytes of a message at most; a record that is larger by itself is an encode error. */
    size_t (*max_message)(const void *cfg, bool exactly_once);
    /* Any thread; may be NULL. Where its messages go, for formats that name schemas after it. */
    const char *(*topic)(const void *cfg);
    /* Any thread; not NULL: it stores values by key. As in hg_encode_env_t; the format must be json. */
    const char *(*key_separator)(const void *cfg);
};
typedef struct hg_output_type hg_output_type_t;

enum {                        /* output capabilities */
       HG_OUT_EXACT = 1 << 0, /* after a restart everything after the restored position can be written again, once */
       HG_OUT_STORES_STEP =
           1 << 1, /* keeps the number of its last whole step with its data: says hg_out_resume() before ready */
};

/* --- services of the host to an input (loop thread unless said) --- */
const void *hg_in_cfg(const hg_input_t *in); /* struct filled from opts */
void *hg_in_inst(hg_input_t *in);
bool hg_in_wants_metadata(const hg_input_t *in); /* some DEFAULT of the table reads it */
hg_loop_t *hg_in_loop(const hg_input_t *in);
const char *hg_in_name(const hg_input_t *in);          /* "price.hist" */
const hg_schema_t *hg_in_schema(const hg_input_t *in); /* of the table, for BATCHES transports */
uint64_t hg_in_max_batch(const hg_input_t *in);        /* records per step at most (max_batch_size) */

typedef enum { HG_LANE_OK = 0, HG_LANE_FULL = 1 } hg_lane_rc_t; /* or a negative code: memory, an oversize record */

/* A lane is one ordered stream (a file, a request body, a partition). origin: position of its first byte or message.
 * Order holds within a lane, not between lanes. Lanes are closed before hg_in_eoi(); those open at hg_in_closed() are
 * dropped by the host. A negative answer of hg_lane_* (HG_ECLOSED after a failure or a close) means: stop, the close is
 * coming; nothing to report. */
hg_lane_t *hg_lane_open(hg_input_t *in, uint64_t origin);
/* The same with a name that a later instance gives to the same stream again (Kafka: topic number << 32 | partition;
 * datagen: worker; a followed file: its generation). hg_lane_open has key 0. Two open lanes of one input have different
 * keys unless the input cannot replay. */
hg_lane_t *hg_lane_open_key(hg_input_t *in, uint64_t key, uint64_t origin);
/* Files that can be read anywhere: with some formats (Parquet) a lane has an index, which is made beforehand.
 * hg_in_index blocks: in hg_in_work(). *ret NULL: none; an error: the file cannot be read. hg_lane_index takes it,
 * before any byte.
 */
bool hg_in_wants_index(const hg_input_t *in);
int hg_in_index(const hg_input_t *in, const struct hg_file_reader *file, struct hg_file_index **ret, hg_err_t *err);
void hg_lane_index(hg_lane_t *l, struct hg_file_index *x);
uint64_t hg_lane_id(const hg_lane_t *l);
/* How its stream is called, before its first message: errors of records then name them "price[3]@41877". Copied. */
void hg_lane_call(hg_lane_t *l, const char *name);
/* The position before which the circuit has taken everything; 0 while nothing was taken. */
uint64_t hg_lane_taken(const hg_lane_t *l);
void hg_lane_user(hg_lane_t *l, void *user);
void *hg_lane_get_user(const hg_lane_t *l);
/* Byte streams: ask where to read into, then tell how many bytes came. *room >= want unless memory is out (NULL). The
 * bytes become part of the current chunk; positions count bytes from origin. */
char *hg_lane_reserve(hg_lane_t *l, size_t want, size_t *room);
int hg_lane_fill(hg_lane_t *l, size_t n);
/* Messages: whole records. pos is the message's position; the chunk covers [pos, pos + 1). payload.p == NULL: a
 * tombstone. */
typedef struct hg_message {
    hg_str_t key, payload;
    uint64_t pos;
    int64_t timestamp_us; /* 0 = none */
    int32_t partition;
    hg_str_t metadata; /* what CONNECTOR_METADATA() is of its records, a JSON object; n == 0: nothing */
} hg_message_t;
int hg_lane_message(hg_lane_t *l, const hg_message_t *m);
/* Nothing more comes for now: the messages, or the whole records of a byte stream, collected so far become a chunk at
 * once (otherwise at about 192 KiB). A source that waits for data calls it before it waits. */
int hg_lane_flush(hg_lane_t *l);
/* Change batches: takes the reference. covers [begin, end); bytes for the counters. */
int hg_lane_change(hg_lane_t *l, hg_change_t *c, uint64_t begin, uint64_t end, uint64_t bytes);
/* Of the next batch: with it the connector begins a transaction, with it it has committed its part. It is asked for
 * nothing more until the whole transaction is committed. */
void hg_lane_transaction(hg_lane_t *l, bool begin, bool end);
/* Where the batch that begins at `begin` must end: in a replay the end that it had; otherwise UINT64_MAX, as it likes.
 * UINT64_MAX also behind the last batch to replay: lane calls answer HG_LANE_FULL by then. */
uint64_t hg_lane_batch_end(const hg_lane_t *l, uint64_t begin);
/* A replay of the lane with this key needs no more than the source has, whose data ends at `end` now. False: it does,
 * so it would wait for ever; the input has failed with the range, and the close is coming. */
bool hg_in_replay_reaches(hg_input_t *in, uint64_t key, uint64_t end);
/* Is a replay going on, and has the lane with this key a part in what is left of it? A source of many lanes opens those
 * first that have one: the others' data is not asked for before the replay has ended. */
typedef enum { HG_REPLAY_NONE, HG_REPLAY_WANTED, HG_REPLAY_OTHER } hg_replay_part_t;
hg_replay_part_t hg_in_replay_part(const hg_input_t *in, uint64_t key);
/* The lane has ended: the rest is cut as a last chunk. l is gone. aborted: drop the unfinished rest instead. */
int hg_lane_close(hg_lane_t *l, bool aborted);
/* For a source of very many lanes: the lane with this id is closed, and what it gave ends at `end`. True: the circuit
 * has taken all of it, and save() does not hear of it any more: the cursor has to say so from now on. False: not yet.
 */
bool hg_in_fold(hg_input_t *in, uint64_t lane, uint64_t end);

void hg_in_eoi(hg_input_t *in);
/* Count and show an error. retry set: health "retrying since …, attempt n, next in …"; fatal set: the instance is
 * closed by the host. */
void hg_in_error(hg_input_t *in, const char *tag, const hg_err_t *err);
/* After a retryable error, where the transport waits by itself: the health says "next in". */
void hg_in_retries_in(hg_input_t *in, uint64_t ms);
/* The same where the client library tries by itself, at an unknown moment but after at most ms, and not every attempt
 * is told: "attempt at least n, next within". */
void hg_in_retries_within(hg_input_t *in, uint64_t ms);
void hg_in_healthy(hg_input_t *in);                       /* after retries: it works again */
void hg_in_marked(hg_input_t *in, const char *mark_json); /* small JSON for people and for save() */
void hg_in_mark_failed(hg_input_t *in, const hg_err_t *err);
void hg_in_progress(hg_input_t *in, uint64_t done, uint64_t total); /* unit is the transport's; total 0 = unknown */
void hg_in_closed(hg_input_t *in);
/* Run blocking work on the pool; done runs on the loop. At most one at a time per instance unless the transport says
 * why. */
void hg_in_work(hg_input_t *in, void (*work)(void *arg, unsigned worker), void (*done)(void *arg), void *arg);
/* Exponential backoff with jitter for attempt n = 0, 1, …: milliseconds, capped. */
uint64_t hg_backoff_ms(unsigned attempt, uint64_t base_ms, uint64_t cap_ms);

/* --- services of the host to an output --- */
const void *hg_out_cfg(const hg_output_t *out);
void *hg_out_inst(hg_output_t *out);
hg_loop_t *hg_out_loop(const hg_output_t *out);
const char *hg_out_name(const hg_output_t *out);
/* During write: the word that belongs beside the message ("insert", "update", "delete"); NULL: none. A constant. */
const char *hg_out_op(const hg_output_t *out);
const hg_schema_t *hg_out_schema(const hg_output_t *out);            /* of the view */
const uint32_t *hg_out_key(const hg_output_t *out, uint32_t *ret_n); /* columns of its index; NULL: none */
void hg_out_ready(hg_output_t *out);
/* Before hg_out_ready: the sink holds everything up to this step of this pipeline (0 = nothing). The host does not
 * write those steps again. */
void hg_out_resume(hg_output_t *out, uint64_t step);
/* "headgate.<pipeline>.<endpoint>.<which pipeline of that name>": the same over restarts; for transactional ids and the
 * like. */
const char *hg_out_durable_id(const hg_output_t *out);
/* Which life of the endpoint this is: another one is afresh, and a step that was stored in another one is not its own.
 */
uint64_t hg_out_life(const hg_output_t *out);
/* The pipeline keeps what is not delivered: what a failed instance owes is written again by the next one. */
bool hg_out_keeps(const hg_output_t *out);
/* The pipeline wants exactly once: use transactions where the sink has them. */
bool hg_out_exactly_once(const hg_output_t *out);
void hg_out_drained(hg_output_t *out);
void hg_out_delivered(hg_output_t *out, uint64_t step); /* all batches <= step */
void hg_out_error(hg_output_t *out, const char *tag, const hg_err_t *err);
void hg_out_retries_in(hg_output_t *out, uint64_t ms);     /* as hg_in_retries_in */
void hg_out_retries_within(hg_output_t *out, uint64_t ms); /* as hg_in_retries_within */
void hg_out_healthy(hg_output_t *out);
void hg_out_stopped(hg_output_t *out);
void hg_out_closed(hg_output_t *out);
void hg_out_work(hg_output_t *out, void (*work)(void *arg, unsigned worker), void (*done)(void *arg), void *arg);

/* --- registry: connectors/registry.c, one line per connector --- */
const hg_input_type_t *hg_input_type_find(hg_str_t name);
const hg_output_type_t *hg_output_type_find(hg_str_t name);
const hg_input_type_t *const *hg_input_types(uint32_t *ret_n);
const hg_output_type_t *const *hg_output_types(uint32_t *ret_n);

#endif
