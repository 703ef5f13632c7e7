#include "sip/transport/local.h"

#include <ifaddrs.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

/*
 * A UDP socket that is connected sends nothing, but has the source address that a datagram would have. One socket for
 * each family is connected again and again. Addresses and routes change, so what it says is soon forgotten.
 */

#define KEPT 64      /* peers */
#define OWN_MAX 32   /* own addresses that are remembered */
#define KEPT_MS 1000 /* how long */

struct entry {
	struct peer remote, local;
	int64_t until_ms;
};

struct locals {
	struct loop *loop;
	int fds[2]; /* IPv4, IPv6; -1: not there */
	struct entry kept[KEPT];
	struct owned {
		struct peer at[OWN_MAX];
		unsigned count;
		bool unknown; /* there may be more */
		int64_t until_ms;
	} owned;
};

struct locals *locals_new(struct loop *l)
{
	struct locals *x = mem_alloc(sizeof(*x));

	x->loop = l;
	x->fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	x->fds[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return x;
}

void locals_free(struct locals *x)
{
	if (x == NULL)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (x->fds[i] >= 0)
			close(x->fds[i]);
	mem_free(x);
}

static void set_host(struct peer *p, const struct peer *host)
{
	uint16_t port = peer_port(p);

	*p = *host;
	peer_set_port(p, port);
}

static bool ask(const struct locals *x, const struct peer *remote, struct peer *out)
{
	int fd = x->fds[remote->u.sa.sa_family == AF_INET6];
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct peer at = *remote;
	socklen_t n = sizeof(out->u);

	if (peer_port(&at) == 0)
		peer_set_port(&at, 9); /* some systems refuse 0 */
	/* The source address of the last connect stays until the socket is disconnected. */
	if (fd >= 0)
		(void)!connect(fd, &none, sizeof(none));
	return fd >= 0 && connect(fd, &at.u.sa, peer_len(&at)) == 0 && getsockname(fd, &out->u.sa, &n) == 0 &&
	       !peer_is_any(out);
}

bool locals_towards(struct locals *x, const struct peer *remote, struct peer *out)
{
	struct slice octets = peer_octets(remote);
	struct entry *e = &x->kept[(unsigned char)octets.p[octets.n - 1] % KEPT];
	int64_t now = loop_now_ms(x->loop);

	if (now >= e->until_ms || !peer_same_host(&e->remote, remote)) {
		e->until_ms = 0;
		if (!ask(x, remote, &e->local))
			return false;
		e->remote = *remote;
		e->until_ms = now + KEPT_MS;
	}
	set_host(out, &e->local);
	return true;
}

/* next_own: the address of an interface, and the interface after it. false: there is none. */
static bool next_own(const struct ifaddrs **i, struct peer *out)
{
	const struct sockaddr *at = NULL;

	for (; *i != NULL && at == NULL; *i = (*i)->ifa_next)
		if ((*i)->ifa_addr != NULL &&
		    ((*i)->ifa_addr->sa_family == AF_INET || (*i)->ifa_addr->sa_family == AF_INET6))
			at = (*i)->ifa_addr;
	if (at == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(&out->u, at, at->sa_family == AF_INET ? sizeof(out->u.in) : sizeof(out->u.in6));
	return true;
}

bool local_is_own(const struct peer *p)
{
	struct ifaddrs *all;
	struct peer at;
	bool own = false;

	if (getifaddrs(&all) != 0)
		return true;
	for (const struct ifaddrs *i = all; !own && next_own(&i, &at);)
		own = peer_same_host(&at, p);
	freeifaddrs(all);
	return own;
}

/* look: reads the addresses again. */
static void look(struct owned *o)
{
	struct ifaddrs *all;

	o->count = 0;
	o->unknown = getifaddrs(&all) != 0;
	if (o->unknown)
		return;
	for (const struct ifaddrs *i = all; o->count < OWN_MAX && next_own(&i, &o->at[o->count]);)
		o->count++;
	o->unknown = o->count == OWN_MAX;
	freeifaddrs(all);
}

bool locals_has(struct locals *x, const struct peer *p)
{
	struct owned *o = &x->owned;
	int64_t now = loop_now_ms(x->loop);

	if (now >= o->until_ms) {
		look(o);
		o->until_ms = now + KEPT_MS;
	}
	for (unsigned i = 0; i < o->count; i++)
		if (peer_same_host(&o->at[i], p))
			return true;
	return o->unknown && local_is_own(p);
}
