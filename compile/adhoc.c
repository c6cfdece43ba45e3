/* Ad-hoc statements against a finished program: SELECT, or INSERT INTO a table (sql §6). The same binder and
 * functions as views; grouping, sorting and limits on top. The program is only read: many threads may do this at once.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

/* The first error decides. Feldera's users know its ad-hoc engine's words for two of them. */
static int fail(const hg_cc_t *c, hg_err_t *err)
{
    for (uint32_t i = 0; i < c->n_msgs; i++) {
        const hg_msg_t *m = &c->msgs[i];
        if (m->warning) continue;
        const char *text = m->message;
        char prefix[96];
        hg_pos_prefix(m->pos, prefix, sizeof prefix);
        if (prefix[0] && strncmp(text, prefix, strlen(prefix)) == 0) text += strlen(prefix);
        const char *kind = strcmp(m->error_type, "Execution error") == 0       ? "Execution error"
                           : strcmp(m->error_type, "Not yet implemented") == 0 ? "This feature is not implemented"
                                                                               : "SQL error";
        const char *sep = m->note ? "; " : "", *note = m->note ? m->note : "";
        if (m->pos.line)
            return hg_err_at(err, HG_EADHOC, m->pos, "%s: %s%s%s at Line: %u, Column: %u", kind, text, sep, note,
                             m->pos.line, m->pos.col);
        return hg_err_set(err, HG_EADHOC, "%s: %s%s%s", kind, text, sep, note);
    }
    return hg_err_set(err, HG_EBUG, "the statement was refused without a reason");
}

/* Scans refer to each relation once. */
static void reads(hg_cc_t *c, hg_query_t *q)
{
    uint32_t *list = HG_ANEWN(c->a, uint32_t, c->n_scans + 1), n = 0;
    for (uint32_t i = 0; i < c->n_scans; i++) {
        uint32_t k = 0;
        while (k < n && list[k] != c->scans[i]->relation) k++;
        if (k == n) list[n++] = c->scans[i]->relation;
    }
    q->relations = list;
    q->n_relations = n;
}

static bool select_query(hg_cc_t *c, const hg_ast_stmt_t *st, hg_query_t *q)
{
    const hg_bq_t *b = hg_bind_query(c, NULL, st->query);
    if (!b) return false;
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, b->n + 1);
    for (uint32_t i = 0; i < b->n; i++)
        f[i] = (hg_field_t){ .name = b->cols[i].name,
                             .case_sensitive = b->cols[i].case_sensitive,
                             .type = b->cols[i].type };
    q->kind = HG_QUERY_SELECT;
    q->root = b->node;
    q->schema = (hg_schema_t){ .name = HG_S("query"), .cols = f, .n_cols = b->n };
    return true;
}

/* --- INSERT ----------------------------------------------------------------------------------------------------------
 */

/* Table column of each column of the statement; NULL: recorded. */
static uint32_t *targets(hg_cc_t *c, const hg_ast_stmt_t *st, const hg_schema_t *t, uint32_t n)
{
    uint32_t *to = HG_ANEWN(c->a, uint32_t, n + 1);
    uint32_t want = st->n_view_cols ? st->n_view_cols : t->n_cols;
    if (n != want) {
        hg_cc_error(c, st->pos, "Schema error",
                    "Number of INSERT target columns (%u) does not equal number of source items (%u)", want, n);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!st->n_view_cols) {
            to[i] = i;
            continue;
        }
        int at = hg_schema_find(t, st->view_cols[i].name, true);
        if (at < 0) {
            hg_cc_error(c, st->view_cols[i].pos, "SQL error", "Unknown target column '" HG_SF "'",
                        HG_SA(st->view_cols[i].name));
            return NULL;
        }
        to[i] = (uint32_t)at;
        for (uint32_t k = 0; k < i; k++)
            if (to[k] == to[i]) {
                hg_cc_error(c, st->view_cols[i].pos, "SQL error",
                            "Target column '" HG_SF "' is assigned more than once", HG_SA(st->view_cols[i].name));
                return NULL;
            }
    }
    return to;
}

