#ifndef SIP_UA_FETCHER_H
#define SIP_UA_FETCHER_H

#include "sip/ua/command.h"
#include "sip/ua/subscriber.h"

/*
 * The common part of the verbs that subscribe to one resource and judge what comes, once, or with --watch until a
 * signal: the proof of Identity, answers to NOTIFYs, the end and the exit code.
 *
 *   NOTIFY -> subscriber_request -> on_notify -> verifier -> subscriber_accept -> judge -> subscriber_answer
 */
struct fetcher;

/* What a verb has decided about a genuine NOTIFY: the answer to it, and the exit code of a verb that runs once. */
struct judgement {
	unsigned code;
	const char *reason; /* NULL: the default phrase */
	int exit;
};

struct fetcher_user {
	const char *package; /* event package */
	bool own;            /* the own credential: NOTIFYs count only on the current connection (UAK-25) */
	const char *what;    /* for messages, like "the certificate of" */
	uint32_t expires;    /* seconds, with --watch */
	/*
	 * From of m is the resource. Identity of m holds; only with own it may be missing, because the connection
	 * proves the server. Stores and tells what is to be stored and told.
	 */
	struct judgement (*judge)(struct fetcher *f, struct sip_msg *m);
	/* The fetch is over. NULL: the verb is, with this exit code. */
	void (*over)(struct fetcher *f, int code);
};

struct fetcher {
	struct command c;
	const struct fetcher_user *user;
	struct buf resource; /* the URI that is subscribed to */
	struct subscriber *subscriber;
	int code;               /* exit code so far */
	bool over;              /* the verb ends, or this round does; see fetcher_again */
	bool stopped;           /* a signal has come */
	bool troubled;          /* the user was told of trouble, and is told when it is over */
	uint8_t told[HASH_MAX]; /* SHA-256 of the state that was told last; with has_told */
	bool has_told;
	struct slice vouched_by; /* during judge: the domain that signed m; SLICE_NONE: none */
};

/*
 * fetcher_start: f->c is open, user and resource are set: the agent is the fetcher's from now on. fetcher_free: when
 * the agent does not run any more; the caller closes f->c and frees resource. fetcher_run: all of it, with the exit
 * code.
 */
void fetcher_start(struct fetcher *f);
int fetcher_run(struct fetcher *f);
void fetcher_free(struct fetcher *f);

/* fetcher_news: is state another one than that of the last call? A refresh brings the same state again. */
bool fetcher_news(struct fetcher *f, struct slice state);

/* fetcher_again: subscribes anew when the current event is done, even if the verb would end otherwise. */
void fetcher_again(struct fetcher *f);

#endif
