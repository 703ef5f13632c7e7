#include "tests/test.h"

#include <time.h>

#include "sip/message/date.h"
#include "tests/unit/prefix.h"

#define YEAR_1 (-62135596800)      /* Mon, 01 Jan 0001 00:00:00 GMT */
#define YEAR_9999_END 253402300799 /* Fri, 31 Dec 9999 23:59:59 GMT */

/* Seconds from Python's datetime. */
static const struct {
	const char *text;
	int64_t t;
} good[] = {
	{"Sat, 13 Nov 2010 23:29:00 GMT", 1289690940}, /* RFC 3261 20.17 */
	{"Thu, 21 Feb 2002 13:02:03 GMT", 1014296523}, /* RFC 4474 10 */
	{"Thu, 01 Jan 1970 00:00:00 GMT", 0},          {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
	{"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},  {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
	{"Sun, 28 Feb 2100 23:59:59 GMT", 4107542399}, {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
	{"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648}, {"Sun, 07 Feb 2106 06:28:16 GMT", 4294967296},
	{"Mon, 01 Jan 0001 00:00:00 GMT", YEAR_1},     {"Fri, 31 Dec 9999 23:59:59 GMT", YEAR_9999_END},
};

static void known(void **state)
{
	char text[DATE_SIZE];
	int64_t t;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct slice in = guard_copy(slice_str(good[i].text));

		if (date_parse(in, &t) != ERR_OK || t != good[i].t)
			fail_msg("%s", good[i].text);
		date_format(good[i].t, text);
		assert_string_equal(text, good[i].text);
		guard_free(in);
	}
}

/* Blanks, folds and letters in any case are read; what is written has one form only (RFC 4474 9). */
static void lenient(void **state)
{
	static const char *const same[] = {
		"sat, 13 nov 2010 23:29:00 gmt",          "SAT, 13 NOV 2010 23:29:00 GMT",
		"  Sat,  13\tNov 2010  23:29:00 GMT ",    "Sat, 13 Nov\r\n 2010 23:29:00 GMT",
		"Sat,\r\n\t13 Nov 2010 23:29:00\r\n GMT",
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < COUNT(same); i++)
		if (date_parse(slice_str(same[i]), &t) != ERR_OK || t != 1289690940)
			fail_msg("%s", same[i]);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Sat, 31 Dec 2016 23:59:60 GMT", /* RFC 2616 3.3.1: up to 23:59:59; it would be written as another
						    second */
		"GMT",
		"Sat",
		"Sat,",
		"Sat, 13 Nov 2010 23:29:00",
		"Sat, 13 Nov 2010 23:29:00 EST", /* RFC 4475 3.1.2.12 */
		"Sat, 13 Nov 2010 23:29:00 UTC",
		"Sat, 13 Nov 2010 23:29:00 +0000",
		"Sat, 13 Nov 2010 23:29:00 GMT x",
		"Sat, 13 Nov 2010 23:29:00 GMT+1",
		"Sat, 13 Nov 2010 23:29:00GMT",
		"Fri, 13 Nov 2010 23:29:00 GMT", /* it was a Saturday */
		"Sat 13 Nov 2010 23:29:00 GMT",
		"Sat,13 Nov 2010 23:29:00 GMT",
		"Saturday, 13 Nov 2010 23:29:00 GMT",
		"Sat, 3 Nov 2010 23:29:00 GMT",
		"Sat, 013 Nov 2010 23:29:00 GMT",
		"Sat, 00 Nov 2010 23:29:00 GMT",
		"Sat, 32 Nov 2010 23:29:00 GMT",
		"Wed, 31 Nov 2010 23:29:00 GMT",
		"Mon, 29 Feb 2010 00:00:00 GMT",
		"Tue, 30 Feb 2010 00:00:00 GMT",
		"Mon, 29 Feb 2100 00:00:00 GMT",
		"Sat, 13 Nov 10 23:29:00 GMT",
		"Sat, 13 Nov 02010 23:29:00 GMT",
		"Sat, 13 Nov 0000 23:29:00 GMT",
		"Sat, 13 Now 2010 23:29:00 GMT",
		"Sat, 13 November 2010 23:29:00 GMT",
		"Sat, 13 11 2010 23:29:00 GMT",
		"Sat, 13 Nov 2010 24:00:00 GMT",
		"Sat, 13 Nov 2010 23:60:00 GMT",
		"Sat, 13 Nov 2010 23:29:61 GMT",
		"Sat, 13 Nov 2010 3:29:000 GMT",
		"Sat, 13 Nov 2010 23:29 GMT",
		"Sat, 13 Nov 2010 23-29-00 GMT",
		"Sat, 13 Nov 2010 -3:29:00 GMT",
		"Sat, +3 Nov 2010 23:29:00 GMT",
		"Sat, 13 Nov -010 23:29:00 GMT",
		"Sat, 13-Nov-2010 23:29:00 GMT",
		"Saturday, 13-Nov-10 23:29:00 GMT",
		"Sat Nov 13 23:29:00 2010",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		int64_t t = 4711;

		if (date_parse(in, &t) != ERR_SYNTAX || t != 4711)
			fail_msg("\"%s\"", bad[i]);
		guard_free(in);
	}
	int64_t t;

	assert_int_equal(date_parse(S("Sat, 13 Nov 2010 23:29:00 GMT\0"), &t), ERR_SYNTAX);
	assert_int_equal(date_parse(S("Sat\0 13 Nov 2010 23:29:00 GMT"), &t), ERR_SYNTAX);
}

/* Days all over the range, the C library being the judge. */
static void whole_range(void **state)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	(void)state;
	/* A step of 13 days and some seconds, coprime to all periods of the calendar. */
	for (int64_t t = YEAR_1; t <= YEAR_9999_END; t += 13 * 86400 + 12347) {
		char text[DATE_SIZE], expected[80];
		time_t same = (time_t)t;
		struct tm tm;
		int64_t back;

		if (same != t || gmtime_r(&same, &tm) == NULL)
			continue; /* a time_t of 32 bits */
		snprintf(expected, sizeof(expected), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
			 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		date_format(t, text);
		if (strcmp(text, expected) != 0)
			fail_msg("%lld: %s, not %s", (long long)t, text, expected);
		assert_int_equal(date_parse(slice_str(text), &back), ERR_OK);
		assert_true(back == t);
	}
}

static void check_prefix(struct slice in)
{
	int64_t t = 4711;

	assert_int_equal(date_parse(in, &t), slice_ends(in, S("GMT")) ? ERR_OK : ERR_SYNTAX);
	assert_int_equal(t, slice_ends(in, S("GMT")) ? 1289690940 : 4711);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("Sat, 13 Nov 2010 23:29:00 GMT"), check_prefix);
	each_prefix(S(" Sat,\r\n 13 Nov  2010 23:29:00\tGMT"), check_prefix);
}

/* RFC 3339 in UTC, for command lines. */
static void utc(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026-06-01",
		"2026-06-01T12:00:00",
		"2026-06-01 12:00:00Z",
		"2026-06-01T12:00:00z",
		"2026-06-01T12:00:00.0Z",
		"2026-06-01T12:00:00+00:00",
		"2026-02-29T12:00:00Z",
		"2026-13-01T12:00:00Z",
		"2026-00-01T12:00:00Z",
		"2026-01-00T12:00:00Z",
		"2026-06-01T24:00:00Z",
		"2026-06-01T12:60:00Z",
		"2026-06-01T12:00:60Z",
		"0000-06-01T12:00:00Z",
		"2026-06-+1T12:00:00Z",
		"2026-06-01T12:00:00ZZ",
	};
	int64_t t = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct slice in = guard_copy(slice_str(wrong[i]));

		if (date_parse_utc(in, &t) != ERR_SYNTAX || t != 7)
			fail_msg("%s", wrong[i]);
		guard_free(in);
	}
	assert_int_equal(date_parse_utc(S("2010-11-13T23:29:00Z"), &t), ERR_OK);
	assert_true(t == 1289690940);
	assert_int_equal(date_parse_utc(S("2024-02-29T00:00:00Z"), &t), ERR_OK);
	assert_true(t == 1709164800);
	assert_int_equal(date_parse_utc(S("9999-12-31T23:59:59Z"), &t), ERR_OK);
	assert_true(t == YEAR_9999_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utc),     cmocka_unit_test(known),       cmocka_unit_test(lenient),
		cmocka_unit_test(refused), cmocka_unit_test(whole_range), cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
