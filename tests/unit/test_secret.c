#include "tests/test.h"

#include "core/log.h"
#include "core/secret.h"
#include "tests/unit/prefix.h"

static void what_is_hidden(void **state)
{
	static const struct {
		const char *text, *shown; /* NULL: as it is */
	} rows[] = {
		{"sip:alice:word@example.com", "sip:alice:***@example.com"},
		{"<SIPS:alice:w%3ard@[::1]:5061;lr>;x=y", "<SIPS:alice:***@[::1]:5061;lr>;x=y"},
		{"To: \"A\" <sip:a;b?/c:x&=+$,!~*'()@h>, <sip:b:y@h>", "To: \"A\" <sip:a;b?/c:***@h>, <sip:b:***@h>"},
		{"INVITE sip:alice:word@h SIP/2.0", "INVITE sip:alice:***@h SIP/2.0"},
		{"<sip:x@h?Authorization=Digest%20a=%22b%22&X=y>", "<sip:x@h?Authorization=***&X=y>"},
		{"<sip:x@h?X=y&proxy-authorization=Basic%20eA==>", "<sip:x@h?X=y&proxy-authorization=***>"},
		{"sip:alice:w:o@x@h;y=z", "sip:alice:***@h;y=z"}, /* what the grammar does not allow is a secret, too */
		{"sip:alice:w[;/?#@h", "sip:alice:***@h"},
		{"<https://alice:word@h/c.cer>;alg=x", "<https://alice:***@h/c.cer>;alg=x"},
		{"<sip:x@h?%41uthoriz%61tion=word>", "<sip:x@h?%41uthoriz%61tion=***>"},
		{"sip:10.0.0.1:5060;tag=a@b", "sip:10.0.0.1:***@b"}, /* rather that than a password */
		{"sip:alice@example.com:5060", NULL},
		{"sip:[2001:db8::1]:5060", NULL},
		{"sip:alice:@h", NULL},
		{"sip::word@h", NULL},
		{"alice:word@h", NULL},
		{"12:30:45@h", NULL},
		{"", NULL},
		{":", NULL},
		{"=", NULL},
		{"sip:a:", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		struct buf out = {0};

		secret_hide(in, &out);
		if (!slice_eq(buf_slice(&out), slice_str(rows[i].shown != NULL ? rows[i].shown : rows[i].text)))
			fail_msg("%s: %.*s", rows[i].text, SLICE_ARG(buf_slice(&out)));
		buf_free(&out);
		guard_free(in);
	}
}

static void not_in_the_log(void **state)
{
	(void)state;
	assert_string_equal(log_esc(S("<sip:alice:word@h>")).text, "<sip:alice:***@h>");
	assert_null(strstr(
		log_esc(S("<sip:a:11111111112222222222333333333344444444445555555555666666666677777777778888888888"
			  "99999999990000000000111111111122222222223333333333444444444455555555556666666666@h>"))
			.text,
		"111"));
}

static void check_prefix(struct slice in)
{
	struct buf out = {0};

	secret_hide(in, &out);
	buf_free(&out);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("<sip:alice:word@h?Authorization=x&proxy-authorization=y>"), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_hidden),
		cmocka_unit_test(not_in_the_log),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
