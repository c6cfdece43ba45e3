/* What the formats hold is read by the end-to-end tests; here: threads that come and go while a profile is taken, and
 * names. test-labels: threads */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/unwind.h"
#include "profile/cpu.h"
#include "profile/firefox_int.h"
#include "profile/gzip.h"
#include "profile/heap.h"
#include "profile/symbols.h"
#include <zlib.h>

static char *unzip(const hg_buf_t *b)
{
    size_t room = 64u << 20;
    char *text = hg_xnew(room);
    z_stream z = {
        .next_in = (Bytef *)b->p, .avail_in = (uInt)b->len, .next_out = (Bytef *)text, .avail_out = (uInt)room - 1
    };
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    text[z.total_out] = 0;
    inflateEnd(&z);
    return text;
}

static void gzip_of_anything(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    for (size_t n = 0; n <= 300000; n = n * 7 + 1) {
        hg_buf_t out;
        char *in = hg_xnew(n + 1);
        for (size_t i = 0; i < n; i++) in[i] = (char)('a' + i * i % 23);
        in[n] = 0;
        hg_buf_init(&out, HG_BUF_NOMAX);
        assert_int_equal(hg_gzip((hg_str_t){ in, n }, &out, &err), 0);
        char *again = unzip(&out);
        assert_string_equal(again, in);
        hg_free(again);
        hg_free(in);
        hg_buf_release(&out);
    }
}

static void a_function_has_its_name(void **state)
{
    hg_symbols_t s;
    uintptr_t pc;
    void (*here)(void **) = a_function_has_its_name;
    (void)state;
    memcpy(&pc, &here, sizeof pc);
    hg_symbols_init(&s);
    uint32_t a = hg_symbols_frame(&s, pc), b = hg_symbols_frame(&s, pc + 1), c = hg_symbols_frame(&s, 1);
    assert_int_equal(hg_symbols_frame(&s, pc), a);
    assert_int_not_equal(a, b);
    assert_int_equal(s.frames[a].function, s.frames[b].function);
    hg_str_t name = s.functions[s.frames[a].function].name;
    assert_int_equal(name.n, strlen("a_function_has_its_name"));
    assert_memory_equal(name.p, "a_function_has_its_name", name.n);
    assert_non_null(strstr(s.objects[s.frames[a].object].path, "test_profiles"));
    assert_true(s.frames[c].object == HG_NO_SYMBOL && s.frames[c].function == HG_NO_SYMBOL);
    hg_symbols_release(&s);
}

/* memcpy's own code has no name in a libc that is stripped. */
static void places_of_a_function_without_a_name_are_one(void **state)
{
    hg_buf_t json;
    hg_jw_t w;
    uintptr_t pc;
    void *(*here)(void *, const void *, size_t) = memcpy;
    (void)state;
    memcpy(&pc, &here, sizeof pc);
    hg_cpu_stack_t stacks[] = { { HG_NO_SYMBOL, pc + 1 }, { HG_NO_SYMBOL, pc + 3 } };
    hg_cpu_sample_t samples[] = { { 10000, 0, 1 }, { 20000, 1, 1 } };
    hg_cpu_thread_t thread = { .tid = 1, .name = "t", .samples = samples, .n_samples = 2 };
    hg_cpu_recording_t r = {
        .threads = &thread, .stacks = stacks, .n_threads = 1, .n_stacks = 2, .pid = 1, .length_us = 30000
    };
    hg_buf_init(&json, HG_BUF_NOMAX);
    hg_jw_init(&w, &json);
    hg_firefox_json(&r, &w);
    assert_non_null(strstr(json.p, "\"frameTable\":{\"length\":2,"));
    assert_non_null(strstr(json.p, "\"funcTable\":{\"length\":1,"));
    hg_buf_release(&json);
    void (*test)(void **) = places_of_a_function_without_a_name_are_one;
    memcpy(&pc, &test, sizeof pc);
    assert_int_equal(hg_function_begin(pc), pc);
    assert_int_equal(hg_function_begin(pc + 1), pc);
    assert_int_equal(hg_function_begin(1), 0);
}

static void no_heap_profile_without_a_sample(void **state)
{
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(hg_heap_profile(&out, &err), HG_EHEAPPROFILE);
    assert_int_equal(out.len, 0);
}

/* --- time --- */

static _Atomic bool g_stop;
static _Atomic uint64_t g_sum;

__attribute__((noinline)) static uint64_t compute_much(uint64_t n)
{
    uint64_t x = n;
    for (uint64_t i = 0; i < n; i++) x ^= x << 7 ^ i;
    return x;
}

