#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/credential/credential_private.h"

/*
 * Turns: one change of an AOR at a time, from the decision until it is durable (ESC-13).
 *
 *   turn_begin -> turn_write -> (disk) -> turn_end: answer, tell, free the AOR -> go_on: what waited
 *
 * A waiting revocation goes before the waiting PUBLISHes, and these follow in their order.
 */

struct turn *turn_find(const struct credentials *all, struct slice aor)
{
	struct map_node *n = map_find(&all->turns, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct turn, node);
}

struct turn *turn_begin(struct credentials *all, struct slice aor, enum effect effect)
{
	struct turn *t = mem_alloc(sizeof(*t));

	t->all = all;
	t->aor = slice_dup(aor);
	t->effect = effect;
	map_add(&all->turns, &t->node, slice_str(t->aor));
	return t;
}

static void turn_free(struct turn *t)
{
	mem_free(t->aor);
	mem_free(t);
}

void turns_drop(struct credentials *all)
{
	struct map_node *n;

	while ((n = map_first(&all->turns)) != NULL) {
		map_remove(&all->turns, n);
		turn_free(MAP_ENTRY(n, struct turn, node));
	}
	map_free(&all->turns);
}

static uint64_t secret_of(const struct turn *t)
{
	const struct user *user = users_find(t->all->d.access.settings->users, slice_str(t->aor));

	return user == NULL ? 0 : user->secret;
}

bool turn_park(struct turn *t, struct tx *tx, unsigned proof)
{
	if (t->parked_count == PARKED_MAX)
		return false;
	t->parked[t->parked_count].tx = tx_id(tx);
	t->parked[t->parked_count].proof = proof;
	t->parked[t->parked_count++].secret = secret_of(t);
	return true;
}

enum err turn_revoke_after(struct turn *t, commit_fn done, void *arg)
{
	if (t->revoke_after)
		return ERR_BUSY;
	t->revoke_after = true;
	t->after = done;
	t->after_arg = arg;
	return ERR_OK;
}

/* A PUBLISH whose transaction has ended meanwhile gets no answer; its change stands. */
static void reply(const struct turn *t, enum err e)
{
	struct tx *tx = t->tx != 0 ? tx_find(t->all->d.transactions, t->tx) : NULL;
	char lines[128];

	if (tx == NULL)
		return;
	if (e != ERR_OK) {
		tx_reply_code(tx, 500, "The Credential Could Not Be Stored");
		return;
	}
	snprintf(lines, sizeof(lines), "SIP-ETag: %s\r\nExpires: %u\r\n", t->etag, t->granted);
	tx_reply(tx, &(struct build_reply){.code = 200, .headers = slice_str(lines)});
}

/*
 * go_on: the AOR is free again, and t is in no table. The first that waited begins a new turn, where the others wait
 * again.
 */
static void go_on(struct turn *t)
{
	struct credentials *all = t->all;

	if (t->revoke_after) {
		enum err e = credentials_revoke(all, slice_str(t->aor), t->after, t->after_arg);

		if (e != ERR_OK && t->after != NULL)
			t->after(t->after_arg, e);
	}
	for (unsigned i = 0; i < t->parked_count; i++) {
		unsigned proof = t->parked[i].proof;
		struct tx *tx = tx_find(all->d.transactions, t->parked[i].tx);

		if (tx == NULL)
			continue;
		/*
		 * T-48: its user may be gone meanwhile, or have another password, or his certificate may be good for
		 * nothing any more: then it has to prove itself again.
		 */
		if ((t->parked[i].secret == secret_of(t) && secret_of(t) != 0 &&
		     access_holds(&all->d.access, tx_flow(tx), slice_str(t->aor), proof)) ||
		    access_owner(&all->d.access, tx, slice_str(t->aor), &proof))
			publish_run(all, tx, slice_str(t->aor), proof);
	}
	turn_free(t);
}

/* The answer leaves first, then the NOTIFYs. Parked PUBLISHes come last, because they change what NOTIFYs tell. */
void turn_end(struct turn *t, enum err e)
{
	reply(t, e);
	map_remove(&t->all->turns, &t->node);
	credentials_turn_over(t->all, t, e);
	if (t->done != NULL)
		t->done(t->arg, e);
	go_on(t);
}

static void on_stored(void *arg, enum err e)
{
	turn_end(arg, e);
}

enum err turn_write(struct turn *t, struct credential_change *change)
{
	struct buf etag = {0};
	enum err e;

	rng_hex(&etag, CREDENTIAL_ETAG / 2);
	memcpy(t->etag, etag.p, CREDENTIAL_ETAG);
	buf_free(&etag);
	change->etag = slice_str(t->etag);
	change->account = credentials_account(t->all, slice_str(t->aor));
	e = credential_put(t->all->d.store, change, on_stored, t);
	/* No credentials_turn_over: nothing has changed, and the caller tells why. */
	if (e != ERR_OK) {
		map_remove(&t->all->turns, &t->node);
		go_on(t);
	}
	return e;
}
