#include "sip/locate/locate.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * RFC 3263 4.1 and 4.2 as a walk: NAPTR, SRV, addresses, each only if the step before found nothing. Everything that is
 * found becomes a place; out->why keeps the last reason why something was not found. The least TTL of all answers, also
 * of negative ones, is that of the result.
 */

#define FOLLOWED_MAX 8 /* NAPTR or SRV records of one answer that are followed */
#define HOSTS_MAX 16   /* hosts whose addresses are kept, since several records may name one */
#define HOST_PEERS_MAX 8
#define SIP_PORT 5060
#define SIPS_PORT 5061

struct host {
	char name[DNS_NAME_MAX];
	unsigned count;
	struct peer peers[HOST_PEERS_MAX];
};

struct finder {
	const struct locate *ask;
	struct located *out;
	struct dns_servers servers;
	int64_t deadline_ms;
	unsigned queries;
	uint16_t group;
	bool silent; /* no server answers: further queries would only take longer */
	bool failed; /* the last query failed, which is not the same as "no records" */
	unsigned host_count;
	struct host hosts[HOSTS_MAX];
	struct dns_answer answer; /* answer of the last query */
};

static void shorten(struct finder *f, uint32_t ttl_s)
{
	if (ttl_s < f->out->ttl_s)
		f->out->ttl_s = ttl_s;
}

static const char *type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_AAAA:
		return "AAAA";
	case DNS_SRV:
		return "SRV";
	case DNS_NAPTR:
		return "NAPTR";
	case DNS_CNAME:
	case DNS_SOA:
		break;
	}
	return "DNS";
}

static void explain(struct finder *f, const char *name, const char *what)
{
	snprintf(f->out->why, sizeof(f->out->why), "%.*s %s", DNS_NAME_MAX - 1, name, what);
}

/* is_this_machine: RFC 6761 6.3: localhost is loopback, whatever /etc/hosts lacks and a name server says. */
static bool is_this_machine(const char *name)
{
	struct slice s = slice_str(name), last;

	if (slice_ends(s, S(".")))
		s.n--;
	last = slice_sub(s, slice_rchr(s, '.') == s.n ? 0 : slice_rchr(s, '.') + 1, s.n);
	return slice_ieq(last, S("localhost"));
}

/* query: true when there are records, in f->answer; else explains why not. */
static bool query(struct finder *f, const char *name, enum dns_type type)
{
	enum dns_found found;
	char what[80];

	f->answer.count = 0;
	if (f->silent)
		return false;
	if (is_this_machine(name)) {
		explain(f, name, "is this machine");
		return false;
	}
	if (f->queries == LOCATE_QUERIES_MAX) {
		explain(f, name, "leads to too many other names");
		return false;
	}
	f->queries++;
	f->failed = false;
	found = dns_ask(&f->servers, f->deadline_ms, slice_str(name), type, &f->answer);
	switch (found) {
	case DNS_RECORDS:
		shorten(f, f->answer.ttl_s);
		return true;
	case DNS_NOTHING:
		shorten(f, f->answer.ttl_s > 0 ? f->answer.ttl_s : LOCATE_TTL_NOTHING_S);
		snprintf(what, sizeof(what), "has no %s record", type_name(type));
		break;
	case DNS_OTHER:
		shorten(f, LOCATE_TTL_NOTHING_S);
		snprintf(what, sizeof(what), "is no name that the DNS can have");
		break;
	case DNS_SILENT:
		f->silent = true;
		shorten(f, LOCATE_TTL_FAILED_S);
		snprintf(what, sizeof(what), "has an unknown %s record: no name server answered in time",
			 type_name(type));
		break;
	case DNS_FAILED:
	case DNS_BROKEN:
	case DNS_ALIAS:
	case DNS_TRUNCATED:
		f->failed = true;
		shorten(f, LOCATE_TTL_FAILED_S);
		snprintf(what, sizeof(what), "has an unknown %s record: the name server %s", type_name(type),
			 found == DNS_FAILED ? "failed" : "sent a broken answer");
		break;
	}
	f->answer.count = 0;
	explain(f, name, what);
	return false;
}

/* --- addresses --- */

static void addresses_of_system(struct finder *f, struct host *h)
{
	/* Without AI_ADDRCONFIG: on a machine that has loopback only, it finds nothing at all. */
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char what[80];
	int e;

	if (dns_now_ms() >= f->deadline_ms || (f->servers.over != NULL && atomic_load(f->servers.over))) {
		explain(f, h->name, "was not looked up: the time is over");
		return;
	}
	e = getaddrinfo(h->name, NULL, &hints, &list);
	if (e != 0) {
		snprintf(what, sizeof(what), "has no address: %s", gai_strerror(e));
		explain(f, h->name, what);
		shorten(f, e == EAI_NONAME ? LOCATE_TTL_NOTHING_S : LOCATE_TTL_FAILED_S);
	} else {
		shorten(f, LOCATE_TTL_SYSTEM_S);
	}
	for (const struct addrinfo *a = list; a != NULL && h->count < HOST_PEERS_MAX; a = a->ai_next)
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			memcpy(&h->peers[h->count++].u, a->ai_addr, a->ai_addrlen);
	if (list != NULL)
		freeaddrinfo(list);
}

