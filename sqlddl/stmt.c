/* stmt.c: statements, by recursive descent over the tokens. Queries and expressions inside them are ranges of tokens
 * that go to body.c; where such a range ends is decided here, by balanced brackets and the next keyword that can
 * follow.
 *
 * The first error ends the parse. Any thread; no state outlives a call.
 */
#include "base/hg.h"
#define HG_SQL_COMPLAINS /* defined here */
#include "sqlddl/sqlddl_int.h"

/* ------------------------------------------------------------------------------------------------ complaints */

hg_pos_t hg_sql_span(const hg_sql_t *p, uint32_t t0, uint32_t t1)
{
    hg_pos_t pos = p->tok[t0].pos;
    pos.end_line = p->tok[t1].pos.end_line;
    pos.end_col = p->tok[t1].pos.end_col;
    return pos;
}

hg_str_t hg_sql_source(const hg_sql_t *p, uint32_t t0, uint32_t t1)
{
    uint32_t from = p->tok[t0].off, to = p->tok[t1].off + p->tok[t1].len;
    return hg_arena_str(p->a, (hg_str_t){ p->text.p + from, to - from });
}

hg_name_t hg_sql_name(const hg_sql_t *p, uint32_t i)
{
    return (hg_name_t){ .name = p->tok[i].text, .quoted = p->tok[i].kind != HG_TOK_IDENT, .pos = p->tok[i].pos };
}

int hg_sql_encountered(hg_sql_t *p, uint32_t tok, const char *want)
{
    const hg_tok_t *t = &p->tok[tok];
    /* the token as written, its first line, at most 40 bytes and no half characters */
    const char *s = t->kind == HG_TOK_END ? "<EOF>" : p->text.p + t->off;
    size_t n = t->kind == HG_TOK_END ? 5 : t->len, cut = HG_MIN(n, 40);
    const char *nl = memchr(s, '\n', cut);
    if (nl) cut = (size_t)(nl - s);
    while (cut > 0 && cut < n && ((unsigned char)s[cut] & 0xc0) == 0x80) cut--;
    return hg_err_at(p->err, HG_EPARSE, t->pos, "Encountered \"%.*s%s\" at line %u, column %u.%s%s%s", (int)cut, s,
                     cut < n ? "..." : "", t->pos.line, t->pos.col, want ? " Was expecting " : "", want ? want : "",
                     want ? "." : "");
}

int hg_sql_unsupported(hg_sql_t *p, uint32_t t0, uint32_t t1, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return hg_err_at(p->err, HG_EUNSUPPORTED, hg_sql_span(p, t0, t1),
                     "%s is not yet implemented; please file an issue if you need it", what);
}

int hg_sql_bad(hg_sql_t *p, uint32_t t0, uint32_t t1, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    hg_pos_t pos = hg_sql_span(p, t0, t1);
    return hg_err_at(p->err, HG_EPARSE, pos, "%s, at line %u, column %u.", what, pos.line, pos.col);
}

/* ------------------------------------------------------------------------------------------------ small steps */

static hg_kw_t kw(const hg_sql_t *p)
{
    return hg_kw_at(p, p->i);
}

static bool eat(hg_sql_t *p, hg_kw_t k)
{
    if (kw(p) != k) return false;
    p->i++;
    return true;
}

static bool eat_op(hg_sql_t *p, const char *op)
{
    if (!hg_is_op(p, p->i, op)) return false;
    p->i++;
    return true;
}

static int need(hg_sql_t *p, hg_kw_t k, const char *want)
{
    return eat(p, k) ? 0 : hg_sql_encountered(p, p->i, want);
}
static int need_op(hg_sql_t *p, const char *op, const char *want)
{
    return eat_op(p, op) ? 0 : hg_sql_encountered(p, p->i, want);
}

static bool name_at(const hg_sql_t *p, uint32_t i)
{
    return p->tok[i].kind == HG_TOK_QIDENT || (p->tok[i].kind == HG_TOK_IDENT && !hg_kw_reserved(hg_kw_at(p, i)));
}

