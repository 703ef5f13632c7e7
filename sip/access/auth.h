#ifndef SIP_ACCESS_AUTH_H
#define SIP_ACCESS_AUTH_H

#include "core/loop.h"
#include "sip/settings.h"
#include "sip/transport/transport.h"

/*
 * Digest authentication, server side (RFC 3261 22, RFC 7616, RFC 8760; S-43).
 *
 * - Nonces need no memory, and are good only for what they were made for, from where it was asked (nonce.h).
 * - SHA-256 is offered before MD5.
 * - A nonce count is accepted once, so that an answer cannot be replayed; but see digest.compat and AUTH_AGAIN.
 * - stale=true is said only when the answer is right apart from its nonce, so that it tells nothing about a guess.
 * - Wrong answers are limited for each account and source together, so that nobody can lock out the owner (G19).
 * - An unknown user looks like a known one with a wrong password (G18).
 */
struct auth;

/*
 * What is asked for. An answer that was made for one use is no good for another, so that nobody can have a user answer
 * here what was asked there (DIG-11). A nonce is bound to the address that asked: not to its port, which NATs change,
 * and not to the transport, because a request that grows goes on by TCP (RFC 3261 18.1.1). That of AUTH_CREDENTIAL is
 * bound to the TLS connection.
 *
 * AUTH_CREDENTIAL is a protection domain of its own (DIG-12): realm credential.realm, SHA-256 only. While there are
 * users whose password was set before that realm was, the realm of the domain is offered besides, and counts for them.
 *
 * AUTH_ANONYMOUS proves only that the sender gets what is sent to his address (CRT-32): user "anonymous" with an empty
 * password (RFC 3261 22.1), or any user with his own. It has one challenge, so that little is sent to an address that
 * may be forged.
 */
enum auth_use {
	AUTH_REGISTRAR,  /* 401, Authorization */
	AUTH_PROXY,      /* 407, Proxy-Authorization */
	AUTH_CREDENTIAL, /* 401, Authorization */
	AUTH_ANONYMOUS   /* 401, Authorization: a source address, proven by anybody: see below */
};

/* auth_status: the status of its challenge. */
unsigned auth_status(enum auth_use use);

enum auth_verdict {
	AUTH_OK,        /* user has proved the password */
	AUTH_CHALLENGE, /* there is no answer that could count, or it is wrong: 401 or 407 */
	AUTH_AGAIN,     /* right, but its count was used before: good for a REGISTER that changes nothing, else stale */
	AUTH_STALE,     /* right, but the nonce is old, used up, revoked, or was made for something else: stale=true */
	AUTH_BAD,       /* malformed: 400; reason says what */
	AUTH_BUSY,      /* too many wrong answers of late: 503 */
};

struct auth_result {
	enum auth_verdict verdict;
	const char *reason; /* for AUTH_BAD, static */
	const struct user
		*user; /* for AUTH_OK; owned by the table of users, valid until that is replaced; NULL: anonymous */
};

/*
 * auth_new: digest.nonce-lifetime (seconds) and digest.guesses (a minute) are taken once; a
 * reload does not change them. settings is borrowed. auth_free ignores NULL.
 */
struct auth *auth_new(struct loop *l, const struct settings *settings);
void auth_free(struct auth *a);

/* auth_knows: is aor a user? The answer must not show in what an unauthenticated sender gets. */
bool auth_knows(const struct auth *a, struct slice aor);

/*
 * auth_check: judges the answer for our realm in m, which came by from. A right answer uses up its nonce count, a wrong
 * one a guess.
 */
struct auth_result auth_check(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use);

/*
 * auth_challenge: the WWW-Authenticate or Proxy-Authenticate lines for m, which came by from, into out, which is empty:
 * one for each algorithm that is switched on, that of digest.prefer first (RFC 8760 2.3). A PUBLISH is asked for
 * auth-int first. When they have more than room octets, MD5 is left, which all phones know.
 */
void auth_challenge(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use, bool stale,
		    size_t room, struct buf *out);

/* auth_announce: says in the log whether some users of the credential service are known by the realm of the domain. */
void auth_announce(const struct auth *a);

/* auth_revoke: all nonces made so far are stale for aor, so that its next request is challenged (draft 7.8, CRD-23). */
void auth_revoke(struct auth *a, struct slice aor);

#endif
