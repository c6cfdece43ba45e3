/* number.c: see number_int.h. A number is its sign, its digits without leading and trailing zeros, and the power of ten
 * of the first of them. */
#include "base/hg.h"
#include "iggy/transform/number_int.h"

#define EXP_MAX INT64_C(1000000000)

typedef struct {
    bool minus;
    const char *p, *end; /* digits, perhaps with a point among them */
    int64_t top;         /* the first digit stands for d × 10^top */
} number_t;

bool hg_is_number(hg_str_t json)
{
    return json.n && (json.p[0] == '-' || (json.p[0] >= '0' && json.p[0] <= '9'));
}

static int64_t exponent(const char *p, const char *end)
{
    int64_t v = 0;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    for (; p < end && v < EXP_MAX; p++) v = v * 10 + (*p - '0');
    v = HG_MIN(v, EXP_MAX);
    return minus ? -v : v;
}

/* p == end: zero. */
static number_t number(hg_str_t s)
{
    number_t r = { .minus = s.p[0] == '-' };
    const char *p = s.p + r.minus, *end = s.p + s.n, *e = p, *point = NULL;
    for (; e < end && *e != 'e' && *e != 'E'; e++)
        if (*e == '.') point = e;
    int64_t whole = (point ? point : e) - p;
    if (e < end) r.top = exponent(e + 1, end);
    r.top += whole - 1;
    const char *first = p;
    while (first < e && (*first == '0' || *first == '.')) first++;
    if (first < e) r.top -= point && first > point ? first - p - 1 : first - p;
    while (e > first && (e[-1] == '0' || e[-1] == '.')) e--;
    r.p = first;
    r.end = e;
    if (r.p == r.end) r.minus = false;
    return r;
}

static char digit(const char **p, const char *end)
{
    if (*p < end && **p == '.') ++*p;
    return *p < end ? *(*p)++ : '0';
}

static int magnitude(const number_t *a, const number_t *b)
{
    bool az = a->p == a->end, bz = b->p == b->end;
    if (az || bz) return bz - az;
    if (a->top != b->top) return a->top < b->top ? -1 : 1;
    for (const char *p = a->p, *q = b->p; p < a->end || q < b->end;) {
        char x = digit(&p, a->end), y = digit(&q, b->end);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

int hg_number_cmp(hg_str_t a, hg_str_t b)
{
    number_t x = number(a), y = number(b);
    if (x.minus != y.minus) return x.minus ? -1 : 1;
    return x.minus ? -magnitude(&x, &y) : magnitude(&x, &y);
}
