#include "tests/test.h"

#include "tests/scenario/proxy_scene.h"

/* Forks: which response goes back (16.7), timeouts (16.8), CANCEL (16.10), and who rings when. */

static void ring_both(struct scene *s, struct sip_msg *m[2])
{
	put(s, &s->phone2, "<" PHONE2 ">");
	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "fork", .headers = AS_LONG});
	m[1] = asked(s, &s->phone2, METHOD_INVITE); /* registered last */
	m[0] = asked(s, &s->phone1, METHOD_INVITE);
	silence(s);
	reply(s, &s->phone1, m[0], 180, NULL);
	expect(s, &s->eve, 180);
	reply(s, &s->phone2, m[1], 180, NULL);
	expect(s, &s->eve, 180);
}

static void drop_both(struct sip_msg *m[2])
{
	msg_unref(m[0]);
	msg_unref(m[1]);
}

static void the_first_2xx_ends_the_others(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m[2], *cancel;

	ring_both(s, m);
	reply(s, &s->phone1, m[0], 200, NULL);
	expect(s, &s->eve, 200);
	cancel = asked(s, &s->phone2, METHOD_CANCEL);
	assert_true(slice_eq(cancel->via.branch, m[1]->via.branch));
	assert_true(slice_eq(cancel->uri_text, m[1]->uri_text));
	reply(s, &s->phone2, cancel, 200, NULL);
	msg_unref(cancel);
	reply(s, &s->phone2, m[1], 487, NULL);
	msg_unref(asked(s, &s->phone2, METHOD_ACK));
	silence(s);
	/* RFC 6026: copies go through for 64*T1, and then no more. */
	reply(s, &s->phone1, m[0], 200, NULL);
	expect(s, &s->eve, 200);
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	reply(s, &s->phone1, m[0], 200, NULL);
	silence(s);
	assert_int_equal(proxy_count(s->w->site->proxy), 0);
	drop_both(m);
}

static void both_2xx_are_passed(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m[2];

	ring_both(s, m);
	reply(s, &s->phone1, m[0], 200, NULL);
	expect(s, &s->eve, 200);
	msg_unref(asked(s, &s->phone2, METHOD_CANCEL));
	reply(s, &s->phone2, m[1], 200, NULL);
	expect(s, &s->eve, 200);
	silence(s);
	drop_both(m);
}

static void the_best_failure_is_passed(void **state)
{
	static const struct {
		unsigned first, second, best;
	} rows[] = {{486, 404, 486}, {500, 486, 486}, {480, 486, 486}, {486, 302, 302},
		    {486, 401, 401}, {503, 503, 500}, {415, 486, 415}, {603, 486, 603}};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sip_msg *m[2];

		ring_both(s, m);
		reply(s, &s->phone1, m[0], rows[i].first, NULL);
		msg_unref(asked(s, &s->phone1, METHOD_ACK));
		if (rows[i].first >= 600) /* nobody else is to ring */
			msg_unref(asked(s, &s->phone2, METHOD_CANCEL));
		reply(s, &s->phone2, m[1], rows[i].second,
		      rows[i].second == 401 ? "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\"\r\n" : NULL);
		msg_unref(asked(s, &s->phone2, METHOD_ACK));
		expect(s, &s->eve, rows[i].best);
		say(s, &s->eve, (struct req){.method = "ACK", .call_id = "fork", .to = "<sip:bob@example.com>;tag=b"});
		fake_advance(s->w->loop, 64000);
		while (fake_sent(s->w->site->transport) > 0)
			msg_unref(next(s, NULL));
		drop_both(m);
	}
}

/* RFC 3261 22.1, DIG-10: what asks in our name is no challenge, and neither is a 401 without one; 486 is better. */
static void no_challenge_of_ours_decides(void **state)
{
	static const char *const theirs[] = {NULL, "WWW-Authenticate: Digest realm=\"EXAMPLE.com\", nonce=\"1\"\r\n",
					     "Proxy-Authenticate: Digest nonce=\"1\"\r\n"};
	struct scene *s = *state;

	for (size_t i = 0; i < 4 * COUNT(theirs); i++) {
		unsigned code = i % 2 != 0 ? 401 : 407;
		struct sip_msg *m[2], *r;

		ring_both(s, m);
		reply(s, &s->phone1, m[0], code, theirs[i / 4]);
		msg_unref(asked(s, &s->phone1, METHOD_ACK));
		reply(s, &s->phone2, m[1], (i & 2) != 0 ? 486 : code, (i & 2) != 0 ? NULL : theirs[i / 4]);
		msg_unref(asked(s, &s->phone2, METHOD_ACK));
		r = answered(s, &s->eve, (i & 2) != 0 ? 486 : 502);
		assert_int_equal(msg_count(r, HDR_WWW_AUTHENTICATE) + msg_count(r, HDR_PROXY_AUTHENTICATE), 0);
		msg_unref(r);
		say(s, &s->eve, (struct req){.method = "ACK", .call_id = "fork", .to = "<sip:bob@example.com>;tag=b"});
		fake_advance(s->w->loop, 64000);
		while (fake_sent(s->w->site->transport) > 0)
			msg_unref(next(s, NULL));
		drop_both(m);
	}
}

