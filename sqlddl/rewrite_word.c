/* rewrite_word.c: the words of a body. Which of them are keywords where they stand, what becomes of each, and the
 * constructs that are refused by name. Literals too, since most begin with a word.
 */
#include "base/hg.h"
#include "sqlddl/rewrite_int.h"

/* ------------------------------------------------------------------------------------------------ literals */

hg_xexpr_t *hg_rw_literal(hg_rw_t *r, hg_ast_ekind_t ekind, uint32_t t0, uint32_t t1, hg_str_t text)
{
    hg_xexpr_t *e = hg_xexpr_new(r->p, ekind, t0, t1);
    e->e.text = text;
    return e;
}

void hg_rw_plain_literal(hg_rw_t *r)
{
    static const hg_ast_ekind_t kinds[] = { [HG_TOK_STRING] = HG_E_STRING,
                                            [HG_TOK_BYTES] = HG_E_BYTES,
                                            [HG_TOK_INT] = HG_E_INT,
                                            [HG_TOK_DECIMAL] = HG_E_DECIMAL,
                                            [HG_TOK_FLOAT] = HG_E_FLOAT };
    hg_rw_node(r, hg_rw_literal(r, kinds[r->p->tok[r->i].kind], r->i, r->i, r->p->tok[r->i].text));
}

static void typed_literal(hg_rw_t *r, hg_kind_t k, uint32_t t1)
{
    hg_xexpr_t *e = hg_rw_literal(r, HG_E_TYPED, r->i, t1, r->p->tok[t1].text);
    hg_ast_type_t *t = HG_ANEW(r->p->a, hg_ast_type_t);
    t->kind = k;
    t->precision = t->scale = -1;
    t->pos = hg_sql_span(r->p, r->i, t1 - 1);
    e->e.type = t;
    hg_rw_node(r, e);
    r->i = t1;
}

/* The number of a WEEK or QUARTER in days or months. */
static int scaled(hg_rw_t *r, uint32_t tok, uint32_t scale, hg_str_t *text)
{
    int64_t v;
    if (hg_str_i64(hg_str_trim(*text), &v) < 0 || v > INT32_MAX || v < -INT32_MAX)
        return hg_sql_bad(r->p, tok, tok, "WEEK and QUARTER take a whole number");
    *text = hg_strz(hg_arena_printf(r->p->a, "%" PRId64, v * scale));
    return 0;
}

/* INTERVAL [+|-] '10' | 10 UNIT [TO UNIT] */
static int interval_literal(hg_rw_t *r)
{
    hg_sql_t *p = r->p;
    uint32_t first = r->i, i = first + 1;
    bool minus = op(r, i, "-");
    if (minus || op(r, i, "+")) i++;
    uint32_t number = i;
    if (kind(r, i) != HG_TOK_STRING && kind(r, i) != HG_TOK_INT && kind(r, i) != HG_TOK_DECIMAL)
        return hg_rw_encountered(r, i, "a quoted number such as '10'");
    hg_str_t text = hg_str_trim(p->tok[i++].text);
    hg_interval_unit_t unit;
    uint32_t scale;
    if (i >= r->b->to) return hg_rw_encountered(r, r->b->to, "an interval unit such as DAY or HOUR");
    int rc = hg_sql_interval_unit(p, &i, &unit, &scale);
    if (rc == 0 && scale != 1) rc = scaled(r, number, scale, &text);
    if (rc < 0) return rc;
    if (minus && text.n && text.p[0] == '-')
        text = (hg_str_t){ text.p + 1, text.n - 1 };
    else if (minus)
        text = hg_strz(hg_arena_printf(p->a, "-" HG_SF, HG_SA(text)));
    hg_xexpr_t *e = hg_rw_literal(r, HG_E_TYPED, first, i - 1, hg_arena_str(p->a, text));
    hg_ast_type_t *t = HG_ANEW(p->a, hg_ast_type_t);
    t->kind = hg_sql_unit_kind(unit);
    t->unit = unit;
    t->precision = t->scale = -1;
    t->pos = e->e.pos;
    e->e.type = t;
    hg_rw_node(r, e);
    r->i = i - 1;
    return 0;
}

