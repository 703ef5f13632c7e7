#include "tests/test.h"

#include "sip/message/limits.h"
#include "tests/scenario/tx_world.h"

/* The INVITE server transaction, arrow by arrow (RFC 3261 Figure 7 with RFC 6026 7.1), CANCEL and ACK. */

static const struct ask invite = {"INVITE", "z9hG4bKi1", "192.0.2.4:5070", "call-1", "f1", "", 1};

static struct ask with(const char *method, const char *to_tag)
{
	struct ask a = invite;

	a.method = method;
	a.to_tag = to_tag;
	return a;
}

static struct flow udp(void)
{
	return fake_udp("192.0.2.4:5070");
}

/* An answer of somebody downstream. */
static void pass(struct world *w, unsigned code)
{
	struct buf out = {0};

	buf_addf(&out,
		 "SIP/2.0 %u X\r\nVia: SIP/2.0/UDP 192.0.2.4:5070;branch=z9hG4bKi1\r\nFrom: "
		 "<sip:a@example.org>;tag=f1\r\n"
		 "To: <sip:b@example.com>;tag=t%u\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
		 code, code);
	if (tx_find(w->layer, w->last) != NULL)
		tx_pass(tx_find(w->layer, w->last), code, &out);
	else
		tx_pass_more(w->layer, w->last, &out);
	fake_settle(w->loop);
	buf_free(&out);
}

static void begin_invite(struct world *w)
{
	struct flow from = udp();

	inject(w, &from, invite);
	assert_int_equal(w->requests, 1);
	assert_silence(w);
}

/* --- Proceeding --- */

static void proceeding_says_100_after_200_ms(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	fake_advance(w->loop, 199);
	assert_silence(w);
	fake_advance(w->loop, 1);
	assert_int_equal(answer(w, NULL, NULL), 100);
	inject(w, &from, invite); /* a retransmission gets the latest provisional response again */
	assert_int_equal(answer(w, NULL, NULL), 100);
	pass(w, 180);
	assert_int_equal(answer(w, NULL, NULL), 180);
	inject(w, &from, invite);
	assert_int_equal(answer(w, NULL, NULL), 180);
	assert_int_equal(w->requests, 1);
}

/*
 * G14: the address of a stranger's datagram may be that of a victim. He gets one packet for each that he sends, none on
 * a timer, and no answer of ours that is more than twice as long.
 */
static void a_stranger_gets_nothing_on_a_timer(void **state)
{
	struct world *w = *state;
	struct flow from = udp(), other = fake_udp("192.0.2.5:5070");
	struct ask again = invite;
	struct buf long_line = {0};

	w->strangers = true;
	begin_invite(w);
	fake_advance(w->loop, 60000);
	assert_silence(w);
	inject(w, &from, invite);
	assert_int_equal(answer(w, NULL, NULL), 100);
	fake_advance(w->loop, 60000);
	assert_silence(w);
	pass(w, 486);
	assert_int_equal(answer(w, NULL, NULL), 486);
	fake_advance(w->loop, 20000);
	assert_silence(w);
	inject(w, &from, invite);
	assert_int_equal(answer(w, NULL, NULL), 486);
	fake_advance(w->loop, 40000);
	assert_silence(w);
	/* An answer of ours, too long and not. */
	for (unsigned i = 0; i < 2; i++) {
		again.branch = i == 0 ? "z9hG4bKlong" : "z9hG4bKshort";
		again.call_id = again.branch;
		inject(w, &other, again);
		buf_clear(&long_line);
		buf_adds(&long_line, "X: ");
		for (unsigned k = 0; k < (i == 0 ? 300 : 30); k++)
			buf_addc(&long_line, 'x');
		buf_adds(&long_line, "\r\n");
		tx_reply(tx_find(w->layer, w->last),
			 &(struct build_reply){.code = 404, .headers = buf_slice(&long_line)});
		fake_settle(w->loop);
		if (i == 0)
			assert_silence(w);
		else
			assert_int_equal(answer(w, NULL, NULL), 404);
	}
	buf_free(&long_line);
}

