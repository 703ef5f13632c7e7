#include "crypto/pbes2.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/cipher.h>
#include <mbedtls/pkcs5.h>

#include "core/mem.h"
#include "crypto/der.h"
#include "crypto/keywrap.h"
#include "crypto/mbed.h"

/*
 * PBES2: a key is derived from the pass phrase by PBKDF2 and opens or closes the octets by one of a table of schemes.
 * The prf and the scheme are chosen by their OIDs; the first entries are the ones that pbes2_close writes.
 */

#define OID_PBES2 S("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d")
#define OID_PBKDF2 S("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c")

#define KEY_ROOM 32
#define SALT_SIZE 16

struct prf {
	struct slice oid;
	mbedtls_md_type_t md;
};

/* struct scheme: iv is the size of the IV in octets; 0: key wrap, which has none and whose parameters are absent. */
struct scheme {
	struct slice oid;
	mbedtls_cipher_type_t cipher;
	size_t key;
	size_t iv;
};

/* hmacWithSHA1, hmacWithSHA256, hmacWithSHA512 (RFC 8018 B.1.1, B.1.2). */
static const struct prf prfs[] = {
	{{"\x2a\x86\x48\x86\xf7\x0d\x02\x07", 8}, MBEDTLS_MD_SHA1},
	{{"\x2a\x86\x48\x86\xf7\x0d\x02\x09", 8}, MBEDTLS_MD_SHA256},
	{{"\x2a\x86\x48\x86\xf7\x0d\x02\x0b", 8}, MBEDTLS_MD_SHA512},
};

enum { PRF_SHA1, PRF_SHA256 };

/*
 * des-EDE3-CBC, id-aes128-wrap-pad, aes256-CBC, which are written; aes128-CBC, aes192-CBC, id-aes192-wrap-pad,
 * id-aes256-wrap-pad, which are only read.
 */
static const struct scheme schemes[] = {
	{{"\x2a\x86\x48\x86\xf7\x0d\x03\x07", 8}, MBEDTLS_CIPHER_DES_EDE3_CBC, 24, 8},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x08", 9}, MBEDTLS_CIPHER_NONE, 16, 0},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x2a", 9}, MBEDTLS_CIPHER_AES_256_CBC, 32, 16},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x02", 9}, MBEDTLS_CIPHER_AES_128_CBC, 16, 16},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x16", 9}, MBEDTLS_CIPHER_AES_192_CBC, 24, 16},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x1c", 9}, MBEDTLS_CIPHER_NONE, 24, 0},
	{{"\x60\x86\x48\x01\x65\x03\x04\x01\x30", 9}, MBEDTLS_CIPHER_NONE, 32, 0},
};

enum { SCHEME_3DES, SCHEME_WRAP128, SCHEME_AES256, SCHEME_COUNT = sizeof(schemes) / sizeof(schemes[0]) };

struct pbes2 {
	struct slice salt;
	uint32_t iterations;
	size_t key; /* octets to derive */
	const struct prf *prf;
	const struct scheme *scheme;
	struct slice iv;
};

static const unsigned char *octets(struct slice s)
{
	return (const unsigned char *)(s.p == NULL ? "" : s.p);
}

static void derive(mbedtls_md_type_t type, struct slice pass, struct slice salt, uint32_t iterations, uint8_t *out,
		   size_t n)
{
	int rc;
#if MBED_3
	rc = mbedtls_pkcs5_pbkdf2_hmac_ext(type, octets(pass), pass.n, octets(salt), salt.n, iterations, (uint32_t)n,
					   out);
#else
	mbedtls_md_context_t md;

	mbedtls_md_init(&md);
	rc = mbedtls_md_setup(&md, mbedtls_md_info_from_type(type), 1);
	if (rc == 0)
		rc = mbedtls_pkcs5_pbkdf2_hmac(&md, octets(pass), pass.n, octets(salt), salt.n, iterations, (uint32_t)n,
					       out);
	mbedtls_md_free(&md);
#endif
	if (rc != 0)
		abort(); /* only for want of memory */
}

void pbkdf2(enum hash_alg prf, struct slice pass, struct slice salt, uint32_t iterations, uint8_t *out, size_t n)
{
	derive(hash_md(prf), pass, salt, iterations, out, n);
}

/*
 * derive_key: the key for the scheme. For triple DES a derived key of 16 octets is K1, K2 and is used as K1, K2, K1
 * (T-01).
 */
static void derive_key(const struct pbes2 *p, struct slice pass, uint8_t key[KEY_ROOM])
{
	derive(p->prf->md, pass, p->salt, p->iterations, key, p->key);
	if (p->scheme->cipher == MBEDTLS_CIPHER_DES_EDE3_CBC && p->key == 16)
		memcpy(key + 16, key, 8);
}

