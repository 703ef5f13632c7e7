#ifndef SIP_ACCESS_NONCE_H
#define SIP_ACCESS_NONCE_H

#include "core/buf.h"
#include "crypto/hash.h"

/*
 * Nonces of digest challenges: time, a counter, the algorithm and the connection under an HMAC, so that nothing is
 * remembered until one was answered correctly; then a window of 64 nonce counts keeps replays out. The secret is new at
 * each start: no nonce outlives the process.
 */
struct nonces;

struct nonces *nonces_new(const char *realm, uint32_t lifetime_s);
void nonces_free(struct nonces *n);

/* nonce_make: appends a nonce for alg and scope (the connection's id; 0 for UDP, whose ports NATs change). */
void nonce_make(struct nonces *n, enum hash_alg alg, uint64_t scope, int64_t now_s, struct buf *out);

struct nonce_info {
	enum hash_alg alg;
	uint64_t count; /* how many nonces had been made when this one was */
	bool fresh;     /* in its lifetime and of this scope */
};

/* nonce_read: false when it is not ours. */
bool nonce_read(const struct nonces *n, struct slice text, uint64_t scope, int64_t now_s, struct nonce_info *out);

/* nonce_use: nc of a correct answer. false: it was used before, or the nonce is too old to tell. */
bool nonce_use(struct nonces *n, const struct nonce_info *info, uint32_t nc, int64_t now_s);

/* nonce_made: how many were made so far. */
uint64_t nonce_made(const struct nonces *n);

#endif
