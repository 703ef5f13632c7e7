#include <stdio.h>

#include "core/log.h"
#include "sip/locate/reach.h"
#include "sip/message/date.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/registrar/register_private.h"

/*
 * REGISTER requests, in the order of RFC 3261 10.3. Everything is read and checked before anything is changed, so that
 * a request does all it asks for or nothing (10.3 step 7).
 *
 * The 200 does not wait for the disk: the journal is written behind, and a lost binding heals with the next refresh.
 */

#define CROWDED_S 60     /* the least Retry-After when there is no room */
#define FLOW_TIMER_S 120 /* RFC 5626 4.4.1: the keep-alive interval of a UA that is not told another one */

bool register_refuse(struct plan *p, unsigned code, const char *reason)
{
	tx_reply_code(p->tx, code, reason);
	return false;
}

bool register_supports(const struct sip_msg *m, struct slice tag)
{
	return msg_list_has(m, HDR_SUPPORTED, tag) || msg_list_has(m, HDR_REQUIRE, tag);
}

/* path_is_known: RFC 3327 5.3: a UA without the option tag would not notice that a proxy has put itself on the path. */
static bool path_is_known(struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	if (msg_count(m, HDR_PATH) == 0 || register_supports(m, S("path")))
		return true;
	tx_reply(tx, &(struct build_reply){.code = 420, .headers = S("Unsupported: path\r\n")});
	return false;
}

/* --- whose bindings (steps 4 and 5) --- */

static bool same_aor(const struct uri *u, struct slice aor)
{
	struct buf other = {0};
	bool same = uri_aor(u, &other) == ERR_OK && slice_eq(buf_slice(&other), aor);

	buf_free(&other);
	return same;
}

/*
 * find_aor: the AOR is that of To. It has to be the AOR of the authenticated user and of From as well, because
 * third-party registration is not supported.
 */
static bool find_aor(struct plan *p, const struct user *user, struct buf *aor)
{
	/* RFC 4475 3.3.4: a To with an unknown scheme. */
	if (p->m->to.uri.scheme == URI_OTHER)
		return register_refuse(p, 400, "To Is Not A SIP URI");
	if (!slice_ieq(uri_domain(&p->m->to.uri), uri_domain(&p->m->uri)) || uri_aor(&p->m->to.uri, aor) != ERR_OK)
		return register_refuse(p, 404, NULL);
	p->aor = buf_slice(aor);
	p->secret = user->secret;
	if (!access_is(p->tx, user, p->aor))
		return false;
	return same_aor(&p->m->from.uri, p->aor) || register_refuse(p, 403, "Third-Party Registration");
}

/*
 * contacts_agree: RFC 5626 6: one Contact with reg-id at a time. RFC 5630 5.2: a sips Contact needs sips all the way to
 * it.
 */
static bool contacts_agree(struct plan *p)
{
	unsigned added = 0, secure = 0, outbound = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->changes[i].expires == 0)
			continue;
		added++;
		secure += p->changes[i].contact.uri.scheme == URI_SIPS;
		outbound += p->changes[i].reg_id != 0;
	}
	if (outbound > 0 && added > 1)
		return register_refuse(p, 400, "Several Contacts With reg-id");
	if (secure > 0 && (p->m->uri.scheme != URI_SIPS || secure < added || !p->path_secure))
		return register_refuse(p, 400, "SIPS Contact Without SIPS Request-URI, Path And Contacts");
	return true;
}

/* --- which binding a Contact is about --- */

/*
 * same_instance: instance-ids are URNs and compared as such (RFC 5626 4.1): UUIDs without case, others octet for octet.
 */
static bool same_instance(struct slice a, struct slice b)
{
	return slice_istarts(a, S("<urn:uuid:")) ? slice_ieq(a, b) : slice_eq(a, b);
}

/*
 * same_contact: RFC 3261 19.1.4, except that the sip and the sips URI of a Contact replace each other (RFC 5630
 * 5.1.1.1).
 */
static bool same_contact(const struct uri *a, const struct uri *b)
{
	struct uri folded = *a;

	if (a->scheme != URI_OTHER && b->scheme != URI_OTHER)
		folded.scheme = b->scheme;
	return uri_equal(&folded, b);
}

/* matches: is b the binding that c is about? By instance and reg-id where they count, otherwise by URI (RFC 5626 6). */
static bool matches(const struct change *c, const struct binding *b)
{
	struct binding_record is;
	struct uri u;

	if (b->reg_id != c->reg_id)
		return false;
	binding_read(b, &is);
	if (c->reg_id != 0)
		return same_instance(c->instance, registrar_instance(is.params));
	return uri_parse(is.uri, &u) == ERR_OK && same_contact(&c->contact.uri, &u);
}

