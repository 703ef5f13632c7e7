#ifndef SIP_UA_SUBSCRIBER_H
#define SIP_UA_SUBSCRIBER_H

#include "sip/ua/agent.h"

/*
 * The subscriber of RFC 6665 4.1, for one resource and package. It polls once (Expires: 0), or stays subscribed: it
 * refreshes in the dialog, and subscribes anew when the server or the connection ends the subscription, each time a
 * little later (T-21). The user judges NOTIFYs; one that is not genuine has no effect.
 */
struct subscriber;

struct subscriber_user {
	/*
	 * A NOTIFY of the subscription with a CSeq that is higher. Answer it by subscriber_answer, now or later by
	 * tx_id.
	 */
	void (*on_notify)(void *arg, struct tx *tx);
	/*
	 * The subscription is over, told once: refused (response), failed (why is a sentence), or, with both NULL,
	 * ended as asked: a poll was answered, or subscriber_stop.
	 */
	void (*on_end)(void *arg, const struct sip_msg *response, const char *why);
	/* The subscription was interrupted, and is tried again in again_s seconds. */
	void (*on_trouble)(void *arg, const char *why, unsigned again_s);
};

struct subscriber_options {
	const char *package;
	struct slice resource; /* the URI for Request-URI and To; copied */
	uint32_t expires;      /* seconds to ask for; 0: poll */
	const struct subscriber_user *user;
	void *arg;
};

/* subscriber_new: sends SUBSCRIBE when the loop runs. Give it all requests that the agent gets (subscriber_request). */
struct subscriber *subscriber_new(struct agent *a, const struct subscriber_options *o);
void subscriber_free(struct subscriber *s);

/* subscriber_request: a request that the agent got: answers 481, 489, 500 or 400, or calls on_notify. */
void subscriber_request(struct subscriber *s, struct tx *tx);

/* subscriber_lost: the connection broke; from on_lost of the agent. */
void subscriber_lost(struct subscriber *s, const char *why);

/*
 * subscriber_accept: tx is genuine: dialog and target follow it, and subscriber_answer has to come next. false: it was
 * answered, because it came too late (a newer one was accepted, the dialog is over) or cannot be used. Its state must
 * not count then.
 */
MUST_USE bool subscriber_accept(struct subscriber *s, struct tx *tx);

/* subscriber_began: was a NOTIFY ever accepted, in this dialog or an earlier one? */
bool subscriber_began(const struct subscriber *s);

/*
 * subscriber_answer: answers the NOTIFY tx_id, which may be gone. accepted: subscriber_accept was true, so that its
 * Subscription-State counts. May call on_end or on_trouble.
 */
void subscriber_answer(struct subscriber *s, uint64_t tx_id, unsigned code, const char *reason, bool accepted);

/* subscriber_stop: unsubscribes, waits at most two seconds for the last NOTIFY, then on_end. */
void subscriber_stop(struct subscriber *s);

/* subscriber_again: a new subscription in a new dialog, at once; for a new pass phrase (UAK-12). */
void subscriber_again(struct subscriber *s);

#endif
