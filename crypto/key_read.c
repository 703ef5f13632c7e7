#include "crypto/mbed.h"

#include <string.h>

#include "core/mem.h"
#include "crypto/der.h"
#include "crypto/encode.h"

/*
 * Reading keys. Sizes are checked on the DER before the library sees a number, so that no input starts expensive
 * arithmetic.
 */

/* The parts of an RSA key in the order of RFC 8017 A.1.2: magnitudes without leading zeroes. */
enum { RSA_N, RSA_E, RSA_D, RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_QINV, RSA_PARTS };

static unsigned bit_length(struct slice magnitude)
{
	unsigned bits = 0;

	if (magnitude.n == 0)
		return 0;
	/* Any number beyond the limits will do; the product below must not overflow. */
	if (magnitude.n > 1024)
		return 8192;
	for (unsigned v = (unsigned char)magnitude.p[0]; v > 0; v >>= 1)
		bits++;
	return bits + 8 * (unsigned)(magnitude.n - 1);
}

static bool is_odd(struct slice magnitude)
{
	return magnitude.n > 0 && (magnitude.p[magnitude.n - 1] & 1) != 0;
}

/* The limits of key.h; an even modulus or exponent makes no RSA key. */
static bool rsa_public_taken(struct slice n, struct slice e)
{
	unsigned bits = bit_length(n);

	return bits >= 1024 && bits <= 4096 && is_odd(n) && is_odd(e) && e.n <= 4 && bit_length(e) >= 2;
}

static const unsigned char *octets(struct slice s)
{
	return (const unsigned char *)s.p;
}

static enum err rsa_public(struct slice body, struct key **out)
{
	struct slice seq, n, e;
	struct key *k;

	if (!der_take(&body, DER_SEQUENCE, &seq) || body.n > 0 || !der_uint(&seq, &n) || !der_uint(&seq, &e) ||
	    seq.n > 0)
		return ERR_SYNTAX;
	if (!rsa_public_taken(n, e))
		return ERR_UNSUPPORTED;
	k = key_new(KEY_RSA);
	if (mbedtls_rsa_import_raw(mbedtls_pk_rsa(k->pk), octets(n), n.n, NULL, 0, NULL, 0, NULL, 0, octets(e), e.n) !=
		    0 ||
	    mbedtls_rsa_complete(mbedtls_pk_rsa(k->pk)) != 0) {
		key_free(k);
		return ERR_UNSUPPORTED;
	}
	k->bits = bit_length(n);
	*out = k;
	return ERR_OK;
}

static bool mpi_is(const mbedtls_mpi *v, struct slice magnitude)
{
	mbedtls_mpi other;
	bool same;

	mbedtls_mpi_init(&other);
	same = mbedtls_mpi_read_binary(&other, octets(magnitude), magnitude.n) == 0 &&
	       mbedtls_mpi_cmp_mpi(v, &other) == 0;
	mbedtls_mpi_free(&other);
	return same;
}

/*
 * rsa_consistent: the library derives the CRT values itself and ignores those of the file. A file whose values differ
 * is damaged, or made to leak the key through wrong signatures elsewhere.
 */
static bool rsa_consistent(mbedtls_rsa_context *rsa, const struct slice *part)
{
	mbedtls_mpi dp, dq, qinv;
	bool ok;

	mbedtls_mpi_init(&dp);
	mbedtls_mpi_init(&dq);
	mbedtls_mpi_init(&qinv);
	ok = mbedtls_rsa_check_privkey(rsa) == 0 && mbedtls_rsa_export_crt(rsa, &dp, &dq, &qinv) == 0 &&
	     mpi_is(&dp, part[RSA_DP]) && mpi_is(&dq, part[RSA_DQ]) && mpi_is(&qinv, part[RSA_QINV]);
	mbedtls_mpi_free(&dp);
	mbedtls_mpi_free(&dq);
	mbedtls_mpi_free(&qinv);
	return ok;
}

static enum err rsa_private(struct slice der, struct key **out)
{
	struct slice seq, part[RSA_PARTS];
	mbedtls_rsa_context *rsa;
	uint32_t version;
	struct key *k;

