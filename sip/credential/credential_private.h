#ifndef SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H
#define SIP_CREDENTIAL_CREDENTIAL_PRIVATE_H

#include "core/map.h"
#include "sip/credential/credentials.h"

/* What credential.c (state: writing, expiry, what NOTIFYs say), creator.c and publish.c (requests) share. Nobody else
 * includes this. */

#define PARKED_MAX 16 /* PUBLISHes of one AOR that wait for the one before; beyond: 503 */

/* EXPIRED: by the certificate's own end (T-19 a); a publication that ends before is as good as revoked (T-19 b). */
enum effect { EFFECT_CHANGED, EFFECT_REVOKED, EFFECT_REFRESHED, EFFECT_EXPIRED };

/* An AOR whose credential is being made or written, and who waits for it. */
struct busy {
	struct map_node node;
	struct credentials *all;
	char *aor;
	uint64_t tx; /* 0: not by a PUBLISH */
	uint64_t parked[PARKED_MAX];
	unsigned parked_count;
	enum effect effect;
	char etag[CREDENTIAL_ETAG + 1];
	uint32_t granted;
	commit_fn done; /* of an administrator */
	void *arg;
	bool revoke_after; /* when this is done, for: */
	commit_fn after;
	void *after_arg;
};

struct credentials {
	struct credentials_deps d;
	struct notifier *notifier;
	struct map busy;
	struct timer *expiry;
	int64_t next_s; /* when expiry looks, wall clock; 0 = not armed */
};

/* credential.c */

/* credentials_current: what may be served now (CRT-25: never outside its validity). NULL: nothing. */
const struct credential *credentials_current(const struct credentials *all, struct slice aor);

/* busy_find: NULL: the AOR is free. busy_begin: it is not any more. busy_end: nothing came of it; who waits goes on. */
struct busy *busy_find(struct credentials *all, struct slice aor);
struct busy *busy_begin(struct credentials *all, struct slice aor, enum effect effect);
void busy_end(struct busy *b, enum err e);

/*
 * busy_write: change, whose etag is made here, goes to the store; when it is durable the PUBLISH b->tx is answered and
 * subscribers are told. On failure b is gone.
 */
MUST_USE enum err busy_write(struct busy *b, struct credential_change *change);

/* publish.c: what a PUBLISH that has been let in asks for; also for those that were parked. */
void publish_run(struct credentials *all, struct tx *tx, struct slice aor);

/* creator.c: a new credential for an AOR that is free: made in a worker, then written. */
MUST_USE enum err creator_start(struct credentials *all, struct slice aor);

#endif
