#include "core/log.h"
#include "sip/transaction/transaction_private.h"

/*
 * What may be sent to an address over UDP that may be forged (G14). Whoever answers what was sent to him has shown that
 * he is there.
 */

#define PROVEN_MS (3600 * INT64_C(1000))

void server_seen(struct tx_layer *t, const struct flow *at)
{
	if (at->proto == PROTO_UDP)
		recent_add(t->proven, peer_octets(&at->remote), PROVEN_MS);
}

void tx_prove(struct tx *tx)
{
	if (tx_reliable(tx)) {
		transport_of_user(tx->layer->transport, &tx->flow);
		return;
	}
	server_seen(tx->layer, &tx->flow);
	if (tx->kind == TX_IST)
		ist_shown(tx);
}

/*
 * server_shows: somebody at that address has answered what was sent there, within the last hour. To any other address
 * little is sent over UDP, because it may be the victim of who wrote the request (G14): nothing on a timer, and not
 * more than twice what came. Only the first final answer does not wait for room: one of ours is at most twice as long
 * as the request by itself, and one that is passed on is short enough for one packet.
 */
bool server_shows(const struct tx_layer *t, const struct flow *to)
{
	return to->proto != PROTO_UDP || recent_has(t->proven, peer_octets(&to->remote));
}

bool server_is_shown(const struct tx *tx)
{
	return server_shows(tx->layer, &tx->flow);
}

bool tx_is_shown(const struct tx *tx)
{
	return server_is_shown(tx);
}

bool server_is_too_much(const struct tx *tx, size_t octets, size_t room)
{
	if (octets <= room || server_is_shown(tx))
		return false;
	log_line(LOG_INFO, "event=answer_too_long peer=%s octets=%zu", peer_text(&tx->flow.remote).text, octets);
	return true;
}

void server_final(struct tx *tx)
{
	tx->went += tx->octets.n;
	tx_send_octets(tx, &tx->octets);
}

void server_more(struct tx *tx)
{
	if (!server_is_too_much(tx, tx->went + tx->octets.n, 2 * tx->came)) {
		tx->went += tx->octets.n;
		tx_offer_octets(tx, &tx->octets);
	}
}
