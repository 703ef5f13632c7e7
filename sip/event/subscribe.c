#include <stdio.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/event/notifier_private.h"

#define FULL_S 60 /* seconds; the least Retry-After when there is no room for a subscription */

/*
 * SUBSCRIBE requests (RFC 6665 4.2.1). The checks go in the order of T-15:
 *
 *   Event (400, 489), dialog (481, 403), TLS (403), To (403), digest and owner (401, 403), or over UDP the source
 * address (401), Expires (400, 423), body
 * (415), Accept (406), copies (482), certificate of the domain (500), room (503), Contact and Record-Route (400)
 *
 * The 200 and the first NOTIFY leave in one turn, in this order (EVT-02).
 */

/* body_is_fine: CRT-04: SUBSCRIBE has no body here; one that may be ignored is ignored. */
static bool body_is_fine(struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	if (m->body.n == 0 || disposition_is_optional(msg_value(m, HDR_CONTENT_DISPOSITION)))
		return true;
	tx_reply(tx, &(struct build_reply){.code = 415,
					   .headers = S("Accept: application/pkix-cert, multipart/mixed\r\n")});
	return false;
}

/* accept_is_fine: CRT-12, CRD-08, T-42: does Accept cover the type of the whole body of the NOTIFY? */
static bool accept_is_fine(struct tx *tx, enum package p)
{
	const struct sip_msg *m = tx_request(tx);
	const struct sip_header *h = msg_each(m, HDR_ACCEPT, NULL);

	if (h == NULL)
		return true;
	for (; h != NULL; h = msg_each(m, HDR_ACCEPT, h))
		if (p == PACKAGE_CERTIFICATE ? accept_covers(h->value, S("application"), S("pkix-cert"))
					     : accept_covers(h->value, S("multipart"), S("mixed")))
			return true;
	tx_reply_code(tx, 406, NULL);
	return false;
}

/* duration: the seconds to grant. Only a wish below an hour may be refused with 423 (EVT-08). false: answered. */
static bool duration(struct notifier *n, struct tx *tx, enum package p, struct slice aor, uint32_t *out)
{
	const struct config *c = &n->d.access.settings->config;
	bool secret = p == PACKAGE_CREDENTIAL;
	uint32_t asked = secret ? c->credential_default_expires : c->certificate_default_expires;
	uint32_t min = secret ? c->credential_min_expires : c->certificate_min_expires;
	uint32_t max = secret ? c->credential_max_expires : c->certificate_max_expires;
	struct slice text = msg_value(tx_request(tx), HDR_EXPIRES);
	int64_t left;

	if (text.p != NULL && delta_parse(text, &asked) != ERR_OK) {
		tx_reply_code(tx, 400, "Bad Expires Header Field");
		return false;
	}
	if (asked > 0 && asked < min && asked < 3600 && text.p != NULL) {
		char line[48];

		snprintf(line, sizeof(line), "Min-Expires: %u\r\n", min);
		tx_reply(tx, &(struct build_reply){.code = 423, .headers = slice_str(line)});
		return false;
	}
	if (asked > max)
		asked = max;
	/* CRD-16: never longer than the certificate is valid. */
	left = n->d.source->valid_until(n->d.source_arg, p, aor);
	if (left != INT64_MAX) {
		left -= loop_wall_s(n->d.loop);
		if (left < asked)
			asked = left > 0 ? (uint32_t)left : 0;
	}
	*out = asked;
	return true;
}

static void accept_it(struct tx *tx, const struct sub *s, uint32_t expires)
{
	struct buf lines = {0};

	buf_addf(&lines, "Contact: <%s>\r\nExpires: %u\r\n", s->dialog.contact, expires);
	/* RFC 3261 12.1.1: the route set goes back as it came. */
	for (const struct sip_header *h = msg_each(tx_request(tx), HDR_RECORD_ROUTE, NULL); h != NULL;
	     h = msg_each(tx_request(tx), HDR_RECORD_ROUTE, h))
		build_header(&lines, "Record-Route", h->value);
	tx_reply(tx, &(struct build_reply){
			     .code = 200, .to_tag = slice_str(s->dialog.local_tag), .headers = buf_slice(&lines)});
	buf_free(&lines);
}

/* begin: what follows the 200: the granted time, and the NOTIFY that must follow at once (EVT-02). May free s. */
static void begin(struct sub *s, uint32_t expires)
{
	struct notifier *n = s->notifier;
	bool probation = s->package == PACKAGE_CERTIFICATE &&
			 n->d.access.settings->config.certificate_anonymous == ANONYMOUS_PROBATION;

	s->urgent = true;
	sub_set_expiry(s, expires);
	if (s->pause != NULL)
		timer_stop(s->pause);
	if (expires == 0) {
		notify_end(s, SUB_TIMEOUT);
	} else if (probation) {
		notify_end(s, SUB_PROBATION);
	} else {
		uint64_t id = s->id;

		notify_now(s);
		/* Saved behind the NOTIFY, so that the journal has its CSeq. */
		if (sub_by_id(&n->subs, id) != NULL)
			sub_save(s);
	}
}

