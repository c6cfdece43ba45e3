/* walk_expr.c: libpg_query's expressions → ours. Every node gets its tokens [t0, t1], from which its position follows:
 * those of its own words, its operands' (with the brackets around them), and the bracket that closes it.
 *
 * Recursion is bounded by HG_SQL_MAX_NEST, which rewrite.c enforced.
 */
#include "base/hg.h"
#include "sqlddl/body_int.h"

hg_xexpr_t *hg_xexpr_new(hg_sql_t *p, hg_ast_ekind_t kind, uint32_t t0, uint32_t t1)
{
    hg_xexpr_t *e = HG_ANEW(p->a, hg_xexpr_t);
    e->e.kind = kind;
    e->e.text = HG_S("");
    e->t0 = t0;
    e->t1 = t1;
    e->e.pos = hg_sql_span(p, t0, t1);
    return e;
}

static void set_range(hg_sql_t *p, hg_xexpr_t *e, uint32_t t0, uint32_t t1)
{
    e->t0 = t0;
    e->t1 = t1;
    e->e.pos = hg_sql_span(p, t0, t1);
}

void hg_walk_wrap(const hg_sql_t *p, uint32_t *t0, uint32_t *t1)
{
    while (*t0 > 0 && hg_is_op(p, *t0 - 1, "(") && p->match[*t0 - 1] == *t1 + 1) {
        (*t0)--;
        (*t1)++;
    }
}

/* ------------------------------------------------------------------------------------------------ names */

