#include "tests/test.h"

#include "core/mem.h"
#include "tests/scenario/scene.h"

/* The registrar: RFC 3261 10.3 step by step, RFC 3327, RFC 5626 6, RFC 5630 5.2. */

#define ALICE S("sip:alice@example.com")
#define PHONE "Contact: <sip:alice@192.0.2.4:5070>\r\n" /* at the address that the streams of a scene come from */
#define UUID ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\""
#define OUTBOUND "Supported: path, outbound\r\n"

struct reg {
	const char *user; /* who answers the challenge; NULL: alice */
	const char *headers, *call_id;
	const char *from, *to, *uri; /* NULL: alice, and the domain */
	unsigned cseq;
	bool old_via; /* without rport */
};

static struct sip_msg *reg(struct scene *s, const struct flow *f, struct reg r)
{
	struct sip_msg *m = world_ask_as(s->w, f, r.user != NULL ? r.user : "alice",
					 (struct ask){.method = "REGISTER",
						      .uri = r.uri != NULL ? r.uri : "sip:example.com",
						      .to = r.to != NULL ? r.to : "<sip:alice@example.com>",
						      .from = r.from != NULL ? r.from : "<sip:alice@example.com>;tag=a",
						      .headers = r.headers,
						      .call_id = r.call_id,
						      .cseq = r.cseq,
						      .old_via = r.old_via});

	assert_non_null(m);
	return m;
}

static unsigned status(struct scene *s, struct reg r)
{
	struct sip_msg *m = reg(s, &s->stream, r);
	unsigned code = m->status;

	msg_unref(m);
	return code;
}

static unsigned put(struct scene *s, const char *headers)
{
	return status(s, (struct reg){.headers = headers});
}

/* The Contacts of a query, one behind the other. */
static void assert_bound(struct scene *s, const char *expected)
{
	struct sip_msg *m = reg(s, &s->own, (struct reg){0});
	struct buf all = {0};

	assert_int_equal(m->status, 200);
	buf_adds(&all, "");
	for (const struct sip_header *h = msg_each(m, HDR_CONTACT, NULL); h != NULL; h = msg_each(m, HDR_CONTACT, h)) {
		buf_adds(&all, all.n > 0 ? " " : "");
		buf_add(&all, h->value);
	}
	assert_string_equal(all.n > 0 ? all.p : "", expected);
	buf_free(&all);
	msg_unref(m);
}

static unsigned targets(struct scene *s, struct contact *out)
{
	return registrar_contacts(s->w->site->registrar, ALICE, out, 8);
}

static void assert_target(struct scene *s, const char *uri)
{
	struct contact c[8];

	assert_int_equal(targets(s, c), 1);
	assert_true(slice_eq(c[0].uri, slice_str(uri)));
}

/* --- RFC 3261 10.3, the steps --- */

static void step_1_the_domain(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.uri = "sip:example.org", .headers = PHONE}), 407);
	assert_int_equal(status(s, (struct reg){.uri = "tel:+1", .headers = PHONE}), 416);
	assert_int_equal(status(s, (struct reg){.uri = "sip:EXAMPLE.com;transport=tcp", .headers = PHONE}), 200);
}

static void step_2_require(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m =
		reg(s, &s->stream, (struct reg){.headers = PHONE "Require: path, x\r\nRequire: y, outbound\r\n"});

	assert_int_equal(m->status, 420);
	assert_int_equal(msg_count(m, HDR_UNSUPPORTED), 1);
	assert_true(slice_eq(msg_value(m, HDR_UNSUPPORTED), S("x, y")));
	msg_unref(m);
	assert_int_equal(put(s, PHONE "Require: ,\r\n"), 400);
	assert_int_equal(put(s, PHONE "Require: path, outbound\r\n"), 200);
}

static void step_3_T_46_always_challenged(void **state)
{
	static const char *const names[] = {"alice", "nobody"};
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070");

	for (unsigned i = 0; i < 4; i++) {
		char to[64];
		struct ask a = {.method = "REGISTER", .uri = "sip:example.com", .to = to, .headers = PHONE};
		struct sip_msg *m;

		snprintf(to, sizeof(to), "<sip:%s@example.com>", names[i % 2]);
		m = world_ask(s->w, i < 2 ? &udp : &s->stream, &a);
		assert_int_equal(m->status, 401);
		assert_int_equal(msg_count(m, HDR_WWW_AUTHENTICATE), 2);
		msg_unref(m);
	}
	assert_int_equal(status(s, (struct reg){.user = "nobody", .headers = PHONE}), 401);
	assert_bound(s, "");
}