static int name(hg_sql_t *p, const char *want, hg_name_t *ret)
{
    if (!name_at(p, p->i)) {
        const hg_tok_t *t = &p->tok[p->i];
        if (t->kind == HG_TOK_IDENT) /* a reserved word */
            want = hg_arena_printf(p->a, "%s; \"" HG_SF "\" in double quotes would be one", want, HG_SA(t->text));
        return hg_sql_encountered(p, p->i, want);
    }
    *ret = hg_sql_name(p, p->i++);
    return 0;
}

/* The name of a table, view or type: one word. */
static int object_name(hg_sql_t *p, const char *want, hg_name_t *ret)
{
    int rc = name(p, want, ret);
    if (rc == 0 && hg_is_op(p, p->i, "."))
        return hg_sql_unsupported(p, p->i - 1, p->tok[p->i + 1].kind == HG_TOK_END ? p->i : p->i + 1,
                                  "A name with a dot");
    return rc;
}

/* "(" name { "," name } ")" */
static int name_list(hg_sql_t *p, const hg_name_t **ret, uint32_t *ret_n)
{
    hg_name_t *list = NULL;
    uint32_t n = 0;
    int rc = need_op(p, "(", "\"(\"");
    if (rc < 0) return rc;
    do {
        hg_name_t one;
        rc = name(p, "a column name", &one);
        if (rc < 0) return rc;
        HG_APUSH(p->a, list, n, one);
    } while (eat_op(p, ","));
    *ret = list;
    *ret_n = n;
    return need_op(p, ")", "\",\" or \")\"");
}

static bool ends_statement(const hg_sql_t *p, uint32_t i)
{
    return p->tok[i].kind == HG_TOK_END || hg_is_op(p, i, ";");
}

/* The token that ends the statement. */
static uint32_t statement_end(const hg_sql_t *p, uint32_t i)
{
    while (!ends_statement(p, i)) i++;
    return i;
}

/* Words that may follow the expression of a column attribute. `lateness` may also be the name of a column in that
 * expression, so a word counts only behind something that can end an expression; the first word is always part of it.
 */
static bool attribute_word(const hg_sql_t *p, uint32_t i)
{
    hg_kw_t k = hg_kw_at(p, i);
    if (k == HG_KW_PRIMARY || k == HG_KW_FOREIGN || k == HG_KW_DEFAULT) return true;
    if (k != HG_KW_LATENESS && k != HG_KW_WATERMARK && k != HG_KW_INTERNED) return false;
    const hg_tok_t *before = &p->tok[i - 1];
    return before->kind != HG_TOK_OP || hg_str_eqz(before->text, ")") || hg_str_eqz(before->text, "]");
}

/* From p->i to the next attribute, comma or closing bracket at this level. */
static int attribute_expr(hg_sql_t *p, const hg_ast_expr_t **ret, hg_str_t *ret_text)
{
    uint32_t from = p->i, i = from;
    while (!ends_statement(p, i) && !hg_is_op(p, i, ",") && !hg_is_op(p, i, ")") && !(i > from && attribute_word(p, i)))
        i = (hg_is_op(p, i, "(") || hg_is_op(p, i, "[")) && p->match[i] != HG_NO_TOK ? p->match[i] + 1 : i + 1;
    if (i == from) return hg_sql_encountered(p, i, "an expression");
    int rc = hg_sql_expr(p, from, i, ret);
    if (rc < 0) return rc;
    if (ret_text) *ret_text = hg_sql_source(p, from, i - 1);
    p->i = i;
    return 0;
}

static int once(hg_sql_t *p, uint32_t tok, bool already, const char *what)
{
    return already ? hg_sql_bad(p, tok, tok, "%s is given twice for one column", what) : 0;
}

/* ------------------------------------------------------------------------------------------------ columns */