	if (!der_take(&der, DER_SEQUENCE, &seq) || der.n > 0 || !der_u32(&seq, UINT32_MAX, &version))
		return ERR_SYNTAX;
	if (version != 0)
		return ERR_UNSUPPORTED;
	for (size_t i = 0; i < RSA_PARTS; i++) {
		if (!der_uint(&seq, &part[i]))
			return ERR_SYNTAX;
	}
	if (seq.n > 0)
		return ERR_SYNTAX;
	if (!rsa_public_taken(part[RSA_N], part[RSA_E]))
		return ERR_UNSUPPORTED;
	/* No part is longer than the modulus: longer ones would cost time in the checks below. */
	for (size_t i = RSA_D; i < RSA_PARTS; i++) {
		if (part[i].n == 0 || part[i].n > part[RSA_N].n)
			return ERR_CRYPTO;
	}
	k = key_new(KEY_RSA);
	rsa = mbedtls_pk_rsa(k->pk);
	if (mbedtls_rsa_import_raw(rsa, octets(part[RSA_N]), part[RSA_N].n, octets(part[RSA_P]), part[RSA_P].n,
				   octets(part[RSA_Q]), part[RSA_Q].n, octets(part[RSA_D]), part[RSA_D].n,
				   octets(part[RSA_E]), part[RSA_E].n) != 0 ||
	    mbedtls_rsa_complete(rsa) != 0 || !rsa_consistent(rsa, part)) {
		key_free(k);
		return ERR_CRYPTO;
	}
	k->bits = bit_length(part[RSA_N]);
	k->private_half = true;
	*out = k;
	return ERR_OK;
}

static bool curve_of(struct slice oid, mbedtls_ecp_group_id *id, unsigned *bits)
{
	bool p256 = slice_eq(oid, OID_P256);

	if (!p256 && !slice_eq(oid, OID_P384))
		return false;
	*id = p256 ? MBEDTLS_ECP_DP_SECP256R1 : MBEDTLS_ECP_DP_SECP384R1;
	*bits = p256 ? 256 : 384;
	return true;
}

static struct key *ec_new(struct slice curve)
{
	struct key *k = NULL;
	mbedtls_ecp_group_id id;
	unsigned bits;

	if (curve_of(curve, &id, &bits)) {
		k = key_new(KEY_EC);
		k->bits = bits;
		if (mbedtls_ecp_group_load(mbed_ec_group(mbedtls_pk_ec(k->pk)), id) != 0) {
			key_free(k);
			k = NULL;
		}
	}
	return k;
}

/* ec_point: an uncompressed point of that curve (RFC 5480 2.2); compressed ones are not taken. */
static bool ec_point(struct key *k, struct slice point, mbedtls_ecp_point *out)
{
	mbedtls_ecp_group *grp = mbed_ec_group(mbedtls_pk_ec(k->pk));

	return point.n == 1 + 2 * (size_t)(k->bits / 8) && point.p[0] == 0x04 &&
	       mbedtls_ecp_point_read_binary(grp, out, octets(point), point.n) == 0 &&
	       mbedtls_ecp_check_pubkey(grp, out) == 0;
}

static enum err ec_public(struct slice curve, struct slice point, struct key **out)
{
	struct key *k = ec_new(curve);

	if (k == NULL)
		return ERR_UNSUPPORTED;
	if (!ec_point(k, point, mbed_ec_point(mbedtls_pk_ec(k->pk)))) {
		key_free(k);
		return ERR_SYNTAX;
	}
	*out = k;
	return ERR_OK;
}

/*
 * ec_fill: sets the secret and derives the public point. point.p is NULL when the file stores none to compare with. The
 * multiplication also fills the table of the base point that mbedTLS 2.28 keeps in the group, so that later signatures
 * only read the group and two threads may sign.
 */
static enum err ec_fill(struct key *k, struct slice secret, struct slice point)
{
	mbedtls_ecp_keypair *pair = mbedtls_pk_ec(k->pk);
	mbedtls_ecp_group *grp = mbed_ec_group(pair);
	mbedtls_mpi *d = mbed_ec_secret(pair);
	mbedtls_ecp_point *q = mbed_ec_point(pair), stored;
	enum err e = ERR_CRYPTO;

	mbedtls_ecp_point_init(&stored);
	if (mbedtls_mpi_read_binary(d, octets(secret), secret.n) != 0 || mbedtls_ecp_check_privkey(grp, d) != 0 ||
	    mbedtls_ecp_mul(grp, q, d, &grp->G, rng_mbedtls, NULL) != 0)
		goto out;
	if (point.p != NULL && (!ec_point(k, point, &stored) || mbedtls_ecp_point_cmp(q, &stored) != 0))
		goto out;
	k->private_half = true;
	e = ERR_OK;
out:
	mbedtls_ecp_point_free(&stored);
	return e;
}

/* RFC 5915 3: ECPrivateKey. The curve may be named inside (SEC1 files) or outside (PKCS#8), or both. */
static enum err ec_private(struct slice curve, struct slice der, struct key **out)
{
	struct slice seq, secret, field, oid, point = SLICE_NONE;
	uint32_t version;
	struct key *k;
	enum err e;

