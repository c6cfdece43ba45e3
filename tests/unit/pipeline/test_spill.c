/* The changes of a transaction against a model: whatever goes to runs and whatever fails on the way, the net change is
 * the same, deletes first, or the rows of a key together. What is damaged is refused with its place. */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "pipeline/spill.h"
#include "pipeline/spill_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { IDS = 400, TEXTS = 3 };

static hg_arena_t *g_arena;
static hg_schema_t g_schema;
static uint64_t g_seed = 1;

static uint32_t dice(uint32_t n)
{
    g_seed = g_seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(g_seed >> 33) % n;
}

static int make_schema(void **state)
{
    (void)state;
    g_arena = hg_arena_new();
    hg_field_t *f = HG_ANEWN(g_arena, hg_field_t, 2);
    f[0] = (hg_field_t){ .name = HG_S("s"), .type = hg_type_make(g_arena, HG_T_VARCHAR, true, -1, 0) };
    f[1] = (hg_field_t){ .name = HG_S("id"), .type = hg_type_make(g_arena, HG_T_BIGINT, false, -1, 0) };
    g_schema.cols = f;
    g_schema.n_cols = 2;
    return 0;
}

static int drop_schema(void **state)
{
    (void)state;
    hg_arena_free(g_arena);
    return 0;
}

typedef struct {
    int64_t w[IDS][TEXTS];
} model_t;

static void put_text(hg_colb_t *b, uint32_t text)
{
    static const char *const texts[] = { "alpha", "beta" };
    assert_int_equal(text == TEXTS - 1 ? hg_colb_null(b) : hg_colb_var(b, texts[text], strlen(texts[text])), 0);
}

/* n random changes, which the model takes in, too. */
static hg_delta_t changes(model_t *m, uint32_t n)
{
    hg_colb_t s, id;
    hg_delta_t d = { 0 };
    int64_t *w = hg_trynew(sizeof *w * n);
    uint32_t *sel = hg_trynew(sizeof *sel * n);
    hg_colb_init(&s, g_schema.cols[0].type);
    hg_colb_init(&id, g_schema.cols[1].type);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = dice(IDS), t = dice(TEXTS);
        put_text(&s, t);
        assert_int_equal(hg_colb_i64(&id, k), 0);
        w[i] = dice(2) ? 1 : -1;
        m->w[k][t] += w[i];
        sel[i] = i;
    }
    hg_batch_t *b = hg_batch_new(n, 2);
    b->cols[0] = hg_colb_seal(&s);
    b->cols[1] = hg_colb_seal(&id);
    hg_colb_release(&s);
    hg_colb_release(&id);
    assert_int_equal(hg_delta_add(&d, hg_part_new(b, sel, n, w)), 0);
    return d;
}

static uint32_t text_of(const hg_batch_t *b, uint32_t row)
{
    if (hg_col_null(b->cols[0], row)) return TEXTS - 1;
    return hg_col_var(b->cols[0], row).p[0] == 'a' ? 0 : 1;
}

/* Takes the rows of a delta out of the model: each is there as it must be, and once. */
static void check_off(model_t *m, const hg_delta_t *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        const hg_part_t *p = d->parts[i];
        for (uint32_t k = 0; k < p->n; k++) {
            uint32_t row = p->sel ? p->sel[k] : k;
            int64_t id = HG_COL(p->batch->cols[1], int64_t)[row];
            uint32_t t = text_of(p->batch, row);
            assert_true(p->weights[k] != 0 && m->w[id][t] == p->weights[k]);
            m->w[id][t] = 0;
        }
    }
}

typedef struct {
    int64_t last_key;
    bool positive, seen[IDS];
} order_t;

static void check_order(order_t *o, const hg_delta_t *piece, bool keyed)
{
    const hg_part_t *p = piece->parts[0];
    for (uint32_t k = 0; k < p->n; k++) {
        int64_t id = HG_COL(p->batch->cols[1], int64_t)[k];
        if (keyed && id != o->last_key) {
            assert_false(o->seen[id]); /* its rows stand together */
            o->seen[id] = true;
            o->positive = false;
        } else if (keyed) {
            assert_true(k > 0); /* and in one piece */
        }
        o->last_key = id;
        assert_false(o->positive && p->weights[k] < 0);
        o->positive = p->weights[k] > 0;
    }
}

