#include "sip/transaction/transaction_private.h"

/*
 * The non-INVITE client transaction, RFC 3261 Figure 6.
 *
 *       request sent
 *            v
 *       +--------+  Timer E: send again, at most T2 apart (UDP)
 *       | Trying |  Timer F (32 s) or transport error: report, end
 *       +--------+
 *    1xx |     | 200-699: report
 *        v     |
 *   +------------+  Timer E: send again every T2
 *   | Proceeding |  Timer F or transport error: report, end
 *   +------------+
 *        | 200-699: report
 *        v     v
 *      +-----------+  absorbs further responses
 *      | Completed |  Timer K (5 s; TCP, TLS: 0): end
 *      +-----------+
 *
 * With once, Timer E does not run before there is a response.
 *
 * A provisional response is not reported: RFC 4320 leaves only 100, which says nothing.
 */

enum event { EV_PROVISIONAL, EV_FINAL, EV_TIMER_E, EV_TIMER_F, EV_TIMER_K, EV_TRANSPORT };

static void enter(struct tx *tx, enum tx_state state)
{
	tx_log_state(tx, "nict", state);
	tx->state = state;
	switch (state) {
	case TX_TRYING:
		timer_start(tx->end, 64 * TX_T1_MS); /* Timer F */
		tx->interval_ms = TX_T1_MS;
		if (!tx_reliable(tx) && !tx->once)
			timer_start(tx->retransmit, tx->interval_ms);
		break;
	case TX_PROCEEDING:
		if (tx->once && !tx_reliable(tx))
			timer_start(tx->retransmit, TX_T2_MS);
		break;
	case TX_COMPLETED:
		timer_stop(tx->retransmit);
		timer_stop(tx->end);
		/* Timer K: T4 to absorb further responses, zero on a reliable transport. */
		if (tx_reliable(tx)) {
			enter(tx, TX_TERMINATED);
			break;
		}
		/*
		 * The request is never sent again. settled: not counted against limits.transactions, since it only
		 * absorbs copies.
		 */
		buf_free(&tx->octets);
		tx->layer->settled++;
		timer_start(tx->end, TX_T4_MS);
		break;
	case TX_CONFIRMED: /* of INVITE */
	case TX_ACCEPTED:
		break;
	case TX_TERMINATED:
		tx_end(tx);
		break;
	}
}

static void over(struct tx *tx, struct sip_msg *response, enum err why)
{
	enter(tx, response != NULL ? TX_COMPLETED : TX_TERMINATED);
	client_tell(tx, response, why);
}

static void event(struct tx *tx, enum event ev, struct sip_msg *m, enum err why)
{
	switch (tx->state) {
	case TX_TRYING:
		switch (ev) {
		case EV_PROVISIONAL:
			enter(tx, TX_PROCEEDING);
			break;
		case EV_FINAL:
			over(tx, m, ERR_OK);
			break;
		case EV_TIMER_E:
			tx_backoff(tx, TX_T2_MS);
			tx_send_octets(tx, &tx->octets);
			break;
		case EV_TIMER_F:
		case EV_TRANSPORT:
			over(tx, NULL, why);
			break;
		case EV_TIMER_K: /* not running */
			break;
		}
		break;
	case TX_PROCEEDING:
		switch (ev) {
		case EV_PROVISIONAL:
			break;
		case EV_FINAL:
			over(tx, m, ERR_OK);
			break;
		case EV_TIMER_E: /* 17.1.2.2: always T2 in Proceeding */
			tx->interval_ms = TX_T2_MS;
			tx_backoff(tx, TX_T2_MS);
			tx_send_octets(tx, &tx->octets);
			break;
		case EV_TIMER_F:
		case EV_TRANSPORT:
			over(tx, NULL, why);
			break;
		case EV_TIMER_K: /* not running */
			break;
		}
		break;
	case TX_COMPLETED:
		switch (ev) {
		case EV_TIMER_K:
			tx->layer->settled--;
			enter(tx, TX_TERMINATED);
			break;
		case EV_PROVISIONAL: /* late copies are what this state is for */
		case EV_FINAL:
		case EV_TIMER_E:
		case EV_TIMER_F:
		case EV_TRANSPORT:
			break;
		}
		break;
	case TX_CONFIRMED:
	case TX_ACCEPTED:
	case TX_TERMINATED:
		break;
	}
}

static void timer_e(void *arg)
{
	event(arg, EV_TIMER_E, NULL, ERR_OK);
}

/* One timer serves as F and K, which never run together, and at once for what was never sent. */
static void timer_f_or_k(void *arg)
{
	struct tx *tx = arg;

	event(tx, tx->state == TX_COMPLETED ? EV_TIMER_K : EV_TIMER_F, NULL,
	      tx->failure != ERR_OK ? tx->failure : ERR_AGAIN);
}

void nict_start(struct tx *tx)
{
	tx->retransmit = timer_new(tx->layer->loop, timer_e, tx);
	tx->end = timer_new(tx->layer->loop, timer_f_or_k, tx);
	enter(tx, TX_TRYING);
	client_begin(tx);
}

void nict_response(struct tx *tx, struct sip_msg *m)
{
	event(tx, m->status < 200 ? EV_PROVISIONAL : EV_FINAL, m, ERR_OK);
}

void nict_failed(struct tx *tx, enum err why)
{
	event(tx, EV_TRANSPORT, NULL, why);
}
