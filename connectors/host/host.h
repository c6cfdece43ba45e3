/* host.h: runs connectors for anyone (a pipeline; later the Iggy runtime): loops, lanes, queues, parser and encoder
 * pool, retries, health, counters. Knows no table: it hands out change batches and takes deltas.
 *
 * Threads. The owner's control loop makes and commands endpoints; the host passes the command to the endpoint's I/O
 * loop. Events come back as callbacks on the control loop. The circuit thread takes input with hg_host_take() and gives
 * output with hg_output_push(). Parsing and encoding happen on the pool; chunks are put back in order per lane.
 *
 *   I/O loop: transport → lane → split → chunk ─► pool: parse ─► ready queue (ordered) ─► circuit: hg_host_take
 *   circuit: hg_output_push ─► output queue ─► pool: encode (in step order) ─► I/O loop: transport ─► delivered(step)
 *
 * Byte budget: one per host over all queues (engine.md §5). Inputs may hold at most half of it; a lane leases before it
 * reads and at most one oversize object is in flight. An endpoint also has Feldera's limits (max_queued_records,
 * _bytes). When a limit is reached the host holds the transport (Extend/Pause edges), and runs it again below it.
 */
#ifndef HG_CONNECTORS_HOST_HOST_H
#define HG_CONNECTORS_HOST_HOST_H

#include "connectors/spec.h"
#include "data/hash.h"

typedef struct hg_host hg_host_t;
typedef struct hg_chunk hg_chunk_t;

typedef struct hg_host_opts {
    unsigned io_loops;     /* 0 = one per core */
    unsigned pool_threads; /* 0 = one per core */
    uint64_t budget_bytes; /* 0 = 8 MiB */
    hg_loop_t *control;
    uint64_t max_record_bytes; /* the longest record that is accepted; 0 = 128 MiB. One above 256 KiB is read alone */
    const char *durable_name;  /* pipeline's name, for hg_out_durable_id; NULL = "pipeline" */
    bool exactly_once;         /* outputs: transactions. Implies journal and keep_owed */
    bool journal;      /* every step goes to a journal: nothing of step n leaves that could not be taken back, before
                          hg_host_durable(n); chunks tell what a replay needs (raw_hash, start) */
    bool keep_owed;    /* outputs keep each delta until the sink has it: hg_output_owed() */
    bool keep_payload; /* push endpoints, and connectors with "journal": "payload": chunks keep their raw bytes for the
                          journal (hg_chunk_t.raw) */
} hg_host_opts_t;

/* Callbacks, all on the control loop; conn is the tag given at creation. */
typedef struct hg_host_events {
    void (*opened)(void *arg, uint32_t conn);
    void (*ended)(void *arg, uint32_t conn);
    void (*buffered)(void *arg, uint32_t conn, bool some); /* edges only; `ended` never overtakes the data before it */
    void (*failed)(void *arg, uint32_t conn, const hg_err_t *err);
    void (*marked)(void *arg, uint32_t conn, const char *mark_json);
    void (*mark_failed)(void *arg, uint32_t conn, const hg_err_t *err);
    void (*closed)(void *arg, uint32_t conn);
    void (*output_closed)(void *arg, uint32_t out);
    /* Failed for good; err->retry: a new instance in its place may do better (hg_output_hand_over). */
    void (*output_failed)(void *arg, uint32_t out, const hg_err_t *err);
    /* Any thread. Input is ready to take, or an output has room or delivered: wake the circuit. Cheap and idempotent.
     */
    void (*wake)(void *arg);
    void *arg;
} hg_host_events_t;

hg_host_t *hg_host_new(const hg_host_opts_t *opts, const hg_host_events_t *events);
void hg_host_free(hg_host_t *h);                      /* control loop; all endpoints closed */
hg_loop_t *hg_host_io_loop(hg_host_t *h, unsigned i); /* i mod number of loops */
unsigned hg_host_io_loops(const hg_host_t *h);
hg_pool_t *hg_host_pool(hg_host_t *h);

