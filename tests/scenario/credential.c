#include "tests/test.h"

#include "core/map.h"
#include "tests/scenario/scene.h"

/* The credential service: RFC 3903 6, draft 7.10, T-17 and the rows named. */

#define ALICE S("sip:alice@example.com")

static struct sip_msg *publish(struct scene *s, struct publish p)
{
	struct sip_msg *m;

	p.user = "alice";
	m = world_publish(s->w, &s->own, &p);
	assert_non_null(m);
	return m;
}

/* A PUBLISH with a new certificate (valid for a day) or without body; its status. s->etag is that of a 200. */
static unsigned published(struct scene *s, bool body, const char *if_match, const char *expires, uint32_t *granted)
{
	struct buf cert = {0};
	struct sip_msg *m;
	unsigned status;

	if (body)
		cert = world_cert(s->w, "alice", loop_wall_s(s->w->loop) + DAY_S);
	m = publish(s, (struct publish){.cert = buf_slice(&cert), .if_match = if_match, .expires = expires});
	status = m->status;
	if (status == 200) {
		char etag[64];

		assert_int_equal(msg_count(m, HDR_SIP_ETAG), 1); /* ESC-12 */
		assert_int_equal(msg_count(m, HDR_EXPIRES), 1);
		snprintf(etag, sizeof(etag), "%.*s", SLICE_ARG(msg_value(m, HDR_SIP_ETAG)));
		assert_string_not_equal(etag, s->etag);
		snprintf(s->etag, sizeof(s->etag), "%s", etag);
		if (granted != NULL)
			assert_true(slice_u32(msg_value(m, HDR_EXPIRES), UINT32_MAX, granted));
	}
	msg_unref(m);
	buf_free(&cert);
	return status;
}

static bool present(struct scene *s)
{
	const struct credential *c = credential_find(s->w->site->store, ALICE);

	return c != NULL && c->present;
}

/* --- expiry --- */

