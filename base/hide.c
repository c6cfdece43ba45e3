/* hide.c: see hide.h. A list that only grows, its head swapped atomically: readers take no lock. */
#include "base/hg.h"
#include "base/hide.h"
#include "base/mem.h"
#include "base/secret_value.h"
#include "base/url_secret.h"

typedef struct hidden {
    struct hidden *next;
    hg_secret_value_t value;
    hg_str_t put;
} hidden_t;

static _Atomic(hidden_t *) g_hidden;

static bool is_known(const hidden_t *h, hg_str_t value, hg_str_t put)
{
    for (; h; h = h->next)
        if (hg_str_eq(h->value.text, value) && hg_str_eq(h->put, put)) return true;
    return false;
}

static hg_str_t copy(hg_str_t s)
{
    return (hg_str_t){ hg_xstrndup(s.p, s.n), s.n };
}

static void learn(hg_str_t value, hg_str_t put)
{
    hidden_t *first = atomic_load(&g_hidden);
    if (!hg_secret_tells(value) || is_known(first, value, put)) return;
    hidden_t *h = HG_NEW(hidden_t);
    *h = (hidden_t){ .next = first, .value = hg_secret_value(copy(value)), .put = copy(put) };
    while (!atomic_compare_exchange_weak(&g_hidden, &h->next, h)) {
    }
}

void hg_hide_learn(hg_str_t value, hg_str_t reference)
{
    learn(value, reference);
    learn(hg_str_trim(value), reference);
}

bool hg_hide_any(void)
{
    return atomic_load(&g_hidden) != NULL;
}

/* The longest value that stands at `at`. */
static const hidden_t *find(hg_str_t text, size_t at)
{
    const hidden_t *found = NULL;
    for (const hidden_t *h = atomic_load(&g_hidden); h; h = h->next)
        if ((!found || h->value.text.n > found->value.text.n) && hg_secret_at(&h->value, text, at)) found = h;
    return found;
}

/* The value whose beginning is all that is left of the text. */
static const hidden_t *find_cut(hg_str_t text, size_t at)
{
    size_t left = text.n - at;
    for (const hidden_t *h = atomic_load(&g_hidden); h && left >= HG_SECRET_SHORTEST; h = h->next)
        if (h->value.text.n > left && memcmp(text.p + at, h->value.text.p, left) == 0) return h;
    return NULL;
}

int hg_hide_copy(hg_str_t text, bool cut, hg_buf_t *out)
{
    int rc = 0;
    size_t from = 0;
    for (size_t at = 0; at < text.n && rc == 0;) {
        const hidden_t *h = find(text, at);
        size_t n = h ? h->value.text.n : 0;
        if (!h && cut && (h = find_cut(text, at)) != NULL) n = text.n - at;
        if (h) {
            rc = hg_buf_add(out, text.p + from, at - from);
            if (rc == 0) rc = hg_buf_addstr(out, h->put);
            from = at += n;
        } else {
            at++;
        }
    }
    return rc == 0 ? hg_buf_add(out, text.p + from, text.n - from) : rc;
}

hg_err_t hg_hide_err(const hg_err_t *err)
{
    hg_err_t told = *err;
    hg_buf_t b;
    if (!hg_hide_any()) return hg_url_hide_err(err);
    size_t n = strlen(err->msg);
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (hg_hide_copy((hg_str_t){ err->msg, n }, n + 1 == sizeof err->msg, &b) < 0) hg_buf_clear(&b);
    snprintf(told.msg, sizeof told.msg, "%s", b.len ? b.p : "");
    hg_buf_release(&b);
    hg_utf8_mend(told.msg);
    return hg_url_hide_err(&told);
}
