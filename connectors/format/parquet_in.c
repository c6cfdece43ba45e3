/* parquet_in.c: Parquet files into change batches.
 *
 * A chunk is whole row groups. Where the transport can read the end of the file first, its footer is the lane's index:
 * the splitter cuts behind each row group, chunks are decoded in parallel, positions are where row groups end, and no
 * more than those being decoded is in memory. Elsewhere (a URL, an HTTP body, a message) the whole file is one chunk.
 *
 * Columns are found as in JSON: without case unless they were quoted; fields that no column wants are not decoded. A
 * value that a column cannot take costs its row; a row group that cannot be read costs itself, a bad file everything.
 *
 * Parser and plan are immutable; the pool's threads share them.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format/arrow_cell_int.h"
#include "connectors/format/parquet_int.h"
#include "data/parquet_lib.h"

typedef struct {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_col_t *const *defaults;
    const hg_parquet_api_t *api;
} parser_t;

/* How one file becomes rows: per column the field it comes from, or none. */
typedef struct {
    hg_file_index_t base;
    const parser_t *p;
    hg_parquet_file_t *file;
    uint64_t size;
    hg_arena_t *arena;
    uint32_t *fields; /* of the file, ascending: what a scan is asked for */
    uint32_t n_fields;
    const hg_acell_t **cell; /* per column; NULL: default or NULL */
    uint32_t *child;         /* per column: its place among the fields */
} plan_t;

int hg_parquet_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    const hg_parquet_api_t *api = NULL;
    (void)cfg;
    int rc = hg_parquet_load(&api, err);
    if (rc < 0) return rc;
    parser_t *p = HG_NEW(parser_t);
    p->schema = env->schema;
    p->defaults = env->defaults;
    p->api = api;
    *ret = &p->base;
    return 0;
}

void hg_parquet_parser_free(hg_parser_t *p)
{
    hg_free(p);
}

/* --- the plan --- */

static void plan_free(hg_file_index_t *x)
{
    plan_t *plan = (plan_t *)(void *)x;
    if (plan->file) plan->p->api->close(plan->file);
    hg_arena_free(plan->arena);
    hg_free(plan);
}

/* The field for a column: the last one that has its name. -1: there is none. */
static int64_t find_field(const struct ArrowSchema *s, const hg_field_t *col, hg_err_t *err)
{
    int64_t found = -1;
    for (int64_t i = 0; i < s->n_children; i++)
        if (hg_str_ieq(hg_strz(s->children[i]->name), col->name)) found = i;
    if (found >= 0 && col->case_sensitive && !hg_str_eq(hg_strz(s->children[found]->name), col->name)) {
        hg_err_set(err, HG_EUNSUPPORTED, "incorrect case-sensitive field name: expected: " HG_SF ", found: %s",
                   HG_SA(col->name), s->children[found]->name);
        return HG_EUNSUPPORTED;
    }
    return found;
}

static int plan_column(plan_t *plan, const struct ArrowSchema *s, uint32_t i, int64_t *field, hg_err_t *err)
{
    const parser_t *p = plan->p;
    const hg_field_t *col = &p->schema->cols[i];
    hg_err_t why = HG_ERR_INIT;
    *field = find_field(s, col, err);
    if (*field < -1) return (int)*field;
    if (*field < 0) {
        if ((p->defaults && p->defaults[i]) || col->type->nullable) return 0;
        return hg_err_set(err, HG_EUNSUPPORTED, "missing field `" HG_SF "`", HG_SA(col->name));
    }
    int rc = hg_acell_new(s->children[*field], col->type, plan->arena, &plan->cell[i], &why);
    return rc < 0 ? hg_err_set(err, (hg_code_t)rc, "column '" HG_SF "': %s", HG_SA(col->name), why.msg) : 0;
}

static int plan_columns(plan_t *plan, const struct ArrowSchema *s, hg_err_t *err)
{
    uint32_t n = plan->p->schema->n_cols;
    bool *wanted = HG_ANEWN(plan->arena, bool, (size_t)s->n_children + 1);
    int64_t *field = HG_ANEWN(plan->arena, int64_t, n + 1);
    plan->fields = HG_ANEWN(plan->arena, uint32_t, (size_t)s->n_children + 1);
    plan->cell = HG_ANEWN(plan->arena, const hg_acell_t *, n + 1);
    plan->child = HG_ANEWN(plan->arena, uint32_t, n + 1);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = plan_column(plan, s, i, &field[i], err);
        if (rc == 0 && field[i] >= 0) wanted[field[i]] = true;
    }
    for (int64_t k = 0; k < s->n_children && rc == 0; k++) {
        if (!wanted[k]) continue;
        for (uint32_t i = 0; i < n; i++)
            if (field[i] == k) plan->child[i] = plan->n_fields;
        plan->fields[plan->n_fields++] = (uint32_t)k;
    }
    return rc;
}

