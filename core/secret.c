#include "core/secret.h"

#include <string.h>

#define FIELD "authorization"
#define NAME 64 /* octets of a name that are looked at */

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *list)
{
	return c != '\0' && strchr(list, c) != NULL;
}

/* ends_uri: what follows a URI, wherever one stands. A password may have anything else, by mistake. */
static bool ends_uri(char c)
{
	return is_one_of(c, "<>\" \t\r\n");
}

static bool ends_in(struct slice text, struct slice word)
{
	return text.n >= word.n && slice_ieq(slice_sub(text, text.n - word.n, text.n), word);
}

/* behind_user: is there "sip:user", "https://user" or the like before this colon? */
static bool behind_user(struct slice text, size_t colon)
{
	size_t user = colon, scheme;

	while (user > 0 && !ends_uri(text.p[user - 1]) && !is_one_of(text.p[user - 1], ":@"))
		user--;
	if (user == colon || user == 0 || text.p[user - 1] != ':')
		return false;
	for (scheme = user - 1; scheme > 0 && is_alpha(text.p[scheme - 1]); scheme--)
		;
	return scheme < user - 1;
}

/* password_length: to the last @ of the URI, since one may be in the password. */
static size_t password_length(struct slice text, size_t at)
{
	size_t last = at;

	for (size_t i = at; i < text.n && !ends_uri(text.p[i]); i++)
		if (text.p[i] == '@')
			last = i;
	return last > at && behind_user(text, at - 1) ? last - at : 0;
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* name_of: the name of the header field before this "=", its escapes resolved. */
static struct slice name_of(struct slice text, size_t equals, char out[NAME])
{
	size_t at = equals, n = 0;

	while (at > 0 && !ends_uri(text.p[at - 1]) && !is_one_of(text.p[at - 1], "?&"))
		at--;
	for (; at < equals && n < NAME; at++) {
		bool escaped =
			text.p[at] == '%' && equals - at > 2 && hex(text.p[at + 1]) >= 0 && hex(text.p[at + 2]) >= 0;

		out[n++] = escaped ? (char)(hex(text.p[at + 1]) << 4 | hex(text.p[at + 2])) : text.p[at];
		at += escaped ? 2 : 0;
	}
	return slice_of(out, n);
}

/* field_length: of the value of "?Authorization=", "&Proxy-Authorization=" and the like. */
static size_t field_length(struct slice text, size_t at)
{
	char name[NAME];
	size_t end = at;

	if (!ends_in(name_of(text, at - 1, name), S(FIELD)))
		return 0;
	while (end < text.n && !ends_uri(text.p[end]) && text.p[end] != '&')
		end++;
	return end - at;
}

size_t secret_length(struct slice text, size_t at)
{
	if (at == 0 || at >= text.n)
		return 0;
	if (text.p[at - 1] == ':')
		return password_length(text, at);
	return text.p[at - 1] == '=' ? field_length(text, at) : 0;
}

void secret_hide(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		size_t n = secret_length(text, i);

		if (n > 0) {
			buf_adds(out, SECRET_HIDDEN);
			i += n - 1;
		} else {
			buf_addc(out, text.p[i]);
		}
	}
}
