#ifndef SIP_TRANSPORT_STUN_H
#define SIP_TRANSPORT_STUN_H

#include "core/buf.h"
#include "sip/transport/peer.h"

/*
 * Keep-alives of UDP flows, RFC 5626 4.4.2: STUN Binding Requests (RFC 5389) on a SIP socket. The answer has the
 * address that the request came from, by which a client notices that its NAT has given it another one. No
 * authentication and no other use of STUN.
 */
#define STUN_REQUEST_MAX 576 /* octets; RFC 5389 7.1 keeps requests below it; longer ones are dropped */

/*
 * stun_is: is the datagram STUN? Its first two bits are zero, with which no SIP message begins, and it has the magic
 * cookie.
 */
bool stun_is(struct slice datagram);

/*
 * stun_answer: appends the answer to remote: success, or error 420 when the request has attributes that must be
 * understood and are not. ERR_SYNTAX: not a well-formed Binding Request; send nothing. The packet of the answer is at
 * most twice as long as that of the request, so that nobody can flood a forged source with it (G14).
 */
MUST_USE enum err stun_answer(struct slice datagram, const struct peer *remote, struct buf *out);

#endif
