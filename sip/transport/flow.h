#ifndef SIP_TRANSPORT_FLOW_H
#define SIP_TRANSPORT_FLOW_H

#include "core/buf.h"
#include "sip/transport/peer.h"

/*
 * The way by which a message came and by which answers and requests go back (RFC 5626 3): a pair of UDP addresses, or a
 * connection. A flow is a value; a connection in it is named by its id and may be gone.
 */

enum proto { PROTO_UDP, PROTO_TCP, PROTO_TLS };

struct flow {
	enum proto proto;
	uint64_t id; /* of the connection, never used again; 0 for UDP */
	struct peer remote, local;
};

const char *flow_proto_name(enum proto p); /* "UDP", "TCP", "TLS" */

/* flow_same: the same connection, or the same UDP addresses and ports at both ends. */
bool flow_same(const struct flow *a, const struct flow *b);

/*
 * flow_pack: appends at most FLOW_PACKED octets that name the flow: both addresses for UDP, only the id for a
 * connection; transport_flow brings its addresses back. flow_unpack: reads exactly what flow_pack wrote, else
 * ERR_SYNTAX. The octets travel in tokens, which their rooms protect by a MAC.
 */
#define FLOW_PACKED 37
void flow_pack(const struct flow *f, struct buf *out);
MUST_USE enum err flow_unpack(struct slice packed, struct flow *out);

/*
 * flow_pack_remote: appends only the protocol and the address of the other end, which outlive a connection.
 * flow_unpack_remote: reads that; id and local stay empty. Neither pair reads what the other one writes.
 */
void flow_pack_remote(const struct flow *f, struct buf *out);
MUST_USE enum err flow_unpack_remote(struct slice packed, struct flow *out);

#endif