static bool number(hg_pb_t text, uint32_t *ret)
{
    uint64_t v;
    if (hg_str_u64((hg_str_t){ (const char *)text.p, (size_t)(text.end - text.p) }, &v) < 0 || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* A placeholder with a letter before its number: "t17". */
static bool special(hg_pb_t text, char letter, uint32_t *ret)
{
    if (text.p >= text.end || *text.p != (uint8_t)letter) return false;
    text.p++;
    return number(text, ret);
}

bool hg_walk_name(hg_body_t *b, hg_pb_t text, uint32_t near, hg_name_t *ret, uint32_t *ret_tok)
{
    uint32_t tok;
    if (number(text, &tok)) {
        *ret = hg_sql_name(b->p, tok);
        if (ret_tok) *ret_tok = tok;
        return true;
    }
    hg_str_t word = { (const char *)text.p, (size_t)(text.end - text.p) };
    for (tok = near; tok < b->to; tok++)
        if (b->p->tok[tok].kind == HG_TOK_IDENT && hg_str_ieq(b->p->tok[tok].text, word)) break;
    hg_sql_encountered(b->p, HG_MIN(tok, b->to), NULL);
    return false;
}

bool hg_walk_name_node(hg_body_t *b, hg_pb_t node, uint32_t near, hg_name_t *ret, uint32_t *ret_tok)
{
    hg_pb_t s = { 0 };
    hg_pbf_t f = { 0 };
    if (hg_pg_node(node, &s) != PG_STRING || !hg_pb_next(&s, &f)) {
        hg_sql_encountered(b->p, near, NULL);
        return false;
    }
    return hg_walk_name(b, f.sub, near, ret, ret_tok);
}

/* ------------------------------------------------------------------------------------------------ lists */

typedef struct {
    const hg_ast_expr_t **v;
    uint32_t n;
} exprs_t;

static bool add(hg_body_t *b, exprs_t *list, hg_pb_t node, hg_xexpr_t **ret)
{
    hg_xexpr_t *e = hg_walk_expr(b, node);
    if (!e) return false;
    HG_APUSH(b->p->a, list->v, list->n, &e->e);
    if (ret) *ret = e;
    return true;
}

static void set_args(hg_xexpr_t *e, const exprs_t *list)
{
    e->e.args = list->v;
    e->e.n_args = list->n;
}

static const hg_xexpr_t *x(const hg_ast_expr_t *e)
{
    return (const hg_xexpr_t *)(const void *)e;
}

/* From the first to the last operand, with the brackets each stands in. */
static hg_xexpr_t *operands(hg_body_t *b, hg_ast_ekind_t kind, const exprs_t *list, uint32_t t0, uint32_t t1)
{
    for (uint32_t i = 0; i < list->n; i++) {
        uint32_t a0 = x(list->v[i])->t0, a1 = x(list->v[i])->t1;
        hg_walk_wrap(b->p, &a0, &a1);
        t0 = HG_MIN(t0, a0);
        t1 = HG_MAX(t1, a1);
    }
    hg_xexpr_t *e = hg_xexpr_new(b->p, kind, t0, t1);
    set_args(e, list);
    return e;
}

/* The bracket that closes the first one at or behind token i. */
static uint32_t closing(const hg_body_t *b, uint32_t i)
{
    const hg_sql_t *p = b->p;
    while (i < b->to && !((hg_is_op(p, i, "(") || hg_is_op(p, i, "[")) && p->match[i] != HG_NO_TOK)) i++;
    return i < b->to ? p->match[i] : b->to - 1;
}

static hg_xexpr_t *refuse(hg_body_t *b, uint32_t t0, uint32_t t1, const char *what)
{
    hg_sql_unsupported(b->p, t0, t1, "%s", what);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ the kinds */

static hg_xexpr_t *column_ref(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    hg_name_t *names = NULL, one;
    uint32_t n = 0, tok = b->from, first = HG_NO_TOK, last = b->from;
    bool star = false;
    hg_pb_t unused;
    for (hg_pb_t l = m; hg_pb_next(&l, &f);)
        if (f.num == 2) tok = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    while (hg_pb_next(&m, &f)) {
        if (f.num != 1) continue;
        if (hg_pg_node(f.sub, &unused) == PG_A_STAR) {
            star = true;
            continue;
        }
        if (!hg_walk_name_node(b, f.sub, tok, &one, &last)) return NULL;
        if (first == HG_NO_TOK) first = last;
        HG_APUSH(b->p->a, names, n, one);
    }
    if (n == 0)
        first = last = tok; /* * */
    else if (star)
        last += 2; /* t . * */
    hg_xexpr_t *e = hg_xexpr_new(b->p, star ? HG_E_STAR : HG_E_COLUMN, first, last);
    e->e.names = names;
    e->e.n_names = n;
    return e;
}

static hg_xexpr_t *param_ref(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    uint32_t n = 0;
    while (hg_pb_next(&m, &f))
        if (f.num == 1) n = (uint32_t)f.v;
    HG_ASSERT(n > b->from && n <= b->to && b->p->note[n - 1].obj); /* we wrote it */
    hg_xexpr_t *e = HG_ANEW(b->p->a, hg_xexpr_t);
    *e = *(const hg_xexpr_t *)b->p->note[n - 1].obj;
    return e;
}

/* Operators that have a word, by the token that libpg_query names as the place. */
static hg_xexpr_t *like(hg_body_t *b, exprs_t *args, hg_pb_t right, uint32_t at)
{
    hg_pbf_t f;
    hg_pb_t call;
    bool negated = hg_kw_at(b->p, at) == HG_KW_NOT;
    hg_kw_t word = hg_kw_at(b->p, at + (negated ? 1 : 0));
    hg_pb_t pattern = right;
    /* with ESCAPE: like_escape(pattern, escape), a name that we never write ourselves */
    if (hg_pg_node(right, &call) == PG_FUNC_CALL) {
        uint32_t names = 0;
        for (hg_pb_t c = call; hg_pb_next(&c, &f);)
            if (f.num == 1) names++;
        if (names == 2) {
            for (hg_pb_t c = call; hg_pb_next(&c, &f);)
                if (f.num == 2 && !add(b, args, f.sub, NULL)) return NULL;
            pattern = (hg_pb_t){ 0 };
        }
    }
    if (pattern.p && !add(b, args, pattern, NULL)) return NULL;
    hg_xexpr_t *e = operands(b, HG_E_OP, args, at, at);
    e->e.text = word == HG_KW_RLIKE   ? (negated ? HG_S("not rlike") : HG_S("rlike"))
                : word == HG_KW_ILIKE ? (negated ? HG_S("not ilike") : HG_S("ilike"))
                                      : (negated ? HG_S("not like") : HG_S("like"));
    return e;
}

/* A List node's items. */
static bool add_list(hg_body_t *b, exprs_t *args, hg_pb_t node)
{
    hg_pb_t list;
    hg_pbf_t f;
    if (hg_pg_node(node, &list) != PG_LIST) return add(b, args, node, NULL);
    while (hg_pb_next(&list, &f))
        if (f.num == 1 && !add(b, args, f.sub, NULL)) return false;
    return true;
}

enum {
    OP_OP = 1,
    OP_ANY,
    OP_ALL,
    OP_DISTINCT,
    OP_NOT_DISTINCT,
    OP_NULLIF,
    OP_IN,
    OP_LIKE,
    OP_ILIKE,
    OP_SIMILAR,
    OP_BETWEEN,
    OP_NOT_BETWEEN,
    OP_BETWEEN_SYM,
    OP_NOT_BETWEEN_SYM
};

static hg_xexpr_t *a_expr(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    uint32_t kind = 0, at = b->from;
    hg_pb_t left = { 0 }, right = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1)
            kind = (uint32_t)f.v;
        else if (f.num == 3)
            left = f.sub;
        else if (f.num == 4)
            right = f.sub;
        else if (f.num == 5)
            at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    exprs_t args = { 0 };
    hg_xexpr_t *e;
    if (left.p && !add(b, &args, left, NULL)) return NULL;
    switch (kind) {
    case OP_OP: {
        hg_str_t text = b->p->tok[at].text;
        if (!add(b, &args, right, NULL)) return NULL;
        e = operands(b, HG_E_OP, &args, at, at);
        if (args.n == 1 && hg_str_eqz(text, "+")) {
            hg_ast_ekind_t k = x(args.v[0])->e.kind;
            if (k == HG_E_INT || k == HG_E_DECIMAL || k == HG_E_FLOAT) { /* a sign that says nothing */
                hg_xexpr_t *plain = HG_ANEW(b->p->a, hg_xexpr_t);
                *plain = *x(args.v[0]);
                set_range(b->p, plain, e->t0, e->t1);
                return plain;
            }
            e->e.text = text;
            return e;
        }
        e->e.text = args.n == 1 ? HG_S("neg") : hg_str_eqz(text, "!=") ? HG_S("<>") : text;
        return e;
    }
    case OP_DISTINCT:
    case OP_NOT_DISTINCT:
        if (!add(b, &args, right, NULL)) return NULL;
        e = operands(b, HG_E_OP, &args, at, at);
        e->e.text = kind == OP_DISTINCT ? HG_S("is distinct from") : HG_S("is not distinct from");
        return e;
    case OP_IN:
        if (!add_list(b, &args, right)) return NULL;
        e = operands(b, HG_E_IN, &args, at, closing(b, at));
        e->e.negated = hg_kw_at(b->p, at) == HG_KW_NOT;
        return e;
    case OP_LIKE:
    case OP_ILIKE:
        return like(b, &args, right, at);
    case OP_BETWEEN:
    case OP_NOT_BETWEEN:
    case OP_BETWEEN_SYM:
    case OP_NOT_BETWEEN_SYM:
        if (!add_list(b, &args, right)) return NULL;
        e = operands(b, HG_E_BETWEEN, &args, at, at);
        e->e.negated = kind == OP_NOT_BETWEEN || kind == OP_NOT_BETWEEN_SYM;
        e->e.text = kind == OP_BETWEEN_SYM || kind == OP_NOT_BETWEEN_SYM ? HG_S("symmetric") : HG_S("");
        return e;
    case OP_ANY:
        return refuse(b, at, closing(b, at), "ANY over an array");
    case OP_ALL:
        return refuse(b, at, closing(b, at), "ALL over an array");
    default:
        return refuse(b, at, at, "This operator");
    }
}

static hg_xexpr_t *bool_expr(hg_body_t *b, hg_pb_t m)
{
    static const hg_ast_ekind_t kinds[] = { HG_E_AND, HG_E_AND, HG_E_OR, HG_E_NOT };
    hg_pbf_t f;
    uint32_t kind = 0, at = b->from;
    exprs_t args = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 2)
            kind = (uint32_t)f.v & 3;
        else if (f.num == 3 && !add(b, &args, f.sub, NULL))
            return NULL;
        else if (f.num == 4)
            at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    return operands(b, kinds[kind], &args, at, at);
}

/* IS [NOT] NULL, TRUE …: `at` is IS; the words behind it are few and known. */
static hg_xexpr_t *is_test(hg_body_t *b, hg_pb_t m, bool null_test)
{
    hg_pbf_t f;
    uint32_t at = b->from;
    exprs_t args = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 2 && !add(b, &args, f.sub, NULL)) return NULL;
        if (f.num == (null_test ? 5 : 4)) at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    bool negated = hg_kw_at(b->p, at + 1) == HG_KW_NOT;
    uint32_t word = at + (negated ? 2 : 1);
    hg_xexpr_t *e = operands(b, null_test ? HG_E_IS_NULL : HG_E_IS_BOOL, &args, at, word);
    e->e.negated = negated;
    if (!null_test) e->e.text = b->p->tok[word].text;
    return e;
}

