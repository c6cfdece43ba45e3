/* avro_in.c: Avro messages → change batches. A message is one record: five bytes that name its schema (0, then the id,
 * big-endian), unless the schema is given and `skip_schema_id` set; then the value as that schema writes it.
 *
 * `raw`: the record is the row. `debezium`: the record has `before` and `after`: the first is deleted, the second
 * inserted, and an error in one costs both. A plan per schema says what goes where; a worker remembers the last one, so
 * that the book's lock is taken once per change of schemas. Pool thread; the parser is shared, the book has a lock. */
#include "base/hg.h"
#include "data/variant.h"
#include "connectors/format/avro_int.h"

#define HEADER    5u
#define BYTES_MAX 4096u /* of a refused record that are shown */

typedef hg_avro_in_cfg_t cfg_t;
enum { UPDATE_RAW, UPDATE_DEBEZIUM, UPDATE_JDBC };

const hg_opt_t hg_avro_in_opts[] = {
    { .key = "update_format",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, update),
      .names = "raw|debezium|confluent_jdbc",
      .def = "raw",
      .doc = "`raw`: a record is a row to insert. `debezium`: change events with `before` and `after`. "
             "`confluent_jdbc` exists for output only." },
    { .key = "schema",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, schema),
      .doc = "The schema of all records, as JSON text. Either this or `registry_urls`." },
    { .key = "skip_schema_id",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, skip_schema_id),
      .def = "false",
      .doc = "Records have no five bytes in front that name their schema. Needs `schema`." },
    HG_AVRO_REGISTRY_OPTS(cfg_t),
    { .key = NULL },
};

/* --- plans --- */

/* `before` or `after` of a change event. */
typedef struct image {
    int32_t field; /* of the envelope; -1: it has none */
    const hg_avro_t *type;
    hg_arow_t row;
} image_t;

typedef struct plan {
    const hg_avro_t *from;
    bool debezium;
    image_t before, after; /* raw: after.row is the whole record */
} plan_t;

typedef struct avro_parser {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_col_t *const *defaults, *const *deleted;
    bool debezium, skip_header;
    hg_arena_t *arena; /* of the given schema */
    plan_t *given;
    hg_abook_t *book;
} avro_parser_t;

static const avro_parser_t *self(const hg_parser_t *p)
{
    return (const avro_parser_t *)(const void *)p;
}

static void plan_free(void *made)
{
    plan_t *l = made;
    hg_arow_release(&l->before.row);
    hg_arow_release(&l->after.row);
    hg_free(l);
}

static int init_row(const avro_parser_t *p, hg_arow_t *r, const hg_avro_t *from, bool by_key, hg_err_t *err)
{
    r->cols = p->schema->cols;
    r->n_cols = p->schema->n_cols;
    r->defaults = p->defaults;
    r->only = by_key ? p->schema->key : NULL;
    r->n_only = by_key ? p->schema->n_key : 0;
    return hg_arow_init(r, from, err);
}

static int init_image(const avro_parser_t *p, image_t *im, const char *name, bool by_key, hg_err_t *err)
{
    const hg_avro_t *row = NULL;
    if (im->field < 0) return hg_err_set(err, HG_EINVALPARSER, "a Debezium record needs a field '%s'", name);
    uint32_t n = im->type->kind == HG_AV_UNION ? im->type->n : 1;
    for (uint32_t i = 0; i < n; i++) {
        const hg_avro_t *t = im->type->kind == HG_AV_UNION ? im->type->of[i] : im->type;
        if (t->kind == HG_AV_NULL) continue;
        if (t->kind != HG_AV_RECORD || row)
            return hg_err_set(err, HG_EINVALPARSER, "field '%s' of a Debezium record must be a record, or null", name);
        row = t;
    }
    if (!row) return hg_err_set(err, HG_EINVALPARSER, "field '%s' of a Debezium record is never a record", name);
    int rc = init_row(p, &im->row, row, by_key, err);
    return rc < 0 ? hg_err_wrap(err, "field '%s'", name) : 0;
}

