#ifndef SIP_ACCESS_AUTH_H
#define SIP_ACCESS_AUTH_H

#include "core/loop.h"
#include "sip/settings.h"
#include "sip/transport/transport.h"

/*
 * Digest authentication as the server side, RFC 3261 22, RFC 7616, RFC 8760, S-43: stateless nonces bound to
 * the connection, SHA-256 before MD5, replay window for nonces that were used, stale only for a correct answer, and a
 * limit on wrong answers for each account and source.
 */
struct auth;

enum auth_verdict {
	AUTH_OK,        /* user is who it says */
	AUTH_CHALLENGE, /* no usable or a wrong answer: 401 */
	AUTH_STALE, /* the answer is right, but the nonce is old, used up or of another connection: 401, stale=true */
	AUTH_BAD,   /* 400: malformed; reason says what */
	AUTH_BUSY,  /* 503: too many wrong answers of late */
};

struct auth_result {
	enum auth_verdict verdict;
	const char *reason;      /* for AUTH_BAD, static */
	const struct user *user; /* for AUTH_OK; owned by the table, good until it is replaced */
};

/* auth_new: the realm is server.domain. digest.nonce-lifetime and digest.guesses are those of the start. */
struct auth *auth_new(struct loop *l, const struct settings *settings);
void auth_free(struct auth *a);

/* auth_knows: is there such a user? Not for strangers' ears. */
bool auth_knows(const struct auth *a, struct slice aor);

/* auth_check: judges the Authorization (or Proxy-Authorization) of m for our realm. */
struct auth_result auth_check(struct auth *a, const struct sip_msg *m, const struct flow *from, enum header which);

/* auth_challenge: appends the WWW-Authenticate (or Proxy-Authenticate) lines for an answer to m. */
void auth_challenge(struct auth *a, const struct flow *to, enum header which, bool stale, struct buf *out);

/* auth_revoke: nonces issued up to now are stale for this AOR (draft 7.8, CRD-23). */
void auth_revoke(struct auth *a, struct slice aor);

#endif
