#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "core/slice.h"

/*
 * What the targets share. A target is one file with this one function: it gives data to product code through the
 * headers and stops the program when a promise of theirs is broken. libFuzzer or replay.c calls it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #x); \
			abort(); \
		} \
	} while (0)

/* inside: s is absent, or all of its octets are octets of whole. */
static inline bool inside(struct slice s, struct slice whole)
{
	if (s.p == NULL)
		return s.n == 0;
	return s.p >= whole.p && s.n <= whole.n && (size_t)(s.p - whole.p) <= whole.n - s.n;
}

/* same: equal, and absent only together. */
static inline bool same(struct slice a, struct slice b)
{
	return (a.p == NULL) == (b.p == NULL) && slice_eq(a, b);
}

/* input_octets: data as a slice that is never absent. */
static inline struct slice input_octets(const uint8_t *data, size_t size)
{
	return size == 0 ? S("") : slice_of(data, size);
}

/* input_cut: takes what stands before the first line feed off *rest; all of it when there is none. */
static inline struct slice input_cut(struct slice *rest)
{
	struct slice line, tail;

	if (!slice_cut(*rest, '\n', &line, &tail)) {
		line = *rest;
		tail = S("");
	}
	*rest = tail;
	return line;
}

#endif
