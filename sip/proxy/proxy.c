#include "sip/proxy/proxy.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/header.h"
#include "sip/proxy/proxy_private.h"

/*
 * What may go where (RFC 3261 16.3 to 16.5). Nothing is relayed for strangers. The decision is route(): a request in a
 * dialog, one that goes elsewhere, or one for a user of ours.
 */

struct proxy *proxy_new(const struct proxy_deps *deps)
{
	struct proxy *p = mem_alloc(sizeof(*p));

	p->d = *deps;
	map_init(&p->forks);
	map_init(&p->by_own);
	groups_init(&p->by_call);
	p->dialogs = dialogs_new(deps->loop);
	return p;
}

void proxy_free(struct proxy *p)
{
	struct map_node *n;

	if (p == NULL)
		return;
	while ((n = map_first(&p->by_own)) != NULL)
		fork_end(MAP_ENTRY(n, struct fork, by_own));
	map_free(&p->forks);
	map_free(&p->by_own);
	groups_free(&p->by_call);
	dialogs_free(p->dialogs);
	mem_free(p);
}

const struct proxy_identities *proxy_identities(const struct proxy *p)
{
	return &p->identities;
}

unsigned proxy_count(const struct proxy *p)
{
	return (unsigned)p->forks.count;
}

int64_t proxy_dialog_ms(const struct proxy *p)
{
	return p->d.access.settings->config.proxy_dialog_max * (int64_t)1000;
}

/* A request that is being decided. tx NULL: an ACK, which cannot be answered. */
struct asking {
	struct proxy *p;
	struct tx *tx;
	struct sip_msg *m;
	struct flow source;
	struct itinerary it;
	bool local;      /* the sender is known to be a user of ours */
	bool proven;     /* ... by the digest of this request, under the name that From has */
	bool comes_back; /* see vetting_comes_back */
	bool goes_on;    /* there is a fork for it */
};

static void refuse(const struct asking *a, unsigned code, const char *reason)
{
	if (a->tx != NULL)
		tx_reply_code(a->tx, code, reason);
}

/* check_request: RFC 3261 16.3 steps 2 to 5: scheme, Max-Forwards, loops, Proxy-Require. false: answered. */
static bool check_request(const struct asking *a)
{
	struct slice hops = msg_value(a->m, HDR_MAX_FORWARDS), demanded = msg_value(a->m, HDR_PROXY_REQUIRE);
	struct buf lines = {0};
	uint32_t n;

	if (a->m->uri.scheme == URI_OTHER) {
		refuse(a, 416, NULL);
		return false;
	}
	if (hops.p != NULL && !slice_u32(slice_trim(hops), 255, &n)) {
		refuse(a, 400, "Bad Max-Forwards Header Field");
		return false;
	}
	if ((hops.p != NULL && n == 0) || msg_vias(a->m) >= SIP_VIA_MAX) {
		refuse(a, 483, NULL);
		return false;
	}
	if (!passage_fits(a->m)) {
		refuse(a, 513, NULL);
		return false;
	}
	if (!sender_is_readable(a->m)) {
		refuse(a, 403, "From Must Be A SIP Or Tel URI");
		return false;
	}
	/* Before anything is asked: a request of a user of ours that comes back has no credentials for us any more. */
	if (a->tx != NULL && itinerary_is_loop(a->p, a->m)) {
		refuse(a, 482, NULL);
		return false;
	}
	if (demanded.n == 0)
		return true;
	for (const struct sip_header *h = msg_each(a->m, HDR_PROXY_REQUIRE, NULL); h != NULL;
	     h = msg_each(a->m, HDR_PROXY_REQUIRE, h))
		build_header(&lines, "Unsupported", h->value);
	if (a->tx != NULL)
		tx_reply(a->tx, &(struct build_reply){.code = 420, .headers = buf_slice(&lines)});
	buf_free(&lines);
	return false;
}

static bool claims_user(const struct asking *a, struct uri *as)
{
	return sender_claims(a->p, a->m, &a->source, as);
}

static struct caller caller_of(const struct asking *a)
{
	return (struct caller){&a->source, sender_secret(a->p, a->m, &a->source)};
}

/* may_be_users: digest.insecure = off: users send by TLS and by nothing else. */
static bool may_be_users(const struct asking *a)
{
	return a->source.proto == PROTO_TLS || a->p->d.access.settings->config.digest_insecure;
}