/* --- endpoints: control loop ---
 * schema/defaults/hash describe the table (borrowed for the endpoint's life); key hashes are filled when schema->key is
 * set. */
typedef struct hg_table_env {
    const hg_schema_t *schema;
    hg_col_t *const *defaults;
    hg_hashkey_t hashkey;
    hg_col_t *const *deleted; /* defaults of rows that connectors with soft_delete are told to delete */
    /* Of DEFAULTs that read CONNECTOR_METADATA(): cols[i] has a row per row of meta (a VARIANT column), NULL where the
     * constant stands; all are the caller's. Pool thread. HG_EEVAL: of some row it is not to be computed. NULL: no
     * DEFAULT reads it. */
    int (*from_metadata)(void *arg, hg_col_t *meta, hg_col_t **cols, hg_err_t *err);
    void *arg;
} hg_table_env_t;

/* Makes the instance; opens nothing. */
int hg_input_new(hg_host_t *h, const hg_conn_spec_t *spec, uint32_t conn, const hg_table_env_t *env, hg_input_t **ret,
                 hg_err_t *err);
void hg_input_open(hg_input_t *in); /* → opened | failed */
void hg_input_mark(hg_input_t *in); /* → marked | mark_failed (then retried by the host with backoff) */
void hg_input_run(hg_input_t *in);
void hg_input_hold(hg_input_t *in);
void hg_input_close(hg_input_t *in); /* → closed; queued chunks that were not taken are dropped */
void hg_input_free(hg_input_t *in);  /* after closed */
int hg_input_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err); /* before open */
/* The position after everything that chunks done so far covered: done(arg, one JSON object, or empty) on the control
 * loop. HG_POSITION_LOST: there is one, but it could not be written (no memory, more than 1 MiB). That is not "from the
 * beginning". */
#define HG_POSITION_LOST ((hg_str_t){ NULL, SIZE_MAX })
static inline bool hg_position_lost(hg_str_t position)
{
    return position.n == SIZE_MAX;
}
void hg_input_save(hg_input_t *in, void (*done)(void *arg, hg_str_t position), void *arg);
/* Tell the transport that this position (as saved) is durable. */
void hg_input_commit(hg_input_t *in, hg_str_t position);

/* --- counters over a restart ---
 * Any thread; from the circuit thread between two steps they belong to the same cut as hg_input_save: records, bytes,
 * parse errors (with their texts) and events of the chunks that are done, and the transport's errors so far. Cheap.
 * Caller frees. */
typedef struct hg_input_counters hg_input_counters_t;
hg_input_counters_t *hg_input_counters(hg_input_t *in);
void hg_input_counters_json(const hg_input_counters_t *c, hg_jw_t *w); /* one object */
void hg_input_counters_free(hg_input_counters_t *c);
/* Control loop, before hg_input_open, or instead of it: all counters, and whether it has ended, go on from there.
 * HG_EPARSE: the input is as it was. */
int hg_input_restore_counters(hg_input_t *in, const hg_json_t *counters, hg_err_t *err);
void hg_input_go_on(hg_input_t *in, const hg_input_counters_t *c); /* the same, without JSON between */

/* What kinds of promise this endpoint can keep: REPLAY → exactly once; save and restore → at least once. */
typedef enum { HG_FT_NONE, HG_FT_AT_LEAST_ONCE, HG_FT_EXACTLY_ONCE } hg_ft_t;
hg_ft_t hg_input_ft(const hg_input_type_t *type);

/* --- replay: control loop, before hg_input_open ---
 * The journal's cuts of one input in the order in which they were taken. The lane with that key then cuts exactly
 * there, ignoring size limits, and stops behind its last cut until hg_input_replay_end. A chunk whose hash or number of
 * records differs fails the input with HG_EREPLAY: connector, range, what was expected. Lanes without cuts deliver
 * nothing. */
