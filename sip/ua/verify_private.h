#ifndef SIP_UA_VERIFY_PRIVATE_H
#define SIP_UA_VERIFY_PRIVATE_H

#include "sip/identity/judge.h"
#include "sip/locate/reach.h"
#include "sip/ua/capture.h"
#include "sip/ua/steps.h"

/* Shared by verb_verify.c (the verb, its files and its output) and verify_steps.c (the steps and their texts). */
struct verify {
	struct command c;
	struct capture in;
	struct steps steps;
	int64_t now;
	struct reach reach;    /* where a certificate may be fetched */
	struct trust *anchors; /* CAs of --ca, else those of the system, for https only */
	struct buf der;        /* the certificate of --cert, or the one that was fetched */
	struct judge judge;
};

/*
 * verify_steps: judges v->in as far as possible, and appends the steps to v->steps. With --signature-only chain, names,
 * key usage and dates of the certificate are not looked at.
 */
void verify_steps(struct verify *v);

#endif
