#include <string.h>

#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/proxy/forward.h"
#include "sip/proxy/proxy_private.h"

/* The request of a branch as it leaves (RFC 3261 16.6): what is added, by the flow that it goes by. */

/* The most that is added to a request here. */
#define OWN_HEADERS 7  /* Via, two Record-Route, Route, Max-Forwards, Max-Breadth, P-Asserted-Identity */
#define OWN_OCTETS 300 /* the most of Via, its parameters, Max-Forwards and Max-Breadth */
#define ROUTE_OCTETS (2 * (RECORD_ROUTE_TOKEN + 100)) /* the most of two Record-Routes, but for the domain in them */

/*
 * is_secure: is Record-Route a sips URI? Where the request is for one, it must be (RFC 5630 5.3). Otherwise
 * proxy.record- route says so: many phones send nothing along a sips route, or take it for a promise about the whole
 * way. What they follow is transport=tls, deprecated as it is (RFC 3261 26.2.2): the one place where it is written
 * (TLS-09).
 */
static bool is_secure(const struct branch *b)
{
	const struct fork *f = b->fork;

	return f->request->uri.scheme == URI_SIPS || (b->uri != NULL && slice_istarts(slice_str(b->uri), S("sips:"))) ||
	       f->proxy->d.access.settings->config.proxy_record_route == RECORD_ROUTE_SIPS;
}

/*
 * add_route_line: our Record-Route as this side of the dialog has to use it. A user of ours reaches us at the address
 * where it has reached us before. Another domain uses the name in our certificate (RFC 5922), wherever its DNS leads.
 */
static void add_route_line(const struct branch *b, const struct dialog_end *side, const char *token, struct buf *out)
{
	const struct proxy_deps *d = &b->fork->proxy->d;
	const struct listener_name at = transport_sent_by(d->transport, &side->flow);
	bool tls = side->flow.proto == PROTO_TLS, secure = tls && is_secure(b);

	buf_addf(out, "Record-Route: <%s:%s@%s;lr%s>\r\n", secure ? "sips" : "sip", token,
		 tls && !side->local ? d->access.settings->config.domain : at.text,
		 side->flow.proto == PROTO_TCP ? ";transport=tcp"
		 : tls && !secure              ? ";transport=tls"
					       : "");
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
static bool is_recorded(const struct fork *f)
{
	const struct sip_msg *m = f->request;

	return f->token != NULL || (m->to_tag.n == 0 && (m->method == METHOD_INVITE || m->method == METHOD_SUBSCRIBE ||
							 m->method == METHOD_REFER));
}

/* ends_of: as this request sees them: who sends it, and who gets it. */
static struct dialog_ends ends_of(const struct branch *b)
{
	const struct fork *f = b->fork;
	struct dialog_ends ends = {.caller = {.local = f->caller_local, .flow = f->source}, .callee = callee_of(b)};

	if (f->token != NULL) {
		ends.caller.local = f->notifier_local;
		ends.callee.local = f->subscriber_local;
	}
	return ends;
}

/*
 * add_record_route: RFC 3261 16.6 4. Two lines (RFC 5658) when the two sides see different addresses or schemes of
 * ours. measured: only the size counts, and the token is blanks. true: it is a new token, and *id gets its id.
 */
static bool add_record_route(const struct branch *b, bool measured, struct buf *out, uint8_t id[RECORD_ROUTE_ID])
{
	const struct fork *f = b->fork;
	const struct sip_msg *m = f->request;
	const struct dialog_ends ends = ends_of(b);
	const struct flow *to = &ends.callee.flow;
	struct buf token = {0};
	struct dialog_now now;
	bool same, fresh = f->token == NULL && !measured;

	if (!is_recorded(f))
		return false;
	now = itinerary_now(f->proxy, m);
	if (f->token != NULL)
		buf_adds(&token, f->token);
	else if (measured)
		buf_addf(&token, "%*s", (int)record_route_size(&ends), "");
	else
		record_route_token(&f->proxy->d.keys, &ends, m, &now, &token, id);
	same = f->source.proto == to->proto &&
	       (f->source.proto != PROTO_TLS || ends.caller.local == ends.callee.local) &&
	       slice_eq(slice_str(transport_sent_by(f->proxy->d.transport, &f->source).text),
			slice_str(transport_sent_by(f->proxy->d.transport, to).text));
	add_route_line(b, &ends.callee, token.p, out);
	if (!same)
		add_route_line(b, &ends.caller, token.p, out);
	buf_free(&token);
	return fresh;
}

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
	uint8_t dialog[RECORD_ROUTE_ID];
	bool recorded; /* with a token of this dialog */
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
			      .passage = fork_passage(f, f->caller_local)};

	*h = (struct how_texts){.source = peer_ip(&f->source.remote),
				.sent_by = transport_sent_by(f->proxy->d.transport, &b->flow)};
	h->recorded = add_record_route(b, measured, &h->record_route, h->dialog);
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

enum err outgoing_make(struct branch *b, struct slice id, struct buf *out)
{
	struct how_texts texts;
	struct forward how;
	enum err e;

	/* CANCEL and ACK are made from the request by parsing it, which takes no more header fields than this. */
	if (b->fork->request->header_count + OWN_HEADERS > SIP_HEADERS_MAX)
		return ERR_LIMIT;
	how = how_of(b, id, false, &texts);
	b->recorded = texts.recorded;
	memcpy(b->dialog, texts.dialog, sizeof(b->dialog));
	e = forward_request(b->fork->request, &how, out);
	how_free(&texts);
	return e;
}

/*
 * The flow is not known yet, so its addresses are taken to be as long as those of the flow that the request came by.
 * Only sizes are added up; the request is written once, when the flow is known.
 */
bool outgoing_is_large(const struct branch *b)
{
	const struct fork *f = b->fork;
	size_t domain = strlen(f->proxy->d.access.settings->config.domain);
	size_t most = f->request->raw.n + f->request->from.spec.n + OWN_OCTETS +
		      (is_recorded(f) ? ROUTE_OCTETS + 2 * domain : 0) + (b->uri != NULL ? strlen(b->uri) : 0) +
		      (b->routes != NULL ? strlen(b->routes) : 0);
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
	large = forward_size(b->fork->request, &how) + OUTGOING_RANDOM > SIP_UDP_SAFE;
	how_free(&texts);
	buf_free(&id);
	return large;
}