static void log_begin(const struct sub *s, uint32_t expires, const char *what)
{
	log_line(LOG_INFO, "event=subscribed what=%s package=%s aor=%s by=%s expires=%u peer=%s", what,
		 package_name(s->package), log_esc(slice_str(s->aor)).text, log_esc(slice_str(s->dialog.remote)).text,
		 expires, peer_text(&s->flow.remote).text);
}

/* is_copy: CRT-22: another copy of a SUBSCRIBE that has made a subscription already, by another way. */
static bool is_copy(struct notifier *n, const struct sip_msg *m, struct slice aor)
{
	for (struct group_node *node = group_first(&n->subs.by_aor, aor); node != NULL; node = group_next(node)) {
		const struct sub *s = GROUP_ENTRY(node, struct sub, by_aor);

		if (slice_eq(slice_str(s->dialog.call_id), m->call_id) && s->dialog.remote_cseq == m->cseq &&
		    slice_eq(slice_str(s->dialog.remote_tag), m->from_tag))
			return true;
	}
	return false;
}

/* to_is_fine: T-06: To becomes From of the NOTIFY, which is signed. It must not name another AOR than the one told. */
static bool to_is_fine(struct tx *tx, struct slice aor)
{
	struct buf to = {0};
	bool same = uri_aor(&tx_request(tx)->to.uri, &to) == ERR_OK && slice_eq(buf_slice(&to), aor);

	buf_free(&to);
	if (!same)
		tx_reply_code(tx, 403, "To Is Not The Request-URI");
	return same;
}

/*
 * own_contact: "sip:cred-TAG@host:port;gr" (T-43), sips when the dialog is secure. No parameter may say TLS (TLS-09),
 * and a sip URI with the address of a TLS listener would lead there by UDP. So for TLS the host is the domain: the
 * subscriber finds us by RFC 3263, under the name in our certificate.
 */
static void own_contact(struct notifier *n, struct tx *tx, const char *tag, struct buf *out)
{
	bool secure = dialog_is_secure(tx_request(tx));
	const struct flow *f = tx_flow(tx);

	buf_addf(out, "%s:" NOTIFIER_USER "%s@%s;gr", secure ? "sips" : "sip", tag,
		 secure || f->proto == PROTO_TLS ? n->d.access.settings->config.domain
						 : transport_sent_by(n->d.transport, f).text);
	if (f->proto == PROTO_TCP && !secure)
		buf_adds(out, ";transport=tcp");
}

/* count_of: subscriptions of this package to aor. */
static unsigned count_of(struct notifier *n, struct slice aor, enum package p)
{
	unsigned count = 0;

	for (struct group_node *node = group_first(&n->subs.by_aor, aor); node != NULL; node = group_next(node))
		count += GROUP_ENTRY(node, struct sub, by_aor)->package == p;
	return count;
}

/*
 * room_for: the limits, of which the one for a source comes last, because it counts. Each package has them for itself:
 * anybody may watch a certificate, and must not take the room of its owner.
 */
static bool room_for(struct notifier *n, struct tx *tx, struct slice aor, enum package p)
{
	const struct config *c = &n->d.access.settings->config;
	bool anonymous = p == PACKAGE_CERTIFICATE;
	unsigned backlog = n->d.backlog_max + (anonymous ? 0 : n->d.backlog_max / 4);

	if (n->subs.urgent_count >= backlog || n->subs.counts[p] >= c->limit_subscriptions ||
	    (group_count(&n->subs.by_aor, aor) >= c->limit_subscriptions_per_aor &&
	     count_of(n, aor, p) >= c->limit_subscriptions_per_aor))
		return false;
	return !anonymous || sub_count_source(&n->subs, &tx_flow(tx)->remote, c->limit_subscriptions_per_source);
}

