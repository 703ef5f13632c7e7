#include "tests/test.h"

#include "tests/scenario/scene.h"

/* How long a subscription lives and which way its NOTIFYs go: RFC 6665 4.2, the rows named. */

/* --- how long --- */

static void EVT_06_expiry_is_told(void **state)
{
	struct scene *s = *state;
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "600"), 200);
	assert_int_equal(t.granted, 600);
	msg_unref(notified_ok(&t));
	pass(s, SECONDS(300));
	assert_int_equal(watch(&t, "600"), 200);
	m = notified_ok(&t);
	assert_int_equal(expires_of(m), 600);
	msg_unref(m);
	pass(s, SECONDS(600) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_empty(&t, "terminated;reason=timeout");
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
	assert_int_equal(watch(&t, "600"), 481);
	pass(s, SECONDS(3600));
	assert_quiet(&t);
}

static void CRD_16_17_never_longer_than_the_certificate(void **state)
{
	struct scene *s = *state;
	struct watcher t;
	struct sip_msg *m;

	world_set(s->w, &s->own, "alice", 300, s->etag);
	t = watcher_of(s->w, &s->own, "alice", "credential");
	assert_int_equal(watch(&t, "3600"), 200);
	assert_int_equal(t.granted, 300);
	m = notified_ok(&t);
	assert_true(expires_of(m) <= 300);
	assert_true(body_has(m, buf_slice(&s->w->pkcs8)));
	msg_unref(m);
	pass(s, SECONDS(299));
	assert_quiet(&t);
	pass(s, SECONDS(1));
	m = notified_ok(&t);
	assert_non_null(m);
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, "terminated;reason="));
	assert_false(body_has(m, buf_slice(&s->w->pkcs8)));
	msg_unref(m);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 0);
}

static void CRT_07_certificate_subscriptions_are_not_shortened(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	world_set(s->w, &s->own, "alice", 300, s->etag);
	t = watching(s, "certificate");
	assert_int_equal(t.granted, 3600);
	pass(s, SECONDS(300));
	assert_empty(&t, "active;expires="); /* CRT-25 */
	change(s);
	assert_told(s, &t);
}

static void CRD_18_a_new_certificate_may_shorten(void **state)
{
	struct scene *s = *state;
	struct watcher t;
	struct sip_msg *m;

	change(s);
	t = watching(s, "credential");
	assert_int_equal(t.granted, 3600);
	pass(s, SECONDS(10));
	world_set(s->w, &s->own, "alice", 200, s->etag);
	m = notified_ok(&t);
	assert_non_null(m);
	assert_true(expires_of(m) <= 200);
	msg_unref(m);
	pass(s, SECONDS(200));
	m = notified_ok(&t);
	assert_non_null(m);
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, "terminated;reason="));
	msg_unref(m);
}

/* --- connections --- */

/*
 * T-43, TLS-09: what a SUBSCRIBE came by says where its dialog is reached. To the address of the TLS listener a sip URI
 * would lead by UDP, and no certificate has it.
 */
