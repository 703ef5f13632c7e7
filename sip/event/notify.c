#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/date.h"
#include "sip/message/limits.h"
#include "sip/event/notifier_private.h"
#include "sip/locate/locate.h"

/* NOTIFYs: one under way for each dialog, state taken at the moment of sending, each signed. RFC 6665 4.2.2, T-04. */

#define CSEQ_EPOCH 1577836800 /* 2020-01-01, what the first CSeq counts from */
#define PROBATION_RETRY_S 3600
#define PATIENCE_MS 20
#define UNREADABLE_MS 30000 /* until a state that could not be read is tried again */

static void send_next(struct sub *s);
static void on_pause_over(void *arg);

/* --- waiting for the signer --- */

void backlog_leave(struct sub *s)
{
	struct backlog *b = s->waits;

	if (b == NULL)
		return;
	if (s->before != NULL)
		s->before->behind = s->behind;
	else
		b->first = s->behind;
	if (s->behind != NULL)
		s->behind->before = s->before;
	else
		b->last = s->before;
	b->count--;
	s->waits = NULL;
	s->before = s->behind = NULL;
}

static void enter_backlog(struct sub *s)
{
	struct notifier *n = s->notifier;
	struct backlog *b = s->urgent ? &n->urgent : &n->changes;

	/* What waits as a change may become an answer, which is owed sooner. */
	if (s->waits == b || s->waits == &n->urgent)
		return;
	backlog_leave(s);
	s->waits = b;
	s->before = b->last;
	if (b->last != NULL)
		b->last->behind = s;
	else
		b->first = s;
	b->last = s;
	b->count++;
}

/* A change of an AOR with ten thousand watchers must not fill the workers' queue, which TLS handshakes need too. */
static void drain(struct notifier *n)
{
	while (n->signing < n->d.signing_max && !timer_running(n->patience)) {
		struct sub *s = n->urgent.first != NULL ? n->urgent.first : n->changes.first;

		if (s == NULL)
			return;
		backlog_leave(s);
		send_next(s);
	}
}

void notify_on_patience(void *arg)
{
	drain(arg);
}

/* RFC 6665 4.2.2: these answers to NOTIFY end the subscription; others (437 among them, T-24) do not. */
static bool ends_subscription(unsigned status)
{
	static const unsigned short codes[] = {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == status)
			return true;
	return false;
}

static void on_answer(void *arg, uint64_t id, struct sip_msg *response, enum err why)
{
	struct sub *s = arg;

	(void)id;
	s->request = 0;
	s->busy = false;
	/* T-04 leaves out what was delivered; a NOTIFY that was not taken is no delivery. */
	if (response == NULL || response->status >= 300)
		memcpy(s->told_etag, "?", 2);
	if (response == NULL) {
		log_line(LOG_INFO, "event=notify_failed aor=%s reason=%s", log_esc(slice_str(s->aor)).text,
			 why == ERR_AGAIN ? "no_answer" : "connection_lost");
		if (why == ERR_AGAIN || s->package == PACKAGE_CREDENTIAL || s->sent_final) {
			sub_free(s);
			return;
		}
		/* T-32: the connection of the SUBSCRIBE is gone, once; the Contact is tried, and only once. */
		if (s->flow.proto != PROTO_UDP && s->flow.id != 0)
			s->due = true;
	} else if (s->sent_final || ends_subscription(response->status)) {
		sub_free(s);
		return;
	}
	if (s->due)
		sub_notify(s);
}

/* Where the NOTIFY goes when its connection is gone or it is too long for UDP: the address of the next hop, by TCP or
 * TLS. */
static enum err route(struct sub *s, size_t octets, struct flow *out)
{
	struct notifier *n = s->notifier;
	struct tls_config *tls = n->d.access.settings->client_tls;
	struct slice transport = SLICE_NONE;
	char name[DNS_NAME_MAX];
	struct peer to;
	struct uri hop;

