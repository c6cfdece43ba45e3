/* manifest.c: see manifest.h.
 *
 * Lists are read by the schema that stands in them, field by field, and written again with ours: writers differ in what
 * they leave out and how they call two of the fields.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format/avro_scan.h"
#include "plugins/iceberg/avro_file.h"
#include "plugins/iceberg/manifest.h"

#define TEXT_OF(...) #__VA_ARGS__
#define STRINGS(...) TEXT_OF(__VA_ARGS__) /* JSON without escapes */

/* clang-format off */
#define OPTIONAL_MAP(name_, id, pair, key, value_id, value) \
    { "name": name_, "default": null, "field-id": id, \
      "type": ["null", { "type": "array", "logicalType": "map", "items": { "type": "record", "name": pair, "fields": [ \
          { "name": "key", "type": "int", "field-id": key }, { "name": "value", "type": value, "field-id": value_id }] } }] }

static const char entry_schema[] = STRINGS(
    { "type": "record", "name": "manifest_entry", "fields": [
        { "name": "status", "type": "int", "field-id": 0 },
        { "name": "snapshot_id", "type": ["null", "long"], "default": null, "field-id": 1 },
        { "name": "sequence_number", "type": ["null", "long"], "default": null, "field-id": 3 },
        { "name": "file_sequence_number", "type": ["null", "long"], "default": null, "field-id": 4 },
        { "name": "data_file", "field-id": 2, "type": { "type": "record", "name": "r2", "fields": [
            { "name": "content", "type": "int", "field-id": 134 },
            { "name": "file_path", "type": "string", "field-id": 100 },
            { "name": "file_format", "type": "string", "field-id": 101 },
            { "name": "partition", "type": { "type": "record", "name": "r102", "fields": [] }, "field-id": 102 },
            { "name": "record_count", "type": "long", "field-id": 103 },
            { "name": "file_size_in_bytes", "type": "long", "field-id": 104 },
            OPTIONAL_MAP("value_counts", 109, "k119_v120", 119, 120, "long"),
            OPTIONAL_MAP("null_value_counts", 110, "k121_v122", 121, 122, "long"),
            OPTIONAL_MAP("lower_bounds", 125, "k126_v127", 126, 127, "bytes"),
            OPTIONAL_MAP("upper_bounds", 128, "k129_v130", 129, 130, "bytes")] } }] });

static const char list_schema[] = STRINGS(
    { "type": "record", "name": "manifest_file", "fields": [
        { "name": "manifest_path", "type": "string", "field-id": 500 },
        { "name": "manifest_length", "type": "long", "field-id": 501 },
        { "name": "partition_spec_id", "type": "int", "field-id": 502 },
        { "name": "content", "type": "int", "field-id": 517 },
        { "name": "sequence_number", "type": "long", "field-id": 515 },
        { "name": "min_sequence_number", "type": "long", "field-id": 516 },
        { "name": "added_snapshot_id", "type": "long", "field-id": 503 },
        { "name": "added_files_count", "type": "int", "field-id": 504 },
        { "name": "existing_files_count", "type": "int", "field-id": 505 },
        { "name": "deleted_files_count", "type": "int", "field-id": 506 },
        { "name": "added_rows_count", "type": "long", "field-id": 512 },
        { "name": "existing_rows_count", "type": "long", "field-id": 513 },
        { "name": "deleted_rows_count", "type": "long", "field-id": 514 },
        { "name": "partitions", "default": null, "field-id": 507, "type": ["null", {
            "type": "array", "element-id": 508, "items": { "type": "record", "name": "r508", "fields": [
                { "name": "contains_null", "type": "boolean", "field-id": 509 },
                { "name": "contains_nan", "type": ["null", "boolean"], "default": null, "field-id": 518 },
                { "name": "lower_bound", "type": ["null", "bytes"], "default": null, "field-id": 510 },
                { "name": "upper_bound", "type": ["null", "bytes"], "default": null, "field-id": 511 }] } }] },
        { "name": "key_metadata", "type": ["null", "bytes"], "default": null, "field-id": 519 }] });
/* clang-format on */

enum { NULL_BRANCH = 0, VALUE_BRANCH = 1 };
enum { STATUS_ADDED = 1 };
enum { CONTENT_DATA = 0 };

