/* hg_orch_check_config: every complaint with its text, its place and its suggestion. */
#include "tests/unit/orchestrator/kit.h"

/* "E|W code conn line: message" per complaint, and "  loop conn=label ..." for a cycle. */
static const char *complaints(kit_t *k, bool warn)
{
    const hg_orch_issue_t *v = NULL;
    uint32_t n = hg_orch_check_config(k->arena, k->conns, k->n, warn, &v);
    hg_buf_clear(&k->out);
    for (uint32_t i = 0; i < n; i++) {
        hg_buf_addf(&k->out, "%c %s %u line %u: %s\n", v[i].warning ? 'W' : 'E',
                    v[i].code ? hg_code_name(v[i].code) : "-", v[i].conn, v[i].pos.line, v[i].msg);
        assert_int_equal(v[i].pos.col, 20); /* the value of start_after */
        if (v[i].suggestion) hg_buf_addf(&k->out, "  try %s\n", v[i].suggestion);
        if (v[i].n_loop) hg_buf_adds(&k->out, "  loop");
        for (uint32_t j = 0; j < v[i].n_loop; j++)
            hg_buf_addf(&k->out, " %u=" HG_SF, v[i].loop_conn[j], HG_SA(v[i].loop_label[j]));
        if (v[i].n_loop) hg_buf_addc(&k->out, '\n');
    }
    return k->out.p ? k->out.p : "";
}

typedef struct {
    const char *what;
    const char *conns[6];
    bool warn;
    const char *want;
} case_t;

static const case_t g_cases[] = {
    { "nothing to complain about", { "t.a x", "t.b > x", "t.c y > x", "t.d > x,y" }, false, "" },
    { "no connectors", { NULL }, false, "" },
    { "two nodes",
      { "t.c1 a > b", "t.c2 b > a" },
      false,
      "E ConfigError.CyclicDependency 0 line 1: cyclic 'start_after' dependency detected: endpoint 't.c1' with label "
      "'a' "
      "waits for endpoint 't.c2' with label 'b', which waits for endpoint 't.c1' with label 'a'\n  loop 0=a 1=b\n" },
    { "itself",
      { "t.c a > a" },
      false,
      "E ConfigError.CyclicDependency 0 line 1: cyclic 'start_after' dependency detected: endpoint 't.c' with label "
      "'a' "
      "waits for endpoint 't.c' with label 'a'\n  loop 0=a\n" },
    { "three nodes, from the smallest label, behind an acyclic beginning",
      { "p 0 > b", "q c > b", "r b > d", "s d > c", "t c" },
      false,
      "E ConfigError.CyclicDependency 2 line 3: cyclic 'start_after' dependency detected: endpoint 'r' with label 'b' "
      "waits for endpoint 's' with label 'd', which waits for endpoint 'q' with label 'c', which waits for endpoint "
      "'r' "
      "with label 'b'\n  loop 2=b 3=d 1=c\n" },
    { "a diamond is no cycle", { "a x", "b y > x", "c y > x", "d > y" }, false, "" },
    { "empty list",
      { "t.a x", "t.b empty" },
      false,
      "E ConfigError.EmptyStartAfter 1 line 2: empty 'start_after' field for input endpoint 't.b'\n" },
    { "a typo",
      { "hist price.backfill", "live > price.backfil" },
      false,
      "E ConfigError.UnknownLabel 1 line 2: start_after label 'price.backfil' is carried by no connector; did you mean "
      "'price.backfill'?\n  try price.backfill\n" },
    { "nothing is near",
      { "hist price.backfill", "live > zz" },
      false,
      "E ConfigError.UnknownLabel 1 line 2: start_after label 'zz' is carried by no connector\n" },
    { "only a label that somebody carries is suggested",
      { "a", "b > back", "c > bacl" },
      false,
      "E ConfigError.UnknownLabel 1 line 2: start_after label 'back' is carried by no connector\n"
      "E ConfigError.UnknownLabel 2 line 3: start_after label 'bacl' is carried by no connector\n" },
    { "unknown label as a warning",
      { "hist price.backfill", "live > price.backfil" },
      true,
      "W ConfigError.UnknownLabel 1 line 2: start_after label 'price.backfil' is carried by no connector; did you mean "
      "'price.backfill'?\n  try price.backfill\n" },
    { "each place of an unknown label",
      { "a x", "b > u,x,v" },
      false,
      "E ConfigError.UnknownLabel 1 line 2: start_after label 'u' is carried by no connector; did you mean 'x'?\n"
      "  try x\n"
      "E ConfigError.UnknownLabel 1 line 2: start_after label 'v' is carried by no connector; did you mean 'x'?\n"
      "  try x\n" },
    { "a carrier that never ends",
      { "k x endless", "b > x" },
      false,
      "W - 1 line 2: start_after label 'x' is carried by 'k', which never reaches its end of input: 'b' will wait "
      "until it "
      "is started by hand\n" },
    { "several that never end are one warning",
      { "a x", "k x endless", "l x endless", "m x,x endless", "b > x" },
      false,
      "W - 4 line 5: start_after label 'x' is carried by 'k' (and 2 more like it), which never reaches its end of "
      "input: "
      "'b' will wait until it is started by hand\n" },
    { "all of it at once, the cycle last",
      { "a x > x", "b empty", "c > nope", "k y endless", "d > y" },
      false,
      "E ConfigError.EmptyStartAfter 1 line 2: empty 'start_after' field for input endpoint 'b'\n"
      "E ConfigError.UnknownLabel 2 line 3: start_after label 'nope' is carried by no connector\n"
      "W - 4 line 5: start_after label 'y' is carried by 'k', which never reaches its end of input: 'd' will wait "
      "until it "
      "is started by hand\n"
      "E ConfigError.CyclicDependency 0 line 1: cyclic 'start_after' dependency detected: endpoint 'a' with label 'x' "
      "waits for endpoint 'a' with label 'x'\n  loop 0=x\n" },
    { "the empty label is a label", { "a ''", "b > ''" }, false, "" },
};

