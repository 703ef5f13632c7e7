#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "sip/event/notifier_private.h"
#include "store/subscription.h"

/*
 * The table of subscriptions, and the life of each: the connection that it depends on, when it ends, where its NOTIFY
 * is, and what survives a restart.
 */

#define JOURNAL "subscriptions"
#define JOURNAL_MAX (256u << 20) /* 100,000 subscriptions of 1 kB, with as much history */
#define TIMER_MAX_S (20 * 86400) /* seconds: the longest sleep of a timer; a longer time is slept in parts */
#define UNKNOWN "?"              /* no entity-tag is this */
#define JOURNAL_KEY 160          /* octets: a local tag, which was made here, and a NUL */

/* --- sources of unauthenticated subscriptions --- */

/* How many unauthenticated subscriptions a source has; it is freed with the last one. */
struct source {
	struct map_node node;
	unsigned count;
	char key[16]; /* peer_prefix */
};

static struct source *find_source(const struct subs *all, const struct peer *p)
{
	struct map_node *node = map_find(&all->sources, peer_prefix(p));

	return node == NULL ? NULL : MAP_ENTRY(node, struct source, node);
}

bool sub_count_source(struct subs *all, const struct peer *p, unsigned max)
{
	struct source *c = find_source(all, p);

	if (c == NULL) {
		struct slice prefix = peer_prefix(p);

		c = mem_alloc(sizeof(*c));
		memcpy(c->key, prefix.p, prefix.n);
		map_add(&all->sources, &c->node, slice_of(c->key, prefix.n));
	}
	if (c->count >= max)
		return false;
	c->count++;
	return true;
}

static void leave_source(struct sub *s)
{
	struct source *c = s->anonymous ? find_source(s->all, &s->flow.remote) : NULL;

	if (c != NULL && --c->count == 0) {
		map_remove(&s->all->sources, &c->node);
		mem_free(c);
	}
}

/* --- time --- */

static int64_t left_ms(const struct sub *s)
{
	int64_t left = s->expires_ms - loop_now_ms(s->all->loop);

	return left > 0 ? left : 0;
}

static void arm(struct sub *s)
{
	int64_t left = left_ms(s), most = TIMER_MAX_S * INT64_C(1000);

	timer_start(s->expiry, (uint32_t)(left < most ? left : most));
}

/* Time is monotonic, so setting the clock ends nothing (G37). */
static void on_expiry(void *arg)
{
	struct sub *s = arg;

	if (left_ms(s) > 0)
		arm(s);
	else
		s->all->expired(s);
}

void sub_set_expiry(struct sub *s, int64_t left_s)
{
	if (left_s < 0)
		left_s = 0;
	s->expires_ms = loop_now_ms(s->all->loop) + (left_s < INT32_MAX ? left_s : INT32_MAX) * 1000;
	arm(s);
}

int64_t sub_left_s(const struct sub *s)
{
	return (left_ms(s) + 999) / 1000;
}

/* --- the way back --- */

/* Does the flow depend on a connection that can break? */
static bool on_connection(const struct flow *f)
{
	return f->proto != PROTO_UDP && f->id != 0;
}

/* A credential is subscribed to by its owner only, a certificate by anybody. */
static bool is_of_user(const struct sub *s)
{
	return s->package == PACKAGE_CREDENTIAL;
}

/* leave_flow: out of the index of connections; the connection may be idle again (transport_keep). */
static void leave_flow(struct sub *s)
{
	if (s->kept)
		transport_keep(s->all->transport, &s->flow, is_of_user(s), -1);
	s->kept = false;
	group_remove(&s->all->by_flow, &s->by_flow);
	s->flow.id = 0;
}

void sub_lose_flow(struct sub *s)
{
	s->kept = false; /* the connection is gone, so there is nothing to keep */
	leave_flow(s);
}

void sub_set_flow(struct sub *s, const struct flow *f)
{
	struct subs *all = s->all;

	leave_flow(s);
	leave_source(s);
	if (s->anonymous)
		s->anonymous = sub_count_source(all, &f->remote, UINT32_MAX);
	s->flow = *f;
	s->no_tcp = s->way.known = s->way.large = false;
	if (on_connection(f))
		group_add(&all->by_flow, &s->by_flow, slice_of(&s->flow.id, sizeof(s->flow.id)));
	s->kept = f->proto != PROTO_UDP && transport_alive(all->transport, f);
	if (s->kept)
		transport_keep(all->transport, f, is_of_user(s), 1);
}