static int plan_new(const parser_t *p, const hg_parquet_source_t *src, plan_t **ret, hg_err_t *err)
{
    char why[HG_PARQUET_WHY];
    struct ArrowSchema s = { 0 };
    plan_t *plan = HG_NEW(plan_t);
    plan->base.free = plan_free;
    plan->p = p;
    plan->size = src->size;
    plan->arena = hg_arena_new();
    int rc = p->api->open(src, &plan->file, why) == 0 && p->api->schema(plan->file, &s, why) == 0
                 ? plan_columns(plan, &s, err)
                 : hg_err_set(err, HG_EPARSE, "error parsing Parquet data: %s", why);
    if (s.release) s.release(&s);
    if (rc == 0)
        *ret = plan;
    else
        plan_free(&plan->base);
    return rc;
}

int hg_parquet_index_new(const hg_parser_t *pp, const hg_file_reader_t *file, hg_file_index_t **ret, hg_err_t *err)
{
    const parser_t *p = (const parser_t *)(const void *)pp;
    hg_parquet_source_t src = { .size = file->size, .read = file->read, .arg = file->arg };
    plan_t *plan;
    int rc = plan_new(p, &src, &plan, err);
    if (rc < 0) return rc;
    hg_parquet_group_t g, before = { 0 };
    for (uint32_t i = 0; i < p->api->groups(plan->file); i++, before = g) {
        p->api->group(plan->file, i, &g);
        if (g.begin >= before.end && g.end <= file->size) continue;
        plan_free(&plan->base); /* not in the order of their numbers: cannot be read as a stream */
        plan = NULL;
        break;
    }
    *ret = plan ? &plan->base : NULL;
    return 0;
}

/* --- cutting --- */

size_t hg_parquet_split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    const parser_t *p = (const parser_t *)(const void *)pp;
    const plan_t *plan = (const plan_t *)(const void *)st->index;
    size_t cut = 0;
    (void)buf;
    if (eof) return n;
    for (uint32_t i = 0; plan && i < p->api->groups(plan->file); i++) {
        hg_parquet_group_t g;
        p->api->group(plan->file, i, &g);
        if (g.end > st->at + from && g.end <= st->at + n) cut = (size_t)(g.end - st->at);
    }
    return cut;
}

/* --- rows --- */

typedef struct {
    const plan_t *plan;
    hg_parse_out_t *out;
    hg_acell_ctx_t ctx;
    uint32_t group; /* number of the row group */
    int64_t row;    /* in the row group: of the batch's first */
} scan_t;

static void tell(hg_parse_out_t *out, const char *tag, uint64_t event, hg_str_t field, const char *what)
{
    const hg_parse_error_t e = { .tag = tag, .event = event, .field = field, .description = what };
    out->error(out, &e);
}

static void tell_group(const scan_t *s, hg_str_t column, const char *why)
{
    char what[HG_PARQUET_WHY + 256];
    if (column.p)
        snprintf(what, sizeof what, "error parsing parquet data (row group %u, column '%.*s'): %s", s->group,
                 (int)HG_MIN(column.n, (size_t)128), column.p, why);
    else
        snprintf(what, sizeof what, "error parsing parquet data (row group %u): %s", s->group, why);
    tell(s->out, "bin_envelope_err", 0, column, what);
}

/* Cells of a column that no field has. */
static int fill_absent(const parser_t *p, uint32_t col, int64_t n, hg_colb_t *b)
{
    const hg_col_t *dflt = p->defaults ? p->defaults[col] : NULL;
    int rc = 0;
    for (int64_t k = 0; k < n && rc == 0; k++) rc = dflt ? hg_colb_default(b, dflt) : hg_colb_null(b);
    return rc;
}

/* The first cell of rows [from, from + n) that its column refuses: *bad is its row, n: there is none. */
static int read_columns(scan_t *s, const struct ArrowArray *a, int64_t from, int64_t n, int64_t *bad, uint32_t *col,
                        hg_err_t *why)
{
    const plan_t *plan = s->plan;
    *bad = n;
    for (uint32_t i = 0; i < plan->p->schema->n_cols; i++) {
        hg_colb_t *b = &s->out->changes.cols[i];
        hg_err_t err = HG_ERR_INIT;
        int64_t done = *bad;
        int rc = plan->cell[i] ? hg_acell_read(plan->cell[i], &s->ctx, a->children[plan->child[i]], a->offset + from,
                                               *bad, b, &done, &err)
                               : fill_absent(plan->p, i, *bad, b);
        if (rc == HG_ENOMEM || rc == HG_ETOOBIG) return rc;
        if (rc == 0) continue;
        *bad = done;
        *col = i;
        *why = err;
    }
    return 0;
}

/* Rows up to the next bad one: all columns are cut to what the worst of them could read, and the bad row is told. */
static int take_rows(scan_t *s, const struct ArrowArray *a, int64_t from, int64_t n, int64_t *took)
{
    hg_changeb_t *b = &s->out->changes;
    hg_err_t why = HG_ERR_INIT;
    uint32_t col = 0;
    int64_t bad;
    int rc = read_columns(s, a, from, n, &bad, &col, &why);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < s->plan->p->schema->n_cols; i++) hg_colb_truncate(&b->cols[i], b->len + (uint32_t)bad);
    rc = bad ? hg_changeb_inserts(b, (uint32_t)bad) : 0;
    s->out->events += (uint64_t)bad;
    *took = bad;
    if (rc < 0 || bad == n) return rc;
    char what[512];
    hg_str_t name = s->plan->p->schema->cols[col].name;
    snprintf(what, sizeof what, "row group %u, row %" PRId64 ": error parsing field '%.*s': %.256s", s->group,
             s->row + from + bad + 1, (int)HG_MIN(name.n, (size_t)128), name.p, why.msg);
    tell(s->out, "bin_event_err", ++s->out->events, name, what);
    ++*took;
    return 0;
}

