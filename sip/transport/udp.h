#ifndef SIP_TRANSPORT_UDP_H
#define SIP_TRANSPORT_UDP_H

#include "core/loop.h"
#include "sip/transport/peer.h"

/* One UDP socket. Answers leave from the address that the request came to, also when bound to all addresses. */
struct udp;

#define UDP_MAX 65535 /* octets of a datagram */

/* One datagram; octets are good during the call only. waited_ms: how long it lay in the system's queue. */
typedef void (*udp_fn)(void *arg, const struct peer *remote, const struct peer *local, struct slice octets,
		       uint32_t waited_ms);

/*
 * The system was told that a datagram from here reached nobody (ICMP): remote is where it went, sent its first octets,
 * as many as came back. Anybody can send such a thing: what is done about it must depend on what sent says. Where the
 * system has no IP_RECVERR nothing is told.
 */
typedef void (*udp_refused_fn)(void *arg, const struct peer *remote, struct slice sent);

/* udp_new: binds *at (port 0: any, *at gets the real one). ERR_IO: errno. */
MUST_USE enum err udp_new(struct loop *l, struct peer *at, udp_fn fn, void *arg, struct udp **out);
void udp_free(struct udp *u);
void udp_on_refused(struct udp *u, udp_refused_fn fn); /* with the arg of udp_new */
const struct peer *udp_local(const struct udp *u);

/* udp_send: from local (its port aside; NULL: the system chooses). ERR_IO: errno; a full socket buffer counts as lost.
 */
MUST_USE enum err udp_send(struct udp *u, const struct peer *to, const struct peer *local, struct slice octets);

#endif
