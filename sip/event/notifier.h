#ifndef SIP_EVENT_NOTIFIER_H
#define SIP_EVENT_NOTIFIER_H

#include "sip/access/access.h"
#include "sip/event/package.h"
#include "sip/identity/signer.h"
#include "store/commit.h"

/*
 * The notifier, RFC 6665 4.2, of the packages "certificate" and "credential" (draft 6 and 7): subscriptions, their
 * NOTIFYs (each signed by the authentication service), coalescing, and what survives a restart. What a NOTIFY says
 * comes from the source, asked at the moment of sending.
 */
struct notifier_source {
	/* The entity-tag of the AOR's state, CREDENTIAL_ETAG digits and a NUL; "": there is no state. Reads no file. */
	void (*etag)(void *arg, struct slice aor, char *etag);
	/* Appends header lines and body of the state (empty body: there is none), and gives its etag. */
	enum err (*state)(void *arg, enum package p, struct slice aor, struct buf *headers, struct buf *body,
			  char *etag);
	/* How long, in wall-clock seconds, the state may be told to subscribers; INT64_MAX: no limit. */
	int64_t (*valid_until)(void *arg, enum package p, struct slice aor);
	/* A subscription has begun; its first NOTIFY is on its way. */
	void (*subscribed)(void *arg, enum package p, struct slice aor);
};

struct notifier;

struct notifier_deps {
	struct loop *loop;
	struct tx_layer *transactions;
	struct transport *transport;
	struct signer *signer;
	unsigned signing_max; /* NOTIFYs that are signed at once: others wait here, not in the workers' queue */
	unsigned backlog_max; /* NOTIFYs owed to SUBSCRIBEs that may wait; beyond, 503 */
	struct access access;
	struct commit *commit;
	int dirfd; /* of the store */
	const struct notifier_source *source;
	void *source_arg;
};

/* notifier_new: also brings back the subscriptions of the last run. deps are kept by value. */
MUST_USE enum err notifier_new(const struct notifier_deps *deps, struct notifier **out);
void notifier_free(struct notifier *n);

/* notifier_subscribe: one SUBSCRIBE, whose AOR the router knows to be of the domain (or empty: in-dialog). Answers it.
 */
void notifier_subscribe(struct notifier *n, struct tx *tx, struct slice aor);

/* notifier_is_target: is it the user part of the Contact of a subscription here? */
bool notifier_is_target(const struct notifier *n, struct slice user);

/* notifier_changed: the AOR has a new state: tell everybody, at most once an interval. */
void notifier_changed(struct notifier *n, struct slice aor);

/* notifier_revoked: certificate subscribers are told at once that there is nothing; credential subscriptions end
 * "deactivated". */
void notifier_revoked(struct notifier *n, struct slice aor);

/*
 * notifier_expired: the certificate has come to its end: certificate subscribers are told that there is nothing;
 * credential subscriptions were granted until then (CRD-16) and end "timeout", whichever timer is first (T-19).
 */
void notifier_expired(struct notifier *n, struct slice aor);

/* notifier_deactivate: the secret of this AOR changed: its credential subscriptions end (CRD-24). */
void notifier_deactivate(struct notifier *n, struct slice aor);

void notifier_flow_closed(struct notifier *n, uint64_t flow_id);

unsigned notifier_count(const struct notifier *n, enum package p);

#endif
