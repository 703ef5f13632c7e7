#include "sip/message/build.h"

#include <string.h>

#define TYPICAL 512 /* octets of a typical answer, reserved at once */

void build_header(struct buf *out, const char *name, struct slice value)
{
	buf_adds(out, name);
	buf_add(out, S(": "));
	buf_add(out, value);
	buf_add(out, S("\r\n"));
}

void build_end(struct buf *out, struct slice body)
{
	buf_add(out, S("Content-Length: "));
	buf_addu(out, body.n);
	buf_add(out, S("\r\n\r\n"));
	buf_add(out, body);
}

/* The same text, brackets and case aside; no name is resolved. */
static bool same_host(struct slice a, struct slice b)
{
	if (a.n > 2 && a.p[0] == '[')
		a = slice_sub(a, 1, a.n - 1);
	if (b.n > 2 && b.p[0] == '[')
		b = slice_sub(b, 1, b.n - 1);
	return slice_ieq(a, b);
}

/*
 * RFC 3261 18.2.1, RFC 3581 4: received is added when the host of sent-by is not the source address, or when rport asks
 * for both. A received or rport value that the peer wrote is dropped: an answer must not be sent where a stranger
 * writes.
 */
void build_top_via(struct buf *out, const struct sip_msg *req, struct slice received, uint16_t rport)
{
	const struct via *v = &req->via;
	struct slice rest = v->params;
	struct param p;
	bool bad;

	buf_add(out, S("SIP/2.0/"));
	buf_add(out, v->transport);
	buf_addc(out, ' ');
	buf_add(out, v->host);
	if (v->port != 0) {
		buf_addc(out, ':');
		buf_addu(out, v->port);
	}
	while (scan_param(&rest, &p, &bad)) {
		if (slice_ieq(p.name, S("received")) || slice_ieq(p.name, S("rport")))
			continue;
		buf_addc(out, ';');
		buf_add(out, p.name);
		if (p.value.p == NULL)
			continue;
		buf_adds(out, p.quoted ? "=\"" : "=");
		buf_add(out, p.value);
		if (p.quoted)
			buf_addc(out, '"');
	}
	if (v->rport || !same_host(v->host, received)) {
		buf_add(out, S(";received="));
		buf_add(out, received);
	}
	if (v->rport) {
		buf_add(out, S(";rport="));
		buf_addu(out, rport);
	}
}

static void add_vias(struct buf *out, const struct sip_msg *req, const struct build_reply *r)
{
	bool top = true;

	for (const struct sip_header *h = msg_each(req, HDR_VIA, NULL); h != NULL; h = msg_each(req, HDR_VIA, h)) {
		struct slice rest = h->value, item;
		bool bad;

		buf_add(out, S("Via: "));
		if (top) {
			/* msg_parse has read this element already, so this cannot fail */
			if (scan_list(&rest, &item, &bad))
				build_top_via(out, req, r->received, r->rport);
			rest = slice_trim(rest);
			if (rest.n > 0)
				buf_add(out, S(", "));
		}
		buf_add(out, rest);
		buf_add(out, S("\r\n"));
		top = false;
	}
}

void build_reply(struct buf *out, const struct sip_msg *req, const struct build_reply *r)
{
	size_t start = out->n;

	buf_reserve(out, TYPICAL + r->headers.n + r->body.n);
	buf_add(out, S("SIP/2.0 "));
	buf_addu(out, r->code);
	buf_addc(out, ' ');
	buf_adds(out, r->reason != NULL ? r->reason : status_phrase(r->code));
	buf_add(out, S("\r\n"));
	add_vias(out, req, r);
	build_header(out, "From", msg_value(req, HDR_FROM));
	buf_add(out, S("To: "));
	buf_add(out, msg_value(req, HDR_TO));
	/* RFC 3261 8.2.6.2: a tag of the request is copied with To, and never changed. */
	if (req->to_tag.n == 0 && r->to_tag.n > 0) {
		buf_add(out, S(";tag="));
		buf_add(out, r->to_tag);
	}
	buf_add(out, S("\r\n"));
	build_header(out, "Call-ID", req->call_id);
	build_header(out, "CSeq", msg_value(req, HDR_CSEQ));
	buf_add(out, r->headers);
	build_end(out, r->body);
	scan_blank(out, start);
}
