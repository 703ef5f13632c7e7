#include "sip/transport/resolve.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/rng.h"

#define NAME_MAX_OCTETS 254
#define ANSWER_MAX 16384 /* octets of a DNS answer */
#define SIPS_PORT 5061

struct job {
	struct work_job job;
	resolve_fn done;
	void *arg;
	bool sips; /* NAPTR and SRV first */
	uint16_t port;
	char name[NAME_MAX_OCTETS];
	struct resolved result;
	char why[NAME_MAX_OCTETS + 96];
};

/* NAPTR: rank = order, weight = preference. SRV: rank = priority. */
struct record {
	uint16_t rank, weight, port;
	char name[NS_MAXDNAME];
};

struct records {
	unsigned count;
	struct record r[RESOLVE_RECORDS_MAX];
};

/* --- addresses --- */

static void add_addresses(struct job *j, const char *host, uint16_t port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int e = getaddrinfo(host, NULL, &hints, &list);

	if (e != 0)
		snprintf(j->why, sizeof(j->why), "%s has no address: %s", host, gai_strerror(e));
	for (const struct addrinfo *a = list; a != NULL && j->result.count < RESOLVE_MAX; a = a->ai_next) {
		struct peer *p = &j->result.peers[j->result.count];

		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		memcpy(&p->u, a->ai_addr, a->ai_addrlen);
		peer_set_port(p, port);
		j->result.count++;
	}
	if (list != NULL)
		freeaddrinfo(list);
}

/* --- records --- */

/* The character string of a NAPTR at *at; SLICE_NONE when the record is cut. */
static struct slice char_string(const ns_rr *rr, size_t *at)
{
	const u_char *data = ns_rr_rdata(*rr);
	size_t n;

	if (*at >= ns_rr_rdlen(*rr) || *at + 1 + data[*at] > ns_rr_rdlen(*rr))
		return SLICE_NONE;
	n = data[*at];
	*at += 1 + n;
	return slice_of(data + *at - n, n);
}

/* RFC 3263 4.1: only a pointer to SRV records of SIP over TLS over TCP is of use here. */
static bool read_naptr(const ns_msg *m, const ns_rr *rr, struct record *out)
{
	const u_char *data = ns_rr_rdata(*rr);
	struct slice flags, services;
	size_t at = 4;

	if (ns_rr_rdlen(*rr) < 7)
		return false;
	out->rank = (uint16_t)ns_get16(data);
	out->weight = (uint16_t)ns_get16(data + 2);
	flags = char_string(rr, &at);
	services = char_string(rr, &at);
	return char_string(rr, &at).p != NULL && slice_ieq(flags, S("s")) && slice_ieq(services, S("SIPS+D2T")) &&
	       dn_expand(ns_msg_base(*m), ns_msg_end(*m), data + at, out->name, sizeof(out->name)) > 0;
}

static bool read_srv(const ns_msg *m, const ns_rr *rr, struct record *out)
{
	const u_char *data = ns_rr_rdata(*rr);

	if (ns_rr_rdlen(*rr) < 7)
		return false;
	out->rank = (uint16_t)ns_get16(data);
	out->weight = (uint16_t)ns_get16(data + 2);
	out->port = (uint16_t)ns_get16(data + 4);
	return dn_expand(ns_msg_base(*m), ns_msg_end(*m), data + 6, out->name, sizeof(out->name)) > 0;
}

/* All records of that type at name, unordered. false: there is no such answer. */
static bool ask(res_state resolver, const char *name, int type, struct records *out)
{
	u_char answer[ANSWER_MAX];
	int n = res_nquery(resolver, name, ns_c_in, type, answer, sizeof(answer));
	ns_msg m;

	out->count = 0;
	if (n < 0 || ns_initparse(answer, n < (int)sizeof(answer) ? n : (int)sizeof(answer), &m) != 0)
		return false;
	for (int i = 0; i < ns_msg_count(m, ns_s_an) && out->count < RESOLVE_RECORDS_MAX; i++) {
		struct record *r = &out->r[out->count];
		ns_rr rr;

		if (ns_parserr(&m, ns_s_an, i, &rr) != 0)
			return out->count > 0;
		if ((int)ns_rr_type(rr) == type && (type == ns_t_srv ? read_srv(&m, &rr, r) : read_naptr(&m, &rr, r)))
			out->count++;
	}
	return out->count > 0;
}