static int take_batch(scan_t *s, const struct ArrowArray *a)
{
    int rc = 0;
    for (int64_t at = 0, took = 0; at < a->length && rc == 0; at += took)
        rc = take_rows(s, a, at, a->length - at, &took);
    s->row += a->length;
    return rc;
}

/* The stream has failed: which column was it? */
static void tell_failed(const scan_t *s, const hg_parquet_source_t *src, const char *why)
{
    const plan_t *plan = s->plan;
    char column[HG_PARQUET_WHY];
    uint32_t k = plan->p->api->blame(plan->file, src, s->group, plan->fields, plan->n_fields, column);
    for (uint32_t i = 0; k < plan->n_fields && i < plan->p->schema->n_cols; i++)
        if (plan->cell[i] && plan->child[i] == k) {
            tell_group(s, plan->p->schema->cols[i].name, column);
            return;
        }
    tell_group(s, (hg_str_t){ 0 }, why);
}

static int reserve(scan_t *s, uint64_t rows)
{
    int rc = 0;
    if (rows > UINT32_MAX) return HG_ETOOBIG;
    for (uint32_t i = 0; i < s->plan->p->schema->n_cols && rc == 0; i++)
        rc = hg_colb_reserve(&s->out->changes.cols[i], (uint32_t)rows, 0);
    return rc;
}

/* A footer may promise any number of rows: no more room is made beforehand than for those that a byte each could say.
 */
static int take_group(scan_t *s, const hg_parquet_source_t *src)
{
    const plan_t *plan = s->plan;
    char why[HG_PARQUET_WHY];
    struct ArrowArrayStream in = { 0 };
    struct ArrowArray a;
    hg_parquet_group_t g;
    s->row = 0;
    plan->p->api->group(plan->file, s->group, &g);
    int rc = reserve(s, HG_MIN(g.rows, g.end - g.begin));
    if (rc < 0) return rc;
    if (plan->p->api->scan(plan->file, src, s->group, plan->fields, plan->n_fields, &in, why) != 0) {
        tell_failed(s, src, why);
        return 0;
    }
    for (; rc == 0;) {
        a = (struct ArrowArray){ 0 };
        if (in.get_next(&in, &a) != 0) {
            const char *text = in.get_last_error(&in);
            tell_failed(s, src, text ? text : "no reason given");
            break;
        }
        if (!a.release) break;
        rc = take_batch(s, &a);
        a.release(&a);
    }
    in.release(&in);
    return rc;
}

/* With an index the chunk has the row groups that lie in it; one that it begins inside of is an error. */
static bool is_in_chunk(scan_t *s, const hg_parquet_source_t *src)
{
    char why[160];
    hg_parquet_group_t g;
    s->plan->p->api->group(s->plan->file, s->group, &g);
    if (g.begin >= src->first) return g.end <= src->first + src->n;
    if (g.end <= src->first) return false;
    snprintf(why, sizeof why,
             "the position %" PRIu64 " is inside of it, at %" PRIu64 " to %" PRIu64 ": its rows are "
             "left out",
             src->first, g.begin, g.end);
    tell_group(s, (hg_str_t){ 0 }, why);
    return false;
}

int hg_parquet_parse(const hg_parser_t *pp, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                     hg_err_t *err)
{
    const parser_t *p = (const parser_t *)(const void *)pp;
    const plan_t *given = (const plan_t *)(const void *)out->index;
    hg_parquet_source_t src = { .bytes = buf, .first = given ? out->at : 0, .n = n, .size = given ? given->size : n };
    scan_t s = { .plan = given, .out = out };
    plan_t *own = NULL;
    int rc = 0;
    (void)scratch, (void)first;
    hg_err_t why = HG_ERR_INIT;
    if (!given && plan_new(p, &src, &own, &why) < 0) {
        tell(out, "bin_envelope_err", 0, (hg_str_t){ 0 }, why.msg);
        return 0;
    }
    if (own) s.plan = own;
    hg_acell_ctx_init(&s.ctx);
    for (; s.group < p->api->groups(s.plan->file) && rc == 0; s.group++)
        if (!given || is_in_chunk(&s, &src)) rc = take_group(&s, &src);
    hg_acell_ctx_release(&s.ctx);
    if (own) plan_free(&own->base);
    out->bytes += out->changes.len ? n : 0;
    if (rc == 0) return 0;
    hg_changeb_undo(&out->changes);
    return hg_err_set(err, (hg_code_t)rc,
                      rc == HG_ETOOBIG ? "a column of one row group would hold more than 2 GiB"
                                       : "out of memory while decoding Parquet data");
}
