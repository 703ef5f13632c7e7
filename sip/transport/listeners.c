#include "sip/transport/listeners.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "sip/message/scan.h"

void listeners_init(struct listeners *ls, struct loop *l)
{
	*ls = (struct listeners){.locals = locals_new(l)};
}

void listeners_free(struct listeners *ls)
{
	for (unsigned i = 0; i < ls->count; i++) {
		udp_free(ls->list[i].udp);
		mem_free(ls->list[i].host);
	}
	ls->count = 0;
	locals_free(ls->locals);
}

/* split: "host" or "host:port"; an IPv6 address is in brackets. *port 0: none. */
static bool split(struct slice text, struct slice *host, uint32_t *port)
{
	size_t n = slice_starts(text, S("[")) ? slice_chr(text, ']') + 1 : slice_chr(text, ':');

	if (n > text.n)
		return false;
	*host = slice_sub(text, 0, n);
	*port = 0;
	return n == text.n ||
	       (text.p[n] == ':' && slice_u32(slice_sub(text, n + 1, text.n), UINT16_MAX, port) && *port > 0);
}

bool listeners_advertisable(struct slice text)
{
	struct slice host;
	struct peer at;
	uint32_t port;

	return split(text, &host, &port) && host.n < LISTENER_NAME - 8 && scan_is_host(host) &&
	       !(peer_of(host, 0, &at) && peer_is_any(&at));
}

void listeners_advertise(struct listener *l, struct slice text)
{
	struct slice host;
	uint32_t port;

	l->port = peer_port(&l->at);
	if (text.n == 0 || !split(text, &host, &port))
		return;
	l->host = slice_dup(host);
	if (port != 0)
		l->port = (uint16_t)port;
}

/* score: how well a listener fits a local address. Its port tells more than its address, which may be any. */
static unsigned score(const struct listener *l, const struct peer *local)
{
	bool any = peer_is_any(&l->at), same = peer_same_host(&l->at, local);

	return (peer_port(&l->at) == peer_port(local) && (any || same) ? 4u : 0) + (same ? 2u : any ? 1u : 0);
}

struct listener *listeners_of(struct listeners *ls, enum proto proto, const struct peer *local)
{
	struct listener *best = NULL;

	for (unsigned i = 0; i < ls->count; i++) {
		struct listener *l = &ls->list[i];

		if (l->proto == proto && l->at.u.sa.sa_family == local->u.sa.sa_family &&
		    (best == NULL || score(l, local) > score(best, local)))
			best = l;
	}
	return best;
}

struct listener *listeners_udp(struct listeners *ls, const struct peer *remote, const struct flow *near,
			       struct flow *out)
{
	bool by_near = near != NULL && near->proto == PROTO_UDP &&
		       near->local.u.sa.sa_family == remote->u.sa.sa_family && !peer_is_any(&near->local);
	struct peer local = by_near ? near->local : (struct peer){.u.sa.sa_family = remote->u.sa.sa_family};
	struct listener *l;

	if (!by_near)
		(void)!locals_towards(ls->locals, remote, &local);
	l = listeners_of(ls, PROTO_UDP, &local);
	if (l == NULL)
		return NULL;
	*out = (struct flow){.proto = PROTO_UDP, .remote = *remote, .local = peer_is_any(&l->at) ? local : l->at};
	peer_set_port(&out->local, peer_port(&l->at));
	return l;
}

/* leads_to: does the address lead to l, which may be on all addresses of its family? */
static bool leads_to(const struct listeners *ls, const struct listener *l, const struct peer *at,
		     const struct peer *local)
{
	if (!peer_is_any(&l->at))
		return peer_same_host(&l->at, at);
	return peer_octets(at).n == peer_octets(&l->at).n && (peer_same_host(at, local) || locals_has(ls->locals, at));
}

bool listeners_is_own(const struct listeners *ls, const struct peer *local, struct slice host, uint32_t port)
{
	struct peer at;
	bool is_address = peer_of(host, 0, &at);

	for (unsigned i = 0; i < ls->count; i++) {
		const struct listener *l = &ls->list[i];
		uint32_t wanted = port != 0 ? port : l->proto == PROTO_TLS ? 5061 : 5060;
		bool any = port == LISTENERS_ANY_PORT;

		if (l->host != NULL && (any || l->port == wanted) && peer_same_name(host, slice_str(l->host)))
			return true;
		if (is_address && (any || peer_port(&l->at) == wanted) && leads_to(ls, l, &at, local))
			return true;
	}
	return false;
}

struct listener_name listeners_name(struct listeners *ls, const struct flow *f)
{
	const struct listener *l = listeners_of(ls, f->proto, &f->local);
	struct listener_name name;
	struct peer at = f->local;

	if (l != NULL && l->host != NULL) {
		snprintf(name.text, sizeof(name.text), "%s:%u", l->host, l->port);
		return name;
	}
	if (l != NULL) {
		if (!peer_is_any(&l->at))
			at = l->at;
		peer_set_port(&at, peer_port(&l->at));
	}
	snprintf(name.text, sizeof(name.text), "%s", peer_text(&at).text);
	return name;
}