/* The statement's column `from` for the table's column f. VALUES has seen to its cells already. */
static const hg_expr_t *target_value(hg_cc_t *c, const hg_ast_stmt_t *st, const hg_bq_t *b, uint32_t from,
                                     const hg_field_t *f)
{
    const hg_type_t *t = b->cols[from].type;
    const hg_expr_t *x =
        t->kind == HG_T_NULL ? hg_x_null(c, f->type, st->pos) : hg_x_col(c, from, t, b->cols[from].pos);
    if (!hg_assignable(x, f->type)) {
        hg_cc_error(c, b->cols[from].pos, "SQL error",
                    "Cannot insert a value of type %s into column '" HG_SF "' of type %s", hg_type_str(c, t),
                    HG_SA(f->name), hg_type_str(c, f->type));
        return NULL;
    }
    if (t->nullable && !f->type->nullable) {
        hg_cc_error(c, b->cols[from].pos, "SQL error",
                    "Column '" HG_SF "' is NOT NULL, but the inserted value may be NULL; please use COALESCE",
                    HG_SA(f->name));
        return NULL;
    }
    return hg_coerce(c, x, f->type);
}

/* The query to insert; to: the table's column of each of its columns. */
static const hg_bq_t *insert_source(hg_cc_t *c, const hg_ast_stmt_t *st, const hg_schema_t *t, const uint32_t **to)
{
    if (st->query->kind != HG_Q_VALUES || st->query->n_ctes) {
        const hg_bq_t *b = hg_bind_query(c, NULL, st->query);
        *to = b ? targets(c, st, t, b->n) : NULL;
        return *to ? b : NULL;
    }
    uint32_t n = st->query->n_row_cols;
    *to = targets(c, st, t, n);
    if (!*to) return NULL;
    const hg_field_t **into = HG_ANEWN(c->a, const hg_field_t *, n + 1);
    for (uint32_t i = 0; i < n; i++) into[i] = &t->cols[(*to)[i]];
    c->values_into = into;
    return hg_bind_query(c, NULL, st->query);
}

static bool insert_query(hg_cc_t *c, const hg_ast_stmt_t *st, hg_query_t *q)
{
    const hg_crel_t *r = hg_cc_find_rel(c, st->name.name);
    if (!r || r->rel.local) {
        hg_cc_error(c, st->name.pos, "SQL error", "table '" HG_SF "' not found", HG_SA(st->name.name));
        const char *near = hg_nearest_rel(c, st->name.name);
        if (near) hg_cc_note(c, "did you mean '%s'?", near);
        return false;
    }
    if (r->rel.kind != HG_REL_TABLE) {
        hg_cc_error(c, st->name.pos, "SQL error", "INSERT INTO '" HG_SF "' is not possible: it is a view",
                    HG_SA(st->name.name));
        return false;
    }
    const hg_schema_t *t = &r->rel.schema;
    const uint32_t *to = NULL;
    const hg_bq_t *b = insert_source(c, st, t, &to);
    if (!b) return false;
    const hg_expr_t **x = HG_ANEWN(c->a, const hg_expr_t *, t->n_cols + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        x[to[i]] = target_value(c, st, b, i, &t->cols[to[i]]);
        if (!x[to[i]]) return false;
    }
    for (uint32_t i = 0; i < t->n_cols; i++) {
        hg_col_t *dflt = r->rel.defaults ? r->rel.defaults[i] : NULL;
        if (x[i]) continue;
        if (!dflt && !t->cols[i].type->nullable) {
            hg_cc_error(c, st->pos, "SQL error", "Column '" HG_SF "' has no default value and does not allow NULLs",
                        HG_SA(t->cols[i].name));
            return false;
        }
        x[i] = dflt ? hg_x_const(c, st->pos, t->cols[i].type, hg_col_retain(dflt))
                    : hg_x_null(c, t->cols[i].type, st->pos);
    }
    q->kind = HG_QUERY_INSERT;
    q->root = hg_node_map(c, st->pos, b->node, x, t->n_cols);
    q->schema = *t;
    q->table = r->index;
    return true;
}