static void cbc(const struct pbes2 *p, const uint8_t *key, bool encrypt, struct slice in, uint8_t *out)
{
	mbedtls_cipher_context_t c;
	size_t n;
	int rc;

	mbedtls_cipher_init(&c);
	rc = mbedtls_cipher_setup(&c, mbedtls_cipher_info_from_type(p->scheme->cipher));
	if (rc == 0)
		rc = mbedtls_cipher_setkey(&c, key, (int)p->scheme->key * 8,
					   encrypt ? MBEDTLS_ENCRYPT : MBEDTLS_DECRYPT);
	if (rc == 0)
		rc = mbedtls_cipher_set_padding_mode(&c, MBEDTLS_PADDING_NONE);
	if (rc == 0)
		rc = mbedtls_cipher_crypt(&c, octets(p->iv), p->iv.n, octets(in), in.n, out, &n);
	mbedtls_cipher_free(&c);
	if (rc != 0)
		abort(); /* only for want of memory: sizes were checked */
}

/*
 * Padding is checked here (RFC 8018 6.1.1), because the way in which the library does it differs between its versions.
 * All padding octets are compared without an early end, so that timing tells nothing about them.
 */
static enum err cbc_open(const struct pbes2 *p, const uint8_t *key, struct slice sealed, struct buf *plain)
{
	size_t block = p->scheme->iv, n;
	uint8_t *room, pad, wrong = 0;

	if (sealed.n == 0 || sealed.n % block != 0)
		return ERR_CRYPTO;
	room = mem_alloc(sealed.n + block);
	cbc(p, key, false, sealed, room);
	pad = room[sealed.n - 1];
	if (pad == 0 || pad > block) {
		wrong = 1;
		pad = 1;
	}
	n = sealed.n - pad;
	for (size_t i = n; i < sealed.n; i++)
		wrong |= room[i] ^ pad;
	if (wrong == 0)
		buf_add(plain, slice_of(room, n));
	mem_wipe(room, sealed.n + block);
	mem_free(room);
	return wrong == 0 ? ERR_OK : ERR_CRYPTO;
}

static void cbc_close(const struct pbes2 *p, const uint8_t *key, struct slice plain, struct buf *out)
{
	size_t block = p->scheme->iv, pad = block - plain.n % block, n = plain.n + pad;
	uint8_t *padded = mem_alloc(n);

	memcpy(padded, plain.p, plain.n);
	memset(padded + plain.n, (int)pad, pad);
	cbc(p, key, true, slice_of(padded, n), (uint8_t *)buf_reserve(out, n + block));
	buf_commit(out, n);
	mem_wipe(padded, n);
	mem_free(padded);
}

static enum err read_prf(struct slice body, const struct prf **out)
{
	struct slice oid, params;

	if (!der_take(&body, DER_OID, &oid))
		return ERR_SYNTAX;
	/* NULL is the rule, its absence is met in practice. */
	if (body.n > 0 && (!der_take(&body, DER_NULL, &params) || params.n > 0 || body.n > 0))
		return ERR_SYNTAX;
	for (size_t i = 0; i < sizeof(prfs) / sizeof(prfs[0]); i++) {
		if (slice_eq(oid, prfs[i].oid)) {
			*out = &prfs[i];
			return ERR_OK;
		}
	}
	return ERR_UNSUPPORTED;
}

/* RFC 8018 A.2: PBKDF2-params. p->key is 0 when keyLength is absent. */
static enum err read_kdf(struct slice body, struct pbes2 *p)
{
	struct slice oid, params, count, prf;
	uint32_t key = 0;

	if (!der_take(&body, DER_OID, &oid))
		return ERR_SYNTAX;
	if (!slice_eq(oid, OID_PBKDF2))
		return ERR_UNSUPPORTED;
	if (!der_take(&body, DER_SEQUENCE, &params) || body.n > 0)
		return ERR_SYNTAX;
	if (!der_take(&params, DER_OCTETS, &p->salt))
		return der_is(params, DER_SEQUENCE) ? ERR_UNSUPPORTED : ERR_SYNTAX; /* otherSource */
	if (!der_uint(&params, &count) || count.n == 0)
		return ERR_SYNTAX;
	/* At most five steps: the sum is checked before each shift, so it cannot overflow 32 bits. */
	p->iterations = 0;
	for (size_t i = 0; i < count.n && p->iterations <= PKCS8_ITERATIONS_MAX; i++)
		p->iterations = p->iterations << 8 | (unsigned char)count.p[i];
	if (count.n > 4 || p->iterations > PKCS8_ITERATIONS_MAX)
		return ERR_LIMIT;
	if (der_is(params, DER_INTEGER)) {
		if (!der_u32(&params, UINT32_MAX, &key))
			return ERR_SYNTAX;
		if (key == 0 || key > KEY_ROOM)
			return ERR_CRYPTO;
	}
	p->key = key;
	p->prf = &prfs[PRF_SHA1];
	if (params.n == 0)
		return ERR_OK;
	if (!der_take(&params, DER_SEQUENCE, &prf) || params.n > 0)
		return ERR_SYNTAX;
	return read_prf(prf, &p->prf);
}

