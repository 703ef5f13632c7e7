#include "sip/server/load_private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sip/transport/peer.h"

/* The five listen keys: is there a listener, and can all of them be there at once, on this machine? */

#define KEYS 5
#define ALL (KEYS * CONFIG_ADDRESSES)

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

/* is_here: is it an address of this machine? Port 0 is any free one, so nobody is in the way. */
static bool is_here(const struct peer *at)
{
	int fd = socket(at->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct peer any = *at;
	bool here;

	peer_set_port(&any, 0);
	here = fd >= 0 && (bind(fd, &any.u.sa, peer_len(&any)) == 0 || errno != EADDRNOTAVAIL);
	if (fd >= 0)
		close(fd);
	return here;
}

bool load_listen_here(const struct config *c, struct buf *why)
{
	struct spot spots[ALL];
	bool sip;
	unsigned n = spots_of(c, spots, &sip);

	for (unsigned i = 0; i < n; i++) {
		if (is_here(&spots[i].at))
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
