/* Every strategy of datagen against every type: what is taken, what is refused, and that a column which is taken
 * varies, stays within its type, and is the same whoever makes which part of it.
 *
 * The names stand here a second time on purpose: they are Feldera's, and a program written for Feldera has to find each
 * of them. */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "connectors/transport/datagen_int.h"
#include "data/text.h"

#define ROWS 300

static const char *const strategies[] = {
    "increment",
    "uniform",
    "zipf",
    "word",
    "words",
    "sentence",
    "sentences",
    "paragraph",
    "paragraphs",
    "first_name",
    "last_name",
    "title",
    "suffix",
    "name",
    "name_with_title",
    "domain_suffix",
    "email",
    "username",
    "password",
    "field",
    "position",
    "seniority",
    "job_title",
    "ipv4",
    "ipv6",
    "ip",
    "mac_address",
    "user_agent",
    "rfc_status_code",
    "valid_status_code",
    "company_suffix",
    "company_name",
    "buzzword",
    "buzzword_middle",
    "buzzword_tail",
    "catch_phrase",
    "bs_verb",
    "bs_adj",
    "bs_noun",
    "bs",
    "profession",
    "industry",
    "currency_code",
    "currency_name",
    "currency_symbol",
    "credit_card_number",
    "city_prefix",
    "city_suffix",
    "city_name",
    "country_name",
    "country_code",
    "street_suffix",
    "street_name",
    "time_zone",
    "state_name",
    "state_abbr",
    "secondary_address_type",
    "secondary_address",
    "zip_code",
    "post_code",
    "building_number",
    "latitude",
    "longitude",
    "isbn",
    "isbn13",
    "isbn10",
    "phone_number",
    "cell_number",
    "file_path",
    "file_name",
    "file_extension",
    "dir_path",
};
#define ANY_TYPE 3 /* the first three are not only for texts */

static hg_arena_t *arena;
static int up(void **st)
{
    (void)st;
    arena = hg_arena_new();
    return 0;
}
static int down(void **st)
{
    (void)st;
    hg_arena_free(arena);
    return 0;
}

/* A type of the kind: nested ones hold texts and 38-digit decimals. */
static const hg_type_t *sample(hg_kind_t k)
{
    int32_t precision = -1, scale = 0;
    if (k == HG_T_DECIMAL) precision = 38, scale = 10;
    if (k == HG_T_CHAR || k == HG_T_BINARY) precision = 40;
    hg_type_t *t = HG_ANEW(arena, hg_type_t);
    *t = *hg_type_make(arena, k, true, precision, scale);
    if (k == HG_T_ARRAY || k == HG_T_MAP) t->elem = sample(HG_T_DECIMAL);
    if (k == HG_T_MAP) t->key = hg_type_make(arena, HG_T_VARCHAR, false, -1, -1);
    if (k == HG_T_ROW) {
        hg_field_t *f = HG_ANEWN(arena, hg_field_t, 3);
        f[0] = (hg_field_t){ .name = HG_S("a"), .type = sample(HG_T_TIME) };
        f[1] = (hg_field_t){ .name = HG_S("b"), .type = sample(HG_T_ARRAY) };
        f[2] = (hg_field_t){ .name = HG_S("c"), .type = sample(HG_T_VARCHAR) };
        t->fields = f;
        t->n_fields = 3;
    }
    return t;
}

static bool taken(int s, hg_kind_t k)
{
    if (s >= ANY_TYPE) return hg_kind_is_string(k);
    return !(k == HG_T_UUID && hg_str_eqz(hg_strz(strategies[s]), "zipf")); /* only with values */
}

/* A value that datagen cannot make, whatever the strategy: it gives NULL, as Feldera does. */
static bool only_null(hg_kind_t k)
{
    return k == HG_T_NULL || k == HG_T_VARIANT || k == HG_T_INTERVAL || k == HG_T_INTERVAL_YM || k == HG_T_GEOMETRY;
}

static hg_change_t *rows(const dg_plan_t *p, const hg_schema_t *schema, uint64_t seed, uint64_t first, uint32_t n,
                         uint64_t *bytes)
{
    hg_err_t err = HG_ERR_INIT;
    hg_changeb_t b;
    hg_changeb_init(&b, schema);
    if (dg_rows(p, seed, first, n, &b, bytes, &err) < 0) fail_msg("%s", err.msg);
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return c;
}

