/* clock.c: a wall clock that a test can move, preloaded into the processes under test (LD_PRELOAD).
 *
 * CHAOS_CLOCK names a file of 8 bytes: nanoseconds (int64, native order) by which the wall clock is wrong. Every call
 * reads it anew, so the clock jumps in the middle of whatever runs. The monotonic clock stays as it is, as on a machine
 * whose date is set. A wait until a wall-clock moment is given to the kernel in its own time: the jump changes what the
 * wait is called, not how long it lasts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NS INT64_C(1000000000)
/* A later second than this is wall-clock time, an earlier one time since the machine started. */
#define SINCE_1970 INT64_C(500000000)

static const _Atomic int64_t *g_offset;
static const _Atomic int64_t g_none;

/* What stands behind the names below: set before main, read only afterwards. */
static int (*g_gettime)(clockid_t, struct timespec *);
static int (*g_pthread_wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*g_cnd_wait)(cnd_t *, mtx_t *, const struct timespec *);

static void find(const char *name, void *ret)
{
    void *p = dlsym(RTLD_NEXT, name);
    memcpy(ret, &p, sizeof p);
}

__attribute__((constructor)) static void begin(void)
{
    find("clock_gettime", &g_gettime);
    find("pthread_cond_timedwait", &g_pthread_wait);
    find("cnd_timedwait", &g_cnd_wait);
    const char *path = getenv("CHAOS_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    g_offset = p == MAP_FAILED ? &g_none : p;
}

static int64_t offset(void)
{
    return g_offset ? *g_offset : 0;
}

static void move(struct timespec *t, int64_t by)
{
    int64_t ns = t->tv_nsec + by % NS;
    t->tv_sec += (time_t)(by / NS);
    if (ns < 0) ns += NS, t->tv_sec--;
    if (ns >= NS) ns -= NS, t->tv_sec++;
    t->tv_nsec = (long)ns;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = g_gettime ? g_gettime(id, t) : (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) move(t, offset());
    return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec t;
    (void)tz;
    if (clock_gettime(CLOCK_REALTIME, &t) < 0) return -1;
    *tv = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec t;
    if (clock_gettime(CLOCK_REALTIME, &t) < 0) return -1;
    if (ret) *ret = t.tv_sec;
    return t.tv_sec;
}

int timespec_get(struct timespec *t, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, t) == 0 ? base : 0;
}

static struct timespec kernel_time(const struct timespec *abs)
{
    struct timespec t = *abs;
    if (t.tv_sec > SINCE_1970) move(&t, -offset());
    return t;
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict abs)
{
    struct timespec t = kernel_time(abs);
    return g_pthread_wait(c, m, &t);
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict abs)
{
    struct timespec t = kernel_time(abs);
    return g_cnd_wait(c, m, &t);
}
