#include "sip/transaction/transaction_private.h"

/*
 * The non-INVITE server transaction, RFC 3261 Figure 8 with RFC 4320: no provisional response is sent.
 *
 *   request: hand up
 *         v
 *    +--------+  request again: discarded
 *    | Trying |
 *    +--------+
 *         | final response: send
 *         v
 *    +-----------+  request again: send the response again
 *    | Completed |  Timer J (32 s; TCP, TLS: 0): end
 *    +-----------+
 *
 * Completed needs only the response. answered.c keeps that, sends it again and has Timer J, and this transaction ends.
 */

enum event { EV_REQUEST, EV_FINAL };

static void enter(struct tx *tx, enum tx_state state)
{
	tx_log_state(tx, "nist", state);
	tx->state = state;
	switch (state) {
	case TX_TRYING:
	case TX_PROCEEDING:
		break;
	case TX_COMPLETED:
		if (!tx_reliable(tx))
			answered_add(tx->layer->answered, slice_str(tx->key), tx->method, tx->print,
				     slice_str(tx->merge_key), &tx->flow,
				     tx->went < 2 * tx->came ? 2 * tx->came - tx->went : 0, buf_slice(&tx->octets));
		enter(tx, TX_TERMINATED);
		break;
	case TX_CONFIRMED: /* of INVITE */
	case TX_ACCEPTED:
		break;
	case TX_TERMINATED:
		tx_end(tx);
		break;
	}
}

static void event(struct tx *tx, enum event ev)
{
	switch (tx->state) {
	case TX_TRYING:
	case TX_PROCEEDING:
		switch (ev) {
		case EV_REQUEST: /* the service is still working on it; 17.2.2: "discarded" */
			break;
		case EV_FINAL:
			server_final(tx);
			enter(tx, TX_COMPLETED);
			break;
		}
		break;
	case TX_COMPLETED:
	case TX_CONFIRMED:
	case TX_ACCEPTED:
	case TX_TERMINATED:
		break;
	}
}

void nist_start(struct tx *tx)
{
	enter(tx, TX_TRYING);
}

void nist_request(struct tx *tx)
{
	event(tx, EV_REQUEST);
}

void nist_reply(struct tx *tx)
{
	event(tx, EV_FINAL);
}