typedef struct hg_replay_cut {
    uint64_t lane_key, begin, end, records, raw_hash;
} hg_replay_cut_t;
int hg_input_replay(hg_input_t *in, const hg_replay_cut_t *cuts, uint32_t n, hg_err_t *err);
void hg_input_replay_end(hg_input_t *in); /* control loop: from here as usual */
/* Who keeps payload: hg_chunk_t.raw of one chunk again, as one chunk (the same records and parse errors; errors are
 * numbered from its beginning). Any thread but a loop's. */
int hg_push_replay(hg_input_t *in, hg_str_t raw, hg_err_t *err);
/* Circuit thread: the chunk of this connector with this lane and range, if it is ready (from a push endpoint: the next
 * one). false: not yet, `wake` will come. */
bool hg_host_take_exact(hg_host_t *h, uint32_t conn, uint64_t lane_key, uint64_t begin, uint64_t end, hg_chunk_t **ret);

/* Any thread. Steps up to this one are in the journal: outputs may make them final. Only with `journal`; also after
 * a restore, for the steps that came from the checkpoint and the journal. Does not go back. */
void hg_host_durable(hg_host_t *h, uint64_t step);

int hg_output_new(hg_host_t *h, const hg_conn_spec_t *spec, uint32_t out, const hg_schema_t *schema, hg_output_t **ret,
                  hg_err_t *err);
/* Before hg_output_start: whose the endpoint is, as pipelines of one name on several servers may share a sink
 * (hg_out_durable_id), and which life of it this is. A sink that keeps the number of its last step keeps it
 * for one life: what an earlier one wrote under the same name says nothing about the steps of this one. The same over
 * restarts, until the output starts afresh. Default 0. */
void hg_output_life(hg_output_t *out, uint64_t owner, uint64_t life);
/* Any thread: the columns of its index; *ret_n 0: it has none. */
const uint32_t *hg_output_index(const hg_output_t *out, uint32_t *ret_n);
void hg_output_start(hg_output_t *out); /* a tap: any thread; chunks come from now on */
/* User pause of an output: while set, its batches are thrown away and count as delivered. Returns the last step that
 * was pushed before. */
uint64_t hg_output_pause(hg_output_t *out, bool paused);
bool hg_output_paused(const hg_output_t *out); /* by the newest word */
/* Before the circuit pushes, oldest first: a word of the user that was given when `step` had been pushed, in steps that
 * are now pushed again: it counts for those behind. hg_output_pause revokes what is still to come. */
void hg_output_pause_after(hg_output_t *out, uint64_t step, bool paused);
/* Control loop. Those steps are done: what is still to come of these words counts now. */
void hg_output_heed(hg_output_t *out);
/* Control loop. next stands in for out: it is paused as out is, or will be. */
void hg_output_pause_as(hg_output_t *next, hg_output_t *out);
/* --- durable progress ---
 * Any thread, after the circuit has pushed `step`. done(arg, state): on the control loop, once every step <= `step` is
 * delivered; state is a JSON object for hg_output_restore ({"step":…,"position":…,counters}). Empty: the output is
 * closed or failed for good before that. One at a time per output; a new call replaces the one before (done with
 * empty). Where the sink took later steps in one batch with this one, or went past it long ago, the state is that of
 * the later step and has it as "through": exactly once then leaves the steps up to it out, at least once repeats them.
 */
void hg_output_save(hg_output_t *out, uint64_t step, void (*done)(void *arg, hg_str_t state), void *arg);
/* The deltas of steps <= `step` that are not delivered, oldest first: fn(arg, step, delta) with the delta borrowed, of
 * a group once per piece. Any thread. What is being written right now counts as not delivered. The answer is the state
 * to restore beneath them. Without keep_owed a failed output owes nothing: its state is where it failed.
 * HG_EUNSUPPORTED without keep_owed, unless all is delivered. */
int hg_output_owed(hg_output_t *out, uint64_t step,
                   int (*fn)(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err), void *arg, hg_jw_t *state,
                   hg_err_t *err);
/* Control loop, before hg_output_start. Counters and recent errors go on from there; the sink is cut back when it
 * starts. HG_EPARSE: the output is as it was. */