static void challenges_are_gathered(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m[2], *r;

	ring_both(s, m);
	reply(s, &s->phone1, m[0], 401, "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\"\r\n");
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	reply(s, &s->phone2, m[1], 407, "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\"\r\n");
	msg_unref(asked(s, &s->phone2, METHOD_ACK));
	r = answered(s, &s->eve, 401);
	assert_int_equal(msg_count(r, HDR_WWW_AUTHENTICATE), 1);
	assert_int_equal(msg_count(r, HDR_PROXY_AUTHENTICATE), 1);
	msg_unref(r);
	drop_both(m);
}

static void lower_q_rings_later(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	put(s, &s->phone2, "<" PHONE2 ">;q=0.5");
	say(s, &s->eve, (struct req){.method = "INVITE"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	silence(s);
	reply(s, &s->phone1, m, 486, NULL);
	msg_unref(m);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	m = asked(s, &s->phone2, METHOD_INVITE);
	silence(s);
	reply(s, &s->phone2, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->eve, 200);
}

/* RFC 3261 16.6: who does not answer in time makes way for those with a lower q; the last ones ring until Timer C. */
static void lower_q_rings_after_a_while(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m, *cancel, *second;

	put(s, &s->phone2, "<" PHONE2 ">;q=0.5");
	say(s, &s->eve, (struct req){.method = "INVITE", .headers = AS_LONG});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 180, NULL);
	expect(s, &s->eve, 180);
	fake_advance(s->w->loop, 15000);
	reply(s, &s->phone1, m, 180, NULL); /* does not start it anew */
	expect(s, &s->eve, 180);
	fake_advance(s->w->loop, 4999);
	silence(s);
	fake_advance(s->w->loop, 1);
	cancel = asked(s, &s->phone1, METHOD_CANCEL);
	second = asked(s, &s->phone2, METHOD_INVITE); /* nobody waits for what comes of the CANCEL */
	reply(s, &s->phone1, cancel, 200, NULL);
	msg_unref(cancel);
	silence(s);
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	reply(s, &s->phone2, second, 180, NULL);
	expect(s, &s->eve, 180);
	fake_advance(s->w->loop, 60000);
	silence(s);
	/* The 487 of the first was not the caller's doing. */
	reply(s, &s->phone2, second, 480, NULL);
	msg_unref(asked(s, &s->phone2, METHOD_ACK));
	expect(s, &s->eve, 408);
	msg_unref(m);
	msg_unref(second);
}

/* 16.7 3: a response without the Via of who asked goes nowhere; who asked is answered all the same. */
static void reply_without_via(struct scene *s, const struct flow *f, const struct sip_msg *m, unsigned code)
{
	struct buf out = {0};

	buf_addf(&out, "SIP/2.0 %u X\r\nVia: %.*s\r\nFrom: " EVE "\r\nTo: <sip:bob@example.com>;tag=b\r\n", code,
		 SLICE_ARG(m->via.text));
	buf_addf(&out, "Call-ID: %.*s\r\nCSeq: %u %.*s\r\nContent-Length: 0\r\n\r\n", SLICE_ARG(m->call_id), m->cseq,
		 SLICE_ARG(m->method_name));
	fake_inject(s->w->site->transport, f, buf_slice(&out));
	buf_free(&out);
}

static void what_cannot_be_passed_is_answered_here(void **state)
{
	static const unsigned codes[] = {200, 404, 401, 603};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct sip_msg *m;

		say(s, &s->eve, (struct req){0});
		m = asked(s, &s->phone1, METHOD_MESSAGE);
		reply_without_via(s, &s->phone1, m, codes[i]);
		msg_unref(m);
		expect(s, &s->eve, 502);
		say(s, &s->eve, (struct req){.method = "INVITE"});
		m = asked(s, &s->phone1, METHOD_INVITE);
		reply_without_via(s, &s->phone1, m, 180);
		silence(s);
		reply_without_via(s, &s->phone1, m, codes[i]);
		msg_unref(m);
		if (codes[i] >= 300)
			msg_unref(asked(s, &s->phone1, METHOD_ACK));
		expect(s, &s->eve, 502);
		silence(s);
	}
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	assert_int_equal(proxy_count(s->w->site->proxy), 0);
	assert_int_equal(tx_count(s->w->site->transactions), 0);
}

