/* rewrite.c: our tokens → text for PostgreSQL's grammar, with a map back.
 *
 * Names become "n", literals $n, types "tn" (sqlddl_int.h says why); keywords and operators go through. What Feldera's
 * SQL has and PostgreSQL's has not is written in its terms: a call, an alias that nobody sees, an operator of the same
 * precedence. What neither the tree nor the engine can say is refused here, by the name the user knows, at its place.
 *
 * Stack: one entry per open bracket or CASE. It knows which clause the text is in and what kind of call the bracket
 * belongs to, and it counts what makes the tree higher, so that no recursion anywhere sees more than HG_SQL_MAX_NEST
 * levels.
 */
#include "base/hg.h"
#include "sqlddl/body_int.h"

typedef enum { CLAUSE_OTHER, CLAUSE_SELECT, CLAUSE_FROM, CLAUSE_ON, CLAUSE_ORDER } clause_t;
typedef enum {
    CALL_NONE,
    CALL_CAST,
    CALL_SUBSTRING,
    CALL_POSITION,
    CALL_OVERLAY,
    CALL_TRIM,
    CALL_ROUND,
    CALL_MAP,
    CALL_DIFF
} call_t;

typedef struct {
    uint32_t open; /* its token */
    bool is_case;  /* CASE … END, else a bracket */
    call_t call;
    clause_t clause;
    bool alias;     /* a subquery of FROM that has no alias of its own */
    uint32_t chain; /* operators since the last thing that starts afresh */
    uint32_t joins, sets;
} group_t;

typedef struct {
    hg_body_t *b;
    hg_sql_t *p;
    uint32_t i; /* token in hand */
    group_t stack[HG_SQL_MAX_NEST + 1];
    uint32_t depth;  /* stack[depth] is the innermost */
    uint32_t height; /* bound on the height of the tree so far */
    int rc;          /* of the buffer */
} rw_t;

/* ------------------------------------------------------------------------------------------------ writing */

static void put(rw_t *r, uint32_t tok, const char *text)
{
    hg_body_t *b = r->b;
    HG_APUSH(r->p->a, b->pieces, b->n_pieces, ((hg_piece_t){ (uint32_t)b->out.len, tok }));
    int rc = hg_buf_adds(&b->out, text);
    if (rc == 0) rc = hg_buf_addc(&b->out, ' ');
    if (rc < 0) r->rc = rc;
}

static void put_name(rw_t *r, uint32_t tok)
{
    char text[16];
    snprintf(text, sizeof text, "\"%" PRIu32 "\"", tok);
    put(r, tok, text);
}

/* A node that is ready made; parameters count from 1. */
static void put_node(rw_t *r, hg_xexpr_t *e)
{
    char text[16];
    r->p->note[e->t0].obj = e;
    snprintf(text, sizeof text, "$%" PRIu32, e->t0 + 1);
    put(r, e->t0, text);
}

static void put_special(rw_t *r, char letter, uint32_t tok)
{
    char text[16];
    snprintf(text, sizeof text, "\"%c%" PRIu32 "\"", letter, tok);
    put(r, tok, text);
}

/* ------------------------------------------------------------------------------------------------ looking around */

static group_t *top(rw_t *r)
{
    return &r->stack[r->depth];
}
static hg_kw_t kw(const rw_t *r, uint32_t i)
{
    return i < r->b->to ? hg_kw_at(r->p, i) : HG_KW_NONE;
}
static bool op(const rw_t *r, uint32_t i, const char *s)
{
    return i < r->b->to && hg_is_op(r->p, i, s);
}
static hg_kw_t prev_kw(const rw_t *r)
{
    return r->i > r->b->from ? kw(r, r->i - 1) : HG_KW_NONE;
}
static hg_kw_t next_kw(const rw_t *r)
{
    return kw(r, r->i + 1);
}
static bool prev_op(const rw_t *r, const char *s)
{
    return r->i > r->b->from && op(r, r->i - 1, s);
}
static bool next_op(const rw_t *r, const char *s)
{
    return op(r, r->i + 1, s);
}

static hg_tok_kind_t kind(const rw_t *r, uint32_t i)
{
    return i < r->b->to ? r->p->tok[i].kind : HG_TOK_END;
}

static bool is_literal(const rw_t *r, uint32_t i)
{
    hg_tok_kind_t k = kind(r, i);
    return k == HG_TOK_STRING || k == HG_TOK_BYTES || k == HG_TOK_INT || k == HG_TOK_DECIMAL || k == HG_TOK_FLOAT;
}

/* Could token i be a name, as far as i itself tells? */
static bool nameish(const rw_t *r, uint32_t i)
{
    return kind(r, i) == HG_TOK_QIDENT || (kind(r, i) == HG_TOK_IDENT && !hg_kw_reserved(kw(r, i)));
}

