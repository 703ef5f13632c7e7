#include "tests/test.h"

#include "sip/message/date.h"
#include "tests/scenario/proxy_scene.h"

/* The authentication service in the proxy, RFC 4474 5: what is signed, what is not, and what happens meanwhile. */

static unsigned identities(const struct sip_msg *m)
{
	assert_int_equal(msg_count(m, HDR_IDENTITY), msg_count(m, HDR_IDENTITY_INFO));
	return msg_count(m, HDR_IDENTITY);
}

/* Alice's request to Bob as it comes to his phone. */
static struct sip_msg *sent(struct scene *s, struct req r)
{
	static unsigned calls;
	char call_id[32];
	struct sip_msg *m;

	snprintf(call_id, sizeof(call_id), "sent-%u", ++calls);
	r.call_id = r.call_id != NULL ? r.call_id : call_id;
	say_as_alice(s, &s->alice, r);
	m = next(s, NULL);
	assert_non_null(m);
	return m;
}

static void refused(struct scene *s, struct req r, unsigned code)
{
	struct sip_msg *m = sent(s, r);

	assert_false(m->request);
	assert_int_equal(m->status, code);
	msg_unref(m);
	silence(s);
}

static const char *date(struct scene *s, int off_s)
{
	static char line[64];
	char text[DATE_SIZE];

	date_format(loop_wall_s(s->w->loop) + off_s, text);
	snprintf(line, sizeof(line), "Date: %s\r\n", text);
	return line;
}

/* --- what --- */

static void AUT_02_08_what_users_send_is_signed_last(void **state)
{
	static const char *const methods[] = {"MESSAGE", "INVITE", "OPTIONS", "SUBSCRIBE", "NOTIFY", "X-NEW"};
	struct scene *s = *state;

	for (size_t i = 0; i < COUNT(methods); i++) {
		struct sip_msg *m =
			sent(s, (struct req){.method = methods[i], .headers = i == 3 ? "Event: presence\r\n" : NULL});

		assert_true(m->request);
		assert_int_equal(identities(m), 1);
		assert_int_equal(msg_count(m, HDR_DATE), 1);
		assert_int_equal(m->headers[m->header_count - 2].id, HDR_IDENTITY);
		assert_int_equal(m->headers[m->header_count - 1].id, HDR_IDENTITY_INFO);
		assert_true(slice_find(m->raw, S(".cer>;alg=rsa-sha1\r\n"), 0) < m->raw.n);
		msg_unref(m);
	}
}

static void AUT_03_09_what_is_not_signed(void **state)
{
	struct scene *s = *state;
	struct flow first = fake_udp("192.0.2.70:5060");
	struct sip_msg *m;

	/* A stranger's. */
	say(s, &s->eve, (struct req){0});
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_int_equal(identities(m) + msg_count(m, HDR_DATE), 0);
	msg_unref(m);
	/* REGISTER, wherever it goes. */
	say_as_alice(s, &s->alice, (struct req){.method = "REGISTER", .uri = "sip:two.example"});
	m = asked(s, &first, METHOD_REGISTER);
	assert_int_equal(identities(m), 0);
	msg_unref(m);
	/* CANCEL and the ACK to a failure, whose INVITE is signed. */
	say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .branch = "z9hG4bKc", .call_id = "c2"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	assert_int_equal(identities(m), 1);
	reply(s, &s->phone1, m, 180, NULL);
	expect(s, &s->alice, 180);
	say(s, &s->alice,
	    (struct req){.method = "CANCEL", .from = ALICE, .branch = "z9hG4bKc", .call_id = "c2", .cseq = 2});
	expect(s, &s->alice, 200);
	msg_unref(m);
	m = asked(s, &s->phone1, METHOD_CANCEL);
	assert_int_equal(identities(m), 0);
	msg_unref(m);
}

static void AUT_06_the_Date_that_came(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;

	m = sent(s, (struct req){.headers = date(s, -590)});
	assert_true(m->request && identities(m) == 1 && msg_count(m, HDR_DATE) == 1);
	msg_unref(m);
	refused(s, (struct req){.headers = date(s, -601)}, 403);
	refused(s, (struct req){.headers = date(s, 601)}, 403);
	refused(s, (struct req){.headers = "Date: today\r\n"}, 400);
	/* For who is not signed it is nobody's business. */
	say(s, &s->eve, (struct req){.headers = "Date: today\r\n"});
	msg_unref(asked(s, &s->phone1, METHOD_MESSAGE));
}

