#include "core/log.h"
#include "core/mem.h"
#include "sip/message/header.h"
#include "sip/proxy/forward.h"
#include "sip/proxy/proxy_private.h"

/*
 * Response contexts (RFC 3261 16.7): one request, its branches, and which of their responses goes back.
 *
 *   fork_new, fork_add -> fork_go -> start_group ... -> give_up (all failed) -> fork_end
 *                                         |
 *                                         +-> fork_success -> linger 32 s (INVITE: later 2xx) -> fork_end
 *
 * Branches of equal q form a group; the next group starts when all branches of the one before have failed. fork_end
 * takes the fork out of all tables at once, and its memory is freed at the end of the turn, because callers still use
 * it.
 */

void fork_set_request(struct fork *f, struct sip_msg *m)
{
	msg_unref(f->request);
	f->request = m;
}

struct fork *fork_new(struct proxy *p, struct tx *tx, struct sip_msg *m, const struct flow *source, unsigned room)
{
	struct fork *f = mem_alloc(sizeof(*f) + room * sizeof(f->branches[0]));

	f->proxy = p;
	f->own = ++p->next;
	f->source = *source;
	f->room = room;
	f->max_breadth = MAX_BREADTH;
	map_add(&p->by_own, &f->by_own, slice_of(&f->own, sizeof(f->own)));
	f->request = msg_ref(m);
	group_add(&p->by_call, &f->by_call, m->call_id);
	if (tx != NULL) {
		f->id = tx_id(tx);
		map_add(&p->forks, &f->node, slice_of(&f->id, sizeof(f->id)));
	}
	return f;
}

struct fork *fork_find(const struct proxy *p, uint64_t own)
{
	struct map_node *n = map_find(&p->by_own, slice_of(&own, sizeof(own)));

	return n == NULL ? NULL : MAP_ENTRY(n, struct fork, by_own);
}

static struct fork *of_call(struct group_node *n)
{
	return n == NULL ? NULL : GROUP_ENTRY(n, struct fork, by_call);
}

struct fork *fork_of_call(const struct proxy *p, struct slice call_id)
{
	return of_call(group_first(&p->by_call, call_id));
}

struct fork *fork_next_of_call(const struct fork *f)
{
	return of_call(group_next(&f->by_call));
}

struct branch *fork_add(struct fork *f, struct slice uri, struct slice routes, struct slice next)
{
	struct branch *b = &f->branches[f->count];

	if (f->count == f->room)
		return NULL;
	*b = (struct branch){.fork = f, .q = 1000};
	b->uri = uri.p != NULL ? slice_dup(uri) : NULL;
	b->routes = routes.n > 0 ? slice_dup(routes) : NULL;
	b->next = next.n > 0 ? slice_dup(next) : NULL;
	f->count++;
	return b;
}

static void destroy(void *arg)
{
	struct fork *f = arg;

	for (unsigned i = 0; i < f->count; i++)
		branch_drop(&f->branches[i]);
	timer_free(f->linger);
	msg_unref(f->best);
	msg_unref(f->request);
	buf_free(&f->challenges);
	mem_free(f->token);
	mem_free(f);
}

void fork_end(struct fork *f)
{
	if (f->over)
		return;
	f->over = true;
	map_remove(&f->proxy->by_own, &f->by_own);
	group_remove(&f->proxy->by_call, &f->by_call);
	if (f->id != 0)
		map_remove(&f->proxy->forks, &f->node);
	for (unsigned i = 0; i < f->count; i++) {
		if (f->branches[i].tx != 0)
			tx_forget(f->proxy->d.transactions, f->branches[i].tx);
		if (f->branches[i].timer != NULL)
			timer_stop(f->branches[i].timer);
	}
	loop_defer(f->proxy->d.loop, destroy, f);
}

/* --- the best response, 16.7 6 --- */

/*
 * rank: 16.7 6: the lower, the better. 6xx goes before everything, then the lower class. Within 4xx those statuses come
 * first that tell the sender how to do better.
 */
static unsigned rank(unsigned code)
{
	if (code >= 600)
		return 0;
	if (code == 401 || code == 407 || code == 415 || code == 420 || code == 484)
		return 4000;
	/* Last in its class comes what is only an impression of a proxy, or the load of one server. */
	return code / 100 * 1000 + (code == 408 || code == 480 || code == 487 || code == 503 ? 900 : 500);
}

