/* csv_in.c: CSV chunks → change batches, and where to cut a CSV stream.
 *
 * Columns are positional; every record is an insert. A field is quoted only if it begins with the quote; after the
 * closing quote further bytes belong to the field as they are. The splitter runs the same rules as the parser, byte by
 * byte over what is new, so a newline inside quotes is never taken for the end of a record. Pool thread; the parser is
 * read-only, the worker's scratch holds unescaped fields. */
#include "base/hg.h"
#include "connectors/format/csv_int.h"
#include "connectors/format/json_int.h"
#include "connectors/format/value_int.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { TRIM_NONE, TRIM_HEADERS, TRIM_FIELDS, TRIM_ALL };

#define TEXT_MAX 4096u

static const char mark[] = "\xef\xbb\xbf"; /* what some programs write in front of UTF-8: it belongs to no field */
#define MARK_N (sizeof mark - 1)

const hg_opt_t hg_csv_in_opts[] = {
    { .key = "delimiter",
      .type = HG_OPT_STR,
      .at = offsetof(hg_csv_in_cfg_t, delimiter),
      .def = ",",
      .doc = "Separates fields: one ASCII character." },
    { .key = "headers",
      .type = HG_OPT_BOOL,
      .at = offsetof(hg_csv_in_cfg_t, headers),
      .def = "false",
      .doc = "The first record of every file, object or body is a header and is skipped. Columns match by position, "
             "not by these names." },
    { .key = "quoting",
      .type = HG_OPT_BOOL,
      .at = offsetof(hg_csv_in_cfg_t, quoting),
      .def = "true",
      .doc = "Quotes have a meaning." },
    { .key = "quote",
      .type = HG_OPT_STR,
      .at = offsetof(hg_csv_in_cfg_t, quote),
      .def = "\"",
      .doc = "The quote: one ASCII character." },
    { .key = "double_quote",
      .type = HG_OPT_BOOL,
      .at = offsetof(hg_csv_in_cfg_t, double_quote),
      .def = "true",
      .doc = "Two quotes inside a quoted field stand for one." },
    { .key = "escape",
      .type = HG_OPT_STR,
      .at = offsetof(hg_csv_in_cfg_t, escape),
      .doc = "Inside a quoted field this character makes the next one literal. Default: none." },
    { .key = "comment",
      .type = HG_OPT_STR,
      .at = offsetof(hg_csv_in_cfg_t, comment),
      .doc = "Lines that begin with this character are skipped. Default: none." },
    { .key = "flexible",
      .type = HG_OPT_BOOL,
      .at = offsetof(hg_csv_in_cfg_t, flexible),
      .def = "true",
      .doc = "Ignore surplus fields; otherwise a record must have exactly one field per column." },
    { .key = "trim",
      .type = HG_OPT_ENUM,
      .at = offsetof(hg_csv_in_cfg_t, trim),
      .names = "none|headers|fields|all",
      .def = "none",
      .doc = "Where white space around a field is removed." },
    { .key = NULL },
};

typedef struct csv_parser {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_csv_dialect_t d;
    bool headers, flexible, trim;
    hg_jcell_t *json; /* decoders of columns without a plain text form; read == NULL = plain */
} csv_parser_t;

int hg_csv_char(const char *name, const char *value, bool required, int code, int *ret, hg_err_t *err)
{
    *ret = -1;
    if (!value || !*value)
        return required ? hg_err_option(err, (hg_code_t)code, name, "'%s' must be one ASCII character", name) : 0;
    if (value[1] || (unsigned char)*value >= 0x80 || *value == '\n' || *value == '\r')
        return hg_err_option(err, (hg_code_t)code, name, "'%s' must be one ASCII character, not '%s'", name, value);
    *ret = *value;
    return 0;
}

static int dialect(const hg_csv_in_cfg_t *c, hg_csv_dialect_t *d, hg_err_t *err)
{
    int delimiter;
    int rc = hg_csv_char("delimiter", c->delimiter, true, HG_EINVALPARSER, &delimiter, err);
    if (rc == 0) rc = hg_csv_char("quote", c->quote, true, HG_EINVALPARSER, &d->quote, err);
    if (rc == 0) rc = hg_csv_char("escape", c->escape, false, HG_EINVALPARSER, &d->escape, err);
    if (rc == 0) rc = hg_csv_char("comment", c->comment, false, HG_EINVALPARSER, &d->comment, err);
    if (rc < 0) return rc;
    if (delimiter == d->quote || delimiter == d->escape || (d->comment >= 0 && d->comment == delimiter))
        return hg_err_option(err, HG_EINVALPARSER, "delimiter",
                             "'delimiter' must differ from 'quote', 'escape' and 'comment'");
    d->delimiter = (char)delimiter;
    d->double_quote = c->double_quote;
    if (!c->quoting) d->quote = d->escape = -1;
    return 0;
}

