#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/date.h"
#include "sip/message/limits.h"
#include "sip/event/notifier_private.h"

/*
 * NOTIFYs (RFC 6665 4.2.2), from the decision to the answer:
 *
 *   notify_now, notify_change, notify_end -> drain -> send_next -> (signer) -> on_signed -> on_answer
 *
 * way.c knows where it goes.
 *
 * The state is asked for at the moment of sending, so all changes that come while a NOTIFY is under way need only one
 * more. Each NOTIFY is signed by a worker (RFC 4474). At most signing_max of them are with the signer, because the
 * change of an AOR with ten thousand watchers must not fill the queue of the workers, which TLS handshakes need, too.
 */

#define CSEQ_EPOCH 1577836800  /* 2020-01-01: the first CSeq is the seconds since then */
#define PROBATION_RETRY_S 3600 /* retry-after of "probation" */
#define PATIENCE_MS 20         /* until the next try when the queue of the workers is full */
#define UNSIGNED_MS 2000       /* until the next look for a valid certificate of the domain */
#define UNREADABLE_MS 30000    /* until a state that could not be read is tried again */

static void send_next(struct sub *s);
static void on_pause_over(void *arg);

/*
 * may_sign: AUT-07: nothing is signed outside of the validity of the domain certificate. What is owed waits for a new
 * one, or for the clock.
 */
static bool may_sign(struct notifier *n)
{
	bool ready = signer_ready(n->d.signer, loop_wall_s(n->d.loop));

	if (!ready && !n->waits)
		log_line(LOG_ERROR, "event=notifies_wait reason=the_domain_certificate_is_not_valid");
	if (!ready)
		timer_start(n->patience, UNSIGNED_MS);
	n->waits = !ready;
	return ready;
}

/* drain: hands NOTIFYs to the signer while it may have more. */
static void drain(struct notifier *n)
{
	struct sub *s;

	if (sub_next_queued(&n->subs) == NULL || !n->started || timer_running(n->patience) || !may_sign(n))
		return;
	while (n->signing < n->d.signing_max && !timer_running(n->patience) && (s = sub_next_queued(&n->subs)) != NULL)
		send_next(s);
}

void notify_on_patience(void *arg)
{
	drain(arg);
}

/* --- the answer --- */

/* ends_subscription: RFC 6665 4.2.2: these answers to NOTIFY end it; others, also 437, do not (T-24, CRD-33). */
static bool ends_subscription(unsigned status)
{
	static const unsigned short codes[] = {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == status)
			return true;
	return false;
}

/* note_seen: CRT-30: what the watcher has is known after a restart, too. */
static void note_seen(struct sub *s)
{
	if (strcmp(s->seen_etag, s->told_etag) == 0)
		return;
	memcpy(s->seen_etag, s->told_etag, sizeof(s->seen_etag));
	if (s->journaled)
		sub_save(s);
}

/*
 * on_answer: the NOTIFY was answered, or nobody answered. No answer ends the subscription; a lost connection ends only
 * one that is bound to it.
 */
static void on_answer(void *arg, uint64_t id, struct sip_msg *response, enum err why)
{
	struct sub *s = arg;

	bool last = s->last, again = s->again;

	(void)id;
	sub_deliver(s, SUB_IDLE);
	/* T-04 leaves out a change that was delivered. A NOTIFY that was refused or lost is no delivery. */
	if (response == NULL || response->status >= 300)
		memcpy(s->told_etag, "?", 2);
	else
		note_seen(s);
	if (response == NULL) {
		log_line(LOG_INFO, "event=notify_failed aor=%s reason=%s", log_esc(slice_str(s->aor)).text,
			 why == ERR_AGAIN ? "no_answer" : "connection_lost");
		/* RFC 3261 18.1.1: TCP for the size only, and nobody listens there: then by UDP, whatever the size. */
		if (why != ERR_AGAIN && s->flow.proto == PROTO_UDP && s->sent_by == PROTO_TCP) {
			s->no_tcp = true;
			notify_now(s);
			return;
		}
		if (why == ERR_AGAIN || s->package == PACKAGE_CREDENTIAL || last) {
			sub_free(s);
			return;
		}
		/* T-32: the connection of the SUBSCRIBE broke under the NOTIFY: the next hop is tried instead, once. */
		if (s->flow.proto != PROTO_UDP && s->flow.id != 0)
			again = true;
	} else if (last || ends_subscription(response->status)) {
		sub_free(s);
		return;
	}
	if (again)
		notify_now(s);
}