/* add_challenges: keeps the challenges of a 401 or 407 that is not the best response. */
static void add_challenges(struct fork *f, const struct sip_msg *m)
{
	static const enum header ids[] = {HDR_WWW_AUTHENTICATE, HDR_PROXY_AUTHENTICATE};

	if (m == NULL || (m->status != 401 && m->status != 407))
		return;
	for (unsigned i = 0; i < 2; i++)
		for (const struct sip_header *h = msg_each(m, ids[i], NULL); h != NULL; h = msg_each(m, ids[i], h))
			buf_add(&f->challenges, h->line);
}

/* consider: a branch has failed with this code; is it better than the best so far? */
static void consider(struct fork *f, unsigned code, struct sip_msg *m)
{
	bool better = f->best_code == 0 || rank(code) < rank(f->best_code);

	/* 16.7 7: the challenges of all branches go into the one answer, each once. */
	add_challenges(f, better ? f->best : m);
	if (!better)
		return;
	msg_unref(f->best);
	f->best = m != NULL ? msg_ref(m) : NULL;
	f->best_code = code;
}

/* log_passed: what another has refused; successes only for debugging, since calls have lines of their own. */
static void log_passed(const struct fork *f, const struct sip_msg *m)
{
	enum log_level level = m->status >= 300 && m->status != 401 && m->status != 407 ? LOG_INFO : LOG_DEBUG;

	if (m->status >= 200 && log_on(level))
		log_line(level, "event=passed method=%s status=%u reason=%s uri=%s call_id=%s",
			 log_esc(f->request->method_name).text, m->status, log_esc(m->reason).text,
			 log_esc(f->request->uri_text).text, log_esc(m->call_id).text);
}

/* pass: forwards a response, with more header lines, without its topmost Via, which is ours. */
static void pass(struct fork *f, struct sip_msg *m, struct slice lines)
{
	struct tx *tx = tx_find(f->proxy->d.transactions, f->id);
	struct buf octets = {0};

	if (tx == NULL)
		return;
	if (forward_response(m, lines, &octets) != ERR_OK) {
		buf_free(&octets);
		/* 16.7 3: without another Via it is not forwarded. A final one must be answered with something. */
		if (m->status >= 200)
			tx_reply_code(tx, 502, NULL);
		return;
	}
	log_passed(f, m);
	tx_pass(tx, m->status, &octets);
}

/* give_up: all branches have failed, and the best failure is answered. */
static void give_up(struct fork *f)
{
	struct tx *tx = tx_find(f->proxy->d.transactions, f->id);
	unsigned code = f->best_code;

	f->answered = true;
	if (f->request->method == METHOD_ACK)
		log_line(LOG_WARN, "event=ack_lost uri=%s call_id=%s", log_esc(f->request->uri_text).text,
			 log_esc(f->request->call_id).text);
	if (tx != NULL && f->cancelled && (f->best == NULL || code != 487))
		tx_reply_code(tx, 487, NULL);
	else if (tx != NULL && code == 408 &&
		 (f->request->method != METHOD_INVITE || (f->by_timer && !tx_is_shown(tx))))
		/* RFC 4320 4.2: too late for the client. And a forged address gets nothing on a timer (G14). */
		tx_abandon(tx);
	else if (tx != NULL && code == 503)
		/* 16.7 6: a 503 of another server does not mean that we are overloaded. */
		tx_reply_code(tx, 500, "Next Server Unavailable");
	else if (f->best != NULL)
		pass(f, f->best, code == 401 || code == 407 ? buf_slice(&f->challenges) : SLICE_NONE);
	else if (tx != NULL)
		tx_reply_code(tx, code != 0 ? code : 480, NULL);
}

/* --- what goes into each request of it --- */

/* RFC 3325 9.3: Privacy: id forbids to tell the name. */
static bool wants_privacy(const struct sip_msg *m)
{
	for (const struct sip_header *h = msg_each(m, HDR_PRIVACY, NULL); h != NULL; h = msg_each(m, HDR_PRIVACY, h)) {
		struct slice rest = h->value;

		while (rest.n > 0) {
			size_t end = slice_chr(rest, ';');

			if (slice_ieq(slice_trim(slice_sub(rest, 0, end)), S("id")))
				return true;
			rest = slice_sub(rest, end + 1, rest.n);
		}
	}
	return false;
}

struct passage fork_passage(const struct fork *f, bool from_user)
{
	const struct access *access = &f->proxy->d.access;

	return (struct passage){.access = access,
				.from_user = from_user,
				.names = access->settings->config.identity_verify_inbound == VERIFY_OFF};
}