/* RFC 3261 16.7 3: a 2xx without the caller's Via is nobody's success: the other phone rings on, and its 200 counts. */
static void what_cannot_be_passed_ends_no_other_branch(void **state)
{
	static const unsigned codes[] = {200, 404, 603};
	struct scene *s = *state;
	struct sip_msg *a, *b;

	put(s, &s->phone2, "<" PHONE2 ">");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct flow to;

		say(s, &s->eve, (struct req){.method = "INVITE"});
		a = next(s, &to);
		b = next(s, &to);
		assert_true(a->request && b->request);
		reply(s, &to, b, 180, NULL);
		expect(s, &s->eve, 180);
		reply_without_via(s, &s->phone1, a, codes[i]);
		if (codes[i] >= 300)
			msg_unref(next(s, NULL)); /* the ACK */
		silence(s);
		reply_without_via(s, &s->phone1, a, codes[i]); /* once more, as a 2xx comes until its ACK */
		while (fake_sent(s->w->site->transport) > 0) {
			struct sip_msg *ack = next(s, NULL);

			assert_true(ack->request && ack->method == METHOD_ACK);
			msg_unref(ack);
		}
		reply(s, &to, b, 200, NULL);
		expect(s, &s->eve, 200);
		silence(s);
		msg_unref(a);
		msg_unref(b);
	}
}

/* RFC 5626 5.3: what a phone has said by one flow it is not asked again by another; 430 says that it was not asked. */
static void one_answer_of_each_instance(void **state)
{
	static const struct {
		unsigned code;
		bool again;
	} rows[] = {{486, false}, {404, false}, {408, true}, {430, true}};
	struct scene *s = *state;
	struct flow one = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40001");

	put(s, &s->phone1, "*");
	put_flow(s, &one, ";reg-id=1");
	put_flow(s, &two, ";reg-id=2");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sip_msg *m;
		char call_id[8];

		snprintf(call_id, sizeof(call_id), "i%zu", i);
		say(s, &s->eve, (struct req){.call_id = call_id});
		m = asked(s, &two, METHOD_MESSAGE);
		silence(s);
		reply(s, &two, m, rows[i].code, NULL);
		msg_unref(m);
		if (rows[i].again) {
			m = asked(s, &one, METHOD_MESSAGE);
			reply(s, &one, m, 200, NULL);
			msg_unref(m);
		}
		expect(s, &s->eve, rows[i].again ? 200 : rows[i].code);
		silence(s);
	}
}

/* RFC 5626 5.3: never two flows of one instance at a time, not even where q can get no lower. */
static void one_flow_of_each_instance_at_a_time(void **state)
{
	struct scene *s = *state;
	struct flow one = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40001");

	put(s, &s->phone1, "*");
	put_flow(s, &one, ";reg-id=1;q=0");
	put_flow(s, &two, ";reg-id=2;q=0");
	say(s, &s->eve, (struct req){0});
	msg_unref(asked(s, &two, METHOD_MESSAGE));
	silence(s);
}

/* --- 16.8, 16.10, timeouts --- */

static void cancel_goes_to_the_phones(void **state)
{
	struct scene *s = *state;
	const struct req invite = {.method = "INVITE", .branch = "z9hG4bKcc"},
			 cancel = {.method = "CANCEL", .branch = "z9hG4bKcc"};
	struct sip_msg *m;

	say(s, &s->eve, invite);
	m = asked(s, &s->phone1, METHOD_INVITE);
	say(s, &s->eve, cancel);
	expect(s, &s->eve, 200);
	expect(s, &s->eve, 487); /* a phone that has said nothing is not waited for */
	silence(s);              /* RFC 3261 9.1: no CANCEL before a provisional response */
	reply(s, &s->phone1, m, 100, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_CANCEL));
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	silence(s);
	msg_unref(m);
}

static void cancel_waits_for_a_phone_that_rings(void **state)
{
	struct scene *s = *state;
	const struct req invite = {.method = "INVITE", .branch = "z9hG4bKcr"},
			 cancel = {.method = "CANCEL", .branch = "z9hG4bKcr"};
	struct sip_msg *m;

	say(s, &s->eve, invite);
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 180, NULL);
	expect(s, &s->eve, 180);
	say(s, &s->eve, cancel);
	expect(s, &s->eve, 200);
	msg_unref(asked(s, &s->phone1, METHOD_CANCEL));
	silence(s);
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	expect(s, &s->eve, 487);
	msg_unref(m);
}

