#ifndef SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H
#define SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H

#include "core/list.h"
#include "core/map.h"
#include "sip/credential/credentials.h"

/*
 * Shared by the files of this room; private to it. credentials.c: life, expiry and revocation. state.c: what NOTIFYs
 * say. turn.c: one change of an AOR at a time. creator.c: credentials that are made here. publish.c: requests.
 */

#define PARKED_MAX 16 /* PUBLISHes of one AOR that wait for the change under way; beyond it 503 */

/* What the watchers of an AOR are told about a change. */
enum effect {
	EFFECT_CHANGED,   /* there is a new certificate or credential */
	EFFECT_REVOKED,   /* it was withdrawn, or the publication ended before its certificate (T-19) */
	EFFECT_REFRESHED, /* nothing: the credential is the same, with a new entity-tag */
	EFFECT_EXPIRED,   /* the certificate came to its end (T-19) */
};

/*
 * A change of the credential of one AOR, from the decision until it is durable, and what waits for its end. It frees
 * itself in turn_end.
 */
struct turn {
	struct map_node node; /* in credentials.turns, key: aor */
	struct credentials *all;
	char *aor;
	uint64_t tx; /* the PUBLISH that asked for it; 0: none did */
	struct {
		uint64_t tx, secret; /* a PUBLISH that came meanwhile, and the secret generation that it has proven */
		unsigned proof;      /* see access_holds */
	} parked[PARKED_MAX];
	unsigned parked_count;
	enum effect effect;
	char etag[CREDENTIAL_ETAG + 1]; /* the new entity-tag */
	uint32_t granted;               /* seconds, for Expires of the 200 */
	commit_fn done;                 /* called at the end, for credentials_revoke; NULL: nobody */
	void *arg;
	bool revoke_after; /* a revocation follows this change; its caller is told by after */
	commit_fn after;
	void *after_arg;
};

struct credentials {
	struct credentials_deps d;
	struct notifier *notifier;
	struct map turns;
	struct list told; /* certificates that were read of late; see state.c */
	struct timer *expiry;
	int64_t next_s; /* when expiry looks next, seconds since 1970; 0: it is not armed */
};

/* --- credentials.c --- */

/*
 * credentials_current: the credential that may be served now: published, not over, and within its validity (CRT-25).
 * NULL: none.
 */
const struct credential *credentials_current(const struct credentials *all, struct slice aor);

/* credentials_account: the account generation of the user; 0: there is none. */
uint64_t credentials_account(const struct credentials *all, struct slice aor);

/*
 * credentials_turn_over: called when a turn has ended, for better or worse. Tells the notifier, and arms the expiry
 * timer for the state that is there now.
 */
void credentials_turn_over(struct credentials *all, const struct turn *t, enum err e);

/* --- state.c --- */
/* state_drop: forgets all certificates in memory. */
void state_drop(struct credentials *all);

/* --- turn.c --- */

/*
 * turn_find: the change under way for aor; NULL: the AOR is free. turn_begin: begins one for a free AOR. turns_drop:
 * frees all without calling anybody, when the program ends.
 */
struct turn *turn_find(const struct credentials *all, struct slice aor);
struct turn *turn_begin(struct credentials *all, struct slice aor, enum effect effect);
void turns_drop(struct credentials *all);

/* turn_park: the PUBLISH is processed when this change has ended. false: PARKED_MAX wait already. */
MUST_USE bool turn_park(struct turn *t, struct tx *tx, unsigned proof);

/*
 * turn_revoke_after: a revocation follows this change, and done(arg, err) is called then; done may be NULL. ERR_BUSY:
 * one waits already.
 */
MUST_USE enum err turn_revoke_after(struct turn *t, commit_fn done, void *arg);

/*
 * turn_write: gives change a new entity-tag and writes it to the store. When it is durable or has failed, the turn
 * ends. On an error here the turn is gone, its PUBLISH is not answered, and done is not called.
 */
MUST_USE enum err turn_write(struct turn *t, struct credential_change *change);

/* turn_end: answers the PUBLISH, tells the watchers, calls done, and lets go on what waits. Frees t. */
void turn_end(struct turn *t, enum err e);

/* --- publish.c --- */

/* publish_run: processes a PUBLISH that has passed authentication, or parks it. For parked ones, too. */
void publish_run(struct credentials *all, struct tx *tx, struct slice aor, unsigned proof);

/* --- creator.c --- */

/*
 * creator_start: makes a credential for a free AOR in a worker, then writes it. done: called at the end of the turn;
 * NULL: nobody. ERR_BUSY: the queue is full, no turn begins.
 */
MUST_USE enum err creator_start(struct credentials *all, struct slice aor, commit_fn done, void *arg);

#endif
