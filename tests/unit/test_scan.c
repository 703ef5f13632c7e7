#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/limits.h"
#include "sip/message/scan.h"
#include "tests/unit/prefix.h"

/* RFC 3261 25.1: alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~", in the order of their codes. */
static const char token_chars[] = "!%'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_`abcdefghijklmnopqrstuvwxyz~";

static void characters(void **state)
{
	const char *next = token_chars;

	(void)state;
	for (int c = 0; c < 256; c++) {
		bool token = *next != '\0' && (unsigned char)*next == c;

		if (char_is((char)c, CHAR_TOKEN) != token)
			fail_msg("token character %d", c);
		if (token)
			next++;
		assert_int_equal(char_is((char)c, CHAR_LWS), c == ' ' || c == '\t' || c == '\r' || c == '\n');
	}
	assert_true(scan_is_token(S("a%!~")));
	assert_false(scan_is_token(S("")));
	assert_false(scan_is_token(SLICE_NONE));
	assert_false(scan_is_token(S("a b")));
	assert_false(scan_is_token(S("a\0b")));
	assert_false(scan_is_token(S("caf\xc3\xa9")));
}

static void hosts(void **state)
{
	static const char *const good[] = {"a", "example.com", "example.com.", "192.0.2.1", "[::]", "[2001:db8::1]",
					   "[::ffff:1.2.3.4]", "xn--bcher-kva.example", "a_b.lan", "[2001:DB8:0:0::10]",
					   "3com.example",
					   /* RFC 5118 4.10: the extra colon of RFC 3261's ABNF must be tolerated. */
					   "[2001:db8:::192.0.2.1]"};
	static const char *const bad[] = {"",
					  ".a",
					  "-a",
					  "a..b",
					  "[",
					  "]",
					  "[]",
					  "[1.2.3.4]",
					  "[::1",
					  "::1",
					  "::1]",
					  "a b",
					  "a/b",
					  "a:5060",
					  "caf\xc3\xa9",
					  "[::1]x",
					  "[::g]",
					  "[1::2::3]",
					  "[[::1]]",
					  "[::1%lo]",
					  "[ ::1]",
					  "[:::1]",
					  "[1:::2]",
					  "[2001:db8:::192.0.2]",
					  "[a::::1.2.3.4]",
					  "[:::1.2.3.4:::1.2.3.4]",
					  "a@b",
					  "a;b",
					  "a,b",
					  "a\"b",
					  "a%41"};
	char longest[257];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!scan_is_host(slice_str(good[i])))
			fail_msg("%s is a host", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (scan_is_host(slice_str(bad[i])))
			fail_msg("%s is no host", bad[i]);
	assert_false(scan_is_host(S("a\0b")));
	assert_false(scan_is_host(S("[::1\0]")));
	memset(longest, 'a', sizeof(longest));
	assert_true(scan_is_host(slice_of(longest, 255)));
	assert_false(scan_is_host(slice_of(longest, 256)));
	assert_true(scan_is_ipv6(S("2001:db8::1")));
	assert_false(scan_is_ipv6(S("[2001:db8::1]")));
	assert_false(scan_is_ipv6(S("192.0.2.1")));
	assert_false(scan_is_ipv6(S("::1\0")));
	assert_false(scan_is_ipv6(SLICE_NONE));
}

