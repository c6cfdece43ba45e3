/* Libraries that are loaded late: found, not there, and there without what is needed. */
#include "base/hg.h"
#include "tests/lib/test.h"

#include <math.h>

#include "base/library.h"

double missing_from_every_library(double);

#define FUNCTIONS(F) F(trunc) F(fmod)
static struct {
    FUNCTIONS(HG_LIB_POINTER)
    HG_LIB_POINTER(missing_from_every_library)
} lib;

static void test_found(void **state)
{
    static const hg_lib_fn_t fns[] = { FUNCTIONS(HG_LIB_ROW) };
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_lib_load("libm", "libm.so.6", fns, HG_COUNT(fns), &err), 0);
    assert_true(lib.trunc_(3.5) == 3 && lib.fmod_(7, 4) == 3);
}

static void test_not_there(void **state)
{
    static const hg_lib_fn_t fns[] = { FUNCTIONS(HG_LIB_ROW) };
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_lib_load("libnone", "libnone.so.77", fns, HG_COUNT(fns), &err), HG_EIO);
    assert_non_null(strstr(err.msg, "libnone cannot be loaded: libnone.so.77"));
}

static void test_lacks_a_function(void **state)
{
    static const hg_lib_fn_t fns[] = { FUNCTIONS(HG_LIB_ROW) HG_LIB_ROW(missing_from_every_library) };
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_lib_load("libm", "libm.so.6", fns, HG_COUNT(fns), &err), HG_EIO);
    assert_non_null(strstr(err.msg, "missing_from_every_library"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_lacks_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