/* AUT-21, T-36. */
static void AUT_21_an_Identity_that_came(void **state)
{
	static const char token[] = "Identity: eyJhbGciOiJFUzI1NiJ9.e30.c2ln;info=<https://x.example/c>;alg=ES256\r\n";
	static const char quoted[] =
		"Identity: \"c2ln\"\r\nIdentity-Info: <https://example.com/c.cer>;alg=rsa-sha1\r\n";
	struct scene *s = *state;
	struct sip_msg *m;

	/* Of ours none but our own. */
	refused(s, (struct req){.headers = quoted}, 403);
	refused(s, (struct req){.headers = "y: \"c2ln\"\r\n"}, 403);
	refused(s, (struct req){.headers = "Identity-Info: <https://example.com/c.cer>;alg=rsa-sha1\r\n"}, 403);
	refused(s, (struct req){.headers = "n:\r\n"}, 403);
	/* That of RFC 8224 is left as it is, and no other is put beside it. */
	m = sent(s, (struct req){.headers = token});
	assert_true(m->request);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 1);
	assert_true(has(m, HDR_IDENTITY, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln;info=<https://x.example/c>;alg=ES256"));
	assert_int_equal(msg_count(m, HDR_IDENTITY_INFO), 0);
	msg_unref(m);
	/* A stranger's goes through, whatever it is worth. */
	say(s, &s->eve, (struct req){.headers = token});
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 1);
	msg_unref(m);
}

static void AUT_22_nobody_of_the_domain(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m = sent(s, (struct req){.from = "Anonymous <sip:anonymous@example.com>;tag=a"});

	assert_true(m->request);
	assert_int_equal(identities(m), 1);
	msg_unref(m);
	refused(s, (struct req){.from = "<sip:bob@example.com>;tag=a"}, 403);
	refused(s, (struct req){.from = "<sip:anonymous2@example.com>;tag=a"}, 403);
}

/* Two tuples must not have one string. */
static void what_is_ambiguous_is_not_signed(void **state)
{
	struct scene *s = *state;

	say(s, &s->alice, (struct req){.from = ALICE, .call_id = "a|b"});
	expect(s, &s->alice, 400);
	say(s, &s->alice, (struct req){.from = ALICE, .to = "<sip:bob@example.com;x=1|2>"});
	expect(s, &s->alice, 400);
	refused(s, (struct req){.method = "INVITE", .headers = "Contact: <sip:a@192.0.2.5>, <sip:b@192.0.2.5>\r\n"},
		400);
}

/* Nor by the connection of a dialog, in which nothing is challenged. */
static void in_a_dialog_an_Identity_is_ours_or_none(void **state)
{
	struct scene *s = *state;
	struct flow alice = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.5:40000");
	struct buf route = {0};
	struct req info = {.method = "INFO",
			   .uri = PHONE1,
			   .from = ALICE,
			   .to = "<sip:bob@example.com>;tag=b",
			   .call_id = "c",
			   .cseq = 5};
	struct sip_msg *m;

	say_as_alice(s, &alice, (struct req){.method = "INVITE", .call_id = "c"});
	m = asked(s, &s->phone1, METHOD_INVITE);
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	msg_unref(m);
	expect(s, &alice, 200);
	info.headers = route.p;
	say(s, &alice, info);
	m = asked(s, &s->phone1, METHOD_INFO);
	assert_int_equal(identities(m) + msg_count(m, HDR_P_ASSERTED_IDENTITY), 0);
	msg_unref(m);
	buf_adds(&route, "Identity: \"c2ln\"\r\nIdentity-Info: <https://example.com/c.cer>;alg=rsa-sha1\r\n");
	info.headers = route.p;
	info.cseq++;
	say(s, &alice, info);
	expect(s, &alice, 403);
	silence(s);
	buf_free(&route);
}

/* One signature for all branches and all hops. */
static void every_branch_has_the_same(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m[2];

	put(s, &s->phone2, "<" PHONE2 ">");
	m[0] = sent(s, (struct req){.method = "INVITE"});
	m[1] = next(s, NULL);
	assert_true(m[0]->request && m[1] != NULL && m[1]->request);
	assert_int_equal(identities(m[0]) + identities(m[1]), 2);
	assert_true(slice_eq(msg_value(m[0], HDR_IDENTITY), msg_value(m[1], HDR_IDENTITY)));
	assert_true(slice_eq(msg_value(m[0], HDR_DATE), msg_value(m[1], HDR_DATE)));
	assert_int_equal(proxy_identities(s->w->site->proxy)->signatures, 1);
	msg_unref(m[0]);
	msg_unref(m[1]);
}

/* --- meanwhile --- */

