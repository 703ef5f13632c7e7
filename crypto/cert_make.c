#include "crypto/cert.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "crypto/cert_state.h"
#include "crypto/der.h"
#include "crypto/mbed.h"

/*
 * Writes certificates: self-signed ones of users (draft 9.6), and those of the lab CA. The library's writer has no
 * subjectAltName with URIs, so the DER is written here.
 */

#define OID_RSA_SHA1 S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05")
#define OID_RSA_SHA256 S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")
#define OID_ECDSA_SHA1 S("\x2a\x86\x48\xce\x3d\x04\x01")
#define OID_ECDSA_SHA256 S("\x2a\x86\x48\xce\x3d\x04\x03\x02")

#define COMMON_NAME_MAX 64 /* RFC 5280 appendix A.1, ub-common-name */
#define SERIAL_SIZE 16

/* Not empty, and all octets within low..high. */
static bool all_in(struct slice s, char low, char high)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < low || s.p[i] > high)
			return false;
	}
	return s.n > 0;
}

static bool list_fits(const struct slice *list)
{
	for (; list != NULL && list->p != NULL; list++) {
		if (!all_in(*list, '!', '~'))
			return false;
	}
	return true;
}

static bool has_names(const struct cert_params *p)
{
	return (p->uris != NULL && p->uris->p != NULL) || (p->dns != NULL && p->dns->p != NULL) ||
	       (p->ips != NULL && p->ips->p != NULL);
}

static void put_algorithm(struct buf *out, enum key_kind kind, enum hash_alg alg)
{
	size_t mark = der_open(out, DER_SEQUENCE);

	if (kind == KEY_RSA) {
		der_put(out, DER_OID, alg == HASH_SHA1 ? OID_RSA_SHA1 : OID_RSA_SHA256);
		der_put(out, DER_NULL, S(""));
	} else {
		der_put(out, DER_OID, alg == HASH_SHA1 ? OID_ECDSA_SHA1 : OID_ECDSA_SHA256);
	}
	der_close(out, mark);
}

/* RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050 on. */
static bool put_time(struct buf *out, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[24];
	struct tm tm;
	size_t n;

	if (t != seconds || gmtime_r(&t, &tm) == NULL || tm.tm_year < 50 || tm.tm_year > 9999 - 1900)
		return false;
	n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	if (tm.tm_year < 150)
		der_put(out, DER_UTCTIME, slice_of(text + 2, n - 2));
	else
		der_put(out, DER_TIME, slice_of(text, n));
	return true;
}

/* PrintableString, the form that RFC 5280 4.1.2.4 allows everywhere, where its alphabet suffices; else UTF8String. */
static bool is_printable_string(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    strchr(" '()+,-./:=?", c) == NULL)
			return false;
	}
	return true;
}

static void put_name(struct buf *out, struct slice common_name)
{
	size_t name = der_open(out, DER_SEQUENCE), set = der_open(out, DER_SET), part = der_open(out, DER_SEQUENCE);

	der_put(out, DER_OID, OID_COMMON_NAME);
	der_put(out, is_printable_string(common_name) ? DER_PRINTABLE : DER_UTF8, common_name);
	der_close(out, part);
	der_close(out, set);
	der_close(out, name);
}

/* extension_open: returns two marks for extension_close; what lies between is the value. */
static void extension_open(struct buf *out, struct slice oid, bool critical, size_t mark[2])
{
	mark[0] = der_open(out, DER_SEQUENCE);
	der_put(out, DER_OID, oid);
	if (critical)
		der_put(out, DER_BOOLEAN, S("\xff"));
	mark[1] = der_open(out, DER_OCTETS);
}

static void extension_close(struct buf *out, const size_t mark[2])
{
	der_close(out, mark[1]);
	der_close(out, mark[0]);
}

static void put_basic(struct buf *out, bool ca)
{
	size_t mark[2], seq;

	extension_open(out, OID_EXT_BASIC, true, mark);
	seq = der_open(out, DER_SEQUENCE);
	if (ca)
		der_put(out, DER_BOOLEAN, S("\xff"));
	der_close(out, seq);
	extension_close(out, mark);
}

