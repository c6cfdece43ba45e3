/* test.h: first include of every cmocka file. */
#ifndef HG_TESTS_LIB_TEST_H
#define HG_TESTS_LIB_TEST_H

#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>

#endif
