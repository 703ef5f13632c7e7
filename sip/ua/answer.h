#ifndef SIP_UA_ANSWER_H
#define SIP_UA_ANSWER_H

#include "crypto/hash.h"
#include "sip/message/msg.h"

/* Digest authentication, client side (RFC 3261 22, RFC 7616, RFC 8760): a challenge, and answers to it. */
struct answer {
	char *realm, *nonce, *opaque; /* owned, as they stood between the quotes; nonce NULL: no challenge was taken */
	enum hash_alg alg;
	bool proxy, with_body; /* proxy: it was a 407; with_body: qop=auth-int is offered and used */
	uint32_t count;        /* answers made for this nonce: the last nc */
};

/* answer_drop: forgets the challenge. */
void answer_drop(struct answer *a);

/*
 * answer_take: takes the topmost usable challenge of a 401 or 407 for realm (SLICE_NONE: for any): Digest with qop, by
 * SHA-256 or, if least is HASH_MD5, by MD5 (RFC 8760 2.4, DIG-06). *stale is set when it says that only the nonce was
 * too old. false: there is none, and *a is unchanged.
 */
bool answer_take(struct answer *a, const struct sip_msg *response, struct slice realm, enum hash_alg least,
		 bool *stale);

/* answer_make: appends the Authorization or Proxy-Authorization line for a request. A challenge was taken before. */
struct answer_request {
	struct slice user, password, method, uri, body;
};
void answer_make(struct answer *a, const struct answer_request *r, struct buf *out);

#endif
