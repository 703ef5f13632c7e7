#ifndef SIP_EVENT_NOTIFIER_PRIVATE_H
#define SIP_EVENT_NOTIFIER_PRIVATE_H

#include "core/group.h"
#include "sip/event/dialog.h"
#include "sip/event/notifier.h"
#include "sip/locate/locate.h"
#include "store/credential.h"
#include "store/journal.h"

/*
 * Shared by the files of the notifier; private to this room. From the bottom up: sub.c has the table and the life of
 * subscriptions, way.c knows where NOTIFYs go, notify.c sends them, subscribe.c answers SUBSCRIBEs, notifier.c is
 * called by other rooms.
 */

#define NOTIFIER_USER "cred-" /* the user part of our Contact URIs, before the local tag */

/* Why a subscription ends, in the words of RFC 6665 4.1.3. SUB_LIVES: it does not. */
enum sub_end { SUB_LIVES, SUB_TIMEOUT, SUB_DEACTIVATED, SUB_PROBATION };

/*
 * Where the NOTIFY of a subscription is. One at a time is under way for each dialog, so that a watcher gets them in the
 * order of their CSeqs (RFC 6665 4.2.2).
 *
 *            something to tell         its turn            signed
 *     IDLE --------------------> QUEUED --------> SIGNING ---------> ASKED
 *      ^  ^                       ^ |  |             |                 |
 *      |  |                       | |  +-> ROUTING   |                 |
 *      |  |                       | |        | |     |                 |
 *      |  |                       +-+--------+ |     |                 |
 *      |  +-- leads nowhere ------- | ---------+     |                 |
 *      |  +---- cannot be made -----+                |                 |
 *      +----------------- cannot be signed ----------+                 |
 *      +------------- answered, or no answer that ends it -------------+
 */
enum sub_delivery {
	SUB_IDLE,    /* nothing is under way */
	SUB_QUEUED,  /* waits in subs.urgent or subs.changes until fewer NOTIFYs are being signed */
	SUB_ROUTING, /* the resolver looks for its next hop */
	SUB_SIGNING, /* the signer has it */
	SUB_ASKED    /* sent; request is its client transaction */
};

/* The next hop of a subscription whose connection is gone; see way.c. */
struct sub_way {
	bool known; /* hop and name are valid, for the next NOTIFY */
	bool large; /* a NOTIFY has turned out too large for UDP */
	struct hop hop;
	char name[DNS_NAME_MAX]; /* that the certificate of a TLS hop must have */
};

/* One subscription. It is freed by sub_free only. */
struct sub {
	struct map_node by_dialog, by_id, by_tag;
	struct group_node by_aor;
	struct group_node by_flow; /* while on a connection: flow.id is not 0, and not UDP */
	struct list_node queued;   /* while SUB_QUEUED */
	struct subs *all;
	struct notifier *notifier;
	uint64_t id;
	enum package package;
	char *key;      /* key in by_dialog; NULL: not in the tables */
	char *aor;      /* the AOR whose state is told */
	char *event_id; /* the id parameter of Event; NULL: none */
	struct dialog dialog;
	struct flow flow;                    /* the flow of the latest SUBSCRIBE; a connection that is gone has id 0 */
	struct timer *expiry;                /* runs until the granted time is over */
	struct timer *pause;                 /* until the next change may be told; made when it is first needed */
	int64_t expires_ms;                  /* monotonic, so that setting the clock neither ends nor prolongs it */
	int64_t told_ms;                     /* when a change was told last, monotonic; 0: never */
	char told_etag[CREDENTIAL_ETAG + 1]; /* entity-tag of the state that was sent last; "?": unknown */
	char seen_etag[CREDENTIAL_ETAG + 1]; /* the same of what was answered; the journal has it */
	enum sub_end end;                    /* not SUB_LIVES: the next NOTIFY that is made is the last one */
	enum sub_delivery delivery;          /* changed by sub_deliver only */
	uint64_t request;                    /* the client transaction, while SUB_ASKED */
	bool again;                          /* another NOTIFY is owed after the one under way */
	bool urgent;                         /* the next NOTIFY is owed to a SUBSCRIBE, so it goes before changes */
	bool queued_urgent;                  /* it is in subs.urgent, while SUB_QUEUED */
	bool last;                           /* the NOTIFY that is SIGNING or ASKED says "terminated" */
	bool kept;                           /* its connection is kept for it */
	bool journaled;                      /* the journal has it */
	bool anonymous;                      /* it counts in sources */
	unsigned proof;                      /* of a credential: its latest SUBSCRIBE was proven by it (access_holds) */
	enum proto sent_by;                  /* the transport of the NOTIFY that is ASKED */
	bool no_tcp;                         /* over UDP: nobody took the TCP connection for a large NOTIFY */
	struct sub_way way;
};

