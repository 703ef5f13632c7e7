#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "crypto/key.h"

/*
 * X.509 certificates (RFC 5280): reading with limits, the names in them, making them, and checking chains. Times are
 * seconds since 1970 UTC, 64 bit. A struct cert does not change after cert_read, so several threads may read it.
 *
 * Reading does no arithmetic with the key beyond a check of its size and of EC points: a hostile modulus or exponent
 * costs up to ten thousand times a normal operation, and everybody may send a certificate.
 */
struct cert;

#define CERT_DER_MAX 8192 /* octets of a certificate that is read */
#define CERT_CHAIN_MAX 4  /* certificates from leaf to trust anchor, both included */

/*
 * cert_read: der is exactly one certificate. It is copied; *out is the caller's, freed by cert_free, which ignores
 * NULL.
 *
 * ERR_SYNTAX: malformed, or octets follow it. ERR_LIMIT: over CERT_DER_MAX. ERR_UNSUPPORTED: a version below 3, a
 * public key that key.h does not take (RSA under 1024 or over 4096 bits, another curve ...), an unknown critical
 * extension, or name constraints.
 */
MUST_USE enum err cert_read(struct slice der, struct cert **out);
void cert_free(struct cert *c);

/*
 * cert_length: how many octets the DER object at the start of der has, 0 when its length does not fit into der. Tells
 * what follows a certificate.
 */
size_t cert_length(struct slice der);

struct slice cert_der(const struct cert *c);  /* all octets; lies in c */
struct slice cert_spki(const struct cert *c); /* DER SubjectPublicKeyInfo; lies in c */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c);
bool cert_names_issuer(const struct cert *c, const struct cert *issuer); /* issuer of c = subject; no signature */
bool cert_is_ca(const struct cert *c);                                   /* basicConstraints present with CA=TRUE */
bool cert_is_self_signed(
	const struct cert *c); /* issuer = subject and the signature verifies under its own key; costs a verification */
enum key_kind cert_key_kind(const struct cert *c);
unsigned cert_key_bits(const struct cert *c);

/* cert_public_key: the public key as a key of its own, for key_verify. The caller frees it. */
MUST_USE enum err cert_public_key(const struct cert *c, struct key **out);

/* cert_usage_allows: true when keyUsage (RFC 5280 4.2.1.3) is absent or has the bit. */
enum cert_usage { CERT_DIGITAL_SIGNATURE, CERT_KEY_ENCIPHERMENT };
bool cert_usage_allows(const struct cert *c, enum cert_usage usage);

/*
 * cert_purpose_tls: may c be a TLS peer of a SIP domain (RFC 5922 7.1, RFC 5924)? No extendedKeyUsage, anyEKU or
 * id-kp-sipDomain: yes. Otherwise serverAuth (server = true) or clientAuth counts, unless strict.
 */
bool cert_purpose_tls(const struct cert *c, bool server, bool strict);

/*
 * Names in the certificate; all slices lie in c and may hold any octet, NUL too, so compare them by length.
 *
 * cert_san: the i-th (from 0) subject alternative name of that type, in the order of the certificate; false when there
 * is none. cert_has_san: is the extension there? cert_common_name: the most specific CN of the subject; false when
 * there is none.
 */
enum cert_name { CERT_URI, CERT_DNS, CERT_EMAIL };
bool cert_san(const struct cert *c, enum cert_name type, size_t i, struct slice *out);
bool cert_has_san(const struct cert *c);
bool cert_common_name(const struct cert *c, struct slice *out);

/* cert_fingerprint: appends the digest of the DER as "AB:CD:...", the form in which people compare it (draft 9.7). */
void cert_fingerprint(const struct cert *c, enum hash_alg alg, struct buf *out);

/*
 * Two matchers, because two RFCs apply (T-31). Both compare whole names without ASCII case and refuse names with NUL.
 *
 * cert_matches_sip_domain, RFC 5922 7.1 and 7.2, for TLS peers: URI names "sip:domain" without user part; DNS names
 * only if there is no such URI; CN only if there is no subjectAltName; no wildcards.
 *
 * cert_matches_host, RFC 2818 3.1, for web servers and signers of Identity: dNSName, or a URI "sip:host", else CN.
 * wildcard: "*" may stand for the left-most label. CN does not count beside a sip or sips URI, because such a
 * certificate belongs to another domain or to a user, whose CN may be any text.
 */
bool cert_matches_sip_domain(const struct cert *c, struct slice domain);
bool cert_matches_host(const struct cert *c, struct slice host, bool wildcard);

