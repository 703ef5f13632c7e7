#ifndef SIP_ACCESS_NONCE_H
#define SIP_ACCESS_NONCE_H

#include "core/buf.h"
#include "crypto/hash.h"

/*
 * Nonces of digest challenges (RFC 7616 3.3). A nonce is time, counter, algorithm and scope under an HMAC, so nothing
 * is remembered about it until it was answered correctly. From then on a window of 64 nonce counts keeps replays out.
 * The secret is new at each start, so that no nonce outlives the process.
 *
 * A scope is any octets that say what a nonce is for, and for whom (DIG-11). A nonce does not show its scope.
 */
struct nonces;

/* nonces_new: a nonce is fresh for lifetime_s seconds. */
struct nonces *nonces_new(uint32_t lifetime_s);
void nonces_free(struct nonces *n);

/* nonce_make: appends a nonce for alg and scope. now_s: seconds since 1970. */
void nonce_make(struct nonces *n, enum hash_alg alg, struct slice scope, int64_t now_s, struct buf *out);

struct nonce_info {
	enum hash_alg alg;
	uint64_t count; /* its number: nonces are counted from 1 */
	bool here;      /* it was made for this scope */
	bool fresh;     /* it is within its lifetime */
};

/* nonce_read: false: text is no nonce that this process has made. */
bool nonce_read(const struct nonces *n, struct slice text, struct slice scope, int64_t now_s, struct nonce_info *out);

/*
 * nonce_use: takes the nonce count nc of a correct answer. false: it is 0, was used before, or is too far behind to
 * tell; or the nonce is so old that its counts are forgotten.
 */
bool nonce_use(struct nonces *n, const struct nonce_info *info, uint32_t nc, int64_t now_s);

/*
 * nonce_use_up: takes the nonce itself, for a correct answer without a count: none with it is good afterwards. false: a
 * count of it was taken before. nonce_was_used: was nonce_use called with this count, as far as is remembered?
 */
bool nonce_use_up(struct nonces *n, const struct nonce_info *info, int64_t now_s);
bool nonce_was_used(const struct nonces *n, const struct nonce_info *info, uint32_t nc);

/* nonce_made: how many nonces were made so far. */
uint64_t nonce_made(const struct nonces *n);

#endif
