#include "tests/test.h"

#include "core/recent.h"
#include "tests/fake/fake.h"

/* A set of keys that are each remembered for a while. */

static void a_key_is_remembered_for_its_time(void **state)
{
	struct loop *l = loop_new();
	struct recent *r = recent_new(l, 10);

	(void)state;
	assert_false(recent_has(r, S("a")));
	recent_add(r, S("a"), 1000);
	recent_add(r, S("abc"), 3000);
	fake_advance(l, 999);
	assert_true(recent_has(r, S("a")) && recent_has(r, S("abc")));
	assert_false(recent_has(r, S("ab")) || recent_has(r, S("")));
	fake_advance(l, 1);
	assert_false(recent_has(r, S("a")));
	recent_add(r, S("abc"), 1000); /* anew, for less */
	fake_advance(l, 999);
	assert_true(recent_has(r, S("abc")));
	fake_advance(l, 1);
	assert_false(recent_has(r, S("abc")));
	recent_free(r);
	recent_free(NULL);
	loop_free(l);
}

static void the_oldest_make_way(void **state)
{
	struct loop *l = loop_new();
	struct recent *r = recent_new(l, 100);

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		recent_add(r, slice_of(&i, sizeof(i)), 60000);
		if (i == 950) {
			uint32_t again = 900;

			recent_add(r, slice_of(&again, sizeof(again)), 60000);
		}
	}
	for (uint32_t i = 0; i < 1000; i++)
		if (recent_has(r, slice_of(&i, sizeof(i))) != (i >= 901 || i == 900))
			fail_msg("%u", i);
	/* A key is cut to what is kept of it. */
	recent_add(r, S("0123456789abcdefgh"), 1000);
	assert_true(recent_has(r, S("0123456789abcdefxx")));
	recent_free(r);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_remembered_for_its_time),
		cmocka_unit_test(the_oldest_make_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
