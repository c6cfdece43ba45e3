/* postgres_input_plan.c: what is asked of the server.
 *
 * The user's query becomes a subquery with columns c1, c2 …; around it a SELECT that gives the table's columns in the
 * table's order, each in the type whose binary form the parser expects (connectors/format/postgres_cell.c): most as
 * they are, the others cast by the server. Columns that the table does not have are not even sent. Which types go into
 * which columns is decided by hg_pgin_cast; what does not go is an error before the first row. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/postgres_input_int.h"

/* X(name, oid, oid of its arrays): the server's pg_type.dat, constant over versions. */
#define TYPES(X)                                                                                                       \
    X(BOOL, "boolean", 16, 1000)                                                                                       \
    X(BYTEA, "bytea", 17, 1001)                                                                                        \
    X(CHAR, "\"char\"", 18, 1002)                                                                                      \
    X(NAME, "name", 19, 1003)                                                                                          \
    X(INT8, "bigint", 20, 1016)                                                                                        \
    X(INT2, "smallint", 21, 1005)                                                                                      \
    X(INT4, "integer", 23, 1007)                                                                                       \
    X(TEXT, "text", 25, 1009)                                                                                          \
    X(OID, "oid", 26, 1028)                                                                                            \
    X(JSON, "json", 114, 199)                                                                                          \
    X(XML, "xml", 142, 143)                                                                                            \
    X(CIDR, "cidr", 650, 651)                                                                                          \
    X(FLOAT4, "real", 700, 1021)                                                                                       \
    X(FLOAT8, "double precision", 701, 1022)                                                                           \
    X(UNKNOWN, "unknown", 705, 0)                                                                                      \
    X(MONEY, "money", 790, 791)                                                                                        \
    X(INET, "inet", 869, 1041)                                                                                         \
    X(BPCHAR, "character", 1042, 1014)                                                                                 \
    X(VARCHAR, "character varying", 1043, 1015)                                                                        \
    X(DATE, "date", 1082, 1182)                                                                                        \
    X(TIME, "time", 1083, 1183)                                                                                        \
    X(TIMESTAMP, "timestamp", 1114, 1115)                                                                              \
    X(TIMESTAMPTZ, "timestamp with time zone", 1184, 1185)                                                             \
    X(INTERVAL, "interval", 1186, 1187)                                                                                \
    X(TIMETZ, "time with time zone", 1266, 1270)                                                                       \
    X(BIT, "bit", 1560, 1561)                                                                                          \
    X(VARBIT, "bit varying", 1562, 1563)                                                                               \
    X(NUMERIC, "numeric", 1700, 1231)                                                                                  \
    X(RECORD, "record", 2249, 2287)                                                                                    \
    X(UUID, "uuid", 2950, 2951)                                                                                        \
    X(JSONB, "jsonb", 3802, 3807)

/* Bounds of ranges are the quantiles of a sample of about so many keys, and at least of every 2^THIN_MOST-th: the
 * server's estimate may be far too high. */
#define SAMPLE    32768u
#define THIN_MOST 10u

#define X(e, name, oid, array) PG_##e = (oid),
enum { TYPES(X) PG_FIRST_OWN = 16384 }; /* types that a database defines itself: enums, composites, extensions' */
#undef X

static const struct {
    Oid oid, array;
    const char *name;
} g_types[] = {
#define X(e, name_, oid_, array_) { .oid = (oid_), .array = (array_), .name = (name_) },
    TYPES(X)
#undef X
};

static Oid element_of(Oid array)
{
    for (size_t i = 0; i < HG_COUNT(g_types); i++)
        if (g_types[i].array == array && array) return g_types[i].oid;
    return 0;
}

static void type_name(Oid oid, char out[64])
{
    for (size_t i = 0; i < HG_COUNT(g_types); i++) {
        if (g_types[i].oid == oid) snprintf(out, 64, "%s", g_types[i].name);
        if (g_types[i].array == oid) snprintf(out, 64, "%s[]", g_types[i].name);
        if (g_types[i].oid == oid || g_types[i].array == oid) return;
    }
    snprintf(out, 64, "with the oid %u", oid);
}

static const char AS_IS[] = "%s", AS_TEXT[] = "%s::text", AS_NUMERIC[] = "%s::numeric", AS_FLOAT[] = "%s::float8",
                  AS_JSON[] = "to_json(%s)", AS_INT8[] = "%s::int8", AS_TS[] = "%s::timestamp";

