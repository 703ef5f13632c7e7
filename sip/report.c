#include "sip/report.h"

#include <stdio.h>
#include <string.h>

#include "sip/message/date.h"

/* Events of verbs, and escaping for terminals and JSON. Only values are escaped; names are ours. */

/* utf8_length: the octets of the first character of s (RFC 3629 4), which is not empty; 0: it is not well-formed. */
static size_t utf8_length(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF (RFC 3629 3). */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/*
 * control_of: the control character that begins s: C0, DEL, or C1 (in UTF-8: c2 and its number); NUL is 0x100. 0: none.
 */
static unsigned control_of(struct slice s, size_t length)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (length == 1 && (p[0] < 0x20 || p[0] == 0x7f))
		return p[0] != 0 ? p[0] : 0x100;
	return length == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? p[1] : 0;
}

void report_json(struct buf *out, struct slice s)
{
	size_t n;

	buf_addc(out, '"');
	for (; s.n > 0; s = slice_sub(s, n > 0 ? n : 1, s.n)) {
		unsigned control;

		n = utf8_length(s);
		control = control_of(s, n);
		if (n == 0)
			buf_adds(out, "\\ufffd"); /* JSON strings have characters, not octets */
		else if (s.p[0] == '"' || s.p[0] == '\\')
			buf_addf(out, "\\%c", s.p[0]);
		else if (control == '\n')
			buf_adds(out, "\\n");
		else if (control != 0)
			buf_addf(out, "\\u%04x", control & 0xff);
		else
			buf_add(out, slice_sub(s, 0, n));
	}
	buf_addc(out, '"');
}

void report_shell(struct buf *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:@%,";

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
		buf_adds(out, word);
		return;
	}
	buf_addc(out, '\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *word);
	buf_addc(out, '\'');
}

void report_plain(struct buf *out, struct slice s)
{
	size_t n;

	for (; s.n > 0; s = slice_sub(s, n > 0 ? n : 1, s.n)) {
		n = utf8_length(s);
		if (n > 0 && (s.p[0] == '\t' || control_of(s, n) == 0)) {
			buf_add(out, slice_sub(s, 0, n));
			continue;
		}
		for (size_t i = 0; i < (n > 0 ? n : 1); i++)
			buf_addf(out, "\\x%02x", (unsigned char)s.p[i]);
	}
}

/* add_name: a name with what separates it from the value before. */
static void add_name(struct report *r, const char *name)
{
	if (r->json)
		buf_addf(&r->out, ",\"%s\":", name);
	else
		buf_addf(&r->out, "  %-12s ", name);
}

static void add_line(struct buf *out, struct slice s)
{
	report_plain(out, s);
	buf_addc(out, '\n');
}

void report_start(struct report *r, bool json, const char *event, const char *aor)
{
	r->json = json;
	if (json) {
		buf_addf(&r->out, "{\"event\":\"%s\"", event);
		report_text(r, "aor", slice_str(aor));
	} else {
		buf_addf(&r->out, "%s ", event);
		add_line(&r->out, slice_str(aor));
	}
}

void report_text(struct report *r, const char *name, struct slice value)
{
	add_name(r, name);
	if (r->json)
		report_json(&r->out, value);
	else
		add_line(&r->out, value);
}

void report_bool(struct report *r, const char *name, bool value)
{
	add_name(r, name);
	buf_adds(&r->out, r->json ? (value ? "true" : "false") : (value ? "yes\n" : "no\n"));
}

void report_time(struct report *r, const char *name, int64_t t)
{
	char date[DATE_SIZE];

	add_name(r, name);
	date_format(t, date);
	if (r->json)
		buf_addf(&r->out, "%lld", (long long)t);
	else
		buf_addf(&r->out, "%s\n", date);
}

void report_block(struct report *r, const char *name, struct slice text)
{
	if (r->json)
		report_text(r, name, text);
	else
		buf_add(&r->out, text);
}

/* One write for each event, so that lines of several programs on one terminal do not mix. */
void report_end(struct report *r)
{
	if (r->json)
		buf_adds(&r->out, "}\n");
	fwrite(r->out.p, 1, r->out.n, stdout);
	fflush(stdout);
	buf_free(&r->out);
}
