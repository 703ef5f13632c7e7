#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

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
	assert_int_equal(proxy_count(s->w->proxy), 0);
}

/* RFC 5630 5.3: never from sips to sip; TLS-09. The other way round is an improvement. */
static void sips_stays_sips(void **state)
{
	struct scene *s = *state;
	struct flow tls = fake_stream(s->w->transport, PROTO_TLS, "192.0.2.12:40000");
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
	fake_inject(s->w->transport, &s->eve, buf_slice(&out));
	m = asked(s, &s->phone1, METHOD_INVITE);
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 2);
	assert_true(has(m, HDR_RECORD_ROUTE, "<sip:rr-"));
	msg_unref(m);
	buf_free(&out);
}

/* --- no relay (security.md F10, G16) --- */

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

/* --- dialogs --- */

/* A call from Alice to Bob's phone; the Route that Alice has then, as one header line. */
static void call(struct scene *s, struct buf *route)
{
	struct sip_msg *m;

	say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .call_id = "call"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 1);
	build_header(route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &s->alice, 200);
	silence(s);
}

#define IN_DIALOG(m, r, cs) \
	(struct req) \
	{ \
		.method = m, .uri = PHONE1, .from = ALICE, .to = "<sip:bob@example.com>;tag=b", .call_id = "call", \
		.headers = (r), .cseq = cs \
	}
#define OTHER_WAY(m, u, r, cs) \
	(struct req) \
	{ \
		.method = m, .uri = u, .from = "<sip:bob@example.com>;tag=b", .to = ALICE, .call_id = "call", \
		.headers = (r), .cseq = cs \
	}

static void record_route_leads_both_ways(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};
	struct sip_msg *m;

	call(s, &route);
	say(s, &s->alice, IN_DIALOG("ACK", route.p, 2));
	m = asked(s, &s->phone1, METHOD_ACK);
	assert_int_equal(msg_count(m, HDR_ROUTE), 0);
	assert_true(slice_eq(m->uri_text, S(PHONE1)));
	msg_unref(m);
	say(s, &s->phone1, OTHER_WAY("BYE", "sip:alice@192.0.2.5:5060", route.p, 1));
	m = asked(s, &s->alice, METHOD_BYE);
	reply(s, &s->alice, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->phone1, 200);
	silence(s);
	buf_free(&route);
}

static void record_route_opens_nothing_to_others(void **state)
{
	struct scene *s = *state;
	struct buf route = {0}, two = {0};

	call(s, &route);
	/* Somebody else with all of the dialog's tags: must prove to be Alice, and gets to Bob's phone only. */
	say(s, &s->eve, IN_DIALOG("BYE", route.p, 3));
	expect(s, &s->eve, 407);
	say(s, &s->eve, IN_DIALOG("ACK", route.p, 2));
	silence(s);
	/* In another dialog the token is none. */
	say(s, &s->eve,
	    (struct req){.uri = "sip:x@192.0.2.99", .to = "<sip:bob@example.com>;tag=b", .headers = route.p});
	expect(s, &s->eve, 403);
	/* Behind it nothing else is reached: the phone's flow is where it goes. */
	buf_add(&two, slice_sub(buf_slice(&route), 0, route.n - 2));
	buf_adds(&two, ", <sip:192.0.2.99;lr>\r\n");
	say(s, &s->alice, IN_DIALOG("INFO", two.p, 4));
	msg_unref(asked(s, &s->phone1, METHOD_INFO));
	silence(s);
	buf_free(&route);
	buf_free(&two);
}

