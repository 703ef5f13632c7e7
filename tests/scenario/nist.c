#include "tests/test.h"

#include "sip/message/limits.h"
#include "tests/scenario/tx_world.h"

/* The non-INVITE server transaction, arrow by arrow (RFC 3261 Figure 8), matching, and what needs no service. */

/* --- the server machine, Figure 8 --- */

static void nist_retransmissions_in_trying_are_absorbed(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");

	inject(w, &from, plain);
	inject(w, &from, plain);
	fake_advance(w->loop, 40000);
	inject(w, &from, plain);
	/* One request went up, and nothing was sent: RFC 4320 4.1, 4.2 allow neither a provisional nor a 408. */
	assert_int_equal(w->requests, 1);
	assert_silence(w);
	reply(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
}

static void nist_waits_for_ever_without_408(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");

	inject(w, &from, plain);
	fake_advance(w->loop, 600000);
	assert_silence(w);
	assert_non_null(tx_find(w->layer, w->last));
	reply(w, 480);
	assert_int_equal(answer(w, NULL, NULL), 480);
}

static void nist_completed_sends_the_same_octets_until_timer_j(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct buf first = {0}, again = {0};

	inject(w, &from, plain);
	reply(w, 404);
	assert_null(tx_find(w->layer, w->last)); /* a second final answer has nobody to give it to */
	answer(w, NULL, &first);
	fake_advance(w->loop, 64 * TX_T1_MS - 1);
	inject(w, &from, plain);
	answer(w, NULL, &again);
	assert_true(slice_eq(buf_slice(&first), buf_slice(&again)));
	assert_int_equal(w->requests, 1);
	assert_int_equal(tx_count(w->layer), 1);
	fake_advance(w->loop, 1);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
	inject(w, &from, plain); /* a new transaction */
	assert_int_equal(w->requests, 2);
	buf_free(&first);
	buf_free(&again);
}

static void nist_keeps_the_503_of_a_service(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct buf first = {0}, again = {0};
	struct tx *tx;

	inject(w, &from, plain);
	tx = tx_find(w->layer, w->last);
	assert_non_null(tx);
	tx_reply_busy(tx, 5, NULL);
	fake_settle(w->loop);
	assert_int_equal(answer(w, NULL, &first), 503);
	inject(w, &from, plain);
	assert_int_equal(answer(w, NULL, &again), 503);
	assert_true(slice_eq(buf_slice(&first), buf_slice(&again)));
	assert_int_equal(w->requests, 1);
	buf_free(&first);
	buf_free(&again);
}

/* Answers that are large, since they echo a large Via: of all together there is a limit, and the oldest make way. */
static void nist_keeps_a_bounded_number_of_octets(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;
	struct buf via = {0};
	char branch[20], call_id[20];

	buf_adds(&via, "c;rport;x=");
	while (via.n < LIMIT * SIP_ANSWER_KEPT * 2 / 5)
		buf_addc(&via, 'y');
	a.via_host = via.p;
	a.branch = branch;
	a.call_id = call_id;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
		snprintf(call_id, sizeof(call_id), "%u", i);
		inject(w, &from, a);
		reply(w, 404);
		assert_int_equal(answer(w, NULL, NULL), 404);
		assert_int_equal(tx_count(w->layer), i < 2 ? i + 1 : 2);
		inject(w, &from, a); /* the newest is kept */
		assert_int_equal(answer(w, NULL, NULL), 404);
		assert_int_equal(w->requests, i + 1);
	}
	for (unsigned i = 0; i < 4; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%u", 3 - i);
		snprintf(call_id, sizeof(call_id), "%u", 3 - i);
		inject(w, &from, a);
		if (i >= 2) /* forgotten: goes up again */
			reply(w, 404);
		assert_int_equal(answer(w, NULL, NULL), 404);
	}
	assert_int_equal(w->requests, 6);
	assert_int_equal(tx_count(w->layer), 2);
	fake_advance(w->loop, 64 * TX_T1_MS);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
	buf_free(&via);
}

/* One timer for all: each answer has its 64*T1 all the same. */
static void nist_timer_j_is_each_ones_own(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain, b = plain;

	b.branch = "z9hG4bKb";
	b.call_id = "b";
	inject(w, &from, a);
	reply(w, 200);
	fake_advance(w->loop, 10000);
	inject(w, &from, b);
	reply(w, 200);
	answer(w, NULL, NULL);
	answer(w, NULL, NULL);
	fake_advance(w->loop, 64 * TX_T1_MS - 10000);
	assert_int_equal(tx_count(w->layer), 1);
	inject(w, &from, b);
	assert_int_equal(answer(w, NULL, NULL), 200);
	fake_advance(w->loop, 9999);
	inject(w, &from, b);
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->requests, 2);
	fake_advance(w->loop, 1);
	assert_int_equal(tx_count(w->layer), 0);
	inject(w, &from, b);
	assert_int_equal(w->requests, 3);
}

