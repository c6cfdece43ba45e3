/* table.c: see table.h. The text comes from a catalog, which may be anything: every member is asked for its kind. */
#include "base/hg.h"
#include "plugins/iceberg/table.h"

#define FORMAT_VERSION 2

typedef struct reader {
    hgi_table_t *t;
    hg_err_t *err;
    uint32_t n_ids;
} reader_t;

static int no_metadata(hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EPROTO, "the catalog's answer is no table metadata: %s", what);
}

/* A member that has to be a text. */
static const char *text_of(const hg_json_t *obj, const char *key)
{
    const char *s = hg_json_str(hg_json_get(obj, key), NULL);
    return s && *s ? s : NULL;
}

static bool int32_of(const hg_json_t *obj, const char *key, int32_t *ret)
{
    int64_t v;
    if (hg_json_i64(hg_json_get(obj, key), &v) < 0 || v < INT32_MIN || v > INT32_MAX) return false;
    *ret = (int32_t)v;
    return true;
}

static const hg_json_t *list_of(const hg_json_t *obj, const char *key)
{
    const hg_json_t *v = hg_json_get(obj, key);
    return v && v->kind == HG_J_ARRAY ? v : NULL;
}

static const char *compact(hg_arena_t *a, const hg_json_t *v)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, v);
    const char *s = w.rc < 0 ? NULL : hg_arena_strndup(a, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

/* --- types -------------------------------------------------------------------------------------------------------- */

/* "decimal(9, 2)" */
static bool decimal_of(const char *s, int32_t *precision, int32_t *scale)
{
    int p = 0, q = 0, end = 0;
    if (sscanf(s, "decimal(%2d ,%2d )%n", &p, &q, &end) != 2 || !end || s[end]) return false;
    *precision = p;
    *scale = q;
    return p >= 1 && p <= 38 && q >= 0 && q <= p;
}

/* NULL: a type that we do not write. */
static const hg_type_t *primitive(hg_arena_t *a, const char *name, bool nullable)
{
    static const struct {
        const char *name;
        hg_kind_t kind;
    } kinds[] = { { "boolean", HG_T_BOOLEAN }, { "int", HG_T_INTEGER },
                  { "long", HG_T_BIGINT },     { "float", HG_T_REAL },
                  { "double", HG_T_DOUBLE },   { "date", HG_T_DATE },
                  { "time", HG_T_TIME },       { "timestamp", HG_T_TIMESTAMP },
                  { "string", HG_T_VARCHAR },  { "timestamptz", HG_T_TIMESTAMP_TZ },
                  { "uuid", HG_T_UUID },       { "binary", HG_T_VARBINARY } };
    int32_t precision, scale;
    for (size_t i = 0; i < HG_COUNT(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0) return hg_type_make(a, kinds[i].kind, nullable, -1, 0);
    return decimal_of(name, &precision, &scale) ? hg_type_make(a, HG_T_DECIMAL, nullable, precision, scale) : NULL;
}

static void add_id(reader_t *r, int32_t id)
{
    HG_APUSH(r->t->arena, r->t->ids, r->n_ids, id);
}

static const hg_type_t *type_of(reader_t *r, const hg_json_t *v, bool nullable);

/* A part of a nested type: its number, and whether it may be missing. */
static const hg_type_t *part(reader_t *r, const hg_json_t *v, const char *key, const char *id_key, bool nullable)
{
    int32_t id;
    if (!int32_of(v, id_key, &id)) return NULL;
    add_id(r, id);
    return type_of(r, hg_json_get(v, key), nullable);
}

static const hg_type_t *struct_of(reader_t *r, const hg_json_t *v, bool nullable)
{
    const hg_json_t *fields = list_of(v, "fields");
    if (!fields || !fields->n) return NULL;
    hg_field_t *f = HG_ANEWN(r->t->arena, hg_field_t, fields->n);
    uint32_t n = 0;
    for (const hg_json_t *c = fields->child; c; c = c->next, n++) {
        const char *name = text_of(c, "name");
        if (!name) return NULL;
        f[n].name = hg_strz(name);
        f[n].type = part(r, c, "type", "id", !hg_json_bool(hg_json_get(c, "required"), false));
        if (!f[n].type) return NULL;
    }
    hg_type_t *t = HG_ANEW(r->t->arena, hg_type_t);
    *t = (hg_type_t){ .kind = HG_T_ROW, .nullable = nullable, .precision = -1, .fields = f, .n_fields = n };
    return t;
}

static const hg_type_t *map_of(reader_t *r, const hg_json_t *v, bool nullable)
{
    const hg_type_t *key = part(r, v, "key", "key-id", false);
    bool required = hg_json_bool(hg_json_get(v, "value-required"), false);
    const hg_type_t *value = key ? part(r, v, "value", "value-id", !required) : NULL;
    if (!value || key->kind != HG_T_VARCHAR) return NULL; /* members of a JSON object have names that are text */
    hg_type_t *t = HG_ANEW(r->t->arena, hg_type_t);
    *t = (hg_type_t){ .kind = HG_T_MAP, .nullable = nullable, .precision = -1, .key = key, .elem = value };
    return t;
}

static const hg_type_t *type_of(reader_t *r, const hg_json_t *v, bool nullable)
{
    const char *name = hg_json_str(v, NULL), *kind = v ? hg_json_str(hg_json_get(v, "type"), NULL) : NULL;
    if (name) return primitive(r->t->arena, name, nullable);
    if (!kind) return NULL;
    if (strcmp(kind, "struct") == 0) return struct_of(r, v, nullable);
    if (strcmp(kind, "map") == 0) return map_of(r, v, nullable);
    if (strcmp(kind, "list") != 0) return NULL;
    bool required = hg_json_bool(hg_json_get(v, "element-required"), false);
    const hg_type_t *elem = part(r, v, "element", "element-id", !required);
    return elem ? hg_type_array(r->t->arena, elem, nullable) : NULL;
}

/* --- parts of the metadata ---------------------------------------------------------------------------------------- */

static const hg_json_t *with_id(const hg_json_t *list, const char *key, int32_t id)
{
    int32_t found;
    for (const hg_json_t *c = list ? list->child : NULL; c; c = c->next)
        if (int32_of(c, key, &found) && found == id) return c;
    return NULL;
}

static const char *type_text(hg_arena_t *a, const hg_json_t *v)
{
    const char *name = hg_json_str(v, NULL), *text = name || !v ? name : compact(a, v);
    return text ? text : "of no type";
}

static int read_column(reader_t *r, const hg_json_t *c, hg_field_t *cols)
{
    hgi_table_t *t = r->t;
    const char *name = text_of(c, "name");
    bool required = hg_json_bool(hg_json_get(c, "required"), false);
    uint32_t before = r->n_ids;
    int32_t id;
    if (!name || !int32_of(c, "id", &id)) return no_metadata(r->err, "a column has no name or no id");
    add_id(r, id);
    const hg_type_t *type = type_of(r, hg_json_get(c, "type"), !required);
    if (type) {
        t->col_ids[t->schema.n_cols] = id;
        cols[t->schema.n_cols++] = (hg_field_t){ .name = hg_strz(name), .type = type };
        return 0;
    }
    r->n_ids = before;
    if (required)
        return hg_err_set(r->err, HG_EUNSUPPORTED,
                          "the column '%s' is required, and its type %s is none that can be written", name,
                          type_text(t->arena, hg_json_get(c, "type")));
    t->left_out = t->left_out ? hg_arena_printf(t->arena, "%s, %s", t->left_out, name) : name;
    return 0;
}

static int read_schema(reader_t *r, const hg_json_t *m)
{
    hgi_table_t *t = r->t;
    if (!int32_of(m, "current-schema-id", &t->schema_id)) return no_metadata(r->err, "it has no current-schema-id");
    const hg_json_t *schema = with_id(list_of(m, "schemas"), "schema-id", t->schema_id);
    const hg_json_t *fields = list_of(schema, "fields");
    if (!fields) return no_metadata(r->err, "the current schema is not among its schemas");
    hg_field_t *cols = HG_ANEWN(t->arena, hg_field_t, HG_MAX(fields->n, 1u));
    t->col_ids = HG_ANEWN(t->arena, int32_t, HG_MAX(fields->n, 1u));
    t->schema.cols = cols;
    for (const hg_json_t *c = fields->child; c; c = c->next) {
        int rc = read_column(r, c, cols);
        if (rc < 0) return rc;
    }
    if (!t->schema.n_cols)
        return hg_err_set(r->err, HG_EUNSUPPORTED, "the table has no column of a type that can be written");
    t->schema_json = compact(t->arena, schema);
    return t->schema_json ? 0 : hg_err_retry(r->err, HG_ENOMEM, "no memory for a table's schema");
}

static int read_spec(reader_t *r, const hg_json_t *m)
{
    hgi_table_t *t = r->t;
    if (!int32_of(m, "default-spec-id", &t->spec_id)) return no_metadata(r->err, "it has no default-spec-id");
    const hg_json_t *spec = with_id(list_of(m, "partition-specs"), "spec-id", t->spec_id);
    const hg_json_t *fields = list_of(spec, "fields");
    if (!fields) return no_metadata(r->err, "the default partition spec is not among its specs");
    if (fields->n)
        return hg_err_set(r->err, HG_EUNSUPPORTED,
                          "the table is partitioned by '%s', and only tables without partitions can be written",
                          hg_json_str(hg_json_get(fields->child, "name"), "?"));
    t->spec_json = "[]";
    return 0;
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const hgi_snapshot_t *)a)->id, y = ((const hgi_snapshot_t *)b)->id;
    return (x > y) - (x < y);
}

