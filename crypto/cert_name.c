#include "crypto/cert.h"

#include <arpa/inet.h>
#include <string.h>

#include "crypto/cert_state.h"
#include "crypto/der.h"

/*
 * Names in certificates and the rules by which they match. Names are compared by length, because a certificate for
 * "bank.example\0.evil" must not pass as "bank.example".
 */

/* GeneralName tags, RFC 5280 4.2.1.6. Names of these types are raw octets here: nothing stops at a NUL. */
enum {
	NAME_EMAIL = DER_CONTEXT(1),
	NAME_DNS = DER_CONTEXT(2),
	NAME_URI = DER_CONTEXT(6),
	NAME_IP = DER_CONTEXT(7),
};

static bool san_next(struct slice *rest, uint8_t wanted, struct slice *out)
{
	uint8_t tag;

	while (der_next(rest, &tag, out)) {
		if (tag == wanted)
			return true;
	}
	return false;
}

bool cert_san(const struct cert *c, enum cert_name type, size_t i, struct slice *out)
{
	static const uint8_t tags[] = {[CERT_URI] = NAME_URI, [CERT_DNS] = NAME_DNS, [CERT_EMAIL] = NAME_EMAIL};
	struct slice rest = c->san, found;

	do {
		if (!san_next(&rest, tags[type], &found))
			return false;
	} while (i-- > 0);
	*out = found;
	return true;
}

bool cert_has_san(const struct cert *c)
{
	return c->san.p != NULL;
}

static bool is_text_tag(uint8_t tag)
{
	return tag == DER_UTF8 || tag == DER_PRINTABLE || tag == DER_IA5 || tag == DER_T61;
}

/* RFC 5280 4.1.2.4: a Name lists its parts from the root down, so the last CN is the most specific one. */
bool cert_common_name(const struct cert *c, struct slice *out)
{
	struct slice name = c->subject, rest, set, attribute, oid, text;
	bool found = false;
	uint8_t tag;

	if (!der_take(&name, DER_SEQUENCE, &rest))
		return false;
	while (der_take(&rest, DER_SET, &set)) {
		while (der_take(&set, DER_SEQUENCE, &attribute)) {
			if (der_take(&attribute, DER_OID, &oid) && slice_eq(oid, OID_COMMON_NAME) &&
			    der_next(&attribute, &tag, &text) && is_text_tag(tag)) {
				*out = text;
				found = true;
			}
		}
	}
	return found;
}

static bool is_plain_name(struct slice name)
{
	return name.n > 0 && slice_chr(name, '\0') == name.n;
}

static bool same_name(struct slice found, struct slice wanted)
{
	return is_plain_name(found) && slice_ieq(found, wanted);
}

/*
 * sip_domain_of: the host of a URI name whose scheme is sip and which has no user part (RFC 5922 7.1). Port, parameters
 * and headers are cut off, because they do not name the host.
 */
static bool sip_domain_of(struct slice uri, struct slice *domain)
{
	size_t end;

	if (!is_plain_name(uri) || !slice_istarts(uri, S("sip:")) || slice_chr(uri, '@') < uri.n)
		return false;
	uri = slice_sub(uri, 4, uri.n);
	end = slice_chr(uri, uri.n > 0 && uri.p[0] == '[' ? ']' : ':');
	if (end < uri.n && uri.p[end] == ']')
		end++;
	*domain = slice_sub(uri, 0, end);
	*domain = slice_sub(*domain, 0, slice_chr(*domain, ';'));
	*domain = slice_sub(*domain, 0, slice_chr(*domain, '?'));
	return domain->n > 0;
}

/* bare: host without brackets. An IPv6 address has them in a URI and not in the name of a peer. */
static struct slice bare(struct slice host)
{
	return slice_starts(host, S("[")) && slice_ends(host, S("]")) ? slice_sub(host, 1, host.n - 1) : host;
}

/*
 * uri_names: does a URI name stand for domain? *any: there was a URI that stands for some domain, so DNS names do not
 * count (RFC 5922 7.1).
 */
static bool uri_names(const struct cert *c, struct slice domain, bool *any)
{
	struct slice rest = c->san, uri, found;

	*any = false;
	while (san_next(&rest, NAME_URI, &uri)) {
		if (!sip_domain_of(uri, &found))
			continue;
		*any = true;
		if (slice_ieq(bare(found), bare(domain)))
			return true;
	}
	return false;
}

bool cert_matches_sip_domain(const struct cert *c, struct slice domain)
{
	struct slice rest = c->san, name;
	bool any;

	if (!is_plain_name(domain))
		return false;
	if (c->san.p == NULL)
		return cert_common_name(c, &name) && same_name(name, domain);
	if (uri_names(c, domain, &any))
		return true;
	if (any)
		return false;
	while (san_next(&rest, NAME_DNS, &name)) {
		if (same_name(name, domain))
			return true;
	}
	return false;
}

static bool is_address(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t octets[16];

	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1;
}

/*
 * host_fits: RFC 2818 3.1. A wildcard must be the whole left-most label and stands for exactly one label; at least two
 * labels follow it, so that "*.com" matches nothing.
 */
static bool host_fits(struct slice name, struct slice host, bool wildcard)
{
	struct slice label, parent, ignored, above;

	if (same_name(name, host))
		return true;
	if (!wildcard || !is_plain_name(name) || !slice_starts(name, S("*.")) || is_address(host))
		return false;
	name = slice_sub(name, 2, name.n);
	return slice_cut(host, '.', &label, &parent) && label.n > 0 && slice_ieq(name, parent) &&
	       slice_cut(name, '.', &ignored, &above) && ignored.n > 0 && above.n > 0;
}

bool cert_matches_host(const struct cert *c, struct slice host, bool wildcard)
{
	struct slice rest = c->san, name;
	bool any_dns = false, any_uri;

	if (!is_plain_name(host))
		return false;
	while (san_next(&rest, NAME_DNS, &name)) {
		any_dns = true;
		if (host_fits(name, host, wildcard))
			return true;
	}
	if (uri_names(c, host, &any_uri))
		return true;
	/*
	 * A certificate of a SIP domain or user has a sip or sips URI. Its CN may be any text and must not name a host.
	 */
	rest = c->san;
	while (san_next(&rest, NAME_URI, &name))
		any_uri = any_uri || slice_istarts(name, S("sip:")) || slice_istarts(name, S("sips:"));
	return !any_dns && !any_uri && cert_common_name(c, &name) && host_fits(name, host, wildcard);
}

bool cert_matches_ip(const struct cert *c, struct slice text)
{
	struct slice rest = c->san, name;
	char host[INET6_ADDRSTRLEN];
	uint8_t octets[16];
	size_t size;

	if (text.n == 0 || text.n >= sizeof(host) || !is_plain_name(text))
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	if (inet_pton(AF_INET, host, octets) == 1)
		size = 4;
	else if (inet_pton(AF_INET6, host, octets) == 1)
		size = 16;
	else
		return false;
	while (san_next(&rest, NAME_IP, &name)) {
		if (slice_eq(name, slice_of(octets, size)))
			return true;
	}
	return false;
}