	if (s->flow.proto != PROTO_UDP && s->flow.id != 0 && transport_alive(n->d.transport, &s->flow)) {
		*out = s->flow;
		return ERR_OK;
	}
	if (s->package == PACKAGE_CREDENTIAL)
		return ERR_CLOSED;
	if (dialog_next_hop(&s->dialog, &hop) != ERR_OK || hop.scheme == URI_OTHER)
		return ERR_SYNTAX;
	uri_param(&hop, S("transport"), &transport);
	if (!peer_of(hop.host, (uint16_t)(hop.port != 0 ? hop.port : hop.scheme == URI_SIPS ? 5061 : 5060), &to)) {
		if (s->flow.proto != PROTO_UDP || hop.scheme == URI_SIPS)
			return ERR_NOTFOUND;
		to = s->flow.remote;
	}
	/* Over UDP nobody has proven its address: nothing leaves but towards where the request came from. */
	if (s->flow.proto == PROTO_UDP && !peer_same_host(&to, &s->flow.remote))
		to = s->flow.remote;
	if (hop.scheme == URI_SIPS)
		return tls == NULL || !locate_name(hop.host, name)
			       ? ERR_UNSUPPORTED
			       : transport_connect(n->d.transport, PROTO_TLS, &to, tls, slice_str(name), out);
	if (s->flow.proto == PROTO_UDP && !slice_ieq(transport, S("tcp")) && octets <= SIP_UDP_SAFE) {
		*out = s->flow;
		out->remote = to;
		return ERR_OK;
	}
	return transport_connect(n->d.transport, PROTO_TCP, &to, NULL, SLICE_NONE, out);
}

static const char *const end_words[] = {
	[SUB_LIVES] = "", [SUB_TIMEOUT] = "timeout", [SUB_DEACTIVATED] = "deactivated", [SUB_PROBATION] = "probation"};

static void add_state(const struct sub *s, struct buf *out)
{
	if (s->end == SUB_LIVES)
		buf_addf(out, "Subscription-State: active;expires=%lld\r\n", (long long)sub_left_s(s));
	else if (s->end == SUB_PROBATION)
		buf_addf(out, "Subscription-State: terminated;reason=probation;retry-after=%d\r\n", PROBATION_RETRY_S);
	else
		buf_addf(out, "Subscription-State: terminated;reason=%s\r\n", end_words[s->end]);
}

static void add_event(const struct sub *s, const char *etag, struct buf *out)
{
	buf_addf(out, "Event: %s", package_names[s->package]);
	if (s->event_id != NULL)
		buf_addf(out, ";id=%s", s->event_id);
	if (etag[0] != '\0' && s->notifier->d.access.settings->config.notify_event_etag)
		buf_addf(out, ";etag=%s", etag);
	buf_adds(out, "\r\n");
}

static void next_cseq(struct sub *s)
{
	/* RFC 3261 8.1.1.5 begins with a clock; from then on one more each time, also over a restart (the journal has
	 * it). */
	if (s->dialog.local_cseq == 0)
		s->dialog.local_cseq = (uint32_t)(loop_wall_s(s->notifier->d.loop) - CSEQ_EPOCH) & INT32_MAX;
	else
		s->dialog.local_cseq++;
	if (s->journaled)
		sub_save(s);
}

/* The whole unsigned NOTIFY with today's state; *branch is the Via branch in it. */
static enum err build(struct sub *s, const struct flow *to, struct buf *branch, struct buf *out)
{
	struct notifier *n = s->notifier;
	struct buf headers = {0}, body = {0};
	char date[DATE_SIZE], etag[CREDENTIAL_ETAG + 1] = "";
	enum err e = ERR_OK;

	/* CRD-22: a deactivation carries nothing. */
	if (s->end != SUB_DEACTIVATED)
		e = n->d.source->state(n->d.source_arg, s->package, slice_str(s->aor), &headers, &body, etag);
	if (e == ERR_OK) {
		next_cseq(s);
		tx_branch(branch);
		date_format(loop_wall_s(n->d.loop), date);
		dialog_request(&s->dialog, "NOTIFY", flow_proto_name(to->proto),
			       transport_sent_by(n->d.transport, to).text, buf_slice(branch), out);
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

/* What must wait for the signature: where the octets go and by which branch. */
struct sending {
	struct notifier *notifier;
	struct flow to;
	struct buf branch;
};

/* A NOTIFY that cannot be made or sent: the subscription stays for the next one, unless it was the last. */
static void failed(struct sub *s, enum err e)
{
	log_line(LOG_WARN, "event=notify_not_sent aor=%s peer=%s reason=%s", log_esc(slice_str(s->aor)).text,
		 peer_text(&s->flow.remote).text, log_esc(slice_str(err_str(e))).text);
	memcpy(s->told_etag, "?", 2);
	s->busy = false;
	if (s->end != SUB_LIVES || e == ERR_CLOSED)
		sub_free(s);
}

/* The disk may be well again before there is another change; the watcher is to learn of this one then. */
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
	struct sub *s = sub_by_id(n, id);

	n->signing--;
	if (s != NULL && e == ERR_OK && s->package == PACKAGE_CREDENTIAL && w->to.id != s->flow.id) {
		e = ERR_CLOSED; /* refreshed over another connection meanwhile: made anew */
		s->due = true;
	}
	if (s != NULL && e == ERR_OK) {
		s->sent_final = s->end != SUB_LIVES;
		s->request =
			tx_send(n->d.transactions, &w->to, octets, buf_slice(&w->branch), METHOD_NOTIFY, on_answer, s);
	} else if (s != NULL && s->due) {
		s->busy = false;
		sub_notify(s);
	} else if (s != NULL) {
		failed(s, e);
	}
	buf_free(&w->branch);
	mem_free(w);
	drain(n);
}

/* The NOTIFY for the way it is to go. On failure no CSeq is used up; *unreadable: it is the state that is missing. */
static enum err prepare(struct sub *s, struct sending *w, struct buf *octets, bool *unreadable)
{
	struct notifier *n = s->notifier;
	enum err e = route(s, 0, &w->to);

