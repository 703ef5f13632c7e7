#include "sip/locate/reach.h"

#include <ifaddrs.h>
#include <string.h>

#include "core/buf.h"
#include "sip/transport/local.h"

/*
 * Addresses are compared in their IPv6 form of 16 octets, so that "::ffff:127.0.0.1" and 127.0.0.1 are one. NAT64 and
 * 6to4 addresses are judged by the IPv4 address in them.
 */

#define MAPPED 96 /* bits in front of an IPv4 address in its IPv6 form */

/* Prefixes that are not the public Internet: RFC 6890 and later ones; IPv4 in ::ffff:0:0/96. */
struct prefix {
	uint8_t octets[16];
	unsigned bits;
};

static const struct prefix special[] = {
	{{0}, 95},                            /* unspecified, loopback, IPv4-compatible */
	{{[10] = 0xff, 0xff, 0}, MAPPED + 8}, /* "this" network */
	{{[10] = 0xff, 0xff, 10}, MAPPED + 8},
	{{[10] = 0xff, 0xff, 100, 64}, MAPPED + 10},  /* carriers' NAT */
	{{[10] = 0xff, 0xff, 127}, MAPPED + 8},       /* loopback */
	{{[10] = 0xff, 0xff, 169, 254}, MAPPED + 16}, /* link-local */
	{{[10] = 0xff, 0xff, 172, 16}, MAPPED + 12},
	{{[10] = 0xff, 0xff, 192, 0, 0}, MAPPED + 24},   /* protocol assignments */
	{{[10] = 0xff, 0xff, 192, 88, 99}, MAPPED + 24}, /* 6to4 relays */
	{{[10] = 0xff, 0xff, 192, 168}, MAPPED + 16},
	{{[10] = 0xff, 0xff, 198, 18}, MAPPED + 15}, /* benchmarks */
	{{[10] = 0xff, 0xff, 224}, MAPPED + 4},      /* multicast */
	{{[10] = 0xff, 0xff, 240}, MAPPED + 4},      /* reserved, broadcast */
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},  /* local NAT64 */
	{{0x01, 0x00}, 64},                          /* discard */
	{{0x20, 0x01, 0x00, 0x00}, 23},              /* protocol assignments, Teredo */
	{{0xfc}, 7},                                 /* unique local */
	{{0xfe, 0x80}, 10},                          /* link-local */
	{{0xfe, 0xc0}, 10},                          /* site-local (deprecated by RFC 3879) */
	{{0xff}, 8},                                 /* multicast */
};

/* Those of them that a site uses for its own hosts. */
static const struct prefix site[] = {
	{{[10] = 0xff, 0xff, 10}, MAPPED + 8},        /* RFC 1918 */
	{{[10] = 0xff, 0xff, 172, 16}, MAPPED + 12},  /* RFC 1918 */
	{{[10] = 0xff, 0xff, 192, 168}, MAPPED + 16}, /* RFC 1918 */
	{{[10] = 0xff, 0xff, 100, 64}, MAPPED + 10},  /* RFC 6598 */
	{{0xfc}, 7},                                  /* RFC 4193 */
};

static bool in_prefix(const uint8_t *a, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned mask = 0xffu << (8 - rest) & 0xffu;

	return memcmp(a, prefix, whole) == 0 && (rest == 0 || ((a[whole] ^ prefix[whole]) & mask) == 0);
}

static bool is_in(const uint8_t *a, const struct prefix *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_prefix(a, list[i].octets, list[i].bits))
			return true;
	return false;
}

static void octets_of(const struct sockaddr *sa, uint8_t out[16])
{
	memset(out, 0, 16);
	if (sa->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		return;
	}
	out[10] = out[11] = 0xff;
	memcpy(out + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
}

/* unwrap: NAT64 (64:ff9b::/96), SIIT (::ffff:0:0:0/96) and 6to4 (2002::/16) lead to the IPv4 address in them. */
static void unwrap(uint8_t a[16])
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}, siit[12] = {[8] = 0xff, 0xff};
	static const uint8_t sixtofour[2] = {0x20, 0x02};
	uint8_t inner[4];

	if (memcmp(a, nat64, 12) == 0 || memcmp(a, siit, 12) == 0)
		memcpy(inner, a + 12, 4);
	else if (memcmp(a, sixtofour, 2) == 0)
		memcpy(inner, a + 2, 4);
	else
		return;
	memset(a, 0, 10);
	a[10] = a[11] = 0xff;
	memcpy(a + 12, inner, 4);
}

