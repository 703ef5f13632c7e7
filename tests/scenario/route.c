#include "tests/test.h"

#include "sip/message/limits.h"
#include "tests/scenario/proxy_scene.h"

/* Dialogs through the proxy: where Record-Route (16.6 4) leads, and to whom it opens nothing. */

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

/* BYE of Bob's phone, which reaches Alice, or is judged as one of nobody. */
static bool still_leads(struct scene *s, const struct buf *route, unsigned cseq)
{
	struct sip_msg *m;
	bool leads;

	say(s, &s->phone1, OTHER_WAY("INFO", "sip:alice@192.0.2.5:5060", route->p, cseq));
	m = next(s, NULL);
	assert_non_null(m);
	leads = m->request;
	if (leads)
		reply(s, &s->alice, m, 200, NULL);
	msg_unref(m);
	while ((m = next(s, NULL)) != NULL)
		msg_unref(m);
	return leads;
}

static void pass_hours(struct scene *s, unsigned hours)
{
	struct sip_msg *m;

	for (unsigned i = 0; i < hours; i++)
		fake_advance(s->w->loop, 3600 * 1000);
	while ((m = next(s, NULL)) != NULL)
		msg_unref(m);
}

/* T-48: a day without a request of the dialog, and nobody is let in by it any more. */
static void a_dialog_ends_with_proxy_dialog_max(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};

	call(s, &route);
	pass_hours(s, 23);
	assert_true(still_leads(s, &route, 10));
	/* A call of three days, with something said each 20 hours. */
	for (unsigned i = 0; i < 3; i++) {
		pass_hours(s, 20);
		assert_true(still_leads(s, &route, 11 + i));
	}
	pass_hours(s, 24);
	fake_advance(s->w->loop, 1000);
	assert_false(still_leads(s, &route, 20));
	assert_false(still_leads(s, &route, 21));
	buf_free(&route);
}

/* Whoever has seen the token does not keep the dialog alive by what is refused. */
static void refused_requests_do_not_prolong_a_dialog(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};

	call(s, &route);
	for (unsigned i = 0; i < 3; i++) {
		pass_hours(s, 10);
		say(s, &s->eve, IN_DIALOG("INFO", route.p, 30 + i));
		expect(s, &s->eve, 407);
	}
	assert_false(still_leads(s, &route, 11));
	buf_free(&route);
}

/* digest.insecure = off holds for dialogs that began before it, too, and for the way that they began by. */
static void digest_insecure_off_in_a_dialog(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};

	call(s, &route);
	say(s, &s->alice, IN_DIALOG("INFO", route.p, 3));
	msg_unref(asked(s, &s->phone1, METHOD_INFO));
	s->w->settings.config.digest_insecure = false;
	say(s, &s->alice, IN_DIALOG("INFO", route.p, 4));
	expect(s, &s->alice, 403);
	say(s, &s->alice, IN_DIALOG("BYE", route.p, 5));
	expect(s, &s->alice, 403);
	say(s, &s->alice, IN_DIALOG("ACK", route.p, 2));
	silence(s);
	say(s, &s->phone1, OTHER_WAY("INFO", "sip:alice@192.0.2.5:5060", route.p, 12));
	expect(s, &s->phone1, 403);
	buf_free(&route);
}

static void a_dialog_of_which_nothing_was_heard_ends_too(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};

	call(s, &route);
	pass_hours(s, 24);
	fake_advance(s->w->loop, 16 * 1000); /* two of the steps in which tokens count */
	assert_false(still_leads(s, &route, 11));
	buf_free(&route);
}

/* G37: whoever sets the clock ends no call, and makes none immortal. */
static void setting_the_clock_ends_no_dialog(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};

	call(s, &route);
	fake_set_wall(s->w->loop, FAKE_START_S + INT64_C(10) * 365 * 86400);
	assert_true(still_leads(s, &route, 10));
	fake_set_wall(s->w->loop, FAKE_START_S - INT64_C(10) * 365 * 86400);
	assert_true(still_leads(s, &route, 11));
	pass_hours(s, 26);
	assert_false(still_leads(s, &route, 12));
	buf_free(&route);
}

