#include "crypto/cert.h"

#include <stdlib.h>

#include <mbedtls/x509_crt.h>

#include "core/mem.h"
#include "crypto/cert_state.h"
#include "crypto/der.h"
#include "crypto/mbed.h"

/*
 * Reads certificates by our own DER reader and keeps slices of what counts. The library parses the same octets
 * afterwards and must agree: trust_check and TLS hand them to it, and two readings of one certificate would be a hole.
 */

int64_t cert_civil_s(int year, int month, int day, int hour, int minute, int second)
{
	/*
	 * Count years from March, so that the leap day is the last day of the year. 719468 days lie between 0000-03-01
	 * and 1970. Only years from 1 on come here.
	 */
	int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
	int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;

	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

static int days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		return 29;
	return days[month - 1];
}

static bool two_digits(struct slice s, size_t at, int *out)
{
	uint32_t v;

	if (at + 2 > s.n || !slice_u32(slice_sub(s, at, at + 2), 99, &v))
		return false;
	*out = (int)v;
	return true;
}

/*
 * take_time: UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 allows them: with seconds, in zone Z, without fractions.
 * UTCTime means 1950 to 2049.
 */
static bool take_time(struct slice *in, int64_t *out)
{
	int century = 0, year, month, day, hour, minute, second;
	struct slice t;
	size_t at = 0;

	if (der_is(*in, DER_TIME)) {
		if (!der_take(in, DER_TIME, &t) || t.n != 15 || !two_digits(t, 0, &century))
			return false;
		at = 2;
	} else if (!der_take(in, DER_UTCTIME, &t) || t.n != 13) {
		return false;
	}
	if (!two_digits(t, at, &year) || !two_digits(t, at + 2, &month) || !two_digits(t, at + 4, &day) ||
	    !two_digits(t, at + 6, &hour) || !two_digits(t, at + 8, &minute) || !two_digits(t, at + 10, &second) ||
	    t.p[at + 12] != 'Z')
		return false;
	year += at == 0 ? (year >= 50 ? 1900 : 2000) : century * 100;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return false;
	*out = cert_civil_s(year, month, day, hour, minute, second);
	return true;
}

static bool basic_constraints(struct cert *c, struct slice value)
{
	struct slice seq, flag;

	if (!der_take(&value, DER_SEQUENCE, &seq) || value.n > 0)
		return false;
	if (der_is(seq, DER_BOOLEAN)) {
		if (!der_take(&seq, DER_BOOLEAN, &flag) || flag.n != 1)
			return false;
		c->ca = flag.p[0] != 0;
	}
	if (seq.n > 0) {
		if (!der_u32(&seq, UINT16_MAX, &c->path_length))
			return false;
		c->has_path_length = true;
	}
	return seq.n == 0;
}

static bool key_usage(struct cert *c, struct slice value)
{
	struct slice bits;

	/* A BIT STRING of 9 bits at most (RFC 5280 4.2.1.3): one octet of unused bits, then one or two octets. */
	if (!der_take(&value, DER_BITS, &bits) || value.n > 0 || bits.n < 2 || bits.n > 3 || (uint8_t)bits.p[0] > 7)
		return false;
	c->has_usage = true;
	c->usage = (uint16_t)((unsigned)(uint8_t)bits.p[1] << 8);
	if (bits.n == 3)
		c->usage |= (uint8_t)bits.p[2];
	return true;
}

/* list_of: value is a SEQUENCE of at least one well-formed element; tag 0 = any. */
static bool list_of(struct slice value, uint8_t tag, struct slice *out)
{
	struct slice seq, rest, item;
	uint8_t found;

	if (!der_take(&value, DER_SEQUENCE, &seq) || value.n > 0 || seq.n == 0)
		return false;
	for (rest = seq; rest.n > 0;) {
		if (!der_next(&rest, &found, &item) || (tag != 0 && found != tag))
			return false;
	}
	*out = seq;
	return true;
}

/* RFC 5280 4.2.1.6: an iPAddress has 4 or 16 octets. */
static bool alternative_names(struct cert *c, struct slice value)
{
	struct slice rest, name;
	uint8_t tag;

	if (!list_of(value, 0, &c->san))
		return false;
	for (rest = c->san; der_next(&rest, &tag, &name);) {
		if (tag == DER_CONTEXT(7) && name.n != 4 && name.n != 16)
			return false;
	}
	return true;
}

static enum err extension(struct cert *c, struct slice oid, bool critical, struct slice value)
{
	bool ok = true;