static int init_plan(const avro_parser_t *p, plan_t *l, hg_err_t *err)
{
    if (l->from->kind != HG_AV_RECORD) {
        hg_buf_t found;
        hg_buf_init(&found, 256);
        hg_avro_text(&found, l->from);
        hg_err_set(err, HG_EINVALPARSER, "the schema is '" HG_SF "': expected a record", HG_SA(hg_buf_str(&found)));
        hg_buf_release(&found);
        return err->code;
    }
    if (!p->debezium) return init_row(p, &l->after.row, l->from, false, err);
    l->before.field = l->after.field = -1;
    for (uint32_t i = 0; i < l->from->n; i++) {
        const hg_avro_field_t *f = &l->from->fields[i];
        image_t *im = hg_str_eqz(f->name, "before") ? &l->before : hg_str_eqz(f->name, "after") ? &l->after : NULL;
        if (!im) continue;
        im->field = (int32_t)i;
        im->type = f->type;
    }
    int rc = init_image(p, &l->before, "before", p->schema->n_key > 0, err);
    if (p->deleted) l->before.row.defaults = p->deleted; /* the same columns have one */
    return rc < 0 ? rc : init_image(p, &l->after, "after", false, err);
}

static int plan_make(void *arg, const hg_avro_t *t, void **ret, hg_err_t *err)
{
    const avro_parser_t *p = arg;
    plan_t *l = HG_NEW(plan_t);
    hg_err_t why = HG_ERR_INIT;
    l->from = t;
    l->debezium = p->debezium;
    if (init_plan(p, l, &why) < 0) {
        plan_free(l);
        return hg_err_set(err, HG_EINVALPARSER, "error validating Avro schema: %s", why.msg);
    }
    *ret = l;
    return 0;
}

/* --- the parser object --- */

void hg_avro_parser_free(hg_parser_t *base)
{
    avro_parser_t *p = (avro_parser_t *)(void *)base;
    hg_abook_free(p->book);
    if (p->given) plan_free(p->given);
    hg_arena_free(p->arena);
    hg_free(p);
}

static int check_config(const cfg_t *c, hg_err_t *err)
{
    if (c->update == UPDATE_JDBC)
        return hg_err_option(err, HG_EINVALPARSER, "update_format",
                             "update format 'confluent_jdbc' is not yet supported by the Avro parser");
    if (c->schema && c->registry.urls.n)
        return hg_err_option(err, HG_EINVALPARSER, "registry_urls",
                             "'schema' and 'registry_urls' cannot both be given: all records have the schema, or each "
                             "names its own");
    if (!c->schema && c->skip_schema_id)
        return hg_err_option(err, HG_EINVALPARSER, "skip_schema_id", "'skip_schema_id' requires 'schema' to be set");
    int rc = hg_avro_registry_check(&c->registry, HG_EINVALPARSER, err);
    if (rc < 0) return rc;
    if (!c->schema && !c->registry.urls.n)
        return hg_err_set(
            err, HG_EINVALPARSER,
            "the Avro format needs a schema: set 'registry_urls', or 'schema' if all records have the same");
    return 0;
}

static int take_given(avro_parser_t *p, const char *text, hg_err_t *err)
{
    hg_avro_names_t names = { .arena = p->arena = hg_arena_new() };
    const hg_avro_t *t = NULL;
    hg_err_t why = HG_ERR_INIT;
    void *made = NULL;
    if (hg_avro_parse(&names, hg_strz(text), &t, &why) < 0)
        return hg_err_option(err, HG_EINVALPARSER, "schema", "error parsing Avro schema: %s", why.msg);
    if (plan_make(p, t, &made, &why) < 0) return hg_err_option(err, HG_EINVALPARSER, "schema", "%s", why.msg);
    p->given = made;
    return 0;
}

