/* eval_fixture.h: expressions in tests as text: a value is "TYPE|text", a call is a name and values.
 *
 * Every case runs over constants, dense columns, selected rows and mixtures of columns and constants; all must agree.
 */
#ifndef HG_TEST_EVAL_FIXTURE_H
#define HG_TEST_EVAL_FIXTURE_H

#include <setjmp.h>
#include <cmocka.h>
#include "base/mem.h"
#include "data/text.h"
#include "engine/circuit.h"
#include "engine/eval_int.h"

#define MAX_ARGS 8
#define ROWS     5 /* value, NULL, value, value, NULL: selections pick among them */

static hg_arena_t *arena;

static int setup(void **state)
{
    (void)state;
    arena = hg_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hg_arena_free(arena);
    return 0;
}

static void drop_col(void *c)
{
    hg_col_drop(c);
}
static hg_col_t *keep(hg_col_t *c)
{
    hg_arena_cleanup(arena, drop_col, c);
    return c;
}

/* "DECIMAL(10, 2)", "VARCHAR", "BIGINT UNSIGNED", "INTERVAL DAY TO SECOND", "INTEGER ARRAY". Nullable. */
static const hg_type_t *type_of(const char *spec)
{
    hg_type_t *t = HG_ANEW(arena, hg_type_t);
    size_t n = strcspn(spec, "(");
    char name[64];
    *t = (hg_type_t){ .nullable = true, .precision = -1 };
    snprintf(name, sizeof name, "%.*s", (int)n, spec);
    const char *array = strstr(name, " ARRAY");
    if (array) return hg_type_array(arena, type_of(hg_arena_strndup(arena, name, (size_t)(array - name))), true);
    if (spec[n]) {
        t->precision = (int32_t)strtol(spec + n + 1, NULL, 10);
        const char *comma = strchr(spec, ',');
        t->scale = comma ? (int32_t)strtol(comma + 1, NULL, 10) : 0;
    }
    if (strncmp(name, "INTERVAL ", 9) == 0) {
        hg_buf_t text;
        for (int u = 0; u < HG_IV_N; u++) {
            *t = (hg_type_t){ .kind = u >= HG_IV_YEAR ? HG_T_INTERVAL_YM : HG_T_INTERVAL,
                              .nullable = true,
                              .precision = -1,
                              .unit = (hg_interval_unit_t)u };
            hg_buf_init(&text, HG_BUF_NOMAX);
            hg_type_text(&text, t);
            bool same = strcmp(text.p, name) == 0;
            hg_buf_release(&text);
            if (same) return t;
        }
        fail_msg("no interval type '%s'", name);
    }
    for (int k = 0; k < HG_T_N; k++) {
        hg_buf_t text;
        t->kind = (hg_kind_t)k;
        if (k == HG_T_INTERVAL || k == HG_T_INTERVAL_YM || k >= HG_T_ARRAY) continue;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_type_text(&text, t);
        bool same = strncmp(text.p, name, strcspn(text.p, "(")) == 0 && strlen(name) == strcspn(text.p, "(");
        hg_buf_release(&text);
        if (same) return t;
    }
    fail_msg("no type '%s'", name);
    return NULL;
}

static hg_expr_t *expr(hg_expr_kind_t kind, const hg_type_t *type, uint32_t n)
{
    hg_expr_t *e = HG_ANEW(arena, hg_expr_t);
    e->kind = kind;
    e->type = type;
    e->pos = (hg_pos_t){ .line = 7, .col = 3, .end_line = 7, .end_col = 9 };
    e->n_args = n;
    e->args = HG_ANEWN(arena, const hg_expr_t *, n + 1);
    return e;
}

static hg_expr_t *constant(hg_col_t *col)
{
    hg_expr_t *e = expr(HG_X_CONST, col->type, 0);
    e->lit = col;
    return e;
}

static hg_expr_t *column(uint32_t i, const hg_type_t *type)
{
    hg_expr_t *e = expr(HG_X_COL, type, 0);
    e->col = i;
    return e;
}

static const hg_expr_t *cast(const hg_expr_t *x, const hg_type_t *to, bool safe)
{
    hg_expr_t *e = expr(HG_X_CAST, to, 1);
    e->args[0] = x;
    e->safe = safe;
    return e;
}

