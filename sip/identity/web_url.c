#include "sip/identity/web_url.h"

#include "sip/message/scan.h"

/* The URLs of Identity-Info (RFC 4474 9): pure functions on text. */

/* A backslash is taken for a slash by some readers of URLs, and would end the host for them. */
static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '\\')
			return false;
	}
	return true;
}

bool web_url_parse(struct slice url, struct web_url *out)
{
	struct web_url u = {.https = slice_istarts(url, S("https://"))};
	struct slice rest = slice_sub(url, u.https ? 8 : 7, url.n);
	size_t end = 0, colon;
	uint32_t port;

	if (url.n > WEB_URL_MAX || !printable(url) || (!u.https && !slice_istarts(url, S("http://"))))
		return false;
	while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?' && rest.p[end] != '#')
		end++;
	u.authority = slice_sub(rest, 0, end);
	rest = slice_sub(rest, end, rest.n);
	u.target = slice_sub(rest, 0, slice_chr(rest, '#'));
	u.host = u.authority;
	u.port = u.https ? 443 : 80;
	colon = slice_rchr(u.authority, ':');
	/* A colon inside brackets belongs to an IPv6 address. */
	if (colon < u.authority.n &&
	    slice_chr(slice_sub(u.authority, colon, u.authority.n), ']') == u.authority.n - colon) {
		if (!slice_u32(slice_sub(u.authority, colon + 1, u.authority.n), 65535, &port) || port == 0)
			return false;
		u.port = (uint16_t)port;
		u.host = slice_sub(u.authority, 0, colon);
	}
	if (!scan_is_host(u.host)) /* refuses "user@host", too */
		return false;
	if (u.host.p[0] == '[')
		u.host = slice_sub(u.host, 1, u.host.n - 1);
	*out = u;
	return true;
}