/* FOREIGN KEY REFERENCES t (c), behind FOREIGN */
static int column_fk(hg_sql_t *p, hg_ast_column_t *c)
{
    int rc = need(p, HG_KW_KEY, "KEY");
    if (rc == 0) rc = need(p, HG_KW_REFERENCES, "REFERENCES");
    if (rc == 0) rc = object_name(p, "a table name", &c->fk_table);
    if (rc == 0) rc = need_op(p, "(", "\"(\"");
    if (rc == 0) rc = name(p, "a column name", &c->fk_column);
    if (rc == 0) rc = need_op(p, ")", "\")\"");
    c->has_fk = true;
    return rc;
}

static int column_attribute(hg_sql_t *p, hg_ast_column_t *c)
{
    uint32_t at = p->i++;
    int rc;
    switch ((int)hg_kw_at(p, at)) {
    case HG_KW_PRIMARY:
        rc = once(p, at, c->primary_key, "PRIMARY KEY");
        if (rc == 0) rc = need(p, HG_KW_KEY, "KEY");
        c->primary_key = true;
        if (rc == 0) c->pk_pos = hg_sql_span(p, at, p->i - 1);
        return rc;
    case HG_KW_FOREIGN:
        rc = once(p, at, c->has_fk, "FOREIGN KEY");
        return rc < 0 ? rc : column_fk(p, c);
    case HG_KW_LATENESS:
        rc = once(p, at, c->lateness != NULL, "LATENESS");
        return rc < 0 ? rc : attribute_expr(p, &c->lateness, &c->lateness_text);
    case HG_KW_WATERMARK:
        rc = once(p, at, c->watermark != NULL, "WATERMARK");
        return rc < 0 ? rc : attribute_expr(p, &c->watermark, NULL);
    case HG_KW_DEFAULT:
        rc = once(p, at, c->dflt != NULL, "DEFAULT");
        return rc < 0 ? rc : attribute_expr(p, &c->dflt, &c->dflt_text);
    default: /* INTERNED */
        c->interned = true;
        return 0;
    }
}

enum { ATTR_DEFAULT = 1, ATTR_INTERNED = 2, ATTR_TABLE = 4 };

static bool starts_attribute(const hg_sql_t *p, unsigned allowed)
{
    hg_kw_t k = kw(p);
    if (k == HG_KW_DEFAULT) return (allowed & (ATTR_DEFAULT | ATTR_TABLE)) != 0;
    if (k == HG_KW_INTERNED) return (allowed & (ATTR_INTERNED | ATTR_TABLE)) != 0;
    return (allowed & ATTR_TABLE) &&
           (k == HG_KW_PRIMARY || k == HG_KW_FOREIGN || k == HG_KW_LATENESS || k == HG_KW_WATERMARK);
}

static int column(hg_sql_t *p, unsigned allowed, const char *want, hg_ast_column_t *c)
{
    uint32_t first = p->i;
    int rc = name(p, want, &c->name);
    if (rc < 0) return rc;
    if (hg_is_op(p, p->i, ",") || hg_is_op(p, p->i, ")"))
        return hg_sql_unsupported(p, first, first, "A column without a type ('" HG_SF "')", HG_SA(c->name.name));
    hg_ast_type_t *type;
    rc = hg_sql_type_use(p, &p->i, &type);
    if (rc < 0) return rc;
    c->type = type;
    while (starts_attribute(p, allowed)) {
        rc = column_attribute(p, c);
        if (rc < 0) return rc;
    }
    c->pos = hg_sql_span(p, first, p->i - 1);
    if (!hg_is_op(p, p->i, ",") && !hg_is_op(p, p->i, ")"))
        return hg_sql_encountered(p, p->i,
                                  (allowed & ATTR_TABLE) ? "a column attribute, \",\" or \")\"" : "\",\" or \")\"");
    return 0;
}

/* "(" [ column { "," column } ] ")" */
static int column_list(hg_sql_t *p, unsigned allowed, bool may_be_empty, const char *want, hg_ast_stmt_t *s)
{
    hg_ast_column_t *cols = NULL;
    int rc = need_op(p, "(", "\"(\"");
    if (rc < 0) return rc;
    if (may_be_empty && eat_op(p, ")")) return 0;
    do {
        hg_ast_column_t c = { 0 };
        rc = column(p, allowed, want, &c);
        if (rc < 0) return rc;
        HG_APUSH(p->a, cols, s->n_cols, c);
    } while (eat_op(p, ","));
    s->cols = cols;
    return need_op(p, ")", "\",\" or \")\"");
}