static const hgi_snapshot_t *snapshot(const hgi_table_t *t, int64_t id)
{
    hgi_snapshot_t key = { .id = id };
    return t->n_snapshots ? bsearch(&key, t->snapshots, t->n_snapshots, sizeof key, by_id) : NULL;
}

static int read_snapshots(reader_t *r, const hg_json_t *m)
{
    hgi_table_t *t = r->t;
    const hg_json_t *list = list_of(m, "snapshots"), *main_ref = hg_json_get(hg_json_get(m, "refs"), "main");
    int64_t current = -1;
    t->snapshots = HG_ANEWN(t->arena, hgi_snapshot_t, list ? HG_MAX(list->n, 1u) : 1u);
    for (const hg_json_t *c = list ? list->child : NULL; c; c = c->next) {
        hgi_snapshot_t s = { .parent = -1, .node = c };
        if (hg_json_i64(hg_json_get(c, "snapshot-id"), &s.id) < 0)
            return no_metadata(r->err, "a snapshot has no snapshot-id");
        (void)hg_json_i64(hg_json_get(c, "parent-snapshot-id"), &s.parent);
        t->snapshots[t->n_snapshots++] = s;
    }
    qsort(t->snapshots, t->n_snapshots, sizeof *t->snapshots, by_id);
    if (hg_json_i64(hg_json_get(main_ref, "snapshot-id"), &current) < 0)
        (void)hg_json_i64(hg_json_get(m, "current-snapshot-id"), &current);
    if (current == -1) return 0;
    t->current = snapshot(t, current);
    if (!t->current) return no_metadata(r->err, "the current snapshot is not among its snapshots");
    t->manifest_list = text_of(t->current->node, "manifest-list");
    if (!t->manifest_list) return no_metadata(r->err, "the current snapshot has no manifest-list");
    return 0;
}

