#include "tests/test.h"

#include "sip/message/limits.h"
#include "tests/scenario/proxy_scene.h"

/* The proxy, RFC 3261 16, between users of example.com and strangers, step by step. */

/* --- 16.3 --- */

static void step_16_3_validation(void **state)
{
	struct scene *s = *state;

	say(s, &s->eve, (struct req){.hops = 1});
	expect(s, &s->eve, 483);
	say(s, &s->eve, (struct req){.headers = "Proxy-Require: a, b\r\n"});
	expect(s, &s->eve, 420);
	say(s, &s->eve, (struct req){.uri = "tel:+1"});
	expect(s, &s->eve, 416);
	say(s, &s->eve, (struct req){.headers = "Route: <sip:a@b\r\n"});
	expect(s, &s->eve, 400);
	silence(s);
}

/* --- 16.5 --- */

static void step_16_5_targets(void **state)
{
	struct scene *s = *state;

	say(s, &s->eve, (struct req){.uri = "sip:nobody@example.com"});
	expect(s, &s->eve, 404);
	say(s, &s->eve, (struct req){.uri = "sip:alice@example.com"});
	expect(s, &s->eve, 480);
	silence(s);
}

/* 16.6: what changes, and that nothing else does. */
static void step_16_6_what_is_forwarded(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.hops = 9});
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_true(slice_eq(m->uri_text, S(PHONE1)));
	assert_int_equal(msg_vias(m), 2);
	assert_true(has(m, HDR_MAX_FORWARDS, "7"));
	assert_true(slice_eq(m->body, S("hi")));
	assert_true(slice_find(m->raw, S("\r\nX-Odd :  Kept, as it  is\r\n"), 0) < m->raw.n);
	assert_true(slice_find(m->raw, S(";received=192.0.2.66;rport=5060"), 0) < m->raw.n);
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 0);
	reply(s, &s->phone1, m, 200, "X-Odd2: y\r\n");
	msg_unref(m);
	m = answered(s, &s->eve, 200);
	assert_int_equal(msg_vias(m), 1);
	assert_true(slice_find(m->raw, S("\r\nX-Odd2: y\r\n"), 0) < m->raw.n);
	msg_unref(m);
	silence(s);
	assert_int_equal(proxy_count(s->w->site->proxy), 0);
}

/* RFC 5630 5.3: never from sips to sip; TLS-09. The other way round is an improvement. */
static void sips_stays_sips(void **state)
{
	struct scene *s = *state;
	struct flow tls = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.12:40000");
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.uri = "sips:bob@example.com"});
	expect(s, &s->eve, 480);
	put(s, &s->phone1, "*");
	put(s, &tls, "<sips:bob@192.0.2.12:40000>");
	say(s, &s->eve, (struct req){.uri = "sips:bob@example.com"});
	m = asked(s, &tls, METHOD_MESSAGE);
	assert_true(slice_eq(m->uri_text, S("sips:bob@192.0.2.12:40000")));
	msg_unref(m);
	silence(s);
}

/* RFC 4475 3.3.14: a Contact may carry header fields; a Request-URI may not. */
static void no_header_fields_in_the_request_uri(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	put(s, &s->phone1, "*");
	put(s, &s->phone1, "<" PHONE1 "?Route=%3Csip:192.0.2.99%3E>");
	say(s, &s->eve, (struct req){0});
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_true(slice_eq(m->uri_text, S(PHONE1)));
	assert_int_equal(msg_count(m, HDR_ROUTE), 0);
	msg_unref(m);
	silence(s);
}

/* 16.6 4: the topmost Record-Route is ours, also when others stand above the Vias. */
static void step_16_6_record_route_is_the_first(void **state)
{
	struct scene *s = *state;
	struct buf out = {0};
	struct sip_msg *m;

	buf_adds(&out, "INVITE sip:bob@example.com SIP/2.0\r\nRecord-Route: <sip:other.example;lr>\r\n"
		       "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKrr;rport\r\nFrom: " EVE "\r\n"
		       "To: <sip:bob@example.com>\r\nCall-ID: rr\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
	fake_inject(s->w->site->transport, &s->eve, buf_slice(&out));
	m = asked(s, &s->phone1, METHOD_INVITE);
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 2);
	assert_true(has(m, HDR_RECORD_ROUTE, "<sip:rr-"));
	msg_unref(m);
	buf_free(&out);
}

/* --- no relay (G16) --- */

