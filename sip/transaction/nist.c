#include "sip/transaction/transaction_private.h"

/* The non-INVITE server transaction, RFC 3261 Figure 8 with RFC 4320: nothing is sent before the final response. */

enum event { EV_REQUEST, EV_FINAL, EV_TIMER_J };

static void enter(struct tx *tx, enum tx_state state)
{
	tx_log_state(tx, "nist", state);
	tx->state = state;
	switch (state) {
	case TX_TRYING:
	case TX_PROCEEDING:
		break;
	case TX_COMPLETED:
		/* Timer J: 64*T1 to absorb retransmissions, zero on a reliable transport, or where there is no room. */
		if (tx_reliable(tx) || !server_keep(tx))
			enter(tx, TX_TERMINATED);
		else
			timer_start(tx->end, 64 * TX_T1_MS);
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
		case EV_REQUEST: /* the service is still at it: "discarded" */
		case EV_TIMER_J: /* not running */
			break;
		case EV_FINAL:
			tx_send_octets(tx, &tx->octets);
			msg_unref(tx->request);
			tx->request = NULL;
			enter(tx, TX_COMPLETED);
			break;
		}
		break;
	case TX_COMPLETED:
		switch (ev) {
		case EV_REQUEST:
			tx_send_octets(tx, &tx->octets);
			break;
		case EV_FINAL: /* "MUST be discarded": the first final response stands */
			break;
		case EV_TIMER_J:
			enter(tx, TX_TERMINATED);
			break;
		}
		break;
	case TX_CONFIRMED:
	case TX_ACCEPTED:
	case TX_TERMINATED:
		break;
	}
}

static void timer_j(void *arg)
{
	event(arg, EV_TIMER_J);
}

void nist_start(struct tx *tx)
{
	tx->end = timer_new(tx->layer->loop, timer_j, tx);
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
