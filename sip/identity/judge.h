#ifndef SIP_IDENTITY_JUDGE_H
#define SIP_IDENTITY_JUDGE_H

#include "crypto/cert.h"
#include "sip/identity/identity.h"
#include "sip/message/digest_string.h"

/*
 * RFC 4474 section 6 as a list of steps, each a pure function of the request, a certificate and a time. The verifier of
 * the server stops at the first step that fails, because that one decides the status; "vouch verify" goes on, because a
 * person wants to see them all. Replays are not judged here: they need memory (replay.h).
 */
enum judge_step {
	/* Of the request alone. */
	JUDGE_IDENTITY, /* one Identity, which holds a signature: 428, 436, 438 */
	JUDGE_INFO,     /* Identity-Info with a URL and an algorithm: 436, 437 */
	JUDGE_STRING,   /* the digest-string can be made (section 9): 400 */
	JUDGE_FROM,     /* From is a SIP URI, so that a domain can vouch for it: 437 */
	/* With the certificate. */
	JUDGE_CERTIFICATE, /* der is one: 436, 437 */
	JUDGE_CHAIN,       /* step 1: it leads to an anchor: 437 */
	JUDGE_AUTHORITY,   /* step 2: it is for the domain of From: 437 */
	JUDGE_KEY,         /* it has an RSA key: 437 */
	JUDGE_USAGE,       /* its key usage allows signatures: 437 */
	JUDGE_SIGNATURE,   /* step 3: the signature fits: 438 */
	JUDGE_DATE,        /* step 4: Date is near now: 403 */
	JUDGE_LIFE,        /* step 4: the certificate was valid at Date: 437 */
};

/*
 * Zero it, fill in what is given before the first step that needs it, and do not move it afterwards. m and der must
 * live as long as steps are judged.
 */
struct judge {
	/* Given. */
	const struct sip_msg *m;
	struct slice der;
	struct slice source; /* where der came from, a URL or a file name; for texts */
	struct trust *trust;
	int64_t now_s;
	uint32_t date_skew_s; /* how far Date may be from now, either way */
	bool wildcard;        /* RFC 2818 wildcards in the certificate count (T-31) */
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
 * judge_step: does the step hold? What it is based on must have been found: CHAIN and all behind it need cert,
 * SIGNATURE also sig, has_alg and has_string, DATE and LIFE has_string.
 */
MUST_USE bool judge_step(struct judge *j, enum judge_step step);

/* judge_steps: judges from first to last, and stops at the first step that fails. false: one did. */
MUST_USE bool judge_steps(struct judge *j, enum judge_step first, enum judge_step last);

/* judge_drop: gives back what the steps have found. */
void judge_drop(struct judge *j);

#endif
