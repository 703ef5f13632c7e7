#include "sip/transaction/transaction.h"

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/limits.h"
#include "sip/transaction/transaction_private.h"

struct tx_layer *tx_layer_new(struct loop *l, unsigned max, const struct tx_user *user, void *arg)
{
	struct tx_layer *t = mem_alloc(sizeof(*t));

	t->loop = l;
	t->server_max = max;
	t->user = user;
	t->arg = arg;
	map_init(&t->by_id);
	map_init(&t->servers);
	map_init(&t->clients);
	map_init(&t->merges);
	map_init(&t->by_flow);
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
	mem_free(tx->key);
	mem_free(tx->merge_key);
	mem_free(tx);
}

static void unlink_tx(struct tx *tx)
{
	struct tx_layer *t = tx->layer;

	map_remove(&t->by_id, &tx->by_id);
	map_remove(tx->kind == TX_NIST ? &t->servers : &t->clients, &tx->by_key);
	if (tx->merge_key != NULL)
		map_remove(&t->merges, &tx->by_merge);
	if (tx->on_flow)
		map_remove(&t->by_flow, &tx->by_flow);
	if (tx->kind == TX_NIST)
		t->server_count--;
	t->kept -= tx->kept;
}

void tx_end(struct tx *tx)
{
	if (tx->retransmit != NULL)
		timer_stop(tx->retransmit);
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
	map_free(&t->by_id);
	map_free(&t->servers);
	map_free(&t->clients);
	map_free(&t->merges);
	map_free(&t->by_flow);
	mem_free(t);
}

bool tx_reliable(const struct tx *tx)
{
	return tx->flow.proto != PROTO_UDP;
}

bool tx_keep(struct tx *tx)
{
	struct tx_layer *t = tx->layer;

	/* Answers echo what strangers write: half a minute of large ones would take all memory there is. */
	if (t->kept + tx->octets.n > (size_t)t->server_max * SIP_ANSWER_KEPT)
		return false;
	tx->kept = tx->octets.n;
	t->kept += tx->kept;
	return true;
}

void tx_transmit(struct tx *tx)
{
	enum err e = transport_send(tx->layer->transport, &tx->flow, buf_slice(&tx->octets));

	if (e != ERR_OK)
		log_line(LOG_DEBUG, "event=send_failed tx=%llu peer=%s reason=%s", (unsigned long long)tx->id,
			 peer_text(&tx->flow.remote).text, log_esc(slice_str(err_str(e))).text);
}

/* --- matching --- */

/*
 * RFC 3261 17.2.3: branch and sent-by name the transaction when the branch has the magic cookie; the method is compared
 * by the caller, so that a CANCEL finds what it cancels. Else what RFC 2543 says: Request-URI, tags, Call-ID, CSeq,
 * topmost Via.
 */
static void server_key(const struct sip_msg *m, struct buf *key)
{
	const struct via *v = &m->via;

	/* enum method does not tell unknown ones apart; no CANCEL is for them. */
	if (m->method == METHOD_UNKNOWN)
		buf_addf(key, "%.*s ", SLICE_ARG(m->method_name));
	if (via_is_rfc3261(v)) {
		buf_addf(key, "%.*s %.*s:%u", SLICE_ARG(v->branch), SLICE_ARG(v->host), v->port);
		return;
	}
	buf_addf(key, "%.*s %.*s %.*s %.*s %u %.*s", SLICE_ARG(m->uri_text), SLICE_ARG(m->from_tag),
		 SLICE_ARG(m->to_tag), SLICE_ARG(m->call_id), m->cseq, SLICE_ARG(v->text));
}

static struct tx *find_server(struct tx_layer *t, struct slice key, struct slice method_name)
{
	for (struct map_node *n = map_find(&t->servers, key); n != NULL; n = map_find_next(n)) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_key);

		if (tx->method != METHOD_CANCEL && method_name.p == NULL)
			return tx;
		if (method_name.p != NULL && tx->method == method_of(method_name))
			return tx;
	}
	return NULL;
}