/* DATE '…', TIME '…', TIMESTAMP [WITH|WITHOUT TIME ZONE] '…', UUID '…'; else the word is a name. */
static int typed_or_name(hg_rw_t *r)
{
    static const struct {
        hg_kw_t k;
        hg_kind_t kind;
    } types[] = { { HG_KW_DATE, HG_T_DATE },
                  { HG_KW_TIME, HG_T_TIME },
                  { HG_KW_TIMESTAMP, HG_T_TIMESTAMP },
                  { HG_KW_DATETIME, HG_T_TIMESTAMP },
                  { HG_KW_UUID, HG_T_UUID } };
    hg_kw_t k = kw(r, r->i);
    if (k == HG_KW_TIMESTAMP && (next_kw(r) == HG_KW_WITH || next_kw(r) == HG_KW_WITHOUT) &&
        kw(r, r->i + 2) == HG_KW_TIME && kw(r, r->i + 3) == HG_KW_ZONE && kind(r, r->i + 4) == HG_TOK_STRING) {
        typed_literal(r, next_kw(r) == HG_KW_WITH ? HG_T_TIMESTAMP_TZ : HG_T_TIMESTAMP, r->i + 4);
        return 0;
    }
    for (size_t n = 0; kind(r, r->i + 1) == HG_TOK_STRING && n < HG_COUNT(types); n++)
        if (types[n].k == k) {
            typed_literal(r, types[n].kind, r->i + 1);
            return 0;
        }
    hg_rw_name(r, r->i);
    return 0;
}

/* NULL TRUE FALSE UNKNOWN: literals, except behind IS [NOT]. */
static void truth(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    bool of_is =
        prev_kw(r) == HG_KW_IS || (prev_kw(r) == HG_KW_NOT && r->i >= r->b->from + 2 && kw(r, r->i - 2) == HG_KW_IS);
    if (of_is) {
        hg_rw_put(r, r->i,
                  k == HG_KW_NULL    ? "NULL"
                  : k == HG_KW_TRUE  ? "TRUE"
                  : k == HG_KW_FALSE ? "FALSE"
                                     : "UNKNOWN");
        return;
    }
    hg_xexpr_t *e = hg_rw_literal(r, k == HG_KW_TRUE || k == HG_KW_FALSE ? HG_E_BOOL : HG_E_NULL, r->i, r->i, HG_S(""));
    e->e.bool_value = k == HG_KW_TRUE;
    hg_rw_node(r, e);
}

/* ------------------------------------------------------------------------------------------------ keywords */

static void clause(hg_rw_t *r, clause_t c, const char *text)
{
    hg_rw_fresh_chain(r);
    top(r)->clause = c;
    hg_rw_put(r, r->i, text);
}

static int select_word(hg_rw_t *r)
{
    clause(r, CLAUSE_SELECT, "SELECT");
    uint32_t i = r->i + 1;
    if (kw(r, i) == HG_KW_DISTINCT) {
        if (kw(r, i + 1) == HG_KW_ON && op(r, i + 2, "(")) return hg_sql_unsupported(r->p, i, i + 1, "DISTINCT ON");
        i++;
    } else if (kw(r, i) == HG_KW_ALL) {
        i++;
    }
    /* PostgreSQL takes an empty select list */
    hg_kw_t k = kw(r, i);
    if (i >= r->b->to || op(r, i, ")") || k == HG_KW_FROM || k == HG_KW_WHERE || k == HG_KW_GROUP ||
        k == HG_KW_HAVING || k == HG_KW_ORDER || k == HG_KW_LIMIT || k == HG_KW_OFFSET || k == HG_KW_FETCH ||
        k == HG_KW_UNION || k == HG_KW_EXCEPT || k == HG_KW_INTERSECT || k == HG_KW_MINUS || k == HG_KW_INTO)
        return hg_rw_encountered(r, HG_MIN(i, r->b->to), "an expression");
    return 0;
}

