/* log.c: see log.h. One write(2) per line; a small table remembers the last events for folding. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/hide.h"
#include "base/json.h"
#include "base/log.h"
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

static hg_log_opts_t g_opts = { .fd = 2, .level = HG_LOG_INFO };

/* Folding: one slot per hash of (sub, object, event); a repeat within a second only counts. */
#define FOLD_SLOTS 256
typedef struct {
    uint64_t hash;
    int64_t since_us;
    unsigned folded;
} fold_t;
static fold_t g_fold[FOLD_SLOTS];
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const g_level_names[] = { "error", "warn", "info", "debug" };

void hg_log_init(hg_log_opts_t opts)
{
    g_opts = opts;
}
bool hg_log_on(hg_log_level_t level)
{
    return level <= g_opts.level;
}

static uint64_t mix(uint64_t h, const char *s)
{
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

/* True: print, with the number of lines folded into this one. */
static bool fold(uint64_t h, int64_t now, unsigned *ret_folded)
{
    pthread_mutex_lock(&g_lock);
    fold_t *f = &g_fold[h % FOLD_SLOTS];
    bool print = f->hash != h || now - f->since_us >= 1000000;
    if (print) {
        *ret_folded = f->hash == h ? f->folded : 0;
        *f = (fold_t){ h, now, 0 };
    } else {
        f->folded++;
    }
    pthread_mutex_unlock(&g_lock);
    return print;
}

/* Who else takes lines: under the lock; the flag spares the others it. */
static struct {
    pthread_mutex_t lock;
    hg_log_taker_t take;
    void *arg;
} g_also = { .lock = PTHREAD_MUTEX_INITIALIZER };
static atomic_bool g_taken;

void hg_log_also(hg_log_taker_t take, void *arg)
{
    pthread_mutex_lock(&g_also.lock);
    g_also.take = take;
    g_also.arg = arg;
    atomic_store(&g_taken, take != NULL);
    pthread_mutex_unlock(&g_also.lock);
}

static void write_line(const hg_log_line_t *l)
{
    char time[32];
    hg_buf_t b;
    hg_time_rfc3339(time, l->us);
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (g_opts.json) {
        hg_jw_t w;
        hg_jw_init(&w, &b);
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "time", time);
        hg_jw_kstr(&w, "level", g_level_names[l->level]);
        hg_jw_kstr(&w, "subsystem", l->sub);
        hg_jw_kstr(&w, "object", l->object);
        hg_jw_kstr(&w, "event", l->event);
        if (l->fields.n) {
            hg_jw_key(&w, "fields");
            hg_jw_str(&w, l->fields);
        }
        if (l->repeated) hg_jw_ku64(&w, "repeated", l->repeated);
        hg_jw_end_obj(&w);
        hg_buf_addc(&b, '\n');
    } else {
        hg_buf_addf(&b, "%s %s %s %s %s%s", time, g_level_names[l->level], l->sub, l->object, l->event,
                    l->fields.n ? " " : "");
        hg_buf_addstr(&b, l->fields);
        if (l->repeated) hg_buf_addf(&b, " repeated=%u", l->repeated);
        for (size_t i = 0; i < b.len; i++)
            if ((unsigned char)b.p[i] < 0x20) b.p[i] = ' ';
        hg_buf_addc(&b, '\n');
    }
    (void)!write(g_opts.fd, b.p, b.len);
    hg_buf_release(&b);
}

static void give(const hg_log_line_t *l)
{
    if (!atomic_load_explicit(&g_taken, memory_order_relaxed)) return;
    pthread_mutex_lock(&g_also.lock);
    if (g_also.take) g_also.take(g_also.arg, l);
    pthread_mutex_unlock(&g_also.lock);
}

/* cut: the end of the fields may be missing. */
static void tell(hg_log_line_t *l, bool cut, void (*out)(const hg_log_line_t *))
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (hg_hide_any()) {
        (void)hg_hide_copy(l->fields, cut, &b);
        l->fields = hg_buf_str(&b);
    }
    out(l);
    hg_buf_release(&b);
}

static void write_and_give(const hg_log_line_t *l)
{
    write_line(l);
    give(l);
}

static bool wanted(hg_log_level_t level, const char *event)
{
    return hg_log_on(level) && !(g_opts.mute && strcmp(event, g_opts.mute) == 0);
}

void hg_log(hg_log_level_t level, const char *sub, const char *object, const char *event, const char *fmt, ...)
{
    if (!wanted(level, event)) return;
    if (!object) object = "-";
    int64_t now = hg_now_us();
    unsigned folded = 0;
    if (!fold(mix(mix(mix(0xcbf29ce484222325u, sub), object), event), now, &folded)) return;

    char fields[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fields, sizeof fields, fmt, ap);
    va_end(ap);
    size_t n = strlen(fields);
    hg_log_line_t l = { level, now, sub, object, event, { fields, n }, folded };
    tell(&l, n + 1 == sizeof fields, write_and_give);
}

void hg_log_each(hg_log_level_t level, const char *sub, const char *object, const char *event, hg_str_t fields)
{
    if (!wanted(level, event)) return;
    hg_log_line_t l = { level, hg_now_us(), sub, object ? object : "-", event, fields, 0 };
    tell(&l, false, write_and_give);
}

void hg_log_unwritten(hg_log_level_t level, const char *sub, const char *object, const char *event, hg_str_t fields)
{
    hg_log_line_t l = { level, hg_now_us(), sub, object ? object : "-", event, fields, 0 };
    tell(&l, false, give);
}

int64_t hg_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t hg_mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void hg_time_rfc3339(char *out, int64_t us)
{
    int64_t sec = us / 1000000, frac = us % 1000000;
    struct tm tm;
    if (frac < 0) frac += 1000000, sec--;
    time_t t = (time_t)sec;
    gmtime_r(&t, &tm);
    snprintf(out, 28, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
             (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
             (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, (unsigned)frac % 1000000u);
}

void hg_random(void *p, size_t n)
{
    char *s = p;
    while (n) {
        ssize_t got = getrandom(s, HG_MIN(n, (size_t)256), 0);
        if (got < 0) continue; /* EINTR; the kernel always has bytes after boot */
        s += got;
        n -= (size_t)got;
    }
}

/* RFC 9562 version 7: 48 bits of milliseconds, the rest random. */
void hg_uuid_v7(char out[37])
{
    unsigned char b[16];
    hg_random(b, sizeof b);
    uint64_t ms = (uint64_t)(hg_now_us() / 1000);
    for (int i = 0; i < 6; i++) b[i] = (unsigned char)(ms >> (40 - 8 * i));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x70);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (int i = 0, o = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[o++] = '-';
        out[o++] = "0123456789abcdef"[b[i] >> 4];
        out[o++] = "0123456789abcdef"[b[i] & 15];
    }
    out[36] = 0;
}
