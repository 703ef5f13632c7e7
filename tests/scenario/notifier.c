#include "tests/test.h"

#include <dirent.h>

#include "tests/scenario/scene.h"

/* When NOTIFYs go out, and which end a subscription: RFC 6665 4.2, T-04 and the rows named. */

/* --- T-04 --- */

static void T_04_three_changes_are_one_now_and_one_after_the_interval(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(2));
	change(s);
	pass(s, SECONDS(3));
	change(s);
	pass(s, SECONDS(55) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_told(s, &t); /* with the third */
	pass(s, SECONDS(600));
	assert_quiet(&t);
	change(s);
	assert_told(s, &t);
}

static void T_04_the_interval_counts_for_credentials_too(void **state)
{
	struct scene *s = *state;
	struct watcher t;

	change(s);
	t = watching(s, "credential");
	change(s);
	assert_told(s, &t);
	change(s);
	assert_quiet(&t);
	pass(s, SECONDS(60));
	assert_told(s, &t);
}

static void T_04_a_revocation_is_told_at_once_and_ends_the_wait(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(1));
	change(s);
	assert_quiet(&t);
	pass(s, SECONDS(1));
	world_revoke(s->w, &s->own, "alice");
	assert_empty(&t, "active;expires="); /* CRT-20: it lives on */
	pass(s, SECONDS(20));
	change(s); /* after a revocation the rule is the normal one, and the revocation did not move its clock */
	pass(s, SECONDS(38) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_told(s, &t);
	pass(s, SECONDS(120));
	assert_quiet(&t);
}

static void T_04_a_revocation_leaves_nothing_to_be_told_later(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	change(s);
	assert_told(s, &t);
	change(s);
	world_revoke(s->w, &s->own, "alice");
	assert_empty(&t, "active;expires=");
	pass(s, SECONDS(120));
	assert_quiet(&t);
}

static void T_04_answers_to_SUBSCRIBE_do_not_wait(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(10));
	assert_int_equal(watch(&t, "3600"), 200);
	assert_told(s, &t);
	pass(s, SECONDS(10));
	change(s);
	assert_quiet(&t);
	pass(s, SECONDS(10));
	assert_int_equal(watch(&t, "3600"), 200);
	assert_told(s, &t);
	/* That told what was waiting, and did not move the clock of changes. */
	pass(s, SECONDS(10));
	change(s);
	pass(s, SECONDS(20) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_told(s, &t);
}

/* A change while a NOTIFY is under way goes out with its answer; what waits for the interval is then told already. */
static struct watcher told_early(struct scene *s)
{
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *first;

	assert_int_equal(watch(&t, "3600"), 200);
	first = notified(&t);
	assert_non_null(first);
	change(s);
	pass(s, SECONDS(1));
	change(s);
	assert_quiet(&t);
	respond(&t, first, 200);
	return t;
}

static void T_04_what_was_delivered_is_not_told_again(void **state)
{
	struct scene *s = *state;
	struct watcher t = told_early(s);

	assert_told(s, &t);
	pass(s, SECONDS(600));
	assert_quiet(&t);
}

static void T_04_what_was_refused_is_told_again(void **state)
{
	struct scene *s = *state;
	struct watcher t = told_early(s);
	struct sip_msg *m = notified(&t);

	assert_non_null(m);
	respond(&t, m, 500);
	pass(s, SECONDS(59) - 1);
	assert_quiet(&t);
	pass(s, 1);
	assert_told(s, &t);
}

/* --- one NOTIFY at a time --- */

static void EVT_19_one_NOTIFY_at_a_time_with_the_state_of_its_sending(void **state)
{
	struct scene *s = *state;
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified(&t);
	assert_non_null(m);
	change(s);
	assert_int_equal(watch(&t, "3600"), 200);
	world_revoke(s->w, &s->own, "alice");
	change(s);
	pass(s, SECONDS(10));
	assert_quiet(&t);
	respond(&t, m, 200);
	assert_told(s, &t); /* one, and the newest; CSeq is checked by notified */
	assert_quiet(&t);
}

static void EVT_19_a_provisional_is_no_answer(void **state)
{
	struct scene *s = *state;
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified(&t);
	assert_int_equal(watch(&t, "3600"), 200);
	respond(&t, msg_ref(m), 100);
	assert_quiet(&t);
	respond(&t, m, 200);
	m = notified_ok(&t);
	assert_non_null(m);
	msg_unref(m);
}

static bool lives_after(struct scene *s, unsigned code)
{
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *m;
	bool lives;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified(&t);
	assert_non_null(m);
	respond(&t, m, code);
	lives = notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE) > 0;
	world_revoke(s->w, &s->own, "alice");
	m = notified_ok(&t);
	assert_int_equal(m != NULL, lives);
	msg_unref(m);
	if (lives) {
		assert_int_equal(watch(&t, "0"), 200);
		m = notified_ok(&t);
		assert_true(has(m, HDR_SUBSCRIPTION_STATE, "terminated;reason=timeout"));
		msg_unref(m);
	} else {
		assert_int_equal(watch(&t, "3600"), 481);
	}
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
	return lives;
}

