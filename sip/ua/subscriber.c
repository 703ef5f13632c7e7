#include "sip/ua/subscriber.h"

#include <string.h>

#include "core/mem.h"
#include "sip/message/header.h"

/*
 * The machine of RFC 6665 4.1.2:
 *
 *   WAITING --timer: SUBSCRIBE in a new dialog--> SUBSCRIBING --accepted NOTIFY--> ACTIVE --timer: refresh--> ACTIVE
 *      ^                                               |                             |
 *      +-- terminated, lost connection, 481, 5xx: back off (T-21) -------------------+
 *
 *   ACTIVE --subscriber_stop--> STOPPING --last NOTIFY, failure or timer--> ENDED
 *
 * A poll, a refusal, and trouble before the first accepted NOTIFY lead to ENDED from anywhere. The dialog is
 * established by the NOTIFY, not by the 200, and a NOTIFY may come first (EVT-21).
 */

#define STOP_MS 2000      /* milliseconds: the longest that unsubscribing may take */
#define BACKOFF_MAX_S 300 /* the longest wait between attempts */
#define CALM_MS 60000     /* milliseconds: after a subscription that lived so long the backing off begins anew */
#define MARGIN_MAX_S 600  /* seconds: a refresh goes out a quarter of the time before the end, but at most this much */
#define RETRY_AFTER_S 60  /* the wait after "probation" and "giveup" without retry-after (UAC-17) */
#define WAIT_MAX_S (20 * 86400) /* the longest that retry-after is followed; more would not fit into a timer */

enum state {
	SUBSCRIBING, /* no NOTIFY was accepted yet */
	ACTIVE,
	WAITING,  /* until the next attempt */
	STOPPING, /* unsubscribed; the answer and the last NOTIFY are to come */
	ENDED,
};

struct subscriber {
	struct agent *agent;
	struct subscriber_options o;
	char *resource;
	enum state state;
	struct dialog dialog;
	bool pending;        /* a SUBSCRIBE of the dialog has no final response yet */
	bool accepted;       /* the last SUBSCRIBE had a 2xx */
	bool notified;       /* a NOTIFY was accepted since the last SUBSCRIBE went out */
	bool once;           /* a NOTIFY was accepted once; from then on trouble is not the end */
	struct timer *timer; /* SUBSCRIBING: Timer N; ACTIVE: refresh; WAITING: next attempt; STOPPING: patience */
	int64_t ends_ms;     /* of the subscription, monotonic */
	int64_t began_ms;    /* of this attempt */
	unsigned attempts;   /* attempts since a subscription last lived for CALM_MS */
};

static void attempt(struct subscriber *s);

static void enter(struct subscriber *s, enum state state)
{
	timer_stop(s->timer);
	s->state = state;
}

static void end(struct subscriber *s, const struct sip_msg *response, const char *why)
{
	if (s->state == ENDED)
		return;
	enter(s, ENDED);
	s->o.user->on_end(s->o.arg, response, why);
}

static bool is_poll(const struct subscriber *s)
{
	return s->o.expires == 0;
}

static int64_t now_ms(const struct subscriber *s)
{
	return loop_now_ms(agent_loop(s->agent));
}

/* backoff_s: at once, then 2, 4, 8 ... seconds, at most BACKOFF_MAX_S (T-21). */
static unsigned backoff_s(struct subscriber *s)
{
	unsigned n;

	if (now_ms(s) - s->began_ms > CALM_MS)
		s->attempts = 0;
	n = s->attempts++;
	if (n == 0)
		return 0;
	return n < 9 && (1u << n) < BACKOFF_MAX_S ? 1u << n : BACKOFF_MAX_S;
}

/* again: the subscription is over, but still wanted: another attempt, no sooner than in least_s. */
static void again(struct subscriber *s, const char *why, unsigned least_s)
{
	unsigned wait_s = backoff_s(s);

	if (wait_s < least_s)
		wait_s = least_s < WAIT_MAX_S ? least_s : WAIT_MAX_S;
	enter(s, WAITING);
	timer_start(s->timer, wait_s * 1000);
	s->o.user->on_trouble(s->o.arg, why, wait_s);
}