static void step_4_nobody_registers_for_another(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.user = "bob", .headers = PHONE}), 403);
	assert_int_equal(
		status(s, (struct reg){.user = "bob", .from = "<sip:bob@example.com>;tag=b", .headers = PHONE}), 403);
	assert_int_equal(status(s, (struct reg){.from = "<sip:bob@example.com>;tag=b", .headers = PHONE}), 403);
	assert_int_equal(status(s, (struct reg){.from = "<tel:+1>;tag=b", .headers = PHONE}), 403);
	assert_bound(s, "");
}

static void step_5_the_address_of_record(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.to = "<sip:alice@example.org>", .headers = PHONE}), 404);
	assert_int_equal(status(s, (struct reg){.to = "<sip:example.com>", .headers = PHONE}), 404);
	assert_int_equal(status(s, (struct reg){.to = "<isbn:2983792873>", .headers = PHONE}), 400);
	/* Its canonical form, RFC 5630: sips is the same. */
	assert_int_equal(status(s, (struct reg){.to = "Alice <sips:%61lice@EXAMPLE.com:5099;user=ip>",
						.from = "<sips:alice@example.com>;tag=a",
						.headers = PHONE}),
			 200);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3600");
}

static void step_6_a_query_changes_nothing(void **state)
{
	struct scene *s = *state;

	assert_bound(s, "");
	assert_int_equal(put(s, PHONE "Expires: 600\r\n"), 200);
	pass(s, SECONDS(100));
	assert_int_equal(put(s, "Expires: 0\r\n"), 200);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=500");
}

static void step_6_star(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, PHONE "Contact: <mailto:a@example.com>;q=0.1\r\n"), 200);
	assert_int_equal(put(s, "Contact: *\r\n"), 400);
	assert_int_equal(put(s, "Contact: *\r\nExpires: 1\r\n"), 400);
	assert_int_equal(put(s, "Contact: *\r\nExpires: x\r\n"), 400);
	assert_int_equal(put(s, "Contact: *, <sip:a@b>\r\nExpires: 0\r\n"), 400);
	assert_int_equal(put(s, "Contact: <sip:a@b>\r\nContact: *\r\nExpires: 0\r\n"), 400);
	assert_int_equal(put(s, "Contact: *;expires=0\r\nExpires: 0\r\n"), 400);
	assert_bound(s, "<mailto:a@example.com>;q=0.1;expires=3600 <sip:alice@192.0.2.4:5070>;expires=3600");
	assert_int_equal(put(s, "Contact: *\r\nExpires: 0\r\n"), 200);
	assert_bound(s, "");
}

static void step_6_star_minds_the_order(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.headers = PHONE, .call_id = "one", .cseq = 10}), 200);
	assert_int_equal(status(s, (struct reg){.headers = "Contact: <sip:b@192.0.2.4>\r\n", .call_id = "two"}), 200);
	assert_int_equal(
		status(s, (struct reg){.headers = "Contact: *\r\nExpires: 0\r\n", .call_id = "one", .cseq = 10}), 500);
	assert_int_equal(bindings_count(registrar_bindings(s->w->site->registrar)), 2);
	assert_int_equal(
		status(s, (struct reg){.headers = "Contact: *\r\nExpires: 0\r\n", .call_id = "one", .cseq = 11}), 200);
	assert_bound(s, "");
}

static void step_7_how_long(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, "Contact: <sip:a@h>;expires=100, <sip:b@h>\r\nExpires: 200\r\n"), 200);
	assert_bound(s, "<sip:b@h>;expires=200 <sip:a@h>;expires=100");
	assert_int_equal(put(s, "Contact: <sip:a@h>\r\nContact: <sip:b@h>;q=0.2;expires=\"z\";x\r\n"), 200);
	assert_bound(s, "<sip:b@h>;q=0.2;x;expires=3600 <sip:a@h>;expires=3600");
	assert_int_equal(put(s, "Contact: <sip:a@h>, <sip:b@h>;expires=99999999999\r\nExpires: 7201\r\n"), 200);
	assert_bound(s, "<sip:b@h>;expires=7200 <sip:a@h>;expires=7200");
	assert_int_equal(put(s, "Contact: <sip:a@h>, <sip:b@h>;expires=0\r\nExpires: soon\r\n"), 200);
	assert_bound(s, "<sip:a@h>;expires=3600");
}