/* --- making it --- */

static const char *const end_words[] = {
	[SUB_LIVES] = "", [SUB_TIMEOUT] = "timeout", [SUB_DEACTIVATED] = "deactivated", [SUB_PROBATION] = "probation"};

/* EVT-03: expires while active, a reason when terminated. */
static void add_state(const struct sub *s, struct buf *out)
{
	if (s->end == SUB_LIVES)
		buf_addf(out, "Subscription-State: active;expires=%lld\r\n", (long long)sub_left_s(s));
	else if (s->end == SUB_PROBATION)
		buf_addf(out, "Subscription-State: terminated;reason=probation;retry-after=%d\r\n", PROBATION_RETRY_S);
	else
		buf_addf(out, "Subscription-State: terminated;reason=%s\r\n", end_words[s->end]);
}

/* EVT-04, CRT-02: Event of the SUBSCRIBE with its id, and the entity-tag of the state (D-01). */
static void add_event(const struct sub *s, const char *etag, struct buf *out)
{
	buf_addf(out, "Event: %s", package_name(s->package));
	if (s->event_id != NULL)
		buf_addf(out, ";id=%s", s->event_id);
	if (etag[0] != '\0' && s->notifier->d.access.settings->config.notify_event_etag)
		buf_addf(out, ";etag=%s", etag);
	buf_adds(out, "\r\n");
}

/*
 * next_cseq: the first CSeq comes from the clock (RFC 3261 8.1.1.5). After that it goes up by one, over a restart, too,
 * because the journal has the last one.
 */
static uint32_t next_cseq(const struct sub *s)
{
	return s->dialog.local_cseq != 0 ? s->dialog.local_cseq + 1
					 : (uint32_t)(loop_wall_s(s->all->loop) - CSEQ_EPOCH) & INT32_MAX;
}

/* What is kept while the NOTIFY is with the signer. */
struct sending {
	struct notifier *notifier;
	struct flow to;
	bool on_flow; /* to is the connection of the SUBSCRIBE */
	uint32_t cseq;
	struct buf branch; /* of its Via */
};

/* build: appends the whole NOTIFY, unsigned, with the state of this moment. */
static enum err build(struct sub *s, struct sending *w, struct buf *out)
{
	struct notifier *n = s->notifier;
	struct buf headers = {0}, body = {0};
	char date[DATE_SIZE], etag[CREDENTIAL_ETAG + 1] = "";
	enum err e = ERR_OK;

	/* CRD-22: a deactivation carries no state. */
	if (s->end != SUB_DEACTIVATED)
		e = n->d.source->state(n->d.source_arg, s->package, slice_str(s->aor), &headers, &body, etag);
	if (e == ERR_OK) {
		struct dialog next = s->dialog; /* a copy that still shares its texts with s */

		next.local_cseq = w->cseq;
		tx_branch(&w->branch);
		date_format(loop_wall_s(n->d.loop), date);
		dialog_request(&next, "NOTIFY", flow_proto_name(w->to.proto),
			       transport_sent_by(n->d.transport, &w->to).text, buf_slice(&w->branch), out);
		buf_addf(out, "Date: %s\r\n", date);
		add_event(s, etag, out);
		add_state(s, out);
		buf_add(out, buf_slice(&headers));
		build_end(out, buf_slice(&body));
		memcpy(s->told_etag, etag, sizeof(etag));
	}
	buf_free(&headers);
	buf_wipe(&body);
	return e;
}

