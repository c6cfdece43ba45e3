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
#include "sqlddl/rewrite_int.h"

/* ------------------------------------------------------------------------------------------------ writing */

void hg_rw_put(hg_rw_t *r, uint32_t tok, const char *text)
{
    hg_body_t *b = r->b;
    HG_APUSH(r->p->a, b->pieces, b->n_pieces, ((hg_piece_t){ (uint32_t)b->out.len, tok }));
    int rc = hg_buf_adds(&b->out, text);
    if (rc == 0) rc = hg_buf_addc(&b->out, ' ');
    if (rc < 0) r->rc = rc;
}

void hg_rw_name(hg_rw_t *r, uint32_t tok)
{
    char text[16];
    snprintf(text, sizeof text, "\"%" PRIu32 "\"", tok);
    hg_rw_put(r, tok, text);
}

/* A node that is ready made; parameters count from 1. */
void hg_rw_node(hg_rw_t *r, hg_xexpr_t *e)
{
    char text[16];
    r->p->note[e->t0].obj = e;
    snprintf(text, sizeof text, "$%" PRIu32, e->t0 + 1);
    hg_rw_put(r, e->t0, text);
}

void hg_rw_special(hg_rw_t *r, char letter, uint32_t tok)
{
    char text[16];
    snprintf(text, sizeof text, "\"%c%" PRIu32 "\"", letter, tok);
    hg_rw_put(r, tok, text);
}

/* Does the bracket at i hold a query (not a join, not an expression)? (( SELECT … ) UNION …) does, ((SELECT …) a JOIN
 * b) does not. Brackets nest at most HG_SQL_MAX_NEST deep in what we accept, so the walk to the innermost is short. */
bool hg_rw_holds_query(const hg_rw_t *r, uint32_t i)
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

int hg_rw_unsupported(hg_rw_t *r, uint32_t t1, const char *what)
{
    return hg_sql_unsupported(r->p, r->i, t1, "%s", what);
}
int hg_rw_encountered(hg_rw_t *r, uint32_t tok, const char *want)
{
    return hg_sql_encountered(r->p, tok, want);
}

/* ------------------------------------------------------------------------------------------------ height */

int hg_rw_higher(hg_rw_t *r, uint32_t *counter)
{
    (*counter)++;
    if (++r->height > HG_SQL_MAX_NEST)
        return hg_sql_bad(r->p, r->i, r->i, "The expression is nested too deeply (the limit is %d levels)",
                          HG_SQL_MAX_NEST);
    return 0;
}

void hg_rw_fresh_chain(hg_rw_t *r)
{
    r->height -= top(r)->chain;
    top(r)->chain = 0;
}

int hg_rw_push(hg_rw_t *r, bool is_case, call_t call)
{
    uint32_t one = 0;
    int rc = hg_rw_higher(r, &one);
    if (rc < 0) return rc;
    r->stack[++r->depth] = (hg_rw_group_t){ .open = r->i, .is_case = is_case, .call = call };
    return 0;
}

void hg_rw_pop(hg_rw_t *r)
{
    r->height -= top(r)->chain + top(r)->joins + top(r)->sets + 1;
    r->depth--;
}

/* ------------------------------------------------------------------------------------------------ types */

