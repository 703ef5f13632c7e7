#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/slice.h"

enum hash_alg { HASH_MD5, HASH_SHA1, HASH_SHA256 };

#define HASH_MAX 32 /* octets of the longest digest */

/* hash_size: octets of a digest of alg. */
size_t hash_size(enum hash_alg alg);

/* hash_parts: the digest of the n parts one after the other, of any size; out has room for hash_size(alg) octets. */
void hash_parts(enum hash_alg alg, const struct slice *parts, size_t n, uint8_t *out);

/* hash_hex: as hash_parts, written as 2 * hash_size lower-case digits and a NUL: out has room for 2 * HASH_MAX + 1. */
void hash_hex(enum hash_alg alg, const struct slice *parts, size_t n, char *out);

/* hash_fingerprint: appends a digest of n octets as people compare it, "AB:CD:...". */
void hash_fingerprint(const uint8_t *digest, size_t n, struct buf *out);

/* hmac_parts: HMAC (RFC 2104) with alg over the n parts; out has room for hash_size(alg). */
void hmac_parts(enum hash_alg alg, struct slice key, const struct slice *parts, size_t n, uint8_t *out);

/*
 * A key of HMAC-SHA-256 for many short texts, such as nonces: what depends on the key alone is computed once (RFC 2104
 * 4), which halves the work. hmac_key_free ignores NULL. hmac_key_sum: writes 32 octets to out.
 */
struct hmac_key;

struct hmac_key *hmac_key_new(struct slice key);
void hmac_key_free(struct hmac_key *k);
void hmac_key_sum(const struct hmac_key *k, const struct slice *parts, size_t n, uint8_t *out);

#endif
