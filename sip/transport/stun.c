#include "sip/transport/stun.h"

/*
 * A STUN message is a head of 20 octets (type, length, cookie, transaction id) and attributes (type, length, value
 * padded to four octets), RFC 5389 6 and 15.
 */

#define HEAD 20
#define COOKIE 0x2112a442u
#define UNKNOWN_MAX 16 /* attributes that a 420 lists at most */
#define FINGERPRINT_SIZE 8
#define FINGERPRINT_XOR 0x5354554eu

enum { BINDING_REQUEST = 0x0001, BINDING_SUCCESS = 0x0101, BINDING_ERROR = 0x0111 };

enum {
	ATTR_MAPPED_ADDRESS = 0x0001,
	ATTR_USERNAME = 0x0006,
	ATTR_MESSAGE_INTEGRITY = 0x0008,
	ATTR_ERROR_CODE = 0x0009,
	ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
	ATTR_REALM = 0x0014,
	ATTR_NONCE = 0x0015,
	ATTR_XOR_MAPPED_ADDRESS = 0x0020,
	ATTR_OPTIONAL = 0x8000, /* attributes from here on are optional to understand, RFC 5389 15 */
	ATTR_FINGERPRINT = 0x8028,
};

/* What the attributes of a request ask for. */
struct wish {
	bool fingerprint;
	unsigned unknown_count;
	uint16_t unknown[UNKNOWN_MAX];
};

static unsigned get16(struct slice s, size_t at)
{
	return (unsigned)(unsigned char)s.p[at] << 8 | (unsigned char)s.p[at + 1];
}

static uint32_t get32(struct slice s, size_t at)
{
	return (uint32_t)get16(s, at) << 16 | get16(s, at + 2);
}

static void put16(struct buf *out, unsigned v)
{
	buf_addc(out, (char)(v >> 8));
	buf_addc(out, (char)v);
}

static void put32(struct buf *out, uint32_t v)
{
	put16(out, v >> 16);
	put16(out, v & 0xffff);
}

/* RFC 5389 15.5: the CRC-32 of ITU V.42. Bit by bit, because a request has less than 600 octets. */
static uint32_t crc32(struct slice s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

bool stun_is(struct slice datagram)
{
	return datagram.n >= HEAD && (datagram.p[0] & 0xc0) == 0 && get32(datagram, 4) == COOKIE;
}

/* is_known: RFC 5389 7.3: attributes that are known but mean nothing in this request are ignored. */
static bool is_known(unsigned type)
{
	switch (type) {
	case ATTR_MAPPED_ADDRESS:
	case ATTR_USERNAME:
	case ATTR_MESSAGE_INTEGRITY:
	case ATTR_ERROR_CODE:
	case ATTR_UNKNOWN_ATTRIBUTES:
	case ATTR_REALM:
	case ATTR_NONCE:
	case ATTR_XOR_MAPPED_ADDRESS:
		return true;
	}
	return type >= ATTR_OPTIONAL;
}

/* note_unknown: lists an attribute once, and no more than UNKNOWN_MAX. */
static void note_unknown(struct wish *w, unsigned type)
{
	for (unsigned i = 0; i < w->unknown_count; i++)
		if (w->unknown[i] == type)
			return;
	if (w->unknown_count < UNKNOWN_MAX)
		w->unknown[w->unknown_count++] = (uint16_t)type;
}

/* false: an attribute does not fit, or FINGERPRINT is wrong; then this is not STUN after all. */
static bool read_attributes(struct slice m, struct wish *out)
{
	size_t at = HEAD;

	while (at < m.n) {
		unsigned type, n;

		if (m.n - at < 4 || out->fingerprint)
			return false; /* RFC 5389 15.5: FINGERPRINT is the last one */
		type = get16(m, at);
		n = get16(m, at + 2);
		if (m.n - at - 4 < ((n + 3) & ~3u))
			return false;
		if (type == ATTR_FINGERPRINT) {
			if (n != 4 || get32(m, at + 4) != (crc32(slice_sub(m, 0, at)) ^ FINGERPRINT_XOR))
				return false;
			out->fingerprint = true;
		} else if (!is_known(type)) {
			note_unknown(out, type);
		}
		at += 4 + ((n + 3) & ~3u);
	}
	return true;
}

/*
 * put_address: RFC 5389 15.2: port and address are xored with cookie and transaction id, because some NATs rewrite
 * addresses that they find in payloads.
 */
static void put_address(struct buf *out, struct slice request, const struct peer *p)
{
	bool v4 = p->u.sa.sa_family == AF_INET;
	struct slice address = v4 ? slice_of(&p->u.in.sin_addr, 4) : slice_of(&p->u.in6.sin6_addr, 16);

	put16(out, ATTR_XOR_MAPPED_ADDRESS);
	put16(out, (unsigned)address.n + 4);
	put16(out, v4 ? 1 : 2);
	put16(out, peer_port(p) ^ (COOKIE >> 16));
	for (size_t i = 0; i < address.n; i++)
		buf_addc(out, (char)(address.p[i] ^ request.p[4 + i]));
}

/* put_error: RFC 5389 15.6, 15.9. Without a reason phrase, which would make the answer longer than the request. */
static void put_error(struct buf *out, const struct wish *w)
{
	put16(out, ATTR_ERROR_CODE);
	put16(out, 4);
	put32(out, 4 << 8 | 20);
	put16(out, ATTR_UNKNOWN_ATTRIBUTES);
	put16(out, 2 * w->unknown_count);
	for (unsigned i = 0; i < w->unknown_count; i++)
		put16(out, w->unknown[i]);
	if (w->unknown_count % 2 != 0)
		put16(out, 0);
}

/*
 * is_twice: would the answer be more than twice the request? Heads of IP and UDP count: a bare request over IPv6 has 20
 * octets and its answer 44, in packets of 68 and 92.
 */
static bool is_twice(const struct peer *remote, size_t came, size_t goes)
{
	size_t heads = 8 + (remote->u.sa.sa_family == AF_INET ? 20 : 40);

	return heads + goes > 2 * (heads + came);
}

enum err stun_answer(struct slice datagram, const struct peer *remote, struct buf *out)
{
	struct wish w = {0};
	struct buf body = {0}, answer = {0};
	bool fits;

	if (!stun_is(datagram) || datagram.n > STUN_REQUEST_MAX || get16(datagram, 0) != BINDING_REQUEST ||
	    get16(datagram, 2) != datagram.n - HEAD || datagram.n % 4 != 0 || !read_attributes(datagram, &w))
		return ERR_SYNTAX;
	if (w.unknown_count > 0)
		put_error(&body, &w);
	else
		put_address(&body, datagram, remote);
	put16(&answer, w.unknown_count > 0 ? BINDING_ERROR : BINDING_SUCCESS);
	put16(&answer, (unsigned)body.n + (w.fingerprint ? FINGERPRINT_SIZE : 0));
	buf_add(&answer, slice_sub(datagram, 4, HEAD));
	buf_add(&answer, buf_slice(&body));
	if (w.fingerprint) {
		uint32_t crc = crc32(buf_slice(&answer));

		put16(&answer, ATTR_FINGERPRINT);
		put16(&answer, 4);
		put32(&answer, crc ^ FINGERPRINT_XOR);
	}
	fits = !is_twice(remote, datagram.n, answer.n);
	if (fits)
		buf_add(out, buf_slice(&answer));
	buf_free(&body);
	buf_free(&answer);
	return fits ? ERR_OK : ERR_SYNTAX;
}