/* ------------------------------------------------------------------------------------------------ CREATE … */

static int property_text(hg_sql_t *p, const hg_tok_t **ret)
{
    if (p->tok[p->i].kind != HG_TOK_STRING) return hg_sql_encountered(p, p->i, "a string such as 'connectors'");
    *ret = &p->tok[p->i++];
    return 0;
}

/* [ WITH "(" 'key' = 'value' { "," … } ")" ] */
static int properties(hg_sql_t *p, hg_ast_stmt_t *s)
{
    hg_ast_prop_t *props = NULL;
    if (!eat(p, HG_KW_WITH)) return 0;
    int rc = need_op(p, "(", "\"(\"");
    if (rc < 0) return rc;
    do {
        hg_ast_prop_t one;
        rc = property_text(p, &one.key);
        if (rc == 0) rc = need_op(p, "=", "\"=\"");
        if (rc == 0) rc = property_text(p, &one.value);
        if (rc < 0) return rc;
        HG_APUSH(p->a, props, s->n_props, one);
    } while (eat_op(p, ","));
    s->props = props;
    return need_op(p, ")", "\",\" or \")\"");
}

static int table_constraint(hg_sql_t *p, hg_ast_stmt_t *s, hg_ast_fk_t **fks)
{
    uint32_t first = p->i;
    if (eat(p, HG_KW_PRIMARY)) {
        const hg_name_t *pk = NULL;
        uint32_t n = 0;
        int rc = need(p, HG_KW_KEY, "KEY");
        if (rc == 0) rc = name_list(p, &pk, &n);
        if (rc < 0) return rc;
        if (s->n_pk_clauses++ == 0) {
            s->pk = pk;
            s->n_pk = n;
        }
        s->pk_pos = hg_sql_span(p, first, p->i - 1); /* of the last clause: the one that is too much */
        return 0;
    }
    hg_ast_fk_t fk = { 0 };
    p->i++; /* FOREIGN */
    int rc = need(p, HG_KW_KEY, "KEY");
    if (rc == 0) rc = name_list(p, &fk.cols, &fk.n_cols);
    if (rc == 0) rc = need(p, HG_KW_REFERENCES, "REFERENCES");
    if (rc == 0) rc = object_name(p, "a table name", &fk.table);
    if (rc == 0) rc = name_list(p, &fk.ref_cols, &fk.n_ref);
    if (rc < 0) return rc;
    fk.pos = hg_sql_span(p, first, p->i - 1);
    HG_APUSH(p->a, *fks, s->n_fks, fk);
    return 0;
}

static int create_table(hg_sql_t *p, hg_ast_stmt_t *s)
{
    hg_ast_column_t *cols = NULL;
    hg_ast_fk_t *fks = NULL;
    s->kind = HG_ST_TABLE;
    int rc = object_name(p, "a table name", &s->name);
    if (rc == 0) rc = need_op(p, "(", "\"(\"");
    if (rc < 0) return rc;
    do {
        if (kw(p) == HG_KW_PRIMARY || kw(p) == HG_KW_FOREIGN) {
            rc = table_constraint(p, s, &fks);
        } else {
            hg_ast_column_t c = { 0 };
            rc = column(p, ATTR_TABLE, "a column name, PRIMARY KEY or FOREIGN KEY", &c);
            if (rc == 0) HG_APUSH(p->a, cols, s->n_cols, c);
        }
        if (rc < 0) return rc;
    } while (eat_op(p, ","));
    s->cols = cols;
    s->fks = fks;
    rc = need_op(p, ")", "\",\" or \")\"");
    return rc < 0 ? rc : properties(p, s);
}

