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
		struct peer at;
		bool own;
		int64_t until_ms;
	} owned[KEPT];
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

/* place_of: where what is known of p is kept. */
static unsigned place_of(const struct peer *p)
{
	struct slice octets = peer_octets(p);

	return (unsigned char)octets.p[octets.n - 1] % KEPT;
}

bool locals_towards(struct locals *x, const struct peer *remote, struct peer *out)
{
	struct entry *e = &x->kept[place_of(remote)];
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

bool local_is_own(const struct peer *p)
{
	struct ifaddrs *all;
	bool own = false;

	if (getifaddrs(&all) != 0)
		return true;
	for (const struct ifaddrs *i = all; i != NULL && !own; i = i->ifa_next) {
		struct peer at = {0};

		if (i->ifa_addr == NULL || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&at.u, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof(at.u.in) : sizeof(at.u.in6));
		own = peer_same_host(&at, p);
	}
	freeifaddrs(all);
	return own;
}

bool locals_has(struct locals *x, const struct peer *p)
{
	struct owned *o = &x->owned[place_of(p)];
	int64_t now = loop_now_ms(x->loop);

	if (now >= o->until_ms || !peer_same_host(&o->at, p))
		*o = (struct owned){*p, local_is_own(p), now + KEPT_MS};
	return o->own;
}
