#ifndef SIP_TRANSACTION_PRIVATE_H
#define SIP_TRANSACTION_PRIVATE_H

#include "core/group.h"
#include "core/map.h"
#include "core/recent.h"
#include "sip/transaction/answered.h"
#include "sip/transaction/overload.h"
#include "sip/transaction/transaction.h"

/*
 * What transaction.c (tables), server.c and client.c (matching, functions for users) and the machines ist.c, nist.c,
 * ict.c and nict.c share; nobody else includes it.
 */

enum tx_kind { TX_IST, TX_NIST, TX_ICT, TX_NICT };

/* The states of the four machines, RFC 3261 Figures 5 to 8. TX_TRYING is Calling of INVITE clients. */
enum tx_state {
	TX_TRYING,
	TX_PROCEEDING,
	TX_COMPLETED,
	TX_CONFIRMED, /* INVITE servers: the ACK has come */
	TX_ACCEPTED,  /* INVITE, RFC 6026: a 2xx was sent or has come */
	TX_TERMINATED
};

struct tx {
	struct tx_layer *layer;
	enum tx_kind kind;
	enum tx_state state;
	uint64_t id;
	struct map_node by_id;  /* in layer->by_id, key: id */
	struct map_node by_key; /* in layer->servers or layer->clients */
	struct map_node by_merge;
	struct group_node by_flow; /* clients on a connection, key: flow.id */
	char *key, *merge_key;     /* merge_key: NULL when not in layer->merges */
	enum err failure;          /* client: why it was never sent; ERR_OK: it was */
	bool once;                 /* client: it is not sent again until something was answered */
	bool cancelled;            /* INVITE client: a CANCEL is wanted or was sent; INVITE server: one has come */
	char *reason;              /* the Reason of that CANCEL (RFC 3326), in one line; NULL: none */
	struct flow flow;
	uint16_t
		source_port; /* server: the port that the request came from; flow has the one that the answer goes to */
	uint16_t sent_by_port; /* server: the port of sent-by, for when the connection is gone; 0: no such way */
	enum method method;
	uint64_t print;           /* server: keyed hash of the octets of the request */
	struct sip_msg *request;  /* server: one reference, of INVITE until the final answer was sent */
	struct buf octets;        /* server: the last response; client: the request, for retransmissions */
	struct buf ack;           /* INVITE client: the ACK to a failure, sent again for each copy of it */
	size_t kept;              /* server: how many octets count in layer->kept */
	size_t came, went;        /* server: octets of the request with its copies, and of what was sent for them */
	struct timer *retransmit; /* Timers A, E, G; INVITE servers: until a 100 is due */
	struct timer *end;        /* Timers B, D, M; F, K; H, I, L. A state needs at most one of them */
	uint32_t interval_ms;     /* the current length of Timer A, E or G */
	tx_heard_fn heard;
	void *arg;
};

struct tx_layer {
	struct loop *loop;
	struct transport *transport;
	const struct tx_user *user;
	void *arg;
	struct map by_id, servers, clients, merges;
	struct groups by_flow;      /* clients of each connection */
	struct recent *proven;      /* addresses (peer_octets) that UDP requests do come from; see server_is_shown */
	struct answered *answered;  /* what is left of answered non-INVITE server transactions */
	unsigned max, server_count; /* server_count: servers in by_id; the others there are clients */
	unsigned settled;           /* clients in Timer K: they only absorb copies and do not count for max */
	size_t kept;                /* octets of answers to INVITE that wait for retransmissions or the ACK */
	struct overload overload;
	uint64_t next_id;
};

static inline bool tx_is_server(const struct tx *tx)
{
	return tx->kind == TX_IST || tx->kind == TX_NIST;
}

/*
 * transaction.c. tx_new: makes a transaction and enters it in the tables; key is taken over. tx_end: takes tx out of
 * all tables and frees it at the end of the turn.
 */
struct tx *tx_new(struct tx_layer *t, enum tx_kind kind, const struct flow *flow, enum method method, char *key);
void tx_end(struct tx *tx);
struct tx *tx_by_id(struct tx_layer *t, uint64_t id);
bool tx_reliable(const struct tx *tx);
void tx_send_octets(struct tx *tx,
		    const struct buf *octets); /* sends on the flow; a failure shows as silence or by on_closed */
/* tx_offer_octets: as tx_send_octets, for answers of which the other side may send any number (transport_takes). */
void tx_offer_octets(struct tx *tx, const struct buf *octets);
void tx_log_state(const struct tx *tx, const char *machine, enum tx_state next);
void tx_backoff(struct tx *tx,
		uint32_t max_ms); /* starts the retransmission timer with twice its interval, at most max_ms */

/*
 * shown.c. server_is_shown: does the request come from where it says, so that answers may be sent again on a timer?
 * server_shows: the same of where something goes. server_seen: whoever is there has got what was sent there.
 * server_is_too_much: would octets there be more than room?
 * server_keep_max: octets of answers to INVITE that may be kept at once, and as many of answered.c.
 *
 * server_final sends tx->octets as the first final answer. server_more sends them as any other answer: once more, or
 * before it, or a later 2xx; not where the flow takes no more, and not beyond twice what came from an address that is
 * not shown (G14).
 */
bool server_is_shown(const struct tx *tx);
bool server_shows(const struct tx_layer *t, const struct flow *to);
void server_seen(struct tx_layer *t, const struct flow *at);
bool server_is_too_much(const struct tx *tx, size_t octets, size_t room);
void server_final(struct tx *tx);
void server_more(struct tx *tx);
void server_request(struct tx_layer *t, const struct flow *from, struct sip_msg *m);
size_t server_keep_max(const struct tx_layer *t);
bool server_keep(struct tx *tx);

/* client.c */
void client_response(struct tx_layer *t, struct sip_msg *m);
void client_refused(struct tx_layer *t, const struct peer *remote, struct slice sent);
void client_tell(
	struct tx *tx, struct sip_msg *m,
	enum err why); /* reports to the user; the last thing in every handler, since the user may do anything */
void client_begin(struct tx *tx); /* sends the request, or reports from the loop why it cannot be */
void client_ack(struct tx *tx, const struct sip_msg *m); /* makes, keeps and sends the ACK to a failure */
void client_cancel(struct tx *tx);                       /* sends the CANCEL */

/* ist.c, RFC 3261 17.2.1 with RFC 6026 7.1 */
void ist_start(struct tx *tx);
void ist_request(struct tx *tx);              /* a retransmission came */
void ist_shown(struct tx *tx);                /* now server_is_shown */
void ist_ack(struct tx *tx);                  /* the ACK to a failure came */
void ist_reply(struct tx *tx, unsigned code); /* octets hold the response */

/* nist.c, RFC 3261 17.2.2 */
void nist_start(struct tx *tx);
void nist_request(struct tx *tx);
void nist_reply(struct tx *tx);

/* ict.c, RFC 3261 17.1.1 with RFC 6026 7.2 */
void ict_start(struct tx *tx);
void ict_response(struct tx *tx, struct sip_msg *m);
void ict_failed(struct tx *tx, enum err why);
void ict_cancel(struct tx *tx);

/* nict.c, RFC 3261 17.1.2 */
void nict_start(struct tx *tx);
void nict_response(struct tx *tx, struct sip_msg *m);
void nict_failed(struct tx *tx, enum err why);

#endif
