#ifndef SIP_VERB_SETUP_H
#define SIP_VERB_SETUP_H

#include "core/buf.h"

/*
 * setup_domain: makes a domain from nothing in the folder dir: a CA, whose key is in the folder ca of it, the TLS and
 * the Identity certificate, the master key, the store, and last vouch.conf. A folder that has a vouch.conf is left as
 * it is (*made false). lab: the TLS certificate also names localhost and 127.0.0.1, and there are users alice, bob and
 * carol with random passwords and account files. false: *why is a sentence.
 */
MUST_USE bool setup_domain(const char *dir, const char *domain, bool lab, bool *made, struct buf *why);

/*
 * setup_renew: makes new certificates for the keys of a domain that setup_domain has made, with the names of the old
 * ones. It needs the key of the CA. *domain: of it, appended. false: *why is a sentence, and nothing was changed.
 */
MUST_USE bool setup_renew(const char *dir, struct buf *domain, struct buf *why);

/*
 * setup_accounts: writes tls_port into the server line of the account files of the lab, which may run on another port
 * than the last time. An account file that is missing or unreadable is passed over. false: *why is a sentence.
 */
MUST_USE bool setup_accounts(const char *dir, unsigned tls_port, struct buf *why);

#endif
