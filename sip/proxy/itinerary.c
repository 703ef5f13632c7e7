#include "sip/message/limits.h"
#include "sip/proxy/proxy_private.h"

/*
 * Route and Request-URI of a request (RFC 3261 16.4, 16.6 6): our own entries are taken off, which may be one, or the
 * two that RFC 5658 has when the sides of the proxy differ. Strict routers (RFC 2543) are understood before and behind
 * us.
 */

bool itinerary_is_of_domain(const struct proxy *p, const struct uri *u)
{
	return u->scheme != URI_OTHER && slice_ieq(uri_domain(u), slice_str(p->d.access.settings->config.domain));
}

bool itinerary_is_aor(const struct uri *u, struct slice aor)
{
	struct buf own = {0};
	bool same = uri_aor(u, &own) == ERR_OK && slice_eq(buf_slice(&own), aor);

	buf_free(&own);
	return same;
}

bool itinerary_is_own_uri(const struct proxy *p, const struct uri *u, const struct flow *source)
{
	return u->scheme != URI_OTHER &&
	       (itinerary_is_of_domain(p, u) || config_is_alias(&p->d.access.settings->config, uri_domain(u)) ||
		transport_is_own(p->d.transport, &source->local, u->host, u->port));
}

/* All values of all Route (Record-Route) header fields, in their order. */
struct values {
	unsigned count;
	struct slice text[SIP_ROUTE_MAX];
	struct addr addr[SIP_ROUTE_MAX];
};

static bool read_routes(const struct sip_msg *m, enum header header, struct values *v)
{
	for (const struct sip_header *h = msg_each(m, header, NULL); h != NULL; h = msg_each(m, header, h)) {
		struct slice rest = h->value, item;
		bool bad;

		while (scan_list(&rest, &item, &bad)) {
			if (v->count == SIP_ROUTE_MAX || addr_parse(item, &v->addr[v->count]) != ERR_OK)
				return false;
			v->text[v->count++] = item;
		}
		if (bad)
			return false;
	}
	return true;
}

static bool is_loose(const struct addr *a)
{
	struct slice value;

	return uri_param(&a->uri, S("lr"), &value);
}

/* secret_of: the secret generation of the user of ours that a is the AOR of; 0: there is none. */
static uint64_t secret_of(const struct proxy *p, const struct addr *a)
{
	const struct user *user = NULL;
	struct buf aor = {0};

	if (itinerary_is_of_domain(p, &a->uri) && uri_aor(&a->uri, &aor) == ERR_OK)
		user = users_find(p->d.access.settings->users, buf_slice(&aor));
	buf_free(&aor);
	return user == NULL ? 0 : user->secret;
}

struct dialog_now itinerary_now(const struct proxy *p, const struct sip_msg *m)
{
	return (struct dialog_now){.from_secret = secret_of(p, &m->from),
				   .to_secret = secret_of(p, &m->to),
				   .wall_s = loop_wall_s(p->d.loop),
				   .mono_s = loop_now_ms(p->d.loop) / 1000};
}

/* use_token: the first user part that is a token of this dialog says where the request goes. */
static void use_token(const struct proxy *p, const struct sip_msg *m, struct slice user, struct itinerary *it)
{
	const struct dialog_now now = itinerary_now(p, m);

	if (it->in_dialog)
		return;
	it->in_dialog = record_route_read(&p->d.keys, user, m, &now, &it->way) &&
			!dialogs_is_over(p->dialogs, &it->way, proxy_dialog_ms(p));
	if (it->in_dialog)
		buf_add(&it->token, user);
}

/* same_user: the same token, or none, in whatever spelling a phone gave it back. */
static bool same_user(struct slice a, struct slice b)
{
	char x[RECORD_ROUTE_TOKEN], y[RECORD_ROUTE_TOKEN];

	const struct slice one = uri_plain(a, x, sizeof(x)), other = uri_plain(b, y, sizeof(y));

	return slice_eq(a, b) || (one.n > 0 && slice_eq(one, other));
}