int hg_avro_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    const cfg_t *c = cfg;
    int rc = check_config(c, err);
    if (rc < 0) return rc;
    avro_parser_t *p = HG_NEW(avro_parser_t);
    p->schema = env->schema;
    p->defaults = env->defaults;
    p->deleted = env->deleted;
    p->debezium = c->update == UPDATE_DEBEZIUM;
    p->skip_header = c->skip_schema_id;
    if (c->schema) {
        rc = take_given(p, c->schema, err);
    } else {
        const hg_abook_ops_t ops = { .make = plan_make, .free = plan_free, .arg = p };
        p->book = hg_abook_new(&c->registry, &ops);
    }
    if (rc < 0) {
        hg_avro_parser_free(&p->base);
        return rc;
    }
    *ret = &p->base;
    return 0;
}

bool hg_avro_parser_ask(void *parser, hg_ask_t *ret)
{
    const avro_parser_t *p = parser;
    return p->book && hg_abook_ask(p->book, ret);
}

int hg_avro_parser_answer(void *parser, int status, hg_str_t body, hg_err_t *err)
{
    return hg_abook_answer(((avro_parser_t *)parser)->book, status, body, err);
}

/* A message is a record; of a stream (a file, a body) all of it is one. */
size_t hg_avro_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    (void)p, (void)st, (void)buf, (void)from;
    return eof ? n : 0;
}

/* What a worker needs beside the parser. */
typedef struct scratch {
    hg_ascan_t scan;
    uint32_t id; /* of plan, if there is one */
    const plan_t *plan;
} scratch_t;

void *hg_avro_scratch_new(const hg_parser_t *p)
{
    scratch_t *w = HG_NEW(scratch_t);
    (void)p;
    hg_buf_init(&w->scan.tmp, HG_BUF_NOMAX);
    return w;
}

void hg_avro_scratch_free(void *scratch)
{
    scratch_t *w = scratch;
    if (!w) return;
    hg_buf_release(&w->scan.tmp);
    hg_variant_free(w->scan.variant);
    hg_free(w);
}

/* --- reading --- */

static int find_plan(const avro_parser_t *p, scratch_t *w, const plan_t **ret)
{
    hg_ascan_t *s = &w->scan;
    uint32_t id;
    *ret = p->given;
    if (p->skip_header) return 0;
    if (s->end - s->p < (ptrdiff_t)HEADER)
        return hg_as_refuse(s, HG_EPARSE,
                            "a message of %zu bytes is too short: expected 0, a schema id of 4 bytes and "
                            "the record",
                            (size_t)(s->end - s->p));
    if (*s->p != 0)
        return hg_as_refuse(s, HG_EPARSE,
                            "the message begins with byte %u, not with 0 and a schema id; consider "
                            "'skip_schema_id'",
                            (uint8_t)*s->p);
    memcpy(&id, s->p + 1, 4);
    id = be32toh(id);
    s->p += HEADER;
    if (p->given) return 0;
    if (HG_UNLIKELY(!w->plan || w->id != id)) {
        const void *made = NULL;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_abook_get(p->book, id, &made, &err);
        if (rc == HG_EPARSE) return hg_as_refuse(s, rc, "%s", err.msg);
        if (rc < 0) return rc;
        w->plan = made;
        w->id = id;
    }
    *ret = w->plan;
    return 0;
}

/* avro_schema_id: 0 where the schema is given, as Feldera has it. */
int hg_avro_metadata(const hg_parser_t *base, hg_str_t message, hg_buf_t *out)
{
    const avro_parser_t *p = (const avro_parser_t *)(const void *)base;
    uint32_t id = 0;
    if (p->skip_header || message.n < HEADER || message.p[0] != 0) return 0;
    if (!p->given) memcpy(&id, message.p + 1, 4);
    return hg_buf_addf(out, "\"avro_schema_id\":%" PRIu32, be32toh(id));
}

