#include "sip/transport/flow.h"

#include <string.h>

/*
 * Packed flows: one octet with the protocol and two bits of form, then addresses and ports in network order, or the id
 * of a connection. Lengths are exact, so that one flow has one packed form.
 */

/* Bits of the first octet, beside the protocol. */
#define V6 0x80     /* the addresses have 16 octets, else 4 */
#define REMOTE 0x40 /* written by flow_pack_remote */

const char *flow_proto_name(enum proto p)
{
	static const char *const names[] = {"UDP", "TCP", "TLS"};

	return names[p];
}

bool flow_same(const struct flow *a, const struct flow *b)
{
	if (a->proto != b->proto || a->id != b->id)
		return false;
	return a->proto != PROTO_UDP || (peer_same(&a->remote, &b->remote) && peer_same(&a->local, &b->local));
}

static struct slice address_of(const struct peer *p)
{
	return p->u.sa.sa_family == AF_INET6 ? slice_of(&p->u.in6.sin6_addr, 16) : slice_of(&p->u.in.sin_addr, 4);
}

static void pack_peer(const struct peer *p, struct buf *out)
{
	uint16_t port = peer_port(p);

	buf_add(out, address_of(p));
	buf_addc(out, (char)(port >> 8));
	buf_addc(out, (char)(port & 255));
}

static void unpack_peer(struct slice *s, bool v6, struct peer *out)
{
	size_t n = v6 ? 16 : 4;

	memset(out, 0, sizeof(*out));
	out->u.sa.sa_family = v6 ? AF_INET6 : AF_INET;
	memcpy(v6 ? (void *)&out->u.in6.sin6_addr : (void *)&out->u.in.sin_addr, s->p, n);
	peer_set_port(out, (uint16_t)((unsigned char)s->p[n] << 8 | (unsigned char)s->p[n + 1]));
	*s = slice_sub(*s, n + 2, s->n);
}

void flow_pack(const struct flow *f, struct buf *out)
{
	bool v6 = f->proto == PROTO_UDP && f->remote.u.sa.sa_family == AF_INET6;

	buf_addc(out, (char)((unsigned)f->proto | (v6 ? V6 : 0)));
	if (f->proto != PROTO_UDP) {
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_addc(out, (char)(f->id >> shift & 255));
		return;
	}
	pack_peer(&f->remote, out);
	pack_peer(&f->local, out);
}

enum err flow_unpack(struct slice packed, struct flow *out)
{
	struct flow f = {0};
	unsigned first;
	bool v6;

	if (packed.n == 0)
		return ERR_SYNTAX;
	first = (unsigned char)packed.p[0];
	v6 = (first & V6) != 0;
	if ((first & ~(unsigned)V6) > PROTO_TLS)
		return ERR_SYNTAX;
	f.proto = (enum proto)(first & ~(unsigned)V6);
	packed = slice_sub(packed, 1, packed.n);
	if (packed.n != (f.proto != PROTO_UDP ? 8u : v6 ? 36u : 12u) || (f.proto != PROTO_UDP && v6))
		return ERR_SYNTAX;
	if (f.proto == PROTO_UDP) {
		unpack_peer(&packed, v6, &f.remote);
		unpack_peer(&packed, v6, &f.local);
	}
	for (size_t i = 0; i < packed.n; i++)
		f.id = f.id << 8 | (unsigned char)packed.p[i];
	*out = f;
	return ERR_OK;
}

void flow_pack_remote(const struct flow *f, struct buf *out)
{
	bool v6 = f->remote.u.sa.sa_family == AF_INET6;

	buf_addc(out, (char)(REMOTE | (unsigned)f->proto | (v6 ? V6 : 0)));
	pack_peer(&f->remote, out);
}

enum err flow_unpack_remote(struct slice packed, struct flow *out)
{
	struct flow f = {0};
	unsigned first;
	bool v6;

	if (packed.n == 0)
		return ERR_SYNTAX;
	first = (unsigned char)packed.p[0];
	v6 = (first & V6) != 0;
	if ((first & REMOTE) == 0 || (first & ~(unsigned)(V6 | REMOTE)) > PROTO_TLS || packed.n != (v6 ? 19u : 7u))
		return ERR_SYNTAX;
	f.proto = (enum proto)(first & ~(unsigned)(V6 | REMOTE));
	packed = slice_sub(packed, 1, packed.n);
	unpack_peer(&packed, v6, &f.remote);
	*out = f;
	return ERR_OK;
}