/* --- delivery --- */

void sub_deliver(struct sub *s, enum sub_delivery next)
{
	struct subs *all = s->all;

	/* Leaving the old state. */
	if (s->delivery == SUB_QUEUED) {
		list_remove(&s->queued);
		all->urgent_count -= s->queued_urgent;
	}
	if (s->delivery == SUB_ASKED)
		s->request = 0;
	s->delivery = next;
	switch (next) {
	case SUB_IDLE:
		s->last = false;
		break;
	case SUB_QUEUED:
		s->last = false;
		s->queued_urgent = s->urgent;
		all->urgent_count += s->urgent;
		list_add(s->urgent ? &all->urgent : &all->changes, &s->queued);
		break;
	case SUB_ROUTING: /* in no queue; the NOTIFY is made when the way is known */
		break;
	case SUB_SIGNING: /* the NOTIFY that is made now has all that was owed until now */
		s->again = s->urgent = false;
		s->last = s->end != SUB_LIVES;
		break;
	case SUB_ASKED:
		break;
	}
}

struct sub *sub_next_queued(const struct subs *all)
{
	struct list_node *n = list_first(list_is_empty(&all->urgent) ? &all->changes : &all->urgent);

	return n == NULL ? NULL : LIST_ENTRY(n, struct sub, queued);
}

/* --- life --- */

struct sub *sub_new(struct subs *all, enum package p, struct slice aor, struct slice event_id)
{
	struct sub *s = mem_alloc(sizeof(*s));

	s->all = all;
	s->notifier = all->notifier;
	s->package = p;
	s->aor = slice_dup(aor);
	s->event_id = event_id.p == NULL ? NULL : slice_dup(event_id);
	memcpy(s->told_etag, UNKNOWN, sizeof(UNKNOWN));
	memcpy(s->seen_etag, UNKNOWN, sizeof(UNKNOWN));
	s->id = ++all->next_id;
	s->expiry = timer_new(all->loop, on_expiry, s);
	return s;
}

void sub_enter(struct sub *s)
{
	struct subs *all = s->all;
	struct buf key = {0};

	dialog_key(slice_str(s->dialog.call_id), slice_str(s->dialog.local_tag), slice_str(s->dialog.remote_tag), &key);
	s->key = buf_take(&key);
	map_add(&all->by_dialog, &s->by_dialog, slice_str(s->key));
	group_add(&all->by_aor, &s->by_aor, slice_str(s->aor));
	map_add(&all->by_id, &s->by_id, slice_of(&s->id, sizeof(s->id)));
	map_add(&all->by_tag, &s->by_tag, slice_str(s->dialog.local_tag));
	all->counts[s->package]++;
}

