#ifndef SIP_IDENTITY_VERIFIER_H
#define SIP_IDENTITY_VERIFIER_H

#include "sip/message/msg.h"
#include "sip/identity/fetch.h"
#include "sip/transport/flow.h"

/*
 * The verifier of RFC 4474 section 6: did the domain of From sign this request?
 *
 * The steps are those of judge.h, then replay.h, in this order, so that of several faults the first one decides the
 * status (VER-02): the domain certificate can be had and is trusted (436, 437), it is for the domain of From (437), the
 * signature fits (438), Date is near the clock and within the life of the certificate (403, 437), and the request is no
 * replay (403). Certificates are fetched from where Identity-Info says and cached by that URL (cert_cache.h). RSA and
 * path validation run in workers.
 */
struct verifier;

struct verifier_deps {
	struct fetch_deps fetch; /* its settings also hold the anchors, identity.date-skew and identity.wildcard */
	struct work *work;       /* for signatures */
	unsigned checking_max;   /* signatures in workers at once; beyond it 503 */
	struct replay *replay;   /* signed requests that were accepted before; the caller's */
};

/*
 * code 0: From is proven, and text is empty. Otherwise code is the SIP status to answer with, reason its phrase, and
 * text says what is wrong, as a clause.
 */
struct verdict {
	unsigned code;
	const char *reason; /* static; NULL: the default phrase */
	const char *text;   /* valid during the call */
	bool replayed;      /* code is 403, and everything holds except that the request was here before */
};

/* verifier_new: deps are copied. verifier_free: nobody is called back any more; NULL is ignored. See server/site.c. */
struct verifier *verifier_new(const struct verifier_deps *deps);
void verifier_free(struct verifier *v);

/*
 * verifier_check: judges m, a request without a defect, of which one reference is kept meanwhile. done is called once,
 * from the loop, never within this call, unless the verifier is freed before. source: the flow that m came by, for the
 * limits of fetching; NULL: no limits, for an asker that is trusted to make us fetch. id is given back to done, which
 * finds the asker's object by it.
 */
typedef void (*verifier_fn)(void *arg, uint64_t id, const struct verdict *v);
void verifier_check(struct verifier *v, struct sip_msg *m, const struct flow *source, uint64_t id, verifier_fn done,
		    void *arg);

#endif
