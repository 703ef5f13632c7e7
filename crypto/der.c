#include "crypto/der.h"

#include <string.h>

/*
 * length_of: the sizes of head and body of the first element. A length of 0x80 and more must need its octets (X.690
 * 10.1): a leading zero octet or a value below 0x80 in the long form is refused.
 */
static bool length_of(struct slice in, size_t *head, size_t *len)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t octets, n = 0;

	if (in.n < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	if (p[1] < 0x80) {
		*head = 2;
		*len = p[1];
		return *len <= in.n - 2;
	}
	octets = p[1] & 0x7f;
	if (octets == 0 || octets > 4 || in.n - 2 < octets || p[2] == 0)
		return false;
	for (size_t i = 0; i < octets; i++)
		n = n << 8 | p[2 + i];
	*head = 2 + octets;
	*len = n;
	return n >= 0x80 && n <= in.n - *head;
}

bool der_next(struct slice *in, uint8_t *tag, struct slice *body)
{
	size_t head, len;

	if (!length_of(*in, &head, &len))
		return false;
	*tag = (uint8_t)in->p[0];
	*body = slice_sub(*in, head, head + len);
	*in = slice_sub(*in, head + len, in->n);
	return true;
}

bool der_is(struct slice in, uint8_t tag)
{
	return in.n > 0 && (uint8_t)in.p[0] == tag;
}

bool der_take(struct slice *in, uint8_t tag, struct slice *body)
{
	uint8_t found;

	return der_is(*in, tag) && der_next(in, &found, body);
}

bool der_uint(struct slice *in, struct slice *magnitude)
{
	struct slice rest = *in, v;

	if (!der_take(&rest, DER_INTEGER, &v) || v.n == 0 || (v.p[0] & 0x80) != 0)
		return false;
	/* X.690 8.3.2: a zero octet stands in front only where the next one has its high bit set. */
	if (v.p[0] == 0) {
		if (v.n > 1 && (v.p[1] & 0x80) == 0)
			return false;
		v = slice_sub(v, 1, v.n);
	}
	*in = rest;
	*magnitude = v;
	return true;
}

bool der_u32(struct slice *in, uint32_t max, uint32_t *out)
{
	struct slice rest = *in, v;
	uint32_t n = 0;

	if (!der_uint(&rest, &v) || v.n > sizeof(n))
		return false;
	for (size_t i = 0; i < v.n; i++)
		n = n << 8 | (unsigned char)v.p[i];
	if (n > max)
		return false;
	*in = rest;
	*out = n;
	return true;
}

bool der_bits(struct slice *in, struct slice *octets)
{
	struct slice rest = *in, v;

	if (!der_take(&rest, DER_BITS, &v) || v.n == 0 || v.p[0] != 0)
		return false;
	*in = rest;
	*octets = slice_sub(v, 1, v.n);
	return true;
}

void der_put(struct buf *out, uint8_t tag, struct slice body)
{
	size_t mark;

	/* Reserve all room at once. A body that is a secret would stay behind in the old place if the buffer moved. */
	buf_reserve(out, body.n + 8);
	mark = der_open(out, tag);
	buf_add(out, body);
	der_close(out, mark);
}

void der_put_uint(struct buf *out, struct slice magnitude)
{
	size_t mark;

	while (magnitude.n > 0 && magnitude.p[0] == 0)
		magnitude = slice_sub(magnitude, 1, magnitude.n);
	buf_reserve(out, magnitude.n + 9);
	mark = der_open(out, DER_INTEGER);
	if (magnitude.n == 0 || (magnitude.p[0] & 0x80) != 0)
		buf_addc(out, 0);
	buf_add(out, magnitude);
	der_close(out, mark);
}

void der_put_u32(struct buf *out, uint32_t v)
{
	char octets[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};

	der_put_uint(out, slice_of(octets, sizeof(octets)));
}

size_t der_open(struct buf *out, uint8_t tag)
{
	buf_addc(out, (char)tag);
	return out->n;
}

void der_close(struct buf *out, size_t mark)
{
	size_t len = out->n - mark, octets = 0;
	char head[5];

	if (len >= 0x80) {
		for (size_t v = len; v > 0; v >>= 8)
			octets++;
	}
	head[0] = (char)(octets == 0 ? len : 0x80 | octets);
	for (size_t i = 0; i < octets; i++)
		head[1 + i] = (char)(len >> 8 * (octets - 1 - i));
	buf_reserve(out, 1 + octets);
	/* The body was written behind the tag. Move it up to make room for the length. */
	memmove(out->p + mark + 1 + octets, out->p + mark, len);
	memcpy(out->p + mark, head, 1 + octets);
	buf_commit(out, 1 + octets);
}
