#include "sip/locate/resolver.h"

#include <stdio.h>
#include <string.h>

#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"
#include "crypto/rng.h"

/*
 * The cache of next hops, for the loop thread.
 *
 *   resolver_ask -> make_plan: what does the URI ask for?
 *                -> is_literal: answered at once, nothing to look up
 *                -> known, not too old: answered at once
 *                -> else a waiter; the first one starts a job (locate_run in a worker); done() tells all
 *
 * What is cached are places. Each request draws its own hops from them.
 */

#define SIP_PORT 5060
#define SIPS_PORT 5061

struct waiter {
	struct list_node node; /* in known.waiters */
	resolver_fn done;
	void *arg;
	uint64_t id;
	unsigned protos;
	bool large;
	char name[DNS_NAME_MAX];
};

/* A question, and its answer once that is there. */
struct known {
	struct map_node node;
	struct list_node by_use;
	struct list waiters;
	bool asking; /* a job is under way and has a pointer to this, so it must stay */
	bool stale;  /* asked under older options: its answer is told, but not kept */
	int64_t until_ms;
	char *key;
	struct located found;
};

struct job {
	struct work_job job;
	struct resolver *resolver;
	struct known *known;
	struct locate ask;
	struct located found;
};

struct resolver {
	struct loop *loop;
	struct work *names;
	struct resolver_options o; /* o.dns points to dns below */
	struct dns_servers dns;
	struct map known;
	struct list by_use; /* all of known, the one longest unused first */
	unsigned waiting;
	char why[DNS_NAME_MAX + 96];
};

/* What a URI asks for. */
struct plan {
	struct locate ask;
	unsigned protos;         /* transports that may be in the answer */
	char name[DNS_NAME_MAX]; /* for TLS */
};

static void take_options(struct resolver *r, const struct resolver_options *o)
{
	r->dns = *o->dns;
	r->o = *o;
	r->o.dns = &r->dns;
}

struct resolver *resolver_new(struct loop *l, struct work *names, const struct resolver_options *o)
{
	struct resolver *r = mem_alloc(sizeof(*r));

	r->loop = l;
	r->names = names;
	map_init(&r->known);
	list_init(&r->by_use);
	take_options(r, o);
	return r;
}

/* --- what is known --- */

static void forget(struct resolver *r, struct known *k)
{
	struct list_node *n;

	list_remove(&k->by_use);
	map_remove(&r->known, &k->node);
	while ((n = list_take(&k->waiters)) != NULL)
		mem_free(LIST_ENTRY(n, struct waiter, node));
	mem_free(k->key);
	mem_free(k);
}

void resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	for (struct list_node *n; (n = list_first(&r->by_use)) != NULL;)
		forget(r, LIST_ENTRY(n, struct known, by_use));
	map_free(&r->known);
	mem_free(r);
}

void resolver_reload(struct resolver *r, const struct resolver_options *o)
{
	take_options(r, o);
	for (struct list_node *n = list_first(&r->by_use), *next; n != NULL; n = next) {
		struct known *k = LIST_ENTRY(n, struct known, by_use);

		next = list_next(&r->by_use, n);
		k->stale = true;
		if (!k->asking)
			forget(r, k);
	}
}

/* make_room: forgets the answer longest unused. false: each entry has a job under way. */
static bool make_room(struct resolver *r)
{
	for (struct list_node *n = list_first(&r->by_use); n != NULL; n = list_next(&r->by_use, n)) {
		struct known *k = LIST_ENTRY(n, struct known, by_use);

		if (k->asking)
			continue;
		forget(r, k);
		return true;
	}
	return false;
}

/* recall: the entry under key, which counts as used now; a new one when there is none. NULL: no room. */
static struct known *recall(struct resolver *r, struct slice key)
{
	struct map_node *node = map_find(&r->known, key);
	struct known *k;

	if (node != NULL) {
		k = MAP_ENTRY(node, struct known, node);
		list_remove(&k->by_use);
		list_add(&r->by_use, &k->by_use);
		return k;
	}
	if (r->known.count >= RESOLVER_KNOWN_MAX && !make_room(r))
		return NULL;
	k = mem_alloc(sizeof(*k));
	list_init(&k->waiters);
	k->key = slice_dup(key);
	map_add(&r->known, &k->node, slice_str(k->key));
	list_add(&r->by_use, &k->by_use);
	return k;
}

/* --- what a URI asks for --- */

/* Writes the clause "what clause" to r->why and returns e. */
static enum err refuse(struct resolver *r, enum err e, const char **why, struct slice what, const char *clause)
{
	snprintf(r->why, sizeof(r->why), "%.*s%s%s", what.n > 255 ? 255 : (int)what.n, what.n > 0 ? what.p : "",
		 what.n > 0 && clause[0] != '\0' ? " " : "", clause);
	*why = r->why;
	return e;
}

