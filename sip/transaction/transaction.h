#ifndef SIP_TRANSACTION_TRANSACTION_H
#define SIP_TRANSACTION_TRANSACTION_H

#include "sip/message/build.h"
#include "sip/transport/transport.h"

/*
 * Transactions: the four machines of RFC 3261 17 with RFC 6026 (2xx to INVITE has a state of its own) and RFC 4320 (no
 * provisional but 100 for non-INVITE, no 408). This layer finds the transaction of each message, answers what needs no
 * service (retransmissions, CANCEL, malformed requests), and hands new requests up. Transactions are named by id across
 * time; a pointer is good during the call only.
 */
struct tx_layer;
struct tx; /* one server transaction */

#define TX_T1_MS 500
#define TX_T2_MS 4000
#define TX_T4_MS 5000

struct tx_user {
	/* A new request without defect, neither ACK nor CANCEL. The service answers it, now or later by id. */
	void (*on_request)(void *arg, struct tx *tx);
	/* An ACK that no transaction here waits for: it is for a 2xx, and has none of its own (RFC 3261 17). NULL: who
	 * never answers INVITE with 2xx. */
	void (*on_ack)(void *arg, const struct flow *from, struct sip_msg *ack);
	/*
	 * The sender of this INVITE, not answered yet, wants it no more. The CANCEL has had its 200. To be answered
	 * with 487 unless a final response is on its way. NULL: who answers INVITE at once.
	 */
	void (*on_cancel)(void *arg, struct tx *tx);
	/* A connection is gone, or could not be made (after the transactions on it have been told). why: a clause. */
	void (*on_closed)(void *arg, uint64_t flow_id, const char *why);
};

/*
 * tx_layer_new: max: server transactions without an answer, and client transactions, that are remembered at once;
 * beyond, new requests are answered 503, and those of a dialog from a quarter more on.
 */
struct tx_layer *tx_layer_new(struct loop *l, unsigned max, const struct tx_user *user, void *arg);
void tx_layer_free(struct tx_layer *t);

/* tx_layer_attach: the transport below; its user is tx_transport_user with the layer as arg. */
void tx_layer_attach(struct tx_layer *t, struct transport *transport);
extern const struct transport_user tx_transport_user;

unsigned tx_count(const struct tx_layer *t);

/*
 * --- Server transactions ---
 *
 * When the TCP connection of a request is gone, its answer goes over a new one, to the port of sent-by at the address
 * that the request came from (RFC 3261 18.2.2). Over TLS it is lost: nothing would prove who is there.
 */

uint64_t tx_id(const struct tx *tx);
struct tx *tx_find(struct tx_layer *t, uint64_t id); /* no final answer yet; NULL when it is gone */
struct sip_msg *tx_request(const struct tx *tx);     /* borrowed */
const struct flow *tx_flow(const struct tx *tx);     /* the way that answers go */
struct flow tx_source(const struct tx *tx); /* the way it came: without rport (RFC 3581) not the same over UDP */

/*
 * tx_merged: RFC 3261 8.2.2.2: is this the same request as one that is remembered, by another path? Asked once, and
 * only by who answers as a UAS (482): a proxy must let both through.
 */
bool tx_merged(struct tx *tx);

/*
 * tx_reply: an answer made here. r->received, rport and, when it is SLICE_NONE, to_tag are filled in. After a final one
 * tx is not to be used any more: the transaction lives on for retransmissions and the ACK, or ends at once. Provisional
 * ones only for INVITE.
 *
 * tx_reply_once: a failure that is not remembered: for challenges and others that cost nothing to make again, and
 * must not be sent again to who may have lied about his address (RFC 3261 26.3.2.4). The ACK to it is known by its tag.
 * tx_reply does so, too, when it refuses an INVITE that has had no provisional answer.
 */
void tx_reply(struct tx *tx, const struct build_reply *r);
void tx_reply_once(struct tx *tx, const struct build_reply *r);

/* tx_reply_code: tx_reply with a code and reason (NULL: the default phrase) and nothing more. */
void tx_reply_code(struct tx *tx, unsigned code, const char *reason);

/*
 * tx_pass: an answer that somebody else made, its topmost Via taken off: octets, whose memory is taken. Else as
 * tx_reply. To INVITE more than one 2xx may be passed (RFC 6026 7.1), the later ones by tx_pass_more; false: the
 * transaction is gone, and so is the response.
 */
void tx_pass(struct tx *tx, unsigned code, struct buf *octets);
bool tx_pass_more(struct tx_layer *t, uint64_t id, struct buf *octets);

/* tx_abandon: ends without an answer, which is what is left of 408 for non-INVITE (RFC 4320 4.2). */
void tx_abandon(struct tx *tx);

/* --- Client transactions --- */

/*
 * What a client transaction hears. Non-INVITE: once, the final response (borrowed), or NULL with ERR_AGAIN for Timer F,
 * ERR_CLOSED or ERR_IO when the transport failed. INVITE: every response but 100, until a final one or NULL ends it; a
 * 2xx may be followed by more of them for 64*T1. The ACK to any other final response is sent here, to 2xx above.
 */
typedef void (*tx_heard_fn)(void *arg, uint64_t id, struct sip_msg *response, enum err why);

/* tx_branch: appends a new branch parameter value with the magic cookie. */
void tx_branch(struct buf *out);

/*
 * tx_send: starts a client transaction: octets is a whole request whose topmost Via has this branch. Kept until the
 * end. Takes the memory of octets. Returns the id; heard comes from the loop, never from within this call.
 */
uint64_t tx_send(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch, enum method method,
		 tx_heard_fn heard, void *arg);

/*
 * tx_cancel: RFC 3261 9.1: a CANCEL for an INVITE once a provisional response is there, nothing when it ends before.
 * The final response is still told; when none comes for 64*T1 after the CANCEL, NULL with ERR_AGAIN.
 */
void tx_cancel(struct tx_layer *t, uint64_t id);

/* tx_forget: heard is not called any more; the transaction goes on by itself. */
void tx_forget(struct tx_layer *t, uint64_t id);

#endif
