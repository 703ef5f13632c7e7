#include "tests/test.h"

#include "sip/identity/identity.h"
#include "tests/unit/message.h"

/* Identity-Info = "<" absoluteURI ">" *( ";" param ), RFC 4474 9 and 14.1. */

static const struct {
	const char *text, *url, *alg; /* alg NULL: absent */
} good[] = {
	{"<https://atlanta.example.com/atlanta.cer>;alg=rsa-sha1", "https://atlanta.example.com/atlanta.cer",
	 "rsa-sha1"}, /* RFC 4474 10.1 */
	{"<http://h/>", "http://h/", NULL},
	{"<http://h/>;alg", "http://h/", NULL},
	{"<http://h/>;x=y", "http://h/", NULL},
	{"<http://h/> ; ALG = rsa-sha256", "http://h/", "rsa-sha256"},
	{"  <http://h/>\r\n ;alg=rsa-sha1  ", "http://h/", "rsa-sha1"},
	{"<http://h/>;x=\">;alg=no\";alg=yes", "http://h/", "yes"},
	{"<http://h/>;alg=\"quoted\"", "http://h/", "quoted"},
	{"<http://h/;alg=no>;alg=yes", "http://h/;alg=no", "yes"},
	{"<x>;alg=a", "x", "a"},
	{"<ftp://h/>;alg=a;alg=b", "ftp://h/", "a"},
};

static const char *const bad[] = {
	"",
	" ",
	"<",
	">",
	"<>",
	"<>;alg=rsa-sha1",
	"http://h/;alg=rsa-sha1",
	"x <http://h/>;alg=rsa-sha1",
	"\"x\" <http://h/>;alg=rsa-sha1",
	"<http://h/",
	"<http://h/;alg=rsa-sha1",
	"<http://h/>alg=rsa-sha1",
	"<http://h/>,<http://h/>",
	"<http://h/>;alg=rsa-sha1, <http://h/>;alg=rsa-sha1",
	"<http://h/>;",
	"<http://h/>;alg=",
	"<http://h/>;=rsa-sha1",
	"<http://h/>;alg=\"open",
	"<http://h/>;alg=a b",
	"<http://h/> x",
	"ppt=shaken;info=<https://h/>;alg=ES256",
};

static void identity_info(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct slice in = guard_copy(slice_str(good[i].text)), url, alg;

		if (identity_info_parse(in, &url, &alg) != ERR_OK)
			fail_msg("%s", good[i].text);
		if (!slice_eq(url, slice_str(good[i].url)) ||
		    (good[i].alg == NULL ? alg.n != 0 : !slice_eq(alg, slice_str(good[i].alg))))
			fail_msg("the parts of %s", good[i].text);
		guard_free(in);
	}
}

static void identity_info_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i])), url = S("?"), alg = S("?");

		if (identity_info_parse(in, &url, &alg) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(slice_eq(url, S("?")) && slice_eq(alg, S("?")));
		guard_free(in);
	}
}

static void check_prefix(struct slice in)
{
	struct slice url = S("?"), alg = S("?");

	if (identity_info_parse(in, &url, &alg) == ERR_OK)
		assert_true(inside(in, url) && inside(in, alg) && url.n > 0);
	else
		assert_true(slice_eq(url, S("?")) && slice_eq(alg, S("?")));
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		each_prefix(slice_str(good[i].text), check_prefix);
	for (size_t i = 0; i < COUNT(bad); i++)
		each_prefix(slice_str(bad[i]), check_prefix);
}

/* Which of the Identity header fields is the signature of RFC 4474 (VER-17, T-36). */
static const struct {
	const char *lines;
	enum identity_fault fault;
	const char *sig;
} reads[] = {
	{"", IDENTITY_ABSENT, NULL},
	{"Identity: \"YWJj\"\r\n", IDENTITY_FINE, "abc"},
	{"y: \"YW Jj\"\r\n", IDENTITY_FINE, "abc"},
	{"y: \"YW\r\n\t Jj\r\n \"\r\n", IDENTITY_FINE, "abc"},
	{"Identity: \"YWI=\"\r\n", IDENTITY_FINE, "ab"},
	{"Identity: x.y.z;info=<https://h/c>;alg=ES256\r\n", IDENTITY_RFC8224, NULL},
	{"Identity: ..z ; ppt=shaken ; INFO = <https://h/c>\r\n", IDENTITY_RFC8224, NULL},
	{"y: a+/=;info=<https://h/c;x>\r\nIdentity: b;info=<https://h/d>\r\n", IDENTITY_RFC8224, NULL},
	{"Identity: x;info=<https://h/c>\r\nIdentity: \"YWJj\"\r\n", IDENTITY_FINE, "abc"},
	{"Identity: \"YWJj\"\r\nIdentity: x;info=<https://h/c>\r\n", IDENTITY_FINE, "abc"},
	{"Identity: \"YWJj\"\r\nIdentity: \"YWJj\"\r\n", IDENTITY_SEVERAL, NULL},
	{"Identity: \"YWJj\"\r\ny: \"open\r\n", IDENTITY_SEVERAL, NULL},
	{"Identity: \"YWJj\", \"YWJj\"\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: \"YWJj\";alg=x\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: \"YWJj\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: YWJj\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: YWJj;information=x\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: YWJj;info\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: a\"b;info=<https://h/c>\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: YWJj\r\nIdentity: x;info=<https://h/c>\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity:\r\n", IDENTITY_MALFORMED, NULL},
	{"Identity: \"\"\r\n", IDENTITY_EMPTY, NULL},
	{"Identity: \"YW\"\r\n", IDENTITY_EMPTY, NULL},
	{"Identity: \"$$$$\"\r\n", IDENTITY_EMPTY, NULL},
};

static void identity_of_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reads); i++) {
		struct buf text = {0}, sig = {0};
		struct sip_msg *m;

		buf_addf(&text, OPTIONS NEEDED "%s" END, reads[i].lines);
		buf_adds(&sig, "before ");
		m = good_message(buf_slice(&text));
		if (identity_read(m, &sig) != reads[i].fault)
			fail_msg("%s", reads[i].lines);
		if (!slice_starts(buf_slice(&sig), S("before ")) ||
		    !slice_eq(slice_sub(buf_slice(&sig), 7, sig.n),
			      slice_str(reads[i].sig != NULL ? reads[i].sig : "")))
			fail_msg("the signature of %s", reads[i].lines);
		assert_int_equal(identity_fault_code(reads[i].fault) == 0, reads[i].fault == IDENTITY_FINE);
		assert_non_null(identity_fault_str(reads[i].fault));
		msg_unref(m);
		buf_free(&text);
		buf_free(&sig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_info),
		cmocka_unit_test(identity_info_refused),
		cmocka_unit_test(identity_of_requests),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
