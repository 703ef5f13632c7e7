#include "sip/message/scan.h"

#include <arpa/inet.h>
#include <string.h>

#include "sip/message/limits.h"

/*
 * Classes of octets and the scanners over them. One table look-up answers what an octet may be; octets from 0x80 on are
 * UTF-8 of display names and the like.
 */

/* One letter for each combination of classes in the table. */
#define B (CHAR_LWS | CHAR_PLAIN)
#define E CHAR_LWS
#define A (CHAR_ALNUM | CHAR_TOKEN | CHAR_VALUE | CHAR_UNRESERVED | CHAR_PLAIN)
#define M (CHAR_TOKEN | CHAR_VALUE | CHAR_UNRESERVED | CHAR_PLAIN)
#define T (CHAR_TOKEN | CHAR_VALUE | CHAR_PLAIN)
#define V (CHAR_VALUE | CHAR_PLAIN)
#define U (CHAR_UNRESERVED | CHAR_PLAIN)
#define P CHAR_PLAIN

/* clang-format off */
const unsigned char char_class[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, B, E, 0, 0, E, 0, 0, /* 00 */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
	B, M, P, P, V, T, V, M, U, U, M, T, P, M, M, V, /* 20 */
	A, A, A, A, A, A, A, A, A, A, V, P, P, P, P, P, /* 30 */
	V, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* 40 */
	A, A, A, A, A, A, A, A, A, A, A, V, 0, V, P, M, /* 50 */
	T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* 60 */
	A, A, A, A, A, A, A, A, A, A, A, P, P, P, M, 0, /* 70 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 80 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 90 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* a0 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* b0 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* c0 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* d0 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* e0 */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* f0 */
};
/* clang-format on */

bool scan_is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN))
			return false;
	return s.n > 0;
}

bool scan_has_lone_line_end(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			return true;
		if (s.p[i] == '\r' && (++i == s.n || s.p[i] != '\n'))
			return true;
	}
	return false;
}

/*
 * hides_field: does a header field seem to begin where a fold goes on, or an empty line? Folds and blanks mean nothing
 * to who does not see them, so those in front and those before the colon are passed over. A From may have its address
 * on a line of its own, and no header field is called like its scheme.
 */
static bool hides_field(struct slice s)
{
	size_t n = 0;
	struct slice name;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	if (n == s.n || s.p[n] == '\r')
		return true;
	s = scan_skip(s);
	name = scan_token(&s);
	s = scan_skip(s);
	return s.n > 0 && s.p[0] == ':' && !slice_ieq(name, S("sip")) && !slice_ieq(name, S("sips")) &&
	       !slice_ieq(name, S("tel"));
}

void scan_blank(struct buf *b, size_t from)
{
	char *p = b->p + from, *end = b->p + b->n;

	while (end - p > 2 && (p = memchr(p, '\r', (size_t)(end - p) - 2)) != NULL) {
		if (memcmp(p, "\r\n\r", 3) == 0)
			return;
		if (p[1] == '\n' && (p[2] == ' ' || p[2] == '\t') &&
		    hides_field(slice_of(p + 2, (size_t)(end - p) - 2)))
			memset(p, ' ', 2);
		p++;
	}
}

bool scan_unfold(struct slice s, struct buf *out)
{
	size_t before = out->n;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool folds =
			c == '\r' && i + 2 < s.n && s.p[i + 1] == '\n' && (s.p[i + 2] == ' ' || s.p[i + 2] == '\t');

		if (!folds && c != '\t' && (c < ' ' || c == 0x7f)) {
			out->n = before;
			return false;
		}
		buf_addc(out, folds || c == '\t' ? ' ' : (char)c);
		if (!folds)
			continue;
		for (i += 2; i + 1 < s.n && (s.p[i + 1] == ' ' || s.p[i + 1] == '\t');)
			i++;
	}
	return true;
}

bool scan_is_ipv6(struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t extra;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	/*
	 * RFC 5118 4.10: the ABNF of RFC 3261 puts a third colon before an embedded IPv4 address, and senders that
	 * follow it must be tolerated.
	 */
	extra = slice_find(s, S(":::"), 0);
	if (extra + 2 == slice_rchr(s, ':') && slice_chr(s, '.') < s.n)
		memmove(text + extra, text + extra + 1, s.n - extra);
	return inet_pton(AF_INET6, text, &addr) == 1;
}