/* is_bare: does the request go to the Contact of the other end without a route? See dialogs_expects_bare_ack. */
static bool is_bare(const struct asking *a)
{
	return a->m->to_tag.n > 0 && !a->it.routed && a->it.uri.n == 0;
}

/*
 * check_sender: a request whose From is of our domain needs the digest of that user. Any other request may go to users
 * of ours only; outbound: it goes elsewhere. false: answered.
 */
static bool check_sender(struct asking *a, bool outbound)
{
	struct uri from;

	if (claims_user(a, &from)) {
		/*
		 * One of our users has sent it, with digest, to another domain, which has sent it back to a user of
		 * ours.
		 */
		a->comes_back = !outbound && vetting_comes_back(a->p, a->m);
		if (a->comes_back)
			return true;
		/* An ACK cannot be challenged. */
		if (a->tx == NULL) {
			const struct caller by = caller_of(a);

			a->local = is_bare(a) && may_be_users(a) && dialogs_expects_bare_ack(a->p->dialogs, a->m, &by);
			return a->local;
		}
		if (!access_sender(&a->p->d.access, a->tx, &from))
			return false;
		a->local = true;
		/* The certificate of the domain does not have its other names, so nothing is vouched for by them. */
		a->proven = itinerary_is_of_domain(a->p, &a->m->from.uri);
		return true;
	}
	if (!outbound)
		return true;
	log_line(LOG_WARN, "event=relay_refused peer=%s uri=%s", peer_text(&a->source.remote).text,
		 log_esc(a->m->uri_text).text);
	refuse(a, 403, "Relaying Denied");
	return false;
}

/* check_passage: see passage_refusal. false: answered. */
static bool check_passage(const struct asking *a)
{
	const struct passage passage = {.access = &a->p->d.access, .from_user = a->local};
	const char *reason;
	unsigned code = passage_refusal(&passage, a->m, &reason);

	if (code == 0)
		return true;
	log_line(LOG_WARN, "event=stranger_refused peer=%s method=%s uri=%s", peer_text(&a->source.remote).text,
		 log_esc(a->m->method_name).text, log_esc(a->m->uri_text).text);
	refuse(a, code, reason);
	return false;
}

/*
 * is_asked_for: phones obey NOTIFY and REFER in any dialog, and some whether the dialog came to be or not. So a
 * stranger NOTIFYs of what he was subscribed to; and in an answered call he REFERs, and NOTIFYs of a REFER (RFC
 * 3515 2.4.4).
 */
static bool is_asked_for(const struct asking *a)
{
	const struct dialog_way *way = &a->it.way;
	const bool in_call = way->kind == DIALOG_CALL && dialogs_is_answered(a->p->dialogs, way->id);
	struct event event;

	if (passage_is(a->m, "REFER"))
		return in_call;
	if (!passage_is(a->m, "NOTIFY"))
		return true;
	if (way->kind == DIALOG_SUBSCRIPTION)
		return !way->from_caller && way->same_package;
	return in_call && event_parse(msg_value(a->m, HDR_EVENT), &event) == ERR_OK &&
	       slice_eq(event.package, S("refer"));
}

/* start: all targets are known. */
static void start(struct asking *a, struct fork *f)
{
	struct slice breadth = msg_value(a->m, HDR_MAX_BREADTH);
	uint32_t n;

	f->caller_local = a->local;
	f->proven = a->proven;
	f->comes_back = a->comes_back;
	f->secret = a->proven ? sender_secret(a->p, a->m, &a->source) : 0;
	f->in_dialog = a->it.in_dialog;
	f->to_caller = f->in_dialog && !a->it.way.from_caller && !a->it.way.ends.caller.local;
	memcpy(f->dialog, a->it.way.id, sizeof(f->dialog));
	if (f->in_dialog && a->it.way.kind == DIALOG_SUBSCRIPTION && !a->it.way.from_caller &&
	    passage_is(a->m, "NOTIFY")) {
		f->token = slice_dup(buf_slice(&a->it.token));
		f->subscriber_local = a->it.way.ends.caller.local;
		f->notifier_local = a->it.way.ends.callee.local;
	}
	if (breadth.p != NULL && slice_u32(slice_trim(breadth), UINT32_MAX, &n) && n < f->max_breadth)
		f->max_breadth = n;
	a->goes_on = true;
	if (a->m->method == METHOD_INVITE) {
		const struct caller by = caller_of(a);

		dialogs_invited(a->p->dialogs, a->m, &by, a->local);
	}
	vetting_start(f);
}