/* --- the statement
 * ------------------------------------------------------------------------------------------------------ */
/* Statements that people type into a query because other databases, or Feldera's own ad-hoc engine, take them. NULL:
 * the text begins with none of them. */
static const char *foreign_statement(hg_str_t text)
{
    static const char *const words[] = { "DEALLOCATE", "DELETE",   "UPDATE", "SHOW",
                                         "DESCRIBE",   "TRUNCATE", "MERGE",  "COPY" };
    text = hg_str_trim(text);
    size_t n = 0;
    while (n < text.n && ((text.p[n] | 0x20) >= 'a' && (text.p[n] | 0x20) <= 'z')) n++;
    for (size_t i = 0; i < HG_COUNT(words); i++)
        if (hg_str_ieq((hg_str_t){ text.p, n }, hg_strz(words[i]))) return words[i];
    return NULL;
}

/* The parser names the statements of programs; here there are two. */
static void parse_error(hg_cc_t *c, int rc, hg_err_t *perr)
{
    char *at = strstr(perr->msg, "Was expecting CREATE,");
    if (at) snprintf(at, sizeof perr->msg - (size_t)(at - perr->msg), "Was expecting INSERT or SELECT.");
    hg_cc_parse_error(c, rc, perr, "SQL error");
}

static bool statement(hg_cc_t *c, uint32_t i, hg_query_t *q)
{
    const hg_ast_stmt_t *st = &c->stmts[i];
    if ((st->explain || st->kind == HG_ST_SELECT) && i + 1 < c->n_stmts) {
        hg_cc_error(c, st->pos, "SQL error",
                    "only the final statement in a multi-statement ad-hoc query may return a result set; statement "
                    "%u is %s",
                    i + 1, st->explain ? "an EXPLAIN" : "a SELECT");
        return false;
    }
    if (st->kind != HG_ST_SELECT && st->kind != HG_ST_INSERT) {
        hg_cc_error(c, st->pos, "SQL error", "only SELECT and INSERT are allowed in an ad-hoc query");
        return false;
    }
    bool ok = st->kind == HG_ST_SELECT ? select_query(c, st, q) : insert_query(c, st, q);
    return ok && (!st->explain || hg_explain(c, q));
}

int hg_compile_query(const hg_program_t *p, hg_arena_t *a, hg_str_t sql, hg_query_t **ret, hg_err_t *err)
{
    int rc = hg_adhoc_prepared(a, sql, &sql, err);
    if (rc < 0) return rc;
    const hg_cc_t fresh = { .a = a, .prog = (hg_prog_t *)(uintptr_t)p, .adhoc = true, .text = sql };
    hg_cc_t c = fresh;
    const hg_ast_stmt_t *stmts = NULL;
    uint32_t n = 0;
    hg_query_t *first = NULL, **tail = &first;
    hg_err_t perr = HG_ERR_INIT;
    rc = hg_sql_parse(a, c.text, &stmts, &n, &perr);
    const char *foreign = rc < 0 ? foreign_statement(sql) : NULL;
    if (foreign)
        hg_cc_error(&c, (hg_pos_t){ 0 }, "SQL error", "%s is not offered in ad-hoc queries; only SELECT and INSERT are",
                    foreign);
    else if (rc < 0)
        parse_error(&c, rc, &perr);
    if (rc < 0) return fail(&c, err);
    if (n == 0) {
        hg_cc_error(&c, (hg_pos_t){ 0 }, "SQL error", "no SQL statements were provided");
        return fail(&c, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        hg_query_t *q = HG_ANEW(a, hg_query_t);
        c = fresh; /* each knows only what it reads itself */
        c.stmts = stmts;
        c.n_stmts = n;
        if (!statement(&c, i, q)) return fail(&c, err);
        reads(&c, q);
        *tail = q;
        tail = &q->next;
    }
    *ret = first;
    return 0;
}
