/* remote.c: instances of plugins in host processes: the owner's side.
 *
 * One process per library, one reader thread per process. A request is a datagram with a number; who sent it waits for
 * the answer with that number. Batches lie in shared memory (one per source, two per lane), so a message says where,
 * and nothing large goes through the socket.
 *
 * What a host sends is not believed: numbers of instances and lengths are looked up and bounded here, and a batch is
 * copied before anybody reads it.
 *
 * Locks: ps->lock (which processes there are, and their users), proc->lock (calls that wait, dead), proc->events (the
 * instances; held over their call-backs, so that none comes after an instance was taken out). Never two of one proc.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "iggy/plugin/plugin_int.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_FD 3

extern char **environ;

typedef struct call {
    struct call *next; /* in proc->calls, until done */
    uint32_t seq;
    bool done;
    int32_t rc;                                                /* HG_ECLOSED: the process is gone */
    void (*rejected)(void *arg, uint32_t at, hg_str_t reason); /* of a batch; NULL: nobody asks */
    void *arg;
    uint64_t n[4];
    pthread_cond_t changed;
    char text[sizeof((hg_err_t *)0)->msg];
} call_t;

typedef struct remote {
    hg_plugin_t base;
    struct remote *next; /* in proc->instances */
    hg_plugin_proc_t *proc;
    hg_shm_t shm;
    uint32_t lanes; /* numbers given out */
} remote_t;

typedef struct remote_lane {
    hg_plugin_lane_t base;
    uint32_t number;
    hg_shm_t slot[HG_PLUGIN_SLOTS];
    call_t call;
} remote_lane_t;

struct hg_plugin_proc {
    hg_list_t link; /* on ps->procs while it has users */
    hg_plugins_t *ps;
    char *path;
    unsigned users; /* under ps->lock */
    int fd, pid_fd;
    pid_t pid;
    pthread_t reader;
    pthread_mutex_t lock; /* guards the next four */
    call_t *calls;
    uint32_t seq;
    bool dead, reaped;
    char how[96];           /* once dead */
    pthread_mutex_t events; /* guards instances */
    remote_t *instances;
};

/* --- calls --- */
static void call_init(call_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    *c = (call_t){ .done = true };
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
}

/* Under proc->lock. */
static void finish(call_t *c, int32_t rc, const char *text)
{
    c->rc = rc;
    c->done = true;
    snprintf(c->text, sizeof c->text, "%.*s", (int)sizeof c->text - 1, text);
    pthread_cond_signal(&c->changed);
}

static void begin(hg_plugin_proc_t *proc, call_t *c, hg_pm_t *m, const int *fds, unsigned n_fds)
{
    pthread_mutex_lock(&proc->lock);
    bool dead = proc->dead;
    c->done = false;
    c->seq = m->seq = ++proc->seq;
    if (dead) {
        finish(c, HG_ECLOSED, proc->how);
    } else {
        c->next = proc->calls;
        proc->calls = c;
    }
    pthread_mutex_unlock(&proc->lock);
    /* Where the process is gone, the reader hears of it and ends the call. */
    if (!dead) (void)hg_pm_send(proc->fd, m, HG_S(""), fds, n_fds);
}

static void proc_kill(hg_plugin_proc_t *proc)
{
    pthread_mutex_lock(&proc->lock);
    if (!proc->reaped && proc->pid > 0) kill(proc->pid, SIGKILL);
    pthread_mutex_unlock(&proc->lock);
}

/* The end of a call; grace_ms UINT64_MAX: however long it takes. */
static void wait_for(hg_plugin_proc_t *proc, call_t *c, uint64_t grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    bool late = false;
    if (grace_ms != UINT64_MAX) {
        until.tv_sec += (time_t)(grace_ms / 1000);
        until.tv_nsec += (long)(grace_ms % 1000 * 1000000);
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&proc->lock);
    while (!c->done && !late)
        if (grace_ms == UINT64_MAX)
            pthread_cond_wait(&c->changed, &proc->lock);
        else
            late = pthread_cond_timedwait(&c->changed, &proc->lock, &until) == ETIMEDOUT;
    bool open = !c->done;
    pthread_mutex_unlock(&proc->lock);
    if (!open) return;
    hg_log(HG_LOG_ERROR, "plugin", proc->path, "killed", "reason=\"a call took longer than %" PRIu64 " ms\"", grace_ms);
    proc_kill(proc);
    wait_for(proc, c, UINT64_MAX);
}