static void step_7_too_brief(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	m = reg(s, &s->stream, (struct reg){.headers = "Contact: <sip:a@h>, <sip:b@h>;expires=59\r\n"});
	assert_int_equal(m->status, 423);
	assert_true(slice_eq(msg_value(m, HDR_MIN_EXPIRES), S("60")));
	msg_unref(m);
	assert_int_equal(put(s, "Contact: <sip:a@h>\r\nExpires: 1\r\n"), 423);
	assert_bound(s, "");
	assert_int_equal(put(s, "Contact: <sip:a@h>\r\nExpires: 60\r\n"), 200);
	assert_int_equal(put(s, "Contact: <sip:a@h>\r\nExpires: 0\r\n"), 200);
}

static void step_7_comparison_of_Contacts(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, "Contact: <sip:%61lice@H;transport=tcp>;a=1\r\n"), 200);
	assert_int_equal(put(s, "Contact: \"A\" <sip:alice@h;transport=TCP>;b=2\r\n"), 200);
	assert_bound(s, "<sip:alice@h;transport=TCP>;b=2;expires=3600");
	assert_int_equal(put(s, "Contact: sip:alice@h;b=2\r\n"), 200);
	assert_bound(s, "<sip:alice@h>;b=2;expires=3600 <sip:alice@h;transport=TCP>;b=2;expires=3600");
	/* Equality is not transitive: two that differ do not share one binding. */
	assert_int_equal(put(s, "Contact: <sip:alice@h;x=1>, <sip:alice@h;x=2>\r\n"), 200);
	assert_bound(s, "<sip:alice@h;x=2>;expires=3600 <sip:alice@h;x=1>;expires=3600 "
			"<sip:alice@h;transport=TCP>;b=2;expires=3600");
	assert_int_equal(put(s, "Contact: <sip:c@h>, <sip:c@H>\r\n"), 400);
}

static void step_7_order_of_requests(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.headers = PHONE, .call_id = "one", .cseq = 10}), 200);
	/* 11 is what is stored: the one with credentials. */
	assert_int_equal(status(s, (struct reg){.headers = PHONE, .call_id = "one", .cseq = 10}), 500);
	assert_int_equal(status(s, (struct reg){.headers = PHONE "Expires: 0\r\n", .call_id = "one", .cseq = 9}), 500);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3600");
	assert_int_equal(status(s, (struct reg){.headers = PHONE, .call_id = "one", .cseq = 11}), 200);
	assert_int_equal(status(s, (struct reg){.headers = PHONE "Expires: 0\r\n", .call_id = "two", .cseq = 1}), 200);
	assert_bound(s, "");
}

static void step_7_all_or_nothing(void **state)
{
	struct scene *s = *state;

	assert_int_equal(status(s, (struct reg){.headers = PHONE "Contact: <sip:b@h>\r\n", .call_id = "one"}), 200);
	assert_int_equal(status(s, (struct reg){.headers = "Contact: <sip:b@h>\r\n", .call_id = "one", .cseq = 50}),
			 200);
	pass(s, SECONDS(600));
	/* The Contact in the middle is out of order. */
	assert_int_equal(status(s, (struct reg){.headers = "Contact: <sip:new@h>, <sip:b@h>\r\n" PHONE "Expires: 0\r\n",
						.call_id = "one",
						.cseq = 20}),
			 500);
	assert_int_equal(put(s, "Contact: <sip:new@h>, <sip:b@h>;expires=0, sip:%zz@h\r\n"), 400);
	assert_int_equal(put(s, "Contact: <sip:new@h>, <sip:b@h>;expires=0, \"\r\n"), 400);
	assert_int_equal(put(s, "Contact: \r\n"), 400);
	assert_bound(s, "<sip:b@h>;expires=3000 <sip:alice@192.0.2.4:5070>;expires=3000");
}

static void step_8_the_answer(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m =
		reg(s, &s->stream,
		    (struct reg){.headers = "Record-Route: <sip:p;lr>\r\n"
					    "Contact: \"A\" <sip:a@h?X=1>;Q=0.25;expires=60;methods=\"A,B\"\r\n"});

	assert_int_equal(m->status, 200);
	assert_true(has(m, HDR_DATE, "Thu, 28 May 2026 20:26:40 GMT"));
	assert_true(slice_eq(msg_value(m, HDR_CONTACT), S("<sip:a@h?X=1>;Q=0.25;methods=\"A,B\";expires=60")));
	assert_true(msg_list_has(m, HDR_SUPPORTED, S("path")) && msg_list_has(m, HDR_SUPPORTED, S("outbound")));
	assert_int_equal(msg_count(m, HDR_REQUIRE), 0);
	assert_int_equal(msg_count(m, HDR_RECORD_ROUTE), 0);
	assert_int_equal(msg_count(m, HDR_PATH), 0);
	msg_unref(m);
}

