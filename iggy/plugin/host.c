/* host.c: `headgate iggy-plugin PATH`: the process in which a plugin's library lives.
 *
 * The main thread reads the socket and does nothing that can block, so that the end of its owner ends this process at
 * once, whatever the plugin is doing. Calls into the plugin run on threads that are made when none is idle; the owner
 * keeps their order, as it waits for answers. A batch of a source is copied into the owner's memory by the thread that
 * sends it, which then waits until the owner has taken it: that is the back-pressure, and it is short.
 *
 * SIGINT and SIGTERM are the owner's affair (a terminal and a service manager send them to both).
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "iggy/plugin/plugin_int.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define OWNER_FD     3
#define HOST_MUTE    3 /* exit codes: the owner cannot be reached, there is no thread */
#define HOST_STARVED 4
#define REST_MS      1000 /* without a word from the owner: what the plugin has freed goes back to the system */

typedef struct lane {
    struct lane *next;
    uint32_t number;
    hg_shm_t slot[HG_PLUGIN_SLOTS];
} lane_t;

typedef struct inst {
    struct inst *next; /* in g.instances */
    uint32_t id;
    hg_plugin_t *plugin;
    hg_shm_t shm;
    lane_t *lanes;        /* under g.lock */
    pthread_mutex_t send; /* one batch at a time in shm */
} inst_t;

typedef struct job {
    struct job *next;
    hg_pm_in_t in;
    struct job *next_gated; /* in g.gated, from its arrival to its end */
    enum { GATE_SHUT, GATE_OPEN, GATE_REFUSED } gate;
    pthread_cond_t moved; /* the gate */
} job_t;

typedef struct taken { /* a batch that its sender waits about */
    struct taken *next;
    uint32_t seq;
    bool done;
    int32_t rc;
    pthread_cond_t changed;
} taken_t;

static struct {
    const char *path;
    pthread_mutex_t lock; /* guards all below */
    inst_t *instances;
    job_t *first, *last;
    job_t *gated;
    unsigned idle, queued;
    pthread_cond_t work;
    taken_t *taken;
    uint32_t seq;
} g = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

/* A plugin that closes what is not its own takes the socket, too: nothing can be said any more, so the owner is told by
 * the end of this process. */
static void tell(const hg_pm_t *m, hg_str_t text)
{
    if (hg_pm_send(OWNER_FD, m, text, NULL, 0) < 0) _exit(HOST_MUTE);
}

static void answer(const hg_pm_in_t *in, int32_t rc, const char *text)
{
    tell(&(hg_pm_t){ .kind = HG_PM_ANSWER, .seq = in->m.seq, .rc = rc }, hg_strz(text));
}

static void on_log(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text)
{
    char both[HG_PM_TEXT];
    (void)arg, (void)path;
    size_t a = HG_MIN(target.n, (size_t)256), b = HG_MIN(text.n, sizeof both - a);
    memcpy(both, target.p, a);
    memcpy(both + a, text.p, b);
    while (b < text.n && b && ((uint8_t)text.p[b] & 0xc0) == 0x80) b--; /* not in the middle of a character */
    tell(&(hg_pm_t){ .kind = HG_PM_LOG, .rc = (int32_t)level, .n = { a } }, (hg_str_t){ both, a + b });
}

