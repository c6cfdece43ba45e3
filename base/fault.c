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
static char g_kill[64];
static _Atomic int64_t g_kill_in = 1; /* times the kill point is passed until it kills */
static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static const char *const g_names[HG_FAULT_N] = { "alloc", "read", "write", "fsync", "rename", "open", "connect" };

static void parse_one(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    if (!colon) return;
    size_t kn = (size_t)(colon - s);
    if (kn == 4 && memcmp(s, "kill", 4) == 0) {
        const char *nth = memchr(colon + 1, ':', n - kn - 1);
        size_t vn = HG_MIN(nth ? (size_t)(nth - colon) - 1 : n - kn - 1, sizeof g_kill - 1);
        memcpy(g_kill, colon + 1, vn);
        g_kill[vn] = 0;
        if (nth) atomic_store(&g_kill_in, strtoll(nth + 1, NULL, 10));
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

void hg_kill_point(const char *name)
{
    pthread_once(&g_once, read_env);
    if (g_kill[0] && strcmp(g_kill, name) == 0 && atomic_fetch_sub(&g_kill_in, 1) == 1) kill(getpid(), SIGKILL);
}

void hg_kill_arm(const char *name)
{
    pthread_once(&g_once, read_env);
    snprintf(g_kill, sizeof g_kill, "%s", name);
}
