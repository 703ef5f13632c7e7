#include "sip/event/notifier.h"

#include "core/mem.h"
#include "sip/event/notifier_private.h"

/* What other rooms tell the notifier: that it begins and ends, and what has happened to an AOR. */

/* on_expired: the time granted is over; for a credential this may be the end of its certificate (CRD-16). */
static void on_expired(struct sub *s)
{
	notify_end(s, SUB_TIMEOUT);
}

enum err notifier_new(const struct notifier_deps *deps, struct notifier **out)
{
	struct notifier *n = mem_alloc(sizeof(*n));
	enum err e;

	n->d = *deps;
	n->patience = timer_new(deps->loop, notify_on_patience, n);
	n->subs = (struct subs){.loop = deps->loop,
				.transactions = deps->transactions,
				.transport = deps->transport,
				.notifier = n,
				.expired = on_expired,
				.longest_s = deps->access.settings->config.certificate_max_expires};
	e = subs_open(&n->subs, deps->commit, deps->dirfd);
	if (e != ERR_OK) {
		notifier_free(n);
		return e;
	}
	*out = n;
	return ERR_OK;
}

void notifier_start(struct notifier *n)
{
	notify_start(n);
}

void notifier_free(struct notifier *n)
{
	if (n == NULL)
		return;
	subs_close(&n->subs);
	timer_free(n->patience);
	mem_free(n);
}

/* --- what happens to an AOR --- */

/* each_of: calls fn for each subscription to aor; fn may free the one that it is given. */
static void each_of(struct notifier *n, struct slice aor, void (*fn)(struct sub *s))
{
	for (struct group_node *node = group_first(&n->subs.by_aor, aor), *next; node != NULL; node = next) {
		next = group_next(node);
		fn(GROUP_ENTRY(node, struct sub, by_aor));
	}
}

void notifier_changed(struct notifier *n, struct slice aor)
{
	each_of(n, aor, notify_change);
}

static void deactivate(struct sub *s)
{
	if (s->package == PACKAGE_CREDENTIAL)
		notify_end(s, SUB_DEACTIVATED);
}

/* tell_of_nothing: T-04: an end of the state is told at once, and makes a waiting change superfluous. */
static void tell_of_nothing(struct sub *s, enum sub_end end_of_credential)
{
	if (s->package == PACKAGE_CREDENTIAL) {
		notify_end(s, end_of_credential);
		return;
	}
	if (s->pause != NULL)
		timer_stop(s->pause);
	notify_now(s);
}

static void revoke(struct sub *s)
{
	tell_of_nothing(s, SUB_DEACTIVATED);
}

static void expire(struct sub *s)
{
	tell_of_nothing(s, SUB_TIMEOUT);
}

void notifier_expired(struct notifier *n, struct slice aor)
{
	each_of(n, aor, expire);
}

/* The nonces first: a watcher that comes back at once must be challenged (CRD-23). */
void notifier_revoked(struct notifier *n, struct slice aor)
{
	auth_revoke(n->d.access.auth, aor);
	each_of(n, aor, revoke);
}

void notifier_deactivate(struct notifier *n, struct slice aor)
{
	auth_revoke(n->d.access.auth, aor);
	each_of(n, aor, deactivate);
}

void notifier_enforce(struct notifier *n)
{
	for (struct map_node *node = map_first(&n->subs.by_id), *next; node != NULL; node = next) {
		struct sub *s = MAP_ENTRY(node, struct sub, by_id);

		next = map_next(&n->subs.by_id, node);
		if (!notify_is_owed(s))
			notify_end(s, SUB_DEACTIVATED);
	}
}

void notifier_flow_closed(struct notifier *n, uint64_t flow_id)
{
	struct group_node *node;

	while ((node = group_first(&n->subs.by_flow, slice_of(&flow_id, sizeof(flow_id)))) != NULL) {
		struct sub *s = GROUP_ENTRY(node, struct sub, by_flow);

		sub_lose_flow(s);
		/* CRD-11: a credential goes by the authenticated connection or not at all. */
		if (s->package == PACKAGE_CREDENTIAL)
			sub_free(s);
	}
}

bool notifier_is_target(const struct notifier *n, struct slice user)
{
	char plain[64];
	struct slice own = uri_plain(user, plain, sizeof(plain));

	return slice_starts(own, S(NOTIFIER_USER)) &&
	       map_find(&n->subs.by_tag, slice_sub(own, S(NOTIFIER_USER).n, own.n)) != NULL;
}

unsigned notifier_count(const struct notifier *n, enum package p)
{
	return n->subs.counts[p];
}

void notifier_each(const struct notifier *n, notifier_watch_fn fn, void *arg)
{
	for (struct map_node *node = map_first(&n->subs.by_id); node != NULL; node = map_next(&n->subs.by_id, node)) {
		const struct sub *s = MAP_ENTRY(node, struct sub, by_id);

		fn(arg, &(struct notifier_watch){.package = s->package,
						 .aor = slice_str(s->aor),
						 .watcher = slice_str(s->dialog.remote),
						 .peer = &s->flow.remote,
						 .left_s = sub_left_s(s)});
	}
}
