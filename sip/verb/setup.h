#ifndef SIP_VERB_SETUP_H
#define SIP_VERB_SETUP_H

#include "core/buf.h"

/* What a lab has besides: it is reached at an address, and has users. */
struct setup_lab {
	const char *address;  /* "192.0.2.7": its TLS certificate names this one, 127.0.0.1 and localhost */
	const char *password; /* of alice, bob and carol; NULL: random ones */
};

/*
 * setup_domain: makes a domain from nothing in the folder dir: a CA, whose key is in the folder ca of it, the TLS and
 * the Identity certificate, the master key, the store, and last vouch.conf. A folder that has a vouch.conf is left as
 * it is (*made false). lab: NULL: a real domain. false: *why is a sentence.
 */
MUST_USE bool setup_domain(const char *dir, const char *domain, const struct setup_lab *lab, bool *made,
			   struct buf *why);

/*
 * setup_renew: makes new certificates for the keys of a domain that setup_domain has made, with the names of the old
 * ones, and one for the key of the CA, if that ends. It needs this key. Certificates that this CA has not signed are
 * left alone. false: *why is a sentence, and nothing was changed. The caller frees out->domain in any case.
 */
struct setup_renewed {
	struct buf domain;
	bool tls, identity, ca; /* what is new */
};
MUST_USE bool setup_renew(const char *dir, struct setup_renewed *out, struct buf *why);

/*
 * setup_refresh: for a lab that starts: makes its certificates anew if one of them has less than 30 days, or if the one
 * for TLS does not name address. Certificates that were not made by setup_domain for a lab are left alone. false: it
 * could not be done, and *why is a sentence; the old ones may still do.
 */
MUST_USE bool setup_refresh(const char *dir, const char *address, struct buf *why);

#endif
