/* postgres_output_sql.c: the statements of the PostgreSQL output.
 *
 * Rows are copied into a temporary table whose columns have the types that the encoder writes; three statements take
 * them from there into the user's table, by operation. Where the two types differ the server casts (without a length or
 * a scale: those are checked when the value is assigned, so a text that is too long is refused and not cut). Nested
 * values and variants travel as JSON; the server makes an array, a composite or whatever the column is of it.
 *
 * Where no column needs that and COPY does what INSERT would (a table without rules and row-level security), new rows
 * are copied straight into the user's table. */
#include "base/hg.h"
#include "connectors/transport/postgres_output_int.h"

static void table_name(const char *text, hg_buf_t *out, hg_err_t *err)
{
    hg_buf_t schema, table;
    hg_buf_init(&schema, 1024);
    hg_buf_init(&table, 1024);
    if (hg_pg_table(hg_strz(text), &schema, &table, err) == 0) {
        if (schema.len) {
            (void)hg_pg_ident(out, hg_buf_str(&schema));
            (void)hg_buf_addc(out, '.');
        }
        (void)hg_pg_ident(out, hg_buf_str(&table));
    }
    hg_buf_release(&schema);
    hg_buf_release(&table);
}

void hg_pgout_ask_table(const char *table, hg_buf_t *out, hg_err_t *err)
{
    hg_buf_t name;
    hg_buf_init(&name, 4096);
    table_name(table, &name, err);
    (void)hg_buf_adds(out, "SELECT attname, format_type(atttypid, -1), CASE WHEN relkind IN ('r', 'p') AND NOT "
                           "relhasrules AND NOT relrowsecurity AND typnamespace = 'pg_catalog'::regnamespace THEN "
                           "typname END FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = attrelid "
                           "JOIN pg_catalog.pg_type t ON t.oid = atttypid WHERE attrelid = ");
    (void)hg_pg_literal(out, hg_buf_str(&name));
    (void)hg_buf_adds(out, "::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''");
    hg_buf_release(&name);
}

/* Row of r for a column; -1: none. Names that SQL folded are found whatever their letters. */
static int find_column(const PGresult *r, hg_str_t name, bool exact)
{
    int found = -1;
    for (int i = 0; i < PQntuples(r); i++) {
        hg_str_t have = hg_strz(PQgetvalue(r, i, 0));
        if (hg_str_eq(have, name)) return i;
        if (!exact && hg_str_ieq(have, name)) found = i;
    }
    return found;
}

typedef struct {
    hg_str_t name, type; /* in the user's table */
    const char *catalog; /* its type's name in the catalog, if rows could be copied into the table; else "" */
    const char *ours;
    uint32_t nr;
} target_t;

/* Its value, from the temporary table s. */
static void value(hg_buf_t *out, const target_t *t, hg_str_t table)
{
    bool to_json = hg_str_eqz(t->type, "json") || hg_str_eqz(t->type, "jsonb");
    if (to_json && strchr(t->ours, '[')) {
        (void)hg_buf_addf(out, "to_json(s.c%u)::" HG_SF, t->nr, HG_SA(t->type));
        return;
    }
    if (strcmp(t->ours, "json") != 0 || to_json || hg_str_eqz(t->type, "text") ||
        hg_str_eqz(t->type, "character varying")) {
        (void)hg_buf_addf(out, "s.c%u::" HG_SF, t->nr, HG_SA(t->type));
        return;
    }
    (void)hg_buf_addf(out, "(json_populate_record(NULL::" HG_SF ", json_build_object(", HG_SA(table));
    (void)hg_pg_literal(out, t->name);
    (void)hg_buf_addf(out, "::text, s.c%u))).", t->nr);
    (void)hg_pg_ident(out, t->name);
}

typedef struct {
    const target_t *cols;
    uint32_t n;
    const uint32_t *key;
    uint32_t n_key;
    hg_str_t table;
} shape_t;

static bool is_key(const shape_t *s, uint32_t col)
{
    for (uint32_t i = 0; i < s->n_key; i++)
        if (s->key[i] == col) return true;
    return false;
}

static void same_key(hg_buf_t *out, const shape_t *s)
{
    for (uint32_t i = 0; i < s->n_key; i++) {
        (void)hg_buf_adds(out, " AND t.");
        (void)hg_pg_ident(out, s->cols[s->key[i]].name);
        (void)hg_buf_adds(out, " = ");
        value(out, &s->cols[s->key[i]], s->table);
    }
}

static void columns(hg_buf_t *out, const shape_t *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (i) (void)hg_buf_adds(out, ", ");
        (void)hg_pg_ident(out, s->cols[i].name);
    }
}

static void values(hg_buf_t *out, const shape_t *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (i) (void)hg_buf_adds(out, ", ");
        value(out, &s->cols[i], s->table);
    }
}

