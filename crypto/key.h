#ifndef CRYPTO_KEY_H
#define CRYPTO_KEY_H

#include "core/buf.h"
#include "crypto/hash.h"

/*
 * A private key, or only the public half: RSA of 1024 to 4096 bits with an odd exponent from 3 to 2^32-1, or EC on
 * P-256 or P-384. Everything else is ERR_UNSUPPORTED before any arithmetic, because a hostile modulus or exponent costs
 * up to ten thousand times a normal operation.
 *
 * A struct key is used by one thread at a time. mbedTLS locks an RSA key for the whole operation, so a shared key would
 * not scale; each worker gets a copy of its own by key_dup.
 */
struct key;

enum key_kind { KEY_RSA, KEY_EC };

#define KEY_SIG_MAX 512 /* octets of the longest signature (RSA-4096) */

/*
 * key_generate: a new private RSA key (bits 1024..4096, a multiple of 8, e = 65537) or EC key (bits 256, P-256). RSA
 * takes up to seconds: run it in a worker. ERR_UNSUPPORTED for other sizes, ERR_CRYPTO.
 */
MUST_USE enum err key_generate(enum key_kind kind, unsigned bits, struct key **out);

/*
 * key_read_private: PKCS#8 PrivateKeyInfo, PKCS#1 or SEC1, as DER or PEM, not encrypted (pkcs8_read decrypts). *out is
 * the caller's, freed by key_free.
 *
 * The key is checked to be consistent (p*q = n, d, the CRT values). One with a wrong part is ERR_CRYPTO, because a
 * signature made with it could give the key away. ERR_SYNTAX, ERR_UNSUPPORTED.
 */
MUST_USE enum err key_read_private(struct slice text, struct key **out);

/* key_read_public: SubjectPublicKeyInfo in DER, an EC point uncompressed. ERR_SYNTAX, ERR_UNSUPPORTED. */
MUST_USE enum err key_read_public(struct slice spki, struct key **out);

/* key_dup: an independent copy. key_free: wipes and frees; NULL is ignored. */
MUST_USE enum err key_dup(const struct key *k, struct key **out);
void key_free(struct key *k);

enum key_kind key_kind(const struct key *k);
unsigned key_bits(const struct key *k);

/*
 * key_spki: appends the public half as DER SubjectPublicKeyInfo. Equal keys give equal octets (the parameters of RSA
 * are always written as NULL), so this is how keys are compared.
 */
void key_spki(const struct key *k, struct buf *out);

/*
 * key_sign: signs a digest that was made with alg, by RSASSA-PKCS1-v1_5 (deterministic) or ECDSA (DER form); writes *n
 * octets, at most KEY_SIG_MAX, to sig. ERR_UNSUPPORTED: MD5, or a public half alone. ERR_CRYPTO. About 2 ms for
 * RSA-2048: run it in a worker.
 *
 * key_verify: ERR_OK or ERR_CRYPTO, also for MD5. The padding of RSA is built and compared as a whole, never parsed:
 * parsing lets signatures be forged for exponent 3.
 */
MUST_USE enum err key_sign(struct key *k, enum hash_alg alg, const uint8_t *digest, uint8_t *sig, size_t *n);
MUST_USE enum err key_verify(struct key *k, enum hash_alg alg, const uint8_t *digest, struct slice sig);

/*
 * key_made: is sig (RSA only) a signature by the private half of k over some digest of alg? Lets a report tell "the
 * message was changed" from "another key signed it". Proves nothing about any message.
 */
bool key_made(struct key *k, enum hash_alg alg, struct slice sig);

#endif
