/* json_in.c: JSON chunks → change batches: the update formats and what happens to bad records.
 *
 * The good path is one pass: scanner → column builders. Only when a record fails is it read a second time, to learn
 * whether it is JSON at all: a record that is not costs itself and nothing else (up to the end of its line with
 * `lines: single`, up to the end of its nesting otherwise); one that is JSON but does not fit the table gives an error
 * object with its number, field and text. Rows are appended when they are complete; a failed one is taken back by
 * cutting the builders. Pool thread; the parser is shared and read-only, the scan state is the worker's scratch. */
#include "base/hg.h"
#include "connectors/format/json_int.h"

#define TEXT_MAX 4096u

typedef hg_json_in_cfg_t cfg_t;

const hg_opt_t hg_json_in_opts[] = {
    { .key = "update_format",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, update),
      .names = HG_JSON_UPDATE_NAMES,
      .def = "insert_delete",
      .doc = "Shape of a record: `insert_delete` ({\"insert\": row}, {\"delete\": row}, {\"update\": row}), `raw` (the "
             "row itself) or "
             "`debezium` (change events). The others exist for output only." },
    { .key = "json_flavor",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, flavor),
      .names = HG_JSON_FLAVOR_NAMES,
      .def = "default",
      .doc = "How dates, times, decimals, variants and binary values are spelled." },
    { .key = "array",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, array),
      .def = "false",
      .doc = "Each top-level value is an array of records; one bad record refuses its array." },
    { .key = "lines",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, lines),
      .names = "multiple|single",
      .def = "multiple",
      .doc = "`single`: no value extends over a line's end, which makes splitting faster. `multiple`: values may span "
             "lines." },
    { .key = NULL },
};

/* --- the parser object --- */

void hg_json_parser_free(hg_parser_t *pp)
{
    hg_json_parser_t *p = (hg_json_parser_t *)(void *)pp;
    hg_jrow_release(&p->row);
    hg_free(p);
}

int hg_json_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    static const char *const refused[] = {
        [HG_JU_SNOWFLAKE] = "Snowflake", [HG_JU_WEIGHTED] = "Weighted", [HG_JU_REDIS] = "Redis"
    };
    const cfg_t *c = cfg;
    const hg_schema_t *schema = env->schema;
    if (c->update >= HG_JU_SNOWFLAKE)
        return hg_err_option(err, HG_EINVALPARSER, "update_format", "%s is not supported for JSON input streams",
                             refused[c->update]);
    hg_json_parser_t *p = HG_NEW(hg_json_parser_t);
    p->schema = schema;
    p->update = (hg_jupdate_t)c->update;
    p->array = c->array;
    p->single = c->lines == 1;
    p->row.defaults = env->defaults;
    int rc = hg_jrow_init(&p->row, schema->cols, schema->n_cols, &hg_json_flavors[c->flavor], err);
    if (rc < 0) {
        hg_json_parser_free(&p->base);
        return rc;
    }
    p->soft = env->deleted != NULL;
    p->deleted = p->row;
    p->deleted.defaults = env->deleted;
    if (schema->n_key) {
        p->row.key_bits = HG_NEWN(uint64_t, schema->n_cols / 64 + 1);
        for (uint32_t i = 0; i < schema->n_key; i++)
            p->row.key_bits[schema->key[i] >> 6] |= UINT64_C(1) << (schema->key[i] & 63);
    }
    *ret = &p->base;
    return 0;
}

/* What a worker needs beside the parser: decoded strings, and the presence bits of an update. */
typedef struct scratch {
    hg_jscan_t scan;
    uint64_t *present;
    size_t present_bytes;
} scratch_t;

void *hg_json_scratch_new(const hg_parser_t *pp)
{
    const hg_json_parser_t *p = (const hg_json_parser_t *)(const void *)pp;
    scratch_t *w = HG_NEW(scratch_t);
    hg_jscan_init(&w->scan);
    w->present_bytes = sizeof(uint64_t) * (p->schema->n_cols / 64 + 1);
    w->present = hg_xzero(w->present_bytes);
    return w;
}

void hg_json_scratch_free(void *scratch)
{
    scratch_t *w = scratch;
    if (!w) return;
    hg_jscan_release(&w->scan);
    hg_free(w->present);
    hg_free(w);
}

/* --- one call of parse --- */