/* create: all checks of the request have passed: the subscription is made and answered. */
static void create(struct notifier *n, struct tx *tx, struct slice aor, enum package p, const struct event *ev,
		   uint32_t expires, unsigned proof)
{
	struct buf contact = {0}, tag = {0};
	bool anonymous = p == PACKAGE_CERTIFICATE;
	const char *why;
	struct sub *s;

	if (is_copy(n, tx_request(tx), aor)) {
		tx_reply_code(tx, 482, NULL);
		return;
	}
	if (!signer_ready(n->d.signer, loop_wall_s(n->d.loop))) {
		tx_reply_code(tx, 500, "No Valid Domain Certificate");
		return;
	}
	if (!room_for(n, tx, aor, p)) {
		tx_reply_busy(tx, FULL_S, NULL);
		return;
	}
	rng_hex(&tag, 12);
	own_contact(n, tx, tag.p, &contact);
	s = sub_new(&n->subs, p, aor, ev->id);
	s->anonymous = anonymous; /* room_for has counted it */
	s->proof = proof;
	s->flow.remote = tx_flow(tx)->remote;
	if (dialog_start(&s->dialog, tx_request(tx), buf_slice(&tag), buf_slice(&contact), &why) != ERR_OK) {
		sub_free(s);
		tx_reply_code(tx, 400, why);
	} else {
		sub_enter(s);
		sub_set_flow(s, tx_flow(tx));
		accept_it(tx, s,
			  s->notifier->d.access.settings->config.certificate_anonymous == ANONYMOUS_PROBATION &&
					  anonymous
				  ? 0
				  : expires);
		log_begin(s, expires, "new");
		begin(s, expires);
		n->d.source->subscribed(n->d.source_arg, p, aor);
	}
	buf_free(&tag);
	buf_free(&contact);
}

static void unknown_package(struct tx *tx)
{
	tx_reply(tx, &(struct build_reply){.code = 489, .headers = S("Allow-Events: " PACKAGE_ALLOW_EVENTS "\r\n")});
}

/*
 * refresh: a SUBSCRIBE in the dialog of a subscription refreshes or ends it. A credential needs a new proof (CRD-13).
 */
static void refresh(struct notifier *n, struct tx *tx, struct sub *s, const struct event *ev)
{
	const char *why;
	uint32_t expires;
	unsigned proof = 0;
	enum err e;

	if (package_of(ev->package) == PACKAGE_COUNT) {
		unknown_package(tx);
		return;
	}
	if (package_of(ev->package) != s->package || !slice_eq(ev->id, slice_str(s->event_id))) {
		tx_reply_code(tx, 403, "Dialog Sharing Not Supported");
		return;
	}
	if (s->package == PACKAGE_CREDENTIAL ? !access_owner(&n->d.access, tx, slice_str(s->aor), &proof)
					     : !access_source(&n->d.access, tx))
		return;
	if (!duration(n, tx, s->package, slice_str(s->aor), &expires) || !body_is_fine(tx) ||
	    !accept_is_fine(tx, s->package))
		return;
	e = dialog_refresh(&s->dialog, tx_request(tx), &why);
	if (e != ERR_OK) {
		tx_reply_code(tx, e == ERR_EXISTS ? 500 : 400, why);
		return;
	}
	s->proof = proof;
	sub_set_flow(s, tx_flow(tx));
	accept_it(tx, s, expires);
	log_begin(s, expires, "refresh");
	begin(s, expires);
}

static struct sub *find(struct notifier *n, const struct sip_msg *m)
{
	struct buf key = {0};
	struct map_node *node;

	dialog_key(m->call_id, m->to_tag, m->from_tag, &key);
	node = map_find(&n->subs.by_dialog, buf_slice(&key));
	buf_free(&key);
	return node == NULL ? NULL : MAP_ENTRY(node, struct sub, by_dialog);
}

void notifier_subscribe(struct notifier *n, struct tx *tx, struct slice aor)
{
	const struct sip_msg *m = tx_request(tx);
	struct event ev = {0};
	uint32_t expires;
	unsigned proof = 0;
	enum package p;

	if (msg_value(m, HDR_EVENT).p != NULL && event_parse(msg_value(m, HDR_EVENT), &ev) != ERR_OK) {
		tx_reply_code(tx, 400, "Bad Event Header Field");
		return;
	}
	p = package_of(ev.package);
	if (m->to_tag.n > 0) {
		struct sub *s = find(n, m);

		if (s == NULL || s->end != SUB_LIVES)
			tx_reply_code(tx, 481, "Subscription Does Not Exist");
		else
			refresh(n, tx, s, &ev);
		return;
	}
	if (p == PACKAGE_COUNT) {
		unknown_package(tx);
		return;
	}
	if (p == PACKAGE_CREDENTIAL && !access_sealed(&n->d.access, tx))
		return;
	if (!to_is_fine(tx, aor))
		return;
	if (p == PACKAGE_CREDENTIAL ? !access_digest(&n->d.access, tx, aor, &proof) : !access_source(&n->d.access, tx))
		return;
	if (duration(n, tx, p, aor, &expires) && body_is_fine(tx) && accept_is_fine(tx, p))
		create(n, tx, aor, p, &ev, expires, proof);
}
