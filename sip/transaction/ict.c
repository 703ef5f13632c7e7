#include "sip/transaction/transaction_private.h"

/*
 * The INVITE client transaction, RFC 3261 Figure 5 as RFC 6026 7.2 corrects it, with CANCEL (9.1).
 *
 *   Calling     1xx: report                                       -> Proceeding
 *               2xx: report                                       -> Accepted
 *               300-699: ACK, report                              -> Completed
 *               Timer A (UDP): send again, twice as late each time
 *               Timer B (32 s) or transport error: report         -> end
 *   Proceeding  1xx: report
 *               2xx: report                                       -> Accepted
 *               300-699: ACK, report                              -> Completed
 *               CANCEL sent 32 s ago or transport error: report   -> end
 *   Accepted    2xx: report each one
 *               Timer M (32 s)                                    -> end
 *   Completed   300-699: ACK again
 *               Timer D (32 s; TCP and TLS: at once)              -> end
 *
 * Calling is TX_TRYING here. With once, Timer A does not run. In Proceeding no timer runs: a phone may ring for long,
 * and Timer C belongs to the proxy. A CANCEL is held back until a provisional response is there, and from then on 64*T1
 * is the limit.
 */

#define TIMER_D_MS 32000 /* 17.1.1.2: at least 32 s */

enum event { EV_PROVISIONAL, EV_2XX, EV_FAILURE, EV_TIMER_A, EV_TIMER_B, EV_TIMER_D_M, EV_TRANSPORT, EV_CANCEL };

static void enter(struct tx *tx, enum tx_state state)
{
	tx_log_state(tx, "ict", state);
	tx->state = state;
	switch (state) {
	case TX_TRYING:
		timer_start(tx->end, 64 * TX_T1_MS); /* Timer B */
		tx->interval_ms = TX_T1_MS;
		if (!tx_reliable(tx) && !tx->once)
			timer_start(tx->retransmit, tx->interval_ms); /* Timer A */
		break;
	case TX_PROCEEDING:
		timer_stop(tx->retransmit);
		timer_stop(tx->end);
		break;
	case TX_COMPLETED:
		timer_stop(tx->retransmit);
		timer_stop(tx->end);
		if (tx_reliable(tx))
			enter(tx, TX_TERMINATED);
		else
			timer_start(tx->end, TIMER_D_MS);
		break;
	case TX_ACCEPTED:
		timer_stop(tx->retransmit);
		timer_start(tx->end, 64 * TX_T1_MS); /* Timer M */
		break;
	case TX_CONFIRMED: /* of servers */
		break;
	case TX_TERMINATED:
		tx_end(tx);
		break;
	}
}

/*
 * cancel: a provisional response is there, so the peer can match a CANCEL. RFC 3261 9.1: the final response must come
 * within 64*T1.
 */
static void cancel(struct tx *tx)
{
	client_cancel(tx);
	timer_start(tx->end, 64 * TX_T1_MS);
}

/*
 * over: a final response, or the end without one. The ACK to a failure comes first, then the state, then the user, who
 * may do anything.
 */
static void over(struct tx *tx, enum tx_state state, struct sip_msg *m, enum err why)
{
	if (m != NULL && m->status >= 300)
		client_ack(tx, m);
	enter(tx, state);
	client_tell(tx, m, why);
}

/* Each event of Figure 5 has a case, also those that cannot come: the compiler names one that is forgotten. */
static void in_calling(struct tx *tx, enum event ev, struct sip_msg *m, enum err why)
{
	switch (ev) {
	case EV_PROVISIONAL:
		enter(tx, TX_PROCEEDING);
		if (tx->cancelled)
			cancel(tx);
		client_tell(tx, m, ERR_OK);
		break;
	case EV_2XX:
		over(tx, TX_ACCEPTED, m, ERR_OK);
		break;
	case EV_FAILURE:
		over(tx, TX_COMPLETED, m, ERR_OK);
		break;
	case EV_TIMER_A:
		tx_backoff(tx, UINT32_MAX);
		tx_send_octets(tx, &tx->octets);
		break;
	case EV_TIMER_B:
	case EV_TRANSPORT:
		over(tx, TX_TERMINATED, NULL, why);
		break;
	case EV_CANCEL:
		tx->cancelled = true; /* 9.1: not before a provisional response */
		break;
	case EV_TIMER_D_M: /* not running */
		break;
	}
}

