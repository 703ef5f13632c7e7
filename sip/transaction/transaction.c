#include "sip/transaction/transaction.h"

#include "core/log.h"
#include "core/mem.h"
#include "sip/transaction/transaction_private.h"

#define PROVEN_MAX 16384 /* addresses */

/*
 * The tables of transactions, and the way of a message from the transport to its machine. A transaction is in by_id, in
 * servers or clients by its key, and perhaps in merges and by_flow; tx_new and unlink_tx are the only places that enter
 * and leave the tables (but for merges and by_flow, which are entered later).
 */

struct tx_layer *tx_layer_new(struct loop *l, unsigned max, const struct tx_user *user, void *arg)
{
	struct tx_layer *t = mem_alloc(sizeof(*t));

	t->loop = l;
	t->max = max;
	t->user = user;
	t->arg = arg;
	t->proven = recent_new(l, PROVEN_MAX);
	t->answered = answered_new(l, server_keep_max(t));
	map_init(&t->by_id);
	map_init(&t->servers);
	map_init(&t->clients);
	map_init(&t->merges);
	groups_init(&t->by_flow);
	return t;
}

void tx_layer_attach(struct tx_layer *t, struct transport *transport)
{
	t->transport = transport;
}

static void destroy(void *arg)
{
	struct tx *tx = arg;

	timer_free(tx->retransmit);
	timer_free(tx->end);
	msg_unref(tx->request);
	buf_wipe(&tx->octets);
	buf_free(&tx->ack);
	mem_free(tx->key);
	mem_free(tx->merge_key);
	mem_free(tx->reason);
	mem_free(tx);
}

static void unlink_tx(struct tx *tx)
{
	struct tx_layer *t = tx->layer;

	map_remove(&t->by_id, &tx->by_id);
	map_remove(tx_is_server(tx) ? &t->servers : &t->clients, &tx->by_key);
	if (tx->merge_key != NULL)
		map_remove(&t->merges, &tx->by_merge);
	group_remove(&t->by_flow, &tx->by_flow);
	if (tx->kind == TX_ICT)
		transport_keep(t->transport, &tx->flow, true, -1);
	if (tx_is_server(tx)) {
		t->server_count--;
		transport_owe(t->transport, &tx->flow, -1);
	}
	t->kept -= tx->kept;
}

/* Called within handlers of the transaction itself, so the memory is freed at the end of the turn. */
void tx_end(struct tx *tx)
{
	tx->state = TX_TERMINATED;
	if (tx->retransmit != NULL)
		timer_stop(tx->retransmit);
	if (tx->end != NULL)
		timer_stop(tx->end);
	unlink_tx(tx);
	loop_defer(tx->layer->loop, destroy, tx);
}

void tx_layer_free(struct tx_layer *t)
{
	struct map_node *n;

	if (t == NULL)
		return;
	while ((n = map_first(&t->by_id)) != NULL) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_id);

		unlink_tx(tx);
		destroy(tx);
	}
	recent_free(t->proven);
	answered_free(t->answered);
	map_free(&t->by_id);
	map_free(&t->servers);
	map_free(&t->clients);
	map_free(&t->merges);
	groups_free(&t->by_flow);
	mem_free(t);
}

bool tx_reliable(const struct tx *tx)
{
	return tx->flow.proto != PROTO_UDP;
}

struct tx *tx_new(struct tx_layer *t, enum tx_kind kind, const struct flow *flow, enum method method, char *key)
{
	struct tx *tx = mem_alloc(sizeof(*tx));

	tx->layer = t;
	tx->kind = kind;
	tx->flow = *flow;
	tx->method = method;
	tx->key = key;
	tx->id = ++t->next_id;
	map_add(&t->by_id, &tx->by_id, slice_of(&tx->id, sizeof(tx->id)));
	map_add(tx_is_server(tx) ? &t->servers : &t->clients, &tx->by_key, slice_str(key));
	if (tx_is_server(tx)) {
		t->server_count++;
		transport_owe(t->transport, flow, 1);
	}
	return tx;
}

struct tx *tx_by_id(struct tx_layer *t, uint64_t id)
{
	struct map_node *n = map_find(&t->by_id, slice_of(&id, sizeof(id)));

	return n == NULL ? NULL : MAP_ENTRY(n, struct tx, by_id);
}

