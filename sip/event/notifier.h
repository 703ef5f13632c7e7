#ifndef SIP_EVENT_NOTIFIER_H
#define SIP_EVENT_NOTIFIER_H

#include "sip/access/access.h"
#include "sip/event/package.h"
#include "sip/identity/signer.h"
#include "sip/locate/resolver.h"
#include "store/commit.h"

/*
 * The notifier (RFC 6665 4.2) of the packages "certificate" and "credential" (draft 6, 7): subscriptions, their
 * NOTIFYs, of which each is signed by the authentication service, how often changes are told, and what survives a
 * restart. The state in a NOTIFY comes from the source, which is asked at the moment of sending.
 */
struct notifier_source {
	/*
	 * The entity-tag of the state of aor: CREDENTIAL_ETAG digits and a NUL, or "" when there is no state. Reads no
	 * file.
	 */
	void (*etag)(void *arg, struct slice aor, char *etag);
	/*
	 * The state itself: appends header lines and body (no body: there is no state) and gives its entity-tag. An
	 * error means that it could not be read, and that the NOTIFY is tried again later.
	 */
	enum err (*state)(void *arg, enum package p, struct slice aor, struct buf *headers, struct buf *body,
			  char *etag);
	/* Until when (seconds since 1970) the state may be told; INT64_MAX: no limit. */
	int64_t (*valid_until)(void *arg, enum package p, struct slice aor);
	/* A subscription has begun, and its first NOTIFY is on its way. */
	void (*subscribed)(void *arg, enum package p, struct slice aor);
};

struct notifier;

struct notifier_deps {
	struct loop *loop;
	struct tx_layer *transactions;
	struct transport *transport;
	struct resolver *resolver;
	struct signer *signer;
	unsigned signing_max; /* NOTIFYs that are with the signer at once; the others wait here */
	unsigned backlog_max; /* NOTIFYs owed to SUBSCRIBEs that may wait; beyond it SUBSCRIBE gets 503 */
	struct access access;
	struct commit *commit;
	int dirfd; /* of the store */
	const struct notifier_source *source;
	void *source_arg;
};

/*
 * notifier_new: deps are copied. Brings back the subscriptions of the last run. ERR_IO: errno is set. notifier_free:
 * nobody is told anything; the stored subscriptions go on after the next start. NULL is ignored.
 */
MUST_USE enum err notifier_new(const struct notifier_deps *deps, struct notifier **out);
void notifier_free(struct notifier *n);

/*
 * notifier_start: there are listeners, so NOTIFYs can be sent from now on. Who does not have the state of now is told,
 * whatever has ended the last run (CRT-30).
 */
void notifier_start(struct notifier *n);

/*
 * notifier_subscribe: answers a SUBSCRIBE (T-15 has the order of checks). aor: its Request-URI as an AOR, of the
 * domain; empty in a dialog, which says itself which AOR it is about.
 */
void notifier_subscribe(struct notifier *n, struct tx *tx, struct slice aor);

/* notifier_is_target: is user the user part of the Contact of a subscription here (T-43)? */
bool notifier_is_target(const struct notifier *n, struct slice user);

/* notifier_changed: aor has a new state. Each watcher is told, at most once in notify.interval (CRT-21). */
void notifier_changed(struct notifier *n, struct slice aor);

/*
 * notifier_revoked: the state of aor is gone. Certificate subscriptions get an empty NOTIFY at once (CRT-20);
 * credential subscriptions end with "deactivated", and nonces of the user become stale (CRD-21, CRD-23).
 */
void notifier_revoked(struct notifier *n, struct slice aor);

/*
 * notifier_expired: the certificate of aor has come to its end. Certificate subscriptions get an empty NOTIFY (CRT-25).
 * Credential subscriptions were granted until then (CRD-16) and end with "timeout", whichever timer fires first (T-19).
 */
void notifier_expired(struct notifier *n, struct slice aor);

/*
 * notifier_deactivate: the password of aor has changed, or the user is gone: its credential subscriptions end (CRD-24).
 */
void notifier_deactivate(struct notifier *n, struct slice aor);

/*
 * notifier_enforce: settings have changed: credential subscriptions of who is not the owner by them any more end (G24).
 */
void notifier_enforce(struct notifier *n);

/* notifier_flow_closed: a connection is over; credential subscriptions on it end without a NOTIFY (CRD-11). */
void notifier_flow_closed(struct notifier *n, uint64_t flow_id);

/* notifier_count: subscriptions of this package. */
unsigned notifier_count(const struct notifier *n, enum package p);

/* notifier_each: who watches what: calls fn for each subscription, in no order. Everything is valid during the call. */
struct notifier_watch {
	enum package package;
	struct slice aor;
	struct slice watcher;    /* From of the SUBSCRIBE, with its tag */
	const struct peer *peer; /* where the latest SUBSCRIBE came from; family 0: not known any more */
	int64_t left_s;          /* seconds until it ends */
};
typedef void (*notifier_watch_fn)(void *arg, const struct notifier_watch *w);
void notifier_each(const struct notifier *n, notifier_watch_fn fn, void *arg);

#endif
