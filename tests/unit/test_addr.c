#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/addr.h"
#include "sip/message/limits.h"
#include "tests/unit/prefix.h"

struct row {
	const char *text, *display, *spec, *params;
	const char *tag; /* NULL: absent */
};

/* RFC 3261 20.10, 20.20, 20.34, 20.39; RFC 4475 3.1.1; RFC 4474 9 for what belongs to the addr-spec (T-13). */
static const struct row good[] = {
	{"\"The operator\" <sip:operator@cs.columbia.edu>;tag=287447", "\"The operator\"",
	 "sip:operator@cs.columbia.edu", ";tag=287447", "287447"},
	{"sip:+12125551212@server.phone2net.com;tag=887s", "", "sip:+12125551212@server.phone2net.com", ";tag=887s",
	 "887s"},
	{"Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous", "sip:c8oqz84zk7z@privacy.org", ";tag=hyh8",
	 "hyh8"},
	{"\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com> ;q=0.7; expires=3600", "\"Mr. Watson\"",
	 "sip:watson@worcester.bell-telephone.com", ";q=0.7; expires=3600", NULL},
	{"\"Mr. Watson\" <mailto:watson@bell-telephone.com> ;q=0.1", "\"Mr. Watson\"",
	 "mailto:watson@bell-telephone.com", ";q=0.1", NULL},
	{"<sips:bob@192.0.2.4>;expires=60", "", "sips:bob@192.0.2.4", ";expires=60", NULL},
	{"<sip:bigbox3.site3.atlanta.com;lr>", "", "sip:bigbox3.site3.atlanta.com;lr", "", NULL},
	{"Bob <sips:bob@biloxi.com> ;tag=a48s", "Bob", "sips:bob@biloxi.com", ";tag=a48s", "a48s"},
	/* RFC 4475 3.1.1.6, 3.1.1.1, 3.1.1.2 */
	{"caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", ";tag=323", "323"},
	{"sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n", "", "sip:vivekg@chair-dnrc.example.com",
	 ";   tag    = 1918181833n", "1918181833n"},
	{"\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8",
	 "\"J Rosenberg \\\\\\\"\"", "sip:jdrosen@example.com", ";\r\n  tag = 98asjd8", "98asjd8"},
	{"\"BEL:\\\x07 DEL:\\\x7f\" <sip:1_unusual@example.com>", "\"BEL:\\\x07 DEL:\\\x7f\"",
	 "sip:1_unusual@example.com", "", NULL},
	{"two  words\t<sip:a@h>", "two  words", "sip:a@h", "", NULL},
	{"\"Watson, Thomas\" <sip:a@h>", "\"Watson, Thomas\"", "sip:a@h", "", NULL},
	{"\"<sip:x@y>\" <sip:a@h>", "\"<sip:x@y>\"", "sip:a@h", "", NULL},
	{"\"a;tag=no\"<sip:a@h>;tag=yes", "\"a;tag=no\"", "sip:a@h", ";tag=yes", "yes"},
	{"\"\" <sip:a@h>", "\"\"", "sip:a@h", "", NULL},
	{" <sip:a@h> ", "", "sip:a@h", "", NULL},
	/* In brackets the URI has its parameters, without them the header has them. */
	{"<sip:a@h;transport=tcp;tag=u>;tag=1", "", "sip:a@h;transport=tcp;tag=u", ";tag=1", "1"},
	{"sip:a@h;transport=tcp;tag=1", "", "sip:a@h", ";transport=tcp;tag=1", "1"},
	{"<sip:a@h?x=y>", "", "sip:a@h?x=y", "", NULL},
	{"<sip:a,b@h>", "", "sip:a,b@h", "", NULL},
	{"sip:a@h;TAG=1;tag=2", "", "sip:a@h", ";TAG=1;tag=2", "1"},
	/* gen-value may be a quoted string with anything in it. */
	{"sip:a@h;x=\"<y>\";tag=1", "", "sip:a@h", ";x=\"<y>\";tag=1", "1"},
	{"<sip:a@h>;x=\"<y>\"", "", "sip:a@h", ";x=\"<y>\"", NULL},
	/* A tag without a value is a parameter, but no tag. */
	{"<sip:a@h>;tag", "", "sip:a@h", ";tag", NULL},
	{"<sip:a@h>;tag=\"\"", "", "sip:a@h", ";tag=\"\"", NULL},
	{"<tel:+1>;tag=1", "", "tel:+1", ";tag=1", "1"},
	{"tel:+1;tag=1", "", "tel:+1", ";tag=1", "1"},
};