static hg_xexpr_t *case_expr(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f, g;
    uint32_t at = b->from;
    exprs_t args = { 0 };
    hg_xexpr_t *e = hg_xexpr_new(b->p, HG_E_CASE, at, at);
    while (hg_pb_next(&m, &f)) {
        hg_pb_t when;
        if (f.num == 4) {
            e->e.has_operand = true;
            if (!add(b, &args, f.sub, NULL)) return NULL;
        } else if (f.num == 5 && hg_pg_node(f.sub, &when) == PG_CASE_WHEN) {
            while (hg_pb_next(&when, &g))
                if ((g.num == 2 || g.num == 3) && !add(b, &args, g.sub, NULL)) return NULL;
        } else if (f.num == 6) {
            e->e.has_else = true;
            if (!add(b, &args, f.sub, NULL)) return NULL;
        } else if (f.num == 7) {
            at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
        }
    }
    set_args(e, &args);
    uint32_t end = args.n ? x(args.v[args.n - 1])->t1 + 1 : at;
    while (end < b->to && hg_kw_at(b->p, end) != HG_KW_END) end++;
    set_range(b->p, e, at, HG_MIN(end, b->to - 1));
    return e;
}

static hg_xexpr_t *type_cast(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f, g;
    uint32_t at = b->from, type = HG_NO_TOK;
    exprs_t args = { 0 };
    while (hg_pb_next(&m, &f)) {
        hg_pb_t s, type_name = f.sub;
        if (f.num == 1 && !add(b, &args, f.sub, NULL)) return NULL;
        if (f.num == 3) at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
        while (f.num == 2 && hg_pb_next(&type_name, &g)) {
            hg_pbf_t name;
            if (g.num == 1 && hg_pg_node(g.sub, &s) == PG_STRING && hg_pb_next(&s, &name))
                special(name.sub, 't', &type);
        }
    }
    if (type == HG_NO_TOK || args.n != 1) return refuse(b, at, at, "This cast");
    bool colons = hg_is_op(b->p, at, "::");
    hg_xexpr_t *e = colons ? operands(b, HG_E_CAST, &args, at, b->p->note[type].aux)
                           : hg_xexpr_new(b->p, HG_E_CAST, at, closing(b, at));
    set_args(e, &args);
    e->e.type = b->p->note[type].obj;
    e->e.safe = b->p->note[at].mark == HG_MARK_SAFE;
    return e;
}

