#include <stddef.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/proxy/forward.h"
#include "sip/proxy/proxy_private.h"
#include "sip/locate/locate.h"

/*
 * One target of a request: a flow, or the hops of a URI, one after another (RFC 3263 4.3).
 *
 *   BRANCH_WAITS -> branch_start --(flow known)-----------------> BRANCH_SENT -> BRANCH_DONE
 *                                \-> BRANCH_RESOLVING -> hops ->     ^  |
 *                                                                   +--+ next hop: timeout, 503
 *
 * The final response goes to fork.c: fork_success or fork_failure. Both may free the fork, so they are called last.
 */

static bool is_invite(const struct branch *b)
{
	return b->fork->request->method == METHOD_INVITE;
}

/* --- sending --- */

static void on_heard(void *arg, uint64_t id, struct sip_msg *m, enum err why);

/* on_timer: Timer C (16.8), or the time after which branches with a lower q are tried. */
static void on_timer(void *arg)
{
	fork_rang_out(arg);
}

/*
 * is_unasked: whoever begins a dialog names in its Contact where requests go. A phone that nobody answers keeps asking;
 * a stranger could have one that picks up by itself send that to anybody (G14).
 */
static bool is_unasked(const struct branch *b)
{
	return b->fork->to_caller && !dialogs_caller_is_at(b->fork->proxy->dialogs, b->fork->dialog, &b->flow.remote);
}

/* send_on_flow: writes the request for b->flow, and sends it in a client transaction of its own. */
static void send_on_flow(struct branch *b)
{
	struct fork *f = b->fork;
	struct buf octets = {0}, id = {0};

	itinerary_mark(f->proxy, f->request, &id);
	rng_hex(&id, OUTGOING_RANDOM / 2);
	if (outgoing_make(b, buf_slice(&id), &octets) != ERR_OK) {
		buf_free(&octets);
		buf_free(&id);
		fork_failure(b, 400, NULL);
		return;
	}
	b->state = BRANCH_SENT;
	if (f->request->method == METHOD_ACK) {
		/* An ACK to 2xx is no transaction: the callee repeats its 2xx until an ACK arrives. */
		if (!transport_takes(f->proxy->d.transport, &b->flow, octets.n) ||
		    transport_send(f->proxy->d.transport, &b->flow, buf_slice(&octets)) != ERR_OK)
			log_line(LOG_WARN, "event=ack_lost call_id=%s", log_esc(f->request->call_id).text);
		buf_free(&octets);
		fork_end(f);
	} else {
		b->tx = tx_offer(f->proxy->d.transactions, &b->flow, &octets, buf_slice(&id), f->request->method,
				 is_unasked(b), on_heard, b);
		if (is_invite(b)) {
			uint32_t ring_ms = fork_ring_ms(b);

			b->timer = b->timer != NULL ? b->timer : timer_new(f->proxy->d.loop, on_timer, b);
			b->short_ring = ring_ms > 0;
			timer_start(b->timer, ring_ms > 0 ? ring_ms : TIMER_C_MS);
		}
	}
	buf_free(&id);
}

/* code_of: the status for a branch that no response came from. */
static unsigned code_of(const struct branch *b, enum err why)
{
	if (why == ERR_AGAIN)
		return 408;
	if (why == ERR_BUSY) /* the phone does not read as fast as it is sent to; nothing of its own suffers */
		return b->to_user || b->fork->to_local ? 480 : 503;
	if (b->flow_only)
		return b->to_user && b->fork->request->to_tag.n == 0 ? 480 : 430; /* RFC 5626 5.3 */
	return b->to_user ? 480 : 503;
}

static bool open_flow(const struct branch *b, const struct hop *h, struct flow *out)
{
	const struct proxy_deps *d = &b->fork->proxy->d;
	struct tls_config *tls = d->access.settings->client_tls;
	const struct uri *remote = b->fork->in_dialog ? &b->fork->request->to.uri : NULL;

	if (h->proto == PROTO_UDP)
		return transport_udp(d->transport, &h->at, &b->seen, out) == ERR_OK;
	if (h->proto == PROTO_TLS && tls == NULL)
		return false;
	return transport_connect(d->transport, h->proto, &h->at, tls, hops_certified(slice_str(b->hops->name), remote),
				 out) == ERR_OK;
}

/* try_hops: sends to the next hop that takes the request. false: there is none. */
static bool try_hops(struct branch *b)
{
	while (b->hops != NULL && b->hop < b->hops->count) {
		const struct hop *h = &b->hops->hops[b->hop++];

		if (open_flow(b, h, &b->flow)) {
			b->has_flow = true;
			b->heard = false;
			send_on_flow(b);
			return true;
		}
	}
	return false;
}