static void in_proceeding(struct tx *tx, enum event ev, struct sip_msg *m, enum err why)
{
	switch (ev) {
	case EV_PROVISIONAL:
		client_tell(tx, m, ERR_OK);
		break;
	case EV_2XX:
		over(tx, TX_ACCEPTED, m, ERR_OK);
		break;
	case EV_FAILURE:
		over(tx, TX_COMPLETED, m, ERR_OK);
		break;
	case EV_CANCEL:
		if (!tx->cancelled)
			cancel(tx);
		tx->cancelled = true;
		break;
	case EV_TIMER_B: /* started by cancel() */
	case EV_TRANSPORT:
		over(tx, TX_TERMINATED, NULL, why);
		break;
	case EV_TIMER_A: /* not running */
	case EV_TIMER_D_M:
		break;
	}
}

static void event(struct tx *tx, enum event ev, struct sip_msg *m, enum err why)
{
	switch (tx->state) {
	case TX_TRYING:
		in_calling(tx, ev, m, why);
		break;
	case TX_PROCEEDING:
		in_proceeding(tx, ev, m, why);
		break;
	case TX_COMPLETED:
		switch (ev) {
		case EV_FAILURE:
			tx_send_octets(tx, &tx->ack);
			break;
		case EV_TIMER_D_M:
		case EV_TRANSPORT:
			enter(tx, TX_TERMINATED);
			break;
		case EV_PROVISIONAL: /* too late */
		case EV_2XX:
		case EV_TIMER_A:
		case EV_TIMER_B:
		case EV_CANCEL:
			break;
		}
		break;
	case TX_ACCEPTED:
		switch (ev) {
		case EV_2XX: /* from the same or another branch downstream; each is passed on */
			client_tell(tx, m, ERR_OK);
			break;
		case EV_TIMER_D_M:
		case EV_TRANSPORT:
			enter(tx, TX_TERMINATED);
			break;
		case EV_PROVISIONAL:
		case EV_FAILURE:
		case EV_TIMER_A:
		case EV_TIMER_B:
		case EV_CANCEL:
			break;
		}
		break;
	case TX_CONFIRMED:
	case TX_TERMINATED:
		break;
	}
}

static void timer_a(void *arg)
{
	event(arg, EV_TIMER_A, NULL, ERR_OK);
}

/* One timer serves as B, D and M, which never run together, and at once for what was never sent. */
static void timer_b_d_m(void *arg)
{
	struct tx *tx = arg;
	bool answered = tx->state == TX_COMPLETED || tx->state == TX_ACCEPTED;

	event(tx, answered ? EV_TIMER_D_M : EV_TIMER_B, NULL, tx->failure != ERR_OK ? tx->failure : ERR_AGAIN);
}

void ict_start(struct tx *tx)
{
	tx->retransmit = timer_new(tx->layer->loop, timer_a, tx);
	tx->end = timer_new(tx->layer->loop, timer_b_d_m, tx);
	enter(tx, TX_TRYING);
	client_begin(tx);
}

void ict_response(struct tx *tx, struct sip_msg *m)
{
	event(tx, m->status < 200 ? EV_PROVISIONAL : m->status < 300 ? EV_2XX : EV_FAILURE, m, ERR_OK);
}

void ict_failed(struct tx *tx, enum err why)
{
	event(tx, EV_TRANSPORT, NULL, why);
}

void ict_cancel(struct tx *tx)
{
	event(tx, EV_CANCEL, NULL, ERR_OK);
}
