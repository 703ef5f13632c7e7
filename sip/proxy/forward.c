#include "sip/proxy/forward.h"

#include "sip/message/build.h"
#include "sip/message/edit.h"
#include "sip/message/header.h"

static enum err drop_all(struct edit_list *l, enum header id)
{
	enum err e = ERR_OK;

	for (const struct sip_header *h = msg_each(l->msg, id, NULL); e == ERR_OK && h != NULL;
	     h = msg_each(l->msg, id, h))
		e = edit_replace(l, h, SLICE_NONE);
	return e;
}

static enum err drop_credentials(struct edit_list *l, struct slice realm)
{
	enum err e = ERR_OK;

	for (const struct sip_header *h = msg_each(l->msg, HDR_PROXY_AUTHORIZATION, NULL); e == ERR_OK && h != NULL;
	     h = msg_each(l->msg, HDR_PROXY_AUTHORIZATION, h)) {
		struct digest_params d;

		if (digest_params_parse(h->value, &d) == ERR_OK && slice_eq(d.realm, realm))
			e = edit_replace(l, h, SLICE_NONE);
	}
	return e;
}

/* One header field in place of the one that is there, or behind all others but Identity (RFC 4474 5: the last). */
static enum err set(struct edit_list *l, enum header id, struct slice line)
{
	const struct sip_header *old = msg_each(l->msg, id, NULL);

	return old != NULL ? edit_replace(l, old, line) : edit_insert(l, msg_each(l->msg, HDR_IDENTITY, NULL), line);
}

enum err forward_request(const struct sip_msg *m, const struct forward *f, struct buf *out)
{
	const struct sip_header *first = msg_each(m, HDR_VIA, NULL), *recorded = msg_each(m, HDR_RECORD_ROUTE, NULL);
	struct buf start = {0}, top = {0}, lines = {0}, hops = {0}, breadth = {0};
	struct edit_list l;
	enum err e = ERR_OK;

	edit_start(&l, m);
	if (f->uri.p != NULL) {
		buf_addf(&start, "%.*s %.*s SIP/2.0\r\n", SLICE_ARG(m->method_name), SLICE_ARG(f->uri));
		e = edit_start_line(&l, buf_slice(&start));
	}
	buf_addf(&lines, "Via: SIP/2.0/%s %s;branch=%.*s;rport\r\n", f->proto, f->sent_by, SLICE_ARG(f->branch));
	if (f->new_routes && f->routes.n > 0)
		build_header(&lines, "Route", f->routes);
	build_top_via(&top, m, f->received, f->rport);
	buf_addf(&hops, "Max-Forwards: %u\r\n", f->max_forwards);
	buf_addf(&breadth, "Max-Breadth: %u\r\n", f->max_breadth);
	/* Edits at one place keep their order: what comes before the Via that came, then its own change. */
	if (e == ERR_OK)
		e = edit_insert(&l, first, buf_slice(&lines));
	/* RFC 3261 16.6 4: above those that are there, wherever they are. */
	if (e == ERR_OK && f->record_route.n > 0)
		e = edit_insert(&l, recorded != NULL ? recorded : first, f->record_route);
	if (e == ERR_OK)
		e = edit_value(&l, m->via.text, buf_slice(&top));
	if (e == ERR_OK)
		e = set(&l, HDR_MAX_FORWARDS, buf_slice(&hops));
	if (e == ERR_OK && f->max_breadth != 0)
		e = set(&l, HDR_MAX_BREADTH, buf_slice(&breadth));
	if (e == ERR_OK && f->new_routes)
		e = drop_all(&l, HDR_ROUTE);
	if (e == ERR_OK && f->asserts)
		e = drop_all(&l, HDR_P_ASSERTED_IDENTITY);
	if (e == ERR_OK && f->asserted.n > 0)
		e = edit_insert(&l, msg_each(m, HDR_IDENTITY, NULL), f->asserted);
	if (e == ERR_OK)
		e = drop_credentials(&l, slice_str(f->realm));
	if (e == ERR_OK)
		edit_apply(&l, out);
	buf_free(&start);
	buf_free(&top);
	buf_free(&lines);
	buf_free(&hops);
	buf_free(&breadth);
	return e;
}

enum err forward_response(const struct sip_msg *m, struct slice lines, struct buf *out)
{
	const struct sip_header *first = msg_each(m, HDR_VIA, NULL);
	struct slice rest = first->value, item;
	struct edit_list l;
	enum err e;
	bool bad;

	edit_start(&l, m);
	if (!scan_list(&rest, &item, &bad))
		return ERR_SYNTAX;
	rest = scan_skip(rest);
	if (rest.n > 0)
		e = edit_value(&l, slice_of(first->value.p, (size_t)(rest.p - first->value.p)), SLICE_NONE);
	else if (msg_each(m, HDR_VIA, first) == NULL)
		return ERR_NOTFOUND;
	else
		e = edit_replace(&l, first, SLICE_NONE);
	if (e == ERR_OK && lines.n > 0)
		e = edit_insert(&l, NULL, lines);
	if (e == ERR_OK)
		edit_apply(&l, out);
	return e;
}