static int row(hg_ascan_t *s, const hg_arow_t *r, hg_op_t op, hg_changeb_t *b)
{
    int rc = hg_arow_read(s, r, b->cols);
    return rc < 0 ? rc : hg_changeb_row(b, op, NULL);
}

static int image(hg_ascan_t *s, const image_t *im, hg_op_t op, hg_changeb_t *b)
{
    uint32_t at = 0;
    if (im->type->kind == HG_AV_UNION) {
        int rc = hg_as_branch(s, im->type->n, &at);
        if (rc < 0 || im->type->of[at]->kind == HG_AV_NULL) return rc;
    }
    return row(s, &im->row, op, b);
}

/* One walk over the envelope: with NULL for an image, it is skipped. */
static int envelope(hg_ascan_t *s, const plan_t *l, const image_t *before, const image_t *after, hg_changeb_t *b)
{
    int rc = 0;
    for (uint32_t i = 0; i < l->from->n && rc == 0; i++) {
        if (before && (uint32_t)before->field == i)
            rc = image(s, before, HG_OP_DELETE, b);
        else if (after && (uint32_t)after->field == i)
            rc = image(s, after, HG_OP_INSERT, b);
        else
            rc = hg_as_skip(s, l->from->fields[i].type);
    }
    return rc;
}

static int record(hg_ascan_t *s, const plan_t *l, hg_changeb_t *b)
{
    const char *begin = s->p;
    int rc;
    if (!l->debezium) {
        rc = row(s, &l->after.row, HG_OP_INSERT, b);
    } else if (l->before.field < l->after.field) {
        rc = envelope(s, l, &l->before, &l->after, b);
    } else { /* the delete has to come first */
        rc = envelope(s, l, &l->before, NULL, b);
        s->p = begin;
        if (rc == 0) rc = envelope(s, l, NULL, &l->after, b);
    }
    if (rc == 0 && s->p != s->end)
        rc = hg_as_refuse(s, HG_EPARSE, "%zu bytes behind the record; was it written with another schema?",
                          (size_t)(s->end - s->p));
    return rc;
}

static void report(hg_ascan_t *s, const char *buf, size_t n, hg_parse_out_t *out)
{
    char msg[480];
    if (s->field.p)
        snprintf(msg, sizeof msg, "error deserializing Avro record: error parsing field '%.*s': %s",
                 (int)HG_MIN(s->field.n, (size_t)100), s->field.p, s->msg);
    else
        snprintf(msg, sizeof msg, "error deserializing Avro record: %s", s->msg);
    hg_parse_error_t e = { .tag = "bin_event_err",
                           .event = out->events,
                           .field = s->field,
                           .text = { buf, HG_MIN(n, (size_t)BYTES_MAX) },
                           .description = msg };
    out->error(out, &e);
}

int hg_avro_read(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err)
{
    const avro_parser_t *p = self(pp);
    scratch_t *w = scratch;
    hg_ascan_t *s = &w->scan;
    const plan_t *l;
    uint32_t rows = out->changes.len;
    (void)first;
    out->events++;
    s->p = buf;
    s->end = buf + n;
    s->depth = s->empty = 0;
    s->field = (hg_str_t){ NULL, 0 };
    int rc = find_plan(p, w, &l);
    if (HG_LIKELY(rc == 0)) rc = record(s, l, &out->changes);
    if (HG_LIKELY(rc == 0)) {
        out->bytes += n;
        return 0;
    }
    hg_changeb_undo(&out->changes);
    hg_changeb_truncate(&out->changes, rows);
    if (rc == HG_EPARSE || rc == HG_ERANGE) {
        report(s, buf, n, out);
        return 0;
    }
    if (rc == HG_EAGAIN) return rc;
    return hg_err_set(err, (hg_code_t)rc,
                      rc == HG_ETOOBIG ? "a column of one chunk would hold more than 2 GiB"
                                       : "out of memory while reading Avro records");
}
