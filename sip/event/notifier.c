#include "sip/event/notifier.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/event/notifier_private.h"
#include "store/subscription.h"

#define JOURNAL "subscriptions"
#define JOURNAL_MAX (256u << 20) /* 100,000 subscriptions of 1 kB, with as much history */
#define TIMER_MAX_S (20 * 86400) /* what fits into 32 bits of milliseconds; longer ones look again */

const char *const package_names[PACKAGE_COUNT] = {"certificate", "credential"};

enum package package_of(struct slice token)
{
	for (unsigned p = 0; p < PACKAGE_COUNT; p++)
		if (slice_eq(token, slice_str(package_names[p])))
			return (enum package)p;
	return PACKAGE_COUNT;
}

/* --- sources of unauthenticated subscriptions --- */

static struct source_count *find_source(struct notifier *n, const struct peer *p)
{
	struct map_node *node = map_find(&n->sources, peer_prefix(p));

	return node == NULL ? NULL : MAP_ENTRY(node, struct source_count, node);
}

bool source_enter(struct notifier *n, const struct peer *p, unsigned max)
{
	struct source_count *c = find_source(n, p);

	if (c == NULL) {
		struct slice prefix = peer_prefix(p);

		c = mem_alloc(sizeof(*c));
		memcpy(c->key, prefix.p, prefix.n);
		map_add(&n->sources, &c->node, slice_of(c->key, prefix.n));
	}
	if (c->count >= max)
		return false;
	c->count++;
	return true;
}

void source_leave(struct notifier *n, const struct peer *p)
{
	struct source_count *c = find_source(n, p);

	if (c != NULL && --c->count == 0) {
		map_remove(&n->sources, &c->node);
		mem_free(c);
	}
}

/* --- the life of a subscription --- */

static int64_t left_ms(const struct sub *s)
{
	int64_t left = s->expires_ms - loop_now_ms(s->notifier->d.loop);

	return left > 0 ? left : 0;
}

static void arm(struct sub *s)
{
	int64_t left = left_ms(s), most = TIMER_MAX_S * INT64_C(1000);

	timer_start(s->expiry, (uint32_t)(left < most ? left : most));
}

static void on_expiry(void *arg)
{
	struct sub *s = arg;

	if (left_ms(s) > 0)
		arm(s);
	else
		sub_finish(s, SUB_TIMEOUT);
}

struct sub *sub_new(struct notifier *n, enum package p, struct slice aor, struct slice event_id)
{
	struct sub *s = mem_alloc(sizeof(*s));

	s->notifier = n;
	s->package = p;
	s->aor = slice_dup(aor);
	s->event_id = event_id.p == NULL ? NULL : slice_dup(event_id);
	s->id = ++n->next_id;
	s->expiry = timer_new(n->d.loop, on_expiry, s);
	return s;
}

void sub_enter(struct sub *s)
{
	struct notifier *n = s->notifier;
	struct buf key = {0};

	dialog_key(slice_str(s->dialog.call_id), slice_str(s->dialog.local_tag), slice_str(s->dialog.remote_tag), &key);
	s->key = buf_take(&key);
	map_add(&n->by_dialog, &s->by_dialog, slice_str(s->key));
	map_add(&n->by_aor, &s->by_aor, slice_str(s->aor));
	map_add(&n->by_id, &s->by_id, slice_of(&s->id, sizeof(s->id)));
	map_add(&n->by_tag, &s->by_tag, slice_str(s->dialog.local_tag));
	n->counts[s->package]++;
}

static void journal_key(const struct sub *s, char out[160])
{
	snprintf(out, 160, "%.150s", s->dialog.local_tag);
}

static bool on_connection(const struct flow *f)
{
	return f->proto != PROTO_UDP && f->id != 0;
}

/* Credentials are for their owners only, and certificates for everybody. */
static bool is_of_user(const struct sub *s)
{
	return s->package == PACKAGE_CREDENTIAL;
}

static void leave_flow(struct sub *s)
{
	if (s->kept)
		transport_keep(s->notifier->d.transport, &s->flow, is_of_user(s), -1);
	s->kept = false;
	if (on_connection(&s->flow))
		map_remove(&s->notifier->by_flow, &s->by_flow);
	s->flow.id = 0;
}

static void release(void *arg)
{
	struct sub *s = arg;

	timer_free(s->expiry);
	timer_free(s->pause);
	dialog_drop(&s->dialog);
	mem_free(s->key);
	mem_free(s->aor);
	mem_free(s->event_id);
	mem_free(s);
}