/* The rest of the statement as a query. */
static int query_to_end(hg_sql_t *p, hg_ast_stmt_t *s)
{
    uint32_t end = statement_end(p, p->i);
    int rc = hg_sql_query(p, p->i, end, &s->query);
    p->i = end;
    return rc;
}

static int create_view(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_VIEW;
    int rc = object_name(p, "a view name", &s->name);
    if (rc == 0 && hg_is_op(p, p->i, "(")) rc = name_list(p, &s->view_cols, &s->n_view_cols);
    if (rc == 0) rc = properties(p, s);
    if (rc == 0) rc = need(p, HG_KW_AS, s->n_props ? "AS" : "\"(\", WITH or AS");
    return rc < 0 ? rc : query_to_end(p, s);
}

static int create_type(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_TYPE;
    int rc = object_name(p, "a type name", &s->name);
    if (rc == 0) rc = need(p, HG_KW_AS, "AS");
    if (rc < 0) return rc;
    if (hg_is_op(p, p->i, "(")) return column_list(p, ATTR_DEFAULT, false, "a field name", s);
    hg_ast_type_t *type;
    rc = hg_sql_type(p, &p->i, &type);
    if (rc == 0) s->type = type;
    return rc;
}

/* FUNCTION f(…) RETURNS type [AS expr], AGGREGATE f(…) RETURNS type */
static int create_function(hg_sql_t *p, hg_ast_stmt_t *s, hg_ast_skind_t kind)
{
    s->kind = kind;
    hg_ast_type_t *type = NULL;
    int rc = object_name(p, "a function name", &s->name);
    if (rc == 0) rc = column_list(p, ATTR_DEFAULT, true, "a parameter name or \")\"", s);
    if (rc == 0) rc = need(p, HG_KW_RETURNS, "RETURNS");
    if (rc == 0) rc = hg_sql_type_use(p, &p->i, &type);
    if (rc < 0) return rc;
    s->type = type;
    if (kind == HG_ST_AGGREGATE || !eat(p, HG_KW_AS)) return 0;
    uint32_t end = statement_end(p, p->i);
    if (end == p->i) return hg_sql_encountered(p, end, "an expression");
    rc = hg_sql_expr(p, p->i, end, &s->expr);
    p->i = end;
    return rc;
}

static int create_index(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_INDEX;
    int rc = object_name(p, "an index name", &s->name);
    if (rc == 0) rc = need(p, HG_KW_ON, "ON");
    if (rc == 0) rc = object_name(p, "a view name", &s->object);
    return rc < 0 ? rc : name_list(p, &s->view_cols, &s->n_view_cols);
}

static int create(hg_sql_t *p, hg_ast_stmt_t *s)
{
    if (kw(p) == HG_KW_OR && hg_kw_at(p, p->i + 1) == HG_KW_REPLACE) {
        s->or_replace = true;
        p->i += 2;
    }
    if (kw(p) == HG_KW_LOCAL || kw(p) == HG_KW_MATERIALIZED) {
        *(kw(p) == HG_KW_LOCAL ? &s->local : &s->materialized) = true;
        p->i++;
        if (kw(p) != HG_KW_VIEW) return hg_sql_encountered(p, p->i, "VIEW");
    } else if (eat(p, HG_KW_LINEAR)) {
        s->linear = true;
        if (kw(p) != HG_KW_AGGREGATE) return hg_sql_encountered(p, p->i, "AGGREGATE");
    }
    uint32_t what = p->i;
    if (p->tok[what].kind != HG_TOK_END) p->i++;
    if (kw(p) == HG_KW_IF && hg_kw_at(p, p->i + 1) == HG_KW_NOT) {
        if (hg_kw_at(p, p->i + 2) != HG_KW_EXISTS) return hg_sql_encountered(p, p->i + 2, "EXISTS");
        s->if_not_exists = true;
        p->i += 3;
    }
    switch ((int)hg_kw_at(p, what)) {
    case HG_KW_TABLE:
        return create_table(p, s);
    case HG_KW_VIEW:
        return create_view(p, s);
    case HG_KW_TYPE:
        return create_type(p, s);
    case HG_KW_FUNCTION:
        return create_function(p, s, HG_ST_FUNCTION);
    case HG_KW_AGGREGATE:
        return create_function(p, s, HG_ST_AGGREGATE);
    case HG_KW_INDEX:
        return create_index(p, s);
    default:
        return hg_sql_encountered(p, what, "TABLE, VIEW, TYPE, FUNCTION, AGGREGATE or INDEX");
    }
}