/* --- what the plugin says --- */
static int on_batch(void *arg, uint64_t batch_id, hg_str_t bytes)
{
    inst_t *i = arg;
    taken_t t = { .changed = PTHREAD_COND_INITIALIZER };
    if (bytes.n > HG_PLUGIN_SLOT_BYTES) {
        hg_log(HG_LOG_ERROR, "plugin", g.path, "batch_too_large", "bytes=%zu", bytes.n);
        return HG_ETOOBIG;
    }
    pthread_mutex_lock(&i->send);
    if (bytes.n) memcpy(i->shm.p, bytes.p, bytes.n);
    pthread_mutex_lock(&g.lock);
    t.seq = ++g.seq;
    t.next = g.taken;
    g.taken = &t;
    pthread_mutex_unlock(&g.lock);
    hg_pm_t m = { .kind = HG_PM_BATCH, .seq = t.seq, .plugin = i->id, .batch = batch_id, .n = { bytes.n } };
    tell(&m, HG_S(""));
    pthread_mutex_lock(&g.lock);
    while (!t.done) pthread_cond_wait(&t.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    pthread_mutex_unlock(&i->send);
    pthread_cond_destroy(&t.changed);
    return t.rc;
}

static void on_ended(void *arg)
{
    const inst_t *i = arg;
    tell(&(hg_pm_t){ .kind = HG_PM_ENDED, .plugin = i->id }, HG_S(""));
}

/* The thread that then answers. */
static void on_rejected(void *arg, uint32_t at, hg_str_t reason)
{
    const job_t *j = arg;
    hg_pm_t m = { .kind = HG_PM_REJECT, .seq = j->in.m.seq, .n = { at } };
    tell(&m, reason);
}

static bool on_gate(void *arg)
{
    job_t *j = arg;
    pthread_mutex_lock(&g.lock);
    while (j->gate == GATE_SHUT) pthread_cond_wait(&j->moved, &g.lock);
    bool pass = j->gate == GATE_OPEN;
    pthread_mutex_unlock(&g.lock);
    return pass;
}

static const hg_plugin_events_t EVENTS = { .batch = on_batch, .ended = on_ended };

/* Main thread. */
static void on_taken(const hg_pm_in_t *in)
{
    pthread_mutex_lock(&g.lock);
    taken_t **at = &g.taken;
    while (*at && (*at)->seq != in->m.seq) at = &(*at)->next;
    taken_t *t = *at;
    if (t) {
        *at = t->next;
        t->rc = in->m.rc;
        t->done = true;
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&g.lock);
}

/* Main thread. The batch may be over already: it had nothing to send. */
static void on_gate_moved(const hg_pm_in_t *in)
{
    pthread_mutex_lock(&g.lock);
    job_t *j = g.gated;
    while (j && j->in.m.seq != in->m.seq) j = j->next_gated;
    if (j) {
        j->gate = in->m.rc == 0 ? GATE_OPEN : GATE_REFUSED;
        pthread_cond_signal(&j->moved);
    }
    pthread_mutex_unlock(&g.lock);
}

static bool is_gated(const job_t *j)
{
    return j->in.m.kind == HG_PM_CONSUME && j->in.m.n[3] == 1;
}

static void gated_enter(job_t *j)
{
    pthread_cond_init(&j->moved, NULL);
    pthread_mutex_lock(&g.lock);
    j->next_gated = g.gated;
    g.gated = j;
    pthread_mutex_unlock(&g.lock);
}

static void gated_leave(job_t *j)
{
    pthread_mutex_lock(&g.lock);
    job_t **at = &g.gated;
    while (*at != j) at = &(*at)->next_gated;
    *at = j->next_gated;
    pthread_mutex_unlock(&g.lock);
    pthread_cond_destroy(&j->moved);
}

/* --- what the owner asks for (a worker) --- */
static inst_t *inst_find(uint32_t id)
{
    pthread_mutex_lock(&g.lock);
    inst_t *i = g.instances;
    while (i && i->id != id) i = i->next;
    pthread_mutex_unlock(&g.lock);
    return i;
}

static lane_t *lane_find(inst_t *i, uint32_t number, bool take)
{
    pthread_mutex_lock(&g.lock);
    lane_t **at = &i->lanes;
    while (*at && (*at)->number != number) at = &(*at)->next;
    lane_t *l = *at;
    if (l && take) *at = l->next;
    pthread_mutex_unlock(&g.lock);
    return l;
}

static void inst_free(inst_t *i)
{
    hg_shm_release(&i->shm);
    pthread_mutex_destroy(&i->send);
    hg_free(i);
}

static void do_open(hg_pm_in_t *in)
{
    hg_err_t err = HG_ERR_INIT;
    inst_t *i = HG_NEW(inst_t);
    i->id = in->m.plugin;
    pthread_mutex_init(&i->send, NULL);
    int rc = hg_shm_attach(&i->shm, in->fds[0], true, &err);
    in->n_fds = 0;
    if (rc == 0) {
        hg_plugin_spec_t spec = {
            .kind = (hg_plugin_kind_t)in->m.rc,
            .path = g.path,
            .id = i->id,
            .config = { (const char *)i->shm.p, in->m.n[0] },
            .state = { (const char *)i->shm.p + in->m.n[0], in->m.n[1] },
        };
        rc = hg_plugin_local_open(&spec, on_log, NULL, &EVENTS, i, &i->plugin, &err);
    }
    if (rc < 0) {
        answer(in, rc, err.msg);
        inst_free(i);
        return;
    }
    pthread_mutex_lock(&g.lock);
    i->next = g.instances;
    g.instances = i;
    pthread_mutex_unlock(&g.lock);
    iggy_sink_wants_t w = hg_plugin_wants(i->plugin);
    hg_pm_t m = { .kind = HG_PM_ANSWER, .seq = in->m.seq, .n = { w.messages, w.bytes, w.wait_ms, i->plugin->gates } };
    if (in->m.rc == HG_PLUGIN_SOURCE) m.n[0] = hg_plugin_ahead(i->plugin);
    tell(&m, hg_strz(hg_plugin_version(i->plugin)));
}

static void do_lane(inst_t *i, hg_pm_in_t *in)
{
    hg_err_t err = HG_ERR_INIT;
    lane_t *l = HG_NEW(lane_t);
    l->number = in->m.lane;
    int rc = 0;
    for (unsigned s = 0; s < HG_PLUGIN_SLOTS; s++) {
        int one = hg_shm_attach(&l->slot[s], in->fds[s], false, &err);
        if (one < 0) rc = one;
    }
    in->n_fds = 0;
    if (rc < 0) {
        for (unsigned s = 0; s < HG_PLUGIN_SLOTS; s++) hg_shm_release(&l->slot[s]);
        hg_free(l);
    } else {
        pthread_mutex_lock(&g.lock);
        l->next = i->lanes;
        i->lanes = l;
        pthread_mutex_unlock(&g.lock);
    }
    answer(in, rc, err.msg);
}

static void do_lane_close(inst_t *i, const hg_pm_in_t *in)
{
    lane_t *l = lane_find(i, in->m.lane, true);
    for (unsigned s = 0; l && s < HG_PLUGIN_SLOTS; s++) hg_shm_release(&l->slot[s]);
    hg_free(l);
    answer(in, 0, "");
}

static void do_consume(inst_t *i, job_t *j)
{
    const hg_pm_in_t *in = &j->in;
    const lane_t *l = lane_find(i, in->m.lane, false);
    if (HG_NEVER(!l || in->m.slot >= HG_PLUGIN_SLOTS)) {
        answer(in, IGGY_INVALID, "");
        return;
    }
    hg_plugin_batch_t b = { .topic = in->m.n[0],
                            .meta = in->m.n[1],
                            .messages = in->m.n[2],
                            .rejected = on_rejected,
                            .arg = j,
                            .gated = in->m.n[3] == 1 };
    answer(in, hg_plugin_local_consume(i->plugin, l->slot[in->m.slot].p, &b, on_gate), "");
}

static void do_close(inst_t *i, const hg_pm_in_t *in)
{
    hg_plugin_close(i->plugin, UINT32_MAX); /* the owner's patience ends with this process */
    pthread_mutex_lock(&g.lock);
    inst_t **at = &g.instances;
    while (*at != i) at = &(*at)->next;
    *at = i->next;
    pthread_mutex_unlock(&g.lock);
    inst_free(i);
    answer(in, 0, "");
}

static void handle(job_t *j)
{
    hg_pm_in_t *in = &j->in;
    hg_err_t err = HG_ERR_INIT;
    static const unsigned fds[HG_PM_N] = { [HG_PM_OPEN] = 1, [HG_PM_LANE] = HG_PLUGIN_SLOTS };
    if (HG_NEVER(in->m.kind >= HG_PM_N)) return;
    if (in->n_fds != fds[in->m.kind]) { /* a plugin that leaks descriptors leaves none for these */
        while (in->n_fds) close(in->fds[--in->n_fds]);
        answer(in, HG_ENOMEM, "the plugin's process has no room for descriptors: too many open files");
        return;
    }
    inst_t *i = in->m.kind == HG_PM_OPEN ? NULL : inst_find(in->m.plugin);
    if (in->m.kind != HG_PM_OPEN && HG_NEVER(!i)) return;
    switch (in->m.kind) {
    case HG_PM_OPEN:
        do_open(in);
        break;
    case HG_PM_START: {
        int rc = hg_plugin_start(i->plugin, &err);
        answer(in, rc, err.msg);
        break;
    }
    case HG_PM_RESULT:
        answer(in, hg_plugin_local_result(i->plugin, in->m.batch, in->m.rc == IGGY_ACK), "");
        break;
    case HG_PM_CLOSE:
        do_close(i, in);
        break;
    case HG_PM_LANE:
        do_lane(i, in);
        break;
    case HG_PM_LANE_CLOSE:
        do_lane_close(i, in);
        break;
    case HG_PM_CONSUME:
        do_consume(i, j);
        break;
    default:
        break;
    }
}

/* --- threads --- */
static void *worker_main(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "hg-plugin-call");
    pthread_mutex_lock(&g.lock);
    for (;;) {
        while (!g.first) {
            g.idle++;
            pthread_cond_wait(&g.work, &g.lock);
            g.idle--;
        }
        job_t *j = g.first;
        g.first = j->next;
        if (!g.first) g.last = NULL;
        g.queued--;
        pthread_mutex_unlock(&g.lock);
        handle(j);
        if (is_gated(j)) gated_leave(j);
        hg_free(j);
        pthread_mutex_lock(&g.lock);
    }
    return NULL;
}