/* FROM, FOR, IN, PLACING as a separator inside SUBSTRING, OVERLAY, POSITION and TRIM: each has its turn. */
static int separator(hg_rw_t *r)
{
    static const struct {
        call_t call;
        hg_kw_t word[3];
    } forms[] = { { CALL_SUBSTRING, { HG_KW_FROM, HG_KW_FOR } },
                  { CALL_OVERLAY, { HG_KW_PLACING, HG_KW_FROM, HG_KW_FOR } },
                  { CALL_POSITION, { HG_KW_IN } },
                  { CALL_TRIM, { HG_KW_FROM } } };
    hg_rw_group_t *g = top(r);
    for (size_t i = 0; i < HG_COUNT(forms); i++) {
        if (forms[i].call != g->call) continue;
        if (g->stage >= HG_COUNT(forms[i].word) || forms[i].word[g->stage] != kw(r, r->i)) break;
        g->stage++;
        hg_rw_fresh_chain(r);
        hg_rw_put(r, r->i, ",");
        return 0;
    }
    return hg_rw_encountered(r, r->i, NULL);
}

static int from_word(hg_rw_t *r)
{
    hg_rw_group_t *g = top(r);
    if (prev_kw(r) == HG_KW_DISTINCT && r->i >= r->b->from + 2 &&
        (kw(r, r->i - 2) == HG_KW_IS || kw(r, r->i - 2) == HG_KW_NOT)) {
        hg_rw_put(r, r->i, "FROM");
        return 0;
    }
    if (g->call == CALL_TRIM) {
        hg_note_t *note = &r->p->note[g->open - 1];
        if (note->mark == HG_MARK_NONE) note->mark = HG_MARK_TRIM_BOTH;
    }
    if (g->call == CALL_SUBSTRING || g->call == CALL_OVERLAY || g->call == CALL_TRIM) return separator(r);
    r->height -= g->joins;
    g->joins = 0;
    clause(r, CLAUSE_FROM, "FROM");
    return 0;
}

/* JOIN and the words before it; a function when a bracket follows (LEFT, RIGHT). */
static int join_word(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i), next = next_kw(r);
    if (k == HG_KW_JOIN) {
        hg_rw_fresh_chain(r);
        top(r)->clause = CLAUSE_FROM;
        hg_rw_put(r, r->i, "JOIN");
        return hg_rw_higher(r, &top(r)->joins);
    }
    if ((k == HG_KW_LEFT || k == HG_KW_RIGHT) && next_op(r, "(")) {
        hg_rw_name(r, r->i);
        return 0;
    }
    if (next == HG_KW_ASOF) return hg_rw_unsupported(r, r->i + 1, "ASOF JOIN");
    if (next == HG_KW_SEMI || next == HG_KW_ANTI)
        return hg_rw_unsupported(r, r->i + 1, next == HG_KW_SEMI ? "SEMI JOIN" : "ANTI JOIN");
    if (next == HG_KW_APPLY) return hg_rw_unsupported(r, r->i + 1, k == HG_KW_CROSS ? "CROSS APPLY" : "OUTER APPLY");
    if (k == HG_KW_NATURAL) return hg_rw_unsupported(r, r->i, "NATURAL JOIN");
    hg_rw_put(r, r->i,
              k == HG_KW_LEFT    ? "LEFT"
              : k == HG_KW_RIGHT ? "RIGHT"
              : k == HG_KW_FULL  ? "FULL"
              : k == HG_KW_INNER ? "INNER"
              : k == HG_KW_CROSS ? "CROSS"
                                 : "OUTER");
    return 0;
}

