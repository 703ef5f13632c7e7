#ifndef SIP_TRANSACTION_PRIVATE_H
#define SIP_TRANSACTION_PRIVATE_H

#include "core/map.h"
#include "sip/transaction/transaction.h"

/* What transaction.c and the machines nist.c and nict.c share. Nobody else includes this. */

enum tx_kind { TX_NIST, TX_NICT };

/* The states of both non-INVITE machines, RFC 3261 Figures 6 and 8. */
enum tx_state { TX_TRYING, TX_PROCEEDING, TX_COMPLETED, TX_TERMINATED };

struct tx {
	struct tx_layer *layer;
	enum tx_kind kind;
	enum tx_state state;
	uint64_t id;
	struct map_node by_id;  /* in layer->by_id, key: id */
	struct map_node by_key; /* in layer->servers or layer->clients */
	struct map_node by_merge;
	struct map_node by_flow; /* clients on a connection, key: flow.id */
	char *key, *merge_key;   /* merge_key: NULL when not in layer->merges */
	bool on_flow;            /* in layer->by_flow */
	bool lost;               /* client: the connection was gone from the start */
	struct flow flow;
	enum method method;
	struct sip_msg *request;  /* server: one reference until the final answer was sent */
	struct buf octets;        /* server: the final response; client: the request */
	size_t kept;              /* server: what octets count in layer->kept */
	struct timer *retransmit; /* Timer E */
	struct timer *end;        /* Timers F and K, or J */
	uint32_t interval_ms;     /* Timer E's current length */
	tx_done_fn done;
	void *arg;
};

struct tx_layer {
	struct loop *loop;
	struct transport *transport;
	const struct tx_user *user;
	void *arg;
	struct map by_id, servers, clients, merges, by_flow;
	unsigned server_max, server_count;
	size_t kept; /* octets of answers that wait for retransmissions */
	uint64_t next_id;
};

/* transaction.c: takes tx out of all tables and frees it at the end of the turn. */
void tx_end(struct tx *tx);
bool tx_reliable(const struct tx *tx);
bool tx_keep(struct tx *tx);     /* server: is there room to keep the final response? */
void tx_transmit(struct tx *tx); /* octets to the flow; a failure shows as silence, or by on_closed */

/* nist.c, RFC 3261 17.2.2 */
void nist_start(struct tx *tx);
void nist_request(struct tx *tx); /* a retransmission came */
void nist_reply(struct tx *tx);   /* octets hold the final response */

/* nict.c, RFC 3261 17.1.2 */
void nict_start(struct tx *tx);
void nict_response(struct tx *tx, struct sip_msg *m);
void nict_failed(struct tx *tx, enum err why);

#endif