static bool same_target(const struct change *a, const struct change *b)
{
	if (a->reg_id != b->reg_id)
		return false;
	return a->reg_id != 0 ? same_instance(a->instance, b->instance)
			      : same_contact(&a->contact.uri, &b->contact.uri);
}

/*
 * is_taken: comparison of URIs is not transitive, so two Contacts that differ may both equal one binding. It belongs to
 * the first of them.
 */
static bool is_taken(const struct plan *p, unsigned count, const struct binding *b)
{
	for (unsigned i = 0; i < count; i++)
		if (p->changes[i].old == b)
			return true;
	return false;
}

/* is_newer: RFC 3261 10.3 step 7: with the Call-ID of the binding CSeq has to be higher, else the request came late. */
static bool is_newer(const struct plan *p, const struct binding *b)
{
	struct binding_record is;

	binding_read(b, &is);
	return !slice_eq(is.call_id, p->m->call_id) || p->m->cseq > is.cseq;
}

/*
 * find_moot: RFC 5626 6: a UA that has moved takes its old Contact out and puts the new one in, in one REGISTER and in
 * any order; with outbound both are one binding, so the new one is all that counts. Two that stay have no clear result.
 */
static bool find_moot(struct plan *p)
{
	for (unsigned i = 0; i < p->count; i++)
		for (unsigned k = 0; k < i; k++) {
			struct change *a = &p->changes[k], *b = &p->changes[i];

			if (!same_target(a, b))
				continue;
			if (a->expires > 0 && b->expires > 0)
				return register_refuse(p, 400, "Contact Twice");
			*(a->expires > 0 ? &b->moot : &a->moot) = true;
		}
	return true;
}

/* find_bindings: looks up the binding of each Contact. */
static bool find_bindings(struct plan *p)
{
	if (!find_moot(p))
		return false;
	for (unsigned i = 0; i < p->count; i++) {
		struct change *c = &p->changes[i];
		struct binding *b;

		if (c->moot)
			continue;
		for (b = bindings_first(p->r->bindings, p->aor); b != NULL; b = bindings_next(p->r->bindings, b))
			if (matches(c, b) && !is_taken(p, i, b))
				break;
		c->old = b;
		if (b != NULL && !is_newer(p, b))
			return register_refuse(p, 500, "CSeq Out Of Order");
	}
	for (struct binding *b = bindings_first(p->r->bindings, p->aor); p->all && b != NULL;
	     b = bindings_next(p->r->bindings, b))
		if (!is_newer(p, b))
			return register_refuse(p, 500, "CSeq Out Of Order");
	return true;
}

/* --- room --- */

/*
 * is_dead: has the connection of b ended, and does the device that it was of register again? A device without outbound
 * has another Contact on each connection, and would lock itself out by those that it had before.
 */
static bool is_dead(const struct plan *p, const struct binding *b)
{
	struct binding_record is;
	struct uri was;

	binding_read(b, &is);
	if (is.flow.n > 0 || is.path.n > 0 || is_taken(p, p->count, b) || uri_parse(is.uri, &was) != ERR_OK)
		return false;
	for (unsigned i = 0; i < p->count; i++) {
		const struct change *c = &p->changes[i];
		struct slice instance = registrar_instance(is.params);

		if (c->expires > 0 && slice_ieq(c->contact.uri.host, was.host) &&
		    (instance.n == 0 || c->instance.n == 0 || same_instance(instance, c->instance)))
			return true;
	}
	return false;
}

/* oldest_dead: NULL: there is none. */
static struct binding *oldest_dead(const struct plan *p)
{
	struct binding *oldest = NULL;

	for (struct binding *b = bindings_first(p->r->bindings, p->aor); b != NULL;
	     b = bindings_next(p->r->bindings, b))
		if (is_dead(p, b) && (oldest == NULL || binding_since_ms(b) <= binding_since_ms(oldest)))
			oldest = b;
	return oldest;
}

/* make_way: can so many too many be removed? false: answered. */
static bool make_way(struct plan *p, size_t surplus)
{
	size_t dead = 0;

	for (struct binding *b = bindings_first(p->r->bindings, p->aor); b != NULL;
	     b = bindings_next(p->r->bindings, b))
		dead += is_dead(p, b);
	if (dead >= surplus) {
		p->making_way = (unsigned)surplus;
		return true;
	}
	tx_reply_busy(p->tx, CROWDED_S, "Too Many Contacts Of This Address Of Record");
	return false;
}

