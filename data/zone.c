/* zone.c: TZif files, and the zones that were read. See zone.h.
 *
 * A file lists moments and, for each, how far local time is ahead from then on; behind the last one the rule of its
 * last line holds. The 32-bit part at its beginning, which old programs read, is passed over. Names come out of
 * programs and data: what is no name of a zone never reaches the file system, and names that lead nowhere are
 * remembered up to a limit. */
#include "base/hg.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/durable.h"
#include "base/mem.h"
#include "data/zone_int.h"

#define US         INT64_C(1000000)
#define FILE_MAX   (256u << 10)
#define OFFSET_MAX (26 * 3600) /* of RFC 8536: 25 h; no zone is ever further than 16 */

struct hg_zone {
    uint32_t n;
    int64_t *at;    /* rising */
    int32_t *ahead; /* from at[i] */
    int32_t first;  /* before at[0] */
    bool has_rule;  /* from at[n - 1] */
    hg_zone_rule_t rule;
};

/* --- files ------------------------------------------------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

enum { HEAD = 44 };

typedef struct {
    uint64_t utc, standard, leaps, times, types, chars;
} counts_t;

static bool head(const uint8_t *p, size_t n, counts_t *c)
{
    if (n < HEAD || memcmp(p, "TZif", 4) != 0 || p[4] < '2') return false;
    *c = (counts_t){ be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40) };
    return true;
}

/* Bytes behind the header; width: of a moment. */
static uint64_t body(const counts_t *c, uint64_t width)
{
    return c->times * (width + 1) + c->types * 6 + c->chars + c->leaps * (width + 4) + c->standard + c->utc;
}

static int fill(hg_zone_t *z, const uint8_t *p, const counts_t *c, hg_err_t *err)
{
    const uint8_t *index = p + c->times * 8, *types = index + c->times;
    z->at = hg_trynew(sizeof *z->at * (c->times + 1));
    z->ahead = hg_trynew(sizeof *z->ahead * (c->times + 1));
    if (!z->at || !z->ahead) return hg_err_set(err, HG_ENOMEM, "out of memory for a time zone");
    z->n = (uint32_t)c->times;
    for (uint32_t i = 0; i < c->types; i++) {
        int32_t v = (int32_t)be32(types + 6 * i);
        if (v > OFFSET_MAX || v < -OFFSET_MAX)
            return hg_err_set(err, HG_EPARSE, "a time zone that is %d seconds ahead", v);
    }
    for (uint32_t i = 0; i < z->n; i++) {
        z->at[i] = be64(p + 8 * i);
        if (i && z->at[i] <= z->at[i - 1]) return hg_err_set(err, HG_EPARSE, "the changes of a time zone do not rise");
        if (index[i] >= c->types)
            return hg_err_set(err, HG_EPARSE, "a change of a time zone to a time that it does not have");
        z->ahead[i] = (int32_t)be32(types + 6 * index[i]);
    }
    z->first = (int32_t)be32(types);
    return 0;
}

static int last_line(hg_zone_t *z, hg_str_t s, hg_err_t *err)
{
    const char *end = s.n > 1 && s.p[0] == '\n' ? memchr(s.p + 1, '\n', s.n - 1) : NULL;
    if (!end) return hg_err_set(err, HG_EPARSE, "a time zone's file has no last line");
    hg_str_t rule = { s.p + 1, (size_t)(end - s.p) - 1 };
    z->has_rule = rule.n > 0;
    if (z->has_rule && !hg_zone_rule_parse(rule, &z->rule))
        return hg_err_set(err, HG_EPARSE, "the last line of a time zone's file is no rule");
    return 0;
}