/* heard: a response, of which only that is left which may go on. */
static void heard(struct branch *b, struct sip_msg *m)
{
	b->heard = true;
	if (m->status == 503 && !b->cancelled && try_hops(b))
		return;
	if (msg_vias(m) < 2) {
		/* 16.7 3: without another Via it is not forwarded; another branch may succeed. A 2xx may come again. */
		if (m->status >= 200 && b->state != BRANCH_DONE)
			fork_failure(b, 502, NULL);
		return;
	}
	if (m->status < 200 && b->state == BRANCH_LEFT)
		return; /* the client transaction sends the CANCEL now */
	if (m->status < 200) {
		if (b->timer != NULL && !b->short_ring)
			timer_start(b->timer, TIMER_C_MS);
		fork_provisional(b, m);
	} else if (m->status < 300) {
		fork_success(b, m);
	} else {
		fork_failure(b, m->status, m);
	}
}

/* on_heard: what the client transaction reports: a response, or NULL for a timeout or a failed transport. */
static void on_heard(void *arg, uint64_t id, struct sip_msg *m, enum err why)
{
	struct branch *b = arg;
	struct passage passage = fork_passage(b->fork, b->fork->to_local);
	struct sip_msg *rest;

	(void)id;
	if (m == NULL) {
		/* RFC 3263 4.3: the next hop, unless this one has answered something. */
		if (!b->heard && !b->cancelled && try_hops(b))
			return;
		fork_failure(b, code_of(b, why), NULL);
	} else if (passage_response(&passage, b->fork->request, m, &rest) == ERR_OK) {
		heard(b, rest);
		msg_unref(rest);
	} else if (m->status >= 200 && b->state != BRANCH_DONE) {
		fork_failure(b, 502, NULL);
	}
}

/* --- where to --- */

/*
 * may_reach: may the request go to this address? Users name it, and in a dialog even the remote end does, and no
 * account is a right to the services behind this server (proxy.reach). A phone's own address is where it registered
 * from. A [route] is the administrator's.
 */
static bool may_reach(const struct branch *b, const struct peer *at, bool configured)
{
	return configured || b->by_address ||
	       (b->seen.remote.u.sa.sa_family != 0 && peer_same_host(&b->seen.remote, at)) ||
	       reach_allows(&b->fork->proxy->d.access.settings->proxy_reach, at);
}

static bool is_configured(const struct branch *b)
{
	const struct routes *routes = b->fork->proxy->d.access.settings->routes;
	char name[DNS_NAME_MAX];
	struct uri next;

	return b->next != NULL && uri_parse(slice_str(b->next), &next) == ERR_OK && locate_name(next.host, name) &&
	       routes_find(routes, name) != NULL;
}

/* go_by_flow: on the flow of the binding, which is alive. */
static bool go_by_flow(struct branch *b)
{
	if (b->seen.remote.u.sa.sa_family == 0 || !transport_alive(b->fork->proxy->d.transport, &b->seen))
		return false;
	b->flow = b->seen;
	b->has_flow = true;
	send_on_flow(b);
	return true;
}

/* lead_nowhere: nothing can be sent to the URI. If it is a Contact, there is still who has registered it. */
static void lead_nowhere(struct branch *b, unsigned code)
{
	if (!go_by_flow(b))
		fork_failure(b, code, NULL);
}

/* is_at_flow: has the device at one of the hops registered by a connection? Its name did not tell so before. */
static bool is_at_flow(const struct branch *b, const struct hops *h)
{
	for (unsigned i = 0; i < h->count; i++)
		if (b->seen.remote.u.sa.sa_family != 0 && b->seen.proto != PROTO_UDP &&
		    peer_same_host(&h->hops[i].at, &b->seen.remote))
			return true;
	return false;
}

/* take_hops: keeps those of the hops that the request may go to. */
static void take_hops(struct branch *b, const struct hops *h)
{
	size_t head = offsetof(struct hops, hops);
	bool configured = is_configured(b);
	unsigned n = 0;

	if (is_at_flow(b, h) && go_by_flow(b))
		return;
	b->hops = mem_alloc(head + h->count * sizeof(h->hops[0]));
	memcpy(b->hops, h, head);
	for (unsigned i = 0; i < h->count; i++)
		if (may_reach(b, &h->hops[i].at, configured))
			b->hops->hops[n++] = h->hops[i];
	b->hops->count = n;
	if (n == 0 && h->count > 0) {
		log_line(LOG_WARN, "event=reach_refused peer=%s uri=%s address=%s",
			 peer_text(&b->fork->source.remote).text, log_esc(slice_str(b->next)).text,
			 peer_text(&h->hops[0].at).text);
		lead_nowhere(b, b->to_user ? 480 : 403);
		return;
	}
	if (!try_hops(b))
		lead_nowhere(b, code_of(b, ERR_CLOSED));
}