static void EVT_13_the_Contact_leads_back(void **state)
{
	static const struct {
		enum proto proto;
		const char *scheme, *rest;
	} rows[] = {
		{PROTO_UDP, "sip", "@192.0.2.1:5060;gr>"}, {PROTO_TCP, "sip", "@192.0.2.1:5060;gr;transport=tcp>"},
		{PROTO_TLS, "sip", "@example.com;gr>"},    {PROTO_TLS, "sips", "@example.com;gr>"},
		{PROTO_TCP, "sips", "@example.com;gr>"}, /* whatever it came by */
	};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow f = rows[i].proto == PROTO_UDP
					? fake_udp("192.0.2.4:5070")
					: fake_stream(s->w->site->transport, rows[i].proto, "192.0.2.4:40000");
		struct ask ask = {.method = "SUBSCRIBE", .from = "<sip:eve@example.org>;tag=e", .call_id = "leads"};
		char uri[64], start[32], target[160], to[160];
		struct sip_msg *m;
		struct addr contact;

		snprintf(uri, sizeof(uri), "%s:alice@example.com", rows[i].scheme);
		snprintf(start, sizeof(start), "<%s:cred-", rows[i].scheme);
		ask.uri = uri;
		ask.cseq = 2 * (unsigned)i + 1;
		ask.headers = "Event: certificate\r\nContact: <sip:watcher@192.0.2.4:40000>\r\n";
		m = world_ask_as(s->w, &f, "anonymous", ask);
		assert_true(m != NULL && m->status == 200 && has(m, HDR_CONTACT, start));
		assert_true(slice_find(msg_value(m, HDR_CONTACT), slice_str(rows[i].rest), 0) <
			    msg_value(m, HDR_CONTACT).n);
		assert_int_equal(addr_parse(msg_value(m, HDR_CONTACT), &contact), ERR_OK);
		snprintf(target, sizeof(target), "%.*s", SLICE_ARG(contact.spec));
		snprintf(to, sizeof(to), "%.*s", SLICE_ARG(msg_value(m, HDR_TO)));
		msg_unref(m);
		msg_unref(world_take(s->w, "leads", NULL));
		/* In the dialog everything is for the server, also under the domain's name, where users have theirs. */
		ask.uri = target;
		ask.to = to;
		ask.cseq = 10 + (unsigned)i;
		ask.headers = "Event: certificate\r\nExpires: 0\r\n";
		ask.method = "OPTIONS";
		m = world_ask(s->w, &f, &ask);
		assert_true(m != NULL && m->status == 200);
		msg_unref(m);
		ask.cseq += 10;
		ask.method = "SUBSCRIBE";
		m = world_ask_as(s->w, &f, "anonymous", ask);
		assert_true(m != NULL && m->status == 200);
		msg_unref(m);
		while ((m = world_take(s->w, "leads", NULL)) != NULL)
			msg_unref(m);
	}
}

static void CRD_11_the_connection_is_gone(void **state)
{
	struct scene *s = *state;
	struct flow device = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.4:40001");
	struct watcher t;

	change(s);
	t = watcher_of(s->w, &device, "alice", "credential");
	assert_int_equal(watch(&t, "3600"), 200);
	msg_unref(notified_ok(&t));
	assert_int_equal(fake_kept(s->w->site->transport, &device), 1);
	fake_close(s->w->site->transport, &device);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 0);
	change(s);
	pass(s, SECONDS(120));
	assert_quiet(&t);
	assert_int_equal(fake_sent(s->w->site->transport), 0);
}

static void CRD_11_the_connection_goes_while_a_NOTIFY_is_signed(void **state)
{
	struct scene *s = *state;
	struct flow device = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.4:40001");
	struct watcher t;

	change(s);
	t = watcher_of(s->w, &device, "alice", "credential");
	fake_hold(s->w->site->work, true);
	assert_int_equal(watch(&t, "3600"), 200);
	fake_close(s->w->site->transport, &device);
	fake_hold(s->w->site->work, false);
	assert_quiet(&t);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 0);
}

static void CRD_11_a_refresh_moves_the_subscription(void **state)
{
	struct scene *s = *state;
	struct flow old = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.4:40001");
	struct flow new = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.4:40002");
	struct watcher t;

	change(s);
	t = watcher_of(s->w, &old, "alice", "credential");
	assert_int_equal(watch(&t, "3600"), 200);
	msg_unref(notified_ok(&t));
	fake_hold(s->w->site->work, true);
	change(s); /* its NOTIFY, for the old connection, is being signed */
	t.flow = new;
	assert_int_equal(watch(&t, "3600"), 200);
	fake_hold(s->w->site->work, false);
	t.notified = 0; /* the one that was given up had a CSeq */
	assert_told(s, &t);
	assert_int_equal(t.back.id, new.id);
	assert_quiet(&t);
	assert_int_equal(fake_kept(s->w->site->transport, &old), 0);
	assert_int_equal(fake_kept(s->w->site->transport, &new), 1);
	fake_close(s->w->site->transport, &old);
	pass(s, SECONDS(60));
	change(s);
	assert_told(s, &t);
	assert_int_equal(t.back.id, new.id);
}

