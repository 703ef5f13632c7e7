#include "sip/proxy/proxy.h"

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/header.h"
#include "sip/proxy/proxy_private.h"

/* Who may send what where: RFC 3261 16.3 to 16.5, and no relay for strangers. */

struct proxy *proxy_new(const struct proxy_deps *deps)
{
	struct proxy *p = mem_alloc(sizeof(*p));

	p->d = *deps;
	map_init(&p->forks);
	map_init(&p->by_own);
	map_init(&p->by_call);
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
	map_free(&p->by_call);
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

/* One request, and what is known of it; tx NULL: an ACK, which nobody answers. */
struct asking {
	struct proxy *p;
	struct tx *tx;
	struct sip_msg *m;
	struct flow source;
	struct itinerary it;
	bool local;  /* the sender is a user of ours */
	bool proven; /* by the digest of this request */
	bool comes_back;
};

static void refuse(const struct asking *a, unsigned code, const char *reason)
{
	if (a->tx != NULL)
		tx_reply_code(a->tx, code, reason);
}

/* 16.3 3 to 5. false: answered. */
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
	if (hops.p != NULL && n == 0) {
		refuse(a, 483, NULL);
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

/* Whoever claims to be of our domain proves it; whoever does not may only reach who is. false: answered. */
static bool check_sender(struct asking *a, bool outbound)
{
	if (itinerary_is_of_domain(a->p, &a->m->from.uri)) {
		/* Another domain has sent on to a user of ours what one of ours has sent to it: he was asked then. */
		a->comes_back = !outbound && vetting_comes_back(a->p, a->m);
		if (a->comes_back)
			return true;
		/* An ACK cannot be challenged, and without its dialog's Route it is nothing to us. */
		if (a->tx == NULL || !access_sender(&a->p->d.access, a->tx))
			return false;
		a->local = a->proven = true;
		return true;
	}
	if (!outbound)
		return true;
	log_line(LOG_WARN, "event=relay_refused peer=%s uri=%s", peer_text(&a->source.remote).text,
		 log_esc(a->m->uri_text).text);
	refuse(a, 403, "Relaying Denied");
	return false;
}

static void start(struct asking *a, struct fork *f)
{
	struct slice breadth = msg_value(a->m, HDR_MAX_BREADTH);
	uint32_t n;

	f->caller_local = a->local;
	f->proven = a->proven;
	f->comes_back = a->comes_back;
	if (breadth.p != NULL && slice_u32(slice_trim(breadth), UINT32_MAX, &n) && n < f->max_breadth)
		f->max_breadth = n;
	if (a->tx != NULL && fork_is_loop(f)) {
		fork_end(f);
		refuse(a, 482, NULL);
		return;
	}
	vetting_start(f);
}

static struct slice uri_of(const struct itinerary *it)
{
	return it->uri.n > 0 ? buf_slice(&it->uri) : SLICE_NONE;
}

/* To where Route or the Request-URI say. */
static void send_on(struct asking *a)
{
	struct fork *f = fork_new(a->p, a->tx, a->m, &a->source, 1);

	fork_add(f, uri_of(&a->it), buf_slice(&a->it.routes), buf_slice(&a->it.next));
	start(a, f);
}

/* RFC 5626 5.1: one flow of each UA; the others wait for it to fail. */
static void order_flows(struct fork *f, const struct contact *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct branch *b = &f->branches[i];

		b->ua = i + 1;
		for (unsigned k = 0; k < i; k++) {
			const struct branch *other = &f->branches[k];

			if (c[i].instance.n == 0 || !slice_eq(c[i].instance, c[k].instance))
				continue;
			b->ua = other->ua;
			if (b->q >= other->q)
				b->q = other->q - 1;
		}
	}
}

static void add_contact(struct fork *f, const struct contact *c)
{
	struct uri parsed;
	struct slice uri = uri_parse(c->uri, &parsed) == ERR_OK ? uri_target(&parsed) : c->uri;
	struct slice next = uri, rest = c->path, item;
	struct addr first;
	struct branch *b;
	bool bad;

	if (c->path.n > 0 && scan_list(&rest, &item, &bad) && addr_parse(item, &first) == ERR_OK)
		next = first.spec;
	b = fork_add(f, uri, c->path, next);
	if (b == NULL)
		return;
	b->to_user = true;
	b->q = (c->q + 1) * BRANCHES_MAX; /* room below each for all flows of a UA: see order_flows */
	b->flow_only = c->flow_only;
	/* UDP is of use as a way of its own only where the Contact is none. */
	if (c->has_flow && (c->flow_only || c->flow.proto != PROTO_UDP)) {
		b->flow = c->flow;
		b->has_flow = true;
	}
}

/* RFC 5630 5.3: a request to sips is not sent on to sip. How many are left. */
static unsigned keep_secure(struct contact *c, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		if (slice_istarts(c[i].uri, S("sips:")))
			c[kept++] = c[i];
	return kept;
}

/* 16.5: the Request-URI is an address-of-record of ours. */
static void send_to_user(struct asking *a)
{
	struct contact contacts[BRANCHES_MAX];
	struct buf aor = {0};
	unsigned n = 0;
	struct fork *f;

	if (uri_aor(&a->m->uri, &aor) != ERR_OK || !registrar_knows(a->p->d.registrar, buf_slice(&aor))) {
		refuse(a, 404, NULL);
		goto out;
	}
	n = registrar_contacts(a->p->d.registrar, buf_slice(&aor), contacts, BRANCHES_MAX);
	if (a->m->uri.scheme == URI_SIPS)
		n = keep_secure(contacts, n);
	if (n == 0) {
		refuse(a, 480, NULL);
		goto out;
	}
	f = fork_new(a->p, a->tx, a->m, &a->source, n);
	f->to_local = true;
	for (unsigned i = 0; i < n; i++)
		add_contact(f, &contacts[i]);
	order_flows(f, contacts, n);
	start(a, f);
out:
	buf_free(&aor);
}

/*
 * Is it this end that speaks? Over UDP the address may be a lie; a connection is who has it, and one from the address
 * of an end is no worse than that. A connection of ours would have gone to the same.
 */
static bool comes_from(const struct dialog_end *e, const struct flow *source)
{
	if (!e->by_address)
		return flow_same(&e->flow, source);
	return peer_same(&e->flow.remote, &source->remote) &&
	       (e->flow.proto == PROTO_UDP || e->flow.proto == source->proto);
}

/*
 * The connection of an end is gone, but its user may be registered with the same Contact: by another connection, or by
 * UDP when only a large INVITE came over TCP. To a Contact of a user of ours anybody may send. false: there is none.
 */
static bool send_to_contact(struct asking *a)
{
	const struct slice uri = a->it.uri.n > 0 ? buf_slice(&a->it.uri) : a->m->uri_text;
	struct contact contacts[BRANCHES_MAX];
	struct buf aor = {0};
	unsigned n = 0, i;
	struct fork *f;

	if (itinerary_is_of_domain(a->p, &a->m->to.uri) && uri_aor(&a->m->to.uri, &aor) == ERR_OK)
		n = registrar_contacts(a->p->d.registrar, buf_slice(&aor), contacts, BRANCHES_MAX);
	buf_free(&aor);
	for (i = 0; i < n && !slice_eq(contacts[i].uri, uri); i++)
		;
	if (i == n)
		return false;
	f = fork_new(a->p, a->tx, a->m, &a->source, 1);
	f->to_local = true;
	add_contact(f, &contacts[i]);
	start(a, f);
	return true;
}

/*
 * Is it by its connection, or address, that the sender is known for who From says? Under another name than that of the
 * dialog he speaks for somebody else. Out of the domain his own requests are signed, which takes more than a
 * connection; and over UDP it may be the other end that lies, who has the token, too. An ACK cannot be challenged, and
 * brings no answer.
 */
static bool is_known(const struct asking *a, const struct dialog_end *sender, const struct dialog_end *receiver)
{
	bool signs = a->p->d.access.settings->config.identity_sign != SIGN_OFF &&
		     itinerary_is_of_domain(a->p, &a->m->from.uri);

	if (!sender->local || !a->it.way.same_names || !comes_from(sender, &a->source))
		return false;
	return receiver->local || a->tx == NULL || (a->source.proto != PROTO_UDP && !signs);
}

/* In a dialog that was let through: RFC 5626 5.3. */
static void send_in_dialog(struct asking *a)
{
	const struct dialog_way *way = &a->it.way;
	const struct dialog_end *sender = way->from_caller ? &way->ends.caller : &way->ends.callee;
	const struct dialog_end *receiver = way->from_caller ? &way->ends.callee : &way->ends.caller;
	struct flow flow = receiver->flow;
	struct branch *b;
	struct fork *f;
	bool alive;

	a->local = is_known(a, sender, receiver);
	/* The other end may be no user of ours, but then it is not to speak as one either. */
	if (!a->local && (sender->local || (!way->same_names && itinerary_is_of_domain(a->p, &a->m->from.uri))) &&
	    !check_sender(a, sender->local))
		return;
	if (!receiver->local) {
		/* Out of the domain go only those of the domain. */
		if (a->local)
			send_on(a);
		else
			refuse(a, 403, "Relaying Denied");
		return;
	}
	alive = !receiver->by_address && transport_flow(a->p->d.transport, &flow) == ERR_OK;
	if (!receiver->by_address && !alive && send_to_contact(a))
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

/* bad_route: why Route cannot be read, or NULL. */
static void route(struct asking *a, const char *bad_route)
{
	if (!check_request(a))
		return;
	if (bad_route != NULL) {
		refuse(a, 400, bad_route);
	} else if (a->it.in_dialog) {
		send_in_dialog(a);
	} else if (a->it.routed || !itinerary_is_of_domain(a->p, &a->m->uri)) {
		if (check_sender(a, true))
			send_on(a);
	} else if (a->tx != NULL && check_sender(a, false)) {
		send_to_user(a);
	}
}

/*
 * RFC 3261 16.4: Route is read once, and says both whether the request is for this proxy and where it goes. for_user:
 * it is for a user of ours in any case. false: neither; nothing was done.
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
}

void proxy_cancel(struct proxy *p, struct tx *tx)
{
	uint64_t id = tx_id(tx);
	struct map_node *n = map_find(&p->forks, slice_of(&id, sizeof(id)));

	if (n != NULL)
		fork_cancel(MAP_ENTRY(n, struct fork, node));
	else
		tx_reply_code(tx, 487, NULL);
}