/*
 * usage_bits: KeyUsage (RFC 5280 4.2.1.3) as the octets of a BIT STRING behind the count of unused bits. An EC key
 * agrees on a key and never enciphers one, so it gets keyAgreement (RFC 5480 3).
 */
static struct slice usage_bits(const struct cert_params *p, enum key_kind kind)
{
	if (p->ca)
		return S("\x01\x06"); /* keyCertSign, cRLSign */
	if (kind == KEY_EC)
		return p->user ? S("\x03\x88") : S("\x07\x80"); /* digitalSignature, for users keyAgreement */
	return p->user ? S("\x04\xb0") : S("\x05\xa0"); /* digitalSignature, keyEncipherment, dataEncipherment */
}

static void put_usage(struct buf *out, struct slice bits)
{
	size_t mark[2];

	extension_open(out, OID_EXT_USAGE, true, mark);
	der_put(out, DER_BITS, bits);
	extension_close(out, mark);
}

static void put_eku(struct buf *out)
{
	size_t mark[2], seq;

	extension_open(out, OID_EXT_EKU, false, mark);
	seq = der_open(out, DER_SEQUENCE);
	der_put(out, DER_OID, OID_SERVER_AUTH);
	der_put(out, DER_OID, OID_CLIENT_AUTH);
	der_put(out, DER_OID, OID_SIP_DOMAIN);
	der_close(out, seq);
	extension_close(out, mark);
}

static bool put_ip(struct buf *out, struct slice text)
{
	char host[INET6_ADDRSTRLEN];
	uint8_t octets[16];
	size_t size;

	if (text.n >= sizeof(host))
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	size = inet_pton(AF_INET, host, octets) == 1 ? 4 : inet_pton(AF_INET6, host, octets) == 1 ? 16 : 0;
	der_put(out, DER_CONTEXT(7), slice_of(octets, size));
	return size > 0;
}

static bool put_san(struct buf *out, const struct cert_params *p)
{
	size_t mark[2], seq;
	bool ok = true;

	extension_open(out, OID_EXT_SAN, false, mark);
	seq = der_open(out, DER_SEQUENCE);
	for (const struct slice *s = p->uris; s != NULL && s->p != NULL; s++)
		der_put(out, DER_CONTEXT(6), *s);
	for (const struct slice *s = p->dns; s != NULL && s->p != NULL; s++)
		der_put(out, DER_CONTEXT(2), *s);
	for (const struct slice *s = p->ips; s != NULL && s->p != NULL; s++)
		ok = put_ip(out, *s) && ok;
	der_close(out, seq);
	extension_close(out, mark);
	return ok;
}

/*
 * key_id_of: the key identifier of RFC 5280 4.2.1.2 (1), SHA-1 of the BIT STRING of an SPKI. It only helps to find
 * issuers; no security rests on it.
 */
static void key_id_of(struct slice spki, uint8_t id[20])
{
	struct slice seq, alg, bits = SLICE_NONE;

	if (der_take(&spki, DER_SEQUENCE, &seq) && der_take(&seq, DER_SEQUENCE, &alg))
		(void)der_bits(&seq, &bits);
	hash_parts(HASH_SHA1, &bits, 1, id);
}

static void put_key_ids(struct buf *out, struct slice spki, const struct cert *issuer)
{
	uint8_t own[20], above[20];
	struct slice authority = slice_of(own, sizeof(own));
	size_t mark[2], seq;

	key_id_of(spki, own);
	if (issuer != NULL) {
		key_id_of(issuer->spki, above);
		/*
		 * RFC 5280 4.2.1.1: the identifier that the issuer has in its own certificate, however that was made.
		 */
		authority = issuer->key_id.p != NULL ? issuer->key_id : slice_of(above, sizeof(above));
	}
	extension_open(out, OID_EXT_KEY_ID, false, mark);
	der_put(out, DER_OCTETS, slice_of(own, sizeof(own)));
	extension_close(out, mark);
	extension_open(out, OID_EXT_AUTHORITY, false, mark);
	seq = der_open(out, DER_SEQUENCE);
	der_put(out, DER_CONTEXT(0), authority);
	der_close(out, seq);
	extension_close(out, mark);
}