/* --- time --- */

static void bindings_end(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, PHONE "Contact: <sip:b@h>;expires=60\r\n"), 200);
	assert_int_equal(fake_kept(s->w->site->transport, &s->stream), 2);
	pass(s, SECONDS(60) - 1);
	assert_int_equal(bindings_count(registrar_bindings(s->w->site->registrar)), 2);
	assert_bound(s, "<sip:b@h>;expires=1 <sip:alice@192.0.2.4:5070>;expires=3541");
	pass(s, 1);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3540");
	assert_target(s, "sip:alice@192.0.2.4:5070");
	/* Memory and connection are given back, too. */
	pass(s, SECONDS(6));
	assert_int_equal(bindings_count(registrar_bindings(s->w->site->registrar)), 1);
	assert_int_equal(fake_kept(s->w->site->transport, &s->stream), 1);
	pass(s, SECONDS(3600));
	assert_int_equal(bindings_count(registrar_bindings(s->w->site->registrar)), 0);
	assert_int_equal(fake_kept(s->w->site->transport, &s->stream), 0);
	assert_bound(s, "");
}

static void whoever_sets_the_clock_ends_no_registration(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, PHONE), 200);
	fake_set_wall(s->w->loop, FAKE_START_S + 10 * 365 * DAY_S);
	pass(s, SECONDS(100));
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3500");
	fake_set_wall(s->w->loop, 1000);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3500");
}

static void a_restart(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("198.51.100.7:40000");
	struct contact c[8];

	assert_int_equal(put(s, PHONE), 200);
	msg_unref(reg(s, &udp, (struct reg){.headers = "Contact: <sip:a@10.0.0.1>;q=0.5\r\n", .call_id = "udp"}));
	assert_int_equal(put(s, "Contact: <sip:a@10.0.0.2>;q=0.1\r\n"), 200);
	assert_int_equal(targets(s, c), 3);
	pass(s, SECONDS(1000));
	world_restart(s->w);
	s->own = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	pass(s, SECONDS(500));
	assert_int_equal(targets(s, c), 2);
	assert_true(slice_eq(c[0].uri, S("sip:alice@192.0.2.4:5070")) && !c[0].has_flow && !c[0].flow_only);
	assert_true(slice_eq(c[1].uri, S("sip:a@10.0.0.1")) && c[1].has_flow && c[1].flow_only);
	assert_true(flow_same(&c[1].flow, &udp));
	/* As they were for those who ask, but the connection to the last one is gone. */
	{
		struct sip_msg *m = reg(s, &s->own, (struct reg){0});

		assert_int_equal(msg_count(m, HDR_CONTACT), 3);
		assert_true(slice_ends(msg_value(m, HDR_CONTACT), S(";expires=2100")));
		msg_unref(m);
	}
	/* Order of requests is remembered, too. */
	s->stream = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	assert_int_equal(status(s, (struct reg){.headers = "Contact: <sip:a@10.0.0.1>\r\n", .call_id = "udp"}), 500);
	pass(s, SECONDS(2100));
	assert_bound(s, "");
}

/* --- ways --- */

static void a_connection_closes(void **state)
{
	struct scene *s = *state;
	struct flow nat = fake_stream(s->w->site->transport, PROTO_TCP, "198.51.100.7:40000");
	struct contact c[8];

	msg_unref(reg(s, &nat, (struct reg){.headers = "Contact: <sip:a@10.0.0.1>\r\n"}));
	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(targets(s, c), 2);
	assert_true(c[0].has_flow && !c[0].flow_only && flow_same(&c[0].flow, &s->stream));
	assert_true(c[1].has_flow && c[1].flow_only && flow_same(&c[1].flow, &nat));
	assert_true(peer_same(&c[1].flow.remote, &nat.remote));
	assert_int_equal(fake_kept(s->w->site->transport, &nat), 1);
	fake_close(s->w->site->transport, &nat);
	assert_target(s, "sip:alice@192.0.2.4:5070");
	fake_close(s->w->site->transport, &s->stream);
	assert_int_equal(targets(s, c), 1);
	assert_true(!c[0].has_flow && !c[0].flow_only);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3600");
	s->stream = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(targets(s, c), 1);
	assert_true(flow_same(&c[0].flow, &s->stream));
	/* Not brought back either. */
	world_restart(s->w);
	assert_target(s, "sip:alice@192.0.2.4:5070");
}

