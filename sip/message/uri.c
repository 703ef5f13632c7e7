#include "sip/message/uri.h"

#include <string.h>

#include "sip/message/limits.h"
#include "sip/message/scan.h"

/*
 * URIs are cut from left to right. "@" is looked for first, because the user part may have ";" and "?" unescaped (RFC
 * 3261 25.1), and what stands behind the first "@" is never a user part.
 */

/* RFC 2396 2.2 "reserved": an escaped one is not the same as the character. */
static bool is_reserved(char c)
{
	return c != '\0' && strchr(";/?:@&=+$,", c) != NULL;
}

static bool is_user_char(char c)
{
	return char_is(c, CHAR_UNRESERVED) || (c != '\0' && strchr("&=+$,;?/", c) != NULL);
}

/*
 * octet_at: the octet at *i, with an escape resolved; *i goes behind it. -1, and *i stays, for "%" without two digits.
 * Parsed URIs have no such escapes.
 */
static int octet_at(struct slice s, size_t *i)
{
	int hi, lo;

	if (s.p[*i] != '%')
		return (unsigned char)s.p[(*i)++];
	if (s.n - *i < 3)
		return -1;
	hi = ascii_hex(s.p[*i + 1]);
	lo = ascii_hex(s.p[*i + 2]);
	if (hi < 0 || lo < 0)
		return -1;
	*i += 3;
	return hi * 16 + lo;
}

struct slice uri_plain(struct slice s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; n++) {
		int c = octet_at(s, &i);

		if (c < 0 || n == size)
			return SLICE_NONE;
		out[n] = (char)c;
	}
	return slice_of(out, n);
}

/* Are all characters unreserved, escaped, or among more? */
static bool chars_ok(struct slice s, const char *more)
{
	for (size_t i = 0; i < s.n;) {
		char c = s.p[i];

		if (char_is(c, CHAR_UNRESERVED)) {
			i++;
			continue;
		}
		if (c != '%' && (c == '\0' || strchr(more, c) == NULL))
			return false;
		if (octet_at(s, &i) < 0)
			return false;
	}
	return true;
}

/*
 * parse_other: a scheme, ":" and no octet that could end a header value or an addr-spec: enough for a URI that is only
 * passed on.
 */
static enum err parse_other(struct slice s)
{
	size_t colon = slice_chr(s, ':');

	if (colon == 0 || colon == s.n || colon + 1 == s.n)
		return ERR_SYNTAX;
	for (size_t i = 0; i < colon; i++) {
		char c = ascii_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && (i == 0 || c == '\0' || strchr("0123456789+-.", c) == NULL))
			return ERR_SYNTAX;
	}
	for (size_t i = colon; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || strchr("\x7f<>\"|", s.p[i]) != NULL)
			return ERR_SYNTAX;
	return ERR_OK;
}

static enum err parse_hostport(struct slice s, struct uri *u)
{
	size_t end = s.n > 0 && s.p[0] == '[' ? slice_chr(s, ']') + 1 : slice_chr(s, ':');

	if (end > s.n)
		return ERR_SYNTAX;
	u->host = slice_sub(s, 0, end);
	if (!scan_is_host(u->host))
		return ERR_SYNTAX;
	if (end == s.n)
		return ERR_OK;
	if (s.p[end] != ':' || !slice_u32(slice_sub(s, end + 1, s.n), 65535, &u->port) || u->port == 0)
		return ERR_SYNTAX;
	return ERR_OK;
}

static enum err parse_sip(struct slice s, struct uri *u)
{
	size_t at = slice_chr(s, '@');
	struct slice rest = s;
	size_t end;

	if (at < s.n) {
		struct slice userinfo = slice_sub(s, 0, at);

		if (!slice_cut(userinfo, ':', &u->user, &u->password))
			u->user = userinfo;
		if (u->user.n == 0 || !chars_ok(u->user, "&=+$,;?/") || !chars_ok(u->password, "&=+$,"))
			return ERR_SYNTAX;
		rest = slice_sub(s, at + 1, s.n);
	}
	end = slice_chr(rest, '?');
	if (end < rest.n) {
		u->headers = slice_sub(rest, end + 1, rest.n);
		if (u->headers.n == 0 || !chars_ok(u->headers, "&=[]/?:+$"))
			return ERR_SYNTAX;
		rest = slice_sub(rest, 0, end);
	}
	end = slice_chr(rest, ';');
	u->params = slice_sub(rest, end, rest.n);
	if (!chars_ok(u->params, ";=[]/:&+$") || slice_find(u->params, S(";;"), 0) < u->params.n ||
	    (u->params.n > 0 && u->params.p[u->params.n - 1] == ';'))
		return ERR_SYNTAX;
	return parse_hostport(slice_sub(rest, 0, end), u);
}

enum err uri_parse(struct slice s, struct uri *out)
{
	struct uri u = {.text = s};
	enum err e;

	if (s.n > SIP_URI_MAX)
		return ERR_LIMIT;
	if (slice_istarts(s, S("sip:")))
		u.scheme = URI_SIP;
	else if (slice_istarts(s, S("sips:")))
		u.scheme = URI_SIPS;
	if (u.scheme == URI_OTHER)
		e = parse_other(s);
	else
		e = parse_sip(slice_sub(s, u.scheme == URI_SIP ? 4 : 5, s.n), &u);
	if (e == ERR_OK)
		*out = u;
	return e;
}