/* Who proves his address while the INVITE is under way has all of RFC 3261 17.2.1 from then on. */
static void a_stranger_who_proves_his_address(void **state)
{
	struct world *w = *state;

	w->strangers = true;
	begin_invite(w);
	tx_prove(tx_find(w->layer, w->last));
	fake_advance(w->loop, 200);
	assert_int_equal(answer(w, NULL, NULL), 100);
	pass(w, 486);
	assert_int_equal(answer(w, NULL, NULL), 486);
	fake_advance(w->loop, 500);
	assert_int_equal(answer(w, NULL, NULL), 486);
}

static void proceeding_says_no_100_when_something_better_came(void **state)
{
	struct world *w = *state;

	begin_invite(w);
	pass(w, 183);
	assert_int_equal(answer(w, NULL, NULL), 183);
	fake_advance(w->loop, 600000); /* no time limit: that is for the service */
	assert_silence(w);
	assert_non_null(tx_find(w->layer, w->last));
}

static void proceeding_absorbs_a_retransmission_before_any_answer(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	inject(w, &from, invite);
	inject(w, &from, with("ACK", "")); /* nothing to acknowledge */
	assert_silence(w);
	assert_int_equal(w->requests, 1);
	assert_int_equal(w->acks, 0);
}

/* --- Completed, Confirmed --- */

static void completed_repeats_until_the_ack(void **state)
{
	static const unsigned after[] = {500, 1000, 2000, 4000, 4000};
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	pass(w, 180);
	answer(w, NULL, NULL);
	pass(w, 486);
	assert_int_equal(answer(w, NULL, NULL), 486);
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) { /* Timer G */
		fake_advance(w->loop, after[i] - 1);
		assert_silence(w);
		fake_advance(w->loop, 1);
		assert_int_equal(answer(w, NULL, NULL), 486);
	}
	inject(w, &from, invite);
	assert_int_equal(answer(w, NULL, NULL), 486);
	pass(w, 200); /* the first final response stands */
	assert_silence(w);
	inject(w, &from, with("ACK", "t486"));
	fake_advance(w->loop, TX_T4_MS - 1);
	assert_silence(w);
	inject(w, &from, with("ACK", "t486")); /* absorbed, as is another INVITE */
	inject(w, &from, invite);
	assert_silence(w);
	assert_int_equal(tx_count(w->layer), 1);
	fake_advance(w->loop, 1); /* Timer I */
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(w->acks, 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void completed_ends_without_ack_by_timer_h(void **state)
{
	struct world *w = *state;
	unsigned copies = 0;

	begin_invite(w);
	pass(w, 404);
	fake_advance(w->loop, 64 * TX_T1_MS - 1);
	assert_int_equal(tx_count(w->layer), 1);
	fake_advance(w->loop, 1);
	assert_int_equal(tx_count(w->layer), 0);
	for (; fake_sent(w->transport) > 0; copies++)
		assert_int_equal(answer(w, NULL, NULL), 404);
	assert_int_equal(copies, 11); /* at 0, 0.5, 1.5, 3.5, 7.5 ... 31.5 s */
}

static void on_a_connection_nothing_is_repeated_and_the_ack_ends_it(void **state)
{
	struct world *w = *state;
	struct flow from = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");

	inject(w, &from, invite);
	pass(w, 404);
	assert_int_equal(answer(w, NULL, NULL), 404);
	fake_advance(w->loop, 10000);
	assert_silence(w);
	inject(w, &from, with("ACK", "t404"));
	assert_int_equal(tx_count(w->layer), 0); /* Timer I is zero */
	assert_int_equal(w->acks, 0);
}

/*
 * What is kept for Timer G is bounded in octets for all transactions together. Once the cap of sip/message/limits.h was
 * promised and asked by nobody: answers of 7 kB were all kept.
 */
static void completed_keeps_no_more_than_the_cap(void **state)
{
	enum { COUNT = 40, LARGE = 700 };
	struct world *w = *state;
	struct flow from = udp(), to;
	struct sip_msg *m;
	size_t kept = 0;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			char branch[32], call_id[32];
			struct ask a = invite;
			struct buf out = {0};

			snprintf(branch, sizeof(branch), "z9hG4bKk%u.%u", round, i);
			snprintf(call_id, sizeof(call_id), "kept-%u.%u", round, i);
			a.branch = branch;
			a.call_id = call_id;
			inject(w, &from, a);
			tx_reply_code(tx_find(w->layer, w->last), 180, NULL);
			buf_addf(&out,
				 "SIP/2.0 486 X\r\nVia: SIP/2.0/UDP 192.0.2.4:5070;branch=%s\r\nFrom: "
				 "<sip:a@example.org>;tag=f1\r\nTo: <sip:b@example.com>;tag=t\r\nCall-ID: %s\r\n"
				 "CSeq: 1 INVITE\r\nX-Large: %0*d\r\nContent-Length: 0\r\n\r\n",
				 branch, call_id, LARGE, 0);
			tx_pass(tx_find(w->layer, w->last), 486, &out);
		}
		fake_settle(w->loop);
		while ((m = fake_next(w->transport, &to)) != NULL)
			msg_unref(m);
		fake_advance(w->loop, TX_T1_MS); /* Timer G of all that are kept */
		for (kept = 0; (m = fake_next(w->transport, &to)) != NULL; msg_unref(m))
			kept += m->raw.n;
		assert_in_range(kept, LARGE, LIMIT * SIP_ANSWER_KEPT);
		assert_in_range(tx_count(w->layer), 1, LIMIT * SIP_ANSWER_KEPT / LARGE);
		/* Timer H gives the room back: the second round is as the first. */
		fake_advance(w->loop, 64 * TX_T1_MS);
		assert_int_equal(tx_count(w->layer), 0);
		while ((m = fake_next(w->transport, &to)) != NULL)
			msg_unref(m);
	}
}