static bool is_json(const hg_type_t *t)
{
    return t->kind == HG_T_BINARY || t->kind == HG_T_VARBINARY || t->kind == HG_T_ARRAY || t->kind == HG_T_MAP ||
           t->kind == HG_T_ROW || t->kind == HG_T_VARIANT;
}

void hg_csv_parser_free(hg_parser_t *pp)
{
    csv_parser_t *p = (csv_parser_t *)(void *)pp;
    for (uint32_t i = 0; i < p->schema->n_cols && p->json; i++) hg_jcell_release(&p->json[i]);
    hg_free(p->json);
    hg_free(p);
}

int hg_csv_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    const hg_csv_in_cfg_t *c = cfg;
    csv_parser_t *p = HG_NEW(csv_parser_t);
    p->schema = env->schema;
    p->headers = c->headers;
    p->flexible = c->flexible;
    p->trim = c->trim == TRIM_FIELDS || c->trim == TRIM_ALL;
    p->json = HG_NEWN(hg_jcell_t, HG_MAX(p->schema->n_cols, 1u));
    int rc = dialect(c, &p->d, err);
    for (uint32_t i = 0; i < p->schema->n_cols && rc == 0; i++) {
        const hg_type_t *t = p->schema->cols[i].type;
        if (is_json(t)) rc = hg_jcell_init(&p->json[i], t, &hg_json_flavors[HG_JF_DEFAULT], err);
    }
    if (rc < 0) {
        hg_csv_parser_free(&p->base);
        return rc;
    }
    *ret = &p->base;
    return 0;
}

typedef struct scratch {
    hg_buf_t field;  /* the unescaped field */
    hg_jscan_t scan; /* for fields that hold JSON */
} scratch_t;

void *hg_csv_scratch_new(const hg_parser_t *p)
{
    (void)p;
    scratch_t *w = HG_NEW(scratch_t);
    hg_buf_init(&w->field, HG_BUF_NOMAX);
    hg_jscan_init(&w->scan);
    return w;
}

void hg_csv_scratch_free(void *scratch)
{
    scratch_t *w = scratch;
    if (!w) return;
    hg_buf_release(&w->field);
    hg_jscan_release(&w->scan);
    hg_free(w);
}

/* --- splitting --- */

enum { RECORD, FIELD, PLAIN, QUOTED, QUOTE, ESCAPE, COMMENT, BLANK }; /* BLANK: only a \r so far */

static unsigned step(const hg_csv_dialect_t *d, unsigned st, char ch)
{
    int c = (unsigned char)ch;
    if (st == QUOTED) return c == d->escape ? ESCAPE : c == d->quote ? QUOTE : QUOTED;
    if (st == ESCAPE) return QUOTED;
    if (c == '\n') return RECORD;
    if (st == COMMENT || (st == RECORD && c == d->comment)) return COMMENT;
    if (ch == d->delimiter) return FIELD;
    if (st == QUOTE && c == d->quote && d->double_quote) return QUOTED;
    if ((st == RECORD || st == FIELD) && c == d->quote) return QUOTED;
    return st == RECORD && c == '\r' ? BLANK : PLAIN;
}

#ifdef __SSE2__
/* Sixteen bytes at once while they hold nothing but values, delimiters and newlines, outside quotes and comments, after
 * the header: there only newlines count. Returns how far it came; *st is the state there. */
static size_t skip_plain(const hg_csv_dialect_t *d, unsigned *st, const char *buf, size_t i, size_t n, size_t *last)
{
    const __m128i quote = _mm_set1_epi8((char)d->quote), escape = _mm_set1_epi8((char)d->escape);
    const __m128i comment = _mm_set1_epi8((char)d->comment), line = _mm_set1_epi8('\n');
    size_t from = i;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(buf + i));
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, escape));
        if (_mm_movemask_epi8(_mm_or_si128(odd, _mm_cmpeq_epi8(v, comment)))) break;
        unsigned m = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, line));
        if (m) *last = i + 32 - (unsigned)__builtin_clz(m);
    }
    if (i > from) *st = buf[i - 1] == '\n' ? RECORD : buf[i - 1] == d->delimiter ? FIELD : PLAIN;
    return i;
}
#endif