static void connections_are_kept_while_they_lead_somewhere(void **state)
{
	struct scene *s = *state;
	struct flow next = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40009");

	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(fake_kept(s->w->site->transport, &s->stream), 1);
	msg_unref(reg(s, &next, (struct reg){.headers = PHONE}));
	assert_int_equal(fake_kept(s->w->site->transport, &s->stream), 0);
	assert_int_equal(fake_kept(s->w->site->transport, &next), 1);
	fake_close(s->w->site->transport, &s->stream);
	s->stream = next;
	assert_target(s, "sip:alice@192.0.2.4:5070");
	assert_int_equal(put(s, PHONE "Expires: 0\r\n"), 200);
	assert_int_equal(fake_kept(s->w->site->transport, &next), 0);
}

/* RFC 3581: without rport the answer goes elsewhere, but the phone is where it sent from. */
static void UDP_flows(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:61000");
	struct contact c[8];

	msg_unref(reg(s, &udp, (struct reg){.headers = PHONE "Contact: <sip:a@h>;q=0.9\r\n", .old_via = true}));
	assert_int_equal(targets(s, c), 2);
	assert_true(c[0].has_flow && !c[0].flow_only && !c[0].flow_first && flow_same(&c[0].flow, &udp));
	assert_true(c[1].has_flow && c[1].flow_only && c[1].flow_first && flow_same(&c[1].flow, &udp));
}

static void other_schemes_are_kept_and_are_no_targets(void **state)
{
	struct scene *s = *state;

	assert_int_equal(put(s, PHONE "Contact: <tel:+1234>;q=1.0, <mailto:a@example.com>\r\n"), 200);
	assert_bound(s, "<mailto:a@example.com>;expires=3600 <tel:+1234>;q=1.0;expires=3600 "
			"<sip:alice@192.0.2.4:5070>;expires=3600");
	assert_target(s, "sip:alice@192.0.2.4:5070");
}

