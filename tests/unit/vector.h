#ifndef TESTS_UNIT_VECTOR_H
#define TESTS_UNIT_VECTOR_H

/* Files of tests/vectors, for programs that run in the root of the repository. */

#include "tests/test.h"

#include "core/buf.h"
#include "crypto/encode.h"

#define VECTOR_MAX (1 << 20)
#define VECTOR_FIELDS 16

/* vector_file: the whole file tests/vectors/<name>; the caller's, buf_free. */
static inline struct buf vector_file(const char *name)
{
	struct buf b = {0};
	char path[256];

	snprintf(path, sizeof(path), "tests/vectors/%s", name);
	if (buf_read_file(&b, path, VECTOR_MAX) != ERR_OK)
		fail_msg("%s cannot be read: run this in the root of the repository", path);
	return b;
}

/* vector_row: the fields between tabs of the next line of *rest; fields that are not there are empty. */
static inline bool vector_row(struct slice *rest, struct slice fields[VECTOR_FIELDS])
{
	struct slice line, tail;

	if (rest->n == 0)
		return false;
	if (!slice_cut(*rest, '\n', &line, rest)) {
		line = *rest;
		*rest = S("");
	}
	for (size_t i = 0; i < VECTOR_FIELDS; i++) {
		if (!slice_cut(line, '\t', &fields[i], &tail)) {
			fields[i] = line;
			tail = S("");
		}
		line = tail;
	}
	return true;
}

/* vector_hex: the octets that hexadecimal digits stand for; the caller's, buf_free. */
static inline struct buf vector_hex(struct slice digits)
{
	struct buf b = {0}, even = {0};

	if (digits.n % 2 != 0)
		buf_addc(&even, '0');
	buf_add(&even, digits);
	if (hex_decode(&b, buf_slice(&even)) != ERR_OK)
		fail_msg("not hexadecimal: %.*s", SLICE_ARG(digits));
	buf_free(&even);
	return b;
}

#endif
