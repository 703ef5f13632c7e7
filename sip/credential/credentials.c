#include "sip/credential/credentials.h"

#include "core/log.h"
#include "core/mem.h"
#include "sip/credential/credential_private.h"

/*
 * The life of a credential. It ends with its publication (RFC 3903) or with its certificate, whichever comes first. One
 * timer for all sleeps until the earliest of these moments.
 */

#define RENEW_S (14 * 86400) /* before notAfter a credential that was made here is made anew (DEP-06) */
#define REMAKE_S 600         /* until the next try, when making one fails */
#define RETRY_S 10           /* until the next try, when the disk has failed or a change is under way */
#define LOOK_AGAIN_S 3600    /* the longest sleep of the expiry timer, because the clock may be set meanwhile */

/* --- expiry: one timer for the earliest --- */

static int64_t end_of(const struct credential *c)
{
	return c->expires < c->not_after ? c->expires : c->not_after;
}

/* look_at: the expiry timer looks at when_s or earlier. */
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

/*
 * is_due: is it time to renew a credential that was made here (style 3, DEP-06)? Watchers see a new one like any other.
 */
static bool is_due(const struct credentials *all, const struct credential *c)
{
	return c->made_here && all->d.access.settings->config.credential_create &&
	       loop_wall_s(all->d.loop) >= c->not_after - RENEW_S;
}

static enum err withdraw(struct credentials *all, struct slice aor, enum effect effect, commit_fn done, void *arg);

/*
 * expire_or_wait: ends what is over, renews what is due, and arms the timer for what comes first. While a change of the
 * AOR is under way nothing is decided, since by its end the credential may be another. The timer looks again soon: a
 * turn that fails does not lead here.
 */