void sub_free(struct sub *s)
{
	struct notifier *n = s->notifier;
	char key[160];

	if (s->journaled) {
		journal_key(s, key);
		journal_delete(n->journal, slice_str(key));
	}
	leave_flow(s);
	if (s->anonymous)
		source_leave(n, &s->flow.remote);
	backlog_leave(s);
	if (s->request != 0)
		tx_forget(n->d.transactions, s->request);
	timer_stop(s->expiry);
	if (s->pause != NULL)
		timer_stop(s->pause);
	map_remove(&n->by_dialog, &s->by_dialog);
	map_remove(&n->by_aor, &s->by_aor);
	map_remove(&n->by_id, &s->by_id);
	map_remove(&n->by_tag, &s->by_tag);
	n->counts[s->package]--;
	/* Its own timer's handler may be what runs now. */
	loop_defer(n->d.loop, release, s);
}

void sub_set_flow(struct sub *s, const struct flow *f)
{
	struct notifier *n = s->notifier;

	leave_flow(s);
	if (s->anonymous) {
		source_leave(n, &s->flow.remote);
		s->anonymous = source_enter(n, &f->remote, UINT32_MAX);
	}
	s->flow = *f;
	if (on_connection(f))
		map_add(&n->by_flow, &s->by_flow, slice_of(&s->flow.id, sizeof(s->flow.id)));
	s->kept = f->proto != PROTO_UDP && transport_alive(n->d.transport, f);
	if (s->kept)
		transport_keep(n->d.transport, f, is_of_user(s), 1);
}

void sub_set_expiry(struct sub *s, int64_t left_s)
{
	if (left_s < 0)
		left_s = 0;
	s->expires_ms = loop_now_ms(s->notifier->d.loop) + (left_s < INT32_MAX ? left_s : INT32_MAX) * 1000;
	arm(s);
}

int64_t sub_left_s(const struct sub *s)
{
	return (left_ms(s) + 999) / 1000;
}

struct sub *sub_by_id(struct notifier *n, uint64_t id)
{
	struct map_node *node = map_find(&n->by_id, slice_of(&id, sizeof(id)));

	return node == NULL ? NULL : MAP_ENTRY(node, struct sub, by_id);
}

/* --- what survives a restart: certificate subscriptions; credential ones belong to a connection --- */

void sub_save(struct sub *s)
{
	struct peer_text peer = peer_text(&s->flow.remote);
	struct subscription r = {
		.aor = slice_str(s->aor),
		.package = slice_str(package_names[s->package]),
		.event_id = slice_str(s->event_id),
		.call_id = slice_str(s->dialog.call_id),
		.local_tag = slice_str(s->dialog.local_tag),
		.remote_tag = slice_str(s->dialog.remote_tag),
		.local = slice_str(s->dialog.local),
		.remote = slice_str(s->dialog.remote),
		.target = slice_str(s->dialog.target),
		.contact = slice_str(s->dialog.contact),
		.routes = slice_str(s->dialog.routes),
		.peer = slice_str(peer.text),
		.proto = s->flow.proto,
		.local_cseq = s->dialog.local_cseq,
		.remote_cseq = s->dialog.remote_cseq,
		.expires = (uint64_t)(loop_wall_s(s->notifier->d.loop) + sub_left_s(s)),
	};
	struct buf value = {0};
	char key[160];

	if (s->package != PACKAGE_CERTIFICATE || s->end != SUB_LIVES)
		return;
	subscription_write(&r, &value);
	journal_key(s, key);
	journal_put(s->notifier->journal, slice_str(key), buf_slice(&value));
	buf_free(&value);
	s->journaled = true;
}

static void on_snapshot(void *arg, struct journal *j)
{
	struct notifier *n = arg;

	(void)j;
	for (struct map_node *node = map_first(&n->by_id); node != NULL; node = map_next(&n->by_id, node))
		sub_save(MAP_ENTRY(node, struct sub, by_id));
}

static void revive(struct notifier *n, const struct subscription *r)
{
	struct sub *s = sub_new(n, PACKAGE_CERTIFICATE, r->aor, r->event_id.n > 0 ? r->event_id : SLICE_NONE);

	s->dialog = (struct dialog){
		.call_id = slice_dup(r->call_id),
		.local_tag = slice_dup(r->local_tag),
		.remote_tag = slice_dup(r->remote_tag),
		.local = slice_dup(r->local),
		.remote = slice_dup(r->remote),
		.target = slice_dup(r->target),
		.contact = slice_dup(r->contact),
		.routes = slice_dup(r->routes),
		.local_cseq = r->local_cseq,
		.remote_cseq = r->remote_cseq,
	};
	s->flow.proto = (enum proto)r->proto;
	if (!peer_parse(r->peer, &s->flow.remote))
		s->flow.proto = PROTO_TCP;
	s->flow.id = 0;
	s->journaled = true;
	sub_enter(s);
	sub_set_expiry(s, (int64_t)r->expires - loop_wall_s(n->d.loop));
}

