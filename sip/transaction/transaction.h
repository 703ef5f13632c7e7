#ifndef SIP_TRANSACTION_TRANSACTION_H
#define SIP_TRANSACTION_TRANSACTION_H

#include "sip/message/build.h"
#include "sip/transport/transport.h"

/*
 * Transactions, RFC 3261 17 with RFC 4320 (no provisional but 100 for non-INVITE, no 408). This layer finds the
 * transaction of each message, answers what needs no service (retransmissions, merged requests, CANCEL, malformed
 * requests), and hands new requests up. Transactions are named by id across time; a pointer is good during the call
 * only.
 *
 * INVITE has no transaction here: its answer is sent once, statelessly (RFC 3261 8.2.7), and ACK is dropped.
 */
struct tx_layer;
struct tx; /* one server transaction */

#define TX_T1_MS 500
#define TX_T2_MS 4000
#define TX_T4_MS 5000

struct tx_user {
	/* A new request without defect. The service answers it once, now or later by id. */
	void (*on_request)(void *arg, struct tx *tx);
	/* A connection is gone, or could not be made (after the transactions on it have been told). why: a clause. */
	void (*on_closed)(void *arg, uint64_t flow_id, const char *why);
};

/* tx_layer_new: max: server transactions that are remembered at once; beyond, 503. */
struct tx_layer *tx_layer_new(struct loop *l, unsigned max, const struct tx_user *user, void *arg);
void tx_layer_free(struct tx_layer *t);

/* tx_layer_attach: the transport below; its user is tx_transport_user with the layer as arg. */
void tx_layer_attach(struct tx_layer *t, struct transport *transport);
extern const struct transport_user tx_transport_user;

/* Server transactions. */
uint64_t tx_id(const struct tx *tx);
struct tx *tx_find(struct tx_layer *t, uint64_t id); /* not answered yet; NULL when it is gone */
struct sip_msg *tx_request(const struct tx *tx);     /* borrowed */
const struct flow *tx_flow(const struct tx *tx);

/*
 * tx_reply: the final answer. r->received, rport and, when it is SLICE_NONE, to_tag are filled in here. The transaction
 * lives on for retransmissions, or ends at once on a connection. tx is not to be used afterwards. tx_reply_once: the
 * same without remembering: for challenges and other answers that cost nothing to make again.
 */
void tx_reply(struct tx *tx, const struct build_reply *r);
void tx_reply_once(struct tx *tx, const struct build_reply *r);

/* tx_reply_code: tx_reply with a code and reason (NULL: the default phrase) and nothing more. */
void tx_reply_code(struct tx *tx, unsigned code, const char *reason);

/* Client transactions for non-INVITE requests. */

/*
 * The end of a client transaction, called once: a final response (borrowed), or NULL with ERR_AGAIN for Timer F,
 * ERR_CLOSED or ERR_IO when the transport failed.
 */
typedef void (*tx_done_fn)(void *arg, uint64_t id, struct sip_msg *response, enum err why);

/* tx_branch: appends a new branch parameter value with the magic cookie. */
void tx_branch(struct buf *out);

/*
 * tx_send: starts a client transaction: octets is a whole request whose topmost Via has a branch of tx_branch. Kept
 * until the end. Takes the memory of octets. Returns the id; done comes from the loop, never from within this call.
 */
uint64_t tx_send(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch, enum method method,
		 tx_done_fn done, void *arg);

/* tx_forget: done is not called any more; the transaction goes on by itself. */
void tx_forget(struct tx_layer *t, uint64_t id);

unsigned tx_count(const struct tx_layer *t);

#endif
