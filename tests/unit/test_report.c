#include "tests/test.h"

#include "sip/report.h"
#include "tests/unit/prefix.h"

/* Text, as JSON (RFC 8259 7) and as a terminal gets it. Character sequences of RFC 3629, good and bad. */
static const struct {
	struct slice text;
	const char *json, *plain; /* without quotes */
} rows[] = {
#define ROW(text, json, plain) \
	{ \
		{text, sizeof(text) - 1}, json, plain \
	}
	ROW("", "", ""),
	ROW("sip:bob@example.com", "sip:bob@example.com", "sip:bob@example.com"),
	ROW("\"\\/", "\\\"\\\\/", "\"\\/"),
	ROW("a\nb", "a\\nb", "a\\x0ab"),
	ROW("a\r\tb", "a\\u000d\\u0009b", "a\\x0d\tb"),
	ROW("\x1b[2J\x7f\x01\0.", "\\u001b[2J\\u007f\\u0001\\u0000.", "\\x1b[2J\\x7f\\x01\\x00."),
	ROW("p\xc3\xa4ss", "p\xc3\xa4ss", "p\xc3\xa4ss"),
	ROW("\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"),
	ROW("\xc2\x9b\x32J", "\\u009b2J", "\\xc2\\x9b2J"), /* CSI */
	ROW("\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0"),
	ROW("\x9b\x32J", "\\ufffd2J", "\\x9b2J"),
	ROW("\xff\xfe", "\\ufffd\\ufffd", "\\xff\\xfe"),
	ROW("\xc3", "\\ufffd", "\\xc3"),
	ROW("\xc3(", "\\ufffd(", "\\xc3("),
	ROW("\xe2\x82", "\\ufffd\\ufffd", "\\xe2\\x82"),
	ROW("\xc0\x8a", "\\ufffd\\ufffd", "\\xc0\\x8a"), /* a line end that is longer than need be */
	ROW("\xe0\x80\x8a", "\\ufffd\\ufffd\\ufffd", "\\xe0\\x80\\x8a"),
	ROW("\xf0\x80\x80\x8a", "\\ufffd\\ufffd\\ufffd\\ufffd", "\\xf0\\x80\\x80\\x8a"),
	ROW("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "\\xed\\xa0\\x80"), /* a surrogate */
	ROW("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"),
	ROW("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),
	ROW("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "\\xf4\\x90\\x80\\x80"),
	ROW("\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "\\xf5\\x80\\x80\\x80"),
};

static void text(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(rows[i].text);
		struct report r = {.json = true};
		struct buf plain = {0}, expected = {0};

		report_text(&r, "x", in);
		buf_addf(&expected, ",\"x\":\"%s\"", rows[i].json);
		if (!slice_eq(buf_slice(&r.out), buf_slice(&expected)))
			fail_msg("row %zu: %s", i, r.out.p);
		report_plain(&plain, in);
		if (!slice_eq(buf_slice(&plain), slice_str(rows[i].plain)))
			fail_msg("row %zu: %s", i, plain.p);
		buf_free(&r.out);
		buf_free(&plain);
		buf_free(&expected);
		guard_free(in);
	}
}

static void fill(struct report *r, bool json)
{
	report_start(r, json, "certificate", "sip:b\x1b\"@h");
	report_text(r, "file", S("a\nb"));
	report_bool(r, "yes", true);
	report_bool(r, "no", false);
	report_time(r, "when", 784111777);
	report_block(r, "pem", S("-----\nline\n"));
}

static void an_event_is_one_object_on_one_line(void **state)
{
	struct report r = {0};

	(void)state;
	fill(&r, true);
	buf_addc(&r.out, '\0');
	assert_string_equal(r.out.p, "{\"event\":\"certificate\",\"aor\":\"sip:b\\u001b\\\"@h\",\"file\":\"a\\nb\","
				     "\"yes\":true,\"no\":false,\"when\":784111777,\"pem\":\"-----\\nline\\n\"");
	buf_free(&r.out);
}

static void an_event_for_a_person(void **state)
{
	struct report r = {0};

	(void)state;
	fill(&r, false);
	buf_addc(&r.out, '\0');
	assert_string_equal(r.out.p, "certificate sip:b\\x1b\"@h\n"
				     "  file         a\\x0ab\n"
				     "  yes          yes\n"
				     "  no           no\n"
				     "  when         Sun, 06 Nov 1994 08:49:37 GMT\n"
				     "-----\nline\n");
	buf_free(&r.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(an_event_is_one_object_on_one_line),
		cmocka_unit_test(an_event_for_a_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
