/* test-labels: threads */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "base/mem_sample_int.h"
#include "base/thread.h"
#include "base/unwind.h"
#include <sched.h>

/* A sanitizer's allocator would rather end the process than say no. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

typedef struct {
    size_t blocks, bytes, deep;
    size_t only; /* blocks of this size alone, 0: of any */
} seen_t;

static void see(void *arg, size_t size, const uintptr_t *pcs, unsigned n)
{
    seen_t *s = arg;
    if (s->only && size != s->only) return;
    s->blocks++;
    s->bytes += size;
    s->deep += n >= 3 && pcs[0] && pcs[n - 1];
}

static seen_t sample(size_t only)
{
    seen_t s = { .only = only };
    assert_true(hg_mem_sample_each(see, &s));
    return s;
}

static void env_says_how_much(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_mem_sample_mean(), 0);
    void *before = hg_xnew(1 << 26);
    assert_int_equal(sample(0).blocks, 0);
    hg_free(before);
    setenv("HEADGATE_HEAP_SAMPLE", "0", 1);
    assert_int_equal(hg_mem_sample_start_env(&err), 0);
    assert_int_equal(hg_mem_sample_mean(), 0);
    setenv("HEADGATE_HEAP_SAMPLE", "much", 1);
    assert_int_equal(hg_mem_sample_start_env(&err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "HEADGATE_HEAP_SAMPLE is 'much'; it must be a number of bytes"));
    assert_int_equal(hg_mem_sample_mean(), HG_MEM_SAMPLE_MEAN);
    setenv("HEADGATE_HEAP_SAMPLE", "10000", 1);
    assert_int_equal(hg_mem_sample_start_env(&err), 0);
    assert_int_equal(hg_mem_sample_mean(), 10000);
}

#define SIZE  777u
#define COUNT 40000u

/* 31 MB in blocks of one size: some 3000 of them are drawn, give or take 55. Eight times that would be a wonder. */
static void sample_stands_for_what_is_in_use(void **state)
{
    static void *blocks[COUNT];
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) blocks[i] = hg_xnew(SIZE);
    seen_t s = sample(SIZE);
    double expected = COUNT * (1 - 0.9252456); /* exp(-777/10000) */
    assert_true((double)s.blocks > expected - 450 && (double)s.blocks < expected + 450);
    assert_int_equal(s.deep, s.blocks);
    for (unsigned i = 0; i < COUNT; i += 2) hg_free(blocks[i]);
    seen_t half = sample(SIZE);
    assert_true((double)half.blocks > expected / 2 - 320 && (double)half.blocks < expected / 2 + 320);
    for (unsigned i = 1; i < COUNT; i += 2) hg_free(blocks[i]);
    assert_int_equal(sample(SIZE).blocks, 0);
}

/* Large ones are always drawn, so what becomes of them is seen. */
static void what_grows_is_counted_once(void **state)
{
    (void)state;
    const size_t n = 4u << 20;
    void *p = hg_xzero(n);
    assert_int_equal(sample(n).blocks, 1);
    p = hg_xgrow(p, 2 * n);
    assert_int_equal(sample(n).blocks, 0);
    assert_int_equal(sample(2 * n).blocks, 1);
    assert_null(hg_trygrow(p, SIZE_MAX / 2)); /* fails: the old block is still there */
    assert_int_equal(sample(2 * n).blocks, 1);
    void *q = hg_tryalign(3 * n);
    assert_int_equal(sample(3 * n).blocks, 1);
    hg_free(p);
    hg_free(q);
    assert_int_equal(sample(2 * n).blocks + sample(3 * n).blocks, 0);
}

#define HANDED 2000u

typedef struct {
    _Atomic(void *) slots[HANDED];
} handed_t;

static void *make(void *arg)
{
    handed_t *h = arg;
    for (unsigned i = 0; i < HANDED; i++) atomic_store_explicit(&h->slots[i], hg_xnew(54321), memory_order_release);
    return NULL;
}

static void *release(void *arg)
{
    handed_t *h = arg;
    for (unsigned i = 0; i < HANDED; i++) {
        void *p;
        while (!(p = atomic_load_explicit(&h->slots[i], memory_order_acquire))) sched_yield();
        hg_free(p);
    }
    return NULL;
}

/* Blocks that another thread frees, while a third reads the sample. */
static void threads_hand_blocks_on(void **state)
{
    (void)state;
    handed_t *h = HG_NEWN(handed_t, 3);
    pthread_t t[6];
    hg_err_t err = HG_ERR_INIT;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hg_thread_start(&t[2 * i], make, &h[i], "a test", &err), 0);
        assert_int_equal(hg_thread_start(&t[2 * i + 1], release, &h[i], "a test", &err), 0);
    }
    for (unsigned i = 0; i < 20; i++) sample(0);
    for (unsigned i = 0; i < 6; i++) pthread_join(t[i], NULL);
    assert_int_equal(sample(54321).blocks, 0);
    hg_free(h);
}

/* --- stacks --- */

typedef struct {
    uintptr_t pcs[32];
    unsigned n;
} walk_t;

static walk_t g_there;

static int compare(const void *a, const void *b)
{
    g_there.n = hg_unwind_here(g_there.pcs, HG_COUNT(g_there.pcs));
    return *(const char *)a - *(const char *)b;
}

/* Through the C library, which has no frame pointers. */
static void walk_from_a_callback(void **state)
{
    (void)state;
    char two[] = "ab";
    walk_t here;
    here.n = hg_unwind_here(here.pcs, HG_COUNT(here.pcs));
    qsort(two, 2, 1, compare);
    assert_true(g_there.n > here.n + 1 && g_there.n < HG_COUNT(g_there.pcs)); /* by way of qsort's own functions */
    assert_int_equal(g_there.pcs[g_there.n - 1], here.pcs[here.n - 1]);
}

static void walk_ends_where_the_stack_ends(void **state)
{
    (void)state;
    const uintptr_t words[2] = { 1, 2 };
    hg_stack_t s = { .bytes = (const uint8_t *)words, .at = 0x1000, .n = sizeof words };
    uintptr_t v = 0;
    assert_true(hg_stack_peek(&s, 0x1008, &v) && v == 2);
    assert_false(hg_stack_peek(&s, 0x1010, &v) || hg_stack_peek(&s, 0xff8, &v) || hg_stack_peek(&s, 0x1001, &v));
    hg_regs_t nowhere = { .pc = 16 };
    uintptr_t pcs[4];
    assert_int_equal(hg_unwind(&nowhere, &s, pcs, 4), 1);
    assert_int_equal(pcs[0], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(env_says_how_much),          cmocka_unit_test(sample_stands_for_what_is_in_use),
        cmocka_unit_test(what_grows_is_counted_once), cmocka_unit_test(threads_hand_blocks_on),
        cmocka_unit_test(walk_from_a_callback),       cmocka_unit_test(walk_ends_where_the_stack_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
