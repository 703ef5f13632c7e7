#ifndef SIP_UA_FETCHER_H
#define SIP_UA_FETCHER_H

#include "sip/ua/command.h"
#include "sip/ua/subscriber.h"

/*
 * A verb that subscribes to one resource and judges what comes, once or until it is told to stop (--watch). Here is
 * what all such verbs have in common: the proof of Identity, answers to NOTIFYs, the end and its exit code.
 */
struct fetcher;

/* What to do with a NOTIFY whose sender is proven: the answer to it, and the exit code of a verb that runs once. */
struct judgement {
	unsigned code;
	const char *reason; /* NULL: the default phrase */
	int exit;
};

struct fetcher_user {
	const char *package;
	bool own;         /* the user's own keys: TLS and digest; NOTIFYs only on that connection (UAK-25) */
	const char *what; /* "the certificate of", for sentences */
	uint32_t expires; /* of a subscription that stays */
	/* m: Identity holds for its From, which is the resource. Says and stores what is to be said and stored. */
	struct judgement (*judge)(struct fetcher *f, struct sip_msg *m);
};

struct fetcher {
	struct command c;
	const struct fetcher_user *user;
	struct buf resource; /* the URI that is subscribed to */
	struct subscriber *subscriber;
	int code;
	bool over;
	bool stopped;           /* by a signal */
	uint8_t told[HASH_MAX]; /* digest of what was reported last */
	bool has_told;
	struct slice vouched_by; /* during judge: the domain that signed; SLICE_NONE: nobody */
};

/* fetcher_run: c is open. Returns the exit code; the caller closes f->c and frees resource afterwards. */
int fetcher_run(struct fetcher *f);

/* fetcher_news: is this another state than the one that was reported last? A refresh brings the same one again. */
bool fetcher_news(struct fetcher *f, struct slice state);

/* fetcher_again: asks anew when the current event has been dealt with, even when this would be the end. */
void fetcher_again(struct fetcher *f);

#endif
