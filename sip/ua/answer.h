#ifndef SIP_UA_ANSWER_H
#define SIP_UA_ANSWER_H

#include "crypto/hash.h"
#include "sip/message/msg.h"

/* Digest as the client side, RFC 3261 22, RFC 7616, RFC 8760: the challenge that is being answered, and answers to it.
 */
struct answer {
	char *realm, *nonce, *opaque; /* owned, as they stood between their quotes; nonce NULL: no challenge yet */
	enum hash_alg alg;
	bool proxy, with_body; /* 407; qop=auth-int is offered */
	uint32_t count;        /* answers given to this nonce */
};

void answer_drop(struct answer *a);

/*
 * answer_take: the topmost challenge of a 401 or 407 that is Digest with qop, by SHA-256 or MD5. *stale: it says that
 * only the nonce was too old. false: there is none, and *a is as before.
 */
bool answer_take(struct answer *a, const struct sip_msg *response, bool *stale);

/* answer_make: appends the Authorization (or Proxy-Authorization) line of a request; a challenge has been taken. */
struct answer_request {
	struct slice user, password, method, uri, body;
};
void answer_make(struct answer *a, const struct answer_request *r, struct buf *out);

#endif
