#include <stdio.h>

#include "sip/message/header.h"
#include "sip/registrar/register_private.h"

/*
 * Reads Path and Contacts of a REGISTER into the plan. What a UA may leave out, or write wrong, has its default here.
 */

#define MALFORMED_S 3600      /* seconds; RFC 3261 10.2.1.1: stands for an expiry that cannot be read */
#define REG_ID_MAX 0x7fffffff /* RFC 5626 11.1 */

/* --- Path --- */

static bool read_path_value(struct plan *p, struct slice value)
{
	struct addr a;

	if (!slice_starts(value, S("<")) || addr_parse(value, &a) != ERR_OK || a.uri.scheme == URI_OTHER)
		return register_refuse(p, 400, "Bad Path Header Field");
	if (++p->path_count > SIP_ROUTE_MAX)
		return register_refuse(p, 400, "Path Too Long");
	if (p->path.n > 0)
		buf_adds(&p->path, ", ");
	if (!scan_unfold(value, &p->path))
		return register_refuse(p, 400, "Control Character In Path");
	p->path_secure = p->path_secure && a.uri.scheme == URI_SIPS;
	/*
	 * RFC 5626 6 speaks of the first URI. 5.1 lets only the proxy next to the UA write "ob", and its value, which
	 * was added first, is the last one of the list (RFC 3327 5.2). So the last value decides.
	 */
	if (!p->first_hop) {
		struct slice none;

		p->can_outbound = uri_param(&a.uri, S("ob"), &none);
	}
	return true;
}

bool register_read_path(struct plan *p)
{
	bool bad = false;

	p->path_secure = true;
	p->first_hop = msg_vias(p->m) == 1;
	p->can_outbound = p->first_hop;
	p->asks_outbound = register_supports(p->m, S("outbound"));
	for (const struct sip_header *h = msg_each(p->m, HDR_PATH, NULL); h != NULL; h = msg_each(p->m, HDR_PATH, h)) {
		struct slice rest = h->value, value;

		while (scan_list(&rest, &value, &bad))
			if (!read_path_value(p, value))
				return false;
		if (bad)
			return register_refuse(p, 400, "Bad Path Header Field");
	}
	return true;
}

/* --- Contact (steps 6 and 7) --- */

/* read_q: q in thousandths; 1000 for "1" and for what cannot be read. */
static uint16_t read_q(struct slice s)
{
	uint32_t n, fraction = 0;

	if (slice_eq(s, S("0")) || slice_eq(s, S("0.")))
		return 0;
	if (s.n < 3 || s.n > 5 || !slice_starts(s, S("0.")) || !slice_u32(slice_sub(s, 2, s.n), 999, &fraction))
		return 1000; /* RFC 3261 leaves open what a Contact without q, or with junk, is worth. */
	for (n = (uint32_t)s.n; n < 5; n++)
		fraction *= 10;
	return (uint16_t)fraction;
}

/* keep_param: appends one parameter. They come back in the Contacts of each 200, so folds and CTLs are not kept. */
static bool keep_param(struct buf *out, const struct param *p)
{
	bool clean;

	buf_addc(out, ';');
	buf_add(out, p->name);
	if (p->value.p == NULL)
		return true;
	buf_adds(out, p->quoted ? "=\"" : "=");
	clean = scan_unfold(p->value, out);
	if (p->quoted)
		buf_addc(out, '"');
	return clean;
}

static bool read_reg_id(const struct param *p, uint32_t *out)
{
	return !p->quoted && slice_u32(p->value, REG_ID_MAX, out) && *out > 0;
}

/* read_params: reads the parameters of a Contact. All but expires are kept in plan.params. */
static bool read_params(struct plan *p, struct change *c, bool *has_expires)
{
	struct slice rest = c->contact.params;
	struct param one;
	bool bad;

	*has_expires = false;
	c->q = 1000;
	c->params = p->params.n;
	while (scan_param(&rest, &one, &bad)) {
		if (slice_ieq(one.name, S("expires"))) {
			if (!*has_expires && delta_parse(one.value, &c->expires) != ERR_OK)
				c->expires = MALFORMED_S;
			*has_expires = true;
			continue;
		}
		if (slice_ieq(one.name, S("q")))
			c->q = read_q(one.value);
		if (slice_ieq(one.name, S("reg-id")) && !read_reg_id(&one, &c->reg_id))
			return register_refuse(p, 400, "Bad reg-id");
		if (!keep_param(&p->params, &one))
			return register_refuse(p, 400, "Control Character In Contact");
	}
	c->params_end = p->params.n;
	return true;
}