int hg_output_restore(hg_output_t *out, const hg_json_t *state, hg_err_t *err);
/* The same without the sink: it starts afresh, only its counters and recent errors go on. */
int hg_output_restore_counters(hg_output_t *out, const hg_json_t *state, hg_err_t *err);
/* Circuit thread: `next`, made for the same connector and not started yet, takes the place of a failed one: its
 * counters, the sink's position, and with keep_owed everything that is not delivered. afresh: only the counters. step,
 * processed: of the circuit now. The old one is then to be stopped. */
int hg_output_hand_over(hg_output_t *old, hg_output_t *next, bool afresh, uint64_t step, uint64_t processed,
                        hg_err_t *err);
/* Drain what is queued, then disconnect and close; now: without draining. → output_closed */
void hg_output_stop(hg_output_t *out, bool now);
void hg_output_free(hg_output_t *out);

/* --- circuit thread --- */

/* One chunk, parsed. The taker owns it: hg_chunk_done() after the step that consumed it (frees budget and counters). */
struct hg_chunk {
    hg_input_t *in;
    uint32_t conn;
    hg_change_t *change; /* NULL: no rows (only bad records, only a flag) */
    uint64_t records, bytes;
    hg_range_t ranges[4]; /* lane ranges, n_ranges of them */
    uint32_t n_ranges;
    bool barrier, txn_begin, txn_end, eoi;
    uint64_t raw_hash; /* XXH3 of its raw bytes; of a change batch: of its cells; only with `journal` */
    uint64_t lane_key; /* of the lane it came on (hg_lane_open_key) */
    hg_str_t raw;   /* keep_payload: for hg_push_replay: the bytes it was parsed from and a mark, until hg_chunk_done */
    hg_str_t after; /* raw, of a connector: the position behind this chunk and all taken before it (JSON) */
    hg_str_t start; /* hg_chunk_claim_start() */
    int64_t ingested_us;
};

/* Take chunks round-robin over ready inputs until max_rows rows are reached (at least one chunk if any is ready),
 * respecting each input's max_batch_size. Returns how many were written to ret (<= room). Never blocks. only_running:
 * skip nothing today (a paused input's buffered data is still taken: pause stops reading, not draining). */
uint32_t hg_host_take(hg_host_t *h, uint64_t max_rows, hg_chunk_t **ret, uint32_t room);
/* Circuit thread, with `journal`, for each chunk of a range in the order in which the journal has them: the first one
 * of a connector's instance gets the position at which the instance began (JSON) as `start`; of all others it is empty.
 * Not the first that was cut: chunks of several lanes overtake each other while they are parsed. */
void hg_chunk_claim_start(hg_chunk_t *c);
/* After the step: counters go from buffered to processed, memory returns, `buffered(conn, false)` follows when it was
 * the last. */
void hg_chunk_done(hg_chunk_t *c);
/* Circuit thread: an input whose chunk with txn_end was taken gives no more until this. */
void hg_host_transaction_over(hg_host_t *h);
/* Any thread. The number of the transaction that is open, or of the next one. */
uint64_t hg_host_transaction(hg_host_t *h);
/* Before open: the instance before this one has begun its part of that transaction. over: and committed it, so this one
 * gives nothing until that is over; else it goes on in the middle. */
void hg_input_part(hg_input_t *in, uint64_t transaction, bool over);
/* Any thread. From here on no input begins a transaction: it gives nothing more where it would. True: some have begun
 * one before, and may have to end it. Then, when all have: what those that give nothing more have ready is dropped, as
 * if it had not been read. */
bool hg_host_last_transactions(hg_host_t *h);
void hg_host_drop_held(hg_host_t *h);
/* Any thread. Is there something to take? */
bool hg_host_ready(const hg_host_t *h);
uint64_t hg_host_buffered_records(const hg_host_t *h);
/* Any thread. What inputs (chunk buffers and parsed rows) and output queues hold of the byte budget. */
uint64_t hg_host_input_bytes(const hg_host_t *h);
uint64_t hg_host_output_bytes(const hg_host_t *h);

