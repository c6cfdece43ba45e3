/* sink_int.h: a sink's lanes: what their threads (sink.c) and their consumers (sink_feed.c) share. */
#ifndef HG_IGGY_RUNTIME_SINK_INT_H
#define HG_IGGY_RUNTIME_SINK_INT_H

#include "headgate/iggy_plugin.h"
#include "iggy/runtime/runtime_int.h"

/* What a poll's messages are in; two items have some of it each when a poll is split. */
typedef struct hg_memory {
    _Atomic unsigned refs;
    char *p;
} hg_memory_t;

typedef struct hg_piece { /* of an item: (a part of) a poll */
    struct hg_piece *next;
    hg_memory_t *memory;
    hg_iggy_messages_t messages;
} hg_piece_t;

/* What a poll gave of one partition, or what was gathered of several. */
typedef struct hg_item {
    struct hg_item *next; /* in the lane's queue, or of those that are gathered */
    uint32_t partition, count;
    uint64_t last, newest;           /* offsets: of its last message, of the partition's */
    hg_place_t place;                /* its last message, once it is decoded */
    hg_piece_t *pieces, *pieces_end; /* one at least */
    uint64_t bytes, since_ms;        /* while it is gathered */
    bool stale;                      /* under bell.lock: the partition is not ours any more */
} hg_item_t;

typedef struct hg_entry {
    hg_iggy_message_t m;
    hg_payload_t payload;
    hg_str_t out;
    uint32_t headers_at, n_headers;
    bool rejected; /* the plugin left it out */
    size_t why;    /* in reasons; SIZE_MAX: there was no memory for it */
} hg_entry_t;

/* A batch on its way. One is with the plugin while the next is made; where the plugin stops at a gate, a third is made
 * while the first is being stored and the second stands there. */
#define HG_PREPS 3u
typedef struct hg_prep {
    hg_item_t *item; /* written under bell.lock; NULL: the place is free */
    unsigned slot;   /* batches take them in turn */
    int rc;          /* of preparing it: what it failed with comes behind the end of those before it */
    hg_err_t err;
    hg_scratch_t *scratch;
    hg_entry_t *v; /* n of them go to the plugin; the run at..run_end is in the slot */
    uint32_t n, cap, at, run_end;
    hg_rt_headers_t headers;
    hg_dead_t *dead; /* of at most cap */
    uint32_t n_dead;
    hg_plugin_batch_t call;
    uint32_t n_rejected; /* of the run, by this attempt */
    hg_buf_t reasons;    /* NUL-ended texts */
    int64_t began_ns, given_ns, decode_ns, prepare_ns, ffi_ns;
} hg_prep_t;

/* A partition for which the server has no offset and we remember one: its first batch shows whether it is the same. */
typedef struct hg_check {
    struct hg_check *next;
    uint32_t partition;
    hg_place_t place;
} hg_check_t;

struct hg_sink;
typedef struct hg_lane {
    struct hg_sink *sink;
    hg_run_t *run;
    const hg_iggy_stream_config_t *stream;
    const char *topic;
    const hg_codec_t *codec;
    pthread_t thread;
    hg_plugin_lane_t *lane;
    hg_prep_t prep[HG_PREPS];
    unsigned slot;    /* of the newest */
    hg_run_how_t how; /* once over */
    hg_err_t err;

    iggy_sink_wants_t wants; /* all 0: a batch is what a poll brings */

    hg_places_t *places; /* NULL: offsets are stored with the poll */

    hg_iggy_consumer_t *consumer; /* I/O loop, with the next four */
    hg_check_t *checks;
    bool paused;     /* because the queue is full */
    hg_item_t *open; /* being gathered, one per partition */
    uv_timer_t gather;
    /* under bell.lock */
    bool over, closed;
    hg_item_t *first, *last;
    unsigned queued;
    bool asked;     /* the connection has the request */
    bool committed; /* the answer is there */
    bool stored;    /* and says yes */
    bool fatal;     /* nothing will come any more */
    hg_err_t fatal_err;
    hg_item_t *committing;
    const hg_item_t *gated; /* the plugin has it, behind its gate, until committing is stored */
    bool passed;            /* what became of that */
} hg_lane_t;

typedef struct hg_sink {
    hg_run_t *run;
    hg_lane_t *lanes;
    uint32_t n;
} hg_sink_t;

/* sink_feed.c; the lane's thread. */
void hg_feed_open(hg_lane_t *l);
void hg_feed_close(hg_lane_t *l); /* waits; commits that are under way finish */
/* sink.c: no batch is under way and none has come for a while. The lane's thread. */
void hg_lane_rest(hg_lane_t *l);
/* The next batch into p->item; false: it is over, or there is none now and `wait` is not set. */
bool hg_feed_take(hg_lane_t *l, hg_prep_t *p, bool wait);
bool hg_feed_is_over(hg_lane_t *l); /* told to stop, or the connection will not come back and all is taken */
bool hg_feed_is_stale(hg_lane_t *l, const hg_item_t *item);
/* Stores the offset of the batch's last message; hg_feed_stored waits for the answer. One that fails is said, no more:
 * the batch comes again. gated (or NULL): the batch behind it, which the plugin has been given gated, passes on the
 * answer, or it does not, because it is not wanted any more: false. */
void hg_feed_store(hg_lane_t *l, hg_item_t *item, const hg_item_t *gated);
bool hg_feed_stored(hg_lane_t *l);
void hg_feed_free(hg_item_t *item);               /* any thread */
void hg_feed_push(hg_lane_t *l, hg_item_t *item); /* I/O loop: a batch is there */

/* sink_gather.c; I/O loop. */
/* The messages of a poll behind its first n, as an item of their own over the same memory. */
hg_item_t *hg_item_split(hg_item_t *item, uint32_t n);
void hg_gather_open(hg_lane_t *l);
void hg_gather_add(hg_lane_t *l, hg_item_t *item); /* what a poll gave */
void hg_gather_drop(hg_lane_t *l, const uint32_t *partitions, uint32_t n);
void hg_gather_close(hg_lane_t *l, uv_close_cb closed);

#endif
