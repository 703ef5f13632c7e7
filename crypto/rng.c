#include "crypto/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/mem.h"
#include "crypto/encode.h"

/*
 * Random octets. The generators of the library are not used: Debian's 2.28 mixes in HAVEGE, and state of ours could be
 * copied by a fork.
 */

void rng_fill(void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fputs("vouch: the kernel gives no random numbers\n", stderr);
			abort();
		}
		at += got;
		n -= (size_t)got;
	}
}

uint32_t rng_below(uint32_t bound)
{
	uint32_t low =
		(uint32_t)-bound %
		bound; /* 2^32 mod bound: without the values below it, each result stands for equally many values */
	uint32_t v;

	do
		rng_fill(&v, sizeof(v));
	while (v < low);
	return v % bound;
}

void rng_hex(struct buf *out, size_t n)
{
	uint8_t octets[64];

	if (n > sizeof(octets))
		abort();
	rng_fill(octets, n);
	hex_encode(out, slice_of(octets, n));
	mem_wipe(octets, sizeof(octets));
}

int rng_mbedtls(void *unused, unsigned char *p, size_t n)
{
	(void)unused;
	rng_fill(p, n);
	return 0;
}