/* cert_matches_ip: does an iPAddress name equal the address in text ("127.0.0.1", "::1")? */
bool cert_matches_ip(const struct cert *c, struct slice text);

/*
 * What a new certificate says. Lists end with a slice whose p is NULL; a NULL list is empty. Everything is borrowed for
 * the call.
 */
struct cert_params {
	struct slice common_name; /* subject CN, printable ASCII, else ERR_SYNTAX; 64 octets are written at most */
	const struct slice *uris;
	const struct slice *dns;
	const struct slice *ips; /* text form */
	int64_t not_before;
	int64_t not_after;
	bool ca;           /* basicConstraints CA=TRUE, keyCertSign, cRLSign; else CA=FALSE */
	bool sip_domain;   /* extendedKeyUsage serverAuth, clientAuth, id-kp-sipDomain */
	bool user;         /* keyUsage digitalSignature, keyEncipherment, dataEncipherment as for S/MIME */
	enum hash_alg alg; /* HASH_SHA256 or HASH_SHA1 */
};

/*
 * cert_make: appends the DER of a v3 certificate for the public half of subject, with a random positive 128-bit serial,
 * signed by issuer_key. issuer is the certificate of the CA; NULL makes a self-signed one, and issuer_key is the
 * subject's own key then. Has subject and authority key identifiers.
 *
 * ERR_SYNTAX: a name or time that cannot be written. ERR_LIMIT: a CN over 64 octets with no other name beside it.
 * ERR_UNSUPPORTED: MD5, or issuer_key has no private half.
 */
MUST_USE enum err cert_make(const struct cert_params *p, const struct key *subject, const struct cert *issuer,
			    struct key *issuer_key, struct buf *der);

/*
 * A set of trust anchors. It does not change after filling, so several threads may use it and count references to it.
 */
struct trust;
struct trust *trust_new(void); /* one reference */
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t); /* NULL is ignored */

/*
 * trust_add_pem: adds every CERTIFICATE block of text (a file of the administrator); *count is how many were added.
 * Certificates that cert_read does not support, or that are too large, are skipped, because the bundles of systems have
 * such. ERR_SYNTAX: a malformed one; the ones before it were added, *count is untouched. trust_add_der: adds one, with
 * the errors of cert_read.
 */
MUST_USE enum err trust_add_pem(struct trust *t, struct slice text, size_t *count);
MUST_USE enum err trust_add_der(struct trust *t, struct slice der);

/*
 * trust_add_crl: adds every "X509 CRL" block of text (RFC 5280 5): certificates in it are TRUST_REVOKED from now on. It
 * counts for the certificates of its issuer, if that signed it and may sign lists; otherwise these are TRUST_UNTRUSTED.
 * A list that should have been replaced still counts: it knows too little, and not too much. ERR_SYNTAX: a malformed
 * one. ERR_NOTFOUND: there is none. trust_crl_end: the earliest time at which one should be replaced; INT64_MAX: none.
 */
MUST_USE enum err trust_add_crl(struct trust *t, struct slice text);
int64_t trust_crl_end(const struct trust *t);

enum trust_verdict {
	TRUST_OK,
	TRUST_UNTRUSTED, /* no path to an anchor, or a bad signature in it */
	TRUST_EXPIRED,   /* now is after a notAfter */
	TRUST_NOT_YET,   /* now is before a notBefore */
	TRUST_WEAK,      /* a key or hash in the path that is not taken */
	TRUST_CHAIN_TOO_LONG,
	TRUST_BAD_USAGE, /* an issuer that is no CA, or path length exceeded */
	TRUST_REVOKED,   /* a list of its issuer has it, or one above it */
};
const char *trust_str(enum trust_verdict v);

/*
 * trust_check: looks for a path (RFC 5280 6) from leaf, with n further certificates that the peer offered in any order,
 * to an anchor at time now. Keys of 2048 bits and hashes of SHA-256 are the least; sha1 = true lets RSA-1024 and SHA-1
 * through (old labs).
 *
 * A self-signed leaf is TRUST_UNTRUSTED unless that very certificate is an anchor. CERT_CHAIN_MAX or more further
 * certificates are TRUST_CHAIN_TOO_LONG. Names and purposes are not looked at; the caller does that. Revocation lists
 * are those of trust_add_crl; none is fetched.
 */
enum trust_verdict trust_check(const struct trust *t, const struct cert *leaf, const struct cert *const *chain,
			       size_t n, int64_t now, bool sha1);

#endif
