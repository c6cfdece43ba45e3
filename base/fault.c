/* fault.c: see fault.h. HG_FAULT is read once, on the first question. */
#include "base/hg.h"
#include "base/fault.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
    _Atomic uint64_t seen; /* calls so far */
    uint64_t from, to;
} rule_t;

static rule_t g_rules[HG_FAULT_N];
static atomic_bool g_armed;
static atomic_bool g_fired;
typedef struct {
    char name[64];
    _Atomic int64_t in; /* times it is passed until it acts */
} point_t;

static point_t g_kill = { .in = 1 }, g_hang = { .in = 1 };
static _Atomic uint64_t g_disorder; /* 0 = off; the state of a splitmix64 */
static char g_point[64];
static void (*_Atomic g_point_fn)(void *what); /* NULL: none is armed */
static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static const char *const g_names[HG_FAULT_N] = { "alloc",  "read", "write",   "fsync",
                                                 "rename", "open", "connect", "thread" };

static void parse_point(point_t *p, const char *s, size_t n)
{
    const char *nth = memchr(s, ':', n);
    size_t vn = HG_MIN(nth ? (size_t)(nth - s) : n, sizeof p->name - 1);
    memcpy(p->name, s, vn);
    p->name[vn] = 0;
    if (nth) atomic_store(&p->in, strtoll(nth + 1, NULL, 10));
}

static void parse_one(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    if (!colon) return;
    size_t kn = (size_t)(colon - s);
    if (kn == 4 && (memcmp(s, "kill", 4) == 0 || memcmp(s, "hang", 4) == 0)) {
        parse_point(*s == 'k' ? &g_kill : &g_hang, colon + 1, n - kn - 1);
        return;
    }
    if (kn == 8 && memcmp(s, "disorder", 8) == 0) {
        atomic_store(&g_disorder, strtoull(colon + 1, NULL, 10) | 1);
        return;
    }
    for (int k = 0; k < HG_FAULT_N; k++) {
        if (strlen(g_names[k]) != kn || memcmp(s, g_names[k], kn) != 0) continue;
        char *end = NULL;
        uint64_t a = strtoull(colon + 1, &end, 10), b = a;
        if (*end == '-')
            b = strtoull(end + 1, NULL, 10);
        else if (*end == '+')
            b = UINT64_MAX;
        g_rules[k].from = a;
        g_rules[k].to = b;
        atomic_store(&g_armed, true);
    }
}

static void read_env(void)
{
    const char *s = getenv("HG_FAULT");
    while (s && *s) {
        size_t n = strcspn(s, ",");
        parse_one(s, n);
        s += n + (s[n] == ',');
    }
}

static bool due(point_t *p, const char *name)
{
    pthread_once(&g_once, read_env);
    return p->name[0] && strcmp(p->name, name) == 0 && atomic_fetch_sub(&p->in, 1) == 1;
}

bool hg_fault(hg_fault_t kind)
{
    pthread_once(&g_once, read_env);
    if (HG_LIKELY(!atomic_load_explicit(&g_armed, memory_order_relaxed))) return false;
    rule_t *r = &g_rules[kind];
    if (r->from == 0) return false;
    uint64_t n = atomic_fetch_add(&r->seen, 1) + 1;
    if (n < r->from || n > r->to) return false;
    atomic_store(&g_fired, true);
    return true;
}

void hg_fault_arm(hg_fault_t kind, uint64_t n)
{
    pthread_once(&g_once, read_env);
    atomic_store(&g_rules[kind].seen, 0);
    g_rules[kind].from = g_rules[kind].to = n;
    atomic_store(&g_fired, false);
    atomic_store(&g_armed, n != 0);
}

bool hg_fault_fired(void)
{
    return atomic_load(&g_fired);
}

uint64_t hg_fault_disorder(uint64_t n)
{
    pthread_once(&g_once, read_env);
    if (HG_LIKELY(!atomic_load_explicit(&g_disorder, memory_order_relaxed))) return 0;
    uint64_t z = atomic_fetch_add(&g_disorder, 0x9e3779b97f4a7c16u); /* an even step: it stays odd, so never 0 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % n;
}

void hg_hang_point(const char *name)
{
    if (!due(&g_hang, name)) return;
    for (;;) pause();
}

void hg_kill_point(const char *name)
{
    if (due(&g_kill, name)) kill(getpid(), SIGKILL);
    hg_hang_point(name);
}

void hg_kill_arm(const char *name)
{
    pthread_once(&g_once, read_env);
    snprintf(g_kill.name, sizeof g_kill.name, "%s", name);
}

void hg_point(const char *name, void *what)
{
    void (*fn)(void *) = atomic_load_explicit(&g_point_fn, memory_order_acquire);
    if (HG_UNLIKELY(fn != NULL) && strcmp(g_point, name) == 0) fn(what);
}

void hg_point_arm(const char *name, void (*fn)(void *what))
{
    snprintf(g_point, sizeof g_point, "%s", name);
    atomic_store_explicit(&g_point_fn, fn, memory_order_release);
}