/* (a - b) DAY came as d17(a - b). */
static hg_xexpr_t *diff(hg_body_t *b, uint32_t paren, const exprs_t *args)
{
    const hg_note_t *note = &b->p->note[paren];
    const hg_ast_type_t *t = note->obj;
    const hg_ast_expr_t *sub = args->n == 1 ? args->v[0] : NULL;
    if (!sub || sub->kind != HG_E_OP || sub->n_args != 2 || !hg_str_eqz(sub->text, "-")) {
        hg_sql_encountered(b->p, b->p->match[paren] + 1, NULL);
        return NULL;
    }
    hg_xexpr_t *e = hg_xexpr_new(b->p, HG_E_DIFF, paren, note->aux);
    e->e.args = sub->args;
    e->e.n_args = sub->n_args;
    e->e.type = t;
    e->e.text = hg_strz(hg_sql_unit_text(t->unit));
    return e;
}

static hg_xexpr_t *finish_call(hg_body_t *b, hg_xexpr_t *e, uint32_t name, exprs_t *args)
{
    hg_sql_t *p = b->p;
    const hg_note_t *note = &p->note[name];
    hg_name_t *n = HG_ANEW(p->a, hg_name_t);
    *n = hg_sql_name(p, name);
    e->e.names = n;
    e->e.n_names = 1;
    e->e.text = hg_sql_fold(p->a, n->name);
    switch (note->mark) {
    case HG_MARK_EXTRACT:
    case HG_MARK_ROUND_TO:
        if (args->n != 1) {
            hg_sql_encountered(p, note->aux, NULL);
            return NULL;
        }
        e->e.kind = note->mark == HG_MARK_EXTRACT ? HG_E_EXTRACT : HG_E_FLOOR_TO;
        e->e.text = hg_sql_time_unit(p, note->aux);
        break;
    case HG_MARK_TRIM_BOTH:
    case HG_MARK_TRIM_LEADING:
    case HG_MARK_TRIM_TRAILING:
        e->e.text = note->mark == HG_MARK_TRIM_BOTH      ? HG_S("trim")
                    : note->mark == HG_MARK_TRIM_LEADING ? HG_S("ltrim")
                                                         : HG_S("rtrim");
        if (args->n == 2) { /* the characters were written first */
            const hg_ast_expr_t *chars = args->v[0];
            args->v[0] = args->v[1];
            args->v[1] = chars;
        }
        break;
    default:
        break;
    }
    set_args(e, args);
    return e;
}

