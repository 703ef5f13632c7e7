#include "tests/test.h"

#include "core/buf.h"
#include "core/ini.h"
#include "tests/unit/prefix.h"

static bool collect(void *arg, struct slice section, struct slice key, struct slice value, unsigned line)
{
	buf_addf(arg, "%u:%.*s.%.*s=%.*s;", line, SLICE_ARG(section), SLICE_ARG(key), SLICE_ARG(value));
	return !slice_eq(key, S("stop"));
}

/* ini_is: the settings up to the end or the error; 0: no error, else its line. */
static void ini_is(struct slice text, const char *settings, unsigned bad_line)
{
	struct slice in = guard_copy(text);
	struct buf all = {0};
	unsigned line = 0;
	const char *why = NULL;
	enum err e;

	buf_adds(&all, "");
	e = ini_parse(in, collect, &all, &line, &why);
	if (strcmp(all.p, settings) != 0 || e != (bad_line == 0 ? ERR_OK : ERR_SYNTAX) || line != bad_line)
		fail_msg("\"%.*s\" gives %s, %s in line %u", SLICE_ARG(text), all.p, err_str(e), line);
	assert_int_equal(why != NULL, bad_line != 0);
	buf_free(&all);
	guard_free(in);
}

static void good(void **state)
{
	(void)state;
	ini_is(S(""), "", 0);
	ini_is(S("\n\n# a\n; b\n  # c\n"), "", 0);
	ini_is(S("a=b"), "1:.a=b;", 0);
	ini_is(S("a=b\n"), "1:.a=b;", 0);
	ini_is(S("[s]\na = b c \n\tx\t=\ty\t\r\n[t]\r\na=\n"), "2:s.a=b c;3:s.x=y;5:t.a=;", 0);
	ini_is(S(" [ s t ] \na=b"), "2:s t.a=b;", 0);
	/* A value runs to the end of its line: no comments, quotes, escapes or further lines. */
	ini_is(S("a = b # c\nd = \"e\" \\\nf = g=h\ni = ; j\n"), "1:.a=b # c;2:.d=\"e\" \\;3:.f=g=h;4:.i=; j;", 0);
	ini_is(S("[s]\na=[x]\n"), "2:s.a=[x];", 0);
	ini_is(S("example.com = tls:[2001:db8::1]:5061\ncaf\xc3\xa9 = \xe2\x82\xac\n"),
	       "1:.example.com=tls:[2001:db8::1]:5061;2:.caf\xc3\xa9=\xe2\x82\xac;", 0);
	ini_is(S("a=1\na=2\n"), "1:.a=1;2:.a=2;", 0);
}

static void bad(void **state)
{
	(void)state;
	ini_is(S("a"), "", 1);
	ini_is(S("a=1\n\nnonsense\nb=2\n"), "1:.a=1;", 3);
	ini_is(S("a=1\n= 2\n"), "1:.a=1;", 2);
	ini_is(S("a=1\n  =\n"), "1:.a=1;", 2);
	ini_is(S("\n[s\na=1"), "", 2);
	ini_is(S("[]\n"), "", 1);
	ini_is(S("["), "", 1);
	ini_is(S("]\n"), "", 1);
	ini_is(S("[s] x\n"), "", 1);
	ini_is(S("[s]=x\n"), "", 1);
	ini_is(S("a=b\x01\n"), "", 1);
	ini_is(S("a=b\x7f\n"), "", 1);
	ini_is(S("a=b\rc=d\n"), "", 1);
	ini_is(S("a=b\0c\n"), "", 1);
	ini_is(S("[s\0]\n"), "", 1);
	ini_is(S("a=b\x1b[2J\n"), "", 1);
}

/* What is said of a wrong line helps to put it right. */
static void reasons(void **state)
{
	static const char *const rows[][2] = {
		{"nonsense", "key = value"},
		{"[open", "[section]"},
		{"a=\x01", "control characters"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf all = {0};
		const char *why = "";
		unsigned line;

		assert_int_equal(ini_parse(slice_str(rows[i][0]), collect, &all, &line, &why), ERR_SYNTAX);
		if (strstr(why, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], why);
		buf_free(&all);
	}
}

static void stopping(void **state)
{
	struct buf all = {0};
	const char *why = "";
	unsigned line = 0;

	(void)state;
	assert_int_equal(ini_parse(S("a=1\nstop=2\nb=3\nnonsense"), collect, &all, &line, &why), ERR_CLOSED);
	assert_string_equal(all.p, "1:.a=1;2:.stop=2;");
	buf_free(&all);
}

static void check_prefix(struct slice in)
{
	struct buf all = {0};
	const char *why;
	unsigned line;
	enum err e = ini_parse(in, collect, &all, &line, &why);

	assert_true(e == ERR_OK || (e == ERR_SYNTAX && line >= 1 && line <= 6));
	buf_free(&all);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("# c\n[server]\r\n listen-udp = 0.0.0.0:5060 \n\nx=\n[t]"), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),     cmocka_unit_test(bad),      cmocka_unit_test(reasons),
		cmocka_unit_test(stopping), cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