/* default_proto: RFC 3263 4.1: UDP for sip and TLS for sips; the next best one when there is no such listener. */
static enum proto default_proto(const struct plan *p)
{
	if (p->protos & PROTO_BIT(PROTO_UDP))
		return PROTO_UDP;
	return p->protos & PROTO_BIT(PROTO_TCP) ? PROTO_TCP : PROTO_TLS;
}

/*
 * demanded_proto: what the transport parameter demands. RFC 3261 26.2.2: in a sips URI "tcp" means TLS over TCP. "tls"
 * is deprecated, but many write it.
 */
static bool demanded_proto(const struct uri *u, struct slice value, enum proto *proto)
{
	if (slice_ieq(value, S("tls")) || (u->scheme == URI_SIPS && slice_ieq(value, S("tcp"))))
		*proto = PROTO_TLS;
	else if (u->scheme == URI_SIP && slice_ieq(value, S("tcp")))
		*proto = PROTO_TCP;
	else if (u->scheme == URI_SIP && slice_ieq(value, S("udp")))
		*proto = PROTO_UDP;
	else
		return false;
	return true;
}

/*
 * plan_route: the targets of a route that can be used. A sips URI is not sent in the clear by a route either (TLS-09).
 */
static enum err plan_route(struct resolver *r, const struct route *route, struct plan *p, const char *target,
			   const char **why)
{
	p->ask.demanded = true;
	for (unsigned i = 0; i < route->count; i++)
		if (p->protos & PROTO_BIT(route->steps[i].proto))
			p->ask.steps[p->ask.count++] = route->steps[i];
	if (p->ask.count == 0)
		return refuse(r, ERR_UNSUPPORTED, why, slice_str(target),
			      "has a route, but none over a transport that can be used for it");
	return ERR_OK;
}

static enum err plan_step(struct resolver *r, const struct uri *u, struct plan *p, const char *target, const char **why)
{
	struct locate_step *step = &p->ask.steps[0];
	struct slice transport = SLICE_NONE;
	struct peer literal;

	p->ask.count = 1;
	p->ask.demanded = uri_param(u, S("transport"), &transport);
	if (p->ask.demanded && !demanded_proto(u, transport, &step->proto))
		return refuse(r, ERR_UNSUPPORTED, why, transport, "is no transport that can be used for this URI");
	if (!p->ask.demanded)
		step->proto = default_proto(p);
	if ((p->protos & PROTO_BIT(step->proto)) == 0)
		return refuse(r, ERR_UNSUPPORTED, why, slice_str(flow_proto_name(step->proto)),
			      "is a transport without a listener here");
	snprintf(step->host, sizeof(step->host), "%s", target);
	/* RFC 3263 4.1, 4.2: with a port or an address there is no NAPTR and no SRV. */
	if (u->port != 0 || peer_of(slice_str(target), 0, &literal)) {
		step->kind = LOCATE_HOST;
		step->port = u->port != 0 ? (uint16_t)u->port : step->proto == PROTO_TLS ? SIPS_PORT : SIP_PORT;
	} else {
		step->kind = p->ask.demanded ? LOCATE_SERVICE : LOCATE_DOMAIN;
	}
	return ERR_OK;
}

static enum err make_plan(struct resolver *r, const struct uri *u, struct plan *p, const char **why)
{
	struct slice host = u->host, maddr = SLICE_NONE;
	char target[DNS_NAME_MAX];
	const struct route *route;

	if (u->scheme == URI_OTHER)
		return refuse(r, ERR_UNSUPPORTED, why, SLICE_NONE, "only sip and sips URIs lead to a next hop");
	/*
	 * RFC 3263 4: maddr is the target. RFC 5922 7.3: the certificate must be of the domain of the URI nevertheless.
	 */
	if (uri_param(u, S("maddr"), &maddr))
		host = maddr;
	memset(p, 0, sizeof(*p));
	if (!locate_name(u->host, p->name) || !locate_name(host, target))
		return refuse(r, ERR_NOTFOUND, why, host, "is no name that a host can have");
	p->ask.dns = r->dns;
	p->ask.secure = u->scheme == URI_SIPS;
	p->protos = r->o.protos & (p->ask.secure ? PROTO_BIT(PROTO_TLS) : PROTOS_ALL);
	p->ask.protos = p->protos;
	route = routes_find(r->o.routes, target);
	return route != NULL ? plan_route(r, route, p, target, why) : plan_step(r, u, p, target, why);
}

/* write_key: the same question has the same key. Everything that the answer depends on is in it. */
static void write_key(const struct plan *p, struct buf *out)
{
	buf_addf(out, "%d%d%u", p->ask.secure, p->ask.demanded, p->ask.protos);
	for (unsigned i = 0; i < p->ask.count; i++)
		buf_addf(out, " %d:%d:%u:%s", (int)p->ask.steps[i].kind, (int)p->ask.steps[i].proto,
			 p->ask.steps[i].port, p->ask.steps[i].host);
}