	if (!der_take(&der, DER_SEQUENCE, &seq) || der.n > 0 || !der_u32(&seq, 1, &version) || version != 1 ||
	    !der_take(&seq, DER_OCTETS, &secret))
		return ERR_SYNTAX;
	if (der_is(seq, DER_CONTEXT_CONSTRUCTED(0))) {
		if (!der_take(&seq, DER_CONTEXT_CONSTRUCTED(0), &field))
			return ERR_SYNTAX;
		if (!der_take(&field, DER_OID, &oid) || field.n > 0)
			return ERR_UNSUPPORTED;
		if (curve.p != NULL && !slice_eq(curve, oid))
			return ERR_CRYPTO;
		curve = oid;
	}
	if (der_is(seq, DER_CONTEXT_CONSTRUCTED(1)) &&
	    (!der_take(&seq, DER_CONTEXT_CONSTRUCTED(1), &field) || !der_bits(&field, &point) || field.n > 0))
		return ERR_SYNTAX;
	if (seq.n > 0 || secret.n > 48)
		return ERR_SYNTAX;
	k = ec_new(curve);
	if (k == NULL)
		return ERR_UNSUPPORTED;
	e = ec_fill(k, secret, point);
	if (e != ERR_OK)
		key_free(k);
	else
		*out = k;
	return e;
}

enum err key_algorithm(struct slice body, enum key_kind *kind, struct slice *curve)
{
	struct slice oid, params;

	if (!der_take(&body, DER_OID, &oid))
		return ERR_SYNTAX;
	if (slice_eq(oid, OID_RSA)) {
		/* RFC 3279 2.3.1 wants NULL here; keys without it exist and mean the same. */
		if (body.n > 0 && (!der_take(&body, DER_NULL, &params) || params.n > 0 || body.n > 0))
			return ERR_SYNTAX;
		*kind = KEY_RSA;
		*curve = SLICE_NONE;
		return ERR_OK;
	}
	if (slice_eq(oid, OID_EC)) {
		if (!der_take(&body, DER_OID, &params) || body.n > 0)
			return ERR_UNSUPPORTED; /* a curve spelt out in numbers */
		*kind = KEY_EC;
		*curve = params;
		return ERR_OK;
	}
	return ERR_UNSUPPORTED;
}

enum err key_read_inner(enum key_kind kind, struct slice curve, struct slice der, struct key **out)
{
	return kind == KEY_RSA ? rsa_private(der, out) : ec_private(curve, der, out);
}

enum err key_read_public(struct slice spki, struct key **out)
{
	struct slice seq, alg, point, curve;
	enum key_kind kind;
	enum err e;

	if (!der_take(&spki, DER_SEQUENCE, &seq) || spki.n > 0 || !der_take(&seq, DER_SEQUENCE, &alg) ||
	    !der_bits(&seq, &point) || seq.n > 0)
		return ERR_SYNTAX;
	e = key_algorithm(alg, &kind, &curve);
	if (e != ERR_OK)
		return e;
	return kind == KEY_RSA ? rsa_public(point, out) : ec_public(curve, point, out);
}

/*
 * RFC 5958 2: OneAsymmetricKey; version 0 is PrivateKeyInfo. Attributes and the public key at the end are not looked
 * at, but must be well-formed.
 */
static enum err read_info(struct slice seq, struct key **out)
{
	struct slice alg, inner, curve;
	uint32_t version;
	enum key_kind kind;
	enum err e;

	if (!der_u32(&seq, UINT32_MAX, &version) || !der_take(&seq, DER_SEQUENCE, &alg) ||
	    !der_take(&seq, DER_OCTETS, &inner))
		return ERR_SYNTAX;
	if (version > 1)
		return ERR_UNSUPPORTED;
	for (uint8_t tag; seq.n > 0;) {
		struct slice ignored;

		if (!der_next(&seq, &tag, &ignored) || (tag != DER_CONTEXT_CONSTRUCTED(0) && tag != DER_CONTEXT(1)))
			return ERR_SYNTAX;
	}
	e = key_algorithm(alg, &kind, &curve);
	return e == ERR_OK ? key_read_inner(kind, curve, inner, out) : e;
}

/* PKCS#8, SEC1 and PKCS#1 are told apart by what follows the version: SEQUENCE, OCTET STRING or INTEGER. */
static enum err read_der(struct slice der, struct key **out)
{
	struct slice whole = der, seq, rest, version;

	if (!der_take(&whole, DER_SEQUENCE, &seq) || whole.n > 0)
		return ERR_SYNTAX;
	rest = seq;
	if (!der_take(&rest, DER_INTEGER, &version))
		return ERR_SYNTAX;
	if (der_is(rest, DER_SEQUENCE))
		return read_info(seq, out);
	return key_read_inner(der_is(rest, DER_OCTETS) ? KEY_EC : KEY_RSA, SLICE_NONE, der, out);
}

enum err key_read_private(struct slice text, struct key **out)
{
	static const char *const labels[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", NULL};
	const char *label;
	struct buf der = {0};
	size_t pos = 0;
	enum err e;

	if (der_is(text, DER_SEQUENCE))
		return read_der(text, out);
	buf_reserve(&der, text.n);
	e = pem_read(text, labels, &pos, &label, &der);
	if (e == ERR_OK)
		e = read_der(buf_slice(&der), out);
	else if (e == ERR_NOTFOUND)
		e = ERR_SYNTAX;
	buf_wipe(&der);
	return e;
}
