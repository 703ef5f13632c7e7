#include "sip/trace.h"

#include <unistd.h>

#include "sip/report.h"

/* Messages for a person: no secret, and no octet that could steer the terminal. */

static void put(struct slice line, struct buf *out)
{
	report_plain(out, slice_ends(line, S("\r")) ? slice_sub(line, 0, line.n - 1) : line);
	buf_addc(out, '\n');
}

void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets)
{
	size_t end = slice_find(octets, S("\r\n\r\n"), 0);
	struct slice head = slice_sub(octets, 0, end), line, rest = head;
	size_t body = octets.n - end > 4 ? octets.n - end - 4 : 0;
	bool hidden = false;
	struct buf out = {0};

	(void)arg;
	buf_addf(&out, "%s %s %s\n", sent ? "-->" : "<--", flow_proto_name(f->proto), peer_text(&f->remote).text);
	while (rest.n > 0) {
		size_t n = slice_chr(rest, '\n');

		line = slice_sub(rest, 0, n);
		rest = slice_sub(rest, n + 1, rest.n);
		/* A folded line belongs to the header field above it. */
		if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t') && hidden)
			continue;
		hidden = slice_istarts(line, S("Authorization")) || slice_istarts(line, S("Proxy-Authorization"));
		buf_adds(&out, "    ");
		put(hidden ? S("Authorization: Digest (left out)") : line, &out);
	}
	if (body > 0)
		buf_addf(&out, "    (a body of %zu octets)\n", body);
	buf_addc(&out, '\n');
	if (write(STDERR_FILENO, out.p, out.n) < 0)
		buf_clear(&out); /* nobody reads it, so there is no place to report that */
	buf_free(&out);
}