static void EVT_11_answers_that_end_a_subscription(void **state)
{
	static const unsigned ending[] = {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604};
	static const unsigned others[] = {200, 202, 302, 400, 403, 408, 413, 423,
					  437, 486, 488, 493, 500, 503, 600, 603};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		change(s);
		if (lives_after(s, ending[i]))
			fail_msg("lives after %u", ending[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		change(s);
		if (!lives_after(s, others[i]))
			fail_msg("ends with %u", others[i]);
	}
}

static void EVT_11_no_answer_ends_a_subscription(void **state)
{
	struct scene *s = *state;
	struct watcher t = watcher_of(s->w, &s->stream, "alice", "certificate");
	struct sip_msg *m;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified(&t);
	pass(s, SECONDS(32) - 1);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 1);
	pass(s, 1);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CERTIFICATE), 0);
	msg_unref(m);
	change(s);
	assert_quiet(&t);
}

/* --- revocation --- */

static void CRD_21_22_revocation_deactivates_credential_subscriptions(void **state)
{
	struct scene *s = *state;
	struct watcher t, second;

	change(s);
	t = watching(s, "credential");
	second = watching(s, "credential");
	change(s);
	assert_told(s, &t);
	assert_told(s, &second);
	change(s); /* waits for the interval */
	world_revoke(s->w, &s->own, "alice");
	assert_empty(&t, "terminated;reason=deactivated");
	assert_empty(&second, "terminated;reason=deactivated");
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 0);
	change(s);
	pass(s, SECONDS(120));
	assert_quiet(&t);
	assert_quiet(&second);
	assert_int_equal(watch(&t, "3600"), 481);
}

static void CRD_24_deactivation_is_for_credentials_only(void **state)
{
	struct scene *s = *state;
	struct watcher secret, open;

	change(s);
	secret = watching(s, "credential");
	open = watching(s, "certificate");
	notifier_deactivate(s->w->site->notifier, S("sip:alice@example.com"));
	fake_settle(s->w->loop);
	assert_empty(&secret, "terminated;reason=deactivated");
	assert_quiet(&open);
}

/* --- more watchers than the signing queue has room for --- */

static void watchers_beyond_the_queue(struct scene *s, const char *event, bool revoked)
{
	struct watcher all[7];
	const size_t n = sizeof(all) / sizeof(all[0]);

	s->w->settings.config.limit_queue = 2;
	world_restart(s->w);
	s->own = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	s->stream = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	change(s);
	for (size_t i = 0; i < n; i++)
		all[i] = watching(s, event);
	if (revoked)
		world_revoke(s->w, &s->own, "alice");
	else
		change(s);
	pass(s, SECONDS(30));
	for (size_t i = 0; i < n; i++) {
		struct sip_msg *m = notified(&all[i]);

		if (m == NULL)
			fail_msg("watcher %zu was not told", i);
		assert_int_equal(m->body.n == 0, revoked);
		respond(&all[i], m, 200);
		assert_quiet(&all[i]);
	}
}

static void CRT_19_a_full_queue_loses_no_change(void **state)
{
	watchers_beyond_the_queue(*state, "certificate", false);
}

static void CRT_20_a_full_queue_loses_no_revocation(void **state)
{
	watchers_beyond_the_queue(*state, "certificate", true);
}

static void CRD_21_a_full_queue_loses_no_deactivation(void **state)
{
	struct scene *s = *state;

	watchers_beyond_the_queue(s, "credential", true);
	assert_int_equal(notifier_count(s->w->site->notifier, PACKAGE_CREDENTIAL), 0);
}

/* A NOTIFY that finds no connection is given up: it does not hold up others, and its CSeq is not used up or turned
 * back. */
static void EVT_19_no_room_for_a_connection_leaves_CSeq_alone(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate"), other;
	struct sip_msg *m;

	fake_close(s->w->site->transport, &s->stream);
	s->stream = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40001");
	other = watching(s, "certificate");
	fake_connect_error(s->w->site->transport, ERR_BUSY);
	change(s);
	assert_told(s, &other);
	pass(s, SECONDS(120));
	assert_quiet(&t);
	fake_connect_error(s->w->site->transport, ERR_OK);
	change(s);
	assert_told(s, &other);
	m = notified_ok(&t); /* has looked at CSeq */
	assert_non_null(m);
	msg_unref(m);
}

/* The one record of the store, out of sight or back. */
static void hide_record(struct scene *s, bool hide)
{
	DIR *dir = opendir(s->w->dir);
	const struct dirent *entry;
	char from[400], to[400];

	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, hide ? ".rec" : ".hidden") == NULL)
			continue;
		snprintf(from, sizeof(from), "%s/%s", s->w->dir, entry->d_name);
		snprintf(to, sizeof(to), "%s/%.64s%s", s->w->dir, entry->d_name, hide ? ".hidden" : ".rec");
		assert_int_equal(rename(from, to), 0);
	}
	closedir(dir);
}

