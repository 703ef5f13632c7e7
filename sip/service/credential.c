#include "sip/service/credential.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/header.h"
#include "sip/service/publish_body.h"
#include "sip/service/user_cert.h"

#define PARKED_MAX 16             /* PUBLISHes of one AOR that wait for the one before; beyond: 503 */
#define LOOK_AGAIN_S (20 * 86400) /* the longest that the expiry timer sleeps */

enum effect { EFFECT_CHANGED, EFFECT_REVOKED, EFFECT_REFRESHED };

/* An AOR whose store is being written, and who waits for it. */
struct busy {
	struct map_node node;
	struct credentials *all;
	char *aor;
	uint64_t tx; /* 0: not by a PUBLISH */
	uint64_t parked[PARKED_MAX];
	unsigned parked_count;
	enum effect effect;
	char etag[CRED_ETAG + 1];
	uint32_t granted;
	commit_fn done; /* of an administrator */
	void *arg;
};

struct credentials {
	struct credentials_deps d;
	struct notifier *notifier;
	struct map busy;
	struct timer *expiry;
	int64_t next_s; /* when expiry looks, wall clock; 0 = not armed */
};

/* --- expiry: one timer for the earliest --- */

static int64_t end_of(const struct cred *c)
{
	return c->expires < c->not_after ? c->expires : c->not_after;
}

static void look_at(struct credentials *all, int64_t when_s)
{
	int64_t now = loop_wall_s(all->d.loop), left = when_s - now;

	if (all->next_s != 0 && all->next_s <= when_s)
		return;
	all->next_s = when_s;
	if (left < 0)
		left = 0;
	timer_start(all->expiry, (uint32_t)(left < LOOK_AGAIN_S ? left : LOOK_AGAIN_S) * 1000);
}

static void expire_or_wait(void *arg, const struct cred *c)
{
	struct credentials *all = arg;

	if (!c->present)
		return;
	if (end_of(c) > loop_wall_s(all->d.loop)) {
		look_at(all, end_of(c));
		return;
	}
	log_line(LOG_INFO, "event=credential_expired aor=%s", log_esc(slice_str(c->aor)).text);
	if (credentials_revoke(all, slice_str(c->aor), NULL, NULL) != ERR_OK)
		look_at(all, loop_wall_s(all->d.loop) + 1); /* being written right now */
}

static void on_expiry(void *arg)
{
	struct credentials *all = arg;

	all->next_s = 0;
	cred_each(all->d.store, expire_or_wait, all);
}

struct credentials *credentials_new(const struct credentials_deps *deps)
{
	struct credentials *all = mem_alloc(sizeof(*all));

	all->d = *deps;
	map_init(&all->busy);
	all->expiry = timer_new(deps->loop, on_expiry, all);
	return all;
}

void credentials_attach(struct credentials *all, struct notifier *n)
{
	all->notifier = n;
	on_expiry(all);
}

static void busy_free(struct busy *b)
{
	map_remove(&b->all->busy, &b->node);
	mem_free(b->aor);
	mem_free(b);
}

void credentials_free(struct credentials *all)
{
	struct map_node *n;

	if (all == NULL)
		return;
	while ((n = map_first(&all->busy)) != NULL)
		busy_free(MAP_ENTRY(n, struct busy, node));
	map_free(&all->busy);
	timer_free(all->expiry);
	mem_free(all);
}

/* --- what NOTIFYs say --- */

/* What may be served now: CRT-25, never outside its validity. NULL: nothing. */
static const struct cred *current(const struct credentials *all, struct slice aor)
{
	const struct cred *c = cred_find(all->d.store, aor);
	int64_t now = loop_wall_s(all->d.loop);

	return c != NULL && c->present && now < end_of(c) && now >= c->not_before ? c : NULL;
}

static enum err source_state(void *arg, enum package p, struct slice aor, struct buf *headers, struct buf *body,
			     char *etag)
{
	const struct credentials *all = arg;
	const struct cred *c = current(all, aor);
	struct buf cert = {0}, key = {0};
	enum err e;

	if (c == NULL)
		return ERR_OK;
	e = cred_read(all->d.store, c, &cert, p == PACKAGE_CREDENTIAL ? &key : NULL);
	if (e == ERR_OK) {
		memcpy(etag, c->etag, sizeof(c->etag));
		if (p == PACKAGE_CERTIFICATE) {
			buf_add(body, buf_slice(&cert));
			buf_adds(headers, "Content-Type: application/pkix-cert\r\n");
		} else {
			credential_body(buf_slice(&cert), buf_slice(&key), headers, body);
			log_line(LOG_INFO, "event=cred_read aor=%s", log_esc(aor).text);
		}
		buf_adds(headers, "Content-Disposition: signal\r\n");
	}
	buf_free(&cert);
	buf_wipe(&key);
	return e;
}

static int64_t source_valid_until(void *arg, enum package p, struct slice aor)
{
	const struct cred *c = current(arg, aor);

	return p == PACKAGE_CREDENTIAL && c != NULL ? c->not_after : INT64_MAX;
}

