#include <string.h>

#include "core/log.h"
#include "sip/event/notifier_private.h"
#include "sip/locate/locate.h"
#include "sip/message/limits.h"

/*
 * The way of a NOTIFY (RFC 3261 12.2.1.1, T-32). Whoever subscribes names the places that NOTIFYs go to, in Contact and
 * Record-Route, and needs no account. So they go
 *
 *   1. by the connection of the latest SUBSCRIBE, while it lives; a credential by nothing else (CRD-11);
 *   2. over UDP, to the address that the SUBSCRIBE came from, which was proven (CRT-32): by TCP when they are large,
 *      to the port of the Contact;
 *   3. when the connection is gone: to the next hop of the dialog, by RFC 3263, but only to the address that the
 *      SUBSCRIBE came from, or by a [route] of the configuration.
 *
 * Anything else would let a stranger have this server connect to, and write to, any service that it reaches.
 */

/* port_of: of the next hop; without one the default (RFC 3261 19.1.2). */
static uint16_t port_of(const struct uri *hop)
{
	return (uint16_t)(hop->port != 0 ? hop->port : hop->scheme == URI_SIPS ? 5061 : 5060);
}

/* connect_tls: to a hop of the dialog of s that was found by this name. */
static enum err connect_tls(struct sub *s, const struct peer *to, struct slice name, struct flow *out)
{
	struct notifier *n = s->notifier;
	struct tls_config *tls = n->d.access.settings->client_tls;
	struct addr remote;

	if (tls == NULL || addr_parse(slice_str(s->dialog.remote), &remote) != ERR_OK)
		return ERR_UNSUPPORTED;
	return transport_connect(n->d.transport, PROTO_TLS, to, tls,
				 hops_certified(name, s->dialog.routes[0] != '\0' ? &remote.uri : NULL), out);
}

/* by_datagram: case 2. Behind proxies the port is that of the Record-Route, if the proxy that sent is meant by it. */
static enum err by_datagram(struct sub *s, const struct uri *hop, size_t octets, struct flow *out)
{
	struct notifier *n = s->notifier;
	struct slice transport = SLICE_NONE;
	struct peer to = s->flow.remote, named;
	char name[DNS_NAME_MAX];

	peer_set_port(&to, port_of(hop));
	if (hop->scheme == URI_SIPS)
		return locate_name(hop->host, name) ? connect_tls(s, &to, slice_str(name), out) : ERR_UNSUPPORTED;
	uri_param(hop, S("transport"), &transport);
	if (!s->no_tcp && (slice_ieq(transport, S("tcp")) || octets > SIP_UDP_SAFE))
		return transport_connect(n->d.transport, PROTO_TCP, &to, NULL, SLICE_NONE, out);
	to = s->flow.remote;
	if (s->dialog.routes[0] != '\0' && peer_of(hop->host, port_of(hop), &named) &&
	    peer_same_host(&named, &s->flow.remote))
		to = named;
	/* A subscription of the last run has no local address any more. */
	return transport_udp(n->d.transport, &to, &s->flow, out);
}

/* take: the first of the hops that may be used. false: there is none. */
static bool take(struct sub *s, const struct uri *asked, const struct hops *h)
{
	char name[DNS_NAME_MAX];
	bool configured =
		locate_name(asked->host, name) && routes_find(s->notifier->d.access.settings->routes, name) != NULL;

	for (unsigned i = 0; i < h->count; i++) {
		if (!configured && !peer_same_host(&h->hops[i].at, &s->flow.remote))
			continue;
		s->way.hop = h->hops[i];
		memcpy(s->way.name, h->name, sizeof(s->way.name));
		s->way.known = true;
		return true;
	}
	log_line(LOG_INFO, "event=notify_way_refused aor=%s source=%s hop=%s", log_esc(slice_str(s->aor)).text,
		 peer_ip(&s->flow.remote).text, log_esc(asked->host).text);
	return false;
}

/* on_resolved: the subscription may be gone, or have a connection again. */
static void on_resolved(void *arg, uint64_t id, const struct hops *h, const char *why)
{
	struct notifier *n = arg;
	struct sub *s = sub_by_id(&n->subs, id);
	struct uri hop;

	if (s == NULL)
		return;
	if (h->count == 0)
		log_line(LOG_INFO, "event=no_route aor=%s reason=%s", log_esc(slice_str(s->aor)).text,
			 log_esc(slice_str(why)).text);
	if (dialog_next_hop(&s->dialog, &hop) == ERR_OK && h->count > 0)
		take(s, &hop, h);
	notify_on_way(s, s->way.known || s->flow.id != 0 ? ERR_OK : ERR_NOTFOUND);
}

/* go: to the hop that was taken, which is used once. */
static enum err go(struct sub *s, struct flow *out)
{
	struct notifier *n = s->notifier;
	const struct hop *h = &s->way.hop;

	s->way.known = false;
	if (h->proto == PROTO_UDP)
		return transport_udp(n->d.transport, &h->at, &s->flow, out);
	if (h->proto == PROTO_TLS)
		return connect_tls(s, &h->at, slice_str(s->way.name), out);
	return transport_connect(n->d.transport, PROTO_TCP, &h->at, NULL, SLICE_NONE, out);
}

/* by_hops: case 3. */
static enum err by_hops(struct sub *s, const struct uri *hop, size_t octets, struct flow *out)
{
	struct notifier *n = s->notifier;
	struct hops hops;
	const char *why;

	if (octets > SIP_UDP_SAFE) {
		s->way.large = true;
		s->way.known = false;
	}
	if (s->way.known)
		return go(s, out);
	switch (resolver_ask(n->d.resolver, hop, s->way.large, &hops, on_resolved, n, s->id, &why)) {
	case ERR_OK:
		return take(s, hop, &hops) ? go(s, out) : ERR_NOTFOUND;
	case ERR_AGAIN:
		return ERR_AGAIN;
	case ERR_BUSY:
		return ERR_BUSY;
	default:
		log_line(LOG_INFO, "event=no_route aor=%s reason=%s", log_esc(slice_str(s->aor)).text,
			 log_esc(slice_str(why)).text);
		return ERR_NOTFOUND;
	}
}

enum err way_find(struct sub *s, size_t octets, struct flow *out)
{
	struct uri hop;

	if (s->flow.proto != PROTO_UDP && s->flow.id != 0 && transport_alive(s->notifier->d.transport, &s->flow)) {
		*out = s->flow;
		return ERR_OK;
	}
	if (s->package == PACKAGE_CREDENTIAL)
		return ERR_CLOSED;
	if (dialog_next_hop(&s->dialog, &hop) != ERR_OK || hop.scheme == URI_OTHER)
		return ERR_SYNTAX;
	return s->flow.proto == PROTO_UDP ? by_datagram(s, &hop, octets, out) : by_hops(s, &hop, octets, out);
}