static enum err read_scheme(struct slice body, struct pbes2 *p)
{
	struct slice oid;

	if (!der_take(&body, DER_OID, &oid))
		return ERR_SYNTAX;
	p->scheme = NULL;
	for (size_t i = 0; i < SCHEME_COUNT; i++) {
		if (slice_eq(oid, schemes[i].oid))
			p->scheme = &schemes[i];
	}
	if (p->scheme == NULL)
		return ERR_UNSUPPORTED;
	p->iv = SLICE_NONE;
	/* Key wrap has no parameters, but OpenSSL 3.0 writes octets without meaning there: they are passed over. */
	if (p->scheme->iv > 0 && (!der_take(&body, DER_OCTETS, &p->iv) || p->iv.n != p->scheme->iv || body.n > 0))
		return ERR_SYNTAX;
	if (p->key == 0)
		p->key = p->scheme->key;
	else if (p->key != p->scheme->key && !(p->scheme == &schemes[SCHEME_3DES] && p->key == 16))
		return ERR_CRYPTO;
	return ERR_OK;
}

static enum err read_algorithm(struct slice body, struct pbes2 *p)
{
	struct slice oid, params, kdf, scheme;
	enum err e;

	if (!der_take(&body, DER_OID, &oid))
		return ERR_SYNTAX;
	if (!slice_eq(oid, OID_PBES2))
		return ERR_UNSUPPORTED;
	if (!der_take(&body, DER_SEQUENCE, &params) || body.n > 0 || !der_take(&params, DER_SEQUENCE, &kdf) ||
	    !der_take(&params, DER_SEQUENCE, &scheme) || params.n > 0)
		return ERR_SYNTAX;
	e = read_kdf(kdf, p);
	return e == ERR_OK ? read_scheme(scheme, p) : e;
}

enum err pbes2_open(struct slice algorithm, struct slice pass, struct slice sealed, struct buf *plain)
{
	uint8_t key[KEY_ROOM];
	struct pbes2 p;
	enum err e = read_algorithm(algorithm, &p);

	if (e != ERR_OK)
		return e;
	derive_key(&p, pass, key);
	if (p.scheme->iv > 0)
		e = cbc_open(&p, key, sealed, plain);
	else
		e = keywrap_open(slice_of(key, p.scheme->key), sealed, plain);
	mem_wipe(key, sizeof(key));
	return e;
}

static void put_algorithm(const struct pbes2 *p, struct buf *out)
{
	size_t all = der_open(out, DER_SEQUENCE), params, kdf, inner, prf;

	der_put(out, DER_OID, OID_PBES2);
	params = der_open(out, DER_SEQUENCE);
	kdf = der_open(out, DER_SEQUENCE);
	der_put(out, DER_OID, OID_PBKDF2);
	inner = der_open(out, DER_SEQUENCE);
	der_put(out, DER_OCTETS, p->salt);
	der_put_u32(out, p->iterations);
	/* HMAC-SHA1 is the default, which DER leaves out. */
	if (p->prf != &prfs[PRF_SHA1]) {
		prf = der_open(out, DER_SEQUENCE);
		der_put(out, DER_OID, p->prf->oid);
		der_put(out, DER_NULL, S(""));
		der_close(out, prf);
	}
	der_close(out, inner);
	der_close(out, kdf);
	inner = der_open(out, DER_SEQUENCE);
	der_put(out, DER_OID, p->scheme->oid);
	if (p->scheme->iv > 0)
		der_put(out, DER_OCTETS, p->iv);
	der_close(out, inner);
	der_close(out, params);
	der_close(out, all);
}

void pbes2_close(enum pkcs8_profile profile, struct slice pass, uint32_t iterations, struct slice plain,
		 struct buf *out)
{
	static const struct {
		size_t prf;
		size_t scheme;
	} profiles[] = {
		[PKCS8_3DES] = {PRF_SHA1, SCHEME_3DES},
		[PKCS8_WRAP_PAD] = {PRF_SHA256, SCHEME_WRAP128},
		[PKCS8_AES_CBC] = {PRF_SHA256, SCHEME_AES256},
	};
	const struct scheme *scheme = &schemes[profiles[profile].scheme];
	uint8_t key[KEY_ROOM], salt[SALT_SIZE], iv[16];
	struct pbes2 p = {
		.iterations = iterations,
		.key = scheme->key,
		.prf = &prfs[profiles[profile].prf],
		.scheme = scheme,
	};
	size_t mark;

	rng_fill(salt, sizeof(salt));
	rng_fill(iv, sizeof(iv));
	p.salt = slice_of(salt, sizeof(salt));
	p.iv = slice_of(iv, scheme->iv);
	derive_key(&p, pass, key);
	put_algorithm(&p, out);
	mark = der_open(out, DER_OCTETS);
	if (scheme->iv > 0)
		cbc_close(&p, key, plain, out);
	else
		keywrap_close(slice_of(key, scheme->key), plain, out);
	der_close(out, mark);
	mem_wipe(key, sizeof(key));
}
