#include "tests/test.h"

#include "sip/message/header.h"
#include "tests/scenario/scene.h"

/* Digest over time: nonces, their counts, revocation, guesses. RFC 7616, S-43, the rows named. */

enum verdict { ACCEPTED, CHALLENGED, STALE, BAD, BUSY };

static enum verdict verdict_of(struct sip_msg *m)
{
	enum verdict v = BAD;

	assert_non_null(m);
	if (m->status == 200)
		v = ACCEPTED;
	else if (m->status == 401)
		v = slice_find(msg_value(m, HDR_WWW_AUTHENTICATE), S("stale=true"), 0) <
				    msg_value(m, HDR_WWW_AUTHENTICATE).n
			    ? STALE
			    : CHALLENGED;
	else if (m->status == 503)
		v = BUSY;
	else
		assert_int_equal(m->status, 400);
	msg_unref(m);
	return v;
}

static enum verdict send_value(struct scene *s, const struct flow *from, const struct answer *a, const char *value)
{
	/* A revocation of nothing: 200 for whoever may. */
	return verdict_of(world_ask(s->w, from,
				    &(struct ask){.method = "PUBLISH",
						  .uri = a->uri,
						  .headers = "Event: credential\r\n",
						  .authorization = value}));
}

static enum verdict try(struct scene *s, const struct flow *from, const struct answer *a)
{
	struct buf value = {0};
	enum verdict v;

	answer_make(a, &value);
	v = send_value(s, from, a, value.p);
	buf_free(&value);
	return v;
}

static struct answer challenged(struct scene *s, const struct flow *from, const char *user)
{
	struct answer a = {.user = user,
			   .password = slice_eq(slice_str(user), S("bob")) ? "bob-pw" : "alice-pw",
			   .method = "PUBLISH",
			   .uri = slice_eq(slice_str(user), S("bob")) ? "sip:bob@example.com" : "sip:alice@example.com",
			   .nc = 1};
	struct sip_msg *m = world_ask(
		s->w, from, &(struct ask){.method = "PUBLISH", .uri = a.uri, .headers = "Event: credential\r\n"});

	assert_int_equal(m->status, 401);
	assert_int_equal(msg_count(m, HDR_WWW_AUTHENTICATE), 1);
	assert_true(answer_read(&a, m));
	assert_string_equal(a.realm, "credential.example.com");
	msg_unref(m);
	return a;
}

static struct answer wrong(struct answer a)
{
	a.password = "guess";
	return a;
}

/* --- how long a nonce lives --- */