const struct notifier_source credentials_source = {.state = source_state, .valid_until = source_valid_until};

/* --- writing --- */

static void run(struct credentials *all, struct tx *tx, struct slice aor);

static void reply_done(const struct busy *b, enum err e)
{
	struct tx *tx = b->tx != 0 ? tx_find(b->all->d.transactions, b->tx) : NULL;
	char lines[128];

	if (tx == NULL)
		return;
	if (e != ERR_OK) {
		tx_reply_code(tx, 500, "The Credential Could Not Be Stored");
		return;
	}
	snprintf(lines, sizeof(lines), "SIP-ETag: %s\r\nExpires: %u\r\n", b->etag, b->granted);
	tx_reply(tx, &(struct build_reply){.code = 200, .headers = slice_str(lines)});
}

static void on_stored(void *arg, enum err e)
{
	struct busy *b = arg;
	struct credentials *all = b->all;
	const struct cred *c = cred_find(all->d.store, slice_str(b->aor));
	struct busy last = *b;

	reply_done(b, e);
	map_remove(&all->busy, &b->node);
	mem_free(b);
	if (e == ERR_OK) {
		log_line(LOG_INFO, "event=cred_write aor=%s effect=%d", log_esc(slice_str(last.aor)).text, last.effect);
		if (c != NULL && c->present)
			look_at(all, end_of(c));
		if (last.effect == EFFECT_CHANGED)
			notifier_changed(all->notifier, slice_str(last.aor));
		else if (last.effect == EFFECT_REVOKED)
			notifier_revoked(all->notifier, slice_str(last.aor));
	}
	if (last.done != NULL)
		last.done(last.arg, e);
	for (unsigned i = 0; i < last.parked_count; i++) {
		struct tx *tx = tx_find(all->d.transactions, last.parked[i]);

		if (tx != NULL)
			run(all, tx, slice_str(last.aor));
	}
	mem_free(last.aor);
}

static struct busy *find_busy(struct credentials *all, struct slice aor)
{
	struct map_node *n = map_find(&all->busy, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct busy, node);
}

/* Starts to write change for its AOR, which is not busy. Its etag is made here. */
static enum err store(struct credentials *all, struct cred_change *change, enum effect effect, uint32_t granted,
		      uint64_t tx, struct busy **out)
{
	struct busy *b = mem_alloc(sizeof(*b));
	struct buf etag = {0};
	enum err e;

	b->all = all;
	b->aor = slice_dup(change->aor);
	b->tx = tx;
	b->effect = effect;
	b->granted = granted;
	rng_hex(&etag, CRED_ETAG / 2);
	memcpy(b->etag, etag.p, CRED_ETAG);
	change->etag = slice_str(b->etag);
	map_add(&all->busy, &b->node, slice_str(b->aor));
	e = cred_put(all->d.store, change, on_stored, b);
	if (e != ERR_OK)
		busy_free(b);
	else if (out != NULL)
		*out = b;
	buf_free(&etag);
	return e;
}

enum err credentials_revoke(struct credentials *all, struct slice aor, commit_fn done, void *arg)
{
	const struct cred *c = cred_find(all->d.store, aor);
	struct cred_change change = {.aor = aor};
	struct busy *b = NULL;
	enum err e;

	if (find_busy(all, aor) != NULL)
		return ERR_BUSY;
	if (c == NULL || !c->present)
		return ERR_NOTFOUND;
	e = store(all, &change, EFFECT_REVOKED, 0, 0, &b);
	if (e == ERR_OK) {
		b->done = done;
		b->arg = arg;
	}
	return e;
}

/* --- PUBLISH --- */

struct publication {
	struct credentials *all;
	struct tx *tx;
	struct slice aor;
	const struct cred *now; /* the state, NULL: none */
	bool conditional;       /* SIP-If-Match */
	bool has_expires;
	uint32_t expires;
};

static void refused(struct tx *tx, struct refusal r)
{
	tx_reply(tx, &(struct build_reply){.code = r.code, .reason = r.reason, .headers = slice_str(r.headers)});
}

static void write_it(struct publication *p, struct cred_change *change, enum effect effect, uint32_t granted)
{
	enum err e = store(p->all, change, effect, granted, tx_id(p->tx), NULL);

	if (e != ERR_OK)
		tx_reply(p->tx, &(struct build_reply){.code = 503, .headers = S("Retry-After: 5\r\n")});
}

/* Nothing changes, but the answer has its entity-tag (ESC-12). */
static void answer_empty(const struct publication *p)
{
	struct buf lines = {0};

	buf_adds(&lines, "SIP-ETag: ");
	rng_hex(&lines, CRED_ETAG / 2);
	buf_adds(&lines, "\r\nExpires: 0\r\n");
	tx_reply(p->tx, &(struct build_reply){.code = 200, .headers = buf_slice(&lines)});
	buf_free(&lines);
}

