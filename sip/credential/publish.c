#include <stdio.h>

#include "crypto/rng.h"
#include "sip/message/header.h"
#include "sip/credential/credential_private.h"
#include "sip/credential/publish_body.h"

/*
 * PUBLISH requests (RFC 3903 6, draft 7.10). The checks go in the order of T-15:
 *
 *   Event (489), TLS, digest and owner (403, 401), then, when no other change of the AOR is under way:
 *   SIP-If-Match (400, 412), Expires (400, 423), body (415, 400, 413), certificate and key (403, 437, 400)
 *
 * Nothing of the state shows before authentication, and nothing changes before all checks have passed (PUB-11).
 */

/* A PUBLISH that has passed authentication, while its AOR is free. */
struct publication {
	struct credentials *all;
	struct tx *tx;
	struct slice aor;
	const struct credential *now; /* the current credential, NULL: none */
	bool conditional;             /* it has a SIP-If-Match, which names the current entity-tag */
	bool has_expires;
	uint32_t expires; /* seconds, when has_expires */
};

static void refused(struct tx *tx, struct refusal r)
{
	tx_reply(tx, &(struct build_reply){.code = r.code, .reason = r.reason, .headers = slice_str(r.headers)});
}

/* write_it: the 200 follows when the change is durable (turn_end). */
static void write_it(struct publication *p, struct credential_change *change, enum effect effect, uint32_t granted)
{
	struct turn *t = turn_begin(p->all, p->aor, effect);

	t->tx = tx_id(p->tx);
	t->granted = granted;
	if (turn_write(t, change) != ERR_OK)
		tx_reply_busy(p->tx, 5, NULL);
}

/* answer_empty: nothing changes, but each 200 has an entity-tag that never came before (ESC-12). */
static void answer_empty(const struct publication *p)
{
	struct buf lines = {0};

	buf_adds(&lines, "SIP-ETag: ");
	rng_hex(&lines, CREDENTIAL_ETAG / 2);
	buf_adds(&lines, "\r\nExpires: 0\r\n");
	tx_reply(p->tx, &(struct build_reply){.code = 200, .headers = buf_slice(&lines)});
	buf_free(&lines);
}

/* revoke: removes certificate and key. When there is none, the client has what it wanted: 200. */
static void revoke(struct publication *p)
{
	struct credential_change change = {.aor = p->aor};

	if (p->now == NULL)
		answer_empty(p);
	else
		write_it(p, &change, EFFECT_REVOKED, 0);
}

/* RFC 3903 6 step 4. */
static void too_brief(const struct publication *p)
{
	char line[48];

	snprintf(line, sizeof(line), "Min-Expires: %u\r\n",
		 p->all->d.access.settings->config.credential_publish_min_expires);
	tx_reply(p->tx, &(struct build_reply){.code = 423, .headers = slice_str(line)});
}

/*
 * grant: the lifetime to grant, when the certificate has left seconds (ESC-05). false: it is below the minimum, and not
 * because the certificate ends so soon (ESC-06); two seconds are allowed for the way of the request.
 */
static bool grant(const struct publication *p, int64_t left, uint32_t *out)
{
	uint32_t min = p->all->d.access.settings->config.credential_publish_min_expires;
	uint32_t rest = left > UINT32_MAX ? UINT32_MAX : left < 0 ? 0 : (uint32_t)left;

	*out = !p->has_expires || p->expires > rest ? rest : p->expires;
	return !p->has_expires || p->expires == 0 || p->expires >= min || p->expires + 2 >= rest;
}

/* refresh: RFC 3903 4.3: the same credential gets a new entity-tag and lifetime. Needs p->now. */
static void refresh(struct publication *p)
{
	struct credential_change change = {.aor = p->aor};
	struct buf cert = {0}, key = {0};
	int64_t now = loop_wall_s(p->all->d.loop);
	uint32_t granted;

	if (!grant(p, p->now->not_after - now, &granted)) {
		too_brief(p);
		return;
	}
	if (credential_read(p->all->d.store, p->now, &cert, &key) != ERR_OK) {
		tx_reply_code(p->tx, 500, "The Credential Could Not Be Read");
	} else {
		change.cert = buf_slice(&cert);
		change.key = buf_slice(&key);
		change.published = p->now->published;
		change.expires = now + granted;
		change.not_before = p->now->not_before;
		change.not_after = p->now->not_after;
		change.made_here = p->now->made_here;
		write_it(p, &change, EFFECT_REFRESHED, granted);
	}
	buf_free(&cert);
	buf_wipe(&key);
}

/*
 * without_body: what a PUBLISH without body means, by credential.empty-publish (T-17). The draft says that it revokes;
 * RFC 3903 makes it a refresh when it has a SIP-If-Match, and wants Expires: 0 for a removal.
 */
