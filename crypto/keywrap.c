#include "crypto/keywrap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/aes.h>

#include "core/mem.h"

/*
 * RFC 5649 on top of AES in ECB mode. The first semiblock is the integrity register: a magic number and the length of
 * the plain octets. Plain octets are padded with zeroes to whole semiblocks.
 */

#define UNIT 8 /* octets of a semiblock, RFC 3394 2 */

static const uint8_t magic[4] = {0xa6, 0x59, 0x59, 0xa6}; /* RFC 5649 3 */

static void key_start(mbedtls_aes_context *aes, struct slice kek, bool encrypt)
{
	const unsigned char *key = (const unsigned char *)kek.p;
	unsigned bits = (unsigned)kek.n * 8;

	mbedtls_aes_init(aes);
	if ((encrypt ? mbedtls_aes_setkey_enc(aes, key, bits) : mbedtls_aes_setkey_dec(aes, key, bits)) != 0)
		abort(); /* a size that AES does not have */
}

static void one_block(mbedtls_aes_context *aes, bool encrypt, uint8_t block[16])
{
	if (mbedtls_aes_crypt_ecb(aes, encrypt ? MBEDTLS_AES_ENCRYPT : MBEDTLS_AES_DECRYPT, block, block) != 0)
		abort();
}

/* mix: xors the step number into the integrity register, RFC 3394 2.2.1. */
static void mix(uint8_t *a, uint64_t t)
{
	for (int i = 7; t > 0; i--, t >>= 8)
		a[i] ^= (uint8_t)t;
}

/* wrap and unwrap work in place on the register at p and the n semiblocks behind it, RFC 3394 2.2.1 and 2.2.2. */
static void wrap(mbedtls_aes_context *aes, uint8_t *p, size_t n)
{
	uint8_t block[16];

	memcpy(block, p, UNIT);
	for (uint64_t j = 0; j < 6; j++) {
		for (size_t i = 1; i <= n; i++) {
			memcpy(block + UNIT, p + i * UNIT, UNIT);
			one_block(aes, true, block);
			mix(block, n * j + i);
			memcpy(p + i * UNIT, block + UNIT, UNIT);
		}
	}
	memcpy(p, block, UNIT);
	mem_wipe(block, sizeof(block));
}

static void unwrap(mbedtls_aes_context *aes, uint8_t *p, size_t n)
{
	uint8_t block[16];

	memcpy(block, p, UNIT);
	for (uint64_t j = 6; j-- > 0;) {
		for (size_t i = n; i >= 1; i--) {
			mix(block, n * j + i);
			memcpy(block + UNIT, p + i * UNIT, UNIT);
			one_block(aes, false, block);
			memcpy(p + i * UNIT, block + UNIT, UNIT);
		}
	}
	memcpy(p, block, UNIT);
	mem_wipe(block, sizeof(block));
}

void keywrap_close(struct slice kek, struct slice plain, struct buf *out)
{
	size_t n = (plain.n + UNIT - 1) / UNIT;
	uint8_t *p = (uint8_t *)buf_reserve(out, (n + 1) * UNIT);
	mbedtls_aes_context aes;

	memset(p, 0, (n + 1) * UNIT);
	memcpy(p, magic, sizeof(magic));
	for (int i = 0; i < 4; i++)
		p[4 + i] = (uint8_t)(plain.n >> 8 * (3 - i));
	memcpy(p + UNIT, plain.p, plain.n);
	/* RFC 5649 4.1: a single semiblock is encrypted together with the register, as one block. */
	key_start(&aes, kek, true);
	if (n == 1)
		one_block(&aes, true, p);
	else
		wrap(&aes, p, n);
	mbedtls_aes_free(&aes);
	buf_commit(out, (n + 1) * UNIT);
}

/*
 * opened_size: the length that the register tells, or 0 when magic number, length or zero padding are not as RFC 5649 3
 * says. Zeroes are collected without a branch on their values.
 */
static size_t opened_size(const uint8_t *p, size_t n)
{
	size_t size = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
	uint8_t rest = 0;

	if (memcmp(p, magic, sizeof(magic)) != 0 || size <= (n - 1) * UNIT || size > n * UNIT)
		return 0;
	for (size_t i = size; i < n * UNIT; i++)
		rest |= p[UNIT + i];
	return rest == 0 ? size : 0;
}

enum err keywrap_open(struct slice kek, struct slice wrapped, struct buf *out)
{
	mbedtls_aes_context aes;
	size_t n, size;
	uint8_t *p;

	if (wrapped.n < 2 * UNIT || wrapped.n % UNIT != 0)
		return ERR_CRYPTO;
	n = wrapped.n / UNIT - 1;
	p = mem_alloc(wrapped.n);
	memcpy(p, wrapped.p, wrapped.n);
	key_start(&aes, kek, false);
	if (n == 1)
		one_block(&aes, false, p);
	else
		unwrap(&aes, p, n);
	mbedtls_aes_free(&aes);
	size = opened_size(p, n);
	if (size > 0)
		buf_add(out, slice_of(p + UNIT, size));
	mem_wipe(p, wrapped.n);
	mem_free(p);
	return size > 0 ? ERR_OK : ERR_CRYPTO;
}
