#ifndef SIP_TRANSPORT_LISTENERS_H
#define SIP_TRANSPORT_LISTENERS_H

#include "sip/transport/flow.h"
#include "sip/transport/local.h"
#include "sip/transport/stream.h"
#include "sip/transport/udp.h"

/*
 * The listeners of a transport: by which of them a message leaves, and what it says of us. One owner for Via,
 * Record-Route, Contact, and for what is recognised as our own when it comes back.
 */
#define LISTENERS_MAX 12  /* three kinds of four addresses each */
#define LISTENER_NAME 272 /* octets of "host:port" with the NUL; a host name has at most 255 */

struct listener {
	enum proto proto;
	struct peer at;
	char *host;    /* what peers are told instead of the address (RFC 3261 18.1.1): a name or an address; or NULL */
	uint16_t port; /* and the port; that of at when nothing else was said */
	struct udp *udp;
	struct stream_listener *stream;
};

struct listeners {
	struct locals *locals;
	struct listener list[LISTENERS_MAX];
	unsigned count;
};

/* listeners_free: the sockets of streams belong to struct streams. */
void listeners_init(struct listeners *ls, struct loop *l);
void listeners_free(struct listeners *ls);

/* listeners_advertise: text is "host" or "host:port", as listeners_advertisable allows; empty: nothing. */
bool listeners_advertisable(struct slice text);
void listeners_advertise(struct listener *l, struct slice text);

/*
 * listeners_of: the listener of this protocol and family that local belongs to: by its port, which an answer has to
 * leave by, and its address. Otherwise the first one. NULL: none of the family.
 */
struct listener *listeners_of(struct listeners *ls, enum proto proto, const struct peer *local);

/*
 * listeners_udp: the flow to remote: from the listener that near came by, which a NAT has opened a way back to; NULL,
 * or a near of another family: from the one whose address the kernel uses. NULL: no listener of that family.
 */
struct listener *listeners_udp(struct listeners *ls, const struct peer *remote, const struct flow *near,
			       struct flow *out);

/*
 * listeners_is_own: does host:port (0: the default of the protocol; LISTENERS_ANY_PORT) lead to a listener? One on all
 * addresses is at each of this machine, and at local, where a message has come.
 */
#define LISTENERS_ANY_PORT UINT32_MAX
bool listeners_is_own(const struct listeners *ls, const struct peer *local, struct slice host, uint32_t port);

/* listeners_name: "host:port" by which the peer of f reaches our listener; without one the local end of f. */
struct listener_name {
	char text[LISTENER_NAME];
};
struct listener_name listeners_name(struct listeners *ls, const struct flow *f);

#endif
