/* cpu.c: see cpu.h.
 *
 * Handlers, in any thread, write into slots of the ring; hg-profile empties them, and is the only one that touches the
 * recording. A slot goes FREE → (handler) WRITING → READY → (hg-profile) FREE. The signal's handler stays installed
 * once it was: a signal that comes late would end the process otherwise.
 */
#include "base/hg.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/thread.h"
#include "base/unwind.h"
#include "profile/cpu.h"
#include "profile/firefox_int.h"
#include "profile/gzip.h"

#define INTERVAL_MS 10
#define SLOTS       256u
#define STACK_COPY  (32u << 10)
#define COPY_STEP   4096u /* a copy ends at a page that is not there */
#define DEPTH       128
#define DRAIN_MS    20
#define LOOK_DRAINS 5 /* for new threads, every so many */

enum { FREE, WRITING, READY };

typedef struct slot {
    _Atomic int state;
    uint32_t thread, weight;
    int64_t at_us;
    hg_regs_t regs;
    size_t n;
    uint8_t stack[STACK_COPY];
} slot_t;

typedef struct ring {
    _Atomic uint32_t next;
    _Atomic uint64_t lost;
    pid_t pid;
    slot_t slots[SLOTS];
} ring_t;

/* Of hg-profile. */
typedef struct recorder {
    hg_arena_t *a;
    hg_cpu_thread_t *threads;
    timer_t *timers; /* of each thread */
    hg_cpu_stack_t *stacks;
    uint32_t n_threads, n_timers, n_stacks;
    hg_strmap_t by_callee; /* a stack by its prefix and frame */
    int64_t start_us, start_wall_us, length_us;
} recorder_t;

static _Atomic(ring_t *) g_ring;  /* NULL: none is taken */
static _Atomic uint32_t g_inside; /* handlers that may have it */

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool set_up, running, has_thread, close;
    int64_t end_us; /* monotonic */
    pthread_t thread;
    hg_buf_t last; /* the profile; empty: none */
    hg_err_t why;  /* code 0, or why the last one came to nothing */
} g = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

/* --- in the interrupted thread --- */

/* Through the kernel, which knows where the stack ends. */
static size_t copy_stack(const ring_t *ring, uintptr_t from, uint8_t *to)
{
    struct iovec local = { to, STACK_COPY }, parts[STACK_COPY / COPY_STEP + 1];
    size_t n = 0, left = STACK_COPY;
    while (left) {
        size_t len = HG_MIN(COPY_STEP - from % COPY_STEP, left);
        parts[n].iov_len = len;
        memcpy(&parts[n++].iov_base, &from, sizeof from);
        from += len;
        left -= len;
    }
    ssize_t k = process_vm_readv(ring->pid, &local, 1, parts, n, 0);
    return k < 0 ? 0 : (size_t)k;
}

static void fill_slot(ring_t *ring, slot_t *s, const siginfo_t *info, const void *ucontext)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    s->at_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    s->thread = (uint32_t)info->si_value.sival_int;
    s->weight = 1 + (uint32_t)HG_MAX(info->si_overrun, 0);
    hg_regs_interrupted(ucontext, &s->regs);
    s->n = copy_stack(ring, s->regs.r[HG_REG_SP] - HG_RED_ZONE, s->stack);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    int saved = errno;
    (void)sig;
    atomic_fetch_add(&g_inside, 1);
    ring_t *ring = atomic_load(&g_ring);
    if (ring && info->si_code == SI_TIMER) {
        slot_t *s = &ring->slots[atomic_fetch_add(&ring->next, 1) % SLOTS];
        int is = FREE;
        if (atomic_compare_exchange_strong(&s->state, &is, WRITING)) {
            fill_slot(ring, s, info, ucontext);
            atomic_store(&s->state, READY);
        } else {
            atomic_fetch_add(&ring->lost, 1);
        }
    }
    atomic_fetch_sub(&g_inside, 1);
    errno = saved;
}

/* --- threads --- */

/* The kernel's clock of the time that another thread of this process computes. */
static clockid_t clock_of(uint32_t tid)
{
    return (clockid_t)(~tid << 3 | 6u);
}

static void read_name(hg_cpu_thread_t *t)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%u/comm", t->tid);
    FILE *f = fopen(path, "re");
    if (!f) return; /* it has ended */
    if (fgets(t->name, sizeof t->name, f)) t->name[strcspn(t->name, "\n")] = 0;
    fclose(f);
}

