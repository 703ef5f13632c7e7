#ifndef TESTS_TEST_H
#define TESTS_TEST_H

/*
 * What every test program in C begins with. Include it first: cmocka.h needs the headers before it, and the helpers of
 * tests/unit and tests/scenario need cmocka.h.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* TEST='T_04*' in the environment chooses which tests of a program run. */
#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown) \
	(cmocka_set_test_filter(getenv("TEST")), _cmocka_run_group_tests(#tests, tests, COUNT(tests), setup, teardown))

#endif
