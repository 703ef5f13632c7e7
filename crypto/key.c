#include "crypto/key.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/der.h"
#include "crypto/mbed.h"

/* Making, writing and using keys. Reading is key_read.c. */

struct key *key_new(enum key_kind kind)
{
	struct key *k = mem_alloc(sizeof(*k));
	mbedtls_pk_type_t type = kind == KEY_RSA ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY;

	k->kind = kind;
	mbedtls_pk_init(&k->pk);
	if (mbedtls_pk_setup(&k->pk, mbedtls_pk_info_from_type(type)) != 0)
		abort(); /* only for want of memory */
	return k;
}

void key_free(struct key *k)
{
	if (k == NULL)
		return;
	mbedtls_pk_free(&k->pk);
	mem_wipe(k, sizeof(*k));
	mem_free(k);
}

enum err key_generate(enum key_kind kind, unsigned bits, struct key **out)
{
	struct key *k;
	int rc;

	if (kind == KEY_RSA ? bits < 1024 || bits > 4096 || bits % 8 != 0 : bits != 256)
		return ERR_UNSUPPORTED;
	k = key_new(kind);
	if (kind == KEY_RSA)
		rc = mbedtls_rsa_gen_key(mbedtls_pk_rsa(k->pk), rng_mbedtls, NULL, bits, 65537);
	else
		rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(k->pk), rng_mbedtls, NULL);
	if (rc != 0) {
		key_free(k);
		return ERR_CRYPTO;
	}
	k->bits = bits;
	k->private_half = true;
	*out = k;
	return ERR_OK;
}

enum err key_dup(const struct key *k, struct key **out)
{
	struct buf der = {0};
	enum err e;

	/* A context of the library cannot be copied. Write the key and read it again, which checks it as well. */
	if (!k->private_half) {
		key_spki(k, &der);
		e = key_read_public(buf_slice(&der), out);
	} else {
		key_private_der(k, &der);
		e = key_read_inner(k->kind, k->bits == 384 ? OID_P384 : OID_P256, buf_slice(&der), out);
	}
	buf_wipe(&der);
	return e;
}

enum key_kind key_kind(const struct key *k)
{
	return k->kind;
}

unsigned key_bits(const struct key *k)
{
	return k->bits;
}

/* The library hands out contexts without const; what is called with them here only reads. */
static mbedtls_rsa_context *rsa_of(const struct key *k)
{
	return mbedtls_pk_rsa(k->pk);
}

static void put_mpi(struct buf *out, const mbedtls_mpi *v)
{
	uint8_t octets[512];
	size_t n = mbedtls_mpi_size(v);

	if (n > sizeof(octets) || mbedtls_mpi_write_binary(v, octets, n) != 0)
		abort(); /* not with the limits of key.h */
	der_put_uint(out, slice_of(octets, n));
	mem_wipe(octets, sizeof(octets));
}

static void put_rsa(const struct key *k, bool private_half, struct buf *out)
{
	mbedtls_mpi v[8];
	size_t shown = private_half ? 8 : 2, mark;

	for (size_t i = 0; i < 8; i++)
		mbedtls_mpi_init(&v[i]);
	/* v holds N E D P Q DP DQ QINV in this order, as RFC 8017 A.1.2 writes them. */
	if (mbedtls_rsa_export(rsa_of(k), &v[0], private_half ? &v[3] : NULL, private_half ? &v[4] : NULL,
			       private_half ? &v[2] : NULL, &v[1]) != 0 ||
	    (private_half && mbedtls_rsa_export_crt(rsa_of(k), &v[5], &v[6], &v[7]) != 0))
		abort(); /* only for want of memory */
	mark = der_open(out, DER_SEQUENCE);
	if (private_half)
		der_put_u32(out, 0);
	for (size_t i = 0; i < shown; i++)
		put_mpi(out, &v[i]);
	der_close(out, mark);
	for (size_t i = 0; i < 8; i++)
		mbedtls_mpi_free(&v[i]);
}

