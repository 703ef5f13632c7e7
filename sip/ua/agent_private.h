#ifndef SIP_UA_AGENT_PRIVATE_H
#define SIP_UA_AGENT_PRIVATE_H

#include "core/list.h"
#include "sip/locate/resolve.h"
#include "sip/ua/agent.h"
#include "sip/ua/answer.h"

/* What agent.c (life, connection, requests from the server) and call.c (requests to the server) share. */

#define AGENT_REALMS 2           /* see agent_realm */
#define AGENT_REALM_CREDENTIAL 1 /* the index of that of the credential service */

/* A request from agent_request until done. */
struct call {
	struct list_node node; /* in agent.calls */
	struct agent *agent;
	struct agent_request r; /* headers and body are copies */
	unsigned challenges;
	struct answer anonymous; /* a challenge of somebody else, which wants to know our address only (CRT-32) */
	bool waiting;            /* for a connection */
	bool lost;               /* its connection ended while it waited for an answer */
};

struct agent {
	const struct account *account;
	struct agent_options options;
	const struct agent_user *user;
	void *arg;
	struct loop *loop;
	struct work *work;
	struct settings settings; /* CAs and client_tls are set, the rest is zero */
	struct streams *streams;
	struct tx_layer *transactions;
	struct transport *transport;
	struct replay *replay; /* of the verifier */
	struct verifier *verifier;
	struct answer answers[AGENT_REALMS];
	struct resolved targets; /* addresses of the server, in the order to try them */
	unsigned target;         /* index of the address that the connection goes to, or went to last */
	struct flow flow;        /* id 0: there is no connection */
	bool resolving;
	bool spoke;        /* the server has said something on this connection */
	struct list calls; /* the oldest first */
	struct timer *ending;
	int code;
};

/*
 * --- call.c ---
 *
 * call_new: a copy of the request, in agent.calls. call_free: out of it, without done.
 */
struct call *call_new(struct agent *a, const struct agent_request *r);
void call_free(struct call *c);

/* call_transmit: over the connection, which is there. */
void call_transmit(struct call *c);

/* call_send_all: the calls that wait for a connection or have lost theirs go out on the new one. */
void call_send_all(struct agent *a);

/* call_fail_all: these calls end; why is a sentence. */
void call_fail_all(struct agent *a, const char *why);

/*
 * agent_realm: a realm whose challenges are answered: the domain of the account, or that of its credential service. The
 * password is meant for nobody else (DIG-10). The caller frees out.
 */
void agent_realm(const struct agent *a, unsigned i, struct buf *out);

/* call_forget_answers: drops all challenges that were taken. */
void call_forget_answers(struct agent *a);

/* call_any_lost: did a call lose its connection while it waited for an answer? */
bool call_any_lost(const struct agent *a);

#endif
