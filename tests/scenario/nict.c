#include "tests/test.h"

#include "tests/scenario/tx_world.h"

/* The non-INVITE client transaction, arrow by arrow (RFC 3261 Figure 6). */

/* --- the client machine, Figure 6 --- */

struct sent {
	uint64_t id;
	char branch[64];
};

static struct sent start_as(struct world *w, const struct flow *to, bool unasked)
{
	struct buf out = {0}, branch = {0};
	struct ask a = {"NOTIFY", NULL, "192.0.2.1:5060", "call-9", "us", "them", 7};
	struct sent s;

	tx_branch(&branch);
	snprintf(s.branch, sizeof(s.branch), "%s", branch.p);
	a.branch = s.branch;
	out = request(a);
	s.id = tx_offer(w->layer, to, &out, buf_slice(&branch), METHOD_NOTIFY, unasked, heard, w);
	assert_null(out.p); /* the memory was taken */
	assert_int_equal(w->done, 0);
	fake_settle(w->loop);
	buf_free(&branch);
	return s;
}

static struct sent start(struct world *w, const struct flow *to)
{
	return start_as(w, to, false);
}

static void respond(struct world *w, const struct flow *from, const struct sent *s, unsigned code, const char *method)
{
	struct buf out = {0};

	buf_addf(&out,
		 "SIP/2.0 %u X\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\nFrom: <sip:a@example.org>;tag=us\r\n"
		 "To: <sip:b@example.com>;tag=them\r\nCall-ID: call-9\r\nCSeq: 7 %s\r\nContent-Length: 0\r\n\r\n",
		 code, s->branch, method);
	fake_inject(w->transport, from, buf_slice(&out));
	buf_free(&out);
}

/* Takes what was sent, which must be n copies of one NOTIFY. */
static void assert_copies(struct world *w, unsigned n)
{
	assert_int_equal(fake_sent(w->transport), n);
	for (; n > 0; n--) {
		struct sip_msg *m = fake_next(w->transport, NULL);

		assert_true(m->request && m->method == METHOD_NOTIFY);
		msg_unref(m);
	}
}

static void nict_retransmits_at_t1_doubling_up_to_t2(void **state)
{
	/* Timer E: 500, 1000, 2000, 4000, 4000 ... after one another; Timer F at 64*T1 (17.1.2.2). */
	static const unsigned at_ms[] = {500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	int64_t now = 0;

	start(w, &to);
	assert_copies(w, 1);
	for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
		fake_advance(w->loop, at_ms[i] - 1 - now);
		assert_silence(w);
		fake_advance(w->loop, 1);
		now = at_ms[i];
		assert_copies(w, 1);
	}
	fake_advance(w->loop, 31999 - now);
	assert_silence(w);
	assert_int_equal(w->done, 0);
	fake_advance(w->loop, 1);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 0);
	assert_int_equal(w->why, ERR_AGAIN);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
	fake_advance(w->loop, 60000);
	assert_silence(w);
}

static void nict_proceeding_retransmits_every_t2(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);

	assert_copies(w, 1);
	fake_advance(w->loop, 100);
	respond(w, &to, &s, 100, "NOTIFY");
	assert_int_equal(w->done, 0); /* a provisional is nobody's business */
	fake_advance(w->loop, 400);   /* the timer that ran goes on to its end */
	assert_copies(w, 1);
	fake_advance(w->loop, TX_T2_MS - 1);
	assert_silence(w);
	fake_advance(w->loop, 1);
	assert_copies(w, 1);
	respond(w, &to, &s, 183, "NOTIFY");
	fake_advance(w->loop, 32000 - 4500 - 1); /* Timer F counts from the start */
	assert_int_equal(w->done, 0);
	fake_advance(w->loop, 1);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_AGAIN);
}

/* G14: where nobody has shown himself, once; a provisional response shows him, and Timer E runs as in Proceeding. */
static void nict_unasked_waits_for_a_response(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start_as(w, &to, true);

	assert_copies(w, 1);
	fake_advance(w->loop, 20000);
	assert_silence(w);
	respond(w, &to, &s, 100, "NOTIFY");
	fake_advance(w->loop, TX_T2_MS - 1);
	assert_silence(w);
	fake_advance(w->loop, 1);
	assert_copies(w, 1);
	fake_advance(w->loop, 8000);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_AGAIN);
	while (fake_sent(w->transport) > 0)
		msg_unref(fake_next(w->transport, NULL));
	/* For an hour the address is one that somebody is at. */
	w->done = 0;
	start_as(w, &to, true);
	fake_advance(w->loop, 600);
	assert_copies(w, 2);
}