typedef struct run {
    const hg_json_parser_t *par;
    hg_jscan_t *s;
    scratch_t *w;
    hg_parse_out_t *out;
    const char *buf;
    const char *row_at; /* the row that failed; NULL: the record around it did */
} run_t;

/* A slice of an element: where its value stands. p NULL = the member is absent or null. */
typedef struct span {
    const char *p;
} span_t;

static void reset_error(hg_jscan_t *s)
{
    s->e = HG_JE_NONE;
    s->e_at = NULL;
    s->e_field = (hg_str_t){ NULL, 0 };
}

/* Reads the row at p. Its cells are in the builders, the row is not closed. */
static const char *read_row(run_t *r, const char *p, hg_op_t op)
{
    hg_changeb_t *b = &r->out->changes;
    bool keyed = r->par->row.key_bits != NULL;
    hg_jrow_mode_t mode = HG_JROW_FULL;
    uint64_t *present = NULL;
    if (op == HG_OP_DELETE && keyed) mode = HG_JROW_KEY;
    if (op == HG_OP_UPDATE) {
        if (!keyed) {
            r->row_at = p;
            return hg_js_fail(r->s, HG_JE_DATA, p, "update operation is not supported on this stream");
        }
        mode = HG_JROW_PART;
        present = r->w->present;
        memset(present, 0, r->w->present_bytes);
    }
    const hg_jrow_t *cols = op == HG_OP_DELETE && r->par->soft ? &r->par->deleted : &r->par->row;
    const char *q = hg_jrow_read(r->s, p, cols, mode, b->cols, b->len, present);
    if (HG_LIKELY(q && q <= r->s->end)) return q;
    if (q) hg_js_trunc(r->s, q);
    r->row_at = p;
    return NULL;
}

static bool close_row(run_t *r, const char *p, const char *q, hg_op_t op)
{
    int rc = hg_changeb_row(&r->out->changes, op, op == HG_OP_UPDATE ? r->w->present : NULL);
    if (HG_UNLIKELY(rc < 0)) {
        hg_js_memory(r->s, rc);
        return false;
    }
    r->out->bytes += (uint64_t)(q - p);
    return true;
}

static const char *row(run_t *r, const char *p, hg_op_t op)
{
    const char *q = read_row(r, p, op);
    if (HG_LIKELY(q && close_row(r, p, q, op))) return q;
    hg_changeb_undo(&r->out->changes);
    return NULL;
}

static bool rows_in_order(run_t *r, const span_t *del, const span_t *ins, const span_t *upd)
{
    if (del->p && !row(r, del->p, HG_OP_DELETE)) return false;
    if (ins->p && !row(r, ins->p, HG_OP_INSERT)) return false;
    return !upd || !upd->p || row(r, upd->p, HG_OP_UPDATE);
}

/* Walks an object: calls member() with each name and the position of its value, which is skipped. */
static const char *each_member(run_t *r, const char *p,
                               bool (*member)(run_t *r, void *arg, hg_str_t name, const char *v), void *arg)
{
    hg_jscan_t *s = r->s;
    char what[64];
    if (p >= s->end) return hg_js_trunc(s, p);
    if (*p != '{') return hg_js_fail(s, HG_JE_DATA, p, "invalid type: %s, expected a map", hg_js_what(s, p, what));
    p = hg_js_ws(s, p + 1);
    if (p < s->end && *p == '}') return p + 1;
    for (;;) {
        hg_str_t name;
        if (p >= s->end) return hg_js_trunc(s, p);
        if (*p != '"') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected a member name");
        p = hg_js_string(s, p + 1, &s->key, &name);
        if (!p) return NULL;
        p = hg_js_ws(s, p);
        if (p >= s->end || *p != ':') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ':'");
        p = hg_js_ws(s, p + 1);
        const char *v = p;
        p = hg_js_skip(s, p);
        if (!p || !member(r, arg, name, v)) return NULL;
        p = hg_js_ws(s, p);
        if (p >= s->end) return hg_js_trunc(s, p);
        if (*p == '}') return p + 1;
        if (*p != ',') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or '}'");
        p = hg_js_ws(s, p + 1);
    }
}

static span_t span_of(const char *v)
{
    return (span_t){ *v == 'n' ? NULL : v };
}

/* --- insert_delete --- */

typedef struct element {
    span_t ins, del, upd;
} element_t;

