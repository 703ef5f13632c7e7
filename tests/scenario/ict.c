#include "tests/test.h"

#include "tests/scenario/tx_world.h"

/* The INVITE client transaction, arrow by arrow (RFC 3261 Figure 5 with RFC 6026 7.2), ACK and CANCEL. */

struct sent {
	uint64_t id;
	char branch[64];
	struct flow flow;
};

static struct sent start(struct world *w, const struct flow *to)
{
	struct ask a = {"INVITE", NULL, "192.0.2.1:5060", "call-9", "us", "", 7};
	struct buf out = {0}, branch = {0};
	struct sent s = {.flow = *to};

	tx_branch(&branch);
	snprintf(s.branch, sizeof(s.branch), "%s", branch.p);
	a.branch = s.branch;
	out = request(a);
	s.id = tx_send(w->layer, to, &out, buf_slice(&branch), METHOD_INVITE, heard, w);
	fake_settle(w->loop);
	buf_free(&branch);
	return s;
}

static struct sent start_udp(struct world *w)
{
	struct flow to = fake_udp("192.0.2.4:5070");

	return start(w, &to);
}

static void respond(struct world *w, const struct sent *s, unsigned code, const char *tag, const char *method)
{
	struct buf out = {0};

	buf_addf(&out,
		 "SIP/2.0 %u X\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\nFrom: <sip:a@example.org>;tag=us\r\n"
		 "To: <sip:b@example.com>;tag=%s\r\nCall-ID: call-9\r\nCSeq: 7 %s\r\nContent-Length: 0\r\n\r\n",
		 code, s->branch, tag, method);
	fake_inject(w->transport, &s->flow, buf_slice(&out));
	buf_free(&out);
}

/* Takes what was sent, which must be n copies of a request of this method. */
static void copies(struct world *w, unsigned n, enum method method)
{
	assert_int_equal(fake_sent(w->transport), n);
	for (; n > 0; n--) {
		struct sip_msg *m = fake_next(w->transport, NULL);

		assert_true(m->request);
		assert_int_equal(m->method, method);
		msg_unref(m);
	}
}

/* --- Calling --- */

static void calling_repeats_with_timer_a_until_timer_b(void **state)
{
	struct world *w = *state;

	start_udp(w);
	for (unsigned ms = 500; ms <= 16000; ms *= 2) {
		copies(w, 1, METHOD_INVITE);
		fake_advance(w->loop, ms - 1);
		assert_silence(w);
		fake_advance(w->loop, 1);
	}
	copies(w, 1, METHOD_INVITE);
	assert_int_equal(w->done, 0);
	fake_advance(w->loop, 500); /* 32 s in all */
	assert_silence(w);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->status, 0);
	assert_int_equal(w->why, ERR_AGAIN);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

static void calling_repeats_nothing_on_a_connection(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:5060");

	start(w, &to);
	fake_advance(w->loop, 64 * TX_T1_MS);
	copies(w, 1, METHOD_INVITE);
	assert_int_equal(w->why, ERR_AGAIN);
}

static void calling_hears_that_the_connection_is_gone(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TLS, "192.0.2.4:5061");

	start(w, &to);
	fake_close(w->transport, &to);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_CLOSED);
	assert_int_equal(tx_count(w->layer), 0);
	start(w, &to); /* or was before */
	fake_advance(w->loop, 0);
	assert_int_equal(w->done, 2);
	assert_int_equal(w->why, ERR_CLOSED);
}

/* --- Proceeding --- */

static void proceeding_waits_without_end(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	copies(w, 1, METHOD_INVITE);
	respond(w, &s, 100, "t", "INVITE");
	assert_int_equal(w->done, 0); /* 100 is for this hop */
	fake_advance(w->loop, 600000);
	assert_silence(w);
	respond(w, &s, 180, "t", "INVITE");
	respond(w, &s, 180, "t", "INVITE");
	respond(w, &s, 183, "t", "INVITE");
	assert_int_equal(w->done, 3);
	assert_int_equal(w->status, 183);
}

/* --- Completed --- */

static void completed_acknowledges_each_copy(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);
	struct sip_msg *ack;

	copies(w, 1, METHOD_INVITE);
	respond(w, &s, 486, "busy", "INVITE");
	assert_int_equal(w->status, 486);
	ack = fake_next(w->transport, NULL);
	/* 17.1.1.3 */
	assert_int_equal(ack->method, METHOD_ACK);
	assert_true(slice_eq(ack->via.branch, slice_str(s.branch)));
	assert_true(slice_eq(ack->to_tag, S("busy")));
	assert_true(slice_eq(ack->from_tag, S("us")));
	assert_true(slice_eq(ack->call_id, S("call-9")));
	assert_int_equal(ack->cseq, 7);
	assert_int_equal(msg_vias(ack), 1);
	msg_unref(ack);
	respond(w, &s, 486, "busy", "INVITE");
	copies(w, 1, METHOD_ACK);
	respond(w, &s, 200, "late", "INVITE");
	respond(w, &s, 180, "late", "INVITE");
	assert_silence(w);
	assert_int_equal(w->done, 1);
	fake_advance(w->loop, 32000); /* Timer D */
	assert_int_equal(tx_count(w->layer), 0);
	respond(w, &s, 486, "busy", "INVITE");
	assert_silence(w);
}