static struct tx *new_tx(struct tx_layer *t, enum tx_kind kind, const struct flow *flow, enum method method, char *key)
{
	struct tx *tx = mem_alloc(sizeof(*tx));

	tx->layer = t;
	tx->kind = kind;
	tx->flow = *flow;
	tx->method = method;
	tx->key = key;
	tx->id = ++t->next_id;
	map_add(&t->by_id, &tx->by_id, slice_of(&tx->id, sizeof(tx->id)));
	map_add(kind == TX_NIST ? &t->servers : &t->clients, &tx->by_key, slice_str(key));
	return tx;
}

/* RFC 3261 18.2.2: without rport the answer goes to the source address, but to the port of sent-by. maddr is not
 * followed. */
static struct flow answer_flow(const struct flow *from, const struct via *v)
{
	struct flow f = *from;

	if (f.proto == PROTO_UDP && !v->rport)
		peer_set_port(&f.remote, v->port != 0 ? (uint16_t)v->port : 5060);
	return f;
}

/* --- requests --- */

static void render(struct tx *tx, const struct build_reply *r)
{
	struct build_reply full = *r;
	struct peer_text ip = peer_ip(&tx->flow.remote);
	struct buf tag = {0};

	full.received = slice_str(ip.text);
	full.rport = peer_port(&tx->flow.remote);
	if (full.to_tag.p == NULL && r->code > 100) {
		rng_hex(&tag, 8);
		full.to_tag = buf_slice(&tag);
	}
	build_reply(&tx->octets, tx->request, &full);
	buf_free(&tag);
	if (log_on(LOG_INFO))
		log_line(LOG_INFO, "event=answered method=%s status=%u peer=%s uri=%s call_id=%s",
			 log_esc(tx->request->method_name).text, r->code, peer_text(&tx->flow.remote).text,
			 log_esc(tx->request->uri_text).text, log_esc(tx->request->call_id).text);
}

void tx_reply(struct tx *tx, const struct build_reply *r)
{
	if (tx->method == METHOD_INVITE) {
		tx_reply_once(tx, r);
		return;
	}
	render(tx, r);
	nist_reply(tx);
}

void tx_reply_once(struct tx *tx, const struct build_reply *r)
{
	render(tx, r);
	tx_transmit(tx);
	tx->state = TX_TERMINATED;
	tx_end(tx);
}

void tx_reply_code(struct tx *tx, unsigned code, const char *reason)
{
	tx_reply(tx, &(struct build_reply){.code = code, .reason = reason});
}

/* RFC 3261 8.2.2.2: the same request by another path. Remembered as long as its transaction. */
static bool is_merged(struct tx_layer *t, struct tx *tx)
{
	struct sip_msg *m = tx->request;
	struct buf key = {0};
	bool merged;

	if (m->to_tag.n > 0)
		return false;
	buf_addf(&key, "%.*s %.*s %u %.*s", SLICE_ARG(m->from_tag), SLICE_ARG(m->call_id), m->cseq,
		 SLICE_ARG(m->method_name));
	merged = map_find(&t->merges, buf_slice(&key)) != NULL;
	tx->merge_key = buf_take(&key);
	map_add(&t->merges, &tx->by_merge, slice_str(tx->merge_key));
	return merged;
}

/* Answers what no service is needed for. true: done. */
static bool answer_here(struct tx_layer *t, struct tx *tx, bool crowded)
{
	struct sip_msg *m = tx->request;

	if (m->defect_code != 0) {
		tx_reply_once(tx, &(struct build_reply){.code = m->defect_code, .reason = m->defect});
		return true;
	}
	if (crowded) {
		tx_reply_once(tx, &(struct build_reply){.code = 503, .headers = S("Retry-After: 5\r\n")});
		return true;
	}
	if (m->method == METHOD_CANCEL) {
		/* No INVITE is ever pending here, so a CANCEL has nothing to end (RFC 6665 4.6, RFC 3261 9.2). */
		bool known = find_server(t, slice_str(tx->key), SLICE_NONE) != NULL;

		tx_reply_code(tx, known ? 200 : 481, NULL);
		return true;
	}
	if (is_merged(t, tx)) {
		tx_reply_code(tx, 482, NULL);
		return true;
	}
	return false;
}

