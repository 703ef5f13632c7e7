#ifndef CRYPTO_MBED_H
#define CRYPTO_MBED_H

/*
 * Glue to mbedTLS for the files of this folder: the differences of 2.28 and 3.6, and the contexts of the library inside
 * our opaque types. Nothing outside crypto/ includes this. Members that 3.x calls private are touched only here and in
 * tls_state.h.
 */
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x021c0000
#error "mbedTLS 2.28 or 3.6 is needed"
#endif
#if !defined(MBEDTLS_THREADING_C)
#error "mbedTLS must be built with MBEDTLS_THREADING_C: keys of trust anchors are shared by threads"
#endif

#define MBED_3 (MBEDTLS_VERSION_NUMBER >= 0x03000000)

#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_crt.h>

#include "crypto/cert.h"
#include "crypto/key.h"
#include "crypto/rng.h"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

struct key {
	enum key_kind kind;
	unsigned bits;
	bool private_half;
	mbedtls_pk_context pk;
};

/* key_new: an empty key with a context for kind, for key.c and key_read.c. */
struct key *key_new(enum key_kind kind);

/* key_private_der: appends RSAPrivateKey (RFC 8017 A.1.2) or ECPrivateKey (RFC 5915, with public key, no curve). */
void key_private_der(const struct key *k, struct buf *out);

/* key_read_inner: RSAPrivateKey, or ECPrivateKey on the curve whose OID is given (NONE: the one named inside). */
MUST_USE enum err key_read_inner(enum key_kind kind, struct slice curve, struct slice der, struct key **out);

/* key_algorithm: the AlgorithmIdentifier body of an SPKI or PrivateKeyInfo: kind, and for EC the curve's OID. */
MUST_USE enum err key_algorithm(struct slice body, enum key_kind *kind, struct slice *curve);

/* key_put_algorithm: appends the AlgorithmIdentifier of k. */
void key_put_algorithm(const struct key *k, struct buf *out);

mbedtls_md_type_t hash_md(enum hash_alg alg);

static inline mbedtls_ecp_group *mbed_ec_group(mbedtls_ecp_keypair *pair)
{
	return &pair->MBEDTLS_PRIVATE(grp);
}

static inline mbedtls_mpi *mbed_ec_secret(mbedtls_ecp_keypair *pair)
{
	return &pair->MBEDTLS_PRIVATE(d);
}

static inline mbedtls_ecp_point *mbed_ec_point(mbedtls_ecp_keypair *pair)
{
	return &pair->MBEDTLS_PRIVATE(Q);
}

static inline int mbed_pk_sign(mbedtls_pk_context *pk, mbedtls_md_type_t md, const uint8_t *digest, size_t n,
			       uint8_t *sig, size_t room, size_t *sig_len)
{
#if MBED_3
	return mbedtls_pk_sign(pk, md, digest, n, sig, room, sig_len, rng_mbedtls, NULL);
#else
	(void)room;
	return mbedtls_pk_sign(pk, md, digest, n, sig, sig_len, rng_mbedtls, NULL);
#endif
}

#if MBED_3
#define mbed_sha256_starts mbedtls_sha256_starts
#define mbed_sha256_update mbedtls_sha256_update
#define mbed_sha256_finish mbedtls_sha256_finish
#else
#define mbed_sha256_starts mbedtls_sha256_starts_ret
#define mbed_sha256_update mbedtls_sha256_update_ret
#define mbed_sha256_finish mbedtls_sha256_finish_ret
#endif

/* mbed_crt_self_check: does the signature of crt verify under its own key? 0 when it does. */
static inline int mbed_crt_self_check(mbedtls_x509_crt *crt)
{
	mbedtls_md_type_t type = crt->MBEDTLS_PRIVATE(sig_md);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type);
	uint8_t digest[MBEDTLS_MD_MAX_SIZE];

	if (md == NULL || mbedtls_md(md, crt->tbs.p, crt->tbs.len, digest) != 0)
		return -1;
	return mbedtls_pk_verify_ext(crt->MBEDTLS_PRIVATE(sig_pk), crt->MBEDTLS_PRIVATE(sig_opts), &crt->pk, type,
				     digest, mbedtls_md_get_size(md), crt->MBEDTLS_PRIVATE(sig).p,
				     crt->MBEDTLS_PRIVATE(sig).len);
}

#endif
