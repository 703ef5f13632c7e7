#ifndef SIP_EVENT_NOTIFIER_PRIVATE_H
#define SIP_EVENT_NOTIFIER_PRIVATE_H

#include "core/list.h"
#include "core/map.h"
#include "sip/event/dialog.h"
#include "sip/event/notifier.h"
#include "store/credential.h"
#include "store/journal.h"

/*
 * What the files of the notifier share, from the bottom up: sub.c has the table and the life of subscriptions, notify.c
 * sends NOTIFYs, subscribe.c answers SUBSCRIBEs, notifier.c is the face to other rooms.
 */

#define NOTIFIER_USER "cred-" /* the user part of our Contact URIs, before the local tag */

/* Why a subscription ends; SUB_LIVES: it does not. The words of RFC 6665 4.1.3. */
enum sub_end { SUB_LIVES, SUB_TIMEOUT, SUB_DEACTIVATED, SUB_PROBATION };

/*
 * Where the NOTIFY of a subscription is. One at a time is under way for each dialog, so that a watcher gets them in the
 * order of their CSeqs (RFC 6665 4.2.2).
 *
 *            something to tell         its turn            signed
 *     IDLE --------------------> QUEUED --------> SIGNING ---------> ASKED
 *      ^  ^                         |                |                 |
 *      |  +---- cannot be made -----+                |                 |
 *      +----------------- cannot be signed ----------+                 |
 *      +------------- answered, or no answer that ends it -------------+
 */
enum sub_delivery {
	SUB_IDLE,    /* nothing is under way */
	SUB_QUEUED,  /* waits in subs.urgent or subs.changes until fewer NOTIFYs are being signed */
	SUB_SIGNING, /* the signer has it */
	SUB_ASKED    /* sent; request is its client transaction */
};

struct sub {
	struct map_node by_dialog, by_aor, by_id, by_tag;
	struct map_node by_flow; /* while on a connection: flow.id is not 0, and not UDP */
	struct list_node queued; /* while SUB_QUEUED */
	struct subs *all;
	struct notifier *notifier;
	uint64_t id;
	enum package package;
	char *key;      /* of the dialog */
	char *aor;      /* whose state */
	char *event_id; /* NULL without one */
	struct dialog dialog;
	struct flow flow; /* of the latest SUBSCRIBE */
	struct timer *expiry;
	struct timer *pause;                 /* until the next state-change NOTIFY; made when it is first needed */
	int64_t expires_ms;                  /* monotonic, so that setting the clock neither ends nor prolongs it */
	int64_t told_ms;                     /* the last state-change NOTIFY, monotonic; 0 = never */
	char told_etag[CREDENTIAL_ETAG + 1]; /* of the state that was delivered last; "?": nobody knows */
	enum sub_end end;                    /* set: the next NOTIFY that is made is the last */
	enum sub_delivery delivery;          /* changed by sub_deliver only */
	uint64_t request;                    /* the client transaction, while SUB_ASKED */
	bool again;                          /* another NOTIFY is owed after the one under way */
	bool urgent;                         /* the next NOTIFY is owed to a SUBSCRIBE, so it goes before changes */
	bool queued_urgent;                  /* it is in subs.urgent, while SUB_QUEUED */
	bool last;                           /* the NOTIFY that is SIGNING or ASKED says "terminated" */
	bool kept;                           /* its connection is kept for it */
	bool journaled;                      /* the journal has it */
	bool anonymous;                      /* it counts for its source */
};

/* All subscriptions. */
struct subs {
	struct loop *loop;
	struct tx_layer *transactions;
	struct transport *transport;
	struct notifier *notifier;
	void (*expired)(struct sub *s); /* the granted time is over */
	struct map by_dialog, by_aor, by_id;
	struct map by_tag;           /* of our own tags, which name the entries of the journal, too */
	struct map by_flow;          /* of connections */
	struct map sources;          /* how many unauthenticated ones each source has */
	struct list urgent, changes; /* SUB_QUEUED, each in its order */
	unsigned urgent_count;
	struct journal *journal;
	uint64_t next_id;
	unsigned counts[PACKAGE_COUNT];
};

struct notifier {
	struct notifier_deps d;
	struct subs subs;
	unsigned signing;       /* NOTIFYs that are with the signer, also of subscriptions that have ended meanwhile */
	struct timer *patience; /* the workers had no room at all: look again */
};

/*
 * --- sub.c ---
 *
 * subs_open: brings back what the journal has. loop, transactions, transport, notifier and expired are set before.
 * subs_close: forgets all; the journal keeps them for the next start.
 */
MUST_USE enum err subs_open(struct subs *all, struct commit *commit, int dirfd);
void subs_close(struct subs *all);

/*
 * sub_new: not in any table yet. sub_enter: its dialog is set; into the tables. sub_free: out of all of them, at once;
 * the memory goes at the end of the turn. The only destructor.
 */
struct sub *sub_new(struct subs *all, enum package p, struct slice aor, struct slice event_id);
void sub_enter(struct sub *s);
void sub_free(struct sub *s);

struct sub *sub_by_id(const struct subs *all, uint64_t id);

/* sub_set_flow: it came by another way now. sub_lose_flow: its connection is gone. */
void sub_set_flow(struct sub *s, const struct flow *f);
void sub_lose_flow(struct sub *s);

/* sub_set_expiry: so many seconds from now. sub_left_s: until it expires, rounded up; 0 when that is past. */
void sub_set_expiry(struct sub *s, int64_t left_s);
int64_t sub_left_s(const struct sub *s);

/* sub_save: into the journal, if it is of a kind that survives a restart. */
void sub_save(struct sub *s);

/* sub_deliver: the one place that changes s->delivery. SUB_QUEUED: at the end of the queue that s->urgent says. */
void sub_deliver(struct sub *s, enum sub_delivery next);

/* sub_next_queued: whose turn it is: the urgent ones first. NULL: nobody waits. */
struct sub *sub_next_queued(const struct subs *all);

/* sub_count_source: one more unauthenticated subscription of this source. false: it has max already. */
bool sub_count_source(struct subs *all, const struct peer *p, unsigned max);

/*
 * --- notify.c ---
 *
 * notify_now: as soon as the NOTIFY that is under way is answered. notify_change: the state is another: now, or when
 * the interval allows. notify_end: one last NOTIFY, then the subscription is gone. Each may free s.
 */
void notify_now(struct sub *s);
void notify_change(struct sub *s);
void notify_end(struct sub *s, enum sub_end end);

void notify_on_patience(void *notifier); /* of the timer */

#endif