static void read_group(model_t *m, hg_group_t *g, bool keyed)
{
    order_t o = { .last_key = -1 };
    uint64_t rows = 0;
    for (uint64_t at = 0;;) {
        hg_delta_t piece;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(g->next(g, &at, &piece, &err), 0);
        if (piece.n == 0) break;
        check_order(&o, &piece, keyed);
        check_off(m, &piece);
        rows += hg_delta_rows(&piece);
        hg_delta_release(&piece);
    }
    assert_int_equal(rows, g->rows);
}

static const uint32_t KEY[] = { 1 };

/* runs: how many; in_memory: changes that are left at the end. nth: that call of the kind fails; each action is tried
 * until it works. Returns whether one has failed. */
static bool round_trip(uint32_t runs, uint32_t in_memory, bool keyed, hg_fault_t kind, uint64_t nth)
{
    static model_t m;
    hg_err_t err = HG_ERR_INIT;
    hg_delta_t *in = HG_NEWN(hg_delta_t, runs + 1), d;
    hg_group_t *g;
    memset(&m, 0, sizeof m);
    for (uint32_t r = 0; r < runs; r++) in[r] = changes(&m, 50 + dice(400));
    if (in_memory) in[runs] = changes(&m, in_memory);
    hg_fault_arm(kind, nth);
    hg_spill_t *s = hg_spill_new("", &g_schema, keyed ? KEY : NULL, keyed ? 1 : 0);
    for (uint32_t r = 0; r <= runs; r++) {
        while (hg_spill_add(s, &in[r], &err) < 0) assert_true(nth);
        if (r == runs) break;
        assert_true(hg_spill_mem(s) > 0);
        hg_spill_take(s);
        assert_int_equal(hg_spill_mem(s), 0);
        while (hg_spill_write(s, &err) < 0) assert_true(nth && err.msg[0]);
        assert_int_equal(hg_spill_runs(s), r + 1);
    }
    hg_spill_watch_t watch = { 0 };
    while (hg_spill_finish(s, &watch, &d, &g, &err) < 0) assert_true(nth && err.msg[0]);
    bool fired = hg_fault_fired();
    hg_fault_arm(kind, 0);
    hg_spill_free(s);
    for (uint32_t r = 0; r <= runs; r++) hg_delta_release(&in[r]);
    hg_free(in);
    assert_false(d.n && g);
    if (g) {
        static model_t again;
        again = m;
        read_group(&again, g, keyed); /* each reader has its own cursor */
        read_group(&m, g, keyed);
        hg_group_drop(g);
    }
    check_off(&m, &d);
    hg_delta_release(&d);
    for (uint32_t i = 0; i < IDS; i++)
        for (uint32_t t = 0; t < TEXTS; t++) assert_int_equal(m.w[i][t], 0);
    return fired;
}

static void test_few_stay_in_memory(void **state)
{
    (void)state;
    round_trip(0, 0, false, HG_FAULT_READ, 0);
    round_trip(0, 300, false, HG_FAULT_READ, 0);
    round_trip(0, 300, true, HG_FAULT_READ, 0);
}

static void test_runs(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) round_trip(1 + dice(8), dice(2) * 200, i % 2, HG_FAULT_READ, 0);
}

static void test_more_runs_than_are_read_at_once(void **state)
{
    (void)state;
    round_trip(150, 10, false, HG_FAULT_READ, 0);
    round_trip(64, 0, true, HG_FAULT_READ, 0);
    round_trip(65, 0, true, HG_FAULT_READ, 0);
}

static void test_all_cancels_out(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    hg_delta_t d, r;
    hg_group_t *g;
    static model_t m;
    (void)state;
    hg_spill_t *s = hg_spill_new("", &g_schema, NULL, 0);
    d = changes(&m, 100);
    for (int sign = 0; sign < 2; sign++) {
        assert_int_equal(hg_spill_add(s, &d, &err), 0);
        hg_spill_take(s);
        assert_int_equal(hg_spill_write(s, &err), 0);
        for (uint32_t k = 0; k < d.parts[0]->n; k++) d.parts[0]->weights[k] = -d.parts[0]->weights[k];
    }
    hg_delta_release(&d);
    assert_int_equal(hg_spill_finish(s, NULL, &r, &g, &err), 0);
    assert_true(r.n == 0 && g == NULL);
    hg_spill_free(s);
}

