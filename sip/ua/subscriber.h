#ifndef SIP_UA_SUBSCRIBER_H
#define SIP_UA_SUBSCRIBER_H

#include "sip/ua/agent.h"

/*
 * The subscriber's side of RFC 6665 4.1, for one resource and package: polls once (Expires: 0), or stays subscribed:
 * refreshes in the dialog, subscribes anew when the server or the connection ends it, each time a little later (T-21).
 * What a NOTIFY says is for its user to judge; nothing of one that is not genuine counts.
 */
struct subscriber;

struct subscriber_user {
	/* A NOTIFY of the subscription, in order. To be answered by subscriber_answer, now or later by tx_id. */
	void (*on_notify)(void *arg, struct tx *tx);
	/*
	 * Over: refused (response), failed (why is a sentence), or, both NULL, ended as asked: a poll has been
	 * answered, or subscriber_stop. Called once.
	 */
	void (*on_end)(void *arg, const struct sip_msg *response, const char *why);
	/* Staying subscribed: interrupted by this, and tried again in so many seconds. */
	void (*on_trouble)(void *arg, const char *why, unsigned again_s);
};

struct subscriber_options {
	const char *package;
	struct slice resource; /* the URI to subscribe to, for Request-URI and To; copied */
	uint32_t expires;      /* 0: poll */
	const struct subscriber_user *user;
	void *arg;
};

/* subscriber_new: sends its SUBSCRIBE when the loop runs. The agent's requests are to go to subscriber_request. */
struct subscriber *subscriber_new(struct agent *a, const struct subscriber_options *o);
void subscriber_free(struct subscriber *s);

/* subscriber_request: a NOTIFY that the agent got: 481, 489, 500 or 400 at once, or on_notify. */
void subscriber_request(struct subscriber *s, struct tx *tx);

/* subscriber_lost: the connection broke (agent_user's on_lost). */
void subscriber_lost(struct subscriber *s, const char *why);

/*
 * subscriber_accept: tx is believed to come from the server: dialog and target follow it, and subscriber_answer must
 * come next. false: it is answered already, since it came too late (a newer one has been accepted, or the dialog is
 * over) or cannot be used; what it says must not count.
 */
MUST_USE bool subscriber_accept(struct subscriber *s, struct tx *tx);

/* subscriber_began: a NOTIFY was accepted once, in this dialog or one before. */
bool subscriber_began(const struct subscriber *s);

/*
 * subscriber_answer: answers the NOTIFY tx_id (which may be gone). accepted: by subscriber_accept; its
 * Subscription-State is followed. May call on_end or on_trouble.
 */
void subscriber_answer(struct subscriber *s, uint64_t tx_id, unsigned code, const char *reason, bool accepted);

/* subscriber_stop: unsubscribes, waits a little for the answer, then on_end. */
void subscriber_stop(struct subscriber *s);

/* subscriber_again: a new subscription at once: there is a new pass phrase, say. */
void subscriber_again(struct subscriber *s);

#endif