static void without_body(struct publication *p)
{
	bool positive = p->has_expires && p->expires > 0;

	switch ((enum config_empty)p->all->d.access.settings->config.credential_empty_publish) {
	case EMPTY_DRAFT:
		break;
	case EMPTY_HYBRID:
		if (positive && p->conditional) {
			refresh(p);
			return;
		}
		break;
	case EMPTY_RFC3903:
		if (p->has_expires && !positive)
			break;
		if (!p->conditional) {
			tx_reply_code(p->tx, 400, "Nothing To Publish");
			return;
		}
		refresh(p);
		return;
	}
	revoke(p);
}

static void with_body(struct publication *p)
{
	const struct config *c = &p->all->d.access.settings->config;
	int64_t now = loop_wall_s(p->all->d.loop);
	struct publish_body body = {0};
	struct refusal r = publish_body_read(tx_request(p->tx), c, &body);
	uint32_t granted = 0;

	/* T-15: 423 goes before faults of the body. For a good body the minimum bends to the end of the certificate. */
	if (p->has_expires && p->expires > 0 && p->expires < c->credential_publish_min_expires &&
	    (r.code != 0 || !grant(p, cert_not_after(body.cert) - now, &granted))) {
		too_brief(p);
		goto out;
	}
	if (r.code == 0)
		r = publish_body_check(&body, c, p->aor, now);
	if (r.code != 0) {
		refused(p->tx, r);
	} else if (p->has_expires && p->expires == 0) {
		/* ESC-10: removes the credential that SIP-If-Match names; without that there is nothing to store. */
		if (p->conditional)
			revoke(p);
		else
			answer_empty(p);
	} else if (grant(p, cert_not_after(body.cert) - now, &granted)) {
		struct credential_change change = {.aor = p->aor,
						   .cert = cert_der(body.cert),
						   .key = buf_slice(&body.key),
						   .published = now,
						   .expires = now + granted,
						   .not_before = cert_not_before(body.cert),
						   .not_after = cert_not_after(body.cert)};

		write_it(p, &change, EFFECT_CHANGED, granted);
	} else {
		too_brief(p);
	}
out:
	publish_body_free(&body);
}

/* condition_holds: SIP-If-Match is one token, and the current entity-tag (ESC-04). false: answered. */
static bool condition_holds(struct publication *p)
{
	struct slice match = msg_value(tx_request(p->tx), HDR_SIP_IF_MATCH);

	p->conditional = match.p != NULL;
	if (!p->conditional)
		return true;
	if (!scan_is_token(match)) {
		tx_reply_code(p->tx, 400, "Bad SIP-If-Match Header Field");
		return false;
	}
	if (p->now == NULL || !slice_eq(match, slice_str(p->now->etag))) {
		tx_reply_code(p->tx, 412, NULL);
		return false;
	}
	return true;
}

/* process: all that follows authentication. The AOR is free, so the state cannot change before write_it (ESC-13). */
static void process(struct credentials *all, struct tx *tx, struct slice aor)
{
	struct publication p = {.all = all, .tx = tx, .aor = aor, .now = credentials_current(all, aor)};
	const struct sip_msg *m = tx_request(tx);
	struct slice expires = msg_value(m, HDR_EXPIRES);

	if (!condition_holds(&p))
		return;
	p.has_expires = expires.p != NULL;
	if (p.has_expires && delta_parse(expires, &p.expires) != ERR_OK) {
		tx_reply_code(tx, 400, "Bad Expires Header Field");
		return;
	}
	if (m->body.n == 0)
		without_body(&p);
	else
		with_body(&p);
}

void publish_run(struct credentials *all, struct tx *tx, struct slice aor, unsigned proof)
{
	struct turn *t = turn_find(all, aor);

	if (t == NULL)
		process(all, tx, aor);
	else if (!turn_park(t, tx, proof))
		tx_reply_busy(tx, 1, NULL);
}

/* PUB-24: the package "certificate" is for PUBLISH only with the switch for it. */
void credentials_publish(struct credentials *all, struct tx *tx, struct slice aor)
{
	const struct sip_msg *m = tx_request(tx);
	struct event ev = {0};
	enum package p;
	unsigned proof;

	if (msg_value(m, HDR_EVENT).p != NULL && event_parse(msg_value(m, HDR_EVENT), &ev) != ERR_OK) {
		tx_reply_code(tx, 400, "Bad Event Header Field");
		return;
	}
	p = package_of(ev.package);
	if (p == PACKAGE_COUNT || (p == PACKAGE_CERTIFICATE && !all->d.access.settings->config.certificate_publish)) {
		tx_reply(tx, &(struct build_reply){.code = 489,
						   .headers = S("Allow-Events: " PACKAGE_ALLOW_EVENTS "\r\n")});
		return;
	}
	if (access_owner(&all->d.access, tx, aor, &proof))
		publish_run(all, tx, aor, proof);
}