/* 16.4: a strict router has put our entry into the Request-URI; the next one of Route is somebody else's and stays. */
static void a_strict_router_before_us_hides_no_proxy(void **state)
{
	struct scene *s = *state;
	struct buf token = {0}, headers = {0};
	struct flow alice = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.5:40000");
	struct slice user;
	struct sip_msg *m;
	struct addr a;

	say_as_alice(s, &alice, (struct req){.method = "INVITE", .uri = "sip:x@192.0.2.99", .call_id = "call"});
	m = next(s, NULL);
	assert_true(m != NULL && m->request);
	assert_int_equal(addr_parse(msg_value(m, HDR_RECORD_ROUTE), &a), ERR_OK);
	user = a.uri.user;
	buf_addf(&token, "sip:%.*s@192.0.2.1;lr", SLICE_ARG(user));
	msg_unref(m);
	buf_adds(&headers, "Route: <sip:192.0.2.98;lr>, <sip:x@192.0.2.99>\r\n");
	say(s, &alice,
	    (struct req){.method = "INFO",
			 .uri = token.p,
			 .from = ALICE,
			 .to = "<sip:x@192.0.2.99>;tag=b",
			 .call_id = "call",
			 .headers = headers.p,
			 .cseq = 5});
	m = next(s, NULL);
	assert_true(m != NULL && m->request && m->method == METHOD_INFO);
	assert_true(slice_eq(m->uri_text, S("sip:x@192.0.2.99")));
	assert_true(has(m, HDR_ROUTE, "<sip:192.0.2.98;lr>"));
	msg_unref(m);
	/* Our other entry of RFC 5658 does not. */
	buf_clear(&headers);
	buf_addf(&headers, "Route: <sip:%.*s@192.0.2.77;lr>, <sip:192.0.2.98;lr>, <sip:x@192.0.2.99>\r\n",
		 SLICE_ARG(slice_sub(buf_slice(&token), 4, slice_chr(buf_slice(&token), '@'))));
	say(s, &alice,
	    (struct req){.method = "INFO",
			 .uri = token.p,
			 .from = ALICE,
			 .to = "<sip:x@192.0.2.99>;tag=b",
			 .call_id = "call",
			 .headers = headers.p,
			 .cseq = 6});
	m = next(s, NULL);
	assert_true(m != NULL && m->request && has(m, HDR_ROUTE, "<sip:192.0.2.98;lr>"));
	msg_unref(m);
	buf_free(&token);
	buf_free(&headers);
}

/*
 * Out of the domain a UDP address alone is no proof: the other end of the dialog knows it, and the token. G16. A
 * connection is; an ACK cannot be challenged.
 */
static void the_way_out_needs_more_than_a_udp_address(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.5:40000");
	const struct flow *ways[] = {&s->alice, &tcp};

	for (unsigned i = 0; i < 2; i++) {
		struct req in_dialog = {.uri = "sip:x@192.0.2.99",
					.from = ALICE,
					.to = "<sip:x@192.0.2.99>;tag=x",
					.call_id = i == 0 ? "out" : "out2",
					.cseq = 9};
		struct flow there = fake_udp("192.0.2.99:5060");
		struct buf route = {0};
		struct sip_msg *m;

		say_as_alice(s, ways[i],
			     (struct req){.method = "INVITE",
					  .uri = "sip:x@192.0.2.99",
					  .to = "<sip:x@192.0.2.99>",
					  .call_id = in_dialog.call_id});
		m = asked(s, &there, METHOD_INVITE);
		build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
		reply(s, &there, m, 200, NULL);
		msg_unref(m);
		expect(s, ways[i], 200);
		in_dialog.headers = route.p;
		in_dialog.method = "ACK";
		say(s, ways[i], in_dialog);
		msg_unref(asked(s, &there, METHOD_ACK));
		in_dialog.method = "INFO";
		say(s, ways[i], in_dialog);
		if (i == 0)
			expect(s, ways[i], 407);
		else
			msg_unref(asked(s, &there, METHOD_INFO));
		silence(s);
		buf_free(&route);
	}
}

/* So many octets in one header field. */
static void add_large(struct buf *lines, unsigned octets)
{
	buf_adds(lines, "X-Large: ");
	for (unsigned i = 0; i < octets; i++)
		buf_addc(lines, 'x');
	buf_adds(lines, "\r\n");
}

/* A call as call(), but so large that it comes to Bob's UDP phone over TCP; that connection. */
static struct flow call_large(struct scene *s, struct buf *route)
{
	struct buf large = {0};
	struct sip_msg *m;
	struct flow tcp;

