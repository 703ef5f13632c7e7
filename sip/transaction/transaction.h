#ifndef SIP_TRANSACTION_TRANSACTION_H
#define SIP_TRANSACTION_TRANSACTION_H

#include "sip/message/build.h"
#include "sip/transport/transport.h"

/*
 * Transactions: the four machines of RFC 3261 17, with RFC 6026 (a state of its own for 2xx to INVITE) and RFC 4320 (no
 * provisional but 100 and no 408 for non-INVITE).
 *
 * This layer finds the transaction of each message, answers what needs no service (retransmissions, CANCEL, malformed
 * requests), and hands new requests up. Over time a transaction is named by its id. A pointer is valid only during the
 * callback that got it, or until the end of the turn after tx_find.
 */
struct tx_layer;
struct tx; /* one server transaction */

#define TX_T1_MS 500
#define TX_T2_MS 4000
#define TX_T4_MS 5000

struct tx_user {
	/* A new request without a defect, neither ACK nor CANCEL. The service answers it now, or later by its id. */
	void (*on_request)(void *arg, struct tx *tx);
	/*
	 * An ACK that no transaction here waits for: it is for a 2xx and has no transaction (RFC 3261 17). NULL for a
	 * user that never answers INVITE by 2xx.
	 */
	void (*on_ack)(void *arg, const struct flow *from, struct sip_msg *ack);
	/*
	 * The sender of this INVITE, which has no final response yet, has sent CANCEL and got 200 for that. The service
	 * answers the INVITE with 487 unless a final response is on its way. NULL for a user that answers INVITE at
	 * once.
	 */
	void (*on_cancel)(void *arg, struct tx *tx);
	/* A connection is over, or could not be made. The transactions on it have been told before. why is a clause. */
	void (*on_closed)(void *arg, uint64_t flow_id, const char *why);
};

/*
 * tx_layer_new: max is how many server transactions without an answer, and how many client transactions, there may be
 * at once. Beyond it new requests are answered 503. Requests of a dialog and CANCEL have a quarter more room, because
 * they end work. tx_layer_free: nobody is called back; NULL is ignored.
 */
struct tx_layer *tx_layer_new(struct loop *l, unsigned max, const struct tx_user *user, void *arg);
void tx_layer_free(struct tx_layer *t);

/*
 * tx_layer_attach: transport is the layer below. It was made with tx_transport_user as its user and the tx_layer as
 * arg.
 */
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
struct tx *tx_find(struct tx_layer *t, uint64_t id); /* only while it has no final answer; else NULL */
struct sip_msg *tx_request(const struct tx *tx);     /* lives as long as tx has no final answer */
const struct flow *tx_flow(const struct tx *tx);     /* where answers go */
struct flow
tx_source(const struct tx *tx); /* where it came from: over UDP without rport (RFC 3581) this has another port */

/*
 * tx_prove: the sender of the request has shown that he gets what is sent to its source address, for an hour; over a
 * connection, that it is the one of a user.
 */
void tx_prove(struct tx *tx);

/* tx_reason: the value of the Reason of the CANCEL that has come for this INVITE; SLICE_NONE: none. Lies in tx. */
struct slice tx_reason(const struct tx *tx);

/* tx_is_shown: has it? If not, nothing may be sent there on a timer. */
bool tx_is_shown(const struct tx *tx);

/*
 * tx_room: how many octets of further header fields an answer to this request may have. To an address that was not
 * proven, an answer with more is not sent.
 */
size_t tx_room(struct tx *tx);

/*
 * tx_merged: did the same request come before by another path (RFC 3261 8.2.2.2)? Ask once, and only in a service that
 * answers as a UAS (482): a proxy must let both through.
 */
bool tx_merged(struct tx *tx);