static void add_thread(recorder_t *r, uint32_t tid)
{
    hg_cpu_thread_t t = { .tid = tid };
    timer_t timer;
    struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
    struct itimerspec every = { .it_interval = { 0, INTERVAL_MS * 1000000L },
                                .it_value = { 0, INTERVAL_MS * 1000000L } };
    ev._sigev_un._tid = (pid_t)tid;
    ev.sigev_value.sival_int = (int)r->n_threads;
    /* It may have ended, or there are no more timers: tried again at the next look. */
    if (timer_create(clock_of(tid), &ev, &timer) < 0) return;
    timer_settime(timer, 0, &every, NULL);
    HG_APUSH(r->a, r->threads, r->n_threads, t);
    HG_APUSH(r->a, r->timers, r->n_timers, timer);
}

static void look_for_threads(recorder_t *r)
{
    DIR *d = opendir("/proc/self/task");
    uint32_t own = (uint32_t)syscall(SYS_gettid);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10), i = 0;
        while (i < r->n_threads && r->threads[i].tid != tid) i++;
        if (tid == 0 || tid == own) continue;
        if (i == r->n_threads) add_thread(r, tid);
        if (i < r->n_threads) read_name(&r->threads[i]);
    }
    if (d) closedir(d);
}

/* --- stacks --- */

static uint32_t add_stack(recorder_t *r, const uintptr_t *pcs, unsigned n)
{
    uint32_t at = HG_NO_SYMBOL;
    for (unsigned i = n; i-- > 0;) {
        struct {
            uintptr_t pc;
            uint64_t prefix;
        } key = { pcs[i] - (i > 0), at };
        hg_str_t k = { (const char *)&key, sizeof key };
        uint32_t id = hg_strmap_get(&r->by_callee, k);
        if (id == HG_STRMAP_NONE) {
            hg_cpu_stack_t s = { .prefix = at, .pc = key.pc };
            id = hg_strmap_put(&r->by_callee, hg_arena_str(r->a, k), r->n_stacks);
            HG_APUSH(r->a, r->stacks, r->n_stacks, s);
        }
        at = id;
    }
    return at;
}

static void add_sample(recorder_t *r, const slot_t *s)
{
    uintptr_t pcs[DEPTH];
    hg_stack_t stack = { .bytes = s->stack, .at = s->regs.r[HG_REG_SP] - HG_RED_ZONE, .n = s->n };
    if (s->thread >= r->n_threads) return;
    hg_cpu_thread_t *t = &r->threads[s->thread];
    hg_cpu_sample_t sample = { .at_us = s->at_us - r->start_us, .weight = s->weight };
    sample.stack = add_stack(r, pcs, hg_unwind(&s->regs, &stack, pcs, DEPTH));
    HG_APUSH(r->a, t->samples, t->n_samples, sample);
}

static void drain(recorder_t *r, ring_t *ring)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        slot_t *s = &ring->slots[i];
        if (atomic_load(&s->state) != READY) continue;
        add_sample(r, s);
        atomic_store(&s->state, FREE);
    }
}