/* Queue a step's delta for an output (takes over the delta's parts; empty deltas advance progress only). Never blocks;
 * before each step the circuit asks hg_output_full() of every output and waits for `wake` while one is. */
void hg_output_push(hg_output_t *out, uint64_t step, hg_delta_t *delta, uint64_t total_processed_input_records);
bool hg_output_full(const hg_output_t *out);
/* A step's changes that are too many to hold in memory: whoever has them hands them out piece by piece. Counted; the
 * last drop calls `free`. */
typedef struct hg_group hg_group_t;
struct hg_group {
    atomic_uint refs;
    uint64_t rows;
    /* Any thread, several readers at once, each with a cursor of its own that begins at 0. The pieces in the order in
     * which they are encoded: all rows with negative weight before the others; for an output with an index, the rows of
     * one key together. *ret is empty behind the last. */
    int (*next)(hg_group_t *g, uint64_t *cursor, hg_delta_t *ret, hg_err_t *err);
    /* Any thread: `next` has failed with this error, and nothing else can give the rows. */
    void (*lost)(hg_group_t *g, const hg_err_t *err);
    void (*free)(hg_group_t *g);
};
hg_group_t *hg_group_retain(hg_group_t *g);
void hg_group_drop(hg_group_t *g); /* NULL is fine */
/* As hg_output_push; the group is shared. To the sink it is one batch, read as it is encoded; the output buffer is
 * flushed before it, not merged with it. */
void hg_output_push_group(hg_output_t *out, uint64_t step, hg_group_t *g, uint64_t total_processed_input_records);
/* As hg_output_push, for the initial content of a relation (send_snapshot), in as many parts as wanted: bypasses the
 * output buffer, taps see it flagged. To a sink all parts are one batch, until hg_output_end_snapshot; they are never
 * owed, since who has the relation can make them again. */
void hg_output_push_snapshot(hg_output_t *out, uint64_t step, hg_delta_t *delta,
                             uint64_t total_processed_input_records);
void hg_output_end_snapshot(hg_output_t *out, uint64_t step, uint64_t total_processed_input_records);
/* Any thread: has the sink not confirmed all parts yet? */
bool hg_output_snapshot_owed(const hg_output_t *out);
/* Any thread: all steps <= this are with the sink (UINT64_MAX - 1 when it failed and keeps nothing: it holds nobody
 * up). */
uint64_t hg_output_delivered_step(const hg_output_t *out);
/* When (wall clock, microseconds) it had delivered everything up to this step, as far as it remembers: 0 if that was
 * not confirmed by its sink. Any thread. */
int64_t hg_output_delivered_us(const hg_output_t *out, uint64_t step);

/* --- HTTP push (ingress) and change streams (egress): any I/O loop serves the connection --- */

/* A push endpoint of a table: behaves like an input connector that was `run`. Bodies are lanes. */
int hg_push_new(hg_host_t *h, const char *endpoint, uint32_t conn, const hg_table_env_t *env,
                const hg_format_type_t *format, const void *format_cfg, hg_arena_t *cfg_arena, hg_input_t **ret,
                hg_err_t *err);

/* One request body on loop `on`. Parse errors of this body are collected (the first 1000) for the answer. */
typedef struct hg_push_body hg_push_body_t;
typedef struct hg_push_ops {
    void (*room)(void *arg); /* on the body's loop: after HG_LANE_FULL, go on */
    /* All that was given is parsed and queued (or refused). records: accepted. errors: n_errors in all, JSON array of
     * the first ones (ParseError objects, connectors D1.2). total_records: endpoint total, for the completion token. */
    void (*done)(void *arg, uint64_t records, uint64_t n_errors, hg_str_t errors_json, uint64_t total_records);
    void *arg;
    bool force; /* take data although the endpoint is held */
} hg_push_ops_t;
hg_push_body_t *hg_push_begin(hg_input_t *in, hg_loop_t *on, const hg_push_ops_t *ops);
int hg_push_data(hg_push_body_t *b, const char *p,
                 size_t n);                        /* HG_LANE_OK | HG_LANE_FULL | negative (oversize record, memory) */
