#ifndef SIP_UA_VERIFY_PRIVATE_H
#define SIP_UA_VERIFY_PRIVATE_H

#include "crypto/cert.h"
#include "sip/message/digest_string.h"
#include "sip/ua/capture.h"
#include "sip/ua/steps.h"

/* verify.c: the verb, its files and what it prints. verify_steps.c: the steps of RFC 4474 6 and what they say. */
struct verify {
	struct command c;
	struct capture in;
	struct steps steps;
	int64_t now;
	struct trust *anchors; /* of --ca, else those of the system, for https only */
	struct buf sig, der;   /* der: of --cert, or what was fetched */
	struct slice url;      /* of Identity-Info; p NULL: none that can be used */
	enum hash_alg alg;
	const char *alg_fault; /* why there is no alg, a clause; NULL: there is */
	struct digest_string ds;
	const char *ds_fault; /* why there is no ds */
	struct cert *cert;    /* NULL: none that can be used */
};

/*
 * verify_steps: judges v->in with what else is there, as far as it goes; with --signature-only the certificate's chain,
 * dates and names are not looked at.
 */
void verify_steps(struct verify *v);

#endif
