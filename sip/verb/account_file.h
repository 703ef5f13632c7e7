#ifndef SIP_VERB_ACCOUNT_FILE_H
#define SIP_VERB_ACCOUNT_FILE_H

#include "sip/config.h"

/* Account files (vouch(8), FILES) for users that are made here; sip/ua/account.h reads them. */

/* account_file_password: appends a random password, 80 bits in hexadecimal. */
void account_file_password(struct buf *out);

/*
 * account_file_text: appends the lines of an account file. server: "tls:host:port"; empty: a comment says that the DNS
 * is asked. ca: the path of a PEM file; empty: the CAs of the system.
 */
void account_file_text(struct buf *out, const char *aor, struct slice password, struct slice server, struct slice ca);

/*
 * account_file_make: writes the account file of a user of the domain of c, mode 0600, over no file that is there. The
 * server is that of config_reached. false: *why is a sentence.
 */
MUST_USE bool account_file_make(const struct config *c, const char *path, const char *aor, struct slice password,
				struct buf *why);

#endif
