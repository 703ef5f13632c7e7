#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/limits.h"
#include "sip/transaction/transaction_private.h"

#define REASON_MAX 256 /* octets of a Reason that is passed on */
#define RETRY_S 5      /* the least Retry-After of a layer that has too much to do */

/* Server transactions: which one a request belongs to, answers, and the functions for services. */

/*
 * server_key: RFC 3261 17.2.3: branch and sent-by name the transaction when the branch has the magic cookie. The caller
 * compares the method, so that CANCEL and ACK find their INVITE.
 *
 * Everybody on the way of a request sees its Via. So the transaction belongs to the transport and the address that the
 * request came from, too: nobody else ends it by a CANCEL, or has its answer sent again (RFC 3261 9.1, 17.1.4: CANCEL
 * and retransmissions come the way that the request came). The port may change behind a NAT.
 *
 * Without the cookie the rules of RFC 2543: Request-URI, tags, Call-ID, CSeq and topmost Via; for INVITE, ACK and
 * CANCEL without the To tag, because the ACK has one that the INVITE did not have.
 */
static void server_key(const struct tx_layer *t, const struct flow *from, const struct sip_msg *m, struct buf *key)
{
	const struct via *v = &m->via;
	struct buf source = {0};
	bool of_invite = m->method == METHOD_INVITE || m->method == METHOD_ACK || m->method == METHOD_CANCEL;

	buf_addc(&source, (char)from->proto);
	buf_add(&source, peer_octets(&from->remote));
	buf_addx(key, map_hash(&t->servers, buf_slice(&source)));
	buf_addc(key, ' ');
	buf_free(&source);
	/* All unknown methods are one value of enum method, so their name is part of the key. No CANCEL is for them. */
	if (m->method == METHOD_UNKNOWN) {
		buf_add(key, m->method_name);
		buf_addc(key, ' ');
	}
	if (via_is_rfc3261(v)) {
		buf_add(key, v->branch);
		buf_addc(key, ' ');
		buf_add(key, v->host);
		buf_addc(key, ':');
		buf_addu(key, v->port);
		return;
	}
	buf_addf(key, "%.*s %.*s %.*s %.*s %u %.*s", SLICE_ARG(m->uri_text), SLICE_ARG(m->from_tag),
		 SLICE_ARG(of_invite ? SLICE_NONE : m->to_tag), SLICE_ARG(m->call_id), m->cseq, SLICE_ARG(v->text));
}

/* find: the transaction with this key that a request of this method belongs to. An ACK belongs to its INVITE. */
static struct tx *find(struct tx_layer *t, struct slice key, enum method method)
{
	for (struct map_node *n = map_find(&t->servers, key); n != NULL; n = map_find_next(n)) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_key);

		if (tx->method == (method == METHOD_ACK ? METHOD_INVITE : method))
			return tx;
	}
	return NULL;
}

/* find_cancelled: the transaction that a CANCEL with this key would end. */
static struct tx *find_cancelled(struct tx_layer *t, struct slice key)
{
	for (struct map_node *n = map_find(&t->servers, key); n != NULL; n = map_find_next(n)) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_key);

		if (tx->method != METHOD_CANCEL)
			return tx;
	}
	return NULL;
}

/*
 * answer_flow: RFC 3261 18.2.2: without rport an answer goes to the source address, but to the port of sent-by. maddr
 * is not followed, since it would let a stranger aim answers at others (G14).
 */
static struct flow answer_flow(const struct flow *from, const struct via *v)
{
	struct flow f = *from;

	if (f.proto == PROTO_UDP && !v->rport)
		peer_set_port(&f.remote, v->port != 0 ? (uint16_t)v->port : 5060);
	return f;
}

size_t server_keep_max(const struct tx_layer *t)
{
	return (size_t)t->max * SIP_ANSWER_KEPT;
}

bool server_keep(struct tx *tx)
{
	struct tx_layer *t = tx->layer;

	/* Answers echo what strangers write. Half a minute of large ones could take all memory. */
	if (t->kept + tx->octets.n > server_keep_max(t))
		return false;
	tx->kept = tx->octets.n;
	t->kept += tx->kept;
	return true;
}

/* --- answers --- */

/*
 * stateless_tag: RFC 3261 8.2.7: the To tag of an answer that is not remembered. It can be computed again from the ACK,
 * which is recognised by it.
 */