static void nict_final_from_trying(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);

	respond(w, &to, &s, 481, "NOTIFY");
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 481);
	assert_int_equal(w->why, ERR_OK);
	assert_copies(w, 1);
	/* Completed: late copies and whatever else are absorbed until Timer K = T4. */
	fake_advance(w->loop, TX_T4_MS - 1);
	respond(w, &to, &s, 200, "NOTIFY");
	respond(w, &to, &s, 100, "NOTIFY");
	assert_int_equal(w->done, 1);
	assert_silence(w);
	assert_int_equal(tx_count(w->layer), 1);
	fake_advance(w->loop, 1);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void nict_final_from_proceeding(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);

	respond(w, &to, &s, 100, "NOTIFY");
	respond(w, &to, &s, 200, "NOTIFY");
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 200);
	fake_advance(w->loop, TX_T4_MS);
	assert_int_equal(tx_count(w->layer), 0);
}

static void nict_on_a_connection_neither_retransmits_nor_lingers(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TLS, "192.0.2.4:40000");
	struct sent s = start(w, &to);

	fake_advance(w->loop, 31999);
	assert_copies(w, 1);
	respond(w, &to, &s, 200, "NOTIFY");
	assert_int_equal(w->status, 200);
	assert_int_equal(tx_count(w->layer), 0);
}

static void nict_timer_f_on_a_connection(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");

	start(w, &to);
	fake_advance(w->loop, 32000);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_AGAIN);
}

static void nict_ends_with_its_connection(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");
	struct flow other = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40001");

	start(w, &to);
	fake_close(w->transport, &other);
	assert_int_equal(w->done, 0);
	fake_close(w->transport, &to);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 0);
	assert_int_equal(w->why, ERR_CLOSED);
	assert_int_equal(w->done_at_close, 1); /* the transactions first, then the user */
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void nict_on_a_connection_that_is_gone(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:40000");

	fake_close(w->transport, &to);
	start(w, &to); /* done is not called from within */
	fake_advance(w->loop, 0);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_CLOSED);
	assert_silence(w);
}

static void nict_responses_must_match(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to), other = s;

	respond(w, &to, &s, 200, "OPTIONS"); /* 17.1.3: the method of CSeq, too */
	snprintf(other.branch, sizeof(other.branch), "z9hG4bKnobody");
	respond(w, &to, &other, 200, "NOTIFY");
	assert_int_equal(w->done, 0);
	respond(w, &to, &s, 200, "NOTIFY");
	assert_int_equal(w->done, 1);
}

static void nict_forgotten_goes_on_in_silence(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);

	tx_forget(w->layer, s.id);
	fake_advance(w->loop, 500);
	assert_copies(w, 2);
	respond(w, &to, &s, 200, "NOTIFY");
	assert_int_equal(w->done, 0);
	fake_advance(w->loop, TX_T4_MS);
	assert_int_equal(tx_count(w->layer), 0);
}

/* RFC 3261 18.4: an ICMP error ends it, if it is about this very datagram and nobody has answered. */
static void nict_refused_by_icmp_fails_at_once(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);
	struct buf quoted = {0};

	buf_addf(&quoted, "NOTIFY sip:b;branch=x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s;rport\r\nFro",
		 s.branch);
	fake_refuse(w->transport, "192.0.2.5:5070", buf_slice(&quoted));
	fake_refuse(w->transport, "192.0.2.4:5071", buf_slice(&quoted));
	fake_refuse(w->transport, "192.0.2.4:5070", S("NOTIFY sip:b"));
	fake_refuse(w->transport, "192.0.2.4:5070", S("NOTIFY sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch="));
	fake_refuse(w->transport, "192.0.2.4:5070", SLICE_NONE);
	assert_int_equal(w->done, 0);
	fake_refuse(w->transport, "192.0.2.4:5070", buf_slice(&quoted));
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_IO);
	assert_int_equal(tx_count(w->layer), 0);
	buf_free(&quoted);
}

static void nict_refused_by_icmp_after_an_answer_goes_on(void **state)
{
	struct world *w = *state;
	struct flow to = fake_udp("192.0.2.4:5070");
	struct sent s = start(w, &to);
	struct buf quoted = {0};

	buf_addf(&quoted, "NOTIFY sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\n", s.branch);
	respond(w, &to, &s, 100, "NOTIFY");
	fake_refuse(w->transport, "192.0.2.4:5070", buf_slice(&quoted));
	assert_int_equal(w->done, 0);
	respond(w, &to, &s, 200, "NOTIFY");
	fake_refuse(w->transport, "192.0.2.4:5070", buf_slice(&quoted));
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 200);
	buf_free(&quoted);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nict_refused_by_icmp_fails_at_once),
		T(nict_refused_by_icmp_after_an_answer_goes_on),
		T(nict_retransmits_at_t1_doubling_up_to_t2),
		T(nict_proceeding_retransmits_every_t2),
		T(nict_unasked_waits_for_a_response),
		T(nict_final_from_trying),
		T(nict_final_from_proceeding),
		T(nict_on_a_connection_neither_retransmits_nor_lingers),
		T(nict_timer_f_on_a_connection),
		T(nict_ends_with_its_connection),
		T(nict_on_a_connection_that_is_gone),
		T(nict_responses_must_match),
		T(nict_forgotten_goes_on_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
