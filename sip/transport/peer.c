#include "sip/transport/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Addresses as values. Text is read by inet_pton, never by the resolver, so that no name can be meant. */

bool peer_of(struct slice host, uint16_t port, struct peer *out)
{
	char text[INET6_ADDRSTRLEN];
	struct peer p;

	memset(&p, 0, sizeof(p));
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = slice_sub(host, 1, host.n - 1);
	if (host.n == 0 || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	/* A NUL in the text would end it early for inet_pton. */
	if (strlen(text) != host.n)
		return false;
	if (inet_pton(AF_INET, text, &p.u.in.sin_addr) == 1) {
		p.u.in.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, text, &p.u.in6.sin6_addr) == 1) {
		p.u.in6.sin6_family = AF_INET6;
	} else {
		return false;
	}
	peer_set_port(&p, port);
	*out = p;
	return true;
}

/* without_zeros: "020.0.0.01" is "20.0.0.1" to who reads decimal numbers, and 16.0.0.1 to inet_aton. */
static void without_zeros(const char *in, char *out)
{
	bool begins = true; /* a number */

	for (; *in != '\0'; in++) {
		if (begins && in[0] == '0' && in[1] >= '0' && in[1] <= '9')
			continue;
		*out++ = *in;
		begins = *in == '.';
	}
	*out = '\0';
}

unsigned peer_readings(struct slice host, struct peer out[PEER_READINGS])
{
	char text[INET6_ADDRSTRLEN], plain[INET6_ADDRSTRLEN];
	struct in_addr v4;
	unsigned n = 0;

	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (peer_of(host, 0, &out[0]))
		return 1;
	if (host.n == 0 || host.n >= sizeof(text) || slice_chr(host, '\0') != host.n)
		return 0;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	without_zeros(text, plain);
	n += peer_of(slice_str(plain), 0, &out[n]);
	if (inet_aton(text, &v4) != 0) {
		memset(&out[n], 0, sizeof(out[n]));
		out[n].u.in.sin_family = AF_INET;
		out[n++].u.in.sin_addr = v4;
	}
	return n;
}

bool peer_same_name(struct slice a, struct slice b)
{
	struct peer x, y;

	return slice_ieq(a, b) || (peer_of(a, 0, &x) && peer_of(b, 0, &y) && peer_same_host(&x, &y));
}

bool peer_parse(struct slice text, struct peer *out)
{
	size_t colon = slice_rchr(text, ':');
	struct slice host = slice_sub(text, 0, colon);
	uint32_t port;

	if (colon == text.n || !slice_u32(slice_sub(text, colon + 1, text.n), 65535, &port))
		return false;
	/* An IPv6 address needs brackets, or its last group could be taken for the port. */
	if (slice_chr(host, ':') < host.n && host.p[0] != '[')
		return false;
	return peer_of(host, (uint16_t)port, out);
}

socklen_t peer_len(const struct peer *p)
{
	return p->u.sa.sa_family == AF_INET ? sizeof(p->u.in) : sizeof(p->u.in6);
}

uint16_t peer_port(const struct peer *p)
{
	return ntohs(p->u.sa.sa_family == AF_INET ? p->u.in.sin_port : p->u.in6.sin6_port);
}

void peer_set_port(struct peer *p, uint16_t port)
{
	if (p->u.sa.sa_family == AF_INET)
		p->u.in.sin_port = htons(port);
	else
		p->u.in6.sin6_port = htons(port);
}

bool peer_is_any(const struct peer *p)
{
	if (p->u.sa.sa_family == AF_INET)
		return p->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
	return memcmp(&p->u.in6.sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0;
}

static bool is_mapped(const struct peer *p)
{
	return p->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&p->u.in6.sin6_addr);
}

struct slice peer_octets(const struct peer *p)
{
	if (p->u.sa.sa_family == AF_INET)
		return slice_of(&p->u.in.sin_addr, 4);
	if (is_mapped(p))
		return slice_of(&p->u.in6.sin6_addr.s6_addr[12], 4);
	return slice_of(&p->u.in6.sin6_addr, 16);
}

bool peer_same_host(const struct peer *a, const struct peer *b)
{
	return slice_eq(peer_octets(a), peer_octets(b));
}

bool peer_same(const struct peer *a, const struct peer *b)
{
	return peer_same_host(a, b) && peer_port(a) == peer_port(b);
}

struct peer_text peer_ip(const struct peer *p)
{
	struct peer_text out = {"?"};
	struct slice a = peer_octets(p);

	inet_ntop(a.n == 4 ? AF_INET : AF_INET6, a.p, out.text, sizeof(out.text));
	return out;
}

struct peer_text peer_host(const struct peer *p)
{
	struct peer_text ip = peer_ip(p), out;

	if (strchr(ip.text, ':') == NULL)
		return ip;
	snprintf(out.text, sizeof(out.text), "[%.60s]", ip.text);
	return out;
}

struct peer_text peer_text(const struct peer *p)
{
	struct peer_text host = peer_host(p), out;

	snprintf(out.text, sizeof(out.text), "%.56s:%u", host.text, peer_port(p));
	return out;
}

struct slice peer_prefix(const struct peer *p)
{
	struct slice a = peer_octets(p);

	return slice_sub(a, 0, 8);
}
