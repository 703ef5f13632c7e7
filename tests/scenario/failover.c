#include "tests/test.h"

#include "tests/scenario/proxy_scene.h"

/*
 * RFC 3263 4.3, RFC 3261 16.9: the next hop when one is down or says 503, each by a client transaction of its own,
 * while the sender sees one answer; and Route to strict routers (16.6 6) and to sips (16.6 7).
 */

#define CAROL "sip:carol@two.example"

struct out {
	struct scene *s;
	struct flow alice, first, second;
	const char *method;
};

static int out_begin(void **state)
{
	struct out *o = mem_alloc(sizeof(*o));
	void *scene;

	begin(&scene);
	o->s = scene;
	o->alice = fake_stream(o->s->w->site->transport, PROTO_TCP, "192.0.2.5:40000");
	o->first = fake_udp("192.0.2.70:5060");
	o->second = fake_udp("192.0.2.71:5060");
	*state = o;
	return 0;
}

static int out_end(void **state)
{
	struct out *o = *state;
	void *scene = o->s;

	assert_int_equal(proxy_count(o->s->w->site->proxy), 0);
	mem_free(o);
	return end(&scene);
}

/* Alice's request to Carol, as it comes to the first hop. */
static struct sip_msg *call(struct out *o, const char *method, const char *headers)
{
	o->method = method;
	say_as_alice(o->s, &o->alice,
		     (struct req){.method = method, .uri = CAROL, .to = "<" CAROL ">", .headers = headers});
	return asked(o->s, &o->first, method_of(slice_str(method)));
}

/* The same request at the second hop, behind copies to the first: another branch, and nothing else is other. */
static struct sip_msg *at_second(struct out *o, struct sip_msg *before)
{
	struct flow to;
	struct sip_msg *m = next(o->s, &to);

	while (m != NULL && flow_same(&to, &o->first)) {
		assert_true(slice_eq(m->raw, before->raw));
		msg_unref(m);
		m = next(o->s, &to);
	}
	assert_true(m != NULL && m->request && m->method == before->method && flow_same(&to, &o->second));
	assert_false(slice_eq(m->via.branch, before->via.branch));
	assert_true(slice_eq(m->uri_text, before->uri_text));
	assert_true(slice_eq(m->call_id, before->call_id) && m->cseq == before->cseq);
	assert_true(slice_eq(m->body, before->body));
	msg_unref(before);
	return m;
}

static void expect_ack(struct out *o, const struct flow *f)
{
	msg_unref(asked(o->s, f, METHOD_ACK));
}

/* All that was sent; the status of the last response among it, 0: there is none. */
static unsigned drain(struct out *o)
{
	unsigned code = 0;
	struct sip_msg *m;

	while ((m = next(o->s, NULL)) != NULL) {
		code = m->request ? code : m->status;
		msg_unref(m);
	}
	return code;
}

static void is_done(struct out *o, struct sip_msg *m, unsigned code)
{
	reply(o->s, &o->second, m, code, NULL);
	if (m->method == METHOD_INVITE && code >= 300)
		expect_ack(o, &o->second);
	expect(o->s, &o->alice, code);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
	msg_unref(m);
	silence(o->s);
}

static void after_503(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "MESSAGE", NULL);

	reply(o->s, &o->first, m, 503, "Retry-After: 60\r\n");
	is_done(o, at_second(o, m), 200);
	m = call(o, "INVITE", NULL);
	reply(o->s, &o->first, m, 503, NULL);
	expect_ack(o, &o->first);
	m = at_second(o, m);
	reply(o->s, &o->second, m, 180, NULL);
	expect(o->s, &o->alice, 180);
	is_done(o, m, 200);
}

/* Any other final response is one (16.7), and no reason to ask elsewhere. */
static void not_after_other_answers(void **state)
{
	static const unsigned codes[] = {200, 302, 404, 486, 500, 504, 603};
	struct out *o = *state;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct sip_msg *m = call(o, "MESSAGE", NULL);

		reply(o->s, &o->first, m, codes[i], NULL);
		expect(o->s, &o->alice, codes[i]);
		silence(o->s);
		msg_unref(m);
	}
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
}

static void after_silence(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "MESSAGE", NULL);

	fake_advance(o->s->w->loop, 64 * TX_T1_MS);
	is_done(o, at_second(o, m), 202);
	m = call(o, "INVITE", NULL);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS);
	expect(o->s, &o->alice, 100); /* 17.2.1: nothing was said for 200 ms */
	is_done(o, at_second(o, m), 486);
}

/* 18.4: an ICMP error is a failure at once. */
static void after_a_refusal(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "INVITE", NULL);

	fake_refuse(o->s->w->site->transport, "192.0.2.70:5060", m->raw);
	is_done(o, at_second(o, m), 486);
	m = call(o, "MESSAGE", NULL);
	fake_refuse(o->s->w->site->transport, "192.0.2.70:5060", m->raw);
	is_done(o, at_second(o, m), 200);
}