	if (e == ERR_OK) {
		e = build(s, &w->to, &w->branch, octets);
		*unreadable = e != ERR_OK;
	}
	if (e != ERR_OK || w->to.proto != PROTO_UDP || octets->n + signer_overhead(n->d.signer) <= SIP_UDP_SAFE)
		return e;
	buf_clear(octets);
	buf_clear(&w->branch);
	s->dialog.local_cseq--; /* of the one that is not sent */
	e = route(s, SIP_UDP_SAFE + 1, &w->to);
	return e == ERR_OK ? build(s, &w->to, &w->branch, octets) : e;
}

static void send_next(struct sub *s)
{
	struct notifier *n = s->notifier;
	struct sending *w = mem_alloc(sizeof(*w));
	struct buf octets = {0};
	bool crowded = false, unreadable = false;
	enum err e;

	s->due = s->urgent = false;
	s->busy = true;
	w->notifier = n;
	e = prepare(s, w, &octets, &unreadable);
	if (e == ERR_OK) {
		e = signer_sign(n->d.signer, &octets, s->id, on_signed, w);
		if (e == ERR_OK) {
			n->signing++;
			return;
		}
		s->dialog.local_cseq--;
		crowded = e == ERR_BUSY;
	}
	buf_wipe(&octets);
	buf_free(&w->branch);
	mem_free(w);
	if (crowded) {
		/* Others have filled the workers' queue. The NOTIFY is owed: it and what comes behind it wait. */
		s->busy = false;
		s->urgent = true;
		enter_backlog(s);
		timer_start(n->patience, PATIENCE_MS);
	} else {
		if (unreadable && s->end == SUB_LIVES)
			try_again(s);
		failed(s, e);
	}
}

void sub_notify(struct sub *s)
{
	if (s->sent_final)
		return;
	if (s->busy) {
		s->due = true;
		return;
	}
	enter_backlog(s);
	drain(s->notifier);
}

static void on_pause_over(void *arg)
{
	struct sub *s = arg;
	const struct notifier *n = s->notifier;
	char etag[CREDENTIAL_ETAG + 1] = "";
	struct buf headers = {0}, body = {0};
	bool news;

	/* Nothing new since the last NOTIFY of whatever reason: skip (T-04). */
	news = n->d.source->state(n->d.source_arg, s->package, slice_str(s->aor), &headers, &body, etag) != ERR_OK ||
	       strcmp(etag, s->told_etag) != 0;
	buf_free(&headers);
	buf_wipe(&body);
	if (!news)
		return;
	s->told_ms = loop_now_ms(n->d.loop);
	sub_notify(s);
}

void sub_change(struct sub *s)
{
	struct notifier *n = s->notifier;
	int64_t interval = (int64_t)n->d.access.settings->config.notify_interval * 1000, now = loop_now_ms(n->d.loop);
	int64_t until = n->d.source->valid_until(n->d.source_arg, s->package, slice_str(s->aor));

	if (s->end != SUB_LIVES)
		return;
	/* CRD-18: the new certificate may expire before the subscription. */
	if (until != INT64_MAX && until - loop_wall_s(n->d.loop) < sub_left_s(s))
		sub_set_expiry(s, until - loop_wall_s(n->d.loop));
	if (s->told_ms == 0 || now - s->told_ms >= interval) {
		s->told_ms = now;
		sub_notify(s);
		return;
	}
	if (s->pause == NULL)
		s->pause = timer_new(n->d.loop, on_pause_over, s);
	if (!timer_running(s->pause))
		timer_start(s->pause, (uint32_t)(interval - (now - s->told_ms)));
}

void sub_finish(struct sub *s, enum sub_end end)
{
	if (s->end != SUB_LIVES)
		return;
	s->end = end;
	timer_stop(s->expiry);
	if (s->pause != NULL)
		timer_stop(s->pause);
	sub_notify(s);
}