static bool is_int(Oid o)
{
    return o == PG_INT2 || o == PG_INT4 || o == PG_INT8;
}

static const char *integer_cast(hg_kind_t k, Oid o)
{
    if (k != HG_T_UBIGINT) return is_int(o) ? AS_IS : o == PG_OID ? AS_INT8 : NULL;
    if (o == PG_NUMERIC) return AS_IS;
    return is_int(o) || o == PG_OID ? AS_NUMERIC : NULL;
}

static const char *text_cast(Oid o)
{
    switch (o) {
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_BPCHAR:
    case PG_NAME:
    case PG_JSON:
    case PG_XML:
    case PG_UNKNOWN:
        return AS_IS;
    default:
        return AS_TEXT;
    }
}

static const char *if_is(bool yes)
{
    return yes ? AS_IS : NULL;
}

static const char *array_cast(const hg_type_t *t, Oid o)
{
    const hg_type_t *e = t->elem;
    while (e->kind == HG_T_ARRAY) e = e->elem;
    if (o == PG_JSON || o == PG_JSONB) return AS_JSON;
    Oid of = element_of(o);
    if (!of && o >= PG_FIRST_OWN) return hg_kind_is_string(e->kind) ? "%s::text[]" : AS_JSON;
    if (!of) return NULL;
    const char *one = hg_pgin_cast(e, of);
    if (one == AS_TEXT) return "%s::text[]";
    if (one == AS_NUMERIC) return "%s::numeric[]";
    if (one == AS_FLOAT) return "%s::float8[]";
    if (one == AS_INT8) return "%s::int8[]";
    if (one == AS_TS) return "%s::timestamp[]";
    return one;
}

const char *hg_pgin_cast(const hg_type_t *t, Oid o)
{
    switch (t->kind) {
    case HG_T_BOOLEAN:
        return if_is(o == PG_BOOL);
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_BIGINT:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
    case HG_T_UBIGINT:
        return integer_cast(t->kind, o);
    case HG_T_DECIMAL:
        if (o == PG_NUMERIC) return AS_IS;
        return is_int(o) || o == PG_MONEY ? AS_NUMERIC : NULL;
    case HG_T_REAL:
    case HG_T_DOUBLE:
        if (o == PG_FLOAT4 || o == PG_FLOAT8) return AS_IS;
        return is_int(o) || o == PG_NUMERIC ? AS_FLOAT : NULL;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return text_cast(o);
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return if_is(o == PG_BYTEA);
    case HG_T_DATE:
        return if_is(o == PG_DATE);
    case HG_T_TIME:
        return if_is(o == PG_TIME);
    case HG_T_TIMESTAMP:
        if (o == PG_DATE) return AS_TS;
        return if_is(o == PG_TIMESTAMP || o == PG_TIMESTAMPTZ);
    case HG_T_TIMESTAMP_TZ:
        return if_is(o == PG_TIMESTAMP || o == PG_TIMESTAMPTZ);
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return if_is(o == PG_INTERVAL);
    case HG_T_UUID:
        return if_is(o == PG_UUID);
    case HG_T_VARIANT:
        return o == PG_JSON ? AS_IS : AS_JSON;
    case HG_T_ARRAY:
        return array_cast(t, o);
    case HG_T_MAP:
    case HG_T_ROW:
        return o == PG_JSON || o == PG_JSONB || o == PG_RECORD || o >= PG_FIRST_OWN ? AS_JSON : NULL;
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return NULL;
}

/* The result column of that name (the last one, as with JSON members); -1: none; -2: only in other letters. */
static int find_column(const PGresult *r, hg_str_t name, bool case_sensitive)
{
    int found = -1;
    for (int i = 0; i < PQnfields(r); i++) {
        hg_str_t have = hg_strz(PQfname(r, i));
        if (!hg_str_ieq(have, name)) continue;
        if (!case_sensitive || hg_str_eq(have, name))
            found = i;
        else if (found < 0)
            found = -2;
    }
    return found;
}

static int mismatch(const hg_field_t *f, const char *result, Oid oid, hg_err_t *err)
{
    char have[64];
    hg_buf_t want;
    hg_buf_init(&want, 200);
    hg_type_text(&want, f->type);
    type_name(oid, have);
    hg_err_set(err, HG_EINVALTRANSPORT,
               "'query': its column '%s' has type %s, which does not go into column '" HG_SF "' of type " HG_SF
               "; cast it in the query",
               result, have, HG_SA(f->name), HG_SA(hg_buf_str(&want)));
    hg_buf_release(&want);
    return err->code;
}

/* One column of the SELECT. *missing: the query does not have it. */
static int one_column(const hg_field_t *f, const PGresult *r, hg_buf_t *out, bool *missing, hg_err_t *err)
{
    char name[16];
    int i = find_column(r, f->name, f->case_sensitive);
    *missing = i == -1;
    if (i == -2)
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "'query': incorrect case-sensitive field name: expected: " HG_SF ", found in other letters",
                          HG_SA(f->name));
    if (i == -1) {
        (void)hg_buf_adds(out, "NULL::text");
        return 0;
    }
    const char *cast = hg_pgin_cast(f->type, PQftype(r, i));
    if (!cast) return mismatch(f, PQfname(r, i), PQftype(r, i), err);
    snprintf(name, sizeof name, "c%d", i + 1);
    const char *at = strstr(cast, "%s");
    (void)hg_buf_add(out, cast, (size_t)(at - cast));
    (void)hg_buf_adds(out, name);
    (void)hg_buf_adds(out, at + 2);
    return 0;
}