	add_large(&large, 1300);
	say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .call_id = "call", .headers = large.p});
	m = next(s, &tcp);
	assert_true(m != NULL && m->request && tcp.proto == PROTO_TCP);
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 1);
	assert_true(slice_find(msg_value(m, HDR_RECORD_ROUTE), S("transport="), 0) == msg_value(m, HDR_RECORD_ROUTE).n);
	build_header(route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &tcp, m, 200, "Contact: <" PHONE1 ">\r\n");
	msg_unref(m);
	expect(s, &s->alice, 200);
	buf_free(&large);
	return tcp;
}

/* RFC 3261 18.1.1: a connection that was made for the size of one request is nobody's way, and may end. */
static void the_connection_of_a_large_request_may_end(void **state)
{
	struct scene *s = *state;
	struct buf route = {0}, large = {0};
	struct flow tcp = call_large(s, &route), at;
	struct sip_msg *m;

	fake_close(s->w->transport, &tcp);
	say(s, &s->alice, IN_DIALOG("ACK", route.p, 2));
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	/* What is large goes over TCP again, and by UDP when there is none. */
	buf_add(&large, buf_slice(&route));
	add_large(&large, 1300);
	say(s, &s->alice, IN_DIALOG("INFO", large.p, 3));
	m = next(s, &at);
	assert_true(m != NULL && at.proto == PROTO_TCP && peer_same(&at.remote, &tcp.remote));
	msg_unref(m);
	fake_close(s->w->transport, &at);
	msg_unref(asked(s, &s->phone1, METHOD_INFO));
	say(s, &s->alice, IN_DIALOG("BYE", route.p, 4));
	m = asked(s, &s->phone1, METHOD_BYE);
	reply(s, &s->phone1, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->alice, 200);
	silence(s);
	buf_free(&route);
	buf_free(&large);
}

/* Bob's own requests are his by the address that the call went to, whatever he sends them by; others prove who they
 * are. */
static void an_address_speaks_for_its_end(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};
	struct flow tcp = call_large(s, &route), other = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.10:40000");
	const struct flow *his[] = {&s->phone1, &tcp}, *not_his[] = {&other, &s->phone2, &s->eve};

	for (unsigned i = 0; i < COUNT(his); i++) {
		say(s, his[i], OTHER_WAY("INFO", "sip:alice@192.0.2.5:5060", route.p, 1 + i));
		msg_unref(asked(s, &s->alice, METHOD_INFO));
	}
	for (unsigned i = 0; i < COUNT(not_his); i++) {
		say(s, not_his[i], OTHER_WAY("INFO", "sip:alice@192.0.2.5:5060", route.p, 5 + i));
		expect(s, not_his[i], 407);
	}
	silence(s);
	buf_free(&route);
}

/* G16: of a stranger, a token for an address opens that address and no other, whatever else he writes. */
static void an_address_in_the_token_opens_nothing_else(void **state)
{
	static const char *const uris[] = {"sip:x@192.0.2.99", "sips:x@192.0.2.99", "sip:x@192.0.2.10:9;transport=tcp",
					   "sip:x@name.example.net"};
	struct scene *s = *state;
	struct buf route = {0}, two = {0};
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "call"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &s->phone1, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->eve, 200);
	buf_add(&two, slice_sub(buf_slice(&route), 0, route.n - 2));
	buf_adds(&two, ", <sip:192.0.2.99;lr>\r\n");
	for (unsigned i = 0; i < 2 * COUNT(uris); i++) {
		say(s, &s->eve,
		    (struct req){.method = "INFO",
				 .uri = uris[i / 2],
				 .to = "<sip:bob@example.com>;tag=b",
				 .call_id = "call",
				 .headers = i % 2 == 0 ? route.p : two.p,
				 .cseq = 2 + i});
		msg_unref(asked(s, &s->phone1, METHOD_INFO));
	}
	silence(s);
	buf_free(&route);
	buf_free(&two);
}

/*
 * A user's own connection: who registers anew with the same Contact goes on with the call. RFC 5626 5.3: else it has
 * failed.
 */