static bool put_extensions(struct buf *out, const struct cert_params *p, enum key_kind kind, struct slice spki,
			   const struct cert *issuer)
{
	size_t outer = der_open(out, DER_CONTEXT_CONSTRUCTED(3)), seq = der_open(out, DER_SEQUENCE);
	bool ok = true;

	put_basic(out, p->ca);
	put_usage(out, usage_bits(p, kind));
	if (p->sip_domain)
		put_eku(out);
	if (has_names(p))
		ok = put_san(out, p);
	put_key_ids(out, spki, issuer);
	der_close(out, seq);
	der_close(out, outer);
	return ok;
}

static void put_serial(struct buf *out)
{
	uint8_t serial[SERIAL_SIZE];

	rng_fill(serial, sizeof(serial));
	/*
	 * The first octet is 0x40 to 0x7f: positive, and without leading zeroes, so that the serial always has the same
	 * size.
	 */
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	der_put(out, DER_INTEGER, slice_of(serial, sizeof(serial)));
}

/* put_tbs: RFC 5280 4.1: TBSCertificate. */
static bool put_tbs(struct buf *out, const struct cert_params *p, struct slice common_name, const struct key *subject,
		    const struct cert *issuer, enum key_kind signer)
{
	size_t mark = der_open(out, DER_SEQUENCE), inner;
	struct buf spki = {0};
	bool ok;

	inner = der_open(out, DER_CONTEXT_CONSTRUCTED(0));
	der_put_u32(out, 2);
	der_close(out, inner);
	put_serial(out);
	put_algorithm(out, signer, p->alg);
	if (issuer == NULL)
		put_name(out, common_name);
	else
		buf_add(out, issuer->subject);
	inner = der_open(out, DER_SEQUENCE);
	ok = put_time(out, p->not_before) && put_time(out, p->not_after);
	der_close(out, inner);
	put_name(out, common_name);
	key_spki(subject, &spki);
	buf_add(out, buf_slice(&spki));
	ok = put_extensions(out, p, key_kind(subject), buf_slice(&spki), issuer) && ok;
	buf_free(&spki);
	der_close(out, mark);
	return ok;
}

static enum err check_params(const struct cert_params *p, struct slice *common_name)
{
	if (p->alg == HASH_MD5)
		return ERR_UNSUPPORTED;
	if (!all_in(p->common_name, ' ', '~') || !list_fits(p->uris) || !list_fits(p->dns) || !list_fits(p->ips) ||
	    p->not_after < p->not_before)
		return ERR_SYNTAX;
	if (p->common_name.n > COMMON_NAME_MAX && !has_names(p))
		return ERR_LIMIT;
	*common_name = slice_sub(p->common_name, 0, COMMON_NAME_MAX);
	return ERR_OK;
}

enum err cert_make(const struct cert_params *p, const struct key *subject, const struct cert *issuer,
		   struct key *issuer_key, struct buf *der)
{
	uint8_t digest[HASH_MAX], sig[KEY_SIG_MAX];
	struct buf made = {0};
	struct slice common_name, tbs;
	size_t n, mark, bits;
	enum err e = check_params(p, &common_name);

	if (e != ERR_OK)
		return e;
	mark = der_open(&made, DER_SEQUENCE);
	if (!put_tbs(&made, p, common_name, subject, issuer, key_kind(issuer_key))) {
		e = ERR_SYNTAX;
		goto out;
	}
	tbs = slice_sub(buf_slice(&made), mark, made.n);
	hash_parts(p->alg, &tbs, 1, digest);
	e = key_sign(issuer_key, p->alg, digest, sig, &n);
	if (e != ERR_OK)
		goto out;
	put_algorithm(&made, key_kind(issuer_key), p->alg);
	bits = der_open(&made, DER_BITS);
	buf_addc(&made, 0);
	buf_add(&made, slice_of(sig, n));
	der_close(&made, bits);
	der_close(&made, mark);
	buf_add(der, buf_slice(&made));
out:
	buf_free(&made);
	return e;
}