static int by_rank_and_weight(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->weight > y->weight) - (x->weight < y->weight);
}

/* RFC 2782: among those of one priority each comes first as often as its weight says; weight 0 seldom, but not never.
 */
static void order_srv(struct records *all)
{
	qsort(all->r, all->count, sizeof(all->r[0]), by_rank_and_weight);
	for (unsigned i = 0; i < all->count; i++) {
		uint32_t sum = 0, drawn;
		unsigned end = i, pick = i;
		struct record chosen;

		for (; end < all->count && all->r[end].rank == all->r[i].rank; end++)
			sum += all->r[end].weight;
		drawn = rng_below(sum + 1);
		for (uint32_t running = all->r[i].weight; running < drawn && pick + 1 < end;)
			running += all->r[++pick].weight;
		chosen = all->r[pick];
		memmove(&all->r[i + 1], &all->r[i], (pick - i) * sizeof(chosen));
		all->r[i] = chosen;
	}
}

/* true: there are SRV records, even if none leads anywhere. */
static bool follow_srv(struct job *j, res_state resolver, const char *name)
{
	struct records srv;

	if (!ask(resolver, name, ns_t_srv, &srv))
		return false;
	order_srv(&srv);
	for (unsigned i = 0; i < srv.count; i++) {
		/* RFC 2782: a target of "." says that the service is not there. */
		if (srv.r[i].name[0] != '\0' && strcmp(srv.r[i].name, ".") != 0)
			add_addresses(j, srv.r[i].name, srv.r[i].port);
		else
			snprintf(j->why, sizeof(j->why), "%.200s says that there is no such service", name);
	}
	return true;
}

static void follow_domain(struct job *j)
{
	struct __res_state resolver;
	char name[NAME_MAX_OCTETS + 16];
	struct records naptr;
	bool found = false;

	memset(&resolver, 0, sizeof(resolver));
	if (res_ninit(&resolver) != 0) {
		snprintf(j->why, sizeof(j->why), "the resolver of the system cannot start");
		return;
	}
	resolver.retrans = 2;
	resolver.retry = 2;
	if (ask(&resolver, j->name, ns_t_naptr, &naptr)) {
		qsort(naptr.r, naptr.count, sizeof(naptr.r[0]), by_rank_and_weight);
		for (unsigned i = 0; i < naptr.count; i++)
			found |= follow_srv(j, &resolver, naptr.r[i].name);
	}
	if (!found) {
		snprintf(name, sizeof(name), "_sips._tcp.%s", j->name);
		found = follow_srv(j, &resolver, name);
	}
	res_nclose(&resolver);
	if (!found)
		add_addresses(j, j->name, SIPS_PORT);
}

/* --- jobs --- */

static void run(struct work_job *job, unsigned worker)
{
	struct job *j = (struct job *)(void *)job;

	(void)worker;
	if (j->sips)
		follow_domain(j);
	else
		add_addresses(j, j->name, j->port);
}

static void done(struct work_job *job)
{
	struct job *j = (struct job *)(void *)job;

	j->done(j->arg, &j->result, j->why);
	mem_free(j);
}

static enum err submit(struct work *w, struct slice name, uint16_t port, bool sips, resolve_fn fn, void *arg)
{
	struct job *j;
	enum err e;

	if (name.n > 2 && name.p[0] == '[')
		name = slice_sub(name, 1, name.n - 1);
	if (name.n == 0 || name.n >= NAME_MAX_OCTETS || slice_chr(name, '\0') < name.n)
		return ERR_LIMIT;
	j = mem_alloc(sizeof(*j));
	*j = (struct job){.job = {.run = run, .done = done}, .done = fn, .arg = arg, .sips = sips, .port = port};
	memcpy(j->name, name.p, name.n);
	e = work_submit(w, &j->job);
	if (e != ERR_OK)
		mem_free(j);
	return e;
}

enum err resolve_host(struct work *w, struct slice host, uint16_t port, resolve_fn fn, void *arg)
{
	return submit(w, host, port, false, fn, arg);
}

enum err resolve_sips(struct work *w, struct slice domain, resolve_fn fn, void *arg)
{
	return submit(w, domain, 0, true, fn, arg);
}