static void best_first(void **state)
{
	struct scene *s = *state;
	static const char *const order[] = {"sip:e@h", "sip:b@h", "sip:c@h", "sip:d@h", "sip:a@h"};
	struct contact c[8];
	struct ha1 h;

	assert_int_equal(put(s, "Contact: <sip:a@h>;q=0.05\r\n"), 200);
	pass(s, 10);
	assert_int_equal(put(s, "Contact: <sip:b@h>\r\n"), 200);
	pass(s, 10);
	assert_int_equal(put(s, "Contact: <sip:c@h>;q=0.5;expires=7000, <sip:d@h>;q=0.15\r\n"), 200);
	pass(s, 10);
	assert_int_equal(put(s, "Contact: <sip:e@h>;q=1.000;expires=60\r\n"), 200);
	assert_int_equal(targets(s, c), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_true(slice_eq(c[i].uri, slice_str(order[i])));
	assert_int_equal(c[2].q, 500);
	assert_int_equal(c[4].q, 50);
	assert_int_equal(registrar_contacts(s->w->site->registrar, ALICE, c, 2), 2);
	assert_true(slice_eq(c[1].uri, S("sip:b@h")));
	assert_int_equal(registrar_contacts(s->w->site->registrar, S("sip:bob@example.com"), c, 2), 0);
	assert_true(registrar_knows(s->w->site->registrar, S("sip:bob@example.com")));
	assert_false(registrar_knows(s->w->site->registrar, S("sip:eve@example.com")));
	/* T-48: with another password nothing of it is left; with the same nothing changes. */
	registrar_forget(s->w->site->registrar, ALICE);
	assert_int_equal(targets(s, c), 5);
	h = users_find(s->w->settings.users, ALICE)->ha1;
	users_set(s->w->settings.users, ALICE, &h);
	registrar_forget(s->w->site->registrar, ALICE);
	assert_bound(s, "");
}

/* --- RFC 3327 --- */

static void path(void **state)
{
	struct scene *s = *state;
	struct contact c[8];
	struct sip_msg *m;

	m = reg(s, &s->stream, (struct reg){.headers = PHONE "Path: <sip:p1;lr>\r\n"});
	assert_int_equal(m->status, 420);
	assert_true(slice_eq(msg_value(m, HDR_UNSUPPORTED), S("path")));
	msg_unref(m);
	m = reg(s, &s->stream,
		(struct reg){.headers = "Via: SIP/2.0/UDP u;branch=z9hG4bKu\r\nSupported: path\r\n"
					"Path: <sip:p3;lr>,<sip:p2;lr>;x=\"a,b\"\r\nPath: <sip:p1;lr>\r\n" PHONE});
	assert_int_equal(m->status, 200);
	assert_true(slice_eq(msg_value(m, HDR_PATH), S("<sip:p3;lr>, <sip:p2;lr>;x=\"a,b\", <sip:p1;lr>")));
	msg_unref(m);
	assert_int_equal(targets(s, c), 1);
	assert_true(slice_eq(c[0].path, S("<sip:p3;lr>, <sip:p2;lr>;x=\"a,b\", <sip:p1;lr>")));
	assert_true(!c[0].has_flow && !c[0].flow_only);
	/* The next REGISTER comes straight. */
	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(targets(s, c), 1);
	assert_true(c[0].path.p == NULL && c[0].has_flow);
	assert_int_equal(put(s, PHONE "Require: path\r\nPath: sip:p1;lr\r\n"), 400);
	assert_int_equal(put(s, PHONE "Supported: path\r\nPath: <tel:1>\r\n"), 400);
	assert_int_equal(put(s, PHONE "Supported: path\r\nPath: <sip:p1;lr>,\r\n"), 400);
}

static void through_a_proxy_without_path(void **state)
{
	struct scene *s = *state;
	struct contact c[8];

	assert_int_equal(put(s, "Via: SIP/2.0/UDP u;branch=z9hG4bKu\r\nContact: <sip:a@10.0.0.1>\r\n"), 200);
	assert_int_equal(targets(s, c), 1);
	assert_true(!c[0].has_flow && !c[0].flow_only && c[0].path.p == NULL);
}

/* --- RFC 5626 6 --- */

static void outbound(void **state)
{
	struct scene *s = *state;
	struct flow second = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40009");
	struct contact c[8];
	struct sip_msg *m;

	m = reg(s, &s->stream, (struct reg){.headers = OUTBOUND "Contact: <sip:a@192.0.2.4>" UUID ";reg-id=1\r\n"});
	assert_int_equal(m->status, 200);
	assert_true(slice_eq(msg_value(m, HDR_REQUIRE), S("outbound")));
	assert_true(slice_find(m->raw, S("\r\nFlow-Timer: 120\r\n"), 0) < m->raw.n);
	assert_true(slice_eq(msg_value(m, HDR_CONTACT), S("<sip:a@192.0.2.4>" UUID ";reg-id=1;expires=3600")));
	msg_unref(m);
	/* The same instance by a second flow, and by its first one again after it came up anew. */
	msg_unref(reg(s, &second, (struct reg){.headers = OUTBOUND "Contact: <sip:a@192.0.2.4>" UUID ";reg-id=2\r\n"}));
	assert_int_equal(targets(s, c), 2);
	assert_true(c[0].flow_only && c[0].reg_id == 2 && flow_same(&c[0].flow, &second));
	assert_true(slice_eq(c[0].instance, S("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>")));
	pass(s, 1000);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:other@10.1.1.1:9>;+sip.instance=\"<urn:uuid:"
					 "00000000-0000-1000-8000-000a95a0e128>\";reg-id=1\r\n"),
			 200);
	assert_int_equal(targets(s, c), 2);
	assert_true(slice_eq(c[0].uri, S("sip:other@10.1.1.1:9")) && c[0].reg_id == 1);
	/* The URI alone means another binding. */
	assert_int_equal(put(s, "Contact: <sip:a@192.0.2.4>\r\n"), 200);
	assert_int_equal(targets(s, c), 3);
	assert_int_equal(put(s, "Contact: <sip:a@192.0.2.4>;expires=0\r\n"), 200);
	fake_close(s->w->site->transport, &second);
	assert_int_equal(targets(s, c), 1);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:x@y>" UUID ";reg-id=1;expires=0\r\n"), 200);
	assert_bound(s, "");
}

