#ifndef SIP_EVENT_NOTIFIER_PRIVATE_H
#define SIP_EVENT_NOTIFIER_PRIVATE_H

#include "core/map.h"
#include "sip/event/dialog.h"
#include "sip/event/notifier.h"
#include "store/credential.h"
#include "store/journal.h"

/* What notifier.c (tables, life, journal), subscribe.c (requests) and notify.c (NOTIFYs) share. Nobody else includes
 * this. */

#define NOTIFIER_USER "cred-" /* the user part of our Contact URIs, before the local tag */

/* Why a subscription ends; SUB_LIVES: it does not. The words of RFC 6665 4.1.3. */
enum sub_end { SUB_LIVES, SUB_TIMEOUT, SUB_DEACTIVATED, SUB_PROBATION };

/* Subscriptions whose NOTIFY waits for its turn to be signed, in order. */
struct backlog {
	struct sub *first, *last;
	unsigned count;
};

struct sub {
	struct map_node by_dialog, by_aor, by_id, by_tag;
	struct map_node by_flow; /* in its table while flow.id is not 0 */
	struct notifier *notifier;
	uint64_t id;
	enum package package;
	char *key; /* of the dialog */
	char *aor;
	char *event_id; /* NULL without one */
	struct dialog dialog;
	struct flow flow; /* of the latest SUBSCRIBE */
	struct timer *expiry;
	struct timer *pause; /* until the next state-change NOTIFY; made when first needed */
	int64_t expires_ms;  /* monotonic: whoever sets the wall clock ends no subscription, nor prolongs it */
	int64_t told_ms;     /* the last state-change NOTIFY, monotonic; 0 = never */
	char told_etag[CREDENTIAL_ETAG + 1]; /* what was delivered last; "?": nobody knows */
	enum sub_end end;                    /* set: the next NOTIFY is the last */
	uint64_t request;                    /* client transaction of the NOTIFY under way */
	bool busy;                           /* a NOTIFY is being signed or waits for its answer */
	bool due;                            /* another is to follow */
	bool urgent;                         /* the next one answers a SUBSCRIBE */
	struct backlog *waits;               /* NULL: it does not */
	struct sub *before, *behind;         /* in *waits */
	bool kept;                           /* its connection is kept for it */
	bool journaled;
	bool sent_final;
	bool anonymous; /* counts for its source */
};

struct source_count {
	struct map_node node;
	unsigned count;
	char key[16];
};

struct notifier {
	struct notifier_deps d;
	struct map by_dialog, by_aor, by_id, sources;
	struct map by_tag;  /* of our own tags: names of journal entries */
	struct map by_flow; /* of connections */
	struct backlog urgent, changes;
	unsigned signing;       /* NOTIFYs that are with the signer */
	struct timer *patience; /* the workers had no room at all: look again */
	struct journal *journal;
	uint64_t next_id;
	unsigned counts[PACKAGE_COUNT];
};

extern const char *const package_names[PACKAGE_COUNT];

/* notifier.c */
struct sub *sub_new(struct notifier *n, enum package p, struct slice aor, struct slice event_id);
void sub_enter(struct sub *s); /* its dialog is set: into the tables */
void sub_free(struct sub *s);  /* out of all tables, at once; nobody may use s afterwards */
void sub_set_flow(struct sub *s, const struct flow *f);
void sub_set_expiry(struct sub *s, int64_t left_s); /* from now; arms the timer */
int64_t sub_left_s(const struct sub *s);            /* until it expires, 0 when that is past */
void sub_save(struct sub *s);
struct sub *sub_by_id(struct notifier *n, uint64_t id);
bool source_enter(struct notifier *n, const struct peer *p, unsigned max);
void source_leave(struct notifier *n, const struct peer *p);

/* notify.c */
void backlog_leave(struct sub *s);
void notify_on_patience(void *notifier);
void sub_notify(struct sub *s);                   /* now, or as soon as the one under way is done */
void sub_change(struct sub *s);                   /* a state change: now or when the interval allows */
void sub_finish(struct sub *s, enum sub_end end); /* one last NOTIFY, then gone */

#endif