/* --- manifests ---------------------------------------------------------------------------------------------------- */

static int put_optional(hg_buf_t *out, bool there, hg_str_t bytes)
{
    int rc = hgi_put_long(out, there ? VALUE_BRANCH : NULL_BRANCH);
    return rc < 0 || !there ? rc : hgi_put_bytes(out, bytes);
}

static int put_optional_long(hg_buf_t *out, bool there, int64_t v)
{
    int rc = hgi_put_long(out, there ? VALUE_BRANCH : NULL_BRANCH);
    return rc < 0 || !there ? rc : hgi_put_long(out, v);
}

static uint64_t values_of(const hgi_column_stats_t *s)
{
    return s->values;
}

static uint64_t nulls_of(const hgi_column_stats_t *s)
{
    return s->nulls;
}

static int put_counts(hg_buf_t *out, const hgi_data_file_t *f, uint64_t (*count)(const hgi_column_stats_t *s))
{
    int rc = hgi_put_long(out, VALUE_BRANCH);
    if (rc == 0 && f->n_stats) rc = hgi_put_long(out, f->n_stats);
    for (uint32_t i = 0; rc == 0 && i < f->n_stats; i++) {
        rc = hgi_put_long(out, f->stats[i].id);
        if (rc == 0) rc = hgi_put_long(out, (int64_t)count(&f->stats[i]));
    }
    return rc < 0 ? rc : hgi_put_long(out, 0);
}

static hg_str_t bound(const hgi_column_stats_t *s, bool upper)
{
    return upper ? s->upper : s->lower;
}

static int put_bounds(hg_buf_t *out, const hgi_data_file_t *f, bool upper)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n_stats; i++) n += bound(&f->stats[i], upper).p != NULL;
    int rc = hgi_put_long(out, VALUE_BRANCH);
    if (rc == 0 && n) rc = hgi_put_long(out, n);
    for (uint32_t i = 0; rc == 0 && i < f->n_stats; i++) {
        hg_str_t b = bound(&f->stats[i], upper);
        if (!b.p) continue;
        rc = hgi_put_long(out, f->stats[i].id);
        if (rc == 0) rc = hgi_put_bytes(out, b);
    }
    return rc < 0 ? rc : hgi_put_long(out, 0);
}

/* Sequence numbers are left to whoever reads: they are those of the snapshot that the manifest is committed with, also
 * where the commit had to be made again. */
static int put_file(hg_buf_t *out, int64_t snapshot_id, const hgi_data_file_t *f)
{
    int rc = hgi_put_long(out, STATUS_ADDED);
    if (rc == 0) rc = put_optional_long(out, true, snapshot_id);
    if (rc == 0) rc = put_optional_long(out, false, 0);
    if (rc == 0) rc = put_optional_long(out, false, 0);
    if (rc == 0) rc = hgi_put_long(out, CONTENT_DATA);
    if (rc == 0) rc = hgi_put_bytes(out, hg_strz(f->path));
    if (rc == 0) rc = hgi_put_bytes(out, HG_S("PARQUET"));
    if (rc == 0) rc = hgi_put_long(out, (int64_t)f->rows);
    if (rc == 0) rc = hgi_put_long(out, (int64_t)f->bytes);
    if (rc == 0) rc = put_counts(out, f, values_of);
    if (rc == 0) rc = put_counts(out, f, nulls_of);
    if (rc == 0) rc = put_bounds(out, f, false);
    return rc < 0 ? rc : put_bounds(out, f, true);
}

int hgi_manifest(hg_buf_t *out, const hgi_table_t *t, int64_t snapshot_id, const hgi_data_file_t *f)
{
    char schema_id[16], spec_id[16];
    const hgi_pair_t meta[] = { { "schema", t->schema_json },       { "schema-id", schema_id },
                                { "partition-spec", t->spec_json }, { "partition-spec-id", spec_id },
                                { "format-version", "2" },          { "content", "data" } };
    hg_buf_t entry;
    snprintf(schema_id, sizeof schema_id, "%" PRId32, t->schema_id);
    snprintf(spec_id, sizeof spec_id, "%" PRId32, t->spec_id);
    hg_buf_init(&entry, HG_BUF_NOMAX);
    int rc = put_file(&entry, snapshot_id, f);
    if (rc == 0) rc = hgi_avro_file(out, entry_schema, meta, HG_COUNT(meta), 1, hg_buf_str(&entry));
    hg_buf_release(&entry);
    return rc;
}

