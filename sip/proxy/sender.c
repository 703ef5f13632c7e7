#include "sip/locate/reach.h"
#include "sip/message/limits.h"
#include "sip/proxy/proxy_private.h"
#include "sip/transport/local.h"

/*
 * Who a From says that the sender is. Phones show the user part of it, and much of the host: so whatever reads as a
 * user of ours is one, and its sender has to prove it.
 */

#define TEL "tel:"

static bool is_tel(const struct uri *u)
{
	return u->text.n > sizeof(TEL) - 1 && slice_ieq(slice_sub(u->text, 0, sizeof(TEL) - 1), S(TEL));
}

bool sender_is_readable(const struct sip_msg *m)
{
	return m->from.uri.scheme != URI_OTHER || is_tel(&m->from.uri);
}

/* is_named: by the configuration, or the place of a listener. */
static bool is_named(const struct proxy *p, struct slice host, uint32_t port, const struct flow *source)
{
	const struct config *c = &p->d.access.settings->config;

	return peer_same_name(host, slice_str(c->domain)) || config_is_alias(c, host) ||
	       transport_is_own(p->d.transport, &source->local, host, port);
}

static bool is_this_machine(const struct peer *at)
{
	return local_is_own(at) || reach_is_loopback(at) || peer_is_any(at);
}

/*
 * is_other_name: a name of our domain besides its own: an alias, a name or an address of this server, of whatever
 * interface and in whatever spelling. With a port that we do not listen on it is another server of this machine.
 */
static bool is_other_name(const struct proxy *p, const struct uri *u, const struct flow *source)
{
	bool usual = u->port == 0 || u->port == 5060 || u->port == 5061; /* phones may leave these away */
	uint32_t port = usual ? LISTENERS_ANY_PORT : u->port;
	struct peer readings[PEER_READINGS];
	struct slice host = uri_domain(u);
	unsigned n = peer_readings(host, readings);

	if (is_named(p, host, port, source) || (usual && slice_ieq(host, S("localhost"))))
		return true;
	for (unsigned i = 0; i < n; i++)
		if (is_named(p, slice_str(peer_host(&readings[i]).text), port, source) ||
		    (usual && is_this_machine(&readings[i])))
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

/* named: the user of that name, if the host is another name of the domain. */
static const struct user *named(const struct proxy *p, const struct uri *u, const struct flow *source)
{
	struct uri here = *u;
	const struct user *user;

	here.host = slice_str(p->d.access.settings->config.domain);
	here.port = 0;
	user = user_of(p, &here);
	return user != NULL && is_other_name(p, u, source) ? user : NULL;
}

/* digits_of: a number without what only makes it readable (RFC 3966 5.1.1). */
static void digits_of(struct slice number, struct buf *out)
{
	for (size_t i = 0; i < number.n; i++)
		if (slice_chr(S("-.()"), number.p[i]) == 4)
			buf_addc(out, number.p[i]);
}

/* of_tel: a local number belongs to its context, which may be a domain (RFC 3966 5.1.5); of several to each. */
static const struct user *of_tel(const struct proxy *p, struct slice text, const struct flow *source)
{
	struct slice rest = slice_sub(text, sizeof(TEL) - 1, text.n), number = slice_sub(rest, 0, slice_chr(rest, ';'));
	struct slice one, name, value, host;
	const struct user *user = NULL;
	char plain[SIP_URI_MAX];
	struct buf digits = {0};

	digits_of(number, &digits);
	for (size_t at = number.n; user == NULL && digits.n > 0 && at < rest.n; at += 1 + one.n) {
		one = slice_sub(rest, at + 1, rest.n);
		one = slice_sub(one, 0, slice_chr(one, ';'));
		if (!slice_cut(one, '=', &name, &value) || !slice_ieq(name, S("phone-context")))
			continue;
		host = uri_plain(value, plain, sizeof(plain));
		if (host.n > 0)
			user = named(p, &(struct uri){.scheme = URI_SIP, .user = buf_slice(&digits), .host = host},
				     source);
	}
	buf_free(&digits);
	return user;
}

/* claimed: the user that From names, of those that there are. */
static const struct user *claimed(const struct proxy *p, const struct sip_msg *m, const struct flow *source)
{
	const struct uri *from = &m->from.uri;

	if (is_tel(from))
		return of_tel(p, from->text, source);
	if (from->scheme == URI_OTHER)
		return NULL;
	return itinerary_is_of_domain(p, from) ? user_of(p, from) : named(p, from, source);
}

bool sender_claims(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct uri *as)
{
	const struct user *user = claimed(p, m, source);

	*as = m->from.uri;
	if (itinerary_is_of_domain(p, as))
		return true;
	return user != NULL && uri_parse(slice_str(user->aor), as) == ERR_OK;
}

uint64_t sender_secret(const struct proxy *p, const struct sip_msg *m, const struct flow *source)
{
	const struct user *user = claimed(p, m, source);

	return user != NULL ? user->secret : 0;
}
