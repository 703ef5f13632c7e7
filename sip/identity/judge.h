#ifndef SIP_IDENTITY_JUDGE_H
#define SIP_IDENTITY_JUDGE_H

#include "crypto/cert.h"
#include "sip/identity/identity.h"
#include "sip/message/digest_string.h"

/*
 * RFC 4474 section 6 as a list of steps. Each step is a pure function of the request, a certificate and a time.
 *
 * The verifier of the server stops at the first step that fails, because that step decides the status of the answer.
 * "vouch verify" goes on, because a person wants to see the outcome of them all. Replays are not judged here, because
 * that needs memory (replay.h).
 *
 * The comment of a step ends with the statuses of its failures.
 */
enum judge_step {
	/* Steps on the request alone; cheap, run in the loop. */
	JUDGE_IDENTITY, /* exactly one Identity that holds a signature: 428, 436, 438 */
	JUDGE_INFO,     /* one Identity-Info with a URL and an algorithm: 400, 436, 437 */
	JUDGE_STRING,   /* the digest-string can be made (section 9): 400 */
	JUDGE_FROM,     /* From is a SIP URI, so that a domain can vouch for it: 437 */
	/* Steps with the certificate; RSA and path validation, run in a worker. */
	JUDGE_CERTIFICATE, /* der is an X.509 certificate: 436, 437 */
	JUDGE_CHAIN,       /* 6 step 1: it leads to a trusted anchor: 437 */
	JUDGE_AUTHORITY,   /* 6 step 2: it is for the domain of From: 437 */
	JUDGE_KEY,         /* it has an RSA key: 437 */
	JUDGE_USAGE,       /* its key usage allows signatures: 437 */
	JUDGE_SIGNATURE,   /* 6 step 3: the signature fits the digest-string: 438 */
	JUDGE_DATE,        /* 6 step 4: Date is near the clock: 403 */
	JUDGE_LIFE,        /* 6 step 4: the certificate was valid at Date: 437 */
};

/*
 * One judgement. The caller zeroes it and fills in each given field before the first step that needs it. It must not
 * move afterwards, because string points into it. m, der and trust are borrowed and must live until the last step.
 */
struct judge {
	/* Given by the caller. */
	const struct sip_msg *m;
	struct slice der;
	struct slice source; /* where der came from, a URL or a file name; only for text */
	struct trust *trust; /* the anchors; a worker needs a reference that is its own */
	int64_t now_s;
	uint32_t date_skew_s; /* how far Date may be from now_s, in either direction */
	bool wildcard;        /* wildcards of RFC 2818 in the certificate are honoured (T-31) */
	/* Found by the steps; zero until then. */
	enum identity_fault identity;
	struct buf sig;
	struct slice url; /* of Identity-Info, http or https */
	bool has_alg, has_string;
	enum hash_alg alg;
	struct digest_string string;
	struct slice domain; /* of From */
	struct cert *cert;
	enum trust_verdict chain;
	/* Of the last step that failed. */
	unsigned code;      /* SIP status */
	const char *reason; /* its phrase, static; NULL: the default one */
	char text[320];     /* a clause */
};

/*
 * judge_step: does the step hold? If not, code, reason and text are set. CHAIN and all later steps need cert, which
 * CERTIFICATE finds. SIGNATURE also needs sig, has_alg and has_string; DATE and LIFE need has_string.
 */
MUST_USE bool judge_step(struct judge *j, enum judge_step step);

/* judge_steps: judges from first to last and stops at the first step that fails. false: one has failed. */
MUST_USE bool judge_steps(struct judge *j, enum judge_step first, enum judge_step last);

/* judge_drop: frees sig and cert. */
void judge_drop(struct judge *j);

#endif