static int as_word(hg_rw_t *r)
{
    hg_rw_put(r, r->i, "AS");
    if (top(r)->call == CALL_CAST) return hg_rw_type(r, r->i + 1);
    if (next_op(r, "(")) return 0; /* WITH x AS ( */
    if (r->i >= r->b->from + 2 && kw(r, r->i - 2) == HG_KW_WITH && kw(r, r->i - 1) != HG_KW_ORDINALITY)
        return hg_rw_encountered(r, HG_MIN(r->i + 1, r->b->to), "\"(\"");
    if (!nameish(r, r->i + 1) && kind(r, r->i + 1) != HG_TOK_STRING)
        return hg_rw_encountered(r, HG_MIN(r->i + 1, r->b->to), "a name");
    hg_rw_name(r, ++r->i); /* AS 'alias' too */
    return 0;
}

static int group_word(hg_rw_t *r)
{
    clause(r, CLAUSE_OTHER, "GROUP");
    if (next_kw(r) != HG_KW_BY) return 0;
    hg_rw_put(r, ++r->i, "BY");
    hg_kw_t k = next_kw(r);
    if (k == HG_KW_ALL) return hg_sql_unsupported(r->p, r->i - 1, r->i + 1, "GROUP BY ALL");
    if (k == HG_KW_DISTINCT) return hg_sql_unsupported(r->p, r->i - 1, r->i + 1, "GROUP BY DISTINCT");
    return 0;
}

static int order_word(hg_rw_t *r)
{
    /* ORDER BY inside a call belongs to an aggregate */
    clause(r, CLAUSE_ORDER, "ORDER");
    if (next_kw(r) == HG_KW_BY) hg_rw_put(r, ++r->i, "BY");
    return 0;
}

static int nulls_word(hg_rw_t *r)
{
    if (top(r)->clause != CLAUSE_ORDER || (next_kw(r) != HG_KW_FIRST && next_kw(r) != HG_KW_LAST)) {
        hg_rw_name(r, r->i);
        return 0;
    }
    hg_rw_put(r, r->i, "NULLS");
    r->i++;
    hg_rw_put(r, r->i, kw(r, r->i) == HG_KW_FIRST ? "FIRST" : "LAST");
    return 0;
}

/* LIMIT n, LIMIT skip, n */
static int limit_word(hg_rw_t *r)
{
    clause(r, CLAUSE_OTHER, "LIMIT");
    if (kind(r, r->i + 1) != HG_TOK_INT || !op(r, r->i + 2, ",") || kind(r, r->i + 3) != HG_TOK_INT) return 0;
    uint32_t skip = r->i + 1;
    r->i += 3;
    hg_rw_plain_literal(r);
    hg_rw_put(r, skip, "OFFSET");
    uint32_t last = r->i;
    r->i = skip;
    hg_rw_plain_literal(r);
    r->i = last;
    return 0;
}

/* OFFSET n [ROW|ROWS] */
static int offset_word(hg_rw_t *r)
{
    clause(r, CLAUSE_OTHER, "OFFSET");
    if (!is_literal(r, r->i + 1) || (kw(r, r->i + 2) != HG_KW_ROW && kw(r, r->i + 2) != HG_KW_ROWS)) return 0;
    r->i++;
    hg_rw_plain_literal(r);
    r->i++;
    return 0;
}

/* FETCH FIRST|NEXT n ROW|ROWS ONLY is LIMIT n */
static int fetch_word(hg_rw_t *r)
{
    clause(r, CLAUSE_OTHER, "LIMIT");
    hg_kw_t k = next_kw(r);
    if (k != HG_KW_FIRST && k != HG_KW_NEXT) return hg_rw_encountered(r, HG_MIN(r->i + 1, r->b->to), "FIRST or NEXT");
    r->i += 2;
    if (kind(r, r->i) != HG_TOK_INT) return hg_rw_encountered(r, HG_MIN(r->i, r->b->to), "a whole number");
    hg_rw_plain_literal(r);
    r->i++;
    if (kw(r, r->i) != HG_KW_ROW && kw(r, r->i) != HG_KW_ROWS)
        return hg_rw_encountered(r, HG_MIN(r->i, r->b->to), "ROWS");
    r->i++;
    if (kw(r, r->i) != HG_KW_ONLY) return hg_rw_encountered(r, HG_MIN(r->i, r->b->to), "ONLY");
    return 0;
}