static bool starts_query(hg_kw_t k)
{
    return k == HG_KW_SELECT || k == HG_KW_WITH || k == HG_KW_VALUES;
}

/* Does the bracket at i hold a query (not a join, not an expression)? (( SELECT … ) UNION …) does, ((SELECT …) a JOIN
 * b) does not. Brackets nest at most HG_SQL_MAX_NEST deep in what we accept, so the walk to the innermost is short. */
static bool holds_query(const rw_t *r, uint32_t i)
{
    const hg_sql_t *p = r->p;
    for (;; i++) {
        if (starts_query(kw(r, i + 1))) return true;
        if (!op(r, i + 1, "(") || p->match[i + 1] == HG_NO_TOK) return false;
        uint32_t after = p->match[i + 1] + 1;
        hg_kw_t k = kw(r, after);
        if (!op(r, after, ")") && k != HG_KW_UNION && k != HG_KW_EXCEPT && k != HG_KW_MINUS && k != HG_KW_INTERSECT &&
            k != HG_KW_ORDER && k != HG_KW_LIMIT && k != HG_KW_OFFSET && k != HG_KW_FETCH)
            return false;
    }
}

static int unsupported(rw_t *r, uint32_t t1, const char *what)
{
    return hg_sql_unsupported(r->p, r->i, t1, "%s", what);
}
static int encountered(rw_t *r, uint32_t tok, const char *want)
{
    return hg_sql_encountered(r->p, tok, want);
}

/* ------------------------------------------------------------------------------------------------ height */

static int higher(rw_t *r, uint32_t *counter)
{
    (*counter)++;
    if (++r->height > HG_SQL_MAX_NEST)
        return hg_sql_bad(r->p, r->i, r->i, "The expression is nested too deeply (the limit is %d levels)",
                          HG_SQL_MAX_NEST);
    return 0;
}

static void fresh_chain(rw_t *r)
{
    r->height -= top(r)->chain;
    top(r)->chain = 0;
}

static int push(rw_t *r, bool is_case, call_t call)
{
    uint32_t one = 0;
    int rc = higher(r, &one);
    if (rc < 0) return rc;
    r->stack[++r->depth] = (group_t){ .open = r->i, .is_case = is_case, .call = call };
    return 0;
}

static void pop(rw_t *r)
{
    r->height -= top(r)->chain + top(r)->joins + top(r)->sets + 1;
    r->depth--;
}

/* ------------------------------------------------------------------------------------------------ literals */

static hg_xexpr_t *literal(rw_t *r, hg_ast_ekind_t ekind, uint32_t t0, uint32_t t1, hg_str_t text)
{
    hg_xexpr_t *e = hg_xexpr_new(r->p, ekind, t0, t1);
    e->e.text = text;
    return e;
}

static void plain_literal(rw_t *r)
{
    static const hg_ast_ekind_t kinds[] = { [HG_TOK_STRING] = HG_E_STRING,
                                            [HG_TOK_BYTES] = HG_E_BYTES,
                                            [HG_TOK_INT] = HG_E_INT,
                                            [HG_TOK_DECIMAL] = HG_E_DECIMAL,
                                            [HG_TOK_FLOAT] = HG_E_FLOAT };
    put_node(r, literal(r, kinds[r->p->tok[r->i].kind], r->i, r->i, r->p->tok[r->i].text));
}

static void typed_literal(rw_t *r, hg_kind_t k, uint32_t t1)
{
    hg_xexpr_t *e = literal(r, HG_E_TYPED, r->i, t1, r->p->tok[t1].text);
    hg_ast_type_t *t = HG_ANEW(r->p->a, hg_ast_type_t);
    t->kind = k;
    t->precision = t->scale = -1;
    t->pos = hg_sql_span(r->p, r->i, t1 - 1);
    e->e.type = t;
    put_node(r, e);
    r->i = t1;
}

/* The number of a WEEK or QUARTER in days or months. */
static int scaled(rw_t *r, uint32_t tok, uint32_t scale, hg_str_t *text)
{
    int64_t v;
    if (hg_str_i64(hg_str_trim(*text), &v) < 0 || v > INT32_MAX || v < -INT32_MAX)
        return hg_sql_bad(r->p, tok, tok, "WEEK and QUARTER take a whole number");
    *text = hg_strz(hg_arena_printf(r->p->a, "%" PRId64, v * scale));
    return 0;
}