static void a_call_goes_on_over_the_next_connection(void **state)
{
	struct scene *s = *state;
	struct flow one = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40001");
	struct req bye = {.method = "BYE", .uri = "sip:bob@10.1.1.1", .to = "<sip:bob@example.com>;tag=b", .cseq = 2};
	struct buf route = {0};
	struct sip_msg *m;

	put(s, &s->phone1, "*");
	put_flow(s, &one, ";reg-id=1");
	say(s, &s->eve, (struct req){.method = "INVITE"});
	m = asked(s, &one, METHOD_INVITE);
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &one, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->eve, 200);
	fake_close(s->w->transport, &one);
	bye.headers = route.p;
	say(s, &s->eve, bye);
	expect(s, &s->eve, 430);
	put_flow(s, &two, ";reg-id=1");
	bye.uri = "sip:x@192.0.2.99";
	bye.cseq++;
	say(s, &s->eve, bye);
	expect(s, &s->eve, 430);
	bye.uri = "sip:bob@10.1.1.1";
	bye.cseq++;
	say(s, &s->eve, bye);
	m = asked(s, &two, METHOD_BYE);
	reply(s, &two, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->eve, 200);
	silence(s);
	buf_free(&route);
}

/* RFC 3261 18.1.1 holds for the caller, too: his large INVITE has come over a connection that is no way to his phone.
 */
static void the_connection_of_a_large_request_of_ours_may_end(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.10:40000");
	struct buf route = {0};
	struct sip_msg *m;

	say_as(s, &tcp, "bob",
	       (struct req){.method = "INVITE",
			    .uri = "sip:x@192.0.2.66:5060",
			    .from = "<sip:bob@example.com>;tag=b",
			    .to = "<sip:eve@example.org>",
			    .call_id = "call"});
	m = asked(s, &s->eve, METHOD_INVITE);
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &s->eve, m, 200, NULL);
	msg_unref(m);
	expect(s, &tcp, 200);
	fake_close(s->w->transport, &tcp);
	say(s, &s->eve,
	    (struct req){.method = "BYE",
			 .uri = PHONE1,
			 .to = "<sip:bob@example.com>;tag=b",
			 .call_id = "call",
			 .headers = route.p});
	m = asked(s, &s->phone1, METHOD_BYE);
	reply(s, &s->phone1, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->eve, 200);
	silence(s);
	buf_free(&route);
}

/* RFC 3261 18.1.1 is about what is sent: digest credentials that stay here are no part of it, our own lines are. */
static void what_is_sent_decides_on_UDP(void **state)
{
	struct scene *s = *state;
	unsigned last = 0;

	for (unsigned octets = 300; octets < 1100; octets += 20) {
		struct buf lines = {0};
		struct sip_msg *m;
		struct flow to;
		char call_id[8];

		snprintf(call_id, sizeof(call_id), "%u", octets);
		add_large(&lines, octets);
		say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .call_id = call_id, .headers = lines.p});
		m = next(s, &to);
		assert_true(m != NULL && m->request);
		/* By TCP only what had no room, but for the few octets that differ by the way. */
		assert_true(to.proto == PROTO_UDP ? m->raw.n <= SIP_UDP_SAFE : m->raw.n > SIP_UDP_SAFE - 16);
		last = to.proto == PROTO_UDP ? octets : last;
		msg_unref(m);
		buf_free(&lines);
	}
	assert_in_range(last, 400, 1000);
}

/* --- responses, 16.7 --- */

static void ring_both(struct scene *s, struct sip_msg *m[2])
{
	put(s, &s->phone2, "<" PHONE2 ">");
	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "fork"});
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
	assert_int_equal(proxy_count(s->w->proxy), 0);
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
		reply(s, &s->phone2, m[1], rows[i].second, NULL);
		msg_unref(asked(s, &s->phone2, METHOD_ACK));
		expect(s, &s->eve, rows[i].best);
		say(s, &s->eve, (struct req){.method = "ACK", .call_id = "fork", .to = "<sip:bob@example.com>;tag=b"});
		fake_advance(s->w->loop, 64000);
		while (fake_sent(s->w->transport) > 0)
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
	say(s, &s->eve, (struct req){.method = "INVITE"});
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
	reply(s, &s->phone1, cancel, 200, NULL);
	msg_unref(cancel);
	silence(s);
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	second = asked(s, &s->phone2, METHOD_INVITE);
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
	fake_inject(s->w->transport, f, buf_slice(&out));
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
	assert_int_equal(proxy_count(s->w->proxy), 0);
	assert_int_equal(tx_count(s->w->layer), 0);
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
	struct flow one = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40001");

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
	struct flow one = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->transport, PROTO_TCP, "192.0.2.20:40001");

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
	silence(s); /* RFC 3261 9.1: not before a provisional response */
	reply(s, &s->phone1, m, 100, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_CANCEL));
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	expect(s, &s->eve, 487);
	msg_unref(m);
}

