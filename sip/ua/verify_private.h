#ifndef SIP_UA_VERIFY_PRIVATE_H
#define SIP_UA_VERIFY_PRIVATE_H

#include "sip/identity/judge.h"
#include "sip/ua/capture.h"
#include "sip/ua/steps.h"

/* verb_verify.c: the verb, its files and what it prints. verify_steps.c: what each step of the judge says to a person.
 */
struct verify {
	struct command c;
	struct capture in;
	struct steps steps;
	int64_t now;
	struct trust *anchors; /* of --ca, else those of the system, for https only */
	struct buf der;        /* of --cert, or what was fetched */
	struct judge judge;
};

/*
 * verify_steps: judges v->in with what else is there, as far as it goes; with --signature-only the certificate's chain,
 * dates and names are not looked at.
 */
void verify_steps(struct verify *v);

#endif