static void completed_is_over_at_once_on_a_connection(void **state)
{
	struct world *w = *state;
	struct flow to = fake_stream(w->transport, PROTO_TCP, "192.0.2.4:5060");
	struct sent s = start(w, &to);

	copies(w, 1, METHOD_INVITE);
	respond(w, &s, 404, "t", "INVITE");
	copies(w, 1, METHOD_ACK);
	assert_int_equal(tx_count(w->layer), 0);
	assert_int_equal(fake_timers(w->loop), 0);
}

/* --- Accepted, RFC 6026 --- */

static void accepted_tells_every_2xx_for_timer_m(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	copies(w, 1, METHOD_INVITE);
	respond(w, &s, 180, "one", "INVITE");
	respond(w, &s, 200, "one", "INVITE");
	respond(w, &s, 200, "one", "INVITE");
	respond(w, &s, 200, "two", "INVITE");
	assert_int_equal(w->done, 4);
	respond(w, &s, 180, "three", "INVITE");
	respond(w, &s, 486, "three", "INVITE");
	assert_int_equal(w->done, 4);
	assert_silence(w); /* the ACK is for who made the call */
	fake_advance(w->loop, 64 * TX_T1_MS);
	assert_int_equal(tx_count(w->layer), 0);
	respond(w, &s, 200, "one", "INVITE");
	assert_int_equal(w->done, 4);
}

/* --- CANCEL, 9.1 --- */

static void cancel_waits_for_a_provisional_response(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);
	struct sip_msg *m;

	copies(w, 1, METHOD_INVITE);
	tx_cancel(w->layer, s.id, SLICE_NONE);
	tx_cancel(w->layer, s.id, SLICE_NONE);
	assert_silence(w);
	respond(w, &s, 100, "t", "INVITE");
	m = fake_next(w->transport, NULL);
	assert_int_equal(m->method, METHOD_CANCEL);
	assert_true(slice_eq(m->via.branch, slice_str(s.branch)));
	assert_int_equal(m->to_tag.n, 0);
	assert_int_equal(m->cseq, 7);
	msg_unref(m);
	respond(w, &s, 200, "t", "CANCEL"); /* is not the INVITE's */
	assert_int_equal(w->done, 0);
	respond(w, &s, 487, "t", "INVITE");
	assert_int_equal(w->status, 487);
	copies(w, 1, METHOD_ACK);
}

static void cancel_once_and_not_after_the_end(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	copies(w, 1, METHOD_INVITE);
	respond(w, &s, 180, "t", "INVITE");
	tx_cancel(w->layer, s.id, SLICE_NONE);
	tx_cancel(w->layer, s.id, SLICE_NONE);
	copies(w, 1, METHOD_CANCEL);
	respond(w, &s, 200, "t", "CANCEL");
	respond(w, &s, 200, "t", "INVITE"); /* they crossed */
	assert_int_equal(w->status, 200);
	tx_cancel(w->layer, s.id, SLICE_NONE);
	assert_silence(w);
}

static void cancel_of_one_that_failed_before_is_nothing(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	copies(w, 1, METHOD_INVITE);
	tx_cancel(w->layer, s.id, SLICE_NONE);
	respond(w, &s, 404, "t", "INVITE");
	copies(w, 1, METHOD_ACK);
	assert_int_equal(w->status, 404);
}

static void cancel_unheard_ends_after_64_t1(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	respond(w, &s, 180, "t", "INVITE");
	respond(w, &s, 180, "t", "INVITE");
	tx_cancel(w->layer, s.id, SLICE_NONE);
	fake_advance(w->loop, 64 * TX_T1_MS - 1);
	assert_int_equal(w->done, 2);
	fake_advance(w->loop, 1);
	assert_int_equal(w->done, 3);
	assert_int_equal(w->status, 0);
	assert_int_equal(w->why, ERR_AGAIN);
	while (fake_sent(w->transport) > 0)
		msg_unref(fake_next(w->transport, NULL));
}

static void forgotten_it_still_acknowledges(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);

	copies(w, 1, METHOD_INVITE);
	tx_forget(w->layer, s.id);
	respond(w, &s, 486, "t", "INVITE");
	copies(w, 1, METHOD_ACK);
	assert_int_equal(w->done, 0);
}

/* RFC 3261 18.4: an ICMP error ends it in Calling, and no later. */
static void refused_by_icmp(void **state)
{
	struct world *w = *state;
	struct sent s = start_udp(w);
	struct sip_msg *m = fake_next(w->transport, NULL);

	fake_refuse(w->transport, "192.0.2.4:5070", m->raw);
	msg_unref(m);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->why, ERR_IO);
	assert_int_equal(tx_count(w->layer), 0);
	s = start_udp(w);
	m = fake_next(w->transport, NULL);
	respond(w, &s, 180, "t", "INVITE");
	fake_refuse(w->transport, "192.0.2.4:5070", m->raw);
	msg_unref(m);
	assert_int_equal(w->done, 2);
	assert_int_equal(w->status, 180);
	respond(w, &s, 486, "t", "INVITE");
	assert_int_equal(w->status, 486);
	copies(w, 1, METHOD_ACK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_by_icmp),
		T(calling_repeats_with_timer_a_until_timer_b),
		T(calling_repeats_nothing_on_a_connection),
		T(calling_hears_that_the_connection_is_gone),
		T(proceeding_waits_without_end),
		T(completed_acknowledges_each_copy),
		T(completed_is_over_at_once_on_a_connection),
		T(accepted_tells_every_2xx_for_timer_m),
		T(cancel_waits_for_a_provisional_response),
		T(cancel_once_and_not_after_the_end),
		T(cancel_of_one_that_failed_before_is_nothing),
		T(cancel_unheard_ends_after_64_t1),
		T(forgotten_it_still_acknowledges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
