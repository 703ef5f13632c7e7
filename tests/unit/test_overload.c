#include "tests/test.h"

#include "sip/transaction/overload.h"

/* G13: when refusing begins and ends, and what is refused first. */

static int64_t now;

/* Messages for so long, one each 10 ms, all of which have waited so long. */
static void pass(struct overload *o, uint32_t waited_ms, int64_t ms)
{
	for (int64_t end = now + ms; now < end; now += 10)
		overload_note(o, waited_ms, now);
}

static unsigned refused_of_1000(struct overload *o, enum overload_class c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		n += overload_refuses(o, c);
	return n;
}

static void short_waits_refuse_nothing(void **state)
{
	struct overload o = {0};

	(void)state;
	now = 1000;
	pass(&o, OVERLOAD_TARGET_MS, 10000);
	pass(&o, UINT32_MAX, 10000); /* connections, of which nothing is known */
	assert_int_equal(o.level, 0);
	for (unsigned c = 0; c <= OVERLOAD_NEVER; c++)
		assert_int_equal(refused_of_1000(&o, (enum overload_class)c), 0);
}

/* A burst that is worked off within an interval is what a queue is for. */
static void one_short_wait_in_an_interval_is_enough(void **state)
{
	struct overload o = {0};

	(void)state;
	now = 1000;
	for (int i = 0; i < 100; i++) {
		pass(&o, 400, OVERLOAD_INTERVAL_MS - 10);
		pass(&o, 3, 10);
	}
	assert_int_equal(o.level, 0);
}

/* A gateway with one call a second and a slow disk is not overloaded. */
static void waits_of_a_few_say_nothing(void **state)
{
	struct overload o = {0};

	(void)state;
	for (now = 1000; now < 20000; now += OVERLOAD_INTERVAL_MS)
		for (unsigned i = 0; i < OVERLOAD_LEAST - 1; i++)
			overload_note(&o, 400, now);
	assert_int_equal(o.level, 0);
	pass(&o, 400, 1000);
	assert_true(o.level > 0);
}

static void strangers_go_first_and_dialogs_last(void **state)
{
	struct overload o = {0};
	unsigned last[OVERLOAD_NEVER] = {0};

	(void)state;
	now = 1000;
	for (int i = 0; i < 80; i++) {
		unsigned n[OVERLOAD_NEVER];

		pass(&o, 200, OVERLOAD_INTERVAL_MS);
		for (unsigned c = 0; c < OVERLOAD_NEVER; c++) {
			n[c] = refused_of_1000(&o, (enum overload_class)c);
			assert_true(n[c] >= last[c]);
			last[c] = n[c];
		}
		assert_true(n[OVERLOAD_NEW] == 0 || n[OVERLOAD_STRANGERS] == 1000);
		assert_true(n[OVERLOAD_KNOWN] == 0 || n[OVERLOAD_NEW] == OVERLOAD_USERS);
		assert_true(n[OVERLOAD_DIALOG] == 0 || n[OVERLOAD_KNOWN] == OVERLOAD_USERS);
		assert_int_equal(refused_of_1000(&o, OVERLOAD_NEVER), 0);
	}
	/* A made-up To tag is no way past all others, and users are never shut out, whatever floods. */
	assert_int_equal(last[OVERLOAD_DIALOG], OVERLOAD_USERS);
	assert_int_equal(last[OVERLOAD_KNOWN], OVERLOAD_USERS);
}

static void the_share_is_exact(void **state)
{
	struct overload o = {.level = 250};

	(void)state;
	assert_int_equal(refused_of_1000(&o, OVERLOAD_STRANGERS), 250);
	o.level = 1300;
	assert_int_equal(refused_of_1000(&o, OVERLOAD_NEW), 300);
}

static void it_ends_within_ten_seconds(void **state)
{
	struct overload o = {0};

	(void)state;
	now = 1000;
	pass(&o, 200, 10000);
	assert_int_equal(o.level, OVERLOAD_MAX);
	pass(&o, 1, 10000);
	assert_int_equal(o.level, 0);
	pass(&o, 200, 10000);
	/* Silence, too: with the next message it is over. */
	now += 10000;
	assert_true(overload_note(&o, 1, now));
	assert_int_equal(o.level, 0);
}

