#include "sip/event/dialog.h"

#include <string.h>

#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/limits.h"

/*
 * Texts of a dialog are kept as they came, because a notifier is compared by them (T-05), but in one line and without
 * control characters (scan_unfold): they are written again into every NOTIFY.
 */

/*
 * collect_routes: RFC 3261 12.1.1: the route set is the values of Record-Route, in their order; each has to be
 * readable.
 */
static enum err collect_routes(const struct sip_msg *m, struct buf *out)
{
	unsigned count = 0;

	for (const struct sip_header *h = msg_each(m, HDR_RECORD_ROUTE, NULL); h != NULL;
	     h = msg_each(m, HDR_RECORD_ROUTE, h)) {
		struct slice rest = h->value, item;
		struct addr a;
		bool bad;

		while (scan_list(&rest, &item, &bad)) {
			if (++count > SIP_ROUTE_MAX || addr_parse(item, &a) != ERR_OK || a.uri.scheme == URI_OTHER)
				return ERR_SYNTAX;
			if (out->n > 0)
				buf_add(out, S(", "));
			if (!scan_unfold(item, out))
				return ERR_SYNTAX;
		}
		if (bad)
			return ERR_SYNTAX;
	}
	return ERR_OK;
}

/* read_target: the Contact of the peer, without what may not be in a Request-URI. */
static enum err read_target(const struct sip_msg *m, struct addr *out, const char **why)
{
	enum err e = msg_contact(m, out);

	if (e == ERR_NOTFOUND) {
		*why = "Missing Contact Header Field";
		return e;
	}
	if (e != ERR_OK || out->uri.scheme == URI_OTHER) {
		*why = "Bad Contact Header Field";
		return ERR_SYNTAX;
	}
	out->spec = uri_target(&out->uri);
	return ERR_OK;
}

bool dialog_is_secure(const struct sip_msg *m)
{
	struct slice item, rest = msg_value(m, HDR_RECORD_ROUTE);
	struct addr a;
	bool bad;

	if (m->uri.scheme == URI_SIPS)
		return true;
	if (rest.p != NULL)
		return scan_list(&rest, &item, &bad) && addr_parse(item, &a) == ERR_OK && a.uri.scheme == URI_SIPS;
	return msg_contact(m, &a) == ERR_OK && a.uri.scheme == URI_SIPS;
}

enum err dialog_start(struct dialog *d, const struct sip_msg *m, struct slice local_tag, struct slice contact,
		      const char **why)
{
	struct buf routes = {0}, local = {0}, remote = {0};
	struct addr target;
	enum err e;

	if (m->from_tag.n == 0) {
		*why = "Missing From Tag";
		return ERR_SYNTAX;
	}
	e = read_target(m, &target, why);
	if (e == ERR_OK && collect_routes(m, &routes) != ERR_OK) {
		*why = "Bad Record-Route Header Field";
		e = ERR_SYNTAX;
	}
	if (e == ERR_OK &&
	    (!scan_unfold(msg_value(m, HDR_TO), &local) || !scan_unfold(msg_value(m, HDR_FROM), &remote))) {
		*why = "Control Character In From Or To";
		e = ERR_SYNTAX;
	}
	/* All of it goes into every NOTIFY, which needs room for its own header fields, too, and into the journal. */
	if (e == ERR_OK && remote.n + local.n + target.spec.n + routes.n > SIP_DIALOG_MAX) {
		*why = "From, To, Contact and Record-Route Too Long";
		e = ERR_LIMIT;
	}
	if (e != ERR_OK) {
		buf_free(&routes);
		buf_free(&local);
		buf_free(&remote);
		return e;
	}
	buf_add(&local, S(";tag="));
	buf_add(&local, local_tag);
	*d = (struct dialog){
		.call_id = slice_dup(m->call_id),
		.local_tag = slice_dup(local_tag),
		.remote_tag = slice_dup(m->from_tag),
		.local = buf_take(&local),
		.remote = buf_take(&remote),
		.target = slice_dup(target.spec),
		.contact = slice_dup(contact),
		.routes = routes.n > 0 ? buf_take(&routes) : mem_strdup(""),
		.remote_cseq = m->cseq,
	};
	return ERR_OK;
}