static const char *const bad[] = {
	"",
	" ",
	"<>",
	"Bob",
	"Bob <>",
	"<sip:a@h",
	"sip:a@h>",
	"<<sip:a@h>>",
	"<sip:a@h>>",
	"<sip:a@h>x",
	"<sip:a@h>,<sip:b@h>",
	"<sip:a@h>;",
	"<sip:a@h>;;tag=1",
	"<sip:a@h>;tag=",
	"<sip:a@h>;x=\"y",
	"<sip:a@h> tag=1",
	"sip:a@h tag=1",
	"sip:a@h;",
	"sip:a@h;tag=1;",
	/* RFC 4475 3.1.2.6, 3.1.2.13, 3.1.2.14, 3.1.2.15 */
	"\"Mr. J. User <sip:j.user@example.com>",
	"sip:user@example.com?Route=%3Csip:sip.example.com%3E",
	"\"Watson, Thomas\" < sip:t.watson@example.org >",
	"Bell, Alexander <sip:a.g.bell@bell-tel.com>;tag=43",
	"<sip:a@h >",
	"sip:a,b@h",
	"a:b <sip:a@h>",
	"\"a\" b <sip:a@h>",
	"a \"b\" <sip:a@h>",
	"\"a\"\"b\" <sip:a@h>",
	"caf\xc3\xa9 <sip:a@h>",
	"\"a\\\" <sip:a@h>",
	"Quoted string `` \"",
	"<sip:a@h?x=y,z>",
	"bob@example.com",
	"<bob@example.com>",
};

static void parse_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct row *r = &good[i];
		struct slice in = guard_copy(slice_str(r->text)), tag;
		struct addr a;

		if (addr_parse(in, &a) != ERR_OK)
			fail_msg("%s", r->text);
		tag = addr_tag(&a);
		if (!slice_eq(a.display, slice_str(r->display)) || !slice_eq(a.spec, slice_str(r->spec)) ||
		    !slice_eq(a.params, slice_str(r->params)) || (tag.p == NULL) != (r->tag == NULL) ||
		    !slice_eq(tag, slice_str(r->tag)))
			fail_msg("the parts of %s", r->text);
		assert_true(slice_eq(a.uri.text, a.spec));
		guard_free(in);
	}
}

static void parse_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct addr a;

		memset(&a, PREFIX_FILL, sizeof(a));
		if (addr_parse(in, &a) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&a, sizeof(a)));
		guard_free(in);
	}
	struct addr a;

	assert_int_equal(addr_parse(S("<sip:a\0@h>"), &a), ERR_SYNTAX);
	assert_int_equal(addr_parse(S("a\0b <sip:a@h>"), &a), ERR_SYNTAX);
	assert_int_equal(addr_parse(S("<sip:a@h>;tag=\0"), &a), ERR_SYNTAX);
	assert_int_equal(addr_parse(SLICE_NONE, &a), ERR_SYNTAX);
}

static void limits(void **state)
{
	struct buf b = {0};
	struct addr a;

	(void)state;
	buf_adds(&b, "<sip:a@h;p=");
	while (b.n < SIP_URI_MAX + 1)
		buf_addc(&b, 'x');
	buf_addc(&b, '>');
	assert_int_equal(addr_parse(buf_slice(&b), &a), ERR_OK);
	assert_int_equal(a.spec.n, SIP_URI_MAX);
	b.p[b.n - 1] = 'x';
	buf_addc(&b, '>');
	assert_int_equal(addr_parse(buf_slice(&b), &a), ERR_LIMIT);
	buf_clear(&b);
	buf_adds(&b, "<sip:a@h>");
	for (int i = 1; i <= SIP_PARAMS_MAX + 1; i++) {
		buf_addf(&b, ";p%d", i);
		assert_int_equal(addr_parse(buf_slice(&b), &a), i <= SIP_PARAMS_MAX ? ERR_OK : ERR_SYNTAX);
	}
	buf_free(&b);
}

static void check_prefix(struct slice in)
{
	struct addr a;
	enum err e;

	memset(&a, PREFIX_FILL, sizeof(a));
	e = addr_parse(in, &a);
	if (e == ERR_OK)
		assert_true(inside(in, a.display) && inside(in, a.spec) && inside(in, a.params) &&
			    inside(in, a.uri.user) && inside(in, a.uri.host) && inside(in, addr_tag(&a)));
	else
		assert_true(e == ERR_SYNTAX && untouched(&a, sizeof(a)));
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		each_prefix(slice_str(good[i].text), check_prefix);
	for (size_t i = 0; i < COUNT(bad); i++)
		each_prefix(slice_str(bad[i]), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_good),
		cmocka_unit_test(parse_bad),
		cmocka_unit_test(limits),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
