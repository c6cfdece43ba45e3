/* plugin.h: plugins at work: instances of connectors in shared libraries (include/headgate/iggy_plugin.h), in this
 * process or, by default, in one of their library's own.
 *
 *   hg_plugin_open ─► source: start ─► events.batch … result …            ─► close
 *                 └─► sink:   lane_open ─► room, consume, consumed … ─► lane_close ─► close
 *
 * The same calls for both. A library's process lives as long as it has open instances, serves all of them, and ends
 * with this one, however that ends. When it dies by itself every call under way answers HG_ECLOSED, events.died comes
 * once per instance, and only close makes sense any more; the next open starts a new process. Libraries are never
 * unloaded: a fresh one needs a fresh process.
 *
 * Threads. Calls block (open for as long as the plugin likes) and come from any thread but one that is inside an event
 * or a plugin's call-back; per instance one of open, start, result, close at a time, per lane one. Hold no lock across
 * a call that an event takes.
 */
#ifndef HG_IGGY_PLUGIN_PLUGIN_H
#define HG_IGGY_PLUGIN_PLUGIN_H

#include "base/buf.h"
#include "base/err.h"
#include "headgate/iggy_plugin.h"

typedef enum { HG_PLUGIN_SOURCE, HG_PLUGIN_SINK } hg_plugin_kind_t;

/* A library's path as configured ("name", "dir/name.so") to the file it stands for: what is given if it exists, else
 * its file name next to the executable, in the working directory, and where the system has libraries. HG_ENOTFOUND: the
 * message lists the places. */
int hg_plugin_resolve(const char *path, hg_buf_t *ret, hg_err_t *err);

typedef struct hg_plugins hg_plugins_t;
typedef struct hg_plugin hg_plugin_t;

/* From a thread of the plugin or of this folder. Must not block, nor call into a plugin. */
typedef struct hg_plugin_events {
    /* bytes: for the call, and another process may change them meanwhile: copied before they are looked at. 0: taken,
     * one result follows; else refused. */
    int (*batch)(void *arg, uint64_t batch_id, hg_str_t bytes);
    void (*ended)(void *arg);                 /* the source says that it has nothing more */
    void (*died)(void *arg, const char *how); /* "killed by signal 9"; never in this process */
} hg_plugin_events_t;

/* What plugins log belongs to a library, not to an instance. level: IGGY_LOG_*; path: of the
 * library, NULL where that is not known (in this process). Any thread. */
typedef void (*hg_plugin_log_fn)(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text);

/* program: the executable whose `iggy-plugin` hosts libraries; NULL: this one. Copied. */
hg_plugins_t *hg_plugins_new(const char *program, hg_plugin_log_fn log, void *arg);
void hg_plugins_free(hg_plugins_t *ps); /* all instances are closed */
/* Any thread: processes that still run are killed, for a stop that has waited long enough. */
void hg_plugins_kill(hg_plugins_t *ps);
/* How many processes host libraries, and what is resident of them. Any thread. */
void hg_plugins_memory(hg_plugins_t *ps, unsigned *ret_n, uint64_t *ret_bytes);

typedef struct hg_plugin_spec {
    hg_plugin_kind_t kind;
    bool process;     /* false: in this one */
    const char *path; /* resolved */
    uint32_t id;      /* never used before in this process */
    hg_str_t config;  /* JSON text */
    hg_str_t state;   /* n 0: none */
} hg_plugin_spec_t;

/* HG_EINVAL: the plugin's own open refused (1); HG_EUNSUPPORTED: the library lacks a function; HG_EIO: it cannot be
 * loaded; HG_ECLOSED: it died over it. */
int hg_plugin_open(hg_plugins_t *ps, const hg_plugin_spec_t *spec, const hg_plugin_events_t *events, void *arg,
                   hg_plugin_t **ret, hg_err_t *err);
