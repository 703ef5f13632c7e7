#include "crypto/seal.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/gcm.h>

#include "core/mem.h"
#include "crypto/rng.h"

/* AES-256-GCM as laid out in seal.h: nonce, ciphertext, tag. */

#define NONCE 12
#define TAG 16

static void gcm_start(mbedtls_gcm_context *gcm, const uint8_t key[SEAL_KEY])
{
	mbedtls_gcm_init(gcm);
	if (mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key, SEAL_KEY * 8) != 0)
		abort(); /* only for want of memory */
}

static const unsigned char *octets(struct slice s)
{
	return (const unsigned char *)(s.p == NULL ? "" : s.p);
}

void seal_close(const uint8_t key[SEAL_KEY], struct slice context, struct slice plain, struct buf *out)
{
	unsigned char *at = (unsigned char *)buf_reserve(out, plain.n + SEAL_OVERHEAD);
	mbedtls_gcm_context gcm;

	gcm_start(&gcm, key);
	rng_fill(at, NONCE);
	if (mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, plain.n, at, NONCE, octets(context), context.n,
				      octets(plain), at + NONCE, TAG, at + NONCE + plain.n) != 0)
		abort(); /* not with sizes that fit into memory */
	buf_commit(out, plain.n + SEAL_OVERHEAD);
	mbedtls_gcm_free(&gcm);
}

enum err seal_open(const uint8_t key[SEAL_KEY], struct slice context, struct slice box, struct buf *out)
{
	mbedtls_gcm_context gcm;
	unsigned char *at;
	size_t n;
	int rc;

	if (box.n < SEAL_OVERHEAD)
		return ERR_CRYPTO;
	n = box.n - SEAL_OVERHEAD;
	at = (unsigned char *)buf_reserve(out, n);
	gcm_start(&gcm, key);
	rc = mbedtls_gcm_auth_decrypt(&gcm, n, octets(box), NONCE, octets(context), context.n, octets(box) + NONCE + n,
				      TAG, octets(box) + NONCE, at);
	mbedtls_gcm_free(&gcm);
	if (rc != 0) {
		/* The library has written unauthenticated octets to out: they must not stay behind its end. */
		mem_wipe(at, n);
		*at = '\0';
		return ERR_CRYPTO;
	}
	buf_commit(out, n);
	return ERR_OK;
}