/* there_is_room: the limits on the size of a binding, on those of one AOR, and on all of them. */
static bool there_is_room(struct plan *p)
{
	const struct config *config = &p->r->d.access.settings->config;
	size_t count = 0, added = 0, removed = 0;

	for (unsigned i = 0; i < p->count; i++) {
		const struct change *c = &p->changes[i];

		added += c->old == NULL && c->expires > 0;
		removed += c->old != NULL && c->expires == 0;
		if (c->expires > 0 && p->aor.n + c->contact.spec.n + (c->params_end - c->params) + p->m->call_id.n +
						      p->path.n + FLOW_PACKED >
					      SIP_BINDING_MAX)
			return register_refuse(p, 413, "Contact Or Path Too Long");
	}
	if (added == 0)
		return true;
	for (struct binding *b = bindings_first(p->r->bindings, p->aor); b != NULL;
	     b = bindings_next(p->r->bindings, b))
		count++;
	if (count + added - removed > config->limit_contacts_per_aor &&
	    !make_way(p, count + added - removed - config->limit_contacts_per_aor))
		return false;
	if (bindings_count(p->r->bindings) + added <= config->limit_bindings)
		return true;
	log_line(LOG_WARN, "event=bindings_full aor=%s", log_esc(p->aor).text);
	tx_reply_busy(p->tx, CROWDED_S, NULL);
	return false;
}

/* --- credentials that were used before --- */

static uint32_t cseq_of(const struct binding *b)
{
	struct binding_record is;

	binding_read(b, &is);
	return is.cseq;
}

/* is_same: does c, from where it comes, only say again what its binding has? */
static bool is_same(const struct plan *p, const struct change *c)
{
	struct binding_record is;
	struct flow from;

	if (c->old == NULL || c->expires == 0 || c->moot)
		return false;
	binding_read(c->old, &is);
	return slice_eq(is.uri, c->contact.spec) && slice_eq(is.call_id, p->m->call_id) && is.secret == p->secret &&
	       slice_eq(is.params, slice_sub(buf_slice(&p->params), c->params, c->params_end)) &&
	       slice_eq(is.path, buf_slice(&p->path)) && is.interval_s == c->expires && is.q == c->q && is.flow.n > 0 &&
	       flow_unpack(is.flow, &from) == ERR_OK && flow_same(&from, &p->source);
}

/*
 * may_again: door stations send one nonce count for ever. Whoever has read such a request could send it again, with
 * other header fields, so it must change nothing: it only lets a binding live on, until the nonce is too old. Nor does
 * its CSeq count, or the next one of the phone would come too late.
 */
static bool may_again(struct plan *p)
{
	bool same = !p->all && p->count > 0;

	for (unsigned i = 0; same && i < p->count; i++)
		same = is_same(p, &p->changes[i]);
	return !p->again || same || access_user_anew(&p->r->d.access, p->tx);
}

/* --- doing it --- */

/* is_nobodys_name: a name that means nothing outside of the UA's own network. */
static bool is_nobodys_name(struct slice host)
{
	static const char *const ends[] = {".invalid", ".local", ".localhost"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = strlen(ends[i]);

		if (host.n > n && slice_ieq(slice_sub(host, host.n - n, host.n), slice_str(ends[i])))
			return true;
	}
	return slice_chr(host, '.') == host.n;
}

/*
 * is_behind_nat: does the Contact name the UA in a network that this server is not in? Then it can be reached only
 * where it has sent from. Any other Contact may be that of another device: it is where requests go (RFC
 * 3261 10.2.1).
 */
static bool is_behind_nat(const struct plan *p, const struct uri *u)
{
	const struct peer *source = &p->source.remote;
	struct peer at;

	if (!peer_of(u->host, 0, &at))
		return is_nobodys_name(u->host);
	return !peer_same_host(&at, source) && reach_is_special(&at) && !reach_beside(&at, source);
}

/*
 * is_in_clear: would a request by the Contact URI itself be one in the clear, where the UA has come by TLS? A UA that
 * says transport=udp or tcp has asked for that.
 */
static bool is_in_clear(const struct plan *p, const struct uri *u)
{
	struct slice transport;

	return p->source.proto == PROTO_TLS && u->scheme == URI_SIP && !uri_param(u, S("transport"), &transport);
}

/* leads_nowhere_else: is the flow of the REGISTER the only way? A Contact of our domain is another user, or the UA
 * itself. */
