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

/* The most that is added to a request here. */
#define OWN_HEADERS 7  /* Via, two Record-Route, Route, Max-Forwards, Max-Breadth, P-Asserted-Identity */
#define OWN_OCTETS 300 /* the most of Via, its parameters, Max-Forwards and Max-Breadth */
#define ROUTE_OCTETS (2 * (RECORD_ROUTE_TOKEN + 100)) /* the most of two Record-Routes, but for the domain in them */
#define BRANCH_RANDOM 16 /* random characters of a branch parameter, behind the mark of itinerary_mark */

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

/* --- Record-Route --- */

/*
 * add_route_line: our Record-Route as this side of the dialog has to use it. A user of ours reaches us at the address
 * where it has reached us before. Another domain uses the name in our certificate (RFC 5922), wherever its DNS leads.
 */
static void add_route_line(const struct branch *b, const struct dialog_end *side, const char *token, struct buf *out)
{
	const struct proxy_deps *d = &b->fork->proxy->d;
	const struct listener_name at = transport_sent_by(d->transport, &side->flow);
	bool tls = side->flow.proto == PROTO_TLS;

	/* TLS-09: the scheme says that it is TLS; transport=tls is deprecated. */
	buf_addf(out, "Record-Route: <%s:%s@%s;lr%s>\r\n", tls ? "sips" : "sip", token,
		 tls && !side->local ? d->access.settings->config.domain : at.text,
		 side->flow.proto == PROTO_TCP ? ";transport=tcp" : "");
}

/*
 * callee_of: how the callee is reached during the dialog. A connection that we made to a hop is not a flow of the
 * callee, so its address counts. When a large request went over TCP only for its size (RFC 3261 18.1.1), the UDP hop
 * counts.
 */
static struct dialog_end callee_of(const struct branch *b)
{
	struct dialog_end end = {.local = b->to_user, .by_address = b->hops != NULL, .flow = b->flow};

	for (unsigned i = 0; b->hops != NULL && i < b->hops->count && end.flow.proto == PROTO_TCP; i++) {
		const struct hop *h = &b->hops->hops[i];
		struct flow udp;

		if (h->proto == PROTO_UDP && peer_same_host(&h->at, &b->flow.remote) &&
		    transport_udp(b->fork->proxy->d.transport, &h->at, &b->seen, &udp) == ERR_OK)
			end.flow = udp;
	}
	return end;
}

/* is_recorded: may it begin a dialog? Only then a Record-Route has a use. */
static bool is_recorded(const struct sip_msg *m)
{
	return m->to_tag.n == 0 &&
	       (m->method == METHOD_INVITE || m->method == METHOD_SUBSCRIBE || m->method == METHOD_REFER);
}

/*
 * add_record_route: RFC 3261 16.6 4. Two lines (RFC 5658) when the two sides see different addresses or schemes of
 * ours. measured: only the size counts, and the token is blanks.
 */
static void add_record_route(const struct branch *b, bool measured, struct buf *out)
{
	const struct fork *f = b->fork;
	const struct sip_msg *m = f->request;
	struct dialog_ends ends = {.caller = {.local = f->caller_local, .flow = f->source}, .callee = callee_of(b)};
	const struct flow *to = &ends.callee.flow;
	struct buf token = {0};
	struct dialog_now now;
	bool same;

	if (!is_recorded(m))
		return;
	now = itinerary_now(f->proxy, m);
	if (measured)
		buf_addf(&token, "%*s", (int)record_route_size(&ends), "");
	else
		record_route_token(&f->proxy->d.keys, &ends, m, &now, &token);
	same = f->source.proto == to->proto &&
	       (f->source.proto != PROTO_TLS || ends.caller.local == ends.callee.local) &&
	       slice_eq(slice_str(transport_sent_by(f->proxy->d.transport, &f->source).text),
			slice_str(transport_sent_by(f->proxy->d.transport, to).text));
	add_route_line(b, &ends.callee, token.p, out);
	if (!same)
		add_route_line(b, &ends.caller, token.p, out);
	buf_free(&token);
}

/* --- sending --- */

static void on_heard(void *arg, uint64_t id, struct sip_msg *m, enum err why);

/* hops_left: the Max-Forwards to send. */
static unsigned hops_left(const struct sip_msg *m)
{
	uint32_t n = MAX_FORWARDS + 1;
	struct slice text = msg_value(m, HDR_MAX_FORWARDS);

	/* proxy.c has checked that it is a number and not 0. More than 70 would only make more work. */
	if (text.p != NULL && (!slice_u32(slice_trim(text), UINT32_MAX, &n) || n > MAX_FORWARDS))
		n = MAX_FORWARDS;
	return n - 1;
}

/* how_of: all changes of the request on its way by b->flow. The texts that the result points to are in *h or in b. */
struct how_texts {
	struct peer_text source;
	struct listener_name sent_by;
	struct buf record_route, asserted;
};