int hg_zone_parse(const void *data, size_t n, hg_zone_t **ret, hg_err_t *err)
{
    const uint8_t *p = data;
    counts_t c;
    if (!head(p, n, &c)) return hg_err_set(err, HG_EPARSE, "no file of a time zone (TZif, version 2 or later)");
    uint64_t skip = HEAD + body(&c, 4);
    if (skip > n || !head(p + skip, n - skip, &c) || HEAD + body(&c, 8) > n - skip)
        return hg_err_set(err, HG_EPARSE, "the file of a time zone is cut short");
    if (c.types == 0 || c.types > 256 || c.leaps > 0)
        return hg_err_set(err, HG_EPARSE, "the file of a time zone counts leap seconds, or has no times");
    hg_zone_t *z = HG_NEW(hg_zone_t);
    int rc = fill(z, p + skip + HEAD, &c, err);
    uint64_t end = skip + HEAD + body(&c, 8);
    if (rc == 0) rc = last_line(z, (hg_str_t){ (const char *)p + end, n - end }, err);
    if (rc < 0) {
        hg_zone_free(z);
        return rc;
    }
    *ret = z;
    return 0;
}

void hg_zone_free(hg_zone_t *z)
{
    if (!z) return;
    hg_free(z->at);
    hg_free(z->ahead);
    hg_free(z);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

int32_t hg_zone_offset(const hg_zone_t *z, int64_t utc)
{
    uint32_t lo = 0, hi = z->n; /* at[lo - 1] <= utc < at[hi] */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (z->at[mid] <= utc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == z->n && z->has_rule) return hg_zone_rule_offset(&z->rule, utc);
    return lo ? z->ahead[lo - 1] : z->first;
}

/* Offsets a day before and a day after: no zone changes twice within two days. */
int hg_zone_moments(const hg_zone_t *z, int64_t local_us, int64_t ret[2])
{
    int64_t s = local_us / US - (local_us % US < 0);
    int32_t before = hg_zone_offset(z, s - OFFSET_MAX), after = hg_zone_offset(z, s + OFFSET_MAX);
    bool first = hg_zone_offset(z, s - before) == before, second = hg_zone_offset(z, s - after) == after;
    ret[0] = local_us - (first || !second ? before : after) * US;
    ret[1] = local_us - after * US;
    if (before == after) return first;
    if (ret[0] > ret[1] && first && second) { /* no zone does this, but a file may say so */
        int64_t later = ret[0];
        ret[0] = ret[1];
        ret[1] = later;
    }
    return first + second;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

#define MISSES_MAX 256u

typedef struct known {
    struct known *next;
    hg_zone_t *zone; /* NULL: there is none of this name */
    size_t n;
    char name[];
} known_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known_t *buckets[256];
static uint32_t misses;

const char *hg_zone_dir(void)
{
    const char *dir = getenv("TZDIR");
    return dir && *dir ? dir : "/usr/share/zoneinfo";
}

/* No dots: neither ".." nor the tables that lie beside the zones. */
static bool is_name(hg_str_t s)
{
    if (s.n == 0 || s.n > 64 || s.p[0] == '/' || s.p[s.n - 1] == '/') return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '+' && c != '-' && c != '/') return false;
    }
    return true;
}

static hg_zone_t *load(hg_str_t name)
{
    char path[512];
    hg_buf_t text;
    hg_zone_t *z = NULL;
    hg_err_t err = HG_ERR_INIT;
    int n = snprintf(path, sizeof path, "%s/" HG_SF, hg_zone_dir(), HG_SA(name));
    if (n < 0 || (size_t)n >= sizeof path) return NULL;
    hg_buf_init(&text, FILE_MAX);
    if (hg_file_read(path, &text, &err) == 0 && hg_zone_parse(text.p, text.len, &z, &err) < 0) z = NULL;
    hg_buf_release(&text);
    return z;
}

const hg_zone_t *hg_zone_named(hg_str_t name)
{
    uint8_t at = 0;
    if (!is_name(name)) return NULL;
    for (size_t i = 0; i < name.n; i++) at = (uint8_t)(at * 31 + (uint8_t)name.p[i]);
    pthread_mutex_lock(&lock);
    known_t *k = buckets[at];
    while (k && (k->n != name.n || memcmp(k->name, name.p, name.n) != 0)) k = k->next;
    hg_zone_t *z = k ? k->zone : load(name);
    if (!k && (z || misses < MISSES_MAX)) {
        k = hg_xzero(sizeof *k + name.n);
        k->zone = z;
        k->n = name.n;
        memcpy(k->name, name.p, name.n);
        k->next = buckets[at];
        buckets[at] = k;
        misses += !z;
    }
    pthread_mutex_unlock(&lock);
    return z;
}
