#include "sip/locate/hops.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/*
 * usable: can a request go to this address? An IPv4-mapped one is turned into IPv4. Never to port 0, "any" (which means
 * this host), multicast or broadcast.
 */
static bool usable(struct peer *p)
{
	if (p->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&p->u.in6.sin6_addr)) {
		struct peer v4;

		memset(&v4, 0, sizeof(v4));
		v4.u.in.sin_family = AF_INET;
		v4.u.in.sin_port = p->u.in6.sin6_port;
		memcpy(&v4.u.in.sin_addr, &p->u.in6.sin6_addr.s6_addr[12], 4);
		*p = v4;
	}
	if (peer_port(p) == 0 || peer_is_any(p))
		return false;
	if (p->u.sa.sa_family == AF_INET6)
		return !IN6_IS_ADDR_MULTICAST(&p->u.in6.sin6_addr);
	/* 0.0.0.0/8, multicast and broadcast. 240.0.0.0/4 may become ordinary addresses one day and is let through. */
	return ntohl(p->u.in.sin_addr.s_addr) >> 24 != 0 && ntohl(p->u.in.sin_addr.s_addr) >> 28 != 14 &&
	       p->u.in.sin_addr.s_addr != htonl(INADDR_BROADCAST);
}

bool hops_place_add(struct places *p, struct place place, const struct peer *peers, unsigned n, uint16_t port)
{
	place.first = (uint8_t)p->peer_count;
	place.count = 0;
	if (p->count == PLACES_MAX)
		return false;
	for (unsigned i = 0; i < n && p->peer_count < PLACE_PEERS_MAX; i++) {
		struct peer at = peers[i];

		peer_set_port(&at, port);
		if (!usable(&at))
			continue;
		p->peers[p->peer_count++] = at;
		place.count++;
	}
	if (place.count == 0)
		return false;
	p->at[p->count++] = place;
	return true;
}

static int by_rank(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/*
 * draw_weights: RFC 2782: among places of one group and priority each comes first as often as its weight says. Weight 0
 * comes seldom, but not never: it stands in front, and below(sum + 1) may be 0.
 */
static void draw_weights(struct place *at, unsigned count, uint32_t (*below)(uint32_t n))
{
	qsort(at, count, sizeof(*at), by_rank);
	for (unsigned i = 0; i < count; i++) {
		uint32_t sum = 0, running = at[i].weight, drawn;
		unsigned end = i, pick = i;
		struct place chosen;

		for (; end < count && at[end].group == at[i].group && at[end].priority == at[i].priority; end++)
			sum += at[end].weight;
		if (end == i + 1) /* one place: nothing to draw */
			continue;
		drawn = below(sum + 1);
		while (running < drawn && pick + 1 < end)
			running += at[++pick].weight;
		chosen = at[pick];
		memmove(&at[i + 1], &at[i], (pick - i) * sizeof(chosen));
		at[i] = chosen;
	}
}

static void add_hop(struct hops *out, enum proto proto, const struct peer *at)
{
	for (unsigned i = 0; i < out->count; i++)
		if (out->hops[i].proto == proto && peer_same(&out->hops[i].at, at))
			return;
	if (out->count == HOPS_MAX)
		return;
	out->hops[out->count++] = (struct hop){.proto = proto, .at = *at};
}

/*
 * add_places: the hops of all places whose transport is in protos. tcp_first: TCP to the same address before each one.
 */
static void add_places(const struct places *p, const struct place *order, unsigned protos, bool tcp_first,
		       struct hops *out)
{
	for (unsigned i = 0; i < p->count; i++) {
		for (unsigned k = 0; k < order[i].count; k++) {
			const struct peer *at = &p->peers[order[i].first + k];

			if ((protos & PROTO_BIT(order[i].proto)) == 0)
				continue;
			if (tcp_first)
				add_hop(out, PROTO_TCP, at);
			add_hop(out, order[i].proto, at);
		}
	}
}

void hops_draw(const struct places *p, unsigned protos, bool large, struct slice name, uint32_t (*below)(uint32_t n),
	       struct hops *out)
{
	struct place order[PLACES_MAX];
	const unsigned udp = PROTO_BIT(PROTO_UDP);

	out->count = 0;
	out->name[0] = '\0';
	if (name.n > 0 && name.n < sizeof(out->name)) {
		memcpy(out->name, name.p, name.n);
		out->name[name.n] = '\0';
	}
	memcpy(order, p->at, p->count * sizeof(order[0]));
	draw_weights(order, p->count, below);
	/*
	 * NAPTR finds the one transport that the domain prefers (RFC 3263 4.1); the other ones are for when that leads
	 * nowhere. If the domain prefers TLS, nothing goes in the clear: otherwise whoever can break a handshake could
	 * read the request that follows.
	 */
	if (p->count > 0 && order[0].proto == PROTO_TLS && !p->demanded)
		protos = PROTO_BIT(PROTO_TLS);
	if (!large || p->demanded) {
		add_places(p, order, protos, false, out);
		return;
	}
	/* RFC 3261 18.1.1: a large request goes over TCP, and over UDP only to those that have nothing else. */
	add_places(p, order, protos & ~udp, false, out);
	add_places(p, order, protos & udp, out->count == 0 && (protos & PROTO_BIT(PROTO_TCP)) != 0, out);
}

struct slice hops_certified(struct slice asked, const struct uri *remote)
{
	struct peer address;

	return remote != NULL && remote->scheme != URI_OTHER && peer_of(asked, 0, &address) ? uri_domain(remote)
											    : asked;
}
