#ifndef SIP_TRANSPORT_FLOW_H
#define SIP_TRANSPORT_FLOW_H

#include "core/buf.h"
#include "sip/transport/peer.h"

/* The way a message came by and requests or answers go back, RFC 5626 3: a UDP address pair, or a connection. */

enum proto { PROTO_UDP, PROTO_TCP, PROTO_TLS };

struct flow {
	enum proto proto;
	uint64_t id; /* of the connection; 0 for UDP */
	struct peer remote, local;
};

const char *flow_proto_name(enum proto p); /* "UDP", "TCP", "TLS" */

/* flow_same: the same connection, or the same UDP addresses and ports at both ends. */
bool flow_same(const struct flow *a, const struct flow *b);

/*
 * flow_pack: appends at most FLOW_PACKED octets that name the flow: for UDP both addresses, for a connection only its
 * id, whose addresses transport_flow brings back. flow_unpack: exactly what flow_pack made, else ERR_SYNTAX.
 */
#define FLOW_PACKED 37
void flow_pack(const struct flow *f, struct buf *out);
MUST_USE enum err flow_unpack(struct slice packed, struct flow *out);

/*
 * flow_pack_remote: the same of no more than the protocol and the address of the other end, which lasts longer than a
 * connection. flow_unpack_remote leaves the rest empty. Neither reads what the other pair makes.
 */
void flow_pack_remote(const struct flow *f, struct buf *out);
MUST_USE enum err flow_unpack_remote(struct slice packed, struct flow *out);

#endif