static void a_nonce_lives_300_s(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice"), b = wrong(a);

	pass(s, SECONDS(300));
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
	a.nc++;
	pass(s, SECONDS(1));
	/* stale only for who knows the password: others learn nothing of their guess. */
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	assert_int_equal(try(s, &s->own, &a), STALE);
	a = challenged(s, &s->own, "alice");
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

static void a_clock_that_is_set_costs_one_challenge(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");

	fake_set_wall(s->w->loop, FAKE_START_S - INT64_C(10) * 365 * DAY_S);
	assert_int_equal(try(s, &s->own, &a), STALE);
	a = challenged(s, &s->own, "alice");
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
	fake_set_wall(s->w->loop, FAKE_START_S + INT64_C(10) * 365 * DAY_S);
	a.nc++;
	assert_int_equal(try(s, &s->own, &a), STALE);
	a = challenged(s, &s->own, "alice");
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

static void a_nonce_belongs_to_its_connection(void **state)
{
	struct scene *s = *state;
	struct flow other = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41001");
	struct answer a = challenged(s, &s->own, "alice"), b = wrong(a);

	assert_int_equal(try(s, &other, &b), STALE); /* no word about the answer (G19) */
	assert_int_equal(try(s, &other, &a), STALE);
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

static void a_nonce_does_not_outlive_the_process(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");

	world_restart(s->w);
	s->own = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	assert_int_equal(try(s, &s->own, &a), CHALLENGED);
}

static void a_nonce_is_not_made_up(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice"), b = a;

	for (size_t i = 0; b.nonce[i] != '\0'; i++) {
		b = a;
		b.nonce[i] = b.nonce[i] == 'A' ? 'B' : 'A';
		assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	}
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

/* --- nonce counts: a window of 64 --- */

static enum verdict count(struct scene *s, struct answer *a, unsigned nc)
{
	a->nc = nc;
	return try(s, &s->own, a);
}

static void each_nonce_count_is_good_once(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");

	assert_int_equal(count(s, &a, 0), STALE);
	assert_int_equal(count(s, &a, 1), ACCEPTED);
	assert_int_equal(count(s, &a, 1), STALE);
	/* Pipelined requests come in another order. */
	assert_int_equal(count(s, &a, 4), ACCEPTED);
	assert_int_equal(count(s, &a, 2), ACCEPTED);
	assert_int_equal(count(s, &a, 2), STALE);
	assert_int_equal(count(s, &a, 3), ACCEPTED);
	assert_int_equal(count(s, &a, 4), STALE);
	assert_int_equal(count(s, &a, 5), ACCEPTED);
}

static void nonce_counts_older_than_the_window_are_gone(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");

	assert_int_equal(count(s, &a, 100), ACCEPTED);
	assert_int_equal(count(s, &a, 36), STALE);
	assert_int_equal(count(s, &a, 37), ACCEPTED); /* 63 before the highest */
	for (unsigned nc = 99; nc > 37; nc--)
		assert_int_equal(count(s, &a, nc), ACCEPTED);
	for (unsigned nc = 100; nc > 36; nc--)
		assert_int_equal(count(s, &a, nc), STALE);
	assert_int_equal(count(s, &a, 164), ACCEPTED); /* the whole window at once */
	assert_int_equal(count(s, &a, 101), ACCEPTED);
	assert_int_equal(count(s, &a, 100), STALE);
	assert_int_equal(count(s, &a, UINT32_MAX), ACCEPTED);
	assert_int_equal(count(s, &a, 163), STALE);
	assert_int_equal(count(s, &a, UINT32_MAX - 63), ACCEPTED);
}

static void a_wrong_answer_uses_no_count_up(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice"), b = wrong(a);

	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

/* --- algorithms and form --- */

static enum verdict fetch_bindings(struct scene *s, struct answer *a)
{
	struct buf value = {0};
	enum verdict v;

	answer_make(a, &value);
	v = verdict_of(world_ask(s->w, &s->own,
				 &(struct ask){.method = "REGISTER",
					       .uri = a->uri,
					       .to = "<sip:alice@example.com>",
					       .from = "<sip:alice@example.com>;tag=f",
					       .authorization = value.p}));
	buf_free(&value);
	a->nc++;
	return v;
}

static void a_nonce_is_for_its_algorithm(void **state)
{
	struct scene *s = *state;
	struct answer a = {
		.user = "alice", .password = "alice-pw", .method = "REGISTER", .uri = "sip:example.com", .nc = 1};
	struct answer b, keys = challenged(s, &s->own, "alice");
	struct sip_msg *m = world_ask(
		s->w, &s->own, &(struct ask){.method = "REGISTER", .uri = a.uri, .to = "<sip:alice@example.com>"});

	assert_true(answer_read(&a, m));
	assert_int_equal(msg_count(m, HDR_WWW_AUTHENTICATE), 2);
	b = a;
	b.md5 = true;
	assert_int_equal(fetch_bindings(s, &b), CHALLENGED); /* an MD5 answer with the nonce for SHA-256 */
	assert_true(answer_read(&b, m));
	msg_unref(m);
	assert_int_equal(fetch_bindings(s, &b), ACCEPTED);
	assert_int_equal(fetch_bindings(s, &a), ACCEPTED);
	/* A nonce of before a reload is for an algorithm that is not taken any more. */
	s->w->settings.config.digest_md5 = false;
	assert_int_equal(fetch_bindings(s, &b), CHALLENGED);
	s->w->settings.config.digest_md5 = true;
	assert_int_equal(fetch_bindings(s, &b), ACCEPTED);
	/* DIG-12: nothing by MD5, and nothing of the realm of the domain, opens the credential service. */
	b.method = keys.method;
	b.uri = keys.uri;
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	snprintf(b.realm, sizeof(b.realm), "%s", keys.realm);
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	snprintf(b.nonce, sizeof(b.nonce), "%s", keys.nonce);
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	b.md5 = false;
	snprintf(b.realm, sizeof(b.realm), "example.com");
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	assert_int_equal(try(s, &s->own, &keys), ACCEPTED);
}

/* --- users whose password was set before the realm was --- */

/* A store from before goes on with the realm of the domain, until each user's password is set. */
static void DIG_12_old_users_are_known_by_the_old_realm(void **state)
{
	struct scene *s = *state;
	struct users *users = s->w->settings.users;
	struct answer old = {.user = "alice",
			     .password = "alice-pw",
			     .method = "PUBLISH",
			     .uri = "sip:alice@example.com",
			     .nc = 1},
		      bob = {.user = "bob",
			     .password = "bob-pw",
			     .method = "PUBLISH",
			     .uri = "sip:bob@example.com",
			     .nc = 1};
	struct ha1 h = users_find(users, S("sip:alice@example.com"))->ha1;
	const struct sip_header *second;
	struct digest_params d;
	struct sip_msg *m;

	memset(h.credential, 0, sizeof(h.credential));
	users_set(users, S("sip:alice@example.com"), &h);
	m = world_ask(s->w, &s->own,
		      &(struct ask){.method = "PUBLISH", .uri = bob.uri, .headers = "Event: credential\r\n"});
	/* For whomever, so that nobody learns whose password is old. */
	assert_int_equal(msg_count(m, HDR_WWW_AUTHENTICATE), 2);
	assert_true(answer_read(&bob, m));
	assert_string_equal(bob.realm, "credential.example.com");
	second = msg_each(m, HDR_WWW_AUTHENTICATE, msg_each(m, HDR_WWW_AUTHENTICATE, NULL));
	assert_int_equal(digest_params_parse(second->value, &d), ERR_OK);
	assert_true(slice_eq(d.realm, S("example.com")) && slice_eq(d.algorithm, S("SHA-256")));
	snprintf(old.realm, sizeof(old.realm), "example.com");
	snprintf(old.nonce, sizeof(old.nonce), "%.*s", SLICE_ARG(d.nonce));
	msg_unref(m);
	assert_int_equal(try(s, &s->own, &old), ACCEPTED);
	/* Bob has the hash of the realm, so less does not do for him; both at once do, and for alice, too. */
	snprintf(bob.realm, sizeof(bob.realm), "example.com");
	assert_int_equal(try(s, &s->own, &bob), CHALLENGED);
	for (unsigned i = 0; i < 2; i++) {
		struct answer both[2] = {i == 0 ? bob : old, i == 0 ? bob : old};
		struct buf value = {0};

		snprintf(both[0].realm, sizeof(both[0].realm), "credential.example.com");
		snprintf(both[1].realm, sizeof(both[1].realm), "example.com");
		both[0].nc = both[1].nc = 2 + i;
		answer_make(&both[0], &value);
		buf_adds(&value, "\r\nAuthorization: ");
		answer_make(&both[1], &value);
		assert_int_equal(send_value(s, &s->own, &both[0], value.p), ACCEPTED);
		buf_free(&value);
	}
	ha1_make(S("alice"), S("example.com"), S("credential.example.com"), S("alice-pw"), &h);
	users_set(users, S("sip:alice@example.com"), &h);
	old.nc = 9;
	assert_int_equal(try(s, &s->own, &old), CHALLENGED);
	old = challenged(s, &s->own, "alice");
	assert_int_equal(try(s, &s->own, &old), ACCEPTED);
}

static void malformed_answers(void **state)
{
	static const struct {
		const char *value;
		enum verdict verdict;
	} rows[] = {
		{"Basic YWxpY2U6YWxpY2UtcHc=", CHALLENGED},
		{"Digest", BAD},
		{"Digest realm=\"example.com", BAD},
		{"Digest realm=\"example.com\", realm=\"example.com\"", BAD},
		{"Digest realm=\"example.org\", nonce=\"x\"", CHALLENGED},
		{"Digest realm=\"example.com\", nonce=\"x\", response=\"y\"", CHALLENGED},
		{"Digest realm=\"credential.example.com\", nonce=\"x\", response=\"y\"", CHALLENGED},
	};
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");
	struct buf value = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (send_value(s, &s->own, &a, rows[i].value) != rows[i].verdict)
			fail_msg("%s", rows[i].value);
	answer_make(&a, &value);
	buf_adds(&value, "\r\nAuthorization: ");
	answer_make(&a, &value);
	assert_int_equal(send_value(s, &s->own, &a, value.p), BAD); /* two answers for one realm */
	buf_free(&value);
	a.uri = "sip:bob@example.com";
	answer_make(&a, &value);
	a.uri = "sip:alice@example.com";
	assert_int_equal(send_value(s, &s->own, &a, value.p), CHALLENGED); /* made for another request (22.4 6) */
	buf_free(&value);
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
}

static void CRD_14_the_answer_of_another_user(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "bob");
	struct buf value = {0};
	struct sip_msg *m;

	a.uri = "sip:alice@example.com";
	answer_make(&a, &value);
	m = world_ask(s->w, &s->own,
		      &(struct ask){.method = "PUBLISH",
				    .uri = a.uri,
				    .headers = "Event: credential\r\n",
				    .authorization = value.p});
	assert_int_equal(m->status, 403);
	msg_unref(m);
	buf_free(&value);
}

/* --- revocation --- */

/* Neither a SUBSCRIBE nor a PUBLISH of a credential is challenged in the clear: the digest could be guessed at. */
static void CRD_12_no_key_and_no_challenge_without_TLS(void **state)
{
	struct scene *s = *state;
	const struct flow flows[] = {fake_udp("192.0.2.9:5070"),
				     fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.9:41001")};
	static const char *const methods[] = {"SUBSCRIBE", "PUBLISH"};

	for (size_t i = 0; i < COUNT(flows) * COUNT(methods); i++) {
		struct sip_msg *m =
			world_ask(s->w, &flows[i % COUNT(flows)],
				  &(struct ask){.method = methods[i / COUNT(flows)],
						.uri = "sip:alice@example.com",
						.headers = "Event: credential\r\nContact: <sip:a@192.0.2.9>\r\n"});

		assert_non_null(m);
		assert_int_equal(m->status, 403);
		assert_true(slice_eq(m->reason, S("TLS Required")));
		assert_int_equal(msg_count(m, HDR_WWW_AUTHENTICATE), 0);
		msg_unref(m);
	}
}

static void CRD_23_a_revocation_makes_older_nonces_stale(void **state)
{
	struct scene *s = *state;
	struct answer alice = challenged(s, &s->own, "alice"), unused = challenged(s, &s->own, "alice");
	struct answer bob = challenged(s, &s->own, "bob"), b;

	assert_int_equal(try(s, &s->own, &alice), ACCEPTED);
	change(s);
	world_revoke(s->w, &s->own, "alice");
	alice.nc++;
	b = wrong(alice);
	assert_int_equal(try(s, &s->own, &b), CHALLENGED);
	assert_int_equal(try(s, &s->own, &alice), STALE);
	assert_int_equal(try(s, &s->own, &unused), STALE);
	assert_int_equal(try(s, &s->own, &bob), ACCEPTED); /* nobody else's business */
	alice = challenged(s, &s->own, "alice");
	assert_int_equal(try(s, &s->own, &alice), ACCEPTED);
	/* What is remembered of it is dropped only when all those nonces are dead by age. */
	pass(s, SECONDS(299));
	auth_revoke(s->w->site->auth, S("sip:carol@example.com"));
	assert_int_equal(try(s, &s->own, &unused), STALE);
}

/* --- guesses --- */

static void spend(struct scene *s, const struct flow *from, const struct answer *a, unsigned guesses)
{
	for (unsigned i = 0; i < guesses; i++)
		assert_int_equal(try(s, from, a), CHALLENGED);
}

static void guesses_of_one_account_from_one_source_are_limited(void **state)
{
	struct scene *s = *state;
	struct flow elsewhere = fake_stream(s->w->site->transport, PROTO_TLS, "198.51.100.7:41000");
	struct flow again = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41002");
	struct answer a = challenged(s, &s->own, "alice"), w = wrong(a), other;

	spend(s, &s->own, &w, 20);
	assert_int_equal(try(s, &s->own, &w), BUSY);
	assert_int_equal(try(s, &s->own, &a), BUSY); /* the right one, too: else it could be told */
	other = challenged(s, &again, "alice");
	assert_int_equal(try(s, &again, &other), BUSY); /* another connection of that address */
	other = challenged(s, &elsewhere, "alice");
	assert_int_equal(try(s, &elsewhere, &other), ACCEPTED); /* nobody locks the owner out */
	other = challenged(s, &s->own, "bob");
	assert_int_equal(try(s, &s->own, &other), ACCEPTED);
	/* 20 a minute: one more every 3 s, which a right answer does not use up. */
	pass(s, SECONDS(3));
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
	a.nc++;
	assert_int_equal(try(s, &s->own, &a), ACCEPTED);
	assert_int_equal(try(s, &s->own, &w), CHALLENGED);
	assert_int_equal(try(s, &s->own, &w), BUSY);
	pass(s, SECONDS(60));
	spend(s, &s->own, &w, 20);
	assert_int_equal(try(s, &s->own, &w), BUSY);
}

static void T_46_unknown_users_look_like_wrong_passwords(void **state)
{
	struct scene *s = *state;
	struct answer a = challenged(s, &s->own, "alice");

	a.user = "nobody";
	spend(s, &s->own, &a, 20);
	assert_int_equal(try(s, &s->own, &a), BUSY);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_nonce_lives_300_s),
		T(a_clock_that_is_set_costs_one_challenge),
		T(a_nonce_belongs_to_its_connection),
		T(a_nonce_does_not_outlive_the_process),
		T(a_nonce_is_not_made_up),
		T(each_nonce_count_is_good_once),
		T(nonce_counts_older_than_the_window_are_gone),
		T(a_wrong_answer_uses_no_count_up),
		T(a_nonce_is_for_its_algorithm),
		T(DIG_12_old_users_are_known_by_the_old_realm),
		T(malformed_answers),
		T(CRD_14_the_answer_of_another_user),
		T(CRD_12_no_key_and_no_challenge_without_TLS),
		T(CRD_23_a_revocation_makes_older_nonces_stale),
		T(guesses_of_one_account_from_one_source_are_limited),
		T(T_46_unknown_users_look_like_wrong_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
