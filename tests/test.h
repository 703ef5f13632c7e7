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
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