/* RFC 3261 12.1.1: sips in the Request-URI, or in the topmost Record-Route, or without one in the Contact. */
static void EVT_13_the_Contact_of_a_secure_dialog(void **state)
{
	static const struct {
		const char *uri, *headers, *scheme;
	} rows[] = {
		{"sip:alice@example.com", "Contact: <sips:w@192.0.2.4>\r\n", "<sips:"},
		{"sip:alice@example.com", "Contact: sips:w@192.0.2.4;x=1\r\n", "<sips:"},
		{"sip:alice@example.com", "Contact: <sip:w@192.0.2.4>\r\n", "<sip:"},
		{"sips:alice@example.com", "Contact: <sip:w@192.0.2.4>\r\n", "<sips:"},
		{"sip:alice@example.com",
		 "Record-Route: \"sip:\" <sips:p.example.org;lr>, <sip:q.example.org;lr>\r\nContact: "
		 "<sip:w@192.0.2.4>\r\n",
		 "<sips:"},
		{"sip:alice@example.com",
		 "Record-Route: <sip:p.example.org;lr>\r\nRecord-Route: <sips:q.example.org;lr>\r\n"
		 "Contact: <sips:w@192.0.2.4>\r\n",
		 "<sip:"},
	};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow f = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.4:40000");
		char headers[256];
		struct ask ask = {.method = "SUBSCRIBE",
				  .uri = rows[i].uri,
				  .from = "<sip:eve@example.org>;tag=e",
				  .headers = headers};
		struct sip_msg *m;

		snprintf(headers, sizeof(headers), "Event: certificate\r\n%s", rows[i].headers);
		m = world_ask(s->w, &f, &ask);
		assert_true(m != NULL && m->status == 200 && has(m, HDR_CONTACT, rows[i].scheme));
		msg_unref(m);
	}
}

static void T_32_a_certificate_goes_to_the_Contact_when_the_connection_is_gone(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	fake_close(s->w->site->transport, &s->stream);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 1);
	change(s);
	assert_told(s, &t);
	assert_int_equal(t.back.proto, PROTO_TCP);
	assert_string_equal(peer_text(&t.back.remote).text, "192.0.2.4:40000");
}

/* The name that a certificate must have is a bare address, as the resolver would say it. */
static void T_32_the_name_of_a_sips_Contact(void **state)
{
	static const char *const rows[][3] = {{"192.0.2.4:40009", "192.0.2.4", "192.0.2.4:40000"},
					      {"[2001:DB8::4]:40009", "2001:db8::4", "[2001:db8::4]:40000"}};
	struct scene *s = *state;

	s->w->settings.client_tls = (struct tls_config *)s; /* the fake does not look at it */
	for (size_t i = 0; i < 2; i++) {
		struct flow f = fake_stream(s->w->site->transport, PROTO_TLS, rows[i][2]), to;
		char headers[160], call_id[8];
		struct sip_msg *m;

		snprintf(call_id, sizeof(call_id), "sips%zu", i);
		snprintf(headers, sizeof(headers), "Event: certificate\r\nContact: <sips:watcher@%s>\r\n", rows[i][0]);
		m = world_ask(s->w, &f,
			      &(struct ask){.method = "SUBSCRIBE",
					    .uri = "sips:alice@example.com",
					    .call_id = call_id,
					    .headers = headers});
		assert_true(m != NULL && m->status == 200);
		msg_unref(m);
		fake_close(s->w->site->transport, &f);
		do {
			m = world_take(s->w, call_id, &to);
			assert_non_null(m);
			msg_unref(m);
		} while (to.id == f.id);
		assert_int_equal(to.proto, PROTO_TLS);
		assert_string_equal(fake_connect_name(s->w->site->transport), rows[i][1]);
	}
	s->w->settings.client_tls = NULL;
}

static void T_32_a_revocation_that_went_down_with_its_connection_is_told(void **state)
{
	struct scene *s = *state;
	struct watcher t;
	struct sip_msg *m;

	change(s);
	t = watching(s, "certificate");
	world_revoke(s->w, &s->own, "alice");
	m = notified(&t); /* read by nobody */
	assert_non_null(m);
	msg_unref(m);
	fake_close(s->w->site->transport, &s->stream);
	pass(s, SECONDS(5));
	m = notified(&t);
	assert_non_null(m);
	assert_int_equal(m->body.n, 0);
	assert_int_equal(t.back.proto, PROTO_TCP);
	assert_true(t.back.id != s->stream.id);
	msg_unref(m);
	/* Once: whoever is not there either is left alone. */
	fake_close(s->w->site->transport, &t.back);
	pass(s, SECONDS(600));
	assert_quiet(&t);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 1);
}