static void on_request(struct tx_layer *t, const struct flow *from, struct sip_msg *m)
{
	struct flow back = answer_flow(from, &m->via);
	bool crowded = t->server_count >= t->server_max;
	struct buf key = {0};
	struct tx *tx;

	if (m->method == METHOD_ACK)
		return;
	server_key(m, &key);
	tx = find_server(t, buf_slice(&key), m->method_name);
	if (tx != NULL) {
		buf_free(&key);
		nist_request(tx);
		return;
	}
	tx = new_tx(t, TX_NIST, &back, m->method, buf_take(&key));
	tx->request = msg_ref(m);
	t->server_count++;
	nist_start(tx);
	if (!answer_here(t, tx, crowded))
		t->user->on_request(t->arg, tx);
}

/* --- responses --- */

static void on_response(struct tx_layer *t, struct sip_msg *m)
{
	struct map_node *n = map_find(&t->clients, m->via.branch);
	struct tx *tx = n == NULL ? NULL : MAP_ENTRY(n, struct tx, by_key);

	if (tx == NULL || tx->method != m->method || m->defect_code != 0) {
		log_line(LOG_DEBUG, "event=stray_response status=%u call_id=%s", m->status, log_esc(m->call_id).text);
		return;
	}
	nict_response(tx, m);
}

static void on_message(void *arg, const struct flow *from, struct sip_msg *m)
{
	if (m->request)
		on_request(arg, from, m);
	else
		on_response(arg, m);
}

static void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct tx_layer *t = arg;
	struct map_node *n;

	while ((n = map_find(&t->by_flow, slice_of(&flow_id, sizeof(flow_id)))) != NULL) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_flow);

		map_remove(&t->by_flow, n);
		tx->on_flow = false;
		nict_failed(tx, ERR_CLOSED);
	}
	t->user->on_closed(t->arg, flow_id, why);
}

const struct transport_user tx_transport_user = {.on_message = on_message, .on_closed = on_closed};

/* --- what services ask --- */

void tx_branch(struct buf *out)
{
	buf_add(out, S("z9hG4bK"));
	rng_hex(out, 12);
}

uint64_t tx_send(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch, enum method method,
		 tx_done_fn done, void *arg)
{
	struct tx *tx = new_tx(t, TX_NICT, to, method, slice_dup(branch));

	tx->octets = *octets;
	*octets = (struct buf){0};
	tx->done = done;
	tx->arg = arg;
	if (to->proto != PROTO_UDP) {
		map_add(&t->by_flow, &tx->by_flow, slice_of(&tx->flow.id, sizeof(tx->flow.id)));
		tx->on_flow = true;
	}
	nict_start(tx);
	/* A connection that went away before: its on_closed has been and will not come again. */
	if (!transport_alive(t->transport, to)) {
		tx->lost = true;
		timer_start(tx->end, 0);
	}
	return tx->id;
}

static struct tx *by_id(struct tx_layer *t, uint64_t id)
{
	struct map_node *n = map_find(&t->by_id, slice_of(&id, sizeof(id)));

	return n == NULL ? NULL : MAP_ENTRY(n, struct tx, by_id);
}

void tx_forget(struct tx_layer *t, uint64_t id)
{
	struct tx *tx = by_id(t, id);

	if (tx != NULL)
		tx->done = NULL;
}

struct tx *tx_find(struct tx_layer *t, uint64_t id)
{
	struct tx *tx = by_id(t, id);

	return tx != NULL && tx->kind == TX_NIST && tx->request != NULL ? tx : NULL;
}

uint64_t tx_id(const struct tx *tx)
{
	return tx->id;
}

struct sip_msg *tx_request(const struct tx *tx)
{
	return tx->request;
}

const struct flow *tx_flow(const struct tx *tx)
{
	return &tx->flow;
}

unsigned tx_count(const struct tx_layer *t)
{
	return (unsigned)t->by_id.count;
}