static void journal_key(const struct sub *s, char out[JOURNAL_KEY])
{
	snprintf(out, JOURNAL_KEY, "%.150s", s->dialog.local_tag);
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

/* A subscription whose dialog could not be made is in no table. */
static void leave_tables(struct sub *s)
{
	struct subs *all = s->all;

	if (s->key == NULL) /* it never entered them */
		return;
	map_remove(&all->by_dialog, &s->by_dialog);
	group_remove(&all->by_aor, &s->by_aor);
	map_remove(&all->by_id, &s->by_id);
	map_remove(&all->by_tag, &s->by_tag);
	all->counts[s->package]--;
}

void sub_free(struct sub *s)
{
	char key[JOURNAL_KEY];

	if (s->journaled) {
		journal_key(s, key);
		journal_delete(s->all->journal, slice_str(key));
	}
	leave_flow(s);
	leave_source(s);
	if (s->request != 0)
		tx_forget(s->all->transactions, s->request);
	sub_deliver(s, SUB_IDLE);
	timer_stop(s->expiry);
	if (s->pause != NULL)
		timer_stop(s->pause);
	leave_tables(s);
	/* Deferred, because a handler of its timer may be running. */
	loop_defer(s->all->loop, release, s);
}

struct sub *sub_by_id(const struct subs *all, uint64_t id)
{
	struct map_node *node = map_find(&all->by_id, slice_of(&id, sizeof(id)));

	return node == NULL ? NULL : MAP_ENTRY(node, struct sub, by_id);
}

/*
 * --- what survives a restart ---
 *
 * Certificate subscriptions do. Credential subscriptions do not, because they belong to an authenticated connection.
 */

void sub_save(struct sub *s)
{
	struct peer_text peer = peer_text(&s->flow.remote);
	struct subscription r = {
		.aor = slice_str(s->aor),
		.package = slice_str(package_name(s->package)),
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
		.etag = slice_str(s->seen_etag),
		.proto = s->flow.proto,
		.local_cseq = s->dialog.local_cseq,
		.remote_cseq = s->dialog.remote_cseq,
		.expires = (uint64_t)(loop_wall_s(s->all->loop) + sub_left_s(s)),
	};
	struct buf value = {0};
	char key[JOURNAL_KEY];

	if (s->package != PACKAGE_CERTIFICATE || s->end != SUB_LIVES)
		return;
	subscription_write(&r, &value);
	journal_key(s, key);
	journal_put(s->all->journal, slice_str(key), buf_slice(&value));
	buf_free(&value);
	s->journaled = true;
}

static void on_snapshot(void *arg, struct journal *j)
{
	struct subs *all = arg;

	(void)j;
	for (struct map_node *node = map_first(&all->by_id); node != NULL; node = map_next(&all->by_id, node))
		sub_save(MAP_ENTRY(node, struct sub, by_id));
}

/* revive: a subscription of the last run. Its connection is gone; NOTIFYs go to its Contact (T-32). */
static void revive(struct subs *all, const struct subscription *r)
{
	int64_t left = (int64_t)r->expires - loop_wall_s(all->loop);
	struct sub *s = sub_new(all, PACKAGE_CERTIFICATE, r->aor, r->event_id.n > 0 ? r->event_id : SLICE_NONE);

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
	if (r->etag.p != NULL && r->etag.n < sizeof(s->seen_etag)) {
		snprintf(s->seen_etag, sizeof(s->seen_etag), "%.*s", SLICE_ARG(r->etag));
		memcpy(s->told_etag, s->seen_etag, sizeof(s->told_etag));
	}
	s->flow.proto = (enum proto)r->proto;
	if (!peer_parse(r->peer, &s->flow.remote))
		s->flow.proto = PROTO_TCP;
	s->flow.id = 0; /* connections are numbered anew in each process */
	s->anonymous = sub_count_source(all, &s->flow.remote, UINT32_MAX);
	s->journaled = true;
	sub_enter(s);
	sub_set_expiry(s, left < all->longest_s ? left : all->longest_s);
}

/*
 * on_replay: one entry of the journal; a later entry of the same key replaces the one before. value NULL: it had ended.
 */
static void on_replay(void *arg, struct slice key, struct slice value)
{
	struct subs *all = arg;
	struct map_node *node = map_find(&all->by_tag, key);
	struct sub *s = node == NULL ? NULL : MAP_ENTRY(node, struct sub, by_tag);
	struct buf scratch = {0};
	struct subscription r;

	if (s != NULL) {
		s->journaled = false;
		sub_free(s);
	}
	if (value.p != NULL && subscription_read(value, &scratch, &r) == ERR_OK && r.proto <= PROTO_TLS)
		revive(all, &r);
	buf_free(&scratch);
}

enum err subs_open(struct subs *all, struct commit *commit, int dirfd)
{
	map_init(&all->by_dialog);
	groups_init(&all->by_aor);
	map_init(&all->by_id);
	map_init(&all->by_tag);
	groups_init(&all->by_flow);
	map_init(&all->sources);
	list_init(&all->urgent);
	list_init(&all->changes);
	return journal_open(all->loop, commit, dirfd, JOURNAL, JOURNAL_MAX, on_replay, on_snapshot, all, &all->journal);
}

void subs_close(struct subs *all)
{
	struct map_node *node;

	while ((node = map_first(&all->by_id)) != NULL) {
		struct sub *s = MAP_ENTRY(node, struct sub, by_id);

		s->journaled = false; /* it goes on after the restart */
		sub_free(s);
	}
	while ((node = map_first(&all->sources)) != NULL) {
		map_remove(&all->sources, node);
		mem_free(MAP_ENTRY(node, struct source, node));
	}
	map_free(&all->by_dialog);
	groups_free(&all->by_aor);
	map_free(&all->by_id);
	map_free(&all->by_tag);
	groups_free(&all->by_flow);
	map_free(&all->sources);
	journal_free(all->journal);
}
