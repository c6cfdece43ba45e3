/* raw.c: the raw format: whole chunks or lines into one VARCHAR or VARBINARY column; other columns get their default or
 * NULL. Input only, inserts only. Pool thread; nothing is kept between calls. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format.h"

typedef struct cfg {
    int mode;
    const char *column_name;
} cfg_t;

enum { MODE_BLOB, MODE_LINES };

static const hg_opt_t in_opts[] = {
    { .key = "mode",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, mode),
      .names = "blob|lines",
      .def = "blob",
      .doc = "`blob`: each message, file, object or request body is one row. `lines`: each line that is not empty is "
             "one row." },
    { .key = "column_name",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, column_name),
      .doc = "The column that takes the bytes. Needed when the table has more than one." },
    { .key = NULL },
};

typedef struct raw_parser {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_col_t *const *defaults;
    uint32_t col;
    bool lines;
} raw_parser_t;

static int find_column(const cfg_t *c, const hg_schema_t *s, uint32_t *ret, hg_err_t *err)
{
    int col = 0;
    if (c->column_name) {
        col = hg_schema_find(s, hg_strz(c->column_name), false);
        if (col < 0)
            return hg_err_option(err, HG_EINVALPARSER, "column_name", "column '%s' not found in table '" HG_SF "'",
                                 c->column_name, HG_SA(s->name));
    } else if (s->n_cols != 1) {
        return hg_err_set(err, HG_EINVALPARSER,
                          "The 'raw' input format is used with table '" HG_SF
                          "', which has %u columns. Use the 'column_name' "
                          "configuration option to say which column takes the data",
                          HG_SA(s->name), s->n_cols);
    }
    const hg_type_t *t = s->cols[col].type;
    if (t->kind != HG_T_VARCHAR && t->kind != HG_T_VARBINARY) {
        hg_buf_t name;
        hg_buf_init(&name, 256);
        hg_type_text(&name, t);
        hg_err_option(
            err, HG_EINVALPARSER, "column_name",
            "'raw' input format can only be used with a column of type 'VARCHAR' or 'VARBINARY', but column " HG_SF
            " has type %s",
            HG_SA(s->cols[col].name), name.len ? name.p : hg_kind_name(t->kind));
        hg_buf_release(&name);
        return HG_EINVALPARSER;
    }
    *ret = (uint32_t)col;
    return 0;
}

static int parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    const cfg_t *c = cfg;
    uint32_t col = 0;
    int rc = find_column(c, env->schema, &col, err);
    if (rc < 0) return rc;
    raw_parser_t *p = HG_NEW(raw_parser_t);
    p->schema = env->schema;
    p->defaults = env->defaults;
    p->col = col;
    p->lines = c->mode == MODE_LINES;
    *ret = &p->base;
    return 0;
}

static void parser_free(hg_parser_t *p)
{
    hg_free(p);
}

static size_t split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    const raw_parser_t *p = (const raw_parser_t *)(const void *)pp;
    (void)st;
    if (eof) return n;
    const char *nl = p->lines && n > from ? memrchr(buf + from, '\n', n - from) : NULL;
    return nl ? (size_t)(nl - buf) + 1 : 0;
}

/* The other columns. 1 = the row is complete, 0 = column *missing has neither default nor NULL. */
static int fill_others(const raw_parser_t *p, hg_changeb_t *b, uint32_t *missing)
{
    for (uint32_t i = 0; i < p->schema->n_cols; i++) {
        int rc;
        if (i == p->col) continue;
        if (p->defaults && p->defaults[i]) {
            rc = hg_colb_default(&b->cols[i], p->defaults[i]);
        } else if (p->schema->cols[i].type->nullable) {
            rc = hg_colb_null(&b->cols[i]);
        } else {
            *missing = i;
            return 0;
        }
        if (rc < 0) return rc;
    }
    return 1;
}

static int row(const raw_parser_t *p, hg_parse_out_t *out, const char *buf, hg_str_t v)
{
    char msg[256];
    uint32_t missing = 0;
    int rc;
    out->events++;
    if (p->schema->cols[p->col].type->kind == HG_T_VARCHAR && !hg_utf8_valid(v.p, v.n)) {
        snprintf(msg, sizeof msg,
                 "unable to convert buffer to UTF-8 string (consider changing column type to 'VARBINARY')");
    } else {
        rc = hg_colb_var(&out->changes.cols[p->col], v.p, v.n);
        if (rc == 0) rc = fill_others(p, &out->changes, &missing);
        if (rc > 0) {
            out->bytes += v.n;
            return hg_changeb_row(&out->changes, HG_OP_INSERT, NULL);
        }
        hg_changeb_undo(&out->changes);
        if (rc < 0) return rc;
        snprintf(msg, sizeof msg, "missing field `%.*s`", (int)HG_MIN(p->schema->cols[missing].name.n, (size_t)128),
                 p->schema->cols[missing].name.p);
    }
    hg_parse_error_t e = {
        .tag = "bin_event_err",
        .event = out->events,
        .text = { v.p, HG_MIN(v.n, (size_t)4096) },
        .off = (uint64_t)(v.p - buf),
        .description = msg,
    };
    out->error(out, &e);
    return 0;
}

static int parse(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err)
{
    const raw_parser_t *p = (const raw_parser_t *)(const void *)pp;
    (void)scratch, (void)first;
    int rc = 0;
    if (!p->lines) rc = row(p, out, buf, (hg_str_t){ buf, n });
    for (const char *at = buf, *end = buf + n; p->lines && at < end && rc == 0;) {
        const char *nl = memchr(at, '\n', (size_t)(end - at)), *to = nl ? nl : end;
        if (to > at) rc = row(p, out, buf, (hg_str_t){ at, (size_t)(to - at) });
        at = to + 1;
    }
    if (rc == 0) return 0;
    hg_changeb_undo(&out->changes);
    return hg_err_set(err, rc,
                      rc == HG_ETOOBIG ? "a column of one chunk would hold more than 2 GiB"
                                       : "out of memory while parsing raw data");
}

const hg_format_type_t hg_format_raw = {
    .abi = HG_FORMAT_ABI,
    .name = "raw",
    .summary = "Bytes as they are: each chunk or each line is one value of one column.",
    .in_opts = in_opts,
    .in_cfg = sizeof(cfg_t),
    .parser_new = parser_new,
    .parser_free = parser_free,
    .split = split,
    .parse = parse,
};