static void cancelled_while_it_is_signed(void **state)
{
	struct scene *s = *state;

	fake_hold(s->w->site->work, true);
	say_as_alice(s, &s->alice, (struct req){.method = "INVITE", .branch = "z9hG4bKc", .call_id = "c2"});
	silence(s);
	say(s, &s->alice,
	    (struct req){.method = "CANCEL", .from = ALICE, .branch = "z9hG4bKc", .call_id = "c2", .cseq = 2});
	expect(s, &s->alice, 200);
	expect(s, &s->alice, 487);
	fake_hold(s->w->site->work, false);
	silence(s);
	assert_int_equal(proxy_count(s->w->site->proxy), 0);
}

static void sent_again_while_it_is_signed(void **state)
{
	static const char *const methods[] = {"MESSAGE", "INVITE"};
	struct scene *s = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct req r = {.method = methods[i], .branch = i == 0 ? "z9hG4bKa0" : "z9hG4bKa1", .call_id = "again"};
		struct sip_msg *m;

		fake_hold(s->w->site->work, true);
		say_as_alice(s, &s->alice, r);
		silence(s);
		r.from = ALICE;
		r.cseq = 2;
		for (unsigned k = 0; k < 3; k++)
			say(s, &s->alice, r); /* without credentials even: the branch says what it is */
		fake_advance(s->w->loop, TX_T1_MS);
		while ((m = next(s, NULL)) != NULL) {
			assert_true(!m->request && m->status == 100 && i == 1);
			msg_unref(m);
		}
		fake_hold(s->w->site->work, false);
		m = next(s, NULL);
		assert_true(m != NULL && m->request && identities(m) == 1);
		reply(s, &s->phone1, m, 200, NULL);
		msg_unref(m);
		expect(s, &s->alice, 200);
		silence(s);
	}
}

/* end() of the scene stops the server with the job still waiting. */
static void stopped_while_it_is_signed(void **state)
{
	struct scene *s = *state;

	fake_hold(s->w->site->work, true);
	say_as_alice(s, &s->alice, (struct req){.method = "INVITE"});
	say_as_alice(s, &s->alice, (struct req){.call_id = "c2"});
	silence(s);
}

static int begin_with_a_short_queue(void **state)
{
	static const char *const options[] = {"limits.queue=14", NULL};

	return begin_with(state, options);
}

static void too_much_to_sign_is_503(void **state)
{
	struct scene *s = *state;
	struct sip_msg *m;
	unsigned n = 0;

	/* The queue has room for 14, so half of it and one may be signatures of the proxy. */
	fake_hold(s->w->site->work, true);
	for (unsigned i = 0; i < 8; i++) {
		say_as_alice(s, &s->alice, (struct req){.cseq = 10 + 2 * i});
		silence(s);
	}
	say_as_alice(s, &s->alice, (struct req){.cseq = 100});
	expect(s, &s->alice, 503);
	fake_hold(s->w->site->work, false);
	while ((m = next(s, NULL)) != NULL) {
		n += m->request;
		msg_unref(m);
	}
	assert_int_equal(n, 8);
	say_as_alice(s, &s->alice, (struct req){.cseq = 102});
	msg_unref(asked(s, &s->phone1, METHOD_MESSAGE));
}

/* A request that is being signed keeps the certificate with which it began; the next one has the new one. */
static void rolled_over_while_it_is_signed(void **state)
{
	struct scene *s = *state;
	struct buf before = {0};
	struct sip_msg *m;

	m = sent(s, (struct req){0});
	buf_add(&before, msg_value(m, HDR_IDENTITY_INFO));
	msg_unref(m);
	fake_hold(s->w->site->work, true);
	say_as_alice(s, &s->alice, (struct req){.call_id = "during"});
	world_roll_over(s->w);
	fake_hold(s->w->site->work, false);
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_true(slice_eq(msg_value(m, HDR_IDENTITY_INFO), buf_slice(&before)));
	msg_unref(m);
	m = sent(s, (struct req){0});
	assert_false(slice_eq(msg_value(m, HDR_IDENTITY_INFO), buf_slice(&before)));
	msg_unref(m);
	buf_free(&before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(AUT_02_08_what_users_send_is_signed_last),
		T(AUT_03_09_what_is_not_signed),
		T(AUT_06_the_Date_that_came),
		T(AUT_21_an_Identity_that_came),
		T(in_a_dialog_an_Identity_is_ours_or_none),
		T(AUT_22_nobody_of_the_domain),
		T(what_is_ambiguous_is_not_signed),
		T(every_branch_has_the_same),
		T(cancelled_while_it_is_signed),
		T(sent_again_while_it_is_signed),
		T(stopped_while_it_is_signed),
		cmocka_unit_test_setup_teardown(too_much_to_sign_is_503, begin_with_a_short_queue, end),
		T(rolled_over_while_it_is_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