static void nist_timer_j_is_zero_on_a_connection(void **state)
{
	struct world *w = *state;
	struct flow from = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");

	inject(w, &from, plain);
	reply(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void nist_survives_a_transport_error(void **state)
{
	struct world *w = *state;
	struct flow from = fake_stream(w->transport, PROTO_TLS, "192.0.2.4:40000");

	inject(w, &from, plain);
	fake_close(w->transport, &from);
	assert_int_equal(w->closed, from.id);
	reply(w, 200); /* into the void */
	assert_silence(w);
	assert_int_equal(tx_count(w->layer), 0);
}

/* RFC 3261 18.2.2: the port of sent-by, at the address that the request came from. */
static void nist_answers_over_a_new_connection(void **state)
{
	static const struct {
		const char *via_host, *to; /* NULL: nowhere */
	} rows[] = {
		{"192.0.2.99:5070", "192.0.2.4:5070"}, {"elsewhere.example", "192.0.2.4:5060"}, {"192.0.2.4:25", NULL}};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow from = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000"), to;
		struct ask a = plain;
		char branch[24];

		snprintf(branch, sizeof(branch), "z9hG4bKn%zu", i);
		a.via_host = rows[i].via_host;
		a.branch = branch;
		a.call_id = branch;
		inject(w, &from, a);
		fake_close(w->transport, &from);
		reply(w, 200);
		if (rows[i].to == NULL) {
			assert_silence(w);
			continue;
		}
		assert_int_equal(answer(w, &to, NULL), 200);
		assert_true(to.proto == PROTO_TCP && to.id != from.id);
		assert_string_equal(peer_text(&to.remote).text, rows[i].to);
	}
	assert_int_equal(tx_count(w->layer), 0);
}

static void nist_answers_to_source_or_sent_by(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("198.51.100.9:1234"), to;
	struct ask a = plain;
	struct buf octets = {0};

	inject(w, &from, a);
	reply(w, 200);
	answer(w, &to, &octets);
	/* RFC 3261 18.2.2: the source address, the port of sent-by; 18.2.1: received. */
	assert_string_equal(peer_text(&to.remote).text, "198.51.100.9:5070");
	assert_true(slice_find(buf_slice(&octets), S(";received=198.51.100.9"), 0) < octets.n);
	buf_clear(&octets);
	a.via_host = "192.0.2.4:5070;rport";
	a.branch = "z9hG4bKa2";
	a.call_id = "call-2";
	inject(w, &from, a);
	reply(w, 200);
	answer(w, &to, &octets);
	assert_string_equal(peer_text(&to.remote).text, "198.51.100.9:1234"); /* RFC 3581 4 */
	assert_true(slice_find(buf_slice(&octets), S(";rport=1234"), 0) < octets.n);
	buf_free(&octets);
}

/* --- matching, RFC 3261 17.2.3 --- */

static unsigned requests_after(struct world *w, const struct flow *from, struct ask a)
{
	inject(w, from, a);
	return w->requests;
}

static void matching_by_branch_sent_by_and_method(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	assert_int_equal(requests_after(w, &from, a), 1);
	a.call_id = "call-2"; /* with the cookie nothing else counts */
	assert_int_equal(requests_after(w, &from, a), 1);
	a.via_host = "192.0.2.4:5071";
	assert_int_equal(requests_after(w, &from, a), 2);
	a = plain;
	a.method = "MESSAGE";
	a.call_id = "call-3";
	assert_int_equal(requests_after(w, &from, a), 3);
}

static void matching_tells_unknown_methods_apart(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	a.method = "FOO";
	assert_int_equal(requests_after(w, &from, a), 1);
	a.method = "BAR";
	assert_int_equal(requests_after(w, &from, a), 2);
	assert_int_equal(requests_after(w, &from, a), 2);
}

static void matching_without_the_cookie(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	a.branch = "1"; /* as RFC 2543 had it */
	assert_int_equal(requests_after(w, &from, a), 1);
	assert_int_equal(requests_after(w, &from, a), 1);
	a.cseq = 2;
	assert_int_equal(requests_after(w, &from, a), 2);
	a.call_id = "call-2";
	assert_int_equal(requests_after(w, &from, a), 3);
	a.from_tag = "f2";
	assert_int_equal(requests_after(w, &from, a), 4);
}

/* --- answered without a service --- */

static void merged_requests_get_482(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	inject(w, &from, a);
	a.branch = "z9hG4bKother";
	inject(w, &from, a);
	assert_int_equal(w->requests, 1);
	assert_int_equal(answer(w, NULL, NULL), 482);
	inject(w, &from, a); /* its retransmission is answered the same */
	assert_int_equal(answer(w, NULL, NULL), 482);
	/* Within a dialog there is no merging (8.2.2.2). */
	a.branch = "z9hG4bKthird";
	a.to_tag = "t1";
	inject(w, &from, a);
	assert_int_equal(w->requests, 2);
	assert_silence(w);
}

/* As long as the first of them is known, and no longer for all that came after it. */
static void merged_requests_do_not_keep_each_other(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;
	char branch[32];

	inject(w, &from, a);
	reply(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
	for (unsigned i = 0; i < 6; i++) {
		fake_advance(w->loop, 10 * TX_T1_MS);
		snprintf(branch, sizeof(branch), "z9hG4bKm%u", i);
		a.branch = branch;
		inject(w, &from, a);
		assert_int_equal(answer(w, NULL, NULL), 482);
	}
	assert_int_equal(w->requests, 1);
	/* 64 T1 after the 200 it is a request like any other, whatever was answered meanwhile. */
	fake_advance(w->loop, 4 * TX_T1_MS + 1);
	a.branch = "z9hG4bKlate";
	inject(w, &from, a);
	assert_int_equal(w->requests, 2);
	reply(w, 200);
	assert_int_equal(answer(w, NULL, NULL), 200);
	fake_advance(w->loop, 64 * TX_T1_MS + 1);
	assert_int_equal(tx_count(w->layer), 0);
}

static void cancel_of_a_request_is_200_and_changes_nothing(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	inject(w, &from, a);
	a.method = "CANCEL";
	inject(w, &from, a);
	assert_int_equal(answer(w, NULL, NULL), 200);
	assert_int_equal(w->requests, 1);
	reply(w, 200); /* EVT-16: what was cancelled goes on */
	assert_int_equal(answer(w, NULL, NULL), 200);
	inject(w, &from, a); /* a retransmitted CANCEL */
	assert_int_equal(answer(w, NULL, NULL), 200);
}

static void cancel_of_nothing_is_481(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	a.method = "CANCEL";
	inject(w, &from, a);
	assert_int_equal(answer(w, NULL, NULL), 481);
	inject(w, &from, a); /* it must not find itself */
	assert_int_equal(answer(w, NULL, NULL), 481);
	assert_int_equal(w->requests, 0);
}

static void ack_is_dropped(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;

	a.method = "ACK";
	inject(w, &from, a);
	assert_silence(w);
	assert_int_equal(w->requests, 0);
	assert_int_equal(tx_count(w->layer), 0);
}

static void over_the_limit_is_503(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;
	struct buf octets = {0};
	char branch[32], call[32];

	a.branch = branch;
	a.call_id = call;
	for (unsigned i = 0; i <= LIMIT; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
		snprintf(call, sizeof(call), "call-%u", i);
		inject(w, &from, a);
	}
	assert_int_equal(w->requests, LIMIT);
	assert_int_equal(answer(w, NULL, &octets), 503);
	assert_true(slice_find(buf_slice(&octets), S("Retry-After: "), 0) < octets.n);
	assert_silence(w);
	/* It took no room: one that is answered makes room for one, though the answer is kept. */
	assert_int_equal(tx_count(w->layer), LIMIT);
	reply(w, 200);
	answer(w, NULL, NULL);
	inject(w, &from, a);
	assert_int_equal(w->requests, LIMIT + 1);
	assert_int_equal(tx_count(w->layer), LIMIT + 1);
	buf_free(&octets);
}

/* Forked requests that nobody answers leave client transactions behind for 64*T1: they count, too. */
static void client_transactions_count_for_the_limit(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070"), to = fake_udp("192.0.2.9:5060");
	struct ask a = plain;

	for (unsigned i = 0; i < LIMIT; i++) {
		struct buf out = {0}, branch = {0};

		tx_branch(&branch);
		a.branch = branch.p;
		out = request(a);
		tx_send(w->layer, &to, &out, buf_slice(&branch), METHOD_OPTIONS, heard, w);
		buf_free(&branch);
		msg_unref(fake_next(w->transport, NULL));
	}
	inject(w, &from, plain);
	assert_int_equal(answer(w, NULL, NULL), 503);
	a = plain;
	a.to_tag = "in-a-dialog";
	inject(w, &from, a);
	assert_int_equal(w->requests, 1);
	fake_advance(w->loop, 64 * TX_T1_MS);
	a.to_tag = "";
	a.branch = "z9hG4bKlater";
	inject(w, &from, a);
	assert_int_equal(w->requests, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nist_retransmissions_in_trying_are_absorbed),
		T(nist_waits_for_ever_without_408),
		T(nist_keeps_the_503_of_a_service),
		T(nist_completed_sends_the_same_octets_until_timer_j),
		T(nist_keeps_a_bounded_number_of_octets),
		T(nist_timer_j_is_each_ones_own),
		T(nist_timer_j_is_zero_on_a_connection),
		T(nist_survives_a_transport_error),
		T(nist_answers_over_a_new_connection),
		T(nist_answers_to_source_or_sent_by),
		T(matching_by_branch_sent_by_and_method),
		T(matching_tells_unknown_methods_apart),
		T(matching_without_the_cookie),
		T(merged_requests_get_482),
		T(merged_requests_do_not_keep_each_other),
		T(cancel_of_a_request_is_200_and_changes_nothing),
		T(cancel_of_nothing_is_481),
		T(ack_is_dropped),
		T(over_the_limit_is_503),
		T(client_transactions_count_for_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