static const char *folder(hgi_table_t *t, const hg_json_t *properties, const char *key, const char *location,
                          const char *name)
{
    const char *given = text_of(properties, key);
    hg_str_t s = hg_strz(given ? given : location);
    while (s.n && s.p[s.n - 1] == '/') s.n--;
    return given ? hg_arena_strndup(t->arena, s.p, s.n) : hg_arena_printf(t->arena, HG_SF "/%s", HG_SA(s), name);
}

static int read_metadata(reader_t *r, const hg_json_t *m)
{
    hgi_table_t *t = r->t;
    const char *location = text_of(m, "location");
    int32_t version;
    t->uuid = text_of(m, "table-uuid");
    if (!int32_of(m, "format-version", &version)) return no_metadata(r->err, "it has no format-version");
    if (version != FORMAT_VERSION)
        return hg_err_set(r->err, HG_EUNSUPPORTED,
                          "the table has format-version %" PRId32 ", and only version 2 can be written%s", version,
                          version < FORMAT_VERSION ? " (its property 'format-version' = '2' makes it one)" : "");
    if (!t->uuid || !location) return no_metadata(r->err, "it has no table-uuid or no location");
    if (hg_json_i64(hg_json_get(m, "last-sequence-number"), &t->last_sequence) < 0 || t->last_sequence < 0 ||
        t->last_sequence == INT64_MAX)
        return no_metadata(r->err, "it has no last-sequence-number");
    (void)hg_json_i64(hg_json_get(m, "last-updated-ms"), &t->last_updated_ms);
    const hg_json_t *properties = hg_json_get(m, "properties");
    t->data_dir = folder(t, properties, "write.data.path", location, "data");
    t->metadata_dir = folder(t, properties, "write.metadata.path", location, "metadata");
    int rc = read_schema(r, m);
    if (rc == 0) rc = read_spec(r, m);
    return rc < 0 ? rc : read_snapshots(r, m);
}

