#include "sip/message/via.h"

#include "sip/message/scan.h"

/* A Via tells where answers go, and whose transaction it is, so it is read strictly. */

/* parse_protocol: "SIP" SLASH "2.0" SLASH transport LWS (RFC 3261 25.1); blanks may stand around the slashes. */
static enum err parse_protocol(struct slice *s, struct slice *transport)
{
	struct slice name, version;

	name = scan_token(s);
	*s = scan_skip(*s);
	if (s->n == 0 || s->p[0] != '/')
		return ERR_SYNTAX;
	*s = scan_skip(slice_sub(*s, 1, s->n));
	version = scan_token(s);
	*s = scan_skip(*s);
	if (s->n == 0 || s->p[0] != '/')
		return ERR_SYNTAX;
	*s = scan_skip(slice_sub(*s, 1, s->n));
	*transport = scan_token(s);
	if (name.n == 0 || version.n == 0 || transport->n == 0 || s->n == 0 || !char_is(s->p[0], CHAR_LWS))
		return ERR_SYNTAX;
	*s = scan_skip(*s);
	return slice_ieq(name, S("SIP")) && slice_eq(version, S("2.0")) ? ERR_OK : ERR_UNSUPPORTED;
}

/* parse_sent_by: host [ COLON port ], with blanks allowed around the colon. *s goes on at the parameters. */
static enum err parse_sent_by(struct slice *s, struct via *v)
{
	size_t n = 0;

	if (s->n > 0 && s->p[0] == '[')
		n = slice_chr(*s, ']') + 1;
	else
		while (n < s->n && s->p[n] != ':' && s->p[n] != ';' && !char_is(s->p[n], CHAR_LWS))
			n++;
	if (n > s->n)
		return ERR_SYNTAX;
	v->host = slice_sub(*s, 0, n);
	*s = scan_skip(slice_sub(*s, n, s->n));
	if (!scan_is_host(v->host))
		return ERR_SYNTAX;
	if (s->n > 0 && s->p[0] == ':') {
		*s = scan_skip(slice_sub(*s, 1, s->n));
		n = 0;
		while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
			n++;
		if (!slice_u32(slice_sub(*s, 0, n), 65535, &v->port) || v->port == 0)
			return ERR_SYNTAX;
		*s = scan_skip(slice_sub(*s, n, s->n));
	}
	return ERR_OK;
}

enum err via_parse(struct slice s, struct via *out)
{
	struct via v = {.text = s};
	struct slice rest = slice_trim(s);
	struct param p;
	bool bad;
	enum err protocol = parse_protocol(&rest, &v.transport), e;

	if (protocol == ERR_SYNTAX)
		return protocol;
	e = parse_sent_by(&rest, &v);
	if (e != ERR_OK)
		return e;
	v.params = rest;
	if (!scan_params_check(v.params))
		return ERR_SYNTAX;
	rest = v.params;
	while (scan_param(&rest, &p, &bad)) {
		struct slice *one = slice_ieq(p.name, S("branch"))     ? &v.branch
				    : slice_ieq(p.name, S("received")) ? &v.received
								       : NULL;

		/* RFC 3261 7.3.1: none may be there twice: another reader could go by the other one. */
		if (one != NULL && (one->p != NULL || p.value.p == NULL))
			return ERR_SYNTAX;
		if (one != NULL)
			*one = p.value;
		else if (slice_ieq(p.name, S("rport")))
			v.rport = true;
	}
	*out = v;
	return protocol;
}

bool via_is_rfc3261(const struct via *v)
{
	return v->branch.n > 7 && slice_istarts(v->branch, S("z9hG4bK"));
}