static void enqueue(job_t *j)
{
    if (is_gated(j)) gated_enter(j);
    pthread_mutex_lock(&g.lock);
    j->next = NULL;
    if (g.last)
        g.last->next = j;
    else
        g.first = j;
    g.last = j;
    bool more = ++g.queued > g.idle;
    pthread_cond_broadcast(&g.work);
    pthread_mutex_unlock(&g.lock);
    pthread_t t;
    hg_err_t err;
    if (!more) return;
    if (hg_thread_start(&t, worker_main, NULL, "a call of the plugin", &err) < 0) {
        hg_log(HG_LOG_ERROR, "plugin", g.path, "starved", "reason=\"%s\"", err.msg);
        _exit(HOST_STARVED); /* the call would wait for ever: the owner begins anew, later */
    }
    pthread_detach(t);
}

int hg_plugin_host_main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "headgate: 'iggy-plugin' is started by 'headgate connectors', not by hand\n");
        return 2;
    }
    g.path = argv[1];
    fcntl(OWNER_FD, F_SETFD, FD_CLOEXEC); /* not for what the plugin runs */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    hg_mem_arenas(2);
    for (bool rests = false, rested = false;;) {
        if (!rests && poll(&(struct pollfd){ .fd = OWNER_FD, .events = POLLIN }, 1, REST_MS) == 0) {
            hg_mem_trim();
            if (!rested) hg_mem_page_out();
            rested = true;
            rests = true;
            continue;
        }
        rests = false;
        job_t *j = HG_NEW(job_t);
        int rc = hg_pm_recv(OWNER_FD, &j->in);
        if (rc == 0) _exit(0);
        if (rc > 0 && j->in.m.kind != HG_PM_TAKEN && j->in.m.kind != HG_PM_GATE) {
            enqueue(j);
            continue;
        }
        if (rc > 0 && j->in.m.kind == HG_PM_TAKEN) on_taken(&j->in);
        if (rc > 0 && j->in.m.kind == HG_PM_GATE) on_gate_moved(&j->in);
        hg_free(j);
    }
}
