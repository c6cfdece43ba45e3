/* header_filter of kafka_input: the first line is a filter, each further one a header, "name=value" or a name without a
 * value. A filter is refused with a sentence, or decides: the opposite of its opposite, and the same twice. */
#include "base/hg.h"
#include "base/buf.h"
#include "connectors/transport/kafka_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)at_key;
    HG_ASSERT(msg[0] && node && !warning);
}

/* NULL: refused. */
static hg_kfilter_t *filter(hg_str_t text)
{
    hg_diag_t d = { .fn = complaint };
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_kfilter_t *f = NULL;
    hg_json_t *j;
    if (hg_json_parse(a, text, &j, &err) == 0) {
        hg_kfilter_check(j, &d);
        if (!d.errors) f = hg_kfilter_new(j);
    }
    hg_arena_free(a);
    return f;
}

/* `text` inside of a larger filter, which may be too deep. */
static void agrees(const char *form, hg_str_t text, const rd_kafka_headers_t *headers, bool expected)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (; *form; form++) {
        if (*form == '_')
            hg_buf_addstr(&b, text);
        else
            hg_buf_addc(&b, *form);
    }
    hg_kfilter_t *f = filter(hg_buf_str(&b));
    if (f) HG_ASSERT(hg_kfilter_match(f, headers) == expected);
    hg_kfilter_free(f);
    hg_buf_release(&b);
}

static hg_str_t line(hg_str_t *rest)
{
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    hg_str_t l = { rest->p, nl ? (size_t)(nl - rest->p) : rest->n };
    size_t step = l.n + (nl != NULL);
    *rest = (hg_str_t){ rest->p + step, rest->n - step };
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_str_t rest = { (const char *)p, n }, text = line(&rest);
    hg_kfilter_t *f = filter(text);
    if (!f) return 0;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    while (rest.n) {
        hg_str_t h = line(&rest);
        const char *eq = h.n ? memchr(h.p, '=', h.n) : NULL;
        size_t name = eq ? (size_t)(eq - h.p) : h.n;
        rd_kafka_header_add(headers, h.p, (ssize_t)name, eq ? eq + 1 : NULL, eq ? (ssize_t)(h.n - name - 1) : 0);
    }
    bool yes = hg_kfilter_match(f, headers);
    agrees("{\"not\":_}", text, headers, !yes);
    agrees("{\"and\":[{\"or\":[_]},{\"or\":[_]}]}", text, headers, yes);
    (void)hg_kfilter_match(f, NULL);
    hg_kfilter_free(f);
    rd_kafka_headers_destroy(headers);
    return 0;
}