static void stateless_tag(const struct tx_layer *t, const struct sip_msg *m, struct buf *out)
{
	struct buf parts = {0};

	buf_add(&parts, m->call_id);
	buf_addc(&parts, ' ');
	buf_add(&parts, m->from_tag);
	buf_addc(&parts, ' ');
	buf_addu(&parts, m->cseq);
	buf_addc(out, 's');
	buf_addx(out, map_hash(&t->servers, buf_slice(&parts)));
	buf_free(&parts);
}

static void render(struct tx *tx, const struct build_reply *r, bool remembered)
{
	struct build_reply full = *r;
	struct peer_text ip = peer_ip(&tx->flow.remote);
	struct buf tag = {0};

	full.received = slice_str(ip.text);
	full.rport = tx->source_port;
	if (full.to_tag.p == NULL && r->code > 100) {
		if (remembered)
			rng_hex(&tag, 8);
		else
			stateless_tag(tx->layer, tx->request, &tag);
		full.to_tag = buf_slice(&tag);
	}
	buf_clear(&tx->octets);
	build_reply(&tx->octets, tx->request, &full);
	buf_free(&tag);
}

/*
 * log_answer: a refusal is for whoever is asked why something did not work. Challenges belong to each request that
 * works, and what was done has a line of its own.
 */
static void log_answer(const struct tx *tx, const struct build_reply *r)
{
	enum log_level level = r->code >= 300 && r->code != 401 && r->code != 407 ? LOG_INFO : LOG_DEBUG;
	const char *reason = r->reason != NULL ? r->reason : status_phrase(r->code);

	if (r->code >= 200 && log_on(level))
		log_line(level, "event=answered method=%s status=%u reason=%s peer=%s uri=%s call_id=%s",
			 log_esc(tx->request->method_name).text, r->code, log_esc(slice_str(reason)).text,
			 peer_text(&tx->flow.remote).text, log_esc(tx->request->uri_text).text,
			 log_esc(tx->request->call_id).text);
}

size_t tx_room(struct tx *tx)
{
	size_t bare, most = 2 * tx->came;

	if (server_is_shown(tx))
		return SIZE_MAX;
	render(tx, &(struct build_reply){.code = 407}, false); /* the longest phrase of a challenge */
	bare = tx->octets.n;
	buf_clear(&tx->octets);
	return bare < most ? most - bare : 0;
}

static void send_reply(struct tx *tx, unsigned code)
{
	if (tx->kind == TX_IST)
		ist_reply(tx, code);
	else
		nist_reply(tx);
}

void tx_reply(struct tx *tx, const struct build_reply *r)
{
	/*
	 * The client repeats an INVITE until it has an answer. So a refusal that is the first answer need not be
	 * repeated from here, to an address that may be forged.
	 */
	if (tx->kind == TX_IST && r->code >= 300 && tx->octets.n == 0) {
		tx_reply_once(tx, r);
		return;
	}
	render(tx, r, true);
	log_answer(tx, r);
	if (r->code >= 200 && server_is_too_much(tx, tx->octets.n, 2 * tx->came))
		tx_end(tx);
	else
		send_reply(tx, r->code);
}

void tx_reply_once(struct tx *tx, const struct build_reply *r)
{
	render(tx, r, false);
	log_answer(tx, r);
	if (!server_is_too_much(tx, tx->octets.n, 2 * tx->came))
		tx_send_octets(tx, &tx->octets);
	tx_end(tx);
}

void tx_reply_code(struct tx *tx, unsigned code, const char *reason)
{
	tx_reply(tx, &(struct build_reply){.code = code, .reason = reason});
}

/* reply_busy: sends a 503 with Retry-After through reply, which is tx_reply or tx_reply_once. */
static void reply_busy(struct tx *tx, unsigned least_s, const char *reason,
		       void (*reply)(struct tx *tx, const struct build_reply *r))
{
	struct buf lines = {0};

	if (msg_vias(tx->request) == 1) {
		buf_add(&lines, S("Retry-After: "));
		buf_addu(&lines, least_s + rng_below(2 * least_s + 1));
		buf_add(&lines, S("\r\n"));
	}
	reply(tx, &(struct build_reply){.code = 503, .reason = reason, .headers = buf_slice(&lines)});
	buf_free(&lines);
}

void tx_reply_busy(struct tx *tx, unsigned least_s, const char *reason)
{
	reply_busy(tx, least_s, reason, tx_reply);
}