static int set_word(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    clause(r, CLAUSE_OTHER, k == HG_KW_UNION ? "UNION" : k == HG_KW_INTERSECT ? "INTERSECT" : "EXCEPT");
    return hg_rw_higher(r, &top(r)->sets);
}

static int with_word(hg_rw_t *r)
{
    if (next_kw(r) == HG_KW_ORDINALITY) {
        hg_rw_put(r, r->i, "WITH");
        hg_rw_put(r, ++r->i, "ORDINALITY");
        return 0;
    }
    if (next_kw(r) == HG_KW_RECURSIVE)
        return hg_err_at(r->p->err, HG_EINVAL, hg_sql_span(r->p, r->i, r->i + 1),
                         "WITH RECURSIVE is not supported; use DECLARE RECURSIVE VIEW instead");
    hg_rw_put(r, r->i, "WITH");
    return 0;
}

/* Words that only mean something behind a call: f(…) OVER, FILTER (, WITHIN GROUP, IGNORE NULLS. */
static int after_call_word(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    if (prev_op(r, ")")) {
        if (k == HG_KW_OVER) {
            uint32_t open = r->p->match[r->i - 1];
            if (open != HG_NO_TOK && open > r->b->from && nameish(r, open - 1))
                return hg_sql_unsupported(r->p, open - 1, r->i, "Window function '" HG_SF "' (OVER)",
                                          HG_SA(r->p->tok[open - 1].text));
            return hg_rw_unsupported(r, r->i, "OVER (a window function)");
        }
        if (k == HG_KW_FILTER && next_op(r, "(")) {
            hg_rw_put(r, r->i, "FILTER");
            return 0;
        }
        if (k == HG_KW_WITHIN && (next_kw(r) == HG_KW_GROUP || next_kw(r) == HG_KW_DISTINCT))
            return hg_rw_unsupported(r, r->i + 1, next_kw(r) == HG_KW_GROUP ? "WITHIN GROUP" : "WITHIN DISTINCT");
        if ((k == HG_KW_IGNORE || k == HG_KW_RESPECT) && next_kw(r) == HG_KW_NULLS)
            return hg_rw_unsupported(r, r->i + 1, k == HG_KW_IGNORE ? "IGNORE NULLS" : "RESPECT NULLS");
    }
    hg_rw_name(r, r->i);
    return 0;
}