static void revoke(struct publication *p)
{
	struct cred_change change = {.aor = p->aor};

	if (p->now == NULL)
		answer_empty(p);
	else
		write_it(p, &change, EFFECT_REVOKED, 0);
}

static void too_brief(const struct publication *p)
{
	char line[48];

	snprintf(line, sizeof(line), "Min-Expires: %u\r\n", p->all->d.access.config->credential_publish_min_expires);
	tx_reply(p->tx, &(struct build_reply){.code = 423, .headers = slice_str(line)});
}

/* ESC-05, ESC-06: what to grant of the remaining seconds; false: too brief. */
static bool grant(const struct publication *p, int64_t left, uint32_t *out)
{
	uint32_t min = p->all->d.access.config->credential_publish_min_expires;
	uint32_t rest = left > UINT32_MAX ? UINT32_MAX : left < 0 ? 0 : (uint32_t)left;

	*out = !p->has_expires || p->expires > rest ? rest : p->expires;
	return !p->has_expires || p->expires == 0 || p->expires >= min || p->expires + 2 >= rest;
}

/* The same credential, a new entity-tag and lifetime (RFC 3903 4.3). */
static void refresh(struct publication *p)
{
	struct cred_change change = {.aor = p->aor};
	struct buf cert = {0}, key = {0};
	int64_t now = loop_wall_s(p->all->d.loop);
	uint32_t granted;

	if (!grant(p, p->now->not_after - now, &granted)) {
		too_brief(p);
		return;
	}
	if (cred_read(p->all->d.store, p->now, &cert, &key) != ERR_OK) {
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

/* T-17: revoke, refresh or refuse. */
static void without_body(struct publication *p)
{
	bool positive = p->has_expires && p->expires > 0;

	switch ((enum config_empty)p->all->d.access.config->credential_empty_publish) {
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
	const struct config *c = p->all->d.access.config;
	int64_t now = loop_wall_s(p->all->d.loop);
	struct published body = {0};
	struct refusal r = publish_read(tx_request(p->tx), c, &body);
	uint32_t granted = 0;

	/* T-15: 423 comes before what is wrong with the body, but the lifetime of a certificate is never too brief. */
	if (p->has_expires && p->expires > 0 && p->expires < c->credential_publish_min_expires &&
	    (r.code != 0 || !grant(p, cert_not_after(body.cert) - now, &granted))) {
		too_brief(p);
		goto out;
	}
	if (r.code == 0)
		r = published_check(&body, c, p->aor, now);
	if (r.code != 0) {
		refused(p->tx, r);
	} else if (p->has_expires && p->expires == 0) {
		/* ESC-10: removes what SIP-If-Match names; else there is nothing to store. */
		if (p->conditional)
			revoke(p);
		else
			answer_empty(p);
	} else if (grant(p, cert_not_after(body.cert) - now, &granted)) {
		struct cred_change change = {.aor = p->aor,
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
	published_free(&body);
}

/* ESC-04: exactly one token that is the current entity-tag. false: answered. */
static bool condition_holds(struct publication *p)
{
	struct slice match = msg_value(tx_request(p->tx), HDR_SIP_IF_MATCH);

	p->conditional = match.p != NULL;
	if (!p->conditional)
		return true;
	if (!is_token(match)) {
		tx_reply_code(p->tx, 400, "Bad SIP-If-Match Header Field");
		return false;
	}
	if (p->now == NULL || !slice_eq(match, slice_str(p->now->etag))) {
		tx_reply_code(p->tx, 412, NULL);
		return false;
	}
	return true;
}

/* Everything behind authentication, for an AOR that is not busy: state is looked at only now (ESC-13). */
static void process(struct credentials *all, struct tx *tx, struct slice aor)
{
	struct publication p = {.all = all, .tx = tx, .aor = aor, .now = current(all, aor)};
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

static void run(struct credentials *all, struct tx *tx, struct slice aor)
{
	struct busy *b = find_busy(all, aor);

	if (b == NULL)
		process(all, tx, aor);
	else if (b->parked_count < PARKED_MAX)
		b->parked[b->parked_count++] = tx_id(tx);
	else
		tx_reply(tx, &(struct build_reply){.code = 503, .headers = S("Retry-After: 1\r\n")});
}

void credentials_publish(struct credentials *all, struct tx *tx, struct slice aor)
{
	const struct sip_msg *m = tx_request(tx);
	struct event ev = {0};
	enum package p;

	if (msg_value(m, HDR_EVENT).p != NULL && event_parse(msg_value(m, HDR_EVENT), &ev) != ERR_OK) {
		tx_reply_code(tx, 400, "Bad Event Header Field");
		return;
	}
	p = package_of(ev.package);
	if (p == PACKAGE_COUNT || (p == PACKAGE_CERTIFICATE && !all->d.access.config->certificate_publish)) {
		tx_reply(tx, &(struct build_reply){.code = 489, .headers = S("Allow-Events: " ALLOW_EVENTS "\r\n")});
		return;
	}
	if (access_owner(&all->d.access, tx, aor))
		run(all, tx, aor);
}