/* May its values be the bounds of ranges? They have one order, and their text means the same value again. */
static bool is_splittable(Oid o)
{
    static const Oid all[] = { PG_OID,  PG_NUMERIC,   PG_TEXT,        PG_VARCHAR, PG_BPCHAR, PG_NAME,
                               PG_DATE, PG_TIMESTAMP, PG_TIMESTAMPTZ, PG_TIME,    PG_UUID };
    for (size_t i = 0; i < HG_COUNT(all); i++)
        if (all[i] == o) return true;
    return is_int(o);
}

static int plan_key(const pgin_cfg_t *c, const PGresult *r, pgin_t *p, hg_err_t *err)
{
    char name[64];
    if (!c->key_column) return 0;
    int i = find_column(r, hg_strz(c->key_column), true);
    if (i < 0) i = find_column(r, hg_strz(c->key_column), false);
    if (i < 0) return hg_err_set(err, HG_EINVALTRANSPORT, "'key_column': the query has no column '%s'", c->key_column);
    p->key_type = PQftype(r, i);
    type_name(p->key_type, name);
    if (c->parallel > 1 && !is_splittable(p->key_type))
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "'parallel' needs a 'key_column' of an integer type, numeric, text, uuid, date, time or "
                          "timestamp; '%s' has type %s",
                          c->key_column, name);
    hg_free(p->key_name);
    p->key_name = hg_xprintf("hg.c%d", i + 1);
    return 0;
}

/* Semicolons and blanks at the end of what users write. */
static hg_str_t trimmed(const char *query)
{
    hg_str_t q = hg_str_trim(hg_strz(query));
    while (q.n && q.p[q.n - 1] == ';') q = hg_str_trim((hg_str_t){ q.p, q.n - 1 });
    return q;
}

int hg_pgin_plan(const pgin_cfg_t *c, const hg_schema_t *s, const PGresult *r, pgin_t *p, hg_err_t *err)
{
    uint32_t bytes = (s->n_cols + 7u) / 8, n_missing = 0;
    uint8_t *mask = HG_NEWN(uint8_t, HG_MAX(bytes, 1u));
    hg_buf_t cols;
    bool missing;
    hg_buf_init(&cols, HG_BUF_NOMAX);
    int rc = plan_key(c, r, p, err);
    for (uint32_t i = 0; i < s->n_cols && rc == 0; i++) {
        (void)hg_buf_adds(&cols, ", ");
        rc = one_column(&s->cols[i], r, &cols, &missing, err);
        if (rc < 0 || !missing) continue;
        mask[i >> 3] = (uint8_t)(mask[i >> 3] | 1u << (i & 7));
        n_missing++;
    }
    if (rc == 0 && s->n_cols && n_missing == s->n_cols)
        rc = hg_err_set(err, HG_EINVALTRANSPORT, "'query' gives none of the columns of '" HG_SF "'", HG_SA(s->name));
    hg_buf_t *out = &p->select;
    hg_buf_clear(out);
    (void)hg_buf_adds(out, "SELECT ");
    if (p->key_name) (void)hg_buf_addf(out, "%s::text, ", p->key_name);
    if (n_missing) {
        (void)hg_buf_adds(out, "'\\x");
        for (uint32_t i = 0; i < bytes; i++) (void)hg_buf_addf(out, "%02x", mask[i]);
        (void)hg_buf_adds(out, "'::bytea");
    } else {
        (void)hg_buf_adds(out, "NULL::bytea");
    }
    (void)hg_buf_addstr(out, hg_buf_str(&cols));
    p->from_at = out->len;
    (void)hg_buf_addf(out, " FROM (\n" HG_SF "\n) AS hg(", HG_SA(trimmed(c->query)));
    for (int i = 0; i < PQnfields(r); i++) (void)hg_buf_addf(out, "%sc%d", i ? ", " : "", i + 1);
    (void)hg_buf_addc(out, ')');
    hg_buf_release(&cols);
    hg_free(mask);
    return rc;
}

