#ifndef CRYPTO_KEY_H
#define CRYPTO_KEY_H

#include "core/buf.h"
#include "crypto/hash.h"

/*
 * A private key, or the public half alone: RSA of 1024 to 4096 bits with an odd exponent from 3 to 2^32-1, or EC on
 * P-256 or P-384. Anything else is ERR_UNSUPPORTED at the door, before arithmetic is done with it, since a hostile
 * modulus or exponent costs up to ten thousand times a normal operation.
 * A struct key is used by one thread at a time (mbedTLS locks it for the whole operation): workers get key_dup copies.
 */
struct key;

enum key_kind { KEY_RSA, KEY_EC };

#define KEY_SIG_MAX 512 /* octets of the longest signature (RSA-4096) */

/* key_generate: a new private RSA key (bits 1024..4096, a multiple of 8, e = 65537), or EC P-256. Seconds for RSA. */
MUST_USE enum err key_generate(enum key_kind kind, unsigned bits, struct key **out);

/*
 * key_read_private: PKCS#8 PrivateKeyInfo, or PKCS#1/SEC1, as DER or PEM; not encrypted (pkcs8_read does that).
 * The key is checked to be consistent (p*q = n, d, the CRT values): one with a wrong part is ERR_CRYPTO, since a
 * signature made with it could give the key away. ERR_SYNTAX, ERR_UNSUPPORTED. *out is the caller's: key_free.
 */
MUST_USE enum err key_read_private(struct slice text, struct key **out);

/* key_read_public: SubjectPublicKeyInfo in DER, an EC point uncompressed. ERR_SYNTAX, ERR_UNSUPPORTED. */
MUST_USE enum err key_read_public(struct slice spki, struct key **out);

/* key_dup: an independent copy. key_free: wipes and frees; NULL is ignored. */
MUST_USE enum err key_dup(const struct key *k, struct key **out);
void key_free(struct key *k);

enum key_kind key_kind(const struct key *k);
unsigned key_bits(const struct key *k);

/* key_spki: appends the public half as DER SubjectPublicKeyInfo: equal keys give equal octets (RSA: with NULL). */
void key_spki(const struct key *k, struct buf *out);

/*
 * key_sign: signs a digest that was made with alg: RSASSA-PKCS1-v1_5 (deterministic) or ECDSA (DER form). *n octets
 * (at most KEY_SIG_MAX) are written to sig. key_verify: ERR_OK or ERR_CRYPTO; for RSA the padding is compared whole,
 * never parsed. MD5 is never signed (ERR_UNSUPPORTED, as for a public half alone) nor taken (ERR_CRYPTO).
 */
MUST_USE enum err key_sign(struct key *k, enum hash_alg alg, const uint8_t *digest, uint8_t *sig, size_t *n);
MUST_USE enum err key_verify(struct key *k, enum hash_alg alg, const uint8_t *digest, struct slice sig);

/*
 * key_made: RSA only: is sig one that the private half of k made over some digest of alg? Tells a message that was
 * changed from a signature of another key, for people; it proves nothing of any message.
 */
bool key_made(struct key *k, enum hash_alg alg, struct slice sig);

#endif