/* is_literal: true when all steps are addresses: nothing has to be looked up, and *out is the answer. */
static bool is_literal(const struct locate *ask, struct places *out)
{
	struct peer at;

	for (unsigned i = 0; i < ask->count; i++)
		if (ask->steps[i].kind != LOCATE_HOST || !peer_of(slice_str(ask->steps[i].host), 0, &at))
			return false;
	memset(out, 0, sizeof(*out));
	out->demanded = ask->demanded;
	for (unsigned i = 0; i < ask->count; i++) {
		const struct place place = {.group = (uint16_t)i, .proto = ask->steps[i].proto};

		/* An address that no request goes to is left out; the other targets of a route stay. */
		if (peer_of(slice_str(ask->steps[i].host), 0, &at))
			hops_place_add(out, place, &at, 1, ask->steps[i].port);
	}
	return true;
}

/* --- asking --- */

static void run(struct work_job *job, unsigned worker)
{
	struct job *j = (struct job *)(void *)job;

	(void)worker;
	locate_run(&j->ask, &j->found);
}

static const char *reason(const struct located *found)
{
	return found->why[0] != '\0' ? found->why : "the name leads to no transport that can be used";
}

static void done(struct work_job *job)
{
	struct job *j = (struct job *)(void *)job;
	struct resolver *r = j->resolver;
	struct known *k = j->known;
	struct list told;
	struct list_node *n;

	k->found = j->found;
	k->until_ms = k->stale ? 0 : loop_now_ms(r->loop) + (int64_t)j->found.ttl_s * 1000;
	k->asking = k->stale = false;
	list_move(&k->waiters, &told);
	/* From here on k may be gone: a waiter that is told may ask for something else, which makes room. */
	while ((n = list_take(&told)) != NULL) {
		struct waiter *w = LIST_ENTRY(n, struct waiter, node);
		struct hops hops;

		r->waiting--;
		hops_draw(&j->found.places, w->protos, w->large, slice_str(w->name), rng_below, &hops);
		w->done(w->arg, w->id, &hops, reason(&j->found));
		mem_free(w);
	}
	mem_free(j);
}

static bool start(struct resolver *r, struct known *k, const struct locate *ask)
{
	struct job *j = mem_alloc(sizeof(*j));

	j->job = (struct work_job){.run = run, .done = done};
	j->resolver = r;
	j->known = k;
	j->ask = *ask;
	k->asking = true;
	k->stale = false;
	if (work_submit(r->names, &j->job) == ERR_OK)
		return true;
	k->asking = false;
	mem_free(j);
	return false;
}

static void wait_for(struct resolver *r, struct known *k, const struct plan *p, struct waiter who)
{
	struct waiter *w = mem_alloc(sizeof(*w));

	*w = who;
	w->protos = p->protos;
	memcpy(w->name, p->name, sizeof(w->name));
	list_add(&k->waiters, &w->node);
	r->waiting++;
}

static enum err answer(struct resolver *r, const struct located *found, const struct plan *p, bool large,
		       struct hops *out, const char **why)
{
	struct hops hops;

	hops_draw(&found->places, p->protos, large, slice_str(p->name), rng_below, &hops);
	if (hops.count == 0)
		return refuse(r, ERR_NOTFOUND, why, slice_str(reason(found)), "");
	*out = hops;
	return ERR_OK;
}

enum err resolver_ask(struct resolver *r, const struct uri *u, bool large, struct hops *out, resolver_fn done_fn,
		      void *arg, uint64_t id, const char **why)
{
	struct buf key = {0};
	struct located literal;
	struct known *k;
	struct plan p;
	enum err e = make_plan(r, u, &p, why);

	if (e != ERR_OK)
		return e;
	if (is_literal(&p.ask, &literal.places)) {
		snprintf(literal.why, sizeof(literal.why), "%.250s is no address that a request goes to",
			 p.ask.steps[0].host);
		return answer(r, &literal, &p, large, out, why);
	}
	write_key(&p, &key);
	k = recall(r, buf_slice(&key));
	buf_free(&key);
	if (k != NULL && !k->asking && loop_now_ms(r->loop) < k->until_ms)
		return answer(r, &k->found, &p, large, out, why);
	if (k == NULL || r->waiting >= RESOLVER_WAITING_MAX || (!k->asking && !start(r, k, &p.ask)))
		return refuse(r, ERR_BUSY, why, SLICE_NONE, "too many names are being looked up");
	wait_for(r, k, &p, (struct waiter){.done = done_fn, .arg = arg, .id = id, .large = large});
	return ERR_AGAIN;
}