static bool is_ip(const struct sockaddr *sa)
{
	return sa != NULL && (sa->sa_family == AF_INET || sa->sa_family == AF_INET6);
}

/* is_own: an address of this machine, or that cannot be ruled out. */
static bool is_own(const uint8_t a[16])
{
	struct peer p = {.u.in6 = {.sin6_family = AF_INET6}};

	memcpy(&p.u.in6.sin6_addr, a, 16);
	return local_is_own(&p);
}

/* is_on: is a in the network of this interface? A netmask of IPv4 covers the 96 bits in front of the address, too. */
static bool is_on(const struct ifaddrs *i, const uint8_t a[16])
{
	uint8_t own[16], mask[16];

	if (!is_ip(i->ifa_addr) || i->ifa_netmask == NULL)
		return false;
	octets_of(i->ifa_addr, own);
	octets_of(i->ifa_netmask, mask);
	if (i->ifa_addr->sa_family == AF_INET)
		memset(mask, 0xff, MAPPED / 8);
	for (unsigned k = 0; k < 16; k++)
		if (((own[k] ^ a[k]) & mask[k]) != 0)
			return false;
	return true;
}

static bool is_loopback(const uint8_t a[16])
{
	static const struct prefix four = {{[10] = 0xff, 0xff, 127}, MAPPED + 8}, six = {{[15] = 1}, 128};

	return in_prefix(a, four.octets, four.bits) || in_prefix(a, six.octets, six.bits);
}

static bool read_one(struct slice text, struct reach *out)
{
	size_t slash = slice_chr(text, '/');
	struct slice host = slice_sub(text, 0, slash);
	uint32_t bits, most;
	struct peer p;

	if (out->count == REACH_MAX || !peer_of(host, 0, &p))
		return false;
	most = p.u.sa.sa_family == AF_INET ? 32 : 128;
	bits = most;
	if (slash < text.n && !slice_u32(slice_sub(text, slash + 1, text.n), most, &bits))
		return false;
	octets_of(&p.u.sa, out->allowed[out->count].octets);
	out->allowed[out->count++].bits = bits + (most == 32 ? MAPPED : 0);
	return true;
}

bool reach_read(struct slice list, struct reach *out, struct slice *bad)
{
	for (struct slice rest = slice_list(list); slice_item(&rest, bad);) {
		if (slice_eq(*bad, S("public")))
			out->public = true;
		else if (slice_eq(*bad, S("private")))
			out->private = true;
		else if (slice_eq(*bad, S("any")))
			out->everywhere = true;
		else if (!read_one(*bad, out))
			return false;
	}
	return true;
}

bool reach_allows(const struct reach *r, const struct peer *p)
{
	uint8_t a[16];

	if (r->everywhere)
		return true;
	octets_of(&p->u.sa, a);
	for (unsigned i = 0; i < r->count; i++)
		if (in_prefix(a, r->allowed[i].octets, r->allowed[i].bits))
			return true;
	/* The list of the administrator is asked first and with the address as it is: it may allow any of these. */
	unwrap(a);
	if (is_in(a, special, sizeof(special) / sizeof(special[0])))
		return r->private && is_in(a, site, sizeof(site) / sizeof(site[0])) && !is_own(a);
	return r->public && !is_own(a);
}

bool reach_is_loopback(const struct peer *p)
{
	uint8_t a[16];

	octets_of(&p->u.sa, a);
	return is_loopback(a);
}

bool reach_is_special(const struct peer *p)
{
	uint8_t a[16];

	octets_of(&p->u.sa, a);
	unwrap(a);
	return is_in(a, special, sizeof(special) / sizeof(special[0]));
}

bool reach_beside(const struct peer *a, const struct peer *b)
{
	uint8_t one[16], other[16];
	struct ifaddrs *all;
	bool beside = false;

	if (getifaddrs(&all) != 0)
		return false;
	octets_of(&a->u.sa, one);
	octets_of(&b->u.sa, other);
	for (const struct ifaddrs *i = all; i != NULL && !beside; i = i->ifa_next)
		beside = is_on(i, one) && is_on(i, other);
	freeifaddrs(all);
	return beside;
}

void reach_no_nearer(const struct peer *server, struct reach *out)
{
	uint8_t a[16];

	octets_of(&server->u.sa, a);
	unwrap(a);
	*out = (struct reach){.public = true};
	out->everywhere = is_loopback(a) || is_own(a);
	out->private = is_in(a, site, sizeof(site) / sizeof(site[0]));
}