/* INTERVAL [+|-] '10' | 10 UNIT [TO UNIT] */
static int interval_literal(rw_t *r)
{
    hg_sql_t *p = r->p;
    uint32_t first = r->i, i = first + 1;
    bool minus = op(r, i, "-");
    if (minus || op(r, i, "+")) i++;
    uint32_t number = i;
    if (kind(r, i) != HG_TOK_STRING && kind(r, i) != HG_TOK_INT && kind(r, i) != HG_TOK_DECIMAL)
        return encountered(r, i, "a quoted number such as '10'");
    hg_str_t text = hg_str_trim(p->tok[i++].text);
    hg_interval_unit_t unit;
    uint32_t scale;
    if (i >= r->b->to) return encountered(r, r->b->to, "an interval unit such as DAY or HOUR");
    int rc = hg_sql_interval_unit(p, &i, &unit, &scale);
    if (rc == 0 && scale != 1) rc = scaled(r, number, scale, &text);
    if (rc < 0) return rc;
    if (minus && text.n && text.p[0] == '-')
        text = (hg_str_t){ text.p + 1, text.n - 1 };
    else if (minus)
        text = hg_strz(hg_arena_printf(p->a, "-" HG_SF, HG_SA(text)));
    hg_xexpr_t *e = literal(r, HG_E_TYPED, first, i - 1, hg_arena_str(p->a, text));
    hg_ast_type_t *t = HG_ANEW(p->a, hg_ast_type_t);
    t->kind = hg_sql_unit_kind(unit);
    t->unit = unit;
    t->precision = t->scale = -1;
    t->pos = e->e.pos;
    e->e.type = t;
    put_node(r, e);
    r->i = i - 1;
    return 0;
}

/* DATE '…', TIME '…', TIMESTAMP [WITH|WITHOUT TIME ZONE] '…', UUID '…'; else the word is a name. */
static int typed_or_name(rw_t *r)
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
    put_name(r, r->i);
    return 0;
}

/* NULL TRUE FALSE UNKNOWN: literals, except behind IS [NOT]. */
static void truth(rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    bool of_is =
        prev_kw(r) == HG_KW_IS || (prev_kw(r) == HG_KW_NOT && r->i >= r->b->from + 2 && kw(r, r->i - 2) == HG_KW_IS);
    if (of_is) {
        put(r, r->i, k == HG_KW_NULL ? "NULL" : k == HG_KW_TRUE ? "TRUE" : k == HG_KW_FALSE ? "FALSE" : "UNKNOWN");
        return;
    }
    hg_xexpr_t *e = literal(r, k == HG_KW_TRUE || k == HG_KW_FALSE ? HG_E_BOOL : HG_E_NULL, r->i, r->i, HG_S(""));
    e->e.bool_value = k == HG_KW_TRUE;
    put_node(r, e);
}

/* ------------------------------------------------------------------------------------------------ types */

