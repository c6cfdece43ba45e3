/* plugin_int.h: what the files of this folder share: an instance's table of functions, libraries, and the messages
 * between a host process and its owner. */
#ifndef HG_IGGY_PLUGIN_INT_H
#define HG_IGGY_PLUGIN_INT_H

#include "base/list.h"
#include "headgate/iggy_plugin.h"
#include "iggy/plugin/plugin.h"
#include <pthread.h>

/* --- an instance, wherever it is --- */
typedef struct hg_plugin_class {
    int (*start)(hg_plugin_t *p, hg_err_t *err);
    int (*result)(hg_plugin_t *p, uint64_t batch_id, bool ack, hg_err_t *err);
    void (*close)(hg_plugin_t *p, uint64_t grace_ms);
    void (*kill)(hg_plugin_t *p);
    int (*lane_open)(hg_plugin_t *p, hg_plugin_lane_t **ret, hg_err_t *err);
    void (*lane_close)(hg_plugin_lane_t *l);
    void (*lane_rest)(hg_plugin_lane_t *l);
    int (*room)(hg_plugin_lane_t *l, unsigned slot, size_t n, uint8_t **ret, hg_err_t *err);
    int (*consume)(hg_plugin_lane_t *l, const hg_plugin_batch_t *b, hg_err_t *err);
    void (*gate)(hg_plugin_lane_t *l, bool pass); /* NULL: no batch is gated */
    int (*consumed)(hg_plugin_lane_t *l, int32_t *ret_rc, hg_err_t *err);
} hg_plugin_class_t;

struct hg_plugin { /* first member of each kind's own */
    const hg_plugin_class_t *class;
    const hg_plugin_events_t *events;
    void *arg;
    hg_plugin_kind_t kind;
    uint32_t id;
    char version[64];
    iggy_sink_wants_t wants;
    bool ahead, gates; /* what it says of itself */
};

struct hg_plugin_lane { /* likewise */
    hg_plugin_t *plugin;
};

/* --- libraries of this process (library.c) --- */
typedef struct hg_plugin_lib { /* never freed, as it is never unloaded */
    struct hg_plugin_lib *next;
    char *path;
    const char *missing[2]; /* the first function of the set that it lacks */
    __typeof__(&iggy_source_open) source_open;
    __typeof__(&iggy_source_handle_v2) source_handle_v2;
    __typeof__(&iggy_source_batch_result) source_batch_result;
    __typeof__(&iggy_source_close) source_close;
    __typeof__(&iggy_source_version) source_version;
    __typeof__(&iggy_source_on_end) source_on_end; /* optional */
    __typeof__(&iggy_source_ahead) source_ahead;   /* optional */
    __typeof__(&iggy_sink_open) sink_open;
    __typeof__(&iggy_sink_consume) sink_consume;
    __typeof__(&iggy_sink_close) sink_close;
    __typeof__(&iggy_sink_version) sink_version;
    __typeof__(&iggy_sink_on_reject) sink_on_reject; /* optional */
    __typeof__(&iggy_sink_wants) sink_wants;         /* optional */
    __typeof__(&iggy_sink_on_gate) sink_on_gate;     /* optional */
} hg_plugin_lib_t;

int hg_plugin_lib_load(const char *path, hg_plugin_lib_t **ret, hg_err_t *err);

/* local.c: an instance in this process. */
int hg_plugin_local_open(const hg_plugin_spec_t *spec, hg_plugin_log_fn log, void *log_arg,
                         const hg_plugin_events_t *events, void *arg, hg_plugin_t **ret, hg_err_t *err);
/* A call of consume with memory of the caller's: for the host process, whose lanes are its owner's. gate: where the
 * plugin stops if b is gated; arg is b's. True: go on. */
int32_t hg_plugin_local_consume(hg_plugin_t *p, const uint8_t *at, const hg_plugin_batch_t *b, bool (*gate)(void *arg));
/* The plugin's own answer. */
int32_t hg_plugin_local_result(hg_plugin_t *p, uint64_t batch_id, bool ack);

/* --- messages (channel.c) ---
 * One datagram each over a socket pair; what is large lies in shared memory, which the owner makes and seals against
 * shrinking, so that the host cannot take it away under a reader. */