static void quoted(void **state)
{
	static const struct {
		const char *text, *inner, *behind; /* inner NULL: no closing quote */
	} rows[] = {
		{"\"\"", "", ""},           {"\"a b\" c", "a b", " c"}, {"\"\\\"\"x", "\\\"", "x"},
		{"\"\\\\\"x", "\\\\", "x"}, {"\"a,;<>\"", "a,;<>", ""}, {"\"", NULL, NULL},
		{"\"a", NULL, NULL},        {"\"a\\\"", NULL, NULL},    {"\"a\\", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice text = guard_copy(slice_str(rows[i].text)), s = text, inner = S("kept");
		bool found = scan_quoted(&s, &inner);

		assert_int_equal(found, rows[i].inner != NULL);
		assert_true(slice_eq(inner, found ? slice_str(rows[i].inner) : S("kept")));
		assert_true(slice_eq(s, found ? slice_str(rows[i].behind) : text));
		guard_free(text);
	}
}

static void pieces(void **state)
{
	struct slice s = S("  \r\n\ttok/en"), token;

	(void)state;
	s = scan_skip(s);
	assert_true(slice_eq(s, S("tok/en")));
	token = scan_token(&s);
	assert_true(slice_eq(token, S("tok")) && slice_eq(s, S("/en")));
	token = scan_token(&s);
	assert_true(token.n == 0 && slice_eq(s, S("/en")));
	assert_int_equal(scan_skip(S(" \t")).n, 0);
}

/* list_is: the elements of text with "|" between them, and whether the list is good to its end. */
static void list_is(const char *text, const char *items, bool good)
{
	struct slice copy = guard_copy(slice_str(text)), rest = copy, item;
	struct buf all = {0};
	bool bad;

	buf_adds(&all, "");
	while (scan_list(&rest, &item, &bad)) {
		assert_true(inside(copy, item) && item.n > 0);
		if (all.n > 0)
			buf_addc(&all, '|');
		buf_add(&all, item);
	}
	if (strcmp(all.p, items) != 0 || bad == good)
		fail_msg("\"%s\" gave \"%s\", %s", text, all.p, bad ? "bad" : "good");
	buf_free(&all);
	guard_free(copy);
}

static void lists(void **state)
{
	(void)state;
	list_is("", "", true);
	list_is(" \t\r\n ", "", true);
	list_is("a", "a", true);
	list_is("a,b", "a|b", true);
	list_is(" a ,\r\n\tb ", "a|b", true);
	list_is("a b,c", "a b|c", true);
	list_is("\"a,b\" <sip:x@y>,c", "\"a,b\" <sip:x@y>|c", true);
	list_is("\"\\\",\",c", "\"\\\",\"|c", true);
	list_is("\"\\\\\",c", "\"\\\\\"|c", true);
	list_is("<sip:a,b@h>,<sip:c@h>", "<sip:a,b@h>|<sip:c@h>", true);
	list_is("<sip:a\"b@h>,c\"d\"", "<sip:a\"b@h>|c\"d\"", true);
	list_is("\"<\",b", "\"<\"|b", true);
	list_is("a;x=\"1,2\",b", "a;x=\"1,2\"|b", true);
	list_is(",", "", false);
	list_is("a,", "", false);
	list_is(",a", "", false);
	list_is("a,,b", "a", false);
	list_is("a,b, ", "a", false);
	list_is("a, ,b", "a", false);
	list_is("\"a", "", false);
	list_is("a,\"b", "a", false);
	list_is("a\"b\\\"", "", false);
}

static void membership(void **state)
{
	(void)state;
	assert_true(scan_list_has(S("100rel, Path ,gruu"), S("path")));
	assert_true(scan_list_has(S("path"), S("PATH")));
	assert_false(scan_list_has(S("100rel, paths"), S("path")));
	assert_false(scan_list_has(S(""), S("path")));
	assert_false(scan_list_has(S("\"path\""), S("path")));
}

/* params_are: the parameters as "name=value;", a quoted value with its quotes. */
static void params_are(const char *text, const char *items, bool good)
{
	struct slice copy = guard_copy(slice_str(text)), rest = copy;
	struct buf all = {0};
	struct param p;
	bool bad;

	buf_adds(&all, "");
	while (scan_param(&rest, &p, &bad)) {
		assert_true(inside(copy, p.name) && inside(copy, p.value));
		buf_add(&all, p.name);
		if (p.value.p != NULL)
			buf_addf(&all, p.quoted ? "=\"%.*s\"" : "=%.*s", SLICE_ARG(p.value));
		buf_addc(&all, ';');
	}
	if (strcmp(all.p, items) != 0 || bad == good)
		fail_msg("\"%s\" gave \"%s\", %s", text, all.p, bad ? "bad" : "good");
	assert_int_equal(scan_params_check(copy), good);
	buf_free(&all);
	guard_free(copy);
}

static void parameters(void **state)
{
	(void)state;
	params_are("", "", true);
	params_are(" ", "", true);
	params_are(";a", "a;", true);
	params_are(";a=b;c", "a=b;c;", true);
	params_are(" ; a = b ; c ", "a=b;c;", true);
	params_are(";a=\r\n b", "a=b;", true);
	params_are(";a=\"x;y,z\";b=1", "a=\"x;y,z\";b=1;", true);
	params_are(";a=\"\\\"\"", "a=\"\\\"\";", true);
	params_are(";a=\"\"", "a=\"\";", true);
	params_are(";received=2001:db8::9", "received=2001:db8::9;", true);
	params_are(";received=[2001:db8::9]", "received=[2001:db8::9];", true);
	params_are(";a=1;A=2", "a=1;A=2;", true);
	params_are("a", "", false);
	params_are(";", "", false);
	params_are(";;a", "", false);
	params_are(";a;", "a;", false);
	params_are(";a=", "", false);
	params_are(";a= ;b", "", false);
	params_are(";=b", "", false);
	params_are(";a b", "", false);
	params_are(";a=b c", "", false);
	params_are(";a=\"b", "", false);
	params_are(";a=\"b\"c", "", false);
	params_are(";a=\"b\\\"", "", false);
	params_are(";a,b", "", false);
	params_are(";a=b,c", "", false);
	params_are(";a=<b>", "", false);
}

static void parameter_limit(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 1; i <= SIP_PARAMS_MAX + 1; i++) {
		buf_addf(&b, ";p%d", i);
		assert_int_equal(scan_params_check(buf_slice(&b)), i <= SIP_PARAMS_MAX);
	}
	buf_free(&b);
}