/*
 * addresses_of_dns: AAAA behind A. Over UDP an unreachable address costs the whole Timer F (32 s) before the next one
 * is tried, and more servers lack IPv6 than IPv4. With the resolver of the system the order is that of RFC 6724.
 */
static void addresses_of_dns(struct finder *f, struct host *h)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	bool failed = false;

	for (unsigned i = 0; i < 2; i++) {
		query(f, h->name, types[i]);
		failed |= f->failed;
		for (unsigned k = 0; k < f->answer.count && h->count < HOST_PEERS_MAX; k++) {
			struct peer *p = &h->peers[h->count++];

			memset(p, 0, sizeof(*p));
			p->u.sa.sa_family = types[i] == DNS_A ? AF_INET : AF_INET6;
			if (types[i] == DNS_A)
				memcpy(&p->u.in.sin_addr, f->answer.records[k].address, 4);
			else
				memcpy(&p->u.in6.sin6_addr, f->answer.records[k].address, 16);
		}
	}
	if (h->count == 0 && !f->silent && !failed)
		explain(f, h->name, "has no address");
}

static void addresses_of_this_machine(struct host *h)
{
	bool known = peer_of(S("127.0.0.1"), 0, &h->peers[0]) && peer_of(S("::1"), 0, &h->peers[1]);

	h->count = known ? 2 : 0;
}

static const struct host *addresses(struct finder *f, const char *name)
{
	struct host *h;

	for (unsigned i = 0; i < f->host_count; i++)
		if (strcmp(f->hosts[i].name, name) == 0)
			return &f->hosts[i];
	/* When all places are taken the last one is used again: its addresses have been copied by then. */
	h = &f->hosts[f->host_count < HOSTS_MAX ? f->host_count++ : HOSTS_MAX - 1];
	memset(h, 0, sizeof(*h));
	snprintf(h->name, sizeof(h->name), "%s", name);
	if (peer_of(slice_str(name), 0, &h->peers[0]))
		h->count = 1;
	else if (is_this_machine(name))
		addresses_of_this_machine(h);
	else if (f->ask->dns.count > 0)
		addresses_of_dns(f, h);
	else
		addresses_of_system(f, h);
	return h;
}

static void add_host(struct finder *f, const char *name, uint16_t port, struct place place)
{
	const struct host *h = addresses(f, name);

	if (!hops_place_add(&f->out->places, place, h->peers, h->count, port) && h->count > 0 &&
	    f->out->places.count == 0)
		explain(f, name, "has no address or port that a request could go to");
}

/* --- records --- */

static int by_preference(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->weight > y->weight) - (x->weight < y->weight);
}

static int by_priority(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->weight < y->weight) - (x->weight > y->weight);
}

/*
 * follow_srv: the SRV records at name become places of the next group. true: there are some, even if none leads
 * anywhere.
 */
static bool follow_srv(struct finder *f, const char *name, enum proto proto)
{
	struct dns_record srv[FOLLOWED_MAX];
	unsigned count;

	if (!query(f, name, DNS_SRV))
		return false;
	/* Of more than can be followed, those of the best priority count, and of these the heaviest. */
	qsort(f->answer.records, f->answer.count, sizeof(srv[0]), by_priority);
	count = f->answer.count < FOLLOWED_MAX ? f->answer.count : FOLLOWED_MAX;
	memcpy(srv, f->answer.records, count * sizeof(srv[0]));
	for (unsigned i = 0; i < count; i++) {
		const struct place place = {
			.group = f->group, .priority = srv[i].rank, .weight = srv[i].weight, .proto = proto};

		/* RFC 2782: a target of "." says that the domain does not have this service. */
		if (srv[i].name[0] != '\0')
			add_host(f, srv[i].name, srv[i].port, place);
		else
			explain(f, name, "says that there is no such service");
	}
	f->group++;
	return true;
}