static int gone(const hg_plugin_proc_t *proc, const call_t *c, hg_err_t *err)
{
    return hg_err_retry(err, HG_ECLOSED, "the plugin's process ended (%s): %s", proc->path, c->text);
}

/* A request and its answer: 0 with *ret_rc, or HG_ECLOSED. */
static int ask(hg_plugin_proc_t *proc, call_t *c, hg_pm_t *m, const int *fds, unsigned n_fds, hg_err_t *err)
{
    begin(proc, c, m, fds, n_fds);
    wait_for(proc, c, UINT64_MAX);
    return c->rc == HG_ECLOSED ? gone(proc, c, err) : 0;
}

/* --- what the host says (reader thread) --- */
static void on_answer(hg_plugin_proc_t *proc, const hg_pm_in_t *in)
{
    pthread_mutex_lock(&proc->lock);
    call_t **at = &proc->calls;
    while (*at && (*at)->seq != in->m.seq) at = &(*at)->next;
    call_t *c = *at;
    if (c) {
        *at = c->next;
        memcpy(c->n, in->m.n, sizeof c->n);
        finish(c, in->m.rc == HG_ECLOSED ? HG_EBUG : in->m.rc, in->text);
    }
    pthread_mutex_unlock(&proc->lock);
}

static void on_reject(hg_plugin_proc_t *proc, const hg_pm_in_t *in)
{
    hg_str_t why = { in->text, in->text_n };
    if (!hg_utf8_valid(why.p, why.n)) why = HG_S("<invalid utf8>");
    pthread_mutex_lock(&proc->lock);
    call_t *c = proc->calls;
    while (c && c->seq != in->m.seq) c = c->next;
    if (c && c->rejected && in->m.n[0] <= UINT32_MAX) c->rejected(c->arg, (uint32_t)in->m.n[0], why);
    pthread_mutex_unlock(&proc->lock);
}

static remote_t *instance(const hg_plugin_proc_t *proc, uint32_t id)
{
    remote_t *r = proc->instances;
    while (r && r->base.id != id) r = r->next;
    return r && r->base.kind == HG_PLUGIN_SOURCE ? r : NULL;
}

static void on_batch(hg_plugin_proc_t *proc, const hg_pm_in_t *in)
{
    int rc = HG_ENOTFOUND;
    pthread_mutex_lock(&proc->events);
    remote_t *r = instance(proc, in->m.plugin);
    if (r && in->m.n[0] <= HG_PLUGIN_SLOT_BYTES) {
        rc = r->base.events->batch(r->base.arg, in->m.batch, (hg_str_t){ (const char *)r->shm.p, in->m.n[0] });
        r->shm.used = in->m.n[0];
        hg_shm_trim(&r->shm, 0);
    }
    pthread_mutex_unlock(&proc->events);
    (void)hg_pm_send(proc->fd, &(hg_pm_t){ .kind = HG_PM_TAKEN, .seq = in->m.seq, .rc = rc }, HG_S(""), NULL, 0);
}

static void on_ended(hg_plugin_proc_t *proc, const hg_pm_in_t *in)
{
    pthread_mutex_lock(&proc->events);
    remote_t *r = instance(proc, in->m.plugin);
    if (r) r->base.events->ended(r->base.arg);
    pthread_mutex_unlock(&proc->events);
}

static void on_log(hg_plugin_proc_t *proc, const hg_pm_in_t *in)
{
    size_t n = (size_t)HG_MIN(in->m.n[0], in->text_n);
    hg_str_t target = { in->text, n }, text = { in->text + n, in->text_n - n };
    if (!hg_utf8_valid(target.p, target.n)) target = HG_S("connector");
    if (!hg_utf8_valid(text.p, text.n)) text = HG_S("<invalid utf8>");
    unsigned level = in->m.rc >= 0 && in->m.rc < IGGY_LOG_ERROR ? (unsigned)in->m.rc : IGGY_LOG_ERROR;
    if (proc->ps->log) proc->ps->log(proc->ps->log_arg, proc->path, level, target, text);
}

void hg_plugin_proc_message(hg_plugin_proc_t *proc, hg_pm_in_t *in)
{
    for (unsigned i = 0; i < in->n_fds; i++) close(in->fds[i]); /* a host has none to give */
    switch (in->m.kind) {
    case HG_PM_ANSWER:
        on_answer(proc, in);
        break;
    case HG_PM_BATCH:
        on_batch(proc, in);
        break;
    case HG_PM_ENDED:
        on_ended(proc, in);
        break;
    case HG_PM_LOG:
        on_log(proc, in);
        break;
    case HG_PM_REJECT:
        on_reject(proc, in);
        break;
    default:
        hg_log(HG_LOG_WARN, "plugin", proc->path, "unknown_message", "kind=%u", in->m.kind);
    }
}