void hg_push_end(hg_push_body_t *b, bool aborted); /* → done, also when aborted: whole records before the cut count */

/* A subscriber (egress): an output like any other, whose encoded bytes go to call-backs on loop `on` instead of a
 * transport. chunk returns false when it cannot take more now; the host then waits for hg_tap_more(). The data of that
 * call was taken. With backpressure the circuit waits for a slow subscriber (hg_output_full); without, batches that
 * find its queue full are dropped and counted. The endpoint appears in stats under `endpoint` until it is freed. */
typedef struct hg_tap_ops {
    bool (*chunk)(void *arg, uint64_t step, hg_str_t bytes, uint64_t records, bool snapshot);
    /* All chunks of the steps up to this one were given; snapshot: of a part of the snapshot. Where the host works
     * exactly once those steps are durable. May be NULL. */
    void (*step_done)(void *arg, uint64_t step, bool snapshot);
    void (*closed)(void *arg); /* on `on`, last call */
    void *arg;
} hg_tap_ops_t;
int hg_tap_new(hg_host_t *h, const char *endpoint, uint32_t out, const hg_schema_t *schema,
               const hg_format_type_t *format, const void *format_cfg, hg_arena_t *cfg_arena, bool backpressure,
               hg_loop_t *on, const hg_tap_ops_t *ops, hg_output_t **ret, hg_err_t *err);
void hg_tap_more(hg_output_t *out); /* loop `on` */
/* Loop `on`, inside chunk(): batches dropped so far before this chunk (no backpressure and its queue was full). */
uint64_t hg_tap_dropped(const hg_output_t *out);

/* --- counters: any thread, a consistent copy per endpoint --- */
/* Upper edges of the buckets of latencies, in microseconds; what is above the last one is in one more. */
#define HG_LATENCY_EDGES 12
extern const uint64_t hg_latency_edges[HG_LATENCY_EDGES];
typedef struct hg_latency_sum {
    uint64_t n[HG_LATENCY_EDGES + 1], us; /* samples per bucket; the sum of all */
} hg_latency_sum_t;
void hg_latency_sum_add(hg_latency_sum_t *l, uint64_t us);

typedef struct hg_input_stats {
    uint64_t total_bytes, total_records, buffered_records, buffered_bytes, num_transport_errors, num_parse_errors;
    uint64_t processed_records, processed_bytes; /* taken and stepped */
    bool end_of_input, failed, barrier;
    uint64_t p99_micros;      /* 0 = no sample */
    hg_latency_sum_t latency; /* from read to stepped, per chunk */
    uint64_t done, total;     /* progress in the transport's unit; total 0 = unknown */
    char fatal[512];          /* "" = none */
    char health[384];         /* description; "" = nothing reported */
    bool unhealthy;
    char mark[256]; /* mark as JSON, "" = none */
} hg_input_stats_t;
typedef struct hg_output_stats {
    uint64_t transmitted_records, transmitted_bytes, queued_records, queued_batches, buffered_records, buffered_batches;
    uint64_t num_encode_errors, num_transport_errors, total_processed_input_records, total_processed_steps, memory;
    char fatal[512], health[384];
    bool unhealthy, failed;
} hg_output_stats_t;
void hg_input_get_stats(const hg_input_t *in, hg_input_stats_t *ret);
/* The same without what takes long with many thousands of inputs: no texts (they are ""), no latency. */
void hg_input_get_counts(const hg_input_t *in, hg_input_stats_t *ret);
void hg_output_get_stats(const hg_output_t *out, hg_output_stats_t *ret);
/* Error lists as Feldera's ConnectorError arrays (newest 100 per tag, sorted by index). which: 0 transport, 1 parse /
 * encode. */
void hg_input_errors_json(const hg_input_t *in, int which, hg_jw_t *w);
void hg_output_errors_json(const hg_output_t *out, int which, hg_jw_t *w);

#endif
