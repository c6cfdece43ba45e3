/* cmd_debug.c: files that pipelines leave, made readable: MessagePack, Prometheus metrics. Nothing is asked of a
 * server. */
#include "base/hg.h"
#include <math.h>
#include "fda/fda_int.h"

/* --- MessagePack ------------------------------------------------------------------------------------------------- */

#define DEPTH_MAX 512

typedef struct {
    const unsigned char *p, *end, *start;
    const char *why; /* what is wrong, at p */
    unsigned depth;
} msgp_t;

static void bad(msgp_t *m, const char *why)
{
    if (!m->why) m->why = why;
}

/* n bytes, the most significant first. */
static bool number(msgp_t *m, size_t n, uint64_t *ret)
{
    *ret = 0;
    if ((size_t)(m->end - m->p) < n) return bad(m, "the file ends within a value"), false;
    for (size_t i = 0; i < n; i++) *ret = *ret << 8 | *m->p++;
    return true;
}

static bool bytes(msgp_t *m, uint64_t n, const unsigned char **ret)
{
    if ((uint64_t)(m->end - m->p) < n) return bad(m, "the file ends within a value"), false;
    *ret = m->p;
    m->p += n;
    return true;
}

static void print_string(const unsigned char *s, uint64_t n)
{
    putchar('"');
    for (uint64_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\')
            printf("\\%c", s[i]);
        else if (s[i] == '\n')
            fputs("\\n", stdout);
        else if (s[i] < 0x20)
            printf("\\u{%x}", s[i]);
        else
            putchar(s[i]);
    }
    putchar('"');
}

static void print_list(const unsigned char *s, uint64_t n)
{
    putchar('[');
    for (uint64_t i = 0; i < n; i++) printf("%s%u", i ? ", " : "", s[i]);
    putchar(']');
}

/* The shortest decimal that reads back as the number. */
static void print_float(double v, bool single)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)v : back == v) break;
    }
    fputs(isnan(v) ? "NaN" : text, stdout);
}

static bool string(msgp_t *m, uint64_t n)
{
    const unsigned char *s = NULL;
    if (!bytes(m, n, &s)) return false;
    print_string(s, n);
    return true;
}

static bool binary(msgp_t *m, uint64_t n)
{
    const unsigned char *s = NULL;
    if (!bytes(m, n, &s)) return false;
    print_list(s, n);
    return true;
}

static bool extension(msgp_t *m, uint64_t n)
{
    uint64_t type;
    if (!number(m, 1, &type)) return false;
    printf("[%d, ", (int)(int8_t)type);
    if (!binary(m, n)) return false;
    putchar(']');
    return true;
}

static bool value(msgp_t *m);

static bool many(msgp_t *m, uint64_t n, bool map)
{
    if (++m->depth > DEPTH_MAX) return bad(m, "values are nested too deeply"), false;
    putchar(map ? '{' : '[');
    for (uint64_t i = 0; i < n; i++) {
        if (i) fputs(", ", stdout);
        if (!value(m)) return false;
        if (!map) continue;
        fputs(": ", stdout);
        if (!value(m)) return false;
    }
    putchar(map ? '}' : ']');
    m->depth--;
    return true;
}

static bool real(msgp_t *m, size_t n)
{
    uint64_t bits;
    if (!number(m, n, &bits)) return false;
    double d;
    float s;
    uint32_t low = (uint32_t)bits;
    memcpy(&s, &low, sizeof s);
    memcpy(&d, &bits, sizeof d);
    print_float(n == 4 ? (double)s : d, n == 4);
    return true;
}

static bool whole(msgp_t *m, size_t n, bool negative)
{
    uint64_t bits;
    HG_ASSERT(n > 0 && n <= 8);
    if (!number(m, n, &bits)) return false;
    if (!negative)
        printf("%" PRIu64, bits);
    else
        printf("%" PRId64, (int64_t)(bits << (64 - 8 * n)) >> (64 - 8 * n));
    return true;
}

static bool sized(msgp_t *m, size_t width, bool (*what)(msgp_t *m, uint64_t n))
{
    uint64_t n;
    return number(m, width, &n) && what(m, n);
}

static bool array(msgp_t *m, uint64_t n)
{
    return many(m, n, false);
}

static bool map(msgp_t *m, uint64_t n)
{
    return many(m, n, true);
}

static bool value(msgp_t *m)
{
    uint64_t tag;
    if (!number(m, 1, &tag)) return false;
    if (tag < 0x80) return printf("%" PRIu64, tag) > 0;
    if (tag < 0x90) return map(m, tag & 15);
    if (tag < 0xa0) return array(m, tag & 15);
    if (tag < 0xc0) return string(m, tag & 31);
    if (tag >= 0xe0) return printf("%d", (int)(int8_t)tag) > 0;
    if (tag >= 0xc4 && tag <= 0xc6) return sized(m, (size_t)1 << (tag - 0xc4), binary);
    if (tag >= 0xc7 && tag <= 0xc9) return sized(m, (size_t)1 << (tag - 0xc7), extension);
    if (tag == 0xca || tag == 0xcb) return real(m, tag == 0xca ? 4 : 8);
    if (tag >= 0xcc && tag <= 0xcf) return whole(m, (size_t)1 << (tag - 0xcc), false);
    if (tag >= 0xd0 && tag <= 0xd3) return whole(m, (size_t)1 << (tag - 0xd0), true);
    if (tag >= 0xd4 && tag <= 0xd8) return extension(m, (uint64_t)1 << (tag - 0xd4));
    if (tag >= 0xd9 && tag <= 0xdb) return sized(m, (size_t)1 << (tag - 0xd9), string);
    if (tag == 0xdc || tag == 0xdd) return sized(m, tag == 0xdc ? 2 : 4, array);
    if (tag == 0xde || tag == 0xdf) return sized(m, tag == 0xde ? 2 : 4, map);
    if (tag == 0xc1) return bad(m, "the byte 0xc1 begins no value"), false;
    fputs(tag == 0xc0 ? "nil" : tag == 0xc2 ? "false" : "true", stdout);
    return true;
}

