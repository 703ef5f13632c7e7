#include "tests/test.h"

#include "sip/identity/replay.h"

/* RFC 4474 13.1, VER-10, T-07. */

#define FROM S("sip:bob@example.com")
#define CALL S("a84b4c76e66710")

static const struct replay_key first = {
	.from = {"sip:bob@example.com", 19}, .call_id = {"a84b4c76e66710", 14}, .method = {"NOTIFY", 6}, .cseq = 1};

static void VER_10_the_same_one_again(void **state)
{
	struct replay *r = replay_new(10);
	struct replay_key again = {.from = FROM, .call_id = CALL, .method = S("NOTIFY"), .cseq = 1};

	(void)state;
	assert_int_equal(replay_enter(r, &first, 5000, 0), ERR_OK);
	assert_int_equal(replay_enter(r, &first, 5000, 0), ERR_EXISTS);
	assert_int_equal(replay_enter(r, &again, 6000, 0), ERR_EXISTS);
	replay_free(r);
	replay_free(NULL);
}

static void T_07_each_signed_field_counts(void **state)
{
	const struct replay_key others[] = {
		{.from = S("sip:carol@example.com"), .call_id = CALL, .method = S("NOTIFY"), .cseq = 1},
		{.from = S("sip:Bob@example.com"), .call_id = CALL, .method = S("NOTIFY"), .cseq = 1},
		{.from = FROM, .call_id = S("a84b4c76e66711"), .method = S("NOTIFY"), .cseq = 1},
		{.from = FROM, .call_id = CALL, .method = S("MESSAGE"), .cseq = 1},
		{.from = FROM, .call_id = CALL, .method = S("NOTIFY"), .cseq = 2},
		/* Octets that move from one field into the next. */
		{.from = S("sip:bob@example.coma"), .call_id = S("84b4c76e66710"), .method = S("NOTIFY"), .cseq = 1},
		{.from = FROM, .call_id = S("a84b4c76e66710N"), .method = S("OTIFY"), .cseq = 1},
		{.from = S(""), .call_id = S(""), .method = S(""), .cseq = 0},
	};
	struct replay *r = replay_new(100);

	(void)state;
	assert_int_equal(replay_enter(r, &first, 1, 0), ERR_OK);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(replay_enter(r, &others[i], 1, 0), ERR_OK);
		assert_int_equal(replay_enter(r, &others[i], 1, 0), ERR_EXISTS);
	}
	replay_free(r);
}

/* A Date may be an hour ahead when it comes, and is believed until it is an hour old: two hours, and a little. */
static void VER_08_VER_10_remembered_as_long_as_a_date_is_believed(void **state)
{
	const int64_t hour = INT64_C(3600000), begin = 77;
	struct replay *r = replay_new(10);

	(void)state;
	assert_true(REPLAY_S > 2 * 3600);
	assert_int_equal(replay_enter(r, &first, begin, 0), ERR_OK);
	assert_int_equal(replay_enter(r, &first, begin + hour, 0), ERR_EXISTS);
	assert_int_equal(replay_enter(r, &first, begin + 2 * hour, 0), ERR_EXISTS);
	assert_int_equal(replay_enter(r, &first, begin + INT64_C(1000) * REPLAY_S - 1, 0), ERR_EXISTS);
	/* A replay does not prolong it. */
	assert_int_equal(replay_enter(r, &first, begin + INT64_C(1000) * REPLAY_S, 0), ERR_OK);
	replay_free(r);
}

static void nothing_living_is_forgotten_to_make_room(void **state)
{
	static const char *const domains[] = {"a", "b", "c", "d"}; /* one has not all of it */
	struct replay *r = replay_new(3);
	struct replay_key k = first;

	(void)state;
	for (k.cseq = 1; k.cseq <= 3; k.cseq++) {
		k.domain = slice_str(domains[k.cseq - 1]);
		assert_int_equal(replay_enter(r, &k, k.cseq * 1000, 0), ERR_OK);
	}
	k.domain = slice_str(domains[3]);
	assert_int_equal(replay_enter(r, &k, 4000, 0), ERR_BUSY);
	k.cseq = 1;
	assert_int_equal(replay_enter(r, &k, 4000, 0), ERR_EXISTS);
	/* The first one's time is over: room for one, not for two. */
	k.cseq = 9;
	assert_int_equal(replay_enter(r, &k, 1000 + INT64_C(1000) * REPLAY_S, 0), ERR_OK);
	k.cseq = 10;
	assert_int_equal(replay_enter(r, &k, 1000 + INT64_C(1000) * REPLAY_S, 0), ERR_BUSY);
	/* All are over at once. */
	assert_int_equal(replay_enter(r, &k, INT64_C(100000) * REPLAY_S, 0), ERR_OK);
	replay_free(r);
}

/* Whoever can sign for one domain cannot fill what is there for all. */
static void a_domain_has_a_quarter(void **state)
{
	struct replay *r = replay_new(40);
	struct replay_key k = first;

	(void)state;
	k.domain = S("many.example");
	for (k.cseq = 1; k.cseq <= 10; k.cseq++)
		assert_int_equal(replay_enter(r, &k, 1000 + k.cseq, 0), ERR_OK);
	assert_int_equal(replay_enter(r, &k, 2000, 0), ERR_BUSY);
	k.domain = S("other.example");
	assert_int_equal(replay_enter(r, &k, 2000, 0), ERR_OK);
	/* It has it again when its time is over. */
	k.domain = S("many.example");
	k.cseq = 50;
	assert_int_equal(replay_enter(r, &k, 1001 + INT64_C(1000) * REPLAY_S, 0), ERR_OK);
	k.cseq = 51;
	assert_int_equal(replay_enter(r, &k, 1001 + INT64_C(1000) * REPLAY_S, 0), ERR_BUSY);
	replay_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(VER_10_the_same_one_again),
		cmocka_unit_test(T_07_each_signed_field_counts),
		cmocka_unit_test(VER_08_VER_10_remembered_as_long_as_a_date_is_believed),
		cmocka_unit_test(a_domain_has_a_quarter),
		cmocka_unit_test(nothing_living_is_forgotten_to_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
