#ifndef SIP_TRANSPORT_STUN_H
#define SIP_TRANSPORT_STUN_H

#include "core/buf.h"
#include "sip/transport/peer.h"

/*
 * Keep-alives of UDP flows, RFC 5626 4.4.2: STUN Binding Requests (RFC 5389) on a SIP socket, answered with the address
 * that they came from, by which a client finds out that its NAT has forgotten it. Authentication and all other uses of
 * STUN are not done.
 */
#define STUN_REQUEST_MAX 576 /* octets; RFC 5389 7.1 keeps requests below. Longer ones are dropped */

/* stun_is: a STUN message: two zero bits, which no SIP message begins with, and the magic cookie. */
bool stun_is(struct slice datagram);

/*
 * stun_answer: appends what goes back to remote: a success, or 420 when the request has attributes that it wants
 * understood and are not. ERR_SYNTAX for all that is no well-formed Binding Request: nothing is sent then. The packet
 * that goes back is never twice as long as the one that came, so nobody can use this against a forged source.
 */
MUST_USE enum err stun_answer(struct slice datagram, const struct peer *remote, struct buf *out);

#endif
