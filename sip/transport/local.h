#ifndef SIP_TRANSPORT_LOCAL_H
#define SIP_TRANSPORT_LOCAL_H

#include "core/loop.h"
#include "sip/transport/peer.h"

/*
 * The address of this machine that the kernel uses towards a peer (RFC 6724, the routing table). A listener on 0.0.0.0
 * or :: has no address of its own, and a Via or Record-Route needs one that the peer can send to.
 */
struct locals;

struct locals *locals_new(struct loop *l);
void locals_free(struct locals *x);

/* locals_towards: puts the address into *out, the port stays. false: no way leads there. Answers are kept for a second.
 */
MUST_USE bool locals_towards(struct locals *x, const struct peer *remote, struct peer *out);

/*
 * local_is_own: is p an address of this machine, or can that not be found out? locals_has: the same, as it was
 * within the last second.
 */
bool local_is_own(const struct peer *p);
bool locals_has(struct locals *x, const struct peer *p);

#endif