/* Constructs that are known by name and refused. The words are names wherever the construct cannot stand. */
static int refused_word(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    uint32_t next = HG_MIN(r->i + 1, r->b->to);
    switch ((int)k) {
    case HG_KW_LATERAL:
        return hg_rw_unsupported(r, r->i, "LATERAL");
    case HG_KW_QUALIFY:
        return hg_rw_unsupported(r, r->i, "QUALIFY");
    case HG_KW_WINDOW:
        return hg_rw_unsupported(r, r->i, "The WINDOW clause");
    case HG_KW_TABLESAMPLE:
        return hg_rw_unsupported(r, r->i, "TABLESAMPLE");
    case HG_KW_MATCH_RECOGNIZE:
        return hg_rw_unsupported(r, r->i, "MATCH_RECOGNIZE");
    case HG_KW_COLLATE:
        return hg_rw_unsupported(r, r->i, "COLLATE");
    case HG_KW_FOR:
        return hg_rw_unsupported(r, r->i, "FOR");
    case HG_KW_DEFAULT:
        return hg_rw_unsupported(r, r->i, "DEFAULT as a value");
    case HG_KW_TABLE: {
        /* TABLE(f(…)), or TABLE t as an argument of f */
        uint32_t f = next_op(r, "(") ? r->i + 2 : r->depth > 0 && top(r)->open > r->b->from ? top(r)->open - 1 : next;
        if (f < r->b->from || f >= r->b->to || !nameish(r, f)) return hg_rw_encountered(r, r->i, NULL);
        return hg_sql_unsupported(r->p, HG_MIN(f, r->i), HG_MAX(f, r->i), "Table function '" HG_SF "'",
                                  HG_SA(r->p->tok[f].text));
    }
    case HG_KW_DESCRIPTOR:
        if (next_op(r, "(")) return hg_rw_unsupported(r, r->i, "DESCRIPTOR (a table function)");
        break;
    case HG_KW_PIVOT:
    case HG_KW_UNPIVOT:
        if (top(r)->clause == CLAUSE_FROM && next_op(r, "("))
            return hg_rw_unsupported(r, r->i, k == HG_KW_PIVOT ? "PIVOT" : "UNPIVOT");
        break;
    case HG_KW_ROLLUP:
    case HG_KW_CUBE:
        if (next_op(r, "(")) return hg_rw_unsupported(r, r->i, k == HG_KW_CUBE ? "CUBE" : "ROLLUP");
        break;
    case HG_KW_GROUPING:
        if (next_kw(r) == HG_KW_SETS) return hg_rw_unsupported(r, next, "GROUPING SETS");
        break;
    case HG_KW_SIMILAR:
        if (next_kw(r) == HG_KW_TO) return hg_rw_unsupported(r, next, "SIMILAR TO");
        break;
    case HG_KW_AT:
        if (next_kw(r) == HG_KW_TIME) return hg_rw_unsupported(r, next, "AT TIME ZONE");
        break;
    case HG_KW_OVERLAPS:
        if (prev_op(r, ")")) return hg_rw_unsupported(r, r->i, "OVERLAPS");
        break;
    default:
        break;
    }
    hg_rw_name(r, r->i);
    return 0;
}

static int array_word(hg_rw_t *r)
{
    if (next_op(r, "(")) {
        if (op(r, r->i + 2, ")")) { /* ARRAY() */
            hg_rw_put(r, r->i, "ARRAY");
            hg_rw_put(r, r->i + 1, "[");
            hg_rw_put(r, r->i + 2, "]");
            r->i += 2;
            return 0;
        }
        if (hg_rw_holds_query(r, r->i + 1)) return hg_rw_unsupported(r, r->i, "ARRAY of a subquery");
        hg_rw_name(r, r->i);
        return 0;
    }
    hg_rw_put(r, r->i, "ARRAY");
    return 0;
}

/* Words that go through as they are, and start a new chain of operators or not. */
static const char *plain_word(hg_kw_t k, bool *fresh, bool *counts)
{
    *fresh = *counts = false;
    switch ((int)k) {
    case HG_KW_AND:
        *fresh = true;
        return "AND";
    case HG_KW_OR:
        *fresh = true;
        return "OR";
    case HG_KW_WHEN:
        *fresh = true;
        return "WHEN";
    case HG_KW_THEN:
        *fresh = true;
        return "THEN";
    case HG_KW_ELSE:
        *fresh = true;
        return "ELSE";
    case HG_KW_USING:
        *fresh = true;
        return "USING";
    case HG_KW_NOT:
        *counts = true;
        return "NOT";
    case HG_KW_IS:
        *counts = true;
        return "IS";
    case HG_KW_IN:
        *counts = true;
        return "IN";
    case HG_KW_LIKE:
    case HG_KW_RLIKE:
        *counts = true;
        return "LIKE";
    case HG_KW_ILIKE:
        *counts = true;
        return "ILIKE";
    case HG_KW_BETWEEN:
        *counts = true;
        return "BETWEEN";
    case HG_KW_ESCAPE:
        return "ESCAPE";
    case HG_KW_DISTINCT:
        return "DISTINCT";
    case HG_KW_ALL:
        return "ALL";
    case HG_KW_ANY:
    case HG_KW_SOME:
        return "ANY";
    case HG_KW_EXISTS:
        return "EXISTS";
    default:
        return NULL;
    }
}