static void orch_complaints(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(g_cases); i++) {
        kit_t k;
        kit_begin(&k);
        for (const char *const *c = g_cases[i].conns; *c; c++) kit_conn(&k, *c);
        const char *got = complaints(&k, g_cases[i].warn);
        if (strcmp(got, g_cases[i].want) != 0) print_error("case: %s\n", g_cases[i].what);
        assert_string_equal(got, g_cases[i].want);
        kit_end(&k);
    }
}

/* Labels are any strings: quotes and letters of other alphabets come through. */
static void orch_labels_are_any_strings(void **state)
{
    (void)state;
    kit_t k;
    kit_begin(&k);
    kit_conn(&k, "t.ä it's");
    kit_conn(&k, "t.b > it\"s");
    assert_string_equal(
        complaints(&k, false),
        "E ConfigError.UnknownLabel 1 line 2: start_after label 'it\"s' is carried by no connector; did "
        "you mean 'it's'?\n  try it's\n");
    kit_end(&k);
}

/* A cycle as long as the list, found without recursion. */
static void orch_long_cycle(void **state)
{
    (void)state;
    enum { N = 20000 };
    hg_arena_t *a = hg_arena_new();
    hg_orch_conn_t *conns = HG_ANEWN(a, hg_orch_conn_t, N);
    hg_str_t *names = HG_ANEWN(a, hg_str_t, N);
    const hg_orch_issue_t *v;
    for (uint32_t i = 0; i < N; i++) names[i] = hg_strz(hg_arena_printf(a, "n%05u", i));
    for (uint32_t i = 0; i < N; i++)
        conns[i] = (hg_orch_conn_t){ .name = names[i],
                                     .labels = &names[i],
                                     .n_labels = 1,
                                     .after = &names[(i + 1) % N],
                                     .n_after = 1,
                                     .has_after = true,
                                     .finite = true };
    assert_int_equal(hg_orch_check_config(a, conns, N, false, &v), 1);
    assert_int_equal(v[0].code, HG_ECYCLE);
    assert_int_equal(v[0].n_loop, N);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(v[0].loop_conn[i], i);
    conns[N - 1].n_after = 0;
    conns[N - 1].has_after = false;
    assert_int_equal(hg_orch_check_config(a, conns, N, false, &v), 0);
    hg_arena_free(a);
}

/* Everybody carries the label and everybody waits for it: complaints stay linear. */
static void orch_complaints_stay_linear(void **state)
{
    (void)state;
    enum { N = 10000 };
    hg_arena_t *a = hg_arena_new();
    hg_orch_conn_t *conns = HG_ANEWN(a, hg_orch_conn_t, 2 * N);
    hg_str_t label = hg_strz("x");
    const hg_orch_issue_t *v;
    for (uint32_t i = 0; i < N; i++) {
        conns[i] = (hg_orch_conn_t){ .name = hg_strz("carrier"), .labels = &label, .n_labels = 1 };
        hg_str_t *typo = HG_ANEW(a, hg_str_t);
        *typo = i % 2 ? label : hg_strz(hg_arena_printf(a, "x%u", i));
        conns[N + i] = (hg_orch_conn_t){ .name = hg_strz("waiter"), .after = typo, .n_after = 1, .has_after = true };
    }
    uint32_t n = hg_orch_check_config(a, conns, 2 * N, false, &v), suggested = 0;
    assert_int_equal(n, N);
    for (uint32_t i = 0; i < n; i++) suggested += v[i].suggestion != NULL;
    assert_true(suggested > 0 && suggested <= HG_ORCH_SUGGESTIONS);
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orch_complaints),
        cmocka_unit_test(orch_labels_are_any_strings),
        cmocka_unit_test(orch_long_cycle),
        cmocka_unit_test(orch_complaints_stay_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