static void on_replay(void *arg, struct slice key, struct slice value)
{
	struct notifier *n = arg;
	struct map_node *node = map_find(&n->by_tag, key);
	struct sub *s = node == NULL ? NULL : MAP_ENTRY(node, struct sub, by_tag);
	struct buf scratch = {0};
	struct subscription r;

	if (s != NULL) {
		s->journaled = false;
		sub_free(s);
	}
	if (value.p != NULL && subscription_read(value, &scratch, &r) == ERR_OK && r.proto <= PROTO_TLS)
		revive(n, &r);
	buf_free(&scratch);
}

enum err notifier_new(const struct notifier_deps *deps, struct notifier **out)
{
	struct notifier *n = mem_alloc(sizeof(*n));
	enum err e;

	n->d = *deps;
	map_init(&n->by_dialog);
	map_init(&n->by_aor);
	map_init(&n->by_id);
	map_init(&n->sources);
	map_init(&n->by_tag);
	map_init(&n->by_flow);
	n->patience = timer_new(deps->loop, notify_on_patience, n);
	e = journal_open(deps->loop, deps->commit, deps->dirfd, JOURNAL, JOURNAL_MAX, on_replay, on_snapshot, n,
			 &n->journal);
	if (e != ERR_OK) {
		notifier_free(n);
		return e;
	}
	*out = n;
	return ERR_OK;
}

void notifier_free(struct notifier *n)
{
	struct map_node *node;

	if (n == NULL)
		return;
	while ((node = map_first(&n->by_id)) != NULL) {
		struct sub *s = MAP_ENTRY(node, struct sub, by_id);

		s->journaled = false; /* it goes on after the restart */
		sub_free(s);
	}
	while ((node = map_first(&n->sources)) != NULL) {
		map_remove(&n->sources, node);
		mem_free(MAP_ENTRY(node, struct source_count, node));
	}
	map_free(&n->by_dialog);
	map_free(&n->by_aor);
	map_free(&n->by_id);
	map_free(&n->sources);
	map_free(&n->by_tag);
	map_free(&n->by_flow);
	journal_free(n->journal);
	timer_free(n->patience);
	mem_free(n);
}

/* --- what happens to an AOR --- */

/* Calls fn for each subscription to aor; fn may free the one it is given. */
static void each_of(struct notifier *n, struct slice aor, void (*fn)(struct sub *s))
{
	struct map_node *node = map_find(&n->by_aor, aor);

	while (node != NULL) {
		struct map_node *next = map_find_next(node);

		fn(MAP_ENTRY(node, struct sub, by_aor));
		node = next;
	}
}

void notifier_changed(struct notifier *n, struct slice aor)
{
	each_of(n, aor, sub_change);
}

static void deactivate(struct sub *s)
{
	if (s->package == PACKAGE_CREDENTIAL)
		sub_finish(s, SUB_DEACTIVATED);
}

/* T-04: a revocation is told at once and makes a pending change superfluous. */
static void tell_of_nothing(struct sub *s, enum sub_end end_of_credential)
{
	if (s->package == PACKAGE_CREDENTIAL) {
		sub_finish(s, end_of_credential);
		return;
	}
	if (s->pause != NULL)
		timer_stop(s->pause);
	sub_notify(s);
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

void notifier_flow_closed(struct notifier *n, uint64_t flow_id)
{
	struct map_node *node;

	while ((node = map_find(&n->by_flow, slice_of(&flow_id, sizeof(flow_id)))) != NULL) {
		struct sub *s = MAP_ENTRY(node, struct sub, by_flow);

		s->kept = false;
		/* CRD-11: a credential goes by the authenticated connection or not at all. */
		if (s->package == PACKAGE_CREDENTIAL)
			sub_free(s);
		else
			leave_flow(s);
	}
}

bool notifier_is_target(const struct notifier *n, struct slice user)
{
	return slice_starts(user, S(NOTIFIER_USER)) &&
	       map_find(&n->by_tag, slice_sub(user, S(NOTIFIER_USER).n, user.n)) != NULL;
}

unsigned notifier_count(const struct notifier *n, enum package p)
{
	return n->counts[p];
}
