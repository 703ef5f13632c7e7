#include "core/ini.h"

/*
 * Reads INI text line by line. The text is the configuration or an account file, which an administrator wrote, so
 * errors name the line and what was expected there.
 */

/* Control characters in a value could forge lines of the log, or header fields where a value goes into a message. */
static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* one_line: handles the trimmed line l. Returns NULL, or what was expected in its place. *go: what fn returned. */
static const char *one_line(struct slice l, struct slice *section, ini_fn fn, void *arg, unsigned line, bool *go)
{
	struct slice key, value;

	if (l.n == 0 || l.p[0] == '#' || l.p[0] == ';')
		return NULL;
	if (!printable(l))
		return "text without control characters";
	if (l.p[0] == '[') {
		if (l.p[l.n - 1] != ']' || l.n < 3)
			return "\"[section]\"";
		*section = slice_trim(slice_sub(l, 1, l.n - 1));
		return NULL;
	}
	if (!slice_cut(l, '=', &key, &value) || slice_trim(key).n == 0)
		return "\"key = value\", \"[section]\" or a comment that begins with #";
	*go = fn(arg, *section, slice_trim(key), slice_trim(value), line);
	return NULL;
}

enum err ini_parse(struct slice text, ini_fn fn, void *arg, unsigned *line, const char **why)
{
	struct slice section = S("");
	unsigned number = 0;
	size_t at = 0;

	while (at < text.n) {
		struct slice rest = slice_sub(text, at, text.n);
		size_t end = slice_chr(rest, '\n');
		const char *expected;
		bool go = true;

		number++;
		at += end + 1;
		expected = one_line(slice_trim(slice_sub(rest, 0, end)), &section, fn, arg, number, &go);
		if (expected != NULL) {
			*line = number;
			*why = expected;
			return ERR_SYNTAX;
		}
		if (!go)
			return ERR_CLOSED;
	}
	return ERR_OK;
}

struct slice ini_line(struct slice text, unsigned number)
{
	struct slice line = text, rest = text;

	for (; number > 0; number--) {
		size_t end = slice_chr(rest, '\n');

		line = slice_sub(rest, 0, end < 80 ? end : 80);
		rest = slice_sub(rest, end + 1, rest.n);
	}
	return slice_trim(line);
}
