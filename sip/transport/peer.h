#ifndef SIP_TRANSPORT_PEER_H
#define SIP_TRANSPORT_PEER_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/slice.h"

/* An IPv4 or IPv6 address with a port, as the system takes it. A value; {0} has no family and is no address. */
struct peer {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
};

#define PEER_TEXT 64 /* "[ipv6]:port" with the NUL */

/*
 * peer_parse: reads "1.2.3.4:5060" or "[::1]:5060"; port 0 is allowed. peer_of: an address in text (brackets allowed,
 * no names) and a port. false: *out is untouched.
 */
MUST_USE bool peer_parse(struct slice text, struct peer *out);
MUST_USE bool peer_of(struct slice host, uint16_t port, struct peer *out);

/*
 * peer_readings: what a host can be read as that is an address in an odd spelling: with a dot behind, with zeros in
 * front, as inet_aton reads it ("10.1", "0x0a000001"). Gives how many there are.
 */
#define PEER_READINGS 2
unsigned peer_readings(struct slice host, struct peer out[PEER_READINGS]);

/* peer_same_name: are the two hosts one name, in any case of letters, or one address? */
bool peer_same_name(struct slice a, struct slice b);

socklen_t peer_len(const struct peer *p);
uint16_t peer_port(const struct peer *p);
void peer_set_port(struct peer *p, uint16_t port);
bool peer_is_any(const struct peer *p); /* 0.0.0.0 or :: */

/* peer_same_host: equal addresses, ports aside; an IPv4-mapped IPv6 address equals its IPv4 address. */
bool peer_same_host(const struct peer *a, const struct peer *b);
bool peer_same(const struct peer *a, const struct peer *b);

/*
 * peer_ip: the address; peer_host: the same with brackets around IPv6, as in a URI; peer_text: host and port. For use
 * as peer_text(p).text within one expression.
 */
struct peer_text {
	char text[PEER_TEXT];
};
struct peer_text peer_ip(const struct peer *p);
struct peer_text peer_host(const struct peer *p);
struct peer_text peer_text(const struct peer *p);

/*
 * peer_prefix: the octets that stand for one source in limits and rates: an IPv4 address, or the /64 of an IPv6
 * address, since whoever has one address there has all of it. Points into p.
 */
struct slice peer_prefix(const struct peer *p);

/*
 * peer_octets: the octets of the address: 4 of an IPv4 address, also when it is mapped into IPv6, so that one host is
 * one source by either socket; else 16. Points into p.
 */
struct slice peer_octets(const struct peer *p);

#endif
