#ifndef SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H
#define SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H

#include "core/list.h"
#include "core/map.h"
#include "sip/credential/credentials.h"

/*
 * What the files of this room share. credentials.c: life, expiry and revocation. state.c: what NOTIFYs say. turn.c: one
 * change of an AOR at a time. creator.c: credentials that are made here. publish.c: requests.
 */

#define PARKED_MAX 16 /* PUBLISHes of one AOR that wait for the one before; beyond: 503 */

/* What a change means to subscribers. */
enum effect {
	EFFECT_CHANGED,
	EFFECT_REVOKED,   /* also: the publication ended before the certificate did (T-19 b) */
	EFFECT_REFRESHED, /* nothing: the same credential has a new entity-tag */
	EFFECT_EXPIRED,   /* the certificate came to its end (T-19 a) */
};

/* A change of the credential of an AOR that is under way, and what waits for its end. */
struct turn {
	struct map_node node; /* in credentials.turns, key: aor */
	struct credentials *all;
	char *aor;
	uint64_t tx;                 /* of the PUBLISH; 0: not by a PUBLISH */
	uint64_t parked[PARKED_MAX]; /* PUBLISHes that came meanwhile */
	unsigned parked_count;
	enum effect effect;
	char etag[CREDENTIAL_ETAG + 1];
	uint32_t granted;
	commit_fn done; /* of an administrator's revocation, or NULL */
	void *arg;
	bool revoke_after; /* a revocation came meanwhile, whose caller is told by after */
	commit_fn after;
	void *after_arg;
};

struct credentials {
	struct credentials_deps d;
	struct notifier *notifier;
	struct map turns;
	struct list told; /* state.c */
	struct timer *expiry;
	int64_t next_s; /* when expiry looks, wall clock; 0 = not armed */
};

/* --- credentials.c --- */

/* credentials_current: what may be served now: it is in its validity (CRT-25). NULL: nothing. */
const struct credential *credentials_current(const struct credentials *all, struct slice aor);

/* credentials_turn_over: a turn has ended: tells subscribers, and looks at the expiry of what is there now. */
void credentials_turn_over(struct credentials *all, const struct turn *t, enum err e);

/* --- state.c --- */
void state_drop(struct credentials *all);

/* --- turn.c --- */

/* turn_find: NULL: the AOR is free. turn_begin: of a free AOR. */
struct turn *turn_find(const struct credentials *all, struct slice aor);
struct turn *turn_begin(struct credentials *all, struct slice aor, enum effect effect);
void turns_drop(struct credentials *all);

/* turn_park: the PUBLISH goes on when this turn has ended. false: too many wait. */
MUST_USE bool turn_park(struct turn *t, struct tx *tx);

/* turn_revoke_after: a revocation follows this turn; done(arg, err) then. ERR_BUSY: one waits already. */
MUST_USE enum err turn_revoke_after(struct turn *t, commit_fn done, void *arg);

/*
 * turn_write: change, whose etag is made here, goes to the store. When it is durable, or has failed, the turn ends. On
 * an error here the turn is over without an answer to its PUBLISH.
 */
MUST_USE enum err turn_write(struct turn *t, struct credential_change *change);

/* turn_end: answers the PUBLISH, tells who is to be told, and lets those go on that wait. t is gone. */
void turn_end(struct turn *t, enum err e);

/* --- publish.c --- */

/* publish_run: what a PUBLISH that has been let in asks for; also for those that were parked. */
void publish_run(struct credentials *all, struct tx *tx, struct slice aor);

/* --- creator.c --- */

/* creator_start: a new credential for an AOR that is free: made in a worker, then written. */
MUST_USE enum err creator_start(struct credentials *all, struct slice aor);

#endif