static void take_octets(struct tx *tx, struct buf *octets)
{
	buf_free(&tx->octets);
	tx->octets = *octets;
	*octets = (struct buf){0};
}

void tx_pass(struct tx *tx, unsigned code, struct buf *octets)
{
	size_t most = 2 * tx->came > SIP_UDP_SAFE ? 2 * tx->came : SIP_UDP_SAFE;

	if (code >= 200 && server_is_too_much(tx, octets->n, most)) {
		buf_free(octets);
		tx_reply_code(tx, 502, "Answer Too Long");
		return;
	}
	take_octets(tx, octets);
	send_reply(tx, code);
}

bool tx_pass_more(struct tx_layer *t, uint64_t id, struct buf *octets)
{
	struct tx *tx = tx_by_id(t, id);

	if (tx == NULL || tx->kind != TX_IST || tx->state != TX_ACCEPTED) {
		buf_free(octets);
		return false;
	}
	take_octets(tx, octets);
	ist_reply(tx, 200);
	return true;
}

void tx_abandon(struct tx *tx)
{
	tx_end(tx);
}

/* --- requests --- */

bool tx_merged(struct tx *tx)
{
	struct tx_layer *t = tx->layer;
	struct sip_msg *m = tx->request;
	struct buf key = {0};
	bool merged;

	if (m->to_tag.n > 0)
		return false;
	buf_add(&key, m->from_tag);
	buf_addc(&key, ' ');
	buf_add(&key, m->call_id);
	buf_addc(&key, ' ');
	buf_addu(&key, m->cseq);
	buf_addc(&key, ' ');
	buf_add(&key, m->method_name);
	merged = map_find(&t->merges, buf_slice(&key)) != NULL || answered_merged(t->answered, buf_slice(&key));
	if (merged) { /* the first one is enough to recognise others by */
		buf_free(&key);
		return true;
	}
	tx->merge_key = buf_take(&key);
	map_add(&t->merges, &tx->by_merge, slice_str(tx->merge_key));
	return false;
}

/*
 * reason_of: all of Reason of a CANCEL, in one line: a gateway gives one of each protocol, in lines or in a list (RFC
 * 3326 2). NULL: there is none, or what is no line.
 */
static char *reason_of(const struct sip_msg *m)
{
	struct buf line = {0};
	bool fine = true;

	for (const struct sip_header *h = msg_each(m, HDR_REASON, NULL); h != NULL && fine;
	     h = msg_each(m, HDR_REASON, h)) {
		if (line.n > 0)
			buf_adds(&line, ", ");
		fine = h->value.n > 0 && line.n + h->value.n <= REASON_MAX && scan_unfold(h->value, &line);
	}
	if (!fine || line.n == 0) {
		buf_free(&line);
		return NULL;
	}
	return buf_take(&line);
}

struct slice tx_reason(const struct tx *tx)
{
	return tx->reason != NULL ? slice_str(tx->reason) : SLICE_NONE;
}

/* on_cancel: RFC 3261 9.2: the 200 says that the CANCEL was understood, not that it has an effect. */
static void on_cancel(struct tx_layer *t, struct tx *tx)
{
	struct tx *target = find_cancelled(t, slice_str(tx->key));
	bool known = target != NULL || answered_cancellable(t->answered, slice_str(tx->key));

	/* 9.1: its Via is that of the request, rport included. What a callee sees of it has been changed on the way. */
	if (target != NULL && target->request != NULL && target->request->via.rport != tx->request->via.rport)
		known = false;
	tx_reply_code(tx, known ? 200 : 481, NULL);
	if (known && target != NULL && target->kind == TX_IST && target->state == TX_PROCEEDING && !target->cancelled) {
		target->cancelled = true;
		target->reason = reason_of(tx->request);
		if (t->user->on_cancel != NULL)
			t->user->on_cancel(t->arg, target);
	}
}

/*
 * is_crowded: is there no room for m? Requests of a dialog and CANCEL have a reserve of a quarter, because they end
 * work.
 */
static bool is_crowded(const struct tx_layer *t, const struct sip_msg *m)
{
	size_t room = m->to_tag.n > 0 || m->method == METHOD_CANCEL ? t->max + t->max / 4 : t->max;

	return t->server_count > room || t->by_id.count - t->server_count - t->settled >= room;
}