static void outbound_asked_for_or_not(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070");
	struct contact c[8];
	struct sip_msg *m;

	/* The bindings are of the flow also without the option tag, but nothing is promised. */
	m = reg(s, &s->stream, (struct reg){.headers = "Contact: <sip:a@192.0.2.4>" UUID ";reg-id=1\r\n"});
	assert_true(m->status == 200 && msg_count(m, HDR_REQUIRE) == 0);
	msg_unref(m);
	assert_int_equal(targets(s, c), 1);
	assert_true(c[0].flow_only && c[0].reg_id == 1);
	/* A reg-id of nobody is ignored; an instance alone is fine. */
	m = reg(s, &s->stream, (struct reg){.headers = OUTBOUND "Contact: <sip:b@192.0.2.4>;reg-id=1\r\n"});
	assert_true(m->status == 200 && msg_count(m, HDR_REQUIRE) == 0);
	msg_unref(m);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:c@192.0.2.4>" UUID "\r\n"), 200);
	assert_int_equal(targets(s, c), 3);
	/* NATs forget UDP sooner than any time that could be named. */
	m = reg(s, &udp, (struct reg){.headers = OUTBOUND "Contact: <sip:d@192.0.2.4>" UUID ";reg-id=9\r\n"});
	assert_true(slice_eq(msg_value(m, HDR_REQUIRE), S("outbound")));
	assert_true(slice_find(m->raw, S("Flow-Timer"), 0) == m->raw.n);
	msg_unref(m);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:e@h>" UUID ";reg-id=0\r\n"), 400);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:e@h>" UUID ";reg-id=2147483648\r\n"), 400);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:e@h>" UUID ";reg-id\r\n"), 400);
	assert_int_equal(put(s, OUTBOUND "Contact: <sip:e@h>" UUID ";reg-id=3, <sip:f@h>\r\n"), 400);
	assert_int_equal(
		put(s, OUTBOUND "Contact: <sip:e@192.0.2.4>" UUID ";reg-id=3, <sip:b@192.0.2.4>;expires=0\r\n"), 200);
}

static void outbound_through_a_proxy(void **state)
{
#define VIA2 "Via: SIP/2.0/UDP u;branch=z9hG4bKu\r\n"
#define FLOWED "Contact: <sip:a@10.0.0.1>" UUID ";reg-id=1\r\n"
	struct scene *s = *state;
	struct contact c[8];
	struct sip_msg *m;

	assert_int_equal(put(s, VIA2 OUTBOUND FLOWED), 439);
	assert_int_equal(put(s, VIA2 OUTBOUND "Path: <sip:p1;lr>\r\n" FLOWED), 439);
	/* The proxy next to the UA is the last in the list. */
	assert_int_equal(put(s, VIA2 OUTBOUND "Path: <sip:p2;lr;ob>, <sip:p1;lr>\r\n" FLOWED), 439);
	assert_bound(s, "");
	m = reg(s, &s->stream, (struct reg){.headers = VIA2 OUTBOUND "Path: <sip:p2;lr>, <sip:t@p1;lr;ob>\r\n" FLOWED});
	assert_int_equal(m->status, 200);
	assert_true(slice_eq(msg_value(m, HDR_REQUIRE), S("outbound")));
	assert_true(slice_find(m->raw, S("Flow-Timer"), 0) == m->raw.n);
	msg_unref(m);
	assert_int_equal(targets(s, c), 1);
	assert_true(!c[0].has_flow && !c[0].flow_only && c[0].reg_id == 1 && c[0].path.n > 0);
	/* Who does not ask for it gets a binding of its URI. */
	m = reg(s, &s->stream, (struct reg){.headers = VIA2 FLOWED});
	assert_true(m->status == 200 && msg_count(m, HDR_REQUIRE) == 0);
	msg_unref(m);
	assert_int_equal(targets(s, c), 2);
	assert_int_equal(c[0].reg_id, 0);
}

/* --- RFC 5630 --- */

static void sips(void **state)
{
	static const char secure[] = "Contact: <sips:alice@192.0.2.4:5070>\r\n";
	struct scene *s = *state;

	assert_int_equal(put(s, secure), 400);
	assert_int_equal(
		status(s, (struct reg){.uri = "sips:example.com", .headers = "Contact: <sips:a@h>, <sip:b@h>\r\n"}),
		400);
	assert_int_equal(status(s, (struct reg){.uri = "sips:example.com",
						.headers = "Supported: path\r\nPath: <sip:p;lr>\r\nContact: "
							   "<sips:a@h>\r\n"}),
			 400);
	assert_int_equal(status(s, (struct reg){.uri = "sips:example.com",
						.headers = "Supported: path\r\nPath: <sips:p;lr>\r\nContact: "
							   "<sips:a@h>;expires=60\r\n"}),
			 200);
	pass(s, SECONDS(60));
	/* The sip and the sips URI of one phone replace one another. */
	assert_int_equal(put(s, PHONE), 200);
	assert_int_equal(status(s, (struct reg){.uri = "sips:example.com", .headers = secure}), 200);
	assert_bound(s, "<sips:alice@192.0.2.4:5070>;expires=3600");
	assert_int_equal(put(s, PHONE), 200);
	assert_bound(s, "<sip:alice@192.0.2.4:5070>;expires=3600");
	assert_int_equal(put(s, "Contact: <sips:alice@192.0.2.4:5070>;expires=0\r\n"), 200);
	assert_bound(s, "");
}