/*
 * read_expires: RFC 3261 10.3 step 7: the parameter of the Contact, else the Expires header field, else the default.
 * Only a wish below an hour may be refused with 423; one that is too long is shortened.
 */
static bool read_expires(struct plan *p, struct change *c, bool in_contact)
{
	const struct config *config = &p->r->d.access.settings->config;
	struct slice header = msg_value(p->m, HDR_EXPIRES);
	uint32_t min = config->registrar_min_expires;

	if (!in_contact && header.p == NULL)
		c->expires = config->registrar_default_expires;
	else if (!in_contact && delta_parse(header, &c->expires) != ERR_OK)
		c->expires = MALFORMED_S;
	if ((in_contact || header.p != NULL) && c->expires > 0 && c->expires < min && c->expires < 3600) {
		char line[48];

		snprintf(line, sizeof(line), "Min-Expires: %u\r\n", min);
		tx_reply(p->tx, &(struct build_reply){.code = 423, .headers = slice_str(line)});
		return false;
	}
	if (c->expires > config->registrar_max_expires)
		c->expires = config->registrar_max_expires;
	return true;
}

/*
 * read_outbound: RFC 5626 6: a reg-id counts only with an instance-id, and only when the flow of the UA is known:
 * directly, or through an edge proxy that has put "ob" into its Path. Otherwise it is ignored, or refused with 439 for
 * a UA that has the option tag outbound.
 */
static bool read_outbound(struct plan *p, struct change *c)
{
	c->instance = registrar_instance(c->contact.params);
	if (c->reg_id != 0 && !p->can_outbound) {
		if (p->asks_outbound)
			return register_refuse(p, 439, NULL);
		c->reg_id = 0;
	}
	if (c->instance.p == NULL)
		c->reg_id = 0;
	if (c->reg_id != 0)
		p->outbound = true;
	return true;
}

static bool read_contact(struct plan *p, struct slice value)
{
	struct change *c = &p->changes[p->count];
	bool has_expires;

	if (p->count == SIP_CONTACTS_MAX)
		return register_refuse(p, 400, "Too Many Contacts");
	if (addr_parse(value, &c->contact) != ERR_OK)
		return register_refuse(p, 400, "Bad Contact Header Field");
	p->count++;
	return read_params(p, c, &has_expires) && read_expires(p, c, has_expires) && read_outbound(p, c);
}

/* read_star: RFC 3261 10.2.2: "*" removes all bindings; it has to be alone, with Expires: 0. */
static bool read_star(struct plan *p)
{
	struct slice rest = msg_value(p->m, HDR_CONTACT), value;
	uint32_t expires;
	bool bad;

	if (msg_count(p->m, HDR_CONTACT) != 1 || !scan_list(&rest, &value, &bad) || scan_skip(rest).n > 0)
		return register_refuse(p, 400, "Contact * Is Not Alone");
	if (delta_parse(msg_value(p->m, HDR_EXPIRES), &expires) != ERR_OK || expires != 0)
		return register_refuse(p, 400, "Contact * Without Expires: 0");
	p->all = true;
	return true;
}

bool register_read_contacts(struct plan *p)
{
	for (const struct sip_header *h = msg_each(p->m, HDR_CONTACT, NULL); h != NULL;
	     h = msg_each(p->m, HDR_CONTACT, h)) {
		struct slice rest = h->value, value;
		bool bad = scan_skip(rest).n == 0;

		while (!bad && scan_list(&rest, &value, &bad)) {
			if (slice_eq(value, S("*")))
				return read_star(p);
			if (!read_contact(p, value))
				return false;
		}
		if (bad)
			return register_refuse(p, 400, "Bad Contact Header Field");
	}
	return true;
}