/* trouble: before the first accepted NOTIFY the user is told, instead of waiting for something that never was. */
static void trouble(struct subscriber *s, const char *why)
{
	if (s->state == STOPPING)
		end(s, NULL, NULL);
	else if (is_poll(s) || !s->once)
		end(s, NULL, why);
	else
		again(s, why, 0);
}

/* --- SUBSCRIBE --- */

/* The sooner the end, the smaller the margin, so that a short subscription is not refreshed all the time. */
static void arm_refresh(struct subscriber *s)
{
	int64_t left = s->ends_ms - now_ms(s), margin = left / 4;

	if (margin > (int64_t)MARGIN_MAX_S * 1000)
		margin = (int64_t)MARGIN_MAX_S * 1000;
	timer_start(s->timer, left > margin ? (uint32_t)(left - margin) : 0);
}

static void on_granted(struct subscriber *s, const struct sip_msg *response)
{
	uint32_t granted = s->o.expires;
	int64_t at;

	s->accepted = true;
	/* RFC 6665 4.1.2.1: without Expires it is what was asked for. It cannot be longer than that. */
	if (delta_parse(msg_value(response, HDR_EXPIRES), &granted) != ERR_OK || granted > s->o.expires)
		granted = s->o.expires;
	at = now_ms(s) + (int64_t)granted * 1000;
	/* A NOTIFY that came before the 200 may have granted less (EVT-25). */
	if (!s->notified || at < s->ends_ms)
		s->ends_ms = at;
	if (s->state == ACTIVE)
		arm_refresh(s);
	else if (s->state == SUBSCRIBING && !s->notified)
		timer_start(s->timer, 64 * TX_T1_MS); /* Timer N anew: connecting and a challenge took time */
}

/* ends_subscription: RFC 6665 4.1.2.2 (EVT-24): these answers to a refresh end it; after others it lives to its end. */
static bool ends_subscription(unsigned status)
{
	return status == 404 || status == 405 || status == 410 || status == 416 || (status >= 480 && status <= 485) ||
	       status == 489 || status == 501 || status == 604;
}

static void on_refused(struct subscriber *s, const struct sip_msg *response)
{
	int64_t left = s->ends_ms - now_ms(s);

	if (s->state == SUBSCRIBING) {
		if (s->once && response->status >= 500 && response->status < 600)
			again(s, "the server has trouble of its own", 0);
		else
			end(s, response, NULL);
		return;
	}
	if (s->state != ACTIVE)
		return;
	if (response->status == 481 || left <= 0)
		again(s, "the server does not know the subscription any more", 0);
	else if (ends_subscription(response->status))
		end(s, response, NULL);
	else /* it lives on: another refresh in a minute, or half of what is left */
		timer_start(s->timer, left > 120000 ? 60000 : (uint32_t)(left / 2 + 1));
}

/* A poll needs both the answer and a NOTIFY, in whichever order they come. */
static void poll_may_end(struct subscriber *s)
{
	if (is_poll(s) && s->notified && !s->pending)
		end(s, NULL, NULL);
}

static void on_response(void *arg, struct sip_msg *response, const char *why)
{
	struct subscriber *s = arg;

	s->pending = false;
	/* WAITING: a NOTIFY has ended the subscription meanwhile, and the timer makes the next attempt. */
	if (s->state == ENDED || s->state == WAITING)
		return;
	if (s->state == STOPPING) {
		if (response == NULL || response->status >= 300)
			end(s, NULL, NULL);
		return;
	}
	if (response == NULL)
		trouble(s, why);
	else if (response->status >= 300)
		on_refused(s, response);
	else
		on_granted(s, response);
	if (s->state != ENDED)
		poll_may_end(s);
}

static void subscribe(struct subscriber *s, uint32_t expires)
{
	struct buf headers = {0};
	struct agent_request r = {
		.method = METHOD_SUBSCRIBE, .dialog = &s->dialog, .contact = true, .done = on_response, .arg = s};

	/* No Accept: the default body types of the packages are wanted (RFC 6072 7.4, UAK-29). */
	buf_addf(&headers, "Event: %s\r\nExpires: %u\r\n", s->o.package, expires);
	r.headers = buf_slice(&headers);
	s->pending = true;
	s->accepted = s->notified = false;
	agent_request(s->agent, &r);
	buf_free(&headers);
}