size_t hg_csv_split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    const csv_parser_t *p = (const csv_parser_t *)(const void *)pp;
    if (eof) return n;
    unsigned s = (unsigned)st->w[0];
    bool seen = st->w[1] || !p->headers; /* a header stays with what follows it, at least itself */
    size_t last = 0;
    for (size_t i = from; i < n; i++) {
#ifdef __SSE2__
        if (seen && (s == RECORD || s == FIELD) && (i = skip_plain(&p->d, &s, buf, i, n, &last)) == n) break;
#endif
        uint64_t at = st->at + i;
        if (HG_UNLIKELY(at < MARK_N) && s == RECORD && buf[i] == mark[at]) continue;
        unsigned next = step(&p->d, s, buf[i]);
        if (next == RECORD) {
            if (s != RECORD && s != COMMENT && s != BLANK) seen = true;
            if (seen) last = i + 1;
        }
        s = next;
    }
    st->w[0] = s;
    st->w[1] = seen;
    return last;
}

/* --- fields --- */

typedef struct run {
    const csv_parser_t *par;
    scratch_t *w;
    hg_parse_out_t *out;
    const char *buf, *end;
    hg_str_t field;
    bool quoted, last;
    int rc;
} run_t;

/* Behind an unquoted stretch: at the delimiter, the newline or the end. */
static const char *plain_end(const run_t *r, const char *p)
{
    char d = r->par->d.delimiter;
#ifdef __SSE2__
    /* a chunk has readable bytes behind its end */
    const __m128i delimiter = _mm_set1_epi8(d), line = _mm_set1_epi8('\n');
    for (; p < r->end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned m = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, delimiter), _mm_cmpeq_epi8(v, line)));
        if (m) return HG_MIN(p + __builtin_ctz(m), r->end);
    }
    return r->end;
#else
    while (p < r->end && *p != d && *p != '\n') p++;
    return p;
#endif
}

static int keep(run_t *r, const char *p, const char *q)
{
    int rc = hg_buf_add(&r->w->field, p, (size_t)(q - p));
    if (rc < 0) r->rc = rc;
    return rc;
}

/* p behind the opening quote; returns the field's end as plain_end does. NULL: no closing quote, or memory. */
static const char *quoted_field(run_t *r, const char *p)
{
    const hg_csv_dialect_t *d = &r->par->d;
    const char *run = p;
    bool direct = true; /* the field is a slice of the input */
    for (;; p++) {
        if (p >= r->end) return NULL;
        int c = (unsigned char)*p;
        if (c == d->escape && p + 1 < r->end) {
            if (direct) hg_buf_clear(&r->w->field);
            direct = false;
            if (keep(r, run, p) < 0) return NULL;
            run = ++p;
            continue;
        }
        if (c != d->quote) continue;
        if (d->double_quote && p + 1 < r->end && (unsigned char)p[1] == d->quote) {
            if (direct) hg_buf_clear(&r->w->field);
            direct = false;
            if (keep(r, run, p + 1) < 0) return NULL;
            run = p + 2;
            p++;
            continue;
        }
        break;
    }
    const char *rest = p + 1, *q = plain_end(r, rest);
    const char *to = q;
    if (to > rest && to[-1] == '\r' && (q >= r->end || *q == '\n')) to--;
    if (direct && to == rest) {
        r->field = (hg_str_t){ run, (size_t)(p - run) };
        return q;
    }
    if (direct) hg_buf_clear(&r->w->field);
    if (keep(r, run, p) < 0 || keep(r, rest, to) < 0) return NULL;
    if ((r->rc = hg_js_pad(&r->w->field)) < 0) return NULL;
    r->field = hg_buf_str(&r->w->field);
    return q;
}

/* The field at p into r->field; returns the next field's start, or the next record's with r->last. */
static const char *next_field(run_t *r, const char *p)
{
    const char *q;
    r->quoted = p < r->end && (unsigned char)*p == r->par->d.quote;
    if (r->quoted) {
        q = quoted_field(r, p + 1);
        if (!q) return NULL;
    } else {
        q = plain_end(r, p);
        const char *to = q;
        if (to > p && to[-1] == '\r' && (q >= r->end || *q == '\n')) to--;
        r->field = (hg_str_t){ p, (size_t)(to - p) };
    }
    if (r->par->trim) r->field = hg_str_trim(r->field);
    r->last = q >= r->end || *q == '\n';
    return q < r->end ? q + 1 : q;
}

/* --- records --- */

static bool utf8(hg_str_t s)
{
    unsigned high = 0;
    for (size_t i = 0; i < s.n; i++) high |= (unsigned char)s.p[i];
    return high < 0x80 || hg_utf8_valid(s.p, s.n);
}

static int read_json(run_t *r, const hg_jcell_t *c, hg_colb_t *b, hg_err_t *err)
{
    hg_jscan_t *s = &r->w->scan;
    s->e = HG_JE_NONE;
    s->end = r->field.p + r->field.n;
    const char *p = hg_js_ws(s, r->field.p), *q = hg_jcell_read(s, p, c, b);
    if (q && hg_js_ws(s, q) != s->end) return hg_err_set(err, HG_EPARSE, "trailing characters after the JSON value");
    if (q) return 0;
    if (s->e == HG_JE_FATAL) return s->rc;
    return hg_err_set(err, HG_EPARSE, "%s", s->e_msg);
}