bool scan_is_host(struct slice s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return scan_is_ipv6(slice_sub(s, 1, s.n - 1));
	if (s.n == 0 || s.n > 255 || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		/* Underscores are not allowed in host names, but peers use them. */
		if (!char_is(s.p[i], CHAR_ALNUM) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
			return false;
		if (s.p[i] == '.' && i > 0 && s.p[i - 1] == '.')
			return false;
	}
	return true;
}

struct slice scan_skip(struct slice s)
{
	while (s.n > 0 && char_is(s.p[0], CHAR_LWS)) {
		s.p++;
		s.n--;
	}
	return s;
}

struct slice scan_token(struct slice *s)
{
	size_t n = 0;
	struct slice token;

	while (n < s->n && char_is(s->p[n], CHAR_TOKEN))
		n++;
	token = slice_sub(*s, 0, n);
	*s = slice_sub(*s, n, s->n);
	return token;
}

/* An escape hides the octet behind it, so that \" does not end the string. */
bool scan_quoted(struct slice *s, struct slice *inner)
{
	for (size_t i = 1; i < s->n; i++) {
		if (s->p[i] == '\\') {
			i++;
		} else if (s->p[i] == '"') {
			*inner = slice_sub(*s, 1, i);
			*s = slice_sub(*s, i + 1, s->n);
			return true;
		}
	}
	return false;
}

bool scan_list(struct slice *rest, struct slice *item, bool *bad)
{
	struct slice s = scan_skip(*rest);
	bool angle = false;
	size_t i = 0;

	*bad = false;
	if (s.n == 0)
		return false;
	for (; i < s.n; i++) {
		char c = s.p[i];

		if (char_is(c, CHAR_TOKEN | CHAR_LWS))
			continue;
		if (c == '"' && !angle) {
			struct slice from = slice_sub(s, i, s.n), inner;

			if (!scan_quoted(&from, &inner)) {
				*bad = true;
				return false;
			}
			/* Go on at the closing quote. */
			i = s.n - from.n - 1;
		} else if (c == '<') {
			angle = true;
		} else if (c == '>') {
			angle = false;
		} else if (c == ',' && !angle) {
			break;
		}
	}
	*item = slice_trim(slice_sub(s, 0, i));
	*rest = slice_sub(s, i + 1, s.n);
	/*
	 * An empty element, or a comma with nothing behind it, is a fault: readers differ about how many elements there
	 * are.
	 */
	if (item->n == 0 || (i < s.n && scan_skip(*rest).n == 0))
		*bad = true;
	return !*bad;
}

bool scan_list_has(struct slice list, struct slice token)
{
	struct slice item;
	bool bad;

	while (scan_list(&list, &item, &bad))
		if (slice_ieq(item, token))
			return true;
	return false;
}

bool scan_param(struct slice *rest, struct param *out, bool *bad)
{
	struct slice s = scan_skip(*rest);
	struct param p = {0};

	*bad = false;
	if (s.n == 0)
		return false;
	*bad = true;
	if (s.p[0] != ';')
		return false;
	s = scan_skip(slice_sub(s, 1, s.n));
	p.name = scan_token(&s);
	if (p.name.n == 0)
		return false;
	s = scan_skip(s);
	if (s.n > 0 && s.p[0] == '=') {
		s = scan_skip(slice_sub(s, 1, s.n));
		if (s.n > 0 && s.p[0] == '"') {
			p.quoted = true;
			if (!scan_quoted(&s, &p.value))
				return false;
		} else {
			size_t n = 0;

			while (n < s.n && char_is(s.p[n], CHAR_VALUE))
				n++;
			p.value = slice_sub(s, 0, n);
			s = slice_sub(s, n, s.n);
			if (n == 0)
				return false;
		}
		s = scan_skip(s);
	}
	if (s.n > 0 && s.p[0] != ';')
		return false;
	*bad = false;
	*rest = s;
	*out = p;
	return true;
}

bool scan_params_check(struct slice params)
{
	struct param p;
	unsigned count = 0;
	bool bad;

	while (scan_param(&params, &p, &bad))
		if (++count > SIP_PARAMS_MAX)
			return false;
	return !bad;
}

bool scan_param_find(struct slice params, struct slice name, struct param *out)
{
	struct param p;
	bool bad;

	while (scan_param(&params, &p, &bad)) {
		if (slice_ieq(p.name, name)) {
			*out = p;
			return true;
		}
	}
	return false;
}