/* Are the bytes that the encoder writes those of the column's type? Length and scale are checked by the server. */
static bool is_same_type(const target_t *t)
{
    static const char *const texts[] = { "text", "varchar", "bpchar" };
    size_t n = strlen(t->ours), last = n > 2 && t->ours[n - 1] == ']' ? n - 2 : n;
    if (last < n) return t->catalog[0] == '_' && hg_str_eqz((hg_str_t){ t->ours, last }, t->catalog + 1);
    for (size_t i = 0; i < HG_COUNT(texts); i++)
        if (strcmp(t->ours, "text") == 0 && strcmp(t->catalog, texts[i]) == 0) return true;
    return strcmp(t->ours, t->catalog) == 0;
}

static void straight(pgout_t *p, const shape_t *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (!is_same_type(&s->cols[i])) return;
    (void)hg_buf_addf(&p->copy, "COPY " HG_SF " (", HG_SA(s->table));
    columns(&p->copy, s);
    (void)hg_buf_adds(&p->copy, ") FROM STDIN (FORMAT binary)");
}

static void insert(hg_buf_t *out, const shape_t *s, const char *name)
{
    (void)hg_buf_addf(out, "; PREPARE %s AS INSERT INTO " HG_SF " (", name, HG_SA(s->table));
    columns(out, s);
    (void)hg_buf_adds(out, ") SELECT ");
    values(out, s);
    (void)hg_buf_adds(out, " FROM hg_rows s WHERE s.op = 'i'");
}

static void materialized(pgout_t *p, const pgout_cfg_t *c, const shape_t *s)
{
    (void)hg_buf_addf(&p->prepare, "; PREPARE hg_d AS DELETE FROM " HG_SF " t USING hg_rows s WHERE s.op = 'd'",
                      HG_SA(s->table));
    same_key(&p->prepare, s);
    (void)hg_buf_adds(&p->del, "EXECUTE hg_d;");
    bool some = false;
    for (uint32_t i = 0; i < s->n; i++) {
        if (is_key(s, i)) continue;
        if (some)
            (void)hg_buf_adds(&p->prepare, ", ");
        else
            (void)hg_buf_addf(&p->prepare, "; PREPARE hg_u AS UPDATE " HG_SF " t SET ", HG_SA(s->table));
        some = true;
        (void)hg_pg_ident(&p->prepare, s->cols[i].name);
        (void)hg_buf_adds(&p->prepare, " = ");
        value(&p->prepare, &s->cols[i], s->table);
    }
    if (some) {
        (void)hg_buf_adds(&p->prepare, " FROM hg_rows s WHERE s.op = 'u'");
        same_key(&p->prepare, s);
        (void)hg_buf_adds(&p->upd, "EXECUTE hg_u;");
    }
    insert(&p->prepare, s, "hg_n");
    insert(&p->prepare, s, "hg_i");
    (void)hg_buf_adds(&p->prepare, " ON CONFLICT ");
    if (c->do_nothing || !some) {
        (void)hg_buf_adds(&p->prepare, "DO NOTHING");
    } else {
        for (uint32_t i = 0; i < s->n_key; i++) {
            (void)hg_buf_adds(&p->prepare, i ? ", " : "(");
            (void)hg_pg_ident(&p->prepare, s->cols[s->key[i]].name);
        }
        (void)hg_buf_adds(&p->prepare, ") DO UPDATE SET ");
        for (uint32_t i = 0, k = 0; i < s->n; i++) {
            if (is_key(s, i)) continue;
            if (k++) (void)hg_buf_adds(&p->prepare, ", ");
            (void)hg_pg_ident(&p->prepare, s->cols[i].name);
            (void)hg_buf_adds(&p->prepare, " = EXCLUDED.");
            (void)hg_pg_ident(&p->prepare, s->cols[i].name);
        }
    }
    (void)hg_buf_adds(&p->prepare, "; EXPLAIN EXECUTE hg_i"); /* only planning finds out that no unique index fits */
    (void)hg_buf_adds(&p->ins_new, "EXECUTE hg_n;");
    (void)hg_buf_adds(&p->ins, "EXECUTE hg_i;");
    straight(p, s);
}

static int no_column(const pgout_cfg_t *c, const char *option, hg_str_t name, hg_err_t *err)
{
    return hg_err_set(err, HG_EINVALTRANSPORT, "'%s': table %s has no column '" HG_SF "'", option, c->table,
                      HG_SA(name));
}

