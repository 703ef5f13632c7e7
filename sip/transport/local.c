#include "sip/transport/local.h"

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