/*
 * CRT-28, T-32: the watcher's connection is gone. A NOTIFY goes by RFC 3263 to the address that the SUBSCRIBE came
 * from, or by a [route]; never to another place that the watcher has named.
 */
static void T_32_only_where_the_subscriber_has_been(void **state)
{
	static const struct {
		const char *contact, *routes;
		const char *to; /* NULL: nowhere */
		enum proto proto;
	} rows[] = {
		{"sip:w@192.0.2.4:7000;transport=tcp", "", "192.0.2.4:7000", PROTO_TCP},
		{"sip:w@192.0.2.4:7000", "", "192.0.2.4:7000", PROTO_TCP}, /* too large for UDP */
		{"sip:w@192.0.2.5:7000;transport=tcp", "", NULL, PROTO_TCP},
		{"sip:w@192.0.2.1:5060;transport=tcp", "", NULL, PROTO_TCP}, /* our own listener */
		{"sip:w@127.0.0.1:22;transport=tcp", "", NULL, PROTO_TCP},
		{"sip:w@192.0.2.4;maddr=192.0.2.6;transport=tcp", "", NULL, PROTO_TCP},
		{"sip:w@192.0.2.9", "Record-Route: <sip:192.0.2.4:7001;lr;transport=tcp>\r\n", "192.0.2.4:7001",
		 PROTO_TCP},
		{"sip:w@192.0.2.4", "Record-Route: <sip:192.0.2.9:7001;lr;transport=tcp>\r\n", NULL, PROTO_TCP},
		{"sip:w@tcp.example", "", "192.0.2.72:5060", PROTO_TCP}, /* of the configuration */
		{"sip:w@192.0.2.9", "Record-Route: <sip:tcp.example;lr>\r\n", "192.0.2.72:5060", PROTO_TCP},
	};
	struct scene *s = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow f = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40000"), to = {0};
		char headers[200], call_id[16];
		struct sip_msg *m;

		snprintf(call_id, sizeof(call_id), "shown%zu", i);
		snprintf(headers, sizeof(headers), "Event: certificate\r\nContact: <%s>\r\n%s", rows[i].contact,
			 rows[i].routes);
		m = world_ask(s->w, &f,
			      &(struct ask){.method = "SUBSCRIBE",
					    .uri = "sip:alice@example.com",
					    .call_id = call_id,
					    .headers = headers});
		assert_true(m != NULL && m->status == 200);
		msg_unref(m);
		msg_unref(world_take(s->w, call_id, &to));
		assert_int_equal(to.id, f.id);
		fake_close(s->w->site->transport, &f);
		pass(s, SECONDS(61));
		change(s);
		m = world_take(s->w, call_id, &to);
		if ((m != NULL) != (rows[i].to != NULL))
			fail_msg("%s %s", rows[i].contact, rows[i].routes);
		if (m != NULL && (to.proto != rows[i].proto || strcmp(peer_text(&to.remote).text, rows[i].to) != 0))
			fail_msg("%s went to %s", rows[i].contact, peer_text(&to.remote).text);
		msg_unref(m);
		while ((m = world_take(s->w, call_id, NULL)) != NULL)
			msg_unref(m);
	}
}

/* RFC 3261 18.1.1: TCP was for the size only. Where nobody takes the connection, it goes over UDP to the source. */
static void CRT_13_refused_TCP(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070");
	struct watcher t = watcher_of(s->w, &udp, "alice", "certificate");
	struct sip_msg *m;

	change(s);
	assert_int_equal(watch(&t, "3600"), 200);
	m = notified(&t);
	assert_true(m != NULL && m->raw.n > 1300);
	msg_unref(m);
	assert_int_equal(t.back.proto, PROTO_TCP);
	assert_true(peer_same_host(&t.back.remote, &udp.remote));
	fake_close(s->w->site->transport, &t.back);
	m = notified_ok(&t);
	assert_true(m != NULL && m->raw.n > 1300);
	msg_unref(m);
	assert_int_equal(t.back.proto, PROTO_UDP);
	assert_true(peer_same(&t.back.remote, &udp.remote));
	pass(s, SECONDS(61));
	change(s); /* remembered until the next SUBSCRIBE */
	m = notified_ok(&t);
	assert_non_null(m);
	assert_int_equal(t.back.proto, PROTO_UDP);
	msg_unref(m);
}