/* attempt: SUBSCRIBE in a new dialog. NOTIFYs of the one before get 481 from now on. */
static void attempt(struct subscriber *s)
{
	const struct account *a = agent_account(s->agent);

	dialog_drop(&s->dialog);
	dialog_open(&s->dialog, slice_str(a->aor), slice_str(s->resource), slice_str(s->resource));
	s->began_ms = now_ms(s);
	enter(s, SUBSCRIBING);
	timer_start(s->timer, 64 * TX_T1_MS); /* Timer N */
	subscribe(s, s->o.expires);
}

static void on_timer(void *arg)
{
	struct subscriber *s = arg;

	switch (s->state) {
	case SUBSCRIBING:
		if (s->accepted)
			trouble(s, "the server accepted the subscription, but sent no NOTIFY within 32 seconds");
		break; /* the request is still under way, and on_response tells its end */
	case ACTIVE:
		if (!s->pending && s->ends_ms <= now_ms(s))
			again(s, "the server granted no time", 0); /* a refresh would be granted no time either */
		else if (!s->pending)
			subscribe(s, s->o.expires);
		break;
	case WAITING:
		/* The dialog may not be dropped while a request of it is under way. */
		if (s->pending)
			timer_start(s->timer, 1000);
		else
			attempt(s);
		break;
	case STOPPING:
		end(s, NULL, NULL);
		break;
	case ENDED:
		break;
	}
}

/* --- NOTIFY --- */

static void refuse(struct tx *tx, unsigned code, const char *reason)
{
	tx_reply_code(tx, code, reason);
}

/* Does it belong to the current dialog? Before the first NOTIFY any tag of the server fits (RFC 6665 4.4.1). */
static bool is_ours(const struct subscriber *s, const struct sip_msg *m)
{
	const struct dialog *d = &s->dialog;

	return d->call_id != NULL && slice_eq(m->call_id, slice_str(d->call_id)) &&
	       slice_eq(m->to_tag, slice_str(d->local_tag)) && m->from_tag.n > 0 &&
	       (d->remote_tag == NULL || slice_eq(m->from_tag, slice_str(d->remote_tag))) && s->state != WAITING &&
	       s->state != ENDED;
}

void subscriber_request(struct subscriber *s, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);
	struct substate st;
	struct event ev;

	if (!is_ours(s, m))
		refuse(tx, 481, "Subscription Does Not Exist");
	else if (event_parse(msg_value(m, HDR_EVENT), &ev) != ERR_OK ||
		 !slice_eq(ev.package, slice_str(s->o.package)) || ev.id.p != NULL)
		refuse(tx, 489, NULL);
	else if (substate_parse(msg_value(m, HDR_SUBSCRIPTION_STATE), &st) != ERR_OK)
		refuse(tx, 400, "Bad Subscription-State Header Field");
	else if (s->dialog.remote_tag != NULL && m->cseq <= s->dialog.remote_cseq)
		refuse(tx, 500, "CSeq Out Of Order");
	else
		s->o.user->on_notify(s->o.arg, tx);
}

/* on_terminated: RFC 6665 4.1.3: each reason says whether and when to subscribe again (EVT-23). */
static void on_terminated(struct subscriber *s, const struct substate *st)
{
	static const char *const final[] = {"rejected", "noresource", "invariant"};

	if (s->state == STOPPING) {
		end(s, NULL, NULL);
		return;
	}
	if (is_poll(s))
		return;
	for (size_t i = 0; i < 3; i++) {
		if (slice_ieq(st->reason, slice_str(final[i]))) {
			end(s, NULL, "the server ended the subscription and wants no other");
			return;
		}
	}
	if (slice_ieq(st->reason, S("probation")) || slice_ieq(st->reason, S("giveup")))
		again(s, "the server ended the subscription for a while",
		      st->has_retry_after ? st->retry_after : RETRY_AFTER_S);
	else if (slice_ieq(st->reason, S("deactivated")) || slice_ieq(st->reason, S("timeout")))
		again(s, "the server ended the subscription", 0);
	else
		again(s, "the server ended the subscription", st->has_retry_after ? st->retry_after : 0);
}