/* Phones restart for a check-sync in any dialog; a stranger who calls sends no NOTIFY but what he was asked for. */
static void a_stranger_in_a_call_commands_no_phone(void **state)
{
	static const struct {
		const char *event;
		unsigned code; /* 0: it reaches the phone */
	} rows[] = {
		{"check-sync", 481}, {"resync;reboot=true", 481}, {"message-summary", 481}, {"", 481}, {"refer", 0}};
	struct scene *s = *state;
	struct buf headers = {0};
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "stranger"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	build_header(&headers, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &s->eve, 200);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf lines = {0};

		buf_add(&lines, buf_slice(&headers));
		if (rows[i].event[0] != '\0')
			buf_addf(&lines, "Event: %s\r\n", rows[i].event);
		say(s, &s->eve,
		    (struct req){.method = "NOTIFY",
				 .uri = PHONE1,
				 .to = "<sip:bob@example.com>;tag=b",
				 .call_id = "stranger",
				 .headers = lines.p,
				 .cseq = 10 + (unsigned)i});
		if (rows[i].code != 0) {
			expect(s, &s->eve, rows[i].code);
		} else {
			m = asked(s, &s->phone1, METHOD_NOTIFY);
			reply(s, &s->phone1, m, 200, NULL);
			msg_unref(m);
			expect(s, &s->eve, 200);
		}
		buf_free(&lines);
	}
	buf_free(&headers);
}

/* 16.4: a strict router has put our entry into the Request-URI; the next one of Route is somebody else's and stays. */
static void a_strict_router_before_us_hides_no_proxy(void **state)
{
	struct scene *s = *state;
	struct buf token = {0}, headers = {0};
	struct flow alice = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.5:40000");
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
	say_as_alice(s, &alice,
		     (struct req){.method = "INFO",
				  .uri = token.p,
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
	say_as_alice(s, &alice,
		     (struct req){.method = "INFO",
				  .uri = token.p,
				  .to = "<sip:x@192.0.2.99>;tag=b",
				  .call_id = "call",
				  .headers = headers.p,
				  .cseq = 11});
	m = next(s, NULL);
	assert_true(m != NULL && m->request && has(m, HDR_ROUTE, "<sip:192.0.2.98;lr>"));
	msg_unref(m);
	buf_free(&token);
	buf_free(&headers);
}

/*
 * Out of the domain a UDP address alone is no proof: the other end of the dialog knows it, and the token. G16. A
 * connection is, unless what goes out is signed (RFC 4474 5 step 2): that takes the digest of who is to vouch for it.
 * An ACK cannot be challenged.
 */
static void go_out(struct scene *s, const struct flow *way, const char *call_id, bool challenged)
{
	struct req in_dialog = {.uri = "sip:x@192.0.2.99",
				.from = ALICE,
				.to = "<sip:x@192.0.2.99>;tag=x",
				.call_id = call_id,
				.cseq = 9};
	struct flow there = fake_udp("192.0.2.99:5060");
	struct buf route = {0};
	struct sip_msg *m;

	say_as_alice(
		s, way,
		(struct req){
			.method = "INVITE", .uri = "sip:x@192.0.2.99", .to = "<sip:x@192.0.2.99>", .call_id = call_id});
	m = asked(s, &there, METHOD_INVITE);
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &there, m, 200, NULL);
	msg_unref(m);
	expect(s, way, 200);
	in_dialog.headers = route.p;
	in_dialog.method = "ACK";
	say(s, way, in_dialog);
	m = asked(s, &there, METHOD_ACK);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 0); /* AUT-09 */
	msg_unref(m);
	in_dialog.method = "INFO";
	if (challenged)
		say_as_alice(s, way, in_dialog);
	else
		say(s, way, in_dialog);
	m = asked(s, &there, METHOD_INFO);
	assert_int_equal(msg_count(m, HDR_IDENTITY), s->w->settings.config.identity_sign != SIGN_OFF);
	msg_unref(m);
	silence(s);
	buf_free(&route);
}

static void the_way_out_needs_more_than_a_connection(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.5:40000");

	go_out(s, &s->alice, "out", true);
	go_out(s, &tcp, "out2", true);
}

static void the_way_out_needs_more_than_a_udp_address(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.5:40000");

	go_out(s, &s->alice, "out", true);
	go_out(s, &tcp, "out2", false);
}

/*
 * Who was let into a dialog has its token for ever; but nobody speaks in it under the name of another one of ours
 * without his digest, from whichever end, nor begins with it what is no request of a dialog.
 */