static bool follow_service(struct finder *f, const char *domain, enum proto proto)
{
	static const char *const labels[] = {
		[PROTO_UDP] = "_sip._udp", [PROTO_TCP] = "_sip._tcp", [PROTO_TLS] = "_sips._tcp"};
	char name[DNS_NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s.%s", labels[proto], domain);
	return follow_srv(f, name, proto);
}

/* is_service: RFC 3263 4.1: which transport is a NAPTR record about? false: none that can be used here. */
static bool is_service(const struct dns_record *r, unsigned protos, enum proto *proto)
{
	static const struct {
		const char *service;
		enum proto proto;
	} services[] = {{"SIPS+D2T", PROTO_TLS}, {"SIP+D2T", PROTO_TCP}, {"SIP+D2U", PROTO_UDP}};

	for (unsigned i = 0; i < 3 && r->flag == 's'; i++) {
		if (strcmp(r->service, services[i].service) != 0)
			continue;
		*proto = services[i].proto;
		return (protos & PROTO_BIT(*proto)) != 0;
	}
	return false;
}

static bool follow_naptr(struct finder *f, const char *domain, unsigned protos)
{
	struct {
		enum proto proto;
		char name[DNS_NAME_MAX];
	} next[FOLLOWED_MAX];
	unsigned count = 0;
	bool found = false;

	if (!query(f, domain, DNS_NAPTR))
		return false;
	qsort(f->answer.records, f->answer.count, sizeof(f->answer.records[0]), by_preference);
	for (unsigned i = 0; i < f->answer.count && count < FOLLOWED_MAX; i++)
		if (is_service(&f->answer.records[i], protos, &next[count].proto))
			memcpy(next[count++].name, f->answer.records[i].name, DNS_NAME_MAX);
	for (unsigned i = 0; i < count; i++)
		found |= follow_srv(f, next[i].name, next[i].proto);
	return found;
}

/*
 * follow_domain: RFC 3263 4.1: "a client resolving a SIPS URI MUST discard any services that do not contain SIPS". A
 * server with TLS listeners only asks for TLS for sip URIs, too: "the client MAY use any transport protocol it
 * desires".
 */
static void follow_domain(struct finder *f, const char *domain)
{
	const unsigned clear = PROTO_BIT(PROTO_UDP) | PROTO_BIT(PROTO_TCP);
	unsigned protos = f->ask->secure ? PROTO_BIT(PROTO_TLS) : f->ask->protos;
	bool secure = (protos & clear) == 0, found = follow_naptr(f, domain, protos);
	enum proto proto = secure ? PROTO_TLS : protos & PROTO_BIT(PROTO_UDP) ? PROTO_UDP : PROTO_TCP;

	if (!found && secure)
		found = follow_service(f, domain, PROTO_TLS);
	if (!found && !secure) {
		if (protos & PROTO_BIT(PROTO_UDP))
			found = follow_service(f, domain, PROTO_UDP);
		if (protos & PROTO_BIT(PROTO_TCP))
			found |= follow_service(f, domain, PROTO_TCP);
	}
	if (!found)
		add_host(f, domain, secure ? SIPS_PORT : SIP_PORT, (struct place){.group = f->group, .proto = proto});
}

bool locate_name(struct slice host, char out[DNS_NAME_MAX])
{
	uint8_t question[DNS_QUESTION_MAX];
	struct peer literal;
	size_t n;

	if (peer_of(host, 0, &literal)) {
		snprintf(out, DNS_NAME_MAX, "%s", peer_ip(&literal).text);
		return true;
	}
	if (slice_ends(host, S(".")))
		host = slice_sub(host, 0, host.n - 1);
	if (dns_message_question(0, host, DNS_A, question, &n) != ERR_OK)
		return false;
	for (size_t i = 0; i < host.n; i++)
		out[i] = ascii_lower(host.p[i]);
	out[host.n] = '\0';
	return true;
}

void locate_run(const struct locate *ask, struct located *out)
{
	struct finder f = {.ask = ask, .out = out, .servers = ask->dns};

	memset(out, 0, sizeof(*out));
	out->ttl_s = LOCATE_TTL_MAX_S;
	out->places.demanded = ask->demanded;
	f.deadline_ms = dns_now_ms() + LOCATE_MS;
	if (f.servers.count == 0) {
		dns_servers_system(&f.servers);
		f.servers.over = ask->dns.over;
	}
	for (unsigned i = 0; i < ask->count; i++, f.group++) {
		const struct locate_step *s = &ask->steps[i];
		const struct place place = {.proto = s->proto, .group = f.group};
		uint16_t standard = s->proto == PROTO_TLS ? SIPS_PORT : SIP_PORT;

		switch (s->kind) {
		case LOCATE_DOMAIN:
			follow_domain(&f, s->host);
			break;
		case LOCATE_SERVICE:
			if (!follow_service(&f, s->host, s->proto))
				add_host(&f, s->host, standard, place);
			break;
		case LOCATE_HOST:
			add_host(&f, s->host, s->port, place);
			break;
		}
	}
}