	if (slice_eq(oid, OID_EXT_BASIC))
		ok = basic_constraints(c, value);
	else if (slice_eq(oid, OID_EXT_USAGE))
		ok = key_usage(c, value);
	else if (slice_eq(oid, OID_EXT_SAN))
		ok = alternative_names(c, value);
	else if (slice_eq(oid, OID_EXT_EKU))
		ok = list_of(value, DER_OID, &c->eku);
	else if (slice_eq(oid, OID_EXT_KEY_ID) && !critical)
		ok = der_take(&value, DER_OCTETS, &c->key_id) && value.n == 0;
	else if (critical || slice_eq(oid, OID_EXT_NAME_CONSTRAINTS))
		/*
		 * RFC 5280 4.2: a critical extension that is not known must be refused. Name constraints bind even when
		 * they are wrongly marked as not critical.
		 */
		return ERR_UNSUPPORTED;
	return ok ? ERR_OK : ERR_SYNTAX;
}

/*
 * seen_before: did an extension with that oid come before this one? RFC 5280 4.2 allows each once; of two the readers
 * could pick different ones. all is the whole list, oid lies in it.
 */
static bool seen_before(struct slice all, struct slice oid)
{
	struct slice ext, other;

	while (der_take(&all, DER_SEQUENCE, &ext) && der_take(&ext, DER_OID, &other) && other.p != oid.p) {
		if (slice_eq(other, oid))
			return true;
	}
	return false;
}

static enum err extensions(struct cert *c, struct slice value)
{
	struct slice all, rest, ext, oid, flag, body;
	enum err e = ERR_OK;

	if (!der_take(&value, DER_SEQUENCE, &all) || value.n > 0)
		return ERR_SYNTAX;
	for (rest = all; rest.n > 0 && e == ERR_OK;) {
		bool critical = false;

		if (!der_take(&rest, DER_SEQUENCE, &ext) || !der_take(&ext, DER_OID, &oid))
			return ERR_SYNTAX;
		if (der_is(ext, DER_BOOLEAN)) {
			if (!der_take(&ext, DER_BOOLEAN, &flag) || flag.n != 1)
				return ERR_SYNTAX;
			critical = flag.p[0] != 0;
		}
		if (!der_take(&ext, DER_OCTETS, &body) || ext.n > 0 || seen_before(all, oid))
			return ERR_SYNTAX;
		e = extension(c, oid, critical, body);
	}
	return e;
}

/* whole_element: takes an element of that tag, head included. */
static bool whole_element(struct slice *in, uint8_t tag, struct slice *whole)
{
	struct slice before = *in, body;

	if (!der_take(in, tag, &body))
		return false;
	*whole = slice_sub(before, 0, before.n - in->n);
	return true;
}

/* RFC 5280 4.1: TBSCertificate. */
static enum err read_tbs(struct cert *c, struct slice tbs)
{
	struct slice field, validity;
	uint32_t version;

	if (!der_take(&tbs, DER_CONTEXT_CONSTRUCTED(0), &field))
		return der_is(tbs, DER_INTEGER) ? ERR_UNSUPPORTED : ERR_SYNTAX; /* version 1 has no such field */
	if (!der_u32(&field, UINT32_MAX, &version) || field.n > 0)
		return ERR_SYNTAX;
	if (version != 2)
		return ERR_UNSUPPORTED;
	if (!der_take(&tbs, DER_INTEGER, &c->serial) || c->serial.n == 0 || !der_take(&tbs, DER_SEQUENCE, &field) ||
	    !whole_element(&tbs, DER_SEQUENCE, &c->issuer) || !der_take(&tbs, DER_SEQUENCE, &validity) ||
	    !take_time(&validity, &c->not_before) || !take_time(&validity, &c->not_after) || validity.n > 0 ||
	    !whole_element(&tbs, DER_SEQUENCE, &c->subject) || !whole_element(&tbs, DER_SEQUENCE, &c->spki))
		return ERR_SYNTAX;
	/* issuerUniqueID and subjectUniqueID, which nobody uses. */
	for (uint8_t n = 1; n <= 2; n++) {
		if (der_is(tbs, DER_CONTEXT(n)) && !der_take(&tbs, DER_CONTEXT(n), &field))
			return ERR_SYNTAX;
	}
	if (tbs.n == 0)
		return ERR_OK;
	if (!der_take(&tbs, DER_CONTEXT_CONSTRUCTED(3), &field) || tbs.n > 0)
		return ERR_SYNTAX;
	return extensions(c, field);
}

/*
 * library_agrees: mbedTLS must be able to read the certificate as well. Found out now, and not in the middle of a
 * chain.
 */