/* ------------------------------------------------------------------------------------------------ the others */

static int declare_view(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_DECLARE_VIEW;
    int rc = need(p, HG_KW_RECURSIVE, "RECURSIVE");
    if (rc == 0) rc = need(p, HG_KW_VIEW, "VIEW");
    if (rc == 0) rc = object_name(p, "a view name", &s->name);
    return rc < 0 ? rc : column_list(p, ATTR_INTERNED, false, "a column name", s);
}

static int lateness(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_LATENESS;
    int rc = name(p, "a view name", &s->object);
    if (rc == 0) rc = need_op(p, ".", "\".\"");
    if (rc == 0) rc = name(p, "a column name", &s->column);
    if (rc < 0) return rc;
    s->name = s->object;
    uint32_t end = statement_end(p, p->i);
    if (end == p->i) return hg_sql_encountered(p, end, "an expression");
    rc = hg_sql_expr(p, p->i, end, &s->expr);
    p->i = end;
    return rc;
}

static int set(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_SET;
    int rc = name(p, "the name of a setting", &s->name);
    if (rc == 0) rc = need_op(p, "=", "\"=\"");
    if (rc < 0) return rc;
    uint32_t first = p->i;
    bool minus = eat_op(p, "-");
    const hg_tok_t *t = &p->tok[p->i];
    bool number = t->kind == HG_TOK_INT || t->kind == HG_TOK_DECIMAL || t->kind == HG_TOK_FLOAT;
    bool word =
        kw(p) == HG_KW_ON || kw(p) == HG_KW_OFF || kw(p) == HG_KW_TRUE || kw(p) == HG_KW_FALSE || kw(p) == HG_KW_NULL;
    if (!number && (minus || (!word && t->kind != HG_TOK_STRING)))
        return hg_sql_encountered(p, p->i, "ON, OFF or a literal");
    s->set_value = minus ? hg_strz(hg_arena_printf(p->a, "-" HG_SF, HG_SA(t->text))) : t->text;
    p->i++;
    s->value_pos = hg_sql_span(p, first, p->i - 1);
    return 0;
}

static int drop(hg_sql_t *p, hg_ast_stmt_t *s)
{
    s->kind = HG_ST_DROP;
    s->drop_view = kw(p) == HG_KW_VIEW;
    if (!eat(p, HG_KW_TABLE) && !eat(p, HG_KW_VIEW)) return hg_sql_encountered(p, p->i, "TABLE or VIEW");
    if (kw(p) == HG_KW_IF && hg_kw_at(p, p->i + 1) == HG_KW_EXISTS) {
        s->if_exists = true;
        p->i += 2;
    }
    return object_name(p, s->drop_view ? "a view name" : "a table name", &s->name);
}

/* INSERT INTO / REMOVE FROM name [(cols)] query */
static int change(hg_sql_t *p, hg_ast_stmt_t *s, hg_ast_skind_t kind)
{
    s->kind = kind;
    int rc = kind == HG_ST_INSERT ? need(p, HG_KW_INTO, "INTO") : need(p, HG_KW_FROM, "FROM");
    if (rc == 0) rc = object_name(p, "a table name", &s->name);
    if (rc < 0) return rc;
    if (hg_is_op(p, p->i, "(") && name_at(p, p->i + 1)) rc = name_list(p, &s->view_cols, &s->n_view_cols);
    return rc < 0 ? rc : query_to_end(p, s);
}

static bool begins_query(const hg_sql_t *p)
{
    hg_kw_t k = kw(p);
    return k == HG_KW_SELECT || k == HG_KW_WITH || k == HG_KW_VALUES || hg_is_op(p, p->i, "(");
}