int hg_rw_type(hg_rw_t *r, uint32_t i)
{
    hg_ast_type_t *t;
    uint32_t after = i;
    if (i >= r->b->to) return hg_rw_encountered(r, r->b->to, "a type");
    int rc = hg_sql_type(r->p, &after, &t);
    if (rc < 0) return rc;
    if (after > r->b->to) return hg_rw_encountered(r, r->b->to, NULL);
    r->p->note[i].obj = t;
    r->p->note[i].aux = after - 1;
    hg_rw_special(r, 't', i);
    r->i = after - 1;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ brackets */

/* f(x)[1], ARRAY[1, 2][1]: PostgreSQL wants (f(x))[1]. The brackets that are put in go around the token in hand and the
 * close of its bracket, which is marked. */
static void wrap_subscripted(hg_rw_t *r)
{
    hg_kw_t k = kw(r, r->i);
    uint32_t open = r->i + 1;
    bool square = op(r, open, "[") && (k == HG_KW_ARRAY || k == HG_KW_MAP);
    bool call = op(r, open, "(") && (nameish(r, r->i) || k == HG_KW_CAST || k == HG_KW_LEFT || k == HG_KW_RIGHT) &&
                !prev_op(r, ".");
    if ((!square && !call) || r->p->match[open] == HG_NO_TOK || !op(r, r->p->match[open] + 1, "[")) return;
    hg_rw_put(r, r->i, "(");
    r->p->note[r->p->match[open]].mark = HG_MARK_WRAPPED;
}

static void end_wrapped(hg_rw_t *r)
{
    if (r->p->note[r->i].mark == HG_MARK_WRAPPED) hg_rw_put(r, r->i, ")");
}

/* Does token i bind its operands looser than a subtraction, or separate expressions? */
static bool looser(const hg_rw_t *r, uint32_t i)
{
    static const char *const ops[] = { ",", "=", "<>", "!=", "<", "<=", ">", ">=", "<=>" };
    for (size_t k = 0; k < HG_COUNT(ops); k++)
        if (op(r, i, ops[k])) return true;
    switch ((int)kw(r, i)) {
    case HG_KW_AND:
    case HG_KW_OR:
    case HG_KW_NOT:
    case HG_KW_IS:
    case HG_KW_IN:
    case HG_KW_LIKE:
    case HG_KW_ILIKE:
    case HG_KW_RLIKE:
    case HG_KW_BETWEEN:
        return true;
    default:
        return starts_query(kw(r, i));
    }
}

/* (a - b) UNIT: an expression in brackets whose last operation at its level is a subtraction, followed by a unit. */
static bool is_diff(const hg_rw_t *r, uint32_t i)
{
    const hg_sql_t *p = r->p;
    uint32_t close = p->match[i];
    if (close == HG_NO_TOK || !hg_sql_is_unit(p, close + 1) || close + 1 >= r->b->to) return false;
    if (i > r->b->from && (nameish(r, i - 1) || op(r, i - 1, ")") || op(r, i - 1, "]"))) return false;
    bool minus = false;
    for (uint32_t k = i + 1; k < close; k++) {
        if (looser(r, k)) return false;
        bool binary = k > i + 1 && (p->tok[k - 1].kind != HG_TOK_OP || op(r, k - 1, ")") || op(r, k - 1, "]"));
        if (binary && (op(r, k, "-") || op(r, k, "+"))) minus = op(r, k, "-"); /* the last one is done last */
        if (p->match[k] != HG_NO_TOK && p->match[k] > k) k = p->match[k];
    }
    return minus;
}

static call_t call_of(const hg_rw_t *r)
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
static int extract_unit(hg_rw_t *r)
{
    if (kind(r, r->i + 1) != HG_TOK_IDENT || !nameish(r, r->i + 1))
        return hg_rw_encountered(r, HG_MIN(r->i + 1, r->b->to), "a unit such as DAY or HOUR");
    if (kw(r, r->i + 2) != HG_KW_FROM) return hg_rw_encountered(r, HG_MIN(r->i + 2, r->b->to), "FROM");
    hg_note_t *note = &r->p->note[r->i - 1];
    note->mark = HG_MARK_EXTRACT;
    note->aux = r->i + 1;
    r->i += 2;
    return 0;
}

/* TRIM( [BOTH|LEADING|TRAILING] [chars] FROM s ): the token in hand is the bracket. The mark is set when FROM comes. */
static int trim_spec(hg_rw_t *r)
{
    hg_kw_t k = next_kw(r);
    if (k != HG_KW_BOTH && k != HG_KW_LEADING && k != HG_KW_TRAILING) return 0;
    if (kw(r, r->i + 2) != HG_KW_FROM && (op(r, r->i + 2, ",") || op(r, r->i + 2, ")")))
        return 0; /* a column of that name */
    r->p->note[r->i - 1].mark = k == HG_KW_LEADING    ? HG_MARK_TRIM_LEADING
                                : k == HG_KW_TRAILING ? HG_MARK_TRIM_TRAILING
                                                      : HG_MARK_TRIM_BOTH;
    bool from = kw(r, r->i + 2) == HG_KW_FROM;
    top(r)->stage = from ? 1 : 0;
    r->i += from ? 2 : 1;
    return 0;
}

static int open_paren(hg_rw_t *r)
{
    uint32_t open = r->i;
    call_t call = call_of(r);
    bool in_from = top(r)->clause == CLAUSE_FROM &&
                   (prev_kw(r) == HG_KW_FROM || prev_kw(r) == HG_KW_JOIN || prev_op(r, ",") || prev_op(r, "("));
    if (call == CALL_NONE && is_diff(r, open)) {
        call = CALL_DIFF;
        hg_rw_special(r, 'd', open);
    }
    if (in_from && nameish(r, open + 1) && r->p->match[open] == open + 2)
        r->p->note[open + 2].mark = HG_MARK_DROPPED; /* FROM (t): PostgreSQL has no brackets around one table */
    else
        hg_rw_put(r, open, "(");
    int rc = hg_rw_push(r, false, call);
    if (rc < 0) return rc;
    hg_rw_group_t *g = top(r);
    if (in_from) { /* nested brackets of FROM are in FROM too, until a SELECT says otherwise */
        g->clause = CLAUSE_FROM;
        if (hg_rw_holds_query(r, open) && r->p->match[open] != HG_NO_TOK) {
            uint32_t after = r->p->match[open] + 1;
            /* inside brackets that are themselves the query, an alias would be one too many */
            bool inner =
                r->depth >= 2 && !top(r)[-1].is_case && top(r)[-1].open == open - 1 && hg_rw_holds_query(r, open - 1);
            g->alias = !inner && !(kw(r, after) == HG_KW_AS || nameish(r, after));
        }
    }
    if (open > r->b->from && kw(r, open - 1) == HG_KW_EXTRACT) return extract_unit(r);
    if (call == CALL_TRIM) return trim_spec(r);
    return 0;
}

static int close_paren(hg_rw_t *r)
{
    if (r->p->note[r->i].mark != HG_MARK_DROPPED) hg_rw_put(r, r->i, ")");
    end_wrapped(r);
    while (r->depth > 0 && top(r)->is_case) hg_rw_pop(r); /* a CASE that was not closed; the grammar says so */
    if (r->depth == 0) return 0;
    hg_rw_group_t g = *top(r);
    if (g.call == CALL_TRIM && g.stage == 0 && r->p->note[g.open - 1].mark != HG_MARK_NONE)
        return hg_rw_encountered(r, r->i, "FROM");
    hg_rw_pop(r);
    if (g.alias) hg_rw_special(r, 'g', r->i);
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

static int square(hg_rw_t *r)
{
    if (op(r, r->i, "[")) {
        bool map = prev_kw(r) == HG_KW_MAP;
        hg_rw_put(r, r->i, map ? "(" : "[");
        if (!map && prev_kw(r) != HG_KW_ARRAY) { /* a[1][2] puts one on top of the other */
            int rc = hg_rw_higher(r, &top(r)->chain);
            if (rc < 0) return rc;
        }
        return hg_rw_push(r, false, map ? CALL_MAP : CALL_NONE);
    }
    while (r->depth > 0 && top(r)->is_case) hg_rw_pop(r);
    bool map = r->depth > 0 && top(r)->call == CALL_MAP;
    hg_rw_put(r, r->i, map ? ")" : "]");
    end_wrapped(r);
    if (r->depth > 0) hg_rw_pop(r);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ operators */

static int operator(hg_rw_t *r)
{
    hg_str_t s = r->p->tok[r->i].text;
    char c = s.p[0];
    if (s.n == 1) {
        if (c == '(') return open_paren(r);
        if (c == ')') return close_paren(r);
        if (c == '[' || c == ']') return square(r);
        if (c == ',') {
            call_t call = top(r)->call;
            bool worded = call == CALL_SUBSTRING || call == CALL_OVERLAY || call == CALL_POSITION || call == CALL_TRIM;
            bool trim_word = call == CALL_TRIM && r->p->note[top(r)->open - 1].mark != HG_MARK_NONE;
            if (trim_word || (worded && top(r)->stage > 0 && top(r)->stage < COMMA_STAGE))
                return hg_rw_encountered(r, r->i, NULL);
            top(r)->stage = COMMA_STAGE;
            hg_rw_fresh_chain(r);
            if (top(r)->clause == CLAUSE_ON) top(r)->clause = CLAUSE_FROM;
        }
        if (c == '?') {
            hg_rw_node(r, hg_rw_literal(r, HG_E_PARAM, r->i, r->i, s));
            return 0;
        }
        bool star = c == '*' && (prev_kw(r) == HG_KW_SELECT || prev_kw(r) == HG_KW_DISTINCT || prev_op(r, ",") ||
                                 prev_op(r, ".") || prev_op(r, "("));
        if (star && (next_kw(r) == HG_KW_EXCLUDE || next_kw(r) == HG_KW_EXCEPT || next_kw(r) == HG_KW_REPLACE) &&
            op(r, r->i + 2, "("))
            return hg_rw_unsupported(r, r->i + 1, next_kw(r) == HG_KW_REPLACE ? "* REPLACE" : "* EXCLUDE");
        hg_rw_put(r, r->i, s.p);
        return star || c == ',' || c == '.' ? 0 : hg_rw_higher(r, &top(r)->chain);
    }
    if (hg_str_eqz(s, "=>")) return hg_rw_unsupported(r, r->i, "A named argument (=>)");
    if (hg_str_eqz(s, "->")) return hg_rw_unsupported(r, r->i, "A lambda expression (->)");
    /* Operators go under the name of one with the right precedence; the walker takes the spelling from the token. */
    hg_rw_put(r, r->i, hg_str_eqz(s, "||") ? "*" : hg_str_eqz(s, "<=>") ? "=" : hg_str_eqz(s, "!=") ? "<>" : s.p);
    int rc = hg_rw_higher(r, &top(r)->chain);
    return rc < 0 || !hg_str_eqz(s, "::") ? rc : hg_rw_type(r, r->i + 1);
}

/* ------------------------------------------------------------------------------------------------ all of it */

int hg_body_rewrite(hg_body_t *b, bool is_expr)
{
    hg_rw_t rw, *r = &rw;
    r->b = b;
    r->p = b->p;
    r->depth = r->height = 0;
    r->rc = 0;
    r->stack[0] = (hg_rw_group_t){ .open = HG_NO_TOK };
    if (is_expr) hg_rw_put(r, b->from, "SELECT (");
    for (r->i = b->from; r->i < b->to; r->i++) {
        int rc = 0;
        if (kind(r, r->i) != HG_TOK_OP) wrap_subscripted(r);
        if (is_literal(r, r->i))
            hg_rw_plain_literal(r);
        else if (kind(r, r->i) == HG_TOK_QIDENT)
            hg_rw_name(r, r->i);
        else if (kind(r, r->i) == HG_TOK_OP)
            rc = operator(r);
        else
            rc = hg_rw_keyword(r);
        if (rc < 0) return rc;
    }
    hg_rw_put(r, b->to, is_expr ? ")" : "");
    return r->rc < 0 ? hg_err_set(b->p->err, (hg_code_t)r->rc, "The statement needs too much memory to parse.") : 0;
}