static void describe(int status, char *out, size_t cap)
{
    if (WIFSIGNALED(status))
        snprintf(out, cap, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(out, cap, "exit code %d", WEXITSTATUS(status));
}

static void bury(hg_plugin_proc_t *proc)
{
    int status = 0;
    char how[sizeof proc->how];
    proc_kill(proc); /* one that closed its socket and lives */
    while (waitpid(proc->pid, &status, 0) < 0 && errno == EINTR) continue;
    describe(status, how, sizeof how);
    pthread_mutex_lock(&proc->lock);
    proc->dead = proc->reaped = true;
    memcpy(proc->how, how, sizeof how);
    call_t *calls = proc->calls;
    proc->calls = NULL;
    while (calls) {
        call_t *c = calls;
        calls = c->next;
        finish(c, HG_ECLOSED, how);
    }
    pthread_mutex_unlock(&proc->lock);
    pthread_mutex_lock(&proc->events);
    for (remote_t *r = proc->instances; r; r = r->next) r->base.events->died(r->base.arg, how);
    pthread_mutex_unlock(&proc->events);
}

/* A process of the plugin's own may hold the socket open behind the host's end. 0: the host has ended. */
static int receive(const hg_plugin_proc_t *proc, hg_pm_in_t *in)
{
    struct pollfd on[] = { { .fd = proc->fd, .events = POLLIN }, { .fd = proc->pid_fd, .events = POLLIN } };
    in->n_fds = 0;
    while (poll(on, HG_COUNT(on), -1) < 0 && errno == EINTR) continue;
    return on[0].revents ? hg_pm_recv(proc->fd, in) : 0; /* what it said before it ended comes first */
}

static void *reader_main(void *arg)
{
    hg_plugin_proc_t *proc = arg;
    hg_pm_in_t *in = HG_NEW(hg_pm_in_t);
    pthread_setname_np(pthread_self(), "hg-plugin-host");
    for (int rc; (rc = receive(proc, in)) != 0;)
        if (rc > 0)
            hg_plugin_proc_message(proc, in);
        else
            for (unsigned i = 0; i < in->n_fds; i++) close(in->fds[i]);
    hg_free(in);
    bury(proc);
    return NULL;
}

/* --- processes --- */
static hg_plugin_proc_t *proc_new(hg_plugins_t *ps, const char *path)
{
    hg_plugin_proc_t *proc = HG_NEW(hg_plugin_proc_t);
    hg_list_init(&proc->link);
    proc->ps = ps;
    proc->path = hg_xstrdup(path);
    proc->fd = proc->pid_fd = -1;
    pthread_mutex_init(&proc->lock, NULL);
    pthread_mutex_init(&proc->events, NULL);
    return proc;
}

static void proc_free(hg_plugin_proc_t *proc)
{
    if (proc->fd >= 0) close(proc->fd);
    if (proc->pid_fd >= 0) close(proc->pid_fd);
    pthread_mutex_destroy(&proc->lock);
    pthread_mutex_destroy(&proc->events);
    hg_free(proc->path);
    hg_free(proc);
}

static int run_host(hg_plugin_proc_t *proc, int host_fd, hg_err_t *err)
{
    char command[] = "iggy-plugin";
    char *const argv[] = { proc->ps->program, command, proc->path, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, host_fd, HOST_FD);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(&proc->pid, proc->ps->program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    proc->pid_fd = rc ? -1 : pidfd_open(proc->pid, 0);
    return rc ? hg_plugin_lacks(err, rc, "the plugin's process cannot be run") : 0;
}

static void abandon(hg_plugin_proc_t *proc)
{
    proc_kill(proc);
    while (proc->pid > 0 && waitpid(proc->pid, NULL, 0) < 0 && errno == EINTR) continue;
    proc_free(proc);
}

static int proc_spawn(hg_plugins_t *ps, const char *path, hg_plugin_proc_t **ret, hg_err_t *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return hg_plugin_lacks(err, errno, "no socket for the plugin's process");
    hg_plugin_proc_t *proc = proc_new(ps, path);
    proc->fd = pair[0];
    int rc = run_host(proc, pair[1], err);
    close(pair[1]);
    if (rc == 0) rc = hg_thread_start(&proc->reader, reader_main, proc, "a plugin's process", err);
    if (rc < 0)
        abandon(proc);
    else
        *ret = proc;
    return rc;
}

/* One that lives and hosts path, or a new one; with a user more. */
static int proc_get(hg_plugins_t *ps, const char *path, hg_plugin_proc_t **ret, hg_err_t *err)
{
    hg_plugin_proc_t *found = NULL;
    int rc = 0;
    pthread_mutex_lock(&ps->lock);
    HG_LIST_EACH(it, &ps->procs)
    {
        hg_plugin_proc_t *proc = HG_ENTRY(it, hg_plugin_proc_t, link);
        pthread_mutex_lock(&proc->lock);
        if (!proc->dead && strcmp(proc->path, path) == 0) found = proc;
        pthread_mutex_unlock(&proc->lock);
    }
    if (!found) rc = proc_spawn(ps, path, &found, err);
    if (rc == 0) {
        if (!found->users++) hg_list_add_tail(&ps->procs, &found->link);
        *ret = found;
    }
    pthread_mutex_unlock(&ps->lock);
    return rc;
}

static void proc_put(hg_plugin_proc_t *proc)
{
    hg_plugins_t *ps = proc->ps;
    pthread_mutex_lock(&ps->lock);
    bool last = --proc->users == 0;
    if (last) hg_list_del(&proc->link);
    pthread_mutex_unlock(&ps->lock);
    if (!last) return;
    shutdown(proc->fd, SHUT_RDWR); /* the host ends by it, and so does the reader */
    pthread_join(proc->reader, NULL);
    proc_free(proc);
}

void hg_plugin_procs_kill(hg_plugins_t *ps)
{
    pthread_mutex_lock(&ps->lock);
    HG_LIST_EACH(it, &ps->procs) proc_kill(HG_ENTRY(it, hg_plugin_proc_t, link));
    pthread_mutex_unlock(&ps->lock);
}

/* Resident, as the system counts it: pages that processes share are in each one's figure. */
static uint64_t resident(pid_t pid)
{
    char path[64];
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    if (fscanf(f, "%*u %llu", &pages) != 1) pages = 0;
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void hg_plugin_procs_memory(hg_plugins_t *ps, unsigned *ret_n, uint64_t *ret_bytes)
{
    *ret_n = 0;
    *ret_bytes = 0;
    pthread_mutex_lock(&ps->lock);
    HG_LIST_EACH(it, &ps->procs)
    {
        hg_plugin_proc_t *proc = HG_ENTRY(it, hg_plugin_proc_t, link);
        pthread_mutex_lock(&proc->lock); /* so that it is not reaped meanwhile */
        if (!proc->reaped && proc->pid > 0) {
            *ret_n += 1;
            *ret_bytes += resident(proc->pid);
        }
        pthread_mutex_unlock(&proc->lock);
    }
    pthread_mutex_unlock(&ps->lock);
}

/* --- an instance --- */
static int plain(hg_plugin_t *p, hg_pm_t m, call_t *c, hg_err_t *err)
{
    m.plugin = p->id;
    return ask(HG_ENTRY(p, remote_t, base)->proc, c, &m, NULL, 0, err);
}

static int remote_start(hg_plugin_t *p, hg_err_t *err)
{
    call_t c;
    call_init(&c);
    int rc = plain(p, (hg_pm_t){ .kind = HG_PM_START }, &c, err);
    if (rc == 0 && c.rc < 0) rc = hg_err_set(err, c.rc, "%s", c.text);
    pthread_cond_destroy(&c.changed);
    return rc;
}

static int remote_result(hg_plugin_t *p, uint64_t batch_id, bool ack, hg_err_t *err)
{
    call_t c;
    call_init(&c);
    int rc = plain(p, (hg_pm_t){ .kind = HG_PM_RESULT, .batch = batch_id, .rc = ack ? IGGY_ACK : IGGY_NACK }, &c, err);
    if (rc == 0 && c.rc != IGGY_OK)
        rc =
            hg_err_set(err, HG_EPROTO, "the plugin does not take the result of batch %" PRIu64 " (%d)", batch_id, c.rc);
    pthread_cond_destroy(&c.changed);
    return rc;
}

static void take_out(remote_t *r)
{
    pthread_mutex_lock(&r->proc->events);
    remote_t **at = &r->proc->instances;
    while (*at && *at != r) at = &(*at)->next;
    if (*at) *at = r->next;
    pthread_mutex_unlock(&r->proc->events);
}

static void remote_free(remote_t *r)
{
    take_out(r);
    proc_put(r->proc);
    hg_shm_release(&r->shm);
    hg_free(r);
}

static void remote_close(hg_plugin_t *p, uint64_t grace_ms)
{
    remote_t *r = HG_ENTRY(p, remote_t, base);
    call_t c;
    call_init(&c);
    begin(r->proc, &c, &(hg_pm_t){ .kind = HG_PM_CLOSE, .plugin = p->id }, NULL, 0);
    wait_for(r->proc, &c, grace_ms);
    pthread_cond_destroy(&c.changed);
    remote_free(r);
}

static void remote_kill(hg_plugin_t *p)
{
    proc_kill(HG_ENTRY(p, remote_t, base)->proc);
}

/* --- lanes --- */
static void remote_lane_free(remote_lane_t *lane)
{
    for (unsigned i = 0; i < HG_PLUGIN_SLOTS; i++) hg_shm_release(&lane->slot[i]);
    pthread_cond_destroy(&lane->call.changed);
    hg_free(lane);
}

static int remote_lane_open(hg_plugin_t *p, hg_plugin_lane_t **ret, hg_err_t *err)
{
    remote_t *r = HG_ENTRY(p, remote_t, base);
    remote_lane_t *lane = HG_NEW(remote_lane_t);
    int fds[HG_PLUGIN_SLOTS], rc = 0;
    lane->base.plugin = p;
    call_init(&lane->call);
    for (unsigned i = 0; rc == 0 && i < HG_PLUGIN_SLOTS; i++) {
        rc = hg_shm_new(&lane->slot[i], err);
        fds[i] = lane->slot[i].fd;
    }
    pthread_mutex_lock(&r->proc->lock);
    lane->number = r->lanes++;
    pthread_mutex_unlock(&r->proc->lock);
    if (rc == 0)
        rc = ask(r->proc, &lane->call, &(hg_pm_t){ .kind = HG_PM_LANE, .plugin = p->id, .lane = lane->number }, fds,
                 HG_PLUGIN_SLOTS, err);
    if (rc == 0 && lane->call.rc < 0) rc = hg_err_set(err, lane->call.rc, "%s", lane->call.text);
    if (rc == 0)
        *ret = &lane->base;
    else
        remote_lane_free(lane);
    return rc;
}

static void remote_lane_close(hg_plugin_lane_t *l)
{
    remote_lane_t *lane = HG_ENTRY(l, remote_lane_t, base);
    hg_err_t err = HG_ERR_INIT;
    (void)plain(l->plugin, (hg_pm_t){ .kind = HG_PM_LANE_CLOSE, .lane = lane->number }, &lane->call, &err);
    remote_lane_free(lane);
}

static void remote_lane_rest(hg_plugin_lane_t *l)
{
    remote_lane_t *lane = HG_ENTRY(l, remote_lane_t, base);
    for (unsigned i = 0; i < HG_PLUGIN_SLOTS; i++) hg_shm_rest(&lane->slot[i]);
}

static int remote_room(hg_plugin_lane_t *l, unsigned slot, size_t n, uint8_t **ret, hg_err_t *err)
{
    (void)err;
    hg_shm_t *s = &HG_ENTRY(l, remote_lane_t, base)->slot[slot];
    hg_shm_trim(s, n);
    *ret = s->p;
    return 0;
}

static int remote_consume(hg_plugin_lane_t *l, const hg_plugin_batch_t *b, hg_err_t *err)
{
    (void)err;
    remote_lane_t *lane = HG_ENTRY(l, remote_lane_t, base);
    hg_pm_t m = {
        .kind = HG_PM_CONSUME,
        .plugin = l->plugin->id,
        .lane = lane->number,
        .slot = b->slot,
        .n = { b->topic, b->meta, b->messages, b->gated },
    };
    lane->call.rejected = b->rejected;
    lane->call.arg = b->arg;
    begin(HG_ENTRY(l->plugin, remote_t, base)->proc, &lane->call, &m, NULL, 0);
    return 0;
}

static void remote_gate(hg_plugin_lane_t *l, bool pass)
{
    /* The lane's call is under way until consumed, which comes behind this: its number does not change. Where the
     * process is gone, the reader ends the call. */
    hg_pm_t m = { .kind = HG_PM_GATE,
                  .seq = HG_ENTRY(l, remote_lane_t, base)->call.seq,
                  .rc = pass ? 0 : HG_ECANCELED };
    (void)hg_pm_send(HG_ENTRY(l->plugin, remote_t, base)->proc->fd, &m, HG_S(""), NULL, 0);
}

static int remote_consumed(hg_plugin_lane_t *l, int32_t *ret_rc, hg_err_t *err)
{
    remote_lane_t *lane = HG_ENTRY(l, remote_lane_t, base);
    hg_plugin_proc_t *proc = HG_ENTRY(l->plugin, remote_t, base)->proc;
    wait_for(proc, &lane->call, UINT64_MAX);
    lane->call.rejected = NULL;
    if (lane->call.rc == HG_ECLOSED) return gone(proc, &lane->call, err);
    *ret_rc = lane->call.rc;
    return 0;
}

static const hg_plugin_class_t REMOTE = {
    .start = remote_start,
    .result = remote_result,
    .close = remote_close,
    .kill = remote_kill,
    .lane_open = remote_lane_open,
    .lane_close = remote_lane_close,
    .lane_rest = remote_lane_rest,
    .room = remote_room,
    .consume = remote_consume,
    .gate = remote_gate,
    .consumed = remote_consumed,
};

static remote_t *remote_new(hg_plugin_proc_t *proc, hg_plugin_kind_t kind, uint32_t id,
                            const hg_plugin_events_t *events, void *arg)
{
    remote_t *r = HG_NEW(remote_t);
    r->base = (hg_plugin_t){ .class = &REMOTE, .events = events, .arg = arg, .kind = kind, .id = id, .version = "" };
    r->proc = proc;
    pthread_mutex_lock(&proc->events);
    r->next = proc->instances;
    proc->instances = r;
    pthread_mutex_unlock(&proc->events);
    return r;
}

int hg_plugin_remote_open(hg_plugins_t *ps, const hg_plugin_spec_t *spec, const hg_plugin_events_t *events, void *arg,
                          hg_plugin_t **ret, hg_err_t *err)
{
    hg_shm_t shm;
    hg_plugin_proc_t *proc = NULL;
    if (spec->config.n + spec->state.n > HG_PLUGIN_SLOT_BYTES)
        return hg_err_set(err, HG_ETOOBIG, "configuration and state are larger than %zu bytes", HG_PLUGIN_SLOT_BYTES);
    int rc = hg_shm_new(&shm, err);
    if (rc < 0) return rc;
    rc = proc_get(ps, spec->path, &proc, err);
    if (rc < 0) {
        hg_shm_release(&shm);
        return rc;
    }
    if (spec->config.n) memcpy(shm.p, spec->config.p, spec->config.n);
    if (spec->state.n) memcpy(shm.p + spec->config.n, spec->state.p, spec->state.n);
    remote_t *r = remote_new(proc, spec->kind, spec->id, events, arg);
    r->shm = shm;
    hg_pm_t m = {
        .kind = HG_PM_OPEN, .plugin = spec->id, .rc = (int32_t)spec->kind, .n = { spec->config.n, spec->state.n, 0 }
    };
    call_t c;
    call_init(&c);
    rc = ask(proc, &c, &m, &shm.fd, 1, err);
    if (rc == 0 && c.rc < 0) rc = hg_err_set(err, c.rc, "%s", c.text);
    if (rc == 0) {
        snprintf(r->base.version, sizeof r->base.version, "%.*s", (int)sizeof r->base.version - 1, c.text);
        if (spec->kind == HG_PLUGIN_SINK) {
            r->base.wants = (iggy_sink_wants_t){ c.n[0], c.n[1], c.n[2] };
            r->base.gates = c.n[3] == 1;
        }
        r->base.ahead = spec->kind == HG_PLUGIN_SOURCE && c.n[0] == 1;
        *ret = &r->base;
    } else {
        remote_free(r);
    }
    pthread_cond_destroy(&c.changed);
    return rc;
}

/* --- for tests --- */
hg_plugin_proc_t *hg_plugin_proc_fake(hg_plugins_t *ps, int fd, uint32_t plugin, const hg_plugin_events_t *events,
                                      void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    hg_plugin_proc_t *proc = proc_new(ps, "fake");
    proc->fd = fd;
    HG_ASSERT(hg_shm_new(&remote_new(proc, HG_PLUGIN_SOURCE, plugin, events, arg)->shm, &err) == 0);
    return proc;
}

void hg_plugin_proc_fake_free(hg_plugin_proc_t *proc)
{
    remote_t *r = proc->instances;
    take_out(r);
    hg_shm_release(&r->shm);
    hg_free(r);
    proc_free(proc);
}
