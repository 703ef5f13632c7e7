#include "crypto/pkcs8.h"

#include "crypto/der.h"
#include "crypto/encode.h"
#include "crypto/mbed.h"
#include "crypto/pbes2.h"

/* The containers; the encryption itself is pbes2.c. DER only: what is published goes out again octet for octet. */

/* The lowest iteration count that is written, RFC 2898 4.2. */
#define ITERATIONS_MIN 1000

/* algorithm_fits: an AlgorithmIdentifier: an OID and at most one element behind it. */
static bool algorithm_fits(struct slice body)
{
	struct slice oid, params;
	uint8_t tag;

	return der_take(&body, DER_OID, &oid) && oid.n > 0 && (body.n == 0 || der_next(&body, &tag, &params)) &&
	       body.n == 0;
}

/* RFC 5958 2: OneAsymmetricKey. */
static bool plain_fits(struct slice body)
{
	struct slice alg, key, field;
	uint32_t version;

	if (!der_u32(&body, 1, &version) || !der_take(&body, DER_SEQUENCE, &alg) || !algorithm_fits(alg) ||
	    !der_take(&body, DER_OCTETS, &key) || key.n == 0)
		return false;
	if (der_is(body, DER_CONTEXT_CONSTRUCTED(0)) && !der_take(&body, DER_CONTEXT_CONSTRUCTED(0), &field))
		return false;
	if (der_is(body, DER_CONTEXT(1)) && !der_take(&body, DER_CONTEXT(1), &field))
		return false;
	return body.n == 0;
}

/* RFC 5958 3: EncryptedPrivateKeyInfo. */
static bool encrypted_fits(struct slice body, struct slice *alg, struct slice *sealed)
{
	return der_take(&body, DER_SEQUENCE, alg) && algorithm_fits(*alg) && der_take(&body, DER_OCTETS, sealed) &&
	       sealed->n > 0 && body.n == 0;
}

enum pkcs8_kind pkcs8_shape(struct slice der, size_t *len)
{
	struct slice rest = der, body, alg, sealed;
	enum pkcs8_kind kind = PKCS8_NONE;
	size_t n;

	if (!der_take(&rest, DER_SEQUENCE, &body))
		return PKCS8_NONE;
	n = der.n - rest.n;
	if (n > PKCS8_DER_MAX)
		return PKCS8_NONE;
	if (der_is(body, DER_INTEGER) && plain_fits(body))
		kind = PKCS8_PLAIN;
	else if (der_is(body, DER_SEQUENCE) && encrypted_fits(body, &alg, &sealed))
		kind = PKCS8_ENCRYPTED;
	if (kind != PKCS8_NONE)
		*len = n;
	return kind;
}

/* is_exactly: der is one object of that kind, in DER, and nothing else. */
static bool is_exactly(struct slice der, enum pkcs8_kind kind)
{
	size_t len;

	return pkcs8_shape(der, &len) == kind && len == der.n;
}

enum err pkcs8_matches(struct slice der, struct slice spki)
{
	struct key *ours = NULL, *theirs = NULL;
	struct buf a = {0}, b = {0};
	enum err e = ERR_SYNTAX;

	if (!is_exactly(der, PKCS8_PLAIN))
		goto out;
	e = key_read_public(spki, &theirs);
	if (e != ERR_OK)
		goto out;
	e = key_read_private(der, &ours);
	if (e != ERR_OK)
		goto out;
	key_spki(ours, &a);
	key_spki(theirs, &b);
	e = slice_eq(buf_slice(&a), buf_slice(&b)) ? ERR_OK : ERR_CRYPTO;
out:
	key_free(ours);
	key_free(theirs);
	buf_free(&a);
	buf_free(&b);
	return e;
}

enum err pkcs8_write(const struct key *k, struct buf *der)
{
	size_t mark, inner;

	if (!k->private_half)
		return ERR_UNSUPPORTED;
	/* Reserve room for the largest key at once: a buffer that moves leaves its octets behind. */
	buf_reserve(der, PKCS8_DER_MAX);
	mark = der_open(der, DER_SEQUENCE);
	der_put_u32(der, 0);
	key_put_algorithm(k, der);
	inner = der_open(der, DER_OCTETS);
	key_private_der(k, der);
	der_close(der, inner);
	der_close(der, mark);
	return ERR_OK;
}

enum err pkcs8_encrypt(struct slice plain, struct slice pass, enum pkcs8_profile profile, uint32_t iterations,
		       struct buf *der)
{
	size_t mark;

	if (!is_exactly(plain, PKCS8_PLAIN))
		return ERR_SYNTAX;
	if (iterations < ITERATIONS_MIN || iterations > PKCS8_ITERATIONS_MAX)
		return ERR_LIMIT;
	mark = der_open(der, DER_SEQUENCE);
	pbes2_close(profile, pass, iterations, plain, der);
	der_close(der, mark);
	return ERR_OK;
}

enum err pkcs8_decrypt(struct slice der, struct slice pass, struct buf *plain)
{
	struct slice body, alg, sealed;
	struct buf opened = {0};
	enum err e = ERR_SYNTAX;

	if (is_exactly(der, PKCS8_ENCRYPTED) && der_take(&der, DER_SEQUENCE, &body) &&
	    encrypted_fits(body, &alg, &sealed))
		e = pbes2_open(alg, pass, sealed, &opened);
	if (e == ERR_OK) {
		/*
		 * A wrong pass phrase gives right CBC padding once in 256 times, so the result must also be a
		 * PrivateKeyInfo.
		 */
		if (is_exactly(buf_slice(&opened), PKCS8_PLAIN))
			buf_add(plain, buf_slice(&opened));
		else
			e = ERR_CRYPTO;
	}
	buf_wipe(&opened);
	return e;
}

static enum err read_either(struct slice der, enum pkcs8_kind kind, struct slice pass, struct key **out)
{
	struct buf plain = {0};
	enum err e = ERR_OK;

	if (!is_exactly(der, kind))
		e = ERR_SYNTAX;
	else if (kind == PKCS8_ENCRYPTED && pass.p == NULL)
		e = ERR_NOTFOUND;
	else if (kind == PKCS8_ENCRYPTED)
		e = pkcs8_decrypt(der, pass, &plain);
	if (e == ERR_OK)
		e = key_read_private(kind == PKCS8_PLAIN ? der : buf_slice(&plain), out);
	buf_wipe(&plain);
	return e;
}

enum err pkcs8_read(struct slice text, struct slice pass, struct key **out)
{
	static const char *const labels[] = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", NULL};
	const char *label;
	struct buf der = {0};
	size_t pos = 0, len;
	enum err e;

	if (text.n > 0 && (uint8_t)text.p[0] == DER_SEQUENCE) {
		enum pkcs8_kind kind = pkcs8_shape(text, &len);

		return kind == PKCS8_NONE ? ERR_SYNTAX : read_either(text, kind, pass, out);
	}
	buf_reserve(&der, text.n);
	e = pem_read(text, labels, &pos, &label, &der);
	if (e == ERR_OK)
		e = read_either(buf_slice(&der), label == labels[0] ? PKCS8_PLAIN : PKCS8_ENCRYPTED, pass, out);
	else if (e == ERR_NOTFOUND)
		e = ERR_SYNTAX;
	buf_wipe(&der);
	return e;
}
