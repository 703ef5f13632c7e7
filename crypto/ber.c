#include "crypto/ber.h"

#include "crypto/der.h"

/*
 * BER to DER with a stack of open elements in place of recursion: input of strangers must not choose the depth of the
 * stack of the process. Output is built by der_open and der_close, which insert the right length when an element ends.
 */

#define CONSTRUCTED 0x20
#define CONSTRUCTED_OCTETS (DER_OCTETS | CONSTRUCTED)

/* A constructed element whose end has not been reached. */
struct open {
	size_t end;  /* offset in the input behind its contents; SIZE_MAX: indefinite, up to two zero octets */
	size_t mark; /* of der_open */
	bool pieces; /* an OCTET STRING in pieces: the contents of its elements are joined */
};

struct walk {
	struct slice in;
	size_t at;
	struct buf *out;
	struct open stack[BER_DEPTH_MAX];
	unsigned depth;
};

/* The tag and length at w->at. *n SIZE_MAX: indefinite. Multi-octet tags do not occur in what is read here. */
static bool head(struct walk *w, uint8_t *tag, size_t *n)
{
	const uint8_t *p = (const uint8_t *)w->in.p;
	size_t octets, v = 0;

	if (w->in.n - w->at < 2 || (p[w->at] & 0x1f) == 0x1f)
		return false;
	*tag = p[w->at];
	octets = p[w->at + 1];
	w->at += 2;
	if (octets < 0x80) {
		*n = octets;
		return true;
	}
	if (octets == 0x80) {
		*n = SIZE_MAX;
		return (*tag & CONSTRUCTED) != 0;
	}
	octets &= 0x7f;
	if (octets > w->in.n - w->at)
		return false;
	for (size_t i = 0; i < octets; i++) {
		/* More than all of the input already: stop before v overflows. */
		if (v > w->in.n)
			return false;
		v = v << 8 | p[w->at + i];
	}
	w->at += octets;
	*n = v;
	return true;
}

static bool inside_pieces(const struct walk *w)
{
	return w->depth > 0 && w->stack[w->depth - 1].pieces;
}

/* Where the innermost open element must end at the latest. */
static size_t limit(const struct walk *w)
{
	for (unsigned i = w->depth; i > 0; i--)
		if (w->stack[i - 1].end != SIZE_MAX)
			return w->stack[i - 1].end;
	return w->in.n;
}

static enum err element(struct walk *w)
{
	uint8_t tag;
	size_t n;

	if (!head(w, &tag, &n) || w->at > limit(w) || (n != SIZE_MAX && n > limit(w) - w->at))
		return ERR_SYNTAX;
	if (inside_pieces(w) && tag != DER_OCTETS && tag != CONSTRUCTED_OCTETS)
		return ERR_SYNTAX;
	if ((tag & CONSTRUCTED) == 0) {
		struct slice body = slice_sub(w->in, w->at, w->at + n);

		w->at += n;
		if (inside_pieces(w))
			buf_add(w->out, body);
		else
			der_put(w->out, tag, body);
		return ERR_OK;
	}
	if (w->depth == BER_DEPTH_MAX)
		return ERR_LIMIT;
	w->stack[w->depth] = (struct open){
		.end = n == SIZE_MAX ? SIZE_MAX : w->at + n, .mark = SIZE_MAX, .pieces = tag == CONSTRUCTED_OCTETS};
	/* Pieces inside pieces are joined into the outermost OCTET STRING, so they open no element of their own. */
	if (!inside_pieces(w))
		w->stack[w->depth].mark = der_open(w->out, tag == CONSTRUCTED_OCTETS ? DER_OCTETS : tag);
	w->depth++;
	return ERR_OK;
}

/* Ends the innermost element. mark is SIZE_MAX where pieces were joined into an outer one. */
static void close_top(struct walk *w)
{
	const struct open *o = &w->stack[--w->depth];

	if (o->mark != SIZE_MAX)
		der_close(w->out, o->mark);
}

/* Closes all elements that end at w->at. An indefinite one ends at two zero octets, which lie inside its parent. */
static void close_ended(struct walk *w)
{
	while (w->depth > 0) {
		const struct open *o = &w->stack[w->depth - 1];
		bool zeroes = limit(w) - w->at >= 2 && w->in.p[w->at] == 0 && w->in.p[w->at + 1] == 0;

		if (o->end != SIZE_MAX && o->end != w->at)
			return;
		if (o->end == SIZE_MAX && !zeroes)
			return;
		if (o->end == SIZE_MAX)
			w->at += 2;
		close_top(w);
	}
}

enum err ber_to_der(struct slice in, struct buf *der, size_t *used)
{
	struct walk w = {.in = in, .out = der};
	size_t before = der->n;
	enum err e;

	/* Room for all of it at once: a buffer that moves leaves the octets of a key behind. */
	buf_reserve(der, in.n + (size_t)8 * BER_DEPTH_MAX);
	do {
		e = element(&w);
		if (e == ERR_OK)
			close_ended(&w);
	} while (e == ERR_OK && w.depth > 0);
	if (e == ERR_OK)
		*used = w.at;
	else
		der->n = before;
	return e;
}
