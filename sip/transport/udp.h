#ifndef SIP_TRANSPORT_UDP_H
#define SIP_TRANSPORT_UDP_H

#include "core/loop.h"
#include "sip/transport/peer.h"

/*
 * One UDP socket. Answers leave from the address that the request came to, also when the socket is bound to all
 * addresses: NATs and firewalls drop answers from another one.
 */
struct udp;

#define UDP_MAX 65535 /* octets of a datagram */

/*
 * One datagram; octets are valid during the call only. waited_ms: how long it lay in the queue of the system, 0 when
 * that is unknown.
 */
typedef void (*udp_fn)(void *arg, const struct peer *remote, const struct peer *local, struct slice octets,
		       uint32_t waited_ms);

/*
 * The system was told by ICMP that a datagram of ours reached nobody. remote is where it went, sent its first octets,
 * as many as came back. Anybody can send such ICMP messages, so the receiver must compare sent with what it really
 * sent. Without IP_RECVERR in the system nothing is told.
 */
typedef void (*udp_refused_fn)(void *arg, const struct peer *remote, struct slice sent);

/*
 * udp_new: binds *at (port 0: any; *at gets the real one). ERR_IO, errno is set. udp_free: closes the socket; NULL is
 * ignored.
 */
MUST_USE enum err udp_new(struct loop *l, struct peer *at, udp_fn fn, void *arg, struct udp **out);
void udp_free(struct udp *u);
void udp_on_refused(struct udp *u, udp_refused_fn fn); /* fn is called with the arg of udp_new */

/*
 * udp_send: sends from local (its port aside; NULL: the system chooses). A full socket buffer counts as a lost datagram
 * and is ERR_OK, since UDP promises no more. ERR_IO, errno is set.
 */
MUST_USE enum err udp_send(struct udp *u, const struct peer *to, const struct peer *local, struct slice octets);

#endif
