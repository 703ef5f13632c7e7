#include "core/siphash.h"

#include <endian.h>
#include <string.h>

/*
 * SipHash-2-4: two rounds for each 8 octets, four at the end. The initial constants spell
 * "somepseudorandomlygeneratedbytes". Words are read little-endian, so that a hash stored on disk is the same on every
 * machine. Vectors of the paper: tests/unit/test_map.c.
 */

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* The n <= 8 octets at p, the first one lowest. */
static inline uint64_t load(const char *p, size_t n)
{
	uint64_t x = 0;

	memcpy(&x, p, n);
	return le64toh(x);
}

uint64_t siphash(uint64_t k0, uint64_t k1, struct slice s)
{
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
			 k1 ^ 0x7465646279746573u};
	uint64_t last = (uint64_t)s.n << 56;
	size_t i = 0;

	for (; s.n - i >= 8; i += 8) {
		uint64_t w = load(s.p + i, 8);

		v[3] ^= w;
		sip_round(v);
		sip_round(v);
		v[0] ^= w;
	}
	/* The last word holds the rest of the octets and, in its highest octet, the length modulo 256. */
	if (s.n > i)
		last |= load(s.p + i, s.n - i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int r = 0; r < 4; r++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