static enum err library_agrees(struct slice der)
{
	mbedtls_x509_crt crt;
	int rc;

	mbedtls_x509_crt_init(&crt);
	rc = mbedtls_x509_crt_parse_der(&crt, (const unsigned char *)der.p, der.n);
	mbedtls_x509_crt_free(&crt);
	if (rc == 0)
		return ERR_OK;
	return rc == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG || rc == MBEDTLS_ERR_X509_SIG_MISMATCH ? ERR_UNSUPPORTED
											     : ERR_SYNTAX;
}

enum err cert_read(struct slice der, struct cert **out)
{
	struct slice whole = der, seq, tbs, alg, sig;
	struct key *key = NULL;
	struct cert *c;
	enum err e = ERR_SYNTAX;

	if (der.n > CERT_DER_MAX)
		return ERR_LIMIT;
	c = mem_alloc(sizeof(*c));
	c->der = slice_copy(der);
	whole = c->der;
	if (!der_take(&whole, DER_SEQUENCE, &seq) || whole.n > 0 || !der_take(&seq, DER_SEQUENCE, &tbs) ||
	    !der_take(&seq, DER_SEQUENCE, &alg) || !der_bits(&seq, &sig) || seq.n > 0)
		goto out;
	e = read_tbs(c, tbs);
	if (e != ERR_OK)
		goto out;
	e = key_read_public(c->spki, &key);
	if (e != ERR_OK)
		goto out;
	c->key_kind = key_kind(key);
	c->key_bits = key_bits(key);
	e = library_agrees(c->der);
out:
	key_free(key);
	if (e != ERR_OK)
		cert_free(c);
	else
		*out = c;
	return e;
}

void cert_free(struct cert *c)
{
	if (c == NULL)
		return;
	slice_drop(&c->der);
	mem_free(c);
}

size_t cert_length(struct slice der)
{
	struct slice rest = der, body;
	uint8_t tag;

	return der_next(&rest, &tag, &body) ? der.n - rest.n : 0;
}

struct slice cert_der(const struct cert *c)
{
	return c->der;
}

struct slice cert_spki(const struct cert *c)
{
	return c->spki;
}

int64_t cert_not_before(const struct cert *c)
{
	return c->not_before;
}

int64_t cert_not_after(const struct cert *c)
{
	return c->not_after;
}

bool cert_names_issuer(const struct cert *c, const struct cert *issuer)
{
	return slice_eq(c->issuer, issuer->subject);
}

bool cert_is_ca(const struct cert *c)
{
	return c->ca;
}

bool cert_is_self_signed(const struct cert *c)
{
	mbedtls_x509_crt crt;
	bool yes;

	if (!slice_eq(c->issuer, c->subject))
		return false;
	mbedtls_x509_crt_init(&crt);
	yes = mbedtls_x509_crt_parse_der(&crt, (const unsigned char *)c->der.p, c->der.n) == 0 &&
	      mbed_crt_self_check(&crt) == 0;
	mbedtls_x509_crt_free(&crt);
	return yes;
}

enum key_kind cert_key_kind(const struct cert *c)
{
	return c->key_kind;
}

unsigned cert_key_bits(const struct cert *c)
{
	return c->key_bits;
}

enum err cert_public_key(const struct cert *c, struct key **out)
{
	return key_read_public(c->spki, out);
}

bool cert_usage_allows(const struct cert *c, enum cert_usage usage)
{
	uint16_t bit = usage == CERT_DIGITAL_SIGNATURE ? CERT_USAGE_DIGITAL_SIGNATURE : CERT_USAGE_KEY_ENCIPHERMENT;

	return !c->has_usage || (c->usage & bit) != 0;
}

static bool eku_has(const struct cert *c, struct slice oid)
{
	struct slice rest = c->eku, found;

	while (der_take(&rest, DER_OID, &found)) {
		if (slice_eq(found, oid))
			return true;
	}
	return false;
}

bool cert_purpose_tls(const struct cert *c, bool server, bool strict)
{
	if (c->eku.p == NULL || eku_has(c, OID_ANY_EKU) || eku_has(c, OID_SIP_DOMAIN))
		return true;
	return !strict && eku_has(c, server ? OID_SERVER_AUTH : OID_CLIENT_AUTH);
}

void cert_fingerprint(const struct cert *c, enum hash_alg alg, struct buf *out)
{
	uint8_t digest[HASH_MAX];

	hash_parts(alg, &c->der, 1, digest);
	hash_fingerprint(digest, hash_size(alg), out);
}
