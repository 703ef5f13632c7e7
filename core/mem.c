#include "core/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The only callers of malloc and its kin. See core/mem.h for why failure aborts. */

static void *checked(void *p)
{
	if (p == NULL) {
		fputs("vouch: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return checked(calloc(1, size));
}

void *mem_calloc(size_t n, size_t size)
{
	/* calloc checks the product for overflow. calloc(0, ...) may return NULL, which is no failure. */
	return checked(calloc(n == 0 ? 1 : n, size));
}

/* Not realloc, which leaves the octets where they were when it moves them. */
void *mem_resize(void *p, size_t size)
{
	size_t old = p == NULL ? 0 : malloc_usable_size(p);
	void *moved;

	if (old >= size && old / 2 <= size)
		return p;
	moved = checked(malloc(size));
	if (p != NULL)
		memcpy(moved, p, old < size ? old : size);
	mem_free(p);
	return moved;
}

char *mem_strdup(const char *s)
{
	return checked(strdup(s));
}

void mem_free(void *p)
{
	if (p != NULL)
		mem_wipe(p, malloc_usable_size(p));
	free(p);
}

void mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

bool mem_equal_ct(const void *a, const void *b, size_t n)
{
	/* volatile: the compiler must not end the loop at the first difference. */
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