static int cell(run_t *r, uint32_t col, hg_err_t *err)
{
    hg_colb_t *b = &r->out->changes.cols[col];
    const hg_type_t *t = b->type;
    bool text = hg_kind_is_string(t->kind);
    if (r->field.n == 0) {
        if (t->nullable) return hg_colb_null(b);
        if (!text)
            return hg_err_set(err, HG_EPARSE, "empty field for a column of type %s that is NOT NULL",
                              hg_kind_name(t->kind));
    }
    if (t->nullable && !text && !r->quoted && hg_str_ieq(r->field, HG_S("null"))) return hg_colb_null(b);
    if (!utf8(r->field)) return hg_err_set(err, HG_EPARSE, "invalid UTF-8");
    if (r->par->json[col].read) return read_json(r, &r->par->json[col], b, err);
    return hg_value_read(b, r->field, err);
}

static void report(run_t *r, const char *p, const char *q, const char *column, const char *msg)
{
    char desc[640];
    while (q > p && (q[-1] == '\n' || q[-1] == '\r')) q--;
    if (column)
        snprintf(desc, sizeof desc, "failed to deserialize CSV record: error parsing field '%s': %s", column, msg);
    else
        snprintf(desc, sizeof desc, "failed to deserialize CSV record: %s", msg);
    hg_parse_error_t e = {
        .tag = "text_event_err",
        .event = r->out->events,
        .field = column ? hg_strz(column) : (hg_str_t){ NULL, 0 },
        .text = { p, HG_MIN((size_t)(q - p), (size_t)TEXT_MAX) },
        .off = (uint64_t)(p - r->buf),
        .description = desc,
    };
    r->out->error(r->out, &e);
}

/* One record at p, good or bad. Returns the next one's start; NULL: memory, r->rc. */
static const char *record(run_t *r, const char *p, bool skip)
{
    const hg_schema_t *schema = r->par->schema;
    const char *start = p;
    hg_err_t err = HG_ERR_INIT;
    int bad = -1; /* column whose value failed */
    uint32_t n = 0;
    r->out->events++;
    do {
        const char *q = next_field(r, p);
        if (!q) {
            if (r->rc < 0) return NULL;
            report(r, start, r->end, NULL, "a quoted field is not closed");
            hg_changeb_undo(&r->out->changes);
            return r->end;
        }
        if (!skip && bad < 0 && n < schema->n_cols) {
            int rc = cell(r, n, &err);
            if (rc == HG_ENOMEM || rc == HG_ETOOBIG) {
                r->rc = rc;
                return NULL;
            }
            if (rc < 0) bad = (int)n;
        }
        n++;
        p = q;
    } while (!r->last);
    if (skip) return p;
    if (bad < 0 && n >= schema->n_cols && (r->par->flexible || n == schema->n_cols)) {
        r->rc = hg_changeb_row(&r->out->changes, HG_OP_INSERT, NULL);
        if (r->rc < 0) return NULL;
        r->out->bytes += (uint64_t)(p - start);
        return p;
    }
    hg_changeb_undo(&r->out->changes);
    if (bad >= 0) {
        char name[128];
        snprintf(name, sizeof name, HG_SF, HG_SA(schema->cols[bad].name));
        report(r, start, p, name, err.msg);
    } else {
        char msg[80];
        snprintf(msg, sizeof msg, "invalid length %u, expected %u columns", n, schema->n_cols);
        report(r, start, p, NULL, msg);
    }
    return p;
}

int hg_csv_parse(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err)
{
    const csv_parser_t *par = (const csv_parser_t *)(const void *)pp;
    run_t r = { .par = par, .w = scratch, .out = out, .buf = buf, .end = buf + n };
    bool header = first && par->headers, marked = first && n >= MARK_N && memcmp(buf, mark, MARK_N) == 0;
    for (const char *p = buf + (marked ? MARK_N : 0); p < r.end;) {
        if (*p == '\n' || (*p == '\r' && (p + 1 == r.end || p[1] == '\n'))) {
            p++;
            continue;
        }
        if ((unsigned char)*p == par->d.comment) {
            const char *nl = memchr(p, '\n', (size_t)(r.end - p));
            p = nl ? nl + 1 : r.end;
            continue;
        }
        p = record(&r, p, header);
        header = false;
        if (!p) {
            hg_changeb_undo(&out->changes);
            if (r.rc == HG_ETOOBIG)
                return hg_err_set(err, HG_ETOOBIG, "a column of one chunk would hold more than 2 GiB");
            return hg_err_set(err, HG_ENOMEM, "out of memory while parsing CSV");
        }
    }
    return 0;
}