static void beginning_and_end_are_told_once(void **state)
{
	struct overload o = {0};
	unsigned told = 0;

	(void)state;
	for (now = 1000; now < 3000; now += 10)
		told += overload_note(&o, 200, now);
	assert_int_equal(told, 1);
	for (; now < 13000; now += 10)
		told += overload_note(&o, 0, now);
	assert_int_equal(told, 2);
}

static void a_glance_tells_what_a_message_is(void **state)
{
	static const struct {
		const char *text;
		enum overload_class is;
	} rows[] = {
		{"REGISTER sip:d SIP/2.0\r\nTo: <sip:a@d>\r\nFrom: <sip:a@d>;tag=1\r\n\r\n", OVERLOAD_STRANGERS},
		{"REGISTER sip:d SIP/2.0\r\nTo: <sip:a@d>\r\nAuthorization: Digest x\r\n\r\n", OVERLOAD_KNOWN},
		{"PUBLISH sip:a@d SIP/2.0\r\nTo: <sip:a@d>\r\nauthorization: Digest x\r\n\r\n", OVERLOAD_KNOWN},
		{"INVITE sip:a@d SIP/2.0\r\nFrom: <sip:a@d>;tag=1\r\nTo: <sip:a@d>\r\n\r\n", OVERLOAD_STRANGERS},
		{"INVITE sip:a@d SIP/2.0\r\nt: <sip:a@d>\r\nProxy-Authorization: Digest x\r\n\r\n", OVERLOAD_NEW},
		{"INVITE sip:a@d SIP/2.0\r\nf: <sip:a@d>;tag=1\r\nt: <sip:a@d>;tag=2\r\n\r\n", OVERLOAD_DIALOG},
		{"INFO sip:a@d SIP/2.0\r\nTo: <sip:a@d>;tag=2\r\n\r\n", OVERLOAD_DIALOG},
		{"BYE sip:a@d SIP/2.0\r\nTo: <sip:a@d>;tag=2\r\n\r\n", OVERLOAD_DIALOG},
		{"ACK sip:a@d SIP/2.0\r\nTo: <sip:a@d>\r\n\r\n", OVERLOAD_DIALOG},
		{"CANCEL sip:a@d SIP/2.0\r\nTo: <sip:a@d>\r\n\r\n", OVERLOAD_DIALOG},
		{"SIP/2.0 200 OK\r\nTo: <sip:a@d>\r\n\r\n", OVERLOAD_NEVER},
		{"", OVERLOAD_STRANGERS},
		{"\n", OVERLOAD_STRANGERS},
		{"OPTIONS sip:d SIP/2.0\r\nTo:", OVERLOAD_STRANGERS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(overload_class(slice_str(rows[i].text)), rows[i].is);
}

static void few_of_many_are_answered(void **state)
{
	struct overload o = {0};
	unsigned answered = 0;

	(void)state;
	now = 1000;
	pass(&o, 200, 4000);
	for (unsigned i = 0; i < 10000; i++)
		answered += overload_answers(&o);
	assert_int_equal(answered, OVERLOAD_ANSWERS);
	pass(&o, 200, OVERLOAD_INTERVAL_MS);
	assert_true(overload_answers(&o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_waits_refuse_nothing),
		cmocka_unit_test(one_short_wait_in_an_interval_is_enough),
		cmocka_unit_test(waits_of_a_few_say_nothing),
		cmocka_unit_test(strangers_go_first_and_dialogs_last),
		cmocka_unit_test(the_share_is_exact),
		cmocka_unit_test(it_ends_within_ten_seconds),
		cmocka_unit_test(a_glance_tells_what_a_message_is),
		cmocka_unit_test(few_of_many_are_answered),
		cmocka_unit_test(beginning_and_end_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
