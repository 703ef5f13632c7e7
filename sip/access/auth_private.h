#ifndef SIP_ACCESS_AUTH_PRIVATE_H
#define SIP_ACCESS_AUTH_PRIVATE_H

#include "core/rate.h"
#include "sip/access/auth.h"
#include "sip/access/nonce.h"
#include "sip/message/header.h"

/* What auth.c (the judgement), answers.c (what the request answers) and challenge.c share; private to this room. */

#define AUTH_NOBODY S("anonymous") /* the user name of RFC 3261 22.1, with an empty password */

struct auth {
	struct loop *loop;
	const struct settings *settings;
	struct nonces *nonces;
	struct rate *guesses;
	struct map revoked;
	uint64_t floor;    /* nonces made up to this one are stale for everybody */
	struct buf nobody; /* random digits: the HA1 of users that do not exist */
	struct ha1 anonymous;
};

/* The scope of a nonce: the use, and the connection or the address. */
struct auth_scope {
	size_t n;
	uint8_t octets[1 + 16];
};

/*
 * auth_realm: that of this use. auth_old_realm: is the realm of the domain good as well, for those users who have no
 * hash of the other one? auth_scope: which nonces are good for what came by f.
 */
struct slice auth_domain(const struct auth *a);
struct slice auth_realm(const struct auth *a, enum auth_use use);
bool auth_old_realm(const struct auth *a, enum auth_use use);
struct auth_scope auth_scope(enum auth_use use, const struct flow *f);

/* auth_offers: is an answer by this algorithm good? Its challenge may be of before a reload. */
bool auth_offers(const struct auth *a, enum auth_use use, enum hash_alg alg);

/* auth_relaxed: does digest.compat take for this use what RFC 3261 22.4 lets a server take? */
bool auth_relaxed(const struct auth *a, enum auth_use use);

/* The answer of a request that counts. */
struct answer {
	struct digest_params d;
	struct slice name; /* the user part that d.username stands for */
	bool old;          /* it is of the domain, at the credential service */
	bool named;        /* its name is user@domain, which is part of the hash */
	bool bare;         /* without qop (RFC 2069): no count, no cnonce */
	uint32_t nc;       /* not with bare */
};

/*
 * answers.c. answer_find: AUTH_OK: *out is the one that counts, its nonce not yet looked at. answer_shape: is it made
 * for a challenge of ours, and for this request? AUTH_OK, AUTH_CHALLENGE, AUTH_BAD. answer_user: NULL: unknown, which
 * must not show. answer_fits: does the response fit the hashes of user, or, when he is NULL, of nobody? answer_fault:
 * why not, in a word for the log; the sender is told the same in any case (G18).
 */
struct auth_result answer_find(const struct auth *a, const struct sip_msg *m, enum auth_use use, struct answer *out);
struct auth_result answer_shape(const struct auth *a, const struct sip_msg *m, enum auth_use use, struct answer *x);
const struct user *answer_user(const struct auth *a, const struct answer *x);
const char *answer_fault(const struct auth *a, enum auth_use use, const struct answer *x, const struct user *user,
			 enum hash_alg alg);
bool answer_fits(const struct auth *a, const struct sip_msg *m, enum auth_use use, const struct answer *x,
		 const struct user *user, enum hash_alg alg);

#endif