/* next_pair: cuts the next ";name=value" or "&name=value" off *rest. false at the end. */
static bool next_pair(struct slice *rest, char sep, struct slice *name, struct slice *value)
{
	struct slice s = *rest;
	size_t end;

	if (s.n > 0 && s.p[0] == sep)
		s = slice_sub(s, 1, s.n);
	if (s.n == 0)
		return false;
	end = slice_chr(s, sep);
	*rest = slice_sub(s, end, s.n);
	s = slice_sub(s, 0, end);
	if (!slice_cut(s, '=', name, value)) {
		*name = s;
		*value = SLICE_NONE;
	}
	return true;
}

bool uri_param(const struct uri *u, struct slice name, struct slice *value)
{
	struct slice rest = u->params, n, v;

	while (next_pair(&rest, ';', &n, &v)) {
		if (slice_ieq(n, name)) {
			*value = v;
			return true;
		}
	}
	return false;
}

/*
 * text_equal: equal once escapes are resolved. RFC 3261 19.1.4: "%HH" equals the character, unless that is reserved.
 * fold: without case.
 */
static bool text_equal(struct slice a, struct slice b, bool fold)
{
	size_t i = 0, j = 0;

	while (i < a.n && j < b.n) {
		bool same_form = (a.p[i] == '%') == (b.p[j] == '%');
		int x = octet_at(a, &i), y = octet_at(b, &j);

		if (!same_form && is_reserved((char)x))
			return false;
		if (fold) {
			x = ascii_lower((char)x);
			y = ascii_lower((char)y);
		}
		if (x != y)
			return false;
	}
	return i == a.n && j == b.n;
}

/*
 * must_be_in_both: these parameters count even if only one of the two URIs has them (RFC 3261 19.1.4). Any other one is
 * ignored then.
 */
static bool must_be_in_both(struct slice name)
{
	return slice_ieq(name, S("user")) || slice_ieq(name, S("ttl")) || slice_ieq(name, S("method")) ||
	       slice_ieq(name, S("maddr")) || slice_ieq(name, S("transport"));
}

static bool params_cover(const struct uri *a, const struct uri *b)
{
	struct slice rest = a->params, name, value, other;

	while (next_pair(&rest, ';', &name, &value)) {
		if (!uri_param(b, name, &other)) {
			if (must_be_in_both(name))
				return false;
		} else if (!text_equal(value, other, true)) {
			return false;
		}
	}
	return true;
}

static bool headers_cover(struct slice a, struct slice b)
{
	struct slice rest = a, name, value;

	while (next_pair(&rest, '&', &name, &value)) {
		struct slice others = b, n, v;
		bool found = false;

		while (!found && next_pair(&others, '&', &n, &v))
			found = text_equal(name, n, true) && text_equal(value, v, false);
		if (!found)
			return false;
	}
	return true;
}

bool uri_equal(const struct uri *a, const struct uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	/* Equal octets are equal URIs, also where a parameter is there twice, which RFC 3261 19.1.1 forbids. */
	if (slice_eq(a->text, b->text))
		return true;
	if (a->scheme == URI_OTHER)
		return false;
	if ((a->user.p == NULL) != (b->user.p == NULL) || (a->password.p == NULL) != (b->password.p == NULL))
		return false;
	return text_equal(a->user, b->user, false) && text_equal(a->password, b->password, false) &&
	       slice_ieq(a->host, b->host) && a->port == b->port && params_cover(a, b) && params_cover(b, a) &&
	       headers_cover(a->headers, b->headers) && headers_cover(b->headers, a->headers);
}

struct slice uri_domain(const struct uri *u)
{
	size_t n = u->host.n;

	return slice_sub(u->host, 0, n > 1 && u->host.p[n - 1] == '.' ? n - 1 : n);
}

struct slice uri_target(const struct uri *u)
{
	return u->headers.p == NULL ? u->text : slice_of(u->text.p, (size_t)(u->headers.p - u->text.p) - 1);
}

enum err uri_aor(const struct uri *u, struct buf *out)
{
	struct slice host = uri_domain(u);
	static const char digits[] = "0123456789ABCDEF";
	size_t start = out->n;

	if (u->scheme == URI_OTHER)
		return ERR_UNSUPPORTED;
	if (u->user.n == 0)
		return ERR_NOTFOUND;
	buf_add(out, S("sip:"));
	for (size_t i = 0; i < u->user.n;) {
		int c = octet_at(u->user, &i);

		/*
		 * One spelling for each user: characters that need no escape have none, all others have %XX in upper
		 * case.
		 */
		if (is_user_char((char)c)) {
			buf_addc(out, (char)c);
		} else {
			buf_addc(out, '%');
			buf_addc(out, digits[(c >> 4) & 15]);
			buf_addc(out, digits[c & 15]);
		}
	}
	buf_addc(out, '@');
	for (size_t i = 0; i < host.n; i++)
		buf_addc(out, ascii_lower(host.p[i]));
	if (out->n - start > SIP_AOR_MAX) {
		out->n = start;
		out->p[start] = '\0';
		return ERR_LIMIT;
	}
	return ERR_OK;
}
