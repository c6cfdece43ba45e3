/* body.c: a query or an expression: rewritten (rewrite.c), parsed by libpg_query, brought into our tree (walk_*.c).
 *
 * libpg_query answers in protobuf; its messages are read where they lie by the dozen lines below, without a tree in
 * between. The field numbers come from pg_query.proto of PostgreSQL 15 and are checked against the header's version
 * here.
 *
 * Threads: libpg_query keeps its memory per thread and sets it up by itself. Everything it returns is freed before we
 * return.
 */
#include "base/hg.h"
#include "sqlddl/body_int.h"
#include <pg_query.h>

#if PG_VERSION_NUM / 10000 != 15
#error "the field numbers in body_int.h and walk_*.c are those of PostgreSQL 15"
#endif

/* ------------------------------------------------------------------------------------------------ protobuf */

static bool varint(hg_pb_t *m, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; m->p < m->end && shift < 64; shift += 7) {
        uint8_t c = *m->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool hg_pb_next(hg_pb_t *m, hg_pbf_t *f)
{
    uint64_t key, len;
    *f = (hg_pbf_t){ 0 };
    if (m->p >= m->end || !varint(m, &key)) return false;
    f->num = (uint32_t)(key >> 3);
    switch (key & 7) {
    case 0:
        return varint(m, &f->v);
    case 2:
        if (!varint(m, &len) || len > (uint64_t)(m->end - m->p)) return false;
        f->sub = (hg_pb_t){ m->p, m->p + len };
        m->p += len;
        return true;
    default:
        return !HG_NEVER(true); /* the messages we read have no fixed-width fields */
    }
}

uint32_t hg_pg_node(hg_pb_t m, hg_pb_t *ret)
{
    hg_pbf_t f;
    if (!hg_pb_next(&m, &f)) return PG_NIL;
    *ret = f.sub;
    return f.num;
}

/* ------------------------------------------------------------------------------------------------ positions */

uint32_t hg_body_tok(const hg_body_t *b, uint32_t off)
{
    uint32_t lo = 0, hi = b->n_pieces;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (b->pieces[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return b->pieces[lo].tok;
}

/* What would have been right at token i, judged by the token before it. NULL: hard to say. */
static const char *expectation(const hg_body_t *b, uint32_t i)
{
    const hg_sql_t *p = b->p;
    if (i <= b->from) return NULL;
    const hg_tok_t *before = &p->tok[i - 1];
    switch ((int)hg_kw_at(p, i - 1)) {
    case HG_KW_FROM:
    case HG_KW_JOIN:
        return "a table, a view or a subquery";
    case HG_KW_SELECT:
    case HG_KW_DISTINCT:
    case HG_KW_WHERE:
    case HG_KW_HAVING:
    case HG_KW_AND:
    case HG_KW_OR:
    case HG_KW_CASE:
    case HG_KW_WHEN:
    case HG_KW_THEN:
    case HG_KW_ELSE:
    case HG_KW_ON:
    case HG_KW_LIKE:
    case HG_KW_BETWEEN:
        return "an expression";
    case HG_KW_AS:
        return "a name";
    case HG_KW_GROUP:
    case HG_KW_ORDER:
        return "BY";
    case HG_KW_BY:
        return "an expression";
    case HG_KW_UNION:
    case HG_KW_EXCEPT:
    case HG_KW_INTERSECT:
    case HG_KW_ALL:
        return "a query";
    case HG_KW_IN:
        return "\"(\"";
    case HG_KW_IS:
        return "NULL, TRUE, FALSE, UNKNOWN, NOT or DISTINCT FROM";
    default:
        break;
    }
    if (before->kind == HG_TOK_OP && before->text.n >= 1 && strchr("+-*/%=<>|,", before->text.p[0]) &&
        before->text.p[0] != '*')
        return "an expression";
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ running it */

/* libpg_query's own words name things the user never wrote; only the place is taken over. */
static int syntax_error(hg_body_t *b, const PgQueryError *e)
{
    uint32_t tok = b->from;
    if (e->cursorpos > 0) tok = hg_body_tok(b, (uint32_t)e->cursorpos - 1);
    return hg_sql_encountered(b->p, tok, expectation(b, tok));
}

/* The only statement of the answer, a SelectStmt. */
static int the_select(hg_body_t *b, hg_pb_t result, hg_pb_t *ret)
{
    hg_pbf_t f;
    uint32_t n = 0;
    hg_pb_t stmt = { 0 }, node;
    while (hg_pb_next(&result, &f))
        if (f.num == 2) {
            stmt = f.sub;
            n++;
        }
    if (n != 1 || !hg_pb_next(&stmt, &f) || f.num != 1 || hg_pg_node(f.sub, &node) != PG_SELECT_STMT)
        return hg_sql_encountered(b->p, b->from, "a query");
    *ret = node;
    return 0;
}

/* fn sees the SelectStmt. */
static int run(hg_sql_t *p, uint32_t from, uint32_t to, bool is_expr,
               int (*fn)(hg_body_t *b, hg_pb_t select, void *ret), void *ret)
{
    hg_body_t b = { .p = p, .from = from, .to = to };
    hg_buf_init(&b.out, (size_t)1 << 30);
    int rc = hg_body_rewrite(&b, is_expr);
    if (rc == 0) {
        PgQueryProtobufParseResult r = pg_query_parse_protobuf(b.out.p);
        if (r.error) {
            rc = syntax_error(&b, r.error);
        } else {
            hg_pb_t select;
            rc = the_select(
                &b,
                (hg_pb_t){ (const uint8_t *)r.parse_tree.data, (const uint8_t *)r.parse_tree.data + r.parse_tree.len },
                &select);
            if (rc == 0) rc = fn(&b, select, ret);
        }
        pg_query_free_protobuf_parse_result(r);
    }
    hg_buf_release(&b.out);
    return rc;
}

static int take_query(hg_body_t *b, hg_pb_t select, void *ret)
{
    hg_xquery_t *q = hg_walk_select(b, select);
    if (!q) return b->p->err->code;
    *(const hg_ast_query_t **)ret = &q->q;
    return 0;
}

/* SELECT ( expr ): the value of its one target. */
static int take_expr(hg_body_t *b, hg_pb_t select, void *ret)
{
    hg_pbf_t f, g;
    hg_pb_t target, value = { 0 };
    while (hg_pb_next(&select, &f)) {
        if (f.num != 3 || hg_pg_node(f.sub, &target) != PG_RES_TARGET) continue;
        while (hg_pb_next(&target, &g))
            if (g.num == 3) value = g.sub;
    }
    hg_xexpr_t *e = hg_walk_expr(b, value);
    if (!e) return b->p->err->code;
    *(const hg_ast_expr_t **)ret = &e->e;
    return 0;
}

int hg_sql_query(hg_sql_t *p, uint32_t from, uint32_t to, const hg_ast_query_t **ret)
{
    hg_kw_t k = hg_kw_at(p, from);
    if (from == to || (k != HG_KW_SELECT && k != HG_KW_WITH && k != HG_KW_VALUES && !hg_is_op(p, from, "(")))
        return hg_sql_encountered(p, from, "a query");
    return run(p, from, to, false, take_query, (void *)ret);
}

int hg_sql_expr(hg_sql_t *p, uint32_t from, uint32_t to, const hg_ast_expr_t **ret)
{
    hg_kw_t k = hg_kw_at(p, from);
    if (from == to || k == HG_KW_SELECT || k == HG_KW_WITH || k == HG_KW_VALUES)
        return hg_sql_encountered(p, from, "an expression");
    for (uint32_t i = from; i < to; i++) { /* SELECT (a, b) would be a row */
        if (hg_is_op(p, i, ",")) return hg_sql_encountered(p, i, NULL);
        if (p->match[i] != HG_NO_TOK && p->match[i] > i && p->match[i] < to) i = p->match[i];
    }
    return run(p, from, to, true, take_expr, (void *)ret);
}