const char *hg_plugin_version(const hg_plugin_t *p); /* the library's; lives with p */
/* After it no event comes any more, and p is gone. Waits for calls under way (not for longer than grace_ms: then its
 * process is killed, with all that are in it). */
void hg_plugin_close(hg_plugin_t *p, uint64_t grace_ms);
/* Any thread, before close: kills the process it is in. In this process: nothing. */
void hg_plugin_kill(hg_plugin_t *p);

/* --- sources --- */
int hg_plugin_start(hg_plugin_t *p, hg_err_t *err);
/* Whether batches come before there are results of those before them, and results then count for more than one batch
 * (iggy_source_ahead): so many at most, and none while those without one have so many bytes. */
bool hg_plugin_ahead(const hg_plugin_t *p);
#define HG_PLUGIN_AHEAD       8u
#define HG_PLUGIN_AHEAD_BYTES ((uint64_t)8 << 20)
/* HG_EPROTO: the plugin does not take this answer (as it says to the nack by which it gives up). */
int hg_plugin_result(hg_plugin_t *p, uint64_t batch_id, bool ack, hg_err_t *err);

/* --- sinks --- */
iggy_sink_wants_t hg_plugin_wants(const hg_plugin_t *p); /* what it said after its open; zeroes: nothing */
/* One consumer of batches after the other: a topic's. Has two slots, so that the next batch is written while one is
 * being consumed. */
typedef struct hg_plugin_lane hg_plugin_lane_t;
#define HG_PLUGIN_SLOTS 2

int hg_plugin_lane_open(hg_plugin_t *p, hg_plugin_lane_t **ret, hg_err_t *err);
void hg_plugin_lane_close(hg_plugin_lane_t *l); /* nothing under way; before hg_plugin_close */
void hg_plugin_lane_rest(hg_plugin_lane_t *l);  /* nothing under way: the slots' memory goes back to the system */
/* Room for a batch: topic, metadata and messages, one behind the other. Valid until the slot is asked for again.
 * HG_ETOOBIG above HG_PLUGIN_SLOT_BYTES. */
#define HG_PLUGIN_SLOT_BYTES ((size_t)192 << 20)
int hg_plugin_room(hg_plugin_lane_t *l, unsigned slot, size_t n, uint8_t **ret, hg_err_t *err);

typedef struct hg_plugin_batch {
    unsigned slot;
    size_t topic, meta, messages; /* bytes */
    /* A message that the plugin leaves out while it takes the rest: its place in the batch (as the plugin says: not
     * checked), and why. Between consume and the end of consumed, from a thread of this folder; must not block. NULL:
     * nobody asks. */
    void (*rejected)(void *arg, uint32_t at, hg_str_t reason);
    void *arg;
    /* The plugin may begin with it, and nothing of it leaves before hg_plugin_gate. Only where hg_plugin_gates. */
    bool gated;
} hg_plugin_batch_t;
/* Whether batches can be gated: the plugin stops before their first byte leaves (iggy_sink_on_gate), and it is in a
 * process of its own, as consume does not return in this one. */
bool hg_plugin_gates(const hg_plugin_t *p);
/* Begins; hg_plugin_consumed waits for its end (in this process it is over when consume returns). *ret_rc: what the
 * plugin answered. */
int hg_plugin_consume(hg_plugin_lane_t *l, const hg_plugin_batch_t *b, hg_err_t *err);
/* Once for each gated batch, behind its consume and before its consumed. pass false: nothing of it leaves, and what
 * consumed tells means nothing. Any thread; does not block. */
void hg_plugin_gate(hg_plugin_lane_t *l, bool pass);
int hg_plugin_consumed(hg_plugin_lane_t *l, int32_t *ret_rc, hg_err_t *err);

/* --- the other side: `headgate iggy-plugin PATH`, whose standard in a process of ours has replaced by a socket (3).
 * Returns the exit code. */
int hg_plugin_host_main(int argc, char **argv);

#endif
