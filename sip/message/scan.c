#include "sip/message/scan.h"

#include <arpa/inet.h>
#include <string.h>

#include "sip/message/limits.h"

bool is_lws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_token_char(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("-.!%*_+`'~", c) != NULL);
}

bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

bool is_ipv6_text(struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t extra;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	/* RFC 5118 4.10: the ABNF of RFC 3261 has a third colon before an IPv4 address; it must be tolerated. */
	extra = slice_find(s, S(":::"), 0);
	if (extra + 2 == slice_rchr(s, ':') && slice_chr(s, '.') < s.n)
		memmove(text + extra, text + extra + 1, s.n - extra);
	return inet_pton(AF_INET6, text, &addr) == 1;
}

bool is_host(struct slice s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return is_ipv6_text(slice_sub(s, 1, s.n - 1));
	if (s.n == 0 || s.n > 255 || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		/* Underscores are no host names, but peers have them. */
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
			return false;
		if (s.p[i] == '.' && i > 0 && s.p[i - 1] == '.')
			return false;
	}
	return true;
}

struct slice scan_skip(struct slice s)
{
	while (s.n > 0 && is_lws(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

struct slice scan_token(struct slice *s)
{
	size_t n = 0;
	struct slice token;

	while (n < s->n && is_token_char(s->p[n]))
		n++;
	token = slice_sub(*s, 0, n);
	*s = slice_sub(*s, n, s->n);
	return token;
}

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

bool list_next(struct slice *rest, struct slice *item, bool *bad)
{
	struct slice s = scan_skip(*rest);
	bool angle = false;
	size_t i = 0;

	*bad = false;
	if (s.n == 0)
		return false;
	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '"' && !angle) {
			struct slice from = slice_sub(s, i, s.n), inner;

			if (!scan_quoted(&from, &inner)) {
				*bad = true;
				return false;
			}
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
	/* An empty element, or a comma with nothing behind it. */
	if (item->n == 0 || (i < s.n && scan_skip(*rest).n == 0))
		*bad = true;
	return !*bad;
}

bool list_has(struct slice list, struct slice token)
{
	struct slice item;
	bool bad;

	while (list_next(&list, &item, &bad))
		if (slice_ieq(item, token))
			return true;
	return false;
}

/* A value that is not quoted: token, host (with colons and brackets) and whatever else generic-param's peers send. */
static bool is_value_char(char c)
{
	return is_token_char(c) || (c != '\0' && strchr("[]:/@$&", c) != NULL) || (unsigned char)c >= 0x80;
}

bool param_next(struct slice *rest, struct param *out, bool *bad)
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

			while (n < s.n && is_value_char(s.p[n]))
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

bool params_check(struct slice params)
{
	struct param p;
	unsigned count = 0;
	bool bad;

	while (param_next(&params, &p, &bad))
		if (++count > SIP_PARAMS_MAX)
			return false;
	return !bad;
}

bool param_find(struct slice params, struct slice name, struct param *out)
{
	struct param p;
	bool bad;

	while (param_next(&params, &p, &bad)) {
		if (slice_ieq(p.name, name)) {
			*out = p;
			return true;
		}
	}
	return false;
}
