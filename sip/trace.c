#include "sip/trace.h"

#include <unistd.h>

#include "core/secret.h"
#include "sip/report.h"

/* Messages for a person: no secret, and no octet that could steer the terminal. */

static void put(struct slice line, struct buf *out)
{
	struct buf plain = {0};

	secret_hide(line, &plain);
	report_plain(out, buf_slice(&plain));
	buf_addc(out, '\n');
	buf_wipe(&plain);
}

/* left_out: what stands for a line that is the answer to a challenge, or proves that its sender has the password. */
static struct slice left_out(struct slice line)
{
	if (slice_istarts(line, S("Authorization")) || slice_istarts(line, S("Proxy-Authorization")))
		return S("Authorization: Digest (left out)");
	if (slice_istarts(line, S("Authentication-Info")) || slice_istarts(line, S("Proxy-Authentication-Info")))
		return S("Authentication-Info: (left out)");
	return SLICE_NONE;
}

/* next_line: cuts one off *rest. Whoever sent it may have meant a bare CR or LF for a line end, so each is one here. */
static struct slice next_line(struct slice *rest)
{
	size_t n = 0;
	struct slice line;

	while (n < rest->n && rest->p[n] != '\r' && rest->p[n] != '\n')
		n++;
	line = slice_sub(*rest, 0, n);
	if (n + 1 < rest->n && rest->p[n] == '\r' && rest->p[n + 1] == '\n')
		n++;
	*rest = slice_sub(*rest, n + 1, rest->n);
	return line;
}

void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets)
{
	struct slice line, rest = octets, instead = SLICE_NONE;
	struct buf out = {0};

	(void)arg;
	buf_addf(&out, "%s %s %s\n", sent ? "-->" : "<--", flow_proto_name(f->proto), peer_text(&f->remote).text);
	while (rest.n > 0 && (line = next_line(&rest)).n > 0) {
		/* A folded line belongs to the header field above it. */
		if ((line.p[0] == ' ' || line.p[0] == '\t') && instead.n > 0)
			continue;
		instead = left_out(line);
		buf_adds(&out, "    ");
		put(instead.n > 0 ? instead : line, &out);
	}
	if (rest.n > 0)
		buf_addf(&out, "    (a body of %zu octets)\n", rest.n);
	buf_addc(&out, '\n');
	if (write(STDERR_FILENO, out.p, out.n) < 0)
		buf_clear(&out); /* nobody reads it, so there is no place to report that */
	buf_free(&out);
}