/* Over a connection nothing is repeated, so nothing is kept: the cap is not for these. */
static void completed_over_a_connection_keeps_nothing(void **state)
{
	struct world *w = *state;
	struct flow from = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");

	inject(w, &from, invite);
	pass(w, 486);
	assert_int_equal(answer(w, NULL, NULL), 486);
	inject(w, &from, invite); /* nobody sends this; it is absorbed */
	assert_silence(w);
	assert_int_equal(w->requests, 1);
}

/* --- Accepted, RFC 6026 --- */

static void accepted_absorbs_invites_and_passes_acks_and_2xx(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	pass(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
	fake_advance(w->loop, 20000); /* the 2xx is not repeated from here */
	inject(w, &from, invite);
	assert_silence(w);
	pass(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
	inject(w, &from, with("ACK", "t200"));
	assert_int_equal(w->acks, 1);
	fake_advance(w->loop, 12000); /* Timer L */
	assert_int_equal(tx_count(w->layer), 0);
	pass(w, 200);
	assert_silence(w);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void an_ack_of_nothing_goes_up(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	inject(w, &from, with("ACK", "t1"));
	assert_int_equal(w->acks, 1);
	assert_int_equal(tx_count(w->layer), 0);
}

/* --- refusals made here --- */

/* RFC 3261 26.3.2.4, 8.2.7: told once; the same tag for the same request; its ACK is known. */
static void a_refusal_is_told_once_and_its_ack_dropped(void **state)
{
	struct world *w = *state;
	struct flow from = udp();
	char tag[2][64];

	for (unsigned i = 0; i < 2; i++) {
		struct sip_msg *m;

		inject(w, &from, invite);
		reply(w, 407);
		m = fake_next(w->transport, NULL);
		assert_int_equal(m->status, 407);
		assert_true(m->to_tag.n < sizeof(tag[i]));
		snprintf(tag[i], sizeof(tag[i]), "%.*s", SLICE_ARG(m->to_tag));
		msg_unref(m);
		assert_int_equal(tx_count(w->layer), 0);
	}
	assert_string_equal(tag[0], tag[1]);
	fake_advance(w->loop, 64 * TX_T1_MS);
	inject(w, &from, with("ACK", tag[0]));
	assert_silence(w);
	assert_int_equal(w->acks, 0);
}

/* A 503 of a service is an answer like any other: only what the layer itself refuses is told once. */
static void a_busy_service_is_reliable_after_100(void **state)
{
	struct world *w = *state;
	struct tx *tx;

	begin_invite(w);
	fake_advance(w->loop, 200);
	assert_int_equal(answer(w, NULL, NULL), 100);
	tx = tx_find(w->layer, w->last);
	assert_non_null(tx);
	tx_reply_busy(tx, 5, NULL);
	fake_settle(w->loop);
	assert_int_equal(answer(w, NULL, NULL), 503);
	fake_advance(w->loop, 500);
	assert_int_equal(answer(w, NULL, NULL), 503);
}

/* Once something provisional was said the client has stopped repeating: the refusal is repeated from here. */
static void a_refusal_after_100_is_reliable(void **state)
{
	struct world *w = *state;

	begin_invite(w);
	fake_advance(w->loop, 200);
	assert_int_equal(answer(w, NULL, NULL), 100);
	reply(w, 480);
	assert_int_equal(answer(w, NULL, NULL), 480);
	fake_advance(w->loop, 500);
	assert_int_equal(answer(w, NULL, NULL), 480);
}

/* --- CANCEL, 9.2 --- */

static void cancel_is_told_once_until_the_final_answer(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	inject(w, &from, with("CANCEL", ""));
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->cancelled, w->last);
	w->cancelled = 0;
	inject(w, &from, with("CANCEL", ""));
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->cancelled, 0);
	pass(w, 487);
	assert_int_equal(answer(w, NULL, NULL), 487);
}

static void cancel_after_the_answer_changes_nothing(void **state)
{
	struct world *w = *state;
	struct flow from = udp();

	begin_invite(w);
	pass(w, 200);
	answer(w, NULL, NULL);
	inject(w, &from, with("CANCEL", ""));
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->cancelled, 0);
}