/* --- caps --- */

static void too_many_of_one(void **state)
{
	struct scene *s = *state;
	struct buf all = {0};

	buf_adds(&all, "Contact: <sip:c0@h>");
	for (unsigned i = 1; i < 10; i++)
		buf_addf(&all, ", <sip:c%u@h>", i);
	buf_adds(&all, "\r\n");
	assert_int_equal(put(s, all.p), 200);
	assert_int_equal(put(s, "Contact: <sip:more@h>\r\n"), 503);
	assert_int_equal(put(s, all.p), 200);
	assert_int_equal(put(s, "Contact: <sip:more@h>, <sip:c3@h>;expires=0\r\n"), 200);
	assert_int_equal(put(s, "Contact: <sip:c3@h>\r\n"), 503);
	assert_int_equal(bindings_count(registrar_bindings(s->w->site->registrar)), 10);
	buf_clear(&all);
	for (unsigned i = 0; i < 31; i++)
		buf_addf(&all, "Contact: <sip:c%u@h>;expires=0\r\n", i);
	assert_int_equal(put(s, all.p), 400);
	buf_free(&all);
}

static void too_large(void **state)
{
	struct scene *s = *state;
	struct buf all = {0};

	buf_addf(&all, "Contact: <sip:a@h>;x=%01000d;y=%0900d\r\n", 1, 2);
	assert_int_equal(put(s, all.p), 200);
	buf_clear(&all);
	buf_addf(&all, "Contact: <sip:a@h>;x=%01000d;y=%01100d\r\n", 1, 2);
	assert_int_equal(put(s, all.p), 413);
	buf_clear(&all);
	buf_adds(&all, PHONE "Supported: path\r\nPath: <sip:p;lr>");
	for (unsigned i = 0; i < 20; i++)
		buf_adds(&all, ", <sip:p;lr>");
	buf_adds(&all, "\r\n");
	assert_int_equal(put(s, all.p), 400);
	buf_free(&all);
}

static void too_many_in_all(void **state)
{
	static const char *const options[] = {"limits.bindings=2", NULL};
	struct scene s = {.w = world_new(options)};

	(void)state;
	s.own = fake_stream(s.w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	s.stream = fake_stream(s.w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	assert_int_equal(put(&s, "Contact: <sip:a@h>;expires=60, <sip:b@h>\r\n"), 200);
	assert_int_equal(put(&s, PHONE), 503);
	assert_int_equal(put(&s, "Contact: <sip:b@h>\r\n"), 200);
	pass(&s, SECONDS(70));
	assert_int_equal(put(&s, PHONE), 200);
	world_free(s.w);
}

/* --- with the rest --- */

static void CRD_05_subscriptions_of_the_registered_live_on(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	change(s);
	t = watcher_of(s->w, &s->own, "alice", "credential");
	assert_int_equal(watch(&t, "80000"), 200);
	msg_unref(notified_ok(&t));
	for (unsigned i = 0; i < 22; i++) {
		struct sip_msg *m = reg(s, &s->own, (struct reg){.headers = "Contact: <sip:a@10.0.0.1>\r\n"});

		assert_int_equal(m->status, 200);
		msg_unref(m);
		assert_int_equal(fake_kept(s->w->site->transport, &s->own), 2);
		pass(s, SECONDS(3600));
	}
	assert_quiet(&t);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 1);
	change(s);
	assert_told(s, &t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(step_1_the_domain),
		T(step_2_require),
		T(step_3_T_46_always_challenged),
		T(step_4_nobody_registers_for_another),
		T(step_5_the_address_of_record),
		T(step_6_a_query_changes_nothing),
		T(step_6_star),
		T(step_6_star_minds_the_order),
		T(step_7_how_long),
		T(step_7_too_brief),
		T(step_7_comparison_of_Contacts),
		T(step_7_order_of_requests),
		T(step_7_all_or_nothing),
		T(step_8_the_answer),
		T(bindings_end),
		T(whoever_sets_the_clock_ends_no_registration),
		T(a_restart),
		T(a_connection_closes),
		T(connections_are_kept_while_they_lead_somewhere),
		T(UDP_flows),
		T(other_schemes_are_kept_and_are_no_targets),
		T(best_first),
		T(path),
		T(through_a_proxy_without_path),
		T(outbound),
		T(outbound_asked_for_or_not),
		T(outbound_through_a_proxy),
		T(sips),
		T(too_many_of_one),
		T(too_large),
		cmocka_unit_test(too_many_in_all),
		T(CRD_05_subscriptions_of_the_registered_live_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