static bool element_member(run_t *r, void *arg, hg_str_t name, const char *v)
{
    element_t *e = arg;
    if (hg_str_eq(name, HG_S("insert")))
        e->ins = span_of(v);
    else if (hg_str_eq(name, HG_S("delete")))
        e->del = span_of(v);
    else if (hg_str_eq(name, HG_S("update")))
        e->upd = span_of(v);
    else if (!hg_str_eq(name, HG_S("table"))) {
        hg_js_fail(r->s, HG_JE_DATA, v,
                   "unknown field `" HG_SF "`, expected one of `table`, `insert`, `delete`, `update`", HG_SA(name));
        return false;
    } else if (*v != '"' && *v != 'n') {
        char what[64];
        hg_js_fail(r->s, HG_JE_DATA, v, "invalid type: %s, expected a string", hg_js_what(r->s, v, what));
        return false;
    }
    return true;
}

/* {"insert": row} alone, which is nearly every record: the row is read where it stands. NULL without an error: not of
 * this shape, nothing was kept. */
static const char *single_update(run_t *r, const char *p)
{
    static const struct {
        hg_str_t name;
        hg_op_t op;
    } kinds[] = { { { "\"insert\"", 8 }, HG_OP_INSERT },
                  { { "\"delete\"", 8 }, HG_OP_DELETE },
                  { { "\"update\"", 8 }, HG_OP_UPDATE } };
    hg_jscan_t *s = r->s;
    if (s->end - p < 12 || *p != '{') return NULL;
    p = hg_js_ws(s, p + 1);
    for (size_t i = 0; i < HG_COUNT(kinds); i++) {
        if (memcmp(p, kinds[i].name.p, 8) != 0) continue;
        const char *v = hg_js_ws(s, p + 8);
        if (*v != ':') return NULL;
        v = hg_js_ws(s, v + 1);
        if (*v == 'n' || v >= s->end) return NULL;
        const char *q = read_row(r, v, kinds[i].op), *e = q ? hg_js_ws(s, q) : NULL;
        if (HG_LIKELY(e && e < s->end && *e == '}' && close_row(r, v, q, kinds[i].op))) return e + 1;
        hg_changeb_undo(&r->out->changes);
        return NULL;
    }
    return NULL;
}

static const char *insert_delete(run_t *r, const char *p)
{
    const char *q = single_update(r, p);
    if (HG_LIKELY(q != NULL) || r->s->e == HG_JE_FATAL) return q;
    reset_error(r->s);
    r->row_at = NULL;
    element_t e = { 0 };
    q = each_member(r, p, element_member, &e);
    return q && rows_in_order(r, &e.del, &e.ins, &e.upd) ? q : NULL;
}

/* --- debezium --- */

typedef struct payload {
    span_t before, after;
    const char *op;
} payload_t;

static bool payload_member(run_t *r, void *arg, hg_str_t name, const char *v)
{
    payload_t *d = arg;
    if (hg_str_eq(name, HG_S("before")))
        d->before = span_of(v);
    else if (hg_str_eq(name, HG_S("after")))
        d->after = span_of(v);
    else if (hg_str_eq(name, HG_S("op"))) {
        d->op = v;
        if (v[0] != '"' || !memchr("cdur", v[1], 4) || v[2] != '"') {
            char what[64];
            hg_js_fail(r->s, HG_JE_DATA, v, "invalid `op`: %s, expected one of \"c\", \"d\", \"u\", \"r\"",
                       hg_js_what(r->s, v, what));
            return false;
        }
    }
    return true;
}

static bool envelope_member(run_t *r, void *arg, hg_str_t name, const char *v)
{
    (void)r;
    if (hg_str_eq(name, HG_S("payload"))) *(const char **)arg = v;
    return true;
}

static const char *debezium(run_t *r, const char *p)
{
    const char *payload = NULL;
    payload_t d = { 0 };
    const char *q = each_member(r, p, envelope_member, &payload);
    if (!q) return NULL;
    if (!payload) return hg_js_fail(r->s, HG_JE_DATA, p, "missing field `payload`");
    if (!each_member(r, payload, payload_member, &d)) return NULL;
    if (!d.op) return hg_js_fail(r->s, HG_JE_DATA, payload, "missing field `op`");
    return rows_in_order(r, &d.before, &d.after, NULL) ? q : NULL;
}