/* failed: a NOTIFY cannot be made or sent. The subscription waits for the next one, unless this was its last. */
static void failed(struct sub *s, enum err e)
{
	log_line(LOG_WARN, "event=notify_not_sent aor=%s peer=%s reason=%s", log_esc(slice_str(s->aor)).text,
		 peer_text(&s->flow.remote).text, log_esc(slice_str(err_str(e))).text);
	memcpy(s->told_etag, "?", 2);
	sub_deliver(s, SUB_IDLE);
	if (s->end != SUB_LIVES || e == ERR_CLOSED)
		sub_free(s);
}

/* try_again: the state could not be read. The watcher has to learn of it when the disk is well again. */
static void try_again(struct sub *s)
{
	if (s->pause == NULL)
		s->pause = timer_new(s->notifier->d.loop, on_pause_over, s);
	if (!timer_running(s->pause))
		timer_start(s->pause, UNREADABLE_MS);
}

static void on_signed(void *arg, uint64_t id, enum err e, struct buf *octets)
{
	struct sending *w = arg;
	struct notifier *n = w->notifier;
	struct sub *s = sub_by_id(&n->subs, id); /* NULL: the subscription has ended meanwhile */

	n->signing--;
	if (s != NULL && e == ERR_OK && w->on_flow && w->to.id != s->flow.id) {
		/* Meanwhile a refresh came over another connection, or this one was closed: it is made anew (T-32). */
		e = ERR_CLOSED;
		s->again = true;
	}
	if (s != NULL && e == ERR_OK) {
		sub_deliver(s, SUB_ASKED);
		s->sent_by = w->to.proto;
		s->request =
			tx_send(n->d.transactions, &w->to, octets, buf_slice(&w->branch), METHOD_NOTIFY, on_answer, s);
	} else if (s != NULL && s->again) {
		sub_deliver(s, SUB_QUEUED);
	} else if (s != NULL) {
		failed(s, e);
	}
	buf_free(&w->branch);
	mem_free(w);
	drain(n);
}

/*
 * prepare: finds the flow and builds the NOTIFY for it, and once more for TCP when it turns out too large for UDP
 * (CRT-13). *unreadable: the state could not be read.
 */
static enum err prepare(struct sub *s, struct sending *w, struct buf *octets, bool *unreadable)
{
	struct notifier *n = s->notifier;
	enum err e = way_find(s, 0, &w->to);

	if (e == ERR_OK) {
		e = build(s, w, octets);
		*unreadable = e != ERR_OK;
	}
	if (e != ERR_OK || w->to.proto != PROTO_UDP || octets->n + signer_overhead(n->d.signer) <= SIP_UDP_SAFE)
		return e;
	buf_clear(octets);
	buf_clear(&w->branch);
	e = way_find(s, SIP_UDP_SAFE + 1, &w->to);
	return e == ERR_OK ? build(s, w, octets) : e;
}

/* begin_signing: from here on the CSeq is used. Before, a NOTIFY that is not sent leaves no gap (EVT-19). */
static void begin_signing(struct sub *s, uint32_t cseq)
{
	s->notifier->signing++;
	s->dialog.local_cseq = cseq;
	if (s->journaled)
		sub_save(s);
}

bool notify_is_owed(const struct sub *s)
{
	return s->package != PACKAGE_CREDENTIAL || s->end != SUB_LIVES ||
	       access_holds(&s->notifier->d.access, &s->flow, slice_str(s->aor), s->proof);
}

/* send_next: gives the NOTIFY of s, whose turn it is, to the signer. */
static void send_next(struct sub *s)
{
	struct notifier *n = s->notifier;
	struct sending *w = mem_alloc(sizeof(*w));
	struct buf octets = {0};
	bool unreadable = false, crowded = false;
	enum err e;

	/* A key leaves to nobody whose proof has lost its worth since. */
	if (!notify_is_owed(s))
		s->end = SUB_DEACTIVATED;
	sub_deliver(s, SUB_SIGNING);
	w->notifier = n;
	w->cseq = next_cseq(s);
	e = prepare(s, w, &octets, &unreadable);
	if (e == ERR_AGAIN) {
		buf_wipe(&octets);
		buf_free(&w->branch);
		mem_free(w);
		sub_deliver(s, SUB_ROUTING);
		return;
	}
	if (e == ERR_OK) {
		w->on_flow = w->to.id != 0 && w->to.id == s->flow.id;
		e = signer_sign(n->d.signer, &octets, s->id, on_signed, w);
		if (e == ERR_OK) {
			begin_signing(s, w->cseq);
			return;
		}
		crowded = e == ERR_BUSY;
	}
	buf_wipe(&octets);
	buf_free(&w->branch);
	mem_free(w);
	if (crowded) {
		/*
		 * The queue of the workers is full. This NOTIFY goes before all changes, behind the answers to
		 * SUBSCRIBEs that wait; none is tried before patience is over.
		 */
		s->urgent = true;
		sub_deliver(s, SUB_QUEUED);
		timer_start(n->patience, PATIENCE_MS);
	} else {
		if (unreadable && s->end == SUB_LIVES)
			try_again(s);
		failed(s, e);
	}
}

