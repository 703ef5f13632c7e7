#include "sip/credential/credentials.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/credential/credential_private.h"
#include "sip/credential/user_cert.h"

#define RENEW_S (14 * 86400) /* before its end a credential that was made here is made anew */
#define REMAKE_S 600         /* after making one came to nothing */
#define RETRY_S 10           /* after the disk failed */
#define LOOK_AGAIN_S 3600    /* the longest that the expiry timer sleeps: the clock may be set meanwhile */

/* --- expiry: one timer for the earliest --- */

static int64_t end_of(const struct credential *c)
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

/* Style 3, DEP-06: renewal in time, with NOTIFYs as for any new credential. */
static bool is_due(const struct credentials *all, const struct credential *c)
{
	return c->made_here && all->d.access.settings->config.credential_create &&
	       loop_wall_s(all->d.loop) >= c->not_after - RENEW_S;
}

static enum err withdraw(struct credentials *all, struct slice aor, enum effect effect, commit_fn done, void *arg);

static void expire_or_wait(void *arg, const struct credential *c)
{
	struct credentials *all = arg;
	int64_t now = loop_wall_s(all->d.loop);

	if (!c->present)
		return;
	if (is_due(all, c) && busy_find(all, slice_str(c->aor)) == NULL) {
		/* When it is made and stored this is looked at again; else nobody but the timer would try once more. */
		look_at(all, now + (creator_start(all, slice_str(c->aor)) == ERR_OK ? REMAKE_S : 60));
		return;
	}
	if (end_of(c) > now) {
		look_at(all, c->made_here && c->not_after - RENEW_S > now && c->not_after - RENEW_S < end_of(c)
				     ? c->not_after - RENEW_S
				     : end_of(c));
		return;
	}
	log_line(LOG_INFO, "event=credential_expired aor=%s", log_esc(slice_str(c->aor)).text);
	if (withdraw(all, slice_str(c->aor), c->not_after <= now ? EFFECT_EXPIRED : EFFECT_REVOKED, NULL, NULL) !=
	    ERR_OK)
		look_at(all, now + 1);
}

