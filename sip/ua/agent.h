#ifndef SIP_UA_AGENT_H
#define SIP_UA_AGENT_H

#include "sip/event/dialog.h"
#include "sip/identity/verifier.h"
#include "sip/transaction/transaction.h"
#include "sip/ua/account.h"

/*
 * The user agent of one verb: its loop, the one connection to the server of its account, requests that answer digest
 * challenges by themselves, and requests of the server. A lost connection is not restored by itself; the next request
 * makes a new one.
 */
struct agent;

struct agent_user {
	/* A NOTIFY, to be answered once, now or later by its id. The agent answers all other requests. */
	void (*on_request)(void *arg, struct tx *tx);
	/* The connection broke while no request of ours waited for an answer. NULL: it does not matter. */
	void (*on_lost)(void *arg, const char *why);
	/* SIGTERM or SIGINT came: the verb has to end by agent_finish. NULL: the agent ends with code 3. */
	void (*on_stop)(void *arg);
};

struct agent_options {
	bool secure;  /* only TLS, for requests that carry or fetch keys (draft 7.6, 9) */
	bool verbose; /* messages go to stderr, secrets left out */
};

/*
 * agent_new: reads the trusted CAs and builds all layers; nothing is sent yet. account is borrowed. false: *why is a
 * sentence. agent_user: the callbacks; before the first request.
 *
 * agent_run: runs until agent_finish and returns its code. Afterwards nothing calls back any more. agent_finish: closes
 * the connection in good order, which takes at most two seconds; further calls do nothing.
 */
MUST_USE bool agent_new(const struct account *account, const struct agent_options *o, struct agent **out,
			struct buf *why);
void agent_user(struct agent *a, const struct agent_user *user, void *arg);
int agent_run(struct agent *a);
void agent_finish(struct agent *a, int code);
void agent_free(struct agent *a);

/*
 * agent_request: sends the next request of r->dialog, which stays the caller's and must live until done. headers are
 * further lines; Content-Length is added. A challenge is answered once (RFC 3261 22.2), and again only when it says
 * stale (DIG-07); never outside TLS (DIG-08). contact: the request carries our Contact, which is kept in the dialog,
 * too.
 *
 * done is called once, never within this call: with a final response, or with NULL, and why is a sentence.
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
const struct trust *agent_trust(const struct agent *a); /* the CAs of the account */
struct verifier *agent_verifier(struct agent *a);

/* agent_is_current: did tx come by the connection that requests go out on now? (UAK-25) */
bool agent_is_current(const struct agent *a, const struct tx *tx);

#endif