void fork_assertion(const struct fork *f, struct buf *line)
{
	/* To other domains Identity tells it. */
	if (f->to_local && f->vouched && !wants_privacy(f->request) &&
	    f->proxy->d.access.settings->config.identity_verify_inbound != VERIFY_OFF)
		buf_addf(line, "P-Asserted-Identity: <%.*s>\r\n", SLICE_ARG(f->request->from.spec));
}

/* --- groups of equal q, one after another (16.6) --- */

/* start_group: starts all waiting branches with the highest q. */
static void start_group(struct fork *f)
{
	unsigned q = 0, count = 0, share;

	for (unsigned i = 0; i < f->count; i++)
		if (f->branches[i].state == BRANCH_WAITS && f->branches[i].q > q)
			q = f->branches[i].q;
	for (unsigned i = 0; i < f->count; i++)
		count += f->branches[i].state == BRANCH_WAITS && f->branches[i].q == q;
	if (count == 0)
		return;
	share = f->max_breadth / count; /* RFC 5393 5.3.3: the breadth is shared out; 440 without one */
	for (unsigned i = 0; i < f->count && !f->over; i++) {
		struct branch *b = &f->branches[i];

		if (b->state != BRANCH_WAITS || b->q != q)
			continue;
		b->breadth = share;
		if (share > 0) {
			branch_start(b);
		} else {
			b->state = BRANCH_DONE;
			consider(f, 440, NULL);
		}
	}
}

/* Other flows of the same UA have a lower q, too, but are no other phone; see order_flows in proxy.c. */
uint32_t fork_ring_ms(const struct branch *b)
{
	const struct fork *f = b->fork;

	for (unsigned i = 0; i < f->count; i++)
		if (f->branches[i].state == BRANCH_WAITS && f->branches[i].q / BRANCHES_MAX < b->q / BRANCHES_MAX)
			return f->proxy->d.access.settings->config.proxy_ring_time * 1000;
	return 0;
}

static unsigned count_in(const struct fork *f, enum branch_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += f->branches[i].state == state;
	return n;
}

static bool is_busy(const struct fork *f)
{
	return count_in(f, BRANCH_SENT) + count_in(f, BRANCH_RESOLVING) > 0;
}

/* settle: ends the fork when nothing more can come; a branch that was left may still bring a 2xx. */
static void settle(struct fork *f)
{
	if (!f->over && f->answered && !is_busy(f) && count_in(f, BRANCH_LEFT) == 0 && f->linger == NULL)
		fork_end(f);
}

/*
 * advance: called after each change. Starts the next group when no branch is busy, answers when none is left, and ends
 * the fork when nothing more can come. A 6xx or a CANCEL starts no further group.
 */
static void advance(struct fork *f)
{
	while (!f->over && !f->answered && !is_busy(f)) {
		if (!f->cancelled && f->best_code < 600 && count_in(f, BRANCH_WAITS) > 0)
			start_group(f);
		else
			give_up(f);
	}
	settle(f);
}

void fork_go(struct fork *f)
{
	if (f->in_dialog)
		dialogs_lives(f->proxy->dialogs, f->dialog, f->request->method, proxy_dialog_ms(f->proxy));
	advance(f);
}

/* cancel_all: reason: of the CANCELs (RFC 3326); a phone shows a missed call unless it is told otherwise. */
static void cancel_all(struct fork *f, const struct branch *but, struct slice reason)
{
	for (unsigned i = 0; i < f->count; i++)
		if (&f->branches[i] != but)
			branch_cancel(&f->branches[i], reason);
}

void fork_cancel(struct fork *f, struct slice reason)
{
	f->cancelled = true;
	cancel_all(f, NULL, reason);
	advance(f);
}

/* --- what branches hear --- */

void fork_provisional(struct branch *b, struct sip_msg *m)
{
	struct fork *f = b->fork;

	if (!f->answered)
		pass(f, m, SLICE_NONE);
}

static void on_linger(void *arg)
{
	fork_end(arg);
}

/* log_call: a call begins, and ends: one line each, for whoever looks at the log. */
static void log_call(const struct fork *f, const struct sip_msg *m)
{
	bool begins = m->method == METHOD_INVITE && f->request->to_tag.n == 0 && !f->answered;

	if (log_on(LOG_INFO) && (begins || m->method == METHOD_BYE))
		log_line(LOG_INFO, "event=%s from=%s to=%s peer=%s call_id=%s", begins ? "call_begun" : "call_ended",
			 log_esc(f->request->from.spec).text, log_esc(f->request->to.spec).text,
			 peer_text(&f->source.remote).text, log_esc(m->call_id).text);
}