/* --- entries of a list -------------------------------------------------------------------------------------------- */

enum {
    LENGTH,
    SPEC,
    CONTENT,
    SEQUENCE,
    MIN_SEQUENCE,
    SNAPSHOT,
    ADDED_FILES,
    EXISTING_FILES,
    DELETED_FILES,
    ADDED_ROWS,
    EXISTING_ROWS,
    DELETED_ROWS,
    N_NUMBERS
};

typedef struct entry {
    hg_str_t path;
    int64_t numbers[N_NUMBERS];
    bool has[N_NUMBERS];
    bool has_parts, has_key;
    hg_buf_t parts; /* as they are written, but for the branch */
    hg_str_t key;
} entry_t;

static const struct {
    const char *name, *older;
    bool needed; /* the others are 0 in lists that were written as version 1 */
} numbers[N_NUMBERS] = {
    [LENGTH] = { "manifest_length", NULL, true },
    [SPEC] = { "partition_spec_id", NULL, true },
    [CONTENT] = { "content", NULL, false },
    [SEQUENCE] = { "sequence_number", NULL, false },
    [MIN_SEQUENCE] = { "min_sequence_number", NULL, false },
    [SNAPSHOT] = { "added_snapshot_id", NULL, true },
    [ADDED_FILES] = { "added_files_count", "added_data_files_count", true },
    [EXISTING_FILES] = { "existing_files_count", "existing_data_files_count", true },
    [DELETED_FILES] = { "deleted_files_count", "deleted_data_files_count", true },
    [ADDED_ROWS] = { "added_rows_count", NULL, true },
    [EXISTING_ROWS] = { "existing_rows_count", NULL, true },
    [DELETED_ROWS] = { "deleted_rows_count", NULL, true },
};

/* The type of a value that may be one of a union. */
static int branch(hg_ascan_t *s, const hg_avro_t **t)
{
    uint32_t at;
    if ((*t)->kind != HG_AV_UNION) return 0;
    int rc = hg_as_branch(s, (*t)->n, &at);
    if (rc == 0) *t = (*t)->of[at];
    return rc;
}

static int no_such(hg_ascan_t *s, hg_str_t field, const hg_avro_t *t)
{
    return hg_as_refuse(s, HG_EPARSE, "field '%.*s' is of type %s", (int)HG_MIN(field.n, (size_t)60), field.p,
                        hg_avro_kind_name(t->kind));
}

/* Bytes or nothing, as our lists have them. */
static int read_bytes(hg_ascan_t *s, const hg_avro_field_t *f, bool *has, hg_str_t *ret)
{
    const hg_avro_t *t = f->type;
    int rc = branch(s, &t);
    *has = rc == 0 && t->kind != HG_AV_NULL;
    if (rc < 0 || !*has) return rc;
    return t->kind == HG_AV_BYTES || t->kind == HG_AV_STRING ? hg_as_bytes(s, ret) : no_such(s, f->name, t);
}

static int read_bool(hg_ascan_t *s, const hg_avro_field_t *f, bool *has, bool *ret)
{
    const hg_avro_t *t = f->type;
    hg_str_t byte;
    int rc = branch(s, &t);
    *has = rc == 0 && t->kind != HG_AV_NULL;
    if (rc < 0 || !*has) return rc;
    if (t->kind != HG_AV_BOOLEAN) return no_such(s, f->name, t);
    rc = hg_as_take(s, 1, &byte);
    if (rc == 0) *ret = byte.p[0] != 0;
    return rc;
}

