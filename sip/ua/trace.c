#include "sip/ua/trace.h"

#include <stdio.h>

/* Text for a terminal: what the peer wrote must not steer it. */
static void put(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\t' || (c >= 0x20 && c != 0x7f))
			putc(c, stderr);
		else if (c != '\r')
			fprintf(stderr, "\\x%02x", c);
	}
	putc('\n', stderr);
}

void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets)
{
	size_t end = slice_find(octets, S("\r\n\r\n"), 0);
	struct slice head = slice_sub(octets, 0, end), line, rest = head;
	size_t body = octets.n - end > 4 ? octets.n - end - 4 : 0;
	bool hidden = false;

	(void)arg;
	fprintf(stderr, "%s %s %s\n", sent ? "-->" : "<--", proto_name(f->proto), peer_text(&f->remote).text);
	while (rest.n > 0) {
		size_t n = slice_chr(rest, '\n');

		line = slice_sub(rest, 0, n);
		rest = slice_sub(rest, n + 1, rest.n);
		/* A fold belongs to the line above it. */
		if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t') && hidden)
			continue;
		hidden = slice_istarts(line, S("Authorization")) || slice_istarts(line, S("Proxy-Authorization"));
		fputs("    ", stderr);
		put(hidden ? S("Authorization: Digest (left out)") : line);
	}
	if (body > 0)
		fprintf(stderr, "    (a body of %zu octets)\n", body);
	putc('\n', stderr);
}