static hg_xexpr_t *func_call(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f, g;
    uint32_t at = b->from, n_names = 0, paren;
    hg_pb_t filter = { 0 }, s, name = { 0 };
    exprs_t args = { 0 };
    bool ordered = false, star = false, distinct = false, variadic = false;
    while (hg_pb_next(&m, &f)) {
        switch (f.num) {
        case 1:
            if (n_names++ == 0 && hg_pg_node(f.sub, &s) == PG_STRING && hg_pb_next(&s, &g)) name = g.sub;
            break;
        case 2:
            if (!add(b, &args, f.sub, NULL)) return NULL;
            break;
        case 3:
            ordered = true;
            break;
        case 4:
            filter = f.sub;
            break;
        case 7:
            star = true;
            break;
        case 8:
            distinct = true;
            break;
        case 9:
            variadic = true;
            break;
        case 11:
            at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
            break;
        default:
            break;
        }
    }
    if (special(name, 'd', &paren)) return diff(b, paren, &args);
    hg_name_t unused;
    uint32_t tok;
    if (!hg_walk_name(b, name, at, &unused, &tok)) return NULL;
    uint32_t close = closing(b, tok + 1);
    if (n_names != 1) return refuse(b, at, close, "A function name with a dot");
    if (ordered) return refuse(b, at, close, "ORDER BY inside an aggregate");
    if (variadic) return refuse(b, at, close, "VARIADIC");
    hg_xexpr_t *e = finish_call(b, hg_xexpr_new(b->p, HG_E_CALL, tok, close), tok, &args);
    if (!e) return NULL;
    e->e.star = star;
    e->e.distinct = distinct;
    if (filter.p) {
        hg_xexpr_t *w = hg_walk_expr(b, filter);
        if (!w) return NULL;
        e->e.filter = &w->e;
        set_range(b->p, e, tok, closing(b, close + 1));
    }
    return e;
}

static hg_xexpr_t *sub_link(hg_body_t *b, hg_pb_t m)
{
    enum { EXISTS = 1, ALL, ANY, ROWCOMPARE, EXPR, MULTI, ARRAY };
    hg_pbf_t f;
    uint32_t kind = 0, at = b->from;
    exprs_t args = { 0 };
    bool op = false;
    hg_pb_t query = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 2)
            kind = (uint32_t)f.v;
        else if (f.num == 4 && !add(b, &args, f.sub, NULL))
            return NULL;
        else if (f.num == 5)
            op = true;
        else if (f.num == 6)
            query = f.sub;
        else if (f.num == 7)
            at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    hg_xquery_t *q = hg_walk_query(b, query);
    if (!q) return NULL;
    uint32_t q0 = q->t0, q1 = q->t1;
    hg_walk_wrap(b->p, &q0, &q1);
    hg_xexpr_t *e = operands(b, HG_E_SUBQUERY, &args, HG_MIN(at, q0), q1);
    e->e.query = &q->q;
    e->e.text = kind == EXISTS ? HG_S("exists")
                : kind == ALL  ? HG_S("all")
                : kind == ANY  ? (op ? HG_S("any") : HG_S("in"))
                               : HG_S("scalar");
    return e;
}

