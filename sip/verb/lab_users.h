#ifndef SIP_VERB_LAB_USERS_H
#define SIP_VERB_LAB_USERS_H

#include "sip/config.h"

/* The users of a lab, alice, bob and carol, and their account files. When false is returned, *why is a sentence. */

/*
 * lab_users_make: makes them in a folder that has no users yet: the file of users in its folder store, and their
 * account files. master: SEAL_KEY octets. password: of all three; NULL: random ones.
 */
MUST_USE bool lab_users_make(int dirfd, const char *domain, struct slice credential_realm, const uint8_t *master,
			     const char *password, struct buf *why);

/*
 * lab_users_password: gives the password to those of the three that are still there, in the store in dirfd, whose lock
 * the caller holds. Who has it already keeps registrations and subscriptions.
 */
MUST_USE bool lab_users_password(const struct config *c, int dirfd, const char *password, struct buf *why);

/*
 * lab_users_accounts: writes where the lab runs this time ("tls:host:port") into the account files of its folder, also
 * of users that were added; and the password, unless NULL, into those of the three. What is missing or unreadable is
 * passed over: the user may have changed or removed it.
 */
MUST_USE bool lab_users_accounts(const char *dir, const char *domain, const char *server, const char *password,
				 struct buf *why);

#endif