/* "TYPE|text" as a one-row column; text NULL is NULL, BINARY is written in hex, arrays as a,b,c. */
static hg_col_t *value(const char *spec)
{
    const char *bar = strchr(spec, '|');
    const hg_type_t *t = type_of(hg_arena_strndup(arena, spec, (size_t)(bar - spec)));
    hg_str_t text = hg_strz(bar + 1);
    hg_colb_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_col_t *col = NULL;
    hg_colb_init(&b, t);
    if (hg_str_eqz(text, "NULL") || t->kind == HG_T_NULL) {
        assert_int_equal(hg_colb_null(&b), 0);
    } else if (hg_kind_is_string(t->kind) && t->precision < 0) {
        assert_int_equal(hg_colb_var(&b, text.p, text.n), 0);
    } else if (hg_kind_is_bytes(t->kind)) {
        char bytes[64];
        for (size_t i = 0; i < text.n / 2; i++) {
            char hex[3] = { text.p[2 * i], text.p[2 * i + 1], 0 };
            bytes[i] = (char)strtol(hex, NULL, 16);
        }
        assert_int_equal(hg_colb_var(&b, bytes, text.n / 2), 0);
    } else if (t->kind == HG_T_ARRAY) {
        char *elem = hg_arena_alloc(arena, text.n + 64);
        for (const char *p = text.p; *p;) {
            hg_buf_t name;
            size_t n = strcspn(p, ",");
            hg_buf_init(&name, HG_BUF_NOMAX);
            hg_type_text(&name, t->elem);
            snprintf(elem, text.n + 64, "%s|%.*s", name.p, (int)n, p);
            hg_buf_release(&name);
            assert_int_equal(hg_colb_copy(&b.child[0], value(elem), 0), 0);
            p += n + (p[n] != 0);
        }
        assert_int_equal(hg_colb_close_list(&b), 0);
    } else {
        hg_colb_t s;
        hg_colb_init(&s, type_of("VARCHAR"));
        assert_int_equal(hg_colb_var(&s, text.p, text.n), 0);
        hg_col_t *lit = keep(hg_colb_seal(&s));
        hg_colb_release(&s);
        if (hg_expr_const(cast(constant(lit), t, false), &col, &err) < 0) fail_msg("%s: %s", spec, err.msg);
        hg_colb_release(&b);
        return keep(col);
    }
    col = hg_colb_seal(&b);
    hg_colb_release(&b);
    return keep(col);
}

/* A cell as the tables write it. */
static void show(const hg_col_t *c, uint32_t row, char *out, size_t room)
{
    if (c->type->kind == HG_T_ARRAY && !hg_col_null(c, row)) {
        size_t n = 0;
        out[n++] = '[';
        for (int32_t i = c->offs[row]; i < c->offs[row + 1]; i++) {
            char elem[128];
            show(c->child[0], (uint32_t)i, elem, sizeof elem);
            n += (size_t)snprintf(out + n, room - n, "%s%s", i > c->offs[row] ? "," : "", elem);
        }
        snprintf(out + n, room - n, "]");
    } else if (hg_kind_is_string(c->type->kind) && !hg_col_null(c, row)) {
        hg_str_t s = hg_col_var(c, row);
        snprintf(out, room, "%.*s", (int)s.n, s.p);
    } else if (hg_kind_is_bytes(c->type->kind) && !hg_col_null(c, row)) {
        hg_str_t s = hg_col_var(c, row);
        out[0] = 0;
        for (size_t i = 0; i < s.n && 2 * i + 3 < room; i++)
            snprintf(out + 2 * i, room - 2 * i, "%02x", (unsigned char)s.p[i]);
    } else {
        hg_cell_show(c, row, out, room);
    }
}

/* Rows value, NULL, value, value, NULL of the one-row column. */
static hg_col_t *spread(const hg_col_t *one)
{
    hg_colb_t b;
    hg_colb_init(&b, one->type);
    for (int i = 0; i < ROWS; i++) assert_int_equal(i % 3 == 1 ? hg_colb_null(&b) : hg_colb_copy(&b, one, 0), 0);
    hg_col_t *c = hg_colb_seal(&b);
    hg_colb_release(&b);
    return keep(c);
}

static void check_error(const char *what, int rc, const hg_err_t *err, const char *want)
{
    if (rc == 0) fail_msg("%s: no error, expected '%s'", what, want);
    if (rc != HG_EEVAL || !strstr(err->msg, want))
        fail_msg("%s: error %d '%s', expected '%s'", what, rc, err->msg, want);
    assert_int_equal(err->pos.line, 7);
    assert_int_equal(err->pos.col, 3);
}

/* want: the cell's text, or "!piece of the error". null_rows: what rows 1 and 4 of spread columns give (NULL: same as
 * want). */
static void check_column(const char *what, const hg_expr_t *e, hg_batch_t *batch, const uint32_t *sel, uint32_t n,
                         const char *want, const char *null_rows)
{
    hg_err_t err = HG_ERR_INIT;
    hg_col_t *col = NULL;
    char text[512];
    int rc = hg_eval(e, batch, sel, n, 1000000, &col, &err);
    if (want[0] == '!') {
        check_error(what, rc, &err, want + 1);
        return;
    }
    if (rc < 0) fail_msg("%s: %s, expected '%s'", what, err.msg, want);
    assert_int_equal(col->len, n);
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel ? sel[i] : i;
        const char *expected = batch && row % 3 == 1 && null_rows ? null_rows : want;
        show(col, i, text, sizeof text);
        nulls += hg_col_null(col, i);
        if (strcmp(text, expected) != 0) fail_msg("%s row %u: '%s', expected '%s'", what, row, text, expected);
    }
    assert_int_equal(col->nulls, nulls);
    hg_col_drop(col);
}

