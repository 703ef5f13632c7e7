#include "sip/server/load_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sip/transport/peer.h"

/* The five listen keys: is there a listener, and can all of them be there at once, on this machine? */

#define KEYS 5
#define ALL (KEYS * CONFIG_ADDRESSES)
#define LOW_PORTS 1024 /* below it a port may need a right; net.ipv4.ip_unprivileged_port_start */

struct spot {
	const char *key;
	bool stream; /* TCP or TLS: their ports are others than those of UDP */
	struct peer at;
};

static const struct {
	const char *key;
	size_t offset;
	bool stream, sip;
} keys[KEYS] = {
	{"listen-udp", offsetof(struct config, listen_udp), false, true},
	{"listen-tcp", offsetof(struct config, listen_tcp), true, true},
	{"listen-tls", offsetof(struct config, listen_tls), true, true},
	{"listen-https", offsetof(struct config, listen_https), true, false},
	{"listen-http", offsetof(struct config, listen_http), true, false},
};

/* The configuration has checked the lists, so each element can be read. */
static unsigned spots_of(const struct config *c, struct spot out[ALL], bool *sip)
{
	struct slice advertised;
	unsigned n = 0;

	*sip = false;
	for (unsigned k = 0; k < KEYS; k++) {
		const char *list = *(char *const *)(const void *)((const char *)c + keys[k].offset);

		for (struct slice rest = slice_list(slice_str(list)), item; n < ALL && slice_item(&rest, &item);) {
			if (!config_listener(item, &out[n].at, &advertised))
				continue;
			out[n].key = keys[k].key;
			out[n].stream = keys[k].stream;
			*sip = *sip || keys[k].sip;
			n++;
		}
	}
	return n;
}

/* collide: can only one of the two be there? An address and "all addresses" of its family collide, too. */
static bool collide(const struct spot *a, const struct spot *b)
{
	return a->stream == b->stream && peer_port(&a->at) == peer_port(&b->at) && peer_port(&a->at) != 0 &&
	       a->at.u.sa.sa_family == b->at.u.sa.sa_family &&
	       (peer_same_host(&a->at, &b->at) || peer_is_any(&a->at) || peer_is_any(&b->at));
}

void load_listeners(const struct config *c, struct buf *why)
{
	struct spot spots[ALL];
	bool sip;
	unsigned n = spots_of(c, spots, &sip);

	if (!sip)
		buf_addf(
			why,
			"%s: no SIP can come in: none of server.listen-udp, listen-tcp and listen-tls is set; expected "
			"one, like listen-tls = 0.0.0.0:5061",
			c->file);
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = 0; k < i && why->n == 0; k++)
			if (collide(&spots[k], &spots[i]))
				buf_addf(why,
					 "%s: server.%s = %s is a place that server.%s = %s has; expected another port",
					 c->file, spots[i].key, peer_text(&spots[i].at).text, spots[k].key,
					 peer_text(&spots[k].at).text);
}

/* binds: does a socket of this type get that port of the address, or fail for another reason than error? */
static bool binds(const struct peer *at, int type, uint16_t port, int error)
{
	int fd = socket(at->u.sa.sa_family, type | SOCK_CLOEXEC, 0);
	struct peer place = *at;
	bool fine;

	peer_set_port(&place, port);
	fine = fd < 0 || bind(fd, &place.u.sa, peer_len(&place)) == 0 || errno != error;
	if (fd >= 0)
		close(fd);
	return fine;
}

/* is_group: multicast and broadcast can be bound, and nobody gets a connection to them. */
static bool is_group(const struct peer *at)
{
	if (at->u.sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&at->u.in6.sin6_addr) || IN6_IS_ADDR_V4MAPPED(&at->u.in6.sin6_addr);
	return IN_MULTICAST(ntohl(at->u.in.sin_addr.s_addr)) || at->u.in.sin_addr.s_addr == htonl(INADDR_BROADCAST);
}

/*
 * is_here: is it an address of this machine that can be listened on? A link-local one cannot, without its link. Port 0
 * is any free one, so nobody is in the way.
 */
static bool is_here(const struct spot *s)
{
	return !is_group(&s->at) && binds(&s->at, SOCK_DGRAM, 0, EADDRNOTAVAIL) && binds(&s->at, SOCK_DGRAM, 0, EINVAL);
}

/*
 * may_listen: the kernel keeps the low ports for those who have a right to them. Asked with the other kind of socket,
 * which is in nobody's way: a server may be running, or starting.
 */
static bool may_listen(const struct spot *s)
{
	uint16_t port = peer_port(&s->at);

	return port == 0 || port >= LOW_PORTS || binds(&s->at, s->stream ? SOCK_DGRAM : SOCK_STREAM, port, EACCES);
}

bool load_listen_here(const struct config *c, struct buf *why)
{
	struct spot spots[ALL];
	bool sip;
	unsigned n = spots_of(c, spots, &sip);

	for (unsigned i = 0; i < n; i++) {
		if (is_here(&spots[i]))
			continue;
		buf_addf(why,
			 "%s: server.%s = %s: that is no address of this machine; \"ip address\" lists them, and %s "
			 "stands for all",
			 c->file, spots[i].key, peer_text(&spots[i].at).text,
			 spots[i].at.u.sa.sa_family == AF_INET ? "0.0.0.0" : "[::]");
		return false;
	}
	return true;
}

bool load_listen_allowed(const struct config *c, struct buf *why)
{
	struct spot spots[ALL];
	bool sip;
	unsigned n = spots_of(c, spots, &sip);

	for (unsigned i = 0; i < n; i++) {
		if (may_listen(&spots[i]))
			continue;
		buf_addf(why, "server.%s = %s: %s", spots[i].key, peer_text(&spots[i].at).text, LOAD_LOW_PORT);
		return false;
	}
	return true;
}