/*
 * CRT-32: a datagram proves nothing. A SUBSCRIBE gets one packet of at most twice its octets, and again for a copy; no
 * subscription, no NOTIFY, nothing later. The answer of "anonymous" is good from the address that was asked.
 */
static void CRT_32_a_source_proves_its_address(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070"), other_port = fake_udp("192.0.2.4:5071");
	struct flow other = fake_udp("192.0.2.5:5070");
	struct answer a = {
		.user = "anonymous", .password = "", .method = "SUBSCRIBE", .uri = "sip:alice@example.com", .nc = 1};
	struct ask ask = {.method = "SUBSCRIBE",
			  .uri = a.uri,
			  .call_id = "unproven",
			  .headers = "Event: certificate\r\nContact: <sip:w@192.0.2.4:5070>\r\n"};
	struct buf value = {0};
	struct sip_msg *m = world_ask(s->w, &udp, &ask);

	assert_true(m != NULL && m->status == 401 && msg_count(m, HDR_WWW_AUTHENTICATE) == 1);
	assert_true(answer_read(&a, m));
	assert_string_equal(a.realm, "example.com");
	msg_unref(m);
	pass(s, SECONDS(100));
	assert_null(world_take(s->w, "unproven", NULL));
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
	for (unsigned i = 0; i < 4; i++) {
		/* a wrong password, another address, another port, and once more */
		const struct flow *from = i == 1 ? &other : i == 0 ? &udp : &other_port;

		buf_clear(&value);
		a.password = i == 0 ? "x" : "";
		answer_make(&a, &value);
		ask.authorization = value.p;
		ask.cseq = i + 2;
		m = world_ask(s->w, from, &ask);
		assert_non_null(m);
		assert_int_equal(m->status, i == 2 ? 200 : 401);
		msg_unref(m);
		while ((m = world_take(s->w, "unproven", NULL)) != NULL)
			msg_unref(m);
	}
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 1);
	/* Whoever has an account may show that instead. */
	m = world_ask_as(
		s->w, &other, "bob",
		(struct ask){.method = "SUBSCRIBE", .uri = a.uri, .call_id = "as-bob", .headers = ask.headers});
	assert_int_equal(m->status, 200);
	msg_unref(m);
	buf_free(&value);
}

static void CRT_13_large_NOTIFYs_leave_UDP(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070");
	struct watcher t = watcher_of(s->w, &udp, "alice", "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified_ok(&t);
	assert_non_null(m);
	assert_int_equal(t.back.proto, m->raw.n > 1300 ? PROTO_TCP : PROTO_UDP);
	msg_unref(m);
	change(s);
	m = notified_ok(&t);
	assert_non_null(m);
	assert_true(m->raw.n > 1300);
	assert_int_equal(t.back.proto, PROTO_TCP);
	assert_true(has(m, HDR_VIA, "SIP/2.0/TCP "));
	msg_unref(m);
}

/* Names are not looked up; over UDP a NOTIFY goes nowhere but to where the SUBSCRIBE came from anyway. */
static void EVT_02_a_Contact_with_a_name_over_UDP(void **state)
{
	struct scene *s = *state;
	struct flow udp = fake_udp("192.0.2.4:5070");
	struct sip_msg *m = world_ask_as(s->w, &udp, "anonymous",
					 (struct ask){.method = "SUBSCRIBE",
						      .uri = "sip:alice@example.com",
						      .call_id = "by-name",
						      .headers = "Event: certificate\r\n"
								 "Contact: <sip:watcher@phone.example.org>\r\n"});
	struct flow to;

	assert_non_null(m);
	assert_int_equal(m->status, 200);
	msg_unref(m);
	m = world_take(s->w, "by-name", &to);
	assert_non_null(m);
	assert_true(m->request);
	assert_true(peer_same_host(&to.remote, &udp.remote));
	msg_unref(m);
}

static void a_restart_goes_on_with_certificate_subscriptions(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate"), gone;

	change(s);
	assert_told(s, &t);
	gone = watching(s, "credential");
	pass(s, SECONDS(600));
	world_restart(s->w);
	s->own = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	change(s);
	assert_told(s, &t); /* in the same dialog, with the next CSeq */
	assert_quiet(&gone);
	pass(s, SECONDS(3000));
	t.event = "certificate";
	msg_unref(notified_ok(&t)); /* 3600 s after the SUBSCRIBE */
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
}

/* A device without a clock of its own starts in the past: what was granted before does not live for years. */
static void a_restart_in_the_past_prolongs_nothing(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	msg_unref(notified_ok(&t));
	fake_set_wall(s->w->loop, FAKE_START_S - INT64_C(10) * 365 * DAY_S);
	world_restart(s->w);
	while (notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE) > 0) {
		struct sip_msg *m;

		pass(s, SECONDS(DAY_S));
		assert_in_range(loop_wall_s(s->w->loop), 0, FAKE_START_S - INT64_C(10) * 365 * DAY_S + 8 * DAY_S);
		m = fake_next(s->w->site->transport, NULL);
		msg_unref(m);
	}
}