static bool leads_nowhere_else(const struct plan *p, const struct uri *u)
{
	if (slice_ieq(uri_domain(u), uri_domain(&p->m->to.uri)))
		return same_aor(u, p->aor);
	return is_behind_nat(p, u) || is_in_clear(p, u);
}

static void put(struct plan *p, const struct change *c)
{
	struct binding_record record = {.aor = p->aor,
					.uri = c->contact.spec,
					.params = slice_sub(buf_slice(&p->params), c->params, c->params_end),
					.call_id = p->m->call_id,
					.path = buf_slice(&p->path),
					.secret = p->secret,
					.cseq = p->again ? cseq_of(c->old) : p->m->cseq,
					.reg_id = c->reg_id,
					.interval_s = c->expires,
					.q = c->q};
	struct buf flow = {0};

	/* With a Path, requests go by that. Through other proxies the flow is not that of the UA. */
	if (p->first_hop && p->path_count == 0 && c->contact.uri.scheme != URI_OTHER) {
		flow_pack(&p->source, &flow);
		record.flow = buf_slice(&flow);
		/* A UDP flow is an address and survives a restart; only connections are indexed by id. */
		record.flow_id = p->source.proto == PROTO_UDP ? 0 : p->source.id;
		record.flow_only = c->reg_id != 0 || leads_nowhere_else(p, &c->contact.uri);
	}
	registrar_put(p->r, c->old, &record, &p->source.remote);
	buf_free(&flow);
}

static void apply(struct plan *p)
{
	struct binding *b;

	while (p->all && (b = bindings_first(p->r->bindings, p->aor)) != NULL)
		registrar_drop(p->r, b, "asked_for");
	for (; p->making_way > 0 && (b = oldest_dead(p)) != NULL; p->making_way--)
		registrar_drop(p->r, b, "made_way");
	for (unsigned i = 0; i < p->count; i++) {
		if (p->changes[i].expires > 0)
			put(p, &p->changes[i]);
		else if (p->changes[i].old != NULL)
			registrar_drop(p->r, p->changes[i].old, "asked_for");
	}
}

static void add_outbound(const struct plan *p, struct buf *lines)
{
	uint32_t idle = p->r->d.access.settings->config.limit_kept_idle_timeout;

	buf_adds(lines, "Require: outbound\r\n");
	/* RFC 5626 4.4.1. Over UDP 120 s are longer than NATs remember; a UA knows better there. */
	if (p->first_hop && p->source.proto != PROTO_UDP)
		buf_addf(lines, "Flow-Timer: %u\r\n", idle != 0 && idle / 2 < FLOW_TIMER_S ? idle / 2 : FLOW_TIMER_S);
}

/* accept_it: step 8: the 200 lists all bindings of the AOR, in the order of the table. */
static void accept_it(const struct plan *p)
{
	struct buf lines = {0};
	char date[DATE_SIZE];

	date_format(loop_wall_s(p->r->d.loop), date);
	build_header(&lines, "Date", slice_str(date));
	for (struct binding *b = bindings_first(p->r->bindings, p->aor); b != NULL;
	     b = bindings_next(p->r->bindings, b)) {
		struct binding_record is;

		binding_read(b, &is);
		buf_adds(&lines, "Contact: <");
		buf_add(&lines, is.uri);
		buf_addc(&lines, '>');
		buf_add(&lines, is.params);
		buf_adds(&lines, ";expires=");
		buf_addu(&lines, binding_left_s(p->r->bindings, b));
		buf_adds(&lines, "\r\n");
	}
	if (p->path.n > 0)
		build_header(&lines, "Path", buf_slice(&p->path));
	buf_adds(&lines, "Supported: ");
	buf_add(&lines, REGISTRAR_SUPPORTED);
	buf_adds(&lines, "\r\n");
	if (p->outbound && p->asks_outbound)
		add_outbound(p, &lines);
	tx_reply(p->tx, &(struct build_reply){.code = 200, .headers = buf_slice(&lines)});
	buf_free(&lines);
}

void registrar_register(struct registrar *r, struct tx *tx)
{
	struct plan p = {.r = r, .tx = tx, .m = tx_request(tx), .source = tx_source(tx)};
	const struct user *user;
	struct buf aor = {0};

	if (path_is_known(tx) && access_user(&r->d.access, tx, &user, &p.again) && find_aor(&p, user, &aor) &&
	    register_read_path(&p) && register_read_contacts(&p) && contacts_agree(&p) && find_bindings(&p) &&
	    there_is_room(&p) && may_again(&p)) {
		apply(&p);
		accept_it(&p);
	}
	buf_free(&p.path);
	buf_free(&p.params);
	buf_free(&aor);
}