static void condition(hg_buf_t *out, const char *key, const char *op, const char *value, bool *first)
{
    if (!value) return;
    (void)hg_buf_addf(out, "%s%s %s ", *first ? " WHERE " : " AND ", key, op);
    (void)hg_pg_literal(out, hg_strz(value));
    *first = false;
}

void hg_pgin_copy(const pgin_t *p, const range_t *r, hg_buf_t *out)
{
    bool first = true;
    (void)hg_buf_adds(out, "COPY (");
    (void)hg_buf_addstr(out, hg_buf_str(&p->select));
    if (p->key_name) {
        const char *behind = r->has_key ? r->key.p : r->start_key;
        condition(out, p->key_name, ">", behind, &first);
        if (!behind) condition(out, p->key_name, ">=", r->from, &first);
        condition(out, p->key_name, "<", r->to, &first);
        (void)hg_buf_addf(out, " ORDER BY %s", p->key_name);
    }
    (void)hg_buf_adds(out, ") TO STDOUT (FORMAT binary)");
}

/* How much of a result is looked at: every 2^n-th key. */
static unsigned thinned(uint64_t rows)
{
    unsigned n = 0;
    while (n < THIN_MOST && rows >> n > SAMPLE) n++;
    return n;
}

void hg_pgin_ask_key(const pgin_t *p, hg_buf_t *out)
{
    const char *key = p->key_name, *from = p->select.p + p->from_at;
    unsigned thin = thinned(p->estimate);
    if (p->bounded || p->n_ranges == 1) {
        (void)hg_buf_addf(out, "SELECT EXISTS (SELECT 1%s WHERE %s IS NULL), NULL", from, key);
        return;
    }
    (void)hg_buf_adds(out, "SELECT q.n, u.v::text FROM (SELECT bool_or(s.k IS NULL) AS n, percentile_disc(ARRAY[");
    for (uint32_t i = 1; i < p->n_ranges; i++) (void)hg_buf_addf(out, "%s%u.0/%u", i > 1 ? "," : "", i, p->n_ranges);
    (void)hg_buf_addf(out, "]::float8[]) WITHIN GROUP (ORDER BY s.k) AS p FROM (SELECT %s AS k%s", key, from);
    if (thin)
        (void)hg_buf_addf(out, " WHERE %s IS NULL OR hashtextextended(%s::text COLLATE \"C\", 0) & %u = 0", key, key,
                          (1u << thin) - 1);
    (void)hg_buf_adds(out,
                      ") AS s) AS q LEFT JOIN LATERAL unnest(q.p) WITH ORDINALITY AS u(v, i) ON true ORDER BY u.i");
}

void hg_pgin_split(pgin_t *p, const char *const *at, uint32_t n)
{
    bool known = n + 1 == p->n_ranges;
    p->bounded = true;
    for (uint32_t i = 1; i < p->n_ranges; i++) {
        range_t *r = &p->ranges[i], *before = &p->ranges[i - 1];
        if (known) {
            r->from = hg_xstrdup(at[i - 1]);
            before->to = hg_xstrdup(at[i - 1]);
        }
        /* few keys: several quantiles are the same one, and nothing lies between; the first and the last are open */
        range_t *none = !known ? r : i > 1 && strcmp(before->from, before->to) == 0 ? before : NULL;
        if (!none) continue;
        none->ended = true;
        none->state = RG_DONE;
    }
}