static void timer_c_ends_ringing(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.method = "INVITE"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 180, NULL);
	expect(s, &s->eve, 180);
	fake_advance(s->w->loop, 120000);
	reply(s, &s->phone1, m, 180, NULL); /* starts it anew */
	expect(s, &s->eve, 180);
	fake_advance(s->w->loop, 180000);
	silence(s);
	fake_advance(s->w->loop, 1000);
	msg_unref(asked(s, &s->phone1, METHOD_CANCEL));
	reply(s, &s->phone1, m, 487, NULL);
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	expect(s, &s->eve, 487);
	msg_unref(m);
}

static void nobody_answers(void **state)
{
	struct scene *s = *state;
	unsigned code = 0;
	struct sip_msg *m;

	say(s, &s->eve, (struct req){0});
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	while ((m = next(s, NULL)) != NULL) {
		assert_true(m->request); /* RFC 4320 4.2: no 408 to non-INVITE */
		msg_unref(m);
	}
	assert_int_equal(proxy_count(s->w->proxy), 0);
	say(s, &s->eve, (struct req){.method = "INVITE"});
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
	fake_close(s->w->transport, &at[1]);
	silence(s);
	drop_both(m);
	/* The same when it is a 6xx that ends it, and a 503 that the other says. */
	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "six", .headers = large.p});
	for (unsigned i = 0; i < 2; i++)
		m[i] = next(s, &at[i]);
	reply(s, &at[0], m[0], 603, NULL);
	ack = asked(s, &at[0], METHOD_ACK);
	msg_unref(ack);
	reply(s, &at[1], m[1], 503, NULL);
	ack = asked(s, &at[1], METHOD_ACK);
	msg_unref(ack);
	expect(s, &s->eve, 603);
	silence(s);
	drop_both(m);
	buf_free(&large);
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
	fake_inject(s->w->transport, &s->eve, buf_slice(&out));
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
		T(step_16_6_record_route_is_the_first),
		T(sips_stays_sips),
		T(no_header_fields_in_the_request_uri),
		T(strangers_reach_nobody_else),
		T(who_claims_to_be_ours_proves_it),
		T(record_route_leads_both_ways),
		T(record_route_opens_nothing_to_others),
		T(a_strict_router_before_us_hides_no_proxy),
		T(the_way_out_needs_more_than_a_udp_address),
		T(the_connection_of_a_large_request_may_end),
		T(an_address_speaks_for_its_end),
		T(an_address_in_the_token_opens_nothing_else),
		T(a_call_goes_on_over_the_next_connection),
		T(the_connection_of_a_large_request_of_ours_may_end),
		T(what_is_sent_decides_on_UDP),
		T(the_first_2xx_ends_the_others),
		T(both_2xx_are_passed),
		T(the_best_failure_is_passed),
		T(challenges_are_gathered),
		T(lower_q_rings_later),
		T(lower_q_rings_after_a_while),
		T(what_cannot_be_passed_is_answered_here),
		T(what_cannot_be_passed_ends_no_other_branch),
		T(one_answer_of_each_instance),
		T(one_flow_of_each_instance_at_a_time),
		T(cancel_goes_to_the_phones),
		T(timer_c_ends_ringing),
		T(nobody_answers),
		T(no_room_for_our_header_fields),
		T(no_next_hop_once_it_is_over),
		T(loops_are_refused_and_spirals_are_not),
		T(max_breadth_is_shared_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
