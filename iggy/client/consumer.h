/* consumer.h: messages of one topic, polled; offsets are stored when the owner says so.
 *
 * Alone (a consumer with a name or number) it reads the partitions it is told to, as a member of a group those that the
 * server gives it. Everything on the loop's thread.
 *
 * A group's member: assigned(…) ─► batches ─► revoked(…) ─► assigned(…) …
 *   - After `revoked` no batch of those partitions comes. Another member starts behind the offset that is stored, so
 *     store what is done, from within `revoked` at best, and forget the rest: it will be delivered there.
 *   - After a lost connection everything is revoked (nothing can be stored for it any more), then assigned anew.
 * With the classic protocol the server picks the partition poll by poll: one is `assigned` when it first shows up,
 * `start` means nothing, and the next messages of a partition come when the ones before are committed.
 *
 * After a lost connection a consumer that is alone goes on behind the last batch it has delivered. */
#ifndef HG_IGGY_CLIENT_CONSUMER_H
#define HG_IGGY_CLIENT_CONSUMER_H

#include "iggy/client/client.h"

/* Where the first poll of a partition starts. Beyond hg_iggy_from_t: */
#define HG_IGGY_MANY_BYTES ((uint64_t)1 << 20)
#define HG_IGGY_END        ((hg_iggy_from_t)6) /* behind the newest message: only what comes from now on */

typedef struct hg_iggy_consumer_opts {
    hg_iggy_id_t stream, topic;     /* copied */
    hg_iggy_consumer_id_t consumer; /* copied; a group is created (if it has a name) and joined */
    const uint32_t *partitions;     /* alone: which; copied; n 0: all, also those that are added later */
    uint32_t n_partitions;
    /* Of the first poll of a partition. NEXT: as stored. The others: alone whatever is stored, in a group when nothing
     * is, as its members come and go. */
    hg_iggy_strategy_t start;
    uint32_t batch_count; /* messages per poll; 0: 1000 */
    /* While messages are so small that an answer with so many of them has no more than HG_IGGY_MANY_BYTES: instead. A
     * connection has one request in flight, and what is stored meanwhile waits for a poll, not for each of several. */
    uint32_t many_count;
    /* VSR, a member of a group, not auto_commit: a poll behind one that brought messages goes over a connection of its
     * own, so that what is stored does not wait for it. The server does not know it for the member's: that a partition
     * has gone to another is told by what cannot be stored for it (hg_iggy_consumer_sync). */
    bool apart;
    /* Wait when no partition had anything, 0: 5. When that goes on it grows to an eighth of the time for which nothing
     * came, at most 200 ms (more than four partitions: 50 ms for each, at most 1 s), or poll_ms where that is more. */
    uint64_t poll_ms;
    bool create; /* a stream and topic that are missing (and have names) */
    uint32_t create_partitions;
    bool wait_topic;  /* a topic that is missing: try again every retry_ms (down says so); otherwise fatal */
    bool auto_commit; /* the server stores while it answers: at most once */
} hg_iggy_consumer_opts_t;

typedef struct hg_iggy_delivered {
    uint32_t partition;
    uint32_t count;               /* 0: the partition has nothing more for now; told once, until it has */
    uint64_t first, last;         /* offsets of count > 0 */
    uint64_t end;                 /* one behind the partition's newest message when it was polled; 0: it has none */
    hg_iggy_messages_t messages;  /* borrowed for the call-back, unless taken */
    const hg_iggy_reply_t *reply; /* for hg_iggy_take */
} hg_iggy_delivered_t;

typedef struct hg_iggy_consumer hg_iggy_consumer_t;

typedef struct hg_iggy_consumer_ops {
    void (*ready)(void *arg, const hg_iggy_server_t *server); /* connected; a group: joined */
    void (*down)(void *arg, const hg_err_t *err);
    void (*fatal)(void *arg, const hg_err_t *err);
    /* May be NULL. n > 0. Alone: once per partition that exists. */
    void (*assigned)(void *arg, const uint32_t *partitions, uint32_t n);
    void (*revoked)(void *arg, const uint32_t *partitions, uint32_t n);
    /* May be NULL. Between assigned and the first poll: where this partition starts, instead of opts.start. A member of
     * a group is asked when nothing is stored, in a group that it has not just made. */
    hg_iggy_strategy_t (*start)(void *arg, uint32_t partition);
    /* Messages of one partition, in order, without a gap the server does not have. May pause, seek, commit, close. */
    void (*batch)(void *arg, const hg_iggy_delivered_t *d);
} hg_iggy_consumer_ops_t;

hg_iggy_consumer_t *hg_iggy_consumer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_consumer_opts_t *opts, const hg_iggy_consumer_ops_t *ops,
                                          void *arg);

/* No further poll; the batch of one that is in flight still comes. Starts running. */
void hg_iggy_consumer_pause(hg_iggy_consumer_t *c);
void hg_iggy_consumer_resume(hg_iggy_consumer_t *c);

/* Everything up to and with `offset` of the partition is done: stored at the server. done (may be NULL) hears how it
 * went. While down HG_EAGAIN: alone, store again after ready; a group's member has lost the partition anyway. */
int hg_iggy_consumer_commit(hg_iggy_consumer_t *c, uint32_t partition, uint64_t offset, hg_iggy_done_fn done, void *arg,
                            hg_err_t *err);
/* The server says that a partition is not ours: asks for what is. Nothing is polled until the answer. */
void hg_iggy_consumer_sync(hg_iggy_consumer_t *c);
/* The next poll of this partition starts there; a batch in flight is dropped. HG_ENOTFOUND: not ours. */
int hg_iggy_consumer_seek(hg_iggy_consumer_t *c, uint32_t partition, hg_iggy_strategy_t to, hg_err_t *err);
void hg_iggy_consumer_rest(hg_iggy_consumer_t *c); /* hg_iggy_rest */
/* For everything else: offsets, topics. */
hg_iggy_t *hg_iggy_consumer_client(hg_iggy_consumer_t *c);

/* Stops polling, lets commits that are under way finish, leaves the group, closes. closed: last, always later. Bounded
 * by the connection's request_ms; no other call-back but those commits' comes any more. */
void hg_iggy_consumer_close(hg_iggy_consumer_t *c, void (*closed)(void *arg), void *arg);

#endif