/* A connection that cannot be made, or ends before anything was said over it. */
static void after_a_lost_connection(void **state)
{
	static const char *const methods[] = {"MESSAGE", "INVITE"};
	struct out *o = *state;
	struct transport *t = o->s->w->site->transport;

	for (unsigned i = 0; i < 4; i++) {
		struct req r = {.method = methods[i / 2], .uri = "sip:carol@tcp.example", .to = "<" CAROL ">"};
		struct flow to;
		struct sip_msg *m;

		fake_connect_error(t, i % 2 == 0 ? ERR_OK : ERR_IO);
		say_as_alice(o->s, &o->alice, r);
		fake_connect_error(t, ERR_OK);
		if (i % 2 == 0) {
			m = next(o->s, &to);
			assert_true(m != NULL && m->request && to.proto == PROTO_TCP);
			fake_close(t, &to);
			m = at_second(o, m);
		} else {
			m = asked(o->s, &o->second, method_of(slice_str(r.method)));
		}
		is_done(o, m, 486);
	}
}

/* Who has said something is there: what he does not say later is his affair. */
static void not_after_a_provisional(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "INVITE", NULL);

	reply(o->s, &o->first, m, 180, NULL);
	expect(o->s, &o->alice, 180);
	fake_refuse(o->s->w->site->transport, "192.0.2.70:5060", m->raw);
	silence(o->s);
	reply(o->s, &o->first, m, 200, NULL);
	expect(o->s, &o->alice, 200);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
	msg_unref(m);
}

/* The CANCEL goes to the hop that is being asked. */
static void cancelled_at_the_second(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "INVITE", NULL), *cancel;
	char branch[32];

	snprintf(branch, sizeof(branch), "z9hG4bKx%u", o->s->calls); /* of her INVITE */
	reply(o->s, &o->first, m, 503, NULL);
	expect_ack(o, &o->first);
	m = at_second(o, m);
	reply(o->s, &o->second, m, 180, NULL);
	expect(o->s, &o->alice, 180);
	say(o->s, &o->alice,
	    (struct req){
		    .method = "CANCEL", .uri = CAROL, .from = ALICE, .to = "<" CAROL ">", .branch = branch, .cseq = 2});
	expect(o->s, &o->alice, 200);
	cancel = asked(o->s, &o->second, METHOD_CANCEL);
	assert_true(slice_eq(cancel->via.branch, m->via.branch));
	reply(o->s, &o->second, cancel, 200, NULL);
	msg_unref(cancel);
	reply(o->s, &o->second, m, 487, NULL);
	expect_ack(o, &o->second);
	expect(o->s, &o->alice, 487);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
	drain(o);
	msg_unref(m);
}

/* 16.7 6: the 503 of the last one is not ours. RFC 4320 4.2: of silence non-INVITE hears nothing. */
static void all_are_down(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "MESSAGE", NULL);

	reply(o->s, &o->first, m, 503, NULL);
	m = at_second(o, m);
	reply(o->s, &o->second, m, 503, NULL);
	expect(o->s, &o->alice, 500);
	msg_unref(m);
	msg_unref(call(o, "MESSAGE", NULL));
	fake_advance(o->s->w->loop, 2 * 64 * TX_T1_MS + 1);
	assert_int_equal(drain(o), 0);
	msg_unref(call(o, "INVITE", NULL));
	fake_advance(o->s->w->loop, 2 * 64 * TX_T1_MS + 1);
	assert_int_equal(drain(o), 408);
}

/* --- 16.6 6: a strict router is behind us --- */

static void strict_router_behind_us(void **state)
{
	struct out *o = *state;
	struct sip_msg *m =
		call(o, "MESSAGE", "Route: <sip:two.example>, <sip:three.example;lr>, <sip:four.example>\r\n");

	/* Its URI in the Request-URI, what was there behind all Routes. */
	assert_true(slice_eq(m->uri_text, S("sip:two.example")));
	assert_true(slice_eq(msg_value(m, HDR_ROUTE), S("<sip:three.example;lr>, <sip:four.example>, <" CAROL ">")));
	assert_int_equal(msg_count(m, HDR_ROUTE), 1);
	reply(o->s, &o->first, m, 200, NULL);
	expect(o->s, &o->alice, 200);
	msg_unref(m);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
}

static void loose_router_behind_us(void **state)
{
	struct out *o = *state;
	struct sip_msg *m = call(o, "MESSAGE", "Route: <sip:two.example;lr>, <sip:three.example>\r\n");

	assert_true(slice_eq(m->uri_text, S(CAROL)));
	assert_true(slice_eq(msg_value(m, HDR_ROUTE), S("<sip:two.example;lr>, <sip:three.example>")));
	reply(o->s, &o->first, m, 200, NULL);
	expect(o->s, &o->alice, 200);
	msg_unref(m);
	fake_advance(o->s->w->loop, 64 * TX_T1_MS + 1);
}

/* 16.6 7: a sips Request-URI goes by TLS, whatever the Route is. These hops have UDP only. */
static void sips_is_not_sent_in_the_clear(void **state)
{
	struct out *o = *state;

	say_as_alice(o->s, &o->alice,
		     (struct req){.uri = "sips:carol@two.example",
				  .to = "<sips:carol@two.example>",
				  .headers = "Route: <sip:two.example;lr>\r\n"});
	assert_in_range(drain(o), 400, 599);
}

#define T(name) cmocka_unit_test_setup_teardown(name, out_begin, out_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(after_503),
		T(not_after_other_answers),
		T(after_silence),
		T(after_a_refusal),
		T(after_a_lost_connection),
		T(not_after_a_provisional),
		T(cancelled_at_the_second),
		T(all_are_down),
		T(strict_router_behind_us),
		T(loose_router_behind_us),
		T(sips_is_not_sent_in_the_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
