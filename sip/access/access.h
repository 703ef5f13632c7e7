#ifndef SIP_ACCESS_ACCESS_H
#define SIP_ACCESS_ACCESS_H

#include "sip/access/auth.h"
#include "sip/transaction/transaction.h"

/*
 * "May I" for requests, apart from what is then done (RFC 3261 22, draft 7.7, 7.10). Each function returns true when
 * the request may go on. On false it has answered the request, and tx must not be used any more.
 */
/* What a service needs to ask; all is borrowed. */
struct access {
	const struct settings *settings;
	struct auth *auth;
	struct loop *loop;
	struct transport *transport;
};

/*
 * access_claims: may value, of a challenge or of credentials, be taken for Digest of a realm of this server? What is
 * between a user and this server goes to nobody else, and comes from nobody else (DIG-10).
 */
bool access_claims(const struct access *a, struct slice value);

/*
 * access_require: does Require have only option tags of supported, a list separated by commas (RFC 3261 8.2.2.3)? 420,
 * or 400 when it cannot be read.
 */
bool access_require(struct tx *tx, struct slice supported);

/*
 * access_owner: only the owner of aor, over TLS, straight from the UA. Answers in this order (T-15): 403 TLS Required,
 * 403 Direct TLS Connection Required (credential.direct, CRD-34), then digest 401, 400 or 503, then 403 for another
 * user. Each request has to prove itself, whatever came before on its connection (TLS-14). With
 * credential.client-certificate a TLS client certificate for aor counts instead of digest, or is needed besides it: 403
 * Client Certificate Required.
 */
bool access_owner(const struct access *a, struct tx *tx, struct slice aor, unsigned *proof);

/*
 * access_sealed, access_digest: the parts of access_owner before digest and from digest on, for a service that puts a
 * check between them.
 */
bool access_sealed(const struct access *a, struct tx *tx);
bool access_digest(const struct access *a, struct tx *tx, struct slice aor, unsigned *proof);

/*
 * access_holds: is who proved himself on f the owner of aor still? Settings may have changed since, and certificates
 * end. *proof of the two functions above is for this: a set of what was shown besides a certificate.
 */
enum { ACCESS_PASSWORD = 1, ACCESS_DIRECT = 2 }; /* DIRECT: no proxy was on the way */
bool access_holds(const struct access *a, const struct flow *f, struct slice aor, unsigned proof);

/*
 * access_user: digest alone, for the registrar: 401, 400, 503. *out is the user, valid until the table of users
 * changes. *again: with credentials that were used before (digest.compat): they are good for a request that changes
 * nothing; for any other one access_user_anew asks for new ones, and returns false. access_is: is user the owner of
 * aor? 403.
 */
bool access_user(const struct access *a, struct tx *tx, const struct user **out, bool *again);
bool access_user_anew(const struct access *a, struct tx *tx);
bool access_is(struct tx *tx, const struct user *user, struct slice aor);

/*
 * access_source: over UDP the source address of a request could be anybody's; has its sender shown that he gets what is
 * sent there (CRT-32)? 401, 400, 503. On a connection he has.
 */
bool access_source(const struct access *a, struct tx *tx);

/*
 * access_sender: for a proxy: the digest user has to be who From names: 407, 400, 503, and 403 for another user. From
 * "sip:anonymous@" of the domain is for every user (RFC 4474 12, AUT-22).
 */
bool access_sender(const struct access *a, struct tx *tx, const struct uri *from);

#endif