/* make(args) builds the expression; it is checked over constants, columns, selections and mixtures. */
typedef const hg_expr_t *(*make_fn)(void *arg, const hg_expr_t **args, uint32_t n);

static void check_all(const char *what, make_fn make, void *arg, hg_col_t **lits, uint32_t n, const char *want,
                      const char *null_rows)
{
    static const uint32_t some[] = { 3, 0, 1, 2 }, values[] = { 2, 0 };
    const hg_expr_t *args[MAX_ARGS];
    for (uint32_t i = 0; i < n; i++) args[i] = constant(lits[i]);
    check_column(what, make(arg, args, n), NULL, NULL, 1, want, NULL);
    if (n == 0) return;
    hg_batch_t *batch = hg_batch_new(ROWS, n);
    for (uint32_t i = 0; i < n; i++) batch->cols[i] = hg_col_retain(spread(lits[i]));
    for (uint32_t mask = 1; mask < (1u << n); mask++) {
        for (uint32_t i = 0; i < n; i++) args[i] = mask >> i & 1 ? column(i, lits[i]->type) : constant(lits[i]);
        const hg_expr_t *e = make(arg, args, n);
        /* with a NULL in only some of the arguments lenient functions differ: they are checked on rows of values */
        bool strict = null_rows && (mask == (1u << n) - 1 || !(e->fn && e->fn->flags & HG_F_LENIENT));
        if (strict) check_column(what, e, batch, NULL, ROWS, want, null_rows);
        if (strict) check_column(what, e, batch, some, HG_COUNT(some), want, null_rows);
        check_column(what, e, batch, values, HG_COUNT(values), want, null_rows);
    }
    hg_batch_drop(batch);
}

/* --- calls --- */
typedef struct {
    const char *fn, *args[MAX_ARGS], *want, *type, *null_rows; /* type: of the result, NULL = not checked */
} call_case_t;

typedef struct {
    const call_case_t *c;
    hg_col_t **lits;
} call_arg_t;

static const hg_expr_t *make_call(void *arg, const hg_expr_t **args, uint32_t n)
{
    const call_arg_t *x = arg;
    const hg_type_t *types[MAX_ARGS];
    hg_func_match_t m = { 0 };
    hg_err_t err = HG_ERR_INIT;
    for (uint32_t i = 0; i < n; i++) types[i] = args[i]->type;
    if (hg_func_resolve(arena, hg_strz(x->c->fn), types, x->lits, n, &m, &err) < 0)
        fail_msg("%s: %s", x->c->fn, err.msg);
    hg_expr_t *e = expr(HG_X_CALL, m.result, n);
    e->fn = m.fn;
    for (uint32_t i = 0; i < n; i++)
        e->args[i] = hg_type_same(args[i]->type, m.arg_types[i])
                         ? args[i]
                         : cast(args[i], hg_type_with_null(arena, m.arg_types[i], true), false);
    if (x->c->type) {
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_type_text(&text, m.result);
        if (strcmp(text.p, x->c->type) != 0) fail_msg("%s: type %s, expected %s", x->c->fn, text.p, x->c->type);
        hg_buf_release(&text);
    }
    return e;
}

HG_UNUSED static void check_calls(const call_case_t *cases, size_t n_cases)
{
    for (size_t k = 0; k < n_cases; k++) {
        const call_case_t *c = &cases[k];
        hg_col_t *lits[MAX_ARGS];
        char what[300];
        uint32_t n = 0;
        size_t at = (size_t)snprintf(what, sizeof what, "%s", c->fn);
        for (; n < MAX_ARGS && c->args[n]; n++) {
            lits[n] = value(c->args[n]);
            at += (size_t)snprintf(what + at, sizeof what - at, " %s", c->args[n]);
        }
        call_arg_t arg = { c, lits };
        check_all(what, make_call, &arg, lits, n, c->want, c->null_rows ? c->null_rows : "NULL");
    }
}

/* --- casts --- */
typedef struct {
    const char *from, *to, *want;
} cast_case_t;

typedef struct {
    const hg_type_t *to;
    bool safe;
} cast_arg_t;

static const hg_expr_t *make_cast(void *arg, const hg_expr_t **args, uint32_t n)
{
    const cast_arg_t *x = arg;
    assert_int_equal(n, 1);
    return cast(args[0], x->to, x->safe);
}

HG_UNUSED static void check_casts(const cast_case_t *cases, size_t n_cases)
{
    for (size_t k = 0; k < n_cases; k++) {
        const cast_case_t *c = &cases[k];
        hg_col_t *lit = value(c->from);
        char what[300];
        cast_arg_t arg = { type_of(c->to), false };
        snprintf(what, sizeof what, "CAST %s AS %s", c->from, c->to);
        if (!hg_cast_explicit(lit->type, arg.to)) fail_msg("%s: refused", what);
        check_all(what, make_cast, &arg, &lit, 1, c->want, "NULL");
        arg.safe = true;
        check_all(what, make_cast, &arg, &lit, 1, c->want[0] == '!' ? "NULL" : c->want, "NULL");
    }
}

#endif
