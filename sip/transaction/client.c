#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/transaction/transaction_private.h"

/* Client transactions: which one a response belongs to, ACK and CANCEL, and the functions for users. */

/* The last response is reported once: heard is cleared before the call, since the callee may do anything. */
void client_tell(struct tx *tx, struct sip_msg *m, enum err why)
{
	tx_heard_fn heard = tx->heard;
	bool more = m != NULL && tx->kind == TX_ICT && m->status < 300;

	if (!more)
		tx->heard = NULL;
	if (heard != NULL && (m == NULL || m->status != 100))
		heard(tx->arg, tx->id, m, why);
}

/*
 * make_companion: the ACK or CANCEL of an INVITE (RFC 3261 17.1.1.3, 9.1). Request-URI, topmost Via, Route, From,
 * Call-ID and CSeq number are those of the INVITE; To is that of the response which the ACK is for (response != NULL),
 * else that of the INVITE.
 */
static void make_companion(struct tx *tx, const char *method, const struct sip_msg *response, struct buf *out)
{
	struct sip_msg *invite;
	const char *why;

	if (msg_parse(buf_slice(&tx->octets), &invite, &why) != ERR_OK)
		return; /* cannot be: it was written here */
	buf_adds(out, method);
	buf_addc(out, ' ');
	buf_add(out, invite->uri_text);
	buf_adds(out, " SIP/2.0\r\n");
	build_header(out, "Via", invite->via.text);
	buf_adds(out, "Max-Forwards: 70\r\n");
	for (const struct sip_header *h = msg_each(invite, HDR_ROUTE, NULL); h != NULL;
	     h = msg_each(invite, HDR_ROUTE, h))
		buf_add(out, h->line);
	build_header(out, "From", msg_value(invite, HDR_FROM));
	build_header(out, "To", msg_value(response != NULL ? response : invite, HDR_TO));
	build_header(out, "Call-ID", invite->call_id);
	buf_addf(out, "CSeq: %u %s\r\n", invite->cseq, method);
	if (response == NULL && tx->reason != NULL)
		build_header(out, "Reason", slice_str(tx->reason));
	build_end(out, SLICE_NONE);
	msg_unref(invite);
}

void client_ack(struct tx *tx, const struct sip_msg *m)
{
	buf_clear(&tx->ack);
	make_companion(tx, "ACK", m, &tx->ack);
	tx_send_octets(tx, &tx->ack);
}

void client_cancel(struct tx *tx)
{
	struct buf cancel = {0};

	make_companion(tx, "CANCEL", NULL, &cancel);
	tx_send(tx->layer, &tx->flow, &cancel, slice_str(tx->key), METHOD_CANCEL, NULL, NULL);
}

/*
 * RFC 3261 17.1.3: a response belongs to the client transaction with its branch and the method of its CSeq: a CANCEL
 * has the branch of its INVITE.
 */
void client_response(struct tx_layer *t, struct sip_msg *m)
{
	struct tx *tx = NULL;

	for (struct map_node *n = map_find(&t->clients, m->via.branch); n != NULL && tx == NULL; n = map_find_next(n)) {
		struct tx *one = MAP_ENTRY(n, struct tx, by_key);

		if (one->method == m->method)
			tx = one;
	}
	if (tx == NULL || m->defect_code != 0) {
		log_line(LOG_DEBUG, "event=stray_response status=%u call_id=%s", m->status, log_esc(m->call_id).text);
		return;
	}
	/* The branch cannot be guessed, so the one that it was sent to is there. */
	server_seen(t, &tx->flow);
	if (tx->kind == TX_ICT)
		ict_response(tx, m);
	else
		nict_response(tx, m);
}

/*
 * client_refused: RFC 3261 18.4: ICMP says that the request reached nobody, so the user can try another hop at once and
 * not after 32 s. A forged ICMP message would have to know the branch. A transaction that has had any response is left
 * alone, because its peer was there.
 */
void client_refused(struct tx_layer *t, const struct peer *remote, struct slice sent)
{
	size_t at = slice_find(
		sent, S(";branch="),
		slice_find(sent, S("\nVia: "), 0)); /* behind Via, because a URI may have such a parameter, too */
	struct slice branch = slice_sub(sent, at + 8, sent.n);
	struct map_node *next;

	/* ICMP brings back the first octets only. A branch that was cut short matches nothing. */
	branch = slice_sub(branch, 0,
			   slice_chr(branch, ';') < slice_chr(branch, '\r') ? slice_chr(branch, ';')
									    : slice_chr(branch, '\r'));
	for (struct map_node *n = map_find(&t->clients, branch); n != NULL; n = next) {
		struct tx *tx = MAP_ENTRY(n, struct tx, by_key);

		next = map_find_next(n);
		if (tx->state != TX_TRYING || tx->flow.proto != PROTO_UDP || !peer_same(&tx->flow.remote, remote))
			continue;
		if (tx->kind == TX_ICT)
			ict_failed(tx, ERR_IO);
		else
			nict_failed(tx, ERR_IO);
	}
}

/* --- what users ask --- */

void tx_branch(struct buf *out)
{
	buf_add(out, S("z9hG4bK"));
	rng_hex(out, 12);
}

/*
 * client_begin: when the connection was gone before, on_closed has been called and will not be again. The user does not
 * expect an answer before tx_send has returned.
 */
void client_begin(struct tx *tx)
{
	if (tx->failure == ERR_OK)
		tx_send_octets(tx, &tx->octets);
	else
		timer_start(tx->end, 0);
}

/* begin_client: offered: the request is not of us, but of somebody else. unasked: see tx_offer. */
static uint64_t begin_client(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch,
			     enum method method, tx_heard_fn heard, void *arg, bool offered, bool unasked)
{
	bool invite = method == METHOD_INVITE;
	struct tx *tx = tx_new(t, invite ? TX_ICT : TX_NICT, to, method, slice_dup(branch));

	tx->octets = *octets;
	*octets = (struct buf){0};
	tx->heard = heard;
	tx->arg = arg;
	tx->once = unasked && !server_shows(t, to);
	if (to->proto != PROTO_UDP)
		group_add(&t->by_flow, &tx->by_flow, slice_of(&tx->flow.id, sizeof(tx->flow.id)));
	if (invite) /* over a connection that does not make way for strangers while it rings */
		transport_keep(t->transport, to, true, 1);
	if (!transport_alive(t->transport, to))
		tx->failure = ERR_CLOSED;
	else if (offered && !transport_takes(t->transport, to, tx->octets.n))
		tx->failure = ERR_BUSY;
	if (invite)
		ict_start(tx);
	else
		nict_start(tx);
	return tx->id;
}

uint64_t tx_send(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch, enum method method,
		 tx_heard_fn heard, void *arg)
{
	return begin_client(t, to, octets, branch, method, heard, arg, false, false);
}

uint64_t tx_offer(struct tx_layer *t, const struct flow *to, struct buf *octets, struct slice branch,
		  enum method method, bool unasked, tx_heard_fn heard, void *arg)
{
	return begin_client(t, to, octets, branch, method, heard, arg, true, unasked);
}

void tx_cancel(struct tx_layer *t, uint64_t id, struct slice reason)
{
	struct tx *tx = tx_by_id(t, id);

	if (tx == NULL || tx->kind != TX_ICT)
		return;
	if (tx->reason == NULL && reason.n > 0)
		tx->reason = slice_dup(reason);
	ict_cancel(tx);
}

void tx_forget(struct tx_layer *t, uint64_t id)
{
	struct tx *tx = tx_by_id(t, id);

	if (tx != NULL)
		tx->heard = NULL;
}