static int copy_part(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    bool null = false, nan = false, has, has_nan = false, has_lower = false, has_upper = false;
    hg_str_t lower = { 0 }, upper = { 0 };
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < t->n; i++) {
        const hg_avro_field_t *f = &t->fields[i];
        if (hg_str_eqz(f->name, "contains_null"))
            rc = read_bool(s, f, &has, &null);
        else if (hg_str_eqz(f->name, "contains_nan"))
            rc = read_bool(s, f, &has_nan, &nan);
        else if (hg_str_eqz(f->name, "lower_bound"))
            rc = read_bytes(s, f, &has_lower, &lower);
        else if (hg_str_eqz(f->name, "upper_bound"))
            rc = read_bytes(s, f, &has_upper, &upper);
        else
            rc = hg_as_skip(s, f->type);
    }
    if (rc == 0) rc = hg_buf_addc(out, null);
    if (rc == 0) rc = hgi_put_long(out, has_nan ? VALUE_BRANCH : NULL_BRANCH);
    if (rc == 0 && has_nan) rc = hg_buf_addc(out, nan);
    if (rc == 0) rc = put_optional(out, has_lower, lower);
    return rc < 0 ? rc : put_optional(out, has_upper, upper);
}

static int copy_parts(hg_ascan_t *s, const hg_avro_field_t *f, entry_t *e)
{
    const hg_avro_t *t = f->type;
    uint64_t n, bytes;
    int rc = branch(s, &t);
    e->has_parts = rc == 0 && t->kind != HG_AV_NULL;
    if (rc < 0 || !e->has_parts) return rc;
    if (t->kind != HG_AV_ARRAY || t->of[0]->kind != HG_AV_RECORD) return no_such(s, f->name, t);
    do {
        rc = hg_as_block(s, t->of[0]->min, &n, &bytes);
        if (rc == 0) rc = hgi_put_long(&e->parts, (int64_t)n);
        for (uint64_t i = 0; rc == 0 && i < n; i++) rc = copy_part(s, t->of[0], &e->parts);
    } while (rc == 0 && n);
    return rc;
}

static int read_number(hg_ascan_t *s, const hg_avro_field_t *f, entry_t *e, unsigned k)
{
    const hg_avro_t *t = f->type;
    int rc = branch(s, &t);
    if (rc < 0 || t->kind == HG_AV_NULL) return rc;
    if (t->kind != HG_AV_INT && t->kind != HG_AV_LONG) return no_such(s, f->name, t);
    rc = hg_as_long(s, &e->numbers[k]);
    e->has[k] = rc == 0;
    return rc;
}

static int read_field(hg_ascan_t *s, const hg_avro_field_t *f, entry_t *e)
{
    bool has;
    if (hg_str_eqz(f->name, "manifest_path")) return read_bytes(s, f, &has, &e->path);
    if (hg_str_eqz(f->name, "partitions")) return copy_parts(s, f, e);
    if (hg_str_eqz(f->name, "key_metadata")) return read_bytes(s, f, &e->has_key, &e->key);
    for (unsigned k = 0; k < N_NUMBERS; k++)
        if (hg_str_eqz(f->name, numbers[k].name) || (numbers[k].older && hg_str_eqz(f->name, numbers[k].older)))
            return read_number(s, f, e, k);
    return hg_as_skip(s, f->type);
}

static int put_entry(hg_buf_t *out, const entry_t *e)
{
    int rc = hgi_put_bytes(out, e->path);
    for (unsigned k = 0; rc == 0 && k < N_NUMBERS; k++) rc = hgi_put_long(out, e->numbers[k]);
    if (rc == 0) rc = hgi_put_long(out, e->has_parts ? VALUE_BRANCH : NULL_BRANCH);
    if (rc == 0 && e->has_parts) rc = hg_buf_addstr(out, hg_buf_str(&e->parts));
    return rc < 0 ? rc : put_optional(out, e->has_key, e->key);
}

static int copy_entry(hg_ascan_t *s, const hg_avro_t *t, entry_t *e, hgi_entries_t *to)
{
    int rc = 0;
    *e = (entry_t){ .parts = e->parts };
    hg_buf_clear(&e->parts);
    for (uint32_t i = 0; rc == 0 && i < t->n; i++) rc = read_field(s, &t->fields[i], e);
    if (rc < 0) return rc;
    if (!e->path.n) return hg_as_refuse(s, HG_EPARSE, "a manifest has no manifest_path");
    for (unsigned k = 0; k < N_NUMBERS; k++)
        if (numbers[k].needed && !e->has[k]) return hg_as_refuse(s, HG_EPARSE, "a manifest has no %s", numbers[k].name);
    to->n++;
    return put_entry(&to->bytes, e);
}