static void on_expiry(void *arg)
{
	struct credentials *all = arg;

	all->next_s = 0;
	credential_each(all->d.store, expire_or_wait, all);
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

const struct credential *credentials_current(const struct credentials *all, struct slice aor)
{
	const struct credential *c = credential_find(all->d.store, aor);
	int64_t now = loop_wall_s(all->d.loop);

	return c != NULL && c->present && now < end_of(c) && now >= c->not_before ? c : NULL;
}

static enum err source_state(void *arg, enum package p, struct slice aor, struct buf *headers, struct buf *body,
			     char *etag)
{
	const struct credentials *all = arg;
	const struct credential *c = credentials_current(all, aor);
	struct buf cert = {0}, key = {0};
	enum err e;

	if (c == NULL)
		return ERR_OK;
	e = credential_read(all->d.store, c, &cert, p == PACKAGE_CREDENTIAL ? &key : NULL);
	if (e == ERR_OK) {
		memcpy(etag, c->etag, sizeof(c->etag));
		if (p == PACKAGE_CERTIFICATE) {
			buf_add(body, buf_slice(&cert));
			buf_adds(headers, "Content-Type: application/pkix-cert\r\n");
		} else {
			user_cert_body(buf_slice(&cert), buf_slice(&key), headers, body);
			log_line(LOG_INFO, "event=credential_read aor=%s", log_esc(aor).text);
		}
		buf_adds(headers, "Content-Disposition: signal\r\n");
	}
	buf_free(&cert);
	buf_wipe(&key);
	return e;
}

static int64_t source_valid_until(void *arg, enum package p, struct slice aor)
{
	const struct credential *c = credentials_current(arg, aor);

	return p == PACKAGE_CREDENTIAL && c != NULL ? c->not_after : INT64_MAX;
}

/* --- writing --- */

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

/* The AOR is free again: a revocation that came meanwhile, then the PUBLISHes in their order. */
static void go_on(struct credentials *all, struct busy *last)
{
	if (last->revoke_after) {
		enum err e = credentials_revoke(all, slice_str(last->aor), last->after, last->after_arg);

		if (e != ERR_OK && last->after != NULL)
			last->after(last->after_arg, e);
	}
	for (unsigned i = 0; i < last->parked_count; i++) {
		struct tx *tx = tx_find(all->d.transactions, last->parked[i]);

		if (tx != NULL)
			publish_run(all, tx, slice_str(last->aor));
	}
}

static void tell(struct credentials *all, const struct busy *b)
{
	const struct credential *c = credential_find(all->d.store, slice_str(b->aor));

	log_line(LOG_INFO, "event=cred_write aor=%s effect=%d", log_esc(slice_str(b->aor)).text, b->effect);
	if (c != NULL)
		expire_or_wait(all, c);
	if (b->effect == EFFECT_CHANGED)
		notifier_changed(all->notifier, slice_str(b->aor));
	else if (b->effect == EFFECT_REVOKED)
		notifier_revoked(all->notifier, slice_str(b->aor));
	else if (b->effect == EFFECT_EXPIRED)
		notifier_expired(all->notifier, slice_str(b->aor));
}

void busy_end(struct busy *b, enum err e)
{
	struct credentials *all = b->all;
	const struct credential *c = credential_find(all->d.store, slice_str(b->aor));
	struct busy last = *b;

	reply_done(b, e);
	map_remove(&all->busy, &b->node);
	mem_free(b);
	if (e == ERR_OK)
		tell(all, &last);
	else if (c != NULL && c->present && end_of(c) <= loop_wall_s(all->d.loop))
		look_at(all, loop_wall_s(all->d.loop) + RETRY_S); /* an expiry that is still to be written and told */
	if (last.done != NULL)
		last.done(last.arg, e);
	go_on(all, &last);
	mem_free(last.aor);
}

static void on_stored(void *arg, enum err e)
{
	busy_end(arg, e);
}

struct busy *busy_find(struct credentials *all, struct slice aor)
{
	struct map_node *n = map_find(&all->busy, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct busy, node);
}

struct busy *busy_begin(struct credentials *all, struct slice aor, enum effect effect)
{
	struct busy *b = mem_alloc(sizeof(*b));

	b->all = all;
	b->aor = slice_dup(aor);
	b->effect = effect;
	map_add(&all->busy, &b->node, slice_str(b->aor));
	return b;
}

enum err busy_write(struct busy *b, struct credential_change *change)
{
	struct buf etag = {0};
	enum err e;

	rng_hex(&etag, CREDENTIAL_ETAG / 2);
	memcpy(b->etag, etag.p, CREDENTIAL_ETAG);
	buf_free(&etag);
	change->etag = slice_str(b->etag);
	e = credential_put(b->all->d.store, change, on_stored, b);
	if (e != ERR_OK) {
		struct credentials *all = b->all;
		struct busy last = *b;

		map_remove(&all->busy, &b->node);
		mem_free(b);
		go_on(all, &last);
		mem_free(last.aor);
	}
	return e;
}

static enum err withdraw(struct credentials *all, struct slice aor, enum effect effect, commit_fn done, void *arg)
{
	const struct credential *c = credential_find(all->d.store, aor);
	struct busy *b = busy_find(all, aor);
	struct credential_change change = {.aor = aor};

	if (b != NULL && b->revoke_after)
		return ERR_BUSY;
	if (b != NULL) {
		b->revoke_after = true;
		b->after = done;
		b->after_arg = arg;
		return ERR_OK;
	}
	if (c == NULL || !c->present)
		return ERR_NOTFOUND;
	b = busy_begin(all, aor, effect);
	b->done = done;
	b->arg = arg;
	return busy_write(b, &change);
}

enum err credentials_revoke(struct credentials *all, struct slice aor, commit_fn done, void *arg)
{
	return withdraw(all, aor, EFFECT_REVOKED, done, arg);
}

/* A user without a credential asks for it: style 3 makes one, unless the last one was revoked on purpose. */
static void source_subscribed(void *arg, enum package p, struct slice aor)
{
	struct credentials *all = arg;
	enum err e;

	if (p != PACKAGE_CREDENTIAL || !all->d.access.settings->config.credential_create ||
	    busy_find(all, aor) != NULL || credential_find(all->d.store, aor) != NULL)
		return;
	e = creator_start(all, aor);
	if (e != ERR_OK)
		log_line(LOG_WARN, "event=cred_not_made aor=%s reason=%s", log_esc(aor).text,
			 log_esc(slice_str(err_str(e))).text);
}

const struct notifier_source credentials_source = {
	.state = source_state, .valid_until = source_valid_until, .subscribed = source_subscribed};
