#ifndef SIP_VERB_SETUP_PRIVATE_H
#define SIP_VERB_SETUP_PRIVATE_H

#include "crypto/cert.h"
#include "crypto/seal.h"
#include "sip/verb/setup.h"

/* What making and renewing a domain share. */

#define SETUP_DAY 86400 /* seconds */
#define SETUP_CA "ca"   /* the folder of the key of the CA */

/* A domain that is being made. */
struct making {
	int dirfd;
	const char *dir, *domain;
	bool lab;            /* certificates name this host, too */
	const char *address; /* by which others reach a lab; NULL: none is known */
	struct buf *why;
	uint8_t master[SEAL_KEY];
	struct key *ca_key;
	struct cert *ca; /* the CA that signs the two certificates */
};

/* setup_ca_cert: ca.crt for the key that is there. false: *why has a sentence, or the caller tells. */
MUST_USE bool setup_ca_cert(struct making *m);

/*
 * setup_sign: STEM.crt for key, RSA, under the CA. web: for TLS servers; only that one names the local host, and only
 * in a lab. RFC 5922 7.1 wants sip:domain as a URI; a DNS name serves HTTPS, or an IP address, where that is the
 * domain.
 */
MUST_USE bool setup_sign(struct making *m, const char *stem, bool web, struct key *key);

#endif
