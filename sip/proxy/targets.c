#include "sip/message/addr.h"
#include "sip/proxy/proxy_private.h"

/* The bindings of a user as the targets of a request (RFC 3261 16.5). */

#define FORWARDS_MAX 16 /* Contacts of one request that stand for other users; also ends circles of them */

static void keep_secure(struct targets *t)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->count; i++)
		if (slice_istarts(t->at[i].uri, S("sips:")))
			t->at[kept++] = t->at[i];
	t->count = kept;
}

/* take_bindings: those of one AOR; secure: RFC 5630 5.3: a request to a sips URI goes to sips contacts only. */
static bool take_bindings(const struct proxy *p, const struct uri *u, bool secure, struct targets *out)
{
	struct buf aor = {0};
	bool known = uri_aor(u, &aor) == ERR_OK && registrar_knows(p->d.registrar, buf_slice(&aor));

	out->count = known ? registrar_contacts(p->d.registrar, buf_slice(&aor), out->at, BRANCHES_MAX) : 0;
	if (secure)
		keep_secure(out);
	buf_free(&aor);
	return known;
}

/* has: is there this binding already? A user may forward to two who forward to one. */
static bool has(const struct targets *t, const struct contact *c)
{
	for (unsigned i = 0; i < t->count; i++)
		if (slice_eq(t->at[i].uri, c->uri) && t->at[i].has_flow == c->has_flow &&
		    (!c->has_flow || flow_same(&t->at[i].flow, &c->flow)))
			return true;
	return false;
}

/*
 * add: a Contact that is another user of ours stands for his bindings: the request would come back for them (a spiral,
 * RFC 3261 6), and would no longer have the credentials of its sender. They all have the preference of that Contact.
 */
static void add(const struct proxy *p, const struct contact *c, bool secure, unsigned *forwards, struct targets *out)
{
	struct targets next;
	struct uri u;

	if (c->path.n == 0 && !c->flow_only && uri_parse(c->uri, &u) == ERR_OK && itinerary_is_of_domain(p, &u)) {
		if (++*forwards > FORWARDS_MAX || !take_bindings(p, &u, secure || u.scheme == URI_SIPS, &next))
			return;
		for (unsigned i = 0; i < next.count; i++) {
			next.at[i].q = c->q;
			add(p, &next.at[i], secure, forwards, out);
		}
		return;
	}
	if (out->count < BRANCHES_MAX && !has(out, c))
		out->at[out->count++] = *c;
}

bool targets_of(const struct proxy *p, const struct uri *aor, struct targets *out)
{
	bool secure = aor->scheme == URI_SIPS;
	struct targets own;
	unsigned forwards = 0;

	out->count = 0;
	if (!take_bindings(p, aor, secure, &own))
		return false;
	for (unsigned i = 0; i < own.count; i++)
		add(p, &own.at[i], secure, &forwards, out);
	return true;
}

/* is_contact: is this contact what the Request-URI names? Some phones write escapes of their own (RFC 3261 19.1.4). */
static bool is_contact(const struct contact *c, struct slice target)
{
	struct uri a, b;

	return slice_eq(c->uri, target) ||
	       (uri_parse(c->uri, &a) == ERR_OK && uri_parse(target, &b) == ERR_OK && uri_equal(&a, &b));
}

bool targets_keep(struct targets *t, struct slice uri, const struct flow *flow)
{
	const struct contact *found = NULL;

	for (unsigned i = 0; i < t->count; i++)
		if (is_contact(&t->at[i], uri) &&
		    (found == NULL || (flow != NULL && t->at[i].has_flow && flow_same(&t->at[i].flow, flow))))
			found = &t->at[i];
	if (found == NULL)
		return false;
	t->at[0] = *found;
	t->count = 1;
	return true;
}

/*
 * order_flows: RFC 5626 5.1: of several flows to one UA only one is tried at a time. Each later one gets a q below that
 * of the one before, so that it waits.
 */
static void order_flows(struct fork *f, const struct targets *t)
{
	for (unsigned i = 0; i < f->count; i++) {
		struct branch *b = &f->branches[i];
		struct slice instance = t->at[i].instance;

		b->ua = i + 1;
		for (unsigned k = 0; k < i; k++) {
			const struct branch *other = &f->branches[k];

			if (instance.n == 0 || !slice_eq(instance, t->at[k].instance))
				continue;
			b->ua = other->ua;
			if (b->q >= other->q)
				b->q = other->q - 1;
		}
	}
}

/* add_branch: for one contact: by its flow, or by the first Path or the Contact URI. */
static void add_branch(struct fork *f, const struct contact *c)
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
	b->q = (c->q + 1) * BRANCHES_MAX; /* leaves room below each q; see order_flows */
	b->flow_only = c->flow_only;
	if (c->has_flow)
		b->seen = c->flow;
	if (c->flow_first) {
		b->flow = c->flow;
		b->has_flow = true;
	}
}

void targets_add(struct fork *f, const struct targets *t)
{
	for (unsigned i = 0; i < t->count; i++)
		add_branch(f, &t->at[i]);
	order_flows(f, t);
}