static void *compute(void *arg)
{
    while (!atomic_load(&g_stop)) atomic_fetch_add(&g_sum, compute_much(100000));
    return arg;
}

static void *compute_once(void *arg)
{
    atomic_fetch_add(&g_sum, compute_much(10000));
    return arg;
}

/* Threads come and go while others are asked for their time. */
static void *come_and_go(void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    while (!atomic_load(&g_stop)) {
        pthread_t t;
        if (hg_thread_start(&t, compute_once, NULL, "a test", &err) == 0) pthread_join(t, NULL);
    }
    return arg;
}

static bool complete(hg_buf_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t wait_s = 0;
    int rc = hg_cpu_profile_get(true, out, &wait_s, &err);
    assert_true(rc == 0 || (rc == HG_EAGAIN && wait_s >= 1 && wait_s <= 2));
    return rc == 0;
}

/* Computes after it has taken its register back: where compilers do not say so, the place that it had is below the
 * stack pointer (gcc says nothing in the ends of functions). */
#if defined(__x86_64__)
uint64_t compute_at_its_end(uint64_t n);
__asm__(".text\n.type compute_at_its_end, @function\ncompute_at_its_end:\n.cfi_startproc\n"
        "push %rbx\n.cfi_def_cfa_offset 16\n.cfi_offset %rbx, -16\nmov %rdi, %rbx\nmov %rbx, %rax\n"
        "pop %rbx\n.cfi_def_cfa_offset 8\n1: dec %rax\njnz 1b\nret\n"
        ".cfi_endproc\n.size compute_at_its_end, . - compute_at_its_end\n");
#else
#define compute_at_its_end compute_much
#endif

__attribute__((noinline)) static void *caller_of_an_end(void *arg)
{
    while (!atomic_load(&g_stop)) atomic_fetch_add(&g_sum, compute_at_its_end(100000000));
    return arg;
}

/* Takes profiles until function is in one: on a busy machine a second may pass in which its thread does not compute. */
static bool profile_has(const char *function)
{
    bool seen = false;
    hg_err_t err = HG_ERR_INIT;
    for (unsigned tries = 0; tries < 60 && !seen; tries++) {
        hg_buf_t out;
        hg_buf_init(&out, HG_BUF_NOMAX);
        assert_int_equal(hg_cpu_profile_start(1, &err), 0);
        while (!complete(&out)) nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        char *json = unzip(&out);
        assert_memory_equal(json, "{\"meta\":", 8);
        seen = strstr(json, function) != NULL;
        hg_free(json);
        hg_buf_release(&out);
    }
    return seen;
}

static void the_caller_of_a_function_that_ends(void **state)
{
    pthread_t t;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    atomic_store(&g_stop, false);
    assert_int_equal(hg_thread_start(&t, caller_of_an_end, NULL, "a test", &err), 0);
    assert_true(profile_has("\"caller_of_an_end\""));
    hg_cpu_profile_close();
    atomic_store(&g_stop, true);
    pthread_join(t, NULL);
}

static void profile_of_busy_threads(void **state)
{
    pthread_t t[3];
    hg_err_t err = HG_ERR_INIT;
    uint64_t wait_s;
    (void)state;
    hg_buf_t none;
    hg_buf_init(&none, HG_BUF_NOMAX);
    assert_int_equal(hg_cpu_profile_get(false, &none, &wait_s, &err), HG_EINVAL);
    assert_int_equal(hg_cpu_profile_start(0, &err), HG_ERANGE);
    assert_int_equal(hg_cpu_profile_start(HG_CPU_PROFILE_MAX_S + 1, &err), HG_ERANGE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hg_thread_start(&t[i], i ? compute : come_and_go, NULL, "a test", &err), 0);
    assert_true(profile_has("\"compute_much\""));
    assert_int_equal(hg_cpu_profile_start(600, &err), 0);
    assert_int_equal(hg_cpu_profile_start(1, &err), HG_EBUSY);
    hg_cpu_profile_close(); /* does not wait ten minutes */
    assert_int_equal(hg_cpu_profile_get(false, &none, &wait_s, &err), HG_EINVAL);
    assert_int_equal(hg_cpu_profile_start(1, &err), 0);
    hg_cpu_profile_close();
    hg_cpu_profile_close();
    atomic_store(&g_stop, true);
    for (unsigned i = 0; i < 3; i++) pthread_join(t[i], NULL);
    hg_buf_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_of_anything),
        cmocka_unit_test(a_function_has_its_name),
        cmocka_unit_test(places_of_a_function_without_a_name_are_one),
        cmocka_unit_test(no_heap_profile_without_a_sample),
        cmocka_unit_test(profile_of_busy_threads),
        cmocka_unit_test(the_caller_of_a_function_that_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