static int put_type(rw_t *r, uint32_t i)
{
    hg_ast_type_t *t;
    uint32_t after = i;
    if (i >= r->b->to) return encountered(r, r->b->to, "a type");
    int rc = hg_sql_type(r->p, &after, &t);
    if (rc < 0) return rc;
    if (after > r->b->to) return encountered(r, r->b->to, NULL);
    r->p->note[i].obj = t;
    r->p->note[i].aux = after - 1;
    put_special(r, 't', i);
    r->i = after - 1;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ brackets */

/* (a - b) UNIT: an expression in brackets whose last operation at its level is a subtraction, followed by a unit. */
static bool is_diff(const rw_t *r, uint32_t i)
{
    const hg_sql_t *p = r->p;
    uint32_t close = p->match[i];
    if (close == HG_NO_TOK || !hg_sql_is_unit(p, close + 1) || close + 1 >= r->b->to) return false;
    if (i > r->b->from && (nameish(r, i - 1) || op(r, i - 1, ")") || op(r, i - 1, "]"))) return false;
    bool minus = false;
    for (uint32_t k = i + 1; k < close; k++) {
        if (op(r, k, ",") || starts_query(kw(r, k))) return false;
        if (op(r, k, "-") && k > i + 1) minus = true;
        if (p->match[k] != HG_NO_TOK && p->match[k] > k) k = p->match[k];
    }
    return minus;
}

static call_t call_of(const rw_t *r)
{
    if (r->i == r->b->from) return CALL_NONE;
    switch ((int)kw(r, r->i - 1)) {
    case HG_KW_CAST:
    case HG_KW_SAFE_CAST:
    case HG_KW_TRY_CAST:
        return CALL_CAST;
    case HG_KW_SUBSTRING:
        return CALL_SUBSTRING;
    case HG_KW_POSITION:
        return CALL_POSITION;
    case HG_KW_OVERLAY:
        return CALL_OVERLAY;
    case HG_KW_TRIM:
        return CALL_TRIM;
    case HG_KW_FLOOR:
    case HG_KW_CEIL:
    case HG_KW_CEILING:
        return CALL_ROUND;
    default:
        return CALL_NONE;
    }
}

/* EXTRACT(unit FROM: the token in hand is the bracket. */
static int extract_unit(rw_t *r)
{
    if (kind(r, r->i + 1) != HG_TOK_IDENT)
        return encountered(r, HG_MIN(r->i + 1, r->b->to), "a unit such as DAY or HOUR");
    if (kw(r, r->i + 2) != HG_KW_FROM) return encountered(r, HG_MIN(r->i + 2, r->b->to), "FROM");
    hg_note_t *note = &r->p->note[r->i - 1];
    note->mark = HG_MARK_EXTRACT;
    note->aux = r->i + 1;
    r->i += 2;
    return 0;
}

/* TRIM( [BOTH|LEADING|TRAILING] [chars] FROM s ): the token in hand is the bracket. The mark is set when FROM comes. */
static int trim_spec(rw_t *r)
{
    hg_kw_t k = next_kw(r);
    if (k != HG_KW_BOTH && k != HG_KW_LEADING && k != HG_KW_TRAILING) return 0;
    if (kw(r, r->i + 2) != HG_KW_FROM && (op(r, r->i + 2, ",") || op(r, r->i + 2, ")")))
        return 0; /* a column of that name */
    r->p->note[r->i - 1].mark = k == HG_KW_LEADING    ? HG_MARK_TRIM_LEADING
                                : k == HG_KW_TRAILING ? HG_MARK_TRIM_TRAILING
                                                      : HG_MARK_TRIM_BOTH;
    r->i += kw(r, r->i + 2) == HG_KW_FROM ? 2 : 1;
    return 0;
}

static int open_paren(rw_t *r)
{
    uint32_t open = r->i;
    call_t call = call_of(r);
    bool in_from = top(r)->clause == CLAUSE_FROM &&
                   (prev_kw(r) == HG_KW_FROM || prev_kw(r) == HG_KW_JOIN || prev_op(r, ",") || prev_op(r, "("));
    if (call == CALL_NONE && is_diff(r, open)) {
        call = CALL_DIFF;
        put_special(r, 'd', open);
    }
    put(r, open, "(");
    int rc = push(r, false, call);
    if (rc < 0) return rc;
    group_t *g = top(r);
    if (in_from) { /* nested brackets of FROM are in FROM too, until a SELECT says otherwise */
        g->clause = CLAUSE_FROM;
        if (holds_query(r, open) && r->p->match[open] != HG_NO_TOK) {
            uint32_t after = r->p->match[open] + 1;
            /* inside brackets that are themselves the query, an alias would be one too many */
            bool inner =
                r->depth >= 2 && !top(r)[-1].is_case && top(r)[-1].open == open - 1 && holds_query(r, open - 1);
            g->alias = !inner && !(kw(r, after) == HG_KW_AS || nameish(r, after));
        }
    }
    if (open > r->b->from && kw(r, open - 1) == HG_KW_EXTRACT) return extract_unit(r);
    if (call == CALL_TRIM) return trim_spec(r);
    return 0;
}

static int close_paren(rw_t *r)
{
    put(r, r->i, ")");
    while (r->depth > 0 && top(r)->is_case) pop(r); /* a CASE that was not closed; the grammar says so */
    if (r->depth == 0) return 0;
    group_t g = *top(r);
    pop(r);
    if (g.alias) put_special(r, 'g', r->i);
    if (g.call != CALL_DIFF) return 0;
    hg_ast_type_t *t = HG_ANEW(r->p->a, hg_ast_type_t);
    uint32_t i = r->i + 1, scale;
    int rc = hg_sql_interval_unit(r->p, &i, &t->unit, &scale);
    if (rc < 0) return rc;
    if (scale != 1) return hg_sql_unsupported(r->p, r->i + 1, i - 1, "A difference in weeks or quarters");
    t->kind = hg_sql_unit_kind(t->unit);
    t->precision = t->scale = -1;
    t->pos = hg_sql_span(r->p, r->i + 1, i - 1);
    r->p->note[g.open] = (hg_note_t){ .obj = t, .aux = i - 1, .mark = HG_MARK_DIFF };
    r->i = i - 1;
    return 0;
}

static int square(rw_t *r)
{
    if (op(r, r->i, "[")) {
        bool map = prev_kw(r) == HG_KW_MAP;
        put(r, r->i, map ? "(" : "[");
        return push(r, false, map ? CALL_MAP : CALL_NONE);
    }
    while (r->depth > 0 && top(r)->is_case) pop(r);
    bool map = r->depth > 0 && top(r)->call == CALL_MAP;
    put(r, r->i, map ? ")" : "]");
    if (r->depth > 0) pop(r);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ operators */

static int operator(rw_t *r)
{
    hg_str_t s = r->p->tok[r->i].text;
    char c = s.p[0];
    if (s.n == 1) {
        if (c == '(') return open_paren(r);
        if (c == ')') return close_paren(r);
        if (c == '[' || c == ']') return square(r);
        if (c == ',') {
            fresh_chain(r);
            if (top(r)->clause == CLAUSE_ON) top(r)->clause = CLAUSE_FROM;
        }
        if (c == '?') {
            put_node(r, literal(r, HG_E_PARAM, r->i, r->i, s));
            return 0;
        }
        bool star = c == '*' && (prev_kw(r) == HG_KW_SELECT || prev_kw(r) == HG_KW_DISTINCT || prev_op(r, ",") ||
                                 prev_op(r, ".") || prev_op(r, "("));
        if (star && (next_kw(r) == HG_KW_EXCLUDE || next_kw(r) == HG_KW_EXCEPT || next_kw(r) == HG_KW_REPLACE) &&
            op(r, r->i + 2, "("))
            return unsupported(r, r->i + 1, next_kw(r) == HG_KW_REPLACE ? "* REPLACE" : "* EXCLUDE");
        put(r, r->i, s.p);
        return star || c == ',' || c == '.' ? 0 : higher(r, &top(r)->chain);
    }
    if (hg_str_eqz(s, "=>")) return unsupported(r, r->i, "A named argument (=>)");
    if (hg_str_eqz(s, "->")) return unsupported(r, r->i, "A lambda expression (->)");
    /* Operators go under the name of one with the right precedence; the walker takes the spelling from the token. */
    put(r, r->i, hg_str_eqz(s, "||") ? "*" : hg_str_eqz(s, "<=>") ? "=" : hg_str_eqz(s, "!=") ? "<>" : s.p);
    int rc = higher(r, &top(r)->chain);
    return rc < 0 || !hg_str_eqz(s, "::") ? rc : put_type(r, r->i + 1);
}

/* ------------------------------------------------------------------------------------------------ keywords */

static void clause(rw_t *r, clause_t c, const char *text)
{
    fresh_chain(r);
    top(r)->clause = c;
    put(r, r->i, text);
}

static int select_word(rw_t *r)
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
        return encountered(r, HG_MIN(i, r->b->to), "an expression");
    return 0;
}

static int from_word(rw_t *r)
{
    group_t *g = top(r);
    if (g->call == CALL_SUBSTRING || g->call == CALL_OVERLAY) {
        fresh_chain(r);
        put(r, r->i, ",");
        return 0;
    }
    if (g->call == CALL_TRIM) {
        hg_note_t *note = &r->p->note[g->open - 1];
        if (note->mark == HG_MARK_NONE) note->mark = HG_MARK_TRIM_BOTH;
        put(r, r->i, ",");
        return 0;
    }
    if (prev_kw(r) == HG_KW_DISTINCT && r->i >= r->b->from + 2 &&
        (kw(r, r->i - 2) == HG_KW_IS || kw(r, r->i - 2) == HG_KW_NOT)) {
        put(r, r->i, "FROM");
        return 0;
    }
    r->height -= g->joins;
    g->joins = 0;
    clause(r, CLAUSE_FROM, "FROM");
    return 0;
}

/* JOIN and the words before it; a function when a bracket follows (LEFT, RIGHT). */
static int join_word(rw_t *r)
{
    hg_kw_t k = kw(r, r->i), next = next_kw(r);
    if (k == HG_KW_JOIN) {
        fresh_chain(r);
        top(r)->clause = CLAUSE_FROM;
        put(r, r->i, "JOIN");
        return higher(r, &top(r)->joins);
    }
    if ((k == HG_KW_LEFT || k == HG_KW_RIGHT) && next_op(r, "(")) {
        put_name(r, r->i);
        return 0;
    }
    if (next == HG_KW_ASOF) return unsupported(r, r->i + 1, "ASOF JOIN");
    if (next == HG_KW_SEMI || next == HG_KW_ANTI)
        return unsupported(r, r->i + 1, next == HG_KW_SEMI ? "SEMI JOIN" : "ANTI JOIN");
    if (next == HG_KW_APPLY) return unsupported(r, r->i + 1, k == HG_KW_CROSS ? "CROSS APPLY" : "OUTER APPLY");
    if (k == HG_KW_NATURAL) return unsupported(r, r->i, "NATURAL JOIN");
    put(r, r->i,
        k == HG_KW_LEFT    ? "LEFT"
        : k == HG_KW_RIGHT ? "RIGHT"
        : k == HG_KW_FULL  ? "FULL"
        : k == HG_KW_INNER ? "INNER"
        : k == HG_KW_CROSS ? "CROSS"
                           : "OUTER");
    return 0;
}

static int as_word(rw_t *r)
{
    put(r, r->i, "AS");
    if (top(r)->call == CALL_CAST) return put_type(r, r->i + 1);
    if (next_op(r, "(")) return 0; /* WITH x AS ( */
    if (!nameish(r, r->i + 1) && kind(r, r->i + 1) != HG_TOK_STRING)
        return encountered(r, HG_MIN(r->i + 1, r->b->to), "a name");
    put_name(r, ++r->i); /* AS 'alias' too */
    return 0;
}

static int group_word(rw_t *r)
{
    clause(r, CLAUSE_OTHER, "GROUP");
    if (next_kw(r) != HG_KW_BY) return 0;
    put(r, ++r->i, "BY");
    hg_kw_t k = next_kw(r);
    if (k == HG_KW_ALL) return hg_sql_unsupported(r->p, r->i - 1, r->i + 1, "GROUP BY ALL");
    if (k == HG_KW_DISTINCT) return hg_sql_unsupported(r->p, r->i - 1, r->i + 1, "GROUP BY DISTINCT");
    return 0;
}

static int order_word(rw_t *r)
{
    /* ORDER BY inside a call belongs to an aggregate */
    clause(r, CLAUSE_ORDER, "ORDER");
    if (next_kw(r) == HG_KW_BY) put(r, ++r->i, "BY");
    return 0;
}

static int nulls_word(rw_t *r)
{
    if (top(r)->clause != CLAUSE_ORDER || (next_kw(r) != HG_KW_FIRST && next_kw(r) != HG_KW_LAST)) {
        put_name(r, r->i);
        return 0;
    }
    put(r, r->i, "NULLS");
    r->i++;
    put(r, r->i, kw(r, r->i) == HG_KW_FIRST ? "FIRST" : "LAST");
    return 0;
}

/* LIMIT n, LIMIT skip, n */
static int limit_word(rw_t *r)
{
    clause(r, CLAUSE_OTHER, "LIMIT");
    if (kind(r, r->i + 1) != HG_TOK_INT || !op(r, r->i + 2, ",") || kind(r, r->i + 3) != HG_TOK_INT) return 0;
    uint32_t skip = r->i + 1;
    r->i += 3;
    plain_literal(r);
    put(r, skip, "OFFSET");
    uint32_t last = r->i;
    r->i = skip;
    plain_literal(r);
    r->i = last;
    return 0;
}

/* OFFSET n [ROW|ROWS] */
static int offset_word(rw_t *r)
{
    clause(r, CLAUSE_OTHER, "OFFSET");
    if (!is_literal(r, r->i + 1) || (kw(r, r->i + 2) != HG_KW_ROW && kw(r, r->i + 2) != HG_KW_ROWS)) return 0;
    r->i++;
    plain_literal(r);
    r->i++;
    return 0;
}

/* FETCH FIRST|NEXT n ROW|ROWS ONLY is LIMIT n */
static int fetch_word(rw_t *r)
{
    clause(r, CLAUSE_OTHER, "LIMIT");
    hg_kw_t k = next_kw(r);
    if (k != HG_KW_FIRST && k != HG_KW_NEXT) return encountered(r, HG_MIN(r->i + 1, r->b->to), "FIRST or NEXT");
    r->i += 2;
    if (kind(r, r->i) != HG_TOK_INT) return encountered(r, HG_MIN(r->i, r->b->to), "a whole number");
    plain_literal(r);
    r->i++;
    if (kw(r, r->i) != HG_KW_ROW && kw(r, r->i) != HG_KW_ROWS) return encountered(r, HG_MIN(r->i, r->b->to), "ROWS");
    r->i++;
    if (kw(r, r->i) != HG_KW_ONLY) return encountered(r, HG_MIN(r->i, r->b->to), "ONLY");
    return 0;
}

static int set_word(rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    clause(r, CLAUSE_OTHER, k == HG_KW_UNION ? "UNION" : k == HG_KW_INTERSECT ? "INTERSECT" : "EXCEPT");
    return higher(r, &top(r)->sets);
}

static int with_word(rw_t *r)
{
    if (next_kw(r) == HG_KW_ORDINALITY) {
        put(r, r->i, "WITH");
        put(r, ++r->i, "ORDINALITY");
        return 0;
    }
    if (next_kw(r) == HG_KW_RECURSIVE)
        return hg_sql_unsupported(r->p, r->i, r->i + 1,
                                  "WITH RECURSIVE (declare a recursive view with DECLARE RECURSIVE VIEW instead)");
    put(r, r->i, "WITH");
    return 0;
}

/* Words that only mean something behind a call: f(…) OVER, FILTER (, WITHIN GROUP, IGNORE NULLS. */
static int after_call_word(rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    if (prev_op(r, ")")) {
        if (k == HG_KW_OVER) {
            uint32_t open = r->p->match[r->i - 1];
            if (open != HG_NO_TOK && open > r->b->from && nameish(r, open - 1))
                return hg_sql_unsupported(r->p, open - 1, r->i, "Window function '" HG_SF "' (OVER)",
                                          HG_SA(r->p->tok[open - 1].text));
            return unsupported(r, r->i, "OVER (a window function)");
        }
        if (k == HG_KW_FILTER && next_op(r, "(")) {
            put(r, r->i, "FILTER");
            return 0;
        }
        if (k == HG_KW_WITHIN && (next_kw(r) == HG_KW_GROUP || next_kw(r) == HG_KW_DISTINCT))
            return unsupported(r, r->i + 1, next_kw(r) == HG_KW_GROUP ? "WITHIN GROUP" : "WITHIN DISTINCT");
        if ((k == HG_KW_IGNORE || k == HG_KW_RESPECT) && next_kw(r) == HG_KW_NULLS)
            return unsupported(r, r->i + 1, k == HG_KW_IGNORE ? "IGNORE NULLS" : "RESPECT NULLS");
    }
    put_name(r, r->i);
    return 0;
}

/* Constructs that are known by name and refused. The words are names wherever the construct cannot stand. */
static int refused_word(rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    uint32_t next = HG_MIN(r->i + 1, r->b->to);
    switch ((int)k) {
    case HG_KW_LATERAL:
        return unsupported(r, r->i, "LATERAL");
    case HG_KW_QUALIFY:
        return unsupported(r, r->i, "QUALIFY");
    case HG_KW_WINDOW:
        return unsupported(r, r->i, "The WINDOW clause");
    case HG_KW_TABLESAMPLE:
        return unsupported(r, r->i, "TABLESAMPLE");
    case HG_KW_MATCH_RECOGNIZE:
        return unsupported(r, r->i, "MATCH_RECOGNIZE");
    case HG_KW_COLLATE:
        return unsupported(r, r->i, "COLLATE");
    case HG_KW_FOR:
        return unsupported(r, r->i, "FOR");
    case HG_KW_DEFAULT:
        return unsupported(r, r->i, "DEFAULT as a value");
    case HG_KW_TABLE: {
        /* TABLE(f(…)), or TABLE t as an argument of f */
        uint32_t f = next_op(r, "(") ? r->i + 2 : r->depth > 0 && top(r)->open > r->b->from ? top(r)->open - 1 : next;
        if (f < r->b->from || f >= r->b->to || !nameish(r, f)) return encountered(r, r->i, NULL);
        return hg_sql_unsupported(r->p, HG_MIN(f, r->i), HG_MAX(f, r->i), "Table function '" HG_SF "'",
                                  HG_SA(r->p->tok[f].text));
    }
    case HG_KW_DESCRIPTOR:
        if (next_op(r, "(")) return unsupported(r, r->i, "DESCRIPTOR (a table function)");
        break;
    case HG_KW_PIVOT:
    case HG_KW_UNPIVOT:
        if (top(r)->clause == CLAUSE_FROM && next_op(r, "("))
            return unsupported(r, r->i, k == HG_KW_PIVOT ? "PIVOT" : "UNPIVOT");
        break;
    case HG_KW_ROLLUP:
    case HG_KW_CUBE:
        if (next_op(r, "(")) return unsupported(r, r->i, k == HG_KW_CUBE ? "CUBE" : "ROLLUP");
        break;
    case HG_KW_GROUPING:
        if (next_kw(r) == HG_KW_SETS) return unsupported(r, next, "GROUPING SETS");
        break;
    case HG_KW_SIMILAR:
        if (next_kw(r) == HG_KW_TO) return unsupported(r, next, "SIMILAR TO");
        break;
    case HG_KW_AT:
        if (next_kw(r) == HG_KW_TIME) return unsupported(r, next, "AT TIME ZONE");
        break;
    case HG_KW_OVERLAPS:
        if (prev_op(r, ")")) return unsupported(r, r->i, "OVERLAPS");
        break;
    default:
        break;
    }
    put_name(r, r->i);
    return 0;
}

static int array_word(rw_t *r)
{
    if (next_op(r, "(")) {
        if (op(r, r->i + 2, ")")) { /* ARRAY() */
            put(r, r->i, "ARRAY");
            put(r, r->i + 1, "[");
            put(r, r->i + 2, "]");
            r->i += 2;
            return 0;
        }
        if (holds_query(r, r->i + 1)) return unsupported(r, r->i, "ARRAY of a subquery");
        put_name(r, r->i);
        return 0;
    }
    put(r, r->i, "ARRAY");
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

static int keyword(rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    if (prev_op(r, ".") && !hg_kw_reserved(k)) {
        put_name(r, r->i);
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
        put(r, r->i, "CASE");
        return push(r, true, CALL_NONE);
    case HG_KW_END:
        put(r, r->i, "END");
        if (top(r)->is_case) pop(r);
        return 0;
    case HG_KW_NULL:
    case HG_KW_TRUE:
    case HG_KW_FALSE:
    case HG_KW_UNKNOWN:
        truth(r);
        return 0;
    case HG_KW_CAST:
        put(r, r->i, "CAST");
        return 0;
    case HG_KW_SAFE_CAST:
    case HG_KW_TRY_CAST:
        if (!next_op(r, "(")) break;
        r->p->note[r->i].mark = HG_MARK_SAFE;
        put(r, r->i, "CAST");
        return 0;
    case HG_KW_ARRAY:
        return array_word(r);
    case HG_KW_ROW:
        if (!next_op(r, "(")) break;
        put(r, r->i, "ROW");
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
        put(r, r->i, k == HG_KW_ASC ? "ASC" : "DESC");
        return 0;
    case HG_KW_ASOF:
        if (next_kw(r) == HG_KW_JOIN) return unsupported(r, r->i + 1, "ASOF JOIN");
        break;
    case HG_KW_SYMMETRIC:
    case HG_KW_ASYMMETRIC:
        if (prev_kw(r) != HG_KW_BETWEEN) break;
        put(r, r->i, k == HG_KW_SYMMETRIC ? "SYMMETRIC" : "ASYMMETRIC");
        return 0;
    case HG_KW_TO:
        if (top(r)->call != CALL_ROUND) break;
        if (kind(r, r->i + 1) != HG_TOK_IDENT)
            return encountered(r, HG_MIN(r->i + 1, r->b->to), "a unit such as DAY or HOUR");
        r->p->note[top(r)->open - 1] = (hg_note_t){ .mark = HG_MARK_ROUND_TO, .aux = r->i + 1 };
        r->i++;
        return 0;
    case HG_KW_PLACING:
        if (top(r)->call != CALL_OVERLAY) break;
        fresh_chain(r);
        put(r, r->i, ",");
        return 0;
    case HG_KW_FOR:
        if (top(r)->call != CALL_SUBSTRING && top(r)->call != CALL_OVERLAY) return refused_word(r);
        fresh_chain(r);
        put(r, r->i, ",");
        return 0;
    case HG_KW_IN:
        if (top(r)->call != CALL_POSITION) break;
        fresh_chain(r);
        put(r, r->i, ",");
        return 0;
    case HG_KW_CURRENT_DATE:
    case HG_KW_CURRENT_TIME:
    case HG_KW_CURRENT_TIMESTAMP:
    case HG_KW_LOCALTIME:
    case HG_KW_LOCALTIMESTAMP:
        if (next_op(r, "(") || prev_op(r, ".")) break;
        {
            hg_xexpr_t *e = literal(r, HG_E_CALL, r->i, r->i, r->p->tok[r->i].text);
            hg_name_t *n = HG_ANEW(r->p->a, hg_name_t);
            *n = hg_sql_name(r->p, r->i);
            e->e.names = n;
            e->e.n_names = 1;
            put_node(r, e);
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
        if (fresh) fresh_chain(r);
        put(r, r->i, text);
        return counts ? higher(r, &top(r)->chain) : 0;
    }
    if (hg_kw_reserved(k)) return encountered(r, r->i, NULL);
    put_name(r, r->i);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ all of it */

int hg_body_rewrite(hg_body_t *b, bool is_expr)
{
    rw_t rw, *r = &rw;
    r->b = b;
    r->p = b->p;
    r->depth = r->height = 0;
    r->rc = 0;
    r->stack[0] = (group_t){ .open = HG_NO_TOK };
    if (is_expr) put(r, b->from, "SELECT (");
    for (r->i = b->from; r->i < b->to; r->i++) {
        int rc = 0;
        if (is_literal(r, r->i))
            plain_literal(r);
        else if (kind(r, r->i) == HG_TOK_QIDENT)
            put_name(r, r->i);
        else if (kind(r, r->i) == HG_TOK_OP)
            rc = operator(r);
        else
            rc = keyword(r);
        if (rc < 0) return rc;
    }
    put(r, b->to, is_expr ? ")" : "");
    return r->rc < 0 ? hg_err_set(b->p->err, (hg_code_t)r->rc, "The statement needs too much memory to parse.") : 0;
}