static int statement(hg_sql_t *p, hg_ast_stmt_t *s)
{
    uint32_t first = p->i;
    const hg_tok_t *t = &p->tok[first];
    if (t->kind == HG_TOK_IDENT && hg_str_ieq(t->text, HG_S("explain"))) {
        s->explain = true;
        p->i++;
        if (!begins_query(p) && kw(p) != HG_KW_INSERT) return hg_sql_encountered(p, p->i, "INSERT or SELECT");
    }
    hg_kw_t k = kw(p);
    int rc;
    if (begins_query(p)) {
        s->kind = HG_ST_SELECT;
        rc = query_to_end(p, s);
    } else {
        p->i++;
        switch ((int)k) {
        case HG_KW_CREATE:
            rc = create(p, s);
            break;
        case HG_KW_DECLARE:
            rc = declare_view(p, s);
            break;
        case HG_KW_LATENESS:
            rc = lateness(p, s);
            break;
        case HG_KW_SET:
            rc = set(p, s);
            break;
        case HG_KW_DROP:
            rc = drop(p, s);
            break;
        case HG_KW_INSERT:
            rc = change(p, s, HG_ST_INSERT);
            break;
        case HG_KW_REMOVE:
            rc = change(p, s, HG_ST_REMOVE);
            break;
        default:
            rc = hg_sql_encountered(p, first, "CREATE, DECLARE, SET, LATENESS, DROP, INSERT, REMOVE or SELECT");
            break;
        }
    }
    if (rc < 0) return rc;
    if (!ends_statement(p, p->i)) return hg_sql_encountered(p, p->i, "\";\"");
    s->pos = hg_sql_span(p, first, p->i - 1);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ a program */

/* Partners of brackets. A bracket that closes nothing, or the wrong kind, has none; the grammar complains about it
 * later. */
static uint32_t *match_brackets(const hg_sql_t *p)
{
    uint32_t *match = HG_ANEWN(p->a, uint32_t, p->n), *open = HG_ANEWN(p->a, uint32_t, p->n), depth = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        match[i] = HG_NO_TOK;
        if (p->tok[i].kind != HG_TOK_OP || p->tok[i].text.n != 1) continue;
        char c = p->tok[i].text.p[0];
        if (c == ';') depth = 0; /* brackets do not reach across statements */
        if (c == '(' || c == '[') open[depth++] = i;
        if (c != ')' && c != ']') continue;
        if (depth == 0 || p->tok[open[depth - 1]].text.p[0] != (c == ')' ? '(' : '[')) continue;
        match[i] = open[--depth];
        match[open[depth]] = i;
    }
    return match;
}

int hg_sql_parse(hg_arena_t *a, hg_str_t text, const hg_ast_stmt_t **ret, uint32_t *ret_n, hg_err_t *err)
{
    hg_tok_t *tok;
    hg_sql_t p = { .a = a, .text = text, .err = err };
    int rc = hg_lex(a, text, &tok, &p.n, err);
    if (rc < 0) return rc;
    p.tok = tok;
    uint8_t *kws = HG_ANEWN(a, uint8_t, p.n);
    for (uint32_t i = 0; i < p.n; i++)
        if (tok[i].kind == HG_TOK_IDENT) kws[i] = (uint8_t)hg_sql_kw(tok[i].text);
    _Static_assert(HG_KW_N <= UINT8_MAX, "a keyword fits a byte");
    p.kw = kws;
    p.match = match_brackets(&p);
    p.note = HG_ANEWN(a, hg_note_t, p.n);

    hg_ast_stmt_t *list = NULL;
    uint32_t n = 0;
    while (p.tok[p.i].kind != HG_TOK_END) {
        if (eat_op(&p, ";")) continue;
        hg_ast_stmt_t s = { 0 };
        rc = statement(&p, &s);
        if (rc < 0) return rc;
        HG_APUSH(a, list, n, s);
    }
    *ret = list;
    *ret_n = n;
    return 0;
}