void fork_success(struct branch *b, struct sip_msg *m)
{
	struct fork *f = b->fork;
	bool invite = m->method == METHOD_INVITE;

	b->state = BRANCH_DONE;
	if (b->timer != NULL)
		timer_stop(b->timer);
	if (b->recorded)
		dialogs_answered(f->proxy->dialogs, b->dialog, proxy_dialog_ms(f->proxy));
	if (invite)
		dialogs_accepted(f->proxy->dialogs, m,
				 &(struct caller){&f->source, sender_secret(f->proxy, m, &f->source)});
	log_call(f, m);
	if (!f->answered) {
		f->answered = true;
		pass(f, m, SLICE_NONE);
		cancel_all(f, b, S("SIP;cause=200;text=\"Call completed elsewhere\""));
	} else if (invite) {
		struct buf octets = {0};

		/* 16.7 5: every 2xx to an INVITE is forwarded, also those of other branches. */
		if (forward_response(m, SLICE_NONE, &octets) == ERR_OK &&
		    !tx_pass_more(f->proxy->d.transactions, f->id, &octets))
			log_line(LOG_DEBUG, "event=late_2xx call_id=%s", log_esc(m->call_id).text);
		buf_free(&octets);
	}
	if (invite && f->linger == NULL) {
		f->linger = timer_new(f->proxy->d.loop, on_linger, f);
		timer_start(f->linger, 64 * TX_T1_MS);
	}
	advance(f);
}

/* skip_flows: RFC 5626 5.3: a UA that has answered is not tried by another of its flows. */
static void skip_flows(struct fork *f, const struct branch *answered)
{
	for (unsigned i = 0; i < f->count; i++)
		if (answered->ua != 0 && f->branches[i].ua == answered->ua && f->branches[i].state == BRANCH_WAITS)
			f->branches[i].state = BRANCH_DONE;
}

/* The decision is made now, and not when the CANCEL has had its effect (16.8): a silent phone would hold up the next.
 */
void fork_rang_out(struct branch *b)
{
	if (b->state != BRANCH_SENT)
		return;
	branch_cancel(b, SLICE_NONE);
	b->state = BRANCH_LEFT;
	b->fork->by_timer = true;
	if (!b->fork->answered)
		consider(b->fork, 408, NULL);
	advance(b->fork);
}

void fork_failure(struct branch *b, unsigned code, struct sip_msg *m)
{
	struct fork *f = b->fork;
	bool left = b->state == BRANCH_LEFT;

	b->state = BRANCH_DONE;
	f->by_timer = m == NULL && code == 408;
	if (b->timer != NULL)
		timer_stop(b->timer);
	if (f->over)
		return;
	if (left) { /* it has counted as 408 */
		settle(f);
		return;
	}
	/* 430 and 408 say that the flow failed; any other response is one of the UA itself. */
	if (m != NULL && code != 408 && code != 430)
		skip_flows(f, b);
	if (!f->answered) {
		consider(f, code, m);
		if (code >= 600) /* 16.7 5: all others stop ringing; the answer waits until they have */
			cancel_all(f, b, SLICE_NONE);
	}
	advance(f);
}

/* --- users who are gone --- */

/* stop_waiting: the branches that have sent nothing yet send nothing. Returns whether there were any. */
static bool stop_waiting(struct fork *f)
{
	struct transport *t = f->proxy->d.transport;
	bool any = false;

	for (unsigned i = 0; i < f->count; i++) {
		struct branch *b = &f->branches[i];

		if (b->state == BRANCH_WAITS || b->state == BRANCH_RESOLVING) {
			b->state = BRANCH_DONE;
			any = true;
		} else if (b->state == BRANCH_SENT) {
			b->cancelled = true; /* no other hop is tried when this one fails */
			if (transport_waits(t, &b->flow))
				transport_close(t, &b->flow, "what waits for it is of a former user");
		}
	}
	return any;
}

void proxy_forget(struct proxy *p, struct slice aor)
{
	for (struct map_node *n = map_first(&p->by_own), *next; n != NULL; n = next) {
		struct fork *f = MAP_ENTRY(n, struct fork, by_own);
		bool sender = f->caller_local && itinerary_is_aor(&f->request->from.uri, aor);

		next = map_next(&p->by_own, n);
		if (!sender && !(f->to_local && (itinerary_is_aor(&f->request->uri, aor) ||
						 itinerary_is_aor(&f->request->to.uri, aor))))
			continue;
		if (!f->answered && stop_waiting(f)) {
			consider(f, sender ? 403 : 480, NULL);
			advance(f);
		}
	}
}
