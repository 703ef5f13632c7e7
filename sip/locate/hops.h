#ifndef SIP_LOCATE_HOPS_H
#define SIP_LOCATE_HOPS_H

#include "sip/message/uri.h"
#include "sip/transport/flow.h"

/*
 * Where a request can go, RFC 3263 4. Places are what the DNS or the configuration says, not yet in an order, and are
 * cached. Hops are drawn from the places for each request, because SRV weights spread the load only if each request
 * draws anew (RFC 2782).
 */
#define PLACES_MAX 32      /* places of one answer */
#define PLACE_PEERS_MAX 64 /* addresses of all places */
#define HOPS_MAX 16
#define PROTO_BIT(p) (1u << (p)) /* of a set of enum proto */
#define PROTOS_ALL (PROTO_BIT(PROTO_UDP) | PROTO_BIT(PROTO_TCP) | PROTO_BIT(PROTO_TLS))

struct place {
	uint16_t group; /* least first: the order of NAPTR records, of transports, or of lines in the configuration */
	uint16_t priority, weight;
	enum proto proto;
	uint8_t first, count; /* its peers, which are tried in that order */
};

struct places {
	unsigned count, peer_count;
	struct place at[PLACES_MAX];
	struct peer peers[PLACE_PEERS_MAX];
	bool demanded; /* the URI or the configuration names the transport */
};

/*
 * hops_place_add: adds a place with those of the n peers that a request can go to, at port. false: there is none, or no
 * room.
 */
bool hops_place_add(struct places *p, struct place place, const struct peer *peers, unsigned n, uint16_t port);

struct hop {
	enum proto proto;
	struct peer at;
};

struct hops {
	unsigned count;
	char name[254]; /* the domain or the host that was asked for */
	struct hop hops[HOPS_MAX];
};

/*
 * hops_draw: the hops in the order in which they are to be tried, without doubles. protos: the transports that can be
 * used. large: the request has more than SIP_UDP_SAFE octets (RFC 3261 18.1.1). name: copied to out->name. below(n): a
 * random number in [0, n), as rng_below.
 */
void hops_draw(const struct places *p, unsigned protos, bool large, struct slice name, uint32_t (*below)(uint32_t n),
	       struct hops *out);

/*
 * hops_certified: whom the certificate of a TLS hop must name: what was asked for (RFC 5922 7.3). A proxy that has
 * written its address into Record-Route, as Kamailio does by itself, has no certificate for that; in a dialog it has to
 * be one of the domain of the other end, remote. NULL: in no dialog.
 */
struct slice hops_certified(struct slice asked, const struct uri *remote);

#endif