/* What is owed while the disk fails comes when it is well again: nobody has to publish or subscribe for that. */
/*
 * A revocation that comes while the NOTIFY of a change is being signed: the NOTIFY that says "active" goes out, and the
 * one that ends the subscription follows. Once the answer to the first was taken for that to the last.
 */
static void CRD_21_an_end_while_a_NOTIFY_is_signed_is_told(void **state)
{
	struct scene *s = *state;
	struct watcher device;
	struct sip_msg *m;

	change(s);
	device = watching(s, "credential");
	pass(s, SECONDS(120));
	fake_hold(s->w->site->work, true);
	change(s);
	world_revoke(s->w, &s->own, "alice");
	fake_hold(s->w->site->work, false);
	m = notified_ok(&device);
	assert_non_null(m);
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, "active;expires="));
	msg_unref(m);
	m = notified_ok(&device);
	assert_non_null(m);
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, "terminated;reason=deactivated"));
	msg_unref(m);
	pass(s, SECONDS(120));
	assert_quiet(&device);
}

/* Ten watchers of one certificate: its record is read once, and once more for each new entity-tag. */
static void the_record_is_read_once_for_all_watchers(void **state)
{
	struct scene *s = *state;
	struct watcher all[10];
	const size_t n = sizeof(all) / sizeof(all[0]);

	change(s);
	all[0] = watching(s, "certificate");
	hide_record(s, true);
	for (size_t i = 1; i < n; i++)
		all[i] = watching(s, "certificate");
	hide_record(s, false);
	change(s);
	for (size_t i = 0; i < n; i++)
		assert_told(s, &all[i]);
}

static void G33_a_state_that_cannot_be_read_is_told_later(void **state)
{
	struct scene *s = *state;
	struct watcher device = watcher_of(s->w, &s->own, "alice", "credential"), t;

	change(s);
	/* After a restart no certificate is in memory. */
	world_restart(s->w);
	s->own = device.flow = fake_stream(s->w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	s->stream = fake_stream(s->w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	hide_record(s, true);
	t = watcher_of(s->w, &s->stream, "alice", "certificate");
	assert_int_equal(watch(&device, "3600"), 200);
	assert_int_equal(watch(&t, "3600"), 200);
	pass(s, SECONDS(100));
	assert_quiet(&device);
	assert_quiet(&t);
	hide_record(s, false);
	pass(s, SECONDS(30));
	assert_told(s, &device);
	assert_told(s, &t);
	pass(s, SECONDS(100));
	assert_quiet(&device);
	assert_quiet(&t);
}

/*
 * T-32: the connection of the SUBSCRIBE closes while the NOTIFY for it is with the signer. The Contact is tried
 * instead.
 */
static void T_32_closed_while_a_NOTIFY_is_signed(void **state)
{
	struct scene *s = *state;
	struct watcher t = watching(s, "certificate");
	struct sip_msg *m;
	struct flow to;

	change(s);
	assert_told(s, &t);
	pass(s, SECONDS(100));
	fake_hold(s->w->site->work, true);
	change(s);
	fake_close(s->w->site->transport, &s->stream);
	fake_hold(s->w->site->work, false);
	m = world_take(s->w, t.call_id, &to);
	assert_non_null(m);
	assert_true(to.proto == PROTO_TCP && to.id != s->stream.id);
	msg_unref(m);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(T_04_three_changes_are_one_now_and_one_after_the_interval),
		T(T_04_the_interval_counts_for_credentials_too),
		T(T_04_a_revocation_is_told_at_once_and_ends_the_wait),
		T(T_04_a_revocation_leaves_nothing_to_be_told_later),
		T(T_04_answers_to_SUBSCRIBE_do_not_wait),
		T(T_04_what_was_delivered_is_not_told_again),
		T(T_04_what_was_refused_is_told_again),
		T(EVT_19_one_NOTIFY_at_a_time_with_the_state_of_its_sending),
		T(EVT_19_a_provisional_is_no_answer),
		T(EVT_19_no_room_for_a_connection_leaves_CSeq_alone),
		T(EVT_11_answers_that_end_a_subscription),
		T(EVT_11_no_answer_ends_a_subscription),
		T(CRD_21_22_revocation_deactivates_credential_subscriptions),
		T(CRD_24_deactivation_is_for_credentials_only),
		T(CRT_19_a_full_queue_loses_no_change),
		T(CRT_20_a_full_queue_loses_no_revocation),
		T(CRD_21_a_full_queue_loses_no_deactivation),
		T(CRD_21_an_end_while_a_NOTIFY_is_signed_is_told),
		T(T_32_closed_while_a_NOTIFY_is_signed),
		T(the_record_is_read_once_for_all_watchers),
		T(G33_a_state_that_cannot_be_read_is_told_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
