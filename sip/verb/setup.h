#ifndef SIP_VERB_SETUP_H
#define SIP_VERB_SETUP_H

#include "core/buf.h"

/*
 * Making a domain from nothing: a CA, the TLS and the Identity certificate, the master key, the store and vouch.conf in
 * one folder. setup_domain: leaves a folder that has a vouch.conf as it is (*made = false). lab: certificates also name
 * localhost and 127.0.0.1, and there are users alice, bob and carol with random passwords and account files.
 */
MUST_USE bool setup_domain(const char *dir, const char *domain, bool lab, bool *made, struct buf *why);

/* setup_accounts: the server line of the lab's account files names this TLS port. */
MUST_USE bool setup_accounts(const char *dir, unsigned tls_port, struct buf *why);

#endif