/* follow_state: Subscription-State of an accepted NOTIFY. expires can shorten the time, never prolong it (SEC-13). */
static void follow_state(struct subscriber *s, const struct sip_msg *m)
{
	struct substate st;

	/* subscriber_request has parsed it before, so this does not fail. */
	if (substate_parse(msg_value(m, HDR_SUBSCRIPTION_STATE), &st) != ERR_OK)
		return;
	if (slice_ieq(st.state, S("terminated"))) {
		on_terminated(s, &st);
		return;
	}
	if (st.has_expires) {
		int64_t at = now_ms(s) + (int64_t)st.expires * 1000;

		if (s->state == SUBSCRIBING && !s->accepted)
			s->ends_ms = at;
		else if (at < s->ends_ms)
			s->ends_ms = at;
	} else if (s->state == SUBSCRIBING && !s->accepted) {
		s->ends_ms = now_ms(s) + (int64_t)s->o.expires * 1000;
	}
	if (s->state == SUBSCRIBING && !is_poll(s))
		enter(s, ACTIVE);
	if (s->state == ACTIVE)
		arm_refresh(s);
}

bool subscriber_accept(struct subscriber *s, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);
	const char *why;
	enum err e;

	if (!is_ours(s, m)) {
		refuse(tx, 481, "Subscription Does Not Exist");
		return false;
	}
	e = s->dialog.remote_tag == NULL ? dialog_complete(&s->dialog, m, &why) : dialog_refresh(&s->dialog, m, &why);
	/* ERR_EXISTS: a newer one was accepted meanwhile. 481 would end the subscription, so it is 500. */
	if (e != ERR_OK)
		refuse(tx, e == ERR_EXISTS ? 500 : 400, why);
	else
		s->notified = s->once = true;
	return e == ERR_OK;
}

bool subscriber_began(const struct subscriber *s)
{
	return s->once;
}

void subscriber_answer(struct subscriber *s, uint64_t tx_id, unsigned code, const char *reason, bool accepted)
{
	struct tx *tx = tx_find(agent_transactions(s->agent), tx_id);
	struct sip_msg *m;

	if (tx == NULL)
		return;
	m = msg_ref(tx_request(tx));
	refuse(tx, code, reason);
	if (accepted) {
		follow_state(s, m);
		if (s->state != ENDED)
			poll_may_end(s);
	}
	msg_unref(m);
}

/* --- life --- */

static void start(void *arg)
{
	struct subscriber *s = arg;

	if (s->state == WAITING)
		attempt(s);
}

struct subscriber *subscriber_new(struct agent *a, const struct subscriber_options *o)
{
	struct subscriber *s = mem_alloc(sizeof(*s));

	s->agent = a;
	s->o = *o;
	s->resource = slice_dup(o->resource);
	s->state = WAITING;
	s->timer = timer_new(agent_loop(a), on_timer, s);
	loop_defer(agent_loop(a), start, s);
	return s;
}

void subscriber_free(struct subscriber *s)
{
	timer_free(s->timer);
	dialog_drop(&s->dialog);
	mem_free(s->resource);
	mem_free(s);
}

void subscriber_lost(struct subscriber *s, const char *why)
{
	if (s->state == SUBSCRIBING || s->state == ACTIVE || s->state == STOPPING)
		trouble(s, why);
}

void subscriber_stop(struct subscriber *s)
{
	if (s->state == ENDED || s->state == STOPPING)
		return;
	/* Without an established dialog the server could not find what to end. */
	if (s->state != ACTIVE || s->pending || s->dialog.remote_tag == NULL) {
		end(s, NULL, NULL);
		return;
	}
	enter(s, STOPPING);
	timer_start(s->timer, STOP_MS);
	subscribe(s, 0);
}

void subscriber_again(struct subscriber *s)
{
	enter(s, WAITING);
	timer_start(s->timer, 0);
}
