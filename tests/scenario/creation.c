#include "tests/test.h"

#include "core/map.h"
#include "tests/scenario/scene.h"

/* Credentials that the server makes for its users, style 3: DEP-06. */

#define ALICE S("sip:alice@example.com")
#define YEAR "31449600" /* 52 weeks, the longest subscription there is */

static int begin_creating(void **state)
{
	static const char *const options[] = {"credential.style=3", "credential.create=on",
					      "certificate.max-expires=" YEAR, NULL};
	static struct scene s;

	s.w = world_new(options);
	s.own = fake_stream(s.w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	s.stream = fake_stream(s.w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	*state = &s;
	return 0;
}

static const struct credential *stored(struct scene *s)
{
	const struct credential *c = credential_find(s->w->site->store, ALICE);

	assert_non_null(c);
	assert_true(c->present);
	return c;
}

/* alice's device subscribes: an empty NOTIFY at once, and one with what was made for her. */
static void make(struct scene *s)
{
	struct watcher device = watcher_of(s->w, &s->own, "alice", "credential");
	struct sip_msg *m;

	assert_int_equal(watch(&device, "3600"), 200);
	assert_empty(&device, "active;expires=");
	m = notified_ok(&device);
	assert_non_null(m);
	assert_true(has(m, HDR_CONTENT_TYPE, "multipart/mixed"));
	assert_true(body_has(m, S("application/pkix-cert")) && body_has(m, S("application/pkcs8")));
	msg_unref(m);
	assert_quiet(&device);
}

static void the_first_subscription_makes_one(void **state)
{
	struct scene *s = *state;
	struct watcher other = watching(s, "certificate"), device;
	char etag[CREDENTIAL_ETAG + 1];
	const struct credential *c;
	struct sip_msg *m;

	make(s);
	c = stored(s);
	assert_true(c->made_here && c->has_key);
	assert_true(c->not_after - loop_wall_s(s->w->loop) > 350 * (int64_t)DAY_S);
	m = notified_ok(&other);
	assert_non_null(m);
	assert_true(m->body.n > 0);
	msg_unref(m);
	/* The next device gets the same one. */
	snprintf(etag, sizeof(etag), "%s", c->etag);
	device = watching(s, "credential");
	assert_quiet(&device);
	assert_string_equal(stored(s)->etag, etag);
}

static void renewed_two_weeks_before_its_end(void **state)
{
	struct scene *s = *state;
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	int64_t not_after;
	struct sip_msg *m;

	make(s);
	not_after = stored(s)->not_after;
	assert_int_equal(watch(&t, YEAR), 200);
	m = notified_ok(&t);
	assert_non_null(m);
	msg_unref(m);
	pass(s, SECONDS(not_after - 14 * DAY_S - loop_wall_s(s->w->loop) - 1));
	assert_quiet(&t);
	assert_int_equal(stored(s)->not_after, not_after);
	pass(s, SECONDS(3600));
	m = notified_ok(&t);
	assert_non_null(m);
	assert_true(m->body.n > 0);
	msg_unref(m);
	assert_quiet(&t);
	assert_true(stored(s)->not_after > not_after && stored(s)->made_here);
}

/* The timer looks while the new one is being made, and writing it fails. */
static void renewed_after_a_try_that_failed(void **state)
{
	struct scene *s = *state;
	int64_t not_after;

	make(s);
	not_after = stored(s)->not_after;
	pass(s, SECONDS(not_after - 14 * DAY_S - loop_wall_s(s->w->loop) - 3600));
	fake_hold(s->w->site->work, true);
	pass(s, SECONDS(7200));
	world_break_store(true);
	fake_hold(s->w->site->work, false);
	world_break_store(false);
	assert_int_equal(stored(s)->not_after, not_after);
	pass(s, SECONDS(3600));
	assert_true(stored(s)->not_after > not_after);
}

static void renewed_at_the_next_start(void **state)
{
	struct scene *s = *state;
	int64_t not_after;

	make(s);
	not_after = stored(s)->not_after;
	fake_set_wall(s->w->loop, not_after - DAY_S);
	world_restart(s->w);
	pass(s, SECONDS(3600));
	assert_true(stored(s)->not_after > not_after);
}

/* T-26: who revokes wants to have none. */
static void what_was_revoked_is_not_made_anew(void **state)
{
	struct scene *s = *state;
	struct watcher device;

	make(s);
	world_revoke(s->w, &s->own, "alice");
	device = watcher_of(s->w, &s->own, "alice", "credential");
	assert_int_equal(watch(&device, "3600"), 200);
	assert_empty(&device, "active;expires=");
	pass(s, SECONDS(3600) - 1);
	assert_quiet(&device);
	assert_false(credential_find(s->w->site->store, ALICE)->present);
}

/* What the user publishes while the server is at it comes behind it, and stands. */
static void a_publication_meanwhile_wins(void **state)
{
	struct scene *s = *state;
	struct watcher device = watcher_of(s->w, &s->own, "alice", "credential");

	fake_hold(s->w->site->work, true);
	assert_int_equal(watch(&device, "3600"), 200);
	fake_hold(s->w->site->work, false);
	change(s);
	assert_string_equal(stored(s)->etag, s->etag);
	assert_false(stored(s)->made_here);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin_creating, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_subscription_makes_one),  T(renewed_two_weeks_before_its_end),
		T(renewed_at_the_next_start),         T(renewed_after_a_try_that_failed),
		T(what_was_revoked_is_not_made_anew), T(a_publication_meanwhile_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
