#ifndef TESTS_UNIT_PREFIX_H
#define TESTS_UNIT_PREFIX_H

/* What every parser owes: no octet read behind the input, slices that lie inside it, a result untouched on failure. */

#include "tests/test.h"

#include "tests/unit/guard.h"

#define PREFIX_FILL 0xa5

/* TEXT: a struct slice of a literal in a table of constants, where S() is no constant. */
#define TEXT(lit) \
	{ \
		"" lit, sizeof(lit) - 1 \
	}

/* each_prefix: check(in) for every prefix of whole, from nothing to all of it, each right before a guard page. */
static inline void each_prefix(struct slice whole, void (*check)(struct slice in))
{
	for (size_t n = 0; n <= whole.n; n++) {
		struct slice in = guard_copy(slice_sub(whole, 0, n));

		check(in);
		guard_free(in);
	}
}

/* inside: part is absent, or all of it lies in whole. */
static inline bool inside(struct slice whole, struct slice part)
{
	return part.p == NULL || (part.p >= whole.p && part.n <= whole.n && part.p + part.n <= whole.p + whole.n);
}

/* is_text: s is that text, or absent where text is NULL. */
static inline bool is_text(struct slice s, const char *text)
{
	return text == NULL ? s.p == NULL : s.p != NULL && slice_eq(s, slice_str(text));
}

/* untouched: are the n octets still those that memset(p, PREFIX_FILL, n) wrote? */
static inline bool untouched(const void *p, size_t n)
{
	const unsigned char *octets = p;

	for (size_t i = 0; i < n; i++)
		if (octets[i] != PREFIX_FILL)
			return false;
	return true;
}

#endif
