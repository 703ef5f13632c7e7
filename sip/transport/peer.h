#ifndef SIP_TRANSPORT_PEER_H
#define SIP_TRANSPORT_PEER_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/slice.h"

/* An IPv4 or IPv6 address with a port. */
struct peer {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
};

#define PEER_TEXT 64 /* "[ipv6]:port" with the NUL */

/* peer_parse: "1.2.3.4:5060", "[::1]:5060"; port 0 allowed. peer_of: a bare address in text (brackets allowed) and a
 * port. */
MUST_USE bool peer_parse(struct slice text, struct peer *out);
MUST_USE bool peer_of(struct slice host, uint16_t port, struct peer *out);

socklen_t peer_len(const struct peer *p);
uint16_t peer_port(const struct peer *p);
void peer_set_port(struct peer *p, uint16_t port);
bool peer_is_any(const struct peer *p); /* 0.0.0.0 or :: */

/* peer_same_host: equal addresses, ports aside; an IPv4-mapped IPv6 address equals its IPv4 address. */
bool peer_same_host(const struct peer *a, const struct peer *b);
bool peer_same(const struct peer *a, const struct peer *b);

/* peer_ip: the bare address; peer_host: as in a URI, IPv6 in brackets; peer_text: host and port. */
struct peer_text {
	char text[PEER_TEXT];
};
struct peer_text peer_ip(const struct peer *p);
struct peer_text peer_host(const struct peer *p);
struct peer_text peer_text(const struct peer *p);

/* peer_prefix: the octets that stand for one source: an IPv4 address, or the /64 of an IPv6 one. Points into p. */
struct slice peer_prefix(const struct peer *p);

#endif