int fda_cmd_msgp_cat(fda_t *f, const fda_args_t *a)
{
    hg_buf_t text;
    (void)f;
    hg_buf_init(&text, HG_BUF_NOMAX);
    int rc = fda_read_file(fda_arg(a, "PATH"), &text);
    const unsigned char *p = (const unsigned char *)text.p;
    msgp_t m = { .p = p, .end = p ? p + text.len : p, .start = p };
    while (rc == 0 && m.p < m.end && value(&m)) putchar('\n');
    if (m.why) {
        putchar('\n');
        fflush(stdout);
        rc = fda_error("%s: %s, at byte %zu", fda_arg(a, "PATH"), m.why, (size_t)(m.p - m.start));
    }
    hg_buf_release(&text);
    return rc;
}

/* --- metrics ----------------------------------------------------------------------------------------------------- */

typedef struct {
    hg_str_t name, labels; /* labels as shown */
    const char *value;
} sample_t;

typedef struct {
    fda_t *f;
    sample_t *v;
    size_t n;
} samples_t;

/* {pipeline="id",endpoint="t.c"} as [("endpoint", "t.c")]: the pipeline's id is the same everywhere. NULL: not closed.
 */
static const char *read_labels(samples_t *s, const char *p, hg_str_t *ret)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addc(&b, '[');
    while (*p && *p != '}') {
        size_t name = strcspn(p, "=");
        const char *text = p + name;
        if (text[0] != '=' || text[1] != '"') break;
        const char *end = text + 2;
        while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
        if (!*end) break;
        if (name != 8 || strncmp(p, "pipeline", 8) != 0)
            hg_buf_addf(&b, "%s(\"%.*s\", %.*s)", b.len > 1 ? ", " : "", (int)name, p, (int)(end + 1 - (text + 1)),
                        text + 1);
        p = end + 1;
        while (*p == ',' || *p == ' ') p++;
    }
    hg_buf_addc(&b, ']');
    *ret = hg_arena_str(s->f->arena, hg_buf_str(&b));
    hg_buf_release(&b);
    return *p == '}' ? p + 1 : NULL;
}

static bool add_line(samples_t *s, const char *line)
{
    size_t n = strcspn(line, "{ ");
    const char *p = line + n;
    sample_t m = { .name = { line, n }, .labels = HG_S("[]") };
    if (*p == '{') p = read_labels(s, p + 1, &m.labels);
    if (!p || n == 0) return false;
    p += strspn(p, " ");
    char *end;
    (void)strtod(p, &end);
    if (end == p) return false;
    m.value = p;
    HG_APUSH(s->f->arena, s->v, s->n, m);
    return true;
}

static int compare(hg_str_t x, hg_str_t y)
{
    int c = memcmp(x.p, y.p, HG_MIN(x.n, y.n));
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

/* Those without labels first. */
static int by_labels_and_name(const void *a, const void *b)
{
    const sample_t *x = a, *y = b;
    int c = (x->labels.n > 2) - (y->labels.n > 2);
    if (c == 0) c = compare(x->labels, y->labels);
    if (c == 0) c = compare(x->name, y->name);
    return c ? c : (x->value > y->value) - (x->value < y->value);
}

static bool is_bucket(hg_str_t name)
{
    return name.n > 7 && memcmp(name.p + name.n - 7, "_bucket", 7) == 0;
}

int fda_cmd_debug_metrics(fda_t *f, const fda_args_t *a)
{
    hg_buf_t text;
    samples_t s = { .f = f };
    size_t number = 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    int rc = fda_read_file(fda_arg(a, "PATH"), &text);
    if (rc == 0 && hg_buf_addc(&text, 0) < 0) rc = fda_error("Out of memory");
    for (char *line = text.p, *next; rc == 0 && line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next) *next++ = 0;
        number++;
        if (*line == '#' || *line == 0 || *line == '\r' || is_bucket((hg_str_t){ line, strcspn(line, "{ ") })) continue;
        if (!add_line(&s, line))
            rc = fda_error("%s: line %zu is no Prometheus metric: %.60s", fda_arg(a, "PATH"), number, line);
    }
    if (rc == 0 && s.n) qsort(s.v, s.n, sizeof *s.v, by_labels_and_name);
    for (size_t i = 0; rc == 0 && i < s.n; i++) {
        bool begins = i ? !hg_str_eq(s.v[i].labels, s.v[i - 1].labels) : s.v[i].labels.n > 2;
        if (begins) printf("\n" HG_SF "\n", HG_SA(s.v[i].labels));
        printf("%-40.*s:%16.2f\n", (int)s.v[i].name.n, s.v[i].name.p, strtod(s.v[i].value, NULL));
    }
    hg_buf_release(&text);
    return rc;
}
