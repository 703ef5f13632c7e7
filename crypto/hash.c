#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>

#include "core/mem.h"
#include "crypto/mbed.h"

/*
 * Digests and HMAC by mbedTLS. MD5 and SHA-1 are here for digest authentication and RFC 4474; where they may be used is
 * decided by the callers.
 */

/*
 * The library fails here only when memory is exhausted. Abort as mem_alloc does, so that callers carry no error path.
 */
static void must(int rc)
{
	if (rc != 0)
		abort();
}

/*
 * join: the parts as one run of octets. mbedTLS hashes one run faster than through the context that several updates
 * need.
 */
static struct slice join(const struct slice *parts, size_t n, struct buf *all)
{
	if (n == 1 && parts[0].n > 0)
		return parts[0];
	buf_adds(all, "");
	for (size_t i = 0; i < n; i++)
		buf_add(all, parts[i]);
	return buf_slice(all);
}

mbedtls_md_type_t hash_md(enum hash_alg alg)
{
	switch (alg) {
	case HASH_MD5:
		return MBEDTLS_MD_MD5;
	case HASH_SHA1:
		return MBEDTLS_MD_SHA1;
	case HASH_SHA256:
		break;
	}
	return MBEDTLS_MD_SHA256;
}

size_t hash_size(enum hash_alg alg)
{
	switch (alg) {
	case HASH_MD5:
		return 16;
	case HASH_SHA1:
		return 20;
	case HASH_SHA256:
		break;
	}
	return 32;
}

void hash_parts(enum hash_alg alg, const struct slice *parts, size_t n, uint8_t *out)
{
	struct buf all = {0};
	struct slice input = join(parts, n, &all);

	must(mbedtls_md(mbedtls_md_info_from_type(hash_md(alg)), (const unsigned char *)input.p, input.n, out));
	buf_wipe(&all);
}

void hash_hex(enum hash_alg alg, const struct slice *parts, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[HASH_MAX];
	size_t size = hash_size(alg);

	hash_parts(alg, parts, n, digest);
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * size] = '\0';
}

void hash_fingerprint(const uint8_t *digest, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%02X", i == 0 ? "" : ":", digest[i]);
}

void hmac_parts(enum hash_alg alg, struct slice key, const struct slice *parts, size_t n, uint8_t *out)
{
	struct buf all = {0};
	struct slice input = join(parts, n, &all);

	if (key.p == NULL)
		key = S("");
	must(mbedtls_md_hmac(mbedtls_md_info_from_type(hash_md(alg)), (const unsigned char *)key.p, key.n,
			     (const unsigned char *)input.p, input.n, out));
	buf_wipe(&all);
}

#define BLOCK 64 /* octets that SHA-256 takes at once */

/*
 * HMAC = H(key ^ opad, H(key ^ ipad, text)). Both contexts are kept as they are after the first block, the padded key.
 */
struct hmac_key {
	mbedtls_sha256_context inner, outer; /* each with its padded key in it */
};

static void start(mbedtls_sha256_context *c, const uint8_t key[BLOCK], uint8_t pad)
{
	uint8_t block[BLOCK];

	for (unsigned i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ pad;
	mbedtls_sha256_init(c);
	must(mbed_sha256_starts(c, 0));
	must(mbed_sha256_update(c, block, BLOCK));
	mem_wipe(block, sizeof(block));
}

struct hmac_key *hmac_key_new(struct slice key)
{
	struct hmac_key *k = mem_alloc(sizeof(*k));
	uint8_t block[BLOCK] = {0};

	/* RFC 2104 2: a key longer than a block is hashed first. */
	if (key.n > BLOCK)
		hash_parts(HASH_SHA256, &key, 1, block);
	else if (key.n > 0)
		memcpy(block, key.p, key.n);
	start(&k->inner, block, 0x36);
	start(&k->outer, block, 0x5c);
	mem_wipe(block, sizeof(block));
	return k;
}

void hmac_key_free(struct hmac_key *k)
{
	if (k == NULL)
		return;
	mbedtls_sha256_free(&k->inner);
	mbedtls_sha256_free(&k->outer);
	mem_free(k);
}

void hmac_key_sum(const struct hmac_key *k, const struct slice *parts, size_t n, uint8_t *out)
{
	mbedtls_sha256_context c;

	mbedtls_sha256_init(&c);
	mbedtls_sha256_clone(&c, &k->inner);
	for (size_t i = 0; i < n; i++)
		must(mbed_sha256_update(&c, (const unsigned char *)parts[i].p, parts[i].n));
	must(mbed_sha256_finish(&c, out));
	mbedtls_sha256_clone(&c, &k->outer);
	must(mbed_sha256_update(&c, out, 32));
	must(mbed_sha256_finish(&c, out));
	mbedtls_sha256_free(&c);
}