static struct slice uri_of(const struct itinerary *it)
{
	return it->uri.n > 0 ? buf_slice(&it->uri) : SLICE_NONE;
}

/* send_on: one target, by Route or Request-URI. */
static void send_on(struct asking *a)
{
	struct fork *f = fork_new(a->p, a->tx, a->m, &a->source, 1);

	fork_add(f, uri_of(&a->it), buf_slice(&a->it.routes), buf_slice(&a->it.next));
	start(a, f);
}

/* send_to_user: RFC 3261 16.5: the Request-URI is an AOR of ours, and its bindings are the targets. */
static void send_to_user(struct asking *a)
{
	struct targets t;
	struct fork *f;

	if (!targets_of(a->p, &a->m->uri, &t)) {
		refuse(a, 404, NULL);
		return;
	}
	if (t.count == 0) {
		refuse(a, 480, NULL);
		return;
	}
	f = fork_new(a->p, a->tx, a->m, &a->source, t.count);
	f->to_local = true;
	targets_add(f, &t);
	start(a, f);
}

/*
 * comes_from: does the request come from this end? A source address over UDP can be forged, which is_known takes into
 * account. On a connection from the address of the end the sender is at that address, whichever side opened it.
 */
static bool comes_from(const struct dialog_end *e, const struct flow *source)
{
	if (!e->by_address)
		return flow_same(&e->flow, source);
	return peer_same(&e->flow.remote, &source->remote) &&
	       (e->flow.proto == PROTO_UDP || e->flow.proto == source->proto);
}

/*
 * send_to_contact: tokens prove the dialog, bindings say where: the user of the receiving end may have moved, or its
 * NAT may have, and have registered the same Contact again. This opens nothing new, since anybody may send to a user of
 * ours. flow: where the receiver was, or NULL. false: there is no such binding.
 */
static bool send_to_contact(struct asking *a, const struct flow *flow)
{
	const struct slice uri = a->it.uri.n > 0 ? buf_slice(&a->it.uri) : a->m->uri_text;
	struct targets t;
	struct fork *f;

	if (!itinerary_is_of_domain(a->p, &a->m->to.uri) || !targets_of(a->p, &a->m->to.uri, &t) ||
	    !targets_keep(&t, uri, flow))
		return false;
	f = fork_new(a->p, a->tx, a->m, &a->source, 1);
	f->to_local = true;
	targets_add(f, &t);
	start(a, f);
	return true;
}

static bool is_expected_ack(const struct asking *a)
{
	const struct caller by = caller_of(a);

	return a->tx == NULL && dialogs_expects_ack(a->p->dialogs, a->m, &by);
}

/*
 * is_known: may the sender be accepted by its transport alone, without digest? Only if it speaks under the names that
 * the dialog began with. Whoever was called has shown nothing: a Contact of a user may be anybody's, until he has
 * answered the call in the name of the user. A request to a remote end needs more: it is signed for the user, which a
 * connection does not justify, and over UDP the remote end itself, which has the token, could have forged the address.
 * An ACK cannot be challenged and brings no answer.
 */
static bool is_known(const struct asking *a, const struct dialog_end *sender, const struct dialog_end *receiver)
{
	bool signs = a->p->d.access.settings->config.identity_sign != SIGN_OFF &&
		     itinerary_is_of_domain(a->p, &a->m->from.uri);

	bool shown = a->it.way.from_caller || dialogs_is_answered(a->p->dialogs, a->it.way.id);

	if (!sender->local || !a->it.way.same_names ||
	    !((shown && comes_from(sender, &a->source)) || is_expected_ack(a)))
		return false;
	return receiver->local || a->tx == NULL || (a->source.proto != PROTO_UDP && !signs);
}

