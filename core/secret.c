#include "core/secret.h"

#include <string.h>

#define FIELD "authorization"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *list)
{
	return c != '\0' && strchr(list, c) != NULL;
}

/* What a password may have, and what a user part may have besides (RFC 3261 25.1); escapes included. */
static bool is_of_password(char c)
{
	return is_alnum(c) || is_one_of(c, "-_.!~*'()&=+$,%");
}

static bool is_of_user(char c)
{
	return is_of_password(c) || is_one_of(c, ";?/");
}

static bool ends_in(struct slice text, struct slice word)
{
	return text.n >= word.n && slice_ieq(slice_sub(text, text.n - word.n, text.n), word);
}

/* behind_user: is there "sip:user" or "sips:user" before this colon? */
static bool behind_user(struct slice text, size_t colon)
{
	size_t user = colon;

	while (user > 0 && is_of_user(text.p[user - 1]))
		user--;
	return user < colon && user > 0 && text.p[user - 1] == ':' &&
	       (ends_in(slice_sub(text, 0, user - 1), S("sip")) || ends_in(slice_sub(text, 0, user - 1), S("sips")));
}

static size_t password_length(struct slice text, size_t at)
{
	size_t end = at;

	while (end < text.n && is_of_password(text.p[end]))
		end++;
	return end < text.n && text.p[end] == '@' && behind_user(text, at - 1) ? end - at : 0;
}

/* field_length: of the value of "?Authorization=", "&Proxy-Authorization=" and the like. */
static size_t field_length(struct slice text, size_t at)
{
	size_t end = at;

	if (!ends_in(slice_sub(text, 0, at - 1), S(FIELD)))
		return 0;
	while (end < text.n && !is_one_of(text.p[end], "&> \t\"\r\n"))
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
