#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "crypto/key.h"

/*
 * X.509 certificates (RFC 5280): reading with limits, the names in them, making them, and checking chains. Times are
 * seconds since 1970 UTC, 64 bit. A struct cert is immutable after cert_read and may be read by several threads.
 */
struct cert;

#define CERT_DER_MAX 8192 /* octets of a certificate that is read */
#define CERT_CHAIN_MAX 4  /* certificates from leaf to trust anchor, both included */

/*
 * cert_read: der is exactly one certificate: octets behind it are ERR_SYNTAX. ERR_LIMIT over CERT_DER_MAX;
 * ERR_UNSUPPORTED for a version below 3, a public key that key.h does not take (RSA under 1024 or over 4096 bits, odd
 * curves ...), a critical extension not known here, or name constraints. Copies der. *out: the caller's, cert_free.
 */
MUST_USE enum err cert_read(struct slice der, struct cert **out);
void cert_free(struct cert *c);

/* cert_length: octets of the DER object that starts der, 0 when its outer length does not fit; to find what follows. */
size_t cert_length(struct slice der);

struct slice cert_der(const struct cert *c);  /* all octets, valid as long as c */
struct slice cert_spki(const struct cert *c); /* DER SubjectPublicKeyInfo inside them */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c);
bool cert_is_ca(const struct cert *c);          /* basicConstraints present with CA=TRUE */
bool cert_is_self_signed(const struct cert *c); /* issuer = subject and the signature verifies under its own key */
enum key_kind cert_key_kind(const struct cert *c);
unsigned cert_key_bits(const struct cert *c);

/* cert_public_key: the public key as a key of its own, for key_verify. */
MUST_USE enum err cert_public_key(const struct cert *c, struct key **out);

/* cert_usage_allows: keyUsage is absent or has the bit. */
enum cert_usage { CERT_DIGITAL_SIGNATURE, CERT_KEY_ENCIPHERMENT };
bool cert_usage_allows(const struct cert *c, enum cert_usage usage);

/*
 * cert_purpose_tls: may c be a TLS peer of a SIP domain (RFC 5922 7.1, RFC 5924)? No extendedKeyUsage, anyEKU or
 * id-kp-sipDomain: yes. Otherwise serverAuth (server = true) or clientAuth counts, unless strict.
 */
bool cert_purpose_tls(const struct cert *c, bool server, bool strict);

/*
 * Subject alternative names in the order of the certificate: cert_san gives the i-th of that type, false when there is
 * no more. The text may hold any octet, NUL too: compare by length. cert_has_san: is the extension there?
 * cert_common_name: the most specific CN of the subject, false when there is none.
 */
enum cert_name { CERT_URI, CERT_DNS, CERT_EMAIL };
bool cert_san(const struct cert *c, enum cert_name type, size_t i, struct slice *out);
bool cert_has_san(const struct cert *c);
bool cert_common_name(const struct cert *c, struct slice *out);

/* cert_fingerprint: appends "AB:CD:..." of the digest of the DER. */
void cert_fingerprint(const struct cert *c, enum hash_alg alg, struct buf *out);

/*
 * Two matchers, on purpose (T-31). Both compare whole names without ASCII case and refuse names with
 * NUL. cert_matches_sip_domain, RFC 5922 7.1/7.2: URI names "sip:domain" without user part; DNS names only if there is
 * no such URI; CN only if there is no subjectAltName; no wildcard. cert_matches_host, RFC 2818 3.1 for web servers and
 * Identity signers: dNSName, else CN; a wildcard stands for the left-most label when wildcard is set; also a URI
 * "sip:host". CN does not count beside a SIP URI: that is a certificate of another domain, or of a user.
 */
bool cert_matches_sip_domain(const struct cert *c, struct slice domain);
bool cert_matches_host(const struct cert *c, struct slice host, bool wildcard);

/* cert_matches_ip: an iPAddress name equals the address written in text ("127.0.0.1", "::1"). */
bool cert_matches_ip(const struct cert *c, struct slice text);

/* What a new certificate says. Lists end with a slice whose p is NULL; NULL = none. */
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
 * cert_make: appends the DER of a v3 certificate for the public half of subject, random 128-bit positive serial, signed
 * by issuer_key; issuer is the CA's certificate, or NULL for self-signed (issuer_key is then the subject's own).
 * notBefore and notAfter as UTCTime up to 2049. Subject and authority key identifiers are there. ERR_SYNTAX for names
 * or times that cannot be written, ERR_LIMIT for a CN over 64 octets with no other name beside it.
 */
MUST_USE enum err cert_make(const struct cert_params *p, const struct key *subject, const struct cert *issuer,
			    struct key *issuer_key, struct buf *der);

/* A set of trust anchors. Immutable after filling; may be read, and counted by reference, by several threads. */
struct trust;
struct trust *trust_new(void); /* one reference */
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t); /* NULL is ignored */

/*
 * trust_add_pem: every CERTIFICATE block of text; *count is how many. Those that cert_read does not support are passed
 * over, since bundles of systems have such; ERR_SYNTAX for a malformed one. trust_add_der: one, with the errors of
 * cert_read.
 */
MUST_USE enum err trust_add_pem(struct trust *t, struct slice text, size_t *count);
MUST_USE enum err trust_add_der(struct trust *t, struct slice der);

enum trust_verdict {
	TRUST_OK,
	TRUST_UNTRUSTED, /* no path to an anchor, or a bad signature in it */
	TRUST_EXPIRED,   /* now is after a notAfter */
	TRUST_NOT_YET,   /* now is before a notBefore */
	TRUST_WEAK,      /* a key or hash in the path that is not taken */
	TRUST_CHAIN_TOO_LONG,
	TRUST_BAD_USAGE, /* an issuer that is no CA, or path length exceeded */
};
const char *trust_str(enum trust_verdict v);

/*
 * trust_check: RFC 5280 path from leaf (with n further certificates offered by the peer, in any order) to an anchor, at
 * time now. Chains need SHA-256 or better and RSA keys of 2048 bits; sha1 = true lets SHA-1 and 1024 bits through (old
 * labs). Self-signed leaves are TRUST_UNTRUSTED unless the very certificate is an anchor. CERT_CHAIN_MAX or more
 * further certificates are TRUST_CHAIN_TOO_LONG. No name check: the caller does that.
 */
enum trust_verdict trust_check(const struct trust *t, const struct cert *leaf, const struct cert *const *chain,
			       size_t n, int64_t now, bool sha1);

#endif