static struct forward how_of(const struct branch *b, struct slice id, bool measured, struct how_texts *h)
{
	const struct fork *f = b->fork;
	struct forward how = {.uri = b->uri != NULL ? slice_str(b->uri) : SLICE_NONE,
			      .rport = peer_port(&f->source.remote),
			      .proto = flow_proto_name(b->flow.proto),
			      .branch = id,
			      .new_routes = true,
			      .routes = b->routes != NULL ? slice_str(b->routes) : SLICE_NONE,
			      .max_forwards = hops_left(f->request),
			      .max_breadth = b->breadth,
			      .passage = fork_passage(f, f->caller_local || f->comes_back)};

	*h = (struct how_texts){.source = peer_ip(&f->source.remote),
				.sent_by = transport_sent_by(f->proxy->d.transport, &b->flow)};
	add_record_route(b, measured, &h->record_route);
	fork_assertion(f, &h->asserted);
	how.received = slice_str(h->source.text);
	how.sent_by = h->sent_by.text;
	how.record_route = buf_slice(&h->record_route);
	how.asserted = buf_slice(&h->asserted);
	return how;
}

static void how_free(struct how_texts *h)
{
	buf_free(&h->record_route);
	buf_free(&h->asserted);
}

static enum err make_request(const struct branch *b, struct slice id, struct buf *out)
{
	struct how_texts texts;
	struct forward how;
	enum err e;

	/* CANCEL and ACK are made from the request by parsing it, which takes no more header fields than this. */
	if (b->fork->request->header_count + OWN_HEADERS > SIP_HEADERS_MAX)
		return ERR_LIMIT;
	how = how_of(b, id, false, &texts);
	e = forward_request(b->fork->request, &how, out);
	how_free(&texts);
	return e;
}

/* on_timer: Timer C (16.8), or the time after which branches with a lower q are tried. */
static void on_timer(void *arg)
{
	fork_rang_out(arg);
}

/* send_on_flow: writes the request for b->flow, and sends it in a client transaction of its own. */
static void send_on_flow(struct branch *b)
{
	struct fork *f = b->fork;
	struct buf octets = {0}, id = {0};

	itinerary_mark(f->proxy, f->request, &id);
	rng_hex(&id, BRANCH_RANDOM / 2);
	if (make_request(b, buf_slice(&id), &octets) != ERR_OK) {
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
				 on_heard, b);
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

	if (h->proto == PROTO_UDP)
		return transport_udp(d->transport, &h->at, &b->seen, out) == ERR_OK;
	if (h->proto == PROTO_TLS && tls == NULL)
		return false;
	return transport_connect(d->transport, h->proto, &h->at, tls, slice_str(b->hops->name), out) == ERR_OK;
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

/* take_hops: keeps those of the hops that the request may go to. */
static void take_hops(struct branch *b, const struct hops *h)
{
	size_t head = offsetof(struct hops, hops);
	bool configured = is_configured(b);
	unsigned n = 0;

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
		fork_failure(b, b->to_user ? 480 : 403, NULL);
		return;
	}
	if (!try_hops(b))
		fork_failure(b, code_of(b, ERR_CLOSED), NULL);
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
	log_line(LOG_WARN, "event=no_route uri=%s reason=%s", log_esc(slice_str(b->next)).text,
		 log_esc(slice_str(why)).text);
	fork_failure(b, b->to_user ? 480 : 404, NULL);
}

/*
 * is_large: RFC 3261 18.1.1: will the request be too large for UDP? The flow is not known yet, so its addresses are
 * taken to be as long as those of the flow that the request came by. Only sizes are added up; the request is written
 * once, when the flow is known.
 */
static bool is_large(const struct branch *b)
{
	const struct fork *f = b->fork;
	size_t domain = strlen(f->proxy->d.access.settings->config.domain);
	size_t most = f->request->raw.n + f->request->from.spec.n + OWN_OCTETS +
		      (is_recorded(f->request) ? ROUTE_OCTETS + 2 * domain : 0) +
		      (b->uri != NULL ? strlen(b->uri) : 0) + (b->routes != NULL ? strlen(b->routes) : 0);
	struct branch by_udp = *b;
	struct how_texts texts;
	struct buf id = {0};
	struct forward how;
	bool large;

	if (most <= SIP_UDP_SAFE) /* most requests: no sum is needed */
		return false;

	by_udp.flow = (struct flow){.remote = b->fork->source.remote, .local = b->fork->source.local};
	itinerary_mark(b->fork->proxy, b->fork->request, &id);
	how = how_of(&by_udp, buf_slice(&id), true, &texts);
	large = forward_size(b->fork->request, &how) + BRANCH_RANDOM > SIP_UDP_SAFE;
	how_free(&texts);
	buf_free(&id);
	return large;
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
	switch (resolver_ask(p->d.resolver, &next, is_large(b), &hops, on_resolved, p, id, &why)) {
	case ERR_OK:
		take_hops(b, &hops);
		break;
	case ERR_AGAIN:
		break;
	case ERR_BUSY:
		fork_failure(b, 503, NULL);
		break;
	default:
		log_line(LOG_WARN, "event=no_route uri=%s reason=%s", log_esc(slice_str(b->next)).text,
			 log_esc(slice_str(why)).text);
		fork_failure(b, b->to_user ? 480 : 404, NULL);
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
		hops_draw(&places, PROTOS_ALL, is_large(b), slice_str(name), rng_below, &hops);
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