static void put_point(const struct key *k, struct buf *out)
{
	mbedtls_ecp_keypair *pair = mbedtls_pk_ec(k->pk);
	uint8_t octets[1 + 2 * 48];
	size_t n;

	if (mbedtls_ecp_point_write_binary(mbed_ec_group(pair), mbed_ec_point(pair), MBEDTLS_ECP_PF_UNCOMPRESSED, &n,
					   octets, sizeof(octets)) != 0)
		abort();
	buf_add(out, slice_of(octets, n));
}

void key_put_algorithm(const struct key *k, struct buf *out)
{
	size_t mark = der_open(out, DER_SEQUENCE);

	der_put(out, DER_OID, k->kind == KEY_RSA ? OID_RSA : OID_EC);
	if (k->kind == KEY_RSA)
		der_put(out, DER_NULL, S(""));
	else
		der_put(out, DER_OID, k->bits == 256 ? OID_P256 : OID_P384);
	der_close(out, mark);
}

void key_spki(const struct key *k, struct buf *out)
{
	size_t mark = der_open(out, DER_SEQUENCE), bits;

	key_put_algorithm(k, out);
	bits = der_open(out, DER_BITS);
	buf_addc(out, 0);
	if (k->kind == KEY_RSA)
		put_rsa(k, false, out);
	else
		put_point(k, out);
	der_close(out, bits);
	der_close(out, mark);
}

void key_private_der(const struct key *k, struct buf *out)
{
	size_t size = k->bits / 8, mark, inner, bits;
	uint8_t secret[48];

	/*
	 * Reserve room for the largest key at once. A growing buffer would leave copies of the key in memory that it
	 * gave back.
	 */
	buf_reserve(out, 4096);
	if (k->kind == KEY_RSA) {
		put_rsa(k, true, out);
		return;
	}
	if (mbedtls_mpi_write_binary(mbed_ec_secret(mbedtls_pk_ec(k->pk)), secret, size) != 0)
		abort();
	mark = der_open(out, DER_SEQUENCE);
	der_put_u32(out, 1);
	der_put(out, DER_OCTETS, slice_of(secret, size));
	inner = der_open(out, DER_CONTEXT_CONSTRUCTED(1));
	bits = der_open(out, DER_BITS);
	buf_addc(out, 0);
	put_point(k, out);
	der_close(out, bits);
	der_close(out, inner);
	der_close(out, mark);
	mem_wipe(secret, sizeof(secret));
}

enum err key_sign(struct key *k, enum hash_alg alg, const uint8_t *digest, uint8_t *sig, size_t *n)
{
	/* mbedTLS 2.28 is not told the room of the signature, so it gets as much as it may ever write. */
	uint8_t made[KEY_SIG_MAX > MBEDTLS_PK_SIGNATURE_MAX_SIZE ? KEY_SIG_MAX : MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t len;

	if (!k->private_half || alg == HASH_MD5)
		return ERR_UNSUPPORTED;
	if (mbed_pk_sign(&k->pk, hash_md(alg), digest, hash_size(alg), made, sizeof(made), &len) != 0 ||
	    len > KEY_SIG_MAX)
		return ERR_CRYPTO;
	memcpy(sig, made, len);
	*n = len;
	return ERR_OK;
}

enum err key_verify(struct key *k, enum hash_alg alg, const uint8_t *digest, struct slice sig)
{
	if (alg == HASH_MD5 || sig.n == 0)
		return ERR_CRYPTO;
	return mbedtls_pk_verify(&k->pk, hash_md(alg), digest, hash_size(alg), (const unsigned char *)sig.p, sig.n) == 0
		       ? ERR_OK
		       : ERR_CRYPTO;
}

bool key_made(struct key *k, enum hash_alg alg, struct slice sig)
{
	uint8_t padded[KEY_SIG_MAX];
	size_t n = (k->bits + 7) / 8;

	/*
	 * PKCS#1 v1.5 ends with the digest. Take it from the opened signature; key_verify then compares all padding
	 * before it.
	 */
	return k->kind == KEY_RSA && sig.n == n &&
	       mbedtls_rsa_public(rsa_of(k), (const unsigned char *)sig.p, padded) == 0 &&
	       key_verify(k, alg, padded + n - hash_size(alg), sig) == ERR_OK;
}