int hgi_table_read(hg_str_t text, hgi_table_t **ret, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hgi_table_t *t = HG_ANEW(a, hgi_table_t);
    reader_t r = { .t = t, .err = err };
    hg_err_t bad = HG_ERR_INIT;
    hg_json_t *root;
    t->arena = a;
    int rc = hg_json_parse(a, text, &root, &bad);
    if (rc < 0) {
        rc = hg_err_set(err, HG_EPROTO, "the catalog's answer is not JSON: %s at byte %" PRIu64, bad.msg, bad.pos.off);
    } else {
        const hg_json_t *m = hg_json_get(root, "metadata"), *config = hg_json_get(root, "config");
        if (config && config->kind == HG_J_OBJECT) t->config = config;
        rc = m && m->kind == HG_J_OBJECT ? read_metadata(&r, m) : no_metadata(err, "it has no member 'metadata'");
    }
    if (rc < 0)
        hg_arena_free(a);
    else
        *ret = t;
    return rc;
}

void hgi_table_free(hgi_table_t *t)
{
    if (t) hg_arena_free(t->arena);
}

/* --- the line of snapshots ---------------------------------------------------------------------------------------- */

/* Each of the line once, also where a damaged one leads back into itself. */
#define EACH_ANCESTOR(t, s)                                                                                            \
    const hgi_snapshot_t *s = (t)->current;                                                                            \
    for (uint32_t left_ = (t)->n_snapshots; s && left_; s = s->parent == -1 ? NULL : snapshot(t, s->parent), left_--)

bool hgi_table_has(const hgi_table_t *t, int64_t snapshot_id)
{
    EACH_ANCESTOR(t, s)
    if (s->id == snapshot_id) return true;
    return false;
}

static bool says(const hg_json_t *summary, const char *key, hg_str_t want)
{
    const char *s = hg_json_str(hg_json_get(summary, key), NULL);
    return s && hg_str_eq(hg_strz(s), want);
}

static bool number_of(const hg_json_t *summary, const char *key, uint64_t *ret)
{
    const char *s = hg_json_str(hg_json_get(summary, key), NULL);
    return s && hg_str_u64(hg_strz(s), ret) == 0;
}

bool hgi_table_mark(const hgi_table_t *t, hgi_mark_t *m)
{
    EACH_ANCESTOR(t, s)
    {
        const hg_json_t *summary = hg_json_get(s->node, "summary");
        uint64_t partition, offset, timestamp;
        if (!says(summary, "headgate.writer", m->writer) || !says(summary, "headgate.stream", m->stream) ||
            !says(summary, "headgate.topic", m->topic) || !number_of(summary, "headgate.partition", &partition) ||
            partition != m->partition || !number_of(summary, "headgate.offset", &offset) ||
            !number_of(summary, "headgate.timestamp", &timestamp))
            continue;
        m->offset = offset;
        m->timestamp = timestamp;
        return true;
    }
    return false;
}

bool hgi_table_total(const hgi_table_t *t, const char *key, uint64_t *ret)
{
    *ret = 0;
    return !t->current || number_of(hg_json_get(t->current->node, "summary"), key, ret);
}

const char *hgi_table_config(const hgi_table_t *t, const char *key)
{
    return t->config ? text_of(t->config, key) : NULL;
}