/* RFC 2543 matching: the ACK has a To tag that the INVITE had not. */
static void without_the_cookie_ack_and_cancel_find_their_invite(void **state)
{
	struct world *w = *state;
	struct flow from = udp();
	struct ask old = invite, cancel, ack;

	old.branch = "1";
	inject(w, &from, old);
	cancel = old;
	cancel.method = "CANCEL";
	inject(w, &from, cancel);
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->cancelled, w->last);
	pass(w, 487);
	assert_int_equal(answer(w, NULL, NULL), 487);
	ack = old;
	ack.method = "ACK";
	ack.to_tag = "t487";
	inject(w, &from, ack);
	fake_advance(w->loop, TX_T4_MS);
	assert_silence(w);
	assert_int_equal(w->acks, 0);
}

static void abandoned_it_is_gone(void **state)
{
	struct world *w = *state;

	begin_invite(w);
	tx_abandon(tx_find(w->layer, w->last));
	fake_settle(w->loop);
	assert_silence(w);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(proceeding_says_100_after_200_ms),
		T(a_stranger_gets_nothing_on_a_timer),
		T(a_stranger_who_proves_his_address),
		T(proceeding_says_no_100_when_something_better_came),
		T(proceeding_absorbs_a_retransmission_before_any_answer),
		T(completed_repeats_until_the_ack),
		T(completed_ends_without_ack_by_timer_h),
		T(completed_keeps_no_more_than_the_cap),
		T(completed_over_a_connection_keeps_nothing),
		T(on_a_connection_nothing_is_repeated_and_the_ack_ends_it),
		T(accepted_absorbs_invites_and_passes_acks_and_2xx),
		T(an_ack_of_nothing_goes_up),
		T(a_refusal_is_told_once_and_its_ack_dropped),
		T(a_refusal_after_100_is_reliable),
		T(a_busy_service_is_reliable_after_100),
		T(cancel_is_told_once_until_the_final_answer),
		T(cancel_after_the_answer_changes_nothing),
		T(without_the_cookie_ack_and_cancel_find_their_invite),
		T(abandoned_it_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
