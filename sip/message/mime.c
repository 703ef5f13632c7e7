#include "sip/message/mime.h"

#include <string.h>

#include "sip/message/proto.h"

/*
 * Multiparts. Bodies are binary DER, so a delimiter counts only at the start of a line and with nothing but blanks
 * behind it; anything else that looks like one is data.
 */

bool mime_boundary(const struct media *m, struct slice *boundary)
{
	struct param p;

	if (!scan_param_find(m->params, S("boundary"), &p) || p.value.n == 0 || p.value.n > 70)
		return false;
	/*
	 * RFC 2046 5.1.1: boundary characters have no backslash, so a quoted value has no escapes; a blank at the end
	 * is not allowed.
	 */
	for (size_t i = 0; i < p.value.n; i++)
		if ((unsigned char)p.value.p[i] < 0x20 || (unsigned char)p.value.p[i] > 0x7e || p.value.p[i] == '\\')
			return false;
	if (p.value.p[p.value.n - 1] == ' ')
		return false;
	*boundary = p.value;
	return true;
}

struct delimiter {
	size_t start; /* where the part before it ends: the CR LF in front belongs to the delimiter */
	size_t end;   /* behind its line */
	bool close;   /* "--boundary--", or a delimiter at the very end */
};

/* delimiter_at: is there a delimiter line at index at ("--boundary", blanks, CR LF)? */
static bool delimiter_at(struct slice body, struct slice boundary, size_t at, struct delimiter *d)
{
	size_t i = at + 2 + boundary.n;

	if (!slice_starts(slice_sub(body, at, body.n), S("--")) ||
	    !slice_starts(slice_sub(body, at + 2, body.n), boundary))
		return false;
	d->close = slice_starts(slice_sub(body, i, body.n), S("--"));
	if (d->close)
		i += 2;
	while (i < body.n && (body.p[i] == ' ' || body.p[i] == '\t'))
		i++;
	if (i == body.n) {
		d->close = true;
		d->end = i;
		return true;
	}
	/* Anything else behind the boundary is a longer boundary of an inner multipart, or data. */
	if (!slice_starts(slice_sub(body, i, body.n), S("\r\n")))
		return false;
	d->end = i + 2;
	if (d->end == body.n)
		d->close = true;
	return true;
}

static bool next_delimiter(struct slice body, struct slice boundary, size_t from, struct delimiter *d)
{
	if (from == 0 && delimiter_at(body, boundary, 0, d)) {
		d->start = 0;
		return true;
	}
	/*
	 * A delimiter may follow the last one at once. Its CR LF is then the two octets before from, so the search
	 * begins there.
	 */
	for (size_t at = from >= 2 ? from - 2 : 0;; at += 2) {
		at = slice_find(body, S("\r\n--"), at);
		if (at == body.n)
			return false;
		if (delimiter_at(body, boundary, at + 2, d)) {
			d->start = at < from ? from : at;
			return true;
		}
	}
}

static void part_header(struct mime_part *part, struct slice line)
{
	struct slice name, value;

	if (!slice_cut(line, ':', &name, &value))
		return;
	name = slice_trim(name);
	value = slice_trim(value);
	switch (header_of(name)) {
	case HDR_CONTENT_TYPE:
		part->content_type = value;
		break;
	case HDR_CONTENT_DISPOSITION:
		part->disposition = value;
		break;
	case HDR_CONTENT_TRANSFER_ENCODING:
		part->encoding = value;
		break;
	default:
		break;
	}
}

/* parse_part: the lines of the head up to the empty line, then the body. A folded line belongs to the one before. */
static bool parse_part(struct slice text, struct mime_part *part)
{
	size_t at = 0;

	*part = (struct mime_part){0};
	while (!slice_starts(slice_sub(text, at, text.n), S("\r\n"))) {
		size_t end = at;

		do {
			end = slice_find(text, S("\r\n"), end == at ? end : end + 2);
		} while (end + 2 < text.n && (text.p[end + 2] == ' ' || text.p[end + 2] == '\t'));
		if (end == text.n)
			return false;
		part_header(part, slice_sub(text, at, end));
		at = end + 2;
	}
	part->body = slice_sub(text, at + 2, text.n);
	return true;
}

enum err mime_parse(struct slice body, struct slice boundary, struct mime_part *parts, unsigned max, unsigned *count)
{
	struct delimiter d;
	unsigned n = 0;

	if (!next_delimiter(body, boundary, 0, &d))
		return ERR_SYNTAX;
	while (!d.close) {
		size_t from = d.end;

		if (n == max)
			return ERR_LIMIT;
		if (!next_delimiter(body, boundary, from, &d))
			d = (struct delimiter){.start = body.n, .end = body.n, .close = true};
		if (!parse_part(slice_sub(body, from, d.start), &parts[n]))
			return ERR_SYNTAX;
		n++;
	}
	*count = n;
	return ERR_OK;
}

void mime_add_part(struct buf *out, struct slice boundary, const char *content_type, struct slice body)
{
	if (out->n > 0)
		buf_add(out, S("\r\n"));
	buf_add(out, S("--"));
	buf_add(out, boundary);
	buf_addf(out, "\r\nContent-Type: %s\r\nContent-Transfer-Encoding: binary\r\n\r\n", content_type);
	buf_add(out, body);
}

void mime_close(struct buf *out, struct slice boundary)
{
	buf_add(out, S("\r\n--"));
	buf_add(out, boundary);
	buf_add(out, S("--\r\n"));
}
