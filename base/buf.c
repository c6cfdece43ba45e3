/* buf.c: see buf.h. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static char g_empty[1]; /* what p points at while the buffer owns nothing; never written */

void hg_buf_init(hg_buf_t *b, size_t max)
{
    *b = (hg_buf_t){ .p = g_empty, .max = max };
}

void hg_buf_release(hg_buf_t *b)
{
    if (b->cap) hg_free(b->p);
    hg_buf_init(b, b->max);
}

void hg_buf_clear(hg_buf_t *b)
{
    b->len = 0;
    if (b->cap) b->p[0] = 0;
}

int hg_buf_reserve(hg_buf_t *b, size_t n)
{
    if (n > b->max || b->len > b->max - n) return HG_ETOOBIG;
    size_t need = b->len + n + 1;
    if (need <= b->cap) return 0;
    size_t cap = b->cap ? b->cap + b->cap / 2 : 64;
    if (cap < need) cap = need;
    char *p = hg_trygrow(b->cap ? b->p : NULL, cap);
    if (!p) return HG_ENOMEM;
    if (b->cap == 0) p[0] = 0;
    b->p = p;
    b->cap = cap;
    return 0;
}

int hg_buf_add(hg_buf_t *b, const void *p, size_t n)
{
    if (b->len + n + 1 > b->cap || n > b->max || b->len > b->max - n) {
        int rc = hg_buf_reserve(b, n);
        if (rc < 0) return rc;
    }
    if (n) memcpy(b->p + b->len, p, n);
    b->len += n;
    b->p[b->len] = 0;
    return 0;
}

int hg_buf_addc(hg_buf_t *b, char c)
{
    return hg_buf_add(b, &c, 1);
}
int hg_buf_adds(hg_buf_t *b, const char *s)
{
    return hg_buf_add(b, s, strlen(s));
}
int hg_buf_addstr(hg_buf_t *b, hg_str_t s)
{
    return hg_buf_add(b, s.p, s.n);
}

int hg_buf_addfv(hg_buf_t *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    int rc = HG_EINVAL;
    if (n >= 0 && (size_t)n < sizeof small) {
        rc = hg_buf_add(b, small, (size_t)n);
    } else if (n >= 0) {
        rc = hg_buf_reserve(b, (size_t)n);
        if (rc == 0) {
            vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
    return rc;
}

int hg_buf_addf(hg_buf_t *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = hg_buf_addfv(b, fmt, ap);
    va_end(ap);
    return rc;
}

int hg_buf_addu64(hg_buf_t *b, uint64_t v)
{
    char t[20];
    char *e = t + sizeof t, *s = e;
    do *--s = (char)('0' + v % 10);
    while (v /= 10);
    return hg_buf_add(b, s, (size_t)(e - s));
}

int hg_buf_addi64(hg_buf_t *b, int64_t v)
{
    char t[21];
    char *e = t + sizeof t, *s = e;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do *--s = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0) *--s = '-';
    return hg_buf_add(b, s, (size_t)(e - s));
}

char *hg_buf_take(hg_buf_t *b, size_t *ret_len)
{
    if (ret_len) *ret_len = b->len;
    char *p = b->cap ? b->p : hg_xstrdup("");
    hg_buf_init(b, b->max);
    return p;
}

void hg_buf_eat(hg_buf_t *b, size_t n)
{
    HG_ASSERT(n <= b->len);
    if (n == 0) return;
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
    b->p[b->len] = 0;
}
