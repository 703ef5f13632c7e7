#include "sip/proxy/forward.h"

#include <stdio.h>

#include "sip/message/build.h"
#include "sip/message/edit.h"
#include "sip/message/header.h"

/* A message is forwarded by a list of edits on its octets (message/edit.h). */

/* Removes all header fields of this name. */
static enum err drop_all(struct edit_list *l, enum header id)
{
	enum err e = ERR_OK;

	for (const struct sip_header *h = msg_each(l->msg, id, NULL); e == ERR_OK && h != NULL;
	     h = msg_each(l->msg, id, h))
		e = edit_replace(l, h, SLICE_NONE);
	return e;
}

/*
 * set: replaces the header field of this name, or adds line behind all others but Identity, which RFC 4474 5 wants
 * last.
 */
static enum err set(struct edit_list *l, enum header id, struct slice line)
{
	const struct sip_header *old = msg_each(l->msg, id, NULL);

	return old != NULL ? edit_replace(l, old, line) : edit_insert(l, msg_each(l->msg, HDR_IDENTITY, NULL), line);
}

/* A line with Content-Length, as the octets of the body are. */
struct length_line {
	char text[40];
};

/*
 * set_length: RFC 3261 16.6 9, 20.14: a datagram may lack Content-Length, and a stream needs it. A reader that takes a
 * missing or oddly written one for 0 would find the next message in the body, and the sender of that body could forge
 * any message of ours. So none goes on as it came.
 */
static enum err set_length(struct edit_list *l, struct length_line *line)
{
	int n = snprintf(line->text, sizeof(line->text), "Content-Length: %zu\r\n", l->msg->body.n);

	return set(l, HDR_CONTENT_LENGTH, slice_of(line->text, (size_t)n));
}

/* The edits of one request, and the texts that they insert, which must live until they are applied. */
struct plan {
	struct edit_list edits;
	struct buf start, top, lines, hops, breadth;
	struct length_line length;
};

static void plan_free(struct plan *p)
{
	buf_free(&p->start);
	buf_free(&p->top);
	buf_free(&p->lines);
	buf_free(&p->hops);
	buf_free(&p->breadth);
}

/* plan_texts: writes all new lines. */
static void plan_texts(struct plan *p, const struct sip_msg *m, const struct forward *f)
{
	if (f->uri.p != NULL)
		buf_addf(&p->start, "%.*s %.*s SIP/2.0\r\n", SLICE_ARG(m->method_name), SLICE_ARG(f->uri));
	buf_addf(&p->lines, "Via: SIP/2.0/%s %s;branch=%.*s;rport\r\n", f->proto, f->sent_by, SLICE_ARG(f->branch));
	if (f->new_routes && f->routes.n > 0)
		build_header(&p->lines, "Route", f->routes);
	build_top_via(&p->top, m, f->received, f->rport);
	buf_addf(&p->hops, "Max-Forwards: %u\r\n", f->max_forwards);
	buf_addf(&p->breadth, "Max-Breadth: %u\r\n", f->max_breadth);
}

/* plan: the list of all edits (RFC 3261 16.6). The caller frees *p in any case. */
static enum err plan(struct plan *p, const struct sip_msg *m, const struct forward *f)
{
	const struct sip_header *first = msg_each(m, HDR_VIA, NULL), *recorded = msg_each(m, HDR_RECORD_ROUTE, NULL);
	struct edit_list *l = &p->edits;
	enum err e = ERR_OK;

	edit_start(l, m);
	plan_texts(p, m, f);
	if (f->uri.p != NULL)
		e = edit_start_line(l, buf_slice(&p->start));
	/*
	 * Edits at one place are applied in the order of this list: our Via, then the Via that came with its received.
	 */
	if (e == ERR_OK)
		e = edit_insert(l, first, buf_slice(&p->lines));
	/* 16.6 4: above the Record-Route header fields that are there, wherever they stand. */
	if (e == ERR_OK && f->record_route.n > 0)
		e = edit_insert(l, recorded != NULL ? recorded : first, f->record_route);
	if (e == ERR_OK)
		e = edit_value(l, m->via.text, buf_slice(&p->top));
	if (e == ERR_OK)
		e = set(l, HDR_MAX_FORWARDS, buf_slice(&p->hops));
	if (e == ERR_OK && f->max_breadth != 0)
		e = set(l, HDR_MAX_BREADTH, buf_slice(&p->breadth));
	if (e == ERR_OK && f->new_routes)
		e = drop_all(l, HDR_ROUTE);
	if (e == ERR_OK && f->asserted.n > 0)
		e = edit_insert(l, msg_each(m, HDR_IDENTITY, NULL), f->asserted);
	if (e == ERR_OK)
		e = passage_request(&f->passage, l);
	if (e == ERR_OK)
		e = set_length(l, &p->length);
	return e;
}

enum err forward_request(const struct sip_msg *m, const struct forward *f, struct buf *out)
{
	struct plan p = {0};
	enum err e = plan(&p, m, f);
	size_t start = out->n;

	if (e == ERR_OK) {
		edit_apply(&p.edits, out);
		scan_blank(out, start);
	}
	plan_free(&p);
	return e;
}

size_t forward_size(const struct sip_msg *m, const struct forward *f)
{
	struct plan p = {0};
	size_t n = plan(&p, m, f) == ERR_OK ? edit_size(&p.edits) : 0;

	plan_free(&p);
	return n;
}

enum err forward_response(const struct sip_msg *m, struct slice lines, struct buf *out)
{
	const struct sip_header *first = msg_each(m, HDR_VIA, NULL);
	struct slice rest = first->value, item;
	struct length_line length;
	size_t start = out->n;
	struct edit_list l;
	enum err e;
	bool bad;

	edit_start(&l, m);
	if (!scan_list(&rest, &item, &bad))
		return ERR_SYNTAX;
	rest = scan_skip(rest);
	/* One header field may have several Vias: then only the first value goes. */
	if (rest.n > 0)
		e = edit_value(&l, slice_of(first->value.p, (size_t)(rest.p - first->value.p)), SLICE_NONE);
	else if (msg_each(m, HDR_VIA, first) == NULL)
		return ERR_NOTFOUND;
	else
		e = edit_replace(&l, first, SLICE_NONE);
	if (e == ERR_OK)
		e = set_length(&l, &length);
	if (e == ERR_OK && lines.n > 0)
		e = edit_insert(&l, NULL, lines);
	if (e == ERR_OK) {
		edit_apply(&l, out);
		scan_blank(out, start);
	}
	return e;
}