static inline const char *element(run_t *r, const char *p)
{
    switch (r->par->update) {
    case HG_JU_INSERT_DELETE:
        return insert_delete(r, p);
    case HG_JU_DEBEZIUM:
        return debezium(r, p);
    case HG_JU_RAW:
    case HG_JU_SNOWFLAKE:
    case HG_JU_WEIGHTED:
    case HG_JU_REDIS:
        break;
    }
    return row(r, p, HG_OP_INSERT);
}

/* --- errors --- */

static hg_str_t record_text(const char *p, const char *end)
{
    while (end > p && memchr(" \t\r\n\f", end[-1], 5)) end--;
    return (hg_str_t){ p, HG_MIN((size_t)(end - p), (size_t)TEXT_MAX) };
}

/* Line and column of the error within the text that is shown. */
static void place(const hg_jscan_t *s, hg_str_t text, char out[48])
{
    size_t off = s->e_at && s->e_at >= text.p ? (size_t)(s->e_at - text.p) : 0;
    uint32_t line = 1, col = 1;
    for (size_t i = 0; i < HG_MIN(off, text.n); i++) {
        col = text.p[i] == '\n' ? 1 : col + 1;
        line += text.p[i] == '\n';
    }
    snprintf(out, 48, "at line %u column %u", line, col);
}

static void report(run_t *r, const char *tag, uint64_t event, hg_str_t text, const char *what, const char *suggestion)
{
    const hg_jscan_t *s = r->s;
    char desc[640], where[48], field[160] = "";
    place(s, text, where);
    if (s->e_field.p)
        snprintf(field, sizeof field, "error parsing field '%.*s': ", (int)HG_MIN(s->e_field.n, (size_t)100),
                 s->e_field.p);
    snprintf(desc, sizeof desc, "%s: %s%s %s", what, field, s->e_msg, where);
    hg_parse_error_t e = {
        .tag = tag,
        .event = event,
        .field = s->e_field,
        .text = text,
        .off = (uint64_t)(text.p - r->buf),
        .description = desc,
        .suggestion = suggestion,
    };
    r->out->error(r->out, &e);
}

static void report_data(run_t *r, uint64_t event, const char *p, const char *end)
{
    static const char *const what[] = {
        [HG_JU_INSERT_DELETE] = "error deserializing JSON string as a single-row update",
        [HG_JU_RAW] = "failed to parse JSON string",
        [HG_JU_DEBEZIUM] = "error deserializing JSON string as a Debezium CDC event",
    };
    static const char *const example[] = {
        [HG_JU_INSERT_DELETE] = "Example valid JSON: '{\"insert\": {...} }'",
        [HG_JU_RAW] = NULL,
        [HG_JU_DEBEZIUM] = "Example valid JSON: '{\"payload\": {\"op\": \"u\", \"before\": {...}, \"after\": {...}}}'",
    };
    if (!r->row_at) {
        report(r, "text_event_err", event, record_text(p, end), what[r->par->update], example[r->par->update]);
        return;
    }
    /* the row alone, as far as its nesting goes */
    hg_jnest_t nest = { 0 };
    const char *e = hg_js_nest(&nest, r->row_at, end);
    report(r, "text_event_err", event, record_text(r->row_at, e ? e : end), "failed to deserialize JSON record", NULL);
}

/* Where a bad record ends: by its nesting, and with `lines: single` at its line's end at the latest. */
static const char *record_end(const run_t *r, const char *p, bool nesting)
{
    const char *end = r->s->end, *nl = r->par->single ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (nl) end = nl;
    if (r->par->single && !nesting) return end;
    hg_jnest_t nest = { 0 };
    const char *e = hg_js_nest(&nest, p, end);
    return e ? e : end;
}

static const char *behind(const run_t *r, const char *p)
{
    return record_end(r, p, true);
}

/* Is the record JSON? If not, it is reported and *next is where to go on. It is looked at alone, so that the message
 * does not depend on what follows it in the chunk. */
static bool is_json(run_t *r, const char *p, const char **next)
{
    hg_jscan_t *s = r->s;
    hg_jscan_t saved = *s;
    s->end = *next = record_end(r, p, false);
    reset_error(s);
    const char *q = hg_js_skip(s, p);
    if (q && q > s->end) q = hg_js_trunc(s, q);
    s->end = saved.end;
    if (q) {
        s->e = saved.e;
        s->e_at = saved.e_at;
        s->e_field = saved.e_field;
        memcpy(s->e_msg, saved.e_msg, sizeof s->e_msg);
        if (s->e != HG_JE_SYNTAX) return true; /* else a value that is JSON, but followed by letters */
    }
    report(r, "text_envelope_err", 0, record_text(p, *next), "failed to parse string as a JSON document", NULL);
    return false;
}