static void parameter_by_name(void **state)
{
	struct slice s = S(";tags=1;Tag=a;tag=b;lr;q=\"0.5\"");
	struct param p;

	(void)state;
	assert_true(scan_param_find(s, S("tag"), &p) && slice_eq(p.value, S("a")));
	assert_true(scan_param_find(s, S("lr"), &p) && p.value.p == NULL && !p.quoted);
	assert_true(scan_param_find(s, S("Q"), &p) && p.quoted && slice_eq(p.value, S("0.5")));
	assert_false(scan_param_find(s, S("ta"), &p));
	assert_false(scan_param_find(S(""), S("tag"), &p));
}

static void check_prefix(struct slice in)
{
	struct slice rest = in, item = in;
	struct param p;
	bool bad;

	for (size_t n = 0; scan_list(&rest, &item, &bad); n++)
		assert_true(inside(in, item) && inside(in, rest) && n < in.n);
	assert_true(rest.n == 0 || bad);
	for (rest = slice_sub(in, slice_chr(in, ';'), in.n); scan_param(&rest, &p, &bad);)
		assert_true(inside(in, p.name) && inside(in, p.value) && inside(in, rest));
	(void)scan_is_host(in);
	(void)scan_is_ipv6(in);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("\"a,\\\"b\" <sip:a,b@h>;q=\"0,\\\\\" ; x = y\r\n ,<sip:c@h>;z"), check_prefix);
	each_prefix(S(";a=\"x\\\"y\" ; b = [::1] ;c"), check_prefix);
	each_prefix(S("[2001:db8::192.0.2.1]"), check_prefix);
	each_prefix(S("[2001:db8:::192.0.2.1]"), check_prefix);
}

/* What is kept to be sent later has no line end of others, and no other control character. */
static void unfold(void **state)
{
	static const struct {
		const char *text, *line; /* NULL: refused */
	} rows[] = {
		{"", ""},
		{"a b", "a b"},
		{"a\r\n b", "a b"},
		{"a\r\n \t  b", "a b"},
		{"a \r\n b\r\n\tc", "a  b c"},
		{"a\tb", "a b"},
		{"\"x\r\n FLUSHALL\r\n y\" <sip:a>", "\"x FLUSHALL y\" <sip:a>"},
		{"a\xff", "a\xff"},
		{"a\r\nb", NULL},
		{"a\r\n", NULL},
		{"a\n b", NULL},
		{"a\r b", NULL},
		{"a\x01", NULL},
		{"a\x7f", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		struct buf out = {0};

		buf_adds(&out, "=");
		if (scan_unfold(in, &out) != (rows[i].line != NULL))
			fail_msg("%s", rows[i].text);
		if (!slice_starts(buf_slice(&out), S("=")) ||
		    !slice_eq(slice_sub(buf_slice(&out), 1, out.n),
			      rows[i].line != NULL ? slice_str(rows[i].line) : S("")))
			fail_msg("%s", rows[i].text);
		buf_free(&out);
		guard_free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfold),          cmocka_unit_test(characters),
		cmocka_unit_test(hosts),           cmocka_unit_test(quoted),
		cmocka_unit_test(pieces),          cmocka_unit_test(lists),
		cmocka_unit_test(membership),      cmocka_unit_test(parameters),
		cmocka_unit_test(parameter_limit), cmocka_unit_test(parameter_by_name),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