typedef enum {
    HG_PM_OPEN = 1, /* owner -> host: [0] config, [1] state, both in the memory of the one descriptor, which stays the
                       instance's: batches of a source come in it. rc: kind */
    HG_PM_START,
    HG_PM_RESULT, /* batch, rc: IGGY_ACK, IGGY_NACK */
    HG_PM_CLOSE,
    HG_PM_LANE,       /* lane, and a descriptor per slot */
    HG_PM_LANE_CLOSE, /* lane */
    HG_PM_CONSUME,    /* lane, slot, [0] topic, [1] metadata, [2] messages, [3] 1: it is gated */
    HG_PM_TAKEN,      /* answers BATCH: rc */
    HG_PM_ANSWER,     /* host -> owner, to all but TAKEN: rc: hg_code_t or a plugin's answer; text: error or version;
                       to OPEN of a sink [0] messages, [1] bytes, [2] milliseconds that it wants, [3] 1: it stops at
                       gates; of a source [0] 1: it works ahead */
    HG_PM_BATCH,      /* plugin, batch, [0] bytes, in the instance's memory */
    HG_PM_ENDED,      /* plugin */
    HG_PM_LOG,        /* rc: level, [0] bytes of text that are the target; text */
    HG_PM_REJECT,     /* before the answer to CONSUME, whose seq it has: [0] place in the batch; text: why */
    HG_PM_GATE,       /* owner -> host: for a gated CONSUME, whose seq it has. rc 0: go on */
    HG_PM_N,
} hg_pm_kind_t;

typedef struct hg_pm {
    uint32_t kind, seq; /* seq: of a request, and of its answer */
    uint32_t plugin, lane, slot;
    int32_t rc;
    uint64_t batch, n[4];
} hg_pm_t;

#define HG_PM_TEXT 4096
#define HG_PM_FDS  2
typedef struct hg_pm_in {
    hg_pm_t m;
    char text[HG_PM_TEXT + 1]; /* NUL-ended */
    size_t text_n;
    int fds[HG_PM_FDS]; /* the receiver's to close */
    unsigned n_fds;
} hg_pm_in_t;

/* text is cut to HG_PM_TEXT. HG_ECLOSED: the other side is gone. Any thread; messages arrive whole. */
int hg_pm_send(int fd, const hg_pm_t *m, hg_str_t text, const int *fds, unsigned n_fds);
/* 1, 0 at the end, HG_EPROTO for what is no message (skipped). */
int hg_pm_recv(int fd, hg_pm_in_t *ret);

/* "<what>: <errno>", to be tried again: the system lacks something now. */
int hg_plugin_lacks(hg_err_t *err, int errnum, const char *what);

/* Shared memory of HG_PLUGIN_SLOT_BYTES, none of it used yet. */
typedef struct hg_shm {
    int fd;
    uint8_t *p;
    size_t used; /* of the last content, to know when to give memory back */
} hg_shm_t;
int hg_shm_new(hg_shm_t *s, hg_err_t *err);
int hg_shm_attach(hg_shm_t *s, int fd, bool write, hg_err_t *err); /* takes fd */
void hg_shm_release(hg_shm_t *s);
/* What a rare large batch took goes back to the system before a small one is written. */
void hg_shm_trim(hg_shm_t *s, size_t next);
/* All of it goes back; neither side is in it. */
void hg_shm_rest(hg_shm_t *s);

/* --- processes (remote.c) --- */
int hg_plugin_remote_open(hg_plugins_t *ps, const hg_plugin_spec_t *spec, const hg_plugin_events_t *events, void *arg,
                          hg_plugin_t **ret, hg_err_t *err);

typedef struct hg_plugin_proc hg_plugin_proc_t;
struct hg_plugins {
    char *program;
    hg_plugin_log_fn log;
    void *log_arg;
    pthread_mutex_t lock; /* guards procs and their counts of users */
    hg_list_t procs;
};
void hg_plugin_procs_kill(hg_plugins_t *ps);
void hg_plugin_procs_memory(hg_plugins_t *ps, unsigned *ret_n, uint64_t *ret_bytes);

/* A message from the host, on its reader thread. For tests: the whole of what is believed of a host. */
void hg_plugin_proc_message(hg_plugin_proc_t *proc, hg_pm_in_t *in);
hg_plugin_proc_t *hg_plugin_proc_fake(hg_plugins_t *ps, int fd, uint32_t plugin, const hg_plugin_events_t *events,
                                      void *arg);
void hg_plugin_proc_fake_free(hg_plugin_proc_t *proc);

#endif
