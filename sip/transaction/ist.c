#include "sip/transaction/transaction_private.h"

/*
 * The INVITE server transaction, RFC 3261 Figure 7 as RFC 6026 7.1 corrects it.
 *
 *     INVITE: hand up
 *          v
 *    +------------+  INVITE again: send the last provisional response again
 *    | Proceeding |  200 ms without an answer, or INVITE again: send 100
 *    +------------+
 *     |         | 2xx: send
 *     |         v
 *     |    +----------+  INVITE again: absorbed; further 2xx are sent; the ACK goes up
 *     |    | Accepted |  Timer L (32 s): end
 *     |    +----------+
 *     | 300-699: send
 *     v
 *    +-----------+  INVITE again, Timer G (UDP): send the response again
 *    | Completed |  Timer H (32 s) without an ACK: end
 *    +-----------+
 *          | ACK
 *          v
 *    +-----------+  absorbs further ACKs
 *    | Confirmed |  Timer I (5 s; TCP, TLS: 0): end
 *    +-----------+
 */

/*
 * Over UDP the address of a stranger may be forged. Nothing is sent there on a timer (G14): he gets the 100 when he
 * asks again, and a failure once for each INVITE. What goes on to him of a callee, who may repeat a 2xx ten times, ends
 * at twice what came from him; but the first final answer goes, because without it there is no call.
 */
#define TRYING_AFTER_MS 200 /* 17.2.1: 100 goes out unless another response comes before */

enum event { EV_INVITE, EV_PROVISIONAL, EV_2XX, EV_FAILURE, EV_ACK, EV_TIMER_100, EV_TIMER_G, EV_TIMER_H_I_L };

static void enter(struct tx *tx, enum tx_state state)
{
	tx_log_state(tx, "ist", state);
	tx->state = state;
	switch (state) {
	case TX_TRYING: /* Figure 7 begins in Proceeding */
	case TX_PROCEEDING:
		if (server_is_shown(tx))
			timer_start(tx->retransmit, TRYING_AFTER_MS);
		break;
	case TX_COMPLETED:
		timer_stop(tx->retransmit);
		tx->interval_ms = TX_T1_MS;
		if (!tx_reliable(tx) && server_is_shown(tx))
			timer_start(tx->retransmit, tx->interval_ms); /* Timer G */
		timer_start(tx->end, 64 * TX_T1_MS);                  /* Timer H */
		break;
	case TX_CONFIRMED:
		timer_stop(tx->retransmit);
		/* Timer I: T4 to absorb further ACKs, zero on a reliable transport. */
		if (tx_reliable(tx))
			enter(tx, TX_TERMINATED);
		else
			timer_start(tx->end, TX_T4_MS);
		break;
	case TX_ACCEPTED:
		timer_stop(tx->retransmit);
		timer_start(tx->end, 64 * TX_T1_MS); /* Timer L */
		break;
	case TX_TERMINATED:
		tx_end(tx);
		break;
	}
}

/* The state and its timers come before sending, so that nothing that a failed send leads to meets the old state. */
static void final(struct tx *tx, enum tx_state state)
{
	enter(tx, state);
	server_final(tx);
	msg_unref(tx->request);
	tx->request = NULL;
	/*
	 * RFC 6026 7.1: a 2xx is repeated by the core that made it, not from here. Over a connection nothing is
	 * repeated (17.2.1). Only a failure over UDP is kept for Timer G, and without room for it there is nothing left
	 * to do.
	 */
	if (state == TX_ACCEPTED || tx_reliable(tx))
		buf_free(&tx->octets);
	else if (!server_keep(tx))
		enter(tx, TX_TERMINATED);
}

static void in_proceeding(struct tx *tx, enum event ev)
{
	switch (ev) {
	case EV_INVITE:
		if (tx->octets.n > 0)
			server_more(tx);
		else if (!server_is_shown(tx))
			tx_reply_code(tx, 100, NULL);
		break;
	case EV_TIMER_100:
		if (tx->octets.n == 0)
			tx_reply_code(tx, 100, NULL);
		break;
	case EV_PROVISIONAL:
		timer_stop(tx->retransmit);
		server_more(tx);
		break;
	case EV_2XX:
		final(tx, TX_ACCEPTED);
		break;
	case EV_FAILURE:
		final(tx, TX_COMPLETED);
		break;
	case EV_ACK: /* nothing to acknowledge yet */
	case EV_TIMER_G:
	case EV_TIMER_H_I_L: /* not running */
		break;
	}
}

static void event(struct tx *tx, enum event ev)
{
	switch (tx->state) {
	case TX_TRYING:
	case TX_PROCEEDING:
		in_proceeding(tx, ev);
		break;
	case TX_COMPLETED:
		switch (ev) {
		case EV_INVITE:
			if (tx->octets.n > 0)
				server_more(tx);
			break;
		case EV_TIMER_G:
			tx_backoff(tx, TX_T2_MS);
			server_more(tx);
			break;
		case EV_ACK:
			enter(tx, TX_CONFIRMED);
			break;
		case EV_TIMER_H_I_L: /* H: no ACK ever came */
			enter(tx, TX_TERMINATED);
			break;
		case EV_PROVISIONAL:
		case EV_2XX:
		case EV_FAILURE: /* the first final response counts */
		case EV_TIMER_100:
			break;
		}
		break;
	case TX_CONFIRMED:
		if (ev == EV_TIMER_H_I_L) /* I; everything else is what this state absorbs */
			enter(tx, TX_TERMINATED);
		break;
	case TX_ACCEPTED:
		switch (ev) {
		case EV_2XX:
			server_more(tx);
			buf_free(&tx->octets);
			break;
		case EV_TIMER_H_I_L: /* L */
			enter(tx, TX_TERMINATED);
			break;
		case EV_INVITE: /* absorbed */
		case EV_ACK:    /* goes up: see server.c */
		case EV_PROVISIONAL:
		case EV_FAILURE:
		case EV_TIMER_100:
		case EV_TIMER_G:
			break;
		}
		break;
	case TX_TERMINATED:
		break;
	}
}

/* One timer serves the 100 and as Timer G, one as H, I and L. No two of a group run together. */
static void timer_100_or_g(void *arg)
{
	struct tx *tx = arg;

	event(tx, tx->state == TX_COMPLETED ? EV_TIMER_G : EV_TIMER_100);
}

static void timer_h_i_l(void *arg)
{
	event(arg, EV_TIMER_H_I_L);
}

void ist_start(struct tx *tx)
{
	tx->retransmit = timer_new(tx->layer->loop, timer_100_or_g, tx);
	tx->end = timer_new(tx->layer->loop, timer_h_i_l, tx);
	enter(tx, TX_PROCEEDING);
}

void ist_shown(struct tx *tx)
{
	if (tx->state == TX_PROCEEDING && tx->octets.n == 0)
		timer_start(tx->retransmit, TRYING_AFTER_MS);
}

void ist_request(struct tx *tx)
{
	event(tx, EV_INVITE);
}

void ist_ack(struct tx *tx)
{
	event(tx, EV_ACK);
}

void ist_reply(struct tx *tx, unsigned code)
{
	event(tx, code < 200 ? EV_PROVISIONAL : code < 300 ? EV_2XX : EV_FAILURE);
}