/*
 * reconnect: RFC 3261 18.2.2: the connection of the request is gone, so the response goes over a new one to the port of
 * sent-by. Only to the address that the request came from, whatever Via says, or a stranger could make us connect
 * anywhere. Not over TLS, because nothing would prove who is there. Not to ports below 1024, which belong to other
 * services.
 */
static bool reconnect(struct tx *tx)
{
	struct peer at = tx->flow.remote;

	if (!tx_is_server(tx) || tx->flow.proto != PROTO_TCP || tx->sent_by_port < 1024)
		return false;
	peer_set_port(&at, tx->sent_by_port);
	tx->sent_by_port = 0; /* only once: if this fails as well, there is no other way */
	if (transport_connect(tx->layer->transport, PROTO_TCP, &at, NULL, SLICE_NONE, &tx->flow) != ERR_OK)
		return false;
	transport_owe(tx->layer->transport, &tx->flow, 1);
	return true;
}

void tx_send_octets(struct tx *tx, const struct buf *octets)
{
	enum err e = transport_send(tx->layer->transport, &tx->flow, buf_slice(octets));

	if (e == ERR_CLOSED && reconnect(tx))
		e = transport_send(tx->layer->transport, &tx->flow, buf_slice(octets));
	if (e != ERR_OK)
		log_line(LOG_DEBUG, "event=send_failed tx=%llu peer=%s reason=%s", (unsigned long long)tx->id,
			 peer_text(&tx->flow.remote).text, log_esc(slice_str(err_str(e))).text);
}

void tx_offer_octets(struct tx *tx, const struct buf *octets)
{
	if (transport_takes(tx->layer->transport, &tx->flow, octets->n))
		tx_send_octets(tx, octets);
	else
		log_line(LOG_INFO, "event=slow_reader peer=%s dropped=response", peer_text(&tx->flow.remote).text);
}

void tx_log_state(const struct tx *tx, const char *machine, enum tx_state next)
{
	static const char *const names[] = {"trying", "proceeding", "completed", "confirmed", "accepted", "terminated"};

	if (log_on(LOG_DEBUG))
		log_line(LOG_DEBUG, "event=%s tx=%llu from=%s to=%s", machine, (unsigned long long)tx->id,
			 names[tx->state], names[next]);
}

void tx_backoff(struct tx *tx, uint32_t max_ms)
{
	tx->interval_ms = tx->interval_ms < max_ms / 2 ? tx->interval_ms * 2 : max_ms;
	timer_start(tx->retransmit, tx->interval_ms);
}

/* Overload is decided before parsing, from a glance at the octets: see overload.h. */
static enum transport_admit admit(void *arg, struct slice octets, uint32_t waited_ms)
{
	struct tx_layer *t = arg;

	/* What has waited for an unknown time (UINT32_MAX) may end an overload, but does not begin one. */
	if (overload_note(&t->overload, waited_ms, loop_now_ms(t->loop))) {
		if (t->overload.level > 0)
			log_line(LOG_WARN, "event=overload_on waited_ms=%u", waited_ms);
		else
			log_line(LOG_WARN, "event=overload_off");
	}
	if (t->overload.level == 0 || !overload_refuses(&t->overload, overload_class(octets)))
		return TRANSPORT_ADMIT;
	return overload_answers(&t->overload) ? TRANSPORT_REFUSE : TRANSPORT_DROP;
}

static void on_message(void *arg, const struct flow *from, struct sip_msg *m)
{
	if (m->request)
		server_request(arg, from, m);
	else
		client_response(arg, m);
}

static void on_refused(void *arg, const struct peer *remote, struct slice sent)
{
	client_refused(arg, remote, sent);
}

static void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct tx_layer *t = arg;
	struct group_node *n;

	/* Each handler may send and end others, so the group is asked anew for the first one that is left. */
	while ((n = group_first(&t->by_flow, slice_of(&flow_id, sizeof(flow_id)))) != NULL) {
		struct tx *tx = GROUP_ENTRY(n, struct tx, by_flow);

		group_remove(&t->by_flow, n);
		if (tx->kind == TX_ICT)
			ict_failed(tx, ERR_CLOSED);
		else
			nict_failed(tx, ERR_CLOSED);
	}
	t->user->on_closed(t->arg, flow_id, why);
}

const struct transport_user tx_transport_user = {
	.admit = admit, .on_message = on_message, .on_refused = on_refused, .on_closed = on_closed};

unsigned tx_count(const struct tx_layer *t)
{
	return (unsigned)t->by_id.count + answered_count(t->answered);
}