static void no_route(struct branch *b, const char *why)
{
	log_line(LOG_WARN, "event=no_route uri=%s reason=%s", log_esc(slice_str(b->next)).text,
		 log_esc(slice_str(why)).text);
	lead_nowhere(b, b->to_user ? 480 : 404);
}

/* on_resolved: id has the fork and the index of the branch, since the fork may be gone by now. */
static void on_resolved(void *arg, uint64_t id, const struct hops *h, const char *why)
{
	struct proxy *p = arg;
	struct fork *f = fork_find(p, id / BRANCHES_MAX);
	struct branch *b = f == NULL ? NULL : &f->branches[id % BRANCHES_MAX];

	if (b == NULL || b->state != BRANCH_RESOLVING)
		return;
	if (h->count > 0) {
		take_hops(b, h);
		return;
	}
	no_route(b, why);
}

/* resolve: asks for the hops of b->next. */
static void resolve(struct branch *b)
{
	struct proxy *p = b->fork->proxy;
	uint64_t id = b->fork->own * BRANCHES_MAX + (uint64_t)(b - b->fork->branches);
	struct hops hops;
	struct uri next;
	const char *why;

	if (uri_parse(slice_str(b->next), &next) != ERR_OK || next.scheme == URI_OTHER) {
		fork_failure(b, 416, NULL);
		return;
	}
	/* 16.6 7: a request to a sips URI goes by TLS, whatever the URI of the next hop says. */
	if (slice_istarts(b->uri != NULL ? slice_str(b->uri) : b->fork->request->uri_text, S("sips:")))
		next.scheme = URI_SIPS;
	b->state = BRANCH_RESOLVING;
	switch (resolver_ask(p->d.resolver, &next, outgoing_is_large(b), &hops, on_resolved, p, id, &why)) {
	case ERR_OK:
		take_hops(b, &hops);
		break;
	case ERR_AGAIN:
		break;
	case ERR_BUSY:
		fork_failure(b, 503, NULL);
		break;
	default:
		no_route(b, why);
	}
}

/* go_to_address: to an end of a dialog: exactly to the address in the token, whatever the Request-URI says. */
static void go_to_address(struct branch *b)
{
	const struct peer *at = &b->flow.remote;
	struct places places = {0};
	struct hops hops = {0};
	char name[DNS_NAME_MAX] = "";
	struct uri next;

	/* The URI says which name the certificate must have. */
	if ((b->flow.proto != PROTO_TLS ||
	     (uri_parse(slice_str(b->next), &next) == ERR_OK && locate_name(next.host, name))) &&
	    hops_place_add(&places, (struct place){.proto = b->flow.proto}, at, 1, peer_port(at)))
		hops_draw(&places, PROTOS_ALL, outgoing_is_large(b), slice_str(name), rng_below, &hops);
	take_hops(b, &hops);
}

void branch_start(struct branch *b)
{
	if (b->by_address)
		go_to_address(b);
	else if (b->has_flow && transport_alive(b->fork->proxy->d.transport, &b->flow))
		send_on_flow(b);
	else if (b->flow_only)
		fork_failure(b, code_of(b, ERR_CLOSED), NULL);
	else
		resolve(b);
}

void branch_cancel(struct branch *b, struct slice reason)
{
	b->cancelled = true;
	switch (b->state) {
	case BRANCH_WAITS:
	case BRANCH_RESOLVING:
		b->state = BRANCH_DONE;
		break;
	case BRANCH_SENT:
		tx_cancel(b->fork->proxy->d.transactions, b->tx, reason);
		if (is_invite(b) && !b->heard) /* nothing says that anybody is there (RFC 3261 9.1) */
			b->state = BRANCH_LEFT;
		break;
	case BRANCH_LEFT:
	case BRANCH_DONE:
		break;
	}
}

void branch_drop(struct branch *b)
{
	timer_free(b->timer);
	mem_free(b->uri);
	mem_free(b->routes);
	mem_free(b->next);
	mem_free(b->hops);
	b->timer = NULL;
}
