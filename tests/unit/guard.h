#ifndef TESTS_UNIT_GUARD_H
#define TESTS_UNIT_GUARD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/slice.h"

/* Octets that end right before a page that may not be touched: one octet read too far ends the test program. */

static inline size_t guard_span(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n / page + 1) * page;
}

/* guard_copy: a copy of s whose last octet is followed by a PROT_NONE page. Writable; guard_free gives it back. */
static inline struct slice guard_copy(struct slice s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guard_span(s.n);
	char *base = mmap(NULL, span + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || mprotect(base + span, page, PROT_NONE) != 0)
		abort();
	if (s.n > 0)
		memcpy(base + span - s.n, s.p, s.n);
	return (struct slice){base + span - s.n, s.n};
}

static inline void guard_free(struct slice s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guard_span(s.n);

	if (munmap((void *)((uintptr_t)s.p + s.n - span), span + page) != 0)
		abort();
}

#endif