/* All subscriptions. */
struct subs {
	struct loop *loop;
	struct tx_layer *transactions;
	struct transport *transport;
	struct notifier *notifier;
	void (*expired)(struct sub *s); /* the granted time is over */
	uint32_t longest_s; /* of a certificate: a clock that went back while nothing ran prolongs nothing beyond it */
	struct map by_dialog, by_id;
	struct groups by_aor;
	struct map by_tag;           /* key: our tag, which is also the key in the journal */
	struct groups by_flow;       /* key: id of the connection */
	struct map sources;          /* unauthenticated subscriptions of each source; key: peer_prefix */
	struct list urgent, changes; /* subscriptions that are SUB_QUEUED, in their order */
	unsigned urgent_count;       /* length of urgent */
	struct journal *journal;
	uint64_t next_id;
	unsigned counts[PACKAGE_COUNT];
};

struct notifier {
	struct notifier_deps d;
	struct subs subs;
	unsigned signing;       /* NOTIFYs that are with the signer, also of subscriptions that have ended meanwhile */
	bool started;           /* see notifier_start */
	bool waits;             /* for a valid certificate of the domain */
	struct timer *patience; /* runs while the queue of the workers is full; then the next try */
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
 * sub_new: a subscription that is in no table yet. sub_enter: its dialog is set; puts it into the tables. sub_free:
 * takes it out of all tables and of the journal at once; the memory goes at the end of the turn. There is no other
 * destructor.
 */
struct sub *sub_new(struct subs *all, enum package p, struct slice aor, struct slice event_id);
void sub_enter(struct sub *s);
void sub_free(struct sub *s);

/* sub_by_id: NULL: it has ended. */
struct sub *sub_by_id(const struct subs *all, uint64_t id);

/*
 * sub_set_flow: SUBSCRIBE came by f, which NOTIFYs follow from now on (EVT-12). sub_lose_flow: its connection is gone.
 */
void sub_set_flow(struct sub *s, const struct flow *f);
void sub_lose_flow(struct sub *s);

/* sub_set_expiry: it ends left_s seconds from now. sub_left_s: seconds until then, rounded up; 0 when that is past. */
void sub_set_expiry(struct sub *s, int64_t left_s);
int64_t sub_left_s(const struct sub *s);

/* sub_save: writes it to the journal, if it is of a kind that survives a restart. */
void sub_save(struct sub *s);

/* sub_deliver: the only place that changes s->delivery. SUB_QUEUED: at the end of the queue that s->urgent chooses. */
void sub_deliver(struct sub *s, enum sub_delivery next);

/* sub_next_queued: the subscription that has its turn; those in urgent come first. NULL: none waits. */
struct sub *sub_next_queued(const struct subs *all);

/*
 * sub_count_source: counts one more unauthenticated subscription of this source (EVT-20). false: there are max already.
 */
bool sub_count_source(struct subs *all, const struct peer *p, unsigned max);

/*
 * notify_now: a NOTIFY is owed: as soon as the one under way is answered. notify_change: the state has changed: a
 * NOTIFY now, or when the interval allows it. notify_end: one last NOTIFY, then s is freed. Each may free s.
 */
void notify_start(struct notifier *n);    /* see notifier_start */
bool notify_is_owed(const struct sub *s); /* may the state be told to this watcher still? (CRD-24) */
void notify_now(struct sub *s);
void notify_change(struct sub *s);
void notify_end(struct sub *s, enum sub_end end);

void notify_on_patience(void *notifier); /* of the timer */

/* notify_on_way: the way of a NOTIFY that is SUB_ROUTING is known, or (e) there is none. May free s. */
void notify_on_way(struct sub *s, enum err e);

/*
 * way_find: the flow for a NOTIFY of so many octets. ERR_AGAIN: notify_on_way is called later. ERR_CLOSED: a credential
 * whose connection is gone. ERR_NOTFOUND, ERR_UNSUPPORTED, ERR_SYNTAX, ERR_BUSY: there is no way that may be taken.
 */
MUST_USE enum err way_find(struct sub *s, size_t octets, struct flow *out);

#endif
