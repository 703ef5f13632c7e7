#ifndef SIP_UA_AGENT_H
#define SIP_UA_AGENT_H

#include "sip/event/dialog.h"
#include "sip/identity/verifier.h"
#include "sip/transaction/transaction.h"
#include "sip/ua/account.h"

/*
 * A user agent for one verb: its loop, the one connection to the server of its account, requests that answer a digest
 * challenge by themselves, and the requests that come the other way.
 */
struct agent;

struct agent_user {
	/* A NOTIFY; an agent answers all else by itself. Answered once, now or by id.
	 */
	void (*on_request)(void *arg, struct tx *tx);
	/* The connection broke while no request of ours waited. The next request makes a new one. */
	void (*on_lost)(void *arg, const char *why);
	/* SIGTERM or SIGINT: come to an end. */
	void (*on_stop)(void *arg);
};

struct agent_options {
	bool secure;  /* TLS or nothing: for requests that carry or fetch keys (draft 7.6, 9) */
	bool verbose; /* messages to stderr, secrets left out */
};

/*
 * agent_new: nothing is sent yet. account must outlive the agent. false: *why is a sentence. agent_run: until
 * agent_finish, whose code it returns; the connection is closed in good order first, and nothing calls back afterwards.
 */
MUST_USE bool agent_new(const struct account *account, const struct agent_options *o, struct agent **out,
			struct buf *why);
void agent_user(struct agent *a, const struct agent_user *user, void *arg);
int agent_run(struct agent *a);
void agent_finish(struct agent *a, int code);
void agent_free(struct agent *a);

/*
 * agent_request: sends a request of the dialog (which stays the caller's and must live until done), with the next CSeq
 * of it. headers: further lines; body as given, with its length. A challenge is answered once (RFC 3261 22.2), again
 * only when it says stale. contact: with a Contact of this agent, also kept in the dialog.
 * done, once, never from within this call: a final response, or NULL and why is a sentence.
 */
typedef void (*agent_done_fn)(void *arg, struct sip_msg *response, const char *why);
struct agent_request {
	enum method method;
	struct dialog *dialog;
	struct slice headers, body;
	bool contact;
	agent_done_fn done;
	void *arg;
};
void agent_request(struct agent *a, const struct agent_request *r);

const struct account *agent_account(const struct agent *a);
struct loop *agent_loop(struct agent *a);
struct tx_layer *agent_transactions(struct agent *a);
const struct trust *agent_trust(const struct agent *a); /* the anchors of the account */
struct verifier *agent_verifier(struct agent *a);

/* agent_is_current: did tx come by the connection that requests go out on now? */
bool agent_is_current(const struct agent *a, const struct tx *tx);

#endif