static void strangers_reach_nobody_else(void **state)
{
	static const struct req tries[] = {
		{.uri = "sip:x@192.0.2.99"},
		{.uri = "sip:x@192.0.2.99", .to = "<sip:bob@example.com>;tag=b"},
		{.headers = "Route: <sip:192.0.2.99;lr>\r\n"},
		{.headers = "Route: <sip:example.com;lr>, <sip:192.0.2.99;lr>\r\n"},
		{.uri = "sip:x@192.0.2.99", .headers = "Route: <sip:example.com;lr>\r\n"},
		{.uri = "sip:x@192.0.2.99",
		 .to = "<sip:bob@example.com>;tag=b",
		 .headers = "Route: <sip:rr-AAAAAAAAAAAAAAAAAAAA@192.0.2.1;lr>\r\n"},
		{.uri = "sip:rr-AAAAAAAAAAAAAAAAAAAA@192.0.2.1", .headers = "Route: <sip:x@192.0.2.99>\r\n"},
		{.method = "INVITE", .uri = "sip:x@192.0.2.99"},
		{.method = "FOO", .uri = "sip:x@192.0.2.99"},
	};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		say(s, &s->eve, tries[i]);
		expect(s, &s->eve, 403);
		silence(s);
	}
	say(s, &s->eve, (struct req){.method = "ACK", .uri = "sip:x@192.0.2.99", .to = "<sip:x@b.example>;tag=b"});
	silence(s);
}

static void who_claims_to_be_ours_proves_it(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.from = ALICE});
	expect(s, &s->eve, 407);
	say_as_alice(s, &s->alice, (struct req){.from = "<sip:bob@example.com>;tag=z"});
	expect(s, &s->alice, 403);
	say_as_alice(s, &s->alice, (struct req){.uri = "sip:x@192.0.2.99:5070", .to = "<sip:x@192.0.2.99>"});
	m = next(s, NULL);
	assert_true(m != NULL && m->request && slice_eq(m->uri_text, S("sip:x@192.0.2.99:5070")));
	/* The digest has done its work. */
	assert_int_equal(msg_count(m, HDR_PROXY_AUTHORIZATION), 0);
	msg_unref(m);
}

/* What is added must leave a request that is read again for its CANCEL and ACK. */
static void no_room_for_our_header_fields(void **state)
{
	struct scene *s = *state;
	struct buf out = {0};

	buf_adds(&out,
		 "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKfull;rport\r\n");
	for (unsigned i = 0; i < SIP_HEADERS_MAX - 5; i++)
		buf_adds(&out, "X: y\r\n");
	buf_adds(&out, "From: " EVE "\r\nTo: <sip:bob@example.com>\r\nCall-ID: full\r\nCSeq: 1 INVITE\r\n\r\n");
	fake_inject(s->w->site->transport, &s->eve, buf_slice(&out));
	expect(s, &s->eve, 400);
	silence(s);
	buf_free(&out);
}

/* --- loops, RFC 5393 --- */

static void loops_are_refused_and_spirals_are_not(void **state)
{
	struct scene *s = *state;
	struct buf vias = {0};
	struct sip_msg *m;

	say(s, &s->eve, (struct req){0});
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	buf_add(&vias, S("Via: "));
	buf_add(&vias, m->via.text);
	buf_add(&vias, S("\r\n"));
	msg_unref(m);
	/* It comes back as it was: a loop. */
	say(s, &s->eve, (struct req){.headers = vias.p});
	expect(s, &s->eve, 482);
	/* With another Request-URI it is a spiral. */
	put(s, &s->phone2, "<" PHONE2 ">");
	say(s, &s->eve, (struct req){.uri = "sip:bob@example.com;x=1", .headers = vias.p});
	m = next(s, NULL);
	assert_true(m != NULL && m->request);
	msg_unref(m);
	buf_free(&vias);
}

static void max_breadth_is_shared_out(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	put(s, &s->phone2, "<" PHONE2 ">");
	say(s, &s->eve, (struct req){.headers = "Max-Breadth: 5\r\n"});
	m = asked(s, &s->phone2, METHOD_MESSAGE);
	assert_true(has(m, HDR_MAX_BREADTH, "2"));
	msg_unref(m);
	msg_unref(asked(s, &s->phone1, METHOD_MESSAGE));
	say(s, &s->eve, (struct req){.headers = "Max-Breadth: 1\r\n", .call_id = "narrow"});
	expect(s, &s->eve, 440);
	silence(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(step_16_3_validation),
		T(step_16_5_targets),
		T(step_16_6_what_is_forwarded),
		T(sips_stays_sips),
		T(no_header_fields_in_the_request_uri),
		T(step_16_6_record_route_is_the_first),
		T(strangers_reach_nobody_else),
		T(who_claims_to_be_ours_proves_it),
		T(no_room_for_our_header_fields),
		T(loops_are_refused_and_spirals_are_not),
		T(max_breadth_is_shared_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
