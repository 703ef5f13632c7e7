#ifndef SIP_IDENTITY_VERIFIER_H
#define SIP_IDENTITY_VERIFIER_H

#include "sip/message/msg.h"
#include "sip/identity/fetch.h"
#include "sip/transport/flow.h"

/*
 * The verifier of RFC 4474 section 6: is the From of a request what the authentication service of its domain signed?
 * The four steps in their order, so that of several faults the first decides: acquire and validate the domain
 * certificate (436, 437), its authority over From's domain (437), the signature over the digest-string (438), then Date
 * against the clock and the certificate, and replay (403, 437). Certificates are fetched where Identity-Info says and
 * cached by that URI (cert_cache.h); RSA and path validation run in workers.
 */
struct verifier;

struct verifier_deps {
	struct fetch_deps fetch; /* its settings also have the anchors, identity.date-skew and identity.wildcard */
	struct work *work;       /* for signatures */
	unsigned checking_max;   /* signatures at once */
	struct replay *replay;   /* what was accepted before; the caller's */
};

/* code 0: From is proven. Else the SIP status to answer with, its reason phrase, and what is wrong as a clause. */
struct verdict {
	unsigned code;
	const char *reason; /* static; NULL: the default phrase */
	const char *text;   /* good during the call */
	bool replayed;      /* all of it holds, but it was here before */
};

/* verifier_new: deps are kept by value. verifier_free: after workers and streams are freed. */
struct verifier *verifier_new(const struct verifier_deps *deps);
void verifier_free(struct verifier *v);

/*
 * verifier_check: done, once, from the loop, never from within this call. m: a request without defect; one reference is
 * kept until then. source: what it came by, NULL: somebody whom we trust to make us fetch. id: whatever finds the
 * asker's object again.
 */
typedef void (*verifier_fn)(void *arg, uint64_t id, const struct verdict *v);
void verifier_check(struct verifier *v, struct sip_msg *m, const struct flow *source, uint64_t id, verifier_fn done,
		    void *arg);

#endif