void notify_on_way(struct sub *s, enum err e)
{
	struct notifier *n = s->notifier;

	if (s->delivery != SUB_ROUTING)
		return;
	if (e != ERR_OK) {
		failed(s, e);
		return;
	}
	sub_deliver(s, SUB_QUEUED);
	drain(n);
}

/* --- when it is due --- */

void notify_now(struct sub *s)
{
	if (s->last)
		return;
	switch (s->delivery) {
	case SUB_ROUTING: /* what is told is asked for when the way is known */
		return;
	case SUB_SIGNING:
	case SUB_ASKED:
		s->again = true;
		return;
	case SUB_QUEUED:
		/* A waiting change that turns into an answer to a SUBSCRIBE moves to the queue of these. */
		if (!s->urgent || s->queued_urgent)
			break;
		/* fall through */
	case SUB_IDLE:
		sub_deliver(s, SUB_QUEUED);
		break;
	}
	drain(s->notifier);
}

/* is_told: T-04: is nothing new since the last NOTIFY, whatever that one was sent for? */
static bool is_told(const struct sub *s)
{
	const struct notifier *n = s->notifier;
	char etag[CREDENTIAL_ETAG + 1] = "";

	n->d.source->etag(n->d.source_arg, slice_str(s->aor), etag);
	return strcmp(etag, s->told_etag) == 0;
}

static void on_pause_over(void *arg)
{
	struct sub *s = arg;
	const struct notifier *n = s->notifier;

	if (is_told(s))
		return;
	s->told_ms = loop_now_ms(n->d.loop);
	notify_now(s);
}

void notify_change(struct sub *s)
{
	struct notifier *n = s->notifier;
	int64_t interval = (int64_t)n->d.access.settings->config.notify_interval * 1000, now = loop_now_ms(n->d.loop);
	int64_t until = n->d.source->valid_until(n->d.source_arg, s->package, slice_str(s->aor));

	if (s->end != SUB_LIVES)
		return;
	/* CRD-18: the new certificate may end before the subscription does. */
	if (until != INT64_MAX && until - loop_wall_s(n->d.loop) < sub_left_s(s))
		sub_set_expiry(s, until - loop_wall_s(n->d.loop));
	/* CRT-21, T-04: one NOTIFY of a change for each interval. */
	if (s->told_ms == 0 || now - s->told_ms >= interval) {
		s->told_ms = now;
		notify_now(s);
		return;
	}
	if (s->pause == NULL)
		s->pause = timer_new(n->d.loop, on_pause_over, s);
	if (!timer_running(s->pause))
		timer_start(s->pause, (uint32_t)(interval - (now - s->told_ms)));
}

void notify_start(struct notifier *n)
{
	for (struct map_node *node = map_first(&n->subs.by_id), *next; node != NULL; node = next) {
		struct sub *s = MAP_ENTRY(node, struct sub, by_id);

		next = map_next(&n->subs.by_id, node);
		if (!is_told(s))
			notify_change(s);
	}
	n->started = true;
	drain(n);
}

void notify_end(struct sub *s, enum sub_end end)
{
	if (s->end != SUB_LIVES)
		return;
	s->end = end;
	timer_stop(s->expiry);
	if (s->pause != NULL)
		timer_stop(s->pause);
	notify_now(s);
}