/* 16.8. A stranger over UDP, whose address may be forged, is told nothing on a timer (G14). */
static void timer_c_ends_ringing(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.66:5060");
	const struct flow *callers[] = {&s->eve, &tcp};

	for (unsigned i = 0; i < COUNT(callers); i++) {
		struct req invite = {.method = "INVITE", .call_id = i == 0 ? "udp" : "tcp"};
		struct sip_msg *m, *cancel;

		if (i == 0)
			invite.headers = AS_LONG;
		say(s, callers[i], invite);
		m = asked(s, &s->phone1, METHOD_INVITE);
		reply(s, &s->phone1, m, 180, NULL);
		expect(s, callers[i], 180);
		fake_advance(s->w->loop, 120000);
		reply(s, &s->phone1, m, 180, NULL); /* starts it anew */
		expect(s, callers[i], 180);
		fake_advance(s->w->loop, 180000);
		silence(s);
		fake_advance(s->w->loop, 1000);
		cancel = asked(s, &s->phone1, METHOD_CANCEL);
		reply(s, &s->phone1, cancel, 200, NULL);
		msg_unref(cancel);
		if (i == 1)
			expect(s, &tcp, 408);
		reply(s, &s->phone1, m, 487, NULL);
		msg_unref(asked(s, &s->phone1, METHOD_ACK));
		silence(s);
		msg_unref(m);
	}
}

static void nobody_answers(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.66:5060");
	unsigned code = 0;
	struct sip_msg *m;

	say(s, &s->eve, (struct req){0});
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	while ((m = next(s, NULL)) != NULL) {
		assert_true(m->request); /* RFC 4320 4.2: no 408 to non-INVITE */
		msg_unref(m);
	}
	assert_int_equal(proxy_count(s->w->site->proxy), 0);
	say(s, &tcp, (struct req){.method = "INVITE"});
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	while ((m = next(s, NULL)) != NULL) {
		if (!m->request)
			code = m->status;
		msg_unref(m);
	}
	assert_int_equal(code, 408);
}

/* RFC 3263 4.3 is for requests that are still wanted: not once another phone has answered. */
static void no_next_hop_once_it_is_over(void **state)
{
	struct scene *s = *state;
	struct buf large = {0};
	struct sip_msg *m[2], *ack;
	struct flow at[2];

	buf_adds(&large, "X-Large: ");
	for (unsigned i = 0; i < 1300; i++)
		buf_addc(&large, 'x');
	buf_adds(&large, "\r\n");
	put(s, &s->phone2, "<" PHONE2 ">");
	say(s, &s->eve, (struct req){.method = "INVITE", .headers = large.p});
	for (unsigned i = 0; i < 2; i++) {
		m[i] = next(s, &at[i]); /* over TCP, and UDP were next */
		assert_true(m[i] != NULL && m[i]->request && at[i].proto == PROTO_TCP);
	}
	reply(s, &at[0], m[0], 200, NULL);
	expect(s, &s->eve, 200);
	fake_close(s->w->site->transport, &at[1]);
	silence(s);
	drop_both(m);
	/* The same when it is a 6xx that ends it, and a 503 that the other says. */
	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "six", .headers = large.p});
	for (unsigned i = 0; i < 2; i++)
		m[i] = next(s, &at[i]);
	reply(s, &at[0], m[0], 603, NULL);
	ack = asked(s, &at[0], METHOD_ACK);
	msg_unref(ack);
	expect(s, &s->eve, 603);
	reply(s, &at[1], m[1], 503, NULL);
	ack = asked(s, &at[1], METHOD_ACK);
	msg_unref(ack);
	silence(s);
	drop_both(m);
	buf_free(&large);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_2xx_ends_the_others),
		T(both_2xx_are_passed),
		T(the_best_failure_is_passed),
		T(no_challenge_of_ours_decides),
		T(challenges_are_gathered),
		T(lower_q_rings_later),
		T(lower_q_rings_after_a_while),
		T(what_cannot_be_passed_is_answered_here),
		T(what_cannot_be_passed_ends_no_other_branch),
		T(one_answer_of_each_instance),
		T(one_flow_of_each_instance_at_a_time),
		T(cancel_goes_to_the_phones),
		T(cancel_waits_for_a_phone_that_rings),
		T(timer_c_ends_ringing),
		T(nobody_answers),
		T(no_next_hop_once_it_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