static void check_values(const hg_col_t *c, const char *what)
{
    if (c->type->kind == HG_T_DECIMAL)
        for (uint32_t i = 0; i < c->len; i++)
            if (!hg_col_null(c, i) && (HG_COL(c, hg_i128)[i] >= hg_pow10(38) || HG_COL(c, hg_i128)[i] <= -hg_pow10(38)))
                fail_msg("%s: a decimal of 39 digits in row %u", what, i);
    if (hg_kind_is_string(c->type->kind))
        for (uint32_t i = 0; i < c->len; i++)
            if (!hg_utf8_valid(hg_col_var(c, i).p, hg_col_var(c, i).n)) fail_msg("%s: no UTF-8 in row %u", what, i);
    for (uint32_t k = 0; k < c->n_child; k++) check_values(c->child[k], what);
}

static void check_column(const dg_plan_t *p, const hg_schema_t *schema, const char *what)
{
    uint64_t bytes = 0, again = 0, other_bytes = 0;
    hg_change_t *all = rows(p, schema, 11, 0, ROWS, &bytes);
    hg_change_t *part = rows(p, schema, 11, 100, ROWS - 100, &again);
    hg_change_t *other = rows(p, schema, 12, 0, ROWS, &other_bytes);
    const hg_col_t *c = all->rows->cols[0];
    bool varies = false;
    check_values(c, what);
    for (uint32_t i = 0; i < ROWS; i++) {
        varies = varies || hg_cell_cmp(c, i, c, 0) != 0;
        if (i >= 100 && hg_cell_cmp(c, i, part->rows->cols[0], i - 100) != 0)
            fail_msg("%s: row %u differs when the batch begins elsewhere", what, i);
    }
    if (!varies && !only_null(c->type->kind)) fail_msg("%s: a constant column", what);
    if (only_null(c->type->kind) && c->nulls != ROWS) fail_msg("%s: made a value", what);
    if (again >= bytes) fail_msg("%s: bytes", what);
    hg_change_drop(all);
    hg_change_drop(part);
    hg_change_drop(other);
}

static void every_strategy_meets_every_type(void **st)
{
    (void)st;
    unsigned n_taken = 0;
    assert_int_equal(HG_COUNT(strategies), DG_STRATEGY_N);
    for (int s = 0; s < (int)HG_COUNT(strategies); s++)
        for (int k = 0; k < HG_T_N; k++) {
            hg_err_t err = HG_ERR_INIT;
            hg_json_t *plan;
            dg_plan_t *plans;
            uint32_t n_plans;
            const char *what = hg_arena_printf(arena, "%s for %s", strategies[s], hg_kind_name((hg_kind_t)k));
            const char *text = hg_arena_printf(arena, "[{\"fields\":{\"x\":{\"strategy\":\"%s\"}}}]", strategies[s]);
            hg_field_t col = { .name = HG_S("x"), .type = sample((hg_kind_t)k) };
            hg_schema_t schema = { .name = HG_S("t"), .cols = &col, .n_cols = 1 };
            assert_int_equal(hg_json_parse(arena, hg_strz(text), &plan, &err), 0);
            int rc = dg_plans_make(arena, plan, &schema, &plans, &n_plans, &err);
            if (taken(s, (hg_kind_t)k) != (rc == 0)) fail_msg("%s: %s", what, rc == 0 ? "was taken" : err.msg);
            if (rc < 0) {
                if (!strstr(err.msg, strategies[s]) || !strstr(err.msg, "`x`")) fail_msg("%s: '%s'", what, err.msg);
                continue;
            }
            check_column(&plans[0], &schema, what);
            n_taken++;
        }
    assert_true(n_taken > 200);
}

static void complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)node;
    assert_false(warning || at_key);
    snprintf(arg, 200, "%s", msg);
}

static void an_unknown_name_is_refused_with_the_nearest(void **st)
{
    (void)st;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *plan;
    char msg[200] = "";
    hg_diag_t d = { .fn = complain, .arg = msg };
    assert_int_equal(hg_json_parse(arena, HG_S("[{\"fields\":{\"x\":{\"strategy\":\"ip_v4\"}}}]"), &plan, &err), 0);
    dg_plans_check(plan, &d);
    assert_string_equal(msg, "unknown strategy 'ip_v4'; did you mean 'ipv4'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_strategy_meets_every_type, up, down),
        cmocka_unit_test_setup_teardown(an_unknown_name_is_refused_with_the_nearest, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
