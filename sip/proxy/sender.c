#include "sip/proxy/proxy_private.h"
#include "sip/transport/local.h"

/*
 * Who a From says that the sender is. Phones show the user part of it, and much of the host: so whatever reads as a
 * user of ours is one, and its sender has to prove it.
 */

#define TEL "tel:"

/* read_tel: a local number belongs to its context, which may be a domain (RFC 3966 5.1.5). false: it has none. */
static bool read_tel(struct slice text, struct uri *as)
{
	struct slice rest = slice_sub(text, sizeof(TEL) - 1, text.n), number = slice_sub(rest, 0, slice_chr(rest, ';'));
	struct slice one, name, value;

	for (size_t at = number.n; at < rest.n; at += 1 + one.n) {
		one = slice_sub(rest, at + 1, rest.n);
		one = slice_sub(one, 0, slice_chr(one, ';'));
		if (slice_cut(one, '=', &name, &value) && slice_ieq(name, S("phone-context"))) {
			*as = (struct uri){.scheme = URI_SIP, .user = number, .host = value};
			return true;
		}
	}
	return false;
}

static bool is_tel(const struct uri *u)
{
	return u->text.n > sizeof(TEL) - 1 && slice_ieq(slice_sub(u->text, 0, sizeof(TEL) - 1), S(TEL));
}

bool sender_is_readable(const struct sip_msg *m)
{
	return m->from.uri.scheme != URI_OTHER || is_tel(&m->from.uri);
}

/*
 * is_other_name: a name of our domain besides its own: an alias, a name or an address of this server, of whatever
 * interface and in whatever spelling. With a port that we do not listen on it is another server of this machine.
 */
static bool is_other_name(const struct proxy *p, const struct uri *u, const struct flow *source)
{
	const struct config *c = &p->d.access.settings->config;
	uint32_t port = u->port != 0 ? u->port : LISTENERS_ANY_PORT;
	struct peer readings[PEER_READINGS];
	unsigned n;

	if (slice_ieq(uri_domain(u), slice_str(c->domain)) || config_is_alias(c, uri_domain(u)) ||
	    transport_is_own(p->d.transport, &source->local, uri_domain(u), port))
		return true;
	n = peer_readings(uri_domain(u), readings);
	for (unsigned i = 0; i < n; i++)
		if (u->port == 0 ? local_is_own(&readings[i])
				 : transport_is_own(p->d.transport, &source->local,
						    slice_str(peer_host(&readings[i]).text), port))
			return true;
	return false;
}

static const struct user *user_of(const struct proxy *p, const struct uri *u)
{
	const struct user *user = NULL;
	struct buf aor = {0};

	if (uri_aor(u, &aor) == ERR_OK)
		user = users_find(p->d.access.settings->users, buf_slice(&aor));
	buf_free(&aor);
	return user;
}

/* claimed: the user that From names, of those that there are; *as as sender_claims gives it. */
static const struct user *claimed(const struct proxy *p, const struct sip_msg *m, const struct flow *source,
				  struct uri *as)
{
	const struct user *user;

	*as = m->from.uri;
	if (itinerary_is_of_domain(p, as))
		return user_of(p, as);
	if (as->scheme == URI_OTHER && !(is_tel(as) && read_tel(as->text, as)))
		return NULL;
	struct uri named = *as;

	named.host = slice_str(p->d.access.settings->config.domain);
	named.port = 0;
	user = user_of(p, &named);
	if (user == NULL || !is_other_name(p, as, source))
		return NULL;
	*as = named;
	return user;
}

bool sender_claims(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct uri *as)
{
	const struct user *user = claimed(p, m, source, as);

	return user != NULL || itinerary_is_of_domain(p, &m->from.uri);
}

uint64_t sender_secret(const struct proxy *p, const struct sip_msg *m, const struct flow *source)
{
	struct uri as;
	const struct user *user = claimed(p, m, source, &as);

	return user != NULL ? user->secret : 0;
}