/*
 * tx_reply: sends an answer made here. r->received and rport are filled in, and so is to_tag when it is SLICE_NONE.
 * Provisional answers are for INVITE only. After a final one tx must not be used any more: it lives on for
 * retransmissions and the ACK, or ends at once.
 *
 * tx_reply_once: sends a failure that is not remembered: for challenges and other answers that cost nothing to make
 * again. They must not be sent again by us, because the sender may have forged its address (RFC 3261 26.3.2.4). The ACK
 * is known by the tag, which is computed from the request (8.2.7). tx_reply does the same when it refuses an INVITE
 * that has had no provisional answer.
 */
void tx_reply(struct tx *tx, const struct build_reply *r);
void tx_reply_once(struct tx *tx, const struct build_reply *r);

/* tx_reply_code: tx_reply with a code and reason (NULL: the default phrase) and nothing more. */
void tx_reply_code(struct tx *tx, unsigned code, const char *reason);

/*
 * tx_reply_busy: tx_reply with 503: there is no room, or too much to do. Retry-After says least_s seconds or up to
 * three times as many, drawn at random so that not everybody comes again at once; only to a request that came straight
 * from its UA, because a proxy would keep all its other users away from here, too (RFC 7339 5.10.2). reason NULL: the
 * default phrase. The only place that decides about Retry-After.
 */
void tx_reply_busy(struct tx *tx, unsigned least_s, const char *reason);

/*
 * tx_pass: sends an answer that somebody else made, its topmost Via taken off; takes over the memory of octets.
 * Otherwise like tx_reply. tx_pass_more: a later 2xx to an INVITE that has had one (RFC 6026 7.1); false: the
 * transaction is gone, and the response is dropped.
 */
void tx_pass(struct tx *tx, unsigned code, struct buf *octets);
bool tx_pass_more(struct tx_layer *t, uint64_t id, struct buf *octets);

/*
 * tx_abandon: ends the transaction without an answer, which RFC 4320 4.2 asks for where 408 to non-INVITE would have
 * been sent.
 */
void tx_abandon(struct tx *tx);

/* --- Client transactions --- */

/*
 * What a client transaction reports. response is borrowed.
 *
 * Non-INVITE: once, the final response; or NULL with ERR_AGAIN (Timer F), ERR_CLOSED or ERR_IO (the transport failed),
 * or ERR_BUSY (tx_offer). INVITE: every response but 100, until a final one or NULL. More 2xx may follow a 2xx for
 * 64*T1. The ACK to another final response is sent by this layer, the ACK to 2xx by the user.
 */
typedef void (*tx_heard_fn)(void *arg, uint64_t id, struct sip_msg *response, enum err why);

/* tx_branch: appends a new, unpredictable branch value with the magic cookie. */
void tx_branch(struct buf *out);

/*
 * tx_send: starts a client transaction and returns its id. octets is a whole request whose topmost Via has this branch;
 * its memory is taken over. heard is called from the loop, never within this call; NULL for nobody.
 */
uint64_t tx_send(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch, enum method method,
		 tx_heard_fn heard, void *arg);

/*
 * tx_offer: the same for a request of somebody else. A connection whose peer reads slowly takes no more of it
 * (ERR_BUSY, see transport_takes). unasked: nobody has shown that he is at that address, and the one who named it is no
 * user: over UDP it is sent once, unless something sent there was answered of late (G14).
 */
uint64_t tx_offer(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch,
		  enum method method, bool unasked, tx_heard_fn heard, void *arg);

/*
 * tx_cancel: sends CANCEL for an INVITE as soon as it has a provisional response (RFC 3261 9.1), and none if it ends
 * before. The final response is still reported; if there is none 64*T1 after the CANCEL, NULL with ERR_AGAIN. reason:
 * the value of its Reason (RFC 3326); SLICE_NONE: none.
 */
void tx_cancel(struct tx_layer *t, uint64_t id, struct slice reason);

/* tx_forget: heard is not called any more. The transaction goes on by itself, for its retransmissions and ACKs. */
void tx_forget(struct tx_layer *t, uint64_t id);

#endif