static int by_time(const void *a, const void *b)
{
    const hg_cpu_sample_t *x = a, *y = b;
    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* --- one profile --- */

/* Until its time is over. false: it is given up. */
static bool record(recorder_t *r, ring_t *ring)
{
    pthread_mutex_lock(&g.lock);
    for (unsigned i = 0; !g.close && hg_mono_us() < g.end_us; i++) {
        struct timespec until;
        pthread_mutex_unlock(&g.lock);
        if (i % LOOK_DRAINS == 0) look_for_threads(r);
        drain(r, ring);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += DRAIN_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
        pthread_mutex_lock(&g.lock);
        if (!g.close) pthread_cond_timedwait(&g.wake, &g.lock, &until);
    }
    bool whole = !g.close;
    pthread_mutex_unlock(&g.lock);
    return whole;
}

/* After it no handler has the ring. */
static void end_timers(recorder_t *r)
{
    for (uint32_t i = 0; i < r->n_timers; i++) timer_delete(r->timers[i]);
    atomic_store(&g_ring, NULL);
    while (atomic_load(&g_inside)) usleep(1000);
}

static int write_profile(recorder_t *r, const ring_t *ring, hg_buf_t *out, hg_err_t *err)
{
    hg_buf_t plain;
    hg_jw_t w;
    for (uint32_t i = 0; i < r->n_threads; i++)
        if (r->threads[i].n_samples)
            qsort(r->threads[i].samples, r->threads[i].n_samples, sizeof *r->threads[i].samples, by_time);
    hg_cpu_recording_t rec = { .threads = r->threads,
                               .stacks = r->stacks,
                               .n_threads = r->n_threads,
                               .n_stacks = r->n_stacks,
                               .pid = (uint32_t)ring->pid,
                               .start_us = r->start_wall_us,
                               .length_us = r->length_us,
                               .lost = atomic_load(&ring->lost),
                               .interval_ms = INTERVAL_MS };
    hg_buf_init(&plain, HG_BUF_NOMAX);
    hg_jw_init(&w, &plain);
    hg_firefox_json(&rec, &w);
    int rc = w.rc < 0 ? hg_err_set(err, (hg_code_t)w.rc, "no memory for a CPU profile")
                      : hg_gzip(hg_buf_str(&plain), out, err);
    hg_buf_release(&plain);
    return rc;
}

static void *profile_main(void *arg)
{
    ring_t *ring = arg;
    recorder_t r = { .a = hg_arena_new(), .start_us = hg_mono_us(), .start_wall_us = hg_now_us() };
    hg_buf_t made;
    hg_err_t err = HG_ERR_INIT;
    pthread_setname_np(pthread_self(), "hg-profile");
    hg_strmap_init(&r.by_callee);
    hg_buf_init(&made, HG_BUF_NOMAX);
    atomic_store(&g_ring, ring);
    bool whole = record(&r, ring);
    end_timers(&r);
    r.length_us = hg_mono_us() - r.start_us;
    drain(&r, ring);
    if (whole) write_profile(&r, ring, &made, &err);
    munmap(ring, sizeof *ring);
    hg_strmap_release(&r.by_callee);
    hg_arena_free(r.a);
    pthread_mutex_lock(&g.lock);
    hg_buf_release(&g.last);
    g.last = made;
    g.why = err;
    g.running = false;
    pthread_mutex_unlock(&g.lock);
    return NULL;
}

/* Under lock. */
static int set_up(hg_err_t *err)
{
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    char from = 1, to = 0;
    struct iovec local = { &to, 1 }, remote = { &from, 1 };
    if (g.set_up) return 0;
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1)
        return hg_err_set(err, HG_EUNSUPPORTED,
                          "No CPU profile can be taken: the system does not permit process_vm_readv (%s)",
                          strerror(errno));
    sigemptyset(&act.sa_mask);
    if (sigaction(SIGPROF, &act, NULL) < 0) return hg_err_errno(err, errno, "no handler for a CPU profile");
    hg_buf_init(&g.last, HG_BUF_NOMAX);
    g.set_up = true;
    return 0;
}

/* Under lock. */
static int start(uint64_t seconds, hg_err_t *err)
{
    if (g.running) return hg_err_set(err, HG_EBUSY, "A CPU profile is already being taken");
    if (set_up(err) < 0) return err->code;
    if (g.has_thread) pthread_join(g.thread, NULL); /* it has ended, or is about to */
    g.has_thread = false;
    ring_t *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED) return hg_err_errno(err, errno, "no memory for a CPU profile");
    ring->pid = getpid();
    g.end_us = hg_mono_us() + (int64_t)seconds * 1000000;
    g.close = false;
    g.running = g.has_thread = hg_thread_start(&g.thread, profile_main, ring, "a CPU profile", err) == 0;
    if (!g.running) munmap(ring, sizeof *ring);
    return g.running ? 0 : err->code;
}

int hg_cpu_profile_start(uint64_t seconds, hg_err_t *err)
{
    if (seconds < 1 || seconds > HG_CPU_PROFILE_MAX_S)
        return hg_err_set(err, HG_ERANGE, "A CPU profile takes 1 to %d seconds, not %" PRIu64, HG_CPU_PROFILE_MAX_S,
                          seconds);
    pthread_mutex_lock(&g.lock);
    int rc = start(seconds, err);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

int hg_cpu_profile_get(bool latest, hg_buf_t *out, uint64_t *ret_wait_s, hg_err_t *err)
{
    int rc = 0;
    pthread_mutex_lock(&g.lock);
    if (latest && g.running) {
        *ret_wait_s = (uint64_t)(HG_MAX(g.end_us - hg_mono_us(), 0) / 1000000 + 1);
        rc = hg_err_set(err, HG_EAGAIN, "A CPU profile is being taken");
    } else if (g.set_up && g.why.code) {
        *err = g.why;
        rc = err->code;
    } else if (!g.set_up || !g.last.len) {
        rc = hg_err_set(err, HG_EINVAL, "There is no CPU profile of this process%s",
                        g.running ? " yet: the first is being taken" : ": POST …/samply_profile takes one");
    } else {
        rc = hg_buf_addstr(out, hg_buf_str(&g.last));
        if (rc < 0) hg_err_set(err, (hg_code_t)rc, "no memory for a copy of the CPU profile");
    }
    pthread_mutex_unlock(&g.lock);
    return rc;
}

void hg_cpu_profile_close(void)
{
    pthread_mutex_lock(&g.lock);
    bool join = g.has_thread;
    g.has_thread = false;
    g.close = true;
    pthread_cond_signal(&g.wake);
    pthread_mutex_unlock(&g.lock);
    if (join) pthread_join(g.thread, NULL);
    if (g.set_up) hg_buf_release(&g.last);
}