static void test_each_failure_is_survived(void **state)
{
    static const hg_fault_t kinds[] = { HG_FAULT_WRITE, HG_FAULT_OPEN, HG_FAULT_READ, HG_FAULT_ALLOC };
    (void)state;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        uint64_t n = 1;
        while (round_trip(3, 100, n % 2, kinds[k], n)) n += kinds[k] == HG_FAULT_ALLOC ? 7 : 1;
        assert_true(n > 2);
    }
}

static void test_a_stop_ends_the_merge(void **state)
{
    atomic_bool cancel = true;
    hg_spill_watch_t watch = { .cancel = &cancel };
    hg_err_t err = HG_ERR_INIT;
    hg_delta_t d, r;
    hg_group_t *g;
    static model_t m;
    (void)state;
    hg_spill_t *s = hg_spill_new("", &g_schema, NULL, 0);
    for (int i = 0; i < 3; i++) {
        d = changes(&m, 2000);
        assert_int_equal(hg_spill_add(s, &d, &err), 0);
        hg_delta_release(&d);
        hg_spill_take(s);
        assert_int_equal(hg_spill_write(s, &err), 0);
    }
    assert_int_equal(hg_spill_finish(s, &watch, &r, &g, &err), HG_ECANCELED);
    hg_spill_free(s);
}

static void test_weights_that_are_too_large(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    hg_delta_t d, r;
    hg_group_t *g;
    static model_t m;
    (void)state;
    hg_spill_t *s = hg_spill_new("", &g_schema, NULL, 0);
    d = changes(&m, 1);
    d.parts[0]->weights[0] = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hg_spill_add(s, &d, &err), 0);
        hg_spill_take(s);
        assert_int_equal(hg_spill_write(s, &err), 0);
    }
    hg_delta_release(&d);
    assert_int_equal(hg_spill_finish(s, NULL, &r, &g, &err), HG_ERANGE);
    hg_spill_free(s);
}

static void test_damage_is_told_with_its_place(void **state)
{
    static model_t m;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t scratch;
    const hg_type_t *types[] = { g_schema.cols[0].type, g_schema.cols[1].type };
    hg_delta_t d = changes(&m, 20);
    (void)state;
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    int fd = memfd_create("run", MFD_CLOEXEC);
    hg_spillfile_t *f = hg_spillfile_of(fd, "a-run", 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(hg_spillfile_add(f, d.parts[0]->batch, types, NULL, 20, d.parts[0]->weights, &scratch, &err),
                         0);
    hg_delta_release(&d);
    uint64_t size = hg_spillfile_size(f);
    for (uint64_t at = size / 2; at < size; at++) {
        char was, is;
        uint64_t from = 0;
        hg_part_t *p;
        assert_int_equal(pread(fd, &was, 1, (off_t)at), 1);
        is = (char)(was ^ (1 << dice(8)));
        assert_int_equal(pwrite(fd, &is, 1, (off_t)at), 1);
        assert_int_equal(hg_spillfile_read(f, &from, types, 2, &p, &err), 0);
        hg_part_drop(p);
        assert_int_equal(from, size / 2);
        assert_int_equal(hg_spillfile_read(f, &from, types, 2, &p, &err), HG_EDAMAGED);
        char place[32];
        snprintf(place, sizeof place, "byte %" PRIu64, size / 2);
        if (!strstr(err.msg, place)) assert_non_null(strstr(err.msg, "at byte "));
        assert_non_null(strstr(err.msg, "a-run"));
        assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
    }
    assert_int_equal(ftruncate(fd, (off_t)size - 5), 0);
    uint64_t from = size / 2;
    hg_part_t *p;
    assert_int_equal(hg_spillfile_read(f, &from, types, 2, &p, &err), HG_EDAMAGED);
    assert_non_null(strstr(err.msg, "ends too early"));
    hg_spillfile_free(f);
    hg_buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_stay_in_memory),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_more_runs_than_are_read_at_once),
        cmocka_unit_test(test_all_cancels_out),
        cmocka_unit_test(test_each_failure_is_survived),
        cmocka_unit_test(test_a_stop_ends_the_merge),
        cmocka_unit_test(test_weights_that_are_too_large),
        cmocka_unit_test(test_damage_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, make_schema, drop_schema);
}