void dialog_open(struct dialog *d, struct slice local, struct slice remote, struct slice target)
{
	struct buf call_id = {0}, tag = {0}, from = {0}, to = {0};

	rng_hex(&call_id, 16);
	rng_hex(&tag, 8);
	buf_addf(&from, "<%.*s>;tag=%s", SLICE_ARG(local), tag.p);
	buf_addf(&to, "<%.*s>", SLICE_ARG(remote));
	*d = (struct dialog){
		.call_id = buf_take(&call_id),
		.local_tag = buf_take(&tag),
		.local = buf_take(&from),
		.remote = buf_take(&to),
		.target = slice_dup(target),
		.routes = mem_strdup(""),
	};
}

enum err dialog_complete(struct dialog *d, const struct sip_msg *m, const char **why)
{
	struct buf routes = {0}, remote = {0};
	struct addr target;
	enum err e;

	if (m->from_tag.n == 0) {
		*why = "Missing From Tag";
		return ERR_SYNTAX;
	}
	e = read_target(m, &target, why);
	if (e != ERR_OK)
		return e;
	if (collect_routes(m, &routes) != ERR_OK || !scan_unfold(msg_value(m, HDR_FROM), &remote)) {
		*why = "Bad Record-Route Or From Header Field";
		buf_free(&routes);
		buf_free(&remote);
		return ERR_SYNTAX;
	}
	mem_free(d->remote);
	mem_free(d->target);
	mem_free(d->routes);
	d->remote_tag = slice_dup(m->from_tag);
	d->remote = buf_take(&remote);
	d->target = slice_dup(target.spec);
	d->routes = routes.n > 0 ? buf_take(&routes) : mem_strdup("");
	d->remote_cseq = m->cseq;
	return ERR_OK;
}

void dialog_drop(struct dialog *d)
{
	mem_free(d->call_id);
	mem_free(d->local_tag);
	mem_free(d->remote_tag);
	mem_free(d->local);
	mem_free(d->remote);
	mem_free(d->target);
	mem_free(d->contact);
	mem_free(d->routes);
	*d = (struct dialog){0};
}

void dialog_key(struct slice call_id, struct slice local_tag, struct slice remote_tag, struct buf *out)
{
	/* A Call-ID has no blanks and tags are tokens, so two dialogs never have the same key. */
	buf_add(out, call_id);
	buf_addc(out, ' ');
	buf_add(out, local_tag);
	buf_addc(out, ' ');
	buf_add(out, remote_tag);
}

enum err dialog_refresh(struct dialog *d, const struct sip_msg *m, const char **why)
{
	struct addr target;
	enum err e;

	if (m->cseq <= d->remote_cseq) {
		*why = "CSeq Out Of Order";
		return ERR_EXISTS;
	}
	e = read_target(m, &target, why);
	/* A request of the peer may come without Contact: then the target stays. */
	if (e == ERR_SYNTAX)
		return e;
	d->remote_cseq = m->cseq;
	if (e == ERR_OK) {
		mem_free(d->target);
		d->target = slice_dup(target.spec);
	}
	return ERR_OK;
}

static bool first_route(const struct dialog *d, struct addr *out, struct slice *rest)
{
	struct slice item;
	bool bad;

	*rest = slice_str(d->routes);
	return scan_list(rest, &item, &bad) && addr_parse(item, out) == ERR_OK;
}

enum err dialog_next_hop(const struct dialog *d, struct uri *out)
{
	struct slice rest;
	struct addr route;

	if (first_route(d, &route, &rest)) {
		*out = route.uri;
		return ERR_OK;
	}
	return uri_parse(slice_str(d->target), out);
}

void dialog_request(const struct dialog *d, const char *method, const char *proto, const char *sent_by,
		    struct slice branch, struct buf *out)
{
	struct slice target = slice_str(d->target), lr, rest;
	struct addr route;
	bool routed = first_route(d, &route, &rest);
	/* RFC 3261 12.2.1.1: a strict router (no lr) becomes the Request-URI, and the target goes behind all routes. */
	bool strict = routed && !uri_param(&route.uri, S("lr"), &lr);

	buf_addf(out, "%s %.*s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%.*s;rport\r\nMax-Forwards: 70\r\n", method,
		 SLICE_ARG(strict ? uri_target(&route.uri) : target), proto, sent_by, SLICE_ARG(branch));
	if (strict)
		buf_addf(out, "Route: %.*s%s<%s>\r\n", SLICE_ARG(slice_trim(rest)), slice_trim(rest).n > 0 ? ", " : "",
			 d->target);
	else if (routed)
		buf_addf(out, "Route: %s\r\n", d->routes);
	buf_addf(out, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n", d->local, d->remote, d->call_id,
		 d->local_cseq, method);
	if (d->contact != NULL)
		buf_addf(out, "Contact: <%s>\r\n", d->contact);
}
