#include "crypto/encode.h"

#include <stdint.h>
#include <string.h>

/*
 * Encoders and strict decoders. A decoder writes into reserved room and commits only on success, so out is untouched by
 * bad input.
 */

static const char standard_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode_with(const char *alphabet, bool pad, struct buf *out, struct slice in)
{
	char *at = buf_reserve(out, (in.n + 2) / 3 * 4), *start = at;
	const unsigned char *p = (const unsigned char *)in.p;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t have = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16;

		if (have > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			v |= p[i + 2];
		*at++ = alphabet[v >> 18];
		*at++ = alphabet[v >> 12 & 63];
		if (have > 1)
			*at++ = alphabet[v >> 6 & 63];
		else if (pad)
			*at++ = '=';
		if (have > 2)
			*at++ = alphabet[v & 63];
		else if (pad)
			*at++ = '=';
	}
	buf_commit(out, (size_t)(at - start));
}

static int sextet(unsigned char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * decode_with: writes the octets of in to at. *digits and *pads count sextets and "=", so that the caller can check
 * them. The bits left over must be zero.
 */
static bool decode_with(bool url, struct slice in, char *at, size_t *written, size_t *digits, size_t *pads)
{
	uint32_t v = 0;
	unsigned bits = 0;

	*written = *digits = *pads = 0;
	for (size_t i = 0; i < in.n; i++) {
		int s;

		if (!url && is_blank(in.p[i]))
			continue;
		if (!url && in.p[i] == '=') {
			++*pads;
			continue;
		}
		s = sextet((unsigned char)in.p[i], url);
		if (s < 0 || *pads > 0)
			return false;
		++*digits;
		v = v << 6 | (uint32_t)s;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			at[(*written)++] = (char)(v >> bits);
			v &= (1U << bits) - 1;
		}
	}
	return v == 0;
}

/*
 * A digit alone in the last group stands for six bits, no octet. Padding is mandatory in base64 and refused in
 * base64url.
 */
static enum err decode_into(bool url, struct buf *out, struct slice in)
{
	char *at = buf_reserve(out, in.n / 4 * 3 + 3);
	size_t written, digits, pads;

	if (!decode_with(url, in, at, &written, &digits, &pads) || digits % 4 == 1 ||
	    (!url && pads != (4 - digits % 4) % 4)) {
		*at = '\0';
		return ERR_SYNTAX;
	}
	buf_commit(out, written);
	return ERR_OK;
}

void base64_encode(struct buf *out, struct slice in)
{
	encode_with(standard_alphabet, true, out, in);
}

void base64url_encode(struct buf *out, struct slice in)
{
	encode_with(url_alphabet, false, out, in);
}

enum err base64_decode(struct buf *out, struct slice in)
{
	return decode_into(false, out, in);
}

enum err base64url_decode(struct buf *out, struct slice in)
{
	return decode_into(true, out, in);
}

void hex_encode(struct buf *out, struct slice in)
{
	static const char digits[] = "0123456789abcdef";
	char *at = buf_reserve(out, 2 * in.n);

	for (size_t i = 0; i < in.n; i++) {
		*at++ = digits[(unsigned char)in.p[i] >> 4];
		*at++ = digits[(unsigned char)in.p[i] & 15];
	}
	buf_commit(out, 2 * in.n);
}

enum err hex_decode(struct buf *out, struct slice in)
{
	char *at = buf_reserve(out, in.n / 2);

	if (in.n % 2 != 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < in.n; i += 2) {
		int high = ascii_hex(in.p[i]), low = ascii_hex(in.p[i + 1]);

		if (high < 0 || low < 0) {
			*at = '\0';
			return ERR_SYNTAX;
		}
		at[i / 2] = (char)(high << 4 | low);
	}
	buf_commit(out, in.n / 2);
	return ERR_OK;
}

void pem_write(struct buf *out, const char *label, struct slice der)
{
	buf_addf(out, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < der.n; i += 48) {
		base64_encode(out, slice_sub(der, i, i + 48));
		buf_addc(out, '\n');
	}
	buf_addf(out, "-----END %s-----\n", label);
}

/* next_line: the line at *pos without its line end and trailing blanks; *pos moves behind it. false at the end. */
static bool next_line(struct slice text, size_t *pos, struct slice *line)
{
	struct slice rest = slice_sub(text, *pos, text.n);
	size_t n = slice_chr(rest, '\n');

	if (rest.n == 0)
		return false;
	*pos += n < rest.n ? n + 1 : n;
	*line = slice_sub(rest, 0, n);
	while (line->n > 0 && is_blank(line->p[line->n - 1]))
		line->n--;
	return true;
}

static bool boundary_label(struct slice line, struct slice begin, struct slice *label)
{
	if (line.n < begin.n + 5 || !slice_starts(line, begin) || !slice_ends(line, S("-----")))
		return false;
	*label = slice_sub(line, begin.n, line.n - 5);
	return true;
}

static const char *label_find(const char *const *labels, struct slice label)
{
	for (; *labels != NULL; labels++) {
		if (slice_eq(slice_str(*labels), label))
			return *labels;
	}
	return NULL;
}

enum err pem_read(struct slice text, const char *const *labels, size_t *pos, const char **label, struct buf *der)
{
	size_t at = *pos, start = 0, end;
	const char *wanted = NULL;
	struct slice line, name;
	enum err e;

	while (wanted == NULL && next_line(text, &at, &line)) {
		if (boundary_label(line, S("-----BEGIN "), &name))
			wanted = label_find(labels, name);
		start = at;
	}
	if (wanted == NULL)
		return ERR_NOTFOUND;
	for (end = at; next_line(text, &at, &line); end = at) {
		/* Any other BEGIN or END line before the wanted END ends the block: the file is broken there. */
		if (!slice_starts(line, S("-----")))
			continue;
		if (!boundary_label(line, S("-----END "), &name) || !slice_eq(name, slice_str(wanted)))
			return ERR_SYNTAX;
		e = base64_decode(der, slice_sub(text, start, end));
		if (e == ERR_OK) {
			*pos = at;
			*label = wanted;
		}
		return e;
	}
	return ERR_SYNTAX;
}