static int change_log(pgout_t *p, const pgout_cfg_t *c, const shape_t *s, const PGresult *r, hg_err_t *err)
{
    int op = find_column(r, hg_strz(c->op_column), false), ts = find_column(r, hg_strz(c->ts_column), false);
    if (op < 0) return no_column(c, "cdc_op_column", hg_strz(c->op_column), err);
    if (ts < 0) return no_column(c, "cdc_ts_column", hg_strz(c->ts_column), err);
    (void)hg_buf_addf(&p->prepare, "; PREPARE hg_c (bigint) AS INSERT INTO " HG_SF " (", HG_SA(s->table));
    columns(&p->prepare, s);
    (void)hg_buf_adds(&p->prepare, ", ");
    (void)hg_pg_ident(&p->prepare, hg_strz(PQgetvalue(r, op, 0)));
    (void)hg_buf_adds(&p->prepare, ", ");
    (void)hg_pg_ident(&p->prepare, hg_strz(PQgetvalue(r, ts, 0)));
    (void)hg_buf_adds(&p->prepare, ") SELECT ");
    values(&p->prepare, s);
    const char *ts_type = PQgetvalue(r, ts, 1);
    bool stamp = strncmp(ts_type, "timestamp", 9) == 0;
    (void)hg_buf_addf(&p->prepare, ", s.op::text::%s, %s::%s FROM hg_rows s", PQgetvalue(r, op, 1),
                      stamp ? "(timestamptz 'epoch' + $1 * interval '1 microsecond')" : "$1", ts_type);
    return 0;
}

int hg_pgout_statements(hg_output_t *out, const PGresult *r, hg_err_t *err)
{
    pgout_t *p = hg_out_inst(out);
    const pgout_cfg_t *c = hg_out_cfg(out);
    const hg_schema_t *s = hg_out_schema(out);
    hg_buf_t *const all[] = { &p->prepare, &p->del, &p->upd, &p->ins, &p->ins_new, &p->copy };
    hg_buf_t table;
    for (size_t i = 0; i < HG_COUNT(all); i++) hg_buf_clear(all[i]);
    hg_buf_init(&table, 4096);
    table_name(c->table, &table, err);
    hg_arena_t *a = hg_arena_new();
    target_t *cols = HG_ANEWN(a, target_t, s->n_cols + 1);
    int rc = 0;
    (void)hg_buf_adds(&p->prepare, "CREATE TEMPORARY TABLE hg_rows (op \"char\"");
    for (uint32_t i = 0; i < s->n_cols && rc == 0; i++) {
        int at = find_column(r, s->cols[i].name, s->cols[i].case_sensitive);
        if (at < 0) {
            rc = no_column(c, "table", s->cols[i].name, err);
            break;
        }
        cols[i] = (target_t){ .name = hg_strz(PQgetvalue(r, at, 0)),
                              .type = hg_strz(PQgetvalue(r, at, 1)),
                              .catalog = PQgetvalue(r, at, 2),
                              .ours = hg_pg_type(s->cols[i].type),
                              .nr = i + 1 };
        (void)hg_buf_addf(&p->prepare, ", c%u %s", i + 1, cols[i].ours);
    }
    (void)hg_buf_adds(&p->prepare, ") ON COMMIT DELETE ROWS");
    shape_t shape = { .cols = cols, .n = s->n_cols, .table = hg_buf_str(&table) };
    shape.key = hg_out_key(out, &shape.n_key);
    if (rc == 0 && p->cdc)
        rc = change_log(p, c, &shape, r, err);
    else if (rc == 0)
        materialized(p, c, &shape);
    hg_arena_free(a);
    hg_buf_release(&table);
    return rc;
}

/* The table of steps stands beside the user's table. */
void hg_pgout_step_sql(hg_output_t *out)
{
    pgout_t *p = hg_out_inst(out);
    const pgout_cfg_t *c = hg_out_cfg(out);
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t schema, table, name;
    hg_buf_init(&schema, 1024);
    hg_buf_init(&table, 1024);
    hg_buf_init(&name, 4096);
    (void)hg_pg_table(hg_strz(c->table), &schema, &table, &err);
    if (schema.len) {
        (void)hg_pg_ident(&name, hg_buf_str(&schema));
        (void)hg_buf_addc(&name, '.');
    }
    (void)hg_buf_adds(&name, "headgate_progress");
    (void)hg_buf_addf(&p->create,
                      "CREATE TABLE IF NOT EXISTS %s (endpoint text PRIMARY KEY, life text NOT NULL, step bigint NOT "
                      "NULL, written timestamptz NOT NULL)",
                      name.p);
    (void)hg_buf_addf(&p->read, "SELECT step FROM %s WHERE endpoint = ", name.p);
    (void)hg_pg_literal(&p->read, hg_strz(hg_out_durable_id(out)));
    (void)hg_buf_addf(&p->read, " AND life = '%016" PRIx64 "'", hg_out_life(out));
    (void)hg_buf_addf(&p->write, "INSERT INTO %s VALUES (", name.p);
    (void)hg_pg_literal(&p->write, hg_strz(hg_out_durable_id(out)));
    (void)hg_buf_addf(&p->write, ", '%016" PRIx64 "', ", hg_out_life(out));
    hg_buf_release(&schema);
    hg_buf_release(&table);
    hg_buf_release(&name);
}