static void expire_or_wait(void *arg, const struct credential *c)
{
	struct credentials *all = arg;
	int64_t now = loop_wall_s(all->d.loop);

	if (!c->present)
		return;
	if (turn_find(all, slice_str(c->aor)) != NULL) {
		look_at(all, now + RETRY_S);
		return;
	}
	if (is_due(all, c)) {
		bool started = creator_start(all, slice_str(c->aor), NULL, NULL) == ERR_OK;

		/* Success leads here again (tell). For a failure the timer is the only one to try again. */
		look_at(all, now + (started ? REMAKE_S : 60));
		if (started || end_of(c) > now)
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
	map_init(&all->turns);
	list_init(&all->told);
	all->expiry = timer_new(deps->loop, on_expiry, all);
	return all;
}

uint64_t credentials_account(const struct credentials *all, struct slice aor)
{
	const struct user *user = users_find(all->d.access.settings->users, aor);

	return user == NULL ? 0 : user->account;
}

/* is_of_user: T-48: not of a former user of that name. */
static bool is_of_user(const struct credentials *all, const struct credential *c)
{
	const struct user *user = users_find(all->d.access.settings->users, slice_str(c->aor));

	return user != NULL && user->account == c->account;
}

struct enforcing {
	struct credentials *all;
	struct buf aors;
};

/* A credential whose user is gone: its AOR, on a line. */
static void note_foreign(void *arg, const struct credential *c)
{
	struct enforcing *e = arg;

	if (!is_of_user(e->all, c)) {
		buf_adds(&e->aors, c->aor);
		buf_addc(&e->aors, '\n');
	}
}

/* set_aside: the user of c is gone. Who watches him is told. c is freed. */
static void set_aside(struct credentials *all, const struct credential *c)
{
	struct slice aor = slice_str(c->aor);
	bool present = c->present;
	char *kept = slice_dup(aor);

	credential_set_aside(all->d.store, c);
	if (present)
		notifier_revoked(all->notifier, slice_str(kept));
	mem_free(kept);
}

/*
 * enforce: T-48: users may have gone while the program was not running. Their records are set aside, not erased, and
 * who watches them is told. With a damaged list of users nobody is known to be gone; their records are not served.
 */
static void enforce(struct credentials *all)
{
	struct enforcing e = {.all = all};
	struct slice rest, aor;

	if (users_damaged(all->d.access.settings->users))
		return;
	credential_each(all->d.store, note_foreign, &e);
	for (rest = buf_slice(&e.aors); slice_cut(rest, '\n', &aor, &rest);)
		set_aside(all, credential_find(all->d.store, aor));
	buf_free(&e.aors);
}

void credentials_gone(struct credentials *all, struct slice aor)
{
	const struct credential *c = credential_find(all->d.store, aor);
	struct turn *t = turn_find(all, aor);

	/* A change that is under way is withdrawn behind it: its record cannot be moved now. */
	if (t != NULL && turn_revoke_after(t, NULL, NULL) == ERR_BUSY)
		log_line(LOG_WARN, "event=not_revoked aor=%s reason=busy", log_esc(aor).text);
	if (t == NULL && c != NULL && !is_of_user(all, c))
		set_aside(all, c);
}

/* What has ended while the program was not running is withdrawn and told here, so there must be a notifier. */
void credentials_attach(struct credentials *all, struct notifier *n)
{
	all->notifier = n;
	enforce(all);
	on_expiry(all);
}

void credentials_free(struct credentials *all)
{
	if (all == NULL)
		return;
	turns_drop(all);
	state_drop(all);
	timer_free(all->expiry);
	mem_free(all);
}

const struct credential *credentials_current(const struct credentials *all, struct slice aor)
{
	const struct credential *c = credential_find(all->d.store, aor);
	int64_t now = loop_wall_s(all->d.loop);

	return c != NULL && c->present && is_of_user(all, c) && now < end_of(c) && now >= c->not_before ? c : NULL;
}

/* --- a turn has ended --- */

/* tell: a change is durable. The log has one line, and the watchers are told what it means for them. */
static void tell(struct credentials *all, const struct turn *t)
{
	static const char *const effects[] = {[EFFECT_CHANGED] = "published",
					      [EFFECT_REVOKED] = "revoked",
					      [EFFECT_REFRESHED] = "refreshed",
					      [EFFECT_EXPIRED] = "expired"};
	const struct credential *c = credential_find(all->d.store, slice_str(t->aor));

	log_line(LOG_INFO, "event=cred_write aor=%s effect=%s", log_esc(slice_str(t->aor)).text, effects[t->effect]);
	if (c != NULL)
		expire_or_wait(all, c);
	if (t->effect == EFFECT_CHANGED)
		notifier_changed(all->notifier, slice_str(t->aor));
	else if (t->effect == EFFECT_REVOKED)
		notifier_revoked(all->notifier, slice_str(t->aor));
	else if (t->effect == EFFECT_EXPIRED)
		notifier_expired(all->notifier, slice_str(t->aor));
}

void credentials_turn_over(struct credentials *all, const struct turn *t, enum err e)
{
	const struct credential *c = credential_find(all->d.store, slice_str(t->aor));

	if (e == ERR_OK)
		tell(all, t);
	else if (c != NULL && c->present && end_of(c) <= loop_wall_s(all->d.loop))
		look_at(all, loop_wall_s(all->d.loop) + RETRY_S); /* an expiry that is still to be written */
}

/* --- ending --- */

/* withdraw: writes the empty state. done is called once, unless an error is returned. */
static enum err withdraw(struct credentials *all, struct slice aor, enum effect effect, commit_fn done, void *arg)
{
	const struct credential *c = credential_find(all->d.store, aor);
	struct turn *t = turn_find(all, aor);
	struct credential_change change = {.aor = aor};

	if (t != NULL)
		return turn_revoke_after(t, done, arg);
	if (c == NULL || !c->present)
		return ERR_NOTFOUND;
	t = turn_begin(all, aor, effect);
	t->done = done;
	t->arg = arg;
	return turn_write(t, &change);
}

enum err credentials_create(struct credentials *all, struct slice aor, commit_fn done, void *arg)
{
	uint32_t style = all->d.access.settings->config.credential_style;

	if (style != STYLE_ANY && style != STYLE_3)
		return ERR_UNSUPPORTED;
	if (credentials_current(all, aor) != NULL)
		return ERR_EXISTS;
	return turn_find(all, aor) != NULL ? ERR_BUSY : creator_start(all, aor, done, arg);
}

enum err credentials_revoke(struct credentials *all, struct slice aor, commit_fn done, void *arg)
{
	return withdraw(all, aor, EFFECT_REVOKED, done, arg);
}