static void under_another_name_of_ours_the_digest_is_asked_for(void **state)
{
	static const char *const others[] = {"<sip:alice@example.com>;tag=e",
					     "\"Boss\" <sip:ALICE@Example.com.>;tag=e"};
	struct scene *s = *state;
	struct req r = {.method = "MESSAGE", .uri = PHONE1, .to = "<sip:bob@example.com>;tag=b", .call_id = "call"};
	struct buf route = {0};
	struct sip_msg *m;

	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "call"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &s->eve, 200);
	r.headers = route.p;
	r.cseq = 2;
	say(s, &s->eve, r);
	msg_unref(asked(s, &s->phone1, METHOD_MESSAGE));
	for (size_t i = 0; i < COUNT(others); i++) {
		r.from = others[i];
		r.cseq++;
		say(s, &s->eve, r);
		expect(s, &s->eve, 407);
	}
	/* Without a To tag it is a new request, with a Request-URI that is not ours. */
	r.from = EVE;
	r.to = "<sip:bob@example.com>";
	r.method = "INVITE";
	r.cseq++;
	say(s, &s->phone2, r);
	expect(s, &s->phone2, 403);
	silence(s);
	/* Nor does a user of ours speak as another one. */
	buf_clear(&route);
	say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .call_id = "local"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &s->alice, 200);
	r = (struct req){.method = "MESSAGE",
			 .uri = PHONE1,
			 .from = "<sip:carol@example.com>;tag=a",
			 .to = "<sip:bob@example.com>;tag=b",
			 .call_id = "local",
			 .headers = route.p,
			 .cseq = 9};
	say(s, &s->alice, r);
	expect(s, &s->alice, 407);
	r.from = ALICE;
	say(s, &s->alice, r);
	msg_unref(asked(s, &s->phone1, METHOD_MESSAGE));
	silence(s);
	buf_free(&route);
}

/* Another domain has sent its user's call on to Bob, whose From is that user now: he can hang up all the same. */
static void the_callee_of_a_call_that_was_sent_on(void **state)
{
	struct scene *s = *state;
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.10:41000");
	struct flow there = fake_udp("192.0.2.66:5060");
	struct buf route = {0};
	struct sip_msg *m;

	put(s, &s->phone1, "*");
	put_flow(s, &tcp, "");
	say(s, &s->eve, (struct req){.method = "INVITE", .to = "<sip:carol@example.net>", .call_id = "on"});
	m = asked(s, &tcp, METHOD_INVITE);
	reply(s, &tcp, m, 200, "Contact: <sip:bob@10.1.1.1>\r\n");
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &s->eve, 200);
	say(s, &tcp,
	    (struct req){.method = "BYE",
			 .uri = "sip:eve@192.0.2.66",
			 .from = "<sip:carol@example.net>;tag=b",
			 .to = EVE,
			 .call_id = "on",
			 .headers = route.p});
	m = asked(s, &there, METHOD_BYE);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 0);
	msg_unref(m);
	silence(s);
	buf_free(&route);
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

	fake_close(s->w->site->transport, &tcp);
	say(s, &s->alice, IN_DIALOG("ACK", route.p, 2));
	msg_unref(asked(s, &s->phone1, METHOD_ACK));
	/* What is large goes over TCP again, and by UDP when there is none. */
	buf_add(&large, buf_slice(&route));
	add_large(&large, 1300);
	say(s, &s->alice, IN_DIALOG("INFO", large.p, 3));
	m = next(s, &at);
	assert_true(m != NULL && at.proto == PROTO_TCP && peer_same(&at.remote, &tcp.remote));
	msg_unref(m);
	fake_close(s->w->site->transport, &at);
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
	struct flow tcp = call_large(s, &route),
		    other = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.10:40000");
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
	struct flow one = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40000"),
		    two = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.20:40001");
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
	fake_close(s->w->site->transport, &one);
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
	struct flow tcp = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.10:40000");
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
	fake_close(s->w->site->transport, &tcp);
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

	for (unsigned octets = 20; octets < 1100; octets += 20) {
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
	assert_in_range(last, 100, 1000);
}

static int begin_unsigned(void **state)
{
	static const char *const options[] = {"identity.sign=off", NULL};

	return begin_with(state, options);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(record_route_leads_both_ways),
		T(digest_insecure_off_in_a_dialog),
		T(a_dialog_ends_with_proxy_dialog_max),
		T(refused_requests_do_not_prolong_a_dialog),
		T(a_dialog_of_which_nothing_was_heard_ends_too),
		T(setting_the_clock_ends_no_dialog),
		T(a_stranger_in_a_call_commands_no_phone),
		T(record_route_opens_nothing_to_others),
		T(a_strict_router_before_us_hides_no_proxy),
		T(the_way_out_needs_more_than_a_connection),
		T(under_another_name_of_ours_the_digest_is_asked_for),
		T(the_callee_of_a_call_that_was_sent_on),
		cmocka_unit_test_setup_teardown(the_way_out_needs_more_than_a_udp_address, begin_unsigned, end),
		T(the_connection_of_a_large_request_may_end),
		T(an_address_speaks_for_its_end),
		T(an_address_in_the_token_opens_nothing_else),
		T(a_call_goes_on_over_the_next_connection),
		T(the_connection_of_a_large_request_of_ours_may_end),
		T(what_is_sent_decides_on_UDP),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