/* own_entries: the index behind our own entries, which stand at the front: one, or the two of RFC 5658. */
static unsigned own_entries(const struct proxy *p, const struct sip_msg *m, const struct flow *source,
			    const struct values *v, unsigned at, struct itinerary *it)
{
	const struct uri *first = &v->addr[at].uri;

	if (at == v->count)
		return at;
	if (!itinerary_is_own_uri(p, first, source)) {
		/*
		 * An entry with another address of ours (the other side, a host behind NAT) is known by its token. If
		 * the Request-URI had a token before, only the same one is ours.
		 */
		bool known = it->in_dialog;

		use_token(p, m, first->user, it);
		if (!it->in_dialog || (known && !same_user(first->user, m->uri.user)))
			return at;
	}
	use_token(p, m, first->user, it);
	at++;
	if (at < v->count && first->user.n > 0 && same_user(v->addr[at].uri.user, first->user))
		at++;
	return at;
}

bool itinerary_read(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct itinerary *it,
		    const char **why)
{
	struct values v = {0};
	unsigned first = 0, last;

	*it = (struct itinerary){0};
	if (!read_routes(m, HDR_ROUTE, &v)) {
		*why = "Bad Route Header Field";
		return false;
	}
	last = v.count;
	/*
	 * 16.4: a strict router in front of us has put our entry into the Request-URI, and the Request-URI behind all
	 * Routes.
	 */
	if (last > 0 && m->uri.user.n > 0 && itinerary_is_own_uri(p, &m->uri, source))
		use_token(p, m, m->uri.user, it);
	if (it->in_dialog) {
		buf_add(&it->uri, uri_target(&v.addr[--last].uri));
		v.count = last;
	}
	first = own_entries(p, m, source, &v, 0, it);
	it->routed = first < last;
	if (it->routed && !is_loose(&v.addr[first])) {
		/* 16.6 6: we do the same for a strict router behind us. */
		const struct slice target = it->uri.n > 0 ? buf_slice(&it->uri) : m->uri_text;
		struct buf end = {0};

		buf_addf(&end, "<%.*s>", SLICE_ARG(target));
		buf_clear(&it->uri);
		buf_add(&it->uri, uri_target(&v.addr[first].uri));
		buf_add(&it->next, v.addr[first].spec);
		for (unsigned i = first + 1; i < last; i++)
			buf_addf(&it->routes, "%.*s, ", SLICE_ARG(v.text[i]));
		buf_add(&it->routes, buf_slice(&end));
		buf_free(&end);
		return true;
	}
	for (unsigned i = first; i < last; i++)
		buf_addf(&it->routes, "%s%.*s", i > first ? ", " : "", SLICE_ARG(v.text[i]));
	buf_add(&it->next, it->routed ? v.addr[first].spec : it->uri.n > 0 ? buf_slice(&it->uri) : m->uri_text);
	return true;
}

void itinerary_drop(struct itinerary *it)
{
	buf_free(&it->routes);
	buf_free(&it->uri);
	buf_free(&it->next);
	buf_free(&it->token);
}

/*
 * itinerary_mark: RFC 5393 4.2.2: a loop has the same values in all that decides where a request goes, a spiral has
 * not. The mark is a keyed hash of these values, so that others cannot forge one. It stands in front of the random part
 * of our branch.
 */
void itinerary_mark(const struct proxy *p, const struct sip_msg *m, struct buf *out)
{
	struct buf parts = {0};

	buf_add(&parts, m->uri_text);
	for (const struct sip_header *h = msg_each(m, HDR_ROUTE, NULL); h != NULL; h = msg_each(m, HDR_ROUTE, h))
		buf_add(&parts, h->value);
	buf_add(&parts, m->call_id);
	buf_add(&parts, m->from_tag);
	buf_addc(&parts, ' ');
	buf_addu(&parts, m->cseq);
	buf_addc(&parts, ' ');
	buf_add(&parts, m->to_tag);
	buf_add(out, S("z9hG4bK"));
	buf_addx(out, map_hash(&p->by_own, buf_slice(&parts)));
	buf_addc(out, '.');
	buf_free(&parts);
}

bool itinerary_is_loop(const struct proxy *p, const struct sip_msg *m)
{
	struct buf mark = {0};
	bool found = false;

	itinerary_mark(p, m, &mark);
	for (const struct sip_header *h = msg_each(m, HDR_VIA, NULL); h != NULL && !found; h = msg_each(m, HDR_VIA, h))
		found = slice_find(h->value, buf_slice(&mark), 0) < h->value.n;
	buf_free(&mark);
	return found;
}
