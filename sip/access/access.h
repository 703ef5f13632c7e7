#ifndef SIP_ACCESS_ACCESS_H
#define SIP_ACCESS_ACCESS_H

#include "sip/access/auth.h"
#include "sip/transaction/transaction.h"

/* "May I" for requests: apart from what is then done. Each check answers the request itself when it says no. */
struct access {
	const struct settings *settings;
	struct auth *auth;
};

/* access_require: 420 for a Require of anything but these option tags, comma-separated (RFC 3261 8.2.2.3). */
bool access_require(struct tx *tx, struct slice supported);

/*
 * access_owner: only the owner of the AOR, over TLS, straight from the UA (T-15's order): 403 TLS Required, 403 Direct
 * TLS Connection Required, then digest 401/400/503, then 403 for another user. Each request anew (TLS-14).
 */
bool access_owner(const struct access *a, struct tx *tx, struct slice aor);

/* access_sealed: the part of access_owner before digest, so that a service can put a check between. */
bool access_sealed(const struct access *a, struct tx *tx);
bool access_digest(const struct access *a, struct tx *tx, struct slice aor);

/* access_user: digest alone, 401/400/503: who it is, good until the users change. access_is: 403 when it is another. */
bool access_user(const struct access *a, struct tx *tx, const struct user **out);
bool access_is(struct tx *tx, const struct user *user, struct slice aor);

/*
 * access_sender: for a proxy: 407/400/503 unless the digest user is who From says; 403 when it is another. From
 * "anonymous" of the domain is anybody's who is a user (RFC 4474 12).
 */
bool access_sender(const struct access *a, struct tx *tx);

#endif