/* ROW(a, b), (a, b) */
static hg_xexpr_t *row_expr(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    uint32_t at = b->from;
    exprs_t args = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 2 && !add(b, &args, f.sub, NULL)) return NULL;
        if (f.num == 6) at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    hg_xexpr_t *e = hg_xexpr_new(b->p, HG_E_CALL, at, closing(b, at));
    e->e.text = HG_S("row");
    set_args(e, &args);
    return e;
}

static hg_xexpr_t *array_expr(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    uint32_t at = b->from;
    exprs_t args = { 0 };
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1 && !add(b, &args, f.sub, NULL)) return NULL;
        if (f.num == 2) at = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    hg_xexpr_t *e = hg_xexpr_new(b->p, HG_E_ARRAY, at, closing(b, at));
    set_args(e, &args);
    return e;
}

/* a[1][2]: one SUBSCRIPT around another; (a).b[1]: FIELD inside SUBSCRIPT. */
static hg_xexpr_t *indirection(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f, g;
    hg_xexpr_t *e = NULL;
    while (hg_pb_next(&m, &f)) {
        hg_pb_t sub;
        if (f.num == 1) {
            e = hg_walk_expr(b, f.sub);
            if (!e) return NULL;
            uint32_t t0 = e->t0, t1 = e->t1;
            hg_walk_wrap(b->p, &t0, &t1);
            hg_xexpr_t *outer = HG_ANEW(b->p->a, hg_xexpr_t);
            *outer = *e;
            outer->t0 = t0;
            outer->t1 = t1;
            e = outer;
            continue;
        }
        if (f.num != 2 || !e) continue;
        uint32_t kind = hg_pg_node(f.sub, &sub);
        if (kind == PG_A_STAR) return refuse(b, e->t0, e->t1, "All fields of an expression (.*)");
        exprs_t args = { 0 };
        if (kind != PG_A_INDICES) {
            uint32_t last = HG_MIN(e->t1 + 2, b->to - 1);
            hg_name_t *name = HG_ANEW(b->p->a, hg_name_t);
            if (!hg_walk_name_node(b, f.sub, last, name, &last)) return NULL;
            HG_APUSH(b->p->a, args.v, args.n, &e->e);
            hg_xexpr_t *field = hg_xexpr_new(b->p, HG_E_FIELD, e->t0, last);
            field->e.names = name;
            field->e.n_names = 1;
            set_args(field, &args);
            e = field;
            continue;
        }
        bool slice = false;
        HG_APUSH(b->p->a, args.v, args.n, &e->e);
        while (hg_pb_next(&sub, &g)) {
            if (g.num == 1 && g.v) slice = true;
            if (g.num == 3 && !add(b, &args, g.sub, NULL)) return NULL;
        }
        uint32_t close = closing(b, e->t1 + 1);
        if (slice) return refuse(b, e->t0, close, "A slice of an array");
        hg_xexpr_t *outer = hg_xexpr_new(b->p, HG_E_SUBSCRIPT, e->t0, close);
        set_args(outer, &args);
        e = outer;
    }
    return e;
}

hg_xexpr_t *hg_walk_expr(hg_body_t *b, hg_pb_t node)
{
    hg_pb_t m = { 0 };
    switch (hg_pg_node(node, &m)) {
    case PG_COLUMN_REF:
        return column_ref(b, m);
    case PG_PARAM_REF:
        return param_ref(b, m);
    case PG_A_EXPR:
        return a_expr(b, m);
    case PG_BOOL_EXPR:
        return bool_expr(b, m);
    case PG_NULL_TEST:
        return is_test(b, m, true);
    case PG_BOOLEAN_TEST:
        return is_test(b, m, false);
    case PG_CASE_EXPR:
        return case_expr(b, m);
    case PG_TYPE_CAST:
        return type_cast(b, m);
    case PG_FUNC_CALL:
        return func_call(b, m);
    case PG_SUB_LINK:
        return sub_link(b, m);
    case PG_ROW_EXPR:
        return row_expr(b, m);
    case PG_A_ARRAY_EXPR:
        return array_expr(b, m);
    case PG_A_INDIRECTION:
        return indirection(b, m);
    default:
        return refuse(b, b->from, b->to > b->from ? b->to - 1 : b->from, "Something in this expression");
    }
}