void hgi_entries_init(hgi_entries_t *e)
{
    hg_buf_init(&e->bytes, HG_BUF_NOMAX);
    e->n = 0;
}

void hgi_entries_clear(hgi_entries_t *e)
{
    hg_buf_clear(&e->bytes);
    e->n = 0;
}

void hgi_entries_release(hgi_entries_t *e)
{
    hg_buf_release(&e->bytes);
}

static int copy_entries(hgi_entries_t *to, hgi_avro_reader_t *r, const hg_avro_t *t, hg_err_t *err)
{
    hg_ascan_t s = { .p = NULL };
    entry_t e = { .path = { NULL, 0 } };
    hg_str_t values;
    uint64_t n;
    int rc;
    hg_buf_init(&e.parts, HG_BUF_NOMAX);
    while ((rc = hgi_avro_block(r, &n, &values, err)) == 0 && n) {
        s.p = values.p;
        s.end = values.p + values.n;
        for (; rc == 0 && n; n--) rc = copy_entry(&s, t, &e, to);
        if (rc == 0 && s.p != s.end) rc = hg_as_refuse(&s, HG_EPARSE, "bytes are left behind the last manifest");
        if (rc == HG_ENOMEM) hg_err_retry(err, HG_ENOMEM, "no memory for a manifest list");
        if (rc < 0 && rc != HG_ENOMEM) rc = hg_err_set(err, HG_EPROTO, "a manifest list is damaged: %s", s.msg);
        if (rc < 0) break;
    }
    hg_buf_release(&e.parts);
    return rc;
}

int hgi_entries_read(hgi_entries_t *e, hg_str_t file, hg_err_t *err)
{
    hgi_avro_reader_t r;
    hg_arena_t *a = hg_arena_new();
    hg_avro_names_t names = { .arena = a };
    const hg_avro_t *t = NULL;
    hgi_entries_clear(e);
    int rc = hgi_avro_open(&r, file, err);
    if (rc == 0) {
        hg_err_t bad = HG_ERR_INIT;
        rc = hg_avro_parse(&names, r.schema, &t, &bad);
        if (rc < 0) rc = hg_err_set(err, HG_EPROTO, "the schema of a manifest list: %s", bad.msg);
        if (rc == 0 && t->kind != HG_AV_RECORD)
            rc = hg_err_set(err, HG_EPROTO, "the schema of a manifest list is no record");
    }
    if (rc == 0) rc = copy_entries(e, &r, t, err);
    hgi_avro_close(&r);
    hg_arena_free(a);
    return rc;
}

int hgi_entries_add(hgi_entries_t *to, const hgi_manifest_t *m)
{
    const entry_t e = { .path = hg_strz(m->path),
                        .numbers = { [LENGTH] = (int64_t)m->bytes,
                                     [SPEC] = m->spec_id,
                                     [CONTENT] = CONTENT_DATA,
                                     [SEQUENCE] = m->sequence,
                                     [MIN_SEQUENCE] = m->sequence,
                                     [SNAPSHOT] = m->snapshot_id,
                                     [ADDED_FILES] = 1,
                                     [ADDED_ROWS] = (int64_t)m->rows } };
    size_t before = to->bytes.len;
    int rc = put_entry(&to->bytes, &e);
    if (rc == 0)
        to->n++;
    else
        to->bytes.len = before;
    return rc;
}

int hgi_manifest_list(hg_buf_t *out, const hgi_entries_t *e, int64_t snapshot_id, int64_t parent, int64_t sequence)
{
    char snapshot[24], parent_id[24], number[24];
    const hgi_pair_t meta[] = { { "format-version", "2" },
                                { "snapshot-id", snapshot },
                                { "sequence-number", number },
                                { "parent-snapshot-id", parent_id } };
    snprintf(snapshot, sizeof snapshot, "%" PRId64, snapshot_id);
    snprintf(number, sizeof number, "%" PRId64, sequence);
    snprintf(parent_id, sizeof parent_id, "%" PRId64, parent);
    return hgi_avro_file(out, list_schema, meta, parent == -1 ? 3 : 4, e->n, hg_buf_str(&e->bytes));
}