/* --- top level --- */

static const char *one_record(run_t *r, const char *p)
{
    uint32_t mark = r->out->changes.len;
    uint64_t bytes = r->out->bytes;
    const char *q = element(r, p);
    if (HG_LIKELY(q && q <= r->s->end)) {
        r->out->events++;
        return q;
    }
    if (r->s->e == HG_JE_FATAL) return NULL;
    if (is_json(r, p, &q)) {
        q = behind(r, p);
        report_data(r, ++r->out->events, p, q);
    } else {
        hg_changeb_truncate(&r->out->changes, mark);
        r->out->bytes = bytes;
    }
    reset_error(r->s);
    return q;
}

/* The elements of an array that stands at p. On failure of its shape an error is in the scan state. */
static const char *elements(run_t *r, const char *p, bool *failed)
{
    hg_jscan_t *s = r->s;
    const char *start = p, *next;
    p = hg_js_ws(s, p + 1);
    if (p < s->end && *p == ']') return p + 1;
    for (;;) {
        r->row_at = NULL;
        const char *q = p < s->end ? element(r, p) : hg_js_trunc(s, p);
        if (!q) {
            if (s->e == HG_JE_FATAL || !is_json(r, start, &next)) {
                *failed = true;
                return s->e == HG_JE_FATAL ? NULL : next;
            }
            if (!r->row_at) return NULL;
            *failed = true;
            r->out->events++;
            report_data(r, r->out->events, p, s->end);
            reset_error(s);
            q = hg_js_skip(s, p);
        } else {
            r->out->events++;
        }
        p = hg_js_ws(s, q);
        if (p < s->end && *p == ']') return p + 1;
        if (p >= s->end || *p != ',') {
            *failed = true;
            hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or ']'");
            return is_json(r, start, &next) ? behind(r, start) : next;
        }
        p = hg_js_ws(s, p + 1);
    }
}

static const char *one_array(run_t *r, const char *p)
{
    hg_jscan_t *s = r->s;
    uint32_t mark = r->out->changes.len;
    uint64_t bytes = r->out->bytes, events = r->out->events;
    bool failed = false;
    const char *q = NULL;
    if (*p == '[') {
        q = elements(r, p, &failed);
    } else if (s->end - p >= 4 && memcmp(p, "null", 4) == 0) {
        return p + 4; /* how Feldera's Python SDK spells an empty list */
    } else {
        char what[64];
        hg_js_fail(s, HG_JE_DATA, p, "invalid type: %s, expected an array of updates", hg_js_what(s, p, what));
    }
    if (s->e == HG_JE_FATAL) return NULL;
    if (!q) {
        if (is_json(r, p, &q)) {
            q = behind(r, p);
            report(r, "text_envelope_err", 0, record_text(p, q),
                   "error deserializing string as a JSON array of updates", NULL);
        }
        r->out->events = events;
        failed = true;
    }
    if (failed) {
        hg_changeb_truncate(&r->out->changes, mark);
        r->out->bytes = bytes;
    }
    reset_error(s);
    return q;
}

int hg_json_parse_chunk(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first,
                        hg_parse_out_t *out, hg_err_t *err)
{
    (void)first;
    scratch_t *w = scratch;
    run_t r = { .par = (const hg_json_parser_t *)(const void *)pp, .s = &w->scan, .w = w, .out = out, .buf = buf };
    w->scan.end = buf + n;
    w->scan.nl = r.par->single;
    reset_error(&w->scan);
    for (const char *p = buf, *end = buf + n;;) {
        while (p < end && (*p == '\n' || *p == ' ' || *p == '\t' || *p == '\r' || *p == '\f')) p++;
        if (p >= end) return 0;
        r.row_at = NULL;
        p = r.par->array ? one_array(&r, p) : one_record(&r, p);
        if (HG_UNLIKELY(!p)) {
            hg_changeb_undo(&out->changes);
            if (w->scan.rc == HG_ETOOBIG)
                return hg_err_set(err, HG_ETOOBIG, "a column of one chunk would hold more than 2 GiB");
            return hg_err_set(err, HG_ENOMEM, "out of memory while parsing JSON");
        }
    }
}
