#include "tests/test.h"

#include "core/rate.h"

#define START 1000000 /* ms; time is what the test says it is */

static unsigned take_all(struct rate *r, struct slice key, int64_t now_ms)
{
	unsigned n = 0;

	while (n < 100000 && rate_take(r, key, now_ms))
		n++;
	return n;
}

static void burst_and_refill(void **state)
{
	struct rate *r = rate_new(60, 5);

	(void)state;
	assert_true(rate_ok(r, S("a"), START));
	assert_int_equal(take_all(r, S("a"), START), 5);
	assert_false(rate_ok(r, S("a"), START));
	assert_false(rate_take(r, S("a"), START + 999));
	assert_true(rate_ok(r, S("a"), START + 1000));
	/* To look costs nothing. */
	assert_true(rate_ok(r, S("a"), START + 1000));
	assert_int_equal(take_all(r, S("a"), START + 1000), 1);
	assert_int_equal(take_all(r, S("a"), START + 3500), 2);
	/* The half that was left over counts. */
	assert_int_equal(take_all(r, S("a"), START + 4000), 1);
	/* However long nothing comes, there is never more than the burst. */
	assert_int_equal(take_all(r, S("a"), START + 100 * 86400000LL), 5);
	/* Another key has its own. */
	assert_int_equal(take_all(r, S("b"), START), 5);
	assert_int_equal(take_all(r, S("a\0"), START), 5);
	rate_free(r);
	rate_free(NULL);
}

static void no_limit(void **state)
{
	struct rate *r = rate_new(0, 0);

	(void)state;
	assert_int_equal(take_all(r, S("a"), START), 100000);
	assert_true(rate_ok(r, S("a"), START));
	rate_free(r);
}

/* Whoever asks all the time gets per_minute a minute, neither more nor less: asking does not eat what comes in. */
static void asked_all_the_time(void **state)
{
	static const uint32_t rates[] = {1, 6, 7, 59, 60, 61, 600, 59999};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rate *r = rate_new(rates[i], 2);
		unsigned taken = 0;

		for (int64_t ms = 0; ms <= 3 * 60000; ms++)
			taken += rate_take(r, S("a"), START + ms);
		if (taken != 2 + 3 * rates[i])
			fail_msg("%u a minute: %u in three", rates[i], taken);
		rate_free(r);
	}
}

/* More keys than there is room for: nobody who is new is refused, and who is there all the time is not forgotten. */
static void many_keys(void **state)
{
	struct rate *r = rate_new(1, 2);
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char key[20];
		int n = snprintf(key, sizeof(key), "%d", i);

		assert_true(rate_take(r, slice_of(key, (size_t)n), START + i));
		taken += rate_take(r, S("busy"), START + i);
	}
	assert_int_equal(taken, 2);
	rate_free(r);
}

/* Nobody gets fresh tokens by filling the table with keys that are used less. */
static void used_up_is_not_forgotten(void **state)
{
	struct rate *r = rate_new(1, 3);

	(void)state;
	assert_int_equal(take_all(r, S("guessed"), START), 3);
	for (int i = 0; i < 20000; i++) {
		char key[20];
		int n = snprintf(key, sizeof(key), "%d", i);

		assert_true(rate_take(r, slice_of(key, (size_t)n), START + 1 + i));
	}
	assert_false(rate_ok(r, S("guessed"), START + 20001));
	assert_false(rate_take(r, S("guessed"), START + 20001));
	rate_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_and_refill),         cmocka_unit_test(no_limit),
		cmocka_unit_test(asked_all_the_time),       cmocka_unit_test(many_keys),
		cmocka_unit_test(used_up_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