/* --- G37: somebody sets the wall clock --- */

static void clock_jump(struct scene *s, int64_t by_s)
{
	struct watcher t = watching(s, "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "600"), 200);
	msg_unref(notified_ok(&t));
	pass(s, SECONDS(100));
	fake_set_wall(s->w->loop, FAKE_START_S + by_s);
	pass(s, SECONDS(100));
	assert_int_equal(watch(&t, "1000"), 200);
	m = notified_ok(&t);
	assert_int_equal(expires_of(m), 1000);
	msg_unref(m);
	fake_set_wall(s->w->loop, FAKE_START_S);
	pass(s, SECONDS(400));
	notifier_changed(s->w->site->notifier, S("sip:alice@example.com"));
	fake_settle(s->w->loop);
	m = notified_ok(&t);
	assert_non_null(m);
	assert_int_equal(expires_of(m), 600); /* what is left does not depend on the wall clock */
	msg_unref(m);
	fake_set_wall(s->w->loop, FAKE_START_S + by_s);
	pass(s, SECONDS(600) - 1);
	assert_quiet(&t); /* not too early */
	pass(s, 1);
	assert_empty(&t, "terminated;reason=timeout"); /* nor for ever */
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
}

static void G37_the_clock_is_set_ten_years_forward(void **state)
{
	clock_jump(*state, INT64_C(10) * 365 * DAY_S);
}

static void G37_the_clock_is_set_ten_years_back(void **state)
{
	clock_jump(*state, -INT64_C(10) * 365 * DAY_S);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(EVT_06_expiry_is_told),
		T(CRD_16_17_never_longer_than_the_certificate),
		T(CRT_07_certificate_subscriptions_are_not_shortened),
		T(CRD_18_a_new_certificate_may_shorten),
		T(EVT_13_the_Contact_leads_back),
		T(EVT_13_the_Contact_of_a_secure_dialog),
		T(CRD_11_the_connection_is_gone),
		T(CRD_11_the_connection_goes_while_a_NOTIFY_is_signed),
		T(CRD_11_a_refresh_moves_the_subscription),
		T(T_32_a_certificate_goes_to_the_Contact_when_the_connection_is_gone),
		T(T_32_the_name_of_a_sips_Contact),
		T(T_32_a_revocation_that_went_down_with_its_connection_is_told),
		T(T_32_only_where_the_subscriber_has_been),
		T(CRT_13_refused_TCP),
		T(CRT_32_a_source_proves_its_address),
		T(CRT_13_large_NOTIFYs_leave_UDP),
		T(EVT_02_a_Contact_with_a_name_over_UDP),
		T(a_restart_goes_on_with_certificate_subscriptions),
		T(a_restart_in_the_past_prolongs_nothing),
		T(G37_the_clock_is_set_ten_years_forward),
		T(G37_the_clock_is_set_ten_years_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
