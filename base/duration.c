/* duration.c: lengths of time as people write them: "500ms", "30s", "1m 30s", "2 hours". */
#include "base/hg.h"
#include "base/buf.h"
#include "base/err.h"

static const struct {
    const char *names; /* each with a blank before and behind it */
    uint64_t ns;
} units[] = {
    { " ns nsec nanos ", 1 },
    { " us usec micros ", 1000 },
    { " ms msec millis ", 1000000 },
    { " s sec secs second seconds ", 1000000000 },
    { " m min mins minute minutes ", 60000000000 },
    { " h hr hrs hour hours ", 3600000000000 },
    { " d day days ", 86400000000000 },
    { " w week weeks ", 604800000000000 },
};

static uint64_t unit_ns(const char *word, size_t n)
{
    char sought[16];
    if (n > sizeof sought - 3) return 0;
    snprintf(sought, sizeof sought, " %.*s ", (int)n, word);
    for (size_t i = 0; i < HG_COUNT(units); i++)
        if (strstr(units[i].names, sought)) return units[i].ns;
    return 0;
}

/* Groups of a number and a unit, in nanoseconds until the end: "1500ns" is 1 microsecond. */
int hg_duration_us(hg_str_t text, uint64_t *ret_us)
{
    char low[64];
    uint64_t total = 0;
    hg_str_t s = hg_str_trim(text);
    if (!s.n || s.n >= sizeof low) return HG_EPARSE;
    for (size_t i = 0; i < s.n; i++) low[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
    low[s.n] = 0;
    for (const char *p = low; *p;) {
        const char *digits = p;
        uint64_t v, ns;
        while (*p >= '0' && *p <= '9') p++;
        if (p == digits) return HG_EPARSE;
        if (hg_str_u64((hg_str_t){ digits, (size_t)(p - digits) }, &v) < 0) return HG_ERANGE;
        while (*p == ' ') p++;
        const char *word = p;
        while (*p >= 'a' && *p <= 'z') p++;
        if (!(ns = unit_ns(word, (size_t)(p - word)))) return HG_EPARSE;
        while (*p == ' ') p++;
        if (v > (UINT64_MAX - total) / ns) return HG_ERANGE;
        total += v * ns;
    }
    *ret_us = total / 1000;
    return 0;
}