/* Is an operand due here, so that a word with brackets behind it is a call and no operator? */
static bool operand_due(const hg_rw_t *r)
{
    if (r->i > r->b->from && kind(r, r->i - 1) == HG_TOK_OP) return !prev_op(r, ")") && !prev_op(r, "]");
    switch ((int)prev_kw(r)) {
    case HG_KW_SELECT:
    case HG_KW_DISTINCT:
    case HG_KW_WHERE:
    case HG_KW_HAVING:
    case HG_KW_ON:
    case HG_KW_AND:
    case HG_KW_OR:
    case HG_KW_WHEN:
    case HG_KW_THEN:
    case HG_KW_ELSE:
        return true;
    default:
        return false;
    }
}

int hg_rw_keyword(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    if (prev_op(r, ".") && !hg_kw_reserved(k)) {
        hg_rw_name(r, r->i);
        return 0;
    }
    switch ((int)k) {
    case HG_KW_SELECT:
        return select_word(r);
    case HG_KW_FROM:
        return from_word(r);
    case HG_KW_WHERE:
        clause(r, CLAUSE_OTHER, "WHERE");
        return 0;
    case HG_KW_HAVING:
        clause(r, CLAUSE_OTHER, "HAVING");
        return 0;
    case HG_KW_VALUES:
        clause(r, CLAUSE_OTHER, "VALUES");
        return 0;
    case HG_KW_ON:
        clause(r, CLAUSE_ON, "ON");
        return 0;
    case HG_KW_GROUP:
        return group_word(r);
    case HG_KW_ORDER:
        return order_word(r);
    case HG_KW_LIMIT:
        return limit_word(r);
    case HG_KW_OFFSET:
        return offset_word(r);
    case HG_KW_FETCH:
        return fetch_word(r);
    case HG_KW_UNION:
    case HG_KW_EXCEPT:
    case HG_KW_MINUS:
    case HG_KW_INTERSECT:
        return set_word(r);
    case HG_KW_WITH:
        return with_word(r);
    case HG_KW_AS:
        return as_word(r);
    case HG_KW_JOIN:
    case HG_KW_LEFT:
    case HG_KW_RIGHT:
    case HG_KW_FULL:
    case HG_KW_INNER:
    case HG_KW_CROSS:
    case HG_KW_OUTER:
    case HG_KW_NATURAL:
        return join_word(r);
    case HG_KW_CASE:
        hg_rw_put(r, r->i, "CASE");
        return hg_rw_push(r, true, CALL_NONE);
    case HG_KW_END:
        hg_rw_put(r, r->i, "END");
        if (top(r)->is_case) hg_rw_pop(r);
        return 0;
    case HG_KW_NULL:
    case HG_KW_TRUE:
    case HG_KW_FALSE:
    case HG_KW_UNKNOWN:
        truth(r);
        return 0;
    case HG_KW_CAST:
        hg_rw_put(r, r->i, "CAST");
        return 0;
    case HG_KW_SAFE_CAST:
    case HG_KW_TRY_CAST:
        if (!next_op(r, "(")) break;
        r->p->note[r->i].mark = HG_MARK_SAFE;
        hg_rw_put(r, r->i, "CAST");
        return 0;
    case HG_KW_RLIKE:
        if (!next_op(r, "(") || !operand_due(r)) break;
        hg_rw_name(r, r->i);
        return 0;
    case HG_KW_ARRAY:
        return array_word(r);
    case HG_KW_ROW:
        if (!next_op(r, "(")) break;
        hg_rw_put(r, r->i, "ROW");
        return 0;
    case HG_KW_INTERVAL:
        return interval_literal(r);
    case HG_KW_DATE:
    case HG_KW_TIME:
    case HG_KW_TIMESTAMP:
    case HG_KW_DATETIME:
    case HG_KW_UUID:
        return typed_or_name(r);
    case HG_KW_NULLS:
        return nulls_word(r);
    case HG_KW_ASC:
    case HG_KW_DESC:
        if (top(r)->clause != CLAUSE_ORDER) break;
        hg_rw_put(r, r->i, k == HG_KW_ASC ? "ASC" : "DESC");
        return 0;
    case HG_KW_ASOF:
        if (next_kw(r) == HG_KW_JOIN) return hg_rw_unsupported(r, r->i + 1, "ASOF JOIN");
        break;
    case HG_KW_SYMMETRIC:
    case HG_KW_ASYMMETRIC:
        if (prev_kw(r) != HG_KW_BETWEEN) break;
        hg_rw_put(r, r->i, k == HG_KW_SYMMETRIC ? "SYMMETRIC" : "ASYMMETRIC");
        return 0;
    case HG_KW_TO:
        if (top(r)->call != CALL_ROUND) break;
        if (kind(r, r->i + 1) != HG_TOK_IDENT)
            return hg_rw_encountered(r, HG_MIN(r->i + 1, r->b->to), "a unit such as DAY or HOUR");
        if (!op(r, r->i + 2, ")")) return hg_rw_encountered(r, HG_MIN(r->i + 2, r->b->to), "\")\"");
        r->p->note[top(r)->open - 1] = (hg_note_t){ .mark = HG_MARK_ROUND_TO, .aux = r->i + 1 };
        r->i++;
        return 0;
    case HG_KW_PLACING:
        if (top(r)->call != CALL_OVERLAY) break;
        return separator(r);
    case HG_KW_FOR:
        return top(r)->call == CALL_SUBSTRING || top(r)->call == CALL_OVERLAY ? separator(r) : refused_word(r);
    case HG_KW_IN:
        if (top(r)->call != CALL_POSITION) break;
        return separator(r);
    case HG_KW_CURRENT_DATE:
    case HG_KW_CURRENT_TIME:
    case HG_KW_CURRENT_TIMESTAMP:
    case HG_KW_LOCALTIME:
    case HG_KW_LOCALTIMESTAMP:
        if (next_op(r, "(") || prev_op(r, ".")) break;
        {
            hg_xexpr_t *e = hg_rw_literal(r, HG_E_CALL, r->i, r->i, r->p->tok[r->i].text);
            hg_name_t *n = HG_ANEW(r->p->a, hg_name_t);
            *n = hg_sql_name(r->p, r->i);
            e->e.names = n;
            e->e.n_names = 1;
            hg_rw_node(r, e);
        }
        return 0;
    case HG_KW_OVER:
    case HG_KW_FILTER:
    case HG_KW_WITHIN:
    case HG_KW_IGNORE:
    case HG_KW_RESPECT:
        return after_call_word(r);
    case HG_KW_LATERAL:
    case HG_KW_QUALIFY:
    case HG_KW_WINDOW:
    case HG_KW_TABLESAMPLE:
    case HG_KW_MATCH_RECOGNIZE:
    case HG_KW_COLLATE:
    case HG_KW_DEFAULT:
    case HG_KW_TABLE:
    case HG_KW_DESCRIPTOR:
    case HG_KW_PIVOT:
    case HG_KW_UNPIVOT:
    case HG_KW_ROLLUP:
    case HG_KW_CUBE:
    case HG_KW_GROUPING:
    case HG_KW_SIMILAR:
    case HG_KW_AT:
    case HG_KW_OVERLAPS:
        return refused_word(r);
    default:
        break;
    }
    bool fresh, counts;
    const char *text = plain_word(k, &fresh, &counts);
    if (text) {
        if (fresh) hg_rw_fresh_chain(r);
        hg_rw_put(r, r->i, text);
        return counts ? hg_rw_higher(r, &top(r)->chain) : 0;
    }
    if (hg_kw_reserved(k)) return hg_rw_encountered(r, r->i, NULL);
    hg_rw_name(r, r->i);
    return 0;
}