static void begin(struct tx_layer *t, struct tx *tx)
{
	struct sip_msg *m = tx->request;

	if (is_crowded(t, m) || m->defect_code == 503) /* see transport_user.admit */
		reply_busy(tx, RETRY_S, NULL, tx_reply_once);
	else if (m->defect_code != 0)
		tx_reply_once(tx, &(struct build_reply){.code = m->defect_code, .reason = m->defect});
	else if (m->method == METHOD_CANCEL)
		on_cancel(t, tx);
	else
		t->user->on_request(t->arg, tx);
}

static void on_ack(struct tx_layer *t, const struct flow *from, struct tx *tx, struct sip_msg *m)
{
	struct buf tag = {0};
	bool ours;

	if (m->defect_code != 0)
		return;
	/*
	 * An ACK to a failure belongs to its transaction. The ACK to a 2xx goes up (RFC 6026 7.1), and so does one of
	 * no transaction, unless its tag shows that it acknowledges an answer of tx_reply_once.
	 */
	if (tx != NULL && tx->state != TX_ACCEPTED) {
		ist_ack(tx);
		return;
	}
	stateless_tag(t, m, &tag);
	ours = slice_eq(m->to_tag, buf_slice(&tag));
	buf_free(&tag);
	if (!ours && t->user->on_ack != NULL)
		t->user->on_ack(t->arg, from, m);
}

/*
 * ignore: another request with the branch of one that is there. A retransmission is the same octets (RFC 3261 17.1.2);
 * if anything else had the old answer sent, a few octets would fetch many (G14).
 */
static void ignore(const struct flow *from, const struct sip_msg *m)
{
	log_line(LOG_WARN, "event=branch_again peer=%s method=%s call_id=%s", peer_text(&from->remote).text,
		 log_esc(m->method_name).text, log_esc(m->call_id).text);
}

/* answer_again: sends the kept answer for a retransmission. false: none is kept. */
static bool answer_again(struct tx_layer *t, struct slice key, const struct flow *from, const struct sip_msg *m,
			 uint64_t print)
{
	struct answer *x = answered_find(t->answered, key, m->method);
	struct slice octets;
	struct flow to;

	if (x == NULL)
		return false;
	if (!answered_is_of(x, print)) {
		ignore(from, m);
		return true;
	}
	octets = answered_octets(x, &to);
	if ((answered_afford(x, m->raw.n) || server_shows(t, &to)) &&
	    transport_send(t->transport, &to, octets) != ERR_OK)
		log_line(LOG_DEBUG, "event=send_failed peer=%s", peer_text(&to.remote).text);
	return true;
}

void server_request(struct tx_layer *t, const struct flow *from, struct sip_msg *m)
{
	struct flow back = answer_flow(from, &m->via);
	bool invite = m->method == METHOD_INVITE;
	uint64_t print = map_hash(&t->servers, m->raw);
	struct buf key = {0};
	struct tx *tx;

	server_key(t, from, m, &key);
	tx = find(t, buf_slice(&key), m->method);
	if (tx != NULL && tx->print == print)
		tx->came += m->raw.n;
	if (m->method == METHOD_ACK) {
		on_ack(t, from, tx, m);
	} else if (tx != NULL && tx->print != print) {
		ignore(from, m);
	} else if (tx != NULL && tx->kind == TX_IST) {
		ist_request(tx);
	} else if (tx != NULL) {
		nist_request(tx);
	} else if (!answer_again(t, buf_slice(&key), from, m, print)) {
		tx = tx_new(t, invite ? TX_IST : TX_NIST, &back, m->method, buf_take(&key));
		tx->source_port = peer_port(&from->remote);
		tx->sent_by_port = m->via.port != 0 ? (uint16_t)m->via.port : 5060;
		tx->print = print;
		tx->came = m->raw.n;
		tx->request = msg_ref(m);
		if (invite)
			ist_start(tx);
		else
			nist_start(tx);
		begin(t, tx);
	}
	buf_free(&key);
}

/* --- what services ask --- */

uint64_t tx_id(const struct tx *tx)
{
	return tx->id;
}

struct tx *tx_find(struct tx_layer *t, uint64_t id)
{
	struct tx *tx = tx_by_id(t, id);

	return tx != NULL && tx->request != NULL ? tx : NULL;
}

struct sip_msg *tx_request(const struct tx *tx)
{
	return tx->request;
}

const struct flow *tx_flow(const struct tx *tx)
{
	return &tx->flow;
}

struct flow tx_source(const struct tx *tx)
{
	struct flow f = tx->flow;

	peer_set_port(&f.remote, tx->source_port);
	return f;
}