/* send_in_dialog: a request of a dialog that was let through goes to the other end in the token (RFC 5626 5.3). */
static void send_in_dialog(struct asking *a)
{
	const struct dialog_way *way = &a->it.way;
	const struct dialog_end *sender = way->from_caller ? &way->ends.caller : &way->ends.callee;
	const struct dialog_end *receiver = way->from_caller ? &way->ends.callee : &way->ends.caller;
	struct flow flow = receiver->flow;
	struct branch *b;
	struct uri from;
	struct fork *f;
	bool alive;

	/* Who was let in over TLS, or before a reload, is no user any more on another way. */
	if (sender->local && !may_be_users(a)) {
		refuse(a, 403, "TLS Required");
		return;
	}
	if (a->tx == NULL && way->from_caller && !sender->local) {
		const struct caller by = caller_of(a);

		dialogs_acked(a->p->dialogs, way->id, a->m, &by, proxy_dialog_ms(a->p));
	}
	a->local = is_known(a, sender, receiver);
	if (!a->local && !sender->local && !is_asked_for(a) && !check_passage(a))
		return;
	/*
	 * A local end that is not known has to prove itself. So has a remote one that uses a name of our domain: the
	 * dialog of a request that came back belongs to whoever sent it back. An ACK of it has no signature.
	 */
	if (!a->local && (sender->local || ((a->tx != NULL || !way->same_names) && claims_user(a, &from))) &&
	    !check_sender(a, sender->local))
		return;
	if (!receiver->local) {
		/* Only users of ours send to other domains. */
		if (a->local)
			send_on(a);
		else
			refuse(a, 403, "Relaying Denied");
		return;
	}
	alive = !receiver->by_address && transport_flow(a->p->d.transport, &flow) == ERR_OK;
	if ((a->it.routes.n == 0 || (!receiver->by_address && !alive)) && send_to_contact(a, &receiver->flow))
		return;
	f = fork_new(a->p, a->tx, a->m, &a->source, 1);
	b = fork_add(f, uri_of(&a->it), buf_slice(&a->it.routes), buf_slice(&a->it.next));
	b->flow = flow;
	b->by_address = receiver->by_address;
	b->flow_only = !b->by_address;
	b->has_flow = alive;
	f->to_local = true;
	start(a, f);
}

/* route: the decision. bad_route: why Route cannot be read, or NULL. */
static void route(struct asking *a, const char *bad_route)
{
	if (!check_request(a))
		return;
	if (bad_route != NULL) {
		refuse(a, 400, bad_route);
	} else if (a->it.in_dialog) {
		send_in_dialog(a);
	} else if (a->it.routed || !itinerary_is_of_domain(a->p, &a->m->uri)) {
		if (check_sender(a, true) && !(is_bare(a) && send_to_contact(a, NULL)))
			send_on(a);
	} else if (a->tx != NULL && check_sender(a, false) && check_passage(a)) {
		send_to_user(a);
	}
}

/*
 * take: RFC 3261 16.4. Route is read once; it says whether the request is for this proxy, and where it goes. for_user:
 * a request for a user is taken in any case. false: it is for this server itself, and nothing was done.
 */
static bool take(struct asking *a, bool for_user)
{
	bool own = itinerary_is_own_uri(a->p, &a->m->uri, &a->source), readable, concerns;
	const char *why = NULL;

	if (a->m->uri.scheme == URI_OTHER || (own && !for_user && msg_value(a->m, HDR_ROUTE).p == NULL))
		return false;
	readable = itinerary_read(a->p, a->m, &a->source, &a->it, &why);
	concerns = for_user || !own || !readable || a->it.in_dialog || a->it.routed;
	if (concerns)
		route(a, readable ? NULL : why);
	itinerary_drop(&a->it);
	return concerns;
}

bool proxy_request(struct proxy *p, struct tx *tx, bool for_user)
{
	struct asking a = {.p = p, .tx = tx, .m = msg_ref(tx_request(tx)), .source = tx_source(tx)};
	bool taken = take(&a, for_user);

	msg_unref(a.m);
	return taken;
}

void proxy_ack(struct proxy *p, const struct flow *source, struct sip_msg *ack)
{
	struct asking a = {.p = p, .m = ack, .source = *source};

	take(&a, false);
	/* Without it the callee ends the call, and nobody is told why. */
	if (!a.goes_on)
		log_line(LOG_WARN, "event=ack_dropped peer=%s uri=%s call_id=%s reason=%s",
			 peer_text(&source->remote).text, log_esc(ack->uri_text).text, log_esc(ack->call_id).text,
			 a.it.in_dialog ? "sender_not_proven" : "no_dialog_of_this_server");
}

void proxy_cancel(struct proxy *p, struct tx *tx)
{
	uint64_t id = tx_id(tx);
	struct map_node *n = map_find(&p->forks, slice_of(&id, sizeof(id)));

	if (n != NULL)
		fork_cancel(MAP_ENTRY(n, struct fork, node), tx_reason(tx));
	else
		tx_reply_code(tx, 487, NULL);
}