static void CRT_25_certificates_end_at_notAfter(void **state)
{
	struct scene *s = *state;
	struct watcher t, late;

	world_set(s->w, &s->own, "alice", 65, s->etag);
	t = watching(s, "certificate");
	pass(s, SECONDS(65) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_empty(&t, "active;expires=");
	assert_false(present(s));
	late = watcher_of(s->w, &s->stream, "alice", "certificate");
	assert_int_equal(watch(&late, "3600"), 200);
	assert_empty(&late, "active;expires=");
	pass(s, SECONDS(600));
	assert_quiet(&t);
}

/* Seconds are cut where lifetimes are granted, so that either of two timers may be the first. */
static void T_19_CRD_16_credential_subscriptions_time_out_with_the_certificate(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	for (unsigned i = 0; i < 2; i++) {
		world_set(s->w, &s->own, "alice", 65, s->etag);
		pass(s, i == 0 ? 0 : 950);
		t = watching(s, "credential");
		pass(s, SECONDS(66));
		assert_empty(&t, "terminated;reason=timeout");
		assert_false(present(s));
	}
}

static void ESC_19_publications_end_at_Expires(void **state)
{
	struct scene *s = *state;
	struct watcher open, secret;
	uint32_t granted;

	assert_int_equal(published(s, true, NULL, "90", &granted), 200);
	assert_int_equal(granted, 90);
	open = watching(s, "certificate");
	secret = watching(s, "credential");
	pass(s, SECONDS(90) - 1);
	assert_quiet(&open);
	pass(s, 1);
	assert_empty(&open, "active;expires=");
	assert_empty(&secret, "terminated;reason=deactivated");
	assert_int_equal(published(s, false, s->etag, "90", NULL), 412); /* the entity-tag died with it */
}

static void ESC_08_a_refresh_moves_the_end(void **state)
{
	struct scene *s = *state;
	struct watcher t;
	uint32_t granted;

	s->w->settings.config.credential_empty_publish = EMPTY_HYBRID;
	assert_int_equal(published(s, true, NULL, "90", NULL), 200);
	t = watching(s, "certificate");
	pass(s, SECONDS(80));
	assert_int_equal(published(s, false, s->etag, "100", &granted), 200);
	assert_int_equal(granted, 100);
	pass(s, SECONDS(100) - 1);
	assert_quiet(&t); /* nobody is told of a refresh */
	assert_true(present(s));
	pass(s, 1);
	assert_empty(&t, "active;expires=");
}

static void expiry_is_looked_at_after_a_restart(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	world_set(s->w, &s->own, "alice", 200, s->etag);
	t = watching(s, "certificate");
	pass(s, SECONDS(50));
	world_restart(s->w);
	pass(s, SECONDS(150) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_empty(&t, "active;expires=");
}

static void expiry_of_several_users_goes_in_order(void **state)
{
	struct scene *s = *state;
	char etag[64];

	world_set(s->w, &s->own, "alice", 300, etag);
	world_set(s->w, &s->own, "bob", 100, etag);
	pass(s, SECONDS(100));
	assert_true(present(s));
	assert_false(credential_find(s->w->site->store, S("sip:bob@example.com"))->present);
	pass(s, SECONDS(200));
	assert_false(present(s));
}

static void expiry_is_tried_again_when_the_store_fails(void **state)
{
	struct scene *s = *state;
	struct watcher t, late = watcher_of(s->w, &s->stream, "alice", "certificate");

	world_set(s->w, &s->own, "alice", 100, s->etag);
	pass(s, SECONDS(10));
	t = watching(s, "certificate");
	world_break_store(true);
	pass(s, SECONDS(91));
	assert_int_equal(watch(&late, "3600"), 200);
	assert_empty(&late, "active;expires="); /* whatever the disk says */
	world_break_store(false);
	pass(s, SECONDS(60));
	assert_empty(&t, "active;expires=");
	assert_false(present(s));
}

/* Style 3: what the server made itself is renewed two weeks before its end, or as soon as the disk allows. */
static void DEP_06_renewal_is_tried_again_when_the_store_fails(void **state)
{
	struct scene *s = *state;
	const struct credential *c;
	struct watcher t;
	int64_t first;

	s->w->settings.config.credential_create = true;
	t = watcher_of(s->w, &s->own, "alice", "credential");
	assert_int_equal(watch(&t, "0"), 200);
	msg_unref(notified_ok(&t));
	c = credential_find(s->w->site->store, ALICE);
	assert_true(present(s) && c->made_here);
	first = c->not_after;
	pass(s, SECONDS(first - loop_wall_s(s->w->loop) - 14 * DAY_S - 3600));
	assert_int_equal(credential_find(s->w->site->store, ALICE)->not_after, first);
	world_break_store(true);
	pass(s, SECONDS(7200));
	assert_int_equal(credential_find(s->w->site->store, ALICE)->not_after, first);
	world_break_store(false);
	pass(s, SECONDS(3600));
	assert_true(present(s) && credential_find(s->w->site->store, ALICE)->not_after > first);
}

/* What the server made and its user refreshed for a while ends with that while. */
static void ESC_19_a_shorter_life_of_what_was_made_here(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	s->w->settings.config.credential_empty_publish = EMPTY_HYBRID;
	s->w->settings.config.credential_create = true;
	t = watcher_of(s->w, &s->own, "alice", "credential");
	assert_int_equal(watch(&t, "0"), 200);
	msg_unref(notified_ok(&t));
	snprintf(s->etag, sizeof(s->etag), "%s", credential_find(s->w->site->store, ALICE)->etag);
	assert_int_equal(published(s, false, s->etag, "90", NULL), 200);
	t = watching(s, "certificate");
	pass(s, SECONDS(91));
	assert_empty(&t, "active;expires=");
	assert_false(present(s));
}

/* A gateway without a battery starts in 1970 or in a wrong year and is set right later. */
static void G37_a_clock_that_is_set_finds_what_expired(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	world_set(s->w, &s->own, "alice", 30 * DAY_S, s->etag);
	t = watching(s, "certificate");
	assert_int_equal(watch(&t, "604800"), 200);
	msg_unref(notified_ok(&t));
	fake_set_wall(s->w->loop, FAKE_START_S - INT64_C(10) * 365 * DAY_S);
	pass(s, SECONDS(7200));
	assert_true(present(s));
	fake_set_wall(s->w->loop, FAKE_START_S + 31 * DAY_S);
	pass(s, SECONDS(3600));
	assert_empty(&t, "active;expires=");
	assert_false(present(s));
}

/* --- the lifetime that is granted --- */

static void ESC_05_06_granted_lifetimes(void **state)
{
	struct scene *s = *state;
	struct buf cert = world_cert(s->w, "alice", loop_wall_s(s->w->loop) + 30);
	uint32_t granted;
	struct sip_msg *m;

	assert_int_equal(published(s, true, NULL, NULL, &granted), 200);
	assert_int_equal(granted, DAY_S); /* until notAfter */
	assert_int_equal(published(s, true, NULL, "100000", &granted), 200);
	assert_int_equal(granted, DAY_S);
	assert_int_equal(published(s, true, NULL, "3600", &granted), 200);
	assert_int_equal(granted, 3600);
	m = publish(s, (struct publish){.cert = cert.p == NULL ? SLICE_NONE : buf_slice(&cert), .expires = "5"});
	assert_int_equal(m->status, 423);
	assert_true(has(m, HDR_MIN_EXPIRES, "60"));
	msg_unref(m);
	m = publish(s, (struct publish){.cert = buf_slice(&cert), .expires = "30"}); /* all that is left of it */
	assert_int_equal(m->status, 200);
	msg_unref(m);
	buf_free(&cert);
}

/* --- conditions, ESC-04, and T-17's table for a PUBLISH without body --- */

enum state_after { SAME, NEW, GONE };

struct row {
	bool body;
	const char *if_match; /* "current" stands for the entity-tag */
	const char *expires;
	unsigned status;
	enum state_after after;
};

static void try_row(struct scene *s, const struct row *r, unsigned number)
{
	const struct credential *c;
	uint64_t generation;
	char before[64];
	const char *match = r->if_match;

	assert_int_equal(published(s, true, NULL, NULL, NULL), 200);
	snprintf(before, sizeof(before), "%s", s->etag);
	generation = credential_find(s->w->site->store, ALICE)->generation;
	if (match != NULL && slice_eq(slice_str(match), S("current")))
		match = before;
	if (published(s, r->body, match, r->expires, NULL) != r->status)
		fail_msg("row %u: another status than %u", number, r->status);
	c = credential_find(s->w->site->store, ALICE);
	switch (r->after) {
	case SAME:
		if (c->generation != generation || !c->present)
			fail_msg("row %u changed the state", number);
		assert_string_equal(c->etag, before);
		break;
	case NEW:
		if (c->generation == generation || !c->present)
			fail_msg("row %u did not store", number);
		assert_string_equal(c->etag, s->etag);
		break;
	case GONE:
		if (c->present)
			fail_msg("row %u did not revoke", number);
		break;
	}
}

static void try_all(struct scene *s, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		try_row(s, &rows[i], (unsigned)i);
}

#define ROWS(table) table, sizeof(table) / sizeof(table[0])

static void T_17_hybrid(void **state)
{
	struct scene *s = *state;
	static const struct row rows[] = {
		{true, NULL, NULL, 200, NEW},       {true, "current", NULL, 200, NEW},
		{true, "other", NULL, 412, SAME},   {true, "a, b", NULL, 400, SAME},
		{true, "current", "0", 200, GONE}, /* ESC-10 */
		{true, NULL, "0", 200, SAME},       {false, NULL, NULL, 200, GONE},
		{false, NULL, "0", 200, GONE},      {false, "current", NULL, 200, GONE},
		{false, "current", "0", 200, GONE}, {false, "other", NULL, 412, SAME},
		{false, "other", "0", 412, SAME},   {false, "other", "3600", 412, SAME},
		{false, NULL, "3600", 200, GONE},   {false, "current", "3600", 200, NEW},
		{false, "current", "x", 400, SAME},
	};

	s->w->settings.config.credential_empty_publish = EMPTY_HYBRID;
	try_all(s, ROWS(rows));
}

static void T_17_draft(void **state)
{
	static const struct row rows[] = {
		{false, NULL, NULL, 200, GONE},
		{false, "current", "3600", 200, GONE},
		{false, "other", "3600", 412, SAME},
	};
	struct scene *s = *state;

	try_all(s, ROWS(rows)); /* it is the default */
}

static void T_17_rfc3903(void **state)
{
	static const struct row rows[] = {
		{false, NULL, NULL, 400, SAME},     {false, NULL, "3600", 400, SAME},
		{false, "current", NULL, 200, NEW}, {false, "current", "3600", 200, NEW},
		{false, "current", "0", 200, GONE}, {false, "other", "0", 412, SAME},
	};
	struct scene *s = *state;

	s->w->settings.config.credential_empty_publish = EMPTY_RFC3903;
	try_all(s, ROWS(rows));
}

static void ESC_12_a_revocation_of_nothing_has_an_entity_tag(void **state)
{
	struct scene *s = *state;
	uint32_t granted = 1;

	assert_int_equal(published(s, false, NULL, NULL, &granted), 200);
	assert_int_equal(granted, 0);
	assert_int_equal(published(s, false, NULL, NULL, NULL), 200); /* another; published compares */
	assert_null(credential_find(s->w->site->store, ALICE));
	assert_int_equal(published(s, false, s->etag, NULL, NULL), 412);
}

static void ESC_03_the_old_entity_tag_is_gone(void **state)
{
	struct scene *s = *state;
	char first[64];

	assert_int_equal(published(s, true, NULL, NULL, NULL), 200);
	snprintf(first, sizeof(first), "%s", s->etag);
	assert_int_equal(published(s, true, NULL, NULL, NULL), 200);
	assert_int_equal(published(s, true, first, NULL, NULL), 412);
	world_restart(s->w);
	s->own = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	assert_int_equal(published(s, true, first, NULL, NULL), 412);
	assert_int_equal(published(s, true, s->etag, NULL, NULL), 200);
}

/* --- the disk --- */

static void ESC_11_store_failure_is_500_and_changes_nothing(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");
	char etag[64];

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(100));
	snprintf(etag, sizeof(etag), "%s", s->etag);
	world_break_store(true);
	assert_int_equal(published(s, true, NULL, NULL, NULL), 500);
	assert_int_equal(published(s, false, NULL, NULL, NULL), 500);
	assert_int_equal(published(s, false, etag, "3600", NULL), 500);
	world_break_store(false);
	assert_quiet(&t);
	assert_true(present(s));
	assert_string_equal(credential_find(s->w->site->store, ALICE)->etag, etag);
	assert_int_equal(watch(&t, "3600"), 200);
	assert_told(s, &t); /* the old one */
	assert_int_equal(published(s, true, etag, NULL, NULL), 200);
}

/* An answered challenge and a PUBLISH with that answer, whose own answer does not come yet. */
static void publish_held(struct scene *s, const char *call_id, const char *if_match)
{
	struct answer a = {
		.user = "alice", .password = "alice-pw", .method = "PUBLISH", .uri = "sip:alice@example.com", .nc = 1};
	struct buf cert = world_cert(s->w, "alice", loop_wall_s(s->w->loop) + DAY_S), headers = {0}, value = {0};
	struct ask ask = {.method = a.method, .uri = a.uri, .call_id = call_id, .body = buf_slice(&cert)};
	struct sip_msg *m;

	buf_adds(&headers, "Event: credential\r\nContent-Type: application/pkix-cert\r\n");
	if (if_match != NULL)
		buf_addf(&headers, "SIP-If-Match: %s\r\n", if_match);
	ask.headers = headers.p;
	m = world_ask(s->w, &s->own, &ask);
	assert_int_equal(m->status, 401);
	assert_true(answer_read(&a, m));
	msg_unref(m);
	answer_make(&a, &value);
	ask.authorization = value.p;
	ask.cseq = 2;
	assert_null(world_ask(s->w, &s->own, &ask));
	buf_free(&cert);
	buf_free(&headers);
	buf_free(&value);
}

static void assert_answer(struct scene *s, const char *call_id, unsigned status, char etag[64])
{
	struct sip_msg *m = world_take(s->w, call_id, NULL);

	assert_non_null(m);
	assert_int_equal(m->status, status);
	if (etag != NULL)
		snprintf(etag, 64, "%.*s", SLICE_ARG(msg_value(m, HDR_SIP_ETAG)));
	msg_unref(m);
}

/*
 * A credential comes to its end while the next one is on its way to the disk: the new one stays. Once the expiry waited
 * for the end of the write and then took back what had just been written.
 */
static void expiry_leaves_what_is_being_published(void **state)
{
	struct scene *s = *state;
	struct watcher t;
	struct sip_msg *m;
	size_t told = 0;

	world_set(s->w, &s->own, "alice", 100, s->etag);
	t = watching(s, "certificate");
	fake_hold(s->w->site->disk, true);
	pass(s, SECONDS(90));
	publish_held(s, "late", NULL);
	pass(s, SECONDS(20)); /* the old one is over */
	fake_hold(s->w->site->disk, false);
	assert_true(present(s));
	pass(s, SECONDS(200));
	assert_true(present(s));
	for (; (m = notified_ok(&t)) != NULL; msg_unref(m))
		told = m->body.n;
	assert_true(told > 0);
}

static void ESC_13_PUBLISHes_of_one_AOR_go_in_order(void **state)
{
	struct scene *s = *state;
	char first[64], second[64], third[64];

	assert_int_equal(published(s, true, NULL, NULL, NULL), 200);
	fake_hold(s->w->site->disk, true);
	publish_held(s, "p1", s->etag);
	publish_held(s, "p2", NULL);
	publish_held(s, "p3", s->etag); /* right when it came, wrong when its turn comes */
	publish_held(s, "p4", NULL);
	/* Until it is durable nothing is answered, and the old state is served. */
	pass(s, SECONDS(5));
	assert_string_equal(credential_find(s->w->site->store, ALICE)->etag, s->etag);
	fake_hold(s->w->site->disk, false);
	assert_answer(s, "p1", 200, first);
	assert_answer(s, "p2", 200, second);
	assert_answer(s, "p3", 412, NULL);
	assert_answer(s, "p4", 200, third);
	assert_string_not_equal(first, second);
	assert_string_equal(credential_find(s->w->site->store, ALICE)->etag, third);
}

static void ESC_13_a_failure_lets_the_next_one_go(void **state)
{
	struct scene *s = *state;

	fake_hold(s->w->site->disk, true);
	publish_held(s, "p1", NULL);
	publish_held(s, "p2", NULL);
	world_break_store(true);
	fake_hold(s->w->site->disk, false);
	world_break_store(false);
	assert_answer(s, "p1", 500, NULL);
	assert_answer(s, "p2", 500, NULL);
	assert_false(present(s));
	assert_int_equal(published(s, true, NULL, NULL, NULL), 200);
}

static void ESC_13_too_many_that_wait_are_503(void **state)
{
	struct scene *s = *state;
	char call[8];

	fake_hold(s->w->site->disk, true);
	for (unsigned i = 0; i <= 16; i++) {
		snprintf(call, sizeof(call), "p%u", i);
		publish_held(s, call, NULL);
	}
	assert_int_equal(published(s, true, NULL, NULL, NULL), 503);
	fake_hold(s->w->site->disk, false);
	for (unsigned i = 0; i <= 16; i++) {
		snprintf(call, sizeof(call), "p%u", i);
		assert_answer(s, call, 200, NULL);
	}
}

/* The timer looks while a publication is being written, and the publication fails: it has to look again. */
static void expiry_comes_after_a_publication_that_failed(void **state)
{
	struct scene *s = *state;

	world_set(s->w, &s->own, "alice", 5000, s->etag);
	pass(s, SECONDS(3595));
	fake_hold(s->w->site->disk, true);
	publish_held(s, "late", NULL);
	pass(s, SECONDS(10)); /* past the hourly look */
	world_break_store(true);
	fake_hold(s->w->site->disk, false);
	assert_answer(s, "late", 500, NULL);
	world_break_store(false);
	assert_true(present(s));
	pass(s, SECONDS(1500));
	assert_false(present(s));
}

static void the_owner_may_hang_up_before_the_answer(void **state)
{
	struct scene *s = *state;

	fake_hold(s->w->site->disk, true);
	publish_held(s, "p1", NULL);
	publish_held(s, "p2", NULL);
	fake_close(s->w->site->transport, &s->own);
	fake_hold(s->w->site->disk, false);
	assert_true(present(s));
	assert_null(world_take(s->w, "p1", NULL));
}

/* What is written then is told to nobody, and no pool is gone before the others have ended. */
static void stopped_while_a_publication_is_written(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(100));
	fake_hold(s->w->site->disk, true);
	publish_held(s, "p1", NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stopped_while_a_publication_is_written),
		T(CRT_25_certificates_end_at_notAfter),
		T(T_19_CRD_16_credential_subscriptions_time_out_with_the_certificate),
		T(ESC_19_publications_end_at_Expires),
		T(ESC_08_a_refresh_moves_the_end),
		T(expiry_is_looked_at_after_a_restart),
		T(expiry_of_several_users_goes_in_order),
		T(expiry_is_tried_again_when_the_store_fails),
		T(DEP_06_renewal_is_tried_again_when_the_store_fails),
		T(ESC_19_a_shorter_life_of_what_was_made_here),
		T(G37_a_clock_that_is_set_finds_what_expired),
		T(ESC_05_06_granted_lifetimes),
		T(T_17_hybrid),
		T(T_17_draft),
		T(T_17_rfc3903),
		T(ESC_12_a_revocation_of_nothing_has_an_entity_tag),
		T(ESC_03_the_old_entity_tag_is_gone),
		T(ESC_11_store_failure_is_500_and_changes_nothing),
		T(ESC_13_PUBLISHes_of_one_AOR_go_in_order),
		T(expiry_leaves_what_is_being_published),
		T(expiry_comes_after_a_publication_that_failed),
		T(ESC_13_a_failure_lets_the_next_one_go),
		T(ESC_13_too_many_that_wait_are_503),
		T(the_owner_may_hang_up_before_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
