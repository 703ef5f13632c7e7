#include "sip/ua/capture.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sip/message/date.h"
#include "store/named.h"

/* Reading saved requests for the verbs verify and sign. */

#define CAPTURE_MAX (1u << 20) /* octets of a file; no transport carries more */
#define TIME_MAX 253402300799  /* the end of the year 9999 */

/* read_stdin: all of standard input, at most CAPTURE_MAX octets. */
static bool read_stdin(struct buf *out, struct buf *why)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf_reserve(out, 16384), 16384)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			buf_addf(why, "standard input cannot be read: %s", strerror(errno));
			return false;
		}
		buf_commit(out, (size_t)n);
		if (out->n > CAPTURE_MAX) {
			buf_addf(why, "standard input is larger than %u octets", CAPTURE_MAX);
			return false;
		}
	}
	return true;
}

/* Counts the lines of the head by their ends. ended: the empty line behind it is there. */
struct lines {
	unsigned crlf, lf;
	bool ended;
};

/* look_at_lines: counts until the empty line that ends the head. */
static struct lines look_at_lines(struct slice s)
{
	struct lines l = {0};

	while (s.n > 0 && !l.ended) {
		size_t end = slice_chr(s, '\n');
		bool cr = end > 0 && end < s.n && s.p[end - 1] == '\r';

		if (end < s.n) {
			l.crlf += cr;
			l.lf += !cr;
			l.ended = end == (cr ? 1 : 0);
		}
		s = slice_sub(s, end + 1, s.n);
	}
	return l;
}

/* give_crlf: rewrites the line ends of the head, up to the empty line. The body is copied as it is. */
static void give_crlf(struct buf *octets)
{
	struct slice s = buf_slice(octets);
	struct buf out = {0};

	for (bool empty = false; s.n > 0 && !empty;) {
		size_t end = slice_chr(s, '\n');

		empty = end == 0;
		buf_add(&out, slice_sub(s, 0, end));
		if (end < s.n)
			buf_adds(&out, "\r\n");
		s = slice_sub(s, end + 1, s.n);
	}
	buf_add(&out, s);
	buf_free(octets);
	*octets = out;
}

/* set_lines_right: a head with both kinds of line ends is left alone, because no receiver would take it either. */
static void set_lines_right(const struct command *c, const char *file, struct buf *octets)
{
	struct lines l;
	size_t blank = 0;

	while (blank < octets->n && (octets->p[blank] == '\r' || octets->p[blank] == '\n'))
		blank++;
	buf_drop(octets, blank);
	l = look_at_lines(buf_slice(octets));
	if (l.lf > 0 && l.crlf > 0) {
		usage_say(c->usage, 0,
			  "%s: %u lines of the head end in LF alone and %u in CR LF; they are left so, and a receiver "
			  "does not take that",
			  file, l.lf, l.crlf);
		return;
	}
	if (l.lf > 0) {
		usage_say(
			c->usage, 0,
			"%s: the lines of the head end in LF; they are taken as CR LF, which no signature covers. The "
			"body is left as it is: save messages without a change of line ends",
			file);
		give_crlf(octets);
	}
	if (!l.ended && slice_ends(buf_slice(octets), S("\r\n"))) {
		usage_say(c->usage, 0, "%s: the empty line behind the header fields is missing and was added", file);
		buf_adds(octets, "\r\n");
	}
}

bool capture_read(const struct command *c, const char *file, struct capture *out, int *code)
{
	bool is_stdin = strcmp(file, "-") == 0;
	const char *name = is_stdin ? "standard input" : file, *fault;
	struct buf why = {0};
	size_t used;

	*out = (struct capture){.name = name, .tail = S("")};
	*code = EXIT_LOCAL;
	if (is_stdin ? !read_stdin(&out->octets, &why) : !named_read(file, false, CAPTURE_MAX, &out->octets, &why)) {
		usage_say(c->usage, 0, "%s", why.p);
		buf_free(&why);
		return false;
	}
	set_lines_right(c, name, &out->octets);
	if (out->octets.n == 0) {
		usage_say(c->usage, 0, "%s is empty; expected a SIP request", name);
		return false;
	}
	if (msg_parse(buf_slice(&out->octets), &out->m, &fault) != ERR_OK) {
		usage_say(c->usage, 0,
			  "%s is no SIP request that can be read: %s; expected all of it, from the request line to the "
			  "end of the body, with an empty line behind the header fields",
			  name, fault);
		return false;
	}
	if (!out->m->request) {
		usage_say(c->usage, 0, "%s is a response (%u); only requests are signed (RFC 4474 9)", name,
			  out->m->status);
		return false;
	}
	/* msg_parse keeps a copy of its own, so the length is counted there, and tail is taken from octets. */
	used = (size_t)(out->m->body.p - out->m->raw.p) + out->m->body.n;
	out->tail = slice_sub(buf_slice(&out->octets), used, out->octets.n);
	return true;
}

void capture_free(struct capture *in)
{
	msg_unref(in->m);
	buf_free(&in->octets);
}

bool capture_time(const struct command *c, int64_t *now, int *code)
{
	struct slice at = slice_str(c->at);
	uint64_t seconds;

	if (at.p == NULL) {
		*now = time(NULL);
		return true;
	}
	if (slice_u64(at, TIME_MAX, &seconds)) {
		*now = (int64_t)seconds;
		return true;
	}
	if (date_parse_utc(at, now) == ERR_OK)
		return true;
	*code = usage_wrong(c->usage, "--at %s: expected a time like 2026-06-01T12:00:00Z, or seconds since 1970",
			    c->at);
	return false;
}
