#ifndef SIP_PROXY_PASSAGE_H
#define SIP_PROXY_PASSAGE_H

#include "sip/access/access.h"
#include "sip/message/edit.h"

/*
 * What passes the proxy and what does not: header fields and requests by which a sender could use what is between a
 * user and this server, or speak in the name of the domain. The table is in passage.c and in vouch.8, PASSAGE. What is
 * not in it passes octet for octet.
 */
struct passage {
	const struct access *access; /* whose realms are ours */
	bool from_user;              /* the sender is a user of ours, by digest or as an end of a dialog */
	bool names;                  /* header fields that name the sender pass: identity.verify-inbound = off */
};

/*
 * passage_request: appends edits that take out of the request l->msg what does not pass. ERR_LIMIT: more than an edit
 * list takes.
 */
MUST_USE enum err passage_request(const struct passage *p, struct edit_list *l);

/*
 * passage_response: *out is m, a response to request, as it may go on, one reference: m itself when nothing changes. A
 * 401 or 407 that has no challenge left becomes a 502. Every response is looked at after this only, so that no
 * challenge in our name decides anything. ERR_LIMIT, ERR_SYNTAX: it cannot go on.
 */
MUST_USE enum err passage_response(const struct passage *p, const struct sip_msg *request, struct sip_msg *m,
				   struct sip_msg **out);

/*
 * passage_fits: is a message small enough to go on? What is added on the way, and what the receiver repeats of it in
 * an answer (RFC 3261 8.2.6.2) or an ACK, may not make a head that ends the connection of whoever sends it. A response
 * that does not fit does not go on (passage_response: ERR_LIMIT).
 */
bool passage_fits(const struct sip_msg *m);

/*
 * passage_refusal: the status with which a request that was not asked for is refused, which a phone obeys without
 * asking its user, when a stranger sends it; 0: it passes. *reason is static. passage_is: is the method of that name?
 * Methods are tokens with case (RFC 3261 7.1), but there are phones that do not look at it.
 */
bool passage_is(const struct sip_msg *m, const char *method);
unsigned passage_refusal(const struct passage *p, const struct sip_msg *m, const char **reason);

#endif
